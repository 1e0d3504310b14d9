/*
 * attrs.c: an object's attributes. Nodes keep them, so that they can answer stat() without a message, until they are recalled.
 *
 * Many may keep them while nobody may change them. A node that has the object open for writing changes its times whenever
 * it likes: it may keep the attributes, if it is the only writer, and nobody else. It stays a writer when it has closed the
 * object, until somebody asks.
 *
 * Requests about attributes take turns. A look first asks all other writers: their answer comes behind what they have put,
 * and says whether programs there still write; the looks behind it share the answers. A change, and the first writable open
 * of a node, first recalls what others keep; a change of the time also asks the writers:
 *
 *   QUEUED --its turn--> RECALLING --all have confirmed--> carried out, answered
 */
#include "private.h"

/* A turn of the home's own; as a message this never comes here. */
#define TURN_TOUCH MSG_GONE

struct turn {
	struct list link;
	uint32_t from;
	bool begun;
	struct msg msg; /* its payload is `bytes` */
	unsigned char bytes[];
};

void attrs_init(struct object *object)
{
	list_init(&object->turns.queue);
	list_init(&object->turns.recall_link);
}

void attrs_changed(struct object *object)
{
	uint64_t now_ns = bus_wall_ns(object->home->bus);

	object->attr.ctime_ns = now_ns > object->attr.ctime_ns ? now_ns : object->attr.ctime_ns + 1;
}

/* Not while a turn recalls: whoever is answered meanwhile, because its change of the size is done, is not among those asked. */
static bool may_keep(const struct object *object, uint32_t number)
{
	return !(object->writers & ~one(object, number)) && !object_dead(object) && !object->turns.recalled &&
	       !whole_of(object)->turns.recalled;
}

void attrs_fill(struct object *object, uint32_t number, struct msg *fields)
{
	fields->obj = object->obj;
	fields->dir = object->parent ? object->parent->obj : 0;
	fields->attr = object->attr;
	fields->attr.mode = owner_mode(object, number);
	fields->attr.size_bytes = object->memory.size_bytes;
	fields->attr.used_bytes = object->memory.pages_data * PAGE_BYTES;
	if (!may_keep(object, number))
		return;
	object->sharers |= one(object, number);
	fields->flags |= ATTR_KEEP;
}

void attrs_answer(struct object *object, uint32_t from, uint32_t req)
{
	struct msg fields = {0};

	attrs_fill(object, from, &fields);
	bus_answer(object->home->bus, from, req, 0, &fields);
}

static void set(struct object *object, uint32_t from, const struct msg *msg)
{
	if (!owner_permits(object, from) || object_dead(object)) {
		bus_answer(object->home->bus, from, msg->req, object_dead(object) ? -EIO : -EPERM, NULL);
		return;
	}
	if (msg->flags & SETATTR_MODE)
		object->attr.mode = msg->attr.mode & 07777;
	if (msg->flags & SETATTR_UID)
		object->attr.uid = msg->attr.uid;
	if (msg->flags & SETATTR_GID)
		object->attr.gid = msg->attr.gid;
	attrs_changed(object);
	if (msg->flags & SETATTR_SIZE)
		object->attr.mtime_ns = object->attr.ctime_ns;
	if (msg->flags & SETATTR_MTIME)
		object->attr.mtime_ns = msg->attr.mtime_ns;
	if (msg->flags & SETATTR_ATIME)
		object->attr.atime_ns = msg->attr.atime_ns;
	if (msg->flags & SETATTR_SIZE) {
		object->fresh = false;
		sizes_set(&object->memory, from, msg);
	} else {
		attrs_answer(object, from, msg->req);
	}
}

/* Who makes `memory` takes over the one that came with the object, once. */
static void claim(struct object *object, uint32_t from, const struct msg *msg)
{
	int error = object_dead(object) ? -EIO : !owner_permits(object, from) ? -EPERM : object->fresh ? 0 : -EEXIST;

	if (error) {
		bus_answer(object->home->bus, from, msg->req, error, NULL);
		return;
	}
	object->fresh = false;
	object->attr.mode = msg->attr.mode & 07777;
	object->attr.uid = msg->attr.uid;
	object->attr.gid = msg->attr.gid;
	attrs_changed(object);
	object->attr.atime_ns = object->attr.mtime_ns = object->attr.ctime_ns;
	attrs_answer(object, from, msg->req);
}

/* Carries it out. May end the object, so it comes last in its turn. */
static void carry_out(struct object *object, const struct turn *turn)
{
	struct bus *bus = object->home->bus;
	const struct msg *msg = &turn->msg;

	switch (msg->type) {
	case MSG_GETATTR:
		if (object_dead(object)) /* also what the kernel asks before a read() at the end */
			bus_answer(bus, turn->from, msg->req, -EIO, NULL);
		else if (!sizes_hold(&object->memory, turn->from, msg->req))
			attrs_answer(object, turn->from, msg->req);
		break;
	case MSG_SETATTR:
		set(object, turn->from, msg);
		break;
	case MSG_CLAIM:
		claim(object, turn->from, msg);
		break;
	case MSG_OPEN:
		home_opened(object, turn->from, msg);
		break;
	case MSG_OWN:
		bus_answer(bus, turn->from, msg->req, owner_take(object, turn->from, msg), NULL);
		break;
	case MSG_DISOWN:
		if (object->owner == turn->from && object->owner_end == msg->cookie)
			owner_gone(object);
		break;
	case MSG_LINK:
		home_linked(object, msg);
		break;
	case TURN_TOUCH:
		attrs_changed(object);
		object->attr.mtime_ns = object->attr.ctime_ns;
		break;
	case MSG_STATUS:
		home_status(object, turn->from, msg->req);
		break;
	default:
		home_control(object, turn->from, msg);
		break;
	}
}

/* --- turns ---------------------------------------------------------------------------------------------------------- */

static bool looks(const struct turn *turn)
{
	return turn->msg.type == MSG_GETATTR || turn->msg.type == MSG_STATUS;
}

/* What the attributes of an object's files depend on: its owner and access list. */
static bool is_wide(const struct turn *turn)
{
	return turn->msg.type == MSG_OWN || turn->msg.type == MSG_DISOWN || turn->msg.type == MSG_CONTROL;
}

/* The looks behind the first turn, which is one, share its recalls; whether there are any. */
static bool looks_join(struct object *object)
{
	bool joined = false;
	struct list *link, *after;

	list_for_each_safe(link, after, &object->turns.queue)
	{
		struct turn *turn = list_entry(link, struct turn, link);

		if (turn->msg.type != MSG_GETATTR)
			break;
		joined |= !turn->begun;
		turn->begun = true;
	}
	return joined;
}

/* Sends the recalls that the request needs; the nodes that have to confirm. */
static node_set recall(struct object *object, const struct turn *turn)
{
	struct bus *bus = object->home->bus;
	struct msg msg = {.type = MSG_ATTR_RECALL, .obj = object->obj, .mode = PAGE_INVALID};
	node_set others = ~one(object, turn->from);
	node_set set = object->sharers;

	if (is_wide(turn)) {
		msg.flags = REQUEST_ALL;
		set = home_sharers(object);
	} else if (looks(turn)) {
		msg.mode = PAGE_SHARED;
		set = object->writers;
		if (turn->msg.type == MSG_STATUS) {
			msg.flags = REQUEST_ALL;
			set = home_users(object);
		} else if (!looks_join(object)) {
			set &= others;
		}
	} else if (turn->msg.type == MSG_SETATTR && turn->msg.flags & SETATTR_MTIME) {
		set |= object->writers & others; /* what they have put before does not change the time afterwards */
	} else if (turn->msg.type == MSG_OPEN) {
		set = turn->msg.mode == PAGE_EXCLUSIVE ? object->sharers & others : 0;
	}
	bus_send_all(bus, set, &msg);
	return bus_broken(bus, BREAK_ATTR_KEPT) ? 0 : set;
}

static struct turn *first_turn(const struct object *object)
{
	const struct list *queue = &object->turns.queue;

	return list_empty(queue) ? NULL : list_entry(queue->next, struct turn, link);
}

/* As many requests as need not wait. May end the object. */
static void advance(struct object *object)
{
	struct turns *turns = &object->turns;
	struct bus *bus = object->home->bus;
	struct turn *turn;

	if (turns->busy)
		return;
	turns->busy = true;
	while (!turns->recalled && (turn = first_turn(object))) {
		if (!turn->begun) {
			turn->begun = true;
			turns->opened = 0;
			turns->recalled = recall(object, turn);
			turns->since_ns = bus->now_ns;
			if (turns->recalled) {
				list_push_back(&object->home->turn_recalls, &turns->recall_link);
				break;
			}
		}
		list_remove(&turn->link);
		carry_out(object, turn);
		bus_free_later(bus, &turn->link);
	}
	turns->busy = false;
	home_settle(object);
}

void attrs_request(struct object *object, uint32_t from, const struct msg *msg)
{
	struct turn *turn = calloc(1, sizeof(*turn) + msg->payload.length_bytes);

	if (!turn) {
		if (msg->req)
			bus_answer(object->home->bus, from, msg->req, -ENOMEM, NULL);
		return;
	}
	turn->from = from;
	turn->msg = *msg;
	if (msg->payload.length_bytes) {
		memcpy(turn->bytes, msg->payload.bytes, msg->payload.length_bytes);
		turn->msg.payload = payload_bytes(turn->bytes, msg->payload.length_bytes);
	}
	list_push_back(&object->turns.queue, &turn->link);
	advance(object);
}

void attrs_touch(struct object *object)
{
	attrs_request(object, 0, &(struct msg){.type = TURN_TOUCH});
}

static void confirmed(struct object *object, node_set nodes)
{
	struct turns *turns = &object->turns;

	turns->recalled &= ~nodes;
	if (!turns->recalled)
		list_remove(&turns->recall_link);
	advance(object);
}

void attrs_recalled(struct object *object, uint32_t from, const struct msg *msg)
{
	const struct turn *turn = first_turn(object);
	node_set node = one(object, from);
	struct list *link, *after;

	if (!turn || !(object->turns.recalled & node))
		return;
	if (!looks(turn))
		object->sharers &= ~node;
	if (is_wide(turn))
		list_for_each_safe(link, after, &object->files)
			list_entry(link, struct object, file_link)->sharers &= ~node;
	if (msg->mode != PAGE_EXCLUSIVE)
		object->writers &= ~node;
	if (msg->mode != PAGE_INVALID)
		object->turns.opened |= node;
	confirmed(object, node);
}

void attrs_forget_node(struct object *object, uint32_t number)
{
	node_set node = one(object, number);
	struct list *link, *after;

	object->sharers &= ~node;
	object->writers &= ~node;
	list_for_each_safe(link, after, &object->turns.queue)
	{
		struct turn *turn = list_entry(link, struct turn, link);

		/* What the directory said is so; what has begun ends for nobody. */
		if (turn->from != number || turn->msg.type == MSG_LINK || turn->msg.type == TURN_TOUCH)
			continue;
		turn->from = 0;
		if (turn->begun)
			continue;
		list_remove(link);
		bus_free_later(object->home->bus, link);
	}
	confirmed(object, node);
}

void attrs_void(struct object *object)
{
	struct msg msg = {.type = MSG_ATTR_RECALL, .obj = object->obj, .mode = PAGE_INVALID};

	bus_send_all(object->home->bus, object->sharers, &msg);
	object->sharers = 0;
}

void attrs_free(struct object *object)
{
	struct list *link, *after;

	attrs_void(object);

	list_remove(&object->turns.recall_link);
	list_for_each_safe(link, after, &object->turns.queue)
	{
		struct turn *turn = list_entry(link, struct turn, link);

		if (turn->msg.req)
			bus_answer(object->home->bus, turn->from, turn->msg.req, -ESTALE, NULL);
		list_remove(link);
		bus_free_later(object->home->bus, link);
	}
}

void attrs_tick(struct home *home)
{
	while (!list_empty(&home->turn_recalls)) {
		struct turns *turns = list_entry(home->turn_recalls.next, struct turns, recall_link);
		const struct object *object = list_entry(turns, struct object, turns);

		if (home->bus->now_ns - turns->since_ns < RECALL_TIMEOUTS * home->bus->timeout_ns)
			return;
		hang_up_all(home->bus, turns->recalled,
		            bus_text(home->bus, "it did not give back the attributes of object %" PRIu64, object->obj));
		list_remove(&turns->recall_link);
	}
}
