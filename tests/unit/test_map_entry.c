/* SPDX-License-Identifier: GPL-2.0-only */
/* bpf/map_entry.h: of two CPUs that miss the same key at the same time, one adds the entry. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define BPF_NOEXIST 1

/* A map of one entry. */
static struct one_entry {
	bool is_there, is_full;
	int value;
	void (*before_update)(void); /* the actions of another CPU between lookup and update */
} the_map;

static void *bpf_map_lookup_elem(void *of, const void *key)
{
	(void)of;
	(void)key;
	return the_map.is_there ? &the_map.value : NULL;
}

static long bpf_map_update_elem(void *of, const void *key, const void *value, unsigned long flags)
{
	void (*other)(void) = the_map.before_update;

	(void)of;
	(void)key;
	the_map.before_update = NULL;
	if (other)
		other();
	if (the_map.is_there && flags == BPF_NOEXIST)
		return -EEXIST;
	if (the_map.is_full)
		return -E2BIG;
	the_map.is_there = true;
	memcpy(&the_map.value, value, sizeof(the_map.value));
	return 0;
}

#include "../../bpf/map_entry.h"

static int made; /* as churn_flows_added */
static const int initial = 7;

static int *add(void)
{
	bool added;
	int *value = map_entry(&the_map, &made, &initial, &added);

	made += added;
	return value;
}

static void add_on_another_cpu(void)
{
	(void)add();
}

static int begin(void **state)
{
	(void)state;
	memset(&the_map, 0, sizeof(the_map));
	made = 0;
	return 0;
}

static void the_first_call_adds(void **state)
{
	(void)state;
	assert_int_equal(*add(), 7);
	assert_int_equal(made, 1);
	the_map.value = 8;
	assert_int_equal(*add(), 8);
	assert_int_equal(made, 1);
}

static void two_cpus_at_once_add_one(void **state)
{
	(void)state;
	the_map.before_update = add_on_another_cpu;
	assert_int_equal(*add(), 7);
	assert_int_equal(made, 1);
}

static void a_full_map_adds_none(void **state)
{
	(void)state;
	the_map.is_full = true;
	assert_null(add());
	assert_int_equal(made, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_first_call_adds, begin),
		cmocka_unit_test_setup(two_cpus_at_once_add_one, begin),
		cmocka_unit_test_setup(a_full_map_adds_none, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
