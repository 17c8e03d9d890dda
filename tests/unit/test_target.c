/* SPDX-License-Identifier: GPL-2.0-only */
/* The parser of PORT and TARGET. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "cmd/target.h"
#include "util/address.h"

static const struct {
	const char *text;
	uint16_t protocol, family, first, last;
	const char *address; /* NULL: none */
} good[] = {
	{ "80", 0, 0, 80, 80, NULL },
	{ ":80", 0, 0, 80, 80, NULL },
	{ "0", 0, 0, 0, 0, NULL },
	{ "http", 0, 0, 80, 80, NULL },
	{ ":https", 0, 0, 443, 443, NULL },
	{ "8000-8100", 0, 0, 8000, 8100, NULL },
	{ "tcp:80", IPPROTO_TCP, 0, 80, 80, NULL },
	{ "udp/53", IPPROTO_UDP, 0, 53, 53, NULL },
	{ "80/tcp", IPPROTO_TCP, 0, 80, 80, NULL },
	{ "domain/udp", IPPROTO_UDP, 0, 53, 53, NULL },
	{ "8000-8100/udp6", IPPROTO_UDP, AF_INET6, 8000, 8100, NULL },
	{ "127.0.0.1:80", 0, AF_INET, 80, 80, "127.0.0.1" },
	{ "localhost:80", 0, AF_INET, 80, 80, "127.0.0.1" },
	{ "tcp6:localhost:80", IPPROTO_TCP, AF_INET6, 80, 80, "::1" },
	{ "[::1]:80", 0, AF_INET6, 80, 80, "::1" },
	{ "[::1]:80/udp", IPPROTO_UDP, AF_INET6, 80, 80, "::1" },
	{ "*:80", 0, 0, 80, 80, NULL },
	{ "tcp:*:http", IPPROTO_TCP, 0, 80, 80, NULL },
	{ "udplite:10.0.0.1:9", IPPROTO_UDPLITE, AF_INET, 9, 9, "10.0.0.1" },
};

static const struct {
	const char *text, *error;
} bad[] = {
	{ "", "'' is not a port" },
	{ "abc", "'abc' is not a port (0 to 65535)" },
	{ "65536", "'65536' is not a port" },
	{ "-1", "'-1' is not a port" },
	{ "80-", "'80-' is not a port" },
	{ "90-80", "the range '90-80' ends before it begins; write 80-90" },
	{ "tcp:", "'' is not a port" },
	{ "80/sctp", "'80/sctp' is not a port" },
	{ "::1:80", "'::1:80': an IPv6 address needs brackets" },
	{ "[::1]", "'[::1]': [ADDRESS] is followed by :PORT" },
	{ "[10.0.0.1]:80", "only an IPv6 address has brackets" },
	{ "300.0.0.1:80", "'300.0.0.1' is not an address" },
	{ "tcp4:[::1]:80", "'::1' is not an address of that protocol" },
	{ "[::1%]:80", "'::1' is not an address" },
};

static void targets_are_parsed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char error[TARGET_ERROR_SIZE], address[ADDRESS_SIZE];
		struct target target;

		if (!target_parse(good[i].text, &target, error))
			fail_msg("%s: %s", good[i].text, error);
		assert_int_equal(target.protocol, good[i].protocol);
		assert_int_equal(target.family, good[i].family);
		assert_int_equal(target.first, good[i].first);
		assert_int_equal(target.last, good[i].last);
		assert_int_equal(target.has_address, good[i].address != NULL);
		address_format(target.address, address);
		if (good[i].address)
			assert_string_equal(address, good[i].address);
	}
}

static void mistakes_are_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char error[TARGET_ERROR_SIZE] = "";
		struct target target;

		if (target_parse(bad[i].text, &target, error))
			fail_msg("'%s' is taken", bad[i].text);
		if (!strstr(error, bad[i].error))
			fail_msg("'%s': %s", bad[i].text, error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets_are_parsed),
		cmocka_unit_test(mistakes_are_named),
	};

	return cmocka_run_group_tests_name("target", tests, NULL, NULL);
}
