/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What goes between the tracer and its steward (steward.h), over a socket that keeps packets whole.
 *
 * A request is one struct steward_request, of one size, which names nothing but by number. It is
 * answered by packets of a head and of records behind it, as many as the head says, of the size
 * that the kind has; the last packet says that no more come. A descriptor comes with the only
 * packet of its answer.
 */
#ifndef TCPDWELL_STEWARD_WIRE_H
#define TCPDWELL_STEWARD_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "host/descriptors.h"
#include "host/procfs_process.h"
#include "wire.h"

enum steward_kind {
	STEWARD_NAMESPACES = 1, /* netns: that one alone, 0: all; records */
	STEWARD_SOCKDIAG,	/* netns; a descriptor */
	STEWARD_NET_FILE,	/* netns, which: enum netns_file; a descriptor */
	STEWARD_LINK,		/* which: enum steward_iterator; with its descriptor, once each */
	STEWARD_ITERATOR,	/* which, netns; a descriptor */
	STEWARD_DESCRIPTORS,	/* records; number: processes that could not be looked into */
	STEWARD_PROCESS,	/* pid, comm; one record */
	STEWARD_CGROUP,		/* number: its id; one record */
	STEWARD_MAPS,		/* pid; a descriptor */
	STEWARD_MAPPED,		/* pid, number: where a mapping of code begins; a descriptor */
	STEWARD_PERF_MAP,	/* pid; a descriptor; number: the innermost one of the process */
};

struct steward_request {
	uint32_t kind; /* enum steward_kind */
	uint32_t which;
	uint32_t netns; /* inode, 0: the steward's own */
	uint32_t pid;
	uint64_t number;
	char comm[TCPDWELL_COMM_LEN]; /* ended by NUL */
};

struct steward_head {
	int32_t err; /* 0 or -errno */
	uint32_t count;
	uint32_t more; /* 1: another packet follows; else 0 */
	uint32_t kind; /* of the request */
	uint64_t number;
};

struct steward_namespace {
	uint32_t inode;
	uint32_t own; /* 1: the steward's; else 0 */
	/* TCP sockets in the hash tables and in TIME_WAIT, UINT32_MAX: not known. */
	uint32_t sockets;
	uint32_t timewait;
	char name[256]; /* of ip-netns(8), NAME_MAX and the NUL; empty: none */
};

struct steward_cgroup {
	char path[4096]; /* PATH_MAX; ended by NUL */
	struct container container;
};

#define STEWARD_RECORDS_BYTES 32768

struct steward_packet {
	struct steward_head head;
	char records[STEWARD_RECORDS_BYTES];
};

/* The size of a record in answers of this kind, 0: they have none. */
static inline size_t steward_record_bytes(uint32_t kind)
{
	switch (kind) {
	case STEWARD_NAMESPACES:
		return sizeof(struct steward_namespace);
	case STEWARD_DESCRIPTORS:
		return sizeof(struct descriptor_holder);
	case STEWARD_PROCESS:
		return sizeof(struct procfs_process);
	case STEWARD_CGROUP:
		return sizeof(struct steward_cgroup);
	default:
		return 0;
	}
}

_Static_assert(sizeof(struct steward_request) == 40, "no padding");
_Static_assert(sizeof(struct steward_head) == 24, "no padding");
_Static_assert(sizeof(struct procfs_process) <= STEWARD_RECORDS_BYTES, "one fits");

#endif /* TCPDWELL_STEWARD_WIRE_H */
