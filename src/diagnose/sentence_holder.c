/* SPDX-License-Identifier: GPL-2.0-only */
/* Sentences for refusals where another socket is bound to the port or listens on it. */
#include <netinet/in.h>

#include "diagnose/rules.h"
#include "diagnose/sentence.h"
#include "util/address.h"

static uint16_t port_of(const struct finding *f)
{
	return f->claim->sock.local_port;
}

/* Then it could have been any port, and may be another one after a restart. */
static const char *chosen(const struct finding *f)
{
	return f->holder->sock.flags & WIRE_PORT_EPHEMERAL ? ", a port that the kernel chose" : "";
}

void why_listener(const struct finding *f, char *out)
{
	sentence_append(out, "%s listens on %s%s%s.", the_holder(f).s, holder_endpoint(f).s, chosen(f),
			f->claim->sock.flags & WIRE_REUSEADDR
				? ", and SO_REUSEADDR does not help: the port has a listener"
				: "");
}

void why_wildcard(const struct finding *f, char *out)
{
	if (f->overlap == OVERLAP_WILDCARD_HOLDER)
		sentence_append(out, "%s holds %sport %u on every address, which includes %s.", the_holder(f).s,
				sock_is_udp(&f->holder->sock) ? "UDP " : "", port_of(f),
				address_text(f->claim->sock.local_addr).s);
	else
		sentence_append(out,
				"%s asked for port %u on every address, which includes %s, held by %s.",
				the_caller(f).s, port_of(f), holder_endpoint(f).s, the_holder(f).s);
}

/* [::] without IPV6_V6ONLY */
static bool is_dual_stack(const struct wire_sock *sk)
{
	return sk->family == AF_INET6 && !sock_is_mapped(sk) &&
	       address_is_wildcard(sk->local_addr) && !(sk->flags & WIRE_V6ONLY);
}

void why_dual_stack(const struct finding *f, char *out)
{
	if (is_dual_stack(&f->holder->sock))
		sentence_append(out, "%s holds %s[::]:%u without IPV6_V6ONLY, which includes the IPv4 port.",
				the_holder(f).s, sock_is_udp(&f->holder->sock) ? "UDP " : "", port_of(f));
	else if (is_dual_stack(&f->claim->sock))
		sentence_append(out,
				"%s asked for [::]:%u without IPV6_V6ONLY, which includes the IPv4 port, and "
				"%s holds %s.",
				the_caller(f).s, port_of(f), the_holder(f).s, holder_endpoint(f).s);
	else
		sentence_append(out,
				"%s holds %s, and %s asked for %s: an IPv6 socket with an IPv4-mapped address "
				"uses the IPv4 port.",
				the_holder(f).s, holder_endpoint(f).s, the_caller(f).s, claim_endpoint(f).s);
}

void why_bound(const struct finding *f, char *out)
{
	sentence_append(out, "%s bound %s%s%s%s but does not listen, so 'ss -l' does not show it.", the_holder(f).s,
			holder_endpoint(f).s, chosen(f), *chosen(f) ? "," : "", bound_ago(f).s);
}

void why_reuseaddr_missing(const struct finding *f, char *out)
{
	sentence_append(out, "%s set SO_REUSEADDR on %s, so the port can be shared, but %s did not set it.",
			the_holder(f).s, holder_endpoint(f).s, the_caller(f).s);
}

void why_reuseaddr_missing_on_holder(const struct finding *f, char *out)
{
	sentence_append(out, "%s set SO_REUSEADDR, but %s, which holds %s, did not.", the_caller(f).s,
			the_holder(f).s, holder_endpoint(f).s);
}

void why_reuseport_missing(const struct finding *f, char *out)
{
	sentence_append(out, "%s set SO_REUSEPORT on %s, but %s did not set it.", the_holder(f).s,
			holder_endpoint(f).s, the_caller(f).s);
}

void why_reuseport_missing_on_holder(const struct finding *f, char *out)
{
	sentence_append(out, "%s set SO_REUSEPORT, but %s, which holds %s, did not.", the_caller(f).s,
			the_holder(f).s, holder_endpoint(f).s);
}

void why_reuseport_uid(const struct finding *f, char *out)
{
	sentence_append(out,
			"SO_REUSEPORT shares a port within one user only: the socket of %s on %s belongs to %s, "
			"that of %s to %s.",
			the_holder(f).s, holder_endpoint(f).s,
			user_phrase(f, f->holder->sock.uid, holder_task(f->holder)).s, the_caller(f).s,
			user_phrase(f, f->claim->sock.uid, &f->claim->task).s);
}

void why_reuseport_prog(const struct finding *f, char *out)
{
	sentence_append(out,
			"%s attached a reuseport BPF program before bind(), so its socket cannot join the group "
			"of %s on %s.",
			the_caller(f).s, the_holder(f).s, holder_endpoint(f).s);
}

void why_reuse_mismatch(const struct finding *f, char *out)
{
	sentence_append(out,
			"%s set SO_REUSEADDR, but %s, which holds %s, set SO_REUSEPORT; to share a port, both must "
			"set the same option.",
			the_caller(f).s, the_holder(f).s, holder_endpoint(f).s);
}

void why_listen_recheck(const struct finding *f, char *out)
{
	if (f->holder->sock.state == WIRE_TCP_LISTEN)
		sentence_append(out, "bind() of %s was allowed because no socket listened there; %s does now.",
				claim_endpoint(f).s, the_holder(f).s);
	else
		sentence_append(out, "bind() of %s was allowed, but %s holds %s and no longer shares it.",
				claim_endpoint(f).s, the_holder(f).s, holder_endpoint(f).s);
}

void why_udp_holder(const struct finding *f, char *out)
{
	sentence_append(out, "%s holds %s%s.", the_holder(f).s, holder_endpoint(f).s, chosen(f));
}

void why_udp_connected(const struct finding *f, char *out)
{
	sentence_append(out, "%s holds %s, connected to %s; a connected UDP socket blocks the port as well.",
			the_holder(f).s, holder_endpoint(f).s, holder_peer(f).s);
}

/* The usual user of a port among the kernel's own sockets; "" when there is none. */
static const char *usual_kernel_user(const struct wire_sock *sk)
{
	if (!sock_is_udp(sk))
		return sk->local_port == 2049 ? "the NFS server"
		       : sk->local_port >= 665 && sk->local_port <= 1023
			       ? "an NFS or other RPC client"
			       : "";
	switch (sk->local_port) {
	case 1701:
		return "an L2TP tunnel";
	case 4789:
	case 8472:
		return "a VXLAN device";
	case 6081:
		return "a GENEVE device";
	case 51820:
		return "WireGuard";
	}
	return "";
}

void why_kernel_socket(const struct finding *f, char *out)
{
	const char *usual = usual_kernel_user(&f->holder->sock);

	if (f->holder->device[0]) {
		sentence_append(out, "The kernel itself holds %s, for the %s device %s; no process has this socket open.",
				holder_endpoint(f).s, escaped(f->holder->tunnel).s, escaped(f->holder->device).s);
		return;
	}
	sentence_append(out, "The kernel itself holds %s%s%s; no process has this socket open.",
			holder_endpoint(f).s, *usual ? ", by the port number for " : "", usual);
}

void why_holder_gone(const struct finding *f, char *out)
{
	bool is_complete = f->failure && !f->failure->holder_more;

	if (f->claim->call == CLAIM_CONNECT)
		sentence_append(out, "The connection from port %u to %s already existed, but %s.", port_of(f),
				claim_peer(f).s,
				is_complete ? "was closed before porttrace could find it"
					    : "porttrace did not find it");
	else if (is_complete)
		sentence_append(out, "The socket that held %s was closed before porttrace could find it.",
				claim_endpoint(f).s);
	else
		sentence_append(out, "%s was in use, but porttrace did not find the socket that held it.",
				claim_endpoint(f).s);
}

void fix_holder_gone(const struct finding *f, char *out)
{
	sentence_append(out, "try again; 'porttrace why %s%u' shows which process holds the port then.",
			sock_is_udp(&f->claim->sock) ? "udp:" : "", port_of(f));
}
