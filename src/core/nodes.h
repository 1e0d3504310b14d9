/*
 * nodes.h: sets of nodes. A node is a number everywhere; a set has a bit for each node that has a seat, and a node has one
 * while its session lasts. How many can have one at a time, NODES_MAX, is known here and to the sessions only.
 */
#ifndef NETMEM_CORE_NODES_H
#define NETMEM_CORE_NODES_H

#include <stdbool.h>
#include <stdint.h>

#include "msg/limits.h"

typedef uint64_t node_set;
_Static_assert(NODES_MAX <= 64, "a node_set has one bit for each seat");

struct nodes {
	uint32_t numbers[NODES_MAX]; /* by seat; 0: free */
};

/* False if all seats are taken. A node that has one keeps it. */
bool nodes_seat(struct nodes *nodes, uint32_t number);
/* Sets that have the node must be rid of it first. */
void nodes_unseat(struct nodes *nodes, uint32_t number);

/* The node alone; empty if it has no seat. */
node_set nodes_one(const struct nodes *nodes, uint32_t number);

static inline unsigned nodes_count(node_set set)
{
	return (unsigned)__builtin_popcountll(set);
}

/* The next node of the set, from *at on, which starts at 0; 0 at the end. */
uint32_t nodes_next(const struct nodes *nodes, node_set set, unsigned *at);

/* for each node of a set: for (unsigned at = 0; (number = nodes_next(nodes, set, &at));) */

#endif
