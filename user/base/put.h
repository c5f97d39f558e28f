/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Append functions: each writes at the cursor @p and returns the new cursor.
 *
 * Nothing is terminated and nothing is checked: the caller has reserved the room, and each function
 * says the most it takes. A function may scribble up to TEXT_SLACK_BYTES (text.h) beyond the end
 * that it returns, because a copy of constant length is faster than one of the right length. Pure,
 * no locale, any thread.
 */
#ifndef TCPDWELL_PUT_H
#define TCPDWELL_PUT_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

/* The texts "00" to "99" in a row. */
extern const char put_pairs[200];

static inline char *put_bytes(char *p, const void *from, size_t len)
{
	memcpy(p, from, len);
	return p + len;
}

#define put_literal(p, literal) put_bytes(p, literal, sizeof(literal) - 1)

static inline char *put_string(char *p, const char *string)
{
	return put_bytes(p, string, strlen(string));
}

static inline char *put_char(char *p, char c)
{
	*p = c;
	return p + 1;
}

/* A constant text of at most 31 bytes that is appended often. */
struct word {
	char text[31];
	uint8_t len;
};

/* Makes a word of @string, cut to 31 bytes. */
struct word word_make(const char *string);

static inline char *put_word(char *p, const struct word *word)
{
	memcpy(p, word->text, sizeof(word->text));
	return p + word->len;
}

/* Two digits, @v below 100. */
static inline char *put_2digits(char *p, uint32_t v)
{
	return put_bytes(p, put_pairs + 2 * v, 2);
}

/* Six digits with leading zeros, @v below 10^6. */
static inline char *put_6digits(char *p, uint32_t v)
{
	p = put_2digits(p, v / 10000);
	p = put_2digits(p, v / 100 % 100);
	return put_2digits(p, v % 100);
}

/*
 * Returns the eight digits of @v, which is below 10^8. Each takes a byte, and the first is in the
 * lowest byte. @v is split in two, then both halves at once, and so on. That takes multiplications
 * that are exact for numbers so small, and no branch, because the length of a number is hard to
 * predict.
 */
static inline uint64_t digits_of(uint32_t v)
{
	uint64_t fours = v / 10000 | (uint64_t)(v % 10000) << 32;
	uint64_t hundreds = (fours * 5243 >> 19) & 0x0000007f0000007f;
	uint64_t pairs = hundreds | (fours - 100 * hundreds) << 16;
	uint64_t tens = (pairs * 103 >> 10) & 0x000f000f000f000f;

	return tens | (pairs - 10 * tens) << 8;
}

#define DIGITS_ZERO 0x3030303030303030 /* "00000000" */

/* Eight digits with leading zeros, @v below 10^8. */
static inline char *put_8digits(char *p, uint32_t v)
{
	uint64_t text = htole64(digits_of(v) | DIGITS_ZERO);

	return put_bytes(p, &text, sizeof(text));
}

/* Nine digits with leading zeros, @v below 10^9. */
static inline char *put_9digits(char *p, uint32_t v)
{
	return put_8digits(put_char(p, '0' + v / 100000000), v % 100000000);
}

/* Appends @v, which is below 10^8. At most 8 bytes. */
static inline char *put_small(char *p, uint32_t v)
{
	uint64_t digits = digits_of(v);
	/* Bits of the leading zeros. The last digit stays even if it is zero. */
	unsigned int zeros = __builtin_ctzll(digits | 1ULL << 56) & ~7U;
	uint64_t text = htole64((digits | DIGITS_ZERO) >> zeros);

	memcpy(p, &text, sizeof(text));
	return p + sizeof(text) - zeros / 8;
}

/* At most 20 bytes. */
char *put_u64(char *p, uint64_t v);

/* At most 5 bytes. */
static inline char *put_u16(char *p, uint16_t v)
{
	return put_small(p, v);
}

/* The widest field that put_fill() can fill. It always writes so many bytes. */
#define PUT_FILL_MAX 48

/*
 * Appends blanks from @p up to column @width of the field that began at @start, or none if it is
 * full.
 */
static inline char *put_fill(char *p, char *start, unsigned int width)
{
	char *end = start + width;

	memset(p, ' ', PUT_FILL_MAX);
	return p < end ? end : p;
}

/* At most 15 bytes. */
char *put_ipv4(char *p, const uint8_t addr[4]);

/* RFC 5952, a v4-mapped address as ::ffff:a.b.c.d. At most 39 bytes. */
char *put_ipv6(char *p, const uint8_t addr[16]);

/* @family is 4 or 6, as in the records. At most 39 bytes. */
static inline char *put_addr(char *p, unsigned int family, const uint8_t *addr)
{
	return family == 6 ? put_ipv6(p, addr) : put_ipv4(p, addr);
}

/* The same as it stands before `:PORT`, with brackets around an IPv6 address. At most 41 bytes. */
static inline char *put_host(char *p, unsigned int family, const uint8_t *addr)
{
	if (family == 6)
		return put_char(put_ipv6(put_char(p, '['), addr), ']');
	return put_ipv4(p, addr);
}

#endif /* TCPDWELL_PUT_H */
