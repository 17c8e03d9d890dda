/* SPDX-License-Identifier: GPL-2.0-only */
/* Causes without a holder: the range, the address, the state of the socket, the permission. */
#include "scene.h"

static void connect_exhausted(struct scene *scene)
{
	automatic(scene, CLAIM_CONNECT, EADDRNOTAVAIL);
	scene->pool.other = 28000;
	scene->pool.reserved = 232;
	scene->pool.top_count = scene->pool.top_connected = 27000;
}

static void bind0_exhausted(struct scene *scene)
{
	automatic(scene, CLAIM_BIND, EADDRINUSE);
	scene->pool.time_wait = 20000; /* bind() cannot use them either */
	scene->pool.other = 8232;
	scene->pool.top_count = scene->pool.top_bound = 12000;
}

static void udp_exhausted_uncounted(struct scene *scene)
{
	automatic(scene, CLAIM_SEND, EAGAIN);
	scene->claim.sock.protocol = IPPROTO_UDP;
	scene->pool = (struct pool){0};
}

static void listen_exhausted_uncounted(struct scene *scene)
{
	automatic(scene, CLAIM_LISTEN, EADDRINUSE);
	scene->pool = (struct pool){0};
	scene->netns_known = true;
}

static void connect_half_known(struct scene *scene)
{
	automatic(scene, CLAIM_CONNECT, EADDRNOTAVAIL);
	scene->pool.other = 20000;
	scene->pool.top_count = scene->pool.top_connected = 11000;
}

static void range_time_wait(struct scene *scene)
{
	automatic(scene, CLAIM_CONNECT, EADDRNOTAVAIL);
	scene->pool.time_wait = 28000;
	scene->pool.other = 232;
	scene->pool.top_count = 28000;
}

static void range_time_wait_reused(struct scene *scene)
{
	range_time_wait(scene);
	scene->netns_known = true;
	scene->netns.now.tw_reuse = 1;
}

static void range_poisoned(struct scene *scene)
{
	automatic(scene, CLAIM_CONNECT, EADDRNOTAVAIL);
	scene->pool.bound = 28000;
	scene->pool.top_count = scene->pool.top_bound = 28000;
}

static void range_reserved(struct scene *scene)
{
	automatic(scene, CLAIM_CONNECT, EADDRNOTAVAIL);
	scene->pool.reserved = 28200;
	scene->pool.other = 32;
}

static void tie(struct scene *scene)
{
	automatic(scene, CLAIM_CONNECT, EADDRNOTAVAIL);
	scene->pool.reserved = scene->pool.bound = scene->pool.time_wait = 9410;
}

static void tuple(struct scene *scene, enum wire_state state)
{
	struct holder *holder;

	refused(scene, CLAIM_CONNECT, EADDRNOTAVAIL, "0.0.0.0");
	set_remote(&scene->claim.sock, "10.0.0.5", 443);
	holder = add(scene, IPPROTO_TCP, "10.0.0.1", 0, state);
	set_remote(&holder->sock, "10.0.0.5", 443);
	holder->expires_ms = 800;
}

static void tuple_in_use(struct scene *scene)
{
	tuple(scene, WIRE_TCP_ESTABLISHED);
}

static void tuple_time_wait(struct scene *scene)
{
	tuple(scene, WIRE_TCP_TIME_WAIT);
}

static void tuple_gone(struct scene *scene)
{
	tuple(scene, WIRE_TCP_TIME_WAIT);
	scene->holder_count = 0;
}

/* The address, the socket, the permission. */

static void not_local(struct scene *scene)
{
	refused(scene, CLAIM_BIND, EADDRNOTAVAIL, "192.0.2.9");
	scene->claim.sock.ifindex = 7;
}

static void tentative(struct scene *scene)
{
	refused(scene, CLAIM_BIND, EADDRNOTAVAIL, "2001:db8::1");
	scene->claim.address_tentative = true;
}

static void no_source(struct scene *scene)
{
	automatic(scene, CLAIM_CONNECT, EADDRNOTAVAIL);
	set_local(&scene->claim.sock, "::");
	set_remote(&scene->claim.sock, "2001:db8::5", 443);
	scene->pool.other = 12;
}

static void ipv6_exhausted(struct scene *scene)
{
	no_source(scene);
	scene->pool.other = 28232;
}

static void already_bound(struct scene *scene)
{
	refused(scene, CLAIM_BIND, EINVAL, "0.0.0.0");
	scene->claim.had_port = true;
	scene->claim.bound_port = 9090;
}

static void udp_listen(struct scene *scene)
{
	refused(scene, CLAIM_LISTEN, EOPNOTSUPP, "0.0.0.0");
	scene->claim.sock.protocol = IPPROTO_UDP;
}

static void connected_listen(struct scene *scene)
{
	refused(scene, CLAIM_LISTEN, EINVAL, "10.0.0.1");
	scene->claim.sock.state = WIRE_TCP_ESTABLISHED;
	set_remote(&scene->claim.sock, "10.0.0.5", 443);
}

static void odd_errno(struct scene *scene)
{
	refused(scene, CLAIM_CONNECT, EISCONN, "0.0.0.0");
}

static void bad_address(struct scene *scene)
{
	refused(scene, CLAIM_BIND, EINVAL, "0.0.0.0");
}

static void bad_family(struct scene *scene)
{
	refused(scene, CLAIM_BIND, EAFNOSUPPORT, "0.0.0.0");
}

static void mapped_v6only(struct scene *scene)
{
	refused(scene, CLAIM_BIND, EINVAL, "::ffff:10.0.0.1");
	scene->claim.sock.flags = WIRE_V6ONLY;
}

static void multicast(struct scene *scene)
{
	refused(scene, CLAIM_BIND, EINVAL, "ff02::1");
}

static void scope_missing(struct scene *scene)
{
	refused(scene, CLAIM_BIND, EINVAL, "fe80::1");
}

static void scope_missing_multicast(struct scene *scene)
{
	refused(scene, CLAIM_BIND, EINVAL, "ff02::1");
	scene->claim.sock.protocol = IPPROTO_UDP;
}

static void privileged(struct scene *scene)
{
	refused(scene, CLAIM_BIND, EACCES, "0.0.0.0");
	scene->claim.sock.local_port = scene->claim.requested_port = 80;
}

static void privileged_to_4096(struct scene *scene)
{
	refused(scene, CLAIM_BIND, EACCES, "0.0.0.0");
	scene->claim.sock.local_port = scene->claim.requested_port = 2049;
	scene->netns_known = true;
	scene->netns.now.unprivileged_start = 4096;
}

static void lsm(struct scene *scene)
{
	refused(scene, CLAIM_BIND, EACCES, "0.0.0.0");
}

static void lsm_listen(struct scene *scene)
{
	refused(scene, CLAIM_LISTEN, EPERM, "0.0.0.0");
}

static void lsm_connect(struct scene *scene)
{
	automatic(scene, CLAIM_CONNECT, EACCES);
}

static void cgroup_bpf(struct scene *scene)
{
	refused(scene, CLAIM_BIND, EPERM, "0.0.0.0");
}

static void rewritten(struct scene *scene)
{
	tcp(scene, 0, 0, WIRE_TCP_LISTEN);
	scene->claim.requested_port = 443;
}

static const struct scene_case cases[] = {
	{connect_exhausted, "range-exhausted",
	 "All 28,232 ports from 32768 to 60999 are in use for connections to 10.0.0.5:443, most by "
	 "curl[4242].",
	 "Keep connections open and reuse them in curl[4242], which has 27,000 of the ports, or let the peer close first."},
	{bind0_exhausted, "range-exhausted",
	 "All 28,232 ports from 32768 to 60999 are in use, 12,000 by curl[4242].",
	 "Destroy the 20,000 TIME_WAITs on ports of the range; no process uses them: ss -tK state time-wait sport ge :32768 and sport le :60999"},
	{udp_exhausted_uncounted, "range-exhausted", "No port of the ephemeral range is free.",
	 "widen"},
	{listen_exhausted_uncounted, "range-exhausted", "No port from 32768 to 60999 is free.",
	 "widen"},
	{connect_half_known, "range-exhausted",
	 "No port from 32768 to 60999 is free for connections to 10.0.0.5:443, though only 20,000 of "
	 "28,232 are known",
	 "Keep connections open and reuse them in curl[4242], which has 11,000 of the ports, or let the peer close first."},
	{range_time_wait, "range-time-wait",
	 "28,000 of them by connections closed in the last minute (TIME_WAIT)",
	 "Destroy the 28,000 TIME_WAITs towards 10.0.0.5:443; no process uses them"},
	{range_time_wait_reused, "range-time-wait", "28,000 of them",
	 "Destroy the 28,000 TIME_WAITs towards 10.0.0.5:443; no process uses them"},
	{range_poisoned, "range-bind-poisoned",
	 "28,000 of the 28,232 ports from 32768 to 60999 were taken by bind(), so connect() cannot "
	 "use them",
	 "Set IP_BIND_ADDRESS_NO_PORT in curl[4242] before its bind() to port 0"},
	{range_reserved, "range-reserved",
	 "28,200 of the 28,232 ports from 32768 to 60999 are reserved, and none of the others is "
	 "free for connections to 10.0.0.5:443.",
	 "Reserve no ports"},
	{tie, "range-time-wait", "9,410 of them",
	 "Destroy the 9,410 TIME_WAITs towards 10.0.0.5:443; no process uses them"},
	{tuple_in_use, "four-tuple-in-use",
	 "nginx[812] already has a connection from 10.0.0.1:8080 to 10.0.0.5:443.", "node[977]"},
	{tuple_time_wait, "four-tuple-time-wait",
	 "The last connection from 10.0.0.1:8080 to 10.0.0.5:443 is in TIME_WAIT for 1 more "
	 "second.",
	 "Destroy the closed connection with 10.0.0.5:443; no process uses it"},
	{tuple_gone, "holder-gone", "The connection from port 8080 to 10.0.0.5:443 already existed, but was closed",
	 "Try again"},

	{not_local, "not-local-address",
	 "This network namespace has no address 192.0.2.9 on eth7, the device that the socket is "
	 "bound to.",
	 "Bind node[977] to 0.0.0.0, or to an address that 'ip address' lists."},
	{tentative, "address-tentative", "Duplicate address detection for 2001:db8::1 has not finished",
	 "Wait 3 s"},
	{no_source, "no-source-address", "The kernel has no source address for a connection to 2001:db8::5", "IPv6"},
	{ipv6_exhausted, "range-exhausted", "in use for connections to [2001:db8::5]:443", "widen"},
	{already_bound, "already-bound", "The socket of node[977] already has port 9090 from",
	 "new socket"},
	{udp_listen, "bad-state", "A UDP socket cannot listen.", "bind() is enough"},
	{connected_listen, "bad-state",
	 "is connected to 10.0.0.5:443, and a connected socket cannot listen.", "new socket"},
	{odd_errno, "bad-state", "connect() failed with EISCONN because of the state", "new socket"},
	{bad_address, "bad-address", "too short or of the wrong kind", "full length"},
	{bad_family, "bad-address", "of another family", "family"},
	{mapped_v6only, "bad-address", "10.0.0.1 is an IPv4 address", "IPV6_V6ONLY"},
	{multicast, "bad-address", "ff02::1 is a multicast address", "address"},
	{scope_missing, "scope-missing",
	 "fe80::1 is a link-local address, which needs an interface.", "sin6_scope_id"},
	{scope_missing_multicast, "scope-missing", "ff02::1 is a link-local address", "sin6_scope_id"},
	{privileged, "privileged-port",
	 "Ports below 1024 need CAP_NET_BIND_SERVICE here, and node[977], uid 1000, does not "
	 "have it.",
	 "Start node[977] on a port from 1024 up."},
	{privileged_to_4096, "privileged-port", "Ports below 4096 need",
	 "Let every user of this network namespace bind ports from 2049 up"},
	{lsm, "denied-by-lsm", "refused bind() of node[977].", "name_bind"},
	{lsm_listen, "denied-by-lsm", "refused listen() of node[977].", "port 8080"},
	{lsm_connect, "denied-by-lsm", "refused the connection of node[977] to 10.0.0.5:443.", "ip route get"},
	{cgroup_bpf, "denied-by-cgroup-bpf", "bind() of node[977] was refused",
	 "bpftool cgroup tree"},
	{cgroup_bpf, "denied-by-cgroup-bpf",
	 "as far as known, by a BPF program of cgroup /user.slice/node.scope or a parent of it.", "bpftool"},
	{rewritten, "rewritten-by-cgroup-bpf", "changed that to 0.0.0.0:8080, which nginx[812] holds.",
	 "Stop nginx.service"},
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
