/*
 * parts.c: writes of several pages: a request with a part for each page. All pages are fetched at once. Those of a write(2) are
 * put in ascending order, so that nobody sees a size whose bytes are not there, and nothing changes behind a page that fails.
 *
 *   fetched --granted--> put --> done            under_way: all before done
 *      |                  ^                      unput: all before put
 *      +--what comes before is not put--> later
 *
 * Of the last page, if it is a part of one that was not cached, the kernel keeps the lock until all is answered (K18). Nodes
 * cannot wait for each other by that, since each waits for pages below the one that it keeps; but a truncate can, see
 * writes_cut().
 */
#include "private.h"

bool part_waits(struct segment *segment, struct op *op)
{
	struct fetch *fetch = fetch_find(segment, op->msg.page);

	if (!op->whole || page_set_is_only(&op->whole->parts.under_way, place_of(op)) || write_end(op) != write_end(op->whole) ||
	    !may_lock(op->whole) || !fetch)
		return false;
	fetch_keep(fetch, op);
	op->whole->parts.last = op;
	return true;
}

/* Of a part: those behind it may go on. */
void part_put(struct segment *segment, struct op *op)
{
	struct op *whole = op->whole;

	if (!whole)
		return;
	page_set_remove(&whole->parts.unput, place_of(op));
	list_remove(&whole->link);
	list_push_back(&segment->object->holder->writes, &whole->link);
}

/*
 * Of what is written back with other pages, one that is on its way here: the others must not wait for it, because invalidations
 * wait for all of them. No fsync() can come in between, since a write(2) that waits for the page has the inode's lock.
 */
void part_leaves(struct holder *holder, struct op *op)
{
	if (op->whole && !by_program(op))
		write_part_ended(holder, op, 0);
}

static void part_over(struct holder *holder, struct op *whole, uint64_t place, uint32_t start_bytes, int error)
{
	struct parts *parts = &whole->parts;

	page_set_remove(&parts->under_way, place);
	page_set_remove(&parts->unput, place);
	if (error && start_bytes < parts->done_bytes) {
		parts->done_bytes = start_bytes;
		parts->error = error;
	}
	list_remove(&whole->link);
	list_push_back(&holder->writes, &whole->link);
}

void write_part_ended(struct holder *holder, struct op *part, int error)
{
	struct op *whole = part->whole;

	if (whole->parts.last == part)
		whole->parts.last = NULL;
	part_over(holder, whole, place_of(part), (uint32_t)(write_start(part) - write_start(whole)), error);
	part->whole = NULL;
}

static struct msg part_message(const struct msg *whole, uint32_t start_bytes)
{
	uint64_t at = whole->page * PAGE_BYTES + whole->offset + start_bytes;
	uint32_t length = PAGE_BYTES - (uint32_t)(at % PAGE_BYTES);
	struct msg msg = *whole;

	if (length > whole->payload.length_bytes - start_bytes)
		length = whole->payload.length_bytes - start_bytes;
	msg.page = at / PAGE_BYTES;
	msg.offset = (uint32_t)(at % PAGE_BYTES);
	msg.payload = payload_bytes((const char *)whole->payload.bytes + start_bytes, length);
	return msg;
}

void write_several(struct segment *segment, struct op *whole)
{
	struct holder *holder = segment->object->holder;
	uint32_t length = whole->msg.payload.length_bytes;
	uint64_t pages = last_page(whole) - whole->msg.page + 1;

	CHECK(pages <= MSG_PAGES_MAX);
	whole->parts.under_way = whole->parts.unput = page_set_first(pages);
	whole->parts.done_bytes = length;
	for (uint32_t start = 0; start < length;) {
		struct msg msg = part_message(&whole->msg, start);
		struct op *part = op_new(holder, 0, &msg);

		if (part) {
			part->whole = whole;
			write_one(segment, part);
		} else {
			part_over(holder, whole, msg.page - whole->msg.page, start, -ENOMEM);
		}
		start += msg.payload.length_bytes;
	}
	writes_cut(segment);
}

/*
 * The kernel takes pages behind the one that failed for not read any more, also what was stored there through mappings: first
 * that is written back.
 */
static void drop_behind(struct segment *segment, const struct op *whole)
{
	uint64_t failed = (write_start(whole) + whole->parts.done_bytes) / PAGE_BYTES;

	if (by_program(whole) && failed < last_page(whole))
		cache_take(segment->object->holder->cache, &segment->cached, TAKE_RECALL, failed + 1, last_page(whole), 0);
}

static void whole_finish(struct holder *holder, struct op *whole)
{
	struct segment *segment = op_segment(holder, whole);
	struct parts parts = whole->parts;
	int error = parts.done_bytes && by_program(whole) ? 0 : parts.error;

	if (segment) {
		written(segment, whole, write_start(whole) + parts.done_bytes);
		if (parts.error)
			drop_behind(segment, whole);
		else if (call_sync(segment, whole))
			return;
	}
	op_finish(holder, whole, error, &(struct msg){.obj = whole->msg.obj, .count = parts.done_bytes});
	if (segment)
		size_settle(segment);
}

/* The first part that waited for what is put now. */
static void next_part(struct segment *segment, struct op *whole)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &segment->later)
	{
		struct op *op = list_entry(link, struct op, link);
		uint64_t page = op->msg.page;

		if (op->whole != whole || page_set_before(&whole->parts.unput, place_of(op)))
			continue;
		list_remove(link);
		fetch_let_go(segment, op);
		write_page(segment, op);
		fetch_tidy(segment, page);
		return;
	}
}

static void last_part(struct segment *segment, struct op *op)
{
	uint64_t page = op->msg.page;

	write_done(segment, op, 0);
	fetch_tidy(segment, page);
}

void writes_go_on(struct holder *holder)
{
	while (!list_empty(&holder->writes)) {
		struct op *whole = list_entry(holder->writes.next, struct op, link);
		struct segment *segment = op_segment(holder, whole);

		list_remove(&whole->link);
		if (page_set_empty(&whole->parts.under_way))
			whole_finish(holder, whole);
		else if (segment && whole->parts.last && page_set_is_only(&whole->parts.under_way, place_of(whole->parts.last)))
			last_part(segment, whole->parts.last);
		else if (segment)
			next_part(segment, whole);
	}
}

/* The kernel may have had their bytes in a page that was dropped since: what comes for it must not get older ones. */
void writes_keep(struct segment *segment, struct fetch *fetch)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &segment->later)
	{
		struct op *op = list_entry(link, struct op, link);

		if (op->msg.page == fetch->page)
			fetch_keep(fetch, op);
	}
}

static void fail_all(struct segment *segment, struct list *ops, int error)
{
	struct list *link, *after;

	list_for_each_safe(link, after, ops)
	{
		struct op *op = list_entry(link, struct op, link);

		if (op_segment(segment->object->holder, op) != segment)
			continue;
		write_ends(segment, op);
		op_finish(segment->object->holder, op, error, NULL);
	}
}

void writes_fail(struct segment *segment, int error)
{
	fail_all(segment, &segment->later, error);
	fail_all(segment, &segment->early, error);
	stale_fail(segment, error);
}

/* Whether dropping pages may have to wait for the lock of its last page, which nothing shows to be locked. */
static bool keeps_last(const struct segment *segment, const struct op *whole)
{
	uint64_t page = last_page(whole);

	return may_lock(whole) && !fetch_find(segment, page) && cache_covers_for(&segment->cached, page, TAKE_SIZED);
}

/*
 * A part that is not put counts as put before the cut; but for what is not cut off, which cannot wait, because a node that
 * truncates gives nothing up before (K25). A whole page is in the kernel's cache.
 */
static bool part_cut(struct segment *segment, struct list *ops)
{
	struct holder *holder = segment->object->holder;
	struct list *link, *after;

	list_for_each_safe(link, after, ops)
	{
		struct op *op = list_entry(link, struct op, link);
		uint64_t page = op->msg.page;

		if (!op->whole || !by_program(op) || !keeps_last(segment, op->whole))
			continue;
		write_ends(segment, op);
		op_finish(holder, op, write_start(op) < segment->size_bytes ? -EIO : 0, NULL);
		cache_take(holder->cache, &segment->cached, TAKE_SIZED, page, page, segment->cut_cookie);
		fetch_tidy(segment, page);
		return true;
	}
	return false;
}

static bool any_part_cut(struct segment *segment)
{
	struct fetch *fetch, *after;

	HASH_ITER(hh, segment->fetches, fetch, after)
	{
		if (part_cut(segment, &fetch->ops))
			return true;
	}
	return part_cut(segment, &segment->later);
}

void writes_cut(struct segment *segment)
{
	if (!cache_taking(&segment->cached, TAKE_SIZED) || bus_broken(bus_of(segment), BREAK_PARTS_WAIT))
		return;
	while (any_part_cut(segment))
		;
}
