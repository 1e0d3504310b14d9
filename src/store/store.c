/*
 * store.c: two levels and an arena. A segment's pages are kept in chunks of CHUNK_PAGES, a chunk says for each page which
 * slot of the arena holds it. The arena is one mapping as large as the store may become; the system backs it page by
 * page on first touch, and takes dropped slots back with MADV_DONTNEED, so that a free slot always reads as zeros.
 */
#include "store/store.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Without memory, the entry is not added and its hh.tbl is NULL. */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(entry) ((void)(entry))
#include <uthash.h>

#include "base/check.h"
#include "msg/limits.h"

#define CHUNK_PAGES 512u
#define NO_SLOT 0u /* slots count from 1, so that a zeroed chunk has none */

struct segment_key {
	uint64_t obj;
	uint64_t seg;
};

struct chunk {
	uint64_t number; /* of its first page / CHUNK_PAGES */
	uint32_t used;
	uint32_t slots[CHUNK_PAGES];
	UT_hash_handle hh;
};

struct segment {
	struct segment_key key;
	struct chunk *chunks;
	UT_hash_handle hh;
};

struct store {
	struct segment *segments;
	uint8_t *arena;
	uint32_t *free_slots; /* a stack; as large as the arena has slots, backed as far as it is used */
	uint64_t free_count;
	uint64_t fresh_slot; /* from here on none was ever used */
	uint64_t pages_max;
	uint64_t used;
};

static void *map_reserve(uint64_t length_bytes)
{
	void *memory = mmap(NULL, length_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

int store_new(struct store **store, uint64_t pages_max)
{
	struct store *new;

	if (pages_max >= UINT32_MAX)
		return -ENOMEM;
	new = calloc(1, sizeof(*new));
	if (!new)
		return -ENOMEM;
	new->pages_max = pages_max;
	new->fresh_slot = 1;
	if (pages_max > 0) {
		new->arena = map_reserve(pages_max * PAGE_BYTES);
		if (!new->arena)
			goto err_new;
		new->free_slots = map_reserve(pages_max * sizeof(*new->free_slots));
		if (!new->free_slots)
			goto err_arena;
		/* One page touched is to cost one page. A kernel without huge pages says EINVAL, which is as good. */
		(void)madvise(new->arena, pages_max * PAGE_BYTES, MADV_NOHUGEPAGE);
	}
	*store = new;
	return 0;

err_arena:
	munmap(new->arena, pages_max * PAGE_BYTES);
err_new:
	free(new);
	return -ENOMEM;
}

static void chunk_free(struct segment *segment, struct chunk *chunk)
{
	HASH_DELETE(hh, segment->chunks, chunk);
	free(chunk);
}

static void segment_free(struct store *store, struct segment *segment)
{
	HASH_DELETE(hh, store->segments, segment);
	free(segment);
}

void store_free(struct store *store)
{
	struct segment *segment, *next_segment;
	struct chunk *chunk, *next_chunk;

	if (!store)
		return;
	HASH_ITER(hh, store->segments, segment, next_segment)
	{
		HASH_ITER(hh, segment->chunks, chunk, next_chunk)
		chunk_free(segment, chunk);
		segment_free(store, segment);
	}
	if (store->arena) {
		munmap(store->free_slots, store->pages_max * sizeof(*store->free_slots));
		munmap(store->arena, store->pages_max * PAGE_BYTES);
	}
	free(store);
}

static uint8_t *slot_bytes(const struct store *store, uint32_t slot)
{
	return store->arena + (uint64_t)(slot - 1) * PAGE_BYTES;
}

static struct segment *segment_find(const struct store *store, uint64_t obj, uint32_t seg)
{
	struct segment_key key = { .obj = obj, .seg = seg };
	struct segment *segment;

	HASH_FIND(hh, store->segments, &key, sizeof(key), segment);
	return segment;
}

static struct chunk *chunk_find(const struct segment *segment, uint64_t number)
{
	struct chunk *chunk;

	HASH_FIND(hh, segment->chunks, &number, sizeof(number), chunk);
	return chunk;
}

static struct segment *segment_add(struct store *store, uint64_t obj, uint32_t seg)
{
	struct segment *segment = calloc(1, sizeof(*segment));

	if (!segment)
		return NULL;
	segment->key = (struct segment_key){ .obj = obj, .seg = seg };
	HASH_ADD(hh, store->segments, key, sizeof(segment->key), segment);
	if (segment->hh.tbl)
		return segment;
	free(segment);
	return NULL;
}

static struct chunk *chunk_add(struct segment *segment, uint64_t number)
{
	struct chunk *chunk = calloc(1, sizeof(*chunk));

	if (!chunk)
		return NULL;
	chunk->number = number;
	HASH_ADD(hh, segment->chunks, number, sizeof(chunk->number), chunk);
	if (chunk->hh.tbl)
		return chunk;
	free(chunk);
	return NULL;
}

/* The chunk of a page, made if there is none; NULL without memory. */
static struct chunk *chunk_get(struct store *store, uint64_t obj, uint32_t seg, uint64_t number)
{
	struct segment *segment = segment_find(store, obj, seg);
	struct chunk *chunk;

	if (!segment)
		segment = segment_add(store, obj, seg);
	if (!segment)
		return NULL;
	chunk = chunk_find(segment, number);
	if (!chunk)
		chunk = chunk_add(segment, number);
	if (!chunk && !segment->chunks)
		segment_free(store, segment);
	return chunk;
}

/* There is one: store->used < store->pages_max. */
static uint32_t slot_take(struct store *store)
{
	store->used++;
	if (store->free_count > 0)
		return store->free_slots[--store->free_count];
	CHECK(store->fresh_slot <= store->pages_max);
	return (uint32_t)store->fresh_slot++;
}

int store_write(struct store *store, uint64_t obj, uint32_t seg, uint64_t page, uint32_t offset, const void *bytes,
                uint32_t length_bytes)
{
	struct segment *segment = segment_find(store, obj, seg);
	struct chunk *chunk = segment ? chunk_find(segment, page / CHUNK_PAGES) : NULL;
	uint32_t *slot = chunk ? &chunk->slots[page % CHUNK_PAGES] : NULL;

	CHECK(offset <= PAGE_BYTES && length_bytes <= PAGE_BYTES - offset);
	if (!slot || *slot == NO_SLOT) {
		if (store->used == store->pages_max)
			return -ENOSPC;
		if (!chunk)
			chunk = chunk_get(store, obj, seg, page / CHUNK_PAGES);
		if (!chunk)
			return -ENOMEM;
		slot = &chunk->slots[page % CHUNK_PAGES];
		*slot = slot_take(store);
		chunk->used++;
	}
	if (length_bytes > 0)
		memcpy(slot_bytes(store, *slot) + offset, bytes, length_bytes);
	return 0;
}

void store_read(const struct store *store, uint64_t obj, uint32_t seg, uint64_t page, uint32_t count, void *buffer)
{
	struct segment *segment = segment_find(store, obj, seg);
	struct chunk *chunk = NULL;
	uint8_t *to = buffer;

	for (uint64_t at = page; at < page + count; at++, to += PAGE_BYTES) {
		if (segment && (at == page || at % CHUNK_PAGES == 0))
			chunk = chunk_find(segment, at / CHUNK_PAGES);
		if (chunk && chunk->slots[at % CHUNK_PAGES] != NO_SLOT)
			memcpy(to, slot_bytes(store, chunk->slots[at % CHUNK_PAGES]), PAGE_BYTES);
		else
			memset(to, 0, PAGE_BYTES);
	}
}

static int compare_slots(const void *left, const void *right)
{
	const uint32_t *a = left;
	const uint32_t *b = right;

	return (*a > *b) - (*a < *b);
}

/* Gives slots back, neighbours together. The stack gets them highest first, so that the next writes go upwards. */
static void slots_release(struct store *store, uint32_t *slots, uint32_t count)
{
	uint32_t first = 0;

	qsort(slots, count, sizeof(*slots), compare_slots);
	for (uint32_t i = 1; i <= count; i++) {
		if (i < count && slots[i] == slots[i - 1] + 1)
			continue;
		CHECK(madvise(slot_bytes(store, slots[first]), (size_t)(i - first) * PAGE_BYTES, MADV_DONTNEED) == 0);
		first = i;
	}
	for (uint32_t i = count; i > 0; i--)
		store->free_slots[store->free_count++] = slots[i - 1];
	store->used -= count;
}

/* Drops what the chunk has of the pages first .. last, and the chunk itself if nothing is left. */
static void chunk_drop(struct store *store, struct segment *segment, struct chunk *chunk, uint64_t first, uint64_t last)
{
	uint64_t chunk_first = chunk->number * CHUNK_PAGES;
	uint32_t from = first > chunk_first ? (uint32_t)(first - chunk_first) : 0;
	uint32_t to = last - chunk_first < CHUNK_PAGES ? (uint32_t)(last - chunk_first) : CHUNK_PAGES - 1;
	uint32_t slots[CHUNK_PAGES];
	uint32_t count = 0;

	for (uint32_t i = from; i <= to; i++) {
		if (chunk->slots[i] == NO_SLOT)
			continue;
		slots[count++] = chunk->slots[i];
		chunk->slots[i] = NO_SLOT;
	}
	if (count > 0)
		slots_release(store, slots, count);
	chunk->used -= count;
	if (chunk->used == 0)
		chunk_free(segment, chunk);
}

void store_drop(struct store *store, uint64_t obj, uint32_t seg, uint64_t page, uint64_t count)
{
	struct segment *segment = segment_find(store, obj, seg);
	uint64_t last = count == 0 || count - 1 > UINT64_MAX - page ? UINT64_MAX : page + count - 1;
	uint64_t first_chunk = page / CHUNK_PAGES;
	uint64_t last_chunk = last / CHUNK_PAGES;
	struct chunk *chunk, *next;

	if (!segment)
		return;
	if (last_chunk - first_chunk < HASH_COUNT(segment->chunks)) {
		for (uint64_t number = first_chunk; number <= last_chunk; number++) {
			chunk = chunk_find(segment, number);
			if (chunk)
				chunk_drop(store, segment, chunk, page, last);
		}
	} else {
		HASH_ITER(hh, segment->chunks, chunk, next)
		{
			if (chunk->number >= first_chunk && chunk->number <= last_chunk)
				chunk_drop(store, segment, chunk, page, last);
		}
	}
	if (!segment->chunks)
		segment_free(store, segment);
}

uint64_t store_pages(const struct store *store)
{
	return store->used;
}
