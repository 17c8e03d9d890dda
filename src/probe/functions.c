/* SPDX-License-Identifier: GPL-2.0-only */
/* Finds kernel functions and tracepoints by name, and loads small programs to test what the kernel accepts. */
#include "probe/functions.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#define BTF_COPIES 4 /* how much memory libbpf needs to read BTF, as a multiple of the file's size */

struct functions {
	struct btf *btf;
	const char *hidden;
};

/* Reads BTF at the first call. NULL with errno. */
static const struct btf *btf_of(struct functions *functions)
{
	if (!functions->btf)
		functions->btf = btf__load_vmlinux_btf();
	return functions->btf;
}

static int find(struct functions *functions, const char *name, uint32_t kind)
{
	const struct btf *btf = btf_of(functions);

	return btf ? btf__find_by_name_kind(btf, name, kind) : -errno;
}

/* libbpf returns ESRCH or EINVAL whatever it lacks. The errno of what it needs: a descriptor, and memory for the file. */
static int why_no_btf(void)
{
	int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC);
	int err = fd < 0 ? errno : ENOTSUP;
	struct stat st;
	void *data;

	if (fd < 0)
		return err == EMFILE || err == ENFILE || err == ENOMEM ? err : ENOTSUP;
	if (!fstat(fd, &st)) {
		data = malloc(BTF_COPIES * (size_t)st.st_size + 1);
		if (!data)
			err = ENOMEM;
		free(data);
	}
	close(fd);
	return err;
}

struct functions *functions_open(void)
{
	struct functions *functions = calloc(1, sizeof(*functions));

	if (!functions)
		return NULL;
	functions->hidden = getenv("PORTTRACE_HIDE");
	if (btf_of(functions))
		return functions;
	free(functions);
	errno = why_no_btf();
	return NULL;
}

void functions_free_btf(struct functions *functions)
{
	if (!functions)
		return;
	btf__free(functions->btf);
	functions->btf = NULL;
}

void functions_close(struct functions *functions)
{
	if (functions)
		btf__free(functions->btf);
	free(functions);
}

static bool is_hidden(const struct functions *functions, const char *name)
{
	const char *list = functions->hidden;
	size_t length = strlen(name);

	while (list && *list) {
		if (strncmp(list, name, length) == 0 && (list[length] == ',' || !list[length]))
			return true;
		list = strchr(list, ',');
		list += list ? 1 : 0;
	}
	return false;
}

/*
 * A kprobe needs no BTF, and BTF may lack functions that can be probed: Debian's 5.10 on arm64 has no static
 * functions in BTF (tcp_v6_connect(), inet_autobind()). So create a kprobe to find out.
 */
int functions_try_kprobe(const char *function)
{
	struct perf_event_attr attr = {.size = sizeof(attr), .config1 = (uint64_t)(uintptr_t)function};
	FILE *file = fopen("/sys/bus/event_source/devices/kprobe/type", "re");
	int fd = -1, count;

	if (!file)
		return -ENODEV;
	count = fscanf(file, "%" SCNu32, &attr.type);
	fclose(file);
	if (count != 1)
		return -ENODEV;
	fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

bool functions_has(struct functions *functions, const char *section)
{
	static const char *const of_functions[] = {"fentry/", "fexit/", "kprobe/", "kretprobe/"};
	static const char tracepoint[] = "tp_btf/";
	char name[128];

	section += *section == '?';
	for (size_t i = 0; i < sizeof(of_functions) / sizeof(of_functions[0]); i++) {
		const char *function = section + strlen(of_functions[i]);

		if (strncmp(section, of_functions[i], strlen(of_functions[i])) == 0)
			return !is_hidden(functions, function) &&
			       (find(functions, function, BTF_KIND_FUNC) > 0 ||
				(*section == 'k' && !functions_try_kprobe(function)));
	}
	if (strncmp(section, tracepoint, strlen(tracepoint)) != 0)
		return true;
	section += strlen(tracepoint);
	snprintf(name, sizeof(name), "btf_trace_%s", section);
	return !is_hidden(functions, section) &&
	       find(functions, name, BTF_KIND_TYPEDEF) > 0;
}

bool functions_has_enumerator(struct functions *functions, const char *name)
{
	const struct btf *btf = btf_of(functions);
	uint32_t count = btf ? btf__type_cnt(btf) : 0;

	for (uint32_t id = 1; id < count; id++) {
		const struct btf_type *type = btf__type_by_id(btf, id);

		if (!btf_is_enum(type))
			continue;
		for (uint32_t i = 0; i < btf_vlen(type); i++) {
			if (strcmp(btf__name_by_offset(btf, btf_enum(type)[i].name_off), name) == 0)
				return true;
		}
	}
	return false;
}

/* A kernel without trampolines for its architecture loads an fentry program, but refuses to attach it. */
static int try_attach(int program)
{
	int link = bpf_raw_tracepoint_open(NULL, program);

	if (link < 0)
		return -errno;
	close(link);
	return 0;
}

static int try_tracing(const struct bpf_insn *insns, size_t count, enum bpf_attach_type type, int btf_id)
{
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = type);
	int fd, err = 0;

	if (btf_id < 0)
		return btf_id;
	options.attach_btf_id = (__u32)btf_id;
	fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, "try", "GPL", insns, count, &options);
	if (fd < 0)
		return -errno;
	if (type == BPF_TRACE_FENTRY)
		err = try_attach(fd);
	close(fd);
	return err;
}

/* r0 = 0; exit */
static const struct bpf_insn return_zero[] = {
	{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
	{.code = BPF_JMP | BPF_EXIT},
};

int functions_try_fentry(struct functions *functions, const char *function)
{
	return try_tracing(return_zero, 2, BPF_TRACE_FENTRY, find(functions, function, BTF_KIND_FUNC));
}

int functions_try_map_iterator(struct functions *functions)
{
	return try_tracing(return_zero, 2, BPF_TRACE_ITER,
			   find(functions, "bpf_iter_bpf_map_elem", BTF_KIND_FUNC));
}

bool functions_try_func_ret(struct functions *functions, const char *function)
{
	/* r2 = 8 bytes of the stack; r1 is the context; call; r0 = 0; exit */
	static const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_2, .src_reg = BPF_REG_10},
		{.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_2, .imm = -8},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_get_func_ret},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return try_tracing(insns, sizeof(insns) / sizeof(insns[0]), BPF_TRACE_FEXIT,
			   find(functions, function, BTF_KIND_FUNC)) == 0;
}

int functions_try_syscall(void)
{
	LIBBPF_OPTS(bpf_prog_load_opts, options, .prog_flags = BPF_F_SLEEPABLE);
	int fd = bpf_prog_load(BPF_PROG_TYPE_SYSCALL, "try", "GPL", return_zero, 2, &options);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

bool functions_try_cookies(struct functions *functions)
{
	/* r1 = the tracepoint's first argument, a socket; call; r0 = 0; exit */
	static const struct bpf_insn insns[] = {
		{.code = BPF_LDX | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_1},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_get_socket_cookie},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return try_tracing(insns, 4, BPF_TRACE_RAW_TP,
			find(functions, "btf_trace_inet_sock_set_state",
					       BTF_KIND_TYPEDEF)) == 0;
}

/* Under LOCKDOWN_BPF_READ_KERNEL the kernel does not offer this helper (bpf_tracing_func_proto() or, on newer
 * kernels, bpf_base_func_proto()). */
int functions_try_reading(void)
{
	/* r1 = 8 bytes of the stack; r2 = 8; r3 = 0; call; r0 = 0; exit */
	static const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_10},
		{.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_1, .imm = -8},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = 8},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_probe_read_kernel},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_TRACEPOINT, "try_reading", "GPL", insns,
			       sizeof(insns) / sizeof(insns[0]), NULL);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

const char *functions_strerror(int err)
{
	/* arch_prepare_bpf_trampoline() returns ENOTSUPP, which strerror() does not know. */
	return err == 524 ? "not supported on this machine" : strerror(err);
}
