/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads /proc/net and /proc/sys/net, which both show the namespace of the thread that opens them. */
#include "system/netns_read.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/if_addr.h>

#include "system/proc_file.h"

#define NETSTAT "/proc/thread-self/net/netstat"

/* For each group /proc/net/netstat has a line of names and a line of values; both begin with the name of the
 * group. */
static uint64_t netstat_value(const char *text, const char *name)
{
	const char *names = strstr(text, "TcpExt:");
	const char *values = names ? strstr(names + 1, "\nTcpExt:") : NULL;
	char *rest;

	if (!values)
		return 0;
	names += strlen("TcpExt:");
	values += strlen("\nTcpExt:");
	while (*names == ' ') {
		size_t length = strcspn(++names, " \n");
		uint64_t value = strtoull(values, &rest, 10);

		if (length == strlen(name) && strncmp(names, name, length) == 0)
			return value;
		names += length;
		values = rest;
	}
	return 0;
}

unsigned int netns_read_setting(const char *path, unsigned int *second)
{
	unsigned int first = 0, last = 0;
	char text[64];

	if (proc_file_read(AT_FDCWD, path, text, sizeof(text)) > 0)
		sscanf(text, "%u %u", &first, &last);
	if (second)
		*second = last;
	return first;
}

/* A line: address, index, prefix length, scope, flags, device, as in "00...01 01 80 10 80 lo". */
enum netns_address netns_find_ipv6(const uint8_t address[16], uint32_t ifindex)
{
	enum netns_address state = NETNS_ADDRESS_NONE;
	FILE *file = fopen("/proc/thread-self/net/if_inet6", "re");
	char wanted[33], found[33];
	unsigned int index, flags;

	for (int i = 0; i < 16; i++)
		snprintf(wanted + 2 * i, 3, "%02x", address[i]);
	while (file && state != NETNS_ADDRESS_USABLE &&
	       fscanf(file, "%32s %x %*x %*x %x %*s", found, &index, &flags) == 3) {
		if (strcmp(found, wanted) != 0 || (ifindex && ifindex != index))
			continue;
		state = flags & IFA_F_TENTATIVE && !(flags & IFA_F_OPTIMISTIC) ? NETNS_ADDRESS_TENTATIVE :
										 NETNS_ADDRESS_USABLE;
	}
	if (file)
		fclose(file);
	return state;
}

void netns_parse_reserved(const char *text, uint8_t reserved[NETNS_PORTS])
{
	char *at = (char *)text;

	memset(reserved, 0, NETNS_PORTS);
	while (isdigit((unsigned char)*at)) {
		unsigned long first = strtoul(at, &at, 10), last = first;

		if (*at == '-')
			last = strtoul(at + 1, &at, 10);
		if (*at == ',')
			at++;
		for (unsigned long port = first; port <= last && port < NETNS_PORTS; port++)
			reserved[port] = 1;
	}
}

char *netns_format_reserved(const uint8_t reserved[NETNS_PORTS])
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (unsigned int first = 0, last; first < NETNS_PORTS; first = last + 1) {
		last = first;
		if (!reserved[first])
			continue;
		while (last + 1 < NETNS_PORTS && reserved[last + 1])
			last++;
		fprintf(out, "%s%u", ftell(out) > 0 ? "," : "", first);
		if (last > first)
			fprintf(out, "-%u", last);
	}
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

void netns_read_reserved(uint8_t reserved[NETNS_PORTS])
{
	FILE *file = fopen("/proc/sys/net/ipv4/ip_local_reserved_ports", "re");
	char *line = NULL;
	size_t size = 0;

	/* The list may be longer than any fixed buffer. */
	netns_parse_reserved(file && getline(&line, &size, file) > 0 ? line : "", reserved);
	free(line);
	if (file)
		fclose(file);
}

static uint32_t reserved_count(const uint8_t reserved[NETNS_PORTS], unsigned int low, unsigned int high)
{
	uint32_t count = 0;

	for (unsigned int port = low; port <= high && port < NETNS_PORTS; port++)
		count += reserved[port];
	return count;
}

/* In ms. Always 1 s before "tcp: Measure TIME-WAIT reuse delay with millisecond precision" (6.14). */
static uint32_t reuse_delay_read(void)
{
	const char *path = "/proc/sys/net/ipv4/tcp_tw_reuse_delay";

	return access(path, R_OK) == 0 ? netns_read_setting(path, NULL) : 1000;
}

/*
 * Whether tcp_abort() refuses a TIME_WAIT, as it did before "tcp: diag: add support for TIME_WAIT sockets to
 * tcp_abort()" (6.0). Only an attempt could find out, so this tests for a sysctl that came one release later; without
 * it porttrace does not advise to destroy a TIME_WAIT.
 */
static bool keeps_timewait(void)
{
	return access("/proc/sys/net/ipv4/tcp_child_ehash_entries", F_OK) != 0;
}

void netns_read(struct wire_netns *out, uint8_t reserved[NETNS_PORTS])
{
	char text[16384];
	unsigned int low, high;
	const char *at;

	/* The kernel's counters change while they are read. In this order a TIME_WAIT that begins or is reused meanwhile
	 * makes those that expired (model/netns_table.c) look fewer, which the next interval makes up for; one too many
	 * would stay. */
	if (proc_file_read(AT_FDCWD, NETSTAT, text, sizeof(text)) > 0)
		out->timewait_entered = netstat_value(text, "TW") + netstat_value(text, "TWKilled");
	if (proc_file_read(AT_FDCWD, "/proc/thread-self/net/sockstat", text, sizeof(text)) > 0 &&
	    (at = strstr(text, " tw ")))
		out->timewait_live = strtoull(at + 4, NULL, 10);
	if (proc_file_read(AT_FDCWD, NETSTAT, text, sizeof(text)) > 0) {
		out->timewait_killed = netstat_value(text, "TWKilled");
		out->timewait_reused = netstat_value(text, "TWRecycled");
		out->timewait_overflowed = netstat_value(text, "TCPTimeWaitOverflow");
	}
	low = netns_read_setting("/proc/sys/net/ipv4/ip_local_port_range", &high);
	out->range_low = (uint16_t)low;
	out->range_high = (uint16_t)high;
	out->tw_reuse = netns_read_setting("/proc/sys/net/ipv4/tcp_tw_reuse", NULL);
	out->unprivileged_start = netns_read_setting("/proc/sys/net/ipv4/ip_unprivileged_port_start", NULL);
	netns_read_reserved(reserved);
	out->reserved_count = reserved_count(reserved, low, high);
	out->tw_reuse_delay_ms = reuse_delay_read();
	out->tw_max_buckets = netns_read_setting("/proc/sys/net/ipv4/tcp_max_tw_buckets", NULL);
	out->has |= WIRE_NETNS_READ | (keeps_timewait() ? WIRE_NETNS_KEEPS_TIMEWAIT : 0);
}
