/* SPDX-License-Identifier: GPL-2.0-only */
/* The port table as text. */
#ifndef PORTTRACE_RENDER_TEXT_PORTS_H
#define PORTTRACE_RENDER_TEXT_PORTS_H

#include "render/text_out.h"

void text_port(struct render *render, const struct port_report *report);
/* A line below the table for the TIME_WAITs that are not in it. */
void text_timewaits(struct render *render, uint64_t count);
void text_ports_write(struct render *render);
void text_ports_free(struct render *render);

#endif
