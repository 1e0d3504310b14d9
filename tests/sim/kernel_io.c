/*
 * kernel_io.c: what programs do with an open file: faults, loads and stores of its mapping, read(2), write(2), fsync.
 */
#include "pagecache.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "node.h"

#define OFF_CPU_NS (1 * MS)

/* --- faults -------------------------------------------------------------------------------------------------------- */

static bool past_end(const struct inode *inode, unsigned index)
{
	return (uint64_t)index * PAGE_BYTES >= inode->size_bytes;
}

static void fill_page(struct inode *inode, unsigned index, const struct request *request, const uint64_t *words)
{
	struct page *page = &inode->pages[index];

	memcpy(page->words, words, sizeof(page->words));
	page->generation = request->generation;
	page->uptodate = true;
	sim_trace(inode_sim(inode), inode->node, "      page %u of f%u filled", index, inode->segment->index);
	checker_page(inode, index);
}

/* fuse_readpages_end() */
static void read_ahead_done(struct request *request)
{
	struct inode *inode = request->inode;

	inode->reads_ahead--;
	for (unsigned i = 0; i < request->pages; i++) {
		struct page *page = &inode->pages[request->page + i];

		if (request->error)
			pagecache_drop(inode, page, "reading ahead failed");
		else
			fill_page(inode, request->page + i, request, request->reply_words + i * PAGE_WORDS);
		pagecache_unlock(inode, page);
	}
}

/*
 * Pages around or behind the one that is needed, as far as none of them is there: one request, which nobody waits for by itself,
 * and all of them locked until it is answered (K18). Where it fails, who needs a page asks for that one.
 */
static void read_ahead(struct inode *inode, unsigned index)
{
	unsigned first = index - random_below(inode_sched(inode), index + 1), end = first;
	unsigned limit = first + 1 + random_below(inode_sched(inode), OBJECT_PAGES - first);
	struct request *request;

	for (; end < limit && !past_end(inode, end); end++) {
		struct page *page = &inode->pages[end];

		if (page->present || page_locked(page))
			break;
		pagecache_lock(inode, page, "a new page's lock");
		page->present = true;
	}
	if (end == first)
		return;
	for (unsigned i = first; i < end; i++)
		while (inode->pages[i].writebacks)
			pagecache_wait(inode, "a write-back, to read ahead");
	request = kernel_inode_request(inode, REQ_READ);
	request->msg.page = request->page = first;
	request->msg.count = request->pages = end - first;
	request->on_reply = read_ahead_done;
	inode->reads_ahead++;
	node_submit(request);
}

/* Fills the locked page, which is not uptodate; unlocks it. */
static int fill(struct inode *inode, unsigned index, struct thread *thread)
{
	struct page *page = &inode->pages[index];
	struct request *request = kernel_inode_request(inode, REQ_READ);
	int error;

	page->present = true;
	while (page->writebacks)
		pagecache_wait(inode, "a write-back, to read");
	request->msg.page = index;
	request->msg.count = 1;
	error = kernel_call(request, thread);
	if (random_permille(inode_sched(inode), 500))
		pagecache_pause(inode);
	if (error) {
		pagecache_drop(inode, page, "FUSE_READ failed");
	} else {
		fill_page(inode, index, request, request->reply_words);
	}
	pagecache_unlock(inode, page);
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
		if (!page->present && random_permille(inode_sched(inode), inode_sim(inode)->plan.read_ahead))
			read_ahead(inode, index);
		pagecache_lock(inode, page, "a page lock, at a fault");
		if (past_end(inode, index) || (page->present && page->uptodate)) {
			pagecache_unlock(inode, page);
			continue;
		}
		error = fill(inode, index, thread);
		if (error)
			return error;
		/* The reply has been processed, the thread is not back yet: an invalidation can slip in between. */
		pagecache_pause(inode);
		pagecache_changed(inode);
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
		pagecache_lock(inode, page, "a page lock, to make it writable");
		while (page->writebacks && page->uptodate)
			pagecache_wait(inode, "a write-back, to make it writable");
		if (!page->present || !page->uptodate) {
			pagecache_unlock(inode, page);
			continue;
		}
		page->dirty = true;
		sim_trace(inode_sim(inode), inode->node, "      page %u of f%u is dirty", index, inode->segment->index);
		checker_page(inode, index);
		pagecache_unlock(inode, page);
		if (random_permille(inode_sched(inode), 300))
			pagecache_pause(inode);
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
	inode->segment->adds[page]++;
	checker_store(inode, page, word, value + 1);
	return 0;
}

/* --- open and close -------------------------------------------------------------------------------------------------- */

int kernel_open(struct inode *inode, bool writable, struct thread *thread, struct file *file)
{
	struct request *request = kernel_inode_request(inode, REQ_OPEN);
	int error;

	request->msg.mode = writable ? PAGE_EXCLUSIVE : PAGE_SHARED;
	inode->segment->use_begun = true;
	checker_open_begin(inode, writable);
	error = kernel_call(request, thread);
	if (error) {
		checker_open_end(inode, writable);
		return error;
	}
	inode->segment->used = true;
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
	struct request *request = kernel_inode_request(inode, REQ_RELEASE);

	while (inode->reads_ahead) /* they have the handle */
		pagecache_wait(inode, "what is read ahead, to release");
	if (file->writable) {
		pagecache_flush(inode, 0);
		while (inode->writers == 1 && dirt(inode))
			pagecache_flush(inode, 0);
		inode->writers--;
	} else {
		inode->readers--;
	}
	checker_open_end(inode, file->writable);
	if (!inode->writers && !inode->readers)
		inode->own_handle = false;
	file->open = false;
	request->msg.mode = file->writable ? PAGE_EXCLUSIVE : PAGE_SHARED;
	node_submit(request);
}

int kernel_fsync(struct inode *inode, struct thread *thread)
{
	pagecache_lock_inode(inode);
	pagecache_flush(inode, 0);
	pagecache_unlock_inode(inode);
	return kernel_call(kernel_inode_request(inode, REQ_SYNC), thread);
}

/* --- read(2) --------------------------------------------------------------------------------------------------------- */

/* The bytes of one page that the file has when the page is there. */
static uint64_t read_page(struct inode *inode, uint64_t from, uint64_t end)
{
	unsigned page = (unsigned)(from / PAGE_BYTES);

	if (end > inode->size_bytes)
		end = inode->size_bytes;
	if (end <= from)
		return 0;
	for (uint64_t at = from; at < end; at += BLOCK_BYTES) {
		unsigned word = (unsigned)(at % PAGE_BYTES / BLOCK_BYTES);

		checker_load(inode, page, word, inode->pages[page].words[word], "read(2)");
	}
	return end - from;
}

int kernel_read(struct inode *inode, uint64_t from, uint64_t bytes, struct thread *thread)
{
	uint64_t at = from, end = from + bytes;
	int error = 0;

	if (end > inode->size_bytes)
		error = kernel_getattr(inode, thread, NULL);
	while (at < end && !error) {
		uint64_t next = (at / PAGE_BYTES + 1) * PAGE_BYTES, got;

		if (next > end)
			next = end;
		error = fault(inode, (unsigned)(at / PAGE_BYTES), false, thread);
		if (error)
			break;
		got = read_page(inode, at, next);
		at += got;
		if (at < next)
			break;
		if (at < end && random_permille(inode_sched(inode), 300))
			pagecache_pause(inode);
	}
	inode->activity++;
	return error && error != -EFAULT && at == from ? error : (int)(at - from);
}

/* --- write(2) -------------------------------------------------------------------------------------------------------- */

/* Part of a FUSE_WRITE: what goes to one page. */
struct piece {
	struct page *page;
	unsigned index;
	uint32_t incarnation;
	struct change change;
};

/* As many pages as it takes at a time; only of the last may it keep the lock, if that was not cached (K18). */
struct pieces {
	struct request *request;
	struct piece of[OBJECT_PAGES];
	unsigned count;
	uint32_t bytes;
	bool keeps_lock;
};

static void piece_copy(struct inode *inode, struct piece *piece, uint64_t from, uint64_t bytes, uint64_t *words)
{
	struct page *page = piece->page;
	unsigned first = (unsigned)(from % PAGE_BYTES / BLOCK_BYTES);
	unsigned count = (unsigned)((bytes + BLOCK_BYTES - 1) / BLOCK_BYTES);

	checker_write_begin(&piece->change, inode, from, bytes, words);
	for (unsigned i = first; i < first + count; i++) {
		uint64_t at = (uint64_t)piece->index * PAGE_BYTES + i * BLOCK_BYTES;

		if (at + 1 == from + bytes) /* one byte of it */
			page->words[i] = (page->words[i] & ~UINT64_C(0xff)) | words[i];
		else
			page->words[i] = words[i];
	}
	if (bytes == PAGE_BYTES && !page->uptodate) {
		page->uptodate = true;
		page->early = true;
	}
}

/* Whether the next page may go with it. */
static bool piece_add(struct inode *inode, struct pieces *pieces, uint64_t from, uint64_t bytes)
{
	struct piece *piece = &pieces->of[pieces->count];

	piece->index = (unsigned)(from / PAGE_BYTES);
	piece->page = &inode->pages[piece->index];
	pagecache_lock(inode, piece->page, "a page lock, to write");
	piece->page->present = true;
	piece->incarnation = piece->page->incarnation;
	piece_copy(inode, piece, from, bytes, pieces->request->words + pieces->count * PAGE_WORDS);
	pieces->count++;
	pieces->bytes += (uint32_t)bytes;
	pieces->keeps_lock = !piece->page->uptodate;
	if (!pieces->keeps_lock)
		pagecache_unlock(inode, piece->page);
	return !pieces->keeps_lock && (from + bytes) % PAGE_BYTES == 0;
}

/* A write that a truncate overtakes is answered before its pages, which the truncate cuts off, are dropped. */
static bool cut_off(const struct inode *inode, unsigned index)
{
	uint64_t size;

	return core_open_size(run_core(inode->node->run), inode->segment->id, SEG_MEMORY, &size) &&
	       size <= index * (uint64_t)PAGE_BYTES;
}

static void piece_returned(struct inode *inode, struct piece *piece, uint32_t generation, int error)
{
	struct page *page = piece->page;
	bool same = page->present && page->incarnation == piece->incarnation;

	checker_change_end(&piece->change, error);
	if (error && same && (page->early || !page->dirty))
		pagecache_drop(inode, page, "write(2) failed");
	if (!error && same && page->early && !cut_off(inode, piece->index)) {
		page->early = false;
		page->generation = generation;
		checker_page(inode, piece->index);
	}
}

/* What lies behind a piece that failed may be written or not. */
static void pieces_returned(struct inode *inode, struct pieces *pieces, uint32_t done_bytes)
{
	const struct request *request = pieces->request;
	struct page *last = pieces->of[pieces->count - 1].page;
	uint64_t from = pieces->of[0].change.from;

	for (unsigned i = 0; i < pieces->count; i++) {
		struct piece *piece = &pieces->of[i];
		int error = piece->change.from + piece->change.bytes <= from + done_bytes ? 0
		            : i == 0                                                     ? request->error
		                                                                         : -EIO;

		piece->change.inside |= piece->change.from + piece->change.bytes <= request->kernel_bytes;
		piece_returned(inode, piece, request->generation, error);
	}
	if (!pieces->keeps_lock)
		return;
	pagecache_drop(inode, last, "not uptodate after write(2)");
	pagecache_unlock(inode, last);
}

/* The daemon gets what is in the pages when it takes the request, also what was stored there since. */
static void pieces_sent(const struct pieces *pieces)
{
	for (unsigned i = 0; i < pieces->count; i++) {
		const struct piece *piece = &pieces->of[i];
		uint64_t *words = pieces->request->words + i * PAGE_WORDS;
		unsigned first = (unsigned)(piece->change.from % PAGE_BYTES / BLOCK_BYTES);
		unsigned count = (unsigned)((piece->change.bytes + BLOCK_BYTES - 1) / BLOCK_BYTES);

		if (piece->page->incarnation == piece->incarnation)
			memcpy(words + first, piece->page->words + first, count * sizeof(*words));
	}
}

/* One FUSE_WRITE. The kernel stops early where a page of the program's buffer is not there. */
static int write_pieces(struct inode *inode, uint64_t from, uint64_t end, struct thread *thread, uint32_t *done_bytes)
{
	struct pieces pieces = {.request = kernel_inode_request(inode, REQ_WRITE)};
	struct request *request = pieces.request;
	uint64_t at = from;
	bool more = true;

	request->msg.page = from / PAGE_BYTES;
	request->data = true;
	request->first = (uint8_t)(from % PAGE_BYTES / BLOCK_BYTES);
	while (more && at < end && (at == from || !random_permille(inode_sched(inode), 200))) {
		uint64_t next = (at / PAGE_BYTES + 1) * PAGE_BYTES;

		next = next < end ? next : end;
		more = piece_add(inode, &pieces, at, next - at);
		at = next;
		if (random_permille(inode_sched(inode), 300)) /* the next page of the buffer is read, or the thread has to wait */
			pagecache_pause(inode);
	}
	request->data_bytes = pieces.bytes;
	if (random_permille(inode_sched(inode), 40)) /* the thread does not run for a while */
		task_sleep(inode_sched(inode), random_below(inode_sched(inode), OFF_CPU_NS));
	for (unsigned i = 0; i < pieces.count; i++)
		while (pieces.of[i].page->writebacks)
			pagecache_wait(inode, "a write-back, to write");
	pieces_sent(&pieces);
	kernel_call(request, thread);
	*done_bytes = request->error ? 0 : request->reply_count ? request->reply_count : pieces.bytes;
	pagecache_pause(inode);
	pieces_returned(inode, &pieces, *done_bytes);
	return request->error ? request->error : *done_bytes < pieces.bytes ? -EIO : 0;
}

/* fuse_perform_write(), with the inode lock: i_size only when all is done, or the first page failed. */
static int perform_write(struct inode *inode, uint64_t from, uint64_t bytes, struct thread *thread)
{
	uint64_t at = from, end = from + bytes;
	int error = 0;

	inode->write_end = end;
	inode->size_unstable = end > inode->size_bytes;
	inode->resizes += kernel_resizing(inode);
	while (at < end && !error) {
		uint32_t done_bytes;

		error = write_pieces(inode, at, end, thread, &done_bytes);
		at += done_bytes;
	}
	inode->resizes += kernel_resizing(inode);
	inode->write_end = 0;
	/* fuse_write_update_attr(): also what did not extend when it began may do so now. */
	if (at > from || !inode->node->old_kernel)
		inode->attr_version = ++inode->node->attr_version;
	if (at > from && at > inode->size_bytes) {
		inode->size_bytes = at;
		sim_trace(inode_sim(inode), inode->node, "      f%u: the kernel's size is %llu after write(2)",
		          inode->segment->index, (unsigned long long)at);
	}
	inode->size_unstable = false;
	return at > from ? (int)(at - from) : error;
}

int kernel_write(struct inode *inode, uint64_t from, uint64_t bytes, struct thread *thread)
{
	int result;

	CHECK(from + bytes <= OBJECT_PAGES * PAGE_BYTES && !(from % BLOCK_BYTES));
	pagecache_lock_inode(inode);
	result = perform_write(inode, from, bytes, thread);
	pagecache_unlock_inode(inode);
	return result;
}

int kernel_append(struct inode *inode, uint64_t bytes, struct thread *thread)
{
	uint64_t from;
	int result = -EFBIG;

	pagecache_lock_inode(inode);
	from = (inode->size_bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
	if (from + bytes <= OBJECT_PAGES * PAGE_BYTES)
		result = perform_write(inode, from, bytes, thread);
	pagecache_unlock_inode(inode);
	return result;
}
