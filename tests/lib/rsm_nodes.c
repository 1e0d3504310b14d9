#define _GNU_SOURCE 1
#include "rsm_nodes.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STATUS_BROKEN = 2, PEER_FD = 9, PEERS_MAX = 16 };

/* Steps travel as distances from this, because each run of the program has its own addresses. */
struct request {
	intptr_t step;
	long arguments[STEP_ARGUMENTS];
};

struct peer {
	pid_t pid; /* 0: a place for one */
	int channel;
};

static struct peer peers[PEERS_MAX];
static char cluster[PATH_MAX / 2];
static int nodes_count;

void test_broken(const char *what)
{
	fprintf(stderr, "the test cannot go on: %s: %s\n", what, strerror(errno));
	_exit(STATUS_BROKEN);
}

static void must(bool done, const char *what)
{
	if (!done)
		test_broken(what);
}

/* LOCAL_CLUSTER and its arguments, as a command of the shell. */
static int cluster_command(const char *format, ...)
{
	char words[PATH_MAX];
	char command[2 * PATH_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(words, sizeof words, format, arguments);
	va_end(arguments);
	must(snprintf(command, sizeof command, "\"$LOCAL_CLUSTER\" %s", words) < (int)sizeof command, "command");
	return system(command);
}

void nodes_start(int count, const char *options)
{
	const char *given = getenv("NETMEMFS_OPTIONS");
	const char *dir = getenv("NETMEM_TEST_DIR");
	static unsigned clusters;
	char all[256];

	errno = EINVAL;
	must(dir && getenv("LOCAL_CLUSTER"), "say tests/lib/rsm-run");
	snprintf(cluster, sizeof cluster, "%s/%ld-%u", dir, (long)getpid(), clusters++);
	snprintf(all, sizeof all, "%s%s%s", given ? given : "", given && *given && options ? "," : "", options ? options : "");
	must(setenv("NETMEMFS_OPTIONS", all, 1) == 0, "setenv");
	must(cluster_command("start %d '%s'", count, cluster) == 0, "local-cluster start");
	must((given ? setenv("NETMEMFS_OPTIONS", given, 1) : unsetenv("NETMEMFS_OPTIONS")) == 0, "setenv");
	nodes_count = count;
	nodes_use(1);
}

void nodes_stop(void)
{
	must(cluster_command("stop '%s' >/dev/null", cluster) == 0, "local-cluster stop");
	nodes_count = 0;
}

const char *nodes_path(int node, const char *format, ...)
{
	static char path[PATH_MAX];
	int length = snprintf(path, sizeof path, "%s/%d/", cluster, node);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(path + length, sizeof path - (size_t)length, format, arguments);
	va_end(arguments);
	return path;
}

static void mount_path(char path[PATH_MAX], int node)
{
	must(snprintf(path, PATH_MAX, "%s/%d", cluster, node) < PATH_MAX, "path");
}

void nodes_use(int node)
{
	char path[PATH_MAX];

	mount_path(path, node);
	must(setenv("NETMEM_MOUNT", path, 1) == 0, "setenv");
}

void nodes_do(const char *verb, int node)
{
	must(cluster_command("%s '%s' %d", verb, cluster, node) == 0, verb);
}

pid_t nodes_pid(int node)
{
	char path[PATH_MAX];
	FILE *file;
	int pid = 0;

	snprintf(path, sizeof path, "%s/.run/%d.pid", cluster, node);
	file = fopen(path, "r");
	must(file && fscanf(file, "%d", &pid) == 1, path);
	fclose(file);
	return pid;
}

uint64_t nodes_busy_ns(void)
{
	uint64_t sum = 0;

	for (int node = 1; node <= nodes_count; node++) {
		char pattern[64];
		glob_t found;

		snprintf(pattern, sizeof pattern, "/proc/%d/task/*/schedstat", (int)nodes_pid(node));
		must(glob(pattern, 0, NULL, &found) == 0, pattern);
		for (size_t i = 0; i < found.gl_pathc; i++) {
			FILE *file = fopen(found.gl_pathv[i], "r");
			unsigned long long ns = 0;

			if (file && fscanf(file, "%llu", &ns) == 1)
				sum += ns;
			if (file)
				fclose(file);
		}
		globfree(&found);
	}
	return sum;
}

const char *nodes_value(int node, const char *file, const char *key)
{
	static char line[512];
	FILE *text = fopen(nodes_path(node, "%s", file), "r");
	size_t length = strlen(key);

	while (text && fgets(line, sizeof line, text)) {
		if (strncmp(line, key, length) != 0 || line[length] != ':')
			continue;
		line[strcspn(line, "\n")] = '\0';
		fclose(text);
		return line + length + 1 + strspn(line + length + 1, " ");
	}
	if (text)
		fclose(text);
	return "";
}

/* Peers. */

static intptr_t step_distance(peer_step *step)
{
	return (intptr_t)step - (intptr_t)peer_main;
}

static peer_step *step_of(intptr_t distance)
{
	return (peer_step *)((intptr_t)peer_main + distance);
}

void peer_main(int argc, char **argv)
{
	struct request request;
	ssize_t length;

	if (argc != 2 || strcmp(argv[1], "--peer") != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		long result;

		do
			length = recv(PEER_FD, &request, sizeof request, 0);
		while (length < 0 && errno == EINTR);
		if (length != (ssize_t)sizeof request)
			exit(length == 0 ? 0 : STATUS_BROKEN);
		result = step_of(request.step)(request.arguments);
		must(send(PEER_FD, &result, sizeof result, MSG_NOSIGNAL) == (ssize_t)sizeof result, "answer");
	}
}

/* In the new process. */
static _Noreturn void peer_become(int node, int end)
{
	char path[PATH_MAX];
	char mount[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);

	must(length > 0, "/proc/self/exe");
	path[length] = '\0';
	mount_path(mount, node);
	must(setenv("NETMEM_MOUNT", mount, 1) == 0, "setenv");
	must(dup2(end, PEER_FD) == PEER_FD && fcntl(PEER_FD, F_SETFD, 0) == 0, "dup2");
	execl(path, path, "--peer", (char *)NULL);
	test_broken(path);
}

struct peer *peer_start(int node)
{
	struct peer *peer = peers;
	int ends[2];

	while (peer < peers + PEERS_MAX && peer->pid)
		peer++;
	errno = EAGAIN;
	must(peer < peers + PEERS_MAX && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
	fflush(NULL);
	peer->pid = fork();
	must(peer->pid >= 0, "fork");
	if (peer->pid == 0)
		peer_become(node, ends[1]);
	close(ends[1]);
	peer->channel = ends[0];
	return peer;
}

pid_t peer_pid(const struct peer *peer)
{
	return peer->pid;
}

void peer_send(struct peer *peer, peer_step *step, const long arguments[STEP_ARGUMENTS])
{
	struct request request = { .step = step_distance(step) };

	memcpy(request.arguments, arguments, sizeof request.arguments);
	must(send(peer->channel, &request, sizeof request, MSG_NOSIGNAL) == (ssize_t)sizeof request, "asking a peer");
}

bool peer_answered(struct peer *peer, int timeout_ms)
{
	struct pollfd end = { .fd = peer->channel, .events = POLLIN };
	int count;

	do
		count = poll(&end, 1, timeout_ms);
	while (count < 0 && errno == EINTR);
	return count == 1;
}

long peer_answer(struct peer *peer)
{
	long result;

	errno = ETIMEDOUT;
	must(peer_answered(peer, PATIENCE_MS), "a peer does not answer");
	errno = EPIPE;
	if (recv(peer->channel, &result, sizeof result, 0) != (ssize_t)sizeof result) {
		int status = peer_status(peer);

		fprintf(stderr, "a peer has ended: wait status %#x\n", (unsigned)status);
		test_broken("peer");
	}
	return result;
}

long peer_ask(struct peer *peer, peer_step *step, const long arguments[STEP_ARGUMENTS])
{
	peer_send(peer, step, arguments);
	return peer_answer(peer);
}

int peer_status(struct peer *peer)
{
	int status = 0;
	pid_t pid;

	do
		pid = waitpid(peer->pid, &status, 0);
	while (pid < 0 && errno == EINTR);
	must(pid == peer->pid, "waitpid");
	close(peer->channel);
	peer->pid = 0;
	return status;
}

void peer_kill(struct peer *peer)
{
	must(kill(peer->pid, SIGKILL) == 0, "kill");
	peer_status(peer);
}

bool peer_end(struct peer *peer)
{
	must(shutdown(peer->channel, SHUT_WR) == 0, "shutdown");
	return peer_status(peer) == 0;
}
