/*
 * operate.c: what programs do with open files: loads, stores and atomic adds in a mapping, read(2) and write(2).
 */
#include "operate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "litmus.h"
#include "node.h"
#include "signals.h"

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

/* --- what comes back ------------------------------------------------------------------------------------------------ */

static struct request *object_request(const struct thread *thread, const struct object *object, unsigned type)
{
	struct msg msg = {.type = (uint8_t)type, .obj = object->id, .seg = SEG_NONE, .mode = PAGE_INVALID};

	return kernel_request_new(thread->node, &msg);
}

static int write_control(struct thread *thread, const struct object *object, const char *text)
{
	struct request *request = object_request(thread, object, REQ_CONTROL);

	request->msg.seg = 0;
	kernel_request_text(request, text, (uint32_t)strlen(text));
	return kernel_call(request, thread);
}

int operate_clear(struct object *object, struct thread *thread)
{
	int error;

	sim_of(thread)->stats.lost++;
	checker_clear_begin(object);
	error = kernel_call(object_request(thread, object, REQ_OPEN), thread);
	if (!error) {
		error = write_control(thread, object, "clear\n");
		node_submit(object_request(thread, object, REQ_RELEASE));
	}
	checker_clear_end(object, error);
	return error;
}

void operate_judge_object(struct thread *thread, struct object *object, int error, const char *what)
{
	struct sim *sim = sim_of(thread);

	if (error >= 0 || thread->killed)
		return;
	sim_trace(sim, thread->node, "   %s in o%u fails with %d", what, object->index, error);
	if (!checker_error_allowed(sim, object, error))
		sim_fail(sim, "%s: %s in o%u fails with %d (%s)", thread->node->name, what, object->index, error,
		         strerror(-error));
	else if (error == -EIO && chance(thread, 300))
		operate_clear(object, thread);
}

void operate_judge(struct thread *thread, struct inode *inode, int error, const char *what)
{
	char text[64];

	if (error >= 0)
		return;
	snprintf(text, sizeof(text), "%s of f%u", what, inode->segment->index);
	operate_judge_object(thread, inode->segment->object, error, text);
}

/* Past the end SIGBUS is right, or EIO where the size changes meanwhile; but the file may have to be longer than that. */
static void judge_access(struct thread *thread, const struct access *access, struct inode *inode, uint64_t at, int error,
                         const char *what)
{
	struct sim *sim = sim_of(thread);

	if ((error == -EFAULT || error == -EIO) && checker_may_lack(access, at))
		return;
	if (error == -EFAULT)
		sim_fail(sim, "%s: %s of f%u page %u is SIGBUS, but the file is longer", thread->node->name, what,
		         inode->segment->index, (unsigned)(at / PAGE_BYTES));
	else if (error < 0)
		operate_judge(thread, inode, error, what);
	else if (!checker_may_have(access, at))
		sim_fail(sim, "%s: %s of f%u page %u works, but the file is shorter", thread->node->name, what,
		         inode->segment->index, (unsigned)(at / PAGE_BYTES));
}

/* --- files ---------------------------------------------------------------------------------------------------------- */

/* Without an object it was its look-up that failed: also for what is being revoked under that name. */
static void judge_by_name(struct thread *thread, const char *name, const struct object *object, int error)
{
	struct sim *sim = sim_of(thread);
	bool revokes = !object && (sim->plan.owns || sim->plan.revokes) && error == -EIO;

	if (!error || error == -ENOENT || error == -EINTR || error == -ESTALE || sim->any_fault || revokes ||
	    (object && checker_error_allowed(sim, object, error)))
		return;
	sim_fail(sim, "%s: open of %s fails with %d", thread->node->name, name, error);
}

/* The fixed objects are never owned nor revoked. */
static bool names_matter(const struct sim *sim)
{
	return sim->plan.owns || sim->plan.revokes || sim->plan.unnamed;
}

/* Files but `memory` come and go, also between a look-up and what follows. */
static bool may_be_missing(unsigned name, int error)
{
	return name && (error == -ENOENT || error == -ESTALE);
}

void operate_judge_path(struct thread *thread, struct object *object, unsigned file, int error, const char *what)
{
	if (!may_be_missing(file, error))
		operate_judge_object(thread, object, error, what);
}

/* A file of the object. A kernel asks for attributes, to judge who may, where it does not keep those of the look-up. */
static int open_in(struct thread *thread, struct object *object, unsigned name, uint32_t lists, struct file *file)
{
	bool writable = chance(thread, 650);
	struct inode *inode;
	int error = kernel_lookup(thread->node, object, name, thread, &inode);

	if (!error && chance(thread, 300))
		error = kernel_getattr(inode, thread, NULL);
	if (error)
		return error;
	error = kernel_open(inode, writable, thread, file);
	signals_open_end(sim_of(thread), thread->node, object, lists, writable, error);
	return error;
}

void operate_open(struct thread *thread, struct file *file)
{
	struct sim *sim = sim_of(thread);
	uint32_t lists = signals_open_begin(sim);
	bool fixed = chance(thread, names_matter(sim) ? 300 : 1000 - sim->plan.names);
	unsigned index = (unsigned)below(thread, fixed ? sim->plan.objects : SIM_NAMES);
	unsigned in = operate_some_file(thread);
	struct object *object = NULL;
	char name[16];
	int error;

	snprintf(name, sizeof(name), fixed ? "fixed%u" : "name%u", index);
	error = kernel_walk(thread->node, fixed ? DIR_ROOT : operate_dir(thread), name, thread, &object);
	if (!error)
		error = open_in(thread, object, in, lists, file);
	if (error && fixed && !(object && may_be_missing(in, error)) &&
	    !checker_error_allowed(sim, sim->fixed[index], error))
		sim_fail(sim, "%s: open of %s fails with %d", thread->node->name, name, error);
	if (!fixed)
		judge_by_name(thread, name, object, error);
}

int operate_find(struct thread *thread, struct object **object)
{
	struct sim *sim = sim_of(thread);
	bool fixed = chance(thread, names_matter(sim) ? 200 : 1000 - sim->plan.names);
	unsigned index = (unsigned)below(thread, fixed ? sim->plan.objects : SIM_NAMES);
	char name[16];
	int error;

	*object = NULL;
	snprintf(name, sizeof(name), fixed ? "fixed%u" : "name%u", index);
	error = kernel_walk(thread->node, fixed ? DIR_ROOT : operate_dir(thread), name, thread, object);
	if (!error && chance(thread, 500))
		error = kernel_getattr_object(thread->node, *object, thread);
	judge_by_name(thread, name, *object, error);
	return error;
}

/* --- accesses ------------------------------------------------------------------------------------------------------- */

/* Now and then the last one of the file as everybody must know it by now, or as this kernel knows it. */
static unsigned some_page(struct thread *thread, const struct inode *inode)
{
	const struct plan *plan = &sim_of(thread)->plan;

	if (chance(thread, 500))
		return 0;
	if (plan->grows && chance(thread, 600))
		return last_page(chance(thread, 500) ? reg_low(&inode->segment->attrs.bounds) : inode->size_bytes);
	return (unsigned)below(thread, plan->pages);
}

static const unsigned mapped_words[] = {WORD_PLAIN0, WORD_PLAIN1, WORD_MIXED0, WORD_MIXED1, WORD_MIXED2};

static unsigned some_word(struct thread *thread)
{
	return mapped_words[below(thread, sizeof(mapped_words) / sizeof(mapped_words[0]))];
}

void operate_load(struct thread *thread, struct inode *inode, unsigned page)
{
	struct access access;
	uint64_t value;
	int error;

	checker_access_begin(&access, inode);
	error = kernel_load(inode, page, some_word(thread), thread, &value);
	judge_access(thread, &access, inode, (uint64_t)page * PAGE_BYTES, error, "load");
}

static void operate_mapped(struct thread *thread, struct file *file)
{
	struct sim *sim = sim_of(thread);
	struct inode *inode = file->inode;
	unsigned page = some_page(thread, inode), word = some_word(thread);
	struct access access;
	int error;

	if (!file->writable || chance(thread, 300)) {
		operate_load(thread, inode, page);
		return;
	}
	checker_access_begin(&access, inode);
	if (chance(thread, 570)) {
		error = kernel_add(inode, page, WORD_COUNTER, thread);
		sim->stats.adds += !error;
	} else {
		error = kernel_store(inode, page, word, checker_value(inode->segment, page, word), thread);
	}
	judge_access(thread, &access, inode, (uint64_t)page * PAGE_BYTES, error, "store");
}

static void operate_write(struct thread *thread, struct file *file)
{
	struct inode *inode = file->inode;
	unsigned page = some_page(thread, inode);
	unsigned first = WORD_MIXED0 + (unsigned)below(thread, 3);
	unsigned count = 1 + (unsigned)below(thread, PAGE_WORDS - first);
	uint64_t from;
	struct access access;
	int result;

	if (bulk_page(page) && chance(thread, 500)) {
		first = 0;
		count = PAGE_WORDS;
	}
	if (!inode->segment->steady && chance(thread, 400)) /* whose words are for anybody */
		count += PAGE_WORDS * (1 + (unsigned)below(thread, 2));
	from = page * (uint64_t)PAGE_BYTES + first * BLOCK_BYTES;
	/* Past the end it makes the file larger: see operate_grow(). */
	if (from + count * BLOCK_BYTES > inode->size_bytes)
		return;
	checker_access_begin(&access, inode);
	result = kernel_write(inode, from, count * BLOCK_BYTES, thread);
	sim_of(thread)->stats.writes++;
	/* EIO is right where another node's truncate cuts into the first of several pages (write.c). */
	if (result < 0 && !(result == -EIO && checker_was_cut(&access, (from + count * BLOCK_BYTES - 1) | (PAGE_BYTES - 1))))
		judge_access(thread, &access, inode, from, result, "write(2)");
}

void operate_read(struct thread *thread, struct inode *inode, uint64_t from, uint64_t bytes)
{
	struct sim *sim = sim_of(thread);
	struct access access;
	int got;

	checker_access_begin(&access, inode);
	got = kernel_read(inode, from, bytes, thread);
	if (got < 0)
		judge_access(thread, &access, inode, from, got, "read(2)");
	else if ((uint64_t)got < bytes && !thread->killed && sim->plan.store_pages == STORE_PAGES &&
	         !checker_may_lack(&access, from + (uint64_t)got))
		sim_fail(sim, "%s: read(2) of f%u ends at %llu, but the file is longer", thread->node->name,
		         inode->segment->index, (unsigned long long)(from + (uint64_t)got));
	else if (got > 0 && !checker_may_have(&access, from + (uint64_t)got - 1))
		sim_fail(sim, "%s: read(2) of f%u reaches %llu, but the file is shorter", thread->node->name,
		         inode->segment->index, (unsigned long long)(from + (uint64_t)got));
}

static void operate_read_some(struct thread *thread, struct file *file)
{
	unsigned page = some_page(thread, file->inode);
	unsigned first = (unsigned)below(thread, PAGE_WORDS);
	unsigned count = 1 + (unsigned)below(thread, PAGE_WORDS - first);

	operate_read(thread, file->inode, page * (uint64_t)PAGE_BYTES + first * BLOCK_BYTES, count * BLOCK_BYTES);
}

/* --- all together --------------------------------------------------------------------------------------------------- */

static void operate_file(struct thread *thread, struct file *file)
{
	switch (below(thread, 20)) {
	case 0:
		kernel_close(file);
		break;
	case 1:
		operate_tail(thread, file);
		break;
	case 2:
		operate_judge(thread, file->inode, kernel_fsync(file->inode, thread), "fsync");
		break;
	case 3:
	case 4:
		operate_read_some(thread, file);
		break;
	case 5:
	case 6:
	case 7:
		if (file->writable)
			operate_write(thread, file);
		break;
	case 8:
	case 9:
	case 10:
		if (file->writable && file->inode->segment->steady)
			operate_judge(thread, file->inode, litmus_play(thread, file), "litmus test");
		break;
	default:
		operate_mapped(thread, file);
		break;
	}
}

void operate(struct thread *thread)
{
	struct sim *sim = sim_of(thread);
	struct file *file = &thread->files[below(thread, THREAD_FILES)];

	sim->stats.operations++;
	if (chance(thread, sim->plan.names))
		operate_names(thread);
	else if (sim->plan.files && chance(thread, sim->plan.files))
		operate_files(thread);
	else if (sim->plan.signals && chance(thread, sim->plan.signals))
		signals_operate(thread, (unsigned)below(thread, THREAD_ENDS));
	else if (!file->open)
		operate_open(thread, file);
	else if (chance(thread, sim->plan.truncates))
		operate_truncate(thread, file);
	else if (chance(thread, sim->plan.grows))
		operate_grow(thread, file);
	else if (chance(thread, sim->plan.attributes))
		operate_attributes(thread, file);
	else
		operate_file(thread, file);
}
