/*
 * program.c: a signal to a program that waits for us arrives as FUSE_INTERRUPT, once for each request, whatever signal it
 * is. The kernel says nothing when SIGKILL follows, and lets the program wait on. Most signals must change nothing: if a
 * page fault failed because a timer went off, the program would die of SIGBUS, and few programs expect EINTR from
 * write() to a file. So a request ends early only when its thread is dying: SIGKILL is pending, which the kernel also
 * sets for every other deadly signal, or the thread is gone. /proc shows that.
 *
 * A thread of another PID name space is 0 here (as when the daemon runs in a container and the program does not), and any
 * thread may be hidden: /proc may be missing, of another name space, or show only processes of the same user. Then nothing
 * tells whether it is dying, so after a signal it may wait as long as for an unreachable node. A killed program ends by
 * then, and a program with a harmless signal sees no error earlier than it would if that node were gone.
 */
#include "fuse/program.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Whether /proc is there, and of the name space that our numbers are of. */
static bool proc_is_ours(void)
{
	char link[32];
	ssize_t length = readlink("/proc/self", link, sizeof(link) - 1);

	if (length < 0)
		return false;
	link[length] = '\0';
	return atol(link) == (long)getpid();
}

static enum program_state read_state(FILE *file)
{
	unsigned long long pending = 0;
	bool dead = false;
	char line[256];

	while (fgets(line, sizeof(line), file)) {
		unsigned long long set;

		if (!strncmp(line, "State:", 6))
			dead = strchr("ZX", line[6 + strspn(line + 6, " \t")]) != NULL;
		if (sscanf(line, "SigPnd: %llx", &set) == 1 || sscanf(line, "ShdPnd: %llx", &set) == 1)
			pending |= set;
	}
	return dead || (pending & (1ull << (SIGKILL - 1))) ? PROGRAM_DIES : PROGRAM_RUNS;
}

enum program_state program_state(pid_t thread)
{
	enum program_state state;
	char path[64];
	FILE *file;

	if (thread <= 0)
		return PROGRAM_UNSEEN;
	if (kill(thread, 0) && errno == ESRCH)
		return PROGRAM_DIES;
	if (!proc_is_ours())
		return PROGRAM_UNSEEN;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)thread);
	file = fopen(path, "re");
	if (!file)
		return PROGRAM_UNSEEN;
	state = read_state(file);
	fclose(file);
	return state;
}

bool program_must_end(pid_t thread, uint64_t since_ns, uint64_t limit_ns)
{
	switch (program_state(thread)) {
	case PROGRAM_DIES:
		return true;
	case PROGRAM_UNSEEN:
		return since_ns >= limit_ns;
	default:
		return false;
	}
}
