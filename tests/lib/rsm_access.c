/*
 * Goal: who may do what with a segment: access lists by node and by owner, group and other, and what is left when the
 * library is gone around, by root too.
 *
 * The exporter is an ordinary user here, with a group that others have as well.
 */
#define _GNU_SOURCE 1
#include "rsm_scene.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWNER 10001
#define GROUP 10002
#define STRANGER 10003

static struct peer *peer_of(int node, long user, long group)
{
	struct peer *peer = peer_start(node);

	ck_assert_int_eq(ASK(peer, step_become, user, group), 0);
	return peer;
}

/* Exports on node 1 as OWNER; the list as for step_publish(). */
static void owner_exports(long node, long perm, long other_node, long other_perm)
{
	exporter = peer_of(1, OWNER, GROUP);
	OK(ASK(exporter, step_create, SEGMENT_PAGES, 0, 1));
	ck_assert_int_eq(ASK(exporter, step_publish, segment_id(), node, perm, other_node, other_perm), segment_id());
}

/* What connecting as that user gives, on that node. */
static int code_for(int node, long user, long group, long perm)
{
	struct peer *peer = peer_of(node, user, group);
	int code = (int)ASK(peer, step_import, 1, segment_id(), perm);

	if (code == RSM_SUCCESS) {
		if (perm & RSM_PERM_WRITE)
			OK(ASK(peer, step_put, 8, 1));
		if (perm & RSM_PERM_READ)
			ck_assert_int_ge(ASK(peer, step_get_wrong, SEGMENT_BYTES, 1), 0);
		OK(ASK(peer, step_disconnect, 0));
	}
	ck_assert(peer_end(peer));
	return code;
}

static const char *memory_of(int node, const char *file)
{
	return nodes_path(node, "rsm-1-%08x/%s", segment_id(), file);
}

/* 0, or the errno of opening past the library. */
static int open_error(int node, const char *file, int flags)
{
	int fd = open(memory_of(node, file), flags | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

START_TEST(test_nodes)
{
	owner_exports(2, 0666, 0, 0);
	OK(code_for(2, OWNER, GROUP, RSM_PERM_RDWR));
	OK(code_for(2, STRANGER, STRANGER, RSM_PERM_RDWR));
	ck_assert_int_eq(code_for(3, OWNER, GROUP, RSM_PERM_READ), RSMERR_SEG_NOT_PUBLISHED_TO_NODE);
	ck_assert_int_eq(code_for(3, 0, 0, RSM_PERM_READ), RSMERR_SEG_NOT_PUBLISHED_TO_NODE);
	/* The exporter's node is one like others. */
	ck_assert_int_eq(code_for(1, OWNER, GROUP, RSM_PERM_READ), RSMERR_SEG_NOT_PUBLISHED_TO_NODE);
}
END_TEST

static const struct {
	long mode;
	/* What connecting gives for reading, writing and both. */
	int owner[3], group[3], other[3];
} classes[] = {
	{ 0666, { 0, 0, 0 }, { 0, 0, 0 }, { 0, 0, 0 } },
	{ 0640, { 0, 0, 0 }, { 0, 27, 27 }, { 27, 27, 27 } },
	{ 0604, { 0, 0, 0 }, { 27, 27, 27 }, { 0, 27, 27 } },
	{ 0400, { 0, 27, 27 }, { 27, 27, 27 }, { 27, 27, 27 } },
	{ 0420, { 0, 27, 27 }, { 27, 0, 27 }, { 27, 27, 27 } },
};
static const long asked[] = { RSM_PERM_READ, RSM_PERM_WRITE, RSM_PERM_RDWR };

START_TEST(test_classes)
{
	owner_exports(2, classes[_i].mode, 0, 0);
	for (size_t i = 0; i < COUNT(asked); i++) {
		ck_assert_int_eq(code_for(2, OWNER, STRANGER, asked[i]), classes[_i].owner[i]);
		ck_assert_int_eq(code_for(2, STRANGER, GROUP, asked[i]), classes[_i].group[i]);
		ck_assert_int_eq(code_for(2, STRANGER, STRANGER, asked[i]), classes[_i].other[i]);
	}
}
END_TEST

static long step_umask(const long *mask)
{
	return umask((mode_t)mask[0]);
}

/* Without a list, it is as if the exporter had created a file. */
START_TEST(test_no_list)
{
	static const long masks[] = { 0, 022, 077, 026 };
	static const int other[][3] = { { 0, 0, 0 }, { 0, 27, 27 }, { 27, 27, 27 }, { 27, 27, 27 } };
	static const int group[][3] = { { 0, 0, 0 }, { 0, 27, 27 }, { 27, 27, 27 }, { 0, 27, 27 } };

	exporter = peer_of(1, OWNER, GROUP);
	ASK(exporter, step_umask, masks[_i]);
	OK(ASK(exporter, step_create, SEGMENT_PAGES, 0, 1));
	ck_assert_int_eq(ASK(exporter, step_publish, segment_id()), segment_id());
	for (size_t i = 0; i < COUNT(asked); i++) {
		OK(code_for(2, OWNER, STRANGER, asked[i]));
		ck_assert_int_eq(code_for(3, STRANGER, GROUP, asked[i]), group[_i][i]);
		ck_assert_int_eq(code_for(1, STRANGER, STRANGER, asked[i]), other[_i][i]);
	}
}
END_TEST

START_TEST(test_two_nodes_differ)
{
	owner_exports(2, 0644, 3, 0600);
	OK(code_for(2, STRANGER, STRANGER, RSM_PERM_READ));
	ck_assert_int_eq(code_for(2, STRANGER, STRANGER, RSM_PERM_WRITE), RSMERR_PERM_DENIED);
	ck_assert_int_eq(code_for(3, STRANGER, STRANGER, RSM_PERM_READ), RSMERR_PERM_DENIED);
	OK(code_for(3, OWNER, GROUP, RSM_PERM_RDWR));
	OK(code_for(2, OWNER, GROUP, RSM_PERM_RDWR));
}
END_TEST

/* A new list is for new connections. */
START_TEST(test_republish)
{
	struct peer *early;

	owner_exports(2, 0666, 0, 0);
	early = peer_of(2, STRANGER, STRANGER);
	OK(ASK(early, step_import, 1, segment_id(), RSM_PERM_RDWR));
	OK(ASK(early, step_map, RSM_PERM_RDWR, 0, SEGMENT_BYTES));
	OK(ASK(exporter, step_republish, 3, 0444));
	ck_assert_int_eq(code_for(2, OWNER, GROUP, RSM_PERM_READ), RSMERR_SEG_NOT_PUBLISHED_TO_NODE);
	OK(code_for(3, STRANGER, STRANGER, RSM_PERM_READ));
	ck_assert_int_eq(code_for(3, STRANGER, STRANGER, RSM_PERM_WRITE), RSMERR_PERM_DENIED);
	ASK(early, step_mapped_store, 0, 5);
	OK(ASK(early, step_put, 8, 6));
	ck_assert_int_eq(ASK(exporter, step_load, 0), 5);
	ck_assert_int_eq(ASK(exporter, step_load, 8), 6);
	/* No list again. */
	ASK(exporter, step_umask, 0);
	OK(ASK(exporter, step_republish, 0));
	OK(code_for(2, STRANGER, STRANGER, RSM_PERM_RDWR));
	OK(code_for(1, STRANGER, STRANGER, RSM_PERM_RDWR));
}
END_TEST

START_TEST(test_list_after_unpublish)
{
	owner_exports(2, 0666, 0, 0);
	OK(ASK(exporter, step_unpublish, 0));
	ck_assert_int_eq(ASK(exporter, step_publish, segment_id(), 3, 0666), segment_id());
	ck_assert_int_eq(code_for(2, OWNER, GROUP, RSM_PERM_READ), RSMERR_SEG_NOT_PUBLISHED_TO_NODE);
	OK(code_for(3, OWNER, GROUP, RSM_PERM_RDWR));
}
END_TEST

/* This process is root. On a node that is not listed it gets at nothing, whatever it opens. */
START_TEST(test_root_past_the_library)
{
	static const char *const files[] = { "memory", "signal" };
	static const int flags[] = { O_RDONLY, O_WRONLY, O_RDWR };

	owner_exports(2, 0666, 0, 0);
	for (size_t file = 0; file < COUNT(files); file++)
		for (size_t i = 0; i < COUNT(flags); i++) {
			ck_assert_int_eq(open_error(3, files[file], flags[i]), EPERM);
			ck_assert_int_eq(open_error(2, files[file], flags[i]), 0);
		}
	ck_assert_int_eq(truncate(memory_of(3, "memory"), 0), -1);
	ck_assert_int_eq(ASK(exporter, step_wrong, 1), 0);
}
END_TEST

/* Nor by what another program of the node has open: reading there does not let root write. */
START_TEST(test_root_beside_an_importer)
{
	struct peer *reader;

	owner_exports(2, 0444, 3, 0);
	reader = peer_of(2, STRANGER, STRANGER);
	OK(ASK(reader, step_import, 1, segment_id(), RSM_PERM_READ));
	OK(ASK(reader, step_map, RSM_PERM_READ, 0, SEGMENT_BYTES));
	ck_assert_int_eq(open_error(2, "memory", O_RDONLY), 0);
	ck_assert_int_eq(open_error(2, "memory", O_RDWR), EACCES);
	ck_assert_int_eq(open_error(2, "memory", O_WRONLY), EACCES);
	ck_assert_int_ne(open_error(3, "memory", O_RDONLY), 0);
	OK(ASK(exporter, step_republish, 3, 0666));
	ck_assert_int_eq(open_error(2, "memory", O_RDONLY), EPERM);
	ck_assert_int_eq(ASK(reader, step_mapped_load, PAGE), ASK(exporter, step_load, PAGE));
}
END_TEST

static int control_error(int node, const char *word)
{
	int fd = open(memory_of(node, "control"), O_WRONLY | O_CLOEXEC);
	int error = fd < 0 || write(fd, word, strlen(word)) != (ssize_t)strlen(word) ? errno : 0;

	if (fd >= 0)
		close(fd);
	return error;
}

/* Only the exporter's node has a say in what becomes of the segment. */
START_TEST(test_others_do_not_control)
{
	static const char *const words[] = { "revoke", "destroy", "clear", "revert off", "access all" };

	owner_exports(2, 0666, 0, 0);
	for (size_t i = 0; i < COUNT(words); i++) {
		ck_assert_msg(control_error(2, words[i]) == EPERM, "%s", words[i]);
		ck_assert_msg(control_error(3, words[i]) == EPERM, "%s", words[i]);
	}
	ck_assert_int_eq(truncate(memory_of(2, "memory"), PAGE), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(truncate(memory_of(1, "memory"), 10 * SEGMENT_BYTES), -1);
	ck_assert_int_eq(chmod(memory_of(2, "memory"), 0666), -1);
	ck_assert_int_eq(chown(memory_of(2, "memory"), 0, 0), -1);
	OK(code_for(2, OWNER, GROUP, RSM_PERM_RDWR));
	ck_assert_int_eq(ASK(exporter, step_wrong, 1), 8 - (pattern(1, 8) == 1) - (pattern(1, 15) == 0));
}
END_TEST

/* Another user cannot take the name away, nor become the owner of the segment. */
START_TEST(test_other_users)
{
	struct peer *stranger = peer_of(1, STRANGER, STRANGER);
	char name[64];

	owner_exports(0, 0, 0, 0);
	snprintf(name, sizeof name, "rsm-1-%08x", segment_id());
	ck_assert_int_eq(seteuid(STRANGER), 0);
	ck_assert_int_ne(control_error(1, "revoke"), 0);
	ck_assert_int_ne(control_error(2, "revoke"), 0);
	ck_assert_int_eq(rmdir(nodes_path(1, "%s", name)), -1);
	ck_assert_int_eq(rmdir(nodes_path(2, "%s", name)), -1);
	ck_assert_int_eq(seteuid(0), 0);
	OK(code_for(2, OWNER, GROUP, RSM_PERM_RDWR));
	ck_assert(peer_end(stranger));
}
END_TEST

/* A mapping does not get more than the connection has. */
START_TEST(test_mappings)
{
	struct peer *reader;

	owner_exports(2, 0664, 0, 0);
	reader = peer_of(2, STRANGER, STRANGER);
	OK(ASK(reader, step_import, 1, segment_id(), RSM_PERM_READ));
	ck_assert_int_eq(ASK(reader, step_map, RSM_PERM_RDWR, 0, PAGE), RSMERR_BAD_PERMS);
	ck_assert_int_eq(ASK(reader, step_map, RSM_PERM_WRITE, 0, PAGE), RSMERR_BAD_PERMS);
	OK(ASK(reader, step_map, RSM_PERM_READ, 0, PAGE));
	ck_assert_int_eq(ASK(reader, step_put, 0, 1), RSMERR_PERM_DENIED);
	ck_assert_int_eq(ASK(exporter, step_wrong, 1), 0);
}
END_TEST

static void three_nodes(void)
{
	nodes_start(3, NULL);
}

int main(int argc, char **argv)
{
	const TTest *const tests[] = { test_nodes, test_two_nodes_differ, test_republish, test_list_after_unpublish,
				       test_root_past_the_library, test_root_beside_an_importer,
				       test_others_do_not_control, test_other_users, test_mappings };
	Suite *suite = suite_create("librsm, access");
	TCase *tcase = tcase_create("access");

	peer_main(argc, argv);
	umask(0);
	tcase_add_unchecked_fixture(tcase, three_nodes, nodes_stop);
	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, test_classes, 0, (int)COUNT(classes));
	tcase_add_loop_test(tcase, test_no_list, 0, 4);
	for (size_t i = 0; i < COUNT(tests); i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	return scene_run(suite);
}
