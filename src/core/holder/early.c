/*
 * early.c: writes whose bytes were at home before they came. The kernel copies a write(2) into its pages before it asks. Until then
 * such a page can be stored to, written back, dropped, and changed by others: putting the write would undo what they did.
 *
 * So what was written back last is remembered for a while. If a write has just these bytes, its page is gone, and no write(2) has
 * ended since, then it was written back with the page, unless it was copied there later. Then the kernel has the page, with all
 * bytes, or locked: it does not read it just now; and else it is asked.
 */
#include "private.h"

static struct back *back_find(struct holder *holder, const struct segment *segment, uint64_t page)
{
	for (unsigned i = 0; i < BACKS_MAX; i++) {
		struct back *back = &holder->backs[i];

		if (back->kept && back->obj == segment->object->obj && back->page == page)
			return back;
	}
	return NULL;
}

/* More pages than are remembered need not be: the first would be forgotten before the last is there. */
void early_note(struct segment *segment, const struct op *op)
{
	struct holder *holder = segment->object->holder;
	struct held *held = page_table_find(&segment->pages, op->msg.page);
	struct back *back;

	if (op->msg.offset || (op->whole && last_page(op->whole) - op->whole->msg.page >= BACKS_MAX))
		return;
	back = back_find(holder, segment, op->msg.page);
	if (!back)
		back = &holder->backs[holder->backs_next++ % BACKS_MAX];
	free(back->kept);
	*back = (struct back){.obj = segment->object->obj,
	                      .page = op->msg.page,
	                      .written = segment->written,
	                      .length_bytes = op->msg.payload.length_bytes,
	                      .kept = kept_new(op->msg.payload.bytes, op->msg.payload.length_bytes)};
	held->noted = true;
}

static bool is_read(const struct fetch *fetch)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &fetch->ops)
		if (list_entry(link, struct op, link)->msg.type == REQ_READ)
			return true;
	return fetch->ahead;
}

bool early_maybe(struct segment *segment, const struct op *op)
{
	const struct held *held = page_table_find(&segment->pages, op->msg.page);
	const struct fetch *fetch = fetch_find(segment, op->msg.page);
	const struct payload *payload = &op->msg.payload;
	const struct back *back;

	if (!held || !held->noted || held->mode != PAGE_INVALID || (fetch && !is_read(fetch)))
		return false;
	back = back_find(segment->object->holder, segment, op->msg.page);
	return back && back->written == segment->written && op->msg.offset + payload->length_bytes <= back->length_bytes &&
	       !memcmp(back->kept->bytes + op->msg.offset, payload->bytes, payload->length_bytes);
}

static void answered(struct segment *segment, struct op *op, bool cached)
{
	uint64_t page = op->msg.page;
	struct held *held = page_table_find(&segment->pages, page);

	held->noted = false;
	op->at_home = !cached;
	fetch_let_go(segment, op);
	write_page(segment, op);
	fetch_tidy(segment, page);
}

void early_ask(struct segment *segment, struct op *op)
{
	struct holder *holder = segment->object->holder;
	struct fetch *fetch = fetch_find(segment, op->msg.page);
	struct action *action;

	if (fetch) { /* it is read */
		answered(segment, op, false);
		return;
	}
	fetch = fetch_make(segment, op->msg.page);
	if (fetch)
		fetch_keep(fetch, op);
	action = bus_act(holder->bus, ACT_PEEK);
	op_keep_payload(op);
	op->peeking = true;
	list_remove(&op->link);
	list_push_back(&segment->early, &op->link);
	action->token = op->req;
	action->msg.obj = segment->object->obj;
	action->msg.seg = segment->cached.seg;
	action->msg.page = op->msg.page;
}

void early_answered(struct holder *holder, uint64_t token, bool cached)
{
	struct op *op = op_find(holder, (uint32_t)token);
	struct segment *segment = op && op->peeking ? op_segment(holder, op) : NULL;
	const struct fetch *fetch;

	if (!segment)
		return;
	fetch = fetch_find(segment, op->msg.page);
	op->peeking = false;
	list_remove(&op->link);
	answered(segment, op, cached && !(fetch && is_read(fetch)));
}

void early_free(struct holder *holder)
{
	for (unsigned i = 0; i < BACKS_MAX; i++)
		free(holder->backs[i].kept);
}
