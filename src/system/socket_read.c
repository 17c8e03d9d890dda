/* SPDX-License-Identifier: GPL-2.0-only */
#include "system/socket_read.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/sockios.h>

#include "util/address.h"

/* 0 if the socket does not have the option. */
static int option(int fd, int level, int name)
{
	socklen_t size = sizeof(int);
	int value = 0;

	return getsockopt(fd, level, name, &value, &size) ? 0 : value;
}

void socket_read_options(int fd, struct wire_sock *sock)
{
	const struct {
		int level, name;
		uint32_t flag;
	} options[] = {
		{SOL_SOCKET, SO_REUSEADDR, WIRE_REUSEADDR},
		{SOL_SOCKET, SO_REUSEPORT, WIRE_REUSEPORT},
		{IPPROTO_IP, IP_FREEBIND, WIRE_FREEBIND},
		{IPPROTO_IP, IP_TRANSPARENT, WIRE_TRANSPARENT},
		{IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, WIRE_BIND_ADDRESS_NO_PORT},
		{IPPROTO_IPV6, IPV6_V6ONLY, sock->family == AF_INET6 ? WIRE_V6ONLY : 0},
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (option(fd, options[i].level, options[i].name))
			sock->flags |= options[i].flag;
	}
	sock->protocol = (uint16_t)option(fd, SOL_SOCKET, SO_PROTOCOL);
	sock->unknown &= (uint8_t)~WIRE_UNKNOWN_REUSE;
}

static bool is_with_ports(int fd, int protocol)
{
	return option(fd, SOL_SOCKET, SO_TYPE) != SOCK_RAW &&
	       (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_MPTCP ||
		protocol == IPPROTO_UDPLITE || protocol == IPPROTO_SCTP || protocol == IPPROTO_DCCP);
}

/* Returns the port; 0: the socket has none. */
static uint16_t set_address(const struct sockaddr_storage *name, uint8_t address[16])
{
	const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *)name;
	const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)name;

	if (name->ss_family == AF_INET6)
		memcpy(address, &ipv6->sin6_addr, 16);
	else
		address_from_ipv4((const uint8_t *)&ipv4->sin_addr, address);
	return ntohs(name->ss_family == AF_INET6 ? ipv6->sin6_port : ipv4->sin_port);
}

static uint8_t state_of(int fd, const struct wire_sock *sock)
{
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);

	if (sock->protocol == IPPROTO_TCP && !getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) && info.tcpi_state)
		return info.tcpi_state;
	if (option(fd, SOL_SOCKET, SO_ACCEPTCONN))
		return WIRE_TCP_LISTEN;
	return sock->remote_port ? WIRE_TCP_ESTABLISHED : WIRE_TCP_CLOSE;
}

static uint32_t netns_of(int fd)
{
	int netns = ioctl(fd, SIOCGSKNS);
	struct stat st = {0};

	if (netns < 0)
		return 0;
	if (fstat(netns, &st))
		st.st_ino = 0;
	close(netns);
	return (uint32_t)st.st_ino;
}

int socket_read(int fd, struct wire_socket *socket)
{
	struct sockaddr_storage local = {0}, remote = {0};
	socklen_t local_size = sizeof(local), remote_size = sizeof(remote), cookie_size = sizeof(socket->sock.cookie);
	struct wire_sock *sock = &socket->sock;
	struct stat st;

	if (getsockname(fd, (struct sockaddr *)&local, &local_size) || fstat(fd, &st))
		return errno == ENOTSOCK ? -ENOENT : -errno;
	if (local.ss_family != AF_INET && local.ss_family != AF_INET6)
		return -ENOENT;
	*socket = (struct wire_socket){
		.hdr = {.size = sizeof(*socket), .kind = WIRE_SOCKET, .purpose = WIRE_PURPOSE_SNAPSHOT},
		.sock = {
			.netns = netns_of(fd),
			.uid = st.st_uid, /* sock_i_uid() */
			.ifindex = (uint32_t)option(fd, SOL_SOCKET, SO_BINDTOIFINDEX),
			.family = local.ss_family,
			.unknown = WIRE_UNKNOWN_ORIGIN,
		},
		.fd = -1,
		.inode = st.st_ino,
	};
	socket_read_options(fd, sock);
	sock->local_port = set_address(&local, sock->local_addr);
	if (!sock->local_port || !is_with_ports(fd, sock->protocol) ||
	    getsockopt(fd, SOL_SOCKET, SO_COOKIE, &sock->cookie, &cookie_size))
		return -ENOENT;
	remote.ss_family = local.ss_family;
	if (!getpeername(fd, (struct sockaddr *)&remote, &remote_size))
		sock->remote_port = set_address(&remote, sock->remote_addr);
	else
		set_address(&remote, sock->remote_addr);
	sock->state = state_of(fd, sock);
	return 0;
}
