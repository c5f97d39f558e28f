// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the programs of several processors share. Each use of it is a program, which the bench runs
 * over and over on a processor of its choice. That shows what the use takes by itself, and what is
 * added when others do the same at once.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#define RECORD_BYTES 112  /* the size of tcpdwell's */
#define FULL_BYTES   3000 /* of 4096: one record fits */
#define ELEMENTS     32768

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} full SEC(".maps");

/* Like the first of tcpdwell's tables of connections. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ELEMENTS);
	__type(key, __u64);
	__type(value, __u64[8]);
} table SEC(".maps");

/* Like the queues that wait for a tick of the reader. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, ELEMENTS);
	__type(value, __u64[11]);
} queue SEC(".maps");

/* Does nothing: shows what each run costs. */
SEC("tc")
int nothing(void *ctx)
{
	return 0;
}

/* Reserves a record and submits it. Returns 1 if there was no room. */
SEC("tc")
int produce(void *ctx)
{
	void *record = bpf_ringbuf_reserve(&ring, RECORD_BYTES, 0);

	if (!record)
		return 1;
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	return 0;
}

/*
 * Does all that is done under the lock of a ring, and little else: after the first record there is
 * no room.
 */
SEC("tc")
int refused(void *ctx)
{
	void *record = bpf_ringbuf_reserve(&full, FULL_BYTES, 0);

	if (record)
		bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	return 0;
}

/* Returns a key. Keys of one processor follow each other, as cookies do. */
static __u64 key_of(__u32 cpu, __u64 count)
{
	return (__u64)cpu << 32 | (count & 0xfff);
}

static __u64 counts[64][16]; /* two cache lines each, since neighbours are fetched together */

/* Does what a connection's stay in a table takes: the lock of a bucket, twice. */
SEC("tc")
int stay(void *ctx)
{
	static const __u64 value[8];
	__u32 cpu = bpf_get_smp_processor_id();
	__u64 key = key_of(cpu, counts[cpu & 63][0]++);

	if (bpf_map_update_elem(&table, &key, &value, BPF_ANY))
		return 1;
	return bpf_map_delete_elem(&table, &key) != 0;
}

/* Pushes to a queue and pops from it: its lock, twice. */
SEC("tc")
int wait(void *ctx)
{
	__u64 value[11] = {};

	if (bpf_map_push_elem(&queue, &value, 0))
		return 1;
	bpf_map_pop_elem(&queue, &value); /* another's, or nothing: another took it */
	return 0;
}
