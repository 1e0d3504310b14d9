/*
 * Goal: a program's memory has its contents, whatever happens to the segment that it is: revoked, forked, loaded
 * from while it is rebound, and a thread cancelled that moves it.
 */
#define _GNU_SOURCE 1
#include "rsm_scene.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 100
#define FORKS 20
#define THREADS 4

static void create(char *memory, rsm_memseg_export_handle_t *export)
{
	OK(rsm_memseg_export_create(program_controller(), export, memory, SEGMENT_BYTES, RSM_ALLOW_REBIND));
}

static void publish(rsm_memseg_export_handle_t export)
{
	rsm_memseg_id_t id = segment_id();

	OK(rsm_memseg_export_publish(export, &id, NULL, 0));
}

static void control_write(const char *word)
{
	int control = open(nodes_path(1, "rsm-1-%08x/control", segment_id()), O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(control, 0);
	ck_assert_int_eq(write(control, word, strlen(word)), strlen(word));
	close(control);
}

/* What the child's function returns; it must not assert. */
static int child_code(int (*child)(char *), char *memory)
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(child(memory));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Somebody who may has revoked the object: its contents are gone, but nothing else is. */
START_TEST(test_revoked)
{
	char *memory = memory_new(SEGMENT_BYTES, 1);
	char *other = memory_new(SEGMENT_BYTES, 2);
	rsm_memseg_export_handle_t export;

	create(memory, &export);
	publish(export);
	control_write("revoke");
	ck_assert_int_eq(rsm_memseg_export_unpublish(export), RSMERR_REMOTE_NODE_UNREACHABLE);
	ck_assert_int_eq(rsm_memseg_export_rebind(export, other, 0, SEGMENT_BYTES), RSMERR_REMOTE_NODE_UNREACHABLE);
	ck_assert_uint_eq(memory_wrong(other, 0, SEGMENT_BYTES, 2), 0);
	OK(rsm_memseg_export_destroy(export));
	memset(memory, 0, SEGMENT_BYTES);
	memset(other, 0, SEGMENT_BYTES);
}
END_TEST

/* --- fork ----------------------------------------------------------------------------------------------------------- */

static int see_what_was_and_store(char *memory)
{
	int wrong = memory_wrong(memory, 0, SEGMENT_BYTES, 1) > 0;

	memset(memory, 3, SEGMENT_BYTES);
	return wrong;
}

/* The child has what was there at the fork, not what its parent stores right after it. */
START_TEST(test_fork)
{
	char *memory = memory_new(SEGMENT_BYTES, 1);
	rsm_memseg_export_handle_t export;
	int i;

	create(memory, &export);
	for (i = 0; i < ROUNDS; i++) {
		pid_t child = fork();
		int status;

		if (child == 0)
			_exit(see_what_was_and_store(memory));
		memory[SEGMENT_BYTES - 1] = ~memory[SEGMENT_BYTES - 1];
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		ck_assert_int_eq(status, 0);
		memory[SEGMENT_BYTES - 1] = ~memory[SEGMENT_BYTES - 1];
		ck_assert_uint_eq(memory_wrong(memory, 0, SEGMENT_BYTES, 1), 0);
	}
	OK(rsm_memseg_export_destroy(export));
}
END_TEST

static int fork_again(char *memory)
{
	return child_code(see_what_was_and_store, memory) || memory_wrong(memory, 0, SEGMENT_BYTES, 1) > 0;
}

/* The child of a child, and a child that exports the memory itself. */
static int export_again(char *memory)
{
	rsm_memseg_export_handle_t export;

	if (rsm_memseg_export_create(program_controller(), &export, memory, SEGMENT_BYTES, 0))
		return 2;
	memory[0]++;
	if (rsm_memseg_export_destroy(export))
		return 3;
	memory[0]--;
	return memory_wrong(memory, 0, SEGMENT_BYTES, 1) > 0;
}

START_TEST(test_fork_of_fork)
{
	char *memory = memory_new(SEGMENT_BYTES, 1);
	rsm_memseg_export_handle_t export;

	create(memory, &export);
	ck_assert_int_eq(child_code(fork_again, memory), 0);
	ck_assert_int_eq(child_code(export_again, memory), 0);
	ck_assert_uint_eq(memory_wrong(memory, 0, SEGMENT_BYTES, 1), 0);
	OK(rsm_memseg_export_destroy(export));
}
END_TEST

static atomic_bool stop;
static char *all_memory[THREADS];

static void *create_and_destroy(void *memory)
{
	uintptr_t rounds = 0;

	while (!atomic_load(&stop)) {
		rsm_memseg_export_handle_t export;

		if (rsm_memseg_export_create(program_controller(), &export, memory, SEGMENT_BYTES, 0) ||
		    rsm_memseg_export_destroy(export))
			return NULL;
		rounds++;
	}
	return (void *)rounds;
}

static int see_all_and_store(char *unused)
{
	int wrong = 0;

	(void)unused;
	for (size_t i = 0; i < THREADS; i++)
		wrong |= see_what_was_and_store(all_memory[i]);
	return wrong;
}

/* A fork meets segments in every state. */
START_TEST(test_fork_beside_exports)
{
	pthread_t threads[THREADS];

	program_controller();
	for (size_t i = 0; i < THREADS; i++) {
		all_memory[i] = memory_new(SEGMENT_BYTES, 1);
		ck_assert_int_eq(pthread_create(&threads[i], NULL, create_and_destroy, all_memory[i]), 0);
	}
	for (int i = 0; i < FORKS; i++)
		ck_assert_int_eq(child_code(see_all_and_store, NULL), 0);
	atomic_store(&stop, true);
	for (size_t i = 0; i < THREADS; i++) {
		void *rounds;

		pthread_join(threads[i], &rounds);
		ck_assert_ptr_nonnull(rounds);
		ck_assert_uint_eq(memory_wrong(all_memory[i], 0, SEGMENT_BYTES, 1), 0);
	}
}
END_TEST

/* --- threads -------------------------------------------------------------------------------------------------------- */

static char *bound[2];

static void *load_all_the_time(void *argument)
{
	uintptr_t loads = 0;

	(void)argument;
	for (; !atomic_load(&stop); loads++)
		for (unsigned i = 0; i < 2; i++)
			if (memory_wrong(bound[i], 0, SEGMENT_BYTES, i))
				return NULL;
	return (void *)(loads + 1);
}

/* Both memories have their own contents at any moment, the one that the segment leaves and the one that it goes to. */
START_TEST(test_loads_during_rebind)
{
	rsm_memseg_export_handle_t export;
	pthread_t thread;
	void *loads;

	bound[0] = memory_new(SEGMENT_BYTES, 0);
	bound[1] = memory_new(SEGMENT_BYTES, 1);
	create(bound[0], &export);
	ck_assert_int_eq(pthread_create(&thread, NULL, load_all_the_time, NULL), 0);
	for (int i = 0; i < ROUNDS; i++)
		OK(rsm_memseg_export_rebind(export, bound[(i + 1) % 2], 0, SEGMENT_BYTES));
	atomic_store(&stop, true);
	pthread_join(thread, &loads);
	ck_assert_msg(loads, "a load has seen what is not there");
	OK(rsm_memseg_export_destroy(export));
}
END_TEST

static void *be_cancelled(void *memory)
{
	rsm_memseg_export_handle_t export;

	pthread_cancel(pthread_self());
	if (rsm_memseg_export_create(program_controller(), &export, memory, SEGMENT_BYTES, 0) ||
	    rsm_memseg_export_destroy(export))
		return NULL;
	pthread_testcancel();
	return NULL;
}

/* A thread is cancelled before or after it has moved the memory, and others can go on. */
START_TEST(test_cancelled)
{
	char *memory = memory_new(SEGMENT_BYTES, 1);
	rsm_memseg_export_handle_t export;
	pthread_t thread;
	void *result;

	program_controller();
	ck_assert_int_eq(pthread_create(&thread, NULL, be_cancelled, memory), 0);
	pthread_join(thread, &result);
	ck_assert_ptr_eq(result, PTHREAD_CANCELED);
	ck_assert_uint_eq(memory_wrong(memory, 0, SEGMENT_BYTES, 1), 0);
	create(memory, &export);
	memory[0]++;
	OK(rsm_memseg_export_destroy(export));
}
END_TEST

/* --- never touched -------------------------------------------------------------------------------------------------- */

#define SPARSE_PAGES 16384
#define TOUCHED_EACH 1000 /* pages */

static char *sparse_new(void)
{
	char *memory = mmap(NULL, (size_t)SPARSE_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t page;

	ck_assert_ptr_ne(memory, MAP_FAILED);
	madvise(memory, (size_t)SPARSE_PAGES * PAGE, MADV_NOHUGEPAGE);
	for (page = 0; page < SPARSE_PAGES; page += TOUCHED_EACH)
		memory[page * PAGE + page / TOUCHED_EACH] = (char)(1 + page / TOUCHED_EACH);
	return memory;
}

static size_t sparse_wrong(const char *memory)
{
	size_t wrong = 0;
	size_t i;

	for (i = 0; i < (size_t)SPARSE_PAGES * PAGE; i++) {
		size_t turn = i / PAGE / TOUCHED_EACH;
		bool touched = i / PAGE % TOUCHED_EACH == 0 && i % PAGE == turn;

		wrong += memory[i] != (char)(touched ? 1 + turn : 0);
	}
	return wrong;
}

/* Of all objects of this node, as the file system says. */
static uint64_t used_pages(void)
{
	struct statvfs status;

	ck_assert_int_eq(statvfs(nodes_path(1, "."), &status), 0);
	return status.f_blocks - status.f_bfree;
}

/* Only pages that the program has touched take memory of a node, and all that it has stored is there in the end. */
START_TEST(test_sparse)
{
	uint64_t touched = (SPARSE_PAGES + TOUCHED_EACH - 1) / TOUCHED_EACH;
	char *memory = sparse_new();
	rsm_memseg_export_handle_t export;
	rsm_memseg_id_t id = 0;

	OK(rsm_memseg_export_create(program_controller(), &export, memory, (size_t)SPARSE_PAGES * PAGE, 0));
	ck_assert_uint_le(used_pages(), touched);
	ck_assert_uint_eq(sparse_wrong(memory), 0);
	OK(rsm_memseg_export_publish(export, &id, NULL, 0));
	OK(rsm_memseg_export_unpublish(export));
	ck_assert_uint_le(used_pages(), touched);
	ck_assert_uint_eq(sparse_wrong(memory), 0);
	OK(rsm_memseg_export_destroy(export));
	ck_assert_uint_eq(sparse_wrong(memory), 0);
	munmap(memory, (size_t)SPARSE_PAGES * PAGE);
}
END_TEST

static void one_node(void)
{
	nodes_start(1, NULL);
}

int main(int argc, char **argv)
{
	const TTest *const tests[] = { test_revoked, test_fork, test_fork_of_fork, test_fork_beside_exports,
				       test_loads_during_rebind, test_cancelled, test_sparse };
	Suite *suite = suite_create("librsm, memory of exports");
	TCase *tcase = tcase_create("memory");

	peer_main(argc, argv);
	tcase_add_unchecked_fixture(tcase, one_node, nodes_stop);
	tcase_set_timeout(tcase, 120);
	for (size_t i = 0; i < COUNT(tests); i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	return scene_run(suite);
}
