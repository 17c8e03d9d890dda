/* SPDX-License-Identifier: GPL-2.0-only */
/* porttrace ephemeral: the churn of the live stream alone, as a table an interval. */
#include "cmd/command.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "cmd/trace.h"

int cmd_ephemeral(int argc, char **argv)
{
	struct options options;

	options_parse(&options, OPTIONS_EPHEMERAL, argc, argv, "",
		      "Tell how fast ephemeral ports are taken, by whom and to where, how full each pool is, and "
		      "when it runs out.\v"
		      "A pool is what connect() may choose from: the ports of one local address towards one peer. "
		      "WAITING are its ports that a TIME_WAIT has.");
	if (!output_is_open())
		return EXIT_FAILED;
	return trace_run(&options, render_find(options.json ? "json" : "ephemeral"), NULL);
}
