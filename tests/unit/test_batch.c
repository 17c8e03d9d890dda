/* SPDX-License-Identifier: GPL-2.0-only */
/* A batch of ring events: order, size, and events that do not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stream/batch.h"
#include "wire_make.h"

static void events_come_out_in_order(void **state)
{
	struct batch *batch = batch_new();
	const struct wire_hdr *event = NULL;
	uint64_t cookie = 0;

	(void)state;
	assert_true(batch_is_empty(batch));
	assert_null(batch_next(batch, NULL));
	for (uint64_t i = 1; i <= 3; i++) {
		struct wire_release release = make_release(i, i);
		struct wire_socket socket = make_socket(i, i, WIRE_TCP_LISTEN, 42, 3);

		assert_true(batch_add(batch, i == 2 ? &socket.hdr : &release.hdr));
	}
	while ((event = batch_next(batch, event)))
		assert_int_equal(event->boot_ns, ++cookie);
	assert_int_equal(cookie, 3);
	batch_clear(batch);
	assert_true(batch_is_empty(batch));
	batch_free(batch);
}

static void a_batch_is_full_at_its_size(void **state)
{
	struct batch *batch = batch_new();
	struct wire_socket socket = make_socket(1, 7, WIRE_TCP_LISTEN, 42, 3);
	size_t room = batch_room(batch), count = 0;

	(void)state;
	assert_true(room >= 1024);
	while (batch_add(batch, &socket.hdr))
		count++;
	assert_true(count >= room);
	assert_int_equal(batch_room(batch), 0);
	batch_free(batch);
}

static void a_large_event_is_refused(void **state)
{
	struct batch *batch = batch_new();
	struct wire_process process = make_process(1, 42, "");

	(void)state;
	assert_false(batch_add(batch, &process.hdr));
	assert_true(batch_is_empty(batch));
	batch_free(batch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_come_out_in_order),
		cmocka_unit_test(a_batch_is_full_at_its_size),
		cmocka_unit_test(a_large_event_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
