#include "private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int name_key_make(struct name_key *key, uint64_t dir, const char *name, size_t length)
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

struct dir *dir_find(const struct names *names, uint64_t id)
{
	struct dir *dir;

	HASH_FIND(hh, names->dirs, &id, sizeof(id), dir);
	return dir;
}

struct dir *dir_make(struct names *names, uint64_t id)
{
	struct dir *dir;

	if (!bus_take_books(names->bus, sizeof(*dir)))
		return NULL;
	dir = calloc(1, sizeof(*dir));
	if (!dir) {
		bus_give_books(names->bus, sizeof(*dir));
		return NULL;
	}
	dir->id = id;
	list_init(&dir->order);
	HASH_ADD(hh, names->dirs, id, sizeof(dir->id), dir);
	return dir;
}

void dir_remove(struct names *names, struct dir *dir)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &dir->order)
		name_remove(names, list_entry(link, struct name, order));
	HASH_DEL(names->dirs, dir);
	free(dir);
	bus_give_books(names->bus, sizeof(*dir));
}

struct name *name_find(struct names *names, const struct name_key *key)
{
	struct name *name;

	HASH_FIND(hh, names->by_key, key, sizeof(*key), name);
	return name;
}

struct name *name_by_obj(struct names *names, uint64_t obj)
{
	struct name *name;

	HASH_FIND(hh_obj, names->by_obj, &obj, sizeof(obj), name);
	return name;
}

struct name *name_add(struct names *names, const struct name_key *key, uint64_t obj)
{
	struct dir *dir = dir_find(names, key->dir);
	struct name *name;

	if (!bus_take_books(names->bus, sizeof(*name)))
		return NULL;
	name = calloc(1, sizeof(*name));
	if (!name) {
		bus_give_books(names->bus, sizeof(*name));
		return NULL;
	}
	name->key = *key;
	name->obj = obj;
	name->cookie = ++names->next_cookie;
	HASH_ADD(hh, names->by_key, key, sizeof(name->key), name);
	HASH_ADD(hh_obj, names->by_obj, obj, sizeof(name->obj), name);
	list_push_back(&dir->order, &name->order);
	dir->count++;
	return name;
}

void name_remove(struct names *names, struct name *name)
{
	HASH_DELETE(hh, names->by_key, name);
	HASH_DELETE(hh_obj, names->by_obj, name);
	list_remove(&name->order);
	dir_find(names, name->key.dir)->count--;
	free(name);
	bus_give_books(names->bus, sizeof(*name));
}

void name_turn(struct names *names, struct name *name, uint64_t obj)
{
	HASH_DELETE(hh_obj, names->by_obj, name);
	name->obj = obj;
	name->sharers = 0;
	HASH_ADD(hh_obj, names->by_obj, obj, sizeof(name->obj), name);
}

/* Names are in the order of their cookies, so a list that is continued misses none that stayed. */
struct payload names_list(struct names *names, const struct dir *dir, uint64_t cookie)
{
	char *text = bus_scratch(names->bus, LIST_BYTES);
	size_t used = 0;
	struct list *link, *after;

	list_for_each_safe(link, after, &dir->order)
	{
		const struct name *name = list_entry(link, struct name, order);
		char record[OBJECT_NAME_BYTES + 48];
		int length;

		if (name->cookie <= cookie)
			continue;
		length = snprintf(record, sizeof(record), "%llu %llu %s", (unsigned long long)name->cookie,
		                  (unsigned long long)name->obj, name->key.name) + 1;
		if (used + (size_t)length > LIST_BYTES)
			break;
		memcpy(text + used, record, (size_t)length);
		used += (size_t)length;
	}
	return used ? payload_bytes(text, used) : (struct payload){0};
}
