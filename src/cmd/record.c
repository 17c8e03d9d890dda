/* SPDX-License-Identifier: GPL-2.0-only */
/* porttrace record FILE: the live stream, kept as the kernel sent it and not shown. */
#include "cmd/command.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "cmd/trace.h"

int cmd_record(int argc, char **argv)
{
	struct options options;

	options_parse(&options, OPTIONS_RECORD, argc, argv, "FILE [PORT...]",
		      "Keep what the kernel sends in FILE, which is replaced, for 'porttrace replay'.");
	if (!output_is_open())
		return EXIT_FAILED;
	return trace_run(&options, render_find("status-lines"), options.file);
}
