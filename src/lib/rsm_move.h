/*
 * rsm_move.h: puts other memory under ranges of the program's addresses while its threads go on, so that no store is
 * lost.
 *
 *	rsm_move_begin()   from now on, threads that store into the ranges wait; loads see what is there
 *	                   the caller copies that, and must not store into the ranges itself
 *	rsm_move_put()     for each range, puts a mapping made elsewhere there
 *	rsm_move_end()     the threads go on, and store into what is there now
 *
 * Begin to end is one thread's work; no signal's handler runs in that thread meanwhile. One move at a time, others
 * wait. A thread that has SIGSEGV blocked cannot wait, and a system call that stores into a range fails with EFAULT
 * meanwhile.
 */
#ifndef NETMEM_LIB_RSM_MOVE_H
#define NETMEM_LIB_RSM_MOVE_H

#include <stddef.h>
#include <sys/types.h>

#define RSM_MOVE_RANGES_MAX 2

/* Whole pages. */
struct rsm_range {
	char *address;
	size_t length;
};

/*
 * Whether a range is of a kind that can be moved: wholly mapped, readable, writable, not executable, private or System
 * V shared memory, and not the stack of the process or of the caller. 0, -EFAULT if not, or why that is not known.
 */
int rsm_move_check(struct rsm_range range);

/* Whether a range is wholly a shared mapping of that file. 0, -EFAULT if not, or why that is not known. */
int rsm_move_check_file(struct rsm_range range, dev_t device, ino_t inode);

/* Copied; at most RSM_MOVE_RANGES_MAX. On failure, a negative errno, all is as before and there is nothing to end. */
int rsm_move_begin(const struct rsm_range *ranges, size_t count);

/*
 * Takes the mapping that begins at `from` and is as long as the range. On failure, a negative errno, it is still there.
 */
int rsm_move_put(void *from, struct rsm_range range);

/* A range under which nothing was put is as before. */
void rsm_move_end(void);

#endif
