/* private.h: the directory, inside: the table of names (names.c) and changes to it (directory.c). */
#ifndef NETMEM_CORE_DIRECTORY_PRIVATE_H
#define NETMEM_CORE_DIRECTORY_PRIVATE_H

#include <uthash.h>

#include "core/directory/directory.h"

struct name_key {
	uint64_t dir;
	char name[OBJECT_NAME_BYTES]; /* zero behind the name; all zero: all names of dir */
};

struct name {
	struct name_key key;
	uint64_t obj;
	uint64_t cookie; /* position in lists */
	node_set sharers; /* nodes that may keep it, besides those that keep the list */
	struct list order; /* in its directory's, by cookie */
	UT_hash_handle hh;
	UT_hash_handle hh_obj;
};

struct dir {
	uint64_t id;
	node_set listers; /* keep the list */
	struct list order;
	unsigned count;
	UT_hash_handle hh;
};

struct names {
	struct bus *bus;
	struct name *by_key;
	struct name *by_obj;
	struct dir *dirs;
	uint64_t next_cookie;
};

/* 0, or what is wrong with the name: -ENAMETOOLONG, -EINVAL, -EEXIST for what cannot be made. */
int name_key_make(struct name_key *key, uint64_t dir, const char *name, size_t length);
struct dir *dir_find(const struct names *names, uint64_t id);
/* NULL if there is no memory for it. */
struct dir *dir_make(struct names *names, uint64_t id);
/* With the names in it. */
void dir_remove(struct names *names, struct dir *dir);
struct name *name_find(struct names *names, const struct name_key *key);
struct name *name_by_obj(struct names *names, uint64_t obj);
/* NULL if there is no memory for it. Its directory exists. */
struct name *name_add(struct names *names, const struct name_key *key, uint64_t obj);
void name_remove(struct names *names, struct name *name);
/* The name stands for another object from now on, which has no name; its place in lists stays. */
void name_turn(struct names *names, struct name *name, uint64_t obj);
/* Records of dir after `cookie`, as many as fit a message. */
struct payload names_list(struct names *names, const struct dir *dir, uint64_t cookie);

#endif
