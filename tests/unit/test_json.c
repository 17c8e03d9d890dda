/* SPDX-License-Identifier: GPL-2.0-only */
/* The JSON format, read back by a JSON reader. */
#include "render_sample.h"

#include <yajl/yajl_tree.h>

#include "render/json.h"
#include "util/escape.h"

/* The records of an output, one per line. */
#define RECORDS_MAX 16
struct records {
	struct sample_output output;
	yajl_val record[RECORDS_MAX];
	size_t count;
};

static int setup(void **state)
{
	struct records *records = calloc(1, sizeof(*records));

	sample_open(&records->output, &render_json, sample_options());
	*state = records;
	return 0;
}

static int teardown(void **state)
{
	struct records *records = *state;

	for (size_t i = 0; i < records->count; i++)
		yajl_tree_free(records->record[i]);
	sample_close(&records->output);
	free(records);
	return 0;
}

static void read_back(struct records *records)
{
	char *line, *rest;

	sample_flush(&records->output, SAMPLE_BOOT_NS);
	assert_true(escape_is_utf8(records->output.text, records->output.length));
	assert_int_equal(records->output.text[records->output.length - 1], '\n');
	for (line = strtok_r(records->output.text, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		char error[256] = "";
		yajl_val record = yajl_tree_parse(line, error, sizeof(error));

		if (!record)
			fail_msg("%s: %s", line, error);
		records->record[records->count++] = record;
	}
}

static yajl_val get(yajl_val object, const char *name)
{
	const char *path[] = { name, NULL };

	return yajl_tree_get(object, path, yajl_t_any);
}

static void expect_text(yajl_val object, const char *name, const char *expected)
{
	yajl_val value = get(object, name);

	if (!YAJL_IS_STRING(value))
		fail_msg("%s is not a string", name);
	assert_string_equal(YAJL_GET_STRING(value), expected);
}

static void expect_number(yajl_val object, const char *name, const char *expected)
{
	yajl_val value = get(object, name);

	if (!YAJL_IS_NUMBER(value))
		fail_msg("%s is not a number", name);
	assert_string_equal(YAJL_GET_NUMBER(value), expected);
}

static void expect_true(yajl_val object, const char *name)
{
	if (!YAJL_IS_TRUE(get(object, name)))
		fail_msg("%s is not true", name);
}

static void expect_absent(yajl_val object, const char *name)
{
	if (get(object, name))
		fail_msg("%s is present", name);
}

static yajl_val element(yajl_val object, const char *name, size_t index, size_t count)
{
	yajl_val list = get(object, name);

	if (!YAJL_IS_ARRAY(list))
		fail_msg("%s is not a list", name);
	assert_int_equal(list->u.array.len, count);
	return list->u.array.values[index];
}

static void records_begin_alike(void **state)
{
	static const char *const names[] = { "v", "time", "boot_ns", "event" };
	struct wire_release event = { .hdr = SAMPLE_HDR(RELEASE, release),
				      .sock = sample_sock(WIRE_TCP_CLOSE, "0.0.0.0", 80) };
	struct report report = sample_report(&event);
	struct records *records = *state;
	const struct renderer *json = records->output.renderer;
	struct render *render = records->output.render;

	json->start(render, &(struct start_report){ .boot_ns = SAMPLE_BOOT_NS });
	json->event(render, &report);
	json->churn(render, &(struct churn){ .interval_s = 1 }, NULL, SAMPLE_BOOT_NS);
	json->lost(render, 1, "ring", SAMPLE_BOOT_NS);
	json->stop(render, &(struct stop_report){ .boot_ns = SAMPLE_BOOT_NS });
	read_back(records);
	assert_int_equal(records->count, 5);
	for (size_t i = 0; i < records->count; i++) {
		for (size_t j = 0; j < 4; j++)
			assert_string_equal(records->record[i]->u.object.keys[j], names[j]);
		expect_number(records->record[i], "v", "1");
		expect_text(records->record[i], "time", "2025-11-21T12:01:02.123456789Z");
		expect_number(records->record[i], "boot_ns", "5000000000");
	}
	expect_text(records->record[1], "event", "release");
}

static void bind_that_worked(void **state)
{
	struct wire_bind event = { .hdr = SAMPLE_HDR(BIND, bind), .requested_port = 80,
				   .sock = sample_sock(WIRE_TCP_CLOSE, "0.0.0.0", 80),
				   .task = sample_task(812, "nginx") };
	struct process process = { .exe = "/usr/sbin/nginx", .cmdline = "nginx -g \"daemon off;\"",
				   .cgroup = "/system.slice/nginx.service", .unit = "nginx.service" };
	struct report report = sample_report(&event);
	struct records *records = *state;
	yajl_val bind;

	event.sock.flags = WIRE_REUSEADDR | WIRE_BIND_ADDRESS_NO_PORT;
	report.process = &process;
	report.interface = "eth0";
	records->output.renderer->event(records->output.render, &report);
	read_back(records);
	bind = records->record[0];
	expect_text(bind, "event", "bind");
	expect_text(bind, "protocol", "tcp");
	expect_text(bind, "family", "ipv4");
	expect_text(bind, "local_address", "0.0.0.0");
	expect_number(bind, "local_port", "80");
	expect_text(bind, "socket", "1a2b");
	expect_number(bind, "netns", "4026531840");
	expect_number(bind, "pid", "812");
	expect_number(bind, "tid", "813");
	expect_number(bind, "ppid", "1");
	expect_number(bind, "uid", "1000");
	expect_text(bind, "comm", "nginx");
	expect_text(bind, "exe", "/usr/sbin/nginx");
	expect_text(bind, "cmdline", "nginx -g \"daemon off;\"");
	expect_text(bind, "cgroup", "/system.slice/nginx.service");
	expect_text(bind, "unit", "nginx.service");
	expect_text(bind, "interface", "eth0");
	assert_string_equal(YAJL_GET_STRING(element(bind, "options", 0, 2)), "reuseaddr");
	assert_string_equal(YAJL_GET_STRING(element(bind, "options", 1, 2)), "bind-address-no-port");
	for (size_t i = 0; i < 9; i++)
		expect_absent(bind, (const char *[]){ "errno", "requested_port", "ephemeral",
			      "remote_address", "remote_port", "container", "kernel_owned",
			      "duration_ns", "conflict" }[i]);
}

static void bind_of_any_port(void **state)
{
	struct wire_bind worked = { .hdr = SAMPLE_HDR(BIND, bind), .duration_ns = 1234,
				    .sock = sample_sock(WIRE_TCP_CLOSE, "::", 40000) };
	struct wire_bind failed = { .hdr = SAMPLE_HDR(BIND, bind), .error = EADDRINUSE,
				    .sock = sample_sock(WIRE_TCP_CLOSE, "127.0.0.1", 0) };
	struct report reports[] = { sample_report(&worked), sample_report(&failed) };
	struct records *records = *state;

	worked.sock.flags = failed.sock.flags = WIRE_PORT_EPHEMERAL;
	worked.sock.family = AF_INET6;
	for (size_t i = 0; i < 2; i++)
		records->output.renderer->event(records->output.render, &reports[i]);
	read_back(records);
	expect_text(records->record[0], "family", "ipv6");
	expect_text(records->record[0], "local_address", "::");
	expect_number(records->record[0], "requested_port", "0");
	expect_number(records->record[0], "duration_ns", "1234");
	expect_true(records->record[0], "ephemeral");
	/* Without a known process the record has no process fields, and the uid of the socket */
	expect_absent(records->record[0], "pid");
	expect_absent(records->record[0], "comm");
	expect_number(records->record[0], "uid", "33");

	expect_text(records->record[1], "errno", "EADDRINUSE");
	expect_number(records->record[1], "local_port", "0");
	expect_absent(records->record[1], "requested_port");
	expect_absent(records->record[1], "ephemeral");
}

static void other_kinds(void **state)
{
	struct wire_listen listen = { .hdr = SAMPLE_HDR(LISTEN, listen),
				      .sock = sample_sock(WIRE_TCP_LISTEN, "::1", 80) };
	struct wire_connect connect = { .hdr = SAMPLE_HDR(CONNECT, connect),
					.sock = sample_sock(WIRE_TCP_SYN_SENT, "10.0.0.1", 40000) };
	struct wire_close close = { .hdr = SAMPLE_HDR(CLOSE, close), .life_ns = 7,
				    .error = ECONNRESET, .next_state = WIRE_TCP_TIME_WAIT,
				    .sock = connect.sock };
	struct wire_timewait timewait = { .hdr = SAMPLE_HDR(TIMEWAIT, timewait),
					  .sock = connect.sock, .action = WIRE_TIMEWAIT_REUSE };
	struct wire_timewait half = { .hdr = SAMPLE_HDR(TIMEWAIT, timewait), .sock = connect.sock,
				      .action = WIRE_TIMEWAIT_ENTER, .substate = WIRE_TCP_FIN_WAIT2 };
	struct report reports[] = { sample_report(&listen), sample_report(&connect),
				    sample_report(&close), sample_report(&timewait), sample_report(&half) };
	struct records *records = *state;
	yajl_val *record = records->record;

	/* A v4-mapped peer of an IPv6 socket */
	connect.sock.family = AF_INET6;
	connect.sock.protocol = 262;
	sample_peer(&connect.sock, "10.0.0.5", 443);
	listen.sock.protocol = 132;
	listen.sock.cookie = 0;
	listen.sock.flags = WIRE_KERNEL_OWNED;
	for (size_t i = 0; i < 5; i++)
		records->output.renderer->event(records->output.render, &reports[i]);
	read_back(records);
	expect_number(record[0], "backlog", "0");
	expect_text(record[0], "protocol", "132");
	expect_absent(record[0], "socket");
	expect_absent(record[0], "requested_port");
	expect_true(record[0], "kernel_owned");
	expect_text(record[1], "family", "ipv6");
	expect_text(record[1], "protocol", "mptcp");
	expect_text(record[1], "remote_address", "10.0.0.5");
	expect_number(record[1], "remote_port", "443");
	expect_number(record[1], "requested_port", "0");
	expect_absent(record[1], "backlog");
	expect_number(record[2], "duration_ns", "7");
	expect_text(record[2], "error", "ECONNRESET");
	expect_text(record[2], "next_state", "time_wait");
	expect_absent(record[2], "errno");
	expect_text(record[3], "action", "reuse");
	expect_absent(record[3], "substate");
	expect_text(record[4], "action", "enter");
	expect_text(record[4], "substate", "FIN_WAIT2");
}

static void names_are_made_valid(void **state)
{
	struct wire_accept event = { .hdr = SAMPLE_HDR(ACCEPT, accept),
				     .sock = sample_sock(WIRE_TCP_ESTABLISHED, "10.0.0.1", 80),
				     .task = sample_task(1, "a\"\\\n\xff\xc3\xbc\x01") };
	struct process process = { .exe = "\xed\xa0\x80" };
	struct report report = sample_report(&event);
	struct records *records = *state;
	const char *cmdline;

	report.process = &process;
	memset(process.cmdline, 0xff, sizeof(process.cmdline) - 1);
	records->output.renderer->event(records->output.render, &report);
	read_back(records);
	expect_text(records->record[0], "comm", "a\"\\\n\xef\xbf\xbd\xc3\xbc\x01");
	expect_text(records->record[0], "exe", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	cmdline = YAJL_GET_STRING(get(records->record[0], "cmdline"));
	assert_non_null(cmdline);
	assert_int_equal(strlen(cmdline), 3 * 511);
}

static void conflict_names_its_holders(void **state)
{
	struct wire_bind event = { .hdr = SAMPLE_HDR(BIND, bind), .error = EADDRINUSE,
				   .requested_port = 80,
				   .sock = sample_sock(WIRE_TCP_CLOSE, "0.0.0.0", 80),
				   .task = sample_task(977, "node") };
	struct holder listener = { .sock = sample_sock(WIRE_TCP_LISTEN, "0.0.0.0", 80),
				   .since_boot_ns = SAMPLE_BOOT_NS - 2900000000, .pid_count = 2,
				   .owner = sample_task(811, "launcher"), .owner_gone = true,
				   .pids = { sample_task(812, "nginx"), sample_task(813, "nginx") } };
	struct holder waiting = { .sock = sample_sock(WIRE_TCP_TIME_WAIT, "10.0.0.1", 80),
				  .owner = sample_task(700, "curl"), .owner_gone = true,
				  .expires_ms = 37040, .substate = WIRE_TCP_FIN_WAIT2,
				  .interface = "eth0" };
	struct conflict conflict = { .cause = "listener", .why = "It is taken.", .fix = "Stop it.",
				     .holders = { &listener, &waiting }, .holder_count = 2 };
	struct report report = sample_report(&event);
	struct records *records = *state;
	yajl_val conflict_record, holder;

	listener.sock.flags = WIRE_REUSEADDR;
	sample_peer(&waiting.sock, "10.0.0.5", 50000);
	report.conflict = &conflict;
	records->output.renderer->event(records->output.render, &report);
	read_back(records);
	conflict_record = get(records->record[0], "conflict");
	expect_text(conflict_record, "cause", "listener");
	expect_text(conflict_record, "why", "It is taken.");
	expect_text(conflict_record, "fix", "Stop it.");

	holder = element(conflict_record, "holders", 0, 2);
	expect_text(holder, "state", "LISTEN");
	expect_text(holder, "local_address", "0.0.0.0");
	expect_number(holder, "local_port", "80");
	expect_text(holder, "since", "2025-11-21T12:00:59.223456789Z");
	expect_number(holder, "uid", "33");
	expect_number(element(holder, "pids", 1, 2), "pid", "813");
	expect_text(element(holder, "pids", 1, 2), "comm", "nginx");
	expect_absent(element(holder, "pids", 1, 2), "gone");
	expect_number(get(holder, "owner"), "pid", "811");
	expect_true(get(holder, "owner"), "gone");
	expect_absent(holder, "expires_in_s");

	holder = element(conflict_record, "holders", 1, 2);
	expect_text(holder, "state", "FIN_WAIT2");
	expect_text(holder, "remote_address", "10.0.0.5");
	expect_text(holder, "interface", "eth0");
	expect_number(holder, "expires_in_s", "37.04");
	expect_number(element(holder, "pids", 0, 1), "pid", "700");
	expect_true(element(holder, "pids", 0, 1), "gone");
	expect_absent(holder, "since");
	/* A scan found it: any process that had it open then. */
	expect_absent(holder, "owner");
}

static void ports_are_sockets(void **state)
{
	struct port_fd second = { .task = sample_task(813, "nginx"), .fd = 6 };
	struct port_fd first = { .task = sample_task(812, "nginx"), .fd = 6, .next = &second };
	struct port_entry listener = { .sock = sample_sock(WIRE_TCP_LISTEN, "0.0.0.0", 80),
				       .fds = &first, .backlog = 511, .since_boot_ns = 1 };
	struct port_entry waiting = { .sock = sample_sock(WIRE_TCP_TIME_WAIT, "10.0.0.1", 40000),
				      .owner = sample_task(700, "curl"),
				      .expires_boot_ns = SAMPLE_BOOT_NS + 1500000000 };
	struct port_entry udp = { .sock = sample_sock(WIRE_TCP_CLOSE, "0.0.0.0", 53) };
	const struct port_entry *entries[] = { &listener, &waiting, &udp };
	struct records *records = *state;
	yajl_val *record = records->record;

	udp.sock.protocol = IPPROTO_UDP;
	for (size_t i = 0; i < 3; i++) {
		struct port_report port = { .entry = entries[i], .boot_ns = SAMPLE_BOOT_NS };

		records->output.renderer->port(records->output.render, &port);
	}
	read_back(records);
	expect_text(record[0], "event", "socket");
	expect_text(record[0], "state", "LISTEN");
	expect_number(record[0], "pid", "812");
	expect_number(record[0], "backlog", "511");
	expect_text(record[0], "since", "2025-11-21T12:00:57.123456790Z");
	expect_number(element(record[0], "pids", 1, 2), "pid", "813");
	expect_number(element(record[0], "pids", 1, 2), "fd", "6");
	expect_text(record[1], "state", "TIME_WAIT");
	expect_number(record[1], "expires_in_s", "1.5");
	expect_number(element(record[1], "pids", 0, 1), "pid", "700");
	expect_absent(record[1], "backlog");
	expect_text(record[2], "state", "BOUND");
	expect_text(record[2], "protocol", "udp");
	expect_absent(record[2], "pids");
}

static void records_around_the_events(void **state)
{
	const char *const missing[] = { "accept", "release", NULL };
	struct churn churn = { .netns = 7, .interval_s = 1.05, .timewait_live = 12044,
			       .ephemeral_allocated = 1204, .ephemeral_in_use = 5, .in_use_known = true,
			       .range_low = 32768, .range_high = 60999, .top_count = 1,
			       .top = { { .task = sample_task(4242, "curl"), .remote_port = 443,
					  .allocated = 1000, .timewait = 9 } } };
	struct records *records = *state;
	const struct renderer *json = records->output.renderer;
	struct render *render = records->output.render;
	yajl_val *record = records->record;

	sample_address(churn.top[0].remote_addr, "2001:db8::5");
	json->start(render, &(struct start_report){ .version = "0.1", .kernel = "6.12",
			    .probes = "fentry", .missing = missing, .sockets = 41,
			    .netns_count = 3, .hint = "Ctrl-C to end" });
	json->churn(render, &churn, NULL, SAMPLE_BOOT_NS);
	json->lost(render, 12, "ring", SAMPLE_BOOT_NS);
	json->stop(render, &(struct stop_report){ .events = 99, .lost = 12 });
	read_back(records);
	expect_text(record[0], "version", "0.1");
	expect_text(record[0], "kernel", "6.12");
	expect_text(record[0], "probes", "fentry");
	expect_number(record[0], "sockets", "41");
	expect_number(record[0], "netns_count", "3");
	assert_string_equal(YAJL_GET_STRING(element(record[0], "missing", 1, 2)), "release");
	expect_absent(record[0], "hint");
	expect_number(record[1], "interval_s", "1.05");
	expect_number(record[1], "netns", "7");
	expect_number(get(record[1], "timewait"), "live", "12044");
	expect_number(get(record[1], "timewait"), "overflowed", "0");
	expect_number(get(record[1], "ephemeral"), "allocated", "1204");
	expect_number(get(record[1], "ephemeral"), "in_use", "5");
	assert_int_equal(YAJL_GET_INTEGER(element(get(record[1], "ephemeral"), "range", 1, 2)), 60999);
	expect_text(element(record[1], "top", 0, 1), "remote_address", "2001:db8::5");
	expect_number(element(record[1], "top", 0, 1), "allocated", "1000");
	expect_number(record[2], "count", "12");
	expect_text(record[2], "reason", "ring");
	expect_number(record[3], "events", "99");
	expect_number(record[3], "lost", "12");
}

/* A damaged or crafted capture holds any 64-bit time. UBSan stops the test where one overflows. */
static void extreme_times(void **state)
{
	static const struct {
		uint64_t boot_ns;
		int64_t boot_to_wall_ns;
	} cases[] = {
		{ UINT64_MAX, INT64_MAX }, { UINT64_MAX, INT64_MIN }, { INT64_MAX, INT64_MAX },
		{ (uint64_t)INT64_MAX + 1, INT64_MIN }, { 0, INT64_MIN }, { UINT64_MAX, 0 },
	};
	struct wire_release event = { .hdr = SAMPLE_HDR(RELEASE, release),
				      .sock = sample_sock(WIRE_TCP_CLOSE, "0.0.0.0", 80) };
	struct port_entry entry = { .sock = sample_sock(WIRE_TCP_TIME_WAIT, "0.0.0.0", 80),
				    .since_boot_ns = UINT64_MAX, .expires_boot_ns = UINT64_MAX };
	struct report report = sample_report(&event);
	struct records *records = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct port_report port = { .entry = &entry, .boot_ns = cases[i].boot_ns };

		sample_close(&records->output);
		sample_open(&records->output, &render_json,
			    (struct render_options){ .boot_to_wall_ns = cases[i].boot_to_wall_ns });
		event.hdr.boot_ns = cases[i].boot_ns;
		records->output.renderer->event(records->output.render, &report);
		records->output.renderer->port(records->output.render, &port);
		read_back(records);
	}
	assert_int_equal(records->count, 2 * sizeof(cases) / sizeof(cases[0]));
}

/* A rate beyond 64 bits becomes the largest integer, never a negative number. */
static void extreme_rates(void **state)
{
	static const double intervals[] = { 1e300, -1, 0.0 / 0.0, 18446744073709551.0 };
	struct churn churn = { .netns = 7 };
	struct records *records = *state;

	for (size_t i = 0; i < 4; i++) {
		churn.interval_s = intervals[i];
		records->output.renderer->churn(records->output.render, &churn, NULL, SAMPLE_BOOT_NS);
	}
	read_back(records);
	expect_number(records->record[0], "interval_s", "18446744073709551.615");
	expect_number(records->record[1], "interval_s", "0");
	expect_number(records->record[2], "interval_s", "0");
	expect_number(records->record[3], "interval_s", "18446744073709551.615");
}

/* Output longer than the buffer is written completely; after a failed write every flush returns the error. */
static void output_errors_are_returned(void **state)
{
	struct records *records = *state;
	struct render_options options = sample_options();
	struct render *full;
	size_t lines = 0;

	for (int i = 0; i < 5000; i++)
		records->output.renderer->lost(records->output.render, 1, "ring", SAMPLE_BOOT_NS);
	sample_flush(&records->output, SAMPLE_BOOT_NS);
	for (size_t i = 0; i < records->output.length; i++)
		lines += records->output.text[i] == '\n';
	assert_int_equal(lines, 5000);

	options.out = fopen("/dev/full", "w");
	full = render_json.open(&options);
	render_json.lost(full, 1, "ring", SAMPLE_BOOT_NS);
	assert_int_equal(render_json.flush(full, SAMPLE_BOOT_NS), -ENOSPC);
	assert_int_equal(render_json.flush(full, SAMPLE_BOOT_NS), -ENOSPC);
	render_json.close(full);
	fclose(options.out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(records_begin_alike, setup, teardown),
		cmocka_unit_test_setup_teardown(bind_that_worked, setup, teardown),
		cmocka_unit_test_setup_teardown(bind_of_any_port, setup, teardown),
		cmocka_unit_test_setup_teardown(other_kinds, setup, teardown),
		cmocka_unit_test_setup_teardown(names_are_made_valid, setup, teardown),
		cmocka_unit_test_setup_teardown(conflict_names_its_holders, setup, teardown),
		cmocka_unit_test_setup_teardown(ports_are_sockets, setup, teardown),
		cmocka_unit_test_setup_teardown(records_around_the_events, setup, teardown),
		cmocka_unit_test_setup_teardown(extreme_times, setup, teardown),
		cmocka_unit_test_setup_teardown(extreme_rates, setup, teardown),
		cmocka_unit_test_setup_teardown(output_errors_are_returned, setup, teardown),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
