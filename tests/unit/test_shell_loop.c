/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/shell_loop.h"

static const char *const names[] = {"node", "server.js", ""};

static bool runs(const char *script)
{
	return shell_loop_runs(script, names, sizeof(names) / sizeof(names[0]));
}

static void a_loop_that_runs_it(void **state)
{
	(void)state;
	assert_true(runs("while true; do node server.js; done"));
	assert_true(runs("until ./server.js\ndo\n  node\ndone"));
	assert_true(runs("#!/bin/sh\nset -e\nwhile :\ndo\n\t/usr/bin/node server.js >log 2>&1\n\tsleep 1\ndone\n"));
	assert_true(runs("while :; do for p in 1 2; do node $p; done; done"));
	assert_true(runs("while :; do cd /srv && exec 3>&1 && node; done"));
	assert_true(runs("while :; do node &>log; done"));
	assert_true(runs("while :; do (node); done"));
}

static void no_loop_that_runs_it(void **state)
{
	(void)state;
	assert_false(runs(""));
	assert_false(runs("node server.js"));
	assert_false(runs("node server.js & until curl localhost:80; do sleep 1; done; npm test"));
	assert_false(runs("while sleep 1; do date; done; node server.js"));
	assert_false(runs("for p in 1 2; do node $p; done"));
	assert_false(runs("while read p; do node $p & done <ports"));
	assert_false(runs("while :; do nodemon; done"));
	assert_false(runs("while :; do my-node; done"));
	assert_false(runs("# while true; do node; done"));
	assert_false(runs("done done while"));
	assert_false(runs("while :; do date # node\ndone"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_loop_that_runs_it),
		cmocka_unit_test(no_loop_that_runs_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
