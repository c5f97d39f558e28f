/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the running kernel lets a tracer do, found by trying it and never by its version.
 *
 * A feature has a backend of its own: what refuses one does not cost the user the others.
 */
#ifndef TCPDWELL_CAPABILITY_H
#define TCPDWELL_CAPABILITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/backend.h"
#include "base/failure.h"

struct kernel_types;

/* Why a way is not open: an errno, or a word of our own. */
struct obstacle {
	int err;	  /* 0: none, the way is open */
	const char *why;  /* NULL: what the errno says */
	const char *part; /* the program or map that the kernel refused, NULL: it was not that */
};

struct capability {
	bool cookie;	       /* bpf_get_socket_cookie() in tracing programs (5.12) */
	bool cast;	       /* bpf_rdonly_cast() (6.2) */
	bool atomic;	       /* atomic exchange in programs (5.12) */
	bool preempt_disable;  /* programs may lose their CPU (7.0), and can keep it */
	bool iter_descriptors; /* iterators over descriptors (5.8) and TCP sockets (5.9) */
	bool iter_sockets;
	bool iter_elements;	/* and over the elements of a map (5.9) */
	bool for_each;		/* bpf_for_each_map_elem() (5.13) */
	struct obstacle fentry; /* fentry and fexit programs attach */
	struct obstacle kprobe;
	struct obstacle timer;	 /* timer tracepoints, and handlers whose address is known */
	bool timer_tried;	 /* else it is not known yet whether that is open */
	struct obstacle syscall; /* tracepoints at the exit of system calls */

	/* What fexit programs must know. */
	int accept_args;   /* parameters of inet_csk_accept(): 4 until 6.9, 2 since */
	int timewait_args; /* of tcp_timewait_state_process(): 3 until 6.11, 4 in 6.12, 5 since */
	bool connect6;	   /* tcp_v6_connect() is there: IPv6 is, and is no module */
	bool twsk_begins;  /* inet_twsk_hashdance_schedule() is there (6.12) */
	bool twsk_kill;	   /* inet_twsk_kill() is a function of its own */
	bool ehash;	   /* the table of connections is found (not from 5.17 to 6.0) */
	uint64_t tw_timer_handler; /* addresses, 0: not known */
	uint64_t reqsk_timer_handler;
	uint64_t per_cpu_offset;

	/* The functions are there that fentry and kprobes would be attached to, for SYN_RECV … */
	bool request_functions;
	bool timewait_functions; /* … and TIME_WAIT */
};

/* The kernel's types, for the caller to free, or NULL with @failure filled. */
struct kernel_types *capability_types(struct failure *failure);

/*
 * Tries what can be tried by itself, as far as a run with this backend may need it (BACKEND_AUTO:
 * the best). Returns 0, or -1 if not even the tracepoint is to be had.
 */
int capability_probe(struct capability *capability, const struct kernel_types *types,
		     enum backend wanted, struct failure *failure);

/* Tries the timer backend, if that was not done: it takes long. */
void capability_try_timer(struct capability *capability, const struct kernel_types *types);

/* Words for an error of the kernel's, which may be one that the C library does not know. */
const char *capability_error(int err);

/* Long enough for an obstacle in words. */
#define OBSTACLE_TEXT_LEN 160

/* Words for an obstacle, in @text, which is returned. */
const char *obstacle_text(const struct obstacle *obstacle, char text[OBSTACLE_TEXT_LEN]);

/* Fills @failure: the kernel refuses @what, and what can be tried. Returns -1. */
int capability_refused(struct failure *failure, const char *what, int err);

#endif /* TCPDWELL_CAPABILITY_H */
