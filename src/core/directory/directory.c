/*
 * directory.c: changes of names, one at a time.
 *
 *   QUEUED --first in line, nothing against it--> RECALLING --all have confirmed--> counts, answered
 *      \--refused: answered
 *
 * While names are recalled nobody is told of them: who looks one up, or lists, waits for the change to count. So no node
 * sees the new state while another may still answer with the old one.
 */
#include "private.h"

#include <stdlib.h>
#include <string.h>

#define NAMES_CHANGED_MAX 2 /* by one change */

/* A request that waits: a change for its turn, a look for the end of the change under way. */
struct waiting {
	struct list link;
	uint32_t from;
	struct msg msg; /* its payload is `bytes` */
	unsigned char bytes[];
};

/* The change under way. */
struct change {
	struct waiting *request; /* NULL: none */
	unsigned count;
	struct name_key keys[NAMES_CHANGED_MAX];
	node_set recalled[NAMES_CHANGED_MAX]; /* have not confirmed */
	node_set asked[NAMES_CHANGED_MAX];    /* they are told what became of it */
	uint64_t since_ns;
};

struct directory {
	struct bus *bus;
	struct names names;
	node_set listers[DIR_UNNAMED + 1]; /* keep the list */
	struct list queue; /* changes */
	struct list looks;
	struct change change;
	bool busy; /* in next_changes() */
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

static int payload_key(struct name_key *key, unsigned dir, const struct payload *payload)
{
	return name_key_make(key, dir, payload->bytes, strnlen(payload->bytes, payload->length_bytes));
}

static void tell_home(struct directory *directory, uint64_t obj, unsigned link)
{
	struct msg msg = {.type = MSG_LINK, .obj = obj, .flags = link};

	bus_send(directory->bus, object_home(obj), &msg);
}

static unsigned dir_link(unsigned dir)
{
	return dir == DIR_ROOT ? LINK_NAMED : LINK_UNNAMED;
}

/* --- looking ------------------------------------------------------------------------------------------------------- */

static bool changing(const struct directory *directory, const struct name_key *key)
{
	for (unsigned i = 0; i < directory->change.count; i++)
		if (!memcmp(&directory->change.keys[i], key, sizeof(*key)))
			return true;
	return false;
}

static bool changing_dir(const struct directory *directory, unsigned dir)
{
	for (unsigned i = 0; i < directory->change.count; i++)
		if (directory->change.keys[i].dir == dir)
			return true;
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
	struct msg reply = {0};

	if (changing_dir(directory, msg->dir)) {
		wait_for_change(directory, from, msg);
		return;
	}
	if (msg->flags & REQUEST_KEEP)
		directory->listers[msg->dir] |= nodes_one(&directory->bus->nodes, from);
	reply.payload = names_list(&directory->names, msg->dir, msg->cookie);
	bus_answer(directory->bus, from, msg->req, 0, &reply);
}

/* --- what a change means ---------------------------------------------------------------------------------------------- */

static int plan_insert(struct directory *directory, const struct msg *msg, struct change *change)
{
	int error = payload_key(&change->keys[0], msg->dir, &msg->payload);

	if (error)
		return error;
	if (name_find(&directory->names, &change->keys[0]) || name_by_obj(&directory->names, msg->obj))
		return -EEXIST;
	change->count = 1;
	return 0;
}

/* By name, by object where the name is empty, by both where both are given. */
static int plan_remove(struct directory *directory, const struct msg *msg, struct change *change)
{
	struct name *name;

	if (msg->payload.length_bytes && *(const char *)msg->payload.bytes) {
		int error = payload_key(&change->keys[0], msg->dir, &msg->payload);

		if (error)
			return error == -ENAMETOOLONG ? error : -ENOENT;
		name = name_find(&directory->names, &change->keys[0]);
		if (name && msg->obj && name->obj != msg->obj)
			name = NULL;
	} else {
		name = name_by_obj(&directory->names, msg->obj);
	}
	if (!name)
		return -ENOENT;
	change->keys[0] = name->key;
	change->count = 1;
	return 0;
}

static int plan_rename(struct directory *directory, const struct msg *msg, struct change *change)
{
	const char *old = msg->payload.bytes;
	size_t length = strnlen(old, msg->payload.length_bytes);
	const char *new = old + length + 1;
	int error = name_key_make(&change->keys[0], msg->dir, old, length);

	if (error || length >= msg->payload.length_bytes)
		return error == -ENAMETOOLONG ? error : -ENOENT;
	error = name_key_make(&change->keys[1], msg->to_dir, new, strnlen(new, msg->payload.length_bytes - length - 1));
	if (error)
		return error;
	if (!name_find(&directory->names, &change->keys[0]))
		return -ENOENT;
	if (!memcmp(&change->keys[0], &change->keys[1], sizeof(change->keys[0])))
		return 0;
	if (name_find(&directory->names, &change->keys[1]))
		return msg->flags & REQUEST_NOREPLACE ? -EEXIST : -ENOTEMPTY;
	change->count = 2;
	return 0;
}

static int plan(struct directory *directory, const struct msg *msg, struct change *change)
{
	switch (msg->type) {
	case MSG_INSERT:
		return plan_insert(directory, msg, change);
	case MSG_RENAME:
		return plan_rename(directory, msg, change);
	default:
		return plan_remove(directory, msg, change);
	}
}

/* The first key's name goes, the last key's comes, as the type says. */
static int apply(struct directory *directory, const struct msg *msg, const struct change *change)
{
	struct name *old = name_find(&directory->names, &change->keys[0]);
	uint64_t obj = old ? old->obj : msg->obj;
	const struct name_key *new = &change->keys[change->count - 1];
	bool comes = msg->type == MSG_INSERT || msg->type == MSG_RENAME;

	if (old)
		name_remove(&directory->names, old);
	if (comes && !name_add(&directory->names, new, obj))
		return -ENOSPC;
	tell_home(directory, obj, comes ? dir_link(new->dir) : LINK_NONE);
	return 0;
}

/* --- one change after the other ---------------------------------------------------------------------------------------- */

static void recall(struct directory *directory)
{
	struct change *change = &directory->change;

	change->since_ns = directory->bus->now_ns;
	for (unsigned i = 0; i < change->count; i++) {
		const struct name_key *key = &change->keys[i];
		const struct name *name = name_find(&directory->names, key);
		char *text = bus_text(directory->bus, "%s", key->name);
		struct msg msg = {.type = MSG_NAME_RECALL,
		                  .dir = (uint16_t)key->dir,
		                  .payload = payload_bytes(text, strlen(text) + 1)};

		change->recalled[i] = directory->listers[key->dir] | (name ? name->sharers : 0);
		change->asked[i] = change->recalled[i];
		bus_send_all(directory->bus, change->recalled[i], &msg);
		if (bus_broken(directory->bus, BREAK_NAME_KEPT))
			change->recalled[i] = 0;
	}
}

/* Who keeps the list has left a gap there; so has who was asked while its own LIST was on its way here. */
static void announce(struct directory *directory, const struct name_key *key, node_set asked)
{
	const struct name *name = name_find(&directory->names, key);
	char *text = bus_text(directory->bus, "%s", key->name);
	struct msg msg = {.type = MSG_NAME,
	                  .dir = (uint16_t)key->dir,
	                  .obj = name ? name->obj : 0,
	                  .cookie = name ? name->cookie : 0,
	                  .payload = payload_bytes(text, strlen(text) + 1)};

	bus_send_all(directory->bus, directory->listers[key->dir] | asked, &msg);
}

static void answer(struct directory *directory, struct waiting *request, int error)
{
	if (request->msg.type != MSG_GONE)
		bus_answer(directory->bus, request->from, request->msg.req, error, NULL);
	waiting_free(request);
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

static void finish(struct directory *directory)
{
	struct change change = directory->change;
	int error = apply(directory, &change.request->msg, &change);

	directory->change = (struct change){0};
	for (unsigned i = 0; i < change.count; i++)
		announce(directory, &change.keys[i], change.asked[i]);
	answer(directory, change.request, error);
	look_again(directory);
}

/* As many changes as need not wait. */
static void next_changes(struct directory *directory)
{
	if (directory->busy)
		return;
	directory->busy = true;
	for (;;) {
		struct change change = {0};
		int error;

		if (directory->change.request) {
			if (!confirmed(&directory->change))
				break;
			finish(directory);
			continue;
		}
		if (list_empty(&directory->queue))
			break;
		change.request = list_entry(directory->queue.next, struct waiting, link);
		list_remove(&change.request->link);
		error = plan(directory, &change.request->msg, &change);
		if (error || !change.count) {
			answer(directory, change.request, error);
			continue;
		}
		directory->change = change;
		recall(directory);
	}
	directory->busy = false;
}

static void queue_change(struct directory *directory, uint32_t from, const struct msg *msg)
{
	struct waiting *waiting = waiting_new(from, msg);

	if (!waiting) {
		if (msg->type != MSG_GONE)
			bus_answer(directory->bus, from, msg->req, -ENOMEM, NULL);
		return;
	}
	list_push_back(&directory->queue, &waiting->link);
	next_changes(directory);
}

static void recalled(struct directory *directory, uint32_t from, const struct msg *msg)
{
	struct change *change = &directory->change;
	struct name_key key;

	if (payload_key(&key, msg->dir, &msg->payload))
		return;
	for (unsigned i = 0; i < change->count; i++)
		if (!memcmp(&change->keys[i], &key, sizeof(key)))
			change->recalled[i] &= ~nodes_one(&directory->bus->nodes, from);
	next_changes(directory);
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
	default:
		queue_change(directory, from, msg);
		break;
	}
}

/* --- nodes ---------------------------------------------------------------------------------------------------------- */

static void forget_requests(struct list *requests, uint32_t number)
{
	struct list *link, *after;

	list_for_each_safe(link, after, requests)
	{
		struct waiting *waiting = list_entry(link, struct waiting, link);

		/* A change that was asked for may still be made; a look is of no use to anyone. */
		if (waiting->from == number && (waiting->msg.type == MSG_LOOKUP || waiting->msg.type == MSG_LIST))
			waiting_free(waiting);
	}
}

void directory_node_lost(struct directory *directory, uint32_t number)
{
	node_set others = ~nodes_one(&directory->bus->nodes, number);
	struct list *link, *after;

	for (unsigned dir = 0; dir <= DIR_UNNAMED; dir++)
		directory->listers[dir] &= others;
	list_for_each_safe(link, after, &directory->names.order)
		list_entry(link, struct name, order)->sharers &= others;
	forget_requests(&directory->looks, number);
	for (unsigned i = 0; i < directory->change.count; i++) {
		directory->change.recalled[i] &= others;
		directory->change.asked[i] &= others;
	}
	next_changes(directory);
}

void directory_node_forgotten(struct directory *directory, uint32_t number)
{
	struct list *link, *after;
	unsigned gone = 0;

	list_for_each_safe(link, after, &directory->names.order)
	{
		struct msg msg = {.type = MSG_GONE, .obj = list_entry(link, struct name, order)->obj};
		struct waiting *waiting;

		if (object_home(msg.obj) != number)
			continue;
		waiting = waiting_new(DIRECTORY_NUMBER, &msg);
		CHECK(waiting);
		list_push_back(&directory->queue, &waiting->link);
		gone++;
	}
	if (gone)
		bus_log(directory->bus, LOG_LEVEL_WARNING, "%u objects whose home was %s are gone with it", gone,
		        bus_name(directory->bus, number));
	next_changes(directory);
}

/* A node that does not confirm, though it lives, must not hold up the others for ever. */
void directory_tick(struct directory *directory)
{
	struct change *change = &directory->change;
	uint32_t number;

	if (!change->request || directory->bus->now_ns - change->since_ns < RECALL_TIMEOUTS * directory->bus->timeout_ns)
		return;
	for (unsigned i = 0; i < change->count; i++)
		for (unsigned at = 0; (number = nodes_next(&directory->bus->nodes, change->recalled[i], &at));)
			bus_hang_up(directory->bus, number, bus_text(directory->bus, "it did not give back the name %s",
			                                             change->keys[i].name));
	change->since_ns = directory->bus->now_ns;
}

/* --- life ------------------------------------------------------------------------------------------------------------ */

struct directory *directory_new(struct bus *bus)
{
	struct directory *directory = calloc(1, sizeof(*directory));

	if (!directory)
		return NULL;
	directory->bus = bus;
	directory->names.bus = bus;
	list_init(&directory->names.order);
	list_init(&directory->queue);
	list_init(&directory->looks);
	return directory;
}

static void free_requests(struct list *requests)
{
	struct list *link, *after;

	list_for_each_safe(link, after, requests)
		waiting_free(list_entry(link, struct waiting, link));
}

void directory_free(struct directory *directory)
{
	struct list *link, *after;

	if (!directory)
		return;
	free_requests(&directory->queue);
	free_requests(&directory->looks);
	free(directory->change.request);
	list_for_each_safe(link, after, &directory->names.order)
		name_remove(&directory->names, list_entry(link, struct name, order));
	free(directory);
}
