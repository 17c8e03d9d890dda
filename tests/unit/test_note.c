/* SPDX-License-Identifier: GPL-2.0-only */
/* The notes of a refusal, from facts in the model. */
#include "scene.h"

static struct scene scene;
static struct conflict conflict;
static struct model *model;

static int set_up(void **state)
{
	(void)state;
	model = make_model();
	scene = (struct scene){.netns.now = {.range_low = 32768, .range_high = 60999, .unprivileged_start = 1024}};
	tcp(&scene, 0, 0, WIRE_TCP_LISTEN)->since_boot_ns = NOW - SECOND;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	model_free(model);
	return 0;
}

/* The ids of the notes, joined by spaces. */
static const char *notes(void)
{
	static char text[128];
	size_t length = 0;

	text[0] = '\0';
	scene_diagnose(&scene, model, &conflict);
	for (size_t i = 0; i < conflict.note_count; i++) {
		expect_sentence(conflict.notes[i].id, conflict.notes[i].text, "");
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%s", i ? " " : "",
					   conflict.notes[i].id);
	}
	return text;
}

static void nothing_is_noted_without_a_reason(void **state)
{
	(void)state;
	assert_string_equal(notes(), "");
	assert_int_equal(conflict.repeat, 0);
}

static void the_callers_own_descriptor_is_named(void **state)
{
	struct holder *holder = &scene.holders[0];

	(void)state;
	holder->pids[1] = scene.claim.task;
	holder->fds[1] = 3;
	holder->pid_count = 2;
	assert_string_equal(notes(), "caller-has-it");
	assert_string_equal(conflict.notes[0].text, "fd 3 of node[977] is this listener already.");
	holder->fds[1] = WIRE_FDLESS;
	assert_string_equal(notes(), "caller-has-it");
	assert_string_equal(conflict.notes[0].text, "node[977] has this listener already.");
}

static void describe(uint32_t pid, const char *exe, const char *cmdline, uint32_t parent)
{
	struct wire_process event = make_process(1, pid, "/");

	snprintf(event.exe, sizeof(event.exe), "%s", exe);
	event.cmdline_len = (uint32_t)snprintf(event.cmdline, sizeof(event.cmdline), "%s", cmdline);
	event.parents[0].pid = parent;
	assert_int_equal(model_apply(model, &event.hdr), 0);
}

static void the_same_program_is_a_second_instance(void **state)
{
	static const struct {
		const char *mine, *my_args, *other, *other_args;
		bool is_same;
	} cases[] = {
		{"/usr/sbin/nginx", "nginx", "/usr/sbin/nginx", "nginx -g x", true},
		{"/usr/sbin/nginx", "nginx", "/usr/sbin/nginx (deleted)", "nginx", true},
		{"/usr/sbin/nginx", "nginx", "/opt/sbin/nginx", "nginx", false},
		{"/usr/bin/node", "node a.js", "/usr/bin/node", "node a.js", true},
		{"/usr/bin/node", "node a.js", "/usr/bin/node", "node b.js", false},
		{"/usr/bin/python3.11", "python3 x", "/usr/bin/python3.11", "python3 y", false},
		{"/usr/bin/node", "", "/usr/bin/node", "", false}, /* not known */
		{"", "", "", "", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		describe(977, cases[i].mine, cases[i].my_args, 40);
		describe(812, cases[i].other, cases[i].other_args, 41);
		assert_string_equal(notes(), cases[i].is_same ? "second-instance" : "");
	}
	describe(977, "/usr/sbin/nginx", "nginx", 40);
	describe(812, "/usr/sbin/nginx", "nginx", 40);
	notes();
	assert_string_equal(conflict.notes[0].text,
			    "nginx[812] runs the same program, for 3 min: reload or stop that one.");
	/* A parent and its worker are one instance. */
	describe(977, "/usr/sbin/nginx", "nginx", 812);
	assert_string_equal(notes(), "");
	/* The port of an outgoing connection is no sign of a server. */
	describe(977, "/usr/sbin/nginx", "nginx", 40);
	scene.holders[0].sock.state = WIRE_TCP_ESTABLISHED;
	set_remote(&scene.holders[0].sock, "10.0.0.5", 443);
	assert_string_equal(notes(), "");
}

static void failed(uint64_t ns, uint32_t pid)
{
	struct wire_bind event = {.hdr = MAKE_HDR(BIND, bind, ns), .sock = scene.claim.sock, .task = scene.claim.task,
				  .error = EADDRINUSE};

	event.task.pid = pid;
	assert_int_equal(model_apply(model, &event.hdr), 0);
	assert_int_equal(model_apply(model, &event.hdr), 0); /* the same fact twice */
}

static void failures_of_new_processes_are_a_restart_loop(void **state)
{
	(void)state;
	failed(NOW - 121 * SECOND, 975);
	failed(NOW - 60 * SECOND, 976);
	assert_string_equal(notes(), "");
	assert_int_equal(conflict.repeat, 2);
	failed(NOW - SECOND, 977);
	assert_string_equal(notes(), "restart-loop");
	assert_int_equal(conflict.repeat, 3);
	assert_string_equal(conflict.notes[0].text, "node has failed so on port 8080 3 times in 2 min, in 3 processes: "
						    "something starts it again.");
	scene.claim.error = EACCES; /* fails otherwise */
	assert_string_equal(notes(), "");
	scene.claim.error = EADDRINUSE;
	failed(NOW + 601 * SECOND, 978);
	assert_string_equal(notes(), "");
	assert_int_equal(conflict.repeat, 1);
}

static void one_process_that_retries_is_no_loop(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 5; i++)
		failed(NOW - SECOND + i, 977);
	assert_string_equal(notes(), "");
	assert_int_equal(conflict.repeat, 5);
}

static void many_failing_programs_evict_the_oldest(void **state)
{
	(void)state;
	failed(1, 977);
	failed(2, 977);
	for (unsigned int i = 0; i < REPEATS_MAX; i++) {
		scene.claim.sock.local_port = (uint16_t)(20000 + i);
		failed(3 + i, 977);
	}
	scene.claim.sock.local_port = PORT;
	notes();
	assert_int_equal(conflict.repeat, 0);
}

/* bind() to port 0, and a close. */
static void reserve(uint32_t pid, uint32_t ppid, uint64_t closed_boot_ns)
{
	static uint64_t cookie = 100;
	struct wire_close event = {.hdr = MAKE_HDR(CLOSE, close, closed_boot_ns), .sock = scene.claim.sock,
				   .task = make_task(pid, "finder")};

	event.sock.cookie = cookie++;
	event.sock.flags = WIRE_PORT_EPHEMERAL;
	event.task.ppid = ppid;
	assert_int_equal(model_apply(model, &event.hdr), 0);
}

static void a_reservation_is_lost_to_a_stranger(void **state)
{
	struct holder *holder = &scene.holders[0];

	(void)state;
	holder->sock.flags = WIRE_PORT_EPHEMERAL;
	holder->sock.state = WIRE_TCP_CLOSE;
	reserve(977, 40, NOW - 1090000000);
	assert_string_equal(notes(), "reservation-lost");
	assert_string_equal(conflict.notes[0].text,
			    "finder[977] held port 8080 until 1.0 s ago, then nginx[812] was given it: keep that socket open "
			    "and hand it over, or bind to port 0 again.");
	holder->since_boot_ns = NOW - 2 * SECOND; /* had it before */
	assert_string_equal(notes(), "");
	holder->since_boot_ns = 0; /* not known */
	assert_string_equal(notes(), "");
}

/* The ports of TCP and UDP have nothing to do with each other. */
static void a_reservation_is_of_its_protocol(void **state)
{
	(void)state;
	scene.holders[0].sock.flags = WIRE_PORT_EPHEMERAL;
	scene.holders[0].sock.state = WIRE_TCP_CLOSE;
	reserve(977, 40, NOW - 1090000000);
	scene.claim.sock.protocol = scene.holders[0].sock.protocol = IPPROTO_UDP;
	assert_string_equal(notes(), "");
	reserve(977, 40, NOW - 1090000000);
	assert_string_equal(notes(), "reservation-lost");
}

static void a_reservation_is_for_relatives(void **state)
{
	static const struct {
		uint32_t by, by_parent, my_parent, holders_parent;
		bool is_lost;
	} cases[] = {
		{600, 40, 600, 1, true},   /* my parent reserved it */
		{600, 977, 500, 1, true},  /* my child did */
		{600, 40, 40, 1, true},    /* my brother did */
		{600, 1, 1, 1, false},     /* all daemons are brothers */
		{600, 41, 500, 1, false},  /* a stranger did */
		{600, 40, 600, 600, false}, /* and started the one that has it */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		reserve(cases[i].by, cases[i].by_parent, NOW - 1090000000);
		scene.claim.task.ppid = cases[i].my_parent;
		scene.holders[0].pids[0].ppid = scene.holders[0].owner.ppid = cases[i].holders_parent;
		describe(977, "/usr/bin/node", "node a.js", cases[i].my_parent);
		describe(812, "/usr/sbin/nginx", "nginx", cases[i].holders_parent);
		if (strcmp(notes(), cases[i].is_lost ? "reservation-lost" : "") != 0)
			fail_msg("case %zu: %s", i, notes());
	}
}

static void an_old_reservation_is_forgotten(void **state)
{
	(void)state;
	scene.holders[0].since_boot_ns = NOW - 30 * SECOND;
	reserve(977, 40, NOW - 61 * SECOND);
	assert_string_equal(notes(), "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_noted_without_a_reason),
		TEST(the_callers_own_descriptor_is_named),
		TEST(the_same_program_is_a_second_instance),
		TEST(failures_of_new_processes_are_a_restart_loop),
		TEST(one_process_that_retries_is_no_loop),
		TEST(many_failing_programs_evict_the_oldest),
		TEST(a_reservation_is_lost_to_a_stranger),
		TEST(a_reservation_is_of_its_protocol),
		TEST(a_reservation_is_for_relatives),
		TEST(an_old_reservation_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
