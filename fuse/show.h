/*
 * show.h: how the kernel is shown the size of a segment, or asked which one it has. The steps are at the top of show.c.
 */
#ifndef NETMEM_FUSE_SHOW_H
#define NETMEM_FUSE_SHOW_H

#include <sys/types.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "core/core.h"

struct daemon;
struct own;
struct shows;

/* How long the kernel may take to do what an answer to SETATTR told it to. Past it, the show goes on without. */
#define SHOW_SETTLE_NS UINT64_C(2000000000)

/* How long a patient show tries to make the kernel have a size; how often one that is not tries. */
#define SHOW_PATIENCE_NS UINT64_C(20000000)
#define SHOW_TRIES 3

/* Between two looks at the kernel: the first wait, and the longest. */
#define SHOW_PAUSE_FIRST_NS UINT64_C(20000)
#define SHOW_PAUSE_NS UINT64_C(1000000)

/* How soon the loop looks again whether the size is there while its thread waits for a page's lock. */
#define SHOW_LOOK_MS 1

/* A show under way, from shows_begin() to shows_end(). But for the first two, guarded by the lock in show.c. */
struct showing {
	uint64_t token;
	struct show show;
	struct list link;
	const struct own *own;  /* while it changes the kernel's size */
	bool growing;           /* it does so without asking */
	uint64_t from_bytes;    /* what the kernel had before */
	atomic_bool taken_back;
	bool reported;          /* EV_SHOWN was raised */
	uint64_t size_bytes;    /* what the kernel has */
};

/* 0 or a negative errno. */
int shows_new(struct shows **shows, struct daemon *daemon);

/* The memory goes when its handles have closed. */
void shows_free(struct shows *shows);

/* --- in the loop's thread */

void shows_begin(struct shows *shows, struct showing *showing, uint64_t token, const struct show *show);
/* Whether EV_SHOWN is still to be raised. */
bool shows_end(struct shows *shows, struct showing *showing);

/* It changes nothing any more once EV_SHOWN was raised, which is now, or as soon as what it is doing is done. */
void shows_take_back(struct shows *shows, uint64_t token);

/* --- in a notifier's thread; may block. 0, or a negative errno if the kernel could not be looked at. */
int shows_carry_out(struct shows *shows, struct showing *showing);

#endif
