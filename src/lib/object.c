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

/* 0: the object is there. -ENOENT: it is not. Another errno: nobody can tell. */
static int path_verify(int mount, const char *path, ino_t inode)
{
	struct stat status;
	int error = netmem_file_stat(mount, path, &status);

	if (error)
		return error == -ESTALE ? -ENOENT : error;
	return S_ISDIR(status.st_mode) && status.st_ino == inode ? 0 : -ENOENT;
}

static int path_join(char path[OBJECT_PATH_BYTES], const char *dir, const char *name)
{
	int length = snprintf(path, OBJECT_PATH_BYTES, "%s%s%s", dir, *dir ? "/" : "", name);

	return length < OBJECT_PATH_BYTES ? 0 : -ENAMETOOLONG;
}

/* Tries the name that the kernel has for the port, which is right unless another node renamed or removed it. */
static int locate_by_name(int mount, int port, ino_t inode, char path[OBJECT_PATH_BYTES])
{
	static const char *const dirs[] = { "", MOUNT_UNNAMED };
	char known[PATH_MAX];
	const char *slash;
	int error = -ENOENT;
	size_t i;

	if (netmem_file_path(port, known, sizeof known))
		return -ENOENT;
	slash = strrchr(known, '/');
	if (!slash || slash[1] == '\0')
		return -ENOENT;
	for (i = 0; i < sizeof dirs / sizeof *dirs && error == -ENOENT; i++)
		if (!path_join(path, dirs[i], slash + 1))
			error = path_verify(mount, path, inode);
	return error;
}

static struct dirent *directory_next(DIR *stream)
{
	struct dirent *entry;

	do {
		errno = 0;
		entry = readdir(stream);
	} while (!entry && errno == EINTR);
	return entry;
}

/* Looks through all names in `dir`. */
static int locate_in(int mount, const char *dir, ino_t inode, char path[OBJECT_PATH_BYTES])
{
	int fd = netmem_file_open(mount, *dir ? dir : ".", O_RDONLY | O_DIRECTORY);
	struct dirent *entry;
	int error = -ENOENT;
	DIR *stream;

	if (fd < 0)
		return fd;
	stream = fdopendir(fd);
	if (!stream) {
		netmem_file_close(fd);
		return -errno;
	}
	while (error == -ENOENT && (entry = directory_next(stream)))
		if (entry->d_ino == inode && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    !path_join(path, dir, entry->d_name))
			error = path_verify(mount, path, inode);
	if (error == -ENOENT && errno)
		error = -errno;
	closedir(stream);
	return error;
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

	int error = port <= 0 ? -EBADF : netmem_file_stat(mount, "", &root);

	if (!error)
		error = netmem_file_stat(port, "", &object);
	if (error)
		return error;
	if (!S_ISDIR(object.st_mode))
		return -ENOTDIR;
	if (object.st_dev == root.st_dev && object.st_ino == root.st_ino)
		return -ENOENT;
	if (object.st_dev != root.st_dev && !same_cluster(mount, port))
		return -ENOENT;
	*inode = object.st_ino;
	error = locate_by_name(mount, port, *inode, path);
	if (error == -ENOENT)
		error = locate_in(mount, MOUNT_UNNAMED, *inode, path);
	if (error == -ENOENT)
		error = locate_in(mount, "", *inode, path);
	return error;
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
	if (!netmem_file_stat(fd, "", &status) && status.st_ino == inode)
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
		return interrupted && !path_verify(mount, to, inode) ? 0 : error;
	}
	return 0;
}
