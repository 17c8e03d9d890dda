/* SPDX-License-Identifier: GPL-2.0-only */
/* Requests with one answer, with an error and with a dump; devices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <linux/rtnetlink.h>

#include "system/device.h"
#include "system/netlink.h"

struct links {
	unsigned int count;
	int last_index;
};

static void link_found(void *context, const struct nlmsghdr *message)
{
	const struct ifinfomsg *link = netlink_payload(message, RTM_NEWLINK, sizeof(*link));
	struct links *links = context;

	assert_non_null(link);
	assert_null(netlink_payload(message, RTM_NEWROUTE, sizeof(*link)));
	assert_null(netlink_payload(message, RTM_NEWLINK, message->nlmsg_len));
	links->count++;
	links->last_index = link->ifi_index;
}

static int request_links(int index, uint16_t flags, struct links *links)
{
	const struct {
		struct nlmsghdr header;
		struct ifinfomsg link;
	} request = {
		.header = {.nlmsg_len = sizeof(request), .nlmsg_type = RTM_GETLINK,
			   .nlmsg_flags = NLM_F_REQUEST | flags},
		.link = {.ifi_index = index},
	};

	return netlink_request(NETLINK_ROUTE, &request.header, link_found, links);
}

/* Loopback has index 1 in every network namespace. */
static void one_answer_ends_the_request(void **state)
{
	struct links links = {0};

	(void)state;
	assert_int_equal(request_links(1, 0, &links), 0);
	assert_int_equal(links.count, 1);
	assert_int_equal(links.last_index, 1);
}

static void an_error_is_returned(void **state)
{
	struct links links = {0};

	(void)state;
	assert_int_equal(request_links(INT_MAX, 0, &links), -ENODEV);
	assert_int_equal(links.count, 0);
}

static void a_dump_is_read_to_its_end(void **state)
{
	struct links links = {0};

	(void)state;
	assert_int_equal(request_links(0, NLM_F_DUMP, &links), 0);
	assert_true(links.count >= 1);
}

static void a_device_is_found_by_name_and_number(void **state)
{
	(void)state;
	assert_int_equal(device_index("lo"), 1);
	assert_int_equal(device_index("1"), 1);
	assert_int_equal(device_index("no-such-device"), 0);
	assert_int_equal(device_index("2147483647"), 0);
	assert_int_equal(device_index("-1"), 0);
	assert_int_equal(device_index("1x"), 0);
	assert_int_equal(device_index(""), 0);
}

static void loopback_is_in_no_vrf(void **state)
{
	(void)state;
	assert_int_equal(device_l3mdev(1), 0);
	assert_int_equal(device_l3mdev(0), 0);
	assert_int_equal(device_l3mdev(INT_MAX), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_answer_ends_the_request),
		cmocka_unit_test(an_error_is_returned),
		cmocka_unit_test(a_dump_is_read_to_its_end),
		cmocka_unit_test(a_device_is_found_by_name_and_number),
		cmocka_unit_test(loopback_is_in_no_vrf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
