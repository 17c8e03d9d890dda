/* SPDX-License-Identifier: GPL-2.0-only */
/* The explanation below a failure: who has the port, the kernel's rule, what helps. */
#ifndef PORTTRACE_RENDER_TEXT_CONFLICT_H
#define PORTTRACE_RENDER_TEXT_CONFLICT_H

#include "render/text_out.h"

void text_conflict(struct render *render, const struct report *report);
/* "nginx[812] uid 33, up 2 h, 2 workers: LISTEN *:80, nginx.service"; `report`: the event and the socket of the caller */
void text_holder(struct text_line *line, const struct render_options *options, const struct holder *holder,
		 const struct report *report);

/* The command line of the first process, on a terminal in one line; nothing where it is not known. */
void text_put_program(struct render *render, const struct holder *holder);

#endif
