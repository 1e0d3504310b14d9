/*
 * signal CASE MOUNT MOUNT MOUNT: signals between programs on several nodes: who gets how many, waiting for them, and
 * polling for them together with other files.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"

#define NAME "board"
#define IN (POLLIN | POLLRDNORM)
#define OUT (POLLOUT | POLLWRNORM)
#define CUT (POLLHUP | POLLERR)

enum { MOUNTS = 3, ALL = 100 };

static int open_file(const char *mount, const char *file, int flags)
{
	char path[TEST_PATH_BYTES];
	int fd;

	object_path(path, mount, NAME, file);
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		test_broken("open %s", path);
	return fd;
}

static int end_open(const char *mount, int flags)
{
	return open_file(mount, "signal", flags);
}

static int write_error(int fd, const char *text)
{
	ssize_t written = write(fd, text, strlen(text));

	return written < 0 ? errno : written == (ssize_t)strlen(text) ? 0 : EMSGSIZE;
}

static void expect_error(int expected, int got, const char *what)
{
	if (got != expected)
		test_fail("%s gave %s, expected %s", what, strerrorname_np(got), strerrorname_np(expected));
}

static void post(int end, const char *text)
{
	expect_error(0, write_error(end, text), text);
}

/* What was posted before has come to this mount: its home's answer comes behind it. */
static void fence(const char *mount)
{
	char path[TEST_PATH_BYTES];
	struct stat st;

	object_path(path, mount, NAME, "memory");
	if (stat(path, &st) != 0)
		test_broken("stat %s", path);
}

static size_t take(int end, size_t most)
{
	char bytes[ALL];
	ssize_t got = read(end, bytes, most);

	if (got < 0 && errno != EAGAIN)
		test_fail("read: %s", strerror(errno));
	for (ssize_t i = 0; i < got; i++)
		if (bytes[i] != '\n')
			test_fail("a signal reads as %d", bytes[i]);
	return got < 0 ? 0 : (size_t)got;
}

static void expect_taken(size_t expected, int end, const char *what)
{
	size_t got = take(end, ALL);

	if (got != expected)
		test_fail("%s: %zu signals, expected %zu", what, got, expected);
}

/* The ends of the mounts have so many pending. */
static void expect_all(const char **mounts, const int *ends, const size_t *counts, const char *what)
{
	for (unsigned m = 0; m < MOUNTS; m++) {
		fence(mounts[m]);
		expect_taken(counts[m], ends[m], what);
	}
}

#define EXPECT(a, b, c, what) expect_all(mounts, ends, (const size_t[]){a, b, c}, what)

static void ends_open(const char **mounts, int *ends)
{
	object_create(mounts[0], NAME, TEST_PAGE_BYTES);
	for (unsigned m = 0; m < MOUNTS; m++)
		ends[m] = end_open(mounts[m], O_RDWR | O_NONBLOCK);
}

static void ends_close(const char **mounts, const int *ends)
{
	for (unsigned m = 0; m < MOUNTS; m++)
		close(ends[m]);
	object_destroy(mounts[0], NAME);
}

/* --- who gets how many ---------------------------------------------------------------------------------------------- */

static void case_counts(const char **mounts)
{
	int ends[MOUNTS], writer, reader;

	ends_open(mounts, ends);
	writer = end_open(mounts[1], O_WRONLY);
	EXPECT(0, 0, 0, "nothing posted");
	post(writer, "\n");
	EXPECT(1, 1, 1, "one posted");
	post(ends[0], "all\n");
	EXPECT(0, 1, 1, "posted by the first");
	for (int i = 0; i < 5; i++)
		post(writer, " \n");
	fence(mounts[2]);
	if (take(ends[2], 2) != 2 || take(ends[2], ALL) != 3)
		test_fail("five signals were not two and three");
	EXPECT(5, 5, 0, "five posted");
	for (int i = 0; i < 3; i++)
		post(writer, "all once\n");
	EXPECT(1, 1, 1, "three posted once");
	post(writer, "\n");
	post(writer, "all once\n");
	post(writer, "\n");
	EXPECT(2, 2, 2, "once between two");
	reader = end_open(mounts[2], O_RDONLY | O_NONBLOCK);
	post(writer, "\n");
	EXPECT(1, 1, 1, "one posted");
	expect_taken(1, reader, "an end that only reads");
	post(ends[2], "\n");
	EXPECT(1, 1, 0, "one posted");
	expect_taken(1, reader, "another end on the writer's node");
	close(reader);
	close(writer);
	ends_close(mounts, ends);
}

static void case_owner(const char **mounts)
{
	int ends[MOUNTS], writer;

	ends_open(mounts, ends);
	writer = end_open(mounts[2], O_WRONLY);
	post(writer, "owner\n");
	EXPECT(0, 0, 0, "to the owner, without one");
	post(writer, "users\n");
	EXPECT(1, 1, 1, "to the users, without an owner");
	post(ends[1], "own\n");
	for (unsigned m = 0; m < MOUNTS; m++)
		expect_error(EBUSY, write_error(ends[m], "own\n"), "own of what is owned");
	post(writer, "owner\n");
	EXPECT(0, 1, 0, "to the owner");
	post(ends[0], "owner once\n");
	post(ends[2], "owner once\n");
	EXPECT(0, 1, 0, "to the owner, once");
	post(ends[1], "users\n");
	EXPECT(1, 0, 1, "to the users, by the owner");
	post(writer, "users once\n");
	post(ends[0], "users once\n");
	EXPECT(1, 0, 1, "to the users, once");
	post(ends[0], "users\n");
	EXPECT(0, 0, 1, "to the users, by one");
	post(ends[2], "\n");
	EXPECT(1, 1, 0, "to all");
	close(writer);
	for (unsigned m = 0; m < MOUNTS; m++)
		close(ends[m]); /* and the object is gone with its owner */
}

/* Two pages without what follows them, and a place from which `before` bytes lie in the first. */
static char *across(size_t before)
{
	char *pages = mmap(NULL, 2 * TEST_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		test_broken("mmap");
	return pages + TEST_PAGE_BYTES - before;
}

/* Texts that are refused, that come in parts, or whose end comes late. */
static void case_texts(const char **mounts)
{
	static const char *const refused[] = {
		"nonsense\n", "own once\n", "owner twice\n", "all once more\n", "owner users\n", "once\n", "owners\n",
		"ownerxyonce\n", "Owner\n",
		"owner                                                                         \n",
	};
	static const char line[] = "owner once\n";
	int ends[MOUNTS], writer, control;
	char *text;

	ends_open(mounts, ends);
	post(ends[1], "own\n");
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		expect_error(EINVAL, write_error(ends[0], refused[i]), refused[i]);
	EXPECT(0, 0, 0, "refused texts");
	for (size_t before = 1; before < strlen(line); before++) {
		text = strcpy(across(before), line);
		post(ends[0], text);
		post(ends[2], text);
		EXPECT(0, 1, 0, "a text across two pages");
	}
	writer = end_open(mounts[2], O_WRONLY);
	post(writer, "owner");
	EXPECT(0, 0, 0, "a text without its newline");
	close(writer);
	EXPECT(0, 1, 0, "a text whose file was closed");
	if (lseek(ends[0], 0, SEEK_SET) >= 0 || errno != ESPIPE)
		test_fail("a signal file has a position");

	control = open_file(mounts[1], "control", O_WRONLY);
	text = strcpy(across(3), "revert on");
	for (unsigned i = 0; i < 2 * TEST_PAGE_BYTES / strlen(text); i++)
		expect_error(0, write_error(control, text), "a control text across two pages");
	close(control);
	for (unsigned m = 0; m < MOUNTS; m++)
		close(ends[m]);
}

/* --- waiting ---------------------------------------------------------------------------------------------------------- */

static bool is_asleep(pid_t pid)
{
	char path[64], text[512], state = '?';
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (file == NULL || fgets(text, sizeof(text), file) == NULL || strrchr(text, ')') == NULL)
		test_broken("%s", path);
	fclose(file);
	sscanf(strrchr(text, ')'), ") %c", &state);
	if (state == 'Z')
		test_fail("a program that should wait has ended");
	return state == 'S';
}

/* The program sleeps, and not only for a moment. */
static void wait_asleep(pid_t pid)
{
	for (int times = 0; times < 20; times++) {
		usleep(1000);
		if (!is_asleep(pid))
			times = 0;
	}
}

static void expect_exit(pid_t pid, const char *what)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		test_fail("%s ended with %#x", what, status);
}

static void reads_one(unsigned number, void *context)
{
	(void)number;
	if (take(*(int *)context, 1) != 1)
		test_fail("read() did not wait");
}

static void caught(int number)
{
	(void)number;
}

/* Interrupted by a signal that restarts other calls; then it waits again. */
static void is_interrupted(unsigned number, void *context)
{
	struct sigaction action = {.sa_handler = caught, .sa_flags = SA_RESTART};
	int end = *(int *)context;
	char byte;

	(void)number;
	sigaction(SIGUSR1, &action, NULL);
	if (read(end, &byte, 1) >= 0 || errno != EINTR)
		test_fail("read() was not interrupted");
	if (read(end, &byte, 1) != 1)
		test_fail("read() after it was interrupted: %s", strerror(errno));
}

static void is_cut(unsigned number, void *context)
{
	char byte;

	(void)number;
	if (read(*(int *)context, &byte, 1) >= 0 || errno != EIO)
		test_fail("read() did not end when the object was revoked");
}

static void object_revoke(const char *mount)
{
	int control = open_file(mount, "control", O_WRONLY);

	expect_error(0, write_error(control, "revoke\n"), "revoke");
	close(control);
}

static void case_waits(const char **mounts)
{
	int end, writer;
	pid_t pids[MOUNTS];

	object_create(mounts[0], NAME, TEST_PAGE_BYTES);
	end = end_open(mounts[1], O_RDWR);
	writer = end_open(mounts[2], O_RDWR | O_NONBLOCK);

	pids[0] = child_start(0, reads_one, &end);
	wait_asleep(pids[0]);
	post(end, "\n"); /* the same open file: who waits in it is not in the way, and gets nothing */
	fence(mounts[2]);
	expect_taken(1, writer, "posted through an end that is being read");
	wait_asleep(pids[0]);
	post(writer, "\n");
	expect_exit(pids[0], "a reader");

	for (unsigned i = 0; i < MOUNTS; i++)
		pids[i] = child_start(i, reads_one, &end);
	for (unsigned i = 0; i < MOUNTS; i++)
		wait_asleep(pids[i]);
	for (unsigned i = 0; i < MOUNTS; i++)
		post(writer, "\n");
	for (unsigned i = 0; i < MOUNTS; i++)
		expect_exit(pids[i], "one of three readers");

	pids[0] = child_start(0, is_interrupted, &end);
	wait_asleep(pids[0]);
	kill(pids[0], SIGUSR1);
	wait_asleep(pids[0]);
	post(writer, "\n");
	expect_exit(pids[0], "an interrupted reader");

	pids[0] = child_start(0, reads_one, &end);
	wait_asleep(pids[0]);
	kill(pids[0], SIGKILL);
	waitpid(pids[0], NULL, 0);
	post(writer, "\n");
	if (read(end, across(1), ALL) != 1) /* does not wait for the rest */
		test_fail("a read across two pages: %s", strerror(errno));

	pids[0] = child_start(0, is_cut, &end);
	wait_asleep(pids[0]);
	object_revoke(mounts[0]);
	expect_exit(pids[0], "a reader of what is revoked");
	close(end);
	close(writer);
}

/* --- polling ---------------------------------------------------------------------------------------------------------- */

/* When its parent sleeps, writes a line to an end or a pipe. */
struct waker {
	int fd;
	pid_t sleeper;
};

static void wakes(unsigned number, void *context)
{
	const struct waker *waker = context;

	(void)number;
	wait_asleep(waker->sleeper);
	post(waker->fd, "\n");
}

static pid_t start_waker(int fd)
{
	struct waker waker = {.fd = fd, .sleeper = getpid()};

	return child_start(0, wakes, &waker);
}

static short polled(int fd, short events)
{
	struct pollfd poll_fd = {.fd = fd, .events = events};

	if (poll(&poll_fd, 1, 0) < 0)
		test_broken("poll");
	return poll_fd.revents;
}

static void expect_polled(int expected, int fd, const char *what)
{
	int got = polled(fd, IN | OUT);

	if (got != expected)
		test_fail("%s: poll() gave %#x, expected %#x", what, (unsigned)got, (unsigned)expected);
}

/* Sleeps in poll() until the file `woken` of these can be read, and no other. */
static void expect_woken(int waker_fd, const int *fds, unsigned count, unsigned woken, const char *what)
{
	struct pollfd poll_fds[MOUNTS + 1];
	pid_t waker = start_waker(waker_fd);

	for (unsigned i = 0; i < count; i++)
		poll_fds[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
	if (poll(poll_fds, count, -1) != 1 || poll_fds[woken].revents != POLLIN)
		test_fail("%s: poll() saw the wrong file", what);
	expect_exit(waker, "a writer");
}

static void case_polls(const char **mounts)
{
	int ends[MOUNTS], fds[MOUNTS + 1], pipe_fds[2], memory;
	pid_t waker;
	fd_set set;

	ends_open(mounts, ends);
	memory = open_file(mounts[1], "memory", O_RDWR);
	if (pipe(pipe_fds) != 0)
		test_broken("pipe");
	for (unsigned m = 0; m < MOUNTS; m++) {
		expect_polled(OUT, ends[m], "nothing pending");
		fds[m] = ends[m];
	}
	fds[MOUNTS] = pipe_fds[0];
	expect_polled(IN | OUT, memory, "memory");

	for (unsigned m = 0; m < MOUNTS; m++) {
		/* From another node, past the third. */
		int writer = end_open(mounts[(m + 1) % MOUNTS], O_WRONLY);
		const int two[2] = {ends[m], pipe_fds[0]};

		expect_woken(writer, two, 2, 0, "a signal");
		expect_polled(IN | OUT, ends[m], "one pending");
		expect_taken(1, ends[m], "after poll()");
		expect_polled(OUT, ends[m], "none pending any more");
		for (unsigned i = 0; i < MOUNTS; i++) {
			fence(mounts[i]);
			take(ends[i], ALL);
		}
		expect_woken(pipe_fds[1], fds, MOUNTS + 1, MOUNTS, "a pipe");
		if (read(pipe_fds[0], &(char){0}, 1) != 1)
			test_broken("pipe");
		waker = start_waker(writer);
		FD_ZERO(&set);
		FD_SET(ends[m], &set);
		if (select(ends[m] + 1, &set, NULL, NULL, NULL) != 1)
			test_fail("select() did not see a signal");
		expect_exit(waker, "a writer");
		for (unsigned i = 0; i < MOUNTS; i++) {
			fence(mounts[i]);
			take(ends[i], ALL);
		}
		close(writer);
	}

	post(ends[0], "\n");
	fence(mounts[1]);
	object_revoke(mounts[2]);
	for (unsigned m = 0; m < MOUNTS; m++) {
		struct pollfd poll_fd = {.fd = ends[m]};

		if (poll(&poll_fd, 1, -1) != 1 || poll_fd.revents != CUT)
			test_fail("poll() gave %#x when the object was revoked", (unsigned)poll_fd.revents);
	}
	expect_polled(OUT | CUT, ends[0], "cut, nothing pending");
	expect_polled(IN | OUT | CUT, ends[1], "cut, one pending");
	expect_taken(1, ends[1], "what came before the cut");
	for (unsigned m = 0; m < 2; m++) {
		if (read(ends[m], &(char){0}, 1) >= 0 || errno != EIO)
			test_fail("read() from a cut end");
		expect_error(EIO, write_error(ends[m], "\n"), "write() to a cut end");
	}
	for (unsigned m = 0; m < MOUNTS; m++)
		close(ends[m]);
}

/* The one event of one file, or none. */
static void expect_epoll(int epoll, int timeout_ms, int expected, const char *what)
{
	struct epoll_event event;
	int got = epoll_wait(epoll, &event, 1, timeout_ms);

	if (got != expected || (got == 1 && event.events != EPOLLIN))
		test_fail("%s: epoll_wait() gave %d", what, got);
}

static void expect_epoll_woken(int epoll, int writer, const char *what)
{
	pid_t waker = start_waker(writer);

	expect_epoll(epoll, -1, 1, what);
	expect_exit(waker, "a writer");
}

static void polls_one(unsigned number, void *context)
{
	struct pollfd poll_fd = {.fd = *(int *)context, .events = POLLIN};

	(void)number;
	if (poll(&poll_fd, 1, -1) != 1 || poll_fd.revents != POLLIN)
		test_fail("poll() gave %#x", (unsigned)poll_fd.revents);
}

static void case_epoll(const char **mounts)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int ends[MOUNTS];
	pid_t pids[2];

	ends_open(mounts, ends);
	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, ends[1], &event) != 0)
		test_fail("epoll does not take a signal file");
	expect_epoll(epoll, 0, 0, "nothing pending");
	expect_epoll_woken(epoll, ends[2], "the first edge");
	expect_epoll(epoll, 0, 0, "no further edge");
	expect_epoll_woken(epoll, ends[0], "an edge while one is pending");
	expect_taken(2, ends[1], "after two edges");
	expect_epoll_woken(epoll, ends[0], "an edge after reading");
	expect_taken(1, ends[1], "after the third edge");

	event.events = EPOLLIN;
	epoll_ctl(epoll, EPOLL_CTL_MOD, ends[1], &event);
	expect_epoll(epoll, 0, 0, "nothing pending");
	expect_epoll_woken(epoll, ends[2], "a level");
	expect_epoll(epoll, 0, 1, "the level stays");
	expect_taken(1, ends[1], "at the level");
	expect_epoll(epoll, 0, 0, "the level has gone");
	expect_epoll_woken(epoll, ends[2], "the level again");
	take(ends[1], ALL);
	close(epoll);

	for (unsigned i = 0; i < 2; i++)
		pids[i] = child_start(i, polls_one, &ends[1]);
	for (unsigned i = 0; i < 2; i++)
		wait_asleep(pids[i]);
	post(ends[0], "\n");
	for (unsigned i = 0; i < 2; i++)
		expect_exit(pids[i], "one of two that poll one open file");
	ends_close(mounts, ends);
}

/* Programs that wait, in each way on each mount, until they are killed. */
static void case_hold(const char **mounts)
{
	int ends[MOUNTS];
	pid_t pids[2 * MOUNTS];

	object_create(mounts[0], NAME, TEST_PAGE_BYTES);
	for (unsigned m = 0; m < MOUNTS; m++) {
		ends[m] = end_open(mounts[m], O_RDWR);
		pids[2 * m] = child_start(m, reads_one, &ends[m]);
		pids[2 * m + 1] = child_start(m, polls_one, &ends[m]);
	}
	for (unsigned i = 0; i < 2 * MOUNTS; i++)
		wait_asleep(pids[i]);
	puts("held");
	fflush(stdout);
	for (;;)
		pause();
}

static const struct {
	const char *name;
	void (*run)(const char **mounts);
} cases[] = {
	{"counts", case_counts}, {"owner", case_owner}, {"texts", case_texts}, {"waits", case_waits},
	{"polls", case_polls},   {"epoll", case_epoll}, {"hold", case_hold},
};

int main(int count, char **arguments)
{
	for (size_t i = 0; count == 2 + MOUNTS && i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(cases[i].name, arguments[1]) == 0) {
			cases[i].run((const char **)&arguments[2]);
			return 0;
		}
	}
	fprintf(stderr, "usage: signal CASE MOUNT MOUNT MOUNT\n");
	return 2;
}
