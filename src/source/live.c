/* SPDX-License-Identifier: GPL-2.0-only */
/* Joins the programs' ring buffer with looks at what exists and with the counters of each namespace. */
#include "source/live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <net/if.h>
#include <sys/socket.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "porttrace/churn.h"
#include "source/hidden.h"
#include "source/netns.h"
#include "source/process.h"
#include "source/snapshot.h"
#include "util/address.h"
#include "util/clock.h"

#define FLOW_BATCH	 256
#define ADDRESS_VALID_NS 100000000ULL
#define SEARCH_NS	 100000000ULL

/* As sent last, and the TIME_WAITs that had been counted by then. */
struct told {
	struct wire_netns event;
	uint64_t timewaits;
};

/* The address that was asked about last. */
struct address_asked {
	uint64_t boot_ns;
	uint8_t addr[16];
	uint32_t netns, ifindex;
	bool tentative;
};

struct live {
	struct source source;
	struct kernel *kernel;
	struct netns_list *namespaces;
	struct snapshot *snapshot;
	struct ring_buffer *ring;
	struct told *told; /* per namespace */
	size_t told_count;
	struct address_asked address_asked;
	uint64_t interval_boot_ns; /* when the last interval ended; 0: the first has not begun */
	source_event_fn event;
	void *context;
};

static struct live *live_of(const struct source *source)
{
	return (struct live *)source;
}

/* The namespace may be one that was not there when they were looked for last. */
static int enter(struct live *live, uint32_t netns)
{
	int err = netns_enter(live->namespaces, netns);

	if (err != -ESRCH)
		return err;
	netns_list_scan(live->namespaces);
	return netns_enter(live->namespaces, netns);
}

/*
 * An IPv6 address that cannot be bound is not there, or is being checked for duplicates: only its
 * namespace knows. One answer serves a storm of refusals.
 */
static bool is_tentative(struct live *live, const struct wire_sock *sock, uint64_t now)
{
	struct address_asked *asked = &live->address_asked;

	if (asked->netns == sock->netns && asked->ifindex == sock->ifindex &&
	    memcmp(asked->addr, sock->local_addr, sizeof(asked->addr)) == 0 &&
	    now - asked->boot_ns < ADDRESS_VALID_NS)
		return asked->tentative;
	*asked = (struct address_asked){.netns = sock->netns, .ifindex = sock->ifindex, .boot_ns = now};
	memcpy(asked->addr, sock->local_addr, sizeof(asked->addr));
	if (enter(live, sock->netns))
		return false;
	asked->tentative = netns_find_ipv6(sock->local_addr, sock->ifindex) == NETNS_ADDRESS_TENTATIVE;
	netns_leave(live->namespaces);
	return asked->tentative;
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
	return 0;
}

static int live_fd(const struct source *source)
{
	return ring_buffer__epoll_fd(live_of(source)->ring);
}

static int live_drain(struct source *source)
{
	return ring_buffer__consume(live_of(source)->ring);
}

static int live_look(struct source *source, const struct look *look)
{
	struct live *live = live_of(source);

	int err = snapshot_look(live->snapshot, look, live->event, live->context);

	/* What a walk has found comes by the ring. */
	if (!err && look->walk && look->walk->done)
		ring_buffer__consume(live->ring);
	return err;
}

static void live_describe(struct source *source, const struct wire_task *task)
{
	struct live *live = live_of(source);
	struct wire_process event;

	if (process_read(task, &event))
		return;
	event.hdr.boot_ns = clock_boot_ns();
	live->event(live->context, &event, sizeof(event));
}

struct hidden_delivery {
	struct live *live;
	struct wire_socket event;
};

static void hidden_event(void *context, const struct wire_task *task)
{
	struct hidden_delivery *delivery = context;

	delivery->event.task = *task;
	delivery->live->event(delivery->live->context, &delivery->event, sizeof(delivery->event));
}

static void live_search(struct source *source, const struct wire_socket *holder)
{
	struct hidden_delivery delivery = {.live = live_of(source), .event = *holder};

	delivery.event.hdr = (struct wire_hdr){
		.size = sizeof(delivery.event),
		.kind = WIRE_SOCKET,
		.boot_ns = clock_boot_ns(),
	};
	delivery.event.fd = WIRE_FD_HIDDEN;
	hidden_find(holder->inode, SEARCH_NS, hidden_event, &delivery);
}

static void live_name_device(struct source *source, uint32_t netns, uint32_t ifindex)
{
	struct live *live = live_of(source);
	struct wire_interface event = {
		.hdr = {.size = sizeof(event), .kind = WIRE_INTERFACE, .boot_ns = clock_boot_ns()},
		.netns = netns,
		.ifindex = ifindex,
	};
	char name[IF_NAMESIZE];

	if (netns_enter(live->namespaces, netns))
		return;
	if (if_indextoname(ifindex, name)) {
		memcpy(event.name, name, sizeof(event.name));
		live->event(live->context, &event, sizeof(event));
	}
	netns_leave(live->namespaces);
}

static uint64_t allocated(const struct churn_counts *counts)
{
	return counts->values[CHURN_BY_CONNECT] + counts->values[CHURN_BY_BIND] +
	       counts->values[CHURN_BY_AUTOBIND];
}

static uint64_t failed(const struct churn_counts *counts)
{
	return counts->values[CHURN_FAILED_CONNECT] + counts->values[CHURN_FAILED_CONNECT_AGAIN] +
	       counts->values[CHURN_FAILED_BIND] + counts->values[CHURN_FAILED_LISTEN] +
	       counts->values[CHURN_FAILED_SEND];
}

static void flow_event(struct live *live, const struct churn_flow *flow, const struct churn_counts *counts)
{
	struct wire_traffic event = {
		.hdr = {.size = sizeof(event), .kind = WIRE_TRAFFIC, .boot_ns = clock_boot_ns()},
		.task = {.pid = flow->pid, .start_boot_ns = counts->start_boot_ns},
		.netns = flow->netns,
		.remote_port = flow->remote_port,
		.allocated = allocated(counts),
		.timewait = counts->values[CHURN_TIMEWAIT],
	};

	memcpy(event.task.comm, counts->comm, sizeof(event.task.comm));
	memcpy(event.remote_addr, flow->remote_addr, sizeof(event.remote_addr));
	live->event(live->context, &event, sizeof(event));
}

/* In batches: a system call for each of some thousand flows would cost more than all the rest. */
static void sample_flows(struct live *live)
{
	int map = bpf_map__fd(kernel_map(live->kernel, "churn_flows"));
	struct churn_counts counts[FLOW_BATCH];
	struct churn_flow flows[FLOW_BATCH];
	__u32 batch, count;
	int err = 0;

	for (void *in = NULL; !err; in = &batch) {
		count = FLOW_BATCH;
		err = bpf_map_lookup_batch(map, in, &batch, flows, counts, &count, NULL);
		if (err && errno != ENOENT)
			return;
		for (__u32 i = 0; i < count; i++)
			flow_event(live, &flows[i], &counts[i]);
	}
}

/* What was last told of a namespace, made anew where there is none; NULL: no memory. */
static struct told *told_of(struct live *live, uint32_t netns)
{
	struct told *told;

	for (size_t i = 0; i < live->told_count; i++) {
		if (live->told[i].event.netns == netns)
			return &live->told[i];
	}
	told = realloc(live->told, (live->told_count + 1) * sizeof(*told));
	if (!told)
		return NULL;
	live->told = told;
	told += live->told_count++;
	*told = (struct told){
		.event = {.hdr = {.size = sizeof(told->event), .kind = WIRE_NETNS}, .netns = netns},
	};
	/* One that turns up later began with nothing counted. */
	if (live->interval_boot_ns) {
		struct wire_netns nothing = told->event;

		nothing.hdr.boot_ns = live->interval_boot_ns;
		live->event(live->context, &nothing, sizeof(nothing));
	}
	return told;
}

/*
 * The kernel's own counters are read from inside; of a namespace that has gone, ours are what is left.
 * false: it has gone.
 */
static bool sample_namespace(struct live *live, struct wire_netns *event, const struct churn_counts *counts)
{
	/* Where just the process by which it was found has gone there may be another way in. */
	bool gone = enter(live, event->netns) != 0;

	if (!gone) {
		netns_read(event);
		netns_leave(live->namespaces);
	} else {
		event->timewait_live = 0;
	}
	event->hdr.boot_ns = clock_boot_ns();
	event->ephemeral_allocated = allocated(counts);
	event->ephemeral_released = counts->values[CHURN_RELEASED];
	event->ephemeral_failed = failed(counts);
	live->event(live->context, event, sizeof(*event));
	return !gone;
}

static bool has_changed(const struct told *told, const struct churn_counts *counts)
{
	return !told->event.hdr.boot_ns || told->event.timewait_live ||
	       told->timewaits != counts->values[CHURN_TIMEWAIT] ||
	       told->event.ephemeral_allocated != allocated(counts) ||
	       told->event.ephemeral_released != counts->values[CHURN_RELEASED] ||
	       told->event.ephemeral_failed != failed(counts);
}

/* One that was silent for a while: its interval begins where everybody's does, with what it had. */
static void tell_again(struct live *live, struct told *told)
{
	if (!told->event.hdr.boot_ns || told->event.hdr.boot_ns >= live->interval_boot_ns)
		return;
	told->event.hdr.boot_ns = live->interval_boot_ns;
	live->event(live->context, &told->event, sizeof(told->event));
}

/* The namespaces that have counted something, and once those that there are. */
static void find_namespaces(struct live *live, int map, bool out_of_turn)
{
	size_t known = live->told_count;
	__u32 key, *previous = NULL;

	for (; bpf_map_get_next_key(map, previous, &key) == 0; previous = &key)
		told_of(live, key);
	/* One that is new can be entered only when it has been found. */
	if (!known || live->told_count != known || out_of_turn)
		netns_list_scan(live->namespaces);
	for (size_t i = 0; !known && !out_of_turn && i < netns_list_count(live->namespaces); i++)
		told_of(live, netns_list_get(live->namespaces, i));
}

static void sample_out_of_turn(struct live *live, int map, uint32_t netns)
{
	struct churn_counts counts = {0};
	struct wire_netns between;
	struct told *told;

	find_namespaces(live, map, true);
	told = told_of(live, netns);
	if (!told)
		return;
	between = told->event;
	between.ends_interval = 0;
	bpf_map_lookup_elem(map, &netns, &counts);
	sample_namespace(live, &between, &counts);
}

/* Flows before their namespace, whose event ends the interval. */
static void live_sample(struct source *source, uint32_t netns)
{
	struct live *live = live_of(source);
	int map = bpf_map__fd(kernel_map(live->kernel, "churn_namespaces"));
	uint64_t now = clock_boot_ns();

	if (netns) {
		sample_out_of_turn(live, map, netns);
		return;
	}
	find_namespaces(live, map, false);
	sample_flows(live);
	/* Backwards, for one that has gone makes room for the last. */
	for (size_t i = live->told_count; i-- > 0;) {
		struct told *told = &live->told[i];
		struct churn_counts counts = {0};

		bpf_map_lookup_elem(map, &told->event.netns, &counts);
		if (!has_changed(told, &counts))
			continue;
		told->event.ends_interval = live->interval_boot_ns != 0;
		told->timewaits = counts.values[CHURN_TIMEWAIT];
		tell_again(live, told);
		if (sample_namespace(live, &told->event, &counts))
			continue;
		bpf_map_delete_elem(map, &told->event.netns);
		*told = live->told[--live->told_count];
	}
	live->interval_boot_ns = now;
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
	kernel_close(live->kernel);
	netns_list_free(live->namespaces);
	free(live->told);
	free(live);
}

static const struct source_ops live_ops = {
	.name = "live",
	.fd = live_fd,
	.drain = live_drain,
	.look = live_look,
	.describe = live_describe,
	.search = live_search,
	.name_device = live_name_device,
	.sample = live_sample,
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

size_t live_netns_count(const struct source *source)
{
	return netns_list_count(live_of(source)->namespaces);
}

struct source *live_open(const struct kernel_options *options, source_event_fn event, void *context,
			 char *reason, size_t size)
{
	struct live *live = calloc(1, sizeof(*live));
	int err;

	if (!live)
		return NULL;
	*live = (struct live){.source.ops = &live_ops, .event = event, .context = context};
	live->kernel = kernel_open(options, reason, size);
	if (!live->kernel)
		goto fail;
	live->namespaces = netns_list_new();
	if (live->namespaces)
		live->snapshot = snapshot_new(live->kernel, live->namespaces);
	if (live->snapshot && (options->facts || options->port))
		live->ring = ring_buffer__new(bpf_map__fd(kernel_map(live->kernel, "ring")), ring_event, live,
					      NULL);
	if (live->ring || (live->snapshot && !options->facts && !options->port))
		return &live->source;
	snprintf(reason, size, "reading the events of the kernel: %s", strerror(errno));
fail:
	err = errno;
	live_close(&live->source);
	errno = err;
	return NULL;
}
