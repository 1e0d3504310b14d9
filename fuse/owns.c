/*
 * owns.c: handles of our own, and the answers to the threads that use them.
 *
 * The kernel caches the names .netmem and .self for good. So the only directory lock on the way to a handle is that of
 * .self, which nobody else takes (K13). A handle is an O_PATH one: that needs no permission, and no request but the
 * lookup. For the barrier it has to be readable (K4).
 *
 * The answer to a lookup carries attributes, among them a size, and nobody here knows which one the kernel has. But the
 * kernel ignores attributes if the inode's were changed since it asked. Invalidating the attributes alone is such a
 * change, and waits for nothing.
 */
#include "fuse/owns.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <uthash.h>

#include "base/check.h"
#include "fuse/inode.h"

struct own {
	struct owns *owns;
	uint64_t obj;
	int fd; /* -1: not open */
	int error; /* why not */
	bool reads;
	unsigned users;
	bool opening;
	bool unwanted; /* close it when the last user is done */
	UT_hash_handle hh;
};

struct thread {
	atomic_int id;
	const struct own *own; /* what it is telling the size of, or NULL */
	off_t from;
	off_t to;
	const atomic_bool *taken_back;
};

struct owns {
	struct fuse_session *session;
	char path[PATH_MAX];
	void *hole; /* a page that cannot be read */

	pthread_mutex_t lock;
	pthread_cond_t opened;
	struct own *owns;

	pthread_mutex_t telling; /* what threads tell */
	struct thread threads[OWNS_THREADS_MAX];
	atomic_uint threads_count;
};

static _Thread_local struct thread *self;

int owns_new(struct owns **owns)
{
	struct owns *new = calloc(1, sizeof(*new));

	if (!new)
		return -ENOMEM;
	new->hole = mmap(NULL, PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (new->hole == MAP_FAILED) {
		free(new);
		return -ENOMEM;
	}
	pthread_mutex_init(&new->lock, NULL);
	pthread_mutex_init(&new->telling, NULL);
	pthread_cond_init(&new->opened, NULL);
	*owns = new;
	return 0;
}

void owns_free(struct owns *owns)
{
	struct own *own;
	struct own *after;

	if (!owns)
		return;
	HASH_ITER(hh, owns->owns, own, after) {
		HASH_DEL(owns->owns, own);
		if (own->fd >= 0)
			close(own->fd);
		free(own);
	}
	pthread_cond_destroy(&owns->opened);
	pthread_mutex_destroy(&owns->telling);
	pthread_mutex_destroy(&owns->lock);
	munmap(owns->hole, PAGE_BYTES);
	free(owns);
}

void owns_start(struct owns *owns, struct fuse_session *session, const char *path)
{
	CHECK(strlen(path) < sizeof(owns->path));
	strcpy(owns->path, path);
	owns->session = session;
}

/* --- handles ------------------------------------------------------------------------------------------------------ */

void owns_enter(struct owns *owns)
{
	unsigned index = atomic_fetch_add(&owns->threads_count, 1);

	CHECK(index < OWNS_THREADS_MAX);
	self = &owns->threads[index];
	atomic_store(&self->id, (int)syscall(SYS_gettid));
}

/* Called without the lock. */
static void open_file(struct own *own)
{
	const struct owns *owns = own->owns;
	char path[PATH_MAX + 64];
	int flags = O_CLOEXEC | O_NOFOLLOW;

	snprintf(path, sizeof(path), "%s/.netmem/.self/%" PRIu64, owns->path, own->obj);
	own->reads = true;
	own->fd = open(path, flags | O_RDONLY);
	if (own->fd < 0 && errno == EACCES) {
		own->reads = false;
		own->fd = open(path, flags | O_PATH);
	}
	own->error = own->fd < 0 ? errno : 0;
	if (own->fd >= 0 && own->reads)
		posix_fadvise(own->fd, 0, 0, POSIX_FADV_RANDOM);
}

/* Called with the lock, which is let go of meanwhile. */
static void close_file(struct own *own)
{
	struct owns *owns = own->owns;

	HASH_DEL(owns->owns, own);
	pthread_mutex_unlock(&owns->lock);
	if (own->fd >= 0)
		close(own->fd);
	free(own);
	pthread_mutex_lock(&owns->lock);
}

/* Called with the lock, which is let go of meanwhile. Counts the caller as a user; NULL if there is no memory. */
static struct own *add_file(struct owns *owns, uint64_t obj)
{
	struct own *own = calloc(1, sizeof(*own));

	if (!own)
		return NULL;
	own->owns = owns;
	own->obj = obj;
	own->opening = true;
	own->users = 1;
	HASH_ADD(hh, owns->owns, obj, sizeof(own->obj), own);
	pthread_mutex_unlock(&owns->lock);
	open_file(own);
	pthread_mutex_lock(&owns->lock);
	own->opening = false;
	pthread_cond_broadcast(&owns->opened);
	return own;
}

/* Called with the lock. */
static void put_file(struct own *own)
{
	own->users--;
	if (!own->users && (own->unwanted || own->fd < 0))
		close_file(own);
}

struct own *own_get(struct owns *owns, uint64_t obj)
{
	struct own *own;
	int error;

	pthread_mutex_lock(&owns->lock);
	HASH_FIND(hh, owns->owns, &obj, sizeof(obj), own);
	if (own)
		own->users++;
	else
		own = add_file(owns, obj);
	while (own && own->opening)
		pthread_cond_wait(&owns->opened, &owns->lock);
	error = own ? own->error : ENOMEM;
	if (own && error) {
		put_file(own);
		own = NULL;
	}
	pthread_mutex_unlock(&owns->lock);
	errno = error;
	return own;
}

void own_put(struct own *own)
{
	struct owns *owns = own->owns;

	pthread_mutex_lock(&owns->lock);
	put_file(own);
	pthread_mutex_unlock(&owns->lock);
}

bool owns_has(struct owns *owns, uint64_t obj)
{
	struct own *own;

	pthread_mutex_lock(&owns->lock);
	HASH_FIND(hh, owns->owns, &obj, sizeof(obj), own);
	pthread_mutex_unlock(&owns->lock);
	return own != NULL;
}

void owns_close(struct owns *owns, uint64_t obj)
{
	struct own *own;

	pthread_mutex_lock(&owns->lock);
	HASH_FIND(hh, owns->owns, &obj, sizeof(obj), own);
	if (own && own->users)
		own->unwanted = true;
	else if (own)
		close_file(own);
	pthread_mutex_unlock(&owns->lock);
}

int own_fd(const struct own *own)
{
	return own->reads ? own->fd : -1;
}

/* --- sizes -------------------------------------------------------------------------------------------------------- */

static struct timespec time_of(const struct statx_timestamp *stamp)
{
	return (struct timespec){ .tv_sec = stamp->tv_sec, .tv_nsec = stamp->tv_nsec };
}

int own_look(const struct own *own, struct stat *st)
{
	struct statx seen;

	if (statx(own->fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &seen))
		return -errno;
	memset(st, 0, sizeof(*st));
	st->st_ino = seen.stx_ino;
	st->st_mode = seen.stx_mode;
	st->st_nlink = seen.stx_nlink;
	st->st_uid = seen.stx_uid;
	st->st_gid = seen.stx_gid;
	st->st_size = (off_t)seen.stx_size;
	st->st_blksize = (blksize_t)seen.stx_blksize;
	st->st_blocks = (blkcnt_t)seen.stx_blocks;
	st->st_atim = time_of(&seen.stx_atime);
	st->st_mtim = time_of(&seen.stx_mtime);
	st->st_ctim = time_of(&seen.stx_ctime);
	return 0;
}

void own_tell(const struct own *own, off_t from, off_t to, const atomic_bool *taken_back)
{
	struct statx asked;
	int result;

	pthread_mutex_lock(&own->owns->telling);
	self->own = own;
	self->from = from;
	self->to = to;
	self->taken_back = taken_back;
	pthread_mutex_unlock(&own->owns->telling);
	result = statx(own->fd, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &asked);
	(void)result; /* what has come of it is seen by looking */
	pthread_mutex_lock(&own->owns->telling);
	self->own = NULL;
	pthread_mutex_unlock(&own->owns->telling);
}

/* Setting the time of the last access takes the lock even when it is refused, as it is here. */
void own_wait_for_lock(const struct own *own)
{
	static const struct timespec times[2] = { { .tv_nsec = UTIME_NOW }, { .tv_nsec = UTIME_OMIT } };
	int result = utimensat(own->fd, "", times, AT_EMPTY_PATH);

	(void)result;
}

/*
 * FUSE_NOTIFY_STORE of the last byte (K22), from memory that cannot be read: the kernel raises the size first, and then
 * finds no byte to store. A real one might overwrite what a program has stored there meanwhile.
 */
void own_grow(const struct own *own, uint64_t size_bytes)
{
	struct fuse_notify_store_out store = { .nodeid = inode_of(own->obj, KIND_FILE), .offset = size_bytes - 1,
	                                       .size = 1 };
	struct fuse_out_header header = { .len = sizeof(header) + sizeof(store) + store.size, .error = FUSE_NOTIFY_STORE };
	struct iovec parts[] = {
		{ .iov_base = &header, .iov_len = sizeof(header) },
		{ .iov_base = &store, .iov_len = sizeof(store) },
		{ .iov_base = own->owns->hole, .iov_len = store.size },
	};
	ssize_t written = writev(fuse_session_fd(own->owns->session), parts, sizeof(parts) / sizeof(parts[0]));

	(void)written; /* EFAULT; what has come of it is seen by looking */
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static const struct thread *find_thread(const struct owns *owns, pid_t id)
{
	unsigned count = atomic_load_explicit(&owns->threads_count, memory_order_relaxed);

	for (unsigned i = 0; i < count; i++) {
		if (atomic_load_explicit(&owns->threads[i].id, memory_order_relaxed) == (int)id)
			return &owns->threads[i];
	}
	return NULL;
}

bool owns_is(const struct owns *owns, pid_t thread)
{
	return find_thread(owns, thread) != NULL;
}

/*
 * If the kernel has asked for attributes of this inode already, it ignores the answer from now on. 0, or -ENOENT: it does
 * not know the inode. This can wait only for the end of an inode that nobody uses any more.
 */
static int spoil_answer(const struct owns *owns, fuse_ino_t ino)
{
	return fuse_lowlevel_notify_inval_inode(owns->session, ino, -1, 0);
}

static const struct stat ignored = { .st_mode = S_IFREG, .st_nlink = 1, .st_blksize = PAGE_BYTES };

void owns_answer_lookup(struct owns *owns, fuse_req_t req, const char *name)
{
	struct fuse_entry_param entry = { .attr = ignored };
	char *end;
	uint64_t obj = strtoull(name, &end, 10);

	entry.ino = entry.attr.st_ino = inode_of(obj, KIND_FILE);
	if (*end || !inode_is_object(entry.ino) || spoil_answer(owns, entry.ino))
		fuse_reply_err(req, ENOENT);
	else
		fuse_reply_entry(req, &entry);
}

/*
 * Fills in what the kernel is to have from now on. It has asked already, so it ignores the answer if its size changes
 * between this look and the answer.
 */
static bool is_told(struct owns *owns, const struct thread *thread, struct stat *st)
{
	bool told;

	CHECK(thread);
	pthread_mutex_lock(&owns->telling);
	told = thread->own && !atomic_load(thread->taken_back) && !own_look(thread->own, st) && st->st_size == thread->from;
	if (told)
		st->st_size = thread->to;
	pthread_mutex_unlock(&owns->telling);
	return told;
}

void owns_answer_getattr(struct owns *owns, fuse_req_t req, fuse_ino_t ino)
{
	struct stat st = ignored;

	st.st_ino = ino;
	if (is_told(owns, find_thread(owns, fuse_req_ctx(req)->pid), &st) || !spoil_answer(owns, ino))
		fuse_reply_attr(req, &st, 0);
	else
		fuse_reply_err(req, ENOENT);
}

void owns_answer_setattr(fuse_req_t req)
{
	fuse_reply_err(req, EPERM);
}
