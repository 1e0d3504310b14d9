/*
 * fake_core.h: stands in for the core where its callers are tested: it records events, and returns the actions that the
 * test says.
 */
#ifndef NETMEM_TESTS_FAKE_CORE_H
#define NETMEM_TESTS_FAKE_CORE_H

#include "core/core.h"

#define FAKE_ACTIONS_MAX 16

struct core {
	void *context;
	/* Called for each step; adds its actions with fake_action(). */
	void (*on_step)(struct core *core, const struct event *event);
	uint64_t deadline_ns;
	unsigned steps;
	struct action items[FAKE_ACTIONS_MAX];
	size_t count;
};

/* What core_new() gives to the next core. */
void fake_core_set(void (*on_step)(struct core *core, const struct event *event), void *context);

struct action *fake_action(struct core *core, enum action_type type);

#endif
