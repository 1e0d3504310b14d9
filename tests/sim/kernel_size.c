/*
 * kernel_size.c: what a simulated kernel believes of a file: its size (i_size), ctime, and how new that is.
 *
 * Each request for attributes remembers the version at which it was sent. The thread that asked applies the answer, some
 * time after it came; it is ignored when something newer was applied meanwhile, or while an extending write(2) or a
 * truncate is under way. The answer to SETATTR is applied whatever the version. FUSE_NOTIFY_STORE past the end raises
 * i_size without asking anybody. Whenever i_size becomes smaller, pages are cut, dirty ones too.
 */
#include "pagecache.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "node.h"

#define SETTLE_MAX_NS (2000 * MS)
#define SETTLE_FIRST_NS (20 * US)
#define SETTLE_LONGEST_NS (1 * MS)
#define PATIENCE_NS (20 * MS)
#define SHOWS_AT_ONCE 3u
#define STUCK_NS (1 * MS)

/* --- answers with attributes --------------------------------------------------------------------------------------- */

/*
 * fuse_change_attributes(). With FUSE_EXPLICIT_INVAL_DATA, which the daemon asks for, the pages below the new end stay.
 */
static void attributes_arrived(struct inode *inode, uint64_t size, uint64_t ctime_ns, uint64_t version)
{
	uint64_t old = inode->size_bytes;

	if (inode->size_unstable || inode->attr_version > version) {
		if (old != size)
			sim_trace(inode_sim(inode), inode->node, "      f%u: the kernel ignores the size %llu%s",
			          inode->segment->index, (unsigned long long)size,
			          inode->size_unstable ? ", its own is unstable" : ", it has a newer one");
		return;
	}
	inode->attr_version = ++inode->node->attr_version;
	inode->ctime_ns = ctime_ns;
	inode->size_bytes = size;
	if (old == size)
		return;
	sim_trace(inode_sim(inode), inode->node, "      f%u: the kernel's size becomes %llu", inode->segment->index,
	          (unsigned long long)size);
	pagecache_truncate(inode, size, true);
}

void kernel_attributes(struct inode *inode, const struct request *request)
{
	pagecache_pause(inode);
	attributes_arrived(inode, request->attr.size_bytes, request->attr.ctime_ns, request->version);
}

/* With version 0 all is taken, as after SETATTR; but pages stay (K15). */
void kernel_attributes_created(struct inode *inode, const struct object_attr *attr)
{
	pagecache_pause(inode);
	attributes_arrived(inode, attr->size_bytes, attr->ctime_ns, UINT64_MAX);
}

int kernel_getattr(struct inode *inode, struct thread *thread, struct object_attr *attr)
{
	struct request *request = kernel_inode_request(inode, REQ_GETATTR);
	struct look look;
	int error;

	checker_look_begin(&look, inode);
	error = kernel_call(request, thread);
	if (!error)
		kernel_attributes(inode, request);
	checker_look_end(&look, error, &request->attr, attr != NULL);
	if (!error && attr)
		*attr = request->attr;
	return error;
}

static struct request *object_request(struct node *node, const struct object *object, unsigned type)
{
	struct msg msg = {.type = (uint8_t)type, .obj = object->id, .seg = SEG_NONE};

	return kernel_request_new(node, &msg);
}

int kernel_getattr_object(struct node *node, struct object *object, struct thread *thread)
{
	struct request *request = object_request(node, object, REQ_GETATTR);
	struct mode_call look;
	int error;

	checker_mode_look_begin(&look, node, object);
	error = kernel_call(request, thread);
	checker_mode_look_end(&look, error, request->attr.mode);
	return error;
}

/* --- SETATTR --------------------------------------------------------------------------------------------------------- */

/* fuse_do_setattr(), after the answer. */
static void setattr_arrived(struct inode *inode, bool truncates, const struct object_attr *attr)
{
	uint64_t old = inode->size_bytes;

	inode->attr_version = ++inode->node->attr_version;
	inode->ctime_ns = attr->ctime_ns;
	inode->size_bytes = attr->size_bytes;
	sim_trace(inode_sim(inode), inode->node, "      f%u: the kernel's size is %llu after SETATTR",
	          inode->segment->index, (unsigned long long)inode->size_bytes);
	if (truncates)
		pagecache_release_writes(inode);
	if (old == inode->size_bytes)
		return;
	pagecache_truncate(inode, inode->size_bytes, false);
	pagecache_invalidate(inode, 0, OBJECT_PAGES - 1);
}

int kernel_setattr(struct inode *inode, uint32_t flags, const struct object_attr *attr, struct thread *thread)
{
	struct request *request = kernel_inode_request(inode, REQ_SETATTR);
	bool truncates = flags & SETATTR_SIZE;
	struct change change;

	request->msg.flags = flags;
	request->msg.attr = *attr;
	request->msg.size = attr->size_bytes;
	pagecache_lock_inode(inode);
	inode->segment->use_begun |= truncates;
	if (truncates) {
		pagecache_hold_writes(inode);
		inode->size_unstable = inode->truncating = true;
		inode->truncate_mark = inode->segment->attrs.mark;
		inode->resizes++;
	}
	checker_setattr_begin(&change, inode, &request->msg);
	kernel_call(request, thread);
	pagecache_pause(inode);
	if (!request->error)
		setattr_arrived(inode, truncates, &request->attr);
	else if (truncates)
		pagecache_release_writes(inode);
	inode->resizes += truncates;
	inode->size_unstable = inode->truncating = false;
	checker_change_end(&change, request->error);
	inode->segment->used |= truncates && !request->error;
	pagecache_unlock_inode(inode);
	return request->error;
}

int kernel_truncate(struct inode *inode, uint64_t size_bytes, struct thread *thread)
{
	struct object_attr attr = {.size_bytes = size_bytes};

	return kernel_setattr(inode, SETATTR_SIZE, &attr, thread);
}

int kernel_setattr_object(struct node *node, struct object *object, uint32_t flags, const struct object_attr *attr,
                          struct thread *thread)
{
	struct request *request = object_request(node, object, REQ_SETATTR);
	struct mode_call change;

	request->msg.flags = flags;
	request->msg.attr = *attr;
	if (!(flags & SETATTR_MODE))
		return kernel_call(request, thread);
	checker_mode_change_begin(&change, node, object, attr->mode);
	kernel_call(request, thread);
	checker_mode_change_end(&change, request->error);
	return request->error;
}

/* --- the daemon's notifier thread ------------------------------------------------------------------------------------ */

/* A request of the notifier thread itself: the daemon answers it at once. */
static void own_request(struct inode *inode)
{
	struct node *node = inode->node;

	do
		task_sleep(&node->sim->sched, random_delay(&node->sim->sched, node->sim->plan.daemon_delay_ns));
	while (node->paused_until_ns > sim_now_ns(node->sim));
}

static void settle(struct inode *inode, uint64_t ctime_ns)
{
	uint64_t start_ns = sim_now_ns(inode_sim(inode)), sleep_ns = SETTLE_FIRST_NS;

	while (inode->ctime_ns < ctime_ns && sim_now_ns(inode_sim(inode)) < start_ns + SETTLE_MAX_NS) {
		task_sleep(inode_sched(inode), sleep_ns);
		sleep_ns = 2 * sleep_ns < SETTLE_LONGEST_NS ? 2 * sleep_ns : SETTLE_LONGEST_NS;
	}
	if (inode->ctime_ns < ctime_ns) {
		inode_sim(inode)->stats.unsettled++;
		sim_trace(inode_sim(inode), inode->node, "      f%u: the kernel never had the ctime %llu",
		          inode->segment->index, (unsigned long long)ctime_ns);
	}
}

/* --- a show ------------------------------------------------------------------------------------------------------------ */

struct showing {
	struct showing *next;
	struct inode *inode;
	uint64_t token;
	struct show show;
	kernel_shown *shown;
	void *context;
	bool taken_back;
	bool growing;  /* too late to take it back */
	bool answered; /* the kernel is told the size, or has it */
	uint64_t from; /* what it had before */
	bool reported;
};

static void report(struct showing *showing)
{
	if (!showing->reported)
		showing->shown(showing->context, showing->inode->size_bytes);
	showing->reported = true;
}

static void look_after_later(struct showing *showing);

/* The daemon looks after shows that wait for a page's lock for long: the size is there, or has been changed again. */
static void look_after(void *context, uint64_t argument)
{
	struct showing *showing = context;
	uint64_t size = showing->show.size_bytes;

	(void)argument;
	if (showing->reported || !node_alive(showing->inode->node))
		return;
	if (showing->inode->size_bytes == size || showing->inode->size_bytes != showing->from)
		report(showing);
	else
		look_after_later(showing);
}

static void look_after_later(struct showing *showing)
{
	struct sim *sim = inode_sim(showing->inode);

	showing->answered = true;
	sched_at(&sim->sched, sim_now_ns(sim) + STUCK_NS, look_after, showing, 0);
}

/*
 * FUSE_NOTIFY_STORE of a byte before the end, which cannot be read: i_size is raised, then the page's lock is taken, and
 * the page left as it is.
 */
static void notify_store(struct showing *showing)
{
	struct inode *inode = showing->inode;
	uint64_t size = showing->show.size_bytes;
	struct page *page = &inode->pages[(size - 1) / PAGE_BYTES];

	showing->growing = true;
	showing->from = inode->size_bytes;
	pagecache_pause(inode);
	inode->attr_version = ++inode->node->attr_version;
	if (size > inode->size_bytes)
		inode->size_bytes = size;
	sim_trace(inode_sim(inode), inode->node, "      f%u: the kernel's size is %llu after a notification",
	          inode->segment->index, (unsigned long long)inode->size_bytes);
	look_after_later(showing);
	pagecache_lock(inode, page, "a page lock, to store a byte");
	page->present = true;
	pagecache_unlock(inode, page);
	showing->growing = false;
}

/* GETATTR, answered with the size, if that is not taken back by then. */
static void own_getattr(struct showing *showing)
{
	struct inode *inode = showing->inode;
	uint64_t version = inode->node->attr_version, ctime_ns = inode->ctime_ns, from = inode->size_bytes;

	own_request(inode);
	if (showing->taken_back || inode->size_bytes != from)
		return;
	showing->from = from;
	look_after_later(showing);
	pagecache_pause(inode);
	attributes_arrived(inode, showing->show.size_bytes, ctime_ns, version);
}

static void grow_or_tell(struct showing *showing)
{
	struct inode *inode = showing->inode;
	uint64_t size = showing->show.size_bytes;

	if (size > OBJECT_PAGES * PAGE_BYTES || size <= inode->size_bytes)
		own_getattr(showing);
	else
		notify_store(showing);
}

/* Until the kernel has the size, it is taken back, or the thread has no more patience. */
static void set_size(struct showing *showing)
{
	struct inode *inode = showing->inode;
	uint64_t start_ns = sim_now_ns(inode_sim(inode)), sleep_ns = SETTLE_FIRST_NS;

	for (unsigned tries = 1; !showing->reported; tries++) {
		grow_or_tell(showing);
		pagecache_pause(inode);
		if (showing->reported || inode->size_bytes == showing->show.size_bytes)
			return;
		if (showing->show.patient ? sim_now_ns(inode_sim(inode)) > start_ns + PATIENCE_NS : tries >= SHOWS_AT_ONCE)
			return;
		if (showing->show.patient)
			task_sleep(inode_sched(inode), sleep_ns);
		sleep_ns = 2 * sleep_ns < SETTLE_LONGEST_NS ? 2 * sleep_ns : SETTLE_LONGEST_NS;
	}
}

struct showing *kernel_show_new(struct node *node, uint64_t token, const struct show *show, kernel_shown *shown,
                                void *context)
{
	struct showing *showing = sched_alloc(&node->sim->sched, sizeof(*showing));
	struct segment *segment = checker_segment_known(node->sim, show->obj);

	CHECK(segment);
	*showing = (struct showing){.next = node->showings,
	                            .inode = kernel_inode(node, segment),
	                            .token = token,
	                            .show = *show,
	                            .shown = shown,
	                            .context = context};
	node->showings = showing;
	return showing;
}

void kernel_show(struct showing *showing)
{
	struct inode *inode = showing->inode;
	const struct show *show = &showing->show;

	if (!inode->own_handle) { /* its look-up and open change nothing */
		own_request(inode);
		own_request(inode);
		inode->own_handle = true;
	}
	if (show->lock) {
		pagecache_lock_inode(inode);
		own_request(inode);
		pagecache_unlock_inode(inode);
	}
	if (show->settle_ns)
		settle(inode, show->settle_ns);
	pagecache_pause(inode);
	set_size(showing);
	report(showing);
}

void kernel_unshow(struct node *node, uint64_t token)
{
	struct showing *showing = node->showings;

	while (showing->token != token)
		showing = showing->next;
	showing->taken_back = true;
	if (!showing->growing || showing->answered)
		report(showing);
}
