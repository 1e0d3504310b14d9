/*
 * core.c: one step. An event is dispatched to its part, then the messages that the parts sent to this same node, until
 * none is left. Requests that only have to travel to the directory or to a home and back are handled here as ops.
 */
#include "internal.h"

#include <stdio.h>

#define OP_INDEX_BITS 16
_Static_assert(OPS_MAX <= 1u << OP_INDEX_BITS, "an op's index fits its req");

/* --- actions -------------------------------------------------------------------------------------------------- */

struct action *core_act(struct core *core, enum action_type type)
{
	struct action *action;

	if (core->actions.count == core->actions_room) {
		core->actions_room = core->actions_room ? 2 * core->actions_room : 64;
		core->actions.items = realloc(core->actions.items, core->actions_room * sizeof(*action));
		CHECK(core->actions.items);
	}
	action = &core->actions.items[core->actions.count++];
	memset(action, 0, sizeof(*action));
	action->type = type;
	return action;
}

void *core_scratch(struct core *core, size_t bytes)
{
	struct scratch *scratch = calloc(1, sizeof(*scratch) + bytes);

	CHECK(scratch);
	list_push_back(&core->scratch, &scratch->link);
	return scratch->bytes;
}

void op_keep_payload(struct op *op)
{
	struct payload *payload = &op->msg.payload;

	if (op->kept || payload->kind != PAYLOAD_BYTES)
		return;
	op->kept = calloc(1, sizeof(*op->kept) + payload->length_bytes);
	CHECK(op->kept);
	memcpy(op->kept->bytes, payload->bytes, payload->length_bytes);
	payload->bytes = op->kept->bytes;
}

static void scratch_free_all(struct core *core)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &core->scratch)
	{
		list_remove(link);
		free(list_entry(link, struct scratch, link));
	}
}

static char *text_va(struct core *core, const char *format, va_list arguments)
{
	va_list again;
	char *text;
	int length;

	va_copy(again, arguments);
	length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	CHECK(length >= 0);
	text = core_scratch(core, (size_t)length + 1);
	vsnprintf(text, (size_t)length + 1, format, arguments);
	return text;
}

char *core_text(struct core *core, const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = text_va(core, format, arguments);
	va_end(arguments);
	return text;
}

void core_log(struct core *core, enum log_level level, const char *format, ...)
{
	struct action *action;
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = text_va(core, format, arguments);
	va_end(arguments);
	action = core_act(core, ACT_LOG);
	action->level = level;
	action->text = text;
}

uint64_t core_wall_ns(const struct core *core)
{
	return core->now_ns + core->wall_offset_ns;
}

/* --- messages ------------------------------------------------------------------------------------------------- */

static void inbox_push(struct core *core, const struct msg *msg)
{
	if (core->inbox_first + core->inbox_count == core->inbox_room) {
		core->inbox_room = core->inbox_room ? 2 * core->inbox_room : 64;
		core->inbox = realloc(core->inbox, core->inbox_room * sizeof(*core->inbox));
		CHECK(core->inbox);
	}
	core->inbox[core->inbox_first + core->inbox_count++] = *msg;
}

void core_send(struct core *core, uint32_t slot, const struct msg *msg)
{
	struct session *session;
	struct action *action;

	if (slot == SLOT_SELF) {
		inbox_push(core, msg);
		return;
	}
	if (slot == NO_SLOT)
		return;
	session = &core->sessions[slot];
	if ((session->state != SESSION_UP && session->state != SESSION_GREETING) || session->gone)
		return;
	session->sent_ns = core->now_ns;
	core->bytes_out += msg->payload.length_bytes;
	action = core_act(core, ACT_SEND);
	action->slot = slot;
	action->msg = *msg;
	action->msg.epoch = session->epoch;
}

void core_answer(struct core *core, uint32_t slot, uint32_t req, int error, const struct msg *fields)
{
	struct msg msg = fields ? *fields : (struct msg){0};

	msg.type = MSG_REPLY;
	msg.req = req;
	msg.error = error;
	core_send(core, slot, &msg);
}

static void message(struct core *core, uint32_t slot, const struct msg *msg);

static void inbox_drain(struct core *core)
{
	while (core->inbox_count) {
		struct msg msg = core->inbox[core->inbox_first++];

		core->inbox_count--;
		message(core, SLOT_SELF, &msg);
	}
	core->inbox_first = 0;
}

/* --- ops ------------------------------------------------------------------------------------------------------- */

static void op_reply_error(struct core *core, uint64_t token, int error)
{
	struct action *action = core_act(core, ACT_REPLY);

	action->token = token;
	action->msg.type = MSG_REPLY;
	action->msg.error = error;
}

static void ops_grow(struct core *core)
{
	uint32_t room = core->ops_room ? 2 * core->ops_room : 64;

	core->ops = realloc(core->ops, room * sizeof(*core->ops));
	CHECK(core->ops);
	memset(core->ops + core->ops_room, 0, (room - core->ops_room) * sizeof(*core->ops));
	core->ops_free = core->ops_room;
	core->ops_room = room;
}

struct op *op_new(struct core *core, uint64_t token, const struct msg *msg)
{
	struct op *op;
	uint32_t index;

	if (token && core->ops_open >= OPS_MAX / 2) { /* the other half is for what requests bring about */
		op_reply_error(core, token, -EAGAIN);
		return NULL;
	}
	if (core->ops_open == core->ops_room)
		ops_grow(core);
	for (index = core->ops_free; core->ops[index] && core->ops[index]->used;)
		index = (index + 1) % core->ops_room;
	core->ops_free = (index + 1) % core->ops_room;
	op = core->ops[index];
	if (!op) {
		op = calloc(1, sizeof(*op));
		CHECK(op);
		op->req = index;
		core->ops[index] = op;
	}
	op->req += 1u << OP_INDEX_BITS;
	if (op->req >> OP_INDEX_BITS == 0)
		op->req += 1u << OP_INDEX_BITS;
	op->used = true;
	op->token = token;
	op->slot = NO_SLOT;
	op->msg = *msg;
	list_init(&op->link);
	core->ops_open++;
	return op;
}

static struct op *op_find(struct core *core, uint32_t req)
{
	uint32_t index = req & ((1u << OP_INDEX_BITS) - 1);
	struct op *op = index < core->ops_room ? core->ops[index] : NULL;

	return op && op->used && op->req == req ? op : NULL;
}

void op_finish(struct core *core, struct op *op, int error, const struct msg *fields)
{
	CHECK(op->used);
	if (op->token) {
		struct action *action = core_act(core, ACT_REPLY);

		if (fields)
			action->msg = *fields;
		action->token = op->token;
		action->msg.type = MSG_REPLY;
		action->msg.error = error;
	}
	list_remove(&op->link);
	if (op->kept) {
		/* This step's actions may still point into it. */
		list_push_back(&core->scratch, &op->kept->link);
		op->kept = NULL;
	}
	op->used = false;
	core->ops_open--;
}

void op_call(struct core *core, struct op *op, uint32_t slot, const struct msg *msg)
{
	struct msg request = *msg;

	request.req = op->req;
	op->slot = slot;
	if (slot != NO_SLOT) {
		core_send(core, slot, &request);
		return;
	}
	/* As if the session had been lost a moment later. */
	core_answer(core, SLOT_SELF, op->req, -EIO, NULL);
	op->slot = SLOT_SELF;
}

static void call_directory(struct core *core, struct op *op)
{
	op_call(core, op, session_slot(core, DIRECTORY_NUMBER), &op->msg);
}

static void call_home(struct core *core, struct op *op)
{
	op_call(core, op, session_slot(core, object_home(op->msg.obj)), &op->msg);
}

static bool text_is(const struct payload *payload, const char *word)
{
	size_t length = payload->length_bytes;
	const char *text = payload->bytes;

	while (length && strchr(" \t\r\n", text[length - 1]))
		length--;
	return length == strlen(word) && !memcmp(text, word, length);
}

static void info(struct core *core, struct op *op)
{
	struct msg fields = {0};
	const char *text;

	if (text_is(&op->msg.payload, "nodes"))
		text = session_text(core);
	else if (text_is(&op->msg.payload, "status"))
		text = core_text(core,
		                 "node: %s\nnumber: %u\ncluster: %016llx\ndirectory: %s\nobjects: %u\npages: %llu\n"
		                 "pages-limit: %llu\nfaults: %llu\nhand-offs: %llu\nrecalls: %llu\nlost: %llu\n"
		                 "violations: %llu\nbytes-in: %llu\nbytes-out: %llu\n",
		                 core->node_name, core->number, (unsigned long long)core->cluster,
		                 session_member_name(core, DIRECTORY_NUMBER), HASH_COUNT(core->homes),
		                 (unsigned long long)core->store_pages, (unsigned long long)core->pages_max,
		                 (unsigned long long)core->faults, (unsigned long long)core->handoffs,
		                 (unsigned long long)core->recalls_count, (unsigned long long)core->lost,
		                 (unsigned long long)core->violations, (unsigned long long)core->bytes_in,
		                 (unsigned long long)core->bytes_out);
	else
		text = core_text(core,
		                 "# TYPE netmemfs_faults counter\nnetmemfs_faults_total %llu\n"
		                 "# TYPE netmemfs_handoffs counter\nnetmemfs_handoffs_total %llu\n"
		                 "# TYPE netmemfs_recalls counter\nnetmemfs_recalls_total %llu\n"
		                 "# TYPE netmemfs_lost_pages counter\nnetmemfs_lost_pages_total %llu\n"
		                 "# TYPE netmemfs_violations counter\nnetmemfs_violations_total %llu\n"
		                 "# TYPE netmemfs_received_bytes counter\n# UNIT netmemfs_received_bytes bytes\n"
		                 "netmemfs_received_bytes_total %llu\n"
		                 "# TYPE netmemfs_sent_bytes counter\n# UNIT netmemfs_sent_bytes bytes\n"
		                 "netmemfs_sent_bytes_total %llu\n"
		                 "# TYPE netmemfs_objects gauge\nnetmemfs_objects %u\n"
		                 "# TYPE netmemfs_store_pages gauge\nnetmemfs_store_pages %llu\n# EOF\n",
		                 (unsigned long long)core->faults, (unsigned long long)core->handoffs,
		                 (unsigned long long)core->recalls_count, (unsigned long long)core->lost,
		                 (unsigned long long)core->violations, (unsigned long long)core->bytes_in,
		                 (unsigned long long)core->bytes_out, HASH_COUNT(core->homes),
		                 (unsigned long long)core->store_pages);
	fields.payload = payload_bytes(text, strlen(text));
	op_finish(core, op, 0, &fields);
}

static void make_object(struct core *core, struct op *op)
{
	struct msg insert = {.type = MSG_INSERT, .dir = op->msg.dir, .payload = op->msg.payload};
	int error = core->number ? home_create(core, &op->msg.attr, &op->msg.obj) : -EIO;

	if (error) {
		op_finish(core, op, error, NULL);
		return;
	}
	insert.obj = op->msg.obj;
	op_call(core, op, session_slot(core, DIRECTORY_NUMBER), &insert);
}

enum { NAME_STAYS, NAME_DESTROYED, NAME_REVOKED }; /* in the op's msg.cookie */

/* The home comes first, to judge it and to cut the users off; then the name is removed, before the program goes on. */
static void control(struct core *core, struct op *op)
{
	op->msg.cookie = text_is(&op->msg.payload, "destroy")  ? NAME_DESTROYED
	                 : text_is(&op->msg.payload, "revoke") ? NAME_REVOKED
	                                                       : NAME_STAYS;
	call_home(core, op);
}

/* What has lost its home can still be destroyed. */
static void controlled(struct core *core, struct op *op, const struct msg *reply)
{
	uint64_t goes = op->msg.cookie;

	if (!goes || (reply->error && (goes == NAME_REVOKED || reply->error == -EPERM))) {
		op_finish(core, op, reply->error, NULL);
		return;
	}
	op->msg = (struct msg){
		.type = MSG_REMOVE, .obj = op->msg.obj, .cookie = goes, .payload = payload_bytes("", 1)};
	call_directory(core, op);
}

/* What a peer would cut us off for is a program's mistake here, with an errno of its own. */
static int request_refusal(const struct msg *msg)
{
	const struct payload *payload = &msg->payload;
	size_t first = payload->bytes ? strnlen(payload->bytes, payload->length_bytes) : 0;

	switch ((enum msg_type)msg->type) {
	case MSG_RENAME:
		if (payload->length_bytes > first + 1 + OBJECT_NAME_BYTES)
			return -ENAMETOOLONG;
		/* fall through */
	case REQ_MKDIR:
	case MSG_LOOKUP:
	case MSG_REMOVE:
		return first >= OBJECT_NAME_BYTES ? -ENAMETOOLONG : 0;
	case MSG_CONTROL:
		return payload->length_bytes >= TEXT_BYTES ? -EINVAL : 0;
	case MSG_SETSIZE:
		return msg->size > OBJECT_BYTES_MAX ? -EFBIG : 0;
	case REQ_WRITE:
		return msg->page >= OBJECT_BYTES_MAX / PAGE_BYTES ? -EFBIG : 0;
	default:
		return 0;
	}
}

static void request(struct core *core, uint64_t token, const struct msg *msg)
{
	struct op *op = op_new(core, token, msg);
	int error = request_refusal(msg);

	if (!op)
		return;
	if (error) {
		op_finish(core, op, error, NULL);
		return;
	}
	op->msg.attr.mode &= 07777;
	switch ((enum msg_type)msg->type) {
	case MSG_LOOKUP:
	case MSG_REMOVE:
	case MSG_RENAME:
	case MSG_LIST:
		call_directory(core, op);
		break;
	case MSG_GETATTR:
	case MSG_SETATTR:
	case MSG_STATUS:
	case MSG_SYNC:
		call_home(core, op);
		break;
	case MSG_CONTROL:
		control(core, op);
		break;
	case REQ_MKDIR:
		make_object(core, op);
		break;
	case REQ_INFO:
		info(core, op);
		break;
	case REQ_END_READ:
	case REQ_END_POST:
	case REQ_END_OWN:
	case REQ_END_POLL:
		signal_request(core, op);
		break;
	default:
		agent_request(core, op);
		break;
	}
}

/* The name is known; the attributes are its home's. Without the home, rmdir must still be able to find it. */
static void looked_up(struct core *core, struct op *op, const struct msg *reply)
{
	uint32_t slot;

	if (reply->error) {
		op_finish(core, op, reply->error, NULL);
		return;
	}
	op->msg = (struct msg){.type = MSG_GETATTR, .obj = reply->obj, .cookie = 1};
	slot = session_slot(core, object_home(reply->obj));
	if (slot == NO_SLOT) {
		struct msg fields = {.obj = reply->obj};

		op_finish(core, op, 0, &fields);
		return;
	}
	call_home(core, op);
}

static void op_replied(struct core *core, struct op *op, const struct msg *reply)
{
	struct msg fields = *reply;

	switch ((enum msg_type)op->msg.type) {
	case MSG_LOOKUP:
		looked_up(core, op, reply);
		return;
	case MSG_GETATTR:
		fields.obj = op->msg.obj;
		if (op->msg.cookie && reply->error == -ESTALE) {
			/* A name whose object is gone, left over from a broken mkdir or remove. */
			struct msg gone = {.type = MSG_GONE, .obj = op->msg.obj};

			core_send(core, session_slot(core, DIRECTORY_NUMBER), &gone);
			fields.error = -ENOENT;
		}
		if (!agent_defers_attr(core, op, op->msg.obj, &fields))
			op_finish(core, op, fields.error, &fields);
		return;
	case REQ_MKDIR: {
		struct home_object *object = home_find(core, op->msg.obj);

		if (reply->error && object && object->link == LINK_STATE_NEW) {
			object->link = LINK_STATE_NONE;
			home_maybe_destroy(core, object);
		}
		fields.obj = op->msg.obj;
		if (object && !reply->error)
			fields.attr = owner_attr(core, object, SLOT_SELF);
		op_finish(core, op, reply->error, &fields);
		return;
	}
	case MSG_CONTROL:
		controlled(core, op, reply);
		return;
	case MSG_REMOVE:
		if (op->msg.cookie == NAME_REVOKED && reply->error == -ENOENT) {
			op_finish(core, op, 0, NULL); /* revoked what had no name any more */
			return;
		}
		break;
	case REQ_OPEN:
	case REQ_END_OPEN:
	case REQ_WRITE:
	case MSG_SETSIZE:
		agent_reply(core, op, reply);
		return;
	case REQ_END_POST:
	case REQ_END_OWN:
		signal_reply(core, op, reply);
		return;
	default:
		break;
	}
	op_finish(core, op, reply->error, &fields);
}

static void ops_disconnected(struct core *core, uint32_t slot)
{
	struct msg reply = {.type = MSG_REPLY, .error = -EIO};

	for (uint32_t i = 0; i < core->ops_room; i++) {
		struct op *op = core->ops[i];

		if (op && op->used && op->slot == slot) {
			op->slot = NO_SLOT;
			op_replied(core, op, &reply);
		}
	}
}

/* The answer will come and still do its work (a name, an open), but nobody waits for it any more. */
static void interrupt(struct core *core, uint64_t token)
{
	for (uint32_t i = 0; i < core->ops_room; i++) {
		struct op *op = core->ops[i];

		if (!op || !op->used || op->token != token)
			continue;
		op_reply_error(core, token, -EINTR);
		op->token = 0;
		agent_interrupt(core, op);
		return;
	}
}

/* --- dispatch -------------------------------------------------------------------------------------------------- */

static void message(struct core *core, uint32_t slot, const struct msg *msg)
{
	struct op *op;

	switch ((enum msg_type)msg->type) {
	case MSG_REPLY:
		op = op_find(core, msg->req);
		if (op && op->slot == slot) {
			op->slot = NO_SLOT;
			op_replied(core, op, msg);
		}
		break;
	case MSG_INSERT:
	case MSG_LOOKUP:
	case MSG_REMOVE:
	case MSG_RENAME:
	case MSG_LIST:
	case MSG_GONE:
		names_message(core, slot, msg);
		break;
	case MSG_GRANT:
	case MSG_RECALL:
	case MSG_SIZE:
	case MSG_SIGNAL:
		agent_message(core, slot, msg);
		break;
	default:
		home_message(core, slot, msg);
		break;
	}
}

static void disconnected(struct core *core, uint32_t slot)
{
	/* First what this node keeps for others, then what its own programs wait for. */
	core->sessions[slot].gone = true;
	home_disconnected(core, slot);
	agent_disconnected(core, slot);
	ops_disconnected(core, slot);
	session_disconnected(core, slot);
}

static void dispatch(struct core *core, const struct event *event)
{
	switch (event->type) {
	case EV_START:
		session_start(core);
		break;
	case EV_REQUEST:
		request(core, event->token, &event->msg);
		break;
	case EV_INTERRUPT:
		interrupt(core, event->token);
		break;
	case EV_INVALIDATED:
		drop_done(core, event->token);
		break;
	case EV_CONNECTED:
		session_connected(core, event);
		break;
	case EV_CONNECT_FAILED:
		session_connect_failed(core, event);
		break;
	case EV_MESSAGE:
		core->bytes_in += event->msg.payload.length_bytes;
		if (!session_message(core, event->slot, &event->msg))
			message(core, event->slot, &event->msg);
		break;
	case EV_DISCONNECTED:
		disconnected(core, event->slot);
		break;
	case EV_TICK:
		session_tick(core);
		agent_tick(core);
		pages_tick(core);
		break;
	case EV_LEAVE:
		session_leave(core);
		break;
	}
}

void core_step(struct core *core, const struct event *event, struct actions *actions)
{
	scratch_free_all(core);
	core->actions.count = 0;
	core->now_ns = event->now_ns;
	dispatch(core, event);
	inbox_drain(core);
	*actions = core->actions;
}

/* --- life ------------------------------------------------------------------------------------------------------- */

static int copy_text(char *to, size_t room, const char *from)
{
	if (!from)
		from = "";
	if (strlen(from) >= room)
		return -ENAMETOOLONG;
	memcpy(to, from, strlen(from) + 1);
	return 0;
}

int core_new(struct core **out, const struct core_config *config)
{
	struct core *core = calloc(1, sizeof(*core));

	if (!core)
		return -ENOMEM;
	if (copy_text(core->node_name, sizeof(core->node_name), config->node_name) ||
	    copy_text(core->address, sizeof(core->address), config->address) ||
	    copy_text(core->join, sizeof(core->join), config->join)) {
		free(core);
		return -ENAMETOOLONG;
	}
	core->cluster = config->cluster;
	core->pages_max = config->store_pages_max;
	core->timeout_ns = config->timeout_ns;
	core->wall_offset_ns = config->wall_offset_ns;
	core->breakage = config->breakage;
	core->next_token = 1;
	core->next_object = 1;
	core->next_cookie = 1;
	core->tick_ns = UINT64_MAX;
	list_init(&core->scratch);
	list_init(&core->names_order);
	list_init(&core->recalls);
	list_init(&core->runs);
	list_init(&core->dwells);
	*out = core;
	return 0;
}

void core_free(struct core *core)
{
	if (!core)
		return;
	scratch_free_all(core);
	signal_fini(core);
	agent_fini(core);
	home_fini(core);
	names_fini(core);
	session_fini(core);
	for (uint32_t i = 0; i < core->ops_room; i++) {
		if (core->ops[i])
			free(core->ops[i]->kept);
		free(core->ops[i]);
	}
	free(core->ops);
	free(core->inbox);
	free(core->actions.items);
	free(core);
}

uint64_t core_deadline_ns(const struct core *core)
{
	uint64_t session = session_deadline_ns(core);
	uint64_t agent = agent_deadline_ns(core);

	return session < agent ? session : agent;
}

uint64_t core_store_pages(const struct core *core)
{
	return core->store_pages;
}

uint32_t core_node_number(const struct core *core)
{
	return core->number;
}

size_t core_requests_open(const struct core *core)
{
	size_t open = 0;

	for (uint32_t i = 0; i < core->ops_room; i++)
		open += core->ops[i] && core->ops[i]->used && core->ops[i]->token;
	return open;
}
