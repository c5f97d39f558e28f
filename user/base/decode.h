/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From the bytes of a record to a struct that the rest of user space can trust.
 *
 * A record may come from the ring of this run or from a file, so nothing about it is taken for
 * granted, alignment included. Pure, any thread.
 */
#ifndef TCPDWELL_DECODE_H
#define TCPDWELL_DECODE_H

#include <stddef.h>

#include "wire.h"

enum decoded {
	DECODED_TRANSITION,
	DECODED_CONNECTION,
	DECODED_UNKNOWN, /* of a kind that is not known here: pass over it and count */
	DECODED_BAD,	 /* too short, or a value that cannot be: pass over it and count */
};

/*
 * Reads the record in @size bytes at @data. For DECODED_TRANSITION @t is filled: numbers are within
 * their enums and comm is terminated. A record longer than this side knows is accepted and its rest
 * ignored: the writer was newer. Otherwise @t is undefined.
 */
enum decoded decode_record(const void *data, size_t size, struct tcpdwell_transition *t);

/* The same for DECODED_CONNECTION and @c. */
enum decoded decode_connection(const void *data, size_t size, struct tcpdwell_connection *c);

/* What such a record says of its port besides: all zero where it says nothing. */
struct tcpdwell_port_use decode_port_use(const void *data, size_t size);

#endif /* TCPDWELL_DECODE_H */
