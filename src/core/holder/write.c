/*
 * write.c: writes. A page that is held exclusive is put to its home and the write answered at once. A write that makes the
 * segment longer puts its bytes and the size in one message, and is answered when every kernel has been shown the size.
 */
#include "private.h"

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
	fetch_let_go(segment, op);
	if (!by_program(op) || op->whole)
		return;
	size_written(segment);
	segment->extending -= op->stage == WRITE_EXTENDS;
	op->stage = WRITE_INSIDE;
}

struct msg put_message(struct segment *segment, const struct op *op)
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

/* Its kernel's write(2) ends: it has raised its size, and what was cut off while the bytes were copied can be forgotten. */
void written(struct segment *segment, struct op *request, uint64_t end_bytes)
{
	if (!by_program(request))
		return;
	if (request->token && end_bytes > write_start(request)) /* else its kernel knows nothing of it */
		size_extended(segment, end_bytes);
	segment->shown.cut &= segment->cached.show_token != 0;
	segment->written += request->token != 0; /* else it had ended when its program was killed */
	write_ends(segment, request);
}

/* Whether the home is asked behind the program's back: it was not asked before, or has answered. */
static bool sync_behind(struct segment *segment, const struct msg *sync)
{
	struct holder *holder = segment->object->holder;
	struct msg request = {.type = REQ_SYNC, .obj = sync->obj, .seg = sync->seg, .cookie = segment->puts};
	struct op *op = op_find(holder, segment->sync_req) ? NULL : op_new(holder, 0, &request);

	if (!op)
		return false;
	segment->sync_req = op->req;
	op_call(holder, op, home_of(segment->object), sync);
	return true;
}

/* Now and then a program's write waits until its home has taken what was put, but for the last part of it. */
bool call_sync(struct segment *segment, struct op *request)
{
	struct msg sync = {.type = MSG_SYNC, .obj = request->msg.obj, .seg = request->msg.seg};

	if (!by_program(request) || segment->put_bytes < PUT_WINDOW_BYTES)
		return false;
	segment->put_bytes = 0;
	if (sync_behind(segment, &sync))
		return false;
	request->msg.type = REQ_SYNC;
	op_call(segment->object->holder, request, home_of(segment->object), &sync);
	return true;
}

/*
 * Its program goes on. What the kernel believes of the size may follow a moment later. Where the kernel has cut the page off
 * between copying the bytes and sending them, they are at the home and not in its cache: it has to read the page again.
 */
void write_done(struct segment *segment, struct op *op, int error)
{
	struct holder *holder = segment->object->holder;
	uint64_t page = op->msg.page;
	bool again = by_program(op) && segment->shown.cut && !fetch_find(segment, page);

	if (!error && !op->at_home && part_waits(segment, op))
		return;
	if (!op->whole)
		written(segment, op, error ? 0 : write_end(op));
	write_ends(segment, op);
	if (error || op->whole || !call_sync(segment, op))
		op_finish(holder, op, error, &(struct msg){.obj = segment->object->obj});
	if (again)
		cache_take(holder->cache, &segment->cached, TAKE_RECALL, page, page, 0);
}

void written_to(struct op *op, uint64_t end_bytes)
{
	uint64_t start = write_start(op);

	if (end_bytes <= start)
		return;
	op->at_home = end_bytes >= write_end(op);
	if (op->at_home)
		return;
	op->msg.offset += (uint32_t)(end_bytes - start);
	op->msg.payload.length_bytes -= (uint32_t)(end_bytes - start);
	op->msg.payload.bytes = (const char *)op->msg.payload.bytes + (end_bytes - start);
}

/*
 * The page that is written back has the bytes of a write that waits for pages before it, and what was stored on top of them: so far
 * the write is done with the page. Later it would undo those stores, and what others have stored by then.
 */
static void later_written_back(struct segment *segment, const struct op *back)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &segment->later)
	{
		struct op *op = list_entry(link, struct op, link);

		if (op->msg.page == back->msg.page)
			written_to(op, write_end(back));
	}
}

static void put_done(struct segment *segment, struct op *op)
{
	list_remove(&op->link);
	part_put(segment, op);
	write_done(segment, op, 0);
	size_settle(segment);
}

/* The page is held exclusive: its bytes go home. */
static void put(struct segment *segment, struct op *op)
{
	struct msg msg;

	if (by_program(op) || !stale_keeps(segment, op)) {
		msg = put_message(segment, op);
		send_home(segment->object, &msg);
		segment->put_bytes += msg.payload.length_bytes;
	}
	if (!by_program(op)) {
		later_written_back(segment, op);
		early_note(segment, op);
	}
	put_done(segment, op);
}

/* As one message with the part before it, if that has just been sent; the answer to that is for both. */
static void send_growing(struct segment *segment, struct op *op, const struct msg *msg)
{
	struct holder *holder = segment->object->holder;
	const struct op *first = op->whole ? op_find(holder, segment->growing_first) : NULL;
	uint32_t home = home_of(segment->object);

	if (first && first->whole == op->whole && bus_send_more(holder->bus, home, msg)) {
		op->follows = first->req;
		op->to = home;
		op->since_ns = holder->bus->now_ns;
	} else {
		segment->growing_first = op->req;
		op_call(holder, op, home, msg);
	}
}

/*
 * With its bytes and its size in one message. Of a part of a page that was not cached the kernel keeps the page locked: takes
 * go on leaving it out.
 */
static void put_grows(struct segment *segment, struct op *op)
{
	struct fetch *fetch = fetch_find(segment, op->msg.page);
	struct msg msg = put_message(segment, op);

	msg.flags = PUT_GROWS;
	msg.size = write_end(op);
	op_keep_payload(op);
	write_begins(segment, request_of(op));
	if (fetch && op->msg.payload.length_bytes < PAGE_BYTES)
		fetch_keep(fetch, op);
	list_remove(&op->link);
	list_push_back(&segment->growing, &op->link);
	part_put(segment, op);
	send_growing(segment, op, &msg);
}

/* What was sent with it. */
static void followers_grown(struct segment *segment, uint32_t req, int error)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &segment->growing)
	{
		struct op *op = list_entry(link, struct op, link);

		if (op->follows != req)
			continue;
		op->to = 0;
		list_remove(link);
		write_done(segment, op, error);
	}
}

/* Of a write that its program may have given up, the home's answer. */
void write_grown(struct holder *holder, struct op *op, const struct msg *reply)
{
	struct segment *segment = op_segment(holder, op);
	uint64_t first = op->msg.page, last = op->whole ? last_page(op->whole) : first;
	uint32_t req = op->req;
	int error = reply->error;

	if (!segment) {
		op_finish(holder, op, error, NULL);
		return;
	}
	if (!error && reply->flags & SIZE_REVOKED)
		error = -EIO;
	list_remove(&op->link);
	/* The kernel is answered first: only then can it give up what lies past the end. */
	write_done(segment, op, error);
	followers_grown(segment, req, error);
	if (error && !reply->error)
		object_revoked(segment->object);
	if (!reply->error)
		size_ordered(segment, reply, TAKE_RESIZED);
	else
		size_settle(segment);
	fetches_tidy(segment, first, last);
	object_settle(segment->object);
}

void stores_lost(struct object *object)
{
	struct bus *bus = object->holder->bus;

	if (!object->memory.unflushed++)
		bus_log(bus, LOG_LEVEL_ERROR,
		        "object %" PRIu64 ": its home %s is out of reach; what programs here stored last is lost", object->obj,
		        bus_name(bus, home_of(object)));
}

static void write_unreachable(struct holder *holder, struct object *object, struct op *op)
{
	bool back = op->msg.flags & WRITE_BACK;

	if (back && object && object->state == OBJECT_DEAD) {
		op_finish(holder, op, 0, NULL); /* revoked: nobody is to see it */
		return;
	}
	if (back && object)
		stores_lost(object);
	op_finish(holder, op, -EIO, NULL);
}

/*
 * Past the end; or past what this kernel has been shown, also what it had been when the write came, since others may not have
 * been either: then it is answered with the change that it is about.
 */
static bool grows(const struct segment *segment, struct op *op)
{
	uint64_t least = request_of(op)->shown_bytes;

	if (segment->shown.kernel_bytes < least)
		least = segment->shown.kernel_bytes;
	if (segment->size_bytes < least)
		least = segment->size_bytes;
	return by_program(op) && write_end(op) > least;
}

/*
 * Its page is held exclusive. Of a write(2) of several pages a part waits until those before it are put, and fails if one of them
 * has.
 */
static void write_exclusive(struct segment *segment, struct op *op, bool longer)
{
	const struct op *whole = by_program(op) ? op->whole : NULL;
	struct fetch *fetch = fetch_find(segment, op->msg.page);

	if (whole && whole->parts.error && write_start(op) >= write_start(whole) + whole->parts.done_bytes) {
		write_ends(segment, op);
		op_finish(segment->object->holder, op, whole->parts.error, NULL);
	} else if (whole && page_set_before(&whole->parts.unput, place_of(op))) {
		op_keep_payload(op);
		if (fetch && !op->at_home && op->msg.payload.length_bytes < PAGE_BYTES)
			fetch_keep(fetch, op);
		list_remove(&op->link);
		list_push_back(&segment->later, &op->link);
	} else if (op->at_home) {
		put_done(segment, op);
	} else if (longer) {
		put_grows(segment, op);
	} else {
		put(segment, op);
	}
}

/* The page of the write has just been granted exclusive. */
void write_granted(struct segment *segment, struct op *op)
{
	write_exclusive(segment, op, grows(segment, op));
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
	bool again = by_program(op) && !op->dropped && op->msg.payload.length_bytes == PAGE_BYTES && cache_covers(cached, page);

	write_exclusive(segment, op, grows(segment, op) && !cache_covers_for(cached, page, TAKE_SIZED));
	if (again)
		cache_again(segment->object->holder->cache, cached, page);
}

/*
 * What is written back need not be held: a write(2) may have copied a whole page there, of which this node hears later, and a
 * program have stored into it through a mapping.
 */
void write_page(struct segment *segment, struct op *op)
{
	struct cached *cached = &segment->cached;
	uint64_t page = op->msg.page;
	struct held *held = page_table_find(&segment->pages, page);
	bool exclusive = held && held->mode == PAGE_EXCLUSIVE;
	bool cut = by_program(op) && cache_covers_for(cached, page, TAKE_RESIZED);
	bool here = op->at_home || (exclusive && !cut);

	if (here && !op->at_home && by_program(op) && held->reread && held->gone == segment->written &&
	    !bus_broken(bus_of(segment), BREAK_REREAD_KEPT)) {
		stale_drop(segment, op, held);
	} else if (here) {
		write_held(segment, op);
	} else if (by_program(op) && !grows(segment, op) && early_maybe(segment, op)) {
		early_ask(segment, op);
	} else {
		part_leaves(segment->object->holder, op);
		fetch_page(segment, page, op);
	}
}

/* What is written back may have been cut off meanwhile. */
void write_one(struct segment *segment, struct op *op)
{
	if (op->msg.flags & WRITE_BACK && write_start(op) >= segment->size_bytes)
		op_finish(segment->object->holder, op, 0, NULL);
	else
		write_page(segment, op);
}

/* The first page from `page` on that a write which waits for its home to grow may have locked, and no fetch shows it. */
uint64_t writes_lock(const struct segment *segment, uint64_t page)
{
	uint64_t first = PAGE_END;
	struct list *link, *after;

	list_for_each_safe(link, after, &segment->growing)
	{
		const struct op *request = request_of(list_entry(link, struct op, link));
		uint64_t last = last_page(request);

		if (last >= page && last < first && may_lock(request) && !fetch_find(segment, last))
			first = last;
	}
	return first;
}

/* --- requests -------------------------------------------------------------------------------------------------------- */

/* Its kernel's write(2) ends now, and lets go of its pages, whatever the home makes of it. */
void write_killed(struct holder *holder, struct op *op)
{
	struct segment *segment = op_segment(holder, op);
	uint64_t page = op->msg.page;

	if (segment) {
		stale_killed(segment, op);
		write_ends(segment, op);
		segment->written += !op->whole;
	}
	if (!op->to && page_set_empty(&op->parts.under_way))
		op_finish(holder, op, 0, NULL);
	if (segment)
		fetch_tidy(segment, page);
}

void request_write(struct holder *holder, struct op *op)
{
	struct object *object = object_find(holder, op->msg.obj);
	uint64_t start_bytes, end_bytes;
	bool program;

	if (!object || object->state != OBJECT_OPEN || op->msg.seg != SEG_MEMORY) {
		write_unreachable(holder, object, op);
		return;
	}
	write_begins(&object->memory, op);
	op->shown_bytes = object->memory.shown.kernel_bytes;
	start_bytes = write_start(op);
	end_bytes = write_end(op);
	program = by_program(op);
	if (op->msg.offset + op->msg.payload.length_bytes > PAGE_BYTES)
		write_several(&object->memory, op);
	else
		write_one(&object->memory, op);
	if (program)
		lead(&object->memory, start_bytes, end_bytes);
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
