/*
 * netmemory-test: two programs on two nodes share an object through libnetmemory, check each other's bytes, pass a word
 * to and fro, and time pages.
 *
 *	netmemory-test master NAME [PAGES]     makes the object, waits for a slave, runs the tests and destroys it
 *	netmemory-test slave NAME HOST         HOST: the name of the master's node
 *	netmemory-test stats NAME [HOST]       what the home says of the object
 *
 * Each on the mount that NETMEM_MOUNT names. Build: cc -o netmemory-test netmemory-test.c -lnetmemory
 */
#include <servers/netmemory.h>
#include <servers/netname.h>

#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PAGES_DEFAULT 256
#define PAGES_MAX 1048576
#define PATTERN 113
#define TURNS 2000
#define PATIENCE_SECONDS 60
#define SPINS_BEFORE_YIELD 1000

/* The object's first page. The data follow, from the second page on. */
struct board {
	atomic_uint pages;
	atomic_uint step; /* the step that the master wants done */
	atomic_uint done; /* the last one that the slave has done */
	atomic_uint turn;
	atomic_uint wrong; /* bytes that the slave found wrong */
};

enum step { STEP_CHECK = 1, STEP_ANSWER, STEP_SPIN, STEP_HOLD, STEP_READ, STEP_END };

static size_t page_bytes;

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void fail_on(const char *what, kern_return_t code)
{
	if (!code)
		return;
	mach_error(what, code);
	exit(1);
}

/* Spins, and lets others run when it takes long. */
static void wait_for(atomic_uint *word, unsigned value)
{
	double end = seconds() + PATIENCE_SECONDS;
	unsigned spins = 0;

	while (atomic_load(word) != value) {
		if (++spins % SPINS_BEFORE_YIELD)
			continue;
		sched_yield();
		if (seconds() > end) {
			fprintf(stderr, "the other side does not answer\n");
			exit(1);
		}
	}
}

static unsigned char *data_of(struct board *board)
{
	return (unsigned char *)board + page_bytes;
}

static void pattern_write(struct board *board, unsigned shift)
{
	unsigned char *data = data_of(board);
	size_t length = atomic_load(&board->pages) * page_bytes;
	size_t i;

	for (i = 0; i < length; i++)
		data[i] = (unsigned char)((i + shift) % PATTERN);
}

/* How many bytes are not as pattern_write() left them. */
static unsigned pattern_check(struct board *board, unsigned shift)
{
	const unsigned char *data = data_of(board);
	size_t length = atomic_load(&board->pages) * page_bytes;
	unsigned wrong = 0;
	size_t i;

	for (i = 0; i < length; i++)
		wrong += data[i] != (i + shift) % PATTERN;
	return wrong;
}

/* Touches a word of each page. */
static void pages_read(struct board *board)
{
	size_t pages = atomic_load(&board->pages);
	size_t i;

	for (i = 0; i < pages; i++)
		(void)*(volatile unsigned *)(data_of(board) + i * page_bytes);
}

static void pages_write(struct board *board)
{
	size_t pages = atomic_load(&board->pages);
	size_t i;

	for (i = 0; i < pages; i++)
		*(volatile unsigned *)(data_of(board) + i * page_bytes) = (unsigned)i;
}

static void step_run(struct board *board, enum step step)
{
	atomic_store(&board->step, step);
	wait_for(&board->done, step);
}

static void check(struct board *board)
{
	unsigned wrong;

	pattern_write(board, 0);
	step_run(board, STEP_CHECK);
	printf("check: %u bytes wrong on the slave\n", atomic_load(&board->wrong));
	step_run(board, STEP_ANSWER);
	wrong = pattern_check(board, 1);
	printf("check: %u bytes wrong on the master\n", wrong);
	if (wrong || atomic_load(&board->wrong))
		exit(1);
}

static void spin(struct board *board)
{
	double start = seconds();
	unsigned i;

	atomic_store(&board->step, STEP_SPIN);
	for (i = 0; i < TURNS; i++) {
		wait_for(&board->turn, 2 * i);
		atomic_store(&board->turn, 2 * i + 1);
	}
	wait_for(&board->done, STEP_SPIN);
	printf("spin: %.1f us a turn\n", (seconds() - start) * 1e6 / (2 * TURNS));
}

/* The slave has written all pages; the master reads them, and writes them. */
static void timing(struct board *board)
{
	double pages = atomic_load(&board->pages);
	double start;

	step_run(board, STEP_HOLD);
	start = seconds();
	pages_read(board);
	printf("read: %.1f us a page\n", (seconds() - start) * 1e6 / pages);
	step_run(board, STEP_READ);
	start = seconds();
	pages_write(board);
	printf("write: %.1f us a page\n", (seconds() - start) * 1e6 / pages);
}

static int master(const char *name, unsigned pages)
{
	char *address = NULL;
	port_t control;
	struct board *board;

	fail_on("check in", netmemory_check_in(name, (pages + 1) * page_bytes, &address, NULL, &control, NULL, NULL));
	board = (struct board *)address;
	atomic_store(&board->pages, pages);
	printf("%s: %u pages, waiting for a slave\n", name, pages);
	fflush(stdout);
	check(board);
	spin(board);
	timing(board);
	step_run(board, STEP_END);
	fail_on("destroy", netmemory_destroy(control));
	return 0;
}

static void slave_step(struct board *board, unsigned step)
{
	unsigned i;

	switch (step) {
	case STEP_CHECK:
		atomic_store(&board->wrong, pattern_check(board, 0));
		break;
	case STEP_ANSWER:
		pattern_write(board, 1);
		break;
	case STEP_SPIN:
		for (i = 0; i < TURNS; i++) {
			wait_for(&board->turn, 2 * i + 1);
			atomic_store(&board->turn, 2 * i + 2);
		}
		break;
	case STEP_HOLD:
		pages_write(board);
		break;
	case STEP_READ:
		pages_read(board);
		break;
	default:
		break;
	}
}

static int slave(const char *name, const char *host)
{
	char *address = NULL;
	vm_size_t size;
	port_t object;
	struct board *board;
	unsigned step;

	/* The first page says how large it all is. */
	fail_on("look up", netmemory_look_up(name, host, page_bytes, &address, &object, NULL, NULL, NULL));
	board = (struct board *)address;
	while (atomic_load(&board->step) < STEP_CHECK)
		sched_yield();
	size = (atomic_load(&board->pages) + 1) * page_bytes;
	fail_on("unmap", vm_deallocate(task_self(), (vm_offset_t)address, page_bytes));
	address = NULL;
	fail_on("look up", netmemory_look_up(name, host, size, &address, NULL, NULL, NULL, NULL));
	port_deallocate(task_self(), object);
	board = (struct board *)address;
	for (step = STEP_CHECK; step <= STEP_END; step++) {
		wait_for(&board->step, step);
		slave_step(board, step);
		atomic_store(&board->done, step);
	}
	return 0;
}

/* A port to an object is a descriptor of its directory, and its status is a file in there. */
static int stats(const char *name, const char *host)
{
	char text[4096];
	ssize_t length;
	port_t object;
	int status;

	fail_on("look up", netname_look_up(name_server_port, host, name, &object));
	status = openat(object, "status", O_RDONLY | O_CLOEXEC);
	length = status < 0 ? -1 : read(status, text, sizeof text);
	if (length < 0) {
		perror("status");
		return 1;
	}
	fwrite(text, 1, (size_t)length, stdout);
	return 0;
}

static int usage(void)
{
	fprintf(stderr, "usage: netmemory-test master NAME [PAGES] | slave NAME HOST | stats NAME [HOST]\n");
	return 2;
}

int main(int argc, char **argv)
{
	page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	if (argc < 3 || argc > 4)
		return usage();
	if (strcmp(argv[1], "master") == 0) {
		unsigned long pages = argc > 3 ? strtoul(argv[3], NULL, 10) : PAGES_DEFAULT;

		return pages && pages <= PAGES_MAX ? master(argv[2], (unsigned)pages) : usage();
	}
	if (strcmp(argv[1], "slave") == 0 && argc == 4)
		return slave(argv[2], argv[3]);
	if (strcmp(argv[1], "stats") == 0)
		return stats(argv[2], argc > 3 ? argv[3] : "*");
	return usage();
}
