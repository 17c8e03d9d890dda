/* SPDX-License-Identifier: GPL-2.0-only */
/* The answer of `why` in both formats. */
#include <errno.h>

#include "render_sample.h"

#include "render/json.h"
#include "render/text.h"

static struct wire_sock sock;
static struct holder holder, elsewhere;
static struct conflict conflict;

/* nginx listens on every address, and the user runs `why` for its port. */
static struct why_report refused_report(void)
{
	sock = sample_sock(WIRE_TCP_CLOSE, "::", 80);
	sock.family = AF_INET6;
	holder = (struct holder){ .sock = sample_sock(WIRE_TCP_LISTEN, "0.0.0.0", 80), .pid_count = 1 };
	holder.pids[0] = sample_task(812, "nginx");
	elsewhere = holder;
	elsewhere.sock.netns = 4026532281;
	conflict = (struct conflict){
		.cause = "listener-exists",
		.why = "nginx (812) listens on *:80.",
		.fix = "Stop nginx (812).",
		.holders = { &holder },
		.holder_count = 1,
		.holder_more = 7,
	};
	return (struct why_report){
		.boot_ns = SAMPLE_BOOT_NS,
		.sock = &sock,
		.error = EADDRINUSE,
		.error_with_reuseaddr = EADDRINUSE,
		.conflict = &conflict,
		.service = "http",
		.privileged = true,
		.range_low = 32768,
		.range_high = 60999,
	};
}

static struct why_report free_report(void)
{
	struct why_report report = refused_report();

	report.error = report.error_with_reuseaddr = 0;
	conflict = (struct conflict){ .why = "Nothing stands in the way." };
	return report;
}

static void expect(const struct renderer *renderer, const struct why_report *report, const char *want)
{
	struct render_options options = sample_options();
	struct sample_output output;

	options.time = TIME_NONE;
	sample_open(&output, renderer, options);
	renderer->why(output.render, report);
	sample_flush(&output, SAMPLE_BOOT_NS);
	assert_non_null(strstr(output.text, want));
	sample_close(&output);
}

static void text_names_holder_and_fix(void **state)
{
	struct why_report report = refused_report();

	(void)state;
	report.elsewhere = &elsewhere;
	report.elsewhere_count = 1;
	report.elsewhere_more = 2;
	expect(&render_text, &report,
	       "tcp *:80: in use: bind() would fail with EADDRINUSE, with SO_REUSEADDR too\n"
	       "in use  nginx[812] uid 1000: LISTEN 0.0.0.0:80\n"
	       "        and 7 more\n"
	       "rule    nginx (812) listens on *:80.\n"
	       "do      Stop nginx (812).\n"
	       "port    http, privileged here\n"
	       "note    also on port 80, no conflict: nginx[812] uid 1000: LISTEN 0.0.0.0:80, in netns 4026532281\n"
	       "note    and 2 more in other network namespaces\n");
}

/* Only the holder's options, which are not known, decide. */
static void uncertain_answers(void **state)
{
	struct why_report report = refused_report();

	(void)state;
	report.is_uncertain_with_reuseaddr = true;
	expect(&render_text, &report,
	       "tcp *:80: in use: bind() would fail with EADDRINUSE, with SO_REUSEADDR too unless the holder has it as well, "
	       "which is not known\n");
	expect(&render_json, &report, "\"free\":false,\"cause\"");
	report.is_uncertain = true;
	expect(&render_text, &report,
	       "tcp *:80: in use: bind() would fail with EADDRINUSE unless the holder has the same option, which is not known\n");
	expect(&render_json, &report, "\"port\":80,\"cause\"");
}

static void text_of_the_next_refusal(void **state)
{
	struct why_report report = refused_report();

	(void)state;
	report.error = EACCES;
	report.later = "nginx (812) listens on *:80.";
	expect(&render_text, &report, "refused: bind() would fail with EACCES\n");
	expect(&render_text, &report, "\nthen    nginx (812) listens on *:80.\n");
}

static void text_of_a_free_port(void **state)
{
	struct why_report report = free_report();

	(void)state;
	sock.local_port = 40000;
	report.service = NULL;
	report.privileged = false;
	expect(&render_text, &report,
	       "tcp *:40000: free: bind() would succeed\n"
	       "rule    Nothing stands in the way.\n"
	       "port    inside the ephemeral range 32768 to 60999: any outgoing connection may be given it\n");
	sock.local_port = 3000; /* nothing is worth a line */
	expect(&render_text, &report, "tcp *:3000: free: bind() would succeed\nrule    Nothing stands in the way.\n");
	sock.local_port = 40000;
	sock.family = AF_INET;
	expect(&render_text, &report, "tcp *:40000 (IPv4 only): ");
}

/* A listener and 12 TIME_WAITs, which do not matter as long as it listens. */
static void text_of_time_waits_that_are_not_the_reason(void **state)
{
	static struct holder closed[12];
	struct why_report report = refused_report();

	(void)state;
	for (size_t i = 0; i < 12; i++) {
		closed[i].sock = sample_sock(WIRE_TCP_TIME_WAIT, "10.0.0.1", 80);
		closed[i].expires_ms = 1000 * (uint32_t)(i + 1);
		conflict.holders[1 + i] = &closed[i];
	}
	conflict.holder_count = 13;
	expect(&render_text, &report,
	       "in use  nginx[812] uid 1000: LISTEN 0.0.0.0:80\n"
	       "rule    nginx (812) listens on *:80.\n");
	expect(&render_text, &report, "note    also on port 80: 19 TIME_WAITs, 12 s left\n");
}

static void text_of_a_port_that_is_free_with_reuseaddr(void **state)
{
	struct why_report report = refused_report();

	(void)state;
	report.error_with_reuseaddr = 0;
	expect(&render_text, &report,
	       "tcp *:80: free for servers that set SO_REUSEADDR (most do); others get EADDRINUSE\n");
	conflict.remedies[1] = (struct remedy){ .action = REMEDY_WAIT, .effect = REMEDY_AFTER, .after_s = 41 };
	conflict.remedy_count = 2;
	expect(&render_text, &report,
	       "tcp *:80: free for servers that set SO_REUSEADDR (most do); others must wait 41 s\n");
	expect(&render_json, &report, "\"free\":false,\"free_with_reuseaddr\":true,");
}

static void json_has_what_is_known(void **state)
{
	struct why_report report = refused_report();

	(void)state;
	expect(&render_json, &report,
	       "\"protocol\":\"tcp\",\"address\":\"::\",\"port\":80,\"free\":false,"
	       "\"free_with_reuseaddr\":false,\"cause\":\"listener-exists\",");
	expect(&render_json, &report, "\"pids\":[{\"pid\":812,\"comm\":\"nginx\",\"uid\":1000,\"ppid\":1}]}],\"service\":\"http\","
				      "\"range\":\"well-known\",\"privileged\":true,\"reserved\":false,"
				      "\"in_ephemeral_range\":false}\n");
	report = free_report();
	report.range_high = 0;
	report.service = NULL;
	expect(&render_json, &report, "\"free\":true,\"free_with_reuseaddr\":true,\"why\":\"Nothing stands in the way.\",\"holders\":[],"
				      "\"range\":\"well-known\",\"privileged\":true,\"reserved\":false}\n");
	sock.local_port = 0;
	expect(&render_json, &report, "\"port\":0,\"free\":true,\"free_with_reuseaddr\":true,\"why\":\"Nothing stands in the way.\","
				      "\"holders\":[]}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_names_holder_and_fix),
		cmocka_unit_test(uncertain_answers),
		cmocka_unit_test(text_of_the_next_refusal),
		cmocka_unit_test(text_of_a_free_port),
		cmocka_unit_test(text_of_time_waits_that_are_not_the_reason),
		cmocka_unit_test(text_of_a_port_that_is_free_with_reuseaddr),
		cmocka_unit_test(json_has_what_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
