#include "private.h"

#include <stdio.h>

#define MODE_SETGID 02000u /* of a directory: what is made in it has its group */

static struct object *object_find(const struct home *home, uint64_t obj)
{
	struct object *object;

	HASH_FIND(hh, home->objects, &obj, sizeof(obj), object);
	return object;
}

/* --- life ------------------------------------------------------------------------------------------------------------ */

static int object_new(struct home *home, const struct object_attr *attr, struct object *parent, struct object **new)
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
	object->parent = parent;
	object->made_ns = home->bus->now_ns;
	list_init(&object->files);
	list_init(&object->file_link);
	list_init(&object->revokers);
	list_init(&object->replaced_link);
	if (parent) {
		list_push_back(&parent->files, &object->file_link);
		home->files_count++;
	}
	object->attr = *attr;
	object->attr.mode &= 07777;
	attrs_changed(object);
	object->attr.atime_ns = object->attr.mtime_ns = object->attr.ctime_ns;
	object->memory.object = object;
	object->memory.number = SEG_MEMORY;
	page_table_init(&object->memory.pages, &home->bus->page_books, sizeof(struct page));
	attrs_init(object);
	HASH_ADD(hh, home->objects, obj, sizeof(object->obj), object);
	*new = object;
	return 0;
}

/* Who waits until an object is revoked. */
struct revoker {
	struct list link;
	uint32_t from;
	uint32_t req;
};

static void answer_revokers(struct object *object)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &object->revokers)
	{
		struct revoker *revoker = list_entry(link, struct revoker, link);

		bus_answer(object->home->bus, revoker->from, revoker->req, 0, NULL);
		list_remove(link);
		free(revoker);
	}
}

static void object_free(struct object *object)
{
	struct home *home = object->home;

	answer_revokers(object);
	attrs_free(object);
	pages_free(&object->memory);
	sizes_free(&object->memory);
	HASH_DEL(home->objects, object);
	list_remove(&object->file_link);
	list_remove(&object->replaced_link);
	home->files_count -= object->parent != NULL;
	free(object->name);
	free(object->access);
	free(object);
	bus_give_books(home->bus, sizeof(*object));
}

static struct object *file_at(struct list *link)
{
	return list_entry(link, struct object, file_link);
}

node_set home_users(const struct object *object)
{
	node_set users = object->users;
	struct list *link, *after;

	list_for_each_safe(link, after, &object->files)
		users |= file_at(link)->users;
	return users;
}

node_set home_sharers(const struct object *object)
{
	node_set sharers = object->sharers;
	struct list *link, *after;

	list_for_each_safe(link, after, &object->files)
		sharers |= file_at(link)->sharers;
	return sharers;
}

void home_reap(const struct object *object)
{
	struct msg msg = {.type = MSG_REAP, .obj = object->obj};
	struct list *link, *after;

	bus_send_all(object->home->bus, object->users, &msg);
	list_for_each_safe(link, after, &object->files)
		home_reap(file_at(link));
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

static void begin_revoke(struct object *object)
{
	attrs_void(object);
	home_enter(object, OBJECT_REVOKED);
}

void home_revoked(struct object *object)
{
	struct object *whole = whole_of(object);
	bool waits = whole->revoking || whole->memory.resize;
	struct list *link, *after;

	list_for_each_safe(link, after, &whole->files)
		waits |= file_at(link)->memory.resize != NULL;
	if (!waits)
		answer_revokers(whole);
}

void home_revoke(struct object *object, uint32_t from, uint32_t req)
{
	struct revoker *revoker = from ? calloc(1, sizeof(*revoker)) : NULL;
	struct list *link, *after;

	CHECK(!object->parent && (revoker || !from));
	if (revoker) {
		*revoker = (struct revoker){.from = from, .req = req};
		list_push_back(&object->revokers, &revoker->link);
	}
	forget_name(object);
	begin_revoke(object);
	list_for_each_safe(link, after, &object->files)
		begin_revoke(file_at(link));
	object->revoking = true;
	list_for_each_safe(link, after, &object->files)
		sizes_revoke(&file_at(link)->memory);
	sizes_revoke(&object->memory);
	object->revoking = false;
	home_revoked(object);
}

static bool unused(const struct object *whole)
{
	struct list *link, *after;
	bool busy = whole->turns.busy;

	list_for_each_safe(link, after, &whole->files)
		busy |= file_at(link)->turns.busy;
	return !busy && !home_users(whole);
}

static void remove_unnamed(struct object *whole)
{
	struct list *link, *after;

	forget_name(whole);
	home_enter(whole, OBJECT_REMOVED);
	list_for_each_safe(link, after, &whole->files)
		if (!object_dead(file_at(link)))
			home_enter(file_at(link), OBJECT_REMOVED);
}

static void end_unused(struct object *object)
{
	struct object *parent = object->parent;

	if (object->users || object->turns.busy || !list_empty(&object->files) || !list_empty(&object->replaced_link) ||
	    (object->state != OBJECT_REMOVED && object->state != OBJECT_REVOKED))
		return;
	bus_act(object->home->bus, ACT_STORE_DROP)->msg.obj = object->obj;
	object_free(object);
	if (parent)
		home_revoked(parent);
}

void home_settle(struct object *object)
{
	struct object *whole = whole_of(object);
	struct list *link, *after;

	if (whole->state == OBJECT_UNNAMED && whole->used_once && unused(whole))
		remove_unnamed(whole);
	if (whole->state == OBJECT_REMOVED || whole->state == OBJECT_REVOKED) {
		list_for_each_safe(link, after, &whole->files)
			end_unused(file_at(link));
	} else if (object->parent) {
		end_unused(object);
	}
	end_unused(whole);
}

/* Whether that is another one. */
static bool set_name(struct object *object, const struct payload *payload)
{
	const char *text = payload->length_bytes ? payload->bytes : "";
	char *name = *text ? strndup(text, payload->length_bytes) : NULL;
	bool same = object->name && name ? !strcmp(object->name, name) : object->name == name;

	free(object->name);
	object->name = name;
	return !same;
}

/* A program may have looked the name up just before, and be about to open what it has found. */
static void linger(struct object *object)
{
	struct home *home = object->home;

	object->replaced_ns = home->bus->now_ns;
	list_remove(&object->replaced_link);
	list_push_back(&home->replaced, &object->replaced_link);
}

bool home_end_replaced(struct home *home, uint64_t until_ns)
{
	bool any = false;

	while (!list_empty(&home->replaced)) {
		struct object *object = list_entry(home->replaced.next, struct object, replaced_link);

		if (object->replaced_ns > until_ns)
			break;
		list_remove(&object->replaced_link);
		home_settle(object);
		any = true;
	}
	return any;
}

/* What the directory said before it heard of a revoke is too late. */
void home_linked(struct object *object, const struct msg *msg)
{
	enum object_state before = object->state;
	bool made = before == OBJECT_NEW;
	struct list *link, *after;

	if (object_dead(object))
		return;
	home_enter(object, msg->flags & LINK_NAMED     ? OBJECT_NAMED
	                     : msg->flags & LINK_UNNAMED ? OBJECT_UNNAMED
	                                                 : OBJECT_REMOVED);
	if (!set_name(object, &msg->payload) && object->state == before)
		return; /* it was said before */
	attrs_changed(object);
	if (object->parent)
		attrs_touch(object->parent);
	if (object->parent && msg->flags & LINK_REPLACED)
		linger(object);
	list_for_each_safe(link, after, &object->files)
		if (made && object->state == OBJECT_REMOVED)
			home_enter(file_at(link), OBJECT_REMOVED);
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
	whole_of(object)->used_once |= !(msg->flags & REQUEST_KEEP);
	object->fresh &= (msg->flags & REQUEST_KEEP) != 0;
	if (msg->mode == PAGE_EXCLUSIVE)
		object->writers |= one(object, from);
	attrs_fill(object, from, &fields);
	if (object->state == OBJECT_NAMED && whole_of(object)->state == OBJECT_NAMED && !whole_of(object)->owner)
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

/* What all of an object's files come to. */
static struct segment files_sum(const struct object *object, struct object *sum)
{
	struct segment all = {0};
	struct list *link, *after;

	list_for_each_safe(link, after, &object->files)
	{
		const struct object *file = file_at(link);

		all.size_bytes += file->memory.size_bytes;
		all.pages_data += file->memory.pages_data;
		all.lost += file->memory.lost;
		sum->faults += file->faults;
		sum->handoffs += file->handoffs;
		sum->bytes += file->bytes;
	}
	return all;
}

/* Behind `text`, as many files as it has room for; its length. */
static size_t list_files(const struct object *object, char *text, size_t used, size_t room)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &object->files)
	{
		const struct object *file = file_at(link);
		int length = snprintf(text + used, room - used,
		                      "file: %" PRIu64 " bytes, %" PRIu64 " pages, %" PRIu64 " lost: %s\n",
		                      file->memory.size_bytes, file->memory.pages_data, file->memory.lost,
		                      file->name ? file->name : "(removed)");

		if (length < 0 || used + (size_t)length >= room)
			break;
		used += (size_t)length;
	}
	return used;
}

void home_status(const struct object *object, uint32_t from, uint32_t req)
{
	static const char *const states[] = {"new", "named", "unnamed", "removed", "revoked"};
	struct bus *bus = object->home->bus;
	char *text = bus_scratch(bus, LIST_BYTES);
	struct object sum = {0};
	struct segment all = files_sum(object, &sum);
	struct msg fields = {0};
	int used = snprintf(
		text, LIST_BYTES,
		"id: %" PRIu64 "\nhome: %s\nsize: %" PRIu64 "\nholders:%s\npages: %" PRIu64 "\nfaults: %" PRIu64
		"\nhand-offs: %" PRIu64 "\nbytes: %" PRIu64 "\nlost: %" PRIu64 "\nrevert: %s\nowner: %s\naccess:%s\n"
		"signals: %" PRIu64 "\nbyte-order: %s\nstate: %s\n",
		object->obj, bus_name(bus, bus->number), all.size_bytes, holders_text(object), all.pages_data, sum.faults,
		sum.handoffs, sum.bytes, all.lost, object->revert ? "on" : "off",
		object->owner ? bus_name(bus, object->owner) : "none", owner_access_text(object), object->signals,
		__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? "little" : "big", states[object->state]);

	CHECK(used >= 0 && (size_t)used < LIST_BYTES);
	fields.payload = payload_bytes(text, list_files(object, text, (size_t)used, LIST_BYTES));
	bus_answer(bus, from, req, 0, &fields);
}

static void clear_lost(struct object *object)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &object->files)
		pages_clear_lost(&file_at(link)->memory);
}

void home_control(struct object *object, uint32_t from, const struct msg *msg)
{
	char word[32] = "", argument[32] = "", rest[2] = "";
	char text[TEXT_BYTES];
	int words, at = 0, error = 0;

	snprintf(text, sizeof(text), "%.*s", (int)msg->payload.length_bytes, (const char *)msg->payload.bytes);
	words = sscanf(text, "%31s %n%31s %1s", word, &at, argument, rest);
	if (object->parent) {
		error = -EINVAL;
	} else if (!owner_permits(object, from)) {
		error = -EPERM;
	} else if (words == 1 && !strcmp(word, "revoke")) {
		home_revoke(object, from, msg->req);
		return;
	} else if (words == 1 && !strcmp(word, "destroy")) {
		/* Whoever asks removes the name, after this answer. */
	} else if (!strcmp(word, "access")) {
		error = owner_set_access(object, text + at);
	} else if (words == 1 && !strcmp(word, "clear")) {
		clear_lost(object);
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

static int create_object(struct home *home, const struct msg *msg, struct msg *fields)
{
	struct object *object, *memory;
	struct object_attr attr = msg->attr;
	int error = object_new(home, &attr, NULL, &object);

	if (error)
		return error;
	attr.mode &= 0666;
	error = object_new(home, &attr, object, &memory);
	if (error) {
		object_free(object);
		return error;
	}
	object->maker = memory->maker = home->bus->number;
	memory->fresh = true;
	fields->obj = object->obj;
	fields->cookie = memory->obj;
	fields->attr = object->attr;
	return 0;
}

static int create_file(struct home *home, uint32_t from, const struct msg *msg, struct msg *fields)
{
	struct object *whole = object_find(home, msg->obj), *file;
	int error;

	if (!whole || whole->parent || whole->state == OBJECT_REMOVED || whole->state == OBJECT_REVOKED)
		return -ENOENT;
	if (!owner_permits(whole, from))
		return -EPERM;
	error = object_new(home, &msg->attr, whole, &file);
	if (error)
		return error;
	if (whole->attr.mode & MODE_SETGID)
		file->attr.gid = whole->attr.gid;
	file->maker = from;
	fields->obj = file->obj;
	fields->dir = whole->obj;
	fields->attr = file->attr;
	return 0;
}

static void create(struct home *home, uint32_t from, const struct msg *msg)
{
	struct msg fields = {0};
	int error = msg->obj                        ? create_file(home, from, msg, &fields)
	            : from == home->bus->number ? create_object(home, msg, &fields)
	                                            : -EPERM;

	bus_answer(home->bus, from, msg->req, error, &fields);
}

/* The directory says it; who makes a thing also that it came to nothing. */
static bool may_link(const struct object *object, uint32_t from, const struct msg *msg)
{
	return from == DIRECTORY_NUMBER ||
	       (object->maker == from && object->state == OBJECT_NEW && msg->flags & LINK_NONE);
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
	return type == MSG_GET || type == MSG_PUT || type == MSG_POST || type == MSG_OWN || type == MSG_SYNC || type == MSG_UPGRADE ||
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
		if (!may_link(object, from, msg))
			break;
		/* fall through */
	case MSG_GETATTR:
	case MSG_SETATTR:
	case MSG_CLAIM:
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
		whole_of(object)->used_once |= !(msg->flags & REQUEST_KEEP);
		forget_node(object, from, false);
		home_settle(object);
		break;
	case MSG_SIZED:
		sizes_confirmed(segment, from, msg->cookie);
		break;
	case MSG_UPGRADE:
		pages_upgrade(segment, from, msg);
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

/* One may end others: their numbers are looked up anew. */
static void for_each_object(struct home *home, void (*each)(struct object *, uint32_t), uint32_t number)
{
	unsigned count = HASH_COUNT(home->objects), i = 0;
	uint64_t *numbers = calloc(count + 1, sizeof(*numbers));
	struct object *object, *after;

	CHECK(numbers);
	HASH_ITER(hh, home->objects, object, after)
	numbers[i++] = object->obj;
	for (i = 0; i < count; i++) {
		object = object_find(home, numbers[i]);
		if (object)
			each(object, number);
	}
	free(numbers);
}

static void node_died(struct object *object, uint32_t number)
{
	forget_node(object, number, true);
}

/* First everywhere: what one object then goes on with asks the users of its files, too. */
static void forget_user(struct home *home, uint32_t number)
{
	struct object *object, *after;

	HASH_ITER(hh, home->objects, object, after)
	{
		object->users &= ~one(object, number);
		object->sharers &= ~one(object, number);
		object->writers &= ~one(object, number);
	}
}

static void ask_name(const struct object *object)
{
	struct msg msg = {.type = MSG_GONE, .obj = object->obj, .flags = REQUEST_KEEP};

	bus_send(object->home->bus, DIRECTORY_NUMBER, &msg);
}

/*
 * What the directory has said of names meanwhile is lost. What has none yet may be about to get one: it is asked for when whoever
 * makes it has been answered, or has given up.
 */
void home_node_joined(struct home *home, uint32_t number)
{
	struct object *object, *after;

	if (number != DIRECTORY_NUMBER)
		return;
	home->back_ns = home->bus->now_ns;
	HASH_ITER(hh, home->objects, object, after)
	if (object->state == OBJECT_NAMED || object->state == OBJECT_UNNAMED)
		ask_name(object);
}

static void look_after_new(struct home *home)
{
	struct object *object, *after;

	if (!home->back_ns || home->bus->now_ns - home->back_ns < OP_TIMEOUTS * home->bus->timeout_ns)
		return;
	HASH_ITER(hh, home->objects, object, after)
	if (object->state == OBJECT_NEW && object->made_ns <= home->back_ns)
		ask_name(object);
	home->back_ns = 0;
}

/* What it was about to name may have got the name, and the directory's word be on its way here, or lost. */
static void forget_maker(struct home *home, uint32_t number)
{
	const struct object *object, *after;

	HASH_ITER(hh, home->objects, object, after)
	if (object->state == OBJECT_NEW && object->maker == number)
		home->back_ns = home->bus->now_ns;
}

void home_node_lost(struct home *home, uint32_t number)
{
	forget_user(home, number);
	for_each_object(home, node_died, number);
	forget_maker(home, number);
	asker_forget(home, number);
}

void home_node_full(struct home *home, uint32_t number, bool full)
{
	if (number && bus_reaches(home->bus, number))
		asker_full(home, number, full);
}

/* --- the machine ------------------------------------------------------------------------------------------------------ */

struct home *home_new(struct bus *bus)
{
	struct home *home = calloc(1, sizeof(*home));

	if (!home)
		return NULL;
	home->bus = bus;
	home->next_object = 1;
	list_init(&home->replaced);
	list_init(&home->page_recalls);
	list_init(&home->turn_recalls);
	list_init(&home->resize_recalls);
	askers_init(home);
	return home;
}

void home_free(struct home *home)
{
	struct object *object, *after;

	if (!home)
		return;
	HASH_ITER(hh, home->objects, object, after)
	if (object->parent)
		object_free(object);
	HASH_ITER(hh, home->objects, object, after)
	object_free(object);
	free(home);
}

unsigned home_objects(const struct home *home)
{
	return HASH_COUNT(home->objects) - home->files_count;
}

uint64_t home_deadline_ns(const struct home *home)
{
	if (home->goes_on)
		return home->bus->now_ns;
	if (list_empty(&home->replaced))
		return UINT64_MAX;
	return list_entry(home->replaced.next, struct object, replaced_link)->replaced_ns + REPLACED_NS;
}

void home_tick(struct home *home)
{
	if (home->bus->now_ns >= REPLACED_NS)
		home_end_replaced(home, home->bus->now_ns - REPLACED_NS);
	if (home->goes_on)
		pages_go_on(home);
	look_after_new(home);
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
