/* SPDX-License-Identifier: GPL-2.0-only */
/* The port table: its limits, the order of eviction, its memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "model/port_table.h"
#include "wire_make.h"

static void added_is_found_and_dropped_is_not(void **state)
{
	struct port_table *table = port_table_new(10, 10);
	struct port_entry *entry = port_table_add(table, 7);

	(void)state;
	assert_non_null(entry);
	assert_int_equal(entry->sock.cookie, 7);
	assert_ptr_equal(port_table_add(table, 7), entry);
	assert_ptr_equal(port_table_find(table, 7), entry);
	assert_int_equal(port_table_count(table), 1);

	port_table_drop(table, 7);
	port_table_drop(table, 8);
	assert_null(port_table_find(table, 7));
	assert_int_equal(port_table_count(table), 0);
	entry = port_table_add(table, 9);
	assert_int_equal(entry->owner.pid, 0);
	port_table_free(table);
}

static void iteration_follows_insertion(void **state)
{
	struct port_table *table = port_table_new(1000, 1000);
	const struct port_entry *entry = NULL;

	(void)state;
	assert_null(port_table_next(table, NULL));
	for (uint64_t cookie = 1; cookie <= 600; cookie++)
		port_table_add(table, cookie);
	for (uint64_t cookie = 2; cookie <= 600; cookie += 2)
		port_table_drop(table, cookie);
	port_table_add(table, 1);
	for (uint64_t cookie = 1; cookie <= 600; cookie += 2) {
		entry = port_table_next(table, entry);
		assert_int_equal(entry->sock.cookie, cookie);
	}
	assert_null(port_table_next(table, entry));
	port_table_free(table);
}

static void least_recently_seen_is_evicted(void **state)
{
	struct port_table *table = port_table_new(3, 3);

	(void)state;
	port_table_add(table, 1);
	port_table_add(table, 2);
	port_table_add(table, 3);
	port_table_add(table, 1);
	port_table_add(table, 4);
	assert_null(port_table_find(table, 2));
	assert_non_null(port_table_find(table, 1));
	assert_int_equal(port_table_count(table), 3);
	assert_int_equal(port_table_evicted(table), 1);
	port_table_free(table);
}

static void first_to_expire_is_evicted_before_all_others(void **state)
{
	struct port_table *table = port_table_new(3, 3);

	(void)state;
	port_table_add(table, 1);
	port_table_set_expiry(table, port_table_add(table, 2), 50);
	port_table_set_expiry(table, port_table_add(table, 3), 40);
	port_table_add(table, 4);
	assert_null(port_table_find(table, 3));
	port_table_add(table, 5);
	assert_null(port_table_find(table, 2));
	port_table_add(table, 6);
	assert_null(port_table_find(table, 1));
	assert_int_equal(port_table_evicted(table), 1); /* the two expiring entries do not count as evicted */
	port_table_free(table);
}

static void number_of_expiring_entries_is_limited(void **state)
{
	struct port_table *table = port_table_new(10, 2);

	(void)state;
	port_table_add(table, 1);
	port_table_set_expiry(table, port_table_add(table, 2), 50);
	port_table_set_expiry(table, port_table_add(table, 3), 40);
	port_table_set_expiry(table, port_table_add(table, 4), 60);
	assert_null(port_table_find(table, 3));
	assert_non_null(port_table_find(table, 1));
	assert_non_null(port_table_find(table, 4));
	assert_int_equal(port_table_evicted(table), 0);
	assert_int_equal(port_table_forgotten(table), 1);
	port_table_set_expiry(table, port_table_find(table, 4), 45);
	assert_int_equal(port_table_count(table), 3);
	port_table_free(table);
}

static void expiry_is_exact_in_any_order(void **state)
{
	enum { COUNT = 5000 };
	struct port_table *table = port_table_new(COUNT, COUNT);
	unsigned int seed = 1;
	uint64_t *expiry = calloc(COUNT + 1, sizeof(*expiry));
	size_t left = COUNT;

	(void)state;
	for (uint64_t cookie = 1; cookie <= COUNT; cookie++) {
		expiry[cookie] = 1 + rand_r(&seed) % 1000;
		port_table_set_expiry(table, port_table_add(table, cookie), expiry[cookie]);
	}
	/* Some entries change their expiry, some are dropped, some no longer expire. */
	for (uint64_t cookie = 1; cookie <= COUNT; cookie += 3) {
		expiry[cookie] = rand_r(&seed) % 1000;
		port_table_set_expiry(table, port_table_find(table, cookie), expiry[cookie]);
	}
	for (uint64_t cookie = 2; cookie <= COUNT; cookie += 7) {
		port_table_drop(table, cookie);
		expiry[cookie] = UINT64_MAX;
		left--;
	}
	for (uint64_t now = 1; now <= 1000; now++) {
		size_t expected = 0;

		for (uint64_t cookie = 1; cookie <= COUNT; cookie++)
			expected += expiry[cookie] == now;
		assert_int_equal(port_table_expire(table, now), expected);
		left -= expected;
		assert_int_equal(port_table_count(table), left);
	}
	for (const struct port_entry *entry = port_table_next(table, NULL); entry;
	     entry = port_table_next(table, entry))
		assert_int_equal(expiry[entry->sock.cookie], 0);
	free(expiry);
	port_table_free(table);
}

static void descriptors_are_kept_once_and_in_order(void **state)
{
	struct port_table *table = port_table_new(10, 10);
	struct port_entry *entry = port_table_add(table, 7);
	struct wire_task parent = make_task(10, "parent"), child = make_task(11, "child");
	struct wire_task renamed = make_task(10, "renamed");

	(void)state;
	assert_int_equal(port_table_add_fd(table, entry, &parent, 3), 0);
	assert_int_equal(port_table_add_fd(table, entry, &child, 3), 0);
	assert_int_equal(port_table_add_fd(table, entry, &renamed, 3), 0);
	assert_string_equal(entry->fds->task.comm, "renamed");
	assert_int_equal(entry->fds->next->task.pid, 11);
	assert_null(entry->fds->next->next);
	port_table_clear_fds(table, entry);
	assert_null(entry->fds);
	port_table_add_fd(table, entry, &parent, 4);
	port_table_drop(table, 7);
	port_table_free(table);
}

static void descriptors_are_limited_and_counted(void **state)
{
	struct port_table *table = port_table_new(10, 10);
	struct port_table *large = port_table_new(10000, 10000);
	struct wire_task task = make_task(10, "dup");
	struct port_entry *entry = port_table_add(table, 7);

	(void)state;
	for (int fd = 0; fd < 100; fd++)
		assert_int_equal(port_table_add_fd(table, entry, &task, fd), 0);
	assert_int_equal(port_table_evicted(table), 60);
	port_table_drop(table, 7);
	entry = port_table_add(table, 8);
	port_table_add_fd(table, entry, &task, 0);
	assert_non_null(entry->fds);

	entry = port_table_add(large, 7);
	for (int fd = 0; fd < PORT_FDS_MAX + 5; fd++)
		port_table_add_fd(large, entry, &task, fd);
	assert_int_equal(port_table_evicted(large), 5);
	port_table_free(table);
	port_table_free(large);
}

static size_t resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long total, resident = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu %lu", &total, &resident), 2);
	fclose(file);
	return resident * sysconf(_SC_PAGESIZE);
}

static void a_storm_leaves_no_memory_behind(void **state)
{
	const size_t storm = 60000, survivors = 10;
	struct port_table *table = port_table_new(65536, 65536);
	size_t before, during, after;

	(void)state;
	for (uint64_t cookie = 1; cookie <= survivors; cookie++)
		port_table_add(table, cookie);
	before = resident_bytes();
	for (uint64_t cookie = 100; cookie < 100 + storm; cookie++)
		port_table_set_expiry(table, port_table_add(table, cookie), cookie);
	during = resident_bytes();
	assert_int_equal(port_table_expire(table, 100 + storm), storm);
	after = resident_bytes();
	assert_int_equal(port_table_count(table), survivors);
#ifndef __SANITIZE_ADDRESS__ /* AddressSanitizer's allocator keeps freed memory */
	assert_true(during - before > 10 << 20);
	assert_true(after < before + (3 << 20));
#else
	print_message("resident: %zu, %zu, %zu bytes; not checked under AddressSanitizer\n", before, during, after);
#endif
	port_table_free(table);
}

static void invalid_arguments_are_harmless(void **state)
{
	struct port_table *table = port_table_new(0, 0);

	(void)state;
	assert_null(port_table_find(table, 0));
	port_table_add(table, 1);
	port_table_add(table, 2);
	assert_int_equal(port_table_count(table), 1);
	assert_int_equal(port_table_expire(table, UINT64_MAX), 0);
	port_table_free(table);
	port_table_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(added_is_found_and_dropped_is_not),
		cmocka_unit_test(iteration_follows_insertion),
		cmocka_unit_test(least_recently_seen_is_evicted),
		cmocka_unit_test(first_to_expire_is_evicted_before_all_others),
		cmocka_unit_test(number_of_expiring_entries_is_limited),
		cmocka_unit_test(expiry_is_exact_in_any_order),
		cmocka_unit_test(descriptors_are_kept_once_and_in_order),
		cmocka_unit_test(descriptors_are_limited_and_counted),
		cmocka_unit_test(a_storm_leaves_no_memory_behind),
		cmocka_unit_test(invalid_arguments_are_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
