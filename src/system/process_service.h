/* SPDX-License-Identifier: GPL-2.0-only */
/* What starts a process again when it ends: a supervisor above it, or a program or loop that runs it. */
#ifndef PORTTRACE_SYSTEM_PROCESS_SERVICE_H
#define PORTTRACE_SYSTEM_PROCESS_SERVICE_H

#include "porttrace/wire.h"
#include "system/proc_stat.h"

/*
 * Fills service and restarter of a process from one of its parents. Called for each, the nearest first, which is
 * generation 0. `child`: through which it is a parent.
 */
void process_service_add_parent(uint32_t pid, const struct proc_stat *stat, uint32_t child, int generation,
				struct wire_process *event);

#endif
