/* SPDX-License-Identifier: GPL-2.0-only */
/* The event of a refused call as the question that was put to the kernel. */
#include "diagnose/diagnose.h"

#include <errno.h>
#include <string.h>

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

/* Nothing but bind() can be rewritten: what was asked for is what the socket has. */
static void claim_from_socket(enum claim_call call, struct claim *claim)
{
	claim->call = call;
	memcpy(claim->requested_addr, claim->sock.local_addr, sizeof(claim->requested_addr));
	claim->requested_port = claim->sock.local_port;
}

/*
 * A filter answers before anything else is asked. A connect() may be refused by its route as well
 * (EACCES), and a listen() has no hook: there only the usual errnos of a filter count.
 */
static bool is_by_seccomp(const struct claim *claim)
{
	uint32_t flags = claim->sock.flags;

	if (!(flags & WIRE_FILTERED) || flags & WIRE_REACHED_CGROUP)
		return false;
	return claim->error == EPERM || claim->error == EACCES ||
	       (claim->call == CLAIM_BIND && flags & WIRE_STOPPED_BEFORE_CGROUP);
}

bool claim_from_event(const struct wire_hdr *event, struct claim *claim)
{
	const struct wire_connect *connect = (const struct wire_connect *)event;
	uint32_t error = wire_error_of(event);

	memset(claim, 0, sizeof(*claim));
	if (!error)
		return false;
	claim->error = error;
	claim->sock = *wire_sock_of(event);
	claim->task = *wire_task_of(event);
	claim->address_tentative = claim->sock.flags & WIRE_TENTATIVE;
	switch (event->kind) {
	case WIRE_BIND:
		claim_from_bind((const struct wire_bind *)event, claim);
		break;
	case WIRE_LISTEN:
		claim_from_socket(CLAIM_LISTEN, claim);
		break;
	case WIRE_CONNECT:
		/* A port that the kernel chose and gave back may still stand in the socket. */
		claim->sock.local_port = connect->requested_port;
		claim_from_socket(CLAIM_CONNECT, claim);
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
	return false;
}
