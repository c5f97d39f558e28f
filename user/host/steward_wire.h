/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Messages between the tracer and its steward (steward.h), over a socket that keeps packets whole.
 *
 * A request is one struct steward_request. It has a fixed size, and names everything by number. The
 * answer consists of packets. Each has a head, and behind it as many records as the head says, of a
 * size that depends on the kind. The last packet says that no more come. If the answer has a
 * descriptor, it is one packet, and the descriptor comes with it.
 */
#ifndef TCPDWELL_STEWARD_WIRE_H
#define TCPDWELL_STEWARD_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "host/descriptors.h"
#include "host/procfs_process.h"
#include "wire.h"

enum steward_kind {
	STEWARD_NAMESPACES = 1, /* netns: only that one, 0: all; answer: records */
	STEWARD_SOCKDIAG,	/* netns; answer: a descriptor */
	STEWARD_NET_FILE,	/* netns, which: a number of netns_file.h; answer: a descriptor */
	STEWARD_LINK,		/* which: enum steward_iterator; with its descriptor, once each */
	STEWARD_ITERATOR,	/* which, netns; answer: a descriptor */
	STEWARD_DESCRIPTORS, /* answer: records; number: processes that could not be looked into */
	STEWARD_PROCESS,  /* pid, comm; answer: one record; number: 1: something did not answer */
	STEWARD_CGROUP,	  /* number: the cgroup's id; answer: one record; number: as above */
	STEWARD_MAPS,	  /* pid; answer: a descriptor */
	STEWARD_MAPPED,	  /* pid, number: start of a mapping of code; answer: a descriptor */
	STEWARD_PERF_MAP, /* pid; answer: a descriptor; number: its innermost PID */
};

struct steward_request {
	uint32_t kind; /* enum steward_kind */
	uint32_t which;
	uint32_t netns; /* inode; 0: the steward's own */
	uint32_t pid;
	uint64_t number;
	char comm[TCPDWELL_COMM_LEN]; /* ended by a NUL */
};

struct steward_head {
	int32_t err; /* 0 or -errno */
	uint32_t count;
	uint32_t more; /* 1: another packet follows; 0: none does */
	uint32_t kind; /* the request's */
	uint64_t number;
};

struct steward_namespace {
	uint32_t inode;
	uint32_t own; /* 1: the steward's own; 0: not */
	/* TCP sockets in the hash tables, and those in TIME_WAIT. UINT32_MAX: not known. */
	uint32_t sockets;
	uint32_t timewait;
	char name[256]; /* of ip-netns(8), with room for NAME_MAX and the NUL; empty: none */
};

struct steward_cgroup {
	char path[4096]; /* with room for PATH_MAX; ended by a NUL */
	struct container container;
};

#define STEWARD_RECORDS_BYTES 32768

struct steward_packet {
	struct steward_head head;
	char records[STEWARD_RECORDS_BYTES];
};

/* Returns the size of a record in answers of this kind, or 0 if they have no records. */
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
