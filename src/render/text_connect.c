/* SPDX-License-Identifier: GPL-2.0-only */
/* The answer of `why --connect` as text: verdict, servers, reason, remedy, local ports. */
#include "render/text_connect.h"

#include "render/format_number.h"
#include "render/names.h"
#include "render/text_conflict.h"
#include "util/address.h"
#include "util/errno_name.h"

static void put_verdict(struct render *render, const struct connect_report *report)
{
	char name[PROTOCOL_NAME_SIZE], address[ADDRESS_PORT_SIZE], error[ERRNO_NAME_SIZE];
	struct text_line line = {};

	address_format_port(report->sock->remote_addr, report->sock->remote_port, address);
	text_line_format(&line, "%s %s: ", protocol_name(report->sock->protocol, name), address);
	if (report->error) {
		text_line_add(&line, "a connect would fail, ");
		text_line_mark(&line, STYLE_FAILED, errno_name(report->error, error));
	} else {
		text_line_add(&line, report->is_local ? "a connect would succeed" : "nothing known stops a connect");
	}
	text_write_wrapped(render, &line);
}

static void put_ports(struct render *render, const struct connect_report *report)
{
	char left[NUMBER_SIZE], all[NUMBER_SIZE], source[ADDRESS_SIZE];
	struct text_line line = {};

	if (!report->ports)
		return;
	format_count(report->ports_left, left);
	format_count(report->ports, all);
	text_line_format(&line, "%s of %s local ports are left towards it", left, all);
	if (!address_is_wildcard(report->sock->local_addr)) {
		address_format(report->sock->local_addr, source);
		text_line_format(&line, ", from %s", source);
	}
	if (report->device && *report->device)
		text_line_format(&line, " on %s", report->device);
	text_note(render, "ports", &line);
}

void text_connect(struct render *render, const struct connect_report *report)
{
	const struct wire_hdr now = {.boot_ns = report->boot_ns};
	const struct report frame = {.event = &now, .sock = report->sock, .conflict = report->conflict};

	put_verdict(render, report);
	text_conflict(render, &frame);
	put_ports(render, report);
}
