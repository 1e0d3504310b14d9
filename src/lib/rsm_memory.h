/*
 * rsm_memory.h: the program's memory goes into the object of an export segment, from one object to another, and back,
 * each under the program's own addresses.
 *
 * The program may do to its memory meanwhile what it may do to any: protect it, unmap it, map something else there, or
 * move it. So each function looks where the object is mapped. Each piece of it keeps its place and its protection; what
 * the program has put in the place of others is let alone. Mappings of an import are no pieces.
 *
 * Errors are negative errno, and then all is as before. Called with the exports' lock.
 */
#ifndef NETMEM_LIB_RSM_MEMORY_H
#define NETMEM_LIB_RSM_MEMORY_H

#include "lib/rsm_maps.h"
#include "lib/rsm_object.h"

/* Puts the object, filled with what is there, under the range. -EFAULT: the range cannot be read. */
int rsm_memory_enter(struct rsm_range range, const struct rsm_object *object);

/* Puts ordinary memory with the same contents in the place of the object. What the object has no more is zeros. */
int rsm_memory_leave(const struct rsm_object *object);

/* Unmaps the object, or the range if nobody can tell where the object is. */
void rsm_memory_drop(struct rsm_range range, const struct rsm_object *object);

/* Fills another object of that length and puts it in the place of the first. -EIO: the first has lost something. */
int rsm_memory_change(const struct rsm_object *from, const struct rsm_object *to, size_t length);

/*
 * Puts the object under the range, filled with what is there, and ordinary memory in its present place. -EFAULT: the
 * range cannot be read; -EIO: the object has lost something.
 */
int rsm_memory_rebind(const struct rsm_object *object, struct rsm_range wanted);

#endif
