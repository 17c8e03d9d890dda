/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * At the end of an interval, reads the BPF counters and the kernel's counters of each namespace, and computes
 * from both how many TIME_WAITs began and ended.
 */
#include "source/counters.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "porttrace/churn.h"
#include "source/flow_counters.h"
#include "source/map_reader.h"
#include "source/port_usage.h"
#include "system/netns_read.h"
#include "util/clock.h"

#define HOOKED_COUNTERS 4
#define OWNERS_MAX 8	    /* processes whose sockets are searched for one in a namespace that no process or
			     * mount leads to */
#define START_COUNT_NS 300000000ULL /* CPU time for counting ports before the first interval */
#define PORT_USAGE_PAUSE 25 /* pause between counts of ports, in durations of the last count: 4 % of the time */

/* What is known of one namespace. */
struct netns_counters {
	struct wire_netns event;    /* the last one sent; hdr.boot_ns 0: none */
	struct churn_counts counts; /* of that event */
	struct churn_counts now;    /* the last ones read */
	bool is_gone;		    /* it could not be entered */
	uint64_t baseline_boot_ns;  /* not 0: the start of its first interval, which was not sent yet */
	/* TIME_WAITs on ephemeral ports: those that began before porttrace (with has_before); those that
	 * ended since. */
	uint64_t timewait_before, timewait_released;
	bool has_before;
	/* TcpExt TW at its last reading, and the count of the BPF programs at that time. */
	uint64_t entered_read, entered_seen;
	uint64_t base[HOOKED_COUNTERS]; /* the kernel's counters minus those of the BPF programs, at the first
					 * reading */
	bool has_base;
	uint64_t port_usage_boot_ns, port_usage_took_ns; /* end and CPU time of the last count of ports */
};

struct counters {
	struct kernel *kernel;
	struct netns_list *namespaces;
	struct port_usage_reader *port_usage; /* NULL: ports cannot be counted on this kernel */
	struct flow_counters *flows;
	int counts; /* the map churn_namespaces */
	struct map_reader *counts_reader;
	bool is_hooked; /* the backend sees the end of a TIME_WAIT */
	struct netns_counters *entries;
	size_t entry_count;
	bool pools_at_start;
	uint64_t start_took_ns;	   /* CPU time of counting ports before the first interval */
	uint64_t interval_boot_ns; /* when the last interval ended; 0: the first has not begun */
	uint8_t reserved[NETNS_PORTS];
	source_event_fn event;
	void *context;
};

struct counters *counters_new(struct kernel *kernel, struct netns_list *namespaces, bool pools_at_start,
			      source_event_fn event, void *context)
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
		.pools_at_start = pools_at_start,
		.event = event,
		.context = context,
	};
	counters->counts_reader =
		map_reader_new(kernel_program(kernel, "churn_namespaces_read"), NULL, counts);
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
	free(counters->entries);
	free(counters);
}

/* The entry of a namespace, which is added if there is none. NULL: no memory. Invalidates other entries. */
static struct netns_counters *entry_get(struct counters *counters, uint32_t netns)
{
	struct netns_counters *entry;

	for (size_t i = 0; i < counters->entry_count; i++) {
		if (counters->entries[i].event.netns == netns)
			return &counters->entries[i];
	}
	entry = realloc(counters->entries, (counters->entry_count + 1) * sizeof(*entry));
	if (!entry)
		return NULL;
	counters->entries = entry;
	entry += counters->entry_count++;
	*entry = (struct netns_counters){
		.event = {.hdr = {.size = sizeof(entry->event), .kind = WIRE_NETNS}, .netns = netns},
	};
	/* A namespace that appears during the trace began its interval with all counters 0. */
	if (counters->interval_boot_ns) {
		entry->has_before = true;
		entry->baseline_boot_ns = counters->interval_boot_ns;
	}
	return entry;
}

/* The counters of a new namespace at the start of its first interval: nothing was counted yet. */
static struct wire_netns baseline_take(struct netns_counters *entry)
{
	struct wire_netns baseline = {
		.hdr = {.size = sizeof(baseline), .kind = WIRE_NETNS, .boot_ns = entry->baseline_boot_ns},
		.netns = entry->event.netns,
	};

	entry->baseline_boot_ns = 0;
	return baseline;
}

static void baselines_send(struct counters *counters)
{
	for (size_t i = 0; i < counters->entry_count; i++) {
		struct wire_netns baseline;

		if (!counters->entries[i].baseline_boot_ns)
			continue;
		baseline = baseline_take(&counters->entries[i]);
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
 * How many TIME_WAITs began, for backends without hooks on their end. The kernel's counter is used if it
 * counts them at the begin (kernel_counts_timewaits()), because the BPF programs at the end of a connection
 * can miss one. Otherwise, and if the namespace cannot be entered, the BPF count since the last reading is
 * added to the kernel's value at that reading (0 for a namespace that appeared during the trace).
 */
static void entered_fill(const struct counters *counters, struct netns_counters *entry, struct wire_netns *event,
			 uint64_t seen)
{
	uint64_t added = seen > entry->entered_seen ? seen - entry->entered_seen : 0;
	bool existed_at_start = !entry->event.hdr.boot_ns && !counters->interval_boot_ns;

	if (!entry->is_gone && (kernel_counts_timewaits(counters->kernel) || existed_at_start)) {
		entry->entered_read = event->timewait_entered;
		entry->entered_seen = seen;
	} else {
		event->timewait_entered = entry->entered_read + added;
	}
}

/*
 * The larger of what the hooks saw and what the kernel has counted since the first reading. Hooks can miss
 * events: the kernel does not run a kprobe program while another one runs on the same CPU (trace_call_bpf()
 * in kernel/trace/bpf_trace.c), nor an fentry program that would interrupt itself (__bpf_prog_enter_recur()
 * in kernel/bpf/trampoline.c). The kernel's counter can be lower: TWRecycled leaves out the TIME_WAITs that
 * a SYN took over.
 */
static void hooked_fill(struct netns_counters *entry, struct wire_netns *event, const __u64 *values,
			bool begins_counted)
{
	const uint64_t seen[] = {values[CHURN_TIMEWAIT], values[CHURN_TIMEWAIT_REUSED],
				 values[CHURN_TIMEWAIT_KILLED], values[CHURN_TIMEWAIT_OVERFLOW]};
	__u64 *const fields[] = {&event->timewait_entered, &event->timewait_reused,
				 &event->timewait_killed, &event->timewait_overflowed};

	for (int i = 0; i < HOOKED_COUNTERS; i++) {
		/* If the namespace cannot be entered, this is the value sent last. */
		uint64_t counted = *fields[i];

		if (!entry->is_gone && !entry->has_base)
			entry->base[i] = counted - seen[i];
		if (!entry->is_gone)
			counted -= entry->base[i];
		*fields[i] = counted > seen[i] && (i || begins_counted) ? counted : seen[i];
	}
	entry->has_base |= !entry->is_gone;
}

static void timewait_fill(const struct counters *counters, struct netns_counters *entry,
			  struct wire_netns *event, const struct churn_counts *counts)
{
	const __u64 *values = counts->values;

	if (!counters->is_hooked) {
		entered_fill(counters, entry, event, values[CHURN_TIMEWAIT]);
		return;
	}
	event->has |= WIRE_NETNS_HOOKED;
	event->timewait_expired = values[CHURN_TIMEWAIT_EXPIRED];
	hooked_fill(entry, event, values, kernel_counts_timewaits(counters->kernel));
}

static bool may_read_port_usage(const struct counters *counters, const struct netns_counters *entry,
				const struct wire_netns *event, bool last)
{
	uint64_t pause = PORT_USAGE_PAUSE * entry->port_usage_took_ns;

	if (!counters->interval_boot_ns)
		return event->timewait_live || (counters->pools_at_start && counters->start_took_ns < START_COUNT_NS);
	return last || clock_boot_ns() - entry->port_usage_boot_ns > pause;
}

static void misuse_of_listeners(struct counters *counters, const struct port_usage_result *found)
{
	for (size_t i = 0; i < found->listener_count; i++) {
		const struct wire_socket *listener = &found->listeners[i];

		flow_counters_misuse(counters->flows, &listener->sock, &listener->task,
				     WIRE_MISUSE_SERVICE_PORT, 1);
	}
}

/*
 * Counts the ports, and derives how many TIME_WAITs on ephemeral ports have ended: those that began minus
 * those that exist. `counts` must have been read before: then a TIME_WAIT that begins meanwhile only makes
 * the result too low until the next count, and never too high.
 */
static void port_usage_fill(struct counters *counters, struct netns_counters *entry, struct wire_netns *event,
			const struct churn_counts *counts)
{
	const struct port_usage_result *found;
	struct port_usage_key busy;
	uint64_t released;
	bool has_busy;

	has_busy = flow_counters_busiest(counters->flows, event->netns, &busy);
	if (port_usage_read(counters->port_usage, event, counters->reserved, has_busy ? &busy : NULL, &found))
		return;
	if (!counters->interval_boot_ns)
		counters->start_took_ns += found->took_ns;
	entry->port_usage_boot_ns = found->end_boot_ns;
	entry->port_usage_took_ns = found->took_ns;
	if (!entry->has_before)
		entry->timewait_before = found->timewait_ephemeral > counts->values[CHURN_TIMEWAIT_EPHEMERAL] ?
			found->timewait_ephemeral - counts->values[CHURN_TIMEWAIT_EPHEMERAL] : 0;
	entry->has_before = true;
	released = entry->timewait_before + counts->values[CHURN_TIMEWAIT_EPHEMERAL];
	released = released > found->timewait_ephemeral ? released - found->timewait_ephemeral : 0;
	if (released > entry->timewait_released)
		entry->timewait_released = released;
	event->has |= WIRE_NETNS_PORT_USAGE;
	event->tcp_in_use = found->tcp_in_use;
	event->udp_in_use = found->udp_in_use;
	event->tcp_bound = found->tcp_bound;
	for (size_t i = 0; i < found->pool_count; i++)
		counters->event(counters->context, &found->pools[i], sizeof(found->pools[i]));
	if (counters->interval_boot_ns)
		misuse_of_listeners(counters, found);
}

/* A socket of a process that took ports there may keep a namespace that no process is in. */
static bool enter(struct counters *counters, uint32_t netns)
{
	int err = netns_enter(counters->namespaces, netns);
	uint32_t pids[OWNERS_MAX];
	size_t count;

	if (err != -ESRCH)
		return !err;
	count = flow_counters_owners(counters->flows, netns, pids, OWNERS_MAX);
	for (size_t i = 0; i < count; i++) {
		if (netns_list_scan_sockets(counters->namespaces, netns, pids[i]))
			return !netns_enter(counters->namespaces, netns);
	}
	return false;
}

/* Reads one namespace. If it cannot be entered, only the counts of the BPF programs are new. */
static void namespace_read(struct counters *counters, struct netns_counters *entry, struct wire_netns *event,
			     const struct churn_counts *counts, bool with_port_usage, bool last)
{
	event->has = kernel_times_searches(counters->kernel) ? WIRE_NETNS_TIMED : 0;
	event->flows_forgotten = flow_counters_evicted(counters->flows);
	counts_fill(event, counts);
	entry->is_gone = !enter(counters, event->netns);
	if (entry->is_gone) {
		event->timewait_live = 0;
	} else {
		netns_read(event, counters->reserved);
		/* If no TIME_WAIT exists now, none from before porttrace is left, and the ports need not be
		 * counted for it. */
		if (!entry->has_before && !event->timewait_live)
			entry->has_before = true;
		if (with_port_usage && counters->port_usage && may_read_port_usage(counters, entry, event, last))
			port_usage_fill(counters, entry, event, counts);
		netns_leave(counters->namespaces);
	}
	timewait_fill(counters, entry, event, counts);
	event->ephemeral_released = counts->values[CHURN_RELEASED];
	if (counters->is_hooked)
		event->ephemeral_released += counts->values[CHURN_TIMEWAIT_RELEASED];
	else
		event->ephemeral_released += entry->timewait_released;
	event->hdr.boot_ns = clock_boot_ns();
}

static bool has_changed(const struct netns_counters *entry, const struct churn_counts *counts)
{
	return !entry->event.hdr.boot_ns || entry->event.timewait_live ||
	       memcmp(entry->counts.values, counts->values, sizeof(counts->values)) != 0;
}

/* Begins the interval of a namespace in which nothing changed for a while, with its last values. */
static void interval_begin(struct counters *counters, struct netns_counters *entry)
{
	if (!entry->event.hdr.boot_ns || entry->event.hdr.boot_ns >= counters->interval_boot_ns)
		return;
	entry->event.hdr.boot_ns = counters->interval_boot_ns;
	counters->event(counters->context, &entry->event, sizeof(entry->event));
}

static void read_counts(void *context, const char *element)
{
	struct netns_counters *entry;
	__u32 netns;

	memcpy(&netns, element, sizeof(netns));
	entry = entry_get(context, netns);
	if (entry)
		memcpy(&entry->now, element + sizeof(netns), sizeof(entry->now));
}

/* Reads the counts of all namespaces; the first time, adds those that have counted nothing yet. */
static void find_namespaces(struct counters *counters, bool out_of_turn)
{
	size_t known = counters->entry_count;

	map_reader_each(counters->counts_reader, read_counts, counters);
	/* A new one must be found before it can be entered. */
	if (!known || counters->entry_count != known || out_of_turn)
		netns_list_scan(counters->namespaces);
	for (size_t i = 0; !known && !out_of_turn && i < netns_list_count(counters->namespaces); i++)
		entry_get(counters, netns_list_get(counters->namespaces, i));
}

int counters_read_one(struct counters *counters, uint32_t netns, struct netns_reading *reading)
{
	struct netns_counters *entry;
	struct wire_netns *now;

	reading->count = 0;
	find_namespaces(counters, true);
	entry = entry_get(counters, netns);
	if (!entry)
		return -ENOMEM;
	if (entry->baseline_boot_ns)
		reading->events[reading->count++] = baseline_take(entry);
	now = &reading->events[reading->count++];
	*now = entry->event;
	now->ends_interval = 0;
	namespace_read(counters, entry, now, &entry->now, false, false);
	return 0;
}

/* A namespace that cannot be entered is removed only when its counts stay the same: a socket may keep it. */
static void entry_remove_gone(struct counters *counters, struct netns_counters *entry)
{
	if (!entry->is_gone)
		return;
	bpf_map_delete_elem(counters->counts, &entry->event.netns);
	flow_counters_forget(counters->flows, entry->event.netns);
	*entry = counters->entries[--counters->entry_count];
}

void counters_report(struct counters *counters, bool last)
{
	uint64_t now = clock_boot_ns();

	find_namespaces(counters, false);
	baselines_send(counters);
	flow_counters_read(counters->flows);
	/* Backwards: entry_remove_gone() moves the last entry to the place of the removed one. */
	for (size_t i = counters->entry_count; i-- > 0;) {
		struct netns_counters *entry = &counters->entries[i];
		uint64_t overflowed = entry->event.timewait_overflowed;
		bool is_first = !entry->event.hdr.boot_ns;

		if (!has_changed(entry, &entry->now)) {
			entry_remove_gone(counters, entry);
			continue;
		}
		entry->event.ends_interval = counters->interval_boot_ns != 0;
		interval_begin(counters, entry);
		entry->counts = entry->now;
		namespace_read(counters, entry, &entry->event, &entry->now, true, last);
		if (!is_first && entry->event.timewait_overflowed > overflowed)
			flow_counters_overflow(counters->flows, &entry->event);
		counters->event(counters->context, &entry->event, sizeof(entry->event));
	}
	counters->interval_boot_ns = now;
}
