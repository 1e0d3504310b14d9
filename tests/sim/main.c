/*
 * sim: runs seeds and says what failed.
 *
 *   sim [--seeds N] [--first S] [--nodes LOW-HIGH] [--jobs N] [--faults MASK] [--kernel old|new] [--barrier read|fallocate]
 *       [--break HOW] [--storm] [--expect-failure] [--trace]
 *
 * HOW is one of the ways in which the core can be broken on purpose (core.h, BREAK_*), in words: early-grant, ...
 *
 * Seeds are divided among processes. A failing seed is printed with its reason and how to replay it; the exit status is
 * then 1. With --expect-failure it is the other way round: the run stops at the first failing seed, which is success.
 * --storm makes sizes change all the time in each seed, as they do in some anyhow. --trace prints everything that happens
 * in the one seed --first.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim.h"

#define JOBS_MAX 64
#define FAILURES_MAX 20
#define BATCH 16
#define PROGRESS_S 10
#define SEED_MAX_S 60 /* a core that does not come out of a step is a failure too */

struct failure {
	uint64_t seed;
	char why[600];
};

/* Between the processes. */
struct shared {
	uint64_t next, done, failures;
	uint64_t current[JOBS_MAX];
	struct stats stats[JOBS_MAX];
	struct failure failed[FAILURES_MAX];
	int stop;
};

struct arguments {
	struct options options;
	uint64_t seeds, first;
	unsigned jobs;
	bool expect_failure;
	const char *program;
};

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void note_failure(struct shared *shared, uint64_t seed, const char *why)
{
	uint64_t index = __atomic_fetch_add(&shared->failures, 1, __ATOMIC_SEQ_CST);

	if (index >= FAILURES_MAX)
		return;
	shared->failed[index].seed = seed;
	snprintf(shared->failed[index].why, sizeof(shared->failed[index].why), "%s", why);
}

static void stats_add(struct stats *sum, const struct stats *more)
{
	uint64_t *to = (uint64_t *)sum;
	const uint64_t *from = (const uint64_t *)more;
	uint64_t longest = sum->max_wait_ns > more->max_wait_ns ? sum->max_wait_ns : more->max_wait_ns;

	for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++)
		to[i] += from[i];
	sum->max_wait_ns = longest;
}

static void job_run(const struct arguments *arguments, struct shared *shared, unsigned job)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	if (!sim)
		exit(2);
	sched_init(&sim->sched);
	while (!__atomic_load_n(&shared->stop, __ATOMIC_SEQ_CST)) {
		uint64_t from = __atomic_fetch_add(&shared->next, BATCH, __ATOMIC_SEQ_CST);

		for (uint64_t seed = from; seed < from + BATCH; seed++) {
			if (seed >= arguments->first + arguments->seeds || __atomic_load_n(&shared->stop, __ATOMIC_SEQ_CST)) {
				sched_fini(&sim->sched);
				free(sim);
				exit(0);
			}
			shared->current[job] = seed;
			alarm(SEED_MAX_S);
			if (!sim_run(sim, seed, &arguments->options)) {
				note_failure(shared, seed, sim->why);
				if (arguments->expect_failure)
					__atomic_store_n(&shared->stop, 1, __ATOMIC_SEQ_CST);
			}
			stats_add(&shared->stats[job], &sim->stats);
			__atomic_fetch_add(&shared->done, 1, __ATOMIC_SEQ_CST);
		}
	}
	sched_fini(&sim->sched);
	free(sim);
	exit(0);
}

static void job_start(const struct arguments *arguments, struct shared *shared, unsigned job, pid_t *pid)
{
	fflush(stdout);
	*pid = fork();
	if (*pid < 0) {
		perror("fork");
		exit(2);
	}
	if (!*pid)
		job_run(arguments, shared, job);
}

/* A process that dies has found something too (a CHECK of the core): it is counted, and another one goes on. */
static unsigned jobs_reap(const struct arguments *arguments, struct shared *shared, pid_t *pids)
{
	unsigned running = 0;

	for (unsigned job = 0; job < arguments->jobs; job++) {
		int status;

		if (!pids[job])
			continue;
		running++;
		if (waitpid(pids[job], &status, WNOHANG) != pids[job])
			continue;
		pids[job] = 0;
		if (WIFEXITED(status) && !WEXITSTATUS(status))
			continue;
		note_failure(shared, shared->current[job], WIFSIGNALED(status) ? "the core's process died of a signal, see above"
		                                                               : "the core's process ended, see above");
		if (arguments->expect_failure)
			__atomic_store_n(&shared->stop, 1, __ATOMIC_SEQ_CST);
		else
			job_start(arguments, shared, job, &pids[job]);
	}
	return running;
}

/* Those from `from` on; returns how many have been printed by now. */
static uint64_t print_failures(const struct shared *shared, uint64_t from)
{
	for (; from < shared->failures && from < FAILURES_MAX && *shared->failed[from].why; from++)
		printf("seed %llu: %s\n    replay: tests/sim/replay %llu\n", (unsigned long long)shared->failed[from].seed,
		       shared->failed[from].why, (unsigned long long)shared->failed[from].seed);
	fflush(stdout);
	return from;
}

static void summary(const struct arguments *arguments, const struct shared *shared, double took_s)
{
	struct stats sum = {0};
	uint64_t failures = shared->failures;

	for (unsigned job = 0; job < arguments->jobs; job++)
		stats_add(&sum, &shared->stats[job]);
	printf("sim: %llu seeds in %.1f s (%.0f a second), %llu failed; %llu operations, %llu loads, %llu stores, "
	       "%llu atomic adds, %llu write(2), %llu truncates, %llu litmus rounds, %llu faults, %llu kills, "
	       "%llu clears, %llu growing write(2), %llu stats, %llu signals, %llu files created, %llu times no memory, "
	       "%llu messages, %llu steps; "
	       "%llu late cuts, %llu accesses behind the end, %llu times unsettled; longest wait %.1f ms\n",
	       (unsigned long long)shared->done, took_s, (double)shared->done / took_s, (unsigned long long)failures,
	       (unsigned long long)sum.operations, (unsigned long long)sum.loads, (unsigned long long)sum.stores,
	       (unsigned long long)sum.adds, (unsigned long long)sum.writes, (unsigned long long)sum.truncates,
	       (unsigned long long)sum.litmus, (unsigned long long)sum.faults, (unsigned long long)sum.killed,
	       (unsigned long long)sum.lost, (unsigned long long)sum.grows, (unsigned long long)sum.looks,
	       (unsigned long long)sum.signals, (unsigned long long)sum.files, (unsigned long long)sum.full,
	       (unsigned long long)sum.messages, (unsigned long long)sum.steps,
	       (unsigned long long)sum.late_cuts, (unsigned long long)sum.behind,
	       (unsigned long long)sum.unsettled, (double)sum.max_wait_ns / 1e6);
}

static int run_all(const struct arguments *arguments)
{
	struct shared *shared =
		mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	double start_s = now_s(), said_s = start_s;
	pid_t pids[JOBS_MAX] = {0};
	uint64_t printed = 0;

	if (shared == MAP_FAILED) {
		perror("mmap");
		return 2;
	}
	shared->next = arguments->first;
	for (unsigned job = 0; job < arguments->jobs; job++)
		job_start(arguments, shared, job, &pids[job]);
	while (jobs_reap(arguments, shared, pids)) {
		usleep(5000);
		printed = print_failures(shared, printed);
		if (now_s() - said_s < PROGRESS_S)
			continue;
		said_s = now_s();
		printf("sim: %llu of %llu seeds, %llu failed\n", (unsigned long long)shared->done,
		       (unsigned long long)arguments->seeds, (unsigned long long)shared->failures);
		fflush(stdout);
	}
	print_failures(shared, printed);
	summary(arguments, shared, now_s() - start_s);
	return arguments->expect_failure ? !shared->failures : shared->failures != 0;
}

static int run_one(const struct arguments *arguments)
{
	struct sim *sim = calloc(1, sizeof(*sim));
	bool good;

	if (!sim)
		return 2;
	sched_init(&sim->sched);
	good = sim_run(sim, arguments->first, &arguments->options);
	printf("seed %llu: %s\n", (unsigned long long)arguments->first, good ? "all that must hold holds" : sim->why);
	sched_fini(&sim->sched);
	free(sim);
	return !good;
}

static unsigned breakage(const char *name)
{
	static const char *const names[] = {"early-grant",  "no-open-flush",     "recall-waits",   "no-coherence",
	                                    "open-unshown", "size-early",        "grower-untold",  "show-unchecked",
	                                    "setattr-unsettled", "attr-kept",    "name-kept",
	                                    "show-kept",         "parts-wait",   "reread-kept",
	                                    "runs-whole"};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(names[i], name))
			return 1u << i;
	fprintf(stderr, "sim: unknown --break %s\n", name);
	exit(2);
}

static void usage(void)
{
	fprintf(stderr,
	        "usage: sim [--seeds N] [--first S] [--nodes LOW-HIGH] [--jobs N] [--faults MASK] [--kernel old|new]\n"
	        "           [--barrier read|fallocate] [--break HOW] [--storm]\n"
	        "           [--expect-failure] [--trace]\n");
	exit(2);
}

static void parse(struct arguments *arguments, int argc, char **argv)
{
	static const struct option options[] = {{"seeds", 1, NULL, 's'},   {"first", 1, NULL, 'f'},
	                                        {"nodes", 1, NULL, 'n'},   {"jobs", 1, NULL, 'j'},
	                                        {"faults", 1, NULL, 'F'},  {"kernel", 1, NULL, 'k'},
	                                        {"barrier", 1, NULL, 'B'},
	                                        {"break", 1, NULL, 'b'},
	                                        {"storm", 0, NULL, 'S'},
	                                        {"trace", 0, NULL, 't'},   {"expect-failure", 0, NULL, 'e'},
	                                        {NULL, 0, NULL, 0}};
	struct options *o = &arguments->options;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 's':
			arguments->seeds = strtoull(optarg, NULL, 0);
			break;
		case 'f':
			arguments->first = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			if (sscanf(optarg, "%u-%u", &o->nodes_min, &o->nodes_max) == 1)
				o->nodes_max = o->nodes_min;
			if (o->nodes_min < 1 || o->nodes_max < o->nodes_min || o->nodes_max > NODES_MAX)
				usage();
			break;
		case 'j':
			arguments->jobs = (unsigned)strtoul(optarg, NULL, 0);
			if (!arguments->jobs || arguments->jobs > JOBS_MAX)
				usage();
			break;
		case 'F':
			o->faults = (int)strtol(optarg, NULL, 0);
			break;
		case 'k':
			o->old_kernel = !strcmp(optarg, "old");
			break;
		case 'B':
			o->barrier_fallocate = !strcmp(optarg, "fallocate");
			break;
		case 'b':
			o->breakage |= breakage(optarg);
			break;
		case 'S':
			o->storm = true;
			break;
		case 't':
			o->trace = true;
			break;
		case 'e':
			arguments->expect_failure = true;
			break;
		default:
			usage();
		}
	}
	if (optind != argc)
		usage();
}

int main(int argc, char **argv)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	struct arguments arguments = {.options = {.faults = -1, .old_kernel = -1},
	                              .seeds = 1000,
	                              .first = 1,
	                              .jobs = cores < 1 ? 1 : cores > 8 ? 8 : (unsigned)cores};

	parse(&arguments, argc, argv);
	if (arguments.options.trace)
		return run_one(&arguments);
	return run_all(&arguments);
}
