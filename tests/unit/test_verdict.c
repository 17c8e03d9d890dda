/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's verdict in scenarios that tests/diff found and shortened. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "claim_make.h"

static uint32_t verdict(const struct claim *claim, struct holder *holders, size_t count)
{
	struct failure failure = {.holders = holders, .holder_count = count};

	return diagnose_verdict(claim, &failure, NULL);
}

/* udp_lib_lport_inuse() returns at the first socket that shares by SO_REUSEPORT. */
static void udp_stops_at_the_first_that_shares(void **state)
{
	struct claim claim = make_claim(IPPROTO_UDP, "0.0.0.0", WIRE_REUSEPORT);
	struct holder holders[] = {
		make_holder(IPPROTO_UDP, "10.0.0.1", WIRE_REUSEPORT, WIRE_TCP_CLOSE),
		make_holder(IPPROTO_UDP, "10.0.0.2", 0, WIRE_TCP_CLOSE),
	};
	struct holder swapped[] = {holders[1], holders[0]};

	(void)state;
	assert_int_equal(verdict(&claim, holders, 2), 0);
	assert_int_equal(verdict(&claim, swapped, 2), EADDRINUSE);
	/* If the first also shares by SO_REUSEADDR, the search continues. */
	claim.sock.flags |= WIRE_REUSEADDR;
	holders[0].sock.flags |= WIRE_REUSEADDR;
	assert_int_equal(verdict(&claim, holders, 2), EADDRINUSE);
	/* TCP checks all sockets. */
	claim.sock.flags = WIRE_REUSEPORT;
	holders[0].sock.flags = WIRE_REUSEPORT;
	claim.sock.protocol = holders[0].sock.protocol = holders[1].sock.protocol = IPPROTO_TCP;
	assert_int_equal(verdict(&claim, holders, 2), EADDRINUSE);
}

static void listen_on_a_listener_changes_the_backlog(void **state)
{
	struct claim claim = make_claim(IPPROTO_TCP, "0.0.0.0", WIRE_REUSEPORT);
	struct holder holder = make_holder(IPPROTO_TCP, "0.0.0.0", WIRE_REUSEPORT, WIRE_TCP_LISTEN);

	(void)state;
	holder.sock.uid++;
	claim.call = CLAIM_LISTEN;
	assert_int_equal(verdict(&claim, &holder, 1), EADDRINUSE);
	claim.sock.state = WIRE_TCP_LISTEN;
	assert_int_equal(verdict(&claim, &holder, 1), 0);
}

/* The socket layer still has SS_CONNECTED, although TCP has closed the connection. */
static void a_reset_connection_cannot_listen(void **state)
{
	struct claim claim = make_claim(IPPROTO_TCP, "10.0.0.1", 0);

	(void)state;
	claim.call = CLAIM_LISTEN;
	assert_int_equal(verdict(&claim, NULL, 0), 0);
	set_remote(&claim.sock, "10.0.0.5", 443);
	assert_int_equal(verdict(&claim, NULL, 0), EINVAL);
}

static void a_mapped_address_needs_a_dual_stack_socket(void **state)
{
	struct claim claim = make_claim(IPPROTO_TCP, "::ffff:10.0.0.1", 0);

	(void)state;
	assert_int_equal(verdict(&claim, NULL, 0), 0);
	claim.sock.flags |= WIRE_V6ONLY;
	assert_int_equal(verdict(&claim, NULL, 0), EINVAL);
}

/* An IPv6 connection has LOOPBACK4_IPV6, 127.0.0.6, for an IPv4 address: only UDP compares it. */
static void loopback4_ipv6(void **state)
{
	struct claim claim = make_claim(IPPROTO_TCP, "127.0.0.6", 0);
	struct holder holder = make_holder(IPPROTO_TCP, "2001:db8::1", 0, WIRE_TCP_ESTABLISHED);

	(void)state;
	assert_int_equal(verdict(&claim, &holder, 1), 0);
	claim.sock.protocol = holder.sock.protocol = IPPROTO_UDP;
	assert_int_equal(verdict(&claim, &holder, 1), EADDRINUSE);
}

/* Bound to [::], connected, then reset: the socket keeps the address of connect(), and is not IPv6-only. */
static void a_reset_dual_stack_client_meets_ipv4(void **state)
{
	struct claim claim = make_claim(IPPROTO_TCP, "0.0.0.0", 0);
	struct holder holder = make_holder(IPPROTO_TCP, "2001:db8::1", 0, WIRE_TCP_CLOSE);

	(void)state;
	assert_int_equal(verdict(&claim, &holder, 1), 0);
	set_remote(&holder.sock, "2001:db8::5", 443);
	assert_int_equal(verdict(&claim, &holder, 1), EADDRINUSE);
}

/* Any number of sockets, in the order of the slot. */
static void a_chain_is_judged_like_holders(void **state)
{
	struct claim claim = make_claim(IPPROTO_UDP, "0.0.0.0", WIRE_REUSEPORT);
	struct wire_socket chain[100] = {0};

	(void)state;
	for (size_t i = 0; i < 100; i++) {
		chain[i].sock = claim_sock(IPPROTO_UDP, "10.0.0.1", WIRE_REUSEPORT);
		chain[i].sock.cookie = 2 + i;
	}
	assert_int_equal(diagnose_verdict_in_order(&claim, chain, 100, NULL), 0);
	chain[99].sock.flags = 0;
	assert_int_equal(diagnose_verdict_in_order(&claim, chain, 100, NULL), 0);
	assert_int_equal(diagnose_verdict_in_order(&claim, chain + 99, 1, NULL), EADDRINUSE);
	claim.sock.flags = 0;
	assert_int_equal(diagnose_verdict_in_order(&claim, chain, 1, NULL), EADDRINUSE);
	assert_int_equal(diagnose_verdict_in_order(&claim, NULL, 0, NULL), 0);
}

/* net.ipv4.ip_autobind_reuse lets bind() to port 0 share by SO_REUSEADDR if no port is free. */
static void port_0_may_share_by_autobind_reuse(void **state)
{
	struct claim claim = make_claim(IPPROTO_TCP, "10.0.0.1", WIRE_REUSEADDR);
	struct holder holder = make_holder(IPPROTO_TCP, "10.0.0.1", WIRE_REUSEADDR, WIRE_TCP_CLOSE);

	(void)state;
	claim.sock.local_port = 0;
	assert_true(conflict_between(&claim, &holder, NULL));
	claim.autobind_reuse = true;
	assert_false(conflict_between(&claim, &holder, NULL));
	holder.sock.state = WIRE_TCP_LISTEN;
	assert_true(conflict_between(&claim, &holder, NULL));
	holder.sock.state = WIRE_TCP_CLOSE;
	holder.sock.flags = claim.sock.flags = WIRE_REUSEPORT;
	assert_true(conflict_between(&claim, &holder, NULL));
}

/* ---- the bucket's cached state --------------------------------------------------------------- */

/* A holder without reuse options, in a bucket that was shared by SO_REUSEPORT before. */
static uint32_t verdict_by(const struct bucket *bucket, const char *addr, uint32_t flags,
			   enum claim_call call)
{
	struct holder holder = make_holder(IPPROTO_TCP, addr, 0, WIRE_TCP_CLOSE);
	struct claim claim = make_claim(IPPROTO_TCP, addr, flags);

	claim.call = call;
	claim.bucket = bucket;
	return verdict(&claim, &holder, 1);
}

static void a_bucket_allows_by_reuseport(void **state)
{
	struct bucket bucket = {.fastreuseport = BUCKET_REUSEPORT_STRICT,
				.fast = claim_sock(IPPROTO_TCP, "10.0.0.1", WIRE_REUSEPORT)};
	const uint32_t prog = WIRE_REUSEPORT | WIRE_REUSEPORT_PROG;

	(void)state;
	assert_int_equal(verdict_by(NULL, "10.0.0.1", WIRE_REUSEPORT, CLAIM_BIND), EADDRINUSE);
	assert_int_equal(verdict_by(&bucket, "10.0.0.1", WIRE_REUSEPORT, CLAIM_BIND), 0);
	assert_int_equal(verdict_by(&bucket, "10.0.0.1", WIRE_REUSEPORT, CLAIM_LISTEN), 0);
	assert_int_equal(verdict_by(&bucket, "::ffff:10.0.0.1", WIRE_REUSEPORT, CLAIM_BIND), 0);
	assert_int_equal(verdict_by(&bucket, "10.0.0.1", prog, CLAIM_BIND), EADDRINUSE);
	assert_int_equal(verdict_by(&bucket, "10.0.0.1", WIRE_REUSEADDR, CLAIM_BIND), EADDRINUSE);
	assert_int_equal(verdict_by(&bucket, "10.0.0.2", WIRE_REUSEPORT, CLAIM_BIND), EADDRINUSE);
	assert_int_equal(verdict_by(&bucket, "0.0.0.0", WIRE_REUSEPORT, CLAIM_BIND), EADDRINUSE);
	bucket.fast.uid++;
	assert_int_equal(verdict_by(&bucket, "10.0.0.1", WIRE_REUSEPORT, CLAIM_BIND), EADDRINUSE);
	bucket.fast.uid--;
	bucket.fastreuseport = BUCKET_REUSEPORT_ANY;
	assert_int_equal(verdict_by(&bucket, "0.0.0.0", WIRE_REUSEPORT, CLAIM_BIND), 0);
	bucket.fastreuseport = -1;
	assert_int_equal(verdict_by(&bucket, "10.0.0.1", WIRE_REUSEPORT, CLAIM_BIND), EADDRINUSE);
}

static void only_the_buckets_wildcard_covers_other_addresses(void **state)
{
	struct bucket bucket = {.fastreuseport = BUCKET_REUSEPORT_STRICT,
				.fast = claim_sock(IPPROTO_TCP, "0.0.0.0", WIRE_REUSEPORT)};

	(void)state;
	assert_int_equal(verdict_by(&bucket, "10.0.0.1", WIRE_REUSEPORT, CLAIM_BIND), 0);
	set_local(&bucket.fast, "10.0.0.1");
	assert_int_equal(verdict_by(&bucket, "0.0.0.0", WIRE_REUSEPORT, CLAIM_BIND), EADDRINUSE);
}

/* Only kernels before 6.8 have fastreuse > 0. */
static void a_bucket_allows_by_reuseaddr(void **state)
{
	struct bucket bucket = {.fastreuse = 1};

	(void)state;
	assert_int_equal(verdict_by(&bucket, "10.0.0.1", WIRE_REUSEADDR, CLAIM_BIND), 0);
	assert_int_equal(verdict_by(&bucket, "10.0.0.1", WIRE_REUSEADDR, CLAIM_LISTEN), EADDRINUSE);
	assert_int_equal(verdict_by(&bucket, "10.0.0.1", 0, CLAIM_BIND), EADDRINUSE);
}

/* ---- the part of the kernel that refused --------------------------------------------------------- */

static void a_seccomp_filter_answers_before_the_kernel(void **state)
{
	struct claim claim = make_claim(IPPROTO_TCP, "0.0.0.0", 0);
	struct holder holder = make_holder(IPPROTO_TCP, "0.0.0.0", 0, WIRE_TCP_LISTEN);
	struct failure failure = {.holders = &holder, .holder_count = 1};
	struct conflict conflict;

	(void)state;
	claim.error = EPERM;
	claim.by_seccomp = true;
	diagnose(&claim, &failure, NULL, NULL, NULL, 0, &conflict);
	assert_string_equal(conflict.cause, "denied-by-seccomp");
	assert_int_equal(conflict.holder_count, 0);
	assert_non_null(strstr(conflict.why, "node[977]"));
	assert_non_null(strstr(conflict.why, "EPERM"));
	assert_non_null(diagnose_meaning("denied-by-seccomp"));
}

static void connecting_a_listener_fails_with_eisconn(void **state)
{
	struct claim claim = make_claim(IPPROTO_TCP, "0.0.0.0", 0);
	struct conflict conflict;

	(void)state;
	claim.call = CLAIM_CONNECT;
	claim.error = EISCONN;
	assert_true(diagnose_wanted(EISCONN));
	diagnose(&claim, NULL, NULL, NULL, NULL, 0, &conflict);
	assert_string_equal(conflict.cause, "bad-state");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(udp_stops_at_the_first_that_shares),
		cmocka_unit_test(listen_on_a_listener_changes_the_backlog),
		cmocka_unit_test(a_reset_connection_cannot_listen),
		cmocka_unit_test(a_mapped_address_needs_a_dual_stack_socket),
		cmocka_unit_test(loopback4_ipv6),
		cmocka_unit_test(a_reset_dual_stack_client_meets_ipv4),
		cmocka_unit_test(a_chain_is_judged_like_holders),
		cmocka_unit_test(port_0_may_share_by_autobind_reuse),
		cmocka_unit_test(a_bucket_allows_by_reuseport),
		cmocka_unit_test(only_the_buckets_wildcard_covers_other_addresses),
		cmocka_unit_test(a_bucket_allows_by_reuseaddr),
		cmocka_unit_test(a_seccomp_filter_answers_before_the_kernel),
		cmocka_unit_test(connecting_a_listener_fails_with_eisconn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
