/*
 * tree.c: the directories. The kernel asks for a name each time, because a name is to be gone on every node at once. The
 * core knows which names and attributes it may answer at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/caller.h"
#include "fuse/names.h"
#include "fuse/ops.h"
#include "fuse/owns.h"

/* rename() flags, from linux/fs.h, which does not go together with libc's headers everywhere. */
#define FLAG_NOREPLACE (1u << 0)

/* Places in a directory listing: ".", "..", what is fixed; then the names at their cookies plus this. */
#define LIST_FIXED 3

/* The core's number of a directory in which names come and go; false for any other inode. */
static bool dir_of(uint64_t ino, uint64_t *dir)
{
	if (inode_is_object(ino)) {
		*dir = inode_object(ino);
		return inode_kind(ino) == KIND_DIR;
	}
	*dir = ino == INODE_UNNAMED ? DIR_UNNAMED : DIR_ROOT;
	return ino == INODE_ROOT || ino == INODE_UNNAMED;
}

/* Whether the names in it are of files, and not of objects. */
static bool has_files(uint64_t dir)
{
	return dir != DIR_ROOT && dir != DIR_UNNAMED;
}

static bool holds_objects(uint64_t ino, uint64_t *dir)
{
	return dir_of(ino, dir) && !has_files(*dir);
}

static uint64_t child_ino(uint64_t dir, uint64_t obj)
{
	return inode_of(obj, has_files(dir) ? KIND_FILE : KIND_DIR);
}

/* Whether it is one of the names that are in each object's directory. */
static bool is_fixed(uint64_t dir, const char *name)
{
	return has_files(dir) && inode_kind_of_name(name) >= 0;
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

/* An object comes with its file `memory`. The first program that creates it exclusively shall succeed: see caller.c. */
static bool is_still_to_create(const struct request *request, const struct object_attr *attr)
{
	return has_files(request->dir) && attr->mode & OBJECT_FRESH && !strcmp(request->name, "memory") &&
	       caller_creates_anew(request->pid);
}

/* Without the home there is a name to remove, and nothing more: the attributes are all zero. */
static void name_done(struct request *request, const struct msg *reply)
{
	if (!reply->error && is_still_to_create(request, &reply->attr)) {
		request_answer(request, -ENOENT);
		return;
	}
	if (!reply->error && !has_files(request->dir))
		names_saw(request->daemon->names, request->pid, request->dir, request->name, reply->obj);
	request->ino = child_ino(request->dir, reply->obj);
	entry_done(request, reply);
}

/* A request about a name in the directory; NULL after an error was answered. */
static struct request *name_request(fuse_req_t req, uint64_t dir, const char *name, request_done *done)
{
	struct request *request;

	if (strlen(name) >= OBJECT_NAME_BYTES) {
		fuse_reply_err(req, ENAMETOOLONG);
		return NULL;
	}
	request = ops_request(req, done);
	if (request) {
		request->dir = dir;
		strcpy(request->name, name);
	}
	return request;
}

static void lookup_name(fuse_req_t req, uint64_t dir, const char *name)
{
	struct msg msg = { .type = REQ_LOOKUP, .dir = dir, .payload = name_payload(name) };
	struct request *request = name_request(req, dir, name, name_done);

	if (request)
		request_send(request, &msg);
}

/* control, status and signal. */
static void lookup_fixed(fuse_req_t req, uint64_t obj, enum inode_kind kind)
{
	struct msg msg = { .type = REQ_GETATTR, .obj = obj, .seg = SEG_NONE };
	struct request *request = ops_request(req, entry_done);

	if (!request)
		return;
	request->ino = inode_of(obj, kind);
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
	uint64_t dir;

	if (parent == INODE_ROOT && !strcmp(name, ".netmem"))
		ops_reply_fixed(req, INODE_META);
	else if (dir_of(parent, &dir) && is_fixed(dir, name))
		lookup_fixed(req, dir, (enum inode_kind)inode_kind_of_name(name));
	else if (dir_of(parent, &dir))
		lookup_name(req, dir, name);
	else if (parent == INODE_META)
		lookup_meta(req, name);
	else if (parent == INODE_SELF)
		lookup_self(req, name);
	else
		fuse_reply_err(req, ENOENT);
}

/* --- objects and files come and go ---------------------------------------------------------------------------------- */

void tree_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct msg msg = {
		.type = REQ_MKDIR,
		.attr = { .mode = mode & 07777, .uid = ctx->uid, .gid = ctx->gid },
		.payload = name_payload(name),
	};
	struct request *request;

	if (!holds_objects(parent, &msg.dir)) {
		fuse_reply_err(req, EPERM);
		return;
	}
	request = name_request(req, msg.dir, name, name_done);
	if (request)
		request_send(request, &msg);
}

/* Of files in objects; there are none elsewhere. 0 or an errno. */
static int check_new_file(fuse_ino_t parent, const char *name, mode_t mode, uint64_t *dir)
{
	if (!S_ISREG(mode) || !dir_of(parent, dir) || !has_files(*dir))
		return EPERM;
	return is_fixed(*dir, name) ? EEXIST : 0;
}

/*
 * Somebody else may have created the file since the lookup. ESTALE makes the kernel start again with that: it finds the file
 * then, and knows whether that is an error, or the file to be opened.
 */
static void create_done(struct request *request, const struct msg *reply)
{
	if (reply->error == -EEXIST)
		request_answer(request, -ESTALE);
	else
		name_done(request, reply);
}

/* Also for open() with O_CREAT: an answer to FUSE_CREATE would set the size, whatever the kernel was shown since. */
void tree_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct msg msg = {
		.type = REQ_CREATE,
		.attr = { .mode = mode & 07777, .uid = ctx->uid, .gid = ctx->gid },
		.payload = name_payload(name),
	};
	struct request *request;
	int error = check_new_file(parent, name, mode, &msg.dir);

	(void)device;
	if (error) {
		fuse_reply_err(req, error);
		return;
	}
	request = name_request(req, msg.dir, name, create_done);
	if (request)
		request_send(request, &msg);
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

static void plain_done(struct request *request, const struct msg *reply)
{
	request_answer(request, gone_is_enoent(reply->error));
}

static void remove_name(fuse_req_t req, uint64_t dir, const char *name, uint64_t obj)
{
	struct msg msg = { .type = REQ_REMOVE, .dir = dir, .obj = obj, .payload = name_payload(name) };
	struct request *request = ops_request(req, plain_done);

	if (request)
		request_send(request, &msg);
}

void tree_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	uint64_t dir;

	if (!dir_of(parent, &dir) || !has_files(dir) || is_fixed(dir, name))
		fuse_reply_err(req, EPERM);
	else
		remove_name(req, dir, name, 0);
}

void tree_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	uint64_t dir;

	if (!holds_objects(parent, &dir))
		fuse_reply_err(req, EPERM);
	else if (parent == INODE_ROOT && !strcmp(name, ".netmem"))
		fuse_reply_err(req, EBUSY);
	else
		remove_name(req, dir, name, names_object(ops_daemon(req)->names, fuse_req_ctx(req)->pid, dir, name));
}

void tree_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t to_parent, const char *to_name,
                 unsigned flags)
{
	char both[2 * OBJECT_NAME_BYTES];
	size_t length = strlen(name) + 1;
	size_t to_length = strlen(to_name) + 1;
	struct msg msg = { .type = REQ_RENAME, .flags = flags & FLAG_NOREPLACE ? REQUEST_NOREPLACE : 0 };
	struct request *request;
	int error = 0;

	if (flags & ~FLAG_NOREPLACE)
		error = EINVAL;
	else if (!dir_of(parent, &msg.dir) || !dir_of(to_parent, &msg.to_dir))
		error = parent == to_parent ? EPERM : EXDEV;
	else if (msg.dir != msg.to_dir && (has_files(msg.dir) || has_files(msg.to_dir)))
		error = EXDEV;
	else if (is_fixed(msg.dir, name) || is_fixed(msg.to_dir, to_name))
		error = EPERM;
	else if (parent == INODE_ROOT && !strcmp(name, ".netmem"))
		error = EBUSY;
	else if (length > OBJECT_NAME_BYTES || to_length > OBJECT_NAME_BYTES)
		error = ENAMETOOLONG;
	if (error) {
		fuse_reply_err(req, error);
		return;
	}
	request = ops_request(req, plain_done);
	if (!request)
		return;
	memcpy(both, name, length);
	memcpy(both + length, to_name, to_length);
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
	struct request *request = ops_request(req, opendir_done);

	(void)fi;
	if (!request)
		return;
	request->handle = handle_new(request->daemon->opens, HANDLE_DIR, ino, request->pid);
	if (!request->handle) {
		request_answer(request, -ENOMEM);
		return;
	}
	if (!inode_is_object(ino)) {
		ops_reply_open(request, 0);
		return;
	}
	request->handle->obj = inode_object(ino);
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
	mode_t type = inode_is_object(handle->ino) ? S_IFREG : S_IFDIR;
	enum inode_kind kind = inode_is_object(handle->ino) ? KIND_FILE : KIND_DIR;
	size_t used_before = listing->used;

	for (size_t at = 0; at < handle->text_bytes && !listing->full;) {
		const char *record = handle->text + at;
		char *name;
		uint64_t cookie = strtoull(record, &name, 10);
		uint64_t obj = strtoull(name, &name, 10);

		if (*name == ' ')
			list_entry_at(listing, (off_t)cookie + LIST_FIXED, name + 1, inode_of(obj, kind), type);
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
static void readdir_names(fuse_req_t req, size_t size, off_t offset, struct handle *handle, uint64_t dir)
{
	uint64_t cookie = offset > LIST_FIXED ? (uint64_t)offset - LIST_FIXED : 0;
	struct msg msg = { .type = REQ_LIST, .dir = dir, .cookie = cookie };
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
	uint64_t dir;

	if (dir_of(ino, &dir)) {
		readdir_names(req, size, offset, ops_handle(fi), dir);
		return;
	}
	if (listing_init(&listing, req, size, offset)) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	if (ino == INODE_META)
		list_meta(&listing);
	listing_reply(&listing);
}
