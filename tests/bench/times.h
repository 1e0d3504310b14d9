/*
 * times.h: what the benchmarks share: a clock, a set of measured times and what is said about it.
 *
 * Everything here exits with status 2 and one line on stderr when it cannot go on: a benchmark has no other use for an
 * error.
 */
#ifndef NETMEM_TESTS_BENCH_TIMES_H
#define NETMEM_TESTS_BENCH_TIMES_H

#include <stddef.h>
#include <stdint.h>

#define BENCH_PAGE_BYTES 4096u

/* errno is added to the message unless it is 0. */
_Noreturn void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Monotonic. */
uint64_t now_ns(void);

/* Times of single operations; the first ones, as many as `warm_up`, are not kept. */
struct times {
	uint64_t *ns;
	size_t count;
	size_t max;
	size_t warm_up;
};

void times_init(struct times *times, size_t max, size_t warm_up);
void times_fini(struct times *times);
void times_add(struct times *times, uint64_t ns);

/* Sorts the times; NAME MEDIAN P99, in microseconds, as one line on stdout. */
void times_print(struct times *times, const char *name);

/* NAME NUMBER as one line on stdout. */
void number_print(const char *name, double number);

/* A number of the command line, at least 1. */
size_t number_of(const char *text);

/* Maps the first `length_bytes` of a file that is there, for loads and stores. */
void *memory_map(const char *path, size_t length_bytes);

/*
 * Touches one word through two maps of one page in turn: loads, or atomic additions if `dirty`, and notes how long each
 * touch took.
 */
void hand_off_measure(struct times *times, volatile uint64_t *words[2], size_t count, int dirty);

/* Two processes, one on each map of the same word, take turns in adding to it. Returns the time of one turn. */
uint64_t turns_measure(volatile uint64_t *words[2], size_t turns);

#endif
