/*
 * mach_error.h: error codes of all the interfaces in one number space (kern_return_t, NETNAME_*, NETMEMORY_*), in
 * words.
 */
#ifndef NETMEM_MACH_ERROR_H
#define NETMEM_MACH_ERROR_H

#include <mach/kern_return.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef kern_return_t mach_error_t;

/* A few words without a newline, constant, never NULL. Any thread. */
const char *mach_error_string(mach_error_t error);

/* Prints "TEXT: WORDS" and a newline to standard error. Any thread. */
void mach_error(const char *text, mach_error_t error);

#ifdef __cplusplus
}
#endif

#endif
