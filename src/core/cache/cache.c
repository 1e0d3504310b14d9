#include "core/cache/cache.h"

#include <stdlib.h>

#include <uthash.h>

/* Pages being taken for one goal, as several invalidations of the kernel's cache ("runs"). */
struct take {
	struct list link;
	enum take_goal goal;
	uint64_t cookie;
	unsigned runs;
};

struct run {
	struct list link;
	struct cached *cached;
	struct take *take;
	uint64_t token;
	uint64_t first;
	uint64_t last; /* PAGE_END: to the end */
	UT_hash_handle hh;
};

/*
 * A show under way; `cached` is NULL when nobody waits for it any more. Until it is over, those of the same segment that come
 * after it wait: it may set its size last.
 */
struct showing {
	uint64_t token;
	struct cached *cached;
	bool waits;
	bool taken_back;
	struct show show;
	UT_hash_handle hh;
};

struct cache {
	struct bus *bus;
	struct cache_events events;
	struct run *runs; /* by token */
	struct showing *shows; /* by token */
	uint64_t next_token;
};

struct cache *cache_new(struct bus *bus, const struct cache_events *events)
{
	struct cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return NULL;
	cache->bus = bus;
	cache->events = *events;
	cache->next_token = 1;
	return cache;
}

void cache_free(struct cache *cache)
{
	struct showing *showing, *after;

	if (!cache)
		return;
	CHECK(!cache->runs);
	HASH_ITER(hh, cache->shows, showing, after)
	{
		HASH_DEL(cache->shows, showing);
		free(showing);
	}
	free(cache);
}

void cache_init(struct cached *cached, uint64_t obj, uint32_t seg)
{
	*cached = (struct cached){.obj = obj, .seg = seg};
	list_init(&cached->takes);
	list_init(&cached->runs);
}

/* --- taking ---------------------------------------------------------------------------------------------------------- */

static void run_start(struct cache *cache, struct cached *cached, struct take *take, uint64_t first, uint64_t last)
{
	struct run *run = calloc(1, sizeof(*run));
	struct action *action = bus_act(cache->bus, ACT_INVALIDATE);

	CHECK(run);
	run->cached = cached;
	run->take = take;
	run->token = cache->next_token++;
	run->first = first;
	run->last = last;
	list_push_back(&cached->runs, &run->link);
	HASH_ADD(hh, cache->runs, token, sizeof(run->token), run);
	take->runs++;
	action->token = run->token;
	action->msg.obj = cached->obj;
	action->msg.seg = cached->seg;
	action->msg.page = first;
	action->msg.count = last == PAGE_END ? 0 : (uint32_t)(last - first + 1);
}

/* A run's count has 32 bits. */
static void runs_start(struct cache *cache, struct cached *cached, struct take *take, uint64_t first, uint64_t last)
{
	while (last != PAGE_END && last - first >= UINT32_MAX) {
		run_start(cache, cached, take, first, first + UINT32_MAX - 1);
		first += UINT32_MAX;
	}
	run_start(cache, cached, take, first, last);
}

static void run_free(struct cache *cache, struct run *run)
{
	list_remove(&run->link);
	HASH_DEL(cache->runs, run);
	free(run);
}

static void take_finish(struct cache *cache, struct cached *cached, struct take *take)
{
	enum take_goal goal = take->goal;
	uint64_t cookie = take->cookie;

	if (take->runs)
		return;
	list_remove(&take->link);
	free(take);
	cache->events.taken(cache->events.context, cached, goal, cookie);
}

void cache_take(struct cache *cache, struct cached *cached, enum take_goal goal, uint64_t first, uint64_t last,
                uint64_t cookie)
{
	struct take *take = calloc(1, sizeof(*take));
	uint64_t locked;

	CHECK(take);
	take->goal = goal;
	take->cookie = cookie;
	list_push_back(&cached->takes, &take->link);
	while ((locked = cache->events.locked(cache->events.context, cached, first, last)) != PAGE_END) {
		if (locked > first)
			runs_start(cache, cached, take, first, locked - 1);
		cache->events.gone(cache->events.context, cached, locked, locked);
		first = locked + 1;
	}
	if (first <= last)
		runs_start(cache, cached, take, first, last);
	take_finish(cache, cached, take);
}

bool cache_taking(const struct cached *cached, enum take_goal goal)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &cached->takes)
		if (list_entry(link, struct take, link)->goal == goal)
			return true;
	return false;
}

static bool run_covers(const struct run *run, uint64_t first, uint64_t last)
{
	return last >= run->first && first <= run->last;
}

bool cache_covers_for(const struct cached *cached, uint64_t page, enum take_goal goal)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &cached->runs)
	{
		const struct run *run = list_entry(link, struct run, link);

		if (run->take->goal == goal && run_covers(run, page, page))
			return true;
	}
	return false;
}

bool cache_covers(const struct cached *cached, uint64_t page)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &cached->runs)
		if (run_covers(list_entry(link, struct run, link), page, page))
			return true;
	return false;
}

/* Moves the runs that cover one of the pages to another list. */
static void runs_covering(struct cached *cached, uint64_t first, uint64_t last, struct list *covering)
{
	struct list *link, *after;

	list_init(covering);
	list_for_each_safe(link, after, &cached->runs)
	{
		if (!run_covers(list_entry(link, struct run, link), first, last))
			continue;
		list_remove(link);
		list_push_back(covering, link);
	}
}

void cache_split(struct cache *cache, struct cached *cached, uint64_t first, uint64_t last)
{
	struct list split, *link, *after;

	if (bus_broken(cache->bus, BREAK_RUNS_WHOLE))
		return;
	runs_covering(cached, first, last, &split);
	if (list_empty(&split))
		return;
	cache->events.gone(cache->events.context, cached, first, last);
	list_for_each_safe(link, after, &split)
	{
		struct run *run = list_entry(link, struct run, link);
		struct take *take = run->take;

		if (first > run->first)
			runs_start(cache, cached, take, run->first, first - 1);
		if (last < run->last)
			runs_start(cache, cached, take, last + 1, run->last);
		run_free(cache, run);
		take->runs--;
		take_finish(cache, cached, take);
	}
}

void cache_again(struct cache *cache, struct cached *cached, uint64_t page)
{
	struct list again, *link, *after;

	runs_covering(cached, page, page, &again);
	list_for_each_safe(link, after, &again)
	{
		struct run *run = list_entry(link, struct run, link);
		struct take *take = run->take;

		run_start(cache, cached, take, run->first, run->last);
		run_free(cache, run);
		take->runs--;
	}
}

void cache_invalidated(struct cache *cache, uint64_t token)
{
	struct run *run;
	struct cached *cached;
	struct take *take;

	HASH_FIND(hh, cache->runs, &token, sizeof(token), run);
	if (!run)
		return;
	cached = run->cached;
	take = run->take;
	cache->events.gone(cache->events.context, cached, run->first, run->last);
	run_free(cache, run);
	take->runs--;
	take_finish(cache, cached, take);
}

/* --- showing --------------------------------------------------------------------------------------------------------- */

static bool forgotten(const struct cache *cache, uint64_t obj, uint32_t seg)
{
	const struct showing *showing, *after;

	HASH_ITER(hh, cache->shows, showing, after)
	{
		if (!showing->cached && showing->show.obj == obj && showing->show.seg == seg)
			return true;
	}
	return false;
}

static void act_unshow(struct cache *cache, const struct showing *showing)
{
	bus_act(cache->bus, ACT_UNSHOW)->token = showing->token;
}

static void show_begin(struct cache *cache, struct showing *showing)
{
	struct action *action;

	showing->waits = forgotten(cache, showing->show.obj, showing->show.seg);
	if (showing->waits)
		return;
	action = bus_act(cache->bus, ACT_SHOW);
	action->token = showing->token;
	action->show = showing->show;
	if (showing->taken_back)
		act_unshow(cache, showing);
}

void cache_show(struct cache *cache, struct cached *cached, const struct show *show)
{
	struct showing *showing = calloc(1, sizeof(*showing));

	CHECK(showing && !cached->show_token);
	cached->show_token = showing->token = cache->next_token++;
	showing->cached = cached;
	showing->show = *show;
	showing->show.obj = cached->obj;
	showing->show.seg = cached->seg;
	HASH_ADD(hh, cache->shows, token, sizeof(showing->token), showing);
	show_begin(cache, showing);
}

static struct showing *show_find(struct cache *cache, uint64_t token)
{
	struct showing *showing;

	HASH_FIND(hh, cache->shows, &token, sizeof(token), showing);
	return showing;
}

void cache_unshow(struct cache *cache, const struct cached *cached)
{
	struct showing *showing = show_find(cache, cached->show_token);

	if (!showing || showing->taken_back)
		return;
	showing->taken_back = true;
	if (!showing->waits)
		act_unshow(cache, showing);
}

static void show_free(struct cache *cache, struct showing *showing)
{
	HASH_DEL(cache->shows, showing);
	free(showing);
}

void cache_shown(struct cache *cache, uint64_t token, uint64_t size_bytes)
{
	struct showing *showing = show_find(cache, token);
	struct cached *cached = showing ? showing->cached : NULL;
	struct showing *other, *after;

	if (showing)
		show_free(cache, showing);
	if (cached) {
		cached->show_token = 0;
		cache->events.shown(cache->events.context, cached, size_bytes);
		return;
	}
	HASH_ITER(hh, cache->shows, other, after)
	{
		if (other->waits)
			show_begin(cache, other);
	}
}

static void show_forget(struct cache *cache, struct cached *cached)
{
	struct showing *showing = show_find(cache, cached->show_token);

	cache_unshow(cache, cached);
	cached->show_token = 0;
	if (showing && showing->waits)
		show_free(cache, showing);
	else if (showing)
		showing->cached = NULL;
}

void cache_forget(struct cache *cache, struct cached *cached)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &cached->runs)
		run_free(cache, list_entry(link, struct run, link));
	list_for_each_safe(link, after, &cached->takes)
	{
		list_remove(link);
		free(list_entry(link, struct take, link));
	}
	show_forget(cache, cached);
}
