/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the backends on kernel functions, fentry and kprobe: reading the arguments of those functions. */
#ifndef PORTTRACE_FUNCTION_BPF_H
#define PORTTRACE_FUNCTION_BPF_H

#include "porttrace.bpf.h"

/* As much of an address as there is; *out is zero before. */
static __always_inline void addr_read(struct sockaddr_in6 *out, const void *addr, int size)
{
	if (size >= (int)sizeof(*out))
		bpf_probe_read_kernel(out, sizeof(*out), addr);
	else if (size >= (int)sizeof(struct sockaddr_in))
		bpf_probe_read_kernel(out, sizeof(struct sockaddr_in), addr);
}

static __always_inline void addr_read_user(struct sockaddr_in6 *out, const void *addr, int size)
{
	if (size >= (int)sizeof(*out))
		bpf_probe_read_user(out, sizeof(*out), addr);
	else if (size >= (int)sizeof(struct sockaddr_in))
		bpf_probe_read_user(out, sizeof(struct sockaddr_in), addr);
}

/* A subflow is part of an MPTCP socket, which is what the process bound, listened on or closed. */
static __always_inline bool is_subflow(struct sock *sk)
{
	return sock_of_user(sk) != sk;
}

#endif
