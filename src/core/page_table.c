#include "core/page_table.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "core/bus.h"

#define CHUNK_PAGES 32u

struct page_chunk {
	uint64_t number;
	UT_hash_handle hh;
	_Alignas(8) unsigned char entries[];
};

static size_t chunk_bytes(const struct page_table *table)
{
	return sizeof(struct page_chunk) + CHUNK_PAGES * table->entry_bytes;
}

void page_table_init(struct page_table *table, struct bus *bus, size_t entry_bytes)
{
	*table = (struct page_table){.bus = bus, .entry_bytes = entry_bytes};
}

static void chunk_free(struct page_table *table, struct page_chunk *chunk)
{
	HASH_DEL(table->chunks, chunk);
	if (table->last_found == chunk)
		table->last_found = NULL;
	free(chunk);
	bus_give_books(table->bus, chunk_bytes(table));
}

void page_table_clear(struct page_table *table)
{
	struct page_chunk *chunk, *after;

	HASH_ITER(hh, table->chunks, chunk, after)
	chunk_free(table, chunk);
}

static bool all_zero(const unsigned char *bytes, size_t length)
{
	return !length || (!bytes[0] && !memcmp(bytes, bytes + 1, length - 1));
}

void page_table_trim(struct page_table *table)
{
	struct page_chunk *chunk, *after;

	HASH_ITER(hh, table->chunks, chunk, after)
	if (all_zero(chunk->entries, CHUNK_PAGES * table->entry_bytes))
		chunk_free(table, chunk);
}

static struct page_chunk *chunk_find(struct page_table *table, uint64_t number)
{
	struct page_chunk *chunk = table->last_found;

	if (chunk && chunk->number == number)
		return chunk;
	HASH_FIND(hh, table->chunks, &number, sizeof(number), chunk);
	if (chunk)
		table->last_found = chunk;
	return chunk;
}

void *page_table_find(struct page_table *table, uint64_t page)
{
	struct page_chunk *chunk = chunk_find(table, page / CHUNK_PAGES);

	return chunk ? chunk->entries + page % CHUNK_PAGES * table->entry_bytes : NULL;
}

void *page_table_make(struct page_table *table, uint64_t page)
{
	struct page_chunk *chunk = chunk_find(table, page / CHUNK_PAGES);

	if (!chunk) {
		if (!bus_take_books(table->bus, chunk_bytes(table)))
			return NULL;
		chunk = calloc(1, chunk_bytes(table));
		if (!chunk) {
			bus_give_books(table->bus, chunk_bytes(table));
			return NULL;
		}
		chunk->number = page / CHUNK_PAGES;
		HASH_ADD(hh, table->chunks, number, sizeof(chunk->number), chunk);
		table->last_found = chunk;
	}
	return chunk->entries + page % CHUNK_PAGES * table->entry_bytes;
}

static void visit_chunk(const struct page_table *table, struct page_chunk *chunk, uint64_t first, uint64_t last,
                        void (*visit)(void *context, uint64_t page, void *entry), void *context)
{
	uint64_t base = chunk->number * CHUNK_PAGES;

	for (unsigned i = 0; i < CHUNK_PAGES; i++)
		if (base + i >= first && base + i <= last)
			visit(context, base + i, chunk->entries + i * table->entry_bytes);
}

void page_table_each(struct page_table *table, uint64_t first, uint64_t last,
                     void (*visit)(void *context, uint64_t page, void *entry), void *context)
{
	struct page_chunk *chunk, *after;

	if (last / CHUNK_PAGES - first / CHUNK_PAGES > HASH_COUNT(table->chunks)) {
		HASH_ITER(hh, table->chunks, chunk, after)
		visit_chunk(table, chunk, first, last, visit, context);
		return;
	}
	for (uint64_t number = first / CHUNK_PAGES; number <= last / CHUNK_PAGES; number++) {
		chunk = chunk_find(table, number);
		if (chunk)
			visit_chunk(table, chunk, first, last, visit, context);
	}
}
