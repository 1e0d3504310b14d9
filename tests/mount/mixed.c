/*
 * mixed model OPS MOUNT...: one process with handles on several mounts does random operations one after another, and
 * compares all that it reads, all sizes, and each SIGBUS, with a model.
 *
 * mixed blocks OPS MOUNT...: one program on each mount works, at the same time as the others, on blocks of its own that
 * lie among those of the others on the same pages, while the end of the file beyond them moves up and down. At the end
 * each looks at all.
 *
 * SEED in the environment repeats a run; the last operations are printed with a failure.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common.h"

enum {
	OBJECTS = 2,
	SLOTS = 8,
	PAGES = 12,
	FILE_BYTES_MAX = PAGES * TEST_PAGE_BYTES,
	MAP_BYTES = FILE_BYTES_MAX + TEST_PAGE_BYTES, /* the last page is always past the end */
	RANGE_BYTES_MAX = 3 * TEST_PAGE_BYTES,
	TRACE_LINES = 32,
	TRACE_BYTES = 160
};

/* An object as it must look. Bytes past the size are zero. */
struct model {
	char name[64];
	uint64_t size;
	char bytes[MAP_BYTES];
};

/* An open handle, and a mapping through it or NULL. */
struct slot {
	bool open;
	bool writable;
	unsigned object;
	unsigned mount;
	int fd;
	char *memory;
};

/* For "%u/%u/%u": which slot, which mount it is on, and which object it opened. */
#define SLOT(s) (unsigned)((s) - test->slot), (s)->mount, (s)->object

struct test {
	struct random random;
	const char **mounts;
	unsigned mounts_count;
	struct model model[OBJECTS];
	struct slot slot[SLOTS];
	uint64_t op;
	char trace[TRACE_LINES][TRACE_BYTES];
};

static void trace(struct test *test, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void trace(struct test *test, const char *format, ...)
{
	char *line = test->trace[test->op % TRACE_LINES];
	int length = snprintf(line, TRACE_BYTES, "%llu: ", (unsigned long long)test->op);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line + length, TRACE_BYTES - (size_t)length, format, arguments);
	va_end(arguments);
}

static _Noreturn void finding(struct test *test, const char *what)
{
	for (uint64_t i = test->op < TRACE_LINES ? 0 : test->op + 1 - TRACE_LINES; i <= test->op; i++)
		fprintf(stderr, "  %s\n", test->trace[i % TRACE_LINES]);
	test_fail("operation %llu: %s", (unsigned long long)test->op, what);
}

/* The byte as a read on each mount shows it: stale in one kernel, or lost for all. */
static void say_everywhere(const struct test *test, const struct model *model, uint64_t offset)
{
	for (unsigned m = 0; m < test->mounts_count; m++) {
		int fd = object_open(test->mounts[m], model->name, O_RDONLY);
		unsigned char byte = 0;
		ssize_t got = pread(fd, &byte, 1, (off_t)offset);

		fprintf(stderr, "  mount %u: pread gives %zd, %02x\n", m, got, byte);
		close(fd);
	}
}

static uint64_t pages_end(uint64_t size)
{
	return (size + TEST_PAGE_BYTES - 1) / TEST_PAGE_BYTES * TEST_PAGE_BYTES;
}

static unsigned below(struct test *test, uint64_t bound)
{
	return (unsigned)random_below(&test->random, bound);
}

/* Short ranges more often than long ones, at the edges of pages more often than elsewhere. */
static void range_choose(struct test *test, uint64_t end, uint64_t *offset, uint64_t *length)
{
	*length = 1 + below(test, below(test, 4) == 0 ? RANGE_BYTES_MAX : 32);
	*offset = below(test, end);
	if (below(test, 4) == 0)
		*offset = pages_end(*offset) - (*offset % 3 == 0 ? 8 : 0);
	if (*offset >= end)
		*offset = end - 1;
	if (*offset + *length > end)
		*length = end - *offset;
}

static void bytes_fill(struct test *test, char *bytes, uint64_t length)
{
	for (uint64_t i = 0; i < length; i++)
		bytes[i] = (char)(1 + below(test, 255));
}

static void compare(struct test *test, const struct model *model, uint64_t offset, const char *bytes, uint64_t length)
{
	for (uint64_t i = 0; i < length; i++) {
		char text[160];

		if (bytes[i] == model->bytes[offset + i])
			continue;
		snprintf(text, sizeof(text), "byte %llu (page %llu + %llu) of %s is %02x, must be %02x",
		         (unsigned long long)(offset + i), (unsigned long long)((offset + i) / TEST_PAGE_BYTES),
		         (unsigned long long)((offset + i) % TEST_PAGE_BYTES), model->name, bytes[i] & 0xff,
		         model->bytes[offset + i] & 0xff);
		say_everywhere(test, model, offset + i);
		finding(test, text);
	}
}

static void op_open(struct test *test, struct slot *slot)
{
	slot->object = below(test, OBJECTS);
	slot->mount = below(test, test->mounts_count);
	slot->writable = below(test, 3) != 0;
	slot->open = true;
	trace(test, "open slot %u/%u/%u %s", SLOT(slot), slot->writable ? "rw" : "ro");
	slot->fd = object_open(test->mounts[slot->mount], test->model[slot->object].name,
	                       slot->writable ? O_RDWR : O_RDONLY);
}

static void op_map(struct test *test, struct slot *slot)
{
	trace(test, "map slot %u/%u/%u", SLOT(slot));
	slot->memory = object_map(slot->fd, MAP_BYTES, slot->writable);
}

static void op_unmap(struct test *test, struct slot *slot)
{
	trace(test, "unmap slot %u/%u/%u", SLOT(slot));
	munmap(slot->memory, MAP_BYTES);
	slot->memory = NULL;
}

static void op_close(struct test *test, struct slot *slot)
{
	bool after = slot->memory != NULL && below(test, 2) == 0;

	trace(test, "close slot %u/%u/%u%s", SLOT(slot), after ? ", then unmap" : "");
	if (slot->memory != NULL && !after)
		munmap(slot->memory, MAP_BYTES);
	if (close(slot->fd) != 0)
		finding(test, "close failed");
	if (slot->memory != NULL && after)
		munmap(slot->memory, MAP_BYTES);
	slot->memory = NULL;
	slot->open = false;
}

static void op_load(struct test *test, struct slot *slot)
{
	static char bytes[RANGE_BYTES_MAX];
	struct model *model = &test->model[slot->object];
	uint64_t offset, length;

	if (model->size == 0)
		return;
	range_choose(test, pages_end(model->size), &offset, &length);
	trace(test, "load %llu + %llu through slot %u/%u/%u", (unsigned long long)offset, (unsigned long long)length,
	      SLOT(slot));
	if (!guard_copy(bytes, slot->memory + offset, length))
		finding(test, "a load before the end was SIGBUS");
	compare(test, model, offset, bytes, length);
}

static void op_store(struct test *test, struct slot *slot)
{
	struct model *model = &test->model[slot->object];
	uint64_t offset, length;

	if (model->size == 0 || !slot->writable)
		return;
	range_choose(test, model->size, &offset, &length);
	trace(test, "store %llu + %llu through slot %u/%u/%u", (unsigned long long)offset, (unsigned long long)length,
	      SLOT(slot));
	bytes_fill(test, model->bytes + offset, length);
	if (!guard_copy(slot->memory + offset, model->bytes + offset, length))
		finding(test, "a store before the end was SIGBUS");
}

static void op_past_end(struct test *test, struct slot *slot)
{
	uint64_t end = pages_end(test->model[slot->object].size);
	uint64_t offset = end + below(test, MAP_BYTES - end);
	bool store = slot->writable && below(test, 2) == 0;
	char byte = 1;

	trace(test, "%s past the end at %llu through slot %u/%u/%u", store ? "store" : "load", (unsigned long long)offset,
	      SLOT(slot));
	if (store ? guard_copy(slot->memory + offset, &byte, 1) : guard_copy(&byte, slot->memory + offset, 1))
		finding(test, "access past the end was not SIGBUS");
}

static void op_pread(struct test *test, struct slot *slot)
{
	static char bytes[RANGE_BYTES_MAX];
	struct model *model = &test->model[slot->object];
	uint64_t offset, length, expected;
	ssize_t got;

	range_choose(test, MAP_BYTES, &offset, &length);
	expected = offset >= model->size ? 0 : model->size - offset < length ? model->size - offset : length;
	trace(test, "pread %llu + %llu through slot %u/%u/%u", (unsigned long long)offset, (unsigned long long)length,
	      SLOT(slot));
	got = pread(slot->fd, bytes, length, (off_t)offset);
	if (got != (ssize_t)expected) {
		char text[128];

		snprintf(text, sizeof(text), "pread gave %zd (errno %d), must be %llu", got, got < 0 ? errno : 0,
		         (unsigned long long)expected);
		finding(test, text);
	}
	compare(test, model, offset, bytes, expected);
}

static void model_write(struct model *model, uint64_t offset, const char *bytes, uint64_t length)
{
	memmove(model->bytes + offset, bytes, length);
	if (offset + length > model->size)
		model->size = offset + length;
}

static void op_pwrite(struct test *test, struct slot *slot)
{
	static char bytes[RANGE_BYTES_MAX];
	uint64_t offset, length;

	if (!slot->writable)
		return;
	range_choose(test, FILE_BYTES_MAX, &offset, &length);
	trace(test, "pwrite %llu + %llu through slot %u/%u/%u", (unsigned long long)offset, (unsigned long long)length,
	      SLOT(slot));
	bytes_fill(test, bytes, length);
	if (pwrite(slot->fd, bytes, length, (off_t)offset) != (ssize_t)length)
		finding(test, "pwrite failed");
	model_write(&test->model[slot->object], offset, bytes, length);
}

/* At the end of the file, which the kernel of this node must know. */
static void op_append(struct test *test, struct slot *slot)
{
	struct model *model = &test->model[slot->object];
	char bytes[64];
	uint64_t length = 1 + below(test, sizeof(bytes));
	int fd;

	if (model->size + length > FILE_BYTES_MAX)
		return;
	trace(test, "append %llu on mount %u to object %u", (unsigned long long)length, slot->mount, slot->object);
	bytes_fill(test, bytes, length);
	fd = object_open(test->mounts[slot->mount], model->name, O_WRONLY | O_APPEND);
	if (write(fd, bytes, length) != (ssize_t)length)
		finding(test, "append failed");
	close(fd);
	model_write(model, model->size, bytes, length);
}

static void op_truncate(struct test *test, struct slot *slot)
{
	struct model *model = &test->model[slot->object];
	uint64_t size = below(test, FILE_BYTES_MAX + 1);

	if (!slot->writable)
		return;
	if (below(test, 2) == 0)
		size = pages_end(size);
	if (below(test, 32) == 0)
		size = 0;
	trace(test, "ftruncate to %llu (from %llu) through slot %u/%u/%u", (unsigned long long)size,
	      (unsigned long long)model->size, SLOT(slot));
	if (ftruncate(slot->fd, (off_t)size) != 0)
		finding(test, "ftruncate failed");
	if (size < model->size)
		memset(model->bytes + size, 0, model->size - size);
	model->size = size;
}

static void op_sizes(struct test *test, struct slot *slot)
{
	struct model *model = &test->model[slot->object];
	struct stat by_handle, by_name;
	char path[TEST_PATH_BYTES];
	char text[128];

	trace(test, "sizes of object %u on all mounts and slot %u/%u/%u", slot->object, SLOT(slot));
	if (fstat(slot->fd, &by_handle) != 0)
		finding(test, "fstat failed");
	if ((uint64_t)by_handle.st_size != model->size || lseek(slot->fd, 0, SEEK_END) != (off_t)model->size) {
		snprintf(text, sizeof(text), "the size is %lld, must be %llu", (long long)by_handle.st_size,
		         (unsigned long long)model->size);
		finding(test, text);
	}
	for (unsigned m = 0; m < test->mounts_count; m++) {
		object_path(path, test->mounts[m], model->name, "memory");
		if (stat(path, &by_name) != 0)
			finding(test, "stat failed");
		if ((uint64_t)by_name.st_size != model->size || by_name.st_ino != by_handle.st_ino) {
			snprintf(text, sizeof(text), "on mount %u the size is %lld, must be %llu, or the ino differs",
			         m, (long long)by_name.st_size, (unsigned long long)model->size);
			finding(test, text);
		}
	}
}

static void op_sync(struct test *test, struct slot *slot)
{
	bool map = slot->memory != NULL && below(test, 2) == 0;

	trace(test, "%s slot %u/%u/%u", map ? "msync" : "fsync", SLOT(slot));
	if (map ? msync(slot->memory, MAP_BYTES, MS_SYNC) : fsync(slot->fd))
		finding(test, "msync or fsync failed");
}

/* A system call whose buffer is a mapping of another object, on any mount. */
static void op_between(struct test *test, struct slot *slot)
{
	struct slot *other = &test->slot[below(test, SLOTS)];
	struct model *model = &test->model[slot->object];
	uint64_t offset, length, place;
	bool write = below(test, 2) == 0;

	if (!other->open || other->memory == NULL || other->object == slot->object)
		return;
	if (!(write ? slot : other)->writable || test->model[other->object].size == 0 || model->size == 0)
		return;
	range_choose(test, test->model[other->object].size, &place, &length);
	offset = below(test, model->size);
	if (length > model->size - offset)
		length = model->size - offset;
	trace(test, "%s %llu + %llu through slot %u/%u/%u, buffer mapped through slot %u/%u/%u at %llu",
	      write ? "pwrite" : "pread", (unsigned long long)offset, (unsigned long long)length,
	      SLOT(slot), SLOT(other), (unsigned long long)place);
	if (write) {
		if (pwrite(slot->fd, other->memory + place, length, (off_t)offset) != (ssize_t)length)
			finding(test, "pwrite from a mapping failed");
		model_write(model, offset, test->model[other->object].bytes + place, length);
	} else {
		if (pread(slot->fd, other->memory + place, length, (off_t)offset) != (ssize_t)length)
			finding(test, "pread into a mapping failed");
		model_write(&test->model[other->object], place, model->bytes + offset, length);
	}
}

/* The whole object, read on one mount. */
static void op_whole(struct test *test, struct slot *slot)
{
	static char bytes[MAP_BYTES];
	struct model *model = &test->model[slot->object];
	unsigned mount = below(test, test->mounts_count);
	int fd;

	trace(test, "whole of object %u on mount %u", slot->object, mount);
	fd = object_open(test->mounts[mount], model->name, O_RDONLY);
	if (read(fd, bytes, sizeof(bytes)) != (ssize_t)model->size)
		finding(test, "the whole object could not be read");
	close(fd);
	compare(test, model, 0, bytes, model->size);
}

static void op_any(struct test *test)
{
	struct slot *slot = &test->slot[below(test, SLOTS)];
	unsigned die = below(test, 100);

	if (!slot->open)
		op_open(test, slot);
	else if (die < 4)
		op_close(test, slot);
	else if (die < 7 && slot->memory == NULL)
		op_map(test, slot);
	else if (die < 9 && slot->memory != NULL)
		op_unmap(test, slot);
	else if (die < 28 && slot->memory != NULL)
		op_load(test, slot);
	else if (die < 50 && slot->memory != NULL)
		op_store(test, slot);
	else if (die < 53 && slot->memory != NULL)
		op_past_end(test, slot);
	else if (die < 65)
		op_pread(test, slot);
	else if (die < 77)
		op_pwrite(test, slot);
	else if (die < 79)
		op_append(test, slot);
	else if (die < 83)
		op_truncate(test, slot);
	else if (die < 88)
		op_sizes(test, slot);
	else if (die < 91)
		op_sync(test, slot);
	else if (die < 97)
		op_between(test, slot);
	else
		op_whole(test, slot);
}

static void model_run(uint64_t ops, const char **mounts, unsigned mounts_count)
{
	struct test *test = calloc(1, sizeof(*test));

	if (test == NULL)
		test_broken("calloc");
	test->mounts = mounts;
	test->mounts_count = mounts_count;
	random_init(&test->random, test_seed());
	guard_init();
	for (unsigned o = 0; o < OBJECTS; o++) {
		snprintf(test->model[o].name, sizeof(test->model[o].name), "mixed-%d-%u", (int)getpid(), o);
		object_create(mounts[o % mounts_count], test->model[o].name, 0);
	}
	for (test->op = 0; test->op < ops; test->op++) {
		trace(test, "nothing");
		op_any(test);
	}
	test->op--;
	for (unsigned s = 0; s < SLOTS; s++)
		if (test->slot[s].open)
			op_close(test, &test->slot[s]);
	for (unsigned o = 0; o < OBJECTS; o++)
		object_destroy(mounts[0], test->model[o].name);
	free(test);
}

/*
 * Blocks. A block is three words, so that blocks cross pages and calls on them are partial writes, but no word is
 * shared. Block b belongs to program b modulo their number.
 */
enum {
	BLOCK_WORDS = 3,
	BLOCK_BYTES = BLOCK_WORDS * 8,
	BLOCK_PAGES = 8,
	BLOCKS = BLOCK_PAGES * TEST_PAGE_BYTES / BLOCK_BYTES
};

struct blocks {
	char name[64];
	uint64_t seed;
	uint64_t ops;
	const char **mounts;
	unsigned mounts_count;
	struct {
		struct meeting meeting;
		uint64_t model[BLOCKS][BLOCK_WORDS];
	} *shared;
};

struct blocks_program {
	const struct blocks *blocks;
	unsigned number;
	struct random random;
	int fd;
	bool writable;
	char *memory;
};

static void blocks_open(struct blocks_program *program, bool writable)
{
	program->writable = writable;
	program->fd = object_open(program->blocks->mounts[program->number], program->blocks->name,
	                          writable ? O_RDWR : O_RDONLY);
	program->memory = object_map(program->fd, MAP_BYTES, writable);
}

static void blocks_close(struct blocks_program *program)
{
	munmap(program->memory, MAP_BYTES);
	close(program->fd);
}

static void block_check(struct blocks_program *program, unsigned block, bool call)
{
	const uint64_t *model = program->blocks->shared->model[block];
	uint64_t seen[BLOCK_WORDS];

	if (call) {
		if (pread(program->fd, seen, BLOCK_BYTES, (off_t)block * BLOCK_BYTES) != BLOCK_BYTES)
			test_fail("program %u: pread of block %u failed", program->number, block);
	} else {
		for (unsigned w = 0; w < BLOCK_WORDS; w++)
			if (!guard_copy(&seen[w], program->memory + (size_t)block * BLOCK_BYTES + w * 8, 8))
				test_fail("program %u: SIGBUS at block %u", program->number, block);
	}
	if (memcmp(seen, model, BLOCK_BYTES) != 0)
		test_fail("program %u sees %llx %llx %llx in block %u (offset %u) by %s, must be %llx %llx %llx",
		          program->number, (unsigned long long)seen[0], (unsigned long long)seen[1],
		          (unsigned long long)seen[2], block, block * BLOCK_BYTES, call ? "pread" : "loads",
		          (unsigned long long)model[0], (unsigned long long)model[1], (unsigned long long)model[2]);
}

static void block_set(struct blocks_program *program, unsigned block, bool call)
{
	uint64_t *model = program->blocks->shared->model[block];

	for (unsigned w = 0; w < BLOCK_WORDS; w++)
		model[w] = random_next(&program->random);
	if (call) {
		if (pwrite(program->fd, model, BLOCK_BYTES, (off_t)block * BLOCK_BYTES) != BLOCK_BYTES)
			test_fail("program %u: pwrite of block %u failed", program->number, block);
		return;
	}
	for (unsigned w = 0; w < BLOCK_WORDS; w++)
		if (!guard_copy(program->memory + (size_t)block * BLOCK_BYTES + w * 8, &model[w], 8))
			test_fail("program %u: SIGBUS at block %u", program->number, block);
}

/* Beyond the blocks anything may be, but nothing may hang, and no block may be lost. */
static void blocks_end_move(struct blocks_program *program)
{
	uint64_t blocks_end = (uint64_t)BLOCK_PAGES * TEST_PAGE_BYTES;
	uint64_t past = random_below(&program->random, FILE_BYTES_MAX - blocks_end);
	char byte;

	if (random_next(&program->random) >> 63)
		guard_copy(&byte, program->memory + blocks_end + past, 1);
	else if (program->writable && ftruncate(program->fd, (off_t)(blocks_end + past)) != 0)
		test_fail("program %u: ftruncate failed", program->number);
}

static void blocks_op(struct blocks_program *program)
{
	unsigned count = program->blocks->mounts_count;
	unsigned die = (unsigned)random_below(&program->random, 200);
	unsigned block = (unsigned)random_below(&program->random, BLOCKS / count) * count + program->number;

	if (die < 90 && program->writable)
		block_set(program, block, die < 30);
	else if (die < 190)
		block_check(program, block, die < 130);
	else if (die < 194)
		blocks_end_move(program);
	else if (die < 197 && msync(program->memory, FILE_BYTES_MAX, MS_SYNC) != 0)
		test_fail("program %u: msync failed", program->number);
	else if (die >= 197) {
		blocks_close(program);
		blocks_open(program, random_below(&program->random, 4) != 0);
	}
}

static void blocks_child(unsigned number, void *context)
{
	const struct blocks *blocks = context;
	struct blocks_program program = {.blocks = blocks, .number = number};

	random_init(&program.random, blocks->seed * 101 + number);
	guard_init();
	blocks_open(&program, true);
	meeting_wait(&blocks->shared->meeting, blocks->mounts_count);
	for (uint64_t i = 0; i < blocks->ops; i++)
		blocks_op(&program);
	blocks_close(&program);
	meeting_wait(&blocks->shared->meeting, blocks->mounts_count);
	blocks_open(&program, number % 2 == 0);
	for (unsigned block = 0; block < BLOCKS; block++)
		block_check(&program, block, random_next(&program.random) >> 63);
	blocks_close(&program);
}

static void blocks_run(uint64_t ops, const char **mounts, unsigned mounts_count)
{
	struct blocks blocks = {.ops = ops, .mounts = mounts, .mounts_count = mounts_count};

	blocks.seed = test_seed();
	blocks.shared = local_shared(sizeof(*blocks.shared));
	snprintf(blocks.name, sizeof(blocks.name), "blocks-%d", (int)getpid());
	object_create(mounts[0], blocks.name, (uint64_t)BLOCK_PAGES * TEST_PAGE_BYTES);
	children_run(mounts_count, blocks_child, &blocks);
	object_destroy(mounts[0], blocks.name);
}

int main(int count, char **arguments)
{
	if (count < 4 || (unsigned)count - 3 > TEST_MOUNTS_MAX) {
		fprintf(stderr, "usage: mixed model|blocks OPS MOUNT...\n");
		return 2;
	}
	if (strcmp(arguments[1], "model") == 0)
		model_run(test_number(arguments[2]), (const char **)&arguments[3], (unsigned)count - 3);
	else
		blocks_run(test_number(arguments[2]), (const char **)&arguments[3], (unsigned)count - 3);
	return 0;
}
