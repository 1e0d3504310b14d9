/*
 * lifetime CASE COUNT MOUNT MOUNT...: names and lives of objects, seen from several nodes. CASE is one of the table at
 * the end; COUNT is the number of rounds for those that repeat.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common.h"

enum { PAGES = 8, SECONDS_TO_GO = 5 };

#define OBJECT_BYTES ((size_t)PAGES * TEST_PAGE_BYTES)
#define UNNAMED ".netmem/unnamed"

struct mounts {
	const char **path;
	unsigned count;
	unsigned rounds;
};

/* An object's memory as opened on one mount. */
struct user {
	int fd;
	volatile uint64_t *words;
};

static volatile uint64_t *page_word(const struct user *user, unsigned page)
{
	return user->words + page * (TEST_PAGE_BYTES / 8);
}

static struct user user_open(const char *mount, const char *name)
{
	struct user user;

	user.fd = object_open(mount, name, O_RDWR);
	user.words = object_map(user.fd, OBJECT_BYTES, true);
	return user;
}

static void user_close(struct user *user)
{
	munmap((void *)user->words, OBJECT_BYTES);
	close(user->fd);
}

static bool listed(const char *mount, const char *directory, const char *name)
{
	char path[TEST_PATH_BYTES];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	object_path(path, mount, directory, NULL);
	dir = opendir(path);
	if (dir == NULL)
		test_broken("opendir %s", path);
	while ((entry = readdir(dir)) != NULL)
		found |= strcmp(entry->d_name, name) == 0;
	closedir(dir);
	return found;
}

static bool exists(const char *mount, const char *name)
{
	char path[TEST_PATH_BYTES];
	struct stat stat_now;

	object_path(path, mount, name, NULL);
	if (stat(path, &stat_now) == 0)
		return true;
	if (errno != ENOENT)
		test_fail("stat %s: %s", path, strerror(errno));
	return false;
}

static void must_exist(const struct mounts *mounts, const char *name, bool expected)
{
	for (unsigned m = 0; m < mounts->count; m++)
		if (exists(mounts->path[m], name) != expected || listed(mounts->path[m], ".", name) != expected)
			test_fail("on %s %s is %s", mounts->path[m], name, expected ? "missing" : "still there");
}

static ino_t inode(const char *mount, const char *name)
{
	char path[TEST_PATH_BYTES];
	struct stat stat_now;

	object_path(path, mount, name, "memory");
	if (stat(path, &stat_now) != 0)
		test_fail("stat %s: %s", path, strerror(errno));
	return stat_now.st_ino;
}

/* Memory in use on all nodes together, in blocks. */
static uint64_t blocks_used(const struct mounts *mounts)
{
	struct statvfs vfs;
	uint64_t used = 0;

	for (unsigned m = 0; m < mounts->count; m++) {
		if (statvfs(mounts->path[m], &vfs) != 0)
			test_broken("statvfs %s", mounts->path[m]);
		used += vfs.f_blocks - vfs.f_bfree;
	}
	return used;
}

/* A RELEASE comes after close() has returned, so what follows from it may take a moment. */
static void wait_blocks_used(const struct mounts *mounts, uint64_t most)
{
	double end = test_seconds() + SECONDS_TO_GO;

	while (blocks_used(mounts) > most) {
		if (test_seconds() > end)
			test_fail("%llu blocks are in use after the last user has gone, %llu were before",
			          (unsigned long long)blocks_used(mounts), (unsigned long long)most);
		usleep(10000);
	}
}

static void wait_gone(const struct mounts *mounts, const char *name)
{
	double end = test_seconds() + SECONDS_TO_GO;

	for (unsigned m = 0; m < mounts->count; m++) {
		while (exists(mounts->path[m], name)) {
			if (test_seconds() > end)
				test_fail("%s: %s is still there", mounts->path[m], name);
			usleep(10000);
		}
	}
}

static void control_write(const char *mount, const char *name, const char *text, int expected)
{
	char path[TEST_PATH_BYTES];
	ssize_t written;
	int fd;

	object_path(path, mount, name, "control");
	fd = open(path, O_WRONLY);
	if (fd < 0)
		test_fail("open %s: %s", path, strerror(errno));
	written = write(fd, text, strlen(text));
	if (expected == 0 ? written != (ssize_t)strlen(text) : written >= 0 || errno != expected)
		test_fail("%s to %s: %s", text, path, written < 0 ? strerror(errno) : "no error");
	close(fd);
}

typedef void (*remover)(const char *mount, const char *name);

static void remove_by_unlink(const char *mount, const char *name)
{
	object_destroy(mount, name);
}

static void remove_by_rmdir(const char *mount, const char *name)
{
	char path[TEST_PATH_BYTES];

	object_path(path, mount, name, NULL);
	if (rmdir(path) != 0)
		test_fail("rmdir %s: %s", path, strerror(errno));
}

static void remove_by_control(const char *mount, const char *name)
{
	control_write(mount, name, "destroy\n", 0);
}

/* The removed object's memory goes on for its users; the new one of the same name is another. */
static void users_go_on(struct user *user, const struct mounts *mounts, const char *name)
{
	struct user fresh;
	uint64_t value = 0;
	struct stat stat_now;

	object_create(mounts->path[1], name, OBJECT_BYTES);
	fresh = user_open(mounts->path[1], name);
	*page_word(&fresh, 0) = 77;
	for (unsigned m = 0; m < mounts->count; m++)
		if (*page_word(&user[m], 0) != 100)
			test_fail("%s: the removed object shows %llu", mounts->path[m],
			          (unsigned long long)*page_word(&user[m], 0));
	for (unsigned m = 0; m < mounts->count; m++)
		*page_word(&user[m], m + 1) = m + 1;
	for (unsigned m = 0; m < mounts->count; m++) {
		if (*page_word(&user[mounts->count - 1 - m], m + 1) != m + 1)
			test_fail("a store into the removed object was not seen");
		if (pread(user[m].fd, &value, 8, TEST_PAGE_BYTES) != 8 || value != 1)
			test_fail("pread of the removed object gave %llu", (unsigned long long)value);
		if (fstat(user[m].fd, &stat_now) != 0 || (size_t)stat_now.st_size != OBJECT_BYTES)
			test_fail("fstat of the removed object failed");
		if (stat_now.st_ino == inode(mounts->path[0], name))
			test_fail("the new object has the old one's inode number");
	}
	if (*page_word(&fresh, 0) != 77 || *page_word(&fresh, 1) != 0)
		test_fail("the new object shows the old one's memory");
	user_close(&fresh);
	object_destroy(mounts->path[0], name);
}

static void removed_by(const struct mounts *mounts, remover remove_object, const char *name)
{
	struct user user[TEST_MOUNTS_MAX];
	uint64_t used = blocks_used(mounts);

	object_create(mounts->path[0], name, OBJECT_BYTES);
	must_exist(mounts, name, true);
	for (unsigned m = 0; m < mounts->count; m++)
		user[m] = user_open(mounts->path[m], name);
	for (unsigned page = 0; page < PAGES; page++)
		*page_word(&user[page % mounts->count], page) = 100 + page;
	remove_object(mounts->path[mounts->count - 1], name);
	must_exist(mounts, name, false);
	users_go_on(user, mounts, name);
	for (unsigned m = 0; m < mounts->count; m++)
		user_close(&user[m]);
	wait_blocks_used(mounts, used);
}

static void case_unlink(const struct mounts *mounts)
{
	removed_by(mounts, remove_by_unlink, "by-unlink");
}

static void case_rmdir(const struct mounts *mounts)
{
	removed_by(mounts, remove_by_rmdir, "by-rmdir");
}

static void case_destroy(const struct mounts *mounts)
{
	removed_by(mounts, remove_by_control, "by-control");
	object_create(mounts->path[0], "by-control", OBJECT_BYTES);
	control_write(mounts->path[1], "by-control", "nonsense\n", EINVAL);
	must_exist(mounts, "by-control", true);
	remove_by_control(mounts->path[0], "by-control");
}

/* Mapped before the removal, and the descriptor closed: the mapping alone keeps the memory. */
static void case_mapping(const struct mounts *mounts)
{
	uint64_t used = blocks_used(mounts);
	struct user user[2];

	object_create(mounts->path[0], "mapped", OBJECT_BYTES);
	for (unsigned m = 0; m < 2; m++) {
		user[m] = user_open(mounts->path[m], "mapped");
		close(user[m].fd);
	}
	*page_word(&user[0], 3) = 3;
	object_destroy(mounts->path[1], "mapped");
	*page_word(&user[1], 4) = 4;
	if (*page_word(&user[1], 3) != 3 || *page_word(&user[0], 4) != 4)
		test_fail("a mapping of a removed object does not show its memory");
	munmap((void *)user[0].words, OBJECT_BYTES);
	if (*page_word(&user[1], 3) != 3)
		test_fail("the last mapping of a removed object does not show its memory");
	munmap((void *)user[1].words, OBJECT_BYTES);
	wait_blocks_used(mounts, used);
}

static void case_unnamed(const struct mounts *mounts)
{
	const char *name = UNNAMED "/lifetime";
	uint64_t used = blocks_used(mounts);
	char path[TEST_PATH_BYTES], named[TEST_PATH_BYTES];
	struct user user[2];

	for (unsigned turn = 0; turn < 2; turn++) {
		object_create(mounts->path[0], name, OBJECT_BYTES);
		wait_gone(mounts, name); /* object_create() was the only user */
		object_path(path, mounts->path[0], name, NULL);
		if (mkdir(path, 0700) != 0)
			test_fail("mkdir %s: %s", path, strerror(errno));
		user[0].fd = object_open(mounts->path[0], name, O_RDWR);
		if (ftruncate(user[0].fd, (off_t)OBJECT_BYTES) != 0)
			test_fail("ftruncate of an unnamed object failed");
		user[0].words = object_map(user[0].fd, OBJECT_BYTES, true);
		*page_word(&user[0], 1) = 5;
		user[1] = user_open(mounts->path[1], name);
		user_close(&user[0]);
		if (*page_word(&user[1], 1) != 5 || !exists(mounts->path[0], name))
			test_fail("an unnamed object was lost with the first close");
		if (turn == 1) {
			object_path(named, mounts->path[0], "was-unnamed", NULL);
			if (rename(path, named) != 0)
				test_fail("rename %s: %s", path, strerror(errno));
			must_exist(mounts, "was-unnamed", true);
		}
		user_close(&user[1]);
		wait_gone(mounts, name);
	}
	usleep(100000);
	must_exist(mounts, "was-unnamed", true);
	object_destroy(mounts->path[1], "was-unnamed");
	wait_blocks_used(mounts, used);
}

static void case_revoke(const struct mounts *mounts)
{
	struct user user[TEST_MOUNTS_MAX];
	uint64_t used = blocks_used(mounts);
	uint64_t value;

	guard_init();
	object_create(mounts->path[0], "revoked", OBJECT_BYTES);
	for (unsigned m = 0; m < mounts->count; m++) {
		user[m] = user_open(mounts->path[m], "revoked");
		*page_word(&user[m], m) = 1;
	}
	control_write(mounts->path[1], "revoked", "revoke\n", 0);
	must_exist(mounts, "revoked", false);
	for (unsigned m = 0; m < mounts->count; m++) {
		for (unsigned page = 0; page < PAGES; page++)
			if (guard_copy(&value, page_word(&user[m], page), 8))
				test_fail("%s: page %u can be loaded after the revocation", mounts->path[m], page);
		if (pread(user[m].fd, &value, 8, 0) != -1)
			test_fail("%s: read works after the revocation", mounts->path[m]);
		if (pwrite(user[m].fd, &value, 8, 0) != -1)
			test_fail("%s: write works after the revocation", mounts->path[m]);
	}
	for (unsigned m = 0; m < mounts->count; m++)
		user_close(&user[m]);
	wait_blocks_used(mounts, used);
}

/* What all racing programs share. */
struct race {
	const struct mounts *mounts;
	struct meeting *meeting;
	int *error; /* of each program's last attempt */
	int expected[2];
	bool renames;
};

static int race_attempt(const struct race *race, unsigned number, unsigned step, const char *name)
{
	char path[TEST_PATH_BYTES], old[TEST_PATH_BYTES], own[64];

	object_path(path, race->mounts->path[number], name, NULL);
	if (step == 1)
		return rmdir(path) == 0 ? 0 : errno;
	if (!race->renames)
		return mkdir(path, 0755) == 0 ? 0 : errno;
	snprintf(own, sizeof(own), "racer-%u", number);
	object_path(old, race->mounts->path[number], own, NULL);
	return renameat2(AT_FDCWD, old, AT_FDCWD, path, RENAME_NOREPLACE) == 0 ? 0 : errno;
}

static void race_judge(const struct race *race, unsigned step, const char *name)
{
	unsigned winners = 0;

	for (unsigned m = 0; m < race->mounts->count; m++) {
		winners += race->error[m] == 0;
		if (race->error[m] != 0 && race->error[m] != race->expected[step])
			test_fail("%s: a loser of the race got: %s", name, strerror(race->error[m]));
	}
	if (winners != 1)
		test_fail("%s: %u winners in step %u", name, winners, step);
	must_exist(race->mounts, name, step == 0);
}

static void race_program(unsigned number, void *context)
{
	const struct race *race = context;
	const char *mount = race->mounts->path[number];
	char name[64], own[64], path[TEST_PATH_BYTES];

	snprintf(own, sizeof(own), "racer-%u", number);
	object_path(path, mount, own, NULL);
	for (unsigned round = 0; round < race->mounts->rounds; round++) {
		snprintf(name, sizeof(name), "race-%u", round);
		if (race->renames && mkdir(path, 0755) != 0 && errno != EEXIST)
			test_fail("mkdir %s: %s", path, strerror(errno));
		for (unsigned step = 0; step < 2; step++) {
			meeting_wait(race->meeting, race->mounts->count);
			race->error[number] = race_attempt(race, number, step, name);
			meeting_wait(race->meeting, race->mounts->count);
			if (number == 0)
				race_judge(race, step, name);
		}
		meeting_wait(race->meeting, race->mounts->count);
	}
	if (race->renames && rmdir(path) != 0 && errno != ENOENT)
		test_fail("rmdir %s: %s", path, strerror(errno));
}

static void race_run(const struct mounts *mounts, bool renames)
{
	struct race race = {.mounts = mounts, .renames = renames, .expected = {EEXIST, ENOENT}};

	race.meeting = local_shared(sizeof(*race.meeting));
	race.error = local_shared(sizeof(int) * TEST_MOUNTS_MAX);
	children_run(mounts->count, race_program, &race);
}

static void case_mkdir_race(const struct mounts *mounts)
{
	race_run(mounts, false);
}

static void case_rename_race(const struct mounts *mounts)
{
	race_run(mounts, true);
}

/* Objects made, used on all mounts, and removed; in the end nothing is left. */
static void case_churn(const struct mounts *mounts)
{
	uint64_t used = blocks_used(mounts);
	struct user user[TEST_MOUNTS_MAX];
	char name[64];

	for (unsigned round = 0; round < mounts->rounds; round++) {
		snprintf(name, sizeof(name), "churn-%u", round % 7);
		object_create(mounts->path[round % mounts->count], name, OBJECT_BYTES);
		for (unsigned m = 0; m < mounts->count; m++) {
			user[m] = user_open(mounts->path[m], name);
			*page_word(&user[m], 0) += 1;
		}
		if (*page_word(&user[0], 0) != mounts->count)
			test_fail("round %u: %llu, must be %u", round, (unsigned long long)*page_word(&user[0], 0),
			          mounts->count);
		if (round % 2 == 0)
			object_destroy(mounts->path[(round + 1) % mounts->count], name);
		for (unsigned m = 0; m < mounts->count; m++)
			user_close(&user[m]);
		if (round % 2 != 0)
			object_destroy(mounts->path[(round + 1) % mounts->count], name);
	}
	wait_blocks_used(mounts, used);
}

static const struct {
	const char *name;
	void (*run)(const struct mounts *mounts);
} cases[] = {
	{"unlink", case_unlink},
	{"rmdir", case_rmdir},
	{"destroy", case_destroy},
	{"mapping", case_mapping},
	{"unnamed", case_unnamed},
	{"revoke", case_revoke},
	{"mkdir-race", case_mkdir_race},
	{"rename-race", case_rename_race},
	{"churn", case_churn},
};

int main(int count, char **arguments)
{
	struct mounts mounts;

	if (count < 5 || (unsigned)count - 3 > TEST_MOUNTS_MAX) {
		fprintf(stderr, "usage: lifetime CASE COUNT MOUNT MOUNT...\n");
		return 2;
	}
	mounts.rounds = (unsigned)test_number(arguments[2]);
	mounts.path = (const char **)&arguments[3];
	mounts.count = (unsigned)count - 3;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(cases[i].name, arguments[1]) == 0) {
			cases[i].run(&mounts);
			return 0;
		}
	}
	fprintf(stderr, "lifetime: unknown case %s\n", arguments[1]);
	return 2;
}
