/*
 * home.c: the objects that live at this node: attributes, users, control, and when they end.
 *
 *   NEW --LINK named--> NAMED <--rename--> UNNAMED --remove--> NONE
 *
 * An object ends when it has no name (NONE) and no node has it open; an UNNAMED one also when its last user has gone,
 * as netmemory(3) promises; a revoked one when its users have noticed. For what an owner changes see owner.c.
 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>

struct home_object *home_find(struct core *core, uint64_t obj)
{
	struct home_object *object;

	HASH_FIND(hh, core->homes, &obj, sizeof(obj), object);
	return object;
}

int home_create(struct core *core, const struct object_attr *attr, uint64_t *obj)
{
	struct home_object *object;

	if (HASH_COUNT(core->homes) >= HOME_OBJECTS_MAX)
		return -ENOSPC;
	object = calloc(1, sizeof(*object));
	if (!object)
		return -ENOMEM;
	object->obj = (uint64_t)core->number << OBJECT_COUNT_BITS | core->next_object++;
	object->attr = *attr;
	object->attr.size_bytes = 0;
	object->attr.used_bytes = 0;
	object->owner = NO_SLOT;
	object->attr.mtime_ns = object->attr.ctime_ns = core_wall_ns(core);
	page_table_init(&object->pages, sizeof(struct home_page));
	HASH_ADD(hh, core->homes, obj, sizeof(object->obj), object);
	*obj = object->obj;
	return 0;
}

static void object_free(struct core *core, struct home_object *object)
{
	pages_free(core, object);
	resize_free(object);
	HASH_DEL(core->homes, object);
	free(object->access);
	free(object);
}

static void unlink_name(struct core *core, struct home_object *object)
{
	struct msg gone = {.type = MSG_GONE, .obj = object->obj};

	core_send(core, session_slot(core, DIRECTORY_NUMBER), &gone);
	object->link = LINK_STATE_NONE;
}

void home_revoke(struct core *core, struct home_object *object, uint32_t slot, uint32_t req)
{
	unlink_name(core, object);
	resize_revoke(core, object, slot, req);
}

void home_maybe_destroy(struct core *core, struct home_object *object)
{
	if (object->users)
		return;
	if (object->link == LINK_STATE_UNNAMED && object->used_once)
		unlink_name(core, object);
	if (object->link == LINK_STATE_NONE) {
		core_act(core, ACT_STORE_DROP)->msg.obj = object->obj;
		object_free(core, object);
	}
}

void home_touch(struct core *core, struct home_object *object)
{
	object->attr.mtime_ns = core_wall_ns(core);
}

static void answer_attr(struct core *core, const struct home_object *object, uint32_t slot, uint32_t req)
{
	struct msg fields = {.obj = object->obj, .attr = owner_attr(core, object, slot)};

	core_answer(core, slot, req, 0, &fields);
}

static void set_attr(struct core *core, struct home_object *object, uint32_t slot, const struct msg *msg)
{
	if (!owner_permits(object, slot)) {
		core_answer(core, slot, msg->req, -EPERM, NULL);
		return;
	}
	if (msg->flags & SETATTR_MODE)
		object->attr.mode = msg->attr.mode & 07777;
	if (msg->flags & SETATTR_UID)
		object->attr.uid = msg->attr.uid;
	if (msg->flags & SETATTR_GID)
		object->attr.gid = msg->attr.gid;
	object->attr.ctime_ns = core_wall_ns(core);
	if (msg->flags & SETATTR_MTIME)
		object->attr.mtime_ns = msg->attr.mtime_ns;
	answer_attr(core, object, slot, msg->req);
}

static const char *holders_text(struct core *core, const struct home_object *object)
{
	const char *text = "";

	for (uint32_t slot = 0; slot < NODES_MAX; slot++)
		if (object->users & node_bit(slot))
			text = core_text(core, "%s %s", text, session_name(core, slot));
	return text;
}

static void answer_status(struct core *core, const struct home_object *object, uint32_t slot, uint32_t req)
{
	const char *text = core_text(
		core,
		"id: %" PRIu64 "\nhome: %s\nsize: %" PRIu64 "\nholders:%s\npages: %" PRIu64 "\nfaults: %" PRIu64
		"\nhand-offs: %" PRIu64 "\nbytes: %" PRIu64 "\nlost: %" PRIu64 "\nrevert: %s\nowner: %s\naccess:%s\n"
		"signals: %" PRIu64 "\nbyte-order: %s\nstate: %s\n",
		object->obj, core->node_name, object->attr.size_bytes, holders_text(core, object), object->pages_data,
		object->faults, object->handoffs, object->bytes, object->lost, object->revert ? "on" : "off",
		object->owner == NO_SLOT ? "none" : session_name(core, object->owner), owner_access_text(core, object),
		object->signals, __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? "little" : "big",
		object->revoked                         ? "revoked"
		: object->link == LINK_STATE_NAMED   ? "named"
		: object->link == LINK_STATE_UNNAMED ? "unnamed"
		                                       : "removed");
	struct msg fields = {.payload = payload_bytes(text, strlen(text))};

	core_answer(core, slot, req, 0, &fields);
}

static void control(struct core *core, struct home_object *object, uint32_t slot, const struct msg *msg)
{
	char word[32] = "", argument[32] = "", rest[2] = "";
	char text[TEXT_BYTES];
	int words, at = 0, error = 0;

	snprintf(text, sizeof(text), "%.*s", (int)msg->payload.length_bytes, (const char *)msg->payload.bytes);
	words = sscanf(text, "%31s %n%31s %1s", word, &at, argument, rest);
	if (!owner_permits(object, slot)) {
		error = -EPERM;
	} else if (words == 1 && !strcmp(word, "revoke")) {
		home_revoke(core, object, slot, msg->req);
		home_maybe_destroy(core, object);
		return;
	} else if (words == 1 && !strcmp(word, "destroy")) {
		/* Whoever asks removes the name, after this answer. */
	} else if (!strcmp(word, "access")) {
		error = owner_set_access(object, text + at);
	} else if (words == 1 && !strcmp(word, "clear")) {
		pages_clear_lost(core, object);
	} else if (words == 2 && !strcmp(word, "revert") && (!strcmp(argument, "on") || !strcmp(argument, "off"))) {
		object->revert = !strcmp(argument, "on");
	} else {
		error = -EINVAL;
	}
	core_answer(core, slot, msg->req, error, NULL);
}

/* A node that has it open already may ask again, for another mode; refused, it still has it open. */
static void opened(struct core *core, struct home_object *object, uint32_t slot, const struct msg *msg)
{
	int error = object->revoked ? -EIO : owner_open_error(core, object, slot, (enum page_mode)msg->mode);

	if (error) {
		core_answer(core, slot, msg->req, error, NULL);
		return;
	}
	object->users |= node_bit(slot);
	object->used_once = true;
	answer_attr(core, object, slot, msg->req);
}

/* The node has gone, or has nothing of the object open any more. May end the object. */
static void forget_node(struct core *core, struct home_object *object, uint32_t slot, bool died)
{
	object->users &= ~node_bit(slot);
	if (object->owner == slot)
		owner_gone(core, object);
	pages_forget_node(core, object, slot, died);
	resize_forget_node(core, object, slot);
	home_maybe_destroy(core, object);
}

/* What the directory said before it heard of a revoke is too late. */
static void linked(struct core *core, struct home_object *object, const struct msg *msg)
{
	if (object->revoked && !(msg->flags & LINK_NONE))
		return;
	object->link = msg->flags & LINK_NAMED     ? LINK_STATE_NAMED
	               : msg->flags & LINK_UNNAMED ? LINK_STATE_UNNAMED
	                                           : LINK_STATE_NONE;
	object->attr.ctime_ns = core_wall_ns(core);
	home_maybe_destroy(core, object);
}

/* What cannot be answered is told so; what is not answered can only come late, after the object has gone. */
static void no_such_object(struct core *core, uint32_t slot, const struct msg *msg)
{
	struct msg grant;

	switch (msg->type) {
	case MSG_GET:
		grant = *msg;
		grant.type = MSG_GRANT;
		grant.error = -ESTALE;
		core_send(core, slot, &grant);
		break;
	case MSG_GETATTR:
	case MSG_SETATTR:
	case MSG_STATUS:
	case MSG_CONTROL:
	case MSG_OPEN:
	case MSG_OWN:
	case MSG_POST:
	case MSG_SETSIZE:
	case MSG_SYNC:
		core_answer(core, slot, msg->req, -ESTALE, NULL);
		break;
	default:
		break;
	}
}

void home_message(struct core *core, uint32_t slot, const struct msg *msg)
{
	struct home_object *object = home_find(core, msg->obj);

	if (!object || msg->seg != 0) {
		no_such_object(core, slot, msg);
		return;
	}
	switch ((enum msg_type)msg->type) {
	case MSG_GETATTR:
		if (object->revoked) /* also what the kernel asks before a read() at the end */
			core_answer(core, slot, msg->req, -EIO, NULL);
		else
			answer_attr(core, object, slot, msg->req);
		break;
	case MSG_SETATTR:
		set_attr(core, object, slot, msg);
		break;
	case MSG_STATUS:
		answer_status(core, object, slot, msg->req);
		break;
	case MSG_CONTROL:
		control(core, object, slot, msg);
		break;
	case MSG_OPEN:
		opened(core, object, slot, msg);
		break;
	case MSG_OWN:
		owner_take(core, object, slot, msg);
		break;
	case MSG_DISOWN:
		if (object->owner == slot && object->owner_end == msg->cookie)
			owner_gone(core, object);
		break;
	case MSG_POST:
		signal_post(core, object, slot, msg);
		break;
	case MSG_CLOSE:
		forget_node(core, object, slot, false);
		break;
	case MSG_SETSIZE:
		resize_request(core, object, slot, msg);
		break;
	case MSG_SIZED:
		resize_sized(core, object, slot, msg->cookie);
		break;
	case MSG_SYNC:
		core_answer(core, slot, msg->req, 0, NULL);
		break;
	case MSG_DOWNGRADE:
		pages_downgrade(core, object, slot);
		break;
	case MSG_PUT:
		pages_put(core, object, slot, msg);
		break;
	case MSG_GET:
		pages_get(core, object, slot, msg);
		break;
	case MSG_RECALLED:
		pages_recalled(core, object, slot, msg);
		break;
	case MSG_LINK:
		linked(core, object, msg);
		break;
	default:
		session_close(core, slot, "it sent a message that has no meaning here");
		break;
	}
}

void home_disconnected(struct core *core, uint32_t slot)
{
	struct home_object *object, *after;

	HASH_ITER(hh, core->homes, object, after)
	forget_node(core, object, slot, true);
	core->waiting[slot] = 0;
}

void home_fini(struct core *core)
{
	struct home_object *object, *after;

	HASH_ITER(hh, core->homes, object, after)
	object_free(core, object);
}

bool core_consistent(const struct core *core, char *why, size_t why_bytes)
{
	struct home_object *object, *after;
	uint64_t store_pages = 0;

	HASH_ITER(hh, core->homes, object, after)
	{
		if (!pages_consistent(object, &store_pages, why, why_bytes))
			return false;
		if (object->owner == NO_SLOT || object->users & node_bit(object->owner))
			continue;
		snprintf(why, why_bytes, "object %" PRIu64 ": the owner's node does not have it open", object->obj);
		return false;
	}
	if (store_pages != core->store_pages)
		snprintf(why, why_bytes, "%" PRIu64 " pages of the store are in use or promised, counted %" PRIu64,
		         store_pages, core->store_pages);
	return store_pages == core->store_pages;
}
