/* mach/boolean.h: truth values of the Mach interfaces. */
#ifndef NETMEM_MACH_BOOLEAN_H
#define NETMEM_MACH_BOOLEAN_H

typedef int boolean_t;

#ifndef TRUE
#define TRUE 1
#endif
#ifndef FALSE
#define FALSE 0
#endif

#endif
