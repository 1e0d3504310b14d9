/*
 * Goal: signals between exporter and importers: none is lost, none comes twice, waiting costs nothing, and poll(2) and
 * the shell can wait for them too.
 */
#define _GNU_SOURCE 1
#include "rsm_scene.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define WAITERS 4
#define POSTS 5
#define NOTHING_MORE_MS 50
#define IDLE_MS 1000
#define IDLE_LIMIT_NS 50000000u

static void *const no_thread_failed = NULL;

/* The exporter is on node 1 and this process imports on node 2. */
static void scene(void)
{
	exporter_start(0);
	import_here(RSM_PERM_RDWR);
}

static struct peer *importer_on(int node)
{
	struct peer *importer = peer_start(node);

	OK(ASK(importer, step_import, 1, segment_id(), RSM_PERM_RDWR));
	return importer;
}

/* Exactly so many are there for the exporter. */
static void exporter_gets(int count)
{
	for (int i = 0; i < count; i++)
		OK(ASK(exporter, step_wait, EXPORTED, PATIENCE_MS));
	ck_assert_int_eq(ASK(exporter, step_wait, EXPORTED, NOTHING_MORE_MS), RSMERR_TIMEOUT);
}

static void import_gets(int count)
{
	for (int i = 0; i < count; i++)
		OK(HERE(step_wait, IMPORTED, PATIENCE_MS));
	ck_assert_int_eq(HERE(step_wait, IMPORTED, NOTHING_MORE_MS), RSMERR_TIMEOUT);
}

START_TEST(test_to_the_exporter)
{
	struct peer *other;

	scene();
	other = importer_on(3);
	for (int i = 0; i < POSTS; i++)
		OK(HERE(step_post, IMPORTED, 0));
	OK(ASK(other, step_post, IMPORTED, 0));
	exporter_gets(POSTS + 1);
	import_gets(0);
	ck_assert_int_eq(ASK(other, step_wait, IMPORTED, 0), RSMERR_TIMEOUT);
}
END_TEST

START_TEST(test_to_all_importers)
{
	struct peer *others[2];

	scene();
	others[0] = importer_on(3);
	others[1] = importer_on(1);
	for (int i = 0; i < POSTS; i++)
		OK(ASK(exporter, step_post, EXPORTED, 0));
	import_gets(POSTS);
	for (int which = 0; which < 2; which++) {
		for (int i = 0; i < POSTS; i++)
			OK(ASK(others[which], step_wait, IMPORTED, PATIENCE_MS));
		ck_assert_int_eq(ASK(others[which], step_wait, IMPORTED, NOTHING_MORE_MS), RSMERR_TIMEOUT);
	}
	exporter_gets(0);
	/* Who comes later has not missed any. */
	others[0] = importer_on(3);
	ck_assert_int_eq(ASK(others[0], step_wait, IMPORTED, 0), RSMERR_TIMEOUT);
}
END_TEST

/* Two imports of one program are two importers. */
START_TEST(test_two_imports_of_a_program)
{
	rsm_memseg_import_handle_t first;

	scene();
	first = program.imported;
	import_here(RSM_PERM_READ);
	OK(ASK(exporter, step_post, EXPORTED, 0));
	import_gets(1);
	OK(rsm_intr_signal_wait(first, PATIENCE_MS));
	OK(rsm_intr_signal_post(first, 0));
	OK(HERE(step_post, IMPORTED, 0));
	exporter_gets(2);
}
END_TEST

START_TEST(test_no_accumulate)
{
	scene();
	for (int i = 0; i < POSTS; i++)
		OK(HERE(step_post, IMPORTED, RSM_SIGPOST_NO_ACCUMULATE));
	exporter_gets(1);
	OK(HERE(step_post, IMPORTED, RSM_SIGPOST_NO_ACCUMULATE));
	OK(HERE(step_post, IMPORTED, 0));
	OK(HERE(step_post, IMPORTED, RSM_SIGPOST_NO_ACCUMULATE));
	exporter_gets(2);
	for (int i = 0; i < POSTS; i++)
		OK(ASK(exporter, step_post, EXPORTED, RSM_SIGPOST_NO_ACCUMULATE));
	import_gets(1);
}
END_TEST

START_TEST(test_a_waiter_wakes_up)
{
	scene();
	for (int i = 0; i < POSTS; i++) {
		SEND(exporter, step_wait, EXPORTED, i % 2 ? -1 : PATIENCE_MS);
		ck_assert(!peer_answered(exporter, i == 0 ? NOTHING_MORE_MS : 0));
		OK(HERE(step_post, IMPORTED, 0));
		OK(peer_answer(exporter));
	}
	exporter_gets(0);
}
END_TEST

/* A ball between two programs: as many turns as signals, whatever comes when. */
static long step_play(const long *turns)
{
	for (long i = 0; i < turns[0]; i++)
		if (HERE(step_wait, EXPORTED, PATIENCE_MS) || HERE(step_post, EXPORTED, 0))
			return 1;
	return 0;
}

START_TEST(test_to_and_fro)
{
	scene();
	SEND(exporter, step_play, 200);
	for (int i = 0; i < 200; i++) {
		OK(HERE(step_post, IMPORTED, 0));
		OK(HERE(step_wait, IMPORTED, PATIENCE_MS));
	}
	OK(peer_answer(exporter));
	import_gets(0);
}
END_TEST

static void *wait_for_one(void *handle)
{
	return (void *)(intptr_t)rsm_intr_signal_wait(handle, PATIENCE_MS);
}

START_TEST(test_several_waiters)
{
	pthread_t threads[WAITERS];
	void *code;

	scene();
	for (int i = 0; i < WAITERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, wait_for_one, program.imported), 0);
	for (int i = 0; i < WAITERS; i++)
		OK(ASK(exporter, step_post, EXPORTED, 0));
	for (int i = 0; i < WAITERS; i++) {
		pthread_join(threads[i], &code);
		ck_assert_ptr_eq(code, no_thread_failed);
	}
	import_gets(0);
}
END_TEST

START_TEST(test_timeouts)
{
	struct timespec start;
	struct timespec end;
	long took;

	scene();
	clock_gettime(CLOCK_MONOTONIC, &start);
	ck_assert_int_eq(HERE(step_wait, IMPORTED, 200), RSMERR_TIMEOUT);
	clock_gettime(CLOCK_MONOTONIC, &end);
	took = (end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000;
	ck_assert_int_ge(took, 199);
	ck_assert_int_lt(took, PATIENCE_MS);
}
END_TEST

/* Neither the waiting program nor a daemon does anything. */
START_TEST(test_waiting_costs_nothing)
{
	struct rusage before;
	struct rusage after;
	uint64_t busy;

	scene();
	SEND(exporter, step_wait, EXPORTED, 10 * IDLE_MS);
	ck_assert_int_eq(HERE(step_wait, IMPORTED, 100), RSMERR_TIMEOUT);
	busy = nodes_busy_ns();
	getrusage(RUSAGE_THREAD, &before);
	ck_assert_int_eq(HERE(step_wait, IMPORTED, IDLE_MS), RSMERR_TIMEOUT);
	getrusage(RUSAGE_THREAD, &after);
	busy = nodes_busy_ns() - busy;
	ck_assert_int_le(after.ru_nvcsw - before.ru_nvcsw, 10);
	ck_assert_uint_lt((uint64_t)(after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000000 +
			  (uint64_t)(after.ru_utime.tv_usec - before.ru_utime.tv_usec) +
			  (uint64_t)(after.ru_stime.tv_sec - before.ru_stime.tv_sec) * 1000000 +
			  (uint64_t)(after.ru_stime.tv_usec - before.ru_stime.tv_usec), IDLE_LIMIT_NS / 1000);
	ck_assert_msg(busy < IDLE_LIMIT_NS, "the daemons were busy for %lu us", (unsigned long)busy / 1000);
	OK(HERE(step_post, IMPORTED, 0));
	OK(peer_answer(exporter));
}
END_TEST

/* Descriptors. */

START_TEST(test_pollfd)
{
	struct pollfd end;
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = { .events = EPOLLIN };

	scene();
	OK(rsm_memseg_get_pollfd(program.imported, &end));
	ck_assert(end.events & POLLRDNORM);
	ck_assert_int_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, end.fd, &event), 0);
	ck_assert_int_eq(poll(&end, 1, 0), 0);
	ck_assert_int_eq(epoll_wait(epoll, &event, 1, 0), 0);
	for (int i = 0; i < 3; i++) {
		OK(ASK(exporter, step_post, EXPORTED, 0));
		ck_assert_int_eq(poll(&end, 1, PATIENCE_MS), 1);
		ck_assert_int_eq(end.revents, POLLRDNORM);
		ck_assert_int_eq(epoll_wait(epoll, &event, 1, PATIENCE_MS), 1);
		ck_assert_uint_eq(event.events, EPOLLIN);
		OK(HERE(step_wait, IMPORTED, 0)); /* poll() does not take it */
		ck_assert_int_eq(poll(&end, 1, 0), 0);
		ck_assert_int_eq(epoll_wait(epoll, &event, 1, 0), 0);
	}
	OK(ASK(exporter, step_destroy, 0));
	ck_assert_int_eq(poll(&end, 1, PATIENCE_MS), 1);
	ck_assert(end.revents & POLLHUP);
	ck_assert_int_eq(epoll_wait(epoll, &event, 1, PATIENCE_MS), 1);
	ck_assert(event.events & EPOLLHUP);
	OK(rsm_memseg_release_pollfd(program.imported));
	OK(HERE(step_disconnect, 0));
	close(epoll);
}
END_TEST

/* Several handles, a pipe, and an entry that is switched off. */
START_TEST(test_wait_pollfd)
{
	enum { FIRST, PIPE, SECOND, OFF, ENDS };
	struct pollfd ends[ENDS];
	int pipes[2];
	int count = -1;

	scene();
	OK(rsm_memseg_get_pollfd(program.imported, &ends[FIRST]));
	import_here(RSM_PERM_READ);
	OK(rsm_memseg_get_pollfd(program.imported, &ends[SECOND]));
	ck_assert_int_ne(ends[FIRST].fd, ends[SECOND].fd);
	ck_assert_int_eq(pipe(pipes), 0);
	ends[PIPE] = (struct pollfd){ .fd = pipes[0], .events = POLLIN };
	ends[OFF] = (struct pollfd){ .fd = -1, .events = POLLIN };
	ck_assert_int_eq(rsm_intr_signal_wait_pollfd(ends, ENDS, 0, &count), RSMERR_TIMEOUT);

	ck_assert_int_eq(write(pipes[1], "x", 1), 1);
	OK(rsm_intr_signal_wait_pollfd(ends, ENDS, PATIENCE_MS, &count));
	ck_assert_int_eq(count, 1);
	ck_assert(ends[PIPE].revents == POLLIN && !ends[FIRST].revents && !ends[SECOND].revents);

	/* Two posts to both imports; each wait takes one from each. */
	OK(ASK(exporter, step_post, EXPORTED, 0));
	OK(ASK(exporter, step_post, EXPORTED, 0));
	ck_assert_int_eq(poll(&ends[FIRST], 1, PATIENCE_MS), 1);
	ck_assert_int_eq(poll(&ends[SECOND], 1, PATIENCE_MS), 1);
	OK(rsm_intr_signal_wait_pollfd(ends, ENDS, PATIENCE_MS, &count));
	ck_assert_int_eq(count, 3);
	ck_assert(ends[FIRST].revents & POLLRDNORM && ends[SECOND].revents & POLLRDNORM && ends[PIPE].revents == POLLIN);
	ck_assert_int_eq(read(pipes[0], &(char){ 0 }, 1), 1);
	ck_assert_int_eq(poll(&ends[FIRST], 1, PATIENCE_MS), 1);
	ck_assert_int_eq(poll(&ends[SECOND], 1, PATIENCE_MS), 1);
	OK(rsm_intr_signal_wait_pollfd(ends, ENDS, PATIENCE_MS, NULL));
	ck_assert_int_eq(rsm_intr_signal_wait_pollfd(ends, ENDS, NOTHING_MORE_MS, &count), RSMERR_TIMEOUT);
}
END_TEST

static long step_get_pollfd(const long *unused)
{
	struct pollfd end;

	(void)unused;
	return rsm_memseg_get_pollfd(program.exported, &end) ? -1 : end.fd;
}

static long step_poll(const long *fd_timeout)
{
	struct pollfd end = { .fd = (int)fd_timeout[0], .events = POLLRDNORM };

	return poll(&end, 1, (int)fd_timeout[1]) == 1 ? end.revents : 0;
}

/* What a program waits with is good as long as the segment is. */
START_TEST(test_pollfd_outlives_unpublish)
{
	long fd;

	scene();
	fd = ASK(exporter, step_get_pollfd, 0);
	ck_assert_int_gt(fd, 2);
	for (int i = 0; i < POSTS; i++)
		OK(HERE(step_post, IMPORTED, 0));
	ck_assert(ASK(exporter, step_poll, fd, PATIENCE_MS) & POLLRDNORM);
	OK(ASK(exporter, step_unpublish, 0));
	ck_assert_int_eq(ASK(exporter, step_publish, segment_id()), segment_id());
	import_here(RSM_PERM_RDWR);
	OK(HERE(step_post, IMPORTED, 0));
	ck_assert(ASK(exporter, step_poll, fd, PATIENCE_MS) & POLLRDNORM);
	exporter_gets(POSTS + 1);
	ck_assert_int_eq(ASK(exporter, step_poll, fd, 0), 0);
	OK(HERE(step_post, IMPORTED, 0));
	ck_assert(ASK(exporter, step_poll, fd, PATIENCE_MS) & POLLRDNORM);
	exporter_gets(1);
	ck_assert_int_eq(ASK(exporter, step_destroy, 0), RSMERR_POLLFD_IN_USE);
}
END_TEST

/* One that waits on the old object while it is replaced hears of the new one. */
START_TEST(test_waiter_outlives_unpublish)
{
	struct peer *waiter;

	scene();
	waiter = importer_on(3);
	SEND(waiter, step_wait, IMPORTED, -1);
	ck_assert(!peer_answered(waiter, 0));
	OK(ASK(exporter, step_unpublish, 0));
	ck_assert_int_eq(peer_answer(waiter), RSMERR_CONN_ABORTED);
}
END_TEST

static void *post_many(void *handle)
{
	for (int i = 0; i < 50; i++)
		if (rsm_intr_signal_post(handle, 0))
			return handle;
	return NULL;
}

static long step_wait_many(const long *count)
{
	for (long i = 0; i < count[0]; i++)
		if (HERE(step_wait, EXPORTED, PATIENCE_MS))
			return i;
	return count[0];
}

START_TEST(test_threads_post)
{
	pthread_t threads[WAITERS];
	void *failed;

	scene();
	SEND(exporter, step_wait_many, 50 * WAITERS);
	for (int i = 0; i < WAITERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, post_many, program.imported), 0);
	for (int i = 0; i < WAITERS; i++) {
		pthread_join(threads[i], &failed);
		ck_assert_ptr_eq(failed, no_thread_failed);
	}
	ck_assert_int_eq(peer_answer(exporter), 50 * WAITERS);
	exporter_gets(0);
}
END_TEST

/* The shell. */

/* Reads a line, which has to be `expected`. */
static void expect(FILE *from, const char *expected)
{
	char line[64] = "";

	ck_assert_ptr_nonnull(fgets(line, sizeof line, from));
	line[strcspn(line, "\n")] = '\0';
	ck_assert_str_eq(line, expected);
}

START_TEST(test_shell)
{
	char command[1024];
	FILE *shell;

	scene();
	snprintf(command, sizeof command,
		 "exec 3<>'%s' && echo ready && read -r line <&3 && echo one && read -r line <&3 && echo two && "
		 "echo owner >&3 && echo posted",
		 nodes_path(3, "rsm-1-%08x/signal", segment_id()));
	shell = popen(command, "r");
	ck_assert_ptr_nonnull(shell);
	expect(shell, "ready");
	OK(ASK(exporter, step_post, EXPORTED, 0));
	expect(shell, "one");
	OK(ASK(exporter, step_post, EXPORTED, 0));
	expect(shell, "two");
	expect(shell, "posted");
	ck_assert_int_eq(pclose(shell), 0);
	exporter_gets(1);
	import_gets(2);
}
END_TEST

static void three_nodes(void)
{
	nodes_start(3, NULL);
}

int main(int argc, char **argv)
{
	const TTest *const tests[] = { test_to_the_exporter, test_to_all_importers, test_two_imports_of_a_program,
				       test_no_accumulate, test_a_waiter_wakes_up, test_to_and_fro, test_several_waiters,
				       test_timeouts, test_waiting_costs_nothing, test_pollfd, test_wait_pollfd,
				       test_pollfd_outlives_unpublish, test_waiter_outlives_unpublish, test_threads_post,
				       test_shell };
	Suite *suite = suite_create("librsm, signals");
	TCase *tcase = tcase_create("signals");

	peer_main(argc, argv);
	tcase_add_unchecked_fixture(tcase, three_nodes, nodes_stop);
	tcase_set_timeout(tcase, 120);
	for (size_t i = 0; i < COUNT(tests); i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	return scene_run(suite);
}
