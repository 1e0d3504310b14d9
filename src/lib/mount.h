/*
 * mount.h: finds the netmemfs mount that a program means, and reads what the node says of itself. Any thread; nothing
 * is kept between calls. Errors are negative errno.
 */
#ifndef NETMEM_LIB_MOUNT_H
#define NETMEM_LIB_MOUNT_H

#include <stdbool.h>
#include <stddef.h>

#define MOUNT_NODE_NAME_BYTES 64

#define MOUNT_STATUS ".netmem/status"
#define MOUNT_NODES ".netmem/nodes"
#define MOUNT_VERSION ".netmem/version"
#define MOUNT_UNNAMED ".netmem/unnamed"

/* ".netmem/unnamed/" and a name of netmem_mount_unnamed(). */
#define MOUNT_UNNAMED_BYTES 160

/* What other modules use for the calls' `server` when it is the default mount; not a descriptor. */
#define MOUNT_DEFAULT (-2)

/*
 * The mount point: $NETMEM_MOUNT if set and not empty, else that of the first fuse.netmemfs in the file `table`, which
 * is in the format of /proc/self/mounts. 0, -ENOENT: none, -ENAMETOOLONG or the error of reading the table.
 */
int netmem_mount_find(const char *table, char *path, size_t path_bytes);

/*
 * A new descriptor of the root of `server`, a mount's root or MOUNT_DEFAULT. -ENOENT: no mount; -EINVAL: not a mount.
 */
int netmem_mount_open(int server);

/*
 * The same of all mounts, one after the other: number 0 is the default, and $NETMEM_MOUNT is the only one if it is set.
 * -ENOENT: there are no more, or, of $NETMEM_MOUNT, no such directory. Another errno: that one cannot be used.
 */
int netmem_mount_open_nth(unsigned index);

/* The node's name, as in `mount`'s status. */
int netmem_mount_node(int mount, char node[MOUNT_NODE_NAME_BYTES]);

/* Whether both are mounts of one cluster, as far as they say. */
bool netmem_mount_same_cluster(int mount, int other);

/* A path below `mount` for an unnamed object that no other call on any node makes: node, process, count and chance. */
int netmem_mount_unnamed(int mount, char path[MOUNT_UNNAMED_BYTES]);

#endif
