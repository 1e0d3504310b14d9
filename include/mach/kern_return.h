/*
 * mach/kern_return.h: what the calls of <mach/mach.h>, <servers/netname.h> and <servers/netmemory.h> return: 0, or a
 * code that says what was wrong. Besides the code, errno holds the system's own reason after each failure.
 */
#ifndef NETMEM_MACH_KERN_RETURN_H
#define NETMEM_MACH_KERN_RETURN_H

typedef int kern_return_t;

#define KERN_SUCCESS 0
#define KERN_INVALID_ADDRESS 1	  /* no such memory in the program */
#define KERN_PROTECTION_FAILURE 2 /* the port or the protections asked for do not permit it */
#define KERN_NO_SPACE 3		  /* the address range is taken, or none that large is free */
#define KERN_INVALID_ARGUMENT 4
#define KERN_FAILURE 5		 /* anything else: a node or the daemon that is gone, an I/O error; see errno */
#define KERN_RESOURCE_SHORTAGE 6 /* no memory, no descriptors, or a full table */
#define KERN_NO_ACCESS 8	 /* the file permissions do not allow it */

#endif
