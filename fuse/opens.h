/*
 * opens.h: the handles that programs have, and the objects and files that they are handles of.
 */
#ifndef NETMEM_FUSE_OPENS_H
#define NETMEM_FUSE_OPENS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uthash.h>

#include "base/list.h"
#include "fuse/fuse.h"
#include "msg/msg.h"

enum handle_kind {
	HANDLE_FILE,
	HANDLE_OWN,     /* a notifier thread's on a file; the core knows nothing of it */
	HANDLE_CONTROL,
	HANDLE_SIGNAL,
	HANDLE_TEXT,    /* a snapshot: an object's status, or of .netmem */
	HANDLE_DIR
};

/* fi->fh of the kernel's open files is one of these. */
struct handle {
	struct list link;
	enum handle_kind kind;
	uint64_t ino;
	uint64_t obj;  /* the file (HANDLE_FILE, HANDLE_OWN), else the object; 0: of neither */
	enum page_mode mode; /* as in the REQ_OPEN; ops_open_object() sets it */
	bool opened;   /* the core counts it */
	int flags;     /* of open(), for files of an object */
	pid_t pid;     /* who opened it */

	/* HANDLE_SIGNAL */
	uint64_t end; /* its id at the core */
	struct fuse_pollhandle *poll; /* NULL: nobody has polled it */
	UT_hash_handle hh; /* by end, while `opened` */

	/* HANDLE_TEXT, HANDLE_CONTROL; HANDLE_DIR: records of a REQ_LIST; HANDLE_SIGNAL: a line without its end yet. */
	char *text;
	size_t text_bytes;
	uint64_t text_cookie; /* what the records were asked for with */
};

struct opens;

int opens_new(struct opens **opens);
/* Frees the handles that are left too. */
void opens_free(struct opens *opens);

/* NULL if there is no memory. */
struct handle *handle_new(struct opens *opens, enum handle_kind kind, uint64_t ino, pid_t pid);
void handle_free(struct handle *handle);

/* Takes a copy; 0 or -ENOMEM. */
int handle_set_text(struct handle *handle, const void *text, size_t text_bytes);

/* Adds a copy to the text; 0 or -ENOMEM. */
int handle_add_text(struct handle *handle, const void *text, size_t text_bytes);

/* The core has opened the object for this handle. 0 or -ENOMEM. */
int opens_add(struct opens *opens, struct handle *handle);

/* It is no longer open by it; true if that was the object's last. */
bool opens_remove(struct opens *opens, struct handle *handle);

/* The open signal file that the core knows by this end, or NULL. */
struct handle *opens_end(struct opens *opens, uint64_t end);

/* The objects that are open, in an array that the caller frees; 0 or -ENOMEM. */
int opens_objects(struct opens *opens, uint64_t **objs, size_t *count);

/* A handle that the core counts, or NULL. */
struct handle *opens_any(struct opens *opens);

/* Whether any handle has the object open. */
bool opens_has(struct opens *opens, uint64_t obj);

/* Whether a program has the file open for writing, so that the kernel may have dirty pages of it. */
bool opens_written(struct opens *opens, uint64_t obj);

/* The handle of the inode that this thread has opened; NULL if it is none, or not the only one. */
struct handle *opens_only(struct opens *opens, uint64_t ino, pid_t pid);

#endif
