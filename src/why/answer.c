/* SPDX-License-Identifier: GPL-2.0-only */
/* The verdict of `porttrace why` explained: the rules' own words, and ours where nothing was refused. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "why/question.h"
#include "diagnose/cause.h"
#include "diagnose/rules.h"
#include "render/render.h"
#include "util/address.h"

static void explain_claim(struct why_question *question, const struct claim *claim, struct conflict *conflict)
{
	diagnose(claim, &question->holders.failure, question->options.port ? NULL : &question->pool,
		 netns_table_find(model_namespaces(question->model), claim->sock.netns), question->model,
		 question->boot_ns, conflict);
}

/*
 * Who asked for no address did not ask for IPv6 either. Where the one in the way is an IPv4 socket, the
 * answer is that of an IPv4 bind, in which "dual stack" does not occur.
 */
static void explain_refusal(struct why_question *question, struct conflict *conflict)
{
	static const uint8_t any_ipv4[16] = {[10] = 0xff, [11] = 0xff};
	struct claim ipv4 = question->claim;
	const struct wire_sock *first;

	explain_claim(question, &question->claim, conflict);
	if (question->options.family || question->options.flags & WIRE_V6ONLY || !conflict->holder_count)
		return;
	first = &conflict->holders[0]->sock;
	if (first->family != AF_INET && !sock_is_mapped(first))
		return;
	ipv4.sock.family = AF_INET;
	memcpy(ipv4.sock.local_addr, any_ipv4, sizeof(any_ipv4));
	explain_claim(question, &ipv4, conflict);
}

/* diagnose() says nothing of what was not refused. */
static void explain_free(const struct why_question *question, struct conflict *conflict)
{
	const struct pool *pool = &question->pool;
	const struct wire_sock *sk = &question->claim.sock, *sk2 = &question->holders.list[0].sock;

	conflict->cause = NULL;
	conflict->fix[0] = '\0';
	if (!question->options.port && pool->low)
		snprintf(conflict->why, sizeof(conflict->why),
			 "The kernel would find a port: %u of the %u from %u to %u are free for it.",
			 pool->size - pool_taken(pool), pool->size, pool->low, pool->high);
	else if (question->holders.refusing)
		snprintf(conflict->why, sizeof(conflict->why),
			 sock_is_udp(sk) ? "The kernel looks no further than to the newest socket on the port, "
					   "which shares it by SO_REUSEPORT." :
					   "Every socket on the port shared it when it was bound; the kernel "
					   "remembers that, and does not look at what they have become.");
	else if (question->holders.sharing)
		snprintf(conflict->why, sizeof(conflict->why),
			 "%s, so the port can be shared%s.",
			 sk->flags & sk2->flags & WIRE_REUSEADDR && sk2->state != WIRE_TCP_LISTEN ?
				 "Both sides have SO_REUSEADDR" :
				 "Both sides have SO_REUSEPORT, of one user",
			 !sock_is_udp(sk) && sk2->state != WIRE_TCP_LISTEN ? ": nobody listens" : "");
}

/* A claim that would share is refused by what may share as well: who says so must not sound sure. */
static void explain_unseen(const struct why_question *question, struct conflict *conflict)
{
	const struct holder *first = conflict->holders[0];
	char address[ADDRESS_PORT_SIZE];

	if (!conflict->holder_count || first->pid_count || first->sock.state != WIRE_TCP_CLOSE ||
	    first->sock.flags & WIRE_KERNEL_OWNED)
		return;
	address_format_port(first->sock.local_addr, first->sock.local_port, address);
	snprintf(conflict->why, sizeof(conflict->why),
		 "A socket that no process has open (it waits in an unread message, or an io_uring has it) is "
		 "bound to %s%s.", address,
		 !question->walk.done && question->claim.sock.flags & (WIRE_REUSEADDR | WIRE_REUSEPORT) ?
			 "; whether it would share the port cannot be seen" : "");
	snprintf(conflict->fix, sizeof(conflict->fix),
		 "Stop the program that sent it or has yet to receive it, of uid %u, or use another port.",
		 first->sock.uid);
}

/* Those that refuse, whatever else is said first; or those that would share. */
static void list_holders(const struct why_question *question, bool is_free, struct conflict *conflict)
{
	const struct why_holders *holders = &question->holders;
	size_t first = is_free ? holders->refusing : 0;
	size_t count = is_free ? holders->sharing : holders->refusing;

	conflict->holder_count = count;
	conflict->holder_more = is_free ? holders->sharing_more : holders->refusing_more;
	for (size_t i = 0; i < count; i++)
		conflict->holders[i] = &holders->list[first + i];
}

/* What would refuse when this has been mended: an address or a privilege is not all that it takes. */
static const char *explain_later(struct why_question *question, uint32_t error, struct conflict *later)
{
	struct claim claim = question->claim;

	if (error == EADDRINUSE || !question->holders.refusing)
		return NULL;
	claim.error = EADDRINUSE;
	explain_claim(question, &claim, later);
	return later->why;
}

static const char *service_name(const struct wire_sock *sock)
{
	const struct servent *service =
		getservbyport(htons(sock->local_port), sock_is_udp(sock) ? "udp" : "tcp");

	return service ? service->s_name : NULL;
}

int why_report_print(struct why_question *question, uint32_t error)
{
	const struct bind_environment *place = &question->place;
	const struct why_holders *holders = &question->holders;
	const struct renderer *renderer = question->options.output.json ? &render_json : &render_text;
	const struct holder *beside[FAILURE_HOLDERS_MAX];
	struct conflict conflict, later;
	struct render_options options;
	struct render *render;
	int err;

	options_for_render(&question->options.output, &options);
	render = renderer->open(&options);
	if (!render)
		return -ENOMEM;
	question->claim.error = error;
	explain_refusal(question, &conflict);
	if (!error)
		explain_free(question, &conflict);
	if (error == EAFNOSUPPORT)
		snprintf(conflict.why, sizeof(conflict.why), "This network namespace has no IPv6.");
	if (error == EADDRINUSE && question->unseen)
		explain_unseen(question, &conflict);
	list_holders(question, !error, &conflict);
	for (size_t i = 0; i < holders->beside; i++)
		beside[i] = &holders->list[holders->refusing + holders->sharing + i];
	renderer->why(render, &(struct why_report){
		.boot_ns = question->boot_ns,
		.sock = &question->claim.sock,
		.error = error,
		.conflict = &conflict,
		.later = error ? explain_later(question, error, &later) : NULL,
		.beside = beside,
		.beside_count = holders->beside,
		.elsewhere = holders->elsewhere,
		.elsewhere_count = holders->elsewhere_count,
		.elsewhere_more = holders->elsewhere_more,
		.service = service_name(&question->claim.sock),
		.privileged = question->options.port < place->settings.unprivileged_start,
		.reserved = place->reserved[question->options.port],
		.range_low = place->settings.range_low,
		.range_high = place->settings.range_high,
	});
	err = renderer->flush(render, 0);
	renderer->close(render);
	return err;
}
