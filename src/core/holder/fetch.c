/*
 * fetch.c: pages on their way here. The cache tells us of faults, not of stores (K1, K2), so while any handle is writable
 * all pages are fetched exclusive.
 *
 *              FUSE_READ, FUSE_WRITE                GRANT
 *   not held -----------------------> fetching -----------------> held (shared or exclusive)
 *      ^  ^                              |  RECALL: answered at once, it is not cached      |
 *      |  +------------------------------+                                                  |
 *      +------------- dropped: after a RECALL and its dwell, SIZE, first writable open -----+
 *
 * A request for a page that is held shows that the kernel has evicted it: it is fetched again. Nothing that a recall needs
 * ever waits for a request of a local program (K8).
 */
#include "private.h"

static const unsigned char zero_page[PAGE_BYTES];

struct fetch *fetch_find(const struct segment *segment, uint64_t page)
{
	struct fetch *fetch;

	HASH_FIND(hh, segment->fetches, &page, sizeof(page), fetch);
	return fetch;
}

static void fetch_free(struct segment *segment, struct fetch *fetch)
{
	CHECK(list_empty(&fetch->ops) && !fetch->ahead);
	HASH_DEL(segment->fetches, fetch);
	free(fetch);
}

void fetches_free(struct segment *segment)
{
	struct fetch *fetch, *after;

	HASH_ITER(hh, segment->fetches, fetch, after)
	fetch_free(segment, fetch);
}

void fetches_fail(struct segment *segment, int error)
{
	struct holder *holder = segment->object->holder;
	struct fetch *fetch, *after;
	struct list *link, *next;

	writes_fail(segment, error);
	aheads_fail(segment, 0, error);
	HASH_ITER(hh, segment->fetches, fetch, after)
	{
		list_for_each_safe(link, next, &fetch->ops)
		{
			struct op *op = list_entry(link, struct op, link);

			write_ends(segment, op);
			op_finish(holder, op, error, NULL);
		}
		fetch->asked = false;
		if (!fetch->keepers)
			fetch_free(segment, fetch);
	}
}

void fetches_downgrade(struct segment *segment)
{
	struct fetch *fetch, *after;

	HASH_ITER(hh, segment->fetches, fetch, after)
	fetch->downgraded = true;
}

static bool is_locked(const struct fetch *fetch)
{
	return fetch && (fetch->keepers || fetch->ahead || !list_empty(&fetch->ops));
}

bool fetching_from(const struct segment *segment, uint64_t page)
{
	struct fetch *fetch, *after;

	HASH_ITER(hh, segment->fetches, fetch, after)
	if (fetch->page >= page && is_locked(fetch))
		return true;
	return false;
}

/* There may be many requests, or many pages. */
uint64_t first_locked(void *context, const struct cached *cached, uint64_t first, uint64_t last)
{
	const struct segment *segment = list_entry(cached, struct segment, cached);
	struct fetch *fetch, *after;
	uint64_t locked = PAGE_END;

	(void)context;
	if (last - first < HASH_COUNT(segment->fetches)) {
		while (first <= last && !is_locked(fetch_find(segment, first)))
			first++;
		return first <= last ? first : PAGE_END;
	}
	HASH_ITER(hh, segment->fetches, fetch, after)
	if (fetch->page >= first && fetch->page <= last && fetch->page < locked && is_locked(fetch))
		locked = fetch->page;
	return locked;
}

static enum page_mode mode_now(const struct segment *segment)
{
	return segment->writers ? PAGE_EXCLUSIVE : PAGE_SHARED;
}

struct needs {
	enum page_mode mode;
	uint64_t end; /* how far its writes go */
	bool blind;   /* they overwrite all that is there */
};

/* What its requests need. */
static struct needs fetch_needs(const struct segment *segment, const struct fetch *fetch)
{
	struct needs needs = {.mode = mode_now(segment), .blind = fetch->lead || (!fetch->ahead && !list_empty(&fetch->ops))};
	struct list *link, *after;

	list_for_each_safe(link, after, &fetch->ops)
	{
		const struct op *op = list_entry(link, struct op, link);

		needs.blind &= op->msg.type == REQ_WRITE && op->msg.payload.length_bytes == PAGE_BYTES;
		if (op->msg.type != REQ_WRITE)
			continue;
		needs.mode = PAGE_EXCLUSIVE;
		if (by_program(op) && write_end(op) > needs.end)
			needs.end = write_end(op);
	}
	return needs;
}

static bool not_needed(const struct fetch *fetch)
{
	return fetch->lead || (fetch->ahead && !(fetch->ahead->msg.flags & REQUEST_ALL));
}

void fetch_send(struct segment *segment, struct fetch *fetch)
{
	struct msg msg = {.type = MSG_GET,
	                  .obj = segment->object->obj,
	                  .seg = segment->cached.seg,
	                  .page = fetch->page,
	                  .count = 1};
	struct needs needs = fetch_needs(segment, fetch);

	if (fetch->lead && !needs.end)
		needs.end = fetch->page * PAGE_BYTES + 1;
	fetch->mode = needs.mode;
	fetch->past_end = needs.end > segment->size_bytes;
	fetch->asked = true;
	fetch->downgraded = false;
	fetch->req = ++segment->object->holder->next_req;
	msg.mode = (uint8_t)fetch->mode;
	msg.flags = (fetch->past_end ? GET_PAST_END : 0) | (not_needed(fetch) ? GET_AHEAD : 0) |
	            (needs.blind ? GET_BLIND : 0);
	msg.size = fetch->past_end ? needs.end : 0;
	msg.req = fetch->req;
	send_home(segment->object, &msg);
}

struct fetch *fetch_make(struct segment *segment, uint64_t page)
{
	struct fetch *fetch = fetch_find(segment, page);
	struct held *held;

	if (fetch) {
		cache_split(segment->object->holder->cache, &segment->cached, page, page);
		return fetch;
	}
	held = page_table_make(&segment->pages, page);
	if (!held)
		return NULL;
	fetch = calloc(1, sizeof(*fetch));
	if (!fetch)
		return NULL;
	fetch->page = page;
	list_init(&fetch->ops);
	HASH_ADD(hh, segment->fetches, page, sizeof(fetch->page), fetch);
	cache_split(segment->object->holder->cache, &segment->cached, page, page);
	if (held->mode != PAGE_INVALID && !cache_covers(&segment->cached, page)) /* with BREAK_RUNS_WHOLE it waits for its lock */
		page_gone(segment, page, held);
	writes_keep(segment, fetch);
	if (segment->shown.confirm)
		size_settle(segment); /* it may wait for this page's lock */
	return fetch;
}

void fetch_page(struct segment *segment, uint64_t page, struct op *op)
{
	struct fetch *fetch = fetch_make(segment, page);

	if (!fetch) {
		write_ends(segment, op);
		op_finish(segment->object->holder, op, -ENOSPC, NULL);
		return;
	}
	op_keep_payload(op);
	list_remove(&op->link);
	list_push_back(&fetch->ops, &op->link);
	if (!fetch->asked && !fetch->keepers)
		fetch_send(segment, fetch);
}

/* While a write of the page waits for its size, takes must go on leaving the page out. */
void fetch_tidy_only(struct segment *segment, uint64_t page)
{
	struct fetch *fetch = fetch_find(segment, page);

	if (!fetch || fetch->asked || fetch->keepers || fetch->ahead)
		return;
	if (list_empty(&fetch->ops))
		fetch_free(segment, fetch);
	else
		fetch_send(segment, fetch);
}

void fetch_tidy(struct segment *segment, uint64_t page)
{
	fetches_tidy(segment, page, page);
}

void fetches_tidy(struct segment *segment, uint64_t first, uint64_t last)
{
	for (uint64_t page = first; page <= last; page++)
		fetch_tidy_only(segment, page);
	size_settle(segment);
}

void fetch_keep(struct fetch *fetch, struct op *op)
{
	fetch->keepers += !op->counted;
	op->counted = true;
}

void fetch_let_go(struct segment *segment, struct op *op)
{
	struct fetch *fetch = op->counted ? fetch_find(segment, op->msg.page) : NULL;

	op->counted = false;
	if (fetch)
		fetch->keepers--;
}

void request_read(struct holder *holder, struct op *op)
{
	struct object *object = object_find(holder, op->msg.obj);

	if (!object || object->state != OBJECT_OPEN || op->msg.seg != SEG_MEMORY ||
	    op->msg.page >= pages_of(object->memory.size_bytes)) {
		op_finish(holder, op, -EIO, NULL);
		return;
	}
	if (op->msg.count == 1)
		fetch_page(&object->memory, op->msg.page, op);
	else
		ahead_begin(&object->memory, op);
}

void reads_past_end_fail(struct segment *segment)
{
	struct fetch *fetch, *after;
	struct list *link, *next;

	aheads_fail(segment, pages_of(segment->size_bytes), -EAGAIN);
	HASH_ITER(hh, segment->fetches, fetch, after)
	{
		if (fetch->page < pages_of(segment->size_bytes))
			continue;
		list_for_each_safe(link, next, &fetch->ops)
		{
			struct op *op = list_entry(link, struct op, link);

			if (op->msg.type == REQ_READ)
				op_finish(segment->object->holder, op, -EIO, NULL);
		}
	}
}

/* --- grants ---------------------------------------------------------------------------------------------------------- */

static void read_answer(struct holder *holder, struct op *op, const struct msg *grant)
{
	struct msg fields = {
		.obj = grant->obj, .seg = grant->seg, .page = grant->page, .count = 1, .payload = grant->payload};

	if (grant->flags & GRANT_ZERO)
		fields.payload = payload_bytes(zero_page, PAGE_BYTES);
	op_finish(holder, op, 0, &fields);
}

/* The page is past the end by now: a write by a program extends the segment again, everything else is too late. */
static void granted_error(struct segment *segment, struct fetch *fetch, int error)
{
	struct holder *holder = segment->object->holder;
	bool past_end = fetch->past_end, led = fetch->lead;
	struct list *link, *after;

	fetch->asked = false;
	fetch->lead = false;
	if (fetch->ahead)
		ahead_give_up(segment, fetch);
	if (error == -EAGAIN) { /* to who reads ahead; those who need it ask again */
		if (!led)
			segment->refused_ns = bus_of(segment)->now_ns;
		fetch_tidy_only(segment, fetch->page);
		return;
	}
	list_for_each_safe(link, after, &fetch->ops)
	{
		struct op *op = list_entry(link, struct op, link);
		bool back = op->msg.flags & WRITE_BACK;

		if (error == -ERANGE && op->msg.type == REQ_WRITE && !back && !past_end)
			continue; /* asked again, past the end */
		write_ends(segment, op);
		op_finish(holder, op, error != -ERANGE ? error : op->msg.type == REQ_WRITE && back ? 0 : -EIO, NULL);
	}
	/* The home knows of a smaller size than this node yet. */
	if (error == -ERANGE && !list_empty(&fetch->ops) && fetch->page < pages_of(segment->size_bytes))
		segment->size_bytes = fetch->page * PAGE_BYTES;
	fetch_tidy_only(segment, fetch->page);
}

/* Whether there were any. */
static bool writes_granted(struct segment *segment, struct fetch *fetch)
{
	struct list *link, *after;
	bool any = false;

	list_for_each_safe(link, after, &fetch->ops)
	{
		struct op *op = list_entry(link, struct op, link);

		if (op->msg.type != REQ_WRITE)
			continue;
		any = true;
		write_granted(segment, op);
	}
	return any;
}

/*
 * The kernel had the bytes of a write in its cache when it made the request. If the page was dropped since, a read
 * brings it back; it must not come with older bytes, so it waits for the write and fetches anew.
 */
static void granted_page(struct segment *segment, struct fetch *fetch, const struct msg *grant, const struct msg *whole)
{
	struct holder *holder = segment->object->holder;
	enum page_mode mode = (enum page_mode)grant->mode;
	struct held *held = page_table_find(&segment->pages, fetch->page);
	struct list *link, *after;
	uint64_t page = fetch->page;
	bool wrote;

	fetch->asked = false;
	fetch->lead = false;
	if (fetch->downgraded) /* our DOWNGRADE may have reached the home behind this grant */
		mode = PAGE_SHARED;
	if (mode < fetch_needs(segment, fetch).mode && !bus_broken(holder->bus, BREAK_NO_OPEN_FLUSH)) {
		/* A writable open or a write came in between. */
		if (fetch->ahead)
			ahead_give_up(segment, fetch);
		fetch_tidy_only(segment, page);
		return;
	}
	segment->held_pages += held->mode == PAGE_INVALID;
	held->mode = mode & 3;
	held->granted = held_time(holder->bus->now_ns);
	held->blank = grant->flags & GRANT_ZERO;
	held->noted = false;
	wrote = writes_granted(segment, fetch);
	if (wrote && fetch->ahead)
		ahead_give_up(segment, fetch);
	if ((wrote || grant->flags & GET_BLIND) && !list_empty(&fetch->ops)) {
		/* What is held now is not what the kernel will have, or has not come. */
		page_gone(segment, page, held);
		fetch_tidy_only(segment, page);
		return;
	}
	held->reread = fetch->ahead || !list_empty(&fetch->ops);
	list_for_each_safe(link, after, &fetch->ops)
		read_answer(holder, list_entry(link, struct op, link), grant);
	if (fetch->recalled)
		page_recalled(segment, page, PAGE_INVALID);
	if (fetch->ahead)
		ahead_granted(segment, fetch, grant, whole);
	fetch_tidy_only(segment, page);
}

static void granted_one(struct segment *segment, const struct msg *grant, const struct msg *whole)
{
	struct fetch *fetch = fetch_find(segment, grant->page);

	if (!fetch || !fetch->asked || fetch->req != grant->req)
		return;
	if (grant->error)
		granted_error(segment, fetch, grant->error);
	else
		granted_page(segment, fetch, grant, whole);
}

void granted(struct segment *segment, const struct msg *grant)
{
	const struct msg *whole = ahead_is_whole(segment, grant) ? grant : NULL;
	struct msg one = *grant;

	one.count = 1;
	if (grant->payload.length_bytes)
		one.payload.length_bytes = PAGE_BYTES;
	for (uint32_t i = 0; i < grant->count; i++) {
		granted_one(segment, &one, whole);
		one.req++;
		one.page++;
		if (one.payload.kind == PAYLOAD_BYTES)
			one.payload.bytes = (const char *)one.payload.bytes + PAGE_BYTES;
	}
	size_settle(segment);
}
