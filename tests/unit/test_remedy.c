/* SPDX-License-Identifier: GPL-2.0-only */
/* Which remedies a situation has, best first, and their commands. */
#include "scene.h"

#include "diagnose/command.h"
#include "diagnose/remedy.h"

struct expectation {
	const char *name;
	void (*setup)(struct scene *scene);
	/* "action effect[ after_s][ option]: command or text", a line each */
	const char *remedies;
};

static void listener(struct scene *scene)
{
	tcp(scene, 0, 0, WIRE_TCP_LISTEN)->owner = make_task(4211, "node");
	scene->holders[0].pids[0] = scene->holders[0].owner;
}

static void listener_of_unit(struct scene *scene)
{
	tcp(scene, WIRE_REUSEADDR, WIRE_REUSEADDR, WIRE_TCP_LISTEN);
}

static void prefork(struct scene *scene)
{
	struct holder *holder = tcp(scene, 0, 0, WIRE_TCP_LISTEN);

	for (uint32_t i = 0; i < 3; i++)
		holder->pids[i] = make_task(815 + i, "worker");
	holder->pid_count = 3;
}

static void two_listeners(struct scene *scene)
{
	struct holder *second;

	tcp(scene, 0, WIRE_REUSEPORT, WIRE_TCP_LISTEN)->pids[0] = make_task(815, "old");
	second = add(scene, IPPROTO_TCP, "0.0.0.0", WIRE_REUSEPORT, WIRE_TCP_LISTEN);
	second->pids[0] = make_task(816, "new");
}

static void socket_activated(struct scene *scene)
{
	struct holder *holder = tcp(scene, 0, 0, WIRE_TCP_LISTEN);

	holder->pids[1] = holder->pids[0];
	holder->pids[0] = holder->owner = make_task(1, "systemd");
	holder->pid_count = 2;
}

static void systemd_alone(struct scene *scene)
{
	struct holder *holder = tcp(scene, 0, 0, WIRE_TCP_LISTEN);

	holder->pids[0] = holder->owner = make_task(1, "systemd");
}

static void inherited(struct scene *scene)
{
	struct holder *holder = tcp(scene, WIRE_REUSEADDR, WIRE_REUSEADDR, WIRE_TCP_LISTEN);

	holder->pids[1] = make_task(977, "node");
	holder->pid_count = 2;
}

static void docker_proxy(struct scene *scene)
{
	struct holder *holder = tcp(scene, 0, 0, WIRE_TCP_LISTEN);

	holder->pids[0] = holder->owner = make_task(900, "docker-proxy");
}

static void container(struct scene *scene)
{
	struct holder *holder = tcp(scene, 0, 0, WIRE_TCP_LISTEN);

	holder->pids[0] = holder->owner = make_task(500, "redis");
}

static void unknown_process(struct scene *scene)
{
	struct holder *holder = tcp(scene, 0, 0, WIRE_TCP_LISTEN);

	holder->owner = make_task(0, "");
	holder->pid_count = 0;
}

static void time_wait(struct scene *scene)
{
	closed(scene, 0, WIRE_REUSEADDR, WIRE_TCP_TIME_WAIT);
}

static void time_wait_noreuse(struct scene *scene)
{
	closed(scene, WIRE_REUSEADDR, 0, WIRE_TCP_TIME_WAIT);
}

/* A kernel whose SOCK_DESTROY refuses a TIME_WAIT. */
static void kept_time_wait(struct scene *scene)
{
	time_wait(scene);
	scene->claim.keeps_timewait = true;
}

static void many_time_waits(struct scene *scene)
{
	closed(scene, 0, 0, WIRE_TCP_TIME_WAIT);
	for (int i = 0; i < 3; i++) {
		struct holder *holder = add(scene, IPPROTO_TCP, "10.0.0.1", 0, WIRE_TCP_TIME_WAIT);

		set_remote(&holder->sock, "10.0.0.6", (uint16_t)(50000 + i));
		holder->pid_count = 0;
		holder->expires_ms = 9000;
		holder->substate = i ? WIRE_TCP_FIN_WAIT2 : WIRE_TCP_TIME_WAIT;
	}
}

/* The kernel chose the port of an outgoing connection: stopping its process leaves a TIME_WAIT. */
static void ephemeral_connection(struct scene *scene)
{
	connection(scene, WIRE_REUSEADDR, WIRE_PORT_EPHEMERAL | WIRE_CONNECT_BIND, WIRE_TCP_ESTABLISHED);
	scene->holders[0].pids[0] = make_task(4242, "curl");
	scene->netns.now.range_low = 8000;
	scene->netns_known = true;
}

/* A client that bound its port by number. */
static void bound_client(struct scene *scene)
{
	connection(scene, WIRE_REUSEADDR, 0, WIRE_TCP_ESTABLISHED)->pids[0] = make_task(789, "rpc-mount");
}

static void in_another_netns(struct scene *scene)
{
	bound_client(scene);
	scene->claim.enter = "ip netns exec blue ";
}

/* Its process can be stopped, but that leaves a TIME_WAIT, which refuses bind() and cannot be destroyed. */
static void kept_bound_client(struct scene *scene)
{
	bound_client(scene);
	scene->claim.keeps_timewait = true;
}

/* UDP: three holders of three users, all with SO_REUSEADDR. */
static void mdns(struct scene *scene)
{
	udp(scene, WIRE_REUSEPORT, WIRE_REUSEADDR | WIRE_REUSEPORT, WIRE_TCP_CLOSE)->sock.uid = 110;
	add(scene, IPPROTO_UDP, "0.0.0.0", WIRE_REUSEADDR, WIRE_TCP_CLOSE)->sock.uid = 0;
}

static void dual_stack(struct scene *scene)
{
	scene->claim = make_claim(IPPROTO_TCP, "::", 0);
	add(scene, IPPROTO_TCP, "0.0.0.0", 0, WIRE_TCP_LISTEN);
}

/* A caller for every address conflicts with an IPv4 and an IPv6 listener: IPV6_V6ONLY avoids only the first. */
static void dual_stack_and_v6(struct scene *scene)
{
	dual_stack(scene);
	add(scene, IPPROTO_TCP, "::1", 0, WIRE_TCP_LISTEN);
}

static void privileged(struct scene *scene)
{
	refused(scene, CLAIM_BIND, EACCES, "0.0.0.0");
	scene->claim.sock.local_port = scene->claim.requested_port = 80;
	scene->netns_known = true;
}

static void range_of_timewaits(struct scene *scene)
{
	automatic(scene, CLAIM_CONNECT, EADDRNOTAVAIL);
	scene->pool.time_wait = 28000;
	scene->pool.other = 232;
	scene->netns.now.tw_reuse = 2;
	scene->netns.now.tw_reuse_delay_ms = 1000;
	scene->netns_known = true;
}

static void range_on_loopback(struct scene *scene)
{
	range_of_timewaits(scene);
	set_remote(&scene->claim.sock, "127.0.0.1", 443);
}

/* By bind(), so that NO_PORT in the caller alone would leave connect() without a port. */
static void range_of_bound(struct scene *scene)
{
	automatic(scene, CLAIM_BIND, EADDRINUSE);
	scene->netns_known = true;
	scene->pool.other = scene->pool.closed = scene->pool.size;
	scene->pool.top_count = scene->pool.top_bound = 28000;
}

static void range_of_one_address(struct scene *scene)
{
	range_of_bound(scene);
	set_local(&scene->claim.sock, "127.0.0.1");
	memcpy(scene->claim.requested_addr, scene->claim.sock.local_addr, sizeof(scene->claim.requested_addr));
}

static void range_of_wildcards(struct scene *scene)
{
	range_of_one_address(scene);
	scene->pool.wildcard = scene->pool.size;
}

static void range_bound_by_the_caller(struct scene *scene)
{
	range_of_bound(scene);
	scene->pool.top.pid = scene->claim.task.pid;
}

static void range_of_the_socket(struct scene *scene)
{
	automatic(scene, CLAIM_CONNECT, EADDRNOTAVAIL);
	scene->netns_known = true;
	scene->pool.low = 40000;
	scene->pool.high = 40009;
	scene->pool.size = scene->pool.other = 10;
}

static void range_not_counted(struct scene *scene)
{
	automatic(scene, CLAIM_SEND, EAGAIN);
	scene->claim.sock.protocol = IPPROTO_UDP;
	scene->netns_known = true;
	memset(&scene->pool, 0, sizeof(scene->pool));
}

static void range_reserved(struct scene *scene)
{
	automatic(scene, CLAIM_CONNECT, EADDRNOTAVAIL);
	scene->pool.reserved = 28232;
	scene->pool.top = make_task(0, "");
}

static const struct expectation expectations[] = {
	{"listener", listener,
		"stop_process now: kill 4211\n"
		"other_port restart: Start node[977] on another port.\n"
		"set_holder_option restart SO_REUSEPORT: Set SO_REUSEPORT in node[4211] and in node[977], each before bind().\n"},
	{"listener_of_unit", listener_of_unit,
		"stop_unit now: systemctl stop nginx.service\n"
		"other_port restart: Start node[977] on another port.\n"
		"set_holder_option restart SO_REUSEPORT: Set SO_REUSEPORT in nginx.service and in node[977], each before bind().\n"},
	{"prefork", prefork,
		"stop_process now: kill 815 816 817\n"
		"other_port restart: Start node[977] on another port.\n"
		"set_holder_option restart SO_REUSEPORT: Set SO_REUSEPORT in all 3: worker[815], worker[816], worker[817] and in node[977], each before bind().\n"},
	{"two_listeners", two_listeners,
		"set_caller_option restart SO_REUSEPORT: Set SO_REUSEPORT in node[977] before bind().\n"
		"stop_process now: kill 816 815\n"
		"other_port restart: Start node[977] on another port.\n"},
	{"socket_activated", socket_activated,
		"stop_unit now: systemctl stop $(systemctl show --property=TriggeredBy --value nginx.service) nginx.service\n"
		"other_port restart: Start node[977] on another port.\n"
		"set_holder_option restart SO_REUSEPORT: Set SO_REUSEPORT in nginx.service and in node[977], each before bind().\n"},
	{"systemd_alone", systemd_alone,
		"stop_unit now: systemctl stop $(systemctl list-sockets --all --full --no-legend --plain --show-types | awk '$2 == \"Stream\" && $1 ~ /[:]8080$/ { print $3 }')\n"
		"other_port restart: Start node[977] on another port.\n"
		"set_holder_option restart SO_REUSEPORT: Set SO_REUSEPORT in the .socket unit for which systemd listens and in node[977], each before bind().\n"},
	{"inherited", inherited,
		"use_inherited_fd restart: node[977] has this listener open already: use that descriptor (with socket activation fd 3, LISTEN_FDS) instead of bind().\n"
		"other_port restart: Start node[977] on another port.\n"},
	{"docker_proxy", docker_proxy,
		"stop_container now: docker stop $(docker ps --quiet --filter publish=8080)\n"
		"other_port restart: Start node[977] on another port.\n"},
	{"container", container,
		"stop_container now: docker stop 0123456789ab\n"
		"other_port restart: Start node[977] on another port.\n"
		"set_holder_option restart SO_REUSEPORT: Set SO_REUSEPORT in container 0123456789ab and in node[977], each before bind().\n"},
	{"unknown_process", unknown_process, "other_port restart: Start node[977] on another port.\n"},
	{"time_wait", time_wait,
		"destroy_socket now: ss -taK src 10.0.0.1:8080 dst 10.0.0.5:41000\n"
		"set_caller_option restart SO_REUSEADDR: Set SO_REUSEADDR in node[977] before bind().\n"
		"wait after 42: Wait 42 s: the closed connection will be gone.\n"
		"other_port restart: Start node[977] on another port.\n"},
	{"time_wait_noreuse", time_wait_noreuse,
		"destroy_socket now: ss -taK src 10.0.0.1:8080 dst 10.0.0.5:41000\n"
		"wait after 42: Wait 42 s: the closed connection will be gone.\n"
		"other_port restart: Start node[977] on another port.\n"},
	{"kept_time_wait", kept_time_wait,
		"set_caller_option restart SO_REUSEADDR: Set SO_REUSEADDR in node[977] before bind().\n"
		"wait after 42: Wait 42 s: the closed connection will be gone.\n"
		"other_port restart: Start node[977] on another port.\n"},
	{"many_time_waits", many_time_waits,
		"destroy_socket now: ss -tK state fin-wait-2 state time-wait sport = :8080\n"
		"wait after 42: Wait 42 s: the closed connections will be gone.\n"
		"other_port restart: Start node[977] on another port.\n"},
	{"ephemeral_connection", ephemeral_connection,
		"destroy_socket now: ss -taK src 10.0.0.1:8080 dst 10.0.0.5:41000\n"
		"other_port restart: Start node[977] on another port.\n"
		"set_holder_option restart SO_REUSEADDR: Set SO_REUSEADDR in curl[4242].\n"
		"reserve_port prevents net.ipv4.ip_local_reserved_ports: r=$(sysctl -n net.ipv4.ip_local_reserved_ports); sysctl -w net.ipv4.ip_local_reserved_ports=\"${r:+$r,}8080\"\n"},
	{"bound_client", bound_client,
		"stop_process now: kill 789; sleep 1; ss -taK src 10.0.0.1:8080 dst 10.0.0.5:41000\n"
		"other_port restart: Start node[977] on another port.\n"
		"set_holder_option restart SO_REUSEADDR: Set SO_REUSEADDR in rpc-mount[789].\n"},
	{"kept_bound_client", kept_bound_client,
		"other_port restart: Start node[977] on another port.\n"
		"set_holder_option restart SO_REUSEADDR: Set SO_REUSEADDR in rpc-mount[789].\n"},
	{"in_another_netns", in_another_netns,
		"stop_process now: ip netns exec blue sh -c 'kill 789; sleep 1; ss -taK src 10.0.0.1:8080 dst 10.0.0.5:41000'\n"
		"other_port restart: Start node[977] on another port.\n"
		"set_holder_option restart SO_REUSEADDR: Set SO_REUSEADDR in rpc-mount[789].\n"},
	{"mdns", mdns,
		"set_caller_option restart SO_REUSEADDR: Set SO_REUSEADDR in node[977] before bind().\n"
		"stop_unit now: systemctl stop nginx.service\n"
		"other_port restart: Start node[977] on another port.\n"},
	{"dual_stack", dual_stack,
		"set_caller_option restart IPV6_V6ONLY: Set IPV6_V6ONLY in node[977] before bind().\n"
		"stop_unit now: systemctl stop nginx.service\n"
		"other_port restart: Start node[977] on another port.\n"
		"set_holder_option restart SO_REUSEPORT: Set SO_REUSEPORT in nginx.service and in node[977], each before bind().\n"},
	{"dual_stack_and_v6", dual_stack_and_v6,
		"stop_unit now: systemctl stop nginx.service\n"
		"other_port restart: Start node[977] on another port.\n"
		"set_holder_option restart SO_REUSEPORT: Set SO_REUSEPORT in nginx.service and in node[977], each before bind().\n"},
	{"privileged", privileged,
		"sysctl now net.ipv4.ip_unprivileged_port_start: sysctl -w net.ipv4.ip_unprivileged_port_start=80\n"
		"other_port restart: Start node[977] on a port from 1024 up.\n"},
	{"range_of_timewaits", range_of_timewaits,
		"destroy_socket now: ss -tK state time-wait dst 10.0.0.5:443\n"
		"sysctl now net.ipv4.ip_local_port_range: sysctl -w net.ipv4.ip_local_port_range='16384 65535'\n"
		"sysctl after 2 net.ipv4.tcp_tw_reuse: sysctl -w net.ipv4.tcp_tw_reuse=1\n"
		"wait after 66: Wait up to 66 s: TIME_WAITs end by themselves.\n"
		"stop_process prevents: Keep connections open and reuse them, or let the peer close first: the side that closes first keeps the port in TIME_WAIT.\n"},
	{"range_on_loopback", range_on_loopback,
		"destroy_socket now: ss -tK state time-wait dst 127.0.0.1:443\n"
		"sysctl now net.ipv4.ip_local_port_range: sysctl -w net.ipv4.ip_local_port_range='16384 65535'\n"
		"wait after 2: Wait 2 s: connect() takes over TIME_WAITs older than that (both sides need TCP timestamps).\n"
		"stop_process prevents: Keep connections open and reuse them, or let the peer close first: the side that closes first keeps the port in TIME_WAIT.\n"},
	{"range_of_bound", range_of_bound,
		"sysctl now net.ipv4.ip_local_port_range: sysctl -w net.ipv4.ip_local_port_range='16384 65535'\n"
		"stop_process restart: Close sockets in curl[4242], which has 28,000 of the ports.\n"},
	{"range_of_one_address", range_of_one_address,
		"sysctl now net.ipv4.ip_local_port_range: sysctl -w net.ipv4.ip_local_port_range='16384 65535'\n"
		"other_address restart: Bind node[977] to 127.0.0.2, or to another address that 'ip address' lists: the ports are taken on 127.0.0.1 only.\n"
		"stop_process restart: Close sockets in curl[4242], which has 28,000 of the ports.\n"},
	{"range_of_wildcards", range_of_wildcards,
		"sysctl now net.ipv4.ip_local_port_range: sysctl -w net.ipv4.ip_local_port_range='16384 65535'\n"
		"stop_process restart: Close sockets in curl[4242], which has 28,000 of the ports.\n"},
	{"range_bound_by_the_caller", range_bound_by_the_caller,
		"sysctl now net.ipv4.ip_local_port_range: sysctl -w net.ipv4.ip_local_port_range='16384 65535'\n"
		"set_caller_option restart IP_BIND_ADDRESS_NO_PORT: If node[977] binds to connect from this address, set IP_BIND_ADDRESS_NO_PORT before each bind(): one port then serves many destinations.\n"
		"stop_process restart: Close sockets in curl[977], which has 28,000 of the ports.\n"},
	{"range_of_the_socket", range_of_the_socket,
		"set_caller_option restart IP_LOCAL_PORT_RANGE: Do not set IP_LOCAL_PORT_RANGE (40000 to 40009) in node[977], or set a wider one: the range is 32768 to 60999.\n"},
	{"range_not_counted", range_not_counted,
		"sysctl now net.ipv4.ip_local_port_range: sysctl -w net.ipv4.ip_local_port_range='16384 65535'\n"},
	{"range_reserved", range_reserved,
		"sysctl now net.ipv4.ip_local_reserved_ports: sh -c 'echo > /proc/sys/net/ipv4/ip_local_reserved_ports'\n"},
};

static void remedies_write(const struct conflict *conflict, char *out, size_t size)
{
	out[0] = '\0';
	for (size_t i = 0; i < conflict->remedy_count; i++) {
		const struct remedy *remedy = &conflict->remedies[i];
		size_t length = strlen(out);

		length += (size_t)snprintf(out + length, size - length, "%s %s",
					   remedy_action_name(remedy->action), remedy_effect_name(remedy->effect));
		if (remedy->effect == REMEDY_AFTER)
			length += (size_t)snprintf(out + length, size - length, " %u", remedy->after_s);
		if (remedy->option[0])
			length += (size_t)snprintf(out + length, size - length, " %s", remedy->option);
		snprintf(out + length, size - length, ": %s\n", remedy->command[0] ? remedy->command : remedy->text);
	}
}

static void each_situation_has_its_remedies(void **state)
{
	struct model *model = make_model();
	static struct scene scene;
	static char found[16384];
	struct conflict conflict;
	int failed = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(expectations); i++) {
		scene_init(&scene, &(struct scene_case){.setup = expectations[i].setup});
		scene_diagnose(&scene, model, &conflict);
		remedies_write(&conflict, found, sizeof(found));
		if (!strcmp(found, expectations[i].remedies))
			continue;
		print_message("%s:\n--- expected\n%s--- found\n%s", expectations[i].name, expectations[i].remedies,
			      found);
		failed++;
	}
	model_free(model);
	assert_int_equal(failed, 0);
}

static void a_word_cannot_become_shell(void **state)
{
	static const struct {
		const char *word, *text;
	} words[] = {
		{"nginx.service", "systemctl stop nginx.service"},
		{"a b.service", "systemctl stop 'a b.service'"},
		{"$(reboot).service", "systemctl stop '$(reboot).service'"},
		{"it's.service", "systemctl stop 'it'\\''s.service'"},
		{"x\\x2d1.service", "systemctl stop 'x\\x2d1.service'"},
		{"--force", ""},
		{"a\nreboot", ""},
		{"\033[2J", ""},
		{"", ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(words); i++) {
		struct command command = {0};

		command_append(&command, "systemctl stop ");
		command_append_word(&command, words[i].word);
		assert_string_equal(command_text(&command), words[i].text);
	}
}

static void a_command_that_does_not_fit_is_empty(void **state)
{
	struct command command = {0};

	(void)state;
	for (int i = 0; i < COMMAND_SIZE; i++)
		command_append(&command, "%d ", i);
	assert_string_equal(command_text(&command), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_situation_has_its_remedies),
		cmocka_unit_test(a_word_cannot_become_shell),
		cmocka_unit_test(a_command_that_does_not_fit_is_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
