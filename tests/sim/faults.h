/*
 * faults.h: what goes wrong, at random times, as the plan allows.
 */
#ifndef NETMEM_SIM_FAULTS_H
#define NETMEM_SIM_FAULTS_H

#include "sim.h"

void faults_start(struct sim *sim);
/* Everything that is cut or stands still goes on at once. */
void faults_heal(struct sim *sim);

#endif
