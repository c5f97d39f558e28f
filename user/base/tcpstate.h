/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The numbers of wire.h and the names that users see. Names are constants and never NULL unless
 * said. Pure, any thread.
 */
#ifndef TCPDWELL_TCPSTATE_H
#define TCPDWELL_TCPSTATE_H

/* All states as a user would type them, in the order of a connection's life, for error messages. */
extern const char tcpstate_list[];

/* "ESTABLISHED"; "-" for a number that is no state. */
const char *tcpstate_name(unsigned int state);

/*
 * For narrow terminals, at most 8 characters: LISTEN SYN_SENT SYN_RECV ESTAB FIN_W1 FIN_W2 CLOSE_W
 * CLOSING LAST_ACK TIME_W CLOSE.
 */
const char *tcpstate_short_name(unsigned int state);

/* Its place in that order, from 1 on; 0 for a number that is no state. */
unsigned int tcpstate_rank(unsigned int state);

/*
 * The state that @text names: any case, `-`, `_` or nothing between words, CLOSED for CLOSE, and
 * what ss prints (ESTAB, FIN-WAIT-1, UNCONN). Returns the number of wire.h, or -EINVAL.
 */
int tcpstate_parse(const char *text);

/* "connect", "listen", ...; NULL for none. */
const char *owner_name(unsigned int owner);

/* "exact", "at_least", "unknown". */
const char *dwell_name(unsigned int dwell);

/* "tracepoint", "request_sock", "timewait_sock". */
const char *source_name(unsigned int source);

/* "fin", "reset_received", ...; NULL for none. */
const char *reason_name(unsigned int reason);

/* All reasons as a user would type them, in the order of their numbers, for error messages. */
extern const char reason_list[];

/* The reason of exactly this name: the number of wire.h, or -EINVAL. */
int reason_parse(const char *text);

/* For narrow terminals, at most 8 characters; "" for none. */
const char *reason_short_name(unsigned int reason);

/* The errno that the reason implies, 0 if it implies none. */
int reason_errno(unsigned int reason);

/*
 * "ECONNRESET"; NULL for 0 and for numbers that have no name here. The C library's own table came
 * with glibc 2.32, which is too new to ask for.
 */
const char *errno_name(int err);

#endif /* TCPDWELL_TCPSTATE_H */
