/* SPDX-License-Identifier: GPL-2.0-only */
/* Tries each kernel feature that porttrace needs, with the smallest program that uses it. */
#include "probe/features.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <linux/capability.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "probe/functions.h"
#include "probe/hooks.h"
#include "system/kernel_fs.h"

static void add(struct features *features, const char *name, bool works, const char *says)
{
	struct feature *feature = &features->list[features->count++];

	feature->name = name;
	feature->works = works;
	snprintf(feature->says, sizeof(feature->says), "%s", says);
}

/* r0 = 0; exit */
static const struct bpf_insn return_zero[] = {
	{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
	{.code = BPF_JMP | BPF_EXIT},
};

static int try_load(enum bpf_prog_type type)
{
	int fd = bpf_prog_load(type, "try_load", "GPL", return_zero, 2, NULL);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* CAP_SYS_ADMIN includes CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN for bpf() (bpf_capable() in
 * include/linux/capability.h). */
static bool has_capability(int capability)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};

	if (syscall(SYS_capget, &header, data))
		return false;
	return data[capability / 32].effective & 1U << capability % 32 ||
	       data[CAP_SYS_ADMIN / 32].effective & 1U << CAP_SYS_ADMIN % 32;
}

static const struct {
	int number;
	const char *name, *use;
} needed[] = {
	{CAP_BPF, "CAP_BPF", "load BPF programs; if missing, run as root or use setcap"},
	{CAP_PERFMON, "CAP_PERFMON", "read the kernel's sockets; if missing, run as root or use setcap"},
	{CAP_NET_ADMIN, "CAP_NET_ADMIN", "attach to the cgroup hooks of sockets; if missing, run as root or use setcap"},
	{CAP_SYS_ADMIN, "CAP_SYS_ADMIN", "enter network namespaces, iterate over tasks; if missing, run as root or use setcap"},
};

static void find_privileges(struct features *features)
{
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		add(features, needed[i].name, has_capability(needed[i].number), needed[i].use);
}

size_t features_missing_privileges(char *names, size_t size)
{
	size_t count = 0, length = 0;

	names[0] = '\0';
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (has_capability(needed[i].number))
			continue;
		count++;
		if (length < size)
			length += (size_t)snprintf(names + length, size - length, "%s%s", length ? ", " : "",
						   needed[i].name);
	}
	return count;
}

bool features_is_locked_down(void)
{
	return functions_try_reading() == -EINVAL;
}

static void find_file_system(struct features *features, const char *type, const char *use)
{
	int fd = kernel_fs_open(type);

	add(features, type, fd >= 0, fd >= 0 ? use : strerror(-fd));
	if (fd >= 0)
		close(fd);
}

static bool has_fentry(char *reason, size_t size)
{
	libbpf_print_fn_t print = libbpf_set_print(NULL);
	struct functions *functions = functions_open();
	int err = functions ? functions_try_fentry(functions, "inet_csk_get_port") : -errno;

	if (!functions)
		snprintf(reason, size, FEATURES_NO_BTF);
	else
		snprintf(reason, size, "the kernel refuses fentry programs: %s", functions_strerror(-err));
	functions_close(functions);
	libbpf_set_print(print);
	return !err;
}

static bool has_kprobes(char *reason, size_t size)
{
	int err = functions_try_kprobe("inet_csk_get_port");

	if (err == -ENODEV)
		snprintf(reason, size, "this kernel has no kprobes (CONFIG_KPROBE_EVENTS)");
	else
		snprintf(reason, size, "the kernel refuses kprobes: %s%s", strerror(-err),
			 features_is_locked_down() ? " (lockdown=confidentiality)" : "");
	return !err;
}

bool features_backend(int backend, char *reason, size_t size)
{
	switch ((enum backend)backend) {
	case BACKEND_FENTRY:
		return has_fentry(reason, size);
	case BACKEND_KPROBE:
		return has_kprobes(reason, size);
	case BACKEND_TRACEPOINT:
	case BACKEND_COUNT:
		break;
	}
	return true;
}

static bool has_btf(void)
{
	struct functions *functions = functions_open();

	functions_close(functions);
	return functions;
}

int features_explain(int err, const char *program, const char *bind, char *reason, size_t size)
{
	char missing[80];

	if (err == -EPERM || err == -EACCES) {
		if (features_missing_privileges(missing, sizeof(missing)))
			snprintf(reason, size, "loading BPF programs is not permitted: run as root, or with %s",
				 missing);
		else
			snprintf(reason, size, "loading BPF programs is not permitted although no capability is "
					       "missing: a seccomp filter or a security module refuses it");
		return err;
	}
	if (!has_btf())
		snprintf(reason, size, FEATURES_NO_BTF);
	else if (features_is_locked_down())
		snprintf(reason, size, "this kernel is in lockdown=confidentiality: BPF programs may not read its memory");
	else if (err == -ENOTSUP)
		snprintf(reason, size, "no fact can be traced on this kernel%s%s", bind[0] ? "; bind not by " : "", bind);
	else if (program[0])
		snprintf(reason, size, "the kernel refused the BPF program %s: %s (run with -v for its log)", program,
			 strerror(-err));
	else {
		snprintf(reason, size, "the kernel refused the BPF programs: %s (run with -v for libbpf's messages)", strerror(-err));
		return err;
	}
	return -ENOTSUP;
}

void features_find(struct features *features)
{
	struct utsname kernel;
	char reason[192];
	bool works;
	int err;

	*features = (struct features){0};
	uname(&kernel);
	memcpy(features->kernel, kernel.release, sizeof(features->kernel));
	libbpf_set_print(NULL);
	find_privileges(features);
	works = has_btf();
	add(features, "BTF", works, works ? "the types of this kernel" : FEATURES_NO_BTF);
	err = try_load(BPF_PROG_TYPE_TRACEPOINT);
	add(features, "BPF programs", !err, err ? strerror(-err) : "can be loaded");
	err = functions_try_reading();
	add(features, "kernel memory", !err,
	    !err	     ? "BPF programs may read it" :
	    err == -EINVAL ? "BPF programs may not read it: the kernel is in lockdown=confidentiality" :
			     strerror(-err));
	find_file_system(features, "tracefs", "lists the system call tracepoints");
	find_file_system(features, "cgroup2", "cgroup and sockops programs are attached to it");
	works = features_backend(BACKEND_FENTRY, reason, sizeof(reason));
	add(features, "fentry", works, works ? "best backend: never misses a return, which has the arguments of the call" : reason);
	works = features_backend(BACKEND_KPROBE, reason, sizeof(reason));
	add(features, "kprobe", works, works ? "second best backend: a kprobe hit inside another one is missed" : reason);
}

void features_guess(struct probe_features *features)
{
	bool loops = functions_try_syscall() == 0 &&
		     libbpf_probe_bpf_helper(BPF_PROG_TYPE_TRACEPOINT, BPF_FUNC_loop, NULL) == 1;

	*features = (struct probe_features){.rdonly_cast = loops, .syscall_loops = loops, .cookies = true};
}

void features_probe(struct probe_features *features, struct functions *functions, bool with_facts)
{
	*features = (struct probe_features){
		.rdonly_cast = functions_has(functions, "fentry/bpf_rdonly_cast"),
		.syscall_loops = functions_try_syscall() == 0 &&
				 libbpf_probe_bpf_helper(BPF_PROG_TYPE_TRACEPOINT, BPF_FUNC_loop, NULL) == 1,
		.cookies = functions_try_cookies(functions),
	};
	if (!with_facts)
		return;
	features->call_regs = libbpf_probe_bpf_helper(BPF_PROG_TYPE_TRACEPOINT, BPF_FUNC_task_pt_regs, NULL) == 1;
	features->func_ret = functions_try_func_ret(functions, "inet_csk_get_port");
	features->map_iterators = functions_try_map_iterator(functions) == 0;
}

bool features_orphan_is_root(void)
{
	struct functions *functions = functions_open();
	bool is_root = functions && functions_has(functions, "fentry/sock_i_uid");

	functions_close(functions);
	return is_root;
}
