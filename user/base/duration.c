// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdbool.h>

#include "base/duration.h"
#include "base/put.h"
#include "wire.h"

#define NS_PER_US  1000ULL
#define NS_PER_MS  1000000ULL
#define NS_PER_MIN (60 * NS_PER_S)
#define NS_PER_H   (60 * NS_PER_MIN)
#define NS_PER_D   (24 * NS_PER_H)

/* Returns @ns in steps of @step, which is even. */
static uint64_t in_steps(uint64_t ns, uint64_t step, enum duration_round round)
{
	return ns / step + (round == DURATION_NEAREST && ns % step >= step / 2);
}

/* Appends three digits of @v, with a point behind the first @whole of them. */
static char *put_3digits(char *p, uint32_t v, int whole)
{
	*p++ = '0' + v / 100;
	if (whole == 1)
		*p++ = '.';
	*p++ = '0' + v / 10 % 10;
	if (whole == 2)
		*p++ = '.';
	*p++ = '0' + v % 10;
	return p;
}

/*
 * Appends 1.00 to 99.9 units, or up to 999 if @hundreds. Returns NULL if @ns is more after
 * rounding.
 */
static char *put_scaled(char *p, uint64_t ns, uint64_t unit, bool hundreds,
			enum duration_round round)
{
	uint64_t v;

	v = in_steps(ns, unit / 100, round);
	if (v < 1000)
		return put_3digits(p, v, 1);
	v = in_steps(ns, unit / 10, round);
	if (v < 1000)
		return put_3digits(p, v, 2);
	v = in_steps(ns, unit, round);
	if (hundreds && v < 1000)
		return put_3digits(p, v, 3);
	return NULL;
}

/* Appends "5m12s": minutes, hours or days with the next smaller unit. */
static char *put_composite(char *p, uint64_t ns, enum duration_round round)
{
	uint64_t v;

	v = in_steps(ns, NS_PER_S, round);
	if (v < 3600) {
		p = put_char(put_u64(p, v / 60), 'm');
		return put_char(put_2digits(p, v % 60), 's');
	}
	v = in_steps(ns, NS_PER_MIN, round);
	if (v < 24 * 60) {
		p = put_char(put_u64(p, v / 60), 'h');
		return put_char(put_2digits(p, v % 60), 'm');
	}
	v = in_steps(ns, NS_PER_H, round);
	if (v < 100 * 24) {
		p = put_char(put_u64(p, v / 24), 'd');
		return put_char(put_2digits(p, v % 24), 'h');
	}
	return put_char(put_u64(p, in_steps(ns, NS_PER_D, round)), 'd');
}

char *put_duration(char *p, uint64_t ns, enum duration_round round, unsigned int *columns)
{
	char *start = p;
	uint64_t us;
	char *end;

	if (ns < NS_PER_US) {
		p = put_literal(put_u16(p, ns), "ns");
		*columns = p - start;
		return p;
	}
	us = in_steps(ns, NS_PER_US, round);
	if (us < 1000) {
		p = put_literal(put_u16(p, us), "µs");
		*columns = p - start - 1;
		return p;
	}
	if ((end = put_scaled(p, ns, NS_PER_MS, true, round)))
		p = put_literal(end, "ms");
	else if ((end = put_scaled(p, ns, NS_PER_S, false, round)))
		p = put_char(end, 's');
	else
		p = put_composite(p, ns, round);
	*columns = p - start;
	return p;
}

char *put_dwell(char *p, uint8_t worth, uint64_t ns, unsigned int *columns)
{
	if (worth == TCPDWELL_DWELL_EXACT)
		return put_duration(p, ns, DURATION_NEAREST, columns);
	if (worth == TCPDWELL_DWELL_AT_LEAST) {
		p = put_duration(put_char(p, '>'), ns, DURATION_DOWN, columns);
		++*columns;
		return p;
	}
	*columns = 1;
	return put_char(p, '-');
}

char *put_dwell_right(char *p, uint8_t worth, uint64_t ns, unsigned int width,
		      unsigned int *columns)
{
	char dwell[16];
	size_t len = put_dwell(dwell, worth, ns, columns) - dwell;

	if (*columns < width) {
		p = put_fill(p, p, width - *columns);
		*columns = width;
	}
	return put_bytes(p, dwell, len);
}
