/* SPDX-License-Identifier: GPL-2.0-only */
/* The clock of all events: CLOCK_BOOTTIME in ns, as bpf_ktime_get_boot_ns(). The model does not read it. */
#ifndef PORTTRACE_UTIL_CLOCK_H
#define PORTTRACE_UTIL_CLOCK_H

#include <stdint.h>

uint64_t clock_boot_ns(void);
/* CPU time that this thread has used, without the time that it waited for a CPU. */
uint64_t clock_thread_ns(void);
/* Microseconds of a jiffy (1/CONFIG_HZ), which no BPF helper returns: 1,000 to 10,000. */
uint32_t clock_jiffy_us(void);

#endif
