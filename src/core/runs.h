/*
 * runs.h: messages about pages that follow each other become one message about a run of pages. Every machine works page by
 * page; here, and only here, runs are made.
 */
#ifndef NETMEM_CORE_RUNS_H
#define NETMEM_CORE_RUNS_H

#include "msg/msg.h"

/*
 * Whether `next`, said to the same node right behind `last`, could be added to it; then it has been. In a run of GETs or GRANTs
 * the req counts up with the pages.
 */
bool run_add(struct msg *last, const struct msg *next);

#endif
