/*
 * test_rsm_move.c: goal: memory of each kind that may be exported moves while threads store into it all the time, and
 * no store is lost; memory of other kinds is refused; and faults that are the program's own stay so.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/rsm_move.h"

#ifdef __SANITIZE_THREAD__
#define THREAD_SANITIZER 1
#elif defined __has_feature
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZER 1
#endif
#endif
#ifndef THREAD_SANITIZER
#define THREAD_SANITIZER 0
#endif

#define PAGES 4
#define THREADS 4
#define MOVES 1000
#define MOVES_WITH_SIGNALS 100

static size_t page_bytes;
static struct rsm_range range; /* of the test's memory */

static void set_up(void)
{
	page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	range.length = PAGES * page_bytes;
	range.address = NULL;
}

static void *map(int protection, int flags, int fd)
{
	void *address = mmap(NULL, range.length, protection, flags, fd, 0);

	ck_assert_ptr_ne(address, MAP_FAILED);
	return address;
}

static void *map_new(void)
{
	return map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

/* A file of the range's length that has no name. */
static int file_new(void)
{
	char path[] = "/tmp/test_rsm_move-XXXXXX";
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	unlink(path);
	ck_assert_int_eq(ftruncate(fd, (off_t)range.length), 0);
	return fd;
}

static void *file_map(int protection, int flags)
{
	int fd = file_new();
	void *address = map(protection, flags, fd);

	close(fd);
	return address;
}

/* Memory of each kind that can be moved. The first words of each thread's page are its own. */
enum kind { KIND_MAPPED, KIND_ALIGNED, KIND_VALLOC, KIND_FILE, KIND_SYSTEM_V, KINDS };

static void *memory_new(enum kind kind)
{
	void *address = NULL;
	int id;

	switch (kind) {
	case KIND_MAPPED:
		return map_new();
	case KIND_ALIGNED:
		ck_assert_int_eq(posix_memalign(&address, page_bytes, range.length), 0);
		return address;
	case KIND_VALLOC:
		return valloc(range.length);
	case KIND_FILE:
		return file_map(PROT_READ | PROT_WRITE, MAP_PRIVATE);
	case KIND_SYSTEM_V:
		id = shmget(IPC_PRIVATE, range.length, 0600);
		ck_assert_int_ge(id, 0);
		address = shmat(id, NULL, 0);
		ck_assert_int_eq(shmctl(id, IPC_RMID, NULL), 0);
		return address;
	default:
		ck_abort();
	}
}

/* Nobody stores into `from` any more. That is the kernel's doing, which the sanitizer does not see. */
__attribute__((no_sanitize("thread"))) static void copy_range(char *to, const char *from)
{
	size_t i;

	for (i = 0; i < range.length / sizeof(uint64_t); i++)
		((volatile uint64_t *)(void *)to)[i] = ((const volatile uint64_t *)(const void *)from)[i];
}

static struct rsm_piece piece_of(char *address, void *instead)
{
	return (struct rsm_piece){
		.range = { address, range.length }, .protection = PROT_READ | PROT_WRITE, .instead = instead
	};
}

/* Moves the range to memory of its own, as the library does. */
static void move_once(int flags)
{
	void *copy = map(PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1);
	struct rsm_piece piece = piece_of(range.address, copy);

	ck_assert_int_eq(rsm_move_begin(&piece, 1), 0);
	copy_range(copy, range.address);
	ck_assert_int_eq(rsm_move_put(&piece), 0);
	ck_assert_ptr_null(piece.instead);
	rsm_move_end();
}

/* --- threads ------------------------------------------------------------------------------------------------------ */

struct storer {
	pthread_t thread;
	volatile uint64_t *words; /* two of the range: counted up plainly and atomically */
	uint64_t count;
};

static atomic_bool stopping;

static void *store(void *argument)
{
	struct storer *storer = argument;

	while (!atomic_load_explicit(&stopping, memory_order_relaxed)) {
		storer->words[0]++;
		__atomic_fetch_add(&storer->words[1], 1, __ATOMIC_RELAXED);
		storer->count++;
	}
	return NULL;
}

static void storers_start(struct storer storers[THREADS])
{
	size_t i;

	atomic_store(&stopping, false);
	for (i = 0; i < THREADS; i++) {
		storers[i].words = (uint64_t *)(void *)(range.address + i % PAGES * page_bytes) + 2 * i;
		storers[i].count = 0;
		ck_assert_int_eq(pthread_create(&storers[i].thread, NULL, store, &storers[i]), 0);
	}
}

static void storers_check(struct storer storers[THREADS])
{
	size_t i;

	atomic_store(&stopping, true);
	for (i = 0; i < THREADS; i++) {
		pthread_join(storers[i].thread, NULL);
		ck_assert_uint_gt(storers[i].count, 0);
		ck_assert_uint_eq(storers[i].words[0], storers[i].count);
		ck_assert_uint_eq(storers[i].words[1], storers[i].count);
	}
}

START_TEST(test_no_store_is_lost)
{
	struct storer storers[THREADS];
	int i;

	range.address = memory_new((enum kind)_i);
	memset(range.address, 0, range.length);
	ck_assert_int_eq(rsm_maps_check(range), 0);
	storers_start(storers);
	for (i = 0; i < MOVES; i++)
		move_once(i % 2 ? MAP_PRIVATE : MAP_SHARED);
	storers_check(storers);
}
END_TEST

/* Each thread moves memory of its own that all others store into. */
static struct rsm_range several[THREADS];
static atomic_uint finished;

static void *move_several(void *argument)
{
	struct rsm_range own = several[(size_t)argument];
	int i;

	for (i = 0; i < MOVES / THREADS; i++) {
		void *copy = map_new();
		struct rsm_piece piece = piece_of(own.address, copy);
		size_t k;

		ck_assert_int_eq(rsm_move_begin(&piece, 1), 0);
		copy_range(copy, own.address);
		ck_assert_int_eq(rsm_move_put(&piece), 0);
		rsm_move_end();
		for (k = 0; k < THREADS; k++)
			__atomic_fetch_add((uint64_t *)(void *)several[k].address, 1, __ATOMIC_RELAXED);
	}
	atomic_fetch_add(&finished, 1);
	return NULL;
}

START_TEST(test_moves_of_several_threads)
{
	pthread_t threads[THREADS];
	size_t i;

	for (i = 0; i < THREADS; i++)
		several[i] = (struct rsm_range){ map_new(), range.length };
	for (i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, move_several, (void *)i), 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(atomic_load(&finished), THREADS);
	for (i = 0; i < THREADS; i++)
		ck_assert_uint_eq(*(uint64_t *)(void *)several[i].address, THREADS * (MOVES / THREADS));
}
END_TEST

START_TEST(test_two_pieces_change_places)
{
	char *copies[2] = { map_new(), map_new() };
	struct rsm_piece pieces[2] = { piece_of(map_new(), copies[0]), piece_of(map_new(), copies[1]) };
	char *const places[2] = { pieces[0].range.address, pieces[1].range.address };

	memset(places[0], 'a', range.length);
	memset(places[1], 'b', range.length);
	ck_assert_int_eq(rsm_move_begin(pieces, 2), 0);
	copy_range(copies[0], places[1]);
	copy_range(copies[1], places[0]);
	ck_assert_int_eq(rsm_move_put(&pieces[0]), 0);
	ck_assert_int_eq(rsm_move_put(&pieces[1]), 0);
	rsm_move_end();
	ck_assert_int_eq(places[0][range.length - 1]++, 'b');
	ck_assert_int_eq(places[1][0]++, 'a');
}
END_TEST

/* The program is allowed what it was allowed, before, during and after. */
START_TEST(test_protection_stays)
{
	static const int protections[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_EXEC, PROT_READ | PROT_WRITE | PROT_EXEC };
	struct rsm_piece found = { .protection = -1 };
	struct rsm_piece piece;
	struct stat file;
	int fd = file_new();
	size_t i;

	ck_assert_int_eq(fstat(fd, &file), 0);
	for (i = 0; i < sizeof protections / sizeof *protections; i++) {
		struct rsm_piece *pieces;
		size_t count;

		piece = piece_of(map(protections[i], MAP_SHARED, fd), map(PROT_READ | PROT_WRITE, MAP_SHARED, fd));
		piece.protection = protections[i];
		ck_assert_int_eq(rsm_move_begin(&piece, 1), 0);
		ck_assert_int_eq(rsm_move_put(&piece), 0);
		rsm_move_end();
		ck_assert_int_eq(rsm_maps_find(file.st_dev, file.st_ino, &pieces, &count), 0);
		ck_assert_uint_eq(count, 1);
		found = pieces[0];
		free(pieces);
		ck_assert_ptr_eq(found.range.address, piece.range.address);
		ck_assert_int_eq(found.protection, protections[i]);
		munmap(piece.range.address, range.length);
	}
	close(fd);
}
END_TEST

START_TEST(test_nothing_put_is_as_before)
{
	struct rsm_piece piece = piece_of(map_new(), NULL);

	range.address = piece.range.address;
	range.address[0] = 'a';
	ck_assert_int_eq(rsm_move_begin(&piece, 1), 0);
	rsm_move_end();
	ck_assert_int_eq(range.address[0]++, 'a');
	munmap(range.address + page_bytes, page_bytes);
	ck_assert_int_eq(rsm_move_begin(&piece, 1), -ENOMEM);
	range.address[0]++;
	range.address[2 * page_bytes]++;
	ck_assert_int_eq(range.address[0], 'c');
}
END_TEST

/* A system call does not wait. */
START_TEST(test_system_call)
{
	int fd = file_new();
	struct rsm_piece piece = piece_of(map_new(), NULL);

	range.address = piece.range.address;
	ck_assert_int_eq(rsm_move_begin(&piece, 1), 0);
	ck_assert_int_eq(pread(fd, range.address, 1, 0), -1);
	ck_assert_int_eq(errno, EFAULT);
	ck_assert_int_eq(pwrite(fd, range.address, 1, 0), 1);
	rsm_move_end();
	ck_assert_int_eq(pread(fd, range.address, 1, 0), 1);
	close(fd);
}
END_TEST

/* --- what is refused ---------------------------------------------------------------------------------------------- */

START_TEST(test_refused)
{
	range.address = map(PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	ck_assert_int_eq(rsm_maps_check(range), -EFAULT);
	range.address = map(PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	ck_assert_int_eq(rsm_maps_check(range), -EFAULT);
	range.address = map(PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	ck_assert_int_eq(rsm_maps_check(range), -EFAULT);
	range.address = map(PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
	ck_assert_int_eq(rsm_maps_check(range), -EFAULT);
	range.address = file_map(PROT_READ | PROT_WRITE, MAP_SHARED);
	ck_assert_int_eq(rsm_maps_check(range), -EFAULT);
	/* Not a variable's address: a sanitizer may keep it elsewhere. */
	range.address = (char *)((uintptr_t)__builtin_frame_address(0) / page_bytes * page_bytes);
	range.length = page_bytes;
	ck_assert_int_eq(rsm_maps_check(range), -EFAULT);
}
END_TEST

START_TEST(test_refused_in_part)
{
	struct rsm_range part;

	range.address = map_new();
	ck_assert_int_eq(rsm_maps_check(range), 0);
	part = (struct rsm_range){ range.address + page_bytes, page_bytes };
	ck_assert_int_eq(mprotect(part.address, part.length, PROT_READ), 0);
	ck_assert_int_eq(rsm_maps_check(range), -EFAULT);
	munmap(part.address, part.length);
	ck_assert_int_eq(rsm_maps_check(range), -EFAULT);
	ck_assert_int_eq(rsm_maps_check(part), -EFAULT);
	range = (struct rsm_range){ range.address, page_bytes };
	ck_assert_int_eq(rsm_maps_check(range), 0);
	range.length = SIZE_MAX / page_bytes * page_bytes;
	ck_assert_int_eq(rsm_maps_check(range), -EFAULT);
}
END_TEST

/* --- what has something in it ------------------------------------------------------------------------------------- */

static void part_is(struct rsm_range part, size_t first, size_t pages)
{
	ck_assert_uint_eq(part.length, pages * page_bytes);
	if (pages > 0)
		ck_assert_ptr_eq(part.address, range.address + first * page_bytes);
}

static struct rsm_range from_page(size_t page)
{
	return (struct rsm_range){ range.address + page * page_bytes, range.length - page * page_bytes };
}

/* More pages than are looked up at once. What was stored into and taken back is as if it had never been. */
START_TEST(test_touched)
{
	size_t pages = 2000;
	int table;

	range.length = pages * page_bytes;
	range.address = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	madvise(range.address, range.length, MADV_NOHUGEPAGE);
	table = rsm_maps_table(range);
	ck_assert_int_ge(table, 0);
	part_is(rsm_maps_touched(table, range), 0, 0);
	memset(range.address + 600 * page_bytes, 1, 700 * page_bytes);
	range.address[(pages - 1) * page_bytes] = 1;
	part_is(rsm_maps_touched(table, range), 600, 700);
	part_is(rsm_maps_touched(table, from_page(900)), 900, 400);
	part_is(rsm_maps_touched(table, from_page(1300)), pages - 1, 1);
	ck_assert_int_eq(madvise(range.address, range.length, MADV_DONTNEED), 0);
	part_is(rsm_maps_touched(table, range), 0, 0);
	close(table);
}
END_TEST

/* Where a page that nobody has touched is not zeros, or not known to be, all counts. */
START_TEST(test_all_touched)
{
	range.address = map_new();
	part_is(rsm_maps_touched(-1, range), 0, range.length / page_bytes);
	range.address = file_map(PROT_READ | PROT_WRITE, MAP_PRIVATE);
	ck_assert_int_lt(rsm_maps_table(range), 0);
	range.address = map(PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
	ck_assert_int_lt(rsm_maps_table(range), 0);
}
END_TEST

/* In the order of the addresses; nothing of what is private, or another file's. */
START_TEST(test_find)
{
	int fd = file_new();
	struct rsm_piece *pieces;
	struct stat file;
	struct stat other;
	size_t count;

	range.address = map(PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	map(PROT_READ, MAP_PRIVATE, fd);
	ck_assert_int_eq(fstat(fd, &file), 0);
	ck_assert_int_eq(fstat(file_new(), &other), 0);
	munmap(range.address + page_bytes, page_bytes);
	ck_assert_int_eq(mprotect(range.address + 3 * page_bytes, page_bytes, PROT_READ), 0);
	ck_assert_int_eq(rsm_maps_find(file.st_dev, file.st_ino, &pieces, &count), 0);
	ck_assert_uint_eq(count, 3);
	ck_assert_ptr_eq(pieces[0].range.address, range.address);
	ck_assert_uint_eq(pieces[1].range.length, page_bytes);
	ck_assert_int_eq(pieces[1].offset, 2 * page_bytes);
	ck_assert_int_eq(pieces[1].protection, PROT_READ | PROT_WRITE);
	ck_assert_int_eq(pieces[2].offset, 3 * page_bytes);
	ck_assert_int_eq(pieces[2].protection, PROT_READ);
	free(pieces);
	ck_assert_int_eq(rsm_maps_find(other.st_dev, other.st_ino, &pieces, &count), 0);
	ck_assert_uint_eq(count, 0);
	free(pieces);
}
END_TEST

/* As many as there may be, each with room for one more. */
START_TEST(test_find_many)
{
	size_t pages = 100;
	struct rsm_piece *pieces;
	struct stat file;
	size_t count;
	size_t i;
	int fd = file_new();

	range.length = pages * page_bytes;
	ck_assert_int_eq(ftruncate(fd, (off_t)range.length), 0);
	ck_assert_int_eq(fstat(fd, &file), 0);
	range.address = map(PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	for (i = 0; i + 1 < pages; i++) {
		ck_assert_int_eq(rsm_maps_find(file.st_dev, file.st_ino, &pieces, &count), 0);
		ck_assert_uint_eq(count, i + 1);
		pieces[count] = pieces[0];
		free(pieces);
		/* One page more that is not as the ones beside it. */
		ck_assert_int_eq(mprotect(range.address + i * page_bytes, page_bytes, i % 2 ? PROT_NONE : PROT_READ), 0);
	}
}
END_TEST

/* --- signals of the program --------------------------------------------------------------------------------------- */

static sigjmp_buf escape;
static atomic_int caught;
static volatile sig_atomic_t alarm_blocked;
static uint64_t *stored_by_handler;

static void escape_by_address(int number, siginfo_t *info, void *context)
{
	sigset_t mask;

	(void)number, (void)context;
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	alarm_blocked = sigismember(&mask, SIGALRM);
	caught++;
	siglongjmp(escape, info->si_addr == range.address ? 1 : 2);
}

/* Before and after a move, and whether the program's handler was there before the library's or came later. */
START_TEST(test_fault_of_the_program)
{
	struct sigaction action = { .sa_sigaction = escape_by_address, .sa_flags = SA_SIGINFO };
	int i;

	sigemptyset(&action.sa_mask);
	if (_i == 0)
		ck_assert_int_eq(sigaction(SIGSEGV, &action, NULL), 0);
	for (i = 0; i < 3; i++) {
		int which;

		range.address = map_new();
		move_once(MAP_PRIVATE);
		if (_i == 1)
			ck_assert_int_eq(sigaction(SIGSEGV, &action, NULL), 0);
		move_once(MAP_PRIVATE);
		mprotect(range.address, page_bytes, PROT_READ);
		which = sigsetjmp(escape, 1);
		if (!which)
			*(volatile char *)range.address = 1;
		ck_assert_int_eq(which, 1);
		ck_assert_int_eq(caught, i + 1);
		ck_assert(!alarm_blocked);
		move_once(MAP_PRIVATE);
	}
}
END_TEST

static struct sigaction before_later;
static atomic_int handed_on;

static void hand_on(int number, siginfo_t *info, void *context)
{
	handed_on++;
	before_later.sa_sigaction(number, info, context);
}

/* A handler that came later and hands on to the library's, which hands on to the one that was there first. */
START_TEST(test_handlers_on_both_sides)
{
	struct sigaction first = { .sa_sigaction = escape_by_address, .sa_flags = SA_SIGINFO };
	struct sigaction later = { .sa_sigaction = hand_on, .sa_flags = SA_SIGINFO };
	int which;

	ck_assert_int_eq(sigaction(SIGSEGV, &first, NULL), 0);
	range.address = map_new();
	move_once(MAP_PRIVATE);
	ck_assert_int_eq(sigaction(SIGSEGV, &later, &before_later), 0);
	move_once(MAP_PRIVATE);
	mprotect(range.address, page_bytes, PROT_READ);
	which = sigsetjmp(escape, 1);
	if (!which)
		*(volatile char *)range.address = 1;
	ck_assert_int_eq(which, 1);
	ck_assert_int_eq(caught, 1);
	ck_assert_int_ge(handed_on, 1);
}
END_TEST

START_TEST(test_fault_without_a_handler)
{
	signal(SIGSEGV, SIG_DFL); /* a sanitizer has one */
	range.address = map_new();
	move_once(MAP_PRIVATE);
	mprotect(range.address, page_bytes, PROT_READ);
	*(volatile char *)range.address = 1;
}
END_TEST

/* A handler that is for one time only, and ends the process as such handlers do. */
static void raise_again(int number)
{
	caught++;
	if (caught > 1)
		_exit(1);
	raise(number);
}

START_TEST(test_handler_for_one_time)
{
	struct sigaction action = { .sa_handler = raise_again, .sa_flags = SA_RESETHAND };

	sigaction(SIGSEGV, &action, NULL);
	range.address = map_new();
	move_once(MAP_PRIVATE);
	mprotect(range.address, page_bytes, PROT_READ);
	*(volatile char *)range.address = 1;
}
END_TEST

START_TEST(test_sent_signal)
{
	signal(SIGSEGV, SIG_IGN);
	range.address = map_new();
	move_once(MAP_PRIVATE);
	raise(SIGSEGV);
	signal(SIGSEGV, SIG_DFL);
	move_once(MAP_PRIVATE);
	raise(SIGSEGV);
}
END_TEST

static void store_in_handler(int number)
{
	(void)number;
	__atomic_fetch_add(stored_by_handler, 1, __ATOMIC_RELAXED);
	caught++;
}

/*
 * Its handler stores into what moves, on top of a thread that most likely waits for the move, and of the one that
 * moves.
 */
START_TEST(test_handler_stores)
{
	struct sigaction action = { .sa_handler = store_in_handler, .sa_flags = SA_RESTART };
	struct storer storers[THREADS];
	int i;

	range.address = map_new();
	stored_by_handler = (uint64_t *)(void *)range.address + 100;
	ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
	storers_start(storers);
	for (i = 0; i < MOVES_WITH_SIGNALS; i++) {
		void *copy = map_new();
		struct rsm_piece piece = piece_of(range.address, copy);

		ck_assert_int_eq(rsm_move_begin(&piece, 1), 0);
		sched_yield();
		raise(SIGUSR1);
		pthread_kill(storers[i % THREADS].thread, SIGUSR1);
		sched_yield();
		copy_range(copy, range.address);
		ck_assert_int_eq(caught, 2 * i);
		ck_assert_int_eq(rsm_move_put(&piece), 0);
		rsm_move_end();
		while (caught < 2 * (i + 1))
			sched_yield();
	}
	storers_check(storers);
	ck_assert_uint_eq(*stored_by_handler, 2 * MOVES_WITH_SIGNALS);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("rsm_move");
	TCase *moves = tcase_create("moves");
	TCase *checks = tcase_create("checks");
	TCase *signals = tcase_create("signals");

	tcase_set_timeout(moves, 60);
	tcase_add_checked_fixture(moves, set_up, NULL);
	tcase_add_loop_test(moves, test_no_store_is_lost, 0, KINDS);
	tcase_add_test(moves, test_moves_of_several_threads);
	tcase_add_test(moves, test_two_pieces_change_places);
	tcase_add_test(moves, test_protection_stays);
	tcase_add_test(moves, test_nothing_put_is_as_before);
	tcase_add_test(moves, test_system_call);
	suite_add_tcase(suite, moves);
	tcase_add_checked_fixture(checks, set_up, NULL);
	tcase_add_test(checks, test_refused);
	tcase_add_test(checks, test_refused_in_part);
	tcase_add_test(checks, test_touched);
	tcase_add_test(checks, test_all_touched);
	tcase_add_test(checks, test_find);
	tcase_add_test(checks, test_find_many);
	suite_add_tcase(suite, checks);
	tcase_set_timeout(signals, 60);
	tcase_add_checked_fixture(signals, set_up, NULL);
	tcase_add_loop_test(signals, test_fault_of_the_program, 0, 2);
	tcase_add_test(signals, test_handlers_on_both_sides);
	tcase_add_test_raise_signal(signals, test_fault_without_a_handler, SIGSEGV);
	tcase_add_test_raise_signal(signals, test_handler_for_one_time, SIGSEGV);
	tcase_add_test_raise_signal(signals, test_sent_signal, SIGSEGV);
	if (!THREAD_SANITIZER) /* it calls handlers later, with SIGSEGV blocked */
		tcase_add_test(signals, test_handler_stores);
	suite_add_tcase(suite, signals);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
