/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The names that users see for the numbers of wire.h. Names are constants, and never NULL unless
 * said. Pure, any thread.
 */
#ifndef TCPDWELL_TCPSTATE_H
#define TCPDWELL_TCPSTATE_H

/* How long TIME_WAIT lasts: TCP_TIMEWAIT_LEN of include/net/tcp.h. No setting changes it. */
#define TIMEWAIT_SECONDS 60

/* All states as a user would type them, in the order of a connection's life, for error messages. */
extern const char tcpstate_list[];

/* Returns "ESTABLISHED" and the like, or "-" for a number that is no state. */
const char *tcpstate_name(unsigned int state);

/*
 * Returns a name of at most 8 characters, for narrow terminals: LISTEN SYN_SENT SYN_RECV ESTAB
 * FIN_W1 FIN_W2 CLOSE_W CLOSING LAST_ACK TIME_W CLOSE.
 */
const char *tcpstate_short_name(unsigned int state);

/* Returns the state's place in that order, from 1 on, or 0 for a number that is no state. */
unsigned int tcpstate_rank(unsigned int state);

/*
 * Returns the number of wire.h of the state that @text names, or -EINVAL. It accepts any case, `-`,
 * `_` or nothing between words, CLOSED for CLOSE, and what ss prints (ESTAB, FIN-WAIT-1, UNCONN).
 */
int tcpstate_parse(const char *text);

/* Returns "connect", "listen" and the like, or NULL for none. */
const char *owner_name(unsigned int owner);

/* Returns "exact", "at_least" or "unknown". */
const char *dwell_name(unsigned int dwell);

/* Returns "tracepoint", "request_sock" or "timewait_sock". */
const char *source_name(unsigned int source);

/* Returns "fin", "reset_received" and the like, or NULL for none. */
const char *reason_name(unsigned int reason);

/* All reasons as a user would type them, in the order of their numbers, for error messages. */
extern const char reason_list[];

/* Returns the number of wire.h of the reason that has exactly this name, or -EINVAL. */
int reason_parse(const char *text);

/* Returns a name of at most 8 characters, for narrow terminals, or "" for none. */
const char *reason_short_name(unsigned int reason);

/* Returns the errno that the reason implies, or 0 if it implies none. */
int reason_errno(unsigned int reason);

/*
 * Returns "ECONNRESET" and the like, or NULL for 0 and for numbers that have no name here. The C
 * library has such a table only since glibc 2.32, which is too new to require.
 */
const char *errno_name(int err);

#endif /* TCPDWELL_TCPSTATE_H */
