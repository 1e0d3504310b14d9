/*
 * counter WORDS PAGES N MOUNT...: one program on each mount adds N, one by one, to WORDS words that lie on PAGES pages,
 * while another program forces write-back of the pages all the time. Not one addition may be lost.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common.h"

enum { BURST_MAX = 64, WORD_APART_BYTES = 64, MEETINGS = 16 };

struct counter {
	const char *name;
	unsigned words;
	unsigned pages;
	uint64_t additions;
	uint64_t seed;
	const char **mounts;
	unsigned mounts_count;
	struct meeting *meeting;
};

static size_t counter_bytes(const struct counter *counter)
{
	return (size_t)counter->pages * TEST_PAGE_BYTES;
}

static uint64_t *counter_word(const struct counter *counter, char *memory, unsigned word)
{
	size_t page = word % counter->pages;
	size_t place = word / counter->pages;

	return (uint64_t *)(memory + page * TEST_PAGE_BYTES + place * WORD_APART_BYTES);
}

static void adder_run(const struct counter *counter, unsigned number)
{
	int fd = object_open(counter->mounts[number], counter->name, O_RDWR);
	char *memory = object_map(fd, counter_bytes(counter), true);
	struct random random;
	uint64_t left = counter->additions;

	random_init(&random, counter->seed + number);
	while (left > 0) {
		/* They go on together now and then, so that none has the pages for itself all the time. */
		uint64_t until_meeting = left % (counter->additions / MEETINGS + 1);
		uint64_t *word = counter_word(counter, memory, (unsigned)random_below(&random, counter->words));
		uint64_t burst = counter->words == 1 ? left : 1 + random_below(&random, BURST_MAX);

		if (until_meeting == 0) {
			meeting_wait(counter->meeting, counter->mounts_count);
			until_meeting = 1;
		}
		if (burst > until_meeting)
			burst = until_meeting;
		left -= burst;
		for (; burst > 0; burst--)
			__atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST);
	}
}

static void flusher_run(const struct counter *counter)
{
	int fd[TEST_MOUNTS_MAX];
	char *memory[TEST_MOUNTS_MAX];

	for (unsigned m = 0; m < counter->mounts_count; m++) {
		fd[m] = object_open(counter->mounts[m], counter->name, O_RDWR);
		memory[m] = object_map(fd[m], counter_bytes(counter), true);
	}
	for (uint64_t turn = 0;; turn++) {
		for (unsigned m = 0; m < counter->mounts_count; m++) {
			if (turn % 16 == 15) {
				if (msync(memory[m], counter_bytes(counter), MS_SYNC) != 0)
					test_fail("msync failed");
			} else if (sync_file_range(fd[m], 0, (off_t)counter_bytes(counter),
			                           SYNC_FILE_RANGE_WRITE) != 0) {
				test_fail("sync_file_range failed");
			}
		}
		sched_yield();
	}
}

static void child_run(unsigned number, void *context)
{
	const struct counter *counter = context;

	if (number < counter->mounts_count)
		adder_run(counter, number);
	else
		flusher_run(counter);
}

static uint64_t sum_mapped(const struct counter *counter, unsigned mount)
{
	int fd = object_open(counter->mounts[mount], counter->name, O_RDONLY);
	char *memory = object_map(fd, counter_bytes(counter), false);
	uint64_t sum = 0;

	for (unsigned w = 0; w < counter->words; w++)
		sum += *counter_word(counter, memory, w);
	munmap(memory, counter_bytes(counter));
	close(fd);
	return sum;
}

static uint64_t sum_read(const struct counter *counter, unsigned mount)
{
	static _Alignas(8) char page[TEST_PAGE_BYTES];
	int fd = object_open(counter->mounts[mount], counter->name, O_RDONLY);
	uint64_t sum = 0;

	for (unsigned p = 0; p < counter->pages; p++) {
		if (pread(fd, page, sizeof(page), (off_t)p * TEST_PAGE_BYTES) != sizeof(page))
			test_broken("pread");
		for (unsigned i = 0; i < TEST_PAGE_BYTES; i += 8)
			sum += *(uint64_t *)(page + i);
	}
	close(fd);
	return sum;
}

static void counter_check(const struct counter *counter, double seconds)
{
	uint64_t expected = counter->additions * counter->mounts_count;

	printf("%llu additions in %.2f s\n", (unsigned long long)expected, seconds);
	for (unsigned m = 0; m < counter->mounts_count; m++) {
		uint64_t mapped = sum_mapped(counter, m);
		uint64_t read = sum_read(counter, m);

		if (mapped != expected || read != expected)
			test_fail("%s: the sum is %llu mapped and %llu read, %llu were added", counter->mounts[m],
			          (unsigned long long)mapped, (unsigned long long)read,
			          (unsigned long long)expected);
	}
}

int main(int count, char **arguments)
{
	struct counter counter;
	pid_t children[CHILDREN_MAX];
	char name[64];
	double start;

	if (count < 5 || (unsigned)count - 4 > TEST_MOUNTS_MAX) {
		fprintf(stderr, "usage: counter WORDS PAGES N MOUNT...\n");
		return 2;
	}
	memset(&counter, 0, sizeof(counter));
	snprintf(name, sizeof(name), "counter-%d", (int)getpid());
	counter.name = name;
	counter.words = (unsigned)test_number(arguments[1]);
	counter.pages = (unsigned)test_number(arguments[2]);
	counter.additions = test_number(arguments[3]);
	counter.mounts = (const char **)&arguments[4];
	counter.mounts_count = (unsigned)count - 4;
	counter.seed = test_seed();
	counter.meeting = local_shared(sizeof(*counter.meeting));
	object_create(counter.mounts[0], name, counter_bytes(&counter));
	start = test_seconds();
	for (unsigned i = 0; i <= counter.mounts_count; i++)
		children[i] = child_start(i, child_run, &counter);
	children_finish(children, counter.mounts_count + 1, counter.mounts_count);
	counter_check(&counter, test_seconds() - start);
	object_destroy(counter.mounts[0], name);
	return 0;
}
