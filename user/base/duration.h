/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Durations for people: a unit and three significant digits. Pure, any thread.
 *
 *	999ns 1µs 999µs 1.00ms 99.9ms 999ms 1.00s 99.9s 1m40s 59m59s 1h00m 23h59m 1d00h 99d23h 100d
 *
 * Microseconds are whole, because a fraction of one is noise of the clock and of the path to the
 * hook.
 */
#ifndef TCPDWELL_DURATION_H
#define TCPDWELL_DURATION_H

#include <stdint.h>

#define NS_PER_S 1000000000ULL

/* The most columns of a duration or a dwell. A field of 7 holds all below 100 000 days. */
#define DURATION_COLUMNS_MAX 8

enum duration_round {
	DURATION_NEAREST, /* a half is rounded up */
	DURATION_DOWN,	  /* for lower bounds, which must not exceed the true value */
};

/*
 * Appends @ns (put.h). Sets @columns to the width on a terminal, where the µ is one column of two
 * bytes. At most 9 bytes.
 */
char *put_duration(char *p, uint64_t ns, enum duration_round round, unsigned int *columns);

/*
 * Appends a dwell of @worth (enum tcpdwell_dwell): `3.20ms`, `>12.3s` for a lower bound, `-` for
 * unknown. At most 10 bytes.
 */
char *put_dwell(char *p, uint8_t worth, uint64_t ns, unsigned int *columns);

/* Appends the same, right-aligned in a field of @width columns. At most @width + 10 bytes. */
char *put_dwell_right(char *p, uint8_t worth, uint64_t ns, unsigned int width,
		      unsigned int *columns);

#endif /* TCPDWELL_DURATION_H */
