/* SPDX-License-Identifier: GPL-2.0-only */
/* Who has the watched ports when the stream begins. */
#ifndef PORTTRACE_RENDER_TEXT_NOW_H
#define PORTTRACE_RENDER_TEXT_NOW_H

#include "render/text_out.h"

/* A listener or bound socket is an entry, connections are counted by state. NULL: that was all. */
void text_now(struct render *render, const struct port_report *report);

#endif
