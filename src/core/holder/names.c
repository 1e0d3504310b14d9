/*
 * names.c: names that this node keeps until the directory recalls them. One by one, as they were looked up; and whole lists,
 * with which it is known too that a name does not exist.
 *
 *   NONE --somebody lists--> LOADING --the end has come--> COMPLETE        any --too many, the directory lost--> NONE
 *
 * A name that is recalled while the list is kept leaves a gap, until the directory says what has the name now: who looks it up
 * asks the directory, who lists waits.
 */
#include "private.h"

#include <stdio.h>

struct name_key {
	uint64_t dir;
	char name[OBJECT_NAME_BYTES]; /* zero behind the name */
};

struct name {
	struct name_key key;
	uint64_t obj;
	bool gap;          /* recalled, and the directory has not said yet what comes; only where the list is kept */
	uint64_t cookie;   /* position in the list; 0: not known */
	struct list order; /* in its directory's, by cookie */
	UT_hash_handle hh;
};

enum list_state { LIST_NONE, LIST_LOADING, LIST_COMPLETE };

/* A directory that somebody has listed. */
struct listed {
	uint64_t dir;
	enum list_state state;
	bool too_many; /* names to keep them */
	unsigned gaps;
	struct list order;
	struct list waiting; /* ops that list */
	UT_hash_handle hh;
};

struct names {
	struct holder *holder;
	struct name *by_key;
	struct listed *dirs;
};

/* In op.stage. */
enum { LIST_PASSED_ON, LIST_LOADS };

static bool key_make(struct name_key *key, uint64_t dir, const struct payload *payload)
{
	size_t length = strnlen(payload->bytes, payload->length_bytes);

	if (length >= OBJECT_NAME_BYTES || !length)
		return false;
	memset(key, 0, sizeof(*key));
	key->dir = dir;
	memcpy(key->name, payload->bytes, length);
	return true;
}

static struct name *name_find(const struct names *names, const struct name_key *key)
{
	struct name *name;

	HASH_FIND(hh, names->by_key, key, sizeof(*key), name);
	return name;
}

static void name_remove(struct names *names, struct name *name)
{
	list_remove(&name->order);
	HASH_DEL(names->by_key, name);
	free(name);
}

static struct listed *listed_find(const struct names *names, uint64_t dir)
{
	struct listed *listed;

	HASH_FIND(hh, names->dirs, &dir, sizeof(dir), listed);
	return listed;
}

static enum list_state list_state(const struct names *names, uint64_t dir)
{
	const struct listed *listed = listed_find(names, dir);

	return listed ? listed->state : LIST_NONE;
}

static struct listed *listed_make(struct names *names, uint64_t dir)
{
	struct listed *listed = listed_find(names, dir);

	if (listed)
		return listed;
	listed = calloc(1, sizeof(*listed));
	if (!listed)
		return NULL;
	listed->dir = dir;
	list_init(&listed->order);
	list_init(&listed->waiting);
	HASH_ADD(hh, names->dirs, dir, sizeof(listed->dir), listed);
	return listed;
}

static void dir_forget(struct names *names, uint64_t dir)
{
	struct listed *listed = listed_find(names, dir);
	struct name *name, *after;

	HASH_ITER(hh, names->by_key, name, after)
	if (name->key.dir == dir)
		name_remove(names, name);
	if (listed) {
		listed->state = LIST_NONE;
		listed->gaps = 0;
	}
}

static void forget_all(struct names *names)
{
	struct listed *listed, *after;
	struct name *name, *next;

	HASH_ITER(hh, names->by_key, name, next)
	name_remove(names, name);
	HASH_ITER(hh, names->dirs, listed, after)
	{
		listed->too_many |= listed->state == LIST_LOADING;
		listed->state = LIST_NONE;
		listed->gaps = 0;
	}
}

/* The name's entry. All is forgotten where there are too many; NULL only without memory. */
static struct name *name_make(struct names *names, const struct name_key *key)
{
	struct name *name = name_find(names, key);

	if (name)
		return name;
	if (HASH_COUNT(names->by_key) >= HOLDER_NAMES_MAX)
		forget_all(names);
	name = calloc(1, sizeof(*name));
	if (!name)
		return NULL;
	name->key = *key;
	list_init(&name->order);
	HASH_ADD(hh, names->by_key, key, sizeof(name->key), name);
	return name;
}

/* What the directory has said last. */
static void name_set(struct names *names, struct name *name, uint64_t obj, uint64_t cookie)
{
	struct listed *listed = listed_find(names, name->key.dir);
	struct list *at;

	if (name->gap)
		return;
	name->obj = obj;
	if (!cookie || !listed)
		return;
	name->cookie = cookie;
	list_remove(&name->order);
	at = listed->order.prev;
	while (at != &listed->order && list_entry(at, struct name, order)->cookie > cookie)
		at = at->prev;
	list_push_back(at->next, &name->order);
}

/* --- looking a name up -------------------------------------------------------------------------------------------------- */

static void found(struct holder *holder, struct op *op, uint64_t obj)
{
	struct msg fields = {.obj = obj};

	op->msg.type = REQ_LOOKUP;
	op->msg.obj = obj;
	op->msg.seg = op->msg.dir > DIR_UNNAMED ? SEG_MEMORY : SEG_NONE;
	op->msg.cookie = 1; /* the name is known */
	if (bus_reaches(holder->bus, object_home(obj)))
		attrs_found(holder, op);
	else if (op->msg.seg == SEG_MEMORY)
		op_finish(holder, op, -EIO, NULL); /* the kernel would take the size from the answer */
	else
		op_finish(holder, op, 0, &fields); /* rmdir must still be able to find it */
}

void request_lookup(struct holder *holder, struct op *op)
{
	struct names *names = holder->names;
	struct name_key key;
	const struct name *name;
	struct msg msg = {.type = MSG_LOOKUP, .dir = op->msg.dir};

	op->msg.cookie = 0;
	if (!key_make(&key, op->msg.dir, &op->msg.payload)) {
		op_finish(holder, op, -ENOENT, NULL);
		return;
	}
	name = name_find(names, &key);
	if (name && !name->gap) {
		found(holder, op, name->obj);
	} else if (!name && list_state(names, key.dir) == LIST_COMPLETE) {
		op_finish(holder, op, -ENOENT, NULL);
	} else {
		op_keep_payload(op);
		msg.payload = op->msg.payload;
		op_call(holder, op, DIRECTORY_NUMBER, &msg);
	}
}

static void looked_up(struct holder *holder, struct op *op, const struct msg *reply)
{
	struct name_key key;
	struct name *name;

	if (reply->error) {
		op_finish(holder, op, reply->error, NULL);
		return;
	}
	if (key_make(&key, op->msg.dir, &op->msg.payload)) {
		name = name_make(holder->names, &key);
		if (name)
			name_set(holder->names, name, reply->obj, 0);
	}
	found(holder, op, reply->obj);
}

/* --- listing ------------------------------------------------------------------------------------------------------------ */

static struct payload records(struct names *names, const struct listed *listed, uint64_t cookie)
{
	char *text = bus_scratch(names->holder->bus, LIST_BYTES);
	size_t used = 0;
	struct list *link, *after;

	list_for_each_safe(link, after, &listed->order)
	{
		const struct name *name = list_entry(link, struct name, order);
		char record[OBJECT_NAME_BYTES + 48];
		int length;

		if (name->cookie <= cookie)
			continue;
		length = snprintf(record, sizeof(record), "%" PRIu64 " %" PRIu64 " %s", name->cookie, name->obj,
		                  name->key.name) + 1;
		if (used + (size_t)length > LIST_BYTES)
			break;
		memcpy(text + used, record, (size_t)length);
		used += (size_t)length;
	}
	return used ? payload_bytes(text, used) : (struct payload){0};
}

static void pass_on(struct names *names, struct op *op)
{
	struct msg msg = {.type = MSG_LIST, .dir = op->msg.dir, .cookie = op->msg.cookie};

	list_remove(&op->link);
	op->stage = LIST_PASSED_ON;
	op_call(names->holder, op, DIRECTORY_NUMBER, &msg);
}

static bool load(struct names *names, uint64_t dir, uint64_t cookie)
{
	struct msg msg = {.type = REQ_LIST, .dir = dir, .cookie = cookie, .flags = REQUEST_KEEP};
	struct op *op = op_new(names->holder, 0, &msg);

	if (!op)
		return false;
	op->stage = LIST_LOADS;
	msg.type = MSG_LIST;
	op_call(names->holder, op, DIRECTORY_NUMBER, &msg);
	return true;
}

static void listed_free(struct names *names, struct listed *listed)
{
	HASH_DEL(names->dirs, listed);
	free(listed);
}

/* Those who wait for the list: it is there, or not to be kept. */
static void lists_go_on(struct names *names, struct listed *listed)
{
	struct list *link, *after;

	if (listed->state == LIST_LOADING || listed->gaps)
		return;
	list_for_each_safe(link, after, &listed->waiting)
	{
		struct op *op = list_entry(link, struct op, link);
		struct msg fields = {0};

		if (listed->state == LIST_NONE) {
			pass_on(names, op);
			continue;
		}
		fields.payload = records(names, listed, op->msg.cookie);
		op_finish(names->holder, op, 0, &fields);
	}
	if (listed->state == LIST_NONE && !listed->too_many)
		listed_free(names, listed);
}

void request_list(struct holder *holder, struct op *op)
{
	struct names *names = holder->names;
	uint64_t dir = op->msg.dir;
	struct listed *listed;

	if (!bus_reaches(holder->bus, DIRECTORY_NUMBER)) {
		op_finish(holder, op, -EIO, NULL);
		return;
	}
	listed = listed_make(names, dir);
	if (!listed) {
		op_finish(holder, op, -ENOMEM, NULL);
		return;
	}
	list_push_back(&listed->waiting, &op->link);
	if (listed->state == LIST_NONE && !listed->too_many && load(names, dir, 0))
		listed->state = LIST_LOADING;
	lists_go_on(names, listed);
}

/* "COOKIE OBJ NAME\0" records; the last cookie. */
static uint64_t take_records(struct names *names, uint64_t dir, const struct payload *payload)
{
	const char *at = payload->bytes, *end = at + payload->length_bytes;
	uint64_t cookie = 0;

	while (at < end && memchr(at, 0, (size_t)(end - at))) {
		char *text;
		uint64_t obj;
		struct name_key key;
		struct name *name = NULL;
		struct payload rest;

		cookie = strtoull(at, &text, 10);
		obj = strtoull(text, &text, 10);
		rest = payload_bytes(text + 1, strlen(text) ? strlen(text + 1) : 0);
		if (*text == ' ' && obj && cookie && key_make(&key, dir, &rest))
			name = name_make(names, &key);
		if (name)
			name_set(names, name, obj, cookie);
		at += strlen(at) + 1;
	}
	return cookie;
}

static void loaded(struct holder *holder, struct op *op, const struct msg *reply)
{
	struct names *names = holder->names;
	struct listed *listed = listed_find(names, op->msg.dir);
	uint64_t cookie = 0;

	op_finish(holder, op, 0, NULL);
	if (!listed || listed->state != LIST_LOADING)
		return;
	if (reply->error)
		listed->state = LIST_NONE;
	else if (reply->payload.length_bytes)
		cookie = take_records(names, listed->dir, &reply->payload);
	else
		listed->state = LIST_COMPLETE;
	if (listed->state == LIST_LOADING && !(cookie && load(names, listed->dir, cookie)))
		listed->state = LIST_NONE;
	lists_go_on(names, listed);
}

/* --- what the directory says --------------------------------------------------------------------------------------------- */

static void recalled(struct names *names, const struct name_key *key)
{
	struct listed *listed = listed_find(names, key->dir);
	bool kept = listed && listed->state != LIST_NONE;
	struct name *name = kept ? name_make(names, key) : name_find(names, key);

	kept = listed && listed->state != LIST_NONE; /* there may have been too many */
	if (name && !kept) {
		name_remove(names, name);
	} else if (name && !name->gap) {
		name->gap = true;
		listed->gaps++;
	}
}

/* The directory is no more: what waits for its list asks, and hears so. */
static void all_recalled(struct names *names, uint64_t dir)
{
	struct listed *listed = listed_find(names, dir);

	dir_forget(names, dir);
	if (listed)
		lists_go_on(names, listed);
}

void held_names_recall(struct holder *holder, uint32_t from, const struct msg *msg)
{
	struct msg reply = *msg;
	struct name_key key;

	if (key_make(&key, msg->dir, &msg->payload))
		recalled(holder->names, &key);
	else
		all_recalled(holder->names, msg->dir);
	reply.type = MSG_NAME_RECALLED;
	bus_send(holder->bus, from, &reply);
}

void held_names_told(struct holder *holder, const struct msg *msg)
{
	struct names *names = holder->names;
	struct listed *listed = listed_find(names, msg->dir);
	struct name_key key;
	struct name *name;

	if (!listed || listed->state == LIST_NONE || !key_make(&key, msg->dir, &msg->payload))
		return;
	name = msg->obj ? name_make(names, &key) : name_find(names, &key);
	if (name && name->gap) {
		name->gap = false;
		listed->gaps--;
	}
	if (name && msg->obj)
		name_set(names, name, msg->obj, msg->cookie);
	else if (name)
		name_remove(names, name);
	lists_go_on(names, listed);
}

void held_names_replied(struct holder *holder, struct op *op, const struct msg *reply)
{
	struct msg fields = {.payload = reply->payload};

	if (op->msg.type == REQ_LOOKUP && !op->msg.cookie)
		looked_up(holder, op, reply);
	else if (op->msg.type == REQ_LOOKUP)
		attrs_replied(holder, op, reply);
	else if (op->stage == LIST_LOADS)
		loaded(holder, op, reply);
	else
		op_finish(holder, op, reply->error, &fields);
}

void held_names_forget_all(struct names *names, int error)
{
	struct listed *listed, *after;

	forget_all(names);
	HASH_ITER(hh, names->dirs, listed, after)
	{
		ops_fail(names->holder, &listed->waiting, error);
		listed_free(names, listed);
	}
}

struct names *held_names_new(struct holder *holder)
{
	struct names *names = calloc(1, sizeof(*names));

	if (names)
		names->holder = holder;
	return names;
}

void held_names_free(struct names *names)
{
	struct listed *listed, *after;

	if (!names)
		return;
	forget_all(names);
	HASH_ITER(hh, names->dirs, listed, after)
	listed_free(names, listed);
	free(names);
}
