#define _GNU_SOURCE 1
#include "rsm_rows.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Barriers. */

typedef int barrier_call(rsmapi_barrier_t *barrier);
static barrier_call *const barrier_calls[] = { rsm_memseg_import_open_barrier, rsm_memseg_import_order_barrier,
					       rsm_memseg_import_close_barrier, rsm_memseg_import_destroy_barrier };
enum { OPEN, ORDER, CLOSE, DESTROY };

static int init_bad_handle(int wrong)
{
	return rsm_memseg_import_init_barrier(wrong ? wrong_segment() : NULL, RSM_BAR_DEFAULT, &program.barrier);
}

static int init_null(int unused)
{
	(void)unused;
	return rsm_memseg_import_init_barrier(imported(RSM_PERM_READ), RSM_BAR_DEFAULT, NULL);
}

static int barrier_null(int which)
{
	return barrier_calls[which](NULL);
}

static int barrier_uninitialised(int which)
{
	rsmapi_barrier_t barrier = { 0 };

	ck_assert_int_eq(barrier_calls[which](&barrier), RSMERR_BARRIER_UNINITIALIZED);
	memset(&barrier, 0x5a, sizeof barrier);
	ck_assert_int_eq(barrier_calls[which](&barrier), RSMERR_BARRIER_UNINITIALIZED);
	imported(RSM_PERM_READ);
	OK(rsm_memseg_import_destroy_barrier(&program.barrier));
	return barrier_calls[which](&program.barrier);
}

static int barrier_not_open(int which)
{
	imported(RSM_PERM_READ);
	ck_assert_int_eq(barrier_calls[which](&program.barrier), RSMERR_BARRIER_NOT_OPENED);
	OK(rsm_memseg_import_open_barrier(&program.barrier));
	OK(rsm_memseg_import_close_barrier(&program.barrier));
	return barrier_calls[which](&program.barrier);
}

/* A loss between opening and closing, and one before opening: once found it stays. */
static int close_cut_off(int before)
{
	imported(RSM_PERM_RDWR);
	if (!before)
		OK(rsm_memseg_import_open_barrier(&program.barrier));
	peer_kill(exporter);
	await_cut();
	if (before)
		return barrier_code();
	ck_assert_int_eq(rsm_memseg_import_close_barrier(&program.barrier), RSMERR_CONN_ABORTED);
	return barrier_code();
}

static int close_does_not_arrive(int unused)
{
	(void)unused;
	imported(RSM_PERM_RDWR);
	OK(rsm_memseg_import_set_mode(program.imported, RSM_BARRIER_MODE_EXPLICIT));
	OK(rsm_memseg_import_open_barrier(&program.barrier));
	OK(rsm_memseg_import_put(program.imported, 0, one_page(), PAGE));
	inject.synchronise = EIO;
	return rsm_memseg_import_close_barrier(&program.barrier);
}

static int mode_bad_handle(int get)
{
	rsm_barrier_mode_t mode = RSM_BARRIER_MODE_EXPLICIT;

	ck_assert_int_eq(get ? rsm_memseg_import_get_mode(wrong_segment(), &mode)
			     : rsm_memseg_import_set_mode(wrong_segment(), mode),
			 RSMERR_BAD_SEG_HNDL);
	return get ? rsm_memseg_import_get_mode(NULL, &mode) : rsm_memseg_import_set_mode(NULL, mode);
}

static int mode_bad(int get)
{
	imported(RSM_PERM_READ);
	return get ? rsm_memseg_import_get_mode(program.imported, NULL)
		   : rsm_memseg_import_set_mode(program.imported, (rsm_barrier_mode_t)2);
}

/* Signals. */

static void interrupted(int number)
{
	(void)number;
}

/* Pokes this thread with a signal until it says that it was interrupted. */
static pthread_t poked;
static atomic_bool poked_enough;

static void *poke(void *argument)
{
	(void)argument;
	while (!atomic_load(&poked_enough)) {
		pthread_kill(poked, SIGUSR1);
		syscall(SYS_poll, NULL, 0, 1);
	}
	return NULL;
}

static int while_poked(int (*call)(void))
{
	const struct sigaction action = { .sa_handler = interrupted };
	pthread_t poker;
	int code;

	ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
	poked = pthread_self();
	ck_assert_int_eq(pthread_create(&poker, NULL, poke, NULL), 0);
	code = call();
	atomic_store(&poked_enough, true);
	pthread_join(poker, NULL);
	return code;
}

static int event_bad_handle(int which)
{
	void *const handles[] = { NULL, wrong_segment() };
	struct pollfd end;
	int code = -1;

	for (size_t i = 0; i < COUNT(handles); i++) {
		code = which == 0   ? rsm_intr_signal_post(handles[i], 0)
		       : which == 1 ? rsm_intr_signal_wait(handles[i], 0)
		       : which == 2 ? rsm_memseg_get_pollfd(handles[i], &end)
				    : rsm_memseg_release_pollfd(handles[i]);
		ck_assert_int_eq(code, RSMERR_BAD_SEG_HNDL);
	}
	return code;
}

static int post_cut_off(int unused)
{
	(void)unused;
	return rsm_intr_signal_post(cut_off(), 0);
}

static int post_dead_node(int unused)
{
	(void)unused;
	nodes_start(3, NULL);
	exporter = peer_start(3);
	OK(ASK(exporter, step_export, 1, 0, 1, segment_id()));
	nodes_use(2);
	OK(HERE(step_import, 3, segment_id(), RSM_PERM_RDWR));
	nodes_do("kill", 3);
	await_cut();
	return and_stop(rsm_intr_signal_post(program.imported, 0));
}

static int wait_once(void)
{
	return rsm_intr_signal_wait(program.imported, PATIENCE_MS);
}

static int wait_in_vain(int timeout)
{
	return rsm_intr_signal_wait(imported(RSM_PERM_READ), timeout);
}

static int wait_poked(int unused)
{
	(void)unused;
	imported(RSM_PERM_READ);
	return while_poked(wait_once);
}

static int wait_cut_off(int unused)
{
	(void)unused;
	cut_off();
	return wait_once();
}

static struct pollfd ends[2];

static int wait_for_ends(void)
{
	return rsm_intr_signal_wait_pollfd(ends, 2, PATIENCE_MS, NULL);
}

static void ends_make(void)
{
	int pipes[2];

	ck_assert_int_eq(pipe(pipes), 0);
	OK(rsm_memseg_get_pollfd(imported(RSM_PERM_READ), &ends[0]));
	ends[1] = (struct pollfd){ .fd = pipes[0], .events = POLLIN };
}

static int wait_pollfd_in_vain(int timeout)
{
	int count = -1;

	ends_make();
	return rsm_intr_signal_wait_pollfd(ends, 2, timeout, &count);
}

static int wait_pollfd_poked(int unused)
{
	(void)unused;
	ends_make();
	return while_poked(wait_for_ends);
}

static int wait_pollfd_bad(int unused)
{
	(void)unused;
	ends_make();
	return rsm_intr_signal_wait_pollfd(ends, INT_MAX, 0, NULL);
}

static int wait_pollfd_no_memory(int null)
{
	struct pollfd *volatile nowhere = null ? NULL : (struct pollfd *)(uintptr_t)8;

	return rsm_intr_signal_wait_pollfd(nowhere, 1, 0, NULL);
}

static int wait_pollfd_fails(int error)
{
	ends_make();
	inject.poll = error;
	return wait_for_ends();
}

static int get_pollfd_null(int unused)
{
	(void)unused;
	return rsm_memseg_get_pollfd(imported(RSM_PERM_READ), NULL);
}

static int release_pollfd_again(int unused)
{
	struct pollfd end;

	(void)unused;
	OK(rsm_memseg_get_pollfd(imported(RSM_PERM_READ), &end));
	OK(rsm_memseg_release_pollfd(program.imported));
	return rsm_memseg_release_pollfd(program.imported);
}

static int post_exported(void)
{
	return rsm_intr_signal_post(program.exported, 0);
}

static int post_in_a_child(int unused)
{
	(void)unused;
	exported(0);
	return in_a_child(post_exported);
}

/* The rows. */

#define EACH_BARRIER(code, how, provoke)                                     \
	{ "rsm_memseg_import_open_barrier", code, how, provoke, OPEN },      \
	{ "rsm_memseg_import_order_barrier", code, how, provoke, ORDER },    \
	{ "rsm_memseg_import_close_barrier", code, how, provoke, CLOSE },    \
	{ "rsm_memseg_import_destroy_barrier", code, how, provoke, DESTROY }
const struct row rows_events[] = {
	{ "rsm_memseg_import_init_barrier", RSMERR_BAD_SEG_HNDL, "NULL", init_bad_handle, 0 },
	{ "rsm_memseg_import_init_barrier", RSMERR_BAD_SEG_HNDL, "a controller", init_bad_handle, 1 },
	{ "rsm_memseg_import_init_barrier", RSMERR_BAD_BARRIER_PTR, "NULL", init_null, 0 },
	EACH_BARRIER(RSMERR_BAD_BARRIER_PTR, "NULL", barrier_null),
	EACH_BARRIER(RSMERR_BARRIER_UNINITIALIZED, "zeros; anything; destroyed", barrier_uninitialised),
	{ "rsm_memseg_import_order_barrier", RSMERR_BARRIER_NOT_OPENED, "not opened; closed", barrier_not_open, ORDER },
	{ "rsm_memseg_import_close_barrier", RSMERR_BARRIER_NOT_OPENED, "not opened; closed", barrier_not_open, CLOSE },
	{ "rsm_memseg_import_close_barrier", RSMERR_BARRIER_FAILURE, "what was put does not arrive (EIO)",
	  close_does_not_arrive, 0 },
	{ "rsm_memseg_import_close_barrier", RSMERR_CONN_ABORTED, "the exporter dies meanwhile", close_cut_off, 0 },
	{ "rsm_memseg_import_close_barrier", RSMERR_CONN_ABORTED, "the exporter has died", close_cut_off, 1 },
	{ "rsm_memseg_import_get_mode", RSMERR_BAD_SEG_HNDL, "NULL; a controller", mode_bad_handle, 1 },
	{ "rsm_memseg_import_get_mode", RSMERR_BAD_MODE, "no place for it", mode_bad, 1 },
	{ "rsm_memseg_import_set_mode", RSMERR_BAD_SEG_HNDL, "NULL; a controller", mode_bad_handle, 0 },
	{ "rsm_memseg_import_set_mode", RSMERR_BAD_MODE, "neither of the two", mode_bad, 0 },

	{ "rsm_intr_signal_post", RSMERR_BAD_SEG_HNDL, "NULL; a controller", event_bad_handle, 0 },
	{ "rsm_intr_signal_post", RSMERR_REMOTE_NODE_UNREACHABLE, "the exporter's node has died", post_dead_node, 0 },
	{ "rsm_intr_signal_post", RSMERR_CONN_ABORTED, "the exporter has died", post_cut_off, 0 },
	{ "rsm_intr_signal_post", RSMERR_NOT_CREATOR, "in a child of the exporter", post_in_a_child, 0 },
	{ "rsm_intr_signal_wait", RSMERR_BAD_SEG_HNDL, "NULL; a controller", event_bad_handle, 1 },
	{ "rsm_intr_signal_wait", RSMERR_TIMEOUT, "nothing there", wait_in_vain, 0 },
	{ "rsm_intr_signal_wait", RSMERR_TIMEOUT, "nothing comes", wait_in_vain, 20 },
	{ "rsm_intr_signal_wait", RSMERR_INTERRUPTED, "a signal of the system", wait_poked, 0 },
	{ "rsm_intr_signal_wait", RSMERR_CONN_ABORTED, "the exporter has died", wait_cut_off, 0 },
	{ "rsm_intr_signal_wait_pollfd", RSMERR_BAD_ADDR, "no memory", wait_pollfd_no_memory, 0 },
	{ "rsm_intr_signal_wait_pollfd", RSMERR_BAD_ADDR, "NULL", wait_pollfd_no_memory, 1 },
	{ "rsm_intr_signal_wait_pollfd", RSMERR_BAD_ARGS_ERRORS, "more entries than descriptors", wait_pollfd_bad, 0 },
	{ "rsm_intr_signal_wait_pollfd", RSMERR_TIMEOUT, "nothing there", wait_pollfd_in_vain, 0 },
	{ "rsm_intr_signal_wait_pollfd", RSMERR_TIMEOUT, "nothing comes", wait_pollfd_in_vain, 20 },
	{ "rsm_intr_signal_wait_pollfd", RSMERR_INTERRUPTED, "a signal of the system", wait_pollfd_poked, 0 },
	{ "rsm_intr_signal_wait_pollfd", RSMERR_INSUFFICIENT_MEM, "poll() has no memory", wait_pollfd_fails, ENOMEM },
	{ "rsm_intr_signal_wait_pollfd", RSMERR_INSUFFICIENT_RESOURCES, "poll() says EAGAIN", wait_pollfd_fails, EAGAIN },
	{ "rsm_memseg_get_pollfd", RSMERR_BAD_SEG_HNDL, "NULL; a controller", event_bad_handle, 2 },
	{ "rsm_memseg_get_pollfd", RSMERR_BAD_ADDR, "no place for it", get_pollfd_null, 0 },
	{ "rsm_memseg_release_pollfd", RSMERR_BAD_SEG_HNDL, "NULL; a controller", event_bad_handle, 3 },
	{ "rsm_memseg_release_pollfd", RSMERR_BAD_SEG_HNDL, "more often than got", release_pollfd_again, 0 },
};
const size_t rows_events_count = COUNT(rows_events);
