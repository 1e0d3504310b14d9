/*
 * program.h: whether a program that waits for an answer is being killed.
 */
#ifndef NETMEM_FUSE_PROGRAM_H
#define NETMEM_FUSE_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum program_state {
	PROGRAM_RUNS,
	PROGRAM_DIES,  /* or is gone */
	PROGRAM_UNSEEN /* nothing can be seen of it */
};

/* The state of one thread; 0: the kernel has no number for it here. */
enum program_state program_state(pid_t thread);

/*
 * Whether a thread that got a signal `since_ns` ago must not wait any longer. If nothing can be seen of it, it may wait
 * for `limit_ns`.
 */
bool program_must_end(pid_t thread, uint64_t since_ns, uint64_t limit_ns);

#endif
