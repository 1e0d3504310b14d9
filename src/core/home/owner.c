/*
 * owner.c: at the home, objects whose life is tied to one end (an open file of NAME/signal), and which nodes may open them.
 *
 *   unowned --OWN--> owned --DISOWN, CLOSE, the owner's node lost--> revoked, and without a name
 *
 * With an access list, a node on it sees the mode that stands there instead of the object's, so that its kernel judges by
 * user and group; that mode and being on the list also bind root there, when the node asks to open.
 */
#include "private.h"

static const struct access *access_find(const struct object *object, uint32_t number)
{
	for (unsigned i = 0; i < object->access_count; i++)
		if (object->access[i].number == number)
			return &object->access[i];
	return NULL;
}

bool owner_permits(const struct object *object, uint32_t number)
{
	uint32_t owner = whole_of(object)->owner;

	return !owner || owner == number;
}

int owner_open_error(const struct object *object, uint32_t number, enum page_mode mode)
{
	static const uint32_t needed[] = {
		[PAGE_INVALID] = 0666, [PAGE_SHARED] = 0444, [PAGE_EXCLUSIVE] = 0222};
	const struct object *whole = whole_of(object);
	const struct access *access = access_find(whole, number);

	if (!whole->access_count || (whole->owner == number && mode == PAGE_INVALID))
		return 0;
	if (!access)
		return -EPERM;
	return access->mode & needed[mode] ? 0 : -EACCES;
}

uint32_t owner_mode(const struct object *object, uint32_t number)
{
	const struct object *whole = whole_of(object);
	const struct access *access = access_find(whole, number);
	uint32_t mode = object->attr.mode;

	if (access)
		mode = (mode & ~0777u) | access->mode;
	if (object->fresh)
		mode |= OBJECT_FRESH;
	if (object->state == OBJECT_REMOVED)
		mode |= OBJECT_REMAINS;
	return whole->owner ? mode | OBJECT_OWNED : mode;
}

int owner_take(struct object *object, uint32_t number, const struct msg *msg)
{
	if (object->parent)
		return -EINVAL;
	if (object_dead(object) || !(object->users & one(object, number)))
		return -EIO;
	if (msg->attr.uid && msg->attr.uid != object->attr.uid)
		return -EPERM;
	if (object->owner)
		return -EBUSY;
	object->owner = number;
	object->owner_end = msg->cookie;
	home_reap(object); /* so that each open asks, from the first after the last close on */
	return 0;
}

void owner_gone(struct object *object)
{
	object->owner = 0;
	if (!object_dead(object))
		home_revoke(object, 0, 0);
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

int owner_set_access(struct object *object, const char *text)
{
	struct access list[NODES_MAX];
	unsigned count = 0;
	bool all = !strncmp(text, "all", 3) && !text[3 + strspn(text + 3, " \t\r\n")];
	int error = all ? 0 : access_parse(text, list, &count);
	struct access *copy;

	if (!object->owner)
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

const char *owner_access_text(const struct object *object)
{
	const char *text = object->access_count ? "" : " all";

	for (unsigned i = 0; i < object->access_count; i++)
		text = bus_text(object->home->bus, "%s %u=%o", text, object->access[i].number, object->access[i].mode);
	return text;
}
