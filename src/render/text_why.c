/* SPDX-License-Identifier: GPL-2.0-only */
/* The answer of `why` as text: verdict, holders, reason, remedy, and facts about the port. */
#include "render/text_why.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "render/format_number.h"
#include "render/names.h"
#include "render/text_conflict.h"
#include "render/text_words.h"
#include "util/address.h"
#include "util/errno_name.h"

#define BESIDE_SHOWN 3

/* "*" does not show whether IPv6 is included. */
static const char *only_family(const struct wire_sock *sock)
{
	if (!address_is_wildcard(sock->local_addr))
		return "";
	if (sock->family == AF_INET)
		return " (IPv4 only)";
	return sock->flags & WIRE_V6ONLY ? " (IPv6 only)" : "";
}

static void add_error(struct text_line *line, uint32_t error)
{
	char name[ERRNO_NAME_SIZE];

	text_line_mark(line, STYLE_FAILED, errno_name(error, name));
}

static void add_free(struct text_line *line, const struct wire_sock *sock)
{
	text_line_add(line, sock->local_port ? "free: bind() would succeed" : "bind() would succeed");
}

/* Nearly every server sets SO_REUSEADDR. The others wait for TIME_WAITs, or are refused as long as the holder is there. */
static void add_free_with_reuseaddr(struct text_line *line, const struct why_report *report)
{
	const struct conflict *conflict = report->conflict;

	text_line_add(line, "free for servers that set SO_REUSEADDR (most do); ");
	for (size_t i = 0; i < conflict->remedy_count; i++) {
		if (conflict->remedies[i].action == REMEDY_WAIT) {
			text_line_format(line, "others must wait %u s", conflict->remedies[i].after_s);
			return;
		}
	}
	text_line_add(line, "others get ");
	add_error(line, report->error);
}

/* Whether the port is shared depends on options of a holder that are not known. */
static void add_uncertain(struct text_line *line, const struct why_report *report)
{
	if (!report->is_uncertain) {
		text_line_add(line, ", with SO_REUSEADDR too unless the holder has it as well, which is not known");
		return;
	}
	text_line_add(line, " unless the holder has the same option, which is not known");
}

static void add_refused(struct text_line *line, const struct why_report *report)
{
	if (report->error != EADDRINUSE)
		text_line_add(line, "refused");
	else
		text_line_add(line, report->sock->local_port ? "in use" : "no port is free");
	text_line_add(line, ": bind() would fail with ");
	add_error(line, report->error);
	if (report->is_uncertain_with_reuseaddr)
		add_uncertain(line, report);
	else if (report->error == EADDRINUSE && !(report->sock->flags & WIRE_REUSEADDR))
		text_line_add(line, ", with SO_REUSEADDR too");
}

static void put_verdict(struct render *render, const struct why_report *report)
{
	const struct wire_sock *sock = report->sock;
	char name[PROTOCOL_NAME_SIZE], address[ADDRESS_PORT_SIZE];
	struct text_line line = {};

	address_format_bound(sock->local_addr, sock->local_port, sock->flags & WIRE_V6ONLY, address);
	text_line_format(&line, "%s %s%s: ", protocol_name(sock->protocol, name), address,
			 only_family(sock));
	if (!report->error)
		add_free(&line, sock);
	else if (!report->error_with_reuseaddr)
		add_free_with_reuseaddr(&line, report);
	else
		add_refused(&line, report);
	text_write_wrapped(render, &line);
}

static void put_note(struct render *render, const struct text_line *line)
{
	text_note(render, "note", line);
}

static void put_more(struct render *render, size_t more, const char *where)
{
	struct text_line line = {};

	if (!more)
		return;
	text_line_format(&line, "and %zu more %s", more, where);
	put_note(render, &line);
}

/* TIME_WAITs that are not the reason are many and alike: their number says enough. */
static bool is_time_wait(const struct holder *holder)
{
	return holder->sock.state == WIRE_TCP_TIME_WAIT;
}

struct time_waits {
	size_t count, beside; /* beside: of them do not conflict */
	uint32_t longest_ms;
};

static void put_time_waits(struct render *render, uint16_t port, const struct time_waits *waits)
{
	char left[NUMBER_SIZE];
	struct text_line line = {};

	if (!waits->count)
		return;
	text_line_format(&line, "also on port %u%s: %zu TIME_WAIT%s", port,
			 waits->beside == waits->count ? ", no conflict" : "", waits->count, waits->count == 1 ? "" : "s");
	if (waits->longest_ms) {
		format_left(waits->longest_ms * 1000000ULL, left);
		text_line_format(&line, ", %s left", left);
	}
	put_note(render, &line);
}

/* Leaves the holders without TIME_WAITs, unless these are the reason: sorted by rank, they are last. */
static struct time_waits leave_out_time_waits(struct conflict *conflict)
{
	struct time_waits waits = {0};
	size_t kept = 0, count = conflict->holder_count;

	while (kept < count && !is_time_wait(conflict->holders[kept]))
		kept++;
	if (!kept || kept == count)
		return waits;
	for (size_t i = kept; i < count; i++) {
		if (conflict->holders[i]->expires_ms > waits.longest_ms)
			waits.longest_ms = conflict->holders[i]->expires_ms;
	}
	waits.count = count + conflict->holder_more - kept;
	conflict->holder_count = kept;
	conflict->holder_more = 0;
	return waits;
}

static void begin_beside(struct text_line *line, const struct holder *holder)
{
	text_line_format(line, "also on port %u, no conflict: ", holder->sock.local_port);
}

/* Sockets on the port that do not conflict: a user who finds one may take it for the holder. */
static void put_beside(struct render *render, const struct why_report *report,
		       const struct report *frame, struct time_waits *waits)
{
	size_t shown = 0, others = 0;

	for (size_t i = 0; i < report->beside_count; i++) {
		const struct holder *holder = report->beside[i];
		struct text_line line = {};

		if (is_time_wait(holder)) {
			waits->count++;
			waits->beside++;
			if (holder->expires_ms > waits->longest_ms)
				waits->longest_ms = holder->expires_ms;
			continue;
		}
		others++;
		if (shown == BESIDE_SHOWN)
			continue;
		shown++;
		begin_beside(&line, holder);
		text_holder(&line, &render->options, holder, frame);
		put_note(render, &line);
	}
	put_more(render, others - shown, "on this port, no conflict");
	put_time_waits(render, report->sock->local_port, waits);
	for (size_t i = 0; i < report->elsewhere_count; i++) {
		struct text_line line = {};

		begin_beside(&line, &report->elsewhere[i]);
		text_holder(&line, &render->options, &report->elsewhere[i], frame);
		text_line_add(&line, ", in netns ");
		text_netns(&line, &render->options, report->elsewhere[i].sock.netns);
		put_note(render, &line);
	}
	put_more(render, report->elsewhere_more, "in other network namespaces");
}

/* Only what matters for a server on this port: its name, and what may stop it. */
static void put_port(struct render *render, const struct why_report *report)
{
	uint16_t port = report->sock->local_port;
	bool is_ephemeral = report->range_high && port >= report->range_low && port <= report->range_high;
	struct text_line line = {};

	if (!port)
		return;
	if (report->service)
		text_line_bytes(&line, report->service, strlen(report->service));
	if (report->privileged) {
		text_item(&line);
		text_line_add(&line, "privileged here");
	}
	if (report->reserved) {
		text_item(&line);
		text_line_add(&line, "reserved (net.ipv4.ip_local_reserved_ports)");
	}
	if (is_ephemeral && !report->reserved) {
		text_item(&line);
		text_line_format(&line, "inside the ephemeral range %u to %u: any outgoing connection may be given it",
				 report->range_low, report->range_high);
	}
	text_note(render, "port", &line);
}

void text_why(struct render *render, const struct why_report *report)
{
	const struct wire_hdr now = {.boot_ns = report->boot_ns};
	struct conflict shown = *report->conflict;
	struct time_waits waits = leave_out_time_waits(&shown);
	const struct report frame = {
		.event = &now,
		.sock = report->sock,
		.conflict = &shown,
	};

	put_verdict(render, report);
	text_conflict(render, &frame);
	if (report->later)
		text_note_words(render, "then", report->later);
	put_port(render, report);
	put_beside(render, report, &frame, &waits);
}
