/*
 * ops.h: what the kernel may ask for. Each function answers its request exactly once, at once or when the core has
 * answered; none blocks.
 */
#ifndef NETMEM_FUSE_OPS_H
#define NETMEM_FUSE_OPS_H

#include "fuse/daemon.h"
#include "fuse/fuse.h"
#include "fuse/opens.h"
#include "fuse/requests.h"

extern const struct fuse_lowlevel_ops ops_table;

static inline struct daemon *ops_daemon(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static inline struct handle *ops_handle(const struct fuse_file_info *fi)
{
	return (struct handle *)(uintptr_t)fi->fh;
}

/* How long the kernel may believe in a name that never changes. */
#define OPS_STATIC_SECONDS 1e6

/* request_new() for an operation; NULL after -ENOMEM was answered. */
struct request *ops_request(fuse_req_t req, request_done *done);

/* Which segment an inode is; SEG_NONE for all but files. */
uint32_t ops_segment(uint64_t ino);

/* Whether a thread of the notifier asks, which must not be made to wait: see owns.h. */
bool ops_is_own(fuse_req_t req);

void ops_reply_entry(fuse_req_t req, uint64_t ino, const struct object_attr *attr);
void ops_reply_fixed(fuse_req_t req, uint64_t ino);

/*
 * Opens the request's handle at the core, as its kind and flags say; then request->done. The reply is taken with
 * ops_opened().
 */
void ops_open_object(struct request *request);

/* Notes that the core has opened the handle. 0, or a negative errno, and the handle is as it was. */
int ops_opened(struct request *request, const struct msg *reply);

/* As request->done: answers a write of request->size bytes; answers what has no result. */
void ops_reply_written(struct request *request, const struct msg *reply);
void ops_reply_done(struct request *request, const struct msg *reply);

/* Answers with a new handle. `flags`: FOPEN_* of the kernel, of which libfuse knows not all. 0 or a negative errno. */
int ops_answer_open(fuse_req_t req, struct handle *handle, unsigned flags);

/* Answers with the handle, or closes it again if the program has gone. Frees the request. */
void ops_reply_open(struct request *request, unsigned flags);


/* Answers with an error, and closes the handle. Frees the request. */
void ops_refuse_open(struct request *request, int error);

/* Ends a handle; `req` (may be NULL) is answered 0 when the core knows. */
void ops_close(struct daemon *daemon, fuse_req_t req, struct handle *handle);

/*
 * Ends all handles at the core. The kernel must not be listened to any more; the handles stay, because requests that are
 * not answered yet may be about them.
 */
void ops_close_all(struct daemon *daemon);

/* tree.c: names and directories. */
void tree_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void tree_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void tree_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device);
void tree_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name);
void tree_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name);
void tree_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void tree_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void tree_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t to_parent, const char *to_name,
                 unsigned flags);
void tree_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void tree_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi);
void tree_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void tree_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);

/* files.c: files and attributes. */
void files_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void files_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set, struct fuse_file_info *fi);
void files_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void files_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi);
void files_write(fuse_req_t req, fuse_ino_t ino, const char *bytes, size_t size, off_t offset,
                 struct fuse_file_info *fi);
void files_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void files_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);
void files_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void files_statfs(fuse_req_t req, fuse_ino_t ino);
void files_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct fuse_pollhandle *poll);

/* signal.c: the signal files. What files.c hands on, for a HANDLE_SIGNAL. */
void signal_opened(struct request *request, const struct msg *reply);
void signal_read(fuse_req_t req, const struct handle *handle, size_t size, off_t offset, int flags);
void signal_write(fuse_req_t req, struct handle *handle, const char *bytes, size_t size);
void signal_flush(fuse_req_t req, struct handle *handle);
/* Takes `poll`, which may be NULL. */
void signal_poll(fuse_req_t req, struct handle *handle, struct fuse_pollhandle *poll);

/* The driver's wake(): whoever polls this end asks again. */
void signal_wake(struct daemon *daemon, uint64_t end);

/* meta.c: the texts of .netmem. Opens one; the snapshot is taken when the core has answered. */
void meta_open(fuse_req_t req, fuse_ino_t ino);

#endif
