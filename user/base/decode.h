/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Turns the bytes of a record into a struct that the rest of user space can trust.
 *
 * A record may come from the ring of this run or from a file, so nothing about it is taken for
 * granted, not even its alignment. Pure, any thread.
 */
#ifndef TCPDWELL_DECODE_H
#define TCPDWELL_DECODE_H

#include <stddef.h>

#include "wire.h"

enum decoded {
	DECODED_TRANSITION,
	DECODED_CONNECTION,
	DECODED_UNKNOWN, /* of a kind that is not known here: skip it and count it */
	DECODED_BAD,	 /* too short, or with an impossible value: skip it and count it */
};

/*
 * Reads the record in @size bytes at @data. For DECODED_TRANSITION it fills @t: numbers are within
 * their enums and comm is terminated. Otherwise @t is undefined. A record that is longer than this
 * side knows was written by a newer version: it is accepted, and the rest of it is ignored.
 */
enum decoded decode_record(const void *data, size_t size, struct tcpdwell_transition *t);

/* Does the same for DECODED_CONNECTION and @c. */
enum decoded decode_connection(const void *data, size_t size, struct tcpdwell_connection *c);

/*
 * Returns what a record of a transition also says of its port. It is all zero if the record says
 * nothing of that.
 */
struct tcpdwell_port_use decode_port_use(const void *data, size_t size);

#endif /* TCPDWELL_DECODE_H */
