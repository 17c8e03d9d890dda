/* SPDX-License-Identifier: GPL-2.0-only */
/* Which socket answers a connect(), and the sentences and remedies where none does. */
#include <limits.h>

#include "diagnose/rules.h"
#include "scene.h"

static struct wire_sock client(uint16_t protocol, const char *to)
{
	struct wire_sock sk = claim_sock(protocol, strchr(to, ':') ? "::" : "0.0.0.0", 0);

	sk.cookie = 1;
	sk.local_port = 0;
	set_remote(&sk, to, PORT);
	return sk;
}

static unsigned int distance(const char *to, const char *addr, uint32_t flags)
{
	struct wire_sock sk = client(IPPROTO_TCP, to), server = make_holder(IPPROTO_TCP, addr, flags, WIRE_TCP_LISTEN).sock;

	return sock_distance(&sk, &server);
}

/* Each row as the kernel does it: tests/live/test_connect.py connects. */
static void which_listener_answers(void **state)
{
	static const struct {
		const char *to, *addr;
		uint32_t flags;
		bool answers;
	} rows[] = {
		{"10.0.0.1", "10.0.0.1", 0, true},	  {"10.0.0.1", "0.0.0.0", 0, true},
		{"10.0.0.1", "::", 0, true},		  {"10.0.0.1", "::", WIRE_V6ONLY, false},
		{"10.0.0.1", "::ffff:10.0.0.1", 0, true}, {"10.0.0.1", "::ffff:0.0.0.0", 0, true},
		{"10.0.0.1", "127.0.0.1", 0, false},	  {"10.0.0.1", "::1", 0, false},
		{"::1", "::1", 0, true},		  {"::1", "::", WIRE_V6ONLY, true},
		{"::1", "0.0.0.0", 0, false},		  {"::1", "::ffff:0.0.0.0", 0, false},
		{"::1", "2001:db8::1", 0, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(distance(rows[i].to, rows[i].addr, rows[i].flags) == 0, rows[i].answers);
}

static void the_nearest_comes_first(void **state)
{
	struct wire_sock sk = client(IPPROTO_TCP, "10.0.0.1");
	struct wire_sock there = make_holder(IPPROTO_TCP, "10.0.0.1", 0, WIRE_TCP_LISTEN).sock, bound = there,
			 device = there;

	(void)state;
	there.netns++;
	bound.state = WIRE_TCP_CLOSE;
	device.ifindex = 7;
	assert_in_range(distance("10.0.0.1", "127.0.0.1", 0), 1, distance("10.0.0.1", "::1", 0) - 1);
	assert_in_range(distance("10.0.0.1", "::1", 0), 1, sock_distance(&sk, &bound) - 1);
	assert_in_range(sock_distance(&sk, &bound), 1, sock_distance(&sk, &device) - 1);
	assert_in_range(sock_distance(&sk, &device), 1, sock_distance(&sk, &there) - 1);
}

static void what_is_not_near(void **state)
{
	struct wire_sock sk = client(IPPROTO_TCP, "10.0.0.1");
	struct wire_sock server = make_holder(IPPROTO_TCP, "10.0.0.1", 0, WIRE_TCP_LISTEN).sock, other;

	(void)state;
	other = server;
	other.local_port++;
	assert_int_equal(sock_distance(&sk, &other), UINT_MAX);
	other = server;
	other.protocol = IPPROTO_UDP;
	assert_int_equal(sock_distance(&sk, &other), UINT_MAX);
	other = server;
	other.state = WIRE_TCP_ESTABLISHED;
	set_remote(&other, "10.0.0.2", 41000);
	assert_int_equal(sock_distance(&sk, &other), UINT_MAX);
	other = server;
	other.cookie = sk.cookie; /* itself */
	assert_int_equal(sock_distance(&sk, &other), UINT_MAX);
}

/* sk_acceptq_is_full(): a backlog of n has room for n + 1. */
static void a_queue_is_full_above_its_backlog(void **state)
{
	struct holder listener = make_holder(IPPROTO_TCP, "0.0.0.0", 0, WIRE_TCP_LISTEN);

	(void)state;
	assert_false(queue_is_full(&listener)); /* backlog 0, empty */
	listener.backlog = listener.queue = 5;
	assert_false(queue_is_full(&listener));
	listener.queue = 6;
	assert_true(queue_is_full(&listener));
}

/* ---- the cases ----------------------------------------------------------------------------------------- */

static struct holder *failed(struct scene *scene, uint32_t error, const char *to, const char *server)
{
	scene->claim = make_claim(IPPROTO_TCP, "0.0.0.0", WIRE_PORT_EPHEMERAL);
	scene->claim.call = CLAIM_CONNECT;
	scene->claim.error = error;
	scene->claim.remote_is_local = true;
	scene->claim.began_boot_ns = NOW - SECOND;
	scene->claim.sock.local_port = scene->claim.requested_port = 0;
	set_remote(&scene->claim.sock, to, PORT);
	return server ? add(scene, IPPROTO_TCP, server, 0, WIRE_TCP_LISTEN) : NULL;
}

static void nothing(struct scene *scene)
{
	failed(scene, ECONNREFUSED, "127.0.0.1", NULL);
}

static void other_address(struct scene *scene)
{
	failed(scene, ECONNREFUSED, "10.0.0.1", "127.0.0.1");
}

static void other_family(struct scene *scene)
{
	failed(scene, ECONNREFUSED, "127.0.0.1", "::1");
}

static void ipv4_wildcard(struct scene *scene)
{
	failed(scene, ECONNREFUSED, "::1", "0.0.0.0");
}

static void other_netns(struct scene *scene)
{
	failed(scene, ECONNREFUSED, "127.0.0.1", "127.0.0.1")->sock.netns = NETNS + 1;
}

static void link_local(struct scene *scene)
{
	failed(scene, ECONNREFUSED, "127.0.0.1", "fe80::1");
}

static void not_listening(struct scene *scene)
{
	failed(scene, ECONNREFUSED, "127.0.0.1", "127.0.0.1")->sock.state = WIRE_TCP_CLOSE;
}

static void listens_now(struct scene *scene)
{
	failed(scene, ECONNREFUSED, "127.0.0.1", "127.0.0.1")->since_boot_ns = NOW - 1;
}

static void listened_before(struct scene *scene)
{
	failed(scene, ECONNREFUSED, "127.0.0.1", "127.0.0.1");
}

static void remote(struct scene *scene)
{
	failed(scene, ECONNREFUSED, "192.0.2.1", NULL);
	scene->claim.remote_is_local = false;
}

static void full(struct scene *scene)
{
	struct holder *listener = failed(scene, ETIMEDOUT, "127.0.0.1", "0.0.0.0");

	listener->queue = 6;
	listener->backlog = 5;
}

static void not_full(struct scene *scene)
{
	failed(scene, ETIMEDOUT, "127.0.0.1", "0.0.0.0")->backlog = 5;
}

static void silent(struct scene *scene)
{
	failed(scene, ETIMEDOUT, "192.0.2.1", "127.0.0.1"); /* the listener is not where it went */
}

static void reset(struct scene *scene)
{
	failed(scene, ECONNRESET, "192.0.2.1", NULL);
}

static void no_route(struct scene *scene)
{
	failed(scene, ENETUNREACH, "192.0.2.1", NULL);
	scene->claim.began_boot_ns = 0;
}

static void unreachable_route(struct scene *scene)
{
	failed(scene, EHOSTUNREACH, "192.0.2.1", NULL);
	scene->claim.began_boot_ns = 0;
}

static void unreachable_host(struct scene *scene)
{
	failed(scene, EHOSTUNREACH, "192.0.2.1", NULL);
}

static const struct scene_case cases[] = {
	{nothing, "no-listener", "No socket listens on 127.0.0.1:8080, so the kernel refused the connection of node[977].",
	 "Start the server that listens on 127.0.0.1:8080."},
	{other_address, "no-listener", "nginx[812] listens on 127.0.0.1:8080.", "Connect node[977] to 127.0.0.1:8080, where"},
	{other_family, "no-listener", "nginx[812] listens on [::1]:8080.", "Connect node[977] to [::1]:8080, where"},
	{ipv4_wildcard, "no-listener", "nginx[812] listens on 0.0.0.0:8080.", "Connect node[977] to 127.0.0.1:8080, where"},
	{other_netns, "no-listener", "in network namespace 4026531841.", "Start the server that listens on 127.0.0.1:8080."},
	{link_local, "no-listener", "nginx[812] listens on [fe80::1]:8080.", "Start nginx[812] on 127.0.0.1:8080"},
	{not_listening, "no-listener", "nginx[812] has bound 127.0.0.1:8080 and does not listen.",
	 "when nginx[812] has called listen()"},
	{listens_now, "no-listener", "nginx[812] listens on 127.0.0.1:8080 now.", "Connect again"},
	{listened_before, "no-listener", "a packet filter rejects it", "nft list ruleset"},
	{remote, "no-listener", "192.0.2.1 refused the connection of node[977]", "Check on 192.0.2.1"},
	{full, "backlog-full", "6 connections wait for accept(), the backlog is 5", "why nginx[812] does not call accept()"},
	{not_full, "no-answer", "not full now (0 waiting, backlog 5)", "nft list ruleset"},
	{silent, "no-answer", "192.0.2.1:8080 did not answer", "Check that 192.0.2.1 is up"},
	{reset, "reset-by-peer", "before it was established", "Look at the server on 192.0.2.1"},
	{no_route, "no-route", "no route to 192.0.2.1 (ENETUNREACH)", "ip route get 192.0.2.1"},
	{unreachable_route, "no-route", "A route of this network namespace declares 192.0.2.1 unreachable (EHOSTUNREACH)",
	 "ip route get"},
	{unreachable_host, "no-route", "reports 192.0.2.1 as unreachable", "ip route get"},
};

static void the_cases(void **state)
{
	(void)state;
	check_cases(cases, COUNT(cases));
	check_cases_without_knowledge(cases, COUNT(cases));
}

/* ---- who listened last ------------------------------------------------------------------------------- */

static void close_server(struct model *model, const char *addr, uint32_t pid, const char *comm, uint64_t boot_ns)
{
	struct wire_close event = make_close(boot_ns, pid, pid);

	event.sock = make_holder(IPPROTO_TCP, addr, 0, WIRE_TCP_LISTEN).sock;
	event.sock.cookie = 100 + pid;
	event.task = make_task(pid, comm);
	assert_int_equal(model_apply(model, &event.hdr), 0);
}

static void the_last_server_is_known(void **state)
{
	struct model *model = make_model();
	static struct scene scene;
	struct conflict conflict;

	(void)state;
	scene_init(&scene, &cases[0]);
	close_server(model, "10.0.0.9", 71, "far", NOW - 1 * SECOND);
	close_server(model, "0.0.0.0", 70, "first", NOW - 9 * SECOND);
	close_server(model, "0.0.0.0", 72, "last", NOW - 3 * SECOND);
	scene_diagnose(&scene, model, &conflict);
	expect_sentence("closed", conflict.why, "last[72] listened on 0.0.0.0:8080 until 3.0 s ago.");
	assert_string_equal(conflict.fix, "Start last[72] again: it listened on 0.0.0.0:8080 until 3.0 s ago.");
	assert_int_equal(conflict.remedies[0].action, REMEDY_START_PROCESS);
	model_free(model);
}

/* A connection is no server, and only the last 64 servers are kept. */
static void what_is_remembered(void **state)
{
	struct model *model = make_model();
	struct wire_close connection = make_close(5, 9, 9);

	(void)state;
	connection.sock.state = WIRE_TCP_ESTABLISHED;
	assert_int_equal(model_apply(model, &connection.hdr), 0);
	assert_null(model_closed_server(model, 0));
	for (uint32_t i = 1; i <= 65; i++)
		close_server(model, "0.0.0.0", i, "server", i);
	assert_int_equal(model_closed_server(model, 0)->owner.pid, 65);
	assert_int_equal(model_closed_server(model, 63)->owner.pid, 2);
	assert_null(model_closed_server(model, 64));
	model_free(model);
}

/* ---- events ------------------------------------------------------------------------------------------ */

static void a_close_is_a_failure_only_if_never_established(void **state)
{
	struct wire_close event = make_close(5 * SECOND, 1, 977);
	struct claim claim;

	(void)state;
	event.error = ECONNRESET;
	event.life_ns = SECOND;
	assert_int_equal(wire_failed_errno(&event.hdr), 0);
	assert_false(claim_from_event(&event.hdr, &claim));
	event.how = WIRE_CLOSE_UNESTABLISHED;
	assert_int_equal(wire_failed_errno(&event.hdr), ECONNRESET);
	assert_int_equal(wire_error_of(&event.hdr), 0); /* no call returned it in this record */
	assert_true(claim_from_event(&event.hdr, &claim));
	assert_int_equal(claim.call, CLAIM_CONNECT);
	assert_int_equal(claim.began_boot_ns, 4 * SECOND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(which_listener_answers),
		cmocka_unit_test(the_nearest_comes_first),
		cmocka_unit_test(what_is_not_near),
		cmocka_unit_test(a_queue_is_full_above_its_backlog),
		cmocka_unit_test(the_cases),
		cmocka_unit_test(the_last_server_is_known),
		cmocka_unit_test(what_is_remembered),
		cmocka_unit_test(a_close_is_a_failure_only_if_never_established),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
