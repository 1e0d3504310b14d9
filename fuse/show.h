/*
 * show.h: how the kernel is shown the size of a segment, or asked which one it has. The steps are at the top of show.c.
 */
#ifndef NETMEM_FUSE_SHOW_H
#define NETMEM_FUSE_SHOW_H

#include <stdbool.h>
#include <stdint.h>

#include "core/core.h"

struct daemon;
struct shows;

/* How long the kernel may take to do what an answer to SETATTR told it to. Past it, the show goes on without. */
#define SHOW_SETTLE_NS UINT64_C(2000000000)

/* How long a patient show tries to make the kernel have a size; how often one that is not tries. */
#define SHOW_PATIENCE_NS UINT64_C(20000000)
#define SHOW_TRIES 3

/* Between two looks at the kernel: the first wait, and the longest. */
#define SHOW_PAUSE_FIRST_NS UINT64_C(20000)
#define SHOW_PAUSE_NS UINT64_C(1000000)

/* How soon the loop looks again whether a larger size is there, if its thread was slow to begin. */
#define SHOW_LOOK_MS 1

struct shown {
	uint64_t size_bytes; /* what the kernel has */
	bool reported;       /* EV_SHOWN was raised already */
};

/* 0 or a negative errno. */
int shows_new(struct shows **shows, struct daemon *daemon);

/* The memory goes when its handles have closed. */
void shows_free(struct shows *shows);

/* In a notifier's thread; may block. 0, or a negative errno if the kernel could not be looked at. */
int shows_carry_out(struct shows *shows, uint64_t token, const struct show *show, struct shown *shown);

#endif
