/* SPDX-License-Identifier: GPL-2.0-only */
/* Which functions and tracepoints the running kernel has, from its BTF. */
#ifndef PORTTRACE_PROBE_FUNCTIONS_H
#define PORTTRACE_PROBE_FUNCTIONS_H

#include <stdbool.h>

struct functions;

/*
 * NULL with errno: ENOTSUP the kernel has no BTF, or it cannot be read; ENOMEM.
 * PORTTRACE_HIDE="function,function" in the environment hides functions: tests use it to get a kernel without them.
 */
struct functions *functions_open(void);
void functions_close(struct functions *functions); /* NULL is fine */

/* Frees BTF, which takes megabytes. It is read again when it is next needed. */
void functions_rest(struct functions *functions);

/* Whether this kernel has what a program of this ELF section ("fexit/inet_csk_get_port", "tp_btf/...") is attached
 * to. true for sections that BTF says nothing about (system calls, cgroup hooks). */
bool functions_has(struct functions *functions, const char *section);

/* 0, or -errno of loading and attaching an empty fentry program on a function: -ENOENT no such function, -524
 * (ENOTSUPP) this kernel has no trampolines for its architecture (arm64 with 5.10 and 6.1). */
int functions_try_fentry(struct functions *functions, const char *function);
/* 0, or -errno of making a kprobe without a program: -ENODEV the kernel has no kprobes (CONFIG_KPROBE_EVENTS),
 * -ENOENT no such function, -EACCES not permitted, -EPERM likewise or lockdown=confidentiality. */
int functions_try_kprobe(const char *function);
/* 0, or -errno of loading a program that reads kernel memory by address: -EPERM not permitted, -EINVAL
 * lockdown=confidentiality. */
int functions_try_reading(void);
/* Whether tracing programs may call bpf_get_socket_cookie() (5.12). */
bool functions_try_cookies(struct functions *functions);
/* Whether fexit programs may call bpf_get_func_ret() (5.17). `function`: any that the kernel has. */
bool functions_try_func_ret(struct functions *functions, const char *function);
/* 0, or -errno of loading an empty program of "iter/bpf_map_elem" (5.9) or of type syscall (5.14). */
int functions_try_map_iterator(struct functions *functions);
int functions_try_syscall(void);
/* strerror() of what loading and attaching return; err is positive. */
const char *functions_strerror(int err);

#endif
