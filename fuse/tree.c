/*
 * tree.c: the directories. The kernel asks for a name each time, because a name is to be gone on every node at once. The
 * core knows which names and attributes it may answer at once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "fuse/ops.h"
#include "fuse/owns.h"
#include "uv/deadline.h"

/* rename() flags, from linux/fs.h, which does not go together with libc's headers everywhere. */
#define FLAG_NOREPLACE (1u << 0)

/* Places in a directory listing: ".", "..", what is fixed; then an object's name at its cookie plus this. */
#define LIST_FIXED 3

static bool holds_objects(uint64_t ino, enum name_dir *dir)
{
	*dir = ino == INODE_UNNAMED ? DIR_UNNAMED : DIR_ROOT;
	return ino == INODE_ROOT || ino == INODE_UNNAMED;
}

/* With its NUL. */
static struct payload name_payload(const char *name)
{
	return (struct payload){ .kind = PAYLOAD_BYTES, .length_bytes = (uint32_t)strlen(name) + 1, .bytes = name };
}

/* What a path sees when the object's home has none by this number any more. */
static int gone_is_enoent(int error)
{
	return error == -ESTALE ? -ENOENT : error;
}

/* --- lookup ------------------------------------------------------------------------------------------------------- */

static void entry_done(struct request *request, const struct msg *reply)
{
	if (reply->error) {
		request_answer(request, gone_is_enoent(reply->error));
		return;
	}
	ops_reply_entry(request->fuse, request->ino, &reply->attr);
	request_free(request);
}

/* Without the home there is a name to remove, and nothing more: the attributes are all zero. */
static void name_done(struct request *request, const struct msg *reply)
{
	if (!reply->error)
		names_saw(request->daemon->names, request->pid, request->dir, request->name, reply->obj);
	request->ino = inode_of(reply->obj, KIND_DIR);
	entry_done(request, reply);
}

static void lookup_object(fuse_req_t req, enum name_dir dir, const char *name)
{
	struct daemon *daemon = ops_daemon(req);
	struct msg msg = { .type = REQ_LOOKUP, .dir = (uint16_t)dir, .payload = name_payload(name) };
	struct object_attr attr;
	uint64_t buried = names_buried(daemon->names, deadline_now_ns(NULL), fuse_req_ctx(req)->pid, dir, name, &attr);
	struct request *request;

	if (buried) {
		ops_reply_entry(req, inode_of(buried, KIND_DIR), &attr);
		return;
	}
	if (strlen(name) >= OBJECT_NAME_BYTES) {
		fuse_reply_err(req, ENAMETOOLONG);
		return;
	}
	request = ops_request(req, name_done);
	if (!request)
		return;
	strcpy(request->name, name);
	request->dir = dir;
	request_send(request, &msg);
}

static void lookup_in_object(fuse_req_t req, uint64_t obj, const char *name)
{
	int kind = inode_kind_of_name(name);
	struct msg msg = { .type = REQ_GETATTR, .obj = obj };
	struct request *request;

	if (kind < 0) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	request = ops_request(req, entry_done);
	if (!request)
		return;
	request->ino = inode_of(obj, (enum inode_kind)kind);
	msg.seg = ops_segment(request->ino);
	request_send(request, &msg);
}

/* Of .netmem/.self, which has something in it for the notifier's threads only. */
static void lookup_self(fuse_req_t req, const char *name)
{
	if (ops_is_own(req))
		owns_answer_lookup(ops_daemon(req)->owns, req, name);
	else
		fuse_reply_err(req, ENOENT);
}

static void lookup_meta(fuse_req_t req, const char *name)
{
	uint64_t ino = inode_meta_of_name(name);

	if (!ino || (ino == INODE_SELF && !ops_is_own(req)))
		fuse_reply_err(req, ENOENT);
	else
		ops_reply_fixed(req, ino);
}

void tree_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	enum name_dir dir;

	if (parent == INODE_ROOT && !strcmp(name, ".netmem"))
		ops_reply_fixed(req, INODE_META);
	else if (holds_objects(parent, &dir))
		lookup_object(req, dir, name);
	else if (parent == INODE_META)
		lookup_meta(req, name);
	else if (parent == INODE_SELF)
		lookup_self(req, name);
	else if (inode_is_object(parent) && inode_kind(parent) == KIND_DIR)
		lookup_in_object(req, inode_object(parent), name);
	else
		fuse_reply_err(req, ENOENT);
}

/* --- objects come and go -------------------------------------------------------------------------------------------- */

static void mkdir_done(struct request *request, const struct msg *reply)
{
	if (reply->error) {
		request_answer(request, reply->error);
		return;
	}
	names_saw(request->daemon->names, request->pid, request->dir, request->name, reply->obj);
	ops_reply_entry(request->fuse, inode_of(reply->obj, KIND_DIR), &reply->attr);
	request_free(request);
}

void tree_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	enum name_dir dir;
	struct msg msg = {
		.type = REQ_MKDIR,
		.attr = { .mode = mode & 0777, .uid = ctx->uid, .gid = ctx->gid },
		.payload = name_payload(name),
	};
	struct request *request;

	if (!holds_objects(parent, &dir)) {
		fuse_reply_err(req, EPERM);
		return;
	}
	if (strlen(name) >= OBJECT_NAME_BYTES) {
		fuse_reply_err(req, ENAMETOOLONG);
		return;
	}
	request = ops_request(req, mkdir_done);
	if (!request)
		return;
	msg.dir = (uint16_t)dir;
	request->dir = dir;
	strcpy(request->name, name);
	request_send(request, &msg);
}

void tree_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device)
{
	(void)parent, (void)name, (void)mode, (void)device;
	fuse_reply_err(req, EPERM);
}

void tree_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	(void)target, (void)parent, (void)name;
	fuse_reply_err(req, EPERM);
}

void tree_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	(void)ino, (void)parent, (void)name;
	fuse_reply_err(req, EPERM);
}

void tree_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
	(void)parent, (void)name, (void)mode, (void)fi;
	fuse_reply_err(req, EPERM);
}

static void plain_done(struct request *request, const struct msg *reply)
{
	request_answer(request, gone_is_enoent(reply->error));
}

/* See names.h: who has the directory open will want to remove it next. */
static void unlink_done(struct request *request, const struct msg *reply)
{
	struct daemon *daemon = request->daemon;
	const struct handle *handle = opens_dir_of(daemon->opens, request->obj, request->pid);

	if (!reply->error && handle && handle->name[0])
		names_bury(daemon->names, deadline_now_ns(NULL), request->pid, handle->dir, handle->name, request->obj,
		           &handle->attr);
	plain_done(request, reply);
}

void tree_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	/* The directory finds the name by the object. */
	struct msg msg = { .type = REQ_REMOVE, .obj = inode_object(parent), .payload = name_payload("") };
	int kind = inode_kind_of_name(name);
	struct request *request;

	if (!inode_is_object(parent)) {
		fuse_reply_err(req, EPERM);
		return;
	}
	if (kind != KIND_MEMORY) {
		/* So that rm -r goes on to what counts. */
		fuse_reply_err(req, kind < 0 ? ENOENT : 0);
		return;
	}
	request = ops_request(req, unlink_done);
	if (!request)
		return;
	request->obj = inode_object(parent);
	request_send(request, &msg);
}

void tree_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct daemon *daemon = ops_daemon(req);
	pid_t pid = fuse_req_ctx(req)->pid;
	enum name_dir dir;
	struct msg msg = { .type = REQ_REMOVE, .payload = name_payload(name) };
	struct request *request;

	if (!holds_objects(parent, &dir)) {
		fuse_reply_err(req, EPERM);
		return;
	}
	if (parent == INODE_ROOT && !strcmp(name, ".netmem")) {
		fuse_reply_err(req, EBUSY);
		return;
	}
	if (names_buried(daemon->names, deadline_now_ns(NULL), pid, dir, name, NULL)) {
		names_exhume(daemon->names, pid, dir, name);
		fuse_reply_err(req, 0);
		return;
	}
	request = ops_request(req, plain_done);
	if (!request)
		return;
	msg.dir = (uint16_t)dir;
	msg.obj = names_object(daemon->names, pid, dir, name);
	request_send(request, &msg);
}

void tree_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t to_parent, const char *to_name,
                 unsigned flags)
{
	char both[2 * OBJECT_NAME_BYTES];
	size_t length = strlen(name) + 1;
	size_t to_length = strlen(to_name) + 1;
	enum name_dir dir;
	enum name_dir to_dir;
	struct msg msg = { .type = REQ_RENAME };
	struct request *request;

	if (flags & ~FLAG_NOREPLACE) {
		fuse_reply_err(req, EINVAL);
		return;
	}
	if (!holds_objects(parent, &dir) || !holds_objects(to_parent, &to_dir)) {
		fuse_reply_err(req, parent == to_parent ? EPERM : EXDEV);
		return;
	}
	if (parent == INODE_ROOT && !strcmp(name, ".netmem")) {
		fuse_reply_err(req, EBUSY);
		return;
	}
	if (length > OBJECT_NAME_BYTES || to_length > OBJECT_NAME_BYTES) {
		fuse_reply_err(req, ENAMETOOLONG);
		return;
	}
	request = ops_request(req, plain_done);
	if (!request)
		return;
	memcpy(both, name, length);
	memcpy(both + length, to_name, to_length);
	msg.dir = (uint16_t)dir;
	msg.to_dir = (uint16_t)to_dir;
	msg.flags = flags & FLAG_NOREPLACE ? REQUEST_NOREPLACE : 0;
	msg.payload = (struct payload){
		.kind = PAYLOAD_BYTES, .length_bytes = (uint32_t)(length + to_length), .bytes = both };
	request_send(request, &msg);
}

/* --- directories that are open -------------------------------------------------------------------------------------- */

static void opendir_done(struct request *request, const struct msg *reply)
{
	int error = ops_opened(request, reply);

	if (error)
		ops_refuse_open(request, gone_is_enoent(error));
	else
		ops_reply_open(request, 0);
}

void tree_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct daemon *daemon = ops_daemon(req);
	pid_t pid = fuse_req_ctx(req)->pid;
	struct request *request = ops_request(req, opendir_done);

	(void)fi;
	if (!request)
		return;
	request->handle = handle_new(daemon->opens, HANDLE_DIR, ino, pid);
	if (!request->handle) {
		request_answer(request, -ENOMEM);
		return;
	}
	if (!inode_is_object(ino)) {
		ops_reply_open(request, 0);
		return;
	}
	request->handle->obj = inode_object(ino);
	names_name(daemon->names, pid, request->handle->obj, &request->handle->dir, request->handle->name);
	ops_open_object(request);
}

void tree_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	ops_close(ops_daemon(req), req, ops_handle(fi));
}

void tree_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	(void)ino, (void)datasync, (void)fi;
	fuse_reply_err(req, 0);
}

/* A listing being written into the kernel's buffer. */
struct listing {
	fuse_req_t req;
	char *buffer;
	size_t size;
	size_t used;
	off_t offset; /* entries up to here were given before */
	bool full;
};

static void list_entry_at(struct listing *listing, off_t at, const char *name, uint64_t ino, mode_t type)
{
	struct stat st = { .st_ino = ino, .st_mode = type };
	size_t room = listing->size - listing->used;
	size_t length;

	if (listing->full || at <= listing->offset)
		return;
	length = fuse_add_direntry(listing->req, listing->buffer + listing->used, room, name, &st, at);
	if (length > room)
		listing->full = true;
	else
		listing->used += length;
}

/* memory comes last: removing it removes the object, and rm -r removes in this order. */
static void list_object(struct listing *listing, uint64_t obj)
{
	list_entry_at(listing, 1, ".", inode_of(obj, KIND_DIR), S_IFDIR);
	list_entry_at(listing, 2, "..", INODE_ROOT, S_IFDIR);
	list_entry_at(listing, 3, inode_kind_name(KIND_CONTROL), inode_of(obj, KIND_CONTROL), S_IFREG);
	list_entry_at(listing, 4, inode_kind_name(KIND_STATUS), inode_of(obj, KIND_STATUS), S_IFREG);
	list_entry_at(listing, 5, inode_kind_name(KIND_SIGNAL), inode_of(obj, KIND_SIGNAL), S_IFREG);
	list_entry_at(listing, 6, inode_kind_name(KIND_MEMORY), inode_of(obj, KIND_MEMORY), S_IFREG);
}

static void list_meta(struct listing *listing)
{
	list_entry_at(listing, 1, ".", INODE_META, S_IFDIR);
	list_entry_at(listing, 2, "..", INODE_ROOT, S_IFDIR);
	for (uint64_t ino = INODE_META + 1; ino < INODE_FIXED_END; ino++) {
		if (inode_meta_name(ino))
			list_entry_at(listing, (off_t)ino, inode_meta_name(ino), ino,
			              ino == INODE_UNNAMED ? S_IFDIR : S_IFREG);
	}
}

/* Goes through the records "COOKIE OBJ NAME\0" that the handle has. Whether it has any to go on with. */
static bool list_records(struct listing *listing, const struct handle *handle)
{
	size_t used_before = listing->used;

	for (size_t at = 0; at < handle->text_bytes && !listing->full;) {
		const char *record = handle->text + at;
		char *name;
		uint64_t cookie = strtoull(record, &name, 10);
		uint64_t obj = strtoull(name, &name, 10);

		if (*name == ' ')
			list_entry_at(listing, (off_t)cookie + LIST_FIXED, name + 1, inode_of(obj, KIND_DIR), S_IFDIR);
		at += strlen(record) + 1;
	}
	return listing->full || listing->used > used_before;
}

static void list_head(struct listing *listing, uint64_t ino)
{
	list_entry_at(listing, 1, ".", ino, S_IFDIR);
	list_entry_at(listing, 2, "..", ino == INODE_UNNAMED ? INODE_META : INODE_ROOT, S_IFDIR);
	if (ino == INODE_ROOT)
		list_entry_at(listing, 3, ".netmem", INODE_META, S_IFDIR);
}

static int listing_init(struct listing *listing, fuse_req_t req, size_t size, off_t offset)
{
	*listing = (struct listing){ .req = req, .size = size, .offset = offset };
	listing->buffer = malloc(size);
	return listing->buffer ? 0 : -ENOMEM;
}

static void listing_reply(struct listing *listing)
{
	fuse_reply_buf(listing->req, listing->buffer, listing->used);
	free(listing->buffer);
}

static void list_done(struct request *request, const struct msg *reply)
{
	struct handle *handle = request->handle;
	struct listing listing;
	int error = reply->error;

	if (!error)
		error = handle_set_text(handle, reply->payload.bytes, reply->payload.length_bytes);
	if (!error)
		error = listing_init(&listing, request->fuse, request->size, request->offset);
	if (error) {
		request_answer(request, error);
		return;
	}
	handle->text_cookie = request->cookie;
	list_head(&listing, handle->ino);
	list_records(&listing, handle);
	listing_reply(&listing);
	request_free(request);
}

/*
 * The directory service sends far more records than the kernel takes at once. They are kept at the handle and used up,
 * unless the program starts anew.
 */
static void readdir_objects(fuse_req_t req, size_t size, off_t offset, struct handle *handle, enum name_dir dir)
{
	uint64_t cookie = offset > LIST_FIXED ? (uint64_t)offset - LIST_FIXED : 0;
	struct msg msg = { .type = REQ_LIST, .dir = (uint16_t)dir, .cookie = cookie };
	struct listing listing;
	struct request *request;

	if (offset > 0 && handle->text_bytes && handle->text_cookie <= cookie) {
		if (listing_init(&listing, req, size, offset)) {
			fuse_reply_err(req, ENOMEM);
			return;
		}
		list_head(&listing, handle->ino);
		if (list_records(&listing, handle)) {
			listing_reply(&listing);
			return;
		}
		free(listing.buffer);
	}
	request = ops_request(req, list_done);
	if (!request)
		return;
	request->handle = handle;
	request->size = size;
	request->offset = offset;
	request->cookie = cookie;
	request_send(request, &msg);
}

void tree_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	struct listing listing;
	enum name_dir dir;

	if (holds_objects(ino, &dir)) {
		readdir_objects(req, size, offset, ops_handle(fi), dir);
		return;
	}
	if (listing_init(&listing, req, size, offset)) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	if (ino == INODE_META)
		list_meta(&listing);
	else if (inode_is_object(ino))
		list_object(&listing, inode_object(ino));
	listing_reply(&listing);
}
