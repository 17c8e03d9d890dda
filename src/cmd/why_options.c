/* SPDX-License-Identifier: GPL-2.0-only */
/* [PROTO:][ADDRESS:]PORT and the options of `why` -> struct why_options. */
#include "cmd/why_options.h"

#include <arpa/inet.h>
#include <argp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/option_values.h"
#include "util/address.h"

#ifndef IPPROTO_MPTCP /* glibc 2.32 */
#define IPPROTO_MPTCP 262
#endif

enum {
	KEY_JSON = 256,
	KEY_REUSEADDR,
	KEY_REUSEPORT,
	KEY_V6ONLY,
	KEY_UID,
	KEY_DEVICE,
	KEY_FREEBIND,
};

/* clang-format off */
static const struct argp_option rows[] = {
	{NULL, 0, NULL, 0, "The bind that is asked about:", 1},
	{"reuseaddr", KEY_REUSEADDR, NULL, 0, "its socket has SO_REUSEADDR", 1},
	{"reuseport", KEY_REUSEPORT, NULL, 0, "its socket has SO_REUSEPORT", 1},
	{"v6only", KEY_V6ONLY, NULL, 0, "its socket has IPV6_V6ONLY", 1},
	{"freebind", KEY_FREEBIND, NULL, 0, "its socket has IP_FREEBIND", 1},
	{"device", KEY_DEVICE, "NAME", 0, "its socket is bound to this device", 1},
	{"uid", KEY_UID, "USER", 0, "this user makes it, by name or id", 1},
	{"netns", 'N', "NETNS", 0, "in this network namespace: inode number, name or path", 1},
	{"pid", 'p', "PID", 0, "this process makes it: its namespace, user and capabilities", 1},
	{NULL, 0, NULL, 0, "Output:", 2},
	{"json", KEY_JSON, NULL, 0, "one JSON object", 2},
	{"quiet", 'q', NULL, 0, "only the exit status", 2},
	{"verbose", 'v', NULL, 0, "libbpf's own words too", 2},
	{"version", 'V', NULL, 0, "print the version", -1},
	{"help", 'h', NULL, 0, "print this help", -1},
	{0},
};

static const char doc[] =
	"Say who has a port, whether a bind of it would succeed now, which rule of the kernel stands in the "
	"way and what would help. Nothing is bound.\v"
	"PROTO is tcp (the default), udp, mptcp or udplite; tcp4 and udp4 mean IPv4, tcp6 and udp6 IPv6. An "
	"IPv6 address has brackets: [::1]:80. Without an address, every address is meant, IPv4 and IPv6, as "
	"most servers bind. Port 0 asks whether the kernel would find any.\n\n"
	"Exit status: 0 a bind would succeed, 1 it would not, 2 misuse, 3 the privileges are missing.";

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

/* Takes "udp:" off the front; tcp where there is none. */
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

/* "" and "*" are every address, and leave the family to the protocol's name. */
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

static void parse_question(struct why_options *options, const char *argument, struct argp_state *state)
{
	char *copy = strdup(argument), *address = "", *port, *text, *end;

	if (!copy)
		argp_failure(state, EXIT_FAILED, 0, "out of memory");
	port = text = take_protocol(options, copy);
	end = *text == '[' ? strchr(text, ']') : strrchr(text, ':');
	if (*text == '[') {
		if (!end || end[1] != ':')
			argp_error(state, "'%s': after [ADDRESS] comes :PORT", argument);
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
		argp_error(state, "'%s': an IPv6 address needs brackets, as in [::1]:80", argument);
	if (*text == '[' && !strchr(address, ':'))
		argp_error(state, "'%s': only an IPv6 address has brackets", argument);
	if (!parse_port(options, port))
		argp_error(state, "'%s': '%s' is no port (0 to 65535) and no service of /etc/services",
			   argument, port);
	if (!parse_address(options, address))
		argp_error(state, "'%s': '%s' is no address, or not one of that protocol", argument, address);
	free(copy);
}

static void parse_uid(struct why_options *options, const char *text, struct argp_state *state)
{
	unsigned long uid = 0;

	if (!option_number(text, 0, UINT32_MAX - 1, &uid)) {
		const struct passwd *user = getpwnam(text);

		if (!user)
			argp_error(state, "--uid: no user '%s'", text);
		uid = user->pw_uid;
	}
	options->uid = (uint32_t)uid;
	options->has_uid = true;
}

static void parse_pid(struct why_options *options, const char *text, struct argp_state *state)
{
	unsigned long pid = 0;

	if (!option_number(text, 1, INT32_MAX, &pid))
		argp_error(state, "--pid: '%s' is no process id", text);
	options->pid = (uint32_t)pid;
}

/* What fits each other is known at the end only. */
static void check(const struct why_options *options, const struct argp_state *state)
{
	if (state->arg_num == 0)
		argp_error(state, "no port is named");
	if (options->flags & WIRE_V6ONLY && options->family == AF_INET)
		argp_error(state, "--v6only: an IPv4 socket has no such option");
}

static error_t parse_key(int key, char *arg, struct argp_state *state)
{
	struct why_options *options = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (state->arg_num > 0)
			argp_error(state, "'%s': one port at a time", arg);
		parse_question(options, arg, state);
		return 0;
	case ARGP_KEY_END:
		check(options, state);
		return 0;
	case KEY_REUSEADDR:
		options->flags |= WIRE_REUSEADDR;
		return 0;
	case KEY_REUSEPORT:
		options->flags |= WIRE_REUSEPORT;
		return 0;
	case KEY_V6ONLY:
		options->flags |= WIRE_V6ONLY;
		return 0;
	case KEY_FREEBIND:
		options->flags |= WIRE_FREEBIND;
		return 0;
	case KEY_DEVICE:
		if (!*arg || strlen(arg) >= sizeof(options->device))
			argp_error(state, "--device: '%s' is no name of a device", arg);
		strcpy(options->device, arg);
		return 0;
	case KEY_UID:
		parse_uid(options, arg, state);
		return 0;
	case 'N':
		options->shared.settings.netns.count = 0;
		option_netns(&options->shared, arg, state);
		return 0;
	case 'p':
		parse_pid(options, arg, state);
		return 0;
	case KEY_JSON:
		options->shared.json = true;
		return 0;
	case 'q':
		options->shared.quiet = true;
		return 0;
	case 'v':
		options->shared.verbose = true;
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

void why_options_parse(struct why_options *options, int argc, char **argv)
{
	static const struct argp argp = {
		.options = rows,
		.parser = parse_key,
		.args_doc = "[PROTO:][ADDRESS:]PORT",
		.doc = doc,
	};

	*options = (struct why_options){.shared = {.backend = -1, .time = TIME_NONE}};
	argp_err_exit_status = EXIT_MISUSED;
	argp_parse(&argp, argc, argv, ARGP_NO_HELP, NULL, options);
}
