/*
 * object.h: finds an object again below a mount. A port may come from the mount of another node on this machine, and an
 * object may have been renamed since; its inode number is the same on all nodes, and is never used twice. Any thread;
 * errors are negative errno.
 */
#ifndef NETMEM_LIB_OBJECT_H
#define NETMEM_LIB_OBJECT_H

#include <sys/types.h>

/* ".netmem/unnamed/", a name of 255 bytes and the NUL. */
#define OBJECT_PATH_BYTES 288

/*
 * Where the object behind `port` is now, relative to `mount`: "NAME" or ".netmem/unnamed/NAME", and its inode number.
 * -ENOENT: it is not there (destroyed, of another cluster, no object at all); -ENOTDIR: not even a directory; -EBADF.
 */
int netmem_object_locate(int mount, int port, char path[OBJECT_PATH_BYTES], ino_t *inode);

/* A new descriptor of the object's directory, below `mount`. */
int netmem_object_open(int mount, int port);

/*
 * Renames the object with that inode number below `mount`, never over another. 0, -EEXIST: `to` is taken, -ENOENT: it
 * is not at `from` any more, or another errno.
 */
int netmem_object_rename(int mount, ino_t inode, const char *from, const char *to);

#endif
