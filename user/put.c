// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "put.h"

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

/* @v below 10^8, without leading zeros. */
static char *put_small(char *p, uint32_t v)
{
	char digits[8];
	char *d = digits + sizeof(digits);

	while (v >= 100) {
		d -= 2;
		memcpy(d, put_pairs + 2 * (v % 100), 2);
		v /= 100;
	}
	if (v >= 10) {
		d -= 2;
		memcpy(d, put_pairs + 2 * v, 2);
	} else {
		*--d = '0' + v;
	}
	return put_bytes(p, d, digits + sizeof(digits) - d);
}

/* Eight digits at a time, since 32-bit division is the cheaper one. */
char *put_u64(char *p, uint64_t v)
{
	const uint32_t chunk = 100000000;

	if (v < chunk)
		return put_small(p, v);
	p = put_u64(p, v / chunk);
	p = put_2digits(p, v % chunk / 1000000);
	return put_6digits(p, v % 1000000);
}

static char *put_octet(char *p, uint8_t v)
{
	if (v >= 100) {
		*p = '0' + v / 100;
		return put_2digits(p + 1, v % 100);
	}
	if (v >= 10)
		return put_2digits(p, v);
	return put_char(p, '0' + v);
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
 * Finds what "::" stands for: the longest run of zero groups, the first of equals, and never a
 * single group (RFC 5952, 4.2). Returns its length, 0 if there is none, and its place in @first.
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
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	unsigned int first, run;
	uint16_t groups[8];

	if (!memcmp(addr, mapped, sizeof(mapped)))
		return put_ipv4(put_literal(p, "::ffff:"), addr + 12);

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
