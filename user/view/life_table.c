// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * One row a connection, of 132 columns for IPv4. With a time in front, or on a narrower terminal,
 * only the port of the local side is shown. If a row is still too long, it stays too long.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/escape.h"
#include "base/tcpstate.h"
#include "base/text.h"
#include "view/cells.h"
#include "view/layout.h"
#include "view/life_view.h"

/* 2 times, 2 addresses, comm escaped, 11 states and all numbers take less than 1024 bytes. */
#define ROW_BYTES 2048

#define LIFE_WIDTH	132
#define LIFE_COMM_WIDTH 10
#define SIDE_WIDTH	6
#define TIME_CELL	7 /* >59m59s */
#define BYTES_WIDTH	5 /* 99.9M */
#define RETR_WIDTH	4
#define END_WIDTH	9 /* rst_rcvd fits */

struct life_table {
	struct life_view view;
	struct style style;
	struct stamp stamp;
	unsigned int comm;
	unsigned int local; /* PORT_WIDTH: only the port is shown */
	unsigned int remote;
	unsigned int columns; /* where a row must end; 0: anywhere */
};

static struct life_table *table_of(struct life_view *view)
{
	return (struct life_table *)view;
}

/* ---- Cells ---- */

/* Appends bytes in five columns: 0 to 9999, or three digits and a power of 1024. */
static void cell_size(struct row *row, bool known, uint64_t bytes, unsigned int width)
{
	static const char units[] = "KMGTPE";
	unsigned int unit = 0;
	uint64_t hundredths;
	char text[24] = "-", *p = text;

	if (!known || bytes < 10000) {
		cell_number(row, known, bytes, width);
		return;
	}
	while (bytes >= 1000 * 1024) {
		bytes /= 1024;
		unit++;
	}
	hundredths = bytes * 100 / 1024;
	p = put_u64(p, hundredths / 100);
	if (hundredths < 1000)
		p = put_2digits(put_char(p, '.'), hundredths % 100);
	else if (hundredths < 10000)
		p = put_char(put_char(p, '.'), '0' + hundredths / 10 % 10);
	p = put_char(p, units[unit]);
	cell_right(row, text, p - text, p - text, width);
}

/* An address, or the port alone where there is room for no more. */
static void cell_local(struct row *row, unsigned int family, const uint8_t *addr, uint16_t port,
		       unsigned int width)
{
	if (width == PORT_WIDTH)
		cell_number(row, port, port, width);
	else
		cell_address(row, family, addr, port, width);
}

static void head_local(struct row *row, const char *head, unsigned int width)
{
	if (width == PORT_WIDTH)
		cell_word_right(row, head + sizeof("LADDR:") - 1, width);
	else
		cell_left(row, head, width);
}

#define HEAD_OF_dwell cell_word_right
#define HEAD_OF_size  cell_word_right
#define HEAD_OF_local head_local

/* All but the times in front, and the end. */
#define LIFE_COLUMNS(C, table, l, c)                                                    \
	C(number, "PID", PID_WIDTH, (c)->owner, (c)->pid)                               \
	C(text, "COMM", (table)->comm, (c)->owner && (c)->comm[0] ? (c)->comm : NULL)   \
	C(left, "SIDE", SIDE_WIDTH, life_side_name((l)->side) ?: "-")                   \
	C(local, "LADDR:LPORT", (table)->local, (c)->family, (c)->laddr, (c)->lport)    \
	C(address, "RADDR:RPORT", (table)->remote, (c)->family, (c)->raddr, (c)->rport) \
	C(dwell, "HSHAKE", TIME_CELL, (l)->opening, (l)->handshake_ns)                  \
	C(dwell, "ACCEPT", TIME_CELL, (l)->waiting, (l)->accept_ns)                     \
	C(dwell, "LIFE", TIME_CELL, (l)->worth, (l)->life_ns)                           \
	C(size, "SENT", BYTES_WIDTH, (l)->counted, (l)->sent)                           \
	C(size, "RECV", BYTES_WIDTH, (l)->counted, (l)->received)                       \
	C(number, "RETR", RETR_WIDTH, (l)->numbered, (c)->life.numbers.retransmits)     \
	C(dwell, "SRTT", TIME_CELL, !!(l)->srtt_us, (l)->srtt_us * 1000ULL)

static void put_clock(struct life_table *table, struct row *row, uint64_t mono_ns)
{
	const struct style *style = &table->style;
	char seconds[24];

	if (style->wall_time) {
		row->p = put_time(row->p, &table->stamp, clock_wall_ns(style->clock, mono_ns),
				  style->utc);
		row->p = put_char(row->p, ' ');
	}
	if (style->since_start) {
		size_t len = put_seconds_us(seconds, clock_since_start_ns(style->clock, mono_ns)) -
			     seconds - 3;

		len = len < SHORT_SECONDS_WIDTH ? len : SHORT_SECONDS_WIDTH;
		cell_right(row, seconds, len, len, SHORT_SECONDS_WIDTH);
	}
}

/*
 * Appends how it ended, in the longest form that fits; or `open`, or the state that it was left in.
 */
static char *put_end(const struct life_table *table, const struct row *row, char *p,
		     const struct life *life)
{
	const struct tcpdwell_connection *c = life->connection;
	const char *reason = reason_name(c->reason), *err = telling_errno(c->reason, c->err);
	unsigned int used = row_columns(row);
	size_t len;

	if (life->open)
		return put_string(p, "open");
	if (!reason)
		return put_string(p, c->state == TCPDWELL_CLOSE ? "-" : tcpstate_name(c->state));
	len = strlen(reason) + (err ? 1 + strlen(err) : 0);
	if (table->columns && used + len > table->columns) {
		err = NULL;
		if (used + strlen(reason) > table->columns)
			reason = reason_short_name(c->reason);
	}
	p = put_string(p, reason);
	return err ? put_string(put_char(p, '/'), err) : p;
}

/* Appends the time in each state, in the order of a connection's life. */
static void put_states(struct row *row, const struct life *life)
{
	static const uint8_t order[] = {
		TCPDWELL_SYN_SENT,  TCPDWELL_SYN_RECV,	 TCPDWELL_ESTABLISHED,
		TCPDWELL_FIN_WAIT1, TCPDWELL_FIN_WAIT2,	 TCPDWELL_CLOSING,
		TCPDWELL_TIME_WAIT, TCPDWELL_CLOSE_WAIT, TCPDWELL_LAST_ACK,
	};
	unsigned int columns;

	for (unsigned int i = 0; i < sizeof(order); i++) {
		unsigned int state = order[i];

		if (!life_visited(life, state))
			continue;
		row->p = put_char(put_string(put_char(row->p, ' '), tcpstate_name(state)), '=');
		row->p = put_dwell(row->p, life_dwell(life, state), life_dwell_ns(life, state),
				   &columns);
	}
}

/* ---- Rows ---- */

static int life_table_row(struct life_view *view, const struct life *life,
			  const struct names *names)
{
	struct life_table *table = table_of(view);
	const struct tcpdwell_connection *c = life->connection;
	struct row made = {}, *row = &made;
	char *start;

	(void)names; /* names are shown in rows of fields only */
	row->start = row->p = text_reserve(table->style.text, ROW_BYTES);
	if (!row->p)
		return text_error(table->style.text);
	put_clock(table, row, c->ended_ns);
	LIFE_COLUMNS(COLUMN_CELL, table, life, c);
	start = row->p;
	row->p = put_end(table, row, row->p, life);
	if (table->style.wide) {
		row->p = put_fill(row->p, start, REASON_WIDTH);
		put_states(row, life);
	}
	text_commit(table->style.text, put_char(row->p, '\n'));
	return 0;
}

static int life_table_start(struct life_view *view)
{
	const struct life_table *table = table_of(view);
	struct row made = {}, *row = &made;

	row->start = row->p = text_reserve(table->style.text, ROW_BYTES);
	if (!row->p)
		return text_error(table->style.text);
	if (table->style.wall_time)
		cell_left(row, "TIME", SHORT_TIME_WIDTH);
	if (table->style.since_start)
		cell_word_right(row, "TIME(s)", SHORT_SECONDS_WIDTH);
	LIFE_COLUMNS(COLUMN_HEAD, table, , );
	row->p = put_string(row->p, "END");
	if (table->style.wide)
		row->p = put_string(put_fill(row->p, row->p, REASON_WIDTH - 3), " STATES");
	text_commit(table->style.text, put_char(row->p, '\n'));
	return 0;
}

static int life_table_finish(struct life_view *view, const struct summary *summary)
{
	(void)view;
	(void)summary;
	return 0;
}

static void life_table_free(struct life_view *view)
{
	free(view);
}

static const struct life_view_ops life_table_ops = {
	.start = life_table_start,
	.row = life_table_row,
	.finish = life_table_finish,
	.free = life_table_free,
};

/* Returns the number of columns before the end. */
static unsigned int lead_width(const struct life_table *table)
{
	unsigned int width = LIFE_COLUMNS(COLUMN_WIDTH, table, , );

	if (table->style.wall_time)
		width += SHORT_TIME_WIDTH + 1;
	if (table->style.since_start)
		width += SHORT_SECONDS_WIDTH + 1;
	return width;
}

struct life_view *life_table_new(const struct style *style)
{
	struct life_table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->view.ops = &life_table_ops;
	table->style = *style;
	table->comm = style->wide ? COMM_WIDTH : LIFE_COMM_WIDTH;
	table->local = style->wide ? IPV6_WIDTH : IPV4_WIDTH;
	table->remote = table->local;
	if (style->wide)
		return &table->view;
	table->columns = style->tty && style->columns ? style->columns : LIFE_WIDTH;
	if (lead_width(table) + END_WIDTH > table->columns)
		table->local = PORT_WIDTH;
	return &table->view;
}
