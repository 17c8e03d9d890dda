/* SPDX-License-Identifier: GPL-2.0-only */
/* Makes a typed pointer from an untyped address, on kernels that can (read.bpf.h). */
#include "read.bpf.h"

#ifndef PROBE_READ
extern void *bpf_rdonly_cast(const void *pointer, __u32 btf_id) __ksym __weak;

__hidden void *typed_pointer(const void *pointer, __u32 btf_id)
{
	return bpf_rdonly_cast(pointer, btf_id);
}
#endif
