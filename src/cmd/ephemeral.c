/* SPDX-License-Identifier: GPL-2.0-only */
/* porttrace ephemeral: the port-usage summaries of the live stream, one table per interval. */
#include "cmd/command.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "cmd/trace.h"

static const struct option_row rows[] = {
	OPTION_PORT_ROWS(struct trace_config),
	OPTION_PROCESS_ROWS(struct trace_config, 'p'),
	OPTION_TITLE("The run:"),
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

int cmd_ephemeral(int argc, char **argv)
{
	struct trace_config config = {TRACE_CONFIG_DEFAULTS};

	option_table_parse(&table, argc, argv, &config);
	config.output.argv = argv;
	config.stream.settings = &config.settings;
	config.stream.show_churn = true;
	config.stream.counts_intervals = true;
	if (!output_is_open())
		return EXIT_FAILED;
	return trace_run(&config, render_find(config.output.json ? "json" : "ephemeral"), NULL);
}
