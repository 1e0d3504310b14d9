/*
 * deadline.h: the core's clock and its one deadline, to the microsecond, on a libuv loop.
 */
#ifndef NETMEM_UV_DEADLINE_H
#define NETMEM_UV_DEADLINE_H

#include <stdint.h>

struct uv_loop_s;
struct run;
struct deadline;

/* `loop` and `run` must outlive it. 0 or a negative errno. */
int deadline_new(struct deadline **deadline, struct uv_loop_s *loop, struct run *run);

/* The memory goes when its handle has closed: run the loop until it is empty afterwards. NULL is allowed. */
void deadline_free(struct deadline *deadline);

/* Raises EV_TICK once at this time; UINT64_MAX: never. Replaces the one before; free if it is the same. */
void deadline_set(struct deadline *deadline, uint64_t deadline_ns);

/* CLOCK_MONOTONIC. For the driver's now_ns(), whatever its context. */
uint64_t deadline_now_ns(void *context);

#endif
