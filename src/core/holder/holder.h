/*
 * holder.h: the machine that serves this node's programs: what they ask, what the node holds for them (pages, attributes,
 * names), and what it has to give back when a home or the directory recalls it.
 */
#ifndef NETMEM_CORE_HOLDER_H
#define NETMEM_CORE_HOLDER_H

#include "core/bus.h"

struct holder;

struct holder *holder_new(struct bus *bus);
void holder_free(struct holder *holder);

/* A request of a local program; exactly one ACT_REPLY answers it. */
void holder_request(struct holder *holder, uint64_t token, const struct msg *msg);
void holder_interrupt(struct holder *holder, uint64_t token);

/* REPLY, GRANT, RECALL, SIZE, ATTR_RECALL, REAP, NAME_RECALL, NAME, SIGNAL. */
void holder_message(struct holder *holder, uint32_t from, const struct msg *msg);
void holder_invalidated(struct holder *holder, uint64_t token);
void holder_shown(struct holder *holder, uint64_t token, uint64_t size_bytes);

void holder_peeked(struct holder *holder, uint64_t token, bool cached);

/* After each of these: what they have made possible. */
void holder_go_on(struct holder *holder);

void holder_node_joined(struct holder *holder, uint32_t number);
/* What is held from it is given up. May be told twice. */
void holder_node_lost(struct holder *holder, uint32_t number);

void holder_tick(struct holder *holder);
uint64_t holder_deadline_ns(const struct holder *holder);

/* See core.h. */
bool holder_open_size(const struct holder *holder, uint64_t obj, uint32_t seg, uint64_t *size_bytes);
bool holder_told_size(const struct holder *holder, uint64_t obj, uint32_t seg, uint64_t *size_bytes);
enum page_mode holder_page_mode(const struct holder *holder, uint64_t obj, uint32_t seg, uint64_t page);
size_t holder_requests_open(const struct holder *holder);

#endif
