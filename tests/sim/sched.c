#include "sched.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define STACK_BYTES (96 * 1024)
#define CHUNK_BYTES (256 * 1024)

struct stack {
	struct stack *next;
	_Alignas(16) char bytes[STACK_BYTES];
};

struct chunk {
	struct chunk *next;
	_Alignas(16) char bytes[CHUNK_BYTES];
};

/* --- memory ---------------------------------------------------------------------------------------------------- */

void *sched_alloc(struct sched *sched, size_t bytes)
{
	void *memory;

	bytes = (bytes + 15) & ~(size_t)15;
	CHECK(bytes <= CHUNK_BYTES);
	if (!sched->chunks || sched->chunk_used + bytes > CHUNK_BYTES) {
		struct chunk *chunk = sched->free_chunks;

		if (chunk)
			sched->free_chunks = chunk->next;
		else
			chunk = malloc(sizeof(*chunk));
		CHECK(chunk);
		chunk->next = sched->chunks;
		sched->chunks = chunk;
		sched->chunk_used = 0;
	}
	memory = sched->chunks->bytes + sched->chunk_used;
	sched->chunk_used += bytes;
	memset(memory, 0, bytes);
	return memory;
}

/* --- random numbers --------------------------------------------------------------------------------------------- */

uint64_t random_next(struct sched *sched)
{
	uint64_t z = sched->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint64_t random_below(struct sched *sched, uint64_t below)
{
	return below ? random_next(sched) % below : 0;
}

bool random_permille(struct sched *sched, unsigned permille)
{
	return random_below(sched, 1000) < permille;
}

uint64_t random_delay(struct sched *sched, uint64_t mean_ns)
{
	uint64_t delay_ns = random_below(sched, 2 * mean_ns + 1);

	return random_permille(sched, 20) ? 20 * delay_ns : delay_ns;
}

/* --- the heap --------------------------------------------------------------------------------------------------- */

static bool call_before(const struct call *a, const struct call *b)
{
	return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

void sched_at(struct sched *sched, uint64_t at_ns, call_function *function, void *context, uint64_t argument)
{
	struct call call = {.at_ns = at_ns < sched->now_ns ? sched->now_ns : at_ns,
	                    .order = sched->order++,
	                    .function = function,
	                    .context = context,
	                    .argument = argument};
	size_t at = sched->count++;

	if (sched->count > sched->room) {
		sched->room = sched->room ? 2 * sched->room : 1024;
		sched->heap = realloc(sched->heap, sched->room * sizeof(*sched->heap));
		CHECK(sched->heap);
	}
	while (at && call_before(&call, &sched->heap[(at - 1) / 2])) {
		sched->heap[at] = sched->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	sched->heap[at] = call;
}

static struct call heap_pop(struct sched *sched)
{
	struct call first = sched->heap[0], last = sched->heap[--sched->count];
	size_t at = 0, child;

	while ((child = 2 * at + 1) < sched->count) {
		if (child + 1 < sched->count && call_before(&sched->heap[child + 1], &sched->heap[child]))
			child++;
		if (!call_before(&sched->heap[child], &last))
			break;
		sched->heap[at] = sched->heap[child];
		at = child;
	}
	sched->heap[at] = last;
	return first;
}

bool sched_step(struct sched *sched)
{
	struct call call;

	if (!sched->count)
		return false;
	call = heap_pop(sched);
	sched->now_ns = call.at_ns;
	call.function(call.context, call.argument);
	return true;
}

/* --- tasks ------------------------------------------------------------------------------------------------------ */

static void stack_put(struct sched *sched, struct task *task)
{
	if (!task->stack)
		return;
	task->stack->next = sched->stacks;
	sched->stacks = task->stack;
	task->stack = NULL;
}

static void task_main(unsigned high, unsigned low)
{
	struct task *task = (struct task *)(((uintptr_t)high << 32) | low);

	task->run(task->argument);
	task->dead = true;
	swapcontext(&task->ucontext, &task->sched->main);
}

static void task_resume(void *context, uint64_t argument)
{
	struct task *task = context;
	struct sched *sched = task->sched;

	(void)argument;
	if (task->dead)
		return;
	sched->current = task;
	swapcontext(&sched->main, &task->ucontext);
	sched->current = NULL;
	if (task->dead) {
		list_remove(&task->owner_link);
		stack_put(sched, task);
	}
}

struct task *task_start(struct sched *sched, struct list *owner, void (*run)(void *argument), void *argument)
{
	struct task *task = sched_alloc(sched, sizeof(*task));
	uintptr_t address = (uintptr_t)task;

	task->sched = sched;
	task->run = run;
	task->argument = argument;
	list_init(&task->wait_link);
	list_push_back(&sched->tasks, &task->link);
	list_push_back(owner, &task->owner_link);
	task->stack = sched->stacks;
	if (task->stack)
		sched->stacks = task->stack->next;
	else
		task->stack = malloc(sizeof(*task->stack));
	CHECK(task->stack);
	getcontext(&task->ucontext);
	task->ucontext.uc_stack.ss_sp = task->stack->bytes;
	task->ucontext.uc_stack.ss_size = STACK_BYTES;
	task->ucontext.uc_link = NULL;
	makecontext(&task->ucontext, (void (*)(void))task_main, 2, (unsigned)(address >> 32), (unsigned)address);
	sched_at(sched, sched->now_ns + random_below(sched, 2000), task_resume, task, 0);
	return task;
}

void task_kill(struct task *task)
{
	if (task->dead)
		return;
	task->dead = true;
	list_remove(&task->wait_link);
	list_remove(&task->owner_link);
	if (task->sched->current != task)
		stack_put(task->sched, task);
}

static void task_yield(struct sched *sched)
{
	struct task *task = sched->current;

	CHECK(task);
	swapcontext(&task->ucontext, &sched->main);
}

void task_sleep(struct sched *sched, uint64_t ns)
{
	sched->current->waits_for = "time";
	sched_at(sched, sched->now_ns + ns, task_resume, sched->current, 0);
	task_yield(sched);
}

void task_wait(struct sched *sched, struct waitq *queue, const char *what)
{
	sched->current->waits_for = what;
	list_push_back(&queue->tasks, &sched->current->wait_link);
	task_yield(sched);
}

void waitq_init(struct waitq *queue)
{
	list_init(&queue->tasks);
}

void waitq_wake(struct sched *sched, struct waitq *queue)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &queue->tasks)
	{
		list_remove(link);
		sched_at(sched, sched->now_ns + random_below(sched, 500), task_resume,
		         list_entry(link, struct task, wait_link), 0);
	}
}

/* --- begin and end ---------------------------------------------------------------------------------------------- */

void sched_init(struct sched *sched)
{
	memset(sched, 0, sizeof(*sched));
	list_init(&sched->tasks);
}

void sched_reset(struct sched *sched, uint64_t seed)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &sched->tasks)
	{
		list_remove(link);
		stack_put(sched, list_entry(link, struct task, link));
	}
	while (sched->chunks) {
		struct chunk *chunk = sched->chunks;

		sched->chunks = chunk->next;
		chunk->next = sched->free_chunks;
		sched->free_chunks = chunk;
	}
	sched->now_ns = 0;
	sched->order = 0;
	sched->count = 0;
	sched->random = seed;
	sched->current = NULL;
}

void sched_fini(struct sched *sched)
{
	sched_reset(sched, 0);
	while (sched->stacks) {
		struct stack *stack = sched->stacks;

		sched->stacks = stack->next;
		free(stack);
	}
	while (sched->free_chunks) {
		struct chunk *chunk = sched->free_chunks;

		sched->free_chunks = chunk->next;
		free(chunk);
	}
	free(sched->heap);
}
