/*
 * sim.c: one seed from its plan to its end.
 */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "checker.h"
#include "faults.h"
#include "net.h"
#include "node.h"
#include "programs.h"

#define STEPS_MAX 2000000 /* of the cores; no seed needs half of that */
#define RUN_MAX_NS (20 * UINT64_C(1000000000))

void sim_fail(struct sim *sim, const char *format, ...)
{
	va_list arguments;

	if (sim->failed)
		return;
	sim->failed = true;
	va_start(arguments, format);
	vsnprintf(sim->why, sizeof(sim->why), format, arguments);
	va_end(arguments);
	sim_trace(sim, NULL, "FAILED: %s", sim->why);
}

void sim_trace_line(struct sim *sim, const struct node *node, const char *format, ...)
{
	uint64_t now_ns = sim_now_ns(sim);
	va_list arguments;

	printf("%9llu.%03llu %-4s ", (unsigned long long)(now_ns / US), (unsigned long long)(now_ns % US),
	       node ? node->name : "");
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
}

/* --- the plan ------------------------------------------------------------------------------------------------------- */

static unsigned plan_nodes(struct sim *sim)
{
	const struct options *options = sim->options;
	struct sched *sched = &sim->sched;
	unsigned dice = (unsigned)random_below(sched, 1000);

	if (options->nodes_min)
		return options->nodes_min + (unsigned)random_below(sched, options->nodes_max - options->nodes_min + 1);
	if (dice < 850)
		return 2 + (unsigned)random_below(sched, 4);
	if (dice < 990)
		return 6 + (unsigned)random_below(sched, 7);
	return dice < 998 ? 13 + (unsigned)random_below(sched, 20) : 33 + (unsigned)random_below(sched, 32);
}

static unsigned plan_faults(struct sim *sim)
{
	static const unsigned kinds[] = {FAULT_BREAK,
	                                 FAULT_CUT,
	                                 FAULT_PAUSE,
	                                 FAULT_CRASH | FAULT_JOIN,
	                                 FAULT_LEAVE | FAULT_JOIN,
	                                 FAULT_BREAK | FAULT_CUT | FAULT_PAUSE,
	                                 FAULT_BREAK | FAULT_CUT | FAULT_PAUSE | FAULT_CRASH | FAULT_LEAVE | FAULT_JOIN};

	if (sim->options->faults >= 0)
		return (unsigned)sim->options->faults;
	if (random_permille(&sim->sched, 500))
		return random_permille(&sim->sched, 200) ? FAULT_JOIN : 0;
	return kinds[random_below(&sim->sched, sizeof(kinds) / sizeof(kinds[0]))];
}

static uint64_t pick(struct sim *sim, uint64_t low, uint64_t high)
{
	return low + random_below(&sim->sched, high - low + 1);
}

/* Random numbers of its own, so that seeds without any of this are what they were before it was there. */
static void plan_owners(struct sim *sim)
{
	struct plan *plan = &sim->plan;
	struct sched *sched = &sim->sched;
	uint64_t random = sched->random;

	sched->random = random ^ UINT64_C(0x5851f42d4c957f2d);
	plan->store_pages = random_permille(sched, 850) ? STORE_PAGES : pick(sim, 2, 13);
	plan->reverts = random_permille(sched, 150);
	plan->unnamed = random_permille(sched, 800) ? 0 : 500;
	plan->signals = random_permille(sched, 500) ? 0 : (unsigned)pick(sim, 20, 600);
	plan->owns = plan->signals && random_permille(sched, 600);
	plan->revokes = plan->signals && random_permille(sched, 400);
	if (plan->owns || plan->revokes || plan->unnamed)
		plan->names = (unsigned)pick(sim, 50, 500);
	if (plan->revokes)
		plan->truncates = (unsigned)pick(sim, 5, 120);
	plan->attributes = random_permille(sched, 500) ? 0 : (unsigned)pick(sim, 10, 250);
	plan->grows = random_permille(sched, 500) ? 0 : (unsigned)pick(sim, 10, 250);
	if (plan->grows && !plan->truncates)
		plan->truncates = (unsigned)pick(sim, 5, 60);
	sched->random = random;
}

/* Random numbers of its own, too. */
static void plan_files(struct sim *sim)
{
	struct plan *plan = &sim->plan;
	struct sched *sched = &sim->sched;
	uint64_t random = sched->random;

	sched->random = random ^ UINT64_C(0x2545f4914f6cdd1d);
	plan->files = random_permille(sched, 400) ? 0 : (unsigned)pick(sim, 10, random_permille(sched, 700) ? 150 : 500);
	plan->blind = random_permille(sched, 400);
	plan->read_ahead = random_permille(sched, 300) ? 0 : (unsigned)pick(sim, 50, 1000);
	plan->quiet_ns = random_permille(sched, 300) ? QUIET_NS : pick(sim, 0, 3) * 200 * US;
	sched->random = random;
}

/* And these. */
static void plan_connections(struct sim *sim)
{
	struct plan *plan = &sim->plan;
	struct sched *sched = &sim->sched;
	uint64_t random = sched->random;

	sched->random = random ^ UINT64_C(0x9fb21c651e98df25);
	plan->full_bytes = random_permille(sched, 500) ? UINT64_MAX : pick(sim, 0, 8) * PAGE_BYTES;
	sched->random = random;
}

/* Sizes change all the time, on few objects, under kernels that are slow to take over what they are answered. */
static void plan_storm(struct sim *sim)
{
	struct plan *plan = &sim->plan;

	plan->objects = 2;
	plan->grows = (unsigned)pick(sim, 200, 500);
	plan->truncates = (unsigned)pick(sim, 50, 300);
	plan->attributes = (unsigned)pick(sim, 50, 300);
	plan->net_delay_ns = pick(sim, 1, 20) * US;
	plan->kernel_delay_ns = pick(sim, 5, 100) * US;
	plan->think_ns = pick(sim, 100, 5 * US);
}

static void plan_make(struct sim *sim)
{
	struct plan *plan = &sim->plan;
	struct sched *sched = &sim->sched;

	plan->nodes = plan_nodes(sim);
	plan->threads = plan->nodes > 8 ? 1 : (unsigned)pick(sim, 1, 3);
	plan->operations = 300 / (plan->nodes * plan->threads) + 4;
	plan->objects = (unsigned)pick(sim, 1, 3);
	plan->pages = (unsigned)pick(sim, 1, OBJECT_PAGES);
	plan->faults = plan_faults(sim);
	plan->old_kernels = sim->options->old_kernel >= 0 ? (sim->options->old_kernel ? 1000 : 0)
	                    : random_permille(sched, 500) ? 0
	                                                  : (unsigned)pick(sim, 1, 1000);
	plan->truncates = random_permille(sched, 500) ? 0 : (unsigned)pick(sim, 5, 60);
	plan->names = random_permille(sched, 500) ? 0 : (unsigned)pick(sim, 20, 300);
	plan->kills = random_permille(sched, 300);
	plan->net_delay_ns = pick(sim, 1, random_permille(sched, 500) ? 20 : 300) * US;
	plan->daemon_delay_ns = pick(sim, 200, 20 * US);
	plan->kernel_delay_ns = pick(sim, 100, random_permille(sched, 800) ? 3 * US : 50 * US);
	plan->think_ns = pick(sim, 100, random_permille(sched, 500) ? 5 * US : 200 * US);
	plan->timeout_ns = pick(sim, 500, 1000) * MS;
	plan->fault_every_ns = pick(sim, 100 * US, 5 * MS);
	plan_owners(sim);
	plan_files(sim);
	plan_connections(sim);
	if (random_permille(sched, 60) || sim->options->storm)
		plan_storm(sim);
	sim_trace(sim, NULL, "plan: %u nodes, %u threads of %u operations, %u objects of %u pages, faults %x, "
	          "net %llu us, timeout %llu ms, signals %u%s%s%s%s, store %llu pages, truncates %u, grows %u, attributes %u, "
	          "names %u, files %u%s, read ahead %u",
	          plan->nodes, plan->threads, plan->operations, plan->objects, plan->pages, plan->faults,
	          (unsigned long long)(plan->net_delay_ns / US), (unsigned long long)(plan->timeout_ns / MS),
	          plan->signals, plan->owns ? ", owners" : "", plan->revokes ? ", revokes" : "",
	          plan->reverts ? ", reverts" : "", plan->unnamed ? ", unnamed" : "",
	          (unsigned long long)plan->store_pages, plan->truncates, plan->grows, plan->attributes,
	          plan->names, plan->files, plan->blind ? ", blind" : "", plan->read_ahead);
}

/* --- the course ------------------------------------------------------------------------------------------------------ */

/* The others come one after the other, each by way of a node that is there already. */
static void start_next(void *context, uint64_t argument)
{
	struct sim *sim = context;
	struct node *join = sim->nodes[random_below(&sim->sched, sim->node_count)];

	if (sim->phase > PHASE_RUN || argument >= sim->plan.nodes)
		return;
	/* A join by way of another node takes one of its connections for a moment: in the end none is left over. */
	if (sim->node_count > NODES_MAX / 2)
		join = sim->nodes[0];
	if (join->state != NODE_UP) {
		join = sim->nodes[0];
		argument--;
	} else {
		node_start(sim, join);
	}
	sched_at(&sim->sched, sim_now_ns(sim) + random_delay(&sim->sched, 100 * US), start_next, sim, argument + 1);
}

/* Which threads wait, and for what: the story of a run that does not come to its end. */
static void fail_stuck(struct sim *sim, const char *what)
{
	char text[400] = "";
	size_t at = 0;

	for (unsigned i = 0; i < sim->node_count; i++) {
		const struct node *node = sim->nodes[i];
		const struct list *link;

		if (!node_alive(node))
			continue;
		for (link = node->tasks.next; link != &node->tasks; link = link->next) {
			const struct task *task = list_entry(link, struct task, owner_link);

			if (strcmp(task->waits_for, "time"))
				sim_trace(sim, node, "still waits for %s", task->waits_for);
			if (strcmp(task->waits_for, "time") && at < sizeof(text))
				at += (size_t)snprintf(text + at, sizeof(text) - at, "; %s waits for %s", node->name,
				                       task->waits_for);
		}
	}
	sim_fail(sim, "%s%s", what, text);
}

static void set_phase(struct sim *sim, enum phase phase, uint64_t *since_ns)
{
	static const char *const names[] = {"boot", "run", "heal", "survey", "done"};

	sim->phase = phase;
	*since_ns = sim_now_ns(sim);
	sim_trace(sim, NULL, "==== %s", names[phase]);
}

static bool any_alive(const struct sim *sim)
{
	for (unsigned i = 0; i < sim->node_count; i++)
		if (node_alive(sim->nodes[i]))
			return true;
	return false;
}

static bool all_up(const struct sim *sim)
{
	for (unsigned i = 0; i < sim->node_count; i++)
		if (sim->nodes[i]->state == NODE_STARTING)
			return false;
	return true;
}

/* Goes on to the next phase when it is time. */
static void advance(struct sim *sim, uint64_t *since_ns, bool *struck)
{
	uint64_t now_ns = sim_now_ns(sim), passed_ns = now_ns - *since_ns;
	uint64_t settle_ns = sim->any_fault ? 4 * sim->plan.timeout_ns : 5 * MS;

	switch (sim->phase) {
	case PHASE_BOOT:
		if (passed_ns > RUN_MAX_NS)
			fail_stuck(sim, "the cluster does not come up");
		break;
	case PHASE_RUN:
		if (!*struck) {
			*struck = true;
			*since_ns = now_ns;
			faults_start(sim);
		} else if (!sim->threads_running || passed_ns > (sim->plan.faults ? 3 * sim->plan.timeout_ns : RUN_MAX_NS)) {
			set_phase(sim, PHASE_HEAL, since_ns);
			faults_heal(sim);
		}
		break;
	case PHASE_HEAL:
		if (!sim->threads_running && all_up(sim) && passed_ns > settle_ns) {
			set_phase(sim, PHASE_SURVEY, since_ns);
			programs_survey(sim);
		} else if (passed_ns > RUN_MAX_NS) {
			fail_stuck(sim, "programs do not come to their end");
		}
		break;
	case PHASE_SURVEY:
		if (programs_surveyed(sim))
			set_phase(sim, PHASE_DONE, since_ns);
		else if (passed_ns > RUN_MAX_NS)
			fail_stuck(sim, "the survey does not come to its end");
		break;
	case PHASE_DONE:
		break;
	}
}

static void sim_clean(struct sim *sim)
{
	net_fini(sim);
	for (unsigned i = 0; i < sim->node_count; i++)
		node_free(sim->nodes[i]);
}

bool sim_run(struct sim *sim, uint64_t seed, const struct options *options)
{
	struct sched sched = sim->sched;
	uint64_t since_ns = 0;
	bool struck = false;

	memset(sim, 0, sizeof(*sim));
	sim->sched = sched;
	list_init(&sim->sched.tasks);
	sim->seed = seed;
	sim->options = options;
	list_init(&sim->conns);
	sim->sched.random = seed;
	plan_make(sim);
	checker_names_init(sim);
	node_start(sim, NULL);
	sched_at(&sim->sched, 1 * US, start_next, sim, 1);
	while (!sim->failed && sim->phase != PHASE_DONE && any_alive(sim)) {
		if (!sched_step(&sim->sched))
			fail_stuck(sim, "nothing happens any more");
		advance(sim, &since_ns, &struck);
		if (sim->stats.steps > STEPS_MAX)
			fail_stuck(sim, "the cores go round in circles");
	}
	if (!sim->failed)
		checker_counters(sim);
	sim_clean(sim);
	sched_reset(&sim->sched, 0);
	return !sim->failed;
}
