/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TRAFFIC_GATE_H
#define TRAFFIC_GATE_H

#include "end.h"
#include "segment.h"

/*
 * A gate drops what arrives at one socket, by a socket filter: the sender's kernel sends, but the
 * receiver's TCP does not see it. So a state that lasts until an answer comes can be held for as
 * long as the scenario likes, on any device and without a packet scheduler. A child inherits its
 * listener's gate.
 */
void gate_shut(struct end *end);
void gate_open(struct end *end);
/* Lets only a SYN without ACK pass. */
void gate_shut_but_syn(struct end *end);
/* Lets only segments with this acknowledgment number pass. */
void gate_shut_but_ack(struct end *end, uint32_t ack);

#endif
