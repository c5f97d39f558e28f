// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The least that a tracer of every transition can do: reserve a 96-byte record and submit it.
 * The ring is as large as tcpdwell's, since one that is larger is colder in the caches.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#define RECORD_BYTES 96

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} ring SEC(".maps");

SEC("tp_btf/inet_sock_set_state")
int reserve(void *ctx)
{
	void *record = bpf_ringbuf_reserve(&ring, RECORD_BYTES, 0);

	if (record)
		bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	return 0;
}
