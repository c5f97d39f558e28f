/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Makes text that others chose (comm, cgroup names) safe to print.
 *
 * Any process can name itself with terminal control bytes, or with characters that reorder or hide
 * the text beside them. None of these functions lets one through:
 *
 *	C0 controls, DEL, C1 controls (also as UTF-8), invalid UTF-8, and the format characters of
 *	Unicode: zero width, bidirectional, separators, tags.
 *
 * Other UTF-8 passes as it is. Invalid are stray and missing continuation bytes, overlong forms,
 * surrogates, and values beyond U+10FFFF. Each byte of these counts by itself.
 *
 * Append functions as in put.h. @len is in bytes. Pure, any thread.
 */
#ifndef TCPDWELL_ESCAPE_H
#define TCPDWELL_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

/* The most bytes that one byte of text becomes. */
#define ESCAPE_TEXT_BYTES 4
#define ESCAPE_JSON_BYTES 6

/*
 * For tables: writes the backslash, and each byte that must not pass, as \xHH. That can be undone.
 * Sets @columns to the width on a terminal.
 */
char *put_escaped(char *p, const char *text, size_t len, unsigned int *columns);

/*
 * Does the same, cut to @width columns. If the text is longer, the last column has a `+`. At most
 * ESCAPE_TEXT_BYTES * @width bytes.
 */
char *put_escaped_cut(char *p, const char *text, size_t len, unsigned int width,
		      unsigned int *columns);

/* Text for a message, ended by a NUL, and cut to so many columns. */
#define ESCAPE_SHOWN_COLUMNS 96

struct shown {
	char text[ESCAPE_TEXT_BYTES * ESCAPE_SHOWN_COLUMNS + 1];
};

/* Escapes @text into @shown. Returns the text of @shown. */
const char *escape_shown(struct shown *shown, const char *text);

/*
 * Appends a cell of RFC 4180. It is escaped as for tables, and quoted where it must be. If the
 * first byte would make a spreadsheet take the cell for a formula (= + - @), that byte is written
 * as \xHH, too. At most 2 + ESCAPE_TEXT_BYTES * @len bytes.
 */
char *put_csv(char *p, const char *text, size_t len);

/*
 * Appends a JSON string with its quotes. A character that must not pass becomes \uXXXX, and a byte
 * of invalid UTF-8 becomes U+FFFD (written \ufffd). So the result is valid JSON and UTF-8 whatever
 * @text is. At most 2 + ESCAPE_JSON_BYTES * @len bytes.
 */
char *put_json(char *p, const char *text, size_t len);

#endif /* TCPDWELL_ESCAPE_H */
