/* SPDX-License-Identifier: GPL-2.0-only */
/* The change of the model by each event: in order, out of order and twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>

#include "model/model.h"
#include "model/wire_check.h"
#include "wire_make.h"

static struct model *model;

static int setup(void **state)
{
	(void)state;
	model = model_new(NULL);
	return model ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	model_free(model);
	return 0;
}

/* Applies an event after wire_check(), as the program does. */
#define APPLY(event)                                                                     \
	do {                                                                             \
		union wire_event checked_;                                               \
                                                                                         \
		assert_int_equal(wire_check(&(event), sizeof(event), &checked_), 0);     \
		assert_int_equal(model_apply(model, &checked_.hdr), 0);                  \
	} while (0)

static void bound(uint64_t ns, uint64_t cookie, uint32_t pid)
{
	struct wire_bind event = make_bind(ns, cookie, pid);

	APPLY(event);
}

static void listening(uint64_t ns, uint64_t cookie, uint32_t pid)
{
	struct wire_listen event = make_listen(ns, cookie, pid);

	APPLY(event);
}

static void connected(uint64_t ns, uint64_t cookie, uint32_t pid, uint16_t requested_port)
{
	struct wire_connect event = make_connect(ns, cookie, pid);

	event.requested_port = requested_port;
	APPLY(event);
}

static void closed(uint64_t ns, uint64_t cookie, uint32_t next_state)
{
	struct wire_close event = make_close(ns, cookie, next_state);

	APPLY(event);
}

static void timewait(uint64_t ns, uint64_t cookie, uint32_t action)
{
	struct wire_timewait event = make_timewait(ns, cookie, action);

	APPLY(event);
}

static void scanned(uint64_t ns, uint64_t cookie, enum wire_state state, uint32_t pid, int fd)
{
	struct wire_socket event = make_socket(ns, cookie, state, pid, fd);

	APPLY(event);
}

static void refused_by(uint64_t failure_id, uint64_t cookie, uint32_t pid, int fd)
{
	struct wire_socket event = make_socket(9 * SECOND, cookie, WIRE_TCP_LISTEN, pid, fd);

	event.hdr.purpose = WIRE_PURPOSE_HOLDER;
	event.failure_id = failure_id;
	event.since_boot_ns = 4;
	APPLY(event);
}

static const struct port_entry *entry_of(uint64_t cookie)
{
	return port_table_find(model_ports(model), cookie);
}

static size_t count(void)
{
	return port_table_count(model_ports(model));
}

static void bind_listen_close(void **state)
{
	(void)state;
	bound(SECOND, 1, 10);
	assert_int_equal(entry_of(1)->owner.pid, 10);
	assert_int_equal(entry_of(1)->since_boot_ns, SECOND);
	assert_int_equal(entry_of(1)->sock.state, WIRE_TCP_CLOSE);
	listening(2 * SECOND, 1, 11);
	assert_int_equal(entry_of(1)->owner.pid, 10);
	assert_int_equal(entry_of(1)->since_boot_ns, SECOND);
	assert_int_equal(entry_of(1)->sock.state, WIRE_TCP_LISTEN);
	assert_int_equal(entry_of(1)->backlog, 511);
	closed(3 * SECOND, 1, 0);
	assert_null(entry_of(1));
}

static void same_event_twice_makes_one_entry(void **state)
{
	(void)state;
	for (int twice = 0; twice < 2; twice++) {
		bound(SECOND, 1, 10);
		listening(2 * SECOND, 1, 10);
		scanned(2 * SECOND, 1, WIRE_TCP_LISTEN, 10, 3);
	}
	assert_int_equal(count(), 1);
	assert_int_equal(entry_of(1)->sock.state, WIRE_TCP_LISTEN);
	assert_int_equal(entry_of(1)->since_boot_ns, SECOND);
	assert_null(entry_of(1)->fds->next);
	closed(3 * SECOND, 1, 0);
	closed(3 * SECOND, 1, 0);
	bound(SECOND, 1, 10);
	assert_int_equal(count(), 0);
}

static void failed_calls_change_nothing(void **state)
{
	struct wire_bind bind = make_bind(SECOND, 1, 10);
	struct wire_listen listen = make_listen(SECOND, 1, 10);
	struct wire_connect connect = make_connect(SECOND, 1, 10);

	(void)state;
	bind.error = listen.error = EADDRINUSE;
	connect.error = EADDRNOTAVAIL;
	APPLY(bind);
	APPLY(listen);
	APPLY(connect);
	assert_int_equal(count(), 0);
}

static void socket_without_cookie_or_port_has_no_entry(void **state)
{
	struct wire_bind event = make_bind(SECOND, 1, 10);

	(void)state;
	event.sock.local_port = 0;
	APPLY(event);
	event = make_bind(SECOND, 0, 10);
	APPLY(event);
	closed(SECOND, 0, 0);
	closed(SECOND, 0, WIRE_TCP_TIME_WAIT);
	scanned(SECOND, 0, WIRE_TCP_LISTEN, 10, 3);
	assert_int_equal(count(), 0);
}

static void connect_owns_the_port_unless_bind_took_it(void **state)
{
	(void)state;
	connected(SECOND, 1, 10, 0);
	assert_int_equal(entry_of(1)->owner.pid, 10);
	assert_int_equal(entry_of(1)->since_boot_ns, SECOND);
	assert_int_equal(entry_of(1)->sock.state, WIRE_TCP_SYN_SENT);
	assert_int_equal(entry_of(1)->sock.remote_port, 443);

	bound(SECOND, 2, 20);
	connected(2 * SECOND, 2, 21, 1002);
	assert_int_equal(entry_of(2)->owner.pid, 20);
	assert_int_equal(entry_of(2)->since_boot_ns, SECOND);
	assert_int_equal(entry_of(2)->sock.state, WIRE_TCP_SYN_SENT);
}

static void accepted_flag_is_kept(void **state)
{
	struct wire_accept event = make_accept(SECOND, 1, 10);

	(void)state;
	APPLY(event);
	scanned(2 * SECOND, 1, WIRE_TCP_CLOSE_WAIT, 10, 5);
	assert_int_equal(entry_of(1)->sock.state, WIRE_TCP_CLOSE_WAIT);
	assert_true(entry_of(1)->sock.flags & WIRE_ACCEPTED);
	assert_int_equal(entry_of(1)->owner.pid, 10);
}

static void close_can_leave_a_time_wait_that_expires(void **state)
{
	(void)state;
	connected(SECOND, 1, 10, 0);
	scanned(SECOND, 1, WIRE_TCP_ESTABLISHED, 10, 3);
	closed(5 * SECOND, 1, WIRE_TCP_TIME_WAIT);
	assert_int_equal(entry_of(1)->sock.state, WIRE_TCP_TIME_WAIT);
	assert_int_equal(entry_of(1)->substate, WIRE_TCP_FIN_WAIT2);
	assert_int_equal(entry_of(1)->owner.pid, 10);
	assert_int_equal(entry_of(1)->expires_boot_ns, 65 * SECOND);
	assert_null(entry_of(1)->fds);
	model_advance(model, 65 * SECOND - 1);
	assert_int_equal(count(), 1);
	model_advance(model, 65 * SECOND);
	assert_int_equal(count(), 0);
}

static void time_wait_of_unknown_socket_is_added(void **state)
{
	struct wire_close event = make_close(5 * SECOND, 1, WIRE_TCP_TIME_WAIT);

	(void)state;
	event.life_ns = 3 * SECOND;
	APPLY(event);
	assert_int_equal(entry_of(1)->owner.pid, 90);
	assert_int_equal(entry_of(1)->since_boot_ns, 2 * SECOND);
	timewait(5 * SECOND, 2, WIRE_TIMEWAIT_ENTER);
	assert_int_equal(entry_of(2)->owner.pid, 91);
	assert_int_equal(entry_of(2)->expires_boot_ns, 65 * SECOND);
}

static void time_wait_keeps_uid_and_options(void **state)
{
	struct wire_timewait event = make_timewait(6 * SECOND, 1, WIRE_TIMEWAIT_ENTER);
	struct wire_connect connect = make_connect(SECOND, 1, 10);

	(void)state;
	connect.sock.flags = WIRE_REUSEADDR | WIRE_PORT_EPHEMERAL;
	APPLY(connect);
	event.sock.uid = 0;
	event.sock.flags = WIRE_REUSEADDR;
	APPLY(event);
	assert_int_equal(entry_of(1)->sock.uid, 1000);
	assert_int_equal(entry_of(1)->sock.flags, WIRE_REUSEADDR | WIRE_PORT_EPHEMERAL);
}

static void a_time_wait_may_stand_for_fin_wait2(void **state)
{
	struct wire_timewait event = make_timewait(6 * SECOND, 1, WIRE_TIMEWAIT_ENTER);

	(void)state;
	event.substate = WIRE_TCP_FIN_WAIT2;
	APPLY(event);
	assert_int_equal(entry_of(1)->sock.state, WIRE_TCP_TIME_WAIT);
	assert_int_equal(entry_of(1)->substate, WIRE_TCP_FIN_WAIT2);
}

static void expiry_counts_from_the_begin_of_time_wait(void **state)
{
	(void)state;
	closed(5 * SECOND, 1, WIRE_TCP_TIME_WAIT);
	timewait(9 * SECOND, 1, WIRE_TIMEWAIT_ENTER);
	assert_int_equal(entry_of(1)->expires_boot_ns, 69 * SECOND);
	assert_int_equal(entry_of(1)->substate, WIRE_TCP_TIME_WAIT);
	/* after shutdown() the process closes the descriptor last, and the TIME_WAIT remains */
	closed(12 * SECOND, 1, WIRE_TCP_TIME_WAIT);
	assert_int_equal(entry_of(1)->expires_boot_ns, 69 * SECOND);
	closed(13 * SECOND, 1, 0);
	assert_int_equal(entry_of(1)->sock.state, WIRE_TCP_TIME_WAIT);
}

static void every_end_of_time_wait_removes_the_entry(void **state)
{
	(void)state;
	for (uint32_t action = WIRE_TIMEWAIT_EXPIRE; action <= WIRE_TIMEWAIT_OVERFLOW; action++) {
		timewait(5 * SECOND, action, WIRE_TIMEWAIT_ENTER);
		assert_int_equal(count(), 1);
		timewait(6 * SECOND, action, action);
		assert_int_equal(count(), 0);
	}
}

static void release_removes_the_entry(void **state)
{
	struct wire_release event = make_release(2 * SECOND, 1);

	(void)state;
	bound(SECOND, 1, 10);
	APPLY(event);
	assert_int_equal(count(), 0);
	bound(3 * SECOND, 1, 10);
	assert_int_equal(entry_of(1)->since_boot_ns, 3 * SECOND);
	closed(4 * SECOND, 2, WIRE_TCP_TIME_WAIT);
	event = make_release(5 * SECOND, 2);
	APPLY(event);
	assert_null(entry_of(2));
}

static void scan_fills_the_table(void **state)
{
	struct wire_socket waiting = make_socket(SECOND, 2, WIRE_TCP_TIME_WAIT, 0, -1);
	struct wire_socket listener = make_socket(SECOND, 1, WIRE_TCP_LISTEN, 10, 3);

	(void)state;
	listener.backlog = 128;
	listener.since_boot_ns = 77;
	APPLY(listener);
	scanned(SECOND, 1, WIRE_TCP_LISTEN, 11, 3);
	assert_int_equal(entry_of(1)->owner.pid, 10);
	assert_int_equal(entry_of(1)->since_boot_ns, 77);
	assert_int_equal(entry_of(1)->fds->task.pid, 10);
	assert_int_equal(entry_of(1)->fds->next->task.pid, 11);

	waiting.expires_ms = 1500;
	waiting.substate = WIRE_TCP_FIN_WAIT2;
	APPLY(waiting);
	assert_int_equal(entry_of(2)->expires_boot_ns, SECOND + 1500000000);
	assert_int_equal(entry_of(2)->substate, WIRE_TCP_FIN_WAIT2);
	assert_int_equal(entry_of(2)->owner.pid, 0);
	/* Without a known remaining time the entry also expires, and a known end is kept. */
	scanned(SECOND, 3, WIRE_TCP_TIME_WAIT, 0, -1);
	assert_int_equal(entry_of(3)->expires_boot_ns, 61 * SECOND);
	scanned(2 * SECOND, 2, WIRE_TCP_TIME_WAIT, 0, -1);
	assert_int_equal(entry_of(2)->expires_boot_ns, SECOND + 1500000000);
}

static void older_scan_fills_only_gaps(void **state)
{
	struct wire_socket old = make_socket(2 * SECOND, 1, WIRE_TCP_CLOSE, 11, 3);

	(void)state;
	listening(3 * SECOND, 1, 0);
	old.since_boot_ns = 55;
	APPLY(old);
	assert_int_equal(entry_of(1)->sock.state, WIRE_TCP_LISTEN);
	assert_int_equal(entry_of(1)->backlog, 511);
	assert_int_equal(entry_of(1)->owner.pid, 11);
	assert_int_equal(entry_of(1)->since_boot_ns, 55);
	assert_int_equal(entry_of(1)->fds->fd, 3);
}

static void late_bind_overrides_owner_of_scan(void **state)
{
	(void)state;
	scanned(3 * SECOND, 1, WIRE_TCP_LISTEN, 11, 3);
	bound(2 * SECOND, 1, 10);
	assert_int_equal(entry_of(1)->sock.state, WIRE_TCP_LISTEN);
	assert_int_equal(entry_of(1)->owner.pid, 10);
	assert_int_equal(entry_of(1)->since_boot_ns, 2 * SECOND);
}

static void scan_does_not_add_a_closed_socket(void **state)
{
	struct wire_socket orphan = make_socket(5 * SECOND + 3, 2, WIRE_TCP_FIN_WAIT1, 0, -1);

	(void)state;
	/* scanned before the close */
	bound(SECOND, 1, 10);
	closed(5 * SECOND, 1, 0);
	scanned(4 * SECOND, 1, WIRE_TCP_LISTEN, 10, 3);
	assert_int_equal(count(), 0);
	/* scanned while it was being closed */
	scanned(5 * SECOND + 50000, 1, WIRE_TCP_LISTEN, 10, 3);
	assert_int_equal(count(), 0);
	/* an orphan exists after its close */
	closed(5 * SECOND, 2, 0);
	orphan.sock.flags = WIRE_ORPHAN;
	APPLY(orphan);
	assert_non_null(entry_of(2));
	/* of a socket that has not been closed */
	scanned(4 * SECOND, 3, WIRE_TCP_LISTEN, 10, 3);
	assert_non_null(entry_of(3));
}

static void closed_cache_holds_many_sockets(void **state)
{
	size_t raised;

	(void)state;
	for (uint64_t cookie = 100000; cookie < 104096; cookie++)
		closed(5 * SECOND, cookie, 0);
	for (uint64_t cookie = 100000; cookie < 104096; cookie++)
		scanned(4 * SECOND, cookie, WIRE_TCP_ESTABLISHED, 10, 3);
	raised = count();
	assert_int_equal(raised, 0);
}

static void scan_does_not_replace_a_time_wait(void **state)
{
	(void)state;
	connected(SECOND, 1, 10, 0);
	closed(5 * SECOND, 1, WIRE_TCP_TIME_WAIT);
	/* a scan before it, one at the same time, and a socket that a process still has open */
	scanned(4 * SECOND, 1, WIRE_TCP_ESTABLISHED, 10, 3);
	scanned(5 * SECOND + 50000, 1, WIRE_TCP_FIN_WAIT2, 10, 3);
	scanned(8 * SECOND, 1, WIRE_TCP_CLOSE, 10, 3);
	assert_int_equal(entry_of(1)->sock.state, WIRE_TCP_TIME_WAIT);
	assert_int_equal(entry_of(1)->expires_boot_ns, 65 * SECOND);
	assert_null(entry_of(1)->fds);
	/* the socket is used again and no longer in TIME_WAIT */
	connected(9 * SECOND, 1, 10, 0);
	assert_int_equal(entry_of(1)->sock.state, WIRE_TCP_SYN_SENT);
	assert_int_equal(entry_of(1)->expires_boot_ns, 0);
	model_advance(model, 100 * SECOND);
	assert_int_equal(count(), 1);
}

static void failure_collects_its_holders(void **state)
{
	const struct failure *failure;

	(void)state;
	bound(SECOND, 1, 10);
	assert_null(model_failure(model, 5));
	refused_by(5, 1, 0, -1);
	refused_by(5, 1, 11, 3);
	refused_by(5, 1, 11, 4);
	refused_by(5, 1, 12, 3);
	refused_by(5, 2, 0, -1);
	refused_by(5, 2, 20, 3);
	refused_by(5, 0, 30, 3);
	refused_by(5, 0, 31, 3);
	failure = model_failure(model, 5);
	assert_int_equal(failure->id, 5);
	assert_int_equal(failure->holder_count, 4);
	assert_int_equal(failure->holder_more, 0);
	/* owner and time come from the port table */
	assert_int_equal(failure->holders[0].owner.pid, 10);
	assert_int_equal(failure->holders[0].since_boot_ns, SECOND);
	assert_int_equal(failure->holders[0].pid_count, 2);
	assert_int_equal(failure->holders[0].pids[0].pid, 11);
	assert_int_equal(failure->holders[0].pids[1].pid, 12);
	assert_int_equal(failure->holders[1].sock.cookie, 2);
	assert_int_equal(failure->holders[1].owner.pid, 20);
	assert_int_equal(failure->holders[1].since_boot_ns, 4);
	assert_int_equal(failure->holders[2].pids[0].pid, 30);
	assert_int_equal(failure->holders[3].pids[0].pid, 31);
	/* holders update entries and do not add any */
	assert_int_equal(count(), 1);
	assert_int_equal(entry_of(1)->sock.state, WIRE_TCP_LISTEN);
	assert_null(model_failure(model, 0));
}

static void time_wait_holder_has_time_left(void **state)
{
	struct wire_socket event = make_socket(9 * SECOND, 1, WIRE_TCP_TIME_WAIT, 0, -1);

	(void)state;
	closed(5 * SECOND, 1, WIRE_TCP_TIME_WAIT);
	event.hdr.purpose = WIRE_PURPOSE_HOLDER;
	event.failure_id = 5;
	APPLY(event);
	assert_int_equal(model_failure(model, 5)->holders[0].expires_ms, 56000);
	assert_int_equal(model_failure(model, 5)->holders[0].owner.pid, 90);
	event.hdr.purpose = WIRE_PURPOSE_HOLDER;
	event.failure_id = 6;
	event.expires_ms = 1234;
	APPLY(event);
	assert_int_equal(model_failure(model, 6)->holders[0].expires_ms, 1234);
}

static void only_64_failures_are_kept(void **state)
{
	const struct failure *failure;

	(void)state;
	for (uint64_t id = 1; id <= 70; id++)
		refused_by(id, id, 10, 3);
	assert_null(model_failure(model, 6));
	assert_non_null(model_failure(model, 7));
	assert_int_equal(model_failure(model, 70)->holders[0].sock.cookie, 70);

	for (uint64_t cookie = 1; cookie <= 70; cookie++)
		refused_by(99, cookie, 10, 3);
	for (uint32_t pid = 100; pid < 140; pid++)
		refused_by(99, 64, pid, 3);
	failure = model_failure(model, 99);
	assert_int_equal(failure->holder_count, FAILURE_HOLDERS_MAX);
	assert_int_equal(failure->holder_more, 6);
	assert_int_equal(failure->holders[63].pid_count, HOLDER_PIDS_MAX);
	assert_int_equal(failure->holders[63].pid_more, 41 - HOLDER_PIDS_MAX);
}

static void interfaces_have_names(void **state)
{
	struct wire_interface event = {
		.hdr = MAKE_HDR(INTERFACE, interface, 5), .netns = 1, .ifindex = 2, .name = "eth0"};

	(void)state;
	assert_string_equal(model_interface(model, 1, 2), "");
	APPLY(event);
	assert_string_equal(model_interface(model, 1, 2), "eth0");
	assert_string_equal(model_interface(model, 2, 2), "");
	assert_string_equal(model_interface(model, 1, 0), "");
	strcpy(event.name, "lan0");
	APPLY(event);
	assert_string_equal(model_interface(model, 1, 2), "lan0");
	for (event.ifindex = 3; event.ifindex <= 66; event.ifindex++)
		APPLY(event);
	assert_string_equal(model_interface(model, 1, 2), "");
	assert_string_equal(model_interface(model, 1, 66), "lan0");
}

static void other_tables_get_their_events(void **state)
{
	struct wire_process process = make_process(SECOND, 42, "/system.slice/a.service");
	struct wire_netns netns = make_netns(SECOND, 1);
	struct wire_traffic flow = make_traffic(SECOND, 1, 42, 5, 5);
	struct wire_lost lost = {.hdr = MAKE_HDR(LOST, lost, SECOND), .count = 3};

	(void)state;
	APPLY(process);
	APPLY(netns);
	APPLY(flow);
	APPLY(lost);
	assert_non_null(process_table_find(model_processes(model), 42, 42 * SECOND));
	assert_int_equal(netns_table_find(model_namespaces(model), 1)->traffic_count, 1);
	assert_int_equal(count(), 0);
}

static void limits_are_respected(void **state)
{
	struct model_limits limits = {.sockets = 2, .processes = 1};

	(void)state;
	model_free(model);
	model = model_new(&limits);
	for (uint64_t cookie = 1; cookie <= 5; cookie++)
		bound(cookie, cookie, 10);
	assert_int_equal(count(), 2);
	assert_int_equal(port_table_evicted(model_ports(model)), 3);
}

/* Random events in any order: no crash, no leak, no table above its limit. */
static void random_events_do_no_harm(void **state)
{
	struct model_limits limits = {.sockets = 50, .processes = 5};
	unsigned int seed = 1;

	(void)state;
	model_free(model);
	model = model_new(&limits);
	for (int round = 0; round < 50000; round++) {
		union wire_event raw, checked;

		memset(&raw, 0, sizeof(raw));
		raw.socket = make_socket(rand_r(&seed) % 200 * SECOND, rand_r(&seed) % 100,
					 rand_r(&seed) % 13, rand_r(&seed) % 9,
					 (int)(rand_r(&seed) % 6) - 1);
		raw.hdr.kind = 1 + rand_r(&seed) % 13;
		raw.hdr.size = (sizeof(raw) + 7) / 8 * 8;
		raw.hdr.purpose = rand_r(&seed) % 7;
		raw.socket.failure_id = rand_r(&seed) % 3 ? 0 : rand_r(&seed) % 100;
		raw.socket.expires_ms = rand_r(&seed) % 3 ? 0 : 5000;
		if (rand_r(&seed) % 2)
			raw.close.next_state = WIRE_TCP_TIME_WAIT;
		if (wire_check(&raw, sizeof(raw), &checked))
			continue;
		assert_int_equal(model_apply(model, &checked.hdr), 0);
		if (!(round % 100))
			model_advance(model, rand_r(&seed) % 200 * SECOND);
		assert_true(count() <= 50);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(bind_listen_close),
		TEST(same_event_twice_makes_one_entry),
		TEST(failed_calls_change_nothing),
		TEST(socket_without_cookie_or_port_has_no_entry),
		TEST(connect_owns_the_port_unless_bind_took_it),
		TEST(accepted_flag_is_kept),
		TEST(close_can_leave_a_time_wait_that_expires),
		TEST(time_wait_of_unknown_socket_is_added),
		TEST(time_wait_keeps_uid_and_options),
		TEST(a_time_wait_may_stand_for_fin_wait2),
		TEST(expiry_counts_from_the_begin_of_time_wait),
		TEST(every_end_of_time_wait_removes_the_entry),
		TEST(release_removes_the_entry),
		TEST(scan_fills_the_table),
		TEST(older_scan_fills_only_gaps),
		TEST(late_bind_overrides_owner_of_scan),
		TEST(scan_does_not_add_a_closed_socket),
		TEST(closed_cache_holds_many_sockets),
		TEST(scan_does_not_replace_a_time_wait),
		TEST(failure_collects_its_holders),
		TEST(time_wait_holder_has_time_left),
		TEST(only_64_failures_are_kept),
		TEST(interfaces_have_names),
		TEST(other_tables_get_their_events),
		TEST(limits_are_respected),
		TEST(random_events_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
