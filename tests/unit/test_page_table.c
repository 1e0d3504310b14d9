/*
 * test_page_table.c: entries by page number, against a plain array; where they are; and what they cost.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/page_table.h"

#define PAGES 4096u
#define LONE 50000u

struct entry {
	uint64_t value;
	uint32_t more;
};

struct counted {
	size_t bytes, most;
	unsigned visits;
	uint64_t sum, before;
	bool upwards;
};

static bool take(void *context, size_t bytes)
{
	struct counted *counted = context;

	if (counted->bytes + bytes > counted->most)
		return false;
	counted->bytes += bytes;
	return true;
}

static void give(void *context, size_t bytes)
{
	struct counted *counted = context;

	ck_assert_uint_ge(counted->bytes, bytes);
	counted->bytes -= bytes;
}

static void visit(void *context, uint64_t page, void *item)
{
	struct counted *counted = context;
	const struct entry *entry = item;

	counted->visits++;
	counted->sum += entry->value;
	counted->upwards &= page >= counted->before;
	counted->before = page;
}

static uint64_t far(uint64_t page)
{
	return page * 1000003 % (UINT64_C(1) << 50);
}

/* Goal: whatever is made is found, stays where it is, and is visited once. */
START_TEST(like_an_array)
{
	struct counted counted = { .most = SIZE_MAX / 2 };
	struct page_books books = { .take = take, .give = give, .context = &counted };
	static struct entry *where[PAGES];
	struct page_table table;
	uint64_t sum = 0;

	page_table_init(&table, &books, sizeof(struct entry));
	srandom(1);
	memset(where, 0, sizeof(where));
	for (unsigned i = 0; i < 2 * PAGES; i++) {
		unsigned page = (unsigned)random() % PAGES;
		struct entry *entry = page_table_find(&table, _i ? far(page) : page);

		ck_assert_ptr_eq(entry, where[page]);
		where[page] = page_table_make(&table, _i ? far(page) : page);
		ck_assert(where[page] && (!entry || entry == where[page]));
		if (!entry)
			ck_assert_uint_eq(where[page]->value + where[page]->more, 0);
		sum += !entry ? page + 1 : 0;
		*where[page] = (struct entry){ .value = page + 1, .more = 1 };
	}
	page_table_each(&table, 0, UINT64_MAX, visit, &counted);
	ck_assert_uint_eq(counted.visits, table.count);
	ck_assert_uint_eq(counted.sum, sum);
	page_table_clear(&table);
	ck_assert_uint_eq(counted.bytes, 0);
	ck_assert_ptr_null(page_table_find(&table, 0));
}
END_TEST

/* Goal: a range is visited upwards, and nothing beside it. */
START_TEST(ranges)
{
	struct counted counted = { .upwards = true };
	struct page_table table;

	page_table_init(&table, NULL, sizeof(struct entry));
	for (uint64_t page = PAGES; page > 0; page--)
		((struct entry *)page_table_make(&table, page))->value = 1;
	page_table_each(&table, 100, 199, visit, &counted);
	ck_assert_uint_eq(counted.visits, 100);
	ck_assert(counted.upwards);
	page_table_each(&table, PAGES - 1, UINT64_MAX, visit, &counted);
	ck_assert_uint_eq(counted.visits, 102);
	page_table_clear(&table);
}
END_TEST

/* Goal: pages that are touched alone cost no more than 32 bytes each; what is zero again, nothing. */
START_TEST(small)
{
	struct counted counted = { .most = SIZE_MAX / 2 };
	struct page_books books = { .take = take, .give = give, .context = &counted };
	struct page_table table;

	page_table_init(&table, &books, sizeof(struct entry));
	for (uint64_t page = 0; page < LONE; page++)
		((struct entry *)page_table_make(&table, far(page)))->value = page < 10;
	ck_assert_uint_le(counted.bytes, 32 * LONE);
	page_table_trim(&table);
	ck_assert_uint_eq(table.count, 10);
	ck_assert_uint_le(counted.bytes, 1000);
	ck_assert_uint_eq(((struct entry *)page_table_find(&table, far(9)))->value, 1);
	ck_assert_ptr_null(page_table_find(&table, far(10)));
	page_table_clear(&table);
	ck_assert_uint_eq(counted.bytes, 0);
}
END_TEST

/* Goal: where memory is refused, nothing changes. */
START_TEST(refused)
{
	struct counted counted = { .most = 5000 };
	struct page_books books = { .take = take, .give = give, .context = &counted };
	struct page_table table;
	uint64_t page = 0;

	page_table_init(&table, &books, sizeof(struct entry));
	while (page_table_make(&table, far(page)))
		page++;
	ck_assert_uint_gt(page, 50);
	ck_assert_uint_eq(table.count, page);
	for (uint64_t made = 0; made < page; made++)
		ck_assert_ptr_nonnull(page_table_find(&table, far(made)));
	ck_assert_ptr_null(page_table_find(&table, far(page)));
	page_table_clear(&table);
	ck_assert_uint_eq(counted.bytes, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("page_table");
	TCase *cases = tcase_create("page_table");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(cases, like_an_array, 0, 2);
	tcase_add_test(cases, ranges);
	tcase_add_test(cases, small);
	tcase_add_test(cases, refused);
	suite_add_tcase(suite, cases);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
