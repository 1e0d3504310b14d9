/*
 * test_run.c: goal: actions are carried out in their order and before the next event, pages of the store arrive as bytes,
 * and a driver may raise events from anywhere.
 */
#include <check.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_core.h"
#include "run/run.h"

#define OBJECT UINT64_C(0x10000000001)
#define MANY 1000u

static struct run *run;
static char trace[8192];
static uint64_t clock_ns;
static unsigned raised; /* how many events the driver's log() has still to raise */
static uint8_t page[PAGE_BYTES];

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
	size_t used = strlen(trace);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(trace + used, sizeof(trace) - used, format, arguments);
	va_end(arguments);
}

static uint64_t driver_now_ns(void *context)
{
	ck_assert_ptr_eq(context, &run);
	return ++clock_ns;
}

static void driver_send(void *context, uint32_t slot, const struct msg *msg)
{
	(void)context;
	ck_assert_int_eq(msg->payload.kind, PAYLOAD_BYTES);
	note("send %u %u %.4s;", slot, msg->payload.length_bytes, (const char *)msg->payload.bytes);
}

static void driver_reply(void *context, uint64_t token, const struct msg *msg)
{
	(void)context;
	note("reply %d %d;", (int)token, msg->error);
}

static void driver_invalidate(void *context, uint64_t token, const struct msg *range)
{
	struct event event = { .type = EV_INVALIDATED, .token = token };

	(void)context;
	note("invalidate %d %d;", (int)token, (int)range->page);
	run_event(run, &event);
	note("raised;");
}

static void driver_unshow(void *context, uint64_t token)
{
	(void)context;
	note("unshow %d;", (int)token);
}

static void driver_show(void *context, uint64_t token, const struct show *show)
{
	struct event event = { .type = EV_SHOWN, .token = token, .msg.size = show->size_bytes };

	(void)context;
	note("show %d %d %d;", (int)token, show->lock, (int)show->size_bytes);
	run_event(run, &event);
}

static void driver_peek(void *context, uint64_t token, const struct msg *asked)
{
	struct event event = { .type = EV_PEEKED, .token = token };

	(void)context;
	note("peek %d %d;", (int)token, (int)asked->page);
	run_event(run, &event);
}

static void driver_connect(void *context, uint64_t token, const char *address)
{
	(void)context;
	note("connect %d %s;", (int)token, address);
}

static void driver_close(void *context, uint32_t slot, const char *why)
{
	(void)context;
	note("close %u %s;", slot, why);
}

static void driver_log(void *context, enum log_level level, const char *text)
{
	struct event event = { .type = EV_TICK };

	(void)context;
	(void)level;
	if (raised == 0)
		note("log %s;", text);
	for (; raised > 0; raised--)
		run_event(run, &event);
}

static void driver_ready(void *context)
{
	(void)context;
	note("ready;");
}

static void driver_fatal(void *context, const char *text)
{
	(void)context;
	note("fatal %s;", text);
}

static void driver_left(void *context)
{
	(void)context;
	note("left;");
}

static void driver_deadline(void *context, uint64_t deadline_ns)
{
	struct event event = { .type = EV_DISCONNECTED };

	(void)context;
	note("deadline %d;", (int)deadline_ns);
	/* As when flushing finds a connection broken. */
	if (run_core(run)->deadline_ns == 77) {
		run_core(run)->deadline_ns = 78;
		run_event(run, &event);
	}
}

static const struct run_driver driver = {
	.now_ns = driver_now_ns,
	.send = driver_send,
	.reply = driver_reply,
	.invalidate = driver_invalidate,
	.show = driver_show,
	.unshow = driver_unshow,
	.peek = driver_peek,
	.connect = driver_connect,
	.close = driver_close,
	.log = driver_log,
	.ready = driver_ready,
	.fatal = driver_fatal,
	.left = driver_left,
	.deadline = driver_deadline,
};

static void start(void (*on_step)(struct core *core, const struct event *event))
{
	struct core_config config = { .store_pages_max = 4 };

	trace[0] = '\0';
	fake_core_set(on_step, NULL);
	ck_assert_int_eq(run_new(&run, &config, &driver, &run), 0);
	run_core(run)->deadline_ns = 5;
}

static void raise_event(enum event_type type)
{
	struct event event = { .type = type, .now_ns = UINT64_MAX };

	run_event(run, &event);
}

static void all_actions(struct core *core, const struct event *event)
{
	struct action *action;

	note("step %d %d;", event->type, (int)event->msg.size);
	ck_assert_uint_eq(event->now_ns, clock_ns);
	if (event->type != EV_START)
		return;
	action = fake_action(core, ACT_CONNECT);
	action->token = 3;
	action->text = "there";
	action = fake_action(core, ACT_INVALIDATE);
	action->token = 4;
	action->msg.page = 9;
	action = fake_action(core, ACT_SHOW);
	action->token = 7;
	action->show = (struct show){ .obj = OBJECT, .lock = true, .size_bytes = 11 };
	action = fake_action(core, ACT_REPLY);
	action->token = 5;
	action->msg.error = -EIO;
	action = fake_action(core, ACT_CLOSE);
	action->slot = 6;
	action->text = "enough";
	fake_action(core, ACT_LOG)->text = "hello";
	fake_action(core, ACT_READY);
	fake_action(core, ACT_FATAL)->text = "oh";
	fake_action(core, ACT_LEFT);
}

START_TEST(in_order)
{
	start(all_actions);
	raise_event(EV_START);
	ck_assert_str_eq(trace, "step 0 0;connect 3 there;invalidate 4 9;raised;show 7 1 11;reply 5 -5;close 6 enough;"
	                        "log hello;ready;fatal oh;left;step 3 0;step 4 11;deadline 5;");
	run_free(run);
}
END_TEST

/* A page written, sent, overwritten, dropped and sent again, all in one step. */
static void store_actions(struct core *core, const struct event *event)
{
	struct msg msg = { .type = MSG_GRANT, .obj = OBJECT, .page = 3, .count = 1 };
	struct msg write = msg;

	if (event->type != EV_START)
		return;
	write.payload = (struct payload){ .kind = PAYLOAD_BYTES, .bytes = page, .length_bytes = PAGE_BYTES };
	msg.payload.kind = PAYLOAD_STORE;
	memcpy(page, "old.", 4);
	fake_action(core, ACT_STORE_WRITE)->msg = write;
	fake_action(core, ACT_SEND)->msg = msg;
	write.payload = (struct payload){ .kind = PAYLOAD_BYTES, .bytes = "new", .length_bytes = 3 };
	fake_action(core, ACT_STORE_WRITE)->msg = write;
	fake_action(core, ACT_SEND)->msg = msg;
	fake_action(core, ACT_STORE_DROP)->msg = msg;
	msg.count = 2;
	fake_action(core, ACT_SEND)->msg = msg;
}

START_TEST(pages_of_the_store)
{
	start(store_actions);
	raise_event(EV_START);
	ck_assert_str_eq(trace, "send 0 4096 old.;send 0 4096 new.;send 0 8192 ;deadline 5;");
	run_free(run);
}
END_TEST

static void overfill(struct core *core, const struct event *event)
{
	struct msg msg = { .obj = OBJECT, .payload = { .kind = PAYLOAD_BYTES, .bytes = "x", .length_bytes = 1 } };

	(void)event;
	for (msg.page = 0; msg.page < 5; msg.page++)
		fake_action(core, ACT_STORE_WRITE)->msg = msg;
}

START_TEST(full_store_is_said)
{
	start(overfill);
	raise_event(EV_START);
	ck_assert_ptr_nonnull(strstr(trace, "log page 4 of object"));
	ck_assert_ptr_nonnull(strstr(trace, strerror(ENOSPC)));
	ck_assert_ptr_null(strstr(trace, "page 3"));
	run_free(run);
}
END_TEST

static void log_once(struct core *core, const struct event *event)
{
	if (event->type == EV_START)
		fake_action(core, ACT_LOG)->text = "";
}

START_TEST(many_events_from_within)
{
	start(log_once);
	for (unsigned round = 1; round <= 3; round++) {
		raised = MANY * round;
		raise_event(EV_START);
	}
	ck_assert_uint_eq(run_core(run)->steps, 3 + MANY * 6);
	ck_assert_str_eq(trace, "deadline 5;deadline 5;deadline 5;");
	run_free(run);
}
END_TEST

START_TEST(events_from_the_deadline)
{
	start(all_actions);
	run_core(run)->deadline_ns = 77;
	raise_event(EV_TICK);
	ck_assert_str_eq(trace, "step 12 0;deadline 77;step 11 0;deadline 78;");
	run_free(run);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("run");
	TCase *cases = tcase_create("run");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(cases, in_order);
	tcase_add_test(cases, pages_of_the_store);
	tcase_add_test(cases, full_store_is_said);
	tcase_add_test(cases, many_events_from_within);
	tcase_add_test(cases, events_from_the_deadline);
	suite_add_tcase(suite, cases);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
