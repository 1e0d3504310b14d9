/*
 * inode.h: inode numbers and attributes. A number says all about its inode, so there is no table of them: forgetting
 * one is nothing to do, and the kernel may ask for one that it learnt long ago.
 */
#ifndef NETMEM_FUSE_INODE_H
#define NETMEM_FUSE_INODE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "msg/msg.h"

/* Inodes that are the same on every mount. An object's id is at least 1 << OBJECT_COUNT_BITS, so none collides. */
enum {
	INODE_ROOT = 1,
	INODE_META = 2,     /* .netmem */
	INODE_NODES = 3,    /* .netmem/nodes */
	INODE_STATUS = 4,   /* .netmem/status */
	INODE_METRICS = 5,  /* .netmem/metrics */
	INODE_VERSION = 6,  /* .netmem/version */
	INODE_UNNAMED = 7,  /* .netmem/unnamed */
	INODE_SELF = 8,     /* .netmem/.self: the notifier threads' way to the memory of objects; nobody else finds any */
	INODE_FIXED_END = 9
};

/* The inodes of an object: its directory and three texts go by its id, each of its files by an id of its own. */
enum inode_kind { KIND_DIR = 0, KIND_FILE = 1, KIND_CONTROL = 2, KIND_STATUS = 3, KIND_SIGNAL = 4, KINDS = 5 };

#define INODE_KIND_BITS 3

static inline uint64_t inode_of(uint64_t obj, enum inode_kind kind)
{
	return obj << INODE_KIND_BITS | (uint64_t)kind;
}

/* The id of the object, or of its file. */
static inline uint64_t inode_object(uint64_t ino)
{
	return ino >> INODE_KIND_BITS;
}

static inline enum inode_kind inode_kind(uint64_t ino)
{
	return (enum inode_kind)(ino & ((1u << INODE_KIND_BITS) - 1));
}

/* Whether it is an inode of an object or of its file, of a kind that exists. */
bool inode_is_object(uint64_t ino);

/* KIND_CONTROL, KIND_STATUS or KIND_SIGNAL, if that is what the name is in each object's directory; else -1. */
int inode_kind_of_name(const char *name);

/* The file in .netmem of this name: an INODE_*, or 0. Its name: NULL for an inode that is not listed there. */
uint64_t inode_meta_of_name(const char *name);
const char *inode_meta_name(uint64_t ino);

/* What stat() shows of such an inode; `attr` is its file's or its object's. */
void inode_fill(uint64_t ino, const struct object_attr *attr, struct stat *st);

/* What stat() shows of a fixed inode. Owner and times are those of the mount. */
struct inode_mount {
	uint32_t uid;
	uint32_t gid;
	struct timespec time;
};
void inode_fill_fixed(uint64_t ino, const struct inode_mount *mount, struct stat *st);

#endif
