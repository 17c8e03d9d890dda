/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading the kernel, relocated by CO-RE: READ(pointer, field, ...) through a pointer made by AS().
 *
 * bpf_probe_read_kernel() costs some 25 ns a call, and an event reads forty fields. Where the kernel has
 * bpf_rdonly_cast() (6.2), AS() makes a typed pointer of a plain address, and READ() is a load that the
 * JIT guards against faults, at the price of a load. The programs are compiled once for such kernels and once
 * (PROBE_READ) for older ones; src/probe/programs.h says why a branch is not enough.
 */
#ifndef PORTTRACE_READ_BPF_H
#define PORTTRACE_READ_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#ifdef PROBE_READ

#define AS(type, pointer)	   ((type *)(pointer))
#define READ(pointer, ...)	   BPF_CORE_READ(pointer, __VA_ARGS__)
/* Reads a large field in place. */
#define READ_INTO(out, pointer, ...) BPF_CORE_READ_INTO(out, pointer, __VA_ARGS__)
/* Bitfields, and fields that were one on some kernel. */
#define READ_BITS(pointer, field) BPF_CORE_READ_BITFIELD_PROBED(pointer, field)

#else

/* read.bpf.c: bpf_rdonly_cast(); libbpf 1.1 links a kernel function into one object only. */
void *read_cast(const void *pointer, __u32 btf_id);

#define AS(type, pointer) \
	((type *)read_cast((void *)(pointer), bpf_core_type_id_kernel(type)))
#define READ(pointer, ...)	   ___arrow((pointer), __VA_ARGS__)
#define READ_INTO(out, pointer, ...) (*(out) = ___arrow((pointer), __VA_ARGS__))
#define READ_BITS(pointer, field) BPF_CORE_READ_BITFIELD(pointer, field)

#endif
#endif
