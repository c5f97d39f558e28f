/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A row before it is a record: the transition itself, without the connection that it belongs to. */
#ifndef TCPDWELL_ROW_BPF_H
#define TCPDWELL_ROW_BPF_H

#include "lifecycle.h"

struct row {
	__u64 time_ns;
	__u64 dwell_ns;
	__u16 err;
	__u8 from;
	__u8 to;
	__u8 dwell;
	__u8 source;
	__u8 reason;
	__u8 dwell_error; /* in the unit of a record, TCPDWELL_ERROR_UNIT_NS */
};

/* Returns the first row of a life: there is no state before it in which the connection dwelt. */
static __always_inline struct row row_birth(__u8 from, __u8 to, __u64 time_ns, __u8 source)
{
	return (struct row){ .from = from, .to = to, .time_ns = time_ns, .source = source };
}

#endif /* TCPDWELL_ROW_BPF_H */
