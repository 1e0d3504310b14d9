/* test_core.c: the core, scenario by scenario. What random schedules find is tests/sim's business. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "steps.h"

/* Goal: a name exists once, is found everywhere, and goes everywhere at once. */
START_TEST(names)
{
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t obj = make(cluster, 1, "board");
	uint64_t found = 0;
	struct msg again = {.type = REQ_MKDIR, .dir = DIR_ROOT};
	struct msg remove = {.type = REQ_REMOVE, .dir = DIR_ROOT};
	struct msg rename = {.type = REQ_RENAME, .dir = DIR_ROOT, .to_dir = DIR_ROOT};

	for (unsigned node = 0; node < 3; node++) {
		ck_assert_int_eq(look_up(cluster, node, "board", &found), 0);
		ck_assert_uint_eq(found, obj);
		ck_assert_int_eq(cluster_do(cluster, node, &again, "board", 6)->error, -EEXIST);
	}
	ck_assert_int_eq(cluster_do(cluster, 2, &rename, "board\0b2", 9)->error, 0);
	ck_assert_int_eq(look_up(cluster, 0, "board", NULL), -ENOENT);
	ck_assert_int_eq(look_up(cluster, 0, "b2", NULL), 0);
	ck_assert_int_eq(cluster_do(cluster, 2, &remove, "b2", 3)->error, 0);
	ck_assert_int_eq(look_up(cluster, 1, "b2", NULL), -ENOENT);
	ck_assert_int_eq(simple(cluster, 0, REQ_GETATTR, obj, 0), -ESTALE);
	cluster_free(cluster);
}
END_TEST

/* Goal: of two mkdir under way at once one wins. */
START_TEST(mkdir_race)
{
	struct cluster *cluster = cluster_new(3, 1000);
	struct msg msg = {.type = REQ_MKDIR, .dir = DIR_ROOT};
	uint64_t first = cluster_request(cluster, 1, &msg, "x", 2);
	uint64_t second = cluster_request(cluster, 2, &msg, "x", 2);

	cluster_settle(cluster);
	ck_assert_int_eq(cluster_answer(cluster, first)->error + cluster_answer(cluster, second)->error, -EEXIST);
	cluster_free(cluster);
}
END_TEST

/* Goal: what one node has dirty is what the next one gets, and the dirty one has lost it by then. */
START_TEST(hand_off)
{
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t obj = make(cluster, 0, "a");
	struct answer *answer;

	ck_assert_int_eq(resize(cluster, 0, obj, 8192), 0);
	ck_assert_int_eq(simple(cluster, 1, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
	ck_assert_int_eq(simple(cluster, 2, REQ_OPEN, obj, PAGE_SHARED), 0);
	answer = read_page(cluster, 1, obj, 1);
	ck_assert_int_eq(answer->error, 0);
	ck_assert_uint_eq(answer->length, PAGE_BYTES);
	ck_assert_int_eq(answer->bytes[0], 0);
	ck_assert_int_eq(core_page_mode(cluster_core(cluster, 1), obj, 0, 1), PAGE_EXCLUSIVE);
	cluster_dirty(cluster, 1, obj, 1, 'x');
	answer = read_page(cluster, 2, obj, 1);
	ck_assert_int_eq(answer->error, 0);
	ck_assert_int_eq(answer->bytes[4095], 'x');
	ck_assert_int_eq(core_page_mode(cluster_core(cluster, 1), obj, 0, 1), PAGE_INVALID);
	ck_assert_int_eq(core_page_mode(cluster_core(cluster, 2), obj, 0, 1), PAGE_SHARED);
	cluster_free(cluster);
}
END_TEST

/* Goal: no grant before the holder's kernel has confirmed. */
START_TEST(no_early_grant)
{
	struct cluster *cluster = cluster_new(2, 1000);
	uint64_t obj = make(cluster, 0, "a");
	struct msg msg = {.type = REQ_READ, .obj = obj, .count = 1};
	uint64_t token;

	ck_assert_int_eq(resize(cluster, 0, obj, 4096), 0);
	for (unsigned node = 0; node < 2; node++)
		ck_assert_int_eq(simple(cluster, node, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
	ck_assert_int_eq(read_page(cluster, 0, obj, 0)->error, 0);
	cluster_hold_kernel(cluster, 0);
	token = cluster_request(cluster, 1, &msg, NULL, 0);
	cluster_settle(cluster);
	ck_assert(!cluster_answer(cluster, token)->done);
	cluster_release_kernel(cluster, 0);
	ck_assert(cluster_answer(cluster, token)->done);
	cluster_free(cluster);
}
END_TEST

/* Goal: a fault on a page under invalidation confirms the recall though the kernel has not answered (K8). */
START_TEST(fault_confirms_recall)
{
	struct cluster *cluster = cluster_new(2, 1000);
	uint64_t obj = make(cluster, 0, "a");
	struct msg msg = {.type = REQ_READ, .obj = obj, .count = 1};
	uint64_t there, here;

	ck_assert_int_eq(resize(cluster, 0, obj, 4096), 0);
	for (unsigned node = 0; node < 2; node++)
		ck_assert_int_eq(simple(cluster, node, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
	ck_assert_int_eq(read_page(cluster, 0, obj, 0)->error, 0);
	cluster_hold_kernel(cluster, 0);
	there = cluster_request(cluster, 1, &msg, NULL, 0);
	cluster_settle(cluster);
	here = cluster_request(cluster, 0, &msg, NULL, 0);
	cluster_settle(cluster);
	ck_assert(cluster_answer(cluster, there)->done);
	ck_assert(cluster_answer(cluster, here)->done);
	cluster_release_kernel(cluster, 0);
	ck_assert_int_eq(core_page_mode(cluster_core(cluster, 0), obj, 0, 0), PAGE_EXCLUSIVE);
	cluster_free(cluster);
}
END_TEST

/* Goal: the first writable open waits until what was held shared, as by another node, is gone. */
START_TEST(open_flush)
{
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t obj = make(cluster, 0, "a");
	struct msg msg = {.type = REQ_OPEN, .obj = obj, .mode = PAGE_EXCLUSIVE};
	uint64_t token;

	ck_assert_int_eq(resize(cluster, 0, obj, 4096), 0);
	for (unsigned node = 1; node < 3; node++) {
		ck_assert_int_eq(simple(cluster, node, REQ_OPEN, obj, PAGE_SHARED), 0);
		ck_assert_int_eq(read_page(cluster, node, obj, 0)->error, 0);
	}
	cluster_hold_kernel(cluster, 1);
	token = cluster_request(cluster, 1, &msg, NULL, 0);
	cluster_settle(cluster);
	ck_assert(!cluster_answer(cluster, token)->done);
	cluster_release_kernel(cluster, 1);
	ck_assert(cluster_answer(cluster, token)->done);
	ck_assert_int_eq(core_page_mode(cluster_core(cluster, 1), obj, 0, 0), PAGE_INVALID);
	ck_assert_int_eq(read_page(cluster, 1, obj, 0)->error, 0);
	ck_assert_int_eq(simple(cluster, 1, REQ_RELEASE, obj, PAGE_EXCLUSIVE), 0);
	ck_assert_int_eq(core_page_mode(cluster_core(cluster, 1), obj, 0, 0), PAGE_SHARED);
	cluster_free(cluster);
}
END_TEST

/* Goal: sizes change everywhere, what is cut off is zero when it comes back, and past the end is an error. */
START_TEST(sizes)
{
	struct cluster *cluster = cluster_new(2, 1000);
	uint64_t obj = make(cluster, 0, "a");
	uint64_t size = 0, books = core_store_pages(cluster_core(cluster, 0));

	for (unsigned node = 0; node < 2; node++)
		ck_assert_int_eq(simple(cluster, node, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
	ck_assert_int_eq(write_byte(cluster, 1, obj, 2, 5, 'y'), 0);
	ck_assert(core_open_size(cluster_core(cluster, 0), obj, SEG_MEMORY, &size));
	ck_assert_uint_eq(size, 2 * PAGE_BYTES + 6);
	ck_assert_int_eq(read_page(cluster, 0, obj, 2)->bytes[5], 'y');
	ck_assert_int_eq(resize(cluster, 0, obj, 2 * PAGE_BYTES + 5), 0);
	ck_assert_int_eq(resize(cluster, 1, obj, 4 * PAGE_BYTES), 0);
	ck_assert_int_eq(read_page(cluster, 1, obj, 2)->bytes[5], 0);
	ck_assert_int_eq(resize(cluster, 1, obj, 0), 0);
	ck_assert_int_eq(read_page(cluster, 0, obj, 0)->error, -EIO);
	ck_assert_uint_eq(core_store_pages(cluster_core(cluster, 0)), books);
	cluster_free(cluster);
}
END_TEST

/* Goal: a read that meets a write which waits for a larger size brings the write's bytes, not those of before. */
START_TEST(read_meets_growth)
{
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t obj = make(cluster, 0, "a");
	struct msg write = {.type = REQ_WRITE, .obj = obj, .offset = 10};
	struct msg read = {.type = REQ_READ, .obj = obj, .count = 1};
	uint64_t writing, reading;

	ck_assert_int_eq(resize(cluster, 0, obj, 5), 0);
	for (unsigned node = 1; node < 3; node++)
		ck_assert_int_eq(simple(cluster, node, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
	cluster_hold_kernel(cluster, 2);
	writing = cluster_request(cluster, 1, &write, "w", 1);
	reading = cluster_request(cluster, 1, &read, NULL, 0);
	cluster_settle(cluster);
	ck_assert(!cluster_answer(cluster, writing)->done);
	cluster_release_kernel(cluster, 2);
	ck_assert_int_eq(cluster_answer(cluster, writing)->error, 0);
	ck_assert_int_eq(cluster_answer(cluster, reading)->error, 0);
	ck_assert_int_eq(cluster_answer(cluster, reading)->bytes[10], 'w');

	/* Killed, it holds up nobody. */
	cluster_hold_kernel(cluster, 2);
	write.offset = 20;
	writing = cluster_request(cluster, 1, &write, "x", 1);
	reading = cluster_request(cluster, 1, &read, NULL, 0);
	cluster_settle(cluster);
	cluster_interrupt(cluster, 1, writing);
	cluster_release_kernel(cluster, 2);
	ck_assert_int_eq(cluster_answer(cluster, writing)->error, -EINTR);
	ck_assert_int_eq(cluster_answer(cluster, reading)->error, 0);
	cluster_free(cluster);
}
END_TEST

/*
 * Goal: who opens a file for writing keeps the pages that nobody else holds; others are dropped before the open is answered, and
 * nothing is held exclusive for an open that was killed.
 */
START_TEST(open_upgrades)
{
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t obj = make(cluster, 0, "a"), opening;
	struct msg open = {.type = REQ_OPEN, .obj = obj, .mode = PAGE_EXCLUSIVE};
	struct core *core = cluster_core(cluster, 1);

	ck_assert_int_eq(resize(cluster, 0, obj, 5 * PAGE_BYTES), 0);
	for (unsigned node = 1; node < 3; node++)
		ck_assert_int_eq(simple(cluster, node, REQ_OPEN, obj, PAGE_SHARED), 0);
	for (uint64_t page = 0; page < 5; page++)
		ck_assert_int_eq(read_page(cluster, 1, obj, page)->error, 0);
	ck_assert_int_eq(read_page(cluster, 2, obj, 1)->error, 0);
	if (_i)
		cluster_hold_kernel(cluster, 1);
	opening = cluster_request(cluster, 1, &open, NULL, 0);
	cluster_settle(cluster);
	ck_assert(cluster_answer(cluster, opening)->done == !_i);
	for (uint64_t page = 0; !_i && page < 5; page++)
		ck_assert_int_eq(core_page_mode(core, obj, 0, page), page == 1 ? PAGE_INVALID : PAGE_EXCLUSIVE);
	if (_i)
		cluster_interrupt(cluster, 1, opening);
	ck_assert_int_eq(read_page(cluster, 2, obj, 1)->error, 0);
	ck_assert_int_eq(cluster_count(cluster, 1, MSG_RECALL), 0);
	if (_i)
		cluster_release_kernel(cluster, 1);
	else
		ck_assert_int_eq(simple(cluster, 1, REQ_RELEASE, obj, PAGE_EXCLUSIVE), 0);
	ck_assert_int_eq(read_page(cluster, 2, obj, 0)->error, 0);
	ck_assert_int_eq(cluster_count(cluster, 1, MSG_RECALL), 0);
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* Goal: what the home has made exclusive for an open that was killed is not exclusive for the next one. */
START_TEST(open_upgrades_anew)
{
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t obj = make(cluster, 0, "a"), opening, reading;
	struct msg open = {.type = REQ_OPEN, .obj = obj, .mode = PAGE_EXCLUSIVE};
	struct msg read = {.type = REQ_READ, .obj = obj, .count = 1};

	ck_assert_int_eq(resize(cluster, 0, obj, PAGE_BYTES), 0);
	for (unsigned node = 1; node < 3; node++)
		ck_assert_int_eq(simple(cluster, node, REQ_OPEN, obj, PAGE_SHARED), 0);
	ck_assert_int_eq(simple(cluster, 1, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
	ck_assert_int_eq(simple(cluster, 1, REQ_RELEASE, obj, PAGE_EXCLUSIVE), 0);
	ck_assert_int_eq(read_page(cluster, 1, obj, 0)->error, 0);
	opening = cluster_request(cluster, 1, &open, NULL, 0);
	cluster_interrupt(cluster, 1, opening);
	reading = cluster_request(cluster, 2, &read, NULL, 0);
	opening = cluster_request(cluster, 1, &open, NULL, 0);
	cluster_settle(cluster);
	ck_assert_int_eq(cluster_answer(cluster, opening)->error, 0);
	ck_assert_int_eq(cluster_answer(cluster, reading)->error, 0);
	ck_assert(core_page_mode(cluster_core(cluster, 1), obj, 0, 0) == PAGE_INVALID ||
	          core_page_mode(cluster_core(cluster, 2), obj, 0, 0) == PAGE_INVALID);
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* Goal: past the store's limit there is ENOSPC, and room comes back. */
START_TEST(full)
{
	struct cluster *cluster = cluster_new(2, 3); /* one page is for the books */
	uint64_t obj = make(cluster, 0, "a");

	ck_assert_int_eq(simple(cluster, 1, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
	ck_assert_int_eq(write_byte(cluster, 1, obj, 0, 0, 'a'), 0);
	ck_assert_int_eq(write_byte(cluster, 1, obj, 1, 0, 'b'), 0);
	ck_assert_int_eq(write_byte(cluster, 1, obj, 2, 0, 'c'), -ENOSPC);
	ck_assert_int_eq(resize(cluster, 1, obj, PAGE_BYTES), 0);
	ck_assert_int_eq(write_byte(cluster, 1, obj, 2, 0, 'c'), 0);
	cluster_free(cluster);
}
END_TEST

/* Goal: the only current copy dies: an error until clear, the home's copy with revert; shared copies cost nothing. */
START_TEST(lost)
{
	for (int revert = 0; revert < 2; revert++) {
		struct cluster *cluster = cluster_new(3, 1000);
		uint64_t obj = make(cluster, 0, "a");

		ck_assert_int_eq(resize(cluster, 0, obj, 8192), 0);
		ck_assert_int_eq(order(cluster, 0, obj, revert ? "revert on\n" : "revert off\n"), 0);
		ck_assert_int_eq(order(cluster, 0, obj, "no such verb"), -EINVAL);
		ck_assert_int_eq(simple(cluster, 1, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
		ck_assert_int_eq(simple(cluster, 2, REQ_OPEN, obj, PAGE_SHARED), 0);
		ck_assert_int_eq(write_byte(cluster, 1, obj, 0, 0, 'h'), 0);
		cluster_dirty(cluster, 1, obj, 0, 'd');
		cluster_kill(cluster, 1);
		if (!revert) {
			ck_assert_int_eq(read_page(cluster, 2, obj, 0)->error, -EIO);
			ck_assert_int_eq(read_page(cluster, 2, obj, 1)->error, 0);
			ck_assert_int_eq(order(cluster, 2, obj, "clear"), 0);
		}
		ck_assert_int_eq(read_page(cluster, 2, obj, 0)->bytes[0], 'h');
		cluster_kill(cluster, 2);
		ck_assert_int_eq(simple(cluster, 0, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
		ck_assert_int_eq(read_page(cluster, 0, obj, 0)->error, 0);
		cluster_free(cluster);
	}
}
END_TEST

/* Goal: a dead home is an error at once, not a wait. */
START_TEST(home_dies)
{
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t obj = make(cluster, 1, "a");

	ck_assert_int_eq(resize(cluster, 2, obj, 4096), 0);
	ck_assert_int_eq(simple(cluster, 2, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
	ck_assert_int_eq(read_page(cluster, 2, obj, 0)->error, 0);
	cluster_kill(cluster, 1);
	ck_assert_int_eq(core_page_mode(cluster_core(cluster, 2), obj, 0, 0), PAGE_INVALID);
	ck_assert_int_eq(read_page(cluster, 2, obj, 0)->error, -EIO);
	ck_assert_int_eq(simple(cluster, 2, REQ_GETATTR, obj, 0), -EIO);
	ck_assert_int_eq(look_up(cluster, 2, "a", NULL), 0);
	ck_assert_int_eq(simple(cluster, 2, REQ_RELEASE, obj, PAGE_EXCLUSIVE), 0);
	cluster_free(cluster);
}
END_TEST

/* Goal: unlinked memory lives for those who have it open; unnamed objects go with their last user. */
START_TEST(lifetimes)
{
	struct cluster *cluster = cluster_new(2, 1000);
	uint64_t obj = make(cluster, 0, "a");
	struct msg remove = {.type = REQ_REMOVE, .dir = DIR_ROOT, .obj = whole(obj)};
	struct msg unnamed = {.type = REQ_MKDIR, .dir = DIR_UNNAMED};
	struct msg find = {.type = REQ_LOOKUP, .dir = DIR_UNNAMED};

	ck_assert_int_eq(simple(cluster, 1, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
	ck_assert_int_eq(write_byte(cluster, 1, obj, 0, 0, 'q'), 0);
	ck_assert_int_eq(cluster_do(cluster, 0, &remove, "", 1)->error, 0);
	ck_assert_int_eq(look_up(cluster, 1, "a", NULL), -ENOENT);
	ck_assert_int_eq(read_page(cluster, 1, obj, 0)->bytes[0], 'q');
	ck_assert_int_eq(simple(cluster, 1, REQ_RELEASE, obj, PAGE_EXCLUSIVE), 0);
	ck_assert_int_eq(simple(cluster, 0, REQ_GETATTR, obj, 0), -ESTALE);
	ck_assert_uint_eq(core_store_pages(cluster_core(cluster, 0)), 0);

	obj = cluster_do(cluster, 0, &unnamed, "u", 2)->cookie;
	ck_assert_int_eq(simple(cluster, 1, REQ_OPEN, obj, PAGE_INVALID), 0);
	ck_assert_int_eq(cluster_do(cluster, 1, &find, "u", 2)->error, 0);
	ck_assert_int_eq(simple(cluster, 1, REQ_RELEASE, obj, PAGE_INVALID), 0);
	ck_assert_int_eq(cluster_do(cluster, 1, &find, "u", 2)->error, -ENOENT);
	cluster_free(cluster);
}
END_TEST

/*
 * Goal: a node that has much queued for it already is granted nothing more before it has taken that, however much it has asked for
 * meanwhile, and keeps no other node waiting. If it dies then, nothing of it is left.
 */
START_TEST(slow_peer)
{
	enum { MANY = 400 };
	static uint64_t tokens[MANY];
	struct cluster *cluster = cluster_new(3, 10000);
	uint64_t obj = make(cluster, 0, "a");
	bool dies = _i;

	ck_assert_int_eq(resize(cluster, 0, obj, MANY * PAGE_BYTES), 0);
	for (unsigned node = 0; node < 3; node++)
		ck_assert_int_eq(simple(cluster, node, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
	cluster_full(cluster, 0, 1, true);
	for (uint64_t page = 0; page < MANY; page++) {
		struct msg read = {.type = REQ_READ, .obj = obj, .page = page, .count = 1};

		tokens[page] = cluster_request(cluster, 1, &read, NULL, 0);
	}
	cluster_settle(cluster);
	ck_assert_uint_eq(cluster_count(cluster, 1, MSG_GRANT), 0);
	ck_assert_int_eq(read_page(cluster, 2, obj, 7)->error, 0);
	if (dies)
		cluster_kill(cluster, 1);
	else
		cluster_full(cluster, 0, 1, false);
	for (unsigned i = 0; i < 10; i++)
		cluster_settle(cluster);
	for (uint64_t page = 0; page < MANY && !dies; page++)
		ck_assert(cluster_answer(cluster, tokens[page])->done && !cluster_answer(cluster, tokens[page])->error);
	ck_assert_int_eq(read_page(cluster, 2, obj, 7)->error, 0);
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* Goal: revoke cuts off whoever has it open, on all nodes. */
START_TEST(revoke)
{
	struct cluster *cluster = cluster_new(2, 1000);
	uint64_t obj = make(cluster, 0, "a");

	for (unsigned node = 0; node < 2; node++)
		ck_assert_int_eq(simple(cluster, node, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
	ck_assert_int_eq(write_byte(cluster, 1, obj, 0, 0, 'q'), 0);
	ck_assert_int_eq(order(cluster, 0, obj, "revoke\n"), 0);
	ck_assert_int_eq(core_page_mode(cluster_core(cluster, 1), obj, 0, 0), PAGE_INVALID);
	for (unsigned node = 0; node < 2; node++) {
		ck_assert_int_eq(read_page(cluster, node, obj, 0)->error, -EIO);
		ck_assert_int_eq(simple(cluster, node, REQ_RELEASE, obj, PAGE_EXCLUSIVE), 0);
	}
	ck_assert_int_eq(look_up(cluster, 1, "a", NULL), -ENOENT);
	ck_assert_int_eq(simple(cluster, 0, REQ_GETATTR, obj, 0), -ESTALE);
	cluster_free(cluster);
}
END_TEST

/* Goal: a killed program's request is answered EINTR and the page can be had afterwards. */
START_TEST(interrupt)
{
	struct cluster *cluster = cluster_new(2, 1000);
	uint64_t obj = make(cluster, 0, "a");
	struct msg msg = {.type = REQ_READ, .obj = obj, .count = 1};
	uint64_t token;

	ck_assert_int_eq(resize(cluster, 0, obj, 4096), 0);
	for (unsigned node = 0; node < 2; node++)
		ck_assert_int_eq(simple(cluster, node, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
	ck_assert_int_eq(read_page(cluster, 0, obj, 0)->error, 0);
	cluster_hold_kernel(cluster, 0);
	token = cluster_request(cluster, 1, &msg, NULL, 0);
	cluster_settle(cluster);
	cluster_interrupt(cluster, 1, token);
	ck_assert_int_eq(cluster_answer(cluster, token)->error, -EINTR);
	cluster_release_kernel(cluster, 0);
	ck_assert_int_eq(read_page(cluster, 1, obj, 0)->error, 0);
	ck_assert_uint_eq(core_requests_open(cluster_core(cluster, 1)), 0);
	cluster_free(cluster);
}
END_TEST

/* Goal: a silent peer is given up at half the timeout and dead at the timeout. */
START_TEST(silence)
{
	struct cluster *cluster = cluster_new(2, 1000);
	uint64_t obj = make(cluster, 0, "a");
	struct msg msg = {.type = REQ_READ, .obj = obj, .count = 1};
	uint64_t token;

	ck_assert_int_eq(resize(cluster, 0, obj, 4096), 0);
	for (unsigned node = 0; node < 2; node++)
		ck_assert_int_eq(simple(cluster, node, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
	ck_assert_int_eq(read_page(cluster, 0, obj, 0)->error, 0);
	cluster_advance(cluster, UINT64_C(20000000000));
	ck_assert_msg(cluster_count(cluster, 0, MSG_PING) > 10, "heartbeats go");
	cluster_hold_kernel(cluster, 0);
	token = cluster_request(cluster, 1, &msg, NULL, 0);
	cluster_advance(cluster, UINT64_C(9000000000));
	ck_assert_msg(cluster_answer(cluster, token)->done || core_requests_open(cluster_core(cluster, 1)) == 1, "bounded");
	cluster_free(cluster);
}
END_TEST

/* Goal: of a range each page is granted as soon as it can be, what follows each other in one message. */
START_TEST(ranges)
{
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t obj = make(cluster, 0, "a");
	struct msg get = {.type = MSG_GET, .obj = obj, .page = 0, .count = 8, .mode = PAGE_SHARED, .req = 7};

	ck_assert_int_eq(resize(cluster, 0, obj, 6 * PAGE_BYTES), 0);
	ck_assert_int_eq(simple(cluster, 1, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
	ck_assert_int_eq(simple(cluster, 2, REQ_OPEN, obj, PAGE_SHARED), 0);
	cluster_raw(cluster, 2, 0, &get);
	cluster_settle(cluster);
	ck_assert_uint_eq(cluster_count(cluster, 2, MSG_GRANT), 2); /* six pages, and an error for two */
	ck_assert_uint_eq(cluster_last(cluster, 2, MSG_GRANT).count, 2);
	ck_assert_int_eq(cluster_last(cluster, 2, MSG_GRANT).error, -ERANGE);
	ck_assert_int_eq(read_page(cluster, 1, obj, 3)->error, 0);
	get.count = 6;
	cluster_raw(cluster, 2, 0, &get);
	cluster_settle(cluster);
	ck_assert_uint_eq(cluster_count(cluster, 2, MSG_GRANT), 5); /* before it, behind it, the one that was held */
	ck_assert_uint_eq(cluster_last(cluster, 2, MSG_GRANT).count, 1);
	cluster_free(cluster);
}
END_TEST

/* Goal: two nodes of one name, and a name that is free again. */
START_TEST(node_names)
{
	struct cluster *cluster = cluster_new(2, 1000);
	unsigned twin = cluster_join(cluster, "node1");

	ck_assert(!cluster_ready(cluster, twin));
	ck_assert_ptr_nonnull(strstr(cluster_fatal(cluster, twin), "node1"));
	cluster_kill(cluster, 1);
	ck_assert(cluster_ready(cluster, cluster_join(cluster, "node1")));
	cluster_free(cluster);
}
END_TEST

/* --- sizes ------------------------------------------------------------------------------------------------------- */

/* Goal: nowhere is a write's size seen before its bytes; and when it is answered, every kernel has it. */
START_TEST(bytes_before_size)
{
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t obj = make(cluster, 0, "a"), writing;
	struct msg write = {.type = REQ_WRITE, .obj = obj, .offset = 9};
	bool seen;

	for (unsigned node = 0; node < 3; node++)
		ck_assert_int_eq(simple(cluster, node, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
	for (unsigned round = 0; round < 3; round++, write.page += 3) {
		uint64_t end = write.page * PAGE_BYTES + 10;
		unsigned puts = cluster_count(cluster, 0, MSG_PUT);

		writing = cluster_request(cluster, round, &write, "w", 1);
		do {
			seen = false;
			for (unsigned node = 0; node < 3; node++)
				seen |= cluster_kernel_size(cluster, node, obj) == end || open_size(cluster, node, obj) == end;
			ck_assert(!seen || round == 0 || cluster_count(cluster, 0, MSG_PUT) > puts);
			if (seen) {
				unsigned reader = (round + 1) % 3;
				struct msg read = {.type = REQ_READ, .obj = obj, .page = write.page, .count = 1};
				uint64_t reading = cluster_request(cluster, reader, &read, NULL, 0);

				cluster_settle(cluster);
				ck_assert(cluster_answer(cluster, reading)->done);
				if (!cluster_answer(cluster, reading)->error)
					ck_assert_int_eq(cluster_answer(cluster, reading)->bytes[9], 'w');
			}
		} while (!seen && cluster_step(cluster));
		ck_assert(seen);
		cluster_settle(cluster);
		ck_assert_int_eq(cluster_answer(cluster, writing)->error, 0);
		for (unsigned node = 0; node < 3; node++)
			ck_assert_uint_eq(cluster_kernel_size(cluster, node, obj), end);
	}
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* Goal: a write that makes the segment longer is answered only when every other kernel has been shown the size. */
START_TEST(size_is_shown)
{
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t obj = make(cluster, 0, "a"), writing;
	struct msg write = {.type = REQ_WRITE, .obj = obj, .offset = 9};

	ck_assert_int_eq(simple(cluster, 1, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
	ck_assert_int_eq(simple(cluster, 2, REQ_OPEN, obj, PAGE_SHARED), 0);
	cluster_hold_kernel(cluster, 2);
	writing = cluster_request(cluster, 1, &write, "w", 1);
	cluster_settle(cluster);
	ck_assert(!cluster_answer(cluster, writing)->done);
	ck_assert_uint_eq(cluster_kernel_size(cluster, 2, obj), 0);
	cluster_release_kernel(cluster, 2);
	ck_assert_int_eq(cluster_answer(cluster, writing)->error, 0);
	ck_assert_uint_eq(cluster_kernel_size(cluster, 2, obj), 10);
	ck_assert_uint_eq(stat_object(cluster, 2, obj, SEG_MEMORY).size_bytes, 10);
	cluster_free(cluster);
}
END_TEST

/* Goal: a first open shows the kernel the size before the program can use it, whatever the kernel had. */
START_TEST(open_is_shown)
{
	struct cluster *cluster = cluster_new(2, 1000);
	uint64_t obj = make(cluster, 0, "a"), opening;
	struct msg open = {.type = REQ_OPEN, .obj = obj, .mode = PAGE_SHARED};

	ck_assert_int_eq(resize(cluster, 1, obj, 77), 0);
	ck_assert_int_eq(simple(cluster, 1, REQ_OPEN, obj, PAGE_SHARED), 0);
	ck_assert_uint_eq(cluster_kernel_size(cluster, 1, obj), 77);
	ck_assert_int_eq(simple(cluster, 1, REQ_RELEASE, obj, PAGE_SHARED), 0);
	ck_assert_int_eq(resize(cluster, 0, obj, 78), 0);
	cluster_hold_kernel(cluster, 1);
	opening = cluster_request(cluster, 1, &open, NULL, 0);
	cluster_settle(cluster);
	ck_assert(!cluster_answer(cluster, opening)->done);
	cluster_release_kernel(cluster, 1);
	ck_assert_int_eq(cluster_answer(cluster, opening)->error, 0);
	ck_assert_uint_eq(cluster_kernel_size(cluster, 1, obj), 78);
	cluster_free(cluster);
}
END_TEST

/*
 * Goal: of nodes that make it longer at once, each kernel has a write's size when the write is answered, but for those
 * that sit in such a write themselves.
 */
START_TEST(growers)
{
	struct cluster *cluster = cluster_new(4, 1000);
	uint64_t obj = make(cluster, 0, "a"), writing[4];
	static const uint64_t pages[] = {0, 1, 7, 2};

	for (unsigned node = 0; node < 4; node++)
		ck_assert_int_eq(simple(cluster, node, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
	cluster_hold_kernel(cluster, 0);
	for (unsigned node = 1; node < 4; node++) {
		struct msg write = {.type = REQ_WRITE, .obj = obj, .page = pages[node]};

		writing[node] = cluster_request(cluster, node, &write, "w", 1);
	}
	cluster_settle(cluster);
	cluster_resume_kernel(cluster, 0);
	do {
		for (unsigned node = 1; node < 4; node++)
			for (unsigned other = 0; cluster_answer(cluster, writing[node])->done && other < 4; other++)
				if (!other || cluster_answer(cluster, writing[other])->done)
					ck_assert_uint_gt(cluster_kernel_size(cluster, other, obj), pages[node] * PAGE_BYTES);
	} while (cluster_step(cluster));
	for (unsigned node = 1; node < 4; node++)
		ck_assert_int_eq(cluster_answer(cluster, writing[node])->error, 0);
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* Goal: a size that the kernel did not take is shown again until it has it, and nobody there is told of it before. */
START_TEST(shown_again)
{
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t obj = make(cluster, 0, "a"), writing, asking = 0;
	struct msg write = {.type = REQ_WRITE, .obj = obj, .offset = 9};
	struct msg getattr = {.type = REQ_GETATTR, .obj = obj};

	ck_assert_int_eq(simple(cluster, 1, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
	ck_assert_int_eq(simple(cluster, 2, REQ_OPEN, obj, PAGE_SHARED), 0);
	cluster_deafen(cluster, 2, 3);
	writing = cluster_request(cluster, 1, &write, "w", 1);
	do {
		if (asking == 0 && cluster_count(cluster, 2, MSG_SIZE) > 0)
			asking = cluster_request(cluster, 2, &getattr, NULL, 0);
		if (asking != 0 && cluster_answer(cluster, asking)->done) /* changes nothing */
			ck_assert_uint_eq(cluster_kernel_size(cluster, 2, obj), cluster_answer(cluster, asking)->attr.size_bytes);
	} while (cluster_kernel_size(cluster, 2, obj) != 10 && cluster_step(cluster));
	cluster_settle(cluster);
	ck_assert_int_eq(cluster_answer(cluster, writing)->error, 0);
	ck_assert(cluster_answer(cluster, asking)->done);
	ck_assert_uint_eq(cluster_kernel_size(cluster, 2, obj), 10);
	ck_assert_uint_eq(stat_object(cluster, 2, obj, SEG_MEMORY).size_bytes, 10);
	cluster_free(cluster);
}
END_TEST

/* Goal: an answer to a SETATTR that comes to the kernel late does not undo a later change of another node. */
START_TEST(late_setattr)
{
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t obj = make(cluster, 0, "a"), there;
	struct msg resizing = {.type = REQ_SETATTR, .obj = obj, .flags = SETATTR_SIZE, .size = 50};

	for (unsigned node = 1; node < 3; node++)
		ck_assert_int_eq(simple(cluster, node, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
	cluster_hold_setattr(cluster, 1);
	ck_assert_int_eq(resize(cluster, 1, obj, 100), 0);
	there = cluster_request(cluster, 2, &resizing, NULL, 0);
	cluster_settle(cluster);
	cluster_release_setattr(cluster, 1);
	ck_assert_int_eq(cluster_answer(cluster, there)->error, 0);
	for (unsigned node = 1; node < 3; node++)
		ck_assert_uint_eq(cluster_kernel_size(cluster, node, obj), 50);
	cluster_free(cluster);
}
END_TEST

/* Goal: nothing brings a SETATTR's ctime to the kernel before its answer does: by that the answer is known to have come. */
START_TEST(setattr_goes_first)
{
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t obj = make(cluster, 0, "a"), looking, changing;
	struct msg growing = {.type = REQ_SETATTR, .obj = obj, .flags = SETATTR_SIZE, .size = 100};
	struct msg getattr = {.type = REQ_GETATTR, .obj = obj};
	struct msg setattr = {.type = REQ_SETATTR, .obj = obj, .flags = SETATTR_MODE, .attr.mode = 0600};

	for (unsigned node = 1; node < 3; node++)
		ck_assert_int_eq(simple(cluster, node, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
	cluster_hold_kernel(cluster, 1);
	cluster_request(cluster, 2, &growing, NULL, 0);
	cluster_settle(cluster);
	looking = cluster_request(cluster, 1, &getattr, NULL, 0);
	changing = cluster_request(cluster, 1, &setattr, NULL, 0);
	cluster_settle(cluster);
	cluster_hold_setattr(cluster, 1);
	cluster_release_kernel(cluster, 1);
	cluster_settle(cluster);
	ck_assert(cluster_answer(cluster, changing)->done && !cluster_answer(cluster, looking)->done);
	cluster_release_setattr(cluster, 1);
	cluster_settle(cluster);
	ck_assert(cluster_answer(cluster, looking)->done);
	cluster_free(cluster);
}
END_TEST

/* Goal: a write for which there is no memory leaves the size what it was, everywhere. */
START_TEST(full_leaves_the_size)
{
	struct cluster *cluster = cluster_new(2, 3);
	uint64_t obj = make(cluster, 0, "a"), page = 0;

	for (unsigned node = 0; node < 2; node++)
		ck_assert_int_eq(simple(cluster, node, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
	while (write_byte(cluster, 1, obj, page, 0, 'a') == 0)
		ck_assert_uint_lt(page++, 3);
	ck_assert_uint_gt(page, 0);
	ck_assert_int_eq(write_byte(cluster, 1, obj, page, 0, 'a'), -ENOSPC);
	for (unsigned node = 0; node < 2; node++) {
		ck_assert_uint_eq(open_size(cluster, node, obj), (page - 1) * PAGE_BYTES + 1);
		ck_assert_uint_eq(cluster_kernel_size(cluster, node, obj), (page - 1) * PAGE_BYTES + 1);
		ck_assert_uint_eq(stat_object(cluster, node, obj, SEG_MEMORY).size_bytes, (page - 1) * PAGE_BYTES + 1);
	}
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

static TCase *size_tests(void)
{
	TCase *test = tcase_create("sizes");

	tcase_add_test(test, bytes_before_size);
	tcase_add_test(test, size_is_shown);
	tcase_add_test(test, open_is_shown);
	tcase_add_test(test, growers);
	tcase_add_test(test, shown_again);
	tcase_add_test(test, late_setattr);
	tcase_add_test(test, setattr_goes_first);
	tcase_add_test(test, full_leaves_the_size);
	return test;
}

int main(void)
{
	Suite *suite = suite_create("core");
	TCase *test = tcase_create("scenarios");
	SRunner *runner;
	int failed;

	tcase_add_test(test, names);
	tcase_add_test(test, mkdir_race);
	tcase_add_test(test, hand_off);
	tcase_add_test(test, no_early_grant);
	tcase_add_test(test, fault_confirms_recall);
	tcase_add_test(test, open_flush);
	tcase_add_test(test, sizes);
	tcase_add_test(test, read_meets_growth);
	tcase_add_loop_test(test, open_upgrades, 0, 2);
	tcase_add_test(test, open_upgrades_anew);
	tcase_add_test(test, full);
	tcase_add_test(test, lost);
	tcase_add_test(test, home_dies);
	tcase_add_test(test, lifetimes);
	tcase_add_loop_test(test, slow_peer, 0, 2);
	tcase_add_test(test, revoke);
	tcase_add_test(test, interrupt);
	tcase_add_test(test, silence);
	tcase_add_test(test, ranges);
	tcase_add_test(test, node_names);
	suite_add_tcase(suite, test);
	suite_add_tcase(suite, size_tests());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
