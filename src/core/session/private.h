/* private.h: sessions, inside: connections (session.c), greetings (greet.c), members (members.c). */
#ifndef NETMEM_CORE_SESSION_PRIVATE_H
#define NETMEM_CORE_SESSION_PRIVATE_H

#include <uthash.h>

#include "core/session/session.h"

#define NO_SLOT UINT32_MAX
/* Before another attempt to connect; while this node joins, others may be joining too, and be members in a moment. */
#define RETRY_NS UINT64_C(1000000000)
#define RETRY_JOINING_NS UINT64_C(20000000)
#define TICKS_PER_TIMEOUT 8

/*
 *          EV_CONNECTED             HELLO/WELCOME           silent for half the timeout
 *   FREE --------------> GREETING ----------------> UP --------------------------------> FENCED
 *    ^                      |                        |                                     |
 *    |  EV_DISCONNECTED     v      our ACT_CLOSE     v                                     |
 *    +------------------ CLOSING <-------------------+-------------------------------------+
 */
enum conn_state { CONN_FREE, CONN_GREETING, CONN_UP, CONN_FENCED, CONN_CLOSING };

struct conn {
	enum conn_state state;
	bool outgoing;
	bool leaving; /* it said LEAVE */
	bool ended;   /* the connection is no more, the machines are being told */
	uint32_t number;
	uint32_t epoch;
	uint64_t heard_ns;
	uint64_t sent_ns;
	uint64_t last_step; /* in which something was said, as this action */
	size_t last_action;
};

/* Another node as far as known, with or without a session. */
struct member {
	uint32_t number;
	uint32_t slot; /* NO_SLOT while there is none */
	uint64_t connect_token;
	uint64_t retry_ns;
	uint64_t down_ns; /* since when there is none */
	char name[NODE_NAME_BYTES];
	char address[ADDRESS_BYTES];
	UT_hash_handle hh;
};

struct sessions {
	struct bus *bus;
	struct sessions_events events;
	char name[NODE_NAME_BYTES];
	char address[ADDRESS_BYTES];
	char join[ADDRESS_BYTES];
	uint64_t cluster;
	struct conn conns[NODES_MAX]; /* by slot */
	struct member *members;
	uint64_t join_token, next_token;
	bool ready;
	bool welcomed;
	uint64_t ready_by_ns;
	uint64_t tick_ns;
	uint32_t next_number; /* at the directory */
	uint32_t next_epoch;
};

/* session.c */
void conn_send(struct sessions *session, uint32_t slot, const struct msg *msg);
void conn_close(struct sessions *session, uint32_t slot, const char *why);
void conn_up(struct sessions *session, uint32_t slot, struct member *member, uint32_t epoch);
void sessions_connect(struct sessions *session, struct member *member);
void sessions_fatal(struct sessions *session, const char *text);
unsigned sessions_live(const struct sessions *session);
uint64_t tick_interval(const struct sessions *session);

/* greet.c */
void greet(struct sessions *session, uint32_t slot);
void greeting(struct sessions *session, uint32_t slot, const struct msg *msg);

/* members.c */
struct member *member_find(const struct sessions *session, uint32_t number);
struct member *member_add(struct sessions *session, uint32_t number, const char *name, const char *address);
void member_forget(struct sessions *session, struct member *member);
/* "NUMBER NAME ADDRESS[ STATE]\n" for each member but `except`; with states also oneself. */
char *members_text(struct sessions *session, uint32_t except, bool states);
/* Forgets who has been dead for too long, and the longest dead where there are too many. */
void members_tidy(struct sessions *session);

#endif
