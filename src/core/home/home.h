/*
 * home.h: the machine that keeps the objects that live at this node: their segments' pages, sizes, attributes, users, owners,
 * access lists and signals. It orders all changes to them, and makes one only when every node that has the old state has
 * confirmed that it has it no more.
 */
#ifndef NETMEM_CORE_HOME_H
#define NETMEM_CORE_HOME_H

#include "core/bus.h"

struct home;

struct home *home_new(struct bus *bus);
void home_free(struct home *home);

/* All that msg.h says goes to an object's home; a GONE is the directory's. */
void home_message(struct home *home, uint32_t from, const struct msg *msg);
/* The node is back, or new. */
void home_node_joined(struct home *home, uint32_t number);
/* The node has nothing of this home's objects any more; what it held exclusive is lost. */
void home_node_lost(struct home *home, uint32_t number);

/* While much is queued for the node, it is granted nothing. */
void home_node_full(struct home *home, uint32_t number, bool full);

/* Time limits of recalls, for which the sessions' ticks come often enough; and what has a deadline. */
void home_tick(struct home *home);
uint64_t home_deadline_ns(const struct home *home);

unsigned home_objects(const struct home *home);

/* For the simulator and the tests: whether the books are in order; a message in `why` if not. */
bool home_consistent(const struct home *home, char *why, size_t why_bytes);

#endif
