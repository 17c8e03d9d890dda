/* SPDX-License-Identifier: GPL-2.0-only */
/* diagnose() without the sentences: which errnos it explains, which holders it names and in which order. */
#include "scene.h"

static void holders_are_filtered_and_in_order(void **state)
{
	static const enum wire_state states[] = {WIRE_TCP_TIME_WAIT, WIRE_TCP_ESTABLISHED,
						 WIRE_TCP_CLOSE, WIRE_TCP_LISTEN};
	static struct scene scene;
	struct conflict conflict;

	(void)state;
	scene = (struct scene){.claim = make_claim(IPPROTO_TCP, "0.0.0.0", 0)};
	for (size_t i = 0; i < COUNT(states); i++)
		add(&scene, IPPROTO_TCP, "10.0.0.1", 0, states[i]);
	scene_diagnose(&scene, NULL, &conflict);
	assert_int_equal(conflict.holder_count, 4);
	for (size_t i = 0; i < COUNT(states); i++)
		assert_ptr_equal(conflict.holders[i], &scene.holders[3 - i]);
	assert_true(conflict.predicted);

	set_local(&scene.claim.sock, "10.0.0.2");
	memcpy(scene.claim.requested_addr, scene.claim.sock.local_addr, 16);
	set_local(&scene.holders[2].sock, "10.0.0.2");
	scene_diagnose(&scene, NULL, &conflict);
	assert_int_equal(conflict.holder_count, 1);
	assert_ptr_equal(conflict.holders[0], &scene.holders[2]);
	assert_string_equal(conflict.cause, "bound-not-listening");
}

static void an_orphan_comes_before_a_timewait(void **state)
{
	static struct scene scene;
	struct conflict conflict;

	(void)state;
	scene = (struct scene){.claim = make_claim(IPPROTO_TCP, "0.0.0.0", 0)};
	add(&scene, IPPROTO_TCP, "10.0.0.1", 0, WIRE_TCP_TIME_WAIT);
	add(&scene, IPPROTO_TCP, "10.0.0.1", WIRE_ORPHAN, WIRE_TCP_FIN_WAIT1);
	scene_diagnose(&scene, NULL, &conflict);
	assert_string_equal(conflict.cause, "orphan");
	assert_ptr_equal(conflict.holders[1], &scene.holders[0]);
}

static void a_refusal_that_the_rules_allow_is_not_predicted(void **state)
{
	static struct scene scene;
	struct conflict conflict;

	(void)state;
	scene = (struct scene){0};
	tcp(&scene, WIRE_REUSEADDR, WIRE_REUSEADDR, WIRE_TCP_CLOSE);
	scene_diagnose(&scene, NULL, &conflict);
	assert_false(conflict.predicted);
	assert_non_null(strstr(conflict.why, "the socket found on the port does not conflict."));
	assert_int_equal(conflict.holder_count, 0);
	scene.unseen = true;
	scene_diagnose(&scene, NULL, &conflict);
	assert_true(conflict.predicted);
	scene = (struct scene){0};
	refused(&scene, CLAIM_BIND, EACCES, "0.0.0.0");
	scene_diagnose(&scene, NULL, &conflict);
	assert_true(conflict.predicted);
	scene = (struct scene){0};
	automatic(&scene, CLAIM_CONNECT, EADDRNOTAVAIL);
	scene.pool.other = scene.pool.size;
	scene_diagnose(&scene, NULL, &conflict);
	assert_true(conflict.predicted);
	scene.pool.other = 0;
	scene_diagnose(&scene, NULL, &conflict);
	assert_false(conflict.predicted);
}

static void a_claim_without_an_errno_is_predicted(void **state)
{
	static struct scene scene;
	struct conflict conflict;

	(void)state;
	scene = (struct scene){0};
	tcp(&scene, 0, 0, WIRE_TCP_LISTEN);
	scene.claim.error = 0;
	scene_diagnose(&scene, NULL, &conflict);
	assert_string_equal(conflict.cause, "listener-exists");
	scene.holder_count = 0;
	scene_diagnose(&scene, NULL, &conflict);
	assert_string_equal(conflict.cause, "none");
	assert_string_equal(conflict.why, "Port 8080 is free.");
	assert_string_equal(conflict.fix, "");
}

static void errnos_of_ports_and_of_failed_connections_are_explained(void **state)
{
	static const uint32_t wanted[] = {EADDRINUSE, EADDRNOTAVAIL, EACCES,	 EPERM,	      EINVAL,	  EAGAIN,
					  ECONNREFUSED, ETIMEDOUT,   ENETUNREACH, EHOSTUNREACH, ECONNRESET};
	static const uint32_t unwanted[] = {0, EINPROGRESS, EALREADY, ECONNABORTED, EBADF};

	(void)state;
	for (size_t i = 0; i < COUNT(wanted); i++)
		assert_true(diagnose_wanted(wanted[i]));
	for (size_t i = 0; i < COUNT(unwanted); i++)
		assert_false(diagnose_wanted(unwanted[i]));
}

static void claims_from_events(void **state)
{
	struct wire_bind bind = make_bind(5, 1, 977);
	struct wire_listen listen = make_listen(5, 1, 977);
	struct wire_connect connect = make_connect(5, 1, 977);
	struct wire_accept accept = make_accept(5, 1, 977);
	struct claim claim;

	(void)state;
	assert_false(claim_from_event(&bind.hdr, &claim));
	assert_false(claim_from_event(&accept.hdr, &claim));

	bind.error = EADDRINUSE;
	memcpy(bind.requested_addr, bind.sock.local_addr, 16);
	assert_true(claim_from_event(&bind.hdr, &claim));
	assert_int_equal(claim.call, CLAIM_BIND);
	assert_int_equal(claim.sock.local_port, 1001);
	assert_int_equal(claim.requested_port, 1001);
	assert_int_equal(claim.task.pid, 977);
	assert_false(claim.had_port);

	bind.error = EINVAL;
	bind.how = WIRE_BIND_HAD_PORT;
	bind.bound_port = 2000;
	assert_true(claim_from_event(&bind.hdr, &claim));
	assert_true(claim.had_port);
	assert_int_equal(claim.bound_port, 2000);
	assert_int_equal(claim.requested_port, 1001);

	bind = make_bind(5, 1, 977);
	bind.error = EAGAIN;
	bind.how = WIRE_BIND_IMPLICIT;
	assert_true(claim_from_event(&bind.hdr, &claim));
	assert_int_equal(claim.call, CLAIM_SEND);

	listen.error = EADDRINUSE;
	assert_true(claim_from_event(&listen.hdr, &claim));
	assert_int_equal(claim.call, CLAIM_LISTEN);
	assert_int_equal(claim.requested_port, 1001);

	connect.error = EADDRNOTAVAIL;
	connect.requested_port = 0;
	assert_true(claim_from_event(&connect.hdr, &claim));
	assert_int_equal(claim.call, CLAIM_CONNECT);
	assert_int_equal(claim.sock.local_port, 0);
	assert_int_equal(claim.sock.remote_port, 443);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holders_are_filtered_and_in_order),
		cmocka_unit_test(an_orphan_comes_before_a_timewait),
		cmocka_unit_test(a_refusal_that_the_rules_allow_is_not_predicted),
		cmocka_unit_test(a_claim_without_an_errno_is_predicted),
		cmocka_unit_test(errnos_of_ports_and_of_failed_connections_are_explained),
		cmocka_unit_test(claims_from_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
