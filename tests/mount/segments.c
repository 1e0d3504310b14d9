/*
 * segments: the files of an object, made, replaced and removed from several nodes.
 *
 *	segments create PATH              open(2) with O_CREAT and O_EXCL: "ok" or an errno's name
 *	segments whole PATH...            what fstat(2) says of the opened file is what read(2) gives
 *	segments excl ROUNDS MOUNT...     all race to create the same file, then to unlink it: each has one winner
 *	segments fresh ROUNDS MOUNT...    the same for `memory` of an object that was just made
 *	segments replace ROUNDS MOUNT...  each renames a file of its own over the same name, and opens that all the time
 *	segments many COUNT MOUNT...      COUNT files made, renamed over each other in pairs, and removed
 *
 * The last four work in the object OBJECT, which has to be there with a `memory`.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common.h"

#define OBJECT "segments"
#define TARGET "target"

enum { FILES_MAX = 100000, NAME_BYTES = 32, LIST_EVERY = 50 };

struct shared {
	struct meeting meeting;
	int error[TEST_MOUNTS_MAX]; /* of each program's last attempt */
	const char **mounts;
	unsigned count;
	unsigned rounds;
};

/* --- a file ------------------------------------------------------------------------------------------------------- */

static void file_path(char path[TEST_PATH_BYTES], const char *mount, const char *name)
{
	object_path(path, mount, OBJECT, name);
}

/* 0 or an errno. */
static int file_create(const char *path, uint64_t value)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0)
		return errno;
	if (write(fd, &value, sizeof(value)) != (ssize_t)sizeof(value))
		test_fail("write to %s: %s", path, strerror(errno));
	if (close(fd) != 0)
		test_fail("close %s: %s", path, strerror(errno));
	return 0;
}

static void file_must_create(const char *mount, const char *name, uint64_t value)
{
	char path[TEST_PATH_BYTES];
	int error;

	file_path(path, mount, name);
	error = file_create(path, value);
	if (error != 0)
		test_fail("create %s: %s", path, strerror(error));
}

static uint64_t file_value(const char *mount, const char *name)
{
	char path[TEST_PATH_BYTES];
	uint64_t value[2];
	ssize_t got;
	int fd;

	file_path(path, mount, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		test_fail("open %s: %s", path, strerror(errno));
	got = read(fd, value, sizeof(value));
	if (got != (ssize_t)sizeof(value[0]))
		test_fail("read of %s gave %zd bytes", path, got);
	close(fd);
	return value[0];
}

static void file_must_be_gone(const char *mount, const char *name)
{
	char path[TEST_PATH_BYTES];
	struct stat stat_now;

	file_path(path, mount, name);
	if (stat(path, &stat_now) == 0)
		test_fail("%s is still there", path);
	if (errno != ENOENT)
		test_fail("stat %s: %s", path, strerror(errno));
}

static void file_must_unlink(const char *mount, const char *name)
{
	char path[TEST_PATH_BYTES];

	file_path(path, mount, name);
	if (unlink(path) != 0)
		test_fail("unlink %s: %s", path, strerror(errno));
}

static void file_must_rename(const char *mount, const char *name, const char *other)
{
	char old[TEST_PATH_BYTES], new[TEST_PATH_BYTES];

	file_path(old, mount, name);
	file_path(new, mount, other);
	if (rename(old, new) != 0)
		test_fail("rename %s to %s: %s", old, other, strerror(errno));
}

/* How often the object's directory lists `name`; NULL: how many files it lists. */
static unsigned times_listed(const char *mount, const char *name)
{
	char path[TEST_PATH_BYTES];
	struct dirent *entry;
	unsigned times = 0;
	DIR *dir;

	object_path(path, mount, OBJECT, NULL);
	dir = opendir(path);
	if (dir == NULL)
		test_fail("opendir %s: %s", path, strerror(errno));
	while ((entry = readdir(dir)) != NULL)
		times += name == NULL ? entry->d_name[0] != '.' : strcmp(entry->d_name, name) == 0;
	closedir(dir);
	return times;
}

/* --- races for a name --------------------------------------------------------------------------------------------- */

/* Of the programs' last attempts one succeeded, the others got `expected`; all see `left` files of that name. */
static void judge(const struct shared *shared, const char *name, unsigned round, int expected, unsigned left)
{
	unsigned winners = 0;

	for (unsigned m = 0; m < shared->count; m++) {
		winners += shared->error[m] == 0;
		if (shared->error[m] != 0 && shared->error[m] != expected)
			test_fail("round %u: a loser of the race for %s got: %s", round, name,
			          strerror(shared->error[m]));
	}
	if (winners != 1)
		test_fail("round %u: the race for %s has %u winners", round, name, winners);
	for (unsigned m = 0; m < shared->count; m++)
		if (times_listed(shared->mounts[m], name) != left)
			test_fail("round %u: %s lists %s %u times, not %u", round, shared->mounts[m], name,
			          times_listed(shared->mounts[m], name), left);
}

/* What the winner wrote is there for all. */
static void judge_content(const struct shared *shared, const char *name, unsigned round)
{
	for (unsigned m = 0; m < shared->count; m++) {
		uint64_t value = file_value(shared->mounts[m], name);

		if (value >= shared->count || shared->error[value] != 0)
			test_fail("round %u: %s holds %llu on %s, which the winner did not write", round, name,
			          (unsigned long long)value, shared->mounts[m]);
	}
}

static void race_to_create(struct shared *shared, unsigned number, const char *name, unsigned round)
{
	char path[TEST_PATH_BYTES];

	file_path(path, shared->mounts[number], name);
	meeting_wait(&shared->meeting, shared->count);
	shared->error[number] = file_create(path, number);
	meeting_wait(&shared->meeting, shared->count);
	if (number == 0) {
		judge(shared, name, round, EEXIST, 1);
		judge_content(shared, name, round);
	}
	meeting_wait(&shared->meeting, shared->count);
}

static void race_to_unlink(struct shared *shared, unsigned number, const char *name, unsigned round)
{
	char path[TEST_PATH_BYTES];

	file_path(path, shared->mounts[number], name);
	shared->error[number] = unlink(path) == 0 ? 0 : errno;
	meeting_wait(&shared->meeting, shared->count);
	if (number == 0) {
		judge(shared, name, round, ENOENT, 0);
		file_must_be_gone(shared->mounts[0], name);
	}
	meeting_wait(&shared->meeting, shared->count);
}

static void body_excl(unsigned number, void *context)
{
	struct shared *shared = context;
	char name[NAME_BYTES];

	for (unsigned round = 0; round < shared->rounds; round++) {
		/* Every second round a name that all have known before. */
		snprintf(name, sizeof(name), "excl-%u", round / 2);
		race_to_create(shared, number, name, round);
		race_to_unlink(shared, number, name, round);
	}
}

static void object_again(const char *mount)
{
	char path[TEST_PATH_BYTES];

	object_path(path, mount, OBJECT, NULL);
	if (rmdir(path) != 0 || mkdir(path, 0755) != 0)
		test_fail("making %s again: %s", path, strerror(errno));
}

static void body_fresh(unsigned number, void *context)
{
	struct shared *shared = context;

	for (unsigned round = 0; round < shared->rounds; round++) {
		if (number == round % shared->count) {
			if (round == 0)
				file_must_unlink(shared->mounts[number], "memory");
			object_again(shared->mounts[number]);
		}
		race_to_create(shared, number, "memory", round);
		race_to_unlink(shared, number, "memory", round);
	}
	if (number == 0)
		file_must_create(shared->mounts[0], "memory", 0);
}

/* --- renamed over each other -------------------------------------------------------------------------------------- */

static void body_replace(unsigned number, void *context)
{
	struct shared *shared = context;
	const char *mount = shared->mounts[number];
	char own[NAME_BYTES];

	snprintf(own, sizeof(own), "own-%u", number);
	if (number == 0)
		file_must_create(mount, TARGET, UINT64_MAX);
	meeting_wait(&shared->meeting, shared->count);
	for (unsigned round = 0; round < shared->rounds; round++) {
		file_must_create(mount, own, (uint64_t)round * TEST_MOUNTS_MAX + number);
		file_value(mount, TARGET); /* never missing, never part of one */
		file_must_rename(mount, own, TARGET);
		if (file_value(mount, TARGET) / TEST_MOUNTS_MAX > shared->rounds)
			test_fail("round %u: %s shows the file that was replaced first", round, mount);
	}
	meeting_wait(&shared->meeting, shared->count);
	file_must_be_gone(mount, own);
	if (times_listed(mount, TARGET) != 1 || times_listed(mount, NULL) != 2)
		test_fail("%s lists %u files, must be " TARGET " and memory", mount, times_listed(mount, NULL));
	if (file_value(mount, TARGET) != file_value(shared->mounts[0], TARGET))
		test_fail("%s shows another file than %s", mount, shared->mounts[0]);
	if (file_value(mount, TARGET) / TEST_MOUNTS_MAX != shared->rounds - 1)
		test_fail("%s shows %llu, which the last renames did not leave", mount,
		          (unsigned long long)file_value(mount, TARGET));
	meeting_wait(&shared->meeting, shared->count);
	if (number == 0)
		file_must_unlink(mount, TARGET);
}

/* --- many --------------------------------------------------------------------------------------------------------- */

static void many_name(char name[NAME_BYTES], unsigned file)
{
	snprintf(name, NAME_BYTES, "many-%u", file);
}

/* How often each file is listed goes to `times`; no name of another kind but `memory` may be there. */
static unsigned many_list(const char *mount, unsigned char times[FILES_MAX])
{
	char path[TEST_PATH_BYTES];
	struct dirent *entry;
	unsigned listed = 0;
	DIR *dir;

	memset(times, 0, FILES_MAX);
	object_path(path, mount, OBJECT, NULL);
	dir = opendir(path);
	if (dir == NULL)
		test_fail("opendir %s: %s", path, strerror(errno));
	while ((entry = readdir(dir)) != NULL) {
		unsigned file;

		if (entry->d_name[0] == '.' || strcmp(entry->d_name, "memory") == 0)
			continue;
		if (sscanf(entry->d_name, "many-%u", &file) != 1 || file >= FILES_MAX)
			test_fail("%s lists %s", mount, entry->d_name);
		if (times[file]++ > 0)
			test_fail("%s lists %s twice", mount, entry->d_name);
		listed++;
	}
	closedir(dir);
	return listed;
}

/* All see the files 0, step, 2 * step ..; the file `f` has the content f + step - 1. */
static void many_look(const struct shared *shared, unsigned number, unsigned step, const char *when)
{
	static unsigned char times[FILES_MAX];
	const char *mount = shared->mounts[number];
	unsigned expected = step == 0 ? 0 : shared->rounds / step;
	unsigned listed = many_list(mount, times);
	char name[NAME_BYTES];

	for (unsigned file = 0; step > 0 && file < shared->rounds; file += step) {
		many_name(name, file);
		if (times[file] != 1)
			test_fail("%s: %s does not list %s", when, mount, name);
		if (file % 7 == number && file_value(mount, name) != file + step - 1)
			test_fail("%s: %s on %s holds another file's bytes", when, name, mount);
	}
	if (listed != expected)
		test_fail("%s: %s lists %u files, not %u", when, mount, listed, expected);
}

/* While others make theirs, one's own are listed. */
static void many_make(const struct shared *shared, unsigned number)
{
	static unsigned char times[FILES_MAX];
	const char *mount = shared->mounts[number];
	char name[NAME_BYTES];

	for (unsigned file = number; file < shared->rounds; file += shared->count) {
		many_name(name, file);
		file_must_create(mount, name, file);
		if (file / shared->count % LIST_EVERY != 0)
			continue;
		many_list(mount, times);
		for (unsigned own = number; own <= file; own += shared->count)
			if (times[own] != 1)
				test_fail("%s does not list many-%u, which was made through it", mount, own);
	}
}

static void many_rename(const struct shared *shared, unsigned number)
{
	char name[NAME_BYTES], over[NAME_BYTES];

	for (unsigned pair = number; pair < shared->rounds / 2; pair += shared->count) {
		many_name(over, pair * 2);
		many_name(name, pair * 2 + 1);
		file_must_rename(shared->mounts[number], name, over);
	}
}

static void many_remove(const struct shared *shared, unsigned number)
{
	char name[NAME_BYTES];

	for (unsigned pair = number; pair < shared->rounds / 2; pair += shared->count) {
		many_name(name, pair * 2);
		file_must_unlink(shared->mounts[(number + 1) % shared->count], name);
	}
}

static void body_many(unsigned number, void *context)
{
	struct shared *shared = context;

	many_make(shared, number);
	meeting_wait(&shared->meeting, shared->count);
	many_look(shared, number, 1, "after making");
	meeting_wait(&shared->meeting, shared->count);
	many_rename(shared, number);
	meeting_wait(&shared->meeting, shared->count);
	many_look(shared, number, 2, "after renaming");
	meeting_wait(&shared->meeting, shared->count);
	many_remove(shared, number);
	meeting_wait(&shared->meeting, shared->count);
	many_look(shared, number, 0, "after removing");
}

/* --- what the shell cannot do ------------------------------------------------------------------------------------- */

static int act_create(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	puts(fd >= 0 ? "ok" : strerrorname_np(errno));
	return 0;
}

static void whole(const char *path)
{
	static char bytes[1 << 20];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat stat_now;
	size_t total = 0;
	ssize_t got;

	if (fd < 0 || fstat(fd, &stat_now) != 0)
		test_fail("open and fstat of %s: %s", path, strerror(errno));
	while ((got = read(fd, bytes, sizeof(bytes))) > 0)
		total += (size_t)got;
	if (got < 0)
		test_fail("read of %s: %s", path, strerror(errno));
	if ((size_t)stat_now.st_size != total)
		test_fail("%s has %lld bytes, but %zu can be read", path, (long long)stat_now.st_size, total);
	close(fd);
}

static const struct {
	const char *name;
	child_body body;
} races[] = {
	{"excl", body_excl},
	{"fresh", body_fresh},
	{"replace", body_replace},
	{"many", body_many},
};

static int run_race(child_body body, int count, char **arguments)
{
	struct shared *shared = local_shared(sizeof(*shared));

	shared->rounds = (unsigned)test_number(arguments[2]);
	shared->mounts = (const char **)&arguments[3];
	shared->count = (unsigned)count - 3;
	if (shared->count > TEST_MOUNTS_MAX || shared->rounds > FILES_MAX || shared->rounds % 2 != 0) {
		fprintf(stderr, "segments: rounds must be even, and %d at most\n", FILES_MAX);
		return 2;
	}
	children_run(shared->count, body, shared);
	return 0;
}

int main(int count, char **arguments)
{
	if (count == 3 && strcmp(arguments[1], "create") == 0)
		return act_create(arguments[2]);
	if (count >= 3 && strcmp(arguments[1], "whole") == 0) {
		for (int i = 2; i < count; i++)
			whole(arguments[i]);
		return 0;
	}
	for (size_t i = 0; count > 3 && i < sizeof(races) / sizeof(races[0]); i++)
		if (strcmp(races[i].name, arguments[1]) == 0)
			return run_race(races[i].body, count, arguments);
	fprintf(stderr, "segments: unknown command, or too few arguments\n");
	return 2;
}
