/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which connections, transitions and lives are wanted. All commands mean the same by their filters.
 * The kernel side and the models see this of the command line, and nothing else.
 *
 * Filters narrow each other: a row passes if it passes each filter that is set. Within one list any
 * member will do. A filter that is all zero lets everything pass. Strings are not owned.
 */
#ifndef TCPDWELL_FILTERS_H
#define TCPDWELL_FILTERS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "cli/parse.h"
#include "wire.h"

/* What people call the place that a connection is from; see model/names_wanted.h. Empty: any. */
struct name_filter {
	struct word_list containers; /* names, or ids from 12 digits on */
	struct word_list pods;	     /* NAMESPACE/NAME */
	struct word_list units;
};

struct filters {
	struct id_list pids;
	struct id_list uids;
	struct cidr_list addrs; /* either side */
	struct port_set lports;
	struct port_set rports;
	struct port_set ports;	      /* either side */
	char comm[TCPDWELL_COMM_LEN]; /* exact; empty: any */
	const char *cgroup;	      /* path, NULL: any */
	struct netns_ref netns;	      /* inode 0 and path NULL: any */
	struct name_filter names;     /* compared in user space, not in the kernel */
	uint8_t family;		      /* 4, 6, or 0: both */
	uint16_t from;		      /* masks of state numbers, 0: any */
	uint16_t to;
	uint16_t either; /* from or to */
	uint64_t min_dwell_ns;
	uint64_t cookie;  /* 0: any */
	uint32_t reasons; /* mask of reason numbers; 0: any reason, or none */
};

static inline bool filters_have_names(const struct filters *filters)
{
	return filters->names.containers.count || filters->names.pods.count ||
	       filters->names.units.count;
}

/*
 * Returns true if the filters on the owner accept a process named @comm, of TCPDWELL_COMM_LEN at
 * most.
 */
static inline bool filters_want_comm(const struct filters *filters, const char *comm)
{
	return !filters->comm[0] || !strncmp(filters->comm, comm, sizeof(filters->comm));
}

static inline bool filters_want_process(const struct filters *filters, uint32_t pid,
					const char *comm)
{
	return (!filters->pids.count || id_list_has(&filters->pids, pid)) &&
	       filters_want_comm(filters, comm);
}

/* Filters on lives as a whole. */
struct life_filter {
	bool no_open;	  /* exclude connections that are still open when they are looked at */
	uint16_t states;  /* masks of state numbers: the connection was in one of these */
	uint16_t longer;  /* it was in each of these for longer than longer_ns of that state */
	uint32_t reasons; /* mask of enum tcpdwell_reason */
	uint64_t min_life_ns;
	uint64_t min_bytes; /* sent and received together */
	uint64_t longer_ns[TCPDWELL_STATE_MAX];
};

#endif /* TCPDWELL_FILTERS_H */
