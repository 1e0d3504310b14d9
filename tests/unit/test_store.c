/*
 * test_store.c: goal: pages keep what was written, holes are zeros, memory is given back, and size costs nothing.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "msg/limits.h"
#include "store/store.h"

#define OBJECT UINT64_C(0x10000000001)
#define GIB_PAGES (UINT64_C(1) << 18)
#define LAST_PAGE (OBJECT_BYTES_MAX / PAGE_BYTES - 1)

static struct store *new_store(uint64_t pages)
{
	struct store *store;

	ck_assert_int_eq(store_new(&store, pages), 0);
	return store;
}

static int write_word(struct store *store, uint64_t obj, uint32_t seg, uint64_t page, uint64_t word)
{
	return store_write(store, obj, seg, page, 0, &word, sizeof(word));
}

static uint64_t read_word(const struct store *store, uint64_t obj, uint32_t seg, uint64_t page)
{
	uint64_t words[PAGE_BYTES / sizeof(uint64_t)];

	store_read(store, obj, seg, page, 1, words);
	return words[0];
}

static uint64_t resident_pages(void)
{
	unsigned long size = 0, resident = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fscanf(file, "%lu %lu", &size, &resident), 2);
	fclose(file);
	return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE) / PAGE_BYTES;
}

START_TEST(parts_of_pages)
{
	struct store *store = new_store(4);
	uint8_t pages[3 * PAGE_BYTES];
	uint8_t expected[3 * PAGE_BYTES] = { 0 };

	memset(pages, 0xff, sizeof(pages));
	store_read(store, OBJECT, 0, 7, 3, pages);
	ck_assert_mem_eq(pages, expected, sizeof(pages));
	ck_assert_int_eq(store_write(store, OBJECT, 0, 8, 4090, "tail", 4), 0);
	ck_assert_int_eq(store_write(store, OBJECT, 0, 8, 4092, "TAIL", 4), 0);
	ck_assert_int_eq(store_write(store, OBJECT, 0, 9, 0, "head", 4), 0);
	memcpy(expected + PAGE_BYTES + 4090, "taTAIL", 6);
	memcpy(expected + 2 * PAGE_BYTES, "head", 4);
	store_read(store, OBJECT, 0, 7, 3, pages);
	ck_assert_mem_eq(pages, expected, sizeof(pages));
	ck_assert_uint_eq(store_pages(store), 2);
	store_free(store);
}
END_TEST

START_TEST(objects_and_segments_are_apart)
{
	struct store *store = new_store(8);

	ck_assert_int_eq(write_word(store, OBJECT, 0, 1, 10), 0);
	ck_assert_int_eq(write_word(store, OBJECT, 1, 1, 11), 0);
	ck_assert_int_eq(write_word(store, OBJECT + 1, 0, 1, 20), 0);
	store_drop(store, OBJECT, 1, 0, 0);
	ck_assert_uint_eq(read_word(store, OBJECT, 0, 1), 10);
	ck_assert_uint_eq(read_word(store, OBJECT, 1, 1), 0);
	ck_assert_uint_eq(read_word(store, OBJECT + 1, 0, 1), 20);
	store_drop(store, OBJECT + 2, 0, 0, 0);
	ck_assert_uint_eq(store_pages(store), 2);
	store_free(store);
}
END_TEST

START_TEST(full)
{
	struct store *store = new_store(2);

	ck_assert_int_eq(write_word(store, OBJECT, 0, 0, 1), 0);
	ck_assert_int_eq(write_word(store, OBJECT, 0, 1, 2), 0);
	ck_assert_int_eq(write_word(store, OBJECT, 0, 2, 3), -ENOSPC);
	ck_assert_int_eq(write_word(store, OBJECT + 1, 0, 0, 3), -ENOSPC);
	ck_assert_int_eq(write_word(store, OBJECT, 0, 1, 4), 0);
	store_drop(store, OBJECT, 0, 0, 1);
	ck_assert_int_eq(write_word(store, OBJECT + 1, 0, 0, 5), 0);
	ck_assert_uint_eq(read_word(store, OBJECT, 0, 0), 0);
	ck_assert_uint_eq(read_word(store, OBJECT, 0, 1), 4);
	ck_assert_uint_eq(read_word(store, OBJECT + 1, 0, 0), 5);
	store_free(store);
	store = new_store(0);
	ck_assert_int_eq(write_word(store, OBJECT, 0, 0, 1), -ENOSPC);
	store_free(store);
	ck_assert_int_eq(store_new(&store, UINT64_MAX), -ENOMEM);
}
END_TEST

START_TEST(far_pages)
{
	struct store *store = new_store(4);

	ck_assert_int_eq(write_word(store, OBJECT, 0, LAST_PAGE, 1), 0);
	ck_assert_int_eq(write_word(store, OBJECT, 0, LAST_PAGE / 2, 2), 0);
	store_drop(store, OBJECT, 0, LAST_PAGE / 2 + 1, LAST_PAGE / 2 - 2);
	ck_assert_uint_eq(store_pages(store), 2);
	store_drop(store, OBJECT, 0, LAST_PAGE / 2 + 1, UINT64_MAX);
	ck_assert_uint_eq(store_pages(store), 1);
	ck_assert_uint_eq(read_word(store, OBJECT, 0, LAST_PAGE), 0);
	ck_assert_uint_eq(read_word(store, OBJECT, 0, LAST_PAGE / 2), 2);
	store_drop(store, OBJECT, 0, 0, 0);
	ck_assert_uint_eq(store_pages(store), 0);
	store_free(store);
}
END_TEST

/* A slot that is used again must not show what was in it. */
START_TEST(dropped_pages_are_zeros_again)
{
	struct store *store = new_store(1);
	uint8_t page[PAGE_BYTES];
	uint8_t zeros[PAGE_BYTES] = { 0 };

	memset(page, 0xaa, sizeof(page));
	ck_assert_int_eq(store_write(store, OBJECT, 0, 3, 0, page, PAGE_BYTES), 0);
	store_drop(store, OBJECT, 0, 3, 1);
	ck_assert_int_eq(store_write(store, OBJECT, 0, 4, 0, "", 0), 0);
	store_read(store, OBJECT, 0, 4, 1, page);
	ck_assert_mem_eq(page, zeros, PAGE_BYTES);
	store_free(store);
}
END_TEST

/* 1 TiB with 1,024 pages in it takes their memory and their books (a few KiB each at worst), no more. */
START_TEST(sparse_costs_nothing)
{
	struct store *store = new_store(UINT64_C(1) << 28);
	uint64_t before_pages = resident_pages();

	for (uint64_t i = 0; i < 1024; i++)
		ck_assert_int_eq(write_word(store, OBJECT, 0, i * GIB_PAGES, i + 1), 0);
	ck_assert_uint_eq(read_word(store, OBJECT, 0, 1023 * GIB_PAGES), 1024);
	ck_assert_uint_le(resident_pages() - before_pages, 4 * 1024);
	store_free(store);
}
END_TEST

START_TEST(dropped_memory_goes_back)
{
	struct store *store = new_store(GIB_PAGES / 8);
	uint64_t before_pages = resident_pages();
	struct timespec from, to;

	for (uint64_t page = 0; page < GIB_PAGES / 8; page++)
		ck_assert_int_eq(write_word(store, OBJECT, 0, page, page), 0);
	ck_assert_uint_ge(resident_pages() - before_pages, GIB_PAGES / 8);
	clock_gettime(CLOCK_MONOTONIC, &from);
	store_drop(store, OBJECT, 0, 0, 0);
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("dropping 128 MiB took %ld ms\n",
	       (long)((to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000));
	/* Some slack for the allocator, and for sanitizers that keep freed memory for a while. */
	ck_assert_uint_le(resident_pages(), before_pages + GIB_PAGES / 64);
	store_free(store);
}
END_TEST

#define MODEL_PAGES 3000u
#define MODEL_OBJECTS 3u

/* Random writes and drops against a plain array. */
START_TEST(as_a_model_says)
{
	static uint64_t model[MODEL_OBJECTS][MODEL_PAGES];
	struct store *store = new_store(MODEL_OBJECTS * MODEL_PAGES / 2);
	uint64_t used = 0;

	srandom(1);
	memset(model, 0, sizeof(model));
	for (unsigned i = 0; i < 200000; i++) {
		uint64_t object = (uint64_t)random() % MODEL_OBJECTS;
		uint64_t page = (uint64_t)random() % MODEL_PAGES;

		if (random() % 500 == 0) {
			uint64_t count = (uint64_t)random() % (MODEL_PAGES - page + 1);
			uint64_t last = count == 0 ? MODEL_PAGES : page + count;

			store_drop(store, OBJECT + object, 0, page, count);
			for (uint64_t at = page; at < last; at++) {
				used -= model[object][at] != 0;
				model[object][at] = 0;
			}
		} else if (random() % 2) {
			int expected = model[object][page] || used < MODEL_OBJECTS * MODEL_PAGES / 2 ? 0 : -ENOSPC;

			ck_assert_int_eq(write_word(store, OBJECT + object, 0, page, i + 1), expected);
			if (expected == 0) {
				used += model[object][page] == 0;
				model[object][page] = i + 1;
			}
		} else {
			ck_assert_uint_eq(read_word(store, OBJECT + object, 0, page), model[object][page]);
		}
		ck_assert_uint_eq(store_pages(store), used);
	}
	store_free(store);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store");
	TCase *cases = tcase_create("store");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(cases, 60);
	tcase_add_test(cases, parts_of_pages);
	tcase_add_test(cases, objects_and_segments_are_apart);
	tcase_add_test(cases, full);
	tcase_add_test(cases, far_pages);
	tcase_add_test(cases, dropped_pages_are_zeros_again);
	tcase_add_test(cases, sparse_costs_nothing);
	tcase_add_test(cases, dropped_memory_goes_back);
	tcase_add_test(cases, as_a_model_says);
	suite_add_tcase(suite, cases);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
