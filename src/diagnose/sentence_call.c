/* SPDX-License-Identifier: GPL-2.0-only */
/* The address, the socket or the permission is at fault: what to tell, and what to do about it. */
#include <errno.h>
#include <netinet/in.h>

#include "diagnose/rules.h"
#include "diagnose/sentence.h"
#include "util/errno_name.h"

static const char *call_name(const struct finding *f)
{
	switch (f->claim->call) {
	case CLAIM_BIND:
		return "bind()";
	case CLAIM_LISTEN:
		return "listen()";
	case CLAIM_CONNECT:
		return "connect()";
	case CLAIM_SEND:
		return "sendto()";
	}
	return "the call";
}

static const char *device_name(const struct finding *f)
{
	const struct wire_sock *sk = &f->claim->sock;

	return f->model && sk->ifindex ? model_interface(f->model, sk->netns, sk->ifindex) : "";
}

void why_none(const struct finding *f, char *out)
{
	sentence_append(out, "Nothing stands in the way of %s for %s.", call_name(f), cgroup_seen_end(f).s);
}

void fix_none(const struct finding *f, char *out)
{
	(void)f;
	(void)out;
}

/* A range with room says so itself. */
void why_unpredicted(const struct finding *f, char *out)
{
	size_t others = f->failure ? f->failure->holder_count : 0;

	if (f->claim->sock.local_port && others)
		sentence_append(out, " By the rules that porttrace knows %s %s on the port would not refuse it.",
		    others == 1 ? "the one socket" : amount(others).s,
		    others == 1 ? "that is left" : "sockets that are left");
}

void why_not_local(const struct finding *f, char *out)
{
	const char *device = device_name(f);

	sentence_append(out, "This network namespace has no address %s",
	    address_of(f->claim->sock.local_addr).s);
	if (*device)
		sentence_append(out, " on %s, the device that the socket is bound to", quoted(device).s);
	sentence_append(out, ".");
}

void fix_not_local(const struct finding *f, char *out)
{
	sentence_append(out, "check the address ('ip address'), start %s after it has been set, or set "
	    "IP_FREEBIND before bind().",
	    the_caller(f).s);
}

void why_tentative(const struct finding *f, char *out)
{
	sentence_append(out, "%s is still being checked for duplicates on the network, which takes about a "
	    "second.",
	    address_of(f->claim->sock.local_addr).s);
}

void fix_tentative(const struct finding *f, char *out)
{
	(void)f;
	sentence_append(out, "try again, set IP_FREEBIND before bind(), or add the address with 'nodad'.");
}

void why_no_source(const struct finding *f, char *out)
{
	sentence_append(out, "There is no source address for %s; this has nothing to do with ports.",
	    address_of(f->claim->sock.remote_addr).s);
}

void fix_no_source(const struct finding *f, char *out)
{
	if (f->claim->sock.family == AF_INET6)
		sentence_append(out, "give this network namespace an IPv6 address (see 'ip -6 address' and "
		    "net.ipv6.conf.all.disable_ipv6), or use IPv4.");
	else
		sentence_append(out, "give this network namespace an address that reaches the peer ('ip "
		    "address').");
}

void why_already_bound(const struct finding *f, char *out)
{
	sentence_append(out, "The socket of %s has ", the_caller(f).s);
	if (f->claim->bound_port)
		sentence_append(out, "port %u", f->claim->bound_port);
	else
		sentence_append(out, "a port");
	sentence_append(out, " already, by an earlier bind(), connect() or send, and cannot take %u.",
	    f->claim->sock.local_port);
}

void fix_already_bound(const struct finding *f, char *out)
{
	sentence_append(out, "use a new socket in %s, and call bind() first.", the_caller(f).s);
}

void why_bad_state(const struct finding *f, char *out)
{
	const struct wire_sock *sk = &f->claim->sock;
	char name[ERRNO_NAME_SIZE];

	if (f->claim->call == CLAIM_LISTEN && sock_is_udp(sk))
		sentence_append(out, "A UDP socket cannot listen.");
	else if (f->claim->call == CLAIM_LISTEN && sock_is_connected(sk))
		sentence_append(out, "The socket of %s is connected to %s, and a connection cannot listen.",
		    the_caller(f).s, cgroup_seen_peer(f).s);
	else
		sentence_append(out, "%s was answered with %s: the socket of %s is not in a state for it, "
		    "whoever has the port.",
		    call_name(f), errno_name(f->error, name), the_caller(f).s);
}

void fix_bad_state(const struct finding *f, char *out)
{
	if (f->claim->call == CLAIM_LISTEN && sock_is_udp(&f->claim->sock))
		sentence_append(out, "leave out listen(): bind() is enough to receive.");
	else
		sentence_append(out, "use a new socket in %s.", the_caller(f).s);
}

void why_bad_address(const struct finding *f, char *out)
{
	const struct wire_sock *sk = &f->claim->sock;

	if (f->error == EAFNOSUPPORT)
		sentence_append(out, "%s gave %s an address of another family than its socket.",
		    the_caller(f).s, call_name(f));
	else if (sock_is_mapped(sk) && sk->flags & WIRE_V6ONLY)
		sentence_append(out, "%s is an IPv4 address, and the socket of %s is for IPv6 only.",
		    address_of(sk->local_addr).s, the_caller(f).s);
	else if (sk->family == AF_INET6 && sk->local_addr[0] == 0xff && !sock_is_udp(sk))
		sentence_append(out, "%s is a multicast address, which TCP cannot bind.",
		    address_of(sk->local_addr).s);
	else
		sentence_append(out, "The address that %s gave %s is too short or of the wrong kind.",
		    the_caller(f).s, call_name(f));
}

void fix_bad_address(const struct finding *f, char *out)
{
	const struct wire_sock *sk = &f->claim->sock;

	if (f->error != EAFNOSUPPORT && sock_is_mapped(sk) && sk->flags & WIRE_V6ONLY)
		sentence_append(out, "clear IPV6_V6ONLY before bind(), or use an IPv4 socket.");
	else
		sentence_append(out, "pass an address of the socket's family, with its full length, that is "
		    "one of this machine's.");
}

void why_scope_missing(const struct finding *f, char *out)
{
	if (f->error == ENODEV)
		sentence_append(out, "There is no such interface as the one given with %s.",
		    address_of(f->claim->sock.local_addr).s);
	else
		sentence_append(out, "%s is a link-local address, which needs its interface.",
		    address_of(f->claim->sock.local_addr).s);
}

void fix_scope_missing(const struct finding *f, char *out)
{
	sentence_append(out, "name the interface in %s: sin6_scope_id, or %s%%eth0 where it takes text.",
	    the_caller(f).s, address_of(f->claim->sock.local_addr).s);
}

void why_privileged(const struct finding *f, char *out)
{
	const struct wire_task *task = &f->claim->task;

	sentence_append(out, "Ports below %u need CAP_NET_BIND_SERVICE here, and %s",
	    unprivileged_start(f->netns), the_caller(f).s);
	if (task->pid)
		sentence_append(out, ", uid %u,", task->uid);
	sentence_append(out, " has not got it%s.",
	    task->pid && !task->uid ? " in the user namespace that owns the network" : "");
}

void fix_privileged(const struct finding *f, char *out)
{
	const struct process *process = process_of(f, &f->claim->task);
	uint16_t port = f->claim->sock.local_port;

	if (process && process->exe[0])
		sentence_append(out, "run 'setcap cap_net_bind_service=+ep %s', ", quoted(process->exe).s);
	else
		sentence_append(out, "give the program CAP_NET_BIND_SERVICE (setcap), ");
	sentence_append(out, "set AmbientCapabilities=CAP_NET_BIND_SERVICE in its systemd unit, lower "
	    "net.ipv4.ip_unprivileged_port_start to %u, or use a port from %u up.",
	    port, unprivileged_start(f->netns));
}

/* The program may be attached to any cgroup from the process's up to the root. `goes_on`: the sentence. */
static void append_program(const struct finding *f, bool goes_on, char *out)
{
	const struct process *process = process_of(f, &f->claim->task);

	sentence_append(out, "a BPF program");
	if (process && process->cgroup[0])
		sentence_append(out, " of cgroup %s, or of one above it%s", quoted(process->cgroup).s,
		    goes_on ? "," : "");
	else
		sentence_append(out, " of its cgroup");
}

void why_cgroup_bpf(const struct finding *f, char *out)
{
	bool is_known = f->claim->sock.flags & (WIRE_REACHED_CGROUP | WIRE_REFUSED_BY_CGROUP);

	sentence_append(out, "%s of %s was refused%s ", call_name(f), the_caller(f).s,
	    is_known ? " by" : ": by all that is known,");
	append_program(f, !is_known, out);
	sentence_append(out, is_known ? "." : " did it.");
}

void fix_cgroup_bpf(const struct finding *f, char *out)
{
	sentence_append(out, "find the program with 'bpftool cgroup tree'%s.",
	    f->claim->sock.flags & (WIRE_REACHED_CGROUP | WIRE_REFUSED_BY_CGROUP) ? "" :
		"; if there is none, look in the security module's log");
}

void why_rewritten(const struct finding *f, char *out)
{
	const struct claim *claim = f->claim;

	sentence_append(out, "%s asked for %s, ", the_caller(f).s,
	    end_of(claim->requested_addr, claim->requested_port).s);
	append_program(f, true, out);
	sentence_append(out, " made it %s, ", cgroup_seen_end(f).s);
	if (f->error == EACCES)
		sentence_append(out, "and that is a privileged port.");
	else if (f->error == EADDRNOTAVAIL)
		sentence_append(out, "and this network namespace has no such address.");
	else if (f->holder)
		sentence_append(out, "and %s has that.", the_holder(f).s);
	else
		sentence_append(out, "and that was taken.");
}

void why_lsm(const struct finding *f, char *out)
{
	if (f->claim->call == CLAIM_CONNECT)
		sentence_append(out, "A security module (SELinux, AppArmor, Landlock) or a prohibiting route "
		    "refused %s to %s.",
		    the_caller(f).s, cgroup_seen_peer(f).s);
	else
		sentence_append(out, "A security module (SELinux, AppArmor, Landlock) refused %s to %s.",
		    call_name(f), the_caller(f).s);
}

void fix_lsm(const struct finding *f, char *out)
{
	if (f->claim->call == CLAIM_CONNECT)
		sentence_append(out, "look in the module's log ('journalctl -k -g \"denied|DENIED\"'), and at "
		    "'ip route get'; a UDP broadcast needs SO_BROADCAST.");
	else
		sentence_append(out, "look in the module's log ('journalctl -k -g \"denied|DENIED\"', for "
		    "SELinux the permission %s), and allow port %u there.",
		    f->claim->call == CLAIM_LISTEN ? "listen" : "name_bind",
		    f->claim->sock.local_port);
}

void why_seccomp(const struct finding *f, char *out)
{
	char name[ERRNO_NAME_SIZE];

	bool is_known = f->claim->sock.flags & WIRE_STOPPED_BEFORE_CGROUP;

	sentence_append(out, "%s seccomp filter of %s answered %s with %s%s.",
	    is_known ? "A" : "By all that is known, a", the_caller(f).s, call_name(f),
	    errno_name(f->error, name), is_known ? "; the network was not asked" : "");
}

void fix_seccomp(const struct finding *f, char *out)
{
	sentence_append(out, "allow %s in the filter: SystemCallFilter= of its systemd unit, the "
	    "container's seccomp profile, or the program's own.",
	    call_name(f));
}
