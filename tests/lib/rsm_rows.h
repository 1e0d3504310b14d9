/*
 * rsm_rows.h: the table of rsm_codes.c: how each code of each function of librsm is provoked. Each part of it lies
 * beside what does that.
 *
 * Most rows run in a process on node 2 of three; those that do something to a node have a cluster of their own. Where
 * only the system could fail, or a moment has to be hit, calls of the C library are stood in for, see `inject`.
 */
#ifndef NETMEM_TESTS_LIB_RSM_ROWS_H
#define NETMEM_TESTS_LIB_RSM_ROWS_H

#include "rsm_scene.h"

struct row {
	const char *function;
	int code;
	const char *how;
	int (*provoke)(int argument); /* NULL: cannot be, and `how` says why */
	int argument;
};
#define CANNOT NULL, 0

extern const struct row rows_export[]; /* also of controllers, the topology and ids */
extern const struct row rows_import[]; /* connections, copies and mappings */
extern const struct row rows_events[]; /* barriers and signals */
extern const size_t rows_export_count;
extern const size_t rows_import_count;
extern const size_t rows_events_count;

/* Calls that fail with that errno while it is set. */
struct inject {
	int map;                /* mmap() of a file */
	int memory;             /* any mmap() */
	int synchronise;
	int poll;
	const char *opened;     /* before a path that ends so is opened, this is done */
	void (*before)(void);
};
extern struct inject inject;

/* An id that neither the exporter nor this process uses otherwise. */
#define OTHER_ID (segment_id() + 0x10000000)

char *one_page(void);

/* Ends the row's own cluster; returns the code. */
int and_stop(int code);

/* What `call` says with no descriptor left, with no address space left, or in a child made by fork. */
int without_descriptors(int (*call)(void));
int without_memory(int (*call)(void));
int in_a_child(int (*call)(void));

/* A segment exported by this process, not published; one imported from node 1; and one whose exporter has died. */
rsm_memseg_export_handle_t exported(long flags);
rsm_memseg_import_handle_t imported(rsm_permission_t perm);
rsm_memseg_import_handle_t cut_off(void);
int connect_as(rsm_node_id_t node, rsm_memseg_id_t id, rsm_permission_t perm);

/* Handles of another kind. */
void *wrong_segment(void);
void *wrong_controller(void);

#endif
