/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Selects, loads and attaches the BPF programs and their maps. live.c reads their ring buffer, snapshot.c runs
 * their iterators.
 */
#ifndef PORTTRACE_PROBE_KERNEL_H
#define PORTTRACE_PROBE_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "porttrace/settings.h"
#include "porttrace/bucket_dump.h"
#include "probe/selection.h"

struct bpf_map;
struct bpf_program;
struct bpf_link;
struct port_usage;

struct kernel_options {
	const struct settings *settings;
	uint32_t facts;	      /* bit per enum fact; 0: snapshot only */
	bool port;	      /* scans are for one port: dump its buckets if the kernel can */
	int backend;	      /* enum backend, or -1: the best that works */
	bool pools_at_start;  /* count the ports of all namespaces when the first interval begins */
	bool examine;	      /* find what every backend lacks, not only the selected ones */
	bool verbose;	      /* print libbpf's messages and the verifier's logs to stderr */
};

struct kernel;

/*
 * Loads and attaches all programs that this kernel allows. A fact that does not work is noted in
 * kernel_facts() and is not an error. NULL with errno: EPERM privileges are missing; ENOTSUP no BTF, or no
 * program could be loaded; EMFILE, ENFILE, ENOMEM; else the cause. `reason` (of `size` bytes) gets a sentence about it.
 */
struct kernel *kernel_open(const struct kernel_options *options, char *reason, size_t size);
void kernel_close(struct kernel *kernel);

const struct kernel_fact *kernel_facts(const struct kernel *kernel); /* [FACT_COUNT] */
/* "fentry", "kprobe", "tracepoint", or those in use joined by "+". Static. */
const char *kernel_probes(const struct kernel *kernel);

/* Borrowed. NULL: no such program, or not loaded. Returns NAME or NAME_bounded, whichever was loaded. */
struct bpf_program *kernel_program(const struct kernel *kernel, const char *name);
struct bpf_map *kernel_map(const struct kernel *kernel, const char *name);
/* Shared with the programs. */
struct scan_settings *kernel_scan_settings(const struct kernel *kernel);
struct bucket_dump *kernel_bucket_dump(const struct kernel *kernel);
/* Shared as well; *ports has PORT_USAGE_PORTS bytes. NULL: this kernel cannot count ports. */
struct port_usage *kernel_port_usage(const struct kernel *kernel, uint8_t **ports);
/* Entries added to churn_flows since the start; those no longer in the map were evicted. */
uint64_t kernel_flows_added(const struct kernel *kernel);
/* Whether TcpExt TW counts TIME_WAITs when they begin (since 5.18), and not when they end. */
bool kernel_counts_timewaits(const struct kernel *kernel);
/* Whether BPF programs see and count the end of TIME_WAITs. */
bool kernel_timewait_is_hooked(const struct kernel *kernel);
/* Whether BPF programs measure port searches. */
bool kernel_times_searches(const struct kernel *kernel);
/* Events lost since the start (enum wire_lost_reason), without those recovered later. */
uint64_t kernel_lost(const struct kernel *kernel, uint32_t reason);

#endif
