/*
 * directory.c: changes of names; of those that are about the same name, one at a time.
 *
 *   WAITING --none before it is about its names, nothing against it--> RECALLING --all have confirmed--> counts, answered
 *      \--refused: answered
 *
 * While names are recalled nobody is told of them: who looks one up, or lists, waits for the change to count. So no node
 * sees the new state while another may still answer with the old one.
 */
#include "private.h"

#include <stdlib.h>
#include <string.h>

#define NAMES_CHANGED_MAX 2 /* by one change */

/* A request that waits. */
struct waiting {
	struct list link;
	uint32_t from;
	struct msg msg; /* its payload is `bytes` */
	unsigned char bytes[];
};

struct change {
	struct list link;
	struct waiting *request;
	bool recalling;
	uint64_t obj;  /* that its first name stands for, or will */
	uint64_t there; /* with -EEXIST: what has the name */
	unsigned count;
	struct name_key keys[NAMES_CHANGED_MAX];
	node_set recalled[NAMES_CHANGED_MAX]; /* have not confirmed */
	node_set asked[NAMES_CHANGED_MAX];    /* they are told what became of it */
	uint64_t since_ns;
};

struct directory {
	struct bus *bus;
	struct names names;
	struct list changes; /* in the order in which they came */
	struct list looks;   /* wait for changes under way */
	bool busy;           /* in next_changes() */
};

static struct waiting *waiting_new(uint32_t from, const struct msg *msg)
{
	struct waiting *waiting = calloc(1, sizeof(*waiting) + msg->payload.length_bytes);

	if (!waiting)
		return NULL;
	waiting->from = from;
	waiting->msg = *msg;
	if (msg->payload.length_bytes)
		memcpy(waiting->bytes, msg->payload.bytes, msg->payload.length_bytes);
	if (msg->payload.length_bytes)
		waiting->msg.payload = payload_bytes(waiting->bytes, msg->payload.length_bytes);
	return waiting;
}

static void waiting_free(struct waiting *waiting)
{
	list_remove(&waiting->link);
	free(waiting);
}

static void change_free(struct change *change)
{
	list_remove(&change->link);
	free(change->request);
	free(change);
}

/* All names of a directory. */
static struct name_key all_of(uint64_t dir)
{
	return (struct name_key){.dir = dir};
}

static bool is_all(const struct name_key *key)
{
	return !key->name[0];
}

static bool payload_is_empty(const struct payload *payload)
{
	return !payload->length_bytes || !*(const char *)payload->bytes;
}

static int payload_key(struct name_key *key, uint64_t dir, const struct payload *payload)
{
	return name_key_make(key, dir, payload->bytes, strnlen(payload->bytes, payload->length_bytes));
}

static void tell_home(struct directory *directory, uint64_t obj, unsigned link, const char *name)
{
	char *text = bus_text(directory->bus, "%s", name);
	struct msg msg = {.type = MSG_LINK, .obj = obj, .flags = link, .payload = payload_bytes(text, strlen(text) + 1)};

	bus_send(directory->bus, object_home(obj), &msg);
}

static unsigned dir_link(uint64_t dir)
{
	return dir == DIR_UNNAMED ? LINK_UNNAMED : LINK_NAMED;
}

/* --- looking ------------------------------------------------------------------------------------------------------- */

static bool about_dir(const struct change *change, uint64_t dir)
{
	for (unsigned i = 0; i < change->count; i++)
		if (change->keys[i].dir == dir)
			return true;
	return false;
}

static bool about(const struct change *change, const struct name_key *key)
{
	if (is_all(key))
		return about_dir(change, key->dir);
	for (unsigned i = 0; i < change->count; i++)
		if (change->keys[i].dir == key->dir &&
		    (is_all(&change->keys[i]) || !memcmp(&change->keys[i], key, sizeof(*key))))
			return true;
	return false;
}

/* Whether one that is under way is about this name. */
static bool changing(const struct directory *directory, const struct name_key *key)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &directory->changes)
	{
		const struct change *change = list_entry(link, struct change, link);

		if (change->recalling && about(change, key))
			return true;
	}
	return false;
}

static void wait_for_change(struct directory *directory, uint32_t from, const struct msg *msg)
{
	struct waiting *waiting = waiting_new(from, msg);

	if (waiting)
		list_push_back(&directory->looks, &waiting->link);
	else
		bus_answer(directory->bus, from, msg->req, -ENOMEM, NULL);
}

static void look_up(struct directory *directory, uint32_t from, const struct msg *msg)
{
	struct msg reply = {0};
	struct name_key key;
	int error = payload_key(&key, msg->dir, &msg->payload);
	struct name *name = NULL;

	if (!error && changing(directory, &key)) {
		wait_for_change(directory, from, msg);
		return;
	}
	if (!error)
		name = name_find(&directory->names, &key);
	if (name) {
		reply.obj = name->obj;
		name->sharers |= nodes_one(&directory->bus->nodes, from);
	} else if (error != -ENAMETOOLONG) {
		error = -ENOENT;
	}
	bus_answer(directory->bus, from, msg->req, error, &reply);
}

static void list_names(struct directory *directory, uint32_t from, const struct msg *msg)
{
	struct name_key all = all_of(msg->dir);
	struct dir *dir = dir_find(&directory->names, msg->dir);
	struct msg reply = {0};

	if (changing(directory, &all)) {
		wait_for_change(directory, from, msg);
		return;
	}
	if (!dir) {
		bus_answer(directory->bus, from, msg->req, -ENOENT, NULL);
		return;
	}
	if (msg->flags & REQUEST_KEEP)
		dir->listers |= nodes_one(&directory->bus->nodes, from);
	reply.payload = names_list(&directory->names, dir, msg->cookie);
	bus_answer(directory->bus, from, msg->req, 0, &reply);
}

/* --- what a change means ---------------------------------------------------------------------------------------------- */

/*
 * Each says what the change is about, and returns 0, or why it cannot be, or REDUNDANT. Where that depends on names, the keys are
 * there also with an error: it holds only if nothing before it changes them.
 */
#define REDUNDANT 1

static bool holds_objects(uint64_t dir)
{
	return dir == DIR_ROOT || dir == DIR_UNNAMED;
}

static int plan_insert(struct directory *directory, const struct msg *msg, struct change *change)
{
	int error = payload_key(&change->keys[0], msg->dir, &msg->payload);
	const struct name *there;

	if (error)
		return error;
	change->count = 1;
	change->obj = msg->obj;
	if (!dir_find(&directory->names, msg->dir))
		return -ENOENT;
	if (holds_objects(msg->dir) != (msg->cookie != 0))
		return -EINVAL;
	there = name_find(&directory->names, &change->keys[0]);
	change->there = there ? there->obj : 0;
	return there || name_by_obj(&directory->names, msg->obj) ? -EEXIST : 0;
}

static bool has_other_files(struct directory *directory, uint64_t obj)
{
	const struct dir *dir = dir_find(&directory->names, obj);
	struct name_key memory;

	CHECK(!name_key_make(&memory, obj, MEMORY_NAME, strlen(MEMORY_NAME)));
	return dir && dir->count > (name_find(&directory->names, &memory) ? 1 : 0);
}

/* By name, by object where the name is empty, by both where both are given. */
static int plan_remove(struct directory *directory, const struct msg *msg, struct change *change)
{
	struct name *name;

	change->obj = msg->obj;
	if (!payload_is_empty(&msg->payload)) {
		int error = payload_key(&change->keys[0], msg->dir, &msg->payload);

		if (error)
			return error == -ENAMETOOLONG ? error : -ENOENT;
		name = name_find(&directory->names, &change->keys[0]);
		if (name && msg->obj && name->obj != msg->obj)
			name = NULL;
	} else {
		name = name_by_obj(&directory->names, msg->obj);
		if (name)
			change->keys[0] = name->key;
		else
			return -ENOENT;
	}
	change->count = 1;
	if (!name)
		return -ENOENT;
	change->obj = name->obj;
	if (!dir_find(&directory->names, name->obj))
		return 0;
	change->keys[change->count++] = all_of(name->obj);
	if (msg->type == MSG_REMOVE && !(msg->flags & REQUEST_ALL) && has_other_files(directory, name->obj))
		return -ENOTEMPTY;
	return 0;
}

static int plan_rename(struct directory *directory, const struct msg *msg, struct change *change)
{
	const char *old = msg->payload.bytes;
	size_t length = strnlen(old, msg->payload.length_bytes);
	const char *new = old + length + 1;
	int error = name_key_make(&change->keys[0], msg->dir, old, length);
	const struct name *name;

	if (error || length >= msg->payload.length_bytes)
		return error == -ENAMETOOLONG ? error : -ENOENT;
	error = name_key_make(&change->keys[1], msg->to_dir, new, strnlen(new, msg->payload.length_bytes - length - 1));
	if (error)
		return error;
	if (msg->dir != msg->to_dir && !(holds_objects(msg->dir) && holds_objects(msg->to_dir)))
		return -EXDEV;
	change->count = 2;
	name = name_find(&directory->names, &change->keys[0]);
	if (!name)
		return -ENOENT;
	change->obj = name->obj;
	if (!memcmp(&change->keys[0], &change->keys[1], sizeof(change->keys[0])))
		return REDUNDANT;
	if (!name_find(&directory->names, &change->keys[1]))
		return 0;
	return msg->flags & REQUEST_NOREPLACE ? -EEXIST : holds_objects(msg->to_dir) ? -ENOTEMPTY : 0;
}

static int plan(struct directory *directory, struct change *change)
{
	const struct msg *msg = &change->request->msg;

	change->count = 0;
	change->obj = change->there = 0;
	switch (msg->type) {
	case MSG_INSERT:
		return plan_insert(directory, msg, change);
	case MSG_RENAME:
		return plan_rename(directory, msg, change);
	default:
		return plan_remove(directory, msg, change);
	}
}

static void unlink_name(struct directory *directory, struct name *name)
{
	tell_home(directory, name->obj, LINK_NONE, "");
	name_remove(&directory->names, name);
}

static int link_name(struct directory *directory, const struct name_key *key, uint64_t obj)
{
	if (!name_add(&directory->names, key, obj))
		return -ENOSPC;
	tell_home(directory, obj, dir_link(key->dir), key->name);
	return 0;
}

static int insert(struct directory *directory, const struct msg *msg, const struct name_key *key)
{
	struct name_key memory;
	struct dir *dir;

	if (!msg->cookie)
		return link_name(directory, key, msg->obj);
	CHECK(!name_key_make(&memory, msg->obj, MEMORY_NAME, strlen(MEMORY_NAME)));
	dir = dir_make(&directory->names, msg->obj);
	if (!dir)
		return -ENOSPC;
	if (!name_add(&directory->names, &memory, msg->cookie) || link_name(directory, key, msg->obj)) {
		dir_remove(&directory->names, dir);
		return -ENOSPC;
	}
	tell_home(directory, msg->cookie, LINK_NAMED, MEMORY_NAME);
	return 0;
}

static void remove_files(struct directory *directory, struct dir *dir)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &dir->order)
		unlink_name(directory, list_entry(link, struct name, order));
	dir_remove(&directory->names, dir);
}

static int rename_to(struct directory *directory, struct name *old, const struct name_key *key)
{
	struct name *replaced = name_find(&directory->names, key);
	uint64_t obj = old->obj;

	name_remove(&directory->names, old);
	if (!replaced)
		return link_name(directory, key, obj);
	tell_home(directory, replaced->obj, LINK_NONE | LINK_REPLACED, "");
	name_turn(&directory->names, replaced, obj);
	tell_home(directory, obj, dir_link(key->dir), key->name);
	return 0;
}

static int apply(struct directory *directory, const struct change *change)
{
	const struct msg *msg = &change->request->msg;
	struct name *old = name_find(&directory->names, &change->keys[0]);
	struct dir *dir;

	if (msg->type == MSG_INSERT)
		return insert(directory, msg, &change->keys[0]);
	if (msg->type == MSG_RENAME)
		return rename_to(directory, old, &change->keys[1]);
	dir = dir_find(&directory->names, old->obj);
	if (dir)
		remove_files(directory, dir);
	unlink_name(directory, old);
	return 0;
}

/* --- one change after the other ---------------------------------------------------------------------------------------- */

/* Nodes that may keep what the key stands for. */
static node_set keepers(struct directory *directory, const struct name_key *key)
{
	const struct dir *dir = dir_find(&directory->names, key->dir);
	const struct name *name = name_find(&directory->names, key);
	node_set set = dir->listers | (name ? name->sharers : 0);
	struct list *link, *after;

	if (!is_all(key))
		return set;
	list_for_each_safe(link, after, &dir->order)
		set |= list_entry(link, struct name, order)->sharers;
	return set;
}

static void recall(struct directory *directory, struct change *change)
{
	change->recalling = true;
	change->since_ns = directory->bus->now_ns;
	for (unsigned i = 0; i < change->count; i++) {
		const struct name_key *key = &change->keys[i];
		char *text = bus_text(directory->bus, "%s", key->name);
		struct msg msg = {
			.type = MSG_NAME_RECALL, .dir = key->dir, .payload = payload_bytes(text, strlen(text) + 1)};

		change->recalled[i] = keepers(directory, key);
		change->asked[i] = change->recalled[i];
		bus_send_all(directory->bus, change->recalled[i], &msg);
		if (bus_broken(directory->bus, BREAK_NAME_KEPT))
			change->recalled[i] = 0;
	}
}

/* Who keeps the list has left a gap there; so has who was asked while its own LIST was on its way here, and keeps the name now. */
static void announce(struct directory *directory, const struct name_key *key, node_set asked)
{
	const struct dir *dir = dir_find(&directory->names, key->dir);
	struct name *name = name_find(&directory->names, key);
	char *text = bus_text(directory->bus, "%s", key->name);
	struct msg msg = {.type = MSG_NAME,
	                  .dir = key->dir,
	                  .obj = name ? name->obj : 0,
	                  .cookie = name ? name->cookie : 0,
	                  .payload = payload_bytes(text, strlen(text) + 1)};

	if (name)
		name->sharers |= asked;
	if (dir)
		bus_send_all(directory->bus, dir->listers | asked, &msg);
}

static void change_end(struct directory *directory, struct change *change, int error)
{
	const struct waiting *request = change->request;

	if (request->msg.type != MSG_GONE)
		bus_answer(directory->bus, request->from, request->msg.req, error, &(struct msg){.obj = change->there});
	change_free(change);
}

static void look_again(struct directory *directory)
{
	struct list looks, *link, *after;

	list_init(&looks);
	list_move_all(&directory->looks, &looks);
	list_for_each_safe(link, after, &looks)
	{
		struct waiting *look = list_entry(link, struct waiting, link);

		if (look->msg.type == MSG_LOOKUP)
			look_up(directory, look->from, &look->msg);
		else
			list_names(directory, look->from, &look->msg);
		waiting_free(look);
	}
}

static bool confirmed(const struct change *change)
{
	for (unsigned i = 0; i < change->count; i++)
		if (change->recalled[i])
			return false;
	return true;
}

static void finish(struct directory *directory, struct change *change)
{
	int error = apply(directory, change);

	change->recalling = false;
	for (unsigned i = 0; i < change->count; i++)
		announce(directory, &change->keys[i], change->asked[i]);
	change_end(directory, change, error);
	look_again(directory);
}

static bool collide(const struct change *a, const struct change *b)
{
	if (a->obj && a->obj == b->obj)
		return true;
	for (unsigned i = 0; i < a->count; i++)
		if (about(b, &a->keys[i]))
			return true;
	return false;
}

/*
 * Whether one that came before is about the same names, or the same object; or one that is under way: what a change is about can
 * become another thing while it waits.
 */
static bool has_to_wait(const struct directory *directory, const struct change *change)
{
	struct list *link, *after;
	bool behind = false;

	list_for_each_safe(link, after, &directory->changes)
	{
		const struct change *other = list_entry(link, struct change, link);

		behind |= other == change;
		if (other != change && (!behind || other->recalling) && collide(change, other))
			return true;
	}
	return false;
}

/* Who lists names gets a turn when the changes under way are over. */
static bool list_waits(const struct directory *directory)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &directory->looks)
		if (list_entry(link, struct waiting, link)->msg.type == MSG_LIST)
			return true;
	return false;
}

/* The first that can go on does; whether there was one. */
static bool next_change(struct directory *directory)
{
	bool lists = list_waits(directory);
	struct list *link, *after;

	list_for_each_safe(link, after, &directory->changes)
	{
		struct change *change = list_entry(link, struct change, link);
		int error;

		if (change->recalling) {
			if (!confirmed(change))
				continue;
			finish(directory, change);
			return true;
		}
		error = plan(directory, change);
		if ((!error && lists) || has_to_wait(directory, change))
			continue;
		if (!error)
			recall(directory, change);
		else
			change_end(directory, change, error == REDUNDANT ? 0 : error);
		return true;
	}
	return false;
}

static void next_changes(struct directory *directory)
{
	if (directory->busy)
		return;
	directory->busy = true;
	while (next_change(directory))
		;
	directory->busy = false;
}

static bool queue_change(struct directory *directory, uint32_t from, const struct msg *msg)
{
	struct change *change = calloc(1, sizeof(*change));

	if (change)
		change->request = waiting_new(from, msg);
	if (!change || !change->request) {
		free(change);
		return false;
	}
	list_push_back(&directory->changes, &change->link);
	return true;
}

static void change_asked(struct directory *directory, uint32_t from, const struct msg *msg)
{
	if (queue_change(directory, from, msg))
		next_changes(directory);
	else if (msg->type != MSG_GONE)
		bus_answer(directory->bus, from, msg->req, -ENOMEM, NULL);
}

static void recalled(struct directory *directory, uint32_t from, const struct msg *msg)
{
	struct list *link, *after;
	struct name_key key;

	if (payload_is_empty(&msg->payload))
		key = all_of(msg->dir);
	else if (payload_key(&key, msg->dir, &msg->payload))
		return;
	list_for_each_safe(link, after, &directory->changes)
	{
		struct change *change = list_entry(link, struct change, link);

		for (unsigned i = 0; change->recalling && i < change->count; i++)
			if (!memcmp(&change->keys[i], &key, sizeof(key)))
				change->recalled[i] &= ~nodes_one(&directory->bus->nodes, from);
		if (change->recalling && confirmed(change)) {
			next_changes(directory);
			return;
		}
	}
}

/* The home may have missed it, while it was out of touch. */
static void say_again(struct directory *directory, uint64_t obj)
{
	const struct name *name = name_by_obj(&directory->names, obj);

	if (name)
		tell_home(directory, obj, dir_link(name->key.dir), name->key.name);
	else
		tell_home(directory, obj, LINK_NONE, "");
}

void directory_message(struct directory *directory, uint32_t from, const struct msg *msg)
{
	if (directory->bus->number != DIRECTORY_NUMBER) {
		if (msg->type != MSG_GONE && msg->type != MSG_NAME_RECALLED)
			bus_answer(directory->bus, from, msg->req, -EIO, NULL);
		return;
	}
	switch (msg->type) {
	case MSG_LOOKUP:
		look_up(directory, from, msg);
		break;
	case MSG_LIST:
		list_names(directory, from, msg);
		break;
	case MSG_NAME_RECALLED:
		recalled(directory, from, msg);
		break;
	case MSG_GONE:
		if (msg->flags & REQUEST_KEEP) {
			say_again(directory, msg->obj);
			break;
		}
		/* fall through */
	default:
		change_asked(directory, from, msg);
		break;
	}
}

/* --- nodes ---------------------------------------------------------------------------------------------------------- */

void directory_node_lost(struct directory *directory, uint32_t number)
{
	node_set others = ~nodes_one(&directory->bus->nodes, number);
	struct list *link, *after;
	struct dir *dir, *next_dir;
	struct name *name, *next_name;

	HASH_ITER(hh, directory->names.dirs, dir, next_dir)
	dir->listers &= others;
	HASH_ITER(hh, directory->names.by_key, name, next_name)
	name->sharers &= others;
	/* A change that was asked for may still be made; a look is of no use to anyone. */
	list_for_each_safe(link, after, &directory->looks)
		if (list_entry(link, struct waiting, link)->from == number)
			waiting_free(list_entry(link, struct waiting, link));
	list_for_each_safe(link, after, &directory->changes)
	{
		struct change *change = list_entry(link, struct change, link);

		for (unsigned i = 0; i < change->count; i++) {
			change->recalled[i] &= others;
			change->asked[i] &= others;
		}
	}
	next_changes(directory);
}

void directory_node_forgotten(struct directory *directory, uint32_t number)
{
	struct name *name, *after;
	unsigned gone = 0;

	HASH_ITER(hh, directory->names.by_key, name, after)
	{
		struct msg msg = {.type = MSG_GONE, .obj = name->obj};

		if (object_home(msg.obj) != number || !holds_objects(name->key.dir))
			continue;
		CHECK(queue_change(directory, DIRECTORY_NUMBER, &msg));
		gone++;
	}
	if (gone)
		bus_log(directory->bus, LOG_LEVEL_WARNING, "%u objects whose home was %s are gone with it", gone,
		        bus_name(directory->bus, number));
	next_changes(directory);
}

/* A node that does not confirm, though it lives, must not hold up the others for ever. */
static void change_late(struct directory *directory, struct change *change)
{
	uint32_t number;

	for (unsigned i = 0; i < change->count; i++)
		for (unsigned at = 0; (number = nodes_next(&directory->bus->nodes, change->recalled[i], &at));)
			bus_hang_up(directory->bus, number, bus_text(directory->bus, "it did not give back the name %s",
			                                             change->keys[i].name));
	change->since_ns = directory->bus->now_ns;
}

void directory_tick(struct directory *directory)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &directory->changes)
	{
		struct change *change = list_entry(link, struct change, link);

		if (change->recalling &&
		    directory->bus->now_ns - change->since_ns >= RECALL_TIMEOUTS * directory->bus->timeout_ns)
			change_late(directory, change);
	}
}

/* --- life ------------------------------------------------------------------------------------------------------------ */

struct directory *directory_new(struct bus *bus)
{
	struct directory *directory = calloc(1, sizeof(*directory));

	if (!directory)
		return NULL;
	directory->bus = bus;
	directory->names.bus = bus;
	list_init(&directory->changes);
	list_init(&directory->looks);
	if (!dir_make(&directory->names, DIR_ROOT) || !dir_make(&directory->names, DIR_UNNAMED)) {
		directory_free(directory);
		return NULL;
	}
	return directory;
}

void directory_free(struct directory *directory)
{
	struct list *link, *after;
	struct dir *dir, *next;

	if (!directory)
		return;
	list_for_each_safe(link, after, &directory->changes)
		change_free(list_entry(link, struct change, link));
	list_for_each_safe(link, after, &directory->looks)
		waiting_free(list_entry(link, struct waiting, link));
	HASH_ITER(hh, directory->names.dirs, dir, next)
	dir_remove(&directory->names, dir);
	free(directory);
}
