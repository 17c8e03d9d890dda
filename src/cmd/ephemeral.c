/* SPDX-License-Identifier: GPL-2.0-only */
/* porttrace ephemeral: the port-usage summaries of the live stream, one table per interval; or the servers in the range. */
#include <stdio.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "cmd/socket_scan.h"
#include "cmd/trace.h"
#include "source/machine.h"
#include "stream/audit.h"

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
	const struct renderer *renderer;
	struct render *render;
	struct socket_scan scan;
};

/* 0 or -ENOMEM. A namespace that ended meanwhile is skipped. */
static int audit_namespace(struct audit *audit, uint32_t netns)
{
	static struct audit_settings settings;
	struct wire_netns read = {0};
	int err = machine_netns_read(audit->scan.lookup.source, netns, &read, settings.reserved);

	if (err) {
		fprintf(stderr, "porttrace: network namespace %u could not be entered: %s\n", netns, strerror(-err));
		return 0;
	}
	settings.range_low = read.range_low;
	settings.range_high = read.range_high;
	return audit_report(&audit->scan.lookup, netns, &settings, audit->renderer, audit->render, audit->scan.boot_ns);
}

static int audit_all(struct audit *audit, const struct stream_config *config)
{
	const struct source *source = audit->scan.lookup.source;
	int err = 0;

	for (size_t i = 0; !err && i < machine_netns_count(source); i++) {
		uint32_t netns = machine_netns_get(source, i);

		if (stream_config_wants_netns(config, netns))
			err = audit_namespace(audit, netns);
	}
	return err ? err : audit->renderer->flush(audit->render, 0);
}

static int audit_run(const struct trace_config *config, const struct renderer *renderer)
{
	struct audit audit = {.renderer = renderer};
	struct render_options render;
	int status = EXIT_FAILED, err;

	options_for_render(&config->output, &render);
	if (config->settings.netns.count == 1)
		render.own_netns = config->settings.netns.values[0];
	audit.render = renderer->open(&render);
	if (audit.render)
		status = socket_scan_run(&audit.scan, &config->settings, &config->output);
	else
		fprintf(stderr, "porttrace: out of memory\n");
	if (status == EXIT_DONE) {
		err = audit_all(&audit, &config->stream);
		status = err ? output_failed(err) : socket_scan_status(&audit.scan);
	}
	socket_scan_done(&audit.scan);
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
