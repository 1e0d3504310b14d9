/*
 * size.c: what this node's kernel believes about a segment's size (K15, K22). The home orders sizes; the kernel keeps one of
 * its own, which it takes from answers with attributes, and which a write(2) raises when it ends. A kernel that has a smaller
 * one kills programs that use what is there; one that takes a smaller one late cuts off what was stored since. So:
 *
 * - A first open is answered when the kernel has been shown the size.
 * - While the segment is open here, answers with attributes carry what the kernel has, and change nothing. Only a show does,
 *   and the answer to a program's own truncate().
 * - What a show returns is what the kernel really has. Whatever else changes that takes a show under way back first.
 *
 *            SIZE, own change                      the kernel has it
 *   KNOWN ---------------------> BEHIND --show--> -------------------> KNOWN
 *     |  ^                        |  ^ a request of this node keeps it from being set: PROMISED to the home, shown when it ends
 *     |  +-- shown, it has it ----+--+
 *     +-- write(2) extended, SETATTR answered --> UNSURE -- somebody asks --> show
 *
 * A larger size can be shown at any time. A smaller one cannot while a local write(2) extends the file or a local truncate()
 * is under way, since the kernel ignores it then; and while a request has a page locked that is to be cut off, the show waits
 * for it. Each may wait for the very change that waits for this kernel: then the home is promised that the kernel will have
 * the size, and answers here wait until it has.
 */
#include "private.h"

void shown_init(struct segment *segment)
{
	list_init(&segment->shown.answers);
	list_init(&segment->shown.setting);
}

bool size_known(const struct segment *segment)
{
	return segment->shown.sure && !segment->shown.astray && segment->shown.kernel_bytes == segment->size_bytes;
}

static struct holder *holder_of(const struct segment *segment)
{
	return segment->object->holder;
}

static bool in_use(const struct segment *segment)
{
	return segment->handles && object_holds(segment->object);
}

void size_confirm(const struct holder *holder, uint32_t from, const struct msg *size)
{
	struct msg msg = {.type = MSG_SIZED, .obj = size->obj, .seg = size->seg, .cookie = size->cookie};

	bus_send(holder->bus, from, &msg);
}

/* Also when the kernel does not have the size yet, but will have it: that is a promise. */
static void confirm(struct segment *segment)
{
	struct msg size = {.obj = segment->object->obj, .seg = segment->cached.seg, .cookie = segment->shown.confirm};

	if (!segment->shown.confirm)
		return;
	segment->shown.confirm = 0;
	size_confirm(holder_of(segment), home_of(segment->object), &size);
}

void size_changes(struct segment *segment)
{
	if (!segment->cached.show_token || bus_broken(bus_of(segment), BREAK_SHOW_KEPT))
		return;
	segment->shown.taken_back = true;
	cache_unshow(holder_of(segment)->cache, &segment->cached);
}

/* A cut, that is: of a larger size the kernel has more then than it was shown, and that is reported. */
void size_written(struct segment *segment)
{
	if (segment->shown.astray || segment->shown.target < segment->shown.kernel_bytes)
		size_changes(segment);
}

/* --- answers --------------------------------------------------------------------------------------------------------- */

/* The kernel takes an answer to SETATTR whenever it comes to it. */
static void unsettled(struct segment *segment, uint64_t size_bytes, uint64_t ctime_ns)
{
	struct shown *shown = &segment->shown;

	shown->kernel_bytes = size_bytes;
	if (bus_broken(bus_of(segment), BREAK_SETATTR_UNSETTLED))
		return;
	shown->sure = false;
	shown->settle_ns = ctime_ns;
}

/* What was asked for a while ago may have changed since. */
static struct msg answer_of(const struct segment *segment, const struct op *op)
{
	const struct object *object = segment->object;
	bool newer = object->attr_kept && op->msg.type != REQ_SETATTR;

	return (struct msg){.obj = object->obj, .attr = newer ? object->attr : op->msg.attr};
}

static bool changing(const struct segment *segment)
{
	return segment->resizing || !list_empty(&segment->growing);
}

/* A SETATTR goes first: of what comes before it, something could bring the kernel its ctime already, see unsettled(). */
static struct op *next_answer(const struct segment *segment)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &segment->shown.answers)
	{
		struct op *op = list_entry(link, struct op, link);

		if (op->msg.type == REQ_SETATTR)
			return op;
	}
	return list_entry(segment->shown.answers.next, struct op, link);
}

/*
 * What this node itself is changing others may have seen before it is answered: until then nobody here is told what was
 * before. Behind a SETATTR, which the kernel takes whenever it comes to it, the others wait until it has arrived.
 */
static void answers_go(struct segment *segment)
{
	if (changing(segment))
		return;
	while (!list_empty(&segment->shown.answers)) {
		struct op *op = next_answer(segment);
		struct msg fields = answer_of(segment, op);
		bool sets = op->msg.type == REQ_SETATTR && op->token;

		fields.attr.size_bytes = segment->size_bytes;
		op_finish(holder_of(segment), op, 0, &fields);
		if (!sets)
			continue;
		unsettled(segment, fields.attr.size_bytes, fields.attr.ctime_ns);
		return;
	}
}

void size_answer(struct segment *segment, struct op *op, const struct msg *fields)
{
	if (!in_use(segment) && !changing(segment)) { /* the next open shows it anyhow */
		op_finish(holder_of(segment), op, 0, fields);
		return;
	}
	op->msg.attr = fields->attr;
	list_remove(&op->link);
	list_push_back(&segment->shown.answers, &op->link);
	size_settle(segment);
}

static void answer_set(struct segment *segment, struct op *op, const struct msg *fields)
{
	if (in_use(segment) && op->token) /* else its kernel hears nothing of it */
		unsettled(segment, fields->attr.size_bytes, fields->attr.ctime_ns);
	op_finish(holder_of(segment), op, 0, fields);
}

void size_answer_set(struct segment *segment, struct op *op, const struct msg *fields)
{
	if (!segment->cached.show_token || bus_broken(bus_of(segment), BREAK_SETATTR_UNSETTLED | BREAK_SHOW_KEPT)) {
		answer_set(segment, op, fields);
		return;
	}
	op->msg.attr = fields->attr;
	list_remove(&op->link);
	list_push_back(&segment->shown.setting, &op->link);
	size_changes(segment);
}

static void settings_go(struct segment *segment)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &segment->shown.setting)
	{
		struct op *op = list_entry(link, struct op, link);

		answer_set(segment, op, &(struct msg){.obj = op->msg.obj, .attr = op->msg.attr});
	}
}

/* --- shows ----------------------------------------------------------------------------------------------------------- */

/*
 * Whether a request of a local program keeps the kernel from taking a smaller size now, or the show from coming to an end. A
 * larger one it always takes.
 */
static bool blocked(const struct segment *segment)
{
	return !segment->shown.astray && segment->size_bytes < segment->shown.kernel_bytes &&
	       (segment->extending || segment->resizing || fetching_from(segment, segment->size_bytes / PAGE_BYTES));
}

static void start(struct segment *segment)
{
	struct shown *shown = &segment->shown;
	struct show show = {.patient = shown->patient,
	                    .lock = segment->unshown,
	                    .size_bytes = segment->size_bytes,
	                    .settle_ns = shown->settle_ns};

	shown->target = show.size_bytes;
	shown->taken_back = false;
	shown->cut |= segment->unshown || shown->astray || shown->kernel_bytes > show.size_bytes;
	cache_show(holder_of(segment)->cache, &segment->cached, &show);
}

static void known(struct segment *segment)
{
	segment->shown.patient = false;
	confirm(segment);
	answers_go(segment);
	opens_go_on(segment->object);
}

/*
 * The show of a smaller size that is under way waits for the lock of a page that is to be cut off, and its request may wait for
 * the change that waits for this kernel.
 */
static void unshow_if_blocked(struct segment *segment)
{
	const struct shown *shown = &segment->shown;

	if (shown->confirm && !shown->astray && shown->target < shown->kernel_bytes &&
	    fetching_from(segment, shown->target / PAGE_BYTES))
		size_changes(segment);
}

/* No program has it open: what the kernel has matters at the next open only. */
static void unused(struct segment *segment)
{
	struct list *link, *after;

	confirm(segment);
	segment->unshown = false;
	settings_go(segment);
	if (changing(segment))
		return;
	list_for_each_safe(link, after, &segment->shown.answers)
	{
		struct op *op = list_entry(link, struct op, link);
		struct msg fields = answer_of(segment, op);

		op_finish(holder_of(segment), op, 0, &fields);
	}
}

void size_settle(struct segment *segment)
{
	struct shown *shown = &segment->shown;
	bool wanted;

	if (!in_use(segment)) {
		unused(segment);
		return;
	}
	if (segment->cached.show_token) {
		unshow_if_blocked(segment);
		return;
	}
	if (size_known(segment))
		known(segment);
	wanted = shown->confirm || shown->astray || segment->unshown || !list_empty(&shown->answers) ||
	         (shown->kernel_bytes != segment->size_bytes && !segment->extending); /* else its write(2) brings it */
	if (size_known(segment) || !wanted)
		return;
	if (blocked(segment)) {
		confirm(segment);
		return;
	}
	start(segment);
}

void size_seen(void *context, struct cached *cached, uint64_t size_bytes)
{
	struct segment *segment = list_entry(cached, struct segment, cached);
	struct shown *shown = &segment->shown;

	(void)context;
	if (bus_broken(bus_of(segment), BREAK_SHOW_UNCHECKED)) {
		size_bytes = shown->target;
		shown->taken_back = false;
	}
	shown->astray = shown->taken_back;
	if (!shown->taken_back) {
		shown->settle_ns = 0;
		shown->sure = size_bytes == shown->target;
		shown->patient = !shown->sure;
		if (shown->sure)
			shown->kernel_bytes = size_bytes;
		else
			confirm(segment);
	}
	settings_go(segment);
	size_settle(segment);
}

/* --- what changes it -------------------------------------------------------------------------------------------------- */

void size_first_open(struct segment *segment)
{
	segment->unshown = true;
	segment->shown.sure = false;
	segment->shown.astray = false;
	segment->shown.settle_ns = 0;
}

void size_extended(struct segment *segment, uint64_t size_bytes)
{
	struct shown *shown = &segment->shown;

	if (size_bytes > shown->target)
		size_changes(segment);
	if (size_bytes > shown->kernel_bytes)
		shown->kernel_bytes = size_bytes;
	else if (shown->sure && !segment->cached.show_token)
		return;
	shown->sure = false;
}

/* But for pages that a write(2) may have locked until its home answers, which waits for this: they go after that. */
static void take_past(struct segment *segment, const struct msg *size, enum take_goal goal)
{
	struct cache *cache = holder_of(segment)->cache;
	uint64_t first = size->low / PAGE_BYTES, kept;

	while (size->flags & SIZE_SITS && (kept = writes_lock(segment, first)) != PAGE_END) {
		if (kept > first)
			cache_take(cache, &segment->cached, goal, first, kept - 1, size->cookie);
		first = kept + 1;
	}
	cache_take(cache, &segment->cached, goal, first, PAGE_END, size->cookie);
}

/* Nobody hears of a smaller size before all nodes have dropped what it cuts off: the home knows when that is. */
static void ask_again(struct segment *segment)
{
	struct msg msg = {.type = MSG_GETATTR, .obj = segment->object->obj};
	struct list *link, *after;

	list_for_each_safe(link, after, &segment->shown.answers)
	{
		struct op *op = list_entry(link, struct op, link);

		if (op->msg.type == REQ_SETATTR)
			continue;
		list_remove(link);
		attrs_call(holder_of(segment), op, &msg);
	}
}

void size_ordered(struct segment *segment, const struct msg *msg, enum take_goal goal)
{
	struct list *link, *after;

	if (goal == TAKE_SIZED && msg->low != NO_LOW)
		ask_again(segment);
	segment->size_bytes = msg->size;
	segment->object->attr.size_bytes = msg->size; /* which may be kept when it is closed */
	list_for_each_safe(link, after, &segment->shown.answers)
		list_entry(link, struct op, link)->msg.attr.size_bytes = msg->size;
	reads_past_end_fail(segment);
	if (msg->low != NO_LOW) {
		if (goal == TAKE_SIZED)
			segment->cut_cookie = msg->cookie;
		take_past(segment, msg, goal);
		writes_cut(segment);
	}
	if (msg->low == NO_LOW && goal == TAKE_SIZED)
		segment->shown.confirm = msg->cookie;
	size_settle(segment);
}

/* The home waits for the latest only. */
void size_dropped(struct segment *segment, uint64_t cookie)
{
	if (cookie > segment->shown.confirm)
		segment->shown.confirm = cookie;
	size_settle(segment);
}

void size_forget(struct segment *segment)
{
	struct shown *shown = &segment->shown;

	ops_fail(holder_of(segment), &shown->answers, -EIO);
	ops_fail(holder_of(segment), &shown->setting, -EIO);
	shown->sure = false;
	shown->settle_ns = 0;
	shown->confirm = 0;
	segment->unshown = false;
}
