/*
 * transport.h: the connections to other nodes, over TCP on loopback or Unix sockets, on a libuv loop.
 *
 * Every connection has a slot, 1 .. NODES_MAX - 1, from EV_CONNECTED to EV_DISCONNECTED. The transport raises
 * EV_CONNECTED, EV_CONNECT_FAILED, EV_MESSAGE, EV_FULL, EV_ROOM and EV_DISCONNECTED with run_event(), always in the loop's
 * thread, and the driver of that run plugs transport_send(), transport_connect() and transport_close() in. The order of
 * set-up is:
 *
 *	transport_new(); transport_listen(); run_new() with transport_address(); transport_start(); run_event(EV_START)
 *
 * All functions belong to the loop's thread.
 *
 * Without a cluster key, only 127.0.0.0/8, ::1 and Unix sockets are listened on or connected to.
 */
#ifndef NETMEM_UV_TRANSPORT_H
#define NETMEM_UV_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/core.h"

struct uv_loop_s;
struct run;
struct transport;

/* One line about a peer; `text` is borrowed. The same as the run's driver may use. */
typedef void transport_log(void *context, enum log_level level, const char *text);

/* Takes nothing; `loop` and `context` must outlive it. 0 or -ENOMEM. */
int transport_new(struct transport **transport, struct uv_loop_s *loop, transport_log *log, void *context);

/*
 * Closes everything. What is queued for a peer still goes out (see LINGER_MS); no event is raised any more.
 * The memory goes when the last handle has closed, so run the loop until it is empty afterwards. NULL is allowed.
 */
void transport_free(struct transport *transport);

/*
 * Binds and listens on "HOST:PORT", "[HOST]:PORT" (port 0: the system chooses one) or "unix:PATH". Blocks while the name
 * is resolved. Connections are accepted after transport_start(). Once only. 0 or a negative errno with one clear line
 * in `why`; -EPERM: not loopback.
 */
int transport_listen(struct transport *transport, const char *address, char *why, size_t why_bytes);

/*
 * For options, before anything is started: whether an address is well formed and, if it is numeric, allowed. 0, or a
 * negative errno with one clear line in `why`.
 */
int transport_check_address(const char *address, char *why, size_t why_bytes);

/* The address that it really listens on, with the port chosen; "" if it does not listen. */
const char *transport_address(const struct transport *transport);

/* From now on events are raised with run_event(run). `run` must outlive transport_free(). */
void transport_start(struct transport *transport, struct run *run);

/*
 * Queues a message; its payload is copied or sent before it returns. Nothing is promised to be sent before
 * transport_flush(). A slot that is free is ignored: its EV_DISCONNECTED is on the way. A peer that takes nothing for
 * PEER_QUEUE_BYTES_MAX is cut off, but not for what was stored here; and a message over a limit of the protocol is not
 * sent, but ends the session.
 */
void transport_send(struct transport *transport, uint32_t slot, const struct msg *msg);

/*
 * Sends all that is queued, in one system call a peer if the kernel takes it. Call it from the driver's deadline(),
 * which comes once after each outermost run_event(). Cheap when nothing is queued.
 */
void transport_flush(struct transport *transport);

/*
 * Connects; EV_CONNECTED or EV_CONNECT_FAILED follows with `token`. Where the error number alone says too little (-EPERM:
 * not loopback, -EHOSTUNREACH: unknown host, -EINVAL: no address), a line goes to the log, the same one not twice running.
 */
void transport_connect(struct transport *transport, uint64_t token, const char *address);

/* Sends what is queued, then closes; EV_DISCONNECTED follows, and the slot is free at once. `why` goes to the log. */
void transport_close(struct transport *transport, uint32_t slot, const char *why);

/* Who is at the other end, for logs: "127.0.0.1:7411" or "unix:PATH"; "" for a free slot. */
const char *transport_peer(const struct transport *transport, uint32_t slot);

#endif
