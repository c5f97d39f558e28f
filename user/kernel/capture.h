/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel side is asked to deliver. The loader and its parts see this alone: they know
 * neither the command line nor a command. Whoever runs a command fills it (run/capture_options.h
 * for what all commands share, `wants` of run/session.h for the rest), and knobs.c, map_sizes.c and
 * feature.c say what it comes to.
 *
 * All zero is nothing but a kernel side that is loaded. Strings of filters are not owned.
 */
#ifndef TCPDWELL_CAPTURE_H
#define TCPDWELL_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/backend.h"
#include "cli/filters.h"
#include "stat.h"

/* What is done with the sockets that exist. Each does also what those before it do. */
enum capture_sockets {
	CAPTURE_SOCKETS_NONE,
	CAPTURE_SOCKETS_NOTED,	  /* who owns them, and the least of their dwell, is remembered */
	CAPTURE_SOCKETS_TOLD,	  /* a record of each is read at each look */
	CAPTURE_SOCKETS_DETAILED, /* it says what the socket waits for, and its options */
};

/* Transitions that are summed in the kernel (stat.h). */
struct capture_sums {
	bool wanted;
	bool ends;	   /* also by how connections end */
	bool service;	   /* each with the port of the service */
	bool accept_waits; /* also how long connections wait for accept() */
	enum tcpdwell_stat_by by;
	uint32_t prefix4; /* bits of a remote address that make a prefix */
	uint32_t prefix6;
	uint64_t bytes; /* kernel memory, 0: by the memory of the host */
};

struct capture {
	struct filters filters;
	bool program; /* one process, which loader_follow() names, and those that descend from it */

	/*
	 * Of what happens; where none of these three is wanted, no program is attached. Rows and
	 * sums may be had together: then the account is of the rows. Lives are had alone.
	 */
	bool rows;  /* each transition */
	bool lives; /* each connection once, at its end */
	struct capture_sums sums;

	/* Beside them. */
	bool failed_calls; /* connect() and bind() that fail */
	bool stacks;	   /* of those that connect and accept */

	/* How much of each. */
	bool kernel_view; /* what the tracepoint says, and no hidden state */
	bool cgroups;	  /* with the cgroup of the process */
	bool scope;	  /* with the interface that a socket is bound to */
	bool port_use;	  /* with what decides whose local ports are in the way of others */
	bool time_wait;	  /* a life ends with its TIME_WAIT */

	enum capture_sockets sockets;
	bool sockets_otherwise; /* where the kernel has no records, they are had in another way */

	/* Sizes. */
	uint64_t ring_bytes;  /* of rows and lives: a power of two */
	unsigned int rings;   /* which they share: a power of two, 0: by the processors */
	uint32_t max_sockets; /* 0: by the memory of the host */

	enum backend backend;
};

/* Whether anything comes through the ring. */
static inline bool capture_uses_ring(const struct capture *capture)
{
	return capture->rows || capture->lives;
}

/* Whether transitions are followed at all. */
static inline bool capture_follows(const struct capture *capture)
{
	return capture_uses_ring(capture) || capture->sums.wanted;
}

#endif /* TCPDWELL_CAPTURE_H */
