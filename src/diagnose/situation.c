/* SPDX-License-Identifier: GPL-2.0-only */
/* The changes of the sockets on a port when processes end and when sockets are destroyed. */
#include "diagnose/situation.h"

#include <errno.h>
#include <string.h>

#include "diagnose/rules.h"

void situation_init(struct situation *situation, const struct claim *claim, const struct failure *failure)
{
	situation->claim = *claim;
	situation->count = failure ? failure->holder_count : 0;
	for (size_t i = 0; i < situation->count; i++) {
		situation->holders[i] = &failure->holders[i];
		situation->socks[i] = failure->holders[i].sock;
	}
	/* The kernel checked the port, so the call passed the earlier checks. */
	if (claim->error && claim->error != EACCES) {
		situation->claim.has_net_bind_service = true;
		situation->claim.had_port = false;
	}
	situation->claim.error = 0;
	situation->claim.bucket = NULL;
}

void situation_copy(struct situation *to, const struct situation *from)
{
	to->claim = from->claim;
	to->count = from->count;
	memcpy(to->socks, from->socks, from->count * sizeof(from->socks[0]));
	memcpy(to->holders, from->holders, from->count * sizeof(from->holders[0]));
}

bool situation_refuses(const struct situation *situation, size_t index)
{
	enum overlap overlap;

	return sock_refuses(&situation->claim, &situation->socks[index], &overlap);
}

uint32_t situation_verdict(const struct situation *situation, const struct netns_entry *netns)
{
	return diagnose_verdict_of_socks(&situation->claim, situation->socks, situation->count, netns);
}

bool situation_is_closed(const struct wire_sock *sock)
{
	return sock->state == WIRE_TCP_TIME_WAIT || (sock->flags & WIRE_ORPHAN && sock->state != WIRE_TCP_LISTEN);
}

void situation_drop(struct situation *situation, size_t index)
{
	size_t behind = --situation->count - index;

	memmove(&situation->socks[index], &situation->socks[index + 1], behind * sizeof(situation->socks[0]));
	memmove(&situation->holders[index], &situation->holders[index + 1], behind * sizeof(situation->holders[0]));
}

/* tcp_close_state(): which states send a FIN and wait for the peer. CLOSE_WAIT goes through LAST_ACK, which ends as
 * soon as the peer's kernel answers. */
static bool leaves_connection(const struct wire_sock *sock)
{
	return !sock_is_udp(sock) && (sock->state == WIRE_TCP_ESTABLISHED || sock->state == WIRE_TCP_SYN_RECV ||
				      sock->state == WIRE_TCP_FIN_WAIT1 || sock->state == WIRE_TCP_FIN_WAIT2 ||
				      sock->state == WIRE_TCP_CLOSING);
}

bool situation_is_queued(const struct situation *situation, size_t index)
{
	const struct holder *holder = situation->holders[index];
	const struct wire_sock *sock = &situation->socks[index];

	return !sock_is_udp(sock) && sock_is_connected(sock) && !situation_is_closed(sock) &&
	       sock->flags & WIRE_ACCEPTED && !holder->pid_count && !holder->owner.pid;
}

/* inet_csk_listen_stop() resets connections that were not accepted. */
static void drop_queue(struct situation *situation)
{
	for (size_t i = situation->count; i-- > 0;) {
		if (situation_is_queued(situation, i))
			situation_drop(situation, i);
	}
}

void situation_close(struct situation *situation, size_t index)
{
	struct wire_sock *sock = &situation->socks[index];

	if (situation_is_closed(sock))
		return;
	if (!leaves_connection(sock)) {
		bool is_listener = sock->state == WIRE_TCP_LISTEN;

		situation_drop(situation, index);
		if (is_listener)
			drop_queue(situation);
		return;
	}
	/* inet_twsk_alloc() copies the reuse flags of the socket. */
	sock->state = WIRE_TCP_TIME_WAIT;
	sock->flags &= ~WIRE_ORPHAN;
}

/* inet_put_port() by tcp_set_state(sk, TCP_CLOSE), which keeps a port that SOCK_BINDPORT_LOCK marks. */
bool situation_destroy(struct situation *situation, size_t index)
{
	const struct wire_sock *sock = &situation->socks[index];
	bool is_locked = !(sock->flags & (WIRE_PORT_EPHEMERAL | WIRE_ACCEPTED));

	if (sock->flags & WIRE_KERNEL_OWNED || (sock->state == WIRE_TCP_TIME_WAIT && situation->claim.keeps_timewait))
		return false;
	/* An orphan is freed together with its port; of a connection only the TIME_WAIT remains. */
	if (!situation_is_closed(sock) &&
	    (sock_is_udp(sock) || !sock_is_connected(sock) || sock->state == WIRE_TCP_LISTEN || is_locked))
		return false;
	situation_drop(situation, index);
	return true;
}
