#define _GNU_SOURCE 1
#include "lib/object.h"

#include "lib/file.h"
#include "lib/mount.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool path_is(int mount, const char *path, ino_t inode)
{
	struct stat status;

	return fstatat(mount, path, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode) &&
	       status.st_ino == inode;
}

static int path_join(char path[OBJECT_PATH_BYTES], const char *dir, const char *name)
{
	int length = snprintf(path, OBJECT_PATH_BYTES, "%s%s%s", dir, *dir ? "/" : "", name);

	return length < OBJECT_PATH_BYTES ? 0 : -ENAMETOOLONG;
}

/* Tries the name that the kernel has for the port. True unless renamed or removed by another node. */
static bool locate_by_name(int mount, int port, ino_t inode, char path[OBJECT_PATH_BYTES])
{
	static const char *const dirs[] = { "", MOUNT_UNNAMED };
	char known[PATH_MAX];
	const char *slash;
	size_t i;

	if (netmem_file_path(port, known, sizeof known))
		return false;
	slash = strrchr(known, '/');
	if (!slash || slash[1] == '\0')
		return false;
	for (i = 0; i < sizeof dirs / sizeof *dirs; i++)
		if (!path_join(path, dirs[i], slash + 1) && path_is(mount, path, inode))
			return true;
	return false;
}

/* Looks through all names in `dir`. */
static bool locate_in(int mount, const char *dir, ino_t inode, char path[OBJECT_PATH_BYTES])
{
	int fd = netmem_file_open(mount, *dir ? dir : ".", O_RDONLY | O_DIRECTORY);
	struct dirent *entry;
	bool found = false;
	DIR *stream;

	if (fd < 0)
		return false;
	stream = fdopendir(fd);
	if (!stream) {
		close(fd);
		return false;
	}
	while (!found && (entry = readdir(stream)))
		found = entry->d_ino == inode && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
			!path_join(path, dir, entry->d_name) && path_is(mount, path, inode);
	closedir(stream);
	return found;
}

/* The root of the port's own mount is one directory up from a named object, and three from an unnamed one. */
static bool same_cluster(int mount, int port)
{
	static const char *const roots[] = { "..", "../../.." };
	bool same = false;
	size_t i;

	for (i = 0; i < sizeof roots / sizeof *roots && !same; i++) {
		int root = netmem_file_open(port, roots[i], O_RDONLY | O_DIRECTORY);

		if (root < 0)
			continue;
		same = netmem_mount_same_cluster(mount, root);
		close(root);
	}
	return same;
}

int netmem_object_locate(int mount, int port, char path[OBJECT_PATH_BYTES], ino_t *inode)
{
	struct stat root;
	struct stat object;

	if (port <= 0)
		return -EBADF;
	if (fstat(mount, &root) || fstat(port, &object))
		return -errno;
	if (!S_ISDIR(object.st_mode))
		return -ENOTDIR;
	if (object.st_dev == root.st_dev && object.st_ino == root.st_ino)
		return -ENOENT;
	if (object.st_dev != root.st_dev && !same_cluster(mount, port))
		return -ENOENT;
	*inode = object.st_ino;
	if (locate_by_name(mount, port, *inode, path) || locate_in(mount, MOUNT_UNNAMED, *inode, path) ||
	    locate_in(mount, "", *inode, path))
		return 0;
	return -ENOENT;
}

int netmem_object_open(int mount, int port)
{
	char path[OBJECT_PATH_BYTES];
	struct stat status;
	ino_t inode;
	int fd;
	int error = netmem_object_locate(mount, port, path, &inode);

	if (error)
		return error;
	fd = netmem_file_open(mount, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	if (fd < 0)
		return fd;
	if (!fstat(fd, &status) && status.st_ino == inode)
		return fd;
	close(fd); /* renamed at this very moment */
	return -ENOENT;
}

/* After EINTR the rename may have been done or not; where the object is tells. */
int netmem_object_rename(int mount, ino_t inode, const char *from, const char *to)
{
	bool interrupted = false;

	while (renameat2(mount, from, mount, to, RENAME_NOREPLACE)) {
		int error = -errno;

		if (error == -EINTR) {
			interrupted = true;
			continue;
		}
		return interrupted && path_is(mount, to, inode) ? 0 : error;
	}
	return 0;
}
