/* SPDX-License-Identifier: GPL-2.0-only */
/* When two servers on one port are worth a warning, what is one program, and that it comes once. */
#include "fake_source.h"

#include <netinet/in.h>

#include "stream/second_server.h"
#include "util/address.h"

#define LISTEN WIRE_TCP_LISTEN
#define BOUND  WIRE_TCP_CLOSE

static struct wire_sock make(uint16_t protocol, const char *address, uint32_t flags, uint64_t cookie)
{
	struct wire_sock sock = {.cookie = cookie, .netns = 1, .protocol = protocol, .flags = flags, .local_port = 5173,
				 .state = protocol == IPPROTO_UDP ? BOUND : LISTEN};
	unsigned int prefix;

	assert_int_equal(address_parse(address, sock.local_addr, &prefix), 0);
	sock.family = address_is_mapped(sock.local_addr) ? AF_INET : AF_INET6;
	return sock;
}

static void servers_meet(void **state)
{
	static const struct {
		uint16_t protocol;
		const char *before, *now;
		uint32_t before_flags, now_flags;
		enum second_server expected;
	} rows[] = {
		{IPPROTO_TCP, "127.0.0.1", "::1", 0, 0, SECOND_SERVER_LOCALHOST},
		{IPPROTO_TCP, "::1", "127.0.0.1", 0, 0, SECOND_SERVER_LOCALHOST},
		{IPPROTO_TCP, "0.0.0.0", "::", 0, WIRE_V6ONLY, SECOND_SERVER_LOCALHOST},
		{IPPROTO_TCP, "10.0.0.1", "::1", 0, 0, SECOND_SERVER_NONE},
		{IPPROTO_TCP, "127.0.0.1", "2001:db8::1", 0, 0, SECOND_SERVER_NONE},
		{IPPROTO_TCP, "127.0.0.1", "127.0.0.2", 0, 0, SECOND_SERVER_NONE},
		{IPPROTO_UDP, "127.0.0.1", "::1", 0, 0, SECOND_SERVER_LOCALHOST},
		{IPPROTO_UDP, "0.0.0.0", "::", WIRE_REUSEADDR, WIRE_REUSEADDR, SECOND_SERVER_NONE},
		{IPPROTO_TCP, "0.0.0.0", "0.0.0.0", WIRE_REUSEPORT, WIRE_REUSEPORT, SECOND_SERVER_GROUP},
		{IPPROTO_TCP, "0.0.0.0", "10.0.0.1", WIRE_REUSEPORT, WIRE_REUSEPORT, SECOND_SERVER_NONE},
		{IPPROTO_UDP, "0.0.0.0", "0.0.0.0", WIRE_REUSEPORT, WIRE_REUSEPORT, SECOND_SERVER_GROUP},
		{IPPROTO_UDP, "0.0.0.0", "0.0.0.0", WIRE_REUSEADDR, WIRE_REUSEADDR, SECOND_SERVER_SHARED},
		{IPPROTO_UDP, "224.0.0.251", "224.0.0.251", WIRE_REUSEADDR, WIRE_REUSEADDR, SECOND_SERVER_NONE},
		{IPPROTO_UDP, "ff02::fb", "ff02::fb", WIRE_REUSEPORT, WIRE_REUSEPORT, SECOND_SERVER_NONE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wire_sock before = make(rows[i].protocol, rows[i].before, rows[i].before_flags, 1);
		struct wire_sock now = make(rows[i].protocol, rows[i].now, rows[i].now_flags, 2);

		if (second_server_of(&before, &now) != rows[i].expected)
			fail_msg("%s and %s", rows[i].before, rows[i].now);
		now.netns = 2;
		assert_int_equal(second_server_of(&before, &now), SECOND_SERVER_NONE);
		now.netns = 1;
		now.local_port++;
		assert_int_equal(second_server_of(&before, &now), SECOND_SERVER_NONE);
		now = before; /* itself */
		assert_int_equal(second_server_of(&before, &now), SECOND_SERVER_NONE);
	}
}

static void programs_are_the_same(void **state)
{
	static const struct {
		const char *exe[2], *cmdline[2];
		uint32_t ppid; /* of the second; the first is 100 */
		bool expected;
	} rows[] = {
		{{"/usr/sbin/nginx", "/usr/sbin/nginx"}, {"nginx: master", "nginx: worker"}, 100, true},
		{{"/usr/sbin/nginx", "/usr/sbin/nginx"}, {"nginx: worker", "nginx: worker"}, 50, true},
		{{"/usr/sbin/nginx", "/usr/sbin/caddy"}, {"nginx", "caddy"}, 50, false},
		{{"/usr/sbin/nginx", "/usr/sbin/caddy"}, {"nginx", "caddy"}, 100, false},
		{{"/usr/bin/node", "/usr/bin/node"}, {"node a.js", "node b.js"}, 50, false},
		{{"/usr/bin/node", "/usr/bin/node"}, {"node a.js", "node a.js"}, 50, true},
		{{"/usr/bin/python3.11", "/usr/bin/python3.11"}, {"app: master", "app: worker 1"}, 100, true},
		{{"", "/usr/bin/node"}, {"", "node a.js"}, 50, true}, /* the names are equal */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wire_task tasks[2] = {{.pid = 100, .ppid = 50, .comm = "name"}, {.pid = 101, .comm = "name"}};
		static struct process processes[2];

		tasks[1].ppid = rows[i].ppid;
		for (int j = 0; j < 2; j++) {
			strcpy(processes[j].exe, rows[i].exe[j]);
			strcpy(processes[j].cmdline, rows[i].cmdline[j]);
		}
		if (is_same_program(&tasks[0], &processes[0], &tasks[1], &processes[1]) != rows[i].expected)
			fail_msg("%s and %s", rows[i].cmdline[0], rows[i].cmdline[1]);
	}
}

static struct wire_listen listen_of(uint64_t ns, uint32_t pid, const char *comm, const char *address, uint64_t cookie)
{
	struct wire_listen event = make_listen(ns, cookie, pid);

	event.sock = make(IPPROTO_TCP, address, 0, cookie);
	strcpy(event.task.comm, comm);
	return event;
}

static void a_pair_is_reported_once(void **state)
{
	static struct second_server_finder finder;
	struct lookup lookup = {.model = model_new(NULL)};
	struct wire_listen first = listen_of(SECOND, 100, "node", "127.0.0.1", 11);
	struct wire_listen second = listen_of(2 * SECOND, 101, "python3", "::1", 12);
	struct warning warning;
	unsigned int reported = 0;

	(void)state;
	assert_int_equal(model_apply(lookup.model, &first.hdr), 0);
	assert_false(second_server_find(&finder, &lookup, &first.hdr, &warning));
	assert_int_equal(model_apply(lookup.model, &second.hdr), 0);
	assert_true(second_server_find(&finder, &lookup, &second.hdr, &warning));
	assert_string_equal(warning.kind, "localhost-two-servers");
	assert_string_equal(warning.why,
			    "localhost:5173 now answers differently over IPv4 and IPv6: node[100] has 127.0.0.1:5173, and "
			    "python3[101] has [::1]:5173; which of them a client reaches depends on the address that it tries "
			    "first.");
	assert_int_equal(warning.task.pid, 101);
	assert_int_equal(warning.other_task.pid, 100);
	assert_false(second_server_find(&finder, &lookup, &second.hdr, &warning));
	second.error = EADDRINUSE;
	strcpy(second.task.comm, "ruby");
	assert_false(second_server_find(&finder, &lookup, &second.hdr, &warning));
	second.error = 0;
	/* A flood: 100 a second are looked at. */
	for (uint32_t i = 0; i < 1000; i++) {
		snprintf(second.task.comm, sizeof(second.task.comm), "p%u", i);
		second.hdr.boot_ns = 5 * SECOND + i;
		reported += second_server_find(&finder, &lookup, &second.hdr, &warning);
	}
	assert_int_equal(reported, 100);
	model_free(lookup.model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(servers_meet),
		cmocka_unit_test(programs_are_the_same),
		cmocka_unit_test(a_pair_is_reported_once),
	};

	return cmocka_run_group_tests_name("second server", tests, NULL, NULL);
}
