/*
 * Goal: each function of <rsmapi.h> answers with each code that is documented for it. The rows (rsm_rows.h) say how
 * each code is provoked; `documented` is what the old pages and their library say, and each of its codes has to have a
 * row. What cannot be provoked has a row with the reason, and is counted.
 */
#include "rsm_rows.h"

#include <stdio.h>
#include <string.h>

#define FUNCTIONS 42
#define CODES_MAX 14
#define COPY_CODES { 5, 16, 18, 20, 27, 35, 40 }
#define WIDE_COPY_CODES { 5, 16, 17, 18, 20, 27, 35, 40 }

/* What the old pages and their library document, all functions; ends with 0. */
static const struct {
	const char *function;
	int codes[CODES_MAX];
} documented[] = {
	{ "rsm_get_controller", { 3, 4 } },
	{ "rsm_get_controller_attr", { 3, 16 } },
	{ "rsm_release_controller", { 3 } },
	{ "rsm_get_interconnect_topology", { 2 } },
	{ "rsm_free_interconnect_topology", { 0 } },
	{ "rsm_get_segmentid_range", { 16, 43, 44 } },
	{ "rsm_memseg_export_create", { 3, 4, 5, 12, 16, 17, 20, 27, 30, 31, 32 } },
	{ "rsm_memseg_export_destroy", { 5, 34 } },
	{ "rsm_memseg_export_rebind", { 3, 4, 5, 12, 16, 20, 27, 30, 31, 32, 41 } },
	{ "rsm_memseg_export_publish", { 5, 6, 12, 21, 22, 23, 24, 31 } },
	{ "rsm_memseg_export_unpublish", { 5, 7 } },
	{ "rsm_memseg_export_republish", { 5, 7, 12, 21 } },
	{ "rsm_memseg_import_connect", { 3, 4, 5, 7, 8, 27, 39, 41 } },
	{ "rsm_memseg_import_disconnect", { 5, 10, 34 } },
	{ "rsm_memseg_import_get8", COPY_CODES },
	{ "rsm_memseg_import_get16", WIDE_COPY_CODES },
	{ "rsm_memseg_import_get32", WIDE_COPY_CODES },
	{ "rsm_memseg_import_get64", WIDE_COPY_CODES },
	{ "rsm_memseg_import_get", COPY_CODES },
	{ "rsm_memseg_import_put8", COPY_CODES },
	{ "rsm_memseg_import_put16", WIDE_COPY_CODES },
	{ "rsm_memseg_import_put32", WIDE_COPY_CODES },
	{ "rsm_memseg_import_put64", WIDE_COPY_CODES },
	{ "rsm_memseg_import_put", COPY_CODES },
	{ "rsm_memseg_import_getv", { 5, 14, 15, 16, 18, 20, 27, 40 } },
	{ "rsm_memseg_import_putv", { 5, 14, 15, 16, 18, 20, 27, 40 } },
	{ "rsm_create_localmemory_handle", { 3, 15, 16, 20 } },
	{ "rsm_free_localmemory_handle", { 3, 15 } },
	{ "rsm_memseg_import_map", { 5, 9, 16, 17, 18, 20, 26, 33, 40, 45 } },
	{ "rsm_memseg_import_unmap", { 5, 11 } },
	{ "rsm_memseg_import_init_barrier", { 5, 13 } },
	{ "rsm_memseg_import_open_barrier", { 13, 35 } },
	{ "rsm_memseg_import_order_barrier", { 13, 35 } },
	{ "rsm_memseg_import_close_barrier", { 13, 35, 37, 38, 40 } },
	{ "rsm_memseg_import_destroy_barrier", { 13, 35 } },
	{ "rsm_memseg_import_get_mode", { 5 } },
	{ "rsm_memseg_import_set_mode", { 5, 25 } },
	{ "rsm_intr_signal_post", { 5, 39, 40 } },
	{ "rsm_intr_signal_wait", { 5, 41, 42 } },
	{ "rsm_intr_signal_wait_pollfd", { 16, 31, 32, 41, 42, 117 } },
	{ "rsm_memseg_get_pollfd", { 5 } },
	{ "rsm_memseg_release_pollfd", { 5 } },
};

static size_t rows_count(void)
{
	return rows_export_count + rows_import_count + rows_events_count;
}

static const struct row *row_at(size_t place)
{
	if (place < rows_export_count)
		return &rows_export[place];
	place -= rows_export_count;
	return place < rows_import_count ? &rows_import[place] : &rows_events[place - rows_import_count];
}

static bool has_row(const char *function, int code)
{
	for (size_t i = 0; i < rows_count(); i++)
		if (strcmp(row_at(i)->function, function) == 0 && row_at(i)->code == code)
			return true;
	return false;
}

START_TEST(test_all_that_is_documented)
{
	ck_assert_uint_eq(COUNT(documented), FUNCTIONS);
	for (size_t i = 0; i < COUNT(documented); i++) {
		const int *code = documented[i].codes;

		do
			ck_assert_msg(has_row(documented[i].function, *code), "%s has no row for %d", documented[i].function,
				      *code);
		while (*code && *++code);
	}
}
END_TEST

START_TEST(test_row)
{
	const struct row *row = row_at((size_t)_i);
	int code;

	if (!row->provoke)
		return;
	nodes_use(2);
	code = row->provoke(row->argument);
	memset(&inject, 0, sizeof inject);
	ck_assert_msg(code == row->code, "%s, %s: %d, not %d", row->function, row->how, code, row->code);
}
END_TEST

static void cluster_up(void)
{
	nodes_start(3, NULL);
}

int main(int argc, char **argv)
{
	Suite *suite = suite_create("librsm, all codes");
	TCase *tcase = tcase_create("codes");
	size_t impossible = 0;

	peer_main(argc, argv);
	for (size_t i = 0; i < rows_count(); i++) {
		const struct row *row = row_at(i);

		if (row->provoke)
			continue;
		impossible++;
		printf("not tested: %s, %d: %s\n", row->function, row->code, row->how);
	}
	printf("%zu ways to %d functions' codes, %zu that cannot be\n", rows_count() - impossible, FUNCTIONS, impossible);
	tcase_add_unchecked_fixture(tcase, cluster_up, nodes_stop);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, test_all_that_is_documented);
	tcase_add_loop_test(tcase, test_row, 0, (int)rows_count());
	suite_add_tcase(suite, tcase);
	return scene_run(suite);
}
