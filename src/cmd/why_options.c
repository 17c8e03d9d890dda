/* SPDX-License-Identifier: GPL-2.0-only */
/* TARGET and the options of `why` -> struct why_options. */
#include "cmd/why_options.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/target.h"
#include "util/address.h"

static void parse_question(struct why_options *options, const char *argument, const struct option_context *context)
{
	char error[TARGET_ERROR_SIZE];
	struct target target;

	if (!target_parse(argument, &target, error))
		option_misuse(context, "%s", error);
	if (target.last > target.first)
		option_misuse(context, "'%s': give one port at a time", argument);
	if (options->connect && (!target.has_address || address_is_wildcard(target.address) || !target.first))
		option_misuse(context, "'%s': give the address and the port, as in 127.0.0.1:80", argument);
	options->protocol = target.protocol ? target.protocol : IPPROTO_TCP;
	options->family = target.family;
	options->port = target.first;
	memcpy(options->address, target.address, sizeof(options->address));
	if (target.device[0])
		memcpy(options->device, target.device, sizeof(options->device));
}

static void read_connect(const struct option_context *context, const char *text, void *field)
{
	struct why_options *options = field;

	options->connect = true;
	parse_question(options, text, context);
}

static void read_uid(const struct option_context *context, const char *text, void *field)
{
	struct why_options *options = field;

	options->uid = option_user(context, text);
	options->has_uid = true;
}

static void read_netns(const struct option_context *context, const char *text, void *field)
{
	struct settings_numbers *netns = field;

	netns->count = 0; /* the last one counts */
	option_netns(context, text, netns);
}

static void read_device(const struct option_context *context, const char *text, void *field)
{
	if (!*text || strlen(text) >= IF_NAMESIZE)
		option_misuse(context, "'%s' is not the name of a network device", text);
	strcpy(field, text);
}

/* clang-format off */
static const struct option_row rows[] = {
	OPTION_TITLE("Describe the socket:"),
	OPTION_BITS("reuseaddr", 0, WIRE_REUSEADDR, struct why_options, flags, "it has SO_REUSEADDR"),
	OPTION("no-reuseaddr", 0, NULL, option_true, struct why_options, no_reuseaddr,
	 "it does not have it: the exit status is for such a socket"),
	OPTION_BITS("reuseport", 0, WIRE_REUSEPORT, struct why_options, flags, "it has SO_REUSEPORT"),
	OPTION_BITS("v6only", 0, WIRE_V6ONLY, struct why_options, flags, "it has IPV6_V6ONLY"),
	OPTION_BITS("freebind", 0, WIRE_FREEBIND, struct why_options, flags, "it has IP_FREEBIND"),
	OPTION("device", 0, "NAME", read_device, struct why_options, device, "it is bound to this network device"),
	{.name = "uid", .value = "USER", .read = read_uid, .help = "this user binds it, by name or id"},
	OPTION("netns", 'N', "NETNS", read_netns, struct why_options, netns,
	 "it is in this network namespace: inode number, name or path"),
	OPTION("pid", 'p', "PID", option_process, struct why_options, pid,
	 "this process binds it, with its namespace, user and capabilities"),
	{.name = "connect", .value = "HOST:PORT", .read = read_connect,
	 .help = "ask why a connect() to there fails instead, without connecting"},
	OPTION_TITLE("Output:"),
	OPTION_JSON_ROW(struct why_options, "one JSON object"),
	OPTION_QUIET_ROW(struct why_options, "print nothing: the exit status is the answer"),
	OPTION_VERBOSE_ROW(struct why_options),
	{0},
};
/* clang-format on */

static void read_argument(const struct option_context *context, const char *text, unsigned int index, void *field)
{
	if (index > 0)
		option_misuse(context, "'%s': give one port at a time", text);
	parse_question(field, text, context);
}

static void check(const struct option_context *context, unsigned int count, void *field)
{
	const struct why_options *options = field;

	if (options->connect && (count || options->flags))
		option_misuse(context, count ? "--connect has the address and the port: give no other port" :
					       "--connect: socket options are about bind()");
	if (!count && !options->connect)
		option_misuse(context, "give a port, as in 'porttrace why 80'");
	if (options->flags & WIRE_V6ONLY && options->family == AF_INET)
		option_misuse(context, "--v6only: only an IPv6 socket has this option");
	if (options->no_reuseaddr && options->flags & WIRE_REUSEADDR)
		option_misuse(context, "give --reuseaddr or --no-reuseaddr, not both");
}

static const struct option_table table = {
	.examples = {
		{"sudo porttrace why 8080", "who holds it, and what would free it"},
		{"sudo porttrace why -q udp:53", "only an exit status, for a script"},
		{"sudo porttrace why --connect [::1]:5432", "why a connection there fails"},
	},
	.rows = rows,
	.arguments = "TARGET",
	.doc = "Show who holds a port, whether bind() would succeed now, which rule of the kernel decides and what would "
	       "help. Nothing is bound.\v"
	       "TARGET is a port or service, with an address and a protocol where they matter: 80, http, 127.0.0.1:80, "
	       "localhost:80, *:80, tcp:80, udp/53. The protocol is tcp (the default), udp, mptcp or udplite; tcp4 and "
	       "udp4 mean IPv4, tcp6 and udp6 IPv6. An "
	       "IPv6 address has brackets: [::1]:80. Without an address, porttrace judges a bind to every address, IPv4 "
	       "and IPv6, as most servers do. Port 0 asks whether the kernel would find a free port.\n\n"
	       "bind() is judged without and with SO_REUSEADDR, which nearly every server sets.\n\n"
	       "With --connect, HOST is an address.\n\n"
	       "Exit status: 0 a bind with SO_REUSEADDR (with --no-reuseaddr: without it; with --connect: the connect) would "
	       "succeed, 1 it would not, or that is not known, "
	       "2 misuse, 3 the process or network namespace may not be read.",
	.argument = read_argument,
	.check = check,
};

void why_options_parse(struct why_options *options, int argc, char **argv)
{
	*options = (struct why_options){.output.time = TIME_NONE};
	option_table_parse(&table, argc, argv, options);
}
