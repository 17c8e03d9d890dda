/* SPDX-License-Identifier: GPL-2.0-only */
/* The causes of EADDRINUSE with a holder: a socket, a connection, or a closed connection. */
#include "scene.h"

static void listener(struct scene *scene)
{
	tcp(scene, 0, 0, WIRE_TCP_LISTEN);
}

static void listener_reuseaddr(struct scene *scene)
{
	tcp(scene, WIRE_REUSEADDR, WIRE_REUSEADDR, WIRE_TCP_LISTEN);
}

static void prefork(struct scene *scene)
{
	struct holder *holder = tcp(scene, 0, 0, WIRE_TCP_LISTEN);

	holder->pids[0] = make_task(815, "worker");
	holder->pids[1] = holder->owner;
	holder->pids[2] = make_task(816, "worker");
	holder->pid_count = 3;
}

static void twice_in_one_process(struct scene *scene)
{
	tcp(scene, 0, 0, WIRE_TCP_LISTEN)->pids[0] = make_task(977, "node");
	scene->holders[0].owner = make_task(977, "node");
}

static void unknown_process(struct scene *scene)
{
	struct holder *holder = tcp(scene, 0, 0, WIRE_TCP_LISTEN);

	holder->owner = make_task(0, "");
	holder->pid_count = 0;
}

static void hostile_name(struct scene *scene)
{
	struct holder *holder = tcp(scene, 0, 0, WIRE_TCP_LISTEN);

	holder->owner = holder->pids[0] = make_task(99, "\033[2J\xff%s");
}

static void socket_unit(struct scene *scene)
{
	struct holder *holder = tcp(scene, 0, 0, WIRE_TCP_LISTEN);

	holder->owner = holder->pids[0] = make_task(1, "systemd");
}

static void container(struct scene *scene)
{
	struct holder *holder = tcp(scene, 0, 0, WIRE_TCP_LISTEN);

	holder->owner = holder->pids[0] = make_task(500, "redis");
}

static void login_session(struct scene *scene)
{
	struct holder *holder = tcp(scene, 0, 0, WIRE_TCP_LISTEN);

	holder->owner = holder->pids[0] = make_task(600, "python3");
}

/* As sock_diag reports the socket of another user: without its options. */
static void unknown_options(struct scene *scene)
{
	tcp(scene, WIRE_REUSEADDR | WIRE_REUSEPORT, 0, WIRE_TCP_CLOSE)->sock.unknown = WIRE_UNKNOWN_REUSE;
}

static void unknown_options_listener(struct scene *scene)
{
	struct holder *holder = tcp(scene, WIRE_REUSEPORT, 0, WIRE_TCP_LISTEN);

	holder->sock.unknown = WIRE_UNKNOWN_REUSE | WIRE_UNKNOWN_PROCESS;
	holder->owner = make_task(0, "");
	holder->pid_count = 0;
}

static void unknown_options_time_wait(struct scene *scene)
{
	closed(scene, WIRE_REUSEADDR, 0, WIRE_TCP_TIME_WAIT)->sock.unknown = WIRE_UNKNOWN_REUSE;
}

static void unknown_origin(struct scene *scene)
{
	connection(scene, 0, 0, WIRE_TCP_ESTABLISHED)->sock.unknown = WIRE_UNKNOWN_ORIGIN;
}

static void unknown_origin_outside_range(struct scene *scene)
{
	unknown_origin(scene);
	scene->netns_known = true;
}

static void wildcard_holder(struct scene *scene)
{
	listener(scene);
	set_local(&scene->claim.sock, "127.0.0.1");
	memcpy(scene->claim.requested_addr, scene->claim.sock.local_addr, 16);
}

static void wildcard_caller(struct scene *scene)
{
	listener(scene);
	set_local(&scene->holders[0].sock, "127.0.0.1");
}

static void wildcard_udp(struct scene *scene)
{
	udp(scene, 0, 0, WIRE_TCP_CLOSE);
	set_local(&scene->claim.sock, "127.0.0.1");
	memcpy(scene->claim.requested_addr, scene->claim.sock.local_addr, 16);
}

static void dual_holder(struct scene *scene)
{
	listener(scene);
	set_local(&scene->holders[0].sock, "::");
}

static void dual_caller(struct scene *scene)
{
	scene->claim = make_claim(IPPROTO_TCP, "::", 0);
	add(scene, IPPROTO_TCP, "0.0.0.0", 0, WIRE_TCP_LISTEN);
}

static void mapped(struct scene *scene)
{
	scene->claim = make_claim(IPPROTO_TCP, "10.0.0.1", 0);
	add(scene, IPPROTO_TCP, "::ffff:10.0.0.1", 0, WIRE_TCP_LISTEN);
}

static void bound(struct scene *scene)
{
	tcp(scene, 0, 0, WIRE_TCP_CLOSE)->since_boot_ns = NOW - 2900 * SECOND / 1000;
}

static void reuseaddr_missing(struct scene *scene)
{
	tcp(scene, 0, WIRE_REUSEADDR, WIRE_TCP_CLOSE);
}

static void reuseaddr_missing_on_holder(struct scene *scene)
{
	tcp(scene, WIRE_REUSEADDR, 0, WIRE_TCP_CLOSE);
}

static void udp_reuseaddr_missing_on_holder(struct scene *scene)
{
	udp(scene, WIRE_REUSEADDR, 0, WIRE_TCP_CLOSE);
}

static void reuseport_missing(struct scene *scene)
{
	tcp(scene, 0, WIRE_REUSEPORT, WIRE_TCP_LISTEN)->sock.uid = 33;
}

static void reuseport_missing_on_holder(struct scene *scene)
{
	tcp(scene, WIRE_REUSEPORT, 0, WIRE_TCP_LISTEN);
}

static void reuseport_uid(struct scene *scene)
{
	tcp(scene, WIRE_REUSEPORT, WIRE_REUSEPORT, WIRE_TCP_LISTEN)->sock.uid = 33;
}

static void reuseport_prog(struct scene *scene)
{
	tcp(scene, WIRE_REUSEPORT | WIRE_REUSEPORT_PROG, WIRE_REUSEPORT, WIRE_TCP_LISTEN);
}

static void reuse_mismatch(struct scene *scene)
{
	tcp(scene, WIRE_REUSEADDR, WIRE_REUSEPORT, WIRE_TCP_CLOSE);
}

static void listen_recheck(struct scene *scene)
{
	tcp(scene, WIRE_REUSEADDR, WIRE_REUSEADDR, WIRE_TCP_LISTEN);
	scene->claim.call = CLAIM_LISTEN;
}

static void udp_holder(struct scene *scene)
{
	udp(scene, 0, 0, WIRE_TCP_CLOSE);
}

static void udp_connected(struct scene *scene)
{
	struct holder *holder = udp(scene, 0, 0, WIRE_TCP_ESTABLISHED);

	set_remote(&holder->sock, "10.0.0.53", 53);
}

static void vxlan(struct scene *scene)
{
	struct holder *holder = udp(scene, 0, 0, WIRE_TCP_CLOSE);

	holder->sock.flags = WIRE_KERNEL_OWNED;
	holder->sock.local_port = scene->claim.sock.local_port = scene->claim.requested_port = 4789;
	holder->owner.pid = 0;
	holder->pid_count = 0;
}

static void gone(struct scene *scene)
{
	tcp(scene, WIRE_REUSEADDR, WIRE_REUSEADDR, WIRE_TCP_CLOSE); /* would share */
}

static void not_looked_up(struct scene *scene)
{
	scene->claim = make_claim(IPPROTO_TCP, "0.0.0.0", 0);
	scene->unseen = true;
}

/* A connection, open or closed, holds the port. */

static void time_wait(struct scene *scene)
{
	closed(scene, 0, WIRE_REUSEADDR, WIRE_TCP_TIME_WAIT);
}

static void time_wait_neither(struct scene *scene)
{
	closed(scene, 0, 0, WIRE_TCP_TIME_WAIT);
}

static void time_wait_noreuse(struct scene *scene)
{
	closed(scene, WIRE_REUSEADDR, 0, WIRE_TCP_TIME_WAIT);
}

static void time_wait_many(struct scene *scene)
{
	closed(scene, 0, 0, WIRE_TCP_TIME_WAIT);
	scene->holders[1] = scene->holders[0];
	scene->holders[1].sock.cookie = 9;
	scene->holders[1].expires_ms = 57000;
	scene->holder_count = 2;
}

static void fin_wait2(struct scene *scene)
{
	closed(scene, WIRE_REUSEADDR, 0, WIRE_TCP_FIN_WAIT2);
}

static void orphan(struct scene *scene)
{
	struct holder *holder = connection(scene, WIRE_REUSEADDR, WIRE_ORPHAN, WIRE_TCP_FIN_WAIT1);

	holder->pid_count = 0;
	holder->owner_gone = true;
}

/* Both set SO_REUSEPORT as one user: a conflict only before 6.17, where an orphan counts as uid 0. */
static void orphan_of_root(struct scene *scene)
{
	connection(scene, WIRE_REUSEPORT, WIRE_REUSEPORT | WIRE_ORPHAN, WIRE_TCP_LAST_ACK)
		->pid_count = 0;
}

static void accepted(struct scene *scene)
{
	connection(scene, 0, WIRE_ACCEPTED | WIRE_PORT_EPHEMERAL, WIRE_TCP_ESTABLISHED);
}

/* Port 8080 is outside the ephemeral range, so a connection on it was accepted. */
static void accepted_by_range(struct scene *scene)
{
	connection(scene, 0, WIRE_PORT_EPHEMERAL, WIRE_TCP_CLOSE_WAIT);
	scene->netns_known = true;
}

static void ephemeral(struct scene *scene)
{
	connection(scene, 0, WIRE_PORT_EPHEMERAL | WIRE_CONNECT_BIND, WIRE_TCP_ESTABLISHED);
}

static void ephemeral_by_bucket(struct scene *scene)
{
	connection(scene, 0, WIRE_PORT_EPHEMERAL | WIRE_UNSHARED_BUCKET, WIRE_TCP_ESTABLISHED);
}

static void client(struct scene *scene)
{
	connection(scene, 0, 0, WIRE_TCP_ESTABLISHED);
}

static void connection_of_unknown_origin(struct scene *scene)
{
	connection(scene, 0, WIRE_PORT_EPHEMERAL, WIRE_TCP_ESTABLISHED);
}

static void self_connect(struct scene *scene)
{
	struct holder *holder = tcp(scene, 0, WIRE_PORT_EPHEMERAL, WIRE_TCP_ESTABLISHED);

	set_local(&holder->sock, "127.0.0.1");
	set_remote(&holder->sock, "127.0.0.1", PORT);
}

static const struct scene_case cases[] = {
	{listener, "listener-exists", "nginx[812] listens on 0.0.0.0:8080.",
	 "Stop nginx.service"},
	{listener_reuseaddr, "listener-exists", ", and SO_REUSEADDR does not help: the port has a listener.",
	 "Stop nginx.service"},
	{prefork, "listener-exists", "nginx[812] (with 2 more processes) listens on 0.0.0.0:8080.",
	 "nginx.service"},
	{twice_in_one_process, "listener-exists", "node[977] listens on 0.0.0.0:8080.",
	 "node[977] itself holds this port"},
	{unknown_process, "listener-exists", "An unknown process listens on 0.0.0.0:8080.",
	 "Start node[977] on another port."},
	{hostile_name, "listener-exists", "\\x1b[2J\\xff%s[99] listens on 0.0.0.0:8080.",
	 "Stop \\x1b[2J\\xff%s[99]"},
	{socket_unit, "listener-exists", "systemd[1] listens", "systemctl list-sockets"},
	{container, "listener-exists", "redis[500] listens",
	 "Stop container 0123456789ab"},
	{login_session, "listener-exists", "python3[600] listens",
	 "Stop python3[600]"},
	{wildcard_holder, "wildcard-overlap",
	 "nginx[812] holds port 8080 on every address, which includes 127.0.0.1.",
	 "Stop nginx.service"},
	{wildcard_caller, "wildcard-overlap",
	 "node[977] asked for port 8080 on every address, which includes 127.0.0.1:8080, held by "
	 "nginx[812].",
	 "Stop nginx.service"},
	{wildcard_udp, "wildcard-overlap", "nginx[812] holds UDP port 8080 on every address",
	 "nginx.service"},
	{dual_holder, "dual-stack-overlap",
	 "nginx[812] holds [::]:8080 without IPV6_V6ONLY, which includes the IPv4 port.",
	 "Stop nginx.service"},
	{dual_caller, "dual-stack-overlap", "node[977] asked for [::]:8080 without IPV6_V6ONLY",
	 "Set IPV6_V6ONLY in node[977] before bind()."},
	{mapped, "dual-stack-overlap", "nginx[812] holds 10.0.0.1:8080, and node[977] asked for",
	 "Stop nginx.service"},
	{bound, "bound-not-listening",
	 "nginx[812] bound 0.0.0.0:8080 2.9 s ago but does not listen, so 'ss -l' does not show it.",
	 "Stop nginx.service"},
	{unknown_options, "bound-not-listening", "nginx[812] bound 0.0.0.0:8080", ""},
	{unknown_options_listener, "listener-exists", "A process of uid 1000 listens on 0.0.0.0:8080", ""},
	{unknown_options_time_wait, "time-wait", "holds port 8080 in TIME_WAIT for 42 more seconds.", ""},
	{unknown_origin, "connected-client", "nginx[812] has a connection with 10.0.0.5:41000 on port 8080.", ""},
	{unknown_origin_outside_range, "accepted-connection", "that was accepted on port 8080.", ""},
	{reuseaddr_missing, "reuseaddr-missing", "nginx[812] set SO_REUSEADDR on 0.0.0.0:8080, so the port can be shared, but node[977]",
	 "Set SO_REUSEADDR in node[977] before bind()."},
	{reuseaddr_missing_on_holder, "reuseaddr-missing-on-holder",
	 "node[977] set SO_REUSEADDR, but nginx[812], which holds 0.0.0.0:8080, did not.",
	 "Stop nginx.service"},
	{udp_reuseaddr_missing_on_holder, "reuseaddr-missing-on-holder", "holds UDP 0.0.0.0:8080, did not.",
	 "Stop nginx.service"},
	{reuseport_missing, "reuseport-missing", "nginx[812] set SO_REUSEPORT on 0.0.0.0:8080, but node[977] did not set it.",
	 "Stop nginx.service"},
	{reuseport_missing_on_holder, "reuseport-missing-on-holder",
	 "node[977] set SO_REUSEPORT, but nginx[812], which holds 0.0.0.0:8080, did not.",
	 "Stop nginx.service"},
	{reuseport_uid, "reuseport-uid", "belongs to uid 33, that of node[977] to uid 1000",
	 "Stop nginx.service"},
	{reuseport_prog, "reuseport-prog-attached",
	 "node[977] attached a reuseport BPF program before bind()",
	 "Stop nginx.service"},
	{reuse_mismatch, "reuse-option-mismatch",
	 "node[977] set SO_REUSEADDR, but nginx[812], which holds 0.0.0.0:8080, set SO_REUSEPORT",
	 "Set SO_REUSEPORT in node[977] before bind()."},
	{listen_recheck, "listen-recheck",
	 "bind() of 0.0.0.0:8080 was allowed because no socket listened there; nginx[812] does now.",
	 "Stop nginx.service"},
	{udp_holder, "udp-holder", "nginx[812] holds UDP 0.0.0.0:8080.", "Stop nginx.service"},
	{udp_connected, "udp-connected-holder",
	 "nginx[812] holds UDP 0.0.0.0:8080, connected to 10.0.0.53:53", "Stop nginx.service"},
	{vxlan, "kernel-socket",
	 "The kernel itself holds UDP 0.0.0.0:4789, by the port number for a VXLAN device; no process",
	 "Start node[977] on another port."},
	{gone, "holder-gone", "The socket that held 0.0.0.0:8080 was closed before porttrace could find it.",
	 "Try again"},
	{not_looked_up, "holder-gone", "0.0.0.0:8080 was in use, but porttrace did not find the socket that held it.",
	 "Try again"},

	{time_wait, "time-wait",
	 "A closed connection of nginx[812] with 10.0.0.5:41000 holds port 8080 in TIME_WAIT for 42 "
	 "more seconds.",
	 "Destroy the closed connection with 10.0.0.5:41000; no process uses it"},
	{time_wait_neither, "time-wait", "for 42 more seconds.",
	 "Destroy the closed connection with 10.0.0.5:41000; no process uses it"},
	{time_wait_noreuse, "time-wait-holder-noreuse",
	 "so SO_REUSEADDR in node[977] does not help this time.",
	 "Destroy the closed connection with 10.0.0.5:41000; no process uses it"},
	{time_wait_many, "time-wait",
	 "2 closed connections, one of them with 10.0.0.5:41000, hold port 8080 in TIME_WAIT for 57 "
	 "more seconds.",
	 "Destroy 2 closed connections; no process uses them"},
	{fin_wait2, "fin-wait2", "nginx[812] has closed its socket, but 10.0.0.5:41000 has not",
	 "Destroy the closed connection with 10.0.0.5:41000; no process uses it"},
	{orphan, "orphan",
	 "nginx[812] has exited, but its connection with 10.0.0.5:41000 has not ended (FIN_WAIT1)",
	 "Destroy the closed connection with 10.0.0.5:41000; no process uses it"},
	{orphan_of_root, "orphan", "10.0.0.5:41000 has not ended (LAST_ACK)",
	 "Destroy the closed connection with 10.0.0.5:41000; no process uses it"},
	{accepted, "accepted-connection",
	 "nginx[812] still has a connection with 10.0.0.5:41000 that was accepted on port 8080.",
	 "Destroy the connection with 10.0.0.5:41000"},
	{accepted_by_range, "accepted-connection", "accepted on port 8080.",
	 "Destroy the connection with 10.0.0.5:41000"},
	{ephemeral, "ephemeral-holder",
	 "The kernel gave port 8080 to nginx[812] as the source port of its connection to "
	 "10.0.0.5:41000.",
	 "Destroy the connection with 10.0.0.5:41000"},
	{ephemeral_by_bucket, "ephemeral-holder", "The kernel gave port 8080", "8080"},
	{client, "connected-client",
	 "nginx[812] bound port 8080 and is connected to 10.0.0.5:41000.",
	 "Stop nginx.service, then destroy what its connections leave behind"},
	{connection_of_unknown_origin, "connected-client",
	 "nginx[812] has a connection with 10.0.0.5:41000 on port 8080.",
	 "Destroy the connection with 10.0.0.5:41000"},
	{self_connect, "self-connect", "nginx[812] is connected to itself: it connected to port 8080",
	 "Destroy the connection with 127.0.0.1:8080"},
};

static void every_case_has_its_cause_and_sentences(void **state)
{
	(void)state;
	check_cases(cases, COUNT(cases));
	check_cases_without_knowledge(cases, COUNT(cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_case_has_its_cause_and_sentences)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
