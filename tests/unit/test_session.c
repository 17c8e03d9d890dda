/* SPDX-License-Identifier: GPL-2.0-only */
/* The stream over a fake source: what it looks up for a refusal, reports, records and replays. */
#include "fake_source.h"

#include <unistd.h>

#include "source/capture.h"
#include "stream/session.h"
#include "util/clock.h"

#define CALLER	  4242
#define PROCESSES 4096 /* size of the stream's process table */
#define DEVICES	  64   /* at least as many as the model remembers */

/* The last report. */
static struct {
	char exe[256], interface[16], why[512], holder_exe[256];
	size_t holders, pids;
	bool owner_gone, is_explained;
	unsigned int events;
} shown;

static struct render *fake_open(const struct render_options *options)
{
	(void)options;
	return (struct render *)&shown;
}

static void fake_event(struct render *render, const struct report *report)
{
	const struct holder *holder = report->conflict && report->conflict->holder_count ?
		report->conflict->holders[0] : NULL;

	(void)render;
	shown.events++;
	snprintf(shown.exe, sizeof(shown.exe), "%s", report->process ? report->process->exe : "");
	snprintf(shown.interface, sizeof(shown.interface), "%s", report->interface ? report->interface : "");
	shown.is_explained = report->conflict;
	snprintf(shown.why, sizeof(shown.why), "%s", report->conflict ? report->conflict->why : "");
	shown.holders = report->conflict ? report->conflict->holder_count : 0;
	shown.pids = holder ? holder->pid_count : 0;
	shown.owner_gone = holder && holder->owner_gone;
	snprintf(shown.holder_exe, sizeof(shown.holder_exe), "%s",
		 holder && holder->process ? holder->process->exe : "");
}

static void fake_close(struct render *render)
{
	(void)render;
}

static const struct renderer renderer = {.name = "fake", .open = fake_open, .event = fake_event, .close = fake_close};
static const struct settings settings = {.kinds = 1U << WIRE_BIND | 1U << WIRE_CONNECT};
static const struct stream_config config = {.settings = &settings, .interval_s = 1};

static struct fake_source fake;
static struct session session;
static uint64_t now;

static void begin(void)
{
	const struct render_options render = {0};

	memset(&shown, 0, sizeof(shown));
	assert_int_equal(session_init(&session, &config, &renderer, &render), 0);
	session.streaming = true;
}

static int set_up(void **state)
{
	(void)state;
	now = clock_boot_ns();
	fake = (struct fake_source){.source.ops = &fake_ops, .found_boot_ns = now + 2};
	begin();
	session.lookup.source = &fake.source;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	session_done(&session);
	return 0;
}

/* The kernel found this socket on the port of the refusal. */
static void holder(uint64_t failure_id, uint64_t cookie, uint32_t ifindex, uint32_t owner)
{
	struct wire_socket event = make_socket(now, cookie, WIRE_TCP_LISTEN, owner, -1);

	event.hdr.purpose = WIRE_PURPOSE_HOLDER;
	event.failure_id = failure_id;
	event.sock.local_port = 8080;
	event.sock.ifindex = ifindex;
	event.inode = cookie;
	session_event(&session, &event, sizeof(event));
}

static void refusal(uint64_t failure_id, uint32_t ifindex)
{
	struct wire_bind event = make_bind(now + 1, 0, CALLER);

	event.error = EADDRINUSE;
	event.failure_id = failure_id;
	event.sock.local_port = event.requested_port = 8080;
	event.sock.ifindex = ifindex;
	session_event(&session, &event, sizeof(event));
}

static void a_refusal_names_who_has_the_port_open(void **state)
{
	(void)state;
	fake_add_fd(&fake, 7, 100, 3);
	fake_add_fd(&fake, 7, 101, 3);
	holder(5, 7, 0, 100);
	refusal(5, 0);
	assert_true(shown.is_explained);
	assert_int_equal(shown.holders, 1);
	assert_int_equal(shown.pids, 2);
	assert_string_equal(shown.holder_exe, "/exe/100");
	assert_string_equal(shown.exe, "/exe/4242");
	assert_int_equal(fake.fd_scans, 1);
	assert_int_equal(fake.processes, 3);
	assert_int_equal(fake.counters, 1); /* the settings of the namespace */
	assert_int_equal(fake.owner_searches, 0);
}

/* The caller is the oldest process of a full table; explaining the call replaces it by the holder. */
static void a_full_process_table_does_not_mix_up_processes(void **state)
{
	(void)state;
	for (uint32_t pid = CALLER; pid < CALLER + PROCESSES; pid++) {
		struct wire_process event = make_process(now, pid, "");

		snprintf(event.task.comm, sizeof(event.task.comm), "binder");
		snprintf(event.exe, sizeof(event.exe), "/exe/%u", pid);
		session_event(&session, &event, sizeof(event));
	}
	fake_add_fd(&fake, 7, 100, 3);
	holder(5, 7, 0, 100);
	refusal(5, 0);
	assert_string_equal(shown.holder_exe, "/exe/100");
	assert_string_equal(shown.exe, "/exe/4242");
}

/* Holders on so many other devices that their names replace that of the caller's device. */
static void many_devices_do_not_mix_up_names(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < DEVICES; i++)
		holder(5, 7 + i, 100 + i, 0);
	refusal(5, 3);
	assert_true(fake.interfaces > DEVICES / 2);
	assert_string_equal(shown.interface, "eth3");
}

/* The pid of the owner may have been reused: the start time shows that. */
static void an_owner_is_alive_by_its_start(void **state)
{
	const uint64_t start = make_task(100, "").start_boot_ns;

	(void)state;
	fake.alive_start_boot_ns = start;
	holder(5, 7, 0, 100);
	refusal(5, 0);
	assert_int_equal(shown.holders, 1);
	assert_false(shown.owner_gone);
	fake.alive_start_boot_ns = start + SECOND;
	holder(6, 7, 0, 100);
	refusal(6, 0);
	assert_true(shown.owner_gone);
}

static void an_owner_without_a_descriptor_is_searched_for_once(void **state)
{
	(void)state;
	fake.owners[0] = make_socket(now, 7, WIRE_TCP_LISTEN, 100, WIRE_FDLESS);
	fake.owner_count = 1;
	holder(5, 7, 0, 0);
	refusal(5, 0);
	assert_int_equal(fake.owner_searches, 1);
	assert_int_equal(shown.pids, 1);
	assert_string_equal(shown.holder_exe, "/exe/100");
	holder(6, 7, 0, 0);
	refusal(6, 0);
	assert_int_equal(fake.owner_searches, 1);
}

static void exhausted(uint64_t ns)
{
	struct wire_connect event = make_connect(ns, 0, CALLER);

	event.error = EADDRNOTAVAIL;
	event.sock.local_port = 0;
	session_event(&session, &event, sizeof(event));
}

static void four_connections(void)
{
	for (; fake.socket_count < 4; fake.socket_count++) {
		struct wire_socket *socket = &fake.sockets[fake.socket_count];

		*socket = make_socket(now, 7 + fake.socket_count, WIRE_TCP_ESTABLISHED, 100, 3);
		socket->sock.local_port = (uint16_t)(40000 + fake.socket_count);
		socket->sock.remote_port = 443;
		socket->sock.flags = WIRE_PORT_EPHEMERAL;
	}
}

static void the_range_is_counted_once_a_second(void **state)
{
	(void)state;
	four_connections();
	exhausted(now);
	assert_non_null(strstr(shown.why, "All 4 ports from 40000 to 40003"));
	assert_int_equal(fake.scans, 1);
	exhausted(now + SECOND - 1);
	assert_int_equal(fake.scans, 1);
	exhausted(now + SECOND);
	assert_int_equal(fake.scans, 2);
	/* The counted sockets are not added to the stream's port table. */
	assert_int_equal(port_table_count(model_ports(session.lookup.model)), 0);
}

static void replay(const char *path)
{
	struct capture_reader *reader = capture_open(path);
	const void *event;
	size_t size;

	assert_non_null(reader);
	begin();
	session.is_replay = true;
	while (capture_next(reader, &event, &size) == 0)
		session_event(&session, event, size);
	assert_int_equal(session.invalid, 0);
	assert_int_equal(session.unknown, 0);
	capture_close(reader);
}

/* Runs `events` live and records them, then replays the recording, which must report the same. */
static void check_replay(void (*events)(void))
{
	char path[] = "/tmp/porttrace-test-XXXXXX";
	int fd = mkstemp(path);
	typeof(shown) live;

	assert_true(fd >= 0);
	session.lookup.capture = capture_create(path);
	assert_int_equal(capture_set_header(session.lookup.capture, &(struct capture_header){0}), 0);
	assert_non_null(session.lookup.capture);
	events();
	live = shown;
	assert_int_equal(capture_finish(session.lookup.capture), 0);
	session_done(&session);
	replay(path);
	assert_memory_equal(&shown, &live, sizeof(live));
	close(fd);
	unlink(path);
}

static void refused_by_two(void)
{
	fake_add_fd(&fake, 7, 100, 3);
	fake_add_fd(&fake, 7, 101, 3);
	holder(5, 7, 2, 100);
	refusal(5, 2);
	assert_int_equal(shown.pids, 2);
}

static void refused_by_an_exited_process(void)
{
	holder(5, 7, 0, 100);
	refusal(5, 0);
	assert_true(shown.owner_gone);
}

static void refused_without_a_free_port(void)
{
	four_connections();
	exhausted(now);
	assert_non_null(strstr(shown.why, "All 4 ports"));
}

static void a_replay_explains_the_same(void **state)
{
	(void)state;
	check_replay(refused_by_two);
}

static void a_replay_reports_an_owner_that_has_exited(void **state)
{
	(void)state;
	check_replay(refused_by_an_exited_process);
}

static void a_replay_has_the_count_of_the_range(void **state)
{
	(void)state;
	check_replay(refused_without_a_free_port);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_refusal_names_who_has_the_port_open),
		TEST(a_full_process_table_does_not_mix_up_processes),
		TEST(many_devices_do_not_mix_up_names),
		TEST(an_owner_is_alive_by_its_start),
		TEST(an_owner_without_a_descriptor_is_searched_for_once),
		TEST(the_range_is_counted_once_a_second),
		TEST(a_replay_explains_the_same),
		TEST(a_replay_reports_an_owner_that_has_exited),
		TEST(a_replay_has_the_count_of_the_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
