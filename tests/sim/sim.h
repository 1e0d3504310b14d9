/*
 * sim.h: one simulated cluster, made from one seed.
 *
 * The simulator runs the real core (through src/run, with a real src/store) on many simulated nodes in virtual time:
 *
 *   sched.[ch]     virtual time, tasks, random numbers
 *   net.[ch]       connections: FIFO per direction, delays, breaks, cuts, refused and silent ends
 *   kernel.[ch]    what a node's kernel does with FUSE files: page cache, locks, write-back, invalidation, sizes (K1 .. K22)
 *   node.[ch]      a daemon: carries the core's actions out and brings it its events; one node's life
 *   programs.[ch]  what runs on the nodes, and the survey at the end
 *   operate.[ch]   their operations on files, at the ends of files (operate_size.c), on names of objects (operate_names.c)
 *                  and of their files (operate_files.c)
 *   litmus.[ch]    litmus rounds
 *   signals.[ch]   programs that signal, own, revoke
 *   faults.[ch]    what goes wrong and when
 *   checker.[ch]   what must hold: the reference memory, who may cache a page, sizes, attributes, names, answers
 *   register.[ch]  a linearizable register
 *   main.c         seeds, processes, options, the summary
 *
 * Only the words of a page are simulated: PAGE_WORDS of them, one at the start of each block of BLOCK_BYTES.
 */
#ifndef NETMEM_SIM_SIM_H
#define NETMEM_SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "core/core.h"
#include "sched.h"

#define SIM_NODES_MAX 80 /* over a seed's whole life; at most NODES_MAX at a time */
#define OBJECT_PAGES 6
#define PAGE_WORDS 8
#define BLOCK_BYTES (PAGE_BYTES / PAGE_WORDS)
#define SIM_NAMES 5 /* that programs use for objects they make and remove */
#define SIM_FILES 4 /* names of files in an object: `memory`, and what programs make */
#define STORE_PAGES 100000 /* of a node whose store never gets full */

/* What the words of a page are for. */
enum word_use {
	WORD_PLAIN0,   /* mapped loads and stores */
	WORD_PLAIN1,
	WORD_COUNTER,  /* atomic adds */
	WORD_LITMUS_X, /* of litmus rounds only */
	WORD_LITMUS_Y,
	WORD_MIXED0,   /* mapped, and read(2) and write(2) */
	WORD_MIXED1,
	WORD_MIXED2
};

/* Pages that write(2) may fill whole: the others keep their counters and litmus words to themselves. */
static inline bool bulk_page(unsigned page)
{
	return page % 3 == 2;
}

enum {
	FAULT_BREAK = 1 << 0, /* connections break and come back */
	FAULT_CUT = 1 << 1,   /* two nodes do not hear each other for a while */
	FAULT_PAUSE = 1 << 2, /* a daemon stands still */
	FAULT_CRASH = 1 << 3, /* a node dies */
	FAULT_LEAVE = 1 << 4, /* a node goes in good order */
	FAULT_JOIN = 1 << 5   /* new nodes come */
};

struct options {
	unsigned nodes_min, nodes_max; /* 0: as the seed says */
	unsigned breakage;
	int faults;     /* -1: as the seed says */
	int old_kernel; /* -1: as the seed says */
	bool barrier_fallocate; /* old kernels: the barrier is not a read, but fallocate, which deadlocks */
	bool storm;   /* of changes of sizes, in each seed */
	bool trace;
};

/* What the seed decided before the start. */
struct plan {
	unsigned nodes;
	unsigned threads;        /* per node */
	unsigned operations;     /* per thread */
	unsigned objects;        /* made at the start; the first is the litmus rounds' and never truncated */
	unsigned pages;          /* of each */
	unsigned faults;         /* FAULT_* */
	unsigned old_kernels;    /* permille of the nodes */
	unsigned truncates;      /* permille of the operations, and so on */
	unsigned grows;          /* write(2)s that make a file longer */
	unsigned attributes;     /* chmod, utimes, stat */
	unsigned names;
	unsigned files;          /* create, unlink, rename in an object; and how often a file is not its `memory` */
	unsigned kills;
	unsigned signals;        /* permille of the operations: on ends, see signals.h */
	unsigned unnamed;        /* permille of the names: in the directory for unnamed objects */
	bool owns, revokes, reverts;
	bool blind;              /* rmdir need not say what it takes the name for */
	unsigned read_ahead;     /* permille of the faults */
	uint64_t quiet_ns;
	uint64_t store_pages;    /* of each node */
	uint64_t net_delay_ns;   /* means */
	uint64_t daemon_delay_ns;
	uint64_t kernel_delay_ns;
	uint64_t think_ns;
	uint64_t timeout_ns;
	uint64_t fault_every_ns;
	uint64_t full_bytes;     /* on their way to a node: its connection is full then */
};

enum phase {
	PHASE_BOOT,
	PHASE_RUN,    /* programs run, faults strike */
	PHASE_HEAL,   /* no more faults; programs come to their end */
	PHASE_SURVEY, /* everything is looked at again on every node */
	PHASE_DONE
};

struct stats {
	uint64_t steps, operations, messages, loads, stores, adds, writes, truncates, grows, looks, litmus, faults, lost, killed,
		signals, files, full, late_cuts, behind, unsettled;
	uint64_t max_wait_ns;
};

struct node;
struct conn;
struct object;

struct sim {
	struct sched sched;
	const struct options *options;
	struct plan plan;
	uint64_t seed;
	enum phase phase;
	struct node *nodes[SIM_NODES_MAX];
	unsigned node_count;
	struct list conns;
	struct object *objects;
	unsigned segment_count;
	struct object *fixed[SIM_NAMES]; /* the objects made at the start, named fixed0 .. */
	/* Of each ordered pair: changes whenever a connection between the two comes or goes. */
	uint32_t link_generation[SIM_NODES_MAX][SIM_NODES_MAX];
	uint8_t links_up[SIM_NODES_MAX][SIM_NODES_MAX];
	uint64_t cut_until_ns[SIM_NODES_MAX][SIM_NODES_MAX];
	int name_made[SIM_NAMES], name_removals[SIM_NAMES]; /* in the root */
	uint32_t access_begun, access_done; /* changes of access lists */
	struct reg *names; /* what they are, in the root */
	struct litmus *litmus;
	unsigned litmus_late; /* roles of rounds that were given up which have not finished */
	unsigned threads_running;
	bool any_fault;    /* up to now */
	bool homes_gone;    /* a node died or left: names may have gone with their objects */
	bool mkdir_cut_off; /* one may be under way without its program */
	bool failed;
	char why[600];
	struct stats stats;
};

/* Runs one seed; false if something did not hold: see sim->why. The sched is kept from seed to seed. */
bool sim_run(struct sim *sim, uint64_t seed, const struct options *options);

/* The first failure is kept; the run ends soon after. */
void sim_fail(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* One line of the trace: "TIME NODE text". node may be NULL. */
#define sim_trace(sim, node, ...)                                                                                      \
	do {                                                                                                           \
		if ((sim)->options->trace)                                                                             \
			sim_trace_line(sim, node, __VA_ARGS__);                                                        \
	} while (0)
void sim_trace_line(struct sim *sim, const struct node *node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static inline uint64_t sim_now_ns(const struct sim *sim)
{
	return sim->sched.now_ns;
}

#endif
