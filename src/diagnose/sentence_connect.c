/* SPDX-License-Identifier: GPL-2.0-only */
/* Sentences for connections that failed: no port of this machine is the reason. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

#include "diagnose/rules.h"
#include "diagnose/sentence.h"
#include "util/address.h"
#include "util/errno_name.h"

#define SERVERS_NAMED 2

static bool is_udp(const struct finding *f)
{
	return sock_is_udp(&f->claim->sock);
}

/* What a server does with its port. */
static const char *serves(const struct finding *f)
{
	return is_udp(f) ? "is bound to" : "listens on";
}

static const char *served(const struct finding *f)
{
	return is_udp(f) ? "was bound to" : "listened on";
}

/* " of node[977]"; "" for a question about no specific process */
static struct phrase of_caller(const struct finding *f)
{
	struct phrase out = {""};

	if (f->claim->task.pid || !f->claim->is_predicted)
		snprintf(out.s, sizeof(out.s), " of %.180s", the_caller(f).s);
	return out;
}

/* "node[4211] listens on [::1]:8080" */
static void append_server(const struct finding *f, const struct holder *server, char *out)
{
	struct finding about = *f;

	about.holder = server;
	if (server->sock.flags & WIRE_KERNEL_OWNED)
		sentence_append(out, "the kernel");
	else
		sentence_append(out, "%s", the_holder(&about).s);
	if (sock_is_udp(&server->sock))
		sentence_append(out, " is bound to %s", bound_endpoint(&server->sock).s);
	else if (server->sock.state == WIRE_TCP_LISTEN)
		sentence_append(out, " listens on %s", bound_endpoint(&server->sock).s);
	else
		sentence_append(out, " has bound %s and does not listen", bound_endpoint(&server->sock).s);
	if (server->sock.ifindex)
		sentence_append(out, " for the device %s only", server->interface[0] ? server->interface : "of SO_BINDTODEVICE");
	if (server->sock.netns != f->claim->sock.netns)
		sentence_append(out, " in network namespace %u", server->sock.netns);
}

/* The nearest sockets on the same port: those that the caller may have meant. */
static void append_near(const struct finding *f, char *out)
{
	size_t named = f->holder_count < SERVERS_NAMED ? f->holder_count : SERVERS_NAMED;

	for (size_t i = 0; i < named; i++) {
		sentence_append(out, i ? "; " : ". ");
		append_server(f, f->holders[i], out);
	}
	if (f->holder_count > named)
		sentence_append(out, "; %zu more on this port", f->holder_count - named);
}

const struct closed_server *server_that_closed(const struct finding *f)
{
	const struct closed_server *server, *near = NULL;
	unsigned int best = 16, distance; /* not those of other network namespaces */

	for (unsigned int age = 0; f->model && (server = model_closed_server(f->model, age)); age++) {
		distance = sock_distance(&f->claim->sock, &server->sock);
		if (distance >= best || server->closed_boot_ns > f->now_boot_ns)
			continue;
		near = server;
		best = distance;
	}
	return near;
}

static void append_closed(const struct finding *f, const struct closed_server *server, char *out)
{
	sentence_append(out, ". %s %s %s until%s",
			server->owner.pid ? task_name(&server->owner).s : "An unknown process",
			served(f), bound_endpoint(&server->sock).s,
			time_ago(f, server->closed_boot_ns).s);
}

/* It took its port after the connection had begun; a time that is not known is before porttrace. */
bool server_started_later(const struct finding *f)
{
	return f->holder && sock_accepts(&f->claim->sock, &f->holder->sock) && f->claim->began_boot_ns &&
	       f->holder->since_boot_ns > f->claim->began_boot_ns;
}

static void append_accepting(const struct finding *f, char *out)
{
	bool is_later = server_started_later(f);

	if (is_later)
		sentence_append(out, "No socket %s %s when %s connected. ", served(f),
				claim_peer(f).s, the_caller(f).s);
	append_server(f, f->holder, out);
	sentence_append(out, is_later ? " now." : " and did not refuse the connection of %s: a packet filter rejects it, or "
						  "the socket is younger than the connection.", the_caller(f).s);
}

void why_no_listener(const struct finding *f, char *out)
{
	const struct closed_server *closed;

	if (f->holder && sock_accepts(&f->claim->sock, &f->holder->sock)) {
		append_accepting(f, out);
		return;
	}
	if (!f->claim->remote_is_local)
		sentence_append(out, "%s refused the connection of %s: no socket %s its %sport %u, or a packet filter rejects "
				     "it. porttrace sees the sockets of this machine only",
				address_text(f->claim->sock.remote_addr).s, the_caller(f).s,
				serves(f), is_udp(f) ? "UDP " : "",
				f->claim->sock.remote_port);
	else
		sentence_append(out, "No socket %s %s%s, so the kernel %s the connection%s",
				serves(f), is_udp(f) ? "UDP " : "", claim_peer(f).s,
				f->claim->is_predicted ? "refuses" : "refused", of_caller(f).s);
	closed = f->claim->remote_is_local ? server_that_closed(f) : NULL;
	if (closed)
		append_closed(f, closed, out);
	if (!closed || (f->holder && f->holder->sock.netns == f->claim->sock.netns))
		append_near(f, out);
	sentence_append(out, ".");
}

void fix_no_listener(const struct finding *f, char *out)
{
	if (f->holder && sock_accepts(&f->claim->sock, &f->holder->sock))
		sentence_append(out, "look for a rule that rejects it: nft list ruleset");
	else if (f->claim->remote_is_local && f->holder)
		sentence_append(out, "connect again when %s has called listen().", holder_name(f).s);
	else if (f->claim->remote_is_local)
		sentence_append(out, "start the server.");
	else
		sentence_append(out, "check on %s that the server listens on that address: ss -ltnu sport = :%u",
				address_text(f->claim->sock.remote_addr).s, f->claim->sock.remote_port);
}

void why_backlog_full(const struct finding *f, char *out)
{
	append_server(f, f->holder, out);
	sentence_append(out, ", and its accept queue is full: %u connections wait for accept(), the backlog is %u. The kernel "
			     "drops new connections until the program accepts one.",
			f->holder->queue, f->holder->backlog);
}

void fix_backlog_full(const struct finding *f, char *out)
{
	sentence_append(out, "find out why %s does not call accept(): it is stopped, stuck or too slow. A larger backlog in its "
			     "listen(), up to net.core.somaxconn, only helps against bursts.", holder_name(f).s);
}

void why_no_route(const struct finding *f, char *out)
{
	char name[ERRNO_NAME_SIZE];

	if (f->error == ENETUNREACH && !f->claim->began_boot_ns)
		sentence_append(out, "This network namespace has no route to %s (ENETUNREACH).",
				address_text(f->claim->sock.remote_addr).s);
	else if (!f->claim->began_boot_ns)
		sentence_append(out, "A route of this network namespace declares %s unreachable (%s).",
				address_text(f->claim->sock.remote_addr).s, errno_name(f->error, name));
	else
		sentence_append(out, "A router, or this host because no machine answers for the address on its network, reports "
				     "%s as unreachable (%s).",
				address_text(f->claim->sock.remote_addr).s, errno_name(f->error, name));
	sentence_append(out, " Ports are not the cause.");
}

void fix_no_route(const struct finding *f, char *out)
{
	sentence_append(out, "check the address and the route to it: %sip route get %s", f->enter ? f->enter : "",
			address_text(f->claim->sock.remote_addr).s);
}

void why_no_answer(const struct finding *f, char *out)
{
	if (f->holder) {
		append_server(f, f->holder, out);
		sentence_append(out, ", its accept queue is not full now (%u waiting, backlog %u), and the connection of %s got no "
				     "answer: the queue was full, or a packet filter drops it.",
				f->holder->queue, f->holder->backlog, the_caller(f).s);
		return;
	}
	sentence_append(out, "%s did not answer the connection of %s: its host is down, or a packet filter drops the packets. "
			     "Ports of this machine are not the cause.", claim_peer(f).s, the_caller(f).s);
}

void fix_no_answer(const struct finding *f, char *out)
{
	sentence_append(out, "check that %s is up, and the packet filters on the way (here: nft list ruleset).",
			address_text(f->claim->sock.remote_addr).s);
}

void why_reset_by_peer(const struct finding *f, char *out)
{
	sentence_append(out, "%s reset the connection of %s before it was established. Ports of this machine are not the cause.",
			claim_peer(f).s, the_caller(f).s);
}

void fix_reset_by_peer(const struct finding *f, char *out)
{
	sentence_append(out, "look at the server on %s: it, or a machine on the way, sends the reset.",
			address_text(f->claim->sock.remote_addr).s);
}
