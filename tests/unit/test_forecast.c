/* SPDX-License-Identifier: GPL-2.0-only */
/* When a pool will be full, which rate it sustains, and when a warning is printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "diagnose/forecast.h"
#include "diagnose/warning.h"
#include "util/address.h"
#include "wire_make.h"

static struct model *model;
static struct warner *warner;
static struct churn churn;

static int setup(void **state)
{
	(void)state;
	model = model_new(NULL);
	warner = warner_new();
	churn = (struct churn){.netns = 1, .interval_s = 1};
	churn.now.tw_reuse_delay_ms = 1000;
	return model && warner ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	warner_free(warner);
	model_free(model);
	return 0;
}

/* From 10.0.0.1 to 10.0.0.5:443, a thousand ports. */
static struct wire_pool make_pool(uint64_t ns, uint32_t in_use, uint32_t timewait)
{
	struct wire_pool pool = {
		.hdr = MAKE_HDR(POOL, pool, ns),
		.netns = 1,
		.protocol = IPPROTO_TCP,
		.remote_port = 443,
		.range_low = 40000,
		.range_high = 40999,
		.capacity = 1000,
		.in_use = in_use,
		.timewait = timewait,
		.local_addr = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1},
		.remote_addr = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 5},
	};

	return pool;
}

static void add(struct wire_pool pool)
{
	assert_int_equal(model_apply(model, &pool.hdr), 0);
}

static struct forecast forecast(void)
{
	struct forecast list[FORECAST_POOLS_MAX];

	assert_int_equal(forecast_list(&churn, model, list), 1);
	return list[0];
}

static uint64_t full_in_ms(void)
{
	struct forecast made = forecast();

	assert_true(made.will_fill);
	return made.full_in_ns / 1000000;
}

static void a_rate_needs_two_counts(void **state)
{
	(void)state;
	add(make_pool(SECOND, 400, 0));
	assert_false(forecast().is_known);
	assert_false(forecast().will_fill);
	add(make_pool(2 * SECOND, 500, 0));
	assert_true(forecast().is_known);
	assert_int_equal(full_in_ms(), 5000);
}

static void a_full_pool_is_full_now(void **state)
{
	(void)state;
	add(make_pool(SECOND, 1000, 900));
	assert_int_equal(full_in_ms(), 0);
}

static void a_pool_that_empties_does_not_fill(void **state)
{
	(void)state;
	add(make_pool(SECOND, 500, 0));
	add(make_pool(2 * SECOND, 400, 0));
	assert_false(forecast().will_fill);
}

/* 100/s are allocated, and from the tenth second on 50/s expire. */
static void expiring_timewaits_are_counted(void **state)
{
	struct wire_pool pool = make_pool(SECOND, 700, 600);

	(void)state;
	for (size_t i = 5; i < 11; i++)
		pool.ends[i] = 100;
	add(pool);
	pool.hdr.boot_ns = 2 * SECOND;
	pool.in_use = 800;
	add(pool);
	assert_int_equal(full_in_ms(), 2000);
	/* 50/s, as many as expire in the next 22 s; then 3 s for the last 150. */
	for (size_t i = 0; i < WIRE_POOL_ENDS; i++)
		pool.ends[i] = i < 11 ? 100 : 0;
	pool.hdr.boot_ns = 3 * SECOND;
	pool.in_use = 850;
	add(pool);
	assert_int_equal(full_in_ms(), 25000);
}

/* 10/s for 60 s are 600 ports, which expire before the pool is full. */
static void a_sustainable_rate_does_not_fill(void **state)
{
	struct wire_pool pool = make_pool(SECOND, 580, 580);

	(void)state;
	for (size_t i = 0; i < 29; i++)
		pool.ends[i] = 20;
	add(pool);
	pool.hdr.boot_ns = 2 * SECOND;
	add(pool);
	assert_false(forecast().will_fill);
	assert_int_equal((int)(forecast().sustainable * 60 + 0.5), 1000);
}

static void reusable_timewaits_do_not_fill_a_pool(void **state)
{
	(void)state;
	churn.now.tw_reuse = 1;
	add(make_pool(SECOND, 400, 400));
	add(make_pool(2 * SECOND, 900, 900));
	assert_true(forecast().reuses);
	assert_false(forecast().will_fill);
	assert_int_equal((int)forecast().sustainable, 1000);
	churn.now.tw_reuse = 2; /* loopback only */
	assert_false(forecast().reuses);
	assert_int_equal(full_in_ms(), 200);
}

/* The ports that one process took in the interval towards the pool, and how many of them went to TIME_WAIT. */
static void took(uint64_t allocated, uint64_t timewait, uint64_t failed)
{
	struct wire_netns netns = make_netns(2 * SECOND, 1);
	struct wire_traffic traffic = make_traffic(3 * SECOND, 1, 4242, allocated, timewait);

	assert_int_equal(model_apply(model, &netns.hdr), 0);
	memcpy(traffic.remote_addr, make_pool(0, 0, 0).remote_addr, 16);
	traffic.protocol = IPPROTO_TCP;
	traffic.failed = failed;
	assert_int_equal(model_apply(model, &traffic.hdr), 0);
	churn.interval = 1;
}

/* A client retries a service that is down: 11,000/s are taken and given back at once, beside 120 that stay. */
static void ports_given_back_do_not_fill_a_pool(void **state)
{
	(void)state;
	churn.now.tw_reuse = 1;
	took(11000, 0, 0);
	add(make_pool(SECOND, 120, 0));
	add(make_pool(2 * SECOND, 120, 0));
	assert_int_equal((int)forecast().rate, 11000);
	assert_false(forecast().will_fill);
}

/* 2,000/s are closed, a TIME_WAIT can be reused after 1 s, and there are 1,000 ports, of which 500 are free. */
static void closing_faster_than_reuse_fills_a_pool(void **state)
{
	(void)state;
	churn.now.tw_reuse = 1;
	took(2000, 2000, 0);
	add(make_pool(SECOND, 400, 400));
	add(make_pool(2 * SECOND, 500, 500));
	assert_int_equal(full_in_ms(), 250);
}

/* TIME_WAITs could be reused, and yet no port was found: the pool is full now. */
static void a_pool_that_refuses_is_full_now(void **state)
{
	(void)state;
	churn.now.tw_reuse = 1;
	took(100, 100, 0);
	add(make_pool(SECOND, 1000, 1000));
	add(make_pool(2 * SECOND, 1000, 1000));
	assert_false(forecast().will_fill);
	took(100, 100, 7);
	assert_int_equal(forecast().failed, 7);
	assert_int_equal(full_in_ms(), 0);
}

/* One port in 1,000,000 s, of 2^32: the pool is full after more than 2^64 ns. */
static void a_pool_that_needs_a_century_does_not_fill(void **state)
{
	struct wire_pool pool = make_pool(SECOND, 100, 0);

	(void)state;
	pool.capacity = UINT32_MAX;
	add(pool);
	pool.hdr.boot_ns += 1000000 * SECOND;
	pool.in_use++;
	add(pool);
	assert_true(forecast().is_known);
	assert_false(forecast().will_fill);
}

static bool warned(struct warning *warning)
{
	static struct forecast made;

	made = forecast();
	return warning_of_pool(warner, &made, &churn, warning);
}

static void a_pool_gets_one_warning_and_one_exhaustion(void **state)
{
	struct wire_traffic refused = make_traffic(3 * SECOND, 1, 4242, 900, 0);
	struct wire_netns netns = make_netns(2 * SECOND, 1);
	struct warning warning;

	(void)state;
	add(make_pool(SECOND, 400, 400));
	assert_false(warned(&warning));
	add(make_pool(2 * SECOND, 500, 500));
	assert_true(warned(&warning));
	assert_string_equal(warning.kind, "exhaustion");
	assert_non_null(strstr(warning.why, "10.0.0.5:443"));
	assert_non_null(strstr(warning.fix, "tcp_tw_reuse=1"));
	assert_false(warned(&warning));

	assert_int_equal(model_apply(model, &netns.hdr), 0);
	memcpy(refused.remote_addr, make_pool(0, 0, 0).remote_addr, 16);
	refused.protocol = IPPROTO_TCP;
	refused.failed = 3;
	assert_int_equal(model_apply(model, &refused.hdr), 0);
	churn.interval = 1;
	add(make_pool(3 * SECOND, 1000, 1000));
	assert_true(warned(&warning));
	assert_string_equal(warning.kind, "exhausted");
	assert_int_equal(warning.task.pid, 4242);
	assert_int_equal(warning.count, 3);
	assert_false(warned(&warning));
}

/* Only a crafted capture has so many ports in 1 ms that the rate per second exceeds 64 bits. */
static void a_rate_beyond_64_bits_is_limited(void **state)
{
	struct wire_netns netns = make_netns(2 * SECOND, 1);
	struct wire_traffic traffic = make_traffic(3 * SECOND, 1, 4242, UINT64_MAX / 2, 0);
	struct warning warning;

	(void)state;
	assert_int_equal(model_apply(model, &netns.hdr), 0);
	memcpy(traffic.remote_addr, make_pool(0, 0, 0).remote_addr, 16);
	traffic.protocol = IPPROTO_TCP;
	assert_int_equal(model_apply(model, &traffic.hdr), 0);
	churn.interval = 1;
	churn.interval_s = 0.001;
	add(make_pool(SECOND, 400, 400));
	add(make_pool(2 * SECOND, 500, 500));
	assert_true(warned(&warning));
	assert_non_null(strstr(warning.why, " at 18,446,744,073,709,551,615/s"));
}

static void every_misuse_has_sentences(void **state)
{
	struct wire_misuse misuse = {.hdr = MAKE_HDR(MISUSE, misuse, 5), .sock = make_sock(7, WIRE_TCP_LISTEN)};
	struct warning warning;

	(void)state;
	for (uint32_t kind = WIRE_MISUSE_BIND_CONNECT; kind <= WIRE_MISUSE_OVERFLOW; kind++) {
		misuse.misuse = kind;
		warning_of_misuse(&misuse, NULL, &warning);
		assert_non_null(warning.kind);
		assert_true(strlen(warning.why) > 20 && strlen(warning.fix) > 20);
		assert_int_equal(warning.why[strlen(warning.why) - 1], '.');
		assert_true(warning.fix[0] >= 'A' && warning.fix[0] <= 'Z');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_rate_needs_two_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_pool_is_full_now, setup, teardown),
		cmocka_unit_test_setup_teardown(a_pool_that_empties_does_not_fill, setup, teardown),
		cmocka_unit_test_setup_teardown(expiring_timewaits_are_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(a_sustainable_rate_does_not_fill, setup, teardown),
		cmocka_unit_test_setup_teardown(reusable_timewaits_do_not_fill_a_pool, setup, teardown),
		cmocka_unit_test_setup_teardown(ports_given_back_do_not_fill_a_pool, setup, teardown),
		cmocka_unit_test_setup_teardown(closing_faster_than_reuse_fills_a_pool, setup, teardown),
		cmocka_unit_test_setup_teardown(a_pool_that_refuses_is_full_now, setup, teardown),
		cmocka_unit_test_setup_teardown(a_pool_that_needs_a_century_does_not_fill, setup, teardown),
		cmocka_unit_test_setup_teardown(a_rate_beyond_64_bits_is_limited, setup, teardown),
		cmocka_unit_test_setup_teardown(a_pool_gets_one_warning_and_one_exhaustion, setup, teardown),
		cmocka_unit_test(every_misuse_has_sentences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
