/* SPDX-License-Identifier: GPL-2.0-only */
/* The layout of each kind, generated from WIRE_KINDS, and the fields that several kinds have: see model.h. */
#include "model/model.h"
#include "model/wire_check.h"
#include "util/protocol.h"

#define AT(name, field) .field = offsetof(struct wire_##name, field)
#define HAS_CALL(name)	AT(name, sock), AT(name, task), AT(name, error), AT(name, failure_id)
#define HAS_HOLDER(name) AT(name, sock), AT(name, task), AT(name, failure_id)
#define HAS_SOCK(name)	AT(name, sock), AT(name, task)
#define HAS_TASK(name)	AT(name, task)
#define HAS_NONE(name)	.sock = 0

#define END_OF(name, field) (offsetof(struct wire_##name, field) + sizeof(((struct wire_##name *)NULL)->field))

static const struct wire_layout layouts[] = {
#define X(number, NAME, kind, last, has, meaning) \
	[number] = {.name = #kind, .size = sizeof(struct wire_##kind), .required = END_OF(kind, last), HAS_##has(kind)},
	WIRE_KINDS(X)
#undef X
};

const struct wire_layout *wire_layout_of(unsigned int kind)
{
	return kind < sizeof(layouts) / sizeof(layouts[0]) && layouts[kind].name ? &layouts[kind] : NULL;
}

/* NULL: the kind has no such field. */
static const void *field_of(const struct wire_hdr *event, size_t offset_in_layout)
{
	const struct wire_layout *layout = wire_layout_of(event->kind);
	uint16_t offset = layout ? *(const uint16_t *)((const char *)layout + offset_in_layout) : 0;

	return offset ? (const char *)event + offset : NULL;
}

const struct wire_sock *wire_sock_of(const struct wire_hdr *event)
{
	return field_of(event, offsetof(struct wire_layout, sock));
}

const struct wire_task *wire_task_of(const struct wire_hdr *event)
{
	return field_of(event, offsetof(struct wire_layout, task));
}

bool wire_sock_is_server(const struct wire_sock *sock)
{
	if (protocol_is_udp(sock->protocol))
		return !sock->remote_port && !(sock->flags & WIRE_PORT_EPHEMERAL);
	return sock->state == WIRE_TCP_LISTEN;
}

uint32_t wire_error_of(const struct wire_hdr *event)
{
	const uint32_t *error = field_of(event, offsetof(struct wire_layout, error));

	return error ? *error : 0;
}

uint32_t wire_ended_errno(const struct wire_hdr *event)
{
	return event->kind == WIRE_CLOSE ? ((const struct wire_close *)event)->error : wire_error_of(event);
}

uint32_t wire_failed_errno(const struct wire_hdr *event)
{
	if (event->kind == WIRE_CLOSE && !(((const struct wire_close *)event)->how & WIRE_CLOSE_UNESTABLISHED))
		return 0;
	return wire_ended_errno(event);
}

uint64_t wire_failure_of(const struct wire_hdr *event)
{
	const uint64_t *failure_id = field_of(event, offsetof(struct wire_layout, failure_id));

	return failure_id ? *failure_id : 0;
}

const char *wire_kind_name(unsigned int kind)
{
	const struct wire_layout *layout = wire_layout_of(kind);

	return layout ? layout->name : NULL;
}
