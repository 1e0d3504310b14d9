/*
 * checker.h: the oracle. A reference memory with, for each word, the values that a load may return now; who may cache a
 * page; what names may do.
 *
 * Virtual time orders all loads and stores of all simulated processors. A mapped store is one moment: from then on it
 * is the only value. A write(2) or truncate takes effect somewhere between its call and its return: until it returns,
 * both are allowed (this also covers what the kernel shows on its own node before the write has gone anywhere, see
 * DESIGN.md section 5). One that failed or was killed may take effect later, or never.
 *
 * Exempt is what no protocol can help: accesses on a node whose session with the page's home is lost and whose kernel
 * has not been told yet, and a page that write(2) filled whole before it has returned.
 */
#ifndef NETMEM_SIM_CHECKER_H
#define NETMEM_SIM_CHECKER_H

#include "signals.h"
#include "sim.h"

#define WORD_VALUES 6
#define WORD_GHOSTS 4

struct word_write {
	uint64_t value;
	bool overlapped; /* by another store while it was under way */
};

struct word {
	uint64_t values[WORD_VALUES]; /* one of these is the present value */
	struct word_write pending[WORD_VALUES];
	uint64_t ghosts[WORD_GHOSTS]; /* of calls that failed: may still appear */
	uint32_t issued;              /* values given out */
	uint8_t value_count, pending_count, ghost_count;
	bool any;     /* any value it ever had: the page was lost, and then cleared */
	bool loose;   /* too much went on at once: any value it ever had, for ever */
	bool tainted; /* not only mapped stores, so that counters need not add up */
};

struct object {
	struct object *next;
	uint64_t id;
	uint32_t home;  /* node number */
	unsigned index; /* for the trace */
	struct word words[OBJECT_PAGES][PAGE_WORDS];
	uint64_t adds[OBJECT_PAGES];
	uint64_t low;    /* no size change went below this, in bytes, since it was made: no SIGBUS there */
	bool low_known;
	unsigned clears; /* under way */
	bool reverts;    /* its home's copies count when others are lost */
	bool may_lose;   /* a session with its home was lost, so that pages may be */
	bool home_gone;
	struct owning owning;
};

struct inode;

struct object *checker_object(struct sim *sim, uint64_t id);

/* A new value for a plain word, different from all others. */
uint64_t checker_value(struct object *object, unsigned page, unsigned word);

void checker_load(struct inode *inode, unsigned page, unsigned word, uint64_t value, const char *how);
void checker_store(struct inode *inode, unsigned page, unsigned word, uint64_t value);

/* write(2) and truncate: begin, and how it ended. */
void checker_write_begin(struct object *object, unsigned page, unsigned word, uint64_t value);
void checker_write_end(struct object *object, unsigned page, unsigned word, uint64_t value, bool done);
void checker_truncate_begin(struct sim *sim, struct object *object, uint64_t size);
void checker_truncate_end(struct object *object, uint64_t size, bool done);

/* From now on nothing is known of what lies past `size` in the page. */
void checker_loosen(struct object *object, unsigned page, uint64_t size);

/* echo clear > control */
void checker_clear_begin(struct object *object);
void checker_clear_end(struct object *object);

/* echo revert on > control */
void checker_revert_begin(struct object *object);
void checker_revert_end(struct object *object);

/* After a page came into a kernel's cache, was made dirty, or a writable handle appeared. */
void checker_page(struct inode *inode, unsigned page);
void checker_inode(struct inode *inode);

/* A session between two nodes is lost: what one held exclusive of the other's may be. */
void checker_link_lost(struct sim *sim, struct node *a, struct node *b);

/* Whether an error may come back from a request about this object now. */
bool checker_error_allowed(struct sim *sim, const struct object *object, int error);

/* At the end. */
void checker_counters(struct sim *sim);

#endif
