/* SPDX-License-Identifier: GPL-2.0-only */
/* The answer of `why` as text: verdict, holders, reason, remedy, and facts about the port. */
#include "render/text_why.h"

#include <netinet/in.h>
#include <string.h>

#include "render/names.h"
#include "render/port_range.h"
#include "render/text_conflict.h"
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

static void put_verdict(struct render *render, const struct why_report *report)
{
	const struct wire_sock *sock = report->sock;
	char name[PROTOCOL_NAME_SIZE], address[ADDRESS_PORT_SIZE], error[ERRNO_NAME_SIZE];
	struct text_line line = {};

	address_format_port(sock->local_addr, sock->local_port, address);
	text_line_format(&line, "%s %s%s: ", protocol_name(sock->protocol, name), address,
			 only_family(sock));
	if (!report->error) {
		text_line_add(&line, "a bind would succeed");
	} else {
		text_line_add(&line, "a bind would fail, ");
		text_line_mark(&line, STYLE_FAILED, errno_name(report->error, error));
	}
	text_write_whole(render, &line);
}

static void put_note(struct render *render, const struct text_line *line)
{
	text_note(render, "note", line->bytes, line->length);
}

static void put_more(struct render *render, size_t more, const char *where)
{
	struct text_line line = {};

	if (!more)
		return;
	text_line_format(&line, "and %zu more %s", more, where);
	put_note(render, &line);
}

/* Sockets on the port that do not conflict: a user who finds one may take it for the holder. */
static void put_beside(struct render *render, const struct why_report *report,
		       const struct report *frame)
{
	size_t shown = report->beside_count < BESIDE_SHOWN ? report->beside_count : BESIDE_SHOWN;

	for (size_t i = 0; i < shown; i++) {
		struct text_line line = {};

		text_line_add(&line, "not in the way, ");
		text_holder(&line, report->beside[i], frame);
		put_note(render, &line);
	}
	put_more(render, report->beside_count - shown, "on this port, not in the way");
	for (size_t i = 0; i < report->elsewhere_count; i++) {
		struct text_line line = {};

		text_line_format(&line, "not in the way, in network namespace %u, ",
				 report->elsewhere[i].sock.netns);
		text_holder(&line, &report->elsewhere[i], frame);
		put_note(render, &line);
	}
	put_more(render, report->elsewhere_more, "in other network namespaces");
}

static void put_port(struct render *render, const struct why_report *report)
{
	uint16_t port = report->sock->local_port;
	bool is_ephemeral = port >= report->range_low && port <= report->range_high;
	struct text_line line = {};

	if (!port)
		return;
	if (report->service) {
		text_line_bytes(&line, report->service, strlen(report->service));
		text_line_add(&line, ", ");
	}
	text_line_add(&line, port_range_name(port));
	text_line_add(&line, report->privileged ? ", privileged here" : ", not privileged here");
	if (report->reserved)
		text_line_add(&line, ", reserved (net.ipv4.ip_local_reserved_ports)");
	if (report->range_high)
		text_line_format(&line, ", %s the ephemeral range %u to %u",
				 is_ephemeral ? "inside" : "outside", report->range_low,
				 report->range_high);
	if (is_ephemeral && !report->reserved)
		text_line_add(&line, ": any outgoing connection may be given it");
	text_note(render, "port", line.bytes, line.length);
}

void text_why(struct render *render, const struct why_report *report)
{
	const struct wire_hdr now = {.boot_ns = report->boot_ns};
	const struct report frame = {
		.event = &now,
		.sock = report->sock,
		.conflict = report->conflict,
	};

	put_verdict(render, report);
	text_conflict(render, &frame);
	if (report->later)
		text_note(render, "then", report->later, strlen(report->later));
	put_port(render, report);
	put_beside(render, report, &frame);
}
