/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the text formats: their state, the time column, lines and notes. */
#ifndef PORTTRACE_RENDER_TEXT_OUT_H
#define PORTTRACE_RENDER_TEXT_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "render/fold.h"
#include "render/renderer.h"
#include "render/text_line.h"
#include "util/time_format.h"

struct held_churn; /* text_churn.c: churn that is not shown yet */
struct text_ports; /* text_ports.c: buffered rows of `ls` */

/* The sockets on the watched ports when the stream begins. */
#define NOW_STATES (WIRE_TCP_NEW_SYN_RECV + 1)
struct text_holders_now {
	bool is_empty;
	uint32_t last_pid;		  /* of the last entry */
	uint64_t entries;		  /* listeners and bound sockets */
	uint64_t connections[NOW_STATES]; /* by state */
};

struct render {
	struct render_options options;
	struct time_cache clock;
	size_t time_width; /* of the column, 0 without one */
	bool is_narrow;	   /* the terminal has no room for wide columns */
	struct fold fold;
	struct text_ports *ports;
	struct held_churn *held; /* NULL: none */
	struct text_holders_now now;
	bool is_header_due;
	bool many_namespaces;
	bool has_change;     /* text_ephemeral.c: something changed in this interval */
	bool said_untimed;   /* text_ephemeral.c: the note that search times are not measured was printed */
	int error; /* -errno of the first write that failed */
};

/* Adds the time column. */
void text_begin(struct render *render, struct text_line *line, uint64_t boot_ns);
void text_write(struct render *render, struct text_line *line);
/* Does not cut the line to the width of the terminal. */
void text_write_whole(struct render *render, struct text_line *line);
/* Wraps the line between words to the width of the terminal; what follows is indented. */
void text_write_wrapped(struct render *render, const struct text_line *line);
/* A label ("rule", "do") and a text beside it that wraps between words, below an event. */
void text_note(struct render *render, const char *label, const struct text_line *text);
void text_note_words(struct render *render, const char *label, const char *text);
/* "and 12 more", without a label; nothing for 0 */
void text_note_more(struct render *render, uint64_t more);
/* The same for a shell command: what is copied from several lines is still one command. */
void text_note_command(struct render *render, const char *label, const struct text_line *command);
/* Columns beside a label; SIZE_MAX where lines have no limit. */
size_t text_note_room(const struct render *render);

#endif
