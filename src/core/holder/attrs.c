/*
 * attrs.c: attributes. What a home says with ATTR_KEEP is kept until the home recalls it, and requests are answered with it.
 */
#include "private.h"

/* The files known here of one object. */
struct family {
	uint64_t dir;
	struct list files;
	UT_hash_handle hh;
};

static struct family *family_find(const struct holder *holder, uint64_t dir)
{
	struct family *family;

	HASH_FIND(hh, holder->families, &dir, sizeof(dir), family);
	return family;
}

static struct family *family_make(struct holder *holder, uint64_t dir)
{
	struct family *family = family_find(holder, dir);

	if (family)
		return family;
	family = calloc(1, sizeof(*family));
	CHECK(family);
	family->dir = dir;
	list_init(&family->files);
	HASH_ADD(hh, holder->families, dir, sizeof(family->dir), family);
	return family;
}

void attrs_forget(struct object *object)
{
	struct family *family = object->dir ? family_find(object->holder, object->dir) : NULL;

	list_remove(&object->dir_link);
	object->dir = 0;
	if (!family || !list_empty(&family->files))
		return;
	HASH_DEL(object->holder->families, family);
	free(family);
}

static void set_dir(struct object *object, uint64_t dir)
{
	if (object->dir == dir)
		return;
	attrs_forget(object);
	object->dir = dir;
	if (dir)
		list_push_back(&family_make(object->holder, dir)->files, &object->dir_link);
}

/* What this node has put since it asked, the home did not know of. */
void attrs_note(struct object *object, const struct op *op, const struct msg *reply)
{
	set_dir(object, reply->dir);
	object->attr = reply->attr;
	object->attr_kept = reply->flags & ATTR_KEEP && op->puts == object->memory.puts;
}

void attrs_call(struct holder *holder, struct op *op, const struct msg *msg)
{
	const struct object *object = object_find(holder, msg->obj);

	op->puts = object ? object->memory.puts : 0;
	op_keep_payload(op); /* the name, should it have to be looked up again */
	op_call(holder, op, object_home(msg->obj), msg);
}

/* This node put something: if it may keep the attributes while it writes, it is the only one that does. */
void attrs_wrote(struct object *object, uint64_t mtime_ns, bool first)
{
	object->attr.mtime_ns = mtime_ns;
	if (mtime_ns > object->attr.ctime_ns)
		object->attr.ctime_ns = mtime_ns;
	object->attr.used_bytes += first ? PAGE_BYTES : 0;
}

static void answer(struct object *object, struct op *op, const struct msg *reply)
{
	struct msg fields = {.obj = op->msg.obj, .attr = reply->attr};

	if (op->msg.seg == SEG_MEMORY)
		size_answer(&object->memory, op, &fields);
	else
		op_finish(object->holder, op, 0, &fields);
}

void attrs_found(struct holder *holder, struct op *op)
{
	struct object *object = object_find(holder, op->msg.obj);
	struct msg msg = {.type = MSG_GETATTR, .obj = op->msg.obj};

	if (object && object->attr_kept)
		answer(object, op, &(struct msg){.attr = object->attr});
	else
		attrs_call(holder, op, &msg);
}

/* The object is open here. */
void request_setattr(struct object *object, struct op *op)
{
	struct msg msg = op->msg;

	msg.type = MSG_SETATTR;
	object->memory.resizing += (op->msg.flags & SETATTR_SIZE) != 0;
	list_remove(&op->link);
	op->stage = OPEN_ASKED;
	attrs_call(object->holder, op, &msg);
}

/*
 * A truncate that met a growth is answered with the size that it asked for: from the larger one the kernel might see no
 * change, and keep what was cut off.
 */
static void set_size_replied(struct object *object, struct op *op, const struct msg *reply)
{
	struct msg fields = {.obj = op->msg.obj, .attr = reply->attr};
	int error = reply->flags & SIZE_REVOKED ? -EIO : 0; /* it met a revoke */

	if (reply->low != NO_LOW && op->msg.size < fields.attr.size_bytes)
		fields.attr.size_bytes = op->msg.size;
	/* The kernel is answered first: only then can it give up what lies past the end. */
	if (error || op->msg.seg != SEG_MEMORY)
		op_finish(object->holder, op, error, &fields);
	else
		size_answer_set(&object->memory, op, &fields);
	if (error)
		object_revoked(object);
	size_ordered(&object->memory, reply, TAKE_RESIZED);
}

/*
 * What the name led to was removed since: now it may lead to something else. If it does not, it is left over from a broken mkdir
 * or remove.
 */
static void name_stale(struct holder *holder, struct op *op)
{
	struct msg gone = {.type = MSG_GONE, .obj = op->msg.obj};
	bool again = op->stale != op->msg.obj;

	op->stale = op->msg.obj;
	if (again) {
		request_lookup(holder, op);
		return;
	}
	bus_send(holder->bus, DIRECTORY_NUMBER, &gone);
	op_finish(holder, op, -ENOENT, NULL);
}

void attrs_replied(struct holder *holder, struct op *op, const struct msg *reply)
{
	struct object *object = object_find(holder, op->msg.obj);
	bool sizes = op->msg.type == REQ_SETATTR && op->msg.flags & SETATTR_SIZE;

	if (sizes && object && object->memory.resizing)
		object->memory.resizing--;
	if (reply->error == -ESTALE && op->msg.type == REQ_LOOKUP) {
		name_stale(holder, op);
		return;
	}
	if (reply->error) {
		op_finish(holder, op, reply->error, NULL);
		if (sizes && object) {
			size_settle(&object->memory);
			object_settle(object);
		}
		return;
	}
	object = object_make(holder, op->msg.obj);
	if (!object) {
		op_finish(holder, op, -ENOMEM, NULL);
		return;
	}
	attrs_note(object, op, reply);
	if (sizes && object_holds(object))
		set_size_replied(object, op, reply);
	else
		answer(object, op, reply);
	if (sizes)
		size_settle(&object->memory); /* others wait for what it changed, also when it is closed by now */
	object_settle(object);
}

static enum page_mode used_as(const struct object *object)
{
	return !object->handles ? PAGE_INVALID : object->memory.writers ? PAGE_EXCLUSIVE : PAGE_SHARED;
}

static enum page_mode recalled_as(struct object *object, bool forget)
{
	object->attr_kept &= !forget;
	return used_as(object);
}

/* Of an object with its files, what they are used as; with `forget`, their attributes are not kept any more. */
static enum page_mode all_used_as(const struct holder *holder, uint64_t obj, bool forget)
{
	struct object *whole = object_find(holder, obj);
	struct family *family = family_find(holder, obj);
	enum page_mode mode = whole ? recalled_as(whole, forget) : PAGE_INVALID;
	struct list *link, *after;

	if (!family)
		return mode;
	list_for_each_safe(link, after, &family->files)
	{
		enum page_mode used = recalled_as(list_entry(link, struct object, dir_link), forget);

		if (used > mode)
			mode = used;
	}
	return mode;
}

void attrs_recall(struct holder *holder, uint32_t from, const struct msg *msg)
{
	struct object *object = object_find(holder, msg->obj);
	struct msg reply = {.type = MSG_ATTR_RECALLED, .obj = msg->obj, .mode = PAGE_INVALID};

	if (object && msg->mode == PAGE_INVALID)
		object->attr_kept = false;
	if (msg->flags & REQUEST_ALL)
		reply.mode = (uint8_t)all_used_as(holder, msg->obj, msg->mode == PAGE_INVALID);
	else if (object)
		reply.mode = (uint8_t)used_as(object);
	if (object && !object->memory.writers)
		object->may_write = false;
	bus_send(holder->bus, from, &reply);
	if (object)
		object_settle(object);
}
