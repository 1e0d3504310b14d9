/*
 * code.h: from negative errno to what the public calls return. Each also sets errno, so that a program can tell more
 * than the old codes say.
 */
#ifndef NETMEM_LIB_CODE_H
#define NETMEM_LIB_CODE_H

#include <stdbool.h>

#include <mach/kern_return.h>

/* Memory, space, descriptors, size limits, full queues. */
bool netmem_code_is_resource(int error);

/* The call's own fault: what it was given is no longer there, is of the wrong kind, or never was a descriptor. */
bool netmem_code_is_parameter(int error);

/* Sets errno to -error and returns `code`. */
kern_return_t netmem_code_set(int error, kern_return_t code);

/* KERN_SUCCESS for 0, KERN_RESOURCE_SHORTAGE, KERN_NO_ACCESS or KERN_FAILURE. */
kern_return_t netmem_code_kern(int error);

#endif
