/*
 * page_set.h: which pages of a request, by their place in it.
 */
#ifndef NETMEM_CORE_PAGE_SET_H
#define NETMEM_CORE_PAGE_SET_H

#include <stdbool.h>
#include <string.h>

#include "msg/msg.h"

#define PAGE_SET_WORDS (MSG_PAGES_MAX / 64)

struct page_set {
	uint64_t words[PAGE_SET_WORDS];
};

static inline void page_set_remove(struct page_set *set, uint64_t place)
{
	set->words[place / 64] &= ~(UINT64_C(1) << place % 64);
}

static inline bool page_set_has(const struct page_set *set, uint64_t place)
{
	return set->words[place / 64] >> place % 64 & 1;
}

/* Whether it has any before `place`. */
static inline bool page_set_before(const struct page_set *set, uint64_t place)
{
	for (uint64_t word = 0; word < place / 64; word++)
		if (set->words[word])
			return true;
	return place % 64 && set->words[place / 64] << (64 - place % 64);
}

static inline bool page_set_empty(const struct page_set *set)
{
	return !page_set_before(set, MSG_PAGES_MAX);
}

/* The first `count` places. */
static inline struct page_set page_set_first(uint64_t count)
{
	struct page_set set;

	memset(&set, 0xff, sizeof(set));
	for (uint64_t place = count; place < MSG_PAGES_MAX; place++)
		page_set_remove(&set, place);
	return set;
}

/* Whether it is this one and no other. */
static inline bool page_set_is_only(const struct page_set *set, uint64_t place)
{
	struct page_set others = *set;

	page_set_remove(&others, place);
	return page_set_has(set, place) && page_set_empty(&others);
}

#endif
