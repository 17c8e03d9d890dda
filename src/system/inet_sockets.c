/* SPDX-License-Identifier: GPL-2.0-only */
/* Converts struct inet_diag_msg to struct wire_socket, as bpf/sock.bpf.c converts struct sock. */
#include "system/inet_sockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>

#include "system/netlink.h"
#include "util/address.h"
#include "util/protocol.h"

/* inet_diag_msg.idiag_timer */
#define TIMER_RETRANSMIT 1
#define TIMER_TIME_WAIT	 3 /* of a TIME_WAIT only: inet_twsk_diag_fill() in net/ipv4/inet_diag.c */

#define STATE_BOUND_INACTIVE 13

/*
 * A TIME_WAIT has its substate here. A half-open connection is a request socket (inet_req_diag_fill()), without a file.
 * false: not a state of this kernel's sockets.
 */
static bool set_state(struct wire_socket *socket, const struct inet_diag_msg *message)
{
	struct wire_sock *sock = &socket->sock;

	sock->state = message->idiag_state;
	if (message->idiag_timer == TIMER_TIME_WAIT) {
		sock->state = WIRE_TCP_TIME_WAIT;
		socket->substate = message->idiag_state;
		socket->expires_ms = message->idiag_expires + TIMEWAIT_LATE_MS;
	} else if (sock->state == STATE_BOUND_INACTIVE) {
		sock->state = WIRE_TCP_CLOSE;
	} else if (sock->state == WIRE_TCP_SYN_RECV && message->idiag_timer == TIMER_RETRANSMIT && !message->idiag_inode) {
		sock->state = WIRE_TCP_NEW_SYN_RECV;
	}
	return sock->state && sock->state <= WIRE_TCP_NEW_SYN_RECV && socket->substate <= WIRE_TCP_NEW_SYN_RECV;
}

static void set_address(uint16_t family, const __be32 from[4], uint8_t address[16])
{
	if (family == AF_INET6)
		memcpy(address, from, 16);
	else
		address_from_ipv4((const uint8_t *)from, address);
}

/* States that begin when the process closes the socket (tcp_close_state() in net/ipv4/tcp.c). */
static bool is_closed_here(uint8_t state)
{
	return state == WIRE_TCP_FIN_WAIT1 || state == WIRE_TCP_FIN_WAIT2 || state == WIRE_TCP_CLOSING ||
	       state == WIRE_TCP_LAST_ACK;
}

/* A socket without an inode number has no struct socket: it waits for accept(), or its process has closed it. */
static void set_unknown(struct wire_socket *socket)
{
	struct wire_sock *sock = &socket->sock;

	sock->unknown = WIRE_UNKNOWN_REUSE | WIRE_UNKNOWN_ORIGIN;
	if (socket->inode)
		sock->unknown |= WIRE_UNKNOWN_PROCESS;
	else if (is_closed_here(sock->state))
		sock->flags |= WIRE_ORPHAN;
}

static void set_options(struct wire_sock *sock, const struct rtattr *attribute)
{
	struct inet_diag_sockopt options = {0};
	size_t size = RTA_PAYLOAD(attribute);

	memcpy(&options, RTA_DATA(attribute), size < sizeof(options) ? size : sizeof(options));
	sock->flags |= (options.freebind ? WIRE_FREEBIND : 0) | (options.transparent ? WIRE_TRANSPARENT : 0) |
		       (options.bind_address_no_port ? WIRE_BIND_ADDRESS_NO_PORT : 0);
}

/* The size of the receive buffer of a UDP socket, as the BPF iterators report it. */
static void set_buffer(struct wire_socket *socket, const struct rtattr *attribute)
{
	uint32_t meminfo[SK_MEMINFO_VARS] = {0};
	size_t size = RTA_PAYLOAD(attribute);

	if (!protocol_is_udp(socket->sock.protocol))
		return;
	memcpy(meminfo, RTA_DATA(attribute), size < sizeof(meminfo) ? size : sizeof(meminfo));
	socket->backlog = meminfo[SK_MEMINFO_RCVBUF];
}

static void set_attributes(struct wire_socket *socket, const struct nlmsghdr *message, const struct inet_diag_msg *found)
{
	struct wire_sock *sock = &socket->sock;
	int left = (int)(message->nlmsg_len - NLMSG_LENGTH(sizeof(*found)));

	for (const struct rtattr *at = (const void *)(found + 1); RTA_OK(at, left); at = RTA_NEXT(at, left)) {
		switch (at->rta_type & NLA_TYPE_MASK) {
		case INET_DIAG_SKV6ONLY:
			if (RTA_PAYLOAD(at) && *(const uint8_t *)RTA_DATA(at))
				sock->flags |= WIRE_V6ONLY;
			break;
		case INET_DIAG_SOCKOPT:
			set_options(sock, at);
			break;
		case INET_DIAG_SKMEMINFO:
			set_buffer(socket, at);
			break;
		}
	}
}

bool inet_sockets_parse(const struct nlmsghdr *message, const struct inet_sockets_query *query, struct wire_socket *socket)
{
	const struct inet_diag_msg *found = netlink_payload(message, SOCK_DIAG_BY_FAMILY, sizeof(*found));
	uint16_t port = found ? ntohs(found->id.idiag_sport) : 0;

	if (!port || (query->port && port != query->port) ||
	    (found->idiag_family != AF_INET && found->idiag_family != AF_INET6))
		return false;
	*socket = (struct wire_socket){
		.hdr = {.size = sizeof(*socket), .kind = WIRE_SOCKET, .purpose = WIRE_PURPOSE_SNAPSHOT},
		.sock = {
			.cookie = found->id.idiag_cookie[0] | (uint64_t)found->id.idiag_cookie[1] << 32,
			.netns = query->netns,
			.uid = found->idiag_uid,
			.ifindex = found->id.idiag_if,
			.family = found->idiag_family,
			.protocol = query->protocol,
			.local_port = port,
			.remote_port = ntohs(found->id.idiag_dport),
		},
		.fd = -1,
		.inode = found->idiag_inode,
	};
	if (!set_state(socket, found))
		return false;
	set_address(found->idiag_family, found->id.idiag_src, socket->sock.local_addr);
	set_address(found->idiag_family, found->id.idiag_dst, socket->sock.remote_addr);
	if (socket->sock.state == WIRE_TCP_LISTEN) {
		socket->queue = found->idiag_rqueue;
		socket->backlog = found->idiag_wqueue;
	} else if (protocol_is_udp(socket->sock.protocol)) {
		socket->queue = found->idiag_rqueue;
	}
	set_unknown(socket);
	set_attributes(socket, message, found);
	return true;
}

struct list {
	const struct inet_sockets_query *query;
	inet_sockets_fn found;
	void *context;
};

static void message_found(void *context, const struct nlmsghdr *message)
{
	const struct list *list = context;
	struct wire_socket socket;

	if (inet_sockets_parse(message, list->query, &socket))
		list->found(list->context, &socket);
}

static int list_family(struct list *list, uint8_t family)
{
	const struct inet_sockets_query *query = list->query;
	/* The number of MPTCP does not fit into idiag_protocol; the attribute (5.9) overrides it. */
	const struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 request;
		struct rtattr attribute;
		uint32_t protocol;
	} request = {
		.header = {.nlmsg_len = sizeof(request), .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		.request = {
			.sdiag_family = family,
			.sdiag_protocol = query->protocol > UINT8_MAX ? IPPROTO_RAW : (uint8_t)query->protocol,
			.idiag_ext = 1 << (INET_DIAG_SKMEMINFO - 1),
			.idiag_states = query->states,
			.id.idiag_sport = htons(query->port),
		},
		.attribute = {.rta_len = RTA_LENGTH(sizeof(uint32_t)), .rta_type = INET_DIAG_REQ_PROTOCOL},
		.protocol = query->protocol,
	};

	return netlink_request(NETLINK_SOCK_DIAG, &request.header, message_found, list);
}

int inet_sockets_list(const struct inet_sockets_query *query, inet_sockets_fn found, void *context)
{
	struct list list = {.query = query, .found = found, .context = context};
	int err = list_family(&list, AF_INET);

	return err ? err : list_family(&list, AF_INET6);
}
