#define _GNU_SOURCE 1
#include "lib/mount.h"

#include "lib/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MOUNT_TYPE "fuse.netmemfs"
#define MOUNT_TABLE "/proc/self/mounts"
#define CLUSTER_BYTES 64

/* The mount table writes blank, tab, newline and backslash in a path as a backslash and three octal digits. */
static void octal_decode(char *text)
{
	char *out = text;

	while (*text) {
		bool coded = text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' && text[2] <= '7' &&
			     text[3] >= '0' && text[3] <= '7';

		if (coded) {
			*out++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0'));
			text += 4;
		} else {
			*out++ = *text++;
		}
	}
	*out = '\0';
}

/* A line is: what is mounted, where, file system type, and more. */
static bool line_is_mount(char *line, char **where)
{
	const char *type;

	strsep(&line, " ");
	*where = strsep(&line, " ");
	type = strsep(&line, " ");
	return type && strcmp(type, MOUNT_TYPE) == 0;
}

/* The mount point of the mount of ours that so many others precede. */
static int table_search(FILE *table, unsigned others, char *path, size_t path_bytes)
{
	char *line = NULL;
	size_t line_bytes = 0;
	char *where;
	int error = -ENOENT;

	while (error == -ENOENT && getline(&line, &line_bytes, table) >= 0) {
		if (!line_is_mount(line, &where) || others-- > 0)
			continue;
		octal_decode(where);
		error = -ENAMETOOLONG;
		if (strlen(where) < path_bytes) {
			strcpy(path, where);
			error = 0;
		}
	}
	free(line);
	return error;
}

/* `index` counts from 0, in the order in which mounts are preferred. */
static int mount_find(const char *table, unsigned index, char *path, size_t path_bytes)
{
	const char *set = secure_getenv("NETMEM_MOUNT");
	FILE *stream;
	int error;

	if (set && *set) {
		if (index > 0)
			return -ENOENT;
		if (strlen(set) >= path_bytes)
			return -ENAMETOOLONG;
		strcpy(path, set);
		return 0;
	}
	stream = fopen(table, "re");
	if (!stream)
		return -errno;
	error = table_search(stream, index, path, path_bytes);
	fclose(stream);
	return error;
}

int netmem_mount_find(const char *table, char *path, size_t path_bytes)
{
	return mount_find(table, 0, path, path_bytes);
}

/* Only the root of a mount has the node's status below it. */
static int root_verify(int mount)
{
	struct stat status;
	int error = netmem_file_stat(mount, "", &status);

	if (!error && !S_ISDIR(status.st_mode))
		error = -EINVAL;
	if (!error)
		error = netmem_file_stat(mount, MOUNT_STATUS, &status);
	return error == -ENOENT || error == -ENOTDIR ? -EINVAL : error;
}

/* Closes what is not a mount. */
static int mount_verified(int mount)
{
	int error = mount < 0 ? mount : root_verify(mount);

	if (error && mount >= 0)
		close(mount);
	return error ? error : mount;
}

int netmem_mount_open_nth(unsigned index)
{
	char path[PATH_MAX];
	int error = mount_find(MOUNT_TABLE, index, path, sizeof path);

	return error ? error : mount_verified(netmem_file_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY));
}

int netmem_mount_open(int server)
{
	int mount;

	if (server == MOUNT_DEFAULT) {
		mount = netmem_mount_open_nth(0);
		return mount == -EINVAL ? -ENOENT : mount;
	}
	return server <= 0 ? -EINVAL : mount_verified(netmem_file_dup(server));
}

int netmem_mount_node(int mount, char node[MOUNT_NODE_NAME_BYTES])
{
	return netmem_file_value(mount, MOUNT_STATUS, "node", node, MOUNT_NODE_NAME_BYTES);
}

bool netmem_mount_same_cluster(int mount, int other)
{
	char cluster[CLUSTER_BYTES];
	char other_cluster[CLUSTER_BYTES];

	return !netmem_file_value(mount, MOUNT_STATUS, "cluster", cluster, sizeof cluster) &&
	       !netmem_file_value(other, MOUNT_STATUS, "cluster", other_cluster, sizeof other_cluster) &&
	       strcmp(cluster, other_cluster) == 0;
}

static uint64_t chance(void)
{
	uint64_t number;
	struct timespec now;

	if (getrandom(&number, sizeof number, GRND_NONBLOCK) == (ssize_t)sizeof number)
		return number;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec << 30 ^ (uint64_t)now.tv_nsec;
}

int netmem_mount_unnamed(int mount, char path[MOUNT_UNNAMED_BYTES])
{
	static atomic_uint count;
	char node[MOUNT_NODE_NAME_BYTES];
	int error = netmem_mount_node(mount, node);

	if (error)
		return error;
	snprintf(path, MOUNT_UNNAMED_BYTES, MOUNT_UNNAMED "/%s-%ld-%u-%016" PRIx64, node, (long)getpid(),
		 atomic_fetch_add(&count, 1), chance());
	return 0;
}
