/* SPDX-License-Identifier: GPL-2.0-only */
/* The running kernel: the ring buffer of the probes, the snapshot iterators, the counters per interval. */
#include "source/live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "system/netns.h"
#include "system/netns_read.h"
#include "system/procfs.h"
#include "source/counters.h"
#include "source/machine.h"
#include "source/snapshot.h"
#include "util/address.h"
#include "util/clock.h"

#define ADDRESS_VALID_NS 100000000ULL
#define RING_STOP	 -ECANCELED /* ends ring_buffer__consume() after the event, which counts as read */

/* The last answer about an address. */
struct address_state {
	uint64_t boot_ns;
	uint8_t addr[16];
	uint32_t netns, ifindex;
	bool tentative;
};

struct live {
	struct machine machine;
	struct kernel *kernel;
	struct snapshot *snapshot;
	struct ring_buffer *ring;
	struct address_state last_address;
	struct counters *counters;
	size_t drained, drain_max; /* events of this drain() */
	source_event_fn event;
	void *context;
};

static struct live *live_of(const struct source *source)
{
	return (struct live *)source;
}

/*
 * An IPv6 address that cannot be bound does not exist, or its duplicate address detection has not finished
 * (IFA_F_TENTATIVE); only a query in its namespace can distinguish the two. The answer is kept for 100 ms, for many
 * refusals in a row.
 */
static bool is_tentative(struct live *live, const struct wire_sock *sock, uint64_t now)
{
	struct address_state *last = &live->last_address;

	if (last->netns == sock->netns && last->ifindex == sock->ifindex &&
	    memcmp(last->addr, sock->local_addr, sizeof(last->addr)) == 0 &&
	    now - last->boot_ns < ADDRESS_VALID_NS)
		return last->tentative;
	*last = (struct address_state){.netns = sock->netns, .ifindex = sock->ifindex, .boot_ns = now};
	memcpy(last->addr, sock->local_addr, sizeof(last->addr));
	if (netns_enter(live->machine.namespaces, sock->netns))
		return false;
	last->tentative = netns_find_ipv6(sock->local_addr, sock->ifindex) == NETNS_ADDRESS_TENTATIVE;
	netns_leave(live->machine.namespaces);
	return last->tentative;
}

static int ring_event(void *context, void *data, size_t size)
{
	const struct wire_bind *refused = data;
	struct live *live = context;
	struct wire_bind event;

	if (refused->hdr.kind == WIRE_BIND && size == sizeof(event) && refused->error == EADDRNOTAVAIL &&
	    refused->sock.family == AF_INET6 && !address_is_mapped(refused->sock.local_addr) &&
	    is_tentative(live, &refused->sock, refused->hdr.boot_ns)) {
		event = *refused;
		event.sock.flags |= WIRE_TENTATIVE;
		data = &event;
	}
	live->event(live->context, data, size);
	return ++live->drained < live->drain_max ? 0 : RING_STOP;
}

static int live_fd(const struct source *source)
{
	return ring_buffer__epoll_fd(live_of(source)->ring);
}

static int live_drain(struct source *source, size_t max)
{
	struct live *live = live_of(source);
	int err;

	live->drained = 0;
	live->drain_max = max;
	err = max ? ring_buffer__consume(live->ring) : 0;
	return err < 0 && err != RING_STOP ? err : (int)live->drained;
}

static int live_scan(struct source *source, const struct socket_query *query, source_event_fn event, void *context)
{
	struct live *live = live_of(source);
	source_event_fn saved_event = live->event;
	void *saved_context = live->context;
	int err = snapshot_scan(live->snapshot, query, event, context);

	if (err || !query->walk || !query->walk->done)
		return err;
	/* The dump sends its sockets through the ring, which has no other events: a source for one port has
	 * no probes. */
	live->event = event;
	live->context = context;
	live_drain(source, SIZE_MAX);
	live->event = saved_event;
	live->context = saved_context;
	return 0;
}

static void live_find_fds(struct source *source, const uint64_t *cookies, size_t count, struct socket_list *found)
{
	uint64_t begin = clock_thread_ns();

	socket_list_clear(found);
	snapshot_find_fds(live_of(source)->snapshot, cookies, count, found);
	found->took_ns = clock_thread_ns() - begin;
}

static int live_read_counters(struct source *source, uint32_t netns, struct netns_reading *reading)
{
	return counters_read_one(live_of(source)->counters, netns, reading);
}

static void live_report_interval(struct source *source, bool last)
{
	counters_report(live_of(source)->counters, last);
}

static uint64_t live_lost(const struct source *source, uint32_t reason)
{
	return kernel_lost(live_of(source)->kernel, reason);
}

static void live_close(struct source *source)
{
	struct live *live = live_of(source);

	ring_buffer__free(live->ring);
	snapshot_free(live->snapshot);
	counters_free(live->counters);
	kernel_close(live->kernel);
	netns_list_free(live->machine.namespaces);
	free(live);
}

static const struct source_ops live_ops = {
	.name = "live",
	.fd = live_fd,
	.drain = live_drain,
	.report_interval = live_report_interval,
	.scan = live_scan,
	.find_fds = live_find_fds,
	.find_fdless_owner = machine_find_fdless_owner,
	.read_process = machine_read_process,
	.process_is_alive = machine_process_is_alive,
	.read_interface = machine_read_interface,
	.read_tunnel = machine_read_tunnel,
	.read_counters = live_read_counters,
	.netns_path = machine_netns_path,
	.lost = live_lost,
	.close = live_close,
};

const struct kernel_fact *live_facts(const struct source *source)
{
	return kernel_facts(live_of(source)->kernel);
}

const char *live_probes(const struct source *source)
{
	return kernel_probes(live_of(source)->kernel);
}

bool live_counts_ports(const struct source *source)
{
	uint8_t *ports;

	return kernel_port_usage(live_of(source)->kernel, &ports) != NULL;
}

struct source *live_open(const struct kernel_options *options, source_event_fn event, void *context,
			 char *reason, size_t size)
{
	struct live *live = calloc(1, sizeof(*live));
	int err;

	if (!live)
		return NULL;
	*live = (struct live){.machine.source.ops = &live_ops, .machine.source.in_pid_namespace = process_pid_namespace(), .event = event,
			      .context = context};
	live->kernel = kernel_open(options, reason, size);
	if (!live->kernel)
		goto fail;
	live->machine.namespaces = netns_list_new();
	if (live->machine.namespaces)
		live->snapshot = snapshot_new(live->kernel, live->machine.namespaces);
	if (live->snapshot && (options->facts || options->port))
		live->ring = ring_buffer__new(bpf_map__fd(kernel_map(live->kernel, "ring")), ring_event, live,
					      NULL);
	if (live->ring && options->facts)
		live->counters = counters_new(live->kernel, live->machine.namespaces, options->pools_at_start, event, context);
	if (live->counters || (live->snapshot && !options->facts && !options->port) ||
	    (live->ring && !options->facts))
		return &live->machine.source;
	snprintf(reason, size, "reading the events of the kernel: %s", strerror(errno));
fail:
	err = errno;
	live_close(&live->machine.source);
	errno = err;
	return NULL;
}
