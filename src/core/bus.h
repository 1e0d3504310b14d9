/*
 * bus.h: what every machine of the core stands on: the time, messages to nodes by number (also to this one), actions, memory
 * that lives for the step, and the account of the memory that this node gives. Machines know the bus, their own state, and
 * of each other only what the messages say.
 */
#ifndef NETMEM_CORE_BUS_H
#define NETMEM_CORE_BUS_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/list.h"
#include "base/page_table.h"
#include "core/core.h"
#include "core/nodes.h"

#define DIRECTORY_NUMBER 1u /* where the directory is */
#define PAGE_END UINT64_MAX /* last page of "to the end" */
#define NO_LOW UINT64_MAX   /* a change of size that drops nothing */

/* A recall may take that many timeouts; then the node that does not confirm counts as dead. */
#define RECALL_TIMEOUTS 2

struct bus {
	uint64_t now_ns;
	uint64_t timeout_ns;
	uint64_t quiet_ns;
	unsigned breakage;
	uint32_t number; /* of this node; 0 before it is a member */
	struct nodes nodes;
	struct page_books page_books; /* bus_take_books() and bus_give_books() */

	/* Counted for the texts in .netmem. */
	uint64_t faults, handoffs, recalls, violations, lost, bytes_in, bytes_out, messages_in, messages_out;

	/* The rest is the bus's own. */
	uint64_t wall_offset_ns;
	uint64_t pages_max, store_pages, books_bytes;
	uint64_t steps;
	struct actions actions;
	size_t stored; /* actions up to the last that changes the store */
	size_t actions_room;
	struct list scratch;
	struct msg *inbox; /* to oneself; first .. first + count, in a growing array */
	size_t inbox_first, inbox_count, inbox_room;
	struct sessions *sessions;
};

void bus_init(struct bus *bus, const struct core_config *config);
void bus_fini(struct bus *bus);

/* At the beginning of each step. */
void bus_step(struct bus *bus, uint64_t now_ns);
/* Takes the next message to oneself; false if there is none. */
bool bus_take(struct bus *bus, struct msg *msg);

/* --- messages --- */

/* Nothing happens if the node cannot be reached: its loss is told to every machine. Payloads are borrowed for the step. */
void bus_send(struct bus *bus, uint32_t number, const struct msg *msg);
/* Only as part of a run that is being sent, see runs.h; whether that was possible. */
bool bus_send_more(struct bus *bus, uint32_t number, const struct msg *msg);
void bus_send_all(struct bus *bus, node_set set, const struct msg *msg);
void bus_answer(struct bus *bus, uint32_t number, uint32_t req, int error, const struct msg *fields);
bool bus_reaches(const struct bus *bus, uint32_t number);
/* "(unknown node)" if it is none. */
const char *bus_name(const struct bus *bus, uint32_t number);
/* The session ends, and with it all that the two nodes have of each other. Nothing happens for this node itself. */
void bus_hang_up(struct bus *bus, uint32_t number, const char *why);

/* --- actions --- */

struct action *bus_act(struct bus *bus, enum action_type type);
/* Whether the message could be added to the one that this action sends; not where the store changes in between. */
bool bus_add(struct bus *bus, size_t action, const struct msg *msg);
void bus_log(struct bus *bus, enum log_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));
void *bus_scratch(struct bus *bus, size_t bytes); /* zeroed, until the next step */
/* Takes memory from malloc(), to be freed when the step's actions are done. */
void bus_free_later(struct bus *bus, struct list *memory);
char *bus_text(struct bus *bus, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline uint64_t bus_wall_ns(const struct bus *bus)
{
	return bus->now_ns + bus->wall_offset_ns;
}

/* --- memory: pages of the store, and books past a BOOKS_SHAREth of `-o size=`; together no more than that --- */

uint64_t bus_pages(const struct bus *bus); /* that count */
bool bus_take_page(struct bus *bus);
bool bus_has_room(const struct bus *bus, uint64_t pages);
void bus_give_pages(struct bus *bus, uint64_t pages);
bool bus_take_books(struct bus *bus, size_t bytes);
void bus_give_books(struct bus *bus, size_t bytes);

/* --- small things --- */

static inline bool bus_broken(const struct bus *bus, unsigned how)
{
	return (bus->breakage & how) != 0;
}

static inline struct payload payload_bytes(const void *bytes, size_t length)
{
	return (struct payload){.kind = PAYLOAD_BYTES, .bytes = bytes, .length_bytes = (uint32_t)length};
}

static inline uint64_t pages_of(uint64_t bytes)
{
	return (bytes + PAGE_BYTES - 1) / PAGE_BYTES;
}

#endif
