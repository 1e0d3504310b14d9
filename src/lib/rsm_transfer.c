/*
 * Get and put. What has an element size goes through the handle's own mapping, one load or store for each element, so
 * that none is seen in parts; what has none goes through read and write. In the implicit mode a put has the pages that
 * it changed written back, and returns when the exporter's node has them.
 *
 * A transfer that fails counts as a fault. In the implicit mode the verdict follows at once, in the explicit mode with
 * the next barrier.
 */
#include "lib/rsm.h"

#include "lib/rsm_copy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

/* Bytes that are swapped at a time where the segment cannot be mapped; a multiple of all widths. */
#define BOUNCE_BYTES 512

struct rsm_localmemory {
	_Atomic enum rsm_magic magic; /* 0: in the list of spare ones */
	char *address;
	size_t length;
	struct rsm_localmemory *next; /* spare */
};

/* As with imports, so that a handle that was freed is told from a good one. */
static struct rsm_localmemory *spare;
static pthread_mutex_t spare_lock = PTHREAD_MUTEX_INITIALIZER;

struct transfer {
	/* What is asked for. */
	off_t offset;
	char *data;
	size_t length;
	unsigned width;        /* bytes of an element */
	rsm_permission_t perm; /* READ: get, WRITE: put */
	bool scattered;
	/* Of the import, when the transfer began. */
	struct rsm_import *import;
	char *window;          /* NULL: through read and write */
	bool implicit;
	uint16_t faults;
};

static bool put(const struct transfer *transfer)
{
	return transfer->perm == RSM_PERM_WRITE;
}

/* While there is a mapping only that may be copied. */
static int range_verify(const struct rsm_import *import, const struct transfer *transfer)
{
	size_t start = import->address ? import->mapped_offset : 0;
	size_t length = import->address ? import->mapped_length : import->length;
	size_t offset = (size_t)transfer->offset - start;

	if (transfer->offset >= 0 && offset <= length && transfer->length <= length - offset)
		return RSM_SUCCESS;
	return import->address ? RSMERR_BAD_OFFSET : RSMERR_BAD_LENGTH;
}

/* Called with the lock. */
static int import_verify(const struct rsm_import *import, const struct transfer *transfer)
{
	int code;

	if (!(import->perm & transfer->perm))
		return RSMERR_PERM_DENIED;
	code = range_verify(import, transfer);
	if (!code && import->mode == RSM_BARRIER_MODE_IMPLICIT && import->barriers == 0 && !transfer->scattered)
		code = RSMERR_BARRIER_UNINITIALIZED;
	return code;
}

/* RSM_SUCCESS: transfer_end() has to follow. */
static int transfer_begin(rsm_memseg_import_handle_t handle, struct transfer *transfer)
{
	struct rsm_import *import;
	int code;

	if (!handle)
		return RSMERR_BAD_SEG_HNDL;
	if (!transfer->data)
		return RSMERR_BAD_ADDR;
	if (((uintptr_t)transfer->data | (size_t)transfer->offset) & (transfer->width - 1))
		return RSMERR_BAD_MEM_ALIGNMENT;
	import = rsm_import_lock(handle);
	if (!import)
		return RSMERR_BAD_SEG_HNDL;
	code = import_verify(import, transfer);
	if (code) {
		rsm_import_unlock(import);
		return code;
	}
	transfer->import = import;
	transfer->implicit = import->mode == RSM_BARRIER_MODE_IMPLICIT;
	transfer->faults = import->faults;
	transfer->window = transfer->width > 1 ? rsm_import_window(import) : NULL;
	rsm_import_enter(import);
	return RSM_SUCCESS;
}

/* `error` is 0 or a negative errno. */
static int transfer_end(const struct transfer *transfer, int error)
{
	int code = error == -EFAULT ? RSMERR_BAD_ADDR : RSM_SUCCESS;

	if (error && !code)
		atomic_fetch_add(&transfer->import->faults, 1);
	if (!code && transfer->implicit)
		code = rsm_import_verdict(transfer->import, transfer->faults);
	rsm_import_leave(transfer->import);
	return code;
}

/* --- through read and write -------------------------------------------------------------------------------------- */

static ssize_t bytes_move_some(const struct transfer *transfer, size_t done, char *data, size_t length)
{
	struct iovec local = { .iov_base = data, .iov_len = length };
	off_t offset = transfer->offset + (off_t)done;

	if (put(transfer))
		return pwritev2(transfer->import->memory, &local, 1, offset, transfer->implicit ? RWF_DSYNC : 0);
	return preadv(transfer->import->source, &local, 1, offset);
}

/* `length` bytes between `data` and what lies `done` bytes into the transfer. */
static int bytes_move(const struct transfer *transfer, size_t done, char *data, size_t length)
{
	while (length > 0) {
		ssize_t moved = bytes_move_some(transfer, done, data, length);

		if (moved < 0 && errno == EINTR)
			continue;
		if (moved <= 0)
			return moved ? -errno : -EIO;
		done += (size_t)moved;
		data += moved;
		length -= (size_t)moved;
	}
	return 0;
}

/* --- through the window ------------------------------------------------------------------------------------------ */

/* Between the transfer's data, from byte `done` on, and `there`, which is memory of the library. */
static int elements_move(const struct transfer *transfer, size_t done, void *there, size_t length)
{
	return rsm_copy_elements(&(struct rsm_copy){
		.program = transfer->data + done,
		.library = there,
		.length = length,
		.width = transfer->width,
		.swapped = transfer->import->swapped,
		.get = !put(transfer)
	});
}

/* What the program may not read is not mapped. */
static int elements_move_without_window(const struct transfer *transfer)
{
	uint64_t bounce[BOUNCE_BYTES / sizeof(uint64_t)];
	size_t done;
	size_t length;
	int error = 0;

	for (done = 0; !error && done < transfer->length; done += length) {
		length = transfer->length - done < sizeof bounce ? transfer->length - done : sizeof bounce;
		if (put(transfer))
			error = elements_move(transfer, done, bounce, length);
		if (!error)
			error = bytes_move(transfer, done, (char *)bounce, length);
		if (!error && !put(transfer))
			error = elements_move(transfer, done, bounce, length);
	}
	return error;
}

/* Has the exporter's node get the pages around what was stored. */
static int window_flush(const struct transfer *transfer)
{
	size_t unaligned = (size_t)transfer->offset & ((size_t)sysconf(_SC_PAGESIZE) - 1);
	int result;

	do {
		result = msync(transfer->window + transfer->offset - unaligned, transfer->length + unaligned, MS_SYNC);
	} while (result && errno == EINTR);
	return result ? -errno : 0;
}

static int window_move(const struct transfer *transfer)
{
	int error = elements_move(transfer, 0, transfer->window + transfer->offset, transfer->length);

	return !error && put(transfer) && transfer->implicit ? window_flush(transfer) : error;
}

static int transfer_do(rsm_memseg_import_handle_t handle, struct transfer *transfer)
{
	int error;
	int code = transfer_begin(handle, transfer);

	if (code)
		return code;
	if (transfer->width == 1)
		error = bytes_move(transfer, 0, transfer->data, transfer->length);
	else if (transfer->window)
		error = window_move(transfer);
	else
		error = elements_move_without_window(transfer);
	return transfer_end(transfer, error);
}

static size_t elements_bytes(ulong_t count, unsigned width)
{
	size_t bytes;

	return __builtin_mul_overflow(count, width, &bytes) ? SIZE_MAX : bytes;
}

static int elements_get(rsm_memseg_import_handle_t handle, off_t offset, void *data, unsigned width, ulong_t count)
{
	struct transfer transfer = {
		.offset = offset,
		.data = data,
		.length = elements_bytes(count, width),
		.width = width,
		.perm = RSM_PERM_READ,
	};

	return transfer_do(handle, &transfer);
}

static int elements_put(rsm_memseg_import_handle_t handle, off_t offset, void *data, unsigned width, ulong_t count)
{
	struct transfer transfer = {
		.offset = offset,
		.data = data,
		.length = elements_bytes(count, width),
		.width = width,
		.perm = RSM_PERM_WRITE,
	};

	return transfer_do(handle, &transfer);
}

int rsm_memseg_import_get8(rsm_memseg_import_handle_t im_memseg, off_t offset, uint8_t *datap, ulong_t rep_cnt)
{
	return elements_get(im_memseg, offset, datap, sizeof *datap, rep_cnt);
}

int rsm_memseg_import_get16(rsm_memseg_import_handle_t im_memseg, off_t offset, uint16_t *datap, ulong_t rep_cnt)
{
	return elements_get(im_memseg, offset, datap, sizeof *datap, rep_cnt);
}

int rsm_memseg_import_get32(rsm_memseg_import_handle_t im_memseg, off_t offset, uint32_t *datap, ulong_t rep_cnt)
{
	return elements_get(im_memseg, offset, datap, sizeof *datap, rep_cnt);
}

int rsm_memseg_import_get64(rsm_memseg_import_handle_t im_memseg, off_t offset, uint64_t *datap, ulong_t rep_cnt)
{
	return elements_get(im_memseg, offset, datap, sizeof *datap, rep_cnt);
}

int rsm_memseg_import_put8(rsm_memseg_import_handle_t im_memseg, off_t offset, uint8_t *datap, ulong_t rep_cnt)
{
	return elements_put(im_memseg, offset, datap, sizeof *datap, rep_cnt);
}

int rsm_memseg_import_put16(rsm_memseg_import_handle_t im_memseg, off_t offset, uint16_t *datap, ulong_t rep_cnt)
{
	return elements_put(im_memseg, offset, datap, sizeof *datap, rep_cnt);
}

int rsm_memseg_import_put32(rsm_memseg_import_handle_t im_memseg, off_t offset, uint32_t *datap, ulong_t rep_cnt)
{
	return elements_put(im_memseg, offset, datap, sizeof *datap, rep_cnt);
}

int rsm_memseg_import_put64(rsm_memseg_import_handle_t im_memseg, off_t offset, uint64_t *datap, ulong_t rep_cnt)
{
	return elements_put(im_memseg, offset, datap, sizeof *datap, rep_cnt);
}

int rsm_memseg_import_get(rsm_memseg_import_handle_t im_memseg, off_t offset, void *dst_addr, size_t length)
{
	return elements_get(im_memseg, offset, dst_addr, 1, length);
}

int rsm_memseg_import_put(rsm_memseg_import_handle_t im_memseg, off_t offset, void *src_addr, size_t length)
{
	return elements_put(im_memseg, offset, src_addr, 1, length);
}

/* --- scattered --------------------------------------------------------------------------------------------------- */

static bool localmemory_valid(const struct rsm_localmemory *memory)
{
	return memory && memory->magic == RSM_MAGIC_LOCALMEMORY;
}

/* Where the entry's data is in the program. RSMERR_*: nowhere. */
static int entry_locate(const rsm_iovec_t *entry, char **data)
{
	const struct rsm_localmemory *memory = entry->local.handle;

	switch (entry->io_type) {
	case RSM_VA_TYPE:
		if (!entry->local.vaddr)
			return RSMERR_BAD_ADDR;
		*data = entry->local.vaddr + entry->local_offset;
		return RSM_SUCCESS;
	case RSM_HANDLE_TYPE:
		if (!localmemory_valid(memory))
			return RSMERR_BAD_LOCALMEM_HNDL;
		if (entry->local_offset > memory->length ||
		    entry->transfer_length > memory->length - entry->local_offset)
			return RSMERR_BAD_LENGTH;
		*data = memory->address + entry->local_offset;
		return RSM_SUCCESS;
	default:
		return RSMERR_BAD_SGIO;
	}
}

static int entry_move(rsm_memseg_import_handle_t handle, const rsm_iovec_t *entry, rsm_permission_t perm)
{
	struct transfer transfer = {
		.offset = (off_t)entry->remote_offset,
		.length = entry->transfer_length,
		.width = 1,
		.perm = perm,
		.scattered = true,
	};
	int code = entry_locate(entry, &transfer.data);

	return code ? code : transfer_do(handle, &transfer);
}

static int entries_move(rsm_scat_gath_t *sg_io, rsm_permission_t perm)
{
	rsm_memseg_import_handle_t handle;
	ulong_t i;

	if (!sg_io || sg_io->io_request_count == 0 || sg_io->io_request_count > RSM_MAX_SGIOREQS || !sg_io->iovec)
		return RSMERR_BAD_SGIO;
	handle = sg_io->remote_handle;
	if (!handle)
		return RSMERR_BAD_SEG_HNDL;
	for (i = 0; i < sg_io->io_request_count; i++) {
		int code = entry_move(handle, &sg_io->iovec[i], perm);

		sg_io->io_residual_count = sg_io->io_request_count - i - !code;
		if (code)
			return code;
	}
	if (!(sg_io->flags & RSM_IMPLICIT_SIGPOST))
		return RSM_SUCCESS;
	return rsm_intr_signal_post(handle, sg_io->flags & RSM_SIGPOST_NO_ACCUMULATE);
}

int rsm_memseg_import_getv(rsm_scat_gath_t *sg_io)
{
	return entries_move(sg_io, RSM_PERM_READ);
}

int rsm_memseg_import_putv(rsm_scat_gath_t *sg_io)
{
	return entries_move(sg_io, RSM_PERM_WRITE);
}

static struct rsm_localmemory *localmemory_alloc(void)
{
	struct rsm_localmemory *memory;

	pthread_mutex_lock(&spare_lock);
	memory = spare;
	if (memory)
		spare = memory->next;
	pthread_mutex_unlock(&spare_lock);
	return memory ? memory : calloc(1, sizeof *memory);
}

static bool controller_valid(rsmapi_controller_handle_t handle)
{
	struct rsm_controller *controller = rsm_controller_hold(handle);

	if (controller)
		rsm_controller_release(controller);
	return controller;
}

int rsm_create_localmemory_handle(rsmapi_controller_handle_t cntrl_handle, rsm_localmemory_handle_t *local_hndl_p,
				  caddr_t local_vaddr, size_t length)
{
	struct rsm_localmemory *memory;

	if (!local_vaddr || ((uintptr_t)local_vaddr & ((size_t)sysconf(_SC_PAGESIZE) - 1)))
		return RSMERR_BAD_ADDR;
	if (!controller_valid(cntrl_handle))
		return RSMERR_BAD_CTLR_HNDL;
	if (!local_hndl_p)
		return RSMERR_BAD_LOCALMEM_HNDL;
	if (length == 0)
		return RSMERR_BAD_LENGTH;
	memory = localmemory_alloc();
	if (!memory)
		return RSMERR_INSUFFICIENT_MEM;
	memory->address = local_vaddr;
	memory->length = length;
	memory->magic = RSM_MAGIC_LOCALMEMORY;
	*local_hndl_p = memory;
	return RSM_SUCCESS;
}

int rsm_free_localmemory_handle(rsmapi_controller_handle_t cntrl_handle, rsm_localmemory_handle_t local_handle)
{
	bool valid;

	if (!controller_valid(cntrl_handle))
		return RSMERR_BAD_CTLR_HNDL;
	pthread_mutex_lock(&spare_lock);
	valid = localmemory_valid(local_handle);
	if (valid) {
		local_handle->magic = 0;
		local_handle->next = spare;
		spare = local_handle;
	}
	pthread_mutex_unlock(&spare_lock);
	return valid ? RSM_SUCCESS : RSMERR_BAD_LOCALMEM_HNDL;
}
