/* SPDX-License-Identifier: GPL-2.0-only */
/* The option rows, a table for each sort of command, parsed by argp: a row is an option, its value's name
 * and its line of --help. */
#include "cmd/options.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cmd/command.h"
#include "cmd/option_values.h"

enum {
	KEY_LOCAL = 256,
	KEY_REMOTE,
	KEY_PROTOCOL,
	KEY_CGROUP,
	KEY_JSON,
	KEY_TIME,
	KEY_COLOR,
	KEY_PROBES,
	KEY_USER, /* --user where -u means --udp */
	KEY_UDP,
};

/* clang-format off */
#define FILTER_ROWS                                                                                    \
	{"pid", 'p', "PID", 0, "only these processes", 1},                                             \
	{"comm", 'c', "NAME", 0, "only processes of these names", 1},                                  \
	{"port", 'P', "PORT", 0, "only these local ports: 80,443,8000-8100; as bare arguments", 1},    \
	{"remote-port", 'D', "PORT", 0, "only these remote ports", 1},                                 \
	{"local", KEY_LOCAL, "ADDR[/N]", 0, "only local addresses in this network", 1},                \
	{"remote", KEY_REMOTE, "ADDR[/N]", 0, "only remote addresses in this network", 1},             \
	{"protocol", KEY_PROTOCOL, "NAME", 0, "only tcp, udp, mptcp, udplite, or a number", 1},        \
	{"ipv4", '4', NULL, 0, "only IPv4, mapped addresses included", 1},                             \
	{"ipv6", '6', NULL, 0, "only IPv6", 1},                                                        \
	{"netns", 'N', "NETNS", 0, "only this network namespace: inode number, name or path", 1}

#define CGROUP_ROW {"cgroup", KEY_CGROUP, "PATH", 0, "only processes in this cgroup (v2) and below", 1}

#define EVENT_ROWS                                                                                     \
	{"user", 'u', "USER", 0, "only processes of these users, by name or id", 1},                   \
	{"event", 'e', "EVENT", 0, "only these events: bind, listen, connect, accept, close, "         \
				   "timewait, release, churn", 1},                                     \
	{"failed", 'x', NULL, 0, "only failures", 1}

#define END_ROWS                                                                                       \
	{NULL, 0, NULL, 0, "The run:", 2},                                                             \
	{"duration", 'd', "SECONDS", 0, "stop after this time", 2},                                    \
	{"count", 'n', "N", 0, "stop after N events", 2}

#define LIVE_ROWS                                                                                      \
	{"interval", 'i', "SECONDS", 0, "how often churn is told (1)", 2},                             \
	{"probes", KEY_PROBES, "BACKEND", 0, "auto, fentry, kprobe or tracepoint", 2}

#define REMARK_ROWS                                                                                    \
	{"quiet", 'q', NULL, 0, "no headers, no remarks", 3},                                          \
	{"verbose", 'v', NULL, 0, "what was tried, and libbpf's own words", 3},                        \
	{"version", 'V', NULL, 0, "print the version", -1},                                            \
	{"help", 'h', NULL, 0, "print this help", -1}

#define OUTPUT_ROWS                                                                                    \
	{"json", KEY_JSON, NULL, 0, "one JSON object a line", 3},                                      \
	{"time", KEY_TIME, "STYLE", 0, "wall, relative, iso or none", 3},                              \
	{"color", KEY_COLOR, "WHEN", 0, "auto, always or never", 3},                                   \
	REMARK_ROWS

#define FILTER_TITLE {NULL, 0, NULL, 0, "Filters (lists are separated by commas):", 1}
#define OUTPUT_TITLE {NULL, 0, NULL, 0, "Output:", 3}

static const struct argp_option trace_rows[] = {
	FILTER_TITLE, FILTER_ROWS, CGROUP_ROW, EVENT_ROWS,
	END_ROWS, LIVE_ROWS,
	OUTPUT_TITLE, OUTPUT_ROWS,
	{0},
};

static const struct argp_option record_rows[] = {
	FILTER_TITLE, FILTER_ROWS, CGROUP_ROW, EVENT_ROWS,
	END_ROWS, LIVE_ROWS,
	OUTPUT_TITLE, REMARK_ROWS,
	{0},
};

static const struct argp_option replay_rows[] = {
	FILTER_TITLE, FILTER_ROWS, EVENT_ROWS,
	END_ROWS,
	OUTPUT_TITLE, OUTPUT_ROWS,
	{0},
};

static const struct argp_option ephemeral_rows[] = {
	{NULL, 0, NULL, 0, "Filters (lists are separated by commas), of pools and processes:", 1},
	FILTER_ROWS,
	{NULL, 0, NULL, 0, "The run:", 2},
	{"duration", 'd', "SECONDS", 0, "stop after this time", 2},
	{"count", 'n', "N", 0, "stop after N intervals", 2},
	{"interval", 'i', "SECONDS", 0, "the length of an interval (1)", 2},
	{"probes", KEY_PROBES, "BACKEND", 0, "auto, fentry, kprobe or tracepoint", 2},
	OUTPUT_TITLE, OUTPUT_ROWS,
	{0},
};

static const struct argp_option ls_rows[] = {
	{NULL, 0, NULL, 0, "What, as ss means it:", 1},
	{"tcp", 't', NULL, 0, "TCP sockets (and MPTCP)", 1},
	{"udp", 'u', NULL, 0, "UDP sockets", 1},
	{"listening", 'l', NULL, 0, "only sockets that wait for peers", 1},
	{"all", 'a', NULL, 0, "all sockets (the default)", 1},
	FILTER_ROWS, CGROUP_ROW,
	{"user", KEY_USER, "USER", 0, "only processes of these users, by name or id", 1},
	OUTPUT_TITLE, OUTPUT_ROWS,
	{0},
};
/* clang-format on */

static void parse_count(struct options *options, const char *text, struct argp_state *state)
{
	unsigned long count = 0;

	if (!option_number(text, 1, ULONG_MAX, &count))
		argp_error(state, "--count: '%s' is no whole number above 0", text);
	options->count = count;
}

/* Options whose value is a list that narrows what is seen. */
static option_fn filter_of(int key)
{
	switch (key) {
	case ARGP_KEY_ARG:
	case 'P':
		return option_local_port;
	case 'D':
		return option_remote_port;
	case 'p':
		return option_pid;
	case 'c':
		return option_comm;
	case 'u':
	case KEY_USER:
		return option_user;
	case 'N':
		return option_netns;
	case 'e':
		return option_event;
	case KEY_LOCAL:
		return option_local;
	case KEY_REMOTE:
		return option_remote;
	case KEY_PROTOCOL:
		return option_protocol;
	default:
		return NULL;
	}
}

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
	static const char *const times[] = {"wall", "relative", "iso", "none", NULL};
	static const char *const colours[] = {"auto", "always", "never", NULL};
	static const char *const probes[] = {"auto", "fentry", "kprobe", "tracepoint", NULL};
	struct options *options = state->input;

	if (filter_of(key)) {
		option_list(options, arg, filter_of(key), state);
		return 0;
	}
	switch (key) {
	case KEY_CGROUP:
		option_cgroup(options, arg, state);
		return 0;
	case '4':
		options->settings.ipv4 = 1;
		return 0;
	case '6':
		options->settings.ipv6 = 1;
		return 0;
	case 'x':
		options->settings.failed_only = 1;
		return 0;
	case 'd':
		options->duration_s = option_seconds(arg, "--duration", state);
		return 0;
	case 'i':
		options->interval_s = option_seconds(arg, "--interval", state);
		return 0;
	case 'n':
		parse_count(options, arg, state);
		return 0;
	case KEY_JSON:
		options->json = true;
		return 0;
	case KEY_TIME:
		options->time = (enum time_style)option_choice(arg, "--time", times, state);
		return 0;
	case KEY_COLOR:
		options->colour = (enum colour_mode)option_choice(arg, "--color", colours, state);
		return 0;
	case KEY_PROBES:
		options->backend = option_choice(arg, "--probes", probes, state) - 1;
		return 0;
	case 'q':
		options->quiet = true;
		return 0;
	case 'v':
		options->verbose = true;
		return 0;
	case 'h':
		argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
		return 0;
	case 'V':
		printf("porttrace %s\n", PORTTRACE_VERSION);
		exit(EXIT_DONE);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_ls(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 't':
		options->tcp = true;
		return 0;
	case 'u':
		options->udp = true;
		return 0;
	case 'l':
		options->listening = !options->all;
		return 0;
	case 'a': /* wins over -l, as in ss */
		options->all = true;
		options->listening = false;
		return 0;
	default:
		return parse_common(key, arg, state);
	}
}

/* It is about ports that nobody asked for: a bare one is a mistake. */
static error_t parse_ephemeral(int key, char *arg, struct argp_state *state)
{
	if (key == ARGP_KEY_ARG)
		argp_error(state, "'%s': it takes no arguments; to see one destination port, -D", arg);
	return parse_common(key, arg, state);
}

/* The file first, then ports. */
static error_t parse_capture(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	if (key == ARGP_KEY_NO_ARGS)
		argp_error(state, "which file?");
	if (key != ARGP_KEY_ARG || state->arg_num > 0)
		return parse_common(key, arg, state);
	options->file = arg;
	return 0;
}

void options_parse(struct options *options, enum options_for command, int argc, char **argv,
		   const char *usage, const char *doc)
{
	static const struct {
		const struct argp_option *rows;
		argp_parser_t parse;
	} commands[] = {
		[OPTIONS_TRACE] = {trace_rows, parse_common},
		[OPTIONS_LS] = {ls_rows, parse_ls},
		[OPTIONS_RECORD] = {record_rows, parse_capture},
		[OPTIONS_REPLAY] = {replay_rows, parse_capture},
		[OPTIONS_EPHEMERAL] = {ephemeral_rows, parse_ephemeral},
	};
	struct argp argp = {
		.options = commands[command].rows,
		.parser = commands[command].parse,
		.args_doc = usage,
		.doc = doc,
	};

	*options = (struct options){.backend = -1, .interval_s = 1};
	argp_err_exit_status = EXIT_MISUSED;
	argp_parse(&argp, argc, argv, ARGP_NO_HELP, NULL, options);
	if (command == OPTIONS_EPHEMERAL) {
		options->show_churn = true;
		options->counts_intervals = true;
	} else if (!options->settings.kinds && !options->show_churn) {
		options->settings.kinds = 1U << WIRE_BIND | 1U << WIRE_LISTEN | 1U << WIRE_CONNECT |
					  1U << WIRE_CLOSE;
		options->show_churn = !options->settings.failed_only;
	}
	options->settings.record_existing_owners = command == OPTIONS_TRACE || command == OPTIONS_RECORD ||
					 command == OPTIONS_EPHEMERAL;
}

void options_for_stream(const struct options *options, struct stream_config *config)
{
	*config = (struct stream_config){
		.settings = &options->settings,
		.show_churn = options->show_churn,
		.duration_s = options->duration_s,
		.interval_s = options->interval_s,
		.count = options->count,
		.counts_intervals = options->counts_intervals,
	};
}

static bool wants_colour(const struct options *options)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	if (options->colour != COLOUR_AUTO)
		return options->colour == COLOUR_ALWAYS;
	return isatty(STDOUT_FILENO) && !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

void options_for_render(const struct options *options, struct render_options *render)
{
	struct winsize size = {0};
	int64_t boot = clock_ns(CLOCK_BOOTTIME);

	*render = (struct render_options){
		.out = stdout,
		.err = stderr,
		.boot_to_wall_ns = clock_ns(CLOCK_REALTIME) - boot,
		.start_boot_ns = (uint64_t)boot,
		.time = options->time,
		.colour = wants_colour(options),
		.quiet = options->quiet,
		.verbose = options->verbose,
	};
	if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		render->width = size.ws_col;
}
