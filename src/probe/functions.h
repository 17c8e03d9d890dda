/* SPDX-License-Identifier: GPL-2.0-only */
/* Which functions and tracepoints the running kernel has, from its BTF. */
#ifndef PORTTRACE_PROBE_FUNCTIONS_H
#define PORTTRACE_PROBE_FUNCTIONS_H

#include <stdbool.h>

struct functions;

/*
 * NULL with errno: ENOTSUP the kernel has no BTF, or it cannot be read; EMFILE, ENFILE, ENOMEM.
 * PORTTRACE_HIDE="function,function" in the environment hides functions: tests use it to get a kernel without them.
 */
struct functions *functions_open(void);
void functions_close(struct functions *functions); /* NULL is fine */

/* Frees BTF, which has megabytes; it is read again when it is needed. */
void functions_free_btf(struct functions *functions);

/* Whether this kernel has the function or tracepoint that an ELF section ("fexit/inet_csk_get_port",
 * "tp_btf/...") names. true for sections without a BTF type (system calls, cgroup hooks). */
bool functions_has(struct functions *functions, const char *section);
/* Whether an enum of this kernel has a constant of this name. */
bool functions_has_enumerator(struct functions *functions, const char *name);

/* 0, or -errno of loading and attaching an empty fentry program: -ENOENT no such function, -524 (ENOTSUPP) no
 * trampolines for this architecture (arm64 with 5.10 and 6.1). */
int functions_try_fentry(struct functions *functions, const char *function);
/* 0, or -errno of creating a kprobe without a program: -ENODEV no kprobes (CONFIG_KPROBE_EVENTS), -ENOENT no
 * such function, -EACCES not permitted, -EPERM not permitted or lockdown=confidentiality. */
int functions_try_kprobe(const char *function);
/* 0, or -errno of loading a program that reads kernel memory by address: -EPERM not permitted, -EINVAL
 * lockdown=confidentiality. */
int functions_try_reading(void);
/* Whether tracing programs may call bpf_get_socket_cookie() (5.12). */
bool functions_try_cookies(struct functions *functions);
/* Whether fexit programs may call bpf_get_func_ret() (5.17). `function`: any function of this kernel. */
bool functions_try_func_ret(struct functions *functions, const char *function);
/* 0, or -errno of loading an empty program of "iter/bpf_map_elem" (5.9) or of type syscall (5.14). */
int functions_try_map_iterator(struct functions *functions);
int functions_try_syscall(void);
/* strerror() for errnos of loading and attaching; err is positive. */
const char *functions_strerror(int err);

#endif
