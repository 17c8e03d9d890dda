/* SPDX-License-Identifier: GPL-2.0-only */
/* The first line and the totals of a run, on stderr. */
#ifndef PORTTRACE_RENDER_STATUS_LINES_H
#define PORTTRACE_RENDER_STATUS_LINES_H

#include <stdio.h>

#include "render/renderer.h"

/* A renderer that prints only these: for a stream that is recorded to a file. */
extern const struct renderer render_status_lines;

/* "porttrace 0.1 · Linux 6.12 · probes fentry · watching port 3000 · Ctrl-C to end" */
void status_lines_start(FILE *err, const struct start_report *report, size_t width);
/* "1,204 events, 0 lost" */
void status_lines_stop(FILE *err, const struct stop_report *report);

#endif
