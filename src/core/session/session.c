#include "private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct conn *conn_of(const struct sessions *session, uint32_t number)
{
	const struct member *member = member_find(session, number);

	return member && member->slot != NO_SLOT ? (struct conn *)&session->conns[member->slot] : NULL;
}

bool sessions_reaches(const struct sessions *session, uint32_t number)
{
	const struct conn *conn = conn_of(session, number);

	return conn && conn->state == CONN_UP && !conn->ended;
}

void conn_send(struct sessions *session, uint32_t slot, const struct msg *msg)
{
	struct conn *conn = &session->conns[slot];
	struct bus *bus = session->bus;
	struct action *action;

	if ((conn->state != CONN_UP && conn->state != CONN_GREETING && conn->state != CONN_FENCED) || conn->ended)
		return;
	conn->sent_ns = bus->now_ns;
	bus->bytes_out += msg->payload.length_bytes;
	bus->messages_out += msg->type != MSG_PING;
	conn->last_step = bus->steps;
	conn->last_action = bus->actions.count;
	action = bus_act(bus, ACT_SEND);
	action->slot = slot;
	action->msg = *msg;
	action->msg.epoch = conn->epoch;
}

bool sessions_send_more(struct sessions *session, uint32_t number, const struct msg *msg)
{
	struct conn *conn = conn_of(session, number);

	if (!conn || conn->last_step != session->bus->steps || !bus_add(session->bus, conn->last_action, msg))
		return false;
	session->bus->bytes_out += msg->payload.length_bytes;
	return true;
}

void sessions_send(struct sessions *session, uint32_t number, const struct msg *msg)
{
	const struct member *member = member_find(session, number);

	if (member && member->slot != NO_SLOT)
		conn_send(session, member->slot, msg);
}

const char *sessions_name(const struct sessions *session, uint32_t number)
{
	const struct member *member = member_find(session, number);

	if (number == session->bus->number)
		return session->name;
	return member ? member->name : "(unknown node)";
}

const char *sessions_text(struct sessions *session)
{
	return members_text(session, 0, true);
}

uint64_t sessions_cluster(const struct sessions *session)
{
	return session->cluster;
}

uint64_t tick_interval(const struct sessions *session)
{
	return session->bus->timeout_ns / TICKS_PER_TIMEOUT;
}

static void tick_arm(struct sessions *session)
{
	if (session->tick_ns == UINT64_MAX)
		session->tick_ns = session->bus->now_ns + tick_interval(session);
}

/* The member is connected to again after a while. */
static void session_retry(struct sessions *session, struct member *member)
{
	member->retry_ns = session->bus->now_ns + (session->ready ? RETRY_NS : RETRY_JOINING_NS);
	tick_arm(session);
	if (session->tick_ns > member->retry_ns)
		session->tick_ns = member->retry_ns;
}

void sessions_connect(struct sessions *session, struct member *member)
{
	struct action *action = bus_act(session->bus, ACT_CONNECT);

	member->retry_ns = UINT64_MAX;
	member->connect_token = session->next_token++;
	action->token = member->connect_token;
	action->text = bus_text(session->bus, "%s", member->address);
	tick_arm(session);
}

void sessions_fatal(struct sessions *session, const char *text)
{
	bus_act(session->bus, ACT_FATAL)->text = text;
}

void conn_close(struct sessions *session, uint32_t slot, const char *why)
{
	struct conn *conn = &session->conns[slot];
	struct action *action;

	if (conn->state == CONN_FREE || conn->state == CONN_CLOSING)
		return;
	conn->state = CONN_CLOSING;
	action = bus_act(session->bus, ACT_CLOSE);
	action->slot = slot;
	action->text = why;
}

void sessions_hang_up(struct sessions *session, uint32_t number, const char *why)
{
	const struct member *member = member_find(session, number);

	if (member && member->slot != NO_SLOT)
		conn_close(session, member->slot, why);
}

static void check_ready(struct sessions *session)
{
	struct member *member, *after;

	if (session->ready || !session->bus->number)
		return;
	HASH_ITER(hh, session->members, member, after)
	if (member->slot == NO_SLOT && session->bus->now_ns < session->ready_by_ns)
		return;
	session->ready = true;
	bus_act(session->bus, ACT_READY);
}

void conn_up(struct sessions *session, uint32_t slot, struct member *member, uint32_t epoch)
{
	struct conn *conn = &session->conns[slot];

	conn->state = CONN_UP;
	conn->number = member->number;
	conn->epoch = epoch;
	member->slot = slot;
	member->retry_ns = UINT64_MAX;
	bus_log(session->bus, LOG_LEVEL_INFO, "node %s (%s) is up, epoch %u", member->name, member->address, epoch);
	session->events.joined(session->events.context, member->number);
	check_ready(session);
}

unsigned sessions_live(const struct sessions *session)
{
	unsigned live = 1;

	for (uint32_t slot = 1; slot < NODES_MAX; slot++)
		live += session->conns[slot].state == CONN_UP;
	return live;
}

void sessions_start(struct sessions *session)
{
	struct action *action;

	if (!*session->join) {
		session->bus->number = DIRECTORY_NUMBER;
		session->next_number = DIRECTORY_NUMBER;
		nodes_seat(&session->bus->nodes, DIRECTORY_NUMBER);
		check_ready(session);
		return;
	}
	session->join_token = session->next_token++;
	action = bus_act(session->bus, ACT_CONNECT);
	action->token = session->join_token;
	action->text = session->join;
}

void sessions_connected(struct sessions *session, uint32_t slot, uint64_t token)
{
	struct conn *conn = &session->conns[slot];

	CHECK(conn->state == CONN_FREE);
	*conn = (struct conn){.state = CONN_GREETING,
	                      .outgoing = token != 0,
	                      .heard_ns = session->bus->now_ns,
	                      .sent_ns = session->bus->now_ns};
	tick_arm(session);
	if (conn->outgoing)
		greet(session, slot);
}

void sessions_connect_failed(struct sessions *session, uint64_t token, int error)
{
	struct member *member, *after;

	if (token == session->join_token && !session->bus->number) {
		sessions_fatal(session, bus_text(session->bus, "cannot join %s: %s", session->join, strerror(-error)));
		return;
	}
	HASH_ITER(hh, session->members, member, after)
	if (member->connect_token == token && member->slot == NO_SLOT)
		session_retry(session, member);
	tick_arm(session);
}

/* Its seat is free only when no machine has it in a set any more. */
static void member_down(struct sessions *session, struct member *member, const struct conn *conn)
{
	struct bus *bus = session->bus;

	session->events.lost(session->events.context, member->number);
	nodes_unseat(&bus->nodes, member->number);
	member->slot = NO_SLOT;
	member->down_ns = bus->now_ns;
	if (conn->leaving) {
		bus_log(bus, LOG_LEVEL_INFO, "node %s has left", member->name);
		member_forget(session, member);
	} else {
		bus_log(bus, LOG_LEVEL_WARNING, "node %s is gone: its connection ended", member->name);
		members_tidy(session);
	}
}

void sessions_disconnected(struct sessions *session, uint32_t slot)
{
	struct conn *conn = &session->conns[slot];
	struct member *member = conn->number ? member_find(session, conn->number) : NULL;
	struct member *each, *after;

	conn->ended = true;
	if (member && member->slot == slot)
		member_down(session, member, conn);
	if (!session->bus->number && conn->outgoing && conn->state == CONN_GREETING)
		sessions_fatal(session,
		              bus_text(session->bus, "cannot join %s: it closed the connection without an answer", session->join));
	*conn = (struct conn){0};
	/* Whoever has the higher number tries again. */
	HASH_ITER(hh, session->members, each, after)
	if (each->slot == NO_SLOT && each->number < session->bus->number && each->retry_ns == UINT64_MAX)
		session_retry(session, each);
	tick_arm(session);
}

uint32_t sessions_number(const struct sessions *session, uint32_t slot)
{
	return session->conns[slot].number;
}

uint32_t sessions_message(struct sessions *session, uint32_t slot, const struct msg *msg)
{
	struct conn *conn = &session->conns[slot];

	session->bus->bytes_in += msg->payload.length_bytes;
	session->bus->messages_in += msg->type != MSG_PING;
	if (conn->state == CONN_FENCED)
		conn_close(session, slot, "it came back after it had been silent for too long");
	if (conn->state == CONN_FREE || conn->state == CONN_CLOSING)
		return 0;
	conn->heard_ns = session->bus->now_ns;
	if (conn->state == CONN_GREETING) {
		greeting(session, slot, msg);
		return 0;
	}
	if (msg->type == MSG_HELLO || msg->type == MSG_WELCOME || msg->type == MSG_REFUSED)
		conn_close(session, slot, "it greeted twice");
	else if (msg->epoch != conn->epoch)
		conn_close(session, slot, "it spoke in another epoch");
	else if (msg->type == MSG_LEAVE)
		conn->leaving = true;
	else if (msg->type != MSG_PING)
		return conn->number;
	return 0;
}

static void check_silence(struct sessions *session, uint32_t slot)
{
	struct conn *conn = &session->conns[slot];
	struct bus *bus = session->bus;
	struct msg ping = {.type = MSG_PING};
	uint64_t silent_ns = bus->now_ns - conn->heard_ns;
	unsigned long long silent_ms = silent_ns / 1000000;

	if (conn->state == CONN_FREE || conn->state == CONN_CLOSING)
		return;
	if (silent_ns >= bus->timeout_ns) {
		if (!bus->number)
			sessions_fatal(session, bus_text(bus, "cannot join %s: no answer for %llu ms", session->join, silent_ms));
		conn_close(session, slot, bus_text(bus, "it was silent for %llu ms", silent_ms));
	} else if (conn->state == CONN_UP && silent_ns >= bus->timeout_ns / 2) {
		bus_log(bus, LOG_LEVEL_WARNING, "node %s is silent for %llu ms: giving up its pages here",
		        sessions_name(session, conn->number), silent_ms);
		conn->state = CONN_FENCED;
		session->events.fenced(session->events.context, conn->number);
	} else if (conn->state == CONN_UP && bus->now_ns - conn->sent_ns >= tick_interval(session)) {
		conn_send(session, slot, &ping);
	}
}

void sessions_tick(struct sessions *session)
{
	struct member *member, *after;
	uint64_t now_ns = session->bus->now_ns;
	bool busy = false;

	if (now_ns < session->tick_ns)
		return;
	for (uint32_t slot = 1; slot < NODES_MAX; slot++) {
		check_silence(session, slot);
		busy |= session->conns[slot].state != CONN_FREE;
	}
	members_tidy(session);
	HASH_ITER(hh, session->members, member, after)
	{
		if (member->slot == NO_SLOT && now_ns >= member->retry_ns)
			sessions_connect(session, member);
		busy |= member->slot == NO_SLOT;
	}
	check_ready(session);
	session->tick_ns = busy ? now_ns + tick_interval(session) : UINT64_MAX;
	HASH_ITER(hh, session->members, member, after)
	if (member->slot == NO_SLOT && member->retry_ns < session->tick_ns)
		session->tick_ns = member->retry_ns;
}

uint64_t sessions_deadline_ns(const struct sessions *session)
{
	return session->tick_ns;
}

void sessions_leave(struct sessions *session)
{
	struct msg msg = {.type = MSG_LEAVE, .number = session->bus->number};

	for (uint32_t slot = 1; slot < NODES_MAX; slot++)
		if (session->conns[slot].state == CONN_UP)
			conn_send(session, slot, &msg);
	bus_act(session->bus, ACT_LEFT);
}

static int copy_text(char *to, size_t room, const char *from)
{
	if (!from)
		from = "";
	if (strlen(from) >= room)
		return -ENAMETOOLONG;
	memcpy(to, from, strlen(from) + 1);
	return 0;
}

struct sessions *sessions_new(struct bus *bus, const struct core_config *config, const struct sessions_events *events)
{
	struct sessions *session = calloc(1, sizeof(*session));

	if (!session)
		return NULL;
	session->bus = bus;
	session->events = *events;
	session->cluster = config->cluster;
	session->next_token = 1;
	session->tick_ns = UINT64_MAX;
	if (copy_text(session->name, sizeof(session->name), config->node_name) ||
	    copy_text(session->address, sizeof(session->address), config->address) ||
	    copy_text(session->join, sizeof(session->join), config->join)) {
		free(session);
		errno = ENAMETOOLONG;
		return NULL;
	}
	return session;
}

void sessions_free(struct sessions *session)
{
	struct member *member, *after;

	if (!session)
		return;
	HASH_ITER(hh, session->members, member, after)
	{
		HASH_DEL(session->members, member);
		free(member);
	}
	free(session);
}
