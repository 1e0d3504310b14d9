/*
 * rsm_scene.h: what most tests of librsm begin with: an exporter on node 1, and an import in the test's own process, on
 * node 2. For processes of tests only: these functions assert.
 */
#ifndef NETMEM_TESTS_LIB_RSM_SCENE_H
#define NETMEM_TESTS_LIB_RSM_SCENE_H

#include "rsm_steps.h"

#include <check.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define OK(expression) ck_assert_int_eq(expression, RSM_SUCCESS)

/* On node 1; exports SEGMENT_PAGES pages of pattern 1, published without a list under segment_id(). */
extern struct peer *exporter;
void exporter_start(long flags);

/* From node 1, by this process, which is on node 2 from here on; with a barrier. */
void import_here(rsm_permission_t perm);

/* Waits until the import of this process is cut off, as a program would. */
void await_cut(void);

/* Opens the barrier and closes it; what closing says. */
int barrier_code(void);

/* What connecting to the exporter's segment says, asked until it is no longer `passing`: a name goes when its home has
 * heard that the owner is gone, soon but not at once. */
int connect_code_after(int passing);

/* Runs the suite; main()'s exit status. */
int scene_run(Suite *suite);

#endif
