/*
 * An export segment is an object of the file system, whose memory is mapped in the place of the program's. The contents
 * move: into the object when the segment is made, into another object when it is unpublished (the present one is
 * revoked, which cuts its importers off), and into ordinary memory when it is destroyed.
 *
 * One lock is held for the whole of each call. So a fork, which takes it too, finds every segment in one piece.
 *
 * A forked child must neither be part of the segment nor keep it alive: its own memory takes the place of the object's,
 * and it closes its descriptors. The parent waits for that, so that the child has what was there when it was forked.
 */
#include "lib/rsm.h"

#include "lib/file.h"
#include "lib/rsm_memory.h"
#include "lib/rsm_object.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Ids that are tried before the system gives up to assign one. */
#define ASSIGN_ATTEMPTS_MAX 65536

/* The longest that a parent waits for its child to have copied the segments. */
#define FORK_WAIT_MS 10000

struct rsm_export {
	struct rsm_segment segment; /* its signal is the object's, whose own is not used */
	struct rsm_object object;
	struct rsm_range range;
	uint_t flags;
	bool published;
	struct rsm_export *next;
};

/* Of all that follows and of all exports. */
static pthread_mutex_t exports_lock = PTHREAD_MUTEX_INITIALIZER;
static struct rsm_export *exports;

/* No thread is cancelled that holds the lock, while others may wait for memory that it moves. */
static int cancel_state_before;

static void exports_take(void)
{
	int before;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	pthread_mutex_lock(&exports_lock);
	cancel_state_before = before;
}

static void exports_give(void)
{
	int before = cancel_state_before;

	pthread_mutex_unlock(&exports_lock);
	pthread_setcancelstate(before, NULL);
}

/* Unlocks, and makes a code of an error where -EFAULT is about the program's memory. */
static int exports_leave(int error)
{
	exports_give();
	return error == -EFAULT ? RSMERR_BAD_ADDR : rsm_error(error);
}

/* RSM_CREATE_SEG_DONTWAIT asks for another code where memory is what there is not enough of. */
static int shortage_code(uint_t flags, int code)
{
	return code == RSMERR_INSUFFICIENT_MEM && (flags & RSM_CREATE_SEG_DONTWAIT) ? RSMERR_INSUFFICIENT_RESOURCES
										     : code;
}

/* Locks the exports, if the handle is one of them. RSM_SUCCESS: locked. */
static int exports_enter(rsm_memseg_export_handle_t handle)
{
	const struct rsm_export *export;
	int code = RSM_SUCCESS;

	exports_take();
	for (export = exports; export && export != handle; export = export->next)
		continue;
	if (!export)
		code = RSMERR_BAD_SEG_HNDL;
	else if (export->segment.signal < 0)
		code = RSMERR_NOT_CREATOR;
	if (code)
		exports_give();
	return code;
}

/* --- fork --------------------------------------------------------------------------------------------------------- */

static int fork_pipe[2] = { -1, -1 };

static void fork_pipe_close(int end)
{
	if (fork_pipe[end] >= 0)
		netmem_file_close(fork_pipe[end]);
	fork_pipe[end] = -1;
}

static void fork_prepare(void)
{
	exports_take();
	if (exports && pipe2(fork_pipe, O_CLOEXEC))
		fork_pipe[0] = fork_pipe[1] = -1;
}

/* The child closes its end when it is done, and so does its death. */
static void fork_parent(void)
{
	struct pollfd child = { .fd = fork_pipe[0] };

	fork_pipe_close(1);
	if (child.fd >= 0)
		while (poll(&child, 1, FORK_WAIT_MS) < 0 && errno == EINTR)
			continue;
	fork_pipe_close(0);
	exports_give();
}

/* Without memory for a copy the range is empty, rather than wrong. One descriptor is free for looking where it is. */
static void export_leave_to_parent(struct rsm_export *export)
{
	if (export->segment.signal < 0)
		return;
	netmem_file_close(export->segment.signal);
	export->segment.signal = -1;
	if (rsm_memory_leave(&export->object))
		rsm_memory_drop(export->range, &export->object);
	rsm_object_close(&export->object);
	if (export->segment.events >= 0)
		netmem_file_close(export->segment.events);
	export->segment.events = -1;
	pthread_mutex_init(&export->segment.lock, NULL);
}

static void fork_child(void)
{
	struct rsm_export *export;

	for (export = exports; export; export = export->next)
		export_leave_to_parent(export);
	fork_pipe_close(0);
	fork_pipe_close(1);
	pthread_mutex_init(&exports_lock, NULL);
	pthread_setcancelstate(cancel_state_before, NULL);
}

static void fork_watch(void)
{
	pthread_atfork(fork_prepare, fork_parent, fork_child);
}

/* --- create and destroy ------------------------------------------------------------------------------------------- */

static bool is_aligned(const void *address, size_t length)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (uintptr_t)address % page == 0 && length % page == 0;
}

static int range_code(const struct rsm_controller *controller, const void *vaddr, size_t length)
{
	rsmapi_controller_attr_t attr;
	int code;

	if (!vaddr)
		return RSMERR_BAD_ADDR;
	if (length == 0)
		return RSMERR_BAD_LENGTH;
	if (!is_aligned(vaddr, length))
		return RSMERR_BAD_MEM_ALIGNMENT;
	code = rsm_controller_attributes(controller, &attr);
	if (code)
		return code;
	return length > attr.attr_max_export_segment_size ? RSMERR_BAD_LENGTH : RSM_SUCCESS;
}

/* Called with the exports' lock. */
static int export_furnish(struct rsm_export *export)
{
	int error = rsm_maps_check(export->range);

	if (!error)
		error = rsm_object_make(export->segment.controller->mount, export->range.length, &export->object);
	if (error)
		return error;
	error = rsm_memory_enter(export->range, &export->object);
	if (error) {
		rsm_object_close(&export->object);
		return error;
	}
	export->segment.signal = export->object.signal;
	export->object.signal = -1;
	return 0;
}

/* Takes the reference to the controller. */
static int export_new(struct rsm_controller *controller, struct rsm_range range, uint_t flags,
		      rsm_memseg_export_handle_t *memseg)
{
	struct rsm_export *export = calloc(1, sizeof *export);
	int error;

	if (!export) {
		rsm_controller_release(controller);
		return RSMERR_INSUFFICIENT_MEM;
	}
	export->segment.magic = RSM_MAGIC_EXPORT;
	export->segment.controller = controller;
	export->range = range;
	export->flags = flags;
	pthread_mutex_init(&export->segment.lock, NULL);
	exports_take();
	error = export_furnish(export);
	if (error) {
		rsm_controller_release(controller);
		pthread_mutex_destroy(&export->segment.lock);
		free(export);
		return shortage_code(flags, exports_leave(error));
	}
	export->next = exports;
	exports = export;
	rsm_segment_add(&export->segment);
	*memseg = export;
	return exports_leave(0);
}

int rsm_memseg_export_create(rsmapi_controller_handle_t controller, rsm_memseg_export_handle_t *memseg, void *vaddr,
			     size_t length, uint_t flags)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct rsm_controller *held = rsm_controller_hold(controller);
	int code = RSM_SUCCESS;

	if (!held)
		return RSMERR_BAD_CTLR_HNDL;
	code = memseg ? range_code(held, vaddr, length) : RSMERR_BAD_SEG_HNDL;
	if (code) {
		rsm_controller_release(held);
		return code;
	}
	pthread_once(&once, fork_watch);
	return export_new(held, (struct rsm_range){ vaddr, length }, flags, memseg);
}

static bool export_is_waited_for(struct rsm_export *export)
{
	bool waited;

	pthread_mutex_lock(&export->segment.lock);
	waited = export->segment.pollfds > 0 || export->segment.waiters > 0;
	pthread_mutex_unlock(&export->segment.lock);
	return waited;
}

/* Called with the exports' lock. */
static void export_free(struct rsm_export *export)
{
	struct rsm_export **place = &exports;

	while (*place != export)
		place = &(*place)->next;
	*place = export->next;
	rsm_segment_remove(&export->segment);
	rsm_object_revoke(&export->object);
	rsm_object_close(&export->object);
	netmem_file_close(export->segment.signal);
	rsm_controller_release(export->segment.controller);
	pthread_mutex_destroy(&export->segment.lock);
	free(export);
}

int rsm_memseg_export_destroy(rsm_memseg_export_handle_t memseg)
{
	int code = exports_enter(memseg);
	int error;

	if (code)
		return code;
	if (export_is_waited_for(memseg)) {
		exports_leave(0);
		return RSMERR_POLLFD_IN_USE;
	}
	error = rsm_memory_leave(&memseg->object);
	if (!error)
		export_free(memseg);
	return exports_leave(error);
}

/* --- rebind ------------------------------------------------------------------------------------------------------- */

static int rebind_code(const struct rsm_export *export, const void *vaddr, size_t length)
{
	if (!(export->flags & RSM_ALLOW_REBIND))
		return RSMERR_REBIND_NOT_ALLOWED;
	if (!is_aligned(vaddr, 0))
		return RSMERR_BAD_ADDR;
	return length != export->range.length ? RSMERR_BAD_LENGTH : RSM_SUCCESS;
}

int rsm_memseg_export_rebind(rsm_memseg_export_handle_t memseg, void *vaddr, offset_t off, size_t length)
{
	struct rsm_range wanted = { vaddr, length };
	int code;
	int error;

	(void)off;
	if (memseg && !vaddr)
		return RSMERR_BAD_ADDR;
	code = exports_enter(memseg);
	if (code)
		return code;
	code = rebind_code(memseg, vaddr, length);
	if (code) {
		exports_leave(0);
		return code;
	}
	error = rsm_maps_check(wanted);
	/* It is there already, unless the program has moved it away and put other memory in its place. */
	if (error == -EFAULT && vaddr == memseg->range.address)
		return exports_leave(0);
	if (!error)
		error = rsm_memory_rebind(&memseg->object, wanted);
	if (!error)
		memseg->range = wanted;
	return exports_leave(error);
}

/* --- publish ------------------------------------------------------------------------------------------------------ */

static int id_code(rsm_memseg_id_t id)
{
	return id != 0 && (id <= RSM_DLPI_ID_END || id >= RSM_USER_APP_ID_BASE) ? RSMERR_RESERVED_SEGID : RSM_SUCCESS;
}

/* With a loopback controller a segment is for the own node, list or not. */
static int export_permit(const struct rsm_export *export, const rsmapi_access_entry_t *list, size_t length)
{
	const struct rsm_controller *controller = export->segment.controller;
	rsmapi_access_entry_t here = { .ae_node = controller->node, .ae_permission = rsm_object_default() };

	if (controller->loopback && length == 0)
		return rsm_object_permit(&export->object, &here, 1);
	if (controller->loopback && (length > 1 || list[0].ae_node != controller->node))
		return -EINVAL;
	return rsm_object_permit(&export->object, list, length);
}

static int export_name(struct rsm_export *export, rsm_memseg_id_t id)
{
	const struct rsm_controller *controller = export->segment.controller;
	char name[RSM_OBJECT_NAME_BYTES];

	rsm_object_name(controller->node, id, name);
	return rsm_object_publish(controller->mount, &export->object, name);
}

/* -EEXIST if there were too many that are taken. */
static int export_name_any(struct rsm_export *export, rsm_memseg_id_t *id)
{
	static rsm_memseg_id_t next;
	int error = -EEXIST;
	int i;

	for (i = 0; i < ASSIGN_ATTEMPTS_MAX && error == -EEXIST; i++) {
		*id = RSM_USER_APP_ID_BASE | next++;
		error = export_name(export, *id);
	}
	return error;
}

/* Called with the exports' lock. */
static int export_publish(struct rsm_export *export, rsm_memseg_id_t *id, const rsmapi_access_entry_t *list,
			  size_t length)
{
	rsm_memseg_id_t assigned = 0;
	int error = export_permit(export, list, length);

	if (error)
		return error == -EINVAL ? RSMERR_BAD_ACL : rsm_error(error);
	error = *id ? export_name(export, *id) : export_name_any(export, &assigned);
	if (error == -EEXIST)
		return *id ? RSMERR_SEGID_IN_USE : RSMERR_INSUFFICIENT_RESOURCES;
	if (error)
		return rsm_error(error);
	if (!*id)
		*id = assigned;
	export->published = true;
	return RSM_SUCCESS;
}

int rsm_memseg_export_publish(rsm_memseg_export_handle_t memseg, rsm_memseg_id_t *segment_id,
			      rsmapi_access_entry_t access_list[], uint_t access_list_length)
{
	int code;

	if (!segment_id)
		return RSMERR_BAD_SEGID;
	if (memseg && access_list_length > 0 && !access_list)
		return RSMERR_BAD_ACL;
	code = exports_enter(memseg);
	if (code)
		return code;
	code = memseg->published ? RSMERR_SEG_ALREADY_PUBLISHED : id_code(*segment_id);
	if (!code)
		code = export_publish(memseg, segment_id, access_list, access_list_length);
	code = shortage_code(memseg->flags, code);
	exports_leave(0);
	return code;
}

int rsm_memseg_export_republish(rsm_memseg_export_handle_t memseg, rsmapi_access_entry_t access_list[],
				uint_t access_list_length)
{
	int code = exports_enter(memseg);
	int error;

	if (code)
		return code;
	if (!memseg->published || (access_list_length > 0 && !access_list)) {
		code = memseg->published ? RSMERR_BAD_ACL : RSMERR_SEG_NOT_PUBLISHED;
		exports_leave(0);
		return code;
	}
	error = export_permit(memseg, access_list, access_list_length);
	code = exports_leave(error);
	return error == -EINVAL ? RSMERR_BAD_ACL : code;
}

/* --- unpublish ---------------------------------------------------------------------------------------------------- */

/* Sends to the owner of an object what is pending at `from`, an end of another one. */
static void signals_forward(int from, const struct rsm_object *to)
{
	static const char post[] = "owner\n";
	char pending[4096];
	int end = netmem_file_open(to->dir, "signal", O_WRONLY | O_NOFOLLOW);
	ssize_t got;

	while (end >= 0 && (got = read(from, pending, sizeof pending)) != 0) {
		if (got < 0 && errno != EINTR)
			break;
		for (; got > 0; got--)
			while (write(end, post, sizeof post - 1) < 0 && errno == EINTR)
				continue;
	}
	if (end >= 0)
		netmem_file_close(end);
}

/*
 * The object takes the place of the segment's. What was there is open until it is revoked, so that nobody finds the
 * segment cut off, and to hand on the signals that are pending there.
 */
static void object_replace(struct rsm_export *export, struct rsm_object *object, int signal_before)
{
	struct rsm_object before = export->object;

	rsm_segment_replace_signal(&export->segment, object->signal);
	netmem_file_close(object->signal);
	object->signal = -1;
	export->object = *object;
	rsm_object_revoke(&before);
	signals_forward(signal_before, object);
	rsm_object_close(&before);
	netmem_file_close(signal_before);
}

/* Called with the exports' lock. */
static int export_unpublish(struct rsm_export *export)
{
	struct rsm_object object;
	int signal_before = netmem_file_dup(export->segment.signal);
	int error;

	if (signal_before < 0)
		return signal_before;
	error = rsm_object_make(export->segment.controller->mount, export->range.length, &object);
	if (error)
		goto err_signal;
	error = rsm_memory_change(&export->object, &object, export->range.length);
	if (error)
		goto err_object;
	object_replace(export, &object, signal_before);
	export->published = false;
	return 0;
err_object:
	rsm_object_close(&object);
err_signal:
	netmem_file_close(signal_before);
	return error;
}

int rsm_memseg_export_unpublish(rsm_memseg_export_handle_t memseg)
{
	int code = exports_enter(memseg);

	if (code)
		return code;
	if (!memseg->published) {
		exports_leave(0);
		return RSMERR_SEG_NOT_PUBLISHED;
	}
	return exports_leave(export_unpublish(memseg));
}
