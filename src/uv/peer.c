/*
 * peer.c: one connection.
 *
 *	                    peer_open()             peer_close()              sent, and the other end closed,
 *	NEW ---------------------------> OPEN ------------------> LINGERING ------------------------+
 *	 |                                |                           |   or it takes too long       |
 *	 | peer_close(), peer_abort()     | broken, garbage,          | peer_abort()                 v
 *	 +------------------------------->+ too much queued: ended()  +--------------------------> CLOSING -> closed()
 *	                                  +----------------------------------------------------------^
 *
 * Sending: messages gather in `filling`. A flush tries to write it at once; only what the kernel does not take is handed
 * to the loop, as `writing`, and is not touched until that write is done. A large payload is not copied: it goes out at
 * once, behind what has gathered.
 *
 * Lingering: closing a TCP socket that holds unread bytes destroys what the other end has not read yet. So a closed peer
 * sends its end, then reads and forgets until the other end has closed too.
 */
#include "uv/peer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/buffer.h"
#include "base/check.h"
#include "uv/address.h"
#include "wire/wire.h"

#define DIRECT_PAYLOAD_BYTES (4 * PAGE_BYTES)
#define BATCH_MESSAGES 32u

enum peer_state { PEER_NEW, PEER_OPEN, PEER_LINGERING, PEER_CLOSING };

struct peer {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} uv;
	uv_timer_t linger;
	uv_write_t write;
	uv_shutdown_t shutdown;
	const struct peer_owner *owner;
	enum peer_state state;
	bool local;
	bool write_pending;
	bool shutdown_asked;
	bool full; /* the owner was told so */
	unsigned linger_intervals;
	size_t linger_bytes; /* not sent when the interval began */
	unsigned handles; /* not closed yet */
	uint32_t slot;
	struct buffer filling;
	struct buffer writing;
	size_t filling_stores_bytes; /* of what this node's programs have stored, at most */
	size_t writing_stores_bytes;
	struct wire_decoder *decoder;
	char name[ADDRESS_BYTES + 32];
};

int peer_new(struct peer **peer, struct uv_loop_s *loop, bool local, const struct peer_owner *owner)
{
	struct peer *new = calloc(1, sizeof(*new));
	int result = -ENOMEM;

	if (!new || wire_decoder_new(&new->decoder) < 0)
		goto err_new;
	result = local ? uv_pipe_init(loop, &new->uv.pipe, 0) : uv_tcp_init(loop, &new->uv.tcp);
	if (result < 0)
		goto err_decoder;
	CHECK(uv_timer_init(loop, &new->linger) == 0);
	new->uv.handle.data = new;
	new->linger.data = new;
	new->handles = 2;
	new->owner = owner;
	new->local = local;
	owner->created(owner->context);
	*peer = new;
	return 0;

err_decoder:
	wire_decoder_free(new->decoder);
err_new:
	free(new);
	return result;
}

struct uv_stream_s *peer_stream(struct peer *peer)
{
	return &peer->uv.stream;
}

const char *peer_name(const struct peer *peer)
{
	return peer->name;
}

void peer_set_slot(struct peer *peer, uint32_t slot)
{
	peer->slot = slot;
}

uint32_t peer_slot(const struct peer *peer)
{
	return peer->slot;
}

static void on_closed(uv_handle_t *handle)
{
	struct peer *peer = handle->data;

	const struct peer_owner *owner = peer->owner;

	if (--peer->handles > 0)
		return;
	buffer_fini(&peer->filling);
	buffer_fini(&peer->writing);
	wire_decoder_free(peer->decoder);
	free(peer);
	owner->closed(owner->context);
}

void peer_abort(struct peer *peer)
{
	if (peer->state == PEER_CLOSING)
		return;
	peer->state = PEER_CLOSING;
	uv_close(&peer->uv.handle, on_closed);
	uv_close((uv_handle_t *)&peer->linger, on_closed);
}

static void end(struct peer *peer, int error, const char *why)
{
	bool told = peer->state != PEER_OPEN;

	peer_abort(peer);
	if (!told)
		peer->owner->ended(peer->owner->context, peer, error, why);
}

static void on_shutdown(uv_shutdown_t *request, int status)
{
	(void)request;
	(void)status;
}

/* Once nothing is queued any more, a lingering peer sends its end. */
static void linger_on(struct peer *peer)
{
	if (peer->state != PEER_LINGERING || peer->write_pending || peer->shutdown_asked)
		return;
	peer->shutdown_asked = true;
	if (uv_shutdown(&peer->shutdown, &peer->uv.stream, on_shutdown) < 0)
		peer_abort(peer);
}

static size_t unsent_bytes(const struct peer *peer)
{
	return uv_stream_get_write_queue_size(&peer->uv.stream) + buffer_length(&peer->filling);
}

static void tell_full(struct peer *peer)
{
	bool full = unsent_bytes(peer) > (peer->full ? PEER_FULL_BYTES / 2 : PEER_FULL_BYTES);

	if (peer->state != PEER_OPEN || full == peer->full)
		return;
	peer->full = full;
	peer->owner->full(peer->owner->context, peer, full);
}

static void on_write(uv_write_t *request, int status)
{
	struct peer *peer = request->handle->data;

	peer->write_pending = false;
	if (status < 0) {
		end(peer, status, NULL);
		return;
	}
	buffer_consume(&peer->writing, buffer_length(&peer->writing));
	peer->writing_stores_bytes = 0;
	peer_flush(peer);
	tell_full(peer);
	linger_on(peer);
}

/* Hands the rest of `filling` to the loop. */
static void write_later(struct peer *peer)
{
	struct buffer empty = peer->writing;
	uv_buf_t rest;
	int result;

	peer->writing = peer->filling;
	peer->filling = empty;
	peer->writing_stores_bytes = peer->filling_stores_bytes;
	peer->filling_stores_bytes = 0;
	rest = (uv_buf_t){ .base = (char *)buffer_front(&peer->writing), .len = buffer_length(&peer->writing) };
	peer->write_pending = true;
	result = uv_write(&peer->write, &peer->uv.stream, &rest, 1, on_write);
	if (result < 0) {
		peer->write_pending = false;
		end(peer, result, NULL);
	}
}

/* How much of it the kernel took now; negative after the peer ended. */
static ptrdiff_t try_write(struct peer *peer, const uv_buf_t *parts, unsigned count)
{
	int result = uv_try_write(&peer->uv.stream, parts, count);

	if (result >= 0)
		return result;
	if (result == UV_EAGAIN)
		return 0;
	end(peer, result, NULL);
	return -1;
}

/* From the front of `filling`. */
static void sent(struct peer *peer, size_t length_bytes)
{
	buffer_consume(&peer->filling, length_bytes);
	if (peer->filling_stores_bytes > buffer_length(&peer->filling))
		peer->filling_stores_bytes = buffer_length(&peer->filling);
}

void peer_flush(struct peer *peer)
{
	uv_buf_t all = { .base = (char *)buffer_front(&peer->filling), .len = buffer_length(&peer->filling) };
	ptrdiff_t taken_bytes;

	if ((peer->state != PEER_OPEN && peer->state != PEER_LINGERING) || peer->write_pending || all.len == 0)
		return;
	taken_bytes = try_write(peer, &all, 1);
	if (taken_bytes < 0)
		return;
	sent(peer, (size_t)taken_bytes);
	if (buffer_length(&peer->filling) > 0)
		write_later(peer);
	tell_full(peer);
}

/* What programs here have stored has no limit but their memory: it would be lost. */
static void append(struct peer *peer, const void *bytes, size_t length_bytes, bool stores)
{
	size_t others_bytes = buffer_length(&peer->filling) + buffer_length(&peer->writing) - peer->filling_stores_bytes -
	                      peer->writing_stores_bytes;
	int result;

	if (peer->state != PEER_OPEN)
		return;
	if (!stores && others_bytes + length_bytes > PEER_QUEUE_BYTES_MAX)
		result = -ENOBUFS;
	else
		result = buffer_append(&peer->filling, bytes, length_bytes);
	if (result < 0)
		end(peer, result, "it takes nothing of what is queued for it");
	else if (stores)
		peer->filling_stores_bytes += length_bytes;
}

/* Header and payload behind what has gathered, in one call; what the kernel does not take gathers. */
static void send_direct(struct peer *peer, const uint8_t *header, const struct payload *payload, bool stores)
{
	size_t gathered_bytes = buffer_length(&peer->filling);
	size_t header_bytes = WIRE_HEADER_BYTES;
	size_t payload_bytes = payload->length_bytes;
	uv_buf_t parts[3] = {
		{ .base = (char *)buffer_front(&peer->filling), .len = gathered_bytes },
		{ .base = (char *)header, .len = header_bytes },
		{ .base = (char *)payload->bytes, .len = payload_bytes },
	};
	ptrdiff_t result = gathered_bytes > 0 ? try_write(peer, parts, 3) : try_write(peer, parts + 1, 2);
	size_t taken_bytes = result < 0 ? 0 : (size_t)result;
	size_t part_bytes;

	if (result < 0)
		return;
	part_bytes = taken_bytes < gathered_bytes ? taken_bytes : gathered_bytes;
	sent(peer, part_bytes);
	taken_bytes -= part_bytes;
	part_bytes = taken_bytes < header_bytes ? taken_bytes : header_bytes;
	append(peer, header + part_bytes, header_bytes - part_bytes, stores);
	taken_bytes -= part_bytes;
	append(peer, (const uint8_t *)payload->bytes + taken_bytes, payload_bytes - taken_bytes, stores);
}

void peer_send(struct peer *peer, const struct msg *msg)
{
	uint8_t header[WIRE_HEADER_BYTES];
	bool stores = msg->type == MSG_PUT;

	if (peer->state != PEER_OPEN)
		return;
	wire_encode(msg, header);
	if (msg->payload.length_bytes >= DIRECT_PAYLOAD_BYTES && !peer->write_pending) {
		send_direct(peer, header, &msg->payload, stores);
	} else {
		append(peer, header, sizeof(header), stores);
		append(peer, msg->payload.bytes, msg->payload.length_bytes, stores);
	}
	tell_full(peer);
}

static void on_linger(uv_timer_t *timer)
{
	struct peer *peer = timer->data;
	size_t left_bytes = unsent_bytes(peer);

	if (left_bytes >= peer->linger_bytes || ++peer->linger_intervals >= LINGER_INTERVALS_MAX) {
		peer_abort(peer);
		return;
	}
	peer->linger_bytes = left_bytes;
}

void peer_close(struct peer *peer)
{
	if (peer->state == PEER_NEW) {
		peer_abort(peer);
		return;
	}
	if (peer->state != PEER_OPEN)
		return;
	peer->state = PEER_LINGERING;
	peer->linger_bytes = unsent_bytes(peer) + 1;
	/* The loop's idea of now is of before the work that led here. */
	uv_update_time(peer->linger.loop);
	CHECK(uv_timer_start(&peer->linger, on_linger, LINGER_MS, LINGER_MS) == 0);
	peer_flush(peer);
	linger_on(peer);
}

static void on_space(uv_handle_t *handle, size_t suggested_bytes, uv_buf_t *space)
{
	struct peer *peer = handle->data;
	size_t space_bytes;

	(void)suggested_bytes;
	space->base = wire_decoder_space(peer->decoder, &space_bytes);
	space->len = space_bytes;
}

static void take_messages(struct peer *peer)
{
	unsigned batch = 0;
	const char *why;
	struct msg msg;
	int result;

	while (peer->state == PEER_OPEN) {
		result = wire_decoder_next(peer->decoder, &msg, &why);
		if (result == 0)
			break;
		if (result < 0)
			end(peer, result, why);
		else
			peer->owner->message(peer->owner->context, peer, &msg);
		if (++batch % BATCH_MESSAGES == 0)
			peer->owner->batch_done(peer->owner->context);
	}
	peer->owner->batch_done(peer->owner->context);
}

static void on_read(uv_stream_t *stream, ssize_t length_bytes, const uv_buf_t *space)
{
	struct peer *peer = stream->data;

	(void)space;
	if (length_bytes < 0) {
		end(peer, length_bytes == UV_EOF ? 0 : (int)length_bytes, NULL);
		return;
	}
	/* What a lingering peer says is not taken in, so it is overwritten by the next. */
	if (peer->state != PEER_OPEN || length_bytes == 0)
		return;
	wire_decoder_filled(peer->decoder, (size_t)length_bytes);
	take_messages(peer);
}

static void name_local(struct peer *peer, const char *address)
{
	struct ucred credentials = { 0 };
	socklen_t length = sizeof(credentials);
	uv_os_fd_t descriptor;

	if (uv_fileno(&peer->uv.handle, &descriptor) == 0)
		(void)getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &length);
	snprintf(peer->name, sizeof(peer->name), "%s (process %ld)", address, (long)credentials.pid);
}

static void name_tcp(struct peer *peer)
{
	struct sockaddr_storage address = { 0 };
	int length = sizeof(address);

	(void)uv_tcp_getpeername(&peer->uv.tcp, (struct sockaddr *)&address, &length);
	address_print((struct sockaddr *)&address, peer->name, sizeof(peer->name));
}

int peer_open(struct peer *peer, const char *address)
{
	int result;

	CHECK(peer->state == PEER_NEW);
	if (peer->local)
		name_local(peer, address);
	else
		name_tcp(peer);
	if (!peer->local)
		(void)uv_tcp_nodelay(&peer->uv.tcp, 1);
	result = uv_read_start(&peer->uv.stream, on_space, on_read);
	if (result == 0)
		peer->state = PEER_OPEN;
	return result;
}
