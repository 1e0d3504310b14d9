#include "net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "checker.h"
#include "node.h"
#include "wire/wire_check.h"

static struct side *other(struct side *side)
{
	return &side->conn->sides[side == &side->conn->sides[0]];
}

static void link_changed(struct sim *sim, const struct node *a, const struct node *b, int up)
{
	sim->link_generation[a->index][b->index]++;
	sim->link_generation[b->index][a->index]++;
	sim->links_up[a->index][b->index] = (uint8_t)(sim->links_up[a->index][b->index] + up);
	sim->links_up[b->index][a->index] = (uint8_t)(sim->links_up[b->index][a->index] + up);
}

/* The first side that sees the end of the connection: from now on the two nodes may act on it. */
static void lost(struct conn *conn)
{
	struct node *a = conn->sides[0].node, *b = conn->sides[1].node;
	int up = conn->lost ? 0 : -1;

	conn->lost = true;
	link_changed(conn->sim, a, b, up);
	checker_link_lost(conn->sim, a, b);
}

/* --- messages on their way --------------------------------------------------------------------------------------- */

static void packet_free(struct packet *packet)
{
	list_remove(&packet->link);
	free(packet);
}

static void packets_drop(struct side *side)
{
	while (!list_empty(&side->packets))
		packet_free(list_entry(side->packets.next, struct packet, link));
}

static void side_pump(void *context, uint64_t argument);

static void side_pump_at(struct side *side, uint64_t at_ns)
{
	if (side->pumping)
		return;
	side->pumping = true;
	sched_at(&side->conn->sim->sched, at_ns, side_pump, side, 0);
}

static struct packet *packet_put(struct side *to, size_t payload_bytes)
{
	struct sim *sim = to->conn->sim;
	struct packet *packet = malloc(sizeof(*packet) + payload_bytes);

	CHECK(packet);
	memset(packet, 0, sizeof(*packet));
	packet->at_ns = sim_now_ns(sim) + 500 + random_delay(&sim->sched, sim->plan.net_delay_ns);
	if (packet->at_ns < to->last_ns)
		packet->at_ns = to->last_ns;
	to->last_ns = packet->at_ns;
	list_push_back(&to->packets, &packet->link);
	side_pump_at(to, packet->at_ns);
	return packet;
}

/* --- how full it is ------------------------------------------------------------------------------------------------ */

static bool is_open(const struct side *side)
{
	return side->open && !side->closed && node_alive(side->node);
}

static void full_event(struct side *from, enum event_type type)
{
	struct event event = {.type = type, .slot = from->slot};

	sim_trace(from->conn->sim, from->node, "the connection to %s %s", other(from)->node->name,
	          type == EV_FULL ? "is full" : "has room");
	node_event(from->node, &event);
}

static void room(void *context, uint64_t argument)
{
	struct side *to = context, *from = other(to);

	(void)argument;
	if (!is_open(from))
		return;
	if (from->node->paused_until_ns > sim_now_ns(to->conn->sim)) {
		sched_at(&to->conn->sim->sched, from->node->paused_until_ns, room, to, 0);
		return;
	}
	to->full = to->queued_bytes > to->conn->sim->plan.full_bytes;
	if (!to->full)
		full_event(from, EV_ROOM);
	/* Else there is room when some of that has gone. */
}

static void queue_grows(struct side *to, uint64_t bytes)
{
	to->queued_bytes += bytes;
	if (to->full || to->queued_bytes <= to->conn->sim->plan.full_bytes)
		return;
	to->full = true;
	full_event(other(to), EV_FULL);
}

static void queue_shrinks(struct side *to, uint64_t bytes)
{
	uint64_t half_bytes = to->conn->sim->plan.full_bytes / 2;
	bool was_more = to->queued_bytes > half_bytes;

	to->queued_bytes -= bytes;
	if (to->full && was_more && to->queued_bytes <= half_bytes)
		sched_at(&to->conn->sim->sched, sim_now_ns(to->conn->sim), room, to, 0);
}

/* ------------------------------------------------------------------------------------------------------------------- */

static void stream_end(struct side *to)
{
	if (to->ended)
		return;
	packet_put(to, 0)->end = true;
	to->ended = true;
}

/* Some of what is on its way never comes: all from a random message on. */
static void packets_lose(struct side *to)
{
	struct sim *sim = to->conn->sim;
	struct list *link, *after;
	bool losing = random_permille(&sim->sched, 300);

	list_for_each_safe(link, after, &to->packets)
	{
		struct packet *packet = list_entry(link, struct packet, link);

		losing = losing || random_permille(&sim->sched, 300);
		if (losing && !packet->end)
			packet_free(packet);
	}
}

static void side_disconnected(struct side *side)
{
	struct event event = {.type = EV_DISCONNECTED, .slot = side->slot};

	if (!side->open)
		return;
	lost(side->conn);
	side->open = false;
	side->node->slots[side->slot] = NULL;
	packets_drop(side);
	if (!side->closed)
		packets_lose(other(side));
	stream_end(other(side));
	sim_trace(side->conn->sim, side->node, "slot %u is disconnected from %s", side->slot, other(side)->node->name);
	node_event(side->node, &event);
}

static void deliver(struct side *side, struct packet *packet)
{
	struct sim *sim = side->conn->sim;
	struct event event = {.type = EV_MESSAGE, .slot = side->slot, .msg = packet->msg};
	char line[512];

	if (!side->open || side->closed)
		return;
	if (packet->msg.payload.kind != PAYLOAD_NONE)
		event.msg.payload.bytes = packet->payload;
	sim->stats.messages++;
	if (packet->msg.type != MSG_PING)
		sim_trace(sim, side->node, "<- %s: %s", other(side)->node->name,
		          msg_print(&packet->msg, line, sizeof(line)));
	node_event(side->node, &event);
}

static void side_pump(void *context, uint64_t argument)
{
	struct side *side = context;
	struct sim *sim = side->conn->sim;
	struct packet *packet;
	const struct node *from = other(side)->node;
	uint64_t wait_ns = sim->cut_until_ns[from->index][side->node->index];

	(void)argument;
	side->pumping = false;
	if (!node_alive(side->node) || list_empty(&side->packets))
		return;
	if (side->node->paused_until_ns > wait_ns)
		wait_ns = side->node->paused_until_ns;
	packet = list_entry(side->packets.next, struct packet, link);
	if (packet->at_ns > wait_ns)
		wait_ns = packet->at_ns;
	if (wait_ns > sim_now_ns(sim)) {
		side_pump_at(side, wait_ns);
		return;
	}
	list_remove(&packet->link);
	queue_shrinks(side, packet->msg.payload.length_bytes);
	if (packet->end)
		side_disconnected(side);
	else
		deliver(side, packet);
	free(packet);
	if (!list_empty(&side->packets))
		side_pump_at(side, list_entry(side->packets.next, struct packet, link)->at_ns);
}

void net_send(struct node *node, uint32_t slot, const struct msg *msg)
{
	struct side *side = slot < NODES_MAX ? node->slots[slot] : NULL;
	struct packet *packet;
	struct side *to;
	const char *why;
	char line[512];

	if (!side || !side->open || side->closed)
		return; /* the core has not been told yet, or it just closed it */
	if (wire_check(msg, &why))
		sim_fail(node->sim, "%s sends what no peer takes, %s: %s", node->name, why,
		         msg_print(msg, line, sizeof(line)));
	to = other(side);
	if (to->ended || !node_alive(to->node))
		return;
	packet = packet_put(to, msg->payload.length_bytes);
	packet->msg = *msg;
	if (msg->payload.length_bytes)
		memcpy(packet->payload, msg->payload.bytes, msg->payload.length_bytes);
	queue_grows(to, msg->payload.length_bytes);
}

/* --- connections -------------------------------------------------------------------------------------------------- */

struct attempt {
	struct node *from, *to;
	uint64_t token;
	uint64_t give_up_ns;
};

static uint32_t free_slot(const struct node *node)
{
	for (uint32_t slot = 1; slot < NODES_MAX; slot++)
		if (!node->slots[slot])
			return slot;
	return 0;
}

static void establish(struct attempt *attempt, uint32_t from_slot, uint32_t to_slot)
{
	struct sim *sim = attempt->from->sim;
	struct conn *conn = sched_alloc(&sim->sched, sizeof(*conn));
	struct node *nodes[2] = {attempt->from, attempt->to};
	uint32_t slots[2] = {from_slot, to_slot};
	struct event event = {.type = EV_CONNECTED};

	conn->sim = sim;
	list_push_back(&sim->conns, &conn->link);
	for (int i = 0; i < 2; i++) {
		conn->sides[i] = (struct side){.conn = conn, .node = nodes[i], .slot = slots[i], .open = true};
		list_init(&conn->sides[i].packets);
		nodes[i]->slots[slots[i]] = &conn->sides[i];
	}
	link_changed(sim, nodes[0], nodes[1], 1);
	event.slot = to_slot;
	node_event(attempt->to, &event);
	event.slot = from_slot;
	event.token = attempt->token;
	node_event(attempt->from, &event);
}

static void attempt_now(void *context, uint64_t argument)
{
	struct attempt *attempt = context;
	struct sim *sim = attempt->from->sim;
	struct node *from = attempt->from, *to = attempt->to;
	struct event failed = {.type = EV_CONNECT_FAILED, .token = attempt->token, .error = -ECONNREFUSED};
	uint64_t now_ns = sim_now_ns(sim), wait_ns = 0;
	uint32_t from_slot = free_slot(from), to_slot = to ? free_slot(to) : 0;

	(void)argument;
	if (!node_alive(from))
		return;
	if (from->paused_until_ns > now_ns)
		wait_ns = from->paused_until_ns;
	if (to && node_alive(to) && to->paused_until_ns > now_ns)
		wait_ns = to->paused_until_ns;
	if (to && sim->cut_until_ns[from->index][to->index] > now_ns)
		wait_ns = sim->cut_until_ns[from->index][to->index];
	if (to && to->silent)
		wait_ns = attempt->give_up_ns;
	if (wait_ns > now_ns && now_ns < attempt->give_up_ns) {
		sched_at(&sim->sched, wait_ns < attempt->give_up_ns ? wait_ns : attempt->give_up_ns, attempt_now,
		         attempt, 0);
		return;
	}
	if (wait_ns > now_ns)
		failed.error = -ETIMEDOUT;
	if (wait_ns > now_ns || !to || !node_alive(to) || !from_slot || !to_slot) {
		node_event(from, &failed);
		return;
	}
	establish(attempt, from_slot, to_slot);
}

void net_connect(struct node *node, uint64_t token, const char *address)
{
	struct sim *sim = node->sim;
	struct attempt *attempt = sched_alloc(&sim->sched, sizeof(*attempt));

	attempt->from = node;
	attempt->token = token;
	attempt->give_up_ns = sim_now_ns(sim) + 2 * sim->plan.timeout_ns;
	for (unsigned i = 0; i < sim->node_count; i++)
		if (!strcmp(sim->nodes[i]->name, address))
			attempt->to = sim->nodes[i];
	sched_at(&sim->sched, sim_now_ns(sim) + 1000 + random_delay(&sim->sched, sim->plan.net_delay_ns), attempt_now,
	         attempt, 0);
}

static void close_done(void *context, uint64_t argument)
{
	struct side *side = context;

	(void)argument;
	if (!node_alive(side->node))
		return;
	if (side->node->paused_until_ns > sim_now_ns(side->conn->sim))
		sched_at(&side->conn->sim->sched, side->node->paused_until_ns, close_done, side, 0);
	else
		side_disconnected(side);
}

void net_close(struct node *node, uint32_t slot)
{
	struct side *side = slot < NODES_MAX ? node->slots[slot] : NULL;

	if (!side || !side->open || side->closed)
		return;
	side->closed = true;
	lost(side->conn);
	stream_end(other(side));
	sched_at(&node->sim->sched, sim_now_ns(node->sim) + random_below(&node->sim->sched, 5 * US), close_done, side, 0);
}

void net_break(struct sim *sim, struct conn *conn)
{
	for (int i = 0; i < 2; i++) {
		struct side *side = &conn->sides[i];

		if (!side->open || side->ended)
			continue;
		packets_lose(side);
		side->last_ns = sim_now_ns(sim) + random_delay(&sim->sched, 10 * sim->plan.net_delay_ns);
		stream_end(side);
	}
}

void net_node_died(struct node *node, bool silent)
{
	for (uint32_t slot = 1; slot < NODES_MAX; slot++) {
		struct side *side = node->slots[slot];

		if (!side)
			continue;
		lost(side->conn);
		side->open = false;
		packets_drop(side);
		if (side->closed) /* in good order: all that it said arrives */
			continue;
		packets_lose(other(side));
		if (!silent)
			stream_end(other(side));
		else
			other(side)->ended = true;
	}
}

void net_cut(struct sim *sim, struct node *a, struct node *b, uint64_t until_ns)
{
	sim->cut_until_ns[a->index][b->index] = until_ns;
	sim->cut_until_ns[b->index][a->index] = until_ns;
}

void net_fini(struct sim *sim)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &sim->conns)
	{
		struct conn *conn = list_entry(link, struct conn, link);

		packets_drop(&conn->sides[0]);
		packets_drop(&conn->sides[1]);
		list_remove(link);
	}
}
