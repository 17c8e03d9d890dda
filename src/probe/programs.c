/* SPDX-License-Identifier: GPL-2.0-only */
/* Opens one of the compilations, as if each had the skeleton of the first. */
#include "probe/programs.h"

#include <errno.h>

#include <bpf/libbpf.h>

#include "porttrace/port_usage.h"
#include "porttrace/settings.h"
#include "porttrace/bucket_dump.h"

#include "porttrace_bounded.skel.h"
#include "porttrace_direct.skel.h"
#include "porttrace_plain.skel.h"

/* The skeletons have one shape, for they have the same maps, programs and variables. */
_Static_assert(sizeof(struct porttrace_plain) == sizeof(struct porttrace_direct) &&
	       sizeof(struct porttrace_bounded) == sizeof(struct porttrace_direct) &&
	       sizeof(struct porttrace_plain__rodata) == sizeof(struct porttrace_direct__rodata) &&
	       sizeof(struct porttrace_bounded__rodata) == sizeof(struct porttrace_direct__rodata) &&
	       sizeof(struct porttrace_plain__bss) == sizeof(struct porttrace_direct__bss) &&
	       sizeof(struct porttrace_bounded__bss) == sizeof(struct porttrace_direct__bss),
	       "the variants of the BPF programs differ in more than code");

struct porttrace_direct *programs_open(enum programs_variant variant)
{
	switch (variant) {
	case PROGRAMS_DIRECT:
		return porttrace_direct__open();
	case PROGRAMS_PLAIN:
		return (void *)porttrace_plain__open();
	case PROGRAMS_BOUNDED:
		return (void *)porttrace_bounded__open();
	case PROGRAMS_VARIANTS:
		break;
	}
	errno = EINVAL;
	return NULL;
}

enum programs_variant programs_best(void)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_TRACEPOINT, BPF_FUNC_loop, NULL) == 1 ? PROGRAMS_DIRECT :
											      PROGRAMS_BOUNDED;
}
