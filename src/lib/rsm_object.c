#include "lib/rsm_object.h"

#include "lib/file.h"
#include "lib/object.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODE_PRIVATE 0600
#define MODE_ALL 0666

/* Bytes in one read or write. */
#define CHUNK_BYTES ((size_t)1 << 20)

/* " 4294967295=666" */
#define ACCESS_ENTRY_BYTES 15

/* As much as a control file takes, with a NUL, and so many entries; a cluster has fewer nodes. */
#define ACCESS_BYTES 1024
#define ACCESS_ENTRIES_MAX ((ACCESS_BYTES - sizeof "access") / ACCESS_ENTRY_BYTES)

void rsm_object_name(rsm_node_id_t node, rsm_memseg_id_t id, char name[RSM_OBJECT_NAME_BYTES])
{
	snprintf(name, RSM_OBJECT_NAME_BYTES, "rsm-%" PRIu32 "-%08" PRIx32, node, id);
}

/* One write of a whole command, again after EINTR. */
static int command_write(int fd, const char *command)
{
	ssize_t done;

	do {
		done = write(fd, command, strlen(command));
	} while (done < 0 && errno == EINTR);
	return done < 0 ? -errno : 0;
}

/* The name is nobody else's, so that EEXIST after EINTR is our own directory. The umask does not count. */
static int directory_make(int mount, const char *path)
{
	bool interrupted = false;

	while (mkdirat(mount, path, MODE_PRIVATE)) {
		if (errno == EEXIST && interrupted)
			break;
		if (errno != EINTR)
			return -errno;
		interrupted = true;
	}
	while (fchmodat(mount, path, MODE_PRIVATE, 0))
		if (errno != EINTR)
			return -errno;
	return 0;
}

static int memory_prepare(struct rsm_object *object, size_t length)
{
	struct stat status;
	int error;

	while (ftruncate(object->memory, (off_t)length))
		if (errno != EINTR)
			return -errno;
	error = netmem_file_stat(object->memory, "", &status);
	if (error)
		return error;
	object->device = status.st_dev;
	object->inode = status.st_ino;
	return 0;
}

/* Opens NAME in the object's directory, unless something has failed before. */
static int part_open(const struct rsm_object *object, const char *name, int flags, int error, int *fd)
{
	if (error)
		return error;
	*fd = netmem_file_open(object->dir, name, flags | O_NOFOLLOW);
	return *fd < 0 ? *fd : 0;
}

/* Once it is owned, its size cannot be changed. What reverts to the home's copy is what a lost importer has dirtied. */
static int object_furnish(struct rsm_object *object, size_t length)
{
	int error = part_open(object, "memory", O_RDWR, 0, &object->memory);

	error = part_open(object, "control", O_WRONLY, error, &object->control);
	error = part_open(object, "signal", O_RDWR | O_NONBLOCK, error, &object->signal);
	if (!error)
		error = memory_prepare(object, length);
	if (!error)
		error = command_write(object->signal, "own\n");
	if (!error)
		error = command_write(object->control, "revert on\n");
	return error;
}

static int object_fill(int mount, size_t length, struct rsm_object *object)
{
	int error = directory_make(mount, object->path);

	if (error)
		return error;
	object->dir = netmem_file_open(mount, object->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	return object->dir < 0 ? object->dir : object_furnish(object, length);
}

int rsm_object_make(int mount, size_t length, struct rsm_object *object)
{
	int error;

	*object = (struct rsm_object){ .dir = -1, .control = -1, .memory = -1, .signal = -1 };
	error = netmem_mount_unnamed(mount, object->path);
	if (error)
		return error;
	error = object_fill(mount, length, object);
	if (error) {
		rsm_object_close(object);
		unlinkat(mount, object->path, AT_REMOVEDIR);
	}
	return error;
}

static void part_close(int *fd)
{
	if (*fd >= 0)
		netmem_file_close(*fd);
	*fd = -1;
}

void rsm_object_close(struct rsm_object *object)
{
	part_close(&object->memory);
	part_close(&object->control);
	part_close(&object->dir);
	part_close(&object->signal);
}

int rsm_object_revoke(const struct rsm_object *object)
{
	return command_write(object->control, "revoke\n");
}

/* --- who may open it ---------------------------------------------------------------------------------------------- */

static int mode_set(const struct rsm_object *object, mode_t mode)
{
	const int parts[] = { object->dir, object->memory };

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		while (fchmod(parts[i], mode))
			if (errno != EINTR)
				return -errno;
	return 0;
}

/* umask() could only tell by changing it, which other threads would see. */
rsm_permission_t rsm_object_default(void)
{
	char umask[16];

	if (netmem_file_value(AT_FDCWD, "/proc/self/status", "Umask", umask, sizeof umask))
		return MODE_PRIVATE;
	return MODE_ALL & ~(rsm_permission_t)strtoul(umask, NULL, 8);
}

static bool list_is_right(const rsmapi_access_entry_t *list, size_t length)
{
	size_t i;
	size_t k;

	for (i = 0; i < length; i++) {
		if (list[i].ae_permission & ~(rsm_permission_t)MODE_ALL)
			return false;
		for (k = 0; k < i; k++)
			if (list[k].ae_node == list[i].ae_node)
				return false;
	}
	return true;
}

static int list_set(const struct rsm_object *object, const rsmapi_access_entry_t *list, size_t length)
{
	char command[ACCESS_BYTES] = "access";
	size_t bytes = strlen(command);
	size_t i;

	if (length > ACCESS_ENTRIES_MAX || !list_is_right(list, length))
		return -EINVAL;
	for (i = 0; i < length; i++)
		bytes += (size_t)snprintf(command + bytes, sizeof command - bytes, " %" PRIu32 "=%03" PRIo32,
					  list[i].ae_node, list[i].ae_permission);
	return command_write(object->control, command);
}

/* With a list, the mode is what nodes see that are not on it: a refusal there is about the node, not about the user. */
int rsm_object_permit(const struct rsm_object *object, const rsmapi_access_entry_t *list, size_t length)
{
	int error;

	if (length > 0) {
		error = list_set(object, list, length);
		return error ? error : mode_set(object, MODE_ALL);
	}
	error = mode_set(object, rsm_object_default());
	return error ? error : command_write(object->control, "access all\n");
}

int rsm_object_publish(int mount, struct rsm_object *object, const char *name)
{
	struct stat status;
	int error = netmem_file_stat(object->dir, "", &status);

	if (!error)
		error = netmem_object_rename(mount, status.st_ino, object->path, name);
	if (error) {
		mode_set(object, MODE_PRIVATE);
		command_write(object->control, "access all\n");
	} else {
		strcpy(object->path, name);
	}
	return error;
}

/* --- its memory --------------------------------------------------------------------------------------------------- */

/* What of `length` bytes lies in the page of `offset`. */
static size_t rest_of_page(off_t offset, size_t length)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t rest = page - (size_t)offset % page;

	return rest < length ? rest : length;
}

int rsm_object_read(const struct rsm_object *object, char *to, off_t offset, size_t length)
{
	size_t chunk = CHUNK_BYTES;
	int error = 0;

	while (length > 0) {
		size_t in_page = rest_of_page(offset, length);
		size_t wanted = chunk < length ? chunk : length;
		ssize_t got = pread(object->memory, to, wanted, offset);
		size_t done = got > 0 ? (size_t)got : in_page;

		if (got == 0)
			break;
		if (got < 0 && errno == EINTR)
			continue;
		/* Of what cannot be read together, each page is tried. */
		if (got < 0 && wanted > in_page) {
			chunk = in_page;
			continue;
		}
		if (got < 0 && !error)
			error = -errno;
		chunk = CHUNK_BYTES;
		to += done;
		offset += (off_t)done;
		length -= done;
	}
	return error;
}

int rsm_object_write(const struct rsm_object *object, const char *from, off_t offset, size_t length)
{
	while (length > 0) {
		ssize_t put = pwrite(object->memory, from, length < CHUNK_BYTES ? length : CHUNK_BYTES, offset);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		from += put;
		offset += put;
		length -= (size_t)put;
	}
	return 0;
}
