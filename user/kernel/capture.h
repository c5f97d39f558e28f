/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel side is asked to deliver. The loader and its parts see this alone: they know
 * neither the command line nor a command. Whoever runs a command fills it: run/capture_options.h
 * sets what all commands share, and `wants` of run/session.h sets the rest. knobs.c, map_sizes.c
 * and feature.c translate it into knobs, sizes of maps and features.
 *
 * A capture that is all zero asks for a kernel side that is loaded and does nothing. A capture does
 * not own the strings of its filters.
 */
#ifndef TCPDWELL_CAPTURE_H
#define TCPDWELL_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/backend.h"
#include "cli/filters.h"
#include "stat.h"

/* What is done with the sockets that exist. Each value includes what those before it do. */
enum capture_sockets {
	CAPTURE_SOCKETS_NONE,
	CAPTURE_SOCKETS_NOTED, /* their owners, and lower bounds of their dwells, are remembered */
	CAPTURE_SOCKETS_TOLD,  /* each look also delivers a record of each socket */
	CAPTURE_SOCKETS_DETAILED, /* the record says what the socket waits for, and its options */
};

/* Transitions that are summed in the kernel (stat.h). */
struct capture_sums {
	bool wanted;
	bool ends;	   /* sums also count how connections end */
	bool service;	   /* each sum has the port of the service */
	bool accept_waits; /* sums also have how long connections wait for accept() */
	bool or_rows;	   /* if the kernel refuses sums, rows are told instead (loader_sums()) */
	bool again;	   /* they are taken during the run, and not only when it is over */
	enum tcpdwell_stat_by by;
	uint32_t prefix4; /* bits of a remote address that make a prefix, by family */
	uint32_t prefix6;
	uint64_t bytes; /* kernel memory; 0: a share of the host's memory */
};

struct capture {
	struct filters filters;
	bool program; /* only one process, which loader_follow() names, and its descendants */

	/*
	 * What is told of transitions. Where none of these three is wanted, no program is attached.
	 * Rows and sums may be wanted together: the account is then that of the rows. Lives go with
	 * neither.
	 */
	bool rows;  /* a record of each transition */
	bool ends;  /* of these, only how connections end, whatever filters.from and to say */
	bool lives; /* a record of each connection, when it ends */
	struct capture_sums sums;

	/* What is told beside them. */
	bool failed_calls; /* calls of connect(), bind() and listen() that fail */
	bool stacks;	   /* stacks of calls of connect() and accept() */

	/* How much each record says. */
	bool kernel_view; /* only what the tracepoint says, without hidden states */
	bool cgroups;	  /* the cgroup of the process */
	bool scope;	  /* the interface that a socket is bound to */
	bool port_use;	  /* what decides whose local ports are in the way of others */
	bool time_wait;	  /* the life of a connection includes its TIME_WAIT */

	enum capture_sockets sockets;
	bool sockets_otherwise; /* if iterators are refused, the caller looks in another way */

	/* Sizes. */
	uint64_t ring_bytes;  /* of all rings together, for rows and lives: a power of two */
	unsigned int rings;   /* their number: a power of two; 0: by the number of processors */
	uint32_t max_sockets; /* 0: by the memory of the host */

	enum backend backend;
};

/* Returns true if any record comes through the ring. */
static inline bool capture_uses_ring(const struct capture *capture)
{
	return capture->rows || capture->lives;
}

/* Returns true if transitions are followed at all. */
static inline bool capture_follows(const struct capture *capture)
{
	return capture_uses_ring(capture) || capture->sums.wanted;
}

#endif /* TCPDWELL_CAPTURE_H */
