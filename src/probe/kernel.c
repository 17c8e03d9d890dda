/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What can be loaded is found by loading: a program that the kernel refuses is left out, with the
 * kernel's reason, and the rest is tried again. What can be attached is found by attaching.
 */
#include "probe/kernel.h"

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

#include "porttrace/port_usage.h"
#include "porttrace_direct.skel.h"
#include "porttrace/wire.h"
#include "probe/features.h"
#include "probe/functions.h"
#include "system/kernel_fs.h"
#include "probe/misses.h"
#include "probe/programs.h"

#define LINKS_MAX 64

struct kernel {
	struct porttrace_direct *skeleton;
	struct choice choice;
	struct attached {
		struct bpf_link *link;
		const struct bpf_program *program;
		enum fact fact;
	} attached[LINKS_MAX];
	size_t attached_count;
	enum programs_variant variant;
	bool port;	   /* kernel_options.port, until the kernel refuses its program */
	bool with_facts;   /* kernel_options.facts */
	bool map_iterators; /* programs that read maps, until the kernel refuses one: source/map_reader.h */
	bool port_usage;	   /* bpf/port_usage.bpf.c: what it counts is not known without it */
	int cgroup_root, tracefs;
};

static const char *const snapshot_programs[] = {"snapshot_files", "snapshot_tcp", "snapshot_udp"};
static const char *const port_usage_programs[] = {"port_usage_tcp", "port_usage_udp", "port_usage_buckets"};
static const char *const port_usage_map_programs[] = {"port_usage_pools_read", "port_usage_pools_clear"};
static const char *const churn_programs[] = {"churn_namespaces_read", "churn_flows_read", "churn_searches_read"};

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

struct scan_settings *kernel_scan_settings(const struct kernel *kernel)
{
	return &kernel->skeleton->bss->look;
}

struct bucket_dump *kernel_bucket_dump(const struct kernel *kernel)
{
	return &kernel->skeleton->bss->bucket_dump;
}

/* Of facts that are events: two programs tell what ended a connection, and make up for each other. */
static uint64_t not_run(const struct kernel *kernel)
{
	bool timewaits = kernel->skeleton->rodata->settings.kinds & 1U << WIRE_TIMEWAIT;
	const uint32_t events = 1U << FACT_BIND | 1U << FACT_LISTEN | 1U << FACT_CONNECT |
				1U << FACT_CONNECT_RESULT | 1U << FACT_IMPLICIT_BIND | 1U << FACT_IO_URING |
				1U << FACT_ACCEPT | 1U << FACT_CLOSE | (timewaits ? 1U << FACT_TIMEWAIT : 0);
	uint64_t count = 0, begins = 0, missed_recovered;

	for (size_t i = 0; i < kernel->attached_count; i++) {
		const struct attached *attached = &kernel->attached[i];
		uint64_t misses;

		if (!(events & 1U << attached->fact))
			continue;
		misses = probe_missed_count(attached->program, attached->link);
		if (!strstr(bpf_program__name(attached->program), "_twsk_alloc"))
			count += misses;
		else if (misses > begins) /* what an entry misses, its return misses too */
			begins = misses;
	}
	missed_recovered = __atomic_load_n(&kernel->skeleton->bss->timewait_missed_recovered, __ATOMIC_RELAXED);
	return count + (begins > missed_recovered ? begins - missed_recovered : 0);
}

uint64_t kernel_lost(const struct kernel *kernel, uint32_t reason)
{
	if (reason == WIRE_LOST_NOT_RUN)
		return not_run(kernel);
	return __atomic_load_n(&kernel->skeleton->bss->lost_counts[reason % 8], __ATOMIC_RELAXED);
}

const struct kernel_fact *kernel_facts(const struct kernel *kernel)
{
	return kernel->choice.facts;
}

struct port_usage *kernel_port_usage(const struct kernel *kernel, uint8_t **ports)
{
	if (!kernel->port_usage)
		return NULL;
	*ports = kernel->skeleton->bss->port_usage_ports;
	return &kernel->skeleton->bss->port_usage;
}

uint64_t kernel_flows_made(const struct kernel *kernel)
{
	return __atomic_load_n(&kernel->skeleton->bss->churn_flows_made, __ATOMIC_RELAXED);
}

bool kernel_counts_timewaits(const struct kernel *kernel)
{
	return kernel->skeleton->bss->timewait_begins_counted;
}

bool kernel_timewait_is_hooked(const struct kernel *kernel)
{
	return kernel->skeleton->rodata->timewait_hooked;
}

bool kernel_times_searches(const struct kernel *kernel)
{
	return kernel->skeleton->rodata->searches_timed;
}

const char *kernel_probes(const struct kernel *kernel)
{
	static char names[BACKEND_COUNT * 12];

	names[0] = '\0';
	for (int i = 0; i < BACKEND_COUNT; i++) {
		bool is_used = false;

		for (int j = 0; j < FACT_COUNT; j++)
			is_used |= choice_is_by(&kernel->choice, (enum fact)j, (enum backend)i);
		if (is_used)
			snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s",
				 names[0] ? "+" : "", backend_name((enum backend)i));
	}
	return names;
}

static void autoload(struct kernel *kernel, const char *name)
{
	bpf_program__set_autoload(bpf_object__find_program_by_name(kernel->skeleton->obj, name), true);
}

static void autoload_all(struct kernel *kernel, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		autoload(kernel, names[i]);
}

#define AUTOLOAD(kernel, names) autoload_all(kernel, names, sizeof(names) / sizeof((names)[0]))

/* The facts whose io_uring form passes nothing else that is traced. */
static uint32_t uring_kinds(const struct choice *choice)
{
	return (choice_is_by(choice, FACT_BIND, BACKEND_TRACEPOINT) ? 1U << WIRE_BIND : 0) |
	       (choice_is_by(choice, FACT_LISTEN, BACKEND_TRACEPOINT) ? 1U << WIRE_LISTEN : 0) |
	       (choice_is_by(choice, FACT_CONNECT_RESULT, BACKEND_TRACEPOINT) ? 1U << WIRE_CONNECT : 0) |
	       (choice_is_by(choice, FACT_ACCEPT, BACKEND_TRACEPOINT) ? 1U << WIRE_ACCEPT : 0);
}

static int skeleton_load(struct kernel *kernel, const struct settings *settings)
{
	struct porttrace_direct *skeleton = programs_open(kernel->variant);
	size_t snapshots = sizeof(snapshot_programs) / sizeof(snapshot_programs[0]);

	if (!skeleton)
		return -errno;
	kernel->skeleton = skeleton;
	choice_settle(&kernel->choice, skeleton->obj);
	skeleton->rodata->settings = *settings;
	skeleton->rodata->has_call_regs = kernel->choice.call_regs;
	skeleton->rodata->has_cookies = kernel->choice.cookies;
	skeleton->rodata->searches_timed = kernel->choice.facts[FACT_SEARCH].works;
	skeleton->rodata->timewait_hooked = kernel->choice.facts[FACT_TIMEWAIT].works;
	skeleton->rodata->uring_kinds = uring_kinds(&kernel->choice);
	if (kernel->port)
		autoload(kernel, "holder_walk");
	/* Without tcp and udp, the last two, where a walk that has no bound is in their place. */
	if (kernel->port && kernel->variant != PROGRAMS_BOUNDED)
		snapshots = 1;
	autoload_all(kernel, snapshot_programs, snapshots);
	if (kernel->with_facts && kernel->map_iterators)
		AUTOLOAD(kernel, churn_programs);
	if (kernel->port_usage)
		AUTOLOAD(kernel, port_usage_programs);
	if (kernel->port_usage && kernel->map_iterators)
		AUTOLOAD(kernel, port_usage_map_programs);
	for (int i = 0; i < FACT_COUNT; i++) {
		const char *name;

		for (int j = 0; (name = choice_program(&kernel->choice, (enum fact)i, j)); j++)
			autoload(kernel, name);
	}
	return porttrace_direct__load(skeleton);
}

static void unload(struct kernel *kernel)
{
	while (kernel->attached_count)
		bpf_link__destroy(kernel->attached[--kernel->attached_count].link);
	porttrace_direct__destroy(kernel->skeleton);
	kernel->skeleton = NULL;
}

/* Some kernels refuse every program of "iter/bpf_map_elem" with EPERM. */
static bool reads_map(const char *program)
{
	size_t length = strlen(program);

	return (length > 5 && !strcmp(program + length - 5, "_read")) || !strcmp(program, "port_usage_pools_clear");
}

/* 0, -EAGAIN: something was left out, or is to be tried in another way, or -errno. */
static int try_load(struct kernel *kernel, const struct settings *settings)
{
	enum fact fact;
	int err;

	load_report.program[0] = '\0';
	err = skeleton_load(kernel, settings);
	if (!err)
		return 0;
	fact = choice_fact_of(&kernel->choice, load_report.program);
	if (kernel->map_iterators && reads_map(load_report.program))
		kernel->map_iterators = false;
	else if (kernel->variant == PROGRAMS_DIRECT && err != -EPERM)
		kernel->variant = PROGRAMS_PLAIN;
	else if (kernel->port && err != -EPERM && !strcmp(load_report.program, "holder_walk"))
		kernel->port = false;
	else if (kernel->port_usage && err != -EPERM && !strncmp(load_report.program, "census_", 7))
		kernel->port_usage = false;
	else if (kernel->choice.cookies && !kernel->choice.functions && err != -EPERM)
		kernel->choice.cookies = false;
	else if (fact != FACT_COUNT && err != -EPERM)
		choice_refuse(&kernel->choice, fact, load_report.reason);
	else
		return err;
	unload(kernel);
	return -EAGAIN;
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
	case BPF_PROG_TYPE_CGROUP_SOCK_ADDR:
	case BPF_PROG_TYPE_SOCK_OPS:
		return bpf_program__attach_cgroup(program, kernel->cgroup_root);
	default:
		return bpf_program__attach(program);
	}
}

/* 0, or -EAGAIN: it is refused, and to be tried in another way. */
static int attach_fact(struct kernel *kernel, enum fact which)
{
	const char *name;

	for (int i = 0; (name = choice_program(&kernel->choice, which, i)); i++) {
		struct bpf_program *program = kernel_program(kernel, name);
		struct bpf_link *link;

		link = program ? attach(kernel, program) : NULL;
		if (!link) {
			char reason[128];

			snprintf(reason, sizeof(reason), "%s not attached: %s", name, functions_strerror(errno));
			choice_refuse(&kernel->choice, which, reason);
			return -EAGAIN;
		}
		kernel->attached[kernel->attached_count++] = (struct attached){link, program, which};
	}
	return 0;
}

/* A socket must have its identity before anything is said about it. */
static int try_attach(struct kernel *kernel)
{
	int err = attach_fact(kernel, FACT_IDENTITY);

	for (int i = 0; i < FACT_COUNT; i++) {
		if (i != FACT_IDENTITY && attach_fact(kernel, (enum fact)i))
			err = -EAGAIN;
	}
	if (err)
		unload(kernel);
	return err;
}

/* Leaves out what the kernel refuses: first the quick way to read it, then one way of one fact a round. */
static int load_and_attach(struct kernel *kernel, const struct kernel_options *options)
{
	int err = -EAGAIN;

	for (int round = 0; round <= FACT_COUNT * HOOK_WAYS_MAX * BACKEND_COUNT && err == -EAGAIN; round++) {
		err = try_load(kernel, options->settings);
		if (!err && options->facts)
			err = try_attach(kernel);
	}
	if (!err && options->facts && choice_shows_nothing(&kernel->choice))
		err = -ENOTSUP;
	return err == -EAGAIN ? -ENOTSUP : err;
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
	kernel->variant = programs_best();
	kernel->port = options->port;
	kernel->port_usage = kernel->with_facts = kernel->map_iterators = options->facts;
	err = choice_init(&kernel->choice, options->facts, options->backend);
	/* Known beforehand, a refusal is not waited for. */
	if (!err && kernel->variant == PROGRAMS_DIRECT && options->facts &&
	    !functions_has(kernel->choice.functions, "fentry/bpf_rdonly_cast"))
		kernel->variant = PROGRAMS_PLAIN;
	if (!err && options->facts) {
		kernel->cgroup_root = kernel_fs_open("cgroup2");
		kernel->tracefs = kernel_fs_open("tracefs");
	}
	if (!err)
		err = load_and_attach(kernel, options);
	if (!err && options->examine)
		choice_examine(&kernel->choice, kernel->skeleton->obj);
	choice_done(&kernel->choice);
	if (!err && options->facts)
		kernel->skeleton->bss->cgroup_seen_hooks = kernel->choice.facts[FACT_CGROUP].works;
	if (!err)
		return kernel;
	err = features_explain(err, load_report.program, kernel->choice.facts[FACT_BIND].reason, reason, size);
	kernel_close(kernel);
	errno = -err;
	return NULL;
}

void kernel_close(struct kernel *kernel)
{
	if (!kernel)
		return;
	unload(kernel);
	if (kernel->cgroup_root >= 0)
		close(kernel->cgroup_root);
	if (kernel->tracefs >= 0)
		close(kernel->tracefs);
	free(kernel);
}
