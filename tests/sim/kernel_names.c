/*
 * kernel_names.c: what a simulated kernel does with names: look-ups, which it makes for each use of a path, and changes
 * of names in an object's directory.
 *
 * It holds the directory's lock shared in a look-up, exclusive in create, unlink and rename, until it has taken over what
 * the answer says (K13); and the lock of an inode that loses its name.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "node.h"
#include "pagecache.h"

/* --- locks ---------------------------------------------------------------------------------------------------------- */

void kernel_lock_dir(struct node *node, struct object *object, bool exclusive)
{
	struct name_lock *lock = &object->locks[node->index];

	while (lock->exclusive || (exclusive && lock->shared))
		task_wait(&node->sim->sched, &object->unlocked, "a directory's lock");
	if (exclusive)
		lock->exclusive = true;
	else
		lock->shared++;
}

void kernel_unlock_dir(struct node *node, struct object *object, bool exclusive)
{
	struct name_lock *lock = &object->locks[node->index];

	if (exclusive)
		lock->exclusive = false;
	else
		lock->shared--;
	waitq_wake(&node->sim->sched, &object->unlocked);
}

/* --- look-ups ------------------------------------------------------------------------------------------------------- */

static struct request *name_request(struct node *node, unsigned type, uint64_t dir, const char *name)
{
	struct msg msg = {.type = (uint8_t)type, .dir = dir};
	struct request *request = kernel_request_new(node, &msg);

	kernel_request_text(request, name, (uint32_t)strlen(name) + 1);
	return request;
}

int kernel_walk(struct node *node, uint64_t dir, const char *name, struct thread *thread, struct object **object)
{
	struct request *request = name_request(node, REQ_LOOKUP, dir, name);
	struct name_look look;
	int error;

	checker_name_begin(&look, node, dir, name);
	error = kernel_call(request, thread);
	checker_name_end(&look, error, request->obj);
	if (!error)
		*object = checker_object(node->sim, request->obj);
	return error;
}

/* The file that the answer is about. */
static struct inode *answered(struct node *node, struct object *object, const struct request *request)
{
	if (request->dir && request->dir != object->id)
		sim_fail(node->sim, "%s: a file of o%u is said to be in %llx", node->name, object->index,
		         (unsigned long long)request->dir);
	return kernel_inode(node, checker_segment(object, request->obj, node->sim));
}

/* What the name stands for is not known before the answer comes, but mostly it is what it was. */
int kernel_lookup(struct node *node, struct object *object, unsigned file, struct thread *thread, struct inode **inode)
{
	struct request *request = name_request(node, REQ_LOOKUP, object->id, checker_file_name(file));
	struct segment *guess = object->found[file], *found = NULL;
	struct name_look name;
	struct look look;
	bool nothing; /* is known but the name: its home is out of reach */
	int error;

	kernel_lock_dir(node, object, false);
	if (guess)
		checker_look_begin(&look, kernel_inode(node, guess));
	checker_file_look_begin(&name, node, object, file);
	error = kernel_call(request, thread);
	checker_name_end(&name, error, request->obj);
	nothing = error || !request->attr.ctime_ns;
	if (!error) {
		*inode = answered(node, object, request);
		object->found[file] = found = (*inode)->segment;
		kernel_attributes(*inode, request);
	}
	if (guess)
		checker_look_end(&look, nothing || found != guess ? -EIO : 0, &request->attr, false);
	kernel_unlock_dir(node, object, false);
	return error;
}

/* --- changes -------------------------------------------------------------------------------------------------------- */

/* Under the lock: create_new_entry(), which takes attributes whatever the version. */
static int create(struct node *node, struct object *object, unsigned file, uint32_t mode, struct thread *thread,
                  struct inode **inode)
{
	struct request *request = name_request(node, REQ_CREATE, object->id, checker_file_name(file));
	struct file_change change;
	struct segment *segment;
	int error;

	request->msg.attr.mode = mode;
	checker_file_change_begin(&change, node, object, &request->msg, file, file);
	error = kernel_call(request, thread);
	segment = checker_file_change_end(&change, &request->msg, error, request->obj);
	if (error)
		return error;
	*inode = answered(node, object, request);
	object->found[file] = segment;
	kernel_attributes_created(*inode, &request->attr);
	return 0;
}

int kernel_create(struct node *node, struct object *object, unsigned file, uint32_t mode, struct thread *thread,
                  struct inode **inode, struct file *handle)
{
	int error;

	kernel_lock_dir(node, object, true);
	error = create(node, object, file, mode, thread, inode);
	kernel_unlock_dir(node, object, true);
	if (!error && handle)
		error = kernel_open(*inode, true, thread, handle);
	return error;
}

/* fuse_entry_unlinked(): answers with attributes that were asked for before are too old. */
static void unlinked(struct inode *inode, int error)
{
	if (!error && inode)
		inode->attr_version = ++inode->node->attr_version;
}

int kernel_unlink(struct node *node, struct object *object, unsigned file, struct inode *inode, struct thread *thread)
{
	struct request *request = name_request(node, REQ_REMOVE, object->id, checker_file_name(file));
	struct file_change change;
	int error;

	if (inode && random_permille(&node->sim->sched, 500))
		request->msg.obj = inode->segment->id;
	kernel_lock_dir(node, object, true);
	if (inode)
		pagecache_lock_inode(inode);
	checker_file_change_begin(&change, node, object, &request->msg, file, file);
	error = kernel_call(request, thread);
	checker_file_change_end(&change, &request->msg, error, 0);
	unlinked(inode, error);
	if (inode)
		pagecache_unlock_inode(inode);
	kernel_unlock_dir(node, object, true);
	return error;
}

int kernel_rename(struct node *node, struct object *object, unsigned from, unsigned to, uint32_t flags,
                  struct inode *replaced, struct thread *thread)
{
	struct msg msg = {.type = REQ_RENAME, .dir = object->id, .to_dir = object->id, .flags = flags};
	struct request *request = kernel_request_new(node, &msg);
	struct file_change change;
	char text[32];
	int error;

	kernel_request_text(request, text,
	                    (uint32_t)snprintf(text, sizeof(text), "%s%c%s", checker_file_name(from), 0,
	                                       checker_file_name(to)) + 1);
	kernel_lock_dir(node, object, true);
	if (replaced)
		pagecache_lock_inode(replaced);
	checker_file_change_begin(&change, node, object, &request->msg, from, to);
	error = kernel_call(request, thread);
	checker_file_change_end(&change, &request->msg, error, 0);
	unlinked(replaced, error);
	if (replaced)
		pagecache_unlock_inode(replaced);
	kernel_unlock_dir(node, object, true);
	return error;
}
