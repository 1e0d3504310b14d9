/*
 * signal.c: signals between the programs that have an object open. An end is one open file of NAME/signal, with a count of
 * what has come for it. A post goes to the home, and from there to all nodes that have the object open, in one step; an
 * open goes to the home as well. So each end gets all that the home handles after its open, unless it is cut, and no more.
 *
 *             REQ_END_OPEN         revoked, or the session with the home lost
 *   (none) ------------------> open -------------------------------------------> cut      either --REQ_END_CLOSE--> (none)
 *
 * A cut end stays cut when the home comes back, because nobody can say what it has missed.
 */
#include "internal.h"

/* Whether the object's life is tied to the end, as far as is known here. */
enum end_owns { OWNS_NOT, OWNS_ASKED, OWNS };

struct end {
	uint64_t id;
	struct agent_object *object; /* has it among its handles, so it stays */
	struct list link;            /* in object->ends */
	struct list readers;         /* ops that wait; none while something is pending */
	uint32_t pending;
	enum end_owns owns;
	bool reads;
	bool armed; /* an ACT_WAKE is owed */
	bool cut;
	UT_hash_handle hh;
};

static struct end *end_find(const struct core *core, uint64_t id)
{
	struct end *end;

	HASH_FIND(hh, core->ends, &id, sizeof(id), end);
	return end;
}

static void end_free(struct core *core, struct end *end)
{
	list_remove(&end->link);
	HASH_DEL(core->ends, end);
	free(end);
}

static void wake(struct core *core, struct end *end)
{
	if (end->armed)
		core_act(core, ACT_WAKE)->token = end->id;
	end->armed = false;
}

static void readers_fail(struct core *core, struct end *end)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &end->readers)
		op_finish(core, list_entry(link, struct op, link), -EIO, NULL);
}

static void take(struct core *core, struct end *end, struct op *op)
{
	struct msg fields = {.count = op->msg.count < end->pending ? op->msg.count : end->pending};

	end->pending -= fields.count;
	op_finish(core, op, 0, &fields);
}

static void call_home(struct core *core, const struct end *end, struct op *op, struct msg *msg)
{
	msg->obj = end->object->obj;
	msg->cookie = end->id;
	op_call(core, op, session_slot(core, object_home(msg->obj)), msg);
}

static void request_read(struct core *core, struct end *end, struct op *op)
{
	if (end->pending || !op->msg.count)
		take(core, end, op);
	else if (end->cut)
		op_finish(core, op, -EIO, NULL);
	else if (op->msg.flags & END_NONBLOCK)
		op_finish(core, op, -EAGAIN, NULL);
	else
		list_push_back(&end->readers, &op->link);
}

static void request_post(struct core *core, struct end *end, struct op *op)
{
	struct msg msg = {.type = MSG_POST, .flags = op->msg.flags};

	if (end->cut)
		op_finish(core, op, -EIO, NULL);
	else
		call_home(core, end, op, &msg);
}

static void request_own(struct core *core, struct end *end, struct op *op)
{
	struct msg msg = {.type = MSG_OWN, .attr.uid = op->msg.attr.uid};

	if (end->cut || end->owns != OWNS_NOT) {
		op_finish(core, op, end->cut ? -EIO : -EBUSY, NULL);
		return;
	}
	end->owns = OWNS_ASKED;
	call_home(core, end, op, &msg);
}

static void request_poll(struct core *core, struct end *end, struct op *op)
{
	struct msg fields = {.flags = (end->pending ? END_READABLE : 0) | (end->cut ? END_CUT : 0)};

	end->armed = true;
	op_finish(core, op, 0, &fields);
}

void signal_request(struct core *core, struct op *op)
{
	struct end *end = end_find(core, op->msg.cookie);

	CHECK(end);
	op->msg.obj = end->object->obj;
	switch (op->msg.type) {
	case REQ_END_READ:
		request_read(core, end, op);
		break;
	case REQ_END_POST:
		request_post(core, end, op);
		break;
	case REQ_END_OWN:
		request_own(core, end, op);
		break;
	default:
		request_poll(core, end, op);
		break;
	}
}

void signal_reply(struct core *core, struct op *op, const struct msg *reply)
{
	struct end *end = end_find(core, op->msg.cookie);

	if (end && op->msg.type == REQ_END_OWN)
		end->owns = reply->error ? OWNS_NOT : OWNS;
	if (end && end->owns == OWNS)
		end->object->attr.mode |= OBJECT_OWNED;
	op_finish(core, op, reply->error, NULL);
}

uint64_t signal_open(struct core *core, struct agent_object *object, bool reads)
{
	struct end *end = calloc(1, sizeof(*end));

	CHECK(end);
	end->id = core->next_token++;
	end->object = object;
	end->reads = reads;
	list_init(&end->readers);
	list_push_back(&object->ends, &end->link);
	HASH_ADD(hh, core->ends, id, sizeof(end->id), end);
	return end->id;
}

uint64_t signal_close(struct core *core, uint64_t id)
{
	struct end *end = end_find(core, id);
	struct msg msg = {.type = MSG_DISOWN, .cookie = id};

	CHECK(end);
	msg.obj = end->object->obj;
	if (end->owns != OWNS_NOT)
		core_send(core, session_slot(core, object_home(msg.obj)), &msg);
	readers_fail(core, end);
	end_free(core, end);
	return msg.obj;
}

static bool is_for(const struct core *core, const struct end *end, const struct msg *msg)
{
	if (!end->reads || end->cut || (msg->flags & POST_ONCE && end->pending))
		return false;
	if (msg->flags & POST_OWNER)
		return end->owns == OWNS;
	if (msg->number == core->number && msg->cookie == end->id)
		return false;
	return !(msg->flags & POST_USERS) || end->owns != OWNS;
}

void signal_deliver(struct core *core, struct agent_object *object, const struct msg *msg)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &object->ends)
	{
		struct end *end = list_entry(link, struct end, link);

		if (!is_for(core, end, msg))
			continue;
		end->pending += end->pending < UINT32_MAX;
		if (list_empty(&end->readers))
			wake(core, end);
		else
			take(core, end, list_entry(end->readers.next, struct op, link));
	}
}

void signal_cut(struct core *core, struct agent_object *object)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &object->ends)
	{
		struct end *end = list_entry(link, struct end, link);

		if (end->cut)
			continue;
		end->cut = true;
		readers_fail(core, end);
		wake(core, end);
	}
}

void signal_fini(struct core *core)
{
	struct end *end, *after;

	HASH_ITER(hh, core->ends, end, after)
	end_free(core, end);
}

/* --- at the home -------------------------------------------------------------------------------------------------- */

void signal_post(struct core *core, struct home_object *object, uint32_t slot, const struct msg *msg)
{
	struct msg signal = {.type = MSG_SIGNAL,
	                     .obj = object->obj,
	                     .flags = msg->flags & (POST_OWNER | POST_USERS | POST_ONCE),
	                     .number = session_number(core, slot),
	                     .cookie = msg->cookie};

	if (object->revoked) {
		core_answer(core, slot, msg->req, -EIO, NULL);
		return;
	}
	object->signals++;
	for (uint32_t user = 0; user < NODES_MAX; user++)
		if (object->users & node_bit(user))
			core_send(core, user, &signal);
	core_answer(core, slot, msg->req, 0, NULL);
}
