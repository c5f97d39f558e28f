/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TRAFFIC_SEGMENT_H
#define TRAFFIC_SEGMENT_H

#include "end.h"

#include <stddef.h>
#include <stdint.h>

/*
 * TCP segments as they are on the wire, caught and sent with raw sockets (CAP_NET_RAW). To make two
 * segments cross in flight, both are dropped at their gates and sent a second time.
 */
enum { SEGMENT_BYTES = 256 }; /* a header with all options, and some data */

struct segment {
	unsigned char bytes[SEGMENT_BYTES];
	unsigned int size;
};

enum { SEGMENT_FIN = 0x01, SEGMENT_SYN = 0x02, SEGMENT_RST = 0x04, SEGMENT_ACK = 0x10 };

/*
 * A tap sees each segment that comes to @end's host, whether or not a gate drops it. It must be
 * open before the segment is sent. The descriptor belongs to @end's puppet; tap_close() closes it.
 */
int tap_open(struct end *end);
void tap_close(struct end *end, int tap);
/* Waits for a segment from @from to @end whose flags under @mask are @flags. */
void tap_catch(struct end *end, int tap, const struct end *from, unsigned int mask,
	       unsigned int flags, struct segment *segment);

uint32_t segment_seq(const struct segment *segment);
uint32_t segment_ack(const struct segment *segment);

/* Sends the segment from @from's host to @to, with a new checksum. */
void segment_send(struct end *from, const struct end *to, struct segment *segment);
/* Sends a reset from @from to @to, with the sequence number that @to expects. */
void segment_send_reset(struct end *from, const struct end *to, uint32_t seq);
/* Tells @to's host by ICMP that the host of @from cannot be reached, and quotes @syn of @to. */
void segment_send_unreachable(struct end *from, const struct end *to, const struct segment *syn);

#endif
