/* SPDX-License-Identifier: GPL-2.0-only */
/* The answer of `why --connect` in JSON: one record. Unknown fields are absent. */
#include "render/json_connect.h"

#include <string.h>

#include "render/json_conflict.h"
#include "render/names.h"
#include "util/address.h"
#include "util/errno_name.h"

void json_connect(struct render *render, const struct connect_report *report)
{
	char name[PROTOCOL_NAME_SIZE], address[ADDRESS_SIZE], error[ERRNO_NAME_SIZE];
	const struct wire_sock *sock = report->sock;
	struct json_line *line = render->line;

	json_begin(render, report->boot_ns);
	json_put_text(line, "protocol", protocol_name(sock->protocol, name));
	JSON_KEY(line, "address");
	json_word(line, address, address_format(sock->remote_addr, address));
	json_put_number(line, "port", sock->remote_port);
	JSON_KEY(line, "connects");
	json_bool(line, !report->error);
	if (report->error)
		json_put_text(line, "errno", errno_name(report->error, error));
	JSON_KEY(line, "local");
	json_bool(line, report->is_local);
	if (!address_is_wildcard(sock->local_addr)) {
		JSON_KEY(line, "source_address");
		json_word(line, address, address_format(sock->local_addr, address));
	}
	if (report->device && *report->device)
		json_put_text(line, "device", report->device);
	if (report->ports) {
		json_put_number(line, "ports", report->ports);
		json_put_number(line, "ports_left", report->ports_left);
	}
	json_conflict(render, report->conflict);
	json_line_end(line);
}
