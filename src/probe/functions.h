/* SPDX-License-Identifier: GPL-2.0-only */
/* What the running kernel has to hook, from its BTF. */
#ifndef PORTTRACE_PROBE_FUNCTIONS_H
#define PORTTRACE_PROBE_FUNCTIONS_H

#include <stdbool.h>

struct functions;

/*
 * NULL with errno: ENOTSUP the kernel has no BTF, or it cannot be read; ENOMEM.
 * PORTTRACE_HIDE="function,function" in the environment hides functions: how tests get a kernel without.
 */
struct functions *functions_open(void);
void functions_close(struct functions *functions); /* NULL is fine */

/* Lets go of the megabytes of BTF; they are read again when next asked for. */
void functions_rest(struct functions *functions);

/* Whether what a program of this ELF section ("fexit/inet_csk_get_port", "tp_btf/...") goes on is there.
 * Of sections that BTF does not know (system calls, cgroup hooks) true. */
bool functions_has(struct functions *functions, const char *section);

/* 0, or -errno of loading and attaching an empty fentry program on a function: -ENOENT not there, -524
 * (ENOTSUPP) this kernel has no trampolines for its machine: arm64's 5.10 and 6.1. */
int functions_try_fentry(struct functions *functions, const char *function);
/* 0, or -errno of making a kprobe without a program: -ENODEV the kernel has none (CONFIG_KPROBE_EVENTS),
 * -ENOENT no such function, -EACCES not permitted, -EPERM likewise or lockdown=confidentiality. */
int functions_try_kprobe(const char *function);
/* 0, or -errno of loading a program that reads the kernel's memory by its address: -EPERM not permitted,
 * -EINVAL the kernel does not let programs do that: lockdown=confidentiality. */
int functions_try_reading(void);
/* Whether tracing programs may ask for a socket's cookie: bpf_get_socket_cookie() (5.12). */
bool functions_try_cookies(struct functions *functions);
/* strerror() of what loading and attaching return; err is positive. */
const char *functions_strerror(int err);

#endif
