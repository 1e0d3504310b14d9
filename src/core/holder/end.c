/*
 * end.c: signals between the programs that have an object open. An end is one open file of NAME/signal, with a count of
 * what has come for it. A post goes to the home, and from there to all nodes that have the object open, in one step; an
 * open goes to the home as well. So each end gets all that the home handles after its open, unless it is cut, and no more.
 *
 *             REQ_END_OPEN         revoked, or the session with the home lost
 *   (none) ------------------> open -------------------------------------------> cut      either --REQ_END_CLOSE--> (none)
 *
 * A cut end stays cut when the home comes back, because nobody can say what it has missed.
 */
#include "private.h"

/* Whether the object's life is tied to the end, as far as is known here. */
enum end_owns { OWNS_NOT, OWNS_ASKED, OWNS };

struct end {
	uint64_t id;
	struct object *object; /* has it among its handles, so it stays */
	struct list link;            /* in object->ends */
	struct list readers;         /* ops that wait; none while something is pending */
	uint32_t pending;
	enum end_owns owns;
	bool reads;
	bool armed; /* an ACT_WAKE is owed */
	bool cut;
	UT_hash_handle hh;
};

static struct end *end_find(const struct holder *holder, uint64_t id)
{
	struct end *end;

	HASH_FIND(hh, holder->ends, &id, sizeof(id), end);
	return end;
}

static void end_free(struct holder *holder, struct end *end)
{
	list_remove(&end->link);
	HASH_DEL(holder->ends, end);
	free(end);
}

static void wake(struct holder *holder, struct end *end)
{
	if (end->armed)
		bus_act(holder->bus, ACT_WAKE)->token = end->id;
	end->armed = false;
}

static void readers_fail(struct holder *holder, struct end *end)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &end->readers)
		op_finish(holder, list_entry(link, struct op, link), -EIO, NULL);
}

static void take(struct holder *holder, struct end *end, struct op *op)
{
	struct msg fields = {.count = op->msg.count < end->pending ? op->msg.count : end->pending};

	end->pending -= fields.count;
	op_finish(holder, op, 0, &fields);
}

static void call_home(struct holder *holder, const struct end *end, struct op *op, struct msg *msg)
{
	msg->obj = end->object->obj;
	msg->cookie = end->id;
	op_call(holder, op, object_home(msg->obj), msg);
}

static void end_read(struct holder *holder, struct end *end, struct op *op)
{
	if (end->pending || !op->msg.count)
		take(holder, end, op);
	else if (end->cut)
		op_finish(holder, op, -EIO, NULL);
	else if (op->msg.flags & END_NONBLOCK)
		op_finish(holder, op, -EAGAIN, NULL);
	else
		list_push_back(&end->readers, &op->link);
}

static void end_post(struct holder *holder, struct end *end, struct op *op)
{
	struct msg msg = {.type = MSG_POST, .flags = op->msg.flags};

	if (end->cut)
		op_finish(holder, op, -EIO, NULL);
	else
		call_home(holder, end, op, &msg);
}

static void end_own(struct holder *holder, struct end *end, struct op *op)
{
	struct msg msg = {.type = MSG_OWN, .attr.uid = op->msg.attr.uid};

	if (end->cut || end->owns != OWNS_NOT) {
		op_finish(holder, op, end->cut ? -EIO : -EBUSY, NULL);
		return;
	}
	end->owns = OWNS_ASKED;
	call_home(holder, end, op, &msg);
}

static void end_poll(struct holder *holder, struct end *end, struct op *op)
{
	struct msg fields = {.flags = (end->pending ? END_READABLE : 0) | (end->cut ? END_CUT : 0)};

	end->armed = true;
	op_finish(holder, op, 0, &fields);
}

void end_request(struct holder *holder, struct op *op)
{
	struct end *end = end_find(holder, op->msg.cookie);

	CHECK(end);
	op->msg.obj = end->object->obj;
	switch (op->msg.type) {
	case REQ_END_READ:
		end_read(holder, end, op);
		break;
	case REQ_END_POST:
		end_post(holder, end, op);
		break;
	case REQ_END_OWN:
		end_own(holder, end, op);
		break;
	default:
		end_poll(holder, end, op);
		break;
	}
}

void end_replied(struct holder *holder, struct op *op, const struct msg *reply)
{
	struct end *end = end_find(holder, op->msg.cookie);

	if (end && op->msg.type == REQ_END_OWN)
		end->owns = reply->error ? OWNS_NOT : OWNS;
	if (end && end->owns == OWNS)
		end->object->attr.mode |= OBJECT_OWNED;
	op_finish(holder, op, reply->error, NULL);
}

uint64_t end_open(struct object *object, bool reads)
{
	struct holder *holder = object->holder;
	struct end *end = calloc(1, sizeof(*end));

	CHECK(end);
	end->id = ++holder->next_end;
	end->object = object;
	end->reads = reads;
	list_init(&end->readers);
	list_push_back(&object->ends, &end->link);
	HASH_ADD(hh, holder->ends, id, sizeof(end->id), end);
	return end->id;
}

struct object *end_close(struct holder *holder, uint64_t id)
{
	struct end *end = end_find(holder, id);
	struct msg msg = {.type = MSG_DISOWN, .cookie = id};
	struct object *object;

	CHECK(end);
	object = end->object;
	msg.obj = object->obj;
	if (end->owns != OWNS_NOT)
		send_home(object, &msg);
	readers_fail(holder, end);
	end_free(holder, end);
	return object;
}

static bool is_for(const struct holder *holder, const struct end *end, const struct msg *msg)
{
	if (!end->reads || end->cut || (msg->flags & POST_ONCE && end->pending))
		return false;
	if (msg->flags & POST_OWNER)
		return end->owns == OWNS;
	if (msg->number == holder->bus->number && msg->cookie == end->id)
		return false;
	return !(msg->flags & POST_USERS) || end->owns != OWNS;
}

void ends_deliver(struct object *object, const struct msg *msg)
{
	struct holder *holder = object->holder;
	struct list *link, *after;

	list_for_each_safe(link, after, &object->ends)
	{
		struct end *end = list_entry(link, struct end, link);

		if (!is_for(holder, end, msg))
			continue;
		end->pending += end->pending < UINT32_MAX;
		if (list_empty(&end->readers))
			wake(holder, end);
		else
			take(holder, end, list_entry(end->readers.next, struct op, link));
	}
}

void ends_cut(struct object *object)
{
	struct holder *holder = object->holder;
	struct list *link, *after;

	list_for_each_safe(link, after, &object->ends)
	{
		struct end *end = list_entry(link, struct end, link);

		if (end->cut)
			continue;
		end->cut = true;
		readers_fail(holder, end);
		wake(holder, end);
	}
}

void ends_free(struct holder *holder)
{
	struct end *end, *after;

	HASH_ITER(hh, holder->ends, end, after)
	end_free(holder, end);
}

