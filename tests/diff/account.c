/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracks the sockets in the port's bind bucket or UDP slot, and the bucket's cached state. */
#include "account.h"

#include "diagnose/rules.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool is_udp(const struct end *end)
{
	return end->sock.protocol == IPPROTO_UDP;
}

bool is_mptcp(const struct end *end)
{
	return end->sock.protocol == IPPROTO_MPTCP;
}

bool is_connected(const struct end *end)
{
	return end->sock.state != WIRE_TCP_CLOSE && end->sock.state != WIRE_TCP_LISTEN;
}

struct end *world_add(struct world *w)
{
	struct end *end = &w->ends[w->count++];

	if (w->count > ENDS)
		abort();
	memset(end, 0, sizeof(*end));
	end->fd = end->peer = end->parent = -1;
	end->sock.cookie = w->count;
	end->sock.netns = 1;
	return end;
}

bool has_bucket(const struct world *w)
{
	for (size_t i = 0; i < w->count; i++) {
		if (w->ends[i].holds && !is_udp(&w->ends[i]))
			return true;
	}
	return false;
}

/* inet_csk_update_fastreuse() */
void bucket_took(struct world *w, const struct claim *claim, bool is_new)
{
	bool reuse = claim->sock.flags & WIRE_REUSEADDR && claim->call == CLAIM_BIND;
	struct bucket *bucket = &w->bucket;
	struct claim match = {.call = CLAIM_LISTEN, .sock = claim->sock, .bucket = bucket};
	struct failure nobody = {0};
	struct holder wall;

	if (is_new)
		memset(bucket, 0, sizeof(*bucket));
	if (is_new && lab.fast_reuse)
		bucket->fastreuse = reuse;
	else if (!reuse)
		bucket->fastreuse = 0;
	if (!(claim->sock.flags & WIRE_REUSEPORT)) {
		bucket->fastreuseport = 0;
		return;
	}
	/* Would the bucket's fastreuse state allow a bind() that the other sockets would refuse? */
	memset(&wall, 0, sizeof(wall));
	wall.sock = claim->sock;
	wall.sock.cookie = UINT64_MAX;
	wall.sock.flags = 0;
	wall.sock.state = WIRE_TCP_LISTEN;
	match.sock.state = WIRE_TCP_CLOSE;
	match.sock.remote_port = 0;
	match.sock.flags &= ~(uint32_t)WIRE_FORCE_REUSE;
	nobody.holders = &wall;
	nobody.holder_count = 1;
	if (!diagnose_verdict(&match, &nobody, NULL))
		return;
	bucket->fastreuseport = is_new && lab.fast_reuse ? BUCKET_REUSEPORT_ANY
							  : BUCKET_REUSEPORT_STRICT;
	bucket->fast = claim->sock;
	bucket->fast.state = 0;
}

/* inet_bind_bucket_destroy(): since 6.18 a bucket that only connect() still uses counts as created by connect(). */
static void bucket_left(struct world *w)
{
	if (!has_bucket(w)) {
		memset(&w->bucket, 0, sizeof(w->bucket));
		return;
	}
	for (size_t i = 0; i < w->count; i++) {
		if (w->ends[i].holds && !is_udp(&w->ends[i]) &&
		    !(w->ends[i].sock.flags & WIRE_CONNECT_BIND))
			return;
	}
	if (lab.unbind_clears)
		w->bucket.fastreuse = w->bucket.fastreuseport = -1;
}

void socket_released(struct world *w, struct end *end)
{
	if (!end->holds)
		return;
	end->holds = false;
	if (!is_udp(end))
		bucket_left(w);
}

/* tcp_set_state(TCP_CLOSE): a listener leaves its reuseport group, and a port that bind() did not request is released. */
void end_closed(struct world *w, struct end *end)
{
	if (end->sock.state == WIRE_TCP_LISTEN)
		end->sock.flags &= ~(uint32_t)WIRE_REUSEPORT_PROG;
	end->sock.state = WIRE_TCP_CLOSE;
	if (!end->port_locked) {
		socket_released(w, end);
		end->sock.flags &= ~(uint32_t)(WIRE_CONNECT_BIND | WIRE_PORT_EPHEMERAL);
		end->sock.local_port = 0;
	}
}

void drop_queue(struct world *w, const struct end *listener)
{
	for (size_t i = 0; i < w->count; i++) {
		struct end *child = &w->ends[i];

		if (!child->queued || child->parent != (int)(listener - w->ends))
			continue;
		child->queued = false;
		socket_released(w, child);
		if (child->peer >= 0)
			close(child->peer);
		child->peer = -1;
	}
}

/* sk_add_node_rcu(): adds a socket at the head, but an IPv6 one with SO_REUSEPORT at the tail. */
void chain_insert(struct world *w, struct end *end)
{
	bool at_tail = end->sock.family == AF_INET6 && end->sock.flags & WIRE_REUSEPORT;

	if (lab.mapped_any_unseen && !is_udp(end) && sock_is_mapped(&end->sock) &&
	    !memcmp(end->sock.local_addr + 12, "\0\0\0\0", 4))
		end->sock.flags |= WIRE_MAPPED_ANY_UNSEEN;
	w->order++;
	end->holds = true;
	end->order = at_tail ? -w->order : w->order;
}

void reset_address(struct end *end)
{
	if (!end->addr_locked)
		local_of(end->fd, end->sock.local_addr);
}

void log_line(const struct world *w, const char *format, ...)
{
	va_list args;

	if (!w->loud)
		return;
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
}
