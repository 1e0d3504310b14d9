/*
 * recall.c: pages on their way back to their home.
 *
 * A page stays for DWELL_NS after its grant, so that the program that waited for it can use it. Where recalls keep coming that
 * fast, every 256th stays for DWELL_LONG_NS: a program that the machine did not let run in all that time makes progress at
 * last.
 */
#include "private.h"

struct dwell {
	struct list link;
	struct segment *segment;
	uint64_t page;
	uint64_t deadline_ns;
};

void dwells_forget(const struct segment *segment, uint64_t page, bool all)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &segment->object->holder->dwells)
	{
		struct dwell *dwell = list_entry(link, struct dwell, link);

		if (dwell->segment != segment || (!all && dwell->page != page))
			continue;
		list_remove(link);
		free(dwell);
	}
}

void page_recalled(const struct segment *segment, uint64_t page, enum page_mode mode)
{
	struct msg msg = {.type = MSG_RECALLED,
	                  .obj = segment->object->obj,
	                  .seg = segment->cached.seg,
	                  .page = page,
	                  .count = 1,
	                  .mode = (uint8_t)mode};

	send_home(segment->object, &msg);
}

/* What has come of it for a read of several pages is not to be used either. */
void page_gone(struct segment *segment, uint64_t page, struct held *held)
{
	struct fetch *fetch = fetch_find(segment, page);

	if (fetch && fetch->ahead) {
		ahead_give_up(segment, fetch);
		fetch_tidy_only(segment, page);
	}
	CHECK(!held->dropping);
	segment->held_pages -= held->mode != PAGE_INVALID;
	held->mode = PAGE_INVALID;
	held->reread = false;
	held->gone = segment->written;
	if (!held->recalled)
		return;
	held->recalled = false;
	dwells_forget(segment, page, false);
	page_recalled(segment, page, PAGE_INVALID);
}

static void gone_one(void *context, uint64_t page, void *item)
{
	struct held *held = item;

	if (held->dropping)
		stale_gone(context, page);
	if (held->mode != PAGE_INVALID)
		page_gone(context, page, held);
}

void range_gone(void *context, struct cached *cached, uint64_t first, uint64_t last)
{
	struct segment *segment = list_entry(cached, struct segment, cached);

	(void)context;
	page_table_each(&segment->pages, first, last, gone_one, segment);
}

static uint64_t dwell_until(const struct bus *bus, struct held *held)
{
	uint64_t age_ns = held_age_ns(held, bus->now_ns);

	if (age_ns > DWELL_QUICK_NS) {
		held->quick = 0;
		return 0;
	}
	return bus->now_ns - age_ns + (++held->quick ? DWELL_NS : DWELL_LONG_NS);
}

static void dwell_start(struct segment *segment, uint64_t page, uint64_t until_ns)
{
	struct dwell *dwell = calloc(1, sizeof(*dwell));

	CHECK(dwell);
	dwell->segment = segment;
	dwell->page = page;
	dwell->deadline_ns = until_ns;
	list_push_back(&segment->object->holder->dwells, &dwell->link);
}

static void take(struct segment *segment, uint64_t first, uint64_t last)
{
	cache_take(segment->object->holder->cache, &segment->cached, TAKE_RECALL, first, last, 0);
}

/* Whether it is to be taken now. */
static bool recall_one(struct segment *segment, uint64_t page, enum page_mode mode)
{
	struct holder *holder = segment->object->holder;
	struct held *held = page_table_find(&segment->pages, page);
	struct fetch *fetch = fetch_find(segment, page);
	uint64_t until_ns;

	holder->bus->recalls++;
	if (fetch && bus_broken(holder->bus, BREAK_RECALL_WAITS)) {
		fetch->recalled = true;
		return false;
	}
	if (!held || held->mode <= mode) {
		page_recalled(segment, page, held ? (enum page_mode)held->mode : PAGE_INVALID);
		return false;
	}
	held->recalled = true;
	if (fetch) {
		page_gone(segment, page, held); /* the kernel has it locked for a request, and not cached */
		fetch_tidy(segment, page);
		return false;
	}
	if (cache_covers(&segment->cached, page))
		return false;
	until_ns = dwell_until(holder->bus, held);
	if (until_ns <= holder->bus->now_ns)
		return true;
	dwell_start(segment, page, until_ns);
	return false;
}

/* One use of several pages says nothing of pages that go to and fro. */
static void taken_in_bulk(struct segment *segment, uint64_t page)
{
	struct held *held = page_table_find(&segment->pages, page);

	if (held)
		held->granted = 0;
}

/* Those that are to be taken now, are in runs. */
void recall(struct segment *segment, const struct msg *msg)
{
	uint64_t first = msg->page, end = msg->page + msg->count;

	for (uint64_t page = msg->page; page < end; page++) {
		bool now = recall_one(segment, page, (enum page_mode)msg->mode);

		if (msg->flags & REQUEST_ALL)
			taken_in_bulk(segment, page);
		if (now)
			continue;
		if (first < page)
			take(segment, first, page - 1);
		first = page + 1;
	}
	if (first < end)
		take(segment, first, end - 1);
}

void recalled_at_once(struct holder *holder, uint32_t from, const struct msg *recall)
{
	struct msg msg = *recall;

	msg.type = MSG_RECALLED;
	msg.mode = PAGE_INVALID;
	bus_send(holder->bus, from, &msg);
}

static void downgrade_one(void *context, uint64_t page, void *item)
{
	struct held *held = item;

	(void)context;
	(void)page;
	if (held->mode == PAGE_EXCLUSIVE)
		held->mode = PAGE_SHARED;
}

void segment_downgrade(struct segment *segment)
{
	struct msg msg = {.type = MSG_DOWNGRADE, .obj = segment->object->obj, .seg = segment->cached.seg};

	if (!segment->held_pages && !segment->fetches)
		return;
	page_table_each(&segment->pages, 0, PAGE_END, downgrade_one, NULL);
	fetches_downgrade(segment);
	segment->downgrades++;
	send_home(segment->object, &msg);
}

void dwells_tick(struct holder *holder)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &holder->dwells)
	{
		struct dwell *dwell = list_entry(link, struct dwell, link);

		if (dwell->deadline_ns > holder->bus->now_ns)
			continue;
		list_remove(link);
		if (!cache_covers(&dwell->segment->cached, dwell->page))
			take(dwell->segment, dwell->page, dwell->page);
		free(dwell);
	}
}

uint64_t dwells_deadline_ns(const struct holder *holder)
{
	uint64_t deadline = UINT64_MAX;
	struct list *link, *after;

	list_for_each_safe(link, after, &holder->dwells)
	{
		const struct dwell *dwell = list_entry(link, struct dwell, link);

		if (dwell->deadline_ns < deadline)
			deadline = dwell->deadline_ns;
	}
	return deadline;
}
