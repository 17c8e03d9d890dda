/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The BPF programs, compiled twice: once with reads through bpf_rdonly_cast() (Linux 6.2), once with reads by
 * bpf_probe_read_kernel(). One compilation with a branch on a constant was tried and is not possible:
 * - Linux 5.10 refuses a program with an unresolved call of a kernel function (`__weak __ksym`), also in code
 *   that cannot be reached: EINVAL, before the verifier writes a log.
 * - The subprograms that shorten verification on new kernels (GLOBAL_SUBPROG) have pointer arguments, which
 *   kernels before 5.12 refuse.
 * - The verifiers of 5.10 and 6.1 limit all frames of a chain of calls to 512 bytes and count the callees in
 *   code that cannot be reached.
 */
#ifndef PORTTRACE_PROBE_PROGRAMS_H
#define PORTTRACE_PROBE_PROGRAMS_H

/* The variants differ in code only: maps, settings and program names are the same. */
enum programs_variant { PROGRAMS_RDONLY_CAST, PROGRAMS_PROBE_READ };

struct porttrace_rdonly_cast;

/* Opens a variant, as the skeleton type of the first. The programs are not loaded; the caller destroys it
 * with porttrace_rdonly_cast__destroy(). NULL with errno. */
struct porttrace_rdonly_cast *programs_open(enum programs_variant variant);

#endif
