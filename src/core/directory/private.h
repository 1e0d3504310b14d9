/* private.h: the directory, inside: the table of names (names.c) and changes to it (directory.c). */
#ifndef NETMEM_CORE_DIRECTORY_PRIVATE_H
#define NETMEM_CORE_DIRECTORY_PRIVATE_H

#include <uthash.h>

#include "core/directory/directory.h"

struct name_key {
	uint32_t dir;
	char name[OBJECT_NAME_BYTES]; /* zero behind the name */
};

struct name {
	struct name_key key;
	uint64_t obj;
	uint64_t cookie; /* position in lists */
	node_set sharers; /* nodes that may keep it, besides those that keep the list */
	struct list order;
	UT_hash_handle hh;
	UT_hash_handle hh_obj;
};

struct names {
	struct bus *bus;
	struct name *by_key;
	struct name *by_obj;
	struct list order; /* by cookie */
	uint64_t next_cookie;
};

/* 0, or what is wrong with the name: -ENAMETOOLONG, -EINVAL, -EEXIST for what cannot be made. */
int name_key_make(struct name_key *key, unsigned dir, const char *name, size_t length);
struct name *name_find(struct names *names, const struct name_key *key);
struct name *name_by_obj(struct names *names, uint64_t obj);
/* NULL if there is no memory for it. */
struct name *name_add(struct names *names, const struct name_key *key, uint64_t obj);
void name_remove(struct names *names, struct name *name);
/* Records of dir after `cookie`, as many as fit a message. */
struct payload names_list(struct names *names, unsigned dir, uint64_t cookie);

#endif
