/*
 * sizes.c: a segment's size, which changes on all nodes at once, and revoke, which is a change of size that nobody survives.
 *
 * 1. The new size counts from now on. Where it is a smaller one, nothing past the lowest size on the way (`low`) is granted
 *    until all is done. A write that makes the segment longer brings its bytes in the same message, so they are there.
 * 2. Each node that has the segment open, but those whose kernel sits in the change (`changers`), gets SIZE: it drops what
 *    lies past `low`, shows its kernel the new size, and confirms with SIZED. A kernel that sits in write(2) can drop pages: where
 *    there are any to drop, its node is told too.
 * 3. The changers are answered. A kernel that sits in truncate() sends no dirty page home until it is answered; asked any
 *    earlier it could not give up the pages past the end. After the answer it drops them, shows itself the size, and confirms.
 *    Those who asked for another size than the one in force are answered first, the smallest before the others, and have to
 *    confirm before the next are: each kernel has the size before any call that brought it returns.
 * 4. All that lies past `low` is dropped from the books and the store, and those who wait for such a page go on.
 *
 * A change that comes while another is under way joins it: the later size counts, 2 starts again with a new cookie. So two
 * nodes that change the size at once cannot wait for each other.
 */
#include "private.h"

/* Who asked for a change and waits for it; or who asked for the attributes when there was one. */
struct changer {
	struct list link;
	uint32_t from;
	uint32_t req;
	uint64_t size_bytes; /* that it asked for */
	bool looks;          /* for the attributes */
	bool sits;           /* its kernel sits in the call: what it has is shown after the answer only */
	bool drops;          /* but it can drop pages before */
};

struct resize {
	struct list changers;
	struct list recall_link; /* in home.resize_recalls */
	node_set telling;        /* must confirm before the changers are answered */
	node_set dropping;       /* changers that must confirm after they were answered */
	uint64_t low;            /* smallest size on the way, in bytes; NO_LOW: it only grew */
	uint64_t cookie;
	uint64_t since_ns;
};

bool sizes_block(const struct segment *segment, uint64_t page)
{
	return segment->resize && segment->resize->low != NO_LOW && page >= segment->resize->low / PAGE_BYTES;
}

/* Nodes whose kernels sit in calls. */
static node_set sitting(const struct segment *segment)
{
	node_set set = 0;
	struct list *link, *after;

	list_for_each_safe(link, after, &segment->resize->changers)
	{
		const struct changer *changer = list_entry(link, struct changer, link);

		if (changer->sits)
			set |= one(segment->object, changer->from);
	}
	return set;
}

/* Nodes that can do nothing before their call is answered. */
static node_set stuck(const struct segment *segment)
{
	node_set set = 0;
	struct list *link, *after;

	list_for_each_safe(link, after, &segment->resize->changers)
	{
		const struct changer *changer = list_entry(link, struct changer, link);

		if (changer->sits && !(changer->drops && segment->resize->low != NO_LOW))
			set |= one(segment->object, changer->from);
	}
	return set;
}

void sizes_free(struct segment *segment)
{
	struct resize *resize = segment->resize;
	struct list *link, *after;

	if (!resize)
		return;
	list_for_each_safe(link, after, &resize->changers)
	{
		struct changer *changer = list_entry(link, struct changer, link);

		bus_answer(bus_of(segment), changer->from, changer->req, -ESTALE, NULL);
		free(changer);
	}
	list_remove(&resize->recall_link);
	free(resize);
	segment->resize = NULL;
}

static void answer(struct segment *segment, struct changer *changer)
{
	struct resize *resize = segment->resize;
	struct msg fields = {.size = segment->size_bytes,
	                     .low = resize->low,
	                     .cookie = resize->cookie,
	                     .flags = object_dead(segment->object) ? SIZE_REVOKED : 0};

	attrs_fill(segment->object, changer->from, &fields);
	bus_answer(bus_of(segment), changer->from, changer->req, 0, &fields);
	list_remove(&changer->link);
	free(changer);
}

static void tell(struct segment *segment, node_set nodes)
{
	struct resize *resize = segment->resize;
	struct msg msg = {.type = MSG_SIZE,
	                  .obj = segment->object->obj,
	                  .seg = segment->number,
	                  .size = segment->size_bytes,
	                  .low = resize->low,
	                  .cookie = resize->cookie,
	                  .flags = object_dead(segment->object) ? SIZE_REVOKED : 0};

	resize->telling = nodes;
	resize->since_ns = bus_of(segment)->now_ns;
	list_remove(&resize->recall_link);
	list_push_back(&segment->object->home->resize_recalls, &resize->recall_link);
	bus_send_all(bus_of(segment), nodes & ~sitting(segment), &msg);
	msg.flags |= SIZE_SITS;
	bus_send_all(bus_of(segment), nodes & sitting(segment), &msg);
}

/* Of those whose kernel sits in the call and that asked for another size than the one in force, the smallest; else that. */
static uint64_t smallest_other(const struct segment *segment)
{
	uint64_t smallest = UINT64_MAX;
	struct list *link, *after;

	list_for_each_safe(link, after, &segment->resize->changers)
	{
		const struct changer *changer = list_entry(link, struct changer, link);

		if (changer->sits && changer->size_bytes != segment->size_bytes && changer->size_bytes < smallest)
			smallest = changer->size_bytes;
	}
	return smallest == UINT64_MAX ? segment->size_bytes : smallest;
}

/* Answers the changers whose kernel sits in the call and that asked for this size; the nodes that sit in none any more. */
static node_set answer_sitting(struct segment *segment, uint64_t size_bytes)
{
	node_set answered = 0;
	struct list *link, *after;

	segment->resize->cookie = ++segment->object->home->next_cookie;
	list_for_each_safe(link, after, &segment->resize->changers)
	{
		struct changer *changer = list_entry(link, struct changer, link);

		if (!changer->sits || changer->size_bytes != size_bytes)
			continue;
		answered |= one(segment->object, changer->from);
		answer(segment, changer);
	}
	return answered & segment->object->users & ~sitting(segment);
}

/* Whoever asked for another size has to be shown the one in force before anybody else goes on. */
static void answer_others(struct segment *segment)
{
	struct resize *resize = segment->resize;
	uint64_t other;

	while ((other = smallest_other(segment)) != segment->size_bytes && !resize->telling && !resize->dropping) {
		node_set nodes = answer_sitting(segment, other);

		if (resize->low != NO_LOW)
			resize->dropping = nodes;
		else if (nodes && !bus_broken(bus_of(segment), BREAK_GROWER_UNTOLD))
			tell(segment, nodes);
	}
}

static void answer_looks(struct segment *segment)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &segment->resize->changers)
	{
		struct changer *changer = list_entry(link, struct changer, link);

		if (!changer->looks)
			continue;
		if (object_dead(segment->object))
			bus_answer(bus_of(segment), changer->from, changer->req, -EIO, NULL);
		else
			attrs_answer(segment->object, changer->from, changer->req);
		list_remove(link);
		free(changer);
	}
}

static void answer_rest(struct segment *segment)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &segment->resize->changers)
		answer(segment, list_entry(link, struct changer, link));
}

/* Steps 3 and 4, as soon as nobody has to confirm any more. */
static void advance(struct segment *segment)
{
	struct resize *resize = segment->resize;
	uint64_t low = resize->low;
	node_set nodes;

	if (resize->telling)
		return;
	answer_looks(segment);
	answer_others(segment);
	if (resize->telling || resize->dropping)
		return;
	nodes = answer_sitting(segment, segment->size_bytes);
	resize->dropping = low == NO_LOW ? 0 : nodes;
	if (resize->dropping)
		return;
	answer_rest(segment);
	sizes_free(segment);
	if (low != NO_LOW)
		pages_truncate(segment, low);
	if (!object_dead(segment->object))
		return;
	pages_wake_all(segment);
	home_revoked(segment->object);
}

static struct resize *resize_make(struct segment *segment)
{
	struct resize *resize = segment->resize;

	if (resize)
		return resize;
	resize = calloc(1, sizeof(*resize));
	CHECK(resize);
	list_init(&resize->changers);
	list_init(&resize->recall_link);
	resize->low = NO_LOW;
	segment->resize = resize;
	return resize;
}

static void start(struct segment *segment, uint64_t size, uint64_t low, struct changer *changer)
{
	struct resize *resize = resize_make(segment);

	if (changer)
		list_push_back(&resize->changers, &changer->link);
	if (low < resize->low)
		resize->low = low;
	resize->cookie = ++segment->object->home->next_cookie;
	segment->size_bytes = size;
	/* Whoever was to confirm an earlier size confirms this one instead. */
	resize->dropping = 0;
	tell(segment, segment->object->users & ~stuck(segment));
	advance(segment);
}

static struct changer *changer_new(uint32_t from, uint32_t req, uint64_t size_bytes, bool sits)
{
	struct changer *changer = calloc(1, sizeof(*changer));

	CHECK(changer);
	*changer = (struct changer){.from = from, .req = req, .size_bytes = size_bytes, .sits = sits};
	list_init(&changer->link);
	return changer;
}

/*
 * Nobody hears of a smaller size before all have dropped what it cuts off: who stored there after he had heard of it would lose
 * that.
 */
bool sizes_hold(struct segment *segment, uint32_t from, uint32_t req)
{
	struct resize *resize = segment->resize;
	struct changer *changer;

	if (!resize || !resize->telling || resize->low == NO_LOW)
		return false;
	changer = changer_new(from, req, 0, false);
	changer->looks = true;
	list_push_back(&resize->changers, &changer->link);
	return true;
}

/* It is that long already. */
static void unchanged(struct segment *segment, uint32_t from, uint32_t req)
{
	struct msg fields = {.size = segment->size_bytes, .low = NO_LOW};

	attrs_fill(segment->object, from, &fields);
	bus_answer(bus_of(segment), from, req, 0, &fields);
}

void sizes_set(struct segment *segment, uint32_t from, const struct msg *msg)
{
	uint64_t old = segment->size_bytes;

	if (msg->size > OBJECT_BYTES_MAX || whole_of(segment->object)->owner) {
		bus_answer(bus_of(segment), from, msg->req, whole_of(segment->object)->owner ? -EPERM : -EFBIG, NULL);
		return;
	}
	if (!segment->resize && msg->size == old)
		unchanged(segment, from, msg->req);
	else
		start(segment, msg->size, msg->size < old ? msg->size : NO_LOW, changer_new(from, msg->req, msg->size, true));
}

/*
 * A write that overlaps with a truncate which its node has not confirmed counts as before it: it makes nothing longer, and
 * what it has put past the end is cut off.
 */
void sizes_put(struct segment *segment, uint32_t from, const struct msg *msg)
{
	const struct resize *resize = segment->resize;
	uint64_t old = segment->size_bytes;
	bool before = resize && resize->low != NO_LOW && resize->telling & one(segment->object, from);
	struct changer *changer;

	if (whole_of(segment->object)->owner && msg->size > old) {
		bus_answer(bus_of(segment), from, msg->req, -EPERM, NULL);
		return;
	}
	if (before || (!resize && msg->size <= old)) {
		unchanged(segment, from, msg->req);
		return;
	}
	changer = changer_new(from, msg->req, msg->size, true);
	changer->drops = true;
	if (msg->size <= old) /* that size is not shown everywhere yet */
		list_push_back(&segment->resize->changers, &changer->link);
	else
		start(segment, msg->size, NO_LOW, changer);
}

void sizes_early(struct segment *segment, uint64_t size_bytes)
{
	if (size_bytes > segment->size_bytes)
		start(segment, size_bytes, NO_LOW, NULL);
}

void sizes_revoke(struct segment *segment)
{
	start(segment, 0, 0, NULL);
}

void sizes_confirmed(struct segment *segment, uint32_t from, uint64_t cookie)
{
	struct resize *resize = segment->resize;

	if (!resize || resize->cookie != cookie)
		return;
	resize->telling &= ~one(segment->object, from);
	resize->dropping &= ~one(segment->object, from);
	advance(segment);
}

void sizes_forget_node(struct segment *segment, uint32_t number)
{
	struct resize *resize = segment->resize;
	struct list *link, *after;

	if (!resize)
		return;
	list_for_each_safe(link, after, &resize->changers)
	{
		struct changer *changer = list_entry(link, struct changer, link);

		if (changer->from == number && !bus_reaches(bus_of(segment), number)) {
			list_remove(&changer->link);
			free(changer);
		}
	}
	resize->telling &= ~one(segment->object, number);
	resize->dropping &= ~one(segment->object, number);
	advance(segment);
}

void sizes_tick(struct home *home)
{
	while (!list_empty(&home->resize_recalls)) {
		struct resize *resize = list_entry(home->resize_recalls.next, struct resize, recall_link);

		if (home->bus->now_ns - resize->since_ns < RECALL_TIMEOUTS * home->bus->timeout_ns)
			return;
		hang_up_all(home->bus, resize->telling | resize->dropping, "it did not confirm the size of an object");
		list_remove(&resize->recall_link);
	}
}
