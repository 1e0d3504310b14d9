/*
 * store.h: the backing memory of homes. Pages by object, segment and number; a page never written takes no memory and
 * reads as zeros. One thread at a time.
 */
#ifndef NETMEM_STORE_STORE_H
#define NETMEM_STORE_STORE_H

#include <stdint.h>

struct store;

/* At most pages_max pages. 0 or -ENOMEM. */
int store_new(struct store **store, uint64_t pages_max);
void store_free(struct store *store);

/* Writes within one page: offset + length is at most PAGE_BYTES. 0, -ENOSPC or -ENOMEM; nothing changed on failure. */
int store_write(struct store *store, uint64_t obj, uint32_t seg, uint64_t page, uint32_t offset, const void *bytes,
                uint32_t length_bytes);

/* Copies `count` whole pages to `buffer`. */
void store_read(const struct store *store, uint64_t obj, uint32_t seg, uint64_t page, uint32_t count, void *buffer);

/* Forgets `count` pages from `page` on, 0: all up to the end, and gives their memory back to the system. */
void store_drop(struct store *store, uint64_t obj, uint32_t seg, uint64_t page, uint64_t count);

uint64_t store_pages(const struct store *store);

#endif
