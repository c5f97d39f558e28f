/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The end of a full socket for which a timewait socket stands from then on. The tracepoint says
 * CLOSE, and it means TIME_WAIT, or nothing yet.
 */
#ifndef TCPDWELL_TO_TIMEWAIT_BPF_H
#define TCPDWELL_TO_TIMEWAIT_BPF_H

#include "carried.bpf.h"
#include "timewait.bpf.h"
#include "workspace.bpf.h"

/*
 * Returns whether tcp_time_wait() can be called in this state. Its callers are tcp_fin(),
 * tcp_close() and tcp_rcv_state_process().
 */
static __always_inline bool may_become_tw(__u8 from)
{
	return from == TCPDWELL_FIN_WAIT2 || from == TCPDWELL_CLOSING;
}

/*
 * Does the same for the connection's sum as transition_to_tw() does for its rows. The record is
 * written now if the connection is in TIME_WAIT (@left) and the command does not wait for the end
 * of that. Otherwise the sum goes on with the timewait socket. So it does for an orphan, because
 * nobody knows yet how its FIN_WAIT2 ends.
 */
static __always_inline void life_of_tw(struct transition *t, struct lifecycle *l, bool left)
{
	if (cfg_time_wait || !left) {
		life_to_tw(t->row, t->sk, t->key, l->object, left);
		return;
	}
	t->row->reason = TCPDWELL_REASON_FIN;
	life_sock_ended(t->row, t->e, l, transition_life(t), t->sk);
}

/*
 * The full socket closes. If a timewait socket stands for the connection, the tracepoint's CLOSE is
 * really TIME_WAIT, or, for an orphan, no transition at all. Returns whether a timewait socket
 * does, and tells the row if there is one.
 */
static __always_inline bool transition_to_tw(struct transition *t, struct lifecycle *l,
					     const bool atomic, const bool steps)
{
	struct lifecycle *tw = l;

	if (atomic && cfg_seek_timewait && may_become_tw(t->row->from))
		tw_seek(l, t->sk, t->key);
	if (!(l->marks & LIFECYCLE_TW))
		return false;
	if (!cfg_has_cookie)
		tw = connection_find(l->object);
	if (cfg_stat_ends && t->known)
		transition_carried(t, l, atomic);
	if (tw) {
		tw->cgroup_id = t->e->cgroup_id;
		tw->uid = t->e->uid;
	}
	if (!(l->marks & LIFECYCLE_TW_FIN_WAIT2)) {
		t->row->to = TCPDWELL_TIME_WAIT;
		t->row->source = TCPDWELL_SOURCE_TIMEWAIT_SOCK;
		t->row->dwell = lifecycle_dwell(l, t->row->from, t->row->time_ns,
						&t->row->dwell_ns);
		count_seen(t->c);
		tell(t, t->row, l, steps);
		if (cfg_life)
			life_of_tw(t, l, true);
		if (tw)
			lifecycle_enter(tw, TCPDWELL_TIME_WAIT, t->row->time_ns);
	} else {
		if (cfg_life)
			life_of_tw(t, l, false);
		if (cfg_poll_timewait && !bpf_map_push_elem(&orphans, &t->key, 0))
			wake_reader();
	}
	if (!cfg_has_cookie || tw_is_told(l)) {
		order_mostly(atomic); /* the slot may be another's from then on */
		connection_forget(t->key);
	}
	return true;
}

#endif /* TCPDWELL_TO_TIMEWAIT_BPF_H */
