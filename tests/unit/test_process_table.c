/* SPDX-License-Identifier: GPL-2.0-only */
/* Processes are found by pid and start time; cgroup paths name units and containers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/process_table.h"
#include "wire_make.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID2 "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

static void process_is_found_by_pid_and_start_time(void **state)
{
	struct process_table *table = process_table_new(10);
	struct wire_process event = make_process(5, 42, "/system.slice/nginx.service");
	const struct process *process;

	(void)state;
	assert_int_equal(process_table_add(table, &event), 0);
	process = process_table_find(table, 42, 42 * SECOND);
	assert_non_null(process);
	assert_string_equal(process->exe, "/usr/sbin/server");
	assert_string_equal(process->cmdline, "server -f server.conf");
	assert_string_equal(process->cgroup, "/system.slice/nginx.service");
	assert_string_equal(process->unit, "nginx.service");
	assert_string_equal(process->container, "");
	assert_string_equal(process->cwd, "/srv");
	assert_string_equal(process->user, "www");
	assert_int_equal(process->parents[0].pid, 40);
	assert_string_equal(process->parents[0].comm, "sh");
	assert_int_equal(process->parents[1].pid, 0);
	assert_false(process->has_execed);
	assert_null(process_table_find(NULL, 42, 42 * SECOND));
	assert_null(process_table_find(table, 42, 43 * SECOND));
	assert_null(process_table_find(table, 43, 42 * SECOND));
	process_table_free(table);
	process_table_free(NULL);
}

/* BPF programs report the start time in nanoseconds, procfs in 1/100 s. */
static void start_times_match_across_units(void **state)
{
	struct process_table *table = process_table_new(10);
	struct wire_process event = make_process(5, 42, "/");

	(void)state;
	event.task.start_boot_ns = 1230000000;
	process_table_add(table, &event);
	assert_non_null(process_table_find(table, 42, 1234567891));
	assert_null(process_table_find(table, 42, 1240000000));
	process_table_free(table);
}

static void oldest_is_evicted(void **state)
{
	struct process_table *table = process_table_new(2);
	struct wire_process first = make_process(5, 1, "/"), second = make_process(5, 2, "/"),
			    third = make_process(5, 3, "/");

	(void)state;
	process_table_add(table, &first);
	process_table_add(table, &second);
	strcpy(first.exe, "/bin/again");
	process_table_add(table, &first);
	process_table_add(table, &third);
	assert_null(process_table_find(table, 2, 2 * SECOND));
	assert_string_equal(process_table_find(table, 1, SECOND)->exe, "/bin/again");
	assert_non_null(process_table_find(table, 3, 3 * SECOND));
	process_table_free(table);
}

static bool execed(const char *comm, const char *exe, const char *cmdline, const char *before)
{
	struct process process = {.task = make_task(1, comm)};
	struct wire_task task = make_task(1, before);

	snprintf(process.exe, sizeof(process.exe), "%s", exe);
	snprintf(process.cmdline, sizeof(process.cmdline), "%s", cmdline);
	return process_has_execed_since(&process, &task);
}

/* A program that renames itself is still the same one. */
static void a_name_of_the_program_is_by_exec(void **state)
{
	(void)state;
	assert_true(execed("sleep", "/usr/bin/sleep", "sleep 60", "launcher"));
	assert_true(execed("a-very-long-nam", "/usr/bin/a-very-long-name-of-a-program", "", "launcher"));
	assert_true(execed("serve.py", "/usr/bin/python3.11", "python3 -u /srv/serve.py -p 80", "env"));
	assert_false(execed("sleep", "/usr/bin/sleep", "sleep 60", "sleep"));
	assert_false(execed("worker", "/usr/sbin/nginx", "nginx -g daemon", "nginx"));
	assert_false(execed("sle", "/usr/bin/sleep", "sleep 60", "launcher"));
	assert_true(execed("worker", "", "", "nginx")); /* execve() sets the arguments last */
}

static const char *cmdline_of(const char *bytes, size_t length)
{
	static struct process kept;
	struct process_table *table = process_table_new(1);
	struct wire_process event = make_process(5, 1, "/");

	memset(event.cmdline, 0, sizeof(event.cmdline));
	memcpy(event.cmdline, bytes, length);
	event.cmdline_len = length;
	process_table_add(table, &event);
	kept = *process_table_find(table, 1, SECOND);
	process_table_free(table);
	return kept.cmdline;
}

static void arguments_are_joined_by_spaces(void **state)
{
	char full[511];

	(void)state;
	assert_string_equal(cmdline_of("", 0), "");
	assert_string_equal(cmdline_of("\0\0", 2), "");
	assert_string_equal(cmdline_of("nginx: worker process\0\0\0", 24), "nginx: worker process");
	assert_string_equal(cmdline_of("sh\0-c\0\0x", 8), "sh -c  x");
	memset(full, 'x', sizeof(full));
	assert_int_equal(strlen(cmdline_of(full, sizeof(full))), sizeof(full));
}

static void units_come_from_the_innermost_component(void **state)
{
	static const struct {
		const char *cgroup, *unit;
	} cases[] = {
		{"", ""},
		{"/", ""},
		{"/init.scope", "init.scope"},
		{"/system.slice/nginx.service", "nginx.service"},
		{"/system.slice/nginx.service/worker", "nginx.service"},
		{"/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service"},
		{"/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope", "x.scope"},
		{"/system.slice/docker.socket", "docker.socket"},
		{"/system.slice/mnt-a\\x2db.mount/", "mnt-a\\x2db.mount"},
		{"/user.slice/user-1000.slice", ""},
		{"/.service", ""},
		{"/a.service.d", ""},
	};
	char unit[128], small[8];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		process_unit_of(cases[i].cgroup, unit, sizeof(unit));
		assert_string_equal(unit, cases[i].unit);
	}
	process_unit_of("/a.scope/too-long.service", small, sizeof(small));
	assert_string_equal(small, "");
}

static void container_ids_are_found(void **state)
{
	static const struct {
		const char *cgroup, *container;
	} cases[] = {
		{"", ""},
		{"/docker/" ID, ID},
		{"/system.slice/docker-" ID ".scope", ID},
		{"/system.slice/docker-" ID ".scope/init", ID},
		{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1f2e.slice/"
		 "cri-containerd-" ID ".scope", ID},
		{"/kubepods/besteffort/pod0b1c2d3e-1111-2222-3333-444455556666/" ID, ID},
		{"/machine.slice/libpod-" ID ".scope/container", ID},
		{"/kubepods.slice/crio-" ID ".scope", ID},
		{"/docker/" ID "/docker/" ID2, ID2},
		{"/docker/" ID "0", ""},
		{"/docker/0123456789abcdef", ""},
		{"/system.slice/nginx.service", ""},
	};
	char container[65], small[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		process_container_of(cases[i].cgroup, container, sizeof(container));
		assert_string_equal(container, cases[i].container);
	}
	process_container_of("/docker/" ID, small, sizeof(small));
	assert_string_equal(small, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(process_is_found_by_pid_and_start_time),
		cmocka_unit_test(start_times_match_across_units),
		cmocka_unit_test(oldest_is_evicted),
		cmocka_unit_test(a_name_of_the_program_is_by_exec),
		cmocka_unit_test(arguments_are_joined_by_spaces),
		cmocka_unit_test(units_come_from_the_innermost_component),
		cmocka_unit_test(container_ids_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
