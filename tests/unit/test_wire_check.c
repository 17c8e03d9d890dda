/* SPDX-License-Identifier: GPL-2.0-only */
/* wire_check() refuses bytes that are not an event, fills a short old event and cuts a long newer one. */
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

static union wire_event out;

static void a_whole_event_passes_unchanged(void **state)
{
	struct wire_bind event = make_bind(5, 7, 42);

	(void)state;
	assert_int_equal(wire_check(&event, sizeof(event), &out), 0);
	assert_memory_equal(&out, &event, sizeof(event));
}

static void every_kind_has_a_name_and_a_size(void **state)
{
	static const unsigned char zeros[8192];

	(void)state;
#define X(number, NAME, name, last, has, meaning)                                                     \
	{                                                                                  \
		struct wire_##name event = {.hdr = MAKE_HDR(NAME, name, 1)};               \
		int err = wire_check(&event, sizeof(event), &out);                         \
                                                                                           \
		assert_string_equal(wire_kind_name(number), #name);                        \
		assert_true(err == 0 || err == -EINVAL);                                   \
		assert_int_equal(out.hdr.size, sizeof(event));                             \
		assert_memory_equal((char *)&out + sizeof(event), zeros,                   \
				    sizeof(out) - sizeof(event));                          \
	}
	WIRE_KINDS(X)
#undef X
	assert_null(wire_kind_name(0));
	assert_null(wire_kind_name(60000));
}

static void a_short_old_event_is_filled_with_zeros(void **state)
{
	struct wire_bind event = make_bind(5, 7, 42);

	(void)state;
	event.hdr.size = offsetof(struct wire_bind, failure_id);
	event.failure_id = 99;
	assert_int_equal(wire_check(&event, event.hdr.size, &out), 0);
	assert_int_equal(out.hdr.size, sizeof(event));
	assert_int_equal(out.bind.sock.cookie, 7);
	assert_int_equal(out.bind.failure_id, 0);
	assert_int_equal(out.bind.requested_port, 0);
}

/* In events of porttrace 0.1, failure_id 0, 1 and all ones mean that the socket is not a holder. */
static void an_old_socket_event_gets_a_purpose(void **state)
{
	static const struct {
		uint64_t failure_id;
		enum wire_purpose purpose;
		uint64_t kept_id;
	} cases[] = {
		{0, WIRE_PURPOSE_SNAPSHOT, 0},
		{1, WIRE_PURPOSE_PREFETCH, 0},
		{UINT64_MAX, WIRE_PURPOSE_PORT_USAGE, 0},
		{4711, WIRE_PURPOSE_HOLDER, 4711},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire_socket event = make_socket(5, 7, WIRE_TCP_LISTEN, 42, 3);

		event.hdr.purpose = WIRE_PURPOSE_UNSET;
		event.failure_id = cases[i].failure_id;
		assert_int_equal(wire_check(&event, sizeof(event), &out), 0);
		assert_int_equal(out.hdr.purpose, cases[i].purpose);
		assert_int_equal(out.socket.failure_id, cases[i].kept_id);
	}
}

static void the_purpose_of_a_socket_event_counts(void **state)
{
	struct wire_socket event = make_socket(5, 7, WIRE_TCP_LISTEN, 42, 3);

	(void)state;
	event.hdr.purpose = WIRE_PURPOSE_HOLDER;
	assert_int_equal(wire_check(&event, sizeof(event), &out), -EINVAL); /* a holder without a refusal */
	event.failure_id = 1;
	assert_int_equal(wire_check(&event, sizeof(event), &out), 0);
	assert_int_equal(out.hdr.purpose, WIRE_PURPOSE_HOLDER);
	assert_int_equal(out.socket.failure_id, 1);
	event.hdr.purpose = WIRE_PURPOSE_PORT_USAGE;
	assert_int_equal(wire_check(&event, sizeof(event), &out), 0);
	assert_int_equal(out.socket.failure_id, 0);
	event.hdr.purpose = WIRE_PURPOSE_SERVER_CLOSED + 1; /* from a newer porttrace */
	assert_int_equal(wire_check(&event, sizeof(event), &out), -EPROTONOSUPPORT);
}

static void a_longer_newer_event_is_cut(void **state)
{
	struct {
		struct wire_release event;
		uint64_t more;
	} grown = {make_release(5, 7), ~0ULL};

	(void)state;
	grown.event.hdr.size = sizeof(grown);
	assert_int_equal(wire_check(&grown, sizeof(grown), &out), 0);
	assert_int_equal(out.hdr.size, sizeof(struct wire_release));
	assert_memory_equal(&out.release.sock, &grown.event.sock, sizeof(out.release.sock));
}

static void an_unaligned_event_passes(void **state)
{
	struct wire_bind event = make_bind(5, 7, 42);
	char bytes[sizeof(event) + 1];

	(void)state;
	memcpy(bytes + 1, &event, sizeof(event));
	assert_int_equal(wire_check(bytes + 1, sizeof(event), &out), 0);
	assert_memory_equal(&out, &event, sizeof(event));
}

static void other_bytes_are_refused(void **state)
{
	struct wire_bind event = make_bind(5, 7, 42);

	(void)state;
	assert_int_equal(wire_check(&event, 0, &out), -EINVAL);
	assert_int_equal(wire_check(&event, sizeof(event.hdr) - 1, &out), -EINVAL);
	assert_int_equal(wire_check(&event, sizeof(event) - 8, &out), -EINVAL);

	event.hdr.size = sizeof(event.hdr) - 8;
	assert_int_equal(wire_check(&event, sizeof(event), &out), -EINVAL);
	event.hdr.size = sizeof(event) - 1;
	assert_int_equal(wire_check(&event, sizeof(event), &out), -EINVAL);
	event.hdr.size = offsetof(struct wire_bind, task);
	assert_int_equal(wire_check(&event, sizeof(event), &out), -EINVAL);

	event = make_bind(5, 7, 42);
	event.hdr.kind = 0;
	assert_int_equal(wire_check(&event, sizeof(event), &out), -EINVAL);
	event.hdr.kind = 99;
	assert_int_equal(wire_check(&event, sizeof(event), &out), -EPROTONOSUPPORT);
	event.hdr.kind = 65535;
	assert_int_equal(wire_check(&event, sizeof(event), &out), -EPROTONOSUPPORT);
}

#define REFUSES(type, event_make, field, value)                                       \
	do {                                                                          \
		struct wire_##type event = event_make;                                \
                                                                                      \
		assert_int_equal(wire_check(&event, sizeof(event), &out), 0);         \
		event.field = (value);                                                \
		assert_int_equal(wire_check(&event, sizeof(event), &out), -EINVAL);   \
	} while (0)

static void values_out_of_bounds_are_refused(void **state)
{
	(void)state;
	REFUSES(bind, make_bind(5, 7, 42), sock.family, AF_UNIX);
	REFUSES(bind, make_bind(5, 7, 42), sock.state, 13);
	REFUSES(bind, make_bind(5, 7, 42), error, 4096);
	REFUSES(bind, make_bind(5, 7, 42), how, 4);
	REFUSES(listen, make_listen(5, 7, 42), error, (uint32_t)-EADDRINUSE);
	REFUSES(close, make_close(5, 7, 0), next_state, WIRE_TCP_LISTEN);
	REFUSES(timewait, make_timewait(5, 7, WIRE_TIMEWAIT_OVERFLOW), action, 0);
	REFUSES(timewait, make_timewait(5, 7, WIRE_TIMEWAIT_ENTER), action, 6);
	REFUSES(socket, make_socket(5, 7, WIRE_TCP_LISTEN, 42, 3), fd, -2);
	REFUSES(netns, make_netns(5, 1), range_low, 61000);
}

static void texts_and_lengths_end_within_the_event(void **state)
{
	struct wire_process process = make_process(5, 42, "/");
	struct wire_interface interface = {.hdr = MAKE_HDR(INTERFACE, interface, 5)};
	struct wire_bind bind = make_bind(5, 7, 42);

	(void)state;
	memset(process.exe, 'x', sizeof(process.exe));
	memset(process.cgroup, 'x', sizeof(process.cgroup));
	memset(process.cmdline, 'x', sizeof(process.cmdline));
	memset(process.task.comm, 'x', sizeof(process.task.comm));
	process.cmdline_len = 1 << 20;
	assert_int_equal(wire_check(&process, sizeof(process), &out), 0);
	assert_int_equal(strlen(out.process.exe), sizeof(process.exe) - 1);
	assert_int_equal(strlen(out.process.cgroup), sizeof(process.cgroup) - 1);
	assert_int_equal(strlen(out.process.cmdline), sizeof(process.cmdline) - 1);
	assert_int_equal(strlen(out.process.task.comm), 15);
	assert_int_equal(out.process.cmdline_len, sizeof(process.cmdline) - 1);

	memset(interface.name, 'x', sizeof(interface.name));
	assert_int_equal(wire_check(&interface, sizeof(interface), &out), 0);
	assert_int_equal(strlen(out.interface.name), 15);

	memset(bind.task.comm, 'x', sizeof(bind.task.comm));
	assert_int_equal(wire_check(&bind, sizeof(bind), &out), 0);
	assert_int_equal(strlen(out.bind.task.comm), 15);
}

static void a_loss_with_any_reason_counts(void **state)
{
	struct wire_lost event = {.hdr = MAKE_HDR(LOST, lost, 5), .count = 3, .reason = 77};

	(void)state;
	assert_int_equal(wire_check(&event, sizeof(event), &out), 0);
	assert_int_equal(out.lost.count, 3);
}

/* Random bytes reach every branch, for the sanitizers; this does not replace a fuzzer. */
static void random_bytes_do_no_harm(void **state)
{
	unsigned int seed = 1;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		uint16_t bytes[700];

		for (size_t i = 0; i < 80; i++)
			bytes[i] = rand_r(&seed);
		bytes[0] = rand_r(&seed) % 200 * 8;
		bytes[1] = rand_r(&seed) % 16;
		wire_check(bytes, 16 + rand_r(&seed) % (sizeof(bytes) - 16), &out);
	}
}

static void accessors_know_which_events_have_what(void **state)
{
	struct wire_bind bind = make_bind(5, 7, 42);
	struct wire_socket socket = make_socket(5, 7, WIRE_TCP_LISTEN, 42, 3);
	struct wire_netns netns = make_netns(5, 1);
	struct wire_traffic traffic = make_traffic(5, 1, 42, 1, 1);

	(void)state;
	bind.error = EADDRINUSE;
	bind.failure_id = 9;
	socket.failure_id = 8;
	assert_ptr_equal(wire_sock_of(&bind.hdr), &bind.sock);
	assert_ptr_equal(wire_task_of(&bind.hdr), &bind.task);
	assert_int_equal(wire_error_of(&bind.hdr), EADDRINUSE);
	assert_int_equal(wire_failure_of(&bind.hdr), 9);
	assert_ptr_equal(wire_sock_of(&socket.hdr), &socket.sock);
	assert_int_equal(wire_error_of(&socket.hdr), 0);
	assert_int_equal(wire_failure_of(&socket.hdr), 8);
	assert_null(wire_sock_of(&netns.hdr));
	assert_null(wire_task_of(&netns.hdr));
	assert_null(wire_sock_of(&traffic.hdr));
	assert_ptr_equal(wire_task_of(&traffic.hdr), &traffic.task);
}

/* A kernel may leave the rest of a longer name behind the end of a new one. */
static void what_follows_a_name_is_cleared(void **state)
{
	struct wire_bind event = make_bind(1, 1, 42);
	union wire_event checked;

	(void)state;
	memcpy(event.task.comm, "sleep\0before", sizeof("sleep\0before"));
	assert_int_equal(wire_check(&event, sizeof(event), &checked), 0);
	assert_memory_equal(checked.bind.task.comm, "sleep\0\0\0\0\0\0\0\0\0\0", 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_follows_a_name_is_cleared),
		cmocka_unit_test(a_whole_event_passes_unchanged),
		cmocka_unit_test(every_kind_has_a_name_and_a_size),
		cmocka_unit_test(a_short_old_event_is_filled_with_zeros),
		cmocka_unit_test(an_old_socket_event_gets_a_purpose),
		cmocka_unit_test(the_purpose_of_a_socket_event_counts),
		cmocka_unit_test(a_longer_newer_event_is_cut),
		cmocka_unit_test(an_unaligned_event_passes),
		cmocka_unit_test(other_bytes_are_refused),
		cmocka_unit_test(values_out_of_bounds_are_refused),
		cmocka_unit_test(texts_and_lengths_end_within_the_event),
		cmocka_unit_test(a_loss_with_any_reason_counts),
		cmocka_unit_test(random_bytes_do_no_harm),
		cmocka_unit_test(accessors_know_which_events_have_what),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
