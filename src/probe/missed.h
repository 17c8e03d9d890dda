/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counts how often the kernel skipped a program: a kprobe or tracepoint program while another one, or a bpf()
 * call on a map, runs on the same CPU (trace_call_bpf() in kernel/trace/bpf_trace.c); an fentry program that
 * would interrupt itself (__bpf_prog_enter_recur() in kernel/bpf/trampoline.c); a kprobe hit inside another
 * kprobe.
 */
#ifndef PORTTRACE_PROBE_MISSED_H
#define PORTTRACE_PROBE_MISSED_H

#include <stdint.h>

struct bpf_link;
struct bpf_program;

/*
 * The count since this link attached the program. 0 if the kernel does not count: before 5.12 (fentry),
 * before 6.7 (kprobes: "bpf: Count missed stats in trace_call_bpf", "bpf: Add missed value to kprobe perf
 * link info").
 */
uint64_t probe_missed_count(const struct bpf_program *program, const struct bpf_link *link);

#endif
