/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the text format share: its state, its columns, and the lines they all make. */
#ifndef PORTTRACE_RENDER_TEXT_H
#define PORTTRACE_RENDER_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "render/fold.h"
#include "render/render.h"
#include "render/text_line.h"
#include "util/time_format.h"

/* Where the columns of the stream begin. */
struct text_columns {
	size_t event, protocol, local, remote, pid, comm, detail;
	bool narrow; /* no room for DETAIL: it goes where a missing peer leaves REMOTE empty */
};

struct text_ports; /* rows of `ls` that wait for their widths */

struct render {
	struct render_options options;
	struct time_cache clock;
	struct text_columns columns;
	struct fold fold;
	struct text_ports *ports;
	bool many_namespaces;
	bool told_something; /* text_ephemeral.c: in this interval */
	bool told_untimed;   /* likewise: once, that searches are not measured */
	int error; /* -errno of the first write that failed */
};

/* text.c */
void text_begin(struct render *render, struct text_line *line, uint64_t boot_ns);
void text_write(struct render *render, struct text_line *line);
/* A line that matters more than its looks: never cut. */
void text_write_whole(struct render *render, struct text_line *line);

/* text_words.c: parts that several lines have in common */
void text_who(struct text_line *line, const char *comm, uint32_t pid);
/* A separator, unless the line is empty; then the caller adds the item. */
void text_item(struct text_line *line);
void text_options(struct text_line *line, const struct wire_sock *sk);
void text_interface(struct text_line *line, const char *interface);
void text_place(struct text_line *line, const struct process *process);
/* "why", "fix": a label under an event, and words that wrap beside it. */
void text_note(struct render *render, const char *label, const char *text, size_t length);

/* text_conflict.c */
void text_conflict(struct render *render, const struct report *report);
/* "nginx[812], 2 workers: LISTEN *:80, nginx.service"; `report` has the event and the caller's socket */
void text_holder(struct text_line *line, const struct holder *holder, const struct report *report);

/* text_why.c */
void text_why(struct render *render, const struct why_report *report);

/* text_churn.c */
/* How many ports were not to be had, marked as a failure; nothing for 0. */
void text_failed(struct text_line *line, uint64_t count);
void text_churn(struct render *render, const struct churn *churn, struct model *model,
		uint64_t boot_ns);

void text_warning(struct render *render, const struct warning *warning, uint64_t boot_ns);

/* text_ports.c */
void text_port(struct render *render, const struct port_report *report);
void text_ports_write(struct render *render);
void text_ports_free(struct render *render);

#endif
