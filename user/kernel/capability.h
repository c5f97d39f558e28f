/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the running kernel lets a tracer do. This is found by trying it, and never by the kernel's
 * version.
 *
 * Each feature is tried by itself, so a kernel that refuses one does not cost the user the others.
 */
#ifndef TCPDWELL_CAPABILITY_H
#define TCPDWELL_CAPABILITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/backend.h"
#include "base/failure.h"

struct kernel_types;

/* Why a way is not open: an errno, or words of the tracer itself. */
struct obstacle {
	int err;	  /* 0 if the way is open */
	const char *why;  /* NULL if the errno says it */
	const char *part; /* the program or map that the kernel refused; NULL if it refused none */
};

struct capability {
	bool cookie;		   /* bpf_get_socket_cookie() in tracing programs (5.12) */
	bool cast;		   /* bpf_rdonly_cast() (6.2) */
	bool atomic;		   /* atomic exchange in programs (5.12) */
	struct obstacle no_cookie; /* why not */
	struct obstacle no_atomic;
	bool preempt_disable;  /* programs may lose their CPU (7.0), and can be told to keep it */
	bool iter_descriptors; /* iterators over descriptors (5.8), and over TCP sockets (5.9) */
	bool iter_sockets;
	bool iter_elements;	/* iterators over the elements of a map (5.9) */
	bool for_each;		/* bpf_for_each_map_elem() (5.13) */
	struct obstacle fentry; /* fentry and fexit programs attach */
	struct obstacle kprobe;
	struct obstacle timer;	 /* timer tracepoints, and handlers whose address is known */
	bool timer_tried;	 /* false: it is not known yet whether timers are open */
	struct obstacle syscall; /* tracepoints at the exit of system calls */

	/* What the choice of fexit programs depends on. */
	int accept_args;   /* parameters of inet_csk_accept(): 4 until 6.9, 2 since */
	int timewait_args; /* of tcp_timewait_state_process(): 3 until 6.11, 4 in 6.12, 5 since */
	bool connect6;	   /* tcp_v6_connect() is there: the kernel has IPv6, and not as a module */
	bool twsk_begins;  /* inet_twsk_hashdance_schedule() is there (6.12) */
	bool twsk_kill;	   /* inet_twsk_kill() is a function that can be attached to */
	bool ehash; /* programs find the table of connections (they do not from 5.17 to 6.0) */
	uint64_t tw_timer_handler; /* addresses; 0 if unknown */
	uint64_t reqsk_timer_handler;
	uint64_t per_cpu_offset;

	/* The functions exist that fentry and kprobe programs attach to, for SYN_RECV … */
	bool request_functions;
	bool timewait_functions; /* … and TIME_WAIT */
};

/* Returns the kernel's types, which the caller frees, or NULL with @failure filled. */
struct kernel_types *capability_types(struct failure *failure);

/*
 * Tries each feature that can be tried by itself, as far as a run with the backend @wanted may need
 * it. BACKEND_AUTO stands for the best backend. Returns 0, or -1 with @failure filled if the kernel
 * refuses what nothing works without: a program at the tracepoint, or type information (BTF).
 */
int capability_probe(struct capability *capability, const struct kernel_types *types,
		     enum backend wanted, struct failure *failure);

/* Tries the timer backend if that was not done yet. It is tried late because that takes long. */
void capability_try_timer(struct capability *capability, const struct kernel_types *types);

/* Returns words for an errno of the kernel, also for one that the C library does not know. */
const char *capability_error(int err);

/* Room for an obstacle in words. */
#define OBSTACLE_TEXT_LEN 160

/* Puts an obstacle into words in @text. Returns @text. */
const char *obstacle_text(const struct obstacle *obstacle, char text[OBSTACLE_TEXT_LEN]);

/* Fills @failure: it says that the kernel refuses @what, and what the user can try. Returns -1. */
int capability_refused(struct failure *failure, const char *what, int err);

#endif /* TCPDWELL_CAPABILITY_H */
