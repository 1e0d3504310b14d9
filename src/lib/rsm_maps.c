#include "lib/rsm_maps.h"

#include "lib/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Pages that are looked up in one read of /proc/self/pagemap. */
#define PAGES_STEP 512

/* An entry of it: the page is in memory, or was moved out of it. */
#define PAGE_PRESENT (UINT64_C(1) << 63)
#define PAGE_SWAPPED (UINT64_C(1) << 62)

/* Mappings that the array of those found grows by. */
#define PIECES_STEP 16

/* A line of /proc/self/maps. */
struct mapping {
	uintptr_t begin;
	uintptr_t end;
	char allowed[5]; /* "rwxp" or "rwxs", with '-' for what is not */
	off_t offset;
	dev_t device;
	ino_t inode;
	char *name; /* "" if there is none */
};

static bool mapping_parse(char *line, struct mapping *mapping)
{
	unsigned major;
	unsigned minor;
	uintmax_t offset;
	uintmax_t inode;
	int name = 0;

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %jx %x:%x %ju %n", &mapping->begin, &mapping->end,
		   mapping->allowed, &offset, &major, &minor, &inode, &name) != 7)
		return false;
	mapping->offset = (off_t)offset;
	mapping->device = makedev(major, minor);
	mapping->inode = (ino_t)inode;
	mapping->name = line + name;
	return true;
}

/* --- what can be exported ----------------------------------------------------------------------------------------- */

static bool mapping_moves(const struct mapping *mapping)
{
	bool system_v = strncmp(mapping->name, "/SYSV", 5) == 0;

	if (strcmp(mapping->name, "[stack]") == 0)
		return false;
	return strcmp(mapping->allowed, "rw-p") == 0 || (system_v && strcmp(mapping->allowed, "rw-s") == 0);
}

/* Of no file, and no other process's. */
static bool mapping_begins_as_zeros(const struct mapping *mapping)
{
	return mapping->inode == 0 && mapping->allowed[3] == 'p';
}

/* Mappings come in the order of their addresses. */
static int maps_scan(FILE *maps, struct rsm_range range, bool (*is_right)(const struct mapping *))
{
	uintptr_t begin = (uintptr_t)range.address;
	uintptr_t end = begin + range.length;
	char *line = NULL;
	size_t line_bytes = 0;
	struct mapping mapping;

	while (begin < end && getline(&line, &line_bytes, maps) >= 0) {
		if (!mapping_parse(line, &mapping) || mapping.end <= begin)
			continue;
		if (mapping.begin > begin || !is_right(&mapping))
			break;
		begin = mapping.end;
	}
	free(line);
	return begin >= end ? 0 : -EFAULT;
}

/* 0, -EFAULT if a part of the range is not mapped or not right, or why that is not known. */
static int maps_check(struct rsm_range range, bool (*is_right)(const struct mapping *))
{
	FILE *maps = fopen("/proc/self/maps", "re");
	int error;

	if (!maps)
		return -errno;
	error = maps_scan(maps, range, is_right);
	fclose(maps);
	return error;
}

int rsm_maps_check(struct rsm_range range)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	uintptr_t begin = (uintptr_t)range.address;

	if (here - begin < range.length || range.length > UINTPTR_MAX - begin)
		return -EFAULT;
	return maps_check(range, mapping_moves);
}

/* --- what has something in it ------------------------------------------------------------------------------------- */

int rsm_maps_table(struct rsm_range range)
{
	if (maps_check(range, mapping_begins_as_zeros))
		return -1;
	return netmem_file_open(AT_FDCWD, "/proc/self/pagemap", O_RDONLY);
}

struct rsm_range rsm_maps_touched(int table, struct rsm_range range)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint64_t entries[PAGES_STEP];
	struct rsm_range found = { range.address, 0 };
	size_t offset = 0;

	while (offset < range.length) {
		size_t left = (range.length - offset) / page;
		ssize_t bytes = pread(table, entries, (left < PAGES_STEP ? left : PAGES_STEP) * sizeof *entries,
				      (off_t)((uintptr_t)(range.address + offset) / page * sizeof *entries));
		size_t i;

		if (bytes < (ssize_t)sizeof *entries)
			return (struct rsm_range){ found.address, range.length - (size_t)(found.address - range.address) };
		for (i = 0; i < (size_t)bytes / sizeof *entries; i++, offset += page) {
			if (entries[i] & (PAGE_PRESENT | PAGE_SWAPPED))
				found.length += page;
			else if (found.length > 0)
				return found;
			else
				found.address = range.address + offset + page;
		}
	}
	return found;
}

/* --- where a file is mapped --------------------------------------------------------------------------------------- */

static int mapping_protection(const struct mapping *mapping)
{
	return (mapping->allowed[0] == 'r' ? PROT_READ : 0) | (mapping->allowed[1] == 'w' ? PROT_WRITE : 0) |
	       (mapping->allowed[2] == 'x' ? PROT_EXEC : 0);
}

/* Room for one more, and for another one after that. */
static int pieces_reserve(struct rsm_piece **pieces, size_t count)
{
	struct rsm_piece *grown;

	if (*pieces && (count + 1) % PIECES_STEP != 0)
		return 0;
	grown = realloc(*pieces, ((count + 1) / PIECES_STEP + 1) * PIECES_STEP * sizeof **pieces);
	if (!grown)
		return -ENOMEM;
	*pieces = grown;
	return 0;
}

static int maps_find(FILE *maps, dev_t device, ino_t inode, struct rsm_piece **pieces, size_t *count)
{
	char *line = NULL;
	size_t line_bytes = 0;
	struct mapping mapping;
	int error = pieces_reserve(pieces, 0);

	while (!error && getline(&line, &line_bytes, maps) >= 0) {
		if (!mapping_parse(line, &mapping) || mapping.device != device || mapping.inode != inode ||
		    mapping.allowed[3] != 's')
			continue;
		(*pieces)[(*count)++] = (struct rsm_piece){
			.range = { (char *)mapping.begin, mapping.end - mapping.begin },
			.protection = mapping_protection(&mapping),
			.offset = mapping.offset
		};
		error = pieces_reserve(pieces, *count);
	}
	if (!error && ferror(maps))
		error = -EIO;
	free(line);
	return error;
}

int rsm_maps_find(dev_t device, ino_t inode, struct rsm_piece **pieces, size_t *count)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	int error;

	if (!maps)
		return -errno;
	*pieces = NULL;
	*count = 0;
	error = maps_find(maps, device, inode, pieces, count);
	fclose(maps);
	if (error)
		free(*pieces);
	return error;
}
