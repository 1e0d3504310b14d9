#define _GNU_SOURCE 1
#include "rsm_rows.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Import. */

static int connect_bad_controller(int wrong)
{
	return rsm_memseg_import_connect(wrong ? wrong_controller() : NULL, 1, segment_id(), RSM_PERM_READ, NULL);
}

static int connect_null(int unused)
{
	(void)unused;
	return rsm_memseg_import_connect(program_controller(), 1, segment_id(), RSM_PERM_READ, NULL);
}

static int connect_loopback(int unused)
{
	(void)unused;
	exporter_start(0);
	nodes_use(2);
	OK(rsm_get_controller(NULL, &program.controller));
	return connect_as(1, segment_id(), RSM_PERM_READ);
}

static int connect_unknown(int which)
{
	exporter_start(0);
	nodes_use(2);
	return which ? connect_as(2, segment_id(), RSM_PERM_READ) : connect_as(1, OTHER_ID, RSM_PERM_READ);
}

static int connect_unpublished(int unused)
{
	(void)unused;
	exporter_start(0);
	OK(ASK(exporter, step_unpublish, 0));
	nodes_use(2);
	return connect_as(1, segment_id(), RSM_PERM_READ);
}

static int connect_not_listed(int unused)
{
	(void)unused;
	exporter = peer_start(1);
	OK(ASK(exporter, step_create, SEGMENT_PAGES, 0, 1));
	ck_assert_uint_eq(ASK(exporter, step_publish, segment_id(), 3, 0666), segment_id());
	nodes_use(2);
	return connect_as(1, segment_id(), RSM_PERM_READ);
}

static int connect_strange_permission(int perm)
{
	exporter_start(0);
	nodes_use(2);
	return connect_as(1, segment_id(), (rsm_permission_t)perm);
}

/* An ordinary user. */
static int connect_not_granted(int given_asked)
{
	struct peer *importer = peer_start(2);

	exporter = peer_start(1);
	OK(ASK(exporter, step_create, SEGMENT_PAGES, 0, 1));
	ck_assert_uint_eq(ASK(exporter, step_publish, segment_id(), 2, given_asked >> 12), segment_id());
	ck_assert_int_eq(ASK(importer, step_become, SOMEBODY, SOMEBODY), 0);
	return (int)ASK(importer, step_connect, 1, segment_id(), given_asked & 07777);
}

/* Where nobody has the permission root has not either. */
static int connect_not_granted_to_root(int given_asked)
{
	exporter = peer_start(1);
	OK(ASK(exporter, step_create, SEGMENT_PAGES, 0, 1));
	ck_assert_uint_eq(ASK(exporter, step_publish, segment_id(), 2, given_asked >> 12), segment_id());
	nodes_use(2);
	return connect_as(1, segment_id(), (rsm_permission_t)(given_asked & 07777));
}

static int connect_no_node(int node)
{
	return connect_as((rsm_node_id_t)node, segment_id(), RSM_PERM_READ);
}

static int connect_dead_node(int unused)
{
	(void)unused;
	nodes_start(3, NULL);
	exporter = peer_start(3);
	OK(ASK(exporter, step_export, 1, 0, 1, segment_id()));
	nodes_use(2);
	OK(connect_as(3, segment_id(), RSM_PERM_READ));
	nodes_do("kill", 3);
	return and_stop(connect_as(3, segment_id(), RSM_PERM_READ));
}

static void unpublish_there(void)
{
	OK(ASK(exporter, step_unpublish, 0));
}

static int connect_too_late(int unused)
{
	(void)unused;
	exporter_start(0);
	nodes_use(2);
	program_controller();
	inject.before = unpublish_there;
	inject.opened = "signal";
	return connect_as(1, segment_id(), RSM_PERM_READ);
}

static int connect_once(void)
{
	return connect_as(1, segment_id(), RSM_PERM_READ);
}

static int connect_without_descriptors(int unused)
{
	(void)unused;
	exporter_start(0);
	nodes_use(2);
	program_controller();
	return without_descriptors(connect_once);
}

static int disconnect_bad_handle(int wrong)
{
	return rsm_memseg_import_disconnect(wrong ? wrong_segment() : NULL);
}

static int disconnect_of_an_export(int unused)
{
	(void)unused;
	return rsm_memseg_import_disconnect((rsm_memseg_import_handle_t)(void *)exported(0));
}

static int disconnect_mapped(int unused)
{
	(void)unused;
	imported(RSM_PERM_READ);
	OK(HERE(step_map, RSM_PERM_READ, 0, PAGE));
	return rsm_memseg_import_disconnect(program.imported);
}

static int disconnect_with_pollfd(int unused)
{
	struct pollfd end;

	(void)unused;
	OK(rsm_memseg_get_pollfd(imported(RSM_PERM_READ), &end));
	return rsm_memseg_import_disconnect(program.imported);
}

/* The ten ways to copy, in the order of their rows. Sizes of elements are 1, 2, 4, 8, and 1 for those without. */
static const size_t element[] = { 1, 2, 4, 8, 1, 1, 2, 4, 8, 1 };
enum { PUTS = 5 };
enum { UNMAPPED, FORBIDDEN, PAST_THE_FILE, READ_ONLY };
static uint64_t data[2 * PAGE / 8];

static int copy(int which, rsm_memseg_import_handle_t import, off_t offset, void *memory, size_t length)
{
	ulong_t count = length / element[which];

	switch (which) {
	case 0:
		return rsm_memseg_import_get8(import, offset, memory, count);
	case 1:
		return rsm_memseg_import_get16(import, offset, memory, count);
	case 2:
		return rsm_memseg_import_get32(import, offset, memory, count);
	case 3:
		return rsm_memseg_import_get64(import, offset, memory, count);
	case 4:
		return rsm_memseg_import_get(import, offset, memory, length);
	case 5:
		return rsm_memseg_import_put8(import, offset, memory, count);
	case 6:
		return rsm_memseg_import_put16(import, offset, memory, count);
	case 7:
		return rsm_memseg_import_put32(import, offset, memory, count);
	case 8:
		return rsm_memseg_import_put64(import, offset, memory, count);
	default:
		return rsm_memseg_import_put(import, offset, memory, length);
	}
}

static int copy_bad_handle(int which)
{
	ck_assert_int_eq(copy(which, wrong_segment(), 0, data, PAGE), RSMERR_BAD_SEG_HNDL);
	return copy(which, NULL, 1, NULL, PAGE);
}

static int copy_no_data(int which)
{
	return copy(which, imported(RSM_PERM_RDWR), 1, NULL, PAGE);
}

/* Memory of the program that is not there, or does not allow it, from its second page on. */
static char *half_memory(int kind)
{
	FILE *file = tmpfile();
	char *memory;

	ck_assert(file && ftruncate(fileno(file), PAGE) == 0);
	memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
	ck_assert_ptr_ne(memory, MAP_FAILED);
	fclose(file);
	if (kind == UNMAPPED)
		munmap(memory + PAGE, PAGE);
	else if (kind != PAST_THE_FILE)
		mprotect(memory + PAGE, PAGE, kind == FORBIDDEN ? PROT_NONE : PROT_READ);
	memset(memory, 'm', PAGE);
	return memory;
}

/* In both modes, and where the library cannot map the segment either. The handle is as good as before. */
static int copy_half_memory(int which, int kind)
{
	char *memory = half_memory(kind);

	exporter_start(0);
	for (int i = 0; i < 3; i++) {
		import_here(RSM_PERM_RDWR);
		OK(rsm_memseg_import_set_mode(program.imported, i == 1 ? RSM_BARRIER_MODE_EXPLICIT
								       : RSM_BARRIER_MODE_IMPLICIT));
		inject.map = i == 2 ? ENOMEM : 0;
		ck_assert_int_eq(copy(which, program.imported, 0, memory, 2 * PAGE), RSMERR_BAD_ADDR);
		ck_assert_int_eq(copy(which, program.imported, 0, memory + 2 * PAGE - 8, 8), RSMERR_BAD_ADDR);
		OK(barrier_code());
		OK(copy(which, program.imported, 0, memory, PAGE));
		OK(copy(which, program.imported, 0, data, PAGE));
	}
	return copy(which, program.imported, 0, memory + PAGE, 8);
}

static int copy_unmapped(int which)
{
	return copy_half_memory(which, UNMAPPED);
}

static int copy_forbidden(int which)
{
	return copy_half_memory(which, FORBIDDEN);
}

static int copy_past_the_file(int which)
{
	return copy_half_memory(which, PAST_THE_FILE);
}

static int copy_read_only(int which)
{
	return copy_half_memory(which, READ_ONLY);
}

static int copy_misaligned_data(int which)
{
	return copy(which, imported(RSM_PERM_RDWR), 0, (char *)data + 1, PAGE);
}

static int copy_misaligned_offset(int which)
{
	return copy(which, imported(RSM_PERM_RDWR), (off_t)element[which] / 2, data, PAGE);
}

/* Also where the place is past the end, which is asked later. */
static int copy_denied(int which)
{
	return copy(which, imported(which < PUTS ? RSM_PERM_WRITE : RSM_PERM_READ), 2 * SEGMENT_BYTES, data, PAGE);
}

static int copy_past_the_mapping(int which)
{
	imported(RSM_PERM_RDWR);
	OK(HERE(step_map, RSM_PERM_READ, PAGE, 2 * PAGE));
	ck_assert_int_eq(copy(which, program.imported, PAGE, data, 2 * PAGE), RSM_SUCCESS);
	ck_assert_int_eq(copy(which, program.imported, 0, data, 8), RSMERR_BAD_OFFSET);
	ck_assert_int_eq(copy(which, program.imported, 3 * PAGE - 8, data, 16), RSMERR_BAD_OFFSET);
	return copy(which, program.imported, 3 * PAGE, data, 8);
}

static int copy_past_the_end(int which)
{
	imported(RSM_PERM_RDWR);
	ck_assert_int_eq(copy(which, program.imported, SEGMENT_BYTES - PAGE, data, PAGE), RSM_SUCCESS);
	ck_assert_int_eq(copy(which, program.imported, SEGMENT_BYTES, data, 8), RSMERR_BAD_LENGTH);
	ck_assert_int_eq(copy(which, program.imported, (off_t)1 << 62, data, 8), RSMERR_BAD_LENGTH);
	ck_assert_int_eq(copy(which, program.imported, 8, data, SIZE_MAX - 7), RSMERR_BAD_LENGTH);
	return copy(which, program.imported, SEGMENT_BYTES - 8, data, 16);
}

static int copy_without_barrier(int which)
{
	exporter_start(0);
	nodes_use(2);
	OK(connect_as(1, segment_id(), RSM_PERM_RDWR));
	OK(rsm_memseg_import_set_mode(program.imported, RSM_BARRIER_MODE_EXPLICIT));
	OK(copy(which, program.imported, 0, data, PAGE));
	OK(rsm_memseg_import_set_mode(program.imported, RSM_BARRIER_MODE_IMPLICIT));
	return copy(which, program.imported, 0, data, PAGE);
}

static int copy_cut_off(int which)
{
	cut_off();
	ck_assert_int_eq(copy(which, program.imported, 0, data, PAGE), RSMERR_CONN_ABORTED);
	return copy(which, program.imported, 0, data, 8);
}

static int copy_does_not_arrive(int which)
{
	imported(RSM_PERM_RDWR);
	inject.synchronise = EIO;
	return copy(which, program.imported, 0, data, PAGE);
}

static rsm_iovec_t vector[RSM_MAX_SGIOREQS + 1];

/* One entry, which a row makes wrong. */
static rsm_scat_gath_t scattered(rsm_memseg_import_handle_t import)
{
	vector[0] = (rsm_iovec_t){ .io_type = RSM_VA_TYPE, .local.vaddr = (caddr_t)data, .transfer_length = PAGE };
	return (rsm_scat_gath_t){ .local_nodeid = 2, .io_request_count = 1, .remote_handle = import, .iovec = vector };
}

static int scatter(int put, rsm_scat_gath_t *list)
{
	return put ? rsm_memseg_import_putv(list) : rsm_memseg_import_getv(list);
}

static int scatter_null(int put)
{
	return scatter(put, NULL);
}

static int scatter_count(int put)
{
	rsm_scat_gath_t list = scattered(imported(RSM_PERM_RDWR));

	list.io_request_count = RSM_MAX_SGIOREQS + 1;
	ck_assert_int_eq(scatter(put, &list), RSMERR_BAD_SGIO);
	list.io_request_count = 0;
	return scatter(put, &list);
}

static int scatter_bad_handle(int put)
{
	rsm_scat_gath_t list = scattered(NULL);

	ck_assert_int_eq(scatter(put, &list), RSMERR_BAD_SEG_HNDL);
	list = scattered(wrong_segment());
	return scatter(put, &list);
}

static int scatter_bad_type(int put)
{
	rsm_scat_gath_t list = scattered(imported(RSM_PERM_RDWR));

	vector[0].io_type = 3;
	return scatter(put, &list);
}

static int scatter_bad_local(int put)
{
	rsm_scat_gath_t list = scattered(imported(RSM_PERM_RDWR));

	vector[0].io_type = RSM_HANDLE_TYPE;
	vector[0].local.handle = NULL;
	ck_assert_int_eq(scatter(put, &list), RSMERR_BAD_LOCALMEM_HNDL);
	vector[0].local.handle = wrong_segment();
	return scatter(put, &list);
}

static int scatter_null_local(int put)
{
	rsm_scat_gath_t list = scattered(imported(RSM_PERM_RDWR));

	vector[0].local.vaddr = NULL;
	return scatter(put, &list);
}

static int scatter_half_local(int put)
{
	rsm_scat_gath_t list = scattered(imported(RSM_PERM_RDWR));

	vector[0].local.vaddr = half_memory(UNMAPPED);
	vector[0].transfer_length = 2 * PAGE;
	return scatter(put, &list);
}

static int scatter_past_local(int put)
{
	rsm_scat_gath_t list = scattered(imported(RSM_PERM_RDWR));

	vector[0].io_type = RSM_HANDLE_TYPE;
	OK(rsm_create_localmemory_handle(program_controller(), &vector[0].local.handle, one_page(), PAGE));
	vector[0].local_offset = 8;
	return scatter(put, &list);
}

static int scatter_denied(int put)
{
	rsm_scat_gath_t list = scattered(imported(put ? RSM_PERM_READ : RSM_PERM_WRITE));

	return scatter(put, &list);
}

static int scatter_past_the_end(int put)
{
	rsm_scat_gath_t list = scattered(imported(RSM_PERM_RDWR));

	vector[0].remote_offset = SEGMENT_BYTES - 8;
	return scatter(put, &list);
}

static int scatter_past_the_mapping(int put)
{
	rsm_scat_gath_t list = scattered(imported(RSM_PERM_RDWR));

	OK(HERE(step_map, RSM_PERM_READ, PAGE, PAGE));
	return scatter(put, &list);
}

static int scatter_without_barrier(int put)
{
	rsm_scat_gath_t list;

	exporter_start(0);
	nodes_use(2);
	OK(connect_as(1, segment_id(), RSM_PERM_RDWR));
	list = scattered(program.imported);
	return scatter(put, &list);
}

static int scatter_cut_off(int put)
{
	rsm_scat_gath_t list = scattered(cut_off());

	list.flags = RSM_IMPLICIT_SIGPOST;
	return scatter(put, &list);
}

static int local_of(int which)
{
	static rsm_localmemory_handle_t handle;
	char *memory = memory_new(2 * PAGE, 1);

	switch (which) {
	case 0:
		return rsm_create_localmemory_handle(NULL, &handle, memory, PAGE);
	case 1:
		return rsm_create_localmemory_handle(wrong_controller(), &handle, memory, PAGE);
	case 2:
		return rsm_create_localmemory_handle(program_controller(), NULL, memory, PAGE);
	case 3:
		return rsm_create_localmemory_handle(program_controller(), &handle, memory, 0);
	case 4:
		return rsm_create_localmemory_handle(program_controller(), &handle, memory + 8, PAGE);
	case 5:
		return rsm_create_localmemory_handle(program_controller(), &handle, NULL, PAGE);
	default:
		return rsm_create_localmemory_handle(program_controller(), &handle, memory, PAGE + 8);
	}
}

static int local_free(int which)
{
	static rsm_localmemory_handle_t handle;

	OK(rsm_create_localmemory_handle(program_controller(), &handle, one_page(), PAGE));
	switch (which) {
	case 0:
		return rsm_free_localmemory_handle(NULL, handle);
	case 1:
		return rsm_free_localmemory_handle(wrong_controller(), handle);
	case 2:
		return rsm_free_localmemory_handle(program_controller(), NULL);
	default:
		return rsm_free_localmemory_handle(program_controller(), wrong_segment());
	}
}

static int map_bad_handle(int wrong)
{
	void *address;

	return rsm_memseg_import_map(wrong ? wrong_segment() : NULL, &address, RSM_MAP_NONE, RSM_PERM_READ, 0, PAGE);
}

static int map_null(int unused)
{
	(void)unused;
	return rsm_memseg_import_map(imported(RSM_PERM_READ), NULL, RSM_MAP_NONE, RSM_PERM_READ, 0, PAGE);
}

static int map_nowhere(int unused)
{
	void *address = NULL;

	(void)unused;
	return rsm_memseg_import_map(imported(RSM_PERM_READ), &address, RSM_MAP_FIXED, RSM_PERM_READ, 0, PAGE);
}

static int map_part(off_t offset, size_t length)
{
	void *address;

	return rsm_memseg_import_map(imported(RSM_PERM_RDWR), &address, RSM_MAP_NONE, RSM_PERM_READ, offset, length);
}

static int map_length(int which)
{
	static const struct {
		off_t offset;
		size_t length;
	} parts[] = { { 0, 0 },
		      { 0, SEGMENT_BYTES + 1 },
		      { PAGE, SEGMENT_BYTES },
		      { SEGMENT_BYTES, PAGE },
		      { PAGE, SIZE_MAX - PAGE + 1 } };

	return map_part(parts[which].offset, parts[which].length);
}

static int map_misaligned(int which)
{
	void *address = memory_new(SEGMENT_BYTES, 0) + 8;

	if (!which)
		return map_part(8, PAGE);
	return rsm_memseg_import_map(imported(RSM_PERM_READ), &address, RSM_MAP_FIXED, RSM_PERM_READ, 0, PAGE);
}

static int map_negative_offset(int unused)
{
	(void)unused;
	return map_part(-(off_t)PAGE, PAGE);
}

static int map_strange_permission(int perm)
{
	void *address;

	return rsm_memseg_import_map(imported(RSM_PERM_READ), &address, RSM_MAP_NONE, (rsm_permission_t)perm, 0, PAGE);
}

static int map_cut_off(int unused)
{
	(void)unused;
	cut_off();
	return (int)HERE(step_map, RSM_PERM_READ, 0, PAGE);
}

static int map_fails(int error)
{
	imported(RSM_PERM_READ);
	inject.map = error;
	return (int)HERE(step_map, RSM_PERM_READ, 0, PAGE);
}

static int map_twice(int unused)
{
	(void)unused;
	imported(RSM_PERM_READ);
	OK(HERE(step_map, RSM_PERM_READ, 0, PAGE));
	return (int)HERE(step_map, RSM_PERM_READ, PAGE, PAGE);
}

static int map_disconnected(int unused)
{
	(void)unused;
	imported(RSM_PERM_READ);
	OK(HERE(step_disconnect, 0));
	return (int)HERE(step_map, RSM_PERM_READ, 0, PAGE);
}

static int unmap_bad_handle(int wrong)
{
	return rsm_memseg_import_unmap(wrong ? wrong_segment() : NULL);
}

static int unmap_unmapped(int again)
{
	imported(RSM_PERM_READ);
	if (again) {
		OK(HERE(step_map, RSM_PERM_READ, 0, PAGE));
		OK(HERE(step_unmap, 0));
	}
	return (int)HERE(step_unmap, 0);
}

/* The rows. */

#define EACH_GET(code, how, provoke)                          \
	{ "rsm_memseg_import_get8", code, how, provoke, 0 },  \
	{ "rsm_memseg_import_get16", code, how, provoke, 1 }, \
	{ "rsm_memseg_import_get32", code, how, provoke, 2 }, \
	{ "rsm_memseg_import_get64", code, how, provoke, 3 }, \
	{ "rsm_memseg_import_get", code, how, provoke, 4 }
#define EACH_COPY(code, how, provoke) \
	EACH_GET(code, how, provoke), \
	EACH_PUT(code, how, provoke)
#define EACH_PUT(code, how, provoke)                          \
	{ "rsm_memseg_import_put8", code, how, provoke, 5 },  \
	{ "rsm_memseg_import_put16", code, how, provoke, 6 }, \
	{ "rsm_memseg_import_put32", code, how, provoke, 7 }, \
	{ "rsm_memseg_import_put64", code, how, provoke, 8 }, \
	{ "rsm_memseg_import_put", code, how, provoke, 9 }
#define EACH_WIDE_COPY(code, how, provoke)                    \
	{ "rsm_memseg_import_get16", code, how, provoke, 1 }, \
	{ "rsm_memseg_import_get32", code, how, provoke, 2 }, \
	{ "rsm_memseg_import_get64", code, how, provoke, 3 }, \
	{ "rsm_memseg_import_put16", code, how, provoke, 6 }, \
	{ "rsm_memseg_import_put32", code, how, provoke, 7 }, \
	{ "rsm_memseg_import_put64", code, how, provoke, 8 }
#define EACH_SCATTER(code, how, provoke)                     \
	{ "rsm_memseg_import_getv", code, how, provoke, 0 }, \
	{ "rsm_memseg_import_putv", code, how, provoke, 1 }
#define GIVEN_ASKED(given, asked) ((given) << 12 | (asked))

const struct row rows_import[] = {
	{ "rsm_memseg_import_connect", RSMERR_BAD_CTLR_HNDL, "NULL, and no place for the handle",
	  connect_bad_controller, 0 },
	{ "rsm_memseg_import_connect", RSMERR_BAD_CTLR_HNDL, "an export handle", connect_bad_controller, 1 },
	{ "rsm_memseg_import_connect", RSMERR_BAD_SEG_HNDL, "no place for the handle", connect_null, 0 },
	{ "rsm_memseg_import_connect", RSMERR_CTLR_NOT_PRESENT, "loopback to another node", connect_loopback, 0 },
	{ "rsm_memseg_import_connect", RSMERR_SEG_NOT_PUBLISHED, "an id that nobody has", connect_unknown, 0 },
	{ "rsm_memseg_import_connect", RSMERR_SEG_NOT_PUBLISHED, "an id of another node", connect_unknown, 1 },
	{ "rsm_memseg_import_connect", RSMERR_SEG_NOT_PUBLISHED, "unpublished again", connect_unpublished, 0 },
	{ "rsm_memseg_import_connect", RSMERR_SEG_NOT_PUBLISHED_TO_NODE, "a list without this node",
	  connect_not_listed, 0 },
	{ "rsm_memseg_import_connect", RSMERR_PERM_DENIED, "a permission of the group", connect_strange_permission, 0640 },
	{ "rsm_memseg_import_connect", RSMERR_PERM_DENIED, "execution", connect_strange_permission, 0500 },
	{ "rsm_memseg_import_connect", RSMERR_PERM_DENIED, "listed for reading, asks to write", connect_not_granted,
	  GIVEN_ASKED(0444, RSM_PERM_WRITE) },
	{ "rsm_memseg_import_connect", RSMERR_PERM_DENIED, "listed for reading, asks for both", connect_not_granted,
	  GIVEN_ASKED(0444, RSM_PERM_RDWR) },
	{ "rsm_memseg_import_connect", RSMERR_PERM_DENIED, "listed for writing, asks for both", connect_not_granted,
	  GIVEN_ASKED(0222, RSM_PERM_RDWR) },
	{ "rsm_memseg_import_connect", RSMERR_PERM_DENIED, "listed with nothing", connect_not_granted,
	  GIVEN_ASKED(0, RSM_PERM_READ) },
	{ "rsm_memseg_import_connect", RSMERR_PERM_DENIED, "root, listed for reading", connect_not_granted_to_root,
	  GIVEN_ASKED(0444, RSM_PERM_RDWR) },
	{ "rsm_memseg_import_connect", RSMERR_PERM_DENIED, "root, listed for writing", connect_not_granted_to_root,
	  GIVEN_ASKED(0222, RSM_PERM_READ) },
	{ "rsm_memseg_import_connect", RSMERR_PERM_DENIED, "root, listed with nothing", connect_not_granted_to_root,
	  GIVEN_ASKED(0, RSM_PERM_READ) },
	{ "rsm_memseg_import_connect", RSMERR_REMOTE_NODE_UNREACHABLE, "no such node", connect_no_node, 99 },
	{ "rsm_memseg_import_connect", RSMERR_REMOTE_NODE_UNREACHABLE, "the number 0", connect_no_node, 0 },
	{ "rsm_memseg_import_connect", RSMERR_REMOTE_NODE_UNREACHABLE, "a node that has died", connect_dead_node, 0 },
	{ "rsm_memseg_import_connect", RSMERR_INTERRUPTED, "unpublished meanwhile", connect_too_late, 0 },
	{ "rsm_memseg_import_connect", RSMERR_INSUFFICIENT_RESOURCES, "no descriptor left",
	  connect_without_descriptors, 0 },

	{ "rsm_memseg_import_disconnect", RSMERR_BAD_SEG_HNDL, "NULL", disconnect_bad_handle, 0 },
	{ "rsm_memseg_import_disconnect", RSMERR_BAD_SEG_HNDL, "a controller", disconnect_bad_handle, 1 },
	{ "rsm_memseg_import_disconnect", RSMERR_BAD_SEG_HNDL, "an export handle", disconnect_of_an_export, 0 },
	{ "rsm_memseg_import_disconnect", RSMERR_SEG_STILL_MAPPED, "mapped", disconnect_mapped, 0 },
	{ "rsm_memseg_import_disconnect", RSMERR_POLLFD_IN_USE, "a pollfd not released", disconnect_with_pollfd, 0 },

	EACH_COPY(RSMERR_BAD_SEG_HNDL, "NULL; a controller", copy_bad_handle),
	EACH_COPY(RSMERR_BAD_ADDR, "no data", copy_no_data),
	EACH_COPY(RSMERR_BAD_ADDR, "data that is not mapped", copy_unmapped),
	EACH_COPY(RSMERR_BAD_ADDR, "data that the program has forbidden itself", copy_forbidden),
	EACH_COPY(RSMERR_BAD_ADDR, "data past the end of a file", copy_past_the_file),
	EACH_GET(RSMERR_BAD_ADDR, "data that is read-only", copy_read_only),
	EACH_WIDE_COPY(RSMERR_BAD_MEM_ALIGNMENT, "data within an element", copy_misaligned_data),
	EACH_WIDE_COPY(RSMERR_BAD_MEM_ALIGNMENT, "an offset within an element", copy_misaligned_offset),
	EACH_COPY(RSMERR_PERM_DENIED, "not connected for it", copy_denied),
	EACH_COPY(RSMERR_BAD_OFFSET, "mapped, and before or past that", copy_past_the_mapping),
	EACH_COPY(RSMERR_BAD_LENGTH, "past the end", copy_past_the_end),
	EACH_COPY(RSMERR_BARRIER_UNINITIALIZED, "implicit, and no barrier", copy_without_barrier),
	EACH_COPY(RSMERR_CONN_ABORTED, "the exporter has died", copy_cut_off),
	EACH_PUT(RSMERR_BARRIER_FAILURE, "what was put does not arrive (EIO)", copy_does_not_arrive),

	EACH_SCATTER(RSMERR_BAD_SGIO, "NULL", scatter_null),
	EACH_SCATTER(RSMERR_BAD_SGIO, "17 entries; none", scatter_count),
	EACH_SCATTER(RSMERR_BAD_SGIO, "an unknown type", scatter_bad_type),
	EACH_SCATTER(RSMERR_BAD_SEG_HNDL, "no remote handle; a controller", scatter_bad_handle),
	EACH_SCATTER(RSMERR_BAD_LOCALMEM_HNDL, "no local handle; a controller", scatter_bad_local),
	EACH_SCATTER(RSMERR_BAD_ADDR, "no local address", scatter_null_local),
	EACH_SCATTER(RSMERR_BAD_ADDR, "local memory that is not mapped", scatter_half_local),
	EACH_SCATTER(RSMERR_BAD_LENGTH, "past the local handle's end", scatter_past_local),
	EACH_SCATTER(RSMERR_BAD_LENGTH, "past the segment's end", scatter_past_the_end),
	EACH_SCATTER(RSMERR_BAD_OFFSET, "mapped, and before that", scatter_past_the_mapping),
	EACH_SCATTER(RSMERR_PERM_DENIED, "not connected for it", scatter_denied),
	EACH_SCATTER(RSM_SUCCESS, "implicit, and no barrier, which is no error here", scatter_without_barrier),
	EACH_SCATTER(RSMERR_CONN_ABORTED, "the exporter has died", scatter_cut_off),

	{ "rsm_create_localmemory_handle", RSMERR_BAD_CTLR_HNDL, "NULL", local_of, 0 },
	{ "rsm_create_localmemory_handle", RSMERR_BAD_CTLR_HNDL, "an export handle", local_of, 1 },
	{ "rsm_create_localmemory_handle", RSMERR_BAD_LOCALMEM_HNDL, "no place for the handle", local_of, 2 },
	{ "rsm_create_localmemory_handle", RSMERR_BAD_LENGTH, "no length", local_of, 3 },
	{ "rsm_create_localmemory_handle", RSMERR_BAD_ADDR, "an address within a page", local_of, 4 },
	{ "rsm_create_localmemory_handle", RSMERR_BAD_ADDR, "no address", local_of, 5 },
	{ "rsm_create_localmemory_handle", RSM_SUCCESS, "a length within a page, which is no error", local_of, 6 },
	{ "rsm_free_localmemory_handle", RSMERR_BAD_CTLR_HNDL, "NULL", local_free, 0 },
	{ "rsm_free_localmemory_handle", RSMERR_BAD_CTLR_HNDL, "an export handle", local_free, 1 },
	{ "rsm_free_localmemory_handle", RSMERR_BAD_LOCALMEM_HNDL, "NULL", local_free, 2 },
	{ "rsm_free_localmemory_handle", RSMERR_BAD_LOCALMEM_HNDL, "a controller", local_free, 3 },

	{ "rsm_memseg_import_map", RSMERR_BAD_SEG_HNDL, "NULL", map_bad_handle, 0 },
	{ "rsm_memseg_import_map", RSMERR_BAD_SEG_HNDL, "a controller", map_bad_handle, 1 },
	{ "rsm_memseg_import_map", RSMERR_BAD_ADDR, "no place for the address", map_null, 0 },
	{ "rsm_memseg_import_map", RSMERR_BAD_ADDR, "fixed, where nothing can be", map_nowhere, 0 },
	{ "rsm_memseg_import_map", RSMERR_BAD_LENGTH, "no length", map_length, 0 },
	{ "rsm_memseg_import_map", RSMERR_BAD_LENGTH, "a byte too long", map_length, 1 },
	{ "rsm_memseg_import_map", RSMERR_BAD_LENGTH, "past the end by its offset", map_length, 2 },
	{ "rsm_memseg_import_map", RSMERR_BAD_LENGTH, "at the end", map_length, 3 },
	{ "rsm_memseg_import_map", RSMERR_BAD_LENGTH, "an end past all numbers", map_length, 4 },
	{ "rsm_memseg_import_map", RSMERR_BAD_MEM_ALIGNMENT, "an offset within a page", map_misaligned, 0 },
	{ "rsm_memseg_import_map", RSMERR_BAD_MEM_ALIGNMENT, "a fixed address within a page", map_misaligned, 1 },
	{ "rsm_memseg_import_map", RSMERR_BAD_OFFSET, "an offset below 0", map_negative_offset, 0 },
	{ "rsm_memseg_import_map", RSMERR_BAD_PERMS, "a permission of the group", map_strange_permission, 0440 },
	{ "rsm_memseg_import_map", RSMERR_BAD_PERMS, "more than 0600", map_strange_permission, 0700 },
	{ "rsm_memseg_import_map", RSMERR_BAD_PERMS, "none", map_strange_permission, 0 },
	{ "rsm_memseg_import_map", RSMERR_BAD_PERMS, "more than the connection has", map_strange_permission, 0600 },
	{ "rsm_memseg_import_map", RSMERR_CONN_ABORTED, "the exporter has died", map_cut_off, 0 },
	{ "rsm_memseg_import_map", RSMERR_MAP_FAILED, "the system maps no more (ENFILE)", map_fails, ENFILE },
	{ "rsm_memseg_import_map", RSMERR_SEG_ALREADY_MAPPED, "twice", map_twice, 0 },
	{ "rsm_memseg_import_map", RSMERR_SEG_NOT_CONNECTED, "disconnected", map_disconnected, 0 },
	{ "rsm_memseg_import_unmap", RSMERR_BAD_SEG_HNDL, "NULL", unmap_bad_handle, 0 },
	{ "rsm_memseg_import_unmap", RSMERR_BAD_SEG_HNDL, "a controller", unmap_bad_handle, 1 },
	{ "rsm_memseg_import_unmap", RSMERR_SEG_NOT_MAPPED, "never mapped", unmap_unmapped, 0 },
	{ "rsm_memseg_import_unmap", RSMERR_SEG_NOT_MAPPED, "twice", unmap_unmapped, 1 },
};
const size_t rows_import_count = COUNT(rows_import);
