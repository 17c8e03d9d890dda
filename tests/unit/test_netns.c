/* SPDX-License-Identifier: GPL-2.0-only */
/* Network namespaces are found and entered. Skipped where this process may not create namespaces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "system/netns.h"

static uint32_t netns_of(const char *process)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%s/ns/net", process);
	return stat(path, &st) == 0 ? (uint32_t)st.st_ino : 0;
}

/* A process in a new network namespace, or in that of the process `other` (not 0). -1: not permitted. */
static pid_t process_start(pid_t other)
{
	char path[64], ready;
	int pipes[2], fd;
	bool failed;
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		snprintf(path, sizeof(path), "/proc/%d/ns/net", other);
		fd = other ? open(path, O_RDONLY) : -1;
		failed = other ? setns(fd, CLONE_NEWNET) : unshare(CLONE_NEWNET);
		if (failed || write(pipes[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(pipes[1]);
	failed = read(pipes[0], &ready, 1) != 1;
	close(pipes[0]);
	if (!failed)
		return pid;
	waitpid(pid, NULL, 0);
	return -1;
}

/*
 * Starts the only two processes of a new network namespace. The first has the lower pid, so that a scan of
 * /proc finds the namespace through it (unless pids wrap around between the two). Returns the inode number
 * of the namespace, or 0: not permitted.
 */
static uint32_t namespace_start(pid_t pids[2])
{
	char process[16];

	pids[0] = process_start(0);
	if (pids[0] < 0)
		return 0;
	pids[1] = process_start(pids[0]);
	snprintf(process, sizeof(process), "%d", pids[0]);
	return netns_of(process);
}

static void process_end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void a_namespace_whose_first_process_exits_is_entered(void **state)
{
	struct netns_list *list = netns_list_new();
	uint32_t home = netns_of("thread-self"), netns;
	pid_t pids[2];

	(void)state;
	assert_non_null(list);
	netns = namespace_start(pids);
	if (!netns) {
		netns_list_free(list);
		skip();
	}
	assert_int_equal(netns_list_scan(list), 0);
	process_end(pids[0]);
	assert_int_equal(netns_enter(list, netns), 0);
	assert_int_equal(netns_of("thread-self"), netns);
	netns_leave(list);
	assert_int_equal(netns_of("thread-self"), home);
	/* When the last process exits, the namespace ends: that is not an error to report. */
	process_end(pids[1]);
	assert_int_equal(netns_enter(list, netns), -ESRCH);
	for (size_t i = 0; i < netns_list_count(list); i++)
		assert_int_equal(netns_list_error(list, i), 0);
	netns_list_free(list);
}

static void an_unknown_namespace_is_found_when_it_is_entered(void **state)
{
	struct netns_list *list = netns_list_new();
	pid_t pids[2];
	uint32_t netns;

	(void)state;
	assert_non_null(list);
	assert_int_equal(netns_list_scan(list), 0);
	netns = namespace_start(pids);
	if (!netns) {
		netns_list_free(list);
		skip();
	}
	assert_int_equal(netns_enter(list, netns), 0);
	assert_int_equal(netns_of("thread-self"), netns);
	netns_leave(list);
	process_end(pids[0]);
	process_end(pids[1]);
	netns_list_free(list);
}

/* Runs in a child that drops the privilege to enter namespaces. */
static int enter_without_right(uint32_t other)
{
	struct netns_list *list = netns_list_new();
	uint32_t home = netns_of("thread-self");
	int err, failed = 0;

	if (!list || netns_list_scan(list) || setuid(65534))
		return 2;
	/* The second attempt must fail with the same error. */
	for (int i = 0; i < 2; i++) {
		err = netns_enter(list, other);
		if (err != -EPERM && err != -EACCES)
			return 3;
	}
	for (size_t i = 0; i < netns_list_count(list); i++)
		failed += netns_list_get(list, i) == other && netns_list_error(list, i) < 0;
	if (failed != 1)
		return 4;
	/* Entering the thread's own namespace needs no privilege. */
	if (netns_enter(list, home))
		return 5;
	netns_leave(list);
	netns_list_free(list);
	return 0;
}

static void a_namespace_that_may_not_be_entered_is_an_error(void **state)
{
	pid_t pids[2], child;
	uint32_t netns;
	int status;

	(void)state;
	if (geteuid() || !(netns = namespace_start(pids)))
		skip();
	child = fork();
	if (!child)
		_exit(enter_without_right(netns));
	assert_int_equal(waitpid(child, &status, 0), child);
	process_end(pids[0]);
	process_end(pids[1]);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_namespace_whose_first_process_exits_is_entered),
		cmocka_unit_test(an_unknown_namespace_is_found_when_it_is_entered),
		cmocka_unit_test(a_namespace_that_may_not_be_entered_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
