/*
 * names.h: the little that a mount remembers about names, so that removing an object looks like removing a directory.
 *
 * `rm -r NAME` unlinks NAME/memory, with which the object's name goes at once on every node, and calls rmdir(NAME) after
 * that. So that this says no error, a tombstone stands in for the name: only for the thread that unlinked the memory
 * while it had the directory open, only until its rmdir(), and not for long.
 *
 * The kernel does not say which object it means in rmdir(), nor an object's name in unlink(), so the last lookups are
 * remembered too. All is bounded: what is forgotten costs a clearer error message or an rmdir() by name.
 */
#ifndef NETMEM_FUSE_NAMES_H
#define NETMEM_FUSE_NAMES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "msg/msg.h"

#define NAMES_LOOKUPS_MAX 256
#define NAMES_TOMBSTONES_MAX 64
#define NAMES_TOMBSTONE_NS UINT64_C(5000000000)

struct names;

int names_new(struct names **names);
void names_free(struct names *names);

/* The thread has looked the name up and got this object. */
void names_saw(struct names *names, pid_t pid, enum name_dir dir, const char *name, uint64_t obj);

/* The object that the thread saw last under this name, or 0. */
uint64_t names_object(const struct names *names, pid_t pid, enum name_dir dir, const char *name);

/* The name under which the thread saw the object last. `name` has OBJECT_NAME_BYTES. */
bool names_name(const struct names *names, pid_t pid, uint64_t obj, enum name_dir *dir, char *name);

void names_bury(struct names *names, uint64_t now_ns, pid_t pid, enum name_dir dir, const char *name, uint64_t obj,
                const struct object_attr *attr);

/* The object that the tombstone stands for, or 0; `attr` may be NULL. */
uint64_t names_buried(const struct names *names, uint64_t now_ns, pid_t pid, enum name_dir dir, const char *name,
                      struct object_attr *attr);

void names_exhume(struct names *names, pid_t pid, enum name_dir dir, const char *name);

#endif
