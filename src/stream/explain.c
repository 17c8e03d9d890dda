/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The BPF programs send the sockets that held the port when the call was refused. They cannot know which
 * processes have those sockets open; a scan of all descriptors finds these.
 */
#include "stream/explain.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "diagnose/rules.h"
#include "model/wire_check.h"
#include "stream/fd_lookup.h"
#include "stream/holder_details.h"
#include "stream/netns_entry.h"
#include "stream/port_usage_cache.h"
#include "stream/server_lookup.h"
#include "util/clock.h"

#define FDLESS_PAUSE_NS	  1000000000ULL
#define SETTINGS_VALID_NS 20000000ULL

struct explainer {
	struct lookup *lookup;
	struct fd_lookup fds;
	struct server_lookup servers;
	struct port_usage_cache port_usage;
	uint64_t fdless_cookie, fdless_boot_ns; /* the last search for an owner without a descriptor */
	struct socket_list fdless_owners;	/* its result */
	struct netns_entry_command entry; /* of the last refusal */
};

struct explainer *explainer_new(struct lookup *lookup)
{
	struct explainer *explainer = calloc(1, sizeof(*explainer));

	if (explainer)
		explainer->lookup = lookup;
	return explainer;
}

void explainer_free(struct explainer *explainer)
{
	if (!explainer)
		return;
	fd_lookup_done(&explainer->fds);
	server_lookup_done(&explainer->servers);
	port_usage_cache_done(&explainer->port_usage);
	socket_list_done(&explainer->fdless_owners);
	free(explainer);
}

bool explainer_take(struct explainer *explainer, const struct wire_socket *event)
{
	switch ((enum wire_purpose)event->hdr.purpose) {
	case WIRE_PURPOSE_PORT_USAGE:
		port_usage_cache_replay(&explainer->port_usage, event);
		return true;
	case WIRE_PURPOSE_PREFETCH:
		return true;
	case WIRE_PURPOSE_UNSET:
	case WIRE_PURPOSE_SNAPSHOT:
	case WIRE_PURPOSE_HOLDER:
	case WIRE_PURPOSE_OWNER_GONE:
	case WIRE_PURPOSE_SERVER_CLOSED:
		return false;
	}
	return false;
}

/* A TIME_WAIT and an orphan have no descriptor. */
static bool may_have_fds(const struct wire_sock *sock)
{
	return sock->cookie && sock->state != WIRE_TCP_TIME_WAIT && !(sock->flags & WIRE_ORPHAN);
}

void explainer_prefetch(struct explainer *explainer, const struct wire_socket *event)
{
	if (event->hdr.purpose == WIRE_PURPOSE_HOLDER && may_have_fds(&event->sock))
		fd_lookup_prefetch(&explainer->fds, explainer->lookup->source, event->sock.cookie,
				   event->hdr.boot_ns, clock_boot_ns());
}

bool explainer_run_prefetch(struct explainer *explainer, bool may_wait)
{
	return fd_lookup_run_prefetch(&explainer->fds, explainer->lookup->source, may_wait, clock_boot_ns());
}

void explainer_expire(struct explainer *explainer, uint64_t now_boot_ns)
{
	port_usage_cache_expire(&explainer->port_usage, now_boot_ns);
}

/* Keeps a lookup result about a holder of this refusal. */
static void keep_holder(struct explainer *explainer, const struct wire_socket *found, uint64_t failure_id)
{
	struct wire_socket event = *found;

	event.hdr.purpose = WIRE_PURPOSE_HOLDER;
	event.failure_id = failure_id;
	lookup_keep(explainer->lookup, &event.hdr);
}

/* Adds the descriptors of the holders. true: they are as new as the refusal. */
static bool add_fds(struct explainer *explainer, const struct failure *failure, uint32_t pid,
		    uint64_t refused_boot_ns)
{
	uint64_t cookies[SCAN_COOKIES_MAX], id = failure->id;
	bool is_current;
	size_t count = 0;

	for (size_t i = 0; i < failure->holder_count && count < SCAN_COOKIES_MAX; i++) {
		if (may_have_fds(&failure->holders[i].sock))
			cookies[count++] = failure->holders[i].sock.cookie;
	}
	is_current = fd_lookup_find(&explainer->fds, explainer->lookup->source, cookies, count, pid, refused_boot_ns,
				    clock_boot_ns());
	for (size_t i = 0; i < count; i++) {
		const struct wire_socket *found = NULL;

		while ((found = fd_cache_next(&explainer->fds.cache, cookies[i], found)))
			keep_holder(explainer, found, id);
	}
	return is_current;
}

/* A holder without a descriptor and without a known owner. */
static bool needs_fdless_search(const struct explainer *explainer, const struct holder *holder,
				uint64_t refused_boot_ns)
{
	bool was_searched = explainer->fdless_cookie == holder->sock.cookie &&
			    refused_boot_ns - explainer->fdless_boot_ns < FDLESS_PAUSE_NS;

	return holder->inode && !holder->pid_count && !holder->owner.pid &&
	       !(holder->sock.flags & WIRE_KERNEL_OWNED) && !was_searched;
}

/* Searches for the processes that hold such a socket, within the same budget. */
static void add_fdless_owners(struct explainer *explainer, uint64_t failure_id, uint64_t refused_boot_ns)
{
	const struct failure *failure = model_failure(explainer->lookup->model, failure_id);
	struct source *source = explainer->lookup->source;
	struct socket_list *found = &explainer->fdless_owners;

	for (size_t i = 0; failure && i < failure->holder_count; i++) {
		const struct holder *holder = &failure->holders[i];
		const struct wire_socket socket = {.sock = holder->sock, .inode = holder->inode,
						   .backlog = holder->backlog, .substate = holder->substate};

		if (!needs_fdless_search(explainer, holder, refused_boot_ns) ||
		    !budget_available(&explainer->fds.budget, clock_boot_ns()))
			continue;
		explainer->fdless_cookie = holder->sock.cookie;
		explainer->fdless_boot_ns = refused_boot_ns;
		source->ops->find_fdless_owner(source, &socket, found);
		budget_charge(&explainer->fds.budget, found->took_ns);
		for (size_t j = 0; j < found->count; j++)
			keep_holder(explainer, &found->sockets[j], failure_id);
	}
}

/* A refusal of a privileged port depends on a setting. The setting may have changed just now, or the
 * namespace may have the reused inode number of one that ended. */
static bool settings_are_fresh(const struct netns_entry *netns, const struct claim *claim, uint64_t now_boot_ns)
{
	return netns && (claim->error != EACCES || netns->now.hdr.boot_ns + SETTINGS_VALID_NS > now_boot_ns);
}

/* A connection or bind() to port 0 is refused because no port is free: all sockets of the namespace count. */
static bool is_about_range(const struct claim *claim)
{
	return !claim->sock.local_port &&
	       (claim->error == EADDRINUSE || claim->error == EADDRNOTAVAIL || claim->error == EAGAIN);
}

static void add_counted(void *context, const void *data, size_t size)
{
	struct explainer *explainer = context;
	union wire_event event;

	if (wire_check(data, size, &event) || event.hdr.kind != WIRE_SOCKET)
		return;
	event.hdr.purpose = WIRE_PURPOSE_PORT_USAGE;
	port_usage_cache_add(&explainer->port_usage, &event.socket);
	lookup_record(explainer->lookup, &event.hdr);
}

static void count_sockets(struct explainer *explainer, uint32_t netns, uint64_t now_boot_ns)
{
	const struct socket_query query = {.netns = netns};
	struct source *source = explainer->lookup->source;

	port_usage_cache_begin(&explainer->port_usage, netns, now_boot_ns);
	source->ops->scan(source, &query, add_counted, explainer);
	counters_lookup(explainer->lookup, netns);
}

/* The sockets of the namespace, counted at most once per second; those of the stream if they cannot be
 * counted. */
static struct model *sockets_of(struct explainer *explainer, uint32_t netns, uint64_t now_boot_ns)
{
	struct lookup *lookup = explainer->lookup;
	const struct netns_entry *settings;
	struct model *counted;

	if (lookup->source && !port_usage_cache_find(&explainer->port_usage, netns, now_boot_ns))
		count_sockets(explainer, netns, now_boot_ns);
	counted = port_usage_cache_find(&explainer->port_usage, netns, now_boot_ns);
	if (!counted)
		return lookup->model;
	settings = netns_table_find(model_namespaces(lookup->model), netns);
	if (settings)
		model_apply(counted, &settings->now.hdr);
	return counted;
}

/* A replay cannot check whether the owner is alive, so record it. */
static void record_gone_owners(struct explainer *explainer, const struct failure *failure, uint64_t now_boot_ns)
{
	for (size_t i = 0; i < failure->holder_count; i++) {
		const struct holder *holder = &failure->holders[i];
		const struct wire_socket event = {
			.hdr = {
				.size = sizeof(event),
				.kind = WIRE_SOCKET,
				.purpose = WIRE_PURPOSE_OWNER_GONE,
				.boot_ns = now_boot_ns,
			},
			.sock = holder->sock,
			.task = holder->owner,
			.failure_id = failure->id,
			.fd = -1,
		};

		if (holder->owner_gone)
			lookup_record(explainer->lookup, &event.hdr);
	}
}

static void complete_holders(struct explainer *explainer, const struct failure *failure, uint64_t refused_boot_ns)
{
	holder_details_fill(explainer->lookup, failure->holders, failure->holder_count);
	if (explainer->lookup->capture)
		record_gone_owners(explainer, failure, refused_boot_ns);
}

static void add_holders(struct explainer *explainer, uint64_t failure_id, uint32_t pid, uint64_t refused_boot_ns)
{
	const struct failure *failure = model_failure(explainer->lookup->model, failure_id);

	if (failure && explainer->lookup->source && add_fds(explainer, failure, pid, refused_boot_ns))
		add_fdless_owners(explainer, failure_id, refused_boot_ns);
}

/* Whether the sockets on the remote port can be the reason: the machine refused, or did not answer. */
static bool is_about_servers(const struct claim *claim)
{
	return claim->call == CLAIM_CONNECT && (claim->error == ECONNREFUSED || claim->error == ETIMEDOUT);
}

/* Adds the sockets on the remote port that a process has open; those of the kernel are not scanned. */
static void add_servers(struct explainer *explainer, const struct claim *claim, uint64_t failure_id,
			uint64_t failed_boot_ns)
{
	struct lookup *lookup = explainer->lookup;
	const struct socket_list *found = &explainer->servers.found;

	if (!lookup->source)
		return;
	server_lookup_run(&explainer->servers, lookup->source, &explainer->fds.budget,
			  claim->sock.remote_port, failed_boot_ns);
	for (size_t i = 0; i < found->count; i++) {
		const struct wire_socket *server = &found->sockets[i];

		/* The scan may be older than the failure. */
		if (sock_distance(&claim->sock, &server->sock) != UINT_MAX &&
		    model_closed_at(lookup->model, server->sock.cookie) < server->hdr.boot_ns)
			keep_holder(explainer, server, failure_id);
	}
}

/* A replay shows the commands without an entry: it does not know the namespaces of the machine. */
static void set_enter(struct explainer *explainer, struct claim *claim, uint64_t now_boot_ns)
{
	if (!explainer->lookup->source)
		return;
	netns_entry_set(&explainer->entry, explainer->lookup->source, claim, now_boot_ns);
}

bool explain(struct explainer *explainer, const struct wire_hdr *event, struct conflict *conflict)
{
	struct lookup *lookup = explainer->lookup;
	struct netns_table *namespaces = model_namespaces(lookup->model);
	uint64_t failure_id = wire_failure_of(event);
	const struct failure *failure = NULL;
	const struct netns_entry *netns;
	struct claim claim;
	struct pool pool;

	if (!claim_from_event(event, &claim) || !diagnose_wanted(claim.error))
		return false;
	if (failure_id && is_about_servers(&claim))
		add_servers(explainer, &claim, failure_id, event->boot_ns);
	else if (failure_id)
		add_holders(explainer, failure_id, claim.task.pid, event->boot_ns);
	if (is_about_range(&claim)) {
		struct model *scan = sockets_of(explainer, claim.sock.netns, event->boot_ns);

		pool_count(&claim, scan, scan == lookup->model ? NULL : lookup->model, &pool);
	}
	if (failure_id)
		failure = model_failure(lookup->model, failure_id);
	if (failure)
		complete_holders(explainer, failure, event->boot_ns);
	netns = netns_table_find(namespaces, claim.sock.netns);
	if (lookup->source && !settings_are_fresh(netns, &claim, event->boot_ns)) {
		counters_lookup(lookup, claim.sock.netns);
		netns = netns_table_find(namespaces, claim.sock.netns);
	}
	set_enter(explainer, &claim, event->boot_ns);
	claim.in_pid_namespace = lookup->source && lookup->source->in_pid_namespace;
	claim.keeps_timewait = netns_table_keeps_timewait(namespaces);
	diagnose(&claim, failure, is_about_range(&claim) ? &pool : NULL, netns, lookup->model, event->boot_ns,
		 conflict);
	return true;
}
