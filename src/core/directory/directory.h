/*
 * directory.h: the machine that keeps the cluster's names: (directory, name) -> object, or file of an object. The only judge
 * of names, so that of two racing mkdir exactly one wins; it runs at node number 1. It is deterministic, so that it can be
 * replicated: its state follows from its messages and from who is lost, in their order; time only says who is slow.
 *
 * Nodes keep names, and whole lists of them. A change is recalled from all who may keep what it changes, and when all have
 * confirmed it counts, and is answered; of those about the same name one is made at a time.
 */
#ifndef NETMEM_CORE_DIRECTORY_H
#define NETMEM_CORE_DIRECTORY_H

#include "core/bus.h"

struct directory;

struct directory *directory_new(struct bus *bus);
void directory_free(struct directory *directory);

/* INSERT, LOOKUP, REMOVE, RENAME, LIST, GONE, NAME_RECALLED. */
void directory_message(struct directory *directory, uint32_t from, const struct msg *msg);

/* The node keeps no names any more, and waits for nothing. */
void directory_node_lost(struct directory *directory, uint32_t number);
/* The node will not come back: the names of its objects go. */
void directory_node_forgotten(struct directory *directory, uint32_t number);

/* Time limits of recalls; the sessions' ticks come often enough for them. */
void directory_tick(struct directory *directory);

#endif
