/*
 * main.c: from the command line to the mount, and back.
 *
 *	STARTING --ACT_READY, mounted, the kernel agrees--> RUNNING --SIGTERM--> UNMOUNTING --still in use--> CUTTING
 *	    |                                                  |                     |                          |
 *	    |                                                  +-- umount by a user -+- the mount is gone ------+--> LEAVING
 *	    |                                                                                                          |
 *	    +--ACT_FATAL, no mount, SIGTERM--> DONE <-----------------------------------------------ACT_LEFT-----------+
 *
 * CUTTING is for programs that will not let go: their accesses fail from then on, and what they have written is taken
 * out of the kernel, so that nothing is lost.
 *
 * Without -f the parent process waits until its child is RUNNING or has ended, and ends with that status. All waiting
 * on the way out is bounded.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "fuse/daemon.h"
#include "fuse/log.h"
#include "fuse/mounts.h"
#include "fuse/names.h"
#include "fuse/notify.h"
#include "fuse/opens.h"
#include "fuse/ops.h"
#include "fuse/owns.h"
#include "fuse/priority.h"
#include "fuse/requests.h"
#include "fuse/session.h"
#include "uv/deadline.h"
#include "uv/transport.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

/* Together, how long SIGTERM takes at most. */
#define UNMOUNT_MS 5000
#define BUSY_MS 1000
#define CUT_MS 2000
#define LEAVE_MS 1000
#define WHY_BYTES 512

enum state { STATE_STARTING, STATE_RUNNING, STATE_UNMOUNTING, STATE_CUTTING, STATE_LEAVING, STATE_DONE };

/* The process has one daemon. */
struct netmemfs {
	struct daemon daemon; /* first: the session's events come with this address */
	enum state state;
	int status;      /* exit status */
	int parent_fd;   /* -1: nobody waits */
	bool gone;       /* the kernel's side has ended by itself */
	uv_work_t work;  /* what may block: unmounting, cutting off */
	bool working;
	bool busy;       /* the mount was in use, and is out of the tree */
	uint64_t *cut;   /* objects open at the end */
	size_t cut_count;
	uv_timer_t timer;
	uv_signal_t term;
	uv_signal_t interrupt;
	uv_signal_t hangup;
};

static const struct run_driver driver;

/* --- the way out ---------------------------------------------------------------------------------------------------- */

static void enter(struct netmemfs *fs, enum state state)
{
	static const bool allowed[STATE_DONE][STATE_DONE + 1] = {
		[STATE_STARTING] = { [STATE_RUNNING] = true, [STATE_DONE] = true },
		[STATE_RUNNING] = { [STATE_UNMOUNTING] = true, [STATE_LEAVING] = true },
		[STATE_UNMOUNTING] = { [STATE_CUTTING] = true, [STATE_LEAVING] = true },
		[STATE_CUTTING] = { [STATE_LEAVING] = true },
		[STATE_LEAVING] = { [STATE_DONE] = true },
	};

	CHECK(fs->state < STATE_DONE && allowed[fs->state][state]);
	fs->state = state;
	uv_timer_stop(&fs->timer);
	if (state == STATE_DONE)
		uv_stop(&fs->daemon.loop);
}

static void left_too_late(uv_timer_t *timer)
{
	struct netmemfs *fs = timer->data;

	log_write(LOG_LEVEL_WARNING, "left without waiting for the others any longer");
	enter(fs, STATE_DONE);
}

static void leave(struct netmemfs *fs)
{
	struct event event = { .type = EV_LEAVE };

	enter(fs, STATE_LEAVING);
	session_stop(fs->daemon.session);
	uv_timer_start(&fs->timer, left_too_late, LEAVE_MS, 0);
	run_event(fs->daemon.run, &event);
}

/* In a thread of its own: the kernel sends what is dirty, which the loop takes. */
static void cut_off(uv_work_t *work)
{
	struct netmemfs *fs = work->data;

	for (size_t i = 0; i < fs->cut_count; i++)
		session_drop(fs->daemon.session, fs->cut[i]);
}

static void cut_off_done(uv_work_t *work, int status)
{
	struct netmemfs *fs = work->data;

	(void)status;
	fs->working = false;
	if (fs->state != STATE_CUTTING)
		return;
	/* The kernel has nothing any more, and is not listened to any more: what is open is closed for it. */
	session_stop(fs->daemon.session);
	ops_close_all(&fs->daemon);
	leave(fs);
}

static void cut_off_too_late(uv_timer_t *timer)
{
	log_write(LOG_LEVEL_WARNING, "the kernel does not give back what it has cached; it may be lost");
	leave(timer->data);
}

static void still_in_use(uv_timer_t *timer)
{
	struct netmemfs *fs = timer->data;

	log_write(LOG_LEVEL_WARNING, "the mount is still in use: its users are cut off");
	if (fs->working || opens_objects(fs->daemon.opens, &fs->cut, &fs->cut_count)) {
		leave(fs);
		return;
	}
	enter(fs, STATE_CUTTING);
	fs->daemon.cutting = true;
	fs->working = !uv_queue_work(&fs->daemon.loop, &fs->work, cut_off, cut_off_done);
	uv_timer_start(&fs->timer, cut_off_too_late, CUT_MS, 0);
}

/* In a thread of its own: it waits for write-backs, which the loop serves. */
static void unmount(uv_work_t *work)
{
	struct netmemfs *fs = work->data;

	fs->busy = mounts_unmount(fs->daemon.options.mountpoint);
}

static void unmount_done(uv_work_t *work, int status)
{
	struct netmemfs *fs = work->data;

	(void)status;
	fs->working = false;
	if (fs->state == STATE_UNMOUNTING && fs->busy)
		uv_timer_start(&fs->timer, still_in_use, BUSY_MS, 0);
}

static void start_unmount(struct netmemfs *fs)
{
	enter(fs, STATE_UNMOUNTING);
	fs->work.data = fs;
	fs->working = !uv_queue_work(&fs->daemon.loop, &fs->work, unmount, unmount_done);
	uv_timer_start(&fs->timer, still_in_use, UNMOUNT_MS, 0);
}

/* The end, for whatever reason; may be called again. */
static void stop(struct netmemfs *fs)
{
	if (fs->state == STATE_STARTING) {
		if (fs->daemon.session && session_mounted(fs->daemon.session))
			mounts_detach(fs->daemon.options.mountpoint);
		enter(fs, STATE_DONE);
	} else if (fs->state == STATE_RUNNING) {
		start_unmount(fs);
	}
}

static void on_signal(uv_signal_t *signal, int number)
{
	struct netmemfs *fs = signal->data;

	if (number == SIGHUP && !fs->daemon.options.foreground)
		return;
	if (fs->state == STATE_STARTING) {
		fprintf(stderr, "netmemfs: ended by a signal before the mount was there\n");
		fs->status = EXIT_FAILURE;
	} else {
		log_write(LOG_LEVEL_INFO, "ended by signal %d", number);
	}
	stop(fs);
}

/* --- the way in ----------------------------------------------------------------------------------------------------- */

/* Why the daemon does not start, or cannot go on. */
static void fail(struct netmemfs *fs, const char *why)
{
	fs->status = EXIT_FAILURE;
	if (fs->state == STATE_STARTING)
		fprintf(stderr, "netmemfs: %s\n", why);
	else
		log_write(LOG_LEVEL_ERROR, "%s", why);
	stop(fs);
}

/* The terminal and the directory belong to whoever called. */
static void detach(struct netmemfs *fs)
{
	char ok = 0;
	int null = open("/dev/null", O_RDWR);

	if (write(fs->parent_fd, &ok, 1) != 1) {
		fail(fs, "the process that started the daemon is gone");
		return;
	}
	close(fs->parent_fd);
	fs->parent_fd = -1;
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		if (null > STDERR_FILENO)
			close(null);
	}
}

static void session_started(struct daemon *daemon)
{
	struct netmemfs *fs = (struct netmemfs *)daemon;

	enter(fs, STATE_RUNNING);
	if (fs->parent_fd >= 0)
		detach(fs);
	log_release(!daemon->options.foreground);
	log_write(LOG_LEVEL_INFO, "node %s (number %u) is mounted at %s, address %s", daemon->options.node,
	          core_node_number(daemon_core(daemon)), daemon->options.mountpoint,
	          *transport_address(daemon->transport) ? transport_address(daemon->transport) : "none");
}

static void session_ended(struct daemon *daemon)
{
	struct netmemfs *fs = (struct netmemfs *)daemon;

	fs->gone = true;
	if (fs->state == STATE_STARTING) {
		fs->status = EXIT_FAILURE;
		fprintf(stderr, "netmemfs: the kernel refused the mount at %s\n", daemon->options.mountpoint);
		enter(fs, STATE_DONE);
	} else if (fs->state != STATE_LEAVING && fs->state != STATE_DONE) {
		log_write(LOG_LEVEL_INFO, "unmounted");
		leave(fs);
	}
}

static const struct session_events session_events = { .started = session_started, .ended = session_ended };

/* --- the core's driver ---------------------------------------------------------------------------------------------- */

static void drive_send(void *context, uint32_t slot, const struct msg *msg)
{
	transport_send(((struct netmemfs *)context)->daemon.transport, slot, msg);
}

static void drive_reply(void *context, uint64_t token, const struct msg *msg)
{
	requests_reply(((struct netmemfs *)context)->daemon.requests, token, msg);
}

static void drive_invalidate(void *context, uint64_t token, const struct msg *range)
{
	struct daemon *daemon = &((struct netmemfs *)context)->daemon;
	uint64_t size_bytes = 0;

	/*
	 * Write-backs need a writable handle, which the kernel releases only when they are done. So where there is none,
	 * there is nothing to wait for; that is so when the core drops what is shared before the first writable open.
	 */
	if (opens_written(daemon->opens, range->obj))
		core_open_size(daemon_core(daemon), range->obj, range->seg, &size_bytes);
	notify_invalidate(daemon->notify, token, range, (size_bytes + PAGE_BYTES - 1) / PAGE_BYTES);
}

static void drive_show(void *context, uint64_t token, const struct show *show)
{
	notify_show(((struct netmemfs *)context)->daemon.notify, token, show);
}

static void drive_unshow(void *context, uint64_t token)
{
	notify_unshow(((struct netmemfs *)context)->daemon.notify, token);
}

static void drive_peek(void *context, uint64_t token, const struct msg *page)
{
	notify_peek(((struct netmemfs *)context)->daemon.notify, token, page);
}

static void drive_wake(void *context, uint64_t end)
{
	signal_wake(&((struct netmemfs *)context)->daemon, end);
}

static void drive_connect(void *context, uint64_t token, const char *address)
{
	transport_connect(((struct netmemfs *)context)->daemon.transport, token, address);
}

static void drive_close(void *context, uint32_t slot, const char *why)
{
	transport_close(((struct netmemfs *)context)->daemon.transport, slot, why);
}

static void drive_log(void *context, enum log_level level, const char *text)
{
	(void)context;
	log_write(level, "%s", text);
}

static void drive_ready(void *context)
{
	struct netmemfs *fs = context;
	char why[WHY_BYTES];

	if (fs->state == STATE_STARTING && session_mount(fs->daemon.session, why, sizeof(why)))
		fail(fs, why);
}

static void drive_fatal(void *context, const char *text)
{
	struct netmemfs *fs = context;

	if (fs->state != STATE_DONE)
		fail(fs, text);
}

static void drive_left(void *context)
{
	struct netmemfs *fs = context;

	if (fs->state == STATE_LEAVING)
		enter(fs, STATE_DONE);
}

static void drive_deadline(void *context, uint64_t deadline_ns)
{
	struct daemon *daemon = &((struct netmemfs *)context)->daemon;

	transport_flush(daemon->transport);
	deadline_set(daemon->deadline, deadline_ns);
}

static const struct run_driver driver = {
	.now_ns = deadline_now_ns,
	.send = drive_send,
	.reply = drive_reply,
	.invalidate = drive_invalidate,
	.show = drive_show,
	.unshow = drive_unshow,
	.peek = drive_peek,
	.wake = drive_wake,
	.connect = drive_connect,
	.close = drive_close,
	.log = drive_log,
	.ready = drive_ready,
	.fatal = drive_fatal,
	.left = drive_left,
	.deadline = drive_deadline,
};

/* --- setting up and tearing down ------------------------------------------------------------------------------------- */

static uint64_t wall_offset_ns(void)
{
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	return (uint64_t)wall.tv_sec * UINT64_C(1000000000) + (uint64_t)wall.tv_nsec - deadline_now_ns(NULL);
}

static uint64_t random_cluster(void)
{
	uint64_t cluster = 0;

	while (!cluster) {
		if (getrandom(&cluster, sizeof(cluster), 0) != sizeof(cluster))
			cluster = deadline_now_ns(NULL);
	}
	return cluster;
}

static int set_up_run(struct netmemfs *fs)
{
	struct daemon *daemon = &fs->daemon;
	const struct options *options = &daemon->options;
	struct core_config config = {
		.node_name = options->node,
		.address = transport_address(daemon->transport),
		.join = *options->join ? options->join : NULL,
		.cluster = random_cluster(),
		.store_pages_max = options->size_bytes / PAGE_BYTES,
		.timeout_ns = options->timeout_ms * UINT64_C(1000000),
		.quiet_ns = QUIET_NS,
		.wall_offset_ns = wall_offset_ns(),
		.breakage = options->breakage,
	};

	return run_new(&daemon->run, &config, &driver, fs);
}

static void watch_signal(struct netmemfs *fs, uv_signal_t *handle, int number)
{
	uv_signal_init(&fs->daemon.loop, handle);
	handle->data = fs;
	uv_signal_start(handle, on_signal, number);
	uv_unref((uv_handle_t *)handle);
}

static int set_up(struct netmemfs *fs, char *why, size_t why_bytes)
{
	struct daemon *daemon = &fs->daemon;
	int error;

	signal(SIGPIPE, SIG_IGN);
	priority_protect();
	log_take_fuse();
	daemon->mount.uid = geteuid();
	daemon->mount.gid = getegid();
	clock_gettime(CLOCK_REALTIME, &daemon->mount.time);
	CHECK(!uv_loop_init(&daemon->loop));
	uv_timer_init(&daemon->loop, &fs->timer);
	fs->timer.data = fs;
	watch_signal(fs, &fs->term, SIGTERM);
	watch_signal(fs, &fs->interrupt, SIGINT);
	watch_signal(fs, &fs->hangup, SIGHUP);

	error = opens_new(&daemon->opens);
	if (!error)
		error = names_new(&daemon->names);
	if (!error)
		error = requests_new(&daemon->requests, daemon);
	if (!error)
		error = owns_new(&daemon->owns);
	if (!error)
		error = notify_new(&daemon->notify, daemon);
	if (!error)
		error = session_new(&daemon->session, daemon, &session_events);
	if (!error)
		error = transport_new(&daemon->transport, &daemon->loop, drive_log, fs);
	if (!error && *daemon->options.listen && transport_listen(daemon->transport, daemon->options.listen, why, why_bytes))
		return -1;
	if (!error && *daemon->options.join && transport_check_address(daemon->options.join, why, why_bytes))
		return -1;
	if (!error)
		error = set_up_run(fs);
	if (!error)
		error = deadline_new(&daemon->deadline, &daemon->loop, daemon->run);
	if (error)
		snprintf(why, why_bytes, "cannot start: %s", strerror(-error));
	return error;
}

static void close_handle(uv_handle_t *handle)
{
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

/* Whatever was set up, in reverse order. */
static void tear_down(struct netmemfs *fs)
{
	struct daemon *daemon = &fs->daemon;
	bool threads_ended = true;
	size_t failed = 0;

	if (daemon->requests)
		failed = requests_fail_all(daemon->requests);
	if (failed)
		log_write(LOG_LEVEL_WARNING, "%zu requests were open at the end", failed);
	CHECK(!daemon->requests || requests_waiting(daemon->requests) == 0);
	if (daemon->session)
		session_stop(daemon->session);
	transport_free(daemon->transport);
	deadline_free(daemon->deadline);
	if (fs->gone)
		mounts_clear_dead(daemon->options.mountpoint);
	if (daemon->notify)
		threads_ended = notify_stop(daemon->notify);
	if (!threads_ended || fs->working)
		return; /* the kernel holds them, until the end of the process lets them go */
	close_handle((uv_handle_t *)&fs->timer);
	close_handle((uv_handle_t *)&fs->term);
	close_handle((uv_handle_t *)&fs->interrupt);
	close_handle((uv_handle_t *)&fs->hangup);
	requests_free(daemon->requests);
	notify_free(daemon->notify);
	while (uv_run(&daemon->loop, UV_RUN_DEFAULT))
		; /* it was told to stop before it ran */
	CHECK(!uv_loop_close(&daemon->loop));
	session_free(daemon->session);
	run_free(daemon->run);
	owns_free(daemon->owns);
	opens_free(daemon->opens);
	free(fs->cut);
	names_free(daemon->names);
}

static int run_daemon(struct netmemfs *fs)
{
	struct event event = { .type = EV_START };
	char why[WHY_BYTES] = "";

	if (set_up(fs, why, sizeof(why))) {
		fail(fs, why);
	} else {
		transport_start(fs->daemon.transport, fs->daemon.run);
		run_event(fs->daemon.run, &event);
		if (fs->state != STATE_DONE)
			uv_run(&fs->daemon.loop, UV_RUN_DEFAULT);
	}
	tear_down(fs);
	return fs->status;
}

/* In the parent: the child's first byte says that the mount is there, its end that there is none. */
static int wait_for_child(pid_t child, int fd)
{
	int status;
	char byte;
	ssize_t got;

	do
		got = read(fd, &byte, 1);
	while (got < 0 && errno == EINTR);
	if (got == 1)
		return EXIT_SUCCESS;
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return EXIT_FAILURE;
	}
	if (WIFSIGNALED(status))
		fprintf(stderr, "netmemfs: the daemon died of signal %d while it started\n", WTERMSIG(status));
	return EXIT_FAILURE;
}

static int start_daemon(struct netmemfs *fs)
{
	int fds[2];
	pid_t child;

	if (pipe2(fds, O_CLOEXEC)) {
		fprintf(stderr, "netmemfs: cannot start: %s\n", strerror(errno));
		return EXIT_FAILURE;
	}
	child = fork();
	if (child < 0) {
		fprintf(stderr, "netmemfs: cannot start: %s\n", strerror(errno));
		return EXIT_FAILURE;
	}
	if (child > 0) {
		close(fds[1]);
		return wait_for_child(child, fds[0]);
	}
	close(fds[0]);
	fs->parent_fd = fds[1];
	setsid();
	if (chdir("/"))
		return EXIT_FAILURE;
	return run_daemon(fs);
}

int main(int argc, char **argv)
{
	static struct netmemfs fs = { .parent_fd = -1 };
	struct options *options = &fs.daemon.options;
	char why[WHY_BYTES];

	if (options_parse(options, argc, argv, why, sizeof(why)) ||
	    (options->run == OPTIONS_MOUNT && mounts_check_pages(sysconf(_SC_PAGESIZE), why, sizeof(why))) ||
	    (options->run == OPTIONS_MOUNT && mounts_prepare(options->mountpoint, why, sizeof(why)))) {
		fprintf(stderr, "netmemfs: %s\n", why);
		return EXIT_FAILURE;
	}
	if (options->run == OPTIONS_HELP) {
		options_print_help();
		return EXIT_SUCCESS;
	}
	if (options->run == OPTIONS_VERSION) {
		printf("netmemfs %s\n", PACKAGE_VERSION);
		return EXIT_SUCCESS;
	}
	return options->foreground ? run_daemon(&fs) : start_daemon(&fs);
}
