/* SPDX-License-Identifier: GPL-2.0-only */
/* A plain address -> a pointer with a type, where the kernel can (read.bpf.h says why). */
#include "read.bpf.h"

#ifndef PROBE_READ
extern void *bpf_rdonly_cast(const void *pointer, __u32 btf_id) __ksym __weak;

__hidden void *read_cast(const void *pointer, __u32 btf_id)
{
	return bpf_rdonly_cast(pointer, btf_id);
}
#endif
