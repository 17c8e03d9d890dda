/* SPDX-License-Identifier: GPL-2.0-only */
/* Settings and addresses of this network namespace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "system/netns_read.h"

static uint8_t reserved[NETNS_PORTS];

static unsigned int reserved_count(void)
{
	unsigned int count = 0;

	for (unsigned int port = 0; port < NETNS_PORTS; port++)
		count += reserved[port];
	return count;
}

static void reserved_ports_are_parsed(void **state)
{
	(void)state;
	netns_parse_reserved("8080,9148-9150\n", reserved);
	assert_int_equal(reserved_count(), 4);
	assert_true(reserved[8080] && reserved[9148] && reserved[9149] && reserved[9150]);
	netns_parse_reserved("\n", reserved);
	assert_int_equal(reserved_count(), 0);
	netns_parse_reserved("0-65535\n", reserved);
	assert_int_equal(reserved_count(), 65536);
	netns_parse_reserved("65535,70000-80000\n", reserved);
	assert_int_equal(reserved_count(), 1);
}

static void this_namespace_is_read(void **state)
{
	struct wire_netns netns = {.ephemeral_failed = 7};
	unsigned int low, high;

	(void)state;
	netns_read(&netns, reserved);
	assert_true(netns.has & WIRE_NETNS_READ);
	low = netns_read_setting("/proc/sys/net/ipv4/ip_local_port_range", &high);
	assert_int_equal(netns.range_low, low);
	assert_int_equal(netns.range_high, high);
	assert_true(low > 0 && low <= high);
	assert_true(netns.tw_reuse_delay_ms > 0);
	assert_true(!(netns.has & WIRE_NETNS_KEEPS_TIMEWAIT) ==
		    !access("/proc/sys/net/ipv4/tcp_child_ehash_entries", F_OK));
	assert_int_equal(netns.ephemeral_failed, 7); /* porttrace's own count */
}

static void reserved_ports_are_formatted(void **state)
{
	static const char *const lists[] = {"", "0", "8080", "8080,9148-9150", "1,3,5-65535"};

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		char *text;

		netns_parse_reserved(lists[i], reserved);
		text = netns_format_reserved(reserved);
		assert_string_equal(text, lists[i]);
		free(text);
	}
}

static void a_missing_setting_is_zero(void **state)
{
	unsigned int second = 1;

	(void)state;
	assert_int_equal(netns_read_setting("/proc/sys/net/ipv4/no_such_setting", &second), 0);
	assert_int_equal(second, 0);
}

static void an_unknown_address_is_not_found(void **state)
{
	/* 2001:db8::/32 is for documentation. */
	const uint8_t address[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};

	(void)state;
	assert_int_equal(netns_find_ipv6(address, 0), NETNS_ADDRESS_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reserved_ports_are_parsed),
		cmocka_unit_test(reserved_ports_are_formatted),
		cmocka_unit_test(this_namespace_is_read),
		cmocka_unit_test(a_missing_setting_is_zero),
		cmocka_unit_test(an_unknown_address_is_not_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
