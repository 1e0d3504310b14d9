/* mach/vm_types.h: addresses and sizes, in bytes, as wide as a pointer, and how memory is mapped. */
#ifndef NETMEM_MACH_VM_TYPES_H
#define NETMEM_MACH_VM_TYPES_H

#include <stdint.h>

typedef uintptr_t vm_offset_t;
typedef uintptr_t vm_address_t;
typedef uintptr_t vm_size_t;

/* What a program may do with memory; the values are or-ed together. */
typedef int vm_prot_t;

#define VM_PROT_NONE 0x0
#define VM_PROT_READ 0x1
#define VM_PROT_WRITE 0x2
#define VM_PROT_EXECUTE 0x4
#define VM_PROT_DEFAULT (VM_PROT_READ | VM_PROT_WRITE)
#define VM_PROT_ALL (VM_PROT_READ | VM_PROT_WRITE | VM_PROT_EXECUTE)

/* What a child gets of memory at fork(); see vm_map() for what each amounts to here. */
typedef int vm_inherit_t;

#define VM_INHERIT_SHARE 0
#define VM_INHERIT_COPY 1
#define VM_INHERIT_NONE 2
#define VM_INHERIT_DEFAULT VM_INHERIT_COPY

#endif
