/* SPDX-License-Identifier: GPL-2.0-only */
/* Asks inet_diag for the state that no socket is in by name: bound, and inactive. */
#include "why/inactive_sockets.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>

#define BOUND_INACTIVE 13 /* TCP_BOUND_INACTIVE, 6.8: only for this */

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

static void add(struct search *search, struct nlmsghdr *header)
{
	const struct inet_diag_msg *told = NLMSG_DATA(header);
	int rest = (int)(header->nlmsg_len - NLMSG_LENGTH(sizeof(*told)));
	struct wire_socket *event;

	if (rest < 0 || ntohs(told->id.idiag_sport) != search->port || search->count == search->max)
		return;
	event = &search->list[search->count++];
	*event = (struct wire_socket){
		.hdr = {.size = sizeof(*event), .kind = WIRE_SOCKET},
		.sock = {
			.cookie = told->id.idiag_cookie[0] | (uint64_t)told->id.idiag_cookie[1] << 32,
			.netns = search->netns,
			.uid = told->idiag_uid,
			.ifindex = told->id.idiag_if,
			.family = told->idiag_family,
			.protocol = IPPROTO_TCP,
			.local_port = search->port,
			.state = WIRE_TCP_CLOSE,
		},
		.fd = -1,
	};
	set_address(&event->sock, &told->id);
	for (struct rtattr *at = (struct rtattr *)(told + 1); RTA_OK(at, rest); at = RTA_NEXT(at, rest)) {
		if (at->rta_type == INET_DIAG_SKV6ONLY && *(uint8_t *)RTA_DATA(at))
			event->sock.flags |= WIRE_V6ONLY;
	}
}

/* false: that was the last of them. */
static bool take(struct search *search, struct nlmsghdr *header, ssize_t length)
{
	for (; NLMSG_OK(header, (unsigned int)length); header = NLMSG_NEXT(header, length)) {
		if (header->nlmsg_type != TCPDIAG_GETSOCK)
			return false;
		add(search, header);
	}
	return true;
}

/* The request of old, for both families in one walk: that of today names one. */
size_t inactive_sockets_find(uint32_t netns, uint16_t port, struct wire_socket *list, size_t max)
{
	struct {
		struct nlmsghdr header;
		struct inet_diag_req request;
	} message = {
		.header = {.nlmsg_len = sizeof(message), .nlmsg_type = TCPDIAG_GETSOCK,
			   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		.request = {.idiag_states = 1U << BOUND_INACTIVE, .id.idiag_sport = htons(port)},
	};
	struct search search = {.netns = netns, .port = port, .list = list, .max = max};
	union {
		struct nlmsghdr header;
		char bytes[32768];
	} answer;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	ssize_t length = 0;

	if (fd < 0)
		return 0;
	if (send(fd, &message, sizeof(message), 0) == (ssize_t)sizeof(message)) {
		do
			length = recv(fd, &answer, sizeof(answer), 0);
		while (length > 0 && take(&search, &answer.header, length));
	}
	close(fd);
	return search.count;
}
