/*
 * msg.h: what nodes say to each other, in host order. src/wire turns it into bytes, src/core gives it its meaning.
 *
 * Every message is one fixed set of fields and an optional payload; a type uses the fields that its comment names. The
 * same struct carries the requests of local programs to the core, so that a request that only has to travel is not
 * translated.
 */
#ifndef NETMEM_MSG_MSG_H
#define NETMEM_MSG_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "limits.h"

#define PROTOCOL_VERSION 6

/* A page's mode at a node, in growing order of what the node may do. */
enum page_mode { PAGE_INVALID = 0, PAGE_SHARED = 1, PAGE_EXCLUSIVE = 2 };

enum msg_type {
	/* Sessions. */
	MSG_HELLO = 1, /* number (0: new), cluster (0: any), payload "NAME\0ADDRESS\0" */
	MSG_WELCOME,   /* number: the answerer's, size: the receiver's own, low: the directory's, cluster, cookie: the epoch,
	                  payload "NAME\0DIRECTORY_ADDRESS\0" and a "NUMBER NAME ADDRESS\n" for each other member */
	MSG_REFUSED,   /* payload: the reason, one line; the sender closes */
	MSG_PING,
	MSG_LEAVE,     /* the sender goes away in good order; number */

	/* Requests that a MSG_REPLY with the same req answers. To the directory: */
	MSG_INSERT, /* obj, dir, payload NAME; of an object also cookie: its first file, whose name in it is `memory`
	               -> with -EEXIST obj: what has the name */
	MSG_LOOKUP, /* dir, payload NAME -> obj; the node may keep the name until it is recalled */
	MSG_REMOVE, /* dir, payload NAME, obj (0: whatever has the name); flags REQUEST_ALL: of an object with other files than
	               `memory` too */
	MSG_RENAME, /* dir, to_dir, flags REQUEST_NOREPLACE, payload "OLD\0NEW\0"; a file replaces one of its object */
	MSG_LIST,   /* dir, cookie (0: from the start), flags REQUEST_KEEP: the node keeps the list and is told of each change
	               -> payload of records "COOKIE OBJ NAME\0", numbers in decimal; COOKIE goes on after that name; an empty
	               payload is the end */
	/* To an object's home: */
	MSG_CREATE,  /* attr -> obj: a new object without a name, cookie: its first file; or obj: the object, a file of which is
	                made -> obj */
	MSG_CLAIM,   /* obj: a file, attr -> attr: who makes it is the first; -EEXIST: it was opened or resized */
	MSG_GETATTR, /* obj -> attr, flags ATTR_KEEP */
	MSG_SETATTR, /* obj, seg, flags SETATTR_*, attr, size -> attr, flags ATTR_KEEP; with SETATTR_SIZE as SETSIZE */
	MSG_STATUS,  /* obj -> payload: the text of the status file */
	MSG_CONTROL, /* obj, payload: the text written */
	MSG_OPEN,    /* obj, seg, mode (INVALID: not its bytes), flags REQUEST_KEEP (no program has it open, so that it does
	                not end by that): the node has it open from now on
	                -> attr, flags ATTR_KEEP, OPEN_LINGERS */
	MSG_OWN,     /* obj, cookie: the end that its life is tied to, attr.uid: who wants that */
	MSG_POST,    /* obj, flags POST_*, cookie: the end that does not get it */
	MSG_SYNC,    /* obj, seg: answered once all that came before it is in the store */
	MSG_REPLY,   /* req, error, and what the request says; of a change of size also size, low, cookie */

	/* To an object's home, not answered, except a PUT with flags PUT_GROWS. */
	MSG_CLOSE,     /* obj, flags REQUEST_KEEP: as in OPEN; the node has it open no more and holds none of its pages */
	MSG_DISOWN,    /* obj, cookie: the end that was its owner is no more */
	MSG_DOWNGRADE, /* obj, seg: all that the node holds exclusive it now holds shared */
	MSG_PUT,       /* obj, seg, page, offset in it, attr.mtime_ns, payload: bytes of pages that the node holds exclusive.
	                  PUT_GROWS: req, size: the segment is at least that long from now on -> as a change of size.
	                  PUT_OVER: of the payload the first `size` bytes belong at the offset. What follows is the page from its
	                  start, which may have been there before them or after: over them goes what has changed in it */
	MSG_LINK,      /* directory to home: obj, flags LINK_*: how it is named; of a file payload NAME */
	MSG_GONE,      /* home to directory: obj is no more, forget its name; with flags REQUEST_KEEP: it is, say by LINK how it is
	                  named */

	/* Pages, in runs of count. */
	MSG_GET,      /* node to home: req of the first page, counting up, obj, seg, page, count, mode, flags GET_* */
	MSG_GRANT,    /* home to node: req, as in GET, error, obj, seg, page, count, mode, payload unless GRANT_ZERO or GET_BLIND */
	MSG_RECALL,   /* home to node: obj, seg, page, count, mode: hold them no higher than this; flags REQUEST_ALL: for one use of
	                 several pages, which is over soon */
	MSG_RECALLED, /* node to home: obj, seg, page, count, mode: held no higher than this */

	/* Sizes, attributes and names: what a node keeps of them is recalled and shown like pages. */
	MSG_SIZE,          /* home to node: obj, seg, size, low, cookie, flags SIZE_REVOKED, SIZE_SITS: drop what lies past low,
	                      show the kernel the size */
	MSG_SIZED,         /* node to home: obj, seg, cookie: done */
	MSG_ATTR_RECALL,   /* home to node: obj, mode INVALID: forget the attributes; SHARED: somebody asks for them; flags
	                      REQUEST_ALL: of an object and all its files */
	MSG_ATTR_RECALLED, /* node to home: obj, mode EXCLUSIVE: programs there have it open for writing; SHARED: for reading,
	                      and none will write without asking first; INVALID: none has it open */
	MSG_REAP,          /* home to node: obj: from now on it is not kept open without a program that has it open */
	MSG_NAME_RECALL,   /* directory to node: dir, payload NAME: forget what has this name; "": all names of dir, for ever */
	MSG_NAME_RECALLED, /* node to directory: dir, payload NAME */
	MSG_NAME,          /* directory to node that keeps the list: dir, obj (0: none), cookie, payload NAME */

	/* Home to node. */
	MSG_SIGNAL, /* obj, flags POST_*, number and cookie: the node and its end that posted it */

	/* To an object's home, answered by a MSG_REPLY. */
	MSG_UPGRADE, /* req, obj, seg, page, count: which the node holds shared -> payload: a bit for each, from the lowest of the first
	                byte on, set where it holds the page exclusive from now on: no other node holds it */

	/*
	 * Local requests only, never on the wire. Attributes in an answer about a segment are for the kernel: its size is what
	 * the kernel may be told now. seg is SEG_NONE where the answer is not about a segment.
	 */
	REQ_LOOKUP,  /* dir, payload NAME -> obj, attr */
	REQ_LIST,    /* dir, cookie -> payload of records, see MSG_LIST */
	REQ_MKDIR,   /* dir, attr, payload NAME -> obj, attr, cookie: its file `memory` */
	REQ_CREATE,  /* dir: an object, attr, payload NAME -> obj: a new file, attr; also `memory` that nobody has used yet */
	REQ_REMOVE,  /* dir, payload NAME, obj, flags REQUEST_ALL */
	REQ_RENAME,  /* dir, to_dir, flags REQUEST_NOREPLACE, payload "OLD\0NEW\0" */
	REQ_GETATTR, /* obj, seg -> attr */
	REQ_SETATTR, /* obj, seg, flags SETATTR_*, attr, size -> attr */
	REQ_STATUS,  /* obj -> payload */
	REQ_CONTROL, /* obj, payload */
	REQ_SYNC,    /* obj, seg */
	REQ_OPEN,    /* obj, seg, mode: PAGE_INVALID for a directory or text file, else SHARED or EXCLUSIVE -> attr */
	REQ_RELEASE, /* obj, seg, mode: as in the REQ_OPEN that it ends */
	REQ_READ,    /* obj, seg, page, count, flags REQUEST_ALL: all of them are needed, none is read ahead
	                -> payload of whole pages */
	REQ_WRITE,   /* obj, seg, page, offset, payload, flags WRITE_BACK -> count: bytes that were written, 0: all */
	REQ_INFO,    /* payload: "nodes", "status" or "metrics" -> payload: text */
	/* On an end, which is an open file of NAME/signal. */
	REQ_END_OPEN,  /* obj, flags END_READS -> cookie: the end, attr; does what REQ_OPEN with PAGE_INVALID does, too */
	REQ_END_CLOSE, /* cookie */
	REQ_END_READ,  /* cookie, count, flags END_NONBLOCK -> count: so many signals were pending and are taken */
	REQ_END_POST,  /* cookie, flags POST_* */
	REQ_END_OWN,   /* cookie, attr.uid: the program's */
	REQ_END_POLL,  /* cookie -> flags END_READABLE, END_CUT; one ACT_WAKE says when that is worth asking again */
	MSG_TYPES
};

/* What a message is about: a file's bytes, and with them its size; or none. */
#define SEG_MEMORY 0u
#define SEG_NONE UINT32_MAX

/* Directories: two of objects; an object's id: that of its files. */
#define DIR_ROOT UINT64_C(0)
#define DIR_UNNAMED UINT64_C(1)

enum {
	REQUEST_NOREPLACE = 1 << 0,
	REQUEST_KEEP = 1 << 1,
	SETATTR_MODE = 1 << 2,
	SETATTR_UID = 1 << 3,
	SETATTR_GID = 1 << 4,
	SETATTR_MTIME = 1 << 5,
	SETATTR_SIZE = 1 << 6,
	WRITE_BACK = 1 << 7, /* from the kernel's cache, not from a program's write() */
	GRANT_ZERO = 1 << 8, /* the pages were never written */
	SIZE_REVOKED = 1 << 9,
	LINK_NAMED = 1 << 10,
	LINK_UNNAMED = 1 << 11,
	LINK_NONE = 1 << 12,
	POST_OWNER = 1 << 13, /* to the owner's end only */
	POST_USERS = 1 << 14, /* to all but the owner's end */
	POST_ONCE = 1 << 15,  /* not where one is pending already */
	END_READS = 1 << 16,
	END_NONBLOCK = 1 << 17,
	END_READABLE = 1 << 18,
	END_CUT = 1 << 19,
	ATTR_KEEP = 1 << 20,    /* the node may answer with these attributes until they are recalled */
	OPEN_LINGERS = 1 << 21, /* the node may keep it open when its last program has closed it, until MSG_REAP */
	PUT_GROWS = 1 << 22,
	GET_PAST_END = 1 << 23, /* for a write that makes the segment longer */
	SIZE_SITS = 1 << 24,    /* a growing PUT of the node is answered after this */
	SETATTR_ATIME = 1 << 25,
	REQUEST_ALL = 1 << 26,
	LINK_REPLACED = 1 << 27, /* besides LINK_NONE: another file has taken its name */
	GET_AHEAD = 1 << 28,     /* not all are needed: -EAGAIN for all where another node uses one of them */
	GET_BLIND = 1 << 29,     /* all of it is about to be overwritten: bytes are not needed, and do not come */
	PUT_OVER = 1 << 30,
	MSG_FLAGS = INT32_MAX
};

/* What an error in a message may be: Linux has none beyond, and a kernel refuses to be told one. */
#define ERRNO_MAX 133

/*
 * In attr.mode, said by the home: the object's life is tied to an end; nobody has opened or resized the file yet; it has no
 * name any more.
 */
#define OBJECT_OWNED (1u << 16)
#define OBJECT_FRESH (1u << 17)
#define OBJECT_REMAINS (1u << 18)

/* What all nodes agree on about an object. Times in ns since 1970, before that negative. */
struct object_attr {
	uint32_t mode; /* permission bits as the node that asks is to see them, and OBJECT_* */
	uint32_t uid;
	uint32_t gid;
	uint64_t size_bytes;
	uint64_t used_bytes; /* of memory at the home */
	uint64_t atime_ns;
	uint64_t mtime_ns;
	uint64_t ctime_ns;
};

/* The bytes behind a message: none, memory borrowed until the step's actions are done, or pages of the store. */
enum payload_kind { PAYLOAD_NONE, PAYLOAD_BYTES, PAYLOAD_STORE };

struct payload {
	enum payload_kind kind;
	uint32_t length_bytes;
	const void *bytes; /* PAYLOAD_STORE: NULL, the message's obj, seg, page and count say which pages */
};

struct msg {
	uint8_t type;
	uint8_t mode;
	uint32_t flags;
	int32_t error; /* 0 or a negative errno of Linux */
	uint32_t req;
	uint32_t epoch;
	uint32_t number;
	uint64_t cluster;
	uint64_t dir; /* in answers with attributes: of a file, its object */
	uint64_t to_dir;
	uint64_t obj; /* an object or one of its files, which have ids of their own */
	uint32_t seg;
	uint32_t count;
	uint64_t page;
	uint32_t offset;
	uint64_t size;
	uint64_t low;
	uint64_t cookie;
	struct object_attr attr;
	struct payload payload;
};

/* An object's id: the number of its home above, a count below. It is never used twice in a cluster's life. */
#define OBJECT_COUNT_BITS 40
static inline uint32_t object_home(uint64_t obj)
{
	return (uint32_t)(obj >> OBJECT_COUNT_BITS);
}

/* "GRANT", "PUT", ...; "?" for an unknown type. */
const char *msg_type_name(unsigned type);

/* Whether a peer may send this type at all. */
bool msg_type_on_wire(unsigned type);

/* One readable line about `msg` without a newline, for traces and logs. Returns buffer. */
char *msg_print(const struct msg *msg, char *buffer, size_t size_bytes);

#endif
