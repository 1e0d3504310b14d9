#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STATUS_FINDING = 1, STATUS_BROKEN = 2 };

static _Noreturn void say_and_exit(int status, int error, const char *format, va_list arguments)
{
	char text[1024];

	vsnprintf(text, sizeof(text), format, arguments);
	if (error != 0)
		fprintf(stderr, "%s: %s\n", text, strerror(error));
	else
		fprintf(stderr, "%s\n", text);
	fflush(NULL);
	_exit(status);
}

void test_fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say_and_exit(STATUS_FINDING, 0, format, arguments);
}

void test_broken(const char *format, ...)
{
	int error = errno;
	va_list arguments;

	va_start(arguments, format);
	say_and_exit(STATUS_BROKEN, error, format, arguments);
}

double test_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

uint64_t test_number(const char *text)
{
	char *end;
	uint64_t number = strtoull(text, &end, 0);

	if (end == text || *end != '\0') {
		errno = 0;
		test_broken("%s is not a number", text);
	}
	return number;
}

uint64_t test_seed(void)
{
	const char *text = getenv("SEED");
	struct timespec now;
	uint64_t seed;

	if (text != NULL && *text != '\0') {
		seed = test_number(text);
	} else {
		clock_gettime(CLOCK_REALTIME, &now);
		seed = ((uint64_t)now.tv_sec * 1000003u + (uint64_t)now.tv_nsec) % 1000000000u;
	}
	printf("seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	return seed;
}

void random_init(struct random *random, uint64_t seed)
{
	random->state = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
	if (random->state == 0)
		random->state = 1;
	for (int i = 0; i < 4; i++)
		random_next(random);
}

uint64_t random_next(struct random *random)
{
	random->state ^= random->state >> 12;
	random->state ^= random->state << 25;
	random->state ^= random->state >> 27;
	return random->state * UINT64_C(0x2545f4914f6cdd1d);
}

uint64_t random_below(struct random *random, uint64_t bound)
{
	return (random_next(random) >> 8) % bound;
}

void object_path(char path[TEST_PATH_BYTES], const char *mount, const char *name, const char *file)
{
	int length = snprintf(path, TEST_PATH_BYTES, "%s/%s%s%s", mount, name, file == NULL ? "" : "/",
	                      file == NULL ? "" : file);

	if (length < 0 || (size_t)length >= TEST_PATH_BYTES) {
		errno = ENAMETOOLONG;
		test_broken("%s", mount);
	}
}

void object_create(const char *mount, const char *name, uint64_t size_bytes)
{
	char path[TEST_PATH_BYTES];
	int fd;

	object_path(path, mount, name, NULL);
	if (mkdir(path, 0755) != 0)
		test_broken("mkdir %s", path);
	fd = object_open(mount, name, O_RDWR | O_CREAT);
	if (ftruncate(fd, (off_t)size_bytes) != 0)
		test_broken("ftruncate %s", path);
	close(fd);
}

/* On tmpfs the file and the directory are two things; in an object, removing the file is enough. */
void object_destroy(const char *mount, const char *name)
{
	char path[TEST_PATH_BYTES];

	object_path(path, mount, name, "memory");
	if (unlink(path) != 0)
		test_broken("unlink %s", path);
	object_path(path, mount, name, NULL);
	if (rmdir(path) != 0 && errno != ENOENT)
		test_broken("rmdir %s", path);
}

int object_open(const char *mount, const char *name, int flags)
{
	char path[TEST_PATH_BYTES];
	int fd;

	object_path(path, mount, name, "memory");
	fd = open(path, flags | O_CLOEXEC, 0644);
	if (fd < 0)
		test_broken("open %s", path);
	return fd;
}

void *object_map(int fd, size_t length_bytes, bool writable)
{
	void *memory = mmap(NULL, length_bytes, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		test_broken("mmap of %zu bytes", length_bytes);
	return memory;
}

void *local_shared(size_t length_bytes)
{
	void *memory = mmap(NULL, length_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		test_broken("mmap of %zu bytes", length_bytes);
	return memory;
}

void meeting_wait(struct meeting *meeting, uint32_t count)
{
	uint32_t generation = __atomic_load_n(&meeting->generation, __ATOMIC_SEQ_CST);

	if (__atomic_add_fetch(&meeting->arrived, 1, __ATOMIC_SEQ_CST) == count) {
		__atomic_store_n(&meeting->arrived, 0, __ATOMIC_SEQ_CST);
		__atomic_add_fetch(&meeting->generation, 1, __ATOMIC_SEQ_CST);
		syscall(SYS_futex, &meeting->generation, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
		return;
	}
	while (__atomic_load_n(&meeting->generation, __ATOMIC_SEQ_CST) == generation)
		syscall(SYS_futex, &meeting->generation, FUTEX_WAIT, generation, NULL, NULL, 0);
}

pid_t child_start(unsigned number, child_body body, void *context)
{
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child < 0)
		test_broken("fork");
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		body(number, context);
		fflush(NULL);
		_exit(0);
	}
	return child;
}

static void children_kill(const pid_t *children, unsigned count, unsigned from, const bool *ended)
{
	for (unsigned i = from; i < count; i++)
		if (!ended[i])
			kill(children[i], SIGKILL);
	for (unsigned i = from; i < count; i++)
		if (!ended[i])
			waitpid(children[i], NULL, 0);
}

void children_finish(const pid_t *children, unsigned count, unsigned needed)
{
	bool ended[CHILDREN_MAX] = {false};
	unsigned left = needed;

	while (left > 0) {
		int status;
		pid_t child = waitpid(-1, &status, 0);

		if (child < 0)
			test_broken("waitpid");
		for (unsigned i = 0; i < count; i++) {
			if (children[i] != child)
				continue;
			ended[i] = true;
			if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
				left -= i < needed;
				continue;
			}
			children_kill(children, count, 0, ended);
			if (WIFEXITED(status))
				exit(WEXITSTATUS(status));
			test_fail("program %u ended by signal %d", i, WTERMSIG(status));
		}
	}
	children_kill(children, count, needed, ended);
}

void children_run(unsigned count, child_body body, void *context)
{
	pid_t children[CHILDREN_MAX];

	if (count > CHILDREN_MAX) {
		errno = 0;
		test_broken("%u programs are too many", count);
	}
	for (unsigned i = 0; i < count; i++)
		children[i] = child_start(i, body, context);
	children_finish(children, count, count);
}

static __thread sigjmp_buf guard_return;
static __thread volatile sig_atomic_t guard_armed;

static void guard_handler(int number)
{
	if (!guard_armed) {
		signal(number, SIG_DFL);
		raise(number);
		return;
	}
	guard_armed = 0;
	siglongjmp(guard_return, 1);
}

void guard_init(void)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_handler = guard_handler;
	if (sigaction(SIGBUS, &action, NULL) != 0)
		test_broken("sigaction");
}

bool guard_copy(void *to, const volatile void *from, size_t length_bytes)
{
	if (sigsetjmp(guard_return, 1) != 0)
		return false;
	guard_armed = 1;
	if (length_bytes == 8 && ((uintptr_t)to | (uintptr_t)from) % 8 == 0)
		*(volatile uint64_t *)to = *(const volatile uint64_t *)from;
	else
		for (size_t i = 0; i < length_bytes; i++)
			((volatile char *)to)[i] = ((const volatile char *)from)[i];
	guard_armed = 0;
	return true;
}
