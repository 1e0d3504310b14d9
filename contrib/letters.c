/*
 * letters count TEXT COUNTERS PART PARTS TIMES: counts every PARTS-th page of TEXT, from page PART on, into the shared
 * counters of COUNTERS: one atomic add for each letter. TEXT and COUNTERS are `memory` files of netmemfs objects. Starts
 * when PARTS programs have come this far, on whatever nodes. Writes to TIMES how long the first touch of each page took,
 * in nanoseconds, one a line.
 *
 * letters print COUNTERS: what was counted, as `uniq -c` writes it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, LETTERS = 26, PROGRESS_STEPS = 4, WAIT_SECONDS = 20 };

/* The page where all nodes meet. */
struct counters {
	_Atomic uint64_t letter[LETTERS];
	_Atomic uint64_t arrived;
};

struct text {
	const volatile unsigned char *bytes;
	size_t length_bytes;
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "letters: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static void *map(const char *path, int flags, size_t *length_bytes)
{
	int protection = flags == O_RDONLY ? PROT_READ : PROT_READ | PROT_WRITE;
	int file = open(path, flags | O_CLOEXEC);
	struct stat stat;
	void *memory;

	if (file < 0 || fstat(file, &stat) < 0)
		die(path);
	*length_bytes = (size_t)stat.st_size;
	memory = mmap(NULL, *length_bytes, protection, MAP_SHARED, file, 0);
	if (memory == MAP_FAILED)
		die(path);
	close(file);
	return memory;
}

static struct counters *map_counters(const char *path)
{
	size_t length_bytes;
	struct counters *counters = map(path, O_RDWR, &length_bytes);

	if (length_bytes < sizeof(*counters)) {
		errno = EINVAL;
		die(path);
	}
	return counters;
}

static void wait_for_all(struct counters *counters, unsigned parts)
{
	uint64_t end_ns = now_ns() + WAIT_SECONDS * UINT64_C(1000000000);
	struct timespec pause = {.tv_nsec = 1000000};

	atomic_fetch_add(&counters->arrived, 1);
	while (atomic_load(&counters->arrived) < parts) {
		if (now_ns() > end_ns) {
			errno = ETIMEDOUT;
			die("the other programs");
		}
		nanosleep(&pause, NULL);
	}
}

/* Returns how long the first touch took. */
static uint64_t count_page(const struct text *text, size_t page, struct counters *counters)
{
	size_t at = page * PAGE;
	size_t end = text->length_bytes - at < PAGE ? text->length_bytes : at + PAGE;
	uint64_t start_ns = now_ns();
	uint64_t touch_ns;

	(void)text->bytes[at];
	touch_ns = now_ns() - start_ns;
	for (; at < end; at++) {
		unsigned letter = (text->bytes[at] | 0x20u) - 'a';

		if (letter < LETTERS)
			atomic_fetch_add(&counters->letter[letter], 1);
	}
	return touch_ns;
}

static void count(const struct text *text, struct counters *counters, unsigned part, unsigned parts, FILE *times)
{
	size_t pages = (text->length_bytes + PAGE - 1) / PAGE;
	unsigned step = 1;
	size_t page;

	for (page = part; page < pages; page += parts) {
		fprintf(times, "%" PRIu64 "\n", count_page(text, page, counters));
		while (step < PROGRESS_STEPS && page >= pages * step / PROGRESS_STEPS)
			fprintf(stderr, "  node %u: %u %%\n", part + 1, 100 * step++ / PROGRESS_STEPS);
	}
	fprintf(stderr, "  node %u: 100 %%\n", part + 1);
}

static void print(const struct counters *counters)
{
	unsigned letter;

	for (letter = 0; letter < LETTERS; letter++)
		if (counters->letter[letter] > 0)
			printf("%7" PRIu64 " %c\n", counters->letter[letter], (int)('a' + letter));
}

int main(int argc, char **argv)
{
	struct text text;
	unsigned part, parts;
	FILE *times;

	if (argc == 3 && strcmp(argv[1], "print") == 0) {
		print(map_counters(argv[2]));
		return 0;
	}
	if (argc != 7 || strcmp(argv[1], "count") != 0) {
		fprintf(stderr, "usage: letters count TEXT COUNTERS PART PARTS TIMES | letters print COUNTERS\n");
		return 2;
	}
	part = (unsigned)atoi(argv[4]);
	parts = (unsigned)atoi(argv[5]);
	text.bytes = map(argv[2], O_RDONLY, &text.length_bytes);
	times = fopen(argv[6], "w");
	if (times == NULL)
		die(argv[6]);
	struct counters *counters = map_counters(argv[3]);
	wait_for_all(counters, parts);
	count(&text, counters, part, parts, times);
	if (fclose(times) != 0)
		die(argv[6]);
	return 0;
}
