#include "litmus.h"

#include "node.h"

#define ROLES_MAX 4
#define OPS_MAX_ROLE 2
#define GATHER_TRIES 40
#define ROUND_TIMEOUT_NS (200 * MS)

/* What a role does: stores and loads of x and y; a load's result is whether the round's new value was seen. */
enum litmus_op { END, STORE_X, STORE_Y, LOAD_X, LOAD_Y };

struct litmus_test {
	const char *name;
	unsigned roles;
	enum litmus_op ops[ROLES_MAX][OPS_MAX_ROLE];
	/* Forbidden is exactly: role i's op j has seen new (1), old (0), or whatever (-1). */
	int forbidden[ROLES_MAX][OPS_MAX_ROLE];
};

static const struct litmus_test tests[] = {
	{"SB", 2, {{STORE_X, LOAD_Y}, {STORE_Y, LOAD_X}}, {{-1, 0}, {-1, 0}}},
	{"MP", 2, {{STORE_X, STORE_Y}, {LOAD_Y, LOAD_X}}, {{-1, -1}, {1, 0}}},
	{"LB", 2, {{LOAD_X, STORE_Y}, {LOAD_Y, STORE_X}}, {{1, -1}, {1, -1}}},
	{"CoRR", 2, {{STORE_X, END}, {LOAD_X, LOAD_X}}, {{-1, -1}, {1, 0}}},
	{"IRIW", 4, {{STORE_X, END}, {STORE_Y, END}, {LOAD_X, LOAD_Y}, {LOAD_Y, LOAD_X}}, {{-1, -1}, {-1, -1}, {1, 0}, {1, 0}}},
};

struct litmus {
	const struct litmus_test *test;
	uint64_t started_ns;
	unsigned page_x, page_y;
	uint64_t new_x, new_y;
	unsigned taken, working, finished;
	bool given_up;
	bool spoiled; /* a role had an error */
	int seen[ROLES_MAX][OPS_MAX_ROLE];
};

/* Not one that write(2) fills whole. */
static unsigned some_page(struct sim *sim)
{
	unsigned page;

	do
		page = (unsigned)random_below(&sim->sched, sim->plan.pages);
	while (bulk_page(page));
	return page;
}

static struct litmus *round_new(struct sim *sim, struct segment *segment)
{
	struct litmus *round = sched_alloc(&sim->sched, sizeof(*round));

	round->test = &tests[random_below(&sim->sched, sizeof(tests) / sizeof(tests[0]))];
	round->started_ns = sim_now_ns(sim);
	round->spoiled = sim->litmus_late > 0; /* they may store into the same words */
	round->page_x = some_page(sim);
	round->page_y = random_permille(&sim->sched, 400) ? round->page_x : some_page(sim);
	round->new_x = checker_value(segment, round->page_x, WORD_LITMUS_X);
	round->new_y = checker_value(segment, round->page_y, WORD_LITMUS_Y);
	return round;
}

static int round_op(struct litmus *round, enum litmus_op op, struct inode *inode, struct thread *thread, int *seen)
{
	uint64_t value = 0;
	int error;

	switch (op) {
	case STORE_X:
		return kernel_store(inode, round->page_x, WORD_LITMUS_X, round->new_x, thread);
	case STORE_Y:
		return kernel_store(inode, round->page_y, WORD_LITMUS_Y, round->new_y, thread);
	case LOAD_X:
		error = kernel_load(inode, round->page_x, WORD_LITMUS_X, thread, &value);
		*seen = value == round->new_x;
		return error;
	case LOAD_Y:
		error = kernel_load(inode, round->page_y, WORD_LITMUS_Y, thread, &value);
		*seen = value == round->new_y;
		return error;
	default:
		return 0;
	}
}

static void round_judge(struct sim *sim, const struct litmus *round)
{
	const struct litmus_test *test = round->test;

	sim->stats.litmus++;
	for (unsigned r = 0; r < test->roles; r++)
		for (unsigned i = 0; i < OPS_MAX_ROLE; i++)
			if (test->forbidden[r][i] >= 0 && test->forbidden[r][i] != round->seen[r][i])
				return;
	sim_fail(sim, "litmus test %s on pages %u and %u: the forbidden outcome", test->name, round->page_x,
	         round->page_y);
}

/* Waits until all roles are taken; gives up after a while, because other threads end or die. */
static bool round_gather(struct sim *sim, struct litmus *round)
{
	for (unsigned i = 0; i < GATHER_TRIES && !round->given_up && round->taken < round->test->roles; i++)
		task_sleep(&sim->sched, random_delay(&sim->sched, 10 * US));
	if (round->taken == round->test->roles && !round->given_up)
		return true;
	round->given_up = true;
	if (sim->litmus == round)
		sim->litmus = NULL;
	return false;
}

int litmus_play(struct thread *thread, struct file *file)
{
	struct sim *sim = thread->node->sim;
	struct litmus *round = sim->litmus;
	unsigned role;
	int error = 0;

	if (round && sim_now_ns(sim) > round->started_ns + ROUND_TIMEOUT_NS) {
		round->given_up = true;
		sim->litmus_late += round->working;
		round = NULL;
	}
	if (round && round->taken == round->test->roles)
		return 0;
	if (!round)
		round = sim->litmus = round_new(sim, file->inode->segment);
	role = round->taken++;
	if (!round_gather(sim, round))
		return 0;
	round->working++;
	task_sleep(&sim->sched, random_delay(&sim->sched, 5 * US));
	for (unsigned i = 0; i < OPS_MAX_ROLE && !error; i++)
		error = round_op(round, round->test->ops[role][i], file->inode, thread, &round->seen[role][i]);
	round->working--;
	sim->litmus_late -= round->given_up;
	if (error)
		round->spoiled = true;
	if (++round->finished == round->test->roles && sim->litmus == round) {
		sim->litmus = NULL;
		if (!round->spoiled && !sim->any_fault)
			round_judge(sim, round);
	}
	return error;
}
