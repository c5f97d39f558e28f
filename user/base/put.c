// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "base/put.h"
#include "base/v4mapped.h"

const char put_pairs[200] = { "00010203040506070809101112131415161718192021222324"
			      "25262728293031323334353637383940414243444546474849"
			      "50515253545556575859606162636465666768697071727374"
			      "75767778798081828384858687888990919293949596979899" };

struct word word_make(const char *string)
{
	struct word word = {};
	size_t len = strlen(string);

	word.len = len < sizeof(word.text) ? len : sizeof(word.text);
	memcpy(word.text, string, word.len);
	return word;
}

char *put_u64(char *p, uint64_t v)
{
	const uint64_t chunk = 100000000;

	if (v < chunk)
		return put_small(p, v);
	if (v < chunk * chunk)
		return put_8digits(put_small(p, v / chunk), v % chunk);
	p = put_small(p, v / (chunk * chunk));
	v %= chunk * chunk;
	return put_8digits(put_8digits(p, v / chunk), v % chunk);
}

#define TEN(tens)                                                                                 \
	tens "0", tens "1", tens "2", tens "3", tens "4", tens "5", tens "6", tens "7", tens "8", \
		tens "9"

static const char octets[256][4] = {
	TEN(""),   TEN("1"),  TEN("2"),	 TEN("3"),  TEN("4"),  TEN("5"),  TEN("6"),  TEN("7"),
	TEN("8"),  TEN("9"),  TEN("10"), TEN("11"), TEN("12"), TEN("13"), TEN("14"), TEN("15"),
	TEN("16"), TEN("17"), TEN("18"), TEN("19"), TEN("20"), TEN("21"), TEN("22"), TEN("23"),
	TEN("24"), "250",     "251",	 "252",	    "253",     "254",	  "255",
};

#undef TEN

static char *put_octet(char *p, uint8_t v)
{
	memcpy(p, octets[v], sizeof(octets[v]));
	return p + 1 + (v >= 10) + (v >= 100);
}

char *put_ipv4(char *p, const uint8_t addr[4])
{
	p = put_char(put_octet(p, addr[0]), '.');
	p = put_char(put_octet(p, addr[1]), '.');
	p = put_char(put_octet(p, addr[2]), '.');
	return put_octet(p, addr[3]);
}

static char *put_hex16(char *p, uint16_t v)
{
	static const char digits[] = "0123456789abcdef";

	if (v >= 0x1000)
		*p++ = digits[v >> 12];
	if (v >= 0x100)
		*p++ = digits[v >> 8 & 15];
	if (v >= 0x10)
		*p++ = digits[v >> 4 & 15];
	return put_char(p, digits[v & 15]);
}

/*
 * Finds what "::" stands for: the longest run of zero groups, the first one if several are equal,
 * and never a single group (RFC 5952, 4.2). Returns its length and its place in @first, or 0 if
 * there is none.
 */
static unsigned int longest_zero_run(const uint16_t groups[8], unsigned int *first)
{
	unsigned int best = 1, run = 0;

	*first = 8;
	for (unsigned int i = 0; i < 8; i++) {
		run = groups[i] ? 0 : run + 1;
		if (run > best) {
			best = run;
			*first = i + 1 - run;
		}
	}
	return *first < 8 ? best : 0;
}

char *put_ipv6(char *p, const uint8_t addr[16])
{
	unsigned int first, run;
	uint16_t groups[8];

	if (v4mapped_is(addr))
		return put_ipv4(put_literal(p, "::ffff:"), addr + V4MAPPED_PREFIX_BYTES);

	for (int i = 0; i < 8; i++)
		groups[i] = addr[2 * i] << 8 | addr[2 * i + 1];
	run = longest_zero_run(groups, &first);

	for (unsigned int i = 0; i < 8; i++) {
		if (i == first) {
			p = put_literal(p, "::");
			i += run - 1;
			continue;
		}
		if (i && i != first + run)
			p = put_char(p, ':');
		p = put_hex16(p, groups[i]);
	}
	return p;
}
