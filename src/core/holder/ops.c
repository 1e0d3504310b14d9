#include "private.h"

#define OP_INDEX_BITS 18
_Static_assert(OPS_MAX <= 1u << OP_INDEX_BITS, "an op's index fits its req");

static void reply(struct holder *holder, uint64_t token, int error, const struct msg *fields)
{
	struct action *action = bus_act(holder->bus, ACT_REPLY);

	if (fields)
		action->msg = *fields;
	action->token = token;
	action->msg.type = MSG_REPLY;
	action->msg.error = error;
}

static bool ops_grow(struct holder *holder)
{
	uint32_t room = holder->ops_room ? 2 * holder->ops_room : 64;
	struct op **ops;

	if (room > OPS_MAX)
		return false;
	ops = realloc(holder->ops, room * sizeof(*ops));
	if (!ops)
		return false;
	memset(ops + holder->ops_room, 0, (room - holder->ops_room) * sizeof(*ops));
	holder->ops = ops;
	holder->ops_free = holder->ops_room;
	holder->ops_room = room;
	return true;
}

static struct op *free_op(struct holder *holder)
{
	uint32_t index;
	struct op *op;

	if (holder->ops_open == holder->ops_room && !ops_grow(holder))
		return NULL;
	for (index = holder->ops_free; holder->ops[index] && holder->ops[index]->used;)
		index = (index + 1) % holder->ops_room;
	holder->ops_free = (index + 1) % holder->ops_room;
	op = holder->ops[index];
	if (!op) {
		op = calloc(1, sizeof(*op));
		if (!op)
			return NULL;
		op->req = index;
		holder->ops[index] = op;
	}
	return op;
}

struct op *op_new(struct holder *holder, uint64_t token, const struct msg *msg)
{
	struct op *op = token && holder->ops_local >= REQUESTS_MAX ? NULL : free_op(holder);

	if (!op) {
		if (token)
			reply(holder, token, -EAGAIN, NULL);
		return NULL;
	}
	op->req += 1u << OP_INDEX_BITS;
	if (op->req >> OP_INDEX_BITS == 0)
		op->req += 1u << OP_INDEX_BITS;
	op->used = true;
	op->token = token;
	op->to = 0;
	op->stage = 0;
	op->counted = false;
	op->whole = NULL;
	op->at_home = false;
	op->dropping = op->dropped = false;
	op->late = false;
	op->peeking = false;
	op->follows = 0;
	op->parts = (struct parts){0};
	op->since_ns = holder->bus->now_ns;
	op->msg = *msg;
	list_init(&op->link);
	holder->ops_open++;
	holder->ops_local += token != 0;
	return op;
}

struct op *op_find(const struct holder *holder, uint32_t req)
{
	uint32_t index = req & ((1u << OP_INDEX_BITS) - 1);
	struct op *op = index < holder->ops_room ? holder->ops[index] : NULL;

	return op && op->used && op->req == req ? op : NULL;
}

struct kept *kept_new(const void *bytes, uint32_t length_bytes)
{
	struct kept *kept = malloc(sizeof(*kept) + length_bytes);

	CHECK(kept);
	memcpy(kept->bytes, bytes, length_bytes);
	return kept;
}

void op_keep_payload(struct op *op)
{
	struct payload *payload = &op->msg.payload;

	if (op->whole) { /* together, so that what its parts say can become one message again */
		op_keep_payload(op->whole);
		payload->bytes = (const char *)op->whole->msg.payload.bytes + (write_start(op) - write_start(op->whole));
		return;
	}

	if (op->kept || payload->kind != PAYLOAD_BYTES)
		return;
	op->kept = kept_new(payload->bytes, payload->length_bytes);
	payload->bytes = op->kept->bytes;
}

void op_answer(struct holder *holder, struct op *op, int error, const struct msg *fields)
{
	if (!op->token)
		return;
	reply(holder, op->token, error, fields);
	op->token = 0;
	holder->ops_local--;
}

void op_finish(struct holder *holder, struct op *op, int error, const struct msg *fields)
{
	CHECK(op->used);
	op_answer(holder, op, error, fields);
	list_remove(&op->link);
	if (op->kept) /* this step's actions may still point into it */
		bus_free_later(holder->bus, &op->kept->link);
	op->kept = NULL;
	if (op->over)
		bus_free_later(holder->bus, &op->over->link);
	op->over = NULL;
	op->used = false;
	holder->ops_open--;
	if (op->whole)
		write_part_ended(holder, op, error);
}

void ops_fail(struct holder *holder, struct list *ops, int error)
{
	struct list *link, *after;

	list_for_each_safe(link, after, ops)
		op_finish(holder, list_entry(link, struct op, link), error, NULL);
}

void op_call(struct holder *holder, struct op *op, uint32_t to, const struct msg *msg)
{
	struct msg request = *msg;

	request.req = op->req;
	op->since_ns = holder->bus->now_ns;
	op->to = to;
	if (bus_reaches(holder->bus, to)) {
		bus_send(holder->bus, to, &request);
		return;
	}
	/* As if it had been lost a moment later. */
	op->to = holder->bus->number;
	if (op->to)
		bus_answer(holder->bus, op->to, op->req, -EIO, NULL);
	else
		op_finish(holder, op, -EIO, NULL);
}

void ops_free(struct holder *holder)
{
	for (uint32_t i = 0; i < holder->ops_room; i++) {
		if (holder->ops[i]) {
			free(holder->ops[i]->kept);
			free(holder->ops[i]->over);
		}
		free(holder->ops[i]);
	}
	free(holder->ops);
}
