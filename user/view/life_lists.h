/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Lists of fields, as in field_lists.h, that rows of lives and logs of lives share.
 */
#ifndef TCPDWELL_LIFE_LISTS_H
#define TCPDWELL_LIFE_LISTS_H

#include <stddef.h>

#include "base/tcpstate.h"
#include "model/life.h"

#define LIFE_TIMES(F, l)                                         \
	F(handshake_ns, number, (l)->opening, (l)->handshake_ns) \
	F(accept_ns, number, (l)->waiting, (l)->accept_ns)       \
	F(life_ns, number, (l)->worth, (l)->life_ns)             \
	F(life, choice, dwell_name, TCPDWELL_DWELL_AT_LEAST + 1, (l)->worth)

/*
 * 0 stands for a state that the connection never was in, and has no name. Other values are the
 * worth of the dwell plus one.
 */
#define STAY_MAX (TCPDWELL_DWELL_AT_LEAST + 2)

static inline const char *stay_name(unsigned int stay)
{
	return stay ? dwell_name(stay - 1) : NULL;
}

static inline unsigned int stay_in(const struct life *life, unsigned int state)
{
	return life_visited(life, state) ? life_dwell(life, state) + 1U : 0;
}

/* Two fields for each state: how long, and what that is worth. */
#define LIFE_STATE(F, name, l, state)                                        \
	F(name##_ns, number, life_visited(l, state) && life_dwell(l, state), \
	  life_dwell_ns(l, state))                                           \
	F(name, choice, stay_name, STAY_MAX, stay_in(l, state))

#define LIFE_STATES(F, l)                                   \
	LIFE_STATE(F, established, l, TCPDWELL_ESTABLISHED) \
	LIFE_STATE(F, syn_sent, l, TCPDWELL_SYN_SENT)       \
	LIFE_STATE(F, syn_recv, l, TCPDWELL_SYN_RECV)       \
	LIFE_STATE(F, fin_wait1, l, TCPDWELL_FIN_WAIT1)     \
	LIFE_STATE(F, fin_wait2, l, TCPDWELL_FIN_WAIT2)     \
	LIFE_STATE(F, time_wait, l, TCPDWELL_TIME_WAIT)     \
	LIFE_STATE(F, close, l, TCPDWELL_CLOSE)             \
	LIFE_STATE(F, close_wait, l, TCPDWELL_CLOSE_WAIT)   \
	LIFE_STATE(F, last_ack, l, TCPDWELL_LAST_ACK)       \
	LIFE_STATE(F, listen, l, TCPDWELL_LISTEN)           \
	LIFE_STATE(F, closing, l, TCPDWELL_CLOSING)

#define LIFE_NUMBERS(F, l, n)                                               \
	F(bytes_sent, number, (l)->counted, (l)->sent)                      \
	F(bytes_acked, number, (l)->counted, (l)->acked)                    \
	F(bytes_received, number, (l)->counted, (l)->received)              \
	F(bytes_unacked, number, (l)->counted, (l)->unacked)                \
	F(bytes_unread, number, (l)->read, (l)->unread)                     \
	F(segments_sent, number, (l)->numbered, (n)->segments_sent)         \
	F(segments_received, number, (l)->numbered, (n)->segments_received) \
	F(retransmits, number, (l)->numbered, (n)->retransmits)             \
	F(srtt_us, number, (l)->srtt_us, (l)->srtt_us)                      \
	F(rtt_min_us, number, (l)->rtt_min_us, (l)->rtt_min_us)

#endif /* TCPDWELL_LIFE_LISTS_H */
