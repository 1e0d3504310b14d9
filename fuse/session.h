/*
 * session.h: the mount, as libfuse's low-level session on the loop.
 */
#ifndef NETMEM_FUSE_SESSION_H
#define NETMEM_FUSE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct daemon;
struct session;

/* Requests read before other work of the loop gets its turn. */
#define SESSION_BATCH 64

/* Both are called once at most, in the loop's thread. */
struct session_events {
	void (*started)(struct daemon *daemon); /* the kernel has agreed: the mount can be used */
	void (*ended)(struct daemon *daemon);   /* unmounted */
};

/* Takes nothing; 0 or a negative errno. */
int session_new(struct session **session, struct daemon *daemon, const struct session_events *events);

/* Mounts at options.mountpoint, and starts the notifier. 0, or -1 and one line in `why`. */
int session_mount(struct session *session, char *why, size_t why_bytes);

bool session_mounted(const struct session *session);

/* Takes all of the file out of the kernel's cache. From a thread that serves no requests; may block. */
void session_drop(struct session *session, uint64_t obj);

/* No more requests are read. The kernel's side stays until session_free() or the end of the process. */
void session_stop(struct session *session);

/* After session_stop(), when the loop has closed its handles and no thread uses the session. */
void session_free(struct session *session);

uint64_t session_requests(const struct session *session);
bool session_realtime(const struct session *session);
bool session_barrier(const struct session *session);

#endif
