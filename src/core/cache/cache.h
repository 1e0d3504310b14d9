/*
 * cache.h: the interface below the holder: what keeps pages for programs on this node. Today that is the kernel's page cache
 * behind FUSE; a cache that maps pages itself (userfaultfd) would stand behind the same calls.
 *
 *   fill   the answer to a read puts a page into it (the holder's op_finish)
 *   take   pages are taken out of it; it may first write back what is dirty
 *   show   it is shown a segment's size, or asked what it has
 *
 * What it can do: it cannot turn a page from exclusive into shared while a writable handle is open, because nothing tells of a
 * store to a page that is cached (K2). So a page is given up whole.
 *
 * Pages that a request under way has locked are not in the cache, and taking them would wait for the lock (K8): they are left
 * out, and a take under way is split around a page that a request comes for. The old invalidation may go on in the kernel,
 * but nobody waits for it.
 */
#ifndef NETMEM_CORE_CACHE_H
#define NETMEM_CORE_CACHE_H

#include "core/bus.h"

struct cache;

/* Why pages are taken. */
enum take_goal {
	TAKE_RECALL,
	TAKE_UPGRADE,
	TAKE_STALE,   /* the kernel may have read the page again before the write that it had copied there was put */
	TAKE_SIZED,   /* another node changed the size */
	TAKE_RESIZED, /* this node did, and its program has been answered */
	TAKE_ALL
};

/* A segment as the cache knows it; part of the holder's. */
struct cached {
	uint64_t obj;
	uint32_t seg;
	struct list takes;
	struct list runs;
	uint64_t show_token; /* of the show under way; 0: none */
};

struct cache_events {
	/* The pages are not cached any more. */
	void (*gone)(void *context, struct cached *cached, uint64_t first, uint64_t last);
	/* The take is done. May end the segment. */
	void (*taken)(void *context, struct cached *cached, enum take_goal goal, uint64_t cookie);
	/* What the kernel has; after cache_unshow() that is not certain. May end the segment. */
	void (*shown)(void *context, struct cached *cached, uint64_t size_bytes);
	/* The first page from `first` to `last` that a request has locked; PAGE_END: none. */
	uint64_t (*locked)(void *context, const struct cached *cached, uint64_t first, uint64_t last);
	void *context;
};

struct cache *cache_new(struct bus *bus, const struct cache_events *events);
void cache_free(struct cache *cache);

void cache_init(struct cached *cached, uint64_t obj, uint32_t seg);

/* Takes out first .. last (PAGE_END: to the end) but for locked pages. `taken` may come at once. */
void cache_take(struct cache *cache, struct cached *cached, enum take_goal goal, uint64_t first, uint64_t last,
                uint64_t cookie);
bool cache_taking(const struct cached *cached, enum take_goal goal);
bool cache_covers(const struct cached *cached, uint64_t page);
bool cache_covers_for(const struct cached *cached, uint64_t page, enum take_goal goal);
/* A request for the pages shows that they are not cached: that part of each take is done, the rest goes on. */
void cache_split(struct cache *cache, struct cached *cached, uint64_t first, uint64_t last);
/* The kernel may have the page again behind the invalidations that cover it: they start over. */
void cache_again(struct cache *cache, struct cached *cached, uint64_t page);

/* One at a time. */
void cache_show(struct cache *cache, struct cached *cached, const struct show *show);
/* The show under way changes nothing once `shown` has come, which it does soon. */
void cache_unshow(struct cache *cache, const struct cached *cached);

/* Nobody waits any more for what is under way. */
void cache_forget(struct cache *cache, struct cached *cached);

/* EV_INVALIDATED, EV_SHOWN. */
void cache_invalidated(struct cache *cache, uint64_t token);
void cache_shown(struct cache *cache, uint64_t token, uint64_t size_bytes);

#endif
