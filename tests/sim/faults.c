#include "faults.h"

#include "net.h"
#include "node.h"
#include "programs.h"

static struct node *random_node(struct sim *sim)
{
	for (int tries = 0; tries < 20; tries++) {
		struct node *node = sim->nodes[random_below(&sim->sched, sim->node_count)];

		if (node->state == NODE_UP)
			return node;
	}
	return NULL;
}

static unsigned live_nodes(const struct sim *sim)
{
	unsigned live = 0;

	for (unsigned i = 0; i < sim->node_count; i++)
		live += node_alive(sim->nodes[i]);
	return live;
}

static void break_one(struct sim *sim)
{
	struct list *link, *after;
	unsigned skip = (unsigned)random_below(&sim->sched, 10);

	list_for_each_safe(link, after, &sim->conns)
	{
		struct conn *conn = list_entry(link, struct conn, link);

		if (!conn->sides[0].open || !conn->sides[1].open || skip-- > 0)
			continue;
		sim_trace(sim, conn->sides[0].node, "## its connection to %s breaks", conn->sides[1].node->name);
		net_break(sim, conn);
		return;
	}
}

/* Mostly short, sometimes long enough for a timeout. */
static uint64_t fault_length_ns(struct sim *sim)
{
	uint64_t timeout_ns = sim->plan.timeout_ns;

	return random_permille(&sim->sched, 500) ? random_below(&sim->sched, 2 * MS)
	                                         : random_below(&sim->sched, 2 * timeout_ns);
}

static void strike(struct sim *sim, unsigned fault)
{
	struct node *node = random_node(sim), *other = random_node(sim);
	uint64_t until_ns = sim_now_ns(sim) + fault_length_ns(sim);

	if (!node)
		return;
	/* The directory's node is spared in most seeds: without it there is little left to look at. */
	if ((fault == FAULT_CRASH || fault == FAULT_LEAVE) && (live_nodes(sim) < 2 || (!node->index && sim->seed % 8)))
		return;
	sim->stats.faults++;
	if (fault != FAULT_JOIN)
		sim->any_fault = true;
	switch (fault) {
	case FAULT_BREAK:
		break_one(sim);
		break;
	case FAULT_CUT:
		if (other && other != node) {
			sim_trace(sim, node, "## is cut off from %s", other->name);
			net_cut(sim, node, other, until_ns);
		}
		break;
	case FAULT_PAUSE:
		node_pause(node, until_ns);
		break;
	case FAULT_CRASH:
		node_die(node, random_permille(&sim->sched, 300));
		break;
	case FAULT_LEAVE:
		programs_leave(node);
		break;
	case FAULT_JOIN:
		if (sim->node_count < SIM_NODES_MAX && live_nodes(sim) < NODES_MAX - 2)
			node_start(sim, live_nodes(sim) > NODES_MAX / 2 ? sim->nodes[0] : node);
		break;
	}
}

static void fault_next(void *context, uint64_t argument)
{
	struct sim *sim = context;
	unsigned fault = 1u << random_below(&sim->sched, 6);

	(void)argument;
	if (sim->phase != PHASE_RUN)
		return;
	if (sim->plan.faults & fault)
		strike(sim, fault);
	sched_at(&sim->sched, sim_now_ns(sim) + random_delay(&sim->sched, sim->plan.fault_every_ns), fault_next, sim, 0);
}

static void kill_next(void *context, uint64_t argument)
{
	struct sim *sim = context;

	(void)argument;
	if (sim->phase != PHASE_RUN)
		return;
	programs_kill_one(sim);
	sched_at(&sim->sched, sim_now_ns(sim) + random_delay(&sim->sched, 200 * US), kill_next, sim, 0);
}

void faults_start(struct sim *sim)
{
	if (sim->plan.faults)
		sched_at(&sim->sched, sim_now_ns(sim) + random_delay(&sim->sched, sim->plan.fault_every_ns), fault_next,
		         sim, 0);
	if (sim->plan.kills)
		sched_at(&sim->sched, sim_now_ns(sim) + random_delay(&sim->sched, 200 * US), kill_next, sim, 0);
}

void faults_heal(struct sim *sim)
{
	for (unsigned i = 0; i < sim->node_count; i++) {
		if (sim->nodes[i]->paused_until_ns > sim_now_ns(sim))
			sim->nodes[i]->paused_until_ns = sim_now_ns(sim);
		for (unsigned j = 0; j < sim->node_count; j++)
			if (sim->cut_until_ns[i][j] > sim_now_ns(sim))
				sim->cut_until_ns[i][j] = sim_now_ns(sim);
	}
}
