/*
 * An import is a segment's `memory` and `signal`, opened through one descriptor of its directory, so that both are of
 * one segment also when the name changes hands meanwhile.
 *
 * Handles are not given back to malloc but used again: a call that comes too late, or while another thread disconnects,
 * finds a handle that says so. Disconnecting waits for the calls that are under way.
 */
#include "lib/rsm.h"

#include "lib/file.h"
#include "lib/rsm_move.h"
#include "lib/rsm_object.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct rsm_segment *spare; /* imports that are disconnected */
static pthread_mutex_t spare_lock = PTHREAD_MUTEX_INITIALIZER;

static struct rsm_import *import_alloc(void)
{
	struct rsm_import *import;

	pthread_mutex_lock(&spare_lock);
	import = (struct rsm_import *)spare;
	if (import)
		spare = import->segment.next;
	pthread_mutex_unlock(&spare_lock);
	if (import)
		return import;
	import = calloc(1, sizeof *import);
	if (!import)
		return NULL;
	pthread_mutex_init(&import->segment.lock, NULL);
	pthread_cond_init(&import->idle, NULL);
	return import;
}

static void import_free(struct rsm_import *import)
{
	pthread_mutex_lock(&spare_lock);
	import->segment.next = spare;
	spare = &import->segment;
	pthread_mutex_unlock(&spare_lock);
}

struct rsm_import *rsm_import_lock(rsm_memseg_import_handle_t handle)
{
	struct rsm_segment *segment = rsm_segment_lock(handle);

	if (!segment)
		return NULL;
	if (segment->magic == RSM_MAGIC_IMPORT)
		return (struct rsm_import *)segment;
	pthread_mutex_unlock(&segment->lock);
	return NULL;
}

void rsm_import_unlock(struct rsm_import *import)
{
	pthread_mutex_unlock(&import->segment.lock);
}

void rsm_import_enter(struct rsm_import *import)
{
	import->users++;
	rsm_import_unlock(import);
}

void rsm_import_leave(struct rsm_import *import)
{
	pthread_mutex_lock(&import->segment.lock);
	if (--import->users == 0)
		pthread_cond_broadcast(&import->idle);
	rsm_import_unlock(import);
}

/* RSMERR_* for a negative errno of opening a segment; `name_known`: its name was there a moment ago. */
static int open_code(const struct rsm_import *import, const char *name, bool name_known, int error)
{
	const struct rsm_controller *controller = import->segment.controller;
	struct stat status;

	switch (error) {
	case -EPERM:
		return RSMERR_SEG_NOT_PUBLISHED_TO_NODE;
	case -EIO:
		/* It is gone, or its node does not answer; then the name stays. */
		if (netmem_file_stat(controller->mount, name, &status) != -ENOENT)
			return RSMERR_REMOTE_NODE_UNREACHABLE;
		/* fall through */
	case -ENOENT:
	case -ESTALE:
		if (!rsm_controller_reaches(controller, import->node))
			return RSMERR_REMOTE_NODE_UNREACHABLE;
		return name_known ? RSMERR_INTERRUPTED : RSMERR_SEG_NOT_PUBLISHED;
	default:
		return rsm_error(error);
	}
}

/* The kernel maps no file that cannot be read, so a program that only writes gets more where it may. */
static int memory_open(int directory, rsm_permission_t perm)
{
	int memory = netmem_file_open(directory, "memory", (perm == RSM_PERM_READ ? O_RDONLY : O_RDWR) | O_NOFOLLOW);

	if (memory == -EACCES && perm == RSM_PERM_WRITE)
		memory = netmem_file_open(directory, "memory", O_WRONLY | O_NOFOLLOW);
	return memory;
}

/* What get reads from: several pages at once, also where the exporter uses them. */
static int source_open(int directory, rsm_permission_t perm)
{
	return perm & RSM_PERM_READ ? netmem_file_open(directory, "memory", O_RDONLY | O_NONBLOCK | O_NOFOLLOW) : -1;
}

static void source_close(const struct rsm_import *import)
{
	if (import->source >= 0)
		netmem_file_close(import->source);
}

/* Nobody gets more than the node was given, not even root. */
static bool mode_allows(mode_t mode, rsm_permission_t perm)
{
	return (!(perm & RSM_PERM_READ) || (mode & 0444)) && (!(perm & RSM_PERM_WRITE) || (mode & 0222));
}

static int details_read(struct rsm_import *import, int directory)
{
	char order[16];
	struct stat status;
	int error = netmem_file_stat(import->memory, "", &status);

	if (!error && !mode_allows(status.st_mode, import->perm))
		error = -EACCES;
	if (!error)
		error = netmem_file_value(directory, "status", "byte-order", order, sizeof order);
	if (error)
		return error;
	import->length = (size_t)status.st_size;
	import->swapped = strcmp(order, __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? "little" : "big") != 0;
	return 0;
}

/* Opens what the segment has. 0 or a negative errno, and then nothing is open. */
static int parts_open(struct rsm_import *import, int directory)
{
	int error;

	import->segment.signal = netmem_file_open(directory, "signal", O_RDWR | O_NONBLOCK | O_NOFOLLOW);
	if (import->segment.signal < 0)
		return import->segment.signal;
	error = import->memory = memory_open(directory, import->perm);
	if (error < 0)
		goto err_signal;
	error = import->source = source_open(directory, import->perm);
	if (error < 0 && import->perm & RSM_PERM_READ)
		goto err_memory;
	/* Nothing is asked for, so that only a cut makes it ready. */
	error = import->watch = rsm_epoll_open(import->segment.signal, 0);
	if (error < 0)
		goto err_source;
	error = details_read(import, directory);
	if (!error)
		return 0;
	netmem_file_close(import->watch);
err_source:
	source_close(import);
err_memory:
	netmem_file_close(import->memory);
err_signal:
	netmem_file_close(import->segment.signal);
	return error;
}

static void state_reset(struct rsm_import *import)
{
	import->segment.pollfds = 0;
	import->segment.waiters = 0;
	import->mode = RSM_BARRIER_MODE_IMPLICIT;
	import->barriers = 0;
	import->window = NULL;
	import->address = NULL;
	import->users = 0;
	import->aborted = false;
	import->failed = 0;
	import->faults = 0;
	import->serial++;
}

static int import_open(struct rsm_import *import, rsm_memseg_id_t id)
{
	char name[RSM_OBJECT_NAME_BYTES];
	int directory;
	int error;

	rsm_object_name(import->node, id, name);
	directory = netmem_file_open(import->segment.controller->mount, name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
	if (directory < 0)
		return open_code(import, name, false, directory);
	error = parts_open(import, directory);
	netmem_file_close(directory);
	return error ? open_code(import, name, true, error) : RSM_SUCCESS;
}

static int perm_check(rsm_permission_t perm)
{
	return perm == RSM_PERM_NONE || (perm & ~(rsm_permission_t)RSM_PERM_RDWR);
}

int rsm_memseg_import_connect(rsmapi_controller_handle_t controller, rsm_node_id_t node_id, rsm_memseg_id_t segment_id,
			      rsm_permission_t perm, rsm_memseg_import_handle_t *im_memseg)
{
	struct rsm_controller *held = rsm_controller_hold(controller);
	struct rsm_import *import = NULL;
	int code;

	if (!held)
		return RSMERR_BAD_CTLR_HNDL;
	if (!im_memseg)
		code = RSMERR_BAD_SEG_HNDL;
	else if (held->loopback && node_id != held->node)
		code = RSMERR_CTLR_NOT_PRESENT;
	else if (perm_check(perm))
		code = RSMERR_PERM_DENIED;
	else if (!(import = import_alloc()))
		code = RSMERR_INSUFFICIENT_MEM;
	else
		code = RSM_SUCCESS;
	if (code)
		goto err_held;
	import->segment.controller = held;
	import->node = node_id;
	import->perm = perm;
	code = import_open(import, segment_id);
	if (code)
		goto err_import;
	rsm_guard_watch();
	rsm_move_watch();
	state_reset(import);
	import->segment.magic = RSM_MAGIC_IMPORT;
	rsm_segment_add(&import->segment);
	*im_memseg = import;
	return RSM_SUCCESS;
err_import:
	import_free(import);
err_held:
	rsm_controller_release(held);
	return code;
}

static void mapping_remove(struct rsm_import *import, char *address, size_t length)
{
	rsm_guard_remove(import, address);
	munmap(address, length);
}

int rsm_memseg_import_disconnect(rsm_memseg_import_handle_t im_memseg)
{
	struct rsm_import *import = rsm_import_lock(im_memseg);
	int code = RSM_SUCCESS;

	if (!import)
		return RSMERR_BAD_SEG_HNDL;
	if (import->address)
		code = RSMERR_SEG_STILL_MAPPED;
	else if (import->segment.pollfds > 0 || import->segment.waiters > 0)
		code = RSMERR_POLLFD_IN_USE;
	if (code) {
		rsm_import_unlock(import);
		return code;
	}
	import->segment.magic = RSM_MAGIC_DISCONNECTED;
	while (import->users > 0)
		pthread_cond_wait(&import->idle, &import->segment.lock);
	rsm_import_unlock(import);
	rsm_segment_remove(&import->segment);
	if (import->window)
		mapping_remove(import, import->window, import->length);
	netmem_file_close(import->watch);
	source_close(import);
	netmem_file_close(import->memory);
	netmem_file_close(import->segment.signal);
	rsm_controller_release(import->segment.controller);
	import_free(import);
	return RSM_SUCCESS;
}

struct mapping {
	char *address;   /* NULL: anywhere */
	size_t length;
	rsm_permission_t perm;
	off_t offset;
};

static int perm_protection(rsm_permission_t perm)
{
	return (perm & RSM_PERM_READ ? PROT_READ : 0) | (perm & RSM_PERM_WRITE ? PROT_WRITE : 0);
}

/* Maps and guards; mapping->address is set. 0 or a negative errno. */
static int mapping_add(struct rsm_import *import, struct mapping *mapping)
{
	int protection = perm_protection(mapping->perm);
	int flags = MAP_SHARED | (mapping->address ? MAP_FIXED : 0);
	char *address = mmap(mapping->address, mapping->length, protection, flags, import->memory, mapping->offset);

	if (address == MAP_FAILED)
		return -errno;
	if (rsm_guard_add(import, address, mapping->length, protection, mapping->offset)) {
		munmap(address, mapping->length);
		return -ENOMEM;
	}
	mapping->address = address;
	return 0;
}

char *rsm_import_window(struct rsm_import *import)
{
	struct mapping mapping = { .length = import->length, .perm = import->perm };

	if (!import->window && !mapping_add(import, &mapping))
		import->window = mapping.address;
	return import->window;
}

static int map_code(int error, bool anywhere)
{
	switch (error) {
	case 0:
		return RSM_SUCCESS;
	case -ENOMEM:
		return anywhere ? RSMERR_INSUFFICIENT_MEM : RSMERR_BAD_ADDR;
	case -EPERM:
	case -EINVAL:
	case -EEXIST:
		return anywhere ? RSMERR_MAP_FAILED : RSMERR_BAD_ADDR;
	default:
		return RSMERR_MAP_FAILED;
	}
}

/* What is wrong with mapping that, once it is known that there is no other. */
static int mapping_verify(struct rsm_import *import, const struct mapping *mapping, bool anywhere)
{
	size_t unaligned = (size_t)sysconf(_SC_PAGESIZE) - 1;

	if (perm_check(mapping->perm) || (mapping->perm & ~import->perm))
		return RSMERR_BAD_PERMS;
	if (mapping->length == 0)
		return RSMERR_BAD_LENGTH;
	if (mapping->offset < 0)
		return RSMERR_BAD_OFFSET;
	if ((size_t)mapping->offset > import->length || mapping->length > import->length - (size_t)mapping->offset)
		return RSMERR_BAD_LENGTH;
	if (((size_t)mapping->offset & unaligned) || ((uintptr_t)mapping->address & unaligned))
		return RSMERR_BAD_MEM_ALIGNMENT;
	if (!anywhere && (!mapping->address || rsm_guard_overlaps(mapping->address, mapping->length)))
		return RSMERR_BAD_ADDR;
	return rsm_import_is_cut_off(import) ? RSMERR_CONN_ABORTED : RSM_SUCCESS;
}

int rsm_memseg_import_map(rsm_memseg_import_handle_t im_memseg, void **address, rsm_attribute_t attr,
			  rsm_permission_t perm, off_t offset, size_t length)
{
	bool anywhere = !(attr & (RSM_MAP_FIXED | RSM_MAP_RESERVED));
	struct mapping mapping = { .length = length, .perm = perm, .offset = offset };
	struct rsm_import *import;
	int code;

	if (!im_memseg)
		return RSMERR_BAD_SEG_HNDL;
	if (!address)
		return RSMERR_BAD_ADDR;
	import = rsm_import_lock(im_memseg);
	if (!import && im_memseg->segment.magic == RSM_MAGIC_DISCONNECTED)
		return RSMERR_SEG_NOT_CONNECTED;
	if (!import)
		return RSMERR_BAD_SEG_HNDL;
	if (!anywhere)
		mapping.address = *address;
	code = import->address ? RSMERR_SEG_ALREADY_MAPPED : mapping_verify(import, &mapping, anywhere);
	if (!code)
		code = map_code(mapping_add(import, &mapping), anywhere);
	if (!code) {
		import->address = mapping.address;
		import->mapped_offset = (size_t)offset;
		import->mapped_length = length;
		*address = mapping.address;
	}
	rsm_import_unlock(import);
	return code;
}

int rsm_memseg_import_unmap(rsm_memseg_import_handle_t im_memseg)
{
	struct rsm_import *import = rsm_import_lock(im_memseg);
	bool mapped;

	if (!import)
		return RSMERR_BAD_SEG_HNDL;
	mapped = import->address;
	if (mapped)
		mapping_remove(import, import->address, import->mapped_length);
	import->address = NULL;
	rsm_import_unlock(import);
	return mapped ? RSM_SUCCESS : RSMERR_SEG_NOT_MAPPED;
}

int rsm_memseg_import_get_mode(rsm_memseg_import_handle_t im_memseg, rsm_barrier_mode_t *mode)
{
	struct rsm_import *import = rsm_import_lock(im_memseg);

	if (!import)
		return RSMERR_BAD_SEG_HNDL;
	if (mode)
		*mode = import->mode;
	rsm_import_unlock(import);
	return mode ? RSM_SUCCESS : RSMERR_BAD_MODE;
}

int rsm_memseg_import_set_mode(rsm_memseg_import_handle_t im_memseg, rsm_barrier_mode_t mode)
{
	struct rsm_import *import = rsm_import_lock(im_memseg);
	bool known = mode == RSM_BARRIER_MODE_IMPLICIT || mode == RSM_BARRIER_MODE_EXPLICIT;

	if (!import)
		return RSMERR_BAD_SEG_HNDL;
	if (known)
		import->mode = mode;
	rsm_import_unlock(import);
	return known ? RSM_SUCCESS : RSMERR_BAD_MODE;
}
