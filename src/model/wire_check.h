/* SPDX-License-Identifier: GPL-2.0-only */
/* Checks and copies bytes from the kernel or a capture: the result is a valid event with this program's
 * layout. */
#ifndef PORTTRACE_MODEL_WIRE_CHECK_H
#define PORTTRACE_MODEL_WIRE_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "porttrace/wire.h"

/* Has space for any event. */
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
	uint16_t required; /* minimum size of an event in bytes */
	uint16_t sock, task, error, failure_id;
};

/* NULL: no such kind. */
const struct wire_layout *wire_layout_of(unsigned int kind);

/*
 * Copies the event at `data` into *event: min(size, own size) bytes, the rest zeroed, hdr.size set to the own
 * size, texts NUL-terminated, enumerations and lengths checked. A SOCKET event of an older capture gets its
 * purpose, and its failure_id becomes that of the refusal, or 0. Returns 0; -EINVAL: not a valid event;
 * -EPROTONOSUPPORT: a kind or purpose of a newer porttrace.
 */
int wire_check(const void *data, size_t size, union wire_event *event);

#endif
