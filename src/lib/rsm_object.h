/*
 * rsm_object.h: the object of the file system that carries an export segment. It belongs to this process: when the last
 * descriptor of its signal file is closed, it is revoked and its name is gone on all nodes.
 *
 * Errors are negative errno. No function may be called for one object by two threads at once.
 */
#ifndef NETMEM_LIB_RSM_OBJECT_H
#define NETMEM_LIB_RSM_OBJECT_H

#include "lib/mount.h"

#include <rsmapi.h>

#include <stddef.h>
#include <sys/types.h>

/* Descriptors, what its memory is to the kernel, and where it is: a path from the mount's root. */
struct rsm_object {
	int dir;
	int control;
	int memory;
	int signal;
	dev_t device;
	ino_t inode;
	char path[MOUNT_UNNAMED_BYTES];
};

/* A name of a published segment, with the NUL. */
#define RSM_OBJECT_NAME_BYTES 32

/* Where importers find the segment. */
void rsm_object_name(rsm_node_id_t node, rsm_memseg_id_t id, char name[RSM_OBJECT_NAME_BYTES]);

/* Makes an object without a name, of `length` bytes, all zeros, that nobody but the user may open. */
int rsm_object_make(int mount, size_t length, struct rsm_object *object);

/* Gives up all descriptors, and with them the object. */
void rsm_object_close(struct rsm_object *object);

/* Cuts off all who use the object, this process too, but for what is done with its descriptors of dir and signal. */
int rsm_object_revoke(const struct rsm_object *object);

/* The permissions that the umask leaves of rw for all. */
rsm_permission_t rsm_object_default(void);

/*
 * Who may open the object from now on: who is on the list, with these permissions; with a length of 0 all nodes, with
 * the default. -EINVAL: no such list.
 */
int rsm_object_permit(const struct rsm_object *object, const rsmapi_access_entry_t *list, size_t length);

/* Gives a permitted object its name. On failure it is the user's only again. -EEXIST: the name is taken. */
int rsm_object_publish(int mount, struct rsm_object *object, const char *name);

/*
 * Reads all that can be read, up to the end of the object. A page that cannot be read leaves `to` as it is there, and
 * spoils no other. The first error.
 */
int rsm_object_read(const struct rsm_object *object, char *to, off_t offset, size_t length);

/* Writes all, or gives up at the first error. */
int rsm_object_write(const struct rsm_object *object, const char *from, off_t offset, size_t length);

#endif
