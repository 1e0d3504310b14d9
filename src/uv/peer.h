/*
 * peer.h: one connection: framing, its queue, and how it ends.
 */
#ifndef NETMEM_UV_PEER_H
#define NETMEM_UV_PEER_H

#include <stdbool.h>
#include <stddef.h>

#include "msg/msg.h"

struct uv_loop_s;
struct uv_stream_s;
struct peer;

/* What a peer tells its owner. */
struct peer_owner {
	void *context;
	/* From peer_new(); closed() will follow. */
	void (*created)(void *context);
	/* A message; its payload is borrowed. The peer may be closed in here. */
	void (*message)(void *context, struct peer *peer, const struct msg *msg);
	/* After each few messages, and the last of those that had arrived: the time to send what came of them. */
	void (*batch_done)(void *context);
	/* More than PEER_FULL_BYTES are queued; or, later, less than half of that. */
	void (*full)(void *context, struct peer *peer, bool full);
	/*
	 * Once, when an open peer ends other than by peer_close(); the memory is still there. `error` is a negative errno, 0
	 * if the other end closed; `why` is NULL, or what the other end did wrong.
	 */
	void (*ended)(void *context, struct peer *peer, int error, const char *why);
	/* Last, after whatever way: the memory goes after it. */
	void (*closed)(void *context);
};

/* A closed handle on `loop`, to be connected or accepted into. `owner` must outlive it. 0 or a negative errno. */
int peer_new(struct peer **peer, struct uv_loop_s *loop, bool local, const struct peer_owner *owner);

/* The libuv stream, for uv_accept() and for connecting. */
struct uv_stream_s *peer_stream(struct peer *peer);

/* Starts reading; the stream is connected. `address` is that of the listener or the one connected to. 0 or an errno. */
int peer_open(struct peer *peer, const char *address);

/* Queues a message for peer_flush(), or sends it. May end the peer. */
void peer_send(struct peer *peer, const struct msg *msg);
void peer_flush(struct peer *peer);

/* Ends it without ended(): what is queued may still go out (LINGER_MS). closed() comes in any case. */
void peer_close(struct peer *peer);

/* Ends it without ended() and without waiting. */
void peer_abort(struct peer *peer);

/* "127.0.0.1:40000", "unix:PATH (process 17)". */
const char *peer_name(const struct peer *peer);

/* For the owner: which slot it has. */
void peer_set_slot(struct peer *peer, uint32_t slot);
uint32_t peer_slot(const struct peer *peer);

#endif
