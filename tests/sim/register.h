/*
 * register.h: a value that programs on many nodes change and read, each call taking a while: what may it be, and may a
 * read return what it returned? Checks that all reads and changes can be put in one order that agrees with time
 * (linearizability): what a read has returned is not undone by a later read of the value before.
 *
 * Kept as the set of states that are possible now: the value, which of the calls under way have had their effect, and
 * what each read under way could have seen. A call that ended without an answer may have its effect later, or never.
 * When too much goes on at once, the register gives up (loose) and allows everything.
 */
#ifndef NETMEM_SIM_REGISTER_H
#define NETMEM_SIM_REGISTER_H

#include "sched.h"

#define REG_SLOTS 20  /* calls under way, or without an answer */
#define REG_VALUES 32 /* different ones in play */
#define REG_STATES_MAX 96
#define REG_ANYTHING UINT64_MAX /* a value that is not known: the first read tells; never 0 */

enum reg_kind {
	REG_FREE,
	REG_READ,
	REG_SET,
	REG_RAISE,  /* to at least the value */
	REG_INSERT, /* only if it is 0 */
	REG_REMOVE  /* to 0, only if it is not */
};

enum reg_end {
	REG_DONE,
	REG_FAILED,
	REG_EITHER,  /* had its effect, or will never have it */
	REG_PERHAPS  /* had its effect, or will have it at some time, or never */
};

struct reg_call {
	enum reg_kind kind;
	uint8_t value; /* index */
	bool perhaps;  /* ended without an answer */
	const void *node;
};

struct reg_state {
	struct reg_state *next;
	uint32_t done;            /* slots that have had their effect */
	uint8_t value;            /* index */
	uint32_t seen[REG_SLOTS]; /* by each call under way: values, as bits */
};

struct reg {
	struct sched *sched;
	uint64_t values[REG_VALUES];
	uint32_t unknown; /* those of `values` that are not known yet */
	struct reg_call calls[REG_SLOTS];
	struct reg_state *states, *free_states;
	unsigned state_count;
	bool loose;
};

void reg_init(struct reg *reg, struct sched *sched, uint64_t value);
/* The value becomes REG_ANYTHING at this moment; calls under way may have had their effect before or have it later. */
void reg_unknown(struct reg *reg);

/* A call begins. Returns its slot, to end it with; -1 when the register is loose. */
int reg_begin(struct reg *reg, const void *node, enum reg_kind kind, uint64_t value);
/* A change ends. False if that cannot be. */
bool reg_end(struct reg *reg, int slot, enum reg_end how);
/* What the value of a change to REG_ANYTHING is, before its end. False if it was seen to be another. */
bool reg_tell(struct reg *reg, int slot, uint64_t value);
/* The call saw a value from low to high. False if it cannot have. It goes on. */
bool reg_saw(struct reg *reg, int slot, uint64_t low, uint64_t high);
/* Ends a read that saw `value`; false if it cannot have. */
bool reg_read(struct reg *reg, int slot, uint64_t value);
/* Ends a read of which nothing is known. */
void reg_drop(struct reg *reg, int slot);
/* The node's reads end, its changes stay perhaps. */
void reg_node_died(struct reg *reg, const void *node);

uint64_t reg_low(const struct reg *reg);
uint64_t reg_high(const struct reg *reg);
/* The lowest of what calls may still set; UINT64_MAX if there is none. */
uint64_t reg_lowest_set(const struct reg *reg);
bool reg_changing(const struct reg *reg);
/* Whether the read can have seen another value than 0. */
bool reg_may_be_there(const struct reg *reg, int slot);
/* Whether the call has surely had its effect. */
bool reg_surely(const struct reg *reg, int slot);
/* What it may be now. Returns buffer. */
char *reg_print(const struct reg *reg, char *buffer, size_t bytes);

#endif
