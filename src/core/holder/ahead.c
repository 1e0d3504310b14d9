/*
 * ahead.c: reads of several pages, which the kernel makes when it reads ahead. Each page is fetched by itself, the answer goes out
 * when all of them are held. Nothing is kept meanwhile: where a page is wanted elsewhere, or cannot be had, the read fails, and the
 * kernel asks for the one page that it needs (K5). So a node that waits for several pages never waits for another that does. What is
 * needed as a whole is not refused because another node uses it, but may be recalled.
 *
 *   asked --GRANT--> held, its bytes kept --all are held--> answered          any page refused, recalled, cut off --> EAGAIN
 */
#include "private.h"

bool taken_lately(struct segment *segment, uint64_t page)
{
	const struct held *held = page_table_find(&segment->pages, page);

	return held && held->mode == PAGE_INVALID && held_age_ns(held, bus_of(segment)->now_ns) < bus_of(segment)->quiet_ns;
}

static bool can_begin(struct segment *segment, const struct op *op)
{
	bool refused = segment->refused_ns && bus_of(segment)->now_ns - segment->refused_ns < bus_of(segment)->quiet_ns;
	bool all = op->msg.flags & REQUEST_ALL;

	if ((refused && !all) || op->msg.page + op->msg.count > pages_of(segment->size_bytes))
		return false;
	for (uint32_t i = 0; i < op->msg.count; i++)
		if (fetch_find(segment, op->msg.page + i) || (taken_lately(segment, op->msg.page + i) && !all))
			return false;
	return true;
}

void ahead_begin(struct segment *segment, struct op *op)
{
	struct holder *holder = segment->object->holder;
	uint64_t first = op->msg.page, last = first + op->msg.count - 1;

	CHECK(op->msg.count <= MSG_PAGES_MAX);
	if (!can_begin(segment, op)) {
		op_finish(holder, op, -EAGAIN, NULL);
		return;
	}
	op->parts.under_way = page_set_first(op->msg.count);
	list_push_back(&segment->aheads, &op->link);
	cache_split(holder->cache, &segment->cached, first, last);
	for (uint64_t page = first; page <= last; page++) {
		struct fetch *fetch = fetch_make(segment, page);

		if (!fetch || fetch->keepers) { /* a write of it waits for other pages */
			ahead_end(segment, op, -EAGAIN);
			return;
		}
		fetch->ahead = op;
		fetch_send(segment, fetch);
	}
}

/* Its pages are nobody's any more; `kept` is looked after by who calls. */
static void end(struct segment *segment, struct op *op, uint64_t kept, int error, const struct msg *fields)
{
	uint64_t first = op->msg.page, last = first + op->msg.count - 1;

	for (uint64_t page = first; page <= last; page++) {
		struct fetch *fetch = fetch_find(segment, page);

		if (fetch && fetch->ahead == op)
			fetch->ahead = NULL;
	}
	op_finish(segment->object->holder, op, error, fields);
	for (uint64_t page = first; page <= last; page++)
		if (page != kept)
			fetch_tidy_only(segment, page);
}

void ahead_end(struct segment *segment, struct op *op, int error)
{
	end(segment, op, PAGE_END, error, NULL);
	size_settle(segment);
}

void ahead_give_up(struct segment *segment, struct fetch *fetch)
{
	end(segment, fetch->ahead, fetch->page, -EAGAIN, NULL);
}

void aheads_fail(struct segment *segment, uint64_t page, int error)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &segment->aheads)
	{
		struct op *op = list_entry(link, struct op, link);

		if (op->msg.page + op->msg.count > page)
			ahead_end(segment, op, error);
	}
}

static bool home_is_here(const struct segment *segment)
{
	return home_of(segment->object) == bus_of(segment)->number;
}

bool ahead_is_whole(const struct segment *segment, const struct msg *grant)
{
	const struct fetch *fetch = fetch_find(segment, grant->page);
	const struct op *op = fetch ? fetch->ahead : NULL;

	return op && op->msg.page == grant->page && op->msg.count == grant->count && !op->kept;
}

/* Where the home is another node, until all have come. */
static bool keep(struct op *op, const struct msg *grant)
{
	unsigned char *at;

	if (!op->kept)
		op->kept = malloc(sizeof(*op->kept) + op->msg.count * PAGE_BYTES);
	if (!op->kept)
		return false;
	at = op->kept->bytes + (grant->page - op->msg.page) * PAGE_BYTES;
	if (grant->payload.kind == PAYLOAD_BYTES)
		memcpy(at, grant->payload.bytes, PAGE_BYTES);
	else
		memset(at, 0, PAGE_BYTES);
	return true;
}

void ahead_granted(struct segment *segment, struct fetch *fetch, const struct msg *grant, const struct msg *whole)
{
	struct op *op = fetch->ahead;
	struct msg fields = {.obj = op->msg.obj, .seg = op->msg.seg, .page = op->msg.page, .count = op->msg.count};

	if (!whole && !home_is_here(segment) && !keep(op, grant)) {
		ahead_give_up(segment, fetch);
		return;
	}
	page_set_remove(&op->parts.under_way, fetch->page - op->msg.page);
	if (!page_set_empty(&op->parts.under_way))
		return;
	if (home_is_here(segment))
		fields.payload = (struct payload){PAYLOAD_STORE, op->msg.count * PAGE_BYTES, NULL};
	else if (whole)
		fields.payload = whole->payload;
	else
		fields.payload = payload_bytes(op->kept->bytes, op->msg.count * PAGE_BYTES);
	end(segment, op, fetch->page, 0, &fields);
}
