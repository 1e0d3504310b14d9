/*
 * show.c: the kernel keeps the size of a file itself, and a load past it is SIGBUS without a request. A show, in a
 * notifier's thread:
 *
 * 1. If an answer to SETATTR may not have arrived in the inode yet, wait until it has: by the inode's lock, where no
 *    program can hold that for long; else until the inode has the answer's ctime, which comes in one step with the size.
 * 2. Look at what the kernel has. If the size is only to be raised, and the kernel has more, from a write(2) of its own,
 *    that is it.
 * 3. Larger: own_grow(). Smaller, or the same: own_tell(), which also makes the kernel ignore older answers that are still
 *    on their way. It ignores this one while a local write(2) extends the file, or when a younger answer came before it.
 * 4. Look again. The result is what the kernel has, whatever that is.
 *
 * own_grow() waits for the lock of the last page when the size is in place already. A local write(2) may hold that lock
 * until its answer, which may have to wait for this show. So the loop is told when own_grow() begins, and reports the show
 * as soon as the size is there, or has been changed again.
 */
#include "fuse/show.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/list.h"
#include "fuse/daemon.h"
#include "fuse/owns.h"

#define NS_PER_SECOND UINT64_C(1000000000)

/* An own_grow() under way; on the stack of its thread. */
struct growth {
	struct list link;
	uint64_t token;
	const struct own *own;
	uint64_t size_bytes;
	struct stat first; /* what the kernel had before */
	bool reported;
};

struct shows {
	struct daemon *daemon;
	uv_async_t begun; /* a growth */
	uv_timer_t timer;
	unsigned handles; /* of the loop's, not closed */
	pthread_mutex_t lock;
	struct list growths;
};

/* --- in a notifier's thread ----------------------------------------------------------------------------------------- */

struct patience {
	uint64_t pause_ns;
	uint64_t left_ns;
};

/* False when there is none left. */
static bool wait_a_little(struct patience *patience)
{
	struct timespec pause = { .tv_nsec = (long)patience->pause_ns };

	if (patience->left_ns < patience->pause_ns)
		return false;
	nanosleep(&pause, NULL);
	patience->left_ns -= patience->pause_ns;
	if (patience->pause_ns < SHOW_PAUSE_NS)
		patience->pause_ns *= 2;
	return true;
}

static uint64_t ctime_ns(const struct stat *st)
{
	return (uint64_t)st->st_ctim.tv_sec * NS_PER_SECOND + (uint64_t)st->st_ctim.tv_nsec;
}

/* Step 1. The home's ctimes of an object only grow. */
static int settle(const struct own *own, uint64_t settle_ns, struct stat *st)
{
	struct patience patience = { .pause_ns = SHOW_PAUSE_FIRST_NS, .left_ns = SHOW_SETTLE_NS };
	int error = 0;

	while (!error && ctime_ns(st) < settle_ns && wait_a_little(&patience))
		error = own_look(own, st);
	return error;
}

/* Whether the loop has reported it meanwhile. */
static bool grow(struct shows *shows, uint64_t token, const struct own *own, uint64_t size_bytes, const struct stat *st)
{
	struct growth growth = { .token = token, .own = own, .size_bytes = size_bytes, .first = *st };

	pthread_mutex_lock(&shows->lock);
	list_push_back(&shows->growths, &growth.link);
	pthread_mutex_unlock(&shows->lock);
	uv_async_send(&shows->begun);
	own_grow(own, size_bytes);
	pthread_mutex_lock(&shows->lock);
	list_remove(&growth.link);
	pthread_mutex_unlock(&shows->lock);
	return growth.reported;
}

/* Something else has changed the inode since: an answer to SETATTR, or the end of a local write(2). */
static bool has_moved(const struct stat *first, const struct stat *st)
{
	return st->st_size != first->st_size || ctime_ns(st) != ctime_ns(first);
}

/*
 * Steps 3 and 4. What has become of the inode meanwhile, by a later show or otherwise, must not be undone: the core hears
 * of it, and decides anew.
 */
static void set(struct shows *shows, uint64_t token, const struct own *own, const struct show *show, struct stat *st,
                bool *reported)
{
	struct patience patience = { .pause_ns = SHOW_PAUSE_FIRST_NS, .left_ns = SHOW_PATIENCE_NS };
	off_t size = (off_t)show->size_bytes;
	const struct stat first = *st;

	for (int tries = 1; (uint64_t)st->st_size <= show->most_bytes && !own_overtaken(own, token); tries++) {
		if (st->st_size < size)
			*reported = grow(shows, token, own, show->size_bytes, st);
		else
			own_tell(own, st->st_size, size);
		if (*reported || own_look(own, st) || st->st_size == size || has_moved(&first, st))
			return;
		if (show->patient ? !wait_a_little(&patience) : tries == SHOW_TRIES)
			return;
		if (own_look(own, st) || has_moved(&first, st))
			return;
	}
}

/* A later answer has arrived meanwhile, of which the show knows nothing. */
static bool is_overtaken(const struct show *show, const struct stat *st)
{
	return show->settle_ns && ctime_ns(st) > show->settle_ns;
}

int shows_carry_out(struct shows *shows, uint64_t token, const struct show *show, struct shown *shown)
{
	struct own *own = own_get(shows->daemon->owns, show->obj);
	int error = own ? 0 : -errno;
	struct stat st;

	*shown = (struct shown){ .size_bytes = show->size_bytes };
	if (error)
		return error;
	own_begin(own, token);
	if (show->lock)
		own_wait_for_lock(own);
	error = own_look(own, &st);
	if (!error && show->settle_ns)
		error = settle(own, show->settle_ns, &st);
	if (!error && !is_overtaken(show, &st))
		set(shows, token, own, show, &st, &shown->reported);
	if (!error)
		shown->size_bytes = (uint64_t)st.st_size;
	own_put(own);
	return error;
}

/* --- in the loop's -------------------------------------------------------------------------------------------------- */

/* The next whose size is there, or whose inode has been changed since; whether there is one. `waits`: there are others. */
static bool find_grown(struct shows *shows, struct event *event, bool *waits)
{
	struct list *link;
	struct list *after;
	bool found = false;

	*waits = false;
	pthread_mutex_lock(&shows->lock);
	list_for_each_safe(link, after, &shows->growths) {
		struct growth *growth = list_entry(link, struct growth, link);
		struct stat st;

		if (growth->reported || found)
			continue;
		found = !own_look(growth->own, &st) &&
		        ((uint64_t)st.st_size >= growth->size_bytes || has_moved(&growth->first, &st));
		*waits |= !found;
		if (!found)
			continue;
		growth->reported = true;
		event->token = growth->token;
		event->msg.size = (uint64_t)st.st_size;
	}
	pthread_mutex_unlock(&shows->lock);
	return found;
}

static void on_timer(uv_timer_t *timer);

static void look_after(struct shows *shows)
{
	struct event event = { .type = EV_SHOWN };
	bool waits;

	while (find_grown(shows, &event, &waits))
		run_event(shows->daemon->run, &event);
	if (waits)
		uv_timer_start(&shows->timer, on_timer, SHOW_LOOK_MS, 0);
}

static void on_begun(uv_async_t *async)
{
	look_after(async->data);
}

static void on_timer(uv_timer_t *timer)
{
	look_after(timer->data);
}

int shows_new(struct shows **shows, struct daemon *daemon)
{
	struct shows *new = calloc(1, sizeof(*new));

	if (!new)
		return -ENOMEM;
	if (uv_async_init(&daemon->loop, &new->begun, on_begun)) {
		free(new);
		return -ENOMEM;
	}
	uv_timer_init(&daemon->loop, &new->timer);
	new->handles = 2;
	new->begun.data = new->timer.data = new;
	new->daemon = daemon;
	list_init(&new->growths);
	pthread_mutex_init(&new->lock, NULL);
	*shows = new;
	return 0;
}

static void free_closed(uv_handle_t *handle)
{
	struct shows *shows = handle->data;

	if (--shows->handles)
		return;
	pthread_mutex_destroy(&shows->lock);
	free(shows);
}

void shows_free(struct shows *shows)
{
	if (!shows)
		return;
	uv_close((uv_handle_t *)&shows->begun, free_closed);
	uv_close((uv_handle_t *)&shows->timer, free_closed);
}
