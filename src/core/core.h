/*
 * core.h: the protocol, pure. No clock, no sockets, no kernel: it takes one event with the time in it, and returns the
 * actions that follow from it, in the order in which they are to be carried out.
 *
 * The daemon and the simulator both drive it through src/run. A core is used by one thread at a time.
 */
#ifndef NETMEM_CORE_CORE_H
#define NETMEM_CORE_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "msg/msg.h"

struct core;

#define SLOT_SELF 0u /* connections are the slots 1 .. NODES_MAX - 1 */

enum event_type {
	EV_START,          /* once, first */
	EV_REQUEST,        /* token, msg: a local program wants something; exactly one ACT_REPLY will answer it */
	EV_INTERRUPT,      /* token: its program is being killed; the request is answered -EINTR if it still waits */
	EV_INVALIDATED,    /* token: of the ACT_INVALIDATE that the kernel has carried out */
	EV_SHOWN,          /* token: of the ACT_SHOW that was carried out; msg.size: what the kernel has */
	EV_PEEKED,         /* token: of the ACT_PEEK; msg.count: 1 if the kernel has the page, or may have it */
	EV_CONNECTED,      /* slot, token (of the ACT_CONNECT; 0: the peer connected to us) */
	EV_CONNECT_FAILED, /* token, error */
	EV_MESSAGE,        /* slot, msg */
	EV_FULL,           /* slot: much is queued for the peer, and it takes it slowly */
	EV_ROOM,           /* slot: not so much any more */
	EV_DISCONNECTED,   /* slot: also after an ACT_CLOSE */
	EV_TICK,           /* the time that core_deadline_ns() gave has come */
	EV_LEAVE           /* the mount is gone: tell the peers, then ACT_LEFT */
};

struct event {
	enum event_type type;
	uint64_t now_ns; /* monotonic */
	uint64_t token;
	uint32_t slot;
	int error;
	struct msg msg; /* its payload is borrowed for the step and its actions */
};

enum action_type {
	ACT_SEND,        /* slot, msg */
	ACT_REPLY,       /* token, msg: answers the EV_REQUEST; msg.error, msg.attr, msg.obj, msg.payload */
	ACT_INVALIDATE,  /* token, msg.obj, .seg, .page, .count (0: to the end): drop from the kernel's cache, then
	                    EV_INVALIDATED. Never carried out in the thread that serves requests */
	ACT_SHOW,        /* token, show: what the kernel believes about a segment's size, then EV_SHOWN; in the same threads */
	ACT_UNSHOW,      /* token: that show changes nothing any more; its EV_SHOWN comes as soon as that is certain */
	ACT_PEEK,        /* token, msg.obj, .seg, .page: is it in the kernel's cache? then EV_PEEKED */
	ACT_WAKE,        /* token: an end that was polled has got a signal, or is cut; not again before the next poll */
	ACT_STORE_WRITE, /* msg.obj, .seg, .page, .offset, .payload, .flags PUT_OVER: as in PUT, up to .low in the page */
	ACT_STORE_DROP,  /* msg.obj, .seg, .page, .count (0: to the end) */
	ACT_CONNECT,     /* token, text: an address */
	ACT_CLOSE,       /* slot; text: why. EV_DISCONNECTED follows in a later step */
	ACT_LOG,         /* level, text */
	ACT_READY,       /* the node is a member and sees the others: mount */
	ACT_FATAL,       /* text: the node cannot join, and why */
	ACT_LEFT         /* after EV_LEAVE: all is said */
};

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO };

/*
 * A kernel is to have this size. It keeps i_size itself (K15), so this is the only way in which it may change, but for the
 * answers to SETATTR and a local write(2) that extends the file.
 */
struct show {
	uint64_t obj;
	uint32_t seg;
	bool patient;          /* take some milliseconds over it: a local call may stand in the way until it ends */
	uint64_t size_bytes;
	uint64_t settle_ns;    /* not 0: a SETATTR was answered with this ctime; first wait until the kernel has it */
	bool lock;             /* first take the inode's lock, and so wait for answers to SETATTR: there is no handle but ours */
};

struct action {
	enum action_type type;
	uint32_t slot;
	uint64_t token;
	struct show show;
	enum log_level level;
	struct msg msg;
	const char *text;
};

/* Valid until the next core_step(). */
struct actions {
	struct action *items;
	size_t count;
};

/*
 * How the core may be broken on purpose, for tests that must fail then. The daemon accepts it in test builds only.
 */
enum {
	BREAK_EARLY_GRANT = 1 << 0,    /* grant before the last holder has confirmed */
	BREAK_NO_OPEN_FLUSH = 1 << 1,  /* keep shared pages over the first writable open */
	BREAK_RECALL_WAITS = 1 << 2,   /* a recall waits for a local request on the page */
	BREAK_NO_COHERENCE = 1 << 3,   /* grant everything at once, recall nothing */
	BREAK_OPEN_UNSHOWN = 1 << 4,   /* answer a first open without showing the kernel the size */
	BREAK_SIZE_EARLY = 1 << 5,     /* a size counts before the bytes of the write that caused it are at the home */
	BREAK_GROWER_UNTOLD = 1 << 6,  /* do not tell a node that grows a segment of the others' growth */
	BREAK_SHOW_UNCHECKED = 1 << 7, /* take a size for shown, whatever the kernel has */
	BREAK_SETATTR_UNSETTLED = 1 << 8, /* show a size while an answer to SETATTR may still change it */
	BREAK_ATTR_KEPT = 1 << 9,      /* do not recall attributes that nodes keep */
	BREAK_NAME_KEPT = 1 << 10,     /* do not recall names that nodes keep */
	BREAK_SHOW_KEPT = 1 << 11,     /* do not take a show back when something else changes the size */
	BREAK_PARTS_WAIT = 1 << 12,    /* a write of several pages waits though the pages that it keeps locked are to go */
	BREAK_REREAD_KEPT = 1 << 13,   /* put a write although its kernel may have read the page again since it copied it there */
	BREAK_RUNS_WHOLE = 1 << 14     /* do not split an invalidation around pages that a request has locked */
};

struct core_config {
	const char *node_name;    /* copied */
	const char *address;      /* that others reach this node at; "" if it does not listen; copied */
	const char *join;         /* a member's address, NULL: found a new cluster; copied */
	uint64_t cluster;         /* random, not 0: the id of the cluster to found */
	uint64_t store_pages_max; /* memory that this node gives */
	uint64_t timeout_ns;      /* silence after which a peer is dead */
	uint64_t quiet_ns;        /* QUIET_NS; other times are for the simulator */
	uint64_t wall_offset_ns;  /* add to now_ns for the time of day */
	unsigned breakage;        /* BREAK_* */
};

/* 0, -ENOMEM or -ENAMETOOLONG. */
int core_new(struct core **core, const struct core_config *config);
void core_free(struct core *core);

/* Takes one event; `actions` is filled with what follows. The order of the actions matters. */
void core_step(struct core *core, const struct event *event, struct actions *actions);

/* When EV_TICK is due next; UINT64_MAX: never. Changes with each step. */
uint64_t core_deadline_ns(const struct core *core);

/* The size of a segment that is open on this node, as its home ordered it last. False if it is not open. */
bool core_open_size(const struct core *core, uint64_t obj, uint32_t seg, uint64_t *size_bytes);

/* The size that this node's kernel has, or will have when the write(2) under way ends. False if nothing is known of it. */
bool core_told_size(const struct core *core, uint64_t obj, uint32_t seg, uint64_t *size_bytes);

/* Pages of the store in use or promised, for statfs. */
uint64_t core_store_pages(const struct core *core);

/* Own node number; 0 before it is a member. */
uint32_t core_node_number(const struct core *core);

/*
 * For the simulator and the tests: the mode in which this node believes to hold a page as far as its kernel may have it
 * cached; and as home, whether the books are in order (a message in `why` if not).
 */
enum page_mode core_page_mode(const struct core *core, uint64_t obj, uint32_t seg, uint64_t page);
bool core_consistent(const struct core *core, char *why, size_t why_bytes);

/* Requests not answered yet; 0 when all is done. */
size_t core_requests_open(const struct core *core);

#endif
