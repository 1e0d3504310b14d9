/*
 * Hands a signal on to what the program wants of it, as the kernel would have done; but for a fault of the program's
 * memory in a copy of the library, which is the copy's.
 */
#include "lib/rsm.h"

#include "lib/rsm_copy.h"

#include <stddef.h>
#include <ucontext.h>

/* What was raised by an access comes again by itself when the handler returns; what was sent does not. */
static void act_by_default(int number, bool comes_again)
{
	struct sigaction action = { .sa_handler = SIG_DFL };

	sigaction(number, &action, NULL);
	if (!comes_again)
		raise(number);
}

/* The signals that the program wants blocked in its handler. */
static void mask_set(const struct sigaction *action, int number, const ucontext_t *interrupted)
{
	sigset_t mask;

	sigorset(&mask, &interrupted->uc_sigmask, &action->sa_mask);
	if (!(action->sa_flags & SA_NODEFER))
		sigaddset(&mask, number);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

void rsm_chain(struct sigaction *program, int number, siginfo_t *info, void *context)
{
	struct sigaction action = *program;
	bool comes_again = info->si_code > 0;

	rsm_copy_fault(info, context);
	if (action.sa_handler == SIG_IGN && !comes_again)
		return;
	if (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN) {
		act_by_default(number, comes_again);
		return;
	}
	if (action.sa_flags & SA_RESETHAND)
		program->sa_handler = SIG_DFL;
	mask_set(&action, number, context);
	if (action.sa_flags & SA_SIGINFO)
		action.sa_sigaction(number, info, context);
	else
		action.sa_handler(number);
}
