// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reserves a record of tcpdwell's size and submits it each time it is run, which the bench does
 * over and over on a processor of its choice: what the ring costs by itself, and what its lock adds
 * when several processors write at once.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#define RECORD_BYTES 112

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} ring SEC(".maps");

/* Answers 1 if there was no room. */
SEC("tc")
int produce(void *ctx)
{
	void *record = bpf_ringbuf_reserve(&ring, RECORD_BYTES, 0);

	if (!record)
		return 1;
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	return 0;
}
