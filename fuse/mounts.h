/*
 * mounts.h: the mount point and the system's mount table. Nothing here touches a mount that a daemon of ours serves,
 * but in a thread of its own or with a time limit.
 */
#ifndef NETMEM_FUSE_MOUNTS_H
#define NETMEM_FUSE_MOUNTS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define MOUNTS_TYPE "fuse.netmemfs"

/* How long a mount may take to answer before it counts as one that does not. */
#define MOUNTS_ANSWER_MS 2000

/* Room for "MAJOR:MINOR". */
#define MOUNTS_DEVICE_BYTES 32

/* Whether this daemon's pages are the kernel's: 0, or -1 and one line in `why`. */
int mounts_check_pages(long page_bytes, char *why, size_t why_bytes);

/*
 * Makes `path` (PATH_MAX bytes) absolute and checks that a file system can be mounted there: a directory, and not
 * already a netmemfs. What a dead daemon left there is unmounted first, and said in the log. 0, or -1 and one line in
 * `why`.
 */
int mounts_prepare(char *path, char *why, size_t why_bytes);

/* Whether the topmost mount at this absolute path is a netmemfs; `device` may be NULL. */
bool mounts_find(const char *path, char device[MOUNTS_DEVICE_BYTES]);

/* Lets programs have as much dirty memory on the mount as elsewhere (K11), and the kernel read ahead; false if it does not. */
bool mounts_lift_limits(const char *path);

/*
 * Writes everything back, then unmounts. Whether the mount was busy: then it is out of the tree, and there until its
 * last user lets go. May block for long.
 */
bool mounts_unmount(const char *path);

/* Takes it out of the tree without waiting for anyone. 0 or a negative errno. */
int mounts_detach(const char *path);

/* Takes it away if it is a netmemfs without a daemon; nothing otherwise. */
void mounts_clear_dead(const char *path);

#endif
