/* SPDX-License-Identifier: GPL-2.0-only */
/* The table computes differences of reported totals: exact over any number of reports, and none without a change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/netns_table.h"
#include "wire_make.h"

static struct netns_table *table;
static struct churn churn;

static int setup(void **state)
{
	(void)state;
	table = netns_table_new();
	return table ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	netns_table_free(table);
	return 0;
}

static void report(uint64_t ns, uint64_t entered, uint64_t live)
{
	struct wire_netns event = make_netns(ns, 1);

	event.timewait_entered = entered;
	event.timewait_live = live;
	assert_int_equal(netns_table_add(table, &event), 0);
}

static void traffic(uint32_t pid, uint64_t allocated, uint64_t timewait)
{
	struct wire_traffic event = make_traffic(0, 1, pid, allocated, timewait);

	assert_int_equal(netns_table_add_traffic(table, &event), 0);
}

static void last_two_reports_are_kept(void **state)
{
	(void)state;
	assert_null(netns_table_find(table, 1));
	report(SECOND, 10, 1);
	assert_false(netns_table_find(table, 1)->has_before);
	report(2 * SECOND, 20, 1);
	assert_true(netns_table_find(table, 1)->has_before);
	assert_int_equal(netns_table_find(table, 1)->before.timewait_entered, 10);
	assert_int_equal(netns_table_find(table, 1)->now.timewait_entered, 20);
	assert_int_equal(netns_table_count(table), 1);
	netns_table_drop(table, 1);
	netns_table_drop(table, 1);
	assert_int_equal(netns_table_count(table), 0);
}

static void churn_is_the_difference_of_two_reports(void **state)
{
	struct wire_netns event = make_netns(10 * SECOND, 1);

	(void)state;
	event.timewait_entered = 1000;
	event.timewait_reused = 100;
	event.timewait_killed = 10;
	event.timewait_live = 500;
	event.ephemeral_allocated = 7;
	netns_table_add(table, &event);
	assert_false(netns_table_churn(table, 1, &churn));

	event.hdr.boot_ns = 12 * SECOND;
	event.timewait_entered += 300;
	event.timewait_reused += 40;
	event.timewait_killed += 5;
	event.timewait_overflowed += 3;
	event.timewait_live += 55;
	event.ephemeral_allocated += 11;
	event.ephemeral_released += 9;
	event.ephemeral_failed += 2;
	netns_table_add(table, &event);
	assert_true(netns_table_churn(table, 1, &churn));
	assert_int_equal(churn.netns, 1);
	assert_true(churn.interval_s > 1.999 && churn.interval_s < 2.001);
	assert_int_equal(churn.timewait_live, 555);
	assert_int_equal(churn.timewait_entered, 300);
	assert_int_equal(churn.timewait_reused, 40);
	assert_int_equal(churn.timewait_killed, 5);
	assert_int_equal(churn.timewait_overflowed, 3);
	assert_int_equal(churn.timewait_expired, 300 - 40 - 5 - 55);
	assert_int_equal(churn.ephemeral_allocated, 11);
	assert_int_equal(churn.ephemeral_released, 9);
	assert_int_equal(churn.ephemeral_failed, 2);
	assert_false(churn.in_use_known);
	assert_int_equal(churn.range_low, 32768);
	assert_int_equal(churn.range_high, 60999);
	assert_false(netns_table_churn(table, 1, &churn));
}

static void rest_of_ended_time_waits_has_expired(void **state)
{
	(void)state;
	report(SECOND, 100, 80);
	netns_table_churn(table, 1, &churn);
	report(2 * SECOND, 100, 30);
	assert_true(netns_table_churn(table, 1, &churn));
	assert_int_equal(churn.timewait_expired, 50);
	/* `live` was read after `entered` */
	report(3 * SECOND, 105, 40);
	assert_true(netns_table_churn(table, 1, &churn));
	assert_int_equal(churn.timewait_expired, 0);
}

static void no_change_is_no_churn(void **state)
{
	(void)state;
	assert_false(netns_table_churn(table, 1, &churn));
	report(SECOND, 100, 80);
	netns_table_churn(table, 1, &churn);
	report(2 * SECOND, 100, 80);
	assert_false(netns_table_churn(table, 1, &churn));
	report(3 * SECOND, 100, 79);
	assert_true(netns_table_churn(table, 1, &churn));
}

static void reports_between_two_calls_add_up(void **state)
{
	(void)state;
	report(SECOND, 100, 0);
	netns_table_churn(table, 1, &churn);
	report(2 * SECOND, 110, 0);
	report(3 * SECOND, 130, 0);
	report(3 * SECOND, 130, 0);
	report(2 * SECOND, 110, 0);
	assert_true(netns_table_churn(table, 1, &churn));
	assert_int_equal(churn.timewait_entered, 30);
	assert_true(churn.interval_s > 1.999 && churn.interval_s < 2.001);
}

static void reused_inode_number_is_another_namespace(void **state)
{
	(void)state;
	report(SECOND, 1000, 5);
	netns_table_churn(table, 1, &churn);
	report(2 * SECOND, 3, 1);
	assert_false(netns_table_find(table, 1)->has_before);
	assert_false(netns_table_churn(table, 1, &churn));
	report(3 * SECOND, 5, 1);
	assert_true(netns_table_churn(table, 1, &churn));
	assert_int_equal(churn.timewait_entered, 2);
}

static void inactive_namespaces_are_dropped(void **state)
{
	struct wire_netns other = make_netns(SECOND, 2);

	(void)state;
	netns_table_add(table, &other);
	report(SECOND, 0, 0);
	/* Frequent reports of one namespace do not drop the others. */
	for (int i = 1; i < 40; i++)
		report(SECOND + i, 0, 0);
	assert_int_equal(netns_table_count(table), 2);
	report(60 * SECOND, 0, 0);
	report(61 * SECOND, 0, 0);
	assert_int_equal(netns_table_count(table), 2);
	report(62 * SECOND, 0, 0);
	assert_null(netns_table_find(table, 2));
	assert_non_null(netns_table_find(table, 1));
}

static void only_4096_namespaces_are_kept(void **state)
{
	(void)state;
	for (uint32_t netns = 1; netns <= 5000; netns++) {
		struct wire_netns event = make_netns(netns, netns);

		netns_table_add(table, &event);
	}
	assert_int_equal(netns_table_count(table), 4096);
	assert_null(netns_table_find(table, 1));
	assert_non_null(netns_table_find(table, 5000));
}

static void top_is_sorted_and_of_this_interval(void **state)
{
	static const uint64_t allocated[] = {3, 50, 20, 1, 20, 9, 4};

	(void)state;
	traffic(1, 1000, 0);
	report(SECOND, 0, 0);
	traffic(1, 1001, 0);
	netns_table_churn(table, 1, &churn);

	for (uint32_t i = 0; i < 7; i++)
		traffic(10 + i, allocated[i], i == 4 ? 5 : 0);
	traffic(1, 1002, 0);
	report(2 * SECOND, 77, 0);
	assert_true(netns_table_churn(table, 1, &churn));
	assert_int_equal(churn.top_count, 8);
	assert_int_equal(churn.top[0].task.pid, 11);
	assert_int_equal(churn.top[0].allocated, 50);
	assert_int_equal(churn.top[0].remote_port, 443);
	assert_string_equal(churn.top[0].task.comm, "client");
	assert_int_equal(churn.top[1].task.pid, 14);
	assert_int_equal(churn.top[1].timewait, 5);
	assert_int_equal(churn.top[2].task.pid, 12);
	assert_int_equal(churn.top[3].allocated, 9);
	assert_int_equal(churn.top[4].allocated, 4);

	traffic(11, 50, 0);
	traffic(10, 5, 1);
	report(3 * SECOND, 78, 0);
	assert_true(netns_table_churn(table, 1, &churn));
	assert_int_equal(churn.top_count, 1);
	assert_int_equal(churn.top[0].task.pid, 10);
	assert_int_equal(churn.top[0].allocated, 2);
	assert_int_equal(churn.top[0].timewait, 1);
}

static void flow_reported_twice_counts_once(void **state)
{
	(void)state;
	report(SECOND, 0, 0);
	netns_table_churn(table, 1, &churn);
	traffic(10, 5, 0);
	for (uint32_t pid = 20; pid < 25; pid++)
		traffic(pid, 6, 0);
	traffic(10, 8, 0);
	traffic(10, 8, 0);
	report(2 * SECOND, 1, 0);
	assert_true(netns_table_churn(table, 1, &churn));
	assert_int_equal(churn.top_count, 6);
	assert_int_equal(churn.top[0].task.pid, 10);
	assert_int_equal(churn.top[0].allocated, 8);
	assert_int_equal(churn.top[1].allocated, 6);
}

static void flow_evicted_by_the_kernel_starts_at_zero(void **state)
{
	(void)state;
	report(SECOND, 0, 0);
	traffic(10, 500, 500);
	netns_table_churn(table, 1, &churn);
	traffic(10, 3, 0);
	report(2 * SECOND, 1, 0);
	assert_true(netns_table_churn(table, 1, &churn));
	assert_int_equal(churn.top_count, 1);
	assert_int_equal(churn.top[0].allocated, 3);
	assert_int_equal(churn.top[0].timewait, 0);
}

static void only_4096_flows_are_kept(void **state)
{
	(void)state;
	report(SECOND, 0, 0);
	netns_table_churn(table, 1, &churn);
	for (uint32_t pid = 1; pid <= 10000; pid++)
		traffic(pid, pid, 0);
	report(2 * SECOND, 1, 0);
	assert_true(netns_table_churn(table, 1, &churn));
	assert_int_equal(churn.top[0].allocated, 10000);
	assert_int_equal(churn.top[4].allocated, 9996);
}

/* Reports a total of `count` searches of each_ns, towards a remote port; 0: in the whole namespace. */
static void searches(uint16_t remote_port, uint64_t count, uint64_t each_ns, unsigned int bucket)
{
	struct wire_search event = {
		.hdr = {.size = sizeof(event), .kind = WIRE_SEARCH},
		.netns = 1,
		.remote_port = remote_port,
		.connects = 1,
		.total_ns = count * each_ns,
		.max_ns = each_ns,
	};

	event.buckets[bucket] = count;
	assert_int_equal(netns_table_add_search(table, &event), 0);
}

static void churn_of(uint64_t ns, uint64_t entered)
{
	report(ns, entered, entered);
	assert_true(netns_table_churn(table, 1, &churn));
}

static void searches_are_of_the_interval(void **state)
{
	(void)state;
	report(SECOND, 10, 10);
	netns_table_churn(table, 1, &churn);
	searches(0, 100, 1000, 9);
	searches(443, 3, 200000, 17);
	searches(80, 2, 900000, 19);
	churn_of(2 * SECOND, 20);
	assert_int_equal(churn.searches[1].count, 100);
	assert_int_equal(churn.searches[0].count, 0);
	assert_int_equal(churn.searches_to_count, 2);
	assert_int_equal(churn.searches_to[0].remote_port, 80); /* 1.8 ms against 0.6 */
	assert_int_equal(churn.searches_to[1].remote_port, 443);
	searches(0, 130, 1000, 9);
	searches(443, 8, 200000, 17);
	searches(80, 2, 900000, 19);
	churn_of(3 * SECOND, 30);
	assert_int_equal(churn.searches[1].count, 30);
	assert_int_equal(churn.searches[1].total_ns, 30000);
	assert_int_equal(churn.searches_to_count, 1);
	assert_int_equal(churn.searches_to[0].remote_port, 443);
	assert_int_equal(churn.searches_to[0].search.count, 5);
	assert_int_equal(churn.searches_to[0].search.buckets[17], 5);
	churn_of(4 * SECOND, 40);
	assert_int_equal(churn.searches_to_count, 0);
}

static void late_port_count_is_reported(void **state)
{
	struct wire_netns event = make_netns(SECOND, 1);

	(void)state;
	assert_int_equal(netns_table_add(table, &event), 0);
	netns_table_churn(table, 1, &churn);
	event.hdr.boot_ns = 2 * SECOND;
	event.by_connect = event.ephemeral_allocated = 5;
	assert_int_equal(netns_table_add(table, &event), 0);
	assert_true(netns_table_churn(table, 1, &churn));
	assert_false(churn.in_use_known);
	for (uint64_t at = 3; at < 5; at++) {
		event.hdr.boot_ns = at * SECOND;
		event.has = WIRE_NETNS_PORT_USAGE;
		event.tcp_in_use = 5;
		assert_int_equal(netns_table_add(table, &event), 0);
		assert_int_equal(netns_table_churn(table, 1, &churn), at == 3);
		assert_true(churn.in_use_known);
	}
}

static void searches_evicted_by_the_kernel_start_at_zero(void **state)
{
	(void)state;
	report(SECOND, 10, 10);
	netns_table_churn(table, 1, &churn);
	searches(443, 30, 200000, 17);
	churn_of(2 * SECOND, 20);
	searches(443, 4, 200000, 17);
	churn_of(3 * SECOND, 30);
	assert_int_equal(churn.searches_to[0].search.count, 4);
	assert_int_equal(churn.searches_to[0].search.total_ns, 800000);
}

/* A crafted capture: totals and a live count at the ends of their ranges. The sanitizer build checks it. */
static void extreme_totals_are_subtracted(void **state)
{
	static const uint64_t totals[] = {0, INT64_MAX, 1ULL << 63, UINT64_MAX};
	struct wire_netns event;

	(void)state;
	for (uint32_t i = 0; i < 4 * 4 * 4 * 4; i++) {
		event = make_netns(SECOND, i);
		assert_int_equal(netns_table_add(table, &event), 0);
		netns_table_churn(table, i, &churn);
		event.hdr.boot_ns = 2 * SECOND;
		event.timewait_entered = totals[i % 4];
		event.timewait_live = totals[i / 4 % 4];
		event.timewait_reused = totals[i / 16 % 4];
		event.timewait_killed = totals[i / 64];
		assert_int_equal(netns_table_add(table, &event), 0);
		netns_table_churn(table, i, &churn);
		assert_int_equal(churn.timewait_entered, totals[i % 4]);
	}
}

/* Times at the end of their range do not drop the namespace that was just reported. */
static void extreme_times_drop_nothing(void **state)
{
	struct wire_netns event = make_netns(UINT64_MAX - SECOND, 1);

	(void)state;
	netns_table_add(table, &event);
	event.hdr.boot_ns = UINT64_MAX;
	netns_table_add(table, &event);
	assert_non_null(netns_table_find(table, 1));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(last_two_reports_are_kept),
		TEST(churn_is_the_difference_of_two_reports),
		TEST(rest_of_ended_time_waits_has_expired),
		TEST(no_change_is_no_churn),
		TEST(reports_between_two_calls_add_up),
		TEST(reused_inode_number_is_another_namespace),
		TEST(inactive_namespaces_are_dropped),
		TEST(only_4096_namespaces_are_kept),
		TEST(top_is_sorted_and_of_this_interval),
		TEST(flow_reported_twice_counts_once),
		TEST(flow_evicted_by_the_kernel_starts_at_zero),
		TEST(only_4096_flows_are_kept),
		TEST(searches_are_of_the_interval),
		TEST(late_port_count_is_reported),
		TEST(searches_evicted_by_the_kernel_start_at_zero),
		TEST(extreme_totals_are_subtracted),
		TEST(extreme_times_drop_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
