/*
 * When a segment is cut off, or a page of it cannot be had, the kernel raises SIGBUS in whoever loads or stores. The
 * interface promises that loads and stores go on: a handler puts other memory, zeros, in the place of the whole
 * mapping, and the next barrier tells. Stores to that memory are lost, so every barrier that was open while it was
 * there has to fail. Hence the order, both here and in rsm_import_verdict(): `failed` and then `faults` are counted up
 * before it can be seen, `faults` up and then `failed` down when it cannot any more.
 *
 * The handler finds the mapping in a table without locks. A range of the table is
 *
 *   FREE --add--> MAPPED --handler--> BUSY --> REPLACED --repair--> BUSY --> MAPPED;  MAPPED, REPLACED --remove--> FREE
 *
 * so that the handler never maps over what is somebody else's by then. Who holds a range BUSY has all signals blocked,
 * because a handler that faults on top of it would wait for ever; all others wait for it. Chunks of the table stay.
 *
 * The handler is installed once, with the first connection, and hands on what is not its own as the kernel would have.
 * A program that installs a handler of its own later has to hand on likewise: the library cannot take the signal back,
 * because where the program does hand on the two would call each other for ever. Nor can it do anything for a thread
 * that has SIGBUS blocked: the kernel kills it.
 */
#include "lib/rsm.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CHUNK_RANGES 64

enum range_state {
	RANGE_FREE,
	RANGE_BUSY,
	RANGE_MAPPED,
	RANGE_REPLACED
};

struct range {
	_Atomic uint32_t state; /* enum range_state */
	/* Read before it is known that the range is not being changed. */
	_Atomic uintptr_t start;
	_Atomic size_t length;
	struct rsm_import *_Atomic import;
	/* Read only by who holds the range BUSY. */
	int protection;
	off_t offset;
};

struct chunk {
	struct range ranges[CHUNK_RANGES];
	struct chunk *_Atomic next;
};

static struct chunk table;
static struct sigaction handed_on; /* what the program had for SIGBUS */
static pthread_mutex_t adding = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t installing = PTHREAD_ONCE_INIT;

#define for_each_range(range) \
	for (struct chunk *chunk_ = &table; chunk_; chunk_ = atomic_load(&chunk_->next)) \
		for (struct range *range = chunk_->ranges; range < chunk_->ranges + CHUNK_RANGES; range++)

static void range_wait(struct range *range)
{
	syscall(SYS_futex, &range->state, FUTEX_WAIT_PRIVATE, RANGE_BUSY, NULL, NULL, 0);
}

/* Makes the range BUSY or FREE. What it was before: MAPPED, REPLACED, or FREE, which it is left then. */
static uint32_t range_take(struct range *range, uint32_t wanted)
{
	uint32_t state = atomic_load(&range->state);

	while (state != RANGE_FREE) {
		if (state == RANGE_BUSY) {
			range_wait(range);
			state = atomic_load(&range->state);
		} else if (atomic_compare_exchange_weak(&range->state, &state, wanted)) {
			break;
		}
	}
	return state;
}

static void range_give(struct range *range, uint32_t state)
{
	atomic_store(&range->state, state);
	syscall(SYS_futex, &range->state, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

/* Made elsewhere first, so that what is there stays if there is no memory. */
static bool range_map(const struct range *range, int flags, int fd, off_t offset)
{
	void *address = (void *)atomic_load(&range->start);
	size_t length = atomic_load(&range->length);
	void *made = mmap(NULL, length, range->protection, flags, fd, offset);

	if (made == MAP_FAILED)
		return false;
	if (mremap(made, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, address) == address)
		return true;
	munmap(made, length);
	return false;
}

static bool range_replace(struct range *range)
{
	struct rsm_import *import = atomic_load(&range->import);

	atomic_fetch_add(&import->failed, 1);
	atomic_fetch_add(&import->faults, 1);
	if (range_map(range, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))
		return true;
	atomic_fetch_sub(&import->failed, 1);
	return false;
}

/* The other memory cannot be seen any more. */
static void range_settle(struct rsm_import *import)
{
	atomic_fetch_add(&import->faults, 1);
	atomic_fetch_sub(&import->failed, 1);
}

static bool range_contains(const struct range *range, uintptr_t address)
{
	return address - atomic_load(&range->start) < atomic_load(&range->length);
}

/* Whether the access may be tried again. */
static bool fault_handle(uintptr_t address)
{
	for_each_range(range) {
		uint32_t state;
		bool replaced;

		if (atomic_load(&range->state) == RANGE_FREE || !range_contains(range, address))
			continue;
		state = range_take(range, RANGE_BUSY);
		if (state == RANGE_FREE)
			continue;
		/* It may have become another range while it was waited for. */
		replaced = range_contains(range, address) && (state == RANGE_REPLACED || range_replace(range));
		range_give(range, replaced ? RANGE_REPLACED : state);
		if (replaced)
			return true;
	}
	return false;
}

static void handler(int number, siginfo_t *info, void *context)
{
	int saved = errno;

	if (info->si_code != BUS_ADRERR || !fault_handle((uintptr_t)info->si_addr))
		rsm_chain(&handed_on, number, info, context);
	errno = saved;
}

static void install(void)
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };

	sigfillset(&action.sa_mask);
	/* Known before the first fault of another thread can be handed on. */
	sigaction(SIGBUS, NULL, &handed_on);
	sigaction(SIGBUS, &action, NULL);
}

/* A free range; the table grows if there is none. Under the lock. */
static struct range *range_find_free(void)
{
	struct chunk *last = &table;
	struct chunk *chunk;

	for_each_range(range) {
		if (atomic_load(&range->state) == RANGE_FREE)
			return range;
		last = chunk_;
	}
	chunk = calloc(1, sizeof *chunk);
	if (!chunk)
		return NULL;
	atomic_store(&last->next, chunk);
	return chunk->ranges;
}

void rsm_guard_watch(void)
{
	pthread_once(&installing, install);
}

int rsm_guard_add(struct rsm_import *import, char *address, size_t length, int protection, off_t offset)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct range *range;

	rsm_guard_watch();
	pthread_mutex_lock(&adding);
	range = range_find_free();
	if (range) {
		atomic_store(&range->import, import);
		range->protection = protection;
		range->offset = offset;
		atomic_store(&range->start, (uintptr_t)address);
		atomic_store(&range->length, (length + page - 1) / page * page);
		atomic_store(&range->state, RANGE_MAPPED);
	}
	pthread_mutex_unlock(&adding);
	return range ? RSM_SUCCESS : RSMERR_INSUFFICIENT_MEM;
}

void rsm_guard_remove(struct rsm_import *import, const char *address)
{
	for_each_range(range) {
		if (atomic_load(&range->import) != import || atomic_load(&range->start) != (uintptr_t)address)
			continue;
		if (range_take(range, RANGE_FREE) == RANGE_REPLACED)
			range_settle(import);
	}
}

void rsm_guard_repair(struct rsm_import *import)
{
	sigset_t all;
	sigset_t saved;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	for_each_range(range) {
		uint32_t state;
		bool repaired;

		if (atomic_load(&range->import) != import)
			continue;
		state = range_take(range, RANGE_BUSY);
		if (state == RANGE_FREE)
			continue;
		repaired = state == RANGE_REPLACED && range_map(range, MAP_SHARED, import->memory, range->offset);
		if (repaired)
			range_settle(import);
		range_give(range, repaired ? RANGE_MAPPED : state);
	}
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
}

bool rsm_guard_overlaps(const char *address, size_t length)
{
	uintptr_t begin = (uintptr_t)address;

	for_each_range(range) {
		uintptr_t start = atomic_load(&range->start);
		uintptr_t end = start + atomic_load(&range->length);

		if (atomic_load(&range->state) != RANGE_FREE && begin < end && start < begin + length)
			return true;
	}
	return false;
}
