/* SPDX-License-Identifier: GPL-2.0-only */
/* The gate: what comes out of here is laid out as wire.h says, wherever the bytes came from. */
#include "model/wire_check.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "model/model.h"

#define ERRNO_MAX 4095 /* the kernel's MAX_ERRNO */

static const uint16_t sizes[] = {
#define X(number, NAME, name, meaning) [number] = sizeof(struct wire_##name),
	WIRE_KINDS(X)
#undef X
};

/*
 * The field up to which an event must reach to say anything. What follows may be missing, as in a
 * capture that is older than it, and reads as zero.
 */
#define UP_TO(name, field) \
	(offsetof(struct wire_##name, field) + sizeof(((struct wire_##name *)NULL)->field))
static const uint16_t required[] = {
	[WIRE_BIND] = UP_TO(bind, task),
	[WIRE_LISTEN] = UP_TO(listen, task),
	[WIRE_CONNECT] = UP_TO(connect, task),
	[WIRE_ACCEPT] = UP_TO(accept, task),
	[WIRE_CLOSE] = UP_TO(close, task),
	[WIRE_TIMEWAIT] = UP_TO(timewait, action),
	[WIRE_RELEASE] = UP_TO(release, task),
	[WIRE_SOCKET] = UP_TO(socket, fd),
	[WIRE_PROCESS] = UP_TO(process, cmdline_len),
	[WIRE_NETNS] = UP_TO(netns, range_high),
	[WIRE_TRAFFIC] = UP_TO(traffic, remote_port),
	[WIRE_LOST] = UP_TO(lost, reason),
	[WIRE_INTERFACE] = UP_TO(interface, name),
	[WIRE_POOL] = UP_TO(pool, ends),
	[WIRE_MISUSE] = UP_TO(misuse, limit),
	[WIRE_SEARCH] = UP_TO(search, buckets),
};
_Static_assert(sizeof(required) == sizeof(sizes), "a kind without a required part");

#define TERMINATE(text) ((text)[sizeof(text) - 1] = '\0')

static bool check_sock(const struct wire_sock *sock)
{
	return (sock->family == AF_INET || sock->family == AF_INET6) &&
	       sock->state <= WIRE_TCP_NEW_SYN_RECV;
}

static bool check_call(const struct wire_sock *sock, struct wire_task *task, uint32_t error)
{
	TERMINATE(task->comm);
	return check_sock(sock) && error <= ERRNO_MAX;
}

static bool check_process(struct wire_process *process)
{
	TERMINATE(process->task.comm);
	TERMINATE(process->exe);
	TERMINATE(process->cgroup);
	TERMINATE(process->cmdline);
	if (process->cmdline_len > sizeof(process->cmdline) - 1)
		process->cmdline_len = sizeof(process->cmdline) - 1;
	return true;
}

/*
 * Captures of porttrace 0.1 have no purpose; their failure_id is 0 for a snapshot, 1 for a prefetch, all ones
 * for a count of ports, and else the refusal of a holder. From here on the purpose says so alone.
 */
#define OLD_PREFETCH   1
#define OLD_PORT_USAGE UINT64_MAX

static void set_purpose(struct wire_socket *socket)
{
	if (!socket->failure_id)
		socket->hdr.purpose = WIRE_PURPOSE_SNAPSHOT;
	else if (socket->failure_id == OLD_PREFETCH)
		socket->hdr.purpose = WIRE_PURPOSE_PREFETCH;
	else if (socket->failure_id == OLD_PORT_USAGE)
		socket->hdr.purpose = WIRE_PURPOSE_PORT_USAGE;
	else
		socket->hdr.purpose = WIRE_PURPOSE_HOLDER;
}

static bool needs_failure(const struct wire_socket *socket)
{
	return socket->hdr.purpose == WIRE_PURPOSE_HOLDER || socket->hdr.purpose == WIRE_PURPOSE_OWNER_GONE;
}

static bool check_socket(struct wire_socket *socket)
{
	if (socket->hdr.purpose == WIRE_PURPOSE_UNSET)
		set_purpose(socket);
	if (!needs_failure(socket))
		socket->failure_id = 0;
	return check_call(&socket->sock, &socket->task, 0) && socket->fd >= -1 &&
	       socket->substate <= WIRE_TCP_NEW_SYN_RECV && needs_failure(socket) == !!socket->failure_id;
}

static bool check_fields(union wire_event *event)
{
	switch ((enum wire_kind)event->hdr.kind) {
	case WIRE_BIND:
		return check_call(&event->bind.sock, &event->bind.task, event->bind.error) &&
		       event->bind.how <= (WIRE_BIND_IMPLICIT | WIRE_BIND_HAD_PORT);
	case WIRE_LISTEN:
		return check_call(&event->listen.sock, &event->listen.task, event->listen.error);
	case WIRE_CONNECT:
		return check_call(&event->connect.sock, &event->connect.task, event->connect.error);
	case WIRE_ACCEPT:
		return check_call(&event->accept.sock, &event->accept.task, 0);
	case WIRE_CLOSE:
		return check_call(&event->close.sock, &event->close.task, event->close.error) &&
		       (!event->close.next_state || event->close.next_state == WIRE_TCP_TIME_WAIT);
	case WIRE_TIMEWAIT:
		return check_call(&event->timewait.sock, &event->timewait.task, 0) &&
		       event->timewait.action >= WIRE_TIMEWAIT_ENTER &&
		       event->timewait.action <= WIRE_TIMEWAIT_OVERFLOW &&
		       event->timewait.substate <= WIRE_TCP_NEW_SYN_RECV;
	case WIRE_RELEASE:
		return check_call(&event->release.sock, &event->release.task, 0);
	case WIRE_SOCKET:
		return check_socket(&event->socket);
	case WIRE_PROCESS:
		return check_process(&event->process);
	case WIRE_NETNS:
		return event->netns.range_low <= event->netns.range_high;
	case WIRE_TRAFFIC:
		TERMINATE(event->traffic.task.comm);
		return true;
	case WIRE_LOST:
		/* A reason that we do not know must not cost the count. */
		return true;
	case WIRE_POOL:
		return event->pool.range_low && event->pool.range_low <= event->pool.range_high;
	case WIRE_MISUSE:
		return check_call(&event->misuse.sock, &event->misuse.task, 0) &&
		       event->misuse.misuse >= WIRE_MISUSE_BIND_CONNECT &&
		       event->misuse.misuse <= WIRE_MISUSE_OVERFLOW;
	case WIRE_SEARCH:
		return event->search.connects <= 1;
	case WIRE_INTERFACE:
		TERMINATE(event->interface.name);
		return true;
	}
	return false;
}

int wire_check(const void *data, size_t size, union wire_event *event)
{
	struct wire_hdr hdr;
	size_t ours;

	if (size < sizeof(hdr))
		return -EINVAL;
	memcpy(&hdr, data, sizeof(hdr)); /* `data` may be unaligned, in a capture */
	if (!hdr.kind || hdr.size < sizeof(hdr) || hdr.size > size || hdr.size % 8)
		return -EINVAL;
	if (!wire_kind_name(hdr.kind))
		return -EPROTONOSUPPORT;
	if (hdr.kind == WIRE_SOCKET && hdr.purpose > WIRE_PURPOSE_OWNER_GONE)
		return -EPROTONOSUPPORT;
	if (hdr.size < required[hdr.kind])
		return -EINVAL;

	ours = sizes[hdr.kind];
	memset(event, 0, sizeof(*event));
	memcpy(event, data, hdr.size < ours ? hdr.size : ours);
	event->hdr.size = ours;
	return check_fields(event) ? 0 : -EINVAL;
}
