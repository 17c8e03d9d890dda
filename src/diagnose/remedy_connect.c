/* SPDX-License-Identifier: GPL-2.0-only */
/* Remedies for a connection that this machine refused: which address, or which server, would accept it. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "diagnose/remedy.h"
#include "diagnose/remedy_rows.h"
#include "diagnose/rules.h"
#include "util/address.h"

static bool is_refused_here(const struct attempt *try)
{
	return try->f->error == ECONNREFUSED && try->f->claim->remote_is_local;
}

static bool is_link_local(const uint8_t addr[16])
{
	return addr[0] == 0xfe && (addr[1] & 0xc0) == 0x80;
}

/* Where a client in the same network namespace reaches this server. */
static void address_of_server(const struct wire_sock *server, uint8_t out[16])
{
	static const uint8_t loopback4[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};
	static const uint8_t loopback6[16] = {[15] = 1};

	if (!address_is_wildcard(server->local_addr))
		memcpy(out, server->local_addr, 16);
	else
		memcpy(out, server->family == AF_INET6 && server->flags & WIRE_V6ONLY ? loopback6 : loopback4, 16);
}

static const struct holder *nearest_open(const struct attempt *try)
{
	const struct finding *f = try->f;

	return f->holder_count && f->holders[0]->sock.netns == f->claim->sock.netns &&
		       (sock_is_udp(&f->holders[0]->sock) || f->holders[0]->sock.state == WIRE_TCP_LISTEN) ?
		       f->holders[0] : NULL;
}

static bool try_again(struct attempt *try)
{
	return is_refused_here(try) && server_started_later(try->f);
}

static void write_again(const struct attempt *try, struct remedy *out)
{
	remedy_text(out, "Connect again: %s %s %s now.", holder_name(try->f).s,
		    sock_is_udp(&try->f->claim->sock) ? "is bound to" : "listens on",
		    bound_endpoint(&try->f->holder->sock).s);
}

/* The same connection, to the address on which the server listens. */
static bool try_its_address(struct attempt *try)
{
	const struct holder *server = nearest_open(try);
	struct wire_sock *sk = &try->situation.claim.sock;

	if (!is_refused_here(try) || !server || sock_accepts(sk, &server->sock) || is_link_local(server->sock.local_addr))
		return false;
	address_of_server(&server->sock, sk->remote_addr);
	return sock_accepts(sk, &server->sock);
}

static void write_its_address(const struct attempt *try, struct remedy *out)
{
	const struct wire_sock *sk = &try->situation.claim.sock;

	remedy_text(out, "Connect ");
	if (try->f->claim->task.pid)
		remedy_text(out, "%s ", the_caller(try->f).s);
	remedy_text(out, "to %s, where %s %s.", endpoint(sk->remote_addr, sk->remote_port).s, holder_name(try->f).s,
		    sock_is_udp(sk) ? "is bound" : "listens");
}

/* The server, on the address to which the client connects. */
static bool try_move_server(struct attempt *try)
{
	const struct holder *server = nearest_open(try);
	const struct wire_sock *sk = &try->situation.claim.sock;
	struct wire_sock moved;

	if (!is_refused_here(try) || !server || sock_accepts(sk, &server->sock))
		return false;
	moved = server->sock;
	moved.family = address_is_mapped(sk->remote_addr) ? AF_INET : AF_INET6;
	memcpy(moved.local_addr, sk->remote_addr, sizeof(moved.local_addr));
	return sock_accepts(sk, &moved);
}

static void write_move_server(const struct attempt *try, struct remedy *out)
{
	remedy_text(out, "Start %s on %s, or on every address.", holder_name(try->f).s, claim_peer(try->f).s);
}

static bool try_start_server(struct attempt *try)
{
	const struct finding *f = try->f;

	return is_refused_here(try) && !nearest_open(try) &&
	       (!f->holder_count || f->holders[0]->sock.netns != f->claim->sock.netns);
}

static void write_start_server(const struct attempt *try, struct remedy *out)
{
	const struct closed_server *closed = server_that_closed(try->f);
	const struct process *process = closed ? process_of(try->f, &closed->owner) : NULL;

	if (!closed || !closed->owner.pid) {
		remedy_text(out, "Start the server that %s %s.", sock_is_udp(&try->f->claim->sock) ? "binds UDP" : "listens on",
			    claim_peer(try->f).s);
		return;
	}
	remedy_text(out, "Start %s again", task_name(&closed->owner).s);
	if (process && process->unit[0])
		remedy_text(out, " (unit %s)", escaped(process->unit).s);
	remedy_text(out, ": it %s %s until%s.", sock_is_udp(&closed->sock) ? "was bound to" : "listened on",
		    bound_endpoint(&closed->sock).s, time_ago(try->f, closed->closed_boot_ns).s);
}

const struct remedy_row connect_remedies[] = {
	{REMEDY_WAIT, REMEDY_NOW, try_again, write_again, 0},
	{REMEDY_OTHER_ADDRESS, REMEDY_RESTART, try_its_address, write_its_address, 0},
	{REMEDY_FIX_ADDRESS, REMEDY_RESTART, try_move_server, write_move_server, 0},
	{REMEDY_START_PROCESS, REMEDY_RESTART, try_start_server, write_start_server, 0},
};
const size_t connect_remedy_count = sizeof(connect_remedies) / sizeof(connect_remedies[0]);
