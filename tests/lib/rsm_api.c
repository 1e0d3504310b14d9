/*
 * Goal: what librsm promises that no daemon is needed for: controllers, the topology and ranges of ids by what a
 * mount's text files say, and segments whose exporter has the other byte order.
 */
#define _GNU_SOURCE 1
#include <rsmapi.h>

#include "fake.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define OK(expression) ck_assert_int_eq(expression, RSM_SUCCESS)
#define PAGE 4096
#define BYTES (2 * PAGE)
#define EXPORTER 2
#define SEGMENT 0x400000
#define SEGMENT_NAME "rsm-2-00400000"
#define OTHER_ORDER (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? "big" : "little")
#define OWN_ORDER (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? "little" : "big")

static rsmapi_controller_handle_t controller;
static rsm_memseg_import_handle_t import;
static rsmapi_barrier_t barrier;

static void set_up(void)
{
	fake_make();
	OK(rsm_get_controller(NULL, &controller));
	OK(rsm_release_controller(controller));
	OK(rsm_get_controller((char *)"netmem", &controller));
}

static void tear_down(void)
{
	OK(rsm_release_controller(controller));
	fake_remove();
}

static void write_file(const char *name, const void *text, size_t length)
{
	int fd = open(fake_path(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_msg(fd >= 0 && write(fd, text, length) == (ssize_t)length, "%s: %s", name, strerror(errno));
	close(fd);
}

/* A segment of node 2 as the mount would show it, with bytes 0, 1, 2, ... */
static void segment_fake(const char *order)
{
	unsigned char bytes[BYTES];
	char status[128];

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)(i + i / 256);
	fake_object(SEGMENT_NAME, "node2");
	snprintf(status, sizeof status, "id: 1\nhome: node2\nowner: node2\naccess: all\nbyte-order: %s\n", order);
	write_file(SEGMENT_NAME "/status", status, strlen(status));
	write_file(SEGMENT_NAME "/memory", bytes, sizeof bytes);
	ck_assert_int_eq(mkfifo(fake_path(SEGMENT_NAME "/signal"), 0600), 0);
}

static void segment_import(void)
{
	OK(rsm_memseg_import_connect(controller, EXPORTER, SEGMENT, RSM_PERM_RDWR, &import));
	OK(rsm_memseg_import_init_barrier(import, RSM_BAR_DEFAULT, &barrier));
}

static void segment_end(void)
{
	OK(rsm_memseg_import_destroy_barrier(&barrier));
	OK(rsm_memseg_import_disconnect(import));
}

/* Byte order. */

/* The `width` bytes at `place`, taken as a number whose first byte is the highest. */
static uint64_t big_at(const unsigned char *bytes, size_t place, size_t width)
{
	uint64_t value = 0;

	for (size_t i = 0; i < width; i++)
		value = value << 8 | bytes[place + i];
	return value;
}

static uint64_t little_at(const unsigned char *bytes, size_t place, size_t width)
{
	uint64_t value = 0;

	for (size_t i = width; i > 0; i--)
		value = value << 8 | bytes[place + i - 1];
	return value;
}

static void expect_elements(const char *order)
{
	uint64_t (*const at)(const unsigned char *, size_t, size_t) = strcmp(order, "big") == 0 ? big_at : little_at;
	unsigned char bytes[BYTES];
	uint8_t u8[16];
	uint16_t u16[16];
	uint32_t u32[16];
	uint64_t u64[BYTES / 8];

	OK(rsm_memseg_import_get(import, 0, bytes, BYTES));
	for (size_t i = 0; i < BYTES; i++)
		ck_assert_uint_eq(bytes[i], (i + i / 256) % 256);
	OK(rsm_memseg_import_get8(import, 3, u8, 16));
	OK(rsm_memseg_import_get16(import, 6, u16, 16));
	OK(rsm_memseg_import_get32(import, PAGE - 4, u32, 16));
	OK(rsm_memseg_import_get64(import, 0, u64, BYTES / 8));
	for (size_t i = 0; i < 16; i++) {
		ck_assert_uint_eq(u8[i], bytes[3 + i]);
		ck_assert_uint_eq(u16[i], at(bytes, 6 + 2 * i, 2));
		ck_assert_uint_eq(u32[i], at(bytes, PAGE - 4 + 4 * i, 4));
	}
	for (size_t i = 0; i < BYTES / 8; i++)
		ck_assert_uint_eq(u64[i], at(bytes, 8 * i, 8));
}

/* What is put is what is got back, and lies there in the exporter's order. */
static void expect_puts(const char *order)
{
	uint64_t (*const at)(const unsigned char *, size_t, size_t) = strcmp(order, "big") == 0 ? big_at : little_at;
	uint8_t u8 = 0x12;
	uint16_t u16[2] = { 0x1234, 0x5678 };
	uint32_t u32[2] = { 0x12345678, 0x9abcdef0 };
	uint64_t u64[2] = { 0x0123456789abcdef, 0xfedcba9876543210 };
	uint64_t back[2];
	unsigned char bytes[64];

	OK(rsm_memseg_import_put8(import, 0, &u8, 1));
	OK(rsm_memseg_import_put16(import, 2, u16, 2));
	OK(rsm_memseg_import_put32(import, 8, u32, 2));
	OK(rsm_memseg_import_put64(import, 16, u64, 2));
	OK(rsm_memseg_import_get64(import, 16, back, 2));
	ck_assert(back[0] == u64[0] && back[1] == u64[1]);
	OK(rsm_memseg_import_put(import, 32, "as it is", 8));
	OK(rsm_memseg_import_get(import, 0, bytes, sizeof bytes));
	ck_assert_uint_eq(bytes[0], u8);
	for (size_t i = 0; i < 2; i++) {
		ck_assert_uint_eq(at(bytes, 2 + 2 * i, 2), u16[i]);
		ck_assert_uint_eq(at(bytes, 8 + 4 * i, 4), u32[i]);
		ck_assert_uint_eq(at(bytes, 16 + 8 * i, 8), u64[i]);
	}
	ck_assert_mem_eq(bytes + 32, "as it is", 8);
}

START_TEST(test_byte_order)
{
	const char *order = _i ? OTHER_ORDER : OWN_ORDER;

	segment_fake(order);
	segment_import();
	expect_elements(order);
	expect_puts(order);
	segment_end();
}
END_TEST

/* A program that may only write cannot map; its elements are swapped all the same. */
START_TEST(test_byte_order_write_only)
{
	uint32_t values[512];
	unsigned char bytes[BYTES];

	segment_fake(OTHER_ORDER);
	OK(rsm_memseg_import_connect(controller, EXPORTER, SEGMENT, RSM_PERM_WRITE, &import));
	OK(rsm_memseg_import_init_barrier(import, RSM_BAR_DEFAULT, &barrier));
	for (uint32_t i = 0; i < COUNT(values); i++)
		values[i] = 0x01020304 * i;
	OK(rsm_memseg_import_put32(import, 16, values, COUNT(values)));
	segment_end();
	segment_import();
	OK(rsm_memseg_import_get(import, 0, bytes, BYTES));
	for (size_t i = 0; i < COUNT(values); i++)
		ck_assert_uint_eq(strcmp(OTHER_ORDER, "big") == 0 ? big_at(bytes, 16 + 4 * i, 4)
								  : little_at(bytes, 16 + 4 * i, 4), values[i]);
	segment_end();
}
END_TEST

/* All interconnects are native here: also such a segment can be mapped, and shows its bytes as they are. */
START_TEST(test_map_02_native_architecture)
{
	void *address = NULL;

	segment_fake(OTHER_ORDER);
	segment_import();
	OK(rsm_memseg_import_map(import, &address, RSM_MAP_NONE, RSM_PERM_RDWR, 0, BYTES));
	for (size_t i = 0; i < BYTES; i++)
		ck_assert_uint_eq(((unsigned char *)address)[i], (i + i / 256) % 256);
	OK(rsm_memseg_import_unmap(import));
	segment_end();
}
END_TEST

/* Controllers. */

START_TEST(test_controllers)
{
	static const char *const known[] = { "netmem", "NETMEM", "netmem1", "loopback", "LoopBack", NULL };
	static const char *const unknown[] = { "netmem2", "netmem01", "netmem1 ", "net", "loopback1", "" };
	rsmapi_controller_handle_t other;

	for (size_t i = 0; i < COUNT(known); i++) {
		OK(rsm_get_controller((char *)known[i], &other));
		OK(rsm_release_controller(other));
	}
	for (size_t i = 0; i < COUNT(unknown); i++)
		ck_assert_msg(rsm_get_controller((char *)unknown[i], &other) == RSMERR_CTLR_NOT_PRESENT, "\"%s\"",
			      unknown[i]);
	setenv("NETMEM_MOUNT", "/nowhere", 1);
	ck_assert_int_eq(rsm_get_controller(NULL, &other), RSMERR_CTLR_NOT_PRESENT);
}
END_TEST

/* Descriptors are not inherited, and none stands in for a standard stream that is closed. */
START_TEST(test_descriptors)
{
	int low[3];

	segment_fake(OWN_ORDER);
	for (int i = 0; i < 3; i++) {
		low[i] = fcntl(i, F_DUPFD_CLOEXEC, 100);
		close(i);
	}
	segment_import();
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(fcntl(i, F_GETFD), -1);
		dup2(low[i], i);
		close(low[i]);
	}
	for (int fd = 3; fd < 64; fd++) {
		char path[64];
		char link[256];
		ssize_t length;

		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		length = readlink(path, link, sizeof link - 1);
		if (length < 0)
			continue;
		link[length] = '\0';
		if (strstr(link, "netmemory-fake") || strstr(link, "eventpoll"))
			ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	}
	segment_end();
}
END_TEST

START_TEST(test_topology)
{
	rsm_topology_t *topology;
	const rsm_connections_t *connections;

	OK(rsm_get_interconnect_topology(&topology));
	ck_assert_uint_eq(topology->topology_hdr.local_nodeid, 1);
	ck_assert_uint_eq(topology->topology_hdr.local_cntlr_count, 1);
	connections = topology->connections[0];
	ck_assert_str_eq(connections->hdr.cntlr_name, "netmem1");
	ck_assert_int_eq(connections->hdr.remote_cntlr_count, 2);
	ck_assert_uint_eq(connections->remote_cntlr[0].remote_nodeid, 2);
	ck_assert_str_eq(connections->remote_cntlr[0].remote_cntlrname, "netmem2");
	ck_assert_uint_eq(connections->remote_cntlr[0].connection_state, RSM_CONNECTION_ACTIVE);
	ck_assert_uint_eq(connections->remote_cntlr[1].remote_nodeid, 3);
	ck_assert_uint_ne(connections->remote_cntlr[1].connection_state, RSM_CONNECTION_ACTIVE);
	rsm_free_interconnect_topology(topology);
	setenv("NETMEM_MOUNT", "/nowhere", 1);
	OK(rsm_get_interconnect_topology(&topology));
	ck_assert_uint_eq(topology->topology_hdr.local_cntlr_count, 0);
	rsm_free_interconnect_topology(topology);
}
END_TEST

/* Which node is not there decides between two codes. */
START_TEST(test_nodes_that_are_not_there)
{
	ck_assert_int_eq(rsm_memseg_import_connect(controller, 2, SEGMENT, RSM_PERM_READ, &import),
			 RSMERR_SEG_NOT_PUBLISHED);
	ck_assert_int_eq(rsm_memseg_import_connect(controller, 3, SEGMENT, RSM_PERM_READ, &import),
			 RSMERR_REMOTE_NODE_UNREACHABLE);
	ck_assert_int_eq(rsm_memseg_import_connect(controller, 4, SEGMENT, RSM_PERM_READ, &import),
			 RSMERR_REMOTE_NODE_UNREACHABLE);
}
END_TEST

/* The layouts of the old headers, as far as they are the same everywhere. */
START_TEST(test_types)
{
	ck_assert_uint_eq(sizeof(rsm_barrier_t), 32);
	ck_assert_uint_eq(sizeof(rsm_barrier_component_t), 8);
	ck_assert_uint_eq(sizeof(rsmapi_access_entry_t), 8);
	ck_assert_uint_eq(sizeof(rsm_addr_t), 8);
	ck_assert_uint_eq(sizeof(rsm_node_id_t) + sizeof(rsm_memseg_id_t) + sizeof(rsm_permission_t), 12);
	ck_assert_uint_eq(sizeof((rsm_connections_hdr_t *)0)->cntlr_name, 256);
	ck_assert_uint_eq(offsetof(rsmapi_controller_attr_t, attr_page_size), 8);
	ck_assert_uint_eq(offsetof(rsm_iovec_t, transfer_length), 2 * sizeof(void *) + 2 * sizeof(size_t));
}
END_TEST

/* Names, numbers: apis.md's, not the header's. */
#define IS(name, number) { #name, name, number }
START_TEST(test_constants)
{
	static const struct {
		const char *name;
		long is, should;
	} constants[] = {
		IS(RSM_VERSION, 5), IS(RSM_CONNECTION_ACTIVE, 3), IS(RSM_PERM_NONE, 0), IS(RSM_PERM_READ, 0400),
		IS(RSM_PERM_WRITE, 0200), IS(RSM_PERM_RDWR, 0600), IS(RSM_ALLOW_REBIND, 1),
		IS(RSM_CREATE_SEG_DONTWAIT, 2), IS(RSM_IMPLICIT_SIGPOST, 1), IS(RSM_SIGPOST_NO_ACCUMULATE, 2),
		IS(RSM_HANDLE_TYPE, 1), IS(RSM_VA_TYPE, 2), IS(RSM_MAX_SGIOREQS, 16), IS(RSM_DAS8, 1), IS(RSM_DAS16, 2),
		IS(RSM_DAS32, 4), IS(RSM_DAS64, 8), IS(RSM_BARRIER_SEGMENT, 1), IS(RSM_BARRIER_NODE, 2),
		IS(RSM_BARRIER_SEGMENT_THREAD, 0x11), IS(RSM_BARRIER_NODE_THREAD, 0x12),
		IS(RSM_BARRIER_MODE_EXPLICIT, 0), IS(RSM_BARRIER_MODE_IMPLICIT, 1), IS(RSM_MAP_NONE, 0),
		IS(RSM_MAP_FIXED, 1), IS(RSM_MAP_RESERVED, 2), IS(RSM_DRIVER_PRIVATE_ID_BASE, 0),
		IS(RSM_DRIVER_PRIVATE_ID_END, 0x0FFFFF), IS(RSM_CLUSTER_TRANSPORT_ID_BASE, 0x100000),
		IS(RSM_CLUSTER_TRANSPORT_ID_END, 0x1FFFFF), IS(RSM_RSMLIB_ID_BASE, 0x200000),
		IS(RSM_RSMLIB_ID_END, 0x2FFFFF), IS(RSM_DLPI_ID_BASE, 0x300000), IS(RSM_DLPI_ID_END, 0x3FFFFF),
		IS(RSM_HPC_ID_BASE, 0x400000), IS(RSM_HPC_ID_END, 0x4FFFFF), IS(RSM_OPS_ID_BASE, 0x500000),
		IS(RSM_OPS_ID_END, 0x5FFFFF), IS(RSM_USER_APP_ID_BASE, 0x80000000), IS(RSM_USER_APP_ID_END, 0xFFFFFFFF),
		IS(RSM_SUCCESS, 0), IS(RSMERR_BAD_LIBRARY_VERSION, 1), IS(RSMERR_BAD_TOPOLOGY_PTR, 2),
		IS(RSMERR_BAD_CTLR_HNDL, 3), IS(RSMERR_CTLR_NOT_PRESENT, 4), IS(RSMERR_BAD_SEG_HNDL, 5),
		IS(RSMERR_SEG_ALREADY_PUBLISHED, 6), IS(RSMERR_SEG_NOT_PUBLISHED, 7),
		IS(RSMERR_SEG_NOT_PUBLISHED_TO_NODE, 8), IS(RSMERR_SEG_ALREADY_MAPPED, 9),
		IS(RSMERR_SEG_STILL_MAPPED, 10), IS(RSMERR_SEG_NOT_MAPPED, 11), IS(RSMERR_NOT_CREATOR, 12),
		IS(RSMERR_BAD_BARRIER_PTR, 13), IS(RSMERR_BAD_SGIO, 14), IS(RSMERR_BAD_LOCALMEM_HNDL, 15),
		IS(RSMERR_BAD_ADDR, 16), IS(RSMERR_BAD_MEM_ALIGNMENT, 17), IS(RSMERR_BAD_OFFSET, 18),
		IS(RSMERR_MISALIGNED_OFFSET, 19), IS(RSMERR_BAD_LENGTH, 20), IS(RSMERR_BAD_ACL, 21),
		IS(RSMERR_BAD_SEGID, 22), IS(RSMERR_RESERVED_SEGID, 23), IS(RSMERR_SEGID_IN_USE, 24),
		IS(RSMERR_BAD_MODE, 25), IS(RSMERR_BAD_PERMS, 26), IS(RSMERR_PERM_DENIED, 27),
		IS(RSMERR_LOCKS_NOT_SUPPORTED, 28), IS(RSMERR_LOCKS_NOT_ENABLED, 29), IS(RSMERR_REBIND_NOT_ALLOWED, 30),
		IS(RSMERR_INSUFFICIENT_RESOURCES, 31), IS(RSMERR_INSUFFICIENT_MEM, 32), IS(RSMERR_MAP_FAILED, 33),
		IS(RSMERR_POLLFD_IN_USE, 34), IS(RSMERR_BARRIER_UNINITIALIZED, 35), IS(RSMERR_BARRIER_OPEN_FAILED, 36),
		IS(RSMERR_BARRIER_NOT_OPENED, 37), IS(RSMERR_BARRIER_FAILURE, 38), IS(RSMERR_REMOTE_NODE_UNREACHABLE, 39),
		IS(RSMERR_CONN_ABORTED, 40), IS(RSMERR_INTERRUPTED, 41), IS(RSMERR_TIMEOUT, 42), IS(RSMERR_BAD_APPID, 43),
		IS(RSMERR_BAD_CONF, 44), IS(RSMERR_SEG_NOT_CONNECTED, 45), IS(RSMERR_INTERNAL_ERROR, 100),
		IS(RSMERR_BAD_ARGS_ERRORS, 117),
	};

	for (size_t i = 0; i < COUNT(constants); i++)
		ck_assert_msg(constants[i].is == constants[i].should, "%s is %ld", constants[i].name, constants[i].is);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { test_byte_order_write_only, test_map_02_native_architecture, test_controllers,
				       test_descriptors, test_topology, test_nodes_that_are_not_there, test_types,
				       test_constants };
	Suite *suite = suite_create("librsm without a mount");
	TCase *tcase = tcase_create("api");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, test_byte_order, 0, 2);
	for (size_t i = 0; i < COUNT(tests); i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
