/*
 * attempt.c: one operation and one function that advances it.
 *
 *	RESOLVING --> CONNECTING --> DECIDED        each failure takes the next candidate; without one it is decided
 *	    |              |            ^
 *	    +--------------+------------+           for an address that is no address, after the timeout, on cancel
 *
 * The memory stays until the timer is closed and the resolver and the connect request, which cannot always be cancelled,
 * have answered. Each candidate is tried on a peer of its own, because a socket that failed to connect is of no more use.
 */
#include "uv/attempt.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/check.h"
#include "uv/address.h"
#include "uv/peer.h"

#define CANDIDATES_MAX 8

enum attempt_state { ATTEMPT_RESOLVING, ATTEMPT_CONNECTING, ATTEMPT_DECIDED };

struct attempt {
	struct list link;
	enum attempt_state state;
	uint64_t token;
	const struct attempt_owner *owner;
	const struct peer_owner *peer_owner;
	struct uv_loop_s *loop;
	uv_timer_t timer;
	uv_getaddrinfo_t resolver;
	uv_connect_t request;
	unsigned pending; /* of the three above, those that still come back */
	struct address address;
	struct sockaddr_storage candidates[CANDIDATES_MAX];
	unsigned candidates_count;
	unsigned candidates_tried;
	struct peer *peer; /* being connected */
	char text[ADDRESS_BYTES];
	char why[3 * ADDRESS_BYTES];
};

static void try_next(struct attempt *attempt, int error);

static void release(struct attempt *attempt)
{
	const struct attempt_owner *owner = attempt->owner;

	if (--attempt->pending > 0)
		return;
	free(attempt);
	owner->closed(owner->context);
}

static void on_timer_closed(uv_handle_t *handle)
{
	release(handle->data);
}

/* The one way to the end; without an error, the peer is handed over. */
static void decide(struct attempt *attempt, int error, bool tell)
{
	struct peer *peer = attempt->peer;

	CHECK(attempt->state != ATTEMPT_DECIDED);
	if (attempt->state == ATTEMPT_RESOLVING)
		(void)uv_cancel((uv_req_t *)&attempt->resolver);
	attempt->state = ATTEMPT_DECIDED;
	attempt->peer = NULL;
	list_remove(&attempt->link);
	uv_close((uv_handle_t *)&attempt->timer, on_timer_closed);
	if (error != 0 && peer)
		peer_abort(peer);
	if (!tell)
		return;
	if (error != 0)
		attempt->owner->failed(attempt->owner->context, attempt->token, error, attempt->why[0] ? attempt->why : NULL);
	else
		attempt->owner->connected(attempt->owner->context, attempt->token, peer, attempt->text);
}

void attempt_cancel(struct list *link)
{
	decide(list_entry(link, struct attempt, link), -ECANCELED, false);
}

static void on_timer(uv_timer_t *timer)
{
	decide(timer->data, -ETIMEDOUT, true);
}

static void on_connect(uv_connect_t *request, int status)
{
	struct attempt *attempt = request->data;

	if (attempt->state != ATTEMPT_DECIDED) {
		if (status == 0) {
			decide(attempt, 0, true);
		} else {
			peer_abort(attempt->peer);
			attempt->peer = NULL;
			try_next(attempt, status);
		}
	}
	release(attempt);
}

/* 0 once the request is under way. */
static int connect_peer(struct attempt *attempt, const struct sockaddr_storage *candidate)
{
	struct uv_stream_s *stream;
	int result = peer_new(&attempt->peer, attempt->loop, attempt->address.local, attempt->peer_owner);

	if (result < 0)
		return result;
	stream = peer_stream(attempt->peer);
	if (attempt->address.local) {
		uv_pipe_connect(&attempt->request, (uv_pipe_t *)stream, attempt->address.host, on_connect);
	} else {
		result = uv_tcp_connect(&attempt->request, (uv_tcp_t *)stream, (const struct sockaddr *)candidate, on_connect);
	}
	if (result == 0) {
		attempt->pending++;
		return 0;
	}
	peer_abort(attempt->peer);
	attempt->peer = NULL;
	return result;
}

/* Goes on with the next candidate; `error` says how the last one failed. */
static void try_next(struct attempt *attempt, int error)
{
	while (attempt->candidates_tried < attempt->candidates_count) {
		error = connect_peer(attempt, &attempt->candidates[attempt->candidates_tried++]);
		if (error == 0)
			return;
	}
	decide(attempt, error, true);
}

static void on_resolved(uv_getaddrinfo_t *resolver, int status, struct addrinfo *found)
{
	struct attempt *attempt = resolver->data;
	int error = -EHOSTUNREACH;

	for (struct addrinfo *at = found; at && attempt->candidates_count < CANDIDATES_MAX; at = at->ai_next) {
		if (address_is_loopback(at->ai_addr))
			memcpy(&attempt->candidates[attempt->candidates_count++], at->ai_addr, at->ai_addrlen);
	}
	if (attempt->state == ATTEMPT_RESOLVING) {
		if (status < 0)
			snprintf(attempt->why, sizeof(attempt->why), "%s: unknown host: %s", attempt->text, uv_strerror(status));
		else if (attempt->candidates_count == 0)
			error = address_refuse(attempt->text, attempt->why, sizeof(attempt->why));
		attempt->state = ATTEMPT_CONNECTING;
		try_next(attempt, error);
	}
	uv_freeaddrinfo(found);
	release(attempt);
}

static void begin(struct attempt *attempt)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC };
	int result = address_parse(&attempt->address, attempt->text, attempt->why, sizeof(attempt->why));

	attempt->state = ATTEMPT_CONNECTING;
	if (result < 0) {
		decide(attempt, result, true);
		return;
	}
	if (attempt->address.local || address_numeric(&attempt->address, &attempt->candidates[0])) {
		attempt->candidates_count = 1;
		try_next(attempt, 0);
		return;
	}
	attempt->state = ATTEMPT_RESOLVING;
	result = uv_getaddrinfo(attempt->loop, &attempt->resolver, on_resolved, attempt->address.host,
	                        attempt->address.port, &hints);
	if (result == 0)
		attempt->pending++;
	else
		decide(attempt, -ENOMEM, true);
}

int attempt_start(struct uv_loop_s *loop, uint64_t token, const char *address, const struct attempt_owner *owner,
                  const struct peer_owner *peer_owner, struct list *list)
{
	struct attempt *attempt = calloc(1, sizeof(*attempt));

	if (!attempt)
		return -ENOMEM;
	attempt->loop = loop;
	attempt->token = token;
	attempt->owner = owner;
	attempt->peer_owner = peer_owner;
	snprintf(attempt->text, sizeof(attempt->text), "%s", address);
	CHECK(uv_timer_init(loop, &attempt->timer) == 0);
	attempt->pending = 1;
	attempt->timer.data = attempt;
	attempt->resolver.data = attempt;
	attempt->request.data = attempt;
	/* The loop's idea of now is of before the work that led here. */
	uv_update_time(loop);
	CHECK(uv_timer_start(&attempt->timer, on_timer, CONNECT_TIMEOUT_MS, 0) == 0);
	list_push_back(list, &attempt->link);
	begin(attempt);
	return 0;
}
