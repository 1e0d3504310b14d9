/*
 * private.h: the home, inside.
 *
 *   home.c    objects: life, status, control, messages
 *   attrs.c   attributes, and the nodes that keep them
 *   pages.c   the page directory of a segment: GET, RECALL, GRANT, PUT
 *   sweep.c   what concerns all pages of a segment: truncate, loss, the books
 *   sizes.c   a segment's size on all nodes; revoke
 *   owner.c   objects that are tied to an open file, and which nodes may open them
 */
#ifndef NETMEM_CORE_HOME_PRIVATE_H
#define NETMEM_CORE_HOME_PRIVATE_H

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "base/page_table.h"
#include "core/home/home.h"

enum {
	PAGE_DATA = 1 << 0,     /* in the store */
	PAGE_PROMISED = 1 << 1, /* counted against the store, nothing written yet */
	PAGE_LOST = 1 << 2,     /* the only current copy died with its node */
	PAGE_BUSY = 1 << 3      /* it has a transaction */
};

/*
 * A page at its home. `mode` and `holders` say who may have it cached; a transaction exists while somebody waits.
 *
 *   INVALID (no holder) --GET shared--> SHARED (1..n holders) --GET exclusive, all others recalled--> EXCLUSIVE (one)
 *   any --RECALLED, CLOSE, node lost--> one holder less;   EXCLUSIVE --DOWNGRADE--> SHARED
 *   EXCLUSIVE --node lost--> INVALID + LOST (unless the object reverts)
 */
struct page {
	node_set holders;
	uint32_t granted; /* the last time, see short_time() */
	uint8_t mode;
	uint8_t flags;
};

/*
 * Who waits for a page, first come first served; but who has too much queued for it already does not keep others waiting:
 *
 *   its turn --EV_FULL is in force--> stalled --EV_ROOM, and its turn in asker.stalled--> its turn
 */
struct waiter {
	struct list link;
	struct list stall_link; /* in asker.stalled */
	struct transaction *transaction;
	struct asker *asker;
	uint32_t from;
	uint32_t req;
	enum page_mode mode;
	bool past_end;
	bool blind;
	bool bulk;  /* of several pages, all of which are used at once, and then no more */
};

struct transaction {
	struct list waiters;
	struct list recall_link; /* in home.page_recalls while recalled is not empty */
	node_set recalled;       /* holders that have not confirmed yet */
	uint64_t since_ns;
	uint64_t page;
	struct segment *segment;
	UT_hash_handle hh;
};

struct segment {
	struct object *object;
	uint32_t number;
	uint64_t size_bytes;
	struct page_table pages;
	struct transaction *transactions; /* by page */
	struct resize *resize; /* see sizes.c */
	uint64_t pages_data;
	uint64_t lost;
	uint64_t contended_ns, contended_until_ns; /* see contend() */
};

/*
 *   NEW --LINK named--> NAMED <--rename--> UNNAMED --remove--> REMOVED      any --revoke, owner gone--> REVOKED
 *
 * An object, or a file of one. A file ends when it is REMOVED or REVOKED and no node has it open; an object when its files have
 * ended besides. An UNNAMED object also ends, with its files, when its last user has gone, as netmemory(3) promises.
 */
enum object_state { OBJECT_NEW, OBJECT_NAMED, OBJECT_UNNAMED, OBJECT_REMOVED, OBJECT_REVOKED };

/* One entry of an access list. */
struct access {
	uint32_t number; /* of a node */
	uint32_t mode;   /* permission bits, of 0666 */
};

/* See attrs.c: requests about attributes, one at a time. */
struct turns {
	struct list queue;
	struct list recall_link; /* in home.turn_recalls while recalled is not empty */
	node_set recalled;       /* have not confirmed */
	node_set opened;         /* have said, in this turn, that a program has it open */
	uint64_t since_ns;
	bool busy;
};

struct object {
	struct home *home;
	uint64_t obj;
	struct object *parent; /* of a file: its object; NULL: it is one */
	struct list files;
	struct list file_link; /* in its object's files */
	char *name;            /* if it has one */
	uint32_t maker;        /* NEW: the node that is about to name it */
	uint64_t made_ns;
	struct list replaced_link; /* in home.replaced: it stays a little after its name has gone to another */
	uint64_t replaced_ns;
	enum object_state state;
	struct object_attr attr; /* but for size and use, which are the segment's */
	bool fresh;              /* a file that nobody has opened or resized */
	bool revert;
	bool used_once;
	bool revoking;           /* in home_revoke() */
	struct list revokers;    /* who waits until no node has anything of it and its files */
	node_set users;   /* have it open, or keep it open */
	node_set sharers; /* keep its attributes */
	node_set writers; /* may change its times without asking; no other node keeps attributes then */
	struct turns turns;
	uint32_t owner; /* the owner's node; 0: it has none */
	uint64_t owner_end;
	struct access *access; /* NULL: all nodes may open it */
	unsigned access_count;
	struct segment memory;
	uint64_t signals, faults, handoffs, bytes;
	UT_hash_handle hh;
};

/* A node that asks for pages. */
struct asker {
	uint32_t number; /* 0: free */
	uint32_t count;  /* of its requests that wait */
	bool full;
	struct list stalled;
};

struct home {
	struct bus *bus;
	struct object *objects; /* and files */
	unsigned files_count;   /* of them */
	uint64_t back_ns;       /* the directory was back, or a maker gone: what was NEW then is to be looked after; 0: nothing is */
	uint64_t next_object;
	uint64_t next_cookie;      /* of changes of size */
	struct list replaced;      /* files by replaced_ns */
	struct list page_recalls;  /* transactions by since_ns */
	struct list turn_recalls;  /* turns by since_ns */
	struct list resize_recalls; /* resizes by since_ns */
	struct asker askers[NODES_MAX];
	bool goes_on; /* there may be who is stalled and need not be any more */
};

static inline node_set one(const struct object *object, uint32_t number)
{
	return nodes_one(&object->home->bus->nodes, number);
}

static inline struct bus *bus_of(const struct segment *segment)
{
	return segment->object->home->bus;
}

/* What owner, access list, revert and revoke belong to. */
static inline struct object *whole_of(const struct object *object)
{
	return object->parent ? object->parent : (struct object *)object;
}

/* home.c */
/* From now on no node keeps it open without a program. */
void home_reap(const struct object *object);
/* Ends the files that were replaced before `until_ns`; whether there were any. */
bool home_end_replaced(struct home *home, uint64_t until_ns);
/* Ends it, and what it is a part of, if nothing keeps that any more; it is no more then. */
void home_settle(struct object *object);
/* An object with its files. Its name goes too. `from` is answered when no node has anything of it any more; 0: nobody waits. */
void home_revoke(struct object *object, uint32_t from, uint32_t req);
/* No node has anything of this part any more. */
void home_revoked(struct object *object);
/* Carries out what was written to its control file, once no node keeps attributes that may change by it. */
void home_control(struct object *object, uint32_t from, const struct msg *msg);
/* Answers with the text of its status file, once its users have said whether programs have it open. */
void home_status(const struct object *object, uint32_t from, uint32_t req);
/* Nodes that have it, or one of its files, open; that keep the attributes of any of these. */
node_set home_users(const struct object *object);
node_set home_sharers(const struct object *object);
void home_linked(struct object *object, const struct msg *msg);
void home_opened(struct object *object, uint32_t from, const struct msg *msg);
static inline bool object_dead(const struct object *object)
{
	return object->state == OBJECT_REVOKED;
}

/* attrs.c */
void attrs_init(struct object *object);
/* GETATTR, SETATTR, CLAIM, OPEN, OWN, DISOWN, LINK, CONTROL, STATUS: has its turn when no other node keeps what it changes. */
void attrs_request(struct object *object, uint32_t from, const struct msg *msg);
/* A directory's times follow what is done to the names in it. */
void attrs_touch(struct object *object);
void attrs_recalled(struct object *object, uint32_t from, const struct msg *msg);
/* May end the object. */
void attrs_forget_node(struct object *object, uint32_t number);
/* Whoever keeps them is told that they do not hold any more; nobody waits until all have heard it. */
void attrs_void(struct object *object);
void attrs_free(struct object *object);
/* The attributes as the node is to see them; adds ATTR_KEEP to the flags if it may keep them. */
void attrs_fill(struct object *object, uint32_t number, struct msg *fields);
void attrs_answer(struct object *object, uint32_t from, uint32_t req);
/* Strictly later than the last. */
void attrs_changed(struct object *object);
void attrs_tick(struct home *home);

/* pages.c */
void pages_get(struct segment *segment, uint32_t from, const struct msg *msg);
void pages_recalled(struct segment *segment, uint32_t from, const struct msg *msg);
/* Whether it was taken. */
bool pages_put(struct segment *segment, uint32_t from, const struct msg *msg);
void pages_advance(struct segment *segment, uint64_t page, struct page *entry);
void pages_tick(struct home *home);
void pages_upgrade(struct segment *segment, uint32_t from, const struct msg *msg);
void waiter_remove(struct waiter *waiter);
void askers_init(struct home *home);
void asker_full(struct home *home, uint32_t number, bool full);
void asker_forget(struct home *home, uint32_t number);
/* Some of who is not stalled any more; home.goes_on if there are others. */
void pages_go_on(struct home *home);
/* NULL if nobody waits for it. */
struct transaction *transaction_of(const struct segment *segment, uint64_t page, const struct page *entry);
void transaction_free(struct transaction *transaction, struct page *entry);
void holder_remove(struct home *home, struct page *entry, node_set holder);
void unpromise(struct home *home, struct page *entry);
void grant_error(const struct segment *segment, uint64_t page, const struct waiter *waiter, int error);

/* sweep.c */
void pages_downgrade(struct segment *segment, uint32_t from);
void pages_clear_lost(struct segment *segment);
/* The node holds and wants nothing of the segment any more; `died`: what it held exclusive is lost. */
void pages_forget_node(struct segment *segment, uint32_t number, bool died);
/* Drops all from `low` bytes on, with the tail of the page that it falls into, and goes on with who waits there. */
void pages_truncate(struct segment *segment, uint64_t low);
/* After revoke: those who wait get their error. */
void pages_wake_all(struct segment *segment);
void pages_free(struct segment *segment);
/* Adds what the segment takes of the store. */
bool pages_consistent(struct segment *segment, uint64_t *store_pages, char *why, size_t why_bytes);

/* sizes.c */
void sizes_set(struct segment *segment, uint32_t from, const struct msg *msg); /* a SETATTR with SETATTR_SIZE */
void sizes_put(struct segment *segment, uint32_t from, const struct msg *msg); /* a PUT with PUT_GROWS, whose bytes are in */
void sizes_early(struct segment *segment, uint64_t size_bytes); /* with BREAK_SIZE_EARLY only */
void sizes_revoke(struct segment *segment);
void sizes_confirmed(struct segment *segment, uint32_t from, uint64_t cookie);
void sizes_forget_node(struct segment *segment, uint32_t number);
/* Whether a page may not be granted now because a change of size drops it. */
bool sizes_block(const struct segment *segment, uint64_t page);
bool sizes_hold(struct segment *segment, uint32_t from, uint32_t req); /* a GETATTR: answered later */
void sizes_free(struct segment *segment);
void sizes_tick(struct home *home);

/* owner.c */
/* Whether the node may change the object's attributes and use its control. */
bool owner_permits(const struct object *object, uint32_t number);
int owner_open_error(const struct object *object, uint32_t number, enum page_mode mode);
uint32_t owner_mode(const struct object *object, uint32_t number); /* the mode as the node is to see it */
int owner_take(struct object *object, uint32_t number, const struct msg *msg);
/* The owner's end is no more, or its node. */
void owner_gone(struct object *object);
int owner_set_access(struct object *object, const char *text); /* "all" or the list */
const char *owner_access_text(const struct object *object);    /* begins with a space */

/* Requests that are answered together time out together: hangs up on all of `set`. */
static inline void hang_up_all(struct bus *bus, node_set set, const char *why)
{
	uint32_t number;

	for (unsigned at = 0; (number = nodes_next(&bus->nodes, set, &at));)
		bus_hang_up(bus, number, why);
}

#endif
