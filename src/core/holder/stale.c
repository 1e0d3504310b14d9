/*
 * stale.c: writes whose page was read again. The kernel copies a write(2) into its pages before it asks. If a page has gone since
 * the last write(2) and was read again, the copy may have been made before: then the kernel has old bytes, and has to drop them.
 * What was stored on top of them, and comes while they are dropped, is older than the write; but if the copy was made since, it is
 * newer, and has the write in it. So it is kept until no more can come, and goes home in one message with the write, which leaves
 * each word that was stored to as it is. Only then is the page given up.
 *
 * Or the kernel has evicted the page since without a word, and the write keeps the page locked: then dropping it does not come to
 * an end before the write is answered.
 */
#include "private.h"

void stale_drop(struct segment *segment, struct op *op, struct held *held)
{
	struct holder *holder = segment->object->holder;
	uint64_t page = op->msg.page;

	op_keep_payload(op);
	op->since_ns = holder->bus->now_ns;
	op->dropping = true;
	held->dropping++;
	list_remove(&op->link);
	list_push_back(&holder->stale, &op->link);
	if (op->msg.payload.length_bytes == PAGE_BYTES)
		cache_again(holder->cache, &segment->cached, page);
	cache_take(holder->cache, &segment->cached, TAKE_STALE, page, page, 0);
}

static void drops_no_more(struct segment *segment, struct op *op)
{
	struct held *held = page_table_find(&segment->pages, op->msg.page);

	list_remove(&op->link);
	op->dropping = false;
	held->dropping--;
}

bool stale_keeps(struct segment *segment, struct op *back)
{
	struct holder *holder = segment->object->holder;
	struct list *link, *after;
	struct op *under = NULL;

	list_for_each_safe(link, after, &holder->stale)
	{
		struct op *op = list_entry(link, struct op, link);

		if (op->msg.page == back->msg.page && op_segment(holder, op) == segment)
			under = op;
	}
	if (!under)
		return false;
	free(under->over);
	under->over = kept_new(back->msg.payload.bytes, back->msg.payload.length_bytes);
	under->over_bytes = back->msg.payload.length_bytes;
	return true;
}

static void put_over(struct segment *segment, struct op *op)
{
	struct msg msg = put_message(segment, op);
	uint32_t under_bytes = op->msg.payload.length_bytes, bytes = under_bytes + op->over_bytes;
	uint64_t end_bytes = op->msg.page * PAGE_BYTES + op->over_bytes;
	char *both = bus_scratch(bus_of(segment), bytes);

	memcpy(both, op->msg.payload.bytes, under_bytes);
	memcpy(both + under_bytes, op->over->bytes, op->over_bytes);
	msg.flags = PUT_OVER;
	msg.size = under_bytes;
	msg.payload = payload_bytes(both, bytes);
	send_home(segment->object, &msg);
	segment->put_bytes += bytes;
	written_to(op, end_bytes < segment->size_bytes ? end_bytes : segment->size_bytes);
	free(op->over);
	op->over = NULL;
}

void stale_killed(struct segment *segment, struct op *op)
{
	if (op->dropping)
		drops_no_more(segment, op);
	if (op->over)
		put_over(segment, op);
}

/* The kernel has dropped the page: the write goes home. */
static void go_on(struct segment *segment, struct op *op)
{
	struct held *held = page_table_find(&segment->pages, op->msg.page);

	drops_no_more(segment, op);
	op->dropped = true;
	held->reread = false;
	if (op->over)
		put_over(segment, op);
	write_page(segment, op);
}

void stale_gone(struct segment *segment, uint64_t page)
{
	struct holder *holder = segment->object->holder;
	struct list *link, *after;

	list_for_each_safe(link, after, &holder->stale)
	{
		struct op *op = list_entry(link, struct op, link);

		if (op->msg.page == page && op_segment(holder, op) == segment)
			go_on(segment, op);
	}
}

void stale_fail(struct segment *segment, int error)
{
	struct object *object = segment->object;
	struct list *link, *after;

	list_for_each_safe(link, after, &object->holder->stale)
	{
		struct op *op = list_entry(link, struct op, link);

		if (op_segment(object->holder, op) != segment)
			continue;
		if (op->over && object->state != OBJECT_DEAD)
			stores_lost(object);
		drops_no_more(segment, op);
		write_ends(segment, op);
		op_finish(object->holder, op, error, NULL);
	}
}

/* The first whose page may be locked by itself: what was written back is not. */
static struct op *first_stale(const struct holder *holder)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &holder->stale)
	{
		struct op *op = list_entry(link, struct op, link);

		if (!op->over && may_lock(request_of(op)) && op->msg.page == last_page(request_of(op)))
			return op;
	}
	return NULL;
}

uint64_t stale_deadline_ns(const struct holder *holder)
{
	const struct op *op = first_stale(holder);

	return op ? op->since_ns + STALE_NS : UINT64_MAX;
}

void stale_tick(struct holder *holder)
{
	while (stale_deadline_ns(holder) <= holder->bus->now_ns) {
		struct op *op = first_stale(holder);
		struct segment *segment = op_segment(holder, op);
		struct held *held = page_table_find(&segment->pages, op->msg.page);

		op->since_ns = holder->bus->now_ns;
		if (!op->late) {
			op->late = true; /* this node may have stood still: what has arrived meanwhile is looked at first */
			continue;
		}
		held->reread = false;
		drops_no_more(segment, op);
		write_page(segment, op);
	}
}
