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

/* clang-format off */
/* The options for filters, duration and count, for `porttrace` and `porttrace record`. */
#define TRACE_OPTION_ROWS										\
	OPTION_PORT_ROWS(struct trace_config),								\
	OPTION_PROCESS_ROWS(struct trace_config, 'p'),							\
	OPTION_CGROUP_ROW(struct trace_config),								\
	OPTION_USER_ROW(struct trace_config, 'u'),							\
	OPTION_EVENT_ROWS(struct trace_config),								\
	OPTION_TITLE("The run:"),									\
	OPTION_END_ROWS(struct trace_config, "events"),							\
	OPTION_INTERVAL_ROW(struct trace_config),							\
	OPTION_PROBES_ROW(struct trace_config)
/* clang-format on */

/* The defaults of a trace_config that are not zero. */
#define TRACE_CONFIG_DEFAULTS .settings.record_existing_owners = 1, .stream.interval_s = 1, .backend = -1

/*
 * Runs until a signal or an option ends it; returns an exit_status. `path`: write all events to this capture
 * file, which is replaced; NULL: write no capture. options_set_events() has completed *config.
 */
int trace_run(const struct trace_config *config, const struct renderer *renderer, const char *path);

#endif
