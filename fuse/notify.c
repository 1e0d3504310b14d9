/*
 * notify.c: a queue of jobs, threads that take them, and a queue back to the loop.
 *
 * Three things are done to the kernel here, in this order:
 *
 * 1. fuse_lowlevel_notify_inval_inode(): unmaps the pages, sends what is dirty as FUSE_WRITE and waits for the answer.
 * 2. The barrier (K4), before Linux 6.16: a write-back that began before the invalidation may still be on its way, from a
 *    copy of the page. Reading the page through a handle of our own waits for it, because the kernel never reads a page
 *    that it is still writing. The FUSE_READ that follows is refused by the daemon. Nothing else will do: fallocate()
 *    and fsync() take the inode's lock, which a program's write() holds while it waits for a grant.
 * 3. The size: the kernel believes in the size that it saw last, and a load past it is SIGBUS. statx() of our own makes
 *    it ask; the daemon answers at once with the size that the core knows.
 *
 * Our own way to a file is MOUNT/.netmem/.self/OBJECT, which the daemon shows to these threads only. No directory's lock
 * is waited for on it but .self's (K13): the two names above are cached by the kernel for good. A handle is kept open
 * for the barrier only, and only while programs have the object open, so that it is never what keeps a mount busy.
 */
#include "fuse/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <uthash.h>

#include "base/check.h"
#include "base/list.h"
#include "fuse/daemon.h"
#include "fuse/fuse.h"
#include "fuse/log.h"
#include "fuse/priority.h"

#define STACK_BYTES (64u << 10)
#define SIZE_CHECK_TRIES 4

enum job_type { JOB_INVALIDATE, JOB_CLOSE };

struct job {
	struct list link;
	enum job_type type;
	uint64_t token;
	uint64_t obj;
	uint64_t page;
	uint64_t count; /* 0: to the end */
	uint64_t pages; /* of the object; 0: none can be on its way back */
	bool size_check;
};

/* A handle of our own on an object's memory. */
struct own {
	uint64_t obj;
	int fd; /* -1: not open */
	unsigned users;
	bool opening;
	bool unwanted; /* close it when the last user is done */
	UT_hash_handle hh;
};

struct notify {
	struct daemon *daemon;
	uv_async_t async;
	struct fuse_session *session;
	char path[PATH_MAX];
	bool barrier;

	/* Signals are given without the lock: a thread that wakes up must not have to wait for it. */
	pthread_mutex_t lock;
	pthread_cond_t work;   /* a job came, or it is the end */
	pthread_cond_t change; /* a handle was opened, or a thread ended */
	struct list jobs;
	size_t jobs_count;
	struct own *owns;
	struct notify_counts counts;
	unsigned idle;
	unsigned alive;
	bool stopping;
	bool said_failed;

	pthread_mutex_t done_lock;
	struct list done;

	/* Thread ids, written by each thread once and read by the loop without the lock. */
	atomic_int threads[NOTIFY_THREADS_MAX];
	atomic_uint threads_count;
};

/* --- our own handles ---------------------------------------------------------------------------------------------- */

static void own_path(const struct notify *notify, uint64_t obj, char *path, size_t path_bytes)
{
	snprintf(path, path_bytes, "%s/.netmem/.self/%" PRIu64, notify->path, obj);
}

/* Called with the lock. */
static void note_failure(struct notify *notify, const char *what, int error)
{
	notify->counts.failures++;
	if (notify->said_failed)
		return;
	notify->said_failed = true;
	log_write(LOG_LEVEL_WARNING, "%s through %s is not possible (%s); said once", what, notify->path, strerror(error));
}

/* Borrows the handle; opens it if there is none. NULL without one. */
static struct own *own_get(struct notify *notify, uint64_t obj)
{
	char path[PATH_MAX + 64];
	struct own *own;
	int fd;

	pthread_mutex_lock(&notify->lock);
	for (;;) {
		HASH_FIND(hh, notify->owns, &obj, sizeof(obj), own);
		if (!own || !own->opening)
			break;
		pthread_cond_wait(&notify->change, &notify->lock);
	}
	if (own) {
		own->users++;
		pthread_mutex_unlock(&notify->lock);
		return own;
	}
	own = calloc(1, sizeof(*own));
	if (!own) {
		pthread_mutex_unlock(&notify->lock);
		return NULL;
	}
	own->obj = obj;
	own->opening = true;
	own->users = 1;
	HASH_ADD(hh, notify->owns, obj, sizeof(own->obj), own);
	pthread_mutex_unlock(&notify->lock);

	own_path(notify, obj, path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0)
		posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);

	pthread_mutex_lock(&notify->lock);
	own->fd = fd;
	own->opening = false;
	pthread_cond_broadcast(&notify->change);
	pthread_mutex_unlock(&notify->lock);
	return own;
}

/* Called with the lock, which is let go of for closing. */
static void own_close(struct notify *notify, struct own *own)
{
	HASH_DEL(notify->owns, own);
	pthread_mutex_unlock(&notify->lock);
	if (own->fd >= 0)
		close(own->fd);
	free(own);
	pthread_mutex_lock(&notify->lock);
}

static void own_put(struct notify *notify, struct own *own)
{
	pthread_mutex_lock(&notify->lock);
	own->users--;
	if (!own->users && (own->unwanted || own->fd < 0))
		own_close(notify, own);
	pthread_mutex_unlock(&notify->lock);
}

static void close_own(struct notify *notify, uint64_t obj)
{
	struct own *own;

	pthread_mutex_lock(&notify->lock);
	HASH_FIND(hh, notify->owns, &obj, sizeof(obj), own);
	if (own && own->users)
		own->unwanted = true;
	else if (own)
		own_close(notify, own);
	pthread_mutex_unlock(&notify->lock);
}

/* --- what is done to the kernel ----------------------------------------------------------------------------------- */

/* ENOENT: the kernel does not know the file, so it caches nothing of it. */
static void drop_range(struct notify *notify, const struct job *job)
{
	off_t offset = (off_t)(job->page * PAGE_BYTES);
	off_t length = (off_t)(job->count * PAGE_BYTES); /* 0: to the end, also for the kernel */
	int error = fuse_lowlevel_notify_inval_inode(notify->session, inode_of(job->obj, KIND_MEMORY), offset, length);

	if (error && error != -ENOENT && error != -EBADF && error != -ENODEV && error != -ENOTCONN)
		log_write(LOG_LEVEL_ERROR, "object %" PRIu64 ": the kernel does not drop page %" PRIu64 ": %s", job->obj,
		          job->page, strerror(-error));
}

static void wait_for_write_backs(struct notify *notify, const struct job *job)
{
	uint64_t end = job->count ? job->page + job->count : job->pages;
	struct own *own;
	char byte;

	if (end > job->pages)
		end = job->pages;
	if (end > job->page + NOTIFY_BARRIER_PAGES_MAX)
		end = job->page + NOTIFY_BARRIER_PAGES_MAX;
	if (job->page >= end)
		return;
	own = own_get(notify, job->obj);
	pthread_mutex_lock(&notify->lock);
	notify->counts.barriers += end - job->page;
	if (!own || own->fd < 0)
		note_failure(notify, "waiting for write-backs", ENOENT);
	pthread_mutex_unlock(&notify->lock);
	if (!own)
		return;
	for (uint64_t page = job->page; own->fd >= 0 && page < end; page++) {
		ssize_t got = pread(own->fd, &byte, 1, (off_t)(page * PAGE_BYTES));

		(void)got; /* refused by the daemon, and no matter */
	}
	own_put(notify, own);
}

/*
 * The first statx() asks the daemon, the second only the kernel. They differ when an answer to another request, with the
 * size of before, came in between.
 */
static void check_size(struct notify *notify, const struct job *job)
{
	char path[PATH_MAX + 64];
	struct statx asked;
	struct statx known;
	int error = 0;

	own_path(notify, job->obj, path, sizeof(path));
	for (int try = 0; try < SIZE_CHECK_TRIES; try++) {
		if (statx(AT_FDCWD, path, AT_STATX_FORCE_SYNC, STATX_SIZE, &asked) ||
		    statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_SIZE, &known)) {
			error = errno;
			break;
		}
		if (asked.stx_size == known.stx_size)
			break;
	}
	pthread_mutex_lock(&notify->lock);
	notify->counts.size_checks++;
	/* ENOENT: closed meanwhile. */
	if (error && error != ENOENT && error != ENOTCONN)
		note_failure(notify, "a check of sizes", error);
	pthread_mutex_unlock(&notify->lock);
}

static void invalidate(struct notify *notify, const struct job *job)
{
	if (job->size_check) {
		check_size(notify, job);
		return;
	}
	drop_range(notify, job);
	if (notify->barrier)
		wait_for_write_backs(notify, job);
}

/* --- the pool ------------------------------------------------------------------------------------------------------ */

static void report(struct notify *notify, struct job *job)
{
	pthread_mutex_lock(&notify->done_lock);
	list_push_back(&notify->done, &job->link);
	pthread_mutex_unlock(&notify->done_lock);
	uv_async_send(&notify->async);
}

static void *thread_run(void *argument)
{
	struct notify *notify = argument;
	unsigned index = atomic_fetch_add(&notify->threads_count, 1);

	CHECK(index < NOTIFY_THREADS_MAX);
	atomic_store(&notify->threads[index], (int)syscall(SYS_gettid));
	if (notify->daemon->options.realtime)
		(void)priority_raise(); /* that it is not allowed is in the log already */

	pthread_mutex_lock(&notify->lock);
	while (!notify->stopping) {
		struct job *job;

		if (list_empty(&notify->jobs)) {
			notify->idle++;
			pthread_cond_wait(&notify->work, &notify->lock);
			notify->idle--;
			continue;
		}
		job = list_entry(notify->jobs.next, struct job, link);
		list_remove(&job->link);
		notify->jobs_count--;
		pthread_mutex_unlock(&notify->lock);

		if (job->type == JOB_CLOSE)
			close_own(notify, job->obj);
		else
			invalidate(notify, job);

		if (job->type == JOB_CLOSE)
			free(job);
		else
			report(notify, job);
		pthread_mutex_lock(&notify->lock);
	}
	notify->alive--;
	pthread_cond_broadcast(&notify->change);
	pthread_mutex_unlock(&notify->lock);
	return NULL;
}

/* Called with the lock. */
static int thread_start(struct notify *notify)
{
	pthread_attr_t attr;
	pthread_t thread;
	int error;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	error = pthread_create(&thread, &attr, thread_run, notify);
	pthread_attr_destroy(&attr);
	if (!error) {
		notify->alive++;
		notify->counts.threads++;
	}
	return -error;
}

static void job_push(struct notify *notify, const struct job *job)
{
	struct job *copy = malloc(sizeof(*copy));
	bool wake;

	CHECK(copy);
	*copy = *job;
	pthread_mutex_lock(&notify->lock);
	list_push_back(&notify->jobs, &copy->link);
	notify->jobs_count++;
	notify->counts.invalidations += job->type == JOB_INVALIDATE;
	if (notify->jobs_count > notify->idle && notify->counts.threads < NOTIFY_THREADS_MAX)
		thread_start(notify);
	wake = notify->idle > 0;
	pthread_mutex_unlock(&notify->lock);
	if (wake)
		pthread_cond_signal(&notify->work);
}

void notify_invalidate(struct notify *notify, uint64_t token, const struct msg *range, uint64_t pages, bool size_check)
{
	struct job job = {
		.type = JOB_INVALIDATE,
		.token = token,
		.obj = range->obj,
		.page = range->page,
		.count = range->count,
		.pages = pages,
		.size_check = size_check,
	};

	if (!notify->session) {
		/* Not mounted, so nothing is cached. */
		struct event event = { .type = EV_INVALIDATED, .token = token };

		run_event(notify->daemon->run, &event);
		return;
	}
	job_push(notify, &job);
}

void notify_close(struct notify *notify, uint64_t obj)
{
	struct job job = { .type = JOB_CLOSE, .obj = obj };

	if (notify->session && notify->barrier)
		job_push(notify, &job);
}

bool notify_is_own(const struct notify *notify, pid_t thread)
{
	unsigned count = atomic_load_explicit(&notify->threads_count, memory_order_relaxed);

	for (unsigned i = 0; i < count; i++) {
		if (atomic_load_explicit(&notify->threads[i], memory_order_relaxed) == (int)thread)
			return true;
	}
	return false;
}

void notify_count(struct notify *notify, struct notify_counts *counts)
{
	pthread_mutex_lock(&notify->lock);
	*counts = notify->counts;
	pthread_mutex_unlock(&notify->lock);
}

/* In the loop's thread. */
static void report_done(uv_async_t *async)
{
	struct notify *notify = async->data;

	for (;;) {
		struct event event = { .type = EV_INVALIDATED };
		struct job *job;

		pthread_mutex_lock(&notify->done_lock);
		if (list_empty(&notify->done) || notify->stopping) {
			pthread_mutex_unlock(&notify->done_lock);
			return;
		}
		job = list_entry(notify->done.next, struct job, link);
		list_remove(&job->link);
		pthread_mutex_unlock(&notify->done_lock);
		event.token = job->token;
		free(job);
		run_event(notify->daemon->run, &event);
	}
}

int notify_new(struct notify **notify, struct daemon *daemon)
{
	struct notify *new = calloc(1, sizeof(*new));

	if (!new)
		return -ENOMEM;
	new->daemon = daemon;
	list_init(&new->jobs);
	list_init(&new->done);
	pthread_mutex_init(&new->lock, NULL);
	pthread_mutex_init(&new->done_lock, NULL);
	pthread_cond_init(&new->work, NULL);
	pthread_cond_init(&new->change, NULL);
	if (uv_async_init(&daemon->loop, &new->async, report_done)) {
		free(new);
		return -ENOMEM;
	}
	new->async.data = new;
	*notify = new;
	return 0;
}

int notify_start(struct notify *notify, struct fuse_session *session, const char *path, bool barrier)
{
	int error;

	CHECK(strlen(path) < sizeof(notify->path));
	strcpy(notify->path, path);
	notify->barrier = barrier;
	pthread_mutex_lock(&notify->lock);
	error = thread_start(notify);
	pthread_mutex_unlock(&notify->lock);
	if (!error)
		notify->session = session;
	return error;
}

bool notify_stop(struct notify *notify)
{
	struct timespec limit;
	int error = 0;
	bool ended;

	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += NOTIFY_STOP_MS / 1000;
	pthread_mutex_lock(&notify->lock);
	notify->stopping = true;
	pthread_cond_broadcast(&notify->work);
	while (notify->alive && !error)
		error = pthread_cond_timedwait(&notify->change, &notify->lock, &limit);
	ended = notify->alive == 0;
	pthread_mutex_unlock(&notify->lock);
	return ended;
}

static void free_jobs(struct list *jobs)
{
	struct list *link;
	struct list *after;

	list_for_each_safe(link, after, jobs)
		free(list_entry(link, struct job, link));
}

static void free_closed(uv_handle_t *handle)
{
	struct notify *notify = handle->data;
	struct own *own;
	struct own *after;

	free_jobs(&notify->jobs);
	free_jobs(&notify->done);
	HASH_ITER(hh, notify->owns, own, after) {
		HASH_DEL(notify->owns, own);
		if (own->fd >= 0)
			close(own->fd);
		free(own);
	}
	pthread_cond_destroy(&notify->change);
	pthread_cond_destroy(&notify->work);
	pthread_mutex_destroy(&notify->done_lock);
	pthread_mutex_destroy(&notify->lock);
	free(notify);
}

void notify_free(struct notify *notify)
{
	if (notify)
		uv_close((uv_handle_t *)&notify->async, free_closed);
}
