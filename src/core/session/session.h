/*
 * session.h: the machine that knows who is in the cluster and who can be reached. The only one that knows connections
 * (slots); to the others a node is a number.
 *
 * Silence: at half the timeout a node gives up all that it holds from the silent peer (`fenced`); at the full timeout, when
 * the peer has fenced itself by the same rule, the session ends and what the peer held is taken back (`lost`).
 */
#ifndef NETMEM_CORE_SESSION_H
#define NETMEM_CORE_SESSION_H

#include "core/bus.h"

struct sessions;

/* What the other machines are told, through the core. */
struct sessions_events {
	void (*joined)(void *context, uint32_t number);    /* it can be reached from now on */
	void (*fenced)(void *context, uint32_t number);    /* it cannot; what is held from it is to be given up */
	void (*lost)(void *context, uint32_t number);      /* nor can it have anything of this node's; after fenced, or without */
	void (*forgotten)(void *context, uint32_t number); /* no member any more: it left, or was dead for long */
	void *context;
};

struct sessions *sessions_new(struct bus *bus, const struct core_config *config, const struct sessions_events *events);
void sessions_free(struct sessions *session);

void sessions_start(struct sessions *session);
void sessions_connected(struct sessions *session, uint32_t slot, uint64_t token);
void sessions_connect_failed(struct sessions *session, uint64_t token, int error);
void sessions_disconnected(struct sessions *session, uint32_t slot);
/* The number of the node that the message is from; 0 if it was the session's, or is not to be taken. */
uint32_t sessions_message(struct sessions *session, uint32_t slot, const struct msg *msg);
/* Of the node at the other end; 0 if none is known. */
uint32_t sessions_number(const struct sessions *session, uint32_t slot);
void sessions_tick(struct sessions *session);
uint64_t sessions_deadline_ns(const struct sessions *session);
void sessions_leave(struct sessions *session);

/* For the bus. */
void sessions_send(struct sessions *session, uint32_t number, const struct msg *msg);
bool sessions_send_more(struct sessions *session, uint32_t number, const struct msg *msg); /* see bus_send_more() */
bool sessions_reaches(const struct sessions *session, uint32_t number);
void sessions_hang_up(struct sessions *session, uint32_t number, const char *why);
const char *sessions_name(const struct sessions *session, uint32_t number);

/* "NUMBER NAME ADDRESS STATE\n" for each member. Id of the cluster. */
const char *sessions_text(struct sessions *session);
uint64_t sessions_cluster(const struct sessions *session);

#endif
