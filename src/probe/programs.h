/* SPDX-License-Identifier: GPL-2.0-only */
/* The BPF programs, compiled more than once: kernels differ in what a branch cannot hide from them. */
#ifndef PORTTRACE_PROBE_PROGRAMS_H
#define PORTTRACE_PROBE_PROGRAMS_H

/* By preference. They differ in code only: maps, settings and names of programs are the same. */
enum programs_variant {
	PROGRAMS_DIRECT,  /* loads through bpf_rdonly_cast() (6.2) */
	PROGRAMS_PLAIN,	  /* bpf_probe_read_kernel(), and bpf_loop() (5.17) */
	PROGRAMS_BOUNDED, /* walks of a fixed length in place of bpf_loop() */
	PROGRAMS_VARIANTS
};

struct porttrace_direct;

/* Opened, not loaded. The caller destroys it with porttrace_direct__destroy(). NULL with errno. */
struct porttrace_direct *programs_open(enum programs_variant variant);

/* The best that this kernel may take: later ones are worth a try when it is refused. */
enum programs_variant programs_best(void);

#endif
