/* SPDX-License-Identifier: GPL-2.0-only */
/* Makes a claim, which is what the caller requested from the kernel, of the event of a failed call. */
#include "diagnose/diagnose.h"

#include <errno.h>
#include <string.h>

#include "diagnose/rules.h"
#include "util/address.h"

static void claim_from_bind(const struct wire_bind *event, struct claim *claim)
{
	claim->call = event->how & WIRE_BIND_IMPLICIT ? CLAIM_SEND : CLAIM_BIND;
	memcpy(claim->requested_addr, event->requested_addr, sizeof(claim->requested_addr));
	claim->requested_port = event->requested_port;
	if (event->how & WIRE_BIND_HAD_PORT) {
		claim->had_port = true;
		claim->bound_port = event->bound_port;
	}
}

/* Cgroup programs rewrite the local address of bind() only; for other calls the socket shows the request. */
static void claim_from_socket(enum claim_call call, struct claim *claim)
{
	claim->call = call;
	memcpy(claim->requested_addr, claim->sock.local_addr, sizeof(claim->requested_addr));
	claim->requested_port = claim->sock.local_port;
}

/*
 * A seccomp filter runs first. If the call was seen to stop before the cgroup hooks, any errno of a bind() can
 * be the filter's. A connect() may also be refused by a route (EACCES), and listen() has no cgroup hook: for
 * these only the usual errnos of a filter count.
 */
static bool is_by_seccomp(const struct claim *claim)
{
	uint32_t flags = claim->sock.flags;

	if (!(flags & WIRE_FILTERED) || flags & WIRE_REACHED_CGROUP)
		return false;
	return claim->error == EPERM || claim->error == EACCES ||
	       (claim->call == CLAIM_BIND && flags & WIRE_STOPPED_BEFORE_CGROUP);
}

/* The kernel takes the remote address as the source where it is its own. 127.0.0.0/8 is always. */
static bool is_to_itself(const struct wire_sock *sock)
{
	return address_is_loopback(sock->remote_addr) ||
	       (!address_is_wildcard(sock->remote_addr) &&
		!memcmp(sock->local_addr, sock->remote_addr, sizeof(sock->local_addr)));
}

static void claim_from_close(const struct wire_close *event, struct claim *claim)
{
	claim->call = CLAIM_CONNECT;
	claim->began_boot_ns = event->life_ns ? event->hdr.boot_ns - event->life_ns : 0;
	memcpy(claim->requested_addr, claim->sock.local_addr, sizeof(claim->requested_addr));
	/* It had its port: the failure is not about that. */
	claim->sock.local_port = claim->requested_port =
		claim->sock.flags & WIRE_PORT_EPHEMERAL ? 0 : claim->sock.local_port;
}

bool claim_from_event(const struct wire_hdr *event, struct claim *claim)
{
	const struct wire_connect *connect = (const struct wire_connect *)event;
	uint32_t error = wire_failed_errno(event);

	memset(claim, 0, sizeof(*claim));
	if (!error)
		return false;
	claim->error = error;
	claim->sock = *wire_sock_of(event);
	claim->task = *wire_task_of(event);
	claim->remote_is_local = is_to_itself(&claim->sock);
	claim->address_tentative = claim->sock.flags & WIRE_TENTATIVE;
	switch (event->kind) {
	case WIRE_BIND:
		claim_from_bind((const struct wire_bind *)event, claim);
		break;
	case WIRE_LISTEN:
		claim_from_socket(CLAIM_LISTEN, claim);
		break;
	case WIRE_CONNECT:
		/* The socket may still contain a port that the kernel chose and released. */
		claim->sock.local_port = connect->requested_port;
		claim_from_socket(CLAIM_CONNECT, claim);
		break;
	case WIRE_CLOSE:
		claim_from_close((const struct wire_close *)event, claim);
		break;
	default:
		return false;
	}
	claim->by_seccomp = is_by_seccomp(claim);
	return true;
}

bool diagnose_wanted(uint32_t error)
{
	switch (error) {
	case EADDRINUSE:
	case EADDRNOTAVAIL:
	case EACCES:
	case EPERM:
	case EINVAL:
	case EAGAIN:
	case EOPNOTSUPP:
	case EAFNOSUPPORT:
	case EISCONN:
	case ENODEV:
		return true;
	}
	return connect_failed(error);
}
