/*
 * checker_name.c: the names that programs make and remove, as registers of object ids, 0 where there is none.
 *
 * Where names go by themselves (with an owner, by revoke, with a home, unnamed) they are not checked.
 */
#include <errno.h>
#include <string.h>

#include "kernel.h"
#include "node.h"

void checker_names_init(struct sim *sim)
{
	sim->names = sched_alloc(&sim->sched, SIM_NAMES * sizeof(*sim->names));
	for (unsigned i = 0; i < SIM_NAMES; i++)
		reg_init(&sim->names[i], &sim->sched, 0);
}

static bool unchecked(const struct sim *sim)
{
	return sim->homes_gone || sim->plan.owns || sim->plan.revokes || sim->plan.unnamed;
}

static bool linked(const struct node *node, uint32_t *generation)
{
	const struct sim *sim = node->sim;

	*generation = sim->link_generation[node->index][0];
	return !node->index || (node_alive(sim->nodes[0]) && sim->links_up[node->index][0]);
}

void checker_name_begin(struct name_look *look, struct node *node, enum name_dir dir, const char *name)
{
	struct sim *sim = node->sim;

	*look = (struct name_look){.node = node, .slot = -1};
	if (unchecked(sim) || dir != DIR_ROOT || strncmp(name, "name", 4))
		return;
	look->reg = &sim->names[name[4] - '0'];
	look->slot = reg_begin(look->reg, node, REG_READ, 0);
	look->linked = linked(node, &look->generation);
}

void checker_name_end(struct name_look *look, int error, uint64_t obj)
{
	struct sim *sim = look->node->sim;
	uint32_t generation;
	uint64_t value = error ? 0 : obj;
	char before[256], after[256];

	if (!look->reg)
		return;
	if ((error && error != -ENOENT) || unchecked(sim) || !look->linked || !linked(look->node, &generation) ||
	    generation != look->generation) {
		reg_drop(look->reg, look->slot);
		return;
	}
	reg_print(look->reg, before, sizeof(before));
	if (!reg_read(look->reg, look->slot, value))
		sim_fail(sim, "%s: name%u is %llx, but it is%s", look->node->name, (unsigned)(look->reg - sim->names),
		         (unsigned long long)value,
		         reg_print(look->reg, after, sizeof(after))[0] ? after : before);
}

void checker_name_change_begin(struct name_change *change, struct node *node, const struct msg *msg, unsigned name,
                               unsigned to)
{
	struct sim *sim = node->sim;

	*change = (struct name_change){.from_slot = -1, .to_slot = -1};
	if (unchecked(sim) || (msg->type == REQ_RENAME && name == to))
		return;
	if (msg->type != REQ_MKDIR) {
		change->from = &sim->names[name];
		change->from_slot = reg_begin(change->from, node, REG_REMOVE, 0);
	}
	if (msg->type != REQ_REMOVE) {
		change->to = &sim->names[msg->type == REQ_MKDIR ? name : to];
		change->to_slot = reg_begin(change->to, node, REG_INSERT, REG_ANYTHING);
	}
}

/* What the error says about the names. */
static bool error_fits(struct name_change *change, const struct msg *msg, int error)
{
	if (error == -EEXIST && change->to)
		return reg_saw(change->to, change->to_slot, 1, UINT64_MAX - 1);
	if (error == -ENOENT && change->from && !msg->obj)
		return reg_saw(change->from, change->from_slot, 0, 0);
	return true;
}

static enum reg_end end_of_change(int error)
{
	switch (error) {
	case 0:
		return REG_DONE;
	case -EEXIST:
	case -ENOENT:
	case -ENOTEMPTY:
	case -ENOSPC:
		return REG_FAILED;
	default:
		return REG_PERHAPS;
	}
}

void checker_name_change_end(struct name_change *change, struct node *node, const struct msg *msg, int error,
                             uint64_t obj)
{
	struct sim *sim = node->sim;
	enum reg_end how = end_of_change(error);
	bool fits = error_fits(change, msg, error);

	if (change->from)
		fits &= reg_end(change->from, change->from_slot, how);
	if (change->to && !error && msg->type == REQ_MKDIR)
		reg_tell(change->to, change->to_slot, obj);
	if (change->to)
		fits &= reg_end(change->to, change->to_slot, how);
	if (!fits && !unchecked(sim) && !sim->any_fault)
		sim_fail(sim, "%s: a call on names ends with %d, but what was seen of them says otherwise", node->name,
		         error);
}
