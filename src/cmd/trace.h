/* SPDX-License-Identifier: GPL-2.0-only */
/* The live stream: what `porttrace`, `porttrace ephemeral` and `porttrace record` share. */
#ifndef PORTTRACE_CMD_TRACE_H
#define PORTTRACE_CMD_TRACE_H

#include "cmd/options.h"
#include "render/render.h"

struct trace_config {
	struct settings settings;
	uint32_t events; /* --event; 0: the default events */
	struct stream_config stream;
	int backend; /* enum backend, or -1 for the best */
	struct output_config output;
};

/* The defaults of a trace_config, where they are not zero. */
#define TRACE_CONFIG_DEFAULTS .settings.record_existing_owners = 1, .stream.interval_s = 1, .backend = -1

/*
 * Runs until a signal or an option ends it; returns an exit_status. `path`: write all events to this capture
 * file, which is replaced; NULL: write no capture. options_set_events() has completed *config.
 */
int trace_run(const struct trace_config *config, const struct renderer *renderer, const char *path);

#endif
