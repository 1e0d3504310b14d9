/*
 * lock N MOUNT...: one program on each mount enters N critical sections. A spin lock (an atomic exchange) on one page
 * protects 16 other pages that are read and written by plain loads and stores: they all hold the number of sections so
 * far, at one end and, inverted, at the other.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common.h"

enum { PAGES = 16, WORDS = TEST_PAGE_BYTES / 8, LOCK_SECONDS_MAX = 10 };

struct area {
	volatile uint64_t lock[WORDS];
	volatile uint64_t page[PAGES][WORDS];
};

struct test {
	const char *name;
	uint64_t sections;
	const char **mounts;
	unsigned mounts_count;
};

static void lock_acquire(struct area *area)
{
	double end = test_seconds() + LOCK_SECONDS_MAX;

	while (__atomic_exchange_n(&area->lock[0], 1, __ATOMIC_SEQ_CST) != 0) {
		do {
			sched_yield();
			if (test_seconds() > end)
				test_fail("the lock was not seen free for %d s", LOCK_SECONDS_MAX);
		} while (area->lock[0] != 0);
	}
}

static void lock_release(struct area *area)
{
	__atomic_store_n(&area->lock[0], 0, __ATOMIC_SEQ_CST);
}

static void area_check(const struct area *area, uint64_t value, const char *mount)
{
	for (unsigned p = 0; p < PAGES; p++)
		if (area->page[p][0] != value || area->page[p][WORDS - 1] != ~value)
			test_fail("%s: page %u holds %llu and ~%llu, page 0 %llu", mount, p,
			          (unsigned long long)area->page[p][0], (unsigned long long)~area->page[p][WORDS - 1],
			          (unsigned long long)value);
}

static void area_set(struct area *area, uint64_t value)
{
	for (unsigned p = 0; p < PAGES; p++) {
		area->page[p][0] = value;
		area->page[p][WORDS - 1] = ~value;
	}
}

static void child_run(unsigned number, void *context)
{
	const struct test *test = context;
	int fd = object_open(test->mounts[number], test->name, O_RDWR);
	struct area *area = object_map(fd, sizeof(*area), true);

	for (uint64_t i = 0; i < test->sections; i++) {
		uint64_t value;

		lock_acquire(area);
		value = area->page[0][0];
		area_check(area, value, test->mounts[number]);
		area_set(area, value + 1);
		lock_release(area);
	}
}

int main(int count, char **arguments)
{
	struct test test;
	struct area *area;
	char name[64];
	double start;
	int fd;

	if (count < 3 || (unsigned)count - 2 > TEST_MOUNTS_MAX) {
		fprintf(stderr, "usage: lock N MOUNT...\n");
		return 2;
	}
	snprintf(name, sizeof(name), "lock-%d", (int)getpid());
	test.name = name;
	test.sections = test_number(arguments[1]);
	test.mounts = (const char **)&arguments[2];
	test.mounts_count = (unsigned)count - 2;
	object_create(test.mounts[0], name, sizeof(*area));
	fd = object_open(test.mounts[0], name, O_RDWR);
	area_set(object_map(fd, sizeof(*area), true), 0);
	start = test_seconds();
	children_run(test.mounts_count, child_run, &test);
	printf("%llu sections each in %.2f s\n", (unsigned long long)test.sections, test_seconds() - start);
	for (unsigned m = 0; m < test.mounts_count; m++) {
		fd = object_open(test.mounts[m], name, O_RDONLY);
		area = object_map(fd, sizeof(*area), false);
		area_check(area, test.sections * test.mounts_count, test.mounts[m]);
	}
	object_destroy(test.mounts[0], name);
	return 0;
}
