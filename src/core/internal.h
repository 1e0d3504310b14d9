/*
 * internal.h: what the files of the core share. Each part exports functions named after itself:
 *
 *   core.c       one step: dispatch, actions, messages to oneself, requests that only travel (ops), texts
 *   session.c    connections, membership, heartbeats, epochs
 *   names.c      the directory service: name -> object, at node number 1
 *   home.c       objects that live here: attributes, users, lifetime, control
 *   pages.c      their page directory: GET, RECALL, GRANT
 *   resize.c     their size: truncate and revoke on all nodes
 *   owner.c      objects that are tied to an open file, and which nodes may open them
 *   agent.c      objects open on this node: opens, faults, writes, recalls
 *   drop.c       dropping pages from this node's kernel
 *   signal.c     signals between those who have an object open
 *
 * Parts never call another node's part directly: they send a message, also when the other node is this one.
 */
#ifndef NETMEM_CORE_INTERNAL_H
#define NETMEM_CORE_INTERNAL_H

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "base/check.h"
#include "base/list.h"
#include "core.h"
#include "page_table.h"

#define DIRECTORY_NUMBER 1u
#define NO_SLOT UINT32_MAX
#define PAGE_END UINT64_MAX  /* last page of "to the end" */
#define NO_LOW UINT64_MAX    /* a size change that drops nothing */

/* A set of slots. */
typedef uint64_t node_set;
_Static_assert(NODES_MAX <= 64, "a node_set has one bit for each slot");

static inline node_set node_bit(uint32_t slot)
{
	return UINT64_C(1) << slot;
}

/* --- sessions ------------------------------------------------------------------------------------------------ */

/*
 *          EV_CONNECTED              HELLO/WELCOME
 *   FREE ---------------> GREETING ----------------> UP
 *    ^                       |                        |
 *    |   EV_DISCONNECTED     v      our ACT_CLOSE     v
 *    +------------------- CLOSING <-------------------+        (also from GREETING and UP directly)
 */
enum session_state { SESSION_FREE, SESSION_GREETING, SESSION_UP, SESSION_CLOSING };

struct session {
	enum session_state state;
	bool outgoing;
	bool leaving; /* it said LEAVE */
	bool gone;    /* its connection has ended: nothing goes out any more */
	bool fenced;  /* silent for so long that this node gave up what it holds from there */
	uint32_t number;
	uint32_t epoch;
	uint64_t heard_ns;
	uint64_t sent_ns;
};

/* Another node as far as known, with or without a session. */
struct member {
	uint32_t number;
	uint32_t slot; /* NO_SLOT while there is none */
	uint64_t connect_token;
	uint64_t retry_ns;
	char name[NODE_NAME_BYTES];
	char address[ADDRESS_BYTES];
	UT_hash_handle hh;
};

/* Memory that lives until the next step. */
struct scratch {
	struct list link;
	_Alignas(16) unsigned char bytes[];
};

/* --- requests of local programs ------------------------------------------------------------------------------- */

struct op {
	uint64_t token; /* 0: answered already (interrupted), the rest of the work goes on without it */
	uint32_t req;
	uint32_t slot; /* of the node whose MSG_REPLY it waits for; NO_SLOT if it waits for something else */
	bool used;
	struct list link;  /* in an agent's queue */
	struct msg msg;    /* the request; its payload is gone after the step unless kept */
	struct scratch *kept;
};

/* --- home ------------------------------------------------------------------------------------------------------ */

enum link_state { LINK_STATE_NEW, LINK_STATE_NAMED, LINK_STATE_UNNAMED, LINK_STATE_NONE };

enum {
	HOME_PAGE_DATA = 1 << 0,     /* in the store */
	HOME_PAGE_PROMISED = 1 << 1, /* counted against the store, nothing written yet */
	HOME_PAGE_LOST = 1 << 2      /* the only current copy died with its node */
};

/*
 * A page at its home. `mode` and `holders` say who may have it cached; a transaction exists while somebody waits.
 *
 *   INVALID (no holder) --GET shared--> SHARED (1..n holders) --GET exclusive, all others recalled--> EXCLUSIVE (one)
 *   any --RECALLED, CLOSE, session lost--> one holder less;   EXCLUSIVE --DOWNGRADE--> SHARED
 *   EXCLUSIVE --session lost--> INVALID + LOST (unless the object reverts)
 */
struct home_page {
	node_set holders;
	struct transaction *transaction;
	uint8_t mode;
	uint8_t flags;
};

/* Who waits for a page, first come first served. */
struct waiter {
	struct list link;
	uint32_t slot;
	uint32_t req;
	uint32_t count;
	enum page_mode mode;
};

struct transaction {
	struct list waiters;
	struct list recall_link; /* in core.recalls while recalled is not empty */
	node_set recalled;       /* holders that have not confirmed yet */
	uint64_t recall_ns;
	uint64_t page;
	struct home_object *object;
};

/* Who asked for a change of size and waits for it. */
struct resizer {
	struct list link;
	uint32_t slot;
	uint32_t req;
	bool truncates; /* its kernel sits in setattr: it drops its own pages after the answer only */
};

/* See resize.c. */
struct resize {
	struct list resizers;
	node_set telling;  /* must confirm before the resizers are answered */
	node_set dropping; /* resizers that must confirm after they were answered */
	uint64_t low;      /* smallest size on the way, in bytes; NO_LOW: it only grew */
	uint64_t cookie;
};

/* One entry of an access list. */
struct access {
	uint32_t number; /* of a node */
	uint32_t mode;   /* permission bits, of 0666 */
};

struct home_object {
	uint64_t obj;
	struct object_attr attr;
	enum link_state link;
	bool revoked;
	bool revert;
	bool used_once;
	node_set users;
	uint32_t owner; /* slot of the owner's node; NO_SLOT: it has none */
	uint64_t owner_end;
	struct access *access; /* NULL: all nodes may open it */
	unsigned access_count;
	uint64_t signals;
	struct page_table pages;
	struct resize *resize;
	uint64_t pages_data;
	uint64_t lost;
	uint64_t faults;
	uint64_t handoffs;
	uint64_t bytes;
	UT_hash_handle hh;
};

/* --- agent ------------------------------------------------------------------------------------------------------- */

/*
 *            first open              OPEN answered                last release
 *   (none) ------------> OPENING ------------------> OPEN -----------------------> CLOSING --> (none), or OPENING again
 *                           |  ^                      | |                                      if opens wait
 *             session lost  v  | home is back         | +-- SIZE revoked ---> DEAD --last release--> CLOSING
 *                          LOST <---------------------+
 *   DEAD: also when the home does not know the object any more after it came back.
 */
enum agent_state { AGENT_OPENING, AGENT_OPEN, AGENT_CLOSING, AGENT_LOST, AGENT_DEAD };

/* A page that this node holds; mode INVALID while a fetch for it is under way. */
struct agent_page {
	uint64_t granted_ns;
	uint8_t mode;
	uint8_t quick; /* recalls in a row that came soon after the grant; see dwell_until() */
	bool recalled; /* RECALLED is to be sent when it is gone */
};

/* A page on its way here, and the requests that wait for it. */
struct fetch {
	uint64_t page;
	uint32_t req;
	enum page_mode mode; /* asked for */
	bool asked;          /* false while its write waits for a larger size only */
	bool downgraded;     /* DOWNGRADE was sent after its GET: a grant counts as shared, the home may see it so */
	bool recalled;       /* with BREAK_RECALL_WAITS only */
	struct list ops;
	UT_hash_handle hh;
};

enum drop_goal {
	DROP_RECALL,
	DROP_UPGRADE,
	DROP_SIZED,   /* another node changed the size */
	DROP_RESIZED, /* this node did, and its program has been answered */
	DROP_CHECK,   /* nothing: the kernel is shown the size */
	DROP_ALL
};

/* Pages being dropped for one goal, as several invalidations of the kernel's cache ("runs"). */
struct drop {
	struct list link;
	enum drop_goal goal;
	uint64_t cookie; /* of the change of size */
	unsigned runs;
};

struct drop_run {
	struct list link;
	struct list core_link;
	struct agent_object *object;
	struct drop *drop;
	uint64_t token;
	uint64_t first;
	uint64_t last; /* PAGE_END: to the end */
};

struct dwell {
	struct list link;
	struct agent_object *object;
	uint64_t page;
	uint64_t deadline_ns;
};

struct agent_object {
	uint64_t obj;
	enum agent_state state;
	struct object_attr attr; /* size_bytes is kept up to date */
	unsigned handles;        /* granted, of any mode */
	unsigned writers;        /* of them, or under way: writable ones */
	struct list opens;       /* ops that wait for OPEN or for the upgrade */
	struct list ends;        /* open files of its signal, among the handles */
	struct list growers;     /* writes past the end that wait for DROP_SIZED to be done */
	struct page_table pages;
	struct fetch *fetches;
	struct list drops;
	struct list runs;
	bool upgrading;
	bool checking;           /* a DROP_CHECK is under way */
	bool check_wanted;       /* the size has changed since the last one began */
	uint64_t check_low;      /* the smallest size that the kernel may be seeing in it */
	uint64_t check_cookie;   /* of the SIZE to confirm when the kernel has seen it; 0: none */
	struct list attr_waiters; /* ops that would show the kernel a size during a DROP_CHECK */
	uint64_t put_bytes; /* since the last that was waited for */
	uint64_t unflushed; /* dirty pages that could not go home */
	UT_hash_handle hh;
};

/* --- the whole ---------------------------------------------------------------------------------------------------- */

struct name_entry;
struct end;

struct core {
	char node_name[NODE_NAME_BYTES];
	char address[ADDRESS_BYTES];
	char join[ADDRESS_BYTES];
	uint64_t cluster;
	uint64_t pages_max;
	uint64_t timeout_ns;
	uint64_t wall_offset_ns;
	unsigned breakage;

	uint64_t now_ns;
	uint32_t number;
	struct actions actions;
	size_t actions_room;
	struct list scratch;
	struct msg *inbox; /* to oneself; first .. first + count, in a growing ring */
	size_t inbox_first, inbox_count, inbox_room;

	struct op **ops;
	uint32_t ops_room;
	uint32_t ops_free; /* where to look for a free one first */
	size_t ops_open;
	uint64_t next_token;

	struct session sessions[NODES_MAX];
	struct member *members;
	uint64_t join_token;
	bool ready;
	bool welcomed;
	uint64_t ready_by_ns;
	uint64_t tick_ns;
	uint32_t next_number; /* at the directory */
	uint32_t next_epoch;

	struct name_entry *names;         /* by dir and name */
	struct name_entry *names_by_obj;
	struct list names_order;
	uint64_t next_cookie;

	struct home_object *homes;
	uint64_t next_object;
	uint64_t store_pages;
	struct list recalls; /* transactions by recall_ns */
	uint32_t waiting[NODES_MAX];

	struct agent_object *agents;
	struct end *ends;
	struct list runs;
	struct list dwells;

	uint64_t faults, handoffs, recalls_count, violations, lost, bytes_in, bytes_out;
};

/* core.c */
void core_log(struct core *core, enum log_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));
struct action *core_act(struct core *core, enum action_type type);
void *core_scratch(struct core *core, size_t bytes); /* zeroed, until the next step */
char *core_text(struct core *core, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Sends to a slot, also to oneself. Nothing happens without a session: its loss is handled elsewhere. */
void core_send(struct core *core, uint32_t slot, const struct msg *msg);
void core_answer(struct core *core, uint32_t slot, uint32_t req, int error, const struct msg *fields);
uint64_t core_wall_ns(const struct core *core);
static inline struct payload payload_bytes(const void *bytes, size_t length)
{
	return (struct payload){.kind = PAYLOAD_BYTES, .bytes = bytes, .length_bytes = (uint32_t)length};
}

struct op *op_new(struct core *core, uint64_t token, const struct msg *msg);
/* Copies the request's payload, for an op that outlives the step. */
void op_keep_payload(struct op *op);
/* Answers the program, if it still waits, and frees the op. `fields` may be NULL. */
void op_finish(struct core *core, struct op *op, int error, const struct msg *fields);
/* Sends `msg` with the op's req; the op then waits for the MSG_REPLY. Fails it with -EIO if there is no session. */
void op_call(struct core *core, struct op *op, uint32_t slot, const struct msg *msg);

/* session.c */
void session_start(struct core *core);
void session_connected(struct core *core, const struct event *event);
void session_connect_failed(struct core *core, const struct event *event);
void session_disconnected(struct core *core, uint32_t slot);
/* Whether the message is done with. */
bool session_message(struct core *core, uint32_t slot, const struct msg *msg);
void session_tick(struct core *core);
void session_leave(struct core *core);
void session_close(struct core *core, uint32_t slot, const char *why);
uint64_t session_deadline_ns(const struct core *core);
uint32_t session_slot(const struct core *core, uint32_t number); /* NO_SLOT without a session */
uint32_t session_number(const struct core *core, uint32_t slot);
const char *session_name(const struct core *core, uint32_t slot);
const char *session_member_name(const struct core *core, uint32_t number); /* "node 7" style if unknown */
char *session_text(struct core *core);
void session_fini(struct core *core);

/* names.c */
void names_message(struct core *core, uint32_t slot, const struct msg *msg);
void names_drop_home(struct core *core, uint32_t number); /* it left or was replaced */
void names_fini(struct core *core);

/* home.c */
int home_create(struct core *core, const struct object_attr *attr, uint64_t *obj);
void home_message(struct core *core, uint32_t slot, const struct msg *msg);
void home_disconnected(struct core *core, uint32_t slot);
void home_touch(struct core *core, struct home_object *object);
/* Nobody can use it any more, and its name goes. The answer comes when all have confirmed; slot NO_SLOT: to nobody. */
void home_revoke(struct core *core, struct home_object *object, uint32_t slot, uint32_t req);
void home_maybe_destroy(struct core *core, struct home_object *object);
struct home_object *home_find(struct core *core, uint64_t obj);
void home_fini(struct core *core);

/* pages.c */
void pages_get(struct core *core, struct home_object *object, uint32_t slot, const struct msg *msg);
void pages_put(struct core *core, struct home_object *object, uint32_t slot, const struct msg *msg);
void pages_recalled(struct core *core, struct home_object *object, uint32_t slot, const struct msg *msg);
void pages_downgrade(struct core *core, struct home_object *object, uint32_t slot);
void pages_clear_lost(struct core *core, struct home_object *object);
/* The node holds and wants nothing of the object any more; `died`: what it held exclusive is lost. */
void pages_forget_node(struct core *core, struct home_object *object, uint32_t slot, bool died);
/* Drops all from `low` bytes on, with the tail of the page that it falls into, and goes on with who waits there. */
void pages_truncate(struct core *core, struct home_object *object, uint64_t low);
/* After revoke: those who wait get their error. */
void pages_wake_all(struct core *core, struct home_object *object);
void pages_free(struct core *core, struct home_object *object);
void pages_tick(struct core *core);
/* Adds what the object takes of the store. */
bool pages_consistent(struct home_object *object, uint64_t *store_pages, char *why, size_t why_bytes);

/* resize.c */
void resize_request(struct core *core, struct home_object *object, uint32_t slot, const struct msg *msg);
void resize_revoke(struct core *core, struct home_object *object, uint32_t slot, uint32_t req);
void resize_sized(struct core *core, struct home_object *object, uint32_t slot, uint64_t cookie);
void resize_forget_node(struct core *core, struct home_object *object, uint32_t slot);
/* Whether a page may not be granted now because a size change drops it. */
bool resize_blocks(const struct home_object *object, uint64_t page);
void resize_free(struct home_object *object);

/* owner.c */
/* Whether the node may change the object's attributes and use its control. */
bool owner_permits(const struct home_object *object, uint32_t slot);
int owner_open_error(const struct core *core, const struct home_object *object, uint32_t slot, enum page_mode mode);
/* The attributes as the node is to see them. */
struct object_attr owner_attr(const struct core *core, const struct home_object *object, uint32_t slot);
void owner_take(struct core *core, struct home_object *object, uint32_t slot, const struct msg *msg);
/* The owner's end is no more, or its node. */
void owner_gone(struct core *core, struct home_object *object);
/* `text`: "all" or the list. */
int owner_set_access(struct home_object *object, const char *text);
const char *owner_access_text(struct core *core, const struct home_object *object); /* begins with a space */

/* agent.c */
void agent_request(struct core *core, struct op *op);
void agent_message(struct core *core, uint32_t slot, const struct msg *msg);
void agent_reply(struct core *core, struct op *op, const struct msg *msg); /* to an op of agent_request() */
void agent_interrupt(struct core *core, struct op *op);
void agent_connected(struct core *core, uint32_t slot);
void agent_disconnected(struct core *core, uint32_t slot);
void agent_page_gone(struct core *core, struct agent_object *object, uint64_t page, struct agent_page *entry);
/* Notes the attributes. Takes the op and answers it with `reply` later if the kernel must not be shown a size now. */
bool agent_defers_attr(struct core *core, struct op *op, uint64_t obj, const struct msg *reply);
void agent_drop_done(struct core *core, struct agent_object *object, enum drop_goal goal, uint64_t cookie);
void agent_tick(struct core *core);
uint64_t agent_deadline_ns(const struct core *core);
void agent_fini(struct core *core);

/* drop.c */
void drop_start(struct core *core, struct agent_object *object, enum drop_goal goal, uint64_t first, uint64_t last,
                uint64_t cookie);
bool drop_covers(const struct agent_object *object, uint64_t page);
bool drop_covers_for(const struct agent_object *object, uint64_t page, enum drop_goal goal);
/* A request for the page shows that it is not cached: its drop is done, the rest of the run goes on. */
void drop_split(struct core *core, struct agent_object *object, uint64_t page);
/* The kernel may have the page again behind the invalidations that cover it: they start over. */
void drop_again(struct core *core, struct agent_object *object, uint64_t page);
void drop_done(struct core *core, uint64_t token);
void drop_forget_all(struct agent_object *object);

/* signal.c */
void signal_request(struct core *core, struct op *op);
void signal_reply(struct core *core, struct op *op, const struct msg *reply); /* to an op of signal_request() */
uint64_t signal_open(struct core *core, struct agent_object *object, bool reads); /* the end's id */
uint64_t signal_close(struct core *core, uint64_t id);                            /* the object's */
void signal_deliver(struct core *core, struct agent_object *object, const struct msg *msg);
void signal_cut(struct core *core, struct agent_object *object);
void signal_fini(struct core *core); /* after the agents are gone no end is looked at any more */
void signal_post(struct core *core, struct home_object *object, uint32_t slot, const struct msg *msg);

static inline uint64_t pages_of(uint64_t bytes)
{
	return (bytes + PAGE_BYTES - 1) / PAGE_BYTES;
}

#endif
