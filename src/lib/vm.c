/* The kernel calls of Mach around a memory object, on top of mmap(). */
#include <mach/mach.h>

#include "lib/code.h"
#include "lib/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* What task_self() returns: neither a descriptor nor the name service. */
#define TASK_SELF (-3)

/* One vm_map() with its numbers in whole pages, for mmap(). */
struct mapping {
	vm_offset_t address;
	vm_size_t size;
	vm_offset_t mask;
	bool anywhere;
	int protection; /* PROT_* */
	int flags;	/* MAP_SHARED or MAP_PRIVATE, and MAP_ANONYMOUS */
	int fd;
	off_t offset;
};

task_t task_self(void)
{
	return TASK_SELF;
}

static vm_size_t page_bytes(void)
{
	return (vm_size_t)sysconf(_SC_PAGESIZE);
}

static int protection_translate(vm_prot_t protection)
{
	return (protection & VM_PROT_READ ? PROT_READ : 0) | (protection & VM_PROT_WRITE ? PROT_WRITE : 0) |
	       (protection & VM_PROT_EXECUTE ? PROT_EXEC : 0);
}

/* mmap() at the hint, or exactly at the address. The address or MAP_FAILED. */
static void *map_here(const struct mapping *mapping, vm_offset_t address, int flags)
{
	return mmap((void *)address, mapping->size, mapping->protection, mapping->flags | flags, mapping->fd,
		    mapping->offset);
}

/* Reserves enough to have an aligned address in it, maps there, and gives the rest back. */
static void *map_aligned(const struct mapping *mapping)
{
	vm_size_t reserved;
	vm_offset_t start;
	vm_offset_t aligned;
	void *mapped;

	if (__builtin_add_overflow(mapping->size, mapping->mask, &reserved)) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	mapped =
	    mmap((void *)mapping->address, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mapped == MAP_FAILED)
		return MAP_FAILED;
	start = (vm_offset_t)mapped;
	reserved = (reserved + page_bytes() - 1) & ~(page_bytes() - 1);
	aligned = (start + mapping->mask) & ~mapping->mask;
	mapped = map_here(mapping, aligned, MAP_FIXED);
	if (mapped == MAP_FAILED) {
		int saved = errno;

		munmap((void *)start, reserved);
		errno = saved;
		return MAP_FAILED;
	}
	if (aligned > start)
		munmap((void *)start, aligned - start);
	if (start + reserved > aligned + mapping->size)
		munmap((void *)(aligned + mapping->size), start + reserved - aligned - mapping->size);
	return mapped;
}

static void *map_exactly(const struct mapping *mapping)
{
	void *mapped;

	if (mapping->address & mapping->mask) {
		errno = EEXIST;
		return MAP_FAILED;
	}
	mapped = map_here(mapping, mapping->address, MAP_FIXED_NOREPLACE);
	if (mapped != MAP_FAILED && (vm_offset_t)mapped != mapping->address) { /* a kernel before 4.17 */
		munmap(mapped, mapping->size);
		errno = EEXIST;
		return MAP_FAILED;
	}
	return mapped;
}

static kern_return_t code_map(int error, bool anywhere)
{
	switch (-error) {
	case EEXIST:
		return KERN_NO_SPACE;
	case ENOMEM:
		return anywhere ? KERN_NO_SPACE : KERN_INVALID_ADDRESS;
	case EPERM:
		return anywhere ? KERN_PROTECTION_FAILURE : KERN_INVALID_ADDRESS;
	case EACCES:
		return KERN_PROTECTION_FAILURE;
	case EBADF:
	case EINVAL:
	case ENODEV:
	case EOVERFLOW:
	case EISDIR:
	case ELOOP:
	case ENOENT:
		return KERN_INVALID_ARGUMENT;
	case EAGAIN:
	case EMFILE:
	case ENFILE:
		return KERN_RESOURCE_SHORTAGE;
	default:
		return KERN_FAILURE;
	}
}

/*
 * The same file for reading only, so that no mapping of it can ever be made writable. A descriptor, or a negative
 * errno; a copy of `fd` itself where it is for reading only already, or is no file that can be opened again.
 */
static int read_only_open(int fd)
{
	char path[32];
	int flags = fcntl(fd, F_GETFL);
	int reopened;

	if (flags < 0)
		return -errno;
	if ((flags & O_ACCMODE) == O_RDONLY)
		return netmem_file_dup(fd);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	reopened = netmem_file_open(AT_FDCWD, path, O_RDONLY | O_NOCTTY);
	return reopened == -ENOENT || reopened == -EACCES ? netmem_file_dup(fd) : reopened;
}

/* Maps what `mapping` says, and has `inheritance` seen to. */
static kern_return_t map(const struct mapping *mapping, vm_inherit_t inheritance, vm_offset_t *address)
{
	void *mapped;

	if (!mapping->anywhere)
		mapped = map_exactly(mapping);
	else if (mapping->mask > page_bytes() - 1)
		mapped = map_aligned(mapping);
	else
		mapped = map_here(mapping, mapping->address, 0);
	if (mapped == MAP_FAILED)
		return code_map(-errno, mapping->anywhere);
	if (inheritance == VM_INHERIT_NONE && madvise(mapped, mapping->size, MADV_DONTFORK)) {
		int saved = errno;

		munmap(mapped, mapping->size);
		errno = saved;
		return KERN_FAILURE;
	}
	*address = (vm_offset_t)mapped;
	return KERN_SUCCESS;
}

/* Only files have memory, not a directory such as the netmemory object itself. */
static int memory_verify(port_t port)
{
	struct stat status;
	int error = port < 0 ? -EBADF : netmem_file_stat(port, "", &status);

	if (error)
		return error;
	return S_ISREG(status.st_mode) || S_ISCHR(status.st_mode) ? 0 : -ENODEV;
}

static bool protections_known(vm_prot_t current, vm_prot_t maximum, vm_inherit_t inheritance)
{
	return !((current | maximum) & ~VM_PROT_ALL) && inheritance >= VM_INHERIT_SHARE &&
	       inheritance <= VM_INHERIT_NONE;
}

/* Whole pages. False: overflow, or nothing to map. */
static bool range_round(vm_offset_t *address, vm_size_t *size)
{
	vm_size_t page = page_bytes();
	vm_size_t rounded;

	if (*size == 0 || __builtin_add_overflow(*size, page - 1, &rounded))
		return false;
	*size = rounded & ~(page - 1);
	*address &= ~(page - 1);
	return true;
}

kern_return_t vm_map(task_t target_task, vm_offset_t *address, vm_size_t size, vm_offset_t mask, boolean_t anywhere,
		     port_t memory_object, vm_offset_t offset, boolean_t copy, vm_prot_t cur_protection,
		     vm_prot_t max_protection, vm_inherit_t inheritance)
{
	bool anonymous = memory_object == PORT_NULL;
	struct mapping mapping = { .size = size, .mask = mask, .anywhere = anywhere, .fd = -1 };
	kern_return_t code;
	int error;

	if (target_task != TASK_SELF || !address || (offset & (page_bytes() - 1)) || offset > INT64_MAX ||
	    (mask & (mask + 1)) || !protections_known(cur_protection, max_protection, inheritance))
		return netmem_code_set(-EINVAL, KERN_INVALID_ARGUMENT);
	if (cur_protection & ~max_protection)
		return netmem_code_set(-EACCES, KERN_PROTECTION_FAILURE);
	mapping.address = *address;
	if (!range_round(&mapping.address, &mapping.size))
		return netmem_code_set(-EINVAL, KERN_INVALID_ARGUMENT);
	mapping.protection = protection_translate(cur_protection);
	mapping.flags = copy || (anonymous && inheritance != VM_INHERIT_SHARE) ? MAP_PRIVATE : MAP_SHARED;
	if (anonymous) {
		mapping.flags |= MAP_ANONYMOUS;
		return map(&mapping, inheritance, address);
	}
	error = memory_verify(memory_object);
	if (error)
		return netmem_code_set(error, KERN_INVALID_ARGUMENT);
	mapping.offset = (off_t)offset;
	mapping.fd = memory_object;
	if (copy || (max_protection & VM_PROT_WRITE))
		return map(&mapping, inheritance, address);
	mapping.fd = read_only_open(memory_object);
	if (mapping.fd < 0)
		return netmem_code_set(mapping.fd, code_map(mapping.fd, true));
	code = map(&mapping, inheritance, address);
	netmem_file_close(mapping.fd);
	return code;
}

kern_return_t vm_allocate(task_t target_task, vm_offset_t *address, vm_size_t size, boolean_t anywhere)
{
	if (target_task == TASK_SELF && address && size == 0) {
		*address = 0;
		return KERN_SUCCESS;
	}
	return vm_map(target_task, address, size, 0, anywhere, PORT_NULL, 0, FALSE, VM_PROT_DEFAULT, VM_PROT_ALL,
		      VM_INHERIT_DEFAULT);
}

kern_return_t vm_deallocate(task_t target_task, vm_offset_t address, vm_size_t size)
{
	vm_size_t page = page_bytes();
	vm_offset_t start = address & ~(page - 1);
	vm_offset_t end;

	if (target_task != TASK_SELF || __builtin_add_overflow(address, size, &end) || end > UINTPTR_MAX - page)
		return netmem_code_set(-EINVAL, KERN_INVALID_ARGUMENT);
	if (size == 0)
		return KERN_SUCCESS;
	end = (end + page - 1) & ~(page - 1);
	if (munmap((void *)start, end - start))
		return errno == EINVAL ? KERN_INVALID_ARGUMENT : netmem_code_kern(-errno);
	return KERN_SUCCESS;
}

kern_return_t port_deallocate(task_t task, port_t port)
{
	if (task != TASK_SELF || port <= 0)
		return netmem_code_set(-EINVAL, KERN_INVALID_ARGUMENT);
	return close(port) && errno == EBADF ? KERN_INVALID_ARGUMENT : KERN_SUCCESS;
}
