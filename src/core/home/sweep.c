/*
 * sweep.c: what concerns all pages of a segment at once.
 */
#include "private.h"

#include <stdio.h>

struct sweep {
	struct segment *segment;
	node_set node;
	bool died;     /* what the node held exclusive is lost */
	uint64_t lost;
	uint64_t first; /* of a truncate */
};

static void downgrade_one(void *context, uint64_t page, void *item)
{
	struct sweep *sweep = context;
	struct page *entry = item;

	(void)page;
	if (entry->mode != PAGE_EXCLUSIVE || !(entry->holders & sweep->node))
		return;
	entry->mode = PAGE_SHARED;
	unpromise(sweep->segment->object->home, entry);
}

void pages_downgrade(struct segment *segment, uint32_t from)
{
	struct sweep sweep = {.segment = segment, .node = one(segment->object, from)};

	page_table_each(&segment->pages, 0, PAGE_END, downgrade_one, &sweep);
}

static void clear_one(void *context, uint64_t page, void *item)
{
	struct page *entry = item;

	(void)context;
	(void)page;
	entry->flags &= (uint8_t)~PAGE_LOST;
}

void pages_clear_lost(struct segment *segment)
{
	struct bus *bus = segment->object->home->bus;

	page_table_each(&segment->pages, 0, PAGE_END, clear_one, NULL);
	segment->lost = 0;
	bus_log(bus, LOG_LEVEL_INFO, "object %" PRIu64 ": lost pages cleared, the home's last copies count",
	         segment->object->obj);
}

static void forget_waiters(struct home *home, struct transaction *transaction, node_set node)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &transaction->waiters)
	{
		struct waiter *waiter = list_entry(link, struct waiter, link);

		if (nodes_one(&home->bus->nodes, waiter->from) == node)
			waiter_remove(waiter);
	}
}

static void forget_one(void *context, uint64_t page, void *item)
{
	struct sweep *sweep = context;
	struct page *entry = item;
	struct transaction *transaction;

	if (entry->holders & sweep->node) {
		if (entry->mode == PAGE_EXCLUSIVE && page < pages_of(sweep->segment->size_bytes) && sweep->died &&
		    !whole_of(sweep->segment->object)->revert && !object_dead(sweep->segment->object)) {
			entry->flags |= PAGE_LOST;
			sweep->lost++;
		}
		holder_remove(sweep->segment->object->home, entry, sweep->node);
	}
	transaction = transaction_of(sweep->segment, page, entry);
	if (!transaction)
		return;
	transaction->recalled &= ~sweep->node;
	if (!transaction->recalled)
		list_remove(&transaction->recall_link);
	forget_waiters(sweep->segment->object->home, transaction, sweep->node);
	pages_advance(sweep->segment, page, entry);
}

void pages_forget_node(struct segment *segment, uint32_t number, bool died)
{
	struct sweep sweep = {.segment = segment, .node = one(segment->object, number), .died = died};
	struct bus *bus = segment->object->home->bus;

	page_table_each(&segment->pages, 0, PAGE_END, forget_one, &sweep);
	if (!sweep.lost)
		return;
	segment->lost += sweep.lost;
	bus->lost += sweep.lost;
	bus_log(bus, LOG_LEVEL_ERROR,
	         "object %" PRIu64 ": %" PRIu64 " pages lost: node %s held the only current copy; reading them fails until "
	         "'clear' is written to the object's control file",
	         segment->object->obj, sweep.lost, bus_name(bus, number));
}

static void truncate_one(void *context, uint64_t page, void *item)
{
	struct sweep *sweep = context;
	struct page *entry = item;

	entry->holders = 0;
	entry->mode = PAGE_INVALID;
	unpromise(sweep->segment->object->home, entry);
	if (page < sweep->first)
		return; /* the page that the new end falls into keeps its head */
	if (entry->flags & PAGE_DATA) {
		bus_give_pages(sweep->segment->object->home->bus, 1);
		sweep->segment->pages_data--;
	}
	if (entry->flags & PAGE_LOST)
		sweep->segment->lost--;
	entry->flags &= PAGE_BUSY;
}

static void advance_one(void *context, uint64_t page, void *item)
{
	struct sweep *sweep = context;

	pages_advance(sweep->segment, page, item);
}

void pages_truncate(struct segment *segment, uint64_t low)
{
	static const unsigned char zeros[PAGE_BYTES];
	struct sweep sweep = {.segment = segment, .first = pages_of(low)};
	struct bus *bus = segment->object->home->bus;
	uint32_t tail = (uint32_t)(low % PAGE_BYTES);
	struct page *entry = tail ? page_table_find(&segment->pages, low / PAGE_BYTES) : NULL;
	struct action *action;

	page_table_each(&segment->pages, low / PAGE_BYTES, PAGE_END, truncate_one, &sweep);
	action = bus_act(bus, ACT_STORE_DROP);
	action->msg.obj = segment->object->obj;
	action->msg.seg = segment->number;
	action->msg.page = sweep.first;
	if (entry && entry->flags & PAGE_DATA) {
		action = bus_act(bus, ACT_STORE_WRITE);
		action->msg.obj = segment->object->obj;
	action->msg.seg = segment->number;
		action->msg.page = low / PAGE_BYTES;
		action->msg.offset = tail;
		action->msg.payload = payload_bytes(zeros, PAGE_BYTES - tail);
	}
	page_table_each(&segment->pages, low / PAGE_BYTES, PAGE_END, advance_one, &sweep);
}

void pages_wake_all(struct segment *segment)
{
	struct sweep sweep = {.segment = segment};

	page_table_each(&segment->pages, 0, PAGE_END, advance_one, &sweep);
}

static void free_one(void *context, uint64_t page, void *item)
{
	struct sweep *sweep = context;
	struct page *entry = item;
	struct transaction *transaction = transaction_of(sweep->segment, page, entry);
	struct list *link, *after;

	if (entry->flags & (PAGE_DATA | PAGE_PROMISED))
		bus_give_pages(sweep->segment->object->home->bus, 1);
	if (!transaction)
		return;
	list_for_each_safe(link, after, &transaction->waiters)
		grant_error(sweep->segment, page, list_entry(link, struct waiter, link), -ESTALE);
	transaction_free(transaction, entry);
}

void pages_free(struct segment *segment)
{
	struct sweep sweep = {.segment = segment};

	page_table_each(&segment->pages, 0, PAGE_END, free_one, &sweep);
	page_table_clear(&segment->pages);
}

struct consistency {
	char *why;
	size_t why_bytes;
	uint64_t obj;
	uint64_t data, promised, lost;
	bool good;
};

static void check_one(void *context, uint64_t page, void *item)
{
	struct consistency *state = context;
	const struct page *entry = item;
	int holders = __builtin_popcountll(entry->holders);

	state->data += !!(entry->flags & PAGE_DATA);
	state->promised += !!(entry->flags & PAGE_PROMISED);
	state->lost += !!(entry->flags & PAGE_LOST);
	if ((entry->mode == PAGE_EXCLUSIVE && holders == 1) ||
	    (!(entry->flags & PAGE_PROMISED) && ((entry->mode == PAGE_INVALID && holders == 0) ||
	                                              (entry->mode == PAGE_SHARED && holders >= 1))))
		return;
	snprintf(state->why, state->why_bytes, "object %" PRIu64 " page %" PRIu64 ": mode %u with %d holders, flags %#x",
	         state->obj, page, entry->mode, holders, entry->flags);
	state->good = false;
}

bool pages_consistent(struct segment *segment, uint64_t *store_pages, char *why, size_t why_bytes)
{
	struct consistency state = {.why = why, .why_bytes = why_bytes, .obj = segment->object->obj, .good = true};

	page_table_each(&segment->pages, 0, PAGE_END, check_one, &state);
	*store_pages += state.data + state.promised;
	if (state.good && (state.data != segment->pages_data || state.lost != segment->lost)) {
		snprintf(why, why_bytes, "object %" PRIu64 ": %" PRIu64 " pages and %" PRIu64 " lost, counted %" PRIu64
		         " and %" PRIu64, segment->object->obj, state.data, state.lost, segment->pages_data, segment->lost);
		state.good = false;
	}
	return state.good;
}
