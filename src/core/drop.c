/*
 * drop.c: taking pages out of this node's kernel. A drop is a range of pages with a goal; it is carried out as runs, each
 * one invalidation that the kernel works through in its own time in a notifier's thread.
 *
 * Pages that are being fetched are left out: they are not cached, and the invalidation would wait for the page lock that
 * the kernel holds for the request. When a request comes for a page in a run, the run is split around that page and the
 * old invalidation forgotten, for the same reason (K8): it may go on in the kernel, but nobody waits for it.
 */
#include "internal.h"

static void run_start(struct core *core, struct agent_object *object, struct drop *drop, uint64_t first, uint64_t last)
{
	struct drop_run *run = calloc(1, sizeof(*run));
	struct action *action = core_act(core, ACT_INVALIDATE);

	CHECK(run);
	run->object = object;
	run->drop = drop;
	run->token = core->next_token++;
	run->first = first;
	run->last = last;
	list_push_back(&object->runs, &run->link);
	list_push_back(&core->runs, &run->core_link);
	drop->runs++;
	action->token = run->token;
	action->msg.obj = object->obj;
	action->size_check = drop->goal == DROP_CHECK;
	action->msg.page = action->size_check ? 0 : first;
	action->msg.count = last == PAGE_END ? 0 : (uint32_t)(last - first + 1);
}

/* A run's count has 32 bits. */
static void runs_start(struct core *core, struct agent_object *object, struct drop *drop, uint64_t first, uint64_t last)
{
	while (last != PAGE_END && last - first >= UINT32_MAX) {
		run_start(core, object, drop, first, first + UINT32_MAX - 1);
		first += UINT32_MAX;
	}
	run_start(core, object, drop, first, last);
}

static void run_free(struct drop_run *run)
{
	list_remove(&run->link);
	list_remove(&run->core_link);
	free(run);
}

static void drop_finish(struct core *core, struct agent_object *object, struct drop *drop)
{
	enum drop_goal goal = drop->goal;
	uint64_t cookie = drop->cookie;

	if (drop->runs)
		return;
	list_remove(&drop->link);
	free(drop);
	agent_drop_done(core, object, goal, cookie);
}

static int by_page(const struct fetch *a, const struct fetch *b)
{
	return a->page < b->page ? -1 : a->page > b->page;
}

void drop_start(struct core *core, struct agent_object *object, enum drop_goal goal, uint64_t first, uint64_t last,
                uint64_t cookie)
{
	struct drop *drop = calloc(1, sizeof(*drop));
	struct fetch *fetch, *after;

	CHECK(drop);
	drop->goal = goal;
	drop->cookie = cookie;
	list_push_back(&object->drops, &drop->link);
	if (first != last) {
		HASH_SRT(hh, object->fetches, by_page);
		HASH_ITER(hh, object->fetches, fetch, after)
		{
			if (fetch->page < first || fetch->page > last)
				continue;
			if (fetch->page > first)
				runs_start(core, object, drop, first, fetch->page - 1);
			first = fetch->page + 1;
		}
	}
	if (first <= last)
		runs_start(core, object, drop, first, last);
	drop_finish(core, object, drop);
}

static bool run_covers(const struct drop_run *run, uint64_t page)
{
	return page >= run->first && page <= run->last;
}

bool drop_covers_for(const struct agent_object *object, uint64_t page, enum drop_goal goal)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &object->runs)
	{
		const struct drop_run *run = list_entry(link, struct drop_run, link);

		if (run->drop->goal == goal && run_covers(run, page))
			return true;
	}
	return false;
}

bool drop_covers(const struct agent_object *object, uint64_t page)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &object->runs)
	{
		if (run_covers(list_entry(link, struct drop_run, link), page))
			return true;
	}
	return false;
}

static void gone(struct core *core, struct agent_object *object, uint64_t page)
{
	struct agent_page *entry = page_table_find(&object->pages, page);

	if (entry && entry->mode != PAGE_INVALID)
		agent_page_gone(core, object, page, entry);
}

void drop_split(struct core *core, struct agent_object *object, uint64_t page)
{
	struct list split;
	struct list *link, *after;

	list_init(&split);
	list_for_each_safe(link, after, &object->runs)
	{
		struct drop_run *run = list_entry(link, struct drop_run, link);

		if (!run_covers(run, page))
			continue;
		list_remove(link);
		list_push_back(&split, link);
	}
	gone(core, object, page);
	list_for_each_safe(link, after, &split)
	{
		struct drop_run *run = list_entry(link, struct drop_run, link);
		struct drop *drop = run->drop;

		if (page > run->first)
			runs_start(core, object, drop, run->first, page - 1);
		if (page < run->last)
			runs_start(core, object, drop, page + 1, run->last);
		run_free(run);
		drop->runs--;
		drop_finish(core, object, drop);
	}
}

void drop_again(struct core *core, struct agent_object *object, uint64_t page)
{
	struct list again;
	struct list *link, *after;

	list_init(&again);
	list_for_each_safe(link, after, &object->runs)
	{
		if (!run_covers(list_entry(link, struct drop_run, link), page))
			continue;
		list_remove(link);
		list_push_back(&again, link);
	}
	list_for_each_safe(link, after, &again)
	{
		struct drop_run *run = list_entry(link, struct drop_run, link);
		struct drop *drop = run->drop;

		run_start(core, object, drop, run->first, run->last);
		run_free(run);
		drop->runs--;
	}
}

struct sweep {
	struct core *core;
	struct agent_object *object;
};

static void gone_one(void *context, uint64_t page, void *item)
{
	struct sweep *sweep = context;
	struct agent_page *entry = item;

	if (entry->mode != PAGE_INVALID)
		agent_page_gone(sweep->core, sweep->object, page, entry);
}

void drop_done(struct core *core, uint64_t token)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &core->runs)
	{
		struct drop_run *run = list_entry(link, struct drop_run, core_link);
		struct sweep sweep = {.core = core, .object = run->object};
		struct drop *drop = run->drop;

		if (run->token != token)
			continue;
		page_table_each(&run->object->pages, run->first, run->last, gone_one, &sweep);
		run_free(run);
		drop->runs--;
		drop_finish(core, sweep.object, drop);
		return;
	}
}

void drop_forget_all(struct agent_object *object)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &object->runs)
		run_free(list_entry(link, struct drop_run, link));
	list_for_each_safe(link, after, &object->drops)
	{
		list_remove(link);
		free(list_entry(link, struct drop, link));
	}
}
