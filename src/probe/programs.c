/* SPDX-License-Identifier: GPL-2.0-only */
/* Opens one of the compilations. Both skeletons have the same members at the same places, as asserted here. */
#include "probe/programs.h"

#include <errno.h>
#include <stddef.h>

#include <bpf/libbpf.h>

#include "porttrace/bucket_dump.h"
#include "porttrace/port_usage.h"
#include "porttrace/settings.h"

#include "porttrace_probe_read.skel.h"
#include "porttrace_rdonly_cast.skel.h"

/* Asserts that a member of both skeletons, or of a part such as `__rodata`, has the same place. */
#define SAME(part, member)                                                                                  \
	_Static_assert(offsetof(struct porttrace_probe_read##part, member) ==                               \
				       offsetof(struct porttrace_rdonly_cast##part, member) &&              \
			       sizeof(((struct porttrace_probe_read##part *)NULL)->member) ==               \
				       sizeof(((struct porttrace_rdonly_cast##part *)NULL)->member),        \
		       #member " is at different places in the compilations of the BPF programs")

SAME(, skeleton);
SAME(, obj);
SAME(, bss);
SAME(, rodata);
SAME(__rodata, settings);
SAME(__rodata, has_call_regs);
SAME(__rodata, has_cookies);
SAME(__rodata, jiffy_us);
SAME(__rodata, searches_timed);
SAME(__rodata, timewait_hooked);
SAME(__rodata, uring_kinds);
SAME(__bss, scan);
SAME(__bss, bucket_dump);
SAME(__bss, cgroup_seen_hooks);
SAME(__bss, churn_flows_added);
SAME(__bss, lost_counts);
SAME(__bss, port_usage);
SAME(__bss, port_usage_ports);
SAME(__bss, timewait_begins_counted);
SAME(__bss, timewait_missed_recovered);

struct porttrace_rdonly_cast *programs_open(enum programs_variant variant)
{
	switch (variant) {
	case PROGRAMS_RDONLY_CAST:
		return porttrace_rdonly_cast__open();
	case PROGRAMS_PROBE_READ:
		return (void *)porttrace_probe_read__open();
	}
	errno = EINVAL;
	return NULL;
}
