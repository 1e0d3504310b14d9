/*
 * grow: files that grow while others use them.
 *
 *   grow open ROUNDS MOUNT MOUNT   one program opens the file while another, on the other mount, makes it longer by
 *                                  pwrite() or ftruncate(). When that has returned, all of it can be used by the first,
 *                                  mapped, and fstat() says so; every second round it had the file open before.
 *   grow tail ROUNDS MOUNT MOUNT   one program appends records, another follows: what fstat() promises can be read, and is
 *                                  what was written; a record is seen as soon as its write() has returned.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common.h"

#define NAME "grow"
#define GROWN_BYTES (16u * TEST_PAGE_BYTES)
#define RECORD_BYTES_MAX 5000u
#define BYTE 'g'

struct shared {
	struct meeting meeting;
	atomic_uint grown;           /* rounds whose growth has returned */
	atomic_uint_fast64_t length; /* that the appender's calls have returned for */
	uint64_t rounds;
	const char *mounts[2];
};

static uint64_t size_of(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		test_fail("fstat failed: %m");
	return (uint64_t)st.st_size;
}

/* --- open --------------------------------------------------------------------------------------------------------- */

static void make_longer(struct shared *shared)
{
	static char bytes[GROWN_BYTES];
	int fd = object_open(shared->mounts[0], NAME, O_RDWR);

	memset(bytes, BYTE, sizeof(bytes));
	for (unsigned round = 1; round <= shared->rounds; round++) {
		if (ftruncate(fd, TEST_PAGE_BYTES))
			test_fail("ftruncate to a page failed: %m");
		meeting_wait(&shared->meeting, 2);
		if (round % 4 < 2 && pwrite(fd, bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
			test_fail("pwrite of %zu bytes failed: %m", sizeof(bytes));
		if (round % 4 >= 2 && ftruncate(fd, GROWN_BYTES))
			test_fail("ftruncate to %u failed: %m", GROWN_BYTES);
		atomic_store(&shared->grown, round);
		meeting_wait(&shared->meeting, 2);
	}
	close(fd);
}

static void use(struct shared *shared, unsigned round, int fd)
{
	volatile unsigned char *bytes;
	unsigned char byte;

	while (atomic_load(&shared->grown) < round)
		usleep(50);
	if (size_of(fd) != GROWN_BYTES)
		test_fail("round %u: fstat says %llu bytes, but the file has %u", round, (unsigned long long)size_of(fd),
		          GROWN_BYTES);
	bytes = object_map(fd, GROWN_BYTES, false);
	for (unsigned at = TEST_PAGE_BYTES - 1; at < GROWN_BYTES; at += TEST_PAGE_BYTES) {
		if (!guard_copy(&byte, bytes + at, 1))
			test_fail("round %u: byte %u is SIGBUS, but the file is longer", round, at);
		if (round % 4 < 2 && byte != BYTE)
			test_fail("round %u: byte %u is %u, not what was written", round, at, byte);
	}
}

static void open_meanwhile(struct shared *shared)
{
	struct random random;

	guard_init();
	random_init(&random, test_seed());
	for (unsigned round = 1; round <= shared->rounds; round++) {
		int before = round % 2 ? object_open(shared->mounts[1], NAME, O_RDWR) : -1;
		int fd;

		meeting_wait(&shared->meeting, 2);
		usleep((useconds_t)random_below(&random, 500));
		fd = object_open(shared->mounts[1], NAME, O_RDWR);
		use(shared, round, fd);
		if (before >= 0)
			use(shared, round, before);
		close(fd);
		close(before);
		meeting_wait(&shared->meeting, 2);
	}
}

static void open_child(unsigned number, void *context)
{
	if (number)
		open_meanwhile(context);
	else
		make_longer(context);
}

/* --- tail --------------------------------------------------------------------------------------------------------- */

static void append(struct shared *shared)
{
	static char record[RECORD_BYTES_MAX];
	int fd = object_open(shared->mounts[0], NAME, O_RDWR | O_APPEND);
	struct random random;
	uint64_t length = 0;

	memset(record, BYTE, sizeof(record));
	random_init(&random, test_seed());
	for (uint64_t round = 0; round < shared->rounds; round++) {
		size_t bytes = 1 + (size_t)random_below(&random, sizeof(record));

		if (write(fd, record, bytes) != (ssize_t)bytes)
			test_fail("write of %zu bytes failed: %m", bytes);
		length += bytes;
		atomic_store(&shared->length, length);
	}
	close(fd);
	atomic_store(&shared->grown, 1);
}

static void follow(struct shared *shared)
{
	static char bytes[1u << 20];
	int fd = object_open(shared->mounts[1], NAME, O_RDONLY);
	uint64_t at = 0;
	bool done;

	do {
		uint64_t returned = atomic_load(&shared->length), size;
		size_t wanted;

		done = atomic_load(&shared->grown);
		size = size_of(fd);
		if (size < returned)
			test_fail("fstat says %llu bytes, but write() has returned for %llu", (unsigned long long)size,
			          (unsigned long long)returned);
		wanted = size - at < sizeof(bytes) ? (size_t)(size - at) : sizeof(bytes);
		if (pread(fd, bytes, wanted, (off_t)at) != (ssize_t)wanted)
			test_fail("read less than the %zu bytes from %llu on that fstat promised", wanted, (unsigned long long)at);
		for (size_t i = 0; i < wanted; i++) {
			if (bytes[i] != BYTE)
				test_fail("byte %llu is %d, not what was written", (unsigned long long)(at + i), bytes[i]);
		}
		at += wanted;
		done &= at == size;
	} while (!done);
	if (at != atomic_load(&shared->length))
		test_fail("the file ends at %llu, but has %llu bytes", (unsigned long long)at,
		          (unsigned long long)atomic_load(&shared->length));
}

static void tail_child(unsigned number, void *context)
{
	if (number)
		follow(context);
	else
		append(context);
}

int main(int argc, char **argv)
{
	struct shared *shared = local_shared(sizeof(*shared));
	child_body body;

	if (argc != 5 || (strcmp(argv[1], "open") && strcmp(argv[1], "tail"))) {
		fprintf(stderr, "usage: grow open|tail ROUNDS MOUNT MOUNT\n");
		return 2;
	}
	body = strcmp(argv[1], "open") ? tail_child : open_child;
	shared->rounds = test_number(argv[2]);
	shared->mounts[0] = argv[3];
	shared->mounts[1] = argv[4];
	object_create(argv[3], NAME, 0);
	children_run(2, body, shared);
	object_destroy(argv[3], NAME);
	return 0;
}
