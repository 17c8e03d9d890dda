/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The model must accept any event that wire_check() accepts, because a capture may be crafted. The test makes random
 * events of the values at which arithmetic overflows, and reads everything that the model derives from them. The
 * sanitizer build reports undefined behaviour.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/model.h"
#include "model/wire_check.h"
#include "model/wire_filter.h"
#include "wire_make.h"

#define EVENTS 20000

static const uint16_t sizes[] = {
#define X(number, NAME, name, last, has, meaning) [number] = sizeof(struct wire_##name),
	WIRE_KINDS(X)
#undef X
};
#define KINDS (sizeof(sizes) / sizeof(sizes[0]))

/* xorshift64: the same events in every run. */
static uint64_t state_of_random;

static uint64_t random_below(uint64_t end)
{
	state_of_random ^= state_of_random << 13;
	state_of_random ^= state_of_random >> 7;
	state_of_random ^= state_of_random << 17;
	return state_of_random % end;
}

static uint32_t extreme(void)
{
	static const uint32_t words[] = {0, 0, 0, 1, 2, 7, 60000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};

	return words[random_below(sizeof(words) / sizeof(words[0]))];
}

static void make_acceptable(union wire_event *event)
{
	struct wire_sock *sock = (struct wire_sock *)wire_sock_of(&event->hdr);

	if (sock) {
		sock->family = random_below(2) ? AF_INET : AF_INET6;
		sock->state = (uint8_t)random_below(WIRE_TCP_NEW_SYN_RECV + 1);
		sock->cookie = random_below(8);
		sock->netns = (uint32_t)random_below(3);
	}
	switch (event->hdr.kind) {
	case WIRE_CLOSE:
		event->close.next_state = random_below(2) ? WIRE_TCP_TIME_WAIT : 0;
		break;
	case WIRE_TIMEWAIT:
		event->timewait.action = 1 + (uint32_t)random_below(WIRE_TIMEWAIT_OVERFLOW);
		break;
	case WIRE_NETNS:
		event->netns.netns = (uint32_t)random_below(3);
		event->netns.range_low = 0;
		break;
	case WIRE_TRAFFIC:
		event->traffic.netns = (uint32_t)random_below(3);
		break;
	case WIRE_POOL:
		event->pool.netns = (uint32_t)random_below(3);
		event->pool.range_low = 1;
		event->pool.range_high = 65535;
		break;
	case WIRE_SEARCH:
		event->search.netns = (uint32_t)random_below(3);
		event->search.connects = (uint16_t)random_below(2);
		break;
	}
}

static void make_random(union wire_event *event)
{
	uint16_t kind = 1 + (uint16_t)random_below(KINDS - 1);
	uint32_t *words = (uint32_t *)event;

	for (size_t i = 0; i < sizeof(*event) / sizeof(*words); i++)
		words[i] = extreme();
	event->hdr.kind = kind;
	event->hdr.size = sizes[kind];
	make_acceptable(event);
}

static void read_everything(struct model *model, uint64_t failure_id)
{
	const struct port_table *ports = model_ports(model);
	struct churn_towards towards;
	struct churn churn;

	for (uint32_t netns = 0; netns < 3; netns++) {
		const struct pool_entry *pools[4];
		size_t count = pool_table_list(model_pools(model), netns, 0, pools, 4);

		for (size_t i = 0; i < count; i++)
			netns_table_towards(model_namespaces(model), &pools[i]->now, 1, &towards);
		netns_table_churn(model_namespaces(model), netns, &churn);
		model_interface(model, netns, 7);
	}
	for (const struct port_entry *entry = port_table_next(ports, NULL); entry;
	     entry = port_table_next(ports, entry))
		process_table_find(model_processes(model), entry->owner.pid, entry->owner.start_boot_ns);
	model_failure(model, failure_id);
}

static void any_accepted_event_is_applied(void **state)
{
	struct model *model = model_new(&(struct model_limits){.sockets = 6, .timewaits = 3, .processes = 4});
	static struct settings settings;
	union wire_event made, event;
	size_t accepted = 0;

	(void)state;
	state_of_random = 88172645463325252ULL;
	for (size_t i = 0; i < EVENTS; i++) {
		make_random(&made);
		if (wire_check(&made, sizeof(made), &event))
			continue;
		accepted++;
		assert_int_equal(model_apply(model, &event.hdr), 0);
		wire_filter(&settings, &event.hdr);
		read_everything(model, wire_failure_of(&event.hdr));
		if (random_below(8) == 0)
			model_advance(model, (uint64_t)extreme() << 32 | extreme());
	}
	model_free(model);
	assert_true(accepted > EVENTS / 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_accepted_event_is_applied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
