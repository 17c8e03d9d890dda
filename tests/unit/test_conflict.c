/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's rules: which two sockets conflict on a port, and which may share it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "claim_make.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const uint16_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_MPTCP};

static bool refuses(const struct claim *claim, const struct holder *holder)
{
	return conflict_between(claim, holder, NULL);
}

/* ---- (b) addresses: section 3's table ----------------------------------------------------------
 */

/* One address of each kind, and another for "if equal". */
static const struct {
	const char *addr, *other;
	uint32_t flags;
} kinds[] = {
	{"0.0.0.0", "0.0.0.0", 0},
	{"10.0.0.1", "10.0.0.2", 0},
	{"::", "::", 0},
	{"::", "::", WIRE_V6ONLY},
	{"2001:db8::1", "2001:db8::2", 0},
	{"::ffff:10.0.0.1", "::ffff:10.0.0.2", 0},
};

/* clang-format off */
/* Row: caller, column: holder. M: they conflict, =: if the addresses are equal, '-': never. */
static const char *const table[] = {
	"MMM--M",
	"M=M--=",
	"MMMMMM",
	"--MMM-",
	"--MM=-",
	"M=M--=",
};

/* w, W: wildcard-holder and -caller; e: exact; d: dual-stack */
static const char *const overlaps[] = {
	"eWd--d",
	"wed--d",
	"ddeeWd",
	"--eeW-",
	"--wwe-",
	"ddd--e",
};
/* clang-format on */

static enum overlap overlap_of(char letter)
{
	switch (letter) {
	case 'e':
		return OVERLAP_EXACT;
	case 'w':
		return OVERLAP_WILDCARD_HOLDER;
	case 'W':
		return OVERLAP_WILDCARD_CALLER;
	case 'd':
		return OVERLAP_DUAL_STACK;
	}
	return OVERLAP_NONE;
}

static void check_pair(uint16_t protocol, size_t row, size_t column)
{
	struct claim claim = make_claim(protocol, kinds[row].addr, kinds[row].flags);
	struct holder same =
		make_holder(protocol, kinds[column].addr, kinds[column].flags, WIRE_TCP_CLOSE);
	struct holder other =
		make_holder(protocol, kinds[column].other, kinds[column].flags, WIRE_TCP_CLOSE);
	enum overlap overlap = OVERLAP_NONE;
	char expected = table[row][column];

	assert_int_equal(conflict_between(&claim, &same, &overlap), expected != '-');
	assert_int_equal(overlap, overlap_of(overlaps[row][column]));
	assert_int_equal(conflict_between(&claim, &other, &overlap), expected == 'M');
}

static void all_pairs_of_the_address_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(protocols); i++) {
		for (size_t row = 0; row < COUNT(kinds); row++) {
			for (size_t column = 0; column < COUNT(kinds); column++)
				check_pair(protocols[i], row, column);
		}
	}
}

static void a_mapped_wildcard_is_the_ipv4_wildcard(void **state)
{
	struct claim claim = make_claim(IPPROTO_TCP, "::ffff:0.0.0.0", 0);
	struct holder v4 = make_holder(IPPROTO_TCP, "10.0.0.1", 0, WIRE_TCP_LISTEN);
	struct holder v6 = make_holder(IPPROTO_TCP, "2001:db8::1", 0, WIRE_TCP_LISTEN);

	(void)state;
	assert_true(refuses(&claim, &v4));
	assert_false(refuses(&claim, &v6));
}

/* A connection that a dual-stack listener accepted is not v6only: it conflicts with 0.0.0.0. */
static void an_accepted_ipv6_connection_meets_the_ipv4_wildcard(void **state)
{
	struct claim wild = make_claim(IPPROTO_TCP, "0.0.0.0", 0);
	struct claim single = make_claim(IPPROTO_TCP, "10.0.0.1", 0);
	struct holder holder = make_holder(IPPROTO_TCP, "2001:db8::1", 0, WIRE_TCP_ESTABLISHED);

	(void)state;
	assert_true(refuses(&wild, &holder));
	assert_false(refuses(&single, &holder));
	holder.sock.flags |= WIRE_V6ONLY;
	assert_false(refuses(&wild, &holder));
}

/* ---- (a) devices, and what is never a conflict
 * --------------------------------------------------- */

static void devices(void **state)
{
	static const struct {
		uint32_t mine, theirs;
		bool meet;
	} cases[] = {{0, 0, true}, {0, 3, true}, {3, 0, true}, {3, 3, true}, {3, 4, false}};

	(void)state;
	for (size_t i = 0; i < COUNT(protocols); i++) {
		for (size_t j = 0; j < COUNT(cases); j++) {
			struct claim claim = make_claim(protocols[i], "0.0.0.0", 0);
			struct holder holder =
				make_holder(protocols[i], "0.0.0.0", 0, WIRE_TCP_CLOSE);

			claim.sock.ifindex = cases[j].mine;
			holder.sock.ifindex = cases[j].theirs;
			assert_int_equal(refuses(&claim, &holder), cases[j].meet);
		}
	}
}

static void never_a_conflict(void **state)
{
	struct claim claim = make_claim(IPPROTO_TCP, "0.0.0.0", 0);
	struct holder holder = make_holder(IPPROTO_UDP, "0.0.0.0", 0, WIRE_TCP_CLOSE);

	(void)state;
	assert_false(refuses(&claim, &holder)); /* TCP against UDP */
	holder = make_holder(IPPROTO_TCP, "0.0.0.0", 0, WIRE_TCP_LISTEN);
	assert_true(refuses(&claim, &holder));
	holder.sock.netns++;
	assert_false(refuses(&claim, &holder));
	holder.sock.netns--;
	holder.sock.local_port++;
	assert_false(refuses(&claim, &holder));
	holder.sock.local_port--;
	holder.sock.cookie = claim.sock.cookie; /* itself */
	assert_false(refuses(&claim, &holder));
	holder = make_holder(IPPROTO_TCP, "0.0.0.0", 0, WIRE_TCP_NEW_SYN_RECV);
	assert_false(refuses(&claim, &holder));
	claim = make_claim(IPPROTO_UDPLITE, "0.0.0.0", 0);
	holder = make_holder(IPPROTO_UDP, "0.0.0.0", 0, WIRE_TCP_CLOSE);
	assert_false(refuses(&claim, &holder));
}

static void mptcp_has_the_ports_of_tcp(void **state)
{
	struct claim claim = make_claim(IPPROTO_MPTCP, "0.0.0.0", 0);
	struct holder holder = make_holder(IPPROTO_TCP, "0.0.0.0", 0, WIRE_TCP_LISTEN);

	(void)state;
	assert_true(refuses(&claim, &holder));
	claim.sock.protocol = IPPROTO_TCP;
	holder.sock.protocol = IPPROTO_MPTCP;
	assert_true(refuses(&claim, &holder));
}

/* ---- (c) sharing
 * --------------------------------------------------------------------------------- */

#define NONE 0
#define ADDR WIRE_REUSEADDR
#define PORTS WIRE_REUSEPORT
#define BOTH (ADDR | PORTS)
#define PROG (PORTS | WIRE_REUSEPORT_PROG)

struct sharing {
	uint32_t mine, theirs;
	enum wire_state state;
	bool same_uid;
	bool shared;
};

static void check_sharing(uint16_t protocol, const struct sharing *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct claim claim = make_claim(protocol, "0.0.0.0", cases[i].mine);
		struct holder holder =
			make_holder(protocol, "0.0.0.0", cases[i].theirs, cases[i].state);

		holder.sock.uid = cases[i].same_uid ? 1000 : 33;
		assert_int_equal(refuses(&claim, &holder), !cases[i].shared);
	}
}

static void tcp_sharing(void **state)
{
	static const struct sharing cases[] = {
		{NONE, NONE, WIRE_TCP_LISTEN, true, false},
		{NONE, NONE, WIRE_TCP_CLOSE, true, false},
		/* SO_REUSEADDR: on both, and neither listens; the uid does not matter */
		{ADDR, NONE, WIRE_TCP_CLOSE, true, false},
		{NONE, ADDR, WIRE_TCP_CLOSE, true, false},
		{ADDR, ADDR, WIRE_TCP_CLOSE, true, true},
		{ADDR, ADDR, WIRE_TCP_CLOSE, false, true},
		{ADDR, ADDR, WIRE_TCP_ESTABLISHED, true, true},
		{ADDR, ADDR, WIRE_TCP_TIME_WAIT, true, true},
		{ADDR, ADDR, WIRE_TCP_LISTEN, true, false},
		{ADDR, NONE, WIRE_TCP_TIME_WAIT, true, false},
		/* SO_REUSEPORT: on both, same uid, listening or not */
		{PORTS, NONE, WIRE_TCP_LISTEN, true, false},
		{NONE, PORTS, WIRE_TCP_LISTEN, true, false},
		{PORTS, PORTS, WIRE_TCP_LISTEN, true, true},
		{PORTS, PORTS, WIRE_TCP_LISTEN, false, false},
		{PORTS, PORTS, WIRE_TCP_TIME_WAIT, false, true},
		{PROG, PORTS, WIRE_TCP_LISTEN, true, false},
		{PORTS, PROG, WIRE_TCP_LISTEN, true, true},
		/* a different option on each does not suffice */
		{ADDR, PORTS, WIRE_TCP_CLOSE, true, false},
		{PORTS, ADDR, WIRE_TCP_CLOSE, true, false},
		{BOTH, ADDR, WIRE_TCP_CLOSE, true, true},
		{BOTH, PORTS, WIRE_TCP_LISTEN, true, true},
		/* TCP_REPAIR binds over anything */
		{ADDR | WIRE_FORCE_REUSE, NONE, WIRE_TCP_LISTEN, false, true},
	};

	(void)state;
	check_sharing(IPPROTO_TCP, cases, COUNT(cases));
	check_sharing(IPPROTO_MPTCP, cases, COUNT(cases));
}

static void udp_sharing(void **state)
{
	static const struct sharing cases[] = {
		{NONE, NONE, WIRE_TCP_CLOSE, true, false},
		{NONE, NONE, WIRE_TCP_ESTABLISHED, true, false},
		{ADDR, NONE, WIRE_TCP_CLOSE, true, false},
		{NONE, ADDR, WIRE_TCP_CLOSE, true, false},
		{ADDR, ADDR, WIRE_TCP_CLOSE, false, true},
		{ADDR, ADDR, WIRE_TCP_ESTABLISHED, false, true},
		{PORTS, NONE, WIRE_TCP_CLOSE, true, false},
		{PORTS, PORTS, WIRE_TCP_CLOSE, true, true},
		{PORTS, PORTS, WIRE_TCP_CLOSE, false, false},
		{PROG, PORTS, WIRE_TCP_CLOSE, true, false},
		{PROG | ADDR, BOTH, WIRE_TCP_CLOSE, false, true},
		{ADDR, PORTS, WIRE_TCP_CLOSE, true, false},
	};

	(void)state;
	check_sharing(IPPROTO_UDP, cases, COUNT(cases));
}

/* inet_csk_find_open_port() never shares; udp_lib_get_port() shares as for a given port. */
static void port_0(void **state)
{
	struct claim tcp = make_claim(IPPROTO_TCP, "127.0.0.2", ADDR);
	struct claim udp = make_claim(IPPROTO_UDP, "127.0.0.2", ADDR);
	struct holder of_tcp = make_holder(IPPROTO_TCP, "0.0.0.0", ADDR, WIRE_TCP_CLOSE);
	struct holder of_udp = make_holder(IPPROTO_UDP, "0.0.0.0", ADDR, WIRE_TCP_CLOSE);

	(void)state;
	tcp.sock.local_port = udp.sock.local_port = 0;
	assert_true(refuses(&tcp, &of_tcp));
	assert_false(refuses(&udp, &of_udp));
	of_udp.sock.flags = 0;
	assert_true(refuses(&udp, &of_udp));
	set_local(&of_tcp.sock, "127.0.0.1");
	assert_false(refuses(&tcp, &of_tcp));
}

/* ---- connect() with a port: only the same connection counts
 * --------------------------------------- */

static void connect_with_a_port(void **state)
{
	struct claim claim = make_claim(IPPROTO_TCP, "0.0.0.0", 0);
	struct holder holder = make_holder(IPPROTO_TCP, "10.0.0.1", 0, WIRE_TCP_ESTABLISHED);

	(void)state;
	claim.call = CLAIM_CONNECT;
	set_remote(&claim.sock, "10.0.0.5", 443);
	set_remote(&holder.sock, "10.0.0.5", 443);
	assert_true(refuses(&claim, &holder));
	set_local(&claim.sock, "10.0.0.1");
	assert_true(refuses(&claim, &holder));
	set_local(&claim.sock, "10.0.0.2");
	assert_false(refuses(&claim, &holder));
	set_local(&claim.sock, "10.0.0.1");
	holder.sock.remote_port = 80;
	assert_false(refuses(&claim, &holder));
	holder = make_holder(IPPROTO_TCP, "0.0.0.0", 0, WIRE_TCP_LISTEN);
	assert_false(refuses(&claim, &holder));
}

/* ---- verdicts
 * -------------------------------------------------------------------------------------- */

static void verdicts(void **state)
{
	struct holder holder = make_holder(IPPROTO_TCP, "0.0.0.0", 0, WIRE_TCP_LISTEN);
	struct failure failure = {.holders = &holder, .holder_count = 1};
	struct claim claim = make_claim(IPPROTO_TCP, "10.0.0.1", 0);
	struct netns_entry netns = {.now = {.unprivileged_start = 80}};

	(void)state;
	assert_int_equal(diagnose_verdict(&claim, &failure, NULL), EADDRINUSE);
	assert_int_equal(diagnose_verdict(&claim, NULL, NULL), 0);
	claim.had_port = true;
	assert_int_equal(diagnose_verdict(&claim, NULL, NULL), EINVAL);
	claim.had_port = false;
	holder.sock.local_port = claim.sock.local_port = 80;
	assert_int_equal(diagnose_verdict(&claim, &failure, NULL), EACCES);
	claim.has_net_bind_service = true;
	assert_int_equal(diagnose_verdict(&claim, &failure, NULL), EADDRINUSE);
	claim.has_net_bind_service = false;
	assert_int_equal(diagnose_verdict(&claim, &failure, &netns), EADDRINUSE);
	claim.call = CLAIM_LISTEN;
	assert_int_equal(diagnose_verdict(&claim, &failure, NULL), EADDRINUSE);
	claim.sock.state = WIRE_TCP_ESTABLISHED;
	assert_int_equal(diagnose_verdict(&claim, &failure, NULL), EINVAL);
	claim.sock.protocol = IPPROTO_UDP;
	assert_int_equal(diagnose_verdict(&claim, &failure, NULL), EOPNOTSUPP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_pairs_of_the_address_table),
		cmocka_unit_test(a_mapped_wildcard_is_the_ipv4_wildcard),
		cmocka_unit_test(an_accepted_ipv6_connection_meets_the_ipv4_wildcard),
		cmocka_unit_test(devices),
		cmocka_unit_test(never_a_conflict),
		cmocka_unit_test(mptcp_has_the_ports_of_tcp),
		cmocka_unit_test(tcp_sharing),
		cmocka_unit_test(udp_sharing),
		cmocka_unit_test(port_0),
		cmocka_unit_test(connect_with_a_port),
		cmocka_unit_test(verdicts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
