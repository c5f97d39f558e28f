// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <string.h>

#include "kernel/feature.h"

#define PARTS(...)                     \
	.parts = (const struct part[]) \
	{                              \
		__VA_ARGS__,           \
		{                      \
		}                      \
	}

#define FLUSH_PARTS                          \
	{ "flush", PART_ATOMIC },            \
	{                                    \
		"flush_v511", PART_NO_ATOMIC \
	}
#define REQUEST_PARTS                             \
	FLUSH_PARTS, { "requests", PART_ALWAYS }, \
	{                                         \
		"dying_requests", PART_ALWAYS     \
	}

#define FUNCTIONS_COST "the calls of the traced functions"
#define KPROBES_COST   FUNCTIONS_COST ", each a trap or a jump"
#define TIMERS_COST    "some 40 ns for every timer of the host that is started or ends"

const struct feature feature_table[FEATURE_COUNT] = {
	[FEATURE_TRANSITIONS] = {
		"transitions", "nothing can be traced", FEATURE_WORKSPACES,
		{ { "tp_btf", "each transition",
		    PARTS({ "inet_sock_set_state", PART_CAST },
			  { "inet_sock_set_state_v61", PART_NO_CAST },
			  { "inet_sock_set_state_v511", PART_NO_ATOMIC },
			  { "ring", PART_ALWAYS }) } },
	},
	[FEATURE_IDENTITY] = {
		"identity", "connections cannot be told apart", FEATURE_IDENTITY,
		{ { "cookie" }, { "address" } },
	},
	[FEATURE_ACCEPT_OWNER] = {
		"accept_owner", "accepted connections show their listener's owner",
		FEATURE_MEMORY,
		{ { "fentry", "the calls of accept()",
		    PARTS({ "inet_csk_accept_exit", PART_ACCEPT2 },
			  { "inet_csk_accept_exit_v69", PART_ACCEPT4 },
			  { "inet_csk_accept_exit_v511", PART_ACCEPT4_NO_ATOMIC }) },
		  { "kprobe", NULL,
		    PARTS({ "inet_csk_accept_return", PART_ATOMIC },
			  { "inet_csk_accept_return_v511", PART_NO_ATOMIC }) },
		  { "syscall", "a slower way into every system call of the host",
		    PARTS({ "sys_exit_accept4", PART_ATOMIC },
			  { "sys_exit_accept4_v511", PART_NO_ATOMIC }) } },
	},
	[FEATURE_CONNECT_PORT] = {
		"connect_port", "the local port is unknown in CLOSE -> SYN_SENT", FEATURE_MEMORY,
		{ { "fentry", "the calls of connect()",
		    PARTS({ "tcp_v4_connect_exit", PART_ALWAYS },
			  { "tcp_v6_connect_exit", PART_CONNECT6 }) },
		  { "tick", "CLOSE -> SYN_SENT is shown up to 100 ms late",
		    PARTS(FLUSH_PARTS, { "deferred", PART_ALWAYS }) } },
	},
	[FEATURE_SYN_RECV] = {
		"syn_recv", "SYN_RECV is not seen before the handshake ends", FEATURE_HANDSHAKE,
		{ { "fentry", FUNCTIONS_COST,
		    PARTS(REQUEST_PARTS, { "fentry_reqsk_queue_hash_add", PART_EARLY },
			  { "fentry_complete_hashdance", PART_ALWAYS },
			  { "fentry_reqsk_queue_drop", PART_ALWAYS },
			  { "fentry_reqsk_queue_drop_and_put", PART_ALWAYS },
			  { "fentry_reqsk_timer_handler", PART_ALWAYS },
			  { "fexit_reqsk_timer_handler", PART_ALWAYS }) },
		  { "kprobe", KPROBES_COST,
		    PARTS(REQUEST_PARTS, { "kprobe_reqsk_queue_hash_add", PART_EARLY },
			  { "kprobe_complete_hashdance", PART_ALWAYS },
			  { "kprobe_reqsk_queue_drop", PART_ALWAYS },
			  { "kprobe_reqsk_queue_drop_and_put", PART_ALWAYS },
			  { "kprobe_reqsk_timer_handler", PART_ALWAYS },
			  { "kretprobe_reqsk_timer_handler", PART_ALWAYS }) },
		  { "timer", TIMERS_COST,
		    PARTS(REQUEST_PARTS, { "request_timers", PART_ALWAYS },
			  { "timer_start", PART_EARLY }, { "timer_cancel", PART_ALWAYS },
			  { "timer_expire_entry", PART_ALWAYS },
			  { "timer_expire_exit", PART_ALWAYS }) } },
	},
	[FEATURE_TIMEWAIT] = {
		"timewait", "TIME_WAIT is not seen, nor FIN_WAIT2 of orphans", FEATURE_MEMORY,
		{ { "fentry", FUNCTIONS_COST,
		    PARTS({ "tw_slots", PART_ALWAYS }, { "fentry_twsk_schedule", PART_ARMED },
			  { "fentry_twsk_begin", PART_BEGINS },
			  { "fentry_twsk_hashdance", PART_NO_COOKIE },
			  { "fexit_timewait_state_process", PART_TIMEWAIT5 },
			  { "fexit_timewait_state_process_v612", PART_TIMEWAIT4 },
			  { "fexit_timewait_state_process_v611", PART_TIMEWAIT3 },
			  { "fentry_twsk_deschedule_put", PART_ALWAYS },
			  { "fentry_twsk_kill", PART_KILL },
			  { "fentry_tw_timer_handler", PART_ALWAYS }) },
		  { "kprobe", KPROBES_COST,
		    PARTS({ "tw_slots", PART_ALWAYS }, { "kprobe_twsk_schedule", PART_ARMED },
			  { "kprobe_twsk_begin", PART_BEGINS },
			  { "kprobe_twsk_hashdance", PART_NO_COOKIE },
			  { "kprobe_timewait_state_process", PART_ALWAYS },
			  { "kretprobe_timewait_state_process", PART_ALWAYS },
			  { "kprobe_twsk_deschedule_put", PART_ALWAYS },
			  { "kprobe_twsk_kill", PART_KILL },
			  { "kprobe_tw_timer_handler", PART_ALWAYS }) },
		  { "timer", TIMERS_COST,
		    PARTS(FLUSH_PARTS, { "tw_slots", PART_ALWAYS }, { "orphans", PART_ALWAYS },
			  { "parked", PART_ALWAYS }, { "timer_start", PART_ARMED },
			  { "timer_cancel", PART_ALWAYS },
			  { "timer_expire_entry", PART_ALWAYS }) } },
	},
	[FEATURE_MEMORY] = {
		"memory",
		"no dwell and no owner is known, SYN_RECV is not seen, TIME_WAIT is not seen",
		FEATURE_MEMORY,
		{ { "tables", NULL, PARTS({ "connections", PART_ALWAYS }) } },
	},
	[FEATURE_RECENT] = {
		"recent_slots", "short connections cost more time", FEATURE_MEMORY,
		{ { "slots", NULL, PARTS({ "recent", PART_ALWAYS }) } },
	},
	[FEATURE_RINGS] = {
		"rings", "many processors wait for one ring", FEATURE_TRANSITIONS,
		{ { "several", NULL, PARTS({ "rings", PART_ALWAYS }) } },
	},
	[FEATURE_GROWTH] = {
		"table_growth", "room for more connections comes late", FEATURE_MEMORY,
		{ { "doorbell", NULL, PARTS({ "doorbell", PART_ALWAYS }) },
		  { "tick", "a look ten times a second" } },
	},
	[FEATURE_ACCOUNT] = {
		"account", "rows are not counted", FEATURE_ACCOUNT,
		{ { "processor", NULL, PARTS({ "counters", PART_ALWAYS }) },
		  { "shared", "one set of counters for all processors" } },
	},
	[FEATURE_WORKSPACES] = {
		"workspaces", "there is no room to work on a transition", FEATURE_WORKSPACES,
		{ { "array", NULL, PARTS({ "workspaces", PART_ALWAYS }) },
		  { "processor", NULL, PARTS({ "workspaces_percpu", PART_ALWAYS }) } },
	},
	[FEATURE_DESCRIPTORS] = {
		"snapshot_descriptors",
		"sockets that were there before the tracer have no owner", FEATURE_DESCRIPTORS,
		{ { "iterator", "a look at each descriptor of the host, once",
		    PARTS({ "iter_descriptor", PART_COOKIE },
			  { "iter_descriptor_v511", PART_NO_COOKIE },
			  { "namespaces", PART_ALWAYS }) } },
	},
	[FEATURE_SUBFLOWS] = {
		"snapshot_mptcp",
		"sockets of MPTCP, fixed files of io_uring, and what is in flight have no owner",
		FEATURE_DESCRIPTORS,
		{ { "kernel", NULL, PARTS({ "subflows", PART_ALWAYS }) } },
	},
	[FEATURE_SOCKETS] = {
		"snapshot_sockets",
		"sockets without a descriptor that were there before the tracer are unknown",
		FEATURE_SOCKETS,
		{ { "iterator", "a look at each socket of the host, once",
		    PARTS({ "iter_socket", PART_ATOMIC }, { "iter_socket_v511", PART_NO_ATOMIC },
			  { "queued", PART_ALWAYS }) } },
	},
	[FEATURE_WALK] = {
		"snapshot_timewait",
		"many namespaces with sockets in TIME_WAIT take longer to look at",
		FEATURE_DESCRIPTORS,
		{ { "walk", "a look at the table of connections, where namespaces are many",
		    PARTS({ "walk_all", PART_ALWAYS }) },
		  { "iterator", "a look at that table for each namespace" } },
	},
	[FEATURE_SWEEP] = {
		"sweep", "ends that the kernel ran no program for are not looked for (missed)",
		FEATURE_MEMORY,
		{ { "for_each", "a third of a microsecond a connection, once a minute",
		    PARTS({ "sweep_table", PART_ALWAYS }, { "sweep_recent", PART_ALWAYS }) },
		  { "iterator", "a third of a microsecond a connection, once a minute",
		    PARTS({ "iter_table", PART_ALWAYS }, { "iter_recent", PART_ALWAYS }) },
		  { "batch", "some microseconds a connection, once a minute",
		    PARTS({ "sweep_keys", PART_ALWAYS }) } },
	},
	[FEATURE_NESTED] = {
		"nested_transitions",
		"a transition in the middle of another one on its processor is missed",
		FEATURE_NESTED,
		{ { "tp_btf", "a second program at each transition",
		    PARTS({ "inet_sock_set_state_first", PART_ALWAYS },
			  { "inet_sock_set_state_nested", PART_ALWAYS },
			  { "transitions", PART_ALWAYS }, { "taken_events", PART_ALWAYS },
			  { "taken_by_task", PART_PREEMPTED }) } },
	},
	[FEATURE_KEEP_CPU] = {
		"keep_cpu",
		"a transition that loses its processor to another one may be missed",
		FEATURE_KEEP_CPU,
		{ { "kfunc" } },
	},
	[FEATURE_CAST] = {
		"typed_pointers", "each transition costs more time", FEATURE_CAST, { { "kfunc" } },
	},
	[FEATURE_HANDSHAKE] = {
		"handshake", "SYN_RECV is not seen, nor the birth of accepted connections",
		FEATURE_MEMORY,
		{ { "tp_btf", NULL, PARTS({ "children", PART_ALWAYS }) } },
	},
	[FEATURE_FAST_OPEN] = {
		"fast_open", "connections of TCP Fast Open have no SYN_RECV", FEATURE_HANDSHAKE,
		{ { "tp_btf", NULL, PARTS({ "young", PART_ALWAYS }) } },
	},
	[FEATURE_EXEC] = {
		"exec", "who executes another program keeps the name from before", FEATURE_MEMORY,
		{ { "tp_btf", "each exec of the host",
		    PARTS({ "sched_process_exec", PART_ATOMIC },
			  { "sched_process_exec_v511", PART_NO_ATOMIC }) } },
	},
	[FEATURE_EXIT] = {
		"exit", "who has a socket from an owner that ended may not be known",
		FEATURE_MEMORY,
		{ { "tp_btf", "each exit of the host",
		    PARTS({ "sched_process_exit", PART_ALWAYS }) } },
	},
	[FEATURE_FORK] = {
		"fork", "-- PROGRAM: sockets of its children are not shown", FEATURE_PIDS,
		{ { "tp_btf", "each fork of the host, with -- PROGRAM",
		    PARTS({ "sched_process_fork", PART_ALWAYS }) } },
	},
	[FEATURE_RESETS] = {
		"sent_resets", "the reason of a handshake that is reset is unknown",
		FEATURE_RESETS,
		{ { "tp_btf", "each RST that is sent",
		    PARTS({ "tcp_send_reset", PART_ALWAYS }, { "resets", PART_ALWAYS }) } },
	},
	[FEATURE_FLOODS] = {
		"flood_folding", "a SYN flood is shown row by row", FEATURE_SYN_RECV,
		{ { "kernel", NULL,
		    PARTS({ "request_rates", PART_ALWAYS }, { "floods", PART_ALWAYS }) } },
	},
	[FEATURE_SUMS] = {
		"stat_sums", "there is no export, and stat sums up rows", FEATURE_SUMS,
		{ { "kernel", NULL,
		    PARTS({ "stat_even", PART_ALWAYS }, { "stat_odd", PART_ALWAYS },
			  { "stats", PART_ALWAYS }) } },
	},
	[FEATURE_CARRIED] = {
		"carried", "bytes of a connection are not counted before it ends",
		FEATURE_SUMS,
		{ { "kernel", "an element for each connection that is open at a look of export",
		    PARTS({ "carried", PART_ALWAYS }) } },
	},
	[FEATURE_LIVES] = {
		"lives", "there is no life", FEATURE_MEMORY,
		{ { "tables", NULL, PARTS({ "lives", PART_ALWAYS }) } },
	},
	[FEATURE_STACKS] = {
		"stacks", "--stacks: no stack is kept", FEATURE_MEMORY,
		{ { "kernel", "a walk over the stack of who connects and accepts, with --stacks",
		    PARTS({ "stacks", PART_ALWAYS }) } },
	},
	[FEATURE_PIDS] = {
		"filter_pid", "there is no -p and no -- PROGRAM", FEATURE_PIDS,
		{ { "kernel", NULL, PARTS({ "pids", PART_ALWAYS }) } },
	},
	[FEATURE_ADDRESSES] = {
		"filter_addr", "there is no --addr", FEATURE_ADDRESSES,
		{ { "kernel", NULL, PARTS({ "prefixes", PART_ALWAYS }) } },
	},
	[FEATURE_COOKIES] = {
		"syn_cookies", "a flood that SYN cookies hold off is not seen", FEATURE_MEMORY,
		{ { "kernel", "a look at each listener, once a second while a request waits",
		    PARTS({ "listeners", PART_ALWAYS }, { "look_at_listener", PART_ALWAYS }) } },
	},
	[FEATURE_CALLS] = {
		"failed_calls",
		"calls of connect(), bind() and listen() that fail without a "
		"transition are not seen, nor is how often accept() is called", FEATURE_CALLS,
		{ { "syscall", "a slower way into every system call of the host, in diagnose",
		    PARTS({ "sys_exit_connect", PART_ALWAYS }, { "sys_exit_bind", PART_ALWAYS },
			  { "sys_exit_listen", PART_ALWAYS },
			  { "sys_exit_accept_count", PART_ROWS },
			  { "failed_calls", PART_ALWAYS }) } },
	},
};

/*
 * ---- Which are closed ---------------------------------------------------------------------------
 */

void features_set(struct features *features, enum feature_id id, int way,
		  const struct obstacle *obstacle)
{
	features->obstacles[id][way] = *obstacle;
}

/* Closes a way unless @open, with words of the tracer itself, because the kernel was not asked. */
static void close_unless(struct features *features, enum feature_id id, int way, bool open,
			 const char *why)
{
	if (!open)
		features->obstacles[id][way] = (struct obstacle){ .err = ENOTSUP, .why = why };
}

/* Closes a way where a trial met an obstacle. */
static void close_where(struct features *features, enum feature_id id, int way,
			const struct obstacle *obstacle)
{
	if (obstacle->err)
		features_set(features, id, way, obstacle);
}

static const char not_asked_for[] = "another backend was asked for";

/* The backend of each way to the hidden states. */
static const enum backend hidden_ways[] = { BACKEND_FENTRY, BACKEND_KPROBE, BACKEND_TIMER };

static void init_hidden(struct features *features, enum feature_id id, bool has_functions,
			enum backend wanted)
{
	static const char no_function[] = "the kernel lacks a function of these";
	const struct capability *can = features->can;

	close_unless(features, id, 0, has_functions, no_function);
	close_unless(features, id, 1, has_functions, no_function);
	if (can->fentry.err)
		features_set(features, id, 0, &can->fentry);
	if (can->kprobe.err)
		features_set(features, id, 1, &can->kprobe);
	close_where(features, id, 2, &can->no_atomic);
	close_where(features, id, 2, &can->no_cookie);
	if (can->timer.err)
		features_set(features, id, 2, &can->timer);
	for (int way = 0; wanted != BACKEND_AUTO && way < FEATURE_WAYS; way++)
		close_unless(features, id, way, hidden_ways[way] == wanted, not_asked_for);
}

void features_init(struct features *features, const struct capability *can, enum backend wanted)
{
	static const char no_iterator[] = "no such iterator (Linux 5.9)";

	*features = (struct features){ .can = can };
	close_where(features, FEATURE_IDENTITY, 0, &can->no_cookie);
	if (can->fentry.err) {
		features_set(features, FEATURE_ACCEPT_OWNER, 0, &can->fentry);
		features_set(features, FEATURE_CONNECT_PORT, 0, &can->fentry);
	}
	if (can->kprobe.err)
		features_set(features, FEATURE_ACCEPT_OWNER, 1, &can->kprobe);
	if (can->syscall.err) {
		features_set(features, FEATURE_ACCEPT_OWNER, 2, &can->syscall);
		features_set(features, FEATURE_CALLS, 0, &can->syscall);
	}
	close_where(features, FEATURE_CONNECT_PORT, 1, &can->no_atomic);
	init_hidden(features, FEATURE_SYN_RECV, can->request_functions, wanted);
	init_hidden(features, FEATURE_TIMEWAIT, can->timewait_functions, wanted);
	close_where(features, FEATURE_RECENT, 0, &can->no_atomic);
	close_where(features, FEATURE_NESTED, 0, &can->no_atomic);
	close_where(features, FEATURE_CARRIED, 0, &can->no_cookie);
	close_where(features, FEATURE_CARRIED, 0, &can->no_atomic);
	close_unless(features, FEATURE_KEEP_CPU, 0, can->preempt_disable,
		     "programs keep their processor (before Linux 7.0)");
	close_unless(features, FEATURE_CAST, 0, can->cast, "no bpf_rdonly_cast() (Linux 6.2)");
	close_unless(features, FEATURE_DESCRIPTORS, 0, can->iter_descriptors, no_iterator);
	close_unless(features, FEATURE_SOCKETS, 0, can->iter_sockets, no_iterator);
	close_unless(features, FEATURE_WALK, 0, can->ehash,
		     "programs find no way to the table of connections (5.17 to 6.0)");
	close_unless(features, FEATURE_SWEEP, 0, can->for_each,
		     "no bpf_for_each_map_elem() (Linux 5.13)");
	close_unless(features, FEATURE_SWEEP, 1, can->iter_elements, no_iterator);
}

/*
 * ---- Which are open -----------------------------------------------------------------------------
 */

int features_way(const struct features *features, enum feature_id id)
{
	const struct feature *feature = &feature_table[id];

	if (feature->needs != id && !features_have(features, feature->needs))
		return FEATURE_NONE;
	for (int way = 0; way < FEATURE_WAYS && feature->ways[way].backend; way++)
		if (!features->obstacles[id][way].err)
			return way;
	return FEATURE_NONE;
}

bool features_have(const struct features *features, enum feature_id id)
{
	return features_way(features, id) != FEATURE_NONE;
}

bool features_want(const struct features *features, enum feature_id id)
{
	return features->wanted >> id & 1;
}

bool features_use(const struct features *features, enum feature_id id)
{
	return features_want(features, id) && features_have(features, id);
}

bool features_miss(const struct features *features, enum feature_id id)
{
	enum feature_id needs = feature_table[id].needs;

	if (!features_want(features, id) || features_have(features, id))
		return false;
	if (needs != id && !features_have(features, needs))
		return false; /* the warning about that feature says it */
	switch (id) {
	case FEATURE_RECENT:
	case FEATURE_CAST:
		return false;
	case FEATURE_NESTED:
	case FEATURE_KEEP_CPU:
		return !features->obstacles[id][0].why;
	default:
		return true;
	}
}

const char *features_backend_name(const struct features *features, enum feature_id id)
{
	int way = features_way(features, id);

	return way == FEATURE_NONE ? "none" : feature_table[id].ways[way].backend;
}

enum backend features_backend(const struct features *features, enum feature_id id)
{
	int way = features_way(features, id);

	return way == FEATURE_NONE ? BACKEND_NONE : hidden_ways[way];
}

/*
 * If a worse way is open, the best one says why it is closed. If none is, the last one does,
 * because it needs least.
 */
const struct obstacle *features_why(const struct features *features, enum feature_id id)
{
	const struct feature *feature = &feature_table[id];
	const struct obstacle *obstacles = features->obstacles[id], *why = NULL;
	int way = features_way(features, id);

	if (!way)
		return NULL;
	if (way != FEATURE_NONE)
		return &obstacles[0];
	if (feature->needs != id && !features_have(features, feature->needs))
		return features_why(features, feature->needs);
	for (way = 0; way < FEATURE_WAYS && feature->ways[way].backend; way++)
		if (!why || obstacles[way].why != not_asked_for)
			why = &obstacles[way];
	return why;
}

/*
 * ---- What is refused ----------------------------------------------------------------------------
 */

void features_close(struct features *features, enum feature_id id, int err, const char *part)
{
	int way = features_way(features, id);

	if (way != FEATURE_NONE)
		features->obstacles[id][way] = (struct obstacle){ .err = err, .part = part };
}

/* Returns the name of the part in the table, which has static storage, or NULL if it is no part. */
static const char *find_part(const struct way *way, const char *name)
{
	for (const struct part *part = way->parts; part && part->name; part++)
		if (!strcmp(part->name, name))
			return part->name;
	return NULL;
}

int features_refused(struct features *features, const char *name, int err)
{
	int closed = 0;

	for (int id = FEATURE_TRANSITIONS + 1; id < FEATURE_COUNT; id++) {
		for (int way = 0; way < FEATURE_WAYS; way++) {
			const char *part = find_part(&feature_table[id].ways[way], name);

			if (!part || features->obstacles[id][way].err)
				continue;
			features->obstacles[id][way] = (struct obstacle){ .err = err,
									  .part = part };
			closed++;
		}
	}
	return closed;
}

int features_give_up_one(struct features *features, int err)
{
	static const enum feature_id order[] = {
		FEATURE_RINGS,	      FEATURE_STACKS,	 FEATURE_CAST,	   FEATURE_NESTED,
		FEATURE_CONNECT_PORT, FEATURE_TIMEWAIT,	 FEATURE_RESETS,   FEATURE_FLOODS,
		FEATURE_SYN_RECV,     FEATURE_FAST_OPEN, FEATURE_RECENT,   FEATURE_GROWTH,
		FEATURE_HANDSHAKE,    FEATURE_ACCOUNT,	 FEATURE_KEEP_CPU, FEATURE_MEMORY,
	};

	for (unsigned int i = 0; i < sizeof(order) / sizeof(*order); i++) {
		enum feature_id id = order[i];
		int way = features_way(features, id);

		/* A last way without parts is the same as doing without the feature. */
		if (!features_use(features, id) || (way && !feature_table[id].ways[way].parts))
			continue;
		while ((way = features_way(features, id)) != FEATURE_NONE &&
		       !(way && !feature_table[id].ways[way].parts))
			features_close(features, id, err, "inet_sock_set_state");
		return id;
	}
	return FEATURE_NONE;
}
