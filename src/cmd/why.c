/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * porttrace why: one port, from a look at the sockets that have it. The kernel's rules are applied to a
 * bind that nobody makes.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/output.h"
#include "stream/lookup.h"
#include "why/inactive_sockets.h"
#include "why/question.h"
#include "diagnose/cause.h"
#include "diagnose/rules.h"
#include "model/wire_check.h"
#include "probe/features.h"
#include "source/live.h"
#include "util/address.h"
#include "util/clock.h"

#define UNSEEN_MAX   64
#define SEARCHES_MAX 4 /* a fifth of a second each */

/* A port can have as many connections as it has peers, and every one of them counts. */
static const struct model_limits limits = {.sockets = 4 * 1024 * 1024};

/* A reserved port is out of the range whoever has it: it must not count twice. */
static bool is_of_range(const struct bind_environment *place, uint16_t port)
{
	return port >= place->settings.range_low && port <= place->settings.range_high &&
	       !place->reserved[port];
}

/* Only what has been asked about has a cookie; to tell the rest apart any number will do. */
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
	if (event.hdr.kind == WIRE_SOCKET && event.socket.fd < 0 && question->options.port)
		chain_add(question, &event.socket);
	if (event.hdr.kind == WIRE_SOCKET && !question->options.port &&
	    !is_of_range(&question->place, event.socket.sock.local_port))
		return;
	model_apply(question->model, &event.hdr);
}

static void bucket_fill(struct bucket *bucket, const struct bucket_dump *walk)
{
	*bucket = (struct bucket){
		.fastreuse = walk->fastreuse,
		.fastreuseport = walk->fastreuseport,
		.fast = {
			.uid = walk->fast_uid,
			.family = walk->fast_family,
			.flags = walk->fast_v6only ? WIRE_V6ONLY : 0,
		},
	};
	memcpy(bucket->fast.local_addr, walk->fast_addr, sizeof(bucket->fast.local_addr));
}

/* Every address means the IPv6 wildcard, which has the IPv4 ports as well: most servers bind that. */
static void make_claim(struct why_question *question)
{
	static const uint8_t any_ipv4[16] = {[10] = 0xff, [11] = 0xff};
	const struct why_options *options = &question->options;
	const struct bind_environment *place = &question->place;
	struct claim *claim = &question->claim;
	uint16_t family = options->family;

	if (!family)
		family = place->has_ipv6 || options->flags & WIRE_V6ONLY ? AF_INET6 : AF_INET;
	*claim = (struct claim){
		.call = CLAIM_BIND,
		.sock = {
			.netns = question->caller.netns,
			.uid = question->caller.uid,
			.ifindex = place->ifindex,
			.flags = options->flags,
			.family = family,
			.protocol = options->protocol,
			.local_port = options->port,
			.state = WIRE_TCP_CLOSE,
		},
		.task = question->caller.task,
		.address_tentative = place->is_tentative,
		.has_net_bind_service = place->is_privileged,
		.autobind_reuse = place->autobind_reuse,
	};
	if (question->walk.has_bucket) {
		bucket_fill(&question->bucket, &question->walk);
		claim->bucket = &question->bucket;
	}
	/* Told by functions of the kernel, which takes a while to read. */
	for (size_t i = 0; options->flags & WIRE_REUSEPORT && i < question->chain_count; i++) {
		if (question->chain[i].sock.flags & WIRE_ORPHAN) {
			claim->orphan_is_root = features_orphan_is_root();
			break;
		}
	}
	memcpy(claim->sock.local_addr, options->address, sizeof(claim->sock.local_addr));
	if (family == AF_INET && !address_is_mapped(options->address))
		memcpy(claim->sock.local_addr, any_ipv4, sizeof(any_ipv4));
	if (options->family == AF_INET6 && place->is_v6only)
		claim->sock.flags |= WIRE_V6ONLY;
}

/* Is there none? pool.low 0: the range could not be read. */
static bool is_exhausted(const struct pool *pool)
{
	return pool->low && pool_taken(pool) >= pool->size;
}

/* IPv4 asks for the address before the privilege, IPv6 after it, but for what no socket can bind. */
static uint32_t decide(const struct why_question *question, const struct netns_entry *netns)
{
	const struct bind_environment *place = &question->place;
	bool is_privileged = question->options.port &&
			     question->options.port < place->settings.unprivileged_start &&
			     !place->is_privileged;
	bool is_multicast = question->claim.sock.family == AF_INET6 &&
			    question->claim.sock.local_addr[0] == 0xff;

	if (place->error && (question->claim.sock.family == AF_INET || is_multicast || !is_privileged))
		return place->error;
	if (!question->options.port && is_exhausted(&question->pool))
		return EADDRINUSE;
	if (question->walk.done && sock_is_udp(&question->claim.sock))
		return diagnose_verdict_in_order(&question->claim, question->chain, question->chain_count,
						 netns);
	return diagnose_verdict(&question->claim, &question->holders.failure, netns);
}

static int open_source(struct why_question *question)
{
	static const struct settings everything;
	const struct kernel_options kernel = {
		.settings = &everything,
		.backend = -1,
		.port = question->options.port,
		.verbose = question->options.output.verbose,
	};
	char reason[256] = "";
	int err;

	question->source = live_open(&kernel, on_event, question, reason, sizeof(reason));
	if (question->source)
		return EXIT_DONE;
	err = errno;
	fprintf(stderr, "porttrace: %s\n", reason);
	return err == EPERM || err == EACCES || err == ENOTSUP ? EXIT_NOT_ALLOWED : EXIT_FAILED;
}

static int cannot_enter(const struct why_question *question, int err)
{
	if (err == -ESRCH)
		fprintf(stderr, "porttrace: there is no network namespace %u\n", question->caller.netns);
	else
		fprintf(stderr, "porttrace: entering network namespace %u: %s\n", question->caller.netns,
			strerror(-err));
	return err == -EPERM ? EXIT_NOT_ALLOWED : EXIT_MISUSED;
}

static int visit(struct why_question *question)
{
	int err = bind_environment_read(&question->options, &question->caller, question->namespaces,
				  &question->place);

	return err ? cannot_enter(question, err) : EXIT_DONE;
}

static int look_for(struct why_question *question, const struct socket_query *look)
{
	int err = question->source->ops->scan(question->source, look, on_event, question);

	question->boot_ns = clock_boot_ns();
	if (!err)
		return EXIT_DONE;
	fprintf(stderr, "porttrace: the sockets could not be read: %s\n", strerror(-err));
	return EXIT_FAILED;
}

/* For one port: everywhere, since a process that has it elsewhere is worth telling. Only then is the
 * namespace entered: a socket of it may be all that keeps it. */
static int look_for_port(struct why_question *question)
{
	const struct socket_query look = {
		.netns = question->caller.netns,
		.port = question->options.port,
		.protocol = question->options.protocol,
		.device = question->options.device,
		.walk = &question->walk,
	};
	int status = look_for(question, &look);

	return status ? status : visit(question);
}

/* What is reserved does not count as used, so it has to be known before. Whose the sockets are matters only
 * when they are too many: to look at every descriptor costs as much as all the rest. */
static int look_for_range(struct why_question *question, bool with_owners)
{
	struct socket_query look = {
		.netns = question->caller.netns,
		.port = question->place.settings.range_low,
		.port_high = question->place.settings.range_high,
		.idle = !with_owners,
	};

	return look_for(question, &look);
}

static int look(struct why_question *question)
{
	int status;

	if (question->options.port)
		return look_for_port(question);
	status = visit(question);
	return status ? status : look_for_range(question, false);
}

/* An MPTCP socket has been seen as itself; here comes its subflow. */
static bool is_subflow_seen(struct model *model, const struct wire_sock *sock)
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

static bool is_in_chain(const struct why_question *question, uint64_t cookie)
{
	for (size_t i = 0; i < question->chain_count; i++) {
		if (question->chain[i].sock.cookie == cookie)
			return true;
	}
	return false;
}

/* What a process has open and the kernel has not in the tables that the caller would meet: in another VRF. */
static void drop_unmet(struct why_question *question)
{
	struct port_table *ports = model_ports(question->model);
	const struct port_entry *entry, *next;

	if (question->walk.sent < question->walk.found)
		return;
	for (entry = port_table_next(ports, NULL); entry; entry = next) {
		next = port_table_next(ports, entry);
		if (entry->sock.local_port == question->options.port &&
		    sock_same_ports(&question->claim.sock, &entry->sock) && !sock_is_connected(&entry->sock) &&
		    !is_in_chain(question, entry->sock.cookie))
			port_table_drop(ports, entry->sock.cookie);
	}
}

/* What the kernel's tables have and no process has open: connections and the kernel's own aside. */
static void find_unseen(struct why_question *question)
{
	struct socket_list owners = {0};
	size_t searches = 0;

	for (size_t i = 0; i < question->chain_count; i++) {
		const struct wire_socket *socket = &question->chain[i];
		uint64_t cookie = socket->sock.cookie;
		const struct port_entry *entry = port_table_find(model_ports(question->model), cookie);

		if ((entry && entry->fds) || socket->sock.flags & WIRE_KERNEL_OWNED)
			continue;
		if (socket->inode && searches++ < SEARCHES_MAX)
			question->source->ops->find_fdless_owner(question->source, socket, &owners);
		else
			socket_list_clear(&owners);
		for (size_t j = 0; j < owners.count; j++)
			model_apply(question->model, &owners.sockets[j].hdr);
		entry = port_table_find(model_ports(question->model), cookie);
		question->unseen += (!entry || !entry->fds) && !sock_is_connected(&socket->sock);
	}
	socket_list_done(&owners);
}

/* Of TCP, what no process has open and no look has found, in a look of its own. */
static void add_unseen(struct why_question *question)
{
	struct wire_socket idle[UNSEEN_MAX];
	size_t count;

	if (!question->options.port || sock_is_udp(&question->claim.sock) ||
	    netns_enter(question->namespaces, question->caller.netns))
		return;
	count = inactive_sockets_find(question->caller.netns, question->options.port, idle, UNSEEN_MAX);
	netns_leave(question->namespaces);
	for (size_t i = 0; i < count; i++) {
		if (port_table_find(model_ports(question->model), idle[i].sock.cookie) ||
		    is_subflow_seen(question->model, &idle[i].sock))
			continue;
		idle[i].hdr.boot_ns = question->boot_ns;
		model_apply(question->model, &idle[i].hdr);
		question->unseen++;
	}
}

static uint32_t decide_by_sockets(struct why_question *question, const struct netns_entry *netns)
{
	struct lookup lookup = {.model = question->model, .source = question->source};

	if (question->options.port)
		why_holders_find(&question->holders, &question->claim, &lookup, question->boot_ns);
	else
		pool_count(&question->claim, question->model, &question->pool);
	return decide(question, netns);
}

static int answer(struct why_question *question)
{
	struct lookup lookup = {.model = question->model, .source = question->source};
	const struct netns_entry *netns;
	uint32_t error;
	int err;

	question->place.settings.hdr.boot_ns = question->boot_ns;
	model_apply(question->model, &question->place.settings.hdr);
	netns = netns_table_find(model_namespaces(question->model), question->caller.netns);
	make_claim(question);
	if (question->walk.done)
		drop_unmet(question);
	process_lookup(&lookup, &question->claim.task);
	error = decide_by_sockets(question, netns);
	if (!question->options.port && error == EADDRINUSE) {
		int status = look_for_range(question, true);

		if (status)
			return status;
		error = decide_by_sockets(question, netns);
	}
	/* Only who would call a port free has to look under the carpet as well. */
	if (question->walk.done)
		find_unseen(question);
	else if (!error)
		add_unseen(question);
	if (question->walk.done || question->unseen)
		error = decide_by_sockets(question, netns);
	err = question->options.output.quiet ? 0 : why_report_print(question, error);
	if (err)
		return output_failed(err);
	return error ? EXIT_FAILED : EXIT_DONE;
}

static int ask(struct why_question *question)
{
	int err = why_caller_find(&question->options, &question->caller);
	int status;

	if (err) {
		fprintf(stderr, "porttrace: --pid %u: %s\n", question->options.pid, strerror(-err));
		return err == -ESRCH ? EXIT_MISUSED : EXIT_NOT_ALLOWED;
	}
	question->model = model_new(&limits);
	question->namespaces = netns_list_new();
	if (!question->model || !question->namespaces) {
		fprintf(stderr, "porttrace: out of memory\n");
		return EXIT_FAILED;
	}
	status = open_source(question);
	if (!status)
		status = look(question);
	return status ? status : answer(question);
}

int cmd_why(int argc, char **argv)
{
	struct why_question *question = calloc(1, sizeof(*question));
	int status;

	if (!question) {
		fprintf(stderr, "porttrace: out of memory\n");
		return EXIT_FAILED;
	}
	why_options_parse(&question->options, argc, argv);
	if (question->options.output.quiet || output_is_open())
		status = ask(question);
	else
		status = EXIT_FAILED;
	if (question->source)
		question->source->ops->close(question->source);
	model_free(question->model);
	netns_list_free(question->namespaces);
	free(question->chain);
	free(question);
	return status;
}
