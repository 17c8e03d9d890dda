/* SPDX-License-Identifier: GPL-2.0-only */
/* Selects holders from the port table; diagnose/rules.h decides which sockets refuse the claim. */
#include "why/holders.h"

#include "stream/holder_details.h"
#include "diagnose/cause.h"
#include "diagnose/rules.h"

enum relation { REFUSES, SHARES, BESIDE, RELATIONS };

struct ranked {
	const struct port_entry *entry;
	enum relation relation;
	unsigned int rank;
	size_t position; /* in the chain */
};

static enum relation relation_of(const struct claim *claim, const struct wire_sock *sock)
{
	enum overlap overlap;

	if (sock_refuses(claim, sock, &overlap))
		return REFUSES;
	return overlap == OVERLAP_NONE ? BESIDE : SHARES;
}

static bool is_before(const struct ranked *a, const struct ranked *b)
{
	return a->relation != b->relation ? a->relation < b->relation : a->rank < b->rank;
}

/* One walk for all of the list: the chain may have tens of thousands. Those not in it are last. */
static void find_positions(struct ranked *list, size_t count, const struct socket_chain *chain)
{
	for (size_t i = 0; i < count; i++)
		list[i].position = chain->count;
	for (size_t position = 0; position < chain->count; position++) {
		for (size_t i = 0; i < count; i++) {
			if (list[i].entry->sock.cookie == chain->sockets[position].sock.cookie)
				list[i].position = position;
		}
	}
}

static bool is_before_in_chain(const struct ranked *a, const struct ranked *b)
{
	return a->position < b->position;
}

static bool is_before_by_rank(const struct ranked *a, const struct ranked *b)
{
	return is_before(a, b) || (!is_before(b, a) && is_before_in_chain(a, b));
}

/* Stable, unlike qsort(): what is not in the chain keeps its order. */
static void sort(struct ranked *list, size_t count, bool (*before)(const struct ranked *a, const struct ranked *b))
{
	for (size_t i = 1; i < count; i++) {
		struct ranked moved = list[i];
		size_t at = i;

		for (; at > 0 && before(&moved, &list[at - 1]); at--)
			list[at] = list[at - 1];
		list[at] = moved;
	}
}

/* Keeps the first FAILURE_HOLDERS_MAX; counts those that do not fit. */
static size_t insert(struct ranked *list, size_t count, size_t more[RELATIONS], struct ranked added)
{
	size_t at = count;

	if (count == FAILURE_HOLDERS_MAX) {
		if (!is_before(&added, &list[count - 1])) {
			more[added.relation]++;
			return count;
		}
		more[list[--at].relation]++;
	}
	for (; at > 0 && is_before(&added, &list[at - 1]); at--)
		list[at] = list[at - 1];
	list[at] = added;
	return count < FAILURE_HOLDERS_MAX ? count + 1 : count;
}

static void add_elsewhere(struct why_holders *holders, const struct claim *claim,
			  const struct port_entry *entry, uint64_t now)
{
	struct claim there = *claim;

	/* Connections in other namespaces, and sockets of the other protocol, are not reported. */
	there.sock.netns = entry->sock.netns;
	if (sock_is_connected(&entry->sock) || !sock_same_ports(&there.sock, &entry->sock))
		return;
	if (holders->elsewhere_count < ELSEWHERE_MAX)
		holder_from_entry(&holders->elsewhere[holders->elsewhere_count++], entry, now);
	else
		holders->elsewhere_more++;
}

void why_holders_find(struct why_holders *holders, const struct claim *claim, const struct socket_chain *chain,
		      struct model *model, uint64_t now)
{
	const struct port_table *ports = model_ports(model);
	struct ranked list[FAILURE_HOLDERS_MAX];
	size_t more[RELATIONS] = {0}, counts[RELATIONS] = {0}, count = 0;

	*holders = (struct why_holders){0};
	for (const struct port_entry *entry = port_table_next(ports, NULL); entry;
	     entry = port_table_next(ports, entry)) {
		const struct wire_sock *sock = &entry->sock;

		/* A half-open connection uses the port of its listener. */
		if (sock->local_port != claim->sock.local_port || sock->state == WIRE_TCP_NEW_SYN_RECV)
			continue;
		if (sock->netns != claim->sock.netns)
			add_elsewhere(holders, claim, entry, now);
		else if (sock_same_ports(&claim->sock, sock))
			count = insert(list, count, more,
				       (struct ranked){entry, relation_of(claim, sock), holder_rank(sock), 0});
	}
	find_positions(list, count, chain);
	sort(list, count, is_before_by_rank);
	for (size_t i = 0; i < count; i++) {
		holder_from_entry(&holders->list[i], list[i].entry, now);
		counts[list[i].relation]++;
	}
	if (chain->count)
		sort(list, count, is_before_in_chain);
	for (size_t i = 0; i < count; i++)
		holder_from_entry(&holders->in_order[i], list[i].entry, now);
	holders->refusing = counts[REFUSES];
	holders->sharing = counts[SHARES];
	holders->beside = counts[BESIDE];
	holders->refusing_more = more[REFUSES];
	holders->sharing_more = more[SHARES];
	holders->beside_more = more[BESIDE];
	holders->failure = (struct failure){
		.id = 1,
		.holders = holders->in_order,
		.holder_count = count,
		.holder_more = more[REFUSES],
	};
}

void why_holders_look_up(struct why_holders *holders, struct lookup *lookup)
{
	holder_details_fill(lookup, holders->list, holders->failure.holder_count);
	holder_details_fill(lookup, holders->in_order, holders->failure.holder_count);
	holder_details_fill(lookup, holders->elsewhere, holders->elsewhere_count);
}
