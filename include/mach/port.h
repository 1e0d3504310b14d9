/*
 * mach/port.h: ports, which are file descriptors here.
 *
 *	the netmemory server       the root directory of a netmemfs mount
 *	a netmemory object         the object's directory, NAME/
 *	its control port           NAME/control, for writing
 *	its (Mach) memory object   NAME/memory, for reading and writing, or for reading only
 *
 * A port that a call returns is a new descriptor: the caller's own, closed on exec, above 2, and to be given up with
 * port_deallocate() or close(). A program may as well open the files itself, or hand a port to another process of the
 * machine over a Unix socket (SCM_RIGHTS). What a port is worth is the same in each process that has it.
 */
#ifndef NETMEM_MACH_PORT_H
#define NETMEM_MACH_PORT_H

typedef int port_t;

/* No port. Descriptor 0 can therefore never be a port; no call returns it. */
#define PORT_NULL 0

#endif
