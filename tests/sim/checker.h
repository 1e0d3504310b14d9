/*
 * checker.h: the oracle. A reference memory with, for each word, the values that a load may return now; who may cache a
 * page; what sizes, modes, times and names may be.
 *
 *   checker.c       words, and who may cache their pages
 *   checker_attr.c  sizes, modes, times: registers; SIGBUS and short reads
 *   checker_name.c  names: registers too, of objects and of their files
 *   register.[ch]   a linearizable register
 *
 * Virtual time orders all loads and stores of all simulated processors. A mapped store is one moment: from then on it
 * is the only value. A write(2) or truncate takes effect somewhere between its call and its return: until it returns,
 * both are allowed (this also covers what the kernel shows on its own node before the write has gone anywhere, see
 * DESIGN.md section 5), unless somebody has seen the new one. Bytes past the old end come no later than the size that
 * says that they are there. One that failed or was killed may take effect later, or never.
 *
 * Exempt is what no protocol can help: accesses on a node whose session with the page's home is lost and whose kernel
 * has not been told yet, and a page that write(2) filled whole before it has returned. While a truncate or an extending
 * write(2) of its own is under way, a node's accesses may find the size from before it.
 */
#ifndef NETMEM_SIM_CHECKER_H
#define NETMEM_SIM_CHECKER_H

#include "register.h"
#include "signals.h"
#include "sim.h"

#define WORD_VALUES 6
#define WORD_GHOSTS 4
#define WORD_BYTES 5u /* of a word, those that are ever used: the others are 0 */

struct inode;

struct word_write {
	uint64_t value;
	const struct node *node; /* of a write(2) */
	int slot;                /* of its growth, in attrs.size */
	uint32_t changes;        /* of the size, when it began */
	bool fresh;              /* nothing can have been there before: it brings the size that it needs */
	bool part;               /* the rest of the word stays as it is */
	bool overlapped;         /* by another store while it was under way */
};

struct word {
	uint64_t values[WORD_VALUES]; /* one of these is the present value */
	struct word_write pending[WORD_VALUES];
	uint64_t ghosts[WORD_GHOSTS]; /* of calls that failed: may still appear */
	uint32_t issued;              /* values given out */
	uint8_t value_count, pending_count, ghost_count;
	bool any;     /* any value it ever had: the page was lost, and then cleared */
	bool loose;   /* too much went on at once: any value it ever had, for ever */
	bool bytes;   /* its first byte was written alone */
	bool tainted; /* not only mapped stores, so that counters need not add up */
};

/* What the size could be, from some moment to the next one. */
struct size_mark {
	struct size_mark *next;
	uint64_t low, high; /* growth counts from when its call has returned, a cut from when it began */
	uint64_t cut;       /* the lowest that a truncate under way makes it */
};

struct attrs {
	struct reg size, mode, mtime;
	struct reg bounds;       /* the size, but for what reads have seen */
	struct size_mark *mark;  /* the latest */
	uint32_t size_changes;   /* begun up to now */
	uint32_t seen;           /* slots of `size`: growth that somebody has seen */
	uint32_t write_opens;    /* begun up to now */
	unsigned writing;        /* handles, or opens under way */
};

/* A file of an object: its bytes, and what stat(2) says of them. */
struct segment {
	struct segment *next; /* of the object */
	struct object *object;
	uint64_t id;
	unsigned index; /* for the trace */
	struct word words[OBJECT_PAGES][PAGE_WORDS];
	uint64_t adds[OBJECT_PAGES];
	struct attrs attrs;
	bool steady; /* its size never changes: it is the litmus rounds' */
	bool made;   /* a create has given it */
	bool use_begun, used; /* opened or resized: perhaps, surely */
};

/* See kernel_names.c. */
struct name_lock {
	unsigned shared;
	bool exclusive;
};

/* A directory with files. */
struct object {
	struct object *next;
	uint64_t id;
	uint32_t home;  /* node number */
	unsigned index; /* for the trace */
	struct segment *segments; /* all that it ever had */
	struct segment *memory;   /* the one that mkdir made, if it is known */
	struct reg names[SIM_FILES];         /* of its files: which one, 0: none */
	uint32_t name_changes[SIM_FILES];    /* begun */
	struct segment *found[SIM_FILES];    /* last seen under the name */
	unsigned removals;        /* of the object: under way, or without an answer */
	uint32_t removals_begun;
	bool removed;             /* surely */
	bool unknown_memory;      /* may have been made once more before `memory` was known */
	unsigned creates;         /* of its files, under way */
	bool half_made;           /* a file of it: its name may go by itself, when its home does not know it */
	struct name_lock locks[SIM_NODES_MAX]; /* of the directory, in each node's kernel */
	struct waitq unlocked;
	struct reg mode;
	unsigned clears; /* under way */
	bool reverts;    /* its home's copies count when others are lost */
	bool may_lose;   /* a session with its home was lost, so that pages may be */
	struct owning owning;
};

/* What a node's programs were told of a size. */
struct told {
	uint64_t bytes;
	const struct size_mark *mark; /* from when the question was asked */
};

struct object *checker_object(struct sim *sim, uint64_t id);
/* What a mkdir has made. */
struct object *checker_made(struct sim *sim, uint64_t id, uint64_t memory);
bool checker_is_fixed(const struct sim *sim, const struct object *object);
/* A file of the object; no other object can have it. */
struct segment *checker_segment(struct object *object, uint64_t id, struct sim *sim);
/* NULL: no program can know it. */
struct segment *checker_segment_known(const struct sim *sim, uint64_t id);
/* checker_attr.c, for checker.c: a file that was just made. */
void checker_attrs_init(struct sim *sim, struct segment *segment);

/* --- words --- */

/* A new value for a plain word, different from all others. */
uint64_t checker_value(struct segment *segment, unsigned page, unsigned word);

void checker_load(struct inode *inode, unsigned page, unsigned word, uint64_t value, const char *how);
void checker_store(struct inode *inode, unsigned page, unsigned word, uint64_t value);

/* echo clear > control */
void checker_clear_begin(struct object *object);
void checker_clear_end(struct object *object, int error);

/* echo revert on > control */
void checker_revert_begin(struct object *object);
void checker_revert_end(struct object *object);

/* After a page came into a kernel's cache, was made dirty, or a writable handle appeared. */
void checker_page(struct inode *inode, unsigned page);
void checker_inode(struct inode *inode);

/* --- changes: write(2) and SETATTR --- */

struct change {
	struct inode *inode;
	int size, bounds, mode, mtime; /* slots */
	bool writes, cuts;
	bool inside; /* a write(2) that its kernel takes, or its daemon has to take, for one that does not extend */
	bool linked; /* its node to the home, when it began, over `generation` */
	uint32_t generation;
	uint64_t from, bytes;          /* cuts: from */
	uint64_t values[PAGE_WORDS];   /* writes: by word of the page; cuts: of the word that the end lies in */
};

/* A write(2) to one page begins; fills in the words that it is to write. */
void checker_write_begin(struct change *change, struct inode *inode, uint64_t from, uint64_t bytes, uint64_t *words);
void checker_setattr_begin(struct change *change, struct inode *inode, const struct msg *msg);
void checker_change_end(struct change *change, int error);

/* checker.c, for checker_attr.c: the words of a change. */
void checker_words_begin(struct change *change, bool fresh);
void checker_words_end(struct change *change, bool done);

/* From now on nothing is known of what lies past `size` in the page. */
void checker_loosen(struct segment *segment, unsigned page, uint64_t size);

/* --- what programs see of attributes --- */

struct look {
	struct inode *inode;
	int size, mode, mtime;
	uint32_t generation, resizes, write_opens;
	bool linked, resizing, writing;
	const struct size_mark *mark;
};

void checker_look_begin(struct look *look, struct inode *inode);
/* told: a program has got the answer, not only the kernel. */
void checker_look_end(struct look *look, int error, const struct object_attr *attr, bool told);

/* The mode of an object's directory: a look, and a change. */
struct mode_call {
	struct node *node;
	struct object *object;
	int slot;
	uint32_t generation;
	bool linked;
};

void checker_mode_look_begin(struct mode_call *call, struct node *node, struct object *object);
void checker_mode_look_end(struct mode_call *call, int error, uint32_t mode);
void checker_mode_change_begin(struct mode_call *call, struct node *node, struct object *object, uint32_t mode);
void checker_mode_change_end(struct mode_call *call, int error);

/* open and close of a file. */
void checker_open_begin(struct inode *inode, bool writable);
void checker_open_end(struct inode *inode, bool writable);

struct access {
	const struct inode *inode;
	const struct size_mark *mark;
	uint32_t resizes;
	bool resizing;
	bool behind;      /* the kernel, of a smaller size */
	struct told told; /* before it began */
};

void checker_access_begin(struct access *access, const struct inode *inode);
/* Whether the byte `at` may have been past the end for an access that began then. */
bool checker_may_lack(const struct access *access, uint64_t at);
/* Whether a truncate has overlapped with it that cuts the byte `at` off. */
bool checker_was_cut(const struct access *access, uint64_t at);
/* Whether it may have been there. */
bool checker_may_have(const struct access *access, uint64_t at);

/* --- names --- */

struct name_look {
	struct node *node;
	const struct object *object; /* whose file has the name; NULL: it is an object's */
	struct reg *reg; /* NULL: not checked */
	int slot;
	uint32_t generation;
	bool linked;
};

void checker_names_init(struct sim *sim);
/* A home is gone, or a mkdir was cut off half-way: names may go with their objects, or stay without. */
bool checker_names_may_go(const struct sim *sim);
/* A look-up, or a place in a list: error -ENOENT is absence. */
void checker_name_begin(struct name_look *look, struct node *node, uint64_t dir, const char *name);
void checker_name_end(struct name_look *look, int error, uint64_t obj);

struct name_change {
	struct reg *from, *to;
	int from_slot, to_slot;
};

/* Of REQ_MKDIR, REQ_REMOVE, REQ_RENAME on the names with these numbers. */
void checker_name_change_begin(struct name_change *change, struct node *node, const struct msg *msg, unsigned name,
                               unsigned to);
void checker_name_change_end(struct name_change *change, struct node *node, const struct msg *msg, int error,
                             uint64_t obj);

/* --- names of files in an object --- */

/* "memory", "file1", ... */
const char *checker_file_name(unsigned file);
void checker_file_look_begin(struct name_look *look, struct node *node, struct object *object, unsigned file);

struct file_change {
	struct node *node;
	struct object *object;
	struct name_change names;
	unsigned from, to;    /* numbers of names */
	uint64_t moves;       /* rename: surely this, if nothing else changes the name */
	uint32_t changes;     /* of the names from, when it began */
	int mode, mtime;      /* create: slots, if it makes `memory` once more */
	bool used, removed;   /* when it began */
	unsigned removals;
	uint32_t removals_begun;
};

/* REQ_CREATE, REQ_REMOVE, REQ_RENAME in the object's directory. */
void checker_file_change_begin(struct file_change *change, struct node *node, struct object *object,
                               const struct msg *msg, unsigned from, unsigned to);
/* Returns the file that was made, or NULL. */
struct segment *checker_file_change_end(struct file_change *change, const struct msg *msg, int error, uint64_t obj);

/* The rmdir of an object; what it does to the names in it. */
struct removal {
	struct node *node;
	struct object *object; /* NULL: nobody knows which one */
	int slots[SIM_FILES];
	bool removed;
};

void checker_removal_begin(struct removal *removal, struct node *node, struct object *object);
void checker_removal_end(struct removal *removal, int error);

/* --- faults, and the end --- */

/* A session between two nodes is lost: what one held exclusive of the other's may be. */
void checker_link_lost(struct sim *sim, struct node *a, struct node *b);
void checker_node_died(struct sim *sim, const struct node *node);

/* Whether an error may come back from a request about this object now. */
bool checker_error_allowed(struct sim *sim, const struct object *object, int error);

/* At the end. */
void checker_counters(struct sim *sim);

#endif
