/* test_core.c: the core, scenario by scenario. What random schedules find is tests/sim's business. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cluster.h"

static uint64_t make(struct cluster *cluster, unsigned node, const char *name)
{
	struct msg msg = {.type = REQ_MKDIR, .dir = DIR_ROOT, .attr = {.mode = 0755}};
	struct answer *answer = cluster_do(cluster, node, &msg, name, (uint32_t)strlen(name) + 1);

	ck_assert_int_eq(answer->error, 0);
	return answer->obj;
}

static int simple(struct cluster *cluster, unsigned node, enum msg_type type, uint64_t obj, enum page_mode mode)
{
	struct msg msg = {.type = (uint8_t)type, .obj = obj, .mode = (uint8_t)mode};

	return cluster_do(cluster, node, &msg, NULL, 0)->error;
}

static int resize(struct cluster *cluster, unsigned node, uint64_t obj, uint64_t size)
{
	struct msg msg = {.type = MSG_SETSIZE, .obj = obj, .size = size};

	return cluster_do(cluster, node, &msg, NULL, 0)->error;
}

static struct answer *read_page(struct cluster *cluster, unsigned node, uint64_t obj, uint64_t page)
{
	struct msg msg = {.type = REQ_READ, .obj = obj, .page = page, .count = 1};

	return cluster_do(cluster, node, &msg, NULL, 0);
}

static int write_byte(struct cluster *cluster, unsigned node, uint64_t obj, uint64_t page, uint32_t offset, char byte)
{
	struct msg msg = {.type = REQ_WRITE, .obj = obj, .page = page, .offset = offset};

	return cluster_do(cluster, node, &msg, &byte, 1)->error;
}

static int order(struct cluster *cluster, unsigned node, uint64_t obj, const char *text)
{
	struct msg msg = {.type = MSG_CONTROL, .obj = obj};

	return cluster_do(cluster, node, &msg, text, (uint32_t)strlen(text))->error;
}

static int look_up(struct cluster *cluster, unsigned node, const char *name, uint64_t *obj)
{
	struct msg msg = {.type = MSG_LOOKUP, .dir = DIR_ROOT};
	struct answer *answer = cluster_do(cluster, node, &msg, name, (uint32_t)strlen(name) + 1);

	if (obj)
		*obj = answer->obj;
	return answer->error;
}

/* Goal: a name exists once, is found everywhere, and goes everywhere at once. */
START_TEST(names)
{
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t obj = make(cluster, 1, "board");
	uint64_t found = 0;
	struct msg again = {.type = REQ_MKDIR, .dir = DIR_ROOT};
	struct msg remove = {.type = MSG_REMOVE, .dir = DIR_ROOT};
	struct msg rename = {.type = MSG_RENAME, .dir = DIR_ROOT, .to_dir = DIR_ROOT};

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
	ck_assert_int_eq(simple(cluster, 0, MSG_GETATTR, obj, 0), -ESTALE);
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
	cluster_hold_invalidations(cluster, 0);
	token = cluster_request(cluster, 1, &msg, NULL, 0);
	cluster_settle(cluster);
	ck_assert(!cluster_answer(cluster, token)->done);
	cluster_release_invalidations(cluster, 0);
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
	cluster_hold_invalidations(cluster, 0);
	there = cluster_request(cluster, 1, &msg, NULL, 0);
	cluster_settle(cluster);
	here = cluster_request(cluster, 0, &msg, NULL, 0);
	cluster_settle(cluster);
	ck_assert(cluster_answer(cluster, there)->done);
	ck_assert(cluster_answer(cluster, here)->done);
	cluster_release_invalidations(cluster, 0);
	ck_assert_int_eq(core_page_mode(cluster_core(cluster, 0), obj, 0, 0), PAGE_EXCLUSIVE);
	cluster_free(cluster);
}
END_TEST

/* Goal: the first writable open waits until what was held shared is gone. */
START_TEST(open_flush)
{
	struct cluster *cluster = cluster_new(2, 1000);
	uint64_t obj = make(cluster, 0, "a");
	struct msg msg = {.type = REQ_OPEN, .obj = obj, .mode = PAGE_EXCLUSIVE};
	uint64_t token;

	ck_assert_int_eq(resize(cluster, 0, obj, 4096), 0);
	ck_assert_int_eq(simple(cluster, 1, REQ_OPEN, obj, PAGE_SHARED), 0);
	ck_assert_int_eq(read_page(cluster, 1, obj, 0)->error, 0);
	cluster_hold_invalidations(cluster, 1);
	token = cluster_request(cluster, 1, &msg, NULL, 0);
	cluster_settle(cluster);
	ck_assert(!cluster_answer(cluster, token)->done);
	cluster_release_invalidations(cluster, 1);
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
	uint64_t size = 0;

	for (unsigned node = 0; node < 2; node++)
		ck_assert_int_eq(simple(cluster, node, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
	ck_assert_int_eq(write_byte(cluster, 1, obj, 2, 5, 'y'), 0);
	ck_assert(core_open_size(cluster_core(cluster, 0), obj, &size));
	ck_assert_uint_eq(size, 2 * PAGE_BYTES + 6);
	ck_assert_int_eq(read_page(cluster, 0, obj, 2)->bytes[5], 'y');
	ck_assert_int_eq(resize(cluster, 0, obj, 2 * PAGE_BYTES + 5), 0);
	ck_assert_int_eq(resize(cluster, 1, obj, 4 * PAGE_BYTES), 0);
	ck_assert_int_eq(read_page(cluster, 1, obj, 2)->bytes[5], 0);
	ck_assert_int_eq(resize(cluster, 1, obj, 0), 0);
	ck_assert_int_eq(read_page(cluster, 0, obj, 0)->error, -EIO);
	ck_assert_uint_eq(core_store_pages(cluster_core(cluster, 0)), 0);
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
	cluster_hold_invalidations(cluster, 2);
	writing = cluster_request(cluster, 1, &write, "w", 1);
	reading = cluster_request(cluster, 1, &read, NULL, 0);
	cluster_settle(cluster);
	ck_assert(!cluster_answer(cluster, writing)->done);
	cluster_release_invalidations(cluster, 2);
	ck_assert_int_eq(cluster_answer(cluster, writing)->error, 0);
	ck_assert_int_eq(cluster_answer(cluster, reading)->error, 0);
	ck_assert_int_eq(cluster_answer(cluster, reading)->bytes[10], 'w');

	/* Killed, it holds up nobody. */
	cluster_hold_invalidations(cluster, 2);
	write.offset = 20;
	writing = cluster_request(cluster, 1, &write, "x", 1);
	reading = cluster_request(cluster, 1, &read, NULL, 0);
	cluster_settle(cluster);
	cluster_interrupt(cluster, 1, writing);
	cluster_release_invalidations(cluster, 2);
	ck_assert_int_eq(cluster_answer(cluster, writing)->error, -EINTR);
	ck_assert_int_eq(cluster_answer(cluster, reading)->error, 0);
	cluster_free(cluster);
}
END_TEST

/* Goal: past the store's limit there is ENOSPC, and room comes back. */
START_TEST(full)
{
	struct cluster *cluster = cluster_new(2, 2);
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
	ck_assert_int_eq(simple(cluster, 2, MSG_GETATTR, obj, 0), -EIO);
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
	struct msg remove = {.type = MSG_REMOVE, .dir = DIR_ROOT, .obj = obj};
	struct msg unnamed = {.type = REQ_MKDIR, .dir = DIR_UNNAMED};
	struct msg find = {.type = MSG_LOOKUP, .dir = DIR_UNNAMED};

	ck_assert_int_eq(simple(cluster, 1, REQ_OPEN, obj, PAGE_EXCLUSIVE), 0);
	ck_assert_int_eq(write_byte(cluster, 1, obj, 0, 0, 'q'), 0);
	ck_assert_int_eq(cluster_do(cluster, 0, &remove, "", 1)->error, 0);
	ck_assert_int_eq(look_up(cluster, 1, "a", NULL), -ENOENT);
	ck_assert_int_eq(read_page(cluster, 1, obj, 0)->bytes[0], 'q');
	ck_assert_int_eq(simple(cluster, 1, REQ_RELEASE, obj, PAGE_EXCLUSIVE), 0);
	ck_assert_int_eq(simple(cluster, 0, MSG_GETATTR, obj, 0), -ESTALE);
	ck_assert_uint_eq(core_store_pages(cluster_core(cluster, 0)), 0);

	obj = cluster_do(cluster, 0, &unnamed, "u", 2)->obj;
	ck_assert_int_eq(simple(cluster, 1, REQ_OPEN, obj, PAGE_INVALID), 0);
	ck_assert_int_eq(cluster_do(cluster, 1, &find, "u", 2)->error, 0);
	ck_assert_int_eq(simple(cluster, 1, REQ_RELEASE, obj, PAGE_INVALID), 0);
	ck_assert_int_eq(cluster_do(cluster, 1, &find, "u", 2)->error, -ENOENT);
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
	ck_assert_int_eq(simple(cluster, 0, MSG_GETATTR, obj, 0), -ESTALE);
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
	cluster_hold_invalidations(cluster, 0);
	token = cluster_request(cluster, 1, &msg, NULL, 0);
	cluster_settle(cluster);
	cluster_interrupt(cluster, 1, token);
	ck_assert_int_eq(cluster_answer(cluster, token)->error, -EINTR);
	cluster_release_invalidations(cluster, 0);
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
	cluster_hold_invalidations(cluster, 0);
	token = cluster_request(cluster, 1, &msg, NULL, 0);
	cluster_advance(cluster, UINT64_C(9000000000));
	ck_assert_msg(cluster_answer(cluster, token)->done || core_requests_open(cluster_core(cluster, 1)) == 1, "bounded");
	cluster_free(cluster);
}
END_TEST

/* Goal: a range is granted as far as nothing stands in its way, in one message. */
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
	ck_assert_uint_eq(cluster_last(cluster, 2, MSG_GRANT).count, 6);
	ck_assert_int_eq(read_page(cluster, 1, obj, 3)->error, 0);
	get.req = 8;
	cluster_raw(cluster, 2, 0, &get);
	cluster_settle(cluster);
	ck_assert_uint_eq(cluster_last(cluster, 2, MSG_GRANT).count, 3);
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
	tcase_add_test(test, full);
	tcase_add_test(test, lost);
	tcase_add_test(test, home_dies);
	tcase_add_test(test, lifetimes);
	tcase_add_test(test, revoke);
	tcase_add_test(test, interrupt);
	tcase_add_test(test, silence);
	tcase_add_test(test, ranges);
	tcase_add_test(test, node_names);
	suite_add_tcase(suite, test);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
