/*
 * store.c: an arena, and for each segment a table that says which slot of the arena holds a page. The arena is one mapping as large as
 * the store may become; the system backs it page by page on first touch, and takes dropped slots back with MADV_DONTNEED, so that a
 * free slot always reads as zeros.
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
#include "base/page_table.h"
#include "msg/limits.h"

#define NO_SLOT 0u /* slots count from 1, so that a new entry has none */
#define RELEASED_AT_ONCE 512u

struct segment_key {
	uint64_t obj;
	uint64_t seg;
};

struct segment {
	struct segment_key key;
	struct page_table slots; /* uint32_t: the number of the page's slot */
	uint64_t used;           /* slots */
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

static void segment_free(struct store *store, struct segment *segment)
{
	page_table_clear(&segment->slots);
	HASH_DELETE(hh, store->segments, segment);
	free(segment);
}

void store_free(struct store *store)
{
	struct segment *segment, *next_segment;

	if (!store)
		return;
	HASH_ITER(hh, store->segments, segment, next_segment)
	segment_free(store, segment);
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

static struct segment *segment_add(struct store *store, uint64_t obj, uint32_t seg)
{
	struct segment *segment = calloc(1, sizeof(*segment));

	if (!segment)
		return NULL;
	segment->key = (struct segment_key){ .obj = obj, .seg = seg };
	page_table_init(&segment->slots, NULL, sizeof(uint32_t));
	HASH_ADD(hh, store->segments, key, sizeof(segment->key), segment);
	if (segment->hh.tbl)
		return segment;
	free(segment);
	return NULL;
}

/* Where the number of the page's slot is, made if it is nowhere; NULL without memory. */
static uint32_t *slot_make(struct store *store, struct segment *segment, uint64_t obj, uint32_t seg, uint64_t page)
{
	uint32_t *slot;

	if (!segment)
		segment = segment_add(store, obj, seg);
	if (!segment)
		return NULL;
	slot = page_table_make(&segment->slots, page);
	if (slot)
		segment->used++;
	else if (!segment->used)
		segment_free(store, segment);
	return slot;
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
	uint32_t *slot = segment ? page_table_find(&segment->slots, page) : NULL;

	CHECK(offset <= PAGE_BYTES && length_bytes <= PAGE_BYTES - offset);
	if (!slot || *slot == NO_SLOT) {
		if (store->used == store->pages_max)
			return -ENOSPC;
		slot = slot_make(store, segment, obj, seg, page);
		if (!slot)
			return -ENOMEM;
		*slot = slot_take(store);
	}
	if (length_bytes > 0)
		memcpy(slot_bytes(store, *slot) + offset, bytes, length_bytes);
	return 0;
}

void store_read(const struct store *store, uint64_t obj, uint32_t seg, uint64_t page, uint32_t count, void *buffer)
{
	struct segment *segment = segment_find(store, obj, seg);
	uint8_t *to = buffer;

	for (uint64_t at = page; at < page + count; at++, to += PAGE_BYTES) {
		const uint32_t *slot = segment ? page_table_find(&segment->slots, at) : NULL;

		if (slot && *slot != NO_SLOT)
			memcpy(to, slot_bytes(store, *slot), PAGE_BYTES);
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

struct drop {
	struct store *store;
	struct segment *segment;
	uint32_t slots[RELEASED_AT_ONCE];
	uint32_t count;
};

static void drop_release(struct drop *drop)
{
	if (!drop->count)
		return;
	slots_release(drop->store, drop->slots, drop->count);
	drop->segment->used -= drop->count;
	drop->count = 0;
}

static void drop_one(void *context, uint64_t page, void *entry)
{
	struct drop *drop = context;
	uint32_t *slot = entry;

	(void)page;
	if (*slot == NO_SLOT)
		return;
	drop->slots[drop->count++] = *slot;
	*slot = NO_SLOT;
	if (drop->count == RELEASED_AT_ONCE)
		drop_release(drop);
}

void store_drop(struct store *store, uint64_t obj, uint32_t seg, uint64_t page, uint64_t count)
{
	struct drop drop = { .store = store, .segment = segment_find(store, obj, seg) };
	uint64_t last = count == 0 || count - 1 > UINT64_MAX - page ? UINT64_MAX : page + count - 1;

	if (!drop.segment)
		return;
	page_table_each(&drop.segment->slots, page, last, drop_one, &drop);
	drop_release(&drop);
	if (!drop.segment->used)
		segment_free(store, drop.segment);
	else if (drop.segment->slots.count / 2 > drop.segment->used)
		page_table_trim(&drop.segment->slots);
}

uint64_t store_pages(const struct store *store)
{
	return store->used;
}
