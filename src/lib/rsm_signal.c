/*
 * Signals: each segment has an open end of its object's signal file, which is what is posted to, waited for and given
 * out as a pollfd. Several threads may wait for one end: all wake up, one of them reads the signal, the others go on
 * waiting.
 */
#include "lib/rsm.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct rsm_segment *segments;
static pthread_mutex_t segments_lock = PTHREAD_MUTEX_INITIALIZER;

void rsm_segment_add(struct rsm_segment *segment)
{
	pthread_mutex_lock(&segments_lock);
	segment->next = segments;
	segments = segment;
	pthread_mutex_unlock(&segments_lock);
}

void rsm_segment_remove(struct rsm_segment *segment)
{
	struct rsm_segment **place = &segments;

	pthread_mutex_lock(&segments_lock);
	while (*place != segment)
		place = &(*place)->next;
	*place = segment->next;
	pthread_mutex_unlock(&segments_lock);
}

static bool magic_is_segment(enum rsm_magic magic)
{
	return magic == RSM_MAGIC_EXPORT || magic == RSM_MAGIC_IMPORT;
}

struct rsm_segment *rsm_segment_lock(void *handle)
{
	struct rsm_segment *segment = handle;

	if (!segment || !magic_is_segment(segment->magic))
		return NULL;
	pthread_mutex_lock(&segment->lock);
	if (magic_is_segment(segment->magic))
		return segment;
	pthread_mutex_unlock(&segment->lock);
	return NULL;
}

/* The segment behind a handle, locked, if its signals can be used. */
static int segment_lock_usable(void *handle, struct rsm_segment **segment)
{
	*segment = rsm_segment_lock(handle);
	if (!*segment)
		return RSMERR_BAD_SEG_HNDL;
	if ((*segment)->signal >= 0)
		return RSM_SUCCESS;
	pthread_mutex_unlock(&(*segment)->lock);
	return RSMERR_NOT_CREATOR;
}

static int signal_write(int signal, const char *text)
{
	ssize_t written;

	do {
		written = write(signal, text, strlen(text));
	} while (written < 0 && errno == EINTR);
	return written < 0 ? -errno : 0;
}

/* What a post that failed means. */
static int post_code(const struct rsm_segment *segment)
{
	const struct rsm_import *import = (const struct rsm_import *)segment;

	if (segment->magic == RSM_MAGIC_IMPORT && !rsm_controller_reaches(segment->controller, import->node))
		return RSMERR_REMOTE_NODE_UNREACHABLE;
	return RSMERR_CONN_ABORTED;
}

int rsm_intr_signal_post(void *memseg, uint_t flags)
{
	bool once = flags & RSM_SIGPOST_NO_ACCUMULATE;
	struct rsm_segment *segment;
	int code = segment_lock_usable(memseg, &segment);
	const char *text;

	if (code)
		return code;
	if (segment->magic == RSM_MAGIC_IMPORT)
		text = once ? "owner once\n" : "owner\n";
	else
		text = once ? "users once\n" : "users\n";
	if (signal_write(segment->signal, text))
		code = post_code(segment);
	pthread_mutex_unlock(&segment->lock);
	return code;
}

/* Takes a signal. 0, -EAGAIN: there is none, or another errno: cut off. */
static int signal_take(int signal)
{
	char one;
	ssize_t got;

	do {
		got = read(signal, &one, sizeof one);
	} while (got < 0 && errno == EINTR);
	if (got > 0)
		return 0;
	return got < 0 ? -errno : -EIO;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* For ever: INT64_MAX. */
static int64_t deadline_ms(int timeout_ms)
{
	return timeout_ms < 0 ? INT64_MAX : now_ms() + timeout_ms;
}

/* For poll(). */
static int left_ms(int64_t deadline)
{
	int64_t left = deadline == INT64_MAX ? -1 : deadline - now_ms();

	return deadline != INT64_MAX && left < 0 ? 0 : (int)left;
}

/* RSMERR_* for errno of poll(). */
static int poll_code(int error)
{
	switch (error) {
	case EINTR:
		return RSMERR_INTERRUPTED;
	case EFAULT:
		return RSMERR_BAD_ADDR;
	case ENOMEM:
		return RSMERR_INSUFFICIENT_MEM;
	case EAGAIN:
		return RSMERR_INSUFFICIENT_RESOURCES;
	default:
		return RSMERR_BAD_ARGS_ERRORS;
	}
}

static int signal_wait(int signal, int timeout_ms)
{
	struct pollfd end = { .fd = signal, .events = POLLRDNORM };
	int64_t deadline = deadline_ms(timeout_ms);

	for (;;) {
		int error = signal_take(signal);
		int left = left_ms(deadline);

		if (!error)
			return RSM_SUCCESS;
		if (error != -EAGAIN)
			return RSMERR_CONN_ABORTED;
		if (left == 0)
			return RSMERR_TIMEOUT;
		if (poll(&end, 1, left) < 0)
			return poll_code(errno);
	}
}

int rsm_intr_signal_wait(void *memseg, int timeout)
{
	struct rsm_segment *segment;
	int code = segment_lock_usable(memseg, &segment);

	if (code)
		return code;
	segment->waiters++;
	pthread_mutex_unlock(&segment->lock);
	code = signal_wait(segment->signal, timeout);
	pthread_mutex_lock(&segment->lock);
	segment->waiters--;
	pthread_mutex_unlock(&segment->lock);
	return code;
}

static bool fd_is_segment(int fd)
{
	const struct rsm_segment *segment;

	pthread_mutex_lock(&segments_lock);
	for (segment = segments; segment && segment->signal != fd; segment = segment->next)
		;
	pthread_mutex_unlock(&segments_lock);
	return segment;
}

/* Takes a signal from each segment that has one. How many entries have something in `revents` after that. */
static int signals_take(struct pollfd fds[], nfds_t nfds)
{
	int ready = 0;
	nfds_t i;

	for (i = 0; i < nfds; i++) {
		if ((fds[i].revents & (POLLIN | POLLRDNORM)) && fd_is_segment(fds[i].fd)) {
			int error = signal_take(fds[i].fd);

			if (!error)
				fds[i].revents = POLLRDNORM;
			else if (error == -EAGAIN)
				fds[i].revents = 0;
		}
		ready += fds[i].revents != 0;
	}
	return ready;
}

int rsm_intr_signal_wait_pollfd(struct pollfd fds[], nfds_t nfds, int timeout, int *numfdsp)
{
	int64_t deadline = deadline_ms(timeout);
	int ready;

	if (numfdsp)
		*numfdsp = 0;
	do {
		int left = left_ms(deadline);

		ready = poll(fds, nfds, left);
		if (ready < 0)
			return poll_code(errno);
		if (ready > 0)
			ready = signals_take(fds, nfds);
		if (ready == 0 && left == 0)
			return RSMERR_TIMEOUT;
	} while (ready == 0);
	if (numfdsp)
		*numfdsp = ready;
	return RSM_SUCCESS;
}

int rsm_memseg_get_pollfd(void *memseg, struct pollfd *poll_fd)
{
	struct rsm_segment *segment;
	int code = segment_lock_usable(memseg, &segment);

	if (code)
		return code;
	if (poll_fd) {
		*poll_fd = (struct pollfd){ .fd = segment->signal, .events = POLLRDNORM };
		segment->pollfds++;
	}
	pthread_mutex_unlock(&segment->lock);
	return poll_fd ? RSM_SUCCESS : RSMERR_BAD_ADDR;
}

int rsm_memseg_release_pollfd(void *memseg)
{
	struct rsm_segment *segment = rsm_segment_lock(memseg);
	int code;

	if (!segment)
		return RSMERR_BAD_SEG_HNDL;
	code = segment->pollfds > 0 ? RSM_SUCCESS : RSMERR_BAD_SEG_HNDL;
	if (!code)
		segment->pollfds--;
	pthread_mutex_unlock(&segment->lock);
	return code;
}
