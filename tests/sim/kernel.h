/*
 * kernel.h: a model of what one node's kernel does with the files of a FUSE mount (DESIGN.md section 5).
 *
 *   kernel.c       inodes and requests
 *   kernel_size.c  what the kernel believes of a file: i_size, ctime, the versions of attributes (K15, K22)
 *   kernel_names.c names in directories: look-ups, create, unlink, rename
 *   kernel_io.c    the calls of programs: open, load, store, read(2), write(2)
 *   pagecache.c    pages with lock, dirty, write-back; invalidation, truncation, FUSE_NOWRITE, eviction, a flusher
 *
 * Names are not kept (entry timeout 0): each use of a path asks the daemon. Old kernels (before 6.16) write back through
 * temporary pages.
 *
 * All functions that take a thread must run in a task, and may block. Errors are negative errnos; -EFAULT is SIGBUS
 * past the end of the file.
 */
#ifndef NETMEM_SIM_KERNEL_H
#define NETMEM_SIM_KERNEL_H

#include "checker.h"

struct page {
	uint64_t words[PAGE_WORDS];
	uint32_t generation;   /* of the link to the home when the daemon answered */
	uint32_t incarnation;  /* another one each time it is dropped */
	uint16_t writebacks;   /* FUSE_WRITEs under way or queued */
	bool present;
	bool uptodate;
	bool dirty;
	uint32_t tickets, serving; /* the page lock */
	bool unmapped; /* by an invalidation that holds the lock */
	bool early;    /* filled by a write(2) that has not returned */
};

struct request;

struct inode {
	struct inode *next;
	struct node *node;
	struct segment *segment;
	uint64_t size_bytes;
	uint64_t ctime_ns;
	uint64_t attr_version;
	struct page pages[OBJECT_PAGES];
	struct waitq wait;        /* woken by any change of any page or lock of this inode */
	unsigned readers;         /* handles */
	unsigned writers;
	unsigned writebacks;      /* FUSE_WRITEs sent */
	unsigned reads_ahead;     /* FUSE_READs of several pages */
	struct request *queued;   /* write-backs held by FUSE_NOWRITE */
	uint64_t activity;        /* counts loads and stores, so that the background rests when they do */
	bool own_handle;          /* the daemon's, to show sizes with */
	bool locked;              /* i_rwsem */
	bool nowrite;
	bool size_unstable;
	uint64_t write_end;       /* of the write(2) under way, 0: none */
	bool truncating;          /* by a SETATTR under way */
	const struct size_mark *truncate_mark; /* from when it began */
	uint32_t resizes;         /* counts the beginnings and ends of those that change the size */
	struct told told;
};

/* One FUSE request, or one that the daemon makes of it. */
struct request {
	uint64_t token;
	struct node *node;
	struct inode *inode;
	unsigned page, pages;    /* of a write-back, or read ahead */
	struct request *next;    /* queued */
	struct waitq wait;
	uint64_t sent_ns;
	uint64_t version;        /* of attributes, when it was sent */
	uint64_t kernel_bytes;   /* the kernel's size when the daemon got it */
	uint32_t generation;     /* of the link to the home at the time of the answer */
	bool sent, raised, done, interrupted; /* raised: the daemon has it */
	void (*on_reply)(struct request *request);
	/* What is asked. */
	struct msg msg;
	char text[64];
	uint32_t text_bytes;
	bool data;
	uint8_t first;           /* word of the first page */
	uint32_t data_bytes;
	uint64_t words[OBJECT_PAGES * PAGE_WORDS]; /* of the pages that it is about */
	/* What came back. */
	int error;
	uint64_t obj, cookie, dir;
	uint32_t reply_count, flags;
	struct object_attr attr;
	uint64_t reply_words[OBJECT_PAGES * PAGE_WORDS];
	char *reply_text;
	uint32_t reply_bytes;
};

struct thread; /* of a program; see programs.h */

struct file {
	struct inode *inode;
	bool writable;
	bool open;
};

/*
 * Whether a call under way changes the size: a truncate, or a write(2) that extends the file, from its beginning or since
 * it was cut off meanwhile.
 */
static inline bool kernel_resizing(const struct inode *inode)
{
	return inode->truncating || (inode->write_end && (inode->size_unstable || inode->write_end > inode->size_bytes));
}

struct inode *kernel_inode(struct node *node, struct segment *segment);

/* Sends, waits, and returns the error. `thread` may be NULL: then it cannot be killed. */
struct request *kernel_request_new(struct node *node, const struct msg *msg);
struct request *kernel_inode_request(struct inode *inode, unsigned type);
void kernel_request_text(struct request *request, const char *text, uint32_t bytes);
int kernel_call(struct request *request, struct thread *thread);
/* The daemon's answer, from node.c. */
void kernel_answer(struct request *request, const struct msg *reply);

/* The path of an object: LOOKUP in a directory of objects. -ENOENT, ... */
int kernel_walk(struct node *node, uint64_t dir, const char *name, struct thread *thread, struct object **object);
/* LOOKUP of a file in an object: the kernel may believe another size of it after that. */
int kernel_lookup(struct node *node, struct object *object, unsigned file, struct thread *thread, struct inode **inode);
/* mknod; with `handle` open(O_CREAT | O_EXCL) for writing: it is open then, unless there is an error. */
int kernel_create(struct node *node, struct object *object, unsigned file, uint32_t mode, struct thread *thread,
                  struct inode **inode, struct file *handle);
/* `inode`: the file that was found under the name, if any. */
int kernel_unlink(struct node *node, struct object *object, unsigned file, struct inode *inode, struct thread *thread);
/* Within an object, flags REQUEST_NOREPLACE; `replaced`: the file that was found under the new name, if any. */
int kernel_rename(struct node *node, struct object *object, unsigned from, unsigned to, uint32_t flags,
                  struct inode *replaced, struct thread *thread);
/* While a kernel reads a directory nothing is created in it, and so on. */
void kernel_lock_dir(struct node *node, struct object *object, bool exclusive);
void kernel_unlock_dir(struct node *node, struct object *object, bool exclusive);
/* kernel_size.c: the thread may take its time between an answer with attributes and what it does with it. */
void kernel_attributes(struct inode *inode, const struct request *request);
void kernel_attributes_created(struct inode *inode, const struct object_attr *attr);
/* fstat(2). attr: what the program gets; may be NULL. */
int kernel_getattr(struct inode *inode, struct thread *thread, struct object_attr *attr);
/* stat(2) of the object's directory. */
int kernel_getattr_object(struct node *node, struct object *object, struct thread *thread);
/* chmod, utimes, truncate: flags SETATTR_*, mode, mtime and size from `attr`. */
int kernel_setattr(struct inode *inode, uint32_t flags, const struct object_attr *attr, struct thread *thread);
/* chmod, utimes of the object's directory. */
int kernel_setattr_object(struct node *node, struct object *object, uint32_t flags, const struct object_attr *attr,
                          struct thread *thread);
int kernel_truncate(struct inode *inode, uint64_t size_bytes, struct thread *thread);

int kernel_open(struct inode *inode, bool writable, struct thread *thread, struct file *file);
void kernel_close(struct file *file);
int kernel_load(struct inode *inode, unsigned page, unsigned word, struct thread *thread, uint64_t *value);
int kernel_store(struct inode *inode, unsigned page, unsigned word, uint64_t value, struct thread *thread);
int kernel_add(struct inode *inode, unsigned page, unsigned word, struct thread *thread);
/* The number of bytes read. `from` is the start of a block. */
int kernel_read(struct inode *inode, uint64_t from, uint64_t bytes, struct thread *thread);
/* The number of bytes written. The last block may be whole, or have 1 byte, or WORD_BYTES. */
int kernel_write(struct inode *inode, uint64_t from, uint64_t bytes, struct thread *thread);
/* The same at the end of the file, wherever that is when the lock is there (O_APPEND). */
int kernel_append(struct inode *inode, uint64_t bytes, struct thread *thread);
int kernel_fsync(struct inode *inode, struct thread *thread);

/* What the daemon's notifier threads do for an ACT_INVALIDATE: pages first .. last; and for an ACT_SHOW. */
void kernel_notify(struct inode *inode, unsigned first, unsigned last);
typedef void kernel_shown(void *context, uint64_t size_bytes);
/* Calls `shown` once, with what the kernel has; from then on it changes nothing. */
struct showing *kernel_show_new(struct node *node, uint64_t token, const struct show *show, kernel_shown *shown,
                                void *context);
void kernel_show(struct showing *showing);
void kernel_unshow(struct node *node, uint64_t token);

/* Background: a flusher and an evictor, one task. */
void kernel_background(struct node *node);

/* Whether what this kernel holds of the page is outside of any session, see checker.h. */
bool kernel_page_exempt(const struct inode *inode, const struct page *page);
/* Whether there is a session with the object's home, and which one. */
bool kernel_linked(const struct node *node, const struct object *object, uint32_t *generation);

#endif
