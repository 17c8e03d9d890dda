/* SPDX-License-Identifier: GPL-2.0-only */
/* Checks and copies bytes from the kernel or a capture: what comes out is a valid event of this program's layout. */
#ifndef PORTTRACE_MODEL_WIRE_CHECK_H
#define PORTTRACE_MODEL_WIRE_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "porttrace/wire.h"

/* Room for any event. */
union wire_event {
	struct wire_hdr hdr;
#define X(number, NAME, name, last, has, meaning) struct wire_##name name;
	WIRE_KINDS(X)
#undef X
};

/* Offsets in the struct of a kind; 0: it has no such field. */
struct wire_layout {
	const char *name;
	uint16_t size;
	uint16_t required; /* bytes that an event must have at least */
	uint16_t sock, task, error, failure_id;
};

/* NULL: no such kind. */
const struct wire_layout *wire_layout_of(unsigned int kind);

/*
 * Copies the event at `data` into *event: min(size, ours) bytes, the rest zeroed, hdr.size set to
 * ours, texts NUL-terminated, enumerations and lengths within bounds. A SOCKET event of an older capture gets
 * its purpose, and its failure_id is a refusal's or 0.
 * Returns 0; -EINVAL: not an event; -EPROTONOSUPPORT: a kind or purpose that a newer porttrace made.
 */
int wire_check(const void *data, size_t size, union wire_event *event);

#endif
