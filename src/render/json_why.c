/* SPDX-License-Identifier: GPL-2.0-only */
/* The answer of `why` in JSON: one record. Unknown fields are absent. */
#include "render/json_why.h"

#include <string.h>

#include "render/json_conflict.h"
#include "render/names.h"
#include "render/port_range.h"
#include "util/address.h"

static void put_question(struct json_line *line, const struct wire_sock *sock)
{
	char name[PROTOCOL_NAME_SIZE], address[ADDRESS_SIZE];
	const char *protocol = protocol_name(sock->protocol, name);

	JSON_KEY(line, "protocol");
	json_word(line, protocol, strlen(protocol));
	JSON_KEY(line, "address");
	json_word(line, address, address_format(sock->local_addr, address));
	JSON_KEY(line, "port");
	json_number(line, sock->local_port);
}

/* Port 0 asks for any free port: it has none of these. */
static void put_port(struct json_line *line, const struct why_report *report)
{
	uint16_t port = report->sock->local_port;
	const char *range;

	if (!port)
		return;
	if (report->service) {
		JSON_KEY(line, "service");
		json_text(line, report->service);
	}
	range = port_range_name(port);
	JSON_KEY(line, "range");
	json_word(line, range, strlen(range));
	JSON_KEY(line, "privileged");
	json_bool(line, report->privileged);
	JSON_KEY(line, "reserved");
	json_bool(line, report->reserved);
	if (!report->range_high)
		return;
	JSON_KEY(line, "in_ephemeral_range");
	json_bool(line, port >= report->range_low && port <= report->range_high);
}

void json_why(struct render *render, const struct why_report *report)
{
	struct json_line *line = render->line;

	json_begin(render, report->boot_ns);
	put_question(line, report->sock);
	if (!report->is_uncertain) {
		JSON_KEY(line, "free");
		json_bool(line, !report->error);
	}
	if (!report->is_uncertain_with_reuseaddr) {
		JSON_KEY(line, "free_with_reuseaddr");
		json_bool(line, !report->error_with_reuseaddr);
	}
	json_conflict(render, report->conflict);
	put_port(line, report);
	json_line_end(line);
}
