/* SPDX-License-Identifier: GPL-2.0-only */
/* Sentences for refusals where a connection, open or closed, holds the port. */
#include "diagnose/sentence.h"

static uint16_t port_of(const struct finding *f)
{
	return f->claim->sock.local_port;
}

/* TIME_WAITs are ordered last: when the primary holder is one, all holders are. */
static uint32_t longest_ms(const struct finding *f)
{
	uint32_t longest = 0;

	for (size_t i = 0; i < f->holder_count; i++) {
		if (f->holders[i]->expires_ms > longest)
			longest = f->holders[i]->expires_ms;
	}
	return longest;
}

static void append_time_wait(const struct finding *f, char *out)
{
	bool is_owner_known = holder_task(f->holder)->pid;

	if (f->holder_count > 1)
		sentence_append(out, "%s%zu closed connections, one of them with %s, hold port %u in TIME_WAIT for %s",
				f->failure->holder_more ? "At least " : "", f->holder_count, holder_peer(f).s,
				port_of(f), time_left(longest_ms(f)).s);
	else
		sentence_append(out, "A closed connection%s%s with %s holds port %u in TIME_WAIT for %s",
				is_owner_known ? " of " : "", is_owner_known ? holder_name(f).s : "",
				holder_peer(f).s, port_of(f), time_left(f->holder->expires_ms).s);
}

void why_time_wait(const struct finding *f, char *out)
{
	append_time_wait(f, out);
	sentence_append(out, ".");
}

void why_time_wait_noreuse(const struct finding *f, char *out)
{
	append_time_wait(f, out);
	sentence_append(out, "; its socket did not set SO_REUSEADDR, so SO_REUSEADDR in %s does not help this time.",
			the_caller(f).s);
}

/* What the process that took the port has done with its socket. */
static void append_closed(const struct finding *f, char *out)
{
	if (!f->holder->owner.pid)
		sentence_append(out, "The process that had %s", holder_endpoint(f).s);
	else
		sentence_append(out, "%s", task_name(&f->holder->owner).s);
	sentence_append(out, f->holder->owner_gone ? " has exited" : " has closed its socket");
}

void why_fin_wait2(const struct finding *f, char *out)
{
	append_closed(f, out);
	sentence_append(out, ", but %s has not closed its side; the kernel holds the port for %s.",
			holder_peer(f).s, time_left(f->holder->expires_ms).s);
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
	sentence_append(out, ", but its connection with %s has not ended (%s); no process has it open any more.",
			holder_peer(f).s, closing_state(&f->holder->sock));
}

void why_accepted(const struct finding *f, char *out)
{
	sentence_append(out, "%s still has a connection with %s that was accepted on port %u.", the_holder(f).s,
			holder_peer(f).s, port_of(f));
}

void why_ephemeral(const struct finding *f, char *out)
{
	sentence_append(out, "The kernel gave port %u to %s as the source port of its connection to %s.",
			port_of(f), the_holder(f).s, holder_peer(f).s);
}

/* Before 6.18, and without BPF, the kernel does not always show whether bind() or connect() chose a connection's port. */
void why_client(const struct finding *f, char *out)
{
	if (f->holder->sock.flags & WIRE_PORT_EPHEMERAL || f->holder->sock.unknown & WIRE_UNKNOWN_ORIGIN)
		sentence_append(out, "%s has a connection with %s on port %u.", the_holder(f).s,
				holder_peer(f).s, port_of(f));
	else
		sentence_append(out, "%s bound port %u%s and is connected to %s.", the_holder(f).s, port_of(f),
				bound_ago(f).s, holder_peer(f).s);
}

void why_self_connect(const struct finding *f, char *out)
{
	sentence_append(out,
			"%s is connected to itself: it connected to port %u while no process listened there, and "
			"the kernel chose the same port as the source port.",
			the_holder(f).s, port_of(f));
}
