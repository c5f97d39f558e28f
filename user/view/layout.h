/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How the columns of the table are arranged, one of three ways:
 *
 *	full	 into a pipe, a file, or a terminal that is wide enough. 132 columns for IPv4.
 *	compact	 on a terminal that is narrower: short names of states and reasons, and the local
 *		 side by its port alone where the address does not fit.
 *	wide	 -w: room for IPv6, and all that is known of the socket, one word a column.
 *
 * Addresses are never cut: a long one makes its row longer. Pure, any thread. Widths are columns.
 */
#ifndef TCPDWELL_LAYOUT_H
#define TCPDWELL_LAYOUT_H

#include <stdbool.h>

#include "wire.h"

struct style;

#define PID_WIDTH	    7 /* of the largest pid_max, 4194304 */
#define COMM_WIDTH	    (TCPDWELL_COMM_LEN - 1)
#define IPV4_WIDTH	    21 /* 255.255.255.255:65535 */
#define IPV6_WIDTH	    47 /* an IPv6 address in brackets, with its port */
#define PORT_WIDTH	    5
#define DWELL_WIDTH	    7  /* >59m59s */
#define TIME_WIDTH	    15 /* HH:MM:SS.ffffff */
#define SHORT_TIME_WIDTH    8  /* HH:MM:SS */
#define SECONDS_WIDTH	    13 /* eleven days */
#define SHORT_SECONDS_WIDTH 8  /* milliseconds up to two hours, seconds up to 115 days */
#define STATES_WIDTH	    26 /* ESTABLISHED -> ESTABLISHED */
#define CLOSED_WIDTH	    21 /* the same up to the reason, which only rows to CLOSE have */
#define REASON_WIDTH	    24 /* unreachable/EHOSTUNREACH */
#define SHORT_REASON_WIDTH  8  /* rst_rcvd */

struct layout {
	bool compact;
	bool errnos;	    /* there is room for a reason's errno */
	unsigned int limit; /* column where a row must end; UINT_MAX: none */
	unsigned int comm;  /* widths of columns */
	unsigned int local; /* PORT_WIDTH: only the port is shown */
	unsigned int remote;
};

/* Returns the arrangement for @style: for its flags and the terminal's width. */
struct layout layout_for(const struct style *style);

#endif /* TCPDWELL_LAYOUT_H */
