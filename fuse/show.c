/*
 * show.c: the kernel keeps the size of a file itself, and a load past it is SIGBUS without a request. A show, in a
 * notifier's thread:
 *
 * 1. If an answer to SETATTR may not have arrived in the inode yet, wait until it has: by the inode's lock, where no
 *    program can hold that for long; else until the inode has the answer's ctime, which comes in one step with the size.
 * 2. Larger: own_grow(). Smaller, or the same: own_tell(), which also makes the kernel ignore older answers that are still
 *    on their way. It ignores this one while a local write(2) extends the file, or when a younger answer came before it.
 * 3. Look. The result is what the kernel has, whatever that is.
 *
 * Either may then wait for the lock of a page, which a local request may hold until its answer, which may have to wait for
 * this show. But the size is there at once: the loop looks, and reports the show.
 *
 * The core takes a show back before anything else changes the size. What is told is told by the loop, so from then on
 * nothing is; what was told before, the kernel ignores once the other change is there. Only own_grow() cannot be stopped:
 * then the loop waits until the size is there.
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

struct shows {
	struct daemon *daemon;
	uv_async_t begun; /* a thread changes a size */
	uv_timer_t timer;
	unsigned handles; /* of the loop's, not closed */
	pthread_mutex_t lock;
	struct list showings;
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

/* Step 1. The home's ctimes of a file only grow. */
static int settle(const struct own *own, uint64_t settle_ns, struct stat *st)
{
	struct patience patience = { .pause_ns = SHOW_PAUSE_FIRST_NS, .left_ns = SHOW_SETTLE_NS };
	int error = 0;

	while (!error && ctime_ns(st) < settle_ns && wait_a_little(&patience))
		error = own_look(own, st);
	return error;
}

/* False when it was taken back. From now on the loop looks after it. */
static bool enter(struct shows *shows, struct showing *showing, const struct own *own, off_t from)
{
	bool entered;

	pthread_mutex_lock(&shows->lock);
	entered = !atomic_load(&showing->taken_back) && !showing->reported;
	if (entered) {
		showing->own = own;
		showing->from_bytes = (uint64_t)from;
		showing->growing = showing->from_bytes < showing->show.size_bytes;
	}
	pthread_mutex_unlock(&shows->lock);
	return entered;
}

/* Whether the loop has reported it meanwhile. */
static bool leave(struct shows *shows, struct showing *showing)
{
	bool reported;

	pthread_mutex_lock(&shows->lock);
	showing->own = NULL;
	reported = showing->reported;
	pthread_mutex_unlock(&shows->lock);
	return reported;
}

/* Step 2, once. Whether to go on. */
static bool set(struct shows *shows, struct showing *showing, const struct own *own, const struct stat *st)
{
	off_t size = (off_t)showing->show.size_bytes;

	if (!enter(shows, showing, own, st->st_size))
		return false;
	uv_async_send(&shows->begun);
	if (st->st_size < size)
		own_grow(own, showing->show.size_bytes);
	else
		own_tell(own, st->st_size, size, &showing->taken_back);
	return !leave(shows, showing);
}

static int set_and_look(struct shows *shows, struct showing *showing, const struct own *own, struct stat *st)
{
	struct patience patience = { .pause_ns = SHOW_PAUSE_FIRST_NS, .left_ns = SHOW_PATIENCE_NS };
	int error = 0;

	for (int tries = 1; !error && set(shows, showing, own, st); tries++) {
		error = own_look(own, st);
		if (error || (uint64_t)st->st_size == showing->show.size_bytes)
			break;
		if (showing->show.patient ? !wait_a_little(&patience) : tries == SHOW_TRIES)
			break;
		error = own_look(own, st);
	}
	return error;
}

int shows_carry_out(struct shows *shows, struct showing *showing)
{
	const struct show *show = &showing->show;
	struct own *own = own_get(shows->daemon->owns, show->obj);
	int error = own ? 0 : -errno;
	struct stat st;

	if (error)
		return error;
	if (show->lock)
		own_wait_for_lock(own);
	error = own_look(own, &st);
	if (!error && show->settle_ns)
		error = settle(own, show->settle_ns, &st);
	if (!error)
		error = set_and_look(shows, showing, own, &st);
	if (!error)
		showing->size_bytes = (uint64_t)st.st_size;
	own_put(own);
	return error;
}

/* --- in the loop's -------------------------------------------------------------------------------------------------- */

void shows_begin(struct shows *shows, struct showing *showing, uint64_t token, const struct show *show)
{
	*showing = (struct showing){ .token = token, .show = *show, .size_bytes = show->size_bytes };
	pthread_mutex_lock(&shows->lock);
	list_push_back(&shows->showings, &showing->link);
	pthread_mutex_unlock(&shows->lock);
}

bool shows_end(struct shows *shows, struct showing *showing)
{
	bool reported;

	pthread_mutex_lock(&shows->lock);
	list_remove(&showing->link);
	reported = showing->reported;
	pthread_mutex_unlock(&shows->lock);
	return !reported;
}

/* Whether the size is there, or has been and was changed again. Called with the lock, in a show that changes it. */
static bool is_there(const struct showing *showing, struct event *event)
{
	struct stat st;

	if (own_look(showing->own, &st))
		return false;
	event->msg.size = (uint64_t)st.st_size;
	return event->msg.size == showing->show.size_bytes || event->msg.size != showing->from_bytes;
}

/* The next whose size is there; whether there is one. `waits`: there are others. */
static bool find_shown(struct shows *shows, struct event *event, bool *waits)
{
	struct list *link;
	struct list *after;
	bool found = false;

	*waits = false;
	pthread_mutex_lock(&shows->lock);
	list_for_each_safe(link, after, &shows->showings) {
		struct showing *showing = list_entry(link, struct showing, link);

		if (showing->reported || !showing->own || found)
			continue;
		found = is_there(showing, event);
		*waits |= !found;
		showing->reported = found;
		event->token = showing->token;
	}
	pthread_mutex_unlock(&shows->lock);
	return found;
}

void shows_take_back(struct shows *shows, uint64_t token)
{
	struct event event = { .type = EV_SHOWN, .token = token };
	struct list *link;
	struct list *after;
	bool over = false;

	pthread_mutex_lock(&shows->lock);
	list_for_each_safe(link, after, &shows->showings) {
		struct showing *showing = list_entry(link, struct showing, link);

		if (showing->token != token || showing->reported)
			continue;
		atomic_store(&showing->taken_back, true);
		over = !showing->own || !showing->growing || (is_there(showing, &event) && event.msg.size >= showing->show.size_bytes);
		showing->reported = over;
	}
	pthread_mutex_unlock(&shows->lock);
	if (over)
		run_event(shows->daemon->run, &event);
}

static void on_timer(uv_timer_t *timer);

static void look_after(struct shows *shows)
{
	struct event event = { .type = EV_SHOWN };
	bool waits;

	while (find_shown(shows, &event, &waits))
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
	list_init(&new->showings);
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
