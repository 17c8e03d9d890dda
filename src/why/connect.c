/* SPDX-License-Identifier: GPL-2.0-only */
#include "why/connect.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <net/if.h>

#include "diagnose/rules.h"
#include "model/wire_check.h"
#include "source/scan_source.h"
#include "stream/holder_details.h"
#include "stream/lookup.h"
#include "system/device.h"
#include "system/netns.h"
#include "system/netns_read.h"
#include "system/route.h"
#include "util/address.h"
#include "util/clock.h"
#include "why/caller.h"

#define FAILURE_ID 1 /* joins the servers found: there is one question */

struct question {
	const struct why_config *config;
	struct why_caller caller;
	struct netns_list *namespaces;
	struct lookup lookup;
	struct wire_netns settings;
	uint8_t reserved[NETNS_PORTS];
	struct route route;
	char device[IF_NAMESIZE]; /* of the route; "": not known */
	struct claim claim;
	struct pool pool;
	uint64_t boot_ns;
	char *reason;
	size_t reason_size;
};

/* ---- what is read ------------------------------------------------------------------------------------ */

static enum why_status read_network(struct question *q)
{
	int err = netns_list_scan(q->namespaces);
	uint32_t ifindex;

	if (!err)
		err = netns_enter(q->namespaces, q->caller.netns);
	if (err) {
		snprintf(q->reason, q->reason_size, "entering network namespace %u failed: %s", q->caller.netns, strerror(-err));
		return err == -EPERM ? WHY_NOT_ALLOWED : WHY_MISUSED;
	}
	netns_read(&q->settings, q->reserved);
	ifindex = q->config->device[0] ? device_index(q->config->device) : 0;
	route_find(q->config->address, ifindex, &q->route);
	if (q->route.ifindex)
		if_indextoname(q->route.ifindex, q->device);
	netns_leave(q->namespaces);
	q->claim.sock.ifindex = ifindex;
	return WHY_ANSWERED;
}

static void make_claim(struct question *q)
{
	const struct why_config *config = q->config;
	struct wire_sock *sock = &q->claim.sock;

	q->claim.call = CLAIM_CONNECT;
	q->claim.task = q->caller.task;
	q->claim.remote_is_local = q->route.is_local;
	q->claim.is_predicted = true;
	sock->netns = q->caller.netns;
	sock->uid = q->caller.uid;
	sock->family = address_is_mapped(config->address) ? AF_INET : AF_INET6;
	sock->protocol = config->protocol;
	sock->state = WIRE_TCP_CLOSE;
	sock->remote_port = config->port;
	memcpy(sock->remote_addr, config->address, sizeof(sock->remote_addr));
	memcpy(sock->local_addr, q->route.source, sizeof(sock->local_addr));
}

static bool is_in_range(const struct question *q, uint16_t port)
{
	return port >= q->settings.range_low && port <= q->settings.range_high && !q->reserved[port];
}

static void on_socket(void *context, const void *data, size_t size)
{
	struct question *q = context;
	union wire_event event;

	if (wire_check(data, size, &event))
		return;
	if (event.hdr.kind == WIRE_SOCKET && sock_distance(&q->claim.sock, &event.socket.sock) != UINT_MAX) {
		event.hdr.purpose = WIRE_PURPOSE_HOLDER;
		event.socket.failure_id = FAILURE_ID;
		model_apply(q->lookup.model, &event.hdr);
	} else if (event.hdr.kind != WIRE_SOCKET || is_in_range(q, event.socket.sock.local_port)) {
		model_apply(q->lookup.model, &event.hdr);
	}
}

static void drop_event(void *context, const void *data, size_t size)
{
	(void)context;
	(void)data;
	(void)size;
}

static enum why_status read_sockets(struct question *q)
{
	static const struct settings everything;
	const struct kernel_options kernel = {.settings = &everything, .backend = -1, .verbose = q->config->verbose};
	const struct socket_query servers = {.netns = q->caller.netns, .port = q->config->port};
	const struct socket_query range = {.netns = q->caller.netns, .port = q->settings.range_low,
					   .port_high = q->settings.range_high, .idle = true};
	struct source *source = scan_source_open(&kernel, drop_event, NULL, q->reason, q->reason_size);
	int err;

	if (!source)
		return WHY_FAILED;
	q->lookup.source = source;
	err = source->ops->scan(source, &servers, on_socket, q);
	if (!err && q->settings.range_low)
		err = source->ops->scan(source, &range, on_socket, q);
	q->boot_ns = clock_boot_ns();
	if (!err)
		return WHY_ANSWERED;
	snprintf(q->reason, q->reason_size, "reading the sockets failed: %s", strerror(-err));
	return WHY_FAILED;
}

/* ---- what follows ------------------------------------------------------------------------------------ */

/* All listeners that would get the connection have a full queue: the kernel chooses one of them. */
static uint32_t servers_error(const struct claim *claim, const struct failure *failure)
{
	size_t accepting = 0, full = 0;

	for (size_t i = 0; failure && i < failure->holder_count; i++) {
		if (!sock_accepts(&claim->sock, &failure->holders[i].sock))
			continue;
		accepting++;
		full += queue_is_full(&failure->holders[i]);
	}
	if (!accepting)
		return ECONNREFUSED;
	return accepting == full ? ETIMEDOUT : 0;
}

/* In the kernel's order: the route, the port, the server. */
static uint32_t predict(const struct question *q, const struct failure *failure)
{
	if (q->route.error)
		return q->route.error;
	if (q->pool.low && pool_taken(&q->pool) >= q->pool.size)
		return sock_is_udp(&q->claim.sock) ? EAGAIN : EADDRNOTAVAIL;
	return q->route.is_local ? servers_error(&q->claim, failure) : 0;
}

/* The server that would get the connection; NULL: not on this machine. */
static const struct holder *find_server(const struct claim *claim, const struct failure *failure)
{
	for (size_t i = 0; failure && i < failure->holder_count; i++) {
		if (sock_accepts(&claim->sock, &failure->holders[i].sock) && !queue_is_full(&failure->holders[i]))
			return &failure->holders[i];
	}
	return NULL;
}

/* diagnose() explains failures; here is what is known, and what cannot be, where nothing stops the connection. */
static void explain_open(const struct question *q, const struct holder *server, struct conflict *conflict)
{
	char to[ADDRESS_PORT_SIZE];

	*conflict = (struct conflict){.of_servers = true};
	address_format_port(q->claim.sock.remote_addr, q->claim.sock.remote_port, to);
	if (server) {
		conflict->holders[conflict->holder_count++] = server;
		snprintf(conflict->why, sizeof(conflict->why), "A socket %s %s. Whether a packet filter rejects the connection is "
			 "not known.", sock_is_udp(&server->sock) ? "is bound to" : "listens on", to);
		return;
	}
	snprintf(conflict->why, sizeof(conflict->why),
		 "Nothing on this machine is known to stop it. %s is not an address of this network namespace: whether a server "
		 "listens there, or a packet filter rejects the connection, is not known without connecting.", to);
}

static void explain(struct question *q, const struct failure *failure, uint32_t error, struct conflict *conflict)
{
	q->claim.error = error;
	if (!error) {
		explain_open(q, find_server(&q->claim, failure), conflict);
		return;
	}
	diagnose(&q->claim, failure, error == EADDRNOTAVAIL || error == EAGAIN ? &q->pool : NULL,
		 netns_table_find(model_namespaces(q->lookup.model), q->caller.netns), q->lookup.model, q->boot_ns, conflict);
}

static int print(struct question *q, uint32_t error, const struct conflict *conflict, const struct renderer *renderer,
		 const struct render_options *options)
{
	struct render *render = renderer->open(options);
	int err;

	if (!render)
		return -ENOMEM;
	renderer->connect(render, &(struct connect_report){
		.boot_ns = q->boot_ns,
		.sock = &q->claim.sock,
		.error = error,
		.conflict = conflict,
		.is_local = q->route.is_local,
		.device = q->device,
		.ports = q->route.error || q->pool.size <= q->pool.reserved ? 0 : q->pool.size - q->pool.reserved,
		.ports_left = q->pool.size > pool_taken(&q->pool) ? q->pool.size - pool_taken(&q->pool) : 0,
	});
	err = renderer->flush(render, 0);
	renderer->close(render);
	return err;
}

static enum why_status answer(struct question *q, uint32_t *error, struct conflict *conflict)
{
	int err = why_caller_find(q->config, &q->caller);
	const struct failure *failure;
	enum why_status status;

	if (err)
		return why_caller_failed(q->config, err, q->reason, q->reason_size);
	status = read_network(q);
	if (status != WHY_ANSWERED)
		return status;
	make_claim(q);
	status = read_sockets(q);
	if (status != WHY_ANSWERED)
		return status;
	q->settings.hdr = (struct wire_hdr){.size = sizeof(q->settings), .kind = WIRE_NETNS, .boot_ns = q->boot_ns};
	q->settings.netns = q->caller.netns;
	model_apply(q->lookup.model, &q->settings.hdr);
	process_lookup(&q->lookup, &q->claim.task);
	failure = model_failure(q->lookup.model, FAILURE_ID);
	if (failure)
		holder_details_fill(&q->lookup, failure->holders, failure->holder_count);
	pool_count(&q->claim, q->lookup.model, NULL, &q->pool);
	*error = predict(q, failure);
	explain(q, failure, *error, conflict);
	return WHY_ANSWERED;
}

enum why_status why_connect(const struct why_config *config, const struct renderer *renderer,
			    const struct render_options *options, uint32_t *error, int *output_err, char *limits,
			    char *reason, size_t reason_size)
{
	static const struct model_limits model_limits = {.sockets = 4 * 1024 * 1024};
	struct question *q = calloc(1, sizeof(*q));
	enum why_status status = WHY_FAILED;
	struct conflict conflict;

	*output_err = 0;
	snprintf(reason, reason_size, "out of memory");
	if (q) {
		q->config = config;
		q->reason = reason;
		q->reason_size = reason_size;
		q->namespaces = netns_list_new();
		q->lookup.model = model_new(&model_limits);
	}
	if (q && q->namespaces && q->lookup.model)
		status = answer(q, error, &conflict);
	if (status == WHY_ANSWERED && renderer)
		*output_err = print(q, *error, &conflict, renderer, options);
	limits[0] = '\0';
	if (q && q->lookup.source) {
		scan_source_limits(q->lookup.source, limits, SOURCE_LIMITS_SIZE);
		q->lookup.source->ops->close(q->lookup.source);
	}
	if (q) {
		model_free(q->lookup.model);
		netns_list_free(q->namespaces);
	}
	free(q);
	return status;
}
