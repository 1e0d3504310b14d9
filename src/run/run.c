/*
 * run.c: the only place where actions are carried out. Events that arise while actions are carried out wait in a ring, so
 * that a step always sees the world as the actions of the one before left it.
 */
#include "run/run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define EVENTS_FIRST 16u
#define WORD_BYTES 8u /* what a program stores at once, at most */

struct run {
	struct core *core;
	struct store *store;
	const struct run_driver *driver;
	void *context;
	bool stepping;
	struct event *events; /* a ring */
	size_t events_room;
	size_t events_first;
	size_t events_count;
	uint8_t pages[MSG_PAYLOAD_BYTES]; /* of the store, for the action at hand */
};

int run_new(struct run **run, const struct core_config *config, const struct run_driver *driver, void *context)
{
	struct run *new = malloc(sizeof(*new));
	int result;

	if (!new)
		return -ENOMEM;
	/* The pages are left out: no memory for what is never touched. */
	memset(new, 0, offsetof(struct run, pages));
	new->driver = driver;
	new->context = context;
	result = store_new(&new->store, config->store_pages_max);
	if (result < 0)
		goto err_new;
	result = core_new(&new->core, config);
	if (result < 0)
		goto err_store;
	*run = new;
	return 0;

err_store:
	store_free(new->store);
err_new:
	free(new);
	return result;
}

void run_free(struct run *run)
{
	if (!run)
		return;
	CHECK(!run->stepping);
	core_free(run->core);
	store_free(run->store);
	free(run->events);
	free(run);
}

struct core *run_core(struct run *run)
{
	return run->core;
}

static void events_grow(struct run *run)
{
	size_t room = run->events_room ? 2 * run->events_room : EVENTS_FIRST;
	struct event *events;

	CHECK(room <= RUN_EVENTS_MAX);
	events = malloc(room * sizeof(*events));
	CHECK(events);
	for (size_t i = 0; i < run->events_count; i++)
		events[i] = run->events[(run->events_first + i) % run->events_room];
	free(run->events);
	run->events = events;
	run->events_room = room;
	run->events_first = 0;
}

static void events_push(struct run *run, const struct event *event)
{
	CHECK(event->msg.payload.kind == PAYLOAD_NONE);
	if (run->events_count == run->events_room)
		events_grow(run);
	run->events[(run->events_first + run->events_count) % run->events_room] = *event;
	run->events_count++;
}

static struct event events_pop(struct run *run)
{
	struct event event = run->events[run->events_first];

	run->events_first = (run->events_first + 1) % run->events_room;
	run->events_count--;
	return event;
}

/* The action's message with its payload as plain bytes. */
static const struct msg *resolve(struct run *run, struct msg *msg)
{
	if (msg->payload.kind != PAYLOAD_STORE)
		return msg;
	CHECK(msg->count <= MSG_PAGES_MAX);
	store_read(run->store, msg->obj, msg->seg, msg->page, msg->count, run->pages);
	msg->payload.kind = PAYLOAD_BYTES;
	msg->payload.bytes = run->pages;
	msg->payload.length_bytes = msg->count * PAGE_BYTES;
	return msg;
}

static uint32_t least(uint64_t one, uint64_t other)
{
	return (uint32_t)(one < other ? one : other);
}

/*
 * The bytes below, and over them what has changed in the page above. A word that is what it was may still have been stored to,
 * with just this value; that is not to be told apart.
 */
static int write_over(struct run *run, const struct msg *msg)
{
	const char *below = msg->payload.bytes, *above = below + msg->size;
	uint32_t above_bytes = least(msg->payload.length_bytes - msg->size, msg->low);
	uint32_t end = least(msg->offset + msg->size, msg->low), next;
	char *was = (char *)run->pages, *page = was + PAGE_BYTES;

	store_read(run->store, msg->obj, msg->seg, msg->page, 1, was);
	memcpy(page, was, PAGE_BYTES);
	memcpy(page, above, above_bytes);
	for (uint32_t at = msg->offset; at < end; at = next) {
		next = least(at - at % WORD_BYTES + WORD_BYTES, end);
		if (memcmp(was + at, page + at, next - at) == 0)
			memcpy(page + at, below + (at - msg->offset), next - at);
	}
	return store_write(run->store, msg->obj, msg->seg, msg->page, 0, page, end > above_bytes ? end : above_bytes);
}

/* The core reserves the page before it writes, so a failure means that the machine has no memory for the books. */
static void write_page(struct run *run, const struct msg *msg)
{
	int result = msg->flags & PUT_OVER ? write_over(run, msg)
	                                   : store_write(run->store, msg->obj, msg->seg, msg->page, msg->offset,
	                                                 msg->payload.bytes, msg->payload.length_bytes);
	char text[160];

	if (result == 0)
		return;
	snprintf(text, sizeof(text), "page %" PRIu64 " of object %" PRIu64 " could not be kept, its bytes are lost: %s",
	         msg->page, msg->obj, strerror(-result));
	run->driver->log(run->context, LOG_LEVEL_ERROR, text);
}

static void carry_out(struct run *run, struct action *action)
{
	const struct run_driver *driver = run->driver;
	struct msg *msg = &action->msg;

	switch (action->type) {
	case ACT_SEND:
		driver->send(run->context, action->slot, resolve(run, msg));
		break;
	case ACT_REPLY:
		driver->reply(run->context, action->token, resolve(run, msg));
		break;
	case ACT_INVALIDATE:
		driver->invalidate(run->context, action->token, msg);
		break;
	case ACT_UNSHOW:
		driver->unshow(run->context, action->token);
		break;
	case ACT_SHOW:
		driver->show(run->context, action->token, &action->show);
		break;
	case ACT_PEEK:
		driver->peek(run->context, action->token, msg);
		break;
	case ACT_WAKE:
		driver->wake(run->context, action->token);
		break;
	case ACT_STORE_WRITE:
		write_page(run, msg);
		break;
	case ACT_STORE_DROP:
		store_drop(run->store, msg->obj, msg->seg, msg->page, msg->count);
		break;
	case ACT_CONNECT:
		driver->connect(run->context, action->token, action->text);
		break;
	case ACT_CLOSE:
		driver->close(run->context, action->slot, action->text);
		break;
	case ACT_LOG:
		driver->log(run->context, action->level, action->text);
		break;
	case ACT_READY:
		driver->ready(run->context);
		break;
	case ACT_FATAL:
		driver->fatal(run->context, action->text);
		break;
	case ACT_LEFT:
		driver->left(run->context);
		break;
	}
}

static void step(struct run *run, struct event *event)
{
	struct actions actions;

	event->now_ns = run->driver->now_ns(run->context);
	core_step(run->core, event, &actions);
	for (size_t i = 0; i < actions.count; i++)
		carry_out(run, &actions.items[i]);
}

void run_event(struct run *run, const struct event *event)
{
	struct event first = *event;
	struct event next;

	if (run->stepping) {
		events_push(run, event);
		return;
	}
	run->stepping = true;
	step(run, &first);
	for (;;) {
		while (run->events_count > 0) {
			next = events_pop(run);
			step(run, &next);
		}
		run->driver->deadline(run->context, core_deadline_ns(run->core));
		if (run->events_count == 0)
			break;
	}
	run->stepping = false;
}
