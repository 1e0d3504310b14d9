/*
 * files.c: files and attributes.
 *
 * The kernel keeps the pages of an object's files in its cache (keep_cache); FUSE_READ and FUSE_WRITE are about runs of
 * them. Reads and writes past the cache (O_DIRECT) are refused: the protocol takes a read of a page as the proof that
 * the kernel does not have it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

#include "base/check.h"
#include "fuse/log.h"
#include "fuse/ops.h"
#include "fuse/owns.h"

#define NS_PER_SECOND UINT64_C(1000000000)

/* The years 1684 to 2255. */
#define TIME_SECONDS_MAX INT64_C(9000000000)

static const char control_help[] =
	"write one of: destroy, revoke, clear, revert on, revert off, access. See netmemfs(8).\n";

static unsigned char zeros[MSG_PAYLOAD_BYTES];

/* --- attributes ----------------------------------------------------------------------------------------------------- */

static void attr_done(struct request *request, const struct msg *reply)
{
	struct stat st;

	if (reply->error) {
		request_answer(request, reply->error);
		return;
	}
	inode_fill(request->ino, &reply->attr, &st);
	if (request->size)
		st.st_size = (off_t)request->size;
	fuse_reply_attr(request->fuse, &st, 0);
	request_free(request);
}

/* `msg` asks for attributes of the inode, or for a change of them. `text_bytes`: its size, or 0: as the core says. */
static void send_attr(fuse_req_t req, fuse_ino_t ino, struct msg *msg, size_t text_bytes)
{
	struct request *request = ops_request(req, attr_done);

	if (!request)
		return;
	request->ino = ino;
	request->size = text_bytes;
	msg->obj = inode_object(ino);
	msg->seg = ops_segment(ino);
	request_send(request, msg);
}

/*
 * How long the text is that the program has open, or 0. Linux does not say which open file an fstat() is about: it is
 * taken to be the one that the thread has opened, if there is just one.
 */
static size_t open_text_bytes(fuse_req_t req, fuse_ino_t ino, const struct fuse_file_info *fi)
{
	struct opens *opens = ops_daemon(req)->opens;
	const struct handle *handle = fi ? ops_handle(fi) : opens_only(opens, ino, fuse_req_ctx(req)->pid);

	return handle && (handle->kind == HANDLE_TEXT || handle->kind == HANDLE_CONTROL) ? handle->text_bytes : 0;
}

static void getattr_fixed(fuse_req_t req, fuse_ino_t ino, const struct fuse_file_info *fi)
{
	struct stat st;
	size_t text_bytes;

	inode_fill_fixed(ino, &ops_daemon(req)->mount, &st);
	if (S_ISDIR(st.st_mode)) {
		fuse_reply_attr(req, &st, OPS_STATIC_SECONDS);
		return;
	}
	text_bytes = open_text_bytes(req, ino, fi);
	if (text_bytes)
		st.st_size = (off_t)text_bytes;
	fuse_reply_attr(req, &st, 0);
}

void files_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct msg msg = { .type = REQ_GETATTR };
	enum inode_kind kind = inode_kind(ino);
	bool text = kind == KIND_CONTROL || kind == KIND_STATUS;

	if (ino < INODE_FIXED_END)
		getattr_fixed(req, ino, fi);
	else if (!inode_is_object(ino))
		fuse_reply_err(req, ENOENT);
	else if (ops_is_own(req))
		owns_answer_getattr(ops_daemon(req)->owns, req, ino);
	else
		send_attr(req, ino, &msg, text ? open_text_bytes(req, ino, fi) : 0);
}

static uint64_t wanted_ns(struct timespec time, bool now)
{
	if (now)
		clock_gettime(CLOCK_REALTIME, &time);
	if (time.tv_sec > TIME_SECONDS_MAX)
		time.tv_sec = TIME_SECONDS_MAX;
	if (time.tv_sec < -TIME_SECONDS_MAX)
		time.tv_sec = -TIME_SECONDS_MAX;
	return (uint64_t)time.tv_sec * NS_PER_SECOND + (uint64_t)time.tv_nsec;
}

/*
 * The attributes of control, status and signal follow from those of the object. To set them changes nothing, and is no
 * error: a shell's > sets a size.
 */
static uint32_t setattr_flags(enum inode_kind kind, int to_set)
{
	uint32_t flags = 0;

	if (kind != KIND_DIR && kind != KIND_FILE)
		return 0;
	if (to_set & FUSE_SET_ATTR_MODE)
		flags |= SETATTR_MODE;
	if (to_set & FUSE_SET_ATTR_UID)
		flags |= SETATTR_UID;
	if (to_set & FUSE_SET_ATTR_GID)
		flags |= SETATTR_GID;
	if (to_set & (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW))
		flags |= SETATTR_MTIME;
	if (to_set & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_ATIME_NOW))
		flags |= SETATTR_ATIME;
	if (to_set & FUSE_SET_ATTR_SIZE && kind == KIND_FILE)
		flags |= SETATTR_SIZE;
	return flags;
}

void files_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set, struct fuse_file_info *fi)
{
	enum inode_kind kind = inode_kind(ino);
	struct msg msg = {
		.type = REQ_SETATTR,
		.flags = setattr_flags(kind, to_set),
		.size = (uint64_t)attr->st_size,
		.attr = {
			.mode = attr->st_mode & 07777,
			.uid = attr->st_uid,
			.gid = attr->st_gid,
			.atime_ns = wanted_ns(attr->st_atim, to_set & FUSE_SET_ATTR_ATIME_NOW),
			.mtime_ns = wanted_ns(attr->st_mtim, to_set & FUSE_SET_ATTR_MTIME_NOW),
		},
	};

	(void)fi;
	if (!inode_is_object(ino) || (to_set & FUSE_SET_ATTR_SIZE && (kind == KIND_DIR || kind == KIND_STATUS))) {
		fuse_reply_err(req, EPERM);
		return;
	}
	if (ops_is_own(req)) {
		owns_answer_setattr(req);
		return;
	}
	if (to_set & FUSE_SET_ATTR_SIZE && (uint64_t)attr->st_size > OBJECT_BYTES_MAX) {
		fuse_reply_err(req, EFBIG);
		return;
	}
	if (!msg.flags)
		msg = (struct msg){ .type = REQ_GETATTR };
	send_attr(req, ino, &msg, 0);
}

void files_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct daemon *daemon = ops_daemon(req);
	uint64_t pages = daemon->options.size_bytes / PAGE_BYTES;
	uint64_t used = core_store_pages(daemon_core(daemon));
	struct statvfs st = {
		.f_bsize = PAGE_BYTES,
		.f_frsize = PAGE_BYTES,
		.f_blocks = pages,
		.f_bfree = used < pages ? pages - used : 0,
		.f_files = HOME_OBJECTS_MAX,
		.f_ffree = HOME_OBJECTS_MAX,
		.f_favail = HOME_OBJECTS_MAX,
		.f_namemax = OBJECT_NAME_BYTES - 1,
	};

	(void)ino;
	st.f_bavail = st.f_bfree;
	fuse_reply_statfs(req, &st);
}

/* --- open and close --------------------------------------------------------------------------------------------------- */

static bool writes(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY;
}

static void file_opened(struct request *request, const struct msg *reply)
{
	int error = ops_opened(request, reply);

	if (error)
		ops_refuse_open(request, error);
	else
		ops_reply_open(request, FOPEN_KEEP_CACHE);
}

/*
 * Past its cache the kernel hands a text on in two parts if it lies across two pages of the program's memory. Through
 * the cache it comes in one, as long as it lies in one page of the file; in a stream each begins at 0, but for O_APPEND.
 */
static void control_opened(struct request *request, const struct msg *reply)
{
	int flags = request->handle->flags;
	int error = ops_opened(request, reply);

	if (!error)
		error = handle_set_text(request->handle, control_help, strlen(control_help));
	if (error)
		ops_refuse_open(request, error);
	else
		ops_reply_open(request, writes(flags) && !(flags & O_APPEND) ? FOPEN_STREAM : FOPEN_DIRECT_IO);
}

static void status_done(struct request *request, const struct msg *reply)
{
	int error = reply->error;

	if (!error)
		error = handle_set_text(request->handle, reply->payload.bytes, reply->payload.length_bytes);
	if (error)
		ops_refuse_open(request, error);
	else
		ops_reply_open(request, FOPEN_DIRECT_IO);
}

static void status_opened(struct request *request, const struct msg *reply)
{
	struct msg msg = { .type = REQ_STATUS, .obj = request->handle->obj };
	int error = ops_opened(request, reply);

	if (error) {
		ops_refuse_open(request, error);
		return;
	}
	request->done = status_done;
	request_send(request, &msg);
}

static void open_own(fuse_req_t req, fuse_ino_t ino)
{
	struct handle *handle = handle_new(ops_daemon(req)->opens, HANDLE_OWN, ino, fuse_req_ctx(req)->pid);

	if (!handle) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	handle->obj = inode_object(ino);
	if (ops_answer_open(req, handle, FOPEN_KEEP_CACHE | FOPEN_NOFLUSH))
		handle_free(handle);
}

static void open_object(fuse_req_t req, fuse_ino_t ino, int flags, enum handle_kind kind, request_done *done)
{
	struct request *request = ops_request(req, done);

	if (!request)
		return;
	request->handle = handle_new(request->daemon->opens, kind, ino, request->pid);
	if (!request->handle) {
		request_answer(request, -ENOMEM);
		return;
	}
	request->handle->obj = inode_object(ino);
	request->handle->flags = flags;
	ops_open_object(request);
}

void files_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	if (!inode_is_object(ino)) {
		meta_open(req, ino);
		return;
	}
	switch (inode_kind(ino)) {
	case KIND_FILE:
		if (fi->flags & O_DIRECT)
			fuse_reply_err(req, EINVAL);
		else if (ops_is_own(req))
			open_own(req, ino);
		else
			open_object(req, ino, fi->flags, HANDLE_FILE, file_opened);
		return;
	case KIND_CONTROL:
		open_object(req, ino, fi->flags, HANDLE_CONTROL, control_opened);
		return;
	case KIND_STATUS:
		if (writes(fi->flags))
			fuse_reply_err(req, EACCES);
		else
			open_object(req, ino, fi->flags, HANDLE_TEXT, status_opened);
		return;
	case KIND_SIGNAL:
		open_object(req, ino, fi->flags, HANDLE_SIGNAL, signal_opened);
		return;
	default:
		fuse_reply_err(req, EISDIR);
	}
}

void files_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	ops_close(ops_daemon(req), req, ops_handle(fi));
}

/* --- bytes -------------------------------------------------------------------------------------------------------------- */

/* The whole length, always: from a short answer the kernel would conclude that the file ends there. */
static void read_done(struct request *request, const struct msg *reply)
{
	uint32_t length = reply->payload.length_bytes;

	if (reply->error) {
		request_answer(request, reply->error);
		return;
	}
	if (length >= request->size) {
		fuse_reply_buf(request->fuse, reply->payload.bytes, request->size);
	} else {
		struct iovec parts[2] = {
			{ .iov_base = (void *)reply->payload.bytes, .iov_len = length },
			{ .iov_base = zeros, .iov_len = request->size - length },
		};

		fuse_reply_iov(request->fuse, parts, 2);
	}
	request_free(request);
}

static void read_bytes(fuse_req_t req, const struct handle *handle, size_t size, off_t offset, int flags)
{
	struct msg msg = {
		.type = REQ_READ,
		.obj = handle->obj,
		.seg = SEG_MEMORY,
		.page = (uint64_t)offset / PAGE_BYTES,
		.count = (uint32_t)((size + PAGE_BYTES - 1) / PAGE_BYTES),
		.flags = flags & O_NONBLOCK ? REQUEST_ALL : 0,
	};
	struct request *request;

	if (flags & O_DIRECT || offset % PAGE_BYTES || size > MSG_PAYLOAD_BYTES || !size) {
		fuse_reply_err(req, EINVAL);
		return;
	}
	if (ops_daemon(req)->cutting) {
		fuse_reply_err(req, EIO);
		return;
	}
	request = ops_request(req, read_done);
	if (!request)
		return;
	request->size = size;
	request_send(request, &msg);
}

static void read_text(fuse_req_t req, const struct handle *handle, size_t size, off_t offset)
{
	size_t left = (size_t)offset < handle->text_bytes ? handle->text_bytes - (size_t)offset : 0;

	fuse_reply_buf(req, left ? handle->text + offset : NULL, left < size ? left : size);
}

void files_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	const struct handle *handle = ops_handle(fi);

	(void)ino;
	switch (handle->kind) {
	case HANDLE_FILE:
		read_bytes(req, handle, size, offset, fi->flags);
		return;
	case HANDLE_OWN:
		fuse_reply_err(req, EIO); /* it came, so no write-back of the page is on its way: that was the question */
		return;
	case HANDLE_CONTROL:
	case HANDLE_TEXT:
		read_text(req, handle, size, offset);
		return;
	case HANDLE_SIGNAL:
		signal_read(req, handle, size, offset, fi->flags);
		return;
	case HANDLE_DIR:
		fuse_reply_err(req, EISDIR);
		return;
	}
	CHECK(!"a handle's kind");
}

static void write_bytes(fuse_req_t req, uint64_t obj, const char *bytes, size_t size, off_t offset,
                        const struct fuse_file_info *fi)
{
	uint32_t within = (uint32_t)(offset % PAGE_BYTES);
	struct msg msg = {
		.type = REQ_WRITE,
		.obj = obj,
		.seg = SEG_MEMORY,
		.page = (uint64_t)offset / PAGE_BYTES,
		.offset = within,
		.flags = fi->writepage ? WRITE_BACK : 0,
		.payload = { .kind = PAYLOAD_BYTES, .length_bytes = (uint32_t)size, .bytes = bytes },
	};
	struct request *request;

	if (within + size > MSG_PAYLOAD_BYTES || !size || (fi->flags & O_DIRECT && !fi->writepage)) {
		log_write(LOG_LEVEL_WARNING, "file %" PRIu64 ": refused to write %zu bytes at %jd past the kernel's cache",
		          obj, size, (intmax_t)offset);
		fuse_reply_err(req, EINVAL);
		return;
	}
	if ((uint64_t)offset + size > OBJECT_BYTES_MAX || (ops_daemon(req)->cutting && !fi->writepage)) {
		fuse_reply_err(req, ops_daemon(req)->cutting ? EIO : EFBIG);
		return;
	}
	request = ops_request(req, ops_reply_written);
	if (!request)
		return;
	request->size = size;
	request_send(request, &msg);
}

static void write_control(fuse_req_t req, uint64_t obj, const char *bytes, size_t size)
{
	struct msg msg = {
		.type = REQ_CONTROL,
		.obj = obj,
		.payload = { .kind = PAYLOAD_BYTES, .length_bytes = (uint32_t)size, .bytes = bytes },
	};
	struct request *request;

	if (size >= TEXT_BYTES) {
		fuse_reply_err(req, EINVAL);
		return;
	}
	request = ops_request(req, ops_reply_written);
	if (!request)
		return;
	request->size = size;
	request_send(request, &msg);
}

void files_write(fuse_req_t req, fuse_ino_t ino, const char *bytes, size_t size, off_t offset,
                 struct fuse_file_info *fi)
{
	uint64_t obj = inode_object(ino);

	if (inode_is_object(ino) && inode_kind(ino) == KIND_FILE)
		write_bytes(req, obj, bytes, size, offset, fi);
	else if (inode_is_object(ino) && inode_kind(ino) == KIND_CONTROL)
		write_control(req, obj, bytes, size);
	else if (inode_is_object(ino) && inode_kind(ino) == KIND_SIGNAL)
		signal_write(req, ops_handle(fi), bytes, size);
	else
		fuse_reply_err(req, EBADF);
}

static void sync_file(fuse_req_t req, uint64_t obj)
{
	struct msg msg = { .type = REQ_SYNC, .obj = obj, .seg = SEG_MEMORY };
	struct request *request = ops_request(req, ops_reply_done);

	if (request)
		request_send(request, &msg);
}

/* The kernel has written back what is dirty before it asks. */
void files_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct handle *handle = ops_handle(fi);

	(void)ino;
	if (handle->kind == HANDLE_FILE && handle->mode == PAGE_EXCLUSIVE)
		sync_file(req, handle->obj);
	else if (handle->kind == HANDLE_SIGNAL)
		signal_flush(req, handle);
	else
		fuse_reply_err(req, 0);
}

void files_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	const struct handle *handle = ops_handle(fi);

	(void)ino, (void)datasync;
	if (handle->kind == HANDLE_FILE)
		sync_file(req, handle->obj);
	else
		fuse_reply_err(req, 0);
}

/* All but a signal file can always be read and written. */
void files_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct fuse_pollhandle *poll)
{
	struct handle *handle = ops_handle(fi);

	(void)ino;
	if (handle->kind == HANDLE_SIGNAL) {
		signal_poll(req, handle, poll);
		return;
	}
	if (poll)
		fuse_pollhandle_destroy(poll);
	fuse_reply_poll(req, POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM);
}
