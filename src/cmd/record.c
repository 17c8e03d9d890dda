/* SPDX-License-Identifier: GPL-2.0-only */
/* porttrace record FILE: writes the events of the live stream to a capture file. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/command.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "cmd/trace.h"

struct record_config {
	struct trace_config trace;
	const char *file;
};

/* First member, because the macros of cmd/options.h fill a trace_config. */
_Static_assert(offsetof(struct record_config, trace) == 0, "the rows hold offsets in struct trace_config");

static const struct option_row rows[] = {
	TRACE_OPTION_ROWS,
	OPTION_TITLE("Output:"),
	OPTION_QUIET_ROW(struct trace_config, "no headers or messages"),
	OPTION_VERBOSE_ROW(struct trace_config),
	{0},
};

static void read_argument(const struct option_context *context, const char *text, unsigned int index, void *field)
{
	struct record_config *config = field;

	if (index == 0)
		config->file = text;
	else
		option_ports(context, text, &config->trace.settings);
}

static void check(const struct option_context *context, unsigned int count, void *field)
{
	(void)field;
	if (!count)
		option_misuse(context, "name the file to write, as in 'porttrace record FILE'");
}

static const struct option_table table = {
	.examples = {
		{"sudo porttrace record run.ptr", "every event, until Ctrl-C"},
		{"sudo porttrace record web.ptr 80 443", "only what happens to these ports"},
		{"sudo porttrace record x.ptr -x -d 3600", "only failures, for an hour"},
	},
	.rows = rows,
	.arguments = "FILE [PORT...]",
	.doc = "Record events to FILE (overwritten; '-': standard output), for 'porttrace replay'.",
	.argument = read_argument,
	.check = check,
};

int cmd_record(int argc, char **argv)
{
	struct record_config config = {.trace = {TRACE_CONFIG_DEFAULTS}};

	option_table_parse(&table, argc, argv, &config);
	config.trace.output.argv = argv;
	options_set_events(&config.trace.stream, &config.trace.settings, config.trace.events);
	if (!output_is_open())
		return EXIT_FAILED;
	if (!strcmp(config.file, "-") && isatty(STDOUT_FILENO)) {
		fprintf(stderr, "porttrace: a recording is no text for a terminal; pass it to a program, as in "
				"'porttrace record - | porttrace replay -'\n");
		return EXIT_MISUSED;
	}
	return trace_run(&config.trace, render_find("status-lines"), config.file);
}
