/* SPDX-License-Identifier: GPL-2.0-only */
/* Formatting and parsing addresses. */
#include "util/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "util/errno_name.h"

static void expect_both(const char *text, const char *address_text, const char *port_text)
{
	char out[ADDRESS_PORT_SIZE];
	uint8_t address[16];
	unsigned int prefix;

	assert_int_equal(address_parse(text, address, &prefix), 0);
	assert_int_equal(prefix, 128);
	assert_int_equal(address_format(address, out), strlen(address_text));
	assert_string_equal(out, address_text);
	assert_int_equal(address_format_port(address, 443, out), strlen(port_text));
	assert_string_equal(out, port_text);
}

static void addresses_are_formatted(void **state)
{
	(void)state;
	expect_both("10.0.0.5", "10.0.0.5", "10.0.0.5:443");
	expect_both("255.255.255.255", "255.255.255.255", "255.255.255.255:443");
	expect_both("0.0.0.0", "0.0.0.0", "0.0.0.0:443");
	expect_both("::", "::", "*:443");
	expect_both("::1", "::1", "[::1]:443");
	expect_both("fe80::1:0:0:2", "fe80::1:0:0:2", "[fe80::1:0:0:2]:443");
	expect_both("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1:443");
	expect_both("2001:DB8:0:1:0:0:0:0", "2001:db8:0:1::", "[2001:db8:0:1::]:443");
	expect_both("1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7", "[1:0:2:3:4:5:6:7]:443");
}

/* ss shows "*" only for a socket that takes IPv4 and IPv6. */
static void bound_addresses_are_as_in_ss(void **state)
{
	static const struct {
		const char *address, *v4_too, *v6only;
	} rows[] = {
		{ "0.0.0.0", "0.0.0.0:80", "0.0.0.0:80" },
		{ "::", "*:80", "[::]:80" },
		{ "::1", "[::1]:80", "[::1]:80" },
	};
	char out[ADDRESS_PORT_SIZE];
	uint8_t address[16];
	unsigned int prefix;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(address_parse(rows[i].address, address, &prefix), 0);
		address_format_bound(address, 80, false, out);
		assert_string_equal(out, rows[i].v4_too);
		address_format_bound(address, 80, true, out);
		assert_string_equal(out, rows[i].v6only);
	}
}

static void v6_is_formatted_as_by_the_c_library(void **state)
{
	(void)state;
	srandom(1);
	for (int round = 0; round < 100000; round++) {
		char ours[ADDRESS_SIZE], theirs[INET6_ADDRSTRLEN];
		uint8_t address[16];

		/* Not ::a.b.c.d, which the C library formats as an IPv4 address. */
		for (size_t i = 0; i < 16; i++)
			address[i] = random() % 3 ? 0 : (uint8_t)random();
		address[0] = 0x20;
		address_format(address, ours);
		inet_ntop(AF_INET6, address, theirs, sizeof(theirs));
		assert_string_equal(ours, theirs);
	}
}

static void expect_network(const char *text, const char *network, unsigned int expected)
{
	char out[ADDRESS_SIZE];
	uint8_t address[16];
	unsigned int prefix;

	assert_int_equal(address_parse(text, address, &prefix), 0);
	assert_int_equal(prefix, expected);
	address_format(address, out);
	assert_string_equal(out, network);
}

static void networks_are_parsed(void **state)
{
	(void)state;
	expect_network("10.0.0.0/8", "10.0.0.0", 104);
	expect_network("10.1.2.3/8", "10.0.0.0", 104);
	expect_network("192.0.2.129/25", "192.0.2.128", 121);
	expect_network("0.0.0.0/0", "0.0.0.0", 96);
	expect_network("10.0.0.5/32", "10.0.0.5", 128);
	expect_network("fe80::1/10", "fe80::", 10);
	expect_network("2001:db8::1/128", "2001:db8::1", 128);
	expect_network("::/0", "::", 0);
}

static void invalid_text_is_refused(void **state)
{
	static const char *const texts[] = {
		"", "*", "localhost", "10.0.0", "10.0.0.256", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1",
		"10.0.0.0/8x", "10.0.0.0/0008", "::1/129", "[::1]", "fe80::1%eth0", ":::", " 10.0.0.1",
		"1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111",
	};
	uint8_t address[16];
	unsigned int prefix;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(address_parse(texts[i], address, &prefix), -EINVAL);
}

static void errnos_have_names(void **state)
{
	char buffer[ERRNO_NAME_SIZE];

	(void)state;
	assert_string_equal(errno_name(EADDRINUSE, buffer), "EADDRINUSE");
	assert_string_equal(errno_name(EAGAIN, buffer), "EAGAIN");
	assert_string_equal(errno_name(EPERM, buffer), "EPERM");
	assert_string_equal(errno_name(0, buffer), "errno 0");
	assert_string_equal(errno_name(999, buffer), "errno 999");
	assert_string_equal(errno_name(UINT32_MAX, buffer), "errno 4294967295");
	for (uint32_t error = 1; error <= EHWPOISON; error++) {
		bool is_gap = error == 41 || error == 58;

		assert_int_equal(errno_name(error, buffer)[0], is_gap ? 'e' : 'E');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_formatted),
		cmocka_unit_test(bound_addresses_are_as_in_ss),
		cmocka_unit_test(v6_is_formatted_as_by_the_c_library),
		cmocka_unit_test(networks_are_parsed),
		cmocka_unit_test(invalid_text_is_refused),
		cmocka_unit_test(errnos_have_names),
	};

	return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
