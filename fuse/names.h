/*
 * names.h: the objects that programs looked up last, by name. In rmdir() the kernel does not say which object it means,
 * and another one may have the name by then. Only so many are remembered; without, rmdir() goes by the name alone.
 */
#ifndef NETMEM_FUSE_NAMES_H
#define NETMEM_FUSE_NAMES_H

#include <stdint.h>
#include <sys/types.h>

#define NAMES_LOOKUPS_MAX 256

struct names;

int names_new(struct names **names);
void names_free(struct names *names);

/* The thread has looked the name up and got this object. */
void names_saw(struct names *names, pid_t pid, uint64_t dir, const char *name, uint64_t obj);

/* The object that the thread saw last under this name, or 0. */
uint64_t names_object(const struct names *names, pid_t pid, uint64_t dir, const char *name);

#endif
