#include "pagecache.h"

#include <string.h>

#include "base/check.h"

#define BACKGROUND_MIN_NS (20 * US)
#define BACKGROUND_MAX_NS (20 * MS)

/* --- waiting and locks -------------------------------------------------------------------------------------------- */

void pagecache_wait(struct inode *inode, const char *what)
{
	task_wait(inode_sched(inode), &inode->wait, what);
}

void pagecache_changed(struct inode *inode)
{
	waitq_wake(inode_sched(inode), &inode->wait);
}

void pagecache_pause(struct inode *inode)
{
	task_sleep(inode_sched(inode), random_delay(inode_sched(inode), inode_sim(inode)->plan.kernel_delay_ns));
}

void pagecache_lock_inode(struct inode *inode)
{
	while (inode->locked)
		pagecache_wait(inode, "the inode lock");
	inode->locked = true;
}

void pagecache_unlock_inode(struct inode *inode)
{
	inode->locked = false;
	pagecache_changed(inode);
}

void pagecache_lock(struct inode *inode, struct page *page, const char *what)
{
	uint32_t ticket = page->tickets++;

	while (page->serving != ticket)
		pagecache_wait(inode, what);
}

void pagecache_unlock(struct inode *inode, struct page *page)
{
	CHECK(page_locked(page));
	page->serving++;
	page->unmapped = false;
	pagecache_changed(inode);
}

void pagecache_drop(struct inode *inode, struct page *page, const char *why)
{
	if (page->present)
		sim_trace(inode_sim(inode), inode->node, "      page %u of f%u dropped: %s", page_index(inode, page),
		          inode->segment->index, why);
	page->incarnation++;
	page->present = false;
	page->uptodate = false;
	page->dirty = false;
	page->early = false;
}

/* --- write-back --------------------------------------------------------------------------------------------------- */

static void writeback_ends(struct request *request)
{
	for (unsigned i = 0; i < request->pages; i++)
		request->inode->pages[request->page + i].writebacks--;
	pagecache_changed(request->inode);
}

/* A store to a page that a write(2) has filled goes with it when there is no memory for the write(2). */
static void writeback_done(struct request *request)
{
	struct inode *inode = request->inode;
	struct sim *sim = inode_sim(inode);

	inode->writebacks--;
	writeback_ends(request);
	if (request->error && !sim->any_fault && sim->plan.store_pages == STORE_PAGES)
		sim_fail(sim, "%s: write-back of page %u of f%u was refused with %d although nothing is wrong",
		         inode->node->name, request->page, inode->segment->index, request->error);
}

/* What lies past the end of the file by now is not sent. */
static void writeback_send(struct request *request)
{
	struct inode *inode = request->inode;
	uint64_t start = (uint64_t)request->page * PAGE_BYTES;
	uint64_t bytes = inode->size_bytes > start ? inode->size_bytes - start : 0;

	if (!bytes) {
		writeback_ends(request);
		return;
	}
	request->data_bytes = bytes >= request->pages * PAGE_BYTES ? request->pages * PAGE_BYTES : (uint32_t)bytes;
	request->on_reply = writeback_done;
	inode->writebacks++;
	node_submit(request);
}

static void writeback_start(struct inode *inode, struct request *request)
{
	if (!request)
		return;
	if (inode->nowrite) {
		sim_trace(inode_sim(inode), inode->node, "      write-back of page %u waits: FUSE_NOWRITE", request->page);
		request->next = inode->queued;
		inode->queued = request;
	} else {
		writeback_send(request);
	}
}

static void writeback_add(struct inode *inode, struct request *request, unsigned index)
{
	struct page *page = &inode->pages[index];

	CHECK(page->dirty && !page->writebacks);
	memcpy(request->words + request->pages * PAGE_WORDS, page->words, sizeof(page->words));
	request->pages++;
	page->dirty = false;
	page->writebacks++;
	sim_trace(inode_sim(inode), inode->node, "      page %u of f%u is written back", index, inode->segment->index);
}

/* Of the locked page, with what follows it as long as nothing comes in between (`run`: the last of these, or NULL). */
static struct request *writeback_page(struct inode *inode, struct request *run, unsigned index)
{
	if (!run || run->page + run->pages != index) {
		writeback_start(inode, run);
		run = kernel_inode_request(inode, REQ_WRITE);
		run->msg.page = index;
		run->msg.flags = WRITE_BACK;
		run->page = index;
		run->data = true;
	}
	writeback_add(inode, run, index);
	return run;
}

void pagecache_hold_writes(struct inode *inode)
{
	while (inode->nowrite)
		pagecache_wait(inode, "FUSE_NOWRITE of another");
	inode->nowrite = true;
	while (inode->writebacks)
		pagecache_wait(inode, "write-backs, for FUSE_NOWRITE");
}

void pagecache_release_writes(struct inode *inode)
{
	struct request *request = inode->queued;

	inode->nowrite = false;
	inode->queued = NULL;
	while (request) {
		struct request *next = request->next;

		writeback_send(request);
		request = next;
	}
	pagecache_changed(inode);
}

/* Begins to write back what is dirty; with `all`, also what an earlier write-back is under way of, once that has ended. */
static void begin_write_back(struct inode *inode, unsigned first, unsigned last, bool all)
{
	struct request *run = NULL;

	for (unsigned i = first; i <= last && i < OBJECT_PAGES; i++) {
		struct page *page = &inode->pages[i];

		if (!page->present || !page->dirty)
			continue;
		pagecache_lock(inode, page, "a page lock, to write back");
		while (all && page->dirty && page->writebacks)
			pagecache_wait(inode, "a write-back before the next");
		if (page->dirty && !page->writebacks)
			run = writeback_page(inode, run, i);
		pagecache_unlock(inode, page);
	}
	writeback_start(inode, run);
}

void pagecache_flush(struct inode *inode, unsigned first)
{
	begin_write_back(inode, first, OBJECT_PAGES - 1, true);
	for (unsigned i = first; i < OBJECT_PAGES; i++)
		while (inode->pages[i].writebacks)
			pagecache_wait(inode, "write-backs");
}

/* --- dropping pages ----------------------------------------------------------------------------------------------- */

/* Also a page whose bytes are not valid any more, while a write-back of it is under way. */
static bool in_cache(const struct inode *inode, const struct page *page)
{
	return page->present || (page->writebacks && !inode->node->old_kernel);
}

void pagecache_invalidate(struct inode *inode, unsigned first, unsigned last)
{
	for (unsigned i = first; i <= last && i < OBJECT_PAGES; i++) {
		struct page *page = &inode->pages[i];

		if (!in_cache(inode, page))
			continue;
		pagecache_lock(inode, page, "a page lock, to invalidate");
		if (!in_cache(inode, page)) {
			pagecache_unlock(inode, page);
			continue;
		}
		page->unmapped = true;
		while (!inode->node->old_kernel && page->writebacks)
			pagecache_wait(inode, "a write-back, to invalidate");
		if (page->dirty) {
			while (page->writebacks)
				pagecache_wait(inode, "a write-back, to launder");
			writeback_start(inode, writeback_page(inode, NULL, i));
			while (page->writebacks)
				pagecache_wait(inode, "its own write-back, to invalidate");
		}
		pagecache_drop(inode, page, "invalidated");
		pagecache_unlock(inode, page);
	}
}

/*
 * The barrier of K4. fallocate() through a handle of the daemon's own takes the inode lock, writes back all that is
 * dirty from the page on, and waits for all write-backs of the inode; the daemon answers FUSE_FALLOCATE with an error.
 * Reading the page through that handle waits only for the write-backs of this page, and takes no inode lock.
 */
static void barrier(struct inode *inode, unsigned first, unsigned last)
{
	if (!inode_sim(inode)->options->barrier_fallocate) {
		for (unsigned i = first; i <= last && i < OBJECT_PAGES; i++)
			while (inode->pages[i].writebacks)
				pagecache_wait(inode, "write-backs, at the barrier");
		return;
	}
	pagecache_lock_inode(inode);
	pagecache_flush(inode, first);
	pagecache_hold_writes(inode);
	pagecache_release_writes(inode);
	pagecache_unlock_inode(inode);
}

void kernel_notify(struct inode *inode, unsigned first, unsigned last)
{
	if (last != first && inode->own_handle) /* sync_file_range(SYNC_FILE_RANGE_WRITE) */
		begin_write_back(inode, first, last, false);
	inode->attr_version = ++inode->node->attr_version;
	pagecache_invalidate(inode, first, last);
	if (inode->node->old_kernel)
		barrier(inode, first, last);
}

/* Bytes of a word that lie before the end. */
static uint64_t word_head(uint64_t word, uint64_t at, uint64_t size)
{
	if (at >= size)
		return 0;
	return size - at >= sizeof(word) ? word : word & ((UINT64_C(1) << 8 * (size - at)) - 1);
}

/*
 * The limit that no daemon can lift: a FUSE_READ of the page at the new end may have its lock already when the kernel is
 * shown the size, and the truncate is confirmed without it, because the read waits for that. Where another thread's request
 * for the page is queued before the cut, the cut comes when the page is rightly there again, and takes what belongs to a
 * later growth, also what a write(2) that has not returned has copied there. What it takes is not checked.
 */
static void late_cut(struct inode *inode, unsigned index, uint64_t size)
{
	uint64_t now;

	if (!core_open_size(run_core(inode->node->run), inode->segment->id, SEG_MEMORY, &now) ||
	    (now <= size && inode->write_end <= size))
		return;
	inode_sim(inode)->stats.late_cuts++;
	checker_loosen(inode->segment, index, size);
}

void pagecache_truncate(struct inode *inode, uint64_t size, bool shown)
{
	for (unsigned i = 0; i < OBJECT_PAGES; i++) {
		struct page *page = &inode->pages[i];
		uint64_t start = (uint64_t)i * PAGE_BYTES;

		if (!page->present || start + PAGE_BYTES <= size)
			continue;
		pagecache_lock(inode, page, "a page lock, to truncate");
		while (!inode->node->old_kernel && page->writebacks)
			pagecache_wait(inode, "a write-back, to truncate");
		if (shown)
			late_cut(inode, i, size);
		if (start >= size)
			pagecache_drop(inode, page, "truncated");
		for (unsigned w = 0; w < PAGE_WORDS; w++)
			page->words[w] = word_head(page->words[w], start + w * BLOCK_BYTES, size);
		pagecache_unlock(inode, page);
	}
}

/* --- background --------------------------------------------------------------------------------------------------- */

static bool background_page(struct inode *inode, struct page *page)
{
	struct sched *sched = inode_sched(inode);

	if (!page->present || page_locked(page))
		return false;
	if (page->dirty && !page->writebacks && random_permille(sched, 200)) {
		writeback_start(inode, writeback_page(inode, NULL, page_index(inode, page)));
		return true;
	}
	if (page->dirty || page->early || (page->writebacks && !inode->node->old_kernel) || !random_permille(sched, 30))
		return false;
	pagecache_drop(inode, page, "evicted");
	pagecache_changed(inode);
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
