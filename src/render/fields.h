/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What there is to say about a socket, as rows: a name, a type, and how to get the value from a
 * report. A format walks the rows and knows no event, so a field that is added here is everywhere.
 */
#ifndef PORTTRACE_RENDER_FIELDS_H
#define PORTTRACE_RENDER_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "render/names.h"
#include "render/renderer.h"
#include "util/address.h"

enum field_type {
	FIELD_NUMBER,	    /* number */
	FIELD_TRUE,	    /* a claim: present when it holds, else absent */
	FIELD_WORD,	    /* text of ours: ASCII, nothing to quote */
	FIELD_BYTES,	    /* text of somebody else's: any bytes */
	FIELD_WORDS,	    /* words: several of ours */
	FIELD_BOOT_TIME,    /* number: nanoseconds of CLOCK_BOOTTIME, shown as a date */
	FIELD_MILLISECONDS, /* number, shown in seconds */
};

struct field_value {
	uint64_t number;
	const char *text;
	size_t length; /* of text */
	const char *words[OPTION_NAMES_MAX];
	size_t word_count;
	char buffer[ADDRESS_SIZE]; /* where text points when it had to be written */
};

/* Which lines show the field. */
#define FIELD_OF_EVENT	(1U << 0)
#define FIELD_OF_PORT	(1U << 1) /* a line of `ls`: the event is a wire_socket */
#define FIELD_OF_HOLDER (1U << 2) /* of a conflict: the event is a wire_socket */

struct field {
	const char *name;
	size_t name_length;
	enum field_type type;
	unsigned int lines;
	/* false: not known, or not said by this event. `report` has an event and a socket. */
	bool (*get)(const struct report *report, struct field_value *value);
};

extern const struct field fields[];
extern const size_t field_count;

#endif
