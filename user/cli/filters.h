/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which connections and which of their transitions are wanted, and which lives: what all commands
 * understand by their filters, and all that the kernel side and the models see of the command line.
 *
 * Filters narrow each other: a row passes if it passes each that is set. Within one list any
 * member will do. What is all zero filters nothing. Strings are not owned.
 */
#ifndef TCPDWELL_FILTERS_H
#define TCPDWELL_FILTERS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "cli/parse.h"
#include "wire.h"

/* What people call where a connection is from; see model/names_wanted.h. Empty: any. */
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
	struct name_filter names;     /* user space looks at these */
	uint8_t family;		      /* 4, 6, or 0: both */
	uint16_t from;		      /* masks of state numbers, 0: any */
	uint16_t to;
	uint16_t either; /* from or to */
	uint64_t min_dwell_ns;
	uint64_t cookie;  /* 0: any */
	uint32_t reasons; /* mask of reason numbers, 0: any, and none */
};

static inline bool filters_have_names(const struct filters *filters)
{
	return filters->names.containers.count || filters->names.pods.count ||
	       filters->names.units.count;
}

/* Whether the filters on the owner want a process of this name, at most TCPDWELL_COMM_LEN long. */
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

/* Of lives as a whole. */
struct life_filter {
	bool no_open;	  /* none that go on when they are looked at */
	uint16_t states;  /* masks of state numbers: was in one of these */
	uint16_t longer;  /* was in each of these for longer_ns of it */
	uint32_t reasons; /* mask of enum tcpdwell_reason */
	uint64_t min_life_ns;
	uint64_t min_bytes; /* sent and received */
	uint64_t longer_ns[TCPDWELL_STATE_MAX];
};

#endif /* TCPDWELL_FILTERS_H */
