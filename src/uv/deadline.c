/*
 * deadline.c: a timerfd, because libuv's own timers count in milliseconds, and a dwell is some microseconds.
 */
#include "uv/deadline.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "base/check.h"
#include "run/run.h"

#define NS_PER_S UINT64_C(1000000000)

struct deadline {
	uv_poll_t poll;
	int descriptor;
	uint64_t armed_ns; /* UINT64_MAX: not armed */
	struct run *run;
};

uint64_t deadline_now_ns(void *context)
{
	struct timespec now;

	(void)context;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void on_expired(uv_poll_t *poll, int status, int events)
{
	struct deadline *deadline = poll->data;
	struct event tick = { .type = EV_TICK };
	uint64_t times;

	(void)events;
	/* Nothing to read: it was set anew between the two, and will come again. */
	if (status < 0 || read(deadline->descriptor, &times, sizeof(times)) != sizeof(times))
		return;
	deadline->armed_ns = UINT64_MAX;
	run_event(deadline->run, &tick);
}

int deadline_new(struct deadline **deadline, struct uv_loop_s *loop, struct run *run)
{
	struct deadline *new = calloc(1, sizeof(*new));
	int result;

	if (!new)
		return -ENOMEM;
	new->run = run;
	new->armed_ns = UINT64_MAX;
	new->descriptor = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (new->descriptor < 0) {
		result = -errno;
		goto err_new;
	}
	result = uv_poll_init(loop, &new->poll, new->descriptor);
	if (result < 0)
		goto err_descriptor;
	new->poll.data = new;
	CHECK(uv_poll_start(&new->poll, UV_READABLE, on_expired) == 0);
	*deadline = new;
	return 0;

err_descriptor:
	close(new->descriptor);
err_new:
	free(new);
	return result;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void deadline_free(struct deadline *deadline)
{
	if (!deadline)
		return;
	CHECK(uv_poll_stop(&deadline->poll) == 0);
	close(deadline->descriptor);
	uv_close((uv_handle_t *)&deadline->poll, on_closed);
}

void deadline_set(struct deadline *deadline, uint64_t deadline_ns)
{
	struct itimerspec when = { 0 };

	if (deadline_ns == deadline->armed_ns)
		return;
	deadline->armed_ns = deadline_ns;
	if (deadline_ns != UINT64_MAX) {
		/* 0 would disarm it; 1 ns after the start of the machine is past just as well. */
		when.it_value.tv_sec = (time_t)(deadline_ns / NS_PER_S);
		when.it_value.tv_nsec = deadline_ns == 0 ? 1 : (long)(deadline_ns % NS_PER_S);
	}
	CHECK(timerfd_settime(deadline->descriptor, TFD_TIMER_ABSTIME, &when, NULL) == 0);
}
