/* SPDX-License-Identifier: GPL-2.0-only */
/* Sentences for refusals where no port was free: in the range, or for one connection. */
#include "diagnose/rules.h"
#include "diagnose/sentence.h"
#include "util/address.h"

static bool is_tcp_connect(const struct finding *f)
{
	return f->claim->call == CLAIM_CONNECT && !sock_is_udp(&f->claim->sock);
}

static void append_range(const struct finding *f, char *out)
{
	if (f->pool)
		sentence_append(out, "from %u to %u", f->pool->low, f->pool->high);
	else if (f->netns && f->netns->now.range_low)
		sentence_append(out, "from %u to %u", f->netns->now.range_low, f->netns->now.range_high);
	else
		sentence_append(out, "of the ephemeral range");
}

/* For a connection, a port may be free with one peer and in use with another. */
static void append_peer(const struct finding *f, char *out)
{
	if (is_tcp_connect(f))
		sentence_append(out, " for connections to %s", claim_peer(f).s);
}

/* The kernel found all ports in use; the table may show only some of them as used. */
static bool is_accounted_for(const struct pool *pool)
{
	return pool && pool_is_accounted_for(pool);
}

static void append_all_in_use(const struct finding *f, char *out)
{
	if (is_accounted_for(f->pool))
		sentence_append(out, "All %s ports ", with_commas(f->pool->size).s);
	else
		sentence_append(out, "No port ");
	append_range(f, out);
	sentence_append(out, is_accounted_for(f->pool) ? " are in use" : " is free");
	append_peer(f, out);
	if (f->pool && !is_accounted_for(f->pool))
		sentence_append(out, ", though only %s of %s are known to be in use",
				with_commas(pool_taken(f->pool)).s, with_commas(f->pool->size).s);
}

static void append_top_user(const struct finding *f, char *out)
{
	uint32_t in_use = f->pool ? pool_taken(f->pool) - f->pool->reserved : 0;

	if (!f->pool || !f->pool->top_count)
		return;
	if (f->pool->top_count > in_use / 2)
		sentence_append(out, ", most by %s", task_name(&f->pool->top).s);
	else
		sentence_append(out, ", %s by %s", with_commas(f->pool->top_count).s, task_name(&f->pool->top).s);
}

void why_range_exhausted(const struct finding *f, char *out)
{
	append_all_in_use(f, out);
	append_top_user(f, out);
	sentence_append(out, ".");
}

void fix_range_exhausted(const struct finding *f, char *out)
{
	if (is_tcp_connect(f))
		sentence_append(out, "close or reuse connections, widen net.ipv4.ip_local_port_range, or use "
				     "more source or destination addresses.");
	else if (address_is_wildcard(f->claim->sock.local_addr)) /* it takes the port on every address */
		sentence_append(out, "close sockets, or widen net.ipv4.ip_local_port_range.");
	else
		sentence_append(out, "close sockets, widen net.ipv4.ip_local_port_range, or bind to more local "
				     "addresses.");
}

void why_range_time_wait(const struct finding *f, char *out)
{
	append_all_in_use(f, out);
	sentence_append(out, ", %s of them by connections closed in the last minute (TIME_WAIT)",
			with_commas(f->pool->time_wait).s);
	append_top_user(f, out);
	sentence_append(out, ".");
}

/*
 * net.ipv4.tcp_tw_reuse: with 1 connect() takes over a TIME_WAIT, with 2 (the default) on loopback only;
 * net/ipv4/tcp_ipv4.c, tcp_twsk_unique().
 */
static bool is_reuse_on(const struct finding *f)
{
	return f->netns && tw_reuse_covers(f->netns->now.tw_reuse, f->claim->sock.remote_addr);
}

void fix_range_time_wait(const struct finding *f, char *out)
{
	sentence_append(out, "keep connections open and reuse them, %slet the peer close first.",
			is_reuse_on(f) ? "widen net.ipv4.ip_local_port_range, or "
				       : "set net.ipv4.tcp_tw_reuse=1 (needs TCP timestamps), or ");
}

void why_range_poisoned(const struct finding *f, char *out)
{
	sentence_append(out, "%s of the %s ports ", with_commas(f->pool->bound).s, with_commas(f->pool->size).s);
	append_range(f, out);
	sentence_append(out, " were taken by bind(), so connect() cannot use them on any address");
	append_top_user(f, out);
	sentence_append(out, ".");
}

void fix_range_poisoned(const struct finding *f, char *out)
{
	sentence_append(out, "set IP_BIND_ADDRESS_NO_PORT before each bind() to port 0 that a connect() follows%s%s.",
			f->pool->top_count ? ", first in " : "",
			f->pool->top_count ? task_name(&f->pool->top).s : "");
}

void why_range_reserved(const struct finding *f, char *out)
{
	sentence_append(out, "%s of the %s ports ", with_commas(f->pool->reserved).s,
			with_commas(f->pool->size).s);
	append_range(f, out);
	sentence_append(out, " are reserved, and none of the others is free");
	append_peer(f, out);
	sentence_append(out, ".");
}

void fix_range_reserved(const struct finding *f, char *out)
{
	(void)f;
	sentence_append(out, "reserve fewer ports (net.ipv4.ip_local_reserved_ports), or widen "
			     "net.ipv4.ip_local_port_range.");
}

void why_tuple_in_use(const struct finding *f, char *out)
{
	sentence_append(out, "%s already has a connection from %s to %s.", the_holder(f).s, holder_endpoint(f).s,
			holder_peer(f).s);
}

void fix_tuple_in_use(const struct finding *f, char *out)
{
	sentence_append(out, "use another source port or address in %s, or let the kernel choose the port.",
			the_caller(f).s);
}

void why_tuple_time_wait(const struct finding *f, char *out)
{
	sentence_append(out, "The last connection from %s to %s is in TIME_WAIT for %s.", holder_endpoint(f).s,
			holder_peer(f).s, time_left(f->holder->expires_ms).s);
}

void fix_tuple_time_wait(const struct finding *f, char *out)
{
	sentence_append(out, "enable TCP timestamps on both sides, use another source port in %s, or wait.",
			the_caller(f).s);
}
