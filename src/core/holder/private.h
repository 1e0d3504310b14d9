/*
 * private.h: the holder, inside.
 *
 *   holder.c   the machine: requests and messages to their part, time
 *   ops.c      requests under way
 *   object.c   objects known here: open, release, kept open, lost
 *   fetch.c    pages on their way here, reads
 *   ahead.c    reads of several pages
 *   write.c    writes
 *   lead.c     pages for writes that are to come
 *   stale.c    writes whose page was read again
 *   early.c    writes whose bytes were at home before they came
 *   parts.c    writes of several pages
 *   upgrade.c  the first writable open
 *   recall.c   pages on their way back, dwell
 *   size.c     what the kernel believes about a segment's size
 *   attrs.c    attributes that are kept, and requests about them
 *   names.c    names and lists of names that are kept, and requests about them
 *   travel.c   requests that only have to travel to the directory or a home and back
 *   end.c      signals: open files of NAME/signal
 */
#ifndef NETMEM_CORE_HOLDER_PRIVATE_H
#define NETMEM_CORE_HOLDER_PRIVATE_H

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "base/page_table.h"
#include "core/cache/cache.h"
#include "core/holder/holder.h"
#include "core/page_set.h"

/* --- requests under way ------------------------------------------------------------------------------------------- */

/* Memory that the bus frees after the step. */
struct kept {
	struct list link;
	_Alignas(16) unsigned char bytes[];
};

/* Of a request for several pages, see ahead.c and parts.c. */
struct parts {
	struct page_set under_way;
	struct page_set unput; /* their bytes are not on their way home */
	struct op *last;     /* is done, and has to wait for the others */
	uint32_t done_bytes; /* before the first that failed */
	int error;           /* of that one */
};

struct op {
	uint64_t token; /* 0: answered already (interrupted), or the holder's own */
	uint32_t req;
	uint32_t to; /* the node whose MSG_REPLY it waits for; 0 if it waits for something else */
	uint64_t since_ns;
	bool used;
	int stage;         /* what it is doing, as its part says */
	bool counted;      /* in `keepers` of its page's fetch */
	struct op *whole;  /* the write of several pages that it is a part of */
	bool at_home;      /* its bytes are, in a page that was written back since */
	uint32_t follows;  /* the part whose answer is for this one too; 0: none */
	struct parts parts; /* of such a write */
	bool dropping;     /* a write: its page is being dropped from the kernel's cache first */
	bool dropped;      /* it has been */
	bool late;         /* and has waited for STALE_NS, see stale_tick() */
	bool peeking;      /* the kernel is asked whether it has the page */
	struct kept *over; /* what the kernel has written back of that page since, not put yet */
	uint32_t over_bytes;
	uint64_t shown_bytes; /* what its kernel had been shown when a write came */
	uint64_t puts;     /* of its segment when attributes were asked for; of an UPGRADE, its downgrades */
	uint64_t stale;    /* what a name that is looked up has led to, and is no more */
	struct list link;  /* in a queue of its object, or of names */
	struct msg msg;    /* the request; its payload is gone after the step unless kept */
	struct kept *kept;
};

/* --- objects ------------------------------------------------------------------------------------------------------- */

/* A page that this node holds; mode INVALID while a fetch for it is under way. */
struct held {
	uint32_t granted; /* when, see held_age_ns(); 0: it does not matter */
	uint32_t gone;    /* segment.written when it went the last time */
	uint8_t mode : 2;
	bool recalled : 1; /* RECALLED is to be sent when it is gone */
	bool reread : 1;   /* it was read again after it had gone */
	bool blank : 1;    /* nothing was written yet: the first PUT takes memory at the home */
	bool noted : 1;    /* holder.backs may have what was written back of it since it was granted */
	uint8_t quick;     /* recalls in a row that came soon after the grant; see dwell_until() */
	uint16_t dropping; /* writes that wait until the kernel has dropped it: it is not given up before they are put */
};

/* In units that make it last for an hour; odd, so that it is never 0. */
static inline uint32_t held_time(uint64_t now_ns)
{
	return (uint32_t)(now_ns >> 10) | 1;
}

/* Since the page was granted. */
static inline uint64_t held_age_ns(const struct held *held, uint64_t now_ns)
{
	return held->granted ? (uint64_t)(uint32_t)(held_time(now_ns) - held->granted) << 10 : UINT64_MAX;
}

/*
 * A page on its way here, and the requests that wait for it; also while a write that it came for waits until its size is shown
 * everywhere. The kernel may have it locked: takes leave it out.
 */
struct fetch {
	uint64_t page;
	uint32_t req;
	enum page_mode mode; /* asked for */
	bool asked;          /* a GET is under way */
	bool past_end;       /* it was asked for past the end */
	bool downgraded;     /* DOWNGRADE was sent after its GET: a grant counts as shared, the home may see it so */
	bool recalled;       /* with BREAK_RECALL_WAITS only */
	bool lead;           /* nobody needs it yet, and its bytes never */
	struct op *ahead;    /* the read of several pages that waits for it; also when it has been granted */
	unsigned keepers;    /* writes of the page that wait for their size, or for other pages of the same write(2) */
	struct list ops;
	UT_hash_handle hh;
};

/* See size.c. */
struct shown {
	uint64_t kernel_bytes; /* what the kernel has, or will have when its write(2) ends */
	bool sure;             /* it has that for sure */
	bool taken_back;       /* the show under way is */
	bool astray;           /* one was, which may have set its size */
	bool patient;          /* the next show takes its time */
	bool cut;              /* a smaller size was shown since the last write(2): the next one may have been copied before */
	uint64_t target;       /* of the show under way */
	uint64_t settle_ns;    /* ctime of an answer to SETATTR that may not have arrived */
	uint64_t confirm;      /* cookie of the SIZE to confirm when the kernel has it; 0: none */
	struct list answers;   /* ops with attributes for the kernel */
	struct list setting;   /* those that set its size, when no show is under way */
};

struct segment {
	struct object *object;
	struct cached cached;
	uint64_t size_bytes; /* as its home ordered it last */
	unsigned handles;    /* granted, of its memory, of any mode */
	unsigned writers;    /* of them, or under way: writable ones */
	bool upgrading;      /* what was held shared becomes exclusive, or is dropped, for the first writable open */
	unsigned upgrades;   /* the home has not answered to */
	uint64_t downgrades; /* sent */
	bool unshown;        /* its first open waits until the kernel has the size */
	uint64_t held_pages;
	struct page_table pages;
	struct fetch *fetches;
	struct list aheads;  /* reads of several pages */
	uint64_t refused_ns; /* when the home last refused one */
	uint64_t write_next; /* where the last write(2) ended, in bytes */
	uint64_t lead_end;   /* up to which page they were asked for behind it */
	struct list growing; /* writes whose bytes are at home and whose size is not shown everywhere yet */
	uint32_t growing_first; /* of the message sent last, the op */
	struct list later;   /* parts of writes, until what comes before them is put */
	struct list early;   /* writes, until it is known whether they are at home already */
	uint32_t written;    /* writes by programs that have ended, counted from 1 */
	uint64_t cut_cookie; /* of the last SIZE that made pages drop */
	unsigned extending;  /* writes under way past what the kernel had, those among them */
	unsigned resizing;   /* changes of its size by SETATTR that the home has not answered */
	struct shown shown;
	uint64_t put_bytes;  /* since the home was asked for the last time whether it has them */
	uint32_t sync_req;   /* of that, if no program waits for it */
	uint64_t puts, puts_synced;
	uint64_t unflushed;  /* dirty pages that could not go home */
};

/*
 *           first open              OPEN answered        last release, if it is not kept open; REAP
 *  KNOWN ------------> OPENING ------------------> OPEN ---------------------------------------> CLOSING --> KNOWN,
 *    ^                    |  ^                      |  |                                          or OPENING if opens wait
 *    |         home lost  v  | home is back         |  +-- revoked ---> DEAD --last release--> CLOSING
 *    +----released------- LOST <--------------------+
 *   DEAD: also when the home does not know the object any more after it came back.
 */
enum object_state { OBJECT_KNOWN, OBJECT_OPENING, OBJECT_OPEN, OBJECT_CLOSING, OBJECT_LOST, OBJECT_DEAD };

struct object {
	struct holder *holder;
	uint64_t obj;
	enum object_state state;
	uint64_t dir;            /* of a file, once it is known: its object */
	struct list dir_link;    /* among its files, see attrs.c */
	struct object_attr attr; /* the last that was said; but for the segment's size */
	bool attr_kept;          /* and it holds until it is recalled */
	bool lingers;            /* it may be kept open without handles */
	bool used;               /* a program has had it open since it is open here */
	bool may_write;          /* the home has this node among its writers */
	unsigned handles;        /* granted, of any kind */
	struct list opens;       /* ops that wait for OPEN, for the upgrade or for a show */
	struct list ends;        /* open files of its signal, among the handles */
	struct segment memory;
	uint64_t lost_ns;        /* LOST: since when */
	struct list use_link;    /* in holder.unused, while nothing but what is known of it keeps it */
	UT_hash_handle hh;
};

/* How far an open is, in op.stage. */
enum {
	OPEN_NEW,
	OPEN_ASKED,  /* its home is asked, see open_try() */
	OPEN_COUNTED /* its handle is counted; it waits for the upgrade, or until the kernel has the size */
};

struct names;
struct family;

#define BACKS_MAX 64

/* What was written back of a page; free without bytes. */
struct back {
	uint64_t obj;
	uint64_t page;
	uint32_t written; /* segment.written at that time */
	uint32_t length_bytes;
	struct kept *kept;
};

struct holder {
	struct bus *bus;
	struct cache *cache;
	struct op **ops;
	uint32_t ops_room;
	uint32_t ops_free; /* where to look for a free one first */
	size_t ops_open, ops_local;
	uint32_t next_req; /* of GETs */
	struct object *objects;
	struct family *families; /* by the object that their files are in */
	struct list unused; /* objects, the longest unused first */
	unsigned unused_count;
	struct end *ends;
	uint64_t next_end;
	struct list dwells;
	struct list writes; /* of several pages, that have to be looked at before the step ends */
	struct list stale;  /* writes that wait until their page is dropped from the kernel's cache, the oldest first */
	struct back backs[BACKS_MAX]; /* the last ones, a ring */
	unsigned backs_next;
	struct names *names;
	uint64_t looked_ns; /* when what is late was looked for the last time */
	bool said_late;
};

/* It is open here, though it may have been revoked: the home has this node among its users. */
static inline bool object_holds(const struct object *object)
{
	return object->state == OBJECT_OPEN || object->state == OBJECT_DEAD;
}

static inline uint32_t home_of(const struct object *object)
{
	return object_home(object->obj);
}

static inline void send_home(const struct object *object, const struct msg *msg)
{
	bus_send(object->holder->bus, home_of(object), msg);
}

static inline struct bus *bus_of(const struct segment *segment)
{
	return segment->object->holder->bus;
}

/* ops.c */
/* NULL if there are too many; a program's request is answered then. */
struct op *op_new(struct holder *holder, uint64_t token, const struct msg *msg);
struct op *op_find(const struct holder *holder, uint32_t req);
struct kept *kept_new(const void *bytes, uint32_t length_bytes);
/* Copies the request's payload, for an op that outlives the step. */
void op_keep_payload(struct op *op);
/* Answers the program, if it still waits. `fields` may be NULL. */
void op_answer(struct holder *holder, struct op *op, int error, const struct msg *fields);
/* The same, and frees the op. */
void op_finish(struct holder *holder, struct op *op, int error, const struct msg *fields);
void ops_fail(struct holder *holder, struct list *ops, int error);
/* Sends `msg` with the op's req; the op then waits for the MSG_REPLY, which is -EIO if the node is or goes out of reach. */
void op_call(struct holder *holder, struct op *op, uint32_t to, const struct msg *msg);
void ops_free(struct holder *holder);

/* object.c */
struct object *object_find(const struct holder *holder, uint64_t obj);
struct object *object_make(struct holder *holder, uint64_t obj);
/* The segment that the request is about; NULL if nothing is known of it any more. */
struct segment *op_segment(const struct holder *holder, const struct op *op);
void request_open(struct holder *holder, struct op *op); /* also SETATTR, which goes out when it is open */
void request_release(struct holder *holder, struct op *op);
void open_replied(struct object *object, struct op *op, const struct msg *reply); /* to OPEN_ASKED */
void object_opened(struct holder *holder, struct op *call, const struct msg *reply);
/* Answers opens that are counted and need wait for nothing any more. */
void opens_go_on(struct object *object);
void open_interrupted(struct object *object, struct op *op);
void object_revoked(struct object *object);
void object_reap(struct object *object);
void object_taken_all(struct object *object); /* TAKE_ALL is done */
/* Ends what nobody has open any more, as far as its state allows. May free the object. */
void object_settle(struct object *object);
void objects_joined(struct holder *holder, uint32_t number);
void objects_lost(struct holder *holder, uint32_t number);
void objects_tick(struct holder *holder);
void objects_free(struct holder *holder);

/* ahead.c */
/* A read of several pages. */
void ahead_begin(struct segment *segment, struct op *op);
/* Ends it: the kernel asks again for what it needs. */
void ahead_end(struct segment *segment, struct op *op, int error);
/* The same, of all that need a page from `page` on. */
void aheads_fail(struct segment *segment, uint64_t page, int error);
/* The page cannot be had so: refused, wanted elsewhere, or there is something newer. Who calls looks after the fetch. */
void ahead_give_up(struct segment *segment, struct fetch *fetch);
/* Whether the grant brings all that a read waits for. */
bool ahead_is_whole(const struct segment *segment, const struct msg *grant);
/* A page of it is held; `whole`: as a part of this grant. */
void ahead_granted(struct segment *segment, struct fetch *fetch, const struct msg *grant, const struct msg *whole);

/* Another node has taken the page a moment ago. */
bool taken_lately(struct segment *segment, uint64_t page);

/* lead.c */
/* A program's write(2) has come. */
void lead(struct segment *segment, uint64_t start_bytes, uint64_t end_bytes);

/* fetch.c */
/* From now on takes leave the page out: the kernel does not have it, and may keep its lock for a request. NULL without memory. */
struct fetch *fetch_make(struct segment *segment, uint64_t page);
void fetch_send(struct segment *segment, struct fetch *fetch);
struct fetch *fetch_find(const struct segment *segment, uint64_t page);
void fetch_page(struct segment *segment, uint64_t page, struct op *op);
/* While the op has not let go of it, it stays, and takes leave its page out. */
void fetch_keep(struct fetch *fetch, struct op *op);
void fetch_let_go(struct segment *segment, struct op *op);
/* Asks again, or goes, if nothing keeps it as it is. */
void fetch_tidy_only(struct segment *segment, uint64_t page);
/* And shows the size, should the page have kept it from that. */
void fetch_tidy(struct segment *segment, uint64_t page);
void fetches_tidy(struct segment *segment, uint64_t first, uint64_t last);
void fetches_fail(struct segment *segment, int error);
void fetches_downgrade(struct segment *segment);
void fetches_free(struct segment *segment);
/* Reads past the new end fail now: what is shown could otherwise wait for their page locks, and they for it. */
void reads_past_end_fail(struct segment *segment);
void request_read(struct holder *holder, struct op *op);
void granted(struct segment *segment, const struct msg *grant);
/* Whether a request has a page from `page` on locked. */
bool fetching_from(const struct segment *segment, uint64_t page);
uint64_t first_locked(void *context, const struct cached *cached, uint64_t first, uint64_t last); /* for the cache */

/* write.c */
static inline uint64_t write_start(const struct op *op)
{
	return op->msg.page * PAGE_BYTES + op->msg.offset;
}

static inline uint64_t write_end(const struct op *op)
{
	return write_start(op) + op->msg.payload.length_bytes;
}

static inline uint64_t last_page(const struct op *op)
{
	return (write_end(op) - 1) / PAGE_BYTES;
}

/* The last page, while it is under way. */
static inline bool may_lock(const struct op *op)
{
	return write_end(op) % PAGE_BYTES || op->msg.payload.length_bytes < PAGE_BYTES;
}

static inline bool by_program(const struct op *op)
{
	return op->msg.type == REQ_WRITE && !(op->msg.flags & WRITE_BACK);
}

static inline struct op *request_of(struct op *op)
{
	return op->whole ? op->whole : op;
}

static inline uint64_t place_of(const struct op *part)
{
	return part->msg.page - part->whole->msg.page;
}

void request_write(struct holder *holder, struct op *op);
void write_granted(struct segment *segment, struct op *op);
void write_killed(struct holder *holder, struct op *op);
/* Of a write that its program may have given up, the home's answer. */
void write_grown(struct holder *holder, struct op *op, const struct msg *reply);
/* A request ends: it extends the segment and keeps its page's fetch no more. */
void write_ends(struct segment *segment, struct op *op);
/* Its kernel's write(2) ends: it has raised its size to `end_bytes` at least. */
void written(struct segment *segment, struct op *request, uint64_t end_bytes);
/* What says to the home that the page of the op has its bytes. */
struct msg put_message(struct segment *segment, const struct op *op);
/* The bytes of a write are at home, up to an end. */
void written_to(struct op *op, uint64_t end_bytes);
/* Stores that the kernel has written back do not come home: says so. */
void stores_lost(struct object *object);
/* Now and then a program's write waits until its home has taken what was put; whether this one does. */
bool call_sync(struct segment *segment, struct op *request);
/* Its bytes are at home, or never will be. */
void write_done(struct segment *segment, struct op *op, int error);
/* One page, or a part. */
void write_one(struct segment *segment, struct op *op);
void write_page(struct segment *segment, struct op *op);
/* The first page from `page` on that a write which waits for its home to grow may have locked, and no fetch shows it. */
uint64_t writes_lock(const struct segment *segment, uint64_t page);
void request_sync(struct holder *holder, struct op *op);
void synced(struct holder *holder, struct op *op, const struct msg *reply);

/* stale.c */
/* The write goes on when the kernel has dropped its page, which is held. */
void stale_drop(struct segment *segment, struct op *op, struct held *held);
/* Whether what is written back is kept for such a write. */
bool stale_keeps(struct segment *segment, struct op *back);
void stale_killed(struct segment *segment, struct op *op);
void stale_gone(struct segment *segment, uint64_t page); /* the kernel has dropped it; it is still held */
void stale_fail(struct segment *segment, int error);
void stale_tick(struct holder *holder);
uint64_t stale_deadline_ns(const struct holder *holder);

/* early.c */
void early_note(struct segment *segment, const struct op *op); /* it is written back */
/* Whether the write may have been put already; then it goes on when the kernel has been asked. */
bool early_maybe(struct segment *segment, const struct op *op);
void early_ask(struct segment *segment, struct op *op);
void early_answered(struct holder *holder, uint64_t token, bool cached);
void early_free(struct holder *holder);

/* parts.c */
void write_several(struct segment *segment, struct op *whole);
/* A part is done; whether it has to wait for the others, because its kernel keeps its page locked as long. */
bool part_waits(struct segment *segment, struct op *op);
/* The bytes of a part are on their way home: those behind it may go on. */
void part_put(struct segment *segment, struct op *op);
/* Of what is written back, a page that is on its way here: the others do not wait for it. */
void part_leaves(struct holder *holder, struct op *op);
/* A part has ended. */
void write_part_ended(struct holder *holder, struct op *part, int error);
/* Goes on with such writes; the last thing in a step. */
void writes_go_on(struct holder *holder);
/* The kernel may have had their bytes in a page that was dropped since: what comes for it must not get older ones. */
void writes_keep(struct segment *segment, struct fetch *fetch);
void writes_fail(struct segment *segment, int error);
/* Pages are being dropped: a write that would keep them from it ends, as if it had come before the cut. */
void writes_cut(struct segment *segment);

/* upgrade.c */
void upgrade(struct segment *segment);
void upgrade_replied(struct holder *holder, struct op *op, const struct msg *reply);
void upgrade_goes_on(struct segment *segment); /* a TAKE_UPGRADE is done */

/* recall.c */
void recall(struct segment *segment, const struct msg *msg);
void page_recalled(const struct segment *segment, uint64_t page, enum page_mode mode); /* says so to the home */
void page_gone(struct segment *segment, uint64_t page, struct held *held);
void range_gone(void *context, struct cached *cached, uint64_t first, uint64_t last); /* for the cache */
void recalled_at_once(struct holder *holder, uint32_t from, const struct msg *recall);
void segment_downgrade(struct segment *segment);
void dwells_forget(const struct segment *segment, uint64_t page, bool all);
void dwells_tick(struct holder *holder);
uint64_t dwells_deadline_ns(const struct holder *holder);

/* size.c */
void shown_init(struct segment *segment);
/* Shows the kernel the size, if that is wanted and possible now; goes on with who waits for it. */
void size_settle(struct segment *segment);
/* Whatever the kernel had is not known; the open is answered when it has been shown the size. */
void size_first_open(struct segment *segment);
bool size_known(const struct segment *segment);
/* A SIZE (TAKE_SIZED), or the answer to a change of this node's own (TAKE_RESIZED). */
void size_ordered(struct segment *segment, const struct msg *msg, enum take_goal goal);
/* What such a change made necessary to drop is dropped. */
void size_dropped(struct segment *segment, uint64_t cookie);
/* Something else than the show under way changes what the kernel has. */
void size_changes(struct segment *segment);
/* A write(2) of this kernel ends, and may raise its size, also by what it wrote before. */
void size_written(struct segment *segment);
/* What the kernel has may be less than `size_bytes` until its write(2) ends. */
void size_extended(struct segment *segment, uint64_t size_bytes);
/* Answers with attributes for the kernel: now, or when it is known what size it has. */
void size_answer(struct segment *segment, struct op *op, const struct msg *fields);
/* The answer to a SETATTR that changes the size: `fields` says the one that the kernel takes. */
void size_answer_set(struct segment *segment, struct op *op, const struct msg *fields);
void size_seen(void *context, struct cached *cached, uint64_t size_bytes); /* for the cache */
void size_confirm(const struct holder *holder, uint32_t from, const struct msg *size);
void size_forget(struct segment *segment);

/* attrs.c */
void request_setattr(struct object *object, struct op *op);
void attrs_replied(struct holder *holder, struct op *op, const struct msg *reply);
/* Notes what a home has answered to `op`. */
void attrs_note(struct object *object, const struct op *op, const struct msg *reply);
void attrs_forget(struct object *object); /* before it goes */
/* Asks the object's home for something that is answered with attributes. */
void attrs_call(struct holder *holder, struct op *op, const struct msg *msg);
/* The op's object is found: answers with its attributes. */
void attrs_found(struct holder *holder, struct op *op);
void attrs_wrote(struct object *object, uint64_t mtime_ns, bool first);
void attrs_recall(struct holder *holder, uint32_t from, const struct msg *msg);

/* names.c */
struct names *held_names_new(struct holder *holder);
void held_names_free(struct names *names);
void request_lookup(struct holder *holder, struct op *op);
void request_list(struct holder *holder, struct op *op);
void held_names_replied(struct holder *holder, struct op *op, const struct msg *reply);
void held_names_recall(struct holder *holder, uint32_t from, const struct msg *msg);
void held_names_told(struct holder *holder, const struct msg *msg);
void held_names_forget_all(struct names *names, int error);

/* travel.c: requests that only have to travel */
void travel_request(struct holder *holder, struct op *op);
void travel_replied(struct holder *holder, struct op *op, const struct msg *reply);

/* end.c */
void end_request(struct holder *holder, struct op *op);
void end_replied(struct holder *holder, struct op *op, const struct msg *reply);
uint64_t end_open(struct object *object, bool reads); /* the end's id */
struct object *end_close(struct holder *holder, uint64_t id);
void ends_deliver(struct object *object, const struct msg *msg);
void ends_cut(struct object *object);
void ends_free(struct holder *holder);

#endif
