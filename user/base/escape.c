// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdint.h>
#include <string.h>

#include "base/escape.h"
#include "base/put.h"

#define ONES  0x0101010101010101ULL
#define HIGHS 0x8080808080808080ULL

/*
 * Returns a word with the high bit of each zero byte of @v set. Bytes above such a byte may have
 * theirs set, too.
 */
static uint64_t zero_bytes(uint64_t v)
{
	return (v - ONES) & ~v & HIGHS;
}

/*
 * Returns true if all eight bytes at @text are printable ASCII, without quotation mark and
 * backslash.
 */
static bool all_plain(const char *text)
{
	uint64_t v;

	memcpy(&v, text, sizeof(v));
	return !(((v - 0x20 * ONES) | v | zero_bytes(v ^ '"' * ONES) | zero_bytes(v ^ '\\' * ONES) |
		  zero_bytes(v ^ 0x7f * ONES)) &
		 HIGHS);
}

/* Returns how many bytes at the start of @text need no look: mostly all of them. */
static size_t plain_prefix(const char *text, size_t len)
{
	size_t n = 0;

	while (n + 8 <= len && all_plain(text + n))
		n += 8;
	while (n < len && text[n] >= 0x20 && text[n] < 0x7f && text[n] != '"' && text[n] != '\\')
		n++;
	return n;
}

/* Reads one character of UTF-8. Returns its length, or 0 if no valid one begins here. */
static size_t utf8_read(const char *text, size_t len, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const uint8_t *s = (const uint8_t *)text;
	size_t n;

	if (s[0] < 0x80) {
		*code = s[0];
		return 1;
	}
	n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	if (s[0] < 0xc2 || s[0] > 0xf4 || n > len)
		return 0;
	*code = s[0] & (0x7f >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (s[i] & 0x3f);
	}
	if (*code < least[n] || *code > 0x10ffff || (*code >= 0xd800 && *code <= 0xdfff))
		return 0;
	return n;
}

struct range {
	uint32_t first, last;
};

static bool in_ranges(uint32_t code, const struct range *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (code < ranges[i].first)
			return false;
		if (code <= ranges[i].last)
			return true;
	}
	return false;
}

#define IN_RANGES(code, table) in_ranges(code, table, sizeof(table) / sizeof((table)[0]))

/*
 * Returns true for controls, and for characters of Unicode's classes Cf, Zl and Zp, which steer the
 * text around them.
 */
static bool is_control(uint32_t code)
{
	static const struct range controls[] = {
		{ 0, 0x1f },	    { 0x7f, 0x9f },	{ 0xad, 0xad },	      { 0x61c, 0x61c },
		{ 0x180e, 0x180e }, { 0x200b, 0x200f }, { 0x2028, 0x202e },   { 0x2060, 0x206f },
		{ 0xfeff, 0xfeff }, { 0xfff9, 0xfffb }, { 0xe0000, 0xe007f },
	};

	return IN_RANGES(code, controls);
}

/*
 * Returns the columns of a character on a terminal. The tables have the blocks where wcwidth() of
 * the C library is not 1, so no locale is needed.
 */
static unsigned int code_columns(uint32_t code)
{
	static const struct range none[] = {
		{ 0x300, 0x36f },
		{ 0x1ab0, 0x1aff },
		{ 0x20d0, 0x20ff },
		{ 0xfe00, 0xfe0f },
	};
	static const struct range two[] = {
		{ 0x1100, 0x115f },   { 0x2e80, 0x303e },   { 0x3041, 0xa4cf },
		{ 0xac00, 0xd7a3 },   { 0xf900, 0xfaff },   { 0xfe30, 0xfe6f },
		{ 0xff00, 0xff60 },   { 0xffe0, 0xffe6 },   { 0x1f300, 0x1f64f },
		{ 0x1f900, 0x1faff }, { 0x20000, 0x3fffd },
	};

	if (code < 0x300)
		return 1;
	if (IN_RANGES(code, none))
		return 0;
	return IN_RANGES(code, two) ? 2 : 1;
}

static char *put_hex(char *p, uint8_t byte)
{
	static const char digits[] = "0123456789abcdef";

	p = put_char(p, digits[byte >> 4]);
	return put_char(p, digits[byte & 15]);
}

static char *put_byte_escape(char *p, char byte)
{
	return put_hex(put_literal(p, "\\x"), byte);
}

/* One printed unit: a character that passes, or the escape of a byte. */
struct unit {
	size_t taken; /* bytes of the text */
	unsigned int columns;
	bool escaped;
};

static struct unit next_unit(const char *text, size_t len)
{
	struct unit unit = { .taken = 1, .columns = ESCAPE_TEXT_BYTES, .escaped = true };
	uint32_t code;
	size_t n = utf8_read(text, len, &code);

	if (!n || code == '\\' || is_control(code))
		return unit;
	unit.taken = n;
	unit.columns = code_columns(code);
	unit.escaped = false;
	return unit;
}

static char *put_unit(char *p, const char *text, const struct unit *unit)
{
	return unit->escaped ? put_byte_escape(p, *text) : put_bytes(p, text, unit->taken);
}

char *put_escaped(char *p, const char *text, size_t len, unsigned int *columns)
{
	size_t done = plain_prefix(text, len);

	p = put_bytes(p, text, done);
	*columns = done;
	while (done < len) {
		struct unit unit = next_unit(text + done, len - done);

		p = put_unit(p, text + done, &unit);
		*columns += unit.columns;
		done += unit.taken;
	}
	return p;
}

/*
 * Returns how many bytes of @text fit into @width columns, and sets @columns to what they take.
 * Marks that take no column are limited to the bytes that other characters could need for that
 * width.
 */
static size_t fitting(const char *text, size_t len, unsigned int width, unsigned int *columns)
{
	size_t done = 0, bytes = 0;

	*columns = 0;
	while (done < len) {
		struct unit unit = next_unit(text + done, len - done);

		bytes += unit.escaped ? ESCAPE_TEXT_BYTES : unit.taken;
		if (*columns + unit.columns > width || bytes > (size_t)ESCAPE_TEXT_BYTES * width)
			break;
		*columns += unit.columns;
		done += unit.taken;
	}
	return done;
}

char *put_escaped_cut(char *p, const char *text, size_t len, unsigned int width,
		      unsigned int *columns)
{
	size_t keep;

	if (len <= width && plain_prefix(text, len) == len) {
		*columns = len;
		return put_bytes(p, text, len);
	}
	if (fitting(text, len, width, columns) == len || !width)
		return put_escaped(p, text, width ? len : 0, columns);
	keep = fitting(text, len, width - 1, columns);
	p = put_escaped(p, text, keep, columns);
	++*columns;
	return put_char(p, '+');
}

const char *escape_shown(struct shown *shown, const char *text)
{
	unsigned int columns;

	*put_escaped_cut(shown->text, text, strlen(text), ESCAPE_SHOWN_COLUMNS, &columns) = '\0';
	return shown->text;
}

char *put_csv(char *p, const char *text, size_t len)
{
	bool quoted = len && (memchr(text, ',', len) || memchr(text, '"', len));
	size_t done = 0;

	if (quoted)
		p = put_char(p, '"');
	if (len && strchr("=+-@", text[0]) && text[0]) {
		p = put_byte_escape(p, text[0]);
		done = 1;
	}
	while (done < len) {
		size_t plain = plain_prefix(text + done, len - done);
		struct unit unit;

		p = put_bytes(p, text + done, plain);
		done += plain;
		if (done == len)
			break;
		unit = next_unit(text + done, len - done);
		if (text[done] == '"')
			p = put_char(p, '"');
		p = put_unit(p, text + done, &unit);
		done += unit.taken;
	}
	if (quoted)
		p = put_char(p, '"');
	return p;
}

static char *put_json_u16(char *p, uint16_t code)
{
	p = put_hex(put_literal(p, "\\u"), code >> 8);
	return put_hex(p, code);
}

/* Appends the escape of a character that JSON, or the terminal, must not get as it is. */
static char *put_json_escape(char *p, uint32_t code)
{
	static const char letters[0x20] = {
		['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r',
	};

	if (code == '"' || code == '\\')
		return put_char(put_char(p, '\\'), code);
	if (code < sizeof(letters) && letters[code])
		return put_char(put_char(p, '\\'), letters[code]);
	if (code > 0xffff) {
		p = put_json_u16(p, 0xd800 + ((code - 0x10000) >> 10));
		return put_json_u16(p, 0xdc00 + ((code - 0x10000) & 0x3ff));
	}
	return put_json_u16(p, code);
}

char *put_json(char *p, const char *text, size_t len)
{
	size_t done = 0;

	p = put_char(p, '"');
	while (done < len) {
		size_t plain = plain_prefix(text + done, len - done);
		uint32_t code;
		size_t n;

		p = put_bytes(p, text + done, plain);
		done += plain;
		if (done == len)
			break;
		n = utf8_read(text + done, len - done, &code);
		if (!n)
			p = put_json_u16(p, 0xfffd);
		else if (code == '"' || code == '\\' || is_control(code))
			p = put_json_escape(p, code);
		else
			p = put_bytes(p, text + done, n);
		done += n ? n : 1;
	}
	return put_char(p, '"');
}
