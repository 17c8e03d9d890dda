/* SPDX-License-Identifier: GPL-2.0-only */
/* The gate: bytes in, a valid event of this program's layout or a refusal out. */
#ifndef PORTTRACE_MODEL_WIRE_CHECK_H
#define PORTTRACE_MODEL_WIRE_CHECK_H

#include <stddef.h>

#include "porttrace/wire.h"

/* Room for any event. */
union wire_event {
	struct wire_hdr hdr;
#define X(number, NAME, name, meaning) struct wire_##name name;
	WIRE_KINDS(X)
#undef X
};

/*
 * Copies the event at `data` into *event: min(size, ours) bytes, the rest zeroed, hdr.size set to
 * ours, texts NUL-terminated, enumerations and lengths within bounds. A SOCKET event of an older capture gets
 * its purpose, and its failure_id is a refusal's or 0.
 * Returns 0; -EINVAL: not an event; -EPROTONOSUPPORT: a kind or purpose that a newer porttrace made.
 */
int wire_check(const void *data, size_t size, union wire_event *event);

#endif
