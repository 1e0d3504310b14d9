/*
 * caller.c: a look at the system call of a thread that waits.
 *
 * The kernel looks a name up before it creates it. If the name is there, open(O_CREAT | O_EXCL) fails and the daemon is
 * not asked to create anything. But an object's `memory` is there from the start, and the first program that creates it
 * shall succeed. So the lookup of that program must not find it, while the lookup of any other must. The kernel does not
 * say what a lookup is for; the arguments of the thread's system call do.
 */
#include "fuse/caller.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#define RUNNING "running"

/* "NUMBER ARGUMENT ..." of a thread that sleeps, or RUNNING; false if it cannot be read. */
static bool read_call(pid_t thread, char *call, int bytes)
{
	char path[64];
	FILE *file;
	bool got;

	snprintf(path, sizeof(path), "/proc/%d/syscall", (int)thread);
	file = fopen(path, "re");
	if (!file)
		return false;
	got = fgets(call, bytes, file) != NULL;
	fclose(file);
	return got;
}

/* The flags of open() or openat(); 0 of any other call. */
static unsigned long flags_of(const char *call)
{
	unsigned long arguments[3];
	long number;

	if (sscanf(call, "%ld %lx %lx %lx", &number, &arguments[0], &arguments[1], &arguments[2]) != 4)
		return 0;
	if (number == SYS_openat)
		return arguments[2];
#ifdef SYS_open
	if (number == SYS_open)
		return arguments[1];
#endif
	return 0;
}

bool caller_creates_anew(pid_t thread)
{
	const unsigned long wanted = O_CREAT | O_EXCL;
	char call[256];

	for (int looks = 0; looks < CALLER_LOOKS_MAX && read_call(thread, call, sizeof(call)); looks++) {
		if (strncmp(call, RUNNING, strlen(RUNNING)))
			return (flags_of(call) & wanted) == wanted;
		sched_yield();
	}
	return false;
}
