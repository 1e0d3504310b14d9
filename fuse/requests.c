/*
 * requests.c: the table of tokens, and the requests whose program got a signal (see program.c). One that goes on waiting is
 * looked at again from time to time, since a later SIGKILL is not reported.
 */
#include "fuse/requests.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <uv.h>

#include "base/check.h"
#include "fuse/daemon.h"
#include "fuse/program.h"
#include "fuse/reply.h"
#include "uv/deadline.h"

#define SPARE_MAX 256
#define NS_PER_MS UINT64_C(1000000)

struct slot {
	uint64_t token;
	struct request *request;
	UT_hash_handle hh;
};

/* Every request has its slot behind it, so that entering one in the table cannot fail. */
struct record {
	struct request request;
	struct slot slot;
	struct record *next_spare;
};

struct requests {
	struct daemon *daemon;
	struct slot *slots;
	uint64_t next_token;
	size_t waiting;
	struct list interrupted;
	uv_timer_t timer;
	struct record *spare;
	size_t spare_count;
	bool failing; /* the core is no longer asked */
};

static struct record *record_of(struct request *request)
{
	return list_entry(request, struct record, request);
}

int requests_new(struct requests **requests, struct daemon *daemon)
{
	struct requests *new = calloc(1, sizeof(*new));

	if (!new)
		return -ENOMEM;
	new->daemon = daemon;
	new->next_token = 1;
	list_init(&new->interrupted);
	uv_timer_init(&daemon->loop, &new->timer);
	new->timer.data = new;
	*requests = new;
	return 0;
}

static void free_closed(uv_handle_t *handle)
{
	struct requests *requests = handle->data;

	while (requests->spare) {
		struct record *record = requests->spare;

		requests->spare = record->next_spare;
		free(record);
	}
	free(requests);
}

void requests_free(struct requests *requests)
{
	if (!requests)
		return;
	CHECK(!requests->slots);
	uv_close((uv_handle_t *)&requests->timer, free_closed);
}

size_t requests_waiting(const struct requests *requests)
{
	return requests->waiting;
}

struct request *request_new(struct daemon *daemon, fuse_req_t fuse, request_done *done)
{
	struct requests *requests = daemon->requests;
	struct record *record = requests->spare;

	if (record) {
		requests->spare = record->next_spare;
		requests->spare_count--;
		/* A name is long, and only read where it was written. */
		memset(record, 0, offsetof(struct record, request.name));
		record->request.name[0] = '\0';
	} else {
		record = calloc(1, sizeof(*record));
		if (!record)
			return NULL;
	}
	record->request.daemon = daemon;
	record->request.fuse = fuse;
	record->request.done = done;
	list_init(&record->request.interrupted);
	if (fuse) {
		record->request.pid = fuse_req_ctx(fuse)->pid;
		requests->waiting++;
	}
	return &record->request;
}

void request_free(struct request *request)
{
	struct requests *requests = request->daemon->requests;
	struct record *record = record_of(request);

	CHECK(!request->token);
	list_remove(&request->interrupted);
	if (request->fuse)
		requests->waiting--;
	if (requests->spare_count >= SPARE_MAX) {
		free(record);
		return;
	}
	record->next_spare = requests->spare;
	requests->spare = record;
	requests->spare_count++;
}

void request_answer(struct request *request, int error)
{
	if (request->fuse)
		fuse_reply_err(request->fuse, -error);
	request_free(request);
}

static bool must_end(const struct requests *requests, const struct request *request)
{
	uint64_t since_ns = deadline_now_ns(NULL) - request->interrupted_ns;

	return request->any_signal ||
	       program_must_end(request->pid, since_ns, requests->daemon->options.timeout_ms * NS_PER_MS);
}

static void look_at(struct requests *requests, struct request *request)
{
	struct event event = { .type = EV_INTERRUPT, .token = request->token };

	if (request->token && must_end(requests, request)) {
		list_remove(&request->interrupted);
		run_event(requests->daemon->run, &event);
		return;
	}
	if (!list_empty(&request->interrupted))
		return;
	list_push_back(&requests->interrupted, &request->interrupted);
}

static void look_again(uv_timer_t *timer)
{
	struct requests *requests = timer->data;
	struct list now;
	struct list *link;

	/* Looking at one may answer others. Each is taken from the list, and puts itself back if it still waits. */
	list_init(&now);
	while (!list_empty(&requests->interrupted)) {
		link = requests->interrupted.next;
		list_remove(link);
		list_push_back(&now, link);
	}
	while (!list_empty(&now)) {
		link = now.next;
		list_remove(link);
		look_at(requests, list_entry(link, struct request, interrupted));
	}
	if (list_empty(&requests->interrupted))
		uv_timer_stop(timer);
}

/* libfuse calls this in the loop's thread, from within reading a FUSE_INTERRUPT. */
static void on_interrupt(fuse_req_t fuse, void *data)
{
	struct request *request = data;
	struct requests *requests = request->daemon->requests;

	(void)fuse;
	request->interrupted_ns = deadline_now_ns(NULL);
	look_at(requests, request);
	if (!list_empty(&requests->interrupted) && !uv_is_active((uv_handle_t *)&requests->timer))
		uv_timer_start(&requests->timer, look_again, REQUESTS_LOOK_MS, REQUESTS_LOOK_MS);
}

void request_send(struct request *request, const struct msg *msg)
{
	struct requests *requests = request->daemon->requests;
	struct slot *slot = &record_of(request)->slot;
	struct event event = { .type = EV_REQUEST, .token = requests->next_token++, .msg = *msg };

	CHECK(!request->token);
	if (requests->failing) {
		struct msg reply = { .type = MSG_REPLY, .error = -EIO };

		request->done(request, &reply);
		return;
	}
	request->token = event.token;
	slot->token = event.token;
	slot->request = request;
	HASH_ADD(hh, requests->slots, token, sizeof(slot->token), slot);
	run_event(requests->daemon->run, &event);

	/* Most requests are answered by now; only one that waits can be interrupted. */
	HASH_FIND(hh, requests->slots, &event.token, sizeof(event.token), slot);
	if (slot && slot->request->fuse)
		fuse_req_interrupt_func(slot->request->fuse, on_interrupt, slot->request);
}

void requests_reply(struct requests *requests, uint64_t token, const struct msg *reply)
{
	struct msg taken = *reply;
	struct slot *slot;
	struct request *request;

	HASH_FIND(hh, requests->slots, &token, sizeof(token), slot);
	CHECK(slot);
	request = slot->request;
	HASH_DEL(requests->slots, slot);
	request->token = 0;
	taken.error = reply_error(reply->error);
	request->done(request, &taken);
}

size_t requests_fail_all(struct requests *requests)
{
	struct msg reply = { .type = MSG_REPLY, .error = -EIO };
	size_t count = 0;

	requests->failing = true;
	while (requests->slots) {
		requests_reply(requests, requests->slots->token, &reply);
		count++;
	}
	return count;
}
