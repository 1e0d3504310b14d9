/*
 * Controllers are mounts. One struct stands for a mount as long as a program has a handle of it or a segment made with
 * it; the loopback controller is one of its own. All that there are hang in a list, so that a handle that was given up
 * is told from a valid one without looking at its memory.
 */
#include "lib/rsm.h"

#include "lib/file.h"
#include "lib/mount.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define NAME_TYPE "netmem"
#define NAME_LOOPBACK "loopback"

/* Address space that may be mapped; the most that an offset can tell. */
#define IMPORT_BYTES_MAX ((size_t)PTRDIFF_MAX)

static pthread_mutex_t controllers_lock = PTHREAD_MUTEX_INITIALIZER;
static struct rsm_controller *controllers;

int rsm_error(int error)
{
	switch (error) {
	case 0:
		return RSM_SUCCESS;
	case -EPERM:
	case -EACCES:
	case -EROFS:
		return RSMERR_PERM_DENIED;
	case -ENOMEM:
	case -ENOSPC:
	case -EFBIG:
	case -EDQUOT:
		return RSMERR_INSUFFICIENT_MEM;
	case -EMFILE:
	case -ENFILE:
	case -EAGAIN:
	case -EBUSY:
		return RSMERR_INSUFFICIENT_RESOURCES;
	case -EINTR:
		return RSMERR_INTERRUPTED;
	case -ENOTCONN:
	case -ECONNABORTED:
	case -ENODEV:
		return RSMERR_CTLR_NOT_PRESENT;
	case -EIO:
	case -ESTALE:
	case -EHOSTUNREACH:
	case -ETIMEDOUT:
		return RSMERR_REMOTE_NODE_UNREACHABLE;
	default:
		return RSMERR_INTERNAL_ERROR;
	}
}

static int number_parse(const char *text, rsm_node_id_t *number)
{
	return sscanf(text, "%" SCNu32, number) == 1 ? 0 : -ENODATA;
}

void rsm_controller_name(rsm_node_id_t node, char name[MAXNAMELEN])
{
	snprintf(name, MAXNAMELEN, NAME_TYPE "%" PRIu32, node);
}

int rsm_controller_describe(int mount, struct rsm_controller *controller)
{
	char number[16];
	struct stat status;
	int error = netmem_file_stat(mount, "", &status);

	if (!error)
		error = netmem_file_value(mount, MOUNT_STATUS, "number", number, sizeof number);
	if (!error)
		error = number_parse(number, &controller->node);
	if (error)
		return error;
	controller->magic = RSM_MAGIC_CONTROLLER;
	controller->mount = mount;
	controller->device = status.st_dev;
	rsm_controller_name(controller->node, controller->name);
	return 0;
}

/* Opens and describes the mount of that controller. 0, -ENOENT: there is none, or why it cannot be used. */
static int controller_open(const char *name, struct rsm_controller *found)
{
	bool any = netmem_text_equal(name, NAME_TYPE) || netmem_text_equal(name, NAME_LOOPBACK);
	unsigned i;

	for (i = 0;; i++) {
		int mount = any ? netmem_mount_open(MOUNT_DEFAULT) : netmem_mount_open_nth(i);
		int error = mount < 0 ? mount : rsm_controller_describe(mount, found);

		if (!error && (any || netmem_text_equal(name, found->name)))
			return 0;
		if (mount >= 0)
			netmem_file_close(mount);
		if (any || mount == -ENOENT)
			return error;
	}
}

static struct rsm_controller *controller_find(const struct rsm_controller *like)
{
	struct rsm_controller *controller = controllers;

	while (controller && (controller->device != like->device || controller->loopback != like->loopback))
		controller = controller->next;
	return controller;
}

/* A handle of what was opened, which it takes. NULL: no memory. */
static struct rsm_controller *controller_get(struct rsm_controller *opened)
{
	struct rsm_controller *controller;

	pthread_mutex_lock(&controllers_lock);
	controller = controller_find(opened);
	if (!controller && (controller = malloc(sizeof *controller))) {
		*controller = *opened;
		controller->next = controllers;
		controllers = controller;
	} else {
		netmem_file_close(opened->mount);
	}
	if (controller)
		controller->handles++;
	pthread_mutex_unlock(&controllers_lock);
	return controller;
}

int rsm_get_controller(char *name, rsmapi_controller_handle_t *controller)
{
	struct rsm_controller opened = { .next = NULL };
	int error;

	if (!controller)
		return RSMERR_BAD_CTLR_HNDL;
	error = controller_open(name ? name : NAME_LOOPBACK, &opened);
	if (error) {
		int code = rsm_error(error);

		return code == RSMERR_PERM_DENIED || code == RSMERR_INSUFFICIENT_RESOURCES ||
				       code == RSMERR_INSUFFICIENT_MEM
			       ? code
			       : RSMERR_CTLR_NOT_PRESENT;
	}
	if (!name || netmem_text_equal(name, NAME_LOOPBACK)) {
		opened.loopback = true;
		strcpy(opened.name, NAME_LOOPBACK);
	}
	*controller = controller_get(&opened);
	return *controller ? RSM_SUCCESS : RSMERR_INSUFFICIENT_MEM;
}

/* The place in the list of a controller that a program has a handle of. Called with the lock. */
static struct rsm_controller **controller_place(rsmapi_controller_handle_t handle)
{
	struct rsm_controller **place = &controllers;

	while (*place && *place != handle)
		place = &(*place)->next;
	return *place && (*place)->handles > 0 ? place : NULL;
}

/* Called with the lock. */
static void controller_end_if_unused(struct rsm_controller *controller)
{
	struct rsm_controller **place = &controllers;

	if (controller->handles > 0 || controller->references > 0)
		return;
	while (*place != controller)
		place = &(*place)->next;
	*place = controller->next;
	netmem_file_close(controller->mount);
	free(controller);
}

int rsm_release_controller(rsmapi_controller_handle_t controller)
{
	struct rsm_controller **place;

	pthread_mutex_lock(&controllers_lock);
	place = controller_place(controller);
	if (place) {
		controller->handles--;
		controller_end_if_unused(controller);
	}
	pthread_mutex_unlock(&controllers_lock);
	return place ? RSM_SUCCESS : RSMERR_BAD_CTLR_HNDL;
}

struct rsm_controller *rsm_controller_hold(rsmapi_controller_handle_t handle)
{
	struct rsm_controller **place;

	pthread_mutex_lock(&controllers_lock);
	place = controller_place(handle);
	if (place)
		handle->references++;
	pthread_mutex_unlock(&controllers_lock);
	return place ? handle : NULL;
}

void rsm_controller_release(struct rsm_controller *controller)
{
	pthread_mutex_lock(&controllers_lock);
	controller->references--;
	controller_end_if_unused(controller);
	pthread_mutex_unlock(&controllers_lock);
}

bool rsm_node_next(char **text, struct rsm_node *node)
{
	char *line;

	while ((line = strsep(text, "\n"))) {
		char word[16];

		if (sscanf(line, "%" SCNu32 " %*s %*s %15s", &node->number, word) != 2)
			continue;
		node->self = strcmp(word, "self") == 0;
		node->up = node->self || strcmp(word, "up") == 0;
		return true;
	}
	return false;
}

bool rsm_controller_reaches(const struct rsm_controller *controller, rsm_node_id_t number)
{
	char *nodes = malloc(FILE_TEXT_BYTES);
	char *rest = nodes;
	struct rsm_node node;
	bool reaches = false;

	if (nodes && !netmem_file_read(controller->mount, MOUNT_NODES, nodes, FILE_TEXT_BYTES))
		while (!reaches && rsm_node_next(&rest, &node))
			reaches = node.number == number && node.up;
	free(nodes);
	return reaches;
}

int rsm_controller_attributes(const struct rsm_controller *controller, rsmapi_controller_attr_t *attr)
{
	const uint_t all_sizes = RSM_DAS8 | RSM_DAS16 | RSM_DAS32 | RSM_DAS64;
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	size_t export_bytes;
	struct statvfs room;

	if (fstatvfs(controller->mount, &room))
		return RSMERR_CTLR_NOT_PRESENT;
	export_bytes = room.f_blocks * room.f_frsize / page_bytes * page_bytes;
	*attr = (rsmapi_controller_attr_t){
		.attr_direct_access_sizes = all_sizes,
		.attr_atomic_sizes = all_sizes,
		.attr_page_size = page_bytes,
		.attr_max_export_segment_size = export_bytes,
		.attr_tot_export_segment_size = export_bytes,
		.attr_max_export_segments = room.f_files,
		.attr_max_import_map_size = IMPORT_BYTES_MAX / page_bytes * page_bytes,
		.attr_tot_import_map_size = IMPORT_BYTES_MAX / page_bytes * page_bytes,
		.attr_max_import_segments = room.f_files,
	};
	return RSM_SUCCESS;
}

int rsm_get_controller_attr(rsmapi_controller_handle_t chdl, rsmapi_controller_attr_t *attr)
{
	struct rsm_controller *controller = rsm_controller_hold(chdl);
	int code;

	if (!controller)
		return RSMERR_BAD_CTLR_HNDL;
	code = attr ? rsm_controller_attributes(controller, attr) : RSMERR_BAD_ADDR;
	rsm_controller_release(controller);
	return code;
}
