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

static int table_search(FILE *table, char *path, size_t path_bytes)
{
	char *line = NULL;
	size_t line_bytes = 0;
	char *where;
	int error = -ENOENT;

	while (error == -ENOENT && getline(&line, &line_bytes, table) >= 0) {
		if (!line_is_mount(line, &where))
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

int netmem_mount_find(const char *table, char *path, size_t path_bytes)
{
	const char *set = secure_getenv("NETMEM_MOUNT");
	FILE *stream;
	int error;

	if (set && *set) {
		if (strlen(set) >= path_bytes)
			return -ENAMETOOLONG;
		strcpy(path, set);
		return 0;
	}
	stream = fopen(table, "re");
	if (!stream)
		return -errno;
	error = table_search(stream, path, path_bytes);
	fclose(stream);
	return error;
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

static int default_open(void)
{
	char path[PATH_MAX];
	int error = netmem_mount_find(MOUNT_TABLE, path, sizeof path);

	return error ? error : netmem_file_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
}

int netmem_mount_open(int server)
{
	int mount;
	int error;

	if (server != MOUNT_DEFAULT && server <= 0)
		return -EINVAL;
	mount = server == MOUNT_DEFAULT ? default_open() : netmem_file_dup(server);
	if (mount < 0)
		return mount;
	error = root_verify(mount);
	if (!error)
		return mount;
	close(mount);
	return server == MOUNT_DEFAULT && error == -EINVAL ? -ENOENT : error;
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
