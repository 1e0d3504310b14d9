/*
 * cluster.h: a few nodes in one process for unit tests of the core, each driven through src/run. Messages are delivered
 * in order, invalidations are done at once or held back, time moves only when told to. For random schedules and a
 * model of the kernel see tests/sim.
 */
#ifndef NETMEM_TESTS_UNIT_CLUSTER_H
#define NETMEM_TESTS_UNIT_CLUSTER_H

#include "run/run.h"

#define CLUSTER_NODES_MAX 8

struct answer {
	bool done;
	int error;
	uint64_t obj, cookie;
	uint32_t count, flags;
	struct object_attr attr;
	uint32_t length;
	unsigned char bytes[MSG_PAYLOAD_BYTES];
};

struct cluster;

/* Founds a cluster and lets the others join; fails the test if a node does not become ready. */
struct cluster *cluster_new(unsigned nodes, uint64_t pages_max);
void cluster_free(struct cluster *cluster);
struct core *cluster_core(struct cluster *cluster, unsigned node);

/* A further node that joins, under a name of its choice. Returns its index. */
unsigned cluster_join(struct cluster *cluster, const char *name);
const char *cluster_fatal(struct cluster *cluster, unsigned node); /* NULL if none */
bool cluster_ready(struct cluster *cluster, unsigned node);

/* Raises a request; cluster_answer() tells how it went. The payload is copied. */
uint64_t cluster_request(struct cluster *cluster, unsigned node, const struct msg *msg, const void *bytes,
                         uint32_t length);
struct answer *cluster_answer(struct cluster *cluster, uint64_t token);

/* Request and delivery of all that follows; fails the test if it is not answered. */
struct answer *cluster_do(struct cluster *cluster, unsigned node, const struct msg *msg, const void *bytes,
                          uint32_t length);

/* Delivers all messages, until none is under way. */
void cluster_settle(struct cluster *cluster);
void cluster_advance(struct cluster *cluster, uint64_t ns); /* time, with ticks */
void cluster_interrupt(struct cluster *cluster, unsigned node, uint64_t token);

/* While held, the node's kernel does not answer invalidations; release answers all of them. */
void cluster_hold_invalidations(struct cluster *cluster, unsigned node);
void cluster_release_invalidations(struct cluster *cluster, unsigned node);
/* What the kernel has dirty and writes back when the page is invalidated. */
void cluster_dirty(struct cluster *cluster, unsigned node, uint64_t obj, uint64_t page, unsigned char byte);

/* How often an end of the node was woken. */
unsigned cluster_wakes(struct cluster *cluster, unsigned node, uint64_t end);

void cluster_kill(struct cluster *cluster, unsigned node);
void cluster_raw(struct cluster *cluster, unsigned from, unsigned to, const struct msg *msg); /* as if `from` sent it */
/* How many messages of a type have been delivered to a node. */
unsigned cluster_count(struct cluster *cluster, unsigned node, enum msg_type type);
/* The last message of a type that came to a node, without its payload. */
struct msg cluster_last(struct cluster *cluster, unsigned node, enum msg_type type);

#endif
