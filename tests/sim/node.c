#include "node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "kernel.h"
#include "net.h"
#include "programs.h"
#include "signals.h"

#define EPOCH_NS UINT64_C(1000000000000) /* virtual time 0 on the cores' clock, which must not be 0 */
#define TICKS_MAX 1000
#define CONSISTENT_STEPS 4 /* the books are looked at after so many steps of the cluster: they do not mend themselves */

/* --- the driver: what the core wants done ------------------------------------------------------------------------ */

static uint64_t driver_now_ns(void *context)
{
	const struct node *node = context;

	return sim_now_ns(node->sim) + EPOCH_NS;
}

static void driver_send(void *context, uint32_t slot, const struct msg *msg)
{
	net_send(context, slot, msg);
}

static void driver_reply(void *context, uint64_t token, const struct msg *msg)
{
	struct node *node = context;
	struct request *request = token && token <= node->request_count ? node->requests[token - 1] : NULL;
	char line[512];

	if (!request || request->done) {
		sim_fail(node->sim, "%s: request %llu is answered %s", node->name, (unsigned long long)token,
		         request ? "twice" : "but was never made");
		return;
	}
	sim_trace(node->sim, node, "   answer #%llu to %s: %s", (unsigned long long)token,
	          msg_type_name(request->msg.type), msg_print(msg, line, sizeof(line)));
	kernel_answer(request, msg);
}

/* What a notifier thread of the daemon has to do: an invalidation, or a show. */
struct notification {
	struct node *node;
	struct inode *inode;
	uint64_t token;
	unsigned first, last;
	struct showing *shows;
	uint64_t size_bytes; /* what was shown */
	bool peeks, has;     /* whether the kernel has the page */
};

static enum event_type event_of(const struct notification *notification)
{
	return notification->peeks ? EV_PEEKED : notification->shows ? EV_SHOWN : EV_INVALIDATED;
}

static void notified(void *context, uint64_t argument)
{
	struct notification *notification = context;
	struct node *node = notification->node;
	struct event event = {.type = event_of(notification), .token = notification->token};

	(void)argument;
	if (!node_alive(node))
		return;
	if (node->paused_until_ns > sim_now_ns(node->sim)) {
		sched_at(&node->sim->sched, node->paused_until_ns, notified, notification, 0);
		return;
	}
	if (notification->peeks) {
		event.msg.count = notification->has;
		sim_trace(node->sim, node, "   the kernel has %s page, token %llu", notification->has ? "the" : "no",
		          (unsigned long long)event.token);
	} else if (notification->shows) {
		event.msg.size = notification->size_bytes;
		sim_trace(node->sim, node, "   shown, token %llu: the kernel has %llu", (unsigned long long)event.token,
		          (unsigned long long)event.msg.size);
	} else {
		sim_trace(node->sim, node, "   invalidated, token %llu", (unsigned long long)event.token);
	}
	node_event(node, &event);
}

/* After what the kernel has asked by then, if it was looked into. */
static void notified_soon(struct notification *notification)
{
	struct sim *sim = notification->node->sim;
	uint64_t at_ns = sim_now_ns(sim) + random_delay(&sim->sched, sim->plan.kernel_delay_ns);

	if (notification->peeks && at_ns < notification->node->daemon_last_ns)
		at_ns = notification->node->daemon_last_ns;
	sched_at(&sim->sched, at_ns, notified, notification, 0);
}

static void shown(void *context, uint64_t size_bytes)
{
	struct notification *notification = context;

	notification->size_bytes = size_bytes;
	notified_soon(notification);
}

static void notifier_run(void *argument)
{
	struct notification *notification = argument;

	if (notification->shows) {
		kernel_show(notification->shows);
		return;
	}
	if (notification->peeks)
		notification->has = notification->inode && notification->inode->pages[notification->first].present;
	else if (notification->inode)
		kernel_notify(notification->inode, notification->first, notification->last);
	notified_soon(notification);
}

static struct inode *inode_find(const struct node *node, uint64_t obj)
{
	struct inode *inode = node->inodes;

	while (inode && inode->segment->id != obj)
		inode = inode->next;
	return inode;
}

static void driver_invalidate(void *context, uint64_t token, const struct msg *range)
{
	struct node *node = context;
	struct notification *notification = sched_alloc(&node->sim->sched, sizeof(*notification));
	uint64_t last = range->count ? range->page + range->count - 1 : UINT64_MAX;
	struct inode *inode = inode_find(node, range->obj);

	*notification = (struct notification){.node = node,
	                                      .inode = inode,
	                                      .token = token,
	                                      .first = (unsigned)(range->page < OBJECT_PAGES ? range->page : OBJECT_PAGES),
	                                      .last = (unsigned)(last < OBJECT_PAGES ? last : OBJECT_PAGES - 1)};
	sim_trace(node->sim, node, "   invalidate obj %llx pages %u-%u, token %llu", (unsigned long long)range->obj,
	          notification->first, notification->last, (unsigned long long)token);
	task_start(&node->sim->sched, &node->tasks, notifier_run, notification);
}

static void driver_show(void *context, uint64_t token, const struct show *show)
{
	struct node *node = context;
	struct notification *notification = sched_alloc(&node->sim->sched, sizeof(*notification));

	*notification = (struct notification){.node = node, .token = token};
	notification->shows = kernel_show_new(node, token, show, shown, notification);
	sim_trace(node->sim, node, "   show the size of obj %llx: %llu%s, settle %llu, token %llu",
	          (unsigned long long)show->obj, (unsigned long long)show->size_bytes, show->patient ? ", patiently" : "",
	          (unsigned long long)show->settle_ns, (unsigned long long)token);
	task_start(&node->sim->sched, &node->tasks, notifier_run, notification);
}

static void driver_unshow(void *context, uint64_t token)
{
	struct node *node = context;

	sim_trace(node->sim, node, "   takes the show back, token %llu", (unsigned long long)token);
	kernel_unshow(node, token);
}

static void driver_peek(void *context, uint64_t token, const struct msg *page)
{
	struct node *node = context;
	struct notification *notification = sched_alloc(&node->sim->sched, sizeof(*notification));

	*notification = (struct notification){.node = node,
	                                      .inode = inode_find(node, page->obj),
	                                      .token = token,
	                                      .first = (unsigned)page->page,
	                                      .peeks = true};
	task_start(&node->sim->sched, &node->tasks, notifier_run, notification);
}

static void driver_wake(void *context, uint64_t end)
{
	signals_woken(context, end);
}

static void driver_connect(void *context, uint64_t token, const char *address)
{
	net_connect(context, token, address);
}

static void driver_close(void *context, uint32_t slot, const char *why)
{
	struct node *node = context;

	sim_trace(node->sim, node, "-- closes slot %u: %s", slot, why);
	net_close(node, slot);
}

static void driver_log(void *context, enum log_level level, const char *text)
{
	const struct node *node = context;

	(void)level;
	sim_trace(node->sim, node, "   log: %s", text);
}

static void ready_later(void *context, uint64_t argument)
{
	struct node *node = context;

	(void)argument;
	if (node->state == NODE_STARTING) {
		node->state = NODE_UP;
		programs_start(node);
	}
}

static void driver_ready(void *context)
{
	struct node *node = context;

	sim_trace(node->sim, node, "** ready");
	sched_at(&node->sim->sched, sim_now_ns(node->sim), ready_later, node, 0);
}

static void gone_later(void *context, uint64_t argument)
{
	struct node *node = context;

	(void)argument;
	if (node_alive(node))
		node_die(node, false);
}

static void driver_fatal(void *context, const char *text)
{
	struct node *node = context;
	struct sim *sim = node->sim;

	sim_trace(sim, node, "** fatal: %s", text);
	if (!sim->any_fault && sim->node_count < NODES_MAX)
		sim_fail(sim, "%s cannot join although nothing is wrong: %s", node->name, text);
	sched_at(&sim->sched, sim_now_ns(sim), gone_later, node, 0);
}

static void left_later(void *context, uint64_t argument)
{
	struct node *node = context;

	(void)argument;
	if (!node_alive(node))
		return;
	/* All was said; the streams end in order. */
	for (uint32_t slot = 1; slot < NODES_MAX; slot++)
		if (node->slots[slot])
			net_close(node, slot);
	node_die(node, false);
}

static void driver_left(void *context)
{
	struct node *node = context;

	sim_trace(node->sim, node, "** has left");
	sched_at(&node->sim->sched, sim_now_ns(node->sim), left_later, node, 0);
}

static void node_tick(void *context, uint64_t argument);

static void driver_deadline(void *context, uint64_t deadline_ns)
{
	struct node *node = context;

	node->deadline_ns = deadline_ns == NEVER ? NEVER : deadline_ns > EPOCH_NS ? deadline_ns - EPOCH_NS : 0;
	if (node->deadline_ns < sim_now_ns(node->sim))
		node->deadline_ns = sim_now_ns(node->sim);
	if (node->deadline_ns >= node->tick_at_ns)
		return;
	node->tick_at_ns = node->deadline_ns;
	sched_at(&node->sim->sched, node->tick_at_ns, node_tick, node, node->tick_at_ns);
}

static const struct run_driver driver = {.now_ns = driver_now_ns,
                                         .send = driver_send,
                                         .reply = driver_reply,
                                         .invalidate = driver_invalidate,
                                         .show = driver_show,
                                         .unshow = driver_unshow,
                                         .peek = driver_peek,
                                         .wake = driver_wake,
                                         .connect = driver_connect,
                                         .close = driver_close,
                                         .log = driver_log,
                                         .ready = driver_ready,
                                         .fatal = driver_fatal,
                                         .left = driver_left,
                                         .deadline = driver_deadline};

/* --- events -------------------------------------------------------------------------------------------------------- */

void node_event(struct node *node, const struct event *event)
{
	struct sim *sim = node->sim;
	char why[256] = "";

	if (!node_alive(node) || sim->failed)
		return;
	run_event(node->run, event);
	sim->stats.steps++;
	if (!node->number)
		node->number = core_node_number(run_core(node->run));
	if (sim->stats.steps % (sim->node_count > CONSISTENT_STEPS ? sim->node_count : CONSISTENT_STEPS))
		return;
	if (!core_consistent(run_core(node->run), why, sizeof(why)))
		sim_fail(sim, "%s: the core is not consistent: %s", node->name, why);
}

static void node_tick(void *context, uint64_t argument)
{
	struct node *node = context;
	struct sim *sim = node->sim;
	struct event event = {.type = EV_TICK};
	uint64_t now_ns = sim_now_ns(sim);

	if (!node_alive(node) || argument != node->tick_at_ns)
		return;
	node->tick_at_ns = NEVER;
	if (node->deadline_ns > now_ns || node->paused_until_ns > now_ns) {
		uint64_t at_ns = node->deadline_ns > node->paused_until_ns ? node->deadline_ns : node->paused_until_ns;

		if (node->deadline_ns == NEVER)
			return;
		node->tick_at_ns = at_ns;
		sched_at(&sim->sched, at_ns, node_tick, node, at_ns);
		return;
	}
	node->ticks_in_a_row = now_ns == node->last_tick_ns ? node->ticks_in_a_row + 1 : 0;
	node->last_tick_ns = now_ns;
	if (node->ticks_in_a_row > TICKS_MAX) {
		sim_fail(sim, "%s: the core's deadline does not move on after EV_TICK", node->name);
		return;
	}
	node_event(node, &event);
}

struct submission {
	struct request *request;
	bool interrupt;
};

/* Blocks of pages as the kernel sends them. */
static const void *request_payload(const struct request *request, uint32_t *bytes)
{
	static unsigned char buffer[OBJECT_PAGES * PAGE_BYTES];

	for (unsigned i = 0; i < OBJECT_PAGES * PAGE_WORDS; i++)
		memcpy(buffer + i * BLOCK_BYTES, &request->words[i], sizeof(request->words[i]));
	*bytes = request->data_bytes;
	return buffer + request->first * BLOCK_BYTES;
}

static void submit_now(void *context, uint64_t argument)
{
	struct submission *submission = context;
	struct request *request = submission->request;
	struct node *node = request->node;
	struct event event = {.type = submission->interrupt ? EV_INTERRUPT : EV_REQUEST, .token = request->token};
	char line[512];

	(void)argument;
	if (!node_alive(node))
		return;
	if (node->paused_until_ns > sim_now_ns(node->sim)) {
		sched_at(&node->sim->sched, node->paused_until_ns, submit_now, submission, 0);
		return;
	}
	/* A pause that has become longer or shorter must not let it overtake its request. */
	if (submission->interrupt && !request->raised) {
		sched_at(&node->sim->sched, sim_now_ns(node->sim) + 100 * US, submit_now, submission, 0);
		return;
	}
	request->raised = true;
	request->kernel_bytes = request->inode ? request->inode->size_bytes : 0;
	if (!submission->interrupt) {
		event.msg = request->msg;
		if (request->text_bytes)
			event.msg.payload = (struct payload){PAYLOAD_BYTES, request->text_bytes, request->text};
		if (request->data) {
			event.msg.payload.kind = PAYLOAD_BYTES;
			event.msg.payload.bytes = request_payload(request, &event.msg.payload.length_bytes);
			event.msg.offset = request->first * BLOCK_BYTES;
		}
	}
	sim_trace(node->sim, node, "   %s #%llu: %s", submission->interrupt ? "interrupt" : "request",
	          (unsigned long long)request->token, msg_print(&request->msg, line, sizeof(line)));
	node_event(node, &event);
}

static void submit(struct request *request, bool interrupt)
{
	struct node *node = request->node;
	struct sim *sim = node->sim;
	struct submission *submission = sched_alloc(&sim->sched, sizeof(*submission));
	uint64_t at_ns = sim_now_ns(sim) + random_delay(&sim->sched, sim->plan.daemon_delay_ns);

	if (at_ns < node->daemon_last_ns)
		at_ns = node->daemon_last_ns;
	node->daemon_last_ns = at_ns;
	submission->request = request;
	submission->interrupt = interrupt;
	sched_at(&sim->sched, at_ns, submit_now, submission, 0);
}

void node_submit(struct request *request)
{
	struct node *node = request->node;

	CHECK(!request->sent);
	if (node->request_count == node->request_room) {
		node->request_room = node->request_room ? 2 * node->request_room : 256;
		node->requests = realloc(node->requests, node->request_room * sizeof(struct request *));
		CHECK(node->requests);
	}
	node->requests[node->request_count++] = request;
	request->token = node->request_count;
	request->sent = true;
	request->sent_ns = sim_now_ns(node->sim);
	submit(request, false);
}

void node_interrupt(struct request *request)
{
	submit(request, true);
}

/* --- life and death ------------------------------------------------------------------------------------------------- */

static void start_now(void *context, uint64_t argument)
{
	struct event event = {.type = EV_START};

	(void)argument;
	node_event(context, &event);
}

struct node *node_start(struct sim *sim, const struct node *join)
{
	struct node *node = sched_alloc(&sim->sched, sizeof(*node));
	struct core_config config = {.node_name = node->name,
	                             .address = node->name,
	                             .join = join ? join->name : NULL,
	                             .cluster = sim->seed + 1,
	                             .store_pages_max = sim->plan.store_pages,
	                             .timeout_ns = sim->plan.timeout_ns,
	                             .quiet_ns = sim->plan.quiet_ns,
	                             .wall_offset_ns = 0,
	                             .breakage = sim->options->breakage};

	node->sim = sim;
	node->index = sim->node_count;
	sim->nodes[sim->node_count++] = node;
	snprintf(node->name, sizeof(node->name), "n%u", node->index + 1);
	node->old_kernel = random_permille(&sim->sched, sim->plan.old_kernels);
	node->tick_at_ns = NEVER;
	node->last_tick_ns = NEVER;
	list_init(&node->tasks);
	CHECK(run_new(&node->run, &config, &driver, node) == 0);
	sim_trace(sim, node, "** starts%s%s, %s kernel", join ? ", joins " : " the cluster", join ? join->name : "",
	          node->old_kernel ? "old" : "new");
	sched_at(&sim->sched, sim_now_ns(sim), start_now, node, 0);
	return node;
}

void node_die(struct node *node, bool silent)
{
	struct sim *sim = node->sim;

	sim_trace(sim, node, "** is dead%s", silent ? ", silently" : "");
	net_node_died(node, silent);
	for (unsigned i = 0; i < sim->node_count; i++)
		if (i != node->index)
			checker_link_lost(sim, node, sim->nodes[i]);
	node->state = NODE_DEAD;
	node->silent = silent;
	sim->homes_gone = true;
	signals_node_died(node);
	checker_node_died(sim, node);
	while (!list_empty(&node->tasks))
		task_kill(list_entry(node->tasks.next, struct task, owner_link));
	sim->threads_running -= node->threads;
	node->threads = 0;
}

void node_leave(struct node *node)
{
	struct event event = {.type = EV_LEAVE};

	if (node->state != NODE_UP)
		return;
	sim_trace(node->sim, node, "** leaves");
	node->state = NODE_LEAVING;
	node_event(node, &event);
}

void node_pause(struct node *node, uint64_t until_ns)
{
	sim_trace(node->sim, node, "** stands still for %llu us",
	          (unsigned long long)((until_ns - sim_now_ns(node->sim)) / US));
	node->paused_until_ns = until_ns;
}

struct node *node_by_number(struct sim *sim, uint32_t number)
{
	for (unsigned i = 0; i < sim->node_count; i++)
		if (sim->nodes[i]->number == number)
			return sim->nodes[i];
	return NULL;
}

void node_free(struct node *node)
{
	run_free(node->run);
	free(node->requests);
}
