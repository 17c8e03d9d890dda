/* SPDX-License-Identifier: GPL-2.0-only */
/* Which sockets are one SO_REUSEPORT group, and which members look forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "diagnose/group.h"
#include "wire_make.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void a_group_has_one_address_and_user(void **state)
{
	struct wire_sock a = make_sock(7, WIRE_TCP_LISTEN), b;

	(void)state;
	a.flags = WIRE_REUSEPORT;
	b = a;
	b.cookie = 8;
	assert_true(group_is_same(&a, &b));
	b.flags = WIRE_REUSEADDR;
	assert_false(group_is_same(&a, &b));
	b = a;
	b.uid = 33;
	assert_false(group_is_same(&a, &b));
	b = a;
	b.local_addr[15]++;
	assert_false(group_is_same(&a, &b));
	b = a;
	b.local_port++;
	assert_false(group_is_same(&a, &b));
	b = a;
	b.state = WIRE_TCP_ESTABLISHED; /* a connection that a member accepted */
	assert_false(group_is_same(&a, &b));
	a.protocol = IPPROTO_UDP;
	a.state = WIRE_TCP_CLOSE;
	b = a;
	assert_true(group_is_same(&a, &b));
	b.remote_port = 53;
	assert_false(group_is_same(&a, &b));
}

static void a_generation_that_was_left_behind_is_marked(void **state)
{
	/* Starts in seconds, 0: not known; which of them are older. */
	static const struct {
		unsigned int starts[4];
		const char *older;
	} rows[] = {
		{{100, 101, 102, 103}, "...."},
		{{100, 101, 200, 201}, "XX.."},
		{{100, 200, 201, 202}, "X..."},
		{{100, 101, 102, 200}, "...."}, /* one worker was started again */
		{{100, 0, 200, 201}, "...."},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct group_member members[4] = {0};

		for (size_t j = 0; j < 4; j++)
			members[j].started_boot_ns = rows[i].starts[j] * SECOND;
		group_mark(members, 4);
		for (size_t j = 0; j < 4; j++)
			assert_int_equal(members[j].marks, rows[i].older[j] == 'X' ? GROUP_MARK_OLDER : 0);
	}
}

static void a_queue_that_only_grows_is_marked(void **state)
{
	static const struct group_member members[] = {
		{.is_watched = true, .queue_first = 2, .queue = 5, .limit = 511, .marks = GROUP_MARK_GROWS},
		{.is_watched = true, .queue_first = 6, .queue = 6, .limit = 5, .marks = GROUP_MARK_GROWS},
		{.is_watched = true, .queue_first = 2, .queue = 5, .limit = 511, .has_shrunk = true},
		{.is_watched = true, .queue_first = 5, .queue = 5, .limit = 511},
		{.is_watched = true, .queue_first = 5, .queue = 0, .limit = 511, .has_shrunk = true},
		{.queue_first = 2, .queue = 5, .limit = 511},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(members); i++) {
		struct group_member member = members[i];

		group_mark(&member, 1);
		assert_int_equal(member.marks, members[i].marks);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_group_has_one_address_and_user),
		cmocka_unit_test(a_generation_that_was_left_behind_is_marked),
		cmocka_unit_test(a_queue_that_only_grows_is_marked),
	};

	return cmocka_run_group_tests_name("group", tests, NULL, NULL);
}
