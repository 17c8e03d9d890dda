/* SPDX-License-Identifier: GPL-2.0-only */
/* util/clock.c: the length of a jiffy, compared with the kernel's count of jiffies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "util/clock.h"

/* Returns false where /proc/timer_list cannot be read: it is root's. */
static bool jiffies_read(uint64_t *jiffies)
{
	FILE *file = fopen("/proc/timer_list", "re");
	char line[256];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		found = sscanf(line, "jiffies: %lu", jiffies) == 1;
	if (file)
		fclose(file);
	return found;
}

static void jiffies_have_this_length(void **state)
{
	uint64_t first, last, began, ended;

	(void)state;
	if (!jiffies_read(&first)) {
		print_message("/proc/timer_list cannot be read\n");
		skip();
	}
	began = clock_boot_ns();
	nanosleep(&(struct timespec){ .tv_nsec = 600000000 }, NULL);
	assert_true(jiffies_read(&last));
	ended = clock_boot_ns();
	assert_in_range((last - first) * clock_jiffy_us(), (ended - began) / 1000 * 8 / 10, (ended - began) / 1000 * 12 / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jiffies_have_this_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
