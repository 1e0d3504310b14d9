/*
 * notify.c: a queue of jobs, threads that take them, and a queue back to the loop.
 *
 * An invalidation does this to the kernel:
 *
 * 0. Of several pages: sync_file_range() through a handle of our own begins to write back what is dirty, in large requests; what
 *    comes next would do it page by page.
 * 1. fuse_lowlevel_notify_inval_inode(): unmaps the pages, sends what is dirty as FUSE_WRITE and waits for the answer.
 * 2. The barrier (K4), before Linux 6.16: a write-back that began before the invalidation may still be on its way, from a
 *    copy of the page. Reading the page through a handle of our own waits for it, because the kernel never reads a page
 *    that it is still writing. The FUSE_READ that follows is refused by the daemon. Nothing else will do: fallocate()
 *    and fsync() take the inode's lock, which a program's write() holds while it waits for a grant.
 *
 * Shows of sizes are in show.c. Handles of our own are kept open only while programs have the file open, so that they
 * are never what keeps a mount busy.
 */
#include "fuse/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/list.h"
#include "fuse/daemon.h"
#include "fuse/fuse.h"
#include "fuse/log.h"
#include "fuse/opens.h"
#include "fuse/owns.h"
#include "fuse/priority.h"
#include "fuse/show.h"

#define STACK_BYTES (64u << 10)

_Static_assert(NOTIFY_THREADS_MAX <= OWNS_THREADS_MAX, "each thread has its own way");

/* Since Linux 6.5; not in the headers of Debian 12. */
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

enum job_type { JOB_INVALIDATE, JOB_SHOW, JOB_PEEK, JOB_CLOSE };

struct job {
	struct list link;
	enum job_type type;
	uint64_t token;
	uint64_t obj;

	/* JOB_INVALIDATE, JOB_PEEK */
	uint64_t page;
	uint64_t count; /* 0: to the end */
	uint64_t pages; /* of the segment; 0: none can be on its way back */

	/* JOB_SHOW */
	struct showing showing;

	/* JOB_PEEK */
	bool cached;
};

struct notify {
	struct daemon *daemon;
	struct shows *shows;
	uv_async_t async;
	struct fuse_session *session;
	bool barrier;

	/* Signals are given without the lock: a thread that wakes up must not have to wait for it. */
	pthread_mutex_t lock;
	pthread_cond_t work;  /* a job came, or it is the end */
	pthread_cond_t ended; /* a thread has */
	struct list jobs;
	size_t jobs_count;
	struct notify_counts counts;
	unsigned idle;
	unsigned alive;
	bool stopping;
	bool said_failed;

	pthread_mutex_t done_lock;
	struct list done;
};

/* Called with the lock. */
static void note_failure(struct notify *notify, const char *what, int error)
{
	notify->counts.failures++;
	if (notify->said_failed)
		return;
	notify->said_failed = true;
	log_write(LOG_LEVEL_WARNING, "%s is not possible (%s); said once", what, strerror(error));
}

/* --- what is done to the kernel ----------------------------------------------------------------------------------- */

/* ENOENT: the kernel does not know the file, so it caches nothing of it. */
static void drop_range(struct notify *notify, const struct job *job)
{
	off_t offset = (off_t)(job->page * PAGE_BYTES);
	off_t length = (off_t)(job->count * PAGE_BYTES); /* 0: to the end, also for the kernel */
	int error = fuse_lowlevel_notify_inval_inode(notify->session, inode_of(job->obj, KIND_FILE), offset, length);

	if (error && error != -ENOENT && error != -EBADF && error != -ENODEV && error != -ENOTCONN)
		log_write(LOG_LEVEL_ERROR, "file %" PRIu64 ": the kernel does not drop page %" PRIu64 ": %s", job->obj,
		          job->page, strerror(-error));
}

static void wait_for_write_backs(struct notify *notify, const struct job *job)
{
	uint64_t end = job->count ? job->page + job->count : job->pages;
	struct own *own;
	char byte;
	int error;

	if (end > job->pages)
		end = job->pages;
	if (end > job->page + NOTIFY_BARRIER_PAGES_MAX)
		end = job->page + NOTIFY_BARRIER_PAGES_MAX;
	if (job->page >= end)
		return;
	own = own_get(notify->daemon->owns, job->obj);
	error = own ? own_fd(own) < 0 ? EACCES : 0 : errno;
	pthread_mutex_lock(&notify->lock);
	notify->counts.barriers += end - job->page;
	if (error)
		note_failure(notify, "waiting for write-backs", error);
	pthread_mutex_unlock(&notify->lock);
	for (uint64_t page = job->page; !error && page < end; page++) {
		ssize_t got = pread(own_fd(own), &byte, 1, (off_t)(page * PAGE_BYTES));

		(void)got; /* refused by the daemon, and no matter */
	}
	if (own)
		own_put(own);
}

static void begin_write_back(struct notify *notify, const struct job *job)
{
	struct own *own = owns_has(notify->daemon->owns, job->obj) ? own_get(notify->daemon->owns, job->obj) : NULL;

	if (own && own_fd(own) >= 0)
		(void)sync_file_range(own_fd(own), (off64_t)(job->page * PAGE_BYTES), (off64_t)(job->count * PAGE_BYTES),
		                      SYNC_FILE_RANGE_WRITE);
	if (own)
		own_put(own);
}

static void invalidate(struct notify *notify, const struct job *job)
{
	if (job->count != 1)
		begin_write_back(notify, job);
	drop_range(notify, job);
	if (notify->barrier)
		wait_for_write_backs(notify, job);
}

static void show(struct notify *notify, struct job *job)
{
	int error = shows_carry_out(notify->shows, &job->showing);

	/* ENOENT: the kernel does not know the file any more. */
	if (!error || error == -ENOENT || error == -ENOTCONN)
		return;
	pthread_mutex_lock(&notify->lock);
	note_failure(notify, "showing sizes to the kernel", -error);
	pthread_mutex_unlock(&notify->lock);
}

/*
 * Unlike mincore() and notify_retrieve, cachestat() also finds a page whose bytes are not all there, which a write(2) has locked. Or
 * a read, but that has asked the daemon by then, and is served before the fstat(). Where it cannot be known: true.
 */
static bool is_cached(struct notify *notify, const struct job *job)
{
	struct own *own = own_get(notify->daemon->owns, job->obj);
	uint64_t range[] = { job->page * PAGE_BYTES, PAGE_BYTES };
	struct { uint64_t cached, dirty, written_back, evicted, recently_evicted; } pages;
	struct stat served;
	bool cached = true;

	if (own && own_fd(own) >= 0 && syscall(SYS_cachestat, own_fd(own), range, &pages, 0) == 0)
		cached = pages.cached > 0;
	if (cached && own && own_fd(own) >= 0)
		(void)fstat(own_fd(own), &served);
	if (own)
		own_put(own);
	return cached;
}

/* --- the pool ------------------------------------------------------------------------------------------------------ */

static void report(struct notify *notify, struct job *job)
{
	pthread_mutex_lock(&notify->done_lock);
	list_push_back(&notify->done, &job->link);
	pthread_mutex_unlock(&notify->done_lock);
	uv_async_send(&notify->async);
}

/* The job is given back to the loop, or freed. */
static void carry_out(struct notify *notify, struct job *job)
{
	switch (job->type) {
	case JOB_INVALIDATE:
		invalidate(notify, job);
		report(notify, job);
		return;
	case JOB_SHOW:
		show(notify, job);
		report(notify, job);
		return;
	case JOB_PEEK:
		job->cached = is_cached(notify, job);
		report(notify, job);
		return;
	case JOB_CLOSE:
		owns_close(notify->daemon->owns, job->obj);
		free(job);
		return;
	}
	CHECK(!"a job's type");
}

static void *thread_run(void *argument)
{
	struct notify *notify = argument;

	owns_enter(notify->daemon->owns);
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
		carry_out(notify, job);
		pthread_mutex_lock(&notify->lock);
	}
	notify->alive--;
	pthread_cond_broadcast(&notify->ended);
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
	if (job->type == JOB_SHOW)
		shows_begin(notify->shows, &copy->showing, job->token, &job->showing.show);
	pthread_mutex_lock(&notify->lock);
	list_push_back(&notify->jobs, &copy->link);
	notify->jobs_count++;
	notify->counts.invalidations += job->type == JOB_INVALIDATE;
	notify->counts.shows += job->type == JOB_SHOW;
	if (notify->jobs_count > notify->idle && notify->counts.threads < NOTIFY_THREADS_MAX)
		thread_start(notify);
	wake = notify->idle > 0;
	pthread_mutex_unlock(&notify->lock);
	if (wake)
		pthread_cond_signal(&notify->work);
}

static struct event event_of(const struct job *job)
{
	struct event event = { .type = EV_INVALIDATED, .token = job->token };

	if (job->type == JOB_SHOW) {
		event.type = EV_SHOWN;
		event.msg.size = job->showing.size_bytes;
	} else if (job->type == JOB_PEEK) {
		event.type = EV_PEEKED;
		event.msg.count = job->cached;
	}
	return event;
}

/* Not mounted, nothing is cached, and any size is as good. */
static void job_begin(struct notify *notify, const struct job *job)
{
	struct event event = event_of(job);

	if (notify->session)
		job_push(notify, job);
	else
		run_event(notify->daemon->run, &event);
}

void notify_invalidate(struct notify *notify, uint64_t token, const struct msg *range, uint64_t pages)
{
	struct job job = {
		.type = JOB_INVALIDATE,
		.token = token,
		.obj = range->obj,
		.page = range->page,
		.count = range->count,
		.pages = pages,
	};

	job_begin(notify, &job);
}

void notify_show(struct notify *notify, uint64_t token, const struct show *show)
{
	struct job job = {
		.type = JOB_SHOW,
		.token = token,
		.obj = show->obj,
		.showing = { .show = *show, .size_bytes = show->size_bytes },
	};

	job_begin(notify, &job);
}

void notify_unshow(struct notify *notify, uint64_t token)
{
	shows_take_back(notify->shows, token);
}

void notify_peek(struct notify *notify, uint64_t token, const struct msg *page)
{
	struct job job = { .type = JOB_PEEK, .token = token, .obj = page->obj, .page = page->page };

	job_begin(notify, &job);
}

void notify_close(struct notify *notify, uint64_t obj)
{
	struct job job = { .type = JOB_CLOSE, .obj = obj };

	if (notify->session && owns_has(notify->daemon->owns, obj))
		job_push(notify, &job);
}

void notify_count(struct notify *notify, struct notify_counts *counts)
{
	pthread_mutex_lock(&notify->lock);
	*counts = notify->counts;
	pthread_mutex_unlock(&notify->lock);
}

/* Takes the next job that is done, or NULL. */
static struct job *take_done(struct notify *notify)
{
	struct job *job = NULL;

	pthread_mutex_lock(&notify->done_lock);
	if (!list_empty(&notify->done) && !notify->stopping) {
		job = list_entry(notify->done.next, struct job, link);
		list_remove(&job->link);
	}
	pthread_mutex_unlock(&notify->done_lock);
	return job;
}

/* In the loop's thread. */
static void report_done(uv_async_t *async)
{
	struct notify *notify = async->data;
	struct job *job;

	while ((job = take_done(notify))) {
		struct event event = event_of(job);

		if (job->type != JOB_SHOW || shows_end(notify->shows, &job->showing))
			run_event(notify->daemon->run, &event);
		/* The last program may have closed it before the job opened a handle. */
		if (!opens_has(notify->daemon->opens, job->obj))
			notify_close(notify, job->obj);
		free(job);
	}
}

int notify_new(struct notify **notify, struct daemon *daemon)
{
	struct notify *new = calloc(1, sizeof(*new));
	int error;

	if (!new)
		return -ENOMEM;
	error = shows_new(&new->shows, daemon);
	if (error)
		goto err_new;
	new->daemon = daemon;
	list_init(&new->jobs);
	list_init(&new->done);
	pthread_mutex_init(&new->lock, NULL);
	pthread_mutex_init(&new->done_lock, NULL);
	pthread_cond_init(&new->work, NULL);
	pthread_cond_init(&new->ended, NULL);
	error = uv_async_init(&daemon->loop, &new->async, report_done);
	if (error)
		goto err_shows;
	new->async.data = new;
	*notify = new;
	return 0;

err_shows:
	shows_free(new->shows);
err_new:
	free(new);
	return error;
}

int notify_start(struct notify *notify, struct fuse_session *session, const char *path, bool barrier)
{
	int error;

	owns_start(notify->daemon->owns, session, path);
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
		error = pthread_cond_timedwait(&notify->ended, &notify->lock, &limit);
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

	free_jobs(&notify->jobs);
	free_jobs(&notify->done);
	pthread_cond_destroy(&notify->ended);
	pthread_cond_destroy(&notify->work);
	pthread_mutex_destroy(&notify->done_lock);
	pthread_mutex_destroy(&notify->lock);
	free(notify);
}

void notify_free(struct notify *notify)
{
	if (!notify)
		return;
	shows_free(notify->shows);
	uv_close((uv_handle_t *)&notify->async, free_closed);
}
