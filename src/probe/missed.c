/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads the counters in struct bpf_prog_info and struct bpf_link_info. */
#include "probe/missed.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

/* struct bpf_link_info of a perf event kprobe since 6.7: the definition of libbpf may be older. */
struct kprobe_link {
	__u32 type, id, prog_id, : 32;
	__u32 perf_type, : 32;
	__aligned_u64 func_name;
	__u32 name_len, offset;
	__u64 addr;
	__u64 missed; /* of the probe; for a return probe also the missed returns */
	__u64 cookie;
};

#define PERF_EVENT_KPROBE    3 /* enum bpf_perf_event_type */
#define PERF_EVENT_KRETPROBE 4
#define LINK_TYPE_PERF_EVENT 7

uint64_t probe_missed_count(const struct bpf_program *program, const struct bpf_link *link)
{
	struct bpf_prog_info ran = {0};
	struct kprobe_link hit = {0};
	__u32 size = sizeof(ran);
	uint64_t count = 0;

	if (!bpf_obj_get_info_by_fd(bpf_program__fd(program), &ran, &size))
		count = ran.recursion_misses;
	if (bpf_program__type(program) != BPF_PROG_TYPE_KPROBE)
		return count;
	size = sizeof(hit);
	if (!bpf_obj_get_info_by_fd(bpf_link__fd(link), &hit, &size) && hit.type == LINK_TYPE_PERF_EVENT &&
	    (hit.perf_type == PERF_EVENT_KPROBE || hit.perf_type == PERF_EVENT_KRETPROBE))
		count += hit.missed;
	return count;
}
