/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A transition under way: what its steps share, and the memory for that. Each CPU has a workspace
 * for each transition that it can be in the middle of.
 */
#ifndef TCPDWELL_WORKSPACE_BPF_H
#define TCPDWELL_WORKSPACE_BPF_H

#include "emit.bpf.h"
#include "row.bpf.h"
#include "sock.bpf.h"

/* The memory of one transition until its row is out. */
struct workspace {
	struct endpoint e;
	struct row row;
	struct row first;	/* the row to tell before it, if its from is not 0 */
	struct lifecycle fresh; /* for a connection that was not known */
	/* This and the next ones: members of struct transition between two steps. */
	__u64 sk;
	__u64 key;
	bool known;
	bool wanted;
	bool keyed;
	__u32 number; /* see blurred() */
	__u32 depth;  /* in a CPU's first workspace: how many of them are in use */
};

/*
 * Workspaces are in a map and not on the stack. The verifier keeps track of the stack byte by byte
 * and path by path, which made it look through ten times as much. Programs nest on a CPU (a
 * softirq's in a system call's), and each one takes the workspace of its depth. The loader makes
 * room for TCPDWELL_WORKSPACES of them for each possible CPU.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TCPDWELL_WORKSPACES);
	__type(key, __u32);
	__type(value, struct workspace);
} workspaces SEC(".maps");

/* Used instead where the kernel refuses the former. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TCPDWELL_WORKSPACES);
	__type(key, __u32);
	__type(value, struct workspace);
} workspaces_percpu SEC(".maps");

/*
 * Returns the workspace of this CPU at @depth, which is the number of those in use below it. The
 * barrier keeps the two calls of bpf_map_lookup_elem() apart. Otherwise the compiler would merge
 * them into one, which could name the map that does not exist.
 */
static __always_inline struct workspace *workspace_at(__u32 depth)
{
	struct workspace *space;

	if (!cfg_workspaces) {
		space = bpf_map_lookup_elem(&workspaces_percpu, &depth);
		barrier_var(space);
		return space;
	}
	if (depth >= TCPDWELL_WORKSPACES)
		return NULL;
	depth += bpf_get_smp_processor_id() * TCPDWELL_WORKSPACES;
	return bpf_map_lookup_elem(&workspaces, &depth);
}

/* One transition on its way from the tracepoint to a row. The pointers lead into its workspace. */
struct transition {
	struct tcpdwell_counters *c;
	struct sock *sk;
	struct endpoint *e;
	struct row *row;
	struct row *first;
	struct lifecycle *fresh;
	struct tcpdwell_life *life; /* the connection's sum, if that was found beside it */
	__u64 key;
	struct child *child; /* the socket as a child that this CPU saw being born, or NULL */
	bool fast;	     /* it is a child that a SYN with data made */
	bool known;	     /* something was known of the connection before */
	bool wanted;	     /* the filters of connections want it */
	/* The socket has had its key for a while, so something may be known of it. */
	bool keyed;
	bool no_room; /* no room to remember the connection, which was counted */
};

/*
 * Returns @number, of which the verifier loses track here. Otherwise it would follow each path by
 * which the number came about through everything that comes after. The number passes through the
 * workspace, which is in a map, and the verifier does not track what is in a map.
 */
static __always_inline __u32 blurred(struct workspace *space, __u32 number)
{
	*(volatile __u32 *)&space->number = number;
	return *(volatile __u32 *)&space->number;
}

/* May be called only where cfg_has_cast is known to be true. */
static __always_inline struct transition transition_resume(struct workspace *space)
{
	return (struct transition){
		.c = counters_here(),
		.sk = CAST(sock, (const void *)space->sk),
		.e = &space->e,
		.row = &space->row,
		.first = &space->first,
		.fresh = &space->fresh,
		.key = space->key,
		.known = space->known,
		.wanted = space->wanted,
		.keyed = space->keyed,
	};
}

static __always_inline void transition_suspend(struct workspace *space, const struct transition *t)
{
	space->sk = (__u64)t->sk;
	space->key = t->key;
	space->known = t->known;
	space->wanted = t->wanted;
	space->keyed = t->keyed;
}

/* A global function, for programs that tell a transition in steps. */
__noinline int tell_row(struct row *row, struct endpoint *e, struct lifecycle *l)
{
	struct tcpdwell_counters *c = counters_here();

	if (row && e && l && c)
		decide(c, row, e, l);
	return 0;
}

static __always_inline void tell(const struct transition *t, struct row *row, struct lifecycle *l,
				 const bool steps)
{
	if (cfg_life)
		return; /* a connection is told of once, at its end (life.bpf.h) */
	if (steps)
		tell_row(row, t->e, l);
	else
		decide(t->c, row, t->e, l);
}

#endif /* TCPDWELL_WORKSPACE_BPF_H */
