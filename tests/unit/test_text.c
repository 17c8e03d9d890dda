/* SPDX-License-Identifier: GPL-2.0-only */
/* The text format, line by line. */
#include "render_sample.h"

#include "render/fields.h"
#include "render/text.h"
#include "render/text_ephemeral.h"

static void open_text(struct sample_output *output, struct render_options options)
{
	setenv("TZ", "UTC", 1);
	sample_open(output, &render_text, options);
}

/* Everything written so far is `expected`. */
static void expect(struct sample_output *output, const char *expected)
{
	sample_flush(output, 0);
	assert_string_equal(output->text ? output->text : "", expected);
}

static void show(struct sample_output *output, const void *event)
{
	struct report report = sample_report(event);

	output->renderer->event(output->render, &report);
}

static struct wire_bind sample_bind(uint32_t error)
{
	return (struct wire_bind){ .hdr = SAMPLE_HDR(BIND, bind), .error = error,
				   .requested_port = 80,
				   .sock = sample_sock(WIRE_TCP_CLOSE, "0.0.0.0", 80),
				   .task = sample_task(977, "node") };
}

static struct wire_connect sample_connect(uint32_t error)
{
	struct wire_connect event = { .hdr = SAMPLE_HDR(CONNECT, connect), .error = error,
				      .sock = sample_sock(WIRE_TCP_SYN_SENT, "127.0.0.1", 40000),
				      .task = sample_task(4242, "curl") };

	sample_peer(&event.sock, "127.0.0.1", 80);
	event.sock.flags = WIRE_PORT_EPHEMERAL;
	return event;
}

static void stream_begins_and_ends(void **state)
{
	const char *const missing[] = { "accept", NULL };
	struct start_report start = { .version = "0.1", .kernel = "6.12.3-arch1", .probes = "fentry",
				      .missing = missing, .sockets = 1041, .netns_count = 3,
				      .watching = "port 3000",
				      .hint = "Ctrl-C to end" };
	struct render_options options = sample_options();
	struct sample_output output;

	(void)state;
	open_text(&output, options);
	render_text.start(output.render, &start);
	render_text.stop(output.render, &(struct stop_report){ .events = 1204, .lost = 0 });
	expect(&output, "TIME          EVENT    PID     COMM            PROTO LOCAL                 DETAIL\n");
	assert_string_equal(output.messages,
		"porttrace 0.1 · Linux 6.12 · probes fentry · watching port 3000 · Ctrl-C to end\n"
		"not available with these probes: accept (see 'porttrace doctor')\n"
		"1,204 events, 0 lost\n");
	sample_close(&output);

	options.quiet = true;
	options.width = 80;
	options.time = TIME_NONE;
	open_text(&output, options);
	render_text.start(output.render, &start);
	render_text.stop(output.render, &(struct stop_report){ .events = 1 });
	expect(&output, "");
	assert_int_equal(output.messages_length, 0);
	sample_close(&output);

	options.quiet = false;
	open_text(&output, options);
	render_text.start(output.render, &start);
	expect(&output, "EVENT    PID    COMM     PROTO LOCAL           DETAIL\n");
	sample_close(&output);
}

/* The words of the header are the columns of fields.c, each at the sum of the widths before it. */
static void columns_are_the_rows_of_fields(void **state)
{
	struct port_entry here = { .sock = sample_sock(WIRE_TCP_LISTEN, "0.0.0.0", 80) }, there = here;
	struct port_report ports[] = { { .entry = &here }, { .entry = &there } };
	struct render_options options = sample_options();
	struct sample_output output;
	size_t at = 0;
	char *word, *rest;

	(void)state;
	options.time = TIME_NONE;
	open_text(&output, options);
	render_text.start(output.render, &(struct start_report){ .version = "", .kernel = "" });
	sample_flush(&output, 0);
	for (const struct field *field = field_next_column(NULL, FIELD_OF_EVENT); field;
	     field = field_next_column(field, FIELD_OF_EVENT)) {
		assert_memory_equal(output.text + at, field->header, strlen(field->header));
		at += field->width;
	}
	sample_close(&output);

	/* Two network namespaces and a peer, so that no column is left out. */
	there.sock.netns++;
	sample_peer(&there.sock, "10.0.0.5", 443);
	open_text(&output, options);
	for (size_t i = 0; i < 2; i++)
		render_text.port(output.render, &ports[i]);
	sample_flush(&output, 0);
	word = strtok_r(strtok_r(output.text, "\n", &rest), " ", &rest);
	for (const struct field *field = field_next_column(NULL, FIELD_OF_PORT); field;
	     field = field_next_column(field, FIELD_OF_PORT)) {
		assert_non_null(word);
		assert_string_equal(word, field->header);
		word = strtok_r(NULL, " ", &rest);
	}
	assert_null(word);
	sample_close(&output);
}

static void cells_align(void **state)
{
	struct text_line line = {}, cell = {};

	(void)state;
	text_line_add(&cell, "µs");
	text_line_cell(&line, 0, 5, ALIGN_LEFT, &cell);
	text_line_cell(&line, 5, 5, ALIGN_RIGHT, &cell);
	text_line_cell(&line, 10, 2, ALIGN_RIGHT, &cell);
	text_line_reset(&cell);
	text_line_cell(&line, 12, 5, ALIGN_RIGHT, &cell);
	assert_int_equal(line.columns, 12);
	line.bytes[line.length] = '\0';
	assert_string_equal(line.bytes, "µs     µs µs");
}

static void quiet_leaves_out_headers(void **state)
{
	struct churn churn = { .interval_s = 1, .ephemeral_allocated = 5, .searches_timed = true,
			       .searches = { [1] = { .count = 5, .max_ns = 7 } }, .process_count = 1,
			       .processes = { { .task = sample_task(4242, "curl"), .allocated = 5 } } };
	struct port_entry entry = { .sock = sample_sock(WIRE_TCP_LISTEN, "0.0.0.0", 80) };
	struct port_report port = { .entry = &entry, .boot_ns = SAMPLE_BOOT_NS };
	struct render_options options = sample_options();
	struct model *model = model_new(NULL);
	struct sample_output output;

	(void)state;
	options.quiet = true;
	open_text(&output, options);
	render_text.port(output.render, &port);
	expect(&output, "-   33   -    tcp   LISTEN 0/0   0.0.0.0:80\n");
	sample_close(&output);

	sample_open(&output, &render_ephemeral, options);
	output.renderer->churn(output.render, &churn, model, SAMPLE_BOOT_NS);
	sample_flush(&output, 0);
	assert_non_null(strstr(output.text, "curl[4242]"));
	assert_null(strstr(output.text, "PROCESS"));
	assert_null(strstr(output.text, "COUNT"));
	sample_close(&output);
	model_free(model);
}

/* From 10.0.0.1 to 10.0.0.5:443, a thousand ports. */
static void count_pool(struct model *model, uint64_t boot_ns, uint32_t in_use, uint16_t remote_port)
{
	struct wire_pool pool = { .hdr = SAMPLE_HDR(POOL, pool), .netns = 7, .protocol = IPPROTO_TCP,
				  .remote_port = remote_port, .range_low = 40000, .range_high = 40999,
				  .capacity = 1000, .in_use = in_use };

	pool.hdr.boot_ns = boot_ns;
	sample_address(pool.local_addr, "10.0.0.1");
	sample_address(pool.remote_addr, "10.0.0.5");
	assert_int_equal(model_apply(model, &pool.hdr), 0);
}

static void pools_have_a_bar_and_their_past(void **state)
{
	static const char *const expected[] = { "    [#-------------------]\n", "    [#########-----------]\n",
						"    [####################]  05 9  last 3.0 s\n",
						"    [####################]  ▁▅ █  last 3.0 s\n" };
	struct churn churn = { .netns = 7, .interval_s = 1 };
	struct render_options options = sample_options();
	struct model *model = model_new(NULL);
	struct forecast forecasts[FORECAST_POOLS_MAX];
	struct sample_output output;
	size_t count;

	(void)state;
	count_pool(model, SAMPLE_BOOT_NS, 1, 443);
	count_pool(model, SAMPLE_BOOT_NS, 440, 444);
	options.time = TIME_NONE;
	sample_open(&output, &render_ephemeral, options);
	count = forecast_list_all(NULL, model, forecasts);
	assert_int_equal(count, 2);
	output.renderer->pools(output.render, forecasts, count, SAMPLE_BOOT_NS);
	sample_flush(&output, 0);
	/* The fullest first, without a rate, and the namespace that is not the reader's. */
	assert_non_null(strstr(output.text, "the fullest pools now\n"));
	assert_true(strstr(output.text, "10.0.0.5:444") < strstr(output.text, "10.0.0.5:443"));
	assert_non_null(strstr(output.text, "44 %  1,000       0                -\n"));
	assert_non_null(strstr(output.text, "    [#########-----------]  netns 7\n"));
	sample_close(&output);

	/* No count in the third interval. */
	count_pool(model, SAMPLE_BOOT_NS + 1000000000, 540, 443);
	count_pool(model, SAMPLE_BOOT_NS + 3000000000, 1000, 443);
	for (size_t i = 1; i < 4; i++) {
		options.width = i < 2 ? 0 : 80;
		options.utf8 = i == 3;
		sample_open(&output, &render_ephemeral, options);
		output.renderer->churn(output.render, &churn, model, SAMPLE_BOOT_NS);
		sample_flush(&output, 0);
		assert_non_null(strstr(output.text, expected[i < 2 ? 1 : i]));
		assert_true(i >= 2 || !strstr(output.text, "last"));
		sample_close(&output);
	}
	model_free(model);
}

/* Six pools are fuller than that of which most ports are taken. */
static void the_busiest_pool_has_a_row(void **state)
{
	struct wire_netns netns = { .hdr = SAMPLE_HDR(NETNS, netns), .netns = 7 };
	struct wire_traffic traffic = { .hdr = SAMPLE_HDR(TRAFFIC, traffic), .task = sample_task(4242, "curl"),
					.netns = 7, .remote_port = 444, .protocol = IPPROTO_TCP, .allocated = 60 };
	struct churn churn = { .netns = 7, .interval_s = 1, .interval = 1 };
	struct model *model = model_new(NULL);
	struct sample_output output;

	(void)state;
	sample_address(traffic.local_addr, "10.0.0.1");
	sample_address(traffic.remote_addr, "10.0.0.5");
	assert_int_equal(model_apply(model, &netns.hdr), 0);
	assert_int_equal(model_apply(model, &traffic.hdr), 0);
	for (uint16_t port = 444; port < 451; port++)
		count_pool(model, SAMPLE_BOOT_NS, port == 444 ? 0 : 900, port);
	sample_open(&output, &render_ephemeral, sample_options());
	output.renderer->churn(output.render, &churn, model, SAMPLE_BOOT_NS);
	sample_flush(&output, 0);
	assert_non_null(strstr(output.text, "-> 10.0.0.5:444                   0 %  1,000       0      60        -\n"));
	assert_null(strstr(output.text, "10.0.0.5:449"));
	sample_close(&output);
	model_free(model);
}

static void events_are_lines(void **state)
{
	struct wire_bind bind = sample_bind(0);
	struct wire_listen listen = { .hdr = SAMPLE_HDR(LISTEN, listen), .backlog = 511,
				      .sock = bind.sock, .task = bind.task };
	struct wire_connect connect = sample_connect(0);
	struct wire_close close = { .hdr = SAMPLE_HDR(CLOSE, close), .sock = connect.sock,
				    .life_ns = 2900000000, .error = ECONNRESET,
				    .next_state = WIRE_TCP_TIME_WAIT };
	struct sample_output output;

	(void)state;
	bind.sock.flags = WIRE_REUSEADDR | WIRE_V6ONLY;
	sample_address(listen.sock.local_addr, "2001:db8::1");
	open_text(&output, sample_options());
	show(&output, &bind);
	show(&output, &listen);
	show(&output, &connect);
	show(&output, &close);
	expect(&output,
	       "12:01:02.123  bind     977     node            tcp   0.0.0.0:80            reuseaddr\n"
	       "12:01:02.123  listen   977     node            tcp   [2001:db8::1]:80      backlog 511\n"
	       "12:01:02.123  connect  4242    curl            tcp   127.0.0.1:40000       -> 127.0.0.1:80\n"
	       "12:01:02.123  close    -       -               tcp   127.0.0.1:40000       "
	       "-> 127.0.0.1:80 ECONNRESET, after 2.9 s, TIME_WAIT\n");
	sample_close(&output);
}

static void eighty_columns_suffice(void **state)
{
	struct render_options options = sample_options();
	struct wire_bind bind = sample_bind(0), failed = sample_bind(EADDRINUSE);
	struct wire_connect connect = sample_connect(0), refused = sample_connect(EADDRNOTAVAIL);
	struct sample_output output;

	(void)state;
	bind.sock.flags = WIRE_REUSEADDR;
	connect.duration_ns = 12345678;
	options.width = 80;
	options.time = TIME_RELATIVE;
	open_text(&output, options);
	show(&output, &bind);
	show(&output, &failed);
	show(&output, &connect);
	show(&output, &refused);
	expect(&output,
	       "0.000       bind     977    node     tcp   0.0.0.0:80      reuseaddr\n"
	       "0.000       bind     977    node     tcp   0.0.0.0:80      EADDRINUSE\n"
	       "0.000       connect  4242   curl     tcp   127.0.0.1:40000 -> 127.0.0.1:80  sea…\n"
	       "0.000       connect  4242   curl     tcp   …:40000 -> 127.0.0.1:80 EADDRNOTAVAIL\n");
	sample_close(&output);
}

static struct conflict sample_conflict(const struct holder *first, const struct holder *others)
{
	return (struct conflict){
		.why = "a listening socket owns the port; SO_REUSEADDR cannot share a listener",
		.fix = "not shown where there are remedies",
		.remedies = { { .text = "Stop nginx.service.", .command = "systemctl stop nginx.service" },
			      { .action = REMEDY_OTHER_PORT, .effect = REMEDY_RESTART,
				.text = "Start node[977] on another port." },
			      { .action = REMEDY_SYSCTL, .effect = REMEDY_AFTER, .after_s = 2,
				.command = "sysctl -w net.ipv4.tcp_tw_reuse=1" },
			      { .text = "Not shown: three are enough to choose from." } },
		.remedy_count = 4,
		.holders = { first, others, others, others, others, others, others },
		.holder_count = 2,
	};
}

static void failure_is_explained(void **state)
{
	struct process nginx = { .unit = "nginx.service", .cmdline = "/usr/sbin/nginx -g 'daemon off;'" };
	struct holder listener = { .sock = sample_sock(WIRE_TCP_LISTEN, "0.0.0.0", 80),
				   .since_boot_ns = SAMPLE_BOOT_NS - 2900000000, .pid_count = 3,
				   .pids = { sample_task(812, "nginx"), sample_task(813, "nginx"),
					     sample_task(814, "nginx") },
				   .process = &nginx };
	struct holder waiting = { .sock = sample_sock(WIRE_TCP_TIME_WAIT, "10.0.0.1", 80),
				  .owner = sample_task(700, "curl"), .owner_gone = true,
				  .expires_ms = 37040 };
	struct conflict conflict = sample_conflict(&listener, &waiting);
	struct render_options options = sample_options();
	struct wire_bind bind = sample_bind(EADDRINUSE);
	struct report report = sample_report(&bind);
	struct sample_output output;

	(void)state;
	listener.pids[0].start_boot_ns = SAMPLE_BOOT_NS - 3000000000;
	listener.pids[1].ppid = listener.pids[2].ppid = 812;
	listener.sock.flags = WIRE_REUSEADDR | WIRE_REUSEPORT | WIRE_FREEBIND;
	sample_peer(&waiting.sock, "10.0.0.5", 50000);
	report.conflict = &conflict;
	open_text(&output, options);
	render_text.event(output.render, &report);
	expect(&output,
	       "12:01:02.123  bind     977     node            tcp   0.0.0.0:80            EADDRINUSE\n"
	       "              in use  nginx[812] uid 1000, up 3.0 s, 2 workers: LISTEN 0.0.0.0:80 for 2.9 s, "
	       "nginx.service, reuseport\n"
	       "                      \"/usr/sbin/nginx -g 'daemon off;'\"\n"
	       "                      no process, left by curl[700] (exited): TIME_WAIT 10.0.0.1:80 -> "
	       "10.0.0.5:50000, 38 s left\n"
	       "              rule    a listening socket owns the port; SO_REUSEADDR cannot share a "
	       "listener\n"
	       "              do      systemctl stop nginx.service\n"
	       "              or      Start node[977] on another port.\n"
	       "              or      sysctl -w net.ipv4.tcp_tw_reuse=1  # helps after 2 s\n");
	sample_close(&output);

	/* Whose it is, where it runs, and what started it. */
	nginx.task = sample_task(812, "nginx");
	strcpy(nginx.user, "alice");
	strcpy(nginx.cwd, "/home/alice/shop");
	nginx.parents[0] = (struct wire_parent){ .pid = 4100, .comm = "zsh" };
	open_text(&output, options);
	render_text.event(output.render, &report);
	sample_flush(&output, 0);
	assert_non_null(strstr(output.text, " in use  nginx[812] alice, up 3.0 s, 2 workers: LISTEN"));
	assert_non_null(strstr(output.text, "\"/usr/sbin/nginx -g 'daemon off;'\" in ~/shop, by zsh[4100]\n"));
	sample_close(&output);

	nginx.has_execed = true;
	open_text(&output, options);
	render_text.event(output.render, &report);
	sample_flush(&output, 0);
	assert_non_null(strstr(output.text, " now runs \"/usr/sbin/nginx -g 'daemon off;'\" in ~/shop, by zsh[4100]\n"));
	sample_close(&output);
	nginx.has_execed = false;

	/* Another user's directory is not "~"; the parent, then the command line give way to the directory. */
	strcpy(nginx.cwd, "/home/alice2");
	options.width = 62;
	open_text(&output, options);
	render_text.event(output.render, &report);
	sample_flush(&output, 0);
	assert_non_null(strstr(output.text, "                      \"/usr/sbin/nginx -g 'd…\" in /home/alice2\n"));
	sample_close(&output);

	/* On a terminal sentences wrap between words; more than three holders are a number. */
	conflict.holder_count = 7;
	conflict.holders[0] = &waiting;
	waiting.sock.remote_port = 0;
	options.width = 62;
	open_text(&output, options);
	render_text.event(output.render, &report);
	sample_flush(&output, 0);
	assert_non_null(strstr(output.text,
			       "              in use  no process, left by curl[700] (exited):\n"
			       "                      TIME_WAIT 10.0.0.1:80, 38 s left\n"));
	assert_non_null(strstr(output.text,
			       "                      and 4 more\n"
			       "              rule    a listening socket owns the port;\n"
			       "                      SO_REUSEADDR cannot share a listener\n"));
	sample_close(&output);
}

/* What is copied from the lines of a command is still that command. */
static void commands_wrap_as_a_shell_reads_them(void **state)
{
	struct holder listener = { .sock = sample_sock(WIRE_TCP_LISTEN, "0.0.0.0", 80) };
	struct conflict conflict = sample_conflict(&listener, &listener);
	struct render_options options = sample_options();
	struct wire_bind bind = sample_bind(EADDRINUSE);
	struct report report = sample_report(&bind);
	struct sample_output output;

	(void)state;
	report.conflict = &conflict;
	options.width = 60;
	options.time = TIME_NONE;
	strcpy(conflict.remedies[0].command, "ip netns exec 'a name with blanks in it' kill 812 813 814 815 816 817 818 819");
	open_text(&output, options);
	render_text.event(output.render, &report);
	sample_flush(&output, 0);
	assert_non_null(strstr(output.text,
			       "do      ip netns exec 'a name with blanks in it' kill 812 \\\n"
			       "        813 814 815 816 817 818 819\n"));
	sample_close(&output);

	/* A byte that a terminal would obey: the sentence, whose names are escaped. */
	strcpy(conflict.remedies[0].command, "systemctl stop 'a\xc2\x9b" "31m.service'");
	open_text(&output, options);
	render_text.event(output.render, &report);
	sample_flush(&output, 0);
	assert_non_null(strstr(output.text, "\ndo      Stop nginx.service.\n"));
	sample_close(&output);
}

static void colour_marks_holder_and_remedy(void **state)
{
	struct holder listener = { .sock = sample_sock(WIRE_TCP_LISTEN, "0.0.0.0", 80), .pid_count = 1,
				   .pids = { sample_task(812, "nginx") } };
	struct conflict conflict = sample_conflict(&listener, &listener);
	struct render_options options = sample_options();
	struct wire_bind bind = sample_bind(EADDRINUSE);
	struct report report = sample_report(&bind);
	struct sample_output output;

	(void)state;
	conflict.holder_count = 1;
	report.conflict = &conflict;
	options.colour = true;
	options.time = TIME_NONE;
	open_text(&output, options);
	render_text.event(output.render, &report);
	expect(&output,
	       "bind     977     node            tcp   0.0.0.0:80            \033[31mEADDRINUSE\033[0m\n"
	       "in use  \033[1mnginx[812]\033[0m uid 1000: LISTEN 0.0.0.0:80\n"
	       "rule    a listening socket owns the port; SO_REUSEADDR cannot share a listener\n"
	       "do      \033[32msystemctl stop nginx.service\033[0m\n"
	       "or      \033[32mStart node[977] on another port.\033[0m\n"
	       "or      \033[32msysctl -w net.ipv4.tcp_tw_reuse=1\033[0m  # helps after 2 s\n");
	sample_close(&output);
}

static void colour_repeats_what_words_say(void **state)
{
	struct render_options options = sample_options();
	struct wire_bind bind = sample_bind(EACCES);
	struct wire_release release = { .hdr = SAMPLE_HDR(RELEASE, release), .sock = bind.sock };
	struct sample_output output;

	(void)state;
	options.colour = true;
	options.time = TIME_NONE;
	open_text(&output, options);
	show(&output, &bind);
	show(&output, &release);
	expect(&output,
	       "bind     977     node            tcp   0.0.0.0:80            \033[31mEACCES\033[0m\n"
	       "\033[2mrelease  -       -               tcp   0.0.0.0:80\033[0m\n");
	sample_close(&output);
}

static void names_cannot_control_the_terminal(void **state)
{
	struct render_options options = sample_options();
	struct wire_bind bind = sample_bind(0);
	struct report report = sample_report(&bind);
	struct sample_output output;

	(void)state;
	memcpy(bind.task.comm, "\033[2J\xe2\x80\xae\nabcdefgh", 16); /* no NUL at the end */
	report.interface = "e\nth";
	options.time = TIME_NONE;
	open_text(&output, options);
	render_text.event(output.render, &report);
	expect(&output, "bind     977     \\x1b[2J\\u202e\\x0aabcdefgh tcp 0.0.0.0:80    on e\\x0ath\n");
	sample_close(&output);
}

static size_t count_lines(const char *text)
{
	size_t lines = 0;

	for (; *text; text++)
		lines += *text == '\n';
	return lines;
}

static void storm_folds(void **state)
{
	struct render_options options = sample_options();
	struct wire_connect connect = sample_connect(0);
	struct wire_bind bind = sample_bind(EINVAL);
	struct sample_output output;

	(void)state;
	options.time = TIME_RELATIVE;
	open_text(&output, options);
	/* Each by another process, as of a loop in a shell. */
	for (uint16_t i = 0; i < 1206; i++) {
		connect.hdr.boot_ns = SAMPLE_BOOT_NS + i * 100000ULL;
		connect.sock.local_port = 40000 + i;
		connect.task.pid = 4242 + i;
		show(&output, &connect);
	}
	for (int i = 0; i < 5; i++)
		show(&output, &bind);
	sample_flush(&output, SAMPLE_BOOT_NS + 999999999);
	assert_int_equal(count_lines(output.text), 6);

	/* The count is reported once. */
	sample_flush(&output, SAMPLE_BOOT_NS + 1000000000);
	sample_flush(&output, SAMPLE_BOOT_NS + 3000000000);
	assert_non_null(strstr(output.text,
			       "1.000       +1,203 connect curl[4245..5447] tcp -> 127.0.0.1:80 (1.0 s)\n"
			       "1.000       +2 bind node[977] tcp 0.0.0.0:80 EINVAL (1.0 s)\n"));
	assert_null(strstr(strstr(output.text, "+2 bind"), "+1,203 connect"));

	/* Nothing came for a while, so they are shown again; stop reports what is left. */
	bind.hdr.boot_ns = SAMPLE_BOOT_NS + 4000000000;
	for (int i = 0; i < 4; i++)
		show(&output, &bind);
	render_text.stop(output.render,
			 &(struct stop_report){ .boot_ns = SAMPLE_BOOT_NS + 4500000000 });
	sample_flush(&output, 0);
	assert_non_null(strstr(output.text,
			       "4.500       +1 bind node[977] tcp 0.0.0.0:80 EINVAL\n"));
	sample_close(&output);
}

/* While a storm lasts the counts come at growing distances. */
static void counts_come_more_rarely(void **state)
{
	struct render_options options = sample_options();
	struct wire_connect connect = sample_connect(0);
	struct sample_output output;

	(void)state;
	options.time = TIME_RELATIVE;
	open_text(&output, options);
	for (uint64_t tenth = 0; tenth < 400; tenth++) {
		connect.hdr.boot_ns = SAMPLE_BOOT_NS + tenth * 100000000ULL;
		show(&output, &connect);
		sample_flush(&output, connect.hdr.boot_ns);
	}
	expect(&output,
	       "0.000       connect  4242    curl            tcp   127.0.0.1:40000       -> 127.0.0.1:80\n"
	       "0.100       connect  4242    curl            tcp   127.0.0.1:40000       -> 127.0.0.1:80\n"
	       "0.200       connect  4242    curl            tcp   127.0.0.1:40000       -> 127.0.0.1:80\n"
	       "1.000       +8 connect curl[4242] tcp -> 127.0.0.1:80 (1.0 s)\n"
	       "3.000       +20 connect curl[4242] tcp -> 127.0.0.1:80 (2.0 s)\n"
	       "7.000       +40 connect curl[4242] tcp -> 127.0.0.1:80 (4.0 s)\n"
	       "15.000      +80 connect curl[4242] tcp -> 127.0.0.1:80 (8.0 s)\n"
	       "25.000      +100 connect curl[4242] tcp -> 127.0.0.1:80 (10.0 s)\n"
	       "35.000      +100 connect curl[4242] tcp -> 127.0.0.1:80 (10.0 s)\n");
	sample_close(&output);
}

/* A crash loop: the conflict once, then counts over all its processes; a new holder is explained. */
static void conflict_is_explained_once(void **state)
{
	struct holder listener = { .sock = sample_sock(WIRE_TCP_LISTEN, "0.0.0.0", 80), .pid_count = 1,
				   .pids = { sample_task(812, "nginx") } };
	struct conflict conflict = sample_conflict(&listener, &listener);
	struct render_options options = sample_options();
	struct wire_bind bind = sample_bind(EADDRINUSE);
	struct report report = sample_report(&bind);
	struct sample_output output;

	(void)state;
	conflict.cause = "listener-exists";
	conflict.holder_count = conflict.remedy_count = 1;
	report.conflict = &conflict;
	options.time = TIME_RELATIVE;
	open_text(&output, options);
	for (uint32_t i = 0; i < 8; i++) {
		bind.hdr.boot_ns = SAMPLE_BOOT_NS + i * 900000000ULL;
		bind.task.pid = 977 + i;
		render_text.event(output.render, &report);
	}
	listener.sock.cookie++;
	render_text.event(output.render, &report);
	render_text.stop(output.render, &(struct stop_report){ .boot_ns = bind.hdr.boot_ns });
	expect(&output,
	       "0.000       bind     977     node            tcp   0.0.0.0:80            EADDRINUSE\n"
	       "            in use  nginx[812] uid 1000: LISTEN 0.0.0.0:80\n"
	       "            rule    a listening socket owns the port; SO_REUSEADDR cannot share a listener\n"
	       "            do      systemctl stop nginx.service\n"
	       "1.800       again ×2 node[978..979] tcp 0.0.0.0:80 EADDRINUSE (1.8 s)\n"
	       "4.500       again ×3 node[980..982] tcp 0.0.0.0:80 EADDRINUSE (2.7 s)\n"
	       "6.300       bind     984     node            tcp   0.0.0.0:80            EADDRINUSE\n"
	       "            in use  nginx[812] uid 1000: LISTEN 0.0.0.0:80\n"
	       "            rule    a listening socket owns the port; SO_REUSEADDR cannot share a listener\n"
	       "            do      systemctl stop nginx.service\n"
	       "6.300       again ×2 node[983..984] tcp 0.0.0.0:80 EADDRINUSE (1.8 s)\n");
	sample_close(&output);
}

/* More keys than slots: an evicted key is reported first, so the sum is right. */
static void folding_never_loses_count(void **state)
{
	struct render_options options = sample_options();
	struct sample_output output;
	unsigned int shown = 0, folded = 0;
	const uint16_t keys = 300;
	char *line, *rest;

	(void)state;
	options.time = TIME_NONE;
	open_text(&output, options);
	for (uint16_t i = 0; i < 10 * keys; i++) {
		struct wire_bind bind = sample_bind(EADDRINUSE);

		bind.sock.local_port = 1 + i / 10 % keys;
		bind.hdr.boot_ns += i;
		show(&output, &bind);
	}
	render_text.stop(output.render, &(struct stop_report){ .boot_ns = SAMPLE_BOOT_NS + 5000 });
	sample_flush(&output, 0);
	for (line = strtok_r(output.text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		unsigned int count;

		if (sscanf(line, "+%u bind", &count) == 1)
			folded += count;
		else
			shown++;
	}
	assert_int_equal(shown, 3 * keys);
	assert_int_equal(shown + folded, 10 * keys);
	sample_close(&output);
}

/* 1,000 of each: refusals of a port, failed and short connections, binds, in 5 s. */
static void a_storm_fits_on_one_screen(void **state)
{
	struct holder listener = { .sock = sample_sock(WIRE_TCP_LISTEN, "0.0.0.0", 80), .pid_count = 1,
				   .pids = { sample_task(812, "nginx") } };
	struct conflict conflict = sample_conflict(&listener, &listener);
	struct render_options options = sample_options();
	struct sample_output output;
	unsigned int counted[4] = {};
	char *line, *rest;

	(void)state;
	conflict.cause = "listener-exists";
	conflict.holder_count = 1;
	options.width = 80;
	options.sums_churn = true;
	open_text(&output, options);
	for (uint32_t i = 0; i < 1000; i++) {
		struct wire_bind refused = sample_bind(EADDRINUSE), bound = sample_bind(0);
		struct wire_connect connect = sample_connect(0), failed = sample_connect(EADDRNOTAVAIL);
		struct report report = sample_report(&refused);

		report.conflict = &conflict;
		refused.task.pid = bound.task.pid = connect.task.pid = failed.task.pid = 1000 + i;
		refused.hdr.boot_ns = bound.hdr.boot_ns = connect.hdr.boot_ns = failed.hdr.boot_ns =
			SAMPLE_BOOT_NS + i * 5000000ULL;
		render_text.event(output.render, &report);
		show(&output, &bound);
		show(&output, &connect);
		show(&output, &failed);
		if (i % 20 == 0)
			sample_flush(&output, refused.hdr.boot_ns);
	}
	render_text.stop(output.render, &(struct stop_report){ .boot_ns = SAMPLE_BOOT_NS + 5000000000 });
	sample_flush(&output, 0);
	assert_true(count_lines(output.text) <= 24 + 6);
	/* Every one is in a row or in a count. */
	for (line = strtok_r(output.text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		bool is_bind = strstr(line, "bind") || strstr(line, "again"), is_failed = strstr(line, "EADDR");
		unsigned int count = 1;

		if (line[0] == ' ')
			continue;
		if (sscanf(line + 14, "+%u ", &count) != 1)
			sscanf(line + 14, "again ×%u ", &count);
		counted[2 * !is_bind + is_failed] += count;
	}
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(counted[i], 1000);
	sample_close(&output);
}

static void churn_is_two_lines(void **state)
{
	struct churn churn = {
		.netns = 7, .interval_s = 1, .timewait_live = 12044, .timewait_entered = 1204,
		.timewait_expired = 980, .ephemeral_allocated = 1204, .ephemeral_released = 684,
		.ephemeral_in_use = 24000, .in_use_known = true, .range_low = 32768,
		.range_high = 60999, .top_count = 1,
		.top = { { .task = sample_task(4242, "curl"), .remote_port = 443,
			   .allocated = 1204, .timewait = 1060 } },
	};
	struct wire_pool pool = { .hdr = SAMPLE_HDR(POOL, pool), .netns = 7, .protocol = IPPROTO_TCP,
				  .remote_port = 443, .range_low = 32768, .range_high = 60999,
				  .capacity = 28232, .in_use = 11600 };
	struct model *model = model_new(NULL);
	struct sample_output output;

	(void)state;
	sample_address(pool.local_addr, "10.0.0.1");
	sample_address(pool.remote_addr, "10.0.0.5");
	pool.hdr.boot_ns = SAMPLE_BOOT_NS - 1000000000;
	assert_int_equal(model_apply(model, &pool.hdr), 0);
	pool.hdr.boot_ns = SAMPLE_BOOT_NS;
	pool.in_use = 12140;
	assert_int_equal(model_apply(model, &pool.hdr), 0);
	memcpy(churn.top[0].remote_addr, pool.remote_addr, 16);
	open_text(&output, sample_options());
	render_text.churn(output.render, &churn, model, SAMPLE_BOOT_NS);
	/* No process has most of the ports, and the port usage was not counted in time. */
	churn.began_boot_ns = SAMPLE_BOOT_NS + 1;
	churn.top_count = 0;
	churn.ephemeral_failed = 12;
	churn.timewait_overflowed = 3;
	render_text.churn(output.render, &churn, model, SAMPLE_BOOT_NS);
	render_text.lost(output.render, 1204, "ring buffer full", SAMPLE_BOOT_NS);
	expect(&output,
	       "12:01:02.123  timewait  12,044 live  +1,204/s  -980/s  "
	       "88 % curl[4242] -> 10.0.0.5:443\n"
	       "12:01:02.123  ephemeral  1,204/s taken  43 % of 28,232 to 10.0.0.5:443  "
	       "full in 29 s at this rate\n"
	       "12:01:02.123  timewait  12,044 live  +1,204/s  -980/s  3 dropped (tcp_max_tw_buckets)\n"
	       "12:01:02.123  ephemeral  1,204/s taken  12 failed\n"
	       "12:01:02.123  lost     1,204 events: ring buffer full\n");
	sample_close(&output);
	model_free(model);
}

/* What is not notable is a line every 10 s, with nothing lost; a failure is shown at once. */
static void small_churn_is_summed(void **state)
{
	struct churn churn = { .netns = 7, .interval_s = 1, .timewait_live = 4, .timewait_entered = 2,
			       .ephemeral_allocated = 5 };
	struct render_options options = sample_options();
	struct sample_output output;
	uint64_t now = SAMPLE_BOOT_NS;

	(void)state;
	options.time = TIME_RELATIVE;
	options.sums_churn = true;
	open_text(&output, options);
	for (int i = 0; i < 5; i++, now += 1000000000)
		render_text.churn(output.render, &churn, NULL, now);
	sample_flush(&output, SAMPLE_BOOT_NS + 9000000000);
	sample_flush(&output, SAMPLE_BOOT_NS + 10000000000);
	churn.ephemeral_failed = 1;
	render_text.churn(output.render, &churn, NULL, SAMPLE_BOOT_NS + 11000000000);
	churn.ephemeral_failed = 0;
	churn.timewait_entered = 0;
	render_text.churn(output.render, &churn, NULL, SAMPLE_BOOT_NS + 12000000000);
	churn.ephemeral_allocated = 100;
	render_text.churn(output.render, &churn, NULL, SAMPLE_BOOT_NS + 13000000000);
	churn.ephemeral_allocated = 2;
	render_text.churn(output.render, &churn, NULL, SAMPLE_BOOT_NS + 14000000000);
	render_text.stop(output.render, &(struct stop_report){ .boot_ns = SAMPLE_BOOT_NS + 15000000000 });
	expect(&output,
	       "0.000       timewait  4 live  +2.0/s\n"
	       "0.000       ephemeral  5.0/s taken\n"
	       "10.000      timewait  4 live  +2.0/s\n"
	       "10.000      ephemeral  5.0/s taken\n"
	       "11.000      timewait  4 live  +2.0/s\n"
	       "11.000      ephemeral  5.0/s taken  1 failed\n"
	       "13.000      ephemeral  53/s taken\n"
	       "15.000      ephemeral  2.0/s taken\n");
	sample_close(&output);
}

static void ports_are_a_table(void **state)
{
	struct port_fd third = { .task = sample_task(814, "nginx"), .fd = 7 };
	struct port_fd second = { .task = sample_task(813, "nginx"), .fd = 6, .next = &third };
	struct port_fd again = { .task = sample_task(812, "nginx"), .fd = 7, .next = &second };
	struct port_fd first = { .task = sample_task(812, "nginx"), .fd = 6, .next = &again };
	struct port_entry listener = { .sock = sample_sock(WIRE_TCP_LISTEN, "0.0.0.0", 80),
				       .fds = &first, .backlog = 511 };
	struct port_entry waiting = { .sock = sample_sock(WIRE_TCP_TIME_WAIT, "10.0.0.1", 40000),
				      .owner = sample_task(700, "curl"),
				      .expires_boot_ns = SAMPLE_BOOT_NS + 37000000000 };
	struct port_entry kernel = { .sock = sample_sock(WIRE_TCP_CLOSE, "::", 2049) };
	struct port_entry queued = { .sock = sample_sock(WIRE_TCP_ESTABLISHED, "10.0.0.1", 80) };
	const struct port_entry *entries[] = { &listener, &waiting, &kernel, &queued };
	struct sample_output output;

	(void)state;
	listener.queue = 2;
	sample_peer(&waiting.sock, "10.0.0.5", 443);
	sample_peer(&queued.sock, "10.0.0.9", 50000);
	kernel.sock.protocol = IPPROTO_UDP;
	kernel.sock.flags = WIRE_KERNEL_OWNED | WIRE_REUSEPORT;
	for (int round = 0; round < 2; round++) {
		open_text(&output, sample_options());
		for (size_t i = 0; i < 4; i++) {
			struct port_report port = { .entry = entries[i], .boot_ns = SAMPLE_BOOT_NS };

			render_text.port(output.render, &port);
		}
		if (round == 0)
			expect(&output,
			       "PID USER COMM             PROTO STATE       QUEUE LOCAL          REMOTE         DETAIL\n"
			       "812 1000 nginx +2         tcp   LISTEN      2/511 0.0.0.0:80\n"
			       "700 1000 curl             tcp   TIME_WAIT         10.0.0.1:40000 10.0.0.5:443   37 s left\n"
			       "-   33   [kernel]         udp   BOUND             *:2049                        reuseport\n"
			       "-   33   not accepted yet tcp   ESTABLISHED       10.0.0.1:80    10.0.0.9:50000\n");
		else
			expect(&output,
			       "NETNS      PID USER COMM             PROTO STATE       QUEUE LOCAL          REMOTE         DETAIL\n"
			       "4026531840 812 1000 nginx +2         tcp   LISTEN      2/511 0.0.0.0:80\n"
			       "4026531840 700 1000 curl             tcp   TIME_WAIT         10.0.0.1:40000 10.0.0.5:443   37 s left\n"
			       "7          -   33   [kernel]         udp   BOUND             *:2049                        reuseport\n"
			       "4026531840 -   33   not accepted yet tcp   ESTABLISHED       10.0.0.1:80    10.0.0.9:50000\n");
		sample_close(&output);
		kernel.sock.netns = 7;
	}
}

static void large_tables_come_in_parts(void **state)
{
	struct port_entry entry = { .sock = sample_sock(WIRE_TCP_CLOSE, "0.0.0.0", 1) };
	struct port_report port = { .entry = &entry };
	struct sample_output output;
	size_t lines = 0;

	(void)state;
	open_text(&output, sample_options());
	for (int i = 0; i < 20000; i++)
		render_text.port(output.render, &port);
	sample_flush(&output, 0);
	for (size_t i = 0; i < output.length; i++)
		lines += output.text[i] == '\n';
	assert_int_equal(lines, 20001);
	sample_close(&output);
}

/* A damaged or crafted capture holds any 64-bit time. UBSan stops the test where one overflows. */
static void extreme_times(void **state)
{
	static const uint64_t boot[] = { 0, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX };
	static const int64_t offsets[] = { INT64_MIN, 0, INT64_MAX };
	struct wire_bind bind = sample_bind(EADDRINUSE);
	struct sample_output output;

	(void)state;
	for (int style = TIME_WALL; style <= TIME_NONE; style++) {
		for (size_t i = 0; i < 12; i++) {
			struct render_options options = { .time = (enum time_style)style,
							  .boot_to_wall_ns = offsets[i % 3],
							  .start_boot_ns = boot[(i + 1) % 4] };

			bind.hdr.boot_ns = boot[i % 4];
			open_text(&output, options);
			for (int j = 0; j < 5; j++)
				show(&output, &bind);
			render_text.stop(output.render, &(struct stop_report){ .boot_ns = boot[(i + 2) % 4] });
			sample_flush(&output, UINT64_MAX);
			assert_non_null(strstr(output.text, "EADDRINUSE"));
			/* Five binds within a second, even if the stop record has an earlier time. */
			assert_null(strstr(output.text, " d "));
			sample_close(&output);
		}
	}
}

/* Counts and intervals of a capture may contradict each other: no rate may overflow. */
static void extreme_rates(void **state)
{
	static const double intervals[] = { 1e-300, 1, -1, 0.0 / 0.0 };
	const struct renderer *formats[] = { &render_text, &render_ephemeral };
	struct sample_output output;

	(void)state;
	for (size_t i = 0; i < 8; i++) {
		struct churn churn = { .interval_s = intervals[i % 4], .timewait_live = UINT64_MAX,
				       .timewait_entered = UINT64_MAX, .timewait_expired = UINT64_MAX,
				       .ephemeral_allocated = UINT64_MAX, .ephemeral_failed = UINT64_MAX,
				       .ephemeral_in_use = UINT64_MAX, .in_use_known = true,
				       .range_low = 1, .range_high = 65535, .searches_timed = true,
				       .searches = { [1] = { .count = UINT64_MAX, .max_ns = UINT64_MAX } } };
		struct model *model = model_new(NULL);

		sample_open(&output, formats[i / 4], sample_options());
		output.renderer->churn(output.render, &churn, model, SAMPLE_BOOT_NS);
		sample_flush(&output, 0);
		assert_non_null(strstr(output.text, "18,446,744,073,709,551,615/s"));
		sample_close(&output);
		model_free(model);
	}
}

static void output_errors_are_returned(void **state)
{
	struct render_options options = sample_options();
	struct wire_bind bind = sample_bind(0);
	struct report report = sample_report(&bind);
	struct render *render;

	(void)state;
	options.out = fopen("/dev/full", "w");
	render = render_text.open(&options);
	render_text.event(render, &report);
	assert_int_equal(render_text.flush(render, SAMPLE_BOOT_NS), -ENOSPC);
	assert_int_equal(render_text.flush(render, SAMPLE_BOOT_NS), -ENOSPC);
	render_text.close(render);
	fclose(options.out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stream_begins_and_ends),
		cmocka_unit_test(columns_are_the_rows_of_fields),
		cmocka_unit_test(cells_align),
		cmocka_unit_test(quiet_leaves_out_headers),
		cmocka_unit_test(pools_have_a_bar_and_their_past),
		cmocka_unit_test(the_busiest_pool_has_a_row),
		cmocka_unit_test(events_are_lines),
		cmocka_unit_test(eighty_columns_suffice),
		cmocka_unit_test(failure_is_explained),
		cmocka_unit_test(commands_wrap_as_a_shell_reads_them),
		cmocka_unit_test(colour_marks_holder_and_remedy),
		cmocka_unit_test(colour_repeats_what_words_say),
		cmocka_unit_test(names_cannot_control_the_terminal),
		cmocka_unit_test(storm_folds),
		cmocka_unit_test(counts_come_more_rarely),
		cmocka_unit_test(conflict_is_explained_once),
		cmocka_unit_test(folding_never_loses_count),
		cmocka_unit_test(a_storm_fits_on_one_screen),
		cmocka_unit_test(churn_is_two_lines),
		cmocka_unit_test(small_churn_is_summed),
		cmocka_unit_test(ports_are_a_table),
		cmocka_unit_test(large_tables_come_in_parts),
		cmocka_unit_test(extreme_times),
		cmocka_unit_test(extreme_rates),
		cmocka_unit_test(output_errors_are_returned),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
