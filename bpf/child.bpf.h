/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Children: the full sockets that handshakes make. A child is born before its first transition,
 * which then tells of that.
 */
#ifndef TCPDWELL_CHILD_BPF_H
#define TCPDWELL_CHILD_BPF_H

#include "request.bpf.h"
#include "workspace.bpf.h"
#include "young.bpf.h"

/*
 * LISTEN -> SYN_RECV of a full socket: the last ACK of a handshake has cloned a child. It has no
 * remote end yet and not yet the cookie that it will keep, and it may be thrown away again. It
 * counts only when its next transition, a few microseconds later on this CPU, shows that it lives.
 */
__noinline int child_born(__u64 sk, __u64 now_ns)
{
	__u32 zero = 0;
	struct child *child = cfg_handshake ? bpf_map_lookup_elem(&children, &zero) : NULL;

	if (!child)
		return 0;
	child->sock = sk;
	child->listener = child_listener((const struct sock *)sk);
	child->time_ns = now_ns;
	child->request = 0;
	child->syn_ns = 0;
	young_born(child);
	return 0;
}

/* Returns the child that this CPU saw being born, if it is @sk, and forgets it; else NULL. */
static __always_inline struct child *child_take(const struct sock *sk)
{
	__u32 zero = 0;
	struct child *child = cfg_handshake ? bpf_map_lookup_elem(&children, &zero) : NULL;

	if (!child || child->sock != (__u64)sk)
		return NULL;
	child->sock = 0;
	return child;
}

/*
 * A child's life begins. Sets @t->first to the row that led here, and @l to what the tracepoint
 * cannot know. Without a request (SYN cookies, no backend) the child's SYN_RECV is an artefact of
 * the clone, and its dwell is unknown. If the row is out already, t->first->from becomes 0.
 */
static __always_inline void child_birth(struct transition *t, struct lifecycle *l,
					const struct child *child)
{
	listener_inherit(l, (const struct sock *)child->listener, false);
	l->state = TCPDWELL_SYN_RECV;
	if (child->syn_ns) {
		bool shown = request_hand_over(t->c, l, child, t->row->time_ns);

		l->since_ns = child->syn_ns;
		l->since = TCPDWELL_DWELL_EXACT;
		l->marks = LIFECYCLE_OF_REQUEST;
		t->row->source = TCPDWELL_SOURCE_REQUEST_SOCK;
		*t->first = request_birth(child->syn_ns);
		if (shown)
			t->first->from = 0;
	} else {
		l->since_ns = child->time_ns;
		l->since = cfg_kernel_view ? TCPDWELL_DWELL_EXACT : TCPDWELL_DWELL_UNKNOWN;
		*t->first = row_birth(TCPDWELL_LISTEN, TCPDWELL_SYN_RECV, child->time_ns,
				      TCPDWELL_SOURCE_TRACEPOINT);
	}
	if (!cfg_life)
		l->opened_ns = l->since_ns;
	if (l->since == TCPDWELL_DWELL_EXACT)
		l->marks |= LIFECYCLE_OPENED_EXACT;
	if (t->first->from)
		count_seen(t->c);
}

/* The same for a child that a SYN with data made. */
static __always_inline void fast_child_birth(struct transition *t, struct lifecycle *l)
{
	l->id = cfg_has_cookie ? t->key : identity_new();
	l->object = (__u64)t->sk;
	if (cfg_life)
		l->sock = (__u64)t->sk;
	else
		l->opened_ns = l->since_ns;
	l->marks |= LIFECYCLE_OPENED_EXACT;
	*t->first = row_birth(TCPDWELL_LISTEN, TCPDWELL_SYN_RECV, l->since_ns,
			      TCPDWELL_SOURCE_TRACEPOINT);
	count_seen(t->c);
}

#endif /* TCPDWELL_CHILD_BPF_H */
