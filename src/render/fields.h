/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fields of a report as a table: name, type, how to get the value, and the column of text. The formats
 * walk the table, so a new row appears in each of them.
 */
#ifndef PORTTRACE_RENDER_FIELDS_H
#define PORTTRACE_RENDER_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "render/names.h"
#include "render/renderer.h"
#include "render/text_line.h"
#include "util/address.h"

enum field_type {
	FIELD_NUMBER,	    /* number */
	FIELD_TRUE,	    /* present when true, else absent */
	FIELD_WORD,	    /* text of porttrace: ASCII, nothing to quote */
	FIELD_BYTES,	    /* text of a process or the kernel: any bytes */
	FIELD_WORDS,	    /* words: a list of FIELD_WORD */
	FIELD_PROCESSES,    /* parents: a list of FIELD_BYTES, "comm[pid]" */
	FIELD_BOOT_TIME,    /* number: nanoseconds of CLOCK_BOOTTIME, shown as a date */
	FIELD_MILLISECONDS, /* number, shown in seconds */
};

struct field_value {
	const struct render_options *options; /* set before get() */
	uint64_t number;
	const char *text;
	size_t length; /* of text */
	const char *words[OPTION_NAMES_MAX];
	size_t word_count;
	const struct wire_parent *parents; /* WIRE_PARENTS_MAX of them */
	char buffer[ADDRESS_SIZE]; /* storage for text that get() had to format */
};

/* The lines that show a field: an event of the stream, a socket of `ls`, a holder of a conflict. */
#define FIELD_OF_EVENT	(1U << 0)
#define FIELD_OF_PORT	(1U << 1) /* the event is a wire_socket */
#define FIELD_OF_HOLDER (1U << 2) /* likewise; only in JSON */
#define FIELD_OF_PROCESS (1U << 3) /* only in JSON; the report has task and process, no event */

enum field_role {
	ROLE_PLAIN,
	ROLE_LOCAL,	/* an address, which is shortened in its middle where the terminal is narrow */
	ROLE_REMOTE,	/* `ls`: only when a row has a value; likewise */
	ROLE_DETAIL,	/* what has no column of its own */
	ROLE_IF_ROOM,	/* `ls`: only when a row has a value and the terminal is wide enough for the columns that give way */
	ROLE_IF_VARIED, /* `ls`: only when not all rows are of the reader's network namespace */
};

struct field {
	/* JSON */
	const char *name; /* NULL: only a column of text */
	size_t name_length;
	enum field_type type;
	unsigned int lines; /* FIELD_OF_... that have the field in JSON */
	/* false: not known, or not part of this event. `report` has an event and a socket. */
	bool (*get)(const struct report *report, struct field_value *value);

	/* Text */
	const char *header;   /* NULL: only in JSON */
	unsigned int columns; /* FIELD_OF_... that have the field as a column */
	unsigned char width, narrow_width; /* in the stream, on a terminal of 110 columns or less; `ls` measures */
	unsigned char least, enough; /* `ls` on a terminal: a column that gives way is at least so wide; as long as others may
				      * give way too, at least `enough`. 0: it does not give way */
	enum text_align align;
	enum field_role role;
	/* NULL: the value of get(), and "-" where it is not known. */
	void (*put)(struct text_line *line, const struct report *report,
		    const struct render_options *options);
};

/* In the order in which JSON shows the fields and text shows the columns. */
extern const struct field fields[];
extern const size_t field_count;
#define FIELDS_MAX 64

/* The next field after `field` that is a column of these lines, NULL at the end. field NULL: the first. */
const struct field *field_next_column(const struct field *field, unsigned int lines);

/* Adds the field as text. `field` is a column. */
void field_put(const struct field *field, const struct report *report, const struct render_options *options,
	       struct text_line *line);

/* A row of the port table as the report of a wire_socket event. Points into itself: not to be copied. */
struct socket_report {
	struct wire_socket socket;
	struct report report;
};

void socket_report_init(struct socket_report *out, const struct port_report *port, uint64_t now_boot_ns);

#endif
