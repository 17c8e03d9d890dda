/* SPDX-License-Identifier: GPL-2.0-only */
/* Limits on scans for descriptors: the budget, the cache, the history of scans, the prefetch of a batch. */
#include "fake_source.h"

#include "stream/fd_lookup.h"

#define MS  1000000ULL
#define NOW (1000 * SECOND)

static struct fake_source fake;
static struct fd_lookup lookup;

static int set_up(void **state)
{
	(void)state;
	fake = (struct fake_source){.source.ops = &fake_ops, .took_ns = 2 * MS, .found_boot_ns = NOW};
	lookup = (struct fd_lookup){0};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fd_lookup_done(&lookup);
	return 0;
}

static size_t cached(uint64_t cookie)
{
	const struct wire_socket *fd = NULL;
	size_t count = 0;

	while ((fd = fd_cache_next(&lookup.cache, cookie, fd)))
		count++;
	return count;
}

static bool find(uint64_t cookie, uint32_t pid, uint64_t refused, uint64_t now)
{
	return fd_lookup_find(&lookup, &fake.source, &cookie, 1, pid, refused, now);
}

static void the_budget_is_half_of_the_time(void **state)
{
	struct budget budget = {0};

	(void)state;
	assert_true(budget_available(&budget, NOW)); /* 200 ms */
	budget_charge(&budget, 200 * MS);
	assert_false(budget_available(&budget, NOW));
	assert_true(budget_available(&budget, NOW + 2 * MS)); /* 1 ms */
	budget_charge(&budget, 11 * MS);
	assert_false(budget_available(&budget, NOW + 22 * MS));
	assert_true(budget_available(&budget, NOW + 23 * MS));
}

static void budget_and_debt_are_limited(void **state)
{
	struct budget budget = {0};

	(void)state;
	assert_true(budget_available(&budget, NOW));
	budget_charge(&budget, 3600 * SECOND);
	assert_false(budget_available(&budget, NOW));
	assert_false(budget_available(&budget, NOW + 400 * MS));
	assert_true(budget_available(&budget, NOW + 401 * MS));
	assert_true(budget_available(&budget, NOW + 3600 * SECOND));
	budget_charge(&budget, 201 * MS);
	assert_false(budget_available(&budget, NOW + 3600 * SECOND));
}

static void descriptors_are_found_once_for_a_refusal(void **state)
{
	(void)state;
	fake_add_fd(&fake, 7, 100, 3);
	fake_add_fd(&fake, 7, 101, 3);
	fake_add_fd(&fake, 8, 102, 3);
	assert_true(find(7, 42, NOW - MS, NOW));
	assert_int_equal(fake.fd_scans, 1);
	assert_int_equal(cached(7), 2);
	assert_int_equal(cached(8), 0);
	/* Another refusal from before the scan uses the result of the scan. */
	assert_true(find(7, 43, NOW - MS / 2, NOW));
	assert_int_equal(fake.fd_scans, 1);
}

/* One caller and one holder, refused every millisecond for a second; a scan takes 2 ms. */
static void a_storm_scans_a_fifth_of_the_time(void **state)
{
	(void)state;
	fake_add_fd(&fake, 7, 100, 3);
	for (uint64_t now = NOW; now < NOW + SECOND; now += MS) {
		fake.found_boot_ns = now;
		find(7, 42, now, now);
		assert_int_equal(cached(7), 1);
	}
	assert_in_range(fake.fd_scans, 90, 110);
}

/* As many callers as refusals; a scan takes 20 ms. */
static void new_callers_scan_half_of_the_time(void **state)
{
	(void)state;
	fake.took_ns = 20 * MS;
	for (uint64_t i = 0; i < 1000; i++)
		find(7 + i, 42 + (uint32_t)i, NOW + i * MS, NOW + i * MS);
	assert_in_range(fake.fd_scans, 30, 40); /* half of a second, and 200 ms of saved budget */
}

static void without_a_budget_the_cache_answers(void **state)
{
	(void)state;
	fake_add_fd(&fake, 7, 100, 3);
	fake.took_ns = 400 * MS;
	assert_true(find(7, 42, NOW, NOW));
	assert_false(find(7, 43, NOW + 50 * MS, NOW + 50 * MS));
	assert_int_equal(cached(7), 1);
	/* The cache does not return results older than 100 ms. */
	assert_false(find(7, 43, NOW + 101 * MS, NOW + 101 * MS));
	assert_int_equal(cached(7), 0);
	assert_int_equal(fake.fd_scans, 1);
}

static void an_incomplete_list_is_not_current(void **state)
{
	(void)state;
	fake_add_fd(&fake, 7, 100, 3);
	fake.is_incomplete = true;
	assert_false(find(7, 42, NOW, NOW));
	assert_int_equal(cached(7), 1);
}

static void a_list_is_bounded(void **state)
{
	struct wire_socket socket = make_socket(NOW, 7, WIRE_TCP_LISTEN, 42, 3);
	struct socket_list list = {0};

	(void)state;
	socket_list_clear(&list);
	for (size_t i = 0; i < SOCKET_LIST_MAX; i++)
		socket_list_add(&list, &socket);
	assert_true(list.is_complete);
	socket_list_add(&list, &socket);
	assert_false(list.is_complete);
	assert_int_equal(list.count, SOCKET_LIST_MAX);
	socket_list_done(&list);
}

static void one_scan_serves_a_batch(void **state)
{
	(void)state;
	fake_add_fd(&fake, 7, 100, 3);
	fake_add_fd(&fake, 8, 101, 3);
	for (uint64_t i = 0; i < 30; i++)
		fd_lookup_prefetch(&lookup, &fake.source, 7 + i % 2, NOW - MS, NOW);
	assert_true(fd_lookup_run_prefetch(&lookup, &fake.source, true, NOW));
	assert_int_equal(fake.fd_scans, 1);
	assert_int_equal(fake.cookies_asked, 2);
	for (uint32_t i = 0; i < 30; i++)
		assert_true(find(7 + i % 2, 42 + i, NOW - MS, NOW + MS));
	assert_int_equal(fake.fd_scans, 1);
	assert_int_equal(cached(7), 1);
	assert_int_equal(cached(8), 1);
}

static void known_holders_need_no_prefetch(void **state)
{
	(void)state;
	assert_true(find(7, 42, NOW, NOW));
	fd_lookup_prefetch(&lookup, &fake.source, 7, NOW + MS, NOW + 2 * MS);
	assert_true(fd_lookup_run_prefetch(&lookup, &fake.source, true, NOW + 2 * MS));
	assert_int_equal(fake.fd_scans, 1);
	/* 100 ms later the cache no longer has them. */
	fd_lookup_prefetch(&lookup, &fake.source, 7, NOW + 102 * MS, NOW + 102 * MS);
	assert_true(fd_lookup_run_prefetch(&lookup, &fake.source, true, NOW + 102 * MS));
	assert_int_equal(fake.fd_scans, 2);
}

static void a_batch_waits_for_the_budget(void **state)
{
	(void)state;
	fake.took_ns = 300 * MS;
	assert_true(find(7, 42, NOW, NOW));
	fd_lookup_prefetch(&lookup, &fake.source, 8, NOW + MS, NOW + MS);
	assert_false(fd_lookup_run_prefetch(&lookup, &fake.source, true, NOW + MS));
	assert_int_equal(fake.fd_scans, 1);
	/* If it cannot wait, one scan over budget serves all of it. */
	fd_lookup_prefetch(&lookup, &fake.source, 8, NOW + MS, NOW + 2 * MS);
	assert_true(fd_lookup_run_prefetch(&lookup, &fake.source, false, NOW + 2 * MS));
	assert_int_equal(fake.fd_scans, 2);
}

static void a_full_prefetch_scans_at_once(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < SCAN_COOKIES_MAX + 1; i++)
		fd_lookup_prefetch(&lookup, &fake.source, 100 + i, NOW, NOW);
	assert_int_equal(fake.fd_scans, 1);
	assert_int_equal(fake.cookies_asked, SCAN_COOKIES_MAX);
	assert_true(fd_lookup_run_prefetch(&lookup, &fake.source, true, NOW));
	assert_int_equal(fake.fd_scans, 2);
	assert_int_equal(fake.cookies_asked, 1);
}

static void the_history_keeps_the_newest(void **state)
{
	static struct scan_history history;
	uint64_t cookies[HISTORY_SOCKETS];

	(void)state;
	for (uint64_t i = 0; i < HISTORY_SOCKETS; i++)
		cookies[i] = 1 + i;
	scan_history_add(&history, cookies, HISTORY_SOCKETS, NOW);
	assert_true(scan_history_has(&history, cookies, HISTORY_SOCKETS, NOW));
	assert_false(scan_history_has(&history, cookies, 1, NOW + 1));
	scan_history_add(&history, (uint64_t[]){9999}, 1, NOW + 1);
	assert_false(scan_history_has(&history, cookies, 1, NOW));
	assert_true(scan_history_has(&history, cookies + 1, HISTORY_SOCKETS - 1, NOW));
	assert_true(scan_history_has(&history, NULL, 0, NOW + 9));
	for (uint32_t pid = 1; pid <= HISTORY_CALLERS + 1; pid++)
		scan_history_add_caller(&history, pid, NOW);
	assert_false(scan_history_has_caller(&history, 1, NOW - 1));
	assert_true(scan_history_has_caller(&history, 2, NOW - 1));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_budget_is_half_of_the_time),
		TEST(budget_and_debt_are_limited),
		TEST(descriptors_are_found_once_for_a_refusal),
		TEST(a_storm_scans_a_fifth_of_the_time),
		TEST(new_callers_scan_half_of_the_time),
		TEST(without_a_budget_the_cache_answers),
		TEST(an_incomplete_list_is_not_current),
		TEST(a_list_is_bounded),
		TEST(one_scan_serves_a_batch),
		TEST(known_holders_need_no_prefetch),
		TEST(a_batch_waits_for_the_budget),
		TEST(a_full_prefetch_scans_at_once),
		TEST(the_history_keeps_the_newest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
