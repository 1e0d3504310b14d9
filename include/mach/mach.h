/*
 * mach/mach.h: the few kernel calls of Mach that a program needs around <servers/netmemory.h>: mapping and unmapping
 * memory, giving up ports, naming error codes. They act on the calling process only.
 *
 * The interface is that of the Mach manual pages vm_map(2), vm_allocate(2) and vm_deallocate(2), carried out with
 * mmap(2) and close(2). All functions may be called from any thread at any time.
 */
#ifndef NETMEM_MACH_MACH_H
#define NETMEM_MACH_MACH_H

#include <mach/boolean.h>
#include <mach/kern_return.h>
#include <mach/port.h>
#include <mach/vm_types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef port_t task_t;
typedef port_t vm_task_t;

/* The calling task, the only one that the calls below take. Not a descriptor. */
task_t task_self(void);

/*
 * Maps `size` bytes of `memory_object`, from byte `offset` on, into the calling process.
 *
 * target_task     task_self()
 * address         where; on success, where it is. With `anywhere`, a hint, and 0 for none
 * size            in bytes; rounded up to whole pages
 * mask            bits that must be 0 in the address, a power of two less 1; 0: any page will do
 * anywhere        TRUE: at any free address. FALSE: at *address, rounded down to a page, and only there
 * memory_object   from netmemory_cache(); PORT_NULL: new memory, all zeros
 * offset          in bytes, a multiple of the page size
 * copy            TRUE: a private copy, made page by page as the program stores; others do not see these stores. What
 *                 others store shows in pages not yet copied
 * cur_protection  what the program may do; VM_PROT_NONE or VM_PROT_* or-ed
 * max_protection  what it could ever permit itself; has to include cur_protection. Without VM_PROT_WRITE the memory is
 *                 mapped through a read-only descriptor, so that mprotect(2) cannot permit stores later
 * inheritance     VM_INHERIT_SHARE, VM_INHERIT_COPY: at fork() the child shares an object's memory in both cases, as
 *                 there is no copying of shared memory at fork(); a private copy (`copy`), and new memory with
 *                 VM_INHERIT_COPY, are copied. VM_INHERIT_NONE: the child does not have the memory
 *
 * KERN_SUCCESS, or
 *	KERN_INVALID_ARGUMENT    another task, size 0, an offset inside a page, an unknown protection or inheritance, a
 *	                         memory object that cannot be mapped: not a descriptor, or the netmemory object itself
 *	KERN_PROTECTION_FAILURE  cur_protection is more than max_protection or than the memory object permits
 *	KERN_NO_SPACE            something is mapped there already, or nothing that large is free
 *	KERN_INVALID_ADDRESS     the address cannot be mapped at all
 *	KERN_RESOURCE_SHORTAGE   too many descriptors, or more locked memory than allowed
 *	KERN_FAILURE             anything else, see errno
 *
 * The mapping holds the memory object: the ports may be given up. A later load or store raises SIGBUS when it is past
 * the object's end, when the object's home or the node with the page's only copy has died, or when it was revoked.
 */
kern_return_t vm_map(task_t target_task, vm_offset_t *address, vm_size_t size, vm_offset_t mask, boolean_t anywhere,
		     port_t memory_object, vm_offset_t offset, boolean_t copy, vm_prot_t cur_protection,
		     vm_prot_t max_protection, vm_inherit_t inheritance);

/*
 * New memory, all zeros, of `size` bytes rounded up to whole pages: vm_map() of PORT_NULL with VM_PROT_DEFAULT and
 * VM_INHERIT_DEFAULT. Size 0 gives address 0 and maps nothing.
 */
kern_return_t vm_allocate(task_t target_task, vm_offset_t *address, vm_size_t size, boolean_t anywhere);

/*
 * Unmaps all pages that have a byte in [address, address + size), mapped or not. The last unmapping and closing of an
 * unnamed netmemory object on all nodes ends it. KERN_SUCCESS; KERN_INVALID_ARGUMENT: another task, or no such range.
 */
kern_return_t vm_deallocate(task_t target_task, vm_offset_t address, vm_size_t size);

/* Closes `port`. KERN_SUCCESS; KERN_INVALID_ARGUMENT: another task, PORT_NULL, or not a descriptor. */
kern_return_t port_deallocate(task_t task, port_t port);

#ifdef __cplusplus
}
#endif

#endif
