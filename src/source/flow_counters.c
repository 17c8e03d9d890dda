/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads whole maps: one system call for each of a few thousand flows would cost more than the rest of the
 * interval. */
#include "source/flow_counters.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "porttrace/churn.h"
#include "model/hash.h"
#include "source/map_reader.h"
#include "util/address.h"
#include "util/clock.h"

#define REPORTED_MAX 1024
#define OVERFLOWS_MAX  64

/* The ports that connect() has taken for one address pair, as the last two flow_counters_read() counted them. */
struct pair_key {
	struct port_usage_key pair;
	uint32_t netns;
	uint32_t reserved;
};
struct pair {
	struct pair_key key;
	uint64_t taken, before;
	UT_hash_handle hh;
};

/* Identifies a misuse that was reported. */
struct misuse_key {
	uint64_t start_boot_ns;
	uint32_t pid, netns; /* netns: only where no process is known */
	uint32_t kind;
};

struct flow_counters {
	struct kernel *kernel;
	struct map_reader *flows_reader, *searches_reader, *searches_to_reader;
	int flows, searches; /* maps */
	uint64_t present;    /* flows that the map had when it was read last */
	uint64_t evicted;
	struct misuse_key reported[REPORTED_MAX]; /* a ring: the next one replaces the oldest */
	size_t reported_next;
	/* The flows whose TIME_WAITs were dropped, from the last flow_counters_read(). */
	struct {
		struct churn_flow flow;
		struct wire_task task;
		uint64_t count;
	} overflows[OVERFLOWS_MAX];
	size_t overflow_count;
	struct pair *pairs;
	source_event_fn event;
	void *context;
};

struct flow_counters *flow_counters_new(struct kernel *kernel, source_event_fn event, void *context)
{
	struct bpf_program *read = kernel_program(kernel, "churn_searches_read");
	const struct bpf_map *flows_map = kernel_map(kernel, "churn_flows");
	const struct bpf_map *searches = kernel_map(kernel, "churn_searches");
	struct flow_counters *flows = calloc(1, sizeof(*flows));
	int err;

	if (!flows)
		return NULL;
	flows->kernel = kernel;
	flows->flows = bpf_map__fd(flows_map);
	flows->searches = bpf_map__fd(searches);
	flows->event = event;
	flows->context = context;
	flows->flows_reader = map_reader_new(kernel_program(kernel, "churn_flows_read"), NULL, flows_map);
	if (flows->flows_reader)
		flows->searches_reader = map_reader_new(read, NULL, searches);
	if (flows->searches_reader)
		flows->searches_to_reader = map_reader_new(read, NULL, kernel_map(kernel, "churn_searches_to"));
	if (flows->searches_to_reader)
		return flows;
	err = errno;
	flow_counters_free(flows);
	errno = err;
	return NULL;
}

void flow_counters_free(struct flow_counters *flows)
{
	struct pair *pair, *next;

	if (!flows)
		return;
	HASH_FREE_ALL(flows->pairs, pair, next)
	map_reader_free(flows->flows_reader);
	map_reader_free(flows->searches_reader);
	map_reader_free(flows->searches_to_reader);
	free(flows);
}

static bool is_reported(struct flow_counters *flows, const struct misuse_key *what)
{
	for (size_t i = 0; i < REPORTED_MAX; i++) {
		const struct misuse_key *key = &flows->reported[i];

		if (key->kind == what->kind && key->pid == what->pid &&
		    key->start_boot_ns == what->start_boot_ns && key->netns == what->netns)
			return true;
	}
	flows->reported[flows->reported_next] = *what;
	flows->reported_next = (flows->reported_next + 1) % REPORTED_MAX;
	return false;
}

static void misuse_event(struct flow_counters *flows, const struct wire_sock *sock, const struct wire_task *task,
			 enum wire_misuse_kind kind, uint64_t count, uint32_t limit)
{
	const struct misuse_key what = {
		.start_boot_ns = task->start_boot_ns,
		.pid = task->pid,
		.netns = task->pid ? 0 : sock->netns,
		.kind = kind,
	};
	struct wire_misuse event = {
		.hdr = {.size = sizeof(event), .kind = WIRE_MISUSE, .boot_ns = clock_boot_ns()},
		.sock = *sock,
		.task = *task,
		.count = count,
		.misuse = kind,
		.limit = limit,
	};

	if (!is_reported(flows, &what))
		flows->event(flows->context, &event, sizeof(event));
}

void flow_counters_misuse(struct flow_counters *flows, const struct wire_sock *sock, const struct wire_task *task,
		   enum wire_misuse_kind kind, uint64_t count)
{
	misuse_event(flows, sock, task, kind, count, 0);
}

/* The fields that all sockets of the flow have in common. */
static struct wire_sock sock_of(const struct churn_flow *flow)
{
	struct wire_sock sock = {
		.netns = flow->netns,
		.family = AF_INET6,
		.protocol = flow->protocol,
		.remote_port = flow->remote_port,
		.flags = WIRE_PORT_EPHEMERAL,
	};

	memcpy(sock.local_addr, flow->local_addr, sizeof(sock.local_addr));
	memcpy(sock.remote_addr, flow->remote_addr, sizeof(sock.remote_addr));
	if (address_is_mapped(sock.local_addr) || address_is_mapped(sock.remote_addr))
		sock.family = AF_INET;
	return sock;
}

static struct wire_task task_of(const struct churn_flow *flow, const struct churn_counts *counts)
{
	struct wire_task task = {.pid = flow->pid, .start_boot_ns = counts->start_boot_ns};

	memcpy(task.comm, counts->comm, sizeof(task.comm));
	return task;
}

static void flow_misuse(struct flow_counters *flows, const struct churn_flow *flow,
			const struct churn_counts *counts)
{
	uint64_t bound = counts->values[CHURN_BIND_CONNECT], itself = counts->values[CHURN_SELF_CONNECT];
	struct wire_sock sock = sock_of(flow);
	struct wire_task task = task_of(flow, counts);

	if (bound)
		misuse_event(flows, &sock, &task, WIRE_MISUSE_BIND_CONNECT, bound, 0);
	if (itself) {
		sock.local_port = sock.remote_port;
		misuse_event(flows, &sock, &task, WIRE_MISUSE_SELF_CONNECT, itself, 0);
	}
	if (counts->values[CHURN_TIMEWAIT_OVERFLOW] && flows->overflow_count < OVERFLOWS_MAX) {
		flows->overflows[flows->overflow_count].flow = *flow;
		flows->overflows[flows->overflow_count].task = task;
		flows->overflows[flows->overflow_count++].count = counts->values[CHURN_TIMEWAIT_OVERFLOW];
	}
}

static void flow_event(struct flow_counters *flows, const struct churn_flow *flow,
		       const struct churn_counts *counts)
{
	const __u64 *values = counts->values;
	struct wire_traffic event = {
		.hdr = {.size = sizeof(event), .kind = WIRE_TRAFFIC, .boot_ns = clock_boot_ns()},
		.task = task_of(flow, counts),
		.netns = flow->netns,
		.remote_port = flow->remote_port,
		.protocol = flow->protocol,
		.allocated = values[CHURN_BY_CONNECT] + values[CHURN_BY_BIND] + values[CHURN_BY_AUTOBIND],
		.timewait = values[CHURN_TIMEWAIT],
		.released = values[CHURN_RELEASED],
		.failed = values[CHURN_FAILED_CONNECT] + values[CHURN_FAILED_CONNECT_AGAIN] +
			  values[CHURN_FAILED_BIND] + values[CHURN_FAILED_LISTEN] + values[CHURN_FAILED_SEND],
		.timewait_overflowed = values[CHURN_TIMEWAIT_OVERFLOW],
	};

	memcpy(event.remote_addr, flow->remote_addr, sizeof(event.remote_addr));
	memcpy(event.local_addr, flow->local_addr, sizeof(event.local_addr));
	flows->event(flows->context, &event, sizeof(event));
	flow_misuse(flows, flow, counts);
}

/* The map is the limit of their number. Without memory a pair is not compared. */
static void pair_add(struct flow_counters *flows, const struct churn_flow *flow, uint64_t taken)
{
	struct pair_key key = {
		.pair = {.remote_port = flow->remote_port, .protocol = flow->protocol},
		.netns = flow->netns,
	};
	struct pair *pair;

	memcpy(key.pair.local_addr, flow->local_addr, sizeof(key.pair.local_addr));
	memcpy(key.pair.remote_addr, flow->remote_addr, sizeof(key.pair.remote_addr));
	HASH_FIND(hh, flows->pairs, &key, sizeof(key), pair);
	if (!pair) {
		pair = calloc(1, sizeof(*pair));
		if (!pair)
			return;
		pair->key = key;
		HASH_ADD(hh, flows->pairs, key, sizeof(key), pair);
		if (!pair->hh.tbl) {
			free(pair);
			return;
		}
	}
	pair->taken += taken;
}

/* Before the flows are read again. Drops the pairs that the map no longer has. */
static void pairs_begin(struct flow_counters *flows)
{
	struct pair *pair, *next;

	HASH_ITER(hh, flows->pairs, pair, next) {
		pair->before = pair->taken;
		pair->taken = 0;
		if (pair->before)
			continue;
		HASH_DEL(flows->pairs, pair);
		free(pair);
	}
}

bool flow_counters_busiest(const struct flow_counters *flows, uint32_t netns, struct port_usage_key *busiest)
{
	uint64_t most = 0;

	for (const struct pair *pair = flows->pairs; pair; pair = pair->hh.next) {
		/* A flow that the map evicted counts anew. */
		uint64_t taken = pair->taken > pair->before ? pair->taken - pair->before : 0;

		if (pair->key.netns != netns || taken <= most)
			continue;
		most = taken;
		*busiest = pair->key.pair;
	}
	return most > 0;
}

static void read_flow(void *context, const char *element)
{
	struct flow_counters *flows = context;
	struct churn_counts counts;
	struct churn_flow flow;

	memcpy(&flow, element, sizeof(flow));
	memcpy(&counts, element + sizeof(flow), sizeof(counts));
	flow_event(flows, &flow, &counts);
	if (flow.protocol == IPPROTO_TCP && flow.remote_port && !address_is_wildcard(flow.local_addr))
		pair_add(flows, &flow, counts.values[CHURN_BY_CONNECT]);
	flows->present++;
}

static void read_flows(struct flow_counters *flows)
{
	uint64_t added = kernel_flows_added(flows->kernel);

	flows->present = 0;
	pairs_begin(flows);
	if (map_reader_each(flows->flows_reader, read_flow, flows))
		return;
	if (added > flows->present && added - flows->present > flows->evicted)
		flows->evicted = added - flows->present;
}

uint64_t flow_counters_evicted(const struct flow_counters *flows)
{
	return flows->evicted;
}

static void read_search(void *context, const char *element)
{
	struct flow_counters *flows = context;
	struct churn_search_key key;
	struct churn_search search;
	struct wire_search event;

	memcpy(&key, element, sizeof(key));
	memcpy(&search, element + sizeof(key), sizeof(search));
	event = (struct wire_search){
		.hdr = {.size = sizeof(event), .kind = WIRE_SEARCH, .boot_ns = clock_boot_ns()},
		.netns = key.netns,
		.remote_port = key.remote_port,
		.connects = key.connects,
		.total_ns = search.total_ns,
		.max_ns = search.max_ns,
	};
	memcpy(event.remote_addr, key.remote_addr, sizeof(event.remote_addr));
	memcpy(event.buckets, search.buckets, sizeof(event.buckets));
	flows->event(flows->context, &event, sizeof(event));
}

void flow_counters_read(struct flow_counters *flows)
{
	flows->overflow_count = 0;
	read_flows(flows);
	if (!kernel_times_searches(flows->kernel))
		return;
	map_reader_each(flows->searches_reader, read_search, flows);
	map_reader_each(flows->searches_to_reader, read_search, flows);
}

size_t flow_counters_owners(const struct flow_counters *flows, uint32_t netns, uint32_t *pids, size_t max)
{
	struct churn_flow key, *previous = NULL;
	size_t count = 0;

	for (; count < max && !bpf_map_get_next_key(flows->flows, previous, &key); previous = &key) {
		bool is_known = key.netns != netns;

		for (size_t i = 0; i < count; i++)
			is_known |= pids[i] == key.pid;
		if (!is_known)
			pids[count++] = key.pid;
	}
	return count;
}

void flow_counters_forget(struct flow_counters *flows, uint32_t netns)
{
	for (uint16_t connects = 0; connects < 2; connects++) {
		struct churn_search_key key = {.netns = netns, .connects = connects};

		bpf_map_delete_elem(flows->searches, &key);
	}
}

void flow_counters_overflow(struct flow_counters *flows, const struct wire_netns *netns)
{
	struct wire_sock sock = {.netns = netns->netns, .family = AF_INET, .protocol = IPPROTO_TCP};
	const struct wire_task no_task = {0};
	bool is_known = false;

	for (size_t i = 0; i < flows->overflow_count; i++) {
		if (flows->overflows[i].flow.netns != netns->netns)
			continue;
		sock = sock_of(&flows->overflows[i].flow);
		misuse_event(flows, &sock, &flows->overflows[i].task, WIRE_MISUSE_OVERFLOW,
			     flows->overflows[i].count, netns->tw_max_buckets);
		is_known = true;
	}
	if (!is_known)
		misuse_event(flows, &sock, &no_task, WIRE_MISUSE_OVERFLOW, netns->timewait_overflowed,
			     netns->tw_max_buckets);
}
