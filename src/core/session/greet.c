/*
 * greet.c: how two nodes meet. The founder has number 1 and is the directory. A new node greets any member, is sent on to the
 * directory, gets its number and the list of members there, and connects to each of them, so that between two nodes the
 * one with the higher number connects. A session is one connection and one epoch: what was granted in it dies with it.
 */
#include "private.h"

#include <stdio.h>
#include <string.h>

static void refuse(struct sessions *session, uint32_t slot, char *why)
{
	struct msg msg = {.type = MSG_REFUSED, .payload = payload_bytes(why, strlen(why) + 1)};

	conn_send(session, slot, &msg);
	conn_close(session, slot, why);
}

void greet(struct sessions *session, uint32_t slot)
{
	size_t name_length = strlen(session->name) + 1;
	size_t address_length = strlen(session->address) + 1;
	char *text = bus_scratch(session->bus, name_length + address_length);
	struct msg hello = {.type = MSG_HELLO,
	                    .number = session->bus->number,
	                    .cluster = session->bus->number ? session->cluster : 0,
	                    .payload = payload_bytes(text, name_length + address_length)};

	memcpy(text, session->name, name_length);
	memcpy(text + name_length, session->address, address_length);
	conn_send(session, slot, &hello);
}

/* The two strings at the start of a greeting's payload; the codec has checked that they are there. */
static const char *second_string(const struct payload *payload)
{
	return (const char *)payload->bytes + strlen(payload->bytes) + 1;
}

/* At the directory: a number for a new node, or 0 after it was refused. */
static uint32_t admit(struct sessions *session, uint32_t slot, const char *name)
{
	struct member *member, *after;
	bool taken = !strcmp(name, session->name);

	HASH_ITER(hh, session->members, member, after)
	{
		if (strcmp(member->name, name))
			continue;
		if (member->slot == NO_SLOT)
			member_forget(session, member);
		else
			taken = true;
	}
	if (taken) {
		refuse(session, slot,
		       bus_text(session->bus, "a node named %s is in the cluster already; choose another node=", name));
		return 0;
	}
	if (sessions_live(session) >= NODES_MAX || session->next_number >= NODE_NUMBER_MAX) {
		refuse(session, slot, bus_text(session->bus, "the cluster is full: %u nodes", sessions_live(session)));
		return 0;
	}
	return ++session->next_number;
}

static void welcome(struct sessions *session, uint32_t slot, uint32_t your_number, uint32_t epoch, bool members)
{
	const struct member *directory = member_find(session, DIRECTORY_NUMBER);
	const char *lines = members ? members_text(session, your_number, false) : "";
	const char *address = session->bus->number == DIRECTORY_NUMBER ? session->address
	                      : directory                              ? directory->address
	                                                               : "";
	size_t length = strlen(session->name) + strlen(address) + 2 + strlen(lines);
	char *text = bus_scratch(session->bus, length + 1);
	struct msg msg = {.type = MSG_WELCOME,
	                  .number = session->bus->number,
	                  .size = your_number,
	                  .low = DIRECTORY_NUMBER,
	                  .cluster = session->cluster,
	                  .cookie = epoch,
	                  .payload = payload_bytes(text, length)};

	memcpy(text, session->name, strlen(session->name) + 1);
	memcpy(text + strlen(session->name) + 1, address, strlen(address) + 1);
	memcpy(text + length - strlen(lines), lines, strlen(lines));
	conn_send(session, slot, &msg);
}

/* Why a node that says it has this number is not to be let in; NULL if it is. */
static char *objection(struct sessions *session, uint32_t number, const char *name)
{
	const struct member *member = member_find(session, number);

	if (number == session->bus->number)
		return bus_text(session->bus, "this node has number %u itself", number);
	if (!member)
		return session->bus->number == DIRECTORY_NUMBER
		               ? bus_text(session->bus, "node %s is no member any more; restart it", name)
		               : NULL;
	if (strcmp(member->name, name))
		return bus_text(session->bus, "node number %u is %s, not %s", number, member->name, name);
	if (member->slot == NO_SLOT)
		return NULL;
	/* Whoever is up says something each tick. What has been silent is a connection that broke unnoticed. */
	if (session->bus->now_ns - session->conns[member->slot].heard_ns > 2 * tick_interval(session))
		conn_close(session, member->slot, "the node has connected anew");
	return bus_text(session->bus, "node %s is still connected; try again", name);
}

static void greeted(struct sessions *session, uint32_t slot, const struct msg *msg)
{
	const char *name = msg->payload.bytes;
	const char *address = second_string(&msg->payload);
	bool new_node = !msg->number;
	uint32_t number = msg->number;
	struct member *member;
	char *why = NULL;

	if (!session->bus->number)
		why = bus_text(session->bus, "this node is still joining; try again");
	else if (msg->cluster && msg->cluster != session->cluster)
		why = bus_text(session->bus, "node %s belongs to another cluster; restart it", name);
	else if (!new_node)
		why = objection(session, number, name);
	if (why) {
		refuse(session, slot, why);
		return;
	}
	if (new_node && session->bus->number != DIRECTORY_NUMBER) {
		welcome(session, slot, 0, 0, false);
		return;
	}
	if (new_node)
		number = admit(session, slot, name);
	if (!number)
		return;
	if (!nodes_seat(&session->bus->nodes, number)) {
		refuse(session, slot, bus_text(session->bus, "the cluster is full: %u nodes", sessions_live(session)));
		return;
	}
	member = member_add(session, number, name, address);
	session->next_epoch++;
	welcome(session, slot, number, session->next_epoch, new_node);
	conn_up(session, slot, member, session->next_epoch);
}

static void add_members(struct sessions *session, const char *lines, size_t length)
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
			if (sscanf(line, "%u %63s %127s", &number, name, address) == 3 && number != session->bus->number &&
			    !member_find(session, number))
				sessions_connect(session, member_add(session, number, name, address));
		}
		if (!end)
			return;
		length -= line_length + 1;
		lines = end + 1;
	}
}

/* Not the directory: go there, once. */
static void sent_on(struct sessions *session, uint32_t slot, const char *directory)
{
	struct action *action;

	conn_close(session, slot, "sent on to the directory");
	if (session->welcomed || !*directory) {
		sessions_fatal(session,
		              bus_text(session->bus, "%s does not know a directory that can be reached", session->join));
		return;
	}
	session->welcomed = true;
	snprintf(session->join, sizeof(session->join), "%s", directory);
	action = bus_act(session->bus, ACT_CONNECT);
	action->token = session->join_token;
	action->text = session->join;
}

static void welcomed(struct sessions *session, uint32_t slot, const struct msg *msg)
{
	const char *name = msg->payload.bytes;
	const char *directory = second_string(&msg->payload);
	struct member *member;

	if (session->bus->number) {
		member = member_find(session, msg->number);
		if (msg->cluster != session->cluster || !member || member->slot != NO_SLOT ||
		    !nodes_seat(&session->bus->nodes, msg->number))
			conn_close(session, slot, "it answered as another node than the one expected");
		else
			conn_up(session, slot, member, (uint32_t)msg->cookie);
		return;
	}
	if (!msg->size) {
		sent_on(session, slot, directory);
		return;
	}
	session->bus->number = (uint32_t)msg->size;
	session->cluster = msg->cluster;
	session->ready_by_ns = session->bus->now_ns + session->bus->timeout_ns;
	nodes_seat(&session->bus->nodes, session->bus->number);
	nodes_seat(&session->bus->nodes, msg->number);
	member = member_add(session, msg->number, name, session->join);
	add_members(session, directory + strlen(directory) + 1,
	            msg->payload.length_bytes - (strlen(name) + strlen(directory) + 2));
	conn_up(session, slot, member, (uint32_t)msg->cookie);
}

static void refused(struct sessions *session, uint32_t slot, const struct msg *msg)
{
	const char *why =
		bus_text(session->bus, "%.*s", (int)msg->payload.length_bytes, (const char *)msg->payload.bytes);

	conn_close(session, slot, why);
	if (!session->bus->number)
		sessions_fatal(session, bus_text(session->bus, "%s refused: %s", session->join, why));
}

void greeting(struct sessions *session, uint32_t slot, const struct msg *msg)
{
	bool outgoing = session->conns[slot].outgoing;

	if (msg->type == MSG_HELLO && !outgoing)
		greeted(session, slot, msg);
	else if (msg->type == MSG_WELCOME && outgoing)
		welcomed(session, slot, msg);
	else if (msg->type == MSG_REFUSED && outgoing)
		refused(session, slot, msg);
	else
		conn_close(session, slot, "it spoke before it greeted");
}
