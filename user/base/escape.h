/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Text that others chose (comm, cgroup names), made safe to print.
 *
 * Any process can name itself with terminal control bytes, or with characters that reorder or hide
 * what stands beside them. None of these functions lets one through:
 *
 *	C0 controls, DEL, C1 controls (also as UTF-8), invalid UTF-8, and the format characters of
 *	Unicode: zero width, bidirectional, separators, tags.
 *
 * Other UTF-8 passes as it is. Invalid are: stray and missing continuation bytes, overlong forms,
 * surrogates, and what lies beyond U+10FFFF; each byte of these counts by itself.
 *
 * Append functions as in put.h; @len is bytes. Pure, any thread.
 */
#ifndef TCPDWELL_ESCAPE_H
#define TCPDWELL_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

/* The most that a byte of text becomes. */
#define ESCAPE_TEXT_BYTES 4
#define ESCAPE_JSON_BYTES 6

/*
 * For tables: what must not pass, and the backslash, is written byte by byte as \xHH, which can be
 * undone. @columns gets the width on a terminal.
 */
char *put_escaped(char *p, const char *text, size_t len, unsigned int *columns);

/*
 * The same, cut to @width columns with `+` in the last one where there was more. At most
 * ESCAPE_TEXT_BYTES * @width bytes.
 */
char *put_escaped_cut(char *p, const char *text, size_t len, unsigned int width,
		      unsigned int *columns);

/* Text in a message, which ends with NUL: cut to so many columns. */
#define ESCAPE_SHOWN_COLUMNS 96

struct shown {
	char text[ESCAPE_TEXT_BYTES * ESCAPE_SHOWN_COLUMNS + 1];
};

/* Returns the text of @shown. */
const char *escape_shown(struct shown *shown, const char *text);

/*
 * A cell of RFC 4180: escaped as for tables, quoted where it must be. A first byte that makes a
 * spreadsheet take the cell for a formula (= + - @) is written as \xHH too. At most
 * 2 + ESCAPE_TEXT_BYTES * @len bytes.
 */
char *put_csv(char *p, const char *text, size_t len);

/*
 * A JSON string with its quotes. What must not pass becomes \uXXXX, a byte of invalid UTF-8 becomes
 * U+FFFD (written \ufffd), so the result is valid JSON and UTF-8 whatever @text is. At most
 * 2 + ESCAPE_JSON_BYTES * @len bytes.
 */
char *put_json(char *p, const char *text, size_t len);

#endif /* TCPDWELL_ESCAPE_H */
