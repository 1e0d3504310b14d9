/*
 * rsm_maps.h: what this process has mapped where, as /proc/self/maps says.
 */
#ifndef NETMEM_LIB_RSM_MAPS_H
#define NETMEM_LIB_RSM_MAPS_H

#include <stddef.h>
#include <sys/types.h>

/* Whole pages. */
struct rsm_range {
	char *address;
	size_t length;
};

/* A mapping, or the part of one that is to be moved. */
struct rsm_piece {
	struct rsm_range range;
	int protection; /* PROT_*, or-ed, as the program wants it */
	off_t offset;   /* in the file that it maps; may lie past its end */
	void *instead;  /* as long as the range: a mapping that is to take its place; NULL: none */
};

/*
 * Whether a range is of a kind that can be exported: wholly mapped, readable, writable, not executable, private or
 * System V shared memory, and not the stack of the process or of the caller. 0, -EFAULT if not, or why that is not
 * known.
 */
int rsm_maps_check(struct rsm_range range);

/*
 * The table of this process's pages for rsm_maps_touched(): a descriptor, to be closed; negative where a page of the
 * range that is not in the table may still have something in it, and then all of the range counts as touched.
 */
int rsm_maps_table(struct rsm_range range);

/* The first part of the range that is not known to be zeros; one without length if there is none. */
struct rsm_range rsm_maps_touched(int table, struct rsm_range range);

/*
 * All shared mappings of that file, wherever they are and whatever the program may do there. *pieces is the caller's to
 * free(), with room for one more. 0 or a negative errno, and then there is nothing to free.
 */
int rsm_maps_find(dev_t device, ino_t inode, struct rsm_piece **pieces, size_t *count);

#endif
