/*
 * writes ROUNDS MOUNT MOUNT...: one program, on the first mount, writes runs of whole pages by pwrite(), while others load them
 * through mappings, one on each mount. When pwrite() has returned, the writer's own mapping and every other has what was written;
 * now and then the writer stores beside it, which must not bring back what was before. Before that, a program writes what it had
 * stored there, when another one has changed it: it must not be taken for the same.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common.h"

#define NAME "writes"
#define PAGES 64u
#define WORDS (TEST_PAGE_BYTES / sizeof(uint64_t))

struct shared {
	atomic_uint_fast64_t written[PAGES]; /* what a pwrite() that has returned has put there */
	uint64_t rounds;
	char *const *mounts;
};

/* Of page `page`, as this program sees it, the first word. */
static uint64_t load(const volatile uint64_t *memory, unsigned page)
{
	return memory[page * WORDS];
}

static void look(const struct shared *shared, const volatile uint64_t *memory, unsigned page, const char *who)
{
	uint64_t least = atomic_load(&shared->written[page]), seen = load(memory, page);

	if (seen < least)
		test_fail("%s sees %llu in page %u, but pwrite() of %llu has returned", who, (unsigned long long)seen, page,
		          (unsigned long long)least);
}

static void write_pages(struct shared *shared)
{
	static uint64_t bytes[PAGES * WORDS];
	int fd = object_open(shared->mounts[0], NAME, O_RDWR);
	volatile uint64_t *memory = object_map(fd, sizeof(bytes), true);
	struct random random;

	random_init(&random, test_seed());
	for (uint64_t round = 1; round <= shared->rounds; round++) {
		unsigned first = (unsigned)random_below(&random, PAGES);
		unsigned count = 1 + (unsigned)random_below(&random, PAGES - first);

		for (unsigned page = 0; page < count; page++)
			bytes[page * WORDS] = round;
		if (pwrite(fd, bytes, count * TEST_PAGE_BYTES, first * TEST_PAGE_BYTES) != (ssize_t)(count * TEST_PAGE_BYTES))
			test_fail("pwrite failed: %m");
		for (unsigned page = first; page < first + count; page++) {
			atomic_store(&shared->written[page], round);
			look(shared, memory, page, "the writer");
			if (random_below(&random, 8) == 0)
				memory[page * WORDS + 1] = round;
		}
	}
}

static void read_pages(struct shared *shared, const char *mount)
{
	int fd = object_open(mount, NAME, O_RDWR);
	const volatile uint64_t *memory = object_map(fd, PAGES * TEST_PAGE_BYTES, false);

	for (unsigned page = 0;; page = (page + 1) % PAGES)
		look(shared, memory, page, mount);
}

static void program(unsigned number, void *context)
{
	struct shared *shared = context;

	if (number == 0)
		write_pages(shared);
	else
		read_pages(shared, shared->mounts[number - 1]);
}

static void write_again(const char *mount, const char *other_mount)
{
	static const size_t lengths[] = { 1, TEST_PAGE_BYTES };
	int fd = object_open(mount, NAME, O_RDWR), other = object_open(other_mount, NAME, O_RDWR);
	char *memory = object_map(fd, PAGES * TEST_PAGE_BYTES, true);
	char bytes[TEST_PAGE_BYTES], seen[TEST_PAGE_BYTES];

	for (unsigned round = 0; round < 20; round++) {
		size_t length = lengths[round % 2];

		memset(memory, 'a' + (int)round, length);
		memset(bytes, 'A', length);
		if (pwrite(other, bytes, length, 0) != (ssize_t)length)
			test_fail("pwrite failed: %m");
		memset(bytes, 'a' + (int)round, length);
		if (pwrite(fd, bytes, length, 0) != (ssize_t)length || pread(other, seen, length, 0) != (ssize_t)length)
			test_fail("pwrite or pread failed: %m");
		if (memcmp(bytes, seen, length) != 0)
			test_fail("pwrite() of %zu bytes that had been stored there before has done nothing", length);
	}
	memset(memory, 0, TEST_PAGE_BYTES);
	munmap(memory, PAGES * TEST_PAGE_BYTES);
	close(other);
	close(fd);
}

int main(int argc, char **argv)
{
	pid_t children[CHILDREN_MAX];
	unsigned count = (unsigned)argc - 1;
	struct shared *shared;

	if (argc < 3 || count > CHILDREN_MAX)
		test_broken("usage: writes ROUNDS MOUNT...");
	shared = local_shared(sizeof(*shared));
	shared->rounds = test_number(argv[1]);
	shared->mounts = argv + 2;
	object_create(argv[2], NAME, PAGES * TEST_PAGE_BYTES);
	write_again(argv[2], argv[argc - 1]);
	for (unsigned i = 0; i < count; i++)
		children[i] = child_start(i, program, shared);
	children_finish(children, count, 1);
	object_destroy(argv[2], NAME);
	return 0;
}
