#include "private.h"

#include <stdio.h>

static struct object *object_find(const struct home *home, uint64_t obj)
{
	struct object *object;

	HASH_FIND(hh, home->objects, &obj, sizeof(obj), object);
	return object;
}

/* --- life ------------------------------------------------------------------------------------------------------------ */

static int object_new(struct home *home, const struct object_attr *attr, uint64_t *obj)
{
	struct object *object;

	if (HASH_COUNT(home->objects) >= HOME_OBJECTS_MAX || !bus_take_books(home->bus, sizeof(*object)))
		return -ENOSPC;
	object = calloc(1, sizeof(*object));
	if (!object) {
		bus_give_books(home->bus, sizeof(*object));
		return -ENOMEM;
	}
	object->home = home;
	object->obj = (uint64_t)home->bus->number << OBJECT_COUNT_BITS | home->next_object++;
	object->attr = *attr;
	object->attr.mode &= 07777;
	attrs_changed(object);
	object->attr.mtime_ns = object->attr.ctime_ns;
	object->memory.object = object;
	object->memory.number = SEG_MEMORY;
	page_table_init(&object->memory.pages, home->bus, sizeof(struct page));
	attrs_init(object);
	HASH_ADD(hh, home->objects, obj, sizeof(object->obj), object);
	*obj = object->obj;
	return 0;
}

static void object_free(struct object *object)
{
	struct home *home = object->home;

	attrs_free(object);
	pages_free(&object->memory);
	sizes_free(&object->memory);
	HASH_DEL(home->objects, object);
	free(object->access);
	free(object);
	bus_give_books(home->bus, sizeof(*object));
}

void home_reap(const struct object *object)
{
	struct msg msg = {.type = MSG_REAP, .obj = object->obj};

	bus_send_all(object->home->bus, object->users, &msg);
}

static void home_enter(struct object *object, enum object_state state)
{
	static const bool allowed[OBJECT_REVOKED + 1][OBJECT_REVOKED + 1] = {
		[OBJECT_NEW] = {false, true, true, true, true},
		[OBJECT_NAMED] = {false, true, true, true, true},
		[OBJECT_UNNAMED] = {false, true, true, true, true},
		[OBJECT_REMOVED] = {false, true, true, true, true}, /* a name may come behind the removal of another */
		[OBJECT_REVOKED] = {false, false, false, false, true},
	};

	CHECK(allowed[object->state][state]);
	if (object->state == OBJECT_NAMED && state != OBJECT_NAMED)
		home_reap(object);
	object->state = state;
}

static void forget_name(const struct object *object)
{
	struct msg gone = {.type = MSG_GONE, .obj = object->obj};

	bus_send(object->home->bus, DIRECTORY_NUMBER, &gone);
}

void home_revoke(struct object *object, uint32_t from, uint32_t req)
{
	forget_name(object);
	attrs_void(object);
	home_enter(object, OBJECT_REVOKED);
	sizes_revoke(&object->memory, from, req);
}

void home_settle(struct object *object)
{
	if (object->users || object->turns.busy)
		return;
	if (object->state == OBJECT_UNNAMED && object->used_once) {
		forget_name(object);
		home_enter(object, OBJECT_REMOVED);
	}
	if (object->state != OBJECT_REMOVED && object->state != OBJECT_REVOKED)
		return;
	bus_act(object->home->bus, ACT_STORE_DROP)->msg.obj = object->obj;
	object_free(object);
}

/* What the directory said before it heard of a revoke is too late. */
void home_linked(struct object *object, const struct msg *msg)
{
	if (object_dead(object))
		return;
	home_enter(object, msg->flags & LINK_NAMED     ? OBJECT_NAMED
	                     : msg->flags & LINK_UNNAMED ? OBJECT_UNNAMED
	                                                 : OBJECT_REMOVED);
	attrs_changed(object);
}

/* A node that has it open already may ask again, for another mode; refused, it still has it open. */
void home_opened(struct object *object, uint32_t from, const struct msg *msg)
{
	int error = object_dead(object) ? -EIO : owner_open_error(object, from, (enum page_mode)msg->mode);
	struct msg fields = {0};

	if (error) {
		bus_answer(object->home->bus, from, msg->req, error, NULL);
		return;
	}
	object->users |= one(object, from);
	object->used_once |= !(msg->flags & REQUEST_KEEP);
	if (msg->mode == PAGE_EXCLUSIVE)
		object->writers |= one(object, from);
	attrs_fill(object, from, &fields);
	if (object->state == OBJECT_NAMED && !object->owner)
		fields.flags |= OPEN_LINGERS;
	bus_answer(object->home->bus, from, msg->req, 0, &fields);
}

/* The node is gone, or has nothing of the object open any more. May end the object. */
static void forget_node(struct object *object, uint32_t number, bool died)
{
	object->users &= ~one(object, number);
	pages_forget_node(&object->memory, number, died);
	sizes_forget_node(&object->memory, number);
	if (object->owner == number)
		owner_gone(object);
	if (died)
		attrs_forget_node(object, number);
	else
		object->writers &= ~one(object, number);
}

/* --- texts ----------------------------------------------------------------------------------------------------------- */

static const char *holders_text(const struct object *object)
{
	struct bus *bus = object->home->bus;
	const char *text = "";
	uint32_t number;

	for (unsigned at = 0; (number = nodes_next(&bus->nodes, object->turns.opened, &at));)
		text = bus_text(bus, "%s %s", text, bus_name(bus, number));
	return text;
}

void home_status(const struct object *object, uint32_t from, uint32_t req)
{
	static const char *const states[] = {"new", "named", "unnamed", "removed", "revoked"};
	struct bus *bus = object->home->bus;
	const struct segment *segment = &object->memory;
	const char *text = bus_text(
		bus,
		"id: %" PRIu64 "\nhome: %s\nsize: %" PRIu64 "\nholders:%s\npages: %" PRIu64 "\nfaults: %" PRIu64
		"\nhand-offs: %" PRIu64 "\nbytes: %" PRIu64 "\nlost: %" PRIu64 "\nrevert: %s\nowner: %s\naccess:%s\n"
		"signals: %" PRIu64 "\nbyte-order: %s\nstate: %s\n",
		object->obj, bus_name(bus, bus->number), segment->size_bytes, holders_text(object), segment->pages_data,
		object->faults, object->handoffs, object->bytes, segment->lost, object->revert ? "on" : "off",
		object->owner ? bus_name(bus, object->owner) : "none", owner_access_text(object), object->signals,
		__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? "little" : "big", states[object->state]);
	struct msg fields = {.payload = payload_bytes(text, strlen(text))};

	bus_answer(bus, from, req, 0, &fields);
}

void home_control(struct object *object, uint32_t from, const struct msg *msg)
{
	char word[32] = "", argument[32] = "", rest[2] = "";
	char text[TEXT_BYTES];
	int words, at = 0, error = 0;

	snprintf(text, sizeof(text), "%.*s", (int)msg->payload.length_bytes, (const char *)msg->payload.bytes);
	words = sscanf(text, "%31s %n%31s %1s", word, &at, argument, rest);
	if (!owner_permits(object, from)) {
		error = -EPERM;
	} else if (words == 1 && !strcmp(word, "revoke")) {
		home_revoke(object, from, msg->req);
		return;
	} else if (words == 1 && !strcmp(word, "destroy")) {
		/* Whoever asks removes the name, after this answer. */
	} else if (!strcmp(word, "access")) {
		error = owner_set_access(object, text + at);
	} else if (words == 1 && !strcmp(word, "clear")) {
		pages_clear_lost(&object->memory);
	} else if (words == 2 && !strcmp(word, "revert") && (!strcmp(argument, "on") || !strcmp(argument, "off"))) {
		object->revert = !strcmp(argument, "on");
	} else {
		error = -EINVAL;
	}
	bus_answer(object->home->bus, from, msg->req, error, NULL);
}

/*
 * A post goes to all nodes that have the object open in one step, and then is answered: an end that was open when the post
 * began gets it, and its FIFO channel has it before anything that the home says later.
 */
static void post(struct object *object, uint32_t from, const struct msg *msg)
{
	struct msg signal = {.type = MSG_SIGNAL,
	                     .obj = object->obj,
	                     .flags = msg->flags & (POST_OWNER | POST_USERS | POST_ONCE),
	                     .number = from,
	                     .cookie = msg->cookie};

	if (object_dead(object)) {
		bus_answer(object->home->bus, from, msg->req, -EIO, NULL);
		return;
	}
	object->signals++;
	bus_send_all(object->home->bus, object->users, &signal);
	bus_answer(object->home->bus, from, msg->req, 0, NULL);
}

/* --- messages -------------------------------------------------------------------------------------------------------- */

static void create(struct home *home, uint32_t from, const struct msg *msg)
{
	struct msg fields = {0};
	int error = from == home->bus->number ? object_new(home, &msg->attr, &fields.obj) : -EPERM;

	if (!error)
		fields.attr = object_find(home, fields.obj)->attr;
	bus_answer(home->bus, from, msg->req, error, &fields);
}

/* What can be answered is; what is not answered can only come late, after the object has gone. */
static void refuse(struct home *home, uint32_t from, const struct msg *msg, int error)
{
	struct msg grant;

	switch (msg->type) {
	case MSG_GET:
		grant = *msg;
		grant.type = MSG_GRANT;
		grant.flags = 0;
		grant.mode = PAGE_INVALID;
		grant.count = 1;
		grant.error = error;
		bus_send(home->bus, from, &grant);
		break;
	default:
		if (msg->req)
			bus_answer(home->bus, from, msg->req, error, NULL);
		break;
	}
}

/* What only a node that has the object open may send. */
static bool needs_open(unsigned type)
{
	return type == MSG_GET || type == MSG_PUT || type == MSG_POST || type == MSG_OWN || type == MSG_SYNC ||
	       type == MSG_SETATTR || type == MSG_CONTROL || type == MSG_STATUS;
}

static void put(struct object *object, uint32_t from, const struct msg *msg)
{
	bool taken = pages_put(&object->memory, from, msg);

	if (taken && msg->flags & PUT_GROWS)
		sizes_put(&object->memory, from, msg);
	else if (msg->flags & PUT_GROWS)
		bus_answer(object->home->bus, from, msg->req, -EIO, NULL);
}

static void dispatch(struct object *object, uint32_t from, const struct msg *msg)
{
	struct home *home = object->home;
	struct segment *segment = &object->memory;

	switch ((enum msg_type)msg->type) {
	case MSG_LINK:
		if (from != DIRECTORY_NUMBER && from != home->bus->number)
			break;
		/* fall through */
	case MSG_GETATTR:
	case MSG_SETATTR:
	case MSG_OPEN:
	case MSG_OWN:
	case MSG_DISOWN:
	case MSG_CONTROL:
	case MSG_STATUS:
		attrs_request(object, from, msg);
		break;
	case MSG_ATTR_RECALLED:
		attrs_recalled(object, from, msg);
		break;
	case MSG_POST:
		post(object, from, msg);
		break;
	case MSG_CLOSE:
		object->used_once |= !(msg->flags & REQUEST_KEEP);
		forget_node(object, from, false);
		home_settle(object);
		break;
	case MSG_SIZED:
		sizes_confirmed(segment, from, msg->cookie);
		break;
	case MSG_SYNC:
		bus_answer(home->bus, from, msg->req, 0, NULL);
		break;
	case MSG_DOWNGRADE:
		pages_downgrade(segment, from);
		break;
	case MSG_PUT:
		put(object, from, msg);
		break;
	case MSG_GET:
		pages_get(segment, from, msg);
		break;
	case MSG_RECALLED:
		pages_recalled(segment, from, msg);
		break;
	default:
		bus_hang_up(home->bus, from, "it sent a message that has no meaning here");
		break;
	}
}

void home_message(struct home *home, uint32_t from, const struct msg *msg)
{
	struct object *object;

	if (msg->type == MSG_CREATE) {
		create(home, from, msg);
		return;
	}
	object = object_find(home, msg->obj);
	if (!object || (msg->seg != SEG_MEMORY && msg->seg != SEG_NONE))
		refuse(home, from, msg, -ESTALE);
	else if (needs_open(msg->type) && !(object->users & one(object, from)))
		refuse(home, from, msg, -EPERM);
	else
		dispatch(object, from, msg);
}

void home_node_lost(struct home *home, uint32_t number)
{
	struct object *object, *after;

	HASH_ITER(hh, home->objects, object, after)
	forget_node(object, number, true);
	for (unsigned i = 0; i < NODES_MAX; i++)
		if (home->waiting[i].number == number)
			home->waiting[i].number = home->waiting[i].count = 0;
}

/* --- the machine ------------------------------------------------------------------------------------------------------ */

struct home *home_new(struct bus *bus)
{
	struct home *home = calloc(1, sizeof(*home));

	if (!home)
		return NULL;
	home->bus = bus;
	home->next_object = 1;
	list_init(&home->page_recalls);
	list_init(&home->turn_recalls);
	list_init(&home->resize_recalls);
	return home;
}

void home_free(struct home *home)
{
	struct object *object, *after;

	if (!home)
		return;
	HASH_ITER(hh, home->objects, object, after)
	object_free(object);
	free(home);
}

unsigned home_objects(const struct home *home)
{
	return HASH_COUNT(home->objects);
}

void home_tick(struct home *home)
{
	pages_tick(home);
	attrs_tick(home);
	sizes_tick(home);
}

bool home_consistent(const struct home *home, char *why, size_t why_bytes)
{
	struct object *object, *after;
	uint64_t store_pages = 0;

	HASH_ITER(hh, home->objects, object, after)
	{
		if (!pages_consistent(&object->memory, &store_pages, why, why_bytes))
			return false;
		if (object->owner && !(object->users & one(object, object->owner))) {
			snprintf(why, why_bytes, "object %" PRIu64 ": the owner's node does not have it open", object->obj);
			return false;
		}
		if (object->sharers & ~object->writers && object->writers && !home->bus->breakage) {
			snprintf(why, why_bytes, "object %" PRIu64 ": kept by others than its writer", object->obj);
			return false;
		}
	}
	if (store_pages != home->bus->store_pages)
		snprintf(why, why_bytes, "%" PRIu64 " pages of the store are in use or promised, counted %" PRIu64, store_pages,
		         home->bus->store_pages);
	return store_pages == home->bus->store_pages;
}
