/*
 * floor MOUNT_A MOUNT_B COUNT: what a hand-off costs when everything that is ours is taken away.
 *
 * One process serves two FUSE mounts of the same file and keeps each page in the cache of one of them only: a FUSE_READ
 * from one mount takes the page from the other first, and is answered then. No network, no protocol, no barrier, one page
 * table of one byte a page. What remains is the kernel's: two faults, an invalidation with its write-back, the wake-ups.
 * A hand-off between nodes cannot cost less than this and a round trip.
 *
 * Each mount has a thread that reads requests and one that moves pages, because a thread that serves a mount must not
 * invalidate (the write-back would wait for itself). The measuring is done by a child that was forked before.
 *
 * Prints "dirty MEDIAN P99", "clean MEDIAN P99" and "turn TIME" in microseconds.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "one_file.h"
#include "times.h"

enum { SIDES = 2, PAGES = 16, NOBODY = 2, PRIORITY = 1, PATH_BYTES = 4096, TURNS_SHARE = 4 };

struct side {
	unsigned number;
	struct fuse_session *session;
	pthread_cond_t wanted;
	fuse_req_t request; /* the one FUSE_READ that waits; NULL: none */
	size_t page;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t moved;
	struct side sides[SIDES];
	uint8_t owner[PAGES];
	bool moving[PAGES];
	char memory[PAGES][BENCH_PAGE_BYTES];
} space = { .lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER };

static void floor_init(void *userdata, struct fuse_conn_info *connection)
{
	(void)userdata;
	connection->max_readahead = 0;
	connection->want &= ~(unsigned)(FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_AUTO_INVAL_DATA);
}

static void floor_open(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *info)
{
	(void)ino;
	info->keep_cache = 1;
	fuse_reply_open(request, info);
}

static void floor_read(fuse_req_t request, fuse_ino_t ino, size_t length_bytes, off_t offset, struct fuse_file_info *info)
{
	struct side *side = fuse_req_userdata(request);

	(void)ino;
	(void)info;
	pthread_mutex_lock(&space.lock);
	if (length_bytes != BENCH_PAGE_BYTES || side->request) {
		fuse_reply_err(request, EAGAIN);
	} else {
		side->request = request;
		side->page = (size_t)offset / BENCH_PAGE_BYTES;
		pthread_cond_signal(&side->wanted);
	}
	pthread_mutex_unlock(&space.lock);
}

static void floor_write(fuse_req_t request, fuse_ino_t ino, const char *bytes, size_t length_bytes, off_t offset,
                        struct fuse_file_info *info)
{
	(void)ino;
	(void)info;
	if ((size_t)offset > sizeof(space.memory) || length_bytes > sizeof(space.memory) - (size_t)offset) {
		fuse_reply_err(request, EFBIG);
		return;
	}
	pthread_mutex_lock(&space.lock);
	memcpy((char *)space.memory + offset, bytes, length_bytes);
	pthread_mutex_unlock(&space.lock);
	fuse_reply_write(request, length_bytes);
}

static const struct fuse_lowlevel_ops operations = {
	.init = floor_init,
	.lookup = one_file_lookup,
	.getattr = one_file_getattr,
	.open = floor_open,
	.read = floor_read,
	.write = floor_write,
};

/* As the daemon does it, where it is allowed. */
static void priority_raise(void)
{
	struct sched_param param = { .sched_priority = PRIORITY };

	(void)sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param);
}

static void *requests_serve(void *argument)
{
	struct side *side = argument;

	priority_raise();
	fuse_session_loop(side->session);
	return NULL;
}

/* Called with the lock, which is let go of while the kernel works. */
static void page_take(const struct side *side, size_t page)
{
	while (space.moving[page])
		pthread_cond_wait(&space.moved, &space.lock);
	if (space.owner[page] == side->number)
		return;
	if (space.owner[page] != NOBODY) {
		struct fuse_session *other = space.sides[space.owner[page]].session;

		space.moving[page] = true;
		pthread_mutex_unlock(&space.lock);
		fuse_lowlevel_notify_inval_inode(other, INO_FILE, (off_t)(page * BENCH_PAGE_BYTES), BENCH_PAGE_BYTES);
		pthread_mutex_lock(&space.lock);
		space.moving[page] = false;
		pthread_cond_broadcast(&space.moved);
	}
	space.owner[page] = (uint8_t)side->number;
}

static void *pages_move(void *argument)
{
	struct side *side = argument;

	priority_raise();
	pthread_mutex_lock(&space.lock);
	for (;;) {
		fuse_req_t request;

		while (!side->request)
			pthread_cond_wait(&side->wanted, &space.lock);
		page_take(side, side->page);
		request = side->request;
		side->request = NULL;
		/* Under the lock, so that no invalidation overtakes the answer. */
		fuse_reply_buf(request, space.memory[side->page], BENCH_PAGE_BYTES);
	}
	return NULL;
}

static void side_start(unsigned number, const char *mount)
{
	static char *words[] = { (char *)"floor", (char *)"-odefault_permissions", NULL };
	struct fuse_args args = FUSE_ARGS_INIT(2, words);
	struct side *side = &space.sides[number];
	pthread_t thread;

	side->number = number;
	pthread_cond_init(&side->wanted, NULL);
	side->session = fuse_session_new(&args, &operations, sizeof(operations), side);
	errno = 0;
	if (!side->session || fuse_session_mount(side->session, mount))
		bench_fail("%s cannot be mounted", mount);
	if (pthread_create(&thread, NULL, requests_serve, side) || pthread_create(&thread, NULL, pages_move, side))
		bench_fail("no thread");
}

/* In the child. */
static void measure(char **mounts, size_t count)
{
	volatile uint64_t *words[SIDES];
	struct times times;

	for (unsigned i = 0; i < SIDES; i++) {
		char path[PATH_BYTES];

		snprintf(path, sizeof(path), "%s/memory", mounts[i]);
		words[i] = memory_map(path, sizeof(space.memory));
	}
	times_init(&times, count, count / 10);
	hand_off_measure(&times, words, count, true);
	times_print(&times, "dirty");
	times_fini(&times);
	times_init(&times, count, count / 10);
	hand_off_measure(&times, words, count, false);
	times_print(&times, "clean");
	times_fini(&times);
	number_print("turn", (double)turns_measure(words, count / TURNS_SHARE) / 1e3);
}

static pid_t measurer_start(char **arguments, int *go)
{
	int ends[2];
	pid_t child;
	char byte;

	if (pipe(ends))
		bench_fail("pipe");
	child = fork();
	if (child < 0)
		bench_fail("fork");
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ends[1]);
		if (read(ends[0], &byte, 1) != 1)
			_exit(2);
		measure(arguments + 1, number_of(arguments[3]));
		exit(0);
	}
	close(ends[0]);
	*go = ends[1];
	return child;
}

int main(int count, char **arguments)
{
	int go = -1;
	int status = 0;
	pid_t child;

	if (count != 4) {
		fprintf(stderr, "usage: floor MOUNT_A MOUNT_B COUNT\n");
		return 2;
	}
	child = measurer_start(arguments, &go);
	one_file_bytes = sizeof(space.memory);
	memset(space.owner, NOBODY, sizeof(space.owner));
	for (unsigned i = 0; i < SIDES; i++)
		side_start(i, arguments[1 + i]);
	if (write(go, "g", 1) != 1 || waitpid(child, &status, 0) != child)
		bench_fail("the measuring program");
	for (unsigned i = 0; i < SIDES; i++)
		fuse_session_unmount(space.sides[i].session);
	/* The threads are not waited for: the process ends with them. */
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 2);
}
