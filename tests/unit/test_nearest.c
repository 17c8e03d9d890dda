/* SPDX-License-Identifier: GPL-2.0-only */
/* Which known word nearest() suggests for a misspelled one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/nearest.h"

static const char *const commands[] = {"ls", "why", "ephemeral", "record", "replay", "doctor", NULL};

static void misspelled_word_is_found(void **state)
{
	(void)state;
	assert_string_equal(nearest_word("lss", commands), "ls");
	assert_string_equal(nearest_word("recrod", commands), "record");
	assert_string_equal(nearest_word("rekord", commands), "record");
	assert_string_equal(nearest_word("docter", commands), "doctor");
	assert_string_equal(nearest_word("ehpemeral", commands), "ephemeral");
	assert_string_equal(nearest_word("l", commands), "ls");
}

static void abbreviation_is_found(void **state)
{
	(void)state;
	assert_string_equal(nearest_word("eph", commands), "ephemeral");
	assert_string_equal(nearest_word("rep", commands), "replay");
}

static void other_words_are_not_taken_for_one(void **state)
{
	(void)state;
	assert_null(nearest_word("frobnicate", commands));
	assert_null(nearest_word("", commands));
	assert_null(nearest_word("xy", commands));
	assert_null(nearest_word("a-word-that-is-far-too-long-to-be-compared-with-any", commands));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(misspelled_word_is_found),
		cmocka_unit_test(abbreviation_is_found),
		cmocka_unit_test(other_words_are_not_taken_for_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
