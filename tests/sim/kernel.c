#include "kernel.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "node.h"
#include "programs.h"

#define BACKGROUND_MIN_NS (20 * US)
#define BACKGROUND_MAX_NS (20 * MS)

/* --- helpers --------------------------------------------------------------------------------------------------- */

static struct sim *sim_of(const struct inode *inode)
{
	return inode->node->sim;
}

static struct sched *sched_of(const struct inode *inode)
{
	return &inode->node->sim->sched;
}

static unsigned page_index(const struct inode *inode, const struct page *page)
{
	return (unsigned)(page - inode->pages);
}

static void inode_wait(struct inode *inode, const char *what)
{
	task_wait(sched_of(inode), &inode->wait, what);
}

static void inode_changed(struct inode *inode)
{
	waitq_wake(sched_of(inode), &inode->wait);
}

static void pause_shortly(struct inode *inode)
{
	task_sleep(sched_of(inode), random_delay(sched_of(inode), sim_of(inode)->plan.kernel_delay_ns));
}

/* First come first served: the kernel hands a contended lock on. */
static void page_lock(struct inode *inode, struct page *page, const char *what)
{
	uint32_t ticket = page->tickets++;

	while (page->serving != ticket)
		inode_wait(inode, what);
}

static bool page_locked(const struct page *page)
{
	return page->tickets != page->serving;
}

static void page_unlock(struct inode *inode, struct page *page)
{
	CHECK(page_locked(page));
	page->serving++;
	page->unmapped = false;
	inode_changed(inode);
}

static void page_drop(struct inode *inode, struct page *page, const char *why)
{
	if (page->present)
		sim_trace(sim_of(inode), inode->node, "      page %u of o%u dropped: %s", page_index(inode, page),
		          inode->object->index, why);
	page->incarnation++;
	page->present = false;
	page->uptodate = false;
	page->dirty = false;
	page->early = false;
}

static void inode_lock(struct inode *inode)
{
	while (inode->locked)
		inode_wait(inode, "the inode lock");
	inode->locked = true;
}

static void inode_unlock(struct inode *inode)
{
	inode->locked = false;
	inode_changed(inode);
}

static const struct node *home_of(const struct inode *inode)
{
	return node_by_number(sim_of(inode), inode->object->home);
}

static uint32_t link_generation(const struct inode *inode)
{
	const struct node *home = home_of(inode);

	return home ? sim_of(inode)->link_generation[inode->node->index][home->index] : 0;
}

bool kernel_page_exempt(const struct inode *inode, const struct page *page)
{
	const struct node *home = home_of(inode);
	const struct sim *sim = sim_of(inode);

	if (page->early)
		return true;
	if (home == inode->node)
		return false;
	if (!home || !node_alive(home) || !sim->links_up[inode->node->index][home->index])
		return true;
	return sim->phase != PHASE_SURVEY && page->generation != link_generation(inode);
}

struct inode *kernel_inode(struct node *node, struct object *object)
{
	struct inode *inode = node->inodes;

	while (inode && inode->object != object)
		inode = inode->next;
	if (inode)
		return inode;
	inode = sched_alloc(&node->sim->sched, sizeof(*inode));
	inode->node = node;
	inode->object = object;
	waitq_init(&inode->wait);
	inode->next = node->inodes;
	node->inodes = inode;
	return inode;
}

/* --- requests --------------------------------------------------------------------------------------------------- */

struct request *kernel_request_new(struct node *node, const struct msg *msg)
{
	struct request *request = sched_alloc(&node->sim->sched, sizeof(*request));

	request->node = node;
	request->msg = *msg;
	waitq_init(&request->wait);
	return request;
}

void kernel_request_text(struct request *request, const char *text, uint32_t bytes)
{
	CHECK(bytes <= sizeof(request->text));
	memcpy(request->text, text, bytes);
	request->text_bytes = bytes;
}

static void take_words(struct request *request, const struct payload *payload)
{
	const unsigned char *bytes = payload->bytes;

	for (unsigned i = 0; i < PAGE_WORDS; i++)
		if (bytes && (i + 1) * BLOCK_BYTES <= payload->length_bytes)
			memcpy(&request->reply_words[i], bytes + i * BLOCK_BYTES, sizeof(request->reply_words[i]));
}

void kernel_answer(struct request *request, const struct msg *reply)
{
	struct sim *sim = request->node->sim;
	uint64_t wait_ns = sim_now_ns(sim) - request->sent_ns;

	request->done = true;
	request->error = reply->error;
	request->obj = reply->obj;
	request->cookie = reply->cookie;
	request->reply_count = reply->count;
	request->flags = reply->flags;
	request->attr = reply->attr;
	if (request->inode)
		request->generation = link_generation(request->inode);
	if (request->msg.type == REQ_READ && !reply->error)
		take_words(request, &reply->payload);
	if (wait_ns > sim->stats.max_wait_ns)
		sim->stats.max_wait_ns = wait_ns;
	if (request->on_reply)
		request->on_reply(request);
	waitq_wake(&sim->sched, &request->wait);
}

int kernel_call(struct request *request, struct thread *thread)
{
	node_submit(request);
	if (thread)
		thread->waiting = request;
	while (!request->done)
		task_wait(&request->node->sim->sched, &request->wait, msg_type_name(request->msg.type));
	if (thread)
		thread->waiting = NULL;
	if (request->error == -EINTR && !request->interrupted)
		sim_fail(request->node->sim, "%s: EINTR for a request that nobody interrupted", request->node->name);
	return request->error;
}

static struct request *inode_request(struct inode *inode, unsigned type)
{
	struct msg msg = {.type = (uint8_t)type, .obj = inode->object->id};
	struct request *request = kernel_request_new(inode->node, &msg);

	request->inode = inode;
	return request;
}

/* --- write-back --------------------------------------------------------------------------------------------------- */

/* A store to a page that a write(2) has filled goes with it when there is no memory for the write(2). */
static void writeback_done(struct request *request)
{
	struct inode *inode = request->inode;
	struct sim *sim = sim_of(inode);

	inode->writebacks--;
	inode->pages[request->page].writebacks--;
	if (request->error && !sim->any_fault && sim->plan.store_pages == STORE_PAGES)
		sim_fail(sim, "%s: write-back of page %u of o%u was refused with %d although nothing is wrong",
		         inode->node->name, request->page, inode->object->index, request->error);
	inode_changed(inode);
}

/* What lies past the end of the file by now is not sent. */
static void writeback_send(struct request *request)
{
	struct inode *inode = request->inode;
	uint64_t start = (uint64_t)request->page * PAGE_BYTES;
	uint64_t bytes = inode->size_bytes > start ? inode->size_bytes - start : 0;

	if (!bytes) {
		inode->pages[request->page].writebacks--;
		inode_changed(inode);
		return;
	}
	request->count = bytes >= PAGE_BYTES ? PAGE_WORDS : (uint8_t)((bytes + BLOCK_BYTES - 1) / BLOCK_BYTES);
	request->on_reply = writeback_done;
	inode->writebacks++;
	node_submit(request);
}

static void writeback_start(struct inode *inode, unsigned index)
{
	struct page *page = &inode->pages[index];
	struct request *request = inode_request(inode, REQ_WRITE);

	CHECK(page->dirty && !page->writebacks);
	request->msg.page = index;
	request->msg.flags = WRITE_BACK;
	request->page = index;
	request->data = true;
	memcpy(request->words, page->words, sizeof(request->words));
	page->dirty = false;
	page->writebacks++;
	sim_trace(sim_of(inode), inode->node, "      page %u of o%u is written back%s", index, inode->object->index,
	          inode->nowrite ? ", later: FUSE_NOWRITE" : "");
	if (inode->nowrite) {
		request->next = inode->queued;
		inode->queued = request;
	} else {
		writeback_send(request);
	}
}

static void nowrite_set(struct inode *inode)
{
	while (inode->nowrite)
		inode_wait(inode, "FUSE_NOWRITE of another");
	inode->nowrite = true;
	while (inode->writebacks)
		inode_wait(inode, "write-backs, for FUSE_NOWRITE");
}

static void nowrite_clear(struct inode *inode)
{
	struct request *request = inode->queued;

	inode->nowrite = false;
	inode->queued = NULL;
	while (request) {
		struct request *next = request->next;

		writeback_send(request);
		request = next;
	}
	inode_changed(inode);
}

/* filemap_write_and_wait: pages from `first` on. */
static void write_and_wait(struct inode *inode, unsigned first)
{
	for (unsigned i = first; i < OBJECT_PAGES; i++) {
		struct page *page = &inode->pages[i];

		if (!page->present || !page->dirty)
			continue;
		page_lock(inode, page, "a page lock, to write back");
		while (page->dirty && page->writebacks)
			inode_wait(inode, "a write-back before the next");
		if (page->dirty)
			writeback_start(inode, i);
		page_unlock(inode, page);
	}
	for (unsigned i = first; i < OBJECT_PAGES; i++)
		while (inode->pages[i].writebacks)
			inode_wait(inode, "write-backs");
}

/* --- dropping pages ------------------------------------------------------------------------------------------------ */

/* invalidate_inode_pages2_range() */
static void invalidate(struct inode *inode, unsigned first, unsigned last)
{
	for (unsigned i = first; i <= last && i < OBJECT_PAGES; i++) {
		struct page *page = &inode->pages[i];

		if (!page->present)
			continue;
		page_lock(inode, page, "a page lock, to invalidate");
		if (!page->present) {
			page_unlock(inode, page);
			continue;
		}
		page->unmapped = true;
		while (!inode->node->old_kernel && page->writebacks)
			inode_wait(inode, "a write-back, to invalidate");
		if (page->dirty) {
			while (page->writebacks)
				inode_wait(inode, "a write-back, to launder");
			writeback_start(inode, i);
			while (page->writebacks)
				inode_wait(inode, "its own write-back, to invalidate");
		}
		page_drop(inode, page, "invalidated");
		page_unlock(inode, page);
	}
}

/*
 * The barrier of K4. fallocate() through a handle of the daemon's own takes the inode lock, writes back all that is
 * dirty from the page on, and waits for all write-backs of the inode; the daemon answers FUSE_FALLOCATE with an error.
 * Reading the page through that handle waits only for the write-backs of this page, and takes no inode lock.
 */
static void barrier(struct inode *inode, unsigned first, unsigned last)
{
	if (!sim_of(inode)->options->barrier_fallocate) {
		for (unsigned i = first; i <= last && i < OBJECT_PAGES; i++)
			while (inode->pages[i].writebacks)
				inode_wait(inode, "write-backs, at the barrier");
		return;
	}
	inode_lock(inode);
	write_and_wait(inode, first);
	nowrite_set(inode);
	nowrite_clear(inode);
	inode_unlock(inode);
}

/*
 * The limit that no daemon can lift: a FUSE_READ of the page at the new end may have its lock already when the kernel is
 * shown the size; the cut then waits, and comes after a growth that it knows nothing of. What it takes is not checked.
 */
static void late_cut(struct inode *inode, unsigned index, uint64_t size)
{
	uint64_t now;

	if (!core_open_size(run_core(inode->node->run), inode->object->id, &now) || now <= size)
		return;
	sim_of(inode)->stats.late_cuts++;
	checker_loosen(inode->object, index, size);
}

static void truncate_pagecache(struct inode *inode, uint64_t size)
{
	for (unsigned i = 0; i < OBJECT_PAGES; i++) {
		struct page *page = &inode->pages[i];

		if (!page->present || (uint64_t)(i + 1) * PAGE_BYTES <= size)
			continue;
		page_lock(inode, page, "a page lock, to truncate");
		while (!inode->node->old_kernel && page->writebacks)
			inode_wait(inode, "a write-back, to truncate");
		late_cut(inode, i, size);
		if ((uint64_t)i * PAGE_BYTES >= size)
			page_drop(inode, page, "truncated");
		else
			for (unsigned w = 0; w < PAGE_WORDS; w++)
				if (i * (uint64_t)PAGE_BYTES + w * BLOCK_BYTES >= size)
					page->words[w] = 0;
		page_unlock(inode, page);
	}
}

/*
 * fuse_change_attributes(): late answers are ignored. With FUSE_EXPLICIT_INVAL_DATA, which the daemon asks for, the pages
 * below the new end stay.
 */
static void attr_arrived(struct inode *inode, uint64_t size, uint64_t version)
{
	uint64_t old = inode->size_bytes;

	if (inode->size_unstable || inode->attr_version > version)
		return;
	inode->attr_version = ++inode->node->attr_version;
	inode->size_bytes = size;
	if (old == size)
		return;
	sim_trace(sim_of(inode), inode->node, "      o%u: the kernel's size becomes %llu", inode->object->index,
	          (unsigned long long)size);
	truncate_pagecache(inode, size);
}

void kernel_notify(struct inode *inode, unsigned first, unsigned last, bool size_check)
{
	uint64_t size, version;

	if (!size_check) {
		inode->attr_version = ++inode->node->attr_version;
		invalidate(inode, first, last);
		if (inode->node->old_kernel)
			barrier(inode, first, last);
		return;
	}
	pause_shortly(inode);
	version = inode->node->attr_version;
	if (!core_open_size(run_core(inode->node->run), inode->object->id, &size))
		return;
	pause_shortly(inode);
	attr_arrived(inode, size, version);
}

/* --- faults -------------------------------------------------------------------------------------------------------- */

static bool past_end(const struct inode *inode, unsigned index)
{
	return (uint64_t)index * PAGE_BYTES >= inode->size_bytes;
}

/* Fills the locked page, which is not uptodate; unlocks it. */
static int fill(struct inode *inode, unsigned index, struct thread *thread)
{
	struct page *page = &inode->pages[index];
	struct request *request = inode_request(inode, REQ_READ);
	int error;

	page->present = true;
	while (page->writebacks)
		inode_wait(inode, "a write-back, to read");
	request->msg.page = index;
	request->msg.count = 1;
	error = kernel_call(request, thread);
	if (random_permille(sched_of(inode), 500))
		pause_shortly(inode);
	if (error) {
		page_drop(inode, page, "FUSE_READ failed");
	} else {
		memcpy(page->words, request->reply_words, sizeof(page->words));
		page->generation = request->generation;
		page->uptodate = true;
		sim_trace(sim_of(inode), inode->node, "      page %u of o%u filled", index, inode->object->index);
		checker_page(inode, index);
	}
	page_unlock(inode, page);
	return error;
}

/* Until the page is cached; with `mapped` also until no invalidation keeps it unmapped. */
static int fault(struct inode *inode, unsigned index, bool mapped, struct thread *thread)
{
	struct page *page = &inode->pages[index];
	int error;

	for (;;) {
		if (past_end(inode, index))
			return -EFAULT;
		if (page->present && page->uptodate && !(mapped && page->unmapped))
			return 0;
		page_lock(inode, page, "a page lock, at a fault");
		if (past_end(inode, index) || (page->present && page->uptodate)) {
			page_unlock(inode, page);
			continue;
		}
		error = fill(inode, index, thread);
		if (error)
			return error;
		/* The reply has been processed, the thread is not back yet: an invalidation can slip in between. */
		pause_shortly(inode);
		inode_changed(inode);
	}
}

int kernel_load(struct inode *inode, unsigned page, unsigned word, struct thread *thread, uint64_t *value)
{
	int error = fault(inode, page, true, thread);

	if (error)
		return error;
	*value = inode->pages[page].words[word];
	inode->activity++;
	checker_load(inode, page, word, *value, "load");
	return 0;
}

/* Until the page can be stored to: it is there and dirty. Nothing asks the daemon for that (K2). */
static int fault_for_store(struct inode *inode, unsigned index, struct thread *thread)
{
	struct page *page = &inode->pages[index];

	for (;;) {
		int error = fault(inode, index, true, thread);

		if (error)
			return error;
		if (page->dirty)
			return 0;
		page_lock(inode, page, "a page lock, to make it writable");
		while (page->writebacks && page->uptodate)
			inode_wait(inode, "a write-back, to make it writable");
		if (!page->present || !page->uptodate) {
			page_unlock(inode, page);
			continue;
		}
		page->dirty = true;
		sim_trace(sim_of(inode), inode->node, "      page %u of o%u is dirty", index, inode->object->index);
		checker_page(inode, index);
		page_unlock(inode, page);
		if (random_permille(sched_of(inode), 300))
			pause_shortly(inode);
	}
}

int kernel_store(struct inode *inode, unsigned page, unsigned word, uint64_t value, struct thread *thread)
{
	int error = fault_for_store(inode, page, thread);

	if (error)
		return error;
	inode->pages[page].words[word] = value;
	inode->activity++;
	checker_store(inode, page, word, value);
	return 0;
}

int kernel_add(struct inode *inode, unsigned page, unsigned word, struct thread *thread)
{
	int error = fault_for_store(inode, page, thread);
	uint64_t value;

	if (error)
		return error;
	value = inode->pages[page].words[word];
	inode->activity++;
	checker_load(inode, page, word, value, "atomic add");
	inode->pages[page].words[word] = value + 1;
	inode->object->adds[page]++;
	checker_store(inode, page, word, value + 1);
	return 0;
}

/* --- calls ---------------------------------------------------------------------------------------------------------- */

int kernel_lookup(struct node *node, enum name_dir dir, const char *name, struct thread *thread, struct inode **inode)
{
	struct msg msg = {.type = MSG_LOOKUP, .dir = (uint16_t)dir};
	struct request *request = kernel_request_new(node, &msg);
	uint64_t version = node->attr_version;
	int error;

	kernel_request_text(request, name, (uint32_t)strlen(name) + 1);
	error = kernel_call(request, thread);
	if (error)
		return error;
	*inode = kernel_inode(node, checker_object(node->sim, request->obj));
	attr_arrived(*inode, request->attr.size_bytes, version);
	return 0;
}

int kernel_getattr(struct inode *inode, struct thread *thread, uint64_t *size_bytes)
{
	struct request *request = inode_request(inode, MSG_GETATTR);
	uint64_t version = inode->node->attr_version;
	int error = kernel_call(request, thread);

	if (error)
		return error;
	attr_arrived(inode, request->attr.size_bytes, version);
	*size_bytes = request->attr.size_bytes;
	return 0;
}

int kernel_open(struct inode *inode, bool writable, struct thread *thread, struct file *file)
{
	struct request *request = inode_request(inode, REQ_OPEN);
	int error;

	request->msg.mode = writable ? PAGE_EXCLUSIVE : PAGE_SHARED;
	error = kernel_call(request, thread);
	if (error)
		return error;
	*file = (struct file){.inode = inode, .writable = writable, .open = true};
	if (writable)
		inode->writers++;
	else
		inode->readers++;
	checker_inode(inode);
	return 0;
}

static bool dirt(const struct inode *inode)
{
	for (unsigned i = 0; i < OBJECT_PAGES; i++)
		if (inode->pages[i].dirty || inode->pages[i].writebacks)
			return true;
	return false;
}

/* munmap and close; the RELEASE goes out when nothing refers to the handle any more, and nobody waits for it. */
void kernel_close(struct file *file)
{
	struct inode *inode = file->inode;
	struct request *request = inode_request(inode, REQ_RELEASE);

	if (file->writable) {
		write_and_wait(inode, 0);
		while (inode->writers == 1 && dirt(inode))
			write_and_wait(inode, 0);
		inode->writers--;
	} else {
		inode->readers--;
	}
	file->open = false;
	request->msg.mode = file->writable ? PAGE_EXCLUSIVE : PAGE_SHARED;
	node_submit(request);
}

int kernel_read(struct inode *inode, unsigned page, unsigned first, unsigned count, struct thread *thread)
{
	uint64_t end = (uint64_t)page * PAGE_BYTES + (first + count) * BLOCK_BYTES, size;
	int error;

	if (end > inode->size_bytes) {
		error = kernel_getattr(inode, thread, &size);
		if (error)
			return error;
	}
	error = fault(inode, page, false, thread);
	if (error == -EFAULT)
		return 0;
	if (error)
		return error;
	for (unsigned i = first; i < first + count; i++) {
		if (page * (uint64_t)PAGE_BYTES + i * BLOCK_BYTES >= inode->size_bytes)
			return (int)(i - first);
		checker_load(inode, page, i, inode->pages[page].words[i], "read(2)");
	}
	inode->activity++;
	return (int)count;
}

static void write_copy(struct inode *inode, struct page *page, struct request *request)
{
	unsigned index = page_index(inode, page);

	for (unsigned i = request->first; i < request->first + request->count; i++) {
		checker_write_begin(inode->object, index, i, request->words[i]);
		page->words[i] = request->words[i];
	}
	if (request->count == PAGE_WORDS && !page->uptodate) {
		page->uptodate = true;
		page->early = true;
	}
}

static void write_returned(struct inode *inode, struct page *page, struct request *request, uint32_t incarnation)
{
	bool same = page->present && page->incarnation == incarnation;

	for (unsigned i = request->first; i < request->first + request->count; i++)
		checker_write_end(inode->object, page_index(inode, page), i, request->words[i], !request->error);
	if (request->error && same && (page->early || !page->dirty))
		page_drop(inode, page, "write(2) failed");
	if (!request->error && same && page->early) {
		page->early = false;
		page->generation = request->generation;
		checker_page(inode, page_index(inode, page));
	}
}

int kernel_write(struct inode *inode, unsigned index, unsigned first, unsigned count, struct thread *thread)
{
	struct page *page = &inode->pages[index];
	struct request *request = inode_request(inode, REQ_WRITE);
	uint64_t end = (uint64_t)index * PAGE_BYTES + (first + count) * BLOCK_BYTES;
	uint32_t incarnation;
	bool keeps_lock;

	request->msg.page = index;
	request->data = true;
	request->first = (uint8_t)first;
	request->count = (uint8_t)count;
	inode_lock(inode);
	inode->size_unstable = end > inode->size_bytes;
	page_lock(inode, page, "a page lock, to write");
	page->present = true;
	incarnation = page->incarnation;
	for (unsigned i = first; i < first + count; i++)
		request->words[i] = checker_value(inode->object, index, i);
	write_copy(inode, page, request);
	keeps_lock = !page->uptodate;
	if (!keeps_lock)
		page_unlock(inode, page);
	while (page->writebacks)
		inode_wait(inode, "a write-back, to write");
	kernel_call(request, thread);
	pause_shortly(inode);
	write_returned(inode, page, request, incarnation);
	if (keeps_lock) {
		page_drop(inode, page, "not uptodate after write(2)");
		page_unlock(inode, page);
	}
	if (!request->error && end > inode->size_bytes) {
		inode->attr_version = ++inode->node->attr_version;
		inode->size_bytes = end;
	}
	inode->size_unstable = false;
	inode_unlock(inode);
	return request->error ? request->error : (int)count;
}

int kernel_truncate(struct inode *inode, uint64_t size_bytes, struct thread *thread)
{
	struct request *request = inode_request(inode, MSG_SETSIZE);

	request->msg.size = size_bytes;
	inode_lock(inode);
	nowrite_set(inode);
	inode->size_unstable = true;
	checker_truncate_begin(sim_of(inode), inode->object, size_bytes);
	kernel_call(request, thread);
	pause_shortly(inode);
	inode->size_unstable = false;
	if (request->error) {
		checker_truncate_end(inode->object, size_bytes, false);
		nowrite_clear(inode);
	} else {
		uint64_t old = inode->size_bytes;

		inode->attr_version = ++inode->node->attr_version;
		inode->size_bytes = request->attr.size_bytes;
		nowrite_clear(inode);
		if (old != inode->size_bytes) {
			truncate_pagecache(inode, inode->size_bytes);
			invalidate(inode, 0, OBJECT_PAGES - 1);
		}
		checker_truncate_end(inode->object, size_bytes, true);
	}
	inode_unlock(inode);
	return request->error;
}

int kernel_fsync(struct inode *inode, struct thread *thread)
{
	inode_lock(inode);
	write_and_wait(inode, 0);
	inode_unlock(inode);
	return kernel_call(inode_request(inode, MSG_SYNC), thread);
}

/* --- background ----------------------------------------------------------------------------------------------------- */

static bool background_page(struct inode *inode, struct page *page)
{
	struct sched *sched = sched_of(inode);

	if (!page->present || page_locked(page))
		return false;
	if (page->dirty && !page->writebacks && random_permille(sched, 200)) {
		writeback_start(inode, page_index(inode, page));
		return true;
	}
	if (page->dirty || page->early || (page->writebacks && !inode->node->old_kernel) || !random_permille(sched, 30))
		return false;
	page_drop(inode, page, "evicted");
	inode_changed(inode);
	return true;
}

static void background_run(void *argument)
{
	struct node *node = argument;
	uint64_t period_ns = BACKGROUND_MIN_NS, activity = 0;

	for (;;) {
		uint64_t now_activity = 0;
		bool acted = false;

		task_sleep(&node->sim->sched, random_delay(&node->sim->sched, period_ns));
		for (struct inode *inode = node->inodes; inode; inode = inode->next) {
			now_activity += inode->activity;
			for (unsigned i = 0; i < OBJECT_PAGES; i++)
				acted |= background_page(inode, &inode->pages[i]);
		}
		if (acted || now_activity != activity)
			period_ns = BACKGROUND_MIN_NS;
		else if (period_ns < BACKGROUND_MAX_NS)
			period_ns *= 2;
		activity = now_activity;
	}
}

void kernel_background(struct node *node)
{
	task_start(&node->sim->sched, &node->tasks, background_run, node);
}
