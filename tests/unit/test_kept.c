/*
 * test_kept.c: what nodes keep of names and attributes, and who is let in, believed and waited for, scenario by scenario.
 * What random schedules find is tests/sim's business.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "steps.h"
#include "wire/wire_check.h"

/* --- what nodes keep -------------------------------------------------------------------------------------------- */

/* Goal: a name that was looked up is known without a message, until it changes; then the old one is seen nowhere. */
START_TEST(name_kept)
{
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t obj = make(cluster, 1, "a"), found = 0;
	struct msg rename = {.type = REQ_RENAME, .dir = DIR_ROOT, .to_dir = DIR_ROOT};
	unsigned before;

	ck_assert_int_eq(look_up(cluster, 2, "a", NULL), 0);
	before = cluster_messages(cluster);
	ck_assert_int_eq(look_up(cluster, 2, "a", &found), 0);
	ck_assert_uint_eq(found, obj);
	ck_assert_uint_eq(cluster_messages(cluster), before);
	ck_assert_int_eq(cluster_do(cluster, 1, &rename, "a\0b", 4)->error, 0);
	ck_assert_int_eq(look_up(cluster, 2, "a", NULL), -ENOENT);
	ck_assert_int_eq(look_up(cluster, 2, "b", &found), 0);
	ck_assert_uint_eq(found, obj);
	ck_assert_int_eq(remove_name(cluster, 0, "b"), 0);
	ck_assert_int_eq(look_up(cluster, 2, "b", NULL), -ENOENT);
	ck_assert_uint_ne(make(cluster, 0, "b"), obj);
	ck_assert_int_eq(look_up(cluster, 2, "b", &found), 0);
	ck_assert_uint_ne(found, obj);
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* Goal: a change of a name counts nowhere before all who keep the name have given it back; who asks meanwhile waits. */
START_TEST(name_given_back)
{
	struct cluster *cluster = cluster_new(4, 1000);
	struct msg remove = {.type = REQ_REMOVE, .dir = DIR_ROOT}, find = {.type = REQ_LOOKUP, .dir = DIR_ROOT};
	uint64_t removing, finding;

	make(cluster, 1, "a");
	ck_assert_int_eq(look_up(cluster, 2, "a", NULL), 0);
	cluster_lose(cluster, 2, MSG_NAME_RECALLED);
	removing = cluster_request(cluster, 1, &remove, "a", 2);
	cluster_settle(cluster);
	ck_assert(!cluster_answer(cluster, removing)->done);
	finding = cluster_request(cluster, 3, &find, "a", 2);
	cluster_settle(cluster);
	ck_assert(!cluster_answer(cluster, finding)->done);
	/* Who never gives it back, though it lives, counts as dead after a time. */
	cluster_advance(cluster, CLUSTER_TIMEOUT_NS);
	ck_assert(!cluster_answer(cluster, removing)->done);
	cluster_advance(cluster, 2 * CLUSTER_TIMEOUT_NS);
	ck_assert(cluster_answer(cluster, removing)->done);
	ck_assert_int_eq(cluster_answer(cluster, removing)->error, 0);
	ck_assert_int_eq(cluster_answer(cluster, finding)->error, -ENOENT);
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* Goal: a change that has to wait holds up those of the same name, in order, and no others. */
START_TEST(names_apart)
{
	struct cluster *cluster = cluster_new(4, 1000);
	struct msg remove = {.type = REQ_REMOVE, .dir = DIR_ROOT}, rename = {.type = REQ_RENAME, .dir = DIR_ROOT, .to_dir = DIR_ROOT};
	struct msg mkdir = {.type = REQ_MKDIR, .dir = DIR_ROOT, .attr = {.mode = 0755}};
	uint64_t obj = make(cluster, 1, "a"), other = make(cluster, 1, "b"), removing, renaming, making, found;

	ck_assert_int_eq(look_up(cluster, 2, "a", NULL), 0);
	cluster_lose(cluster, 2, MSG_NAME_RECALLED);
	removing = cluster_request(cluster, 1, &remove, "a", 2);
	making = cluster_request(cluster, 3, &mkdir, "a", 2);
	renaming = cluster_request(cluster, 1, &rename, "a\0c", 4);
	cluster_settle(cluster);
	ck_assert(!cluster_answer(cluster, removing)->done);
	ck_assert(!cluster_answer(cluster, making)->done);
	ck_assert(!cluster_answer(cluster, renaming)->done);
	ck_assert_int_eq(cluster_do(cluster, 3, &rename, "b\0d", 4)->error, 0);
	ck_assert_int_eq(look_up(cluster, 3, "d", &found), 0);
	ck_assert_uint_eq(found, other);
	cluster_advance(cluster, 3 * CLUSTER_TIMEOUT_NS);
	ck_assert_int_eq(cluster_answer(cluster, removing)->error, 0);
	ck_assert_int_eq(cluster_answer(cluster, making)->error, 0);
	ck_assert_int_eq(cluster_answer(cluster, renaming)->error, 0);
	ck_assert_int_eq(look_up(cluster, 3, "a", NULL), -ENOENT);
	ck_assert_int_eq(look_up(cluster, 3, "c", &found), 0);
	ck_assert_uint_ne(found, obj);
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* Goal: a list is kept, with the knowledge of what is not there, and follows each change without being asked for again. */
START_TEST(list_kept)
{
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t obj = make(cluster, 0, "a"), found;
	unsigned lists;

	ck_assert_uint_eq(list_root(cluster, 2, "a", &found), 1);
	ck_assert_uint_eq(found, obj);
	lists = cluster_messages(cluster);
	ck_assert_uint_eq(list_root(cluster, 2, "a", &found), 1);
	ck_assert_int_eq(look_up(cluster, 2, "nothing", NULL), -ENOENT);
	ck_assert_uint_eq(cluster_messages(cluster), lists);

	lists = cluster_count(cluster, 0, MSG_LIST) + cluster_count(cluster, 0, MSG_LOOKUP);
	obj = make(cluster, 1, "nothing");
	ck_assert_uint_eq(list_root(cluster, 2, "nothing", &found), 2);
	ck_assert_uint_eq(found, obj);
	ck_assert_int_eq(look_up(cluster, 2, "nothing", &found), 0);
	ck_assert_uint_eq(found, obj);
	ck_assert_int_eq(remove_name(cluster, 0, "a"), 0);
	ck_assert_uint_eq(list_root(cluster, 2, "a", &found), 1);
	ck_assert_uint_eq(found, 0);
	ck_assert_int_eq(look_up(cluster, 2, "a", NULL), -ENOENT);
	ck_assert_uint_eq(cluster_count(cluster, 0, MSG_LIST) + cluster_count(cluster, 0, MSG_LOOKUP), lists);

	/* Without its directory it knows nothing. */
	cluster_kill(cluster, 0);
	ck_assert_int_eq(look_up(cluster, 2, "a", NULL), -EIO);
	cluster_free(cluster);
}
END_TEST

#define MANY_OBJECTS 1000u

/* Goal: to list a thousand objects with all their attributes costs messages once. */
START_TEST(many_kept)
{
	struct cluster *cluster = cluster_new(2, 100000);
	char name[32];
	uint64_t obj, found;
	unsigned before = 0;

	for (unsigned i = 0; i < MANY_OBJECTS; i++) {
		snprintf(name, sizeof(name), "object-%u", i);
		make(cluster, i % 2, name);
	}
	for (unsigned round = 0; round < 2; round++) {
		before = cluster_messages(cluster);
		ck_assert_uint_eq(list_root(cluster, 1, "object-7", &found), MANY_OBJECTS);
		for (unsigned i = 0; i < MANY_OBJECTS; i++) {
			snprintf(name, sizeof(name), "object-%u", i);
			ck_assert_int_eq(look_up(cluster, 1, name, &obj), 0);
			ck_assert_uint_eq(stat_object(cluster, 1, obj, SEG_NONE).mode, 0755);
			stat_object(cluster, 1, obj, SEG_MEMORY);
		}
	}
	ck_assert_uint_eq(cluster_messages(cluster), before);
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* Goal: attributes that nobody changes cost no message, nor does opening the object again; a change is seen at once. */
START_TEST(attributes_kept)
{
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t obj = make(cluster, 0, "a");
	unsigned before;

	ck_assert_int_eq(resize(cluster, 0, obj, 5), 0);
	for (unsigned round = 0; round < 2; round++) {
		before = cluster_messages(cluster);
		ck_assert_uint_eq(stat_object(cluster, 2, obj, SEG_NONE).mode, 0755);
		ck_assert_uint_eq(stat_object(cluster, 2, obj, SEG_MEMORY).size_bytes, 5);
		ck_assert_int_eq(simple(cluster, 2, REQ_OPEN, obj, PAGE_SHARED), 0);
		ck_assert_int_eq(simple(cluster, 2, REQ_RELEASE, obj, PAGE_SHARED), 0);
	}
	ck_assert_uint_eq(cluster_messages(cluster), before);
	ck_assert_int_eq(change_mode(cluster, 1, obj, 0700), 0);
	ck_assert_uint_eq(stat_object(cluster, 2, obj, SEG_NONE).mode, 0700);
	ck_assert_int_eq(resize(cluster, 1, obj, 7), 0);
	ck_assert_uint_eq(stat_object(cluster, 2, obj, SEG_MEMORY).size_bytes, 7);
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* Goal: while a node writes, the others see its times at once; when it has stopped, they may keep them again. */
START_TEST(writer_is_asked)
{
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t obj = make(cluster, 0, "a"), mtime_ns;
	unsigned before;

	mtime_ns = stat_object(cluster, 2, obj, SEG_MEMORY).mtime_ns;
	ck_assert_int_eq(simple(cluster, 1, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
	for (unsigned i = 0; i < 3; i++) {
		cluster_advance(cluster, 1000000000);
		ck_assert_int_eq(write_byte(cluster, 1, obj, 0, 0, 'x'), 0);
		ck_assert_uint_gt(stat_object(cluster, 2, obj, SEG_MEMORY).mtime_ns, mtime_ns);
		mtime_ns = stat_object(cluster, 2, obj, SEG_MEMORY).mtime_ns;
		ck_assert_uint_eq(stat_object(cluster, 1, obj, SEG_MEMORY).mtime_ns, mtime_ns);
	}
	ck_assert_int_eq(simple(cluster, 1, REQ_RELEASE, obj, PAGE_EXCLUSIVE), 0);
	ck_assert_uint_eq(stat_object(cluster, 2, obj, SEG_MEMORY).mtime_ns, mtime_ns);
	before = cluster_messages(cluster);
	for (unsigned node = 1; node < 3; node++)
		ck_assert_uint_eq(stat_object(cluster, node, obj, SEG_MEMORY).mtime_ns, mtime_ns);
	ck_assert_uint_le(cluster_messages(cluster), before + 2); /* the writer may have to ask once */
	before = cluster_messages(cluster);
	for (unsigned node = 1; node < 3; node++)
		ck_assert_uint_eq(stat_object(cluster, node, obj, SEG_MEMORY).mtime_ns, mtime_ns);
	ck_assert_uint_eq(cluster_messages(cluster), before);
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* Goal: a node that does not give attributes back, though it lives, holds up a change for a time only. */
START_TEST(attributes_given_back)
{
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t obj = make(cluster, 0, "a"), changing;
	struct msg change = {
		.type = REQ_SETATTR, .obj = whole(obj), .seg = SEG_NONE, .flags = SETATTR_MODE, .attr.mode = 0700};

	stat_object(cluster, 2, obj, SEG_NONE);
	cluster_lose(cluster, 2, MSG_ATTR_RECALLED);
	changing = cluster_request(cluster, 1, &change, NULL, 0);
	cluster_advance(cluster, CLUSTER_TIMEOUT_NS);
	ck_assert(!cluster_answer(cluster, changing)->done);
	cluster_advance(cluster, 2 * CLUSTER_TIMEOUT_NS);
	ck_assert(cluster_answer(cluster, changing)->done);
	ck_assert_int_eq(cluster_answer(cluster, changing)->error, 0);
	ck_assert_uint_eq(stat_object(cluster, 2, obj, SEG_NONE).mode, 0700);
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* Goal: when a name goes, nodes that keep the object open without a program let go of it, and it ends. */
START_TEST(reaped)
{
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t obj = make(cluster, 0, "a");

	ck_assert_int_eq(resize(cluster, 0, obj, PAGE_BYTES), 0);
	for (unsigned node = 1; node < 3; node++) {
		ck_assert_int_eq(simple(cluster, node, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
		ck_assert_int_eq(write_byte(cluster, node, obj, 0, 0, 'x'), 0);
	}
	ck_assert_int_eq(simple(cluster, 1, REQ_RELEASE, obj, PAGE_EXCLUSIVE), 0);
	ck_assert_int_eq(remove_name(cluster, 1, "a"), 0);
	ck_assert_int_eq(read_page(cluster, 2, obj, 0)->bytes[0], 'x');
	ck_assert_int_eq(simple(cluster, 2, REQ_RELEASE, obj, PAGE_EXCLUSIVE), 0);
	ck_assert_int_eq(simple(cluster, 0, REQ_GETATTR, obj, 0), -ESTALE);
	ck_assert_uint_eq(core_store_pages(cluster_core(cluster, 0)), 0);
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* Goal: whoever is cut off answers nothing any more from what it keeps, before the others may change it. */
START_TEST(cut_off)
{
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t obj = make(cluster, 1, "a");

	ck_assert_int_eq(resize(cluster, 1, obj, PAGE_BYTES), 0);
	ck_assert_int_eq(simple(cluster, 2, REQ_OPEN, obj, PAGE_SHARED), 0);
	ck_assert_int_eq(read_page(cluster, 2, obj, 0)->error, 0);
	ck_assert_int_eq(look_up(cluster, 2, "a", NULL), 0);
	cluster_freeze(cluster, 1);
	cluster_advance(cluster, CLUSTER_TIMEOUT_NS / 4);
	ck_assert_int_eq(simple(cluster, 2, REQ_GETATTR, obj, 0), 0);
	cluster_advance(cluster, CLUSTER_TIMEOUT_NS / 2);
	ck_assert_int_eq(simple(cluster, 2, REQ_GETATTR, obj, 0), -EIO);
	ck_assert_int_eq(core_page_mode(cluster_core(cluster, 2), obj, SEG_MEMORY, 0), PAGE_INVALID);
	ck_assert_int_eq(look_up(cluster, 2, "a", NULL), 0);
	cluster_freeze(cluster, 0);
	cluster_advance(cluster, 3 * CLUSTER_TIMEOUT_NS / 4);
	ck_assert_int_eq(look_up(cluster, 2, "a", NULL), -EIO);
	cluster_free(cluster);
}
END_TEST

/* Goal: a killed program's request is answered at once, wherever it is, leaves nothing behind, and works the next time. */
START_TEST(killed)
{
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t obj = make(cluster, 1, "a"), token;
	struct msg requests[] = {{.type = REQ_LOOKUP},
	                         {.type = REQ_GETATTR, .obj = whole(obj), .seg = SEG_NONE},
	                         {.type = REQ_LIST},
	                         {.type = REQ_SETATTR, .obj = obj, .flags = SETATTR_SIZE, .size = 20000},
	                         {.type = REQ_OPEN, .obj = obj, .mode = PAGE_EXCLUSIVE},
	                         {.type = REQ_OPEN, .obj = whole(obj), .seg = SEG_NONE},
	                         {.type = REQ_REMOVE}};
	struct msg *msg = &requests[_i / 4];
	bool named = msg->type == REQ_LOOKUP || msg->type == REQ_REMOVE;

	/* After so many of the messages that it leads to. */
	token = cluster_request(cluster, 2, msg, named ? "a" : NULL, 2);
	for (int i = 0; i < _i % 4; i++)
		cluster_step(cluster);
	if (!cluster_answer(cluster, token)->done) {
		cluster_interrupt(cluster, 2, token);
		ck_assert_int_eq(cluster_answer(cluster, token)->error, -EINTR);
		cluster_settle(cluster);
		ck_assert_uint_eq(core_requests_open(cluster_core(cluster, 2)), 0);
		token = cluster_request(cluster, 2, msg, named ? "a" : NULL, 2);
		cluster_settle(cluster);
	}
	ck_assert(cluster_answer(cluster, token)->done);
	if (msg->type != REQ_REMOVE || cluster_answer(cluster, token)->error != -ENOENT)
		ck_assert_int_eq(cluster_answer(cluster, token)->error, 0);
	if (msg->type == REQ_OPEN)
		ck_assert_int_eq(simple(cluster, 2, REQ_RELEASE, obj, msg->mode), 0);
	(void)remove_name(cluster, 0, "a");
	ck_assert_int_eq(simple(cluster, 0, REQ_GETATTR, obj, 0), -ESTALE);
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* Goal: a killed program's change of a size, and a close behind it, do not hold up for ever who looks at the file. */
START_TEST(killed_and_closed)
{
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t obj, changing, looking;
	struct msg resizing = {.type = REQ_SETATTR, .flags = SETATTR_SIZE, .size = 5};
	struct msg release = {.type = REQ_RELEASE, .mode = PAGE_EXCLUSIVE};
	struct msg getattr = {.type = REQ_GETATTR};

	/* Its home does not know yet that it has a name: it is closed at the last release. */
	cluster_lose(cluster, 0, MSG_LINK);
	obj = resizing.obj = release.obj = getattr.obj = make(cluster, 1, "a");
	ck_assert_int_eq(simple(cluster, 2, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
	changing = cluster_request(cluster, 2, &resizing, NULL, 0);
	cluster_interrupt(cluster, 2, changing);
	cluster_request(cluster, 2, &release, NULL, 0);
	looking = cluster_request(cluster, 2, &getattr, NULL, 0);
	cluster_settle(cluster);
	ck_assert(cluster_answer(cluster, looking)->done);
	ck_assert_uint_eq(cluster_answer(cluster, looking)->attr.size_bytes, 5);
	cluster_free(cluster);
}
END_TEST

/* --- who does not answer, and who says anything --------------------------------------------------------------------- */

/* Goal: a node that does not confirm what it is told, though it lives, holds up the others for a time only. */
START_TEST(confirmed_in_time)
{
	static const enum msg_type unsaid[] = {MSG_SIZED, MSG_RECALLED, MSG_SIZED};
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t obj = make(cluster, 0, "a"), asking;
	struct msg requests[] = {{.type = REQ_SETATTR, .obj = obj, .flags = SETATTR_SIZE, .size = 5},
	                         {.type = REQ_READ, .obj = obj, .count = 1},
	                         {.type = REQ_WRITE, .obj = obj, .page = 3}};

	ck_assert_int_eq(resize(cluster, 0, obj, 10), 0);
	for (unsigned node = 1; node < 3; node++)
		ck_assert_int_eq(simple(cluster, node, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
	ck_assert_int_eq(write_byte(cluster, 2, obj, 0, 0, 'x'), 0);
	cluster_lose(cluster, 2, unsaid[_i]);
	asking = cluster_request(cluster, 1, &requests[_i], "w", _i == 2);
	cluster_advance(cluster, CLUSTER_TIMEOUT_NS);
	ck_assert(!cluster_answer(cluster, asking)->done);
	cluster_advance(cluster, 2 * CLUSTER_TIMEOUT_NS);
	ck_assert(cluster_answer(cluster, asking)->done);
	/* Page 0 has the bytes that it had put before. */
	ck_assert_int_eq(cluster_answer(cluster, asking)->error, _i == 1 ? -EIO : 0);
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

#define HOSTILE_MESSAGES 300

static uint64_t random_state;

static uint64_t below(uint64_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % limit;
}

/* Any message that the wire lets through. */
static struct msg random_message(uint64_t obj)
{
	static const char bytes[PAGE_BYTES] = "a\0b";
	static const uint64_t some[] = {0, 1, 4096, 10000, OBJECT_BYTES_MAX};
	const char *why;
	struct msg msg;

	do {
		msg = (struct msg){.type = (uint8_t)(MSG_LEAVE + below(MSG_SIGNAL - MSG_LEAVE + 1)),
		                   .mode = (uint8_t)below(3),
		                   .dir = below(3) ? below(2) : whole(obj),
		                   .to_dir = below(3) ? below(2) : whole(obj),
		                   .flags = below(2) ? 0 : 1u << below(27),
		                   .error = below(3) ? 0 : -(int)below(40),
		                   .req = (uint32_t)below(2) ? 262144 + (uint32_t)below(4) : (uint32_t)below(4),
		                   .obj = below(4) ? obj : obj + below(3) - 1,
		                   .number = (uint32_t)below(4),
		                   .seg = below(4) ? SEG_MEMORY : below(2) ? 1 : SEG_NONE,
		                   .count = (uint32_t)below(5),
		                   .page = below(4),
		                   .size = some[below(5)],
		                   .low = below(2) ? UINT64_MAX : some[below(5)],
		                   .cookie = below(6),
		                   .attr.mtime_ns = below(1000)};
		if (below(2))
			msg.payload = (struct payload){PAYLOAD_BYTES, below(3) ? (uint32_t)below(8) : PAGE_BYTES, bytes};
	} while (msg.type == MSG_LEAVE || wire_check(&msg, &why));
	return msg;
}

/* Goal: whatever a member says, the others go on: no books are out of order, each request is answered. */
START_TEST(says_anything)
{
	struct cluster *cluster = cluster_new(4, 100);
	uint64_t obj = make(cluster, 0, "a"), other = make(cluster, 1, "b"), token;
	unsigned sent = 0;

	random_state = (uint64_t)_i * 7919 + 1;
	for (unsigned node = 0; node < 3; node++)
		ck_assert_int_eq(simple(cluster, node, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
	for (; sent < HOSTILE_MESSAGES && cluster_connected(cluster, 0, 2); sent++) {
		struct msg write = {.type = REQ_WRITE, .obj = obj, .page = below(4), .offset = (uint32_t)below(5)};
		struct msg msg = random_message(below(3) ? obj : other);

		/* From node 2, who has it open, or node 3, who has not, to its home or to a user. */
		cluster_raw(cluster, below(4) ? 2 : 3, (unsigned)below(2), &msg);
		if (below(8) == 0) {
			token = cluster_request(cluster, (unsigned)below(2), &write, "x", 1);
			cluster_settle(cluster);
			cluster_advance(cluster, 3 * CLUSTER_TIMEOUT_NS);
			ck_assert(cluster_answer(cluster, token)->done);
		}
	}
	cluster_settle(cluster);
	cluster_kill(cluster, 2);
	cluster_kill(cluster, 3);
	cluster_advance(cluster, 3 * CLUSTER_TIMEOUT_NS);
	cluster_check(cluster);
	for (unsigned node = 0; node < 2; node++)
		ck_assert_uint_eq(core_requests_open(cluster_core(cluster, node)), 0);
	cluster_free(cluster);
}
END_TEST

/* --- what is refused ---------------------------------------------------------------------------------------------- */

/* Goal: a node that has not opened an object can neither read nor write it, nor change it, nor signal to it. */
START_TEST(not_opened)
{
	static const struct msg forbidden[] = {
		{.type = MSG_GET, .count = 1, .mode = PAGE_SHARED, .req = 100},
		{.type = MSG_GET, .count = 1, .mode = PAGE_EXCLUSIVE, .req = 101},
		{.type = MSG_PUT, .payload = {PAYLOAD_BYTES, 4, "evil"}},
		{.type = MSG_PUT, .payload = {PAYLOAD_BYTES, 4, "evil"}, .req = 102, .size = PAGE_BYTES, .flags = PUT_GROWS},
		{.type = MSG_SETATTR, .size = 0, .flags = SETATTR_SIZE, .req = 103},
		{.type = MSG_POST, .req = 104},
		{.type = MSG_OWN, .req = 105, .cookie = 1},
	};
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t obj = make(cluster, 0, "a");
	struct msg msg = forbidden[_i];
	struct msg end = {.type = REQ_END_OPEN, .obj = obj, .flags = END_READS};
	uint64_t cookie;

	ck_assert_int_eq(simple(cluster, 1, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
	ck_assert_int_eq(write_byte(cluster, 1, obj, 0, 10, 'x'), 0);
	cookie = ask(cluster, 1, &end)->cookie;
	msg.obj = obj;
	cluster_raw(cluster, 2, 0, &msg);
	cluster_settle(cluster);
	if (msg.type == MSG_GET)
		ck_assert_int_eq(cluster_last(cluster, 2, MSG_GRANT).error, -EPERM);
	else if (msg.req)
		ck_assert_int_eq(cluster_last(cluster, 2, MSG_REPLY).error, -EPERM);
	ck_assert_uint_eq(open_size(cluster, 1, obj), 11);
	ck_assert_int_eq(simple(cluster, 0, REQ_OPEN, obj, PAGE_SHARED), 0);
	ck_assert_int_eq(read_page(cluster, 0, obj, 0)->bytes[0], 0);
	ck_assert_int_eq(read_page(cluster, 0, obj, 0)->bytes[10], 'x');
	ck_assert_uint_eq(ask(cluster, 1, &(struct msg){.type = REQ_END_POLL, .cookie = cookie})->flags, 0);
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* Goal: a node that has it open for reading only gets no page to write, and nothing past the end. */
START_TEST(opened_to_read)
{
	struct cluster *cluster = cluster_new(2, 1000);
	uint64_t obj = make(cluster, 0, "a");
	struct msg get = {.type = MSG_GET, .obj = obj, .count = 1, .mode = PAGE_EXCLUSIVE, .req = 100};

	ck_assert_int_eq(resize(cluster, 0, obj, PAGE_BYTES), 0);
	ck_assert_int_eq(simple(cluster, 1, REQ_OPEN, obj, PAGE_SHARED), 0);
	cluster_raw(cluster, 1, 0, &get);
	cluster_settle(cluster);
	ck_assert_int_eq(cluster_last(cluster, 1, MSG_GRANT).error, -EPERM);
	get.mode = PAGE_SHARED;
	get.page = 1;
	get.flags = GET_PAST_END;
	cluster_raw(cluster, 1, 0, &get);
	cluster_settle(cluster);
	ck_assert_int_eq(cluster_last(cluster, 1, MSG_GRANT).error, -ERANGE);
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* Goal: reading a sparse object's holes takes memory for the books, and no more of it than the node gives. */
START_TEST(sparse_reader)
{
	struct cluster *cluster = cluster_new(2, 50);
	uint64_t obj = make(cluster, 0, "a"), other, page = 0;
	int error = 0;

	ck_assert_int_eq(resize(cluster, 0, obj, UINT64_C(1) << 40), 0);
	ck_assert_int_eq(simple(cluster, 1, REQ_OPEN, obj, PAGE_SHARED), 0);
	for (; !error && page < 100000; page++)
		error = read_page(cluster, 1, obj, page * 1000)->error;
	ck_assert_int_eq(error, -ENOSPC);
	ck_assert_uint_gt(page, 50);
	/* It comes back with the reader's last close and the name. */
	ck_assert_int_eq(simple(cluster, 1, REQ_RELEASE, obj, PAGE_SHARED), 0);
	ck_assert_int_eq(remove_name(cluster, 0, "a"), 0);
	other = make(cluster, 0, "b");
	ck_assert_int_eq(simple(cluster, 0, REQ_OPEN, other, PAGE_EXCLUSIVE), 0);
	for (page = 0; page < 40; page++)
		ck_assert_int_eq(write_byte(cluster, 0, other, page, 0, 'x'), 0);
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* --- who is in ---------------------------------------------------------------------------------------------------- */

static void greet(struct cluster *cluster, unsigned stranger, uint32_t number, const char *name_and_address,
                  uint32_t length)
{
	struct msg hello = {.type = MSG_HELLO, .number = number, .cluster = number ? 99 : 0};

	hello.payload = (struct payload){PAYLOAD_BYTES, length, name_and_address};
	cluster_raw(cluster, stranger, 0, &hello);
	cluster_settle(cluster);
}

/* Goal: who says it has the number of a node that is up is refused, and the node keeps its session and its name. */
START_TEST(impostor)
{
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t obj = make(cluster, 1, "a");
	unsigned stranger = cluster_stranger(cluster, 0);

	greet(cluster, stranger, 2, _i ? "mallory\0n9" : "node1\0n9", _i ? 11 : 9);
	ck_assert_uint_eq(cluster_count(cluster, stranger, MSG_REFUSED), 1);
	ck_assert_uint_eq(cluster_count(cluster, stranger, MSG_WELCOME), 0);
	ck_assert(!cluster_connected(cluster, 0, stranger));
	ck_assert(cluster_connected(cluster, 0, 1));
	ck_assert_int_eq(change_mode(cluster, 0, obj, 0700), 0);
	ck_assert(!cluster_ready(cluster, cluster_join(cluster, "node1")));
	/* Nor is it refused only while the node has just said something. */
	cluster_advance(cluster, CLUSTER_TIMEOUT_NS * 10);
	stranger = cluster_stranger(cluster, 0);
	greet(cluster, stranger, 2, "node1\0n9", 9);
	cluster_advance(cluster, CLUSTER_TIMEOUT_NS);
	ck_assert_uint_eq(cluster_count(cluster, stranger, MSG_WELCOME), 0);
	ck_assert(cluster_connected(cluster, 0, 1));
	cluster_free(cluster);
}
END_TEST

/* Goal: a node whose connection has broken unnoticed comes back as soon as that shows, before the timeout. */
START_TEST(comes_again)
{
	struct cluster *cluster = cluster_new(3, 1000);
	unsigned stranger;

	cluster_freeze(cluster, 1);
	cluster_advance(cluster, CLUSTER_TIMEOUT_NS / 2 - CLUSTER_TIMEOUT_NS / 8);
	stranger = cluster_stranger(cluster, 0);
	greet(cluster, stranger, 2, "node1\0n9", 9);
	cluster_advance(cluster, CLUSTER_TIMEOUT_NS / 8);
	ck_assert(!cluster_connected(cluster, 0, 1));
	stranger = cluster_stranger(cluster, 0);
	greet(cluster, stranger, 2, "node1\0n9", 9);
	ck_assert_uint_eq(cluster_count(cluster, stranger, MSG_WELCOME), 1);
	cluster_free(cluster);
}
END_TEST

static struct answer *nodes_text(struct cluster *cluster, unsigned node)
{
	struct msg msg = {.type = REQ_INFO};
	struct answer *answer = cluster_do(cluster, node, &msg, "nodes", 6);

	ck_assert_int_eq(answer->error, 0);
	ck_assert_uint_lt(answer->length, sizeof(answer->bytes));
	answer->bytes[answer->length] = 0;
	return answer;
}

/* Goal: a node that is dead for long is forgotten by all, and its objects' names go; before that it could come back. */
START_TEST(dead_are_forgotten)
{
	struct cluster *cluster = cluster_new(3, 1000);

	make(cluster, 1, "a");
	ck_assert_int_eq(look_up(cluster, 2, "a", NULL), 0);
	cluster_kill(cluster, 1);
	cluster_advance(cluster, MEMBER_DEAD_NS - UINT64_C(10000000000));
	for (unsigned node = 0; node < 3; node += 2)
		ck_assert_ptr_nonnull(strstr((char *)nodes_text(cluster, node)->bytes, "node1"));
	ck_assert_int_eq(look_up(cluster, 2, "a", NULL), 0);
	cluster_advance(cluster, UINT64_C(20000000000));
	for (unsigned node = 0; node < 3; node += 2)
		ck_assert_ptr_null(strstr((char *)nodes_text(cluster, node)->bytes, "node1"));
	ck_assert_int_eq(look_up(cluster, 2, "a", NULL), -ENOENT);
	cluster_free(cluster);
}
END_TEST

/* Goal: however many nodes came and went without a word, the next one is let in, and the list of members is bounded. */
START_TEST(many_die)
{
	struct cluster *cluster = cluster_new(2, 1000);
	char name[NODE_NAME_BYTES];
	unsigned lines = 0;

	for (unsigned i = 0; i < 700; i++) {
		snprintf(name, sizeof(name), "short-lived-node-with-a-rather-long-name-%u", i);
		cluster_kill(cluster, cluster_join(cluster, name));
	}
	cluster_advance(cluster, 2 * CLUSTER_TIMEOUT_NS);
	for (const unsigned char *at = nodes_text(cluster, 0)->bytes; *at; at++)
		lines += *at == '\n';
	ck_assert_uint_le(lines, MEMBERS_DEAD_MAX + 2);
	ck_assert_str_eq(cluster_fatal(cluster, cluster_join(cluster, "last")) ? "refused" : "let in", "let in");
	cluster_free(cluster);
}
END_TEST

/* Goal: as many nodes as there may be make a cluster, all connected with each other, and one more is told why not. */
START_TEST(full_house)
{
	struct cluster *cluster = cluster_new(NODES_MAX, 1000);
	uint64_t obj = make(cluster, NODES_MAX - 1, "a");
	unsigned extra;

	ck_assert_int_eq(resize(cluster, 0, obj, PAGE_BYTES), 0);
	for (unsigned node = 0; node < NODES_MAX; node++) {
		for (unsigned other = 0; other < NODES_MAX; other++)
			ck_assert(node == other || cluster_connected(cluster, node, other));
		ck_assert_int_eq(simple(cluster, node, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
		ck_assert_int_eq(read_page(cluster, node, obj, 0)->error, 0);
	}
	ck_assert_int_eq(write_byte(cluster, 1, obj, 0, 5, 'x'), 0);
	for (unsigned node = 0; node < NODES_MAX; node++)
		ck_assert_int_eq(read_page(cluster, node, obj, 0)->bytes[5], 'x');
	extra = cluster_join(cluster, "extra");
	ck_assert_ptr_nonnull(cluster_fatal(cluster, extra));
	cluster_kill(cluster, 7);
	extra = cluster_join(cluster, "instead");
	cluster_advance(cluster, CLUSTER_TIMEOUT_NS + CLUSTER_TIMEOUT_NS / 4); /* in which it looks for the dead one */
	ck_assert(cluster_ready(cluster, extra));
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

static TCase *kept_tests(void)
{
	TCase *test = tcase_create("kept");

	tcase_add_test(test, name_kept);
	tcase_add_test(test, name_given_back);
	tcase_add_test(test, names_apart);
	tcase_add_test(test, list_kept);
	tcase_add_test(test, many_kept);
	tcase_add_test(test, attributes_kept);
	tcase_add_test(test, writer_is_asked);
	tcase_add_test(test, attributes_given_back);
	tcase_add_test(test, reaped);
	tcase_add_test(test, cut_off);
	tcase_add_test(test, killed_and_closed);
	tcase_add_loop_test(test, killed, 0, 28);
	return test;
}

static TCase *refusal_tests(void)
{
	TCase *test = tcase_create("refused");

	tcase_add_loop_test(test, confirmed_in_time, 0, 3);
	tcase_add_loop_test(test, says_anything, 0, 40);
	tcase_add_loop_test(test, not_opened, 0, 7);
	tcase_add_test(test, opened_to_read);
	tcase_add_test(test, sparse_reader);
	return test;
}

static TCase *member_tests(void)
{
	TCase *test = tcase_create("members");

	tcase_set_timeout(test, 60);
	tcase_add_loop_test(test, impostor, 0, 2);
	tcase_add_test(test, comes_again);
	tcase_add_test(test, dead_are_forgotten);
	tcase_add_test(test, many_die);
	tcase_add_test(test, full_house);
	return test;
}

int main(void)
{
	Suite *suite = suite_create("kept");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, kept_tests());
	suite_add_tcase(suite, refusal_tests());
	suite_add_tcase(suite, member_tests());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
