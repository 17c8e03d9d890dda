/* SPDX-License-Identifier: GPL-2.0-only */
/* Finds the sockets for the question: fills the model from the source, and the chain of the port in the
 * kernel's order. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diagnose/rules.h"
#include "model/wire_check.h"
#include "source/scan_source.h"
#include "system/inet_sockets.h"
#include "util/clock.h"
#include "why/question.h"

#define SEARCHES_MAX 4 /* searches for owners of sockets without a descriptor; each takes up to 0.2 s */

/* Reserved ports are not part of the range, even in use: they must not be counted twice. */
static bool is_in_range(const struct bind_environment *environment, uint16_t port)
{
	return port >= environment->settings.range_low && port <= environment->settings.range_high &&
	       !environment->reserved[port];
}

/* The kernel creates the cookie of a socket at the first query. Without one, any unique number identifies it. */
#define MADE_COOKIE (1ULL << 63)

static void chain_add(struct why_question *question, struct wire_socket *socket)
{
	struct wire_socket *chain = question->chain;
	size_t max = question->chain_max;

	if (!socket->sock.cookie)
		socket->sock.cookie = MADE_COOKIE | question->chain_count;
	if (question->chain_count == max) {
		max = max ? 2 * max : 64;
		chain = realloc(chain, max * sizeof(*chain));
		if (!chain)
			return;
		question->chain = chain;
		question->chain_max = max;
	}
	chain[question->chain_count++] = *socket;
}

static void on_event(void *context, const void *data, size_t size)
{
	struct why_question *question = context;
	union wire_event event;

	if (wire_check(data, size, &event))
		return;
	if (event.hdr.kind == WIRE_SOCKET && event.socket.fd >= 0 && event.socket.fd != WIRE_FDLESS)
		netns_list_add_socket(question->namespaces, event.socket.sock.netns, event.socket.task.pid,
				      event.socket.fd);
	if (event.hdr.kind == WIRE_SOCKET && event.socket.fd < 0 && question->config->port)
		chain_add(question, &event.socket);
	if (event.hdr.kind == WIRE_SOCKET && !question->config->port &&
	    !is_in_range(&question->environment, event.socket.sock.local_port))
		return;
	model_apply(question->lookup.model, &event.hdr);
}

enum why_status why_scan_open(struct why_question *question)
{
	static const struct settings everything;
	const struct kernel_options kernel = {
		.settings = &everything,
		.backend = -1,
		.port = question->config->port,
		.verbose = question->config->verbose,
	};

	question->lookup.source = scan_source_open(&kernel, on_event, question, question->reason, sizeof(question->reason));
	return question->lookup.source ? WHY_ANSWERED : WHY_FAILED;
}

static enum why_status read_environment(struct why_question *question)
{
	int err = bind_environment_read(question->config, &question->caller, question->namespaces,
					&question->environment);

	if (!err)
		return WHY_ANSWERED;
	if (err == -ESRCH)
		snprintf(question->reason, sizeof(question->reason), "there is no network namespace %u",
			 question->caller.netns);
	else
		snprintf(question->reason, sizeof(question->reason), "entering network namespace %u failed: %s",
			 question->caller.netns, strerror(-err));
	return err == -EPERM ? WHY_NOT_ALLOWED : WHY_MISUSED;
}

static enum why_status scan(struct why_question *question, const struct socket_query *query)
{
	int err = question->lookup.source->ops->scan(question->lookup.source, query, on_event, question);

	question->boot_ns = clock_boot_ns();
	if (!err)
		return WHY_ANSWERED;
	snprintf(question->reason, sizeof(question->reason), "reading the sockets failed: %s", strerror(-err));
	return WHY_FAILED;
}

/*
 * Scans one port in every network namespace, because sockets in other namespaces are reported too. The
 * namespace is entered after the scan, which finds namespaces that only a socket keeps.
 */
static enum why_status scan_port(struct why_question *question)
{
	const struct socket_query query = {
		.netns = question->caller.netns,
		.port = question->config->port,
		.protocol = question->config->protocol,
		.device = question->config->device,
		.walk = &question->dump,
	};
	enum why_status status = scan(question, &query);

	return status == WHY_ANSWERED ? read_environment(question) : status;
}

/*
 * Needs the environment, for the reserved ports. Processes matter only when the range is exhausted; reading
 * every descriptor costs as much as the rest of the scan.
 */
static enum why_status scan_range(struct why_question *question, bool with_owners)
{
	const struct socket_query query = {
		.netns = question->caller.netns,
		.port = question->environment.settings.range_low,
		.port_high = question->environment.settings.range_high,
		.idle = !with_owners,
	};

	return scan(question, &query);
}

enum why_status why_scan(struct why_question *question)
{
	enum why_status status;

	if (question->config->port)
		return scan_port(question);
	status = read_environment(question);
	return status == WHY_ANSWERED ? scan_range(question, false) : status;
}

enum why_status why_scan_range_owners(struct why_question *question)
{
	return scan_range(question, true);
}

static bool is_in_chain(const struct why_question *question, uint64_t cookie)
{
	for (size_t i = 0; i < question->chain_count; i++) {
		if (question->chain[i].sock.cookie == cookie)
			return true;
	}
	return false;
}

void why_scan_drop_unmet(struct why_question *question)
{
	struct port_table *ports = model_ports(question->lookup.model);
	const struct port_entry *entry, *next;

	if (!question->dump.done || question->dump.sent < question->dump.found)
		return;
	for (entry = port_table_next(ports, NULL); entry; entry = next) {
		next = port_table_next(ports, entry);
		if (entry->sock.local_port == question->config->port &&
		    sock_same_ports(&question->claim.sock, &entry->sock) && !sock_is_connected(&entry->sock) &&
		    !is_in_chain(question, entry->sock.cookie))
			port_table_drop(ports, entry->sock.cookie);
	}
}

void why_scan_unreferenced(struct why_question *question)
{
	struct lookup *lookup = &question->lookup;
	struct socket_list owners = {0};
	size_t searches = 0;

	for (size_t i = 0; i < question->chain_count; i++) {
		const struct wire_socket *socket = &question->chain[i];
		uint64_t cookie = socket->sock.cookie;
		const struct port_entry *entry = port_table_find(model_ports(lookup->model), cookie);

		if ((entry && entry->fds) || socket->sock.flags & WIRE_KERNEL_OWNED)
			continue;
		socket_list_clear(&owners);
		if (socket->inode && searches++ < SEARCHES_MAX)
			lookup->source->ops->find_fdless_owner(lookup->source, socket, &owners);
		for (size_t j = 0; j < owners.count; j++)
			model_apply(lookup->model, &owners.sockets[j].hdr);
		entry = port_table_find(model_ports(lookup->model), cookie);
		question->unreferenced_count += (!entry || !entry->fds) && !sock_is_connected(&socket->sock);
	}
	socket_list_done(&owners);
}

/* Whether the MPTCP socket of this subflow is in the table: then the subflow is not reported. */
static bool is_known_subflow(struct model *model, const struct wire_sock *sock)
{
	const struct port_table *ports = model_ports(model);

	for (const struct port_entry *entry = port_table_next(ports, NULL); entry;
	     entry = port_table_next(ports, entry)) {
		if (entry->sock.protocol == IPPROTO_MPTCP && entry->sock.netns == sock->netns &&
		    entry->sock.state == WIRE_TCP_CLOSE && entry->sock.family == sock->family &&
		    memcmp(entry->sock.local_addr, sock->local_addr, sizeof(sock->local_addr)) == 0)
			return true;
	}
	return false;
}

static void add_inactive(void *context, const struct wire_socket *socket)
{
	struct why_question *question = context;
	struct wire_socket inactive = *socket;

	if (port_table_find(model_ports(question->lookup.model), inactive.sock.cookie) ||
	    is_known_subflow(question->lookup.model, &inactive.sock))
		return;
	inactive.hdr.boot_ns = question->boot_ns;
	model_apply(question->lookup.model, &inactive.hdr);
	question->unreferenced_count++;
}

void why_scan_inactive(struct why_question *question)
{
	const struct inet_sockets_query query = {
		.netns = question->caller.netns,
		.protocol = IPPROTO_TCP,
		.port = question->config->port,
		.states = INET_SOCKETS_BOUND_INACTIVE,
	};

	if (!question->config->port || sock_is_udp(&question->claim.sock) ||
	    netns_enter(question->namespaces, question->caller.netns))
		return;
	inet_sockets_list(&query, add_inactive, question);
	netns_leave(question->namespaces);
}
