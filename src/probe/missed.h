/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How often the kernel did not run a program that it should have run: one of a kprobe or a tracepoint where
 * another one, or a bpf() call on a map, was under way on its processor (trace_call_bpf()), one of fentry
 * where it would have interrupted itself (__bpf_prog_enter_recur()); a kprobe that was hit within another.
 */
#ifndef PORTTRACE_PROBE_MISSED_H
#define PORTTRACE_PROBE_MISSED_H

#include <stdint.h>

struct bpf_link;
struct bpf_program;

/*
 * Since the program was attached by this link. 0 where the kernel does not count them: before 5.12
 * (fentry), 6.7 (kprobes: "bpf: Count missed stats in trace_call_bpf", "bpf: Add missed value to kprobe perf
 * link info").
 */
uint64_t probe_missed_count(const struct bpf_program *program, const struct bpf_link *link);

#endif
