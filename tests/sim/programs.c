#include "programs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "litmus.h"
#include "node.h"
#include "signals.h"

#define SURVEY_TRIES 40

static struct sched *sched_of(const struct thread *thread)
{
	return &thread->node->sim->sched;
}

static uint64_t below(const struct thread *thread, uint64_t limit)
{
	return random_below(sched_of(thread), limit);
}

static bool chance(const struct thread *thread, unsigned permille)
{
	return random_permille(sched_of(thread), permille);
}

/* --- what comes back ------------------------------------------------------------------------------------------------ */

static int clear_lost(struct inode *inode, struct thread *thread)
{
	struct msg msg = {.type = MSG_CONTROL, .obj = inode->object->id};
	struct request *request = kernel_request_new(inode->node, &msg);
	int error;

	inode->node->sim->stats.lost++;
	kernel_request_text(request, "clear\n", 6);
	checker_clear_begin(inode->object);
	error = kernel_call(request, thread);
	checker_clear_end(inode->object);
	return error;
}

/* Judges the error of an access, and does something about pages that are lost. */
static void judge(struct thread *thread, struct inode *inode, int error, const char *what)
{
	struct sim *sim = thread->node->sim;

	if (error >= 0 || thread->killed)
		return;
	sim_trace(sim, thread->node, "   %s of o%u fails with %d", what, inode->object->index, error);
	if (!checker_error_allowed(sim, inode->object, error))
		sim_fail(sim, "%s: %s of o%u fails with %d (%s)", thread->node->name, what, inode->object->index, error,
		         strerror(-error));
	else if (error == -EIO && chance(thread, 300))
		clear_lost(inode, thread);
}

/* Past the end SIGBUS is right, or EIO where the size changes meanwhile; but the file must ever have been that short. */
static void judge_access(struct thread *thread, struct inode *inode, unsigned page, int error, const char *what)
{
	struct sim *sim = thread->node->sim;
	const struct object *object = inode->object;
	bool fixed = false;

	for (unsigned i = 0; i < SIM_NAMES; i++)
		fixed |= sim->fixed[i] == object;
	if ((error == -EFAULT || error == -EIO) && (!fixed || (uint64_t)page * PAGE_BYTES >= object->low))
		return;
	if (error != -EFAULT)
		judge(thread, inode, error, what);
	else if (!sim->any_fault)
		sim_fail(sim, "%s: %s of o%u page %u is SIGBUS, but the file was never that short", thread->node->name,
		         what, object->index, page);
}

/* --- files ---------------------------------------------------------------------------------------------------------- */

static void fixed_name(char *name, size_t bytes, unsigned index)
{
	snprintf(name, bytes, "fixed%u", index);
}

static enum name_dir some_dir(struct thread *thread)
{
	return thread->node->sim->plan.unnamed && chance(thread, thread->node->sim->plan.unnamed) ? DIR_UNNAMED : DIR_ROOT;
}

/* Without an inode it was the look-up that failed: also for what is being revoked under that name. */
static void judge_by_name(struct thread *thread, const char *name, const struct inode *inode, int error)
{
	struct sim *sim = thread->node->sim;
	bool revokes = !inode && (sim->plan.owns || sim->plan.revokes) && error == -EIO;

	if (!error || error == -ENOENT || error == -EINTR || error == -ESTALE || sim->any_fault || revokes ||
	    (inode && checker_error_allowed(sim, inode->object, error)))
		return;
	sim_fail(sim, "%s: open of %s fails with %d", thread->node->name, name, error);
}

/* The fixed objects are never owned nor revoked. */
static bool names_matter(const struct sim *sim)
{
	return sim->plan.owns || sim->plan.revokes || sim->plan.unnamed;
}

static void open_something(struct thread *thread, struct file *file)
{
	struct sim *sim = thread->node->sim;
	uint32_t lists = signals_open_begin(sim);
	bool fixed = chance(thread, names_matter(sim) ? 300 : 1000 - sim->plan.names);
	unsigned index = (unsigned)below(thread, fixed ? sim->plan.objects : SIM_NAMES);
	struct inode *inode = NULL;
	bool writable;
	char name[16];
	int error;

	snprintf(name, sizeof(name), fixed ? "fixed%u" : "name%u", index);
	writable = chance(thread, 650);
	error = kernel_lookup(thread->node, fixed ? DIR_ROOT : some_dir(thread), name, thread, &inode);
	if (!error) {
		error = kernel_open(inode, writable, thread, file);
		signals_open_end(sim, thread->node, inode->object, lists, writable, error);
	}
	if (error && fixed && !checker_error_allowed(sim, sim->fixed[index], error))
		sim_fail(sim, "%s: open of %s fails with %d", thread->node->name, name, error);
	if (!fixed)
		judge_by_name(thread, name, inode, error);
}

int programs_find(struct thread *thread, struct inode **inode)
{
	struct sim *sim = thread->node->sim;
	bool fixed = chance(thread, names_matter(sim) ? 200 : 1000 - sim->plan.names);
	unsigned index = (unsigned)below(thread, fixed ? sim->plan.objects : SIM_NAMES);
	char name[16];
	int error;

	snprintf(name, sizeof(name), fixed ? "fixed%u" : "name%u", index);
	error = kernel_lookup(thread->node, fixed ? DIR_ROOT : some_dir(thread), name, thread, inode);
	judge_by_name(thread, name, NULL, error);
	return error;
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

/* --- operations ----------------------------------------------------------------------------------------------------- */

static unsigned some_page(struct thread *thread)
{
	return chance(thread, 500) ? 0 : (unsigned)below(thread, thread->node->sim->plan.pages);
}

static const unsigned mapped_words[] = {WORD_PLAIN0, WORD_PLAIN1, WORD_MIXED0, WORD_MIXED1, WORD_MIXED2};

static void operate_mapped(struct thread *thread, struct file *file)
{
	struct sim *sim = thread->node->sim;
	struct inode *inode = file->inode;
	unsigned page = some_page(thread);
	unsigned word = mapped_words[below(thread, sizeof(mapped_words) / sizeof(mapped_words[0]))];
	uint64_t value;
	int error;

	if (file->writable && chance(thread, 400)) {
		error = kernel_add(inode, page, WORD_COUNTER, thread);
		sim->stats.adds += !error;
	} else if (file->writable && chance(thread, 500)) {
		error = kernel_store(inode, page, word, checker_value(inode->object, page, word), thread);
	} else {
		error = kernel_load(inode, page, word, thread, &value);
	}
	judge_access(thread, inode, page, error, "access");
}

static void operate_write(struct thread *thread, struct file *file)
{
	struct inode *inode = file->inode;
	unsigned page = some_page(thread);
	unsigned first = WORD_MIXED0 + (unsigned)below(thread, 3);
	unsigned count = 1 + (unsigned)below(thread, PAGE_WORDS - first);
	int error;

	if (bulk_page(page) && chance(thread, 500)) {
		first = 0;
		count = PAGE_WORDS;
	}
	/* Past the end it would make the file larger; that is truncate's part here. */
	if (page * (uint64_t)PAGE_BYTES + (first + count) * BLOCK_BYTES > inode->size_bytes)
		return;
	error = kernel_write(inode, page, first, count, thread);
	thread->node->sim->stats.writes++;
	judge_access(thread, inode, page, error, "write(2)");
}

static void operate_read(struct thread *thread, struct file *file)
{
	unsigned page = some_page(thread);
	unsigned first = (unsigned)below(thread, PAGE_WORDS);
	unsigned count = 1 + (unsigned)below(thread, PAGE_WORDS - first);

	judge_access(thread, file->inode, page, kernel_read(file->inode, page, first, count, thread), "read(2)");
}

static void operate_truncate(struct thread *thread, struct file *file)
{
	struct sim *sim = thread->node->sim;
	uint64_t blocks = below(thread, sim->plan.pages * PAGE_WORDS + 1);
	const struct object *object = file->inode->object;
	const struct end *owner = object->owning.owner;
	int error;

	if (!file->writable || file->inode->object == sim->fixed[0])
		return;
	if (chance(thread, 600))
		blocks -= blocks % PAGE_WORDS;
	error = kernel_truncate(file->inode, blocks * BLOCK_BYTES, thread);
	judge(thread, file->inode, error, "truncate");
	if (!error && owner && owner->open)
		sim_fail(sim, "%s: o%u, which is owned, is truncated", thread->node->name, object->index);
}

static int name_call(struct thread *thread, const struct msg *msg, const char *text, uint32_t bytes)
{
	struct request *request = kernel_request_new(thread->node, msg);

	kernel_request_text(request, text, bytes);
	return kernel_call(request, thread);
}

/*
 * A name can be made once more than it was removed; a call that may have had an effect counts as a removal. Unnamed ones
 * go by themselves.
 */
static void name_made(struct sim *sim, enum name_dir dir, unsigned name)
{
	if (dir == DIR_UNNAMED)
		return;
	if (++sim->name_made[name] > sim->name_removals[name] + 1 && !sim->homes_gone)
		sim_fail(sim, "name%u was made %d times but removed at most %d times", name, sim->name_made[name],
		         sim->name_removals[name]);
}

static bool surely_failed(int error)
{
	return error == -ENOENT || error == -EEXIST || error == -ENOTEMPTY;
}

static void operate_names(struct thread *thread)
{
	struct sim *sim = thread->node->sim;
	unsigned index = (unsigned)below(thread, SIM_NAMES), to = (unsigned)below(thread, SIM_NAMES);
	enum name_dir dir = some_dir(thread), to_dir = some_dir(thread);
	struct msg mkdir = {.type = REQ_MKDIR, .dir = (uint16_t)dir, .attr.mode = 0755};
	struct msg remove = {.type = MSG_REMOVE, .dir = (uint16_t)dir};
	struct msg rename = {
		.type = MSG_RENAME, .dir = (uint16_t)dir, .to_dir = (uint16_t)to_dir, .flags = REQUEST_NOREPLACE};
	char text[32];
	uint32_t bytes = (uint32_t)snprintf(text, sizeof(text), "name%u%cname%u", index, 0, to) + 1;
	uint32_t first = (uint32_t)strlen(text) + 1;
	int error;

	if (chance(thread, 600)) {
		error = name_call(thread, &mkdir, text, first);
		if (!error)
			name_made(sim, dir, index);
		else if (!surely_failed(error) && sim->any_fault)
			sim->homes_gone = true;
	} else {
		bool removes = chance(thread, 600);

		sim->name_removals[index] += dir == DIR_ROOT;
		error = removes ? name_call(thread, &remove, text, first) : name_call(thread, &rename, text, bytes);
		if (surely_failed(error))
			sim->name_removals[index] -= dir == DIR_ROOT;
		if (!error && !removes) {
			/* It may be one that ends by itself, because its home does not know of the new name yet. */
			sim->name_removals[to] += sim->plan.unnamed != 0;
			name_made(sim, to_dir, to);
		}
	}
	if (error && error != -EINTR && !surely_failed(error) && !sim->any_fault)
		sim_fail(sim, "%s: a call on names fails with %d", thread->node->name, error);
}

static void operate(struct thread *thread)
{
	struct sim *sim = thread->node->sim;
	struct file *file = &thread->files[below(thread, THREAD_FILES)];
	uint64_t size;

	sim->stats.operations++;
	if (chance(thread, sim->plan.names)) {
		operate_names(thread);
		return;
	}
	if (sim->plan.signals && chance(thread, sim->plan.signals)) {
		signals_operate(thread, (unsigned)below(thread, THREAD_ENDS));
		return;
	}
	if (!file->open) {
		open_something(thread, file);
		return;
	}
	if (chance(thread, sim->plan.truncates)) {
		operate_truncate(thread, file);
		return;
	}
	switch (below(thread, 20)) {
	case 0:
		kernel_close(file);
		break;
	case 1:
		judge(thread, file->inode, kernel_getattr(file->inode, thread, &size), "stat");
		break;
	case 2:
		judge(thread, file->inode, kernel_fsync(file->inode, thread), "fsync");
		break;
	case 3:
	case 4:
		operate_read(thread, file);
		break;
	case 5:
	case 6:
	case 7:
		if (file->writable)
			operate_write(thread, file);
		break;
	case 8:
	case 9:
	case 10:
		if (file->writable && file->inode->object == sim->fixed[0])
			judge(thread, file->inode, litmus_play(thread, file), "litmus test");
		break;
	default:
		operate_mapped(thread, file);
		break;
	}
}

/* --- threads -------------------------------------------------------------------------------------------------------- */

static void thread_new(struct node *node, unsigned operations);

static void make_fixed(struct thread *thread)
{
	struct sim *sim = thread->node->sim;

	for (unsigned i = 0; i < sim->plan.objects && !sim->failed; i++) {
		struct msg mkdir = {.type = REQ_MKDIR, .dir = DIR_ROOT, .attr.mode = 0755};
		struct inode *inode;
		struct file file;
		char name[16];

		fixed_name(name, sizeof(name), i);
		if (name_call(thread, &mkdir, name, (uint32_t)strlen(name) + 1) ||
		    kernel_lookup(thread->node, DIR_ROOT, name, thread, &inode) || kernel_open(inode, true, thread, &file) ||
		    kernel_truncate(inode, sim->plan.pages * PAGE_BYTES, thread)) {
			sim_fail(sim, "%s cannot make %s", thread->node->name, name);
			return;
		}
		for (unsigned p = 0; p < OBJECT_PAGES; p++)
			for (unsigned w = 0; w < PAGE_WORDS; w++)
				inode->object->words[p][w].tainted = false;
		kernel_close(&file);
		sim->fixed[i] = inode->object;
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
			error = kernel_store(inode, p, WORD_PLAIN0, checker_value(inode->object, p, WORD_PLAIN0), thread);
		if (error)
			return error;
	}
	return 0;
}

static void survey_name(struct thread *thread, enum name_dir dir, const char *name)
{
	struct sim *sim = thread->node->sim;
	struct inode *inode = NULL;
	int error = 0;

	for (unsigned tries = 0; tries < SURVEY_TRIES && !sim->failed; tries++) {
		struct file *file = &thread->files[0];

		error = kernel_lookup(thread->node, dir, name, thread, &inode);
		if (error == -ENOENT)
			return;
		if (!error && inode->object->owning.owner_gone && must_work(thread->node, inode->object))
			sim_fail(sim, "%s: %s is there, though its owner is gone", thread->node->name, name);
		if (!error)
			error = kernel_open(inode, chance(thread, 500), thread, file);
		if (!error) {
			error = look_at(thread, file);
			if (error == -EIO)
				clear_lost(inode, thread);
			kernel_close(file);
		}
		if (!error || (error == -EFAULT && strcmp(name, "fixed0")) ||
		    (error == -ENOSPC && sim->plan.store_pages < STORE_PAGES))
			return;
		/* An error it is: definite, and soon. */
		if (sim->nodes[0]->state != NODE_UP || (inode && !must_work(thread->node, inode->object)))
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
	uint64_t size;
	int error = 0;

	if (!object->owning.revoke_done && !object->owning.owner_gone)
		return;
	for (unsigned tries = 0; tries < SURVEY_TRIES && error != -ESTALE; tries++) {
		if (tries)
			task_sleep(&sim->sched, sim->plan.timeout_ns / 8);
		error = kernel_getattr(kernel_inode(thread->node, object), thread, &size);
		if (!must_work(thread->node, object))
			return;
	}
	if (error != -ESTALE)
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
