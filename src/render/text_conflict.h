/* SPDX-License-Identifier: GPL-2.0-only */
/* Under a failure: who has the port, why that refuses the call, and what would help. */
#ifndef PORTTRACE_RENDER_TEXT_CONFLICT_H
#define PORTTRACE_RENDER_TEXT_CONFLICT_H

#include "render/text_out.h"

void text_conflict(struct render *render, const struct report *report);
/* "nginx[812], 2 workers: LISTEN *:80, nginx.service"; `report` has the event and the caller's socket */
void text_holder(struct text_line *line, const struct holder *holder, const struct report *report);

#endif
