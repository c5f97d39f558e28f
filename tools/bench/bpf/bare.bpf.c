// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Programs everywhere that tcpdwell has one on a host that refuses fentry and kprobes. They do
 * nothing, but for one that hands over a record of each transition. What a tracer of all states and
 * owners cannot go below there.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#define RECORD_BYTES 96

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile bool silent; /* no records either */

/* As large as tcpdwell's, since one that is larger is colder in the caches. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} ring SEC(".maps");

SEC("tp_btf/inet_sock_set_state")
int inet_sock_set_state(void *ctx)
{
	void *record = silent ? NULL : bpf_ringbuf_reserve(&ring, RECORD_BYTES, 0);

	if (record)
		bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int inet_sock_set_state_nested(void *ctx)
{
	return 0;
}

SEC("tp_btf/tcp_send_reset")
int tcp_send_reset(void *ctx)
{
	return 0;
}

SEC("tp_btf/timer_start")
int timer_start(void *ctx)
{
	return 0;
}

SEC("tp_btf/timer_cancel")
int timer_cancel(void *ctx)
{
	return 0;
}

SEC("tp_btf/timer_expire_entry")
int timer_expire_entry(void *ctx)
{
	return 0;
}

SEC("tp_btf/timer_expire_exit")
int timer_expire_exit(void *ctx)
{
	return 0;
}

SEC("tp/syscalls/sys_exit_accept4")
int accept4_exit(void *ctx)
{
	return 0;
}

SEC("tp/syscalls/sys_exit_accept")
int accept_exit(void *ctx)
{
	return 0;
}
