/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The columns of text whose cells have more than one value. Each function adds the cell to an empty line, or nothing.
 */
#ifndef PORTTRACE_RENDER_TEXT_CELLS_H
#define PORTTRACE_RENDER_TEXT_CELLS_H

#include "render/renderer.h"
#include "render/text_line.h"

/* "10.0.0.5:80" */
void text_cell_local(struct text_line *line, const struct report *report, const struct render_options *options);
void text_cell_remote(struct text_line *line, const struct report *report, const struct render_options *options);
/* "2/511": of a listener, the connections that wait for accept(), of at most so many */
void text_cell_queue(struct text_line *line, const struct report *report, const struct render_options *options);
/* "nginx", and in `ls` " +2" where two more processes have the socket open */
void text_cell_netns(struct text_line *line, const struct report *report, const struct render_options *options);
void text_cell_user(struct text_line *line, const struct report *report, const struct render_options *options);
void text_cell_comm(struct text_line *line, const struct report *report, const struct render_options *options);
void text_cell_event_detail(struct text_line *line, const struct report *report,
			    const struct render_options *options);
void text_cell_port_detail(struct text_line *line, const struct report *report,
			   const struct render_options *options);

#endif
