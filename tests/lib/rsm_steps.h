/*
 * rsm_steps.h: what the tests of librsm have their peers do, and do themselves: each step is one call of the library,
 * or one use of memory, on the one segment that a program exports and the one that it imports. Steps return the
 * library's code unless it says otherwise here.
 */
#ifndef NETMEM_TESTS_LIB_RSM_STEPS_H
#define NETMEM_TESTS_LIB_RSM_STEPS_H

#include "rsm_nodes.h"

#include <rsmapi.h>

#define PAGE 4096u
#define SEGMENT_PAGES 4u
#define SEGMENT_BYTES (SEGMENT_PAGES * PAGE)
#define NOBODY 65534
#define SOMEBODY 12345

/* A step in this process. */
#define HERE(step, ...) (step)((const long[STEP_ARGUMENTS]){ __VA_ARGS__ })

/* Which of a program's segments a step means. */
enum { EXPORTED, IMPORTED };

/* Of this process. */
struct program {
	rsmapi_controller_handle_t controller; /* "netmem", since first use */
	rsm_memseg_export_handle_t exported;
	char *memory;                          /* of the program, exported */
	size_t length;
	rsm_memseg_import_handle_t imported;
	char *mapped;
	rsmapi_barrier_t barrier;
};
extern struct program program;

rsmapi_controller_handle_t program_controller(void);

/* A segment id that no other test uses: those of tests that have ended may still be on their way out. */
rsm_memseg_id_t segment_id(void);

/* Page-aligned memory from malloc's heap; byte i is pattern(seed, i). */
char *memory_new(size_t length, unsigned seed);
unsigned char pattern(unsigned seed, size_t place);
/* How many of the bytes `from` to `to` - 1 differ from the pattern. */
size_t memory_wrong(const char *memory, size_t from, size_t to, unsigned seed);

/* Export. Memory from malloc, filled with the pattern of the seed. */
long step_create(const long *pages_flags_seed);
long step_publish(const long *id_node_perm_node_perm);   /* node 0: no list; returns the id, or -code */
long step_export(const long *pages_flags_seed_id);       /* create, and publish without a list */
long step_republish(const long *node_perm_node_perm);
long step_unpublish(const long *none);
long step_destroy(const long *none);
long step_rebind(const long *seed);                      /* to new memory with that pattern */
long step_wrong(const long *seed);                       /* memory_wrong() of the exported memory */
long step_load(const long *offset);                      /* of 8 bytes; the value */
long step_store(const long *offset_value);               /* 0 */

/* Import. */
long step_connect(const long *node_id_perm);
long step_import(const long *node_id_perm);              /* connect, and initialise the barrier */
long step_disconnect(const long *none);
long step_map(const long *perm_offset_length);
long step_unmap(const long *none);
long step_mapped_load(const long *offset);
long step_mapped_store(const long *offset_value);
long step_get(const long *offset);                       /* of 8 bytes; the value, or -code */
long step_put(const long *offset_value);
long step_get_wrong(const long *length_seed);            /* gets the length; memory_wrong(), or -code */
long step_mode(const long *mode);
long step_open_barrier(const long *none);
long step_close_barrier(const long *none);

/* Events; which: EXPORTED or IMPORTED. */
long step_post(const long *which_flags);
long step_wait(const long *which_timeout);

/* The process is another user's from here on. 0, or an errno. */
long step_become(const long *uid_gid);

#endif
