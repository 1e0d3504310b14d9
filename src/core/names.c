/*
 * names.c: the directory service, a plain state machine at node number 1: (directory, name) -> object. It is the only
 * judge of names in the cluster, so that of two racing mkdir exactly one wins. It tells an object's home how the object
 * is named (MSG_LINK); what lives and dies is the home's business.
 */
#include "internal.h"

#include <stdio.h>

struct name_key {
	uint32_t dir;
	char name[OBJECT_NAME_BYTES];
};

struct name_entry {
	struct name_key key; /* zero behind the name */
	uint64_t obj;
	uint64_t cookie; /* position in listings */
	struct list order;
	UT_hash_handle hh;
	UT_hash_handle hh_obj;
};

static int key_make(struct name_key *key, unsigned dir, const char *name, size_t length)
{
	if (length >= OBJECT_NAME_BYTES)
		return -ENAMETOOLONG;
	if (!length || memchr(name, '/', length) || memchr(name, 0, length) || (length == 1 && name[0] == '.') ||
	    (length == 2 && !memcmp(name, "..", 2)))
		return -EINVAL;
	if (dir == DIR_ROOT && length == 7 && !memcmp(name, ".netmem", 7))
		return -EEXIST;
	memset(key, 0, sizeof(*key));
	key->dir = dir;
	memcpy(key->name, name, length);
	return 0;
}

static struct name_entry *entry_find(struct core *core, const struct name_key *key)
{
	struct name_entry *entry;

	HASH_FIND(hh, core->names, key, sizeof(*key), entry);
	return entry;
}

static struct name_entry *entry_by_obj(struct core *core, uint64_t obj)
{
	struct name_entry *entry;

	HASH_FIND(hh_obj, core->names_by_obj, &obj, sizeof(obj), entry);
	return entry;
}

static void tell_home(struct core *core, uint64_t obj, unsigned link)
{
	struct msg msg = {.type = MSG_LINK, .obj = obj, .flags = link};

	core_send(core, session_slot(core, object_home(obj)), &msg);
}

static unsigned dir_link(unsigned dir)
{
	return dir == DIR_ROOT ? LINK_NAMED : LINK_UNNAMED;
}

static void entry_add(struct core *core, const struct name_key *key, uint64_t obj)
{
	struct name_entry *entry = calloc(1, sizeof(*entry));

	CHECK(entry);
	entry->key = *key;
	entry->obj = obj;
	entry->cookie = core->next_cookie++;
	HASH_ADD(hh, core->names, key, sizeof(entry->key), entry);
	HASH_ADD(hh_obj, core->names_by_obj, obj, sizeof(entry->obj), entry);
	list_push_back(&core->names_order, &entry->order);
}

static void entry_remove(struct core *core, struct name_entry *entry)
{
	HASH_DELETE(hh, core->names, entry);
	HASH_DELETE(hh_obj, core->names_by_obj, entry);
	list_remove(&entry->order);
	free(entry);
}

static int payload_key(struct name_key *key, unsigned dir, const struct payload *payload)
{
	return key_make(key, dir, payload->bytes, strnlen(payload->bytes, payload->length_bytes));
}

static int insert(struct core *core, const struct msg *msg)
{
	struct name_key key;
	int error = payload_key(&key, msg->dir, &msg->payload);

	if (error)
		return error;
	if (entry_find(core, &key) || entry_by_obj(core, msg->obj))
		return -EEXIST;
	entry_add(core, &key, msg->obj);
	tell_home(core, msg->obj, dir_link(msg->dir));
	return 0;
}

static int lookup(struct core *core, const struct msg *msg, uint64_t *obj)
{
	struct name_key key;
	int error = payload_key(&key, msg->dir, &msg->payload);
	struct name_entry *entry;

	if (error)
		return error == -ENAMETOOLONG ? error : -ENOENT;
	entry = entry_find(core, &key);
	if (!entry)
		return -ENOENT;
	*obj = entry->obj;
	return 0;
}

/* By name, by object where the name is empty, by both where both are given. */
static int remove_name(struct core *core, const struct msg *msg)
{
	struct name_entry *entry;
	struct name_key key;

	if (msg->payload.length_bytes && *(const char *)msg->payload.bytes) {
		int error = payload_key(&key, msg->dir, &msg->payload);

		if (error)
			return error == -ENAMETOOLONG ? error : -ENOENT;
		entry = entry_find(core, &key);
		if (entry && msg->obj && entry->obj != msg->obj)
			entry = NULL;
	} else {
		entry = entry_by_obj(core, msg->obj);
	}
	if (!entry)
		return -ENOENT;
	tell_home(core, entry->obj, LINK_NONE);
	entry_remove(core, entry);
	return 0;
}

static int rename_name(struct core *core, const struct msg *msg)
{
	const char *old = msg->payload.bytes;
	size_t length = strnlen(old, msg->payload.length_bytes);
	struct name_key from, to;
	struct name_entry *entry;
	uint64_t obj;
	int error = key_make(&from, msg->dir, old, length);

	if (error || length >= msg->payload.length_bytes)
		return error == -ENAMETOOLONG ? error : -ENOENT;
	error = key_make(&to, msg->to_dir, old + length + 1,
	                 strnlen(old + length + 1, msg->payload.length_bytes - length - 1));
	if (error)
		return error;
	entry = entry_find(core, &from);
	if (!entry)
		return -ENOENT;
	if (!memcmp(&from, &to, sizeof(to)))
		return 0;
	if (entry_find(core, &to))
		return msg->flags & REQUEST_NOREPLACE ? -EEXIST : -ENOTEMPTY;
	obj = entry->obj;
	entry_remove(core, entry);
	entry_add(core, &to, obj);
	tell_home(core, obj, dir_link(msg->to_dir));
	return 0;
}

/* Entries are in the order of their cookies, so a listing that is continued misses none that stayed. */
static void list_names(struct core *core, const struct msg *msg, struct msg *reply)
{
	char *text = core_scratch(core, MSG_PAYLOAD_BYTES);
	size_t used = 0;
	struct list *link, *after;

	list_for_each_safe(link, after, &core->names_order)
	{
		const struct name_entry *entry = list_entry(link, struct name_entry, order);
		char record[OBJECT_NAME_BYTES + 48];
		int length;

		if (entry->cookie <= msg->cookie || entry->key.dir != msg->dir)
			continue;
		length = snprintf(record, sizeof(record), "%llu %llu %s", (unsigned long long)entry->cookie,
		                  (unsigned long long)entry->obj, entry->key.name) + 1;
		if (used + (size_t)length > MSG_PAYLOAD_BYTES)
			break;
		memcpy(text + used, record, (size_t)length);
		used += (size_t)length;
	}
	reply->payload = used ? payload_bytes(text, used) : (struct payload){0};
}

void names_message(struct core *core, uint32_t slot, const struct msg *msg)
{
	struct msg reply = {0};
	int error = 0;

	if (core->number != DIRECTORY_NUMBER) {
		if (msg->type != MSG_GONE)
			core_answer(core, slot, msg->req, -EIO, NULL);
		return;
	}
	switch (msg->type) {
	case MSG_INSERT:
		error = insert(core, msg);
		break;
	case MSG_LOOKUP:
		error = lookup(core, msg, &reply.obj);
		break;
	case MSG_REMOVE:
		error = remove_name(core, msg);
		break;
	case MSG_RENAME:
		error = rename_name(core, msg);
		break;
	case MSG_LIST:
		list_names(core, msg, &reply);
		break;
	default: {
		struct name_entry *entry = entry_by_obj(core, msg->obj);

		if (entry)
			entry_remove(core, entry);
		return;
	}
	}
	core_answer(core, slot, msg->req, error, &reply);
}

void names_drop_home(struct core *core, uint32_t number)
{
	struct list *link, *after;
	unsigned dropped = 0;

	list_for_each_safe(link, after, &core->names_order)
	{
		struct name_entry *entry = list_entry(link, struct name_entry, order);

		if (object_home(entry->obj) != number)
			continue;
		entry_remove(core, entry);
		dropped++;
	}
	if (dropped)
		core_log(core, LOG_LEVEL_WARNING, "%u objects whose home was %s are gone with it", dropped,
		         session_member_name(core, number));
}

void names_fini(struct core *core)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &core->names_order)
		entry_remove(core, list_entry(link, struct name_entry, order));
}
