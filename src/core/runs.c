#include "core/runs.h"

static uint32_t pages_in(const struct msg *msg)
{
	return msg->type == MSG_PUT ? (msg->offset + msg->payload.length_bytes + PAGE_BYTES - 1) / PAGE_BYTES : msg->count;
}

static bool payload_goes_on(const struct payload *last, const struct payload *next)
{
	if (last->kind != next->kind)
		return false;
	return last->kind != PAYLOAD_BYTES || (const char *)last->bytes + last->length_bytes == next->bytes;
}

static bool fits(const struct msg *last, const struct msg *next)
{
	switch ((enum msg_type)next->type) {
	case MSG_RECALL:
	case MSG_RECALLED:
		return true;
	case MSG_GET:
		return next->req == last->req + last->count;
	case MSG_GRANT:
		return next->req == last->req + last->count && next->error == last->error &&
		       payload_goes_on(&last->payload, &next->payload);
	case MSG_PUT:
		return !next->offset && !(next->flags & PUT_OVER) &&
		       (last->offset + last->payload.length_bytes) % PAGE_BYTES == 0 &&
		       payload_goes_on(&last->payload, &next->payload);
	default:
		return false;
	}
}

bool run_add(struct msg *last, const struct msg *next)
{
	uint32_t pages = pages_in(last);

	if (next->type != last->type || next->obj != last->obj || next->seg != last->seg || next->mode != last->mode ||
	    next->flags != last->flags || next->page != last->page + pages ||
	    pages + pages_in(next) > MSG_PAGES_MAX || !fits(last, next))
		return false;
	last->count += next->count;
	last->size = next->size;
	last->attr.mtime_ns = next->attr.mtime_ns;
	last->payload.length_bytes += next->payload.length_bytes;
	return true;
}
