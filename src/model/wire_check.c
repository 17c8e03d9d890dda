/* SPDX-License-Identifier: GPL-2.0-only */
/* Checks sizes and shared fields by the layout of the kind, and the fields of one kind in check_fields(). */
#include "model/wire_check.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "model/model.h"

#define ERRNO_MAX 4095 /* the kernel's MAX_ERRNO */

#define TERMINATE(text) ((text)[sizeof(text) - 1] = '\0')

/* Names are compared as bytes. Older kernels (5.10) leave the rest of a longer name behind the end of a new one. */
static void clear_rest(char *text, size_t size)
{
	size_t length = strnlen(text, size - 1);

	memset(text + length, 0, size - length);
}

/* The fields that several kinds have. */
static bool check_shared(union wire_event *event)
{
	struct wire_task *task = (struct wire_task *)wire_task_of(&event->hdr);
	const struct wire_sock *sock = wire_sock_of(&event->hdr);

	if (task)
		clear_rest(task->comm, sizeof(task->comm));
	if (sock && ((sock->family != AF_INET && sock->family != AF_INET6) || sock->state > WIRE_TCP_NEW_SYN_RECV))
		return false;
	return wire_error_of(&event->hdr) <= ERRNO_MAX;
}

static bool check_process(struct wire_process *process)
{
	TERMINATE(process->exe);
	TERMINATE(process->cgroup);
	TERMINATE(process->cmdline);
	TERMINATE(process->cwd);
	TERMINATE(process->user);
	for (size_t i = 0; i < WIRE_PARENTS_MAX; i++)
		TERMINATE(process->parents[i].comm);
	TERMINATE(process->service.name);
	TERMINATE(process->service.control);
	TERMINATE(process->restarter.comm);
	if (process->cmdline_len > sizeof(process->cmdline) - 1)
		process->cmdline_len = sizeof(process->cmdline) - 1;
	return true;
}

/*
 * Captures of porttrace 0.1 have no purpose; their failure_id is 0 for a snapshot, 1 for a prefetch, all ones
 * for a count of ports, and otherwise the refusal of a holder. Later code reads only the purpose.
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
	return socket->fd >= -1 && socket->substate <= WIRE_TCP_NEW_SYN_RECV && needs_failure(socket) == !!socket->failure_id;
}

static bool check_fields(union wire_event *event)
{
	switch ((enum wire_kind)event->hdr.kind) {
	case WIRE_BIND:
		return event->bind.how <= (WIRE_BIND_IMPLICIT | WIRE_BIND_HAD_PORT);
	case WIRE_CLOSE:
		return event->close.error <= ERRNO_MAX && event->close.how <= WIRE_CLOSE_UNESTABLISHED &&
		       (!event->close.next_state || event->close.next_state == WIRE_TCP_TIME_WAIT);
	case WIRE_TIMEWAIT:
		return event->timewait.action >= WIRE_TIMEWAIT_ENTER &&
		       event->timewait.action <= WIRE_TIMEWAIT_OVERFLOW &&
		       event->timewait.substate <= WIRE_TCP_NEW_SYN_RECV;
	case WIRE_SOCKET:
		return check_socket(&event->socket);
	case WIRE_PROCESS:
		return check_process(&event->process);
	case WIRE_NETNS:
		return event->netns.range_low <= event->netns.range_high;
	case WIRE_POOL:
		return event->pool.range_low && event->pool.range_low <= event->pool.range_high;
	case WIRE_MISUSE:
		return event->misuse.misuse >= WIRE_MISUSE_BIND_CONNECT &&
		       event->misuse.misuse <= WIRE_MISUSE_OVERFLOW;
	case WIRE_SEARCH:
		return event->search.connects <= 1;
	case WIRE_INTERFACE:
		TERMINATE(event->interface.name);
		TERMINATE(event->interface.tunnel);
		return true;
	case WIRE_LISTEN:
	case WIRE_CONNECT:
	case WIRE_ACCEPT:
	case WIRE_RELEASE:
	case WIRE_TRAFFIC:
	case WIRE_LOST: /* an unknown reason is kept: its count must not be lost */
		return true;
	}
	return false;
}

int wire_check(const void *data, size_t size, union wire_event *event)
{
	const struct wire_layout *layout;
	struct wire_hdr hdr;

	if (size < sizeof(hdr))
		return -EINVAL;
	memcpy(&hdr, data, sizeof(hdr)); /* `data` may be unaligned, in a capture */
	if (!hdr.kind || hdr.size < sizeof(hdr) || hdr.size > size || hdr.size % 8)
		return -EINVAL;
	layout = wire_layout_of(hdr.kind);
	if (!layout)
		return -EPROTONOSUPPORT;
	if (hdr.kind == WIRE_SOCKET && hdr.purpose > WIRE_PURPOSE_SERVER_CLOSED)
		return -EPROTONOSUPPORT;
	if (hdr.size < layout->required)
		return -EINVAL;

	memset(event, 0, sizeof(*event));
	memcpy(event, data, hdr.size < layout->size ? hdr.size : layout->size);
	event->hdr.size = layout->size;
	return check_shared(event) && check_fields(event) ? 0 : -EINVAL;
}
