/*
 * litmus SHAPE LAYOUT ACCESS ROUNDS MOUNT...: the classic litmus tests of memory models, on real mounts.
 *
 * SHAPE is sb, mp, lb, corr, iriw or wrc; program i of it works on mount i modulo the mounts given. LAYOUT says where
 * its variables lie: page (side by side in one page), pages, objects. ACCESS is mapped, calls (pread and pwrite of 8
 * bytes) or mixed (either, at random, each time).
 *
 * Every round has variables of its own, so that the programs need not meet between rounds: they walk through the
 * rounds of a batch in one random order, over many pages, only a few rounds apart. What each saw is collected, and
 * judged in the end. After each batch every program looks at every variable once more: a store that another node does
 * not see then is a finding as well, so a file system that shows nothing to anybody does not pass.
 *
 * In batch b all stores write b, so the variables need not be cleared: b means new, b - 1 old, anything else is wrong.
 * Programs that only load open their file read-only in one half of the batches, at random, so that pages are granted
 * shared, and shared pages meet a first writable open.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common.h"

enum { BATCH_ROUNDS = 1024, PROGRAMS_MAX = 4, OPS_MAX = 3, VARIABLES = 2, PAGE_SETS = 32, AHEAD_MAX = 4 };

enum op_kind { OP_NONE, OP_LOAD, OP_STORE };

struct op {
	enum op_kind kind;
	unsigned variable;
};

enum layout { LAYOUT_PAGE, LAYOUT_PAGES, LAYOUT_OBJECTS };
enum access { ACCESS_MAPPED, ACCESS_CALLS, ACCESS_MIXED };

/* What the loads of one round saw: 1 the new value, 0 the old one. By program and place in the program. */
typedef uint8_t round_seen[PROGRAMS_MAX][OPS_MAX];

struct shape {
	const char *name;
	unsigned programs;
	struct op ops[PROGRAMS_MAX][OPS_MAX];
	bool (*forbidden)(const round_seen seen);
	const char *forbidden_text;
};

static bool sb_forbidden(const round_seen seen)
{
	return !seen[0][1] && !seen[1][1];
}

static bool mp_forbidden(const round_seen seen)
{
	return seen[1][0] && !seen[1][1];
}

static bool lb_forbidden(const round_seen seen)
{
	return seen[0][0] && seen[1][0];
}

static bool corr_forbidden(const round_seen seen)
{
	for (unsigned reader = 1; reader <= 2; reader++)
		for (unsigned i = 0; i + 1 < OPS_MAX; i++)
			if (seen[reader][i] && !seen[reader][i + 1])
				return true;
	return false;
}

static bool iriw_forbidden(const round_seen seen)
{
	return seen[2][0] && !seen[2][1] && seen[3][0] && !seen[3][1];
}

static bool wrc_forbidden(const round_seen seen)
{
	return seen[1][0] && seen[2][0] && !seen[2][1];
}

#define X 0
#define Y 1

static const struct shape shapes[] = {
	{"sb", 2, {{{OP_STORE, X}, {OP_LOAD, Y}}, {{OP_STORE, Y}, {OP_LOAD, X}}}, sb_forbidden,
	 "neither program saw the other's store"},
	{"mp", 2, {{{OP_STORE, X}, {OP_STORE, Y}}, {{OP_LOAD, Y}, {OP_LOAD, X}}}, mp_forbidden,
	 "the flag was seen, the message was not"},
	{"lb", 2, {{{OP_LOAD, X}, {OP_STORE, Y}}, {{OP_LOAD, Y}, {OP_STORE, X}}}, lb_forbidden,
	 "both loads saw what is stored after them"},
	{"corr", 3,
	 {{{OP_STORE, X}}, {{OP_LOAD, X}, {OP_LOAD, X}, {OP_LOAD, X}}, {{OP_LOAD, X}, {OP_LOAD, X}, {OP_LOAD, X}}},
	 corr_forbidden, "a new value was seen, and then the old one"},
	{"iriw", 4,
	 {{{OP_STORE, X}}, {{OP_STORE, Y}}, {{OP_LOAD, X}, {OP_LOAD, Y}}, {{OP_LOAD, Y}, {OP_LOAD, X}}},
	 iriw_forbidden, "two readers saw two stores in different orders"},
	{"wrc", 3, {{{OP_STORE, X}}, {{OP_LOAD, X}, {OP_STORE, Y}}, {{OP_LOAD, Y}, {OP_LOAD, X}}}, wrc_forbidden,
	 "a store was seen that another program answered, but not by the reader of the answer"},
};

struct litmus {
	const struct shape *shape;
	enum layout layout;
	enum access access;
	uint64_t seed;
	unsigned batches;
	const char **mounts;
	unsigned mounts_count;
	const char *object[VARIABLES]; /* the names of the objects in which x and y lie */
	struct shared *shared;
};

/* All in local_shared() memory. */
struct shared {
	struct meeting meeting;
	struct {
		unsigned done;
		char apart[60];
	} progress[PROGRAMS_MAX];
	round_seen seen[]; /* of all rounds of all batches */
};

/* One program's way to its variables during a batch. */
struct view {
	int fd[VARIABLES];
	char *memory[VARIABLES];
	bool writable;
};

static size_t object_bytes(enum layout layout)
{
	return (size_t)PAGE_SETS * (layout == LAYOUT_PAGES ? VARIABLES : 1) * TEST_PAGE_BYTES;
}

/* The place of a round's variable in its object. 32 rounds share a page, or a pair of pages. */
static size_t cell_offset(enum layout layout, unsigned round, unsigned variable)
{
	size_t set = round % PAGE_SETS;
	size_t slot = round / PAGE_SETS;

	switch (layout) {
	case LAYOUT_PAGE:
		return set * TEST_PAGE_BYTES + slot * 128 + variable * 64;
	case LAYOUT_PAGES:
		return (set * VARIABLES + variable) * TEST_PAGE_BYTES + slot * 128;
	case LAYOUT_OBJECTS:
		break;
	}
	return set * TEST_PAGE_BYTES + slot * 128;
}

/* Only the lowest byte differs from batch to batch, so a value torn by a system call's copy is none of our concern. */
static uint64_t batch_value(unsigned batch)
{
	return batch == 0 ? 0 : (batch - 1) % 250 + 1;
}

static void view_open(struct view *view, const struct litmus *litmus, unsigned program, bool writable)
{
	const char *mount = litmus->mounts[program % litmus->mounts_count];

	view->writable = writable;
	for (unsigned v = 0; v < VARIABLES; v++) {
		view->fd[v] = object_open(mount, litmus->object[v], writable ? O_RDWR : O_RDONLY);
		view->memory[v] = object_map(view->fd[v], object_bytes(litmus->layout), writable);
	}
}

static void view_close(struct view *view, const struct litmus *litmus)
{
	for (unsigned v = 0; v < VARIABLES; v++) {
		munmap(view->memory[v], object_bytes(litmus->layout));
		close(view->fd[v]);
	}
}

static uint64_t view_load(const struct view *view, unsigned variable, size_t offset, bool call)
{
	uint64_t value = 0;

	if (!call)
		return __atomic_load_n((uint64_t *)(view->memory[variable] + offset), __ATOMIC_SEQ_CST);
	if (pread(view->fd[variable], &value, sizeof(value), (off_t)offset) != sizeof(value))
		test_broken("pread");
	return value;
}

static void view_store(const struct view *view, unsigned variable, size_t offset, uint64_t value, bool call)
{
	if (!call)
		__atomic_store_n((uint64_t *)(view->memory[variable] + offset), value, __ATOMIC_SEQ_CST);
	else if (pwrite(view->fd[variable], &value, sizeof(value), (off_t)offset) != sizeof(value))
		test_broken("pwrite");
}

static bool program_stores(const struct shape *shape, unsigned program)
{
	for (unsigned i = 0; i < OPS_MAX; i++)
		if (shape->ops[program][i].kind == OP_STORE)
			return true;
	return false;
}

static bool variable_stored(const struct shape *shape, unsigned variable)
{
	for (unsigned p = 0; p < shape->programs; p++)
		for (unsigned i = 0; i < OPS_MAX; i++)
			if (shape->ops[p][i].kind == OP_STORE && shape->ops[p][i].variable == variable)
				return true;
	return false;
}

/* The same order in every program: from the seed and the batch. */
static void order_fill(unsigned order[BATCH_ROUNDS], uint64_t seed, unsigned batch)
{
	struct random random;

	random_init(&random, seed ^ ((uint64_t)batch << 32));
	for (unsigned i = 0; i < BATCH_ROUNDS; i++)
		order[i] = i;
	for (unsigned i = BATCH_ROUNDS - 1; i > 0; i--) {
		unsigned j = (unsigned)random_below(&random, i + 1);
		unsigned kept = order[i];

		order[i] = order[j];
		order[j] = kept;
	}
}

/* Keeps the programs within AHEAD_MAX rounds of each other, and not always in the same step. */
static void wait_for_others(const struct litmus *litmus, unsigned program, unsigned round, struct random *random)
{
	unsigned ahead = (unsigned)random_below(random, AHEAD_MAX);

	for (unsigned p = 0; p < litmus->shape->programs; p++) {
		if (p == program)
			continue;
		while (__atomic_load_n(&litmus->shared->progress[p].done, __ATOMIC_ACQUIRE) + ahead < round)
			sched_yield();
	}
	for (volatile uint64_t pause = random_below(random, 64); pause > 0; pause--)
		;
}

/* Whether the next access is a system call. */
static bool call_chosen(const struct litmus *litmus, struct random *random)
{
	return litmus->access == ACCESS_CALLS || (litmus->access == ACCESS_MIXED && random_next(random) >> 63);
}

static void round_run(const struct litmus *litmus, unsigned program, const struct view *view, unsigned round,
                      unsigned batch, struct random *random)
{
	uint64_t value = batch_value(batch);
	uint64_t before = batch_value(batch - 1);

	for (unsigned i = 0; i < OPS_MAX; i++) {
		struct op op = litmus->shape->ops[program][i];
		bool call = call_chosen(litmus, random);
		size_t offset = cell_offset(litmus->layout, round, op.variable);
		uint64_t seen;

		if (op.kind == OP_STORE) {
			view_store(view, op.variable, offset, value, call);
		} else if (op.kind == OP_LOAD) {
			seen = view_load(view, op.variable, offset, call);
			if (seen != value && seen != before)
				test_fail("%s: round %u: program %u loaded %llu, which is neither old nor new (%llu)",
				          litmus->shape->name, round, program, (unsigned long long)seen,
				          (unsigned long long)value);
			litmus->shared->seen[(batch - 1) * BATCH_ROUNDS + round][program][i] = seen == value;
		}
	}
}

/* All stores of the batch are over: every program must see every one of them. */
static void batch_check(const struct litmus *litmus, unsigned program, const struct view *view, uint64_t value,
                        struct random *random)
{
	for (unsigned round = 0; round < BATCH_ROUNDS; round++) {
		for (unsigned v = 0; v < VARIABLES; v++) {
			bool call = call_chosen(litmus, random);
			uint64_t seen;

			if (!variable_stored(litmus->shape, v))
				continue;
			seen = view_load(view, v, cell_offset(litmus->layout, round, v), call);
			if (seen != value)
				test_fail("%s: variable %u of round %u: program %u sees %llu after all stores of %llu",
				          litmus->shape->name, v, round, program, (unsigned long long)seen,
				          (unsigned long long)value);
		}
	}
}

static void program_run(unsigned program, void *context)
{
	struct litmus *litmus = context;
	struct shared *shared = litmus->shared;
	unsigned programs = litmus->shape->programs;
	unsigned order[BATCH_ROUNDS];
	struct random random;
	struct view view;

	random_init(&random, litmus->seed * 31 + program);
	for (unsigned batch = 1; batch <= litmus->batches; batch++) {
		order_fill(order, litmus->seed, batch);
		view_open(&view, litmus, program,
		          program_stores(litmus->shape, program) || random_next(&random) >> 63);
		__atomic_store_n(&shared->progress[program].done, 0, __ATOMIC_RELEASE);
		meeting_wait(&shared->meeting, programs);
		for (unsigned i = 0; i < BATCH_ROUNDS; i++) {
			wait_for_others(litmus, program, i, &random);
			round_run(litmus, program, &view, order[i], batch, &random);
			__atomic_store_n(&shared->progress[program].done, i + 1, __ATOMIC_RELEASE);
		}
		meeting_wait(&shared->meeting, programs);
		batch_check(litmus, program, &view, batch_value(batch), &random);
		view_close(&view, litmus);
		meeting_wait(&shared->meeting, programs);
	}
}

struct outcomes {
	uint64_t forbidden;
	uint64_t by_bits[64];
};

static unsigned outcome_bits(const struct shape *shape, const round_seen seen)
{
	unsigned bits = 0;

	for (unsigned p = 0; p < shape->programs; p++)
		for (unsigned i = 0; i < OPS_MAX; i++)
			if (shape->ops[p][i].kind == OP_LOAD)
				bits = bits << 1 | seen[p][i];
	return bits;
}

static unsigned shape_loads(const struct shape *shape)
{
	unsigned loads = 0;

	for (unsigned p = 0; p < shape->programs; p++)
		for (unsigned i = 0; i < OPS_MAX; i++)
			loads += shape->ops[p][i].kind == OP_LOAD;
	return loads;
}

static void outcomes_judge(struct outcomes *outcomes, const struct litmus *litmus)
{
	memset(outcomes, 0, sizeof(*outcomes));
	for (unsigned round = 0; round < litmus->batches * BATCH_ROUNDS; round++) {
		const round_seen *seen = &litmus->shared->seen[round];

		outcomes->by_bits[outcome_bits(litmus->shape, *seen)]++;
		outcomes->forbidden += litmus->shape->forbidden(*seen);
	}
}

static void outcomes_print(const struct outcomes *outcomes, const struct litmus *litmus, double seconds)
{
	unsigned loads = shape_loads(litmus->shape);
	unsigned rounds = litmus->batches * BATCH_ROUNDS;

	printf("%s: %u rounds, %.0f us each, loads saw", litmus->shape->name, rounds, seconds * 1e6 / rounds);
	for (unsigned bits = 0; bits < 1u << loads; bits++) {
		if (outcomes->by_bits[bits] == 0)
			continue;
		printf(" ");
		for (unsigned i = loads; i-- > 0;)
			printf("%u", bits >> i & 1);
		printf(":%llu", (unsigned long long)outcomes->by_bits[bits]);
	}
	printf(", forbidden %llu\n", (unsigned long long)outcomes->forbidden);
	fflush(stdout);
}

static unsigned choice(const char *text, const char *const *names)
{
	for (unsigned i = 0; names[i] != NULL; i++)
		if (strcmp(text, names[i]) == 0)
			return i;
	fprintf(stderr, "litmus: unknown %s\n", text);
	exit(2);
}

static const struct shape *shape_named(const char *name)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		if (strcmp(shapes[i].name, name) == 0)
			return &shapes[i];
	fprintf(stderr, "litmus: unknown shape %s\n", name);
	exit(2);
}

static void litmus_run(struct litmus *litmus)
{
	struct outcomes outcomes;
	double start = test_seconds();

	litmus->shared =
	        local_shared(sizeof(*litmus->shared) + sizeof(round_seen) * litmus->batches * BATCH_ROUNDS);
	children_run(litmus->shape->programs, program_run, litmus);
	outcomes_judge(&outcomes, litmus);
	outcomes_print(&outcomes, litmus, test_seconds() - start);
	if (outcomes.forbidden != 0)
		test_fail("%s: %llu times %s", litmus->shape->name, (unsigned long long)outcomes.forbidden,
		          litmus->shape->forbidden_text);
}

int main(int count, char **arguments)
{
	static const char *const layouts[] = {"page", "pages", "objects", NULL};
	static const char *const accesses[] = {"mapped", "calls", "mixed", NULL};
	char names[VARIABLES][64];
	struct litmus litmus;

	if (count < 6) {
		fprintf(stderr, "usage: litmus SHAPE page|pages|objects mapped|calls|mixed ROUNDS MOUNT...\n");
		return 2;
	}
	memset(&litmus, 0, sizeof(litmus));
	litmus.shape = shape_named(arguments[1]);
	litmus.layout = (enum layout)choice(arguments[2], layouts);
	litmus.access = (enum access)choice(arguments[3], accesses);
	litmus.batches = (unsigned)((test_number(arguments[4]) + BATCH_ROUNDS - 1) / BATCH_ROUNDS);
	litmus.mounts = (const char **)&arguments[5];
	litmus.mounts_count = (unsigned)count - 5;
	litmus.seed = test_seed();
	for (unsigned v = 0; v < VARIABLES; v++) {
		bool own = v == 0 || litmus.layout == LAYOUT_OBJECTS;

		snprintf(names[v], sizeof(names[v]), "litmus-%d-%u", (int)getpid(), own ? v : 0);
		litmus.object[v] = names[v];
		if (own)
			object_create(litmus.mounts[v % litmus.mounts_count], names[v], object_bytes(litmus.layout));
	}
	litmus_run(&litmus);
	for (unsigned v = 0; v < VARIABLES; v++)
		if (v == 0 || litmus.layout == LAYOUT_OBJECTS)
			object_destroy(litmus.mounts[0], names[v]);
	return 0;
}
