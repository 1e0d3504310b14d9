/*
 * checker_name.c: the names that programs make and remove, as registers of ids, 0 where there is none: of objects in
 * the root, and of the files of each object.
 *
 * Where objects go by themselves (with an owner, by revoke, with a home, unnamed) their names in the root are not
 * checked, and their files may be gone with them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel.h"
#include "node.h"

void checker_names_init(struct sim *sim)
{
	sim->names = sched_alloc(&sim->sched, SIM_NAMES * sizeof(*sim->names));
	for (unsigned i = 0; i < SIM_NAMES; i++)
		reg_init(&sim->names[i], &sim->sched, 0);
}

bool checker_names_may_go(const struct sim *sim)
{
	return sim->homes_gone || (sim->mkdir_cut_off && sim->any_fault);
}

static bool unchecked(const struct sim *sim)
{
	return checker_names_may_go(sim) || sim->plan.owns || sim->plan.revokes || sim->plan.unnamed;
}

static bool linked(const struct node *node, uint32_t *generation)
{
	const struct sim *sim = node->sim;

	*generation = sim->link_generation[node->index][0];
	return !node->index || (node_alive(sim->nodes[0]) && sim->links_up[node->index][0]);
}

void checker_name_begin(struct name_look *look, struct node *node, uint64_t dir, const char *name)
{
	struct sim *sim = node->sim;

	*look = (struct name_look){.node = node, .slot = -1};
	if (unchecked(sim) || dir != DIR_ROOT || strncmp(name, "name", 4))
		return;
	look->reg = &sim->names[name[4] - '0'];
	look->slot = reg_begin(look->reg, node, REG_READ, 0);
	look->linked = linked(node, &look->generation);
}

/* A create that is cut off may leave a name whose file is gone. It goes when somebody looks it up. */
static bool doubtful(const struct sim *sim, const struct object *object)
{
	return object->half_made || (sim->any_fault && object->creates);
}

/* Whether the object, or a file of it, may be gone without a call of a program on its name that says so. */
static bool vanishes(const struct sim *sim, const struct object *object)
{
	const struct plan *plan = &sim->plan;

	if (checker_names_may_go(sim) || doubtful(sim, object))
		return true;
	return !checker_is_fixed(sim, object) && (plan->owns || plan->revokes || plan->unnamed || plan->blind);
}

static bool skipped(const struct name_look *look, int error)
{
	const struct sim *sim = look->node->sim;

	return look->object ? error && vanishes(sim, look->object) : unchecked(sim);
}

static const char *name_of(const struct name_look *look, char *text, size_t bytes)
{
	if (look->object)
		snprintf(text, bytes, "%s of o%u", checker_file_name((unsigned)(look->reg - look->object->names)),
		         look->object->index);
	else
		snprintf(text, bytes, "name%u", (unsigned)(look->reg - look->node->sim->names));
	return text;
}

void checker_name_end(struct name_look *look, int error, uint64_t obj)
{
	struct sim *sim = look->node->sim;
	uint32_t generation;
	uint64_t value = error ? 0 : obj;
	char before[256], after[256], name[32];

	if (!look->reg)
		return;
	sim_trace(sim, look->node, "   %s is %llx (%d)", name_of(look, name, sizeof(name)), (unsigned long long)value,
	          error);
	if ((error && error != -ENOENT) || skipped(look, error) || !look->linked || !linked(look->node, &generation) ||
	    generation != look->generation) {
		reg_drop(look->reg, look->slot);
		return;
	}
	reg_print(look->reg, before, sizeof(before));
	if (!reg_read(look->reg, look->slot, value) && !(look->object && doubtful(sim, look->object)))
		sim_fail(sim, "%s: %s is %llx, but it is%s", look->node->name, name_of(look, name, sizeof(name)),
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
		fits &= reg_tell(change->to, change->to_slot, obj);
	if (change->to)
		fits &= reg_end(change->to, change->to_slot, how);
	if (!fits && !unchecked(sim) && !sim->any_fault)
		sim_fail(sim, "%s: a call on names ends with %d, but what was seen of them says otherwise", node->name,
		         error);
}

/* --- files of an object --------------------------------------------------------------------------------------------- */

const char *checker_file_name(unsigned file)
{
	static const char *const names[SIM_FILES] = {"memory", "file1", "file2", "file3"};

	return names[file];
}

void checker_file_look_begin(struct name_look *look, struct node *node, struct object *object, unsigned file)
{
	*look = (struct name_look){.node = node, .object = object, .reg = &object->names[file]};
	look->slot = reg_begin(look->reg, node, REG_READ, 0);
	look->linked = linked(node, &look->generation);
}

/* What the name surely stands for, as long as nobody changes it; 0: nobody knows. */
static uint64_t settled(const struct reg *reg)
{
	uint64_t value = reg_low(reg);

	return reg_changing(reg) || value != reg_high(reg) || value == REG_ANYTHING ? 0 : value;
}

static void names_begin(struct file_change *change, const struct msg *msg)
{
	struct object *object = change->object;
	struct reg *from = &object->names[change->from], *to = &object->names[change->to];

	change->names = (struct name_change){.from_slot = -1, .to_slot = -1};
	change->moves = msg->type == REQ_RENAME ? settled(from) : 0;
	change->changes = ++object->name_changes[change->from];
	if (msg->type != REQ_CREATE) {
		change->names.from = from;
		change->names.from_slot = reg_begin(from, change->node, REG_REMOVE, 0);
	}
	if (msg->type != REQ_REMOVE) {
		change->names.to = to;
		change->names.to_slot =
			reg_begin(to, change->node,
		                  msg->type == REQ_CREATE || msg->flags & REQUEST_NOREPLACE ? REG_INSERT : REG_SET,
		                  REG_ANYTHING);
	}
	if (msg->type == REQ_RENAME)
		object->name_changes[change->to]++;
}

/* It may be the one that mkdir made, which is made once more. */
static void attributes_loosen(struct segment *segment)
{
	segment->attrs.mode.loose = true;
	segment->attrs.mtime.loose = true;
}

void checker_file_change_begin(struct file_change *change, struct node *node, struct object *object,
                               const struct msg *msg, unsigned from, unsigned to)
{
	struct segment *memory = object->memory;

	*change = (struct file_change){.node = node, .object = object, .from = from, .to = to, .mode = -1, .mtime = -1};
	change->removed = object->removed;
	change->removals = object->removals;
	change->removals_begun = object->removals_begun;
	object->creates += msg->type == REQ_CREATE;
	names_begin(change, msg);
	if (msg->type != REQ_CREATE || to)
		return;
	change->used = memory && memory->used;
	for (struct segment *segment = object->segments; segment && !memory; segment = segment->next)
		attributes_loosen(segment);
	object->unknown_memory |= !memory;
	if (!memory)
		return;
	change->mode = reg_begin(&memory->attrs.mode, node, REG_SET, msg->attr.mode);
	change->mtime = reg_begin(&memory->attrs.mtime, node, REG_SET, REG_ANYTHING);
}

static bool may_be_gone(const struct file_change *change)
{
	const struct object *object = change->object;

	return vanishes(change->node->sim, object) || object->removed || change->removals || object->removals ||
	       change->removals_begun != object->removals_begun;
}

/* Nothing explains that `memory` could not be made once more. */
static bool must_be_fresh(const struct file_change *change)
{
	const struct object *object = change->object;
	const struct sim *sim = change->node->sim;

	return !change->to && object->memory && !object->memory->use_begun && object->name_changes[0] == 1 &&
	       !sim->any_fault && !may_be_gone(change);
}

static bool file_error_fits(struct file_change *change, const struct msg *msg, int error)
{
	struct name_change *names = &change->names;

	switch (error) {
	case -EEXIST:
		return msg->type != REQ_REMOVE && (msg->type == REQ_CREATE || msg->flags & REQUEST_NOREPLACE) &&
		       reg_saw(names->to, names->to_slot, 1, UINT64_MAX - 1) &&
		       !(msg->type == REQ_CREATE && must_be_fresh(change));
	case -ENOENT:
		if (may_be_gone(change))
			return true;
		return names->from && (msg->obj || reg_saw(names->from, names->from_slot, 0, 0));
	default:
		return true;
	}
}

/* The file that mkdir made was taken, instead of a new one; or nobody knows which one mkdir made. */
static bool claimed(struct file_change *change, uint64_t obj, enum reg_end *how)
{
	struct object *object = change->object;
	struct name_change *names = &change->names;

	if (change->to || (object->memory && object->memory->id != obj))
		return reg_tell(names->to, names->to_slot, obj);
	if (!object->memory) {
		*how = REG_EITHER;
		return reg_tell(names->to, names->to_slot, obj);
	}
	*how = REG_FAILED;
	if (change->used)
		sim_fail(change->node->sim, "%s: the memory of o%u was made once more, after it was opened or resized",
		         change->node->name, object->index);
	return reg_saw(names->to, names->to_slot, obj, obj);
}

/* A file that nobody knew has the mode that it was made with. */
static struct segment *created(struct file_change *change, const struct msg *msg, uint64_t obj)
{
	struct sim *sim = change->node->sim;
	bool known = checker_segment_known(sim, obj) != NULL;
	struct segment *segment = checker_segment(change->object, obj, sim);

	sim->stats.files++;
	if (segment->made)
		sim_fail(sim, "%s: %s of o%u is created, but it is f%u, which was created before", change->node->name,
		         checker_file_name(change->to), change->object->index, segment->index);
	segment->made = true;
	if (!known)
		reg_init(&segment->attrs.mode, &sim->sched, msg->attr.mode);
	else if (!change->to && !change->object->memory)
		attributes_loosen(segment);
	return segment;
}

static bool names_end(struct file_change *change, const struct msg *msg, int error, uint64_t obj, enum reg_end *how)
{
	struct name_change *names = &change->names;
	enum reg_end to = *how;
	bool fits = file_error_fits(change, msg, error);

	if (!error && msg->type == REQ_CREATE)
		fits &= claimed(change, obj, &to);
	if (!error && change->moves && change->changes == change->object->name_changes[change->from] &&
	    !may_be_gone(change))
		fits &= reg_tell(names->to, names->to_slot, change->moves);
	if (!error && names->from && msg->obj)
		fits &= reg_saw(names->from, names->from_slot, msg->obj, msg->obj);
	if (names->from)
		fits &= reg_end(names->from, names->from_slot, *how);
	if (names->to)
		fits &= reg_end(names->to, names->to_slot, to);
	*how = to;
	return fits;
}

/* What `memory` was to have when it is made once more. */
static bool attributes_end(struct file_change *change, enum reg_end how, bool made)
{
	struct segment *memory = change->object->memory;
	bool right;

	if (change->mode < 0 && change->mtime < 0)
		return true;
	if (how != REG_PERHAPS)
		how = made ? REG_DONE : REG_FAILED;
	right = reg_end(&memory->attrs.mode, change->mode, how);
	right &= reg_end(&memory->attrs.mtime, change->mtime, how);
	return right;
}

struct segment *checker_file_change_end(struct file_change *change, const struct msg *msg, int error, uint64_t obj)
{
	struct sim *sim = change->node->sim;
	struct object *object = change->object;
	enum reg_end how = error == -EPERM || error == -EXDEV ? REG_FAILED : end_of_change(error);
	bool fits;

	sim_trace(sim, change->node, "   %s of %s, %s in o%u ends with %d", msg_type_name(msg->type),
	          checker_file_name(change->from), checker_file_name(change->to), object->index, error);
	fits = names_end(change, msg, error, obj, &how);
	fits &= attributes_end(change, how, !error && object->memory && object->memory->id == obj);
	if (!fits && !sim->any_fault)
		sim_fail(sim, "%s: %s in o%u (%s) ends with %d, but what was seen of it says otherwise",
		         change->node->name, msg_type_name(msg->type), object->index,
		         checker_file_name(change->from), error);
	if (!error && change->removed)
		sim_fail(sim, "%s: %s in o%u, which was removed before", change->node->name, msg_type_name(msg->type),
		         object->index);
	object->creates -= msg->type == REQ_CREATE;
	object->half_made |= msg->type == REQ_CREATE && how == REG_PERHAPS && sim->any_fault;
	return !error && msg->type == REQ_CREATE ? created(change, msg, obj) : NULL;
}

/* --- the removal of an object --------------------------------------------------------------------------------------- */

void checker_removal_begin(struct removal *removal, struct node *node, struct object *object)
{
	*removal = (struct removal){.node = node, .object = object};
	if (!object)
		return;
	removal->removed = object->removed;
	object->removals++;
	object->removals_begun++;
	for (unsigned i = 0; i < SIM_FILES; i++)
		removal->slots[i] = reg_begin(&object->names[i], node, i ? REG_READ : REG_SET, 0);
	object->name_changes[0]++;
}

/* It had no files but memory; or some. Names whose files have gone by themselves go when somebody looks them up. */
static bool removal_fits(const struct removal *removal, int error)
{
	struct object *object = removal->object;
	bool any = false, none = true, gone = vanishes(removal->node->sim, object);

	for (unsigned i = 1; i < SIM_FILES; i++) {
		any |= reg_may_be_there(&object->names[i], removal->slots[i]);
		if (!error)
			none &= reg_saw(&object->names[i], removal->slots[i], 0, 0);
	}
	return error == -ENOTEMPTY ? any : none || gone;
}

void checker_removal_end(struct removal *removal, int error)
{
	struct object *object = removal->object;
	enum reg_end how = end_of_change(error);
	struct sim *sim = removal->node->sim;

	if (!object)
		return;
	if (!removal_fits(removal, error) && !sim->any_fault)
		sim_fail(sim, "%s: rmdir of o%u ends with %d, but what was seen of its files says otherwise",
		         removal->node->name, object->index, error);
	if (!error && removal->removed)
		sim_fail(sim, "%s: o%u is removed once more", removal->node->name, object->index);
	for (unsigned i = 1; i < SIM_FILES; i++)
		reg_drop(&object->names[i], removal->slots[i]);
	reg_end(&object->names[0], removal->slots[0], how);
	object->removals -= how != REG_PERHAPS;
	object->removed |= !error;
}
