/*
 * Goal: rsm_memseg_export_create(3RSM) and rsm_memseg_import_map(3RSM), sentence by sentence. What the pages' tables of
 * errors say is in rsm_codes.c, a row or more each.
 *
 * rsm_memseg_export_create(3RSM)
 *  1  what it takes to export is allocated and managed                     create_01_resources
 *  2  memory comes from System V shared memory or ordinary allocation      create_02_memory_of_the_program
 *  3  ... and then pages are bound under the same addresses                create_02_memory_of_the_program
 *  4  create makes a new segment                                           create_04_new_segment
 *  5  physical pages are allocated and belong to it                        create_05_pages
 *  6  it lives as long as its process, or until destroy                    create_06_lifetime
 *  7  `controller` comes from rsm_get_controller()                         create_07_controller
 *  8  the handle comes through `memseg`, for what follows                  create_08_handle
 *  9  `vaddr` is the program's address of the segment                      create_02_memory_of_the_program,
 *     ... and what the program may not do there, it may not export         create_03_protection
 * 10  ... and aligned as the controller's attribute says                   create_10_alignment
 * 11  `length` is in bytes, whole pages of the controller                  create_11_length
 * 12  `flags` is a mask                                                    create_12_flags
 * 13  RSM_ALLOW_REBIND: may be rebound, all its life                       create_13_allow_rebind
 * 14  RSM_CREATE_SEG_DONTWAIT: create and publish answer a shortage        create_14_dontwait, rsm_rows_export.c
 * 15  RSM_LOCK_OPS: may be used for locks                                  create_15_lock_ops
 * 16  destroy frees the pages and disconnects all importers                destroy_16_importers
 * 17  its argument is the handle that create gave                          create_08_handle
 * 18  rebind lets the pages go and takes new ones                          rebind_18_new_pages
 * 19  importers do not notice                                              rebind_19_transparent
 * 20  keeping others away meanwhile is the application's business          rebind_21_access_meanwhile
 * 21  access meanwhile does no harm but to contents                        rebind_21_access_meanwhile
 * 22  its argument is the handle that create gave                          create_08_handle
 * 23  `vaddr` must be aligned                                              rebind_23_alignment
 * 24  `length` must be whole pages                                         rebind_24_length
 * 25  `off` is unused                                                      rebind_25_offset
 * 26  0 for success, else an error                                         all, and rsm_codes.c
 * 27  (errors)                                                             rsm_codes.c
 * 28  memory of shmat, valloc, malloc or mmap will do                      create_02_memory_of_the_program
 * 29  memory of a file must be mapped MAP_PRIVATE                          create_29_private_file
 * 30  MT-Safe                                                              create_30_threads, rsm_threads.c
 *
 * rsm_memseg_import_map(3RSM)
 *  1  mapping and unmapping of imported segments                           map_01_again_and_again
 *  2  only for interconnects of native architecture                        rsm_api.c: map_02_native_architecture
 *  3  a mapped segment takes the processor's loads and stores              map_03_loads_and_stores
 *  4  ... in the caller's address space                                    map_03_loads_and_stores
 *  5  `im_memseg` is what is mapped                                        map_05_each_its_own
 *  6  where, is in `address`                                               map_07_anywhere
 *  7  RSM_MAP_NONE: the system chooses and says so                         map_07_anywhere
 *  8  RSM_MAP_FIXED: at the address that is asked for                      map_08_fixed
 *  9  `perm` says which accesses the mapping takes                         map_09_permissions
 * 10  ... RSM_PERM_READ, RSM_PERM_WRITE or RSM_PERM_RDWR                   map_09_permissions
 * 11  `offset` is the bytes from the base                                  map_11_offset_and_length
 * 12  `length` is the bytes from there                                     map_11_offset_and_length
 * 13  unmap takes the mapping away                                         map_13_unmap
 * 14  0 for success, else an error                                         all, and rsm_codes.c
 * 15  (errors)                                                             rsm_codes.c
 * 16  MT-Safe                                                              map_16_threads, rsm_threads.c
 */
#define _GNU_SOURCE 1
#include "rsm_scene.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 50
#define THREADS 4

static void cluster_up(void)
{
	nodes_start(3, NULL);
}

static size_t entries(const char *path)
{
	DIR *dir = opendir(path);
	size_t count = 0;

	ck_assert_msg(dir != NULL, "%s: %s", path, strerror(errno));
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static bool readable(const void *address)
{
	int pipes[2];
	bool done;

	ck_assert_int_eq(pipe(pipes), 0);
	done = write(pipes[1], address, 1) == 1;
	close(pipes[0]);
	close(pipes[1]);
	return done;
}

/* rsm_memseg_export_create(3RSM) */

START_TEST(test_create_01_resources)
{
	size_t descriptors;
	size_t objects;
	size_t unnamed;

	OK(HERE(step_create, 1, 0, 1)); /* what the library keeps for good is there after this */
	OK(HERE(step_destroy, 0));
	descriptors = entries("/proc/self/fd");
	objects = entries(nodes_path(1, "."));
	unnamed = entries(nodes_path(1, ".netmem/unnamed"));
	for (unsigned i = 0; i < 10; i++) {
		OK(HERE(step_export, SEGMENT_PAGES, RSM_ALLOW_REBIND, i, segment_id()));
		OK(HERE(step_rebind, i + 1));
		if (i % 2)
			OK(HERE(step_unpublish, 0));
		OK(HERE(step_destroy, 0));
	}
	ck_assert_uint_eq(entries("/proc/self/fd"), descriptors);
	ck_assert_uint_eq(entries(nodes_path(1, ".")), objects);
	ck_assert_uint_eq(entries(nodes_path(1, ".netmem/unnamed")), unnamed);
}
END_TEST

static char static_memory[2 * SEGMENT_BYTES] __attribute__((aligned(PAGE)));

static char *shared_memory(void)
{
	int id = shmget(IPC_PRIVATE, SEGMENT_BYTES, IPC_CREAT | 0600);
	char *memory = shmat(id, NULL, 0);

	ck_assert_ptr_ne(memory, (void *)-1);
	shmctl(id, IPC_RMID, NULL);
	return memory;
}

static char *private_file(void)
{
	FILE *file = tmpfile();
	char *memory;

	ck_assert(file && ftruncate(fileno(file), 2 * SEGMENT_BYTES) == 0);
	memory = mmap(NULL, SEGMENT_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE, fileno(file), PAGE);
	ck_assert_ptr_ne(memory, MAP_FAILED);
	fclose(file);
	return memory;
}

/* The inside of a larger block, with neighbours that must stay what they are. */
static char *inside_of_the_heap(void)
{
	return memory_new(3 * SEGMENT_BYTES, 0) + SEGMENT_BYTES;
}

static char *two_mappings(void)
{
	char *memory = mmap(NULL, SEGMENT_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(memory, MAP_FAILED);
	ck_assert_ptr_eq(mmap(memory + PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED |
			      MAP_NORESERVE, -1, 0), memory + PAGE);
	return memory;
}

static char *memory_of_kind(int kind)
{
	switch (kind) {
	case 0:
		return memory_new(SEGMENT_BYTES, 0);
	case 1:
		return valloc(SEGMENT_BYTES);
	case 2:
		return shared_memory();
	case 3:
		return private_file();
	case 4:
		return static_memory;
	case 5:
		return inside_of_the_heap();
	case 6:
		return two_mappings();
	default:
		return mmap(NULL, SEGMENT_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	}
}
enum { KINDS = 8 };

START_TEST(test_create_02_memory_of_the_program)
{
	struct peer *importer = peer_start(2);

	program.length = SEGMENT_BYTES;
	program.memory = memory_of_kind(_i);
	for (size_t i = 0; i < SEGMENT_BYTES; i++)
		program.memory[i] = (char)pattern(3, i);
	OK(rsm_memseg_export_create(program_controller(), &program.exported, program.memory, SEGMENT_BYTES, 0));
	ck_assert_msg(HERE(step_wrong, 3) == 0, "create changes what is there");
	ck_assert_uint_eq(HERE(step_publish, segment_id()), segment_id());
	OK(ASK(importer, step_import, 1, segment_id(), RSM_PERM_RDWR));
	ck_assert_int_eq(ASK(importer, step_get_wrong, SEGMENT_BYTES, 3), 0);
	HERE(step_store, 2 * PAGE, 0x1234567);
	ck_assert_int_eq(ASK(importer, step_get, 2 * PAGE), 0x1234567);
	OK(ASK(importer, step_put, 3 * PAGE - 8, 0x7654321));
	ck_assert_int_eq(HERE(step_load, 3 * PAGE - 8), 0x7654321);
	OK(HERE(step_destroy, 0));
	ck_assert_int_eq(HERE(step_load, 2 * PAGE), 0x1234567);
	ck_assert_int_eq(HERE(step_load, 3 * PAGE - 8), 0x7654321);
	ck_assert_msg(memory_wrong(program.memory, 0, 2 * PAGE, 3) == 0, "destroy changes what is there");
	HERE(step_store, 0, 99); /* ordinary memory again */
	ck_assert_int_eq(HERE(step_load, 0), 99);
	if (_i == 5)
		ck_assert(memory_wrong(program.memory - SEGMENT_BYTES, 0, SEGMENT_BYTES, 0) == 0 &&
			  (unsigned char)program.memory[SEGMENT_BYTES] == pattern(0, 2 * SEGMENT_BYTES));
}
END_TEST

/* What the program has forbidden itself, it does not get by exporting. */
START_TEST(test_create_03_protection)
{
	static const int refused[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE | PROT_EXEC };
	char *memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; i < COUNT(refused); i++) {
		ck_assert_int_eq(mprotect(memory + PAGE, PAGE, refused[i]), 0);
		ck_assert_int_eq(rsm_memseg_export_create(program_controller(), &program.exported, memory, 2 * PAGE, 0),
				 RSMERR_BAD_ADDR);
		memory[0] = 1;
	}
	munmap(memory + PAGE, PAGE);
	ck_assert_int_eq(rsm_memseg_export_create(program_controller(), &program.exported, memory, 2 * PAGE, 0),
			 RSMERR_BAD_ADDR);
	memory[0] = 1;
	OK(rsm_memseg_export_create(program_controller(), &program.exported, memory, PAGE, 0));
}
END_TEST

START_TEST(test_create_04_new_segment)
{
	rsm_memseg_export_handle_t first;
	rsm_memseg_id_t id = segment_id();
	rsm_memseg_id_t other = id + 0x10000000;

	OK(HERE(step_create, 1, 0, 1));
	first = program.exported;
	OK(HERE(step_create, 1, 0, 2));
	ck_assert_ptr_ne(first, program.exported);
	OK(rsm_memseg_export_publish(first, &id, NULL, 0));
	OK(rsm_memseg_export_publish(program.exported, &other, NULL, 0));
	OK(HERE(step_import, 1, id, RSM_PERM_READ));
	ck_assert_int_eq(HERE(step_get_wrong, PAGE, 1), 0);
	OK(HERE(step_import, 1, other, RSM_PERM_READ));
	ck_assert_int_eq(HERE(step_get_wrong, PAGE, 2), 0);
	OK(rsm_memseg_export_destroy(first));
	OK(HERE(step_destroy, 0));
}
END_TEST

static long object_pages(void)
{
	char file[64];

	snprintf(file, sizeof file, "rsm-1-%08x/status", segment_id());
	return strtol(nodes_value(1, file, "pages"), NULL, 10);
}

START_TEST(test_create_05_pages)
{
	long before = strtol(nodes_value(1, ".netmem/status", "pages"), NULL, 10);
	long objects = strtol(nodes_value(1, ".netmem/status", "objects"), NULL, 10);

	exporter_start(0);
	import_here(RSM_PERM_RDWR);
	ck_assert_int_eq(HERE(step_get_wrong, SEGMENT_BYTES, 1), 0);
	ck_assert_int_eq(object_pages(), SEGMENT_PAGES);
	ck_assert_int_eq(strtol(nodes_value(1, ".netmem/status", "objects"), NULL, 10), objects + 1);
	OK(ASK(exporter, step_destroy, 0));
	OK(HERE(step_disconnect, 0));
	ck_assert_int_eq(connect_code_after(RSM_SUCCESS), RSMERR_SEG_NOT_PUBLISHED);
	/* They are given back when the last user has closed the object, which the home hears soon. */
	for (int i = 0; i < PATIENCE_MS && strtol(nodes_value(1, ".netmem/status", "pages"), NULL, 10) > before; i++)
		poll(NULL, 0, 1);
	ck_assert_int_eq(strtol(nodes_value(1, ".netmem/status", "pages"), NULL, 10), before);
	ck_assert_int_eq(strtol(nodes_value(1, ".netmem/status", "objects"), NULL, 10), objects);
}
END_TEST

static long step_become_another_program(const long *arguments)
{
	(void)arguments;
	execl("/bin/sleep", "sleep", "100", (char *)NULL);
	return errno;
}

/* The process ends, is killed, destroys the segment, or becomes another program. */
START_TEST(test_create_06_lifetime)
{
	exporter_start(0);
	import_here(RSM_PERM_RDWR);
	OK(barrier_code());
	switch (_i) {
	case 0:
		ck_assert(peer_end(exporter));
		break;
	case 1:
		peer_kill(exporter);
		break;
	case 2:
		OK(ASK(exporter, step_destroy, 0));
		break;
	default:
		SEND(exporter, step_become_another_program, 0);
		break;
	}
	await_cut();
	ck_assert_int_eq(barrier_code(), RSMERR_CONN_ABORTED);
	ck_assert_int_eq(connect_code_after(RSM_SUCCESS), RSMERR_SEG_NOT_PUBLISHED);
}
END_TEST

/* It does not end with the importers, nor with a child of the exporter's. */
static long step_fork_and_wait(const long *arguments)
{
	int status;
	pid_t child = fork();

	(void)arguments;
	if (child == 0)
		_exit(memory_wrong(program.memory, 0, program.length, 1) ? 1 : 0);
	return waitpid(child, &status, 0) == child ? status : -1;
}

START_TEST(test_create_06_lifetime_not_of_others)
{
	struct peer *importer;

	exporter_start(0);
	importer = peer_start(3);
	OK(ASK(importer, step_import, 1, segment_id(), RSM_PERM_RDWR));
	OK(ASK(importer, step_map, RSM_PERM_RDWR, 0, SEGMENT_BYTES));
	peer_kill(importer);
	import_here(RSM_PERM_RDWR);
	OK(HERE(step_disconnect, 0));
	OK(ASK(exporter, step_fork_and_wait, 0));
	import_here(RSM_PERM_RDWR);
	ck_assert_int_eq(HERE(step_get_wrong, SEGMENT_BYTES, 1), 0);
	OK(barrier_code());
}
END_TEST

START_TEST(test_create_07_controller)
{
	static const char *const names[] = { "netmem", "netmem1", "NetMem1", "loopback", NULL };
	rsmapi_controller_handle_t controller;
	rsm_memseg_export_handle_t segment;
	char *memory = memory_new(PAGE, 1);

	OK(rsm_get_controller((char *)names[_i], &controller));
	OK(rsm_memseg_export_create(controller, &segment, memory, PAGE, 0));
	OK(rsm_release_controller(controller)); /* the segment has its own hold on it */
	OK(rsm_memseg_export_publish(segment, &(rsm_memseg_id_t){ segment_id() }, NULL, 0));
	OK(rsm_memseg_export_destroy(segment));
}
END_TEST

START_TEST(test_create_08_handle)
{
	rsm_memseg_export_handle_t handle = NULL;
	rsm_memseg_id_t id = 0;

	program.memory = memory_new(PAGE, 1);
	OK(rsm_memseg_export_create(program_controller(), &handle, program.memory, PAGE, RSM_ALLOW_REBIND));
	ck_assert_ptr_nonnull(handle);
	OK(rsm_memseg_export_publish(handle, &id, NULL, 0));
	OK(rsm_memseg_export_republish(handle, NULL, 0));
	OK(rsm_memseg_export_rebind(handle, memory_new(PAGE, 2), 0, PAGE));
	OK(rsm_intr_signal_post(handle, 0));
	OK(rsm_memseg_export_unpublish(handle));
	OK(rsm_memseg_export_destroy(handle));
}
END_TEST

static size_t attribute_page(void)
{
	rsmapi_controller_attr_t attributes;

	OK(rsm_get_controller_attr(program_controller(), &attributes));
	ck_assert_uint_ge(attributes.attr_page_size, PAGE);
	return attributes.attr_page_size;
}

START_TEST(test_create_10_alignment)
{
	size_t page = attribute_page();
	const size_t wrong[] = { 1, 8, page / 2, page - 1 };
	char *memory = memory_new(4 * page, 1);

	for (size_t i = 0; i < COUNT(wrong); i++)
		ck_assert_int_eq(rsm_memseg_export_create(program_controller(), &program.exported, memory + wrong[i],
							  page, 0),
				 RSMERR_BAD_MEM_ALIGNMENT);
	OK(rsm_memseg_export_create(program_controller(), &program.exported, memory + page, page, 0));
}
END_TEST

START_TEST(test_create_11_length)
{
	size_t page = attribute_page();
	const size_t wrong[] = { 1, page - 1, page + 1, 2 * page + 8 };
	const size_t right[] = { page, 2 * page, 3 * page, 64 * page };
	char *memory = memory_new(65 * page, 1);
	rsm_memseg_id_t id = segment_id();

	for (size_t i = 0; i < COUNT(wrong); i++)
		ck_assert_int_eq(rsm_memseg_export_create(program_controller(), &program.exported, memory, wrong[i], 0),
				 RSMERR_BAD_MEM_ALIGNMENT);
	for (size_t i = 0; i < COUNT(right); i++) {
		OK(rsm_memseg_export_create(program_controller(), &program.exported, memory, right[i], 0));
		OK(rsm_memseg_export_publish(program.exported, &id, NULL, 0));
		OK(HERE(step_import, 1, id, RSM_PERM_READ));
		ck_assert_int_eq(HERE(step_get_wrong, (long)right[i], 1), 0);
		ck_assert_int_lt(HERE(step_get_wrong, (long)right[i] + 1, 1), 0);
		OK(HERE(step_disconnect, 0));
		OK(rsm_memseg_export_destroy(program.exported));
	}
}
END_TEST

START_TEST(test_create_12_flags)
{
	for (uint_t flags = 0; flags < 8; flags++) {
		uint_t mask = (flags & 1 ? RSM_ALLOW_REBIND : 0) | (flags & 2 ? RSM_CREATE_SEG_DONTWAIT : 0) |
			      (flags & 4 ? RSM_LOCK_OPS : 0);

		OK(HERE(step_create, 1, mask, 1));
		ck_assert_int_eq(HERE(step_rebind, 2), flags & 1 ? RSM_SUCCESS : RSMERR_REBIND_NOT_ALLOWED);
		OK(HERE(step_destroy, 0));
	}
}
END_TEST

START_TEST(test_create_13_allow_rebind)
{
	OK(HERE(step_create, SEGMENT_PAGES, RSM_ALLOW_REBIND, 1));
	OK(HERE(step_rebind, 2));
	ck_assert_uint_eq(HERE(step_publish, segment_id()), segment_id());
	OK(HERE(step_rebind, 3));
	nodes_use(1);
	OK(HERE(step_import, 1, segment_id(), RSM_PERM_RDWR));
	OK(HERE(step_rebind, 4));
	OK(HERE(step_unpublish, 0));
	OK(HERE(step_rebind, 5));
	OK(HERE(step_destroy, 0));
}
END_TEST

/* With no descriptor left there is nothing to make a segment with. */
START_TEST(test_create_14_dontwait)
{
	struct rlimit limit;
	rsm_memseg_export_handle_t second;
	rsm_memseg_id_t id = segment_id();
	char *memory = memory_new(PAGE, 1);
	int taken[64];
	int count = 0;

	OK(HERE(step_create, 1, RSM_CREATE_SEG_DONTWAIT, 1));
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = 64;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	while (count < 64 && (taken[count] = dup(2)) >= 0)
		count++;
	ck_assert_int_eq(rsm_memseg_export_create(program_controller(), &second, memory, PAGE, RSM_CREATE_SEG_DONTWAIT),
			 RSMERR_INSUFFICIENT_RESOURCES);
	ck_assert_uint_eq(memory_wrong(memory, 0, PAGE, 1), 0);
	while (count > 0)
		close(taken[--count]);
	OK(rsm_memseg_export_create(program_controller(), &second, memory, PAGE, RSM_CREATE_SEG_DONTWAIT));
	OK(rsm_memseg_export_publish(second, &id, NULL, 0));
}
END_TEST

static long step_add(const long *offset_times)
{
	_Atomic uint64_t *word = (_Atomic uint64_t *)(void *)(program.mapped + offset_times[0]);

	for (long i = 0; i < offset_times[1]; i++)
		atomic_fetch_add(word, 1);
	return 0;
}

/* A spin lock of the two words at `offset`: 0 free; the second is what it protects. */
static void add_locked(char *memory, long offset, long times)
{
	_Atomic uint64_t *lock = (_Atomic uint64_t *)(void *)(memory + offset);
	volatile uint64_t *guarded = (volatile uint64_t *)(void *)(memory + offset + 8);

	for (long i = 0; i < times; i++) {
		uint64_t free = 0;

		while (!atomic_compare_exchange_weak(lock, &free, 1))
			free = 0;
		*guarded = *guarded + 1;
		atomic_store(lock, 0);
	}
}

static long step_add_locked(const long *offset_times)
{
	add_locked(program.mapped, offset_times[0], offset_times[1]);
	return 0;
}

START_TEST(test_create_15_lock_ops)
{
	struct peer *importers[2] = { peer_start(2), peer_start(3) };
	_Atomic uint64_t *word;

	OK(HERE(step_export, 1, RSM_LOCK_OPS, 1, segment_id()));
	memset(program.memory, 0, PAGE);
	for (int i = 0; i < 2; i++) {
		OK(ASK(importers[i], step_import, 1, segment_id(), RSM_PERM_RDWR));
		OK(ASK(importers[i], step_map, RSM_PERM_RDWR, 0, PAGE));
	}
	for (int i = 0; i < 2; i++)
		SEND(importers[i], step_add, 64, 20 * ROUNDS);
	word = (_Atomic uint64_t *)(void *)(program.memory + 64);
	for (int i = 0; i < 20 * ROUNDS; i++)
		atomic_fetch_add(word, 1);
	for (int i = 0; i < 2; i++)
		OK(peer_answer(importers[i]));
	ck_assert_uint_eq(atomic_load(word), 3 * 20 * ROUNDS);
	for (int i = 0; i < 2; i++)
		SEND(importers[i], step_add_locked, 128, ROUNDS);
	add_locked(program.memory, 128, ROUNDS);
	for (int i = 0; i < 2; i++)
		OK(peer_answer(importers[i]));
	ck_assert_int_eq(HERE(step_load, 136), 3 * ROUNDS);
}
END_TEST

START_TEST(test_destroy_16_importers)
{
	struct peer *other = peer_start(3);

	exporter_start(0);
	import_here(RSM_PERM_RDWR);
	OK(ASK(other, step_import, 1, segment_id(), RSM_PERM_READ));
	OK(HERE(step_map, RSM_PERM_RDWR, 0, SEGMENT_BYTES));
	HERE(step_mapped_store, 0, 7);
	OK(barrier_code());
	OK(ASK(exporter, step_destroy, 0));
	HERE(step_mapped_store, 0, 8); /* no fault, and to nowhere */
	HERE(step_mapped_load, PAGE);
	ck_assert_int_eq(ASK(exporter, step_load, 0), 7);
	await_cut();
	ck_assert_int_eq(barrier_code(), RSMERR_CONN_ABORTED);
	ck_assert_int_eq(HERE(step_get, 0), -RSMERR_CONN_ABORTED);
	ck_assert_int_eq(ASK(other, step_wait, IMPORTED, PATIENCE_MS), RSMERR_CONN_ABORTED);
	ck_assert_int_eq(ASK(other, step_get, 0), -RSMERR_CONN_ABORTED);
	ck_assert_int_eq(HERE(step_connect, 1, segment_id(), RSM_PERM_READ), RSMERR_SEG_NOT_PUBLISHED);
}
END_TEST

START_TEST(test_rebind_18_new_pages)
{
	char *old;

	OK(HERE(step_export, SEGMENT_PAGES, RSM_ALLOW_REBIND, 1, segment_id()));
	OK(HERE(step_import, 1, segment_id(), RSM_PERM_RDWR));
	old = program.memory;
	OK(HERE(step_put, 0, 11));
	OK(HERE(step_rebind, 2));
	ck_assert_int_eq(HERE(step_wrong, 2), 0);
	ck_assert_int_eq(HERE(step_get_wrong, SEGMENT_BYTES, 2), 0);
	ck_assert_uint_eq(*(uint64_t *)(void *)old, 11);
	ck_assert_uint_eq(memory_wrong(old, 8, SEGMENT_BYTES, 1), 0);
	memset(old, 0, SEGMENT_BYTES); /* the program's own now */
	ck_assert_int_eq(HERE(step_get_wrong, SEGMENT_BYTES, 2), 0);
	HERE(step_store, 8, 12);
	ck_assert_int_eq(HERE(step_get, 8), 12);
	OK(HERE(step_put, 16, 13));
	ck_assert_int_eq(HERE(step_load, 16), 13);
	free(old);
	/* The same memory again is no change. */
	OK(rsm_memseg_export_rebind(program.exported, program.memory, 0, SEGMENT_BYTES));
	ck_assert_int_eq(HERE(step_load, 16), 13);
	ck_assert_int_eq(HERE(step_get, 16), 13);
}
END_TEST

START_TEST(test_rebind_19_transparent)
{
	exporter_start(RSM_ALLOW_REBIND);
	import_here(RSM_PERM_RDWR);
	OK(HERE(step_map, RSM_PERM_RDWR, 0, SEGMENT_BYTES));
	ck_assert_uint_eq(memory_wrong(program.mapped, 0, SEGMENT_BYTES, 1), 0);
	for (unsigned seed = 2; seed < 10; seed++) {
		OK(ASK(exporter, step_rebind, seed));
		ck_assert_uint_eq(memory_wrong(program.mapped, 0, SEGMENT_BYTES, seed), 0);
		ck_assert_int_eq(HERE(step_get_wrong, SEGMENT_BYTES, seed), 0);
		HERE(step_mapped_store, PAGE, seed);
		ck_assert_int_eq(ASK(exporter, step_load, PAGE), seed);
		OK(barrier_code());
	}
	OK(ASK(exporter, step_post, EXPORTED, 0));
	OK(HERE(step_wait, IMPORTED, PATIENCE_MS));
}
END_TEST

static atomic_bool stop;

static void *store_and_load(void *argument)
{
	volatile uint64_t *word = argument;
	uint64_t count = 0;

	while (!atomic_load(&stop)) {
		*word = *word + 1;
		count++;
	}
	return (void *)(uintptr_t)count;
}

static long step_rebind_often(const long *arguments)
{
	char *first = program.memory;
	char *second = memory_new(program.length, 0);
	pthread_t threads[2];
	void *counts[2];
	int code = 0;

	if (pthread_create(&threads[0], NULL, store_and_load, first) ||
	    pthread_create(&threads[1], NULL, store_and_load, second + PAGE))
		return -1;
	for (long i = 0; i < arguments[0] && !code; i++)
		code = rsm_memseg_export_rebind(program.exported, i % 2 ? first : second, 0, program.length);
	atomic_store(&stop, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], &counts[i]);
	return code;
}

START_TEST(test_rebind_21_access_meanwhile)
{
	exporter_start(RSM_ALLOW_REBIND);
	import_here(RSM_PERM_RDWR);
	OK(HERE(step_map, RSM_PERM_RDWR, 0, SEGMENT_BYTES));
	SEND(exporter, step_rebind_often, ROUNDS);
	for (long i = 0; !peer_answered(exporter, 0); i++) {
		HERE(step_mapped_store, 2 * PAGE, i);
		HERE(step_mapped_load, 3 * PAGE);
		OK(HERE(step_put, 2 * PAGE + 64, i));
		ck_assert_int_ge(HERE(step_get_wrong, SEGMENT_BYTES, 1), 0);
	}
	OK(peer_answer(exporter));
	OK(barrier_code());
	HERE(step_mapped_store, 64, 17);
	ck_assert_int_eq(HERE(step_get, 64), 17);
}
END_TEST

START_TEST(test_rebind_23_alignment)
{
	size_t page = attribute_page();
	const size_t wrong[] = { 1, 8, page / 2, page - 1 };
	char *memory = memory_new(3 * page, 2);

	OK(HERE(step_create, 1, RSM_ALLOW_REBIND, 1));
	for (size_t i = 0; i < COUNT(wrong); i++)
		ck_assert_int_eq(rsm_memseg_export_rebind(program.exported, memory + wrong[i], 0, page),
				 RSMERR_BAD_ADDR);
	ck_assert_int_eq(HERE(step_wrong, 1), 0);
	OK(rsm_memseg_export_rebind(program.exported, memory + page, 0, page));
}
END_TEST

START_TEST(test_rebind_24_length)
{
	size_t page = attribute_page();
	const size_t wrong[] = { 0, 1, page - 1, page + 1, page, 3 * page };
	char *memory = memory_new(3 * page, 2);

	OK(HERE(step_create, (long)(2 * page / PAGE), RSM_ALLOW_REBIND, 1));
	for (size_t i = 0; i < COUNT(wrong); i++)
		ck_assert_int_eq(rsm_memseg_export_rebind(program.exported, memory, 0, wrong[i]), RSMERR_BAD_LENGTH);
	ck_assert_int_eq(HERE(step_wrong, 1), 0);
	OK(rsm_memseg_export_rebind(program.exported, memory, 0, 2 * page));
}
END_TEST

START_TEST(test_rebind_25_offset)
{
	static const offset_t offsets[] = { 0, 1, -1, PAGE, (offset_t)1 << 40 };

	OK(HERE(step_export, 2, RSM_ALLOW_REBIND, 1, segment_id()));
	OK(HERE(step_import, 1, segment_id(), RSM_PERM_READ));
	for (unsigned i = 0; i < COUNT(offsets); i++) {
		OK(rsm_memseg_export_rebind(program.exported, memory_new(2 * PAGE, i), offsets[i], 2 * PAGE));
		ck_assert_int_eq(HERE(step_get_wrong, 2 * PAGE, i), 0);
	}
}
END_TEST

START_TEST(test_create_29_private_file)
{
	FILE *file = tmpfile();
	char *memory;
	char byte;

	ck_assert(file && ftruncate(fileno(file), PAGE) == 0);
	memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
	ck_assert_int_eq(rsm_memseg_export_create(program_controller(), &program.exported, memory, PAGE, 0),
			 RSMERR_BAD_ADDR);
	munmap(memory, PAGE);
	memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fileno(file), 0);
	OK(rsm_memseg_export_create(program_controller(), &program.exported, memory, PAGE, 0));
	memory[0] = 'x';
	OK(rsm_memseg_export_destroy(program.exported));
	ck_assert_int_eq(memory[0], 'x');
	ck_assert_int_eq(pread(fileno(file), &byte, 1, 0), 1);
	ck_assert_msg(byte == 0, "the file was changed");
	fclose(file);
}
END_TEST

static void *segments_come_and_go(void *argument)
{
	unsigned number = (unsigned)(uintptr_t)argument;
	char *memory[2] = { memory_new(SEGMENT_BYTES, number), memory_new(SEGMENT_BYTES, number + THREADS) };

	for (unsigned i = 0; i < ROUNDS / 5; i++) {
		rsm_memseg_export_handle_t segment;
		rsm_memseg_id_t id = segment_id() + 0x1000000 * (number + 1);

		if (rsm_memseg_export_create(program.controller, &segment, memory[0], SEGMENT_BYTES, RSM_ALLOW_REBIND) ||
		    rsm_memseg_export_publish(segment, &id, NULL, 0) ||
		    rsm_memseg_export_rebind(segment, memory[1], 0, SEGMENT_BYTES) ||
		    rsm_memseg_export_unpublish(segment) || rsm_memseg_export_destroy(segment))
			return (void *)"a call failed";
		if (memory_wrong(memory[0], 0, SEGMENT_BYTES, number) ||
		    memory_wrong(memory[1], 0, SEGMENT_BYTES, number + THREADS))
			return (void *)"memory has changed";
	}
	return NULL;
}

START_TEST(test_create_30_threads)
{
	pthread_t threads[THREADS];
	void *wrong;

	program_controller();
	for (uintptr_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, segments_come_and_go, (void *)i), 0);
	for (uintptr_t i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &wrong);
		ck_assert_msg(!wrong, "%s", (const char *)wrong);
	}
}
END_TEST

/* rsm_memseg_import_map(3RSM) */

START_TEST(test_map_01_again_and_again)
{
	exporter_start(0);
	import_here(RSM_PERM_RDWR);
	for (unsigned i = 0; i < ROUNDS; i++) {
		OK(HERE(step_map, RSM_PERM_RDWR, 0, SEGMENT_BYTES));
		if (i == 0)
			ck_assert_uint_eq(memory_wrong(program.mapped, 0, SEGMENT_BYTES, 1), 0);
		ck_assert_int_eq(HERE(step_map, RSM_PERM_RDWR, 0, SEGMENT_BYTES), RSMERR_SEG_ALREADY_MAPPED);
		OK(HERE(step_unmap, 0));
		ck_assert_int_eq(HERE(step_unmap, 0), RSMERR_SEG_NOT_MAPPED);
	}
}
END_TEST

START_TEST(test_map_03_loads_and_stores)
{
	exporter_start(0);
	import_here(RSM_PERM_RDWR);
	OK(HERE(step_map, RSM_PERM_RDWR, 0, SEGMENT_BYTES));
	ck_assert_uint_eq(memory_wrong(program.mapped, 0, SEGMENT_BYTES, 1), 0);
	for (long i = 0; i < ROUNDS; i++) {
		HERE(step_mapped_store, i * 64, i);
		ck_assert_int_eq(ASK(exporter, step_load, i * 64), i);
		ASK(exporter, step_store, i * 64, i + 1);
		ck_assert_int_eq(HERE(step_mapped_load, i * 64), i + 1);
	}
	/* And what get and put say is the same memory. */
	OK(HERE(step_put, 3 * PAGE, 42));
	ck_assert_int_eq(HERE(step_mapped_load, 3 * PAGE), 42);
	HERE(step_mapped_store, 3 * PAGE, 43);
	ck_assert_int_eq(HERE(step_get, 3 * PAGE), 43);
	OK(barrier_code());
}
END_TEST

START_TEST(test_map_05_each_its_own)
{
	struct peer *other = peer_start(3);
	char *first;
	rsm_memseg_import_handle_t import;

	exporter_start(0);
	OK(ASK(other, step_export, SEGMENT_PAGES, 0, 2, segment_id())); /* the same id, on another node */
	import_here(RSM_PERM_RDWR);
	OK(HERE(step_map, RSM_PERM_RDWR, 0, SEGMENT_BYTES));
	first = program.mapped;
	import = program.imported;
	OK(HERE(step_import, 3, segment_id(), RSM_PERM_RDWR));
	OK(HERE(step_map, RSM_PERM_RDWR, 0, SEGMENT_BYTES));
	ck_assert_ptr_ne(first, program.mapped);
	ck_assert_uint_eq(memory_wrong(first, 0, SEGMENT_BYTES, 1), 0);
	ck_assert_uint_eq(memory_wrong(program.mapped, 0, SEGMENT_BYTES, 2), 0);
	/* A segment may be imported twice, and mapped by each of its handles. */
	OK(HERE(step_import, 1, segment_id(), RSM_PERM_RDWR));
	OK(HERE(step_map, RSM_PERM_RDWR, 0, SEGMENT_BYTES));
	ck_assert_ptr_ne(first, program.mapped);
	HERE(step_mapped_store, 0, 5);
	ck_assert_uint_eq(*(volatile uint64_t *)(void *)first, 5);
	OK(HERE(step_unmap, 0));
	ck_assert_uint_eq(*(volatile uint64_t *)(void *)first, 5);
	OK(rsm_memseg_import_unmap(import));
}
END_TEST

START_TEST(test_map_07_anywhere)
{
	void *address = (void *)1;

	exporter_start(0);
	import_here(RSM_PERM_READ);
	OK(rsm_memseg_import_map(program.imported, &address, RSM_MAP_NONE, RSM_PERM_READ, 0, SEGMENT_BYTES));
	ck_assert_uint_eq((uintptr_t)address % PAGE, 0);
	ck_assert_uint_gt((uintptr_t)address, PAGE);
	ck_assert_uint_eq(memory_wrong(address, 0, SEGMENT_BYTES, 1), 0);
}
END_TEST

START_TEST(test_map_08_fixed)
{
	char *reserved = mmap(NULL, SEGMENT_BYTES + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *address = reserved + PAGE;

	exporter_start(0);
	import_here(RSM_PERM_RDWR);
	OK(rsm_memseg_import_map(program.imported, &address, RSM_MAP_FIXED, RSM_PERM_RDWR, 0, SEGMENT_BYTES));
	ck_assert_ptr_eq(address, reserved + PAGE);
	ck_assert_uint_eq(memory_wrong(address, 0, SEGMENT_BYTES, 1), 0);
	ck_assert(!readable(reserved) && !readable(reserved + PAGE + SEGMENT_BYTES));
	OK(HERE(step_unmap, 0));
	ck_assert(!readable(reserved + PAGE));
}
END_TEST

static sigjmp_buf out_of_the_fault;

static void fault_end(int number)
{
	siglongjmp(out_of_the_fault, number);
}

/* The signal that a store gives, or 0. */
static int store_signal(char *address)
{
	int number = sigsetjmp(out_of_the_fault, 1);

	if (number == 0)
		*(volatile uint64_t *)(void *)address = 1;
	return number;
}

START_TEST(test_map_09_permissions)
{
	static const rsm_permission_t perms[] = { RSM_PERM_READ, RSM_PERM_WRITE, RSM_PERM_RDWR };
	const struct sigaction action = { .sa_handler = fault_end };

	ck_assert_int_eq(sigaction(SIGSEGV, &action, NULL), 0);
	exporter_start(0);
	import_here(RSM_PERM_RDWR);
	for (size_t i = 0; i < COUNT(perms); i++) {
		OK(HERE(step_map, perms[i], 0, SEGMENT_BYTES));
		if (perms[i] & RSM_PERM_READ)
			ck_assert_uint_eq(memory_wrong(program.mapped, 8, SEGMENT_BYTES, 1), 0);
		ck_assert_int_eq(store_signal(program.mapped), perms[i] & RSM_PERM_WRITE ? 0 : SIGSEGV);
		if (perms[i] & RSM_PERM_WRITE)
			ck_assert_int_eq(ASK(exporter, step_load, 0), 1);
		OK(HERE(step_unmap, 0));
	}
}
END_TEST

START_TEST(test_map_11_offset_and_length)
{
	static const struct {
		long offset, length;
	} parts[] = { { 0, PAGE }, { PAGE, PAGE }, { PAGE, 2 * PAGE }, { 3 * PAGE, PAGE }, { 0, SEGMENT_BYTES },
		      { 2 * PAGE, 100 } };
	char *reserved = mmap(NULL, SEGMENT_BYTES + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	exporter_start(0);
	import_here(RSM_PERM_READ);
	for (size_t part = 0; part < COUNT(parts); part++) {
		void *address = reserved;

		OK(rsm_memseg_import_map(program.imported, &address, RSM_MAP_FIXED, RSM_PERM_READ, parts[part].offset,
					 (size_t)parts[part].length));
		for (long i = 0; i < parts[part].length; i++)
			ck_assert_uint_eq((unsigned char)reserved[i], pattern(1, (size_t)(parts[part].offset + i)));
		ck_assert(!readable(reserved + (parts[part].length + PAGE - 1) / PAGE * PAGE));
		OK(HERE(step_unmap, 0));
	}
}
END_TEST

START_TEST(test_map_13_unmap)
{
	exporter_start(0);
	import_here(RSM_PERM_RDWR);
	OK(HERE(step_map, RSM_PERM_RDWR, 0, SEGMENT_BYTES));
	ck_assert(readable(program.mapped));
	HERE(step_mapped_store, 0, 9);
	OK(HERE(step_unmap, 0));
	ck_assert(!readable(program.mapped) && !readable(program.mapped + SEGMENT_BYTES - 1));
	ck_assert_int_eq(ASK(exporter, step_load, 0), 9);
	ck_assert_int_eq(HERE(step_get, 0), 9); /* still connected */
	OK(HERE(step_disconnect, 0));
}
END_TEST

static void *map_and_unmap(void *argument)
{
	rsm_memseg_import_handle_t import = argument;
	int mapped = 0;

	while (mapped < ROUNDS) {
		void *address;
		int code = rsm_memseg_import_map(import, &address, RSM_MAP_NONE, RSM_PERM_READ, 0, SEGMENT_BYTES);

		if (code == RSMERR_SEG_ALREADY_MAPPED)
			continue;
		/* Who has mapped it is the only one who may unmap it. */
		if (code || memory_wrong(address, 0, PAGE, 1) || rsm_memseg_import_unmap(import))
			return (void *)"a call failed";
		mapped++;
	}
	return NULL;
}

START_TEST(test_map_16_threads)
{
	pthread_t threads[THREADS];
	void *wrong;

	exporter_start(0);
	import_here(RSM_PERM_READ);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, map_and_unmap, program.imported), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &wrong);
		ck_assert_msg(!wrong, "%s", (const char *)wrong);
	}
}
END_TEST

int main(int argc, char **argv)
{
	const TTest *const tests[] = {
		test_create_01_resources, test_create_03_protection, test_create_04_new_segment,
		test_create_05_pages, test_create_06_lifetime_not_of_others, test_create_08_handle,
		test_create_10_alignment, test_create_11_length, test_create_12_flags, test_create_13_allow_rebind,
		test_create_14_dontwait, test_create_15_lock_ops, test_destroy_16_importers, test_rebind_18_new_pages,
		test_rebind_19_transparent, test_rebind_21_access_meanwhile, test_rebind_23_alignment,
		test_rebind_24_length, test_rebind_25_offset, test_create_29_private_file, test_create_30_threads,
		test_map_01_again_and_again, test_map_03_loads_and_stores, test_map_05_each_its_own,
		test_map_07_anywhere, test_map_08_fixed, test_map_09_permissions, test_map_11_offset_and_length,
		test_map_13_unmap, test_map_16_threads,
	};
	Suite *suite = suite_create("librsm, sentence by sentence");
	TCase *tcase = tcase_create("pages");

	peer_main(argc, argv);
	tcase_add_unchecked_fixture(tcase, cluster_up, nodes_stop);
	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, test_create_02_memory_of_the_program, 0, KINDS);
	tcase_add_loop_test(tcase, test_create_06_lifetime, 0, 4);
	tcase_add_loop_test(tcase, test_create_07_controller, 0, 5);
	for (size_t i = 0; i < COUNT(tests); i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	return scene_run(suite);
}
