/*
 * agent.c: the objects that programs of this node have open. The agent here is the kernel's page cache behind FUSE: it
 * tells us of faults, not of stores (K1, K2), so while any handle is writable all pages are fetched exclusive, and the
 * agent can give a page up but not turn exclusive into shared.
 *
 * A page at this node:
 *
 *              FUSE_READ, FUSE_WRITE                GRANT
 *   not held -----------------------> fetching -----------------> held (shared or exclusive)
 *      ^  ^                              |  RECALL: answered at once, it is not cached      |
 *      |  +------------------------------+                                                  |
 *      +------------- dropped (drop.c): after a RECALL and its dwell, SIZE, first writable open
 *
 * A request for a page that is held shows that the kernel has evicted it: it is fetched again. Nothing a recall needs
 * ever waits for a request of a local program (K8).
 */
#include "internal.h"

#include <inttypes.h>

static const unsigned char zero_page[PAGE_BYTES];

static void send_home(struct core *core, const struct agent_object *object, const struct msg *msg)
{
	core_send(core, session_slot(core, object_home(object->obj)), msg);
}

static struct agent_object *object_find(const struct core *core, uint64_t obj)
{
	struct agent_object *object;

	HASH_FIND(hh, core->agents, &obj, sizeof(obj), object);
	return object;
}

static struct agent_object *object_new(struct core *core, uint64_t obj)
{
	struct agent_object *object = calloc(1, sizeof(*object));

	CHECK(object);
	object->obj = obj;
	list_init(&object->opens);
	list_init(&object->ends);
	list_init(&object->growers);
	list_init(&object->attr_waiters);
	list_init(&object->drops);
	list_init(&object->runs);
	page_table_init(&object->pages, sizeof(struct agent_page));
	HASH_ADD(hh, core->agents, obj, sizeof(object->obj), object);
	return object;
}

static struct fetch *fetch_find(struct agent_object *object, uint64_t page)
{
	struct fetch *fetch;

	HASH_FIND(hh, object->fetches, &page, sizeof(page), fetch);
	return fetch;
}

static void fetch_free(struct agent_object *object, struct fetch *fetch)
{
	CHECK(list_empty(&fetch->ops));
	HASH_DEL(object->fetches, fetch);
	free(fetch);
}

static void dwells_forget(struct core *core, const struct agent_object *object, uint64_t page, bool all)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &core->dwells)
	{
		struct dwell *dwell = list_entry(link, struct dwell, link);

		if (dwell->object != object || (!all && dwell->page != page))
			continue;
		list_remove(link);
		free(dwell);
	}
}

static void object_free(struct core *core, struct agent_object *object)
{
	struct fetch *fetch, *after;

	dwells_forget(core, object, 0, true);
	drop_forget_all(object);
	HASH_ITER(hh, object->fetches, fetch, after)
	fetch_free(object, fetch);
	page_table_clear(&object->pages);
	HASH_DEL(core->agents, object);
	free(object);
}

static void ops_fail(struct core *core, struct list *ops, int error)
{
	struct list *link, *after;

	list_for_each_safe(link, after, ops)
		op_finish(core, list_entry(link, struct op, link), error, NULL);
}

static void fetches_fail(struct core *core, struct agent_object *object, int error)
{
	struct fetch *fetch, *after;

	ops_fail(core, &object->growers, error);
	HASH_ITER(hh, object->fetches, fetch, after)
	{
		ops_fail(core, &fetch->ops, error);
		fetch_free(object, fetch);
	}
}

static enum page_mode mode_now(const struct agent_object *object)
{
	return object->writers ? PAGE_EXCLUSIVE : PAGE_SHARED;
}

/* --- open and release ------------------------------------------------------------------------------------------- */

/* In an open's msg.cookie: how far it is. */
enum {
	OPEN_NEW,
	OPEN_ASKED,  /* its home is asked, see open_try() */
	OPEN_COUNTED /* its handle is counted, it waits for the upgrade */
};

static void call_open(struct core *core, struct agent_object *object)
{
	struct msg msg = {.type = REQ_OPEN, .obj = object->obj};
	struct op *op = op_new(core, 0, &msg);

	object->state = AGENT_OPENING;
	CHECK(op);
	msg.type = MSG_OPEN;
	op_call(core, op, session_slot(core, object_home(object->obj)), &msg);
}

static void open_uncount(struct agent_object *object, const struct op *op)
{
	object->handles--;
	if (op->msg.mode == PAGE_EXCLUSIVE)
		object->writers--;
}

static void open_answer(struct core *core, struct agent_object *object, struct op *op)
{
	struct msg fields = {.obj = object->obj, .attr = object->attr};

	if (op->msg.type == REQ_END_OPEN)
		fields.cookie = signal_open(core, object, op->msg.flags & END_READS);
	op_finish(core, op, 0, &fields);
}

static void open_grant(struct core *core, struct agent_object *object, struct op *op)
{
	bool writable = op->msg.mode == PAGE_EXCLUSIVE;

	object->handles++;
	object->writers += writable;
	list_remove(&op->link);
	if (writable && object->writers == 1 && !(core->breakage & BREAK_NO_OPEN_FLUSH)) {
		object->upgrading = true;
		op->msg.cookie = OPEN_COUNTED;
		list_push_back(&object->opens, &op->link);
		drop_start(core, object, DROP_UPGRADE, 0, PAGE_END, 0);
		return;
	}
	if (writable && object->upgrading) {
		op->msg.cookie = OPEN_COUNTED;
		list_push_back(&object->opens, &op->link);
		return;
	}
	open_answer(core, object, op);
}

/*
 * The home is asked for each open of an owned object's memory, because there may be an access list; and for each end,
 * so that it gets no signal that was posted before.
 */
static void open_try(struct core *core, struct agent_object *object, struct op *op)
{
	struct msg msg = {.type = MSG_OPEN, .obj = object->obj, .mode = op->msg.mode};

	if (op->msg.type != REQ_END_OPEN && (op->msg.mode == PAGE_INVALID || !(object->attr.mode & OBJECT_OWNED))) {
		open_grant(core, object, op);
		return;
	}
	op->msg.cookie = OPEN_ASKED;
	list_remove(&op->link);
	list_push_back(&object->opens, &op->link);
	op_call(core, op, session_slot(core, object_home(object->obj)), &msg);
}

static void opens_fail(struct core *core, struct agent_object *object, int error)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &object->opens)
	{
		struct op *op = list_entry(link, struct op, link);

		if (op->msg.cookie == OPEN_COUNTED)
			open_uncount(object, op);
		op_finish(core, op, error, NULL);
	}
	object->upgrading = false;
}

static bool dropping(const struct agent_object *object, enum drop_goal goal)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &object->drops)
		if (list_entry(link, struct drop, link)->goal == goal)
			return true;
	return false;
}

static void sized(struct core *core, uint64_t obj, uint64_t cookie)
{
	struct msg msg = {.type = MSG_SIZED, .obj = obj, .cookie = cookie};

	core_send(core, session_slot(core, object_home(obj)), &msg);
}

static void attr_waiters_go_on(struct core *core, struct agent_object *object)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &object->attr_waiters)
	{
		struct op *op = list_entry(link, struct op, link);
		struct msg fields = op->msg;

		op_finish(core, op, 0, &fields);
	}
}

bool agent_defers_attr(struct core *core, struct op *op, uint64_t obj, const struct msg *reply)
{
	struct agent_object *object = object_find(core, obj);

	if (!object || reply->error)
		return false;
	object->attr.mode = reply->attr.mode;
	if (!(object->checking || object->check_wanted))
		return false;
	op->msg = *reply;
	op->msg.obj = obj;
	list_push_back(&object->attr_waiters, &op->link);
	return true;
}

/*
 * Shows the kernel the size, once a change of it has been noted in check_wanted. A kernel that sees a smaller size cuts
 * its cache from there on, and waits for the lock of a page that is being fetched: it would come late and cut off what was
 * stored since. So a check begins only when no page from the new end on is being fetched, nothing that a fetch
 * needs ever waits for a check, and until it is done the kernel is shown no other size.
 */
static void check_try(struct core *core, struct agent_object *object)
{
	struct fetch *fetch, *after;

	if (!object->check_wanted || object->checking)
		return;
	HASH_ITER(hh, object->fetches, fetch, after)
	if (fetch->page >= object->attr.size_bytes / PAGE_BYTES)
		return;
	object->check_wanted = false;
	object->checking = true;
	drop_start(core, object, DROP_CHECK, PAGE_END, PAGE_END, 0);
}

/*
 * A larger size is confirmed when the kernel has seen it. But while the kernel has a page locked for a fetch, the check
 * may wait for that lock, the fetch for a truncating node's dirty page, and that node for the confirmation: then the
 * check goes on alone. The kernel sets the size before it takes page locks, so hardly ever is a program here late.
 */
static void check_confirm(struct core *core, struct agent_object *object)
{
	struct fetch *fetch, *after;
	bool fetching = false;

	HASH_ITER(hh, object->fetches, fetch, after)
	fetching |= fetch->page >= object->check_low / PAGE_BYTES;
	if (!object->check_cookie || ((object->checking || object->check_wanted) && !fetching))
		return;
	sized(core, object->obj, object->check_cookie);
	object->check_cookie = 0;
}

static void check_start(struct core *core, struct agent_object *object)
{
	if ((!object->checking && !object->check_wanted) || object->attr.size_bytes < object->check_low)
		object->check_low = object->attr.size_bytes;
	object->check_wanted = true;
	check_try(core, object);
	check_confirm(core, object);
}

static void check_done(struct core *core, struct agent_object *object)
{
	object->checking = false;
	check_try(core, object);
	if (object->checking || object->check_wanted)
		return;
	check_confirm(core, object);
	attr_waiters_go_on(core, object);
}

/* Nothing is held any more; the kernel's copies, which nobody can reach until the next open, are dropped. */
static void drop_everything(struct core *core, struct agent_object *object, int error)
{
	fetches_fail(core, object, error);
	opens_fail(core, object, error);
	dwells_forget(core, object, 0, true);
	drop_forget_all(object);
	attr_waiters_go_on(core, object);
	object->checking = false;
	object->check_wanted = false;
	object->check_cookie = 0;
	page_table_clear(&object->pages);
	drop_start(core, object, DROP_ALL, 0, PAGE_END, 0);
}

/* Ends what nobody has open any more, as far as its state allows. May free the object. */
static void settle(struct core *core, struct agent_object *object)
{
	struct msg msg = {.type = MSG_CLOSE, .obj = object->obj};

	if (object->handles || !list_empty(&object->opens))
		return;
	if (object->state == AGENT_OPEN || object->state == AGENT_DEAD) {
		send_home(core, object, &msg);
		object->state = AGENT_CLOSING;
		drop_everything(core, object, -EIO);
	} else if (object->state == AGENT_LOST && !dropping(object, DROP_ALL)) {
		object_free(core, object);
	}
}

static void request_open(struct core *core, struct op *op)
{
	struct agent_object *object = object_find(core, op->msg.obj);

	op->msg.cookie = OPEN_NEW;
	if (session_slot(core, object_home(op->msg.obj)) == NO_SLOT) {
		op_finish(core, op, -EIO, NULL);
		return;
	}
	if (!object) {
		object = object_new(core, op->msg.obj);
		list_push_back(&object->opens, &op->link);
		call_open(core, object);
		return;
	}
	switch (object->state) {
	case AGENT_OPENING:
	case AGENT_CLOSING:
		list_push_back(&object->opens, &op->link);
		break;
	case AGENT_OPEN:
		open_try(core, object, op);
		break;
	case AGENT_LOST:
	case AGENT_DEAD:
		op_finish(core, op, -EIO, NULL);
		break;
	}
}

static void opened(struct core *core, struct op *call, const struct msg *reply)
{
	struct agent_object *object = object_find(core, call->msg.obj);
	struct list *link, *after;
	int error = reply->error == -ESTALE ? -ENOENT : reply->error;

	op_finish(core, call, 0, NULL);
	if (!object || object->state != AGENT_OPENING)
		return;
	if (error) {
		opens_fail(core, object, error);
		object->state = error == -ENOENT ? AGENT_DEAD : AGENT_LOST;
		if (!object->handles)
			object_free(core, object);
		return;
	}
	object->state = AGENT_OPEN;
	object->attr = reply->attr;
	if (object->handles) /* back after its home was out of reach: show the kernel the size of now */
		check_start(core, object);
	list_for_each_safe(link, after, &object->opens)
	{
		struct op *op = list_entry(link, struct op, link);

		if (op->msg.cookie == OPEN_NEW)
			open_try(core, object, op);
	}
	settle(core, object);
}

/* To OPEN_ASKED. Whoever was killed meanwhile does not open it. */
static void open_replied(struct core *core, struct agent_object *object, struct op *op, const struct msg *reply)
{
	if (op->token && !reply->error)
		open_grant(core, object, op);
	else
		op_finish(core, op, reply->error, NULL);
	settle(core, object);
}

static void downgrade_one(void *context, uint64_t page, void *item)
{
	struct agent_page *entry = item;

	(void)context;
	(void)page;
	if (entry->mode == PAGE_EXCLUSIVE)
		entry->mode = PAGE_SHARED;
}

static void request_release(struct core *core, struct op *op)
{
	struct agent_object *object = object_find(core, op->msg.obj);
	struct msg msg = {.type = MSG_DOWNGRADE, .obj = op->msg.obj};
	struct fetch *fetch, *after;

	CHECK(object && object->handles);
	open_uncount(object, op);
	if (op->msg.mode == PAGE_EXCLUSIVE && !object->writers && object->state == AGENT_OPEN && object->handles) {
		page_table_each(&object->pages, 0, PAGE_END, downgrade_one, NULL);
		HASH_ITER(hh, object->fetches, fetch, after)
		fetch->downgraded = true;
		send_home(core, object, &msg);
	}
	op_finish(core, op, 0, NULL);
	settle(core, object);
}

/* --- pages ------------------------------------------------------------------------------------------------------- */

static void recalled(struct core *core, const struct agent_object *object, uint64_t page, enum page_mode mode)
{
	struct msg msg = {.type = MSG_RECALLED, .obj = object->obj, .page = page, .count = 1, .mode = (uint8_t)mode};

	send_home(core, object, &msg);
}

void agent_page_gone(struct core *core, struct agent_object *object, uint64_t page, struct agent_page *entry)
{
	entry->mode = PAGE_INVALID;
	if (!entry->recalled)
		return;
	entry->recalled = false;
	dwells_forget(core, object, page, false);
	recalled(core, object, page, PAGE_INVALID);
}

static void fetch_send(struct core *core, struct agent_object *object, struct fetch *fetch, enum page_mode mode)
{
	struct msg msg = {.type = MSG_GET, .obj = object->obj, .page = fetch->page, .count = 1, .mode = (uint8_t)mode};

	fetch->mode = mode;
	fetch->asked = true;
	fetch->downgraded = false;
	fetch->req = (uint32_t)core->next_token++;
	msg.req = fetch->req;
	send_home(core, object, &msg);
}

/* From now on drops leave the page out: the kernel does not have it, and may keep its lock for a request. */
static struct fetch *fetch_make(struct core *core, struct agent_object *object, uint64_t page)
{
	struct fetch *fetch = fetch_find(object, page);
	struct agent_page *entry;

	if (fetch)
		return fetch;
	if (drop_covers(object, page))
		drop_split(core, object, page);
	entry = page_table_make(&object->pages, page);
	if (entry->mode != PAGE_INVALID)
		agent_page_gone(core, object, page, entry);
	fetch = calloc(1, sizeof(*fetch));
	CHECK(fetch);
	fetch->page = page;
	list_init(&fetch->ops);
	HASH_ADD(hh, object->fetches, page, sizeof(fetch->page), fetch);
	check_confirm(core, object);
	return fetch;
}

/* Whether a write waits for a larger size first, with its page's lock held by the kernel perhaps. */
static bool write_waits(const struct core *core, const struct agent_object *object, uint64_t page)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &object->growers)
	{
		if (list_entry(link, struct op, link)->msg.page == page)
			return true;
	}
	for (uint32_t i = 0; i < core->ops_room; i++) {
		const struct op *op = core->ops[i];

		if (op && op->used && op->msg.type == REQ_WRITE && op->slot != NO_SLOT && op->msg.obj == object->obj &&
		    op->msg.page == page)
			return true;
	}
	return false;
}

/* What its requests need. */
static enum page_mode fetch_mode(const struct agent_object *object, struct fetch *fetch)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &fetch->ops)
		if (list_entry(link, struct op, link)->msg.type == REQ_WRITE)
			return PAGE_EXCLUSIVE;
	return mode_now(object);
}

/*
 * No write of the page waits for a larger size any more: reads that waited for it ask again. A fetch that asks for
 * nothing goes; while a write waits, drops must go on leaving its page out.
 */
static void fetch_tidy(struct core *core, struct agent_object *object, uint64_t page)
{
	struct fetch *fetch = fetch_find(object, page);

	if (fetch && !fetch->asked && !write_waits(core, object, page)) {
		if (list_empty(&fetch->ops))
			fetch_free(object, fetch);
		else
			fetch_send(core, object, fetch, fetch_mode(object, fetch));
	}
	check_try(core, object);
}

static void fetch_page(struct core *core, struct agent_object *object, uint64_t page, struct op *op)
{
	struct fetch *fetch = fetch_make(core, object, page);

	op_keep_payload(op);
	list_push_back(&fetch->ops, &op->link);
	if (!fetch->asked)
		fetch_send(core, object, fetch, fetch_mode(object, fetch));
}

static void request_read(struct core *core, struct op *op)
{
	struct agent_object *object = object_find(core, op->msg.obj);

	if (!object || object->state != AGENT_OPEN || op->msg.seg != 0 ||
	    op->msg.page >= pages_of(object->attr.size_bytes)) {
		op_finish(core, op, -EIO, NULL);
		return;
	}
	CHECK(op->msg.count == 1);
	fetch_page(core, object, op->msg.page, op);
}

/* The page is held exclusive: its bytes go home. Now and then the write waits until its home has taken them. */
static void put(struct core *core, struct agent_object *object, struct op *op)
{
	struct msg msg = op->msg;
	struct msg sync = {.type = MSG_SYNC, .obj = object->obj};
	struct msg fields = {.obj = object->obj};

	msg.type = MSG_PUT;
	msg.req = 0;
	msg.flags = 0;
	msg.mode = 0;
	msg.count = 0;
	send_home(core, object, &msg);
	object->put_bytes += msg.payload.length_bytes;
	if (object->put_bytes < PUT_WINDOW_BYTES) {
		op_finish(core, op, 0, &fields);
		return;
	}
	object->put_bytes = 0;
	list_remove(&op->link);
	op->msg.type = MSG_SYNC;
	op_call(core, op, session_slot(core, object_home(object->obj)), &sync);
}

static void write_violation(struct core *core, const struct agent_object *object, struct op *op)
{
	core->violations++;
	core_log(core, LOG_LEVEL_ERROR,
	         "the kernel wrote back page %" PRIu64 " of object %" PRIu64 ", which this node does not hold", op->msg.page,
	         object->obj);
	op_finish(core, op, -EIO, NULL);
}

static void write_unreachable(struct core *core, struct agent_object *object, struct op *op)
{
	bool back = op->msg.flags & WRITE_BACK;

	if (back && object && object->state == AGENT_DEAD) {
		op_finish(core, op, 0, NULL); /* revoked: nobody is to see it */
		return;
	}
	if (back && object && !object->unflushed++)
		core_log(core, LOG_LEVEL_ERROR,
		         "object %" PRIu64 ": its home %s is out of reach; what programs here stored last is lost", object->obj,
		         session_member_name(core, object_home(object->obj)));
	op_finish(core, op, -EIO, NULL);
}

/*
 * The write asks for a larger size first. While another node's truncate is being carried out here it waits until that is
 * confirmed, so that it comes after it. The kernel may hold the page's lock all that time, so drops leave it out.
 */
static void grow(struct core *core, struct agent_object *object, struct op *op, bool held)
{
	struct msg msg = {.type = MSG_SETSIZE,
	                  .obj = object->obj,
	                  .flags = REQUEST_GROW,
	                  .size = op->msg.page * PAGE_BYTES + op->msg.offset + op->msg.payload.length_bytes};

	op_keep_payload(op);
	if (!held)
		fetch_make(core, object, op->msg.page);
	if (!held && dropping(object, DROP_SIZED))
		list_push_back(&object->growers, &op->link);
	else
		op_call(core, op, session_slot(core, object_home(object->obj)), &msg);
}

/*
 * A page that is being dropped is still held, so a write to it goes home before the page is confirmed to be gone. After a
 * write of a whole page the kernel has it in its cache again, perhaps behind the invalidation's back: it is told once
 * more. In a truncate of this node's own the page is not cached. In another node's truncate, which has not returned yet,
 * a write to a page that is still held counts as before it: what lies past the end is cut off.
 */
static void request_write(struct core *core, struct op *op)
{
	struct agent_object *object = object_find(core, op->msg.obj);
	struct payload *payload = &op->msg.payload;
	uint64_t start = op->msg.page * PAGE_BYTES + op->msg.offset;
	bool back = op->msg.flags & WRITE_BACK;
	struct agent_page *entry;
	bool held;

	if (!object || object->state != AGENT_OPEN || op->msg.seg != 0) {
		write_unreachable(core, object, op);
		return;
	}
	CHECK(op->msg.offset + payload->length_bytes <= PAGE_BYTES);
	if (back && start >= object->attr.size_bytes) {
		op_finish(core, op, 0, NULL); /* cut off meanwhile */
		return;
	}
	entry = page_table_find(&object->pages, op->msg.page);
	held = entry && entry->mode == PAGE_EXCLUSIVE;
	if (!back && held && drop_covers_for(object, op->msg.page, DROP_RESIZED)) {
		fetch_make(core, object, op->msg.page);
		held = false;
	} else if (!back && held && drop_covers(object, op->msg.page) &&
	           (payload->length_bytes == PAGE_BYTES || drop_covers_for(object, op->msg.page, DROP_SIZED))) {
		uint64_t page = op->msg.page;
		bool whole = payload->length_bytes == PAGE_BYTES;

		put(core, object, op);
		if (whole)
			drop_again(core, object, page);
		return;
	}
	if (!back && start + payload->length_bytes > object->attr.size_bytes)
		grow(core, object, op, held);
	else if (held)
		put(core, object, op);
	else if (back && !fetch_find(object, op->msg.page))
		write_violation(core, object, op);
	else
		fetch_page(core, object, op->msg.page, op);
}

static void read_answer(struct core *core, struct op *op, const struct msg *grant)
{
	struct msg fields = {.obj = grant->obj, .page = grant->page, .count = 1, .payload = grant->payload};

	if (grant->flags & GRANT_ZERO)
		fields.payload = payload_bytes(zero_page, PAGE_BYTES);
	op_finish(core, op, 0, &fields);
}

/* A page past the end: a write by a program grows the object again, everything else is too late. */
static void granted_error(struct core *core, struct agent_object *object, struct fetch *fetch, int error)
{
	uint64_t page = fetch->page;
	struct list ops;
	struct list *link, *after;

	list_init(&ops);
	list_move_all(&fetch->ops, &ops);
	fetch->asked = false;
	list_for_each_safe(link, after, &ops)
	{
		struct op *op = list_entry(link, struct op, link);
		bool write = op->msg.type == REQ_WRITE;

		list_remove(link);
		if (error == -ERANGE && write && op->msg.flags & WRITE_BACK)
			op_finish(core, op, 0, NULL);
		else if (error == -ERANGE && write)
			grow(core, object, op, false); /* also when the smaller size is not known here yet */
		else
			op_finish(core, op, error == -ERANGE ? -EIO : error, NULL);
	}
	fetch_tidy(core, object, page);
}

/* Whether there were any. */
static bool granted_writes(struct core *core, struct agent_object *object, struct fetch *fetch)
{
	struct list *link, *after;
	bool any = false;

	list_for_each_safe(link, after, &fetch->ops)
	{
		struct op *op = list_entry(link, struct op, link);

		if (op->msg.type != REQ_WRITE)
			continue;
		any = true;
		put(core, object, op);
	}
	return any;
}

/*
 * The kernel had the bytes of a write in its cache when it made the request. If the page was dropped since, a read
 * brings it back; it must not come with older bytes, so it waits for the write and fetches anew.
 */
static void granted(struct core *core, struct agent_object *object, const struct msg *grant)
{
	struct fetch *fetch = fetch_find(object, grant->page);
	enum page_mode mode = (enum page_mode)grant->mode;
	enum page_mode wanted;
	struct agent_page *entry;
	struct list *link, *after;

	if (!fetch || fetch->req != grant->req)
		return;
	if (grant->error) {
		granted_error(core, object, fetch, grant->error);
		return;
	}
	wanted = fetch_mode(object, fetch);
	if (fetch->downgraded) /* our DOWNGRADE may have reached the home behind this grant */
		mode = PAGE_SHARED;
	if (mode < wanted && !(core->breakage & BREAK_NO_OPEN_FLUSH)) {
		fetch_send(core, object, fetch, wanted); /* a writable open or a write came in between */
		return;
	}
	entry = page_table_make(&object->pages, grant->page);
	if (granted_writes(core, object, fetch) && !list_empty(&fetch->ops)) {
		fetch_send(core, object, fetch, wanted);
		return;
	}
	fetch->asked = false;
	if (!list_empty(&fetch->ops) && write_waits(core, object, grant->page))
		return;
	list_for_each_safe(link, after, &fetch->ops)
		read_answer(core, list_entry(link, struct op, link), grant);
	entry->mode = (uint8_t)mode;
	entry->granted_ns = core->now_ns;
	if (fetch->recalled)
		recalled(core, object, grant->page, PAGE_INVALID);
	fetch_tidy(core, object, grant->page);
}

/*
 * A page stays for DWELL_NS after its grant, so that the program that waited for it can use it. Where recalls keep
 * coming that fast, every 256th stays for DWELL_LONG_NS: a program that the machine did not let run in all that time
 * makes progress at last.
 */
static uint64_t dwell_until(const struct core *core, struct agent_page *entry)
{
	if (core->now_ns - entry->granted_ns > DWELL_QUICK_NS) {
		entry->quick = 0;
		return 0;
	}
	return entry->granted_ns + (++entry->quick ? DWELL_NS : DWELL_LONG_NS);
}

static void recall(struct core *core, struct agent_object *object, uint64_t page, enum page_mode mode)
{
	struct agent_page *entry = page_table_find(&object->pages, page);
	struct fetch *fetch = fetch_find(object, page);
	struct dwell *dwell;
	uint64_t until;

	core->recalls_count++;
	if (fetch && core->breakage & BREAK_RECALL_WAITS) {
		fetch->recalled = true;
		return;
	}
	if (!entry || entry->mode <= mode) {
		recalled(core, object, page, entry ? (enum page_mode)entry->mode : PAGE_INVALID);
		return;
	}
	entry->recalled = true;
	if (drop_covers(object, page))
		return;
	until = dwell_until(core, entry);
	if (until <= core->now_ns) {
		drop_start(core, object, DROP_RECALL, page, page, 0);
		return;
	}
	dwell = calloc(1, sizeof(*dwell));
	CHECK(dwell);
	dwell->object = object;
	dwell->page = page;
	dwell->deadline_ns = until;
	list_push_back(&core->dwells, &dwell->link);
}

/* --- size --------------------------------------------------------------------------------------------------------- */

/* Reads past the new end fail now: the drop could otherwise wait for their page locks, and they for the drop. */
static void reads_past_end_fail(struct core *core, struct agent_object *object)
{
	struct fetch *fetch, *after;
	struct list *link, *next;

	HASH_ITER(hh, object->fetches, fetch, after)
	{
		if (fetch->page < pages_of(object->attr.size_bytes))
			continue;
		list_for_each_safe(link, next, &fetch->ops)
		{
			struct op *op = list_entry(link, struct op, link);

			if (op->msg.type == REQ_READ)
				op_finish(core, op, -EIO, NULL);
		}
	}
}

static void resized(struct core *core, uint64_t obj, enum drop_goal goal, uint64_t size, uint64_t low, uint64_t cookie)
{
	struct agent_object *object = object_find(core, obj);

	if (!object || (object->state != AGENT_OPEN && object->state != AGENT_DEAD)) {
		sized(core, obj, cookie);
		return;
	}
	object->attr.size_bytes = size;
	reads_past_end_fail(core, object);
	if (low == NO_LOW)
		object->check_cookie = cookie;
	else
		drop_start(core, object, goal, low / PAGE_BYTES, PAGE_END, cookie);
	check_start(core, object);
}

static void revoked(struct core *core, struct agent_object *object)
{
	if (object->state != AGENT_OPEN)
		return;
	object->state = AGENT_DEAD;
	fetches_fail(core, object, -EIO);
	opens_fail(core, object, -EIO);
	signal_cut(core, object);
}

static void size_changed(struct core *core, const struct msg *msg)
{
	struct agent_object *object = object_find(core, msg->obj);

	if (object && msg->flags & SIZE_REVOKED)
		revoked(core, object);
	resized(core, msg->obj, DROP_SIZED, msg->size, msg->low, msg->cookie);
	if (object)
		settle(core, object);
}

/* --- from core.c ---------------------------------------------------------------------------------------------------- */

void agent_request(struct core *core, struct op *op)
{
	switch (op->msg.type) {
	case REQ_END_OPEN:
		op->msg.mode = PAGE_INVALID;
		/* fall through */
	case REQ_OPEN:
		request_open(core, op);
		break;
	case REQ_END_CLOSE:
		op->msg.obj = signal_close(core, op->msg.cookie);
		op->msg.mode = PAGE_INVALID;
		/* fall through */
	case REQ_RELEASE:
		request_release(core, op);
		break;
	case REQ_READ:
		request_read(core, op);
		break;
	case REQ_WRITE:
		request_write(core, op);
		break;
	case MSG_SETSIZE:
		op_call(core, op, session_slot(core, object_home(op->msg.obj)), &op->msg);
		break;
	default:
		CHECK(!"a request of a known type");
	}
}

/* The write waited for a larger size; if there is none, or nobody waits any more, the page is not wanted either. */
static void grown(struct core *core, struct agent_object *object, struct op *op, const struct msg *reply)
{
	uint64_t obj = op->msg.obj;
	uint64_t page = op->msg.page;

	op->slot = NO_SLOT;
	if (object && !reply->error)
		object->attr.size_bytes = reply->size;
	if (op->token && !reply->error)
		request_write(core, op);
	else
		op_finish(core, op, reply->error, NULL);
	object = object_find(core, obj);
	if (object)
		fetch_tidy(core, object, page);
}

/*
 * A truncate that met a growth is answered with the size that it asked for: from the larger one the kernel might see no
 * change, and keep what was cut off. The check that follows shows it the size of now.
 */
static void setsize_answer(struct core *core, struct op *op, const struct msg *reply)
{
	struct msg fields = *reply;

	if (op->msg.type == MSG_SETSIZE && !reply->error && reply->low != NO_LOW &&
	    op->msg.size < fields.attr.size_bytes)
		fields.attr.size_bytes = op->msg.size;
	op_finish(core, op, reply->error, &fields);
}

void agent_reply(struct core *core, struct op *op, const struct msg *reply)
{
	struct agent_object *object = object_find(core, op->msg.obj);
	uint64_t obj = op->msg.obj;
	struct msg answer = *reply;

	if (op->msg.cookie == OPEN_ASKED && (op->msg.type == REQ_OPEN || op->msg.type == REQ_END_OPEN)) {
		open_replied(core, object, op, reply);
		return;
	}
	if (op->msg.type == REQ_OPEN) {
		opened(core, op, reply);
		return;
	}
	if (reply->flags & SIZE_REVOKED) /* it met a revoke */
		answer.error = -EIO;
	/* The kernel is answered first: only then can it give up what lies past the end. */
	if (op->msg.type == REQ_WRITE)
		grown(core, object, op, &answer);
	else if (reply->low != NO_LOW || !agent_defers_attr(core, op, obj, &answer))
		setsize_answer(core, op, &answer);
	if (reply->error)
		return;
	object = object_find(core, obj);
	if (object && reply->flags & SIZE_REVOKED)
		revoked(core, object);
	if (reply->low != NO_LOW)
		resized(core, obj, DROP_RESIZED, reply->size, reply->low, reply->cookie);
	else if (object)
		object->attr.size_bytes = reply->size;
	if (object)
		settle(core, object);
}

void agent_message(struct core *core, uint32_t slot, const struct msg *msg)
{
	struct agent_object *object = object_find(core, msg->obj);
	bool holds = object && (object->state == AGENT_OPEN || object->state == AGENT_DEAD);

	if (slot != session_slot(core, object_home(msg->obj)))
		return;
	switch (msg->type) {
	case MSG_GRANT:
		if (object && object->state == AGENT_OPEN)
			granted(core, object, msg);
		break;
	case MSG_RECALL:
		if (holds) {
			recall(core, object, msg->page, (enum page_mode)msg->mode);
		} else {
			struct msg answer = {.type = MSG_RECALLED, .obj = msg->obj, .page = msg->page, .count = 1};

			core_send(core, slot, &answer);
		}
		break;
	case MSG_SIGNAL:
		if (object)
			signal_deliver(core, object, msg);
		break;
	default:
		size_changed(core, msg);
		break;
	}
}

/* Its program is being killed. What it waited for goes on without it where it can be of use. */
void agent_interrupt(struct core *core, struct op *op)
{
	struct agent_object *object = object_find(core, op->msg.obj);

	if (op->slot != NO_SLOT || list_empty(&op->link))
		return;
	if (op->msg.type == REQ_OPEN && op->msg.cookie == OPEN_COUNTED)
		open_uncount(object, op);
	op_finish(core, op, 0, NULL);
	if (op->msg.type == REQ_WRITE)
		fetch_tidy(core, object, op->msg.page);
	settle(core, object);
}

static void growers_go_on(struct core *core, struct agent_object *object)
{
	struct list waiting;
	struct list *link, *after;

	if (dropping(object, DROP_SIZED))
		return;
	list_init(&waiting);
	list_move_all(&object->growers, &waiting);
	list_for_each_safe(link, after, &waiting)
	{
		uint64_t page = list_entry(link, struct op, link)->msg.page;

		list_remove(link);
		request_write(core, list_entry(link, struct op, link));
		fetch_tidy(core, object, page);
	}
}

void agent_drop_done(struct core *core, struct agent_object *object, enum drop_goal goal, uint64_t cookie)
{
	struct list *link, *after;

	switch (goal) {
	case DROP_RECALL:
		return;
	case DROP_SIZED:
	case DROP_RESIZED:
		sized(core, object->obj, cookie);
		growers_go_on(core, object);
		return;
	case DROP_CHECK:
		check_done(core, object);
		return;
	case DROP_UPGRADE:
		if (dropping(object, DROP_UPGRADE))
			return; /* this one was for an open that was killed; pages have come in since */
		object->upgrading = false;
		list_for_each_safe(link, after, &object->opens)
		{
			struct op *op = list_entry(link, struct op, link);

			if (op->msg.cookie == OPEN_COUNTED)
				open_answer(core, object, op);
		}
		return;
	case DROP_ALL:
		break;
	}
	if (object->state == AGENT_LOST ? !object->handles : list_empty(&object->opens)) {
		object_free(core, object);
	} else if (session_slot(core, object_home(object->obj)) != NO_SLOT) {
		call_open(core, object);
	} else if (object->state == AGENT_CLOSING) {
		opens_fail(core, object, -EIO);
		object_free(core, object);
	}
}

void agent_connected(struct core *core, uint32_t slot)
{
	struct agent_object *object, *after;

	HASH_ITER(hh, core->agents, object, after)
	if (object_home(object->obj) == core->sessions[slot].number && object->state == AGENT_LOST &&
	    !dropping(object, DROP_ALL))
		call_open(core, object);
}

void agent_disconnected(struct core *core, uint32_t slot)
{
	struct agent_object *object, *after;

	if (!core->sessions[slot].number)
		return;
	HASH_ITER(hh, core->agents, object, after)
	{
		if (object_home(object->obj) != core->sessions[slot].number || object->state == AGENT_LOST)
			continue;
		if (object->state == AGENT_CLOSING) {
			opens_fail(core, object, -EIO);
			continue;
		}
		object->state = AGENT_LOST;
		object->unflushed = 0;
		signal_cut(core, object);
		drop_everything(core, object, -EIO);
	}
}

void agent_tick(struct core *core)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &core->dwells)
	{
		struct dwell *dwell = list_entry(link, struct dwell, link);

		if (dwell->deadline_ns > core->now_ns)
			continue;
		list_remove(link);
		if (!drop_covers(dwell->object, dwell->page))
			drop_start(core, dwell->object, DROP_RECALL, dwell->page, dwell->page, 0);
		free(dwell);
	}
}

uint64_t agent_deadline_ns(const struct core *core)
{
	uint64_t deadline = UINT64_MAX;
	struct list *link, *after;

	list_for_each_safe(link, after, &core->dwells)
	{
		const struct dwell *dwell = list_entry(link, struct dwell, link);

		if (dwell->deadline_ns < deadline)
			deadline = dwell->deadline_ns;
	}
	return deadline;
}

void agent_fini(struct core *core)
{
	struct agent_object *object, *after;
	struct fetch *fetch, *next;

	HASH_ITER(hh, core->agents, object, after)
	{
		HASH_ITER(hh, object->fetches, fetch, next)
		list_init(&fetch->ops); /* the ops are freed by core.c */
		object_free(core, object);
	}
}

bool core_open_size(const struct core *core, uint64_t obj, uint64_t *size_bytes)
{
	const struct agent_object *object = object_find(core, obj);

	if (!object || (object->state != AGENT_OPEN && object->state != AGENT_DEAD))
		return false;
	*size_bytes = object->attr.size_bytes;
	return true;
}

enum page_mode core_page_mode(const struct core *core, uint64_t obj, uint32_t seg, uint64_t page)
{
	struct agent_object *object = object_find(core, obj);
	const struct agent_page *entry = object && seg == 0 ? page_table_find(&object->pages, page) : NULL;

	return entry ? (enum page_mode)entry->mode : PAGE_INVALID;
}
