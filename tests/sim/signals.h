/*
 * signals.h: programs that signal each other, own objects, revoke them and list who may open them, and what must hold then.
 *
 * An end has got at most what was posted to it while it was there, and, unless it is cut, at least what was posted from
 * begin to end while it was open, once a request has been to the home and back. What is revoked cannot be used, an
 * object without its owner is gone, and a list keeps out whom it does not name.
 */
#ifndef NETMEM_SIM_SIGNALS_H
#define NETMEM_SIM_SIGNALS_H

#include "sim.h"

#define SIM_NUMBERS_MAX 128 /* of nodes in a seed */

struct node;
struct object;
struct thread;

/* An open file of an object's signal. */
struct end {
	struct end *next; /* of the object */
	struct node *node;
	struct object *object;
	uint64_t id;
	bool open, reads;
	bool owns, own_begun;
	bool armed, polling, woken, quiet; /* quiet: the last poll found nothing */
	bool some;                /* a "once" found it so that something is pending */
	uint64_t touched; /* reads begun and ended */
	uint64_t taken, must, may;
};

/* What the checker knows of an object besides its words. */
struct owning {
	struct end *ends;
	unsigned posting;     /* posts under way */
	unsigned posts_lost;  /* ended without an answer: may still arrive */
	bool own_begun;       /* it may be owned */
	struct end *owner;    /* it surely was owned by */
	bool owner_gone;
	bool revoke_begun, revoke_done;
	/* The access list: known if no two changes met. */
	bool access_unknown, access_listed;
	int16_t access[SIM_NUMBERS_MAX]; /* by node number; -1: not on the list */
};

/* One operation with the thread's end `slot`. */
void signals_operate(struct thread *thread, unsigned slot);
void signals_close(struct thread *thread, struct end *end);
/* Goes to the home and back, then takes all: what must have come has come. */
void signals_drain(struct thread *thread, struct end *end);
/* ACT_WAKE. */
void signals_woken(struct node *node, uint64_t id);
void signals_node_died(struct node *node);
void signals_link_lost(struct object *object, const struct node *a, const struct node *b);

/* Around an open of a file by name, with the look-ups: what the access list says about it. */
uint32_t signals_open_begin(const struct sim *sim);
void signals_open_end(struct sim *sim, const struct node *node, const struct object *object, uint32_t begun,
                      bool writable, int error);

#endif
