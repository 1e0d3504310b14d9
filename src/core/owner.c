/*
 * owner.c: at the home, objects whose life is tied to one end (an open file of NAME/signal), and which nodes may open them.
 *
 *   unowned --OWN--> owned --DISOWN, CLOSE, session with the owner's node lost--> revoked, and without a name
 *
 * With an access list, a node on it sees the mode that stands there instead of the object's, so that its kernel judges by
 * user and group; that mode and being on the list also bind root there, when the node asks to open.
 */
#include "internal.h"

static const struct access *access_find(const struct core *core, const struct home_object *object, uint32_t slot)
{
	for (unsigned i = 0; i < object->access_count; i++)
		if (object->access[i].number == session_number(core, slot))
			return &object->access[i];
	return NULL;
}

bool owner_permits(const struct home_object *object, uint32_t slot)
{
	return object->owner == NO_SLOT || object->owner == slot;
}

int owner_open_error(const struct core *core, const struct home_object *object, uint32_t slot, enum page_mode mode)
{
	static const uint32_t needed[] = {
		[PAGE_INVALID] = 0666, [PAGE_SHARED] = 0444, [PAGE_EXCLUSIVE] = 0222};
	const struct access *access = access_find(core, object, slot);

	if (!object->access_count || (object->owner == slot && mode == PAGE_INVALID))
		return 0;
	if (!access)
		return -EPERM;
	return access->mode & needed[mode] ? 0 : -EACCES;
}

struct object_attr owner_attr(const struct core *core, const struct home_object *object, uint32_t slot)
{
	const struct access *access = access_find(core, object, slot);
	struct object_attr attr = object->attr;

	attr.used_bytes = object->pages_data * PAGE_BYTES;
	if (access)
		attr.mode = (attr.mode & ~0777u) | access->mode;
	if (object->owner != NO_SLOT)
		attr.mode |= OBJECT_OWNED;
	return attr;
}

void owner_take(struct core *core, struct home_object *object, uint32_t slot, const struct msg *msg)
{
	int error = 0;

	if (object->revoked || !(object->users & node_bit(slot)))
		error = -EIO;
	else if (msg->attr.uid && msg->attr.uid != object->attr.uid)
		error = -EPERM;
	else if (object->owner != NO_SLOT)
		error = -EBUSY;
	if (!error) {
		object->owner = slot;
		object->owner_end = msg->cookie;
	}
	core_answer(core, slot, msg->req, error, NULL);
}

void owner_gone(struct core *core, struct home_object *object)
{
	object->owner = NO_SLOT;
	if (!object->revoked)
		home_revoke(core, object, NO_SLOT, 0);
}

/* --- the access list ------------------------------------------------------------------------------------------------ */

/* Digits of the base, no more than `most`; *text moves behind them. */
static bool take_number(const char **text, unsigned base, uint32_t most, uint32_t *number)
{
	const char *start = *text;

	for (*number = 0; **text >= '0' && **text < (char)('0' + base) && *number <= most; (*text)++)
		*number = *number * base + (uint32_t)(**text - '0');
	return *text > start && *number <= most;
}

static int access_parse(const char *text, struct access *list, unsigned *count)
{
	for (*count = 0; *(text += strspn(text, " \t\r\n")); (*count)++) {
		struct access *access = &list[*count];

		if (*count == NODES_MAX || !take_number(&text, 10, NODE_NUMBER_MAX, &access->number) || !access->number ||
		    *text++ != '=' || !take_number(&text, 8, 0666, &access->mode) || access->mode & ~0666u ||
		    !strchr(" \t\r\n", *text))
			return -EINVAL;
		for (unsigned i = 0; i < *count; i++)
			if (list[i].number == access->number)
				return -EINVAL;
	}
	return *count ? 0 : -EINVAL;
}

int owner_set_access(struct home_object *object, const char *text)
{
	struct access list[NODES_MAX];
	unsigned count = 0;
	bool all = !strncmp(text, "all", 3) && !text[3 + strspn(text + 3, " \t\r\n")];
	int error = all ? 0 : access_parse(text, list, &count);
	struct access *copy;

	if (object->owner == NO_SLOT)
		return -EPERM;
	if (error)
		return error;
	copy = count ? malloc(count * sizeof(*copy)) : NULL;
	if (count && !copy)
		return -ENOMEM;
	if (count)
		memcpy(copy, list, count * sizeof(*copy));
	free(object->access);
	object->access = copy;
	object->access_count = count;
	return 0;
}

const char *owner_access_text(struct core *core, const struct home_object *object)
{
	const char *text = object->access_count ? "" : " all";

	for (unsigned i = 0; i < object->access_count; i++)
		text = core_text(core, "%s %u=%o", text, object->access[i].number, object->access[i].mode);
	return text;
}
