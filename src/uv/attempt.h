/*
 * attempt.h: one attempt to connect: resolve the host, try its loopback addresses one after the other, within
 * CONNECT_TIMEOUT_MS for it all.
 */
#ifndef NETMEM_UV_ATTEMPT_H
#define NETMEM_UV_ATTEMPT_H

#include <stdint.h>

#include "base/list.h"

struct uv_loop_s;
struct attempt;
struct peer;
struct peer_owner;

/* What an attempt tells its owner. */
struct attempt_owner {
	void *context;
	/* Exactly one of the two, failed() maybe from within attempt_start(). The peer is connected, not open, and taken. */
	void (*connected)(void *context, uint64_t token, struct peer *peer, const char *address);
	/* `why` is a line if the errno says too little, else NULL. */
	void (*failed)(void *context, uint64_t token, int error, const char *why);
	/* Last: the memory goes after it. */
	void (*closed)(void *context);
};

/*
 * Starts one and puts it into `list`, from which it removes itself when it is decided. The owners must outlive it.
 * 0, or -ENOMEM: then nobody is told anything.
 */
int attempt_start(struct uv_loop_s *loop, uint64_t token, const char *address, const struct attempt_owner *owner,
                  const struct peer_owner *peer_owner, struct list *list);

/* Gives one up that is in the list: only closed() still comes. */
void attempt_cancel(struct list *link);

#endif
