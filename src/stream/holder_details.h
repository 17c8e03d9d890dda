/* SPDX-License-Identifier: GPL-2.0-only */
/* Adds facts about the holders of a port that the model does not have. */
#ifndef PORTTRACE_STREAM_HOLDER_DETAILS_H
#define PORTTRACE_STREAM_HOLDER_DETAILS_H

#include <stddef.h>

#include "stream/lookup.h"

/*
 * Fills in owner_gone, process and interface of each holder. The process is borrowed until a process is added
 * to the model.
 */
void holder_details_fill(struct lookup *lookup, struct holder *holders, size_t count);

#endif
