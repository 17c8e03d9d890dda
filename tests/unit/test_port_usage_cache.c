/* SPDX-License-Identifier: GPL-2.0-only */
/* The count of a namespace's sockets: how long it is valid, and which event of a capture begins one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stream/port_usage_cache.h"
#include "wire_make.h"

#define NETNS 4026531840
#define NOW   (1000 * SECOND)

static struct wire_socket counted(uint64_t ns, uint64_t cookie)
{
	struct wire_socket socket = make_socket(ns, cookie, WIRE_TCP_TIME_WAIT, 0, -1);

	socket.hdr.purpose = WIRE_PURPOSE_PORT_USAGE;
	socket.expires_ms = 60000;
	return socket;
}

static size_t count_of(const struct port_usage_cache *cache, uint64_t now)
{
	struct model *model = port_usage_cache_find(cache, NETNS, now);

	return model ? port_table_count(model_ports(model)) : 0;
}

static void a_count_is_valid_for_a_second(void **state)
{
	struct port_usage_cache cache = {0};
	struct wire_socket socket = counted(NOW + 1, 7);

	(void)state;
	assert_null(port_usage_cache_find(&cache, NETNS, NOW));
	assert_int_equal(port_usage_cache_begin(&cache, NETNS, NOW), 0);
	port_usage_cache_add(&cache, &socket);
	assert_int_equal(count_of(&cache, NOW), 1);
	assert_int_equal(count_of(&cache, NOW + SECOND - 1), 1);
	assert_null(port_usage_cache_find(&cache, NETNS, NOW + SECOND));
	assert_null(port_usage_cache_find(&cache, NETNS + 1, NOW));
	port_usage_cache_expire(&cache, NOW + SECOND - 1);
	assert_non_null(cache.model);
	port_usage_cache_expire(&cache, NOW + SECOND);
	assert_null(cache.model);
	port_usage_cache_done(&cache);
}

static void a_gap_begins_a_count_of_a_capture(void **state)
{
	struct port_usage_cache cache = {0};
	const uint64_t next = NOW + SECOND;

	(void)state;
	for (uint64_t i = 0; i < 4; i++) {
		struct wire_socket socket = counted(NOW + i, 7 + i);

		port_usage_cache_replay(&cache, &socket);
	}
	assert_int_equal(count_of(&cache, NOW - 1), 4); /* the refusal was a little earlier */
	for (uint64_t i = 0; i < 2; i++) {
		struct wire_socket socket = counted(next + i, 70 + i);

		port_usage_cache_replay(&cache, &socket);
	}
	assert_int_equal(count_of(&cache, next), 2);
	port_usage_cache_done(&cache);
}

static void another_namespace_begins_a_count_of_a_capture(void **state)
{
	struct port_usage_cache cache = {0};
	struct wire_socket socket = counted(NOW, 7), other = counted(NOW + 1, 8);

	(void)state;
	other.sock.netns = NETNS + 1;
	port_usage_cache_replay(&cache, &socket);
	port_usage_cache_replay(&cache, &other);
	assert_null(port_usage_cache_find(&cache, NETNS, NOW));
	assert_non_null(port_usage_cache_find(&cache, NETNS + 1, NOW));
	port_usage_cache_done(&cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_count_is_valid_for_a_second),
		cmocka_unit_test(a_gap_begins_a_count_of_a_capture),
		cmocka_unit_test(another_namespace_begins_a_count_of_a_capture),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
