#include "fuse/reply.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "fuse/log.h"
#include "msg/msg.h"

int32_t reply_error(int32_t error)
{
	return error > 0 || error < -ERRNO_MAX ? -EIO : error;
}

/* ENOENT: nobody waits for it any more. ENODEV: there is no mount any more. */
static bool is_refused(int error)
{
	return error != ENOENT && error != ENODEV;
}

ssize_t reply_write(int fd, struct iovec *parts, int count, void *userdata)
{
	const struct fuse_out_header *header = parts[0].iov_base;
	struct fuse_out_header again = { .len = sizeof(again), .error = -EIO, .unique = header->unique };
	struct iovec part = { .iov_base = &again, .iov_len = sizeof(again) };
	ssize_t written = writev(fd, parts, count);
	int error = errno;

	(void)userdata;
	/* A notification, which nobody waits for, has no number. */
	if (written >= 0 || !header->unique || !is_refused(error))
		return written;
	log_write(LOG_LEVEL_ERROR, "the kernel refuses an answer of %" PRIu32 " bytes, error %" PRId32 " (%s): it gets EIO",
	          header->len, header->error, strerror(error));
	if (writev(fd, &part, 1) < 0 && is_refused(errno))
		log_write(LOG_LEVEL_ERROR, "the kernel refuses EIO too: %s", strerror(errno));
	errno = error;
	return written;
}

static ssize_t read_request(int fd, void *buffer, size_t bytes, void *userdata)
{
	(void)userdata;
	return read(fd, buffer, bytes);
}

int reply_install(struct fuse_session *session)
{
	static const struct fuse_custom_io io = { .writev = reply_write, .read = read_request };

	return fuse_session_custom_io(session, &io, fuse_session_fd(session));
}
