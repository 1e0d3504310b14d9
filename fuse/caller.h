/*
 * caller.h: what the kernel does not tell of a request, but of the thread that made it.
 */
#ifndef NETMEM_FUSE_CALLER_H
#define NETMEM_FUSE_CALLER_H

#include <stdbool.h>
#include <sys/types.h>

/* How often to look at a thread that has sent its request but does not sleep yet. */
#define CALLER_LOOKS_MAX 50

/*
 * Whether the thread, whose request is not answered yet, is in open() or openat() with O_CREAT and O_EXCL. False also if
 * that cannot be found out: the daemon must be allowed to trace the thread, as root is (see ptrace(2)).
 */
bool caller_creates_anew(pid_t thread);

#endif
