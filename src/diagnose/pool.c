/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How many ports of the range are unusable for one claim. The number of sockets is not the answer: connect()
 * shares a port between destinations, and one bind() makes a port unusable for every connect().
 */
#include <netinet/in.h>
#include <string.h>

#include "diagnose/rules.h"
#include "util/address.h"

/* How a port is used, for this claim. With several sockets on a port the highest value counts. */
enum port_use { PORT_FREE, PORT_TIME_WAIT, PORT_OTHER, PORT_BOUND };

/* Sockets by process: an open hash; processes that do not fit are not counted. */
#define TALLY_SLOTS 512
struct tally_slot {
	const struct wire_task *task;
	uint32_t count, bound, connected;
};
struct tally {
	struct tally_slot slots[TALLY_SLOTS];
};

static void slot_add(struct tally_slot *slot, const struct wire_sock *sk)
{
	slot->count++;
	if (sk->state == WIRE_TCP_TIME_WAIT)
		return;
	if (!sock_is_udp(sk) && sock_is_connected(sk))
		slot->connected++;
	else
		slot->bound++;
}

static void tally_add(struct tally *tally, const struct port_entry *entry, const struct wire_sock *sk)
{
	const struct wire_task *task = &entry->owner;

	if (!task->pid && entry->fds)
		task = &entry->fds->task;
	if (!task->pid)
		return;
	for (uint32_t i = 0, at = task->pid; i < TALLY_SLOTS; i++, at++) {
		struct tally_slot *slot = &tally->slots[at % TALLY_SLOTS];

		if (!slot->task)
			slot->task = task;
		if (slot->task->pid == task->pid) {
			slot_add(slot, sk);
			return;
		}
	}
}

static void tally_top(const struct tally *tally, struct pool *pool)
{
	for (size_t i = 0; i < TALLY_SLOTS; i++) {
		const struct tally_slot *slot = &tally->slots[i];

		if (slot->count <= pool->top_count)
			continue;
		pool->top = *slot->task;
		pool->top_count = slot->count;
		pool->top_bound = slot->bound;
		pool->top_connected = slot->connected;
	}
}

/*
 * Whether bind() made the bind bucket. __inet_hash_connect() (net/ipv4/inet_hashtables.c) skips a bucket with
 * fastreuse >= 0. If the bucket is not known: a connection got its ephemeral port by connect(), accept() or bind()
 * to port 0, and since 6.18 SOCK_CONNECT_BIND marks those of connect(). has_mark: this kernel sets the mark.
 */
static bool is_bound(const struct wire_sock *sk, bool has_mark)
{
	if (sk->flags & (WIRE_SHARED_BUCKET | WIRE_UNSHARED_BUCKET))
		return sk->flags & WIRE_SHARED_BUCKET;
	if (!sock_is_connected(sk) || sk->flags & WIRE_ACCEPTED)
		return true;
	if (sk->state == WIRE_TCP_TIME_WAIT || sk->flags & WIRE_CONNECT_BIND || sk->unknown & WIRE_UNKNOWN_ORIGIN)
		return false;
	return !(sk->flags & WIRE_PORT_EPHEMERAL) || has_mark;
}

static enum port_use use_of(const struct claim *claim, const struct wire_sock *sk2, bool has_mark)
{
	enum overlap overlap;

	if (claim->call == CLAIM_CONNECT && !sock_is_udp(&claim->sock)) {
		if (is_bound(sk2, has_mark))
			return PORT_BOUND;
		if (!tuple_meets(&claim->sock, sk2))
			return PORT_FREE;
	} else if (!sock_refuses(claim, sk2, &overlap)) {
		return PORT_FREE;
	}
	return sk2->state == WIRE_TCP_TIME_WAIT ? PORT_TIME_WAIT : PORT_OTHER;
}

static bool table_has_connect_bind(const struct port_table *table)
{
	const struct port_entry *entry = NULL;

	while ((entry = port_table_next(table, entry))) {
		if (entry->sock.flags & WIRE_CONNECT_BIND)
			return true;
	}
	return false;
}

/*
 * inet_sk_get_local_port_range(): each end of IP_LOCAL_PORT_RANGE counts if it lies in the range of the network
 * namespace.
 */
static void range_of(const struct wire_sock *sk, const struct wire_netns *netns, struct pool *pool)
{
	pool->low = netns->range_low;
	pool->high = netns->range_high;
	if (sk->range_low >= netns->range_low && sk->range_low <= netns->range_high)
		pool->low = sk->range_low;
	if (sk->range_high >= netns->range_low && sk->range_high <= netns->range_high)
		pool->high = sk->range_high;
	pool->size = pool->low <= pool->high ? pool->high - pool->low + 1 : 0;
}

static void take_off(uint32_t *count, uint32_t *excess)
{
	uint32_t less = *count < *excess ? *count : *excess;

	*count -= less;
	*excess -= less;
}

/*
 * Only the number of reserved ports is known, and only of the whole range. The kernel passes over a reserved port
 * before it looks for a socket there, so a port that is reserved and in use counts as reserved. Such a port was
 * bound by number.
 */
static void count_reserved(uint32_t reserved, bool is_own_range, struct pool *pool)
{
	uint32_t in_use = pool->bound + pool->time_wait + pool->other, excess;

	/* Of a part of the range: as many as the refusal needs. */
	if (is_own_range && reserved > pool->size - in_use)
		reserved = pool->size - in_use;
	pool->reserved = reserved < pool->size ? reserved : pool->size;
	excess = in_use + pool->reserved > pool->size ? in_use + pool->reserved - pool->size : 0;
	take_off(&pool->bound, &excess);
	take_off(&pool->other, &excess);
	take_off(&pool->time_wait, &excess);
}

struct count {
	struct claim claim;
	struct pool *pool;
	bool has_mark;
	uint8_t uses[UINT16_MAX + 1];	 /* of each port: enum port_use */
	bool is_closed[UINT16_MAX + 1]; /* to connect(), by bind() */
	bool is_wildcard[UINT16_MAX + 1];
	struct tally tally;
};

static void count_socket(struct count *count, const struct port_entry *entry, const struct wire_sock *sk2)
{
	const struct wire_sock *sk = &count->claim.sock;
	enum port_use use;

	if (sk2->local_port < count->pool->low || sk2->local_port > count->pool->high || !sock_same_ports(sk, sk2) ||
	    (sk2->cookie && sk2->cookie == sk->cookie))
		return;
	use = use_of(&count->claim, sk2, count->has_mark);
	if (!sock_is_udp(sk) && is_bound(sk2, count->has_mark))
		count->is_closed[sk2->local_port] = true;
	if (use == PORT_FREE)
		return;
	if (address_is_wildcard(sk2->local_addr))
		count->is_wildcard[sk2->local_port] = true;
	tally_add(&count->tally, entry, sk2);
	if (use > count->uses[sk2->local_port])
		count->uses[sk2->local_port] = use;
}

static void count_uses(struct count *count, const struct wire_netns *netns)
{
	struct pool *pool = count->pool;
	bool is_own_range = pool->low != netns->range_low || pool->high != netns->range_high;

	pool->time_wait = pool->bound = pool->other = pool->closed = pool->wildcard = 0;
	for (uint32_t port = pool->low; port <= pool->high; port++) {
		pool->time_wait += count->uses[port] == PORT_TIME_WAIT;
		pool->bound += count->uses[port] == PORT_BOUND;
		pool->other += count->uses[port] == PORT_OTHER;
		pool->closed += count->is_closed[port];
		pool->wildcard += count->is_wildcard[port];
	}
	count_reserved(netns->reserved_count, is_own_range, pool);
}

static const struct port_entry *find_in(const struct model *stream, uint64_t cookie)
{
	return stream && cookie ? port_table_find(model_ports((struct model *)stream), cookie) : NULL;
}

/*
 * The scan comes after the refusal. The process may have exited in between: its sockets are gone, or went to TIME_WAIT.
 * The stream has them as they were, because it has not come to those events yet.
 */
static void count_scan(struct count *count, struct model *scan, struct model *stream)
{
	const struct port_entry *entry = NULL;

	while ((entry = port_table_next(model_ports(scan), entry))) {
		const struct port_entry *known = find_in(stream, entry->sock.cookie);
		struct wire_sock sk2 = entry->sock;

		if (known && sk2.state == WIRE_TCP_TIME_WAIT)
			sk2.state = known->sock.state;
		count_socket(count, known && known->owner.pid ? known : entry, &sk2);
	}
}

static void count_gone(struct count *count, struct model *scan, struct model *stream)
{
	const struct port_entry *entry = NULL;

	while ((entry = port_table_next(model_ports(stream), entry))) {
		if (!find_in(scan, entry->sock.cookie))
			count_socket(count, entry, &entry->sock);
	}
}

void pool_count(const struct claim *claim, struct model *scan, struct model *stream, struct pool *pool)
{
	const struct netns_entry *netns = netns_table_find(model_namespaces(scan), claim->sock.netns);
	struct count count = {
		.claim = *claim,
		.pool = pool,
		.has_mark = table_has_connect_bind(model_ports(scan)) ||
			    (stream && table_has_connect_bind(model_ports(stream))),
	};

	memset(pool, 0, sizeof(*pool));
	if (!netns || !netns->now.range_low || netns->now.range_high < netns->now.range_low)
		return;
	range_of(&claim->sock, &netns->now, pool);
	count.claim.sock.local_port = 0;
	/* inet_autobind() of a UDP connect() or send searches the range as bind() does. */
	if (sock_is_udp(&claim->sock))
		count.claim.call = CLAIM_BIND;
	count_scan(&count, scan, stream);
	count_uses(&count, &netns->now);
	if (stream && !pool_is_accounted_for(pool)) {
		count_gone(&count, scan, stream);
		count_uses(&count, &netns->now);
	}
	tally_top(&count.tally, pool);
}

bool tw_reuse_covers(uint32_t tw_reuse, const uint8_t address[16])
{
	return tw_reuse == 1 || (tw_reuse == 2 && address_is_loopback(address));
}

uint32_t pool_taken(const struct pool *pool)
{
	return pool->reserved + pool->bound + pool->time_wait + pool->other;
}

bool pool_is_accounted_for(const struct pool *pool)
{
	return pool_taken(pool) >= pool->size - pool->size / 10;
}

/* If half of the range is free, the kernel finds a port, even if the table lacks a few sockets. */
bool pool_has_room(const struct pool *pool)
{
	return pool && pool_taken(pool) < pool->size / 2;
}
