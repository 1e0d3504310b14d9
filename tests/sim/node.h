/*
 * node.h: one simulated node: a daemon (core, store, run), a kernel, programs.
 */
#ifndef NETMEM_SIM_NODE_H
#define NETMEM_SIM_NODE_H

#include "run/run.h"
#include "sim.h"

#define NODE_THREADS 8

struct thread;

enum node_state { NODE_STARTING, NODE_UP, NODE_LEAVING, NODE_DEAD };

struct node {
	struct sim *sim;
	unsigned index;
	char name[16];
	enum node_state state;
	struct run *run;
	uint32_t number;
	bool old_kernel;
	bool silent; /* died without a word */
	uint64_t paused_until_ns;
	uint64_t daemon_last_ns; /* when the last request reaches the daemon: FIFO */
	uint64_t deadline_ns;
	uint64_t tick_at_ns;     /* the earliest call under way for it */
	uint64_t last_tick_ns;
	unsigned ticks_in_a_row;
	struct side *slots[NODES_MAX];
	struct list tasks;
	struct inode *inodes;
	struct showing *showings;  /* all there ever were */
	struct request **requests; /* by token - 1 */
	uint64_t request_count, request_room;
	uint64_t attr_version;
	unsigned threads;          /* running */
	struct thread *thread_list[NODE_THREADS]; /* those that a kill may hit */
	unsigned threads_made;
	bool ending;               /* its programs end, then it leaves */
	bool surveyed;
};

struct node *node_start(struct sim *sim, const struct node *join);
/* The node is gone from one moment to the next. */
void node_die(struct node *node, bool silent);
/* Its programs are gone; says good-bye. */
void node_leave(struct node *node);
void node_pause(struct node *node, uint64_t until_ns);
struct node *node_by_number(struct sim *sim, uint32_t number);
void node_event(struct node *node, const struct event *event);
/* A request, an interrupt of one, or a finished invalidation on its way to the daemon. */
void node_submit(struct request *request);
void node_interrupt(struct request *request);
void node_free(struct node *node);

static inline bool node_alive(const struct node *node)
{
	return node->state == NODE_STARTING || node->state == NODE_UP || node->state == NODE_LEAVING;
}

#endif
