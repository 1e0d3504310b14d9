#include "private.h"

/* --- requests -------------------------------------------------------------------------------------------------------- */

static void end_closed(struct holder *holder, struct op *op)
{
	op->msg.obj = end_close(holder, op->msg.cookie)->obj;
	op->msg.mode = PAGE_INVALID;
	request_release(holder, op);
}

void holder_request(struct holder *holder, uint64_t token, const struct msg *msg)
{
	struct op *op = op_new(holder, token, msg);

	if (!op)
		return;
	op->msg.attr.mode &= 07777;
	switch ((enum msg_type)msg->type) {
	case REQ_LOOKUP:
		request_lookup(holder, op);
		break;
	case REQ_LIST:
		request_list(holder, op);
		break;
	case REQ_GETATTR:
		attrs_found(holder, op);
		break;
	case REQ_SETATTR:
		op->msg.mode = PAGE_INVALID;
		request_open(holder, op);
		break;
	case REQ_SYNC:
		request_sync(holder, op);
		break;
	case REQ_END_OPEN:
		op->msg.mode = PAGE_INVALID;
		op->msg.seg = SEG_NONE;
		/* fall through */
	case REQ_OPEN:
		request_open(holder, op);
		break;
	case REQ_END_CLOSE:
		end_closed(holder, op);
		break;
	case REQ_RELEASE:
		request_release(holder, op);
		break;
	case REQ_READ:
		request_read(holder, op);
		break;
	case REQ_WRITE:
		request_write(holder, op);
		break;
	case REQ_END_READ:
	case REQ_END_POST:
	case REQ_END_OWN:
	case REQ_END_POLL:
		end_request(holder, op);
		break;
	case REQ_MKDIR:
	case REQ_CREATE:
	case REQ_REMOVE:
	case REQ_RENAME:
	case REQ_STATUS:
	case REQ_CONTROL:
		travel_request(holder, op);
		break;
	default:
		CHECK(!"a request of a known type");
	}
}

static void replied(struct holder *holder, struct op *op, const struct msg *reply)
{
	op->to = 0;
	switch ((enum msg_type)op->msg.type) {
	case REQ_LOOKUP:
	case REQ_LIST:
		held_names_replied(holder, op, reply);
		break;
	case REQ_GETATTR:
	case REQ_SETATTR:
		attrs_replied(holder, op, reply);
		break;
	case REQ_SYNC:
		synced(holder, op, reply);
		break;
	case REQ_OPEN:
	case REQ_END_OPEN:
		if (op->stage == OPEN_ASKED)
			open_replied(object_find(holder, op->msg.obj), op, reply);
		else
			object_opened(holder, op, reply);
		break;
	case REQ_WRITE:
		write_grown(holder, op, reply);
		break;
	case MSG_UPGRADE:
		upgrade_replied(holder, op, reply);
		break;
	case REQ_END_POST:
	case REQ_END_OWN:
		end_replied(holder, op, reply);
		break;
	default:
		travel_replied(holder, op, reply);
		break;
	}
}

static void write_given_up(struct holder *holder, struct op *op)
{
	for (uint32_t i = 0; i < holder->ops_room; i++) {
		struct op *part = holder->ops[i];

		if (part && part->used && part->whole == op)
			write_killed(holder, part);
	}
	write_killed(holder, op);
}

/* Its program is being killed. What it waited for goes on without it where it can be of use. */
void holder_interrupt(struct holder *holder, uint64_t token)
{
	for (uint32_t i = 0; i < holder->ops_room; i++) {
		struct op *op = holder->ops[i];
		struct object *object;

		if (!op || !op->used || op->token != token)
			continue;
		op_answer(holder, op, -EINTR, NULL);
		object = object_find(holder, op->msg.obj);
		if (op->msg.type == REQ_WRITE)
			write_given_up(holder, op);
		else if (op->to || list_empty(&op->link))
			return;
		else if (op->msg.type == REQ_OPEN || op->msg.type == REQ_END_OPEN)
			open_interrupted(object, op);
		else if (op->msg.type == REQ_READ && op->msg.count > 1)
			ahead_end(&object->memory, op, 0);
		else
			op_finish(holder, op, 0, NULL);
		return;
	}
}

void holder_go_on(struct holder *holder)
{
	writes_go_on(holder);
}

/* --- messages -------------------------------------------------------------------------------------------------------- */

static struct segment *segment_of(struct object *object, uint32_t seg)
{
	return object && seg == SEG_MEMORY ? &object->memory : NULL;
}

static void size_message(struct holder *holder, uint32_t from, struct object *object, const struct msg *msg)
{
	struct segment *segment = segment_of(object, msg->seg);

	if (object && msg->flags & SIZE_REVOKED)
		object_revoked(object);
	if (!segment || !object_holds(object)) {
		size_confirm(holder, from, msg);
		return;
	}
	size_ordered(segment, msg, TAKE_SIZED);
	object_settle(object);
}

static void page_message(struct holder *holder, uint32_t from, struct object *object, const struct msg *msg)
{
	struct segment *segment = segment_of(object, msg->seg);
	bool holds = segment && object_holds(object);

	if (msg->type == MSG_GRANT && segment && object->state == OBJECT_OPEN)
		granted(segment, msg);
	else if (msg->type == MSG_RECALL && holds)
		recall(segment, msg);
	else if (msg->type == MSG_RECALL)
		recalled_at_once(holder, from, msg);
}

static void home_said(struct holder *holder, uint32_t from, const struct msg *msg)
{
	struct object *object = object_find(holder, msg->obj);

	if (from != object_home(msg->obj))
		return;
	switch (msg->type) {
	case MSG_GRANT:
	case MSG_RECALL:
		page_message(holder, from, object, msg);
		break;
	case MSG_SIZE:
		size_message(holder, from, object, msg);
		break;
	case MSG_ATTR_RECALL:
		attrs_recall(holder, from, msg);
		break;
	case MSG_REAP:
		if (object)
			object_reap(object);
		break;
	default:
		if (object)
			ends_deliver(object, msg);
		break;
	}
}

void holder_message(struct holder *holder, uint32_t from, const struct msg *msg)
{
	struct op *op;

	switch ((enum msg_type)msg->type) {
	case MSG_REPLY:
		op = op_find(holder, msg->req);
		if (op && op->to == from)
			replied(holder, op, msg);
		break;
	case MSG_NAME_RECALL:
	case MSG_NAME:
		if (from != DIRECTORY_NUMBER)
			break;
		if (msg->type == MSG_NAME)
			held_names_told(holder, msg);
		else
			held_names_recall(holder, from, msg);
		break;
	default:
		home_said(holder, from, msg);
		break;
	}
}

/* --- the cache ------------------------------------------------------------------------------------------------------- */

static void taken(void *context, struct cached *cached, enum take_goal goal, uint64_t cookie)
{
	struct segment *segment = list_entry(cached, struct segment, cached);

	(void)context;
	switch (goal) {
	case TAKE_RECALL:
		break;
	case TAKE_SIZED:
		if (!cache_taking(cached, TAKE_SIZED))
			size_dropped(segment, segment->cut_cookie);
		break;
	case TAKE_RESIZED:
		size_dropped(segment, cookie);
		break;
	case TAKE_UPGRADE:
		upgrade_goes_on(segment);
		break;
	case TAKE_STALE:
		writes_cut(segment);
		break;
	case TAKE_ALL:
		object_taken_all(segment->object);
		break;
	}
}

void holder_invalidated(struct holder *holder, uint64_t token)
{
	cache_invalidated(holder->cache, token);
}

void holder_peeked(struct holder *holder, uint64_t token, bool cached)
{
	early_answered(holder, token, cached);
}

void holder_shown(struct holder *holder, uint64_t token, uint64_t size_bytes)
{
	cache_shown(holder->cache, token, size_bytes);
}

/* --- nodes and time ---------------------------------------------------------------------------------------------------- */

void holder_node_joined(struct holder *holder, uint32_t number)
{
	objects_joined(holder, number);
}

static void ops_lost(struct holder *holder, uint32_t number)
{
	struct msg reply = {.type = MSG_REPLY, .error = -EIO, .low = NO_LOW};

	for (uint32_t i = 0; i < holder->ops_room; i++) {
		struct op *op = holder->ops[i];

		if (op && op->used && op->to == number)
			replied(holder, op, &reply);
	}
}

void holder_node_lost(struct holder *holder, uint32_t number)
{
	objects_lost(holder, number);
	if (number == DIRECTORY_NUMBER)
		held_names_forget_all(holder->names, -EIO);
	ops_lost(holder, number);
}

/* Whoever lives and does not answer is not waited for without a bound. */
static void ops_tick(struct holder *holder)
{
	for (uint32_t i = 0; i < holder->ops_room; i++) {
		const struct op *op = holder->ops[i];

		if (op && op->used && op->to && op->to != holder->bus->number &&
		    holder->bus->now_ns - op->since_ns >= OP_TIMEOUTS * holder->bus->timeout_ns)
			bus_hang_up(holder->bus, op->to, "it did not answer a request");
	}
}

/* There may be many objects and requests, and ticks come often. */
void holder_tick(struct holder *holder)
{
	struct bus *bus = holder->bus;

	dwells_tick(holder);
	stale_tick(holder);
	if (bus->now_ns - holder->looked_ns < bus->timeout_ns / LOOKS_PER_TIMEOUT)
		return;
	holder->looked_ns = bus->now_ns;
	objects_tick(holder);
	ops_tick(holder);
}

uint64_t holder_deadline_ns(const struct holder *holder)
{
	uint64_t dwells = dwells_deadline_ns(holder), stale = stale_deadline_ns(holder);

	return dwells < stale ? dwells : stale;
}

/* --- what others may know ---------------------------------------------------------------------------------------------- */

bool holder_open_size(const struct holder *holder, uint64_t obj, uint32_t seg, uint64_t *size_bytes)
{
	const struct object *object = object_find(holder, obj);

	if (!object || seg != SEG_MEMORY || !object_holds(object))
		return false;
	*size_bytes = object->memory.size_bytes;
	return true;
}

bool holder_told_size(const struct holder *holder, uint64_t obj, uint32_t seg, uint64_t *size_bytes)
{
	const struct object *object = object_find(holder, obj);

	if (!object || seg != SEG_MEMORY)
		return false;
	*size_bytes = object->memory.shown.kernel_bytes;
	return true;
}

enum page_mode holder_page_mode(const struct holder *holder, uint64_t obj, uint32_t seg, uint64_t page)
{
	struct object *object = object_find(holder, obj);
	const struct held *held = object && seg == SEG_MEMORY ? page_table_find(&object->memory.pages, page) : NULL;

	return held ? (enum page_mode)held->mode : PAGE_INVALID;
}

size_t holder_requests_open(const struct holder *holder)
{
	return holder->ops_local;
}

/* --- life ------------------------------------------------------------------------------------------------------------ */

struct holder *holder_new(struct bus *bus)
{
	struct holder *holder = calloc(1, sizeof(*holder));
	struct cache_events events = {
		.gone = range_gone, .taken = taken, .shown = size_seen, .locked = first_locked, .context = holder};

	if (!holder)
		return NULL;
	holder->bus = bus;
	list_init(&holder->unused);
	list_init(&holder->dwells);
	list_init(&holder->writes);
	list_init(&holder->stale);
	holder->cache = cache_new(bus, &events);
	holder->names = held_names_new(holder);
	if (!holder->cache || !holder->names) {
		holder_free(holder);
		return NULL;
	}
	return holder;
}

void holder_free(struct holder *holder)
{
	if (!holder)
		return;
	ends_free(holder);
	objects_free(holder);
	held_names_free(holder->names);
	cache_free(holder->cache);
	early_free(holder);
	ops_free(holder);
	free(holder);
}
