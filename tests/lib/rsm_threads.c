/*
 * Goal: "MT-Safe": any call from any thread at any time, and no store of the program's threads is lost while the
 * library moves the memory that they store into. Also built with ThreadSanitizer.
 */
#define _GNU_SOURCE 1
#include "rsm_scene.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 4
#define ROUNDS 40

static atomic_bool stop;
static atomic_int running; /* threads that have begun */
static pthread_t threads[THREADS];

static void threads_start(void *(*body)(void *))
{
	atomic_store(&stop, false);
	for (uintptr_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, body, (void *)i), 0);
}

/* Each body returns NULL, or what went wrong. */
static void threads_join(void)
{
	for (int i = 0; i < THREADS; i++) {
		void *wrong;

		pthread_join(threads[i], &wrong);
		ck_assert_msg(!wrong, "thread %d: %s", i, (const char *)wrong);
	}
}

/* One import. */

/* Each thread has a page to itself, and a barrier; gets back what it has put. */
static void *copy_and_close(void *argument)
{
	off_t page = (off_t)(uintptr_t)argument * PAGE;
	uint64_t words[PAGE / 8];
	uint64_t got[PAGE / 8];
	rsmapi_barrier_t barrier;

	if (rsm_memseg_import_init_barrier(program.imported, RSM_BARRIER_SEGMENT, &barrier))
		return (void *)"init";
	for (uint64_t round = 0; round < ROUNDS; round++) {
		for (uint64_t i = 0; i < PAGE / 8; i++)
			words[i] = round * 1000 + i + (uint64_t)page;
		if (rsm_memseg_import_open_barrier(&barrier))
			return (void *)"open";
		if (round % 2 ? rsm_memseg_import_put64(program.imported, page, words, PAGE / 8)
			      : rsm_memseg_import_put(program.imported, page, words, PAGE))
			return (void *)"put";
		if (rsm_memseg_import_order_barrier(&barrier) || rsm_memseg_import_close_barrier(&barrier))
			return (void *)"close";
		if (round % 3 ? rsm_memseg_import_get64(program.imported, page, got, PAGE / 8)
			      : rsm_memseg_import_get(program.imported, page, got, PAGE))
			return (void *)"get";
		if (memcmp(words, got, PAGE) != 0)
			return (void *)"got what was not put";
	}
	return rsm_memseg_import_destroy_barrier(&barrier) ? (void *)"destroy" : NULL;
}

START_TEST(test_copies_on_one_handle)
{
	exporter_start(0);
	import_here(RSM_PERM_RDWR);
	threads_start(copy_and_close);
	threads_join();
	for (long page = 0; page < THREADS; page++)
		ck_assert_int_eq(ASK(exporter, step_load, page * PAGE + 8), (ROUNDS - 1) * 1000 + 1 + page * PAGE);
}
END_TEST

/* Signals, copies, mappings and modes, all at once. */
static void *do_anything(void *argument)
{
	uintptr_t number = (uintptr_t)argument;
	uint64_t value = 0;

	for (int round = 0; round < ROUNDS; round++) {
		switch (number % 4) {
		case 0:
			if (rsm_intr_signal_post(program.imported, 0) || rsm_intr_signal_wait(program.imported, PATIENCE_MS))
				return (void *)"signal";
			break;
		case 1:
			if (rsm_memseg_import_put64(program.imported, 8, &value, 1) ||
			    rsm_memseg_import_get64(program.imported, PAGE, &value, 1))
				return (void *)"copy";
			break;
		case 2: {
			void *address;
			struct pollfd end;

			if (rsm_memseg_import_map(program.imported, &address, RSM_MAP_NONE, RSM_PERM_READ, 0, SEGMENT_BYTES) ||
			    rsm_memseg_get_pollfd(program.imported, &end) ||
			    rsm_memseg_release_pollfd(program.imported) || rsm_memseg_import_unmap(program.imported))
				return (void *)"map";
			break;
		}
		default:
			if (rsm_memseg_import_set_mode(program.imported, round % 2 ? RSM_BARRIER_MODE_EXPLICIT
										   : RSM_BARRIER_MODE_IMPLICIT))
				return (void *)"mode";
			break;
		}
	}
	return NULL;
}

static long step_answer(const long *count)
{
	for (long i = 0; i < count[0]; i++)
		if (HERE(step_wait, EXPORTED, PATIENCE_MS) || HERE(step_post, EXPORTED, 0))
			return i;
	return count[0];
}

START_TEST(test_anything_on_one_handle)
{
	exporter_start(0);
	import_here(RSM_PERM_RDWR);
	SEND(exporter, step_answer, ROUNDS);
	threads_start(do_anything);
	threads_join();
	ck_assert_int_eq(peer_answer(exporter), ROUNDS);
}
END_TEST

/* An element is never seen half. */
static void *put_words(void *argument)
{
	uint64_t word = ((uintptr_t)argument + 1) * 0x0101010101010101;

	while (!atomic_load(&stop))
		if (rsm_memseg_import_put64(program.imported, 64, &word, 1))
			return (void *)"put";
	return NULL;
}

START_TEST(test_elements_are_whole)
{
	uint64_t word = 0;

	exporter_start(0);
	import_here(RSM_PERM_RDWR);
	OK(rsm_memseg_import_put64(program.imported, 64, &word, 1));
	threads_start(put_words);
	for (int i = 0; i < 20 * ROUNDS; i++) {
		if (i % 2)
			word = (uint64_t)ASK(exporter, step_load, 64);
		else
			OK(rsm_memseg_import_get64(program.imported, 64, &word, 1));
		ck_assert_msg(word % 0x0101010101010101 == 0 && word <= THREADS * 0x0101010101010101ull, "%#lx",
			      (unsigned long)word);
	}
	atomic_store(&stop, true);
	threads_join();
}
END_TEST

/* Connections come and go while others of the same segment are in use. */
static void *connect_and_disconnect(void *argument)
{
	uintptr_t number = (uintptr_t)argument;

	for (int round = 0; round < ROUNDS; round++) {
		rsm_memseg_import_handle_t import;
		rsmapi_barrier_t barrier;
		uint64_t value = number * 1000 + (uint64_t)round;
		uint64_t got = 0;
		off_t place = (off_t)number * 8;

		if (rsm_memseg_import_connect(program.controller, 1, segment_id(), RSM_PERM_RDWR, &import) ||
		    rsm_memseg_import_init_barrier(import, RSM_BARRIER_SEGMENT, &barrier))
			return (void *)"connect";
		if (rsm_memseg_import_put64(import, place, &value, 1) || rsm_memseg_import_get64(import, place, &got, 1) ||
		    got != value)
			return (void *)"copy";
		if (rsm_memseg_import_destroy_barrier(&barrier) || rsm_memseg_import_disconnect(import))
			return (void *)"disconnect";
	}
	return NULL;
}

START_TEST(test_connections)
{
	exporter_start(0);
	nodes_use(2);
	program_controller();
	threads_start(connect_and_disconnect);
	threads_join();
}
END_TEST

/* One handle, disconnected while others use it: they get what it is worth, or are told. */
static void *get_until_told(void *argument)
{
	uint64_t words[PAGE / 8];

	(void)argument;
	while (!atomic_load(&stop)) {
		int code = rsm_memseg_import_get64(program.imported, 0, words, PAGE / 8);

		if (code == RSMERR_BAD_SEG_HNDL)
			return NULL;
		if (code || memory_wrong((const char *)words, 0, PAGE, 1))
			return (void *)"neither";
	}
	return NULL;
}

START_TEST(test_disconnect_beside_get)
{
	exporter_start(0);
	for (int round = 0; round < ROUNDS / 4; round++) {
		import_here(RSM_PERM_READ);
		threads_start(get_until_told);
		for (int i = 0; i < round; i++)
			HERE(step_get, 0);
		OK(HERE(step_disconnect, 0));
		threads_join();
	}
}
END_TEST

/* Who waits on a connection that is disconnected is told, too. */
static void *wait_until_told(void *argument)
{
	int code = rsm_intr_signal_wait(program.imported, PATIENCE_MS);

	(void)argument;
	return code == RSMERR_BAD_SEG_HNDL || code == RSMERR_CONN_ABORTED ? NULL : (void *)"not told";
}

START_TEST(test_cut_beside_wait)
{
	exporter_start(0);
	import_here(RSM_PERM_READ);
	threads_start(wait_until_told);
	peer_kill(exporter);
	threads_join();
}
END_TEST

/* Controllers are counted; the topology is a snapshot. */
static void *controllers_come_and_go(void *argument)
{
	(void)argument;
	for (int round = 0; round < ROUNDS; round++) {
		rsmapi_controller_handle_t controller;
		rsmapi_controller_attr_t attr;
		rsm_topology_t *topology;

		if (rsm_get_controller((char *)(round % 2 ? "netmem" : "loopback"), &controller) ||
		    rsm_get_controller_attr(controller, &attr) || rsm_release_controller(controller))
			return (void *)"controller";
		if (rsm_get_interconnect_topology(&topology))
			return (void *)"topology";
		rsm_free_interconnect_topology(topology);
	}
	return NULL;
}

START_TEST(test_controllers)
{
	threads_start(controllers_come_and_go);
	threads_join();
}
END_TEST

/* Memory that moves. */

static char *moving[2]; /* SEGMENT_BYTES each */
static uint64_t stored[THREADS];

/* A word of its own in each page of both; so often, in the end, each word has to have. */
static volatile uint64_t *word_of(size_t memory, size_t page, uintptr_t thread)
{
	return (volatile uint64_t *)(void *)(moving[memory] + page * PAGE + thread * 64);
}

static void *store_all_the_time(void *argument)
{
	uintptr_t thread = (uintptr_t)argument;
	uint64_t count = 0;

	atomic_fetch_add(&running, 1);
	do {
		count++;
		for (size_t memory = 0; memory < 2; memory++)
			for (size_t page = 0; page < SEGMENT_PAGES; page++)
				*word_of(memory, page, thread) += 1;
	} while (!atomic_load(&stop));
	stored[thread] = count;
	return NULL;
}

static void stores_start(void)
{
	threads_start(store_all_the_time);
	while (atomic_load(&running) < THREADS)
		sched_yield();
}

static void no_store_is_lost(void)
{
	for (uintptr_t thread = 0; thread < THREADS; thread++) {
		ck_assert_uint_gt(stored[thread], 0);
		for (size_t memory = 0; memory < 2; memory++)
			for (size_t page = 0; page < SEGMENT_PAGES; page++)
				ck_assert_msg(*word_of(memory, page, thread) == stored[thread],
					      "memory %zu, page %zu, thread %zu: %lu of %lu", memory, page, (size_t)thread,
					      (unsigned long)*word_of(memory, page, thread), (unsigned long)stored[thread]);
	}
}

static void moving_new(void)
{
	for (int i = 0; i < 2; i++) {
		moving[i] = memory_new(SEGMENT_BYTES, 0);
		memset(moving[i], 0, SEGMENT_BYTES);
	}
	program.length = SEGMENT_BYTES;
}

static int create_moving(int which)
{
	return rsm_memseg_export_create(program_controller(), &program.exported, moving[which], SEGMENT_BYTES,
					RSM_ALLOW_REBIND);
}

/* Somebody on another node reads it all meanwhile, so that pages are taken away and come back. */
static long step_read_all(const long *count)
{
	for (long i = 0; i < count[0]; i++)
		if (HERE(step_get_wrong, SEGMENT_BYTES, 0) == -RSMERR_CONN_ABORTED)
			return i;
	return count[0];
}

START_TEST(test_stores_during_create_and_destroy)
{
	moving_new();
	stores_start();
	for (int round = 0; round < ROUNDS; round++) {
		OK(create_moving(round % 2));
		OK(HERE(step_destroy, 0));
	}
	atomic_store(&stop, true);
	threads_join();
	no_store_is_lost();
}
END_TEST

START_TEST(test_stores_during_rebind)
{
	struct peer *importer = peer_start(2);

	moving_new();
	OK(create_moving(0));
	ck_assert_uint_eq(HERE(step_publish, segment_id()), segment_id());
	OK(ASK(importer, step_import, 1, segment_id(), RSM_PERM_READ));
	stores_start();
	SEND(importer, step_read_all, ROUNDS);
	for (int round = 0; round < ROUNDS; round++)
		OK(rsm_memseg_export_rebind(program.exported, moving[(round + 1) % 2], 0, SEGMENT_BYTES));
	atomic_store(&stop, true);
	threads_join();
	ck_assert_int_eq(peer_answer(importer), ROUNDS);
	no_store_is_lost();
	OK(HERE(step_destroy, 0));
	no_store_is_lost();
}
END_TEST

START_TEST(test_stores_during_unpublish)
{
	struct peer *importer = peer_start(2);

	moving_new();
	OK(create_moving(0));
	stores_start();
	for (int round = 0; round < ROUNDS / 4; round++) {
		ck_assert_uint_eq(HERE(step_publish, segment_id()), segment_id());
		OK(ASK(importer, step_import, 1, segment_id(), RSM_PERM_READ));
		SEND(importer, step_read_all, 2 * ROUNDS);
		OK(HERE(step_unpublish, 0));
		peer_answer(importer);
		OK(ASK(importer, step_disconnect, 0));
	}
	atomic_store(&stop, true);
	threads_join();
	no_store_is_lost();
}
END_TEST

static void two_nodes(void)
{
	nodes_start(2, NULL);
}

int main(int argc, char **argv)
{
	const TTest *const tests[] = { test_copies_on_one_handle, test_anything_on_one_handle, test_elements_are_whole,
				       test_connections, test_disconnect_beside_get, test_cut_beside_wait,
				       test_controllers, test_stores_during_create_and_destroy, test_stores_during_rebind,
				       test_stores_during_unpublish };
	Suite *suite = suite_create("librsm, threads");
	TCase *tcase = tcase_create("threads");

	peer_main(argc, argv);
	tcase_add_unchecked_fixture(tcase, two_nodes, nodes_stop);
	tcase_set_timeout(tcase, 240);
	for (size_t i = 0; i < COUNT(tests); i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	return scene_run(suite);
}
