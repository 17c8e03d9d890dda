/* SPDX-License-Identifier: GPL-2.0-only */
/* The options that every tracing command shares, parsed once, constant from then on. */
#ifndef PORTTRACE_CMD_OPTIONS_H
#define PORTTRACE_CMD_OPTIONS_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

#include "porttrace/settings.h"
#include "render/render.h"
#include "stream/config.h"

enum colour_mode { COLOUR_AUTO, COLOUR_ALWAYS, COLOUR_NEVER };

struct options {
	struct settings settings;
	bool show_churn;
	bool json, quiet, verbose;
	bool listening, all, tcp, udp; /* of ls: -l -a -t -u */
	enum time_style time;
	enum colour_mode colour;
	int backend;		  /* enum backend, or -1 */
	double duration_s;	  /* 0: no end */
	double interval_s;
	uint64_t count;		  /* 0: no end; events, of ephemeral: intervals */
	bool counts_intervals;
	const char *file;	  /* of record and replay */
};

/* Which options a command takes. */
enum options_for { OPTIONS_TRACE, OPTIONS_LS, OPTIONS_RECORD, OPTIONS_REPLAY, OPTIONS_EPHEMERAL };

/*
 * Fills *options from the command line. Errors, --help and --version end the process here (2, 0, 0), as
 * argp does; the message names the option.
 */
void options_parse(struct options *options, enum options_for command, int argc, char **argv,
		   const char *usage, const char *doc);

/* The part that the stream needs. `options` is borrowed by *config. */
void options_for_stream(const struct options *options, struct stream_config *config);
/* The renderer's options: output, time, colour as asked for and as the terminal allows. */
void options_for_render(const struct options *options, struct render_options *render);

#endif
