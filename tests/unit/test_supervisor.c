/* SPDX-License-Identifier: GPL-2.0-only */
/* The command that stops what supervises a process, from its name, program, arguments and cgroup. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "claim_make.h"
#include "diagnose/stop.h"
#include "diagnose/supervisor.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define USER "/user.slice/user-1000.slice/user@1000.service"
#define SHOW "show --property=TriggeredBy --value "

struct process_case {
	const char *comm, *cgroup, *command;
	const char *exe, *cmdline;
	uint32_t uid;
	bool is_udp, has_socket_unit;
	struct wire_service service;
	bool end;
};

/* A designated member at the end: those left out are 0. */
#define CASE(...) {__VA_ARGS__, .end = true}

/* command "never": must not be stopped; "kill 4211": nothing supervises it. */
static const struct process_case cases[] = {
	/* systemd */
	CASE("nginx", "/system.slice/nginx.service", "systemctl stop nginx.service"),
	CASE("worker", "/system.slice/system-app.slice/app@1.service/sub", "systemctl stop app@1.service"),
	CASE("web", USER "/app.slice/web.service", "systemctl --user --machine=1000@ stop web.service"),
	CASE("web", "/system.slice/web.service", "systemctl stop $(systemctl " SHOW "web.service) web.service",
	 .has_socket_unit = true),
	CASE("web", USER "/app.slice/web.service", "systemctl --user --machine=1000@ stop "
	 "$(systemctl --user --machine=1000@ " SHOW "web.service) web.service", .has_socket_unit = true),
	CASE("node", "/user.slice/user-1000.slice/session-3.scope", "kill 4211"),
	CASE("node", USER "/app.slice/app-org.gnome.Terminal.slice/vte-spawn-1.scope", "kill 4211"),
	CASE("node", "/", "kill 4211"),
	CASE("node", "", "kill 4211"),
	CASE("node", "/system.slice/$(reboot).service", "systemctl stop '$(reboot).service'"),
	CASE("node", "/system.slice/it's.service", "systemctl stop 'it'\\''s.service'"),
	/* the systemd of a container, not of this machine */
	CASE("nginx", "/lxc.payload.web/system.slice/nginx.service", "kill 4211"),
	CASE("nginx", "/system.slice/docker-" ID ".scope/system.slice/nginx.service", "docker stop 0123456789ab"),
	CASE("nginx", "/../../system.slice/nginx.service", "kill 4211"),
	/* containers */
	CASE("redis", "/system.slice/docker-" ID ".scope", "docker stop 0123456789ab"),
	CASE("redis", "/docker/" ID, "docker stop 0123456789ab"),
	CASE("redis", "/system.slice/docker.service/docker/" ID, "docker stop 0123456789ab"),
	CASE("redis", USER "/user.slice/docker-" ID ".scope",
	 "docker --host=unix:///run/user/1000/docker.sock stop 0123456789ab"),
	CASE("redis", "/machine.slice/libpod-" ID ".scope/container", "podman stop 0123456789ab"),
	CASE("redis", USER "/user.slice/libpod-" ID ".scope", "runuser -l $(id -un 1000) -c 'podman stop 0123456789ab'"),
	CASE("redis", "/system.slice/web.service/libpod-payload-" ID, "systemctl stop web.service"),
	CASE("redis", "/system.slice/nerdctl-" ID ".scope", "nerdctl stop 0123456789ab"),
	CASE("redis", "/kubepods.slice/kubepods-pod1.slice/cri-containerd-" ID ".scope", "crictl stop 0123456789abc"),
	CASE("redis", "/kubepods/burstable/pod1/" ID, "crictl stop 0123456789abc"),
	CASE("redis", "/kubepods.slice/crio-" ID ".scope", "crictl stop 0123456789abc"),
	/* what has a port for a container */
	CASE("docker-proxy", "/system.slice/docker.service", "docker stop $(docker ps --quiet --filter publish=8080)"),
	CASE("docker-proxy", "/system.slice/docker.service", "docker stop $(docker ps --quiet --filter publish=8080/udp)",
	 .is_udp = true),
	CASE("rootlesskit", USER "/app.slice/docker.service", "docker --host=unix:///run/user/1000/docker.sock stop "
	 "$(docker --host=unix:///run/user/1000/docker.sock ps --quiet --filter publish=8080)", .uid = 1000),
	CASE("rootlessport", USER "/user.slice/x.scope", "runuser -l $(id -un 1000) -c 'podman stop $(podman port --all | "
	 "awk '\\''$2 ~ /tcp$/ && $4 ~ /:8080$/ { print $1 }'\\'')'", .uid = 1000),
	CASE("rootlessport", USER "/app.slice/web.service", "systemctl --user --machine=1000@ stop web.service", .uid = 1000),
	CASE("pasta", USER "/user.slice/x.scope", "runuser -l $(id -un 1000) -c 'podman stop $(podman port --all | "
	 "awk '\\''$2 ~ /tcp$/ && $4 ~ /:8080$/ { print $1 }'\\'')'", .uid = 1000,
	 .cmdline = "pasta --config-net -t 8080-8080:80-80 --netns /run/user/1000/netns/netns-1"),
	CASE("pasta", "/user.slice/x.scope", "kill 4211", .uid = 1000, .cmdline = "pasta -t 8080 -- sh"),
	CASE("conmon", "/machine.slice/libpod-conmon-" ID ".scope", "podman stop 0123456789ab",
	 .cmdline = "/usr/bin/conmon --api-version 1 -c " ID " -u " ID " -r /usr/bin/crun"),
	CASE("conmon", "/kubepods.slice/crio-conmon-" ID ".scope", "crictl stop 0123456789abc",
	 .cmdline = "/usr/bin/conmon -c " ID),
	/* supervisors among the parents */
	CASE("web", "/system.slice/runit.service", "sv down /etc/service/web",
	 .service = {WIRE_SERVICE_RUNIT, .pid = 4211, .name = "/etc/service/web"}),
	CASE("web", "/", "s6-svc -wD -T 7000 -d '/run/service/a b'",
	 .service = {WIRE_SERVICE_S6, .pid = 4211, .name = "/run/service/a b"}),
	CASE("web", "/", "runuser -u $(id -un 1000) -- svc -d /home/a/web",
	 .service = {WIRE_SERVICE_DAEMONTOOLS, .uid = 1000, .pid = 4211, .name = "/home/a/web"}),
	CASE("web", "/", "supervisorctl -s unix:///run/s.sock stop web:web_00",
	 .service = {WIRE_SERVICE_SUPERVISORD, .pid = 4211, .name = "web:web_00", .control = "unix:///run/s.sock"}),
	CASE("web", "/", "supervisorctl stop 'a:$(reboot)'",
	 .service = {WIRE_SERVICE_SUPERVISORD, .pid = 4211, .name = "a:$(reboot)"}),
	CASE("web", "/", "runuser -u $(id -un 1000) -- env PM2_HOME='/home/a b' pm2 stop 3",
	 .service = {WIRE_SERVICE_PM2, .uid = 1000, .pid = 4211, .name = "3", .control = "/home/a b"}),
	CASE("web", "/", "", .service = {WIRE_SERVICE_PM2, .pid = 4211, .name = "-f"}),
	CASE("web", "/", "", .service = {WIRE_SERVICE_RUNIT, .pid = 4211, .name = "/a\nb"}),
	/* of a later version */
	CASE("web", "/", "kill 4211", .service = {99, .pid = 4211, .name = "web"}),
	CASE("redis", "/docker/" ID, "docker stop 0123456789ab",
	 .service = {WIRE_SERVICE_S6, .pid = 4211, .name = "/run/service/redis"}),
	/* what runs all of it */
	CASE("systemd", "/init.scope", "never"),
	CASE("systemd", USER "/init.scope", "never", .uid = 1000, .exe = "/usr/lib/systemd/systemd"),
	CASE("dockerd", "/system.slice/docker.service", "never", .exe = "/usr/bin/dockerd (deleted)"),
	CASE("containerd", "/system.slice/containerd.service", "never"),
	CASE("containerd-shim-runc-v2", "/system.slice/containerd.service", "never"),
	CASE("kubelet", "/system.slice/kubelet.service", "never"),
	CASE("crio", "/system.slice/crio.service", "never"),
	CASE("helper", "/system.slice/docker.service", "kill 4211"),
	/* a process chooses its name */
	CASE("dockerd", "/system.slice/web.service", "systemctl stop web.service", .exe = "/usr/bin/python3.11"),
	CASE("docker-proxy", "/user.slice/x.scope", "kill 4211", .exe = "/home/mallory/x"),
	CASE("systemd", "/user.slice/x.scope", "kill 4211", .exe = "/home/mallory/x"),
	CASE("conmon", "/user.slice/x.scope", "kill 4211", .cmdline = "conmon"),
};

static void command_of(const struct process_case *wanted, struct command *command)
{
	static struct process process;
	struct stop_plan plan;
	struct stop_target target = {.is_udp = wanted->is_udp, .has_socket_unit = wanted->has_socket_unit};

	process = (struct process){.task = {.pid = 4211, .uid = wanted->uid}};
	snprintf(process.task.comm, sizeof(process.task.comm), "%s", wanted->comm);
	snprintf(process.cgroup, sizeof(process.cgroup), "%s", wanted->cgroup);
	snprintf(process.exe, sizeof(process.exe), "%s", wanted->exe ? wanted->exe : "");
	snprintf(process.cmdline, sizeof(process.cmdline), "%s", wanted->cmdline ? wanted->cmdline : "");
	process.service = wanted->service;
	process_container_of(process.cgroup, process.container, sizeof(process.container));
	supervisor_find(&process.task, &process, &target);
	stop_plan_init(&plan);
	plan.targets[plan.target_count++] = target;
	plan.tasks[plan.task_count++] = process.task;
	*command = (struct command){0};
	if (target.kind == STOP_NEVER)
		command_append(command, "never");
	else
		stop_plan_command(&plan, 8080, command);
}

static void each_process_has_its_command(void **state)
{
	struct command command;
	int failed = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		command_of(&cases[i], &command);
		if (!strcmp(command_text(&command), cases[i].command))
			continue;
		print_message("%s in %s:\n  expected %s\n  found    %s\n", cases[i].comm, cases[i].cgroup,
			      cases[i].command, command_text(&command));
		failed++;
	}
	assert_int_equal(failed, 0);
}

/* web[4211] has the port, and this service and restarter. The caller is a child of run[4190]. */
static const struct {
	const char *command;
	struct wire_service service;
	struct wire_parent restarter;
	const char *cgroup;
} started[] = {
	{"sv down /etc/web", {WIRE_SERVICE_RUNIT, .pid = 4211, .name = "/etc/web"}, {0}, "/"},
	{"sv down /etc/web; kill 4211", {WIRE_SERVICE_RUNIT, .pid = 4200, .name = "/etc/web"}, {0}, "/"},
	{"sv down /etc/web; kill 4205 4211", {WIRE_SERVICE_RUNIT, .pid = 4200, .name = "/etc/web"}, {4205, "sh"}, "/"},
	{"svc -d /etc/web; sleep 1; kill 4211", {WIRE_SERVICE_DAEMONTOOLS, .pid = 4200, .name = "/etc/web"}, {0}, "/"},
	{"kill 4205 4211", {0}, {4205, "sh"}, "/"},
	{"kill 4211", {0}, {4190, "run"}, "/"},
	{"systemctl stop web.service", {0}, {4205, "sh"}, "/system.slice/web.service"},
};

static void what_starts_it_again_is_stopped(void **state)
{
	struct claim claim = make_claim(IPPROTO_TCP, "0.0.0.0", 0);
	struct holder holder = make_holder(IPPROTO_TCP, "0.0.0.0", 0, WIRE_TCP_LISTEN);
	struct wire_process event = make_process(1, 4211, "/");
	struct model *model = model_new(NULL);
	struct finding f = {.claim = &claim, .model = model};

	(void)state;
	claim.task.ppid = 4190;
	holder.pids[0] = event.task;
	holder.pid_count = 1;
	for (size_t i = 0; i < sizeof(started) / sizeof(started[0]); i++) {
		struct command command = {0};
		struct stop_plan plan;

		event.service = started[i].service;
		event.restarter = started[i].restarter;
		snprintf(event.cgroup, sizeof(event.cgroup), "%s", started[i].cgroup);
		assert_int_equal(model_apply(model, &event.hdr), 0);
		stop_plan_init(&plan);
		stop_plan_add(&plan, &f, &holder);
		assert_false(plan.is_impossible);
		assert_true(stop_plan_covers(&plan, &f, &holder));
		stop_plan_command(&plan, 8080, &command);
		assert_string_equal(command_text(&command), started[i].command);
	}
	model_free(model);
}

/* Nothing is known but the name. */
static void without_its_facts(void **state)
{
	const struct wire_task named = {.pid = 12, .comm = "dockerd"}, first = {.pid = 1, .comm = "tini"};
	struct stop_target target = {0};

	(void)state;
	supervisor_find(&named, NULL, &target);
	assert_int_equal(target.kind, STOP_NEVER);
	supervisor_find(&first, NULL, &target);
	assert_int_equal(target.kind, STOP_NEVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_process_has_its_command),
		cmocka_unit_test(what_starts_it_again_is_stopped),
		cmocka_unit_test(without_its_facts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
