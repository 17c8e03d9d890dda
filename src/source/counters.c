/* SPDX-License-Identifier: GPL-2.0-only */
/* When an interval ends: what is read, of which namespace, and what a TIME_WAIT's end has to do with it. */
#include "source/counters.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "porttrace/churn.h"
#include "source/port_usage.h"
#include "source/map_reader.h"
#include "source/flow_counters.h"
#include "util/clock.h"

#define HOOKED_COUNTERS 4
#define OWNERS_ASKED 8 /* for a socket of a namespace that nothing else leads into */
#define PORT_USAGE_SHARE 25 /* of the time is what a port_usage may take: one in so many */

/* A namespace, as sent last. */
struct told {
	struct wire_netns event;
	struct churn_counts counts; /* as they were then */
	struct churn_counts now;
	bool is_gone;		    /* it could not be entered */
	uint64_t baseline_boot_ns;  /* not 0: the start of its first interval, which was not sent yet */
	/* TIME_WAITs on ports that the kernel chose: began before porttrace did; have ended since. */
	uint64_t timewait_before, timewait_released;
	bool has_before;
	/* TcpExt TW when it was last read, and what we had counted then. */
	uint64_t entered_read, entered_seen;
	uint64_t base[HOOKED_COUNTERS]; /* of the kernel's counters: what they had beyond ours at the first look */
	bool has_base;
	uint64_t port_usage_boot_ns, port_usage_took_ns; /* the last one */
};

struct counters {
	struct kernel *kernel;
	struct netns_list *namespaces;
	struct port_usage_reader *port_usage; /* NULL: this kernel does not let the ports be counted */
	struct flow_counters *flows;
	int counts; /* the map churn_namespaces */
	struct map_reader *counts_reader;
	bool is_hooked;
	struct told *told;
	size_t told_count;
	uint64_t interval_boot_ns; /* when the last interval ended; 0: the first has not begun */
	uint8_t reserved[NETNS_PORTS];
	source_event_fn event;
	void *context;
};

struct counters *counters_new(struct kernel *kernel, struct netns_list *namespaces, source_event_fn event,
			    void *context)
{
	const struct bpf_map *counts = kernel_map(kernel, "churn_namespaces");
	struct counters *counters = calloc(1, sizeof(*counters));
	int err;

	if (!counters)
		return NULL;
	*counters = (struct counters){
		.kernel = kernel,
		.namespaces = namespaces,
		.counts = bpf_map__fd(counts),
		.is_hooked = kernel_timewait_is_hooked(kernel),
		.event = event,
		.context = context,
	};
	counters->counts_reader = map_reader_new(kernel_program(kernel, "churn_namespaces_read"), NULL, counts);
	if (counters->counts_reader)
		counters->flows = flow_counters_new(kernel, event, context);
	if (counters->flows)
		counters->port_usage = port_usage_reader_new(kernel);
	if (counters->flows && (counters->port_usage || errno != ENOMEM))
		return counters;
	err = errno;
	counters_free(counters);
	errno = err;
	return NULL;
}

void counters_free(struct counters *counters)
{
	if (!counters)
		return;
	port_usage_reader_free(counters->port_usage);
	flow_counters_free(counters->flows);
	map_reader_free(counters->counts_reader);
	free(counters->told);
	free(counters);
}

/* What was last told of a namespace, made anew where there is none; NULL: no memory. */
static struct told *told_of(struct counters *counters, uint32_t netns)
{
	struct told *told;

	for (size_t i = 0; i < counters->told_count; i++) {
		if (counters->told[i].event.netns == netns)
			return &counters->told[i];
	}
	told = realloc(counters->told, (counters->told_count + 1) * sizeof(*told));
	if (!told)
		return NULL;
	counters->told = told;
	told += counters->told_count++;
	*told = (struct told){
		.event = {.hdr = {.size = sizeof(told->event), .kind = WIRE_NETNS}, .netns = netns},
	};
	/* One that turns up later began with nothing counted. */
	if (counters->interval_boot_ns) {
		told->has_before = true;
		told->baseline_boot_ns = counters->interval_boot_ns;
	}
	return told;
}

/* The counters of a new namespace at the start of its first interval: nothing was counted yet. */
static struct wire_netns take_baseline(struct told *told)
{
	struct wire_netns baseline = {
		.hdr = {.size = sizeof(baseline), .kind = WIRE_NETNS, .boot_ns = told->baseline_boot_ns},
		.netns = told->event.netns,
	};

	told->baseline_boot_ns = 0;
	return baseline;
}

static void send_baselines(struct counters *counters)
{
	for (size_t i = 0; i < counters->told_count; i++) {
		struct told *told = &counters->told[i];
		struct wire_netns baseline;

		if (!told->baseline_boot_ns)
			continue;
		baseline = take_baseline(told);
		counters->event(counters->context, &baseline, sizeof(baseline));
	}
}

static void counts_fill(struct wire_netns *event, const struct churn_counts *counts)
{
	const __u64 *values = counts->values;

	event->by_connect = values[CHURN_BY_CONNECT];
	event->by_bind = values[CHURN_BY_BIND];
	event->by_autobind = values[CHURN_BY_AUTOBIND];
	event->ephemeral_allocated = event->by_connect + event->by_bind + event->by_autobind;
	event->failed_connect = values[CHURN_FAILED_CONNECT];
	event->failed_connect_again = values[CHURN_FAILED_CONNECT_AGAIN];
	event->failed_bind = values[CHURN_FAILED_BIND];
	event->failed_listen = values[CHURN_FAILED_LISTEN];
	event->failed_send = values[CHURN_FAILED_SEND];
	event->ephemeral_failed = event->failed_connect + event->failed_connect_again + event->failed_bind +
				  event->failed_listen + event->failed_send;
}

/*
 * What begins the kernel counts itself, where it does (kernel_counts_timewaits()), and that is better: our
 * programs at the end of a connection have been seen to miss one. Else, and while the
 * namespace cannot be read, ours are added to what was read before: to nothing, of one that turned up later.
 */
static void entered_fill(const struct counters *counters, struct told *told, struct wire_netns *event, uint64_t seen)
{
	uint64_t added = seen > told->entered_seen ? seen - told->entered_seen : 0;
	bool is_there_at_start = !told->event.hdr.boot_ns && !counters->interval_boot_ns;

	if (!told->is_gone && (kernel_counts_timewaits(counters->kernel) || is_there_at_start)) {
		told->entered_read = event->timewait_entered;
		told->entered_seen = seen;
	} else {
		event->timewait_entered = told->entered_read + added;
	}
}

/*
 * What the hooks saw, or what the kernel counted since the first look, if that is more: a kprobe's program is
 * not run where it would interrupt another's on its CPU (trace_call_bpf()), nor one of fentry where it would
 * interrupt itself (__bpf_prog_enter_recur()). The kernel's TWRecycled is without what a SYN took over.
 */
static void hooked_fill(struct told *told, struct wire_netns *event, const __u64 *values, bool begins_counted)
{
	const uint64_t seen[] = {values[CHURN_TIMEWAIT], values[CHURN_TIMEWAIT_REUSED],
				 values[CHURN_TIMEWAIT_KILLED], values[CHURN_TIMEWAIT_OVERFLOW]};
	__u64 *const fields[] = {&event->timewait_entered, &event->timewait_reused,
				 &event->timewait_killed, &event->timewait_overflowed};

	for (int i = 0; i < HOOKED_COUNTERS; i++) {
		/* Of one that cannot be read it is what was told last. */
		uint64_t counted = *fields[i];

		if (!told->is_gone && !told->has_base)
			told->base[i] = counted - seen[i];
		if (!told->is_gone)
			counted -= told->base[i];
		*fields[i] = counted > seen[i] && (i || begins_counted) ? counted : seen[i];
	}
	told->has_base |= !told->is_gone;
}

static void timewait_fill(const struct counters *counters, struct told *told, struct wire_netns *event,
			  const struct churn_counts *counts)
{
	const __u64 *values = counts->values;

	if (!counters->is_hooked) {
		entered_fill(counters, told, event, values[CHURN_TIMEWAIT]);
		return;
	}
	event->has |= WIRE_NETNS_HOOKED;
	event->timewait_expired = values[CHURN_TIMEWAIT_EXPIRED];
	hooked_fill(told, event, values, kernel_counts_timewaits(counters->kernel));
}

static bool may_take_port_usage(const struct told *told, bool last)
{
	return last || clock_boot_ns() - told->port_usage_boot_ns > PORT_USAGE_SHARE * told->port_usage_took_ns;
}

static void misuse_of_listeners(struct counters *counters, const struct port_usage_result *found)
{
	for (size_t i = 0; i < found->listener_count; i++) {
		const struct wire_socket *listener = &found->listeners[i];

		flow_counters_misuse(counters->flows, &listener->sock, &listener->task, WIRE_MISUSE_SERVICE_PORT, 1);
	}
}

/*
 * `counts` were read before: a TIME_WAIT that begins meanwhile then looks like one that has not ended yet,
 * which the next port_usage puts right, and never like one more that has.
 */
static void port_usage_fill(struct counters *counters, struct told *told, struct wire_netns *event,
			const struct churn_counts *counts)
{
	const struct port_usage_result *found;
	uint64_t released;

	if (port_usage_read(counters->port_usage, event, counters->reserved, &found))
		return;
	told->port_usage_boot_ns = found->end_boot_ns;
	told->port_usage_took_ns = found->took_ns;
	if (!told->has_before)
		told->timewait_before = found->timewait_ephemeral > counts->values[CHURN_TIMEWAIT_EPHEMERAL] ?
			found->timewait_ephemeral - counts->values[CHURN_TIMEWAIT_EPHEMERAL] : 0;
	told->has_before = true;
	released = told->timewait_before + counts->values[CHURN_TIMEWAIT_EPHEMERAL];
	released = released > found->timewait_ephemeral ? released - found->timewait_ephemeral : 0;
	if (released > told->timewait_released)
		told->timewait_released = released;
	event->has |= WIRE_NETNS_PORT_USAGE;
	event->tcp_in_use = found->tcp_in_use;
	event->udp_in_use = found->udp_in_use;
	event->tcp_bound = found->tcp_bound;
	for (size_t i = 0; i < found->pool_count; i++)
		counters->event(counters->context, &found->pools[i], sizeof(found->pools[i]));
	if (counters->interval_boot_ns)
		misuse_of_listeners(counters, found);
}

/* A namespace that no process is in may be kept by a socket of one that took ports there. */
static bool enter(struct counters *counters, uint32_t netns)
{
	int err = netns_enter(counters->namespaces, netns);
	uint32_t pids[OWNERS_ASKED];
	size_t count;

	if (err != -ESRCH)
		return !err;
	count = flow_counters_owners(counters->flows, netns, pids, OWNERS_ASKED);
	for (size_t i = 0; i < count; i++) {
		if (netns_list_scan_sockets(counters->namespaces, netns, pids[i]))
			return !netns_enter(counters->namespaces, netns);
	}
	return false;
}

/* Of a namespace that has gone, our own counts are what is left. */
static void sample_namespace(struct counters *counters, struct told *told, struct wire_netns *event,
			     const struct churn_counts *counts, bool with_port_usage, bool last)
{
	event->has = kernel_times_searches(counters->kernel) ? WIRE_NETNS_TIMED : 0;
	event->flows_forgotten = flow_counters_evicted(counters->flows);
	counts_fill(event, counts);
	told->is_gone = !enter(counters, event->netns);
	if (told->is_gone) {
		event->timewait_live = 0;
	} else {
		netns_read(event, counters->reserved);
		/* Where there is no TIME_WAIT there is nothing to begin from, and nothing to be told yet. */
		if (!told->has_before && !event->timewait_live)
			told->has_before = true;
		if (with_port_usage && (counters->interval_boot_ns || event->timewait_live) && counters->port_usage &&
		    may_take_port_usage(told, last))
			port_usage_fill(counters, told, event, counts);
		netns_leave(counters->namespaces);
	}
	timewait_fill(counters, told, event, counts);
	event->ephemeral_released = counts->values[CHURN_RELEASED];
	if (counters->is_hooked)
		event->ephemeral_released += counts->values[CHURN_TIMEWAIT_RELEASED];
	else
		event->ephemeral_released += told->timewait_released;
	event->hdr.boot_ns = clock_boot_ns();
}

static bool has_changed(const struct told *told, const struct churn_counts *counts)
{
	return !told->event.hdr.boot_ns || told->event.timewait_live ||
	       memcmp(told->counts.values, counts->values, sizeof(counts->values)) != 0;
}

/* One that was silent for a while: its interval begins where everybody's does, with what it had. */
static void tell_again(struct counters *counters, struct told *told)
{
	if (!told->event.hdr.boot_ns || told->event.hdr.boot_ns >= counters->interval_boot_ns)
		return;
	told->event.hdr.boot_ns = counters->interval_boot_ns;
	counters->event(counters->context, &told->event, sizeof(told->event));
}

static void read_counts(void *context, const char *element)
{
	struct told *told;
	__u32 netns;

	memcpy(&netns, element, sizeof(netns));
	told = told_of(context, netns);
	if (told)
		memcpy(&told->now, element + sizeof(netns), sizeof(told->now));
}

/* The namespaces that have counted something, with that, and once those that there are. */
static void find_namespaces(struct counters *counters, bool out_of_turn)
{
	size_t known = counters->told_count;

	map_reader_each(counters->counts_reader, read_counts, counters);
	/* One that is new can be entered only when it has been found. */
	if (!known || counters->told_count != known || out_of_turn)
		netns_list_scan(counters->namespaces);
	for (size_t i = 0; !known && !out_of_turn && i < netns_list_count(counters->namespaces); i++)
		told_of(counters, netns_list_get(counters->namespaces, i));
}

int counters_read_one(struct counters *counters, uint32_t netns, struct netns_reading *reading)
{
	struct wire_netns *now;
	struct told *told;

	reading->count = 0;
	find_namespaces(counters, true);
	told = told_of(counters, netns);
	if (!told)
		return -ENOMEM;
	if (told->baseline_boot_ns)
		reading->events[reading->count++] = take_baseline(told);
	now = &reading->events[reading->count++];
	*now = told->event;
	now->ends_interval = 0;
	sample_namespace(counters, told, now, &told->now, false, false);
	return 0;
}

/* A namespace that is kept by something that cannot be seen reads as gone: it goes when it is silent too. */
static void forget_gone(struct counters *counters, struct told *told)
{
	if (!told->is_gone)
		return;
	bpf_map_delete_elem(counters->counts, &told->event.netns);
	flow_counters_forget(counters->flows, told->event.netns);
	*told = counters->told[--counters->told_count];
}

void counters_report(struct counters *counters, bool last)
{
	uint64_t now = clock_boot_ns();

	find_namespaces(counters, false);
	send_baselines(counters);
	flow_counters(counters->flows);
	/* Backwards, for one that has gone makes room for the last. */
	for (size_t i = counters->told_count; i-- > 0;) {
		struct told *told = &counters->told[i];
		uint64_t overflowed = told->event.timewait_overflowed;
		bool is_first = !told->event.hdr.boot_ns;

		if (!has_changed(told, &told->now)) {
			forget_gone(counters, told);
			continue;
		}
		told->event.ends_interval = counters->interval_boot_ns != 0;
		tell_again(counters, told);
		told->counts = told->now;
		sample_namespace(counters, told, &told->event, &told->now, true, last);
		if (!is_first && told->event.timewait_overflowed > overflowed)
			flow_counters_overflow(counters->flows, &told->event);
		counters->event(counters->context, &told->event, sizeof(told->event));
	}
	counters->interval_boot_ns = now;
}
