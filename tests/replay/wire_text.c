/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Makes a capture of events in text form: wire_text CASE.events FILE. A line is an event:
 *
 *     TIME KIND [PROTOCOL] [LOCAL] [-> REMOTE] [STATE] [OPTION...] [ERRNO] [KEY=VALUE...]
 *
 * TIME is in seconds since the start record; events before it are the snapshot. The other words may be in
 * any order; missing values get plausible defaults. See keys[] and words[].
 */
#include <ctype.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/model.h"
#include "model/wire_check.h"
#include "render/names.h"
#include "source/capture.h"
#include "util/address.h"
#include "util/errno_name.h"

#define START_NS   100000000000ULL	 /* boot_ns of the start record */
#define WALL_NS	   1763726400000000000LL /* the same moment: 2025-11-21T12:00:00Z */
#define FIRST_SK   0x1000		 /* cookie of the first line without a cookie */
#define WORDS_MAX  48
#define TEXT_BYTES 512

struct bytes {
	char data[TEXT_BYTES];
	size_t length;
};

/* All values of a line; each event uses some of them. All numbers have 64 bits, so that keys[] has one row type. */
struct line {
	uint64_t kind, boot_ns;
	struct wire_sock sock;
	bool has_local, is_mapped;
	uint64_t cookie, netns, device, flags, state, error;
	uint64_t pid, tid, ppid, uid, sock_uid;
	uint64_t failure, purpose, is_old, since_ns, life_ns, search_ns, backlog, fd, queue, expires_ns;
	uint64_t bound_port, how, ends_interval, action, next_state, count, reason, size;
	uint64_t substate, live, entered, reused, killed, overflowed, allocated, released, failed, timewait;
	uint64_t unprivileged, reserved_count, has, tw_reuse, in_use, bound, capacity, back_ns, misuse;
	uint64_t repeat, every_ns, process_flags;
	struct bytes comm, exe, cgroup, cmdline, cwd, user, parents, name, requested, range;
};

static const char *path;
static unsigned int line_number;

static void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "%s:%u: ", path, line_number);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

enum key_type { KEY_NUMBER, KEY_SECONDS, KEY_MOMENT, KEY_BYTES };

/* clang-format off */
#define ROW(name, type, member) {name, type, offsetof(struct line, member)}
static const struct {
	const char *name;
	enum key_type type;
	size_t offset;
} keys[] = {
	ROW("sk", KEY_NUMBER, cookie),          /* the socket: lines with the same value describe the same socket */
	ROW("netns", KEY_NUMBER, netns),        ROW("device", KEY_NUMBER, device),
	ROW("pid", KEY_NUMBER, pid),            ROW("tid", KEY_NUMBER, tid),
	ROW("ppid", KEY_NUMBER, ppid),          ROW("uid", KEY_NUMBER, uid),
	ROW("sockuid", KEY_NUMBER, sock_uid),   ROW("comm", KEY_BYTES, comm),
	ROW("failure", KEY_NUMBER, failure),    /* joins a refusal and its holders */
	ROW("since", KEY_MOMENT, since_ns),     ROW("life", KEY_SECONDS, life_ns),
	ROW("search", KEY_SECONDS, search_ns),  ROW("expires", KEY_SECONDS, expires_ns),
	ROW("backlog", KEY_NUMBER, backlog),    ROW("fd", KEY_NUMBER, fd),
	ROW("queue", KEY_NUMBER, queue),
	ROW("requested", KEY_BYTES, requested), ROW("had", KEY_NUMBER, bound_port),
	ROW("exe", KEY_BYTES, exe),             ROW("cgroup", KEY_BYTES, cgroup),
	ROW("cmdline", KEY_BYTES, cmdline),     ROW("name", KEY_BYTES, name),
	ROW("cwd", KEY_BYTES, cwd),             ROW("user", KEY_BYTES, user),
	ROW("parents", KEY_BYTES, parents),     /* "sh:40,sshd:12" */
	ROW("range", KEY_BYTES, range),         ROW("unprivileged", KEY_NUMBER, unprivileged),
	ROW("reserved", KEY_NUMBER, reserved_count),
	ROW("live", KEY_NUMBER, live),          ROW("entered", KEY_NUMBER, entered),
	ROW("reused", KEY_NUMBER, reused),      ROW("killed", KEY_NUMBER, killed),
	ROW("overflowed", KEY_NUMBER, overflowed),
	ROW("allocated", KEY_NUMBER, allocated), ROW("released", KEY_NUMBER, released),
	ROW("failed", KEY_NUMBER, failed),      ROW("timewait", KEY_NUMBER, timewait),
	ROW("count", KEY_NUMBER, count),        ROW("kind", KEY_NUMBER, kind),
	ROW("size", KEY_NUMBER, size),
	ROW("in_use", KEY_NUMBER, in_use),      ROW("bound", KEY_NUMBER, bound),
	ROW("capacity", KEY_NUMBER, capacity),  ROW("reuse", KEY_NUMBER, tw_reuse),
	ROW("back", KEY_SECONDS, back_ns),      /* of a pool: when its TIME_WAITs expire */
	ROW("misuse", KEY_NUMBER, misuse),
	/* Repeats the event; the socket cookie increases each time, and so does a port that the kernel chose. */
	ROW("repeat", KEY_NUMBER, repeat),      ROW("every", KEY_SECONDS, every_ns),
};
#undef ROW

/* Words that set or add to a member. */
#define ROW(name, member, value) {name, offsetof(struct line, member), value}
static const struct {
	const char *name;
	size_t offset;
	uint64_t value;
} words[] = {
	ROW("chosen", flags, WIRE_PORT_EPHEMERAL),    ROW("kernel", flags, WIRE_KERNEL_OWNED),
	ROW("orphan", flags, WIRE_ORPHAN),         ROW("accepted", flags, WIRE_ACCEPTED),
	ROW("reached_cgroup", flags, WIRE_REACHED_CGROUP),
	ROW("stopped_before_cgroup", flags, WIRE_STOPPED_BEFORE_CGROUP),
	ROW("filtered", flags, WIRE_FILTERED),     ROW("tentative", flags, WIRE_TENTATIVE),
	ROW("by_cgroup", flags, WIRE_REFUSED_BY_CGROUP),
	ROW("implicit", how, WIRE_BIND_IMPLICIT),  ROW("interval", ends_interval, 1),
	ROW("port_usage", purpose, WIRE_PURPOSE_PORT_USAGE),       ROW("time_wait", next_state, WIRE_TCP_TIME_WAIT),
	ROW("read", has, WIRE_NETNS_READ),         ROW("counted", has, WIRE_NETNS_PORT_USAGE),
	ROW("owner_gone", purpose, WIRE_PURPOSE_OWNER_GONE),
	ROW("server_closed", purpose, WIRE_PURPOSE_SERVER_CLOSED),
	ROW("unestablished", how, WIRE_CLOSE_UNESTABLISHED), /* of a close: the connection failed */
	ROW("old", is_old, 1), /* of porttrace 0.1, where failure_id encodes the purpose */
	ROW("timed", has, WIRE_NETNS_TIMED),       ROW("in_fin_wait2", substate, WIRE_TCP_FIN_WAIT2),
	ROW("ring", reason, WIRE_LOST_RING),       ROW("map", reason, WIRE_LOST_MAP),
	ROW("execed", process_flags, WIRE_PROCESS_EXEC),
	ROW("invalid", reason, WIRE_LOST_INVALID), ROW("table", reason, WIRE_LOST_TABLE),
};
#undef ROW
/* clang-format on */

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static uint64_t number_of(const char *text)
{
	char *end;
	uint64_t number = strtoull(text, &end, 0);

	if (end == text || *end)
		fail("'%s' is not a number", text);
	return number;
}

static int64_t nanoseconds_of(const char *text)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end)
		fail("'%s' is not a number of seconds", text);
	return (int64_t)(seconds * 1e9 + (seconds < 0 ? -0.5 : 0.5));
}

static uint64_t moment_of(const char *text)
{
	return START_NS + (uint64_t)nanoseconds_of(text);
}

/* \n, \\, \s for a space, \0 and \xHH for any byte. */
static void bytes_of(struct bytes *bytes, const char *text)
{
	bytes->length = 0;
	while (*text && bytes->length < sizeof(bytes->data) - 1) {
		unsigned int byte = (unsigned char)*text++;

		if (byte == '\\') {
			byte = (unsigned char)*text++;
			if (byte == 'x' && sscanf(text, "%2x", &byte) == 1)
				text += 2;
			else
				byte = byte == 'n' ? '\n' : byte == 's' ? ' ' : byte == '0' ? 0 : byte;
		}
		bytes->data[bytes->length++] = (char)byte;
	}
	bytes->data[bytes->length] = '\0';
}

/* "10.0.0.1:80", "[::1]:80", "*:80"; returns the family. */
static uint16_t endpoint_of(const char *text, uint8_t addr[16], uint16_t *port)
{
	const char *colon = strrchr(text, ':');
	char host[64];
	unsigned int prefix;
	bool is_ipv6 = *text == '[';

	if (!colon)
		fail("'%s' is not address:port", text);
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text) - 2 * is_ipv6, text + is_ipv6);
	if (address_parse(strcmp(host, "*") == 0 ? "0.0.0.0" : host, addr, &prefix))
		fail("'%s' is not an address", host);
	*port = (uint16_t)number_of(colon + 1);
	return is_ipv6 ? AF_INET6 : AF_INET;
}

static bool set_key(struct line *line, char *word)
{
	char *value = strchr(word, '=');

	for (size_t i = 0; value && i < COUNT_OF(keys); i++) {
		void *member = (char *)line + keys[i].offset;

		if (strlen(keys[i].name) != (size_t)(value - word) ||
		    strncmp(keys[i].name, word, (size_t)(value - word)) != 0)
			continue;
		switch (keys[i].type) {
		case KEY_NUMBER:
			*(uint64_t *)member = number_of(value + 1);
			break;
		case KEY_SECONDS:
			*(uint64_t *)member = (uint64_t)nanoseconds_of(value + 1);
			break;
		case KEY_MOMENT:
			*(uint64_t *)member = moment_of(value + 1);
			break;
		case KEY_BYTES:
			bytes_of(member, value + 1);
			break;
		}
		return true;
	}
	return false;
}

static bool set_word(struct line *line, const char *word)
{
	const char *options[OPTION_NAMES_MAX];

	for (size_t i = 0; i < COUNT_OF(words); i++) {
		if (strcmp(words[i].name, word) == 0) {
			*(uint64_t *)((char *)line + words[i].offset) |= words[i].value;
			return true;
		}
	}
	for (uint32_t flag = 1; flag & WIRE_OPTIONS; flag <<= 1) {
		if (option_names(flag, options) && strcmp(options[0], word) == 0) {
			line->flags |= flag;
			return true;
		}
	}
	for (unsigned int action = WIRE_TIMEWAIT_ENTER; action <= WIRE_TIMEWAIT_OVERFLOW; action++) {
		if (strcmp(timewait_action_name(action), word) == 0) {
			line->action = action;
			return true;
		}
	}
	return false;
}

static bool set_state_or_errno(struct line *line, const char *word)
{
	char name[ERRNO_NAME_SIZE];

	for (uint8_t state = WIRE_TCP_ESTABLISHED; state < WIRE_TCP_NEW_SYN_RECV; state++) {
		if (strcmp(state_name(state, 0), word) == 0) {
			line->state = state;
			return true;
		}
	}
	for (uint32_t error = 1; error < 140; error++) {
		if (strcmp(errno_name(error, name), word) == 0) {
			line->error = error;
			return true;
		}
	}
	return false;
}

static bool set_protocol(struct line *line, const char *word)
{
	static const uint16_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE, IPPROTO_MPTCP};
	char name[PROTOCOL_NAME_SIZE];

	for (size_t i = 0; i < COUNT_OF(protocols); i++) {
		if (strcmp(protocol_name(protocols[i], name), word) == 0) {
			line->sock.protocol = protocols[i];
			return true;
		}
	}
	return false;
}

static bool set_local(struct line *line, const char *word)
{
	if (!strchr(word, ':') || line->has_local)
		return false;
	line->sock.family = endpoint_of(word, line->sock.local_addr, &line->sock.local_port);
	line->has_local = true;
	return true;
}

static uint64_t kind_of(const char *word)
{
	for (unsigned int kind = 1; wire_kind_name(kind); kind++) {
		if (strcmp(wire_kind_name(kind), word) == 0)
			return kind;
	}
	if (strcmp(word, "raw") == 0)
		return 0;
	fail("'%s' is not a kind of event", word);
}

static uint64_t usual_state(uint64_t kind)
{
	switch (kind) {
	case WIRE_LISTEN:
		return WIRE_TCP_LISTEN;
	case WIRE_CONNECT:
		return WIRE_TCP_SYN_SENT;
	case WIRE_ACCEPT:
		return WIRE_TCP_ESTABLISHED;
	case WIRE_TIMEWAIT:
		return WIRE_TCP_TIME_WAIT;
	}
	return WIRE_TCP_CLOSE;
}

static void line_parse(struct line *line, char **parts, size_t count)
{
	*line = (struct line){
		.boot_ns = moment_of(parts[0]),
		.kind = kind_of(parts[1]),
		.cookie = FIRST_SK + line_number,
		.netns = 4026531840,
		.uid = 1000,
		.sock_uid = UINT64_MAX,
		.fd = UINT64_MAX,
		.repeat = 1,
		.sock = {.family = AF_INET, .protocol = IPPROTO_TCP},
	};
	line->sock.local_addr[10] = line->sock.local_addr[11] = 0xff;
	line->sock.remote_addr[10] = line->sock.remote_addr[11] = 0xff;
	line->state = usual_state(line->kind);
	for (size_t i = 2; i < count; i++) {
		if (strcmp(parts[i], "->") == 0 && i + 1 < count)
			endpoint_of(parts[++i], line->sock.remote_addr, &line->sock.remote_port);
		else if (strcmp(parts[i], "ipv6") == 0)
			line->is_mapped = true;
		else if (!set_key(line, parts[i]) && !set_word(line, parts[i]) &&
			 !set_state_or_errno(line, parts[i]) && !set_protocol(line, parts[i]) &&
			 !set_local(line, parts[i]))
			fail("unknown word '%s'", parts[i]);
	}
	if (line->is_mapped)
		line->sock.family = AF_INET6;
	if (line->sock.family == AF_INET6 && !line->sock.remote_port)
		memset(line->sock.remote_addr, 0, sizeof(line->sock.remote_addr));
}

static struct wire_sock sock_of(const struct line *line)
{
	struct wire_sock sock = line->sock;

	sock.cookie = line->cookie;
	sock.netns = (uint32_t)line->netns;
	sock.uid = (uint32_t)(line->sock_uid == UINT64_MAX ? line->uid : line->sock_uid);
	sock.ifindex = (uint32_t)line->device;
	sock.flags = (uint32_t)line->flags;
	sock.state = (uint8_t)line->state;
	return sock;
}

static struct wire_task task_of(const struct line *line)
{
	struct wire_task task = {0};

	if (!line->pid)
		return task;
	task.start_boot_ns = line->pid;
	task.pid = (uint32_t)line->pid;
	task.tid = (uint32_t)(line->tid ? line->tid : line->pid);
	task.ppid = (uint32_t)line->ppid;
	task.uid = (uint32_t)line->uid;
	memcpy(task.comm, line->comm.data, sizeof(task.comm));
	return task;
}

static void bind_build(const struct line *line, struct wire_bind *event)
{
	event->failure_id = line->failure;
	event->duration_ns = line->search_ns;
	event->error = (uint32_t)line->error;
	event->how = (uint16_t)line->how;
	event->bound_port = (uint16_t)line->bound_port;
	if (line->bound_port)
		event->how |= WIRE_BIND_HAD_PORT;
	memcpy(event->requested_addr, line->sock.local_addr, sizeof(event->requested_addr));
	event->requested_port = line->flags & WIRE_PORT_EPHEMERAL ? 0 : line->sock.local_port;
	if (line->requested.length)
		endpoint_of(line->requested.data, event->requested_addr, &event->requested_port);
}

static void socket_build(const struct line *line, struct wire_socket *event)
{
	if (line->purpose)
		event->hdr.purpose = (uint16_t)line->purpose;
	else if (!line->is_old)
		event->hdr.purpose = line->failure ? WIRE_PURPOSE_HOLDER : WIRE_PURPOSE_SNAPSHOT;
	event->failure_id = line->failure;
	event->since_boot_ns = line->since_ns;
	event->fd = (int32_t)line->fd;
	event->expires_ms = (uint32_t)(line->expires_ns / 1000000);
	event->backlog = (uint32_t)line->backlog;
	event->queue = (uint32_t)line->queue;
}

static void parents_build(const struct line *line, struct wire_process *event)
{
	const char *at = line->parents.data;
	int used;

	for (int i = 0; i < WIRE_PARENTS_MAX; i++, at += used + (at[used] == ',')) {
		struct wire_parent *parent = &event->parents[i];

		if (sscanf(at, "%15[^:]:%u%n", parent->comm, &parent->pid, &used) != 2)
			return;
	}
}

static void process_build(const struct line *line, struct wire_process *event)
{
	event->task = task_of(line);
	memcpy(event->exe, line->exe.data, sizeof(event->exe));
	memcpy(event->cgroup, line->cgroup.data, sizeof(event->cgroup));
	event->cmdline_len = (uint32_t)line->cmdline.length;
	memcpy(event->cmdline, line->cmdline.data, sizeof(event->cmdline));
	memcpy(event->cwd, line->cwd.data, sizeof(event->cwd));
	memcpy(event->user, line->user.data, sizeof(event->user));
	parents_build(line, event);
	event->flags = (uint32_t)line->process_flags;
}

static void netns_build(const struct line *line, struct wire_netns *event)
{
	unsigned int low = 32768, high = 60999;

	if (line->range.length && sscanf(line->range.data, "%u-%u", &low, &high) != 2)
		fail("'%s' is not a range", line->range.data);
	event->netns = (uint32_t)line->netns;
	event->range_low = (uint16_t)low;
	event->range_high = (uint16_t)high;
	event->unprivileged_start = line->unprivileged ? (uint32_t)line->unprivileged : 1024;
	event->reserved_count = (uint32_t)line->reserved_count;
	event->timewait_live = line->live;
	event->timewait_entered = line->entered;
	event->timewait_reused = line->reused;
	event->timewait_killed = line->killed;
	event->timewait_overflowed = line->overflowed;
	event->ephemeral_allocated = line->allocated;
	event->ephemeral_released = line->released;
	event->ephemeral_failed = line->failed;
	event->ends_interval = (uint32_t)line->ends_interval;
	event->by_connect = line->allocated;
	event->failed_connect = line->failed;
	event->has = (uint32_t)line->has;
	event->tw_reuse = (uint32_t)line->tw_reuse;
	event->tw_reuse_delay_ms = 1000;
	event->tw_max_buckets = 65536;
	event->tcp_in_use = (uint32_t)line->in_use;
	event->tcp_bound = (uint32_t)line->bound;
}

static void pool_build(const struct line *line, struct wire_pool *event)
{
	size_t step = line->back_ns / (WIRE_POOL_STEP_MS * 1000000ULL);

	memcpy(event->local_addr, line->sock.local_addr, sizeof(event->local_addr));
	memcpy(event->remote_addr, line->sock.remote_addr, sizeof(event->remote_addr));
	event->netns = (uint32_t)line->netns;
	event->remote_port = line->sock.remote_port;
	event->protocol = line->sock.protocol;
	event->capacity = (uint32_t)line->capacity;
	event->in_use = (uint32_t)line->in_use;
	event->timewait = (uint32_t)line->timewait;
	event->first_parity = event->in_use / 2;
	event->range_low = 32768;
	event->range_high = 60999;
	event->ends[step < WIRE_POOL_ENDS ? step : WIRE_POOL_ENDS - 1] = (uint16_t)line->timewait;
}

/* `count` searches of `search` seconds, towards the remote end if the line has one. */
static void search_build(const struct line *line, struct wire_search *event)
{
	unsigned int bucket = 0;

	while (bucket < WIRE_SEARCH_BUCKETS - 1 && line->search_ns >> (bucket + 1))
		bucket++;
	event->netns = (uint32_t)line->netns;
	event->connects = 1;
	event->remote_port = line->sock.remote_port;
	memcpy(event->remote_addr, line->sock.remote_addr, sizeof(event->remote_addr));
	event->max_ns = line->search_ns;
	event->total_ns = line->search_ns * line->count;
	event->buckets[bucket] = line->count;
}

static void traffic_build(const struct line *line, struct wire_traffic *event)
{
	event->task = task_of(line);
	event->netns = (uint32_t)line->netns;
	event->remote_port = line->sock.remote_port;
	memcpy(event->remote_addr, line->sock.remote_addr, sizeof(event->remote_addr));
	event->protocol = line->sock.protocol;
	memcpy(event->local_addr, line->sock.local_addr, sizeof(event->local_addr));
	event->allocated = line->allocated;
	event->timewait = line->timewait;
	event->failed = line->failed;
}

static size_t event_build(const struct line *line, union wire_event *event)
{
	static const uint16_t sizes[] = {
#define X(number, NAME, name, last, has, meaning) [number] = sizeof(struct wire_##name),
		WIRE_KINDS(X)
#undef X
	};
	bool is_known = wire_kind_name((unsigned int)line->kind);

	memset(event, 0, sizeof(*event));
	event->hdr.boot_ns = line->boot_ns;
	event->hdr.kind = (uint16_t)line->kind;
	event->hdr.size = (uint16_t)(line->size || !is_known ? line->size : sizes[line->kind]);
	if (!is_known)
		return event->hdr.size;
	if (wire_sock_of(&event->hdr)) {
		event->bind.sock = sock_of(line);
		event->bind.task = task_of(line);
	}
	switch ((enum wire_kind)line->kind) {
	case WIRE_BIND:
		bind_build(line, &event->bind);
		break;
	case WIRE_LISTEN:
		event->listen.failure_id = line->failure;
		event->listen.error = (uint32_t)line->error;
		event->listen.backlog = (uint32_t)line->backlog;
		break;
	case WIRE_CONNECT:
		event->connect.failure_id = line->failure;
		event->connect.duration_ns = line->search_ns;
		event->connect.error = (uint32_t)line->error;
		event->connect.requested_port = line->flags & WIRE_PORT_EPHEMERAL ? 0 : line->sock.local_port;
		break;
	case WIRE_CLOSE:
		event->close.life_ns = line->life_ns;
		event->close.error = (uint32_t)line->error;
		event->close.next_state = (uint32_t)line->next_state;
		event->close.how = (uint32_t)line->how;
		event->close.failure_id = line->failure;
		break;
	case WIRE_TIMEWAIT:
		event->timewait.action = (uint32_t)line->action;
		event->timewait.substate = (uint32_t)line->substate;
		break;
	case WIRE_SOCKET:
		socket_build(line, &event->socket);
		break;
	case WIRE_PROCESS:
		process_build(line, &event->process);
		break;
	case WIRE_NETNS:
		netns_build(line, &event->netns);
		break;
	case WIRE_TRAFFIC:
		traffic_build(line, &event->traffic);
		break;
	case WIRE_LOST:
		event->lost.count = line->count;
		event->lost.reason = (uint32_t)line->reason;
		break;
	case WIRE_INTERFACE:
		event->interface.netns = (uint32_t)line->netns;
		event->interface.ifindex = (uint32_t)line->device;
		memcpy(event->interface.name, line->name.data, sizeof(event->interface.name));
		break;
	case WIRE_POOL:
		pool_build(line, &event->pool);
		break;
	case WIRE_MISUSE:
		event->misuse.misuse = (uint32_t)line->misuse;
		event->misuse.count = line->count;
		break;
	case WIRE_SEARCH:
		search_build(line, &event->search);
		break;
	case WIRE_ACCEPT:
	case WIRE_RELEASE:
		break;
	}
	return event->hdr.size;
}

static void line_write(struct line *line, struct capture_writer *writer)
{
	/* A raw event may be longer than any known event. */
	static union {
		union wire_event event;
		char bytes[UINT16_MAX];
	} out;

	for (uint64_t i = 0; i < line->repeat; i++) {
		capture_write(writer, &out, event_build(line, &out.event));
		line->boot_ns += line->every_ns;
		line->cookie++;
		if (line->flags & WIRE_PORT_EPHEMERAL)
			line->sock.local_port++;
	}
}

static size_t split(char *text, char **parts)
{
	size_t count = 0;
	char *rest = NULL;

	for (char *part = strtok_r(text, " \t\n", &rest); part && *part != '#';
	     part = strtok_r(NULL, " \t\n", &rest)) {
		if (count == WORDS_MAX)
			fail("more than %d words", WORDS_MAX);
		parts[count++] = part;
	}
	return count;
}

/*
 * "stop TIME": the recording ended then; without it, it has no end. "cut BYTES": this many bytes are missing at the
 * end. false: the line is an event.
 */
static bool directive(char **parts, size_t count, struct capture_header *header, uint64_t *cut)
{
	if (count == 2 && strcmp(parts[0], "stop") == 0)
		header->stop_boot_ns = moment_of(parts[1]);
	else if (count == 2 && strcmp(parts[0], "cut") == 0)
		*cut = number_of(parts[1]);
	else
		return false;
	return true;
}

static void cut_end(const char *file, uint64_t bytes)
{
	FILE *stream = fopen(file, "r+e");

	if (!stream || fseek(stream, -(long)bytes, SEEK_END) || ftruncate(fileno(stream), ftell(stream)))
		fail("%s cannot be cut", file);
	fclose(stream);
}

int main(int argc, char **argv)
{
	struct capture_header header = {
		.boot_to_wall_ns = WALL_NS - (int64_t)START_NS,
		.start_boot_ns = START_NS,
		.netns_count = 1,
		.kernel = "6.12.0",
		.probes = "tracepoint",
	};
	struct capture_writer *writer;
	char text[2048], *parts[WORDS_MAX];
	struct line line;
	uint64_t cut = 0;
	FILE *in;

	path = argc == 3 ? argv[1] : "usage";
	if (argc != 3)
		fail("wire_text CASE.events FILE");
	in = fopen(path, "re");
	writer = capture_create(argv[2]);
	if (!in || !writer)
		fail("%s: %m", in ? argv[2] : path);
	capture_set_header(writer, &header); /* for its place; the directives change it */
	for (line_number = 1; fgets(text, sizeof(text), in); line_number++) {
		size_t count = split(text, parts);

		if (!count || directive(parts, count, &header, &cut))
			continue;
		if (count < 2)
			fail("a line must begin with TIME KIND");
		line_parse(&line, parts, count);
		line_write(&line, writer);
	}
	fclose(in);
	capture_set_header(writer, &header);
	if (capture_finish(writer))
		fail("%s could not be written", argv[2]);
	if (cut)
		cut_end(argv[2], cut);
	return 0;
}
