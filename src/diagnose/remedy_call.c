/* SPDX-License-Identifier: GPL-2.0-only */
/* Remedies for refusals because of the address, the socket or the permission. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "diagnose/interpreter.h"
#include "diagnose/remedy.h"
#include "diagnose/remedy_rows.h"
#include "diagnose/rules.h"
#include "util/address.h"

static bool is_bind(const struct attempt *try, uint32_t error)
{
	return try->f->claim->call == CLAIM_BIND && try->f->error == error;
}

/* The kernel refused the call before it checked the port, so also stop the processes that hold the port. */
static bool stop_holders_too(struct attempt *try)
{
	return !situation_verdict(&try->situation, try->netns) || remedy_stop_refusing(try);
}

/* "Stop nginx[812], then " before the rest of the sentence, which begins with `first`. */
static void write_begin(const struct attempt *try, struct remedy *out, const char *first, const char *first_lower)
{
	if (stop_plan_has_any(&try->plan)) {
		remedy_text(out, "Stop ");
		stop_plan_append_names(&try->plan, out);
		remedy_text(out, ", then ");
	}
	remedy_text(out, "%s", stop_plan_has_any(&try->plan) ? first_lower : first);
}

/* ---- privilege --------------------------------------------------------------------------------------- */

static bool is_privileged(const struct attempt *try)
{
	const struct claim *claim = try->f->claim;

	return is_bind(try, EACCES) && !(claim->sock.flags & WIRE_STOPPED_BEFORE_CGROUP) && claim->sock.local_port &&
	       claim->sock.local_port < unprivileged_start(try->netns);
}

static bool try_unprivileged_start(struct attempt *try)
{
	if (!is_privileged(try) || !try->netns)
		return false;
	try->settings.now.unprivileged_start = try->situation.claim.sock.local_port;
	return stop_holders_too(try);
}

static void write_unprivileged_start(const struct attempt *try, struct remedy *out)
{
	uint16_t port = try->f->claim->sock.local_port;
	char value[8];

	snprintf(value, sizeof(value), "%u", port);
	write_begin(try, out, "Let", "let");
	remedy_text(out, " every user of this network namespace bind ports from %u up.", port);
	remedy_sysctl(try, out, "net.ipv4.ip_unprivileged_port_start", value);
}

/* Not for root: the kernel refuses it if its capabilities apply only in its own user namespace. A server that gives up
 * root before bind() loses what the file gave it. Not for an interpreter: every program that it runs would have it. */
static bool try_capability(struct attempt *try)
{
	const struct process *process = process_of(try->f, &try->f->claim->task);

	if (!is_privileged(try) || !try->f->claim->task.uid || !process || process->exe[0] != '/' ||
	    exe_is_interpreter(process->exe) || process->no_file_caps)
		return false;
	try->situation.claim.has_net_bind_service = true;
	return stop_holders_too(try);
}

static void write_capability(const struct attempt *try, struct remedy *out)
{
	const struct process *process = process_of(try->f, &try->f->claim->task);
	struct command command = {0};

	write_begin(try, out, "Give", "give");
	remedy_text(out, " %s CAP_NET_BIND_SERVICE, then start it again.", escaped(process->exe).s);
	command_append(&command, "setcap cap_net_bind_service=+ep ");
	command_append_word(&command, process->exe);
	if (stop_plan_has_any(&try->plan))
		remedy_stop_first(try, out, &command);
	else
		snprintf(out->command, sizeof(out->command), "%s", command_text(&command));
}

static bool try_high_port(struct attempt *try)
{
	if (!is_privileged(try))
		return false;
	try->situation.claim.has_net_bind_service = true;
	try->situation.count = 0;
	return true;
}

static void write_high_port(const struct attempt *try, struct remedy *out)
{
	remedy_text(out, "Start %s on a port from %u up.", the_caller(try->f).s, unprivileged_start(try->netns));
}

/* ---- address ----------------------------------------------------------------------------------------- */

static bool is_address_missing(const struct attempt *try)
{
	return is_bind(try, EADDRNOTAVAIL);
}

static bool try_tentative(struct attempt *try)
{
	return is_address_missing(try) && try->f->claim->address_tentative;
}

static void write_tentative(const struct attempt *try, struct remedy *out)
{
	out->after_s = 3;
	remedy_text(out, "Wait 3 s: the check of %s for duplicates on the network ends.",
		    address_text(try->f->claim->sock.local_addr).s);
}

static bool is_loopback6(const uint8_t addr[16])
{
	return address_is_loopback(addr) && !address_is_mapped(addr);
}

/* ::1 is missing only if IPv6 is disabled. */
static bool try_enable_ipv6(struct attempt *try)
{
	return is_address_missing(try) && is_loopback6(try->f->claim->sock.local_addr);
}

static void write_enable_ipv6(const struct attempt *try, struct remedy *out)
{
	remedy_text(out, "Switch IPv6 on for loopback.");
	remedy_sysctl(try, out, "net.ipv6.conf.lo.disable_ipv6", "0");
}

static bool try_own_address(struct attempt *try)
{
	return is_address_missing(try) && !try->f->claim->address_tentative;
}

static void write_own_address(const struct attempt *try, struct remedy *out)
{
	remedy_text(out, "Bind %s to %s, or to an address that 'ip address' lists.", the_caller(try->f).s,
		    try->f->claim->sock.family == AF_INET6 ? "[::]" : "0.0.0.0");
}

/* For an address of a device that does not exist yet. Not for ::1: with IPv6 disabled, no peer could connect. */
static bool try_freebind(struct attempt *try)
{
	return is_address_missing(try) && !is_loopback6(try->f->claim->sock.local_addr) &&
	       !(try->f->claim->sock.flags & (WIRE_FREEBIND | WIRE_TRANSPARENT));
}

static void write_freebind(const struct attempt *try, struct remedy *out)
{
	snprintf(out->option, sizeof(out->option), "IP_FREEBIND");
	snprintf(out->value, sizeof(out->value), "1");
	remedy_text(out, "If the address comes later, set IP_FREEBIND in %s before bind().", the_caller(try->f).s);
}

/* ---- the socket --------------------------------------------------------------------------------------- */

static bool try_new_socket(struct attempt *try)
{
	try->situation.claim.had_port = false;
	return is_bind(try, EINVAL) && try->f->claim->had_port &&
	       try->f->claim->bound_port != try->f->claim->sock.local_port && stop_holders_too(try);
}

static void write_new_socket(const struct attempt *try, struct remedy *out)
{
	write_begin(try, out, "Use", "use");
	remedy_text(out, " a new socket in %s, and call bind() first.", the_caller(try->f).s);
}

/* A new socket would be refused: this one holds the port. */
static bool try_same_socket(struct attempt *try)
{
	try->situation.claim.had_port = false;
	try->situation.count = 0;
	return is_bind(try, EINVAL) && try->f->claim->had_port &&
	       try->f->claim->bound_port == try->f->claim->sock.local_port;
}

static void write_same_socket(const struct attempt *try, struct remedy *out)
{
	remedy_text(out, "Remove the second bind() from %s: its socket has port %u already.", the_caller(try->f).s,
		    try->f->claim->bound_port);
}

static bool try_without_v6only(struct attempt *try)
{
	const struct wire_sock *sock = &try->f->claim->sock;

	if (!is_bind(try, EINVAL) || !sock_is_mapped(sock) || !(sock->flags & WIRE_V6ONLY))
		return false;
	try->situation.claim.sock.flags &= ~WIRE_V6ONLY;
	return true;
}

static void write_without_v6only(const struct attempt *try, struct remedy *out)
{
	snprintf(out->option, sizeof(out->option), "IPV6_V6ONLY");
	snprintf(out->value, sizeof(out->value), "0");
	remedy_text(out, "Clear IPV6_V6ONLY in %s before bind(), or use an IPv4 socket.", the_caller(try->f).s);
}

static bool try_holder_gone(struct attempt *try)
{
	const struct claim *claim = try->f->claim;

	return claim->sock.local_port && !try->f->holder_count &&
	       try->f->error == (claim->call == CLAIM_CONNECT ? EADDRNOTAVAIL : EADDRINUSE);
}

static void write_holder_gone(const struct attempt *try, struct remedy *out)
{
	(void)try;
	out->after_s = 1;
	remedy_text(out, "Try again: the socket that had the port is gone.");
}

const struct remedy_row call_remedies[] = {
	{REMEDY_WAIT, REMEDY_AFTER, try_holder_gone, write_holder_gone, 0},
	{REMEDY_SYSCTL, REMEDY_NOW, try_unprivileged_start, write_unprivileged_start, 0},
	{REMEDY_GRANT_CAPABILITY, REMEDY_RESTART, try_capability, write_capability, 0},
	{REMEDY_OTHER_PORT, REMEDY_RESTART, try_high_port, write_high_port, 0},
	{REMEDY_WAIT, REMEDY_AFTER, try_tentative, write_tentative, 0},
	{REMEDY_SYSCTL, REMEDY_NOW, try_enable_ipv6, write_enable_ipv6, 0},
	{REMEDY_OTHER_ADDRESS, REMEDY_RESTART, try_own_address, write_own_address, 0},
	{REMEDY_SET_CALLER_OPTION, REMEDY_RESTART, try_freebind, write_freebind, 0},
	{REMEDY_SET_CALLER_OPTION, REMEDY_RESTART, try_without_v6only, write_without_v6only, 0},
	{REMEDY_USE_INHERITED_FD, REMEDY_RESTART, try_new_socket, write_new_socket, 0},
	{REMEDY_USE_INHERITED_FD, REMEDY_RESTART, try_same_socket, write_same_socket, 0},
};
const size_t call_remedy_count = sizeof(call_remedies) / sizeof(call_remedies[0]);
