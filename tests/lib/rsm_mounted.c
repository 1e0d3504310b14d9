/*
 * Goal: segments between nodes: what the issue calls done; what is left when an exporter, an importer or a node of
 * theirs dies or stands still; controllers and the topology; ids; fork.
 *
 * Crashes have a cluster each; the others share one of three nodes.
 */
#define _GNU_SOURCE 1
#include "rsm_scene.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#define NEW_VALUE 0x1122334455667788
#define OTHER_ID (segment_id() + 0x10000000)

/* The story. */

/* A page-aligned part of what malloc(3) has given. */
static long step_export_part_of_the_heap(const long *id)
{
	char *block = malloc(SEGMENT_BYTES + PAGE);

	program.length = SEGMENT_BYTES;
	program.memory = block + (PAGE - (uintptr_t)block % PAGE) % PAGE;
	for (size_t i = 0; i < program.length; i++)
		program.memory[i] = (char)pattern(1, i);
	if (rsm_memseg_export_create(program_controller(), &program.exported, program.memory, program.length, 0))
		return -1;
	return HERE(step_publish, id[0]);
}

START_TEST(test_story)
{
	exporter = peer_start(1);
	ck_assert_uint_eq(ASK(exporter, step_export_part_of_the_heap, segment_id()), segment_id());
	import_here(RSM_PERM_RDWR);
	OK(HERE(step_map, RSM_PERM_RDWR, 0, SEGMENT_BYTES));
	ck_assert_uint_eq(memory_wrong(program.mapped, 0, SEGMENT_BYTES, 1), 0);
	ck_assert_int_eq(HERE(step_get_wrong, SEGMENT_BYTES, 1), 0);

	OK(HERE(step_put, PAGE, 11));
	HERE(step_mapped_store, 2 * PAGE, 12);
	ck_assert_int_eq(ASK(exporter, step_load, PAGE), 11);
	ck_assert_int_eq(ASK(exporter, step_load, 2 * PAGE), 12);
	OK(rsm_memseg_import_open_barrier(&program.barrier));

	peer_kill(exporter);
	await_cut();
	for (long page = 0; page < SEGMENT_PAGES; page++) {
		HERE(step_mapped_load, page * PAGE);
		HERE(step_mapped_store, page * PAGE + 8, NEW_VALUE);
		ck_assert_int_eq(HERE(step_mapped_load, page * PAGE + 8), NEW_VALUE);
	}
	ck_assert_int_eq(rsm_memseg_import_close_barrier(&program.barrier), RSMERR_CONN_ABORTED);
	ck_assert_int_eq(HERE(step_get, 0), -RSMERR_CONN_ABORTED);
	ck_assert_int_eq(HERE(step_put, 0, 1), RSMERR_CONN_ABORTED);
	ck_assert_int_eq(barrier_code(), RSMERR_CONN_ABORTED);
	OK(HERE(step_unmap, 0));
	OK(rsm_memseg_import_destroy_barrier(&program.barrier));
	OK(HERE(step_disconnect, 0));
}
END_TEST

/* Ids. */

START_TEST(test_ids_are_assigned)
{
	long first;
	long second;

	exporter = peer_start(1);
	OK(ASK(exporter, step_create, 1, 0, 1));
	first = ASK(exporter, step_publish, 0);
	ck_assert_int_ge(first, RSM_USER_APP_ID_BASE);
	ck_assert_int_le(first, RSM_USER_APP_ID_END);
	OK(ASK(exporter, step_create, 1, 0, 2));
	second = ASK(exporter, step_publish, 0);
	ck_assert_int_ge(second, RSM_USER_APP_ID_BASE);
	ck_assert_int_ne(first, second);
	nodes_use(2);
	OK(HERE(step_import, 1, first, RSM_PERM_READ));
	ck_assert_int_eq(HERE(step_get_wrong, PAGE, 1), 0);
	OK(HERE(step_import, 1, second, RSM_PERM_READ));
	ck_assert_int_eq(HERE(step_get_wrong, PAGE, 2), 0);
}
END_TEST

START_TEST(test_ids_that_may_be_chosen)
{
	static const rsm_memseg_id_t ids[] = { RSM_HPC_ID_BASE, RSM_HPC_ID_END, RSM_OPS_ID_BASE, RSM_OPS_ID_END, 0x600000,
					       RSM_USER_APP_ID_BASE - 1 };

	OK(HERE(step_create, 1, 0, 1));
	ck_assert_int_eq(HERE(step_publish, ids[_i]), ids[_i]);
	OK(HERE(step_import, 1, ids[_i], RSM_PERM_READ));
	OK(HERE(step_disconnect, 0));
	OK(HERE(step_unpublish, 0));
	ck_assert_int_eq(HERE(step_publish, ids[_i]), ids[_i]);
	OK(HERE(step_destroy, 0));
}
END_TEST

START_TEST(test_unpublish_and_publish_again)
{
	rsm_memseg_import_handle_t old;

	exporter_start(0);
	import_here(RSM_PERM_RDWR);
	OK(HERE(step_map, RSM_PERM_RDWR, 0, SEGMENT_BYTES));
	HERE(step_mapped_store, 0, 1);
	OK(barrier_code());
	OK(ASK(exporter, step_unpublish, 0));
	await_cut();
	HERE(step_mapped_store, 0, 2);
	ck_assert_int_eq(barrier_code(), RSMERR_CONN_ABORTED);
	ck_assert_int_eq(ASK(exporter, step_load, 0), 1);
	ASK(exporter, step_store, 8, 3);
	ck_assert_uint_eq(ASK(exporter, step_publish, segment_id()), segment_id());
	old = program.imported;
	import_here(RSM_PERM_RDWR);
	ck_assert_int_eq(HERE(step_get, 0), 1);
	ck_assert_int_eq(HERE(step_get, 8), 3);
	OK(HERE(step_put, 16, 4));
	ck_assert_int_eq(ASK(exporter, step_load, 16), 4);
	/* Who was cut off stays so. */
	program.imported = old;
	ck_assert_int_eq(HERE(step_get, 0), -RSMERR_CONN_ABORTED);
	OK(HERE(step_unmap, 0));
	OK(HERE(step_disconnect, 0));
}
END_TEST

/* Fork. */

/* What a child of the exporter finds: its own copy, and a handle that is good for nothing. */
static long step_fork(const long *unused)
{
	int status;
	pid_t child = fork();

	(void)unused;
	if (child == 0) {
		int code = HERE(step_wrong, 1) ? 1 : 0;

		HERE(step_store, 0, NEW_VALUE);
		if (HERE(step_load, 0) != NEW_VALUE)
			code |= 2;
		if (HERE(step_destroy, 0) != RSMERR_NOT_CREATOR || HERE(step_post, EXPORTED, 0) != RSMERR_NOT_CREATOR)
			code |= 4;
		free(program.memory);
		_exit(code);
	}
	return waitpid(child, &status, 0) == child ? status : -1;
}

START_TEST(test_fork)
{
	exporter_start(0);
	import_here(RSM_PERM_RDWR);
	OK(HERE(step_map, RSM_PERM_RDWR, 0, SEGMENT_BYTES));
	ck_assert_uint_eq(memory_wrong(program.mapped, 0, SEGMENT_BYTES, 1), 0);
	ck_assert_int_eq(ASK(exporter, step_fork, 0), 0);
	ck_assert_int_eq(ASK(exporter, step_wrong, 1), 0);
	ck_assert_uint_eq(memory_wrong(program.mapped, 0, SEGMENT_BYTES, 1), 0);
	OK(HERE(step_put, 0, 5));
	ck_assert_int_eq(ASK(exporter, step_load, 0), 5);
	OK(barrier_code());
}
END_TEST

/* Controllers. */

START_TEST(test_controllers_are_counted)
{
	static const char *const names[] = { "netmem", "NETMEM", "netmem1", "Netmem1" };
	rsmapi_controller_handle_t first;
	rsmapi_controller_handle_t again;

	for (size_t i = 0; i < COUNT(names); i++) {
		OK(rsm_get_controller((char *)names[i], &first));
		OK(rsm_get_controller((char *)names[i], &again));
		OK(rsm_release_controller(first));
		OK(rsm_get_controller_attr(again, &(rsmapi_controller_attr_t){ 0 }));
		OK(rsm_release_controller(again));
	}
}
END_TEST

START_TEST(test_loopback)
{
	OK(rsm_get_controller(NULL, &program.controller));
	OK(HERE(step_create, SEGMENT_PAGES, 0, 1));
	ck_assert_uint_eq(HERE(step_publish, segment_id(), 1, 0600), segment_id());
	OK(HERE(step_import, 1, segment_id(), RSM_PERM_RDWR));
	OK(HERE(step_map, RSM_PERM_RDWR, 0, SEGMENT_BYTES));
	HERE(step_mapped_store, 0, 6);
	ck_assert_int_eq(HERE(step_load, 0), 6);
	ck_assert_int_eq(HERE(step_import, 2, segment_id(), RSM_PERM_RDWR), RSMERR_CTLR_NOT_PRESENT);
}
END_TEST

START_TEST(test_attributes)
{
	rsmapi_controller_attr_t attr;
	const size_t limit = (size_t)16 << 20;

	nodes_start(1, "size=16M");
	OK(rsm_get_controller_attr(program_controller(), &attr));
	ck_assert_uint_eq(attr.attr_page_size, PAGE);
	ck_assert_uint_eq(attr.attr_direct_access_sizes, RSM_DAS8 | RSM_DAS16 | RSM_DAS32 | RSM_DAS64);
	ck_assert_uint_eq(attr.attr_atomic_sizes, RSM_DAS8 | RSM_DAS16 | RSM_DAS32 | RSM_DAS64);
	ck_assert_uint_eq(attr.attr_tot_export_segment_size, limit);
	ck_assert_uint_eq(attr.attr_max_export_segment_size, limit);
	ck_assert_uint_ge(attr.attr_max_import_map_size, limit);
	ck_assert_uint_ge(attr.attr_tot_import_map_size, attr.attr_max_import_map_size);
	ck_assert_uint_gt(attr.attr_max_export_segments, 0);
	ck_assert_uint_gt(attr.attr_max_import_segments, 0);
	/* And so they are. */
	OK(HERE(step_create, (long)(limit / PAGE), 0, 1));
	ck_assert_int_eq(HERE(step_wrong, 1), 0);
	OK(HERE(step_destroy, 0));
	nodes_stop();
}
END_TEST

START_TEST(test_segmentid_range)
{
	char path[] = "/tmp/rsm-segmentid-XXXXXX";
	int fd = mkstemp(path);
	rsm_memseg_id_t base = 0;
	uint32_t length = 0;
	static const char text[] = "# the ids of our applications\n\nreserved SUNWa 700000 100\n"
				   "\treserve SUNWb 0x7fff00 16 # and a comment\nreserved SUNWab 7FFFFFF0 1";

	ck_assert_int_eq(write(fd, text, sizeof text - 1), (ssize_t)sizeof text - 1);
	close(fd);
	setenv("RSM_SEGMENTID_FILE", path, 1);
	OK(rsm_get_segmentid_range("SUNWa", &base, &length));
	ck_assert(base == 0x700000 && length == 100);
	OK(rsm_get_segmentid_range("SUNWb", &base, &length));
	ck_assert(base == 0x7fff00 && length == 16);
	OK(rsm_get_segmentid_range("SUNWab", &base, &length));
	ck_assert(base == 0x7ffffff0 && length == 1);
	ck_assert_int_eq(rsm_get_segmentid_range("SUNW", &base, &length), RSMERR_BAD_APPID);
	unlink(path);
}
END_TEST

/* Topology. */

/* The entry of a node among those that the only local controller reaches; NULL: none. */
static const rsm_remote_cntlr_t *remote_of(const rsm_topology_t *topology, rsm_node_id_t node)
{
	const rsm_connections_t *connections = topology->connections[0];

	for (int i = 0; i < connections->hdr.remote_cntlr_count; i++)
		if (connections->remote_cntlr[i].remote_nodeid == node)
			return &connections->remote_cntlr[i];
	return NULL;
}

static bool is_up(int from, rsm_node_id_t node)
{
	rsm_topology_t *topology;
	const rsm_remote_cntlr_t *remote;
	bool up;

	nodes_use(from);
	OK(rsm_get_interconnect_topology(&topology));
	remote = remote_of(topology, node);
	up = remote && remote->connection_state == RSM_CONNECTION_ACTIVE;
	rsm_free_interconnect_topology(topology);
	return up;
}

static void topology_check(int node, int count)
{
	rsm_topology_t *topology;
	char name[MAXNAMELEN];

	nodes_use(node);
	OK(rsm_get_interconnect_topology(&topology));
	ck_assert_uint_eq(topology->topology_hdr.local_nodeid, node);
	ck_assert_uint_eq(topology->topology_hdr.local_cntlr_count, 1);
	snprintf(name, sizeof name, "netmem%d", node);
	ck_assert_str_eq(topology->connections[0]->hdr.cntlr_name, name);
	ck_assert_int_eq(topology->connections[0]->hdr.remote_cntlr_count, count - 1);
	ck_assert_ptr_null(remote_of(topology, (rsm_node_id_t)node));
	for (int other = 1; other <= count; other++) {
		const rsm_remote_cntlr_t *remote = remote_of(topology, (rsm_node_id_t)other);

		if (other == node)
			continue;
		ck_assert_ptr_nonnull(remote);
		snprintf(name, sizeof name, "netmem%d", other);
		ck_assert_str_eq(remote->remote_cntlrname, name);
		ck_assert_uint_eq(remote->connection_state, RSM_CONNECTION_ACTIVE);
		ck_assert_uint_ne(remote->remote_hwaddr, topology->connections[0]->hdr.local_hwaddr);
	}
	rsm_free_interconnect_topology(topology);
}

static void await_down(int from, rsm_node_id_t node)
{
	for (int i = 0; i < PATIENCE_MS && is_up(from, node); i++)
		poll(NULL, 0, 1);
	ck_assert_msg(!is_up(from, node), "node %u is still said to be up", node);
}

START_TEST(test_topology)
{
	nodes_start(4, NULL);
	for (int node = 1; node <= 4; node++)
		topology_check(node, 4);
	nodes_do("kill", 4);
	await_down(1, 4);
	await_down(2, 4);
	ck_assert(is_up(1, 2) && is_up(1, 3) && is_up(3, 2));
	ck_assert_int_eq(kill(nodes_pid(3), SIGTERM), 0); /* this one leaves as it should */
	await_down(1, 3);
	ck_assert(is_up(1, 2) && is_up(2, 1));
	nodes_stop();
}
END_TEST

/* Takes all mounts of netmemfs but those of this test out of the sight of this process. */
static void only_own_mounts(void)
{
	char line[4096];
	FILE *table;
	const char *own = nodes_path(1, ".");
	char prefix[4096];

	snprintf(prefix, sizeof prefix, "%.*s", (int)(strlen(own) - strlen("1/.")), own);
	ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
	ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	table = fopen("/proc/self/mounts", "r");
	ck_assert_ptr_nonnull(table);
	while (fgets(line, sizeof line, table)) {
		char path[4096];
		char type[64];

		if (sscanf(line, "%*s %4095s %63s", path, type) == 2 && strcmp(type, "fuse.netmemfs") == 0 &&
		    strncmp(path, prefix, strlen(prefix)) != 0)
			umount2(path, MNT_DETACH);
	}
	fclose(table);
}

/* Without NETMEM_MOUNT, each mount of the machine is a controller, and one program can use them all. */
START_TEST(test_controllers_of_all_mounts)
{
	rsmapi_controller_handle_t controllers[3];
	rsm_topology_t *topology;
	char seen = 0;

	only_own_mounts();
	unsetenv("NETMEM_MOUNT");
	OK(rsm_get_controller((char *)"netmem2", &controllers[1]));
	OK(rsm_get_controller((char *)"NETMEM3", &controllers[2]));
	OK(rsm_get_controller((char *)"netmem", &controllers[0]));
	OK(rsm_get_interconnect_topology(&topology));
	ck_assert_uint_eq(topology->topology_hdr.local_cntlr_count, 3);
	for (unsigned i = 0; i < 3; i++) {
		const rsm_connections_hdr_t *hdr = &topology->connections[i]->hdr;

		ck_assert_int_eq(hdr->remote_cntlr_count, 2);
		ck_assert_int_eq(strncmp(hdr->cntlr_name, "netmem", 6), 0);
		seen = (char)(seen | 1 << (hdr->cntlr_name[6] - '0'));
	}
	ck_assert_int_eq(seen, 2 | 4 | 8);
	rsm_free_interconnect_topology(topology);
	program.controller = controllers[1];
	OK(HERE(step_export, SEGMENT_PAGES, 0, 1, segment_id()));
	program.controller = controllers[2];
	ck_assert_int_eq(HERE(step_import, 3, segment_id(), RSM_PERM_RDWR), RSMERR_SEG_NOT_PUBLISHED);
	OK(HERE(step_import, 2, segment_id(), RSM_PERM_RDWR));
	OK(HERE(step_put, 0, 8));
	ck_assert_int_eq(HERE(step_load, 0), 8);
}
END_TEST

/* Crashes. */

static long step_await_cut(const long *unused)
{
	struct pollfd end;
	int count;

	(void)unused;
	if (rsm_memseg_get_pollfd(program.imported, &end))
		return -1;
	end.events = 0;
	count = poll(&end, 1, PATIENCE_MS);
	rsm_memseg_release_pollfd(program.imported);
	return count == 1 && end.revents & (POLLHUP | POLLERR) ? 0 : -1;
}

/* Loads and stores in all pages of the mapping; a fault would end the peer. */
static long step_touch(const long *value)
{
	for (long page = 0; page < SEGMENT_PAGES; page++) {
		HERE(step_mapped_load, page * PAGE);
		HERE(step_mapped_store, page * PAGE + 8, value[0]);
	}
	return 0;
}

static long step_barrier(const long *unused)
{
	(void)unused;
	return HERE(step_open_barrier, 0) ? -1 : HERE(step_close_barrier, 0);
}

static struct peer *importer_start(int node)
{
	struct peer *importer = peer_start(node);

	OK(ASK(importer, step_import, 1, segment_id(), RSM_PERM_RDWR));
	OK(ASK(importer, step_map, RSM_PERM_RDWR, 0, SEGMENT_BYTES));
	return importer;
}

static void three_nodes(void)
{
	nodes_start(3, NULL);
}

/* Silence is noticed after a second. */
static void three_nodes_soon_missed(void)
{
	nodes_start(3, "timeout=1");
}

START_TEST(test_crash_exporter)
{
	struct peer *importers[2];

	exporter_start(0);
	for (int i = 0; i < 2; i++)
		importers[i] = importer_start(i + 2);
	OK(ASK(importers[0], step_touch, 5));
	peer_kill(exporter);
	for (int i = 0; i < 2; i++) {
		OK(ASK(importers[i], step_await_cut, 0));
		OK(ASK(importers[i], step_touch, 6));
		ck_assert_int_eq(ASK(importers[i], step_barrier, 0), RSMERR_CONN_ABORTED);
		ck_assert_int_eq(ASK(importers[i], step_post, IMPORTED, 0), RSMERR_CONN_ABORTED);
		OK(ASK(importers[i], step_unmap, 0));
		OK(ASK(importers[i], step_disconnect, 0));
	}
	/* The id is free, and another exporter may have it. */
	ck_assert_int_eq(connect_code_after(RSM_SUCCESS), RSMERR_SEG_NOT_PUBLISHED);
	exporter_start(0);
	for (int i = 0; i < 2; i++) {
		OK(ASK(importers[i], step_import, 1, segment_id(), RSM_PERM_RDWR));
		ck_assert_int_eq(ASK(importers[i], step_get_wrong, SEGMENT_BYTES, 1), 0);
		ck_assert(peer_end(importers[i]));
	}
	ck_assert(peer_end(exporter));
}
END_TEST

/* The exporter's memory is still there; what the importer had not brought home is old or new. */
START_TEST(test_crash_importer)
{
	struct peer *importer;

	exporter_start(0);
	importer = importer_start(2);
	OK(ASK(importer, step_touch, 5));
	OK(ASK(importer, step_barrier, 0));
	OK(ASK(importer, step_touch, 6));
	peer_kill(importer);
	for (long page = 0; page < SEGMENT_PAGES; page++) {
		long value = ASK(exporter, step_load, page * PAGE + 8);

		ck_assert_msg(value == 5 || value == 6, "page %ld: %ld", page, value);
		ASK(exporter, step_store, page * PAGE, 9);
		ck_assert_int_eq(ASK(exporter, step_load, page * PAGE), 9);
	}
	importer = importer_start(3);
	OK(ASK(importer, step_put, 0, 10));
	ck_assert_int_eq(ASK(exporter, step_load, 0), 10);
	OK(ASK(exporter, step_destroy, 0));
	ck_assert_int_eq(ASK(exporter, step_load, 0), 10);
	ck_assert(peer_end(exporter));
}
END_TEST

START_TEST(test_crash_node_of_importer)
{
	struct peer *importer;

	exporter_start(0);
	importer = importer_start(2);
	OK(ASK(importer, step_touch, 5));
	OK(ASK(importer, step_barrier, 0));
	OK(ASK(importer, step_put, 0, 7));
	OK(ASK(importer, step_touch, 6));
	nodes_do("kill", 2);
	/* What a barrier has said is safe, is; and nothing of the exporter's is out of reach. */
	ck_assert_int_eq(ASK(exporter, step_load, 0), 7);
	for (long page = 0; page < SEGMENT_PAGES; page++) {
		long value = ASK(exporter, step_load, page * PAGE + 8);

		ck_assert_msg(value == 5 || value == 6, "page %ld: %ld", page, value);
		ASK(exporter, step_store, page * PAGE, 9);
	}
	OK(ASK(importer, step_await_cut, 0));
	OK(ASK(importer, step_touch, 8));
	ck_assert_int_eq(ASK(importer, step_barrier, 0), RSMERR_CONN_ABORTED);
	ck_assert_int_eq(ASK(importer, step_put, 0, 1), RSMERR_CONN_ABORTED);
	OK(ASK(importer, step_unmap, 0));
	OK(ASK(importer, step_disconnect, 0));
	importer = importer_start(3);
	ck_assert_int_eq(ASK(importer, step_get, PAGE), 9);
	OK(ASK(exporter, step_destroy, 0));
	ck_assert_int_eq(ASK(exporter, step_load, PAGE), 9);
	ck_assert(peer_end(exporter));
}
END_TEST

START_TEST(test_crash_node_of_exporter)
{
	struct peer *importer;

	exporter_start(RSM_ALLOW_REBIND);
	importer = importer_start(2);
	OK(ASK(importer, step_touch, 5));
	OK(ASK(importer, step_barrier, 0));
	nodes_do("kill", 1);
	OK(ASK(importer, step_await_cut, 0));
	OK(ASK(importer, step_touch, 6));
	ck_assert_int_eq(ASK(importer, step_barrier, 0), RSMERR_CONN_ABORTED);
	ck_assert_int_eq(ASK(importer, step_get, 0), -RSMERR_CONN_ABORTED);
	ck_assert_int_eq(ASK(importer, step_wait, IMPORTED, PATIENCE_MS), RSMERR_CONN_ABORTED);
	ck_assert_int_eq(ASK(importer, step_connect, 1, segment_id(), RSM_PERM_READ), RSMERR_REMOTE_NODE_UNREACHABLE);
	/* The exporter learns it from each call, and from none by a signal. */
	ck_assert_int_ne(ASK(exporter, step_publish, OTHER_ID), OTHER_ID);
	ck_assert_int_ne(ASK(exporter, step_post, EXPORTED, 0), RSM_SUCCESS);
	ck_assert_int_ne(ASK(exporter, step_wait, EXPORTED, PATIENCE_MS), RSM_SUCCESS);
	ck_assert_int_ne(ASK(exporter, step_rebind, 2), RSM_SUCCESS);
	ASK(exporter, step_unpublish, 0);
	ASK(exporter, step_destroy, 0);
	ck_assert(peer_end(exporter));
	ck_assert(peer_end(importer));
}
END_TEST

/* The exporter's node stands still for longer than the others wait. */
START_TEST(test_pause_of_exporters_node)
{
	exporter_start(0);
	import_here(RSM_PERM_RDWR);
	OK(HERE(step_map, RSM_PERM_RDWR, 0, SEGMENT_BYTES));
	OK(barrier_code());
	nodes_do("pause", 1);
	HERE(step_mapped_store, 0, 3);
	HERE(step_mapped_load, 3 * PAGE);
	ck_assert_int_eq(barrier_code(), RSMERR_CONN_ABORTED);
	ck_assert_int_eq(HERE(step_connect, 1, segment_id(), RSM_PERM_READ), RSMERR_REMOTE_NODE_UNREACHABLE);
	nodes_do("resume", 1);
	/* Lost is lost, but the segment is still there for who asks again. */
	ck_assert_int_eq(barrier_code(), RSMERR_CONN_ABORTED);
	HERE(step_mapped_store, 0, 5);
	ck_assert_int_eq(connect_code_after(RSMERR_REMOTE_NODE_UNREACHABLE), RSM_SUCCESS);
	import_here(RSM_PERM_RDWR);
	OK(HERE(step_put, 8, 4));
	ck_assert_int_eq(ASK(exporter, step_load, 8), 4);
	ck_assert(peer_end(exporter));
}
END_TEST

START_TEST(test_pause_of_importers_node)
{
	struct peer *importer;
	long values[SEGMENT_PAGES];

	exporter_start(0);
	importer = importer_start(2);
	OK(ASK(importer, step_touch, 5));
	OK(ASK(importer, step_barrier, 0));
	OK(ASK(importer, step_touch, 6));
	nodes_do("pause", 2);
	for (long page = 0; page < SEGMENT_PAGES; page++) {
		values[page] = ASK(exporter, step_load, page * PAGE + 8);
		ck_assert_msg(values[page] == 5 || values[page] == 6, "page %ld: %ld", page, values[page]);
	}
	ASK(exporter, step_store, 0, 7);
	nodes_do("resume", 2);
	OK(ASK(importer, step_await_cut, 0));
	OK(ASK(importer, step_touch, 8));
	ck_assert_int_eq(ASK(importer, step_barrier, 0), RSMERR_CONN_ABORTED);
	for (long page = 0; page < SEGMENT_PAGES; page++) /* nothing comes late */
		ck_assert_int_eq(ASK(exporter, step_load, page * PAGE + 8), values[page]);
	ck_assert_int_eq(ASK(exporter, step_load, 0), 7);
	ck_assert(peer_end(exporter));
	ck_assert(peer_end(importer));
}
END_TEST

int main(int argc, char **argv)
{
	const TTest *const tests[] = { test_story, test_ids_are_assigned, test_unpublish_and_publish_again, test_fork,
				       test_controllers_are_counted, test_loopback, test_attributes, test_segmentid_range,
				       test_topology, test_controllers_of_all_mounts };
	const TTest *const crashes[] = { test_crash_exporter, test_crash_importer, test_crash_node_of_importer,
					 test_crash_node_of_exporter };
	const TTest *const pauses[] = { test_pause_of_exporters_node, test_pause_of_importers_node };
	Suite *suite = suite_create("librsm between nodes");
	TCase *shared = tcase_create("shared");
	TCase *crash = tcase_create("crashes");
	TCase *pause = tcase_create("pauses");

	peer_main(argc, argv);
	tcase_add_unchecked_fixture(shared, three_nodes, nodes_stop);
	tcase_set_timeout(shared, 120);
	tcase_add_loop_test(shared, test_ids_that_may_be_chosen, 0, 6);
	for (size_t i = 0; i < COUNT(tests); i++)
		tcase_add_test(shared, tests[i]);
	suite_add_tcase(suite, shared);
	tcase_add_checked_fixture(crash, three_nodes, nodes_stop);
	tcase_set_timeout(crash, 120);
	for (size_t i = 0; i < COUNT(crashes); i++)
		tcase_add_test(crash, crashes[i]);
	suite_add_tcase(suite, crash);
	tcase_add_checked_fixture(pause, three_nodes_soon_missed, nodes_stop);
	tcase_set_timeout(pause, 120);
	for (size_t i = 0; i < COUNT(pauses); i++)
		tcase_add_test(pause, pauses[i]);
	suite_add_tcase(suite, pause);
	return scene_run(suite);
}
