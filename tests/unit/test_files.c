/*
 * test_files.c: files of an object: made, renamed, removed by several nodes, and what becomes of them with their object.
 */
#include <errno.h>
#include <stdlib.h>

#include "steps.h"

static struct answer *on_names(struct cluster *cluster, unsigned node, enum msg_type type, uint64_t object, const char *names,
                               uint32_t length)
{
	struct msg msg = {
		.type = (uint8_t)type, .dir = object, .to_dir = object, .attr = {.mode = 0640, .uid = 7, .gid = 8}};

	return cluster_do(cluster, node, &msg, names, length);
}

static uint64_t create(struct cluster *cluster, unsigned node, uint64_t object, const char *name)
{
	struct answer *answer = on_names(cluster, node, REQ_CREATE, object, name, (uint32_t)strlen(name) + 1);

	ck_assert_int_eq(answer->error, 0);
	ck_assert_uint_eq(answer->attr.mode & 07777, 0640);
	return answer->obj;
}

/* The file of this name; 0 if there is none. */
static uint64_t find(struct cluster *cluster, unsigned node, uint64_t object, const char *name)
{
	struct answer *answer = on_names(cluster, node, REQ_LOOKUP, object, name, (uint32_t)strlen(name) + 1);

	ck_assert(answer->error == 0 || answer->error == -ENOENT);
	return answer->error ? 0 : answer->obj;
}

static int unlink_file(struct cluster *cluster, unsigned node, uint64_t object, const char *name)
{
	return on_names(cluster, node, REQ_REMOVE, object, name, (uint32_t)strlen(name) + 1)->error;
}

static void write_to(struct cluster *cluster, unsigned node, uint64_t file, char byte)
{
	ck_assert_int_eq(simple(cluster, node, REQ_OPEN, file, PAGE_EXCLUSIVE), 0);
	ck_assert_int_eq(write_byte(cluster, node, file, 0, 0, byte), 0);
}

static void close_written(struct cluster *cluster, unsigned node, uint64_t file)
{
	ck_assert_int_eq(simple(cluster, node, REQ_RELEASE, file, PAGE_EXCLUSIVE), 0);
}

static void expect_empty(struct cluster *cluster)
{
	for (unsigned node = 0; node < 3; node++)
		ck_assert_uint_eq(core_store_pages(cluster_core(cluster, node)), 0);
	cluster_check(cluster);
	cluster_free(cluster);
}

/* Goal: a file that one node makes is there for all, with mode, owner and bytes of its own; its home is its object's. */
START_TEST(everywhere)
{
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t memory = make(cluster, 0, "a"), object = whole(memory), file = create(cluster, 1, object, "db");

	ck_assert_uint_eq(object_home(file), object_home(object));
	ck_assert_uint_eq(find(cluster, 2, object, "db"), file);
	ck_assert_uint_eq(find(cluster, 2, object, "memory"), memory);
	write_to(cluster, 2, file, 'x');
	ck_assert_uint_eq(stat_object(cluster, 0, file, SEG_MEMORY).size_bytes, 1);
	ck_assert_uint_eq(stat_object(cluster, 0, file, SEG_MEMORY).uid, 7);
	ck_assert_uint_eq(stat_object(cluster, 0, memory, SEG_MEMORY).size_bytes, 0);
	ck_assert_uint_eq(stat_object(cluster, 0, memory, SEG_MEMORY).uid, 0);
	close_written(cluster, 2, file);
	ck_assert_int_eq(unlink_file(cluster, 0, object, "db"), 0);
	ck_assert_uint_eq(find(cluster, 2, object, "db"), 0);
	expect_empty(cluster);
}
END_TEST

/* Goal: of those who make a name at once one wins; what the others have made is gone. */
START_TEST(one_winner)
{
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t object = whole(make(cluster, 0, "a")), tokens[3], won = 0;
	unsigned winners = 0;
	struct msg msg = {.type = REQ_CREATE, .dir = object, .attr = {.mode = 0640}};

	for (unsigned node = 0; node < 3; node++)
		tokens[node] = cluster_request(cluster, node, &msg, "db", 3);
	cluster_settle(cluster);
	for (unsigned node = 0; node < 3; node++) {
		if (cluster_answer(cluster, tokens[node])->error == 0) {
			won = cluster_answer(cluster, tokens[node])->obj;
			winners++;
			continue;
		}
		ck_assert_int_eq(cluster_answer(cluster, tokens[node])->error, -EEXIST);
	}
	ck_assert_uint_eq(winners, 1);
	for (unsigned node = 0; node < 3; node++)
		ck_assert_uint_eq(find(cluster, node, object, "db"), won);
	for (uint64_t other = object + 2; other < object + 5; other++)
		ck_assert_int_eq(ask(cluster, 0, &(struct msg){.type = REQ_GETATTR, .obj = other})->error,
		                 other == won ? 0 : -ESTALE);
	expect_empty(cluster);
}
END_TEST

/* Goal: who has a file open keeps it when another takes its name, or when it is removed; then it is gone. */
START_TEST(replaced)
{
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t object = whole(make(cluster, 0, "a")), old = create(cluster, 1, object, "db"), new;

	write_to(cluster, 2, old, 'o');
	new = create(cluster, 1, object, "new");
	ck_assert_int_eq(on_names(cluster, 0, REQ_RENAME, object, "new\0db", 7)->error, 0);
	for (unsigned node = 0; node < 3; node++) {
		ck_assert_uint_eq(find(cluster, node, object, "db"), new);
		ck_assert_uint_eq(find(cluster, node, object, "new"), 0);
	}
	cluster_advance(cluster, REPLACED_NS);
	ck_assert_int_eq(read_page(cluster, 2, old, 0)->bytes[0], 'o');
	close_written(cluster, 2, old);
	ck_assert_int_eq(ask(cluster, 0, &(struct msg){.type = REQ_GETATTR, .obj = old})->error, -ESTALE);
	write_to(cluster, 1, new, 'n');
	ck_assert_int_eq(unlink_file(cluster, 2, object, "db"), 0);
	ck_assert_int_eq(read_page(cluster, 1, new, 0)->bytes[0], 'n');
	close_written(cluster, 1, new);
	expect_empty(cluster);
}
END_TEST

/* Goal: who has just looked a file up can still open it when another has taken its name; but it stays in nobody's way. */
START_TEST(replaced_in_between)
{
	struct cluster *cluster = cluster_new(3, 100);
	uint64_t object = whole(make(cluster, 0, "a")), old = create(cluster, 1, object, "db"), new;

	write_to(cluster, 1, old, 'o');
	close_written(cluster, 1, old);
	new = create(cluster, 1, object, "new");
	ck_assert_int_eq(on_names(cluster, 0, REQ_RENAME, object, "new\0db", 7)->error, 0);
	ck_assert_int_eq(simple(cluster, 2, REQ_OPEN, old, PAGE_SHARED), 0);
	ck_assert_int_eq(read_page(cluster, 2, old, 0)->bytes[0], 'o');
	ck_assert_int_eq(simple(cluster, 2, REQ_RELEASE, old, PAGE_SHARED), 0);
	write_to(cluster, 1, new, 'n');
	for (uint64_t page = 1; write_byte(cluster, 1, new, page, 0, 'n') == 0; page++)
		ck_assert_uint_lt(page, 100);
	ck_assert_int_eq(simple(cluster, 2, REQ_OPEN, old, PAGE_SHARED), -ESTALE);
	close_written(cluster, 1, new);
	ck_assert_int_eq(unlink_file(cluster, 2, object, "db"), 0);
	expect_empty(cluster);
}
END_TEST

/* Goal: names stay within their object, and its directory within itself. */
START_TEST(refused)
{
	struct cluster *cluster = cluster_new(2, 1000);
	uint64_t a = whole(make(cluster, 0, "a")), b = whole(make(cluster, 1, "b"));
	struct msg across = {.type = REQ_RENAME, .dir = a, .to_dir = b};
	struct msg up = {.type = REQ_RENAME, .dir = a, .to_dir = DIR_ROOT};
	struct msg keep = {.type = REQ_RENAME, .dir = a, .to_dir = a, .flags = REQUEST_NOREPLACE};

	create(cluster, 1, a, "db");
	ck_assert_int_eq(cluster_do(cluster, 1, &across, "db\0db", 6)->error, -EXDEV);
	ck_assert_int_eq(cluster_do(cluster, 1, &up, "db\0db", 6)->error, -EXDEV);
	ck_assert_int_eq(cluster_do(cluster, 1, &keep, "db\0memory", 10)->error, -EEXIST);
	ck_assert_int_eq(on_names(cluster, 1, REQ_RENAME, a, "none\0db", 8)->error, -ENOENT);
	ck_assert_int_eq(on_names(cluster, 1, REQ_CREATE, a, "db", 3)->error, -EEXIST);
	ck_assert_int_eq(remove_name(cluster, 1, "a"), -ENOTEMPTY);
	ck_assert_int_eq(unlink_file(cluster, 1, a, "db"), 0);
	ck_assert_int_eq(remove_name(cluster, 1, "a"), 0);
	ck_assert_int_eq(on_names(cluster, 1, REQ_CREATE, a, "db", 3)->error, -ENOENT);
	ck_assert_uint_eq(find(cluster, 0, a, "memory"), 0);
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* Goal: `memory` that mkdir has made can be made once, unless it was opened or resized; removed, it can be made again. */
START_TEST(memory_once)
{
	struct cluster *cluster = cluster_new(2, 1000);
	uint64_t memory = make(cluster, 0, "a"), object = whole(memory);

	ck_assert_uint_eq(stat_object(cluster, 1, memory, SEG_MEMORY).mode & OBJECT_FRESH, OBJECT_FRESH);
	ck_assert_uint_eq(create(cluster, 1, object, "memory"), memory);
	ck_assert_uint_eq(stat_object(cluster, 0, memory, SEG_MEMORY).mode, 0640);
	ck_assert_uint_eq(stat_object(cluster, 0, memory, SEG_MEMORY).uid, 7);
	ck_assert_int_eq(on_names(cluster, 0, REQ_CREATE, object, "memory", 7)->error, -EEXIST);
	ck_assert_int_eq(unlink_file(cluster, 1, object, "memory"), 0);
	ck_assert_uint_ne(create(cluster, 0, object, "memory"), memory);
	ck_assert_int_eq(on_names(cluster, 1, REQ_CREATE, object, "memory", 7)->error, -EEXIST);

	memory = make(cluster, 0, "opened");
	ck_assert_int_eq(simple(cluster, 1, REQ_OPEN, memory, PAGE_SHARED), 0);
	ck_assert_int_eq(on_names(cluster, 0, REQ_CREATE, whole(memory), "memory", 7)->error, -EEXIST);
	memory = make(cluster, 0, "resized");
	ck_assert_int_eq(resize(cluster, 1, memory, 5), 0);
	ck_assert_int_eq(on_names(cluster, 0, REQ_CREATE, whole(memory), "memory", 7)->error, -EEXIST);
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* Goal: revoke, destroy and the loss of an owner are about all files; the books are empty afterwards. */
START_TEST(with_its_object)
{
	static const char *const orders[] = {"revoke\n", "destroy\n"};
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t memory = make(cluster, 0, "a"), object = whole(memory), file = create(cluster, 1, object, "db");

	write_to(cluster, 1, memory, 'm');
	write_to(cluster, 2, file, 'f');
	ck_assert_int_eq(order(cluster, 1, memory, orders[_i]), 0);
	ck_assert_int_eq(look_up(cluster, 2, "a", NULL), -ENOENT);
	ck_assert_uint_eq(find(cluster, 2, object, "db"), 0);
	ck_assert_int_eq(read_page(cluster, 2, file, 0)->error, _i == 0 ? -EIO : 0);
	ck_assert_int_eq(read_page(cluster, 1, memory, 0)->error, _i == 0 ? -EIO : 0);
	close_written(cluster, 1, memory);
	close_written(cluster, 2, file);
	expect_empty(cluster);
}
END_TEST

/* Goal: an unnamed object goes when the last user of the last of its files has gone. */
START_TEST(unnamed)
{
	struct cluster *cluster = cluster_new(3, 1000);
	struct msg mkdir = {.type = REQ_MKDIR, .dir = DIR_UNNAMED, .attr = {.mode = 0700}};
	uint64_t memory = cluster_do(cluster, 0, &mkdir, "u", 2)->cookie, object = whole(memory);
	uint64_t file = create(cluster, 1, object, "db");

	write_to(cluster, 1, file, 'f');
	write_to(cluster, 2, memory, 'm');
	close_written(cluster, 1, file);
	ck_assert_uint_eq(find(cluster, 0, object, "db"), file);
	close_written(cluster, 2, memory);
	ck_assert_uint_eq(find(cluster, 0, object, "db"), 0);
	expect_empty(cluster);
}
END_TEST

/* Goal: a node that dies while it makes a file leaves none behind. */
START_TEST(maker_dies)
{
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t object = whole(make(cluster, 0, "a"));
	struct msg msg = {.type = REQ_CREATE, .dir = object, .attr = {.mode = 0640}};

	cluster_lose(cluster, 1, MSG_INSERT);
	cluster_request(cluster, 1, &msg, "db", 3);
	cluster_settle(cluster);
	cluster_kill(cluster, 1);
	cluster_settle(cluster);
	ck_assert_uint_eq(find(cluster, 2, object, "db"), 0);
	cluster_advance(cluster, 2 * OP_TIMEOUTS * CLUSTER_TIMEOUT_NS);
	ck_assert_int_eq(ask(cluster, 0, &(struct msg){.type = REQ_GETATTR, .obj = object + 2})->error, -ESTALE);
	ck_assert_int_eq(remove_name(cluster, 2, "a"), 0);
	expect_empty(cluster);
}
END_TEST

/* Goal: a file that got its name stays, though its home loses touch with who made it before it hears of that. */
START_TEST(maker_out_of_touch)
{
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t object = whole(make(cluster, 1, "a")), file;

	cluster_lose(cluster, 0, MSG_LINK);
	file = create(cluster, 2, object, "db");
	cluster_lose_no_more(cluster, 0, MSG_LINK);
	cluster_kill(cluster, 2);
	cluster_advance(cluster, 2 * OP_TIMEOUTS * CLUSTER_TIMEOUT_NS);
	ck_assert_uint_eq(find(cluster, 0, object, "db"), file);
	ck_assert_int_eq(ask(cluster, 0, &(struct msg){.type = REQ_GETATTR, .obj = file})->error, 0);
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

/* Goal: what the directory said of names while a home was out of touch is said again when that asks. */
START_TEST(said_again)
{
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t object = whole(make(cluster, 1, "a")), file = create(cluster, 2, object, "db");
	struct msg ask_name = {.type = MSG_GONE, .obj = file, .flags = REQUEST_KEEP};

	cluster_lose(cluster, 0, MSG_LINK);
	ck_assert_int_eq(unlink_file(cluster, 2, object, "db"), 0);
	ck_assert_int_eq(ask(cluster, 0, &(struct msg){.type = REQ_GETATTR, .obj = file})->error, 0);
	cluster_lose_no_more(cluster, 0, MSG_LINK);
	cluster_raw(cluster, 1, 0, &ask_name);
	cluster_settle(cluster);
	ck_assert_int_eq(ask(cluster, 0, &(struct msg){.type = REQ_GETATTR, .obj = file})->error, -ESTALE);
	ask_name.obj = object;
	cluster_raw(cluster, 1, 0, &ask_name);
	cluster_settle(cluster);
	ck_assert_int_eq(look_up(cluster, 2, "a", NULL), 0);
	ck_assert_int_eq(remove_name(cluster, 2, "a"), 0);
	expect_empty(cluster);
}
END_TEST

/* Goal: the list of an object's files is kept, and follows each change; with the object it is forgotten. */
START_TEST(listed)
{
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t object = whole(make(cluster, 0, "a"));
	struct msg list = {.type = REQ_LIST, .dir = object};
	unsigned before;

	create(cluster, 1, object, "db");
	ck_assert_int_eq(ask(cluster, 2, &list)->error, 0);
	before = cluster_count(cluster, 0, MSG_LOOKUP) + cluster_count(cluster, 0, MSG_LIST);
	ck_assert_uint_ne(find(cluster, 2, object, "db"), 0);
	ck_assert_uint_eq(find(cluster, 2, object, "none"), 0);
	ck_assert_int_eq(unlink_file(cluster, 1, object, "db"), 0);
	ck_assert_uint_eq(find(cluster, 2, object, "db"), 0);
	ck_assert_uint_eq(cluster_count(cluster, 0, MSG_LOOKUP) + cluster_count(cluster, 0, MSG_LIST), before);
	ck_assert_int_eq(remove_name(cluster, 1, "a"), 0);
	ck_assert_int_eq(ask(cluster, 2, &list)->error, -ENOENT);
	expect_empty(cluster);
}
END_TEST

/* Goal: who is told of a name while its own LIST is on its way is told of the next change of it, too. */
START_TEST(told_before_the_list)
{
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t object = whole(make(cluster, 0, "a"));
	struct msg list = {.type = REQ_LIST, .dir = object}, remove = {.type = REQ_REMOVE, .dir = object};
	struct msg rename = {.type = REQ_RENAME, .dir = object, .to_dir = object};
	uint64_t renaming, removing, file = create(cluster, 0, object, "old");

	ck_assert_int_eq(simple(cluster, 2, REQ_OPEN, file, PAGE_SHARED), 0);
	create(cluster, 0, object, "new");
	ck_assert_uint_ne(find(cluster, 1, object, "new"), 0);
	renaming = cluster_request(cluster, 0, &rename, "old\0new", 8);
	while (!cluster_count(cluster, 1, MSG_NAME_RECALL))
		ck_assert(cluster_step(cluster));
	cluster_request(cluster, 1, &list, NULL, 0);
	while (!cluster_answer(cluster, renaming)->done)
		ck_assert(cluster_step(cluster));
	removing = cluster_request(cluster, 0, &remove, "new", 4);
	cluster_settle(cluster);
	ck_assert_int_eq(cluster_answer(cluster, renaming)->error, 0);
	ck_assert_int_eq(cluster_answer(cluster, removing)->error, 0);
	ck_assert_uint_eq(find(cluster, 1, object, "new"), 0);
	ck_assert_int_eq(simple(cluster, 2, REQ_RELEASE, file, PAGE_SHARED), 0);
	ck_assert_int_eq(remove_name(cluster, 0, "a"), 0);
	expect_empty(cluster);
}
END_TEST

/* Goal: status is about all files, and says what they are called and who has any of them open. */
START_TEST(status)
{
	struct cluster *cluster = cluster_new(3, 1000);
	uint64_t memory = make(cluster, 0, "a"), object = whole(memory), file = create(cluster, 1, object, "db");
	struct answer *answer;

	ck_assert_int_eq(resize(cluster, 0, memory, 100), 0);
	write_to(cluster, 1, file, 'f');
	ck_assert_int_eq(simple(cluster, 2, REQ_OPEN, memory, PAGE_INVALID), 0);
	answer = ask(cluster, 2, &(struct msg){.type = REQ_STATUS, .obj = object});
	ck_assert_int_eq(answer->error, 0);
	ck_assert_ptr_nonnull(strstr((char *)answer->bytes, "\nsize: 101\n"));
	ck_assert_ptr_nonnull(strstr((char *)answer->bytes, "\npages: 1\n"));
	ck_assert_ptr_nonnull(strstr((char *)answer->bytes, "\nfile: 100 bytes, 0 pages, 0 lost: memory\n"));
	ck_assert_ptr_nonnull(strstr((char *)answer->bytes, "\nfile: 1 bytes, 1 pages, 0 lost: db\n"));
	cluster_check(cluster);
	cluster_free(cluster);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("files");
	TCase *test = tcase_create("files of an object");
	SRunner *runner;
	int failed;

	tcase_add_test(test, everywhere);
	tcase_add_test(test, one_winner);
	tcase_add_test(test, replaced);
	tcase_add_test(test, replaced_in_between);
	tcase_add_test(test, refused);
	tcase_add_test(test, memory_once);
	tcase_add_loop_test(test, with_its_object, 0, 2);
	tcase_add_test(test, unnamed);
	tcase_add_test(test, maker_dies);
	tcase_add_test(test, maker_out_of_touch);
	tcase_add_test(test, said_again);
	tcase_add_test(test, listed);
	tcase_add_test(test, told_before_the_list);
	tcase_add_test(test, status);
	suite_add_tcase(suite, test);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
