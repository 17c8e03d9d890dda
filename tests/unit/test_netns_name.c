/* SPDX-License-Identifier: GPL-2.0-only */
/* The paths whose last part is a name of `ip netns`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "system/netns_name.h"

static void mounts_of_ip_netns_have_a_name(void **state)
{
	(void)state;
	assert_string_equal(netns_name_of_mount("/run/netns/blue"), "blue");
	assert_string_equal(netns_name_of_mount("/var/run/netns/a b"), "a b");
}

static void other_mounts_have_none(void **state)
{
	static const char *const paths[] = {"/run/netns/", "/run/netns", "/run/netns/a/b", "/run/docker/netns/0c1d2e",
					    "/home/run/netns/blue", ""};

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_null(netns_name_of_mount(paths[i]));
}

static void a_number_that_no_namespace_has_is_not_named(void **state)
{
	(void)state;
	assert_null(netns_name(0));
	assert_null(netns_name(1));
}

static void the_fixed_number_is_the_host(void **state)
{
	(void)state;
	assert_string_equal(netns_name(0xEFFFFFF9U), "host");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mounts_of_ip_netns_have_a_name),
		cmocka_unit_test(other_mounts_have_none),
		cmocka_unit_test(a_number_that_no_namespace_has_is_not_named),
		cmocka_unit_test(the_fixed_number_is_the_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
