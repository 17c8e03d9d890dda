/* SPDX-License-Identifier: GPL-2.0-only */
/* What the filters select: watching.h. */
#include "stream/watching.h"

#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "render/names.h"
#include "system/netns_name.h"
#include "system/user_name.h"
#include "util/address.h"

static void add(char *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(char *out, const char *format, ...)
{
	size_t length = strlen(out);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(out + length, WATCHING_SIZE - length, format, arguments);
	va_end(arguments);
}

static void add_separator(char *out)
{
	if (*out)
		add(out, ", ");
}

static bool has_port(const struct settings_ports *ports, uint32_t port)
{
	return port < SETTINGS_PORTS && ports->bits[port / 64] & 1ULL << (port % 64);
}

static size_t count_ports(const struct settings_ports *ports)
{
	size_t count = 0;

	for (size_t i = 0; i < SETTINGS_PORTS / 64; i++)
		count += (size_t)__builtin_popcountll(ports->bits[i]);
	return count;
}

static void add_ports(char *out, const struct settings_ports *ports, const char *name)
{
	bool is_first = true;

	if (!ports->used)
		return;
	add_separator(out);
	add(out, "%s%s ", name, count_ports(ports) == 1 ? "" : "s");
	for (uint32_t port = 0, last; port < SETTINGS_PORTS; port = last + 1) {
		last = port;
		if (!has_port(ports, port))
			continue;
		while (has_port(ports, last + 1))
			last++;
		add(out, "%s%u", is_first ? "" : ",", port);
		if (last > port)
			add(out, "-%u", last);
		is_first = false;
	}
}

static void add_numbers(char *out, const struct settings_numbers *numbers, const char *name)
{
	if (!numbers->count)
		return;
	add_separator(out);
	for (uint32_t i = 0; i < numbers->count; i++)
		add(out, "%s%u", i ? "," : name, numbers->values[i]);
}

static void add_users(char *out, const struct settings_numbers *uids)
{
	char name[USER_NAME_SIZE];

	for (uint32_t i = 0; i < uids->count; i++) {
		user_name_read(uids->values[i], name);
		add_separator(out);
		if (*name)
			add(out, "user %s", name);
		else
			add(out, "uid %u", uids->values[i]);
	}
}

static void add_namespaces(char *out, const struct settings_numbers *netns)
{
	const char *name;

	for (uint32_t i = 0; i < netns->count; i++) {
		name = netns_label(netns->values[i]);
		add_separator(out);
		if (name)
			add(out, "netns %s", name);
		else
			add(out, "netns %u", netns->values[i]);
	}
}

static void add_protocols(char *out, const struct settings_numbers *protocols)
{
	char name[PROTOCOL_NAME_SIZE];

	if (!protocols->count)
		return;
	add_separator(out);
	for (uint32_t i = 0; i < protocols->count; i++)
		add(out, "%s%s", i ? "," : "", protocol_name((uint16_t)protocols->values[i], name));
}

static void add_names(char *out, const struct settings_names *names)
{
	if (!names->count)
		return;
	add_separator(out);
	for (uint32_t i = 0; i < names->count; i++)
		add(out, "%s%.15s", i ? "," : "", names->values[i]);
}

static void add_networks(char *out, const struct settings_cidrs *list, const char *name)
{
	char text[ADDRESS_SIZE];

	if (!list->count)
		return;
	add_separator(out);
	for (uint32_t i = 0; i < list->count; i++) {
		const struct settings_cidr *cidr = &list->values[i];
		bool is_ipv4 = address_is_mapped(cidr->addr);

		address_format(cidr->addr, text);
		add(out, "%s%s", i ? "," : name, text);
		if (cidr->prefix < 128)
			add(out, "/%u", is_ipv4 && cidr->prefix >= 96 ? cidr->prefix - 96 : cidr->prefix);
	}
}

void watching_describe(const struct settings *settings, char out[WATCHING_SIZE])
{
	*out = '\0';
	add_ports(out, &settings->local_ports, "port");
	add_ports(out, &settings->remote_ports, "remote port");
	add_names(out, &settings->comms);
	add_numbers(out, &settings->pids, "pid ");
	add_users(out, &settings->uids);
	add_namespaces(out, &settings->netns);
	add_protocols(out, &settings->protocols);
	add_networks(out, &settings->local, "local ");
	add_networks(out, &settings->remote, "remote ");
	if (settings->ipv4 != settings->ipv6) {
		add_separator(out);
		add(out, settings->ipv4 ? "IPv4" : "IPv6");
	}
	if (settings->cgroup_id) {
		add_separator(out);
		add(out, "a cgroup");
	}
	if (!*out)
		add(out, "all ports");
	if (settings->failed_only)
		add(out, ", failures only");
}
