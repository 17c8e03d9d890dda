/* SPDX-License-Identifier: GPL-2.0-only */
/* The rules of sharing are those of share.c; these sockets already share the port. */
#include "diagnose/second_server.h"

#include <string.h>

#include "diagnose/interpreter.h"
#include "diagnose/sentence.h"
#include "util/address.h"
#include "util/protocol.h"

/* Multicast datagrams go to every socket: UDP servers on a wildcard are often there for those only. */
static bool answers(const struct wire_sock *sock, bool ipv6)
{
	if (address_is_mapped(sock->local_addr) == ipv6)
		return false;
	return address_is_loopback(sock->local_addr) ||
	       (!protocol_is_udp(sock->protocol) && address_is_wildcard(sock->local_addr));
}

static bool is_multicast(const uint8_t address[16])
{
	return address_is_mapped(address) ? (address[12] & 0xf0) == 0xe0 : address[0] == 0xff;
}

static bool is_same_address(const struct wire_sock *a, const struct wire_sock *b)
{
	return memcmp(a->local_addr, b->local_addr, sizeof(a->local_addr)) == 0 &&
	       !((a->flags ^ b->flags) & WIRE_V6ONLY);
}

enum second_server second_server_of(const struct wire_sock *before, const struct wire_sock *now)
{
	bool is_udp = protocol_is_udp(now->protocol);
	uint32_t both = before->flags & now->flags;

	if (before->netns != now->netns || before->local_port != now->local_port || before->cookie == now->cookie ||
	    is_udp != protocol_is_udp(before->protocol) || before->ifindex != now->ifindex)
		return SECOND_SERVER_NONE;
	if ((answers(before, false) && answers(now, true)) || (answers(before, true) && answers(now, false)))
		return SECOND_SERVER_LOCALHOST;
	if (!is_same_address(before, now) || is_multicast(now->local_addr))
		return SECOND_SERVER_NONE;
	if (both & WIRE_REUSEPORT)
		return SECOND_SERVER_GROUP;
	return is_udp && both & WIRE_REUSEADDR ? SECOND_SERVER_SHARED : SECOND_SERVER_NONE;
}

bool is_same_program(const struct wire_task *a, const struct process *a_process, const struct wire_task *b,
		     const struct process *b_process)
{
	bool is_worker = a->ppid == b->pid || b->ppid == a->pid;

	if (a->pid == b->pid)
		return true;
	/* One has exited, or may not be read: the names are all there is. */
	if (!a_process || !b_process || !a_process->exe[0] || !b_process->exe[0])
		return strncmp(a->comm, b->comm, sizeof(a->comm)) == 0;
	/* A worker of an interpreter may have a title in place of its arguments. */
	return process_is_same_program(a_process, b_process) || (is_worker && !strcmp(a_process->exe, b_process->exe));
}

static struct phrase server_name(const struct wire_task *task)
{
	return task->pid ? task_name(task) : (struct phrase){"a process"};
}

static void on_localhost(const struct server *before, const struct server *now, struct warning *warning)
{
	const char *of_udp = protocol_is_udp(now->sock->protocol) ? "UDP " : "";

	warning->kind = "localhost-two-servers";
	sentence_append(warning->why,
			"localhost:%u now answers differently over IPv4 and IPv6: %s has %s%s, and %s has %s%s; which of them a "
			"client reaches depends on the address that it tries first.",
			now->sock->local_port, server_name(before->task).s, of_udp, bound_endpoint(before->sock).s,
			server_name(now->task).s, of_udp, bound_endpoint(now->sock).s);
	sentence_append(warning->fix, "Stop one of the two, or start it on another port; let clients use the address "
				      "instead of the name.");
}

static void in_group(const struct server *before, const struct server *now, struct warning *warning)
{
	bool is_udp = protocol_is_udp(now->sock->protocol);

	warning->kind = "group-two-programs";
	sentence_append(warning->why,
			"%s joined the SO_REUSEPORT group of %s%s, in which %s is: the kernel now divides %s between the two "
			"programs.",
			server_name(now->task).s, is_udp ? "UDP " : "", bound_endpoint(now->sock).s,
			server_name(before->task).s, is_udp ? "the senders" : "new connections");
	sentence_append(warning->fix, "Stop one of the two. Without SO_REUSEPORT in one of them its bind() would be refused "
				      "instead.");
}

static void sharing(const struct server *before, const struct server *now, struct warning *warning)
{
	warning->kind = "group-two-programs";
	sentence_append(warning->why,
			"%s has UDP %s now, which %s has too, both with SO_REUSEADDR: of the two, the socket that was bound last gets "
			"every unicast datagram.",
			server_name(now->task).s, bound_endpoint(now->sock).s, server_name(before->task).s);
	sentence_append(warning->fix, "Stop one of the two. Without SO_REUSEADDR in one of them its bind() would be refused "
				      "instead.");
}

void warning_of_second_server(enum second_server kind, const struct server *before, const struct server *now,
			      struct warning *warning)
{
	*warning = (struct warning){.sock = *now->sock, .task = *now->task, .other = *before->sock,
				    .other_task = *before->task};
	switch (kind) {
	case SECOND_SERVER_NONE:
		return;
	case SECOND_SERVER_LOCALHOST:
		on_localhost(before, now, warning);
		return;
	case SECOND_SERVER_GROUP:
		in_group(before, now, warning);
		return;
	case SECOND_SERVER_SHARED:
		sharing(before, now, warning);
		return;
	}
}
