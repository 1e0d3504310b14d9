/*
 * rsm_copy.h: copies elements between the program's memory and the library's, each by one load and one store. Where the
 * program's memory is not there, or does not allow it, the copy ends with an error instead of the process.
 */
#ifndef NETMEM_LIB_RSM_COPY_H
#define NETMEM_LIB_RSM_COPY_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

struct rsm_copy {
	void *program;  /* the side that may fault */
	void *library;
	size_t length;  /* in bytes, whole elements */
	unsigned width; /* of an element: 2, 4 or 8 bytes; both sides are aligned to it */
	bool swapped;   /* bytes change their order */
	bool get;       /* into the program's memory, else out of it */
};

/* 0, or -EFAULT: what comes before the element that faulted has been copied. */
int rsm_copy_elements(const struct rsm_copy *copy);

/*
 * For handlers of SIGSEGV and SIGBUS: does not return if the signal is of the program's side of a copy that this thread
 * is at.
 */
void rsm_copy_fault(const siginfo_t *info, void *context);

#endif
