/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * uthash as the model uses it: out of memory is an answer, not the end of the program. HASH_ADD
 * leaves hh.tbl NULL in an item that it could not add.
 */
#ifndef PORTTRACE_MODEL_HASH_H
#define PORTTRACE_MODEL_HASH_H

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#endif
