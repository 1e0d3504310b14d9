/*
 * During a move the ranges can be read but not written. A store raises SIGSEGV, whose handler waits for the end of the
 * move and returns, so that the store is tried again.
 *
 * The handler stays once it is installed: a thread that has faulted may come to its handler only after the move, and
 * even after more of them. It must find this one, which lets it try again: a thread that faults is let go once per
 * address and state of the moves. If the fault was not about a move, it is back at once in the same state, and goes to
 * the program's action.
 */
#include "lib/rsm_move.h"

#include "lib/rsm.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* A thread's own, in memory that a signal handler can reach without allocating it. */
#define THREAD_LOCAL static __thread __attribute__((tls_model("initial-exec")))

struct moving_range {
	_Atomic uintptr_t begin;
	_Atomic uintptr_t end;
};

/* What the handler sees. A number of the state is never reused while a thread that saw it is in the handler. */
static _Atomic uint32_t state; /* odd during a move */
static struct moving_range moving[RSM_MOVE_RANGES_MAX];

/* Whose move it is. */
static pthread_mutex_t move_lock = PTHREAD_MUTEX_INITIALIZER;
static sigset_t signals_before;
static struct sigaction program_action;

THREAD_LOCAL bool moves_itself;
THREAD_LOCAL uintptr_t retried_address;
THREAD_LOCAL uint32_t retried_state;

static bool address_moves(uintptr_t address)
{
	size_t i;

	for (i = 0; i < RSM_MOVE_RANGES_MAX; i++)
		if (address >= atomic_load(&moving[i].begin) && address < atomic_load(&moving[i].end))
			return true;
	return false;
}

static void state_change(void)
{
	atomic_fetch_add(&state, 1);
	syscall(SYS_futex, &state, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static void state_wait(uint32_t seen)
{
	while (atomic_load(&state) == seen)
		syscall(SYS_futex, &state, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

/* Whether the access is to be tried again. It may have been any access that was not allowed at that moment. */
static bool fault_is_over(uintptr_t address)
{
	uint32_t seen = atomic_load(&state);

	if (moves_itself)
		return false;
	if (seen % 2 == 1 && address_moves(address)) {
		state_wait(seen);
		return true;
	}
	if (address == retried_address && seen == retried_state)
		return false;
	retried_address = address;
	retried_state = seen;
	return true;
}

static void on_fault(int number, siginfo_t *info, void *context)
{
	int saved = errno;
	bool over = info->si_code == SEGV_ACCERR && fault_is_over((uintptr_t)info->si_addr);

	errno = saved;
	if (!over)
		rsm_chain(&program_action, number, info, context);
}

/*
 * Once: a program that installs its own handler later hands on to this one, which would call it again if it were put on
 * top. No other handler may run while a thread waits in this one. Called with the lock.
 */
static int handler_install(void)
{
	static bool installed;
	struct sigaction ours = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	if (installed)
		return 0;
	sigfillset(&ours.sa_mask);
	/* Known before the first fault of another thread can be handed on. */
	if (sigaction(SIGSEGV, NULL, &program_action) || sigaction(SIGSEGV, &ours, NULL))
		return -errno;
	installed = true;
	return 0;
}

static void ranges_set(const struct rsm_range *ranges, size_t count)
{
	size_t i;

	for (i = 0; i < RSM_MOVE_RANGES_MAX; i++) {
		uintptr_t begin = i < count ? (uintptr_t)ranges[i].address : 0;

		atomic_store(&moving[i].begin, begin);
		atomic_store(&moving[i].end, begin + (i < count ? ranges[i].length : 0));
	}
}

static int ranges_protect(int protection)
{
	int error = 0;
	size_t i;

	for (i = 0; i < RSM_MOVE_RANGES_MAX; i++) {
		uintptr_t begin = atomic_load(&moving[i].begin);
		size_t length = atomic_load(&moving[i].end) - begin;

		if (length > 0 && mprotect((void *)begin, length, protection) && !error)
			error = -errno;
	}
	return error;
}

int rsm_move_begin(const struct rsm_range *ranges, size_t count)
{
	sigset_t all;
	sigset_t before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_mutex_lock(&move_lock);
	signals_before = before;
	ranges_set(ranges, count);
	moves_itself = true;
	error = handler_install();
	state_change();
	if (!error)
		error = ranges_protect(PROT_READ);
	if (error)
		rsm_move_end();
	return error;
}

int rsm_move_put(void *from, struct rsm_range range)
{
	void *put = mremap(from, range.length, range.length, MREMAP_MAYMOVE | MREMAP_FIXED, range.address);

	return put == MAP_FAILED ? -errno : 0;
}

void rsm_move_end(void)
{
	sigset_t before = signals_before;

	ranges_protect(PROT_READ | PROT_WRITE);
	moves_itself = false;
	state_change();
	pthread_mutex_unlock(&move_lock);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* --- what can be moved -------------------------------------------------------------------------------------------- */

/* A line of /proc/self/maps. */
struct mapping {
	uintptr_t begin;
	uintptr_t end;
	char allowed[5]; /* "rwxp" or "rwxs", with '-' for what is not */
	dev_t device;
	ino_t inode;
	char *name; /* "" if there is none */
};

static bool mapping_parse(char *line, struct mapping *mapping)
{
	unsigned major;
	unsigned minor;
	uintmax_t inode;
	int name = 0;

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %*s %x:%x %ju %n", &mapping->begin, &mapping->end,
		   mapping->allowed, &major, &minor, &inode, &name) != 6)
		return false;
	mapping->device = makedev(major, minor);
	mapping->inode = (ino_t)inode;
	mapping->name = line + name;
	return true;
}

static bool mapping_moves(const struct mapping *mapping)
{
	bool system_v = strncmp(mapping->name, "/SYSV", 5) == 0;

	if (strcmp(mapping->name, "[stack]") == 0)
		return false;
	return strcmp(mapping->allowed, "rw-p") == 0 || (system_v && strcmp(mapping->allowed, "rw-s") == 0);
}

static bool mapping_is_same_file(const struct mapping *mapping, const struct mapping *file)
{
	return mapping->device == file->device && mapping->inode == file->inode &&
	       strcmp(mapping->allowed, "rw-s") == 0;
}

/* Mappings come in the order of their addresses. They have to be of `file`, or, if that is NULL, such as can be moved. */
static int maps_check(FILE *maps, uintptr_t begin, uintptr_t end, const struct mapping *file)
{
	char *line = NULL;
	size_t line_bytes = 0;
	struct mapping mapping;

	while (begin < end && getline(&line, &line_bytes, maps) >= 0) {
		if (!mapping_parse(line, &mapping) || mapping.end <= begin)
			continue;
		if (mapping.begin > begin || !(file ? mapping_is_same_file(&mapping, file) : mapping_moves(&mapping)))
			break;
		begin = mapping.end;
	}
	free(line);
	return begin >= end ? 0 : -EFAULT;
}

static int range_check(struct rsm_range range, const struct mapping *file)
{
	uintptr_t begin = (uintptr_t)range.address;
	FILE *maps;
	int error;

	if (range.length > UINTPTR_MAX - begin)
		return -EFAULT;
	maps = fopen("/proc/self/maps", "re");
	if (!maps)
		return -errno;
	error = maps_check(maps, begin, begin + range.length, file);
	fclose(maps);
	return error;
}

int rsm_move_check_file(struct rsm_range range, dev_t device, ino_t inode)
{
	return range_check(range, &(struct mapping){ .device = device, .inode = inode });
}

int rsm_move_check(struct rsm_range range)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	return here - (uintptr_t)range.address < range.length ? -EFAULT : range_check(range, NULL);
}
