/*
 * operate_files.c: what programs do with the names of files in an object: create, unlink, rename, readdir. There are few
 * names, so that they race.
 */
#include <errno.h>

#include "node.h"
#include "operate.h"

static uint64_t below(const struct thread *thread, uint64_t limit)
{
	return random_below(&thread->node->sim->sched, limit);
}

static bool chance(const struct thread *thread, unsigned permille)
{
	return random_permille(&thread->node->sim->sched, permille);
}

unsigned operate_some_file(struct thread *thread)
{
	if (!thread->node->sim->plan.files || chance(thread, 500))
		return 0;
	return 1 + (unsigned)below(thread, SIM_FILES - 1);
}

/* A name that may come to stand for something else: `memory` of what was there at the start must stay. */
static unsigned some_name(struct thread *thread, const struct object *object)
{
	if (!checker_is_fixed(thread->node->sim, object) && chance(thread, 200))
		return 0;
	return 1 + (unsigned)below(thread, SIM_FILES - 1);
}

/* What a call on names may always say, and the checker has judged. */
static void judge(struct thread *thread, struct object *object, int error, const char *what)
{
	if (error != -EEXIST && error != -ENOENT)
		operate_judge_object(thread, object, error, what);
}

/* By path, or of a file that is open, whose object may have lost its name. */
static struct object *some_object(struct thread *thread)
{
	const struct file *file = &thread->files[below(thread, THREAD_FILES)];
	struct object *object;

	if (file->open && chance(thread, 500))
		return file->inode->segment->object;
	return operate_find(thread, &object) ? NULL : object;
}

static struct file *free_file(struct thread *thread)
{
	for (unsigned i = 0; i < THREAD_FILES; i++)
		if (!thread->files[i].open)
			return &thread->files[i];
	return NULL;
}

/* Also of `memory` everywhere, which must be there. */
static void create(struct thread *thread, struct object *object)
{
	static const uint32_t modes[] = {0600, 0644, 0666, 0755, 0640};
	unsigned name = chance(thread, 200) ? 0 : some_name(thread, object);
	uint32_t mode = modes[below(thread, sizeof(modes) / sizeof(modes[0]))];
	struct file *file = chance(thread, 700) ? free_file(thread) : NULL;
	struct inode *inode;
	int error = kernel_create(thread->node, object, name, mode, thread, &inode, file);

	if (error == -ESTALE && file) /* unlinked before it was opened */
		return;
	judge(thread, object, error, "create");
	if (error || !file || thread->killed || !chance(thread, 700))
		return;
	error = kernel_truncate(inode, thread->node->sim->plan.pages * PAGE_BYTES, thread);
	operate_judge(thread, inode, error, "truncate");
}

/* The file under the name, if there is one. */
static struct inode *look(struct thread *thread, struct object *object, unsigned name)
{
	struct inode *inode = NULL;
	int error = kernel_lookup(thread->node, object, name, thread, &inode);

	operate_judge_path(thread, object, checker_is_fixed(thread->node->sim, object) ? name : 1, error, "look-up");
	return error ? NULL : inode;
}

static void remove_file(struct thread *thread, struct object *object)
{
	unsigned name = some_name(thread, object);
	struct inode *inode = chance(thread, 800) ? look(thread, object, name) : NULL;

	if (!thread->killed)
		judge(thread, object, kernel_unlink(thread->node, object, name, inode, thread), "unlink");
}

static void rename_file(struct thread *thread, struct object *object)
{
	unsigned from = some_name(thread, object), to = some_name(thread, object);
	uint32_t flags = chance(thread, 300) ? REQUEST_NOREPLACE : 0;
	struct inode *replaced = from != to && chance(thread, 800) ? look(thread, object, to) : NULL;

	if (from != to && !thread->killed)
		judge(thread, object, kernel_rename(thread->node, object, from, to, flags, replaced, thread), "rename");
}

/* A file is in one object for good, and no object is in another. */
static void rename_away(struct thread *thread, struct object *object)
{
	struct sim *sim = thread->node->sim;
	uint64_t to_dir = chance(thread, 500) ? DIR_ROOT : sim->fixed[0]->id;
	struct msg msg = {.type = REQ_RENAME, .dir = object->id, .to_dir = to_dir};
	int error;

	if (to_dir == object->id)
		return;
	error = operate_name(thread, &msg, "file1\0file2", 12, NULL);
	if (!error)
		sim_fail(sim, "%s: a file of o%u is moved out of it", thread->node->name, object->index);
	else if (error != -EXDEV)
		operate_judge_object(thread, object, error, "rename out of it");
}

void operate_files(struct thread *thread)
{
	struct object *object = some_object(thread);
	unsigned dice = (unsigned)below(thread, 100);

	if (!object || thread->killed)
		return;
	if (dice < 45)
		create(thread, object);
	else if (dice < 60)
		remove_file(thread, object);
	else if (dice < 78)
		rename_file(thread, object);
	else if (dice < 90)
		operate_list_files(thread, object);
	else if (dice < 97)
		(void)look(thread, object, operate_some_file(thread));
	else
		rename_away(thread, object);
}
