// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The programs that the kernel runs. Each one says what happened and hands on the facts.
 *
 * All but the first are optional. For each capability the loader picks the best program that the
 * running kernel accepts.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>

#include "accept.bpf.h"
#include "call.bpf.h"
#include "cookies.bpf.h"
#include "flush.bpf.h"
#include "nested.bpf.h"
#include "snapshot.bpf.h"
#include "stack.bpf.h"
#include "sweep.bpf.h"
#include "transition.bpf.h"
#include "walk.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/*
 * Every transition of every full socket. Sockets of SCTP and MPTCP fire the tracepoint too (since
 * 4.16).
 *
 * This program is attached to the tracepoint itself, or two others are, which continue in this one
 * by a tail call (nested.bpf.h says why). So the verifier goes through transition() only once.
 *
 * Because of the second case it may run on top of itself, and its variables must be on the kernel's
 * stack. Since 6.13 a tracing program has one private stack a CPU, unless it makes a tail call. So
 * it makes one where that does no harm: for a socket that is not TCP, to an empty slot of
 * transitions.
 */
SEC("?tp_btf/inet_sock_set_state")
int BPF_PROG(inet_sock_set_state, struct sock *sk, int from, int to)
{
	if (!sock_is_tcp(sk)) {
		if (cfg_nested)
			bpf_tail_call(ctx, &transitions, TRANSITION_NOBODY);
		return 0;
	}
	keep_cpu();
	transition(sk, from, to, true, true);
	let_go_of_cpu();
	stack_of_connect(ctx);
	return 0;
}

/* The same program with transition() in one piece, for kernels before 6.2. */
SEC("?tp_btf/inet_sock_set_state")
int BPF_PROG(inet_sock_set_state_v61, struct sock *sk, int from, int to)
{
	if (!sock_is_tcp(sk)) {
		if (cfg_nested)
			bpf_tail_call(ctx, &transitions, TRANSITION_NOBODY);
		return 0;
	}
	keep_cpu();
	transition(sk, from, to, true, false);
	let_go_of_cpu();
	stack_of_connect(ctx);
	return 0;
}

SEC("?tp_btf/inet_sock_set_state")
int BPF_PROG(inet_sock_set_state_first, struct sock *sk)
{
	event_take(sk);
	bpf_tail_call(ctx, &transitions, TRANSITION_TOLD);
	return 0;
}

/*
 * Attached after inet_sock_set_state_first, for the events that the kernel did not run that one
 * for.
 */
SEC("?tp_btf/inet_sock_set_state")
int BPF_PROG(inet_sock_set_state_nested, struct sock *sk)
{
	if (event_was_taken(sk))
		return 0;
	count(&nested_told);
	bpf_tail_call(ctx, &transitions, TRANSITION_TOLD);
	return 0;
}

/*
 * inet_sock_set_state for kernels before 5.12, which refuse a program with an atomic exchange in
 * it.
 */
SEC("?tp_btf/inet_sock_set_state")
int BPF_PROG(inet_sock_set_state_v511, struct sock *sk, int from, int to)
{
	if (sock_is_tcp(sk))
		transition(sk, from, to, false, false);
	stack_of_connect(ctx);
	return 0;
}

/*
 * The local port of an active open. tcp_v6_connect() calls tcp_v4_connect() for mapped addresses.
 */
SEC("?fexit/tcp_v4_connect")
int BPF_PROG(tcp_v4_connect_exit, struct sock *sk)
{
	connect_exit(sk);
	return 0;
}

SEC("?fexit/tcp_v6_connect")
int BPF_PROG(tcp_v6_connect_exit, struct sock *sk)
{
	connect_exit(sk);
	return 0;
}

/* Ends waits that no event ends. The reader runs it every few tens of milliseconds. */
SEC("?raw_tp")
int flush(struct bpf_raw_tracepoint_args *ctx)
{
	return flush_all(ctx->args[0], true);
}

SEC("?raw_tp")
int flush_v511(struct bpf_raw_tracepoint_args *ctx)
{
	return flush_all(ctx->args[0], false);
}

/* Says whether a listener sends SYN cookies. The reader asks while one may (cookies.bpf.h). */
SEC("?raw_tp")
int look_at_listener(struct bpf_raw_tracepoint_args *ctx)
{
	return cookies_look(ctx->args[0], ctx->args[1], ctx->args[2]);
}

/* The owner of a passive open. */
SEC("?fexit/inet_csk_accept")
int BPF_PROG(inet_csk_accept_exit, struct sock *listener, struct proto_accept_arg *arg,
	     struct sock *sk)
{
	if (sk)
		accepted(ctx, sk, listener, -1, false, true);
	return 0;
}

/* The signature until 6.9. */
SEC("?fexit/inet_csk_accept")
int BPF_PROG(inet_csk_accept_exit_v69, struct sock *listener, int flags, int *err, bool kern,
	     struct sock *sk)
{
	if (sk)
		accepted(ctx, sk, listener, -1, false, true);
	return 0;
}

SEC("?fexit/inet_csk_accept")
int BPF_PROG(inet_csk_accept_exit_v511, struct sock *listener, int flags, int *err, bool kern,
	     struct sock *sk)
{
	if (sk)
		accepted(ctx, sk, listener, -1, false, false);
	return 0;
}

SEC("?kretprobe/inet_csk_accept")
int BPF_KRETPROBE(inet_csk_accept_return, struct sock *sk)
{
	if (sk)
		accepted(ctx, sk, NULL, -1, false, true);
	return 0;
}

SEC("?kretprobe/inet_csk_accept")
int BPF_KRETPROBE(inet_csk_accept_return_v511, struct sock *sk)
{
	if (sk)
		accepted(ctx, sk, NULL, -1, false, false);
	return 0;
}

/* This is attached to sys_exit_accept as well, so that the verifier looks at one program only. */
SEC("?tp/syscalls/sys_exit_accept4")
int sys_exit_accept4(struct trace_event_raw_sys_exit *ctx)
{
	return accept_syscall_exit(ctx, ctx->ret, true);
}

SEC("?tp/syscalls/sys_exit_accept4")
int sys_exit_accept4_v511(struct trace_event_raw_sys_exit *ctx)
{
	return accept_syscall_exit(ctx, ctx->ret, false);
}

/* Calls that fail. No transition tells of most of them. */
SEC("?tp/syscalls/sys_exit_connect")
int sys_exit_connect(struct trace_event_raw_sys_exit *ctx)
{
	call_failed(ctx->ret, TCPDWELL_CALL_CONNECT);
	return 0;
}

SEC("?tp/syscalls/sys_exit_bind")
int sys_exit_bind(struct trace_event_raw_sys_exit *ctx)
{
	call_failed(ctx->ret, TCPDWELL_CALL_BIND);
	return 0;
}

SEC("?tp/syscalls/sys_exit_listen")
int sys_exit_listen(struct trace_event_raw_sys_exit *ctx)
{
	call_failed(ctx->ret, TCPDWELL_CALL_LISTEN);
	return 0;
}

/* This is attached to sys_exit_accept as well. */
SEC("?tp/syscalls/sys_exit_accept4")
int sys_exit_accept_count(struct trace_event_raw_sys_exit *ctx)
{
	call_accepted(ctx->ret);
	return 0;
}

SEC("?tp_btf/sched_process_exec")
int BPF_PROG(sched_process_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	process_exec();
	return 0;
}

SEC("?tp_btf/sched_process_exec")
int BPF_PROG(sched_process_exec_v511, struct task_struct *task, int old_pid,
	     struct linux_binprm *bprm)
{
	process_exec_v511();
	return 0;
}

SEC("?tp_btf/sched_process_exit")
int BPF_PROG(sched_process_exit, struct task_struct *task)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;

	if (task->signal->live.counter)
		return 0; /* a thread ended; others of its process go on */
	process_exit();
	if (cfg_follow_forks)
		bpf_map_delete_elem(&pids, &pid);
	return 0;
}

/* Follows the descendants of the program that was given after --. */
SEC("?tp_btf/sched_process_fork")
int BPF_PROG(sched_process_fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 parent_pid = parent->tgid, child_pid = child->tgid;
	__u8 one = 1;

	if (parent_pid != child_pid && bpf_map_lookup_elem(&pids, &parent_pid))
		bpf_map_update_elem(&pids, &child_pid, &one, BPF_ANY);
	return 0;
}

/*
 * Requests and timewait sockets. There is one set of programs for each backend. The sets differ
 * only in how they get at the kernel object.
 */

/* For every backend: an RST of ours tells why a request was dropped. */
SEC("?tp_btf/tcp_send_reset")
int BPF_PROG(tcp_send_reset, const struct sock *sk, const struct sk_buff *skb)
{
	reset_sent(sk, skb);
	return 0;
}

/*
 * ---- fentry -------------------------------------------------------------------------------------
 */

SEC("?fentry/inet_csk_reqsk_queue_hash_add")
int BPF_PROG(fentry_reqsk_queue_hash_add, struct sock *sk, struct request_sock *req)
{
	request_hashed(req);
	return 0;
}

/* The last ACK of a handshake has come, and @child was born a moment ago. */
SEC("?fentry/inet_csk_complete_hashdance")
int BPF_PROG(fentry_complete_hashdance, struct sock *sk, struct sock *child,
	     struct request_sock *req, bool own_req)
{
	if (own_req)
		request_unhashed(req);
	return 0;
}

/*
 * An RST or an ICMP error has come. Some compilers also inline this function into
 * inet_csk_complete_hashdance().
 */
SEC("?fentry/inet_csk_reqsk_queue_drop")
int BPF_PROG(fentry_reqsk_queue_drop, struct sock *sk, struct request_sock *req)
{
	request_unhashed(req);
	return 0;
}

/* Some compilers inline inet_csk_reqsk_queue_drop() into this function (5.10). */
SEC("?fentry/inet_csk_reqsk_queue_drop_and_put")
int BPF_PROG(fentry_reqsk_queue_drop_and_put, struct sock *sk, struct request_sock *req)
{
	request_unhashed(req);
	return 0;
}

SEC("?fentry/reqsk_timer_handler")
int BPF_PROG(fentry_reqsk_timer_handler, struct timer_list *timer)
{
	request_timer_runs(request_of_timer(timer));
	return 0;
}

SEC("?fexit/reqsk_timer_handler")
int BPF_PROG(fexit_reqsk_timer_handler, struct timer_list *timer)
{
	request_timer_ran();
	return 0;
}

SEC("?fentry/__inet_twsk_schedule")
int BPF_PROG(fentry_twsk_schedule, struct inet_timewait_sock *tw, int timeo, bool rearm)
{
	if (rearm || !cfg_tw_begins)
		tw_armed(tw);
	return 0;
}

/*
 * Since 6.12 this arms the timer for the first time, mostly (on arm64) without a call of
 * __inet_twsk_schedule().
 */
SEC("?fentry/inet_twsk_hashdance_schedule")
int BPF_PROG(fentry_twsk_begin, struct inet_timewait_sock *tw)
{
	tw_armed(tw);
	return 0;
}

/* For kernels without socket cookies, if they have this function under this name (until 6.11). */
SEC("?fentry/inet_twsk_hashdance")
int BPF_PROG(fentry_twsk_hashdance, struct inet_timewait_sock *tw, struct sock *sk)
{
	tw_born(tw, sk);
	return 0;
}

SEC("?fexit/tcp_timewait_state_process")
int BPF_PROG(fexit_timewait_state_process, struct inet_timewait_sock *tw, struct sk_buff *skb,
	     const struct tcphdr *th, u32 *isn, u32 *drop_reason, int status)
{
	tw_processed(tw, status);
	return 0;
}

/* The signature of 6.12. */
SEC("?fexit/tcp_timewait_state_process")
int BPF_PROG(fexit_timewait_state_process_v612, struct inet_timewait_sock *tw, struct sk_buff *skb,
	     const struct tcphdr *th, u32 *isn, int status)
{
	tw_processed(tw, status);
	return 0;
}

/* The signature until 6.11. */
SEC("?fexit/tcp_timewait_state_process")
int BPF_PROG(fexit_timewait_state_process_v611, struct inet_timewait_sock *tw, struct sk_buff *skb,
	     const struct tcphdr *th, int status)
{
	tw_processed(tw, status);
	return 0;
}

SEC("?fentry/inet_twsk_deschedule_put")
int BPF_PROG(fentry_twsk_deschedule_put, struct inet_timewait_sock *tw)
{
	tw_descheduled(tw);
	return 0;
}

/*
 * Where the kernel ends a namespace's timewait sockets, some compilers inline
 * inet_twsk_deschedule_put() but not its callee inet_twsk_kill() (5.10). The kernel calls
 * inet_twsk_kill() at every end of a timewait socket. The other programs have told most of these
 * ends before, and what is told is forgotten by then.
 */
SEC("?fentry/inet_twsk_kill")
int BPF_PROG(fentry_twsk_kill, struct inet_timewait_sock *tw)
{
	tw_descheduled(tw);
	return 0;
}

SEC("?fentry/tw_timer_handler")
int BPF_PROG(fentry_tw_timer_handler, struct timer_list *timer)
{
	tw_expired(tw_of_timer(timer));
	return 0;
}

/*
 * ---- kprobe -------------------------------------------------------------------------------------
 */

SEC("?kprobe/inet_csk_reqsk_queue_hash_add")
int BPF_KPROBE(kprobe_reqsk_queue_hash_add, struct sock *sk, struct request_sock *req)
{
	request_hashed(req);
	return 0;
}

SEC("?kprobe/inet_csk_complete_hashdance")
int BPF_KPROBE(kprobe_complete_hashdance, struct sock *sk, struct sock *child,
	       struct request_sock *req, bool own_req)
{
	if (own_req)
		request_unhashed(req);
	return 0;
}

SEC("?kprobe/inet_csk_reqsk_queue_drop")
int BPF_KPROBE(kprobe_reqsk_queue_drop, struct sock *sk, struct request_sock *req)
{
	request_unhashed(req);
	return 0;
}

SEC("?kprobe/inet_csk_reqsk_queue_drop_and_put")
int BPF_KPROBE(kprobe_reqsk_queue_drop_and_put, struct sock *sk, struct request_sock *req)
{
	request_unhashed(req);
	return 0;
}

SEC("?kprobe/reqsk_timer_handler")
int BPF_KPROBE(kprobe_reqsk_timer_handler, struct timer_list *timer)
{
	request_timer_runs(request_of_timer(timer));
	return 0;
}

SEC("?kretprobe/reqsk_timer_handler")
int BPF_KRETPROBE(kretprobe_reqsk_timer_handler)
{
	request_timer_ran();
	return 0;
}

SEC("?kprobe/__inet_twsk_schedule")
int BPF_KPROBE(kprobe_twsk_schedule, struct inet_timewait_sock *tw, int timeo, bool rearm)
{
	if (rearm || !cfg_tw_begins)
		tw_armed(tw);
	return 0;
}

SEC("?kprobe/inet_twsk_hashdance_schedule")
int BPF_KPROBE(kprobe_twsk_begin, struct inet_timewait_sock *tw)
{
	tw_armed(tw);
	return 0;
}

SEC("?kprobe/inet_twsk_hashdance")
int BPF_KPROBE(kprobe_twsk_hashdance, struct inet_timewait_sock *tw, struct sock *sk)
{
	tw_born(tw, sk);
	return 0;
}

/* It runs in a softirq, so nothing on this CPU comes between its entry and its return. */
SEC("?kprobe/tcp_timewait_state_process")
int BPF_KPROBE(kprobe_timewait_state_process, struct inet_timewait_sock *tw)
{
	struct tw_slot *slot = tw_slot_here();

	if (slot)
		slot->processed = (__u64)tw;
	return 0;
}

SEC("?kretprobe/tcp_timewait_state_process")
int BPF_KRETPROBE(kretprobe_timewait_state_process, int status)
{
	struct tw_slot *slot = tw_slot_here();

	if (slot)
		tw_processed((const struct inet_timewait_sock *)slot->processed, status);
	return 0;
}

SEC("?kprobe/inet_twsk_deschedule_put")
int BPF_KPROBE(kprobe_twsk_deschedule_put, struct inet_timewait_sock *tw)
{
	tw_descheduled(tw);
	return 0;
}

SEC("?kprobe/inet_twsk_kill")
int BPF_KPROBE(kprobe_twsk_kill, struct inet_timewait_sock *tw)
{
	tw_descheduled(tw);
	return 0;
}

SEC("?kprobe/tw_timer_handler")
int BPF_KPROBE(kprobe_tw_timer_handler, struct timer_list *timer)
{
	tw_expired(tw_of_timer(timer));
	return 0;
}

/*
 * ---- timer tracepoints: every timer of the host runs these programs -----------------------------
 */

SEC("?tp_btf/timer_start")
int BPF_PROG(timer_start, struct timer_list *timer)
{
	__u64 function = (__u64)timer->function;

	if (cfg_tw_timer_handler && function == cfg_tw_timer_handler)
		tw_armed(tw_of_timer(timer));
	else if (cfg_reqsk_timer_handler && function == cfg_reqsk_timer_handler)
		request_timer_started(request_of_timer(timer), timer);
	return 0;
}

SEC("?tp_btf/timer_cancel")
int BPF_PROG(timer_cancel, struct timer_list *timer)
{
	__u64 function = (__u64)timer->function;

	if (cfg_tw_timer_handler && function == cfg_tw_timer_handler)
		tw_cancelled(tw_of_timer(timer), timer_due(timer->expires, timer->flags));
	else if (cfg_reqsk_timer_handler && function == cfg_reqsk_timer_handler)
		request_timer_cancelled(request_of_timer(timer), timer);
	return 0;
}

SEC("?tp_btf/timer_expire_entry")
int BPF_PROG(timer_expire_entry, struct timer_list *timer)
{
	__u64 function = (__u64)timer->function;

	if (cfg_tw_timer_handler && function == cfg_tw_timer_handler)
		tw_expired(tw_of_timer(timer));
	else if (cfg_reqsk_timer_handler && function == cfg_reqsk_timer_handler)
		request_timer_runs(request_of_timer(timer));
	return 0;
}

/* The timer may be gone. Which timer ran out is known from timer_expire_entry. */
SEC("?tp_btf/timer_expire_exit")
int BPF_PROG(timer_expire_exit, struct timer_list *timer)
{
	request_timer_ran();
	return 0;
}

/*
 * ---- iterators: what was there before the tracer ------------------------------------------------
 */

/* Runs for each descriptor of each process. */
SEC("?iter/task_file")
int iter_descriptor(struct bpf_iter__task_file *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	__u32 fd = ctx->fd;
	struct socket *socket;
	struct sock *sk;

	if (!task || !file)
		return ITER_NEXT;
	socket = bpf_sock_from_file(file);
	sk = socket ? socket->sk : NULL;
	if (sk && is_tcp(sk))
		snapshot_descriptor(seq, task, fd, sk, bpf_get_socket_cookie(sk), true);
	else
		indirect_find(task, fd, file, sk);
	return ITER_NEXT;
}

/*
 * For kernels before 5.12, which have no cookies here. Those before 5.11 have no
 * bpf_sock_from_file() either.
 */
SEC("?iter/task_file")
int iter_descriptor_v511(struct bpf_iter__task_file *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	__u32 fd = ctx->fd;
	struct sock *sk;

	if (!task || !file)
		return ITER_NEXT;
	sk = file_sock(file);
	if (sk && is_tcp(sk))
		snapshot_descriptor(seq, task, fd, sk, (__u64)sk, false);
	else
		indirect_find(task, fd, file, sk);
	return ITER_NEXT;
}

/*
 * Runs for each socket in the hash tables of the network namespace of the process that opened the
 * iterator.
 */
SEC("?iter/tcp")
int iter_socket(struct bpf_iter__tcp *ctx)
{
	return snapshot_socket(ctx, true);
}

SEC("?iter/tcp")
int iter_socket_v511(struct bpf_iter__tcp *ctx)
{
	return snapshot_socket(ctx, false);
}

/*
 * Walks through stretches of the table of connections of all network namespaces. The snapshot runs
 * it.
 */
SEC("?raw_tp")
int walk_all(struct bpf_raw_tracepoint_args *ctx)
{
	return walk_run(ctx->args[0], ctx->args[1]);
}

/* Runs for each connection in a table. */
SEC("?iter/bpf_map_elem")
int iter_table(struct bpf_iter__bpf_map_elem *ctx)
{
	const __u64 *key = ctx->key;
	const struct lifecycle *l = ctx->value;

	if (key && l)
		sweep(*key, l);
	return ITER_NEXT;
}

/* Runs for each slot of a map of recent connections. */
SEC("?iter/bpf_map_elem")
int iter_recent(struct bpf_iter__bpf_map_elem *ctx)
{
	const struct lifecycle *l = ctx->value;

	if (l)
		sweep_slot(l);
	return ITER_NEXT;
}

/*
 * ---- the sweep: one pass over what is remembered ------------------------------------------------
 */

/* Sweeps the connections in the table of this number. bpf_for_each_map_elem() needs 5.13. */
SEC("?raw_tp")
int sweep_table(struct bpf_raw_tracepoint_args *ctx)
{
	void *table = table_at(ctx->args[0]);

	if (table)
		bpf_for_each_map_elem(table, sweep_each_connection, NULL, 0);
	return 0;
}

/* Sweeps the slots in the map of recent connections of this number. */
SEC("?raw_tp")
int sweep_recent(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 number = ctx->args[0];
	void *slots = cfg_recent ? bpf_map_lookup_elem(&recent, &number) : NULL;

	if (slots)
		bpf_for_each_map_elem(slots, sweep_each_slot, NULL, 0);
	return 0;
}

/* Sweeps the connections of these keys, which user space found by itself. A key of 0 is none. */
SEC("?raw_tp")
int sweep_keys(struct bpf_raw_tracepoint_args *ctx)
{
#pragma unroll
	for (int i = 0; i < TCPDWELL_SWEEP_KEYS; i++)
		sweep_key(ctx->args[i]);
	return 0;
}
