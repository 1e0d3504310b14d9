/*
 * kernel.h: a model of what one node's kernel does with the files of a FUSE mount (DESIGN.md section 5).
 *
 * Modelled: pages with lock, dirty, write-back under way; the inode lock; i_size with the attribute versions that make
 * the kernel ignore late answers; FUSE_NOWRITE; notifications from threads that may block; faults that retry; silent
 * eviction; a flusher. Old kernels (before 6.16) write back through temporary pages.
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
	struct object *object;
	uint64_t size_bytes;
	uint64_t attr_version;
	struct page pages[OBJECT_PAGES];
	struct waitq wait;        /* woken by any change of any page or lock of this inode */
	unsigned readers;         /* handles */
	unsigned writers;
	unsigned writebacks;      /* FUSE_WRITEs sent */
	struct request *queued;   /* write-backs held by FUSE_NOWRITE */
	uint64_t activity;        /* counts loads and stores, so that the background rests when they do */
	bool locked;              /* i_rwsem */
	bool nowrite;
	bool size_unstable;
};

/* One FUSE request, or one that the daemon makes of it. */
struct request {
	uint64_t token;
	struct node *node;
	struct inode *inode;
	unsigned page;
	struct request *next;    /* queued */
	struct waitq wait;
	uint64_t sent_ns;
	uint32_t generation;     /* of the link to the home at the time of the answer */
	bool sent, raised, done, interrupted; /* raised: the daemon has it */
	void (*on_reply)(struct request *request);
	/* What is asked. */
	struct msg msg;
	char text[64];
	uint32_t text_bytes;
	bool data;
	uint8_t first, count;    /* blocks of `words` that are written */
	uint64_t words[PAGE_WORDS];
	/* What came back. */
	int error;
	uint64_t obj, cookie;
	uint32_t reply_count, flags;
	struct object_attr attr;
	uint64_t reply_words[PAGE_WORDS];
};

struct thread; /* of a program; see programs.h */

struct file {
	struct inode *inode;
	bool writable;
	bool open;
};

struct inode *kernel_inode(struct node *node, struct object *object);

/* Sends, waits, and returns the error. `thread` may be NULL: then it cannot be killed. */
struct request *kernel_request_new(struct node *node, const struct msg *msg);
void kernel_request_text(struct request *request, const char *text, uint32_t bytes);
int kernel_call(struct request *request, struct thread *thread);
/* The daemon's answer, from node.c. */
void kernel_answer(struct request *request, const struct msg *reply);

/* stat(2) by name: the object's inode, with its size brought up to date. -ENOENT, ... */
int kernel_lookup(struct node *node, enum name_dir dir, const char *name, struct thread *thread, struct inode **inode);
int kernel_getattr(struct inode *inode, struct thread *thread, uint64_t *size_bytes);
int kernel_open(struct inode *inode, bool writable, struct thread *thread, struct file *file);
void kernel_close(struct file *file);
int kernel_load(struct inode *inode, unsigned page, unsigned word, struct thread *thread, uint64_t *value);
int kernel_store(struct inode *inode, unsigned page, unsigned word, uint64_t value, struct thread *thread);
int kernel_add(struct inode *inode, unsigned page, unsigned word, struct thread *thread);
/* Words first .. first + count - 1 of a page. The number of words read or written. */
int kernel_read(struct inode *inode, unsigned page, unsigned first, unsigned count, struct thread *thread);
int kernel_write(struct inode *inode, unsigned page, unsigned first, unsigned count, struct thread *thread);
int kernel_truncate(struct inode *inode, uint64_t size_bytes, struct thread *thread);
int kernel_fsync(struct inode *inode, struct thread *thread);

/* What the daemon's notifier thread does for an ACT_INVALIDATE: pages first .. last, or only the size. */
void kernel_notify(struct inode *inode, unsigned first, unsigned last, bool size_check);

/* Background: a flusher and an evictor, one task. */
void kernel_background(struct node *node);

/* Whether what this kernel holds of the page is outside of any session, see checker.h. */
bool kernel_page_exempt(const struct inode *inode, const struct page *page);

#endif
