/*
 * session.c: who is in the cluster and who can be reached.
 *
 * The founder has number 1 and is the directory. A new node greets any member, is sent on to the directory, gets its
 * number and the list of members there, and connects to each of them, so that between two nodes the one with the higher
 * number connects. A session is one TCP connection and one epoch: what was granted in it dies with it.
 *
 * Silence: at half the timeout a node gives up all pages that it holds from the silent peer (it is fenced); at the full
 * timeout, when the peer has fenced itself by the same rule, the peer's pages are taken back. So a node that is cut off
 * stops using a page before anyone else gets it.
 */
#include "internal.h"

#include <stdio.h>

#define RETRY_NS UINT64_C(1000000000)
#define TICKS_PER_TIMEOUT 8

static struct member *member_find(const struct core *core, uint32_t number)
{
	struct member *member;

	HASH_FIND(hh, core->members, &number, sizeof(number), member);
	return member;
}

static struct member *member_add(struct core *core, uint32_t number, const char *name, const char *address)
{
	struct member *member = member_find(core, number);

	if (!member) {
		member = calloc(1, sizeof(*member));
		CHECK(member);
		member->number = number;
		member->slot = NO_SLOT;
		member->retry_ns = UINT64_MAX;
		HASH_ADD(hh, core->members, number, sizeof(member->number), member);
	}
	snprintf(member->name, sizeof(member->name), "%s", name);
	snprintf(member->address, sizeof(member->address), "%s", address);
	return member;
}

static void member_remove(struct core *core, struct member *member)
{
	HASH_DEL(core->members, member);
	free(member);
}

uint32_t session_slot(const struct core *core, uint32_t number)
{
	if (number == core->number)
		return core->number ? SLOT_SELF : NO_SLOT;
	for (uint32_t slot = 1; slot < NODES_MAX; slot++)
		if (core->sessions[slot].state == SESSION_UP && core->sessions[slot].number == number &&
		    !core->sessions[slot].fenced && !core->sessions[slot].gone)
			return slot;
	return NO_SLOT;
}

const char *session_member_name(const struct core *core, uint32_t number)
{
	const struct member *member = member_find(core, number);

	if (number == core->number)
		return core->node_name;
	return member ? member->name : "(unknown node)";
}

uint32_t session_number(const struct core *core, uint32_t slot)
{
	return slot == SLOT_SELF ? core->number : core->sessions[slot].number;
}

const char *session_name(const struct core *core, uint32_t slot)
{
	return session_member_name(core, session_number(core, slot));
}

static int by_number(const struct member *a, const struct member *b)
{
	return a->number < b->number ? -1 : a->number > b->number;
}

/* "NUMBER NAME ADDRESS[ STATE]\n" for each member but `except`; with states also oneself. */
static char *members_text(struct core *core, uint32_t except, bool states)
{
	size_t room = (HASH_COUNT(core->members) + 1) * (NODE_NAME_BYTES + ADDRESS_BYTES + 32) + 1;
	char *text = core_scratch(core, room);
	struct member *member, *after;
	size_t used = 0;

	HASH_SRT(hh, core->members, by_number);
	if (states)
		used = (size_t)snprintf(text, room, "%u %s %s self\n", core->number, core->node_name,
		                        *core->address ? core->address : "-");
	HASH_ITER(hh, core->members, member, after)
	{
		if (member->number == except)
			continue;
		used += (size_t)snprintf(text + used, room - used, "%u %s %s%s\n", member->number, member->name,
		                         *member->address ? member->address : "-",
		                         !states                    ? ""
		                         : member->slot != NO_SLOT ? " up"
		                                                   : " down");
	}
	return text;
}

char *session_text(struct core *core)
{
	return members_text(core, 0, true);
}

static uint64_t tick_interval(const struct core *core)
{
	return core->timeout_ns / TICKS_PER_TIMEOUT;
}

static void tick_arm(struct core *core)
{
	if (core->tick_ns == UINT64_MAX)
		core->tick_ns = core->now_ns + tick_interval(core);
}

static void connect_to(struct core *core, struct member *member)
{
	struct action *action = core_act(core, ACT_CONNECT);

	member->retry_ns = UINT64_MAX;
	member->connect_token = core->next_token++;
	action->token = member->connect_token;
	action->text = core_text(core, "%s", member->address);
	tick_arm(core);
}

static void fatal(struct core *core, const char *text)
{
	core_act(core, ACT_FATAL)->text = text;
}

void session_close(struct core *core, uint32_t slot, const char *why)
{
	struct action *action;

	if (slot == SLOT_SELF || core->sessions[slot].state == SESSION_FREE ||
	    core->sessions[slot].state == SESSION_CLOSING)
		return;
	core->sessions[slot].state = SESSION_CLOSING;
	action = core_act(core, ACT_CLOSE);
	action->slot = slot;
	action->text = why;
}

static void refuse(struct core *core, uint32_t slot, char *why)
{
	struct msg msg = {.type = MSG_REFUSED, .payload = payload_bytes(why, strlen(why) + 1)};

	core_send(core, slot, &msg);
	session_close(core, slot, why);
}

static void check_ready(struct core *core)
{
	struct member *member, *after;

	if (core->ready || !core->number)
		return;
	HASH_ITER(hh, core->members, member, after)
	if (member->slot == NO_SLOT && core->now_ns < core->ready_by_ns)
		return;
	core->ready = true;
	core_act(core, ACT_READY);
}

static void up(struct core *core, uint32_t slot, struct member *member, uint32_t epoch)
{
	struct session *session = &core->sessions[slot];

	session->state = SESSION_UP;
	session->number = member->number;
	session->epoch = epoch;
	member->slot = slot;
	member->retry_ns = UINT64_MAX;
	core_log(core, LOG_LEVEL_INFO, "node %s (%s) is up, epoch %u", member->name, member->address, epoch);
	agent_connected(core, slot);
	check_ready(core);
}

/* The two strings at the start of a greeting's payload; the codec has checked that they are there. */
static const char *second_string(const struct payload *payload)
{
	return (const char *)payload->bytes + strlen(payload->bytes) + 1;
}

static unsigned live_sessions(const struct core *core)
{
	unsigned live = 1;

	for (uint32_t slot = 1; slot < NODES_MAX; slot++)
		live += core->sessions[slot].state == SESSION_UP;
	return live;
}

/* At the directory: a number for a new node, or 0 after it was refused. */
static uint32_t admit(struct core *core, uint32_t slot, const char *name)
{
	struct member *member, *after;

	if (!strcmp(name, core->node_name)) {
		refuse(core, slot, core_text(core, "a node named %s is in the cluster already; choose another node=", name));
		return 0;
	}
	HASH_ITER(hh, core->members, member, after)
	{
		if (strcmp(member->name, name))
			continue;
		if (member->slot != NO_SLOT) {
			refuse(core, slot,
			       core_text(core, "a node named %s is in the cluster already; choose another node=", name));
			return 0;
		}
		names_drop_home(core, member->number);
		member_remove(core, member);
	}
	if (live_sessions(core) >= NODES_MAX || core->next_number >= NODE_NUMBER_MAX) {
		refuse(core, slot, core_text(core, "the cluster is full: %u nodes", live_sessions(core)));
		return 0;
	}
	return ++core->next_number;
}

static void welcome(struct core *core, uint32_t slot, uint32_t your_number, uint32_t epoch, bool members)
{
	const struct member *directory = member_find(core, DIRECTORY_NUMBER);
	const char *lines = members ? members_text(core, your_number, false) : "";
	const char *address = core->number == DIRECTORY_NUMBER ? core->address : directory ? directory->address : "";
	size_t length = strlen(core->node_name) + strlen(address) + 2 + strlen(lines);
	char *text = core_scratch(core, length + 1);
	struct msg msg = {.type = MSG_WELCOME,
	                  .number = core->number,
	                  .size = your_number,
	                  .low = DIRECTORY_NUMBER,
	                  .cluster = core->cluster,
	                  .cookie = epoch,
	                  .payload = payload_bytes(text, length)};

	memcpy(text, core->node_name, strlen(core->node_name) + 1);
	memcpy(text + strlen(core->node_name) + 1, address, strlen(address) + 1);
	memcpy(text + length - strlen(lines), lines, strlen(lines));
	core_send(core, slot, &msg);
}

static void greeted(struct core *core, uint32_t slot, const struct msg *msg)
{
	const char *name = msg->payload.bytes;
	const char *address = second_string(&msg->payload);
	bool new_node = !msg->number;
	uint32_t number = msg->number;
	struct member *member;

	if (!core->number) {
		refuse(core, slot, core_text(core, "this node is still joining; try again"));
		return;
	}
	if (msg->cluster && msg->cluster != core->cluster) {
		refuse(core, slot, core_text(core, "node %s belongs to another cluster; restart it", name));
		return;
	}
	if (new_node && core->number != DIRECTORY_NUMBER) {
		welcome(core, slot, 0, 0, false);
		return;
	}
	if (new_node) {
		number = admit(core, slot, name);
		if (!number)
			return;
	}
	member = member_find(core, number);
	if (!new_node && !member && core->number == DIRECTORY_NUMBER) {
		refuse(core, slot, core_text(core, "node %s is no member any more; restart it", name));
		return;
	}
	if (number == core->number || (member && member->slot != NO_SLOT)) {
		/* A half-open session of before: both go, the node comes again. */
		if (member)
			session_close(core, member->slot, "the node has connected anew");
		session_close(core, slot, "the node is still connected");
		return;
	}
	member = member_add(core, number, name, address);
	core->next_epoch++;
	welcome(core, slot, number, core->next_epoch, new_node);
	up(core, slot, member, core->next_epoch);
}

static void add_members(struct core *core, const char *lines, size_t length)
{
	char line[NODE_NAME_BYTES + ADDRESS_BYTES + 32];

	while (length) {
		const char *end = memchr(lines, '\n', length);
		size_t line_length = end ? (size_t)(end - lines) : length;
		char name[NODE_NAME_BYTES], address[ADDRESS_BYTES];
		unsigned number;

		if (line_length < sizeof(line)) {
			memcpy(line, lines, line_length);
			line[line_length] = 0;
			if (sscanf(line, "%u %63s %127s", &number, name, address) == 3 && number != core->number &&
			    !member_find(core, number))
				connect_to(core, member_add(core, number, name, address));
		}
		if (!end)
			return;
		length -= line_length + 1;
		lines = end + 1;
	}
}

static void welcomed(struct core *core, uint32_t slot, const struct msg *msg)
{
	const char *name = msg->payload.bytes;
	const char *directory = second_string(&msg->payload);
	struct member *member;

	if (core->number) {
		member = member_find(core, msg->number);
		if (msg->cluster != core->cluster || !member || member->slot != NO_SLOT)
			session_close(core, slot, "it answered as another node than the one expected");
		else
			up(core, slot, member, (uint32_t)msg->cookie);
		return;
	}
	if (!msg->size) { /* not the directory: go there, once */
		struct action *action;

		session_close(core, slot, "sent on to the directory");
		if (core->welcomed || !*directory) {
			fatal(core, core_text(core, "%s does not know a directory that can be reached", core->join));
			return;
		}
		core->welcomed = true;
		snprintf(core->join, sizeof(core->join), "%s", directory);
		action = core_act(core, ACT_CONNECT);
		action->token = core->join_token;
		action->text = core->join;
		return;
	}
	core->number = (uint32_t)msg->size;
	core->cluster = msg->cluster;
	core->ready_by_ns = core->now_ns + core->timeout_ns;
	member = member_add(core, msg->number, name, core->join);
	add_members(core, directory + strlen(directory) + 1,
	            msg->payload.length_bytes - (strlen(name) + strlen(directory) + 2));
	up(core, slot, member, (uint32_t)msg->cookie);
}

void session_start(struct core *core)
{
	struct action *action;

	if (!*core->join) {
		core->number = DIRECTORY_NUMBER;
		core->next_number = DIRECTORY_NUMBER;
		check_ready(core);
		return;
	}
	core->join_token = core->next_token++;
	action = core_act(core, ACT_CONNECT);
	action->token = core->join_token;
	action->text = core->join;
}

void session_connected(struct core *core, const struct event *event)
{
	struct session *session = &core->sessions[event->slot];
	size_t name_length = strlen(core->node_name) + 1;
	size_t address_length = strlen(core->address) + 1;
	char *text = core_scratch(core, name_length + address_length);
	struct msg hello = {.type = MSG_HELLO,
	                    .number = core->number,
	                    .cluster = core->number ? core->cluster : 0,
	                    .payload = payload_bytes(text, name_length + address_length)};

	CHECK(session->state == SESSION_FREE);
	*session = (struct session){.state = SESSION_GREETING,
	                            .outgoing = event->token != 0,
	                            .heard_ns = core->now_ns,
	                            .sent_ns = core->now_ns};
	tick_arm(core);
	if (!session->outgoing)
		return;
	memcpy(text, core->node_name, name_length);
	memcpy(text + name_length, core->address, address_length);
	core_send(core, event->slot, &hello);
}

void session_connect_failed(struct core *core, const struct event *event)
{
	struct member *member, *after;

	if (event->token == core->join_token && !core->number) {
		fatal(core, core_text(core, "cannot join %s: %s", core->join, strerror(-event->error)));
		return;
	}
	HASH_ITER(hh, core->members, member, after)
	if (member->connect_token == event->token && member->slot == NO_SLOT)
		member->retry_ns = core->now_ns + RETRY_NS;
	tick_arm(core);
}

void session_disconnected(struct core *core, uint32_t slot)
{
	struct session session = core->sessions[slot];
	struct member *member = session.number ? member_find(core, session.number) : NULL;
	struct member *each, *after;

	core->sessions[slot] = (struct session){0};
	if (!core->number && session.outgoing && session.state == SESSION_GREETING)
		fatal(core, core_text(core, "cannot join %s: it closed the connection without an answer", core->join));
	if (member && member->slot == slot) {
		member->slot = NO_SLOT;
		if (session.leaving) {
			core_log(core, LOG_LEVEL_INFO, "node %s has left", member->name);
			if (core->number == DIRECTORY_NUMBER)
				names_drop_home(core, member->number);
			member_remove(core, member);
		} else {
			core_log(core, LOG_LEVEL_WARNING, "node %s is gone: its connection ended", member->name);
		}
	}
	/* Whoever has the higher number tries again. */
	HASH_ITER(hh, core->members, each, after)
	if (each->slot == NO_SLOT && each->number < core->number && each->retry_ns == UINT64_MAX)
		each->retry_ns = core->now_ns + RETRY_NS;
	tick_arm(core);
}

bool session_message(struct core *core, uint32_t slot, const struct msg *msg)
{
	struct session *session = &core->sessions[slot];

	if (session->state == SESSION_FREE || session->state == SESSION_CLOSING)
		return true;
	if (session->fenced) {
		session_close(core, slot, "it came back after it had been silent for too long");
		return true;
	}
	session->heard_ns = core->now_ns;
	if (session->state == SESSION_UP) {
		if (msg->type == MSG_LEAVE)
			session->leaving = true;
		else if (msg->type == MSG_HELLO || msg->type == MSG_WELCOME || msg->type == MSG_REFUSED)
			session_close(core, slot, "it greeted twice");
		else if (msg->epoch != session->epoch)
			session_close(core, slot, "it spoke in another epoch");
		else
			return msg->type == MSG_PING;
		return true;
	}
	if (msg->type == MSG_HELLO && !session->outgoing)
		greeted(core, slot, msg);
	else if (msg->type == MSG_WELCOME && session->outgoing)
		welcomed(core, slot, msg);
	else if (msg->type == MSG_REFUSED && session->outgoing) {
		const char *why = core_text(core, "%.*s", (int)msg->payload.length_bytes,
		                            (const char *)msg->payload.bytes);

		session_close(core, slot, why);
		if (!core->number)
			fatal(core, core_text(core, "%s refused: %s", core->join, why));
	} else
		session_close(core, slot, "it spoke before it greeted");
	return true;
}

static void check_silence(struct core *core, uint32_t slot)
{
	struct session *session = &core->sessions[slot];
	struct msg ping = {.type = MSG_PING};
	uint64_t silent_ns = core->now_ns - session->heard_ns;

	if (session->state != SESSION_UP && session->state != SESSION_GREETING)
		return;
	if (silent_ns >= core->timeout_ns) {
		if (!core->number)
			fatal(core, core_text(core, "cannot join %s: no answer for %llu ms", core->join,
			                      (unsigned long long)(silent_ns / 1000000)));
		session_close(core, slot, core_text(core, "it was silent for %llu ms",
		                                    (unsigned long long)(silent_ns / 1000000)));
	} else if (session->state == SESSION_UP && silent_ns >= core->timeout_ns / 2 && !session->fenced) {
		core_log(core, LOG_LEVEL_WARNING, "node %s is silent for %llu ms: giving up its pages here",
		         session_name(core, slot), (unsigned long long)(silent_ns / 1000000));
		session->fenced = true;
		agent_disconnected(core, slot);
	} else if (session->state == SESSION_UP && core->now_ns - session->sent_ns >= tick_interval(core)) {
		core_send(core, slot, &ping);
	}
}

void session_tick(struct core *core)
{
	struct member *member, *after;
	bool busy = false;

	if (core->now_ns < core->tick_ns)
		return;
	for (uint32_t slot = 1; slot < NODES_MAX; slot++) {
		check_silence(core, slot);
		busy |= core->sessions[slot].state != SESSION_FREE;
	}
	HASH_ITER(hh, core->members, member, after)
	{
		if (member->slot == NO_SLOT && core->now_ns >= member->retry_ns)
			connect_to(core, member);
		busy |= member->slot == NO_SLOT && member->number < core->number;
	}
	check_ready(core);
	core->tick_ns = busy ? core->now_ns + tick_interval(core) : UINT64_MAX;
}

void session_leave(struct core *core)
{
	struct msg msg = {.type = MSG_LEAVE, .number = core->number};

	for (uint32_t slot = 1; slot < NODES_MAX; slot++)
		if (core->sessions[slot].state == SESSION_UP)
			core_send(core, slot, &msg);
	core_act(core, ACT_LEFT);
}

uint64_t session_deadline_ns(const struct core *core)
{
	return core->tick_ns;
}

void session_fini(struct core *core)
{
	struct member *member, *after;

	HASH_ITER(hh, core->members, member, after)
	member_remove(core, member);
}
