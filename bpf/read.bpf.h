/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads kernel memory, relocated by CO-RE: READ(pointer, field, ...), where TYPED() made the pointer.
 *
 * A call of bpf_probe_read_kernel() takes about 25 ns, and an event reads 40 fields. On kernels with
 * bpf_rdonly_cast() (6.2), TYPED() makes a typed pointer from an untyped address, and READ() is a load, which
 * the JIT protects against faults. The programs are compiled once for such kernels and once (PROBE_READ) for
 * older ones; src/probe/programs.h says why one compilation with a branch is not possible.
 */
#ifndef PORTTRACE_READ_BPF_H
#define PORTTRACE_READ_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#ifdef PROBE_READ

#define TYPED(type, pointer)	   ((type *)(pointer))
#define READ(pointer, ...)	   BPF_CORE_READ(pointer, __VA_ARGS__)
/* Reads a large field in place. */
#define READ_INTO(out, pointer, ...) BPF_CORE_READ_INTO(out, pointer, __VA_ARGS__)
/* Bitfields, and fields that were bitfields on some kernel. */
#define READ_BITS(pointer, field) BPF_CORE_READ_BITFIELD_PROBED(pointer, field)

#else

/* read.bpf.c: calls bpf_rdonly_cast(). A function, because libbpf 1.1 links a kernel function into one object
 * only. */
void *typed_pointer(const void *pointer, __u32 btf_id);

#define TYPED(type, pointer) \
	((type *)typed_pointer((void *)(pointer), bpf_core_type_id_kernel(type)))
#define READ(pointer, ...)	   ___arrow((pointer), __VA_ARGS__)
#define READ_INTO(out, pointer, ...) (*(out) = ___arrow((pointer), __VA_ARGS__))
#define READ_BITS(pointer, field) BPF_CORE_READ_BITFIELD(pointer, field)

#endif
#endif
