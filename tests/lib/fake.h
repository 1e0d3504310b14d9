/*
 * fake.h: a directory that looks like a netmemfs mount to the library, for tests that need neither a mount nor root.
 *
 * The program that links fake.c has its own mkdirat(): an object made below .netmem/unnamed of the fake gets its files,
 * as the daemon would give them. Nothing else is special; a destroyed object stays, for one.
 */
#ifndef NETMEM_TESTS_LIB_FAKE_H
#define NETMEM_TESTS_LIB_FAKE_H

#include <stdbool.h>
#include <stddef.h>

#define FAKE_PATH_BYTES 256

/* Of node "Node1", in a cluster with "node2" (up, at 127.0.0.2:7411) and "node3" (down). Sets NETMEM_MOUNT to it. */
void fake_make(void);
void fake_remove(void);

/* "FAKE/NAME", in a static buffer. */
const char *fake_path(const char *name);

/* An object as mkdir would make it; `home` is what its status says. */
void fake_object(const char *name, const char *home);

/* The contents of a file of the fake, in a static buffer. */
const char *fake_text(const char *name);

/* Objects below .netmem/unnamed. */
size_t fake_unnamed(void);

/* From now on, and until fake_make(): objects get no memory, as if the daemon failed halfway. */
void fake_break(void);

#endif
