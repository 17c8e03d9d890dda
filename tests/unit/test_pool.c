/* SPDX-License-Identifier: GPL-2.0-only */
/* Port usage of the range: for connect(), for bind() to port 0, for UDP. */
#include "scene.h"

static struct model *small_range(void)
{
	struct wire_netns netns = make_netns(1, NETNS);
	struct model *model = model_new(&(struct model_limits){0});

	netns.range_low = 40000;
	netns.range_high = 40009;
	netns.reserved_count = 2;
	assert_int_equal(model_apply(model, &netns.hdr), 0);
	return model;
}

/* Adds a socket of curl on a port of the range, as a scan of the kernel returns it. */
static void put(struct model *model, uint16_t protocol, uint16_t port, const char *local,
		uint32_t flags, enum wire_state state, const char *remote)
{
	static uint64_t cookie = 100;
	struct wire_socket event = make_socket(5, ++cookie, state, 4242, 3);

	event.sock.protocol = protocol;
	event.sock.local_port = port;
	event.sock.flags = flags;
	set_local(&event.sock, local);
	set_remote(&event.sock, remote, 443);
	assert_int_equal(model_apply(model, &event.hdr), 0);
}

static void a_connect_counts_tuples_and_buckets(void **state)
{
	const uint32_t chosen = WIRE_PORT_EPHEMERAL | WIRE_CONNECT_BIND;
	struct model *model = small_range();
	static struct scene scene;
	struct pool pool;

	(void)state;
	scene = (struct scene){0};
	automatic(&scene, CLAIM_CONNECT, EADDRNOTAVAIL);
	put(model, IPPROTO_TCP, 40000, "10.0.0.1", chosen, WIRE_TCP_ESTABLISHED, "10.0.0.5");
	put(model, IPPROTO_TCP, 40001, "10.0.0.1", chosen, WIRE_TCP_TIME_WAIT, "10.0.0.5");
	put(model, IPPROTO_TCP, 40002, "10.0.0.1", chosen, WIRE_TCP_ESTABLISHED, "10.0.0.6");
	put(model, IPPROTO_TCP, 40003, "127.0.0.1", 0, WIRE_TCP_LISTEN, "0.0.0.0");
	put(model, IPPROTO_TCP, 40004, "127.0.0.1", 0, WIRE_TCP_CLOSE, "0.0.0.0");
	put(model, IPPROTO_TCP, 40004, "127.0.0.2", 0, WIRE_TCP_CLOSE, "0.0.0.0");
	put(model, IPPROTO_TCP, 40005, "10.0.0.1", WIRE_PORT_EPHEMERAL, WIRE_TCP_ESTABLISHED,
	    "10.0.0.6");
	put(model, IPPROTO_UDP, 40006, "0.0.0.0", 0, WIRE_TCP_CLOSE, "0.0.0.0");
	put(model, IPPROTO_TCP, 50000, "0.0.0.0", 0, WIRE_TCP_LISTEN, "0.0.0.0");
	pool_count(&scene.claim, model, NULL, &pool);
	assert_int_equal(pool.low, 40000);
	assert_int_equal(pool.high, 40009);
	assert_int_equal(pool.size, 10);
	assert_int_equal(pool.reserved, 2);
	assert_int_equal(pool.other, 1);
	assert_int_equal(pool.time_wait, 1);
	assert_int_equal(pool.bound,
			 3); /* bind(0) allocated 40005; the running kernel may count it differently */
	assert_int_equal(pool.top.pid, 4242);
	model_free(model);
}

/* The kernel passes over a reserved port before it looks for a socket there. */
static void a_port_reserved_and_bound_counts_as_reserved(void **state)
{
	struct wire_netns netns = make_netns(2, NETNS);
	struct model *model = small_range();
	static struct scene scene;
	struct pool pool;

	(void)state;
	scene = (struct scene){0};
	automatic(&scene, CLAIM_CONNECT, EADDRNOTAVAIL);
	netns.range_low = 40000;
	netns.range_high = 40003;
	netns.reserved_count = 3;
	assert_int_equal(model_apply(model, &netns.hdr), 0);
	for (uint16_t port = 40000; port <= 40003; port++)
		put(model, IPPROTO_TCP, port, "127.0.0.1", 0, WIRE_TCP_CLOSE, "0.0.0.0");
	pool_count(&scene.claim, model, NULL, &pool);
	assert_int_equal(pool.reserved, 3);
	assert_int_equal(pool.bound, 1);
	assert_int_equal(pool_taken(&pool), 4);
	model_free(model);
}

/* IP_LOCAL_PORT_RANGE: an end counts if it lies in the range of the namespace. */
static void a_socket_has_a_range_of_its_own(void **state)
{
	struct model *model = small_range();
	static struct scene scene;
	struct pool pool;

	(void)state;
	scene = (struct scene){0};
	automatic(&scene, CLAIM_CONNECT, EADDRNOTAVAIL);
	scene.claim.sock.range_low = 40004;
	scene.claim.sock.range_high = 40005;
	put(model, IPPROTO_TCP, 40003, "127.0.0.1", 0, WIRE_TCP_CLOSE, "0.0.0.0");
	put(model, IPPROTO_TCP, 40004, "127.0.0.1", 0, WIRE_TCP_CLOSE, "0.0.0.0");
	put(model, IPPROTO_TCP, 40005, "127.0.0.1", 0, WIRE_TCP_CLOSE, "0.0.0.0");
	pool_count(&scene.claim, model, NULL, &pool);
	assert_int_equal(pool.low, 40004);
	assert_int_equal(pool.high, 40005);
	assert_int_equal(pool.bound, 2);
	assert_int_equal(pool.reserved, 0);
	scene.claim.sock.range_high = 50000;
	pool_count(&scene.claim, model, NULL, &pool);
	assert_int_equal(pool.high, 40009);
	model_free(model);
}

/* The process exits between the refusal and the scan: two sockets are gone, one went to TIME_WAIT. */
static void sockets_count_as_they_were_when_refused(void **state)
{
	struct model *scan = small_range(), *stream = small_range();
	struct wire_socket connection = make_socket(5, 77, WIRE_TCP_ESTABLISHED, 4242, 3);
	static struct scene scene;
	struct pool pool;

	(void)state;
	scene = (struct scene){0};
	automatic(&scene, CLAIM_CONNECT, EADDRNOTAVAIL);
	connection.sock.local_port = 40002;
	connection.sock.flags = WIRE_PORT_EPHEMERAL | WIRE_UNSHARED_BUCKET;
	set_local(&connection.sock, "10.0.0.1");
	set_remote(&connection.sock, "10.0.0.5", 443);
	assert_int_equal(model_apply(stream, &connection.hdr), 0);
	put(stream, IPPROTO_TCP, 40000, "127.0.0.1", 0, WIRE_TCP_CLOSE, "0.0.0.0");
	put(stream, IPPROTO_TCP, 40001, "127.0.0.1", 0, WIRE_TCP_CLOSE, "0.0.0.0");
	connection.sock.state = WIRE_TCP_TIME_WAIT;
	connection.fd = -1;
	assert_int_equal(model_apply(scan, &connection.hdr), 0);

	pool_count(&scene.claim, scan, NULL, &pool);
	assert_int_equal(pool.time_wait, 1);
	assert_int_equal(pool.bound, 0);
	pool_count(&scene.claim, scan, stream, &pool);
	assert_int_equal(pool.time_wait, 0);
	assert_int_equal(pool.other, 1);
	assert_int_equal(pool.bound, 2);
	assert_int_equal(pool.top_count, 3);
	model_free(scan);
	model_free(stream);
}

/* The bucket's state, not the socket's flags, decides whether connect() may share the port. */
static void a_bucket_decides_whether_connect_may_share(void **state)
{
	struct model *model = small_range();
	static struct scene scene;
	struct pool pool;

	(void)state;
	scene = (struct scene){0};
	automatic(&scene, CLAIM_CONNECT, EADDRNOTAVAIL);
	put(model, IPPROTO_TCP, 40000, "10.0.0.1", WIRE_SHARED_BUCKET, WIRE_TCP_TIME_WAIT, "10.0.0.6");
	put(model, IPPROTO_TCP, 40001, "10.0.0.1", WIRE_UNSHARED_BUCKET, WIRE_TCP_TIME_WAIT, "10.0.0.6");
	put(model, IPPROTO_TCP, 40002, "10.0.0.1", WIRE_UNSHARED_BUCKET, WIRE_TCP_TIME_WAIT, "10.0.0.5");
	put(model, IPPROTO_TCP, 40003, "10.0.0.1", WIRE_PORT_EPHEMERAL | WIRE_SHARED_BUCKET,
	    WIRE_TCP_ESTABLISHED, "10.0.0.6");
	put(model, IPPROTO_TCP, 40004, "10.0.0.1", WIRE_PORT_EPHEMERAL | WIRE_UNSHARED_BUCKET,
	    WIRE_TCP_ESTABLISHED, "10.0.0.6");
	pool_count(&scene.claim, model, NULL, &pool);
	assert_int_equal(pool.bound, 2);
	assert_int_equal(pool.time_wait, 1);
	assert_int_equal(pool.other, 0);
	model_free(model);
}

static void a_bind_counts_what_meets_its_address(void **state)
{
	struct model *model = small_range();
	static struct scene scene;
	struct pool pool;

	(void)state;
	scene = (struct scene){0};
	automatic(&scene, CLAIM_BIND, EADDRINUSE);
	set_local(&scene.claim.sock, "127.0.0.1");
	put(model, IPPROTO_TCP, 40000, "127.0.0.1", WIRE_REUSEADDR, WIRE_TCP_CLOSE, "0.0.0.0");
	put(model, IPPROTO_TCP, 40001, "127.0.0.2", 0, WIRE_TCP_LISTEN, "0.0.0.0");
	put(model, IPPROTO_TCP, 40002, "127.0.0.1", 0, WIRE_TCP_TIME_WAIT, "127.0.0.1");
	put(model, IPPROTO_TCP, 40003, "::", 0, WIRE_TCP_LISTEN, "::");
	scene.claim.sock.flags = WIRE_REUSEADDR;
	pool_count(&scene.claim, model, NULL, &pool);
	assert_int_equal(pool.other, 2);
	assert_int_equal(pool.time_wait, 1);
	assert_int_equal(pool.bound, 0);
	model_free(model);
}

static void udp_counts_like_bind(void **state)
{
	struct model *model = small_range();
	static struct scene scene;
	struct pool pool;

	(void)state;
	scene = (struct scene){0};
	automatic(&scene, CLAIM_CONNECT, EAGAIN);
	scene.claim.sock.protocol = IPPROTO_UDP;
	put(model, IPPROTO_UDP, 40000, "0.0.0.0", 0, WIRE_TCP_ESTABLISHED, "10.0.0.6");
	put(model, IPPROTO_TCP, 40001, "0.0.0.0", 0, WIRE_TCP_LISTEN, "0.0.0.0");
	pool_count(&scene.claim, model, NULL, &pool);
	assert_int_equal(pool.other, 1);
	assert_int_equal(pool.bound, 0);
	model_free(model);
}

static void an_unknown_namespace_is_not_counted(void **state)
{
	struct model *model = small_range();
	static struct scene scene;
	struct pool pool;

	(void)state;
	scene = (struct scene){0};
	automatic(&scene, CLAIM_CONNECT, EADDRNOTAVAIL);
	scene.claim.sock.netns = 1;
	pool_count(&scene.claim, model, NULL, &pool);
	assert_int_equal(pool.low, 0);
	assert_int_equal(pool.size, 0);
	model_free(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_connect_counts_tuples_and_buckets),
		cmocka_unit_test(sockets_count_as_they_were_when_refused),
		cmocka_unit_test(a_port_reserved_and_bound_counts_as_reserved),
		cmocka_unit_test(a_socket_has_a_range_of_its_own),
		cmocka_unit_test(a_bucket_decides_whether_connect_may_share),
		cmocka_unit_test(a_bind_counts_what_meets_its_address),
		cmocka_unit_test(udp_counts_like_bind),
		cmocka_unit_test(an_unknown_namespace_is_not_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
