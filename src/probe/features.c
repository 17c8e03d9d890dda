/* SPDX-License-Identifier: GPL-2.0-only */
/* Tries each kernel feature that porttrace needs, with the smallest program that uses it. */
#include "probe/features.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
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

#define LOAD_MEMORY ((size_t)40 << 20) /* that loading the programs needs, in bytes */

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

static bool is_effective(int capability)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};

	if (syscall(SYS_capget, &header, data))
		return false;
	return data[capability / 32].effective & 1U << capability % 32;
}

static bool has_capability(int capability)
{
	switch (capability) {
	case CAP_BPF:
	case CAP_PERFMON:
	case CAP_NET_ADMIN:
		/* For bpf(): bpf_capable() in include/linux/capability.h. */
		return is_effective(capability) || is_effective(CAP_SYS_ADMIN);
	case CAP_DAC_READ_SEARCH:
		/* The files belong to root. */
		return is_effective(capability) || geteuid() == 0;
	}
	return is_effective(capability);
}

static const struct {
	int number;
	const char *name, *use;
} needed[] = {
	{CAP_BPF, "CAP_BPF", "load BPF programs; if missing, run as root or use setcap"},
	{CAP_PERFMON, "CAP_PERFMON", "read the kernel's sockets; if missing, run as root or use setcap"},
	{CAP_NET_ADMIN, "CAP_NET_ADMIN", "attach to the cgroup hooks of sockets; if missing, run as root or use setcap"},
	{CAP_SYS_ADMIN, "CAP_SYS_ADMIN", "enter network namespaces, iterate over tasks; if missing, run as root or use setcap"},
	{CAP_SYS_PTRACE, "CAP_SYS_PTRACE",
	 "read programs and namespaces of other users' processes; if missing, run as root or use setcap"},
	{CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH", "read tracefs where only root may; if missing, run as root or use setcap"},
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

bool features_may_load(void)
{
	return has_capability(CAP_BPF) && has_capability(CAP_PERFMON);
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

/* 0, or the errno of functions_open(). */
static int btf_error(void)
{
	struct functions *functions = functions_open();
	int err = functions ? 0 : errno;

	functions_close(functions);
	return err;
}

static bool is_shortage(int err)
{
	return err == EMFILE || err == ENFILE || err == ENOMEM;
}

static bool is_memory_short(void)
{
	void *memory = malloc(LOAD_MEMORY);

	free(memory);
	return !memory;
}

static int try_map(uint32_t pages)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "memlock", 4, 4096, pages, NULL);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/*
 * Before "bpf: Eliminate rlimit-based memory accounting" (5.11), the memory of BPF programs and maps counts as locked.
 * libbpf raises the limit, if it may. Tries a map that fits and one that does not.
 */
static bool is_memlock_short(void)
{
	struct rlimit limit;

	if (is_effective(CAP_SYS_RESOURCE) || getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_cur > LOAD_MEMORY)
		return false;
	return !try_map(1) && try_map((uint32_t)(limit.rlim_cur / 4096) + 2) == -EPERM;
}

static void explain_shortage(int err, char *reason, size_t size)
{
	struct rlimit limit = {0};

	switch (err) {
	case EMFILE:
		getrlimit(RLIMIT_NOFILE, &limit);
		snprintf(reason, size, "too many open files: the limit is %llu; try: ulimit -n 1024",
			 (unsigned long long)limit.rlim_cur);
		break;
	case ENFILE:
		snprintf(reason, size, "too many open files on this machine (fs.file-max)");
		break;
	default:
		snprintf(reason, size, "out of memory: loading BPF programs needs about %zu MiB (see ulimit -v, and the limit of the "
				       "cgroup)", LOAD_MEMORY >> 20);
		break;
	}
}

static void explain_privileges(char *reason, size_t size)
{
	char missing[FEATURES_PRIVILEGES_SIZE];

	features_missing_privileges(missing, sizeof(missing));
	if (geteuid() == 0)
		snprintf(reason, size, "loading BPF programs is not permitted: root lacks %s here; a container needs "
				       "--privileged, or these capabilities", missing);
	else
		snprintf(reason, size, "loading BPF programs is not permitted: run as root, or with %s", missing);
}

int features_explain(int err, const char *program, const char *bind, char *reason, size_t size)
{
	bool is_refused = err == -EPERM || err == -EACCES;
	int btf_err;

	/* Without them another error would look like a fault of the kernel. CAP_SYS_ADMIN covers all that loading needs. */
	if (!features_may_load() || (is_refused && !is_effective(CAP_SYS_ADMIN))) {
		explain_privileges(reason, size);
		return -EPERM;
	}
	if (is_refused && is_memlock_short()) {
		snprintf(reason, size, "loading BPF programs is not permitted: it needs more locked memory than the limit of "
				       "this process; try: ulimit -l unlimited (as root), or add CAP_SYS_RESOURCE");
		return err;
	}
	if (is_refused) {
		snprintf(reason, size, "loading BPF programs is not permitted although no capability is missing: a seccomp "
				       "filter or a security module refuses it");
		return err;
	}
	btf_err = is_shortage(-err) ? -err : btf_error();
	/* libbpf could not read BTF again, although there is one. */
	if (err == -ESRCH && !btf_err && is_memory_short())
		btf_err = ENOMEM;
	if (is_shortage(btf_err)) {
		explain_shortage(btf_err, reason, size);
		return -btf_err;
	}
	if (btf_err)
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
	works = !btf_error();
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

bool features_lists_bound(void)
{
	struct functions *functions = functions_open();
	bool is_listed = functions && functions_has_enumerator(functions, "TCP_BOUND_INACTIVE");

	functions_close(functions);
	return is_listed;
}
