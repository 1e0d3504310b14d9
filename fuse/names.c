#include "fuse/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct seen {
	pid_t pid; /* 0: free */
	enum name_dir dir;
	uint64_t obj;
	char name[OBJECT_NAME_BYTES];
};

struct tombstone {
	struct seen seen;
	uint64_t until_ns;
	struct object_attr attr;
};

/* Rings; `next` is the oldest entry. */
struct names {
	struct seen lookups[NAMES_LOOKUPS_MAX];
	unsigned lookups_next;
	struct tombstone tombstones[NAMES_TOMBSTONES_MAX];
	unsigned tombstones_next;
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

static bool is_same(const struct seen *seen, pid_t pid, enum name_dir dir, const char *name)
{
	return seen->pid == pid && seen->dir == dir && !strcmp(seen->name, name);
}

/* From the newest to the oldest. */
static unsigned nth_back(const struct names *names, unsigned n)
{
	return (names->lookups_next + NAMES_LOOKUPS_MAX - 1 - n) % NAMES_LOOKUPS_MAX;
}

void names_saw(struct names *names, pid_t pid, enum name_dir dir, const char *name, uint64_t obj)
{
	struct seen *seen = &names->lookups[nth_back(names, 0)];

	if (pid <= 0 || strlen(name) >= OBJECT_NAME_BYTES)
		return;
	if (!is_same(seen, pid, dir, name)) {
		seen = &names->lookups[names->lookups_next];
		names->lookups_next = (names->lookups_next + 1) % NAMES_LOOKUPS_MAX;
		seen->pid = pid;
		seen->dir = dir;
		strcpy(seen->name, name);
	}
	seen->obj = obj;
}

uint64_t names_object(const struct names *names, pid_t pid, enum name_dir dir, const char *name)
{
	for (unsigned n = 0; pid > 0 && n < NAMES_LOOKUPS_MAX; n++) {
		const struct seen *seen = &names->lookups[nth_back(names, n)];

		if (is_same(seen, pid, dir, name))
			return seen->obj;
	}
	return 0;
}

bool names_name(const struct names *names, pid_t pid, uint64_t obj, enum name_dir *dir, char *name)
{
	for (unsigned n = 0; pid > 0 && n < NAMES_LOOKUPS_MAX; n++) {
		const struct seen *seen = &names->lookups[nth_back(names, n)];

		if (seen->pid == pid && seen->obj == obj) {
			*dir = seen->dir;
			strcpy(name, seen->name);
			return true;
		}
	}
	return false;
}

void names_bury(struct names *names, uint64_t now_ns, pid_t pid, enum name_dir dir, const char *name, uint64_t obj,
                const struct object_attr *attr)
{
	struct tombstone *tombstone = &names->tombstones[names->tombstones_next];

	if (pid <= 0 || strlen(name) >= OBJECT_NAME_BYTES)
		return;
	names->tombstones_next = (names->tombstones_next + 1) % NAMES_TOMBSTONES_MAX;
	tombstone->seen.pid = pid;
	tombstone->seen.dir = dir;
	tombstone->seen.obj = obj;
	strcpy(tombstone->seen.name, name);
	tombstone->until_ns = now_ns + NAMES_TOMBSTONE_NS;
	tombstone->attr = *attr;
}

uint64_t names_buried(const struct names *names, uint64_t now_ns, pid_t pid, enum name_dir dir, const char *name,
                      struct object_attr *attr)
{
	for (unsigned i = 0; pid > 0 && i < NAMES_TOMBSTONES_MAX; i++) {
		const struct tombstone *tombstone = &names->tombstones[i];

		if (now_ns < tombstone->until_ns && is_same(&tombstone->seen, pid, dir, name)) {
			if (attr)
				*attr = tombstone->attr;
			return tombstone->seen.obj;
		}
	}
	return 0;
}

void names_exhume(struct names *names, pid_t pid, enum name_dir dir, const char *name)
{
	for (unsigned i = 0; i < NAMES_TOMBSTONES_MAX; i++) {
		if (is_same(&names->tombstones[i].seen, pid, dir, name))
			memset(&names->tombstones[i], 0, sizeof(names->tombstones[i]));
	}
}
