/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Recognises a supervisor by its program. Names and texts come from processes, which may be hostile: who uses them quotes
 * them, and runs the command of a supervisor as the supervisor's user.
 */
#include "system/process_service.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "system/proc_file.h"
#include "util/shell_loop.h"

#define ENVIRON_SIZE 131072 /* supervisord adds its variables at the end */
#define SCRIPT_SIZE  16384
#define RESTARTER_GENERATIONS 2

struct parent {
	uint32_t pid;
	uint32_t child; /* through which it is a parent */
	const struct proc_stat *stat;
};

static void path_of(uint32_t pid, const char *name, char path[48])
{
	snprintf(path, 48, "/proc/%" PRIu32 "/%s", pid, name);
}

static ssize_t file_read(uint32_t pid, const char *name, char *text, size_t size)
{
	char path[48];

	path_of(pid, name, path);
	return proc_file_read(AT_FDCWD, path, text, size);
}

/* A link that does not fit is left empty. */
static void link_read(uint32_t pid, const char *name, char *text, size_t size)
{
	ssize_t length;
	char path[48];

	path_of(pid, name, path);
	length = readlink(path, text, size);
	text[length < 0 || (size_t)length == size ? 0 : length] = '\0';
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool is_any(const char *name, const char *const *names)
{
	for (; *names; names++) {
		if (!strcmp(name, *names))
			return true;
	}
	return false;
}

/* Paths of another mount namespace name other files here. */
static bool shares_mounts(uint32_t pid)
{
	struct stat ours, theirs;
	char path[48];

	path_of(pid, "ns/mnt", path);
	return !stat("/proc/self/ns/mnt", &ours) && !stat(path, &theirs) && ours.st_ino == theirs.st_ino;
}

/* ---- services ---------------------------------------------------------------------------------------- */

/* The value of NAME=VALUE in `length` bytes of environment; it is left empty where it does not fit. */
static void environ_value(const char *environ, size_t length, const char *name, char *value, size_t size)
{
	size_t wanted = strlen(name);

	value[0] = '\0';
	for (const char *at = environ; at < environ + length; at += strlen(at) + 1) {
		if (!strncmp(at, name, wanted) && at[wanted] == '=' && strlen(at + wanted + 1) < size)
			snprintf(value, size, "%s", at + wanted + 1);
	}
}

/* Each of these works in the directory of its service. */
static void directory_of(const struct parent *parent, struct wire_service *service)
{
	link_read(parent->pid, "cwd", service->name, sizeof(service->name));
}

static void supervisord_of(const char *environ, size_t length, struct wire_service *service)
{
	char group[100], process[100];

	environ_value(environ, length, "SUPERVISOR_GROUP_NAME", group, sizeof(group));
	environ_value(environ, length, "SUPERVISOR_PROCESS_NAME", process, sizeof(process));
	if (group[0] && process[0])
		snprintf(service->name, sizeof(service->name), "%s:%s", group, process);
	environ_value(environ, length, "SUPERVISOR_SERVER_URL", service->control, sizeof(service->control));
	/* supervisorctl must not be sent to another machine. */
	if (strncmp(service->control, "unix:///", 8) && strncmp(service->control, "http://localhost:", 17) &&
	    strncmp(service->control, "http://127.0.0.1:", 17))
		service->control[0] = '\0';
}

static void pm2_of(const char *environ, size_t length, struct wire_service *service)
{
	environ_value(environ, length, "pm_id", service->name, sizeof(service->name));
	environ_value(environ, length, "PM2_HOME", service->control, sizeof(service->control));
}

/* What the supervisor set in the environment of the process that it started. */
static void variables_of(const struct parent *parent, struct wire_service *service,
			 void (*take)(const char *environ, size_t length, struct wire_service *service))
{
	char *environ = malloc(ENVIRON_SIZE);
	ssize_t length = environ ? file_read(parent->child, "environ", environ, ENVIRON_SIZE) : 0;

	if (length > 0)
		take(environ, (size_t)length, service);
	free(environ);
}

static enum wire_service_kind kind_of(const char *comm)
{
	static const struct {
		const char *comm;
		enum wire_service_kind kind;
	} kinds[] = {
		{"runsv", WIRE_SERVICE_RUNIT},	       {"s6-supervise", WIRE_SERVICE_S6},
		{"supervise", WIRE_SERVICE_DAEMONTOOLS}, {"supervisord", WIRE_SERVICE_SUPERVISORD},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!strcmp(comm, kinds[i].comm))
			return kinds[i].kind;
	}
	/* "PM2 v5.3.0: God Daemon (/root/.pm2)", cut */
	return !strncmp(comm, "PM2 v", 5) ? WIRE_SERVICE_PM2 : WIRE_SERVICE_NONE;
}

/* false: it is no supervisor, or its service is not known. */
static bool service_read(const struct parent *parent, struct wire_service *service)
{
	struct stat st;
	char path[48];

	*service = (struct wire_service){.kind = kind_of(parent->stat->comm), .pid = parent->child};
	path_of(parent->pid, "", path);
	if (!service->kind || !shares_mounts(parent->pid) || stat(path, &st))
		return false;
	service->uid = st.st_uid;
	switch ((enum wire_service_kind)service->kind) {
	case WIRE_SERVICE_NONE:
		break;
	case WIRE_SERVICE_RUNIT:
	case WIRE_SERVICE_S6:
	case WIRE_SERVICE_DAEMONTOOLS:
		directory_of(parent, service);
		break;
	case WIRE_SERVICE_SUPERVISORD:
		variables_of(parent, service, supervisord_of);
		break;
	case WIRE_SERVICE_PM2:
		variables_of(parent, service, pm2_of);
		break;
	}
	return service->name[0];
}

/* ---- restarters ----------------------------------------------------------------------------------------- */

static const char *next_argument(const char *at, const char *end)
{
	at += strlen(at) + 1;
	return at < end ? at : NULL;
}

/* Programs that run another one and start it again, of themselves or when a file changes. */
static bool is_watcher(const char *name)
{
	static const char *const names[] = {"nodemon", "nodemon.js", "watchexec", "entr", "reflex", "air", "cargo-watch",
					    "ts-node-dev", "watchmedo", "supervisor.js", NULL};

	return is_any(name, names);
}

static bool is_script_engine(const char *exe)
{
	return !strncmp(exe, "node", 4) || !strncmp(exe, "python", 6) || !strncmp(exe, "ruby", 4);
}

/* `args`: `length` bytes, separated by NUL. */
static bool runs_watcher(const char *exe, const char *args, size_t length)
{
	if (!is_script_engine(exe))
		return is_watcher(exe);
	for (const char *at = next_argument(args, args + length); at; at = next_argument(at, args + length)) {
		if (*at != '-')
			return is_watcher(last_part(at));
	}
	return false;
}

static bool is_shell(const char *exe)
{
	static const char *const names[] = {"sh", "dash", "bash", "ash", "ksh", "ksh93", "mksh", "zsh", "zsh5",
					    "busybox", NULL};

	return is_any(exe, names);
}

/* The script that a shell runs: its descriptor is 255 in bash, else 10 or the next ones. */
static bool script_read(uint32_t pid, char *text, size_t size)
{
	static const int fds[] = {255, 10, 11, 12};
	struct stat st;
	char path[48];

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		snprintf(path, sizeof(path), "/proc/%" PRIu32 "/fd/%d", pid, fds[i]);
		if (!stat(path, &st) && S_ISREG(st.st_mode))
			return proc_file_read(AT_FDCWD, path, text, size) > 0;
	}
	return false;
}

/* Whether the script runs the child in a loop, by its name, its program or its script. */
static bool runs_in_loop(const char *script, uint32_t child)
{
	char args[1024] = "", comm[32] = "";
	ssize_t length = file_read(child, "cmdline", args, sizeof(args));
	const char *second = length > 0 ? next_argument(args, args + length) : NULL;
	const char *names[] = {comm, last_part(args), second ? last_part(second) : ""};

	file_read(child, "comm", comm, sizeof(comm));
	comm[strcspn(comm, "\n")] = '\0';
	return shell_loop_runs(script, names, sizeof(names) / sizeof(names[0]));
}

/* An interactive shell has neither -c nor a script. */
static bool runs_loop(const struct parent *parent, const char *args, size_t length)
{
	const char *end = args + length, *at = next_argument(args, end);
	char script[SCRIPT_SIZE];

	for (; at && (*at == '-' || *at == '+'); at = next_argument(at, end)) {
		if (at[1] != '-' && strchr(at, 'c')) {
			at = next_argument(at, end);
			return at && runs_in_loop(at, parent->child);
		}
	}
	return at && script_read(parent->pid, script, sizeof(script)) && runs_in_loop(script, parent->child);
}

static bool is_restarter(const struct parent *parent)
{
	char exe[256], args[4096];
	const char *name;
	ssize_t length;

	link_read(parent->pid, "exe", exe, sizeof(exe));
	name = last_part(exe);
	if (!is_shell(name) && !is_script_engine(name) && !is_watcher(name))
		return false;
	length = file_read(parent->pid, "cmdline", args, sizeof(args));
	if (length <= 0)
		return false;
	return is_shell(name) ? runs_loop(parent, args, (size_t)length) : runs_watcher(name, args, (size_t)length);
}

/* The outermost service counts: it starts again what runs inside of it. A restarter is near: nodemon runs `sh -c node`. */
void process_service_add_parent(uint32_t pid, const struct proc_stat *stat, uint32_t child, int generation,
				struct wire_process *event)
{
	const struct parent parent = {.pid = pid, .child = child, .stat = stat};
	struct wire_service service;

	if (service_read(&parent, &service)) {
		event->service = service;
	} else if (generation < RESTARTER_GENERATIONS && !event->restarter.pid && !event->service.kind &&
		   is_restarter(&parent)) {
		event->restarter.pid = pid;
		memcpy(event->restarter.comm, stat->comm, sizeof(event->restarter.comm));
	}
}
