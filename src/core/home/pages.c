/*
 * pages.c: the page directory of a segment. For each page either any number of nodes hold it shared, or one holds it
 * exclusive. One transaction at a time per page, first come first served: whoever stands in the way of the first waiter
 * is recalled, and only when all of them have confirmed is the page granted. Transactions on different pages do not
 * touch each other.
 *
 * All that concerns a page travels on the one FIFO channel between its home and a node: a PUT that a recall brought out
 * arrives before the RECALLED, and a RECALL after the GRANT that it takes back. The home's copy is the current one but
 * for what the one exclusive holder has dirty.
 */
#include "private.h"

static node_set seat(const struct segment *segment, uint32_t number)
{
	return one(segment->object, number);
}

void unpromise(struct home *home, struct page *entry)
{
	if (!(entry->flags & PAGE_PROMISED))
		return;
	entry->flags &= (uint8_t)~PAGE_PROMISED;
	bus_give_pages(home->bus, 1);
}

void holder_remove(struct home *home, struct page *entry, node_set holder)
{
	entry->holders &= ~holder;
	if (entry->mode == PAGE_EXCLUSIVE)
		unpromise(home, entry);
	if (entry->holders)
		return;
	entry->mode = PAGE_INVALID;
	entry->granted = 0;
}

/* --- waiting --------------------------------------------------------------------------------------------------------- */

static struct asker *asker_of(struct home *home, uint32_t number)
{
	unsigned free_one = 0;

	for (unsigned i = 0; i < NODES_MAX; i++) {
		if (home->askers[i].number == number)
			return &home->askers[i];
		if (!home->askers[i].number)
			free_one = i;
	}
	home->askers[free_one].number = number;
	return &home->askers[free_one];
}

void askers_init(struct home *home)
{
	for (unsigned i = 0; i < NODES_MAX; i++)
		list_init(&home->askers[i].stalled);
}

void asker_full(struct home *home, uint32_t number, bool full)
{
	struct asker *asker = asker_of(home, number);

	asker->full = full;
	home->goes_on |= !full && !list_empty(&asker->stalled);
}

void asker_forget(struct home *home, uint32_t number)
{
	struct asker *asker = asker_of(home, number);

	asker->number = asker->count = 0;
	asker->full = false;
}

struct transaction *transaction_of(const struct segment *segment, uint64_t page, const struct page *entry)
{
	struct transaction *transaction = NULL;

	if (entry && entry->flags & PAGE_BUSY)
		HASH_FIND(hh, segment->transactions, &page, sizeof(page), transaction);
	return transaction;
}

static struct transaction *transaction_make(struct segment *segment, uint64_t page, struct page *entry)
{
	struct transaction *transaction = transaction_of(segment, page, entry);

	if (transaction)
		return transaction;
	transaction = calloc(1, sizeof(*transaction));
	if (!transaction)
		return NULL;
	list_init(&transaction->waiters);
	list_init(&transaction->recall_link);
	transaction->segment = segment;
	transaction->page = page;
	HASH_ADD(hh, segment->transactions, page, sizeof(transaction->page), transaction);
	entry->flags |= PAGE_BUSY;
	return transaction;
}

void waiter_remove(struct waiter *waiter)
{
	waiter->asker->count--;
	list_remove(&waiter->stall_link);
	list_remove(&waiter->link);
	free(waiter);
}

void transaction_free(struct transaction *transaction, struct page *entry)
{
	struct segment *segment = transaction->segment;
	struct list *link, *after;

	list_for_each_safe(link, after, &transaction->waiters)
		waiter_remove(list_entry(link, struct waiter, link));
	list_remove(&transaction->recall_link);
	HASH_DEL(segment->transactions, transaction);
	free(transaction);
	entry->flags &= (uint8_t)~PAGE_BUSY;
}

/* --- granting -------------------------------------------------------------------------------------------------------- */

void grant_error(const struct segment *segment, uint64_t page, const struct waiter *waiter, int error)
{
	struct msg msg = {.type = MSG_GRANT,
	                  .obj = segment->object->obj,
	                  .seg = segment->number,
	                  .page = page,
	                  .count = 1,
	                  .req = waiter->req,
	                  .error = error};

	bus_send(bus_of(segment), waiter->from, &msg);
}

/* Why the page cannot be had at all, 0 if it can. */
static int refusal(const struct segment *segment, uint64_t page, const struct page *entry, const struct waiter *waiter)
{
	if (object_dead(segment->object))
		return -EIO;
	if (page >= pages_of(segment->size_bytes) && !waiter->past_end)
		return -ERANGE;
	if (entry->flags & PAGE_LOST)
		return -EIO;
	return 0;
}

static node_set in_the_way(const struct segment *segment, const struct page *entry, const struct waiter *waiter)
{
	node_set others = entry->holders & ~seat(segment, waiter->from);

	if (bus_broken(bus_of(segment), BREAK_NO_COHERENCE))
		return 0;
	return waiter->mode == PAGE_EXCLUSIVE || entry->mode == PAGE_EXCLUSIVE ? others : 0;
}

/* What only stays a little longer gives way. */
static bool take_page(const struct segment *segment)
{
	struct home *home = segment->object->home;

	return bus_take_page(home->bus) || (home_end_replaced(home, UINT64_MAX) && bus_take_page(home->bus));
}

/* In units that make it last for days. */
static uint32_t short_time(uint64_t ns)
{
	return (uint32_t)(ns >> 16);
}

/* Enters the waiter as holder. Before a page is granted exclusive its memory is promised, so that a PUT finds room. */
static int hold(const struct segment *segment, struct page *entry, const struct waiter *waiter)
{
	if (waiter->mode == PAGE_EXCLUSIVE) {
		if (!(entry->flags & (PAGE_DATA | PAGE_PROMISED))) {
			if (!take_page(segment))
				return -ENOSPC;
			entry->flags |= PAGE_PROMISED;
		}
		entry->holders = seat(segment, waiter->from);
	} else {
		entry->holders |= seat(segment, waiter->from);
		unpromise(segment->object->home, entry);
	}
	entry->mode = (uint8_t)waiter->mode;
	entry->granted = waiter->bulk ? 0 : short_time(bus_of(segment)->now_ns);
	return 0;
}

static int grant(struct segment *segment, uint64_t page, struct page *entry, const struct waiter *waiter)
{
	struct msg msg = {.type = MSG_GRANT,
	                  .obj = segment->object->obj,
	                  .seg = segment->number,
	                  .page = page,
	                  .count = 1,
	                  .req = waiter->req,
	                  .mode = (uint8_t)waiter->mode};
	int error = hold(segment, entry, waiter);

	if (error)
		return error;
	if (entry->flags & PAGE_DATA && waiter->blind) {
		msg.flags = GET_BLIND;
	} else if (entry->flags & PAGE_DATA) {
		msg.payload.kind = PAYLOAD_STORE;
		msg.payload.length_bytes = PAGE_BYTES;
		segment->object->bytes += PAGE_BYTES;
	} else {
		msg.flags = GRANT_ZERO;
	}
	bus_send(bus_of(segment), waiter->from, &msg);
	return 0;
}

static void recall(struct segment *segment, uint64_t page, struct transaction *transaction, node_set holders,
                   const struct waiter *waiter)
{
	struct bus *bus = bus_of(segment);
	/* A waiter that reads leaves the others their shared copies; the page cache then gives up all the same. */
	struct msg msg = {.type = MSG_RECALL,
	                  .obj = segment->object->obj,
	                  .seg = segment->number,
	                  .page = page,
	                  .count = 1,
	                  .flags = waiter->bulk ? REQUEST_ALL : 0,
	                  .mode = waiter->mode == PAGE_SHARED ? PAGE_SHARED : PAGE_INVALID};

	transaction->recalled = holders;
	transaction->since_ns = bus->now_ns;
	list_push_back(&segment->object->home->page_recalls, &transaction->recall_link);
	segment->object->handoffs++;
	bus->handoffs++;
	bus_send_all(bus, holders, &msg);
}

/* The first that is not stalled; NULL if there is none. */
static struct waiter *next_waiter(const struct transaction *transaction)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &transaction->waiters)
	{
		struct waiter *waiter = list_entry(link, struct waiter, link);

		if (!waiter->asker->full)
			return waiter;
		if (list_empty(&waiter->stall_link))
			list_push_back(&waiter->asker->stalled, &waiter->stall_link);
	}
	return NULL;
}

/* The one mover: serves waiters in turn until one has to wait, and ends the transaction when none is left. */
void pages_advance(struct segment *segment, uint64_t page, struct page *entry)
{
	struct transaction *transaction = transaction_of(segment, page, entry);
	struct home *home = segment->object->home;
	struct waiter *waiter;

	if (!transaction)
		return;
	while (!transaction->recalled && !sizes_block(segment, page) && (waiter = next_waiter(transaction))) {
		int error = refusal(segment, page, entry, waiter);
		node_set holders = in_the_way(segment, entry, waiter);

		if (!error && holders) {
			recall(segment, page, transaction, holders, waiter);
			if (!bus_broken(home->bus, BREAK_EARLY_GRANT))
				return;
		}
		if (!error)
			error = grant(segment, page, entry, waiter);
		if (error)
			grant_error(segment, page, waiter, error);
		waiter_remove(waiter);
	}
	if (!transaction->recalled && list_empty(&transaction->waiters))
		transaction_free(transaction, entry);
}

/* So many that a step does not queue more for a node than EV_FULL is about. */
#define GO_ON_PAGES MSG_PAGES_MAX

static void asker_goes_on(struct asker *asker)
{
	for (unsigned i = 0; i < GO_ON_PAGES && !list_empty(&asker->stalled); i++) {
		const struct waiter *waiter = list_entry(asker->stalled.next, struct waiter, stall_link);
		struct transaction *transaction = waiter->transaction;
		struct segment *segment = transaction->segment;

		list_remove(asker->stalled.next);
		pages_advance(segment, transaction->page, page_table_find(&segment->pages, transaction->page));
	}
}

void pages_go_on(struct home *home)
{
	home->goes_on = false;
	for (unsigned i = 0; i < NODES_MAX; i++) {
		struct asker *asker = &home->askers[i];

		if (asker->full || list_empty(&asker->stalled))
			continue;
		asker_goes_on(asker);
		home->goes_on |= !list_empty(&asker->stalled);
	}
}

/* --- messages -------------------------------------------------------------------------------------------------------- */

/* The page's entry; makes room by forgetting pages that nobody holds. */
static struct page *entry_make(struct segment *segment, uint64_t page)
{
	struct page *entry = page_table_make(&segment->pages, page);

	if (entry)
		return entry;
	page_table_trim(&segment->pages);
	return page_table_make(&segment->pages, page);
}

static int wait_for_page(struct segment *segment, const struct waiter *request, uint64_t page)
{
	struct transaction *transaction;
	struct page *entry;
	struct waiter *waiter;

	if (object_dead(segment->object))
		return -EIO;
	if (page >= pages_of(segment->size_bytes) && !request->past_end)
		return -ERANGE;
	if (request->asker->count >= WAITERS_PER_NODE_MAX)
		return -EBUSY;
	entry = entry_make(segment, page);
	waiter = entry ? calloc(1, sizeof(*waiter)) : NULL;
	transaction = waiter ? transaction_make(segment, page, entry) : NULL;
	if (!transaction) {
		free(waiter);
		return -ENOSPC;
	}
	*waiter = *request;
	waiter->transaction = transaction;
	list_init(&waiter->stall_link);
	waiter->asker->count++;
	list_push_back(&transaction->waiters, &waiter->link);
	pages_advance(segment, page, entry);
	return 0;
}

/*
 * Who reads ahead must not take away what another node is using, and a store to a page that is held says nothing. But a page that is
 * wanted from a node that got it a moment ago goes to and fro: for a while then, longer each time, nobody who reads ahead in this
 * segment takes anything from others, and each page goes where it is needed.
 */
static void contend(struct segment *segment)
{
	uint64_t now_ns = bus_of(segment)->now_ns;

	if (now_ns < segment->contended_until_ns)
		return;
	if (now_ns - segment->contended_until_ns > 2 * segment->contended_ns)
		segment->contended_ns = CONTENDED_LEAST * bus_of(segment)->quiet_ns;
	else if (segment->contended_ns < CONTENDED_MOST * bus_of(segment)->quiet_ns)
		segment->contended_ns *= 2;
	segment->contended_until_ns = now_ns + segment->contended_ns;
}

/* Of the free memory, what may be promised to a write that may not come. */
#define LEAD_SHARE 8

/* Whether who reads ahead may have the page. */
static bool free_ahead(struct segment *segment, uint64_t page, const struct waiter *request)
{
	const struct page *entry = page_table_find(&segment->pages, page);
	const struct bus *bus = bus_of(segment);
	bool busy = entry && entry->flags & PAGE_BUSY;
	bool quiet = entry && !busy &&
	             short_time(bus->now_ns) - entry->granted >= short_time(bus->quiet_ns);

	if (!entry || (!busy && !in_the_way(segment, entry, request)))
		return true;
	if (!quiet)
		contend(segment);
	return quiet && bus->now_ns >= segment->contended_until_ns;
}

static bool run_free_ahead(struct segment *segment, const struct msg *msg, const struct waiter *request)
{
	for (uint32_t i = 0; i < msg->count; i++)
		if (!free_ahead(segment, msg->page + i, request))
			return false;
	return true;
}

void pages_get(struct segment *segment, uint32_t from, const struct msg *msg)
{
	struct waiter request = {.asker = asker_of(segment->object->home, from),
	                         .from = from,
	                         .req = msg->req,
	                         .mode = msg->mode == PAGE_EXCLUSIVE ? PAGE_EXCLUSIVE : PAGE_SHARED,
	                         .past_end = msg->mode == PAGE_EXCLUSIVE && msg->flags & GET_PAST_END,
	                         .blind = msg->mode == PAGE_EXCLUSIVE && msg->flags & GET_BLIND};
	bool ahead = msg->flags & GET_AHEAD;
	bool leads = ahead && request.blind; /* for writes that may come */
	int refused = 0;

	request.bulk = msg->count > 1 && !ahead;
	segment->object->faults++;
	bus_of(segment)->faults++;
	if (request.past_end && bus_broken(bus_of(segment), BREAK_SIZE_EARLY))
		sizes_early(segment, msg->size);
	if (request.mode == PAGE_EXCLUSIVE && !(segment->object->writers & seat(segment, from)))
		refused = -EPERM;
	else if (leads && !bus_has_room(bus_of(segment), LEAD_SHARE * msg->count))
		refused = -EAGAIN;
	else if (!leads && !request.bulk && !run_free_ahead(segment, msg, &request) && ahead)
		refused = -EAGAIN;
	for (uint32_t i = 0; i < msg->count; i++) {
		int error = refused;

		if (!error && leads && !free_ahead(segment, msg->page + i, &request))
			error = -EAGAIN;
		if (!error)
			error = wait_for_page(segment, &request, msg->page + i);
		if (error)
			grant_error(segment, msg->page + i, &request, error);
		request.req++;
	}
}

/* Whether the node holds the page exclusive from now on. What others hold, want or may want is not touched. */
static bool upgrade_one(struct segment *segment, const struct waiter *request, uint64_t page)
{
	struct page *entry = page_table_find(&segment->pages, page);

	return entry && entry->holders == seat(segment, request->from) && !(entry->flags & (PAGE_BUSY | PAGE_LOST)) &&
	       !sizes_block(segment, page) && !hold(segment, entry, request);
}

void pages_upgrade(struct segment *segment, uint32_t from, const struct msg *msg)
{
	struct waiter request = {.from = from, .mode = PAGE_EXCLUSIVE, .bulk = true};
	struct bus *bus = bus_of(segment);
	unsigned char *bits = bus_scratch(bus, (msg->count + 7) / 8);
	struct msg reply = {.payload = payload_bytes(bits, (msg->count + 7) / 8)};
	int error = object_dead(segment->object) ? -EIO : segment->object->writers & seat(segment, from) ? 0 : -EPERM;

	for (uint32_t i = 0; !error && i < msg->count; i++)
		if (upgrade_one(segment, &request, msg->page + i))
			bits[i / 8] |= (unsigned char)(1 << i % 8);
	bus_answer(bus, from, msg->req, error, &reply);
}

static void recalled_one(struct segment *segment, uint32_t from, uint64_t page, enum page_mode mode)
{
	struct page *entry = page_table_find(&segment->pages, page);
	struct transaction *transaction = transaction_of(segment, page, entry);
	node_set holder = seat(segment, from);

	if (!transaction || !(transaction->recalled & holder))
		return;
	if (!bus_broken(bus_of(segment), BREAK_EARLY_GRANT)) {
		if (mode == PAGE_INVALID) {
			holder_remove(segment->object->home, entry, holder);
		} else if (mode == PAGE_SHARED && entry->mode == PAGE_EXCLUSIVE) {
			entry->mode = PAGE_SHARED;
			unpromise(segment->object->home, entry);
		}
	}
	transaction->recalled &= ~holder;
	if (!transaction->recalled)
		list_remove(&transaction->recall_link);
	pages_advance(segment, page, entry);
}

void pages_recalled(struct segment *segment, uint32_t from, const struct msg *msg)
{
	for (uint32_t i = 0; i < msg->count; i++)
		recalled_one(segment, from, msg->page + i, (enum page_mode)msg->mode);
}

static void violation(const struct segment *segment, uint32_t from, uint64_t page)
{
	struct bus *bus = bus_of(segment);

	bus->violations++;
	bus_log(bus, LOG_LEVEL_ERROR,
	        "node %s wrote page %" PRIu64 " of object %" PRIu64 " without holding it exclusive; not taken",
	        bus_name(bus, from), page, segment->object->obj);
}

/* Bytes of one page. */
static bool put_one(struct segment *segment, const struct msg *msg)
{
	struct page *entry = page_table_find(&segment->pages, msg->page);
	bool over = msg->flags & PUT_OVER;
	uint64_t start = msg->page * PAGE_BYTES + (over ? 0 : msg->offset);
	uint64_t end = msg->flags & PUT_GROWS && msg->size > segment->size_bytes ? msg->size : segment->size_bytes;
	uint32_t length = msg->payload.length_bytes;
	struct action *action;

	if (start >= end)
		return false; /* cut off meanwhile */
	if (!over && length > end - start)
		length = (uint32_t)(end - start);
	if (!entry) { /* with a broken core only */
		entry = page_table_make(&segment->pages, msg->page);
		if (!entry)
			return false;
	}
	if (!(entry->flags & PAGE_DATA)) {
		if (!(entry->flags & PAGE_PROMISED) && !take_page(segment))
			return false;
		entry->flags = (uint8_t)((entry->flags & ~PAGE_PROMISED) | PAGE_DATA);
		segment->pages_data++;
	}
	segment->object->bytes += length;
	segment->object->attr.mtime_ns = msg->attr.mtime_ns;
	if (msg->attr.mtime_ns > segment->object->attr.ctime_ns)
		segment->object->attr.ctime_ns = msg->attr.mtime_ns;
	action = bus_act(bus_of(segment), ACT_STORE_WRITE);
	action->msg.obj = segment->object->obj;
	action->msg.seg = segment->number;
	action->msg.page = msg->page;
	action->msg.offset = msg->offset;
	action->msg.payload = payload_bytes(msg->payload.bytes, length);
	if (over) {
		action->msg.flags = PUT_OVER;
		action->msg.size = msg->size;
		action->msg.low = end - start;
	}
	return true;
}

static bool may_put(struct segment *segment, uint32_t from, const struct msg *msg)
{
	uint64_t end = msg->page * PAGE_BYTES + msg->offset + (msg->flags & PUT_OVER ? msg->size : msg->payload.length_bytes);
	uint64_t last = (end - 1) / PAGE_BYTES;

	for (uint64_t page = msg->page; page <= last; page++) {
		const struct page *entry = page_table_find(&segment->pages, page);

		if (entry && entry->mode == PAGE_EXCLUSIVE && entry->holders & seat(segment, from))
			continue;
		if (page * PAGE_BYTES >= segment->size_bytes && !(msg->flags & PUT_GROWS))
			continue; /* cut off meanwhile */
		violation(segment, from, page);
		return bus_broken(bus_of(segment), BREAK_NO_COHERENCE | BREAK_EARLY_GRANT | BREAK_NO_OPEN_FLUSH);
	}
	return true;
}

bool pages_put(struct segment *segment, uint32_t from, const struct msg *msg)
{
	struct msg one = *msg;
	uint32_t put = 0;
	bool taken = true;

	if (object_dead(segment->object) || !may_put(segment, from, msg))
		return false;
	if (msg->flags & PUT_OVER)
		return put_one(segment, msg);
	while (put < msg->payload.length_bytes) {
		uint32_t length = PAGE_BYTES - one.offset;

		if (length > msg->payload.length_bytes - put)
			length = msg->payload.length_bytes - put;
		one.payload = payload_bytes((const char *)msg->payload.bytes + put, length);
		taken &= put_one(segment, &one);
		put += length;
		one.page++;
		one.offset = 0;
	}
	return taken;
}

/* A node that does not answer a recall, though it lives, must not hold up the others for ever. */
void pages_tick(struct home *home)
{
	while (!list_empty(&home->page_recalls)) {
		struct transaction *oldest = list_entry(home->page_recalls.next, struct transaction, recall_link);

		if (home->bus->now_ns - oldest->since_ns < RECALL_TIMEOUTS * home->bus->timeout_ns)
			return;
		hang_up_all(home->bus, oldest->recalled,
		            bus_text(home->bus, "it did not give back page %" PRIu64 " of object %" PRIu64, oldest->page,
		                     oldest->segment->object->obj));
		list_remove(&oldest->recall_link);
	}
}
