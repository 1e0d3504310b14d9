/*
 * notify.h: what has to be done to the kernel's cache, in threads that never serve requests.
 *
 * An invalidation may wait for a page that a request of the kernel's holds locked (K8), so each has a thread of its own
 * from a pool that grows as long as all of it is busy.
 */
#ifndef NETMEM_FUSE_NOTIFY_H
#define NETMEM_FUSE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/core.h"

struct daemon;
struct fuse_session;
struct notify;

/* Threads. Past it, invalidations wait for one; a program's thread blocks one of them at most. */
#define NOTIFY_THREADS_MAX 256

/* How long to wait at the end for threads that the kernel holds. */
#define NOTIFY_STOP_MS 1000

/* Pages of one range that are waited for one by one; more are in a range only when a file shrinks or is revoked. */
#define NOTIFY_BARRIER_PAGES_MAX 1024

struct notify_counts {
	uint64_t invalidations;
	uint64_t barriers;
	uint64_t shows;
	uint64_t failures; /* barriers or shows that could not be made */
	unsigned threads;
};

/* 0 or a negative errno. */
int notify_new(struct notify **notify, struct daemon *daemon);

/* The mount is there, at this absolute path. With `barrier`, each invalidated page's write-backs are waited for (K4). */
int notify_start(struct notify *notify, struct fuse_session *session, const char *path, bool barrier);

/*
 * Drops the range of the file msg.obj from the kernel's cache, then raises EV_INVALIDATED with this token. `pages`: how
 * many the segment has, if any of them may be being written back. The driver's invalidate().
 */
void notify_invalidate(struct notify *notify, uint64_t token, const struct msg *range, uint64_t pages);

/* Carries the show out, then raises EV_SHOWN with this token. The driver's show(). */
void notify_show(struct notify *notify, uint64_t token, const struct show *show);

/* That show changes nothing any more once EV_SHOWN was raised, which is soon. The driver's unshow(). */
void notify_unshow(struct notify *notify, uint64_t token);

/* Asks whether the kernel has the page of the file msg.obj in its cache, then raises EV_PEEKED. The driver's peek(). */
void notify_peek(struct notify *notify, uint64_t token, const struct msg *page);

/* No program has the file open any more: the daemon's own handle goes too, if there is one. */
void notify_close(struct notify *notify, uint64_t obj);

void notify_count(struct notify *notify, struct notify_counts *counts);

/*
 * The kernel's side is gone; nothing is done and no event raised any more. Whether all threads ended in time: if not,
 * the session and this must not be freed. The memory goes when its handle has closed.
 */
bool notify_stop(struct notify *notify);
void notify_free(struct notify *notify);

#endif
