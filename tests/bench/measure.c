/*
 * measure WHAT ...: the measurements of tests/bench/run but for the floor's own. Prints "NAME MEDIAN P99" in microseconds
 * or "NAME NUMBER".
 *
 *	hand-off A B COUNT      one program touches one page through two nodes' files in turn: dirty, clean
 *	turns A B COUNT         two programs, each on its node, spin for their turn
 *	held FILE COUNT         loads and stores on pages that are held; in ns, COUNT at a time
 *	fault FILE BYTES COUNT  first touches of pages at random places of a file of BYTES
 *	wait FILE BYTES COUNT   loads of the pages that a fault with these numbers has touched, each in a thread of its own
 *	read FILE BYTES         MB/s of read(2)
 *	load FILE BYTES         MB/s of loads through a mapping
 *	write FILE BYTES        MB/s of write(2) and fsync(2)
 *	store FILE BYTES        MB/s of stores through a mapping, one in each page, and msync(2)
 *	dirty A B BYTES         all of it stored through a mapping of A, which stays: MB/s of read(2) and of loads through B
 *	round-trip COUNT        TCP over loopback, two processes: 64 bytes there, a page back
 *	exchange COUNT A B      TCP over loopback, two processes: A bytes there, B bytes back
 *	stream BYTES            MB/s of TCP over loopback, two processes
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "times.h"

enum { BLOCK_BYTES = 128 << 10, REQUEST_BYTES = 64, HELD_PAGES = 256, HELD_SLICES = 101, WORDS_OF_PAGE = BENCH_PAGE_BYTES / 8 };

static double megabytes_per_s(size_t length_bytes, uint64_t ns)
{
	return (double)length_bytes * 1e3 / (double)ns;
}

static void hand_off(char **arguments)
{
	size_t count = number_of(arguments[2]);
	volatile uint64_t *words[2];
	struct times times;

	for (unsigned i = 0; i < 2; i++)
		words[i] = memory_map(arguments[i], BENCH_PAGE_BYTES);
	for (int dirty = 1; dirty >= 0; dirty--) {
		times_init(&times, count, count / 10);
		hand_off_measure(&times, words, count, dirty);
		times_print(&times, dirty ? "dirty" : "clean");
		times_fini(&times);
	}
}

static void turns(char **arguments)
{
	volatile uint64_t *words[2] = { memory_map(arguments[0], BENCH_PAGE_BYTES),
		                        memory_map(arguments[1], BENCH_PAGE_BYTES) };

	number_print("turn", (double)turns_measure(words, number_of(arguments[2])) / 1e3);
}

/* One word after the other, a page apart, so that no vector instruction does several at once. */
static double access_ns(volatile uint64_t *memory, size_t count, bool store)
{
	uint64_t start = now_ns();
	size_t word = 0;

	for (size_t i = 0; i < count; i++) {
		if (store)
			memory[word] = i;
		else
			(void)memory[word];
		word = (word + WORDS_OF_PAGE + 8) % ((size_t)HELD_PAGES * WORDS_OF_PAGE);
	}
	return (double)(now_ns() - start) / (double)count;
}

/* Many slices, and of these the median, because a slice in which something else ran says nothing. */
static void held(char **arguments)
{
	volatile uint64_t *memory = memory_map(arguments[0], (size_t)HELD_PAGES * BENCH_PAGE_BYTES);
	size_t count = number_of(arguments[1]);

	access_ns(memory, (size_t)HELD_PAGES * WORDS_OF_PAGE, true);
	for (int store = 0; store <= 1; store++) {
		struct times times;

		times_init(&times, HELD_SLICES, 1);
		for (unsigned i = 0; i < HELD_SLICES; i++)
			times_add(&times, (uint64_t)(access_ns(memory, count, store) * 1e3));
		times_print(&times, store ? "store" : "load");
		times_fini(&times);
	}
}

/* The next one of a series that is the same in each process. */
static volatile char *random_place(volatile char *memory, size_t length_bytes)
{
	return memory + (((uint64_t)random() << 31 | (uint64_t)random()) % length_bytes);
}

static void fault(char **arguments)
{
	size_t length_bytes = number_of(arguments[1]);
	size_t count = number_of(arguments[2]);
	volatile char *memory = memory_map(arguments[0], length_bytes);
	struct times times;

	times_init(&times, count, count / 10);
	srandom(1);
	for (size_t i = 0; i < count; i++) {
		volatile char *place = random_place(memory, length_bytes);
		uint64_t start = now_ns();

		*place = 1;
		times_add(&times, now_ns() - start);
	}
	times_print(&times, "fault");
}

static void *load(void *place)
{
	return (void *)(intptr_t)*(volatile char *)place;
}

static void wait_for(char **arguments)
{
	size_t length_bytes = number_of(arguments[1]);
	size_t count = number_of(arguments[2]);
	volatile char *memory = memory_map(arguments[0], length_bytes);
	pthread_t *threads = calloc(count, sizeof(*threads));
	pthread_attr_t small;
	size_t got = 0;

	if (!threads || pthread_attr_init(&small) || pthread_attr_setstacksize(&small, PTHREAD_STACK_MIN))
		bench_fail("threads");
	srandom(1);
	for (size_t i = 0; i < count; i++)
		if (pthread_create(&threads[i], &small, load, (void *)random_place(memory, length_bytes)))
			bench_fail("thread %zu", i);
	for (size_t i = 0; i < count; i++) {
		void *value;

		pthread_join(threads[i], &value);
		got += (intptr_t)value == 1;
	}
	number_print("got", (double)got);
}

static char *block_new(void)
{
	char *block = malloc(BLOCK_BYTES);

	if (!block)
		bench_fail("a block");
	memset(block, 'x', BLOCK_BYTES);
	return block;
}

static double read_all(const char *path, size_t length_bytes)
{
	char *block = block_new();
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t start = now_ns();
	size_t done = 0;
	ssize_t got;

	if (fd < 0)
		bench_fail("%s", path);
	while (done < length_bytes && (got = read(fd, block, BLOCK_BYTES)) > 0)
		done += (size_t)got;
	if (done < length_bytes)
		bench_fail("%s: read", path);
	close(fd);
	free(block);
	return megabytes_per_s(done, now_ns() - start);
}

static double load_all(const char *path, size_t length_bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t *memory = mmap(NULL, length_bytes, PROT_READ, MAP_SHARED, fd, 0);
	const volatile uint64_t *words = memory;
	uint64_t start = now_ns(), sum = 0;
	double speed;

	if (memory == MAP_FAILED)
		bench_fail("%s", path);
	for (size_t word = 0; word < length_bytes / 8; word++)
		sum += words[word];
	speed = megabytes_per_s(length_bytes, now_ns() - start);
	if (!sum)
		bench_fail("%s: empty", path);
	munmap(memory, length_bytes);
	close(fd);
	return speed;
}

static void read_file(char **arguments)
{
	number_print("read", read_all(arguments[0], number_of(arguments[1])));
}

static void load_file(char **arguments)
{
	number_print("load", load_all(arguments[0], number_of(arguments[1])));
}

static void store_all(volatile char *memory, size_t length_bytes, char byte)
{
	for (size_t place = 0; place < length_bytes; place += BENCH_PAGE_BYTES)
		memory[place] = byte;
}

static void store_file(char **arguments)
{
	size_t length_bytes = number_of(arguments[1]);
	char *memory = memory_map(arguments[0], length_bytes);
	uint64_t start = now_ns();

	store_all(memory, length_bytes, 's');
	if (msync(memory, length_bytes, MS_SYNC))
		bench_fail("%s: msync", arguments[0]);
	number_print("store", megabytes_per_s(length_bytes, now_ns() - start));
}

static void dirty(char **arguments)
{
	size_t length_bytes = number_of(arguments[2]);
	char *memory = memory_map(arguments[0], length_bytes);

	store_all(memory, length_bytes, 'r');
	number_print("dirty-read", read_all(arguments[1], length_bytes));
	store_all(memory, length_bytes, 'l');
	number_print("dirty-load", load_all(arguments[1], length_bytes));
}

static void write_file(char **arguments)
{
	size_t length_bytes = number_of(arguments[1]);
	char *block = block_new();
	int fd = open(arguments[0], O_RDWR | O_CLOEXEC);
	uint64_t start = now_ns();
	size_t done = 0;
	ssize_t put;

	if (fd < 0)
		bench_fail("%s", arguments[0]);
	while (done < length_bytes && (put = write(fd, block, BLOCK_BYTES)) > 0)
		done += (size_t)put;
	if (done < length_bytes || fsync(fd))
		bench_fail("%s: write", arguments[0]);
	number_print("write", megabytes_per_s(done, now_ns() - start));
}

/* Two connected TCP sockets over loopback; `other` runs with the second one in a process of its own. */
static int connection_new(void (*other)(int, size_t), size_t number)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t address_bytes = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;
	pid_t child;

	if (listener < 0 || fd < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&address, &address_bytes) ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)))
		bench_fail("loopback");
	child = fork();
	if (child < 0)
		bench_fail("fork");
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fd);
		fd = accept(listener, NULL, NULL);
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		other(fd, number);
		_exit(0);
	}
	close(listener);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static void receive_all(int fd, char *block, size_t length_bytes)
{
	while (length_bytes) {
		ssize_t got = read(fd, block, length_bytes);

		if (got <= 0)
			bench_fail("receive");
		length_bytes -= (size_t)got;
	}
}

static void send_all(int fd, char *block, size_t length_bytes)
{
	while (length_bytes) {
		ssize_t put = write(fd, block, length_bytes);

		if (put <= 0)
			bench_fail("send");
		length_bytes -= (size_t)put;
	}
}

/* What goes to and fro. */
static struct {
	size_t count;
	size_t there_bytes;
	size_t back_bytes;
} exchange;

/* In blocks, as there is no room for more. */
static void pass(void (*step)(int, char *, size_t), int fd, char *block, size_t length_bytes)
{
	while (length_bytes) {
		size_t now = length_bytes < BLOCK_BYTES ? length_bytes : BLOCK_BYTES;

		step(fd, block, now);
		length_bytes -= now;
	}
}

static void exchange_answer(int fd, size_t count)
{
	char *block = block_new();

	for (size_t i = 0; i < count; i++) {
		pass(receive_all, fd, block, exchange.there_bytes);
		pass(send_all, fd, block, exchange.back_bytes);
	}
}

static void exchange_measure(const char *name)
{
	int fd = connection_new(exchange_answer, exchange.count);
	char *block = block_new();
	struct times times;

	times_init(&times, exchange.count, exchange.count / 10);
	for (size_t i = 0; i < exchange.count; i++) {
		uint64_t start = now_ns();

		pass(send_all, fd, block, exchange.there_bytes);
		pass(receive_all, fd, block, exchange.back_bytes);
		times_add(&times, now_ns() - start);
	}
	times_print(&times, name);
	wait(NULL);
}

static void round_trip(char **arguments)
{
	exchange.count = number_of(arguments[0]);
	exchange.there_bytes = REQUEST_BYTES;
	exchange.back_bytes = BENCH_PAGE_BYTES;
	exchange_measure("round-trip");
}

static void exchange_any(char **arguments)
{
	exchange.count = number_of(arguments[0]);
	exchange.there_bytes = number_of(arguments[1]);
	exchange.back_bytes = number_of(arguments[2]);
	exchange_measure("exchange");
}

static void send_blocks(int fd, size_t blocks)
{
	char *block = block_new();

	for (size_t i = 0; i < blocks; i++)
		send_all(fd, block, BLOCK_BYTES);
}

static void stream(char **arguments)
{
	size_t blocks = number_of(arguments[0]) / BLOCK_BYTES;
	int fd = connection_new(send_blocks, blocks);
	char *block = block_new();
	uint64_t start = now_ns();

	for (size_t i = 0; i < blocks; i++)
		receive_all(fd, block, BLOCK_BYTES);
	number_print("stream", megabytes_per_s(blocks * BLOCK_BYTES, now_ns() - start));
	wait(NULL);
}

int main(int count, char **arguments)
{
	static const struct {
		const char *name;
		int arguments;
		void (*run)(char **arguments);
	} measurements[] = {
		{ "hand-off", 3, hand_off }, { "turns", 3, turns },      { "held", 2, held },
		{ "fault", 3, fault },       { "read", 2, read_file },   { "load", 2, load_file },
		{ "write", 2, write_file },  { "round-trip", 1, round_trip }, { "stream", 1, stream },
		{ "exchange", 3, exchange_any }, { "store", 2, store_file }, { "dirty", 3, dirty },
		{ "wait", 3, wait_for },
	};

	for (size_t i = 0; i < sizeof(measurements) / sizeof(measurements[0]); i++) {
		if (count == measurements[i].arguments + 2 && !strcmp(arguments[1], measurements[i].name)) {
			measurements[i].run(arguments + 2);
			return 0;
		}
	}
	fprintf(stderr, "usage: measure WHAT ..., see measure.c\n");
	return 2;
}
