/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loads and attaches the selected programs. features.c tries the features beforehand. If the kernel refuses a
 * program all the same, the next set for its fact replaces it, or it is left out, and all programs are loaded
 * again.
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
#include "porttrace_rdonly_cast.skel.h"
#include "porttrace/wire.h"
#include "probe/features.h"
#include "probe/functions.h"
#include "probe/missed.h"
#include "probe/programs.h"
#include "probe/verifier_log.h"
#include "system/kernel_fs.h"
#include "system/procfs.h"
#include "util/clock.h"

/* Only pages that the kernel writes use memory. Before Linux 6.4 a truncated log hides the error of the
 * program. */
#define LOG_SIZE   (16 * 1024 * 1024)
#define LOG_STRIDE 64

struct kernel {
	struct porttrace_rdonly_cast *skeleton;
	struct selection selection;
	struct attached {
		struct bpf_link *link;
		const struct bpf_program *program;
		enum fact fact;
	} attached[FACT_COUNT * PROBE_PROGRAMS_MAX];
	size_t attached_count;
	enum programs_variant variant;
	bool holder_walk; /* kernel_options.port, until the kernel refuses the program */
	bool with_facts;  /* kernel_options.facts */
	bool port_usage;  /* port_usage.bpf.c, until the kernel refuses one of its programs */
	bool verbose;
	int cgroup_root, tracefs;
	char *log;	  /* LOG_SIZE bytes; the log of program n begins at n * LOG_STRIDE */
	char refused[64]; /* the first program that the kernel refused; "" */
};

static const char *const snapshot_programs[] = {"snapshot_files", "snapshot_tcp", "snapshot_udp"};
static const char *const port_usage_programs[] = {"port_usage_tcp", "port_usage_udp"};
static const char *const port_usage_map_programs[] = {"port_usage_pools_read", "port_usage_pools_clear"};
static const char *const churn_programs[] = {"churn_namespaces_read", "churn_flows_read", "churn_searches_read"};

static int print_warning(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_DEBUG ? 0 : vfprintf(stderr, format, args);
}

static struct bpf_program *loaded_program(const struct kernel *kernel, const char *name)
{
	struct bpf_program *program = bpf_object__find_program_by_name(kernel->skeleton->obj, name);

	return program && bpf_program__autoload(program) ? program : NULL;
}

struct bpf_program *kernel_program(const struct kernel *kernel, const char *name)
{
	struct bpf_program *program = loaded_program(kernel, name);
	char bounded[64];

	if (program)
		return program;
	snprintf(bounded, sizeof(bounded), "%s_bounded", name);
	return loaded_program(kernel, bounded);
}

struct bpf_map *kernel_map(const struct kernel *kernel, const char *name)
{
	return bpf_object__find_map_by_name(kernel->skeleton->obj, name);
}

struct scan_settings *kernel_scan_settings(const struct kernel *kernel)
{
	return &kernel->skeleton->bss->scan;
}

struct bucket_dump *kernel_bucket_dump(const struct kernel *kernel)
{
	return &kernel->skeleton->bss->bucket_dump;
}

/*
 * Counts missed runs for facts that are events. FACT_TCP_END is not counted: two programs report the end of a
 * connection, and each covers misses of the other.
 */
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
		else if (misses > begins) /* a missed entry implies a missed return: count once */
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
	return kernel->selection.facts;
}

struct port_usage *kernel_port_usage(const struct kernel *kernel, uint8_t **ports)
{
	if (!kernel->port_usage)
		return NULL;
	*ports = kernel->skeleton->bss->port_usage_ports;
	return &kernel->skeleton->bss->port_usage;
}

uint64_t kernel_flows_added(const struct kernel *kernel)
{
	return __atomic_load_n(&kernel->skeleton->bss->churn_flows_added, __ATOMIC_RELAXED);
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
			is_used |= selection_is_by(&kernel->selection, (enum fact)j, (enum backend)i);
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

/* The kinds that only the io_uring tracepoints report: system call tracepoints do not see io_uring. */
static uint32_t uring_kinds(const struct selection *selection)
{
	return (selection_is_by(selection, FACT_BIND, BACKEND_TRACEPOINT) ? 1U << WIRE_BIND : 0) |
	       (selection_is_by(selection, FACT_LISTEN, BACKEND_TRACEPOINT) ? 1U << WIRE_LISTEN : 0) |
	       (selection_is_by(selection, FACT_CONNECT_RESULT, BACKEND_TRACEPOINT) ? 1U << WIRE_CONNECT : 0) |
	       (selection_is_by(selection, FACT_ACCEPT, BACKEND_TRACEPOINT) ? 1U << WIRE_ACCEPT : 0);
}

static void autoload_form(struct kernel *kernel, const char *name, const char *bounded)
{
	autoload(kernel, kernel->selection.features.syscall_loops ? name : bounded);
}

/* Marks the programs to load. */
static void programs_select(struct kernel *kernel)
{
	const struct probe_features *features = &kernel->selection.features;
	size_t snapshots = sizeof(snapshot_programs) / sizeof(snapshot_programs[0]);

	if (kernel->holder_walk)
		autoload_form(kernel, "holder_walk", "holder_walk_bounded");
	/* A walk without a step limit replaces the iterators tcp and udp, the last two. */
	if (kernel->holder_walk && features->syscall_loops)
		snapshots = 1;
	autoload_all(kernel, snapshot_programs, snapshots);
	if (kernel->with_facts && features->map_iterators)
		AUTOLOAD(kernel, churn_programs);
	if (kernel->port_usage) {
		AUTOLOAD(kernel, port_usage_programs);
		autoload_form(kernel, "port_usage_buckets", "port_usage_buckets_bounded");
	}
	if (kernel->port_usage && features->map_iterators)
		AUTOLOAD(kernel, port_usage_map_programs);
	for (int i = 0; i < FACT_COUNT; i++) {
		const char *name;

		for (int j = 0; (name = selection_program(&kernel->selection, (enum fact)i, j)); j++)
			autoload(kernel, name);
	}
}

/*
 * libbpf loads programs one by one until one is refused, so only that one leaves a log. All programs share a
 * buffer in which each log has its own offset: the offset of the text identifies the program.
 */
static int log_share(struct kernel *kernel)
{
	struct bpf_program *program;
	size_t at = 0;

	free(kernel->log);
	kernel->log = calloc(1, LOG_SIZE);
	if (!kernel->log)
		return -ENOMEM;
	bpf_object__for_each_program(program, kernel->skeleton->obj) {
		bpf_program__set_log_buf(program, kernel->log + at, LOG_SIZE - at);
		at += LOG_STRIDE;
	}
	return 0;
}

/* The program that was refused, and its log. NULL: there is no log. */
static const struct bpf_program *log_refused(const struct kernel *kernel, const char **log)
{
	struct bpf_program *program;
	size_t size;

	bpf_object__for_each_program(program, kernel->skeleton->obj) {
		*log = bpf_program__log_buf(program, &size);
		if (*log && **log)
			return program;
	}
	*log = "";
	return NULL;
}

/*
 * Makes the maps small that only events fill. The kernel allocates the elements of such a map when it is created, which
 * took a seventh of the time of `porttrace why`.
 */
static void shrink_event_maps(struct bpf_object *object)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object) {
		if (bpf_map__type(map) == BPF_MAP_TYPE_LRU_HASH)
			bpf_map__set_max_entries(map, 1);
	}
}

static int skeleton_load(struct kernel *kernel, const struct settings *settings)
{
	struct porttrace_rdonly_cast *skeleton = programs_open(kernel->variant);
	const struct selection *selection = &kernel->selection;
	int err;

	if (!skeleton)
		return -errno;
	kernel->skeleton = skeleton;
	probe_select(&kernel->selection, skeleton->obj);
	skeleton->rodata->settings = *settings;
	skeleton->rodata->settings.pid_ns = process_pid_namespace();
	skeleton->rodata->has_call_regs = selection->features.call_regs;
	skeleton->rodata->has_cookies = selection->features.cookies;
	skeleton->rodata->jiffy_us = clock_jiffy_us();
	skeleton->rodata->searches_timed = selection->facts[FACT_SEARCH].works;
	skeleton->rodata->timewait_hooked = selection->facts[FACT_TIMEWAIT].works;
	skeleton->rodata->uring_kinds = uring_kinds(selection);
	programs_select(kernel);
	if (!kernel->with_facts)
		shrink_event_maps(skeleton->obj);
	err = log_share(kernel);
	return err ? err : porttrace_rdonly_cast__load(skeleton);
}

static void unload(struct kernel *kernel)
{
	while (kernel->attached_count)
		bpf_link__destroy(kernel->attached[--kernel->attached_count].link);
	porttrace_rdonly_cast__destroy(kernel->skeleton);
	kernel->skeleton = NULL;
}

static bool begins_with(const char *text, const char *start)
{
	return !strncmp(text, start, strlen(start));
}

/*
 * Loads each program alone and returns the first that the kernel refuses: a refusal before verification (an
 * unknown attach type) leaves no log. Slow, but rare. NULL: none is refused.
 */
static const struct bpf_program *refused_alone(const struct kernel *kernel)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, kernel->skeleton->obj) {
		struct porttrace_rdonly_cast *alone;
		int err;

		if (!bpf_program__autoload(program))
			continue;
		alone = programs_open(kernel->variant);
		if (!alone)
			return NULL;
		*alone->rodata = *kernel->skeleton->rodata;
		bpf_program__set_autoload(
			bpf_object__find_program_by_name(alone->obj, bpf_program__name(program)), true);
		err = porttrace_rdonly_cast__load(alone);
		porttrace_rdonly_cast__destroy(alone);
		if (err)
			return program;
	}
	return NULL;
}

/* Leaves out or replaces a refused program. 0, or err: nothing is left to try. */
static int refusal_handle(struct kernel *kernel, const char *program, const char *reason, int err)
{
	enum fact fact = selection_fact_of(&kernel->selection, program);

	if (kernel->variant == PROGRAMS_RDONLY_CAST)
		kernel->variant = PROGRAMS_PROBE_READ;
	else if (kernel->holder_walk && begins_with(program, "holder_walk"))
		kernel->holder_walk = false;
	else if (kernel->port_usage && begins_with(program, "port_usage_"))
		kernel->port_usage = false;
	else if (fact != FACT_COUNT)
		probe_fallback(&kernel->selection, fact, reason);
	else
		return err;
	return 0;
}

/* 0; -EAGAIN: a program was left out or replaced, load again; or -errno. */
static int try_load(struct kernel *kernel, const struct settings *settings)
{
	char reason[120], text[100];
	const char *name, *log = "";
	const struct bpf_program *program;
	int err = skeleton_load(kernel, settings), result;

	if (!err || !kernel->skeleton)
		return err;
	program = log_refused(kernel, &log);
	if (!program && err != -EPERM)
		program = refused_alone(kernel);
	name = program ? bpf_program__name(program) : "";
	if (kernel->verbose && log[0])
		fprintf(stderr, "%s: log of the verifier:\n%s\n", name, log);
	if (!kernel->refused[0])
		snprintf(kernel->refused, sizeof(kernel->refused), "%s", name);
	snprintf(text, sizeof(text), "%s", strerror(-err));
	if (!verifier_log_reason(log, text, sizeof(text)) && err == -ENOSPC)
		snprintf(text, sizeof(text), "the verifier refused it, with a log of more than %d MiB", LOG_SIZE >> 20);
	snprintf(reason, sizeof(reason), "not loaded: %s", text);
	/* Missing privileges and descriptors refuse the other programs as well. */
	result = err == -EPERM || err == -EMFILE || err == -ENFILE ? err : refusal_handle(kernel, name, reason, err);
	if (result)
		return result;
	unload(kernel);
	return -EAGAIN;
}

/* As bpf_program__attach_tracepoint(), for a tracefs that is not mounted. */
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

	if (kernel->tracefs < 0) {
		errno = -kernel->tracefs;
		return NULL;
	}
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
		if (kernel->cgroup_root >= 0)
			return bpf_program__attach_cgroup(program, kernel->cgroup_root);
		errno = -kernel->cgroup_root;
		return NULL;
	default:
		return bpf_program__attach(program);
	}
}

/* After attach(), with errno. */
static void explain_attach(const struct kernel *kernel, const char *program, char *reason, size_t size)
{
	const char *missing = errno == EACCES && kernel->tracefs == -EACCES ?
				      ": only root may read tracefs, CAP_DAC_READ_SEARCH is missing" : "";

	snprintf(reason, size, "%s not attached: %s%s", program, functions_strerror(errno), missing);
}

/* 0; -EAGAIN: a program was refused, and probe_fallback() has selected others; -EMFILE or -ENFILE. */
static int attach_fact(struct kernel *kernel, enum fact which)
{
	const char *name;

	for (int i = 0; (name = selection_program(&kernel->selection, which, i)); i++) {
		struct bpf_program *program = loaded_program(kernel, name);
		struct bpf_link *link;

		link = program ? attach(kernel, program) : NULL;
		if (!link) {
			char reason[160];

			if (errno == EMFILE || errno == ENFILE)
				return -errno;
			explain_attach(kernel, name, reason, sizeof(reason));
			probe_fallback(&kernel->selection, which, reason);
			return -EAGAIN;
		}
		kernel->attached[kernel->attached_count++] = (struct attached){link, program, which};
	}
	return 0;
}

/* FACT_IDENTITY first: a socket must have its cookie before an event reports it. */
static int try_attach(struct kernel *kernel)
{
	int err = attach_fact(kernel, FACT_IDENTITY);

	for (int i = 0; (!err || err == -EAGAIN) && i < FACT_COUNT; i++) {
		int fact_err = i == FACT_IDENTITY ? 0 : attach_fact(kernel, (enum fact)i);

		err = fact_err ? fact_err : err;
	}
	if (err)
		unload(kernel);
	return err;
}

/* Each round that does not end it takes at least one set of programs out of the selection. */
static int load_and_attach(struct kernel *kernel, const struct kernel_options *options)
{
	int err;

	do {
		err = try_load(kernel, options->settings);
		if (!err && options->facts)
			err = try_attach(kernel);
	} while (err == -EAGAIN);
	if (!err && options->facts && selection_is_empty(&kernel->selection))
		err = -ENOTSUP;
	return err;
}

struct kernel *kernel_open(const struct kernel_options *options, char *reason, size_t size)
{
	struct kernel *kernel = calloc(1, sizeof(*kernel));
	int err;

	if (!kernel)
		return NULL;
	libbpf_set_print(options->verbose ? print_warning : NULL);
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	kernel->verbose = options->verbose;
	kernel->cgroup_root = kernel->tracefs = -1;
	kernel->holder_walk = options->port;
	kernel->port_usage = kernel->with_facts = options->facts;
	/* First: without privileges other errors would look like a fault of the kernel. */
	err = features_may_load() ? selection_init(&kernel->selection, options->facts, options->backend) : -EPERM;
	if (!err && !kernel->selection.features.rdonly_cast)
		kernel->variant = PROGRAMS_PROBE_READ;
	if (!err && options->facts) {
		kernel->cgroup_root = kernel_fs_open("cgroup2");
		kernel->tracefs = kernel_fs_open("tracefs");
	}
	if (!err)
		err = load_and_attach(kernel, options);
	/* The guess was wrong: a kernel before 6.2. */
	if (err && err != -EPERM && !options->facts && !kernel->selection.functions &&
	    !selection_probe(&kernel->selection)) {
		unload(kernel);
		kernel->refused[0] = '\0';
		kernel->holder_walk = options->port;
		kernel->variant = kernel->selection.features.rdonly_cast ? PROGRAMS_RDONLY_CAST : PROGRAMS_PROBE_READ;
		err = load_and_attach(kernel, options);
	}
	if (!err && options->examine)
		selection_examine(&kernel->selection, kernel->skeleton->obj);
	selection_done(&kernel->selection);
	free(kernel->log);
	kernel->log = NULL;
	if (!err && options->facts)
		kernel->skeleton->bss->cgroup_seen_hooks = kernel->selection.facts[FACT_CGROUP].works;
	if (!err)
		return kernel;
	err = features_explain(err, kernel->refused, kernel->selection.facts[FACT_BIND].reason, reason, size);
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
