/* SPDX-License-Identifier: GPL-2.0-only */
/* The live stream, as `porttrace` shows it and `porttrace record` keeps it. */
#ifndef PORTTRACE_CMD_TRACE_H
#define PORTTRACE_CMD_TRACE_H

#include "cmd/options.h"
#include "render/render.h"

/*
 * Runs until a signal or an option ends it; an exit_status. `path`: the capture file that all events go
 * to, replaced; NULL: none.
 */
int trace_run(const struct options *options, const struct renderer *renderer, const char *path);

#endif
