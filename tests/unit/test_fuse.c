/*
 * test_fuse.c: goal: what of the daemon needs no mount: the command line is taken or refused by name, an inode number
 * says what it is, lookups are remembered for one thread, no program is left without an answer
 * that its kernel takes, and one that is being killed is told from one that is not.
 */
#include <check.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuse/inode.h"
#include "fuse/mounts.h"
#include "fuse/names.h"
#include "fuse/opens.h"
#include "fuse/options.h"
#include "fuse/program.h"
#include "fuse/reply.h"

#define OBJECT (UINT64_C(3) << OBJECT_COUNT_BITS | 7)
#define SECOND_NS UINT64_C(1000000000)

static char why[256];

/* Splits `line` at spaces; the first word is the program's name. */
static int parse(struct options *options, const char *line)
{
	static char copy[2048];
	char *argv[16];
	int argc = 0;

	strncpy(copy, line, sizeof(copy) - 1);
	for (char *word = strtok(copy, " "); word && argc < 15; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	why[0] = '\0';
	return options_parse(options, argc, argv, why, sizeof(why));
}

START_TEST(plain_mount)
{
	struct options options;

	ck_assert_int_eq(parse(&options, "netmemfs /mnt"), 0);
	ck_assert_int_eq(options.run, OPTIONS_MOUNT);
	ck_assert_str_eq(options.mountpoint, "/mnt");
	ck_assert_str_eq(options.source, "netmemfs");
	ck_assert(!options.foreground);
	ck_assert_str_eq(options.listen, "");
	ck_assert_str_eq(options.join, "");
	ck_assert(*options.node);
	ck_assert_uint_eq(options.timeout_ms, TIMEOUT_DEFAULT_MS);
	ck_assert_uint_ge(options.size_bytes, 1 << 20);
}
END_TEST

START_TEST(all_options)
{
	struct options options;

	ck_assert_int_eq(parse(&options, "netmemfs src /mnt -f -o node=a.b-c,listen=127.0.0.1:0 -ojoin=unix:/x,size=3G,"
	                                 "timeout=0.5,barrier=on,priority=ordinary,ro,nosuid"), 0);
	ck_assert_str_eq(options.source, "src");
	ck_assert(options.foreground);
	ck_assert_str_eq(options.node, "a.b-c");
	ck_assert_str_eq(options.listen, "127.0.0.1:0");
	ck_assert_str_eq(options.join, "unix:/x");
	ck_assert_uint_eq(options.size_bytes, UINT64_C(3) << 30);
	ck_assert_uint_eq(options.timeout_ms, 500);
	ck_assert_int_eq(options.barrier, BARRIER_ON);
	ck_assert(!options.realtime);
	ck_assert_str_eq(options.kernel, "ro,nosuid");
}
END_TEST

START_TEST(what_mount_adds)
{
	struct options options;

	ck_assert_int_eq(parse(&options, "netmemfs none /mnt -o rw,defaults,noauto,nofail,_netdev,user,x-systemd.after=a,"
	                                 "default_permissions,allow_other,comment=x"), 0);
	ck_assert_str_eq(options.kernel, "rw");
	ck_assert(options.allow_other);
}
END_TEST

START_TEST(escaped_comma)
{
	struct options options;

	ck_assert_int_eq(parse(&options, "netmemfs /mnt -o join=unix:/a\\,b,size=1M"), 0);
	ck_assert_str_eq(options.join, "unix:/a,b");
}
END_TEST

START_TEST(sizes)
{
	static const struct { const char *line; uint64_t bytes; } good[] = {
		{ "netmemfs /mnt -o size=1048576", 1 << 20 }, { "netmemfs /mnt -o size=2048K", 2 << 20 },
		{ "netmemfs /mnt -o size=7m", 7 << 20 }, { "netmemfs /mnt -o size=2T", UINT64_C(2) << 40 },
	};
	struct options half;
	struct options tenth;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct options options;

		ck_assert_int_eq(parse(&options, good[i].line), 0);
		ck_assert_uint_eq(options.size_bytes, good[i].bytes);
	}
	ck_assert_int_eq(parse(&half, "netmemfs /mnt -o size=50%"), 0);
	ck_assert_int_eq(parse(&tenth, "netmemfs /mnt -o size=10%"), 0);
	ck_assert_uint_eq(half.size_bytes, tenth.size_bytes * 5);
}
END_TEST

START_TEST(refused)
{
	static const struct { const char *line; const char *word; } bad[] = {
		{ "netmemfs", "mount point" }, { "netmemfs a b c", "\"c\"" },
		{ "netmemfs /mnt -o nonsense", "nonsense" }, { "netmemfs /mnt --nonsense", "--nonsense" },
		{ "netmemfs /mnt -o nodes=x", "nodes" }, { "netmemfs /mnt -o node", "node" },
		{ "netmemfs /mnt -o node=", "node" }, { "netmemfs /mnt -o node=a/b", "a/b" },
		{ "netmemfs /mnt -o size=", "size" }, { "netmemfs /mnt -o size=-1", "-1" },
		{ "netmemfs /mnt -o size=1X", "1X" }, { "netmemfs /mnt -o size=1GB", "1GB" },
		{ "netmemfs /mnt -o size=101%", "101%" }, { "netmemfs /mnt -o size=4K", "4K" },
		{ "netmemfs /mnt -o size=99999999999T", "99999999999T" }, { "netmemfs /mnt -o timeout=0", "timeout" },
		{ "netmemfs /mnt -o timeout=nan", "nan" }, { "netmemfs /mnt -o timeout=1e9", "1e9" },
		{ "netmemfs /mnt -o barrier=maybe", "maybe" }, { "netmemfs /mnt -o priority=high", "high" },
		{ "netmemfs /mnt -o foreground=1", "foreground" }, { "netmemfs /mnt -o", "-o" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct options options;

		ck_assert_msg(parse(&options, bad[i].line) == -EINVAL, "%s was taken", bad[i].line);
		ck_assert_msg(strstr(why, bad[i].word) != NULL, "%s: \"%s\" says nothing of it", bad[i].line, why);
		ck_assert_msg(!strchr(why, '\n'), "%s: more than a line", bad[i].line);
	}
}
END_TEST

START_TEST(too_long)
{
	char line[600] = "netmemfs /mnt -o node=";
	struct options options;

	memset(line + strlen(line), 'n', NODE_NAME_BYTES);
	ck_assert_int_eq(parse(&options, line), -EINVAL);
	line[strlen(line) - 1] = '\0';
	ck_assert_int_eq(parse(&options, line), 0);
	ck_assert_uint_eq(strlen(options.node), NODE_NAME_BYTES - 1);
}
END_TEST

START_TEST(inode_numbers)
{
	for (int kind = 0; kind < KINDS; kind++) {
		uint64_t ino = inode_of(OBJECT, (enum inode_kind)kind);

		ck_assert(inode_is_object(ino));
		ck_assert_uint_eq(inode_object(ino), OBJECT);
		ck_assert_int_eq(inode_kind(ino), kind);
	}
	for (uint64_t ino = 0; ino < INODE_FIXED_END; ino++) {
		ck_assert(!inode_is_object(ino));
		if (inode_meta_name(ino))
			ck_assert_uint_eq(inode_meta_of_name(inode_meta_name(ino)), ino);
	}
	ck_assert(!inode_is_object(inode_of(OBJECT, KINDS)));
	ck_assert_int_eq(inode_kind_of_name("control"), KIND_CONTROL);
	ck_assert_int_eq(inode_kind_of_name("status"), KIND_STATUS);
	ck_assert_int_eq(inode_kind_of_name("signal"), KIND_SIGNAL);
	ck_assert_int_eq(inode_kind_of_name("memory"), -1);
	ck_assert_uint_eq(inode_meta_of_name("x"), 0);
}
END_TEST

START_TEST(inode_attributes)
{
	struct object_attr attr = { .mode = 0640, .uid = 5, .gid = 6, .size_bytes = 5000, .used_bytes = 8192,
	                            .atime_ns = 2 * SECOND_NS + 1, .mtime_ns = 3 * SECOND_NS + 4 };
	struct stat st;

	inode_fill(inode_of(OBJECT, KIND_DIR), &attr, &st);
	ck_assert_uint_eq(st.st_mode, S_IFDIR | 0750);
	inode_fill(inode_of(OBJECT, KIND_FILE), &attr, &st);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0640);
	ck_assert_int_eq(st.st_size, 5000);
	ck_assert_int_eq(st.st_blocks, 16);
	ck_assert_uint_eq(st.st_uid, 5);
	ck_assert_uint_eq(st.st_gid, 6);
	ck_assert_int_eq(st.st_atim.tv_sec, 2);
	ck_assert_int_eq(st.st_atim.tv_nsec, 1);
	ck_assert_int_eq(st.st_mtim.tv_sec, 3);
	ck_assert_int_eq(st.st_mtim.tv_nsec, 4);
	inode_fill(inode_of(OBJECT, KIND_CONTROL), &attr, &st);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0200);
	inode_fill(inode_of(OBJECT, KIND_STATUS), &attr, &st);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0440);
	inode_fill(inode_of(OBJECT, KIND_SIGNAL), &attr, &st);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0660);
	ck_assert_int_eq(st.st_size, 0);
}
END_TEST

START_TEST(owned_attributes)
{
	static const struct { uint32_t mode; mode_t dir, memory, signal; } rows[] = {
		{ 0666, 0755, 0666, 0666 }, { 0000, 0500, 0000, 0600 }, { 0246, 0755, 0246, 0666 },
	};
	struct stat st;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct object_attr attr = { .mode = rows[i].mode | OBJECT_OWNED };

		inode_fill(inode_of(OBJECT, KIND_DIR), &attr, &st);
		ck_assert_uint_eq(st.st_mode, S_IFDIR | rows[i].dir);
		inode_fill(inode_of(OBJECT, KIND_FILE), &attr, &st);
		ck_assert_uint_eq(st.st_mode, S_IFREG | rows[i].memory);
		inode_fill(inode_of(OBJECT, KIND_CONTROL), &attr, &st);
		ck_assert_uint_eq(st.st_mode, S_IFREG | 0200);
		inode_fill(inode_of(OBJECT, KIND_SIGNAL), &attr, &st);
		ck_assert_uint_eq(st.st_mode, S_IFREG | rows[i].signal);
	}
}
END_TEST

START_TEST(lookups_are_remembered)
{
	struct names *names;

	ck_assert_int_eq(names_new(&names), 0);
	names_saw(names, 10, DIR_ROOT, "a", OBJECT);
	names_saw(names, 10, DIR_UNNAMED, "a", OBJECT + 1);
	names_saw(names, 11, DIR_ROOT, "b", OBJECT);
	ck_assert_uint_eq(names_object(names, 10, DIR_ROOT, "a"), OBJECT);
	ck_assert_uint_eq(names_object(names, 10, DIR_UNNAMED, "a"), OBJECT + 1);
	ck_assert_uint_eq(names_object(names, 12, DIR_ROOT, "a"), 0);
	names_saw(names, 10, DIR_ROOT, "a", OBJECT + 2);
	ck_assert_uint_eq(names_object(names, 10, DIR_ROOT, "a"), OBJECT + 2);
	for (int i = 0; i < NAMES_LOOKUPS_MAX; i++)
		names_saw(names, 1000 + i, DIR_ROOT, "c", OBJECT);
	ck_assert_uint_eq(names_object(names, 10, DIR_ROOT, "a"), 0);
	names_free(names);
}
END_TEST

START_TEST(opens_are_counted)
{
	struct handle *reader;
	struct handle *writer;
	struct handle *dir;
	struct opens *opens;

	ck_assert_int_eq(opens_new(&opens), 0);
	reader = handle_new(opens, HANDLE_FILE, inode_of(OBJECT, KIND_FILE), 10);
	writer = handle_new(opens, HANDLE_FILE, inode_of(OBJECT, KIND_FILE), 10);
	dir = handle_new(opens, HANDLE_DIR, inode_of(OBJECT, KIND_DIR), 11);
	reader->obj = writer->obj = dir->obj = OBJECT;
	reader->mode = PAGE_SHARED;
	writer->mode = PAGE_EXCLUSIVE;
	ck_assert(!opens_has(opens, OBJECT));
	ck_assert_int_eq(opens_add(opens, reader), 0);
	ck_assert(!opens_written(opens, OBJECT));
	ck_assert_int_eq(opens_add(opens, writer), 0);
	ck_assert(opens_written(opens, OBJECT));
	ck_assert_int_eq(opens_add(opens, dir), 0);
	ck_assert(opens_only(opens, inode_of(OBJECT, KIND_DIR), 11) == dir);
	ck_assert(!opens_only(opens, inode_of(OBJECT, KIND_DIR), 10));
	ck_assert(!opens_only(opens, inode_of(OBJECT, KIND_FILE), 10));
	ck_assert(!opens_remove(opens, writer));
	ck_assert(!opens_written(opens, OBJECT));
	ck_assert(!opens_remove(opens, dir));
	ck_assert(opens_has(opens, OBJECT));
	ck_assert(opens_remove(opens, reader));
	ck_assert(!opens_has(opens, OBJECT));
	handle_free(reader);
	opens_free(opens);
}
END_TEST

START_TEST(ends_are_found)
{
	struct handle *first;
	struct handle *second;
	struct opens *opens;

	ck_assert_int_eq(opens_new(&opens), 0);
	first = handle_new(opens, HANDLE_SIGNAL, inode_of(OBJECT, KIND_SIGNAL), 10);
	second = handle_new(opens, HANDLE_SIGNAL, inode_of(OBJECT, KIND_SIGNAL), 10);
	first->obj = second->obj = OBJECT;
	first->end = 7;
	second->end = 9;
	ck_assert(!opens_end(opens, 7));
	ck_assert_int_eq(opens_add(opens, first), 0);
	ck_assert_int_eq(opens_add(opens, second), 0);
	ck_assert(opens_end(opens, 7) == first);
	ck_assert(opens_end(opens, 9) == second);
	ck_assert(!opens_remove(opens, first));
	ck_assert(!opens_end(opens, 7));
	ck_assert(opens_end(opens, 9) == second);
	opens_free(opens);
}
END_TEST

START_TEST(texts_grow)
{
	struct handle *handle;
	struct opens *opens;

	ck_assert_int_eq(opens_new(&opens), 0);
	handle = handle_new(opens, HANDLE_SIGNAL, inode_of(OBJECT, KIND_SIGNAL), 10);
	ck_assert_int_eq(handle_add_text(handle, "ow", 2), 0);
	ck_assert_int_eq(handle_add_text(handle, "ner\n", 4), 0);
	ck_assert_str_eq(handle->text, "owner\n");
	ck_assert_uint_eq(handle->text_bytes, 6);
	ck_assert_int_eq(handle_set_text(handle, "own", 3), 0);
	ck_assert_str_eq(handle->text, "own");
	ck_assert_uint_eq(handle->text_bytes, 3);
	opens_free(opens);
}
END_TEST

START_TEST(page_sizes)
{
	why[0] = '\0';
	ck_assert_int_eq(mounts_check_pages(4096, why, sizeof(why)), 0);
	ck_assert_str_eq(why, "");
	ck_assert_int_eq(mounts_check_pages(65536, why, sizeof(why)), -1);
	ck_assert(strstr(why, "65536") && !strchr(why, '\n'));
}
END_TEST

/* The kernel takes no other error; a program whose answer it refuses cannot even be killed. */
START_TEST(errors_of_the_core)
{
	static const struct { int32_t said; int32_t answered; } rows[] = {
		{ 0, 0 }, { -ENOENT, -ENOENT }, { -ERRNO_MAX, -ERRNO_MAX }, { -ERRNO_MAX - 1, -EIO }, { -512, -EIO },
		{ -999, -EIO }, { -1000, -EIO }, { 1, -EIO }, { ENOENT, -EIO }, { INT32_MIN, -EIO },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_int_eq(reply_error(rows[i].said), rows[i].answered);
}
END_TEST

/* A socket that refuses a long answer, with EMSGSIZE, stands for the kernel. */
static void answer(uint64_t unique, int fds[2])
{
	static char bytes[1 << 20];
	struct fuse_out_header header = { .len = sizeof(header) + sizeof(bytes), .unique = unique };
	struct iovec parts[] = {
		{ .iov_base = &header, .iov_len = sizeof(header) },
		{ .iov_base = bytes, .iov_len = sizeof(bytes) },
	};
	int room = 4096;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
	ck_assert_int_eq(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
	errno = 0;
	ck_assert_int_eq(reply_write(fds[0], parts, 2, NULL), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
}

START_TEST(refused_answers)
{
	struct fuse_out_header got = { .len = 0 };
	int fds[2];

	answer(7, fds);
	ck_assert_int_eq(read(fds[1], &got, sizeof(got)), sizeof(got));
	ck_assert_uint_eq(got.len, sizeof(got));
	ck_assert_uint_eq(got.unique, 7);
	ck_assert_int_eq(got.error, -EIO);
	ck_assert_int_eq(read(fds[1], &got, sizeof(got)), -1);
	close(fds[0]);
	close(fds[1]);

	answer(0, fds); /* a notification, for which nobody waits */
	ck_assert_int_eq(read(fds[1], &got, sizeof(got)), -1);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(programs_that_run)
{
	ck_assert_int_eq(program_state(getpid()), PROGRAM_RUNS);
	ck_assert_int_eq(program_state(getppid()), PROGRAM_RUNS);
	ck_assert(!program_must_end(getpid(), UINT64_MAX, SECOND_NS));
}
END_TEST

START_TEST(programs_that_die)
{
	siginfo_t info;
	pid_t child = fork();

	ck_assert_int_ge(child, 0);
	if (!child)
		_exit(0);
	ck_assert_int_eq(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	ck_assert_int_eq(program_state(child), PROGRAM_DIES);
	ck_assert(program_must_end(child, 0, SECOND_NS));
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	ck_assert_int_eq(program_state(child), PROGRAM_DIES);
	ck_assert(program_must_end(child, 0, SECOND_NS));
}
END_TEST

/* The kernel says 0 for a program of another PID name space. It must neither end at once nor wait for ever. */
START_TEST(programs_unseen)
{
	ck_assert_int_eq(program_state(0), PROGRAM_UNSEEN);
	ck_assert(!program_must_end(0, 0, SECOND_NS));
	ck_assert(!program_must_end(0, SECOND_NS - 1, SECOND_NS));
	ck_assert(program_must_end(0, SECOND_NS, SECOND_NS));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fuse");
	TCase *cases = tcase_create("fuse");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(cases, plain_mount);
	tcase_add_test(cases, all_options);
	tcase_add_test(cases, what_mount_adds);
	tcase_add_test(cases, escaped_comma);
	tcase_add_test(cases, sizes);
	tcase_add_test(cases, refused);
	tcase_add_test(cases, too_long);
	tcase_add_test(cases, inode_numbers);
	tcase_add_test(cases, inode_attributes);
	tcase_add_test(cases, owned_attributes);
	tcase_add_test(cases, lookups_are_remembered);
	tcase_add_test(cases, opens_are_counted);
	tcase_add_test(cases, ends_are_found);
	tcase_add_test(cases, texts_grow);
	tcase_add_test(cases, page_sizes);
	tcase_add_test(cases, errors_of_the_core);
	tcase_add_test(cases, refused_answers);
	tcase_add_test(cases, programs_that_run);
	tcase_add_test(cases, programs_that_die);
	tcase_add_test(cases, programs_unseen);
	suite_add_tcase(suite, cases);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
