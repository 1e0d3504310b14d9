#define _GNU_SOURCE 1
#include "rsm_rows.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Controllers, topology, ids. */

static int controller_null(int unused)
{
	(void)unused;
	return rsm_get_controller((char *)"netmem", NULL);
}

static int controller_unknown(int which)
{
	static const char *const names[] = { "sci0", "netmem77", "netmem02", "", "loopback0", "netmemX", "netmem1" };
	rsmapi_controller_handle_t controller;

	return rsm_get_controller((char *)names[which], &controller);
}

static int controller_no_mount(int unused)
{
	rsmapi_controller_handle_t controller;

	(void)unused;
	setenv("NETMEM_MOUNT", "/proc", 1);
	return rsm_get_controller(NULL, &controller);
}

static int controller_dead(int unused)
{
	rsmapi_controller_handle_t controller;

	(void)unused;
	nodes_start(1, NULL);
	nodes_do("kill", 1);
	return and_stop(rsm_get_controller(NULL, &controller));
}

static rsmapi_controller_handle_t spare;

static int get_spare(void)
{
	return rsm_get_controller(NULL, &spare);
}

static int controller_no_descriptors(int unused)
{
	(void)unused;
	return without_descriptors(get_spare);
}

static int attr_bad_handle(int wrong)
{
	rsmapi_controller_attr_t attr;

	return rsm_get_controller_attr(wrong ? wrong_controller() : NULL, &attr);
}

static int attr_null(int unused)
{
	(void)unused;
	return rsm_get_controller_attr(program_controller(), NULL);
}

static int attr_dead(int unused)
{
	rsmapi_controller_attr_t attr;

	(void)unused;
	nodes_start(1, NULL);
	program_controller();
	nodes_do("kill", 1);
	return and_stop(rsm_get_controller_attr(program_controller(), &attr));
}

static int release_bad_handle(int wrong)
{
	return rsm_release_controller(wrong ? wrong_controller() : NULL);
}

static int release_twice(int unused)
{
	rsmapi_controller_handle_t first;
	rsmapi_controller_handle_t second;

	(void)unused;
	exported(0); /* has a hold on its controller, which is not the program's to release */
	OK(rsm_get_controller((char *)"netmem", &first));
	OK(rsm_get_controller((char *)"netmem", &second));
	OK(rsm_release_controller(program.controller));
	OK(rsm_release_controller(first));
	OK(rsm_release_controller(second));
	return rsm_release_controller(second);
}

static int topology_null(int unused)
{
	(void)unused;
	return rsm_get_interconnect_topology(NULL);
}

static int topology_free_null(int unused)
{
	(void)unused;
	rsm_free_interconnect_topology(NULL);
	return RSM_SUCCESS;
}

static int range_of(const char *text)
{
	char path[] = "/tmp/rsm-segmentid-XXXXXX";
	int fd = mkstemp(path);
	rsm_memseg_id_t base;
	uint32_t length;
	int code;

	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	setenv("RSM_SEGMENTID_FILE", path, 1);
	code = rsm_get_segmentid_range("SUNWfoo", &base, &length);
	unlink(path);
	return code;
}

static int range_null(int which)
{
	rsm_memseg_id_t base;
	uint32_t length;

	return rsm_get_segmentid_range(which == 0 ? NULL : "SUNWfoo", which == 1 ? NULL : &base,
				       which == 2 ? NULL : &length);
}

static int range_missing(int unused)
{
	rsm_memseg_id_t base;
	uint32_t length;

	(void)unused;
	setenv("RSM_SEGMENTID_FILE", "/tmp/no/such/file", 1);
	return rsm_get_segmentid_range("SUNWfoo", &base, &length);
}

static int range_malformed(int which)
{
	static const char *const texts[] = { "reserved SUNWfoo\n", "reserved SUNWfoo zz 10\n", "granted SUNWfoo 600000 1\n",
					     "reserved SUNWfoo 600000 ten\n", "reserved SUNWfoo 600000\n",
					     "reserved SUNWfoo 600000 -1\n", "reserved SUNWfoo 1234567890 1\n" };

	return range_of(texts[which]);
}

static int range_other(int which)
{
	return range_of(which ? "" : "# ids\nreserved SUNWfoobar 600000 100\nreserved foo 700000 1\n");
}

/* Export. */

static struct {
	char *memory;
	size_t length;
	uint_t flags;
} block;

/* The controller, and memory for it, made before there is a shortage. */
static void block_new(size_t length)
{
	program_controller();
	block.memory = memory_new(length, 1);
	block.length = length;
}

static int create_block(void)
{
	return rsm_memseg_export_create(program.controller, &program.exported, block.memory, block.length, block.flags);
}

static int rebind_block(void)
{
	return rsm_memseg_export_rebind(program.exported, block.memory, 0, block.length);
}

static int publish_as(rsm_memseg_id_t id)
{
	return rsm_memseg_export_publish(program.exported, &id, NULL, 0);
}

static int create_bad_controller(int wrong)
{
	return rsm_memseg_export_create(wrong ? wrong_controller() : NULL, NULL, NULL, 0, 0);
}

static int create_null_handle(int unused)
{
	(void)unused;
	return rsm_memseg_export_create(program_controller(), NULL, NULL, 0, 0);
}

static int create_of(void *address, size_t length)
{
	rsm_memseg_export_handle_t segment;

	return rsm_memseg_export_create(program_controller(), &segment, address, length, 0);
}

static int create_null_address(int unused)
{
	(void)unused;
	return create_of(NULL, 0);
}

static int create_of_what_is_not_memory(int which)
{
	char *memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			    (which == 1 ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS, -1, 0);

	if (which == 0)
		munmap(memory + PAGE, PAGE);
	if (which == 2)
		mprotect(memory, 2 * PAGE, PROT_READ);
	if (which == 3)
		memory = (char *)((uintptr_t)1 << 63);
	return create_of(memory, 2 * PAGE);
}

static int create_of_an_import(int unused)
{
	(void)unused;
	imported(RSM_PERM_RDWR);
	OK(HERE(step_map, RSM_PERM_RDWR, 0, SEGMENT_BYTES));
	return create_of(program.mapped, SEGMENT_BYTES);
}

static int create_of_an_export(int unused)
{
	(void)unused;
	exported(0);
	return create_of(program.memory, PAGE);
}

static int create_empty(int unused)
{
	(void)unused;
	return create_of((void *)8, 0);
}

static int create_too_long(int which)
{
	rsmapi_controller_attr_t attr;

	OK(rsm_get_controller_attr(program_controller(), &attr));
	return create_of(one_page(), which ? (size_t)INT64_MAX - PAGE + 1
					   : attr.attr_max_export_segment_size / PAGE * PAGE + PAGE);
}

static int create_unaligned(int which)
{
	return create_of(one_page() + (which ? 8 : 0), which ? PAGE : PAGE / 2);
}

static int create_without_room(int flags)
{
	nodes_start(1, "size=1M");
	OK(HERE(step_create, 128, 0, 1));
	block_new(200 * PAGE);
	block.flags = (uint_t)flags;
	return and_stop(create_block());
}

static int create_without_memory(int flags)
{
	block_new(1024 * PAGE);
	block.flags = (uint_t)flags;
	return without_memory(create_block);
}

static int create_without_descriptors(int flags)
{
	block_new(PAGE);
	block.flags = (uint_t)flags;
	return without_descriptors(create_block);
}

static int create_read_only(int unused)
{
	(void)unused;
	nodes_start(1, "ro");
	block_new(PAGE);
	return and_stop(create_block());
}

static int create_dead(int unused)
{
	int code;

	(void)unused;
	nodes_start(1, NULL);
	block_new(PAGE);
	nodes_do("kill", 1);
	code = create_block();
	ck_assert_uint_eq(memory_wrong(block.memory, 0, PAGE, 1), 0);
	return and_stop(code);
}

static int destroy_bad_handle(int wrong)
{
	return rsm_memseg_export_destroy(wrong ? wrong_segment() : NULL);
}

static int destroy_of_an_import(int unused)
{
	(void)unused;
	return rsm_memseg_export_destroy((rsm_memseg_export_handle_t)(void *)imported(RSM_PERM_READ));
}

static int destroy_exported(void)
{
	return rsm_memseg_export_destroy(program.exported);
}

static int destroy_in_a_child(int unused)
{
	(void)unused;
	exported(0);
	return in_a_child(destroy_exported);
}

static int destroy_with_pollfd(int unused)
{
	struct pollfd end;

	(void)unused;
	OK(rsm_memseg_get_pollfd(exported(0), &end));
	return rsm_memseg_export_destroy(program.exported);
}

static int destroy_without_memory(int unused)
{
	int code;

	(void)unused;
	OK(HERE(step_create, 1024, 0, 1));
	code = without_memory(destroy_exported);
	ck_assert_int_eq(HERE(step_wrong, 1), 0);
	OK(destroy_exported());
	return code;
}

static int rebind_bad_handle(int wrong)
{
	if (wrong)
		return rsm_memseg_export_rebind(wrong_segment(), one_page(), 0, 0);
	return rsm_memseg_export_rebind(NULL, NULL, 0, 0);
}

static int rebind_null(int unused)
{
	(void)unused;
	return rsm_memseg_export_rebind(exported(RSM_ALLOW_REBIND), NULL, 0, SEGMENT_BYTES);
}

static int rebind_unaligned(int unused)
{
	(void)unused;
	return rsm_memseg_export_rebind(exported(RSM_ALLOW_REBIND), memory_new(2 * SEGMENT_BYTES, 2) + 8, 0,
					SEGMENT_BYTES);
}

static int rebind_to_what_is_not_memory(int unused)
{
	(void)unused;
	return rsm_memseg_export_rebind(exported(RSM_ALLOW_REBIND),
					mmap(NULL, SEGMENT_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 0,
					SEGMENT_BYTES);
}

static int rebind_to_part_of_itself(int unused)
{
	char *memory = memory_new(2 * SEGMENT_BYTES, 1);

	(void)unused;
	OK(rsm_memseg_export_create(program_controller(), &program.exported, memory, SEGMENT_BYTES, RSM_ALLOW_REBIND));
	return rsm_memseg_export_rebind(program.exported, memory + PAGE, 0, SEGMENT_BYTES);
}

static int rebind_length(int pages)
{
	return rsm_memseg_export_rebind(exported(RSM_ALLOW_REBIND), memory_new(2 * SEGMENT_BYTES, 2), 0,
					(size_t)pages * PAGE);
}

static int rebind_exported(void)
{
	return (int)HERE(step_rebind, 2);
}

static int rebind_in_a_child(int unused)
{
	(void)unused;
	exported(RSM_ALLOW_REBIND);
	return in_a_child(rebind_exported);
}

static int rebind_not_allowed(int unused)
{
	(void)unused;
	exported(0);
	return rebind_exported();
}

static int rebind_without_memory(int unused)
{
	int code;

	(void)unused;
	block_new(1024 * PAGE);
	OK(HERE(step_create, 1024, RSM_ALLOW_REBIND, 2));
	code = without_memory(rebind_block);
	ck_assert_int_eq(HERE(step_wrong, 2), 0);
	ck_assert_uint_eq(memory_wrong(block.memory, 0, block.length, 1), 0);
	OK(rebind_block());
	return code;
}

static int rebind_without_descriptors(int unused)
{
	(void)unused;
	block_new(SEGMENT_BYTES);
	exported(RSM_ALLOW_REBIND);
	return without_descriptors(rebind_block);
}

static int rebind_dead(int unused)
{
	(void)unused;
	nodes_start(1, NULL);
	block_new(SEGMENT_BYTES);
	exported(RSM_ALLOW_REBIND);
	nodes_do("kill", 1);
	return and_stop(rebind_block());
}

static int publish_null(int unused)
{
	(void)unused;
	return rsm_memseg_export_publish(exported(0), NULL, NULL, 0);
}

static int publish_bad_handle(int wrong)
{
	rsm_memseg_id_t id = OTHER_ID;

	return rsm_memseg_export_publish(wrong ? wrong_segment() : NULL, &id, NULL, 0);
}

static int publish_with(rsmapi_access_entry_t *list, uint_t length)
{
	rsm_memseg_id_t id = OTHER_ID;

	return rsm_memseg_export_publish(exported(0), &id, list, length);
}

static int publish_no_list(int unused)
{
	(void)unused;
	return publish_with(NULL, 1);
}

static int publish_bad_list(int which)
{
	rsmapi_access_entry_t twice[] = { { 1, 0600 }, { 1, 0400 } };
	rsmapi_access_entry_t beyond[] = { { 1, 0777 } };
	static rsmapi_access_entry_t many[4096];

	for (size_t i = 0; i < COUNT(many); i++)
		many[i] = (rsmapi_access_entry_t){ (rsm_node_id_t)i + 1, 0600 };
	return which == 0 ? publish_with(twice, 2) : which == 1 ? publish_with(beyond, 1) : publish_with(many, COUNT(many));
}

static int publish_loopback_list(int which)
{
	rsmapi_access_entry_t list[] = { { which ? 2 : 1, 0600 }, { 1, 0600 } };

	OK(rsm_get_controller((char *)"loopback", &program.controller));
	return publish_with(list, which ? 2 : 1);
}

static int publish_twice(int unused)
{
	(void)unused;
	exported(0);
	OK(publish_as(segment_id()));
	return publish_as(OTHER_ID);
}

static int publish_reserved(int which)
{
	static const rsm_memseg_id_t ids[] = { 1,          0x0FFFFF,   0x100000,   0x1FFFFF,   0x200000,
					       0x2FFFFF,   0x300000,   0x3FFFFF,   0x80000000, 0xFFFFFFFF };

	exported(0);
	return publish_as(ids[which]);
}

static int publish_in_use(int other_process)
{
	if (other_process) {
		exporter_start(0);
		nodes_use(1);
	} else {
		exported(0);
		OK(publish_as(segment_id()));
	}
	exported(0);
	return publish_as(segment_id());
}

static int publish_again(void)
{
	return publish_as(OTHER_ID);
}

static int publish_in_a_child(int unused)
{
	(void)unused;
	exported(0);
	return in_a_child(publish_again);
}

static int unpublish_bad_handle(int wrong)
{
	return rsm_memseg_export_unpublish(wrong ? wrong_segment() : NULL);
}

static int unpublish_unpublished(int again)
{
	exported(0);
	if (again) {
		OK(publish_as(segment_id()));
		OK(rsm_memseg_export_unpublish(program.exported));
	}
	return rsm_memseg_export_unpublish(program.exported);
}

static int unpublish_exported(void)
{
	return rsm_memseg_export_unpublish(program.exported);
}

static int unpublish_in_a_child(int unused)
{
	(void)unused;
	exported(0);
	OK(publish_as(segment_id()));
	return in_a_child(unpublish_exported);
}

static int republish_bad_handle(int wrong)
{
	return rsm_memseg_export_republish(wrong ? wrong_segment() : NULL, NULL, 0);
}

static int republish_unpublished(int unused)
{
	(void)unused;
	return rsm_memseg_export_republish(exported(0), NULL, 0);
}

static int republish_exported(void)
{
	return rsm_memseg_export_republish(program.exported, NULL, 0);
}

static int republish_in_a_child(int unused)
{
	(void)unused;
	exported(0);
	OK(publish_as(segment_id()));
	return in_a_child(republish_exported);
}

static int republish_bad_list(int which)
{
	rsmapi_access_entry_t list[] = { { 1, 0600 }, { which == 1 ? 1 : 2, which == 2 ? 01000 : 0400 } };

	exported(0);
	OK(publish_as(segment_id()));
	return rsm_memseg_export_republish(program.exported, which ? list : NULL, 2);
}

/* The rows. */

const struct row rows_export[] = {
	{ "rsm_get_controller", RSMERR_BAD_CTLR_HNDL, "no place for the handle", controller_null, 0 },
	{ "rsm_get_controller", RSMERR_CTLR_NOT_PRESENT, "another interconnect", controller_unknown, 0 },
	{ "rsm_get_controller", RSMERR_CTLR_NOT_PRESENT, "a number that no node has", controller_unknown, 1 },
	{ "rsm_get_controller", RSMERR_CTLR_NOT_PRESENT, "a number written otherwise", controller_unknown, 2 },
	{ "rsm_get_controller", RSMERR_CTLR_NOT_PRESENT, "the empty name", controller_unknown, 3 },
	{ "rsm_get_controller", RSMERR_CTLR_NOT_PRESENT, "loopback with a number", controller_unknown, 4 },
	{ "rsm_get_controller", RSMERR_CTLR_NOT_PRESENT, "something after the type", controller_unknown, 5 },
	{ "rsm_get_controller", RSMERR_CTLR_NOT_PRESENT, "NETMEM_MOUNT is another node's", controller_unknown, 6 },
	{ "rsm_get_controller", RSMERR_CTLR_NOT_PRESENT, "NETMEM_MOUNT is no netmemfs", controller_no_mount, 0 },
	{ "rsm_get_controller", RSMERR_CTLR_NOT_PRESENT, "the daemon is dead", controller_dead, 0 },
	{ "rsm_get_controller", RSMERR_INSUFFICIENT_RESOURCES, "no descriptor left", controller_no_descriptors, 0 },

	{ "rsm_get_controller_attr", RSMERR_BAD_CTLR_HNDL, "NULL", attr_bad_handle, 0 },
	{ "rsm_get_controller_attr", RSMERR_BAD_CTLR_HNDL, "an export handle", attr_bad_handle, 1 },
	{ "rsm_get_controller_attr", RSMERR_BAD_ADDR, "no place for them", attr_null, 0 },
	{ "rsm_get_controller_attr", RSMERR_CTLR_NOT_PRESENT, "the daemon is dead", attr_dead, 0 },

	{ "rsm_release_controller", RSMERR_BAD_CTLR_HNDL, "NULL", release_bad_handle, 0 },
	{ "rsm_release_controller", RSMERR_BAD_CTLR_HNDL, "an export handle", release_bad_handle, 1 },
	{ "rsm_release_controller", RSMERR_BAD_CTLR_HNDL, "more often than got, a segment in use", release_twice, 0 },

	{ "rsm_get_interconnect_topology", RSMERR_BAD_TOPOLOGY_PTR, "no place for it", topology_null, 0 },
	{ "rsm_free_interconnect_topology", RSM_SUCCESS, "NULL", topology_free_null, 0 },

	{ "rsm_get_segmentid_range", RSMERR_BAD_ADDR, "no application", range_null, 0 },
	{ "rsm_get_segmentid_range", RSMERR_BAD_ADDR, "no place for the base", range_null, 1 },
	{ "rsm_get_segmentid_range", RSMERR_BAD_ADDR, "no place for the length", range_null, 2 },
	{ "rsm_get_segmentid_range", RSMERR_BAD_APPID, "lines of others", range_other, 0 },
	{ "rsm_get_segmentid_range", RSMERR_BAD_APPID, "an empty file", range_other, 1 },
	{ "rsm_get_segmentid_range", RSMERR_BAD_CONF, "no file", range_missing, 0 },
	{ "rsm_get_segmentid_range", RSMERR_BAD_CONF, "a line without numbers", range_malformed, 0 },
	{ "rsm_get_segmentid_range", RSMERR_BAD_CONF, "a base that is no number", range_malformed, 1 },
	{ "rsm_get_segmentid_range", RSMERR_BAD_CONF, "another first word", range_malformed, 2 },
	{ "rsm_get_segmentid_range", RSMERR_BAD_CONF, "a length that is no number", range_malformed, 3 },
	{ "rsm_get_segmentid_range", RSMERR_BAD_CONF, "no length", range_malformed, 4 },
	{ "rsm_get_segmentid_range", RSMERR_BAD_CONF, "a negative length", range_malformed, 5 },
	{ "rsm_get_segmentid_range", RSMERR_BAD_CONF, "a base beyond 32 bits", range_malformed, 6 },

	{ "rsm_memseg_export_create", RSMERR_BAD_CTLR_HNDL, "NULL, and all else wrong too", create_bad_controller, 0 },
	{ "rsm_memseg_export_create", RSMERR_BAD_CTLR_HNDL, "an export handle", create_bad_controller, 1 },
	{ "rsm_memseg_export_create", RSMERR_CTLR_NOT_PRESENT, "the daemon has died", create_dead, 0 },
	{ "rsm_memseg_export_create", RSMERR_BAD_SEG_HNDL, "no place for the handle", create_null_handle, 0 },
	{ "rsm_memseg_export_create", RSMERR_BAD_ADDR, "no address, and no length", create_null_address, 0 },
	{ "rsm_memseg_export_create", RSMERR_BAD_ADDR, "mapped in part", create_of_what_is_not_memory, 0 },
	{ "rsm_memseg_export_create", RSMERR_BAD_ADDR, "shared memory of a file", create_of_what_is_not_memory, 1 },
	{ "rsm_memseg_export_create", RSMERR_BAD_ADDR, "read-only memory", create_of_what_is_not_memory, 2 },
	{ "rsm_memseg_export_create", RSMERR_BAD_ADDR, "an address of the kernel", create_of_what_is_not_memory, 3 },
	{ "rsm_memseg_export_create", RSMERR_BAD_ADDR, "memory that is imported", create_of_an_import, 0 },
	{ "rsm_memseg_export_create", RSMERR_BAD_ADDR, "memory that is exported already", create_of_an_export, 0 },
	{ "rsm_memseg_export_create", RSMERR_BAD_LENGTH, "no length, and not aligned", create_empty, 0 },
	{ "rsm_memseg_export_create", RSMERR_BAD_LENGTH, "a page more than the node's limit", create_too_long, 0 },
	{ "rsm_memseg_export_create", RSMERR_BAD_LENGTH, "more than there can be", create_too_long, 1 },
	{ "rsm_memseg_export_create", RSMERR_BAD_MEM_ALIGNMENT, "half a page", create_unaligned, 0 },
	{ "rsm_memseg_export_create", RSMERR_BAD_MEM_ALIGNMENT, "an address within a page", create_unaligned, 1 },
	{ "rsm_memseg_export_create", RSMERR_INSUFFICIENT_MEM, "the node's size= is used up", create_without_room, 0 },
	{ "rsm_memseg_export_create", RSMERR_INSUFFICIENT_MEM, "no address space left", create_without_memory, 0 },
	{ "rsm_memseg_export_create", RSMERR_INSUFFICIENT_RESOURCES, "no descriptor left", create_without_descriptors, 0 },
	{ "rsm_memseg_export_create", RSMERR_INSUFFICIENT_RESOURCES, "no descriptor left, DONTWAIT",
	  create_without_descriptors, RSM_CREATE_SEG_DONTWAIT },
	{ "rsm_memseg_export_create", RSMERR_INSUFFICIENT_RESOURCES, "the node's size= is used up, DONTWAIT",
	  create_without_room, RSM_CREATE_SEG_DONTWAIT },
	{ "rsm_memseg_export_create", RSMERR_INSUFFICIENT_RESOURCES, "no address space left, DONTWAIT",
	  create_without_memory, RSM_CREATE_SEG_DONTWAIT },
	{ "rsm_memseg_export_create", RSMERR_PERM_DENIED, "the mount is read-only", create_read_only, 0 },
	{ "rsm_memseg_export_create", RSMERR_NOT_CREATOR, "who makes a segment is its creator", CANNOT },
	{ "rsm_memseg_export_create", RSMERR_REBIND_NOT_ALLOWED, "create rebinds nothing", CANNOT },

	{ "rsm_memseg_export_destroy", RSMERR_BAD_SEG_HNDL, "NULL", destroy_bad_handle, 0 },
	{ "rsm_memseg_export_destroy", RSMERR_BAD_SEG_HNDL, "a controller", destroy_bad_handle, 1 },
	{ "rsm_memseg_export_destroy", RSMERR_BAD_SEG_HNDL, "an import handle", destroy_of_an_import, 0 },
	{ "rsm_memseg_export_destroy", RSMERR_NOT_CREATOR, "in a child of the exporter", destroy_in_a_child, 0 },
	{ "rsm_memseg_export_destroy", RSMERR_POLLFD_IN_USE, "a pollfd not released", destroy_with_pollfd, 0 },
	{ "rsm_memseg_export_destroy", RSMERR_INSUFFICIENT_MEM, "no address space left", destroy_without_memory, 0 },

	{ "rsm_memseg_export_rebind", RSMERR_BAD_SEG_HNDL, "NULL, and all else wrong too", rebind_bad_handle, 0 },
	{ "rsm_memseg_export_rebind", RSMERR_BAD_SEG_HNDL, "a controller", rebind_bad_handle, 1 },
	{ "rsm_memseg_export_rebind", RSMERR_BAD_CTLR_HNDL, "no controller is given; a segment holds its own", CANNOT },
	{ "rsm_memseg_export_rebind", RSMERR_CTLR_NOT_PRESENT, "the daemon has died", rebind_dead, 0 },
	{ "rsm_memseg_export_rebind", RSMERR_BAD_ADDR, "no address", rebind_null, 0 },
	{ "rsm_memseg_export_rebind", RSMERR_BAD_ADDR, "an address within a page", rebind_unaligned, 0 },
	{ "rsm_memseg_export_rebind", RSMERR_BAD_ADDR, "read-only memory", rebind_to_what_is_not_memory, 0 },
	{ "rsm_memseg_export_rebind", RSMERR_BAD_ADDR, "part of itself", rebind_to_part_of_itself, 0 },
	{ "rsm_memseg_export_rebind", RSMERR_BAD_LENGTH, "no length", rebind_length, 0 },
	{ "rsm_memseg_export_rebind", RSMERR_BAD_LENGTH, "shorter", rebind_length, SEGMENT_PAGES - 1 },
	{ "rsm_memseg_export_rebind", RSMERR_BAD_LENGTH, "longer", rebind_length, SEGMENT_PAGES + 1 },
	{ "rsm_memseg_export_rebind", RSMERR_NOT_CREATOR, "in a child of the exporter", rebind_in_a_child, 0 },
	{ "rsm_memseg_export_rebind", RSMERR_REBIND_NOT_ALLOWED, "made without ALLOW_REBIND", rebind_not_allowed, 0 },
	{ "rsm_memseg_export_rebind", RSMERR_INSUFFICIENT_MEM, "no address space left", rebind_without_memory, 0 },
	{ "rsm_memseg_export_rebind", RSMERR_INSUFFICIENT_RESOURCES, "no descriptor left", rebind_without_descriptors, 0 },
	{ "rsm_memseg_export_rebind", RSMERR_PERM_DENIED,
	  "who has made the segment may; memory that may not be written is BAD_ADDR", CANNOT },
	{ "rsm_memseg_export_rebind", RSMERR_INTERRUPTED,
	  "it does not stop half way: after a signal it goes on", CANNOT },

	{ "rsm_memseg_export_publish", RSMERR_BAD_SEGID, "no id", publish_null, 0 },
	{ "rsm_memseg_export_publish", RSMERR_BAD_SEG_HNDL, "NULL", publish_bad_handle, 0 },
	{ "rsm_memseg_export_publish", RSMERR_BAD_SEG_HNDL, "a controller", publish_bad_handle, 1 },
	{ "rsm_memseg_export_publish", RSMERR_BAD_ACL, "a length without a list", publish_no_list, 0 },
	{ "rsm_memseg_export_publish", RSMERR_BAD_ACL, "a node twice", publish_bad_list, 0 },
	{ "rsm_memseg_export_publish", RSMERR_BAD_ACL, "a permission beyond 0666", publish_bad_list, 1 },
	{ "rsm_memseg_export_publish", RSMERR_BAD_ACL, "more nodes than there can be", publish_bad_list, 2 },
	{ "rsm_memseg_export_publish", RSMERR_BAD_ACL, "loopback, another node", publish_loopback_list, 0 },
	{ "rsm_memseg_export_publish", RSMERR_BAD_ACL, "loopback, two nodes", publish_loopback_list, 1 },
	{ "rsm_memseg_export_publish", RSMERR_SEG_ALREADY_PUBLISHED, "twice", publish_twice, 0 },
	{ "rsm_memseg_export_publish", RSMERR_RESERVED_SEGID, "the drivers' first", publish_reserved, 0 },
	{ "rsm_memseg_export_publish", RSMERR_RESERVED_SEGID, "the drivers' last", publish_reserved, 1 },
	{ "rsm_memseg_export_publish", RSMERR_RESERVED_SEGID, "the transport's first", publish_reserved, 2 },
	{ "rsm_memseg_export_publish", RSMERR_RESERVED_SEGID, "the transport's last", publish_reserved, 3 },
	{ "rsm_memseg_export_publish", RSMERR_RESERVED_SEGID, "the library's first", publish_reserved, 4 },
	{ "rsm_memseg_export_publish", RSMERR_RESERVED_SEGID, "the library's last", publish_reserved, 5 },
	{ "rsm_memseg_export_publish", RSMERR_RESERVED_SEGID, "DLPI's first", publish_reserved, 6 },
	{ "rsm_memseg_export_publish", RSMERR_RESERVED_SEGID, "DLPI's last", publish_reserved, 7 },
	{ "rsm_memseg_export_publish", RSMERR_RESERVED_SEGID, "the assigned ones' first", publish_reserved, 8 },
	{ "rsm_memseg_export_publish", RSMERR_RESERVED_SEGID, "the assigned ones' last", publish_reserved, 9 },
	{ "rsm_memseg_export_publish", RSMERR_SEGID_IN_USE, "by another segment of the program", publish_in_use, 0 },
	{ "rsm_memseg_export_publish", RSMERR_SEGID_IN_USE, "by another program of the node", publish_in_use, 1 },
	{ "rsm_memseg_export_publish", RSMERR_NOT_CREATOR, "in a child of the exporter", publish_in_a_child, 0 },
	{ "rsm_memseg_export_publish", RSMERR_INSUFFICIENT_RESOURCES,
	  "it takes nothing but an id, and only 65536 taken ones in a row would do", CANNOT },

	{ "rsm_memseg_export_unpublish", RSMERR_BAD_SEG_HNDL, "NULL", unpublish_bad_handle, 0 },
	{ "rsm_memseg_export_unpublish", RSMERR_BAD_SEG_HNDL, "a controller", unpublish_bad_handle, 1 },
	{ "rsm_memseg_export_unpublish", RSMERR_SEG_NOT_PUBLISHED, "never published", unpublish_unpublished, 0 },
	{ "rsm_memseg_export_unpublish", RSMERR_SEG_NOT_PUBLISHED, "twice", unpublish_unpublished, 1 },
	{ "rsm_memseg_export_unpublish", RSMERR_NOT_CREATOR, "in a child of the exporter", unpublish_in_a_child, 0 },

	{ "rsm_memseg_export_republish", RSMERR_BAD_SEG_HNDL, "NULL", republish_bad_handle, 0 },
	{ "rsm_memseg_export_republish", RSMERR_BAD_SEG_HNDL, "a controller", republish_bad_handle, 1 },
	{ "rsm_memseg_export_republish", RSMERR_SEG_NOT_PUBLISHED, "never published", republish_unpublished, 0 },
	{ "rsm_memseg_export_republish", RSMERR_NOT_CREATOR, "in a child of the exporter", republish_in_a_child, 0 },
	{ "rsm_memseg_export_republish", RSMERR_BAD_ACL, "a length without a list", republish_bad_list, 0 },
	{ "rsm_memseg_export_republish", RSMERR_BAD_ACL, "a node twice", republish_bad_list, 1 },
	{ "rsm_memseg_export_republish", RSMERR_BAD_ACL, "a permission beyond 0666", republish_bad_list, 2 },
};
const size_t rows_export_count = COUNT(rows_export);
