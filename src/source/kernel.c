/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What can be loaded is found by loading: a program that the kernel refuses is left out, with the
 * kernel's reason, and the rest is tried again. What can be attached is found by attaching.
 */
#include "source/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/perf_event.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "porttrace/census.h"
#include "porttrace.skel.h"
#include "source/kernel_fs.h"

#define LINKS_MAX 64

struct kernel {
	struct porttrace *skeleton;
	struct kernel_fact facts[FACT_COUNT];
	struct bpf_link *links[LINKS_MAX];
	size_t link_count;
	bool direct_reads; /* bpf/read.bpf.h: tried first */
	bool census;	   /* bpf/census.bpf.c: what it counts is not known without it */
	bool call_regs;	   /* bpf/tracepoint.bpf.c: a return has its call's arguments */
	int cgroup_root, tracefs;
};

static const char *const snapshot_programs[] = {"snapshot_files", "snapshot_tcp", "snapshot_udp"};
static const char *const census_programs[] = {"census_tcp", "census_udp"};

/* libbpf tells which program was refused, and why, only by printing it. */
static __thread struct {
	bool verbose;
	char program[64];
	char reason[160];
} load_report;

static int print_hear(enum libbpf_print_level level, const char *format, va_list args)
{
	char line[512], *name, *end;
	va_list copy;

	if (load_report.verbose && level != LIBBPF_DEBUG) {
		va_copy(copy, args);
		vfprintf(stderr, format, copy);
		va_end(copy);
	}
	if (level != LIBBPF_WARN)
		return 0;
	vsnprintf(line, sizeof(line), format, args);
	name = strstr(line, "prog '");
	end = name ? strchr(name + 6, '\'') : NULL;
	if (!end || load_report.program[0] || !strstr(end, "BPF program load failed"))
		return 0;
	snprintf(load_report.program, sizeof(load_report.program), "%.*s", (int)(end - name - 6), name + 6);
	end = strrchr(line, ':');
	snprintf(load_report.reason, sizeof(load_report.reason), "not loaded:%.*s",
		 (int)strcspn(end + 1, "\n"), end + 1);
	return 0;
}

struct bpf_program *kernel_program(const struct kernel *kernel, const char *name)
{
	struct bpf_program *program =
		bpf_object__find_program_by_name(kernel->skeleton->obj, name);

	return program && bpf_program__autoload(program) ? program : NULL;
}

struct bpf_map *kernel_map(const struct kernel *kernel, const char *name)
{
	return bpf_object__find_map_by_name(kernel->skeleton->obj, name);
}

struct look_settings *kernel_look(const struct kernel *kernel)
{
	return &kernel->skeleton->bss->look;
}

uint64_t kernel_lost(const struct kernel *kernel, uint32_t reason)
{
	return __atomic_load_n(&kernel->skeleton->bss->lost_counts[reason % 8], __ATOMIC_RELAXED);
}

const struct kernel_fact *kernel_facts(const struct kernel *kernel)
{
	return kernel->facts;
}

struct census *kernel_census(const struct kernel *kernel, uint8_t **ports)
{
	if (!kernel->census)
		return NULL;
	*ports = kernel->skeleton->bss->census_ports;
	return &kernel->skeleton->bss->census;
}

uint64_t kernel_flows_made(const struct kernel *kernel)
{
	return __atomic_load_n(&kernel->skeleton->bss->churn_flows_made, __ATOMIC_RELAXED);
}

bool kernel_timewait_is_hooked(const struct kernel *kernel)
{
	return kernel->skeleton->rodata->timewait_hooked;
}

static void fact_fail(struct kernel_fact *fact, const char *reason)
{
	fact->works = false;
	snprintf(fact->reason, sizeof(fact->reason), "%s", reason);
}

static const char *program_of(const struct kernel *kernel, enum fact fact, int index)
{
	return hook_program(fact, kernel->facts[fact].backend, !kernel->call_regs, index);
}

/* The fact that a program serves, or NULL. */
static struct kernel_fact *fact_of(struct kernel *kernel, const char *program)
{
	for (int i = 0; i < FACT_COUNT; i++) {
		struct kernel_fact *fact = &kernel->facts[i];

		const char *name;

		for (int j = 0; fact->wanted && (name = program_of(kernel, (enum fact)i, j)); j++) {
			if (strcmp(name, program) == 0)
				return fact;
		}
	}
	return NULL;
}

static int skeleton_load(struct kernel *kernel, const struct settings *settings)
{
	struct porttrace *skeleton = porttrace__open();

	if (!skeleton)
		return -errno;
	kernel->skeleton = skeleton;
	skeleton->rodata->settings = *settings;
	skeleton->rodata->direct_reads = kernel->direct_reads;
	skeleton->rodata->has_call_regs = kernel->call_regs;
	for (size_t i = 0; i < sizeof(snapshot_programs) / sizeof(snapshot_programs[0]); i++)
		bpf_program__set_autoload(bpf_object__find_program_by_name(skeleton->obj,
									   snapshot_programs[i]),
					  true);
	for (size_t i = 0; kernel->census && i < sizeof(census_programs) / sizeof(census_programs[0]); i++)
		bpf_program__set_autoload(bpf_object__find_program_by_name(skeleton->obj,
									   census_programs[i]),
					  true);
	for (int i = 0; i < FACT_COUNT; i++) {
		const struct kernel_fact *fact = &kernel->facts[i];

		const char *name;

		for (int j = 0; fact->works && (name = program_of(kernel, (enum fact)i, j)); j++)
			bpf_program__set_autoload(bpf_object__find_program_by_name(skeleton->obj, name),
						  true);
	}
	return porttrace__load(skeleton);
}

/* Leaves out what the kernel refuses: first the quick way to read it, then one fact a round. */
static int load_what_works(struct kernel *kernel, const struct settings *settings)
{
	for (int round = 0; round <= FACT_COUNT + 2; round++) {
		struct kernel_fact *fact;
		int err;

		load_report.program[0] = '\0';
		err = skeleton_load(kernel, settings);
		if (!err)
			return 0;
		fact = fact_of(kernel, load_report.program);
		if (kernel->direct_reads && err != -EPERM)
			kernel->direct_reads = false;
		else if (kernel->census && err != -EPERM && !strncmp(load_report.program, "census_", 7))
			kernel->census = false;
		else if (fact && err != -EPERM)
			fact_fail(fact, load_report.reason);
		else
			return err;
		porttrace__destroy(kernel->skeleton);
		kernel->skeleton = NULL;
	}
	return -ENOTSUP;
}

/* bpf_program__attach_tracepoint() insists on a mounted tracefs; this takes any. */
static struct bpf_link *attach_tracepoint(struct kernel *kernel, struct bpf_program *program)
{
	const char *section = bpf_program__section_name(program);
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.sample_period = 1,
		.wakeup_events = 1,
	};
	struct bpf_link *link;
	char path[128], id[32];
	ssize_t length;
	int fd;

	section += *section == '?';
	snprintf(path, sizeof(path), "events/%s/id", section + strlen("tracepoint/"));
	fd = openat(kernel->tracefs, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	length = read(fd, id, sizeof(id) - 1);
	close(fd);
	if (length <= 0) {
		errno = EIO;
		return NULL;
	}
	id[length] = '\0';
	attr.config = strtoull(id, NULL, 10);
	fd = syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return NULL;
	link = bpf_program__attach_perf_event(program, fd);
	if (!link) {
		int err = errno;

		close(fd);
		errno = err;
	}
	return link;
}

static struct bpf_link *attach(struct kernel *kernel, struct bpf_program *program)
{
	switch (bpf_program__type(program)) {
	case BPF_PROG_TYPE_TRACEPOINT:
		return attach_tracepoint(kernel, program);
	case BPF_PROG_TYPE_CGROUP_SOCK:
	case BPF_PROG_TYPE_SOCK_OPS:
		return bpf_program__attach_cgroup(program, kernel->cgroup_root);
	default:
		return bpf_program__attach(program);
	}
}

static void attach_fact(struct kernel *kernel, enum fact which)
{
	struct kernel_fact *fact = &kernel->facts[which];

	const char *name;

	for (int i = 0; fact->works && (name = program_of(kernel, which, i)); i++) {
		struct bpf_program *program = kernel_program(kernel, name);
		struct bpf_link *link;

		link = program ? attach(kernel, program) : NULL;
		if (!link) {
			char reason[160];

			snprintf(reason, sizeof(reason), "%s not attached: %s", name, strerror(errno));
			fact_fail(fact, reason);
			return;
		}
		kernel->links[kernel->link_count++] = link;
	}
}

static void describe_failure(int err, char *reason, size_t size)
{
	if (err == -EPERM || err == -EACCES)
		snprintf(reason, size, "loading BPF programs is not permitted; run as root, or with "
				       "CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN and CAP_SYS_ADMIN");
	else if (access("/sys/kernel/btf/vmlinux", R_OK) != 0)
		snprintf(reason, size, "this kernel has no BTF (/sys/kernel/btf/vmlinux); it must be built "
				       "with CONFIG_DEBUG_INFO_BTF");
	else
		snprintf(reason, size, "the kernel refused the BPF programs: %s%s%s (see -v)", strerror(-err),
			 load_report.program[0] ? "; first " : "", load_report.program);
}

struct kernel *kernel_open(const struct kernel_options *options, char *reason, size_t size)
{
	struct kernel *kernel = calloc(1, sizeof(*kernel));
	int err;

	if (!kernel)
		return NULL;
	load_report.verbose = options->verbose;
	libbpf_set_print(print_hear);
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	kernel->cgroup_root = kernel->tracefs = -1;
	kernel->direct_reads = true;
	kernel->census = options->facts;
	kernel->call_regs =
		libbpf_probe_bpf_helper(BPF_PROG_TYPE_TRACEPOINT, BPF_FUNC_task_pt_regs, NULL) == 1;
	for (int i = 0; i < FACT_COUNT; i++) {
		struct kernel_fact *fact = &kernel->facts[i];

		fact->backend = options->backend < 0 ? BACKEND_TRACEPOINT : (enum backend)options->backend;
		fact->wanted = options->facts & 1U << i;
		fact->works = fact->wanted && hooks[i].programs[fact->backend][0];
		if (fact->wanted && !fact->works)
			fact_fail(fact, "this build has no program for it");
	}
	err = load_what_works(kernel, options->settings);
	if (err) {
		describe_failure(err, reason, size);
		kernel_close(kernel);
		errno = -err;
		return NULL;
	}
	if (!options->facts)
		return kernel;
	kernel->cgroup_root = kernel_fs_open("cgroup2");
	kernel->tracefs = kernel_fs_open("tracefs");
	/* A socket must have its identity before anything is said about it. */
	attach_fact(kernel, FACT_IDENTITY);
	for (int i = 0; i < FACT_COUNT; i++) {
		if (i != FACT_IDENTITY)
			attach_fact(kernel, (enum fact)i);
	}
	return kernel;
}

void kernel_close(struct kernel *kernel)
{
	if (!kernel)
		return;
	while (kernel->link_count)
		bpf_link__destroy(kernel->links[--kernel->link_count]);
	porttrace__destroy(kernel->skeleton);
	if (kernel->cgroup_root >= 0)
		close(kernel->cgroup_root);
	if (kernel->tracefs >= 0)
		close(kernel->tracefs);
	free(kernel);
}
