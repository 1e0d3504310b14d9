/*
 * rsm_move.h: puts other memory under addresses of the program while its threads go on, so that no store is lost.
 *
 *	rsm_move_begin()   from now on, threads that store into the pieces wait; loads see what is there
 *	                   the caller copies that, and must not store into the pieces itself
 *	rsm_move_put()     for each piece, puts a mapping made elsewhere there
 *	rsm_move_end()     the threads go on, and store into what is there now
 *
 * Begin to end is one thread's work; no signal's handler runs in that thread meanwhile. One move at a time, others
 * wait. A thread that has SIGSEGV blocked cannot wait, and a system call that stores into a piece fails with EFAULT
 * meanwhile.
 */
#ifndef NETMEM_LIB_RSM_MOVE_H
#define NETMEM_LIB_RSM_MOVE_H

#include "lib/rsm_maps.h"

/* From now on SIGSEGV comes to the library first; so it is from the first move on. */
void rsm_move_watch(void);

/* Borrowed until the end. On failure, a negative errno, all is as before and there is nothing to end. */
int rsm_move_begin(const struct rsm_piece *pieces, size_t count);

/* Takes piece->instead. On failure, a negative errno, all is as before. */
int rsm_move_put(struct rsm_piece *piece);

/* The program may do again what piece->protection says, whether something was put there or not. */
void rsm_move_end(void);

#endif
