/* SPDX-License-Identifier: GPL-2.0-only */
/* Runs the census of the kernel side and makes of its counts what a search for a port would find. */
#include "source/census.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "porttrace/census.h"
#include "util/clock.h"

#define BATCH	    512
#define BUFFER_SIZE 65536

struct counted {
	struct census_key key;
	struct census_pool pool;
};

struct census_taker {
	struct census *census; /* shared with the programs, as is ports */
	uint8_t *ports;
	int pools; /* the map */
	struct bpf_link *tcp, *udp;
	int buckets; /* the program */
	struct counted *counted; /* the last census, most in use first */
	size_t count, capacity;
	struct census_result result;
	char buffer[BUFFER_SIZE];
};

struct census_taker *census_taker_new(struct kernel *kernel)
{
	struct census_taker *taker = calloc(1, sizeof(*taker));
	struct bpf_program *tcp = kernel_program(kernel, "census_tcp");
	struct bpf_program *udp = kernel_program(kernel, "census_udp");
	struct bpf_program *buckets = kernel_program(kernel, "census_buckets");

	if (!taker)
		return NULL;
	taker->census = kernel_census(kernel, &taker->ports);
	if (!taker->census || !tcp || !udp || !buckets) {
		free(taker);
		errno = ENOTSUP;
		return NULL;
	}
	taker->buckets = bpf_program__fd(buckets);
	taker->pools = bpf_map__fd(kernel_map(kernel, "census_pools"));
	taker->tcp = bpf_program__attach_iter(tcp, NULL);
	taker->udp = taker->tcp ? bpf_program__attach_iter(udp, NULL) : NULL;
	if (!taker->udp) {
		int err = errno;

		census_taker_free(taker);
		errno = err;
		return NULL;
	}
	return taker;
}

void census_taker_free(struct census_taker *taker)
{
	if (!taker)
		return;
	bpf_link__destroy(taker->tcp);
	bpf_link__destroy(taker->udp);
	free(taker->counted);
	free(taker);
}

/* Events of the iterator: listeners of the range. */
static size_t listeners_take(struct census_taker *taker, size_t size, const uint8_t *reserved)
{
	struct census_result *result = &taker->result;
	size_t at = 0;

	for (; size - at >= sizeof(struct wire_socket); at += sizeof(struct wire_socket)) {
		struct wire_socket event;

		memcpy(&event, taker->buffer + at, sizeof(event));
		if (!reserved[event.sock.local_port] && result->listener_count < CENSUS_LISTENERS_MAX)
			result->listeners[result->listener_count++] = event;
	}
	memmove(taker->buffer, taker->buffer + at, size - at);
	return size - at;
}

static int iterator_run(struct census_taker *taker, struct bpf_link *link, const uint8_t *reserved)
{
	int fd = bpf_iter_create(bpf_link__fd(link)), err = 0;
	size_t held = 0;
	ssize_t got;

	if (fd < 0)
		return -errno;
	for (;;) {
		got = read(fd, taker->buffer + held, BUFFER_SIZE - held);
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (got <= 0)
			break;
		held = listeners_take(taker, held + (size_t)got, reserved);
	}
	if (got < 0)
		err = -errno;
	close(fd);
	return err;
}

/* In as many parts as it takes; -ENOTSUP: it gets nowhere. */
static int buckets_walk(struct census_taker *taker)
{
	LIBBPF_OPTS(bpf_test_run_opts, options);
	struct census *census = taker->census;

	census->at = census->low;
	while (!census->walked) {
		__u16 at = census->at;

		if (bpf_prog_test_run_opts(taker->buckets, &options))
			return -errno;
		if (!census->walked && (census->at == at || census->at > census->high))
			return -ENOTSUP;
	}
	return 0;
}

static int pool_add(struct census_taker *taker, const struct census_key *key, const struct census_pool *pool)
{
	if (taker->count == taker->capacity) {
		size_t capacity = taker->capacity ? 2 * taker->capacity : 64;
		struct counted *counted = realloc(taker->counted, capacity * sizeof(*counted));

		if (!counted)
			return -ENOMEM;
		taker->counted = counted;
		taker->capacity = capacity;
	}
	taker->counted[taker->count++] = (struct counted){.key = *key, .pool = *pool};
	return 0;
}

/* Reads the map and empties it: between two looks it takes no memory. */
static int pools_take(struct census_taker *taker)
{
	static struct census_pool pools[BATCH];
	static struct census_key keys[BATCH];
	__u32 batch, count;
	int err = 0, failed = 0;

	taker->count = 0;
	for (void *in = NULL; !failed; in = &batch) {
		count = BATCH;
		failed = bpf_map_lookup_and_delete_batch(taker->pools, in, &batch, keys, pools, &count, NULL);
		if (failed && errno != ENOENT)
			return -errno;
		for (__u32 i = 0; i < count && !err; i++)
			err = pool_add(taker, &keys[i], &pools[i]);
	}
	return err;
}

static int compare(const void *a, const void *b)
{
	const struct counted *one = a, *other = b;

	return (one->pool.in_use < other->pool.in_use) - (one->pool.in_use > other->pool.in_use);
}

static bool is_for_connect(const struct counted *counted)
{
	return counted->key.remote_port != 0;
}

/* IP_LOCAL_PORT_RANGE: each of its ends counts if it lies in the range (inet_sk_get_local_port_range()). */
static void range_of(const struct census_pool *pool, const struct wire_netns *netns, struct wire_pool *out)
{
	out->range_low = netns->range_low;
	out->range_high = netns->range_high;
	if (pool->range_low >= netns->range_low && pool->range_low <= netns->range_high)
		out->range_low = pool->range_low;
	if (pool->range_high >= netns->range_low && pool->range_high <= netns->range_high)
		out->range_high = pool->range_high;
}

/*
 * The ports that a search may come upon. Of an odd number connect() leaves one out each time, but not always
 * the same one (__inet_hash_connect()).
 */
static uint32_t capacity_of(const struct census_taker *taker, const struct counted *counted,
			    const struct wire_pool *pool, const uint8_t *reserved)
{
	bool connects = is_for_connect(counted);
	uint32_t capacity = 0;

	for (uint32_t port = pool->range_low; port <= pool->range_high; port++)
		capacity += !reserved[port] && !(connects && taker->ports[port] & CENSUS_BOUND);
	return capacity;
}

static bool is_any_address(const uint8_t addr[16])
{
	static const uint8_t any[16], any_ipv4[16] = {[10] = 0xff, [11] = 0xff};

	return !memcmp(addr, any, sizeof(any)) || !memcmp(addr, any_ipv4, sizeof(any_ipv4));
}

/* A wildcard meets all addresses, and each address the wildcards. */
static uint32_t bound_in_use(const struct census_taker *taker, const struct counted *counted)
{
	bool is_udp = counted->key.protocol == IPPROTO_UDP;
	uint32_t in_use = counted->pool.in_use;

	if (is_any_address(counted->key.local_addr))
		return is_udp ? taker->result.udp_in_use : taker->result.tcp_in_use;
	for (size_t i = 0; i < taker->count; i++) {
		const struct counted *other = &taker->counted[i];

		if (!is_for_connect(other) && other->key.protocol == counted->key.protocol &&
		    is_any_address(other->key.local_addr))
			in_use += other->pool.in_use;
	}
	return in_use;
}

static void pool_event(struct census_taker *taker, const struct counted *counted,
		       const struct wire_netns *netns, const uint8_t *reserved)
{
	struct wire_pool *pool = &taker->result.pools[taker->result.pool_count++];

	*pool = (struct wire_pool){
		.hdr = {.size = sizeof(*pool), .kind = WIRE_POOL, .boot_ns = taker->result.end_boot_ns},
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
	pool->capacity = capacity_of(taker, counted, pool, reserved);
	if (!is_for_connect(counted))
		pool->in_use = bound_in_use(taker, counted);
}

/* Pools as good as empty are only noise, unless there are no others. */
#define FEW		4
#define NOTEWORTHY_PART 64

static void pools_choose(struct census_taker *taker, const struct wire_netns *netns, const uint8_t *reserved)
{
	uint32_t noteworthy = (netns->range_high - netns->range_low + 1U) / NOTEWORTHY_PART;
	size_t connects = 0, binds = 0;

	if (taker->count)
		qsort(taker->counted, taker->count, sizeof(*taker->counted), compare);
	for (size_t i = 0; i < taker->count; i++) {
		const struct counted *counted = &taker->counted[i];
		size_t *of_kind = is_for_connect(counted) ? &connects : &binds;
		size_t most = is_for_connect(counted) ? CENSUS_POOLS_MAX * 2 / 3 : CENSUS_POOLS_MAX / 3;

		if (*of_kind >= most || (*of_kind >= FEW && counted->pool.in_use < noteworthy))
			continue;
		++*of_kind;
		pool_event(taker, counted, netns, reserved);
	}
}

static void ports_count(struct census_taker *taker, const struct wire_netns *netns)
{
	for (uint32_t port = netns->range_low; port <= netns->range_high; port++) {
		taker->result.tcp_in_use += !!(taker->ports[port] & CENSUS_TCP);
		taker->result.udp_in_use += !!(taker->ports[port] & CENSUS_UDP);
		taker->result.tcp_bound += !!(taker->ports[port] & CENSUS_BOUND);
	}
}

/* What it cost, not how long others made it wait. */
static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

int census_take(struct census_taker *taker, const struct wire_netns *netns, const uint8_t *reserved,
		const struct census_result **result)
{
	struct census *census = taker->census;
	uint64_t begin = cpu_ns();
	int err;

	*result = &taker->result;
	taker->result.tcp_in_use = taker->result.udp_in_use = taker->result.tcp_bound = 0;
	taker->result.pool_count = taker->result.listener_count = 0;
	if (!netns->range_low)
		return -ENODATA;
	memset(taker->ports, 0, CENSUS_PORTS);
	census->low = netns->range_low;
	census->high = netns->range_high;
	census->walked = 0;
	census->timewait_chosen = 0;
	err = iterator_run(taker, taker->tcp, reserved);
	if (!err)
		err = iterator_run(taker, taker->udp, reserved);
	if (!err)
		err = buckets_walk(taker);
	if (!err)
		err = pools_take(taker);
	taker->result.end_boot_ns = clock_boot_ns();
	taker->result.took_ns = cpu_ns() - begin;
	if (err)
		return err;
	taker->result.timewait_chosen = census->timewait_chosen;
	ports_count(taker, netns);
	pools_choose(taker, netns, reserved);
	return 0;
}
