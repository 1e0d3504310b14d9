/*
 * signature.h: which signatures this process has given to the names that it checked in. One thread at a time.
 *
 * A signature is the file behind a descriptor, PORT_NULL is none. Objects that are not in the table have none: those of
 * other processes, of mkdir, and those checked in under PORT_NULL. Errors are negative errno.
 */
#ifndef NETMEM_LIB_SIGNATURE_H
#define NETMEM_LIB_SIGNATURE_H

#include <stdbool.h>
#include <sys/types.h>

#include <servers/netname.h>

/* Names that one process holds under signatures; past it, a check-in is KERN_RESOURCE_SHORTAGE. */
#define SIGNATURES_MAX 1024

/* The file behind a signature; all 0 for PORT_NULL. */
struct signature {
	dev_t device;
	ino_t inode;
};

/* 0, or -EBADF: not a descriptor. */
int netmem_signature_read(port_t port, struct signature *signature);

/* Whether it is that of PORT_NULL. */
bool netmem_signature_is_null(const struct signature *signature);

/* Whether the object with that inode number below `mount` is held under `signature`. */
bool netmem_signature_holds(int mount, ino_t object, const struct signature *signature);

/* From now on the object is held under `signature`; `name` is copied. 0 or -ENOMEM: table full, nothing changed. */
int netmem_signature_set(int mount, ino_t object, const char *name, const struct signature *signature);

/* The object is held under none any more. */
void netmem_signature_clear(int mount, ino_t object);

#endif
