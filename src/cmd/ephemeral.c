/* SPDX-License-Identifier: GPL-2.0-only */
/* porttrace ephemeral: the port-usage summaries of the live stream, one table per interval; or the servers in the range. */
#include <stdio.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "cmd/trace.h"
#include "model/wire_check.h"
#include "source/machine.h"
#include "source/scan_source.h"
#include "stream/audit.h"
#include "util/clock.h"

struct ephemeral_config {
	struct trace_config trace; /* first: option rows have its offsets */
	bool audit;
};

static const struct option_row rows[] = {
	OPTION_PORT_ROWS(struct trace_config),
	OPTION_PROCESS_ROWS(struct trace_config, 'p'),
	OPTION_TITLE("The run:"),
	OPTION("audit", 0, NULL, option_true, struct ephemeral_config, audit,
	       "list the servers inside the ephemeral range, and how to reserve their ports"),
	OPTION_END_ROWS(struct trace_config, "intervals"),
	OPTION_INTERVAL_ROW(struct trace_config),
	OPTION_PROBES_ROW(struct trace_config),
	OPTION_TITLE("Output:"),
	OPTION_OUTPUT_ROWS(struct trace_config),
	{0},
};

static void refuse_argument(const struct option_context *context, const char *text, unsigned int index, void *field)
{
	(void)index;
	(void)field;
	option_misuse(context, "'%s': this command takes no arguments; -D PORT selects a destination port", text);
}

static const struct option_table table = {
	.examples = {
		{"sudo porttrace ephemeral", "how full each pool is and who fills it"},
		{"sudo porttrace ephemeral -D 5432", "only ports of connections to port 5432"},
		{"sudo porttrace ephemeral -i 10 -n 6", "one minute, a table for every 10 seconds"},
	},
	.rows = rows,
	.doc = "Show how fast ephemeral ports are taken, by which processes and to which destinations, how full each "
	       "pool is, and when it runs out.\v"
	       "A pool is the set of ports that connect() can choose from: those of one local address towards one "
	       "destination. WAITING counts the ports of a pool that are in TIME_WAIT.",
	.argument = refuse_argument,
};

struct audit {
	const struct trace_config *config;
	const struct renderer *renderer;
	struct render *render;
	struct lookup lookup;
	size_t invalid;
};

static void on_event(void *context, const void *data, size_t size)
{
	struct audit *audit = context;
	union wire_event event;

	if (wire_check(data, size, &event) || model_apply(audit->lookup.model, &event.hdr))
		audit->invalid++;
}

/* 0 or -ENOMEM. A namespace that ended meanwhile is skipped. */
static int audit_namespace(struct audit *audit, uint32_t netns)
{
	static struct audit_settings settings;
	struct wire_netns read = {0};
	int err = machine_netns_read(audit->lookup.source, netns, &read, settings.reserved);

	if (err) {
		fprintf(stderr, "porttrace: network namespace %u could not be entered: %s\n", netns, strerror(-err));
		return 0;
	}
	settings.range_low = read.range_low;
	settings.range_high = read.range_high;
	return audit_report(&audit->lookup, netns, &settings, audit->renderer, audit->render, clock_boot_ns());
}

static int audit_scan(struct audit *audit)
{
	const struct kernel_options kernel = {
		.settings = &audit->config->settings,
		.backend = -1,
		.verbose = audit->config->output.verbose,
	};
	const struct socket_query all_sockets = {0};
	char reason[256] = "";
	int err;

	audit->lookup.source = scan_source_open(&kernel, on_event, audit, reason, sizeof(reason));
	if (!audit->lookup.source) {
		fprintf(stderr, "porttrace: %s\n", reason);
		return EXIT_FAILED;
	}
	err = audit->lookup.source->ops->scan(audit->lookup.source, &all_sockets, on_event, audit);
	if (err) {
		fprintf(stderr, "porttrace: cannot read the sockets: %s\n", strerror(-err));
		return EXIT_FAILED;
	}
	for (size_t i = 0; !err && i < machine_netns_count(audit->lookup.source); i++) {
		uint32_t netns = machine_netns_get(audit->lookup.source, i);

		if (stream_config_wants_netns(&audit->config->stream, netns))
			err = audit_namespace(audit, netns);
	}
	if (!err)
		err = audit->renderer->flush(audit->render, 0);
	return err ? output_failed(err) : EXIT_DONE;
}

static int audit_run(const struct trace_config *config, const struct renderer *renderer)
{
	struct audit audit = {.config = config, .renderer = renderer};
	struct render_options render;
	int status = EXIT_FAILED;

	options_for_render(&config->output, &render);
	if (config->settings.netns.count == 1)
		render.own_netns = config->settings.netns.values[0];
	audit.render = renderer->open(&render);
	audit.lookup.model = model_new(NULL);
	if (audit.render && audit.lookup.model)
		status = audit_scan(&audit);
	else
		fprintf(stderr, "porttrace: out of memory\n");
	if (audit.lookup.source)
		audit.lookup.source->ops->close(audit.lookup.source);
	model_free(audit.lookup.model);
	if (audit.render)
		renderer->close(audit.render);
	return status;
}

int cmd_ephemeral(int argc, char **argv)
{
	struct ephemeral_config config = {.trace = {TRACE_CONFIG_DEFAULTS}};
	struct trace_config *trace = &config.trace;
	const struct renderer *renderer;

	option_table_parse(&table, argc, argv, &config);
	trace->output.argv = argv;
	trace->stream.settings = &trace->settings;
	trace->stream.show_churn = trace->stream.shows_pools = true;
	trace->stream.counts_intervals = true;
	if (!output_is_open())
		return EXIT_FAILED;
	renderer = render_find(trace->output.json ? "json" : "ephemeral");
	return config.audit ? audit_run(trace, renderer) : trace_run(trace, renderer, NULL);
}
