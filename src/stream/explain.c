/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel side has sent the holders it found at the moment of the refusal. What it cannot know is who
 * has each of them open now: a look at descriptors says. In a storm of refusals over the same holder
 * that look is shared, for a tenth of a second.
 */
#include "stream/explain.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream/process_lookup.h"
#include "util/clock.h"

#define LOOK_VALID_NS	100000000ULL
#define SEARCH_PAUSE_NS 1000000000ULL
#define ALLOWANCE_NS	200000000LL
#define LOOK_PAUSE	4 /* times as long as the look took */
#define LOOK_AHEAD	1 /* the failure_id of a look for several: the boot's first nanosecond */
#define RECENT_CALLERS	64
#define RECENT_HOLDERS	512
#define PORT_USAGE_VALID_NS 1000000000ULL
#define SETTINGS_VALID_NS 20000000ULL
#define CACHED_FDS	1024

struct explainer {
	struct model *model;
	struct source *source;
	source_event_fn event;
	void *context;
	/* The descriptors that the last looks have found; each event says when. */
	struct wire_socket fds[CACHED_FDS];
	size_t fd_count;
	int64_t allowance_ns; /* below 0: to be made up for */
	uint64_t allowed_ns;
	uint64_t look_end_ns, look_took_ns;
	/* For whom it was looked, when. */
	struct {
		uint32_t pid;
		uint64_t looked_ns;
	} callers[RECENT_CALLERS];
	size_t caller_next;
	/* Which holders it was for, when. */
	struct {
		uint64_t cookie, looked_ns;
	} holders[RECENT_HOLDERS];
	size_t holder_next;
	/* The holders of the refusals that have arrived and wait for their turn. */
	uint64_t foreseen[SCAN_COOKIES_MAX];
	size_t foreseen_count;
	uint64_t foreseen_ns; /* when the first of them was refused */
	bool foreseen_new; /* one of them has not been looked for lately */
	bool looking;
	bool look_sure; /* the last refusal's holders were looked for just now */
	uint64_t searched_cookie, searched_ns; /* without descriptors */
	/* The sockets of one namespace, as counted last: a model of its own, for there may be many. */
	struct model *port_usage;
	uint32_t port_usage_netns;
	uint64_t port_usage_ns, counted_ns; /* for when it was made; its last socket */
	bool counting;
};

struct explainer *explainer_new(struct model *model)
{
	struct explainer *explainer = calloc(1, sizeof(*explainer));

	if (explainer)
		explainer->model = model;
	return explainer;
}

void explainer_free(struct explainer *explainer)
{
	if (!explainer)
		return;
	model_free(explainer->port_usage);
	free(explainer);
}

void explainer_set_source(struct explainer *explainer, struct source *source, source_event_fn event,
			  void *context)
{
	explainer->source = source;
	explainer->event = event;
	explainer->context = context;
}

static void port_usage_begin(struct explainer *explainer, uint32_t netns, uint64_t now)
{
	model_free(explainer->port_usage);
	explainer->port_usage = model_new(&(struct model_limits){.sockets = 4 * 65536});
	explainer->port_usage_netns = netns;
	explainer->port_usage_ns = now;
}

static void port_usage_add(struct explainer *explainer, const struct wire_socket *event)
{
	struct wire_socket found = *event;
	uint64_t now = event->hdr.boot_ns;

	/* A replay is not told where a count begins, but they are almost a second apart. */
	if (!explainer->counting && (!explainer->port_usage || explainer->port_usage_netns != event->sock.netns ||
				     now - explainer->counted_ns > PORT_USAGE_VALID_NS / 2))
		port_usage_begin(explainer, event->sock.netns, now);
	explainer->counted_ns = now;
	found.failure_id = 0;
	if (explainer->port_usage)
		model_apply(explainer->port_usage, &found.hdr);
}

bool explainer_take(struct explainer *explainer, const struct wire_socket *event)
{
	if (event->failure_id == WIRE_PORT_USAGE) {
		port_usage_add(explainer, event);
		return true;
	}
	if (event->failure_id == LOOK_AHEAD && !explainer->looking)
		return true;
	if (explainer->looking && event->fd >= 0 && explainer->fd_count < CACHED_FDS)
		explainer->fds[explainer->fd_count++] = *event;
	return event->failure_id == LOOK_AHEAD;
}

/* Drops the descriptors that are old, and those of the sockets that are looked for now. */
static void forget_fds(struct explainer *explainer, const struct socket_query *look, uint64_t now)
{
	size_t kept = 0;

	for (size_t i = 0; i < explainer->fd_count; i++) {
		const struct wire_socket *found = &explainer->fds[i];
		bool keep = found->hdr.boot_ns + LOOK_VALID_NS >= now;

		for (size_t j = 0; keep && j < look->cookie_count; j++)
			keep = look->cookies[j] != found->sock.cookie;
		if (keep)
			explainer->fds[kept++] = *found;
	}
	explainer->fd_count = kept;
}

/* What was found of this socket lately is told again, for this failure. */
static void answer_again(struct explainer *explainer, uint64_t cookie, uint64_t failure_id)
{
	for (size_t i = 0; i < explainer->fd_count; i++) {
		struct wire_socket event = explainer->fds[i];

		if (event.sock.cookie != cookie)
			continue;
		event.failure_id = failure_id;
		explainer->event(explainer->context, &event, sizeof(event));
	}
}

/* A TIME_WAIT and an orphan have no descriptor. */
static bool may_have_fds(const struct wire_sock *sock)
{
	return sock->cookie && sock->state != WIRE_TCP_TIME_WAIT && !(sock->flags & WIRE_ORPHAN);
}

static void spend(struct explainer *explainer, uint64_t took_ns)
{
	explainer->allowance_ns -= (int64_t)took_ns;
}

static void look_paced(struct explainer *explainer, const struct socket_query *look)
{
	uint64_t begin = clock_boot_ns();

	explainer->looking = true;
	explainer->source->ops->scan(explainer->source, look);
	explainer->looking = false;
	explainer->look_end_ns = clock_boot_ns();
	explainer->look_took_ns = explainer->look_end_ns - begin;
	spend(explainer, explainer->look_took_ns);
}

static bool is_looked(const struct explainer *explainer, uint64_t cookie, uint64_t since)
{
	for (size_t i = 0; i < RECENT_HOLDERS; i++) {
		if (explainer->holders[i].cookie == cookie && explainer->holders[i].looked_ns >= since)
			return true;
	}
	return false;
}

/* Whether all of these have been looked for since this moment. */
static bool is_looked_since(const struct explainer *explainer, const struct failure *failure, uint64_t then)
{
	for (size_t i = 0; i < failure->holder_count; i++) {
		const struct wire_sock *sock = &failure->holders[i].sock;

		if (may_have_fds(sock) && !is_looked(explainer, sock->cookie, then))
			return false;
	}
	return true;
}

static void note_looked(struct explainer *explainer, uint64_t cookie, uint64_t now)
{
	size_t next = explainer->holder_next;

	explainer->holders[next].cookie = cookie;
	explainer->holders[next].looked_ns = now;
	explainer->holder_next = (next + 1) % RECENT_HOLDERS;
}

/* Refusals come in batches, so what was not used for a while may be used at once. */
static bool has_allowance(struct explainer *explainer, uint64_t now)
{
	explainer->allowance_ns += (int64_t)((now - explainer->allowed_ns) / 2);
	explainer->allowed_ns = now;
	if (explainer->allowance_ns > ALLOWANCE_NS)
		explainer->allowance_ns = ALLOWANCE_NS;
	if (explainer->allowance_ns < -ALLOWANCE_NS)
		explainer->allowance_ns = -ALLOWANCE_NS;
	return explainer->allowance_ns > 0;
}

/*
 * Whether there is time for a look; if so, that is noted. Half of all time for holders that are new, a fifth
 * for callers that are: a storm is of one caller over one holder.
 */
static bool may_look(struct explainer *explainer, const struct failure *failure, uint32_t pid)
{
	uint64_t now = clock_boot_ns(), since = now - explainer->look_end_ns;
	size_t next = explainer->caller_next;

	if (!has_allowance(explainer, now))
		return false;
	if (since < LOOK_PAUSE * explainer->look_took_ns && is_looked_since(explainer, failure, now - LOOK_VALID_NS)) {
		for (size_t i = 0; i < RECENT_CALLERS; i++) {
			if (explainer->callers[i].pid == pid &&
			    now - explainer->callers[i].looked_ns < LOOK_VALID_NS)
				return false;
		}
	}
	explainer->callers[next].pid = pid;
	explainer->callers[next].looked_ns = now;
	explainer->caller_next = (next + 1) % RECENT_CALLERS;
	return true;
}

void prefetch_add(struct explainer *explainer, const struct wire_socket *event)
{
	uint64_t cookie = event->sock.cookie;

	if (!event->failure_id || event->failure_id == WIRE_PORT_USAGE || !may_have_fds(&event->sock))
		return;
	for (size_t i = 0; i < explainer->foreseen_count; i++) {
		if (explainer->foreseen[i] == cookie)
			return;
	}
	/* So many that they wait no longer. */
	if (explainer->foreseen_count == SCAN_COOKIES_MAX)
		prefetch_run(explainer, false);
	if (!explainer->foreseen_count)
		explainer->foreseen_ns = event->hdr.boot_ns;
	explainer->foreseen[explainer->foreseen_count++] = cookie;
	/* A storm over holders that are known asks in its own time. */
	explainer->foreseen_new |= !is_looked(explainer, cookie, event->hdr.boot_ns > LOOK_VALID_NS ?
								 event->hdr.boot_ns - LOOK_VALID_NS : 0);
}

bool prefetch_run(struct explainer *explainer, bool may_wait)
{
	struct socket_query look = {
		.failure_id = LOOK_AHEAD,
		.cookies = explainer->foreseen,
		.cookie_count = explainer->foreseen_count,
	};
	uint64_t now = clock_boot_ns();
	bool wanted = explainer->foreseen_new;
	/* Whoever cannot wait any longer has many that one look will serve. */
	bool allowed = has_allowance(explainer, now) || !may_wait;

	if (wanted && allowed) {
		for (size_t i = 0; i < look.cookie_count; i++)
			note_looked(explainer, look.cookies[i], now);
		/* Those that were found for the others of the batch stay. */
		forget_fds(explainer, &look, explainer->foreseen_ns);
		look_paced(explainer, &look);
	}
	explainer->foreseen_count = 0;
	explainer->foreseen_new = false;
	return !wanted || allowed;
}

static void look_for_holders(struct explainer *explainer, uint64_t failure_id, uint32_t pid, uint64_t now)
{
	const struct failure *failure = model_failure(explainer->model, failure_id);
	struct socket_query look = {.failure_id = failure_id};
	uint64_t cookies[SCAN_COOKIES_MAX];
	bool storm;

	if (!failure || !explainer->source)
		return;
	storm = is_looked_since(explainer, failure, now);
	explainer->look_sure = storm || may_look(explainer, failure, pid);
	storm = storm || !explainer->look_sure;
	forget_fds(explainer, &look, now);
	for (size_t i = 0; i < failure->holder_count && look.cookie_count < SCAN_COOKIES_MAX; i++) {
		const struct wire_sock *sock = &failure->holders[i].sock;

		if (!may_have_fds(sock))
			continue;
		if (storm)
			answer_again(explainer, sock->cookie, failure_id);
		else
			cookies[look.cookie_count++] = sock->cookie;
		if (!storm)
			note_looked(explainer, sock->cookie, clock_boot_ns());
	}
	if (!look.cookie_count)
		return;
	look.cookies = cookies;
	forget_fds(explainer, &look, now);
	look_paced(explainer, &look);
}

/*
 * Who has the socket neither took the port before our eyes nor has a descriptor of it. One search for each
 * such socket, out of the same allowance: another would find as little.
 */
static void search_for_hidden(struct explainer *explainer, const struct failure *failure, uint64_t now)
{
	uint64_t begin;

	for (size_t i = 0; i < failure->holder_count; i++) {
		const struct holder *holder = &failure->holders[i];
		struct wire_socket socket = {.sock = holder->sock, .failure_id = failure->id, .inode = holder->inode,
					     .backlog = holder->backlog, .substate = holder->substate};

		if (!holder->inode || holder->pid_count || holder->owner.pid ||
		    holder->sock.flags & WIRE_KERNEL_OWNED ||
		    (explainer->searched_cookie == holder->sock.cookie &&
		     now - explainer->searched_ns < SEARCH_PAUSE_NS) ||
		    !has_allowance(explainer, clock_boot_ns()))
			continue;
		explainer->searched_cookie = holder->sock.cookie;
		explainer->searched_ns = now;
		begin = clock_boot_ns();
		explainer->source->ops->find_fdless_owner(explainer->source, &socket);
		spend(explainer, clock_boot_ns() - begin);
	}
}

/* A refusal for want of a right is judged by a setting, which may be another than a moment ago: it was
 * changed, or the namespace has the inode number of one that has gone. */
static bool settings_are_fresh(const struct netns_entry *netns, const struct claim *claim, uint64_t now)
{
	return netns && (claim->error != EACCES || netns->now.hdr.boot_ns + SETTINGS_VALID_NS > now);
}

/* A connection's port, or port 0, is refused for want of any: all sockets of the namespace count. */
static bool is_about_range(const struct claim *claim)
{
	return !claim->sock.local_port &&
	       (claim->error == EADDRINUSE || claim->error == EADDRNOTAVAIL || claim->error == EAGAIN);
}

static bool has_port_usage(const struct explainer *explainer, uint32_t netns, uint64_t now)
{
	/* In a replay it may be a little younger than the refusal that it was made for. */
	return explainer->port_usage && explainer->port_usage_netns == netns &&
	       (now < explainer->port_usage_ns || now - explainer->port_usage_ns < PORT_USAGE_VALID_NS);
}

static void take_port_usage(struct explainer *explainer, uint32_t netns, uint64_t now)
{
	const struct socket_query look = {.failure_id = WIRE_PORT_USAGE, .netns = netns};

	port_usage_begin(explainer, netns, now);
	explainer->counting = true;
	explainer->source->ops->scan(explainer->source, &look);
	explainer->counting = false;
	explainer->source->ops->read_counters(explainer->source, netns, false);
}

/* The namespace's sockets, counted at most once a second. NULL: count over the stream's own model. */
static struct model *port_usage_of(struct explainer *explainer, uint32_t netns, uint64_t now)
{
	const struct netns_entry *netns_entry;

	if (explainer->source && !has_port_usage(explainer, netns, now))
		take_port_usage(explainer, netns, now);
	if (!has_port_usage(explainer, netns, now))
		return NULL;
	netns_entry = netns_table_find(model_namespaces(explainer->model), netns);
	if (netns_entry)
		model_apply(explainer->port_usage, &netns_entry->now.hdr);
	return explainer->port_usage;
}

void explainer_idle(struct explainer *explainer, uint64_t now)
{
	if (explainer->port_usage && !has_port_usage(explainer, explainer->port_usage_netns, now)) {
		model_free(explainer->port_usage);
		explainer->port_usage = NULL;
	}
}

/* What the model does not know of a holder: its program, its device, whether its owner lives. */
static void describe_holders(struct explainer *explainer, const struct failure *failure)
{
	for (size_t i = 0; i < failure->holder_count; i++) {
		struct holder *holder = &failure->holders[i];
		const struct wire_task *task = holder->pid_count ? &holder->pids[0] : &holder->owner;

		if (!holder->pid_count && holder->owner.pid && explainer->source)
			holder->owner_gone = kill((pid_t)holder->owner.pid, 0) && errno == ESRCH;
		process_lookup(explainer->model, explainer->source, task);
		snprintf(holder->interface, sizeof(holder->interface), "%s",
			 interface_lookup(explainer->model, explainer->source, &holder->sock));
	}
	/* Only now: to learn of one process may move another in the table. */
	for (size_t i = 0; i < failure->holder_count; i++) {
		struct holder *holder = &failure->holders[i];
		const struct wire_task *task = holder->pid_count ? &holder->pids[0] : &holder->owner;

		holder->process = process_lookup(explainer->model, NULL, task);
	}
}

bool explain(struct explainer *explainer, const struct wire_hdr *event, struct conflict *conflict)
{
	const struct netns_entry *netns;
	const struct failure *failure;
	uint64_t failure_id;
	struct claim claim;
	bool about_range;
	struct pool pool;

	if (!claim_from_event(event, &claim) || !diagnose_wanted(claim.error))
		return false;
	failure_id = wire_failure_of(event);
	if (failure_id)
		look_for_holders(explainer, failure_id, claim.task.pid, event->boot_ns);
	failure = failure_id ? model_failure(explainer->model, failure_id) : NULL;
	if (failure && explainer->source && explainer->look_sure)
		search_for_hidden(explainer, failure, event->boot_ns);
	about_range = is_about_range(&claim);
	if (about_range) {
		struct model *port_usage = port_usage_of(explainer, claim.sock.netns, event->boot_ns);

		pool_count(&claim, port_usage ? port_usage : explainer->model, &pool);
	}
	failure = failure_id ? model_failure(explainer->model, failure_id) : NULL;
	if (failure)
		describe_holders(explainer, failure);
	netns = netns_table_find(model_namespaces(explainer->model), claim.sock.netns);
	if (explainer->source && !settings_are_fresh(netns, &claim, event->boot_ns)) {
		explainer->source->ops->read_counters(explainer->source, claim.sock.netns, false);
		netns = netns_table_find(model_namespaces(explainer->model), claim.sock.netns);
	}
	diagnose(&claim, failure, about_range ? &pool : NULL, netns, explainer->model, event->boot_ns, conflict);
	return true;
}
