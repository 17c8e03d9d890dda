/* SPDX-License-Identifier: GPL-2.0-only */
/* Runs the BPF programs that count ports, and computes the pools that a port search has. */
#include "source/port_usage.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "porttrace/port_usage.h"
#include "source/iterator.h"
#include "source/map_reader.h"
#include "util/clock.h"

struct counted {
	struct port_usage_key key;
	struct port_usage_pool pool;
};

struct port_usage_reader {
	struct port_usage *port_usage; /* shared with the programs, as is ports */
	uint8_t *ports;
	struct bpf_link *tcp, *udp;
	struct map_reader *pools;
	int buckets; /* the program */
	struct counted *counted; /* of the last count, most in use first */
	size_t count, capacity;	 /* capacity: that of the map */
	const uint8_t *reserved; /* during port_usage_read() */
	struct port_usage_result result;
};

struct port_usage_reader *port_usage_reader_new(struct kernel *kernel)
{
	struct port_usage_reader *reader = calloc(1, sizeof(*reader));
	struct bpf_program *tcp = kernel_program(kernel, "port_usage_tcp");
	struct bpf_program *udp = kernel_program(kernel, "port_usage_udp");
	struct bpf_program *buckets = kernel_program(kernel, "port_usage_buckets");
	struct bpf_program *read = kernel_program(kernel, "port_usage_pools_read");
	struct bpf_program *clear = kernel_program(kernel, "port_usage_pools_clear");
	const struct bpf_map *pools = kernel_map(kernel, "port_usage_pools");

	if (!reader)
		return NULL;
	reader->port_usage = kernel_port_usage(kernel, &reader->ports);
	if (!reader->port_usage || !tcp || !udp || !buckets) {
		free(reader);
		errno = ENOTSUP;
		return NULL;
	}
	reader->buckets = bpf_program__fd(buckets);
	reader->capacity = bpf_map__max_entries(pools);
	reader->counted = malloc(reader->capacity * sizeof(*reader->counted));
	reader->tcp = reader->counted ? bpf_program__attach_iter(tcp, NULL) : NULL;
	reader->udp = reader->tcp ? bpf_program__attach_iter(udp, NULL) : NULL;
	reader->pools = reader->udp ? map_reader_new(read, clear, pools) : NULL;
	if (!reader->pools) {
		int err = errno;

		port_usage_reader_free(reader);
		errno = err;
		return NULL;
	}
	return reader;
}

void port_usage_reader_free(struct port_usage_reader *reader)
{
	if (!reader)
		return;
	bpf_link__destroy(reader->tcp);
	bpf_link__destroy(reader->udp);
	map_reader_free(reader->pools);
	free(reader->counted);
	free(reader);
}

/* The iterators write the listeners of the range as events. */
static void listener_add(void *context, const char *element)
{
	struct port_usage_reader *reader = context;
	struct port_usage_result *result = &reader->result;
	struct wire_socket event;

	memcpy(&event, element, sizeof(event));
	if (!reader->reserved[event.sock.local_port] && result->listener_count < PORT_USAGE_LISTENERS_MAX)
		result->listeners[result->listener_count++] = event;
}

/* One run of the program covers a part of the range. -ENOTSUP: a run has made no progress. */
static int buckets_walk(struct port_usage_reader *reader)
{
	LIBBPF_OPTS(bpf_test_run_opts, options);
	struct port_usage *port_usage = reader->port_usage;

	port_usage->next_port = port_usage->low;
	while (!port_usage->walked) {
		__u16 at = port_usage->next_port;

		if (bpf_prog_test_run_opts(reader->buckets, &options))
			return -errno;
		if (!port_usage->walked && (port_usage->next_port == at || port_usage->next_port > port_usage->high))
			return -ENOTSUP;
	}
	return 0;
}

static void pool_add(void *context, const char *element)
{
	struct port_usage_reader *reader = context;
	struct counted *counted = &reader->counted[reader->count];

	if (reader->count == reader->capacity)
		return;
	reader->count++;
	memcpy(&counted->key, element, sizeof(counted->key));
	memcpy(&counted->pool, element + sizeof(counted->key), sizeof(counted->pool));
}

/* Reads the map and clears it, so that it holds no memory between two counts. */
static int pools_read(struct port_usage_reader *reader)
{
	int err;

	reader->count = 0;
	err = map_reader_each(reader->pools, pool_add, reader);
	return err ? err : map_reader_clear(reader->pools);
}

static int compare(const void *a, const void *b)
{
	const struct counted *one = a, *other = b;

	return (one->pool.in_use < other->pool.in_use) - (one->pool.in_use > other->pool.in_use);
}

static bool is_of_connect(const struct counted *counted)
{
	return counted->key.remote_port != 0;
}

/* IP_LOCAL_PORT_RANGE: each end is used if it lies in the namespace's range (inet_sk_get_local_port_range()
 * in net/ipv4/inet_connection_sock.c). */
static void range_of(const struct port_usage_pool *pool, const struct wire_netns *netns, struct wire_pool *out)
{
	out->range_low = netns->range_low;
	out->range_high = netns->range_high;
	if (pool->range_low >= netns->range_low && pool->range_low <= netns->range_high)
		out->range_low = pool->range_low;
	if (pool->range_high >= netns->range_low && pool->range_high <= netns->range_high)
		out->range_high = pool->range_high;
}

/*
 * The ports that a search can return. If their number is odd, one connect() leaves out one port, but not
 * always the same (__inet_hash_connect() in net/ipv4/inet_hashtables.c).
 */
static uint32_t capacity_of(const struct port_usage_reader *reader, const struct counted *counted,
			    const struct wire_pool *pool, const uint8_t *reserved)
{
	bool connects = is_of_connect(counted);
	uint32_t capacity = 0;

	for (uint32_t port = pool->range_low; port <= pool->range_high; port++)
		capacity += !reserved[port] && !(connects && reader->ports[port] & PORT_USAGE_BOUND);
	return capacity;
}

static bool is_any_address(const uint8_t addr[16])
{
	static const uint8_t any[16], any_ipv4[16] = {[10] = 0xff, [11] = 0xff};

	return !memcmp(addr, any, sizeof(any)) || !memcmp(addr, any_ipv4, sizeof(any_ipv4));
}

/* A wildcard conflicts with every address, and an address with the wildcards. */
static uint32_t bound_in_use(const struct port_usage_reader *reader, const struct counted *counted)
{
	bool is_udp = counted->key.protocol == IPPROTO_UDP;
	uint32_t in_use = counted->pool.in_use;

	if (is_any_address(counted->key.local_addr))
		return is_udp ? reader->result.udp_in_use : reader->result.tcp_in_use;
	for (size_t i = 0; i < reader->count; i++) {
		const struct counted *other = &reader->counted[i];

		if (!is_of_connect(other) && other->key.protocol == counted->key.protocol &&
		    is_any_address(other->key.local_addr))
			in_use += other->pool.in_use;
	}
	return in_use;
}

static void pool_event(struct port_usage_reader *reader, const struct counted *counted,
		       const struct wire_netns *netns, const uint8_t *reserved)
{
	struct wire_pool *pool = &reader->result.pools[reader->result.pool_count++];

	*pool = (struct wire_pool){
		.hdr = {.size = sizeof(*pool), .kind = WIRE_POOL, .boot_ns = reader->result.end_boot_ns},
		.netns = netns->netns,
		.remote_port = counted->key.remote_port,
		.protocol = counted->key.protocol,
		.in_use = counted->pool.in_use,
		.timewait = counted->pool.timewait,
		.first_parity = counted->pool.first_parity,
	};
	memcpy(pool->local_addr, counted->key.local_addr, sizeof(pool->local_addr));
	memcpy(pool->remote_addr, counted->key.remote_addr, sizeof(pool->remote_addr));
	memcpy(pool->ends, counted->pool.ends, sizeof(pool->ends));
	range_of(&counted->pool, netns, pool);
	pool->capacity = capacity_of(reader, counted, pool, reserved);
	if (!is_of_connect(counted))
		pool->in_use = bound_in_use(reader, counted);
}

/* Of each kind the pools with most ports in use are sent: POOLS_MIN at least, more if they use 1/64 of the
 * range or more; and the busy one. */
#define POOLS_MIN     4
#define POOLS_CONNECT_MAX (PORT_USAGE_POOLS_MAX * 2 / 3)
#define POOL_PART_MIN 64

static bool is_same(const struct port_usage_key *a, const struct port_usage_key *b)
{
	return a->remote_port == b->remote_port && a->protocol == b->protocol &&
	       !memcmp(a->local_addr, b->local_addr, sizeof(a->local_addr)) &&
	       !memcmp(a->remote_addr, b->remote_addr, sizeof(a->remote_addr));
}

static void pools_select(struct port_usage_reader *reader, const struct wire_netns *netns, const uint8_t *reserved,
			 const struct port_usage_key *busy)
{
	uint32_t in_use_min = (netns->range_high - netns->range_low + 1U) / POOL_PART_MIN;
	size_t connects = 0, binds = 0;

	if (reader->count)
		qsort(reader->counted, reader->count, sizeof(*reader->counted), compare);
	for (size_t i = 0; i < reader->count; i++) {
		const struct counted *counted = &reader->counted[i];
		size_t *of_kind = is_of_connect(counted) ? &connects : &binds;
		size_t most = is_of_connect(counted) ? POOLS_CONNECT_MAX : PORT_USAGE_POOLS_MAX - 1 - POOLS_CONNECT_MAX;

		if (busy && is_same(&counted->key, busy)) {
			pool_event(reader, counted, netns, reserved);
			busy = NULL;
			continue;
		}
		if (*of_kind >= most || (*of_kind >= POOLS_MIN && counted->pool.in_use < in_use_min))
			continue;
		++*of_kind;
		pool_event(reader, counted, netns, reserved);
	}
	/* All its connections have ended. */
	if (busy) {
		const struct counted none = {.key = *busy};

		pool_event(reader, &none, netns, reserved);
	}
}

static void ports_count(struct port_usage_reader *reader, const struct wire_netns *netns)
{
	for (uint32_t port = netns->range_low; port <= netns->range_high; port++) {
		reader->result.tcp_in_use += !!(reader->ports[port] & PORT_USAGE_TCP);
		reader->result.udp_in_use += !!(reader->ports[port] & PORT_USAGE_UDP);
		reader->result.tcp_bound += !!(reader->ports[port] & PORT_USAGE_BOUND);
	}
}

int port_usage_read(struct port_usage_reader *reader, const struct wire_netns *netns, const uint8_t *reserved,
		    const struct port_usage_key *busy, const struct port_usage_result **result)
{
	struct port_usage *port_usage = reader->port_usage;
	uint64_t begin = clock_thread_ns();
	int err;

	*result = &reader->result;
	reader->result.tcp_in_use = reader->result.udp_in_use = reader->result.tcp_bound = 0;
	reader->result.pool_count = reader->result.listener_count = 0;
	if (!netns->range_low)
		return -ENODATA;
	memset(reader->ports, 0, PORT_USAGE_PORTS);
	port_usage->low = netns->range_low;
	port_usage->high = netns->range_high;
	port_usage->walked = 0;
	port_usage->timewait_ephemeral = 0;
	reader->reserved = reserved;
	err = iterator_each(reader->tcp, sizeof(struct wire_socket), listener_add, reader);
	if (!err)
		err = iterator_each(reader->udp, sizeof(struct wire_socket), listener_add, reader);
	if (!err)
		err = buckets_walk(reader);
	if (!err)
		err = pools_read(reader);
	reader->result.end_boot_ns = clock_boot_ns();
	reader->result.took_ns = clock_thread_ns() - begin;
	if (err)
		return err;
	reader->result.timewait_ephemeral = port_usage->timewait_ephemeral;
	ports_count(reader, netns);
	pools_select(reader, netns, reserved, busy);
	return 0;
}
