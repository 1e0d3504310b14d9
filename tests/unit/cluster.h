/*
 * cluster.h: a few nodes in one process for unit tests of the core, each driven through src/run. Messages are delivered
 * in order, what a kernel is to do is done at once or held back, time moves only when told to. A node's kernel has
 * exactly the sizes that it is shown, that answers tell it, and that its own writes lead to. For random schedules and a
 * model of the kernel see tests/sim.
 *
 * In the environment, CLUSTER_LOG shows what the nodes log and say, and CLUSTER_BREAK is a number of BREAK_*: for trying by
 * hand whether a test can fail.
 */
#ifndef NETMEM_TESTS_UNIT_CLUSTER_H
#define NETMEM_TESTS_UNIT_CLUSTER_H

#include "run/run.h"

#define CLUSTER_NODES_MAX 1024 /* in the life of one cluster */
#define CLUSTER_TIMEOUT_NS UINT64_C(4000000000)

struct answer {
	struct msg asked;
	bool done;
	int error;
	uint64_t obj, cookie;
	uint32_t count, flags;
	struct object_attr attr;
	uint32_t length;
	unsigned char bytes[LIST_BYTES];
};

struct cluster;

/* Founds a cluster and lets the others join; fails the test if a node does not become ready. */
struct cluster *cluster_new(unsigned nodes, uint64_t pages_max);
void cluster_free(struct cluster *cluster);
struct core *cluster_core(struct cluster *cluster, unsigned node);
/* Fails the test if the books of a node are not in order. */
void cluster_check(struct cluster *cluster);

/* A further node that joins, under a name of its choice. Returns its index. */
unsigned cluster_join(struct cluster *cluster, const char *name);
const char *cluster_fatal(struct cluster *cluster, unsigned node); /* NULL if none */
bool cluster_ready(struct cluster *cluster, unsigned node);
/* Somebody without a core, who is connected to a node and says what cluster_raw() makes it say. Returns its index. */
unsigned cluster_stranger(struct cluster *cluster, unsigned to);
bool cluster_connected(struct cluster *cluster, unsigned node, unsigned other);

/* Raises a request; cluster_answer() tells how it went. The payload is copied. */
uint64_t cluster_request(struct cluster *cluster, unsigned node, const struct msg *msg, const void *bytes,
                         uint32_t length);
struct answer *cluster_answer(struct cluster *cluster, uint64_t token);

/* Request and delivery of all that follows; fails the test if it is not answered. */
struct answer *cluster_do(struct cluster *cluster, unsigned node, const struct msg *msg, const void *bytes,
                          uint32_t length);

/* The next thing that is under way happens; false if there is none. */
bool cluster_step(struct cluster *cluster);
/* Delivers all messages, until none is under way. */
void cluster_settle(struct cluster *cluster);
void cluster_advance(struct cluster *cluster, uint64_t ns); /* time, with ticks */
void cluster_interrupt(struct cluster *cluster, unsigned node, uint64_t token);

/* While held, the node's kernel does not carry out invalidations and shows; release does all of them, resume none yet. */
void cluster_hold_kernel(struct cluster *cluster, unsigned node);
void cluster_resume_kernel(struct cluster *cluster, unsigned node);
void cluster_release_kernel(struct cluster *cluster, unsigned node);
/* What the kernel has dirty and writes back when the page is invalidated. */
void cluster_dirty(struct cluster *cluster, unsigned node, uint64_t obj, uint64_t page, unsigned char byte);
/* When asked, the node's kernel does not have the page; before this, it has any. */
void cluster_uncache(struct cluster *cluster, unsigned node);
/* So many of the next shows that are to set a size do not take, as during a write(2) that extends the file. */
void cluster_deafen(struct cluster *cluster, unsigned node, unsigned shows);
/* While held, answers to SETATTR do not come to the kernel; release lets all come. */
void cluster_hold_setattr(struct cluster *cluster, unsigned node);
void cluster_release_setattr(struct cluster *cluster, unsigned node);
/* The size of its memory that the node's kernel has. */
uint64_t cluster_kernel_size(struct cluster *cluster, unsigned node, uint64_t obj);

/* How often an end of the node was woken. */
unsigned cluster_wakes(struct cluster *cluster, unsigned node, uint64_t end);

/* Much is queued at the node for the other one; or not any more. */
void cluster_full(struct cluster *cluster, unsigned node, unsigned other, bool full);

void cluster_kill(struct cluster *cluster, unsigned node);
/* The node stops: it neither takes nor says anything, but its connections stay. */
void cluster_freeze(struct cluster *cluster, unsigned node);
void cluster_raw(struct cluster *cluster, unsigned from, unsigned to, const struct msg *msg); /* as if `from` sent it */
/* What the node says of this type from now on is lost. */
void cluster_lose(struct cluster *cluster, unsigned node, enum msg_type type);
void cluster_lose_no_more(struct cluster *cluster, unsigned node, enum msg_type type);
/* How many messages of a type have been delivered to a node; and all that were delivered to any, but PINGs. */
unsigned cluster_count(struct cluster *cluster, unsigned node, enum msg_type type);
unsigned cluster_messages(struct cluster *cluster);
/* The last message of a type that came to a node, without its payload. */
struct msg cluster_last(struct cluster *cluster, unsigned node, enum msg_type type);

#endif
