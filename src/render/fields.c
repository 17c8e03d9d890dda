/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of fields: what an event, a row of `ls` and a holder have, in the order in which JSON shows the
 * fields and text shows the columns. docs/json-schema.md describes each field.
 */
#include "render/fields.h"

#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>

#include "diagnose/group.h"
#include "model/model.h"
#include "render/format_number.h"
#include "render/text_cells.h"
#include "render/text_words.h"
#include "util/errno_name.h"
#include "util/protocol.h"

/* The event as the struct of its kind; NULL: it is of another kind. */
#define EVENT_AS(report, KIND, name)                                                   \
	((report)->event->kind == (KIND) ? (const struct wire_##name *)(report)->event : NULL)

static bool set_number(struct field_value *value, uint64_t number)
{
	value->number = number;
	return true;
}

/* 0 means unknown. */
static bool set_known(struct field_value *value, uint64_t number)
{
	value->number = number;
	return number != 0;
}

/* NULL and "" mean unknown. */
static bool set_text(struct field_value *value, const char *text)
{
	value->text = text;
	value->length = text ? strlen(text) : 0;
	return value->length > 0;
}

static bool set_address(struct field_value *value, const uint8_t address[16])
{
	value->text = value->buffer;
	value->length = address_format(address, value->buffer);
	return true;
}

static bool set_errno(struct field_value *value, uint32_t error)
{
	return error && set_text(value, errno_name(error, value->buffer));
}

static bool get_event(const struct report *report, struct field_value *value)
{
	return set_text(value, wire_kind_name(report->event->kind));
}

static bool get_errno(const struct report *report, struct field_value *value)
{
	return set_errno(value, wire_error_of(report->event));
}

static bool get_protocol(const struct report *report, struct field_value *value)
{
	return set_text(value, protocol_name(report->sock->protocol, value->buffer));
}

static bool get_family(const struct report *report, struct field_value *value)
{
	switch (report->sock->family) {
	case AF_INET:
		return set_text(value, "ipv4");
	case AF_INET6:
		return set_text(value, "ipv6");
	}
	return false;
}

static bool get_local_address(const struct report *report, struct field_value *value)
{
	return set_address(value, report->sock->local_addr);
}

static bool get_local_port(const struct report *report, struct field_value *value)
{
	return set_number(value, report->sock->local_port);
}

static bool get_requested_port(const struct report *report, struct field_value *value)
{
	const struct wire_bind *bind = EVENT_AS(report, WIRE_BIND, bind);
	const struct wire_connect *connect = EVENT_AS(report, WIRE_CONNECT, connect);

	if (!bind && !connect)
		return false;
	set_number(value, bind ? bind->requested_port : connect->requested_port);
	return value->number != report->sock->local_port;
}

static bool get_ephemeral(const struct report *report, struct field_value *value)
{
	(void)value;
	return (report->sock->flags & WIRE_PORT_EPHEMERAL) && report->sock->local_port;
}

static bool get_remote_address(const struct report *report, struct field_value *value)
{
	return report->sock->remote_port && set_address(value, report->sock->remote_addr);
}

static bool get_remote_port(const struct report *report, struct field_value *value)
{
	return set_known(value, report->sock->remote_port);
}

static bool get_state(const struct report *report, struct field_value *value)
{
	const struct wire_socket *socket = EVENT_AS(report, WIRE_SOCKET, socket);

	return socket && set_text(value, state_name(socket->sock.state, socket->substate));
}

static bool get_options(const struct report *report, struct field_value *value)
{
	value->word_count = option_names(report->sock->flags, value->words);
	return value->word_count > 0;
}

static bool get_interface(const struct report *report, struct field_value *value)
{
	return set_text(value, report->interface);
}

/* The cookie as `ss -e` prints it after "sk:". */
static bool get_socket(const struct report *report, struct field_value *value)
{
	uint64_t cookie = report->sock->cookie;
	char *at = value->buffer + 16;

	value->length = 0;
	for (; cookie; cookie >>= 4, value->length++)
		*--at = "0123456789abcdef"[cookie & 0xf];
	value->text = at;
	return value->length > 0;
}

static bool get_netns(const struct report *report, struct field_value *value)
{
	return set_known(value, report->sock->netns);
}

static bool get_netns_name(const struct report *report, struct field_value *value)
{
	const struct render_options *options = value->options;

	return report->sock->netns && options->netns_name && set_text(value, options->netns_name(report->sock->netns));
}

/* The process, when it is known. */
static const struct wire_task *task_of(const struct report *report)
{
	return report->task && report->task->pid ? report->task : NULL;
}

static bool get_pid(const struct report *report, struct field_value *value)
{
	return task_of(report) && !(report->task->pid & WIRE_PID_OUTSIDE) && set_number(value, report->task->pid);
}

static bool get_host_pid(const struct report *report, struct field_value *value)
{
	return task_of(report) && report->task->pid & WIRE_PID_OUTSIDE &&
	       set_number(value, report->task->pid & ~WIRE_PID_OUTSIDE);
}

static bool get_tid(const struct report *report, struct field_value *value)
{
	return task_of(report) && !(report->task->tid & WIRE_PID_OUTSIDE) && set_known(value, report->task->tid);
}

static bool get_comm(const struct report *report, struct field_value *value)
{
	if (!task_of(report))
		return false;
	value->text = report->task->comm;
	value->length = strnlen(report->task->comm, sizeof(report->task->comm));
	return value->length > 0;
}

static bool get_uid(const struct report *report, struct field_value *value)
{
	if (!task_of(report) && !report->sock)
		return false;
	return set_number(value, task_of(report) ? report->task->uid : report->sock->uid);
}

static bool get_ppid(const struct report *report, struct field_value *value)
{
	return task_of(report) && !(report->task->ppid & WIRE_PID_OUTSIDE) && set_known(value, report->task->ppid);
}

/* Then executable and arguments are another program's. */
static bool has_execed(const struct report *report)
{
	return report->process && task_of(report) && process_has_execed_since(report->process, report->task);
}

static bool get_exe(const struct report *report, struct field_value *value)
{
	return report->process && !has_execed(report) && set_text(value, report->process->exe);
}

static bool get_cmdline(const struct report *report, struct field_value *value)
{
	return report->process && !has_execed(report) && set_text(value, report->process->cmdline);
}

static bool get_cgroup(const struct report *report, struct field_value *value)
{
	return report->process && set_text(value, report->process->cgroup);
}

static bool get_unit(const struct report *report, struct field_value *value)
{
	return report->process && set_text(value, report->process->unit);
}

static bool get_container(const struct report *report, struct field_value *value)
{
	return report->process && set_text(value, report->process->container);
}

static bool get_container_name(const struct report *report, struct field_value *value)
{
	const struct render_options *options = value->options;

	return report->process && report->process->container[0] && options->container_name &&
	       set_text(value, options->container_name(report->process->container));
}

static bool get_user(const struct report *report, struct field_value *value)
{
	/* A process may have changed its uid since its facts were read. */
	return report->process && report->process->task.uid == report->task->uid &&
	       set_text(value, report->process->user);
}

static bool get_cwd(const struct report *report, struct field_value *value)
{
	return report->process && set_text(value, report->process->cwd);
}

static bool get_started(const struct report *report, struct field_value *value)
{
	return task_of(report) && set_known(value, report->task->start_boot_ns);
}

static bool get_parents(const struct report *report, struct field_value *value)
{
	if (!report->process || !report->process->parents[0].pid)
		return false;
	value->parents = report->process->parents;
	return true;
}

static bool get_exec(const struct report *report, struct field_value *value)
{
	(void)value;
	return has_execed(report);
}

static bool get_kernel_owned(const struct report *report, struct field_value *value)
{
	(void)value;
	return report->sock->flags & WIRE_KERNEL_OWNED;
}

/* 0 is a valid backlog: whether there is one depends on the kind of the event and the state. */
static bool get_backlog(const struct report *report, struct field_value *value)
{
	const struct wire_listen *listen = EVENT_AS(report, WIRE_LISTEN, listen);
	const struct wire_socket *socket = EVENT_AS(report, WIRE_SOCKET, socket);

	if (listen)
		return set_number(value, listen->backlog);
	return socket && socket->sock.state == WIRE_TCP_LISTEN &&
	       set_number(value, socket->backlog);
}

static bool get_queue(const struct report *report, struct field_value *value)
{
	const struct wire_socket *socket = EVENT_AS(report, WIRE_SOCKET, socket);

	return socket && socket->sock.state == WIRE_TCP_LISTEN && set_number(value, socket->queue);
}

static const struct wire_socket *udp_socket_of(const struct report *report)
{
	const struct wire_socket *socket = EVENT_AS(report, WIRE_SOCKET, socket);

	return socket && protocol_is_udp(socket->sock.protocol) ? socket : NULL;
}

/* 0 bytes in a buffer of unknown size: an older capture, which has neither. */
static bool get_receive_queue(const struct report *report, struct field_value *value)
{
	const struct wire_socket *socket = udp_socket_of(report);

	return socket && socket->backlog && set_number(value, socket->queue);
}

static bool get_receive_buffer(const struct report *report, struct field_value *value)
{
	const struct wire_socket *socket = udp_socket_of(report);

	return socket && set_known(value, socket->backlog);
}

static bool get_group_marks(const struct report *report, struct field_value *value)
{
	unsigned int marks = report->port ? report->port->group_marks : 0;

	value->word_count = 0;
	if (marks & GROUP_MARK_OLDER)
		value->words[value->word_count++] = "older";
	if (marks & GROUP_MARK_GROWS)
		value->words[value->word_count++] = "grows";
	return value->word_count > 0;
}

static bool get_since(const struct report *report, struct field_value *value)
{
	const struct wire_socket *socket = EVENT_AS(report, WIRE_SOCKET, socket);

	return socket && set_known(value, socket->since_boot_ns);
}

static bool get_expires(const struct report *report, struct field_value *value)
{
	const struct wire_socket *socket = EVENT_AS(report, WIRE_SOCKET, socket);

	return socket && socket->sock.state == WIRE_TCP_TIME_WAIT &&
	       set_known(value, socket->expires_ms);
}

static bool get_duration(const struct report *report, struct field_value *value)
{
	const struct wire_bind *bind = EVENT_AS(report, WIRE_BIND, bind);
	const struct wire_connect *connect = EVENT_AS(report, WIRE_CONNECT, connect);
	const struct wire_close *close = EVENT_AS(report, WIRE_CLOSE, close);

	return set_known(value, bind	? bind->duration_ns :
				connect ? connect->duration_ns :
				close	? close->life_ns : 0);
}

static bool get_error(const struct report *report, struct field_value *value)
{
	const struct wire_close *close = EVENT_AS(report, WIRE_CLOSE, close);

	return close && set_errno(value, close->error);
}

static bool get_next_state(const struct report *report, struct field_value *value)
{
	const struct wire_close *close = EVENT_AS(report, WIRE_CLOSE, close);

	return close && close->next_state == WIRE_TCP_TIME_WAIT && set_text(value, "time_wait");
}

static bool get_action(const struct report *report, struct field_value *value)
{
	const struct wire_timewait *timewait = EVENT_AS(report, WIRE_TIMEWAIT, timewait);

	return timewait && set_text(value, timewait_action_name(timewait->action));
}

static bool get_substate(const struct report *report, struct field_value *value)
{
	const struct wire_timewait *timewait = EVENT_AS(report, WIRE_TIMEWAIT, timewait);

	return timewait && timewait->substate &&
	       set_text(value, state_name(WIRE_TCP_TIME_WAIT, timewait->substate));
}

#define EVENT  FIELD_OF_EVENT
#define PORT   FIELD_OF_PORT
#define HOLDER FIELD_OF_HOLDER
#define PROCESS FIELD_OF_PROCESS
/* A field of JSON; with COLUMN() it is a column of text as well. */
#define ROW(key, kind, records, getter, ...)                                           \
	{ .name = key, .name_length = sizeof(key) - 1, .type = kind, .lines = records, \
	  .get = getter, __VA_ARGS__ }
/* Only a column of text. */
#define TEXT(kind, getter, ...) { .type = kind, .get = getter, __VA_ARGS__ }
#define COLUMN(title, records, wide, narrow) \
	.header = title, .columns = records, .width = wide, .narrow_width = narrow

/* clang-format off */
const struct field fields[] = {
	TEXT(FIELD_WORD, NULL,
	     COLUMN("NETNS", PORT, 11, 11), .put = text_cell_netns, .role = ROLE_IF_VARIED, .least = 6, .enough = 16),
	TEXT(FIELD_WORD, get_event,
	     COLUMN("EVENT", EVENT, 9, 9)),
	TEXT(FIELD_NUMBER, get_pid,
	     COLUMN("PID", EVENT | PORT, 8, 7)),
	TEXT(FIELD_WORD, NULL,
	     COLUMN("USER", PORT, 8, 8), .put = text_cell_user, .least = 4, .enough = 8),
	TEXT(FIELD_BYTES, get_comm,
	     COLUMN("COMM", EVENT | PORT, 16, 9), .put = text_cell_comm),
	ROW("errno",          FIELD_WORD,         EVENT,                 get_errno),
	ROW("protocol",       FIELD_WORD,         EVENT | PORT | HOLDER, get_protocol,
	    COLUMN("PROTO", EVENT | PORT, 6, 6)),
	ROW("family",         FIELD_WORD,         EVENT | PORT | HOLDER, get_family),
	ROW("local_address",  FIELD_WORD,         EVENT | PORT | HOLDER, get_local_address),
	ROW("local_port",     FIELD_NUMBER,       EVENT | PORT | HOLDER, get_local_port),
	ROW("requested_port", FIELD_NUMBER,       EVENT,                 get_requested_port),
	ROW("ephemeral",      FIELD_TRUE,         EVENT | PORT | HOLDER, get_ephemeral),
	ROW("remote_address", FIELD_WORD,         EVENT | PORT | HOLDER, get_remote_address),
	ROW("remote_port",    FIELD_NUMBER,       EVENT | PORT | HOLDER, get_remote_port),
	ROW("state",          FIELD_WORD,         PORT | HOLDER,         get_state,
	    COLUMN("STATE", PORT, 12, 12)),
	TEXT(FIELD_WORD, NULL,
	     COLUMN("QUEUE", PORT, 8, 8), .put = text_cell_queue, .role = ROLE_IF_ROOM),
	TEXT(FIELD_WORD, NULL,
	     COLUMN("LOCAL", EVENT | PORT, 22, 16), .put = text_cell_local, .role = ROLE_LOCAL, .least = 7, .enough = 21),
	TEXT(FIELD_WORD, NULL,
	     COLUMN("REMOTE", PORT, 22, 19), .put = text_cell_remote, .role = ROLE_REMOTE, .least = 7, .enough = 21),
	ROW("options",        FIELD_WORDS,        EVENT | PORT | HOLDER, get_options),
	ROW("interface",      FIELD_BYTES,        EVENT | PORT | HOLDER, get_interface),
	ROW("socket",         FIELD_WORD,         EVENT | PORT | HOLDER, get_socket),
	ROW("netns",          FIELD_NUMBER,       EVENT | PORT,          get_netns),
	ROW("netns_name",     FIELD_BYTES,        EVENT | PORT,          get_netns_name),
	ROW("pid",            FIELD_NUMBER,       EVENT | PORT | PROCESS, get_pid),
	ROW("host_pid",       FIELD_NUMBER,       EVENT | PORT | PROCESS, get_host_pid),
	ROW("tid",            FIELD_NUMBER,       EVENT,                 get_tid),
	ROW("comm",           FIELD_BYTES,        EVENT | PORT | PROCESS, get_comm),
	ROW("uid",            FIELD_NUMBER,       EVENT | PORT | HOLDER | PROCESS, get_uid),
	ROW("user",           FIELD_BYTES,        EVENT | PORT | PROCESS, get_user),
	ROW("ppid",           FIELD_NUMBER,       EVENT | PORT | PROCESS, get_ppid),
	ROW("parents",        FIELD_PROCESSES,    EVENT | PORT | PROCESS, get_parents),
	ROW("started",        FIELD_BOOT_TIME,    EVENT | PORT | PROCESS, get_started),
	ROW("exec",           FIELD_TRUE,         EVENT | PORT | PROCESS, get_exec),
	ROW("exe",            FIELD_BYTES,        EVENT | PORT | PROCESS, get_exe),
	ROW("cmdline",        FIELD_BYTES,        EVENT | PORT | PROCESS, get_cmdline),
	ROW("cwd",            FIELD_BYTES,        EVENT | PORT | PROCESS, get_cwd),
	ROW("cgroup",         FIELD_BYTES,        EVENT | PORT,          get_cgroup),
	ROW("unit",           FIELD_BYTES,        EVENT | PORT | PROCESS, get_unit),
	ROW("container",      FIELD_BYTES,        EVENT | PORT | PROCESS, get_container),
	ROW("container_name", FIELD_BYTES,        EVENT | PORT | PROCESS, get_container_name),
	ROW("kernel_owned",   FIELD_TRUE,         EVENT | PORT | HOLDER, get_kernel_owned),
	ROW("backlog",        FIELD_NUMBER,       EVENT | PORT,          get_backlog),
	ROW("queue",          FIELD_NUMBER,       PORT,                  get_queue),
	ROW("receive_queue",  FIELD_NUMBER,       PORT,                  get_receive_queue),
	ROW("receive_buffer", FIELD_NUMBER,       PORT,                  get_receive_buffer),
	ROW("group_marks",    FIELD_WORDS,        PORT,                  get_group_marks),
	ROW("since",          FIELD_BOOT_TIME,    PORT | HOLDER,         get_since),
	ROW("expires_in_s",   FIELD_MILLISECONDS, PORT | HOLDER,         get_expires),
	ROW("duration_ns",    FIELD_NUMBER,       EVENT,                 get_duration),
	ROW("error",          FIELD_WORD,         EVENT,                 get_error),
	ROW("next_state",     FIELD_WORD,         EVENT,                 get_next_state),
	ROW("action",         FIELD_WORD,         EVENT,                 get_action),
	ROW("substate",       FIELD_WORD,         EVENT,                 get_substate),
	TEXT(FIELD_WORD, NULL,
	     COLUMN("DETAIL", EVENT, 0, 0), .put = text_cell_event_detail, .role = ROLE_DETAIL),
	TEXT(FIELD_WORD, NULL,
	     COLUMN("DETAIL", PORT, 0, 0), .put = text_cell_port_detail, .role = ROLE_DETAIL),
};
/* clang-format on */

const size_t field_count = sizeof(fields) / sizeof(fields[0]);

_Static_assert(sizeof(fields) / sizeof(fields[0]) <= FIELDS_MAX, "FIELDS_MAX is too small");

const struct field *field_next_column(const struct field *field, unsigned int lines)
{
	for (field = field ? field + 1 : fields; field < fields + field_count; field++) {
		if (field->columns & lines)
			return field;
	}
	return NULL;
}

static void put_value(enum field_type type, const struct field_value *value, uint64_t now_boot_ns,
		      struct text_line *line)
{
	char text[NUMBER_SIZE];

	switch (type) {
	case FIELD_NUMBER:
		text_line_format(line, "%" PRIu64, value->number);
		break;
	case FIELD_TRUE:
		text_line_add(line, "yes");
		break;
	case FIELD_WORD:
		text_line_put(line, value->text, value->length);
		break;
	case FIELD_BYTES:
		text_line_bytes(line, value->text, value->length);
		break;
	case FIELD_WORDS:
		for (size_t i = 0; i < value->word_count; i++) {
			text_item(line);
			text_line_add(line, value->words[i]);
		}
		break;
	case FIELD_PROCESSES:
		for (size_t i = 0; i < WIRE_PARENTS_MAX && value->parents[i].pid; i++) {
			text_item(line);
			text_who(line, value->parents[i].comm, value->parents[i].pid);
		}
		break;
	case FIELD_BOOT_TIME:
		format_duration(now_boot_ns > value->number ? now_boot_ns - value->number : 0, text);
		text_line_add(line, text);
		break;
	case FIELD_MILLISECONDS:
		format_duration(value->number * 1000000, text);
		text_line_add(line, text);
		break;
	}
}

void field_put(const struct field *field, const struct report *report, const struct render_options *options,
	       struct text_line *line)
{
	struct field_value value;

	value.options = options;
	if (field->put)
		field->put(line, report, options);
	else if (field->get(report, &value))
		put_value(field->type, &value, report->event->boot_ns, line);
	else
		text_line_add(line, "-");
}

static uint32_t expires_ms(const struct port_entry *entry, uint64_t now_boot_ns)
{
	uint64_t ms;

	if (entry->expires_boot_ns <= now_boot_ns)
		return 0;
	ms = (entry->expires_boot_ns - now_boot_ns) / 1000000;
	return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

void socket_report_init(struct socket_report *out, const struct port_report *port, uint64_t now_boot_ns)
{
	const struct port_entry *entry = port->entry;

	out->socket = (struct wire_socket){
		.hdr = { .size = sizeof(out->socket), .kind = WIRE_SOCKET, .boot_ns = now_boot_ns },
		.sock = entry->sock,
		.task = entry->fds ? entry->fds->task : entry->owner,
		.since_boot_ns = entry->since_boot_ns,
		.expires_ms = expires_ms(entry, now_boot_ns),
		.backlog = entry->backlog,
		.queue = entry->queue,
		.substate = entry->substate,
	};
	out->report = (struct report){
		.event = &out->socket.hdr,
		.sock = &out->socket.sock,
		.task = &out->socket.task,
		.process = port->process,
		.interface = port->interface,
		.entry = entry,
		.port = port,
	};
}
