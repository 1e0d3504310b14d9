/*
 * transport.c: slots, the listener, and the way from peers to the core and back.
 *
 * Batches: what the core says while messages of one read are handed to it is flushed once at the end of that read
 * (batch_done), everything else at the end of the run_event() that it came from. Nothing waits for a timer.
 *
 * The end: transport_free() closes all; `holds` counts what still needs the memory (the owner, the listener's handle,
 * each peer, each attempt), and the last one frees it.
 */
#include "uv/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "base/check.h"
#include "base/list.h"
#include "run/run.h"
#include "uv/address.h"
#include "uv/attempt.h"
#include "uv/peer.h"
#include "wire/wire.h"
#include "wire/wire_check.h"

#define BACKLOG 128
#define LINE_BYTES 512

/* With more connections than this, also half closed ones, a closed one does not linger. */
#define PEERS_MAX (4 * NODES_MAX)

struct transport {
	struct uv_loop_s *loop;
	struct run *run; /* NULL before transport_start() and after transport_free() */
	transport_log *log;
	void *log_context;
	struct peer_owner peer_owner;
	struct attempt_owner attempt_owner;
	unsigned holds;
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} listener;
	bool listening;
	bool accept_waits; /* connections came before the start */
	bool full_logged;
	unsigned batches; /* reads being handed over */
	struct address listen_on;
	char address[ADDRESS_BYTES];
	struct peer *slots[NODES_MAX];
	unsigned peers_count;          /* with those that linger */
	uint32_t unflushed[NODES_MAX]; /* slots to which something was said since the last flush, each once */
	unsigned unflushed_count;
	bool is_unflushed[NODES_MAX];
	struct list attempts;
	unsigned attempts_count;
	char last_failure[LINE_BYTES];
};

__attribute__((format(printf, 3, 4))) static void say(struct transport *transport, enum log_level level,
                                                      const char *format, ...)
{
	char line[LINE_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	transport->log(transport->log_context, level, line);
}

static void release(struct transport *transport)
{
	if (--transport->holds == 0)
		free(transport);
}

static void raise_event(struct transport *transport, enum event_type type, uint32_t slot, uint64_t token, int error)
{
	struct event event = { .type = type, .slot = slot, .token = token, .error = error };

	if (transport->run)
		run_event(transport->run, &event);
}

/* --- peers ------------------------------------------------------------------------------------------------------ */

static void on_message(void *context, struct peer *peer, const struct msg *msg)
{
	struct transport *transport = context;
	struct event event = { .type = EV_MESSAGE, .slot = peer_slot(peer), .msg = *msg };

	if (!transport->run)
		return;
	transport->batches++;
	run_event(transport->run, &event);
	transport->batches--;
}

static void on_batch_done(void *context)
{
	transport_flush(context);
}

static void slot_free(struct transport *transport, struct peer *peer)
{
	uint32_t slot = peer_slot(peer);

	CHECK(transport->slots[slot] == peer);
	transport->slots[slot] = NULL;
	transport->full_logged = false;
}

static bool is_worth_a_line(int error)
{
	return error != 0 && error != -ECONNRESET && error != -EPIPE;
}

static void on_ended(void *context, struct peer *peer, int error, const char *why)
{
	struct transport *transport = context;

	slot_free(transport, peer);
	if (why)
		say(transport, LOG_LEVEL_WARNING, "%s is cut off: %s", peer_name(peer), why);
	else if (is_worth_a_line(error))
		say(transport, LOG_LEVEL_WARNING, "connection to %s: %s", peer_name(peer), strerror(-error));
	raise_event(transport, EV_DISCONNECTED, peer_slot(peer), 0, error);
}

static void on_full(void *context, struct peer *peer, bool full)
{
	raise_event(context, full ? EV_FULL : EV_ROOM, peer_slot(peer), 0, 0);
}

static void on_peer_created(void *context)
{
	struct transport *transport = context;

	transport->holds++;
	transport->peers_count++;
}

static void on_peer_closed(void *context)
{
	struct transport *transport = context;

	transport->peers_count--;
	release(transport);
}

/* The lowest free slot; SLOT_SELF if there is none, said once until one is free again. */
static uint32_t find_slot(struct transport *transport, const char *name)
{
	for (uint32_t slot = SLOT_SELF + 1; slot < NODES_MAX; slot++) {
		if (!transport->slots[slot])
			return slot;
	}
	if (!transport->full_logged)
		say(transport, LOG_LEVEL_WARNING, "%s is refused: there are %u connections already", name, NODES_MAX - 1);
	transport->full_logged = true;
	return SLOT_SELF;
}

/* Gives a connected peer a slot and lets it talk; takes the peer. 0 or a negative errno. */
static int peer_admit(struct transport *transport, struct peer *peer, uint64_t token, const char *address)
{
	int result = peer_open(peer, address);
	uint32_t slot = result == 0 ? find_slot(transport, peer_name(peer)) : SLOT_SELF;

	if (result == 0 && slot == SLOT_SELF)
		result = -EUSERS;
	if (result < 0) {
		peer_abort(peer);
		return result;
	}
	transport->slots[slot] = peer;
	peer_set_slot(peer, slot);
	raise_event(transport, EV_CONNECTED, slot, token, 0);
	return 0;
}

/* --- listening -------------------------------------------------------------------------------------------------- */

static void accept_one(struct transport *transport)
{
	struct peer *peer;
	int result = peer_new(&peer, transport->loop, transport->listen_on.local, &transport->peer_owner);

	if (result < 0) {
		say(transport, LOG_LEVEL_ERROR, "a connection cannot be taken: %s", strerror(-result));
		return;
	}
	if (uv_accept(&transport->listener.stream, peer_stream(peer)) < 0)
		peer_abort(peer);
	else
		(void)peer_admit(transport, peer, 0, transport->address);
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct transport *transport = listener->data;

	if (status < 0)
		return; /* it is gone already, or out of descriptors, and then libuv has refused it */
	if (transport->run)
		accept_one(transport);
	else
		transport->accept_waits = true;
}

static int listen_tcp(struct transport *transport, const char *text, char *why, size_t why_bytes)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC };
	struct sockaddr_storage address;
	int address_bytes = sizeof(address);
	uv_getaddrinfo_t resolver = { 0 };
	struct addrinfo *at;
	int result;

	if (!address_numeric(&transport->listen_on, &address)) {
		result = uv_getaddrinfo(transport->loop, &resolver, NULL, transport->listen_on.host, transport->listen_on.port,
		                        &hints);
		if (result < 0) {
			snprintf(why, why_bytes, "cannot listen on %s: unknown host: %s", text, uv_strerror(result));
			return -EHOSTUNREACH;
		}
		for (at = resolver.addrinfo; at && !address_is_loopback(at->ai_addr); at = at->ai_next)
			;
		if (at)
			memcpy(&address, at->ai_addr, at->ai_addrlen);
		uv_freeaddrinfo(resolver.addrinfo);
		if (!at)
			return address_refuse(text, why, why_bytes);
	}
	CHECK(uv_tcp_init(transport->loop, &transport->listener.tcp) == 0);
	result = uv_tcp_bind(&transport->listener.tcp, (struct sockaddr *)&address, 0);
	if (result == 0)
		result = uv_listen(&transport->listener.stream, BACKLOG, on_connection);
	if (result == 0)
		result = uv_tcp_getsockname(&transport->listener.tcp, (struct sockaddr *)&address, &address_bytes);
	if (result == 0)
		address_print((struct sockaddr *)&address, transport->address, sizeof(transport->address));
	else
		snprintf(why, why_bytes, "cannot listen on %s: %s", text, strerror(-result));
	return result;
}

/* Whether a socket's file is left over from a process that is gone. */
static bool socket_is_stale(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct stat status;
	int descriptor;
	bool stale;

	if (lstat(path, &status) < 0 || !S_ISSOCK(status.st_mode))
		return false;
	descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (descriptor < 0)
		return false;
	memcpy(address.sun_path, path, strlen(path) + 1);
	stale = connect(descriptor, (struct sockaddr *)&address, sizeof(address)) < 0 && errno == ECONNREFUSED;
	close(descriptor);
	return stale;
}

/* Only the same user may connect: there is no key to tell others apart by. */
static int listen_local(struct transport *transport, const char *text, char *why, size_t why_bytes)
{
	const char *path = transport->listen_on.host;
	mode_t mask;
	int result;

	if (socket_is_stale(path))
		(void)unlink(path);
	CHECK(uv_pipe_init(transport->loop, &transport->listener.pipe, 0) == 0);
	mask = umask(S_IRWXG | S_IRWXO);
	result = uv_pipe_bind(&transport->listener.pipe, path);
	umask(mask);
	if (result == 0)
		result = uv_listen(&transport->listener.stream, BACKLOG, on_connection);
	if (result == 0)
		snprintf(transport->address, sizeof(transport->address), "%s", text);
	else
		snprintf(why, why_bytes, "cannot listen on %s: %s", text, strerror(-result));
	return result;
}

static void on_listener_closed(uv_handle_t *handle)
{
	release(handle->data);
}

int transport_listen(struct transport *transport, const char *address, char *why, size_t why_bytes)
{
	int result;

	CHECK(!transport->listening);
	result = address_parse(&transport->listen_on, address, why, why_bytes);
	if (result < 0)
		return result;
	transport->listener.handle.type = UV_UNKNOWN_HANDLE;
	if (transport->listen_on.local)
		result = listen_local(transport, address, why, why_bytes);
	else
		result = listen_tcp(transport, address, why, why_bytes);
	transport->listener.handle.data = transport;
	if (transport->listener.handle.type != UV_UNKNOWN_HANDLE)
		transport->holds++;
	if (result == 0)
		transport->listening = true;
	else if (transport->listener.handle.type != UV_UNKNOWN_HANDLE)
		uv_close(&transport->listener.handle, on_listener_closed);
	return result;
}

int transport_check_address(const char *address, char *why, size_t why_bytes)
{
	struct address parsed;

	return address_parse(&parsed, address, why, why_bytes);
}

const char *transport_address(const struct transport *transport)
{
	return transport->address;
}

void transport_start(struct transport *transport, struct run *run)
{
	CHECK(!transport->run);
	transport->run = run;
	if (transport->accept_waits)
		accept_one(transport);
}

/* --- connecting ------------------------------------------------------------------------------------------------- */

static void connect_failed(struct transport *transport, uint64_t token, int error, const char *why)
{
	/* The core tries again and again; a reason that stays the same is said once. */
	if (why && strncmp(why, transport->last_failure, sizeof(transport->last_failure) - 1) != 0) {
		snprintf(transport->last_failure, sizeof(transport->last_failure), "%s", why);
		say(transport, LOG_LEVEL_WARNING, "cannot connect: %s", why);
	}
	raise_event(transport, EV_CONNECT_FAILED, 0, token, error);
}

static void on_attempt_failed(void *context, uint64_t token, int error, const char *why)
{
	connect_failed(context, token, error, why);
}

static void on_attempt_connected(void *context, uint64_t token, struct peer *peer, const char *address)
{
	struct transport *transport = context;
	int result = peer_admit(transport, peer, token, address);

	if (result < 0)
		connect_failed(transport, token, result, NULL);
}

static void on_attempt_closed(void *context)
{
	struct transport *transport = context;

	transport->attempts_count--;
	release(transport);
}

void transport_connect(struct transport *transport, uint64_t token, const char *address)
{
	int result = -EAGAIN;

	if (transport->attempts_count < CONNECTS_MAX) {
		transport->attempts_count++;
		transport->holds++;
		result = attempt_start(transport->loop, token, address, &transport->attempt_owner, &transport->peer_owner,
		                       &transport->attempts);
		if (result == 0)
			return;
		transport->attempts_count--;
		release(transport);
	}
	connect_failed(transport, token, result, NULL);
}

/* --- sending and closing ---------------------------------------------------------------------------------------- */

/*
 * Whether it may go out. What became too long, with the cluster or with what its programs do, costs the one session that it
 * was for; what the protocol does not have is our own mistake.
 */
static bool may_send(struct transport *transport, uint32_t slot, const struct msg *msg)
{
	const char *why = "";
	char text[LINE_BYTES];
	int result = wire_check(msg, &why);

	if (result == 0)
		return true;
	say(transport, LOG_LEVEL_ERROR, "this must not be sent to %s (%s): %s", peer_name(transport->slots[slot]), why,
	    msg_print(msg, text, sizeof(text)));
	CHECK(result == -EMSGSIZE);
	transport_close(transport, slot, "what it must be told next is too long");
	return false;
}

void transport_send(struct transport *transport, uint32_t slot, const struct msg *msg)
{
	struct peer *peer = transport->slots[slot];

	if (!peer || !may_send(transport, slot, msg))
		return;
	if (!transport->is_unflushed[slot])
		transport->unflushed[transport->unflushed_count++] = slot;
	transport->is_unflushed[slot] = true;
	peer_send(peer, msg);
}

/* A peer that ends in its flush raises an event, and what follows may say more, or flush: the rest stays listed. */
void transport_flush(struct transport *transport)
{
	uint32_t slot;

	if (transport->batches > 0)
		return;
	while (transport->unflushed_count > 0) {
		slot = transport->unflushed[--transport->unflushed_count];
		transport->is_unflushed[slot] = false;
		if (transport->slots[slot])
			peer_flush(transport->slots[slot]);
	}
}

void transport_close(struct transport *transport, uint32_t slot, const char *why)
{
	struct peer *peer = transport->slots[slot];

	if (!peer)
		return;
	if (why)
		say(transport, LOG_LEVEL_INFO, "closing the connection to %s: %s", peer_name(peer), why);
	slot_free(transport, peer);
	if (transport->peers_count <= PEERS_MAX)
		peer_close(peer);
	else
		peer_abort(peer);
	raise_event(transport, EV_DISCONNECTED, slot, 0, 0);
}

const char *transport_peer(const struct transport *transport, uint32_t slot)
{
	return slot < NODES_MAX && transport->slots[slot] ? peer_name(transport->slots[slot]) : "";
}

/* --- beginning and end ------------------------------------------------------------------------------------------ */

int transport_new(struct transport **transport, struct uv_loop_s *loop, transport_log *log, void *context)
{
	struct transport *new = calloc(1, sizeof(*new));

	if (!new)
		return -ENOMEM;
	/* A peer that is gone is an error of write(); libuv does not keep the signal away. */
	(void)signal(SIGPIPE, SIG_IGN);
	new->loop = loop;
	new->log = log;
	new->log_context = context;
	new->holds = 1;
	list_init(&new->attempts);
	new->peer_owner = (struct peer_owner){
		.context = new,
		.created = on_peer_created,
		.message = on_message,
		.batch_done = on_batch_done,
		.full = on_full,
		.ended = on_ended,
		.closed = on_peer_closed,
	};
	new->attempt_owner = (struct attempt_owner){
		.context = new,
		.connected = on_attempt_connected,
		.failed = on_attempt_failed,
		.closed = on_attempt_closed,
	};
	*transport = new;
	return 0;
}

void transport_free(struct transport *transport)
{
	if (!transport)
		return;
	transport->run = NULL;
	if (transport->listening)
		uv_close(&transport->listener.handle, on_listener_closed);
	while (!list_empty(&transport->attempts))
		attempt_cancel(transport->attempts.next);
	for (uint32_t slot = SLOT_SELF + 1; slot < NODES_MAX; slot++) {
		struct peer *peer = transport->slots[slot];

		if (!peer)
			continue;
		slot_free(transport, peer);
		peer_close(peer);
	}
	release(transport);
}
