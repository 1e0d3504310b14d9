#include <errno.h>
#include <stdlib.h>

#include "steps.h"

#define PAGES 3
#define BYTES (PAGES * PAGE_BYTES)

static char text[BYTES];

/* A write of PAGES pages from the start, by node 1. */
static uint64_t begin(struct cluster *cluster, uint64_t obj, uint32_t flags)
{
	struct msg write = {.type = REQ_WRITE, .obj = obj, .flags = flags};

	memset(text, 'n', sizeof(text));
	return cluster_request(cluster, 1, &write, text, sizeof(text));
}

/* Open on so many nodes; node 0 is home. */
static struct cluster *open_on(unsigned nodes, uint64_t store_pages, uint64_t size_bytes, uint64_t *obj)
{
	struct cluster *cluster = cluster_new(nodes, store_pages);

	*obj = make(cluster, 0, "a");
	ck_assert_int_eq(resize(cluster, 0, *obj, size_bytes), 0);
	for (unsigned node = 0; node < nodes; node++)
		ck_assert_int_eq(simple(cluster, node, REQ_OPEN, *obj, PAGE_EXCLUSIVE), 0);
	return cluster;
}

static struct cluster *open_on_both(uint64_t store_pages, uint64_t size_bytes, uint64_t *obj)
{
	return open_on(2, store_pages, size_bytes, obj);
}

/* Goal: all pages are asked for at once, and put in order, whichever comes first. */
START_TEST(in_order)
{
	uint64_t obj, writing;
	struct cluster *cluster = open_on_both(1000, BYTES, &obj);

	ck_assert_int_eq(write_byte(cluster, 0, obj, 1, 0, 'o'), 0);
	cluster_hold_kernel(cluster, 0);
	writing = begin(cluster, obj, 0);
	cluster_settle(cluster);
	ck_assert(!cluster_answer(cluster, writing)->done);
	ck_assert_uint_eq(cluster_count(cluster, 0, MSG_GET), 1);
	ck_assert_uint_eq(cluster_last(cluster, 0, MSG_GET).count, PAGES);
	ck_assert_uint_eq(cluster_count(cluster, 0, MSG_PUT), 1);
	cluster_release_kernel(cluster, 0);
	ck_assert_int_eq(cluster_answer(cluster, writing)->error, 0);
	for (uint64_t page = 0; page < PAGES; page++)
		ck_assert_int_eq(read_page(cluster, 0, obj, page)->bytes[0], 'n');
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* Goal: where the first page has to wait, nobody sees the size that the last one makes; then all comes in order. */
START_TEST(longer_in_order)
{
	uint64_t obj, writing;
	struct cluster *cluster = open_on_both(1000, 100, &obj);

	ck_assert_int_eq(write_byte(cluster, 0, obj, 0, 0, 'o'), 0);
	cluster_hold_kernel(cluster, 0);
	writing = begin(cluster, obj, 0);
	cluster_settle(cluster);
	ck_assert(!cluster_answer(cluster, writing)->done);
	ck_assert_uint_eq(open_size(cluster, 0, obj), 100);
	cluster_release_kernel(cluster, 0);
	ck_assert_int_eq(cluster_answer(cluster, writing)->error, 0);
	for (unsigned node = 0; node < 2; node++) {
		ck_assert_uint_eq(cluster_kernel_size(cluster, node, obj), BYTES);
		for (uint64_t page = 0; page < PAGES; page++)
			ck_assert_int_eq(read_page(cluster, node, obj, page)->bytes[PAGE_BYTES - 1], 'n');
	}
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* Goal: without memory for all of it, what comes before the page that failed is written, and said. */
START_TEST(short_where_full)
{
	uint64_t obj, writing;
	struct cluster *cluster = open_on_both(3, 100, &obj); /* one page is for the books */

	writing = begin(cluster, obj, 0);
	cluster_settle(cluster);
	ck_assert_int_eq(cluster_answer(cluster, writing)->error, 0);
	ck_assert_uint_eq(cluster_answer(cluster, writing)->count, 2 * PAGE_BYTES);
	for (unsigned node = 0; node < 2; node++)
		ck_assert_uint_eq(stat_object(cluster, node, obj, SEG_MEMORY).size_bytes, 2 * PAGE_BYTES);
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* Goal: where a page in the middle fails, those behind it stay what they were. */
START_TEST(nothing_behind)
{
	uint64_t obj, writing;
	struct cluster *cluster = open_on_both(3, BYTES, &obj);

	ck_assert_int_eq(write_byte(cluster, 0, obj, 2, 0, 'o'), 0);
	writing = begin(cluster, obj, 0);
	cluster_settle(cluster);
	ck_assert_int_eq(cluster_answer(cluster, writing)->error, 0);
	ck_assert_uint_eq(cluster_answer(cluster, writing)->count, PAGE_BYTES);
	ck_assert_int_eq(read_page(cluster, 0, obj, 2)->bytes[0], 'o');
	ck_assert_int_eq(read_page(cluster, 0, obj, 2)->bytes[1], 0);
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* Goal: what is written back together with a page that is on its way here does not wait for that one. */
START_TEST(written_back)
{
	uint64_t obj, writing, back;
	struct cluster *cluster = open_on_both(1000, BYTES, &obj);

	ck_assert_int_eq(write_byte(cluster, 1, obj, 0, 0, 'o'), 0);
	ck_assert_int_eq(write_byte(cluster, 1, obj, 2, 0, 'o'), 0);
	ck_assert_int_eq(write_byte(cluster, 0, obj, 1, 0, 'o'), 0);
	cluster_hold_kernel(cluster, 0);
	writing = begin(cluster, obj, 0);
	back = begin(cluster, obj, WRITE_BACK);
	cluster_settle(cluster);
	ck_assert(!cluster_answer(cluster, writing)->done);
	ck_assert(cluster_answer(cluster, back)->done);
	ck_assert_int_eq(cluster_answer(cluster, back)->error, 0);
	cluster_release_kernel(cluster, 0);
	ck_assert_int_eq(cluster_answer(cluster, writing)->error, 0);
	ck_assert_int_eq(read_page(cluster, 0, obj, 1)->bytes[0], 'n');
	ck_assert_uint_eq(core_requests_open(cluster_core(cluster, 1)), 0);
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* Goal: a whole page of it that waits for others is in the kernel's cache: it is given up when the kernel has dropped it. */
START_TEST(whole_is_cached)
{
	uint64_t obj, writing, taking;
	struct cluster *cluster = open_on_both(1000, BYTES, &obj);
	struct msg take = {.type = REQ_WRITE, .obj = obj, .page = 1, .offset = 5};

	ck_assert_int_eq(write_byte(cluster, 0, obj, 0, 0, 'o'), 0);
	cluster_hold_kernel(cluster, 0);
	writing = begin(cluster, obj, 0);
	cluster_settle(cluster);
	cluster_hold_kernel(cluster, 1);
	taking = cluster_request(cluster, 0, &take, "z", 1);
	cluster_settle(cluster);
	ck_assert(!cluster_answer(cluster, taking)->done);
	cluster_release_kernel(cluster, 1);
	ck_assert(cluster_answer(cluster, taking)->done);
	cluster_release_kernel(cluster, 0);
	ck_assert_int_eq(cluster_answer(cluster, writing)->error, 0);
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* Goal: a program that waits for one of the pages can be killed, and leaves nothing behind. */
START_TEST(killed)
{
	uint64_t obj, writing;
	struct cluster *cluster = open_on_both(1000, 100, &obj);

	ck_assert_int_eq(write_byte(cluster, 0, obj, 0, 0, 'o'), 0);
	cluster_hold_kernel(cluster, 0);
	writing = begin(cluster, obj, 0);
	cluster_settle(cluster);
	cluster_interrupt(cluster, 1, writing);
	ck_assert_int_eq(cluster_answer(cluster, writing)->error, -EINTR);
	cluster_release_kernel(cluster, 0);
	ck_assert_uint_eq(open_size(cluster, 0, obj), 100);
	ck_assert_int_eq(read_page(cluster, 1, obj, 0)->bytes[0], 'o');
	ck_assert_uint_eq(core_requests_open(cluster_core(cluster, 1)), 0);
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* Goal: the home dies in the middle: an error, at once. */
START_TEST(home_dies)
{
	uint64_t obj, writing;
	struct cluster *cluster = open_on_both(1000, 100, &obj);

	ck_assert_int_eq(write_byte(cluster, 0, obj, 0, 0, 'o'), 0);
	cluster_hold_kernel(cluster, 0);
	writing = begin(cluster, obj, 0);
	cluster_settle(cluster);
	cluster_kill(cluster, 0);
	cluster_settle(cluster);
	ck_assert(cluster_answer(cluster, writing)->done);
	ck_assert_int_eq(cluster_answer(cluster, writing)->error, -EIO);
	ck_assert_uint_eq(core_requests_open(cluster_core(cluster, 1)), 0);
	cluster_free(cluster);
}
END_TEST

/*
 * Goal: a write whose page was read again since may have been copied into the page before: the page is dropped first. If the
 * write itself keeps it locked it is answered after a time, but the page is given up no earlier than the kernel has let go of it.
 */
START_TEST(read_again)
{
	uint64_t obj, writing, reading;
	struct cluster *cluster = open_on_both(1000, BYTES, &obj);
	struct msg write = {.type = REQ_WRITE, .obj = obj, .page = 1, .offset = 7};
	struct msg read = {.type = REQ_READ, .obj = obj, .page = 1, .count = 1};

	ck_assert_int_eq(read_page(cluster, 1, obj, 1)->error, 0);
	ck_assert_int_eq(write_byte(cluster, 0, obj, 1, 0, 'o'), 0);
	ck_assert_int_eq(read_page(cluster, 1, obj, 1)->error, 0);
	cluster_hold_kernel(cluster, 1);
	writing = cluster_request(cluster, 1, &write, "n", 1);
	reading = cluster_request(cluster, 0, &read, NULL, 0);
	cluster_advance(cluster, 2 * STALE_NS);
	ck_assert_int_eq(cluster_answer(cluster, writing)->error, 0);
	ck_assert(cluster_answer(cluster, writing)->done);
	ck_assert(!cluster_answer(cluster, reading)->done);
	cluster_release_kernel(cluster, 1);
	ck_assert_int_eq(cluster_answer(cluster, reading)->error, 0);
	ck_assert_int_eq(cluster_answer(cluster, reading)->bytes[7], 'n');
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* Goal: a page that a write(2) has copied, and a store made dirty, may be written back before the write comes. */
START_TEST(back_before)
{
	uint64_t obj;
	struct cluster *cluster = open_on_both(1000, BYTES, &obj);
	struct msg write = {.type = REQ_WRITE, .obj = obj, .page = 1, .flags = WRITE_BACK};

	ck_assert_int_eq(write_byte(cluster, 0, obj, 1, 0, 'o'), 0);
	memset(text, 'n', sizeof(text));
	ck_assert_int_eq(cluster_do(cluster, 1, &write, text, PAGE_BYTES)->error, 0);
	ck_assert_int_eq(read_page(cluster, 0, obj, 1)->bytes[0], 'n');
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* Goal: what was stored on top of a write that waits, and written back, or elsewhere since, is not undone when the write goes on. */
START_TEST(stored_on_top)
{
	uint64_t obj, writing;
	struct cluster *cluster = open_on_both(1000, BYTES, &obj);
	struct msg back = {.type = REQ_WRITE, .obj = obj, .page = 1, .flags = WRITE_BACK};

	ck_assert_int_eq(write_byte(cluster, 0, obj, 0, 0, 'o'), 0);
	cluster_hold_kernel(cluster, 0);
	writing = begin(cluster, obj, 0);
	cluster_settle(cluster);
	memset(text, 's', sizeof(text));
	ck_assert_int_eq(cluster_do(cluster, 1, &back, text, PAGE_BYTES)->error, 0);
	ck_assert_int_eq(write_byte(cluster, 0, obj, 1, 5, 'z'), 0);
	cluster_release_kernel(cluster, 0);
	ck_assert_int_eq(cluster_answer(cluster, writing)->error, 0);
	ck_assert_int_eq(read_page(cluster, 1, obj, 0)->bytes[0], 'n');
	ck_assert_int_eq(read_page(cluster, 1, obj, 1)->bytes[0], 's');
	ck_assert_int_eq(read_page(cluster, 1, obj, 1)->bytes[5], 'z');
	ck_assert_int_eq(read_page(cluster, 1, obj, 2)->bytes[0], 'n');
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/*
 * Goal: of a write whose page may have been read again since it was copied, what is written back while the page is dropped tells
 * which of both it was. Read again: the write is newer, but for what was stored. Not read again: what was stored on top of it
 * stays. And either way it is at home before the page is another node's.
 */
START_TEST(stored_meanwhile)
{
	uint64_t obj, writing, taking;
	struct cluster *cluster = open_on_both(1000, BYTES, &obj);
	struct msg write = {.type = REQ_WRITE, .obj = obj, .page = 1, .offset = 4};
	struct msg back = {.type = REQ_WRITE, .obj = obj, .page = 1, .flags = WRITE_BACK};
	struct msg take = {.type = REQ_WRITE, .obj = obj, .page = 1, .offset = 200};
	bool newer = _i & 1, taken = _i & 2;

	ck_assert_int_eq(read_page(cluster, 1, obj, 1)->error, 0);
	ck_assert_int_eq(write_byte(cluster, 0, obj, 1, 0, 'o'), 0);
	memcpy(text, read_page(cluster, 1, obj, 1)->bytes, PAGE_BYTES);
	cluster_hold_kernel(cluster, 1);
	taking = taken ? cluster_request(cluster, 0, &take, "z", 1) : 0;
	cluster_settle(cluster);
	writing = cluster_request(cluster, 1, &write, "nnnnnnnnnnnnnnnnnnnn", 20);
	if (!newer)
		memset(text + 4, 'n', 20);
	memset(text + 100, 'm', 8);
	cluster_request(cluster, 1, &back, text, PAGE_BYTES);
	memset(text + 8, 's', 8);
	ck_assert_int_eq(cluster_do(cluster, 1, &back, text, PAGE_BYTES)->error, 0);
	ck_assert(!cluster_answer(cluster, writing)->done);
	cluster_release_kernel(cluster, 1);
	ck_assert_int_eq(cluster_answer(cluster, writing)->error, 0);
	ck_assert(!taken || cluster_answer(cluster, taking)->done);
	memcpy(text, read_page(cluster, 0, obj, 1)->bytes, PAGE_BYTES);
	ck_assert_int_eq(memcmp(text, "o\0\0\0nnnnssssssssnnnnnnnn\0", 25), 0);
	ck_assert_int_eq(text[100], 'm');
	ck_assert_int_eq(text[200], taken ? 'z' : 0);
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* Goal: a store on top of such a write is not undone by it when another node has the page already. */
START_TEST(stored_elsewhere)
{
	uint64_t obj, writing, storing;
	struct cluster *cluster = open_on_both(1000, BYTES, &obj);
	struct msg write = {.type = REQ_WRITE, .obj = obj, .page = 1, .offset = 8};
	struct msg back = {.type = REQ_WRITE, .obj = obj, .page = 1, .flags = WRITE_BACK};

	ck_assert_int_eq(read_page(cluster, 1, obj, 1)->error, 0);
	ck_assert_int_eq(write_byte(cluster, 0, obj, 1, 0, 'o'), 0);
	memcpy(text, read_page(cluster, 1, obj, 1)->bytes, PAGE_BYTES);
	cluster_hold_kernel(cluster, 1);
	storing = cluster_request(cluster, 0, &write, "z", 1);
	cluster_settle(cluster);
	writing = cluster_request(cluster, 1, &write, "n", 1);
	text[8] = 's';
	if (_i)
		cluster_request(cluster, 1, &back, text, PAGE_BYTES);
	cluster_release_kernel(cluster, 1);
	ck_assert_int_eq(cluster_answer(cluster, writing)->error, 0);
	ck_assert(cluster_answer(cluster, storing)->done);
	ck_assert_int_eq(read_page(cluster, 1, obj, 1)->bytes[8], 'z');
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* Goal: a truncate that drops such a page takes the write along, before the home hears that the page is gone. */
START_TEST(cut_meanwhile)
{
	uint64_t obj, writing, cutting;
	struct cluster *cluster = open_on_both(1000, BYTES, &obj);
	struct msg write = {.type = REQ_WRITE, .obj = obj, .offset = 8};
	struct msg cut = {.type = REQ_SETATTR, .obj = obj, .flags = SETATTR_SIZE, .size = 100};

	ck_assert_int_eq(read_page(cluster, 1, obj, 0)->error, 0);
	ck_assert_int_eq(write_byte(cluster, 0, obj, 0, 0, 'o'), 0);
	ck_assert_int_eq(read_page(cluster, 1, obj, 0)->error, 0);
	cluster_hold_kernel(cluster, 1);
	cutting = cluster_request(cluster, 0, &cut, NULL, 0);
	cluster_settle(cluster);
	writing = cluster_request(cluster, 1, &write, "n", 1);
	cluster_release_kernel(cluster, 1);
	ck_assert_int_eq(cluster_answer(cluster, writing)->error, 0);
	ck_assert_int_eq(cluster_answer(cluster, cutting)->error, 0);
	ck_assert_int_eq(read_page(cluster, 0, obj, 0)->bytes[8], 'n');
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/*
 * Goal: a write whose page was written back with it and went before the write came has been put already, and others may have
 * changed it since. But if the kernel has the page, the write has just been copied there, though with the same bytes.
 */
START_TEST(home_before)
{
	uint64_t obj;
	struct cluster *cluster = open_on_both(1000, BYTES, &obj);
	struct msg back = {.type = REQ_WRITE, .obj = obj, .page = 1, .flags = WRITE_BACK};
	bool uncached = _i & 1, other = _i & 2;

	if (uncached)
		cluster_uncache(cluster, 1);
	memcpy(text, read_page(cluster, 1, obj, 1)->bytes, PAGE_BYTES);
	text[8] = 's';
	ck_assert_int_eq(cluster_do(cluster, 1, &back, text, PAGE_BYTES)->error, 0);
	ck_assert_int_eq(write_byte(cluster, 0, obj, 1, 8, 'z'), 0);
	ck_assert_int_eq(write_byte(cluster, 1, obj, 1, 8, other ? 'o' : 's'), 0);
	ck_assert_int_eq(read_page(cluster, 0, obj, 1)->bytes[8], other ? 'o' : uncached ? 'z' : 's');
	/* The next write is another matter. */
	ck_assert_int_eq(write_byte(cluster, 1, obj, 1, 8, 's'), 0);
	ck_assert_int_eq(read_page(cluster, 0, obj, 1)->bytes[8], 's');
	ck_assert_uint_eq(core_requests_open(cluster_core(cluster, 1)), 0);
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* Whole pages, by a program on node 1. */
static void write_whole(struct cluster *cluster, uint64_t obj, uint64_t page, uint64_t end)
{
	memset(text, 'n', PAGE_BYTES);
	for (; page < end; page++)
		ck_assert_int_eq(cluster_do(cluster, 1, &(struct msg){.type = REQ_WRITE, .obj = obj, .page = page}, text,
		                            PAGE_BYTES)->error, 0);
}

/*
 * Goal: who writes in order gets the pages behind before it writes them, in one message, without their bytes and without taking what
 * another node uses; should it read one, then with its bytes. If it dies, they are lost: that it has not written them, nobody knows.
 */
START_TEST(led)
{
	uint64_t obj;
	struct cluster *cluster = open_on(3, 1000, 10 * PAGE_BYTES, &obj);
	unsigned gets;

	for (uint64_t page = 0; page < 10; page++)
		ck_assert_int_eq(write_byte(cluster, 0, obj, page, 0, 'o'), 0);
	cluster_advance(cluster, 2 * QUIET_NS);
	ck_assert_int_eq(write_byte(cluster, 2, obj, 9, 0, 'p'), 0);
	write_whole(cluster, obj, 0, 2);
	gets = cluster_count(cluster, 0, MSG_GET);
	write_whole(cluster, obj, 2, 6);
	ck_assert_uint_eq(cluster_count(cluster, 0, MSG_GET), gets);
	ck_assert_int_eq(core_page_mode(cluster_core(cluster, 2), obj, 0, 9), PAGE_EXCLUSIVE);
	ck_assert_int_eq(read_page(cluster, 1, obj, 7)->bytes[0], 'o');
	ck_assert_int_eq(read_page(cluster, 0, obj, 5)->bytes[0], 'n');
	cluster_kill(cluster, 1);
	cluster_settle(cluster);
	ck_assert_int_eq(read_page(cluster, 2, obj, 6)->error, -EIO);
	cluster_free(cluster);
}
END_TEST

/* Goal: a write that has returned, but was still on its way when its node died, is lost and not undone in silence. */
START_TEST(led_and_lost)
{
	uint64_t obj;
	struct cluster *cluster = open_on(3, 1000, 10 * PAGE_BYTES, &obj);

	write_whole(cluster, obj, 0, 2);
	cluster_settle(cluster);
	ck_assert_int_eq(core_page_mode(cluster_core(cluster, 1), obj, 0, 2), PAGE_EXCLUSIVE);
	ck_assert_int_eq(cluster_answer(cluster, cluster_request(cluster, 1, &(struct msg){.type = REQ_WRITE, .obj = obj, .page = 2},
	                                                         text, PAGE_BYTES))->error, 0);
	cluster_kill(cluster, 1);
	cluster_settle(cluster);
	ck_assert_int_eq(read_page(cluster, 2, obj, 2)->error, -EIO);
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* Goal: what was to be written past the end by a node that died is no loss when the file grows. */
START_TEST(led_past_the_end)
{
	uint64_t obj;
	struct cluster *cluster = open_on(3, 10000, 0, &obj);

	write_whole(cluster, obj, 0, 2);
	ck_assert_int_eq(core_page_mode(cluster_core(cluster, 1), obj, 0, 2), PAGE_EXCLUSIVE);
	cluster_kill(cluster, 1);
	cluster_settle(cluster);
	ck_assert_int_eq(write_byte(cluster, 0, obj, 3, 0, 'o'), 0);
	ck_assert_int_eq(read_page(cluster, 2, obj, 2)->error, 0);
	ck_assert_int_eq(read_page(cluster, 2, obj, 1)->error, -EIO);
	cluster_free(cluster);
}
END_TEST

/* Goal: a write of several pages is one message of each kind, also when it makes the file longer. */
START_TEST(in_one)
{
	uint64_t obj, writing;
	struct cluster *cluster = open_on_both(1000, _i ? 100 : BYTES, &obj);

	writing = begin(cluster, obj, 0);
	cluster_settle(cluster);
	ck_assert_int_eq(cluster_answer(cluster, writing)->error, 0);
	ck_assert_uint_eq(cluster_count(cluster, 0, MSG_GET), 1);
	ck_assert_uint_eq(cluster_count(cluster, 1, MSG_GRANT), 1);
	ck_assert_uint_eq(cluster_last(cluster, 1, MSG_GRANT).payload.length_bytes, 0);
	ck_assert_uint_eq(cluster_count(cluster, 0, MSG_PUT), 1);
	ck_assert_uint_eq(open_size(cluster, 0, obj), BYTES);
	for (uint64_t page = 0; page < PAGES; page++)
		ck_assert_int_eq(read_page(cluster, 0, obj, page)->bytes[PAGE_BYTES - 1], 'n');
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* --- reads of several pages --------------------------------------------------------------------------------------- */

static struct cluster *written_on_home(uint64_t *obj)
{
	struct cluster *cluster = open_on_both(1000, BYTES, obj);

	for (uint64_t page = 0; page < PAGES; page++)
		ck_assert_int_eq(write_byte(cluster, 0, *obj, page, 0, (char)('a' + page)), 0);
	return cluster;
}

static uint64_t read_ahead(struct cluster *cluster, uint64_t obj)
{
	struct msg read = {.type = REQ_READ, .obj = obj, .count = PAGES};

	return cluster_request(cluster, 1, &read, NULL, 0);
}

/* Goal: what another node was given a moment ago is not taken by who reads ahead; a while later it is, in one. */
START_TEST(quiet_only)
{
	uint64_t obj, reading;
	struct cluster *cluster = written_on_home(&obj);

	reading = read_ahead(cluster, obj);
	cluster_settle(cluster);
	ck_assert_int_eq(cluster_answer(cluster, reading)->error, -EAGAIN);
	ck_assert_int_eq(core_page_mode(cluster_core(cluster, 0), obj, SEG_MEMORY, 0), PAGE_EXCLUSIVE);
	cluster_advance(cluster, 2 * CONTENDED_LEAST * QUIET_NS);
	reading = read_ahead(cluster, obj);
	cluster_settle(cluster);
	ck_assert_int_eq(cluster_answer(cluster, reading)->error, 0);
	ck_assert_uint_eq(cluster_answer(cluster, reading)->length, BYTES);
	for (uint64_t page = 0; page < PAGES; page++)
		ck_assert_int_eq(cluster_answer(cluster, reading)->bytes[page * PAGE_BYTES], 'a' + (int)page);
	ck_assert_uint_eq(cluster_count(cluster, 0, MSG_GET), 2);
	ck_assert_uint_eq(cluster_last(cluster, 1, MSG_GRANT).count, PAGES);
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/*
 * Goal: what is needed as a whole is taken, also from a node that was given it a moment ago. That is over soon: it does not
 * keep the other node from taking it back as who reads ahead.
 */
START_TEST(needed_as_a_whole)
{
	uint64_t obj;
	struct cluster *cluster = written_on_home(&obj);
	struct msg all = {.type = REQ_READ, .obj = obj, .count = PAGES, .flags = REQUEST_ALL};
	struct msg ahead = {.type = REQ_READ, .obj = obj, .count = PAGES};

	ck_assert_int_eq(ask(cluster, 1, &all)->error, 0);
	ck_assert_int_eq(ask(cluster, 0, &ahead)->error, 0);
	ck_assert_int_eq(ask(cluster, 1, &all)->error, 0);
	ck_assert_int_eq(ask(cluster, 0, &ahead)->error, 0);
	ck_assert_int_eq(ask(cluster, 1, &ahead)->error, -EAGAIN);
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* Begins a read that waits for the home's kernel to give up this page. */
static struct cluster *waits_for(uint64_t page, uint64_t *obj, uint64_t *reading)
{
	struct cluster *cluster = open_on_both(1000, BYTES, obj);

	ck_assert_int_eq(write_byte(cluster, 0, *obj, page, 0, 'o'), 0);
	cluster_advance(cluster, 2 * CONTENDED_LEAST * QUIET_NS);
	cluster_hold_kernel(cluster, 0);
	*reading = read_ahead(cluster, *obj);
	cluster_settle(cluster);
	ck_assert(!cluster_answer(cluster, *reading)->done);
	return cluster;
}

/* Goal: while it waits for one page, the others can be had by who needs them; then it fails, and the kernel asks again. */
START_TEST(gives_way)
{
	uint64_t obj, reading, writing;
	struct cluster *cluster = waits_for(PAGES - 1, &obj, &reading);
	struct msg write = {.type = REQ_WRITE, .obj = obj};

	writing = cluster_request(cluster, 0, &write, "n", 1);
	cluster_settle(cluster);
	ck_assert(cluster_answer(cluster, writing)->done);
	ck_assert_int_eq(cluster_answer(cluster, reading)->error, -EAGAIN);
	cluster_release_kernel(cluster, 0);
	ck_assert_int_eq(read_page(cluster, 1, obj, 0)->bytes[0], 'n');
	ck_assert_int_eq(read_page(cluster, 1, obj, PAGES - 1)->bytes[0], 'o');
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/*
 * Goal: it fails where the file becomes shorter, also if that only cuts off a part of a page that has come already; its program can
 * be killed; the home can die. Nothing is left behind.
 */
START_TEST(ends_early)
{
	static const int errors[] = {-EAGAIN, -EAGAIN, -EINTR, -EIO};
	uint64_t obj, reading;
	struct cluster *cluster = waits_for(_i == 1 ? 0 : PAGES - 1, &obj, &reading);
	struct msg resizing = {.type = REQ_SETATTR, .obj = obj, .flags = SETATTR_SIZE, .size = _i ? BYTES - 100 : PAGE_BYTES};

	if (_i < 2)
		cluster_request(cluster, 0, &resizing, NULL, 0);
	else if (_i == 2)
		cluster_interrupt(cluster, 1, reading);
	else
		cluster_kill(cluster, 0);
	cluster_settle(cluster);
	ck_assert(cluster_answer(cluster, reading)->done);
	ck_assert_int_eq(cluster_answer(cluster, reading)->error, errors[_i]);
	ck_assert_uint_eq(core_requests_open(cluster_core(cluster, 1)), 0);
	if (_i < 3) {
		cluster_release_kernel(cluster, 0);
		ck_assert_int_eq(read_page(cluster, 1, obj, 0)->error, 0);
		ck_assert_int_eq(resize(cluster, 0, obj, 0), 0);
		ck_assert_uint_eq(cluster_kernel_size(cluster, 1, obj), 0);
		cluster_check(cluster);
	}
	cluster_free(cluster);
}
END_TEST

/* Goal: it does not bring older bytes than those of a write of this node that waits for another page. */
START_TEST(not_before_writes)
{
	uint64_t obj, reading;
	struct cluster *cluster = open_on(3, 1000, BYTES, &obj);
	struct msg read = {.type = REQ_READ, .obj = obj, .page = 1, .count = 2};

	for (uint64_t page = 0; page < PAGES; page++)
		ck_assert_int_eq(write_byte(cluster, page > 0, obj, page, 0, 'o'), 0);
	cluster_hold_kernel(cluster, 0);
	begin(cluster, obj, 0);
	cluster_settle(cluster);
	for (uint64_t page = 1; page < PAGES; page++)
		ck_assert_int_eq(write_byte(cluster, 2, obj, page, 5, 'z'), 0);
	cluster_advance(cluster, 100 * QUIET_NS);
	reading = cluster_request(cluster, 1, &read, NULL, 0);
	cluster_settle(cluster);
	ck_assert_int_eq(cluster_answer(cluster, reading)->error, -EAGAIN);
	cluster_release_kernel(cluster, 0);
	ck_assert_int_eq(read_page(cluster, 1, obj, 1)->bytes[0], 'n');
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("parts");
	TCase *test = tcase_create("writes of several pages"), *reads = tcase_create("reads of several pages");
	SRunner *runner;
	int failed;

	tcase_add_test(test, in_order);
	tcase_add_test(test, longer_in_order);
	tcase_add_test(test, short_where_full);
	tcase_add_test(test, nothing_behind);
	tcase_add_test(test, written_back);
	tcase_add_test(test, whole_is_cached);
	tcase_add_test(test, killed);
	tcase_add_test(test, home_dies);
	tcase_add_test(test, read_again);
	tcase_add_test(test, back_before);
	tcase_add_test(test, stored_on_top);
	tcase_add_loop_test(test, stored_meanwhile, 0, 4);
	tcase_add_loop_test(test, stored_elsewhere, 0, 2);
	tcase_add_test(test, cut_meanwhile);
	tcase_add_loop_test(test, home_before, 0, 4);
	tcase_add_test(test, led);
	tcase_add_test(test, led_and_lost);
	tcase_add_test(test, led_past_the_end);
	tcase_add_loop_test(test, in_one, 0, 2);
	suite_add_tcase(suite, test);
	tcase_add_test(reads, quiet_only);
	tcase_add_test(reads, needed_as_a_whole);
	tcase_add_test(reads, gives_way);
	tcase_add_test(reads, not_before_writes);
	tcase_add_loop_test(reads, ends_early, 0, 4);
	suite_add_tcase(suite, reads);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
