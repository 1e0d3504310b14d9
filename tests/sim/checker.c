#include "checker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "kernel.h"
#include "node.h"

/* --- objects -------------------------------------------------------------------------------------------------------- */

struct object *checker_object(struct sim *sim, uint64_t id)
{
	struct object *object = sim->objects;
	unsigned index = 0;

	for (; object; object = object->next, index++)
		if (object->id == id)
			return object;
	object = sched_alloc(&sim->sched, sizeof(*object));
	object->id = id;
	object->home = object_home(id);
	object->index = index;
	object->next = sim->objects;
	sim->objects = object;
	reg_init(&object->mode, &sim->sched, REG_ANYTHING);
	for (unsigned i = 0; i < SIM_FILES; i++)
		reg_init(&object->names[i], &sim->sched, i ? 0 : REG_ANYTHING);
	waitq_init(&object->unlocked);
	return object;
}

struct object *checker_made(struct sim *sim, uint64_t id, uint64_t memory)
{
	struct object *object = checker_object(sim, id);

	object->memory = checker_segment(object, memory, sim);
	return object;
}

bool checker_is_fixed(const struct sim *sim, const struct object *object)
{
	for (unsigned i = 0; i < SIM_NAMES; i++)
		if (sim->fixed[i] == object)
			return true;
	return false;
}

struct segment *checker_segment_known(const struct sim *sim, uint64_t id)
{
	for (struct object *object = sim->objects; object; object = object->next)
		for (struct segment *segment = object->segments; segment; segment = segment->next)
			if (segment->id == id)
				return segment;
	return NULL;
}

struct segment *checker_segment(struct object *object, uint64_t id, struct sim *sim)
{
	struct segment *segment = checker_segment_known(sim, id);

	if (segment) {
		if (segment->object != object)
			sim_fail(sim, "file %llx is in o%u, but it was in o%u", (unsigned long long)id, object->index,
			         segment->object->index);
		return segment;
	}
	segment = sched_alloc(&sim->sched, sizeof(*segment));
	segment->id = id;
	segment->object = object;
	segment->index = sim->segment_count++;
	segment->next = object->segments;
	object->segments = segment;
	checker_attrs_init(sim, segment);
	segment->attrs.mode.loose = segment->attrs.mtime.loose = object->unknown_memory;
	for (unsigned p = 0; p < OBJECT_PAGES; p++)
		for (unsigned w = 0; w < PAGE_WORDS; w++)
			segment->words[p][w].value_count = 1; /* zero */
	sim_trace(sim, NULL, "   f%u is %llx in o%u", segment->index, (unsigned long long)id, object->index);
	return segment;
}

/* Values of plain words: page, word and a count, so that a wrong one tells where it comes from. Never 0. */
static uint64_t word_tag(unsigned page, unsigned word)
{
	return (uint64_t)(page * PAGE_WORDS + word + 1) << 32;
}

uint64_t checker_value(struct segment *segment, unsigned page, unsigned word)
{
	if (word == WORD_COUNTER) /* so that all its values are at most the number of adds */
		return segment->adds[page] / 2;
	return word_tag(page, word) | ++segment->words[page][word].issued;
}

static bool ever_had(const struct segment *segment, unsigned page, unsigned index, uint64_t value)
{
	const struct word *word = &segment->words[page][index];

	if (index == WORD_COUNTER && value <= segment->adds[page])
		return true;
	if (word->bytes && (value <= 0xff || value >> 32 == word_tag(page, index) >> 32))
		return true;
	return !value || (value > word_tag(page, index) && value <= (word_tag(page, index) | word->issued));
}

/* --- one word ------------------------------------------------------------------------------------------------------- */

static void word_add(struct word *word, uint64_t value)
{
	for (unsigned i = 0; i < word->value_count; i++)
		if (word->values[i] == value)
			return;
	if (word->value_count == WORD_VALUES)
		word->loose = true;
	else
		word->values[word->value_count++] = value;
}

static void word_overlap(struct word *word)
{
	for (unsigned i = 0; i < word->pending_count; i++) {
		word->pending[i].overlapped = true;
		word->loose |= word->pending[i].part;
	}
}

static void word_set(struct word *word, uint64_t value)
{
	word->values[0] = value;
	word->value_count = 1;
	word->any = false;
	word_overlap(word);
}

static void word_ghost(struct word *word, uint64_t value)
{
	for (unsigned i = 0; i < word->ghost_count; i++)
		if (word->ghosts[i] == value)
			return;
	if (word->ghost_count == WORD_GHOSTS)
		word->loose = true;
	else
		word->ghosts[word->ghost_count++] = value;
}

/*
 * Bytes come no later than the size that needs them: where this write(2) has made the file long enough for the word, the
 * old value is no more. `covered`: the loading kernel believes that the file is so long.
 */
static bool old_is_gone(const struct segment *segment, const struct word_write *write, bool covered)
{
	if (!write->fresh || write->overlapped || write->changes != segment->attrs.size_changes)
		return false;
	return covered || (write->slot >= 0 && segment->attrs.seen & 1u << write->slot);
}

static bool word_allows(const struct segment *segment, unsigned page, unsigned index, uint64_t value, uint64_t mask,
                        bool covered)
{
	const struct word *word = &segment->words[page][index];
	bool old = true;

	for (unsigned i = 0; i < word->pending_count; i++) {
		if ((word->pending[i].value & mask) == value)
			return true;
		old &= !old_is_gone(segment, &word->pending[i], covered);
	}
	for (unsigned i = 0; i < word->value_count && old; i++)
		if ((word->values[i] & mask) == value)
			return true;
	for (unsigned i = 0; i < word->ghost_count; i++)
		if ((word->ghosts[i] & mask) == value)
			return true;
	return (word->loose || word->any || segment->object->clears) &&
	       (mask != UINT64_MAX || ever_had(segment, page, index, value));
}

static char *word_print(const struct word *word, char *buffer, size_t bytes)
{
	size_t at = 0;

	buffer[0] = 0;
	for (unsigned i = 0; i < word->value_count && at < bytes; i++)
		at += (size_t)snprintf(buffer + at, bytes - at, " %llx", (unsigned long long)word->values[i]);
	for (unsigned i = 0; i < word->pending_count && at < bytes; i++)
		at += (size_t)snprintf(buffer + at, bytes - at, " %llx(under way)",
		                       (unsigned long long)word->pending[i].value);
	for (unsigned i = 0; i < word->ghost_count && at < bytes; i++)
		at += (size_t)snprintf(buffer + at, bytes - at, " %llx(perhaps)", (unsigned long long)word->ghosts[i]);
	return buffer;
}

static uint64_t word_at(unsigned page, unsigned word)
{
	return page * (uint64_t)PAGE_BYTES + word * BLOCK_BYTES;
}

/*
 * Where the file ends, for an access at this moment: where the kernel believes, but not behind the size that the home has
 * ordered, because the kernel may be cut a moment later, and not before what growth has surely reached. A page's tail past
 * the end is memory, but not of the file; what is stored there and then becomes part of the file by growth is not defined,
 * as for any file.
 */
static uint64_t end_of(const struct inode *inode)
{
	const struct segment *segment = inode->segment;
	uint64_t end = inode->size_bytes, low = reg_low(&segment->attrs.bounds), ordered;

	if (core_open_size(run_core(inode->node->run), segment->id, SEG_MEMORY, &ordered) && ordered < end)
		end = ordered;
	if (inode->node->sim->any_fault || kernel_resizing(inode) || segment->object->owning.revoke_begun ||
	    segment->object->owning.own_begun)
		return end;
	return end < low ? low : end;
}

/*
 * Of several truncates under way at once the one that is answered first returns while the kernels that sit in the others
 * have not cut yet: a kernel gives up its dirty pages only after its own answer.
 */
static bool not_cut_yet(const struct inode *inode, uint64_t at)
{
	const struct size_mark *mark = inode->truncating ? inode->truncate_mark : NULL;

	while (mark && mark->cut > at)
		mark = mark->next;
	return mark != NULL;
}

/* --- loads and stores ----------------------------------------------------------------------------------------------- */

/* What a load has seen is the value from now on, also of a write(2) by another node that has not returned. */
static void load_settles(const struct inode *inode, struct word *word, uint64_t value)
{
	const struct word_write *write = &word->pending[0];
	bool seen = word->pending_count == 1 && write->value == value && write->node && write->node != inode->node &&
	            !write->overlapped;

	if (word->pending_count && !seen)
		return;
	word->values[0] = value;
	word->value_count = 1;
	word->any = false;
}

void checker_load(struct inode *inode, unsigned page, unsigned index, uint64_t value, const char *how)
{
	struct sim *sim = inode->node->sim;
	struct segment *segment = inode->segment;
	struct word *word = &segment->words[page][index];
	uint64_t at = word_at(page, index), end = end_of(inode);
	uint64_t mask = at + WORD_BYTES <= end ? UINT64_MAX : UINT64_C(0xff);
	bool exempt = kernel_page_exempt(inode, &inode->pages[page]) || at >= end || not_cut_yet(inode, at);
	bool covered = !kernel_resizing(inode) && at < inode->size_bytes && !sim->any_fault;
	char expected[256];

	sim->stats.loads++;
	sim_trace(sim, inode->node, "   %s f%u page %u word %u = %llx%s", how, segment->index, page, index,
	          (unsigned long long)value, exempt ? " (exempt)" : "");
	if (exempt)
		return;
	if (segment->object->owning.revoke_done)
		sim_fail(sim, "%s: %s of f%u page %u, which was revoked", inode->node->name, how, segment->index, page);
	if (!word_allows(segment, page, index, value & mask, mask, covered)) {
		sim_fail(sim, "%s: %s of f%u page %u word %u gives %llx, but it is%s", inode->node->name, how,
		         segment->index, page, index, (unsigned long long)value,
		         word_print(word, expected, sizeof(expected)));
		return;
	}
	if (!segment->object->clears && mask == UINT64_MAX)
		load_settles(inode, word, value);
}

void checker_store(struct inode *inode, unsigned page, unsigned index, uint64_t value)
{
	struct sim *sim = inode->node->sim;
	struct word *word = &inode->segment->words[page][index];
	uint64_t at = word_at(page, index);
	bool behind = at + WORD_BYTES > end_of(inode) || not_cut_yet(inode, at);
	bool exempt = behind || kernel_page_exempt(inode, &inode->pages[page]);

	sim->stats.stores++;
	sim_trace(sim, inode->node, "   store f%u page %u word %u := %llx%s", inode->segment->index, page, index,
	          (unsigned long long)value, exempt ? " (exempt)" : "");
	if (!exempt) {
		word_set(word, value);
		return;
	}
	/* It may get through with the write(2) that filled the page, or be lost with the session. */
	word->tainted = true;
	word->loose |= behind;
	word_ghost(word, value);
	word_overlap(word);
}

/* --- write(2) and truncate ------------------------------------------------------------------------------------------ */

static void word_begin(struct word *word, const struct word_write *write)
{
	word->tainted = true;
	word_overlap(word);
	if (word->pending_count == WORD_VALUES) {
		word->loose = true;
		return;
	}
	word->pending[word->pending_count] = *write;
	word->pending[word->pending_count].overlapped = word->pending_count;
	word->pending_count++;
}

static void word_end(struct word *word, uint64_t value, bool done)
{
	bool overlapped = true;
	unsigned i = 0;

	while (i < word->pending_count && word->pending[i].value != value)
		i++;
	if (i < word->pending_count) {
		overlapped = word->pending[i].overlapped;
		word->pending[i] = word->pending[--word->pending_count];
	}
	if (!done)
		word_ghost(word, value);
	else if (overlapped)
		word_add(word, value);
	else
		word_set(word, value);
}

/* The word's value when only its first byte changes, or stays: known if the word is. */
static uint64_t part_of(struct word *word, uint64_t keep, uint64_t set)
{
	word->bytes = true;
	if (word->value_count != 1 || word->pending_count || word->ghost_count || word->any)
		word->loose = true;
	return (word->values[0] & keep) | set;
}

static void cut_begin(struct change *change)
{
	struct segment *segment = change->inode->segment;

	for (unsigned p = 0; p < OBJECT_PAGES; p++)
		for (unsigned w = 0; w < PAGE_WORDS; w++) {
			struct word_write write = {.slot = -1};

			if (word_at(p, w) + WORD_BYTES <= change->from)
				continue;
			write.part = word_at(p, w) < change->from;
			if (write.part)
				write.value = change->values[0] = part_of(&segment->words[p][w], 0xff, 0);
			word_begin(&segment->words[p][w], &write);
		}
}

static void cut_end(struct change *change, bool done)
{
	struct segment *segment = change->inode->segment;

	for (unsigned p = 0; p < OBJECT_PAGES; p++)
		for (unsigned w = 0; w < PAGE_WORDS; w++) {
			bool part = word_at(p, w) < change->from;

			if (word_at(p, w) + WORD_BYTES <= change->from)
				continue;
			word_end(&segment->words[p][w], part ? change->values[0] : 0, done);
			/* It may still cut what is stored there from now on. */
			segment->words[p][w].loose |= part && !done;
		}
}

void checker_words_begin(struct change *change, bool fresh)
{
	struct segment *segment = change->inode->segment;
	unsigned page = (unsigned)(change->from / PAGE_BYTES);
	uint64_t end = change->from + change->bytes;

	if (change->cuts) {
		cut_begin(change);
		return;
	}
	for (uint64_t at = change->from; at < end; at += BLOCK_BYTES) {
		unsigned index = (unsigned)(at % PAGE_BYTES / BLOCK_BYTES);
		struct word *word = &segment->words[page][index];
		struct word_write write = {.node = change->inode->node, .slot = change->size, .fresh = fresh};

		write.changes = segment->attrs.size_changes;
		write.part = end - at < WORD_BYTES;
		if (write.part)
			change->values[index] = part_of(word, ~UINT64_C(0xff), change->values[index]);
		write.value = change->values[index];
		word_begin(word, &write);
	}
}

void checker_words_end(struct change *change, bool done)
{
	unsigned page = (unsigned)(change->from / PAGE_BYTES);

	if (change->cuts) {
		cut_end(change, done);
		return;
	}
	for (uint64_t at = change->from; at < change->from + change->bytes; at += BLOCK_BYTES) {
		unsigned index = (unsigned)(at % PAGE_BYTES / BLOCK_BYTES);
		struct word *word = &change->inode->segment->words[page][index];
		uint64_t end = change->inode->size_bytes;

		word_end(word, change->values[index], done);
		/* Of a write(2) that fails, the kernel may have written back what lies before the end. */
		if (!done && at < end && at + WORD_BYTES > end)
			word->loose = word->bytes = true;
	}
}

void checker_loosen(struct segment *segment, unsigned page, uint64_t size)
{
	for (unsigned w = 0; w < PAGE_WORDS; w++)
		if (word_at(page, w) + WORD_BYTES > size) {
			segment->words[page][w].loose = true;
			segment->words[page][w].bytes = true;
			segment->words[page][w].tainted = true;
		}
}

/* --- losses --------------------------------------------------------------------------------------------------------- */

static void set_any(struct object *object)
{
	if (!object->may_lose)
		return;
	for (struct segment *segment = object->segments; segment; segment = segment->next)
		for (unsigned p = 0; p < OBJECT_PAGES; p++)
			for (unsigned w = 0; w < PAGE_WORDS; w++) {
				segment->words[p][w].any = true;
				segment->words[p][w].tainted = true;
			}
}

void checker_clear_begin(struct object *object)
{
	object->clears++;
	set_any(object);
}

/* One that was cut off may still be under way. */
void checker_clear_end(struct object *object, int error)
{
	object->clears -= error != -EINTR && error != -EIO;
	set_any(object);
}

void checker_revert_begin(struct object *object)
{
	object->reverts = true;
	set_any(object);
}

void checker_revert_end(struct object *object)
{
	set_any(object);
}

void checker_link_lost(struct sim *sim, struct node *a, struct node *b)
{
	for (struct object *object = sim->objects; object; object = object->next) {
		if (object->home != a->number && object->home != b->number)
			continue;
		object->may_lose = true;
		if (object->clears || object->reverts)
			set_any(object);
		signals_link_lost(object, a, b);
	}
}

static void attrs_node_died(struct attrs *attrs, const struct node *node)
{
	struct reg *regs[] = {&attrs->size, &attrs->bounds, &attrs->mode, &attrs->mtime};

	for (unsigned i = 0; i < sizeof(regs) / sizeof(regs[0]); i++)
		reg_node_died(regs[i], node);
}

void checker_node_died(struct sim *sim, const struct node *node)
{
	for (struct object *object = sim->objects; object; object = object->next) {
		reg_node_died(&object->mode, node);
		for (unsigned i = 0; i < SIM_FILES; i++)
			reg_node_died(&object->names[i], node);
		for (struct segment *segment = object->segments; segment; segment = segment->next)
			attrs_node_died(&segment->attrs, node);
	}
	for (unsigned i = 0; i < SIM_NAMES; i++)
		reg_node_died(&sim->names[i], node);
}

bool checker_error_allowed(struct sim *sim, const struct object *object, int error)
{
	if (error == -ENOSPC && sim->plan.store_pages < STORE_PAGES) {
		sim->stats.full++;
		return true;
	}
	if (checker_is_fixed(sim, object) && !sim->any_fault)
		return error == -EINTR;
	if (error == -EINTR || error == -ENOENT || error == -ESTALE)
		return true;
	if (error == -EIO)
		return sim->any_fault || object->owning.revoke_begun;
	if (error == -EPERM || error == -EACCES)
		return object->owning.own_begun;
	return false;
}

/* --- who may cache a page ------------------------------------------------------------------------------------------- */

/*
 * At most one of the nodes whose kernels cache the page may have a writable handle or hold it dirty, and then no other
 * may cache it at all.
 */
void checker_page(struct inode *inode, unsigned index)
{
	struct sim *sim = inode->node->sim;
	const struct node *writer = NULL, *reader = NULL;

	for (unsigned n = 0; n < sim->node_count; n++) {
		const struct node *node = sim->nodes[n];
		const struct inode *other = node->inodes;

		if (!node_alive(node))
			continue;
		while (other && other->segment != inode->segment)
			other = other->next;
		/* Without a handle no program can reach it: the node may drop it late, but before its next open. */
		if (!other || !(other->readers + other->writers) || !other->pages[index].present || !other->pages[index].uptodate ||
		    kernel_page_exempt(other, &other->pages[index]))
			continue;
		if ((other->writers || other->pages[index].dirty) && !writer)
			writer = node;
		else
			reader = node;
	}
	if (writer && reader)
		sim_fail(sim, "page %u of f%u is cached on %s and on %s, and %s could write it", index,
		         inode->segment->index, writer->name, reader->name, writer->name);
}

void checker_inode(struct inode *inode)
{
	for (unsigned i = 0; i < OBJECT_PAGES; i++)
		if (inode->pages[i].present)
			checker_page(inode, i);
}

/* --- at the end ----------------------------------------------------------------------------------------------------- */

static void counters_of(struct sim *sim, const struct segment *segment)
{
	for (unsigned p = 0; p < OBJECT_PAGES; p++) {
		const struct word *word = &segment->words[p][WORD_COUNTER];

		if (word->tainted || word->any || word->loose || word->values[0] == segment->adds[p])
			continue;
		sim_fail(sim, "the counter in page %u of f%u is %llu after %llu adds", p, segment->index,
		         (unsigned long long)word->values[0], (unsigned long long)segment->adds[p]);
	}
}

void checker_counters(struct sim *sim)
{
	for (struct object *object = sim->objects; object; object = object->next)
		for (struct segment *segment = object->segments; segment; segment = segment->next)
			counters_of(sim, segment);
}
