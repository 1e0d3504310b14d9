#include "core/bus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/runs.h"
#include "core/session/session.h"

struct scratch {
	struct list link;
	_Alignas(16) unsigned char bytes[];
};

static bool take_books(void *context, size_t bytes)
{
	return bus_take_books(context, bytes);
}

static void give_books(void *context, size_t bytes)
{
	bus_give_books(context, bytes);
}

void bus_init(struct bus *bus, const struct core_config *config)
{
	bus->page_books = (struct page_books){.take = take_books, .give = give_books, .context = bus};
	bus->pages_max = config->store_pages_max;
	bus->timeout_ns = config->timeout_ns;
	bus->quiet_ns = config->quiet_ns;
	bus->wall_offset_ns = config->wall_offset_ns;
	bus->breakage = config->breakage;
	list_init(&bus->scratch);
}

static void scratch_free_all(struct bus *bus)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &bus->scratch)
	{
		list_remove(link);
		free(list_entry(link, struct scratch, link));
	}
}

void bus_fini(struct bus *bus)
{
	scratch_free_all(bus);
	free(bus->inbox);
	free(bus->actions.items);
}

void bus_step(struct bus *bus, uint64_t now_ns)
{
	scratch_free_all(bus);
	bus->actions.count = 0;
	bus->steps++;
	bus->stored = 0;
	bus->now_ns = now_ns;
}

/* --- messages ------------------------------------------------------------------------------------------------- */

static bool inbox_add(struct bus *bus, const struct msg *msg)
{
	return bus->inbox_count && run_add(&bus->inbox[bus->inbox_first + bus->inbox_count - 1], msg);
}

static void inbox_push(struct bus *bus, const struct msg *msg)
{
	if (bus->inbox_first + bus->inbox_count == bus->inbox_room) {
		bus->inbox_room = bus->inbox_room ? 2 * bus->inbox_room : 64;
		bus->inbox = realloc(bus->inbox, bus->inbox_room * sizeof(*bus->inbox));
		CHECK(bus->inbox);
	}
	bus->inbox[bus->inbox_first + bus->inbox_count++] = *msg;
}

bool bus_take(struct bus *bus, struct msg *msg)
{
	if (!bus->inbox_count) {
		bus->inbox_first = 0;
		return false;
	}
	*msg = bus->inbox[bus->inbox_first++];
	bus->inbox_count--;
	return true;
}

void bus_send(struct bus *bus, uint32_t number, const struct msg *msg)
{
	bool answered = msg->type == MSG_PUT && msg->flags & PUT_GROWS;

	if (!answered && bus_send_more(bus, number, msg))
		return;
	if (number && number == bus->number)
		inbox_push(bus, msg);
	else
		sessions_send(bus->sessions, number, msg);
}

bool bus_send_more(struct bus *bus, uint32_t number, const struct msg *msg)
{
	if (number && number == bus->number)
		return inbox_add(bus, msg);
	return sessions_send_more(bus->sessions, number, msg);
}

void bus_send_all(struct bus *bus, node_set set, const struct msg *msg)
{
	uint32_t number;

	for (unsigned at = 0; (number = nodes_next(&bus->nodes, set, &at));)
		bus_send(bus, number, msg);
}

void bus_answer(struct bus *bus, uint32_t number, uint32_t req, int error, const struct msg *fields)
{
	struct msg msg = fields ? *fields : (struct msg){0};

	msg.type = MSG_REPLY;
	msg.req = req;
	msg.error = error;
	bus_send(bus, number, &msg);
}

bool bus_reaches(const struct bus *bus, uint32_t number)
{
	return number && (number == bus->number || sessions_reaches(bus->sessions, number));
}

const char *bus_name(const struct bus *bus, uint32_t number)
{
	return sessions_name(bus->sessions, number);
}

void bus_hang_up(struct bus *bus, uint32_t number, const char *why)
{
	sessions_hang_up(bus->sessions, number, why);
}

/* --- actions -------------------------------------------------------------------------------------------------- */

struct action *bus_act(struct bus *bus, enum action_type type)
{
	struct action *action;

	if (bus->actions.count == bus->actions_room) {
		bus->actions_room = bus->actions_room ? 2 * bus->actions_room : 64;
		bus->actions.items = realloc(bus->actions.items, bus->actions_room * sizeof(*action));
		CHECK(bus->actions.items);
	}
	action = &bus->actions.items[bus->actions.count++];
	memset(action, 0, sizeof(*action));
	action->type = type;
	if (type == ACT_STORE_WRITE || type == ACT_STORE_DROP)
		bus->stored = bus->actions.count;
	return action;
}

bool bus_add(struct bus *bus, size_t action, const struct msg *msg)
{
	return (msg->payload.kind != PAYLOAD_STORE || action >= bus->stored) &&
	       run_add(&bus->actions.items[action].msg, msg);
}

void *bus_scratch(struct bus *bus, size_t bytes)
{
	struct scratch *scratch = calloc(1, sizeof(*scratch) + bytes);

	CHECK(scratch);
	list_push_back(&bus->scratch, &scratch->link);
	return scratch->bytes;
}

void bus_free_later(struct bus *bus, struct list *memory)
{
	list_push_back(&bus->scratch, memory);
}

static char *text_va(struct bus *bus, const char *format, va_list arguments)
{
	va_list again;
	char *text;
	int length;

	va_copy(again, arguments);
	length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	CHECK(length >= 0);
	text = bus_scratch(bus, (size_t)length + 1);
	vsnprintf(text, (size_t)length + 1, format, arguments);
	return text;
}

char *bus_text(struct bus *bus, const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = text_va(bus, format, arguments);
	va_end(arguments);
	return text;
}

void bus_log(struct bus *bus, enum log_level level, const char *format, ...)
{
	struct action *action;
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = text_va(bus, format, arguments);
	va_end(arguments);
	action = bus_act(bus, ACT_LOG);
	action->level = level;
	action->text = text;
}

/* --- memory --------------------------------------------------------------------------------------------------- */

/* Books are counted past the share that full pages need at most. */
static uint64_t pages_with(const struct bus *bus, uint64_t pages, uint64_t books_bytes)
{
	uint64_t books = pages_of(bus->books_bytes + books_bytes);
	uint64_t share = bus->pages_max / BOOKS_SHARE;

	return bus->store_pages + pages + (books > share ? books - share : 0);
}

uint64_t bus_pages(const struct bus *bus)
{
	return pages_with(bus, 0, 0);
}

static bool fits(const struct bus *bus, uint64_t pages, uint64_t books_bytes)
{
	return pages_with(bus, pages, books_bytes) <= bus->pages_max;
}

bool bus_has_room(const struct bus *bus, uint64_t pages)
{
	return fits(bus, pages, 0);
}

bool bus_take_page(struct bus *bus)
{
	if (!fits(bus, 1, 0))
		return false;
	bus->store_pages++;
	return true;
}

void bus_give_pages(struct bus *bus, uint64_t pages)
{
	CHECK(bus->store_pages >= pages);
	bus->store_pages -= pages;
}

bool bus_take_books(struct bus *bus, size_t bytes)
{
	if (!fits(bus, 0, bytes))
		return false;
	bus->books_bytes += bytes;
	return true;
}

void bus_give_books(struct bus *bus, size_t bytes)
{
	CHECK(bus->books_bytes >= bytes);
	bus->books_bytes -= bytes;
}
