/*
 * During a move the pieces cannot be written. A store raises SIGSEGV, whose handler waits for the end of the move and
 * returns, so that the store is tried again. It does so wherever the fault was: which pieces move, and there may be any
 * number of them, is not for a handler to read while they change, and who waits in vain is only late.
 *
 * The handler stays once it is installed: a thread that has faulted may come to its handler only after the move, and
 * even after more of them. It must find this one, which lets it try again: a thread that faults is let go once per
 * address and state of the moves. If the fault was not about a move, it is back at once in the same state, and goes to
 * the program's action.
 */
#include "lib/rsm_move.h"

#include "lib/rsm.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A thread's own, in memory that a signal handler can reach without allocating it. */
#define THREAD_LOCAL static __thread __attribute__((tls_model("initial-exec")))

/* What the handler sees. A number of the state is never reused while a thread that saw it is in the handler. */
static _Atomic uint32_t state; /* odd during a move */

/* Whose move it is. */
static pthread_mutex_t move_lock = PTHREAD_MUTEX_INITIALIZER;
static const struct rsm_piece *moving;
static size_t moving_count;
static sigset_t signals_before;
static struct sigaction program_action;

THREAD_LOCAL bool moves_itself;
THREAD_LOCAL uintptr_t retried_address;
THREAD_LOCAL uint32_t retried_state;

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
	if (seen % 2 == 1) {
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

static void handler_install(void)
{
	struct sigaction ours = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	/* No other handler may run while a thread waits in this one. */
	sigfillset(&ours.sa_mask);
	/* Known before the first fault of another thread can be handed on. */
	sigaction(SIGSEGV, NULL, &program_action);
	sigaction(SIGSEGV, &ours, NULL);
}

/*
 * Once: a program that installs its own handler later hands on to this one, which would call it again if it were put on
 * top.
 */
void rsm_move_watch(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, handler_install);
}

/* Takes the permission to store, or gives it back. What the program had not allowed stays so. */
static int pieces_protect(int withheld)
{
	int error = 0;
	size_t i;

	for (i = 0; i < moving_count; i++) {
		const struct rsm_piece *piece = &moving[i];

		if ((piece->protection & PROT_WRITE) &&
		    mprotect(piece->range.address, piece->range.length, piece->protection & ~withheld) && !error)
			error = -errno;
	}
	return error;
}

int rsm_move_begin(const struct rsm_piece *pieces, size_t count)
{
	sigset_t all;
	sigset_t before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_mutex_lock(&move_lock);
	signals_before = before;
	moving = pieces;
	moving_count = count;
	moves_itself = true;
	rsm_move_watch();
	state_change();
	error = pieces_protect(PROT_WRITE);
	if (error)
		rsm_move_end();
	return error;
}

int rsm_move_put(struct rsm_piece *piece)
{
	size_t length = piece->range.length;

	if (mprotect(piece->instead, length, piece->protection & ~PROT_WRITE) ||
	    mremap(piece->instead, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, piece->range.address) == MAP_FAILED)
		return -errno;
	piece->instead = NULL;
	return 0;
}

void rsm_move_end(void)
{
	sigset_t before = signals_before;

	pieces_protect(0);
	moves_itself = false;
	state_change();
	pthread_mutex_unlock(&move_lock);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}
