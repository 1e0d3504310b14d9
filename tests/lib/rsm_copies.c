/*
 * Goal: get and put in all sizes, scattered transfers, barriers in both modes; and the example programs.
 */
#define _GNU_SOURCE 1
#include "rsm_scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define NEW_SEED 9

static union {
	uint8_t u8[SEGMENT_BYTES];
	uint16_t u16[SEGMENT_BYTES / 2];
	uint32_t u32[SEGMENT_BYTES / 4];
	uint64_t u64[SEGMENT_BYTES / 8];
	char c[SEGMENT_BYTES];
} buffer;

static void scene(void)
{
	exporter_start(0);
	import_here(RSM_PERM_RDWR);
}

static void fill(unsigned seed)
{
	for (size_t i = 0; i < SEGMENT_BYTES; i++)
		buffer.c[i] = (char)pattern(seed, i);
}

/* Sizes. */

static int get_all(int size)
{
	rsm_memseg_import_handle_t import = program.imported;

	return size == 1   ? rsm_memseg_import_get8(import, 0, buffer.u8, SEGMENT_BYTES)
	       : size == 2 ? rsm_memseg_import_get16(import, 0, buffer.u16, SEGMENT_BYTES / 2)
	       : size == 4 ? rsm_memseg_import_get32(import, 0, buffer.u32, SEGMENT_BYTES / 4)
	       : size == 8 ? rsm_memseg_import_get64(import, 0, buffer.u64, SEGMENT_BYTES / 8)
			   : rsm_memseg_import_get(import, 0, buffer.c, SEGMENT_BYTES);
}

static int put_all(int size)
{
	rsm_memseg_import_handle_t import = program.imported;

	return size == 1   ? rsm_memseg_import_put8(import, 0, buffer.u8, SEGMENT_BYTES)
	       : size == 2 ? rsm_memseg_import_put16(import, 0, buffer.u16, SEGMENT_BYTES / 2)
	       : size == 4 ? rsm_memseg_import_put32(import, 0, buffer.u32, SEGMENT_BYTES / 4)
	       : size == 8 ? rsm_memseg_import_put64(import, 0, buffer.u64, SEGMENT_BYTES / 8)
			   : rsm_memseg_import_put(import, 0, buffer.c, SEGMENT_BYTES);
}

static const int sizes[] = { 1, 2, 4, 8, 0 };
static const rsm_barrier_mode_t modes[] = { RSM_BARRIER_MODE_IMPLICIT, RSM_BARRIER_MODE_EXPLICIT };

START_TEST(test_whole_segment)
{
	int size = sizes[_i / 2];
	rsm_barrier_mode_t mode = modes[_i % 2];

	scene();
	OK(rsm_memseg_import_set_mode(program.imported, mode));
	OK(rsm_memseg_import_open_barrier(&program.barrier));
	OK(get_all(size));
	ck_assert_uint_eq(memory_wrong(buffer.c, 0, SEGMENT_BYTES, 1), 0);
	fill(NEW_SEED);
	OK(put_all(size));
	OK(rsm_memseg_import_close_barrier(&program.barrier));
	ck_assert_int_eq(ASK(exporter, step_wrong, NEW_SEED), 0);
	memset(buffer.c, 0, SEGMENT_BYTES);
	OK(get_all(size));
	ck_assert_uint_eq(memory_wrong(buffer.c, 0, SEGMENT_BYTES, NEW_SEED), 0);
}
END_TEST

/* One element changes what it has to, and nothing beside it. */
START_TEST(test_one_element)
{
	uint8_t u8 = 0xa1;
	uint16_t u16 = 0xa1a2;
	uint32_t u32 = 0xa1a2a3a4;
	uint64_t u64 = 0xa1a2a3a4a5a6a7a8;

	scene();
	OK(rsm_memseg_import_put8(program.imported, 1, &u8, 1));
	OK(rsm_memseg_import_put16(program.imported, 2 * PAGE - 2, &u16, 1));
	OK(rsm_memseg_import_put32(program.imported, 2 * PAGE, &u32, 1));
	OK(rsm_memseg_import_put64(program.imported, SEGMENT_BYTES - 8, &u64, 1));
	OK(rsm_memseg_import_get(program.imported, 0, buffer.c, SEGMENT_BYTES));
	ck_assert(buffer.u8[1] == u8 && buffer.u16[PAGE - 1] == u16 && buffer.u32[PAGE / 2] == u32 &&
		  buffer.u64[SEGMENT_BYTES / 8 - 1] == u64);
	ck_assert_uint_eq(memory_wrong(buffer.c, 2, 2 * PAGE - 2, 1) + memory_wrong(buffer.c, 0, 1, 1) +
			  memory_wrong(buffer.c, 2 * PAGE + 4, SEGMENT_BYTES - 8, 1), 0);
	u8 = 0, u16 = 0, u32 = 0, u64 = 0;
	OK(rsm_memseg_import_get8(program.imported, 1, &u8, 1));
	OK(rsm_memseg_import_get16(program.imported, 2 * PAGE - 2, &u16, 1));
	OK(rsm_memseg_import_get32(program.imported, 2 * PAGE, &u32, 1));
	OK(rsm_memseg_import_get64(program.imported, SEGMENT_BYTES - 8, &u64, 1));
	ck_assert(u8 == 0xa1 && u16 == 0xa1a2 && u32 == 0xa1a2a3a4 && u64 == 0xa1a2a3a4a5a6a7a8);
	ck_assert_int_eq(ASK(exporter, step_load, SEGMENT_BYTES - 8), (long)u64);
}
END_TEST

/* Bytes may lie anywhere. */
START_TEST(test_bytes)
{
	static const struct {
		off_t offset;
		size_t length;
	} parts[] = { { 1, 1 }, { 3, 4093 }, { 4090, 13 }, { 4095, 4098 }, { SEGMENT_BYTES - 1, 1 } };

	scene();
	for (size_t i = 0; i < COUNT(parts); i++) {
		size_t from = (size_t)parts[i].offset;
		size_t to = from + parts[i].length;

		memset(buffer.c, 0, SEGMENT_BYTES);
		OK(rsm_memseg_import_get(program.imported, parts[i].offset, buffer.c + from, parts[i].length));
		ck_assert_uint_eq(memory_wrong(buffer.c, from, to, 1), 0);
		for (size_t place = 0; place < SEGMENT_BYTES; place++)
			ck_assert((place >= from && place < to) || buffer.c[place] == 0);
		fill(NEW_SEED);
		OK(rsm_memseg_import_put(program.imported, parts[i].offset, buffer.c + from, parts[i].length));
		OK(rsm_memseg_import_get(program.imported, 0, buffer.c, SEGMENT_BYTES));
		ck_assert_uint_eq(memory_wrong(buffer.c, from, to, NEW_SEED) + memory_wrong(buffer.c, 0, from, 1) +
				  memory_wrong(buffer.c, to, SEGMENT_BYTES, 1), 0);
		fill(1);
		OK(rsm_memseg_import_put(program.imported, 0, buffer.c, SEGMENT_BYTES));
	}
}
END_TEST

/* While there is a mapping, and it is all of the segment, copying goes on; and both are one memory. */
START_TEST(test_copies_and_a_mapping)
{
	scene();
	OK(HERE(step_map, RSM_PERM_RDWR, 0, SEGMENT_BYTES));
	for (int i = 0; i < 5; i++) {
		fill((unsigned)i + 2);
		OK(put_all(sizes[i]));
		ck_assert_uint_eq(memory_wrong(program.mapped, 0, SEGMENT_BYTES, (unsigned)i + 2), 0);
		program.mapped[PAGE + 1] = 'x';
		OK(get_all(sizes[i]));
		ck_assert_int_eq(buffer.c[PAGE + 1], 'x');
	}
}
END_TEST

/* Read-only and write-only connections do what they may, in each size. */
START_TEST(test_one_way_connections)
{
	exporter_start(0);
	import_here(RSM_PERM_READ);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		OK(get_all(sizes[i]));
		ck_assert_uint_eq(memory_wrong(buffer.c, 0, SEGMENT_BYTES, 1), 0);
	}
	OK(barrier_code());
	import_here(RSM_PERM_WRITE);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		fill((unsigned)i + 2);
		OK(put_all(sizes[i]));
		ck_assert_int_eq(ASK(exporter, step_wrong, (long)i + 2), 0);
	}
	OK(barrier_code());
}
END_TEST

/* Scattered transfers. */

/* Page i of the segment from or to page `from[i]` of memory behind a handle, or of plain memory. */
static rsm_scat_gath_t pages_list(rsm_iovec_t *vector, rsm_localmemory_handle_t handle, uint_t flags)
{
	for (size_t i = 0; i < SEGMENT_PAGES; i++) {
		size_t page = SEGMENT_PAGES - 1 - i;

		vector[i] = (rsm_iovec_t){ .remote_offset = i * PAGE, .transfer_length = PAGE };
		if (handle && i % 2) {
			vector[i].io_type = RSM_HANDLE_TYPE;
			vector[i].local.handle = handle;
			vector[i].local_offset = page * PAGE;
		} else {
			vector[i].io_type = RSM_VA_TYPE;
			vector[i].local.vaddr = buffer.c + page * PAGE;
		}
	}
	return (rsm_scat_gath_t){ .local_nodeid = 2, .io_request_count = SEGMENT_PAGES, .io_residual_count = 99,
				  .flags = flags, .remote_handle = program.imported, .iovec = vector };
}

START_TEST(test_scattered)
{
	char *local = memory_new(SEGMENT_BYTES, 7);
	rsm_localmemory_handle_t handle;
	rsm_iovec_t vector[SEGMENT_PAGES];
	rsm_scat_gath_t list;

	scene();
	OK(rsm_create_localmemory_handle(program_controller(), &handle, local, SEGMENT_BYTES));
	list = pages_list(vector, handle, 0);
	OK(rsm_memseg_import_getv(&list));
	ck_assert_uint_eq(list.io_residual_count, 0);
	for (size_t i = 0; i < SEGMENT_PAGES; i++) {
		size_t page = SEGMENT_PAGES - 1 - i;
		const char *got = i % 2 ? local : buffer.c;

		for (size_t place = 0; place < PAGE; place++)
			ck_assert_uint_eq((unsigned char)got[page * PAGE + place], pattern(1, i * PAGE + place));
	}
	ck_assert_uint_eq(memory_wrong(local, PAGE, 2 * PAGE, 7), 0);
	/* And back, so that the pages change their places. */
	for (size_t i = 0; i < SEGMENT_PAGES; i++)
		vector[i].remote_offset = (SEGMENT_PAGES - 1 - i) * PAGE;
	list.io_residual_count = 99;
	OK(rsm_memseg_import_putv(&list));
	ck_assert_uint_eq(list.io_residual_count, 0);
	OK(rsm_memseg_import_get(program.imported, 0, buffer.c, PAGE));
	for (size_t place = 0; place < PAGE; place++)
		ck_assert_uint_eq(buffer.u8[place], pattern(1, (SEGMENT_PAGES - 1) * PAGE + place));
	OK(rsm_free_localmemory_handle(program_controller(), handle));
	ck_assert_int_eq(rsm_memseg_import_getv(&list), RSMERR_BAD_LOCALMEM_HNDL);
}
END_TEST

START_TEST(test_scattered_bytes)
{
	rsm_iovec_t vector[RSM_MAX_SGIOREQS];
	rsm_scat_gath_t list = { .io_request_count = RSM_MAX_SGIOREQS, .iovec = vector };

	scene();
	list.remote_handle = program.imported;
	for (size_t i = 0; i < RSM_MAX_SGIOREQS; i++)
		vector[i] = (rsm_iovec_t){ .io_type = RSM_VA_TYPE, .local.vaddr = buffer.c, .local_offset = 3 * i,
					   .remote_offset = 1000 * i + 1, .transfer_length = 3 };
	OK(rsm_memseg_import_getv(&list));
	for (size_t i = 0; i < RSM_MAX_SGIOREQS; i++)
		for (size_t place = 0; place < 3; place++)
			ck_assert_uint_eq(buffer.u8[3 * i + place], pattern(1, 1000 * i + 1 + place));
}
END_TEST

/* The first error stops, and what was before it is done. */
START_TEST(test_scattered_residual)
{
	rsm_iovec_t vector[SEGMENT_PAGES];
	rsm_scat_gath_t list;

	scene();
	fill(NEW_SEED);
	for (size_t wrong = 0; wrong < SEGMENT_PAGES; wrong++) {
		list = pages_list(vector, NULL, RSM_IMPLICIT_SIGPOST);
		vector[wrong].remote_offset = SEGMENT_BYTES;
		ck_assert_int_eq(rsm_memseg_import_putv(&list), RSMERR_BAD_LENGTH);
		ck_assert_uint_eq(list.io_residual_count, SEGMENT_PAGES - wrong);
		list.io_residual_count = 99;
		ck_assert_int_eq(rsm_memseg_import_getv(&list), RSMERR_BAD_LENGTH);
		ck_assert_uint_eq(list.io_residual_count, SEGMENT_PAGES - wrong);
	}
	/* Pages before the last wrong one were put, the last was not, and no signal was sent. */
	OK(rsm_memseg_import_get(program.imported, 0, buffer.c, SEGMENT_BYTES));
	ck_assert_uint_eq(memory_wrong(buffer.c, (SEGMENT_PAGES - 1) * PAGE, SEGMENT_BYTES, 1), 0);
	for (size_t place = 0; place < PAGE; place++)
		ck_assert_uint_eq(buffer.u8[place], pattern(NEW_SEED, (SEGMENT_PAGES - 1) * PAGE + place));
	ck_assert_int_eq(ASK(exporter, step_wait, EXPORTED, 50), RSMERR_TIMEOUT);
}
END_TEST

/* One signal for the whole list, after it. */
START_TEST(test_scattered_signal)
{
	rsm_iovec_t vector[SEGMENT_PAGES];
	rsm_scat_gath_t list;

	scene();
	fill(NEW_SEED);
	list = pages_list(vector, NULL, RSM_IMPLICIT_SIGPOST);
	OK(rsm_memseg_import_putv(&list));
	OK(ASK(exporter, step_wait, EXPORTED, PATIENCE_MS));
	ck_assert_int_eq(ASK(exporter, step_wait, EXPORTED, 50), RSMERR_TIMEOUT);
	list.flags = RSM_IMPLICIT_SIGPOST | RSM_SIGPOST_NO_ACCUMULATE;
	OK(rsm_memseg_import_getv(&list));
	OK(rsm_memseg_import_getv(&list));
	OK(ASK(exporter, step_wait, EXPORTED, PATIENCE_MS));
	ck_assert_int_eq(ASK(exporter, step_wait, EXPORTED, 50), RSMERR_TIMEOUT);
	list.flags = 0;
	OK(rsm_memseg_import_putv(&list));
	ck_assert_int_eq(ASK(exporter, step_wait, EXPORTED, 50), RSMERR_TIMEOUT);
}
END_TEST

/* Barriers. */

START_TEST(test_modes)
{
	rsm_barrier_mode_t mode = (rsm_barrier_mode_t)7;

	scene();
	OK(rsm_memseg_import_get_mode(program.imported, &mode));
	ck_assert_int_eq(mode, RSM_BARRIER_MODE_IMPLICIT);
	OK(rsm_memseg_import_set_mode(program.imported, RSM_BARRIER_MODE_EXPLICIT));
	OK(rsm_memseg_import_get_mode(program.imported, &mode));
	ck_assert_int_eq(mode, RSM_BARRIER_MODE_EXPLICIT);
	OK(rsm_memseg_import_set_mode(program.imported, RSM_BARRIER_MODE_IMPLICIT));
}
END_TEST

START_TEST(test_barriers_of_all_types)
{
	static const rsm_barrier_type_t types[] = { RSM_BARRIER_SEGMENT, RSM_BARRIER_NODE, RSM_BARRIER_SEGMENT_THREAD,
						    RSM_BARRIER_NODE_THREAD, RSM_BAR_DEFAULT };
	rsmapi_barrier_t barriers[COUNT(types)];

	scene();
	OK(HERE(step_map, RSM_PERM_RDWR, 0, SEGMENT_BYTES));
	for (size_t i = 0; i < COUNT(types); i++)
		OK(rsm_memseg_import_init_barrier(program.imported, types[i], &barriers[i]));
	for (size_t i = 0; i < COUNT(types); i++) {
		OK(rsm_memseg_import_open_barrier(&barriers[i]));
		HERE(step_mapped_store, (long)i * 8, (long)i);
		OK(rsm_memseg_import_order_barrier(&barriers[i]));
		OK(rsm_memseg_import_close_barrier(&barriers[i]));
		ck_assert_int_eq(ASK(exporter, step_load, (long)i * 8), (long)i);
	}
	for (size_t i = 0; i < COUNT(types); i++)
		OK(rsm_memseg_import_destroy_barrier(&barriers[i]));
}
END_TEST

/* A barrier has failed only where something between opening and closing did. */
START_TEST(test_barriers_of_two_segments)
{
	struct peer *other = peer_start(3);
	rsmapi_barrier_t first;

	scene();
	first = program.barrier;
	OK(ASK(other, step_export, SEGMENT_PAGES, 0, 1, segment_id()));
	OK(HERE(step_import, 3, segment_id(), RSM_PERM_RDWR));
	OK(rsm_memseg_import_open_barrier(&first));
	OK(rsm_memseg_import_open_barrier(&program.barrier));
	peer_kill(other);
	await_cut();
	ck_assert_int_eq(rsm_memseg_import_close_barrier(&program.barrier), RSMERR_CONN_ABORTED);
	OK(rsm_memseg_import_close_barrier(&first));
}
END_TEST

/* In the explicit mode, a copy that does not arrive says nothing: closing does. */
START_TEST(test_explicit_errors_are_silent)
{
	scene();
	OK(rsm_memseg_import_set_mode(program.imported, RSM_BARRIER_MODE_EXPLICIT));
	OK(HERE(step_map, RSM_PERM_RDWR, 0, SEGMENT_BYTES));
	OK(rsm_memseg_import_open_barrier(&program.barrier));
	OK(ASK(exporter, step_destroy, 0));
	for (size_t i = 0; i < COUNT(sizes); i++) {
		int got = get_all(sizes[i]);
		int put = put_all(sizes[i]);

		ck_assert(got == RSM_SUCCESS || got == RSMERR_CONN_ABORTED);
		ck_assert(put == RSM_SUCCESS || put == RSMERR_CONN_ABORTED);
	}
	HERE(step_mapped_store, 0, 1);
	await_cut();
	ck_assert_int_eq(rsm_memseg_import_close_barrier(&program.barrier), RSMERR_CONN_ABORTED);
}
END_TEST

static long step_put_bytes(const long *offset_value)
{
	long value = offset_value[1];

	return rsm_memseg_import_put(program.imported, offset_value[0], &value, sizeof value);
}

/* A close says that the exporter's node has it: the importer's may die the next moment. */
START_TEST(test_closed_is_safe)
{
	struct peer *importer;

	nodes_start(2, NULL);
	exporter_start(0);
	importer = peer_start(2);
	OK(ASK(importer, step_import, 1, segment_id(), RSM_PERM_RDWR));
	OK(ASK(importer, step_mode, RSM_BARRIER_MODE_EXPLICIT));
	OK(ASK(importer, step_map, RSM_PERM_RDWR, 0, SEGMENT_BYTES));
	OK(ASK(importer, step_open_barrier, 0));
	ASK(importer, step_mapped_store, 0, 5);
	OK(ASK(importer, step_put, PAGE, 6));
	OK(ASK(importer, step_close_barrier, 0));
	OK(ASK(importer, step_mode, RSM_BARRIER_MODE_IMPLICIT));
	OK(ASK(importer, step_put, 2 * PAGE, 7));
	OK(ASK(importer, step_put_bytes, 3 * PAGE, 8));
	nodes_do("kill", 2);
	ck_assert_int_eq(ASK(exporter, step_load, 0), 5);
	ck_assert_int_eq(ASK(exporter, step_load, PAGE), 6);
	ck_assert_int_eq(ASK(exporter, step_load, 2 * PAGE), 7);
	ck_assert_int_eq(ASK(exporter, step_load, 3 * PAGE), 8);
	peer_kill(importer);
	nodes_stop();
}
END_TEST

/* RSM_MAP_RESERVED is at the address given, too. */
START_TEST(test_map_reserved)
{
	char *reserved = mmap(NULL, SEGMENT_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *address = reserved;

	scene();
	OK(rsm_memseg_import_map(program.imported, &address, RSM_MAP_RESERVED, RSM_PERM_READ, 0, SEGMENT_BYTES));
	ck_assert_ptr_eq(address, reserved);
	ck_assert_uint_eq(memory_wrong(reserved, 0, SEGMENT_BYTES, 1), 0);
}
END_TEST

/* The example programs, as an administrator would start them. */

static FILE *example(int node, const char *program_name, const char *arguments)
{
	char command[2048];
	FILE *output;

	nodes_use(node);
	snprintf(command, sizeof command, "\"$NETMEM_BUILD/contrib/%s\" %s", program_name, arguments);
	output = popen(command, "r");
	ck_assert_ptr_nonnull(output);
	return output;
}

/* The rest of what it prints, at most as much as there is room for; ends it. */
static void example_end(FILE *output, char *text, size_t text_bytes)
{
	size_t length = fread(text, 1, text_bytes - 1, output);

	text[length] = '\0';
	ck_assert_msg(pclose(output) == 0, "it printed: %s", text);
}

START_TEST(test_examples)
{
	FILE *output = example(1, "rsm-exporter", "");
	FILE *importer;
	char line[256];
	char text[4096];
	const char *arguments;

	ck_assert_ptr_nonnull(fgets(line, sizeof line, output));
	arguments = strstr(line, "rsm-importer ");
	ck_assert_msg(arguments != NULL, "%s", line);
	importer = example(2, "rsm-importer", arguments + strlen("rsm-importer "));
	example_end(importer, text, sizeof text);
	example_end(output, text, sizeof text);
	ck_assert_msg(strstr(text, "word 1 was 1 and is ") && strstr(text, "word 2 was 2 and is "), "%s", text);
}
END_TEST

static void three_nodes(void)
{
	nodes_start(3, NULL);
}

int main(int argc, char **argv)
{
	const TTest *const tests[] = { test_one_element, test_bytes, test_copies_and_a_mapping, test_one_way_connections,
				       test_scattered, test_scattered_bytes, test_scattered_residual,
				       test_scattered_signal, test_modes, test_barriers_of_all_types,
				       test_barriers_of_two_segments, test_explicit_errors_are_silent,
				       test_closed_is_safe, test_map_reserved };
	Suite *suite = suite_create("librsm, copies and barriers");
	TCase *tcase = tcase_create("copies");

	peer_main(argc, argv);
	tcase_add_unchecked_fixture(tcase, three_nodes, nodes_stop);
	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, test_whole_segment, 0, 2 * (int)COUNT(sizes));
	for (size_t i = 0; i < COUNT(tests); i++)
		tcase_add_test(tcase, tests[i]);
	if (getenv("NETMEM_BUILD"))
		tcase_add_test(tcase, test_examples);
	suite_add_tcase(suite, tcase);
	return scene_run(suite);
}
