/* SPDX-License-Identifier: GPL-2.0-only */
/* Lines of /proc/self/mountinfo. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "system/mountinfo.h"

static void check_path(const char *line, const char *expected)
{
	char text[256], *path = NULL;
	uint32_t netns = 0;

	snprintf(text, sizeof(text), "%s", line);
	assert_true(mountinfo_parse_netns(text, &netns, &path));
	assert_int_equal(netns, 4026532281);
	assert_string_equal(path, expected);
}

static void the_mount_of_a_namespace_is_found(void **state)
{
	(void)state;
	check_path("42 25 0:4 net:[4026532281] /run/netns/blue rw shared:5 - nsfs nsfs rw\n",
		   "/run/netns/blue");
	check_path("42 25 0:4 net:[4026532281] /run/netns/blue", "/run/netns/blue");
}

static void escapes_are_decoded(void **state)
{
	(void)state;
	check_path("42 25 0:4 net:[4026532281] /run/netns/a\\040b rw - nsfs nsfs rw\n", "/run/netns/a b");
	check_path("42 25 0:4 net:[4026532281] /a\\011\\012\\134 rw - nsfs nsfs rw\n", "/a\t\n\\");
	check_path("42 25 0:4 net:[4026532281] /a\\134040b rw - nsfs nsfs rw\n", "/a\\040b");
	/* Not escapes: the kernel does not write these, and they are kept. */
	check_path("42 25 0:4 net:[4026532281] /a\\x\\04 rw - nsfs nsfs rw\n", "/a\\x\\04");
	check_path("42 25 0:4 net:[4026532281] /a\\", "/a\\");
}

static void other_mounts_are_not_namespaces(void **state)
{
	char lines[][80] = {
		"25 1 0:22 / /run rw - tmpfs tmpfs rw\n",
		"42 25 0:4 mnt:[4026532281] /run/m rw - nsfs nsfs rw\n",
		"42 25 0:4 net:[4026532281]\n",
		"",
	};
	char *path;
	uint32_t netns;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_false(mountinfo_parse_netns(lines[i], &netns, &path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_mount_of_a_namespace_is_found),
		cmocka_unit_test(escapes_are_decoded),
		cmocka_unit_test(other_mounts_are_not_namespaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
