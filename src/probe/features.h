/* SPDX-License-Identifier: GPL-2.0-only */
/* What this kernel and these privileges allow: each feature is tried, the kernel version is never compared. */
#ifndef PORTTRACE_PROBE_FEATURES_H
#define PORTTRACE_PROBE_FEATURES_H

#include <stdbool.h>
#include <stddef.h>

#define FEATURES_MAX 16

#define FEATURES_NO_BTF                                                         \
	"this kernel has no BTF (/sys/kernel/btf/vmlinux); it must be built with " \
	"CONFIG_DEBUG_INFO_BTF"

struct feature {
	const char *name;
	bool works;
	char says[192]; /* what uses it; if it does not work: why, and what to do */
};

struct features {
	char kernel[65];
	struct feature list[FEATURES_MAX];
	size_t count;
};

void features_find(struct features *features);

struct functions;

/* The features that decide which programs are loaded. Each is tried. */
struct probe_features {
	bool rdonly_cast;   /* bpf_rdonly_cast() (6.2): programs may read the kernel by loads */
	bool syscall_loops; /* programs of type syscall (5.14) and bpf_loop() (5.17) */
	bool cookies;	    /* bpf_get_socket_cookie() in tracing programs (5.12) */
	/* Tried only with_facts; else false. */
	bool call_regs;	    /* bpf_task_pt_regs() (5.15): the return of a system call has its arguments */
	bool func_ret;	    /* bpf_get_func_ret() in fexit programs (5.17) */
	bool map_iterators; /* programs of "iter/bpf_map_elem"; some kernels refuse them with EPERM */
};

/* What most kernels allow, without reading the BTF of this one: for a scan, which fails at load if it is wrong. */
void features_guess(struct probe_features *features);
/* with_facts: programs that report facts will be loaded, not only the snapshot. */
void features_probe(struct probe_features *features, struct functions *functions, bool with_facts);

/* Whether the kernel treats an orphan as a socket of root, whatever uid it had: before "net: remove
 * sock_i_uid()" (6.17). */
bool features_orphan_is_root(void);

/* Whether sock_diag lists TCP sockets that neither listen nor are connected (6.8). false also without BTF. Takes some ms. */
bool features_lists_bound(void);

#define FEATURES_PRIVILEGES_SIZE 128
/* The number of capabilities that porttrace needs and does not have; `names` gets their names, joined by ", ". */
size_t features_missing_privileges(char *names, size_t size);

/* This process has the capabilities to load the BPF programs. */
bool features_may_load(void);

/* The kernel is in lockdown=confidentiality: BPF programs may not read its memory. */
bool features_is_locked_down(void);

/*
 * Writes one sentence why loading and attaching failed with err (negative). program: the first refused one,
 * or ""; bind: why no backend reports bind, or "". Returns -ENOTSUP if the kernel lacks a feature, -EPERM or
 * -EACCES if privileges are missing, -EMFILE, -ENFILE or -ENOMEM if those are short, else err.
 */
int features_explain(int err, const char *program, const char *bind, char *reason, size_t size);

/* Whether the kernel allows a backend (enum backend); `reason` says why not. */
bool features_backend(int backend, char *reason, size_t size);

#endif
