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
	for (unsigned p = 0; p < OBJECT_PAGES; p++)
		for (unsigned w = 0; w < PAGE_WORDS; w++)
			object->words[p][w].value_count = 1; /* zero */
	return object;
}

/* Values of plain words: page, word and a count, so that a wrong one tells where it comes from. Never 0. */
static uint64_t word_tag(unsigned page, unsigned word)
{
	return (uint64_t)(page * PAGE_WORDS + word + 1) << 32;
}

uint64_t checker_value(struct object *object, unsigned page, unsigned word)
{
	if (word == WORD_COUNTER) /* so that all its values are at most the number of adds */
		return object->adds[page] / 2;
	return word_tag(page, word) | ++object->words[page][word].issued;
}

static bool ever_had(const struct object *object, unsigned page, unsigned word, uint64_t value)
{
	if (word == WORD_COUNTER && value <= object->adds[page])
		return true;
	return !value ||
	       (value > word_tag(page, word) && value <= (word_tag(page, word) | object->words[page][word].issued));
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

static void word_set(struct word *word, uint64_t value)
{
	word->values[0] = value;
	word->value_count = 1;
	word->any = false;
	for (unsigned i = 0; i < word->pending_count; i++)
		word->pending[i].overlapped = true;
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

static bool word_allows(const struct object *object, unsigned page, unsigned index, uint64_t value)
{
	const struct word *word = &object->words[page][index];

	for (unsigned i = 0; i < word->value_count; i++)
		if (word->values[i] == value)
			return true;
	for (unsigned i = 0; i < word->pending_count; i++)
		if (word->pending[i].value == value)
			return true;
	for (unsigned i = 0; i < word->ghost_count; i++)
		if (word->ghosts[i] == value)
			return true;
	return (word->loose || word->any || object->clears) && ever_had(object, page, index, value);
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

/*
 * A page's tail past the end of the file is memory, but not of the file; what is stored there and then becomes part of
 * the file by growth is not defined, as for any file. The kernel may learn late that the end moved.
 */
static bool past_end(const struct inode *inode, unsigned page, unsigned word)
{
	uint64_t at = page * (uint64_t)PAGE_BYTES + word * BLOCK_BYTES, size;

	return at >= inode->size_bytes ||
	       (core_open_size(run_core(inode->node->run), inode->object->id, &size) && at >= size);
}

/* --- loads and stores ----------------------------------------------------------------------------------------------- */

void checker_load(struct inode *inode, unsigned page, unsigned index, uint64_t value, const char *how)
{
	struct sim *sim = inode->node->sim;
	struct object *object = inode->object;
	struct word *word = &object->words[page][index];
	bool exempt = kernel_page_exempt(inode, &inode->pages[page]) || past_end(inode, page, index);
	char expected[256];

	sim->stats.loads++;
	sim_trace(sim, inode->node, "   %s o%u page %u word %u = %llx%s", how, object->index, page, index,
	          (unsigned long long)value, exempt ? " (exempt)" : "");
	if (exempt)
		return;
	if (object->owning.revoke_done)
		sim_fail(sim, "%s: %s of o%u page %u, which was revoked", inode->node->name, how, object->index, page);
	if (!word_allows(object, page, index, value)) {
		sim_fail(sim, "%s: %s of o%u page %u word %u gives %llx, but it is%s", inode->node->name, how,
		         object->index, page, index, (unsigned long long)value,
		         word_print(word, expected, sizeof(expected)));
		return;
	}
	if (!word->pending_count && !object->clears) {
		word->values[0] = value;
		word->value_count = 1;
		word->any = false;
	}
}

void checker_store(struct inode *inode, unsigned page, unsigned index, uint64_t value)
{
	struct sim *sim = inode->node->sim;
	struct word *word = &inode->object->words[page][index];
	bool behind = past_end(inode, page, index);
	bool exempt = behind || kernel_page_exempt(inode, &inode->pages[page]);

	sim->stats.stores++;
	sim_trace(sim, inode->node, "   store o%u page %u word %u := %llx%s", inode->object->index, page, index,
	          (unsigned long long)value, exempt ? " (exempt)" : "");
	if (!exempt) {
		word_set(word, value);
		return;
	}
	/* It may get through with the write(2) that filled the page, or be lost with the session. */
	word->tainted = true;
	word->loose |= behind;
	word_ghost(word, value);
	for (unsigned i = 0; i < word->pending_count; i++)
		word->pending[i].overlapped = true;
}

void checker_write_begin(struct object *object, unsigned page, unsigned index, uint64_t value)
{
	struct word *word = &object->words[page][index];

	word->tainted = true;
	for (unsigned i = 0; i < word->pending_count; i++)
		word->pending[i].overlapped = true;
	if (word->pending_count == WORD_VALUES) {
		word->loose = true;
		return;
	}
	word->pending[word->pending_count++] = (struct word_write){.value = value, .overlapped = word->pending_count};
}

void checker_write_end(struct object *object, unsigned page, unsigned index, uint64_t value, bool done)
{
	struct word *word = &object->words[page][index];
	bool overlapped = true;
	unsigned i = 0;

	while (i < word->pending_count && word->pending[i].value != value)
		i++;
	if (i < word->pending_count) {
		overlapped = word->pending[i].overlapped;
		word->pending[i] = word->pending[--word->pending_count];
	}
	if (!done) {
		word_ghost(word, value);
		return;
	}
	if (overlapped) {
		word_add(word, value);
		return;
	}
	word_set(word, value);
}

static bool past(unsigned page, unsigned word, uint64_t size)
{
	return page * (uint64_t)PAGE_BYTES + word * BLOCK_BYTES >= size;
}

void checker_truncate_begin(struct sim *sim, struct object *object, uint64_t size)
{
	sim->stats.truncates++;
	if (object->low_known && size < object->low)
		object->low = size;
	for (unsigned p = 0; p < OBJECT_PAGES; p++)
		for (unsigned w = 0; w < PAGE_WORDS; w++)
			if (past(p, w, size))
				checker_write_begin(object, p, w, 0);
}

void checker_truncate_end(struct object *object, uint64_t size, bool done)
{
	if (done && !object->low_known) {
		object->low_known = true;
		object->low = size;
	}
	for (unsigned p = 0; p < OBJECT_PAGES; p++)
		for (unsigned w = 0; w < PAGE_WORDS; w++)
			if (past(p, w, size))
				checker_write_end(object, p, w, 0, done);
}

void checker_loosen(struct object *object, unsigned page, uint64_t size)
{
	for (unsigned w = 0; w < PAGE_WORDS; w++)
		if (past(page, w, size)) {
			object->words[page][w].loose = true;
			object->words[page][w].tainted = true;
		}
}

/* --- losses --------------------------------------------------------------------------------------------------------- */

static void set_any(struct object *object)
{
	if (!object->may_lose)
		return;
	for (unsigned p = 0; p < OBJECT_PAGES; p++)
		for (unsigned w = 0; w < PAGE_WORDS; w++) {
			object->words[p][w].any = true;
			object->words[p][w].tainted = true;
		}
}

void checker_clear_begin(struct object *object)
{
	object->clears++;
	set_any(object);
}

void checker_clear_end(struct object *object)
{
	object->clears--;
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

bool checker_error_allowed(struct sim *sim, const struct object *object, int error)
{
	if (error == -ENOSPC && sim->plan.store_pages < STORE_PAGES) {
		sim->stats.full++;
		return true;
	}
	for (unsigned i = 0; i < SIM_NAMES; i++)
		if (sim->fixed[i] == object && !sim->any_fault)
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
		while (other && other->object != inode->object)
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
		sim_fail(sim, "page %u of o%u is cached on %s and on %s, and %s could write it", index,
		         inode->object->index, writer->name, reader->name, writer->name);
}

void checker_inode(struct inode *inode)
{
	for (unsigned i = 0; i < OBJECT_PAGES; i++)
		if (inode->pages[i].present)
			checker_page(inode, i);
}

/* --- at the end ----------------------------------------------------------------------------------------------------- */

void checker_counters(struct sim *sim)
{
	for (struct object *object = sim->objects; object; object = object->next)
		for (unsigned p = 0; p < OBJECT_PAGES; p++) {
			const struct word *word = &object->words[p][WORD_COUNTER];

			if (word->tainted || word->any || word->loose || word->values[0] == object->adds[p])
				continue;
			sim_fail(sim, "the counter in page %u of o%u is %llu after %llu adds", p, object->index,
			         (unsigned long long)word->values[0], (unsigned long long)object->adds[p]);
		}
}
