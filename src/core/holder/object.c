/*
 * object.c: the objects that programs of this node have open, and those that are only known here. See the drawing in private.h.
 *
 * An object stays open without a program, and its pages and attributes stay here, until its home says otherwise or others
 * have been used since (`unused`): so to open it again costs no message.
 */
#include "private.h"

struct object *object_find(const struct holder *holder, uint64_t obj)
{
	struct object *object;

	HASH_FIND(hh, holder->objects, &obj, sizeof(obj), object);
	return object;
}

static void object_close(struct object *object);

static void used(struct object *object)
{
	if (list_empty(&object->use_link))
		return;
	list_remove(&object->use_link);
	object->holder->unused_count--;
}

static void object_free(struct object *object)
{
	struct segment *segment = &object->memory;
	struct list *link, *after;

	/* Writes of programs that were killed, which their home has not answered. */
	list_for_each_safe(link, after, &segment->growing)
		list_remove(link);
	used(object);
	dwells_forget(segment, 0, true);
	cache_forget(object->holder->cache, &segment->cached);
	fetches_free(segment);
	page_table_clear(&segment->pages);
	attrs_forget(object);
	HASH_DEL(object->holder->objects, object);
	free(object);
}

/* Nothing but what is known of it keeps it. */
static void unused(struct object *object)
{
	struct holder *holder = object->holder;
	struct object *oldest;

	used(object);
	list_push_back(&holder->unused, &object->use_link);
	if (++holder->unused_count <= HOLDER_UNUSED_MAX)
		return;
	oldest = list_entry(holder->unused.next, struct object, use_link);
	if (oldest->state == OBJECT_KNOWN)
		object_free(oldest);
	else
		object_close(oldest);
}

struct segment *op_segment(const struct holder *holder, const struct op *op)
{
	struct object *object = object_find(holder, op->msg.obj);

	return object ? &object->memory : NULL;
}

struct object *object_make(struct holder *holder, uint64_t obj)
{
	struct object *object = object_find(holder, obj);

	if (object) {
		if (!list_empty(&object->use_link))
			unused(object);
		return object;
	}
	object = calloc(1, sizeof(*object));
	if (!object)
		return NULL;
	object->holder = holder;
	object->obj = obj;
	list_init(&object->opens);
	list_init(&object->ends);
	list_init(&object->use_link);
	list_init(&object->dir_link);
	object->memory.object = object;
	cache_init(&object->memory.cached, obj, SEG_MEMORY);
	page_table_init(&object->memory.pages, &holder->bus->page_books, sizeof(struct held));
	list_init(&object->memory.growing);
	list_init(&object->memory.later);
	list_init(&object->memory.early);
	list_init(&object->memory.aheads);
	object->memory.written = 1;
	object->memory.write_next = UINT64_MAX;
	shown_init(&object->memory);
	HASH_ADD(hh, holder->objects, obj, sizeof(object->obj), object);
	unused(object);
	return object;
}

/* --- opening --------------------------------------------------------------------------------------------------------- */

static void opens_fail(struct object *object, int error);

/* Whether a program opens it, or has it open; else it is opened to change its attributes. */
static bool program_opens(const struct object *object)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &object->opens)
		if (list_entry(link, struct op, link)->msg.type != REQ_SETATTR)
			return true;
	return object->handles;
}

/* Programs that have it open for writing go on to write when its home is back. */
static void call_open(struct object *object)
{
	struct msg msg = {.type = REQ_OPEN,
	                  .obj = object->obj,
	                  .seg = object->memory.writers ? SEG_MEMORY : SEG_NONE,
	                  .mode = object->memory.writers ? PAGE_EXCLUSIVE : PAGE_INVALID};
	struct op *op = op_new(object->holder, 0, &msg);

	used(object);
	if (!op) {
		opens_fail(object, -EAGAIN);
		object->state = object->memory.handles ? OBJECT_LOST : OBJECT_KNOWN;
		object_settle(object);
		return;
	}
	object->state = OBJECT_OPENING;
	msg.type = MSG_OPEN;
	msg.flags = program_opens(object) ? 0 : REQUEST_KEEP;
	attrs_call(object->holder, op, &msg);
}

static bool of_memory(const struct op *op)
{
	return op->msg.mode != PAGE_INVALID;
}

static void open_uncount(struct object *object, const struct op *op)
{
	object->handles--;
	object->memory.handles -= of_memory(op);
	object->memory.writers -= op->msg.mode == PAGE_EXCLUSIVE;
}

static void open_answer(struct object *object, struct op *op)
{
	struct msg fields = {.obj = object->obj, .attr = object->attr};

	fields.attr.size_bytes = object->memory.size_bytes;
	if (op->msg.type == REQ_END_OPEN)
		fields.cookie = end_open(object, op->msg.flags & END_READS);
	op_finish(object->holder, op, 0, &fields);
}

void opens_go_on(struct object *object)
{
	struct segment *segment = &object->memory;
	struct list *link, *after;

	if (segment->unshown && (size_known(segment) || bus_broken(object->holder->bus, BREAK_OPEN_UNSHOWN)))
		segment->unshown = false;
	list_for_each_safe(link, after, &object->opens)
	{
		struct op *op = list_entry(link, struct op, link);
		bool upgrades = op->msg.mode == PAGE_EXCLUSIVE && segment->upgrading;

		if (op->stage == OPEN_COUNTED && !(of_memory(op) && (upgrades || segment->unshown)))
			open_answer(object, op);
	}
}

static void open_grant(struct object *object, struct op *op)
{
	struct segment *segment = &object->memory;

	op->stage = OPEN_COUNTED;
	list_remove(&op->link);
	list_push_back(&object->opens, &op->link);
	used(object);
	object->used = true;
	object->handles++;
	if (of_memory(op) && !segment->handles++)
		size_first_open(segment);
	if (op->msg.mode == PAGE_EXCLUSIVE && !segment->writers++ && segment->held_pages &&
	    !bus_broken(object->holder->bus, BREAK_NO_OPEN_FLUSH))
		upgrade(segment);
	if (of_memory(op))
		size_settle(segment);
	opens_go_on(object);
}

/*
 * The home is asked for each open of an owned object's memory, because there may be an access list; for each end, so that it
 * gets no signal that was posted before; and before this node writes what others may keep attributes of.
 */
static void open_try(struct object *object, struct op *op)
{
	struct msg msg = {.type = MSG_OPEN, .obj = object->obj, .seg = op->msg.seg, .mode = op->msg.mode};

	if (op->msg.type == REQ_SETATTR) {
		request_setattr(object, op);
		return;
	}
	if (op->msg.type != REQ_END_OPEN && (!of_memory(op) || !(object->attr.mode & OBJECT_OWNED)) &&
	    (op->msg.mode != PAGE_EXCLUSIVE || object->may_write)) {
		open_grant(object, op);
		return;
	}
	op->stage = OPEN_ASKED;
	list_remove(&op->link);
	list_push_back(&object->opens, &op->link);
	attrs_call(object->holder, op, &msg);
}

static void opens_fail(struct object *object, int error)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &object->opens)
	{
		struct op *op = list_entry(link, struct op, link);

		if (op->stage == OPEN_COUNTED)
			open_uncount(object, op);
		op_finish(object->holder, op, error, NULL);
	}
	object->memory.upgrading = false;
	object->memory.upgrades = 0;
}

void request_open(struct holder *holder, struct op *op)
{
	struct object *object;

	op->stage = OPEN_NEW;
	object = bus_reaches(holder->bus, object_home(op->msg.obj)) ? object_make(holder, op->msg.obj) : NULL;
	if (!object) {
		op_finish(holder, op, -EIO, NULL);
		return;
	}
	switch (object->state) {
	case OBJECT_KNOWN:
		list_push_back(&object->opens, &op->link);
		call_open(object);
		break;
	case OBJECT_OPENING:
	case OBJECT_CLOSING:
		list_push_back(&object->opens, &op->link);
		break;
	case OBJECT_OPEN:
		open_try(object, op);
		break;
	case OBJECT_LOST:
	case OBJECT_DEAD:
		op_finish(holder, op, -EIO, NULL);
		break;
	}
}

/* The object is not to be had; those who have it open already keep it as it is. */
static void open_failed(struct object *object, int error)
{
	opens_fail(object, error);
	if (!object->handles)
		object->state = OBJECT_KNOWN;
	else
		object->state = error == -ESTALE ? OBJECT_DEAD : OBJECT_LOST;
	object->attr_kept = false;
	object_settle(object);
}

void object_opened(struct holder *holder, struct op *call, const struct msg *reply)
{
	struct object *object = object_find(holder, call->msg.obj);
	struct list opens, *link, *after;

	if (!object || object->state != OBJECT_OPENING) {
		op_finish(holder, call, 0, NULL);
		return;
	}
	if (!reply->error)
		attrs_note(object, call, reply);
	object->may_write = !reply->error && call->msg.mode == PAGE_EXCLUSIVE;
	op_finish(holder, call, 0, NULL);
	if (reply->error) {
		open_failed(object, reply->error);
		return;
	}
	object->state = OBJECT_OPEN;
	object->lingers = reply->flags & OPEN_LINGERS;
	object->memory.size_bytes = reply->attr.size_bytes;
	if (object->memory.handles) /* back after its home was out of reach */
		size_settle(&object->memory);
	list_init(&opens);
	list_move_all(&object->opens, &opens);
	list_for_each_safe(link, after, &opens)
	{
		list_remove(link);
		list_push_back(&object->opens, link);
		if (list_entry(link, struct op, link)->stage == OPEN_NEW)
			open_try(object, list_entry(link, struct op, link));
	}
	object_settle(object);
}

/* Whoever was killed meanwhile does not open it. */
void open_replied(struct object *object, struct op *op, const struct msg *reply)
{
	struct holder *holder = object->holder;

	if (!reply->error) {
		attrs_note(object, op, reply);
		object->may_write |= op->msg.mode == PAGE_EXCLUSIVE;
	}
	if (op->token && !reply->error)
		open_grant(object, op);
	else
		op_finish(holder, op, reply->error, NULL);
	object_settle(object);
}

void open_interrupted(struct object *object, struct op *op)
{
	if (op->stage == OPEN_COUNTED)
		open_uncount(object, op);
	if (op->stage == OPEN_COUNTED && op->msg.mode == PAGE_EXCLUSIVE && !object->memory.writers)
		segment_downgrade(&object->memory);
	op_finish(object->holder, op, 0, NULL);
	size_settle(&object->memory);
	object_settle(object);
}

/* --- closing --------------------------------------------------------------------------------------------------------- */

/* Nothing is held any more; the kernel's copies, which nobody can reach until the next open, are dropped. */
static void drop_everything(struct object *object, int error)
{
	struct segment *segment = &object->memory;

	fetches_fail(segment, error);
	opens_fail(object, error);
	dwells_forget(segment, 0, true);
	cache_forget(object->holder->cache, &segment->cached);
	size_forget(segment);
	page_table_clear(&segment->pages);
	segment->held_pages = 0;
	object->may_write = false;
	cache_take(object->holder->cache, &segment->cached, TAKE_ALL, 0, PAGE_END, 0);
}

static void object_close(struct object *object)
{
	struct msg msg = {.type = MSG_CLOSE, .obj = object->obj, .flags = object->used ? 0 : REQUEST_KEEP};

	used(object);
	object->used = false;
	send_home(object, &msg);
	object->state = OBJECT_CLOSING;
	drop_everything(object, -EIO);
}

void object_settle(struct object *object)
{
	if (object->handles || !list_empty(&object->opens) || !list_empty(&object->memory.shown.answers)) {
		used(object);
		return;
	}
	switch (object->state) {
	case OBJECT_OPEN:
		if (object->lingers)
			unused(object);
		else
			object_close(object);
		break;
	case OBJECT_DEAD:
		object_close(object);
		break;
	case OBJECT_LOST:
		if (cache_taking(&object->memory.cached, TAKE_ALL))
			break;
		object->state = OBJECT_KNOWN;
		/* fall through */
	case OBJECT_KNOWN:
		if (object->attr_kept)
			unused(object);
		else
			object_free(object); /* nothing is known of it */
		break;
	default:
		break;
	}
}

void request_release(struct holder *holder, struct op *op)
{
	struct object *object = object_find(holder, op->msg.obj);

	CHECK(object && object->handles);
	open_uncount(object, op);
	if (op->msg.mode == PAGE_EXCLUSIVE && !object->memory.writers && object->state == OBJECT_OPEN &&
	    (object->handles || object->lingers))
		segment_downgrade(&object->memory);
	op_finish(holder, op, 0, NULL);
	size_settle(&object->memory);
	object_settle(object);
}

void object_reap(struct object *object)
{
	object->lingers = false;
	object_settle(object);
}

void object_revoked(struct object *object)
{
	if (object->state != OBJECT_OPEN)
		return;
	object->state = OBJECT_DEAD;
	object->attr_kept = false;
	fetches_fail(&object->memory, -EIO);
	opens_fail(object, -EIO);
	ends_cut(object);
}

void object_taken_all(struct object *object)
{
	bool wanted = object->handles || !list_empty(&object->opens);

	if (object->state == OBJECT_LOST) {
		if (wanted && bus_reaches(object->holder->bus, home_of(object)))
			call_open(object);
		else
			object_settle(object);
		return;
	}
	if (object->state != OBJECT_CLOSING)
		return;
	object->state = OBJECT_KNOWN;
	if (!list_empty(&object->opens) && bus_reaches(object->holder->bus, home_of(object))) {
		call_open(object);
		return;
	}
	opens_fail(object, -EIO);
	object_settle(object);
}

/* --- homes that go and come -------------------------------------------------------------------------------------------- */

void objects_joined(struct holder *holder, uint32_t number)
{
	struct object *object, *after;

	HASH_ITER(hh, holder->objects, object, after)
	if (home_of(object) == number && object->state == OBJECT_LOST && !cache_taking(&object->memory.cached, TAKE_ALL))
		call_open(object);
}

static void object_lost(struct object *object)
{
	object->attr_kept = false;
	object->may_write = false;
	switch (object->state) {
	case OBJECT_KNOWN:
	case OBJECT_LOST:
		break;
	case OBJECT_CLOSING:
		opens_fail(object, -EIO);
		break;
	default:
		used(object);
		object->state = OBJECT_LOST;
		object->lost_ns = object->holder->bus->now_ns;
		object->memory.unflushed = 0;
		ends_cut(object);
		drop_everything(object, -EIO);
		break;
	}
}

void objects_lost(struct holder *holder, uint32_t number)
{
	struct object *object, *after;

	HASH_ITER(hh, holder->objects, object, after)
	if (home_of(object) == number)
		object_lost(object);
}

/*
 * Half a timeout after this node had to give its pages up, others may get them. A kernel that has not dropped them by then
 * would go on with what is stale.
 */
void objects_tick(struct holder *holder)
{
	struct bus *bus = holder->bus;
	struct object *object, *after;

	HASH_ITER(hh, holder->objects, object, after)
	{
		if (object->state != OBJECT_LOST || !cache_taking(&object->memory.cached, TAKE_ALL) ||
		    bus->now_ns - object->lost_ns < bus->timeout_ns / 2 || holder->said_late)
			continue;
		holder->said_late = true;
		bus->violations++;
		bus_act(bus, ACT_FATAL)->text =
			bus_text(bus, "object %" PRIu64 ": its home %s is out of reach, and the kernel has not given up its pages "
			              "in half the timeout; this node ends, so that no program sees stale memory",
			         object->obj, bus_name(bus, home_of(object)));
	}
}

void objects_free(struct holder *holder)
{
	struct object *object, *after;
	struct fetch *fetch, *next;

	HASH_ITER(hh, holder->objects, object, after)
	{
		HASH_ITER(hh, object->memory.fetches, fetch, next)
		{
			list_init(&fetch->ops); /* the ops are freed by ops.c */
			fetch->ahead = NULL;
		}
		object_free(object);
	}
}
