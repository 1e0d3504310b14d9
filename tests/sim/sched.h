/*
 * sched.h: virtual time. A heap of calls to make at a time, tasks (coroutines, so that a simulated thread reads like a
 * thread), wait queues, and the seed's random numbers. Whatever happens, happens in the order of the heap: the same
 * seed gives the same run.
 */
#ifndef NETMEM_SIM_SCHED_H
#define NETMEM_SIM_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

#include "base/list.h"

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)
#define NEVER UINT64_MAX

typedef void call_function(void *context, uint64_t argument);

struct call {
	uint64_t at_ns;
	uint64_t order;
	call_function *function;
	void *context;
	uint64_t argument;
};

struct stack;

struct sched {
	uint64_t now_ns;
	uint64_t order;
	struct call *heap;
	size_t count, room;
	uint64_t random;
	struct task *current;
	ucontext_t main;
	struct list tasks;
	struct stack *stacks; /* free ones, kept from seed to seed */
	struct chunk *chunks; /* memory of this seed */
	struct chunk *free_chunks;
	size_t chunk_used;
};

/* A simulated thread. It runs until it sleeps or waits; a killed one is never run again. */
struct task {
	struct list link;       /* in sched.tasks */
	struct list wait_link;  /* in a waitq */
	struct list owner_link; /* in its owner's list */
	struct sched *sched;
	void (*run)(void *argument);
	void *argument;
	const char *waits_for;
	struct stack *stack;
	ucontext_t ucontext;
	bool dead;
};

struct waitq {
	struct list tasks;
};

void sched_init(struct sched *sched);
void sched_fini(struct sched *sched);
/* Ready for a new seed: nothing is left of the one before. */
void sched_reset(struct sched *sched, uint64_t seed);
void sched_at(struct sched *sched, uint64_t at_ns, call_function *function, void *context, uint64_t argument);
/* Makes the next call; false if there is none. */
bool sched_step(struct sched *sched);
/* Zeroed memory that lives until the next sched_reset(). */
void *sched_alloc(struct sched *sched, size_t bytes);

struct task *task_start(struct sched *sched, struct list *owner, void (*run)(void *argument), void *argument);
void task_kill(struct task *task);
/* Only within a task: */
void task_sleep(struct sched *sched, uint64_t ns);
void task_wait(struct sched *sched, struct waitq *queue, const char *what);

void waitq_init(struct waitq *queue);
void waitq_wake(struct sched *sched, struct waitq *queue);

uint64_t random_next(struct sched *sched);
/* 0 .. below - 1 */
uint64_t random_below(struct sched *sched, uint64_t below);
bool random_permille(struct sched *sched, unsigned permille);
/* A delay around `mean`, now and then far more. */
uint64_t random_delay(struct sched *sched, uint64_t mean_ns);

#endif
