/*
 * checker_attr.c: sizes, modes and times, which all nodes agree on; and what a size means for accesses near the end.
 *
 * A size, mode or mtime that stat(2) gives on any node must be one that the register can have. For SIGBUS and short reads
 * it counts what has returned: a node that is shown a growth later than others is still right until the call that caused
 * it has returned, but once a node's own stat(2) has said a size, only a cut explains that it is gone.
 */
#include <errno.h>
#include <stdio.h>

#include "kernel.h"
#include "node.h"

#define MODE_BITS 07777u

/* --- sizes over time ------------------------------------------------------------------------------------------------ */

static void mark_add(struct sim *sim, struct segment *segment)
{
	struct attrs *attrs = &segment->attrs;
	struct size_mark *mark = sched_alloc(&sim->sched, sizeof(*mark));

	mark->low = reg_low(&attrs->bounds);
	mark->high = reg_high(&attrs->bounds);
	mark->cut = reg_lowest_set(&attrs->bounds);
	if (attrs->mark)
		attrs->mark->next = mark;
	attrs->mark = mark;
}

void checker_attrs_init(struct sim *sim, struct segment *segment)
{
	struct attrs *attrs = &segment->attrs;

	reg_init(&attrs->size, &sim->sched, 0);
	reg_init(&attrs->bounds, &sim->sched, 0);
	reg_init(&attrs->mode, &sim->sched, REG_ANYTHING);
	reg_init(&attrs->mtime, &sim->sched, REG_ANYTHING);
	mark_add(sim, segment);
}

/*
 * The daemon has told the home that its kernel has a smaller size, which the kernel will be shown when a local request has
 * let go of a page's lock: until then programs there reach past the end.
 */
static bool kernel_behind(const struct inode *inode)
{
	const struct core *core = run_core(inode->node->run);
	uint64_t ordered, told;

	return core_open_size(core, inode->segment->id, SEG_MEMORY, &ordered) &&
	       core_told_size(core, inode->segment->id, SEG_MEMORY, &told) && told > ordered;
}

void checker_access_begin(struct access *access, const struct inode *inode)
{
	access->inode = inode;
	access->mark = inode->segment->attrs.mark;
	access->resizes = inode->resizes;
	access->resizing = kernel_resizing(inode);
	access->behind = kernel_behind(inode);
	access->told = inode->told;
}

/* What no size can be expected of. A node whose own call changes the size is the documented exception. */
static bool unsure(const struct access *access)
{
	const struct inode *inode = access->inode;
	const struct owning *owning = &inode->segment->object->owning;

	return inode->node->sim->any_fault || owning->revoke_begun || owning->own_begun || access->resizing ||
	       kernel_resizing(inode) || access->resizes != inode->resizes;
}

bool checker_may_lack(const struct access *access, uint64_t at)
{
	uint64_t low = UINT64_MAX, cut = UINT64_MAX;

	if (unsure(access))
		return true;
	for (const struct size_mark *mark = access->mark; mark; mark = mark->next)
		low = mark->low < low ? mark->low : low;
	for (const struct size_mark *mark = access->told.mark; mark; mark = mark->next)
		cut = mark->cut < cut ? mark->cut : cut;
	if (access->told.bytes > at && cut > at)
		return false;
	return low <= at;
}

bool checker_was_cut(const struct access *access, uint64_t at)
{
	for (const struct size_mark *mark = access->mark; mark; mark = mark->next)
		if (mark->cut <= at)
			return true;
	return false;
}

bool checker_may_have(const struct access *access, uint64_t at)
{
	uint64_t high = 0;

	for (const struct size_mark *mark = access->mark; mark; mark = mark->next)
		high = mark->high > high ? mark->high : high;
	if (unsure(access) || high > at)
		return true;
	access->inode->node->sim->stats.behind++;
	return access->behind || kernel_behind(access->inode);
}

/* --- changes -------------------------------------------------------------------------------------------------------- */

static void size_begin(struct change *change, enum reg_kind kind, uint64_t size)
{
	struct inode *inode = change->inode;
	struct attrs *attrs = &inode->segment->attrs;

	change->size = reg_begin(&attrs->size, inode->node, kind, size);
	change->bounds = reg_begin(&attrs->bounds, inode->node, kind, size);
	change->inside = size <= inode->size_bytes;
	if (change->size >= 0)
		attrs->seen &= ~(1u << change->size);
	mark_add(inode->node->sim, inode->segment);
}

static struct change change_of(struct inode *inode)
{
	struct change change = {.inode = inode, .size = -1, .bounds = -1, .mode = -1, .mtime = -1};

	change.linked = kernel_linked(inode->node, inode->segment->object, &change.generation);
	return change;
}

/* What a node writes while its home takes it for dead is lost: its pages were when the home did. */
static bool link_kept(const struct change *change)
{
	const struct inode *inode = change->inode;
	uint32_t generation;

	return change->linked && kernel_linked(inode->node, inode->segment->object, &generation) &&
	       generation == change->generation;
}

void checker_write_begin(struct change *change, struct inode *inode, uint64_t from, uint64_t bytes, uint64_t *words)
{
	struct segment *segment = inode->segment;
	struct attrs *attrs = &segment->attrs;
	uint64_t end = from + bytes;
	bool alone = !reg_changing(&attrs->bounds), grows = end > reg_low(&attrs->bounds);

	*change = change_of(inode);
	change->writes = true;
	change->from = from;
	change->bytes = bytes;
	for (uint64_t at = from; at < end; at += BLOCK_BYTES) {
		unsigned page = (unsigned)(at / PAGE_BYTES), word = (unsigned)(at % PAGE_BYTES / BLOCK_BYTES);
		bool whole = end - at >= WORD_BYTES;

		words[word] = whole ? checker_value(segment, page, word) : 1 + segment->words[page][word].issued++ % 255;
		change->values[word] = words[word];
	}
	sim_trace(inode->node->sim, inode->node, "   write(2) to f%u: %llu bytes from %llu", segment->index,
	          (unsigned long long)bytes, (unsigned long long)from);
	alone = alone && from >= reg_high(&attrs->bounds);
	attrs->size_changes += grows;
	if (!segment->steady)
		size_begin(change, REG_RAISE, end);
	checker_words_begin(change, alone);
}

void checker_setattr_begin(struct change *change, struct inode *inode, const struct msg *msg)
{
	struct segment *segment = inode->segment;
	struct attrs *attrs = &segment->attrs;

	*change = change_of(inode);
	if (msg->flags & SETATTR_SIZE) {
		inode->node->sim->stats.truncates++;
		attrs->size_changes++;
		size_begin(change, REG_SET, msg->size);
		change->cuts = true;
		change->from = msg->size;
		checker_words_begin(change, false);
		change->mtime = reg_begin(&attrs->mtime, inode->node, REG_SET, REG_ANYTHING);
	}
	if (msg->flags & SETATTR_MODE)
		change->mode = reg_begin(&attrs->mode, inode->node, REG_SET, msg->attr.mode & MODE_BITS);
	if (msg->flags & SETATTR_MTIME)
		change->mtime = reg_begin(&attrs->mtime, inode->node, REG_SET, msg->attr.mtime_ns);
}

static enum reg_end end_of_change(int error)
{
	switch (error) {
	case 0:
		return REG_DONE;
	case -ENOSPC:
	case -EPERM:
	case -EACCES:
	case -EFBIG:
		return REG_FAILED;
	default:
		return REG_PERHAPS;
	}
}

/*
 * A write(2) that its kernel takes for one that does not extend may need the size that another node's call is about to
 * bring: it is that call that counts, when it returns.
 */
static void bounds_end(struct change *change, enum reg_end how)
{
	(void)reg_end(&change->inode->segment->attrs.bounds, change->bounds,
	              how == REG_DONE && change->writes && change->inside ? REG_EITHER : how);
	if (change->bounds >= 0)
		mark_add(change->inode->node->sim, change->inode->segment);
}

void checker_change_end(struct change *change, int error)
{
	struct sim *sim = change->inode->node->sim;
	struct segment *segment = change->inode->segment;
	struct attrs *attrs = &segment->attrs;
	enum reg_end how = end_of_change(error);
	bool right = reg_end(&attrs->size, change->size, how);

	sim_trace(sim, change->inode->node, "   %s of f%u at %llu ends with %d", change->writes ? "write(2)" : "SETATTR",
	          segment->index, (unsigned long long)change->from, error);
	right &= reg_end(&attrs->mode, change->mode, how);
	right &= reg_end(&attrs->mtime, change->mtime, how);
	bounds_end(change, how);
	if (change->writes || change->cuts)
		checker_words_end(change, !error && link_kept(change));
	if (!right && !sim->any_fault)
		sim_fail(sim, "%s: a change of f%u ends with %d, but what was seen of it says otherwise",
		         change->inode->node->name, segment->index, error);
}

/* --- what stat(2) says ---------------------------------------------------------------------------------------------- */

void checker_look_begin(struct look *look, struct inode *inode)
{
	struct attrs *attrs = &inode->segment->attrs;

	*look = (struct look){.inode = inode,
	                      .size = reg_begin(&attrs->size, inode->node, REG_READ, 0),
	                      .mode = reg_begin(&attrs->mode, inode->node, REG_READ, 0),
	                      .mtime = reg_begin(&attrs->mtime, inode->node, REG_READ, 0),
	                      .resizes = inode->resizes,
	                      .resizing = kernel_resizing(inode),
	                      .write_opens = attrs->write_opens,
	                      .writing = attrs->writing,
	                      .mark = attrs->mark};
	look->linked = kernel_linked(inode->node, inode->segment->object, &look->generation);
}

/* What a node was told while it had a session with the home from begin to end, of an object with which all is well. */
static bool one_session(const struct node *node, const struct object *object, int error, bool linked, uint32_t since)
{
	const struct owning *owning = &object->owning;
	uint32_t generation;

	return !error && linked && kernel_linked(node, object, &generation) && generation == since &&
	       !owning->revoke_begun && !owning->own_begun;
}

static bool look_counts(const struct look *look, int error)
{
	return one_session(look->inode->node, look->inode->segment->object, error, look->linked, look->generation);
}

static void judge(const struct look *look, struct reg *reg, int slot, uint64_t value, const char *what)
{
	struct sim *sim = look->inode->node->sim;
	char expected[256], before[256];

	reg_print(reg, before, sizeof(before));
	if (!reg_read(reg, slot, value))
		sim_fail(sim, "%s: stat of f%u gives the %s %llx, but it is%s", look->inode->node->name,
		         look->inode->segment->index, what, (unsigned long long)value,
		         reg_print(reg, expected, sizeof(expected))[0] ? expected : before);
}

static void look_size(struct look *look, uint64_t size, bool told)
{
	struct inode *inode = look->inode;
	struct attrs *attrs = &inode->segment->attrs;

	judge(look, &attrs->size, look->size, size, "size");
	for (int slot = 0; slot < REG_SLOTS; slot++)
		if (attrs->size.calls[slot].kind == REG_RAISE && reg_surely(&attrs->size, slot))
			attrs->seen |= 1u << slot;
	if (told && !look->resizing && !kernel_resizing(inode) && look->resizes == inode->resizes)
		inode->told = (struct told){.bytes = size, .mark = look->mark};
}

/* It is said to be for some time longer; but that it is not makes a first exclusive create fail. */
static bool surely_fresh(const struct segment *segment)
{
	const struct object *object = segment->object;

	return object->memory == segment && !segment->use_begun && !object->name_changes[0];
}

static void look_rest(struct look *look, const struct object_attr *attr, bool counts)
{
	struct attrs *attrs = &look->inode->segment->attrs;

	if (!counts) {
		reg_drop(&attrs->mode, look->mode);
		reg_drop(&attrs->mtime, look->mtime);
		return;
	}
	judge(look, &attrs->mode, look->mode, attr->mode & MODE_BITS, "mode");
	if (surely_fresh(look->inode->segment) && !(attr->mode & OBJECT_FRESH))
		sim_fail(look->inode->node->sim, "%s: f%u is not said to be fresh, but nobody has opened or resized it",
		         look->inode->node->name, look->inode->segment->index);
	if (look->inode->node->sim->any_fault || look->writing || attrs->writing ||
	    look->write_opens != attrs->write_opens)
		reg_drop(&attrs->mtime, look->mtime);
	else
		judge(look, &attrs->mtime, look->mtime, attr->mtime_ns, "mtime");
}

void checker_look_end(struct look *look, int error, const struct object_attr *attr, bool told)
{
	bool counts = look_counts(look, error);

	sim_trace(look->inode->node->sim, look->inode->node, "   stat f%u = %llu%s%s", look->inode->segment->index,
	          (unsigned long long)attr->size_bytes, told ? "" : ", for the kernel only", counts ? "" : " (exempt)");
	if (counts)
		look_size(look, attr->size_bytes, told);
	else
		reg_drop(&look->inode->segment->attrs.size, look->size);
	look_rest(look, attr, counts);
}

/* --- the mode of an object's directory ------------------------------------------------------------------------------ */

static void mode_begin(struct mode_call *call, struct node *node, struct object *object)
{
	*call = (struct mode_call){.node = node, .object = object};
	call->linked = kernel_linked(node, object, &call->generation);
}

void checker_mode_look_begin(struct mode_call *call, struct node *node, struct object *object)
{
	mode_begin(call, node, object);
	call->slot = reg_begin(&object->mode, node, REG_READ, 0);
}

void checker_mode_look_end(struct mode_call *call, int error, uint32_t mode)
{
	struct sim *sim = call->node->sim;
	struct reg *reg = &call->object->mode;
	char expected[256], before[256];

	if (!one_session(call->node, call->object, error, call->linked, call->generation)) {
		reg_drop(reg, call->slot);
		return;
	}
	reg_print(reg, before, sizeof(before));
	if (!reg_read(reg, call->slot, mode & MODE_BITS))
		sim_fail(sim, "%s: stat of o%u gives the mode %x, but it is%s", call->node->name, call->object->index,
		         mode & MODE_BITS, reg_print(reg, expected, sizeof(expected))[0] ? expected : before);
}

void checker_mode_change_begin(struct mode_call *call, struct node *node, struct object *object, uint32_t mode)
{
	mode_begin(call, node, object);
	call->slot = reg_begin(&object->mode, node, REG_SET, mode & MODE_BITS);
}

void checker_mode_change_end(struct mode_call *call, int error)
{
	struct sim *sim = call->node->sim;

	if (!reg_end(&call->object->mode, call->slot, end_of_change(error)) && !sim->any_fault)
		sim_fail(sim, "%s: chmod of o%u ends with %d, but what was seen of it says otherwise", call->node->name,
		         call->object->index, error);
}

/* --- open for writing: then nobody knows the mtime ------------------------------------------------------------------ */

void checker_open_begin(struct inode *inode, bool writable)
{
	inode->segment->attrs.write_opens += writable;
	inode->segment->attrs.writing += writable;
}

void checker_open_end(struct inode *inode, bool writable)
{
	struct attrs *attrs = &inode->segment->attrs;

	if (writable && !--attrs->writing)
		reg_unknown(&attrs->mtime);
}
