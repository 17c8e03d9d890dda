/* SPDX-License-Identifier: GPL-2.0-only */
/* Completes the holders of a port with what the model does not have. */
#ifndef PORTTRACE_STREAM_HOLDER_DETAILS_H
#define PORTTRACE_STREAM_HOLDER_DETAILS_H

#include <stddef.h>

#include "stream/lookup.h"

/*
 * Fills owner_gone, process and interface of each holder. A holder's process is borrowed until the model next
 * learns of a process.
 */
void holder_details_fill(struct lookup *lookup, struct holder *holders, size_t count);

#endif
