/*
 * owner CASE MOUNT MOUNT MOUNT: objects whose life is tied to a program: how they end, what is fixed meanwhile, and
 * their access lists.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"

#define NAME "board"

enum { MOUNTS = 3, PAGES = 16, VALUE = 4711, USER = 1000, OTHER = 2000, SECONDS_TO_GO = 60 };

static void path_of(char path[TEST_PATH_BYTES], const char *mount, const char *file)
{
	object_path(path, mount, NAME, file);
}

/* A descriptor or a negative errno. */
static int try_open(const char *mount, const char *file, int flags)
{
	char path[TEST_PATH_BYTES];
	int fd;

	path_of(path, mount, file);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_file(const char *mount, const char *file, int flags)
{
	int fd = try_open(mount, file, flags);

	if (fd < 0) {
		errno = -fd;
		test_broken("open %s of %s", file, mount);
	}
	return fd;
}

static void expect(int expected, int got, const char *what, const char *mount)
{
	if (got != expected)
		test_fail("%s on %s gave %s, expected %s", what, mount, strerrorname_np(got), strerrorname_np(expected));
}

static void expect_open(int expected, const char *mount, const char *file, int flags)
{
	int fd = try_open(mount, file, flags);
	char what[64];

	snprintf(what, sizeof(what), "open of %s with %d", file, flags);
	expect(expected, fd < 0 ? -fd : 0, what, mount);
	if (fd >= 0)
		close(fd);
}

static int result_of(int result)
{
	return result < 0 ? errno : 0;
}

static int told(const char *mount, const char *file, const char *text)
{
	int fd = open_file(mount, file, O_WRONLY);
	int error = result_of((int)write(fd, text, strlen(text)));

	close(fd);
	return error;
}

static int own(const char *mount)
{
	int end = open_file(mount, "signal", O_RDWR | O_NONBLOCK);

	expect(0, result_of((int)write(end, "own\n", 4)), "own", mount);
	return end;
}

static short polled(int fd, int timeout_ms)
{
	struct pollfd poll_fd = {.fd = fd};

	if (poll(&poll_fd, 1, timeout_ms) < 0)
		test_broken("poll");
	return poll_fd.revents;
}

/* The mount has heard all that the object's home said before. */
static void expect_there(const char *mount, int end)
{
	char path[TEST_PATH_BYTES];
	struct stat st;

	path_of(path, mount, "memory");
	expect(0, result_of(stat(path, &st)), "stat", mount);
	if (polled(end, 0) != 0)
		test_fail("the object was cut off on %s", mount);
}

/* --- its end ------------------------------------------------------------------------------------------------------- */

/* What a program has of the object on one mount. */
struct view {
	const char *mount;
	int end;
	int fd;
	volatile uint64_t *words;
};

static void view_open(struct view *view, const char *mount)
{
	view->mount = mount;
	view->end = open_file(mount, "signal", O_RDWR | O_NONBLOCK);
	view->fd = object_open(mount, NAME, O_RDWR);
	view->words = object_map(view->fd, (size_t)PAGES * TEST_PAGE_BYTES, true);
}

static void view_close(struct view *view)
{
	munmap((void *)view->words, (size_t)PAGES * TEST_PAGE_BYTES);
	close(view->fd);
	close(view->end);
}

static bool load_fails(const struct view *view)
{
	uint64_t value;

	return !guard_copy(&value, view->words, sizeof(value));
}

static bool read_fails(const struct view *view)
{
	uint64_t value;

	return pread(view->fd, &value, sizeof(value), 0) < 0 && errno == EIO;
}

static bool name_is_gone(const struct view *view)
{
	char path[TEST_PATH_BYTES];
	struct stat st;

	path_of(path, view->mount, NULL);
	return stat(path, &st) != 0 && errno == ENOENT;
}

static void eventually(bool (*is_so)(const struct view *), const struct view *view, const char *what)
{
	double end = test_seconds() + SECONDS_TO_GO;

	while (!is_so(view)) {
		if (test_seconds() > end)
			test_fail("never on %s: %s", view->mount, what);
		usleep(1000);
	}
}

static void expect_end(struct view *views)
{
	for (unsigned m = 0; m < MOUNTS; m++) {
		short events = polled(views[m].end, -1);

		if (events != (POLLHUP | POLLERR))
			test_fail("poll() on %s gave %#x", views[m].mount, (unsigned)events);
		expect(EIO, result_of((int)write(views[m].end, "\n", 1)), "a signal", views[m].mount);
		eventually(load_fails, &views[m], "a load fails");
		eventually(read_fails, &views[m], "a read fails");
		eventually(name_is_gone, &views[m], "the name is gone");
		view_close(&views[m]);
	}
}

enum way { WAY_CLOSE, WAY_EXIT, WAY_KILL, WAYS };

struct program {
	const char *mount;
	enum way way;
	int said[2];
	int go[2];
};

static void pipe_byte(int fd, bool writes)
{
	char byte = 0;

	if ((writes ? write(fd, &byte, 1) : read(fd, &byte, 1)) != 1)
		test_broken("pipe");
}

static void owns(unsigned number, void *context)
{
	const struct program *program = context;
	struct view view;

	(void)number;
	view_open(&view, program->mount);
	expect(0, result_of((int)write(view.end, "own\n", 4)), "own", program->mount);
	view.words[0] = VALUE;
	pipe_byte(program->said[1], true);
	pipe_byte(program->go[0], false);
	if (program->way == WAY_EXIT)
		return;
	if (program->way == WAY_KILL)
		raise(SIGKILL);
	close(view.end);
	eventually(load_fails, &view, "a load of the former owner fails");
}

static void case_life(const char **mounts)
{
	for (unsigned n = 0; n < MOUNTS * WAYS; n++) {
		struct program program = {.mount = mounts[n % MOUNTS], .way = (enum way)(n / MOUNTS)};
		struct view views[MOUNTS];
		int status;
		pid_t pid;

		if (pipe(program.said) != 0 || pipe(program.go) != 0)
			test_broken("pipe");
		object_create(mounts[0], NAME, (uint64_t)PAGES * TEST_PAGE_BYTES);
		pid = child_start(n, owns, &program);
		pipe_byte(program.said[0], false);
		for (unsigned m = 0; m < MOUNTS; m++) {
			view_open(&views[m], mounts[m]);
			if (views[m].words[0] != VALUE)
				test_fail("a load gave %llu", (unsigned long long)views[m].words[0]);
			expect_there(mounts[m], views[m].end);
		}
		pipe_byte(program.go[1], true);
		expect_end(views);
		if (waitpid(pid, &status, 0) != pid || (program.way != WAY_KILL && status != 0))
			test_fail("the owner ended with %#x", status);
		close(program.said[0]), close(program.said[1]), close(program.go[0]), close(program.go[1]);
	}
}

/* The last of several descriptors counts. An object need not have a name to be owned. */
static void case_descriptors(const char **mounts)
{
	char unnamed[TEST_PATH_BYTES], named[TEST_PATH_BYTES], path[TEST_PATH_BYTES + 16];
	struct view views[MOUNTS];
	int end, copy;
	pid_t pid;

	snprintf(unnamed, sizeof(unnamed), "%s/.netmem/unnamed/test-%d", mounts[1], (int)getpid());
	path_of(named, mounts[1], NULL);
	if (mkdir(unnamed, 0777) != 0)
		test_broken("mkdir %s", unnamed);
	snprintf(path, sizeof(path), "%s/memory", unnamed);
	if (truncate(path, (off_t)PAGES * TEST_PAGE_BYTES) != 0)
		test_broken("truncate");
	snprintf(path, sizeof(path), "%s/signal", unnamed);
	end = open(path, O_RDWR | O_CLOEXEC);
	if (end < 0 || write(end, "own\n", 4) != 4)
		test_fail("an unnamed object cannot be owned");
	if (rename(unnamed, named) != 0)
		test_fail("an owned object cannot be given a name: %s", strerror(errno));
	for (unsigned m = 0; m < MOUNTS; m++)
		view_open(&views[m], mounts[m]);
	copy = dup(end);
	close(end);
	pid = fork();
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	for (unsigned m = 0; m < MOUNTS; m++)
		expect_there(mounts[m], views[m].end);
	close(copy);
	expect_end(views);
}

/* --- what is fixed -------------------------------------------------------------------------------------------------- */

static void case_size(const char **mounts)
{
	const off_t size = (off_t)PAGES * TEST_PAGE_BYTES;
	char path[TEST_PATH_BYTES];
	struct stat st;
	int end;

	object_create(mounts[0], NAME, (uint64_t)size);
	end = own(mounts[1]);
	for (unsigned m = 0; m < MOUNTS; m++) {
		int fd = open_file(mounts[m], "memory", O_RDWR);

		path_of(path, mounts[m], "memory");
		expect(EPERM, result_of(truncate(path, 0)), "truncate()", mounts[m]);
		expect(EPERM, result_of(ftruncate(fd, size + TEST_PAGE_BYTES)), "ftruncate()", mounts[m]);
		expect(EPERM, result_of((int)pwrite(fd, "x", 1, size)), "a growing write", mounts[m]);
		expect(0, result_of((int)pwrite(fd, "x", 1, size - 1)), "the last byte", mounts[m]);
		expect_open(EPERM, mounts[m], "memory", O_RDWR | O_TRUNC);
		if (fstat(fd, &st) != 0 || st.st_size != size)
			test_fail("the size is %jd", (intmax_t)st.st_size);
		close(fd);
	}
	close(end);
}

static void case_control(const char **mounts)
{
	static const char *const verbs[] = {"revert on", "clear", "access all", "destroy", "revoke"};
	char path[TEST_PATH_BYTES];
	struct stat st;
	int end;

	object_create(mounts[0], NAME, TEST_PAGE_BYTES);
	end = own(mounts[1]);
	for (unsigned m = 0; m < MOUNTS; m++) {
		if (m == 1)
			continue;
		for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
			expect(EPERM, told(mounts[m], "control", verbs[i]), verbs[i], mounts[m]);
		path_of(path, mounts[m], NULL);
		expect(EPERM, result_of(chmod(path, 0777)), "chmod()", mounts[m]);
		expect(EPERM, result_of(chown(path, USER, USER)), "chown()", mounts[m]);
		expect_there(mounts[m], end);
	}
	path_of(path, mounts[1], NULL);
	path_of(path, mounts[1], "memory");
	expect(0, result_of(chmod(path, 0604)), "chmod()", mounts[1]);
	for (unsigned m = 0; m < MOUNTS; m++) {
		path_of(path, mounts[m], "memory");
		if (stat(path, &st) != 0 || (st.st_mode & 07777) != 0604)
			test_fail("the mode on %s is %o", mounts[m], (unsigned)st.st_mode);
	}
	for (size_t i = 0; i < 3; i++)
		expect(0, told(mounts[1], "control", verbs[i]), verbs[i], mounts[1]);
	expect(0, told(mounts[1], "control", "destroy"), "destroy", mounts[1]);
	if (polled(end, 0) != 0)
		test_fail("destroy by the owner cut it off");
	close(end);
}

/* --- access lists ----------------------------------------------------------------------------------------------------- */

static unsigned node_number(const char *mount)
{
	char path[TEST_PATH_BYTES + 32], line[256];
	unsigned number = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/.netmem/status", mount);
	file = fopen(path, "re");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "number: %u", &number) == 1)
			break;
	if (file == NULL || number == 0)
		test_broken("%s has no number", path);
	fclose(file);
	return number;
}

static void allow(const char *mount, const char *format, unsigned node)
{
	char text[64];

	snprintf(text, sizeof(text), format, node);
	expect(0, told(mount, "control", text), text, mount);
}

static mode_t memory_mode(const char *mount)
{
	char path[TEST_PATH_BYTES];
	struct stat st;

	path_of(path, mount, "memory");
	if (stat(path, &st) != 0)
		test_broken("stat %s", path);
	return st.st_mode & 07777;
}

/* On this mount opens give this: of memory, of signal, of what only shows. */
static void expect_access(const char *mount, int read_only, int writable, int signals, int shows)
{
	expect_open(read_only, mount, "memory", O_RDONLY);
	expect_open(writable, mount, "memory", O_WRONLY);
	expect_open(writable, mount, "memory", O_RDWR);
	expect_open(signals, mount, "signal", O_RDWR);
	expect_open(shows, mount, "status", O_RDONLY);
	expect_open(shows, mount, NULL, O_RDONLY | O_DIRECTORY);
}

static void case_access(const char **mounts)
{
	unsigned second = node_number(mounts[1]);
	struct view view;
	int end;

	object_create(mounts[0], NAME, (uint64_t)PAGES * TEST_PAGE_BYTES);
	expect(EPERM, told(mounts[0], "control", "access all"), "access of what is not owned", mounts[0]);
	end = own(mounts[0]);
	for (unsigned m = 0; m < MOUNTS; m++)
		expect_access(mounts[m], 0, 0, 0, 0);

	allow(mounts[0], "access %u=600", second);
	expect_access(mounts[0], EPERM, EPERM, 0, 0);
	expect_access(mounts[1], 0, 0, 0, 0);
	expect_access(mounts[2], EPERM, EPERM, EPERM, EPERM);
	if (memory_mode(mounts[1]) != 0600 || memory_mode(mounts[2]) != 0644)
		test_fail("the modes are %o and %o", (unsigned)memory_mode(mounts[1]), (unsigned)memory_mode(mounts[2]));

	/* What is open stays open, and lets nobody else in. */
	view_open(&view, mounts[1]);
	view.words[0] = VALUE;
	allow(mounts[0], "access %u=444\n", second);
	expect_access(mounts[1], 0, EACCES, 0, 0);
	view.words[8] = VALUE;
	if (pwrite(view.fd, "x", 1, TEST_PAGE_BYTES) != 1)
		test_fail("what was open cannot be written: %s", strerror(errno));
	allow(mounts[0], "access %u=222", second);
	expect_access(mounts[1], EACCES, 0, 0, 0);
	allow(mounts[0], "access %u=0", second);
	expect_access(mounts[1], EACCES, EACCES, EACCES, 0);
	allow(mounts[0], "access %u=666", second + 1000);
	expect_access(mounts[1], EPERM, EPERM, EPERM, 0);
	if (view.words[0] != VALUE || pwrite(view.fd, "y", 1, 0) != 1)
		test_fail("what was open does not go on");
	view_close(&view);
	expect_access(mounts[1], EPERM, EPERM, EPERM, EPERM);
	allow(mounts[0], "access %u=0", second);
	expect_access(mounts[1], EACCES, EACCES, EACCES, EACCES);

	expect(0, told(mounts[0], "control", "access all"), "access all", mounts[0]);
	for (unsigned m = 0; m < MOUNTS; m++)
		expect_access(mounts[m], 0, 0, 0, 0);
	close(end);
}

/* As many entries as there can be nodes; one more; and what is no list. */
static void case_lists(const char **mounts)
{
	static const char *const refused[] = {
		"access", "access 2", "access 2=", "access =600", "access 2=999", "access x=600", "access 2=600x",
		"access 2=667", "access 2=1666", "access -2=600", "access 2=600 2=400", "access all 2=600",
		"access 2=600 all", "access 2=600,3=600", "access 2 =600", "access 70000=600", "accessall",
	};
	char list[1100] = "access";
	int end;

	object_create(mounts[0], NAME, TEST_PAGE_BYTES);
	end = own(mounts[0]);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		expect(EINVAL, told(mounts[0], "control", refused[i]), refused[i], mounts[0]);
	for (unsigned node = 1; node <= 64; node++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list), " %u=644", node + 50000);
	expect(0, told(mounts[0], "control", list), "a list of 64 nodes", mounts[0]);
	strcat(list, " 2=600");
	expect(EINVAL, told(mounts[0], "control", list), "a list of 65 nodes", mounts[0]);
	strcpy(list, "access 2=600");
	memset(list + strlen(list), ' ', 1023 - strlen(list));
	list[1023] = '\0';
	expect(0, told(mounts[0], "control", list), "1023 bytes", mounts[0]);
	strcat(list, " ");
	expect(EINVAL, told(mounts[0], "control", list), "1024 bytes", mounts[0]);
	close(end);
}

/* --- ordinary users --------------------------------------------------------------------------------------------------- */

static void become(uid_t uid)
{
	if (setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0)
		test_broken("setresuid");
}

static void other_user(unsigned number, void *context)
{
	const char **mounts = context;
	char path[TEST_PATH_BYTES];

	(void)number;
	become(OTHER);
	expect(EPERM, told(mounts[0], "signal", "own\n"), "own of what is another's", mounts[0]);
	expect(0, told(mounts[0], "signal", "\n"), "a signal", mounts[0]);
	expect_open(EACCES, mounts[1], "memory", O_RDONLY);
	expect_open(EACCES, mounts[1], "control", O_WRONLY);
	expect_open(0, mounts[2], "memory", O_RDONLY);
	expect_open(EACCES, mounts[2], "memory", O_RDWR);
	expect_open(EACCES, mounts[0], "control", O_WRONLY);
	path_of(path, mounts[0], "memory");
	expect(EACCES, result_of(unlink(path)), "unlink()", mounts[0]);
}

static void user(unsigned number, void *context)
{
	const char **mounts = context;
	unsigned second = node_number(mounts[1]), third = node_number(mounts[2]);
	char text[64];
	int end;

	(void)number;
	become(USER);
	object_create(mounts[0], NAME, TEST_PAGE_BYTES);
	end = own(mounts[0]);
	snprintf(text, sizeof(text), "access %u=600 %u=604", second, third);
	expect(0, told(mounts[0], "control", text), text, mounts[0]);
	for (unsigned m = 1; m < MOUNTS; m++)
		expect_open(0, mounts[m], "memory", O_RDWR);
	pause();
	close(end);
}

static void case_users(const char **mounts)
{
	char path[TEST_PATH_BYTES];
	pid_t owner, other;
	struct stat st;
	int status;

	owner = child_start(0, user, mounts);
	path_of(path, mounts[2], "memory");
	while (stat(path, &st) != 0 || (st.st_mode & 07777) != 0604) {
		if (waitpid(owner, &status, WNOHANG) != 0)
			test_fail("a user's program ended with %#x", status);
		usleep(1000);
	}
	other = child_start(1, other_user, mounts);
	if (waitpid(other, &status, 0) != other || status != 0)
		test_fail("another user's program ended with %#x", status);
	kill(owner, SIGKILL);
	waitpid(owner, NULL, 0);
}

static const struct {
	const char *name;
	void (*run)(const char **mounts);
} cases[] = {
	{"life", case_life},       {"descriptors", case_descriptors}, {"size", case_size},   {"control", case_control},
	{"access", case_access},   {"lists", case_lists},             {"users", case_users},
};

int main(int count, char **arguments)
{
	umask(0);
	guard_init();
	for (size_t i = 0; count == 2 + MOUNTS && i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(cases[i].name, arguments[1]) == 0) {
			cases[i].run((const char **)&arguments[2]);
			return 0;
		}
	}
	fprintf(stderr, "usage: owner CASE MOUNT MOUNT MOUNT\n");
	return 2;
}
