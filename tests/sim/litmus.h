/*
 * litmus.h: the classic litmus tests, as rounds in which up to four threads on any nodes take a role each: store
 * buffering, message passing, load buffering, coherence of reads, independent reads of independent writes. The
 * reference memory would catch each forbidden outcome too; these say it in words that everybody knows.
 */
#ifndef NETMEM_SIM_LITMUS_H
#define NETMEM_SIM_LITMUS_H

#include "programs.h"

/* Takes a role in a round on the object, plays it, and returns its error; 0 also if there was no round to play. */
int litmus_play(struct thread *thread, struct file *file);

#endif
