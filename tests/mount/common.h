/*
 * common.h: what the programs that test real mounts share.
 *
 * Each program works on the mounts that it is given and knows nothing of how they were made. A directory of tmpfs with
 * NAME/memory files in it does as well, given as often as mounts are wanted: there all tests pass, which shows that
 * they demand nothing more than one machine gives.
 *
 * Exit status: 0 passed, 1 a finding about the file system (with one line on stderr), 2 the test could not be made.
 */
#ifndef NETMEM_TESTS_MOUNT_COMMON_H
#define NETMEM_TESTS_MOUNT_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TEST_PAGE_BYTES 4096u
#define TEST_MOUNTS_MAX 16u
#define TEST_PATH_BYTES 4096u
#define CHILDREN_MAX (TEST_MOUNTS_MAX + 1)

/* A finding: what the file system did is wrong. Exits with 1. */
_Noreturn void test_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The test itself cannot go on. Exits with 2; errno is added to the message unless it is 0. */
_Noreturn void test_broken(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Monotonic. */
double test_seconds(void);

/* A number of the command line; exits with 2 if it is none. */
uint64_t test_number(const char *text);

/* From the environment's SEED, else from the clock; printed, so that a failure can be repeated. */
uint64_t test_seed(void);

/* xorshift64*; the state must not be 0, which random_init() sees to. */
struct random {
	uint64_t state;
};

void random_init(struct random *random, uint64_t seed);
uint64_t random_next(struct random *random);
/* 0 .. bound - 1 */
uint64_t random_below(struct random *random, uint64_t bound);

/* Objects: MOUNT/NAME/memory. All exit when they fail. */
void object_path(char path[TEST_PATH_BYTES], const char *mount, const char *name, const char *file);
void object_create(const char *mount, const char *name, uint64_t size_bytes);
void object_destroy(const char *mount, const char *name);
int object_open(const char *mount, const char *name, int flags);
void *object_map(int fd, size_t length_bytes, bool writable);

/* Memory that all programs of a test share without the file system under test, all zero. */
void *local_shared(size_t length_bytes);

/* Meets `count` programs; lives in local_shared() memory, all zero at first. */
struct meeting {
	uint32_t arrived;
	uint32_t generation;
};
void meeting_wait(struct meeting *meeting, uint32_t count);

/*
 * Runs `body` in `count` processes and waits for them. The first that does not exit with 0 ends all, and this process
 * with the same status.
 */
typedef void (*child_body)(unsigned number, void *context);
void children_run(unsigned count, child_body body, void *context);
/* The same in two parts; children_finish() kills those from `needed` on once the first `needed` have ended. */
pid_t child_start(unsigned number, child_body body, void *context);
void children_finish(const pid_t *children, unsigned count, unsigned needed);

/* Mapped access that may be SIGBUS: false then. guard_init() once in each process. */
void guard_init(void);
bool guard_copy(void *to, const volatile void *from, size_t length_bytes);

#endif
