/*
 * page_table.c: entries in slabs, which do not move, and an index of their numbers. Slabs grow from 4 entries to 256, so that an
 * object of one page is small and the last slab of a large one is no matter.
 */
#include "base/page_table.h"

#include <stdlib.h>
#include <string.h>

#define SLAB_FIRST 4u
#define SLAB_LARGE 256u
#define SLABS_SMALL 7u /* smaller than SLAB_LARGE, or the first of that size */
#define ENTRIES_SMALL (SLAB_FIRST * ((1u << SLABS_SMALL) - 1))
#define INDEX_BITS_FIRST 3u

_Static_assert(SLAB_FIRST << (SLABS_SMALL - 1) == SLAB_LARGE, "slabs grow up to their size");

void page_table_init(struct page_table *table, const struct page_books *books, uint32_t entry_bytes)
{
	*table = (struct page_table){ .books = books, .entry_bytes = entry_bytes };
}

/* --- memory --------------------------------------------------------------------------------------------------------- */

static bool take(struct page_table *table, size_t bytes)
{
	if (table->books && !table->books->take(table->books->context, bytes))
		return false;
	table->bytes += bytes;
	return true;
}

static void give(struct page_table *table, size_t bytes)
{
	if (table->books)
		table->books->give(table->books->context, bytes);
	table->bytes -= bytes;
}

/* A larger piece of memory in the place of `old`, the rest of it zero; NULL, and nothing has changed, if there is none. */
static void *grow(struct page_table *table, void *old, size_t old_bytes, size_t bytes)
{
	unsigned char *larger;

	if (!take(table, bytes))
		return NULL;
	larger = calloc(1, bytes);
	if (!larger) {
		give(table, bytes);
		return NULL;
	}
	if (old)
		memcpy(larger, old, old_bytes);
	free(old);
	give(table, old_bytes);
	return larger;
}

static void free_all(struct page_table *table)
{
	for (unsigned i = 0; i < table->slabs_count; i++)
		free(table->slabs[i]);
	free(table->slabs);
	free(table->index);
}

void page_table_clear(struct page_table *table)
{
	free_all(table);
	give(table, table->bytes);
	page_table_init(table, table->books, table->entry_bytes);
}

/* --- entries --------------------------------------------------------------------------------------------------------- */

static uint32_t slab_entries(unsigned slab)
{
	return slab < SLABS_SMALL ? SLAB_FIRST << slab : SLAB_LARGE;
}

static size_t slab_bytes(const struct page_table *table, unsigned slab)
{
	return slab_entries(slab) * (sizeof(uint64_t) + table->entry_bytes);
}

static unsigned slab_of(uint32_t number, uint32_t *place)
{
	unsigned slab;

	if (number >= ENTRIES_SMALL) {
		*place = (number - ENTRIES_SMALL) % SLAB_LARGE;
		return SLABS_SMALL + (number - ENTRIES_SMALL) / SLAB_LARGE;
	}
	slab = 31u - (unsigned)__builtin_clz(number / SLAB_FIRST + 1);
	*place = number - SLAB_FIRST * ((1u << slab) - 1);
	return slab;
}

static uint64_t *page_at(const struct page_table *table, uint32_t number)
{
	uint32_t place;
	unsigned slab = slab_of(number, &place);

	return (uint64_t *)table->slabs[slab] + place;
}

static void *entry_at(const struct page_table *table, uint32_t number)
{
	uint32_t place;
	unsigned slab = slab_of(number, &place);

	return table->slabs[slab] + slab_entries(slab) * sizeof(uint64_t) + (size_t)place * table->entry_bytes;
}

/* --- finding --------------------------------------------------------------------------------------------------------- */

static uint32_t first_slot(const struct page_table *table, uint64_t page)
{
	return (uint32_t)((page * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - table->index_bits));
}

/* Where in the index the page is, or would be. */
static uint32_t *slot_of(const struct page_table *table, uint64_t page)
{
	uint32_t mask = (1u << table->index_bits) - 1;
	uint32_t at = first_slot(table, page);

	while (table->index[at] && *page_at(table, table->index[at] - 1) != page)
		at = (at + 1) & mask;
	return &table->index[at];
}

static bool near_last(struct page_table *table, uint64_t page)
{
	if (*page_at(table, table->last) == page)
		return true;
	if (table->last + 1 == table->count || *page_at(table, table->last + 1) != page)
		return false;
	table->last++;
	return true;
}

void *page_table_find(struct page_table *table, uint64_t page)
{
	const uint32_t *slot;

	if (!table->count)
		return NULL;
	if (near_last(table, page))
		return entry_at(table, table->last);
	slot = slot_of(table, page);
	if (!*slot)
		return NULL;
	table->last = *slot - 1;
	return entry_at(table, table->last);
}

/* --- making ---------------------------------------------------------------------------------------------------------- */

/* At most seven eighths are used. */
static bool index_has_room(struct page_table *table)
{
	unsigned bits = table->index ? table->index_bits + 1 : INDEX_BITS_FIRST;
	uint32_t *index;

	if (table->index && table->count < (1u << table->index_bits) / 8 * 7)
		return true;
	if (bits > 31)
		return false;
	index = grow(table, NULL, 0, sizeof(*index) << bits);
	if (!index)
		return false;
	if (table->index)
		give(table, sizeof(*index) << table->index_bits);
	free(table->index);
	table->index = index;
	table->index_bits = bits;
	for (uint32_t number = 0; number < table->count; number++)
		*slot_of(table, *page_at(table, number)) = number + 1;
	return true;
}

static bool slabs_have_room(struct page_table *table)
{
	uint32_t place;
	unsigned slab = slab_of(table->count, &place);

	if (slab < table->slabs_count)
		return true;
	if (slab == table->slabs_room) {
		unsigned room = table->slabs_room ? 2 * table->slabs_room : 1;
		unsigned char **slabs = grow(table, table->slabs, table->slabs_room * sizeof(*slabs), room * sizeof(*slabs));

		if (!slabs)
			return false;
		table->slabs = slabs;
		table->slabs_room = room;
	}
	table->slabs[slab] = grow(table, NULL, 0, slab_bytes(table, slab));
	table->slabs_count += table->slabs[slab] != NULL;
	return table->slabs[slab];
}

void *page_table_make(struct page_table *table, uint64_t page)
{
	void *entry = page_table_find(table, page);

	if (entry)
		return entry;
	if (!index_has_room(table) || !slabs_have_room(table))
		return NULL;
	table->last = table->count++;
	*page_at(table, table->last) = page;
	*slot_of(table, page) = table->last + 1;
	return entry_at(table, table->last);
}

/* --- all ------------------------------------------------------------------------------------------------------------- */

void page_table_each(struct page_table *table, uint64_t first, uint64_t last,
                     void (*visit)(void *context, uint64_t page, void *entry), void *context)
{
	if (last - first < table->count) {
		for (uint64_t page = first; page <= last; page++) {
			void *entry = page_table_find(table, page);

			if (entry)
				visit(context, page, entry);
		}
		return;
	}
	for (uint32_t number = 0; number < table->count; number++) {
		uint64_t page = *page_at(table, number);

		if (page >= first && page <= last)
			visit(context, page, entry_at(table, number));
	}
}

static bool all_zero(const unsigned char *bytes, size_t length)
{
	return !bytes[0] && !memcmp(bytes, bytes + 1, length - 1);
}

void page_table_trim(struct page_table *table)
{
	struct page_table trimmed;

	page_table_init(&trimmed, NULL, table->entry_bytes);
	for (uint32_t number = 0; number < table->count; number++) {
		const void *entry = entry_at(table, number);
		void *copy;

		if (all_zero(entry, table->entry_bytes))
			continue;
		copy = page_table_make(&trimmed, *page_at(table, number));
		if (!copy) {
			page_table_clear(&trimmed);
			return;
		}
		memcpy(copy, entry, table->entry_bytes);
	}
	free_all(table);
	if (table->books)
		table->books->give(table->books->context, table->bytes - trimmed.bytes);
	trimmed.books = table->books;
	*table = trimmed;
}
