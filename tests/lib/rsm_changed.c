/*
 * Goal: a program may do to exported memory what it may do to any: protect it, unmap it, map something else there,
 * move it, make it longer or shorter. Whatever happens to the segment then, what is there of it keeps its contents and
 * its protection, and what the program has put in its place is let alone. The same where pages are lost.
 */
#define _GNU_SOURCE 1
#include "rsm_scene.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MANY_PAGES 200
#define ROUNDS 50

/* Where the program has each page of its segment now; NULL: nowhere. */
static char *places[SEGMENT_PAGES];
static char *memory;
static char *own;    /* what the program has put in the place of a page, and which nobody else touches */
static char *beyond; /* memory past the segment's end that came with it; NULL: none */

/* --- what the program does ---------------------------------------------------------------------------------------- */

static void protect_page(int protection)
{
	ck_assert_int_eq(mprotect(memory + PAGE, PAGE, protection), 0);
}

static void forbid_stores(void)
{
	protect_page(PROT_READ);
}

static void forbid_all(void)
{
	protect_page(PROT_NONE);
}

static void allow_execution(void)
{
	protect_page(PROT_READ | PROT_WRITE | PROT_EXEC);
}

static void forbid_whole(void)
{
	ck_assert_int_eq(mprotect(memory, SEGMENT_BYTES, PROT_NONE), 0);
}

static void unmap_page(void)
{
	ck_assert_int_eq(munmap(memory + PAGE, PAGE), 0);
	places[1] = NULL;
}

static void unmap_whole(void)
{
	ck_assert_int_eq(munmap(memory, SEGMENT_BYTES), 0);
	memset(places, 0, sizeof places);
}

static void map_over(void)
{
	own = mmap(memory + PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_eq(own, memory + PAGE);
	own[7] = 'x';
	places[1] = NULL;
}

/* Room for `length` bytes that nobody else has. */
static char *room(size_t length)
{
	char *address = mmap(NULL, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	ck_assert_ptr_ne(address, MAP_FAILED);
	return address;
}

static void move_page(void)
{
	places[2] = mremap(memory + 2 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room(PAGE));
	ck_assert_ptr_ne(places[2], MAP_FAILED);
}

static void places_set(char *address)
{
	for (size_t i = 0; i < SEGMENT_PAGES; i++)
		places[i] = address + i * PAGE;
}

static void remap(size_t length, int flags)
{
	char *moved = mremap(memory, SEGMENT_BYTES, length, MREMAP_MAYMOVE | flags, room(length));

	ck_assert_ptr_ne(moved, MAP_FAILED);
	places_set(moved);
}

static void move_whole(void)
{
	remap(SEGMENT_BYTES, MREMAP_FIXED);
}

static void grow(void)
{
	remap(2 * SEGMENT_BYTES, 0);
	beyond = places[0] + SEGMENT_BYTES;
}

static void move_and_use_the_place(void)
{
	move_whole();
	own = mmap(memory, SEGMENT_BYTES, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_eq(own, memory);
	own[7] = 'x';
}

static void shrink(void)
{
	ck_assert_ptr_eq(mremap(memory, SEGMENT_BYTES, 2 * PAGE, 0), memory);
	places[2] = places[3] = NULL;
}

static void move_and_protect(void)
{
	move_page();
	ck_assert_int_eq(mprotect(places[2], PAGE, PROT_READ), 0);
	forbid_all();
	unmap_page();
}

static void (*const changes[])(void) = { forbid_stores, forbid_all, allow_execution, forbid_whole, unmap_page,
					 unmap_whole, map_over, move_page, move_whole, grow, move_and_use_the_place,
					 shrink, move_and_protect };

/* --- what is to be there ------------------------------------------------------------------------------------------ */

/* "rwx" with '-' for what is not, as of the page's mapping; "" if there is none. */
static const char *protection_of(const char *address)
{
	static char allowed[4];
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];

	ck_assert_ptr_nonnull(maps);
	allowed[0] = '\0';
	while (!*allowed && fgets(line, sizeof line, maps)) {
		unsigned long begin;
		unsigned long end;

		if (sscanf(line, "%lx-%lx %3s", &begin, &end, allowed) != 3 || (unsigned long)address < begin ||
		    (unsigned long)address >= end)
			allowed[0] = '\0';
	}
	fclose(maps);
	return allowed;
}

static char protections[SEGMENT_PAGES][4];

static void protections_note(void)
{
	for (size_t i = 0; i < SEGMENT_PAGES; i++)
		strcpy(protections[i], places[i] ? protection_of(places[i]) : "");
}

/* A page is where it was, as it was allowed, with the pattern, and can be stored to once that is allowed. */
static void places_check(unsigned seed)
{
	for (size_t i = 0; i < SEGMENT_PAGES; i++) {
		if (!places[i])
			continue;
		ck_assert_str_eq(protection_of(places[i]), protections[i]);
		ck_assert_int_eq(mprotect(places[i], PAGE, PROT_READ | PROT_WRITE), 0);
		ck_assert_msg(memory_wrong(places[i] - i * PAGE, i * PAGE, (i + 1) * PAGE, seed) == 0, "page %zu", i);
		places[i][3]++;
		places[i][3]--;
	}
	if (own)
		ck_assert_int_eq(own[7], 'x');
}

/* Those that the program can load from. */
static void places_check_readable(unsigned seed)
{
	for (size_t i = 0; i < SEGMENT_PAGES; i++)
		if (places[i] && strncmp(protection_of(places[i]), "r", 1) == 0)
			ck_assert_uint_eq(memory_wrong(places[i] - i * PAGE, i * PAGE, (i + 1) * PAGE, seed), 0);
}

static rsm_memseg_export_handle_t export_and(void (*change)(void))
{
	rsm_memseg_export_handle_t export;
	rsm_memseg_id_t id = segment_id();

	/* Not from malloc, which a search for leaks reads. */
	memory = room(SEGMENT_BYTES);
	ck_assert_int_eq(mprotect(memory, SEGMENT_BYTES, PROT_READ | PROT_WRITE), 0);
	for (size_t i = 0; i < SEGMENT_BYTES; i++)
		memory[i] = (char)pattern(1, i);
	OK(rsm_memseg_export_create(program_controller(), &export, memory, SEGMENT_BYTES, RSM_ALLOW_REBIND));
	OK(rsm_memseg_export_publish(export, &id, NULL, 0));
	places_set(memory);
	change();
	protections_note();
	return export;
}

/* --- and then ----------------------------------------------------------------------------------------------------- */

START_TEST(test_destroy)
{
	rsm_memseg_export_handle_t export = export_and(changes[_i]);

	OK(rsm_memseg_export_destroy(export));
	places_check(1);
	if (beyond)
		beyond[0]++;
}
END_TEST

/* Importers are cut off, and the next ones have all contents, also those of pages that the program has no more. */
START_TEST(test_unpublish)
{
	rsm_memseg_export_handle_t export = export_and(changes[_i]);
	struct peer *importer = peer_start(2);
	rsm_memseg_id_t id = segment_id();

	OK(ASK(importer, step_import, 1, id, RSM_PERM_RDWR));
	OK(ASK(importer, step_map, RSM_PERM_RDWR, 0, SEGMENT_BYTES));
	ck_assert_int_eq(ASK(importer, step_get_wrong, SEGMENT_BYTES, 1), 0);
	OK(rsm_memseg_export_unpublish(export));
	ck_assert_int_eq(ASK(importer, step_get_wrong, SEGMENT_BYTES, 1), -RSMERR_CONN_ABORTED);
	ASK(importer, step_mapped_store, PAGE, 99);
	places_check_readable(1);
	OK(rsm_memseg_export_publish(export, &id, NULL, 0));
	importer = peer_start(2);
	OK(ASK(importer, step_import, 1, id, RSM_PERM_RDWR));
	ck_assert_int_eq(ASK(importer, step_get_wrong, SEGMENT_BYTES, 1), 0);
	places_check(1);
	/* It is one memory again. */
	if (places[3])
		places[3][0] = 'y';
	ck_assert_int_eq(ASK(importer, step_get_wrong, SEGMENT_BYTES, 1), places[3] != NULL);
	if (places[3])
		places[3][0] = (char)pattern(1, 3 * PAGE);
	protections_note();
	OK(rsm_memseg_export_destroy(export));
	places_check(1);
}
END_TEST

START_TEST(test_rebind)
{
	rsm_memseg_export_handle_t export = export_and(changes[_i]);
	char *other = memory_new(SEGMENT_BYTES, 2);
	struct peer *importer = peer_start(2);

	OK(ASK(importer, step_import, 1, segment_id(), RSM_PERM_READ));
	OK(rsm_memseg_export_rebind(export, other, 0, SEGMENT_BYTES));
	ck_assert_int_eq(ASK(importer, step_get_wrong, SEGMENT_BYTES, 2), 0);
	places_check(1);
	ck_assert_uint_eq(memory_wrong(other, 0, SEGMENT_BYTES, 2), 0);
	OK(rsm_memseg_export_destroy(export));
	places_check_readable(1);
	ck_assert_uint_eq(memory_wrong(other, 0, SEGMENT_BYTES, 2), 0);
}
END_TEST

/* Memory that can be exported by all that the system says, but whose second page cannot be read. */
static char *half_a_file(void)
{
	FILE *file = tmpfile();
	char *mapped;

	ck_assert(file && ftruncate(fileno(file), PAGE) == 0);
	mapped = mmap(NULL, SEGMENT_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE, fileno(file), 0);
	ck_assert_ptr_ne(mapped, MAP_FAILED);
	fclose(file);
	return mapped;
}

/* Half way through, all goes back to where it was: it is one memory still, with its contents. */
START_TEST(test_rebind_fails)
{
	static void (*const moves[])(void) = { forbid_stores, forbid_all, forbid_whole, move_page, move_whole, grow };
	rsm_memseg_export_handle_t export = export_and(moves[_i]);
	struct peer *importer = peer_start(2);

	OK(ASK(importer, step_import, 1, segment_id(), RSM_PERM_RDWR));
	ck_assert_int_eq(rsm_memseg_export_rebind(export, half_a_file(), 0, SEGMENT_BYTES), RSMERR_BAD_ADDR);
	ck_assert_int_eq(ASK(importer, step_get_wrong, SEGMENT_BYTES, 1), 0);
	places_check(1);
	places[0][0]++;
	ck_assert_int_eq(ASK(importer, step_get_wrong, SEGMENT_BYTES, 1), 1);
	places[0][0]--;
	protections_note();
	OK(rsm_memseg_export_destroy(export));
	places_check(1);
}
END_TEST
enum { REBINDS_THAT_FAIL = 6 };

/* The child has what its parent has, and a store of its own stays its own. */
START_TEST(test_fork)
{
	rsm_memseg_export_handle_t export = export_and(changes[_i]);
	pid_t child = fork();
	int status;

	if (child == 0) {
		places_check(1);
		for (size_t i = 0; i < SEGMENT_PAGES; i++)
			if (places[i])
				memset(places[i], 3, PAGE);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	OK(rsm_memseg_export_destroy(export));
	places_check(1);
}
END_TEST

/* The program has moved its segment away and wants it in other memory that has the old addresses. */
START_TEST(test_rebind_to_the_place_it_was_moved_from)
{
	rsm_memseg_export_handle_t export = export_and(move_and_use_the_place);
	struct peer *importer = peer_start(2);

	for (size_t i = 0; i < SEGMENT_BYTES; i++)
		own[i] = (char)pattern(2, i);
	OK(ASK(importer, step_import, 1, segment_id(), RSM_PERM_READ));
	OK(rsm_memseg_export_rebind(export, own, 0, SEGMENT_BYTES));
	ck_assert_int_eq(ASK(importer, step_get_wrong, SEGMENT_BYTES, 2), 0);
	OK(rsm_memseg_export_destroy(export));
	ck_assert_uint_eq(memory_wrong(own, 0, SEGMENT_BYTES, 2), 0);
	own = NULL;
	places_check(1);
}
END_TEST

/* Two mappings of one page are one memory as long as there is a segment, and none of them is lost. */
START_TEST(test_mapped_twice)
{
	rsm_memseg_export_handle_t export = export_and(forbid_stores);
	char *twice = mremap(memory, 0, SEGMENT_BYTES, MREMAP_MAYMOVE);

	ck_assert_ptr_ne(twice, MAP_FAILED);
	OK(rsm_memseg_export_unpublish(export));
	twice[0]++;
	ck_assert_int_eq(memory[0], twice[0]);
	memory[0]--;
	OK(rsm_memseg_export_destroy(export));
	ck_assert_uint_eq(memory_wrong(twice, 0, SEGMENT_BYTES, 1), 0);
	places_check(1);
}
END_TEST

/* A thread that counts in two words: its own, and one that all count in, each at another address of the same page. */
struct counter {
	pthread_t thread;
	uint64_t *own;
	uint64_t *common;
	uint64_t count;
};

static atomic_bool stopping;

static void *count(void *argument)
{
	struct counter *counter = argument;

	while (!atomic_load_explicit(&stopping, memory_order_relaxed)) {
		++*(volatile uint64_t *)counter->own;
		__atomic_fetch_add(counter->common, 1, __ATOMIC_RELAXED);
		counter->count++;
	}
	return NULL;
}

static void unpublish_and_publish(rsm_memseg_export_handle_t export)
{
	rsm_memseg_id_t id = segment_id();

	for (int i = 0; i < ROUNDS; i++) {
		OK(rsm_memseg_export_unpublish(export));
		OK(rsm_memseg_export_publish(export, &id, NULL, 0));
	}
}

/* All pieces move at once. */
START_TEST(test_no_store_is_lost)
{
	rsm_memseg_export_handle_t export = export_and(move_and_protect);
	char *twice = mremap(memory, 0, PAGE, MREMAP_MAYMOVE);
	struct counter counters[2] = { { .own = (uint64_t *)(void *)places[3], .common = (uint64_t *)(void *)memory },
				       { .own = (uint64_t *)(void *)(places[3] + 8), .common = (uint64_t *)(void *)twice } };
	uint64_t before[2] = { *counters[0].own, *counters[1].own };
	uint64_t common = *counters[0].common;

	ck_assert_ptr_ne(twice, MAP_FAILED);
	for (size_t i = 0; i < COUNT(counters); i++)
		ck_assert_int_eq(pthread_create(&counters[i].thread, NULL, count, &counters[i]), 0);
	unpublish_and_publish(export);
	atomic_store(&stopping, true);
	for (size_t i = 0; i < COUNT(counters); i++) {
		pthread_join(counters[i].thread, NULL);
		ck_assert_uint_eq(*counters[i].own, before[i] + counters[i].count);
	}
	ck_assert_uint_eq(*counters[0].common, common + counters[0].count + counters[1].count);
	ck_assert_uint_eq(*counters[1].common, *counters[0].common);
	OK(rsm_memseg_export_destroy(export));
}
END_TEST

/* More pieces than anybody counts on. */
START_TEST(test_many_pieces)
{
	rsm_memseg_export_handle_t export;
	char *many = memory_new((size_t)MANY_PAGES * PAGE, 1);

	OK(rsm_memseg_export_create(program_controller(), &export, many, (size_t)MANY_PAGES * PAGE, 0));
	for (size_t i = 0; i < MANY_PAGES; i += 2)
		ck_assert_int_eq(mprotect(many + i * PAGE, PAGE, PROT_READ), 0);
	OK(rsm_memseg_export_destroy(export));
	for (size_t i = 0; i < MANY_PAGES; i++)
		ck_assert_str_eq(protection_of(many + i * PAGE), i % 2 ? "rw-" : "r--");
	ck_assert_int_eq(mprotect(many, (size_t)MANY_PAGES * PAGE, PROT_READ | PROT_WRITE), 0);
	ck_assert_uint_eq(memory_wrong(many, 0, (size_t)MANY_PAGES * PAGE, 1), 0);
}
END_TEST

/* What the program has imported of its own segment is an import: it is cut off. */
START_TEST(test_own_import)
{
	rsm_memseg_export_handle_t export = export_and(forbid_stores);

	OK(HERE(step_import, 1, segment_id(), RSM_PERM_RDWR));
	OK(HERE(step_map, RSM_PERM_RDWR, 0, SEGMENT_BYTES));
	HERE(step_mapped_store, 2 * PAGE, 5);
	ck_assert_int_eq(*(long *)(void *)places[2], 5);
	OK(rsm_memseg_export_destroy(export));
	await_cut();
	ck_assert_int_eq(HERE(step_mapped_load, 2 * PAGE), 0);
	ck_assert_int_eq(*(long *)(void *)places[2], 5);
	ck_assert_int_eq(barrier_code(), RSMERR_CONN_ABORTED);
}
END_TEST

/* --- lost pages --------------------------------------------------------------------------------------------------- */

static bool readable(const char *address)
{
	int pipes[2];
	bool done;

	if (pipe(pipes))
		test_broken("pipe");
	done = write(pipes[1], address, 1) == 1;
	close(pipes[0]);
	close(pipes[1]);
	return done;
}

static bool page_is_zeros(const char *page)
{
	for (size_t i = 0; i < PAGE; i++)
		if (page[i])
			return false;
	return true;
}

/* How many pages are kept, or -1 if another than one that could not be read before is not whole. */
static long step_destroy_and_count(const long *arguments)
{
	bool kept[SEGMENT_PAGES];
	long count = 0;

	(void)arguments;
	for (size_t i = 0; i < SEGMENT_PAGES; i++)
		kept[i] = readable(program.memory + i * PAGE);
	if (rsm_memseg_export_destroy(program.exported))
		return -2;
	for (size_t i = 0; i < SEGMENT_PAGES; i++) {
		if (kept[i] ? memory_wrong(program.memory, i * PAGE, (i + 1) * PAGE, 1) > 0
			    : !page_is_zeros(program.memory + i * PAGE))
			return -1;
		count += kept[i];
	}
	return count;
}

/* Page `_i` was taken by an importer before the exporter's daemon died; all others are there. */
START_TEST(test_daemon_killed)
{
	nodes_start(2, NULL);
	exporter = peer_start(2);
	OK(ASK(exporter, step_export, SEGMENT_PAGES, 0, 1, segment_id()));
	OK(HERE(step_import, 2, segment_id(), RSM_PERM_RDWR));
	OK(HERE(step_map, RSM_PERM_RDWR, 0, SEGMENT_BYTES));
	ck_assert_int_eq(madvise(program.mapped, SEGMENT_BYTES, MADV_RANDOM), 0); /* or the pages around it come too */
	HERE(step_mapped_store, _i * PAGE, 1);
	nodes_do("kill", 2);
	ck_assert_int_eq(ASK(exporter, step_destroy_and_count, 0), SEGMENT_PAGES - 1);
	ck_assert(peer_end(exporter));
	nodes_stop();
}
END_TEST

static void two_nodes(void)
{
	nodes_start(2, NULL);
}

int main(int argc, char **argv)
{
	const TTest *const each_change[] = { test_destroy, test_unpublish, test_rebind, test_fork };
	const TTest *const tests[] = { test_rebind_to_the_place_it_was_moved_from, test_mapped_twice, test_no_store_is_lost,
				       test_many_pieces, test_own_import };
	Suite *suite = suite_create("librsm, exported memory that the program changes");
	TCase *tcase = tcase_create("changes");
	TCase *lost = tcase_create("lost pages");

	peer_main(argc, argv);
	tcase_add_unchecked_fixture(tcase, two_nodes, nodes_stop);
	tcase_set_timeout(tcase, 120);
	for (size_t i = 0; i < COUNT(each_change); i++)
		tcase_add_loop_test(tcase, each_change[i], 0, COUNT(changes));
	for (size_t i = 0; i < COUNT(tests); i++)
		tcase_add_test(tcase, tests[i]);
	tcase_add_loop_test(tcase, test_rebind_fails, 0, REBINDS_THAT_FAIL);
	suite_add_tcase(suite, tcase);
	tcase_set_timeout(lost, 120);
	tcase_add_loop_test(lost, test_daemon_killed, 0, SEGMENT_PAGES);
	suite_add_tcase(suite, lost);
	return scene_run(suite);
}
