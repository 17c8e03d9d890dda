/* SPDX-License-Identifier: GPL-2.0-only */
/* A connection, or what is left of one, has the port: what to tell, and what to do about it. */
#include "diagnose/sentence.h"

static uint16_t port_of(const struct finding *f)
{
	return f->claim->sock.local_port;
}

/* TIME_WAITs come last: when one is the primary holder, all are. */
static uint32_t longest_ms(const struct finding *f)
{
	uint32_t longest = 0;

	for (size_t i = 0; i < f->holder_count; i++) {
		if (f->holders[i]->expires_ms > longest)
			longest = f->holders[i]->expires_ms;
	}
	return longest;
}

static bool all_have(const struct finding *f, uint32_t flag)
{
	for (size_t i = 0; i < f->holder_count; i++) {
		if (!(f->holders[i]->sock.flags & flag))
			return false;
	}
	return true;
}

static void append_time_wait(const struct finding *f, char *out)
{
	bool is_seen = holder_task(f->holder)->pid;

	if (f->holder_count > 1)
		sentence_append(out, "%s%zu closed connections, one of them with %s, keep port %u for %s",
		    f->failure->holder_more ? "At least " : "", f->holder_count, holder_peer(f).s,
		    port_of(f), time_left(longest_ms(f)).s);
	else
		sentence_append(out, "A closed connection%s%s with %s keeps port %u for %s",
		    is_seen ? " of " : "", is_seen ? holder_name(f).s : "", holder_peer(f).s,
		    port_of(f), time_left(f->holder->expires_ms).s);
}

void why_time_wait(const struct finding *f, char *out)
{
	append_time_wait(f, out);
	sentence_append(out, ".");
}

void fix_time_wait(const struct finding *f, char *out)
{
	if (all_have(f, WIRE_REUSEADDR))
		sentence_append(out, "set SO_REUSEADDR in %s before its bind().", the_caller(f).s);
	else
		sentence_append(out, "wait, or run 'ss -K state time-wait sport = :%u'; SO_REUSEADDR, set "
		    "before bind() in every run of %s, prevents this the next time.",
		    port_of(f), the_caller(f).s);
}

void why_time_wait_noreuse(const struct finding *f, char *out)
{
	append_time_wait(f, out);
	sentence_append(out, "; it was made without SO_REUSEADDR, so that of %s does not help this time.",
	    the_caller(f).s);
}

void fix_time_wait_noreuse(const struct finding *f, char *out)
{
	sentence_append(out, "wait, or run 'ss -K state time-wait sport = :%u'.", port_of(f));
}

/* Of a socket that no process has any more, who made it. */
static void append_closed(const struct finding *f, char *out)
{
	if (!f->holder->owner.pid)
		sentence_append(out, "The process that had %s", holder_end(f).s);
	else
		sentence_append(out, "%s", task_name(&f->holder->owner).s);
	sentence_append(out, " %s", f->holder->owner_gone ? "is gone" : "has closed its socket");
}

void why_fin_wait2(const struct finding *f, char *out)
{
	append_closed(f, out);
	sentence_append(out, ", but %s has not closed its side; the kernel waits for that for %s.",
	    holder_peer(f).s, time_left(f->holder->expires_ms).s);
}

static const char *reuseaddr_wanted_of(const struct finding *f)
{
	bool mine = f->claim->sock.flags & WIRE_REUSEADDR,
	     theirs = f->holder->sock.flags & WIRE_REUSEADDR;

	return theirs && !mine ? "set SO_REUSEADDR before bind()"
			       : "set SO_REUSEADDR before bind() in every run of the server";
}

void fix_fin_wait2(const struct finding *f, char *out)
{
	sentence_append(out, "%s, or lower net.ipv4.tcp_fin_timeout.", reuseaddr_wanted_of(f));
}

static const char *closing_state(const struct wire_sock *sk)
{
	switch (sk->state) {
	case WIRE_TCP_FIN_WAIT1:
		return "FIN_WAIT1";
	case WIRE_TCP_FIN_WAIT2:
		return "FIN_WAIT2";
	case WIRE_TCP_CLOSING:
		return "CLOSING";
	case WIRE_TCP_LAST_ACK:
		return "LAST_ACK";
	}
	return "closing";
}

void why_orphan(const struct finding *f, char *out)
{
	append_closed(f, out);
	sentence_append(out, ", but the connection with %s has not ended (%s): no process has it any more.",
	    holder_peer(f).s, closing_state(&f->holder->sock));
}

void fix_orphan(const struct finding *f, char *out)
{
	sentence_append(out, "%s, or run 'ss -K sport = :%u'; the kernel gives up after some minutes.",
	    
	    reuseaddr_wanted_of(f), port_of(f));
}

void why_accepted(const struct finding *f, char *out)
{
	sentence_append(out, "%s still has a connection with %s that was accepted on port %u.", the_holder(f).s,
	    holder_peer(f).s, port_of(f));
}

void fix_accepted(const struct finding *f, char *out)
{
	sentence_append(out, "%s, or %s.", stop_holder(f).s, reuseaddr_wanted_of(f));
}

void why_ephemeral(const struct finding *f, char *out)
{
	sentence_append(out, "%s was given port %u as a source port, for its connection to %s.",
	    the_holder(f).s, port_of(f), holder_peer(f).s);
}

void fix_ephemeral(const struct finding *f, char *out)
{
	sentence_append(out, "%s or wait for that connection to end, and put %u into "
	    "net.ipv4.ip_local_reserved_ports, so that no connection is given it again.",
	    stop_holder(f).s, port_of(f));
}

/* Who chose the port of a connection is not always to be known; then "connection" and no more. */
void why_client(const struct finding *f, char *out)
{
	if (f->holder->sock.flags & WIRE_PORT_EPHEMERAL)
		sentence_append(out, "%s has a connection with %s on port %u.", the_holder(f).s,
		    holder_peer(f).s, port_of(f));
	else
		sentence_append(out, "%s bound port %u%s and is connected to %s.", the_holder(f).s, port_of(f),
		    taken_ago(f).s, holder_peer(f).s);
}

void fix_client(const struct finding *f, char *out)
{
	if (f->holder->sock.flags & WIRE_PORT_EPHEMERAL)
		sentence_append(out, "%s, or put %u into net.ipv4.ip_local_reserved_ports if it was chosen by "
		    "chance.",
		    stop_holder(f).s, port_of(f));
	else
		sentence_append(out, "%s, or have it connect without a port of its own "
		    "(IP_BIND_ADDRESS_NO_PORT).",
		    stop_holder(f).s);
}

void why_self_connect(const struct finding *f, char *out)
{
	sentence_append(out, "%s is connected to itself: it tried port %u while nobody listened and was given "
	    "the same port as its own.",
	    the_holder(f).s, port_of(f));
}

void fix_self_connect(const struct finding *f, char *out)
{
	sentence_append(out, "%s, and put %u into net.ipv4.ip_local_reserved_ports.", stop_holder(f).s,
	    port_of(f));
}
