#define _GNU_SOURCE 1
#include "lib/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Moves `fd` up if it is too low. */
static int fd_lift(int fd)
{
	int lifted;

	if (fd >= FILE_FIRST_FD)
		return fd;
	lifted = netmem_file_dup(fd);
	close(fd);
	return lifted;
}

int netmem_file_open(int dir, const char *path, int flags)
{
	int fd;

	do {
		fd = openat(dir, path, flags | O_CLOEXEC);
	} while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd_lift(fd);
}

int netmem_file_stat(int dir, const char *path, struct stat *status)
{
	int result;

	do {
		result = fstatat(dir, path, status, AT_SYMLINK_NOFOLLOW | (*path ? 0 : AT_EMPTY_PATH));
	} while (result && errno == EINTR);
	return result ? -errno : 0;
}

int netmem_file_dup(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, FILE_FIRST_FD);

	return copy < 0 ? -errno : copy;
}

void netmem_file_close(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
}

int netmem_file_read(int dir, const char *path, char *text, size_t text_bytes)
{
	size_t length = 0;
	int error = 0;
	int fd = netmem_file_open(dir, path, O_RDONLY | O_NOFOLLOW | O_NOCTTY);

	if (fd < 0)
		return fd;
	while (length + 1 < text_bytes) {
		ssize_t got = read(fd, text + length, text_bytes - 1 - length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			error = -errno;
		if (got <= 0)
			break;
		length += (size_t)got;
	}
	text[length] = '\0';
	close(fd);
	return error;
}

int netmem_file_value(int dir, const char *path, const char *key, char *value, size_t value_bytes)
{
	char text[FILE_VALUES_BYTES];
	char *rest = text;
	char *line;
	size_t key_length = strlen(key);
	int error = netmem_file_read(dir, path, text, sizeof text);

	if (error)
		return error;
	while ((line = strsep(&rest, "\n"))) {
		if (strncmp(line, key, key_length) != 0 || line[key_length] != ':')
			continue;
		line += key_length + 1;
		line += strspn(line, " \t");
		if (strlen(line) >= value_bytes)
			return -ENAMETOOLONG;
		strcpy(value, line);
		return 0;
	}
	return -ENODATA;
}

int netmem_file_path(int fd, char *path, size_t path_bytes)
{
	char link[32];
	ssize_t length;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	length = readlink(link, path, path_bytes);
	if (length < 0)
		return -errno;
	if ((size_t)length >= path_bytes)
		return -ENAMETOOLONG;
	path[length] = '\0';
	return 0;
}

static char char_fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool netmem_text_equal(const char *a, const char *b)
{
	while (*a && char_fold(*a) == char_fold(*b)) {
		a++;
		b++;
	}
	return char_fold(*a) == char_fold(*b);
}

void netmem_text_fold(char *text)
{
	for (; *text; text++)
		*text = char_fold(*text);
}
