/*
 * page_table.h: a sparse array of fixed-size entries by page number, in chunks that are made on demand. A page that was
 * never touched costs nothing, however large the segment. Entries start as zero bytes and stay where they are until
 * page_table_trim(). The memory is counted against what the node gives.
 */
#ifndef NETMEM_CORE_PAGE_TABLE_H
#define NETMEM_CORE_PAGE_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct bus;
struct page_chunk;

struct page_table {
	struct bus *bus;
	struct page_chunk *chunks;
	struct page_chunk *last_found;
	size_t entry_bytes;
};

void page_table_init(struct page_table *table, struct bus *bus, size_t entry_bytes);
void page_table_clear(struct page_table *table);

/* NULL if nothing near the page was ever made. */
void *page_table_find(struct page_table *table, uint64_t page);
/* NULL if there is no memory for it. */
void *page_table_make(struct page_table *table, uint64_t page);

/*
 * Calls visit() for each entry made with first <= page <= last; upwards where these are not many more than there are entries,
 * else in no order. visit() may not make entries.
 */
void page_table_each(struct page_table *table, uint64_t first, uint64_t last,
                     void (*visit)(void *context, uint64_t page, void *entry), void *context);

/* Gives back the memory of entries that are all zero bytes again. */
void page_table_trim(struct page_table *table);

#endif
