/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Makes wire events for tests, with plausible defaults for what a test does not set. Cookies are small numbers; the local
 * port is the cookie + 1000.
 */
#ifndef PORTTRACE_TESTS_WIRE_MAKE_H
#define PORTTRACE_TESTS_WIRE_MAKE_H

#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "porttrace/wire.h"

#define SECOND 1000000000ULL

#define MAKE_HDR(NAME, name, ns) \
	{.size = sizeof(struct wire_##name), .kind = WIRE_##NAME, .boot_ns = (ns)}

static inline struct wire_sock make_sock(uint64_t cookie, enum wire_state state)
{
	struct wire_sock sock = {
		.cookie = cookie,
		.netns = 4026531840,
		.uid = 1000,
		.family = AF_INET,
		.protocol = IPPROTO_TCP,
		.local_port = 1000 + cookie,
		.state = state,
	};

	sock.local_addr[10] = sock.local_addr[11] = 0xff;
	return sock;
}

static inline struct wire_task make_task(uint32_t pid, const char *comm)
{
	struct wire_task task = {.start_boot_ns = pid * SECOND, .pid = pid, .tid = pid};

	if (pid)
		snprintf(task.comm, sizeof(task.comm), "%s", comm);
	return task;
}

static inline struct wire_bind make_bind(uint64_t ns, uint64_t cookie, uint32_t pid)
{
	return (struct wire_bind){
		.hdr = MAKE_HDR(BIND, bind, ns),
		.sock = make_sock(cookie, WIRE_TCP_CLOSE),
		.task = make_task(pid, "binder"),
		.requested_port = 1000 + cookie,
	};
}

static inline struct wire_listen make_listen(uint64_t ns, uint64_t cookie, uint32_t pid)
{
	return (struct wire_listen){
		.hdr = MAKE_HDR(LISTEN, listen, ns),
		.sock = make_sock(cookie, WIRE_TCP_CLOSE),
		.task = make_task(pid, "listener"),
		.backlog = 511,
	};
}

static inline struct wire_connect make_connect(uint64_t ns, uint64_t cookie, uint32_t pid)
{
	struct wire_connect event = {
		.hdr = MAKE_HDR(CONNECT, connect, ns),
		.sock = make_sock(cookie, WIRE_TCP_SYN_SENT),
		.task = make_task(pid, "connecter"),
	};

	event.sock.remote_port = 443;
	return event;
}

static inline struct wire_accept make_accept(uint64_t ns, uint64_t cookie, uint32_t pid)
{
	return (struct wire_accept){
		.hdr = MAKE_HDR(ACCEPT, accept, ns),
		.sock = make_sock(cookie, WIRE_TCP_ESTABLISHED),
		.task = make_task(pid, "accepter"),
	};
}

static inline struct wire_close make_close(uint64_t ns, uint64_t cookie, uint32_t next_state)
{
	return (struct wire_close){
		.hdr = MAKE_HDR(CLOSE, close, ns),
		.sock = make_sock(cookie, WIRE_TCP_FIN_WAIT2),
		.task = make_task(90, "closer"),
		.next_state = next_state,
	};
}

static inline struct wire_timewait make_timewait(uint64_t ns, uint64_t cookie, uint32_t action)
{
	return (struct wire_timewait){
		.hdr = MAKE_HDR(TIMEWAIT, timewait, ns),
		.sock = make_sock(cookie, WIRE_TCP_TIME_WAIT),
		.task = make_task(91, "leaver"),
		.action = action,
	};
}

static inline struct wire_release make_release(uint64_t ns, uint64_t cookie)
{
	return (struct wire_release){
		.hdr = MAKE_HDR(RELEASE, release, ns),
		.sock = make_sock(cookie, WIRE_TCP_CLOSE),
	};
}

/* pid 0 and fd -1: a socket without a descriptor. */
static inline struct wire_socket make_socket(uint64_t ns, uint64_t cookie, enum wire_state state,
					     uint32_t pid, int fd)
{
	return (struct wire_socket){
		.hdr = {.size = sizeof(struct wire_socket), .kind = WIRE_SOCKET,
			.purpose = WIRE_PURPOSE_SNAPSHOT, .boot_ns = ns},
		.sock = make_sock(cookie, state),
		.task = make_task(pid, "holder"),
		.fd = fd,
	};
}

static inline struct wire_netns make_netns(uint64_t ns, uint32_t netns)
{
	return (struct wire_netns){
		.hdr = MAKE_HDR(NETNS, netns, ns),
		.netns = netns,
		.range_low = 32768,
		.range_high = 60999,
	};
}

static inline struct wire_traffic make_traffic(uint64_t ns, uint32_t netns, uint32_t pid,
					       uint64_t allocated, uint64_t timewait)
{
	return (struct wire_traffic){
		.hdr = MAKE_HDR(TRAFFIC, traffic, ns),
		.task = make_task(pid, "client"),
		.allocated = allocated,
		.timewait = timewait,
		.netns = netns,
		.remote_port = 443,
	};
}

static inline struct wire_process make_process(uint64_t ns, uint32_t pid, const char *cgroup)
{
	struct wire_process event = {
		.hdr = MAKE_HDR(PROCESS, process, ns),
		.task = make_task(pid, "server"),
		.exe = "/usr/sbin/server",
		.cmdline = "server\0-f\0server.conf\0",
		.cmdline_len = sizeof("server\0-f\0server.conf"),
		.cwd = "/srv",
		.user = "www",
		.parents = {{.pid = 40, .comm = "sh"}},
	};

	snprintf(event.cgroup, sizeof(event.cgroup), "%s", cgroup);
	return event;
}

#endif
