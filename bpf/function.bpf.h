/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads the arguments of kernel functions, for the backends fentry and kprobe. */
#ifndef PORTTRACE_FUNCTION_BPF_H
#define PORTTRACE_FUNCTION_BPF_H

#include "porttrace.bpf.h"

/* Copies an address; one that is too short for its family leaves *out, which is zero, unchanged. */
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

/* A subflow of an MPTCP socket. The process binds, listens on and closes the MPTCP socket, so subflows are
 * not reported. */
static __always_inline bool is_subflow(struct sock *sk)
{
	return sock_of_user(sk) != sk;
}

#endif
