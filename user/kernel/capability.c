// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "host/tracefs.h"
#include "kernel/capability.h"
#include "kernel/insn.h"
#include "kernel/kernel_types.h"
#include "kernel/ksyms.h"

/* Returns the number of parameters of a kernel function by its BTF, or -ENOENT. */
static int function_args(const struct kernel_types *types, const char *name)
{
	int id = kernel_types_find(types, name, BTF_KIND_FUNC);
	const struct btf_type *type;

	if (id < 0)
		return -ENOENT;
	type = btf__type_by_id(kernel_types_btf(types),
			       btf__type_by_id(kernel_types_btf(types), id)->type);
	return type ? btf_vlen(type) : -ENOENT;
}

/*
 * Loads a tracing program of these instructions. Each trial has a @name of its own, by which the
 * tests refuse it. Returns its descriptor or -errno.
 */
static int load_tracing(const struct kernel_types *types, const char *name, const char *target,
			int kind, enum bpf_attach_type type, const struct bpf_insn *insns,
			size_t count)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = type);
	int id = kernel_types_find(types, target, kind), fd;

	if (id < 0)
		return -ENOENT;
	opts.attach_btf_id = id;
	fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, name, "GPL", insns, count, &opts);
	return fd < 0 ? -errno : fd;
}

/* The kernel's type of a tracepoint's probe has this prefix in its BTF. */
#define TRACEPOINT(name) "btf_trace_" name

/*
 * Returns why a trial failed: an older kernel calls it invalid, for which @why has words. Any other
 * error is the kernel's refusal of @part.
 */
static struct obstacle not_had(int err, const char *part, const char *why)
{
	if (err == -EINVAL)
		return (struct obstacle){ .err = ENOTSUP, .why = why };
	return (struct obstacle){ .err = -err, .part = part };
}

static struct obstacle probe_cookie(const struct kernel_types *types)
{
	static const struct bpf_insn insns[] = {
		INSN(BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_1, BPF_REG_1, 0, 0),
		CALL(BPF_FUNC_get_socket_cookie),
		MOV_IMM(BPF_REG_0, 0),
		EXIT(),
	};
	int fd = load_tracing(types, "probe_cookie", TRACEPOINT("inet_sock_set_state"),
			      BTF_KIND_TYPEDEF, BPF_TRACE_RAW_TP, insns,
			      sizeof(insns) / sizeof(*insns));

	if (fd < 0)
		return not_had(fd, "socket cookies in tracing programs",
			       "no socket cookies in tracing programs (Linux 5.12)");
	close(fd);
	return (struct obstacle){};
}

/* Returns the type of a member of a structure, or NULL if there is none of that name. */
static const struct btf_type *member_type(const struct kernel_types *types,
					  const struct btf_type *type, const char *member)
{
	for (int i = 0; type && btf_is_struct(type) && i < btf_vlen(type); i++) {
		const char *name = btf__name_by_offset(kernel_types_btf(types),
						       btf_members(type)[i].name_off);

		if (name && !strcmp(name, member))
			return btf__type_by_id(kernel_types_btf(types), btf_members(type)[i].type);
	}
	return NULL;
}

static const struct btf_type *struct_type(const struct kernel_types *types, const char *name)
{
	int id = kernel_types_find(types, name, BTF_KIND_STRUCT);

	return id < 0 ? NULL : btf__type_by_id(kernel_types_btf(types), id);
}

/*
 * Returns true if a program at a tracepoint may lose its CPU, and can be told to keep it, also
 * around global functions. It may lose its CPU since SRCU guards tracepoints (7.0). The verifier
 * refuses calls of global functions meanwhile unless it keeps a note of each function (6.15). Until
 * 6.12 the same SRCU was there for other uses, so it does not prove anything by itself.
 */
static bool has_preempt_disable(const struct kernel_types *types)
{
	return member_type(types, struct_type(types, "bpf_subprog_info"), "might_sleep") &&
	       kernel_types_find(types, "bpf_preempt_disable", BTF_KIND_FUNC) > 0 &&
	       kernel_types_find(types, "tracepoint_srcu_srcu_data", BTF_KIND_VAR) > 0;
}

/* Returns true if the kernel has a helper of this name in enum bpf_func_id. */
static bool has_helper(const struct kernel_types *types, const char *name)
{
	int id = kernel_types_find(types, "bpf_func_id", BTF_KIND_ENUM);
	const struct btf_type *type = id < 0 ? NULL : btf__type_by_id(kernel_types_btf(types), id);

	for (int i = 0; type && i < btf_vlen(type); i++)
		if (!strcmp(btf__name_by_offset(kernel_types_btf(types),
						btf_enum(type)[i].name_off),
			    name))
			return true;
	return false;
}

/*
 * Returns true if programs can get from a namespace to the table of connections
 * (bpf/timewait.bpf.h).
 */
static bool has_ehash(const struct kernel_types *types)
{
	const struct btf_type *row = member_type(types, struct_type(types, "netns_ipv4"),
						 "tcp_death_row");

	return member_type(types, row, "hashinfo");
}

/* Tries bpf_rdonly_cast(), which is not a helper but a kernel function that programs may call. */
static bool probe_cast(const struct kernel_types *types)
{
	int function = kernel_types_find(types, "bpf_rdonly_cast", BTF_KIND_FUNC);
	int type = kernel_types_find(types, "sock", BTF_KIND_STRUCT);
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
	fd = load_tracing(types, "probe_cast", TRACEPOINT("inet_sock_set_state"), BTF_KIND_TYPEDEF,
			  BPF_TRACE_RAW_TP, insns, sizeof(insns) / sizeof(*insns));
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static struct obstacle probe_atomic(void)
{
	static const struct bpf_insn insns[] = {
		INSN(BPF_ST | BPF_MEM | BPF_DW, BPF_REG_10, 0, -8, 0),
		MOV_IMM(BPF_REG_1, 1),
		INSN(BPF_STX | BPF_ATOMIC | BPF_W, BPF_REG_10, BPF_REG_1, -8, BPF_AND | BPF_FETCH),
		MOV_IMM(BPF_REG_0, 0),
		EXIT(),
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "probe_atomic", "GPL", insns,
			       sizeof(insns) / sizeof(*insns), NULL);

	if (fd < 0)
		return not_had(fd, "atomic exchange in programs",
			       "no atomic exchange in programs (Linux 5.12)");
	close(fd);
	return (struct obstacle){};
}

/* Tries to load and to attach a program: a kernel may load it and still refuse to attach it. */
static int probe_fentry(const struct kernel_types *types)
{
	static const struct bpf_insn insns[] = { MOV_IMM(BPF_REG_0, 0), EXIT() };
	int prog = load_tracing(types, "probe_fexit", "tcp_v4_connect", BTF_KIND_FUNC,
				BPF_TRACE_FEXIT, insns, 2);
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

/* The dynamic PMU by which libbpf attaches kprobes (4.17). */
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

static struct obstacle probe_timer(struct capability *capability, const struct kernel_types *types)
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
		if (kernel_types_find(types, tracepoints[i], BTF_KIND_TYPEDEF) < 0) {
			o.err = ENOENT;
			o.why = "the kernel has no timer tracepoints";
			return o;
		}
	}
	err = ksyms_find(symbols, addresses, 2);
	capability->per_cpu_offset = ksyms_ask("__per_cpu_offset");
	if (err || !addresses[0] || !addresses[1]) {
		o.err = err ? -err : ENOENT;
		o.why = "the kernel hides the address of its timer handlers (kernel.kptr_restrict)";
		return o;
	}
	capability->tw_timer_handler = addresses[0];
	capability->reqsk_timer_handler = addresses[1];
	return o;
}

/* Returns true if each function of a list, which NULL ends, can be attached to. */
static bool has_functions(const struct kernel_types *types, const char *const names[])
{
	for (; *names; names++)
		if (kernel_types_find(types, *names, BTF_KIND_FUNC) < 0)
			return false;
	return true;
}

/*
 * The functions that the fentry and kprobe programs of each feature attach to (bpf/tcpdwell.bpf.c).
 */
static const char *const request_functions[] = {
	"inet_csk_reqsk_queue_hash_add", "inet_csk_complete_hashdance",
	"inet_csk_reqsk_queue_drop",	 "inet_csk_reqsk_queue_drop_and_put",
	"reqsk_timer_handler",		 NULL
};
static const char *const tw_functions[] = { "__inet_twsk_schedule", "tcp_timewait_state_process",
					    "inet_twsk_deschedule_put", "tw_timer_handler", NULL };

const char *capability_error(int err)
{
	/* ENOTSUPP of the kernel, which the C library has no words for. */
	const int not_supported = 524;

	return strerror(err == not_supported ? EOPNOTSUPP : err);
}

const char *obstacle_text(const struct obstacle *obstacle, char text[OBSTACLE_TEXT_LEN])
{
	if (obstacle->part)
		snprintf(text, OBSTACLE_TEXT_LEN, "the kernel refuses %s: %s", obstacle->part,
			 capability_error(obstacle->err));
	else
		snprintf(text, OBSTACLE_TEXT_LEN, "%s",
			 obstacle->why ?: capability_error(obstacle->err));
	return text;
}

/*
 * ---- What nothing works without -----------------------------------------------------------------
 */

/* Returns true if lockdown forbids everybody to read the kernel's memory. */
static bool is_locked_down(void)
{
	char text[64] = "";
	int fd = open("/sys/kernel/security/lockdown", O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	return len > 0 && strstr(text, "[confidentiality]");
}

static const char *advice(int err)
{
	switch (err) {
	case EPERM:
	case EACCES:
		return is_locked_down() ? "kernel lockdown is in confidentiality mode" :
					  "run as root of the host, and see what confines this "
					  "process (container, seccomp, LSM)";
	case ENOMEM:
		return "memory is short: see RLIMIT_AS (ulimit -v), RLIMIT_MEMLOCK (ulimit -l), "
		       "--ring-size and --max-sockets";
	case EMFILE:
		return "too low a RLIMIT_NOFILE (ulimit -n): 256 will do";
	case EFBIG:
		return "too low a RLIMIT_FSIZE (ulimit -f)";
	case ENOSYS:
		return "the kernel is built without CONFIG_BPF_SYSCALL";
	default:
		return "-v shows what it says";
	}
}

int capability_refused(struct failure *failure, const char *what, int err)
{
	return failure_set(failure, STATUS_HOST, "the kernel refuses %s: %s (%s)", what,
			   capability_error(err), advice(err));
}

/*
 * Reads the types from a mapping of @file (6.16), which saves a call for each of its 1400 pages.
 * Returns NULL if the kernel does not map it.
 */
static struct btf *map_btf(const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	struct btf *btf = NULL;
	struct stat stat;
	void *data;

	if (fd < 0)
		return NULL;
	data = fstat(fd, &stat) ? MAP_FAILED :
				  mmap(NULL, stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (data == MAP_FAILED)
		return NULL;
	btf = btf__new(data, stat.st_size);
	munmap(data, stat.st_size);
	return btf;
}

static struct btf *read_btf(struct failure *failure)
{
	static const char file[] = "/sys/kernel/btf/vmlinux";
	struct btf *btf = map_btf(file) ?: btf__load_vmlinux_btf();
	int err;

	if (btf)
		return btf;
	if (access("/sys/kernel", F_OK)) {
		failure_set(failure, STATUS_HOST,
			    "/sys is not mounted (mount -t sysfs sysfs /sys): "
			    "the kernel's types are in it");
		return NULL;
	}
	/* libbpf also looks in other places, and its error is that of the last one. */
	btf = btf__parse(file, NULL);
	if (btf)
		return btf;
	err = errno;
	if (err == ENOENT)
		failure_set(failure, STATUS_HOST,
			    "the kernel has no BTF (%s: %s): it needs CONFIG_DEBUG_INFO_BTF", file,
			    strerror(err));
	else
		failure_set(failure, STATUS_HOST, "cannot read the kernel's types (%s): %s (%s)",
			    file, strerror(err), advice(err));
	return NULL;
}

struct kernel_types *capability_types(struct failure *failure)
{
	struct btf *btf = read_btf(failure);
	struct kernel_types *types = btf ? kernel_types_new(btf) : NULL;

	if (btf && !types)
		failure_set(failure, STATUS_OTHER, "%s", strerror(ENOMEM));
	return types;
}

/* Tries a program of two instructions at the tracepoint: nothing smaller can be asked for. */
static int probe_transition(const struct kernel_types *types)
{
	static const struct bpf_insn insns[] = { MOV_IMM(BPF_REG_0, 0), EXIT() };
	int fd = load_tracing(types, "probe_plain", TRACEPOINT("inet_sock_set_state"),
			      BTF_KIND_TYPEDEF, BPF_TRACE_RAW_TP, insns, 2);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/*
 * Tries whether the kernel takes types of functions. Without them the verifier looks at a global
 * function again for each of its calls, in vain.
 */
static int probe_types(void)
{
	struct btf *btf = btf__new_empty();
	int err = btf ? 0 : -errno, number, type;

	if (err)
		return err;
	number = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
	type = number < 0 ? number : btf__add_func_proto(btf, number);
	if (type < 0 || btf__add_func(btf, "probe_types", BTF_FUNC_GLOBAL, type) < 0)
		err = -errno;
	if (!err)
		err = btf__load_into_kernel(btf);
	btf__free(btf);
	return err;
}

static int probe_needed(struct capability *can, const struct kernel_types *types,
			struct failure *failure)
{
	int err = 0;

	if (kernel_types_find(types, TRACEPOINT("inet_sock_set_state"), BTF_KIND_TYPEDEF) < 0)
		return failure_set(
			failure, STATUS_HOST,
			"the kernel has no tracepoint sock:inet_sock_set_state (Linux 4.16)");
	can->no_cookie = probe_cookie(types);
	can->cookie = !can->no_cookie.err;
	if (!can->cookie)
		err = probe_transition(types);
	if (err)
		return capability_refused(failure, "a program at sock:inet_sock_set_state", -err);
	err = probe_types();
	if (err)
		return capability_refused(failure, "type information (BTF) of programs", -err);
	return 0;
}

/*
 * ---- All of it ----------------------------------------------------------------------------------
 */

static void probe_functions(struct capability *can, const struct kernel_types *types)
{
	can->twsk_begins = kernel_types_find(types, "inet_twsk_hashdance_schedule", BTF_KIND_FUNC) >
			   0;
	can->twsk_kill = kernel_types_find(types, "inet_twsk_kill", BTF_KIND_FUNC) > 0;
	if (!can->fentry.err) {
		can->connect6 = kernel_types_find(types, "tcp_v6_connect", BTF_KIND_FUNC) > 0;
		can->accept_args = function_args(types, "inet_csk_accept");
		can->timewait_args = function_args(types, "tcp_timewait_state_process");
	}
	/*
	 * If neither kind can be attached, that is the reason to give, and not that a function is
	 * missing.
	 */
	if (!can->fentry.err || !can->kprobe.err) {
		can->request_functions = has_functions(types, request_functions);
		can->timewait_functions = has_functions(types, tw_functions);
	}
}

static void probe_helpers(struct capability *can, const struct kernel_types *types)
{
	can->cast = probe_cast(types);
	can->no_atomic = probe_atomic();
	can->atomic = !can->no_atomic.err;
	can->ehash = has_ehash(types);
	can->preempt_disable = has_preempt_disable(types);
	can->for_each = has_helper(types, "BPF_FUNC_for_each_map_elem");
	can->iter_descriptors = kernel_types_find(types, "bpf_iter_task_file", BTF_KIND_FUNC) > 0;
	can->iter_sockets = kernel_types_find(types, "bpf_iter_tcp", BTF_KIND_FUNC) > 0;
	can->iter_elements = kernel_types_find(types, "bpf_iter_bpf_map_elem", BTF_KIND_FUNC) > 0;
}

void capability_try_timer(struct capability *can, const struct kernel_types *types)
{
	if (can->timer_tried)
		return;
	can->timer_tried = true;
	can->timer = probe_timer(can, types);
}

/* Returns true if a hidden state may have to be seen by timers. */
static bool may_need_timer(const struct capability *can, enum backend wanted)
{
	bool others = (!can->fentry.err || !can->kprobe.err) && can->request_functions &&
		      can->timewait_functions;

	return wanted == BACKEND_TIMER || (wanted == BACKEND_AUTO && !others);
}

int capability_probe(struct capability *can, const struct kernel_types *types, enum backend wanted,
		     struct failure *failure)
{
	int id;

	memset(can, 0, sizeof(*can));
	if (probe_needed(can, types, failure))
		return -1;
	probe_helpers(can, types);
	can->fentry.err = -probe_fentry(types);
	if (can->fentry.err == EPERM)
		can->fentry.why = "the kernel refuses fentry programs (EPERM)";
	can->kprobe = probe_kprobe();
	probe_functions(can, types);
	id = tracefs_event_id("syscalls", "sys_exit_accept4");
	can->syscall.err = id < 0 ? -id : 0;
	if (may_need_timer(can, wanted))
		capability_try_timer(can, types);
	return 0;
}
