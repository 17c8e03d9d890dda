/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The remedies, a row each: a function that changes a copy of the situation, and one that writes the remedy. The rows
 * are in the order in which porttrace offers the remedies: least harm first, then soonest effect.
 */
#include "diagnose/remedy.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "diagnose/remedy_rows.h"
#include "diagnose/rules.h"
#include "diagnose/sentence.h"
#include "util/address.h"

#define EXACT_MAX 3 /* sockets that a command names one by one */

/* ---- sockets ------------------------------------------------------------------------------------- */

/* Whether every refusing socket passes the test; false if no socket refuses. */
static bool all_refusing(const struct situation *s, bool (*test)(const struct wire_sock *sock))
{
	bool any = false;

	for (size_t i = 0; i < s->count; i++) {
		if (!situation_refuses(s, i))
			continue;
		if (!test(&s->socks[i]))
			return false;
		any = true;
	}
	return any;
}

/* Ends the processes of every refusing socket. Backwards, because removing a socket moves those behind it. */
bool remedy_stop_refusing(struct attempt *try)
{
	struct situation *s = &try->situation;
	bool any = false;

	for (size_t i = s->count; i-- > 0;) {
		if (!situation_refuses(s, i) || situation_is_closed(&s->socks[i]) || situation_is_queued(s, i))
			continue;
		stop_plan_add(&try->plan, try->f, s->holders[i]);
		any = true;
	}
	if (!any || try->plan.is_impossible || try->plan.has_caller)
		return false;
	/* The other sockets of these processes close too. Closing a listener also removes its queue, so start again. */
	for (size_t i = s->count; i-- > 0;) {
		if (i < s->count && stop_plan_covers(&try->plan, try->f, s->holders[i]))
			situation_close(s, i);
	}
	return true;
}

static bool destroy_refusing(struct attempt *try)
{
	struct situation *s = &try->situation;
	bool any = false;

	for (size_t i = s->count; i-- > 0;) {
		const struct holder *holder = s->holders[i];

		if (!situation_refuses(s, i))
			continue;
		if (!situation_destroy(s, i))
			return false;
		try->destroyed[try->destroyed_count++] = holder;
		any = true;
	}
	return any;
}

static bool try_destroy_closed(struct attempt *try)
{
	return all_refusing(&try->situation, situation_is_closed) && destroy_refusing(try);
}

static bool try_destroy(struct attempt *try)
{
	return !all_refusing(&try->situation, situation_is_closed) && destroy_refusing(try);
}

/* Whether one of the refusing sockets keeps its port when it is destroyed. */
static bool needs_stop(const struct situation *s)
{
	struct situation copy;

	situation_copy(&copy, s);
	for (size_t i = copy.count; i-- > 0;) {
		if (situation_refuses(&copy, i) && !situation_destroy(&copy, i))
			return true;
	}
	return false;
}

static bool try_stop_and_destroy(struct attempt *try)
{
	return needs_stop(&try->before) && remedy_stop_refusing(try) && situation_verdict(&try->situation, try->netns) &&
	       destroy_refusing(try);
}

/* A command for ss(8): SOCK_DESTROY of these sockets and no others. `enter` as in struct finding. */
static void destroy_command(const struct attempt *try, const char *enter, struct command *command)
{
	bool in_state[WIRE_TCP_NEW_SYN_RECV + 1] = {false};

	if (try->destroyed_count <= EXACT_MAX) {
		for (size_t i = 0; i < try->destroyed_count; i++) {
			const struct wire_sock *sock = &try->destroyed[i]->sock;

			command_append(command, "%s%sss -taK src ", i ? "; " : "", enter);
			command_append_word(command, ss_address(sock, sock->local_addr, sock->local_port).s);
			command_append(command, " dst ");
			command_append_word(command, ss_address(sock, sock->remote_addr, sock->remote_port).s);
		}
		return;
	}
	for (size_t i = 0; i < try->destroyed_count; i++)
		in_state[ss_state(try->destroyed[i])] = true;
	command_append(command, "%sss -tK", enter);
	for (unsigned int state = 0; state <= WIRE_TCP_NEW_SYN_RECV; state++) {
		if (in_state[state])
			command_append(command, " state %s", ss_state_name(state));
	}
	command_append(command, " sport = :%u", try->f->claim->sock.local_port);
}

static void write_destroy(const struct attempt *try, struct remedy *out)
{
	bool is_closed = all_refusing(&try->before, situation_is_closed);
	struct command command = {0};

	destroy_command(try, try->enter, &command);
	remedy_text(out, "Destroy %s%s", try->destroyed_count == 1 ? "the " : "",
		    try->destroyed_count == 1 ? "" : with_commas(try->destroyed_count).s);
	remedy_text(out, "%s%s%s", try->destroyed_count == 1 ? "" : " ", is_closed ? "closed " : "",
		    try->destroyed_count == 1 ? "connection" : "connections");
	if (try->destroyed_count == 1)
		remedy_text(out, " with %s", endpoint(try->destroyed[0]->sock.remote_addr,
						    try->destroyed[0]->sock.remote_port).s);
	remedy_text(out, is_closed ? "; no process uses %s." : ".", try->destroyed_count == 1 ? "it" : "them");
	remedy_command(try, out, &command);
}

static void write_stop(const struct attempt *try, struct remedy *out)
{
	struct command command = {0};

	out->action = stop_plan_action(&try->plan);
	remedy_text(out, "Stop ");
	stop_plan_append_names(&try->plan, out);
	if (try->destroyed_count) {
		remedy_text(out, ", then destroy what its connections leave behind");
		command_append(&command, "sleep 1; ");
		destroy_command(try, "", &command);
		remedy_stop_first(try, out, &command);
	} else {
		stop_plan_command(&try->plan, try->f->claim->sock.local_port, &command);
		remedy_command(try, out, &command);
	}
	remedy_text(out, ".");
}

/* ---- waiting --------------------------------------------------------------------------------------- */

static bool is_time_wait(const struct wire_sock *sock)
{
	return sock->state == WIRE_TCP_TIME_WAIT;
}

static bool try_wait(struct attempt *try)
{
	struct situation *s = &try->situation;
	uint32_t longest_ms = 0;

	if (!all_refusing(s, is_time_wait))
		return false;
	for (size_t i = s->count; i-- > 0;) {
		uint32_t left_ms = s->holders[i]->expires_ms ? s->holders[i]->expires_ms : TIMEWAIT_LONGEST_MS;

		if (!situation_refuses(s, i))
			continue;
		if (left_ms > longest_ms)
			longest_ms = left_ms;
		situation_drop(s, i);
	}
	try->after_s = longest_ms / 1000 + 1;
	return true;
}

static void write_wait(const struct attempt *try, struct remedy *out)
{
	out->after_s = try->after_s;
	remedy_text(out, "Wait %" PRIu32 " s: the closed connection%s will be gone.", try->after_s,
		    try->before.count - try->situation.count == 1 ? "" : "s");
}

/* ---- options --------------------------------------------------------------------------------------- */

static const char *option_name(uint32_t option)
{
	switch (option) {
	case WIRE_REUSEADDR:
		return "SO_REUSEADDR";
	case WIRE_REUSEPORT:
		return "SO_REUSEPORT";
	default:
		return "IPV6_V6ONLY";
	}
}

static void write_option(const struct attempt *try, struct remedy *out)
{
	snprintf(out->option, sizeof(out->option), "%s", option_name(try->option));
	snprintf(out->value, sizeof(out->value), "1");
	remedy_text(out, "Set %s in ", out->option);
}

static bool try_caller_option(struct attempt *try)
{
	struct wire_sock *sock = &try->situation.claim.sock;

	if (sock->flags & try->option)
		return false;
	if (try->option == WIRE_V6ONLY && (sock->family != AF_INET6 || sock_is_mapped(sock)))
		return false;
	sock->flags |= try->option;
	return true;
}

static void write_caller_option(const struct attempt *try, struct remedy *out)
{
	write_option(try, out);
	remedy_text(out, "%s before bind().", the_caller(try->f).s);
}

/* Sets the option in every refusing socket that lacks it, and in the caller if both need it. */
static bool try_holder_flag(struct attempt *try)
{
	struct situation *s = &try->situation;
	uint32_t flag = try->option;
	bool changed[FAILURE_HOLDERS_MAX] = {false}, any = false;

	for (size_t i = 0; i < s->count; i++) {
		if (!situation_refuses(s, i) || s->socks[i].flags & flag)
			continue;
		if (situation_is_closed(&s->socks[i]) || s->socks[i].flags & WIRE_KERNEL_OWNED)
			return false;
		stop_plan_add(&try->plan, try->f, s->holders[i]);
		any = changed[i] = true;
	}
	if (!any || try->plan.is_impossible || try->plan.has_caller || stop_plan_has_helper(&try->plan))
		return false;
	for (size_t i = 0; i < s->count; i++)
		s->socks[i].flags |= changed[i] ? flag : 0;
	if (!situation_verdict(s, try->netns))
		return true;
	try->in_both = !(s->claim.sock.flags & flag);
	s->claim.sock.flags |= flag;
	return try->in_both;
}

/* A socket on [::] without IPV6_V6ONLY, which also holds the IPv4 port. */
static bool is_dual_stack(const struct wire_sock *sock)
{
	return sock->family == AF_INET6 && !sock_is_mapped(sock) && address_is_wildcard(sock->local_addr) &&
	       !sock_is_connected(sock);
}

static bool is_connection(const struct wire_sock *sock)
{
	return sock_is_connected(sock) && !sock_is_udp(sock);
}

static bool try_holder_option(struct attempt *try)
{
	switch (try->option) {
	case WIRE_V6ONLY: /* the caller has its own row for it */
		return all_refusing(&try->situation, is_dual_stack) && try_holder_flag(try) && !try->in_both;
	case WIRE_REUSEPORT: /* for servers that share a port */
		return !all_refusing(&try->situation, is_connection) && try_holder_flag(try);
	default:
		return try_holder_flag(try);
	}
}

static void write_holder_option(const struct attempt *try, struct remedy *out)
{
	write_option(try, out);
	stop_plan_append_names(&try->plan, out);
	if (try->in_both)
		remedy_text(out, " and in %s, each before bind()", the_caller(try->f).s);
	remedy_text(out, ".");
}

/* ---- the caller's own socket, another port, prevention -------------------------------------------- */

static bool has_pid(const struct holder *holder, uint32_t pid)
{
	if (holder_has_pid(holder, pid))
		return true;
	/* The socket was closed before a scan of the descriptors: then only the owner is known. */
	return !holder->pid_count && holder->owner.pid == pid;
}

static const struct holder *own_holder(const struct attempt *try)
{
	const struct situation *s = &try->before;
	uint32_t pid = s->claim.task.pid;

	for (size_t i = 0; pid && i < s->count; i++) {
		/* What it has closed, it can neither use nor close. */
		if (situation_refuses(s, i) && !situation_is_closed(&s->socks[i]) && has_pid(s->holders[i], pid))
			return s->holders[i];
	}
	return NULL;
}

static bool try_own_socket(struct attempt *try)
{
	if (!own_holder(try))
		return false;
	/* The caller then needs no bind(). */
	try->situation.count = 0;
	return true;
}

static void write_own_socket(const struct attempt *try, struct remedy *out)
{
	const struct holder *holder = own_holder(try);

	if (holder->sock.state == WIRE_TCP_LISTEN && holder->pid_count + holder->pid_more > 1)
		remedy_text(out, "%s has this listener open already: use that descriptor (with socket activation fd 3, "
			    "LISTEN_FDS) instead of bind().", the_caller(try->f).s);
	else
		remedy_text(out, "%s itself holds this port: close that socket first, or use it.",
			    the_caller(try->f).s);
}

static bool try_other_port(struct attempt *try)
{
	try->situation.count = 0;
	return try->situation.claim.call == CLAIM_BIND || try->situation.claim.call == CLAIM_LISTEN;
}

static void write_other_port(const struct attempt *try, struct remedy *out)
{
	remedy_text(out, "Start %s on another port.", the_caller(try->f).s);
}

/* This remedy harms no connection, so it comes before those that end one. */
static bool try_other_source_port(struct attempt *try)
{
	try->situation.count = 0;
	return try->situation.claim.call == CLAIM_CONNECT;
}

static void write_other_source_port(const struct attempt *try, struct remedy *out)
{
	remedy_text(out, "Connect %s from another source port, or let the kernel choose it.", the_caller(try->f).s);
}

/* Of a TIME_WAIT only its bucket shows it: a connect() made it, and a listener's connections are in another one. */
static bool is_ephemeral(const struct wire_sock *sock)
{
	if (sock->state == WIRE_TCP_TIME_WAIT)
		return sock->flags & WIRE_UNSHARED_BUCKET;
	return sock->flags & WIRE_PORT_EPHEMERAL && !(sock->flags & WIRE_ACCEPTED);
}

/* This remedy does not help now, because the sockets already exist. */
static bool try_reserve(struct attempt *try)
{
	const struct netns_entry *netns = try->netns;
	uint16_t port = try->situation.claim.sock.local_port;

	if (!all_refusing(&try->situation, is_ephemeral) || !netns || port < netns->now.range_low ||
	    port > netns->now.range_high)
		return false;
	try->situation.count = 0;
	return true;
}

static void write_reserve(const struct attempt *try, struct remedy *out)
{
	uint16_t port = try->f->claim->sock.local_port;
	struct command command = {0};

	snprintf(out->option, sizeof(out->option), "net.ipv4.ip_local_reserved_ports");
	snprintf(out->value, sizeof(out->value), "%u", port);
	remedy_text(out, "Reserve port %u, so that the kernel gives it to no connection again.", port);
	command_append(&command, "r=$(%ssysctl -n net.ipv4.ip_local_reserved_ports); "
		       "%ssysctl -w net.ipv4.ip_local_reserved_ports=\"${r:+$r,}%u\"", try->enter, try->enter, port);
	remedy_command(try, out, &command);
}

/* ---- the table --------------------------------------------------------------------------------------- */

const struct remedy_row holder_remedies[] = {
	{REMEDY_USE_INHERITED_FD, REMEDY_RESTART, try_own_socket, write_own_socket, 0},
	{REMEDY_DESTROY_SOCKET, REMEDY_NOW, try_destroy_closed, write_destroy, 0},
	{REMEDY_SET_CALLER_OPTION, REMEDY_RESTART, try_caller_option, write_caller_option, WIRE_REUSEADDR},
	{REMEDY_SET_CALLER_OPTION, REMEDY_RESTART, try_caller_option, write_caller_option, WIRE_REUSEPORT},
	{REMEDY_SET_CALLER_OPTION, REMEDY_RESTART, try_caller_option, write_caller_option, WIRE_V6ONLY},
	{REMEDY_WAIT, REMEDY_AFTER, try_wait, write_wait, 0},
	{REMEDY_OTHER_PORT, REMEDY_RESTART, try_other_source_port, write_other_source_port, 0},
	{REMEDY_DESTROY_SOCKET, REMEDY_NOW, try_destroy, write_destroy, 0},
	{REMEDY_STOP_PROCESS, REMEDY_NOW, remedy_stop_refusing, write_stop, 0},
	{REMEDY_STOP_PROCESS, REMEDY_NOW, try_stop_and_destroy, write_stop, 0},
	{REMEDY_OTHER_PORT, REMEDY_RESTART, try_other_port, write_other_port, 0},
	{REMEDY_SET_HOLDER_OPTION, REMEDY_RESTART, try_holder_option, write_holder_option, WIRE_V6ONLY},
	{REMEDY_SET_HOLDER_OPTION, REMEDY_RESTART, try_holder_option, write_holder_option, WIRE_REUSEADDR},
	{REMEDY_SET_HOLDER_OPTION, REMEDY_RESTART, try_holder_option, write_holder_option, WIRE_REUSEPORT},
	{REMEDY_RESERVE_PORT, REMEDY_PREVENTS, try_reserve, write_reserve, 0},
};
const size_t holder_remedy_count = sizeof(holder_remedies) / sizeof(holder_remedies[0]);
