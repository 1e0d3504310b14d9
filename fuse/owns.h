/*
 * owns.h: the daemon's own way to the files of objects, MOUNT/.netmem/.self/FILE. Only the notifier's threads may use
 * it, because the loop has to answer what they ask (K14).
 *
 * Nothing changes in the kernel but sizes that own_tell() and own_grow() say: all other answers to these threads are made
 * such that the kernel ignores the attributes in them.
 */
#ifndef NETMEM_FUSE_OWNS_H
#define NETMEM_FUSE_OWNS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "fuse/fuse.h"

/* Threads that may come this way; one more is a CHECK. */
#define OWNS_THREADS_MAX 256

struct own;
struct owns;

/* 0 or a negative errno. */
int owns_new(struct owns **owns);

/* Closes what is open. No thread uses it any more. */
void owns_free(struct owns *owns);

/* The mount is there, at this absolute path. Handles can be read where the kernel allows it. */
void owns_start(struct owns *owns, struct fuse_session *session, const char *path);

/* --- in any thread; none of these blocks */

/* What the kernel has at present. 0 or a negative errno. */
int own_look(const struct own *own, struct stat *st);

/* For reading, or -1 if that is not possible. */
int own_fd(const struct own *own);

/* --- in a notifier's thread */

/* The calling thread is one of the notifier's from now on. */
void owns_enter(struct owns *owns);

/* Borrows the file's handle, and opens it if need be; NULL, with errno, if the kernel does not know the file. */
struct own *own_get(struct owns *owns, uint64_t obj);
void own_put(struct own *own);

/* Whether there is a handle of the file, and closing it as soon as nobody has borrowed it. */
bool owns_has(struct owns *owns, uint64_t obj);
void owns_close(struct owns *owns, uint64_t obj);

/* Lets the kernel ask, and tells it the size `to`, if it still has `from` then and that is not taken back. It may ignore it. */
void own_tell(const struct own *own, off_t from, off_t to, const atomic_bool *taken_back);

/* Takes the inode's lock and lets go of it: what the kernel was told by answers to SETATTR is in the inode then. */
void own_wait_for_lock(const struct own *own);

/*
 * Makes the kernel's size at least `size_bytes`, without a request, without the inode's lock, and without touching any
 * byte of the file. The size is there at once, but the call waits for the lock of the last page.
 */
void own_grow(const struct own *own, uint64_t size_bytes);

/* --- in the loop's thread */

/* Whether this thread is one of the notifier's. */
bool owns_is(const struct owns *owns, pid_t thread);

/* Answers it: a lookup in .self, a getattr and a setattr of a file. */
void owns_answer_lookup(struct owns *owns, fuse_req_t req, const char *name);
void owns_answer_getattr(struct owns *owns, fuse_req_t req, fuse_ino_t ino);
void owns_answer_setattr(fuse_req_t req);

#endif
