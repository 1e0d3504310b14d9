/*
 * programs.c: the threads of the simulated nodes, from their start to the survey at the end.
 */
#include "programs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "node.h"
#include "operate.h"
#include "signals.h"

#define SURVEY_TRIES 40

static bool chance(const struct thread *thread, unsigned permille)
{
	return random_permille(&thread->node->sim->sched, permille);
}

static void fixed_name(char *name, size_t bytes, unsigned index)
{
	snprintf(name, bytes, "fixed%u", index);
}

static void close_all(struct thread *thread)
{
	for (unsigned i = 0; i < THREAD_FILES; i++)
		if (thread->files[i].open)
			kernel_close(&thread->files[i]);
	for (unsigned i = 0; i < THREAD_ENDS; i++) {
		if (thread->ends[i] && !thread->killed)
			signals_drain(thread, thread->ends[i]);
		if (thread->ends[i])
			signals_close(thread, thread->ends[i]);
	}
}

/* --- threads -------------------------------------------------------------------------------------------------------- */

static void thread_new(struct node *node, unsigned operations);

static void make_fixed(struct thread *thread)
{
	struct sim *sim = thread->node->sim;

	for (unsigned i = 0; i < sim->plan.objects && !sim->failed; i++) {
		struct msg mkdir = {.type = REQ_MKDIR, .dir = DIR_ROOT, .attr.mode = 0755};
		struct request *made;
		struct object *object;
		struct inode *inode;
		struct file file;
		char name[16];

		fixed_name(name, sizeof(name), i);
		if (operate_name(thread, &mkdir, name, (uint32_t)strlen(name) + 1, &made) ||
		    kernel_walk(thread->node, DIR_ROOT, name, thread, &object) ||
		    object != checker_made(sim, made->obj, made->cookie) ||
		    kernel_lookup(thread->node, object, 0, thread, &inode) ||
		    kernel_open(inode, true, thread, &file) ||
		    kernel_truncate(inode, sim->plan.pages * PAGE_BYTES, thread)) {
			sim_fail(sim, "%s cannot make %s", thread->node->name, name);
			return;
		}
		for (unsigned p = 0; p < OBJECT_PAGES; p++)
			for (unsigned w = 0; w < PAGE_WORDS; w++)
				inode->segment->words[p][w].tainted = false;
		kernel_close(&file);
		inode->segment->steady = !i;
		sim->fixed[i] = object;
	}
	sim->phase = PHASE_RUN;
}

static void thread_run(void *argument)
{
	struct thread *thread = argument;
	struct node *node = thread->node;
	struct sim *sim = node->sim;

	if (!node->index && sim->phase == PHASE_BOOT && !sim->fixed[0] && thread->operations && node->threads == 1)
		make_fixed(thread);
	while (sim->phase == PHASE_BOOT)
		task_sleep(&sim->sched, 50 * US);
	while (thread->operations && !thread->killed && sim->phase == PHASE_RUN && node->state == NODE_UP &&
	       !node->ending) {
		thread->operations--;
		operate(thread);
		task_sleep(&sim->sched, random_delay(&sim->sched, sim->plan.think_ns));
	}
	close_all(thread);
	if (thread->killed && thread->operations && sim->phase == PHASE_RUN)
		thread_new(node, thread->operations);
	node->threads--;
	sim->threads_running--;
}

static void thread_new(struct node *node, unsigned operations)
{
	struct thread *thread = sched_alloc(&node->sim->sched, sizeof(*thread));

	thread->node = node;
	thread->operations = operations;
	node->thread_list[node->threads_made++ % NODE_THREADS] = thread;
	node->threads++;
	node->sim->threads_running++;
	task_start(&node->sim->sched, &node->tasks, thread_run, thread);
}

static void threads_start(void *argument)
{
	struct node *node = argument;
	struct sim *sim = node->sim;

	for (unsigned i = 0; i < sim->plan.threads; i++) {
		thread_new(node, sim->plan.operations);
		/* The very first one is alone until the fixed objects are there. */
		while (sim->phase == PHASE_BOOT)
			task_sleep(&sim->sched, 50 * US);
	}
}

void programs_start(struct node *node)
{
	kernel_background(node);
	task_start(&node->sim->sched, &node->tasks, threads_start, node);
}

static void leave_when_idle(void *argument)
{
	struct node *node = argument;

	while (node->threads)
		task_sleep(&node->sim->sched, 20 * US);
	while (core_requests_open(run_core(node->run)))
		task_sleep(&node->sim->sched, 20 * US);
	node_leave(node);
}

void programs_leave(struct node *node)
{
	if (node->ending)
		return;
	sim_trace(node->sim, node, "## will leave");
	node->ending = true;
	task_start(&node->sim->sched, &node->tasks, leave_when_idle, node);
}

void programs_kill_one(struct sim *sim)
{
	struct node *node = sim->nodes[random_below(&sim->sched, sim->node_count)];

	if (node->state != NODE_UP)
		return;
	for (unsigned i = 0; i < NODE_THREADS; i++) {
		struct thread *thread = node->thread_list[i];

		if (!thread || thread->killed || !thread->waiting || thread->waiting->done || thread->waiting->interrupted)
			continue;
		if (!sim->fixed[0] || sim->phase != PHASE_RUN)
			continue;
		sim_trace(sim, node, "## kill of the program that waits for #%llu",
		          (unsigned long long)thread->waiting->token);
		sim->stats.killed++;
		thread->killed = true;
		thread->waiting->interrupted = true;
		node_interrupt(thread->waiting);
		return;
	}
}

/* --- the survey at the end ------------------------------------------------------------------------------------------ */

/* Whether nothing stands between this node and the object, so that in the end everything must work. */
static bool must_work(const struct node *node, const struct object *object)
{
	struct sim *sim = node->sim;
	const struct node *home = node_by_number(sim, object->home), *directory = sim->nodes[0];

	return node->state == NODE_UP && directory->state == NODE_UP && home && home->state == NODE_UP;
}

/* Loads all, adds and stores on the way. The first error ends it. */
static int look_at(struct thread *thread, struct file *file)
{
	struct inode *inode = file->inode;
	uint64_t value;
	int error = 0;

	for (unsigned p = 0; p < OBJECT_PAGES && (uint64_t)p * PAGE_BYTES < inode->size_bytes; p++) {
		for (unsigned w = 0; w < PAGE_WORDS && !error; w++)
			error = kernel_load(inode, p, w, thread, &value);
		if (!error && file->writable)
			error = kernel_add(inode, p, WORD_COUNTER, thread);
		if (!error && file->writable)
			error = kernel_store(inode, p, WORD_PLAIN0, checker_value(inode->segment, p, WORD_PLAIN0), thread);
		if (error)
			return error;
	}
	return 0;
}

static int survey_file(struct thread *thread, struct object *object, unsigned name)
{
	struct file *file = &thread->files[0];
	struct inode *inode;
	int error = kernel_lookup(thread->node, object, name, thread, &inode);

	if (error == -ENOENT && (name || !checker_is_fixed(thread->node->sim, object)))
		return 0;
	if (!error)
		error = kernel_open(inode, chance(thread, 500), thread, file);
	if (error)
		return error;
	error = look_at(thread, file);
	if (error == -EIO)
		operate_clear(object, thread);
	kernel_close(file);
	return error;
}

/* Only `memory` has a size that matters. */
static int survey_files(struct thread *thread, struct object *object)
{
	int error = survey_file(thread, object, 0);

	operate_list_files(thread, object);
	for (unsigned i = 1; i < SIM_FILES && !error; i++) {
		error = survey_file(thread, object, i);
		if (error == -EFAULT)
			error = 0;
	}
	return error;
}

static void survey_name(struct thread *thread, uint64_t dir, const char *name)
{
	struct sim *sim = thread->node->sim;
	struct object *object = NULL;
	int error = 0;

	for (unsigned tries = 0; tries < SURVEY_TRIES && !sim->failed; tries++) {
		error = kernel_walk(thread->node, dir, name, thread, &object);
		if (error == -ENOENT)
			return;
		if (!error && object->owning.owner_gone && must_work(thread->node, object))
			sim_fail(sim, "%s: %s is there, though its owner is gone", thread->node->name, name);
		if (!error)
			error = survey_files(thread, object);
		if (!error || (error == -EFAULT && strcmp(name, "fixed0")) ||
		    (error == -ENOSPC && sim->plan.store_pages < STORE_PAGES))
			return;
		/* An error it is: definite, and soon. */
		if (sim->nodes[0]->state != NODE_UP || (object && !must_work(thread->node, object)))
			return;
		task_sleep(&sim->sched, sim->plan.timeout_ns / 8);
	}
	if (sim->nodes[0]->state == NODE_UP)
		sim_fail(sim, "%s: at the end, with all faults healed, %s still gives error %d", thread->node->name, name,
		         error);
}

/* What was revoked, or has lost its owner, is no more: nobody has it open. */
static void survey_gone(struct thread *thread, struct object *object)
{
	struct sim *sim = thread->node->sim;
	struct segment *segment = object->segments;
	int error = 0;

	if (!object->owning.revoke_done && !object->owning.owner_gone)
		return;
	for (unsigned tries = 0; tries < SURVEY_TRIES && error != -ESTALE; tries++) {
		if (tries)
			task_sleep(&sim->sched, sim->plan.timeout_ns / 8);
		error = kernel_getattr_object(thread->node, object, thread);
		if (!must_work(thread->node, object))
			return;
	}
	for (; segment && error == -ESTALE; segment = segment->next)
		error = kernel_getattr(kernel_inode(thread->node, segment), thread, NULL);
	if (error != -ESTALE && must_work(thread->node, object))
		sim_fail(sim, "%s: at the end o%u, which was revoked, is still there, with %d", thread->node->name,
		         object->index, error);
}

static void survey_run(void *argument)
{
	struct thread *thread = argument;
	struct node *node = thread->node;
	char name[16];

	for (unsigned i = 0; i < SIM_NAMES; i++) {
		fixed_name(name, sizeof(name), i);
		if (i < node->sim->plan.objects)
			survey_name(thread, DIR_ROOT, name);
		snprintf(name, sizeof(name), "name%u", i);
		survey_name(thread, DIR_ROOT, name);
		if (node->sim->plan.unnamed)
			survey_name(thread, DIR_UNNAMED, name);
	}
	for (struct object *object = node->sim->objects; object && !node->sim->failed; object = object->next)
		survey_gone(thread, object);
	node->surveyed = true;
}

void programs_survey(struct sim *sim)
{
	for (unsigned i = 0; i < sim->node_count; i++) {
		struct thread *thread;

		if (sim->nodes[i]->state != NODE_UP)
			continue;
		thread = sched_alloc(&sim->sched, sizeof(*thread));
		thread->node = sim->nodes[i];
		task_start(&sim->sched, &sim->nodes[i]->tasks, survey_run, thread);
	}
}

bool programs_surveyed(const struct sim *sim)
{
	for (unsigned i = 0; i < sim->node_count; i++) {
		const struct node *node = sim->nodes[i];

		if (node->state == NODE_UP && (!node->surveyed || core_requests_open(run_core(node->run))))
			return false;
	}
	return true;
}
