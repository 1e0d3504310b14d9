#include "fuse/ops.h"

#include <errno.h>
#include <fcntl.h>

#include "base/check.h"
#include "fuse/notify.h"
#include "fuse/owns.h"

struct request *ops_request(fuse_req_t req, request_done *done)
{
	struct request *request = request_new(ops_daemon(req), req, done);

	if (!request)
		fuse_reply_err(req, ENOMEM);
	return request;
}

uint32_t ops_segment(uint64_t ino)
{
	return inode_kind(ino) == KIND_FILE ? SEG_MEMORY : SEG_NONE;
}

bool ops_is_own(fuse_req_t req)
{
	return owns_is(ops_daemon(req)->owns, fuse_req_ctx(req)->pid);
}

void ops_reply_entry(fuse_req_t req, uint64_t ino, const struct object_attr *attr)
{
	struct fuse_entry_param entry = { .ino = ino };

	inode_fill(ino, attr, &entry.attr);
	fuse_reply_entry(req, &entry);
}

void ops_reply_fixed(fuse_req_t req, uint64_t ino)
{
	struct fuse_entry_param entry = { .ino = ino };

	inode_fill_fixed(ino, &ops_daemon(req)->mount, &entry.attr);
	/* A short read of a text makes the kernel believe in a smaller size, until it asks again. */
	if (S_ISDIR(entry.attr.st_mode))
		entry.entry_timeout = OPS_STATIC_SECONDS;
	fuse_reply_entry(req, &entry);
}

void ops_open_object(struct request *request)
{
	struct handle *handle = request->handle;
	bool reads = (handle->flags & O_ACCMODE) == O_RDONLY;
	struct msg msg = { .type = REQ_OPEN, .obj = handle->obj, .seg = ops_segment(handle->ino) };

	if (handle->kind == HANDLE_FILE)
		handle->mode = reads ? PAGE_SHARED : PAGE_EXCLUSIVE;
	msg.mode = (uint8_t)handle->mode;
	if (handle->kind == HANDLE_SIGNAL) {
		msg.type = REQ_END_OPEN;
		msg.flags = (handle->flags & O_ACCMODE) == O_WRONLY ? 0 : END_READS;
	}
	if (request->daemon->cutting) {
		ops_refuse_open(request, -EIO);
		return;
	}
	request_send(request, &msg);
}

int ops_opened(struct request *request, const struct msg *reply)
{
	struct handle *handle = request->handle;

	if (reply->error)
		return reply->error;
	if (handle->kind == HANDLE_SIGNAL)
		handle->end = reply->cookie;
	return opens_add(request->daemon->opens, handle);
}

void ops_reply_written(struct request *request, const struct msg *reply)
{
	if (reply->error) {
		request_answer(request, reply->error);
		return;
	}
	fuse_reply_write(request->fuse, reply->count ? reply->count : request->size);
	request_free(request);
}

void ops_reply_done(struct request *request, const struct msg *reply)
{
	request_answer(request, reply->error);
}

int ops_answer_open(fuse_req_t req, struct handle *handle, unsigned flags)
{
	struct fuse_open_out out = { .fh = (uintptr_t)handle, .open_flags = flags };

	return fuse_reply_buf(req, (const char *)&out, sizeof(out));
}

void ops_reply_open(struct request *request, unsigned flags)
{
	if (ops_answer_open(request->fuse, request->handle, flags)) /* nobody will release it */
		ops_close(request->daemon, NULL, request->handle);
	request_free(request);
}

void ops_refuse_open(struct request *request, int error)
{
	ops_close(request->daemon, NULL, request->handle);
	request_answer(request, error);
}

static void close_done(struct request *request, const struct msg *reply)
{
	(void)reply; /* there is nobody to tell */
	request_answer(request, 0);
}

/* The core counts the handle no more; `req` is answered when it knows. */
static void release(struct daemon *daemon, fuse_req_t req, struct handle *handle)
{
	struct msg msg = { .type = REQ_RELEASE, .obj = handle->obj, .seg = ops_segment(handle->ino),
	                   .mode = (uint8_t)handle->mode };
	struct request *request;

	if (handle->kind == HANDLE_SIGNAL)
		msg = (struct msg){ .type = REQ_END_CLOSE, .cookie = handle->end };
	if (opens_remove(daemon->opens, handle))
		notify_close(daemon->notify, handle->obj);
	request = request_new(daemon, req, close_done);
	CHECK(request);
	request_send(request, &msg);
}

void ops_close(struct daemon *daemon, fuse_req_t req, struct handle *handle)
{
	if (handle->opened)
		release(daemon, req, handle);
	else if (req)
		fuse_reply_err(req, 0);
	handle_free(handle);
}

void ops_close_all(struct daemon *daemon)
{
	struct handle *handle;

	while ((handle = opens_any(daemon->opens)))
		release(daemon, NULL, handle);
}

static void init(void *userdata, struct fuse_conn_info *conn)
{
	(void)userdata;
	conn->max_write = MSG_PAYLOAD_BYTES;
	conn->max_readahead = MSG_PAYLOAD_BYTES;
	/* Write-backs and releases travel in the background; one must not wait for others that wait for a grant. */
	conn->max_background = UINT16_MAX;
	conn->congestion_threshold = UINT16_MAX;
	conn->want &= ~(unsigned)(FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_WRITEBACK_CACHE |
	                          FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
	                          FUSE_CAP_SPLICE_MOVE | FUSE_CAP_READDIRPLUS);
	/* A size that changes drops what lies past it, and no more. */
	conn->want |= conn->capable & (FUSE_CAP_EXPLICIT_INVAL_DATA | FUSE_CAP_ASYNC_READ);
}

const struct fuse_lowlevel_ops ops_table = {
	.init = init,
	.lookup = tree_lookup,
	.getattr = files_getattr,
	.setattr = files_setattr,
	.mknod = tree_mknod,
	.mkdir = tree_mkdir,
	.symlink = tree_symlink,
	.link = tree_link,
	.unlink = tree_unlink,
	.rmdir = tree_rmdir,
	.rename = tree_rename,
	.open = files_open,
	.read = files_read,
	.write = files_write,
	.flush = files_flush,
	.release = files_release,
	.fsync = files_fsync,
	.poll = files_poll,
	.opendir = tree_opendir,
	.readdir = tree_readdir,
	.releasedir = tree_releasedir,
	.fsyncdir = tree_fsyncdir,
	.statfs = files_statfs,
};
