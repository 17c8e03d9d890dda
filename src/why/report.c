/* SPDX-License-Identifier: GPL-2.0-only */
/* Explains the predicted result of the bind() and hands the report to the renderer. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "why/question.h"
#include "diagnose/rules.h"
#include "render/render.h"
#include "util/address.h"

static void explain_claim(struct why_question *question, const struct claim *claim, struct conflict *conflict)
{
	diagnose(claim, &question->holders.failure, question->config->port ? NULL : &question->pool,
		 netns_table_find(model_namespaces(question->lookup.model), claim->sock.netns), question->lookup.model,
		 question->boot_ns, conflict);
}

/*
 * A question without an address is not about IPv6. If the holder is an IPv4 socket, explain an IPv4 bind(),
 * so that the answer does not mention IPV6_V6ONLY.
 */
static void explain_refusal(struct why_question *question, struct conflict *conflict)
{
	static const uint8_t any_ipv4[16] = {[10] = 0xff, [11] = 0xff};
	struct claim ipv4 = question->claim;
	const struct wire_sock *first;

	explain_claim(question, &question->claim, conflict);
	if (question->config->family || question->config->flags & WIRE_V6ONLY || !conflict->holder_count)
		return;
	first = &conflict->holders[0]->sock;
	if (first->family != AF_INET && !sock_is_mapped(first))
		return;
	ipv4.sock.family = AF_INET;
	memcpy(ipv4.sock.local_addr, any_ipv4, sizeof(any_ipv4));
	explain_claim(question, &ipv4, conflict);
}

/* diagnose() explains refusals; the reasons why a port is free or can be shared are written here. */
static void explain_free(const struct why_question *question, struct conflict *conflict)
{
	const struct pool *pool = &question->pool;
	const struct wire_sock *sk = &question->claim.sock, *sk2 = &question->holders.list[0].sock;

	conflict->cause = NULL;
	conflict->fix[0] = '\0';
	if (!question->config->port && pool->low)
		snprintf(conflict->why, sizeof(conflict->why),
			 "The kernel can choose a port: %u of the %u ports from %u to %u are free.",
			 pool->size - pool_taken(pool), pool->size, pool->low, pool->high);
	else if (question->holders.refusing)
		snprintf(conflict->why, sizeof(conflict->why),
			 sock_is_udp(sk) ? "The kernel compares only the newest socket on the port, which shares it "
					   "by SO_REUSEPORT." :
					   "Every socket on the port shared it when it was bound; the kernel "
					   "relies on that and does not compare their present options.");
	else if (question->holders.sharing)
		snprintf(conflict->why, sizeof(conflict->why),
			 "%s, so the port can be shared%s.",
			 sk->flags & sk2->flags & WIRE_REUSEADDR && sk2->state != WIRE_TCP_LISTEN ?
				 "Both sockets have SO_REUSEADDR" :
				 "Both sockets have SO_REUSEPORT and belong to one uid",
			 !sock_is_udp(sk) && sk2->state != WIRE_TCP_LISTEN ? ": no socket listens on it" : "");
}

/* sock_diag does not report reuse options, so whether such a socket would share the port is unknown. */
static void explain_unreferenced(const struct why_question *question, struct conflict *conflict)
{
	const struct holder *first = conflict->holders[0];
	char address[ADDRESS_PORT_SIZE];

	if (!conflict->holder_count || first->pid_count || first->sock.state != WIRE_TCP_CLOSE ||
	    first->sock.flags & WIRE_KERNEL_OWNED)
		return;
	address_format_bound(first->sock.local_addr, first->sock.local_port, first->sock.flags & WIRE_V6ONLY, address);
	snprintf(conflict->why, sizeof(conflict->why),
		 "A socket that no process has open (it is in an unread message, or registered with an io_uring) "
		 "is bound to %s%s.", address,
		 !question->dump.done && question->claim.sock.flags & (WIRE_REUSEADDR | WIRE_REUSEPORT) ?
			 "; whether it would share the port is unknown" : "");
	snprintf(conflict->fix, sizeof(conflict->fix),
		 "Stop the program of uid %u that sent the message or must receive it, or use another port.",
		 first->sock.uid);
}

/* Lists the holders of the report: those that conflict, or, if the port is free, those that would share it. */
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

/* Explains the refusal by a holder that would follow after the address or privilege is fixed. NULL: none
 * would. */
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

int why_report_print(struct why_question *question, const struct why_answer *answer, const struct renderer *renderer,
		     const struct render_options *options)
{
	const struct bind_environment *environment = &question->environment;
	const struct why_holders *holders = &question->holders;
	const struct holder *beside[FAILURE_HOLDERS_MAX];
	struct conflict conflict, later;
	struct render *render = renderer->open(options);
	uint32_t error = answer->error;
	int err;

	if (!render)
		return -ENOMEM;
	question->claim.error = error;
	explain_refusal(question, &conflict);
	if (!error)
		explain_free(question, &conflict);
	if (error == EAFNOSUPPORT)
		snprintf(conflict.why, sizeof(conflict.why), "This network namespace has no IPv6.");
	if (error == EADDRINUSE && question->unreferenced_count)
		explain_unreferenced(question, &conflict);
	list_holders(question, !error, &conflict);
	for (size_t i = 0; i < holders->beside; i++)
		beside[i] = &holders->list[holders->refusing + holders->sharing + i];
	renderer->why(render, &(struct why_report){
		.boot_ns = question->boot_ns,
		.sock = &question->claim.sock,
		.error = error,
		.error_with_reuseaddr = answer->error_with_reuseaddr,
		.is_uncertain = answer->is_uncertain,
		.is_uncertain_with_reuseaddr = answer->is_uncertain_with_reuseaddr,
		.conflict = &conflict,
		.later = error ? explain_later(question, error, &later) : NULL,
		.beside = beside,
		.beside_count = holders->beside,
		.elsewhere = holders->elsewhere,
		.elsewhere_count = holders->elsewhere_count,
		.elsewhere_more = holders->elsewhere_more,
		.service = service_name(&question->claim.sock),
		.privileged = question->config->port < environment->settings.unprivileged_start,
		.reserved = environment->reserved[question->config->port],
		.range_low = environment->settings.range_low,
		.range_high = environment->settings.range_high,
	});
	err = renderer->flush(render, 0);
	renderer->close(render);
	return err;
}
