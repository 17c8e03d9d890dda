/* SPDX-License-Identifier: GPL-2.0-only */
/* No port was to be had, from the range or for one connection: what to tell, and what to do about
 * it. */
#include "diagnose/rules.h"
#include "diagnose/sentence.h"
#include "util/address.h"

static bool is_tcp_connect(const struct finding *f)
{
	return f->claim->call == CLAIM_CONNECT && !sock_is_udp(&f->claim->sock);
}

/* "from 32768 to 60999", or no numbers: they are never made up. */
static void append_range(const struct finding *f, char *out)
{
	if (f->pool)
		sentence_append(out, "from %u to %u", f->pool->low, f->pool->high);
	else if (f->netns && f->netns->now.range_low)
		sentence_append(out, "from %u to %u", f->netns->now.range_low, f->netns->now.range_high);
	else
		sentence_append(out, "of the ephemeral range");
}

/* To a connection a port may be free towards one peer and taken towards another. */
static void append_peer(const struct finding *f, char *out)
{
	if (is_tcp_connect(f))
		sentence_append(out, " towards %s", cgroup_seen_peer(f).s);
}

/* The kernel's word is that all are in use; the table may know only some of it. */
static bool is_accounted_for(const struct pool *pool)
{
	return pool && pool_taken(pool) >= pool->size - pool->size / 10;
}

static void append_all_in_use(const struct finding *f, char *out)
{
	if (is_accounted_for(f->pool))
		sentence_append(out, "All %s ports ", amount(f->pool->size).s);
	else
		sentence_append(out, "No port ");
	append_range(f, out);
	sentence_append(out, is_accounted_for(f->pool) ? " are in use" : " is free");
	append_peer(f, out);
	if (f->pool && !is_accounted_for(f->pool))
		sentence_append(out, ", though only %s of %s are known to be in use",
		    amount(pool_taken(f->pool)).s, amount(f->pool->size).s);
}

static void append_top(const struct finding *f, char *out)
{
	uint32_t in_use = f->pool ? pool_taken(f->pool) - f->pool->reserved : 0;

	if (!f->pool || !f->pool->top_count)
		return;
	if (f->pool->top_count > in_use / 2)
		sentence_append(out, ", most by %s", task_name(&f->pool->top).s);
	else
		sentence_append(out, ", %s by %s", amount(f->pool->top_count).s, task_name(&f->pool->top).s);
}

void why_range_exhausted(const struct finding *f, char *out)
{
	append_all_in_use(f, out);
	append_top(f, out);
	sentence_append(out, ".");
}

void fix_range_exhausted(const struct finding *f, char *out)
{
	if (is_tcp_connect(f))
		sentence_append(out, "close or reuse connections, widen net.ipv4.ip_local_port_range, or use "
		    "more source or destination addresses.");
	else
		sentence_append(out, "close sockets, widen net.ipv4.ip_local_port_range, or bind to more local "
		    "addresses.");
}

void why_range_time_wait(const struct finding *f, char *out)
{
	append_all_in_use(f, out);
	sentence_append(out, ", %s of them by connections that were closed in the last minute",
	    amount(f->pool->time_wait).s);
	append_top(f, out);
	sentence_append(out, ".");
}

/* tcp_twsk_unique(): with 1 connect() takes over a TIME_WAIT, with 2 (default) on loopback only. */
static bool reuse_is_on(const struct finding *f)
{
	return f->netns && f->netns->now.tw_reuse == 1;
}

void fix_range_time_wait(const struct finding *f, char *out)
{
	sentence_append(out, "keep connections open and reuse them, %slet the peer close first.",
	    reuse_is_on(f) ? "widen net.ipv4.ip_local_port_range, or "
			   : "set net.ipv4.tcp_tw_reuse=1 (needs TCP timestamps), or ");
}

void why_range_poisoned(const struct finding *f, char *out)
{
	sentence_append(out, "%s of the %s ports ", amount(f->pool->bound).s, amount(f->pool->size).s);
	append_range(f, out);
	sentence_append(out, " were taken by bind(), which closes them to connect() on every address");
	append_top(f, out);
	sentence_append(out, ".");
}

void fix_range_poisoned(const struct finding *f, char *out)
{
	sentence_append(out, "set IP_BIND_ADDRESS_NO_PORT before a bind() to port 0 that a connect() will "
	    "follow%s%s.",
	    f->pool->top_count ? ", above all in " : "",
	    f->pool->top_count ? task_name(&f->pool->top).s : "");
}

void why_range_reserved(const struct finding *f, char *out)
{
	sentence_append(out, "%s of the %s ports ", amount(f->pool->reserved).s, amount(f->pool->size).s);
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
	sentence_append(out, "%s is connected to %s already, by %s.", holder_end(f).s, holder_peer(f).s,
	    the_holder(f).s);
}

void fix_tuple_in_use(const struct finding *f, char *out)
{
	sentence_append(out, "have %s use another source port or address, or leave the port to the kernel.",
	    the_caller(f).s);
}

void why_tuple_time_wait(const struct finding *f, char *out)
{
	sentence_append(out, "The last connection from %s to %s is in TIME_WAIT for %s.", holder_end(f).s,
	    holder_peer(f).s, time_left(f->holder->expires_ms).s);
}

void fix_tuple_time_wait(const struct finding *f, char *out)
{
	sentence_append(out, "enable TCP timestamps on both sides, have %s use another source port, or wait.",
	    the_caller(f).s);
}
