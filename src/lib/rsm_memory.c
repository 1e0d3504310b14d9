#include "lib/rsm_memory.h"

#include "lib/file.h"
#include "lib/rsm.h"
#include "lib/rsm_move.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Bytes that are read of an object at once. */
#define CHUNK_BYTES ((size_t)1 << 20)

/* Pieces of the program's memory that move together. */
struct pieces {
	struct rsm_piece *all; /* has room for one more */
	size_t count;
	char *chunk; /* CHUNK_BYTES, for what is read; NULL before pieces_prepare() */
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
	pieces->chunk = NULL;
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

/* The chunk is not of malloc(), which may not store while its memory moves. */
static int pieces_prepare(struct pieces *pieces, int file)
{
	char *chunk = mmap(NULL, CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int error = 0;
	size_t i;

	if (chunk == MAP_FAILED)
		return -errno;
	pieces->chunk = chunk;
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
	if (pieces->chunk)
		munmap(pieces->chunk, CHUNK_BYTES);
	free(pieces->all);
}

static bool is_zeros(const char *bytes, size_t length)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

/* The length of the first run of pages that are not all zeros, and where it begins from *at on; 0: there is none. */
static size_t run_next(const char *chunk, size_t length, size_t *at)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t end;

	while (*at < length && is_zeros(chunk + *at, page))
		*at += page;
	for (end = *at; end < length && !is_zeros(chunk + end, page); end += page)
		continue;
	return end - *at;
}

/* Calls put() for all of the object's contents that can be read and are not zeros. The first error. */
static int contents_copy(const struct rsm_object *from, off_t offset, size_t length, char *chunk,
			 int (*put)(const void *to, const char *bytes, off_t offset, size_t length), const void *to)
{
	int error = 0;
	size_t done;

	for (done = 0; done < length; done += CHUNK_BYTES) {
		size_t bytes = length - done < CHUNK_BYTES ? length - done : CHUNK_BYTES;
		size_t at = 0;
		size_t run;
		int result;

		memset(chunk, 0, bytes);
		result = rsm_object_read(from, chunk, offset + (off_t)done, bytes);
		error = error ? error : result;
		for (; (run = run_next(chunk, bytes, &at)) > 0; at += run) {
			result = put(to, chunk + at, offset + (off_t)(done + at), run);
			error = error ? error : result;
		}
	}
	return error;
}

static int piece_put(const void *to, const char *bytes, off_t offset, size_t length)
{
	const struct rsm_piece *piece = to;

	memcpy((char *)piece->instead + (offset - piece->offset), bytes, length);
	return 0;
}

/* All that can be read, into what is to take the pieces' place, which is zeros; the first error. */
static int pieces_read(const struct pieces *pieces, const struct rsm_object *object)
{
	int error = 0;
	size_t i;

	for (i = 0; i < pieces->count; i++) {
		struct rsm_piece *piece = &pieces->all[i];
		int result = contents_copy(object, piece->offset, piece->range.length, pieces->chunk, piece_put, piece);

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

/* What is in the range; the object is all zeros so far. */
static int range_write(const struct rsm_object *object, struct rsm_range range, int table)
{
	struct rsm_range left = range;
	int error = 0;

	while (!error && left.length > 0) {
		struct rsm_range part = rsm_maps_touched(table, left);
		char *end = part.address + part.length;

		error = rsm_object_write(object, part.address, part.address - range.address, part.length);
		left = (struct rsm_range){ end, left.length - (size_t)(end - left.address) };
	}
	return error;
}

int rsm_memory_enter(struct rsm_range range, const struct rsm_object *object)
{
	struct rsm_piece piece = { .range = range, .protection = PROT_READ | PROT_WRITE };
	int error = piece_prepare(&piece, object->memory);
	int table;

	if (error)
		return error;
	table = rsm_maps_table(range);
	error = rsm_move_begin(&piece, 1);
	if (!error) {
		error = range_write(object, range, table);
		if (!error)
			error = rsm_move_put(&piece);
		rsm_move_end();
	}
	if (table >= 0)
		netmem_file_close(table);
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

static int object_put(const void *to, const char *bytes, off_t offset, size_t length)
{
	return rsm_object_write(to, bytes, offset, length);
}

int rsm_memory_change(const struct rsm_object *from, const struct rsm_object *to, size_t length)
{
	struct pieces pieces;
	int error = pieces_find(from, &pieces);

	if (error)
		return error;
	error = pieces_prepare(&pieces, to->memory);
	if (!error)
		error = rsm_move_begin(pieces.all, pieces.count);
	if (!error) {
		error = contents_copy(from, 0, length, pieces.chunk, object_put, to);
		if (!error)
			error = pieces_put(&pieces, from);
		rsm_move_end();
	}
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
