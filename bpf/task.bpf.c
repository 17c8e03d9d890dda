/* SPDX-License-Identifier: GPL-2.0-only */
/* Converts struct task_struct to struct wire_task by reads only, because not every program type has the
 * helpers for the current task. */
#include "porttrace.bpf.h"
#include "read.bpf.h"
#include "compat.bpf.h"

#define PID_LEVELS 8 /* of nested pid namespaces; the kernel allows 32 */

/* The number of a process in the reader's pid namespace: pid->numbers[] has one for each namespace that the process is in,
 * the initial one first. */
static __noinline __u32 number_in_reader(struct pid *pid, __u32 initial)
{
	__u32 depth = BPF_CORE_READ(pid, level), found = initial | WIRE_PID_OUTSIDE;

	for (__u32 i = 0; i < PID_LEVELS; i++) {
		struct upid *upid = (void *)pid + bpf_core_field_offset(struct pid, numbers) +
				    i * bpf_core_type_size(struct upid);

		if (i <= depth && BPF_CORE_READ(upid, ns, ns.inum) == settings.pid_ns)
			found = BPF_CORE_READ(upid, nr);
	}
	return found;
}

static __always_inline void translate_pids(struct wire_task *out, struct task_struct *task)
{
	out->pid = number_in_reader(BPF_CORE_READ(task, group_leader, thread_pid), out->pid);
	out->tid = number_in_reader(BPF_CORE_READ(task, thread_pid), out->tid);
	if (out->ppid)
		out->ppid = number_in_reader(BPF_CORE_READ(task, real_parent, group_leader, thread_pid), out->ppid);
}

__hidden bool task_fill_from(struct wire_task *out, struct task_struct *untyped)
{
	struct task_struct *task = TYPED(struct task_struct, untyped);
	struct task_struct *leader = READ(task, group_leader);
	struct cred *cred = (struct cred *)READ(task, cred);

	if (READ(task, flags) & PF_KTHREAD)
		return false;
	out->pid = READ(task, tgid);
	out->tid = READ(task, pid);
	out->ppid = READ(task, real_parent, tgid);
	if (settings.pid_ns)
		translate_pids(out, untyped);
	out->uid = READ(cred, uid.val);
	out->start_boot_ns = READ(leader, start_boottime);
	out->cgroup_id = READ(task, cgroups, dfl_cgrp, kn, id);
	BPF_CORE_READ_INTO(&out->comm, leader, comm);
	return true;
}

GLOBAL_SUBPROG int task_fill(struct wire_task *out)
{
	return out && task_fill_from(out, (void *)bpf_get_current_task());
}

__hidden __u64 task_exe(void)
{
	struct task_struct *task = TYPED(struct task_struct, bpf_get_current_task());

	return (__u64)READ(task, mm, exe_file, f_inode);
}

__hidden bool task_under_cgroup(struct task_struct *untyped)
{
	struct task_struct *task = TYPED(struct task_struct, untyped);
	struct cgroup *cgroup = READ(task, cgroups, dfl_cgrp);
	__u32 level = settings.cgroup_level;
	__u64 id = 0;

	if (READ(cgroup, level) < (int)level)
		return false;
	if (bpf_core_field_exists(struct cgroup, ancestors)) {
		struct cgroup *ancestor = NULL;

		bpf_core_read(&ancestor, sizeof(ancestor), &cgroup->ancestors[level]);
		id = BPF_CORE_READ(ancestor, kn, id);
	} else {
		struct cgroup___ancestor_ids *old = (void *)cgroup;

		bpf_core_read(&id, sizeof(id), &old->ancestor_ids[level]);
	}
	return id == settings.cgroup_id;
}
