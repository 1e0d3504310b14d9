/*
 * core.c: one step. An event is handed to its machine, then the messages that the machines sent to this same node, until none
 * is left.
 */
#include "core/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bus.h"
#include "core/directory/directory.h"
#include "core/holder/holder.h"
#include "core/home/home.h"
#include "core/session/session.h"

struct core {
	struct bus bus;
	struct sessions *session;
	struct directory *directory;
	struct home *home;
	struct holder *holder;
};

/* --- texts ----------------------------------------------------------------------------------------------------------- */

static bool text_is(const struct payload *payload, const char *word)
{
	size_t length = payload->length_bytes;
	const char *text = payload->bytes;

	while (length && strchr(" \t\r\n", text[length - 1]))
		length--;
	return length == strlen(word) && !memcmp(text, word, length);
}

#define ULL(value) (unsigned long long)(value)

static const char *status_text(struct core *core)
{
	struct bus *bus = &core->bus;

	return bus_text(bus,
	                "node: %s\nnumber: %u\ncluster: %016llx\ndirectory: %s\nobjects: %u\npages: %llu\n"
	                "pages-limit: %llu\nbooks: %llu\nfaults: %llu\nhand-offs: %llu\nrecalls: %llu\nlost: %llu\n"
	                "violations: %llu\nmessages-in: %llu\nmessages-out: %llu\nbytes-in: %llu\nbytes-out: %llu\n",
	                bus_name(bus, bus->number), bus->number, ULL(sessions_cluster(core->session)),
	                bus_name(bus, DIRECTORY_NUMBER), home_objects(core->home), ULL(bus->store_pages), ULL(bus->pages_max),
	                ULL(bus->books_bytes), ULL(bus->faults), ULL(bus->handoffs), ULL(bus->recalls), ULL(bus->lost),
	                ULL(bus->violations), ULL(bus->messages_in), ULL(bus->messages_out), ULL(bus->bytes_in),
	                ULL(bus->bytes_out));
}

static const char *metrics_text(struct core *core)
{
	struct bus *bus = &core->bus;

	return bus_text(bus,
	                "# TYPE netmemfs_faults counter\nnetmemfs_faults_total %llu\n"
	                "# TYPE netmemfs_handoffs counter\nnetmemfs_handoffs_total %llu\n"
	                "# TYPE netmemfs_recalls counter\nnetmemfs_recalls_total %llu\n"
	                "# TYPE netmemfs_lost_pages counter\nnetmemfs_lost_pages_total %llu\n"
	                "# TYPE netmemfs_violations counter\nnetmemfs_violations_total %llu\n"
	                "# TYPE netmemfs_received_messages counter\nnetmemfs_received_messages_total %llu\n"
	                "# TYPE netmemfs_sent_messages counter\nnetmemfs_sent_messages_total %llu\n"
	                "# TYPE netmemfs_received_bytes counter\n# UNIT netmemfs_received_bytes bytes\n"
	                "netmemfs_received_bytes_total %llu\n"
	                "# TYPE netmemfs_sent_bytes counter\n# UNIT netmemfs_sent_bytes bytes\n"
	                "netmemfs_sent_bytes_total %llu\n"
	                "# TYPE netmemfs_objects gauge\nnetmemfs_objects %u\n"
	                "# TYPE netmemfs_store_pages gauge\nnetmemfs_store_pages %llu\n"
	                "# TYPE netmemfs_books_bytes gauge\n# UNIT netmemfs_books_bytes bytes\n"
	                "netmemfs_books_bytes %llu\n# EOF\n",
	                ULL(bus->faults), ULL(bus->handoffs), ULL(bus->recalls), ULL(bus->lost), ULL(bus->violations),
	                ULL(bus->messages_in), ULL(bus->messages_out), ULL(bus->bytes_in), ULL(bus->bytes_out),
	                home_objects(core->home), ULL(bus->store_pages), ULL(bus->books_bytes));
}

static void reply(struct core *core, uint64_t token, int error, const char *text)
{
	struct action *action = bus_act(&core->bus, ACT_REPLY);

	action->token = token;
	action->msg.type = MSG_REPLY;
	action->msg.error = error;
	if (text)
		action->msg.payload = payload_bytes(text, strlen(text));
}

static void info(struct core *core, uint64_t token, const struct payload *what)
{
	reply(core, token, 0,
	      text_is(what, "nodes")    ? sessions_text(core->session)
	      : text_is(what, "status") ? status_text(core)
	                                : metrics_text(core));
}

/* --- dispatch -------------------------------------------------------------------------------------------------------- */

/* What a peer would cut us off for is a program's mistake here, with an errno of its own. */
static int request_refusal(const struct msg *msg)
{
	const struct payload *payload = &msg->payload;
	size_t first = payload->bytes ? strnlen(payload->bytes, payload->length_bytes) : 0;

	switch ((enum msg_type)msg->type) {
	case REQ_RENAME:
		if (payload->length_bytes > first + 1 + OBJECT_NAME_BYTES)
			return -ENAMETOOLONG;
		/* fall through */
	case REQ_MKDIR:
	case REQ_CREATE:
	case REQ_LOOKUP:
	case REQ_REMOVE:
		return first >= OBJECT_NAME_BYTES ? -ENAMETOOLONG : 0;
	case REQ_CONTROL:
		return payload->length_bytes >= TEXT_BYTES ? -EINVAL : 0;
	case REQ_SETATTR:
		return msg->flags & SETATTR_SIZE && msg->size > OBJECT_BYTES_MAX ? -EFBIG : 0;
	case REQ_WRITE:
		return msg->page >= OBJECT_BYTES_MAX / PAGE_BYTES ? -EFBIG : 0;
	default:
		return 0;
	}
}

static void request(struct core *core, const struct event *event)
{
	int error = request_refusal(&event->msg);

	if (error)
		reply(core, event->token, error, NULL);
	else if (event->msg.type == REQ_INFO)
		info(core, event->token, &event->msg.payload);
	else
		holder_request(core->holder, event->token, &event->msg);
}

static void message(struct core *core, uint32_t from, const struct msg *msg)
{
	switch ((enum msg_type)msg->type) {
	case MSG_INSERT:
	case MSG_LOOKUP:
	case MSG_REMOVE:
	case MSG_RENAME:
	case MSG_LIST:
	case MSG_GONE:
	case MSG_NAME_RECALLED:
		directory_message(core->directory, from, msg);
		break;
	case MSG_REPLY:
	case MSG_GRANT:
	case MSG_RECALL:
	case MSG_SIZE:
	case MSG_ATTR_RECALL:
	case MSG_REAP:
	case MSG_NAME_RECALL:
	case MSG_NAME:
	case MSG_SIGNAL:
		holder_message(core->holder, from, msg);
		break;
	default:
		home_message(core->home, from, msg);
		break;
	}
}

static void dispatch(struct core *core, const struct event *event)
{
	uint32_t from;

	switch (event->type) {
	case EV_START:
		sessions_start(core->session);
		break;
	case EV_REQUEST:
		request(core, event);
		break;
	case EV_INTERRUPT:
		holder_interrupt(core->holder, event->token);
		break;
	case EV_INVALIDATED:
		holder_invalidated(core->holder, event->token);
		break;
	case EV_SHOWN:
		holder_shown(core->holder, event->token, event->msg.size);
		break;
	case EV_PEEKED:
		holder_peeked(core->holder, event->token, event->msg.count);
		break;
	case EV_CONNECTED:
		sessions_connected(core->session, event->slot, event->token);
		break;
	case EV_CONNECT_FAILED:
		sessions_connect_failed(core->session, event->token, event->error);
		break;
	case EV_MESSAGE:
		from = sessions_message(core->session, event->slot, &event->msg);
		if (from)
			message(core, from, &event->msg);
		break;
	case EV_FULL:
	case EV_ROOM:
		home_node_full(core->home, sessions_number(core->session, event->slot), event->type == EV_FULL);
		break;
	case EV_DISCONNECTED:
		sessions_disconnected(core->session, event->slot);
		break;
	case EV_TICK:
		sessions_tick(core->session);
		holder_tick(core->holder);
		home_tick(core->home);
		directory_tick(core->directory);
		break;
	case EV_LEAVE:
		sessions_leave(core->session);
		break;
	}
}

static void drain(struct core *core)
{
	struct msg msg;

	holder_go_on(core->holder);
	while (bus_take(&core->bus, &msg)) {
		message(core, core->bus.number, &msg);
		holder_go_on(core->holder);
	}
}

void core_step(struct core *core, const struct event *event, struct actions *actions)
{
	bus_step(&core->bus, event->now_ns);
	dispatch(core, event);
	drain(core);
	*actions = core->bus.actions;
}

/* --- nodes ----------------------------------------------------------------------------------------------------------- */

static void node_joined(void *context, uint32_t number)
{
	struct core *core = context;

	holder_node_joined(core->holder, number);
	home_node_joined(core->home, number);
}

static void node_fenced(void *context, uint32_t number)
{
	holder_node_lost(((struct core *)context)->holder, number);
}

/* First what this node keeps for others, then what its own programs wait for. Its seat is given away behind this. */
static void node_lost(void *context, uint32_t number)
{
	struct core *core = context;

	home_node_lost(core->home, number);
	directory_node_lost(core->directory, number);
	holder_node_lost(core->holder, number);
	drain(core);
}

static void node_forgotten(void *context, uint32_t number)
{
	struct core *core = context;

	if (core->bus.number == DIRECTORY_NUMBER)
		directory_node_forgotten(core->directory, number);
}

/* --- life ------------------------------------------------------------------------------------------------------------ */

int core_new(struct core **out, const struct core_config *config)
{
	struct core *core = calloc(1, sizeof(*core));
	struct sessions_events events = {.joined = node_joined,
	                                .fenced = node_fenced,
	                                .lost = node_lost,
	                                .forgotten = node_forgotten,
	                                .context = core};
	int error = -ENOMEM;

	if (!core)
		return -ENOMEM;
	bus_init(&core->bus, config);
	errno = 0;
	core->session = sessions_new(&core->bus, config, &events);
	if (!core->session && errno == ENAMETOOLONG)
		error = -ENAMETOOLONG;
	core->bus.sessions = core->session;
	core->directory = directory_new(&core->bus);
	core->home = home_new(&core->bus);
	core->holder = holder_new(&core->bus);
	if (!core->session || !core->directory || !core->home || !core->holder) {
		core_free(core);
		return error;
	}
	*out = core;
	return 0;
}

void core_free(struct core *core)
{
	if (!core)
		return;
	holder_free(core->holder);
	home_free(core->home);
	directory_free(core->directory);
	sessions_free(core->session);
	bus_fini(&core->bus);
	free(core);
}

uint64_t core_deadline_ns(const struct core *core)
{
	uint64_t deadline_ns = sessions_deadline_ns(core->session);
	uint64_t holder_ns = holder_deadline_ns(core->holder), home_ns = home_deadline_ns(core->home);

	if (holder_ns < deadline_ns)
		deadline_ns = holder_ns;
	return home_ns < deadline_ns ? home_ns : deadline_ns;
}

bool core_open_size(const struct core *core, uint64_t obj, uint32_t seg, uint64_t *size_bytes)
{
	return holder_open_size(core->holder, obj, seg, size_bytes);
}

bool core_told_size(const struct core *core, uint64_t obj, uint32_t seg, uint64_t *size_bytes)
{
	return holder_told_size(core->holder, obj, seg, size_bytes);
}

uint64_t core_store_pages(const struct core *core)
{
	return bus_pages(&core->bus);
}

uint32_t core_node_number(const struct core *core)
{
	return core->bus.number;
}

enum page_mode core_page_mode(const struct core *core, uint64_t obj, uint32_t seg, uint64_t page)
{
	return holder_page_mode(core->holder, obj, seg, page);
}

bool core_consistent(const struct core *core, char *why, size_t why_bytes)
{
	return home_consistent(core->home, why, why_bytes);
}

size_t core_requests_open(const struct core *core)
{
	return holder_requests_open(core->holder);
}
