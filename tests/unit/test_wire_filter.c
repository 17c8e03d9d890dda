/* SPDX-License-Identifier: GPL-2.0-only */
/* Boundary cases of wire_filter(). test_filter_table.c compares it with the kernel's filters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "model/wire_filter.h"
#include "util/address.h"
#include "wire_make.h"

static struct settings settings;
static struct wire_connect event;

/* nginx (10), uid 33, 10.0.0.1:8080 -> 192.0.2.5:443, TCP. */
static int setup(void **state)
{
	unsigned int prefix;

	(void)state;
	memset(&settings, 0, sizeof(settings));
	event = make_connect(SECOND, 1, 10);
	memcpy(event.task.comm, "nginx", sizeof("nginx"));
	event.task.uid = 33;
	event.sock.local_port = 8080;
	address_parse("10.0.0.1", event.sock.local_addr, &prefix);
	address_parse("192.0.2.5", event.sock.remote_addr, &prefix);
	return 0;
}

static bool passes(void)
{
	return wire_filter(&settings, &event.hdr);
}

static void add_number(struct settings_numbers *list, uint32_t value)
{
	list->values[list->count++] = value;
}

static void add_name(const char *name)
{
	memcpy(settings.comms.values[settings.comms.count++], name, strnlen(name, 15));
}

static void set_cidr(struct settings_cidrs *list, const char *text)
{
	unsigned int prefix;

	list->count = 1;
	assert_int_equal(address_parse(text, list->values[0].addr, &prefix), 0);
	list->values[0].prefix = prefix;
}

static void set_port(struct settings_ports *ports, uint16_t port)
{
	ports->used = 1;
	ports->bits[port / 64] |= 1ULL << (port % 64);
}

static void no_filter_accepts_everything(void **state)
{
	(void)state;
	assert_true(passes());
}

static void any_listed_number_is_accepted(void **state)
{
	(void)state;
	add_number(&settings.pids, 9);
	assert_false(passes());
	add_number(&settings.pids, 10);
	assert_true(passes());
	add_number(&settings.uids, 33);
	add_number(&settings.protocols, IPPROTO_TCP);
	add_number(&settings.netns, event.sock.netns);
	assert_true(passes());
	settings.uids.values[0] = 0; /* uid 0 is matched like any other */
	assert_false(passes());
}

static void protocol_and_namespace(void **state)
{
	(void)state;
	add_number(&settings.protocols, IPPROTO_UDP);
	assert_false(passes());
	settings.protocols.values[0] = IPPROTO_TCP;
	add_number(&settings.netns, 1);
	assert_false(passes());
}

static void names_match_as_a_whole(void **state)
{
	(void)state;
	add_name("ngin");
	add_name("nginxx");
	assert_false(passes());
	add_name("nginx");
	assert_true(passes());
	/* Kernel and option keep the first 15 bytes. */
	memcpy(event.task.comm, "a-name-of-15-by", 16);
	add_name("a-name-of-15-bytes");
	assert_true(passes());
}

static void ports_at_the_edges(void **state)
{
	(void)state;
	set_port(&settings.local_ports, 0);
	assert_false(passes());
	event.sock.local_port = 0;
	assert_true(passes());
	set_port(&settings.remote_ports, 65535);
	assert_false(passes());
	event.sock.remote_port = 65535;
	assert_true(passes());
}

static void networks(void **state)
{
	(void)state;
	set_cidr(&settings.local, "10.0.0.0/8");
	assert_true(passes());
	set_cidr(&settings.local, "10.0.0.0/31");
	assert_true(passes());
	set_cidr(&settings.local, "10.0.0.2/31");
	assert_false(passes());
	set_cidr(&settings.local, "0.0.0.0/0");
	set_cidr(&settings.remote, "192.0.2.5");
	assert_true(passes());
	set_cidr(&settings.remote, "192.0.2.4");
	assert_false(passes());
	set_cidr(&settings.remote, "::/0");
	assert_true(passes());
	set_cidr(&settings.remote, "2001:db8::/32");
	assert_false(passes());
}

static void a_mapped_address_is_ipv4(void **state)
{
	(void)state;
	settings.ipv4 = 1;
	assert_true(passes());
	event.sock.family = AF_INET6;
	assert_true(passes());
	settings.ipv4 = 0;
	settings.ipv6 = 1;
	assert_false(passes());
	memset(event.sock.local_addr, 0, sizeof(event.sock.local_addr));
	assert_true(passes());
	settings.ipv4 = 1; /* both: all */
	event.sock.family = AF_INET;
	assert_true(passes());
}

static void cgroup_is_its_id(void **state)
{
	(void)state;
	settings.cgroup_id = 77;
	assert_false(passes());
	event.task.cgroup_id = 77;
	assert_true(passes());
}

static void event_without_socket_is_accepted(void **state)
{
	struct wire_netns netns = make_netns(SECOND, 5);

	(void)state;
	add_number(&settings.pids, 1);
	set_port(&settings.local_ports, 1);
	assert_true(wire_filter(&settings, &netns.hdr));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(no_filter_accepts_everything, setup),
		cmocka_unit_test_setup(any_listed_number_is_accepted, setup),
		cmocka_unit_test_setup(protocol_and_namespace, setup),
		cmocka_unit_test_setup(names_match_as_a_whole, setup),
		cmocka_unit_test_setup(ports_at_the_edges, setup),
		cmocka_unit_test_setup(networks, setup),
		cmocka_unit_test_setup(a_mapped_address_is_ipv4, setup),
		cmocka_unit_test_setup(cgroup_is_its_id, setup),
		cmocka_unit_test_setup(event_without_socket_is_accepted, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
