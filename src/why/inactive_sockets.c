/* SPDX-License-Identifier: GPL-2.0-only */
/* Queries sock_diag for sockets in TCP_BOUND_INACTIVE, a state that exists in this query only. */
#include "why/inactive_sockets.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>

#include "system/netlink.h"

#define BOUND_INACTIVE 13 /* TCP_BOUND_INACTIVE in include/net/tcp_states.h, 6.8 */

struct search {
	uint32_t netns;
	uint16_t port;
	struct wire_socket *list;
	size_t count, max;
};

static void set_address(struct wire_sock *sock, const struct inet_diag_sockid *id)
{
	if (sock->family == AF_INET6) {
		memcpy(sock->local_addr, id->idiag_src, 16);
		return;
	}
	sock->local_addr[10] = sock->local_addr[11] = 0xff;
	memcpy(sock->local_addr + 12, id->idiag_src, 4);
}

static void socket_found(void *context, const struct nlmsghdr *message)
{
	struct search *search = context;
	const struct inet_diag_msg *found = netlink_payload(message, TCPDIAG_GETSOCK, sizeof(*found));
	struct wire_socket *event;
	int left;

	if (!found || ntohs(found->id.idiag_sport) != search->port || search->count == search->max)
		return;
	event = &search->list[search->count++];
	*event = (struct wire_socket){
		.hdr = {.size = sizeof(*event), .kind = WIRE_SOCKET},
		.sock = {
			.cookie = found->id.idiag_cookie[0] | (uint64_t)found->id.idiag_cookie[1] << 32,
			.netns = search->netns,
			.uid = found->idiag_uid,
			.ifindex = found->id.idiag_if,
			.family = found->idiag_family,
			.protocol = IPPROTO_TCP,
			.local_port = search->port,
			.state = WIRE_TCP_CLOSE,
		},
		.fd = -1,
	};
	set_address(&event->sock, &found->id);
	left = (int)(message->nlmsg_len - NLMSG_LENGTH(sizeof(*found)));
	for (const struct rtattr *at = (const void *)(found + 1); RTA_OK(at, left); at = RTA_NEXT(at, left)) {
		if (at->rta_type == INET_DIAG_SKV6ONLY && *(const uint8_t *)RTA_DATA(at))
			event->sock.flags |= WIRE_V6ONLY;
	}
}

size_t inactive_sockets_find(uint32_t netns, uint16_t port, struct wire_socket *list, size_t max)
{
	/* struct inet_diag_req, not inet_diag_req_v2: one dump covers IPv4 and IPv6. */
	const struct {
		struct nlmsghdr header;
		struct inet_diag_req request;
	} request = {
		.header = {.nlmsg_len = sizeof(request), .nlmsg_type = TCPDIAG_GETSOCK,
			   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		.request = {.idiag_states = 1U << BOUND_INACTIVE, .id.idiag_sport = htons(port)},
	};
	struct search search = {.netns = netns, .port = port, .list = list, .max = max};

	netlink_request(NETLINK_SOCK_DIAG, &request.header, socket_found, &search);
	return search.count;
}
