/* SPDX-License-Identifier: GPL-2.0-only */
/* procfs must not return data of another process with the same pid, or of a program that the process ran later. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "system/procfs.h"
#include "wire_make.h"

static uint32_t own_pid(void)
{
	return (uint32_t)getpid();
}

static struct wire_task task_of(uint32_t pid)
{
	struct wire_task task;

	assert_int_equal(process_task_read(pid, &task), 0);
	return task;
}

/*
 * Under qemu-aarch64 /proc shows the emulator, not the test. `comm` is the emulator's name, but qemu answers
 * readlink("/proc/self/exe") with the path of the test.
 */
static void skip_if_emulated(const struct wire_task *task)
{
	if (strncmp(task->comm, "qemu-", strlen("qemu-")) != 0)
		return;
	print_message("skipped: /proc shows the emulator %s instead of this test\n", task->comm);
	skip();
}

static void a_process_is_read(void **state)
{
	struct wire_task task = task_of(own_pid());
	struct wire_process event;

	(void)state;
	skip_if_emulated(&task);
	assert_int_equal(process_read(&task, true, &event), 0);
	assert_int_equal(event.hdr.size, sizeof(event));
	assert_memory_equal(&event.task, &task, sizeof(task));
	assert_string_equal(task.comm, "test_procfs");
	assert_int_equal(task.uid, getuid());
	assert_non_null(strstr(event.exe, "/test_procfs"));
	assert_non_null(strstr(event.cmdline, "test_procfs"));
	assert_true(event.cmdline_len > strlen("test_procfs"));
	assert_int_equal(event.cgroup[0], '/');
	assert_int_equal(event.flags, WIRE_PROCESS_ORIGIN);
	assert_int_equal(process_read(&task, false, &event), 0);
	assert_int_equal(event.flags, 0);
	assert_string_equal(event.cwd, "");
}

/* Where it runs, for whom, and what started it. */
static void the_origin_of_a_process_is_read(void **state)
{
	struct wire_task task = task_of(own_pid()), parent = task_of((uint32_t)getppid());
	const struct passwd *user = getpwuid(getuid());
	struct wire_process event;
	char cwd[256];

	(void)state;
	assert_int_equal(task.ppid, getppid());
	assert_int_equal(process_read(&task, true, &event), 0);
	assert_string_equal(event.cwd, getcwd(cwd, sizeof(cwd)));
	assert_string_equal(event.user, user ? user->pw_name : "");
	assert_int_equal(event.parents[0].pid, getppid());
	assert_string_equal(event.parents[0].comm, parent.comm);
	for (int i = 1; i < WIRE_PARENTS_MAX && event.parents[i].pid; i++)
		assert_int_not_equal(event.parents[i].pid, event.parents[i - 1].pid);
	task.uid = 4000000; /* nobody has it */
	assert_int_equal(process_read(&task, true, &event), 0);
	assert_string_equal(event.user, "");
}

/* The kernel reports the start in nanoseconds, /proc in hundredths of a second. */
static void a_start_within_the_same_tick_is_the_same(void **state)
{
	struct wire_task task = task_of(own_pid());
	struct wire_process event;

	(void)state;
	task.start_boot_ns += 9999999;
	assert_int_equal(process_read(&task, true, &event), 0);
	assert_true(process_is_alive(task.pid, task.start_boot_ns));
	task.start_boot_ns = 0; /* not known */
	assert_int_equal(process_read(&task, true, &event), 0);
	assert_true(process_is_alive(task.pid, 0));
}

static void a_reused_pid_is_another_process(void **state)
{
	struct wire_task task = task_of(own_pid());
	struct wire_process event;

	(void)state;
	task.start_boot_ns -= SECOND;
	assert_int_equal(process_read(&task, true, &event), -ESRCH);
	assert_false(process_is_alive(task.pid, task.start_boot_ns));
}

static void a_process_that_has_exited_is_gone(void **state)
{
	pid_t pid = fork();
	struct wire_task task;
	struct wire_process event;

	(void)state;
	if (!pid)
		_exit(0);
	task = task_of((uint32_t)pid); /* alive, or a zombie */
	waitpid(pid, NULL, 0);
	assert_int_equal(process_read(&task, true, &event), -ESRCH);
	assert_false(process_is_alive(task.pid, task.start_boot_ns));
}

/* A child that runs `program` after one byte from the pipe, which becomes its standard input. */
static pid_t child_start(const char *name, int wait_for, char *const program[])
{
	pid_t pid = fork();
	char byte;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, name);
	if (read(wait_for, &byte, 1) == 1 && dup2(wait_for, 0) == 0)
		execv(program[0], program);
	_exit(1);
}

/* Waits until the process has this name, and arguments: execve() sets the name first. */
static void name_await(pid_t pid, const char *name)
{
	for (int i = 0; i < 5000; i++) {
		struct wire_task task = task_of((uint32_t)pid);
		struct wire_process event;

		if (strcmp(task.comm, name) == 0 && process_read(&task, true, &event) == 0 && event.cmdline_len)
			return;
		usleep(1000);
	}
	fail_msg("process %d is not named %s", pid, name);
}

static void check_exec(char *const program[], const char *name)
{
	struct wire_process event;
	struct wire_task before;
	int pipes[2];
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	pid = child_start("pt-before", pipes[0], program);
	name_await(pid, "pt-before");
	before = task_of((uint32_t)pid);
	assert_int_equal(write(pipes[1], "", 1), 1);
	name_await(pid, name);

	/* For an event before execve(), /proc no longer has the executable, but still the cgroup. */
	assert_int_equal(process_read(&before, true, &event), 0);
	assert_string_equal(event.exe, "");
	assert_string_equal(event.cmdline, "");
	assert_int_equal(event.cmdline_len, 0);
	assert_int_equal(event.cgroup[0], '/');
	assert_true(process_is_alive(before.pid, before.start_boot_ns));
	/* For an event after execve(), it has both. */
	memset(before.comm, 0, sizeof(before.comm));
	strcpy(before.comm, name);
	assert_int_equal(process_read(&before, true, &event), 0);
	assert_string_not_equal(event.exe, "");
	assert_true(event.cmdline_len > 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(pipes[0]);
	close(pipes[1]);
}

static void a_program_before_exec_does_not_get_the_next_executable(void **state)
{
	char *const program[] = {"/bin/sleep", "600", NULL};

	(void)state;
	check_exec(program, "sleep");
}

static void a_script_is_known_by_its_arguments(void **state)
{
	char path[] = "/tmp/porttrace-script.XXXXXX";
	char *const program[] = {path, NULL};
	static const char text[] = "#!/bin/sh\nread line\n";
	int fd = mkstemp(path);

	(void)state;
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	fchmod(fd, 0700);
	close(fd);
	check_exec(program, "porttrace-scrip");
	unlink(path);
}

static void a_new_name_alone_is_not_a_new_program(void **state)
{
	struct wire_task before = task_of(own_pid());
	struct wire_process event;

	(void)state;
	skip_if_emulated(&before);
	prctl(PR_SET_NAME, "pt-renamed");
	assert_int_equal(process_read(&before, true, &event), 0);
	prctl(PR_SET_NAME, "test_procfs");
	assert_non_null(strstr(event.exe, "/test_procfs"));
}

/* Runs in a child, whose children are in a time namespace more than a day ahead. */
static int check_in_time_namespace(const struct wire_task *parent)
{
	static const char offsets[] = "boottime 86400 120000000\n";
	struct wire_task task;
	int fd, status;
	pid_t pid;

	if (unshare(CLONE_NEWTIME))
		return 77;
	fd = open("/proc/self/timens_offsets", O_WRONLY);
	if (fd < 0 || write(fd, offsets, sizeof(offsets) - 1) < 0)
		return 77;
	pid = fork();
	if (!pid) {
		if (!process_is_alive(parent->pid, parent->start_boot_ns + 5000000))
			_exit(2);
		if (process_is_alive(parent->pid, parent->start_boot_ns + SECOND))
			_exit(3);
		if (process_task_read(parent->pid, &task))
			_exit(4);
		_exit(task.start_boot_ns == parent->start_boot_ns ? 0 : 5);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 6;
}

static void a_time_namespace_shifts_the_start(void **state)
{
	struct wire_task task = task_of(own_pid());
	pid_t pid = fork();
	int status;

	(void)state;
	if (!pid)
		_exit(check_in_time_namespace(&task));
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* 0, or a number that says what is wrong. */
static int check_in_pid_namespace(void)
{
	/* /proc shows the pids of the initial namespace still. */
	if (!process_is_alive(4000000, SECOND))
		return 1;
	if (mount("proc", "/proc", "proc", 0, NULL))
		return 77;
	if (process_is_alive(4000000, SECOND))
		return 2;
	/* A process outside may be alive. */
	if (!process_is_alive(1 | WIRE_PID_OUTSIDE, SECOND))
		return 3;
	return process_pid_namespace() ? 0 : 4;
}

/* In a pid namespace pids are those of its /proc. */
static void in_a_pid_namespace_only_its_processes_are_known(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (!pid) {
		if (unshare(CLONE_NEWNS | CLONE_NEWPID) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
			_exit(77);
		pid = fork();
		if (!pid)
			_exit(check_in_pid_namespace());
		waitpid(pid, &status, 0);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 2);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_is_read),
		cmocka_unit_test(the_origin_of_a_process_is_read),
		cmocka_unit_test(a_start_within_the_same_tick_is_the_same),
		cmocka_unit_test(a_reused_pid_is_another_process),
		cmocka_unit_test(a_process_that_has_exited_is_gone),
		cmocka_unit_test(a_program_before_exec_does_not_get_the_next_executable),
		cmocka_unit_test(a_script_is_known_by_its_arguments),
		cmocka_unit_test(a_new_name_alone_is_not_a_new_program),
		cmocka_unit_test(a_time_namespace_shifts_the_start),
		cmocka_unit_test(in_a_pid_namespace_only_its_processes_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
