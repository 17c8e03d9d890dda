/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Options that several commands share: rows of an option table, and the parts of a config struct that these rows
 * fill. CONFIG is the config struct of the command; the comment of each macro names the members that it must have.
 * A command's own rows and config struct are in its own file.
 */
#ifndef PORTTRACE_CMD_OPTIONS_H
#define PORTTRACE_CMD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cmd/option_table.h"
#include "cmd/option_values.h"
#include "porttrace/settings.h"
#include "render/render.h"
#include "stream/config.h"

enum colour_mode { COLOUR_AUTO, COLOUR_ALWAYS, COLOUR_NEVER };

struct output_config {
	bool json, quiet, verbose;
	enum time_style time;
	enum colour_mode colour;
	char *const *argv; /* of the command, for messages that repeat it */
};

/* clang-format off */
/* CONFIG has: struct settings settings */
#define OPTION_PORT_ROWS(CONFIG)									\
	OPTION_TITLE("Filters for ports and addresses (values are separated by commas):"),		\
	OPTION("port", 'P', "PORT", option_ports, CONFIG, settings,					\
	       "only these local ports: 80,443,8000-8100, http, udp/53, 127.0.0.1:80"),						\
	OPTION("remote-port", 'D', "PORT", option_remote_ports, CONFIG, settings,				\
	       "only these remote ports"),								\
	OPTION("local", 0, "ADDR[/N]", option_networks, CONFIG, settings.local,				\
	       "only local addresses in these networks"),						\
	OPTION("remote", 0, "ADDR[/N]", option_networks, CONFIG, settings.remote,			\
	       "only remote addresses in these networks"),						\
	OPTION("protocol", 0, "NAME", option_protocols, CONFIG, settings.protocols,			\
	       "only these protocols, by number or name: tcp, udp, mptcp, udplite, sctp"),			\
	OPTION_BITS("ipv4", '4', 1, CONFIG, settings.ipv4,						\
	       "only IPv4, including IPv4-mapped IPv6 addresses"),					\
	OPTION_BITS("ipv6", '6', 1, CONFIG, settings.ipv6, "only IPv6")

/* CONFIG has: struct settings settings; PID: the letter of --pid, or 0 where -p has another meaning */
#define OPTION_PROCESS_ROWS(CONFIG, PID)								\
	OPTION_TITLE("Filters for processes:"),								\
	OPTION("pid", PID, "PID", option_pids, CONFIG, settings.pids, "only these processes"),		\
	OPTION("comm", 'c', "NAME", option_comms, CONFIG, settings.comms,				\
	       "only processes of these names"),							\
	OPTION("netns", 'N', "NETNS", option_netns, CONFIG, settings.netns,				\
	       "only these network namespaces: inode number, name or path")

/* CONFIG has: struct settings settings */
#define OPTION_CGROUP_ROW(CONFIG)									\
	OPTION("cgroup", 0, "PATH", option_cgroup, CONFIG, settings,					\
	       "only processes in this cgroup (v2) and the cgroups below it")

/* CONFIG has: struct settings settings; letter: 'u', or 0 where -u means --udp */
#define OPTION_USER_ROW(CONFIG, LETTER)									\
	OPTION("user", LETTER, "USER", option_users, CONFIG, settings.uids,				\
	       "only processes of these users, by name or id")

/* CONFIG has: struct settings settings; uint32_t events */
#define OPTION_EVENT_ROWS(CONFIG)									\
	OPTION_TITLE("Filters for events:"),								\
	OPTION("event", 'e', "EVENT", option_events, CONFIG, events,					\
	       "only these events: bind, listen, connect, accept, close, timewait, release, churn, all"),	\
	OPTION_BITS("failed", 'x', 1, CONFIG, settings.failed_only, "only failures")

/* CONFIG has: struct stream_config stream; WHAT is counted: "events" or "intervals" */
#define OPTION_END_ROWS(CONFIG, WHAT)									\
	OPTION("duration", 'd', "SECONDS", option_seconds, CONFIG, stream.duration_s,			\
	       "stop after this time"),									\
	OPTION("count", 'n', "N", option_count, CONFIG, stream.count, "stop after N " WHAT)

/* CONFIG has: struct stream_config stream */
#define OPTION_INTERVAL_ROW(CONFIG)									\
	OPTION("interval", 'i', "SECONDS", option_seconds, CONFIG, stream.interval_s,			\
	       "seconds between port-usage summaries (default: 1)")

/* CONFIG has: int backend: enum backend, or -1 for the best */
#define OPTION_PROBES_ROW(CONFIG)									\
	OPTION("probes", 0, "BACKEND", option_probes, CONFIG, backend,					\
	       "the probes: auto, fentry, kprobe, tracepoint")

/* CONFIG has: struct output_config output */
#define OPTION_JSON_ROW(CONFIG, HELP)									\
	OPTION("json", 0, NULL, option_true, CONFIG, output.json, HELP)
#define OPTION_QUIET_ROW(CONFIG, HELP)									\
	OPTION("quiet", 'q', NULL, option_true, CONFIG, output.quiet, HELP)
#define OPTION_VERBOSE_ROW(CONFIG)									\
	OPTION("verbose", 'v', NULL, option_true, CONFIG, output.verbose, "also print libbpf messages")

/* CONFIG has: struct output_config output */
#define OPTION_OUTPUT_ROWS(CONFIG)									\
	OPTION_JSON_ROW(CONFIG, "one JSON object per line"),						\
	OPTION("time", 0, "STYLE", option_time, CONFIG, output.time,					\
	       "the first column: wall, relative, iso, none"),						\
	OPTION("color", 0, "WHEN", option_color, CONFIG, output.colour, "when to use colour: auto, always, never"),	\
	OPTION_QUIET_ROW(CONFIG, "no headers or messages"),						\
	OPTION_VERBOSE_ROW(CONFIG)

/* clang-format on */

/*
 * Completes *stream and *settings from --event (0: the default events), and makes *stream borrow *settings. Both
 * must stay where they are.
 */
void options_set_events(struct stream_config *stream, struct settings *settings, uint32_t events);
/* The renderer's options: output to stdout, time, colour as the options and the terminal say. */
void options_for_render(const struct output_config *output, struct render_options *render);

#endif
