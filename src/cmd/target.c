/* SPDX-License-Identifier: GPL-2.0-only */
#include "cmd/target.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "cmd/option_values.h"
#include "util/address.h"
#include "util/protocol.h"

#define TEXT_MAX 256

/* clang-format off */
static const struct protocol {
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

static const struct protocol *find_protocol(const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		if (strlen(protocols[i].name) == length && strncmp(protocols[i].name, name, length) == 0)
			return &protocols[i];
	}
	return NULL;
}

/* "tcp:80", "tcp/80", "80/tcp". Returns what is left. */
static char *take_protocol(char *text, struct target *target)
{
	const struct protocol *protocol = find_protocol(text, strcspn(text, ":/"));
	char *slash = strrchr(text, '/');

	if (protocol && strpbrk(text, ":/")) {
		text += strlen(protocol->name) + 1;
	} else if (slash && (protocol = find_protocol(slash + 1, strlen(slash + 1)))) {
		*slash = '\0';
	} else {
		return text;
	}
	target->protocol = protocol->protocol;
	target->family = protocol->family;
	return text;
}

static bool parse_service(const char *text, struct target *target)
{
	const struct servent *service = getservbyname(text, protocol_is_udp(target->protocol) ? "udp" : "tcp");

	if (!service && !target->protocol)
		service = getservbyname(text, "udp");
	if (!service)
		return false;
	target->first = target->last = ntohs((uint16_t)service->s_port);
	return true;
}

static bool parse_ports(char *text, struct target *target, char *error)
{
	unsigned long first = 0, last = 0;
	char *dash = strchr(text, '-');
	bool is_range;

	if (dash)
		*dash = '\0';
	is_range = option_number(text, 0, 65535, &first) && (!dash || option_number(dash + 1, 0, 65535, &last));
	if (dash)
		*dash = '-';
	if (!is_range) {
		if (parse_service(text, target))
			return true;
		snprintf(error, TARGET_ERROR_SIZE, "'%s' is not a port (0 to 65535), a range like 8000-8100 or a service of "
						   "/etc/services", text);
		return false;
	}
	target->first = (uint16_t)first;
	target->last = (uint16_t)(dash ? last : first);
	if (target->last >= target->first)
		return true;
	snprintf(error, TARGET_ERROR_SIZE, "the range '%s' ends before it begins; write %lu-%lu", text, last, first);
	return false;
}

/* "" and "*" are every address. */
static bool parse_address(char *text, struct target *target, char *error)
{
	char *device = strchr(text, '%');
	uint16_t family = strchr(text, ':') ? AF_INET6 : AF_INET;
	unsigned int prefix;

	if (!*text || strcmp(text, "*") == 0)
		return true;
	target->is_localhost = strcmp(text, "localhost") == 0;
	if (target->is_localhost) {
		family = target->family ? target->family : AF_INET;
		text = family == AF_INET6 ? "::1" : "127.0.0.1";
	}
	if (device)
		*device++ = '\0';
	if ((device && (family == AF_INET || !*device || strlen(device) >= sizeof(target->device))) ||
	    strchr(text, '/') || address_parse(text, target->address, &prefix) ||
	    (target->family && target->family != family)) {
		snprintf(error, TARGET_ERROR_SIZE, "'%s' is not an address%s", text,
			 target->family ? " of that protocol" : "");
		return false;
	}
	target->has_address = true;
	target->family = family;
	if (device)
		strcpy(target->device, device);
	return true;
}

/* Separates address and port. NULL: *error says why not. */
static char *split(char *text, char **address, const char *given, char *error)
{
	char *end = *text == '[' ? strchr(text, ']') : strrchr(text, ':');
	const char *wrong = NULL;

	*address = text;
	if (*text == '[') {
		if (!end || end[1] != ':')
			wrong = "[ADDRESS] is followed by :PORT, as in [::1]:80";
		else if (!memchr(text, ':', (size_t)(end - text)))
			wrong = "only an IPv6 address has brackets";
	} else if (end && memchr(text, ':', (size_t)(end - text))) {
		wrong = "an IPv6 address needs brackets, as in [::1]:80";
	}
	if (wrong) {
		snprintf(error, TARGET_ERROR_SIZE, "'%s': %s", given, wrong);
		return NULL;
	}
	if (!end) {
		*address = text + strlen(text);
		return text;
	}
	if (*text == '[') {
		*end++ = '\0';
		*address = text + 1;
	}
	*end = '\0';
	return end + 1;
}

bool target_parse(const char *given, struct target *target, char error[TARGET_ERROR_SIZE])
{
	char text[TEXT_MAX], *address, *port;

	*target = (struct target){0};
	if (strlen(given) >= sizeof(text)) {
		snprintf(error, TARGET_ERROR_SIZE, "'%.40s...' is too long for a port", given);
		return false;
	}
	strcpy(text, given);
	port = split(take_protocol(text, target), &address, given, error);
	return port && parse_ports(port, target, error) && parse_address(address, target, error);
}
