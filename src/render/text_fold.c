/* SPDX-License-Identifier: GPL-2.0-only */
#include "render/text_fold.h"

#include <inttypes.h>
#include <string.h>

#include "render/format_number.h"
#include "render/names.h"
#include "render/text_out.h"
#include "render/text_row.h"
#include "render/text_words.h"
#include "util/address.h"
#include "util/errno_name.h"

/* "0.5 s", rounded; a time that would round to 0 is formatted by format_duration() */
static void add_seconds(struct text_line *line, uint64_t ns)
{
	uint64_t tenths = (ns + 50000000) / 100000000;
	char text[NUMBER_SIZE];

	if (tenths > 0) {
		text_line_format(line, "%" PRIu64 ".%" PRIu64 " s", tenths / 10, tenths % 10);
	} else {
		format_duration(ns, text);
		text_line_add(line, text);
	}
}

/* "curl[4242]", "node[977..1012]" of several processes */
static void add_processes(struct text_line *line, const struct fold_entry *entry, bool is_cut)
{
	if (!entry->pid_low)
		return;
	text_line_add(line, " ");
	text_comm(line, entry->key.comm, is_cut);
	text_line_format(line, "[%" PRIu32, entry->pid_low);
	if (entry->pid_high > entry->pid_low)
		text_line_format(line, "..%" PRIu32, entry->pid_high);
	text_line_add(line, "]");
}

/* The destination, or the own end where there is none. `columns` 0: any width. */
static void add_address(struct text_line *line, const struct fold_key *key, size_t columns)
{
	char text[ADDRESS_PORT_SIZE];

	if (key->remote_port)
		address_format_port(key->remote_addr, key->remote_port, text);
	else
		address_format_bound(key->local_addr, key->local_port, key->flags & WIRE_V6ONLY, text);
	if (columns)
		address_shorten(text, columns);
	text_line_add(line, key->remote_port ? " -> " : " ");
	text_line_add(line, text);
}

void text_folded(void *context, const struct fold_entry *entry, uint64_t end_boot_ns)
{
	const struct fold_key *key = &entry->key;
	struct render *render = context;
	char text[NUMBER_SIZE], name[PROTOCOL_NAME_SIZE], error[ERRNO_NAME_SIZE];
	struct text_line line = {}, end = {};
	size_t width = render->options.width;

	text_begin(render, &line, end_boot_ns);
	format_count(entry->count, text);
	if (key->cause)
		text_line_format(&line, "again ×%s", text);
	else
		text_line_format(&line, "+%s %s", text, wire_kind_name(key->event));
	add_processes(&line, entry, width > 0);
	text_line_format(&line, " %s", protocol_name(key->protocol, name));
	if (key->error) {
		text_line_add(&end, " ");
		text_line_mark(&end, STYLE_FAILED, errno_name(key->error, error));
	}
	if (entry->count > 1) {
		text_line_add(&end, " (");
		add_seconds(&end, end_boot_ns - entry->start_boot_ns);
		text_line_add(&end, ")");
	}
	if (key->remote_port || key->local_port) {
		size_t taken = line.columns + end.columns + 4;

		add_address(&line, key, width ? (width > taken ? width - taken : 1) : 0);
	}
	text_line_append(&line, &end);
	text_write(render, &line);
}
