/*
 * Barriers. The file system is coherent, so that what a barrier adds is that the exporter's node has what was written,
 * and that nothing failed. Order needs nothing but that the processor keeps it.
 *
 * A rsmapi_barrier_t is the program's memory, of which nothing is known before it is initialised. `privdata` then says,
 * by an address that nobody else has, that it was, for which connection of the handle `seg`, and whether it is open;
 * `gnum` is the import's count of faults at the opening.
 */
#include "lib/rsm.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Connections that are told apart. */
#define SERIALS 4096

static char marks[SERIALS][2]; /* [][1]: open; only their addresses are used */
static pthread_mutex_t barriers_lock = PTHREAD_MUTEX_INITIALIZER; /* of all barriers' contents */

bool rsm_import_is_cut_off(struct rsm_import *import)
{
	struct epoll_event event;

	if (epoll_wait(import->watch, &event, 1, 0) > 0)
		atomic_store(&import->aborted, true);
	return atomic_load(&import->aborted);
}

/* The same, by asking the node, which may not have got to telling. */
static bool import_ask(struct rsm_import *import)
{
	struct pollfd end = { .fd = import->segment.signal };

	if (poll(&end, 1, 0) > 0)
		atomic_store(&import->aborted, true);
	return atomic_load(&import->aborted);
}

int rsm_import_verdict(struct rsm_import *import, uint16_t faults)
{
	bool failed = atomic_load(&import->failed) > 0 || atomic_load(&import->faults) != faults;

	if (rsm_import_is_cut_off(import) || (failed && import_ask(import)))
		return RSMERR_CONN_ABORTED;
	if (!failed)
		return RSM_SUCCESS;
	rsm_guard_repair(import);
	return RSMERR_BARRIER_FAILURE;
}

static char *mark_of(const struct rsm_import *import, bool open)
{
	return &marks[import->serial % SERIALS][open];
}

static bool barrier_is_initialised(const rsmapi_barrier_t *state)
{
	return (uintptr_t)state->privdata - (uintptr_t)marks < sizeof marks;
}

static bool barrier_is_of(const rsmapi_barrier_t *state, const struct rsm_import *import)
{
	return state->seg == import &&
	       (state->privdata == mark_of(import, false) || state->privdata == mark_of(import, true));
}

static rsmapi_barrier_t barrier_read(const rsmapi_barrier_t *barrier)
{
	rsmapi_barrier_t state;

	pthread_mutex_lock(&barriers_lock);
	state = *barrier;
	pthread_mutex_unlock(&barriers_lock);
	return state;
}

static void barrier_write(rsmapi_barrier_t *barrier, rsmapi_barrier_t state)
{
	pthread_mutex_lock(&barriers_lock);
	*barrier = state;
	pthread_mutex_unlock(&barriers_lock);
}

/* Sets *state, and *import to that of the barrier, locked. RSMERR_*: neither. */
static int barrier_lock(const rsmapi_barrier_t *barrier, rsmapi_barrier_t *state, struct rsm_import **import)
{
	if (!barrier)
		return RSMERR_BAD_BARRIER_PTR;
	*state = barrier_read(barrier);
	if (!barrier_is_initialised(state))
		return RSMERR_BARRIER_UNINITIALIZED;
	*import = rsm_import_lock(state->seg);
	if (!*import)
		return RSMERR_BAD_SEG_HNDL;
	if (barrier_is_of(state, *import))
		return RSM_SUCCESS;
	rsm_import_unlock(*import);
	return RSMERR_BAD_SEG_HNDL;
}

int rsm_memseg_import_init_barrier(rsm_memseg_import_handle_t im_memseg, rsm_barrier_type_t type,
				   rsmapi_barrier_t *barrier)
{
	struct rsm_import *import = rsm_import_lock(im_memseg);

	(void)type; /* Each covers what any of them has to. */
	if (!import)
		return RSMERR_BAD_SEG_HNDL;
	if (barrier) {
		/* One that was initialised before is counted again: what is in it must not be looked at. */
		import->barriers++;
		barrier_write(barrier, (rsmapi_barrier_t){ .seg = import, .privdata = mark_of(import, false) });
	}
	rsm_import_unlock(import);
	return barrier ? RSM_SUCCESS : RSMERR_BAD_BARRIER_PTR;
}

/* One that is open already stays open since then. */
int rsm_memseg_import_open_barrier(rsmapi_barrier_t *barrier)
{
	rsmapi_barrier_t state;
	struct rsm_import *import;
	int code = barrier_lock(barrier, &state, &import);

	if (code)
		return code;
	if (state.privdata == mark_of(import, false)) {
		state.privdata = mark_of(import, true);
		state.gnum = import->faults;
		barrier_write(barrier, state);
	}
	rsm_import_unlock(import);
	return RSM_SUCCESS;
}

int rsm_memseg_import_order_barrier(rsmapi_barrier_t *barrier)
{
	rsmapi_barrier_t state;
	struct rsm_import *import;
	int code = barrier_lock(barrier, &state, &import);

	if (code)
		return code;
	code = state.privdata == mark_of(import, true) ? RSM_SUCCESS : RSMERR_BARRIER_NOT_OPENED;
	rsm_import_unlock(import);
	atomic_thread_fence(memory_order_seq_cst);
	return code;
}

/* Has the exporter's node get all that this node has written. */
static void import_flush(struct rsm_import *import)
{
	int result;

	do {
		result = fdatasync(import->memory);
	} while (result && errno == EINTR);
	if (result)
		atomic_fetch_add(&import->faults, 1);
}

int rsm_memseg_import_close_barrier(rsmapi_barrier_t *barrier)
{
	rsmapi_barrier_t state;
	struct rsm_import *import;
	int code = barrier_lock(barrier, &state, &import);

	if (code)
		return code;
	if (state.privdata == mark_of(import, false)) {
		rsm_import_unlock(import);
		return RSMERR_BARRIER_NOT_OPENED;
	}
	state.privdata = mark_of(import, false);
	barrier_write(barrier, state);
	rsm_import_enter(import);
	if (import->perm & RSM_PERM_WRITE)
		import_flush(import);
	code = import_ask(import) ? RSMERR_CONN_ABORTED : rsm_import_verdict(import, state.gnum);
	rsm_import_leave(import);
	return code;
}

int rsm_memseg_import_destroy_barrier(rsmapi_barrier_t *barrier)
{
	rsmapi_barrier_t state;
	struct rsm_import *import;
	int code = barrier_lock(barrier, &state, &import);

	if (code && code != RSMERR_BAD_SEG_HNDL)
		return code;
	barrier_write(barrier, (rsmapi_barrier_t){ .seg = NULL });
	if (code)
		return code;
	if (import->barriers > 0)
		import->barriers--;
	rsm_import_unlock(import);
	return RSM_SUCCESS;
}
