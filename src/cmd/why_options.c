/* SPDX-License-Identifier: GPL-2.0-only */
/* [PROTO:][ADDRESS:]PORT and the options of `why` -> struct why_options. */
#include "cmd/why_options.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/command.h"
#include "util/address.h"

#ifndef IPPROTO_MPTCP /* glibc 2.32 */
#define IPPROTO_MPTCP 262
#endif

/* clang-format off */
static const struct {
	const char *name;
	uint16_t protocol, family;
} protocols[] = {
	{"tcp",     IPPROTO_TCP,     0},
	{"tcp4",    IPPROTO_TCP,     AF_INET},
	{"tcp6",    IPPROTO_TCP,     AF_INET6},
	{"udp",     IPPROTO_UDP,     0},
	{"udp4",    IPPROTO_UDP,     AF_INET},
	{"udp6",    IPPROTO_UDP,     AF_INET6},
	{"mptcp",   IPPROTO_MPTCP,   0},
	{"udplite", IPPROTO_UDPLITE, 0},
};
/* clang-format on */

/* Removes "udp:" from the front; without a protocol, it is tcp. */
static char *take_protocol(struct why_options *options, char *text)
{
	options->protocol = IPPROTO_TCP;
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		size_t length = strlen(protocols[i].name);

		if (strncmp(text, protocols[i].name, length) == 0 && text[length] == ':') {
			options->protocol = protocols[i].protocol;
			options->family = protocols[i].family;
			return text + length + 1;
		}
	}
	return text;
}

/* A number, or a name of /etc/services. */
static bool parse_port(struct why_options *options, const char *text)
{
	bool is_udp = options->protocol == IPPROTO_UDP || options->protocol == IPPROTO_UDPLITE;
	const struct servent *service;
	unsigned long port = 0;

	if (option_number(text, 0, 65535, &port)) {
		options->port = (uint16_t)port;
		return true;
	}
	service = getservbyname(text, is_udp ? "udp" : "tcp");
	if (!service)
		return false;
	options->port = ntohs((uint16_t)service->s_port);
	return true;
}

/* "" and "*" are every address; the name of the protocol then decides the family. */
static bool parse_address(struct why_options *options, char *text)
{
	char *device = strchr(text, '%');
	uint16_t family = strchr(text, ':') ? AF_INET6 : AF_INET;
	unsigned int prefix;

	if (!*text || strcmp(text, "*") == 0)
		return true;
	if (device)
		*device++ = '\0';
	if (device && (family == AF_INET || !*device || strlen(device) >= sizeof(options->device)))
		return false;
	if (strchr(text, '/') || address_parse(text, options->address, &prefix))
		return false;
	if (options->family && options->family != family)
		return false;
	options->family = family;
	if (device)
		strcpy(options->device, device);
	return true;
}

static void parse_question(struct why_options *options, const char *argument, const struct option_context *context)
{
	char *copy = strdup(argument), *address = "", *port, *text, *end;

	if (!copy) {
		fprintf(stderr, "porttrace: out of memory\n");
		exit(EXIT_FAILED);
	}
	port = text = take_protocol(options, copy);
	end = *text == '[' ? strchr(text, ']') : strrchr(text, ':');
	if (*text == '[') {
		if (!end || end[1] != ':')
			option_misuse(context, "'%s': [ADDRESS] is followed by :PORT, as in [::1]:80", argument);
		*end++ = '\0';
		address = text + 1;
	} else if (end) {
		address = text;
	}
	if (end) {
		*end = '\0';
		port = end + 1;
	}
	if (*text != '[' && strchr(address, ':'))
		option_misuse(context, "'%s': an IPv6 address needs brackets, as in [::1]:80", argument);
	if (*text == '[' && !strchr(address, ':'))
		option_misuse(context, "'%s': only an IPv6 address has brackets", argument);
	if (!parse_port(options, port))
		option_misuse(context, "'%s' is not a port (0 to 65535) or a service of /etc/services", port);
	if (!parse_address(options, address))
		option_misuse(context, "'%s': '%s' is not an address of that protocol", argument, address);
	free(copy);
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

	if (!count)
		option_misuse(context, "give a port, as in 'porttrace why 80'");
	if (options->flags & WIRE_V6ONLY && options->family == AF_INET)
		option_misuse(context, "--v6only: only an IPv6 socket has this option");
	if (options->no_reuseaddr && options->flags & WIRE_REUSEADDR)
		option_misuse(context, "give --reuseaddr or --no-reuseaddr, not both");
}

static const struct option_table table = {
	.rows = rows,
	.arguments = "[PROTO:][ADDRESS:]PORT",
	.doc = "Show who holds a port, whether bind() would succeed now, which rule of the kernel decides and what would "
	       "help. Nothing is bound.\v"
	       "PROTO is tcp (the default), udp, mptcp or udplite; tcp4 and udp4 mean IPv4, tcp6 and udp6 IPv6. An "
	       "IPv6 address has brackets: [::1]:80. Without an address, porttrace judges a bind to every address, IPv4 "
	       "and IPv6, as most servers do. Port 0 asks whether the kernel would find a free port.\n\n"
	       "bind() is judged without and with SO_REUSEADDR, which nearly every server sets.\n\n"
	       "Exit status: 0 a bind with SO_REUSEADDR (with --no-reuseaddr: without it) would succeed, 1 it would not, "
	       "2 misuse, 3 privileges are missing.",
	.argument = read_argument,
	.check = check,
};

void why_options_parse(struct why_options *options, int argc, char **argv)
{
	*options = (struct why_options){.output.time = TIME_NONE};
	option_table_parse(&table, argc, argv, options);
}
