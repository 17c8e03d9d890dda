/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads /proc/PID/{status,comm,exe,cmdline,cgroup}. Texts are raw bytes: they may be hostile. */
#include "system/procfs.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "system/file_caps.h"
#include "system/proc_file.h"
#include "system/proc_stat.h"
#include "system/process_origin.h"
#include "util/exec_name.h"


/*
 * /proc/PID as a directory, or -errno. Files opened below it are those of this process only: once it has
 * been reaped they fail with ESRCH, even if the pid is reused.
 */
static int process_open(uint32_t pid)
{
	char path[32];
	int dir;

	if (pid & WIRE_PID_OUTSIDE)
		return -ESRCH;
	snprintf(path, sizeof(path), pid ? "/proc/%" PRIu32 : "/proc/self", pid);
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0)
		return dir;
	return errno == ENOENT ? -ESRCH : -errno;
}

static uint64_t tick_ns(void)
{
	return 1000000000U / (uint64_t)sysconf(_SC_CLK_TCK);
}

/*
 * What do_task_stat() in fs/proc/array.c adds to the start, in ns: the offset of the reader's time
 * namespace. 0 without one (CONFIG_TIME_NS, 5.6).
 */
static int64_t boottime_offset_read(void)
{
	char text[256], *at;
	int64_t seconds, ns;

	proc_file_read(AT_FDCWD, "/proc/self/timens_offsets", text, sizeof(text));
	at = strstr(text, "boottime");
	if (!at || sscanf(at, "boottime %" SCNd64 " %" SCNd64, &seconds, &ns) != 2)
		return 0;
	return seconds * 1000000000 + ns;
}

static bool is_start(uint64_t ticks, uint64_t start_boot_ns)
{
	/* The first comparison saves reading the offset where there is none. */
	return start_boot_ns / tick_ns() == ticks ||
	       (start_boot_ns + (uint64_t)boottime_offset_read()) / tick_ns() == ticks;
}

/* Reads `stat` of the process. 0, -ESRCH: it is another process; or -errno. */
static int start_check(int dir, uint64_t start_boot_ns, struct proc_stat *stat)
{
	int err = proc_stat_read(dir, "stat", stat);

	if (err)
		return err;
	return !start_boot_ns || is_start(stat->start_ticks, start_boot_ns) ? 0 : -ESRCH;
}

/* The bytes as they are (/proc/PID/status escapes some), without the newline that ends them. */
static void comm_read(int dir, char comm[static 16])
{
	char text[32];
	ssize_t length = proc_file_read(dir, "comm", text, sizeof(text));

	memset(comm, 0, 16);
	if (length > 1)
		memcpy(comm, text, length - 1 < 15 ? (size_t)length - 1 : 15);
}

/* The line of cgroup v2 is "0::/path". */
static void cgroup_read(int dir, char *out, size_t size)
{
	char text[4096], *line;

	if (proc_file_read(dir, "cgroup", text, sizeof(text)) <= 0)
		return;
	line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
	if (!line)
		return;
	line = strchr(line, '/');
	if (!line)
		return;
	line[strcspn(line, "\n")] = '\0';
	snprintf(out, size, "%s", line);
}

static void program_clear(struct wire_process *event)
{
	memset(event->exe, 0, sizeof(event->exe));
	memset(event->cmdline, 0, sizeof(event->cmdline));
	event->cmdline_len = 0;
	event->flags |= WIRE_PROCESS_EXEC;
}

static int program_read(int dir, struct wire_process *event)
{
	char comm[16];
	ssize_t length = proc_file_read(dir, "cmdline", event->cmdline, sizeof(event->cmdline));

	if (length < 0)
		return length == -ENOENT ? -ESRCH : (int)length;
	event->cmdline_len = (uint32_t)length;
	if (readlinkat(dir, "exe", event->exe, sizeof(event->exe) - 1) < 0)
		event->exe[0] = '\0';
	cgroup_read(dir, event->cgroup, sizeof(event->cgroup));
	if (event->exe[0] == '/' && !file_caps_reach(dir, event->exe, event->task.uid))
		event->flags |= WIRE_PROCESS_NO_FILE_CAPS;
	/* Read last, so that an execve() during the other reads is noticed. */
	comm_read(dir, comm);
	if (memcmp(comm, event->task.comm, sizeof(comm)) != 0 &&
	    exec_set_name(comm, event->exe, event->cmdline, event->cmdline_len, '\0'))
		program_clear(event);
	return 0;
}

int process_read(const struct wire_task *task, bool with_origin, struct wire_process *event)
{
	int dir = process_open(task->pid);
	struct proc_stat stat;
	int err;

	if (dir < 0)
		return dir;
	*event = (struct wire_process){
		.hdr = {.size = sizeof(*event), .kind = WIRE_PROCESS},
		.task = *task,
	};
	err = start_check(dir, task->start_boot_ns, &stat);
	if (!err && with_origin)
		process_origin_read(dir, &stat, event);
	if (!err)
		err = program_read(dir, event);
	close(dir);
	return err;
}

uint32_t process_pid_namespace(void)
{
	struct stat st;

	if (stat("/proc/self/ns/pid", &st) || st.st_ino == PROC_PID_INIT_INO)
		return 0;
	return (uint32_t)st.st_ino;
}

/* Whether /proc has the pids of this process's pid namespace: /proc/self names it by the number that /proc uses. */
static bool has_own_pids(void)
{
	char text[16] = "";

	return readlink("/proc/self", text, sizeof(text) - 1) > 0 && strtol(text, NULL, 10) == getpid();
}

bool process_is_alive(uint32_t pid, uint64_t start_boot_ns)
{
	struct proc_stat stat;
	int dir, err;

	if (pid & WIRE_PID_OUTSIDE || !has_own_pids())
		return true;
	dir = process_open(pid);
	if (dir < 0)
		return dir != -ESRCH;
	err = start_check(dir, start_boot_ns, &stat);
	close(dir);
	return err != -ESRCH;
}

/* Line by line: "Groups:" may be longer than any fixed buffer. */
static int credentials_read(int dir, struct process_credentials *credentials)
{
	int fd = openat(dir, "status", O_RDONLY | O_CLOEXEC);
	FILE *status = fd < 0 ? NULL : fdopen(fd, "r");
	char line[256];

	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	if (!status) {
		close(fd);
		return -ENOMEM;
	}
	while (fgets(line, sizeof(line), status)) {
		sscanf(line, "Tgid: %" SCNu32, &credentials->pid);
		sscanf(line, "Uid: %" SCNu32 " %*u %*u %" SCNu32, &credentials->uid, &credentials->fsuid);
		sscanf(line, "CapEff: %" SCNx64, &credentials->effective);
	}
	fclose(status);
	return credentials->pid ? 0 : -ESRCH;
}

int process_credentials_read(uint32_t pid, struct process_credentials *credentials)
{
	int dir = process_open(pid), err;

	*credentials = (struct process_credentials){0};
	if (dir < 0)
		return dir;
	err = credentials_read(dir, credentials);
	close(dir);
	return err;
}

int process_task_read(uint32_t pid, struct wire_task *task)
{
	struct process_credentials credentials = {0};
	int dir = process_open(pid), err;
	struct proc_stat stat;

	*task = (struct wire_task){0};
	if (dir < 0)
		return dir;
	err = credentials_read(dir, &credentials);
	if (!err)
		err = proc_stat_read(dir, "stat", &stat);
	if (!err) {
		task->pid = task->tid = credentials.pid;
		task->uid = credentials.uid;
		task->ppid = stat.ppid;
		task->start_boot_ns = stat.start_ticks * tick_ns() - (uint64_t)boottime_offset_read();
		comm_read(dir, task->comm);
	}
	close(dir);
	return err;
}

int process_namespace_read(uint32_t pid, const char *kind, uint64_t *inode)
{
	int dir = process_open(pid), err = 0;
	char path[32];
	struct stat st;

	if (dir < 0)
		return dir;
	snprintf(path, sizeof(path), "ns/%s", kind);
	if (fstatat(dir, path, &st, 0))
		err = errno == ENOENT ? -ESRCH : -errno;
	else
		*inode = st.st_ino;
	close(dir);
	return err;
}

uint32_t process_next(DIR *proc)
{
	struct dirent *entry;

	while ((entry = readdir(proc))) {
		if (isdigit((unsigned char)entry->d_name[0]))
			return (uint32_t)strtoul(entry->d_name, NULL, 10);
	}
	return 0;
}
