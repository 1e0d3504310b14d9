/*
 * write.c: writes. A page that is held exclusive is put to its home and the write answered at once. A write that makes the
 * segment longer puts its bytes and the size in one message, and is answered when every kernel has been shown the size.
 *
 * A write of several pages is a request with a part for each, which go their own ways at once, but for one bound: what makes
 * the segment longer is put in ascending order, so that nobody sees a size whose bytes are not there. Of the last page, if it is
 * a part of one that was not cached, the kernel keeps the lock until all is answered (K18). Nodes cannot wait for each other by
 * that, since each waits for pages below the one that it keeps; but a truncate can, see writes_cut().
 *
 *   fetched --granted--> put --> done            under_way: all before done
 *      |                  ^                      unput: all before put
 *      +--makes it longer, and what comes before is not put--> later
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

static uint64_t last_page(const struct op *op)
{
	return (write_end(op) - 1) / PAGE_BYTES;
}

/* The last page, while it is under way. */
static bool may_lock(const struct op *op)
{
	return write_end(op) % PAGE_BYTES || op->msg.payload.length_bytes < PAGE_BYTES;
}

static bool by_program(const struct op *op)
{
	return op->msg.type == REQ_WRITE && !(op->msg.flags & WRITE_BACK);
}

static struct op *request_of(struct op *op)
{
	return op->whole ? op->whole : op;
}

static uint64_t bit_of(const struct op *part)
{
	return UINT64_C(1) << (part->msg.page - part->whole->msg.page);
}

static struct segment *segment_of(struct holder *holder, const struct op *op)
{
	struct object *object = object_find(holder, op->msg.obj);

	return object ? &object->memory : NULL;
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

static void fetch_keep(struct fetch *fetch, struct op *op)
{
	fetch->keepers += !op->counted;
	op->counted = true;
}

static void fetch_let_go(struct segment *segment, struct op *op)
{
	struct fetch *fetch = op->counted ? fetch_find(segment, op->msg.page) : NULL;

	op->counted = false;
	if (fetch)
		fetch->keepers--;
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

/* Its kernel's write(2) ends: it has raised its size, and what was cut off while the bytes were copied can be forgotten. */
static void written(struct segment *segment, struct op *request, uint64_t end_bytes)
{
	if (!by_program(request))
		return;
	if (request->token && end_bytes > write_start(request)) /* else its kernel knows nothing of it */
		size_extended(segment, end_bytes);
	segment->shown.cut &= segment->cached.show_token != 0;
	write_ends(segment, request);
}

/* Now and then a program's write waits until its home has taken what was put. */
static bool call_sync(struct segment *segment, struct op *request)
{
	struct msg sync = {.type = MSG_SYNC, .obj = request->msg.obj, .seg = request->msg.seg};

	if (!by_program(request) || segment->put_bytes < PUT_WINDOW_BYTES)
		return false;
	segment->put_bytes = 0;
	request->msg.type = REQ_SYNC;
	op_call(segment->object->holder, request, home_of(segment->object), &sync);
	return true;
}

/*
 * Its program goes on. What the kernel believes of the size may follow a moment later. Where the kernel has cut the page off
 * between copying the bytes and sending them, they are at the home and not in its cache: it has to read the page again.
 */
static void write_done(struct segment *segment, struct op *op, int error)
{
	struct holder *holder = segment->object->holder;
	uint64_t page = op->msg.page;
	bool again = by_program(op) && segment->shown.cut && !fetch_find(segment, page);

	if (!op->whole)
		written(segment, op, error ? 0 : write_end(op));
	write_ends(segment, op);
	if (error || op->whole || !call_sync(segment, op))
		op_finish(holder, op, error, &(struct msg){.obj = segment->object->obj});
	if (again)
		cache_take(holder->cache, &segment->cached, TAKE_RECALL, page, page, 0);
}

/* Of a part: those behind it may go on. */
static void part_put(struct segment *segment, struct op *op)
{
	struct op *whole = op->whole;

	if (!whole)
		return;
	whole->parts.unput &= ~bit_of(op);
	list_remove(&whole->link);
	list_push_back(&segment->object->holder->writes, &whole->link);
}

/* The page is held exclusive: its bytes go home. */
static void put(struct segment *segment, struct op *op)
{
	struct msg msg = put_message(segment, op);

	list_remove(&op->link);
	send_home(segment->object, &msg);
	segment->put_bytes += msg.payload.length_bytes;
	part_put(segment, op);
	write_done(segment, op, 0);
	size_settle(segment);
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
	op_call(segment->object->holder, op, home_of(segment->object), &msg);
}

/* Of a write that its program may have given up, the home's answer. */
void write_grown(struct holder *holder, struct op *op, const struct msg *reply)
{
	struct segment *segment = segment_of(holder, op);
	uint64_t page = op->msg.page;
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
	if (error && !reply->error)
		object_revoked(segment->object);
	if (!reply->error)
		size_ordered(segment, reply, TAKE_RESIZED);
	else
		size_settle(segment);
	fetch_tidy(segment, page);
	object_settle(segment->object);
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
 * Its page is held exclusive. What makes the segment longer waits until the parts before it are put, and fails if one of them
 * has.
 */
static void write_exclusive(struct segment *segment, struct op *op, bool longer)
{
	const struct op *whole = longer ? op->whole : NULL;
	struct fetch *fetch = fetch_find(segment, op->msg.page);

	if (whole && whole->parts.error && write_start(op) >= write_start(whole) + whole->parts.done_bytes) {
		write_ends(segment, op);
		op_finish(segment->object->holder, op, whole->parts.error, NULL);
	} else if (whole && whole->parts.unput & (bit_of(op) - 1)) {
		op_keep_payload(op);
		if (fetch)
			fetch_keep(fetch, op);
		list_remove(&op->link);
		list_push_back(&segment->later, &op->link);
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
	bool again = by_program(op) && op->msg.payload.length_bytes == PAGE_BYTES && cache_covers(cached, page);

	write_exclusive(segment, op, grows(segment, op) && !cache_covers_for(cached, page, TAKE_SIZED));
	if (again)
		cache_again(segment->object->holder->cache, cached, page);
}

/*
 * Of what is written back with other pages, one that is on its way here: the others must not wait for it, because invalidations
 * wait for all of them. No fsync() can come in between, since a write(2) that waits for the page has the inode's lock.
 */
static void leave_whole(struct holder *holder, struct op *op)
{
	if (op->whole && !by_program(op))
		write_part_ended(holder, op, 0);
}

static void write_page(struct segment *segment, struct op *op)
{
	struct cached *cached = &segment->cached;
	uint64_t page = op->msg.page;
	struct held *held = page_table_find(&segment->pages, page);
	bool exclusive = held && held->mode == PAGE_EXCLUSIVE;
	bool cut = by_program(op) && cache_covers_for(cached, page, TAKE_RESIZED);

	if (exclusive && !cut) {
		write_held(segment, op);
	} else if (!exclusive && op->msg.flags & WRITE_BACK && !fetch_find(segment, page)) {
		write_violation(segment, op);
	} else {
		leave_whole(segment->object->holder, op);
		fetch_page(segment, page, op);
	}
}

/* What is written back may have been cut off meanwhile. */
static void write_one(struct segment *segment, struct op *op)
{
	if (op->msg.flags & WRITE_BACK && write_start(op) >= segment->size_bytes)
		op_finish(segment->object->holder, op, 0, NULL);
	else
		write_page(segment, op);
}

/* --- several pages --------------------------------------------------------------------------------------------------- */

static void part_over(struct holder *holder, struct op *whole, uint64_t bit, uint32_t start_bytes, int error)
{
	struct parts *parts = &whole->parts;

	parts->under_way &= ~bit;
	parts->unput &= ~bit;
	if (error && start_bytes < parts->done_bytes) {
		parts->done_bytes = start_bytes;
		parts->error = error;
	}
	list_remove(&whole->link);
	list_push_back(&holder->writes, &whole->link);
}

void write_part_ended(struct holder *holder, struct op *part, int error)
{
	struct op *whole = part->whole;

	part_over(holder, whole, bit_of(part), (uint32_t)(write_start(part) - write_start(whole)), error);
	part->whole = NULL;
}

static struct msg part_message(const struct msg *whole, uint32_t start_bytes)
{
	uint64_t at = whole->page * PAGE_BYTES + whole->offset + start_bytes;
	uint32_t length = PAGE_BYTES - (uint32_t)(at % PAGE_BYTES);
	struct msg msg = *whole;

	if (length > whole->payload.length_bytes - start_bytes)
		length = whole->payload.length_bytes - start_bytes;
	msg.page = at / PAGE_BYTES;
	msg.offset = (uint32_t)(at % PAGE_BYTES);
	msg.payload = payload_bytes((const char *)whole->payload.bytes + start_bytes, length);
	return msg;
}

static void write_several(struct segment *segment, struct op *whole)
{
	struct holder *holder = segment->object->holder;
	uint32_t length = whole->msg.payload.length_bytes;
	uint64_t pages = last_page(whole) - whole->msg.page + 1;

	CHECK(pages <= 64);
	whole->parts.under_way = whole->parts.unput = UINT64_MAX >> (64 - pages);
	whole->parts.done_bytes = length;
	for (uint32_t start = 0; start < length;) {
		struct msg msg = part_message(&whole->msg, start);
		struct op *part = op_new(holder, 0, &msg);

		if (part) {
			part->whole = whole;
			write_one(segment, part);
		} else {
			part_over(holder, whole, UINT64_C(1) << (msg.page - whole->msg.page), start, -ENOMEM);
		}
		start += msg.payload.length_bytes;
	}
	writes_cut(segment);
}

/*
 * The kernel takes pages behind the one that failed for not read any more, also what was stored there through mappings: first
 * that is written back.
 */
static void drop_behind(struct segment *segment, const struct op *whole)
{
	uint64_t failed = (write_start(whole) + whole->parts.done_bytes) / PAGE_BYTES;

	if (by_program(whole) && failed < last_page(whole))
		cache_take(segment->object->holder->cache, &segment->cached, TAKE_RECALL, failed + 1, last_page(whole), 0);
}

static void whole_finish(struct holder *holder, struct op *whole)
{
	struct segment *segment = segment_of(holder, whole);
	struct parts parts = whole->parts;
	int error = parts.done_bytes && by_program(whole) ? 0 : parts.error;

	if (segment) {
		written(segment, whole, write_start(whole) + parts.done_bytes);
		if (parts.error)
			drop_behind(segment, whole);
		else if (call_sync(segment, whole))
			return;
	}
	op_finish(holder, whole, error, &(struct msg){.obj = whole->msg.obj, .count = parts.done_bytes});
	if (segment)
		size_settle(segment);
}

/* The first part that waited for what is put now. */
static void next_part(struct segment *segment, struct op *whole)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &segment->later)
	{
		struct op *op = list_entry(link, struct op, link);
		uint64_t page = op->msg.page;

		if (op->whole != whole || whole->parts.unput & (bit_of(op) - 1))
			continue;
		list_remove(link);
		fetch_let_go(segment, op);
		write_page(segment, op);
		fetch_tidy(segment, page);
		return;
	}
}

void writes_go_on(struct holder *holder)
{
	while (!list_empty(&holder->writes)) {
		struct op *whole = list_entry(holder->writes.next, struct op, link);
		struct segment *segment = segment_of(holder, whole);

		list_remove(&whole->link);
		if (!whole->parts.under_way)
			whole_finish(holder, whole);
		else if (segment)
			next_part(segment, whole);
	}
}

/* The kernel may have had their bytes in a page that was dropped since: what comes for it must not get older ones. */
void writes_keep(struct segment *segment, struct fetch *fetch)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &segment->later)
	{
		struct op *op = list_entry(link, struct op, link);

		if (op->msg.page == fetch->page)
			fetch_keep(fetch, op);
	}
}

void writes_fail(struct segment *segment, int error)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &segment->later)
	{
		struct op *op = list_entry(link, struct op, link);

		write_ends(segment, op);
		op_finish(segment->object->holder, op, error, NULL);
	}
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

/* Whether dropping pages may have to wait for the lock of its last page, which nothing shows to be locked. */
static bool keeps_last(const struct segment *segment, const struct op *whole)
{
	uint64_t page = last_page(whole);

	return may_lock(whole) && !fetch_find(segment, page) && cache_covers_for(&segment->cached, page, TAKE_SIZED);
}

/*
 * A part that is not put counts as put before the cut; but for the page that keeps its first bytes, which nobody gets now. A
 * whole page is in the kernel's cache.
 */
static bool part_cut(struct segment *segment, struct list *ops)
{
	struct holder *holder = segment->object->holder;
	struct list *link, *after;

	list_for_each_safe(link, after, ops)
	{
		struct op *op = list_entry(link, struct op, link);
		uint64_t page = op->msg.page;

		if (!op->whole || !by_program(op) || page < segment->cut_page || !keeps_last(segment, op->whole))
			continue;
		write_ends(segment, op);
		op_finish(holder, op, write_start(op) < segment->size_bytes ? -EIO : 0, NULL);
		cache_take(holder->cache, &segment->cached, TAKE_SIZED, page, page, segment->cut_cookie);
		fetch_tidy(segment, page);
		return true;
	}
	return false;
}

static bool any_part_cut(struct segment *segment)
{
	struct fetch *fetch, *after;

	HASH_ITER(hh, segment->fetches, fetch, after)
	{
		if (part_cut(segment, &fetch->ops))
			return true;
	}
	return part_cut(segment, &segment->later);
}

void writes_cut(struct segment *segment)
{
	if (!cache_taking(&segment->cached, TAKE_SIZED) || bus_broken(bus_of(segment), BREAK_PARTS_WAIT))
		return;
	while (any_part_cut(segment))
		;
}

/* --- requests -------------------------------------------------------------------------------------------------------- */

/* Its kernel's write(2) ends now, and lets go of its pages, whatever the home makes of it. */
void write_killed(struct holder *holder, struct op *op)
{
	struct segment *segment = segment_of(holder, op);
	uint64_t page = op->msg.page;

	if (segment)
		write_ends(segment, op);
	if (!op->to && !op->parts.under_way)
		op_finish(holder, op, 0, NULL);
	if (segment)
		fetch_tidy(segment, page);
}

void request_write(struct holder *holder, struct op *op)
{
	struct object *object = object_find(holder, op->msg.obj);

	if (!object || object->state != OBJECT_OPEN || op->msg.seg != SEG_MEMORY) {
		write_unreachable(holder, object, op);
		return;
	}
	write_begins(&object->memory, op);
	op->shown_bytes = object->memory.shown.kernel_bytes;
	if (op->msg.offset + op->msg.payload.length_bytes > PAGE_BYTES)
		write_several(&object->memory, op);
	else
		write_one(&object->memory, op);
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
