/*
 * pages.c: the page directory of a home. For each page either any number of nodes hold it shared, or one holds it
 * exclusive. One transaction at a time per page, first come first served: whoever stands in the way of the first waiter
 * is recalled, and only when all of them have confirmed is the page granted. Transactions on different pages do not
 * touch each other.
 *
 * All that concerns a page travels on the one FIFO channel between its home and a node: a PUT that a recall brought out
 * arrives before the RECALLED, and a RECALL after the GRANT that it takes back. The home's copy is the current one but
 * for what the one exclusive holder has dirty.
 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>

#define RECALL_TIMEOUTS 2 /* a recall may take that many timeouts; then the node counts as dead */

static void unpromise(struct core *core, struct home_page *entry)
{
	if (!(entry->flags & HOME_PAGE_PROMISED))
		return;
	entry->flags &= (uint8_t)~HOME_PAGE_PROMISED;
	core->store_pages--;
}

static void holder_remove(struct core *core, struct home_page *entry, uint32_t slot)
{
	entry->holders &= ~node_bit(slot);
	if (entry->mode == PAGE_EXCLUSIVE)
		unpromise(core, entry);
	if (!entry->holders)
		entry->mode = PAGE_INVALID;
}

static struct transaction *transaction_make(struct home_object *object, uint64_t page, struct home_page *entry)
{
	struct transaction *transaction = entry->transaction;

	if (transaction)
		return transaction;
	transaction = calloc(1, sizeof(*transaction));
	CHECK(transaction);
	list_init(&transaction->waiters);
	list_init(&transaction->recall_link);
	transaction->object = object;
	transaction->page = page;
	entry->transaction = transaction;
	return transaction;
}

static void waiter_remove(struct core *core, struct waiter *waiter)
{
	core->waiting[waiter->slot]--;
	list_remove(&waiter->link);
	free(waiter);
}

static void transaction_free(struct core *core, struct home_page *entry)
{
	struct transaction *transaction = entry->transaction;
	struct list *link, *after;

	if (!transaction)
		return;
	list_for_each_safe(link, after, &transaction->waiters)
		waiter_remove(core, list_entry(link, struct waiter, link));
	list_remove(&transaction->recall_link);
	free(transaction);
	entry->transaction = NULL;
}

static void grant_error(struct core *core, const struct home_object *object, uint64_t page, const struct waiter *waiter,
                        int error)
{
	struct msg msg = {.type = MSG_GRANT,
	                  .obj = object->obj,
	                  .page = page,
	                  .count = 1,
	                  .req = waiter->req,
	                  .error = error};

	core_send(core, waiter->slot, &msg);
}

/* Why the page cannot be had at all, 0 if it can. */
static int refusal(const struct core *core, const struct home_object *object, uint64_t page,
                   const struct home_page *entry, enum page_mode mode)
{
	if (object->revoked)
		return -EIO;
	if (page >= pages_of(object->attr.size_bytes))
		return -ERANGE;
	if (entry->flags & HOME_PAGE_LOST)
		return -EIO;
	if (mode == PAGE_EXCLUSIVE && !(entry->flags & (HOME_PAGE_DATA | HOME_PAGE_PROMISED)) &&
	    core->store_pages >= core->pages_max)
		return -ENOSPC;
	return 0;
}

static node_set in_the_way(const struct home_page *entry, uint32_t slot, enum page_mode mode)
{
	node_set others = entry->holders & ~node_bit(slot);

	return mode == PAGE_EXCLUSIVE || entry->mode == PAGE_EXCLUSIVE ? others : 0;
}

/* Enters the waiter as holder. Every check has been made. */
static void hold(struct core *core, struct home_page *entry, uint32_t slot, enum page_mode mode)
{
	if (mode == PAGE_EXCLUSIVE) {
		entry->holders = node_bit(slot);
		if (!(entry->flags & (HOME_PAGE_DATA | HOME_PAGE_PROMISED))) {
			entry->flags |= HOME_PAGE_PROMISED;
			core->store_pages++;
		}
	} else {
		entry->holders |= node_bit(slot);
		unpromise(core, entry);
	}
	entry->mode = (uint8_t)mode;
}

/* How many pages from `page` on, at most `count`, can be granted with it in one message without waiting. */
static uint32_t grant_run(struct core *core, struct home_object *object, uint64_t page, const struct waiter *waiter)
{
	struct home_page *first = page_table_find(&object->pages, page);
	uint32_t run = 1;

	for (; run < waiter->count && run < MSG_PAGES_MAX; run++) {
		struct home_page *entry;

		if (page + run >= pages_of(object->attr.size_bytes))
			break;
		entry = page_table_make(&object->pages, page + run);
		if (entry->transaction || resize_blocks(object, page + run) ||
		    refusal(core, object, page + run, entry, waiter->mode) ||
		    in_the_way(entry, waiter->slot, waiter->mode) ||
		    (entry->flags & HOME_PAGE_DATA) != (first->flags & HOME_PAGE_DATA))
			break;
		hold(core, entry, waiter->slot, waiter->mode);
	}
	return run;
}

static void grant(struct core *core, struct home_object *object, uint64_t page, struct home_page *entry,
                  const struct waiter *waiter)
{
	struct msg msg = {.type = MSG_GRANT,
	                  .obj = object->obj,
	                  .page = page,
	                  .req = waiter->req,
	                  .mode = (uint8_t)waiter->mode};

	hold(core, entry, waiter->slot, waiter->mode);
	msg.count = grant_run(core, object, page, waiter);
	if (entry->flags & HOME_PAGE_DATA) {
		msg.payload.kind = PAYLOAD_STORE;
		msg.payload.length_bytes = msg.count * PAGE_BYTES;
		object->bytes += msg.payload.length_bytes;
	} else {
		msg.flags = GRANT_ZERO;
	}
	core_send(core, waiter->slot, &msg);
}

static void recall(struct core *core, struct home_object *object, uint64_t page, struct transaction *transaction,
                   node_set holders, enum page_mode mode)
{
	/* A waiter that reads leaves the others their shared copies; the FUSE agent then gives up all the same. */
	struct msg msg = {.type = MSG_RECALL,
	                  .obj = object->obj,
	                  .page = page,
	                  .mode = mode == PAGE_SHARED ? PAGE_SHARED : PAGE_INVALID};

	transaction->recalled = holders;
	transaction->recall_ns = core->now_ns;
	list_push_back(&core->recalls, &transaction->recall_link);
	object->handoffs++;
	core->handoffs++;
	for (uint32_t slot = 0; slot < NODES_MAX; slot++)
		if (holders & node_bit(slot))
			core_send(core, slot, &msg);
}

/* The one mover: serves waiters in turn until one has to wait, and ends the transaction when none is left. */
static void advance(struct core *core, struct home_object *object, uint64_t page, struct home_page *entry)
{
	struct transaction *transaction = entry->transaction;

	if (!transaction)
		return;
	while (!transaction->recalled && !list_empty(&transaction->waiters) && !resize_blocks(object, page)) {
		struct waiter *waiter = list_entry(transaction->waiters.next, struct waiter, link);
		int error = refusal(core, object, page, entry, waiter->mode);
		node_set holders = in_the_way(entry, waiter->slot, waiter->mode);

		if (core->breakage & BREAK_NO_COHERENCE)
			holders = 0;
		if (!error && holders) {
			recall(core, object, page, transaction, holders, waiter->mode);
			if (!(core->breakage & BREAK_EARLY_GRANT))
				return;
		}
		if (error)
			grant_error(core, object, page, waiter, error);
		else
			grant(core, object, page, entry, waiter);
		waiter_remove(core, waiter);
	}
	if (!transaction->recalled && list_empty(&transaction->waiters))
		transaction_free(core, entry);
}

void pages_get(struct core *core, struct home_object *object, uint32_t slot, const struct msg *msg)
{
	struct home_page *entry;
	struct waiter *waiter;
	struct waiter refused = {.slot = slot, .req = msg->req};

	object->faults++;
	core->faults++;
	if (msg->page >= pages_of(object->attr.size_bytes) || object->revoked) {
		grant_error(core, object, msg->page, &refused, object->revoked ? -EIO : -ERANGE);
		return;
	}
	if (core->waiting[slot] >= WAITERS_PER_NODE_MAX) {
		grant_error(core, object, msg->page, &refused, -EBUSY);
		return;
	}
	entry = page_table_make(&object->pages, msg->page);
	waiter = calloc(1, sizeof(*waiter));
	CHECK(waiter);
	waiter->slot = slot;
	waiter->req = msg->req;
	waiter->count = msg->count;
	waiter->mode = msg->mode == PAGE_EXCLUSIVE ? PAGE_EXCLUSIVE : PAGE_SHARED;
	core->waiting[slot]++;
	list_push_back(&transaction_make(object, msg->page, entry)->waiters, &waiter->link);
	advance(core, object, msg->page, entry);
}

void pages_recalled(struct core *core, struct home_object *object, uint32_t slot, const struct msg *msg)
{
	struct home_page *entry = page_table_find(&object->pages, msg->page);
	struct transaction *transaction = entry ? entry->transaction : NULL;

	if (!transaction || !(transaction->recalled & node_bit(slot)))
		return;
	if (!(core->breakage & BREAK_EARLY_GRANT)) {
		if (msg->mode == PAGE_INVALID)
			holder_remove(core, entry, slot);
		else if (msg->mode == PAGE_SHARED && entry->mode == PAGE_EXCLUSIVE) {
			entry->mode = PAGE_SHARED;
			unpromise(core, entry);
		}
	}
	transaction->recalled &= ~node_bit(slot);
	if (!transaction->recalled)
		list_remove(&transaction->recall_link);
	advance(core, object, msg->page, entry);
}

void pages_put(struct core *core, struct home_object *object, uint32_t slot, const struct msg *msg)
{
	struct home_page *entry = page_table_find(&object->pages, msg->page);
	struct action *action;
	uint64_t start = msg->page * PAGE_BYTES + msg->offset;
	uint32_t length = msg->payload.length_bytes;

	if (start >= object->attr.size_bytes || object->revoked)
		return; /* cut off meanwhile */
	if (length > object->attr.size_bytes - start)
		length = (uint32_t)(object->attr.size_bytes - start);
	if (!entry || entry->mode != PAGE_EXCLUSIVE || !(entry->holders & node_bit(slot))) {
		core->violations++;
		core_log(core, LOG_LEVEL_ERROR,
		         "node %s wrote page %" PRIu64 " of object %" PRIu64 " without holding it exclusive; not taken",
		         session_name(core, slot), msg->page, object->obj);
		if (!(core->breakage & (BREAK_NO_COHERENCE | BREAK_EARLY_GRANT | BREAK_NO_OPEN_FLUSH)))
			return;
		entry = page_table_make(&object->pages, msg->page);
	}
	if (!(entry->flags & HOME_PAGE_DATA)) {
		if (!(entry->flags & HOME_PAGE_PROMISED))
			core->store_pages++;
		entry->flags = (uint8_t)((entry->flags & ~HOME_PAGE_PROMISED) | HOME_PAGE_DATA);
		object->pages_data++;
	}
	object->bytes += length;
	home_touch(core, object);
	action = core_act(core, ACT_STORE_WRITE);
	action->msg.obj = object->obj;
	action->msg.page = msg->page;
	action->msg.offset = msg->offset;
	action->msg.payload = payload_bytes(msg->payload.bytes, length);
}

/* --- all pages of an object -------------------------------------------------------------------------------------- */

struct sweep {
	struct core *core;
	struct home_object *object;
	uint32_t slot;
	bool died;
	uint64_t lost;
	uint64_t first; /* of a truncate */
};

static void downgrade_one(void *context, uint64_t page, void *item)
{
	struct sweep *sweep = context;
	struct home_page *entry = item;

	(void)page;
	if (entry->mode != PAGE_EXCLUSIVE || !(entry->holders & node_bit(sweep->slot)))
		return;
	entry->mode = PAGE_SHARED;
	unpromise(sweep->core, entry);
}

void pages_downgrade(struct core *core, struct home_object *object, uint32_t slot)
{
	struct sweep sweep = {.core = core, .object = object, .slot = slot};

	page_table_each(&object->pages, 0, PAGE_END, downgrade_one, &sweep);
}

static void clear_one(void *context, uint64_t page, void *item)
{
	struct home_page *entry = item;

	(void)context;
	(void)page;
	entry->flags &= (uint8_t)~HOME_PAGE_LOST;
}

void pages_clear_lost(struct core *core, struct home_object *object)
{
	page_table_each(&object->pages, 0, PAGE_END, clear_one, NULL);
	object->lost = 0;
	core_log(core, LOG_LEVEL_INFO, "object %" PRIu64 ": lost pages cleared, the home's last copies count",
	         object->obj);
}

static void forget_waiters(struct core *core, struct transaction *transaction, uint32_t slot)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &transaction->waiters)
	{
		struct waiter *waiter = list_entry(link, struct waiter, link);

		if (waiter->slot == slot)
			waiter_remove(core, waiter);
	}
}

static void forget_one(void *context, uint64_t page, void *item)
{
	struct sweep *sweep = context;
	struct home_page *entry = item;

	if (entry->holders & node_bit(sweep->slot)) {
		if (entry->mode == PAGE_EXCLUSIVE && sweep->died && !sweep->object->revert && !sweep->object->revoked) {
			entry->flags |= HOME_PAGE_LOST;
			sweep->lost++;
		}
		holder_remove(sweep->core, entry, sweep->slot);
	}
	if (!entry->transaction)
		return;
	entry->transaction->recalled &= ~node_bit(sweep->slot);
	if (!entry->transaction->recalled)
		list_remove(&entry->transaction->recall_link);
	forget_waiters(sweep->core, entry->transaction, sweep->slot);
	advance(sweep->core, sweep->object, page, entry);
}

void pages_forget_node(struct core *core, struct home_object *object, uint32_t slot, bool died)
{
	struct sweep sweep = {.core = core, .object = object, .slot = slot, .died = died};

	page_table_each(&object->pages, 0, PAGE_END, forget_one, &sweep);
	if (!sweep.lost)
		return;
	object->lost += sweep.lost;
	core->lost += sweep.lost;
	core_log(core, LOG_LEVEL_ERROR,
	         "object %" PRIu64 ": %" PRIu64 " pages lost: node %s held the only current copy; reading them fails until "
	         "'clear' is written to the object's control file",
	         object->obj, sweep.lost, session_name(core, slot));
}

static void truncate_one(void *context, uint64_t page, void *item)
{
	struct sweep *sweep = context;
	struct home_page *entry = item;

	entry->holders = 0;
	entry->mode = PAGE_INVALID;
	unpromise(sweep->core, entry);
	if (page < sweep->first)
		return; /* the page that the new end falls into keeps its head */
	if (entry->flags & HOME_PAGE_DATA) {
		sweep->core->store_pages--;
		sweep->object->pages_data--;
	}
	if (entry->flags & HOME_PAGE_LOST)
		sweep->object->lost--;
	entry->flags = 0;
}

static void advance_one(void *context, uint64_t page, void *item)
{
	struct sweep *sweep = context;

	advance(sweep->core, sweep->object, page, item);
}

void pages_truncate(struct core *core, struct home_object *object, uint64_t low)
{
	static const unsigned char zeros[PAGE_BYTES];
	struct sweep sweep = {.core = core, .object = object, .first = pages_of(low)};
	uint32_t tail = (uint32_t)(low % PAGE_BYTES);
	struct home_page *entry = tail ? page_table_find(&object->pages, low / PAGE_BYTES) : NULL;
	struct action *action;

	page_table_each(&object->pages, low / PAGE_BYTES, PAGE_END, truncate_one, &sweep);
	action = core_act(core, ACT_STORE_DROP);
	action->msg.obj = object->obj;
	action->msg.page = sweep.first;
	if (entry && entry->flags & HOME_PAGE_DATA) {
		action = core_act(core, ACT_STORE_WRITE);
		action->msg.obj = object->obj;
		action->msg.page = low / PAGE_BYTES;
		action->msg.offset = tail;
		action->msg.payload = payload_bytes(zeros, PAGE_BYTES - tail);
	}
	page_table_each(&object->pages, low / PAGE_BYTES, PAGE_END, advance_one, &sweep);
}

void pages_wake_all(struct core *core, struct home_object *object)
{
	struct sweep sweep = {.core = core, .object = object};

	page_table_each(&object->pages, 0, PAGE_END, advance_one, &sweep);
}

static void free_one(void *context, uint64_t page, void *item)
{
	struct sweep *sweep = context;
	struct home_page *entry = item;
	struct list *link, *after;

	if (entry->flags & (HOME_PAGE_DATA | HOME_PAGE_PROMISED))
		sweep->core->store_pages--;
	if (!entry->transaction)
		return;
	list_for_each_safe(link, after, &entry->transaction->waiters)
		grant_error(sweep->core, sweep->object, page, list_entry(link, struct waiter, link), -ESTALE);
	transaction_free(sweep->core, entry);
}

void pages_free(struct core *core, struct home_object *object)
{
	struct sweep sweep = {.core = core, .object = object};

	page_table_each(&object->pages, 0, PAGE_END, free_one, &sweep);
	page_table_clear(&object->pages);
}

/* A node that does not answer a recall, though it lives, must not hold up the others for ever. */
void pages_tick(struct core *core)
{
	while (!list_empty(&core->recalls)) {
		struct transaction *oldest = list_entry(core->recalls.next, struct transaction, recall_link);
		uint64_t page = oldest->page;

		if (core->now_ns - oldest->recall_ns < RECALL_TIMEOUTS * core->timeout_ns)
			return;
		for (uint32_t slot = 1; slot < NODES_MAX; slot++)
			if (oldest->recalled & node_bit(slot))
				session_close(core, slot,
				              core_text(core, "it did not give back page %" PRIu64 " of object %" PRIu64, page,
				                        oldest->object->obj));
		list_remove(&oldest->recall_link);
	}
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
	const struct home_page *entry = item;
	int holders = __builtin_popcountll(entry->holders);

	state->data += !!(entry->flags & HOME_PAGE_DATA);
	state->promised += !!(entry->flags & HOME_PAGE_PROMISED);
	state->lost += !!(entry->flags & HOME_PAGE_LOST);
	if ((entry->mode == PAGE_EXCLUSIVE && holders == 1) ||
	    (!(entry->flags & HOME_PAGE_PROMISED) && ((entry->mode == PAGE_INVALID && holders == 0) ||
	                                              (entry->mode == PAGE_SHARED && holders >= 1))))
		return;
	snprintf(state->why, state->why_bytes, "object %" PRIu64 " page %" PRIu64 ": mode %u with %d holders, flags %#x",
	         state->obj, page, entry->mode, holders, entry->flags);
	state->good = false;
}

bool pages_consistent(struct home_object *object, uint64_t *store_pages, char *why, size_t why_bytes)
{
	struct consistency state = {.why = why, .why_bytes = why_bytes, .obj = object->obj, .good = true};

	page_table_each(&object->pages, 0, PAGE_END, check_one, &state);
	*store_pages += state.data + state.promised;
	if (state.good && (state.data != object->pages_data || state.lost != object->lost)) {
		snprintf(why, why_bytes, "object %" PRIu64 ": %" PRIu64 " pages and %" PRIu64 " lost, counted %" PRIu64
		         " and %" PRIu64, object->obj, state.data, state.lost, object->pages_data, object->lost);
		state.good = false;
	}
	return state.good;
}
