/*
 * operate_names.c: what programs do with names: mkdir, remove, rename, readdir.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node.h"
#include "operate.h"

#define LIST_CHUNKS_MAX 200u

static uint64_t below(const struct thread *thread, uint64_t limit)
{
	return random_below(&thread->node->sim->sched, limit);
}

static bool chance(const struct thread *thread, unsigned permille)
{
	return random_permille(&thread->node->sim->sched, permille);
}

uint64_t operate_dir(struct thread *thread)
{
	const struct plan *plan = &thread->node->sim->plan;

	return plan->unnamed && chance(thread, plan->unnamed) ? DIR_UNNAMED : DIR_ROOT;
}

int operate_name(struct thread *thread, const struct msg *msg, const char *text, uint32_t bytes,
                 struct request **made)
{
	struct request *request = kernel_request_new(thread->node, msg);
	int error;

	kernel_request_text(request, text, bytes);
	error = kernel_call(request, thread);
	if (made)
		*made = request;
	return error;
}

/* --- changes -------------------------------------------------------------------------------------------------------- */

/*
 * A name can be made once more than it was removed; a call that may have had an effect counts as a removal. Unnamed ones
 * go by themselves.
 */
static void name_made(struct sim *sim, uint64_t dir, unsigned name)
{
	if (dir == DIR_UNNAMED)
		return;
	if (++sim->name_made[name] > sim->name_removals[name] + 1 && !checker_names_may_go(sim))
		sim_fail(sim, "name%u was made %d times but removed at most %d times", name, sim->name_made[name],
		         sim->name_removals[name]);
}

static bool surely_failed(int error)
{
	return error == -ENOENT || error == -EEXIST || error == -ENOTEMPTY;
}

/* One of the three calls on two names, the second for rename only. */
struct name_call {
	struct msg msg;
	unsigned name, to;
};

static int call_names(struct thread *thread, const struct name_call *call)
{
	struct sim *sim = thread->node->sim;
	struct name_change change;
	char text[32];
	uint32_t bytes = (uint32_t)snprintf(text, sizeof(text), "name%u%cname%u", call->name, 0, call->to) + 1;
	bool checked = call->msg.dir == DIR_ROOT && call->msg.to_dir == DIR_ROOT;
	struct request *request;
	int error;

	if (call->msg.type != REQ_RENAME)
		bytes = (uint32_t)strlen(text) + 1;
	if (checked)
		checker_name_change_begin(&change, thread->node, &call->msg, call->name, call->to);
	error = operate_name(thread, &call->msg, text, bytes, &request);
	if (checked)
		checker_name_change_end(&change, thread->node, &call->msg, error, request->obj);
	if (!error && call->msg.type == REQ_MKDIR)
		checker_made(sim, request->obj, request->cookie);
	if (error && error != -EINTR && !surely_failed(error) && !sim->any_fault &&
	    !(error == -ENOSPC && sim->plan.store_pages < STORE_PAGES))
		sim_fail(sim, "%s: a call on names fails with %d", thread->node->name, error);
	return error;
}

static void make(struct thread *thread, unsigned name)
{
	struct sim *sim = thread->node->sim;
	uint64_t dir = operate_dir(thread);
	struct name_call call = {.msg = {.type = REQ_MKDIR, .dir = dir, .attr.mode = 0755}, .name = name};
	int error = call_names(thread, &call);

	if (!error)
		name_made(sim, dir, name);
	else if (!surely_failed(error))
		sim->mkdir_cut_off = true;
}

/* rmdir knows what it has looked up; not always here. */
static void remove_name(struct thread *thread, unsigned name)
{
	struct sim *sim = thread->node->sim;
	uint64_t dir = operate_dir(thread);
	struct name_call call = {.msg = {.type = REQ_REMOVE, .dir = dir}, .name = name};
	struct object *object = NULL;
	struct removal removal;
	char text[16];
	int error;

	snprintf(text, sizeof(text), "name%u", name);
	if (!sim->plan.blind || chance(thread, 500))
		kernel_walk(thread->node, dir, text, thread, &object);
	if (thread->killed || (!object && !sim->plan.blind))
		return;
	call.msg.obj = object ? object->id : 0;
	sim->name_removals[name] += dir == DIR_ROOT;
	checker_removal_begin(&removal, thread->node, object);
	error = call_names(thread, &call);
	checker_removal_end(&removal, error);
	if (surely_failed(error))
		sim->name_removals[name] -= dir == DIR_ROOT;
}

static void rename_name(struct thread *thread, unsigned name, unsigned to)
{
	struct sim *sim = thread->node->sim;
	uint64_t dir = operate_dir(thread), to_dir = operate_dir(thread);
	struct name_call call = {.msg = {.type = REQ_RENAME,
	                            .dir = dir,
	                            .to_dir = to_dir,
	                            .flags = REQUEST_NOREPLACE},
	                    .name = name,
	                    .to = to};
	int error;

	sim->name_removals[name] += dir == DIR_ROOT;
	error = call_names(thread, &call);
	if (surely_failed(error))
		sim->name_removals[name] -= dir == DIR_ROOT;
	if (error)
		return;
	/* It may be one that ends by itself, because its home does not know of the new name yet. */
	sim->name_removals[to] += sim->plan.unnamed != 0;
	name_made(sim, to_dir, to);
}

/* --- readdir -------------------------------------------------------------------------------------------------------- */

/* What is listed; 0: not. Of the root, or of an object. */
struct listing {
	uint64_t names[SIM_NAMES];
	bool fixed[SIM_NAMES];
	uint64_t files[SIM_FILES];
};

static void take_record(struct listing *listing, const char *name, uint64_t obj)
{
	if (!strncmp(name, "name", 4))
		listing->names[(unsigned)(name[4] - '0') % SIM_NAMES] = obj;
	else if (!strncmp(name, "fixed", 5))
		listing->fixed[(unsigned)(name[5] - '0') % SIM_NAMES] = true;
	for (unsigned i = 0; i < SIM_FILES; i++)
		if (!strcmp(name, checker_file_name(i)))
			listing->files[i] = obj;
}

/* Takes some of the records of one answer, as many as the program's buffer has room for. The cookie to go on from. */
static uint64_t take_records(struct thread *thread, const struct request *request, struct listing *listing)
{
	uint64_t room = 1 + below(thread, 6), cookie = 0;
	const char *record = request->reply_text, *end = record + request->reply_bytes;

	for (; record < end && room; room--, record += strlen(record) + 1) {
		unsigned long long at, obj;
		char name[16];

		if (sscanf(record, "%llu %llu %15s", &at, &obj, name) != 3)
			continue;
		if (at <= request->msg.cookie)
			sim_fail(thread->node->sim, "%s: a list goes on from %llu with %llu", thread->node->name,
			         (unsigned long long)request->msg.cookie, at);
		cookie = at;
		take_record(listing, name, obj);
	}
	return cookie;
}

static int list_all(struct thread *thread, uint64_t dir, struct listing *listing)
{
	uint64_t cookie = 0;

	for (unsigned i = 0; i < LIST_CHUNKS_MAX; i++) {
		struct msg msg = {.type = REQ_LIST, .dir = dir, .cookie = cookie};
		struct request *request = kernel_request_new(thread->node, &msg);
		int error = kernel_call(request, thread);

		if (error)
			return error;
		if (!request->reply_bytes)
			return 0;
		cookie = take_records(thread, request, listing);
	}
	sim_fail(thread->node->sim, "%s: a list does not come to its end", thread->node->name);
	return -EIO;
}

void operate_list(struct thread *thread)
{
	struct sim *sim = thread->node->sim;
	struct listing listing = {0};
	struct name_look looks[SIM_NAMES];
	char name[16];
	int error;

	for (unsigned i = 0; i < SIM_NAMES; i++) {
		snprintf(name, sizeof(name), "name%u", i);
		checker_name_begin(&looks[i], thread->node, DIR_ROOT, name);
	}
	error = list_all(thread, DIR_ROOT, &listing);
	for (unsigned i = 0; i < SIM_NAMES; i++)
		checker_name_end(&looks[i], error ? -EIO : listing.names[i] ? 0 : -ENOENT, listing.names[i]);
	if (error && error != -EINTR && !sim->any_fault)
		sim_fail(sim, "%s: readdir fails with %d", thread->node->name, error);
	for (unsigned i = 0; i < sim->plan.objects && !error; i++)
		if (!listing.fixed[i] && !sim->any_fault)
			sim_fail(sim, "%s: readdir does not list fixed%u", thread->node->name, i);
}

/* What is no more has no names, or says so. */
void operate_list_files(struct thread *thread, struct object *object)
{
	struct listing listing = {0};
	struct name_look looks[SIM_FILES];
	int error;

	kernel_lock_dir(thread->node, object, false);
	for (unsigned i = 0; i < SIM_FILES; i++)
		checker_file_look_begin(&looks[i], thread->node, object, i);
	error = list_all(thread, object->id, &listing);
	for (unsigned i = 0; i < SIM_FILES; i++)
		checker_name_end(&looks[i], error ? error : listing.files[i] ? 0 : -ENOENT, listing.files[i]);
	kernel_unlock_dir(thread->node, object, false);
	operate_judge_object(thread, object, error, "readdir");
}

void operate_names(struct thread *thread)
{
	unsigned name = (unsigned)below(thread, SIM_NAMES), to = (unsigned)below(thread, SIM_NAMES);

	if (chance(thread, 150))
		operate_list(thread);
	else if (chance(thread, 600))
		make(thread, name);
	else if (chance(thread, 600))
		remove_name(thread, name);
	else
		rename_name(thread, name, to);
}
