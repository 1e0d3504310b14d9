#include "register.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

static bool is_change(const struct reg_call *call)
{
	return call->kind > REG_READ;
}

/* Whether it matters what this call could have seen. */
static bool watches(const struct reg_call *call)
{
	return !call->perhaps && (call->kind == REG_READ || call->kind == REG_INSERT || call->kind == REG_REMOVE);
}

/* --- values ------------------------------------------------------------------------------------------------------- */

static uint32_t values_used(const struct reg *reg)
{
	uint32_t used = 0;

	for (const struct reg_state *state = reg->states; state; state = state->next) {
		used |= 1u << state->value;
		for (unsigned i = 0; i < REG_SLOTS; i++)
			if (watches(&reg->calls[i]))
				used |= state->seen[i];
	}
	for (unsigned i = 0; i < REG_SLOTS; i++)
		if (is_change(&reg->calls[i]))
			used |= 1u << reg->calls[i].value;
	return used;
}

static bool value_index(struct reg *reg, uint64_t value, uint8_t *index)
{
	uint32_t used = values_used(reg);

	for (unsigned i = 0; value != REG_ANYTHING && i < REG_VALUES; i++)
		if (used & 1u << i && !(reg->unknown & 1u << i) && reg->values[i] == value) {
			*index = (uint8_t)i;
			return true;
		}
	if (used == UINT32_MAX)
		return false;
	*index = (uint8_t)__builtin_ctz(~used);
	reg->values[*index] = value;
	reg->unknown &= ~(1u << *index);
	if (value == REG_ANYTHING)
		reg->unknown |= 1u << *index;
	return true;
}

/* --- states ------------------------------------------------------------------------------------------------------- */

static struct reg_state *state_new(struct reg *reg)
{
	struct reg_state *state = reg->free_states;

	if (state) {
		reg->free_states = state->next;
		memset(state, 0, sizeof(*state));
		return state;
	}
	return sched_alloc(reg->sched, sizeof(*state));
}

/* Takes out *at. */
static void state_remove(struct reg *reg, struct reg_state **at)
{
	struct reg_state *state = *at;

	*at = state->next;
	state->next = reg->free_states;
	reg->free_states = state;
	reg->state_count--;
}

static void give_up(struct reg *reg)
{
	reg->loose = true;
	while (reg->states)
		state_remove(reg, &reg->states);
	memset(reg->calls, 0, sizeof(reg->calls));
}

/* Whether all that can follow from `b` can follow from `a`. */
static bool covers(const struct reg *reg, const struct reg_state *a, const struct reg_state *b)
{
	if (a->value != b->value || a->done != b->done)
		return false;
	for (unsigned i = 0; i < REG_SLOTS; i++)
		if (watches(&reg->calls[i]) && b->seen[i] & ~a->seen[i])
			return false;
	return true;
}

/* False if it follows from what is there already. */
static bool state_add(struct reg *reg, const struct reg_state *state)
{
	struct reg_state **at = &reg->states, *new;

	while (*at) {
		if (covers(reg, *at, state))
			return false;
		if (covers(reg, state, *at))
			state_remove(reg, at);
		else
			at = &(*at)->next;
	}
	new = state_new(reg);
	*new = *state;
	new->next = NULL;
	*at = new;
	reg->state_count++;
	return true;
}

/* The state after the change `slot`; false if it cannot take effect there. */
static bool state_after(const struct reg *reg, const struct reg_state *before, unsigned slot, struct reg_state *after)
{
	const struct reg_call *call = &reg->calls[slot];
	bool zero = !(reg->unknown & 1u << before->value) && !reg->values[before->value];

	if ((call->kind == REG_INSERT && !zero) || (call->kind == REG_REMOVE && zero))
		return false;
	*after = *before;
	if (!call->perhaps)
		after->done |= 1u << slot;
	if (call->kind != REG_RAISE || reg->values[call->value] > reg->values[before->value])
		after->value = call->value;
	for (unsigned i = 0; i < REG_SLOTS; i++)
		if (watches(&reg->calls[i]))
			after->seen[i] |= 1u << after->value;
	return true;
}

/* Adds all states that the changes under way can lead to. A new one goes to the end, so that it gets its turn too. */
static void close_states(struct reg *reg)
{
	bool grown = true;

	while (grown && !reg->loose) {
		grown = false;
		for (struct reg_state *state = reg->states; state && !grown; state = state->next)
			for (unsigned i = 0; i < REG_SLOTS && !grown; i++) {
				struct reg_state after;

				if (is_change(&reg->calls[i]) && !(state->done & 1u << i) &&
				    state_after(reg, state, i, &after))
					grown = state_add(reg, &after);
			}
		if (reg->state_count > REG_STATES_MAX)
			give_up(reg);
	}
}

/* States that have become the same, or worse. */
static void merge_states(struct reg *reg)
{
	struct reg_state *states = reg->states;

	reg->states = NULL;
	reg->state_count = 0;
	while (states) {
		struct reg_state *state = states;

		states = state->next;
		(void)state_add(reg, state);
		state->next = reg->free_states;
		reg->free_states = state;
	}
}

/* --- calls -------------------------------------------------------------------------------------------------------- */

void reg_init(struct reg *reg, struct sched *sched, uint64_t value)
{
	struct reg_state first = {.value = 0};

	memset(reg, 0, sizeof(*reg));
	reg->sched = sched;
	reg->values[0] = value;
	reg->unknown = value == REG_ANYTHING;
	(void)state_add(reg, &first);
}

void reg_unknown(struct reg *reg)
{
	struct reg_state state = {.value = 0};

	if (reg->loose || !value_index(reg, REG_ANYTHING, &state.value))
		return;
	while (reg->states) {
		for (unsigned i = 0; i < REG_SLOTS; i++)
			state.seen[i] |= 1u << state.value | reg->states->seen[i];
		state_remove(reg, &reg->states);
	}
	(void)state_add(reg, &state);
	for (unsigned i = 0; i < REG_SLOTS; i++)
		if (is_change(&reg->calls[i]))
			state.done |= 1u << i;
	(void)state_add(reg, &state);
	close_states(reg);
}

int reg_begin(struct reg *reg, const void *node, enum reg_kind kind, uint64_t value)
{
	struct reg_call call = {.kind = kind, .node = node};
	unsigned slot = 0;

	if (reg->loose)
		return -1;
	while (slot < REG_SLOTS && reg->calls[slot].kind != REG_FREE)
		slot++;
	if (slot == REG_SLOTS || (kind != REG_READ && !value_index(reg, value, &call.value))) {
		give_up(reg);
		return -1;
	}
	reg->calls[slot] = call;
	for (struct reg_state *state = reg->states; state; state = state->next) {
		state->done &= ~(1u << slot);
		state->seen[slot] = 1u << state->value;
	}
	close_states(reg);
	return reg->loose ? -1 : (int)slot;
}

static void call_free(struct reg *reg, unsigned slot)
{
	reg->calls[slot].kind = REG_FREE;
	reg->calls[slot].perhaps = false;
	for (struct reg_state *state = reg->states; state; state = state->next)
		state->done &= ~(1u << slot);
	merge_states(reg);
}

/* From now on it may take effect at any time, and again: its value stays allowed. */
static void call_perhaps(struct reg *reg, unsigned slot)
{
	const struct reg_call *call = &reg->calls[slot];

	for (unsigned i = 0; i < REG_SLOTS; i++)
		if (reg->calls[i].perhaps && reg->calls[i].kind == call->kind && reg->calls[i].value == call->value) {
			call_free(reg, slot);
			return;
		}
	reg->calls[slot].perhaps = true;
	for (struct reg_state *state = reg->states; state; state = state->next)
		state->done &= ~(1u << slot);
	merge_states(reg);
}

bool reg_end(struct reg *reg, int slot, enum reg_end how)
{
	struct reg_state **at = &reg->states;

	if (slot < 0 || reg->loose)
		return true;
	if (how == REG_PERHAPS) {
		call_perhaps(reg, (unsigned)slot);
		return true;
	}
	while (*at && how != REG_EITHER)
		if (!((*at)->done & 1u << slot) == (how == REG_DONE))
			state_remove(reg, at);
		else
			at = &(*at)->next;
	call_free(reg, (unsigned)slot);
	if (reg->states)
		return true;
	give_up(reg);
	return false;
}

bool reg_tell(struct reg *reg, int slot, uint64_t value)
{
	uint32_t bit;

	if (slot < 0 || reg->loose)
		return true;
	bit = 1u << reg->calls[slot].value;
	if (reg->unknown & bit)
		reg->values[reg->calls[slot].value] = value;
	reg->unknown &= ~bit;
	return reg->values[reg->calls[slot].value] == value;
}

static uint32_t values_between(const struct reg *reg, uint64_t low, uint64_t high)
{
	uint32_t set = 0;

	for (unsigned i = 0; i < REG_VALUES; i++)
		if (reg->unknown & 1u << i ? high > 0 : reg->values[i] >= low && reg->values[i] <= high)
			set |= 1u << i;
	return set;
}

bool reg_saw(struct reg *reg, int slot, uint64_t low, uint64_t high)
{
	struct reg_state **at = &reg->states;
	uint32_t set, any = 0;

	if (slot < 0 || reg->loose)
		return true;
	set = values_between(reg, low, high);
	while (*at) {
		if (!((*at)->seen[slot] & set)) {
			state_remove(reg, at);
			continue;
		}
		any |= (*at)->seen[slot] & set;
		at = &(*at)->next;
	}
	if (!reg->states) {
		give_up(reg);
		return false;
	}
	/* It can only have been one that was not known. */
	if (low == high && any & reg->unknown && !(any & (any - 1))) {
		reg->values[__builtin_ctz(any)] = low;
		reg->unknown &= ~any;
	}
	return true;
}

bool reg_read(struct reg *reg, int slot, uint64_t value)
{
	bool allowed = reg_saw(reg, slot, value, value);

	reg_drop(reg, slot);
	return allowed;
}

void reg_drop(struct reg *reg, int slot)
{
	if (slot >= 0 && !reg->loose)
		call_free(reg, (unsigned)slot);
}

void reg_node_died(struct reg *reg, const void *node)
{
	for (unsigned i = 0; i < REG_SLOTS && !reg->loose; i++) {
		if (reg->calls[i].kind == REG_FREE || reg->calls[i].perhaps || reg->calls[i].node != node)
			continue;
		if (reg->calls[i].kind == REG_READ)
			reg_drop(reg, (int)i);
		else
			call_perhaps(reg, i);
	}
}

/* --- what is known ------------------------------------------------------------------------------------------------ */

uint64_t reg_low(const struct reg *reg)
{
	uint64_t low = UINT64_MAX;

	for (const struct reg_state *state = reg->states; state; state = state->next)
		if (reg->values[state->value] < low)
			low = reg->values[state->value];
	return reg->loose ? 0 : low;
}

uint64_t reg_high(const struct reg *reg)
{
	uint64_t high = 0;

	for (const struct reg_state *state = reg->states; state; state = state->next)
		if (reg->values[state->value] > high)
			high = reg->values[state->value];
	return reg->loose ? UINT64_MAX : high;
}

uint64_t reg_lowest_set(const struct reg *reg)
{
	uint64_t low = reg->loose ? 0 : UINT64_MAX;

	for (unsigned i = 0; i < REG_SLOTS; i++)
		if (reg->calls[i].kind == REG_SET && reg->values[reg->calls[i].value] < low)
			low = reg->values[reg->calls[i].value];
	return low;
}

bool reg_changing(const struct reg *reg)
{
	uint64_t low = reg_low(reg);

	for (unsigned i = 0; i < REG_SLOTS; i++)
		if (is_change(&reg->calls[i]) &&
		    (reg->calls[i].kind != REG_RAISE || reg->values[reg->calls[i].value] > low))
			return true;
	return reg->loose;
}

bool reg_may_be_there(const struct reg *reg, int slot)
{
	uint32_t set = values_between(reg, 1, UINT64_MAX);

	for (const struct reg_state *state = reg->states; state && slot >= 0; state = state->next)
		if (state->seen[slot] & set)
			return true;
	return reg->loose || slot < 0;
}

bool reg_surely(const struct reg *reg, int slot)
{
	for (const struct reg_state *state = reg->states; state; state = state->next)
		if (!(state->done & 1u << slot))
			return false;
	return !reg->loose && slot >= 0;
}

char *reg_print(const struct reg *reg, char *buffer, size_t bytes)
{
	uint32_t printed = 0;
	size_t at = 0;

	buffer[0] = 0;
	for (const struct reg_state *state = reg->states; state && at < bytes; state = state->next) {
		if (printed & 1u << state->value)
			continue;
		printed |= 1u << state->value;
		at += (size_t)snprintf(buffer + at, bytes - at, reg->unknown & 1u << state->value ? " anything" : " %llx",
		                       (unsigned long long)reg->values[state->value]);
	}
	for (unsigned i = 0; i < REG_SLOTS && at < bytes; i++)
		if (is_change(&reg->calls[i]))
			at += (size_t)snprintf(buffer + at, bytes - at, " (%llx %s)",
			                       (unsigned long long)reg->values[reg->calls[i].value],
			                       reg->calls[i].perhaps ? "perhaps" : "under way");
	return buffer;
}
