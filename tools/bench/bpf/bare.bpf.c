// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Has a program everywhere that tcpdwell has one on a host that refuses fentry and kprobes. They do
 * nothing, except for one that hands over a record of each transition. A tracer of all states and
 * owners cannot cost less on such a host.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#define RECORD_BYTES 96

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile bool silent; /* no records either */

/* As large as tcpdwell's, since a larger one is colder in the caches. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} ring SEC(".maps");

/* This alone is the least that a tracer of every transition can do. */
SEC("tp_btf/inet_sock_set_state")
int reserve(void *ctx)
{
	void *record = silent ? NULL : bpf_ringbuf_reserve(&ring, RECORD_BYTES, 0);

	if (record)
		bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	return 0;
}

#define NOTHING_AT(section, name) SEC(section) int name(void *ctx) { return 0; }

NOTHING_AT("tp_btf/inet_sock_set_state", inet_sock_set_state_nested)
NOTHING_AT("tp_btf/tcp_send_reset", tcp_send_reset)
NOTHING_AT("tp_btf/timer_start", timer_start)
NOTHING_AT("tp_btf/timer_cancel", timer_cancel)
NOTHING_AT("tp_btf/timer_expire_entry", timer_expire_entry)
NOTHING_AT("tp_btf/timer_expire_exit", timer_expire_exit)
NOTHING_AT("tp/syscalls/sys_exit_accept4", accept4_exit)
NOTHING_AT("tp/syscalls/sys_exit_accept", accept_exit)
