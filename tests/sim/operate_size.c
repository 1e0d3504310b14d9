/*
 * operate_size.c: what programs do at the end of a file (truncate, growing write(2)s, reading what is new), and with what
 * stat(2) gives.
 */
#include "operate.h"

#include <errno.h>
#include <stdio.h>

#include "node.h"
#include "signals.h"

#define BYTES_MAX (OBJECT_PAGES * (uint64_t)PAGE_BYTES)

static struct sim *sim_of(const struct thread *thread)
{
	return thread->node->sim;
}

static uint64_t below(const struct thread *thread, uint64_t limit)
{
	return random_below(&sim_of(thread)->sched, limit);
}

static bool chance(const struct thread *thread, unsigned permille)
{
	return random_permille(&sim_of(thread)->sched, permille);
}

/* A number of bytes up to `max`: blocks, often whole pages, now and then one byte of the next page or part of a block. */
static uint64_t some_end(const struct thread *thread, uint64_t max)
{
	uint64_t bytes = below(thread, max / BLOCK_BYTES + 1) * BLOCK_BYTES;
	unsigned dice = (unsigned)below(thread, 10);

	if (dice < 5 || !sim_of(thread)->plan.grows)
		return dice < 4 ? bytes : bytes - bytes % PAGE_BYTES;
	if (dice < 7)
		bytes -= bytes % PAGE_BYTES;
	if (dice == 6 && bytes + 1 <= max)
		bytes += 1;
	if (dice == 9 && bytes + WORD_BYTES <= max)
		bytes += WORD_BYTES;
	return bytes;
}

void operate_truncate(struct thread *thread, struct file *file)
{
	struct sim *sim = sim_of(thread);
	struct inode *inode = file->inode;
	const struct segment *segment = inode->segment;
	const struct end *owner = segment->object->owning.owner;
	uint64_t max = sim->plan.grows ? BYTES_MAX : sim->plan.pages * PAGE_BYTES;
	int error;

	/* Also by path, without a handle for writing. */
	if ((!file->writable && chance(thread, 800)) || segment->steady)
		return;
	error = kernel_truncate(inode, some_end(thread, max), thread);
	operate_judge(thread, inode, error, "truncate");
	if (!error && owner && owner->open)
		sim_fail(sim, "%s: f%u, which is owned, is truncated", thread->node->name, segment->index);
}

/* What is new is looked at at once, by its writer. */
static void look_back(struct thread *thread, struct inode *inode, uint64_t end)
{
	struct object_attr attr;

	if (chance(thread, 500))
		operate_judge(thread, inode, kernel_getattr(inode, thread, &attr), "stat");
	if (!thread->killed && chance(thread, 500))
		operate_load(thread, inode, last_page(end));
}

void operate_grow(struct thread *thread, struct file *file)
{
	struct sim *sim = sim_of(thread);
	struct inode *inode = file->inode;
	uint64_t from = (inode->size_bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES, bytes;
	struct access access;
	int result;

	if (!file->writable || inode->segment->steady)
		return;
	bytes = some_end(thread, chance(thread, 500) ? PAGE_BYTES : 3 * PAGE_BYTES);
	if (chance(thread, 200)) /* leaves a hole, or writes what is there and more */
		from = below(thread, BYTES_MAX / BLOCK_BYTES) * BLOCK_BYTES;
	else if (chance(thread, 250))
		from = (from + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	if (!bytes || from + bytes > BYTES_MAX) {
		if (chance(thread, 300))
			operate_truncate(thread, file);
		return;
	}
	sim->stats.grows++;
	checker_access_begin(&access, inode);
	result = chance(thread, 400) ? kernel_append(inode, bytes, thread) : kernel_write(inode, from, bytes, thread);
	/* EIO is right where another node's truncate cuts into the first of several pages (write.c). */
	if (result == -EFBIG || (result == -EIO && checker_was_cut(&access, (from + bytes - 1) | (PAGE_BYTES - 1))))
		return;
	operate_judge(thread, inode, result, "growing write(2)");
	if (result > 0 && !thread->killed)
		look_back(thread, inode, from + (uint64_t)result);
}

/* As tail -f does: fstat, then all that is new, or the end of it. */
void operate_tail(struct thread *thread, struct file *file)
{
	struct inode *inode = file->inode;
	struct object_attr attr;
	uint64_t from;
	int error = kernel_getattr(inode, thread, &attr);

	sim_of(thread)->stats.looks++;
	operate_judge(thread, inode, error, "stat");
	if (error || !attr.size_bytes || !sim_of(thread)->plan.grows || chance(thread, 200))
		return;
	if (chance(thread, 400)) {
		operate_load(thread, inode, last_page(attr.size_bytes));
		return;
	}
	from = below(thread, attr.size_bytes / BLOCK_BYTES + 1) * BLOCK_BYTES;
	if (from < attr.size_bytes && from + PAGE_BYTES < attr.size_bytes)
		from = (attr.size_bytes - PAGE_BYTES) / BLOCK_BYTES * BLOCK_BYTES;
	operate_read(thread, inode, from, attr.size_bytes - from + (chance(thread, 500) ? 0 : PAGE_BYTES));
}

/* stat(2), or ls -l: by path, of an object that need not be open here. */
static void stat_by_path(struct thread *thread)
{
	unsigned file = operate_some_file(thread);
	struct object_attr attr;
	struct object *object;
	struct inode *inode;

	if (operate_find(thread, &object) || thread->killed)
		return;
	if (chance(thread, 300))
		operate_judge_object(thread, object, kernel_getattr_object(thread->node, object, thread), "stat");
	else if (!kernel_lookup(thread->node, object, file, thread, &inode))
		operate_judge_path(thread, object, file, kernel_getattr(inode, thread, &attr), "stat of a file");
}

static void change_attributes(struct thread *thread, struct inode *inode)
{
	static const uint32_t modes[] = {0600, 0644, 0666, 0700, 0755, 0640};
	struct object_attr attr = {.mode = modes[below(thread, sizeof(modes) / sizeof(modes[0]))],
	                           .mtime_ns = 1 + below(thread, UINT64_C(1000000000000))};
	uint32_t flags = 1 + (uint32_t)below(thread, 3);
	struct object *object = inode->segment->object;

	flags = (flags & 1 ? SETATTR_MODE : 0) | (flags & 2 ? SETATTR_MTIME : 0);
	if (chance(thread, 700))
		operate_judge(thread, inode, kernel_setattr(inode, flags, &attr, thread), "chmod or utimes");
	else
		operate_judge_object(thread, object, kernel_setattr_object(thread->node, object, flags, &attr, thread),
		                     "chmod or utimes");
}

static void reopen(struct thread *thread, struct file *file)
{
	kernel_close(file);
	operate_open(thread, file);
	if (!file->open || thread->killed)
		return;
	if (reg_low(&file->inode->segment->attrs.bounds))
		operate_load(thread, file->inode, last_page(reg_low(&file->inode->segment->attrs.bounds)));
}

void operate_attributes(struct thread *thread, struct file *file)
{
	struct object_attr attr;

	sim_of(thread)->stats.looks++;
	switch (below(thread, 10)) {
	case 0:
	case 1:
		operate_judge(thread, file->inode, kernel_getattr(file->inode, thread, &attr), "stat");
		break;
	case 2:
	case 3:
	case 4:
		stat_by_path(thread);
		break;
	case 5:
	case 6:
		change_attributes(thread, file->inode);
		break;
	case 7:
		operate_list(thread);
		break;
	case 8:
		reopen(thread, file);
		break;
	default:
		operate_tail(thread, file);
		break;
	}
}
