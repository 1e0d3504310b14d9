/*
 * A fault of the program's side jumps out of the handler into rsm_copy_elements(). The copying thread has noted which
 * addresses that is about, so that a fault elsewhere, as of a handler on top of it, is not mistaken for its own.
 */
#include "lib/rsm_copy.h"

#include "lib/rsm.h"

#include <errno.h>
#include <setjmp.h>
#include <stdint.h>
#include <ucontext.h>

/* si_code for an address that no memory can have; the kernel does not say then which it was. */
#ifndef SI_KERNEL
#define SI_KERNEL 0x80
#endif

struct running {
	uintptr_t begin; /* of the program's side */
	size_t length;
	sigjmp_buf escape;
};

static __thread __attribute__((tls_model("initial-exec"))) struct running *volatile current;

/* The other nodes may change the segment's side at any time. To treat the program's alike costs nothing. */
#define ELEMENTS_COPY(type, swap) \
	do { \
		const type *source = from; \
		type *target = to; \
		size_t i; \
\
		for (i = 0; i < copy->length / sizeof(type); i++) { \
			type value = __atomic_load_n(&source[i], __ATOMIC_ACQUIRE); \
\
			__atomic_store_n(&target[i], copy->swapped ? swap(value) : value, __ATOMIC_RELEASE); \
		} \
	} while (0)

static void elements_copy(const struct rsm_copy *copy)
{
	const void *from = copy->get ? copy->library : copy->program;
	void *to = copy->get ? copy->program : copy->library;

	switch (copy->width) {
	case sizeof(uint16_t):
		ELEMENTS_COPY(uint16_t, __builtin_bswap16);
		break;
	case sizeof(uint32_t):
		ELEMENTS_COPY(uint32_t, __builtin_bswap32);
		break;
	default:
		ELEMENTS_COPY(uint64_t, __builtin_bswap64);
		break;
	}
}

int rsm_copy_elements(const struct rsm_copy *copy)
{
	struct running running = { .begin = (uintptr_t)copy->program, .length = copy->length };

	if (sigsetjmp(running.escape, 0))
		return -EFAULT;
	current = &running;
	atomic_signal_fence(memory_order_seq_cst);
	elements_copy(copy);
	atomic_signal_fence(memory_order_seq_cst);
	current = NULL;
	return 0;
}

void rsm_copy_fault(const siginfo_t *info, void *context)
{
	struct running *running = current;

	if (!running || info->si_code <= 0)
		return;
	if ((uintptr_t)info->si_addr - running->begin >= running->length && info->si_code != SI_KERNEL)
		return;
	current = NULL;
	pthread_sigmask(SIG_SETMASK, &((const ucontext_t *)context)->uc_sigmask, NULL);
	siglongjmp(running->escape, 1);
}
