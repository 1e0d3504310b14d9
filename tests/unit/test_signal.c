/* test_signal.c: signals, owners and access lists, scenario by scenario. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster.h"

static struct cluster *cluster;

static void set_up(void)
{
	cluster = cluster_new(3, 1000);
}

static void tear_down(void)
{
	cluster_check(cluster);
	cluster_free(cluster);
}

static struct answer *ask(unsigned node, const struct msg *msg)
{
	return cluster_do(cluster, node, msg, NULL, 0);
}

static uint64_t make_in(unsigned node, uint64_t dir, uint32_t uid)
{
	struct msg msg = {.type = REQ_MKDIR, .dir = dir, .attr = {.mode = 0750, .uid = uid}};
	struct answer *answer = cluster_do(cluster, node, &msg, "a", 2);

	ck_assert_int_eq(answer->error, 0);
	return answer->obj;
}

static uint64_t make(unsigned node)
{
	return make_in(node, DIR_ROOT, 0);
}

static int look_up(unsigned node, uint64_t dir)
{
	struct msg msg = {.type = REQ_LOOKUP, .dir = dir};

	return cluster_do(cluster, node, &msg, "a", 2)->error;
}

/* Its `memory`, which was made next. */
static uint64_t memory_of(uint64_t obj)
{
	return obj + 1;
}

/* About the object's memory if there is a mode, else about its directory. */
static int on_object(unsigned node, enum msg_type type, uint64_t obj, enum page_mode mode)
{
	struct msg msg = {.type = (uint8_t)type, .obj = obj, .seg = SEG_NONE, .mode = (uint8_t)mode};

	if (mode) {
		msg.obj = memory_of(obj);
		msg.seg = SEG_MEMORY;
	}
	return ask(node, &msg)->error;
}

/* As a program does it: open, write, close. */
static int order(unsigned node, uint64_t obj, const char *text)
{
	struct msg msg = {.type = REQ_CONTROL, .obj = obj};
	int error = on_object(node, REQ_OPEN, obj, PAGE_INVALID);

	if (error)
		return error;
	error = cluster_do(cluster, node, &msg, text, (uint32_t)strlen(text))->error;
	ck_assert_int_eq(on_object(node, REQ_RELEASE, obj, PAGE_INVALID), 0);
	return error;
}

static int resize(unsigned node, uint64_t obj, uint64_t size)
{
	return ask(node, &(struct msg){.type = REQ_SETATTR, .obj = memory_of(obj), .flags = SETATTR_SIZE, .size = size})->error;
}

static uint32_t mode_of(unsigned node, uint64_t obj)
{
	struct answer *answer = ask(node, &(struct msg){.type = REQ_GETATTR, .obj = obj, .seg = SEG_NONE});

	ck_assert_int_eq(answer->error, 0);
	return answer->attr.mode;
}

static bool status_has(unsigned node, uint64_t obj, const char *line)
{
	struct answer *answer;

	ck_assert_int_eq(on_object(node, REQ_OPEN, obj, PAGE_INVALID), 0);
	answer = ask(node, &(struct msg){.type = REQ_STATUS, .obj = obj});
	ck_assert_int_eq(answer->error, 0);
	ck_assert_uint_lt(answer->length, sizeof(answer->bytes));
	answer->bytes[answer->length] = 0;
	ck_assert_int_eq(on_object(node, REQ_RELEASE, obj, PAGE_INVALID), 0);
	return strstr((const char *)answer->bytes, line);
}

static uint64_t end_open(unsigned node, uint64_t obj, bool reads)
{
	struct msg msg = {.type = REQ_END_OPEN, .obj = obj, .flags = reads ? END_READS : 0};
	struct answer *answer = ask(node, &msg);

	ck_assert_int_eq(answer->error, 0);
	ck_assert_uint_ne(answer->cookie, 0);
	return answer->cookie;
}

static void end_close(unsigned node, uint64_t end)
{
	ck_assert_int_eq(ask(node, &(struct msg){.type = REQ_END_CLOSE, .cookie = end})->error, 0);
}

static int post(unsigned node, uint64_t end, uint32_t flags)
{
	return ask(node, &(struct msg){.type = REQ_END_POST, .cookie = end, .flags = flags})->error;
}

static int own(unsigned node, uint64_t end, uint32_t uid)
{
	return ask(node, &(struct msg){.type = REQ_END_OWN, .cookie = end, .attr.uid = uid})->error;
}

static uint32_t poll_end(unsigned node, uint64_t end)
{
	return ask(node, &(struct msg){.type = REQ_END_POLL, .cookie = end})->flags;
}

/* The number of signals taken, or an error. */
static int take(unsigned node, uint64_t end, uint32_t count)
{
	struct answer *answer =
		ask(node, &(struct msg){.type = REQ_END_READ, .cookie = end, .count = count, .flags = END_NONBLOCK});

	return answer->error ? answer->error : (int)answer->count;
}

/* Goal: a signal reaches each end that reads, on all nodes, but not the one that posts; and waits there to be taken. */
START_TEST(everywhere)
{
	uint64_t obj = make(0);
	uint64_t ends[3] = {end_open(0, obj, true), end_open(1, obj, true), end_open(2, obj, true)};
	uint64_t second = end_open(1, obj, true), deaf = end_open(2, obj, false);

	ck_assert_int_eq(post(1, ends[1], 0), 0);
	ck_assert_int_eq(post(2, deaf, 0), 0);
	ck_assert_int_eq(take(0, ends[0], 10), 2);
	ck_assert_int_eq(take(1, ends[1], 10), 1);
	ck_assert_int_eq(take(1, second, 1), 1);
	ck_assert_int_eq(take(1, second, 10), 1);
	ck_assert_int_eq(take(1, second, 10), -EAGAIN);
	ck_assert_int_eq(take(2, ends[2], 0), 0);
	ck_assert_int_eq(take(2, ends[2], UINT32_MAX), 2);
	ck_assert_uint_eq(poll_end(2, deaf), 0);
	ck_assert(status_has(1, obj, "\nsignals: 2\n"));
	ck_assert(status_has(1, obj, "\nowner: none\naccess: all\n"));
}
END_TEST

/* Goal: a reader waits until a signal comes, readers are served in order, and any signal ends the wait. */
START_TEST(waiting)
{
	uint64_t obj = make(0);
	uint64_t reader = end_open(1, obj, true), writer = end_open(2, obj, false);
	struct msg read = {.type = REQ_END_READ, .cookie = reader, .count = 8};
	uint64_t first = cluster_request(cluster, 1, &read, NULL, 0);
	uint64_t second = cluster_request(cluster, 1, &read, NULL, 0);
	uint64_t third = cluster_request(cluster, 1, &read, NULL, 0);

	cluster_settle(cluster);
	ck_assert(!cluster_answer(cluster, first)->done);
	cluster_interrupt(cluster, 1, first);
	ck_assert_int_eq(cluster_answer(cluster, first)->error, -EINTR);
	ck_assert_int_eq(post(2, writer, 0), 0);
	ck_assert_uint_eq(cluster_answer(cluster, second)->count, 1);
	ck_assert(!cluster_answer(cluster, third)->done);
	ck_assert_int_eq(post(2, writer, 0), 0);
	ck_assert_uint_eq(cluster_answer(cluster, third)->count, 1);
	ck_assert_int_eq(take(1, reader, 1), -EAGAIN);
	ck_assert_uint_eq(core_requests_open(cluster_core(cluster, 1)), 0);
}
END_TEST

/* Goal: poll tells what is there, and one wake-up follows for what comes next, also when something was pending. */
START_TEST(polling)
{
	uint64_t obj = make(0);
	uint64_t reader = end_open(1, obj, true), writer = end_open(2, obj, false);

	ck_assert_uint_eq(poll_end(1, reader), 0);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(post(2, writer, 0), 0);
	ck_assert_uint_eq(cluster_wakes(cluster, 1, reader), 1);
	ck_assert_uint_eq(poll_end(1, reader), END_READABLE);
	ck_assert_int_eq(post(2, writer, POST_ONCE), 0);
	ck_assert_uint_eq(cluster_wakes(cluster, 1, reader), 1);
	ck_assert_int_eq(post(2, writer, 0), 0);
	ck_assert_uint_eq(cluster_wakes(cluster, 1, reader), 2);
	ck_assert_int_eq(take(1, reader, 100), 4);
	ck_assert_uint_eq(poll_end(2, writer), 0);
	ck_assert_int_eq(order(0, obj, "revoke"), 0);
	ck_assert_uint_eq(cluster_wakes(cluster, 2, writer), 1);
	ck_assert_uint_eq(poll_end(2, writer), END_CUT);
}
END_TEST

/* Goal: "owner", "users" and "once" reach whom they name. */
START_TEST(whom)
{
	uint64_t obj = make(0);
	uint64_t owner = end_open(1, obj, true), beside = end_open(1, obj, true), user = end_open(2, obj, true);

	ck_assert_int_eq(post(2, user, POST_OWNER), 0);
	ck_assert_int_eq(take(1, owner, 9), -EAGAIN);
	ck_assert_int_eq(own(1, owner, 0), 0);
	ck_assert_int_eq(post(2, user, POST_OWNER), 0);
	ck_assert_int_eq(post(1, beside, POST_OWNER), 0);
	ck_assert_int_eq(post(1, owner, POST_OWNER), 0);
	ck_assert_int_eq(take(1, owner, 9), 3);
	ck_assert_int_eq(take(1, beside, 9), -EAGAIN);
	ck_assert_int_eq(take(2, user, 9), -EAGAIN);
	ck_assert_int_eq(post(1, owner, POST_USERS), 0);
	ck_assert_int_eq(post(2, user, POST_USERS | POST_ONCE), 0);
	ck_assert_int_eq(take(1, owner, 9), -EAGAIN);
	ck_assert_int_eq(take(1, beside, 9), 1);
	ck_assert_int_eq(take(2, user, 9), 1);
}
END_TEST

/* Goal: revoke cuts an end off: what is pending can still be taken, then an error; posts fail; those who wait are told. */
START_TEST(revoked)
{
	uint64_t obj = make(0);
	uint64_t one = end_open(1, obj, true), two = end_open(2, obj, true);
	struct msg read = {.type = REQ_END_READ, .cookie = two, .count = 1};
	uint64_t token;

	ck_assert_int_eq(post(2, two, 0), 0);
	token = cluster_request(cluster, 2, &read, NULL, 0);
	ck_assert_int_eq(order(0, obj, "revoke\n"), 0);
	ck_assert_int_eq(cluster_answer(cluster, token)->error, -EIO);
	ck_assert_uint_eq(poll_end(1, one), END_READABLE | END_CUT);
	ck_assert_int_eq(take(1, one, 9), 1);
	ck_assert_int_eq(take(1, one, 9), -EIO);
	ck_assert_int_eq(post(1, one, 0), -EIO);
	ck_assert_int_eq(own(1, one, 0), -EIO);
	ck_assert_int_eq(on_object(0, REQ_GETATTR, obj, 0), -EIO);
	end_close(1, one);
	end_close(2, two);
	ck_assert_int_eq(on_object(0, REQ_GETATTR, obj, 0), -ESTALE);
}
END_TEST

/* Goal: an end is cut when its home is lost, and a post that was under way fails. */
START_TEST(home_lost)
{
	uint64_t obj = make(1);
	uint64_t end = end_open(2, obj, true);
	struct msg msg = {.type = REQ_END_POST, .cookie = end};
	uint64_t token;

	poll_end(2, end);
	token = cluster_request(cluster, 2, &msg, NULL, 0);
	cluster_kill(cluster, 1);
	ck_assert_int_eq(cluster_answer(cluster, token)->error, -EIO);
	ck_assert_uint_eq(cluster_wakes(cluster, 2, end), 1);
	ck_assert_uint_eq(poll_end(2, end), END_CUT);
	ck_assert_int_eq(take(2, end, 1), -EIO);
	end_close(2, end);
	ck_assert_uint_eq(core_requests_open(cluster_core(cluster, 2)), 0);
}
END_TEST

/* Goal: only the object's user or root may own it, once. */
START_TEST(who_owns)
{
	uint64_t obj = make_in(0, DIR_ROOT, 7);
	uint64_t one = end_open(1, obj, true), two = end_open(2, obj, true);

	ck_assert_int_eq(own(1, one, 8), -EPERM);
	ck_assert_int_eq(own(1, one, 7), 0);
	ck_assert(status_has(0, obj, "\nowner: node1\n"));
	ck_assert_int_eq(own(2, two, 0), -EBUSY);
	ck_assert_int_eq(own(1, one, 7), -EBUSY);
	end_close(2, two); /* which owns nothing */
	ck_assert_int_eq(on_object(0, REQ_GETATTR, obj, 0), 0);
}
END_TEST

/* Goal: when the owner's end is closed the object is revoked and its name goes, on all nodes; wherever the name is. */
START_TEST(owner_closes)
{
	uint64_t dir = _i & 1 ? DIR_UNNAMED : DIR_ROOT;
	unsigned home = (unsigned)_i >> 1;
	uint64_t obj = make_in(home, dir, 0);
	uint64_t owner = end_open(1, obj, true), user = end_open(2, obj, true);
	struct msg read = {.type = REQ_READ, .obj = memory_of(obj), .count = 1};

	ck_assert_int_eq(resize(0, obj, 4096), 0);
	ck_assert_int_eq(on_object(2, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
	ck_assert_int_eq(ask(2, &read)->error, 0);
	ck_assert_int_eq(own(1, owner, 0), 0);
	end_close(1, owner);
	ck_assert_int_eq(look_up(0, dir), -ENOENT);
	ck_assert_int_eq(ask(2, &read)->error, -EIO);
	ck_assert_uint_eq(poll_end(2, user), END_CUT);
	ck_assert_int_eq(on_object(0, REQ_OPEN, obj, PAGE_INVALID), -EIO);
	end_close(2, user);
	ck_assert_int_eq(on_object(2, REQ_RELEASE, obj, PAGE_EXCLUSIVE), 0);
	ck_assert_int_eq(on_object(0, REQ_GETATTR, obj, 0), -ESTALE);
	ck_assert_uint_eq(core_store_pages(cluster_core(cluster, home)), 0);
}
END_TEST

/* Goal: so it is when the owner's node dies, also with nobody else there. */
START_TEST(owner_dies)
{
	uint64_t obj = make(0);
	uint64_t owner = end_open(1, obj, true), user = _i ? end_open(2, obj, true) : 0;

	ck_assert_int_eq(own(1, owner, 0), 0);
	cluster_kill(cluster, 1);
	ck_assert_int_eq(look_up(0, DIR_ROOT), -ENOENT);
	if (user)
		ck_assert_uint_eq(poll_end(2, user), END_CUT);
	ck_assert_int_eq(on_object(0, REQ_GETATTR, obj, 0), user ? -EIO : -ESTALE);
}
END_TEST

/* Goal: an end that is closed before its "own" is answered does not leave an object without an owner behind. */
START_TEST(owner_closes_early)
{
	uint64_t obj = make(0);
	uint64_t end = end_open(1, obj, true);
	struct msg msg = {.type = REQ_END_OWN, .cookie = end};
	uint64_t token = cluster_request(cluster, 1, &msg, NULL, 0);

	cluster_interrupt(cluster, 1, token);
	end_close(1, end);
	ck_assert_int_eq(cluster_answer(cluster, token)->error, -EINTR);
	ck_assert_int_eq(look_up(0, DIR_ROOT), -ENOENT);
	ck_assert_int_eq(on_object(0, REQ_GETATTR, obj, 0), -ESTALE);
}
END_TEST

/* Goal: what the directory says of a name late does not bring an object back whose owner has died. */
START_TEST(late_name)
{
	uint64_t obj = make(0);
	uint64_t owner = end_open(1, obj, true);
	struct msg link = {.type = MSG_LINK, .obj = obj, .flags = LINK_NAMED};

	ck_assert_int_eq(on_object(2, REQ_OPEN, obj, PAGE_INVALID), 0);
	ck_assert_int_eq(own(1, owner, 0), 0);
	end_close(1, owner);
	cluster_raw(cluster, 2, 0, &link);
	cluster_settle(cluster);
	ck_assert_int_eq(on_object(2, REQ_RELEASE, obj, PAGE_INVALID), 0);
	ck_assert_int_eq(on_object(0, REQ_GETATTR, obj, 0), -ESTALE);
}
END_TEST

/* Goal: an owned object keeps its size, and only its owner's node may change the rest. */
START_TEST(owned)
{
	uint64_t obj = make(0);
	uint64_t owner = end_open(1, obj, true);
	struct msg chmod = {
		.type = REQ_SETATTR, .obj = obj, .seg = SEG_NONE, .flags = SETATTR_MODE, .attr.mode = 0640 | OBJECT_OWNED};
	struct msg write = {.type = REQ_WRITE, .obj = memory_of(obj), .offset = 4};
	static const char *const verbs[] = {"revoke", "destroy", "clear", "revert on", "access all", "nonsense"};

	ck_assert_int_eq(resize(0, obj, 8), 0);
	ck_assert_int_eq(on_object(2, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
	ck_assert_uint_eq(ask(2, &chmod)->attr.mode, 0640);
	ck_assert_int_eq(own(1, owner, 0), 0);
	for (unsigned node = 0; node < 3; node++) {
		ck_assert_uint_eq(mode_of(node, obj), 0640 | OBJECT_OWNED);
		ck_assert_int_eq(resize(node, obj, 0), -EPERM);
		ck_assert_int_eq(resize(node, obj, 8), -EPERM);
		ck_assert_int_eq(ask(node, &chmod)->error, node == 1 ? 0 : -EPERM);
		for (unsigned i = 0; node != 1 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
			ck_assert_int_eq(order(node, obj, verbs[i]), -EPERM);
	}
	ck_assert_int_eq(cluster_do(cluster, 2, &write, "wide", 4)->error, 0);
	ck_assert_int_eq(cluster_do(cluster, 2, &write, "wider", 5)->error, -EPERM);
	ck_assert_int_eq(order(1, obj, "nonsense"), -EINVAL);
	ck_assert_int_eq(order(1, obj, "revert on"), 0);
	ck_assert_int_eq(order(1, obj, "destroy"), 0);
	ck_assert_int_eq(look_up(2, DIR_ROOT), -ENOENT);
	ck_assert_int_eq(cluster_do(cluster, 2, &write, "wide", 4)->error, 0);
	end_close(1, owner);
	ck_assert_int_eq(cluster_do(cluster, 2, &write, "wide", 4)->error, -EIO);
}
END_TEST

/* Goal: a list shows each node on it the mode that stands there, and keeps the others and what that mode lacks out. */
START_TEST(access_list)
{
	uint64_t obj = make(0);
	uint64_t owner = end_open(0, obj, true);

	ck_assert_int_eq(order(0, obj, "access 2=444"), -EPERM);
	ck_assert_int_eq(own(0, owner, 0), 0);
	ck_assert_int_eq(order(0, obj, "access 2=440\n"), 0);
	ck_assert(status_has(0, obj, "\naccess: 2=440\n"));
	ck_assert_uint_eq(mode_of(1, obj), 0440 | OBJECT_OWNED);
	ck_assert_uint_eq(mode_of(2, obj), 0750 | OBJECT_OWNED);

	ck_assert_int_eq(on_object(1, REQ_OPEN, obj, PAGE_EXCLUSIVE), -EACCES);
	ck_assert_int_eq(on_object(1, REQ_OPEN, obj, PAGE_SHARED), 0);
	ck_assert_int_eq(on_object(1, REQ_OPEN, obj, PAGE_EXCLUSIVE), -EACCES);
	ck_assert_int_eq(on_object(2, REQ_OPEN, obj, PAGE_INVALID), -EPERM);
	ck_assert_int_eq(on_object(2, REQ_OPEN, obj, PAGE_SHARED), -EPERM);
	/* Its own node is on no list: the memory is closed to it, the rest is not. */
	ck_assert_int_eq(on_object(0, REQ_OPEN, obj, PAGE_SHARED), -EPERM);
	ck_assert_int_eq(on_object(0, REQ_OPEN, obj, PAGE_INVALID), 0);

	ck_assert_int_eq(order(0, obj, "access  1=600 2=0 3=222 "), 0);
	ck_assert_int_eq(on_object(0, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
	ck_assert_int_eq(on_object(1, REQ_OPEN, obj, PAGE_SHARED), -EACCES);
	ck_assert_int_eq(on_object(2, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
	ck_assert_int_eq(on_object(2, REQ_OPEN, obj, PAGE_SHARED), -EACCES);
	ck_assert_int_eq(order(0, obj, "access all"), 0);
	ck_assert_uint_eq(mode_of(1, obj), 0750 | OBJECT_OWNED);
	ck_assert_int_eq(on_object(1, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
}
END_TEST

/* Goal: an object that a node has open already when it gets its owner and its list is not a way round the list. */
START_TEST(opened_before)
{
	uint64_t obj = make(0);
	uint64_t owner = end_open(0, obj, true);

	ck_assert_int_eq(on_object(1, REQ_OPEN, obj, PAGE_INVALID), 0);
	ck_assert_int_eq(own(0, owner, 0), 0);
	ck_assert_int_eq(order(0, obj, "access 3=600"), 0);
	ck_assert_uint_eq(mode_of(1, obj), 0750 | OBJECT_OWNED); /* which its kernel asks before any open */
	ck_assert_int_eq(on_object(1, REQ_OPEN, obj, PAGE_EXCLUSIVE), -EPERM);
	ck_assert_int_eq(on_object(1, REQ_RELEASE, obj, PAGE_INVALID), 0);
	ck_assert_int_eq(on_object(1, REQ_OPEN, obj, PAGE_INVALID), -EPERM);
}
END_TEST

/* Goal: an open that is killed while its home is asked leaves nothing open, and one that a revoke meets fails. */
START_TEST(opens_under_way)
{
	uint64_t obj = make(0);
	uint64_t owner = end_open(1, obj, true);
	struct msg open = {.type = REQ_OPEN, .obj = obj, .mode = PAGE_EXCLUSIVE};
	uint64_t killed, met;

	ck_assert_int_eq(on_object(2, REQ_OPEN, obj, PAGE_INVALID), 0);
	ck_assert_int_eq(own(1, owner, 0), 0);
	mode_of(2, obj);
	killed = cluster_request(cluster, 2, &open, NULL, 0);
	cluster_interrupt(cluster, 2, killed);
	ck_assert_int_eq(cluster_answer(cluster, killed)->error, -EINTR);
	ck_assert_int_eq(on_object(2, REQ_RELEASE, obj, PAGE_INVALID), 0);
	ck_assert(status_has(0, obj, "\nholders: node0 node1\n"));

	ck_assert_int_eq(on_object(2, REQ_OPEN, obj, PAGE_INVALID), 0);
	met = cluster_request(cluster, 2, &open, NULL, 0);
	end_close(1, owner);
	ck_assert(cluster_answer(cluster, met)->done);
	ck_assert_int_eq(on_object(2, REQ_RELEASE, obj, PAGE_INVALID), 0);
	if (!cluster_answer(cluster, met)->error)
		ck_assert_int_eq(on_object(2, REQ_RELEASE, obj, PAGE_EXCLUSIVE), 0);
	ck_assert_int_eq(on_object(0, REQ_GETATTR, obj, 0), -ESTALE);
}
END_TEST

static const char *const bad_lists[] = {
	"access", "access ", "access 2", "access 2=", "access =6", "access 0=6", "access 65536=6", "access 99999999999=6",
	"access 2=8", "access 2=667", "access 2=111", "access 2=0777", "access 2=6 2=4", "access 2=6,3=4", "access 2=6 all",
	"access all 2=6", "access -2=6", "access 2=-6", "access 2 =6", "access 2=6x", "accessall", "access allx",
};

/* Goal: a list that is not understood in full changes nothing. */
START_TEST(bad_list)
{
	uint64_t obj = make(0);
	uint64_t owner = end_open(0, obj, true);

	ck_assert_int_eq(own(0, owner, 0), 0);
	ck_assert_int_eq(order(0, obj, "access 65535=0666 1=0"), 0);
	ck_assert_int_eq(order(0, obj, bad_lists[_i]), -EINVAL);
	ck_assert(status_has(0, obj, "\naccess: 65535=666 1=0\n"));
}
END_TEST

/* Goal: a list is as long as a cluster can be, and no longer. */
START_TEST(long_list)
{
	uint64_t obj = make(0);
	uint64_t owner = end_open(0, obj, true);
	char text[TEXT_BYTES] = "access";

	ck_assert_int_eq(own(0, owner, 0), 0);
	for (unsigned i = 0; i < NODES_MAX; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " %u=0666", 65000 + i);
	ck_assert_int_eq(order(0, obj, text), 0);
	ck_assert(status_has(0, obj, " 65063=666\n"));
	strcat(text, " 2=6");
	ck_assert_int_eq(order(0, obj, text), -EINVAL);
}
END_TEST

/* Goal: a truncate that a revoke overtakes tells its node that the object is revoked. */
START_TEST(revoke_meets_truncate)
{
	uint64_t obj = make(0);
	uint64_t end = end_open(1, obj, true);
	struct msg truncate = {.type = REQ_SETATTR, .obj = memory_of(obj), .flags = SETATTR_SIZE, .size = 100};
	struct msg revoke = {.type = REQ_CONTROL, .obj = obj};
	uint64_t truncating, revoking;

	ck_assert_int_eq(resize(0, obj, 2 * PAGE_BYTES), 0);
	ck_assert_int_eq(on_object(0, REQ_OPEN, obj, PAGE_INVALID), 0);
	for (unsigned node = 1; node < 3; node++)
		ck_assert_int_eq(on_object(node, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
	ck_assert_int_eq(ask(2, &(struct msg){.type = REQ_READ, .obj = memory_of(obj), .page = 1, .count = 1})->error, 0);
	cluster_hold_kernel(cluster, 2);
	truncating = cluster_request(cluster, 1, &truncate, NULL, 0);
	cluster_settle(cluster);
	revoking = cluster_request(cluster, 0, &revoke, "revoke", 6);
	cluster_settle(cluster);
	ck_assert(!cluster_answer(cluster, truncating)->done);
	cluster_release_kernel(cluster, 2);
	ck_assert_int_eq(cluster_answer(cluster, truncating)->error, -EIO);
	ck_assert_int_eq(cluster_answer(cluster, revoking)->error, 0);
	ck_assert_uint_eq(poll_end(1, end), END_CUT);
	ck_assert_int_eq(on_object(1, REQ_OPEN, obj, PAGE_SHARED), -EIO);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("signal");
	TCase *test = tcase_create("scenarios");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(test, set_up, tear_down);
	tcase_add_test(test, everywhere);
	tcase_add_test(test, waiting);
	tcase_add_test(test, polling);
	tcase_add_test(test, whom);
	tcase_add_test(test, revoked);
	tcase_add_test(test, home_lost);
	tcase_add_test(test, who_owns);
	tcase_add_loop_test(test, owner_closes, 0, 6);
	tcase_add_loop_test(test, owner_dies, 0, 2);
	tcase_add_test(test, owner_closes_early);
	tcase_add_test(test, late_name);
	tcase_add_test(test, owned);
	tcase_add_test(test, access_list);
	tcase_add_test(test, opened_before);
	tcase_add_test(test, opens_under_way);
	tcase_add_loop_test(test, bad_list, 0, sizeof(bad_lists) / sizeof(bad_lists[0]));
	tcase_add_test(test, long_list);
	tcase_add_test(test, revoke_meets_truncate);
	suite_add_tcase(suite, test);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
