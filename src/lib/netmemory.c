/*
 * The calls of netmemory(3) on top of the file system: an object is a directory made below .netmem/unnamed, its ports
 * are descriptors of what lies in it. The daemon keeps an unnamed object for as long as any of these is open or mapped.
 */
#include <servers/netmemory.h>

#include "lib/code.h"
#include "lib/file.h"
#include "lib/mount.h"
#include "lib/object.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OBJECT_MODE 0777 /* less the umask */
#define DESTROY "destroy\n"

static netmemory_return_t code_netmemory(int error)
{
	if (netmem_code_is_parameter(error))
		return netmem_code_set(error, NETMEMORY_BAD_PARAMETER);
	if (netmem_code_is_resource(error))
		return netmem_code_set(error, NETMEMORY_RESOURCE);
	return netmem_code_kern(error);
}

/* Whole pages as the kernel counts a file's size. 0, -EINVAL for none at all, -EFBIG. */
static int size_round(vm_size_t size, off_t *rounded)
{
	vm_size_t page = (vm_size_t)sysconf(_SC_PAGESIZE);

	if (size == 0)
		return -EINVAL;
	if (size > (vm_size_t)LONG_MAX - page)
		return -EFBIG;
	*rounded = (off_t)((size + page - 1) / page * page);
	return 0;
}

/* The name is nobody else's, so that EEXIST after EINTR is our own directory. */
static int directory_make(int mount, const char *path)
{
	bool interrupted = false;

	while (mkdirat(mount, path, OBJECT_MODE)) {
		if (errno == EEXIST && interrupted)
			break;
		if (errno != EINTR)
			return -errno;
		interrupted = true;
	}
	return 0;
}

static int memory_resize(int object, off_t size)
{
	int error = 0;
	int memory = netmem_file_open(object, "memory", O_WRONLY | O_NOFOLLOW);

	if (memory < 0)
		return memory;
	while (ftruncate(memory, size)) {
		if (errno == EINTR)
			continue;
		error = -errno;
		break;
	}
	close(memory);
	return error;
}

/* Size, then ports, of the new object at `path`. On failure neither port is open. */
static int object_furnish(int mount, const char *path, off_t size, int *object, int *control)
{
	int error;

	*object = netmem_file_open(mount, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	if (*object < 0)
		return *object;
	error = memory_resize(*object, size);
	if (error)
		goto err_object;
	*control = netmem_file_open(*object, "control", O_WRONLY | O_NOFOLLOW);
	error = *control < 0 ? *control : 0;
	if (error)
		goto err_object;
	return 0;
err_object:
	close(*object);
	return error;
}

static int object_create(int mount, off_t size, int *object, int *control)
{
	char path[MOUNT_UNNAMED_BYTES];
	int error;

	error = netmem_mount_unnamed(mount, path);
	if (!error)
		error = directory_make(mount, path);
	if (error)
		return error;
	error = object_furnish(mount, path, size, object, control);
	if (error)
		unlinkat(mount, path, AT_REMOVEDIR);
	return error;
}

netmemory_return_t netmemory_create(port_t netmemory_server, vm_size_t object_size, port_t *netmemory_object,
				    port_t *netmemory_control)
{
	off_t size;
	int object;
	int control;
	int mount;
	int error = size_round(object_size, &size);

	if (error || !netmemory_object || !netmemory_control)
		return code_netmemory(error ? error : -EINVAL);
	mount = netmem_mount_open(netmemory_server);
	if (mount < 0)
		return code_netmemory(mount);
	error = object_create(mount, size, &object, &control);
	netmem_file_close(mount);
	if (error)
		return code_netmemory(error);
	*netmemory_object = object;
	*netmemory_control = control;
	return NETMEMORY_SUCCESS;
}

/* For storing if that is permitted, else for loading. */
static int memory_open(int object)
{
	int memory = netmem_file_open(object, "memory", O_RDWR | O_NOFOLLOW);

	if (memory == -EACCES || memory == -EPERM || memory == -EROFS)
		memory = netmem_file_open(object, "memory", O_RDONLY | O_NOFOLLOW);
	return memory;
}

/* The object's memory, opened below `mount`: not through a port that may belong to another node's mount. */
static int object_cache(int mount, int port)
{
	struct stat root;
	struct stat object;
	int directory;
	int memory;
	int error = port <= 0 ? -EBADF : netmem_file_stat(mount, "", &root);

	if (!error)
		error = netmem_file_stat(port, "", &object);
	if (error)
		return error;
	if (object.st_dev == root.st_dev)
		return memory_open(port);
	directory = netmem_object_open(mount, port);
	if (directory < 0)
		return directory;
	memory = memory_open(directory);
	close(directory);
	return memory;
}

netmemory_return_t netmemory_cache(port_t netmemory_server, port_t netmemory_object, port_t *memory_object)
{
	int memory;
	int mount;

	if (!memory_object)
		return code_netmemory(-EINVAL);
	mount = netmem_mount_open(netmemory_server);
	if (mount < 0)
		return code_netmemory(mount);
	memory = object_cache(mount, netmemory_object);
	netmem_file_close(mount);
	if (memory < 0)
		return code_netmemory(memory);
	*memory_object = memory;
	return NETMEMORY_SUCCESS;
}

/* So that a wrong descriptor does not get text written to it. */
static int control_verify(port_t port)
{
	char path[PATH_MAX];
	struct stat status;
	const char *name;
	int error = port <= 0 ? -EBADF : netmem_file_stat(port, "", &status);

	if (error)
		return error;
	if (!S_ISREG(status.st_mode))
		return -EINVAL;
	if (netmem_file_path(port, path, sizeof path))
		return 0; /* no /proc */
	name = strrchr(path, '/');
	return name && (strcmp(name, "/control") == 0 || strcmp(name, "/control (deleted)") == 0) ? 0 : -EINVAL;
}

netmemory_return_t netmemory_destroy(port_t netmemory_control)
{
	const ssize_t length = sizeof DESTROY - 1;
	ssize_t written;
	int error = control_verify(netmemory_control);

	if (error)
		return code_netmemory(error);
	do {
		written = write(netmemory_control, DESTROY, (size_t)length);
	} while (written < 0 && errno == EINTR);
	if (written < 0)
		return code_netmemory(-errno);
	return written == length ? NETMEMORY_SUCCESS : code_netmemory(-EIO);
}
