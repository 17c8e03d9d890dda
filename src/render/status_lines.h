/* SPDX-License-Identifier: GPL-2.0-only */
/* A run's beginning and end in words, for people and never among the data. */
#ifndef PORTTRACE_RENDER_STATUS_LINES_H
#define PORTTRACE_RENDER_STATUS_LINES_H

#include <stdio.h>

#include "render/renderer.h"

/* A renderer that says nothing else, for a stream that goes to a file. */
extern const struct renderer render_status_lines;

/* "porttrace 0.1 · Linux 6.12 · probes fentry · 41 sockets in 3 network namespaces" */
void status_lines_start(FILE *err, const struct start_report *report);
/* "1,204 events, 0 lost" */
void status_lines_stop(FILE *err, const struct stop_report *report);

#endif
