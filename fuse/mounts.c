#include "fuse/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fuse/log.h"
#include "msg/limits.h"

extern char **environ;

/* Undoes the \040 of spaces and the like in /proc/self/mountinfo, in place. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from;) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] && from[3]) {
			*to++ = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
}

bool mounts_find(const char *path, char device[MOUNTS_DEVICE_BYTES])
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t line_bytes = 0;
	bool found = false;

	if (!file)
		return false;
	/* The last line about a path is the mount on top. */
	while (getline(&line, &line_bytes, file) > 0) {
		char major_minor[MOUNTS_DEVICE_BYTES];
		char *point = NULL;
		char *type = strstr(line, " - ");

		if (!type || sscanf(line, "%*s %*s %31s %*s %ms", major_minor, &point) != 2) {
			free(point);
			continue;
		}
		unescape(point);
		if (!strcmp(point, path)) {
			type += strlen(" - ");
			found = !strncmp(type, MOUNTS_TYPE " ", strlen(MOUNTS_TYPE " "));
			if (found && device)
				strcpy(device, major_minor);
		}
		free(point);
	}
	free(line);
	fclose(file);
	return found;
}

/* One stat() in a thread of its own, because a mount whose daemon is stopped answers late or never. */
struct probe {
	pthread_mutex_t lock;
	pthread_cond_t done_cond;
	bool done;
	bool abandoned;
	int error;
	bool is_dir;
	char path[PATH_MAX];
};

static void *probe_run(void *argument)
{
	struct probe *probe = argument;
	struct stat st;
	int error = stat(probe->path, &st) ? errno : 0;
	bool abandoned;

	pthread_mutex_lock(&probe->lock);
	probe->done = true;
	probe->error = error;
	probe->is_dir = !error && S_ISDIR(st.st_mode);
	abandoned = probe->abandoned;
	pthread_cond_signal(&probe->done_cond);
	pthread_mutex_unlock(&probe->lock);
	if (abandoned)
		free(probe);
	return NULL;
}

/* 0, a positive errno of stat(), or ETIMEDOUT. */
static int probe_path(const char *path, bool *is_dir)
{
	struct probe *probe = calloc(1, sizeof(*probe));
	struct timespec limit;
	pthread_t thread;
	int error = 0;

	*is_dir = false;
	if (!probe)
		return ENOMEM;
	pthread_mutex_init(&probe->lock, NULL);
	pthread_cond_init(&probe->done_cond, NULL);
	snprintf(probe->path, sizeof(probe->path), "%s", path);
	if (pthread_create(&thread, NULL, probe_run, probe)) {
		free(probe);
		return EAGAIN;
	}
	pthread_detach(thread);
	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += MOUNTS_ANSWER_MS / 1000;
	pthread_mutex_lock(&probe->lock);
	while (!probe->done && !error)
		error = pthread_cond_timedwait(&probe->done_cond, &probe->lock, &limit);
	if (!probe->done) {
		probe->abandoned = true;
		pthread_mutex_unlock(&probe->lock);
		return ETIMEDOUT;
	}
	error = probe->error;
	*is_dir = probe->is_dir;
	pthread_mutex_unlock(&probe->lock);
	free(probe);
	return error;
}

/* realpath() of all but the last component, so that the mount point itself is not touched. */
static int make_absolute(char *path)
{
	char copy[PATH_MAX];
	char parent[PATH_MAX];
	char *slash;
	const char *name;
	size_t length = strlen(path);

	while (length > 1 && path[length - 1] == '/')
		path[--length] = '\0';
	strcpy(copy, path);
	slash = strrchr(copy, '/');
	name = slash ? slash + 1 : copy;
	if (!strcmp(name, ".") || !strcmp(name, "..") || !*name) {
		if (!realpath(path, parent))
			return -errno;
		strcpy(path, parent);
		return 0;
	}
	if (slash)
		*slash = '\0';
	if (!realpath(!slash ? "." : *copy ? copy : "/", parent))
		return -errno;
	if (strlen(parent) + 1 + strlen(name) >= PATH_MAX)
		return -ENAMETOOLONG;
	if (!strcmp(parent, "/"))
		parent[0] = '\0';
	strcpy(path, parent);
	strcat(path, "/");
	strcat(path, name);
	return 0;
}

/* A mount point that is a symbolic link stands for where it points to. */
static void follow_link(char *path)
{
	char target[PATH_MAX];
	struct stat st;

	if (!mounts_find(path, NULL) && !lstat(path, &st) && S_ISLNK(st.st_mode) && realpath(path, target))
		strcpy(path, target);
}

int mounts_check_pages(long page_bytes, char *why, size_t why_bytes)
{
	if (page_bytes == PAGE_BYTES)
		return 0;
	snprintf(why, why_bytes, "this kernel has pages of %ld bytes; netmemfs works with pages of %u bytes only", page_bytes,
	         PAGE_BYTES);
	return -1;
}

int mounts_prepare(char *path, char *why, size_t why_bytes)
{
	char given[PATH_MAX];
	bool is_dir;
	int error;

	strcpy(given, path);
	error = make_absolute(path);
	if (error) {
		snprintf(why, why_bytes, "mount point %s: %s", given, strerror(-error));
		return -1;
	}
	follow_link(path);
	error = probe_path(path, &is_dir);
	if (mounts_find(path, NULL)) {
		if (error != ENOTCONN && error != ECONNABORTED) {
			snprintf(why, why_bytes, "%s is a netmemfs already%s", path,
			         error == ETIMEDOUT ? ", whose daemon does not answer" : "");
			return -1;
		}
		error = mounts_detach(path);
		if (error) {
			snprintf(why, why_bytes, "%s is the mount of a dead daemon; take it away with umount -l %s", path, path);
			return -1;
		}
		log_write(LOG_LEVEL_WARNING, "took away what a dead daemon had left mounted at %s", path);
		error = probe_path(path, &is_dir);
	}
	if (error) {
		snprintf(why, why_bytes, "mount point %s: %s", given, strerror(error));
		return -1;
	}
	if (!is_dir) {
		snprintf(why, why_bytes, "mount point %s: %s", given, strerror(ENOTDIR));
		return -1;
	}
	return 0;
}

static bool write_setting(const char *device, const char *name, const char *value)
{
	char path[128];
	int fd;
	bool written;

	snprintf(path, sizeof(path), "/sys/class/bdi/%s/%s", device, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	written = write(fd, value, strlen(value)) == (ssize_t)strlen(value);
	close(fd);
	return written;
}

bool mounts_lift_limits(const char *path)
{
	char device[MOUNTS_DEVICE_BYTES];
	char read_ahead_kib[16];
	bool lifted;

	if (!mounts_find(path, device))
		return false;
	snprintf(read_ahead_kib, sizeof(read_ahead_kib), "%u", MSG_PAYLOAD_BYTES >> 10);
	(void)write_setting(device, "read_ahead_kb", read_ahead_kib);
	lifted = write_setting(device, "strict_limit", "0"); /* not there before Linux 6.2 */
	return write_setting(device, "max_ratio", "100") || lifted;
}

/* For who may not unmount: the helper that came with libfuse. */
static int run_fusermount(const char *path, bool lazy)
{
	char *argv[] = { "fusermount3", "-u", "-q", lazy ? "-z" : "--", (char *)path, NULL };
	pid_t pid;
	int status;
	int error = posix_spawnp(&pid, "fusermount3", NULL, NULL, argv, environ);

	if (error)
		return -error;
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

static int unmount_once(const char *path, bool lazy)
{
	if (!umount2(path, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)))
		return 0;
	if (errno != EPERM)
		return -errno;
	return run_fusermount(path, lazy);
}

int mounts_detach(const char *path)
{
	return unmount_once(path, true);
}

void mounts_clear_dead(const char *path)
{
	bool is_dir;

	if (mounts_find(path, NULL) && probe_path(path, &is_dir) == ENOTCONN)
		mounts_detach(path);
}

bool mounts_unmount(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		syncfs(fd);
		close(fd);
	}
	if (!mounts_find(path, NULL) || !unmount_once(path, false))
		return false;
	unmount_once(path, true);
	return true;
}
