// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "host/tracefs.h"
#include "kernel/capability.h"
#include "kernel/insn.h"
#include "kernel/ksyms.h"

/* Parameters of a kernel function by its BTF, or -ENOENT. */
static int function_args(const struct btf *btf, const char *name)
{
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_FUNC);
	const struct btf_type *type;

	if (id < 0)
		return -ENOENT;
	type = btf__type_by_id(btf, btf__type_by_id(btf, id)->type);
	return type ? btf_vlen(type) : -ENOENT;
}

/* Loads a tracing program of these instructions. Returns its descriptor or -errno. */
static int load_tracing(const struct btf *btf, const char *target, int kind,
			enum bpf_attach_type type, const struct bpf_insn *insns, size_t count)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = type);
	int id = btf__find_by_name_kind(btf, target, kind), fd;

	if (id < 0)
		return -ENOENT;
	opts.attach_btf_id = id;
	fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, "probe", "GPL", insns, count, &opts);
	return fd < 0 ? -errno : fd;
}

/* The kernel's own type of a tracepoint's probe has this prefix in its BTF. */
#define TRACEPOINT(name) "btf_trace_" name

static bool probe_cookie(const struct btf *btf)
{
	static const struct bpf_insn insns[] = {
		INSN(BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_1, BPF_REG_1, 0, 0),
		CALL(BPF_FUNC_get_socket_cookie),
		MOV_IMM(BPF_REG_0, 0),
		EXIT(),
	};
	int fd = load_tracing(btf, TRACEPOINT("inet_sock_set_state"), BTF_KIND_TYPEDEF,
			      BPF_TRACE_RAW_TP, insns, sizeof(insns) / sizeof(*insns));

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/* The type of a member of a structure, NULL: there is none of that name. */
static const struct btf_type *member_type(const struct btf *btf, const struct btf_type *type,
					  const char *member)
{
	for (int i = 0; type && btf_is_struct(type) && i < btf_vlen(type); i++) {
		const char *name = btf__name_by_offset(btf, btf_members(type)[i].name_off);

		if (name && !strcmp(name, member))
			return btf__type_by_id(btf, btf_members(type)[i].type);
	}
	return NULL;
}

static const struct btf_type *struct_type(const struct btf *btf, const char *name)
{
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_STRUCT);

	return id < 0 ? NULL : btf__type_by_id(btf, id);
}

/*
 * Whether a program at a tracepoint may lose its CPU, since SRCU guards it (7.0), and can be told
 * to keep it, global functions and all. The verifier needs a note of each function for that (6.15);
 * without it, it refuses such calls. Until 6.12 the same SRCU was there for other uses.
 */
static bool has_preempt_disable(const struct btf *btf)
{
	return member_type(btf, struct_type(btf, "bpf_subprog_info"), "might_sleep") &&
	       btf__find_by_name_kind(btf, "bpf_preempt_disable", BTF_KIND_FUNC) > 0 &&
	       btf__find_by_name_kind(btf, "tracepoint_srcu_srcu_data", BTF_KIND_VAR) > 0;
}

/* Whether a namespace leads to the table of connections, as programs go (bpf/timewait.bpf.h). */
static bool has_ehash(const struct btf *btf)
{
	const struct btf_type *row = member_type(btf, struct_type(btf, "netns_ipv4"),
						 "tcp_death_row");

	return member_type(btf, row, "hashinfo");
}

/* A function of the kernel that a program may call, rather than a helper. */
static bool probe_cast(const struct btf *btf)
{
	int function = btf__find_by_name_kind(btf, "bpf_rdonly_cast", BTF_KIND_FUNC);
	int type = btf__find_by_name_kind(btf, "sock", BTF_KIND_STRUCT);
	const struct bpf_insn insns[] = {
		MOV_IMM(BPF_REG_1, 0),
		MOV_IMM(BPF_REG_2, type),
		INSN(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, 0, function),
		MOV_IMM(BPF_REG_0, 0),
		EXIT(),
	};
	int fd;

	if (function < 0 || type < 0)
		return false;
	fd = load_tracing(btf, TRACEPOINT("inet_sock_set_state"), BTF_KIND_TYPEDEF,
			  BPF_TRACE_RAW_TP, insns, sizeof(insns) / sizeof(*insns));
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static bool probe_atomic(void)
{
	static const struct bpf_insn insns[] = {
		INSN(BPF_ST | BPF_MEM | BPF_DW, BPF_REG_10, 0, -8, 0),
		MOV_IMM(BPF_REG_1, 1),
		INSN(BPF_STX | BPF_ATOMIC | BPF_W, BPF_REG_10, BPF_REG_1, -8, BPF_AND | BPF_FETCH),
		MOV_IMM(BPF_REG_0, 0),
		EXIT(),
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "probe", "GPL", insns,
			       sizeof(insns) / sizeof(*insns), NULL);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/* A kernel may load such a program and still refuse to attach it: only both count. */
static int probe_fentry(const struct btf *btf)
{
	static const struct bpf_insn insns[] = { MOV_IMM(BPF_REG_0, 0), EXIT() };
	int prog = load_tracing(btf, "tcp_v4_connect", BTF_KIND_FUNC, BPF_TRACE_FEXIT, insns, 2);
	int link, err = 0;

	if (prog < 0)
		return prog;
	link = bpf_raw_tracepoint_open(NULL, prog);
	if (link < 0)
		err = -errno;
	else
		close(link);
	close(prog);
	return err;
}

/* The dynamic PMU through which libbpf attaches kprobes (4.17). */
#define KPROBE_PMU "/sys/bus/event_source/devices/kprobe/type"

static struct obstacle probe_kprobe(void)
{
	struct obstacle o = {};

	if (access(KPROBE_PMU, R_OK)) {
		o.err = errno;
		o.why = "the kernel is built without kprobes";
	}
	return o;
}

static struct obstacle probe_timer(struct capability *capability, const struct btf *btf)
{
	static const char *const tracepoints[] = { TRACEPOINT("timer_start"),
						   TRACEPOINT("timer_cancel"),
						   TRACEPOINT("timer_expire_entry"),
						   TRACEPOINT("timer_expire_exit") };
	static const char *const symbols[] = { "tw_timer_handler", "reqsk_timer_handler" };
	struct obstacle o = {};
	uint64_t addresses[2];
	int err;

	for (unsigned int i = 0; i < sizeof(tracepoints) / sizeof(*tracepoints); i++) {
		if (btf__find_by_name_kind(btf, tracepoints[i], BTF_KIND_TYPEDEF) < 0) {
			o.err = ENOENT;
			o.why = "the kernel has no timer tracepoints";
			return o;
		}
	}
	err = ksyms_find(symbols, addresses, 2);
	if (err || !addresses[0] || !addresses[1]) {
		o.err = err ? -err : ENOENT;
		o.why = "the kernel hides the address of its timer handlers (kernel.kptr_restrict)";
		return o;
	}
	capability->tw_timer_handler = addresses[0];
	capability->reqsk_timer_handler = addresses[1];
	return o;
}

/* Whether each function of a list ended by NULL is there to be attached to. */
static bool has_functions(const struct btf *btf, const char *const names[])
{
	for (; *names; names++)
		if (btf__find_by_name_kind(btf, *names, BTF_KIND_FUNC) < 0)
			return false;
	return true;
}

/* What the fentry and kprobe programs of each feature attach to (bpf/tcpdwell.bpf.c). */
static const char *const request_functions[] = {
	"inet_csk_reqsk_queue_hash_add", "inet_csk_complete_hashdance",
	"inet_csk_reqsk_queue_drop",	 "inet_csk_reqsk_queue_drop_and_put",
	"reqsk_timer_handler",		 NULL
};
static const char *const mini_functions[] = { "__inet_twsk_schedule", "tcp_timewait_state_process",
					      "inet_twsk_deschedule_put", "tw_timer_handler",
					      NULL };

/* Best first. The timer backend takes its identities from cookies. */
static enum backend pick(const struct capability *can, const struct btf *btf,
			 const char *const functions[], enum backend wanted)
{
	bool any = wanted == BACKEND_AUTO;

	/* To look for a name in the kernel's BTF takes a millisecond: only where it tells. */
	if ((any || wanted == BACKEND_FENTRY) && !can->fentry.err && has_functions(btf, functions))
		return BACKEND_FENTRY;
	if ((any || wanted == BACKEND_KPROBE) && !can->kprobe.err && has_functions(btf, functions))
		return BACKEND_KPROBE;
	if ((any || wanted == BACKEND_TIMER) && can->tw_timer_handler && can->cookie && can->atomic)
		return BACKEND_TIMER;
	return BACKEND_NONE;
}

static void pick_all(struct capability *can, const struct btf *btf, enum backend wanted)
{
	can->requests = pick(can, btf, request_functions, wanted);
	can->minis = pick(can, btf, mini_functions, wanted);
}

const char *obstacle_text(const struct obstacle *obstacle)
{
	return obstacle->why ? obstacle->why : strerror(obstacle->err);
}

struct btf *capability_btf(struct failure *failure)
{
	struct btf *btf = btf__load_vmlinux_btf();

	if (!btf)
		failure_set(failure, STATUS_HOST,
			    "the kernel has no BTF (/sys/kernel/btf/vmlinux: %s): it needs "
			    "CONFIG_DEBUG_INFO_BTF",
			    strerror(errno));
	return btf;
}

int capability_probe(struct capability *capability, const struct btf *btf, enum backend wanted,
		     struct failure *failure)
{
	int err;

	memset(capability, 0, sizeof(*capability));
	if (btf__find_by_name_kind(btf, TRACEPOINT("inet_sock_set_state"), BTF_KIND_TYPEDEF) < 0)
		return failure_set(
			failure, STATUS_HOST,
			"the kernel has no tracepoint sock:inet_sock_set_state (Linux 4.16)");
	capability->cookie = probe_cookie(btf);
	capability->cast = probe_cast(btf);
	capability->atomic = probe_atomic();
	capability->preempt_disable = has_preempt_disable(btf);
	capability->iter_descriptors = btf__find_by_name_kind(btf, "bpf_iter_task_file",
							      BTF_KIND_FUNC) > 0;
	capability->iter_sockets = btf__find_by_name_kind(btf, "bpf_iter_tcp", BTF_KIND_FUNC) > 0;
	capability->iter_elements = btf__find_by_name_kind(btf, "bpf_iter_bpf_map_elem",
							   BTF_KIND_FUNC) > 0;
	capability->twsk_kill = btf__find_by_name_kind(btf, "inet_twsk_kill", BTF_KIND_FUNC) > 0;
	capability->fentry.err = -probe_fentry(btf);
	if (!capability->fentry.err) {
		capability->connect6 = btf__find_by_name_kind(btf, "tcp_v6_connect",
							      BTF_KIND_FUNC) > 0;
		capability->accept_args = function_args(btf, "inet_csk_accept");
		capability->timewait_args = function_args(btf, "tcp_timewait_state_process");
	}
	if (capability->fentry.err == EPERM)
		capability->fentry.why = "the kernel refuses fentry programs (EPERM)";
	capability->kprobe = probe_kprobe();
	err = tracefs_event_id("syscalls", "sys_exit_accept4");
	capability->syscall.err = err < 0 ? -err : 0;
	pick_all(capability, btf, wanted);
	/* Reading all symbols takes 50 ms: not where something better is open. */
	if ((wanted == BACKEND_AUTO || wanted == BACKEND_TIMER) &&
	    (capability->requests == BACKEND_NONE || capability->minis == BACKEND_NONE)) {
		capability->timer = probe_timer(capability, btf);
		pick_all(capability, btf, wanted);
	}
	capability->ehash = capability->minis == BACKEND_TIMER && has_ehash(btf);
	return 0;
}
