/* SPDX-License-Identifier: GPL-2.0-only */
/* Sentences for refusals by the address, the socket's state or a permission; no other socket is involved. */
#include <errno.h>
#include <netinet/in.h>

#include "diagnose/rules.h"
#include "diagnose/sentence.h"
#include "util/address.h"
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
	const struct wire_sock *sk = &f->claim->sock;

	if (!sk->local_port)
		sentence_append(out, "The kernel chooses the port.");
	else if (address_is_wildcard(sk->local_addr))
		sentence_append(out, "%s %u is free.", sock_is_udp(sk) ? "UDP port" : "Port", sk->local_port);
	else
		sentence_append(out, "%s is free.", claim_endpoint(f).s);
}

void fix_none(const struct finding *f, char *out)
{
	(void)f;
	(void)out;
}

/* For a given port only: the sentence about a range already says how many ports are in use. */
void why_unpredicted(const struct finding *f, char *out)
{
	size_t found = f->failure ? f->failure->holder_count : 0;

	if (!f->claim->sock.local_port || !found)
		return;
	if (found == 1)
		sentence_append(out, " By the rules that porttrace knows, the socket found on the port does not "
				     "conflict.");
	else
		sentence_append(out, " By the rules that porttrace knows, none of the %s sockets found on the "
				     "port conflicts.", with_commas(found).s);
}

void why_not_local(const struct finding *f, char *out)
{
	const char *device = device_name(f);

	sentence_append(out, "This network namespace has no address %s",
			address_text(f->claim->sock.local_addr).s);
	if (*device)
		sentence_append(out, " on %s, the device that the socket is bound to", escaped(device).s);
	sentence_append(out, ".");
}

void fix_not_local(const struct finding *f, char *out)
{
	sentence_append(out, "check the address with 'ip address', start %s after the address is set, or set "
			     "IP_FREEBIND before bind().",
			the_caller(f).s);
}

void why_tentative(const struct finding *f, char *out)
{
	sentence_append(out, "Duplicate address detection for %s has not finished; it takes about a second.",
			address_text(f->claim->sock.local_addr).s);
}

void fix_tentative(const struct finding *f, char *out)
{
	(void)f;
	sentence_append(out, "try again, set IP_FREEBIND before bind(), or add the address with 'nodad'.");
}

void why_no_source(const struct finding *f, char *out)
{
	sentence_append(out, "The kernel has no source address for a connection to %s; the ports are not the cause.",
			address_text(f->claim->sock.remote_addr).s);
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

/* Of a refusal that has nothing to do with the holder. */
static void append_next_holder(const struct finding *f, char *out)
{
	if (f->holder)
		sentence_append(out, " Port %u is in use as well, by %s.", f->claim->sock.local_port, holder_name(f).s);
}

void why_already_bound(const struct finding *f, char *out)
{
	sentence_append(out, "The socket of %s already has ", the_caller(f).s);
	if (f->claim->bound_port)
		sentence_append(out, "port %u", f->claim->bound_port);
	else
		sentence_append(out, "a port");
	sentence_append(out, " from an earlier bind(), connect() or send, and cannot be bound to %u.",
			f->claim->sock.local_port);
	append_next_holder(f, out);
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
		sentence_append(out, "The socket of %s is connected to %s, and a connected socket cannot listen.",
				the_caller(f).s, claim_peer(f).s);
	else
		sentence_append(out, "%s failed with %s because of the state of the socket of %s, not because "
				     "of the port.",
				call_name(f), errno_name(f->error, name), the_caller(f).s);
}

void fix_bad_state(const struct finding *f, char *out)
{
	if (f->claim->call == CLAIM_LISTEN && sock_is_udp(&f->claim->sock))
		sentence_append(out, "remove the call of listen(): bind() is enough to receive datagrams.");
	else
		sentence_append(out, "use a new socket in %s.", the_caller(f).s);
}

void why_bad_address(const struct finding *f, char *out)
{
	const struct wire_sock *sk = &f->claim->sock;

	if (f->error == EAFNOSUPPORT)
		sentence_append(out, "%s passed an address of another family than its socket to %s.",
				the_caller(f).s, call_name(f));
	else if (sock_is_mapped(sk) && sk->flags & WIRE_V6ONLY)
		sentence_append(out, "%s is an IPv4 address, and the socket of %s has IPV6_V6ONLY.",
				address_text(sk->local_addr).s, the_caller(f).s);
	else if (sk->family == AF_INET6 && sk->local_addr[0] == 0xff && !sock_is_udp(sk))
		sentence_append(out, "%s is a multicast address, to which TCP cannot bind.",
				address_text(sk->local_addr).s);
	else
		sentence_append(out, "The address that %s passed to %s is too short or of the wrong kind.",
				the_caller(f).s, call_name(f));
}

void fix_bad_address(const struct finding *f, char *out)
{
	const struct wire_sock *sk = &f->claim->sock;

	if (f->error != EAFNOSUPPORT && sock_is_mapped(sk) && sk->flags & WIRE_V6ONLY)
		sentence_append(out, "clear IPV6_V6ONLY before bind(), or use an IPv4 socket.");
	else
		sentence_append(out, "pass an address of this machine, of the socket's family and with its full "
				     "length.");
}

void why_scope_missing(const struct finding *f, char *out)
{
	if (f->error == ENODEV)
		sentence_append(out, "The interface given with %s does not exist.",
				address_text(f->claim->sock.local_addr).s);
	else
		sentence_append(out, "%s is a link-local address, which needs an interface.",
				address_text(f->claim->sock.local_addr).s);
}

void fix_scope_missing(const struct finding *f, char *out)
{
	sentence_append(out, "name the interface in %s: sin6_scope_id, or %s%%eth0 where it takes text.",
			the_caller(f).s, address_text(f->claim->sock.local_addr).s);
}

void why_privileged(const struct finding *f, char *out)
{
	const struct wire_task *task = &f->claim->task;

	sentence_append(out, "Ports below %u need CAP_NET_BIND_SERVICE here, and %s",
			unprivileged_start(f->netns), the_caller(f).s);
	if (task->pid)
		sentence_append(out, ", %s,", user_phrase(f, task->uid, task).s);
	sentence_append(out, " does not have it%s.",
			task->pid && !task->uid ? " in the user namespace that owns this network namespace" : "");
	append_next_holder(f, out);
}

void fix_privileged(const struct finding *f, char *out)
{
	const struct process *process = process_of(f, &f->claim->task);
	uint16_t port = f->claim->sock.local_port;

	if (process && process->exe[0])
		sentence_append(out, "run 'setcap cap_net_bind_service=+ep %s', ", escaped(process->exe).s);
	else
		sentence_append(out, "give the program CAP_NET_BIND_SERVICE (setcap), ");
	sentence_append(out, "set AmbientCapabilities=CAP_NET_BIND_SERVICE in its systemd unit, lower "
			     "net.ipv4.ip_unprivileged_port_start to %u, or use a port from %u up.",
			port, unprivileged_start(f->netns));
}

/* The program may be attached to any cgroup from the process's own up to the root. */
static void append_program(const struct finding *f, char *out)
{
	const struct process *process = process_of(f, &f->claim->task);

	sentence_append(out, "a BPF program of ");
	if (process && process->cgroup[0])
		sentence_append(out, "cgroup %s or a parent of it", escaped(process->cgroup).s);
	else
		sentence_append(out, "its cgroup");
}

/* porttrace's own cgroup program saw the call or its refusal. */
static bool is_cgroup_seen(const struct finding *f)
{
	return f->claim->sock.flags & (WIRE_REACHED_CGROUP | WIRE_REFUSED_BY_CGROUP);
}

void why_cgroup_bpf(const struct finding *f, char *out)
{
	sentence_append(out, "%s of %s was refused%s by ", call_name(f), the_caller(f).s,
			is_cgroup_seen(f) ? "" : ", as far as known,");
	append_program(f, out);
	sentence_append(out, ".");
}

void fix_cgroup_bpf(const struct finding *f, char *out)
{
	sentence_append(out, "find the program with 'bpftool cgroup tree'%s.",
			is_cgroup_seen(f) ? "" : "; if there is none, read the security module's log");
}

void why_rewritten(const struct finding *f, char *out)
{
	const struct claim *claim = f->claim;

	sentence_append(out, "%s asked for %s, and ", the_caller(f).s,
			endpoint(claim->requested_addr, claim->requested_port).s);
	append_program(f, out);
	sentence_append(out, " changed that to %s, ", claim_endpoint(f).s);
	if (f->error == EACCES)
		sentence_append(out, "which is a privileged port.");
	else if (f->error == EADDRNOTAVAIL)
		sentence_append(out, "an address that this network namespace does not have.");
	else if (f->holder)
		sentence_append(out, "which %s holds.", the_holder(f).s);
	else
		sentence_append(out, "which was in use.");
}

void why_lsm(const struct finding *f, char *out)
{
	if (f->claim->call == CLAIM_CONNECT)
		sentence_append(out, "A security module (SELinux, AppArmor, Landlock) or a prohibit route "
				     "refused the connection of %s to %s.",
				the_caller(f).s, claim_peer(f).s);
	else
		sentence_append(out, "A security module (SELinux, AppArmor, Landlock) refused %s of %s.",
				call_name(f), the_caller(f).s);
}

void fix_lsm(const struct finding *f, char *out)
{
	if (f->claim->call == CLAIM_CONNECT)
		sentence_append(out, "read the module's log ('journalctl -k -g \"denied|DENIED\"') and check "
				     "'ip route get'; a UDP broadcast needs SO_BROADCAST.");
	else
		sentence_append(out, "read the module's log ('journalctl -k -g \"denied|DENIED\"'; in SELinux the "
				     "permission is %s), and allow port %u there.",
				f->claim->call == CLAIM_LISTEN ? "listen" : "name_bind",
				f->claim->sock.local_port);
}

void why_seccomp(const struct finding *f, char *out)
{
	bool is_certain = f->claim->sock.flags & WIRE_STOPPED_BEFORE_CGROUP;
	char name[ERRNO_NAME_SIZE];

	sentence_append(out, "%s seccomp filter of %s made %s fail with %s%s.",
			is_certain ? "A" : "As far as known, a", the_caller(f).s, call_name(f),
			errno_name(f->error, name),
			is_certain ? "; the call did not reach the network code" : "");
}

void fix_seccomp(const struct finding *f, char *out)
{
	sentence_append(out, "allow %s in the filter: SystemCallFilter= of its systemd unit, the "
			     "container's seccomp profile, or the program's own.",
			call_name(f));
}
