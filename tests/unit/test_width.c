/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every kind of line with the longest values fits terminals of 80 to 200 columns, and shows process and ports. The C
 * library counts the columns.
 */
#include "render_sample.h"

#include <limits.h>
#include <locale.h>
#include <wchar.h>

#include "model/wire_check.h"
#include "render/status_lines.h"
#include "render/text.h"
#include "render/text_ephemeral.h"
#include "stream/watching.h"
#include "util/display_width.h"

#define LONG_ADDRESS "2001:db8:85a3:1111:2222:8a2e:1370:7334"
#define PEER_ADDRESS "2001:db8:ffff:eeee:dddd:cccc:bbbb:aaaa"

static const unsigned int widths[] = { 80, 100, 120, 200 };
static const enum time_style styles[] = { TIME_WALL, TIME_RELATIVE, TIME_ISO, TIME_NONE };
/* 15 bytes: the most that the kernel keeps; two columns a character; a control character takes four. */
static const char *const names[] = { "fifteen-letters", "データ基盤", "\033[2J\033[31mabcdef" };

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static size_t columns_of(const char *line, size_t length)
{
	mbstate_t state = {};
	size_t columns = 0;

	while (length > 0) {
		wchar_t character;
		size_t bytes = mbrtowc(&character, line, length, &state);

		assert_true(bytes > 0 && bytes <= length);
		assert_true(wcwidth(character) >= 0);
		columns += (size_t)wcwidth(character);
		line += bytes;
		length -= bytes;
	}
	return columns;
}

static void expect_to_fit(const char *text, unsigned int width)
{
	for (const char *end; *text; text = end + 1) {
		end = strchr(text, '\n');
		assert_non_null(end);
		if (columns_of(text, (size_t)(end - text)) > width)
			fail_msg("wider than %u columns: %.*s", width, (int)(end - text), text);
	}
}

static struct wire_sock long_sock(uint32_t flags)
{
	struct wire_sock sk = sample_sock(WIRE_TCP_ESTABLISHED, LONG_ADDRESS, 65535);

	sk.family = AF_INET6;
	sk.flags = flags;
	sample_peer(&sk, PEER_ADDRESS, 65534);
	return sk;
}

static struct wire_task long_task(const char *comm)
{
	struct wire_task task = sample_task(4194304, "");

	memcpy(task.comm, comm, strlen(comm));
	return task;
}

/* Every event that has a row. Returns how many. */
static size_t long_events(const char *comm, union wire_event *events)
{
	struct wire_sock peer = long_sock(WIRE_OPTIONS), alone = peer;
	struct wire_task task = long_task(comm);
	size_t count = 0;

	memset(alone.remote_addr, 0, sizeof(alone.remote_addr));
	alone.remote_port = 0;
	for (int failed = 0; failed < 2; failed++) {
		uint32_t error = failed ? EADDRNOTAVAIL : 0;

		events[count++].bind = (struct wire_bind){ .hdr = SAMPLE_HDR(BIND, bind), .sock = alone, .task = task,
							   .error = error, .duration_ns = 999999999,
							   .how = WIRE_BIND_IMPLICIT };
		events[count++].listen = (struct wire_listen){ .hdr = SAMPLE_HDR(LISTEN, listen), .sock = alone,
							       .task = task, .error = error, .backlog = UINT32_MAX };
		events[count++].connect = (struct wire_connect){ .hdr = SAMPLE_HDR(CONNECT, connect), .sock = peer,
								 .task = task, .error = error,
								 .duration_ns = 999999999 };
		events[count++].close = (struct wire_close){ .hdr = SAMPLE_HDR(CLOSE, close), .sock = peer,
							     .task = task, .error = failed ? ECONNREFUSED : 0,
							     .life_ns = UINT64_MAX / 2,
							     .next_state = WIRE_TCP_TIME_WAIT };
	}
	events[count++].accept = (struct wire_accept){ .hdr = SAMPLE_HDR(ACCEPT, accept), .sock = peer, .task = task };
	events[count++].timewait = (struct wire_timewait){ .hdr = SAMPLE_HDR(TIMEWAIT, timewait), .sock = peer,
							   .task = task, .action = WIRE_TIMEWAIT_OVERFLOW,
							   .substate = WIRE_TCP_FIN_WAIT2 };
	events[count++].release = (struct wire_release){ .hdr = SAMPLE_HDR(RELEASE, release), .sock = alone,
							 .task = task };
	return count;
}

static void expect_whole(const char *text, const struct wire_hdr *event, const char *comm, enum time_style style,
			 unsigned int width)
{
	const struct wire_sock *sk = wire_sock_of(event);
	uint32_t error = event->kind == WIRE_CLOSE ? ((const struct wire_close *)event)->error : wire_error_of(event);

	assert_non_null(strstr(text, wire_kind_name(event->kind)));
	assert_non_null(strstr(text, "4194304"));
	if (*comm != '\033') /* of an escaped name the beginning has to do */
		assert_non_null(strstr(text, comm));
	/* The date of RFC 3339 leaves no room for more in 80 columns. */
	if (style == TIME_ISO && width < 100)
		return;
	/* The local end of a connection is left out where not even both ports fit. */
	if (!sk->remote_port || width >= (style == TIME_ISO ? 120 : 100))
		if (!strstr(text, ":65535"))
			fail_msg("no local port: %s", text);
	if (sk->remote_port)
		assert_non_null(strstr(text, ":65534"));
	if (error == EADDRNOTAVAIL)
		assert_non_null(strstr(text, "EADDRNOTAVAIL"));
	if (error == ECONNREFUSED)
		assert_non_null(strstr(text, "ECONNREFUSED"));
}

static void rows_of_events_fit(void **state)
{
	union wire_event events[16];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(widths) * COUNT_OF(styles) * COUNT_OF(names); i++) {
		const char *comm = names[i / COUNT_OF(widths) / COUNT_OF(styles)];
		struct render_options options = sample_options();
		size_t count = long_events(comm, events);

		options.width = widths[i % COUNT_OF(widths)];
		options.time = styles[i / COUNT_OF(widths) % COUNT_OF(styles)];
		for (size_t j = 0; j < count; j++) {
			struct report report = sample_report(&events[j]);
			struct sample_output output;

			report.interface = "fifteen-letters";
			sample_open(&output, &render_text, options);
			output.renderer->event(output.render, &report);
			sample_flush(&output, SAMPLE_BOOT_NS);
			expect_to_fit(output.text, options.width);
			expect_whole(output.text, &events[j].hdr, comm, options.time, options.width);
			sample_close(&output);
		}
	}
}

static void fill(char *text, size_t size, const char *pattern)
{
	for (size_t i = 0; i + 1 < size; i++)
		text[i] = pattern[i % strlen(pattern)];
	text[size - 1] = '\0';
}

static void make_conflict(struct conflict *conflict, struct holder *holder, struct process *process, const char *comm)
{
	*process = (struct process){ .task = long_task(comm) };
	fill(process->unit, sizeof(process->unit), "long-");
	fill(process->container, sizeof(process->container), "0123456789abcdef");
	fill(process->cmdline, sizeof(process->cmdline), "データ argument ");
	process->cmdline[sizeof(process->cmdline) - 2] = '\0'; /* not half a character */
	*holder = (struct holder){ .sock = long_sock(WIRE_OPTIONS), .process = process, .pid_count = 3, .pid_more = 9,
				   .pids = { long_task(comm), long_task(comm), long_task(comm) },
				   .since_boot_ns = 1, .interface = "fifteen-letters" };
	*conflict = (struct conflict){ .holders = { holder, holder, holder, holder, holder }, .holder_count = 5,
				       .remedy_count = 2, .remedies = { { .effect = REMEDY_AFTER, .after_s = UINT32_MAX } } };
	fill(conflict->why, sizeof(conflict->why), "words and ");
	fill(conflict->remedies[0].command, sizeof(conflict->remedies[0].command), "4194304 ");
	fill(conflict->remedies[1].text, sizeof(conflict->remedies[1].text), "onelongwordwithoutablank");
}

static void explanations_fit(void **state)
{
	struct conflict conflict;
	struct process process;
	struct holder holder;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(widths) * COUNT_OF(styles) * COUNT_OF(names); i++) {
		const char *comm = names[i / COUNT_OF(widths) / COUNT_OF(styles)];
		struct render_options options = sample_options();
		struct wire_bind bind = { .hdr = SAMPLE_HDR(BIND, bind), .sock = long_sock(0), .task = long_task(comm),
					  .error = EADDRINUSE };
		struct report report = sample_report(&bind);
		struct sample_output output;

		make_conflict(&conflict, &holder, &process, comm);
		report.conflict = &conflict;
		options.width = widths[i % COUNT_OF(widths)];
		options.time = styles[i / COUNT_OF(widths) % COUNT_OF(styles)];
		sample_open(&output, &render_text, options);
		output.renderer->event(output.render, &report);
		sample_flush(&output, SAMPLE_BOOT_NS);
		expect_to_fit(output.text, options.width);
		assert_non_null(strstr(output.text, "in use  "));
		assert_non_null(strstr(output.text, "and 2 more\n"));
		assert_non_null(strstr(output.text, "or      onelongword"));
		sample_close(&output);
	}
}

/* Churn, folded events, losses and warnings. */
static void other_lines_fit(void **state)
{
	struct churn churn = { .netns = UINT32_MAX, .interval_s = 1, .timewait_live = 99999, .timewait_entered = 88888,
			       .timewait_reused = 77777, .ephemeral_allocated = 66666, .ephemeral_failed = 55555,
			       .top_count = 1, .top = { { .remote_port = 65534, .timewait = 88888 } } };
	struct warning warning = { .kind = "ephemeral-ports-run-out", .sock = long_sock(0) };

	(void)state;
	fill(warning.why, sizeof(warning.why), "words and ");
	fill(warning.fix, sizeof(warning.fix), "more words ");
	sample_address(churn.top[0].remote_addr, PEER_ADDRESS);
	for (size_t i = 0; i < COUNT_OF(widths) * COUNT_OF(styles) * COUNT_OF(names); i++) {
		const char *comm = names[i / COUNT_OF(widths) / COUNT_OF(styles)];
		struct render_options options = sample_options();
		struct wire_connect connect = { .hdr = SAMPLE_HDR(CONNECT, connect), .sock = long_sock(0),
						.task = long_task(comm), .error = EADDRNOTAVAIL };
		struct sample_output output;
		const char *folded;

		churn.top[0].task = long_task(comm);
		options.width = widths[i % COUNT_OF(widths)];
		options.time = styles[i / COUNT_OF(widths) % COUNT_OF(styles)];
		sample_open(&output, &render_text, options);
		for (int j = 0; j < 10; j++) {
			struct report report = sample_report(&connect);

			connect.task.pid = 4000000 + (uint32_t)j;
			output.renderer->event(output.render, &report);
		}
		output.renderer->churn(output.render, &churn, NULL, SAMPLE_BOOT_NS);
		output.renderer->warning(output.render, &warning, SAMPLE_BOOT_NS);
		output.renderer->lost(output.render, UINT64_MAX, "ring buffer full", SAMPLE_BOOT_NS);
		sample_flush(&output, SAMPLE_BOOT_NS + 2000000000);
		expect_to_fit(output.text, options.width);
		folded = strstr(output.text, "+7 connect ");
		assert_non_null(folded);
		assert_non_null(strstr(folded, "[4000003..4000009]"));
		if (options.width >= 120)
			assert_non_null(strstr(folded, ":65534 EADDRNOTAVAIL ("));
		assert_non_null(strstr(output.text, "timewait  99,999 live"));
		sample_close(&output);
	}
}

#define NETNS_NAME "a-name-of-a-network-namespace-with-sixty-characters-in-it-all"

static const char *long_netns_name(uint32_t netns)
{
	return netns & 1 ? NETNS_NAME : "b-" NETNS_NAME;
}

/* A listener, a connection, one that waits for accept(), a TIME_WAIT, UDP, a group and a marked member of it. */
static size_t long_ports(const char *comm, struct port_entry *entries, struct port_fd *fds, struct port_report *ports)
{
	static const struct port_group group = { .count = 4096, .processes = 4096, .queue = 65535, .limit = 4194240 };
	static struct process process;
	size_t count = 7;

	for (size_t i = 0; i < count; i++) {
		fds[i] = (struct port_fd){ .next = i % 2 ? &fds[0] : NULL, .task = long_task(comm), .fd = 1023 };
		fds[i].task.start_boot_ns = 1;
		entries[i] = (struct port_entry){ .sock = long_sock(WIRE_OPTIONS), .fds = i == 2 ? NULL : &fds[i],
						  .queue = 65535, .backlog = 65535, .since_boot_ns = 1 };
		entries[i].sock.netns = 4026531840 + (uint32_t)i;
		ports[i] = (struct port_report){ .entry = &entries[i], .process = &process, .interface = "fifteen-letters",
						 .boot_ns = SAMPLE_BOOT_NS };
	}
	fds[1].task.pid = 4194303; /* a second process */
	fill(process.user, sizeof(process.user), "user-");
	fill(process.unit, sizeof(process.unit), "long-");
	process.task = long_task(comm);
	entries[0].sock.state = WIRE_TCP_LISTEN;
	entries[0].sock.remote_port = 0;
	entries[3].sock.state = WIRE_TCP_TIME_WAIT;
	entries[3].expires_boot_ns = SAMPLE_BOOT_NS + 1;
	entries[4].sock.protocol = IPPROTO_UDPLITE;
	entries[5].sock = entries[6].sock = entries[0].sock;
	ports[5].group = &group;
	ports[6].group_size = 4096;
	ports[6].group_marks = 3;
	return count;
}

static void rows_of_ls_fit(void **state)
{
	struct port_entry entries[8];
	struct port_report ports[8];
	struct port_fd fds[8];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(widths) * COUNT_OF(names); i++) {
		const char *comm = names[i / COUNT_OF(widths)];
		struct render_options options = sample_options();
		size_t count = long_ports(comm, entries, fds, ports), row = 0;
		struct sample_output output;

		options.width = widths[i % COUNT_OF(widths)];
		options.netns_name = long_netns_name;
		sample_open(&output, &render_text, options);
		for (size_t j = 0; j < count; j++)
			output.renderer->port(output.render, &ports[j]);
		output.renderer->timewaits(output.render, UINT64_MAX);
		sample_flush(&output, SAMPLE_BOOT_NS);
		expect_to_fit(output.text, options.width);
		for (char *line = strtok(output.text, "\n"); row <= count; line = strtok(NULL, "\n"), row++) {
			assert_non_null(line);
			if (row == 0) /* the header */
				continue;
			if (row - 1 == 2)
				assert_non_null(strstr(line, "not accepted yet"));
			else if (!strstr(line, row - 1 == 1 ? "4194303 " : "4194304 ") || (*comm != '\033' && !strstr(line, comm)))
				fail_msg("no process: %s", line);
			if (!strstr(line, ":65535") || (ports[row - 1].entry->sock.remote_port && !strstr(line, ":65534")))
				fail_msg("no port: %s", line);
		}
		sample_close(&output);
	}
}

static void answers_of_why_fit(void **state)
{
	const struct wire_sock sock = long_sock(0);
	struct conflict conflict;
	struct process process;
	struct holder holder;
	const struct holder *beside[] = { &holder, &holder, &holder, &holder, &holder };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(widths) * COUNT_OF(names); i++) {
		const char *comm = names[i / COUNT_OF(widths)];
		struct render_options options = sample_options();
		struct why_report report = { .boot_ns = SAMPLE_BOOT_NS, .sock = &sock, .error = EADDRINUSE,
					     .conflict = &conflict, .beside = beside, .beside_count = 5,
					     .elsewhere = &holder, .elsewhere_count = 1, .elsewhere_more = 7,
					     .service = "a-service-of-services-gmbh", .privileged = true, .reserved = true,
					     .range_low = 32768, .range_high = 65535 };
		struct connect_report connect = { .boot_ns = SAMPLE_BOOT_NS, .sock = &sock, .error = EADDRNOTAVAIL,
						  .conflict = &conflict, .device = "fifteen-letters",
						  .ports = 64512, .ports_left = 64511 };
		struct sample_output output;

		make_conflict(&conflict, &holder, &process, comm);
		options.width = widths[i % COUNT_OF(widths)];
		options.netns_name = long_netns_name;
		sample_open(&output, &render_text, options);
		output.renderer->why(output.render, &report);
		output.renderer->connect(output.render, &connect);
		sample_flush(&output, SAMPLE_BOOT_NS);
		expect_to_fit(output.text, options.width);
		assert_non_null(strstr(output.text, "]:65535"));
		assert_non_null(strstr(output.text, "]:65534"));
		assert_non_null(strstr(output.text, "[4194304]"));
		sample_close(&output);
	}
}

static void blocks_of_ephemeral_fit(void **state)
{
	struct wire_pool pool = { .hdr = SAMPLE_HDR(POOL, pool), .netns = 4026531841, .protocol = IPPROTO_TCP,
				  .remote_port = 65534, .range_low = 1024, .range_high = 65535, .capacity = 64512,
				  .in_use = 64512, .timewait = 64512 };
	struct churn churn = { .netns = 4026531841, .interval_s = 1, .timewait_live = 1048576,
			       .timewait_entered = 1048576, .timewait_overflowed = 1048576, .ephemeral_allocated = 1048576,
			       .ephemeral_released = 1048576, .ephemeral_failed = 1048576, .in_use_known = true,
			       .ephemeral_in_use = 129024, .range_low = 1024, .range_high = 65535, .searches_timed = true,
			       .searches = { [1] = { .count = 1048576, .max_ns = 999999999 } }, .searches_to_count = 1,
			       .searches_to = { { .remote_port = 65534, .search = { .count = 1048576, .max_ns = 1 } } },
			       .process_count = 1, .processes = { { .remote_port = 65534, .allocated = 1048576,
								    .timewait = 1048576, .failed = 1048576, .flow_count = 99 } } };

	(void)state;
	sample_address(pool.local_addr, LONG_ADDRESS);
	sample_address(pool.remote_addr, PEER_ADDRESS);
	sample_address(churn.searches_to[0].remote_addr, PEER_ADDRESS);
	sample_address(churn.processes[0].remote_addr, PEER_ADDRESS);
	for (size_t i = 0; i < COUNT_OF(widths) * COUNT_OF(names) * 2; i++) {
		const char *comm = names[i / COUNT_OF(widths) % COUNT_OF(names)];
		struct render_options options = sample_options();
		struct forecast forecasts[FORECAST_POOLS_MAX];
		struct model *model = model_new(NULL);
		struct sample_output output;

		options.width = widths[i % COUNT_OF(widths)];
		options.netns_name = long_netns_name;
		options.utf8 = i >= COUNT_OF(widths) * COUNT_OF(names);
		for (pool.hdr.boot_ns = SAMPLE_BOOT_NS; pool.hdr.boot_ns < 300 * SAMPLE_BOOT_NS;
		     pool.hdr.boot_ns += 1000000000)
			assert_int_equal(model_apply(model, &pool.hdr), 0);
		churn.processes[0].task = long_task(comm);
		sample_open(&output, &render_ephemeral, options);
		output.renderer->pools(output.render, forecasts, forecast_list_all(NULL, model, forecasts), SAMPLE_BOOT_NS);
		output.renderer->churn(output.render, &churn, model, SAMPLE_BOOT_NS);
		sample_flush(&output, SAMPLE_BOOT_NS);
		expect_to_fit(output.text, options.width);
		for (const char *at = output.text, *row; (row = strstr(at, "-> ")); at = row + 1)
			assert_non_null(strstr(row, ":65534 "));
		assert_non_null(strstr(output.text, "[4194304]"));
		assert_non_null(strstr(output.text, "100 % 64,512"));
		assert_non_null(strstr(output.text, options.utf8 ? "████" : "9999"));
		assert_non_null(strstr(output.text, "1,048,576 failed"));
		sample_close(&output);
		model_free(model);
	}
}

static void the_first_lines_fit(void **state)
{
	struct settings settings = { .local_ports.used = 1 };
	struct start_report start = { .version = "0.10", .kernel = "6.12.44-fc-v657", .probes = "fentry",
				      .hint = "Ctrl-C to end" };
	char watching[WATCHING_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(widths); i++) {
		struct render_options options = sample_options();
		struct sample_output output;

		for (uint32_t port = 0; port < 600; port += 3)
			settings.local_ports.bits[port / 64] |= 1ULL << (port % 64);
		watching_describe(&settings, watching);
		start.watching = watching;
		options.width = widths[i];
		sample_open(&output, &render_text, options);
		output.renderer->start(output.render, &start);
		sample_flush(&output, SAMPLE_BOOT_NS);
		expect_to_fit(output.text, widths[i]);
		expect_to_fit(output.messages, widths[i]);
		assert_non_null(strstr(output.messages, "watching ports 0,3,6,9,12"));
		sample_close(&output);
	}
	/* Not cut where standard output is a file. */
	struct sample_output file;

	sample_open(&file, &render_text, sample_options());
	file.renderer->start(file.render, &start);
	sample_flush(&file, SAMPLE_BOOT_NS);
	assert_non_null(strstr(file.messages, watching));
	assert_non_null(strstr(file.messages, "Ctrl-C to end"));
	sample_close(&file);
}

static void filters_have_words(void **state)
{
	struct settings settings = {};
	char watching[WATCHING_SIZE];

	(void)state;
	watching_describe(&settings, watching);
	assert_string_equal(watching, "all ports");
	settings.local_ports.used = 1;
	settings.local_ports.bits[3000 / 64] = 1ULL << 3000 % 64;
	watching_describe(&settings, watching);
	assert_string_equal(watching, "port 3000");
	settings.local_ports.bits[3000 / 64] |= 3ULL << (3000 % 64 + 1);
	settings.local_ports.bits[1023] |= 1ULL << 63;
	settings.remote_ports = (struct settings_ports){ .used = 1, .bits = { [0] = 1 } };
	settings.pids = (struct settings_numbers){ .count = 2, .values = { 5, 7 } };
	settings.ipv6 = settings.failed_only = 1;
	strcpy(settings.comms.values[settings.comms.count++], "node");
	watching_describe(&settings, watching);
	assert_string_equal(watching, "ports 3000-3002,65535, remote port 0, node, pid 5,7, IPv6, failures only");
	settings = (struct settings){ .uids = { .count = 2, .values = { 0, 4000000000U } },
				      .netns = { .count = 1, .values = { 7 } } };
	watching_describe(&settings, watching);
	assert_string_equal(watching, "user root, uid 4000000000, netns 7");
}

static void addresses_give_way(void **state)
{
	static const struct {
		const char *text;
		size_t columns;
		const char *expected;
	} rows[] = {
		{ "10.0.0.5:80", 11, "10.0.0.5:80" },
		{ "10.0.0.5:80", 10, "10.…0.5:80" },
		{ "[2001:db8::8a2e:370:7334]:443", 20, "[2001:db…0:7334]:443" },
		{ "[::1]:443", 8, "…:443" },
		{ "[::1]:443", 1, "…:443" },
		{ "*:65535", 3, "*:65535" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char text[ADDRESS_PORT_SIZE];

		strcpy(text, rows[i].text);
		address_shorten(text, rows[i].columns);
		assert_string_equal(text, rows[i].expected);
	}
	/* No width shortens more, or less, than asked for. */
	for (size_t columns = 8; columns < 60; columns++) {
		char text[ADDRESS_PORT_SIZE] = "[" LONG_ADDRESS "]:65535";

		address_shorten(text, columns);
		assert_true(display_width(text, strlen(text)) <= columns);
		assert_non_null(strstr(text, ":65535"));
	}
}

/* As the C library has it, for every character that a terminal can show; combining ones count as one. */
static void columns_are_those_of_the_c_library(void **state)
{
	size_t wide = 0, differ = 0;

	(void)state;
	for (uint32_t character = 0x20; character < 0x30000; character++) {
		char text[MB_LEN_MAX];
		mbstate_t shift = {};
		int width = wcwidth((wchar_t)character);
		size_t length;

		if (width < 1)
			continue;
		length = wcrtomb(text, (wchar_t)character, &shift);
		wide += width == 2;
		differ += display_width(text, length) < (size_t)width;
	}
	assert_true(wide > 50000);
	/* The two may know different releases of Unicode. */
	assert_true(differ < 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_of_events_fit),
		cmocka_unit_test(explanations_fit),
		cmocka_unit_test(other_lines_fit),
		cmocka_unit_test(rows_of_ls_fit),
		cmocka_unit_test(answers_of_why_fit),
		cmocka_unit_test(blocks_of_ephemeral_fit),
		cmocka_unit_test(the_first_lines_fit),
		cmocka_unit_test(filters_have_words),
		cmocka_unit_test(addresses_give_way),
		cmocka_unit_test(columns_are_those_of_the_c_library),
	};

	setenv("TZ", "UTC", 1);
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		return 77;
	return cmocka_run_group_tests_name("width", tests, NULL, NULL);
}
