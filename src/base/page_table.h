/*
 * page_table.h: a sparse array of fixed-size entries by page number. A page that was never touched costs nothing, a page that is
 * touched alone its entry, 8 bytes for its number and 5 to 9 for finding it. Entries start as zero bytes and stay where they are until
 * page_table_trim().
 */
#ifndef NETMEM_BASE_PAGE_TABLE_H
#define NETMEM_BASE_PAGE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Who counts the memory, and may refuse it. */
struct page_books {
	bool (*take)(void *context, size_t bytes);
	void (*give)(void *context, size_t bytes);
	void *context;
};

struct page_table {
	const struct page_books *books;
	size_t bytes;         /* of memory, all together */
	uint32_t entry_bytes;
	uint32_t count;       /* of entries */
	uint32_t last;        /* the entry that was found last, from which the next one is not far */
	unsigned index_bits;
	uint32_t *index;      /* by a hash of the page: the entry's number, from 1; open addressing */
	unsigned char **slabs; /* pages' numbers and their entries, in the order in which they were made */
	unsigned slabs_count, slabs_room;
};

/* books: NULL for nobody; else it must outlive the table. entry_bytes is a multiple of 4; of 8 if an entry has such a field. */
void page_table_init(struct page_table *table, const struct page_books *books, uint32_t entry_bytes);
void page_table_clear(struct page_table *table);

/* NULL if none was made. */
void *page_table_find(struct page_table *table, uint64_t page);
/* NULL if there is no memory for it. */
void *page_table_make(struct page_table *table, uint64_t page);

/*
 * Calls visit() for each entry with first <= page <= last; upwards where these are not more pages than there are entries, else in
 * no order. visit() may not make entries.
 */
void page_table_each(struct page_table *table, uint64_t first, uint64_t last,
                     void (*visit)(void *context, uint64_t page, void *entry), void *context);

/* Gives back the memory of entries that are all zero bytes again. */
void page_table_trim(struct page_table *table);

#endif
