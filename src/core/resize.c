/*
 * resize.c: a size that changes on all nodes at once, and revoke, which is a size change that nobody survives.
 *
 * 1. The new size counts from now on: nothing past it is granted, and nothing past the lowest size on the way (`low`)
 *    until all is done.
 * 2. Each node that has the object open, but the resizers, gets SIZE: it drops what lies past `low`, shows its kernel
 *    the new size, and confirms with SIZED.
 * 3. The resizers are answered. A kernel that sits in truncate() sends no dirty page home until it is answered; asked
 *    any earlier it could not give up the pages past the end. After the answer it drops them, and confirms with SIZED.
 * 4. All that lies past `low` is dropped from the books and the store, and those who wait for such a page go on.
 *
 * A resize that comes while another is under way joins it: the later size counts, 2 starts again with a new cookie, and
 * all are answered together. So two nodes that truncate at once cannot wait for each other.
 */
#include "internal.h"

bool resize_blocks(const struct home_object *object, uint64_t page)
{
	return object->resize && object->resize->low != NO_LOW && page >= object->resize->low / PAGE_BYTES;
}

static node_set truncating(const struct resize *resize)
{
	node_set set = 0;
	struct list *link, *after;

	list_for_each_safe(link, after, &resize->resizers)
	{
		const struct resizer *resizer = list_entry(link, struct resizer, link);

		if (resizer->truncates)
			set |= node_bit(resizer->slot);
	}
	return set;
}

void resize_free(struct home_object *object)
{
	struct list *link, *after;

	if (!object->resize)
		return;
	list_for_each_safe(link, after, &object->resize->resizers)
		free(list_entry(link, struct resizer, link));
	free(object->resize);
	object->resize = NULL;
}

/* Steps 3 and 4, as soon as nobody has to confirm any more. */
static void advance(struct core *core, struct home_object *object)
{
	struct resize *resize = object->resize;
	uint64_t low = resize->low;
	struct list *link, *after;

	if (resize->telling)
		return;
	if (!list_empty(&resize->resizers) && low != NO_LOW)
		resize->dropping |= truncating(resize) & object->users;
	list_for_each_safe(link, after, &resize->resizers)
	{
		struct resizer *resizer = list_entry(link, struct resizer, link);
		struct msg fields = {
			.obj = object->obj, .attr = owner_attr(core, object, resizer->slot), .size = object->attr.size_bytes,
			.low = low, .cookie = resize->cookie, .flags = object->revoked ? SIZE_REVOKED : 0};

		if (resize->dropping && !resizer->truncates)
			continue; /* who revokes waits until nobody has anything of it any more */
		core_answer(core, resizer->slot, resizer->req, 0, &fields);
		list_remove(&resizer->link);
		free(resizer);
	}
	if (resize->dropping)
		return;
	resize_free(object);
	if (low != NO_LOW)
		pages_truncate(core, object, low);
	if (object->revoked)
		pages_wake_all(core, object);
}

static void start(struct core *core, struct home_object *object, uint64_t size, uint64_t low, struct resizer *resizer)
{
	struct resize *resize = object->resize;
	struct msg msg = {.type = MSG_SIZE, .obj = object->obj, .size = size};

	if (!resize) {
		resize = calloc(1, sizeof(*resize));
		CHECK(resize);
		list_init(&resize->resizers);
		resize->low = NO_LOW;
		object->resize = resize;
	}
	if (resizer)
		list_push_back(&resize->resizers, &resizer->link);
	if (low < resize->low)
		resize->low = low;
	resize->cookie = ++core->next_cookie;
	object->attr.size_bytes = size;
	object->attr.ctime_ns = core_wall_ns(core);
	home_touch(core, object);

	/* Whoever was to confirm an earlier size confirms this one instead. */
	resize->telling = object->users & ~truncating(resize);
	resize->dropping = 0;
	msg.low = resize->low;
	msg.cookie = resize->cookie;
	msg.flags = object->revoked ? SIZE_REVOKED : 0;
	for (uint32_t slot = 0; slot < NODES_MAX; slot++)
		if (resize->telling & node_bit(slot))
			core_send(core, slot, &msg);
	advance(core, object);
}

static struct resizer *resizer_new(uint32_t slot, uint32_t req, bool truncates)
{
	struct resizer *resizer = calloc(1, sizeof(*resizer));

	CHECK(resizer);
	*resizer = (struct resizer){.slot = slot, .req = req, .truncates = truncates};
	list_init(&resizer->link);
	return resizer;
}

void resize_request(struct core *core, struct home_object *object, uint32_t slot, const struct msg *msg)
{
	uint64_t old = object->attr.size_bytes;
	bool grow = msg->flags & REQUEST_GROW;

	if (object->revoked || msg->size > OBJECT_BYTES_MAX) {
		core_answer(core, slot, msg->req, object->revoked ? -EIO : -EFBIG, NULL);
		return;
	}
	if (object->owner != NO_SLOT && (!grow || msg->size > old)) {
		core_answer(core, slot, msg->req, -EPERM, NULL);
		return;
	}
	/*
	 * A write that overlaps with a truncate which its node has not confirmed counts as before it: it grows nothing, and
	 * what it puts past the end is cut off.
	 */
	if ((!object->resize && (msg->size == old || (grow && msg->size < old))) ||
	    (grow && object->resize && object->resize->low != NO_LOW && object->resize->telling & node_bit(slot))) {
		struct msg fields = {
			.obj = object->obj, .attr = owner_attr(core, object, slot), .size = old, .low = NO_LOW};

		core_answer(core, slot, msg->req, 0, &fields);
		return;
	}
	start(core, object, grow && msg->size < old ? old : msg->size, msg->size < old && !grow ? msg->size : NO_LOW,
	      resizer_new(slot, msg->req, true));
}

void resize_revoke(struct core *core, struct home_object *object, uint32_t slot, uint32_t req)
{
	object->revoked = true;
	start(core, object, 0, 0, slot == NO_SLOT ? NULL : resizer_new(slot, req, false));
}

void resize_sized(struct core *core, struct home_object *object, uint32_t slot, uint64_t cookie)
{
	struct resize *resize = object->resize;

	if (!resize || resize->cookie != cookie)
		return;
	resize->telling &= ~node_bit(slot);
	resize->dropping &= ~node_bit(slot);
	advance(core, object);
}

void resize_forget_node(struct core *core, struct home_object *object, uint32_t slot)
{
	struct resize *resize = object->resize;
	struct list *link, *after;

	if (!resize)
		return;
	list_for_each_safe(link, after, &resize->resizers)
	{
		struct resizer *resizer = list_entry(link, struct resizer, link);

		if (resizer->slot == slot && core->sessions[slot].gone) {
			list_remove(&resizer->link);
			free(resizer);
		}
	}
	resize->telling &= ~node_bit(slot);
	resize->dropping &= ~node_bit(slot);
	advance(core, object);
}
