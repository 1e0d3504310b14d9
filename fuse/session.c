#include "fuse/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "fuse/daemon.h"
#include "fuse/fuse.h"
#include "fuse/log.h"
#include "fuse/mounts.h"
#include "fuse/notify.h"
#include "fuse/ops.h"
#include "fuse/priority.h"
#include "fuse/reply.h"

/* From this kernel on, an invalidation waits for write-backs itself (K4). */
#define NO_BARRIER_MAJOR 6
#define NO_BARRIER_MINOR 16

struct session {
	struct daemon *daemon;
	const struct session_events *events;
	struct fuse_session *fuse;
	struct fuse_buf buffer;
	uv_poll_t poll;
	uint64_t requests;
	bool mounted;
	bool ended; /* by the kernel */
	bool polling;
	bool started;
	bool realtime;
	bool barrier;
};

int session_new(struct session **session, struct daemon *daemon, const struct session_events *events)
{
	struct session *new = calloc(1, sizeof(*new));

	if (!new)
		return -ENOMEM;
	new->daemon = daemon;
	new->events = events;
	*session = new;
	return 0;
}

uint64_t session_requests(const struct session *session)
{
	return session->requests;
}

bool session_realtime(const struct session *session)
{
	return session->realtime;
}

bool session_barrier(const struct session *session)
{
	return session->barrier;
}

/* "-o" and an option's value with what separates options escaped; libfuse undoes it. */
static int add_option(struct fuse_args *args, const char *name, const char *value)
{
	char option[2 * PATH_MAX + 32];
	size_t length = (size_t)snprintf(option, sizeof(option), "%s", name);

	for (const char *c = value; *c && length + 3 < sizeof(option); c++) {
		if (*c == ',' || *c == '\\')
			option[length++] = '\\';
		option[length++] = *c;
	}
	option[length] = '\0';
	return fuse_opt_add_arg(args, "-o") || fuse_opt_add_arg(args, option) ? -ENOMEM : 0;
}

static int build_args(const struct options *options, struct fuse_args *args)
{
	if (fuse_opt_add_arg(args, "netmemfs") || add_option(args, "fsname=", options->source) ||
	    add_option(args, "subtype=", "netmemfs") || add_option(args, "default_permissions", ""))
		return -ENOMEM;
	if (options->allow_other && add_option(args, "allow_other", ""))
		return -ENOMEM;
	/* These are names of a table, with nothing to escape. */
	if (options->kernel[0] && (fuse_opt_add_arg(args, "-o") || fuse_opt_add_arg(args, options->kernel)))
		return -ENOMEM;
	return 0;
}

static bool wants_barrier(enum options_barrier option)
{
	struct utsname name;
	unsigned major = 0;
	unsigned minor = 0;

	if (option != BARRIER_AUTO)
		return option == BARRIER_ON;
	if (uname(&name) || sscanf(name.release, "%u.%u", &major, &minor) != 2)
		return true;
	return major < NO_BARRIER_MAJOR || (major == NO_BARRIER_MAJOR && minor < NO_BARRIER_MINOR);
}

static void tune(struct session *session)
{
	bool wanted = session->daemon->options.realtime;
	int error = wanted ? priority_raise() : 0;

	session->realtime = wanted && !error;
	if (error)
		log_write(LOG_LEVEL_WARNING,
		          "no real-time priority (%s): programs that spin will slow this node down", strerror(-error));
	if (!mounts_lift_limits(session->daemon->options.mountpoint))
		log_write(LOG_LEVEL_INFO, "the limits of dirty memory and of reading ahead on the mount stay: writers may have to wait");
	if (session->barrier)
		log_write(LOG_LEVEL_INFO, "this kernel's write-backs are waited for after each invalidation");
}

static void end(struct session *session)
{
	session->ended = true;
	session_stop(session);
	session->events->ended(session->daemon);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct session *session = poll->data;

	(void)status, (void)events;
	for (int i = 0; i < SESSION_BATCH && session->polling; i++) {
		int length = fuse_session_receive_buf(session->fuse, &session->buffer);

		if (length == -EINTR)
			continue;
		if (length == -EAGAIN)
			return;
		if (length <= 0) {
			end(session);
			return;
		}
		session->requests++;
		fuse_session_process_buf(session->fuse, &session->buffer);
		if (fuse_session_exited(session->fuse)) {
			end(session);
			return;
		}
		if (!session->started) {
			session->started = true;
			tune(session);
			session->events->started(session->daemon);
		}
	}
}

static int start_polling(struct session *session)
{
	int error = uv_poll_init(&session->daemon->loop, &session->poll, fuse_session_fd(session->fuse));

	if (error)
		return error;
	session->poll.data = session;
	session->polling = true;
	error = uv_poll_start(&session->poll, UV_READABLE, on_readable);
	if (error)
		session_stop(session);
	return error;
}

int session_mount(struct session *session, char *why, size_t why_bytes)
{
	struct daemon *daemon = session->daemon;
	const struct options *options = &daemon->options;
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	int error;

	session->barrier = wants_barrier(options->barrier);
	error = build_args(options, &args);
	if (!error) {
		session->fuse = fuse_session_new(&args, &ops_table, sizeof(ops_table), daemon);
		error = session->fuse ? 0 : -EINVAL;
	}
	fuse_opt_free_args(&args);
	if (error || fuse_session_mount(session->fuse, options->mountpoint)) {
		const char *line = log_fuse_line();

		snprintf(why, why_bytes, "cannot mount at %s: %s", options->mountpoint,
		         *line ? line : strerror(error ? -error : errno));
		return -1;
	}
	session->mounted = true;
	error = reply_install(session->fuse);
	if (!error)
		error = notify_start(daemon->notify, session->fuse, options->mountpoint, session->barrier);
	if (!error)
		error = start_polling(session);
	if (error) {
		snprintf(why, why_bytes, "cannot serve the mount: %s", strerror(-error));
		return -1;
	}
	return 0;
}

bool session_mounted(const struct session *session)
{
	return session->mounted;
}

void session_drop(struct session *session, uint64_t obj)
{
	fuse_lowlevel_notify_inval_inode(session->fuse, inode_of(obj, KIND_FILE), 0, 0);
}

void session_stop(struct session *session)
{
	if (!session->polling)
		return;
	session->polling = false;
	uv_close((uv_handle_t *)&session->poll, NULL);
}

void session_free(struct session *session)
{
	if (!session)
		return;
	if (session->ended)
		fuse_session_unmount(session->fuse);
	if (session->fuse)
		fuse_session_destroy(session->fuse);
	free(session->buffer.mem);
	free(session);
}
