/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The children in accept queues, and whose they are. The snapshot asks, because no descriptor leads
 * to a socket there.
 */
#ifndef TCPDWELL_ACCEPT_QUEUE_BPF_H
#define TCPDWELL_ACCEPT_QUEUE_BPF_H

#include "connection.bpf.h"

/*
 * The keys of listeners by the addresses of the children in their accept queues. The map is filled
 * while the snapshot runs, and emptied after it.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, __u64);
} queued SEC(".maps");

/*
 * The longest queue that is read has 65536 children: so many children in a stretch, stretches in a
 * run, and runs. The verifier walks through each turn of a loop, but through a function of numbers
 * once.
 */
#define QUEUE_STRETCH	64
#define QUEUE_STRETCHES 32
#define QUEUE_RUNS	32

/* Notes the listener of one child in an accept queue. Returns where the next one is. */
__noinline __u64 queue_note_one(__u64 address, __u64 listener)
{
	const struct request_sock *req = (const struct request_sock *)address;
	__u64 child = (__u64)BPF_CORE_READ(req, sk);

	bpf_map_update_elem(&queued, &child, &listener, BPF_ANY);
	return (__u64)BPF_CORE_READ(req, dl_next);
}

/* The same for the children in one stretch. Returns where the next stretch begins. */
__noinline __u64 queue_stretch(__u64 head, __u64 listener)
{
	for (int i = 0; i < QUEUE_STRETCH && head; i++)
		head = queue_note_one(head, listener);
	return head;
}

__noinline __u64 queue_run(__u64 head, __u64 listener)
{
	for (int i = 0; i < QUEUE_STRETCHES && head; i++)
		head = queue_stretch(head, listener);
	return head;
}

/*
 * Notes the children in a listener's accept queue. The iterator holds the listener's lock (5.15),
 * so accept() cannot change the queue meanwhile.
 */
static __always_inline void queue_note(const struct sock *listener, __u64 key)
{
	const struct inet_connection_sock *icsk = (const struct inet_connection_sock *)listener;
	__u64 head = (__u64)BPF_CORE_READ(icsk, icsk_accept_queue.rskq_accept_head);

	for (int i = 0; i < QUEUE_RUNS && head; i++)
		head = queue_run(head, key);
}

/*
 * Returns the listener in whose queue a socket without a descriptor waits, if that listener was
 * met. Iterators go through listeners first.
 */
static __always_inline struct lifecycle *queue_owner(__u64 child)
{
	__u64 *listener = bpf_map_lookup_elem(&queued, &child);

	return listener ? connection_find(*listener) : NULL;
}

#endif /* TCPDWELL_ACCEPT_QUEUE_BPF_H */
