/* SPDX-License-Identifier: GPL-2.0-only */
/* Remedies if no port is free, depending on what uses the range. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "diagnose/remedy.h"
#include "diagnose/remedy_rows.h"
#include "diagnose/rules.h"
#include "util/address.h"

static bool is_tcp_connect(const struct attempt *try)
{
	return try->f->claim->call == CLAIM_CONNECT && !sock_is_udp(&try->f->claim->sock);
}

static bool is_own_range(const struct attempt *try)
{
	return try->pool.size && try->netns &&
	       (try->pool.low != try->netns->now.range_low || try->pool.high != try->netns->now.range_high);
}

/* The widened range; false: it cannot be widened. */
static bool wider_range(const struct attempt *try, uint32_t *low, uint32_t *high)
{
	static const uint32_t lows[] = {16384, 1024};
	uint32_t lowest = unprivileged_start(try->netns);

	*high = 65535;
	for (size_t i = 0; i < sizeof(lows) / sizeof(lows[0]); i++) {
		*low = lows[i] > lowest ? lows[i] : lowest;
		if (*low < try->pool.low)
			return true;
	}
	*low = try->pool.low;
	return try->pool.high < 65535;
}

static bool try_widen(struct attempt *try)
{
	uint32_t low, high;

	/* IP_LOCAL_PORT_RANGE narrows the range of the socket: the sysctl does not change it. */
	if (!try->netns || !try->netns->now.range_low || is_own_range(try))
		return false;
	/* The ports could not be counted. */
	if (!try->pool.size) {
		try->pool.low = try->netns->now.range_low;
		try->pool.high = try->netns->now.range_high;
	}
	return wider_range(try, &low, &high);
}

static void write_widen(const struct attempt *try, struct remedy *out)
{
	uint32_t low = 0, high = 0;
	char value[24];

	wider_range(try, &low, &high);
	snprintf(value, sizeof(value), "%u %u", low, high);
	remedy_text(out, "Widen the ephemeral range to %u-%u (%u to %u now).", low, high, try->pool.low,
		    try->pool.high);
	remedy_sysctl(try, out, "net.ipv4.ip_local_port_range", value);
}

/* A socket that narrows its range to a part of the namespace's. */
static bool try_whole_range(struct attempt *try)
{
	return is_own_range(try);
}

static void write_whole_range(const struct attempt *try, struct remedy *out)
{
	snprintf(out->option, sizeof(out->option), "IP_LOCAL_PORT_RANGE");
	snprintf(out->value, sizeof(out->value), "0");
	remedy_text(out, "Do not set IP_LOCAL_PORT_RANGE (%u to %u) in %s, or set a wider one: the range is %u to %u.",
		    try->pool.low, try->pool.high, the_caller(try->f).s, try->netns->now.range_low,
		    try->netns->now.range_high);
}

static bool try_unreserve(struct attempt *try)
{
	/* A few reserved ports are not the reason for a full range. */
	return try->pool.reserved && try->pool.reserved >= try->pool.size / 4;
}

static void write_unreserve(const struct attempt *try, struct remedy *out)
{
	struct command command = {0};

	snprintf(out->option, sizeof(out->option), "net.ipv4.ip_local_reserved_ports");
	remedy_text(out, "Reserve no ports: %s of the %s of the range are reserved.",
		    with_commas(try->pool.reserved).s, with_commas(try->pool.size).s);
	/* sysctl(8) does not write an empty value. */
	command_append(&command, "%ssh -c 'echo > /proc/sys/net/ipv4/ip_local_reserved_ports'", try->enter);
	remedy_command(try, out, &command);
}

static bool try_destroy_timewaits(struct attempt *try)
{
	return try->pool.time_wait && !try->f->claim->keeps_timewait;
}

static void write_destroy_timewaits(const struct attempt *try, struct remedy *out)
{
	const struct wire_sock *sock = &try->f->claim->sock;
	struct command command = {0};

	command_append(&command, "%sss -tK state time-wait ", try->enter);
	if (is_tcp_connect(try)) {
		remedy_text(out, "Destroy the %s TIME_WAITs towards %s; no process uses them.",
			    with_commas(try->pool.time_wait).s, endpoint(sock->remote_addr, sock->remote_port).s);
		command_append(&command, "dst ");
		command_append_word(&command, ss_address(sock, sock->remote_addr, sock->remote_port).s);
	} else {
		remedy_text(out, "Destroy the %s TIME_WAITs on ports of the range; no process uses them.",
			    with_commas(try->pool.time_wait).s);
		command_append(&command, "sport ge :%u and sport le :%u", try->pool.low, try->pool.high);
	}
	remedy_command(try, out, &command);
}

/* connect() takes over TIME_WAITs that are older than tcp_tw_reuse_delay, if both sides use TCP timestamps. */
static bool is_reusing(const struct attempt *try)
{
	return is_tcp_connect(try) &&
	       tw_reuse_covers(try->netns ? try->netns->now.tw_reuse : 2, try->f->claim->sock.remote_addr);
}

static uint32_t reuse_after_s(const struct attempt *try)
{
	return 1 + (try->netns ? (try->netns->now.tw_reuse_delay_ms + 999) / 1000 : 1);
}

static bool try_tw_reuse(struct attempt *try)
{
	return is_tcp_connect(try) && try->pool.time_wait && !is_reusing(try);
}

static void write_tw_reuse(const struct attempt *try, struct remedy *out)
{
	bool is_local = address_is_loopback(try->f->claim->sock.remote_addr);

	out->after_s = reuse_after_s(try);
	remedy_text(out, "Let connect() take over TIME_WAITs%s (both sides need TCP timestamps).",
		    is_local ? " on loopback" : "");
	remedy_sysctl(try, out, "net.ipv4.tcp_tw_reuse", is_local ? "2" : "1");
}

static bool is_caller_top(const struct attempt *try)
{
	return try->pool.top_count && try->pool.top.pid == try->f->claim->task.pid;
}

/* The caller then gets its port from connect(), which needs one that no bind() closed to it. */
static bool try_no_port_in_caller(struct attempt *try)
{
	const struct claim *claim = try->f->claim;

	if (claim->call != CLAIM_BIND || sock_is_udp(&claim->sock) || claim->sock.flags & WIRE_BIND_ADDRESS_NO_PORT)
		return false;
	return try->pool.closed + try->pool.reserved < try->pool.size || is_caller_top(try);
}

static void write_no_port_in_caller(const struct attempt *try, struct remedy *out)
{
	snprintf(out->option, sizeof(out->option), "IP_BIND_ADDRESS_NO_PORT");
	snprintf(out->value, sizeof(out->value), "1");
	remedy_text(out, "If %s binds to connect from this address, set IP_BIND_ADDRESS_NO_PORT before each bind(): one "
		    "port then serves many destinations.", the_caller(try->f).s);
}

/* A port is taken on one address, unless its socket is on a wildcard. */
static bool try_other_address(struct attempt *try)
{
	const struct claim *claim = try->f->claim;

	return claim->call == CLAIM_BIND && !address_is_wildcard(claim->sock.local_addr) &&
	       try->pool.wildcard + try->pool.reserved < try->pool.size;
}

static void write_other_address(const struct attempt *try, struct remedy *out)
{
	const uint8_t *address = try->f->claim->sock.local_addr;
	uint8_t other[16];

	remedy_text(out, "Bind %s to ", the_caller(try->f).s);
	/* All of 127.0.0.0/8 is local. */
	if (address_is_loopback(address) && address_is_mapped(address)) {
		memcpy(other, address, sizeof(other));
		other[15] = other[15] == 254 ? 1 : (uint8_t)(other[15] + 1);
		remedy_text(out, "%s, or to ", address_text(other).s);
	}
	remedy_text(out, "another address that 'ip address' lists: the ports are taken on %s only.",
		    address_text(address).s);
}

static bool try_no_port_in_holder(struct attempt *try)
{
	return is_tcp_connect(try) && try->pool.bound && try->pool.top_count;
}

static void write_no_port_in_holder(const struct attempt *try, struct remedy *out)
{
	uint32_t bound = try->pool.bound < try->pool.top_count ? try->pool.bound : try->pool.top_count;

	snprintf(out->option, sizeof(out->option), "IP_BIND_ADDRESS_NO_PORT");
	snprintf(out->value, sizeof(out->value), "1");
	remedy_text(out, "Set IP_BIND_ADDRESS_NO_PORT in %s before its bind() to port 0: its %s bound ports are closed "
		    "to every connect().", task_name(&try->pool.top).s, with_commas(bound).s);
}

static uint32_t timewait_max_s(void)
{
	return TIMEWAIT_LONGEST_MS / 1000 + 1;
}

/* With timestamps on both sides. Where a connection has none, its TIME_WAIT stays to the end. */
static bool try_wait_for_reuse(struct attempt *try)
{
	return try->pool.time_wait && is_reusing(try);
}

static void write_wait_for_reuse(const struct attempt *try, struct remedy *out)
{
	out->after_s = reuse_after_s(try);
	remedy_text(out, "Wait %u s: connect() takes over TIME_WAITs older than that (both sides need TCP timestamps).",
		    out->after_s);
}

static bool try_wait(struct attempt *try)
{
	return try->pool.time_wait && !is_reusing(try);
}

static void write_wait(const struct attempt *try, struct remedy *out)
{
	(void)try;
	out->after_s = timewait_max_s();
	remedy_text(out, "Wait up to %u s: TIME_WAITs end by themselves.", out->after_s);
}

/* What has no connection gives its port back at once. */
static bool try_close_bound(struct attempt *try)
{
	return try->pool.top_bound && try->pool.top_bound >= try->pool.top_connected;
}

static void write_close_bound(const struct attempt *try, struct remedy *out)
{
	remedy_text(out, "Close sockets in %s, which has %s of the ports.", task_name(&try->pool.top).s,
		    with_commas(try->pool.top_count).s);
}

/* A connection that is closed becomes a TIME_WAIT unless the peer closes first. */
static bool try_close_connections(struct attempt *try)
{
	return try->pool.top_connected > try->pool.top_bound;
}

static void write_close_connections(const struct attempt *try, struct remedy *out)
{
	out->after_s = is_reusing(try) ? 2 : timewait_max_s();
	remedy_text(out, "Keep connections open and reuse them in %s, which has %s of the ports, or let the peer close "
		    "first.", task_name(&try->pool.top).s, with_commas(try->pool.top_count).s);
}

static bool try_close_second(struct attempt *try)
{
	return is_tcp_connect(try) && try->pool.time_wait > try->pool.size / 2;
}

static void write_close_second(const struct attempt *try, struct remedy *out)
{
	remedy_text(out, "Keep connections open and reuse them");
	if (try->pool.top_count)
		remedy_text(out, " in %s", task_name(&try->pool.top).s);
	remedy_text(out, ", or let the peer close first: the side that closes first keeps the port in TIME_WAIT.");
}

const struct remedy_row range_remedies[] = {
	{REMEDY_DESTROY_SOCKET, REMEDY_NOW, try_destroy_timewaits, write_destroy_timewaits, 0},
	{REMEDY_SYSCTL, REMEDY_NOW, try_widen, write_widen, 0},
	{REMEDY_SET_CALLER_OPTION, REMEDY_RESTART, try_whole_range, write_whole_range, 0},
	{REMEDY_SYSCTL, REMEDY_NOW, try_unreserve, write_unreserve, 0},
	{REMEDY_SYSCTL, REMEDY_AFTER, try_tw_reuse, write_tw_reuse, 0},
	{REMEDY_SET_CALLER_OPTION, REMEDY_RESTART, try_no_port_in_caller, write_no_port_in_caller, 0},
	{REMEDY_OTHER_ADDRESS, REMEDY_RESTART, try_other_address, write_other_address, 0},
	{REMEDY_SET_HOLDER_OPTION, REMEDY_RESTART, try_no_port_in_holder, write_no_port_in_holder, 0},
	{REMEDY_WAIT, REMEDY_AFTER, try_wait_for_reuse, write_wait_for_reuse, 0},
	{REMEDY_WAIT, REMEDY_AFTER, try_wait, write_wait, 0},
	{REMEDY_STOP_PROCESS, REMEDY_RESTART, try_close_bound, write_close_bound, 0},
	{REMEDY_STOP_PROCESS, REMEDY_AFTER, try_close_connections, write_close_connections, 0},
	{REMEDY_STOP_PROCESS, REMEDY_PREVENTS, try_close_second, write_close_second, 0},
};
const size_t range_remedy_count = sizeof(range_remedies) / sizeof(range_remedies[0]);
