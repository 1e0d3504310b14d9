/*
 * reply.h: the last step of each answer to the kernel. If the kernel refused an answer, its program would wait for ever,
 * even when it is killed. So it gets another one.
 */
#ifndef NETMEM_FUSE_REPLY_H
#define NETMEM_FUSE_REPLY_H

#include <stdint.h>
#include <sys/uio.h>

#include "fuse/fuse.h"

/* What the core says, as an error that the kernel takes: 0 or a negative errno of Linux. Anything else is -EIO. */
int32_t reply_error(int32_t error);

/* From now on all that libfuse writes for this session goes through reply_write(). 0 or a negative errno. */
int reply_install(struct fuse_session *session);

/*
 * Writes an answer. One that the kernel refuses, though a program waits for it, is written again as EIO. Returns what
 * writev() said of the first.
 */
ssize_t reply_write(int fd, struct iovec *parts, int count, void *userdata);

#endif
