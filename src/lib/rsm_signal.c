/*
 * Signals: each segment has an open end of its object's signal file, which is posted to, read, and given out as a
 * pollfd. Several threads may wait for one: all wake up, one of them reads the signal, the others go on waiting.
 *
 * What the library polls is not that file but an epoll descriptor of it. The file behind an export's descriptor changes
 * when it is unpublished, and a poll of the descriptor itself that is under way then would wait for the old one.
 */
#include "lib/rsm.h"

#include "lib/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

static struct rsm_segment *segments;
static pthread_mutex_t segments_lock = PTHREAD_MUTEX_INITIALIZER;

void rsm_segment_add(struct rsm_segment *segment)
{
	segment->events = -1;
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
	if (segment->events >= 0)
		netmem_file_close(segment->events);
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

static int epoll_add(int epoll, int fd, uint32_t events)
{
	struct epoll_event wanted = { .events = events };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &wanted) ? -errno : 0;
}

int rsm_epoll_open(int fd, uint32_t events)
{
	int made = epoll_create1(EPOLL_CLOEXEC);
	int epoll;
	int error;

	if (made < 0)
		return -errno;
	epoll = netmem_file_dup(made); /* the first may stand in for a standard stream that is closed */
	netmem_file_close(made);
	error = epoll < 0 ? epoll : epoll_add(epoll, fd, events);
	if (error && epoll >= 0)
		netmem_file_close(epoll);
	return error ? error : epoll;
}

/* Called with the lock. 0 or a negative errno. */
static int events_open(struct rsm_segment *segment)
{
	int events;

	if (segment->events >= 0)
		return 0;
	events = rsm_epoll_open(segment->signal, EPOLLIN);
	if (events < 0)
		return events;
	segment->events = events;
	return 0;
}

void rsm_segment_replace_signal(struct rsm_segment *segment, int signal)
{
	pthread_mutex_lock(&segment->lock);
	if (segment->events >= 0)
		epoll_ctl(segment->events, EPOLL_CTL_DEL, segment->signal, NULL);
	while (dup3(signal, segment->signal, O_CLOEXEC) < 0 && (errno == EINTR || errno == EBUSY))
		continue;
	if (segment->events >= 0)
		epoll_add(segment->events, segment->signal, EPOLLIN); /* where the other one was there is room */
	pthread_mutex_unlock(&segment->lock);
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

/* The same, if its signals can be waited for. */
static int segment_lock_waitable(void *handle, struct rsm_segment **segment)
{
	int code = segment_lock_usable(handle, segment);
	int error = code ? 0 : events_open(*segment);

	if (!error)
		return code;
	pthread_mutex_unlock(&(*segment)->lock);
	return rsm_error(error);
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

static int signal_wait(const struct rsm_segment *segment, int timeout_ms)
{
	struct pollfd events = { .fd = segment->events, .events = POLLIN };
	int64_t deadline = deadline_ms(timeout_ms);

	for (;;) {
		int error = signal_take(segment->signal);
		int left = left_ms(deadline);

		if (!error)
			return RSM_SUCCESS;
		if (error != -EAGAIN)
			return RSMERR_CONN_ABORTED;
		if (left == 0)
			return RSMERR_TIMEOUT;
		if (poll(&events, 1, left) < 0)
			return poll_code(errno);
	}
}

int rsm_intr_signal_wait(void *memseg, int timeout)
{
	struct rsm_segment *segment;
	int code = segment_lock_waitable(memseg, &segment);

	if (code)
		return code;
	segment->waiters++;
	pthread_mutex_unlock(&segment->lock);
	code = signal_wait(segment, timeout);
	pthread_mutex_lock(&segment->lock);
	segment->waiters--;
	pthread_mutex_unlock(&segment->lock);
	return code;
}

/* The epoll descriptor of the segment whose pollfd that is. -1: it is an ordinary one. */
static int events_find(int fd)
{
	const struct rsm_segment *segment;
	int events;

	if (fd < 0)
		return -1;
	pthread_mutex_lock(&segments_lock);
	for (segment = segments; segment && segment->signal != fd; segment = segment->next)
		continue;
	events = segment ? segment->events : -1;
	pthread_mutex_unlock(&segments_lock);
	return events;
}

/* Takes a signal from each segment that has one. How many entries have something in `revents` after that. */
static int signals_take(struct pollfd fds[], nfds_t nfds)
{
	int ready = 0;
	nfds_t i;

	for (i = 0; i < nfds; i++) {
		if (fds[i].revents && events_find(fds[i].fd) >= 0) {
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

/* Waits until it is worth while to look again. */
static int change_wait(const struct pollfd fds[], nfds_t nfds, int timeout_ms)
{
	struct pollfd *polled = calloc(nfds + 1, sizeof *polled);
	int code = RSM_SUCCESS;
	nfds_t i;

	if (!polled)
		return RSMERR_INSUFFICIENT_MEM;
	for (i = 0; i < nfds; i++) {
		int events = events_find(fds[i].fd);

		polled[i] = fds[i];
		if (events >= 0)
			polled[i] = (struct pollfd){ .fd = events, .events = POLLIN };
	}
	if (poll(polled, nfds, timeout_ms) < 0)
		code = poll_code(errno);
	free(polled);
	return code;
}

int rsm_intr_signal_wait_pollfd(struct pollfd fds[], nfds_t nfds, int timeout, int *numfdsp)
{
	int64_t deadline = deadline_ms(timeout);

	if (numfdsp)
		*numfdsp = 0;
	for (;;) {
		int ready = poll(fds, nfds, 0);
		int left = left_ms(deadline);
		int code;

		if (ready < 0)
			return poll_code(errno);
		ready = signals_take(fds, nfds);
		if (numfdsp)
			*numfdsp = ready;
		if (ready > 0)
			return RSM_SUCCESS;
		code = left == 0 ? RSMERR_TIMEOUT : change_wait(fds, nfds, left);
		if (code)
			return code;
	}
}

int rsm_memseg_get_pollfd(void *memseg, struct pollfd *poll_fd)
{
	struct rsm_segment *segment;
	int code = segment_lock_waitable(memseg, &segment);

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
