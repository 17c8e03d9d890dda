/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The programs and maps in the kernel: chosen, loaded, attached. live.c reads their ring buffer,
 * snapshot.c runs their iterators.
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
	uint32_t facts;	      /* bit per enum fact; 0: only the snapshot */
	bool port;	      /* looks are for one port: its tables are walked, where the kernel can do that */
	int backend;	      /* enum backend, or -1: the best that works */
	bool examine;	      /* find what every backend lacks, not only those that are chosen */
	bool verbose;	      /* libbpf's own words go to stderr */
};

struct kernel;

/*
 * Loads and attaches all that this kernel lets it. A fact that cannot be had is noted in
 * kernel_facts(), and does not fail the whole.
 * NULL with errno: EPERM not the privileges, ENOTSUP no BTF or no program could be loaded, else the
 * cause; `reason` (of `size` bytes) says it in words.
 */
struct kernel *kernel_open(const struct kernel_options *options, char *reason, size_t size);
void kernel_close(struct kernel *kernel);

const struct kernel_fact *kernel_facts(const struct kernel *kernel); /* [FACT_COUNT] */
/* "fentry", "kprobe", "tracepoint", or what there is of them, joined by "+". Static. */
const char *kernel_probes(const struct kernel *kernel);

/* Borrowed. NULL: not in this build, or not loaded. */
struct bpf_program *kernel_program(const struct kernel *kernel, const char *name);
struct bpf_map *kernel_map(const struct kernel *kernel, const char *name);
/* Shared with the programs. */
struct scan_settings *kernel_scan_settings(const struct kernel *kernel);
struct bucket_dump *kernel_bucket_dump(const struct kernel *kernel);
/* Likewise; *ports has PORT_USAGE_PORTS. NULL: this kernel does not let the ports be counted. */
struct port_usage *kernel_port_usage(const struct kernel *kernel, uint8_t **ports);
/* Entries ever made in churn_flows: what it has not any more has made room. */
uint64_t kernel_flows_made(const struct kernel *kernel);
/* TcpExt TW is known to count TIME_WAITs that begin (5.18), not those that ended. */
bool kernel_counts_timewaits(const struct kernel *kernel);
/* The end of a TIME_WAIT is seen, and counted by the kernel side. */
bool kernel_timewait_is_hooked(const struct kernel *kernel);
/* Searches for a port are measured, and counted by the kernel side. */
bool kernel_times_searches(const struct kernel *kernel);
/* Since the start; what was made up for later is taken off again. */
uint64_t kernel_lost(const struct kernel *kernel, uint32_t reason);

#endif
