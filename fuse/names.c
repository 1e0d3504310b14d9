#include "fuse/names.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "msg/msg.h"

struct seen {
	pid_t pid; /* 0: free */
	uint64_t dir;
	uint64_t obj;
	char name[OBJECT_NAME_BYTES];
};

/* A ring; `next` is the oldest entry. */
struct names {
	struct seen lookups[NAMES_LOOKUPS_MAX];
	unsigned next;
};

int names_new(struct names **names)
{
	*names = calloc(1, sizeof(**names));
	return *names ? 0 : -ENOMEM;
}

void names_free(struct names *names)
{
	free(names);
}

static bool is_same(const struct seen *seen, pid_t pid, uint64_t dir, const char *name)
{
	return seen->pid == pid && seen->dir == dir && !strcmp(seen->name, name);
}

/* From the newest to the oldest. */
static unsigned nth_back(const struct names *names, unsigned n)
{
	return (names->next + NAMES_LOOKUPS_MAX - 1 - n) % NAMES_LOOKUPS_MAX;
}

void names_saw(struct names *names, pid_t pid, uint64_t dir, const char *name, uint64_t obj)
{
	struct seen *seen = &names->lookups[nth_back(names, 0)];

	if (pid <= 0 || strlen(name) >= OBJECT_NAME_BYTES)
		return;
	if (!is_same(seen, pid, dir, name)) {
		seen = &names->lookups[names->next];
		names->next = (names->next + 1) % NAMES_LOOKUPS_MAX;
		seen->pid = pid;
		seen->dir = dir;
		strcpy(seen->name, name);
	}
	seen->obj = obj;
}

uint64_t names_object(const struct names *names, pid_t pid, uint64_t dir, const char *name)
{
	for (unsigned n = 0; pid > 0 && n < NAMES_LOOKUPS_MAX; n++) {
		const struct seen *seen = &names->lookups[nth_back(names, n)];

		if (is_same(seen, pid, dir, name))
			return seen->obj;
	}
	return 0;
}
