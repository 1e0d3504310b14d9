/*
 * upgrade.c: the first writable open of a segment. All that this node holds has to be exclusive before the open is answered, because
 * the kernel does not ask before it stores (K2). Pages that no other node holds, their home makes exclusive where they are; the
 * kernel drops the others.
 *
 *   held shared --UPGRADE--> asked --REPLY--> exclusive, or dropped; being dropped anyway: waited for
 */
#include "private.h"

struct shared {
	uint64_t *pages;
	size_t count;
};

static void note(void *context, uint64_t page, void *item)
{
	const struct held *held = item;
	struct shared *shared = context;

	if (held->mode == PAGE_SHARED)
		shared->pages[shared->count++] = page;
}

static int compare(const void *left, const void *right)
{
	const uint64_t *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

static void take(struct segment *segment, uint64_t first, uint64_t last)
{
	cache_take(segment->object->holder->cache, &segment->cached, TAKE_UPGRADE, first, last, 0);
}

static void ask(struct segment *segment, uint64_t first, uint64_t last)
{
	struct holder *holder = segment->object->holder;
	struct msg msg = {.type = MSG_UPGRADE,
	                  .obj = segment->object->obj,
	                  .seg = segment->cached.seg,
	                  .page = first,
	                  .count = (uint32_t)(last - first + 1)};
	struct op *op = op_new(holder, 0, &msg);

	if (!op) {
		take(segment, first, last);
		return;
	}
	segment->upgrades++;
	op->puts = segment->downgrades;
	op_call(holder, op, home_of(segment->object), &msg);
}

void upgrade_goes_on(struct segment *segment)
{
	if (segment->upgrades || cache_taking(&segment->cached, TAKE_UPGRADE))
		return; /* there may have been another open that was killed; pages have come in since */
	segment->upgrading = false;
	opens_go_on(segment->object);
}

void upgrade(struct segment *segment)
{
	struct shared shared = {.pages = malloc(segment->held_pages * sizeof(uint64_t))};
	size_t first = 0;

	segment->upgrading = true;
	if (!shared.pages) {
		take(segment, 0, PAGE_END);
		return;
	}
	segment->upgrades++; /* it does not end before all are asked for */
	page_table_each(&segment->pages, 0, PAGE_END, note, &shared);
	qsort(shared.pages, shared.count, sizeof(*shared.pages), compare);
	for (size_t i = 0; i < shared.count; i++) {
		uint64_t page = shared.pages[i];
		bool goes = cache_covers(&segment->cached, page);

		if (goes)
			take(segment, page, page);
		if (!goes && i + 1 < shared.count && shared.pages[i + 1] == page + 1 && i - first + 1 < MSG_PAGES_MAX &&
		    !cache_covers(&segment->cached, page + 1))
			continue;
		if (!goes)
			ask(segment, shared.pages[first], page);
		first = i + 1;
	}
	free(shared.pages);
	segment->upgrades--;
	upgrade_goes_on(segment);
}

static bool granted_in(const struct msg *reply, uint32_t place)
{
	const unsigned char *bits = reply->payload.bytes;

	return !reply->error && place / 8 < reply->payload.length_bytes && bits[place / 8] >> place % 8 & 1;
}

/* Whether the page is still held shared: it has to go. */
static bool refused(struct segment *segment, uint64_t page, bool granted)
{
	struct held *held = page_table_find(&segment->pages, page);

	if (!held || held->mode != PAGE_SHARED)
		return false;
	if (granted)
		held->mode = PAGE_EXCLUSIVE;
	return !granted;
}

/* Those that have to go, go in runs. */
static void answered(struct segment *segment, uint64_t first, uint32_t count, const struct msg *reply)
{
	uint64_t run = first, end = first + count;

	for (uint64_t page = first; page < end; page++) {
		if (refused(segment, page, granted_in(reply, (uint32_t)(page - first))))
			continue;
		if (run < page)
			take(segment, run, page - 1);
		run = page + 1;
	}
	if (run < end)
		take(segment, run, end - 1);
}

void upgrade_replied(struct holder *holder, struct op *op, const struct msg *reply)
{
	struct segment *segment = op_segment(holder, op);
	uint64_t first = op->msg.page, downgrades = op->puts;
	uint32_t count = op->msg.count;

	op_finish(holder, op, 0, NULL);
	if (!segment || !segment->upgrades) /* it was out of reach since */
		return;
	/* Where a DOWNGRADE came after it, nothing is exclusive any more; and for an open that has come since, it was asked again. */
	if (downgrades == segment->downgrades)
		answered(segment, first, count, reply);
	segment->upgrades--;
	if (!segment->writers) /* the open was killed */
		segment_downgrade(segment);
	upgrade_goes_on(segment);
}
