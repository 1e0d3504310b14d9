#include "signals.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "node.h"
#include "operate.h"

#define POST_ENDS_MAX 64 /* that a post is known to have to reach */

static struct sim *sim_of(const struct thread *thread)
{
	return thread->node->sim;
}

static bool chance(const struct thread *thread, unsigned permille)
{
	return random_permille(&sim_of(thread)->sched, permille);
}

static uint64_t below(const struct thread *thread, uint64_t limit)
{
	return random_below(&sim_of(thread)->sched, limit);
}

static struct owning *owning_of(const struct end *end)
{
	return &end->object->owning;
}

static struct request *end_request(const struct end *end, unsigned type, uint32_t flags)
{
	struct msg msg = {.type = (uint8_t)type, .cookie = end->id, .flags = flags};

	return kernel_request_new(end->node, &msg);
}

/* Errors on an end: it is cut, for a reason; its object may even be gone. */
static void judge(struct thread *thread, const struct end *end, int error, const char *what)
{
	struct sim *sim = sim_of(thread);

	if (!error || error == -EINTR ||
	    ((error == -EIO || error == -ESTALE) && (sim->any_fault || owning_of(end)->revoke_begun)))
		return;
	sim_fail(sim, "%s: %s on the signal of o%u fails with %d", thread->node->name, what, end->object->index,
	         error);
}

/* The name goes at some moment from now on, whatever it is. */
static void revoke_begins(struct sim *sim, struct object *object)
{
	object->owning.revoke_begun = true;
	for (unsigned i = 0; i < SIM_NAMES; i++)
		sim->name_removals[i]++;
}

static void end_gone(struct sim *sim, struct end *end)
{
	end->open = false;
	if (end->own_begun)
		revoke_begins(sim, end->object);
	if (end->owns)
		owning_of(end)->owner_gone = true;
}

void signals_close(struct thread *thread, struct end *end)
{
	end_gone(sim_of(thread), end);
	node_submit(end_request(end, REQ_END_CLOSE, 0));
}

void signals_node_died(struct node *node)
{
	for (struct object *object = node->sim->objects; object; object = object->next)
		for (struct end *end = object->owning.ends; end; end = end->next)
			if (end->open && end->node == node)
				end_gone(node->sim, end);
}

void signals_link_lost(struct object *object, const struct node *a, const struct node *b)
{
	for (struct end *end = object->owning.ends; end; end = end->next)
		if (end->own_begun && (end->node == a || end->node == b))
			revoke_begins(end->node->sim, object);
}

static struct end *end_open(struct thread *thread, struct object *object)
{
	struct owning *owning = &object->owning;
	struct end *end = sched_alloc(&sim_of(thread)->sched, sizeof(*end));
	struct msg msg = {.type = REQ_END_OPEN, .obj = object->id};
	struct request *request;
	int error;

	end->node = thread->node;
	end->object = object;
	end->reads = chance(thread, 800);
	end->may = owning->posting + owning->posts_lost;
	end->next = owning->ends;
	owning->ends = end;
	msg.flags = end->reads ? END_READS : 0;
	request = kernel_request_new(thread->node, &msg);
	error = kernel_call(request, thread);
	end->id = request->cookie;
	end->open = !error;
	if (error && error != -EINTR && !checker_error_allowed(sim_of(thread), object, error))
		sim_fail(sim_of(thread), "%s: open of the signal of o%u fails with %d", thread->node->name,
		         object->index, error);
	return error ? NULL : end;
}

static void open_some(struct thread *thread, struct end **slot)
{
	struct object *object;

	if (!operate_find(thread, &object))
		*slot = end_open(thread, object);
}

/* --- posts ---------------------------------------------------------------------------------------------------------- */

static bool may_get(const struct end *end, const struct end *from, uint32_t flags)
{
	if (!end->reads)
		return false;
	if (flags & POST_OWNER)
		return end->own_begun;
	return end != from && !(flags & POST_USERS && end->owns);
}

static bool must_get(const struct end *end, const struct end *from, uint32_t flags)
{
	if (!end->open || !end->reads)
		return false;
	if (flags & POST_OWNER)
		return end->owns;
	return end != from && !(flags & POST_USERS && end->own_begun);
}

struct reached {
	struct end *end;
	uint64_t touched;
};

static void posted(const struct end *from, const struct reached *reached, unsigned count, uint32_t flags)
{
	for (unsigned i = 0; i < count; i++) {
		struct end *end = reached[i].end;

		if (!must_get(end, from, flags))
			continue;
		if (!(flags & POST_ONCE))
			end->must++;
		else if (end->touched == reached[i].touched)
			end->some = true;
	}
}

static void operate_post(struct thread *thread, struct end *from)
{
	static const uint32_t whom[] = {0, 0, POST_USERS, POST_OWNER};
	uint32_t flags = whom[below(thread, 4)] | (chance(thread, 300) ? POST_ONCE : 0);
	struct owning *owning = owning_of(from);
	struct reached reached[POST_ENDS_MAX];
	unsigned count = 0;
	bool revoked = owning->revoke_done;
	int error;

	for (struct end *end = owning->ends; end; end = end->next) {
		end->may += may_get(end, from, flags);
		if (count < POST_ENDS_MAX && must_get(end, from, flags))
			reached[count++] = (struct reached){.end = end, .touched = end->touched};
	}
	owning->posting++;
	sim_of(thread)->stats.signals++;
	error = kernel_call(end_request(from, REQ_END_POST, flags), thread);
	owning->posting--;
	judge(thread, from, error, "post");
	if (error)
		owning->posts_lost++;
	else
		posted(from, reached, count, flags);
	if (!error && revoked)
		sim_fail(sim_of(thread), "%s: a post on o%u after it was revoked", thread->node->name,
		         from->object->index);
}

/* --- reads ---------------------------------------------------------------------------------------------------------- */

static void touch(struct end *end)
{
	end->touched++;
	end->some = false;
}

static void stop_waiting(void *context, uint64_t argument)
{
	struct request *request = context;

	(void)argument;
	if (request->done || request->interrupted || !node_alive(request->node))
		return;
	request->interrupted = true;
	node_interrupt(request);
}

/* What it took. It waits until a signal comes, or the other kind of signal. */
static uint64_t end_read(struct thread *thread, struct end *end, uint32_t count, uint32_t flags)
{
	struct sim *sim = sim_of(thread);
	struct request *request = end_request(end, REQ_END_READ, flags);
	int error;

	request->msg.count = count;
	touch(end);
	if (!(flags & END_NONBLOCK))
		sched_at(&sim->sched, sim_now_ns(sim) + random_delay(&sim->sched, 100 * US), stop_waiting, request, 0);
	error = kernel_call(request, thread);
	touch(end);
	if (error == -EAGAIN && flags & END_NONBLOCK)
		return 0;
	judge(thread, end, error, "read");
	if (error)
		return 0;
	end->taken += request->reply_count;
	if (!request->reply_count || request->reply_count > count)
		sim_fail(sim, "%s: a read of %u signals gives %u", thread->node->name, count, request->reply_count);
	if (end->taken > end->may)
		sim_fail(sim, "%s: an end of o%u has got %llu signals, but at most %llu were posted", thread->node->name,
		         end->object->index, (unsigned long long)end->taken, (unsigned long long)end->may);
	return request->reply_count;
}

static uint32_t end_poll(struct thread *thread, struct end *end)
{
	struct request *request = end_request(end, REQ_END_POLL, 0);

	end->woken = false;
	end->armed = true;
	end->polling = true; /* before it arms, the one before may still wake */
	judge(thread, end, kernel_call(request, thread), "poll");
	end->polling = false;
	end->quiet = !(request->flags & END_READABLE);
	if (request->flags & END_CUT && !sim_of(thread)->any_fault && !owning_of(end)->revoke_begun)
		sim_fail(sim_of(thread), "%s: an end of o%u is cut although nothing happened to it", thread->node->name,
		         end->object->index);
	return request->flags;
}

void signals_woken(struct node *node, uint64_t id)
{
	for (struct object *object = node->sim->objects; object; object = object->next)
		for (struct end *end = object->owning.ends; end; end = end->next) {
			if (!end->open || end->node != node || end->id != id)
				continue;
			if (!end->armed)
				sim_fail(node->sim, "%s: an end of o%u is woken that nobody has polled", node->name,
				         object->index);
			end->armed = end->polling;
			end->woken = true;
		}
}

static bool can_be_used(struct thread *thread, struct object *object)
{
	struct segment *memory = object->memory;
	struct object_attr attr;

	if (memory && !kernel_getattr(kernel_inode(thread->node, memory), thread, &attr))
		return true;
	return !kernel_getattr_object(thread->node, object, thread);
}

/* cat status: asks the home. */
static int status(struct thread *thread, const struct object *object)
{
	struct msg msg = {.type = REQ_STATUS, .obj = object->id};

	return kernel_call(kernel_request_new(thread->node, &msg), thread);
}

void signals_drain(struct thread *thread, struct end *end)
{
	struct sim *sim = sim_of(thread);
	uint64_t must = end->must, taken;
	bool some = end->some, revoked = owning_of(end)->revoke_done;
	bool usable = can_be_used(thread, end->object);
	bool answered = !status(thread, end->object);
	uint32_t flags = end_poll(thread, end);
	bool quiet = end->quiet;

	if (thread->killed || sim->failed)
		return;
	if (revoked && (usable || !(flags & END_CUT)) && !sim->any_fault)
		sim_fail(sim, "%s: o%u can be used after it was revoked", thread->node->name, end->object->index);
	taken = end->reads ? end_read(thread, end, UINT32_MAX, END_NONBLOCK) : 0;
	if (thread->killed)
		return;
	if (quiet && taken && !end->woken)
		sim_fail(sim, "%s: a poll of o%u is not woken by a signal", thread->node->name, end->object->index);
	if (!answered || flags & END_CUT)
		return;
	if (end->taken < must || (some && !taken))
		sim_fail(sim, "%s: an end of o%u has got %llu of %llu signals%s", thread->node->name,
		         end->object->index, (unsigned long long)end->taken, (unsigned long long)must,
		         some ? ", and one was to be pending" : "");
}

/* --- owners --------------------------------------------------------------------------------------------------------- */

static void operate_own(struct thread *thread, struct end *end)
{
	struct owning *owning = owning_of(end);
	struct sim *sim = sim_of(thread);
	int error;

	end->own_begun = true;
	end->may += owning->posting + owning->posts_lost;
	owning->own_begun = true;
	error = kernel_call(end_request(end, REQ_END_OWN, 0), thread);
	if (error != -EBUSY)
		judge(thread, end, error, "own");
	if (error)
		return;
	if (owning->owner)
		sim_fail(sim, "%s: o%u gets a second owner", thread->node->name, end->object->index);
	owning->owner = end;
	end->owns = true;
}

static int control(struct thread *thread, struct end *end, const char *text)
{
	struct msg msg = {.type = REQ_CONTROL, .obj = end->object->id};
	struct request *request = kernel_request_new(thread->node, &msg);
	const struct end *owner = owning_of(end)->owner;
	bool foreign = owner && owner->open && owner->node != thread->node;
	int error;

	kernel_request_text(request, text, (uint32_t)strlen(text));
	sim_trace(sim_of(thread), thread->node, "   control of o%u: %s", end->object->index, text);
	error = kernel_call(request, thread);
	/* A node whose session was lost has not got the object open at its home yet. */
	if (error == -EPERM && (owning_of(end)->own_begun || sim_of(thread)->any_fault))
		return error;
	judge(thread, end, error, text);
	if (!error && foreign && owner->open && !owning_of(end)->revoke_begun)
		sim_fail(sim_of(thread), "%s: %s works on o%u, which another node owns", thread->node->name, text,
		         end->object->index);
	return error;
}

static void operate_revoke(struct thread *thread, struct end *end)
{
	revoke_begins(sim_of(thread), end->object);
	if (!control(thread, end, "revoke\n"))
		owning_of(end)->revoke_done = true;
}

static void operate_revert(struct thread *thread, struct end *end)
{
	checker_revert_begin(end->object);
	control(thread, end, chance(thread, 800) ? "revert on" : "revert off");
	checker_revert_end(end->object);
}

/* --- access lists --------------------------------------------------------------------------------------------------- */

static void operate_access(struct thread *thread, struct end *end)
{
	static const int16_t modes[] = {0, 0444, 0222, 0666, 0600, 0400};
	struct owning *owning = owning_of(end);
	struct sim *sim = sim_of(thread);
	int16_t list[SIM_NUMBERS_MAX];
	char text[64] = "access all";
	size_t used = strlen("access");
	unsigned entries = 1 + (unsigned)below(thread, 4);
	bool listed = chance(thread, 800), met;
	uint32_t begun;
	int error;

	memset(list, -1, sizeof(list));
	for (unsigned i = 0; listed && i < entries; i++) {
		uint32_t number = sim->nodes[below(thread, sim->node_count)]->number;
		int16_t mode = modes[below(thread, sizeof(modes) / sizeof(modes[0]))];

		if (!number || list[number] >= 0)
			continue;
		list[number] = mode;
		used += (size_t)snprintf(text + used, sizeof(text) - used, " %u=%o", number, (unsigned)mode);
	}
	listed = used > strlen("access");
	met = sim->access_begun != sim->access_done;
	begun = ++sim->access_begun;
	error = control(thread, end, text);
	met |= sim->access_begun != begun;
	sim->access_done++;
	if (error == -EPERM)
		return;
	owning->access_unknown = met || error;
	owning->access_listed = listed;
	memcpy(owning->access, list, sizeof(list));
}

uint32_t signals_open_begin(const struct sim *sim)
{
	return sim->access_begun == sim->access_done ? sim->access_begun : UINT32_MAX;
}

void signals_open_end(struct sim *sim, const struct node *node, const struct object *object, uint32_t begun,
                      bool writable, int error)
{
	const struct owning *owning = &object->owning;
	int mode = owning->access[node->number];
	bool permitted = !owning->access_listed || (mode >= 0 && mode & (writable ? 0222 : 0444));

	if (begun != sim->access_begun || owning->access_unknown)
		return;
	if (!error && !permitted)
		sim_fail(sim, "%s: o%u opens although its access list says no", node->name, object->index);
	if ((error == -EPERM || error == -EACCES) && permitted)
		sim_fail(sim, "%s: o%u does not open, with %d, although its access list says yes", node->name, object->index,
		         error);
}

/* --- all together --------------------------------------------------------------------------------------------------- */

static void operate_object(struct thread *thread, struct end *end)
{
	struct sim *sim = sim_of(thread);
	const struct plan *plan = &sim->plan;

	if (plan->reverts && chance(thread, 300)) {
		operate_revert(thread, end);
		return;
	}
	if (checker_is_fixed(sim, end->object))
		return;
	if (owning_of(end)->own_begun && chance(thread, 700))
		operate_access(thread, end);
	else if (plan->owns && chance(thread, 600))
		operate_own(thread, end);
	else if (plan->revokes && chance(thread, 300))
		operate_revoke(thread, end);
}

void signals_operate(struct thread *thread, unsigned slot)
{
	struct end *end = thread->ends[slot];

	if (!end) {
		open_some(thread, &thread->ends[slot]);
		return;
	}
	switch (below(thread, 12)) {
	case 0:
		thread->ends[slot] = NULL;
		signals_close(thread, end);
		break;
	case 1:
	case 2:
		operate_object(thread, end);
		break;
	case 3:
	case 4:
		signals_drain(thread, end);
		break;
	case 5:
		end->quiet = false;
		if (end->reads)
			end_read(thread, end, 1 + (uint32_t)below(thread, 3), 0);
		break;
	case 6:
		(void)end_poll(thread, end);
		break;
	default:
		operate_post(thread, end);
		break;
	}
}
