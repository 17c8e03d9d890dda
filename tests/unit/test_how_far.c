/* SPDX-License-Identifier: GPL-2.0-only */
/* The cause by how far the call got: seccomp filter, security modules, cgroup programs, the socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "claim_make.h"

struct stage_case {
	enum wire_kind kind;
	uint32_t error, flags;
	uint16_t port;
	const char *cause;
	const char *words; /* expected in `why`; NULL: any */
};

static const struct stage_case cases[] = {
	/* The cgroup hook ran, so seccomp and security modules allowed the call. */
	{WIRE_BIND, EPERM, WIRE_REACHED_CGROUP, PORT, "denied-by-cgroup-bpf", "refused by a BPF program"},
	{WIRE_BIND, EPERM, WIRE_REACHED_CGROUP | WIRE_REFUSED_BY_CGROUP, PORT, "denied-by-cgroup-bpf", NULL},
	{WIRE_BIND, EACCES, WIRE_REACHED_CGROUP | WIRE_REFUSED_BY_CGROUP, 80, "denied-by-cgroup-bpf", NULL},
	{WIRE_BIND, EADDRINUSE, WIRE_REACHED_CGROUP | WIRE_REFUSED_BY_CGROUP, PORT, "denied-by-cgroup-bpf", NULL},
	{WIRE_BIND, EACCES, WIRE_REACHED_CGROUP, 80, "privileged-port", NULL},
	{WIRE_BIND, EACCES, WIRE_REACHED_CGROUP | WIRE_FILTERED, 80, "privileged-port", NULL},
	{WIRE_CONNECT, EPERM, WIRE_REACHED_CGROUP | WIRE_REFUSED_BY_CGROUP, 0, "denied-by-cgroup-bpf", NULL},
	/* The cgroup hook did not run. */
	{WIRE_BIND, EPERM, WIRE_STOPPED_BEFORE_CGROUP, PORT, "denied-by-lsm", NULL},
	{WIRE_BIND, EACCES, WIRE_STOPPED_BEFORE_CGROUP, 80, "denied-by-lsm", NULL},
	{WIRE_BIND, EPERM, WIRE_STOPPED_BEFORE_CGROUP | WIRE_FILTERED, PORT, "denied-by-seccomp", "did not reach the network code"},
	{WIRE_BIND, EACCES, WIRE_STOPPED_BEFORE_CGROUP | WIRE_FILTERED, 80, "denied-by-seccomp", NULL},
	{WIRE_BIND, EADDRINUSE, WIRE_STOPPED_BEFORE_CGROUP | WIRE_FILTERED, PORT, "denied-by-seccomp", NULL},
	{WIRE_CONNECT, EPERM, WIRE_STOPPED_BEFORE_CGROUP, 0, "denied-by-lsm", NULL},
	{WIRE_CONNECT, EACCES, WIRE_STOPPED_BEFORE_CGROUP | WIRE_FILTERED, 0, "denied-by-seccomp", NULL},
	/* No cgroup hook is attached, or the call has none. */
	{WIRE_BIND, EPERM, 0, PORT, "denied-by-cgroup-bpf", "as far as known"},
	{WIRE_BIND, EACCES, 0, PORT, "denied-by-lsm", NULL},
	{WIRE_BIND, EPERM, WIRE_FILTERED, PORT, "denied-by-seccomp", "As far as known"},
	{WIRE_LISTEN, EPERM, WIRE_FILTERED, PORT, "denied-by-seccomp", "As far as known"},
	{WIRE_LISTEN, EACCES, 0, PORT, "denied-by-lsm", NULL},
	/* For listen(), a filter that returns EADDRINUSE is less likely than a holder. */
	{WIRE_LISTEN, EADDRINUSE, WIRE_FILTERED, PORT, "holder-gone", NULL},
	/* Duplicate address detection. */
	{WIRE_BIND, EADDRNOTAVAIL, WIRE_REACHED_CGROUP, PORT, "not-local-address", NULL},
	{WIRE_BIND, EADDRNOTAVAIL, WIRE_REACHED_CGROUP | WIRE_TENTATIVE, PORT, "address-tentative", NULL},
};

static void claim_of(const struct stage_case *wanted, struct claim *claim)
{
	union {
		struct wire_hdr hdr;
		struct wire_bind bind;
		struct wire_listen listen;
		struct wire_connect connect;
	} event = {.hdr.kind = wanted->kind};
	struct wire_sock sock = claim_sock(IPPROTO_TCP, "0.0.0.0", wanted->flags);

	sock.local_port = wanted->port;
	if (wanted->kind == WIRE_BIND) {
		event.bind.sock = sock;
		event.bind.task = make_task(977, "node");
		event.bind.error = wanted->error;
		event.bind.requested_port = wanted->port;
		memcpy(event.bind.requested_addr, sock.local_addr, 16);
	} else if (wanted->kind == WIRE_LISTEN) {
		event.listen.sock = sock;
		event.listen.task = make_task(977, "node");
		event.listen.error = wanted->error;
	} else {
		event.connect.sock = sock;
		event.connect.task = make_task(977, "node");
		event.connect.error = wanted->error;
	}
	assert_true(claim_from_event(&event.hdr, claim));
}

static void the_stage_decides_the_cause(void **state)
{
	struct conflict conflict;
	struct claim claim;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		claim_of(&cases[i], &claim);
		diagnose(&claim, NULL, NULL, NULL, NULL, 0, &conflict);
		if (strcmp(conflict.cause, cases[i].cause) != 0)
			fail_msg("case %zu: %s, not %s", i, conflict.cause, cases[i].cause);
		if (cases[i].words && !strstr(conflict.why, cases[i].words))
			fail_msg("case %zu: \"%s\" lacks \"%s\"", i, conflict.why, cases[i].words);
		assert_int_equal(conflict.holder_count, 0);
	}
}

/* A call that was refused before it reached the socket has no holders. */
static void an_early_refusal_has_no_holders(void **state)
{
	static const uint32_t flags[] = {WIRE_STOPPED_BEFORE_CGROUP | WIRE_FILTERED, WIRE_REACHED_CGROUP | WIRE_REFUSED_BY_CGROUP,
					 WIRE_REACHED_CGROUP};
	struct holder holder = make_holder(IPPROTO_TCP, "0.0.0.0", 0, WIRE_TCP_LISTEN);
	struct failure failure = {.holders = &holder, .holder_count = 1};
	struct conflict conflict;
	struct claim claim;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		claim_of(&(struct stage_case){.kind = WIRE_BIND, .error = EADDRINUSE, .flags = flags[i], .port = PORT},
			 &claim);
		claim.sock.cookie = 1;
		diagnose(&claim, &failure, NULL, NULL, NULL, 0, &conflict);
		assert_int_equal(conflict.holder_count, flags[i] == WIRE_REACHED_CGROUP);
	}
}

static void a_rewritten_port_has_its_holder(void **state)
{
	struct holder holder = make_holder(IPPROTO_TCP, "0.0.0.0", 0, WIRE_TCP_LISTEN);
	struct failure failure = {.holders = &holder, .holder_count = 1};
	struct conflict conflict;
	struct claim claim;

	(void)state;
	claim_of(&(struct stage_case){.kind = WIRE_BIND, .error = EADDRINUSE, .flags = WIRE_REACHED_CGROUP, .port = PORT},
		 &claim);
	claim.sock.cookie = 1;
	claim.requested_port = 6001;
	diagnose(&claim, &failure, NULL, NULL, NULL, 0, &conflict);
	assert_string_equal(conflict.cause, "rewritten-by-cgroup-bpf");
	assert_int_equal(conflict.holder_count, 1);
	assert_non_null(strstr(conflict.why, "asked for 0.0.0.0:6001"));
	assert_non_null(strstr(conflict.why, "changed that to 0.0.0.0:8080"));
	assert_non_null(strstr(conflict.why, "nginx[812]"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_stage_decides_the_cause),
		cmocka_unit_test(an_early_refusal_has_no_holders),
		cmocka_unit_test(a_rewritten_port_has_its_holder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
