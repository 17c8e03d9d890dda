/* SPDX-License-Identifier: GPL-2.0-only */
/* Connections on the port, and the sockets that remain of them (TIME_WAIT, orphans). */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "account.h"
#include "util/address.h"

#define CLIENT_LOW  61000 /* source ports of connections to the port under test */
#define CLIENT_HIGH 65000

static void connected(struct world *w, struct end *end, const uint8_t remote[16], uint16_t port)
{
	uint16_t local = local_of(end->fd, end->sock.local_addr);

	memcpy(end->sock.remote_addr, remote, 16);
	end->sock.remote_port = port;
	if (end->sock.local_port || !local)
		return;
	end->sock.local_port = local;
	end->sock.flags |= WIRE_PORT_EPHEMERAL | (is_udp(end) ? 0 : WIRE_CONNECT_BIND);
	if (local != w->port)
		return;
	if (!is_udp(end) && !has_bucket(w))
		w->bucket = (struct bucket){.fastreuse = -1, .fastreuseport = -1};
	chain_insert(w, end);
}

static bool goes_by_ipv4(const struct end *end, unsigned int value)
{
	if (end->sock.family == AF_INET)
		return true;
	if (end->sock.flags & WIRE_V6ONLY)
		return false;
	if (!address_is_wildcard(end->sock.local_addr) ||
	    address_is_mapped(end->sock.local_addr))
		return address_is_mapped(end->sock.local_addr);
	return value % 2;
}

void do_connect(struct world *w, struct end *end, const struct op *op)
{
	bool into_hole = end->sock.ifindex == lab.device[DEVICE_HOLE] && lab.device[DEVICE_HOLE];
	bool ipv4 = goes_by_ipv4(end, op->value);
	struct timeval second = {.tv_sec = 1};
	union sockaddr_any where;
	uint8_t remote[16];
	unsigned int prefix, sink = w->connects;
	int error = 0, flags;
	socklen_t size;

	if (is_mptcp(end) || sink >= SINKS || (into_hole && !ipv4))
		return;
	w->connects++;
	address_parse(into_hole ? "::ffff:10.99.0.2" : ipv4 ? "::ffff:127.0.0.1" : "::1", remote,
		      &prefix);
	size = sockaddr_fill(&where, end->sock.family, remote, (uint16_t)(SINK_PORT + sink));
	if (!end->sock.local_port)
		set_port_range(end->fd, w->port, w->port);
	setsockopt(end->fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof(second));
	flags = fcntl(end->fd, F_GETFL);
	fcntl(end->fd, F_SETFL, into_hole ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
	if (connect(end->fd, &where.sa, size))
		error = errno;
	log_line(w, "  %s\n", name_of((uint32_t)error));
	if (is_udp(end)) {
		uint16_t had = end->sock.remote_port;

		connected(w, end, remote, error ? had : (uint16_t)(SINK_PORT + sink));
		if (!error)
			end->sock.state = WIRE_TCP_ESTABLISHED;
		return;
	}
	if (!error || error == EINPROGRESS) {
		connected(w, end, remote, (uint16_t)(SINK_PORT + sink));
		end->sock.state = error ? WIRE_TCP_SYN_SENT : WIRE_TCP_ESTABLISHED;
		if (error)
			return;
		wait_for(lab.sinks[sink], POLLIN);
		end->peer = accept4(lab.sinks[sink], NULL, NULL, SOCK_CLOEXEC);
		if (end->peer < 0)
			die("accept of a sink");
	} else if (end->sock.state == WIRE_TCP_CLOSE && error != EISCONN) {
		local_of(end->fd, end->sock.local_addr);
		end->sock.remote_port = 0;
		if (!end->port_locked)
			end->sock.local_port = 0;
	}
}

static struct end *ready_listener(struct world *w)
{
	struct pollfd wait[ENDS];
	struct end *ends[ENDS];
	unsigned int count = 0;

	for (size_t i = 0; i < w->count; i++) {
		if (w->ends[i].sock.state != WIRE_TCP_LISTEN || w->ends[i].fd < 0)
			continue;
		ends[count] = &w->ends[i];
		wait[count++] = (struct pollfd){.fd = w->ends[i].fd, .events = POLLIN};
	}
	if (poll(wait, count, SYNC_MS) <= 0)
		return NULL;
	for (unsigned int i = 0; i < count; i++) {
		bool has_queue = false;

		for (size_t j = 0; j < w->count; j++)
			has_queue |= w->ends[j].queued && &w->ends[w->ends[j].parent] == ends[i];
		if (wait[i].revents & POLLIN && !has_queue)
			return ends[i];
	}
	return NULL;
}

/* Connects to a listener of the scenario with a socket outside of it. */
void do_incoming(struct world *w, struct end *end, const struct op *op)
{
	bool ipv4 = goes_by_ipv4(end, op->value), wild = address_is_wildcard(end->sock.local_addr);
	struct timeval second = {.tv_sec = 1};
	struct end *listener, *child;
	union sockaddr_any where;
	uint8_t to[16], local[16];
	unsigned int prefix;
	socklen_t size;
	int client, error;

	if (end->sock.state != WIRE_TCP_LISTEN || w->count >= ENDS - 2)
		return;
	for (size_t i = 0; i < w->count; i++) {
		/* Leave connections in one accept queue at a time, and none of MPTCP, which has several sockets each. */
		if (w->ends[i].queued || (is_mptcp(&w->ends[i]) && w->ends[i].holds))
			return;
	}
	memcpy(to, end->sock.local_addr, 16);
	if (wild)
		address_parse(ipv4 ? "::ffff:127.0.0.1" : "::1", to, &prefix);
	client = socket(ipv4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size = sockaddr_fill(&where, ipv4 ? AF_INET : AF_INET6, to, w->port);
	setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof(second));
	set_port_range(client, CLIENT_LOW, CLIENT_HIGH);
	error = connect(client, &where.sa, size) ? errno : 0;
	log_line(w, "  %s\n", name_of((uint32_t)error));
	listener = error ? NULL : ready_listener(w);
	if (!listener) {
		close(client);
		return;
	}
	child = world_add(w);
	child->sock = listener->sock;
	child->sock.cookie = w->count;
	child->addr_locked = listener->addr_locked;
	child->sock.state = WIRE_TCP_ESTABLISHED;
	child->sock.flags &= ~(uint32_t)WIRE_REUSEPORT_PROG;
	child->sock.flags |= WIRE_PORT_EPHEMERAL | WIRE_ACCEPTED;
	child->sock.remote_port = local_of(client, child->sock.remote_addr);
	memcpy(child->sock.local_addr, to, 16);
	chain_insert(w, child);
	child->peer = client;
	child->parent = (int)(listener - w->ends);
	child->queued = !op->how;
	if (child->queued)
		return;
	become(uids[op->uid]);
	child->fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
	become(0);
	if (child->fd < 0)
		die("accept");
	child->sock.uid = uids[op->uid];
	local_of(child->fd, local);
	if (memcmp(local, to, 16))
		abort();
}

/* tcp_time_wait() replaces the socket by a struct inet_timewait_sock. */
static void leave_timewait(struct world *w, const struct end *end, uint32_t substate)
{
	struct end *left = world_add(w);
	uint64_t cookie = left->sock.cookie;

	left->sock = end->sock;
	left->sock.cookie = cookie;
	left->sock.state = WIRE_TCP_TIME_WAIT;
	left->substate = substate;
	left->holds = end->holds;
	left->order = ++w->order;
}

void do_peer_close(struct world *w, struct end *end)
{
	if (end->peer < 0)
		return;
	close(end->peer);
	end->peer = -1;
	if (end->fd >= 0)
		wait_for(end->fd, POLLRDHUP);
	switch (end->sock.state) {
	case WIRE_TCP_ESTABLISHED:
		end->sock.state = WIRE_TCP_CLOSE_WAIT;
		break;
	case WIRE_TCP_FIN_WAIT2:
		leave_timewait(w, end, WIRE_TCP_TIME_WAIT);
		end_closed(w, end);
		break;
	case WIRE_TCP_TIME_WAIT:
		end->substate = WIRE_TCP_TIME_WAIT;
		break;
	}
}

void do_peer_reset(struct world *w, struct end *end)
{
	if (end->peer < 0)
		return;
	linger_0(end->peer);
	close(end->peer);
	end->peer = -1;
	if (end->fd >= 0)
		wait_for(end->fd, POLLRDHUP);
	if (end->sock.state == WIRE_TCP_TIME_WAIT)
		socket_released(w, end);
	else if (is_connected(end))
		end_closed(w, end);
}

static void stop_listening(struct world *w, struct end *end)
{
	drop_queue(w, end);
	end_closed(w, end);
	end->sock.remote_port = 0;
	reset_address(end);
}

void do_shutdown(struct world *w, struct end *end)
{
	if (is_mptcp(end) || is_udp(end))
		return;
	shutdown(end->fd, SHUT_RDWR);
	switch (end->sock.state) {
	case WIRE_TCP_LISTEN:
	case WIRE_TCP_SYN_SENT:
		stop_listening(w, end);
		break;
	case WIRE_TCP_ESTABLISHED:
		wait_for_fin(end->peer);
		end->sock.state = WIRE_TCP_FIN_WAIT2;
		break;
	case WIRE_TCP_CLOSE_WAIT:
		end_closed(w, end);
		break;
	}
}

void do_disconnect(struct world *w, struct end *end)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	bool was_hashed = end->sock.state != WIRE_TCP_CLOSE;

	if (is_mptcp(end))
		return;
	if (connect(end->fd, &none, sizeof(none)))
		log_line(w, "  %s\n", strerror(errno));
	end->sock.remote_port = 0;
	memset(end->sock.remote_addr, 0, 16);
	if (is_udp(end)) {
		end->sock.ifindex = 0; /* __udp_disconnect() */
		if (was_hashed || end->holds) {
			end->sock.state = WIRE_TCP_CLOSE;
			if (!end->port_locked) {
				socket_released(w, end);
				end->sock.local_port = 0;
				end->sock.flags &= ~(uint32_t)WIRE_REUSEPORT_PROG;
			}
		}
	} else if (was_hashed) {
		drop_queue(w, end);
		end_closed(w, end);
	}
	if (end->peer >= 0)
		close(end->peer);
	end->peer = -1;
	reset_address(end);
}

void do_close(struct world *w, struct end *end, bool reset)
{
	if (reset)
		linger_0(end->fd);
	close(end->fd);
	end->fd = -1;
	if (end->sock.state == WIRE_TCP_LISTEN)
		drop_queue(w, end);
	if (is_udp(end) || reset ||
	    (end->sock.state != WIRE_TCP_ESTABLISHED && end->sock.state != WIRE_TCP_FIN_WAIT2)) {
		socket_released(w, end);
		return;
	}
	wait_for_fin(end->peer);
	end->sock.state = WIRE_TCP_TIME_WAIT;
	end->substate = WIRE_TCP_FIN_WAIT2;
}
