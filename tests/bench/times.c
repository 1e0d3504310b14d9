#include "times.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void bench_fail(const char *format, ...)
{
	int error = errno;
	va_list args;

	fprintf(stderr, "bench: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	if (error)
		fprintf(stderr, ": %s", strerror(error));
	fprintf(stderr, "\n");
	exit(2);
}

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void times_init(struct times *times, size_t max, size_t warm_up)
{
	times->ns = malloc(max * sizeof(*times->ns));
	times->count = 0;
	times->max = max;
	times->warm_up = warm_up;
	if (!times->ns)
		bench_fail("%zu times", max);
	/* No page fault of our own in the middle of a measurement. */
	memset(times->ns, 0, max * sizeof(*times->ns));
}

void times_fini(struct times *times)
{
	free(times->ns);
}

void times_add(struct times *times, uint64_t ns)
{
	if (times->warm_up) {
		times->warm_up--;
		return;
	}
	if (times->count < times->max)
		times->ns[times->count++] = ns;
}

static int compare(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left;
	uint64_t b = *(const uint64_t *)right;

	return a < b ? -1 : a > b;
}

void times_print(struct times *times, const char *name)
{
	errno = 0;
	if (!times->count)
		bench_fail("%s: nothing was measured", name);
	qsort(times->ns, times->count, sizeof(*times->ns), compare);
	printf("%s %.2f %.2f\n", name, (double)times->ns[times->count / 2] / 1e3,
	       (double)times->ns[times->count * 99 / 100] / 1e3);
	fflush(stdout);
}

void number_print(const char *name, double number)
{
	printf("%s %.3f\n", name, number);
	fflush(stdout);
}

size_t number_of(const char *text)
{
	char *end;
	unsigned long long number = strtoull(text, &end, 10);

	errno = 0;
	if (*end || !number)
		bench_fail("\"%s\" is not a number", text);
	return (size_t)number;
}

void *memory_map(const char *path, size_t length_bytes)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	void *memory;

	if (fd < 0)
		bench_fail("%s", path);
	memory = mmap(NULL, length_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		bench_fail("%s", path);
	close(fd);
	return memory;
}

void hand_off_measure(struct times *times, volatile uint64_t *words[2], size_t count, int dirty)
{
	for (size_t i = 0; i < count; i++) {
		volatile uint64_t *word = words[i & 1];
		uint64_t start = now_ns();

		if (dirty)
			__atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST);
		else
			(void)*word;
		times_add(times, now_ns() - start);
	}
}

static void take_turns(volatile uint64_t *word, uint64_t first, uint64_t mine, size_t turns)
{
	for (size_t i = 0; i < turns; i++) {
		while (((__atomic_load_n(word, __ATOMIC_SEQ_CST) - first) & 1) != mine)
			;
		__atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST);
	}
}

uint64_t turns_measure(volatile uint64_t *words[2], size_t turns)
{
	uint64_t first = __atomic_load_n(words[0], __ATOMIC_SEQ_CST);
	uint64_t start = now_ns();
	pid_t child = fork();
	int status;

	if (child < 0)
		bench_fail("fork");
	if (!child) {
		take_turns(words[1], first, 1, turns / 2);
		_exit(0);
	}
	take_turns(words[0], first, 0, turns / 2);
	if (waitpid(child, &status, 0) != child || status)
		bench_fail("the other program of the pair");
	return (now_ns() - start) / turns;
}
