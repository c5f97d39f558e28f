/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Cells of a table's row. Each one ends with a blank. The caller must have reserved the room. The
 * functions are inline because a row consists of a dozen cells. One thread.
 *
 * A table lists its columns in one macro, in their order, so that heads stand above their cells:
 *
 *	#define COLUMNS(C, t)                                \
 *		C(number, "PID", 7, (t)->owner, (t)->pid)    \
 *		C(text, "COMM", 15, (t)->comm)
 *
 * A column has a kind, a head, a width, and the arguments that cell_KIND() takes between the row
 * and the width. COLUMN_CELL() and COLUMN_HEAD() make statements that append the cell and the head
 * to @row. COLUMN_WIDTH() adds up the widths. A kind that only one table has is defined beside its
 * list: cell_KIND(), and HEAD_OF_KIND, which is cell_left or cell_word_right.
 */
#ifndef TCPDWELL_CELLS_H
#define TCPDWELL_CELLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/duration.h"
#include "base/escape.h"
#include "base/put.h"
#include "base/tcpstate.h"
#include "base/text.h"

/*
 * A row that is being written. @excess is the number of bytes before the cursor minus the number of
 * columns.
 */
struct row {
	char *start;
	char *p;
	unsigned int excess;
};

static inline unsigned int row_columns(const struct row *row)
{
	return row->p - row->start - row->excess;
}

/* Pads the cell that began at @start with blanks to @width bytes, and adds one more blank. */
static inline void cell_end(struct row *row, char *start, unsigned int width)
{
	row->p = put_char(put_fill(row->p, start, width), ' ');
}

static inline void cell_left(struct row *row, const char *text, unsigned int width)
{
	char *start = row->p;

	row->p = put_string(row->p, text);
	cell_end(row, start, width);
}

/* Writes @len bytes, which take @columns columns. */
static inline void cell_right(struct row *row, const char *text, size_t len, unsigned int columns,
			      unsigned int width)
{
	if (columns < width)
		row->p = put_fill(row->p, row->p, width - columns);
	row->p = put_char(put_bytes(row->p, text, len), ' ');
	row->excess += len - columns;
}

static inline void cell_word_right(struct row *row, const char *text, unsigned int width)
{
	size_t len = strlen(text);

	cell_right(row, text, len, len, width);
}

static inline void cell_number(struct row *row, bool known, uint64_t v, unsigned int width)
{
	char digits[20 + TEXT_SLACK_BYTES] = "-";
	size_t len = known ? (size_t)(put_u64(digits, v) - digits) : 1;

	cell_right(row, digits, len, len, width);
}

/* Writes text that others chose, escaped and cut to its column; NULL: not known. */
static inline void cell_text(struct row *row, const char *text, unsigned int width)
{
	unsigned int columns = 1, excess;
	char *start = row->p;

	if (text)
		row->p = put_escaped_cut(row->p, text, strlen(text), width, &columns);
	else
		row->p = put_char(row->p, '-');
	excess = row->p - start - columns;
	row->excess += excess;
	cell_end(row, start, width + excess);
}

/* Writes how long something lasted; @worth is an enum tcpdwell_dwell. */
static inline void cell_dwell(struct row *row, uint8_t worth, uint64_t ns, unsigned int width)
{
	unsigned int columns;
	char *start = row->p;

	row->p = put_dwell_right(row->p, worth, ns, width, &columns);
	row->excess += row->p - start - columns;
	row->p = put_char(row->p, ' ');
}

static inline char *put_port(char *p, uint16_t port)
{
	return port ? put_u16(p, port) : put_char(p, '-');
}

/* Writes `addr:port` or `[addr]:port`. Addresses are never cut. */
static inline void cell_address(struct row *row, unsigned int family, const uint8_t *addr,
				uint16_t port, unsigned int width)
{
	char *start = row->p;

	row->p = put_port(put_char(put_host(start, family, addr), ':'), port);
	cell_end(row, start, width);
}

/* ---- Columns ---- */

#define COLUMN_CELL(kind, head, width, ...)  cell_##kind(row, __VA_ARGS__, width);
#define COLUMN_HEAD(kind, head, width, ...)  HEAD_OF_##kind(row, head, width);
#define COLUMN_WIDTH(kind, head, width, ...) +((width) + 1)

#define HEAD_OF_left	cell_left
#define HEAD_OF_text	cell_left
#define HEAD_OF_address cell_left
#define HEAD_OF_number	cell_word_right

/* Returns the errno's name if it says more than the reason, else NULL. */
static inline const char *telling_errno(unsigned int reason, int err)
{
	return err && err != reason_errno(reason) ? errno_name(err) : NULL;
}

#endif /* TCPDWELL_CELLS_H */
