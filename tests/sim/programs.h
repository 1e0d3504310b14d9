/*
 * programs.h: what runs on the simulated nodes.
 */
#ifndef NETMEM_SIM_PROGRAMS_H
#define NETMEM_SIM_PROGRAMS_H

#include "kernel.h"

#define THREAD_FILES 3
#define THREAD_ENDS 2

struct thread {
	struct node *node;
	struct request *waiting; /* for the daemon's answer; a kill interrupts it */
	bool killed;
	unsigned operations;     /* still to do */
	struct file files[THREAD_FILES];
	struct end *ends[THREAD_ENDS];
};

/* The node has its mount: its programs start. Those of the first node make the fixed objects first. */
void programs_start(struct node *node);
/* All programs of a node close what they have and end; then the node leaves. */
void programs_leave(struct node *node);
/* Kills a thread that waits for the daemon, if there is one. */
void programs_kill_one(struct sim *sim);
/* On each node that lives, a program that looks at everything. */
void programs_survey(struct sim *sim);
bool programs_surveyed(const struct sim *sim);

#endif
