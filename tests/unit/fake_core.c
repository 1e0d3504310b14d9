#include "fake_core.h"

#include <errno.h>
#include <stdlib.h>

#include "base/check.h"

static void (*next_on_step)(struct core *core, const struct event *event);
static void *next_context;

void fake_core_set(void (*on_step)(struct core *core, const struct event *event), void *context)
{
	next_on_step = on_step;
	next_context = context;
}

struct action *fake_action(struct core *core, enum action_type type)
{
	struct action *action = &core->items[core->count];

	CHECK(core->count < FAKE_ACTIONS_MAX);
	core->count++;
	*action = (struct action){ .type = type };
	return action;
}

int core_new(struct core **core, const struct core_config *config)
{
	(void)config;
	*core = calloc(1, sizeof(**core));
	if (!*core)
		return -ENOMEM;
	(*core)->on_step = next_on_step;
	(*core)->context = next_context;
	(*core)->deadline_ns = UINT64_MAX;
	return 0;
}

void core_free(struct core *core)
{
	free(core);
}

void core_step(struct core *core, const struct event *event, struct actions *actions)
{
	core->count = 0;
	core->steps++;
	core->on_step(core, event);
	actions->items = core->items;
	actions->count = core->count;
}

uint64_t core_deadline_ns(const struct core *core)
{
	return core->deadline_ns;
}
