/* SPDX-License-Identifier: GPL-2.0-only */
/* Programs that run others: the executable of a script is its interpreter. */
#ifndef PORTTRACE_DIAGNOSE_INTERPRETER_H
#define PORTTRACE_DIAGNOSE_INTERPRETER_H

#include <stdbool.h>

#include "model/process_table.h"

/* By the last part of the path: "/usr/bin/python3.11", "node", "beam.smp"; not "node_exporter". */
bool exe_is_interpreter(const char *exe);
/* The same executable, which may have been replaced meanwhile, and, of an interpreter, the same arguments. */
bool process_is_same_program(const struct process *a, const struct process *b);

#endif
