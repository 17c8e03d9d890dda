/* SPDX-License-Identifier: GPL-2.0-only */
/* What events of different kinds have in common, without asking for the kind: see model.h. */
#include "model/model.h"

/* Those that are about one socket all begin alike. */
#define BEGINS_ALIKE(name)                                                                  \
	_Static_assert(offsetof(struct wire_##name, sock) == offsetof(struct wire_bind, sock) && \
		       offsetof(struct wire_##name, task) == offsetof(struct wire_bind, task),   \
		       "wire_" #name " does not begin like wire_bind")
BEGINS_ALIKE(listen);
BEGINS_ALIKE(connect);
BEGINS_ALIKE(accept);
BEGINS_ALIKE(close);
BEGINS_ALIKE(timewait);
BEGINS_ALIKE(release);
BEGINS_ALIKE(socket);
BEGINS_ALIKE(misuse);

const struct wire_sock *wire_sock_of(const struct wire_hdr *event)
{
	switch ((enum wire_kind)event->kind) {
	case WIRE_BIND:
	case WIRE_LISTEN:
	case WIRE_CONNECT:
	case WIRE_ACCEPT:
	case WIRE_CLOSE:
	case WIRE_TIMEWAIT:
	case WIRE_RELEASE:
	case WIRE_SOCKET:
	case WIRE_MISUSE:
		return &((const struct wire_bind *)event)->sock;
	case WIRE_PROCESS:
	case WIRE_NETNS:
	case WIRE_TRAFFIC:
	case WIRE_LOST:
	case WIRE_INTERFACE:
	case WIRE_POOL:
	case WIRE_SEARCH:
		return NULL;
	}
	return NULL;
}

const struct wire_task *wire_task_of(const struct wire_hdr *event)
{
	switch ((enum wire_kind)event->kind) {
	case WIRE_BIND:
	case WIRE_LISTEN:
	case WIRE_CONNECT:
	case WIRE_ACCEPT:
	case WIRE_CLOSE:
	case WIRE_TIMEWAIT:
	case WIRE_RELEASE:
	case WIRE_SOCKET:
	case WIRE_MISUSE:
		return &((const struct wire_bind *)event)->task;
	case WIRE_PROCESS:
		return &((const struct wire_process *)event)->task;
	case WIRE_TRAFFIC:
		return &((const struct wire_traffic *)event)->task;
	case WIRE_NETNS:
	case WIRE_LOST:
	case WIRE_INTERFACE:
	case WIRE_POOL:
	case WIRE_SEARCH:
		return NULL;
	}
	return NULL;
}

uint32_t wire_error_of(const struct wire_hdr *event)
{
	switch (event->kind) {
	case WIRE_BIND:
		return ((const struct wire_bind *)event)->error;
	case WIRE_LISTEN:
		return ((const struct wire_listen *)event)->error;
	case WIRE_CONNECT:
		return ((const struct wire_connect *)event)->error;
	}
	return 0;
}

uint64_t wire_failure_of(const struct wire_hdr *event)
{
	switch (event->kind) {
	case WIRE_BIND:
		return ((const struct wire_bind *)event)->failure_id;
	case WIRE_LISTEN:
		return ((const struct wire_listen *)event)->failure_id;
	case WIRE_CONNECT:
		return ((const struct wire_connect *)event)->failure_id;
	case WIRE_SOCKET:
		return ((const struct wire_socket *)event)->failure_id;
	}
	return 0;
}

const char *wire_kind_name(unsigned int kind)
{
	static const char *const names[] = {
#define X(number, NAME, name, meaning) [number] = #name,
		WIRE_KINDS(X)
#undef X
	};

	return kind < sizeof(names) / sizeof(names[0]) ? names[kind] : NULL;
}
