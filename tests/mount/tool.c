/*
 * tool COMMAND ...: small acts that the shell cannot do, for the runner. What came of an access is one word on stdout
 * (a number, "ok", "SIGBUS" or an errno's name) and the milliseconds that it took; the caller judges.
 *
 *	load PATH OFFSET            read PATH OFFSET             8 bytes, mapped or by pread
 *	store PATH OFFSET VALUE     write PATH OFFSET VALUE
 *	hold PATH PAGES VALUE       stores to each page, says "held", and stays; VALUE "-": loads through O_RDONLY
 *	rename OLD NEW              by rename(2), without a second thought
 *	fill PATH PAGES store|write until it fails or is done; "done", "SIGBUS" or an errno's name, and how many pages
 *	storm PATH PATH PAGES N     N accesses, by turns on two mounts, under a storm of SIGALRM
 *	own OBJECT                  becomes its owner, says "held", and stays
 *	cut OBJECT                  says "held", waits until the object is cut off, and then until a load fails
 *	signal OBJECT               sends a signal; status 1 if it cannot
 *	garbage HOST PORT KIND      connects, sends, waits: "closed" or "open" after 20 s
 *	now                         milliseconds
 *	limit SECONDS PROGRAM ...   runs it; nothing that it started outlives it
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"

static uint64_t milliseconds(void)
{
	return (uint64_t)(test_seconds() * 1000);
}

static const char *error_name(int error)
{
	const char *name = strerrorname_np(error);

	return name == NULL ? "error" : name;
}

static int said(const char *word, double start)
{
	printf("%s %.0f\n", word, (test_seconds() - start) * 1000);
	return 0;
}

static int said_number(uint64_t number, double start)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	return said(text, start);
}

/* One mapped page of PATH, so that a large object costs no more than a small one. NULL and errno if it cannot be. */
static volatile char *map_page(const char *path, uint64_t offset, bool writable)
{
	int fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	char *memory;

	if (fd < 0)
		return NULL;
	memory = mmap(NULL, TEST_PAGE_BYTES, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, fd,
	              (off_t)(offset / TEST_PAGE_BYTES * TEST_PAGE_BYTES));
	close(fd);
	return memory == MAP_FAILED ? NULL : memory + offset % TEST_PAGE_BYTES;
}

static int tool_load(char **arguments)
{
	double start = test_seconds();
	volatile char *place = map_page(arguments[0], test_number(arguments[1]), false);
	uint64_t value = 0;

	if (place == NULL)
		return said(error_name(errno), start);
	if (!guard_copy(&value, place, sizeof(value)))
		return said("SIGBUS", start);
	return said_number(value, start);
}

static int tool_store(char **arguments)
{
	double start = test_seconds();
	uint64_t value = test_number(arguments[2]);
	volatile char *place = map_page(arguments[0], test_number(arguments[1]), true);

	if (place == NULL)
		return said(error_name(errno), start);
	return said(guard_copy((char *)place, &value, sizeof(value)) ? "ok" : "SIGBUS", start);
}

static int tool_read(char **arguments)
{
	double start = test_seconds();
	int fd = open(arguments[0], O_RDONLY | O_CLOEXEC);
	uint64_t value = 0;

	if (fd < 0 || pread(fd, &value, sizeof(value), (off_t)test_number(arguments[1])) < 0)
		return said(error_name(errno), start);
	return said_number(value, start);
}

static int tool_write(char **arguments)
{
	double start = test_seconds();
	uint64_t value = test_number(arguments[2]);
	int fd = open(arguments[0], O_RDWR | O_CLOEXEC);

	if (fd < 0 || pwrite(fd, &value, sizeof(value), (off_t)test_number(arguments[1])) < 0)
		return said(error_name(errno), start);
	return said(fsync(fd) == 0 ? "ok" : error_name(errno), start);
}

static int tool_rename(char **arguments)
{
	double start = test_seconds();

	return said(rename(arguments[0], arguments[1]) == 0 ? "ok" : error_name(errno), start);
}

static int tool_hold(char **arguments)
{
	bool writable = strcmp(arguments[2], "-") != 0;
	uint64_t value = writable ? test_number(arguments[2]) : 0;
	unsigned pages = (unsigned)test_number(arguments[1]);
	int fd = open(arguments[0], writable ? O_RDWR : O_RDONLY);
	char *memory;

	if (fd < 0)
		test_broken("open %s", arguments[0]);
	memory = object_map(fd, (size_t)pages * TEST_PAGE_BYTES, writable);
	if (madvise(memory, (size_t)pages * TEST_PAGE_BYTES, MADV_RANDOM)) /* these, and not what is around them */
		test_broken("madvise");
	for (unsigned p = 0; p < pages; p++) {
		volatile uint64_t *word = (volatile uint64_t *)(memory + (size_t)p * TEST_PAGE_BYTES);

		if (writable)
			*word = value;
		else
			(void)*word;
	}
	puts("held");
	fflush(stdout);
	for (;;)
		pause();
}

static int tool_fill(char **arguments)
{
	unsigned pages = (unsigned)test_number(arguments[1]);
	bool mapped = strcmp(arguments[2], "store") == 0;
	int fd = open(arguments[0], O_RDWR);
	static char page[TEST_PAGE_BYTES];
	char *memory;

	if (fd < 0)
		test_broken("open %s", arguments[0]);
	memset(page, 0x5a, sizeof(page));
	memory = mapped ? object_map(fd, (size_t)pages * TEST_PAGE_BYTES, true) : NULL;
	for (unsigned p = 0; p < pages; p++) {
		size_t offset = (size_t)p * TEST_PAGE_BYTES;

		if (mapped ? guard_copy(memory + offset, page, sizeof(page)) :
		             pwrite(fd, page, sizeof(page), (off_t)offset) == (ssize_t)sizeof(page))
			continue;
		printf("%s %u\n", mapped ? "SIGBUS" : error_name(errno), p);
		return 0;
	}
	printf("done %u\n", pages);
	return 0;
}

static volatile sig_atomic_t alarms;

static void alarm_handler(int number)
{
	(void)number;
	alarms++;
}

/* 0 or what failed. Handles on two mounts, so nearly each access is a fault that is waited for. */
static int tool_storm(char **arguments)
{
	unsigned pages = (unsigned)test_number(arguments[2]);
	uint64_t count = test_number(arguments[3]);
	struct itimerval interval = {{0, 100}, {0, 100}};
	struct sigaction action;
	char *memory[2];
	int fd[2];

	for (unsigned i = 0; i < 2; i++) {
		fd[i] = open(arguments[i], O_RDWR);
		if (fd[i] < 0)
			test_broken("open %s", arguments[i]);
		memory[i] = object_map(fd[i], (size_t)pages * TEST_PAGE_BYTES, true);
	}
	memset(&action, 0, sizeof(action));
	action.sa_handler = alarm_handler;
	action.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &interval, NULL);
	for (uint64_t n = 0; n < count; n++) {
		size_t offset = n / 2 % pages * TEST_PAGE_BYTES;
		uint64_t value = n;
		uint64_t seen = 0;

		if (!guard_copy(memory[n % 2] + offset, &value, 8))
			test_fail("store %llu was SIGBUS", (unsigned long long)n);
		if (pread(fd[1 - n % 2], &seen, 8, (off_t)offset) != 8)
			test_fail("pread %llu: %s", (unsigned long long)n, strerror(errno));
		if (seen != n)
			test_fail("pread %llu gave %llu", (unsigned long long)n, (unsigned long long)seen);
		if (pwrite(fd[1 - n % 2], &value, 8, (off_t)offset + 8) != 8)
			test_fail("pwrite %llu: %s", (unsigned long long)n, strerror(errno));
	}
	memset(&interval, 0, sizeof(interval));
	setitimer(ITIMER_REAL, &interval, NULL);
	printf("%d alarms\n", (int)alarms);
	return 0;
}

static int open_in(const char *object, const char *file)
{
	char path[TEST_PATH_BYTES];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", object, file);
	fd = open(path, O_RDWR);
	if (fd < 0)
		test_broken("open %s", path);
	return fd;
}

static int tool_own(char **arguments)
{
	if (write(open_in(arguments[0], "signal"), "own\n", 4) != 4)
		test_fail("own: %s", strerror(errno));
	puts("held");
	fflush(stdout);
	for (;;)
		pause();
}

static int tool_cut(char **arguments)
{
	struct pollfd end = {.fd = open_in(arguments[0], "signal")};
	char *memory = object_map(open_in(arguments[0], "memory"), TEST_PAGE_BYTES, true);
	uint64_t value = 1;

	if (!guard_copy(memory, &value, sizeof(value)))
		test_fail("a store was SIGBUS");
	puts("held");
	fflush(stdout);
	if (poll(&end, 1, -1) != 1 || end.revents != (POLLHUP | POLLERR))
		test_fail("poll() gave %#x", (unsigned)end.revents);
	while (guard_copy(&value, memory, sizeof(value)))
		usleep(1000);
	return 0;
}

static int tool_signal(char **arguments)
{
	return write(open_in(arguments[0], "signal"), "\n", 1) != 1;
}

/* The first fields of a frame, as netmemfs-protocol(7) gives them. */
enum { WIRE_VERSION = 2, FRAME_BYTES = 144, AT_VERSION = 4, AT_TYPE = 6, AT_LENGTH = 8 };
enum { TYPE_HELLO = 1, TYPE_PING = 4, TYPE_UNKNOWN = 200 };

static void frame_fill(unsigned char frame[FRAME_BYTES], uint16_t version, unsigned char type, uint32_t length)
{
	memset(frame, 0, FRAME_BYTES);
	memcpy(frame, "NMEM", 4);
	version = htole16(version);
	memcpy(frame + AT_VERSION, &version, sizeof(version));
	frame[AT_TYPE] = type;
	length = htole32(length);
	memcpy(frame + AT_LENGTH, &length, sizeof(length));
}

static void garbage_send(int peer, const char *kind)
{
	unsigned char frame[FRAME_BYTES];
	static unsigned char noise[1 << 20];
	struct random random;

	if (strcmp(kind, "random") == 0) {
		random_init(&random, milliseconds());
		for (size_t i = 0; i < sizeof(noise); i++)
			noise[i] = (unsigned char)random_next(&random);
		for (unsigned i = 0; i < 16; i++)
			if (send(peer, noise, sizeof(noise), MSG_NOSIGNAL) < 0)
				return;
		return;
	}
	if (strcmp(kind, "silent") == 0)
		return;
	if (strcmp(kind, "length") == 0)
		frame_fill(frame, WIRE_VERSION, TYPE_HELLO, UINT32_MAX);
	else if (strcmp(kind, "version") == 0)
		frame_fill(frame, 9999, TYPE_HELLO, FRAME_BYTES);
	else if (strcmp(kind, "type") == 0)
		frame_fill(frame, WIRE_VERSION, TYPE_UNKNOWN, FRAME_BYTES);
	else if (strcmp(kind, "early") == 0)
		frame_fill(frame, WIRE_VERSION, TYPE_PING, FRAME_BYTES);
	else if (strcmp(kind, "half") == 0)
		frame_fill(frame, WIRE_VERSION, TYPE_HELLO, FRAME_BYTES + 64);
	else
		test_fail("unknown garbage %s", kind);
	if (send(peer, frame, strcmp(kind, "half") == 0 ? FRAME_BYTES / 2 : FRAME_BYTES, MSG_NOSIGNAL) < 0)
		return;
}

static int tool_garbage(char **arguments)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	int peer = socket(AF_INET, SOCK_STREAM, 0);
	double start = test_seconds();
	struct pollfd ready = {.fd = peer, .events = POLLIN};
	char answer[4096];

	address.sin_port = htons((uint16_t)test_number(arguments[1]));
	if (inet_pton(AF_INET, arguments[0], &address.sin_addr) != 1)
		test_broken("%s", arguments[0]);
	if (connect(peer, (struct sockaddr *)&address, sizeof(address)) != 0)
		test_broken("connect to %s:%s", arguments[0], arguments[1]);
	garbage_send(peer, arguments[2]);
	while (test_seconds() - start < 20) {
		if (poll(&ready, 1, 1000) > 0 && recv(peer, answer, sizeof(answer), 0) <= 0)
			return said("closed", start);
	}
	return said("open", start);
}

static int tool_now(char **arguments)
{
	(void)arguments;
	printf("%llu\n", (unsigned long long)milliseconds());
	return 0;
}

/* A process whose parent is this one; 0: none. Its name goes to `name`. */
static pid_t descendant(char name[64])
{
	struct dirent *entry;
	pid_t found = 0;
	DIR *proc = opendir("/proc");

	while (proc != NULL && found == 0 && (entry = readdir(proc)) != NULL) {
		char path[300], text[512];
		FILE *file;
		int parent;

		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		file = fopen(path, "re");
		if (file == NULL)
			continue;
		if (fgets(text, sizeof(text), file) != NULL && strrchr(text, ')') != NULL &&
		    sscanf(strrchr(text, ')'), ") %*c %d", &parent) == 1 && parent == getpid()) {
			found = atoi(entry->d_name);
			*strrchr(text, ')') = '\0';
			snprintf(name, 64, "%.60s", strchr(text, '(') + 1);
		}
		fclose(file);
	}
	if (proc != NULL)
		closedir(proc);
	return found;
}

static volatile sig_atomic_t expired;

static void limit_handler(int number)
{
	(void)number;
	expired = 1;
}

/* Where a process hangs, for whoever reads the log. */
static void say_hanging(pid_t process, const char *name)
{
	char path[64], place[64] = "?";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/wchan", (int)process);
	file = fopen(path, "re");
	if (file != NULL) {
		if (fgets(place, sizeof(place), file) == NULL)
			place[0] = '\0';
		fclose(file);
	}
	fprintf(stderr, "left behind: %d (%s) in %s\n", (int)process, name, place);
}

/* Waits up to `seconds` for all orphans to end, then kills them one by one. How many had to be killed. */
static unsigned reap_orphans(double seconds)
{
	double end = test_seconds() + seconds;
	double give_up = end + 10;
	unsigned killed = 0;
	char name[64];

	for (;;) {
		pid_t orphan;

		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		orphan = descendant(name);
		if (orphan == 0 || test_seconds() > give_up)
			return killed;
		if (test_seconds() > end) {
			say_hanging(orphan, name);
			kill(orphan, SIGKILL);
			killed++;
		}
		usleep(20000);
	}
}

static int tool_limit(char **arguments)
{
	unsigned seconds = (unsigned)test_number(arguments[0]);
	struct sigaction action;
	int status = 0;
	pid_t child;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	memset(&action, 0, sizeof(action));
	action.sa_handler = limit_handler;
	sigaction(SIGALRM, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	child = fork();
	if (child < 0)
		test_broken("fork");
	if (child == 0) {
		setpgid(0, 0);
		execvp(arguments[1], arguments + 1);
		test_broken("%s", arguments[1]);
	}
	alarm(seconds);
	for (;;) {
		pid_t ended = waitpid(-1, &status, 0);

		if (ended == child)
			break;
		if (expired) {
			fprintf(stderr, "stopped after %u s\n", seconds);
			reap_orphans(0);
			return 124;
		}
	}
	alarm(0);
	if (reap_orphans(3) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static const struct {
	const char *name;
	int arguments;
	int (*run)(char **arguments);
} commands[] = {
	{"load", 2, tool_load},
	{"read", 2, tool_read},
	{"store", 3, tool_store},
	{"write", 3, tool_write},
	{"rename", 2, tool_rename},
	{"hold", 3, tool_hold},
	{"fill", 3, tool_fill},
	{"storm", 4, tool_storm},
	{"own", 1, tool_own},
	{"cut", 1, tool_cut},
	{"signal", 1, tool_signal},
	{"garbage", 3, tool_garbage},
	{"now", 0, tool_now},
	{"limit", 2, tool_limit},
};

int main(int count, char **arguments)
{
	guard_init();
	for (size_t i = 0; count > 1 && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, arguments[1]) == 0 && count - 2 >= commands[i].arguments)
			return commands[i].run(arguments + 2);
	fprintf(stderr, "tool: unknown command, or too few arguments\n");
	return 2;
}
