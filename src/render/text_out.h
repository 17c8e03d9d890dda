/* SPDX-License-Identifier: GPL-2.0-only */
/* What every text format writes with: its state, the time column, lines and notes. */
#ifndef PORTTRACE_RENDER_TEXT_OUT_H
#define PORTTRACE_RENDER_TEXT_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "render/fold.h"
#include "render/renderer.h"
#include "render/text_line.h"
#include "util/time_format.h"

struct text_ports; /* rows of `ls` that wait for their widths */

struct render {
	struct render_options options;
	struct time_cache clock;
	size_t time_width; /* of the column, 0 without one */
	bool is_narrow;	   /* the terminal has no room for DETAIL as a column */
	struct fold fold;
	struct text_ports *ports;
	bool many_namespaces;
	bool told_something; /* text_ephemeral.c: in this interval */
	bool told_untimed;   /* likewise: once, that searches are not measured */
	int error; /* -errno of the first write that failed */
};

/* The time column of a line. */
void text_begin(struct render *render, struct text_line *line, uint64_t boot_ns);
void text_write(struct render *render, struct text_line *line);
/* A line that matters more than its looks: never cut. */
void text_write_whole(struct render *render, struct text_line *line);
/* "why", "fix": a label under an event, and words that wrap beside it. */
void text_note(struct render *render, const char *label, const char *text, size_t length);

#endif
