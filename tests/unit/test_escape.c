/* SPDX-License-Identifier: GPL-2.0-only */
/* Escaping for a terminal and for JSON. */
#include "util/escape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void expect_terminal(const char *bytes, size_t length, const char *expected)
{
	char out[256];

	assert_int_equal(escape_terminal(out, sizeof(out), bytes, length), strlen(expected));
	assert_string_equal(out, expected);
}

#define TERMINAL(bytes, expected) expect_terminal(bytes, sizeof(bytes) - 1, expected)

static void terminal_keeps_plain_text(void **state)
{
	(void)state;
	TERMINAL("", "");
	TERMINAL("nginx: worker process", "nginx: worker process");
	TERMINAL("gr\xc3\xbc\xc3\x9f", "grüß");
	TERMINAL("\xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x90\xa7", "日本 🐧");
}

static void terminal_escapes_controls(void **state)
{
	(void)state;
	TERMINAL("a\tb\nc\033[31m\x7f", "a\\x09b\\x0ac\\x1b[31m\\x7f");
	TERMINAL("nul\0byte", "nul\\x00byte");
	/* CSI as one C1 character, as UTF-8 and as a bare byte */
	TERMINAL("\xc2\x9b" "2J", "\\u009b2J");
	TERMINAL("\x9b" "2J", "\\x9b2J");
}

static void terminal_escapes_invisible_characters(void **state)
{
	(void)state;
	TERMINAL("\xe2\x80\xae" "gpj", "\\u202egpj");	 /* right-to-left override */
	TERMINAL("\xe2\x81\xa6", "\\u2066");		 /* isolate */
	TERMINAL("a\xe2\x80\x8b" "b", "a\\u200bb");	 /* zero width space */
	TERMINAL("\xef\xbb\xbf", "\\ufeff");		 /* byte order mark */
	TERMINAL("\xc2\xad", "\\u00ad");		 /* soft hyphen */
	TERMINAL("\xe2\x80\xa8", "\\u2028");		 /* line separator */
	TERMINAL("\xf3\xa0\x81\x81", "\\U000e0041");	 /* tag */
}

static void terminal_escapes_invalid_utf8(void **state)
{
	(void)state;
	TERMINAL("\xff", "\\xff");
	TERMINAL("\xc3", "\\xc3");
	TERMINAL("\xc0\xaf", "\\xc0\\xaf");		 /* overlong */
	TERMINAL("\xe0\x80\xaf", "\\xe0\\x80\\xaf");	 /* overlong */
	TERMINAL("\xed\xa0\x80", "\\xed\\xa0\\x80");	 /* surrogate */
	TERMINAL("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* beyond U+10FFFF */
	TERMINAL("\xe6\x97", "\\xe6\\x97");		 /* cut */
}

static void terminal_is_unambiguous(void **state)
{
	(void)state;
	TERMINAL("\\x1b", "\\\\x1b");
	TERMINAL("\x1b", "\\x1b");
}

static void results_are_cut_between_characters(void **state)
{
	char out[6];

	(void)state;
	assert_int_equal(escape_terminal(out, sizeof(out), "ab\x1b" "c", 4), 2);
	assert_string_equal(out, "ab");
	assert_int_equal(escape_terminal(out, 4, "a\xc3\xbc\xc3\xbc", 5), 3);
	assert_string_equal(out, "aü");
	assert_int_equal(escape_terminal(out, 1, "a", 1), 0);
	assert_string_equal(out, "");
	assert_int_equal(escape_json(out, 4, "a\xff" "b", 3), 1);
	assert_string_equal(out, "a");
}

static void json_is_valid_utf8(void **state)
{
	char out[64];

	(void)state;
	assert_int_equal(escape_json(out, sizeof(out), "a\xff\xc3\xbc\xed\xa0", 6), 12);
	assert_string_equal(out, "a\xef\xbf\xbdü\xef\xbf\xbd\xef\xbf\xbd");
	assert_true(escape_is_utf8("sixteen bytes ok", 16));
	assert_true(escape_is_utf8("eight by\xc3\xbc", 10));
	assert_false(escape_is_utf8("eight by\xc3", 9));
	assert_false(escape_is_utf8("\xff" "1234567", 8));
}

/* For any input, the result fits, is valid UTF-8 and has no control characters. */
static void any_bytes_become_safe(void **state)
{
	static const char nasty[] = "\xe2\x80\xae\xc2\x9b\\";
	char bytes[24], terminal[ESCAPE_TERMINAL_SIZE(24)], json[ESCAPE_JSON_SIZE(24)];

	(void)state;
	srandom(1);
	for (int round = 0; round < 100000; round++) {
		size_t length = (size_t)random() % sizeof(bytes), terminal_length, json_length;

		for (size_t i = 0; i < length; i++)
			bytes[i] = random() % 3 ? (char)random() : nasty[random() % 6];
		terminal_length = escape_terminal(terminal, sizeof(terminal), bytes, length);
		json_length = escape_json(json, sizeof(json), bytes, length);
		assert_true(escape_is_utf8(terminal, terminal_length));
		assert_true(escape_is_utf8(json, json_length));
		assert_true(json_length >= length);
		for (size_t i = 0; i < terminal_length; i++)
			assert_true((unsigned char)terminal[i] >= 0x20 && terminal[i] != 0x7f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(terminal_keeps_plain_text),
		cmocka_unit_test(terminal_escapes_controls),
		cmocka_unit_test(terminal_escapes_invisible_characters),
		cmocka_unit_test(terminal_escapes_invalid_utf8),
		cmocka_unit_test(terminal_is_unambiguous),
		cmocka_unit_test(results_are_cut_between_characters),
		cmocka_unit_test(json_is_valid_utf8),
		cmocka_unit_test(any_bytes_become_safe),
	};

	return cmocka_run_group_tests_name("escape", tests, NULL, NULL);
}
