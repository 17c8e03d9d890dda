/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads the arguments of kernel functions, for the backends fentry and kprobe. */
#ifndef PORTTRACE_FUNCTION_BPF_H
#define PORTTRACE_FUNCTION_BPF_H

#include "porttrace.bpf.h"

/* Copies an address; of one that is too short, the part that has the port. *out is zero before. */
static __always_inline void addr_read(struct sockaddr_in6 *out, const void *addr, int size)
{
	if (size >= (int)sizeof(*out))
		bpf_probe_read_kernel(out, sizeof(*out), addr);
	else if (size >= (int)sizeof(struct sockaddr_in))
		bpf_probe_read_kernel(out, sizeof(struct sockaddr_in), addr);
	else if (size >= ADDR_PORT_END)
		bpf_probe_read_kernel(&out->sin6_family, ADDR_PORT_END, addr);
}

static __always_inline void addr_read_user(struct sockaddr_in6 *out, const void *addr, int size)
{
	if (size >= (int)sizeof(*out))
		bpf_probe_read_user(out, sizeof(*out), addr);
	else if (size >= (int)sizeof(struct sockaddr_in))
		bpf_probe_read_user(out, sizeof(struct sockaddr_in), addr);
	else if (size >= ADDR_PORT_END)
		bpf_probe_read_user(&out->sin6_family, ADDR_PORT_END, addr);
}

/* A subflow of an MPTCP socket. The process binds, listens on and closes the MPTCP socket, so subflows are
 * not reported. */
static __always_inline bool is_subflow(struct sock *sk)
{
	return sock_of_user(sk) != sk;
}

#endif
