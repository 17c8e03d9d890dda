/* SPDX-License-Identifier: GPL-2.0-only */
/* By what else a user recognises a process: who runs it, in which directory, and what started it. */
#ifndef PORTTRACE_SYSTEM_PROCESS_ORIGIN_H
#define PORTTRACE_SYSTEM_PROCESS_ORIGIN_H

#include "porttrace/wire.h"
#include "system/proc_stat.h"

/* Fills user, cwd, parents, service and restarter of a process. `dir`: its directory in /proc. What cannot be read stays
 * empty. */
void process_origin_read(int dir, const struct proc_stat *stat, struct wire_process *event);

#endif
