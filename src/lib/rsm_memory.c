#include "lib/rsm_memory.h"

#include "lib/rsm.h"
#include "lib/rsm_move.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Pieces of the program's memory that move together. */
struct pieces {
	struct rsm_piece *all; /* has room for one more */
	size_t count;
};

/* Where the object is, but for the mappings that are an import's. */
static int pieces_find(const struct rsm_object *object, struct pieces *pieces)
{
	size_t found;
	size_t i;
	int error = rsm_maps_find(object->device, object->inode, &pieces->all, &found);

	if (error)
		return error;
	pieces->count = 0;
	for (i = 0; i < found; i++)
		if (!rsm_guard_overlaps(pieces->all[i].range.address, pieces->all[i].range.length))
			pieces->all[pieces->count++] = pieces->all[i];
	return 0;
}

/* Makes what is to take the piece's place: of a file, or ordinary memory for -1. */
static int piece_prepare(struct rsm_piece *piece, int file)
{
	int flags = file < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	void *made = mmap(NULL, piece->range.length, PROT_READ | PROT_WRITE, flags, file, file < 0 ? 0 : piece->offset);

	if (made == MAP_FAILED)
		return -errno;
	piece->instead = made;
	return 0;
}

static int pieces_prepare(const struct pieces *pieces, int file)
{
	int error = 0;
	size_t i;

	for (i = 0; !error && i < pieces->count; i++)
		error = piece_prepare(&pieces->all[i], file);
	return error;
}

/* Also gives up what has not been put anywhere. */
static void pieces_free(struct pieces *pieces)
{
	size_t i;

	for (i = 0; i < pieces->count; i++)
		if (pieces->all[i].instead)
			munmap(pieces->all[i].instead, pieces->all[i].range.length);
	free(pieces->all);
}

/* All that can be read, into what is to take the pieces' place; the first error. */
static int pieces_read(const struct pieces *pieces, const struct rsm_object *object)
{
	int error = 0;
	size_t i;

	for (i = 0; i < pieces->count; i++) {
		const struct rsm_piece *piece = &pieces->all[i];
		int result = rsm_object_read(object, piece->instead, piece->offset, piece->range.length);

		error = error ? error : result;
	}
	return error;
}

/* The object is in the pieces again. One mapping takes the place of one, which finds room. */
static void pieces_restore(const struct pieces *pieces, size_t count, const struct rsm_object *object)
{
	size_t i;

	for (i = 0; i < count; i++) {
		const struct rsm_piece *piece = &pieces->all[i];

		mmap(piece->range.address, piece->range.length, piece->protection & ~PROT_WRITE, MAP_SHARED | MAP_FIXED,
		     object->memory, piece->offset);
	}
}

/* All of them, or none: then the object is in them as before. */
static int pieces_put(const struct pieces *pieces, const struct rsm_object *object)
{
	int error = 0;
	size_t i;

	for (i = 0; !error && i < pieces->count; i++)
		error = rsm_move_put(&pieces->all[i]);
	if (error)
		pieces_restore(pieces, i - 1, object);
	return error;
}

int rsm_memory_enter(struct rsm_range range, const struct rsm_object *object)
{
	struct rsm_piece piece = { .range = range, .protection = PROT_READ | PROT_WRITE };
	int error = piece_prepare(&piece, object->memory);

	if (error)
		return error;
	error = rsm_move_begin(&piece, 1);
	if (!error) {
		error = rsm_object_write(object, range.address, 0, range.length);
		if (!error)
			error = rsm_move_put(&piece);
		rsm_move_end();
	}
	if (error)
		munmap(piece.instead, range.length);
	return error;
}

int rsm_memory_leave(const struct rsm_object *object)
{
	struct pieces pieces;
	int error = pieces_find(object, &pieces);

	if (error)
		return error;
	error = pieces_prepare(&pieces, -1);
	if (!error)
		error = rsm_move_begin(pieces.all, pieces.count);
	if (!error) {
		pieces_read(&pieces, object);
		error = pieces_put(&pieces, object);
		rsm_move_end();
	}
	pieces_free(&pieces);
	return error;
}

void rsm_memory_drop(struct rsm_range range, const struct rsm_object *object)
{
	struct pieces pieces;
	size_t i;

	if (pieces_find(object, &pieces)) {
		munmap(range.address, range.length);
		return;
	}
	for (i = 0; i < pieces.count; i++)
		munmap(pieces.all[i].range.address, pieces.all[i].range.length);
	pieces_free(&pieces);
}

/* Through a mapping of its own, which the program has neither protected nor unmapped. */
static int object_copy(const struct rsm_object *to, const void *from, size_t length)
{
	int error = rsm_object_write(to, from, 0, length);

	return error == -EFAULT ? -EIO : error;
}

int rsm_memory_change(const struct rsm_object *from, const struct rsm_object *to, size_t length)
{
	struct pieces pieces;
	void *source;
	int error = pieces_find(from, &pieces);

	if (error)
		return error;
	source = mmap(NULL, length, PROT_READ, MAP_SHARED, from->memory, 0);
	error = source == MAP_FAILED ? -errno : pieces_prepare(&pieces, to->memory);
	if (!error)
		error = rsm_move_begin(pieces.all, pieces.count);
	if (!error) {
		error = object_copy(to, source, length);
		if (!error)
			error = pieces_put(&pieces, from);
		rsm_move_end();
	}
	if (source != MAP_FAILED)
		munmap(source, length);
	pieces_free(&pieces);
	return error;
}

/* --- rebind ------------------------------------------------------------------------------------------------------- */

/* As before. What the program has unmapped of the object is as the range's contents have left it. */
static void rebind_undo(const struct rsm_object *object, const struct pieces *present)
{
	size_t i;

	for (i = 0; i < present->count; i++) {
		const struct rsm_piece *piece = &present->all[i];

		mprotect(piece->range.address, piece->range.length, PROT_READ);
		rsm_object_write(object, piece->range.address, piece->offset, piece->range.length);
	}
	pieces_restore(present, present->count, object);
}

/* The present pieces have to have their copies before the object changes, for the sake of threads that load. */
static int rebind_move(const struct rsm_object *object, const struct pieces *present, struct rsm_piece *wanted)
{
	int error = pieces_read(present, object);

	if (!error)
		error = pieces_put(present, object);
	if (error)
		return error;
	error = rsm_object_write(object, wanted->range.address, 0, wanted->range.length);
	if (!error)
		error = rsm_move_put(wanted);
	if (error)
		rebind_undo(object, present);
	return error;
}

int rsm_memory_rebind(const struct rsm_object *object, struct rsm_range range)
{
	struct pieces pieces;
	struct rsm_piece *wanted;
	int error = pieces_find(object, &pieces);

	if (error)
		return error;
	wanted = &pieces.all[pieces.count];
	*wanted = (struct rsm_piece){ .range = range, .protection = PROT_READ | PROT_WRITE };
	error = pieces_prepare(&pieces, -1);
	if (!error)
		error = piece_prepare(wanted, object->memory);
	if (!error)
		error = rsm_move_begin(pieces.all, pieces.count + 1);
	if (!error) {
		error = rebind_move(object, &pieces, wanted);
		rsm_move_end();
	}
	if (wanted->instead)
		munmap(wanted->instead, range.length);
	pieces_free(&pieces);
	return error;
}
