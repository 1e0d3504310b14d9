#include "private.h"

#include <stdio.h>
#include <stdlib.h>

struct member *member_find(const struct sessions *session, uint32_t number)
{
	struct member *member;

	HASH_FIND(hh, session->members, &number, sizeof(number), member);
	return member;
}

struct member *member_add(struct sessions *session, uint32_t number, const char *name, const char *address)
{
	struct member *member = member_find(session, number);

	if (!member) {
		member = calloc(1, sizeof(*member));
		CHECK(member);
		member->number = number;
		member->slot = NO_SLOT;
		member->retry_ns = UINT64_MAX;
		member->down_ns = session->bus->now_ns;
		HASH_ADD(hh, session->members, number, sizeof(member->number), member);
	}
	snprintf(member->name, sizeof(member->name), "%s", name);
	snprintf(member->address, sizeof(member->address), "%s", address);
	return member;
}

void member_forget(struct sessions *session, struct member *member)
{
	uint32_t number = member->number;

	session->events.forgotten(session->events.context, number);
	HASH_DEL(session->members, member);
	free(member);
}

static int by_number(const struct member *a, const struct member *b)
{
	return a->number < b->number ? -1 : a->number > b->number;
}

char *members_text(struct sessions *session, uint32_t except, bool states)
{
	size_t room = (HASH_COUNT(session->members) + 1) * (NODE_NAME_BYTES + ADDRESS_BYTES + 32) + 1;
	char *text = bus_scratch(session->bus, room);
	struct member *member, *after;
	size_t used = 0;

	HASH_SRT(hh, session->members, by_number);
	if (states)
		used = (size_t)snprintf(text, room, "%u %s %s self\n", session->bus->number, session->name,
		                        *session->address ? session->address : "-");
	HASH_ITER(hh, session->members, member, after)
	{
		if (member->number == except)
			continue;
		used += (size_t)snprintf(text + used, room - used, "%u %s %s%s\n", member->number, member->name,
		                         *member->address ? member->address : "-",
		                         !states                    ? ""
		                         : member->slot != NO_SLOT ? " up"
		                                                   : " down");
	}
	return text;
}

/* Who is to be forgotten next; NULL if nobody. */
static struct member *forgettable(const struct sessions *session)
{
	struct member *member, *after, *oldest = NULL;
	unsigned dead = 0;

	HASH_ITER(hh, session->members, member, after)
	{
		if (member->slot != NO_SLOT || member->number == DIRECTORY_NUMBER)
			continue;
		dead++;
		if (!oldest || member->down_ns < oldest->down_ns)
			oldest = member;
	}
	if (!oldest || (dead <= MEMBERS_DEAD_MAX && session->bus->now_ns - oldest->down_ns < MEMBER_DEAD_NS))
		return NULL;
	return oldest;
}

void members_tidy(struct sessions *session)
{
	struct member *member;

	while ((member = forgettable(session))) {
		bus_log(session->bus, LOG_LEVEL_WARNING, "node %s has been gone for %llu s: it is no member any more",
		        member->name, (unsigned long long)((session->bus->now_ns - member->down_ns) / UINT64_C(1000000000)));
		member_forget(session, member);
	}
}
