/* SPDX-License-Identifier: GPL-2.0-only */
/* Somebody has the port: what to tell, and what to do about it. */
#include <netinet/in.h>

#include "diagnose/rules.h"
#include "diagnose/sentence.h"
#include "util/address.h"

static uint16_t port_of(const struct finding *f)
{
	return f->claim->sock.local_port;
}

void why_listener(const struct finding *f, char *out)
{
	sentence_append(out, "%s listens on %s%s.", the_holder(f).s, holder_end(f).s,
	    f->claim->sock.flags & WIRE_REUSEADDR
		    ? ", and SO_REUSEADDR does not get past a listener"
		    : "");
}

void fix_listener(const struct finding *f, char *out)
{
	sentence_append(out, "%s, or give %s another port; to share it, both must set SO_REUSEPORT.",
	    stop_holder(f).s, the_caller(f).s);
}

void why_wildcard(const struct finding *f, char *out)
{
	if (f->overlap == OVERLAP_WILDCARD_HOLDER)
		sentence_append(out, "%s has %sport %u on every address, which includes %s.", the_holder(f).s,
		    sock_is_udp(&f->holder->sock) ? "UDP " : "", port_of(f),
		    address_of(f->claim->sock.local_addr).s);
	else
		sentence_append(out, "%s asked for port %u on every address, which includes %s of %s.",
		    the_caller(f).s, port_of(f), holder_end(f).s, the_holder(f).s);
}

void fix_wildcard(const struct finding *f, char *out)
{
	if (f->overlap == OVERLAP_WILDCARD_HOLDER)
		sentence_append(out, "%s, or have it bind to a single address other than %s.", stop_holder(f).s,
		    address_of(f->claim->sock.local_addr).s);
	else
		sentence_append(out, "%s, or bind %s to a single address other than %s.", stop_holder(f).s,
		    the_caller(f).s, address_of(f->holder->sock.local_addr).s);
}

/* [::] without IPV6_V6ONLY */
static bool is_dual(const struct wire_sock *sk)
{
	return sk->family == AF_INET6 && !sock_is_mapped(sk) &&
	       address_is_wildcard(sk->local_addr) && !(sk->flags & WIRE_V6ONLY);
}

void why_dual_stack(const struct finding *f, char *out)
{
	if (is_dual(&f->holder->sock))
		sentence_append(out, "%s has %s[::]:%u without IPV6_V6ONLY, so it has the IPv4 port as well.",
		    the_holder(f).s, sock_is_udp(&f->holder->sock) ? "UDP " : "", port_of(f));
	else if (is_dual(&f->claim->sock))
		sentence_append(out, "%s asked for [::]:%u without IPV6_V6ONLY, which takes the IPv4 port as "
		    "well, and %s has %s.",
		    the_caller(f).s, port_of(f), the_holder(f).s, holder_end(f).s);
	else
		sentence_append(out, "%s has %s, and %s asked for %s: an IPv4 address is the same on an IPv6 "
		    "socket.",
		    the_holder(f).s, holder_end(f).s, the_caller(f).s, cgroup_seen_end(f).s);
}

void fix_dual_stack(const struct finding *f, char *out)
{
	if (is_dual(&f->holder->sock))
		sentence_append(out, "set IPV6_V6ONLY on the IPv6 socket of %s before its bind(), or %s.",
		    holder_name(f).s, stop_holder(f).s);
	else if (is_dual(&f->claim->sock))
		sentence_append(out, "set IPV6_V6ONLY on the IPv6 socket of %s before its bind(), or %s.",
		    the_caller(f).s, stop_holder(f).s);
	else
		sentence_append(out, "%s, or give %s another address or port.", stop_holder(f).s,
		    the_caller(f).s);
}

void why_bound(const struct finding *f, char *out)
{
	sentence_append(out, "%s bound %s%s but does not listen, so ss does not show it.", the_holder(f).s,
	    holder_end(f).s, taken_ago(f).s);
}

void fix_bound(const struct finding *f, char *out)
{
	sentence_append(out, "%s, or have it close that socket: shutdown() of a listener, a reset of a client "
	    "and 'ss -K' leave one like it.",
	    stop_holder(f).s);
}

void why_reuseaddr_missing(const struct finding *f, char *out)
{
	sentence_append(out, "%s has bound %s and would share it, but %s did not set SO_REUSEADDR.",
	    the_holder(f).s, holder_end(f).s, the_caller(f).s);
}

void fix_reuseaddr_missing(const struct finding *f, char *out)
{
	sentence_append(out, "set SO_REUSEADDR in %s before its bind(), or %s.", the_caller(f).s,
	    stop_holder(f).s);
}

void why_reuseaddr_missing_on_holder(const struct finding *f, char *out)
{
	sentence_append(out, "%s set SO_REUSEADDR, but %s, which has %s, did not.", the_caller(f).s,
	    the_holder(f).s, holder_end(f).s);
}

void fix_reuseaddr_missing_on_holder(const struct finding *f, char *out)
{
	sentence_append(out, "set SO_REUSEADDR in %s too, where it counts even after bind(), or %s.",
	    holder_name(f).s, stop_holder(f).s);
}

void why_reuseport_missing(const struct finding *f, char *out)
{
	sentence_append(out, "%s shares %s by SO_REUSEPORT, but %s did not ask for that.", the_holder(f).s,
	    holder_end(f).s, the_caller(f).s);
}

void fix_reuseport_missing(const struct finding *f, char *out)
{
	sentence_append(out, "set SO_REUSEPORT in %s before its bind(), as uid %u, or %s.", the_caller(f).s,
	    f->holder->sock.uid, stop_holder(f).s);
}

void why_reuseport_missing_on_holder(const struct finding *f, char *out)
{
	sentence_append(out, "%s set SO_REUSEPORT, but %s, which has %s, did not.", the_caller(f).s,
	    the_holder(f).s, holder_end(f).s);
}

void fix_reuseport_missing_on_holder(const struct finding *f, char *out)
{
	sentence_append(out, "set SO_REUSEPORT in %s too, as uid %u, which works without a restart, or %s.",
	    holder_name(f).s, f->claim->sock.uid, stop_holder(f).s);
}

void why_reuseport_uid(const struct finding *f, char *out)
{
	sentence_append(out, "The socket of %s on %s belongs to uid %u, that of %s to uid %u, and SO_REUSEPORT "
	    "shares a port within one uid only.",
	    the_holder(f).s, holder_end(f).s, f->holder->sock.uid, the_caller(f).s,
	    f->claim->sock.uid);
}

void fix_reuseport_uid(const struct finding *f, char *out)
{
	sentence_append(out, "create the socket of %s as uid %u, or %s.", the_caller(f).s, f->holder->sock.uid,
	    stop_holder(f).s);
}

void why_reuseport_prog(const struct finding *f, char *out)
{
	sentence_append(out, "%s attached a reuseport BPF program before bind(), which puts its socket in a "
	    "group of its own, apart from that of %s on %s.",
	    the_caller(f).s, the_holder(f).s, holder_end(f).s);
}

void fix_reuseport_prog(const struct finding *f, char *out)
{
	sentence_append(out, "attach the program of %s after bind(), or on the first socket of the group only.",
	    the_caller(f).s);
}

void why_reuse_mismatch(const struct finding *f, char *out)
{
	sentence_append(out, "%s set SO_REUSEADDR and %s, which has %s, SO_REUSEPORT: the two do not match.",
	    the_caller(f).s, the_holder(f).s, holder_end(f).s);
}

void fix_reuse_mismatch(const struct finding *f, char *out)
{
	sentence_append(out, "set the same option in both, SO_REUSEPORT in %s being the shorter way, or %s.",
	    the_caller(f).s, stop_holder(f).s);
}

void why_listen_recheck(const struct finding *f, char *out)
{
	if (f->holder->sock.state == WIRE_TCP_LISTEN)
		sentence_append(out, "bind() of %s was allowed because nobody listened there; %s does now.",
		    cgroup_seen_end(f).s, the_holder(f).s);
	else
		sentence_append(out, "bind() of %s was allowed, but %s has %s and no longer shares it.",
		    cgroup_seen_end(f).s, the_holder(f).s, holder_end(f).s);
}

void fix_listen_recheck(const struct finding *f, char *out)
{
	sentence_append(out, "%s, or give %s another port; to share a listener, both must set SO_REUSEPORT.",
	    stop_holder(f).s, the_caller(f).s);
}

void why_udp_holder(const struct finding *f, char *out)
{
	sentence_append(out, "%s has %s.", the_holder(f).s, holder_end(f).s);
}

void why_udp_connected(const struct finding *f, char *out)
{
	sentence_append(out, "%s has %s, connected to %s; that still holds the port against everybody.",
	    the_holder(f).s, holder_end(f).s, holder_peer(f).s);
}

void fix_udp_holder(const struct finding *f, char *out)
{
	sentence_append(out, "%s, or set SO_REUSEADDR (the last one gets the datagrams) or SO_REUSEPORT (they "
	    "are spread) in both.",
	    stop_holder(f).s);
}

/* Which part of the kernel is told by nothing but the port. */
static const char *usual_kernel_owner(const struct wire_sock *sk)
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
	const char *usual = usual_kernel_owner(&f->holder->sock);

	sentence_append(out, "The kernel itself has %s%s%s, so no process will show up.", holder_end(f).s,
	    *usual ? ", by its number for " : "", usual);
}

void fix_kernel_socket(const struct finding *f, char *out)
{
	sentence_append(out, "give %s another port, or remove what uses it: a tunnel device ('ip -d link'), "
	    "WireGuard ('wg'), NFS.",
	    the_caller(f).s);
}

void why_holder_gone(const struct finding *f, char *out)
{
	bool looked = f->failure && !f->failure->holder_more;

	if (f->claim->call == CLAIM_CONNECT)
		sentence_append(out, "The connection from port %u to %s existed already, but %s.", port_of(f),
		    cgroup_seen_peer(f).s,
		    looked ? "has gone meanwhile" : "whose it was has not been seen");
	else if (looked)
		sentence_append(out, "Whoever held %s has let go meanwhile.", cgroup_seen_end(f).s);
	else
		sentence_append(out, "%s was taken, but who had it has not been seen.", cgroup_seen_end(f).s);
}

void fix_holder_gone(const struct finding *f, char *out)
{
	sentence_append(out, "try again; 'porttrace why %s%u' shows who has the port by then.",
	    sock_is_udp(&f->claim->sock) ? "udp:" : "", port_of(f));
}
