/* SPDX-License-Identifier: GPL-2.0-only */
/* Sets up the network namespace, and tests how this kernel behaves. */
#include "lab.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

struct lab lab;

void die(const char *what)
{
	fprintf(stderr, "diff: scenario %lu: %s: %s\n", lab.scenario, what, strerror(errno));
	exit(2);
}

static void sysctl_set(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);

	if (fd >= 0 && write(fd, value, strlen(value)) < 0)
		fprintf(stderr, "diff: %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

void lab_renew(void)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6};
	int off = 0;

	for (size_t i = 0; i < SINKS; i++) {
		if (lab.sinks[i] > 0)
			close(lab.sinks[i]);
	}
	if (unshare(CLONE_NEWNET))
		die("unshare of the network namespace");
	if (system("ip link set lo up && ip addr add fd00::1/128 dev lo nodad && "
		   "ip link add v0 type veth peer name v1 && ip addr add 10.99.0.1/24 dev v0 && "
		   "ip link set v0 up && ip link set v1 up && "
		   "ip neigh add 10.99.0.2 lladdr 02:00:00:00:00:02 dev v0 nud permanent"))
		die("setting up the network namespace");
	sysctl_set("/proc/sys/net/ipv4/ip_local_port_range", "1024 65535");
	sysctl_set("/proc/sys/net/ipv4/tcp_max_tw_buckets", "1000000");
	for (size_t i = 1; i < DEVICES; i++)
		lab.device[i] = if_nametoindex(devices[i]);
	for (size_t i = 0; i < SINKS; i++) {
		int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);

		any.sin6_port = htons((uint16_t)(SINK_PORT + i));
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
		if (fd < 0 || bind(fd, (void *)&any, sizeof(any)) || listen(fd, 64))
			die("a sink");
		lab.sinks[i] = fd;
	}
	lab.ports_used = lab.privileged_used = 0;
}

socklen_t sockaddr_fill(union sockaddr_any *out, int family, const uint8_t addr[16],
			       uint16_t port)
{
	memset(out, 0, sizeof(*out));
	out->sa.sa_family = (sa_family_t)family;
	if (family == AF_INET) {
		out->in4.sin_port = htons(port);
		memcpy(&out->in4.sin_addr, addr + 12, 4);
		return sizeof(out->in4);
	}
	out->in6.sin6_port = htons(port);
	memcpy(&out->in6.sin6_addr, addr, 16);
	return sizeof(out->in6);
}

uint16_t local_of(int fd, uint8_t addr[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	union sockaddr_any name;
	socklen_t size = sizeof(name);

	if (getsockname(fd, &name.sa, &size))
		die("getsockname");
	if (name.sa.sa_family == AF_INET) {
		memcpy(addr, mapped, 12);
		memcpy(addr + 12, &name.in4.sin_addr, 4);
		return ntohs(name.in4.sin_port);
	}
	memcpy(addr, &name.in6.sin6_addr, 16);
	return ntohs(name.in6.sin6_port);
}

void wait_for(int fd, short events)
{
	struct pollfd wait = {.fd = fd, .events = events};

	poll(&wait, 1, SYNC_MS);
}

void become(uid_t uid)
{
	if (geteuid() != uid && seteuid(uid))
		die("seteuid");
}

void set_port_range(int fd, uint16_t low, uint16_t high)
{
	uint32_t range = (uint32_t)high << 16 | low;

	setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof(range));
}

/* Reading the FIN sends its ACK at once; otherwise the delayed ACK takes 40 ms. */
void wait_for_fin(int fd)
{
	char byte;
	int on = 1;

	wait_for(fd, POLLRDHUP);
	if (recv(fd, &byte, 1, MSG_DONTWAIT))
		die("waiting for a FIN");
	setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

void linger_0(int fd)
{
	struct linger linger = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static int probe_socket(bool option, int which)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = option;

	setsockopt(fd, SOL_SOCKET, which, &on, sizeof(on));
	return fd;
}

/* ::ffff:0.0.0.0, then ::ffff:127.0.0.1 */
static bool mapped_any_is_unseen(void)
{
	struct sockaddr_in6 where = {.sin6_family = AF_INET6, .sin6_port = htons(1997)};
	int first = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int second = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool unseen;

	where.sin6_addr.s6_addr[10] = where.sin6_addr.s6_addr[11] = 0xff;
	if (bind(first, (void *)&where, sizeof(where)))
		die("bind of the probe to ::ffff:0.0.0.0");
	where.sin6_addr.s6_addr[12] = 127;
	where.sin6_addr.s6_addr[15] = 1;
	unseen = !bind(second, (void *)&where, sizeof(where));
	close(first);
	close(second);
	return unseen;
}

/* Tests kernel behaviour that porttrace's input does not contain, on a port that no scenario uses. */
void lab_probe(void)
{
	struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons(1999)};
	int first = probe_socket(true, SO_REUSEADDR), second = probe_socket(true, SO_REUSEADDR);
	int mptcp = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP), off = 0, client;

	lab.has_mptcp = mptcp >= 0;
	if (mptcp >= 0)
		close(mptcp);
	lab.mapped_any_unseen = mapped_any_is_unseen();
	if (bind(first, (void *)&where, sizeof(where)))
		die("bind of the probe");
	setsockopt(first, SOL_SOCKET, SO_REUSEADDR, &off, sizeof(off));
	lab.fast_reuse = !bind(second, (void *)&where, sizeof(where));
	close(first);
	close(second);

	/* a connection, a bind() to the same port that is closed again, another connect() */
	where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	where.sin_port = htons(SINK_PORT);
	first = probe_socket(true, SO_REUSEADDR);
	set_port_range(first, 1998, 1998);
	if (connect(first, (void *)&where, sizeof(where)))
		die("connect of the probe");
	second = probe_socket(true, SO_REUSEADDR);
	where.sin_port = htons(1998);
	if (bind(second, (void *)&where, sizeof(where)))
		die("second bind of the probe");
	close(second);
	client = probe_socket(true, SO_REUSEADDR);
	set_port_range(client, 1998, 1998);
	where.sin_port = htons(SINK_PORT + 1);
	lab.unbind_clears = !connect(client, (void *)&where, sizeof(where));
	close(client);
	close(first);
	for (size_t i = 0; i < 2; i++) {
		int fd = accept(lab.sinks[i], NULL, NULL);

		if (fd >= 0)
			close(fd);
	}
}
