/*
 * write.c: writes. A page that is held exclusive is put to its home and the write answered at once. A write that makes the
 * segment longer puts its bytes and the size in one message, and is answered when every kernel has been shown the size.
 */
#include "private.h"

static struct bus *bus_of(const struct segment *segment)
{
	return segment->object->holder->bus;
}

static uint64_t write_start(const struct op *op)
{
	return op->msg.page * PAGE_BYTES + op->msg.offset;
}

static uint64_t write_end(const struct op *op)
{
	return write_start(op) + op->msg.payload.length_bytes;
}

static bool by_program(const struct op *op)
{
	return op->msg.type == REQ_WRITE && !(op->msg.flags & WRITE_BACK);
}

/* In op.stage: counted in segment.extending. */
enum { WRITE_INSIDE, WRITE_EXTENDS };

/* Until it ends, its kernel ignores sizes in answers, and may have locked its last page. */
static void write_begins(struct segment *segment, struct op *op)
{
	if (!by_program(op) || op->stage == WRITE_EXTENDS || write_end(op) <= segment->shown.kernel_bytes)
		return;
	op->stage = WRITE_EXTENDS;
	segment->extending++;
}

void write_ends(struct segment *segment, struct op *op)
{
	if (op->msg.type != REQ_WRITE || op->stage != WRITE_EXTENDS)
		return;
	op->stage = WRITE_INSIDE;
	segment->extending--;
	segment->shown.changed = true;
}

static struct msg put_message(struct segment *segment, const struct op *op)
{
	struct msg msg = op->msg;
	struct held *held = page_table_find(&segment->pages, op->msg.page);

	msg.type = MSG_PUT;
	msg.req = 0;
	msg.flags = 0;
	msg.mode = 0;
	msg.count = 0;
	msg.attr = (struct object_attr){.mtime_ns = bus_wall_ns(bus_of(segment))};
	attrs_wrote(segment->object, msg.attr.mtime_ns, held && held->blank);
	if (held)
		held->blank = false;
	segment->puts++;
	return msg;
}

/*
 * Its program goes on. What the kernel believes of the size may follow a moment later. Where the kernel has cut the page off
 * between copying the bytes and sending them, they are at the home and not in its cache: it has to read the page again.
 */
static void write_done(struct segment *segment, struct op *op, int error)
{
	struct holder *holder = segment->object->holder;
	uint64_t page = op->msg.page;
	bool again = by_program(op) && segment->shown.cut;

	if (by_program(op) && !error && op->token) /* else its kernel knows nothing of it */
		size_extended(segment, write_end(op));
	segment->shown.cut &= !by_program(op);
	write_ends(segment, op);
	op_finish(holder, op, error, &(struct msg){.obj = segment->object->obj});
	if (again && !fetch_find(segment, page))
		cache_take(holder->cache, &segment->cached, TAKE_RECALL, page, page, 0);
}

/* The page is held exclusive: its bytes go home. Now and then a program's write waits until its home has taken them. */
static void put(struct segment *segment, struct op *op)
{
	struct msg msg = put_message(segment, op);
	struct msg sync = {.type = MSG_SYNC, .obj = msg.obj, .seg = msg.seg};

	send_home(segment->object, &msg);
	segment->put_bytes += msg.payload.length_bytes;
	if (!by_program(op) || segment->put_bytes < PUT_WINDOW_BYTES) {
		write_done(segment, op, 0);
		size_settle(segment);
		return;
	}
	segment->put_bytes = 0;
	size_extended(segment, write_end(op));
	write_ends(segment, op);
	list_remove(&op->link);
	op->msg.type = REQ_SYNC;
	op_call(segment->object->holder, op, home_of(segment->object), &sync);
}

/*
 * With its bytes and its size in one message. Of a part of a page that was not cached the kernel keeps the page locked: takes
 * go on leaving it out.
 */
static void put_grows(struct segment *segment, struct op *op, struct fetch *fetch)
{
	struct msg msg = put_message(segment, op);

	msg.flags = PUT_GROWS;
	msg.size = write_end(op);
	op_keep_payload(op);
	write_begins(segment, op);
	if (fetch && op->msg.payload.length_bytes < PAGE_BYTES)
		fetch->growing++;
	else
		op->msg.count = 1; /* not counted at its fetch */
	list_remove(&op->link);
	list_push_back(&segment->growing, &op->link);
	op_call(segment->object->holder, op, home_of(segment->object), &msg);
}

/* Its kernel's write(2) ends now, and lets go of the page, whatever the home makes of it. */
void write_killed(struct segment *segment, struct op *op)
{
	struct fetch *fetch = op->msg.count ? NULL : fetch_find(segment, op->msg.page);

	write_ends(segment, op);
	op->msg.count = 1;
	if (!fetch)
		return;
	fetch->growing--;
	fetch_tidy(segment, op->msg.page);
}

/* Of a write that its program may have given up, the home's answer. */
void write_grown(struct holder *holder, struct op *op, const struct msg *reply)
{
	struct object *object = object_find(holder, op->msg.obj);
	struct segment *segment = object ? &object->memory : NULL;
	uint64_t page = op->msg.page;
	struct fetch *fetch = segment && !op->msg.count ? fetch_find(segment, page) : NULL;
	int error = reply->error;

	if (!segment) {
		op_finish(holder, op, error, NULL);
		return;
	}
	if (!error && reply->flags & SIZE_REVOKED)
		error = -EIO;
	if (fetch)
		fetch->growing--;
	/* The kernel is answered first: only then can it give up what lies past the end. */
	write_done(segment, op, error);
	if (error && !reply->error)
		object_revoked(object);
	if (!reply->error)
		size_ordered(segment, reply, TAKE_RESIZED);
	else
		size_settle(segment);
	fetch_tidy(segment, page);
	object_settle(object);
}

static void write_violation(struct segment *segment, struct op *op)
{
	bus_of(segment)->violations++;
	bus_log(bus_of(segment), LOG_LEVEL_ERROR,
	        "the kernel wrote back page %" PRIu64 " of object %" PRIu64 ", which this node does not hold", op->msg.page,
	        segment->object->obj);
	op_finish(segment->object->holder, op, -EIO, NULL);
}

static void write_unreachable(struct holder *holder, struct object *object, struct op *op)
{
	bool back = op->msg.flags & WRITE_BACK;

	if (back && object && object->state == OBJECT_DEAD) {
		op_finish(holder, op, 0, NULL); /* revoked: nobody is to see it */
		return;
	}
	if (back && object && !object->memory.unflushed++)
		bus_log(holder->bus, LOG_LEVEL_ERROR,
		        "object %" PRIu64 ": its home %s is out of reach; what programs here stored last is lost", object->obj,
		        bus_name(holder->bus, home_of(object)));
	op_finish(holder, op, -EIO, NULL);
}

/*
 * Past the end; or past what this kernel has been shown, since others may not have been either: then it is answered with the
 * change that it is about.
 */
static bool grows(const struct segment *segment, const struct op *op)
{
	uint64_t shown = segment->shown.kernel_bytes;

	return by_program(op) && write_end(op) > (shown < segment->size_bytes ? shown : segment->size_bytes);
}

/* The page of the write has just been granted exclusive. */
void write_granted(struct segment *segment, struct fetch *fetch, struct op *op)
{
	if (grows(segment, op))
		put_grows(segment, op, fetch);
	else
		put(segment, op);
}

/*
 * A page that is being taken is still held, so a write to it goes home before the page is confirmed to be gone. After a
 * write of a whole page the kernel has it in its cache again, perhaps behind the invalidation's back: it is told once
 * more. In another node's truncate, which has not returned yet, a write to a page that is still held counts as before it:
 * what lies past the end is cut off. (The page may be cached, so it is not gone yet; or it may be locked by this very write.)
 */
static void write_held(struct segment *segment, struct op *op)
{
	struct cached *cached = &segment->cached;
	uint64_t page = op->msg.page;
	bool again = by_program(op) && op->msg.payload.length_bytes == PAGE_BYTES && cache_covers(cached, page);

	if (grows(segment, op) && !cache_covers_for(cached, page, TAKE_SIZED))
		put_grows(segment, op, fetch_find(segment, page));
	else
		put(segment, op);
	if (again)
		cache_again(segment->object->holder->cache, cached, page);
}

static void write_page(struct segment *segment, struct op *op)
{
	struct cached *cached = &segment->cached;
	uint64_t page = op->msg.page;
	struct held *held = page_table_find(&segment->pages, page);
	bool exclusive = held && held->mode == PAGE_EXCLUSIVE;
	bool cut = by_program(op) && cache_covers_for(cached, page, TAKE_RESIZED);

	if (exclusive && !cut)
		write_held(segment, op);
	else if (!exclusive && op->msg.flags & WRITE_BACK && !fetch_find(segment, page))
		write_violation(segment, op);
	else
		fetch_page(segment, page, op);
}

void request_write(struct holder *holder, struct op *op)
{
	struct object *object = object_find(holder, op->msg.obj);

	if (!object || object->state != OBJECT_OPEN || op->msg.seg != SEG_MEMORY) {
		write_unreachable(holder, object, op);
		return;
	}
	CHECK(op->msg.offset + op->msg.payload.length_bytes <= PAGE_BYTES);
	if (op->msg.flags & WRITE_BACK && write_start(op) >= object->memory.size_bytes) {
		op_finish(holder, op, 0, NULL); /* cut off meanwhile */
		return;
	}
	write_begins(&object->memory, op);
	write_page(&object->memory, op);
}

/* --- sync ------------------------------------------------------------------------------------------------------------ */

/* Nothing was put since the home answered the last time: then it has everything. */
void request_sync(struct holder *holder, struct op *op)
{
	struct object *object = object_find(holder, op->msg.obj);
	struct msg msg = {.type = MSG_SYNC, .obj = op->msg.obj, .seg = op->msg.seg};

	if (!object || object->state != OBJECT_OPEN) {
		op_finish(holder, op, -EIO, NULL);
		return;
	}
	if (object->memory.puts == object->memory.puts_synced) {
		op_finish(holder, op, 0, NULL);
		return;
	}
	op->msg.cookie = object->memory.puts;
	op_call(holder, op, object_home(op->msg.obj), &msg);
}

void synced(struct holder *holder, struct op *op, const struct msg *reply)
{
	struct object *object = object_find(holder, op->msg.obj);

	if (object && !reply->error && op->msg.cookie > object->memory.puts_synced)
		object->memory.puts_synced = op->msg.cookie;
	op_finish(holder, op, reply->error, &(struct msg){.obj = op->msg.obj});
}
