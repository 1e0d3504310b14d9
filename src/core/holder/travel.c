/*
 * travel.c: requests that only have to travel to the directory or to a home and back, in one step or two.
 *
 *   mkdir    this node's home makes an object, the directory gives it the name; refused, the object goes again
 *   create   the same with a file, by the home of its object; `memory` that nobody has used can be made once more
 *   control  the home comes first, to judge it and to cut the users off; then the name is removed, before the program goes on
 */
#include "private.h"

/* In op.stage. */
enum { TRAVEL_ONCE, MAKE_CREATED, MAKE_CLAIMED, NAME_DESTROYED, NAME_REVOKED, NAME_REMOVED };

static bool text_is(const struct payload *payload, const char *word)
{
	const char *text = payload->bytes;
	size_t length = strnlen(text, payload->length_bytes);

	while (length && strchr(" \t\r\n", text[length - 1]))
		length--;
	return length == strlen(word) && !memcmp(text, word, length);
}

static void make(struct holder *holder, struct op *op)
{
	uint64_t dir = op->msg.type == REQ_CREATE ? op->msg.dir : 0;
	struct msg create = {.type = MSG_CREATE, .obj = dir, .attr = op->msg.attr};

	op_keep_payload(op);
	op_call(holder, op, dir ? object_home(dir) : holder->bus->number, &create);
}

static void call(struct holder *holder, struct op *op, unsigned type, uint32_t to)
{
	struct msg msg = op->msg;

	msg.type = (uint8_t)type;
	op_call(holder, op, to, &msg);
}

void travel_request(struct holder *holder, struct op *op)
{
	switch (op->msg.type) {
	case REQ_MKDIR:
	case REQ_CREATE:
		make(holder, op);
		break;
	case REQ_REMOVE:
		call(holder, op, MSG_REMOVE, DIRECTORY_NUMBER);
		break;
	case REQ_RENAME:
		call(holder, op, MSG_RENAME, DIRECTORY_NUMBER);
		break;
	case REQ_CONTROL:
		op->stage = text_is(&op->msg.payload, "destroy")  ? NAME_DESTROYED
		            : text_is(&op->msg.payload, "revoke") ? NAME_REVOKED
		                                                  : TRAVEL_ONCE;
		call(holder, op, MSG_CONTROL, object_home(op->msg.obj));
		break;
	default:
		call(holder, op, MSG_STATUS, object_home(op->msg.obj));
		break;
	}
}

static void created(struct holder *holder, struct op *op, const struct msg *reply)
{
	struct msg insert = {.type = MSG_INSERT,
	                     .obj = reply->obj,
	                     .dir = op->msg.dir,
	                     .cookie = reply->cookie,
	                     .payload = op->msg.payload};

	if (reply->error) {
		op_finish(holder, op, reply->error, NULL);
		return;
	}
	op->msg.obj = reply->obj;
	op->msg.cookie = reply->cookie;
	op->msg.attr = reply->attr;
	op->stage = MAKE_CREATED;
	op_call(holder, op, DIRECTORY_NUMBER, &insert);
}

static void named(struct holder *holder, struct op *op, const struct msg *reply)
{
	struct msg fields = {.obj = op->msg.obj, .cookie = op->msg.cookie, .attr = op->msg.attr};
	struct msg unlink = {.type = MSG_LINK, .obj = op->msg.obj, .flags = LINK_NONE};
	struct msg claim = {.type = MSG_CLAIM, .obj = reply->obj, .attr = op->msg.attr};

	if (reply->error)
		bus_send(holder->bus, object_home(op->msg.obj), &unlink);
	if (reply->error != -EEXIST || op->msg.type != REQ_CREATE || !text_is(&op->msg.payload, MEMORY_NAME)) {
		op_finish(holder, op, reply->error, &fields);
		return;
	}
	op->stage = MAKE_CLAIMED;
	op_call(holder, op, object_home(reply->obj), &claim);
}

static void made(struct holder *holder, struct op *op, const struct msg *reply)
{
	struct msg fields = {.obj = reply->obj, .attr = reply->attr};

	if (op->stage == MAKE_CREATED)
		named(holder, op, reply);
	else if (op->stage == MAKE_CLAIMED)
		op_finish(holder, op, reply->error == -ESTALE ? -EEXIST : reply->error, &fields);
	else
		created(holder, op, reply);
}

/* What has lost its home can still be destroyed. */
static void controlled(struct holder *holder, struct op *op, const struct msg *reply)
{
	bool revokes = op->stage == NAME_REVOKED;
	struct msg remove = {
		.type = MSG_REMOVE, .obj = op->msg.obj, .flags = REQUEST_ALL, .payload = payload_bytes("", 1)};

	if (op->stage == TRAVEL_ONCE || (reply->error && (revokes || reply->error == -EPERM))) {
		op_finish(holder, op, reply->error, NULL);
		return;
	}
	op->stage = revokes ? NAME_REMOVED : TRAVEL_ONCE;
	op->msg.type = REQ_REMOVE;
	op_call(holder, op, DIRECTORY_NUMBER, &remove);
}

void travel_replied(struct holder *holder, struct op *op, const struct msg *reply)
{
	struct msg fields = *reply;

	switch (op->msg.type) {
	case REQ_MKDIR:
	case REQ_CREATE:
		made(holder, op, reply);
		break;
	case REQ_CONTROL:
		controlled(holder, op, reply);
		break;
	default:
		/* Revoked was what had no name any more. */
		op_finish(holder, op, op->stage == NAME_REMOVED && reply->error == -ENOENT ? 0 : reply->error, &fields);
		break;
	}
}
