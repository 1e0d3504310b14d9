/*
 * net.h: simulated TCP between the nodes. Each direction of a connection is FIFO with its own delays. A connection can
 * break: what is under way is lost from some message on, in each direction, and each end learns of it in its own time.
 * A cut holds messages back; healed in time, they arrive late. A connection is full while much is on its way. A node that dies silently is never heard of again.
 */
#ifndef NETMEM_SIM_NET_H
#define NETMEM_SIM_NET_H

#include "sim.h"

struct packet {
	struct list link;
	uint64_t at_ns;
	bool end; /* of the stream: a reset or an orderly close */
	struct msg msg;
	unsigned char payload[];
};

struct side {
	struct conn *conn;
	struct node *node;
	uint32_t slot;
	bool open;           /* the core has it, until EV_DISCONNECTED */
	bool closed;         /* by this side's core */
	struct list packets; /* on their way to this side */
	uint64_t last_ns;
	bool pumping;
	uint64_t queued_bytes; /* in packets */
	bool full;             /* the other side's core was told so, or is about to be told otherwise */
	bool ended;          /* nothing more can be put on the way to this side */
};

struct conn {
	struct list link;
	struct sim *sim;
	struct side sides[2];
	bool lost; /* one side has seen the end */
};

void net_connect(struct node *node, uint64_t token, const char *address);
void net_send(struct node *node, uint32_t slot, const struct msg *msg);
void net_close(struct node *node, uint32_t slot);

void net_break(struct sim *sim, struct conn *conn);
void net_node_died(struct node *node, bool silent);
void net_cut(struct sim *sim, struct node *a, struct node *b, uint64_t until_ns);
/* At the end of a seed: frees what is on its way. */
void net_fini(struct sim *sim);

#endif
