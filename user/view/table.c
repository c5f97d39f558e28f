// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The table, in the arrangement that layout.h chose. Every name that a process gave itself is
 * escaped. Except for the cgroup at the end of a wide row, it is also cut to its column, so that no
 * name can push the rest of its row out of sight.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/escape.h"
#include "base/memo.h"
#include "base/tcpstate.h"
#include "base/text.h"
#include "host/name_book.h"
#include "view/cells.h"
#include "view/layout.h"
#include "view/sink.h"

/*
 * The longest row without what names_bytes() counts: 2 times, 2 addresses, comm, all numbers and
 * the blanks between columns: < 1024.
 */
#define ROW_BYTES 1536

/* Widths of columns in a wide row. */
#define NETNS_NAME_WIDTH   12
#define UNIT_WIDTH	   20
#define CONTAINER_WIDTH	   20
#define CONTAINER_ID_WIDTH 12
#define POD_WIDTH	   32

/* How many connections have rows at about the same time. 12 KiB stay in the nearest cache. */
#define CONNECTIONS	 64
#define CONNECTION_BYTES 126 /* owner and both sides of a wide row */

struct table {
	struct sink sink;
	struct style style;
	struct layout layout;
	struct text *text;
	struct stamp stamp;
	struct memo *connections;
	struct word states[TCPDWELL_STATE_MAX][TCPDWELL_STATE_MAX];
};

static struct table *table_of(struct sink *sink)
{
	return (struct table *)sink;
}

/* ---- Words ---- */

/* Returns "ESTABLISHED -> CLOSE" or "ESTAB->CLOSE". */
static struct word states_word(const struct layout *layout, unsigned int from, unsigned int to)
{
	char pair[STATES_WIDTH + PUT_FILL_MAX], *p = pair;

	if (layout->compact) {
		p = put_string(p, tcpstate_short_name(from));
		p = put_string(put_literal(p, "->"), tcpstate_short_name(to));
	} else {
		p = put_fill(put_string(p, tcpstate_name(from)), p, sizeof("ESTABLISHED") - 1);
		p = put_string(put_literal(p, " -> "), tcpstate_name(to));
	}
	*p = '\0';
	return word_make(pair);
}

static void make_words(struct table *table)
{
	for (int from = 1; from < TCPDWELL_STATE_MAX; from++) {
		for (int to = 1; to < TCPDWELL_STATE_MAX; to++)
			table->states[from][to] = states_word(&table->layout, from, to);
	}
}

/* ---- Cells ---- */

static void put_times(struct table *table, struct row *row, uint64_t mono_ns)
{
	const struct style *style = &table->style;

	if (style->wall_time) {
		uint64_t wall_ns = clock_wall_ns(style->clock, mono_ns);

		if (table->layout.compact)
			row->p = put_time(row->p, &table->stamp, wall_ns, style->utc);
		else
			row->p = put_time_us(row->p, &table->stamp, wall_ns, style->utc);
		row->p = put_char(row->p, ' ');
	}
	if (style->since_start) {
		bool compact = table->layout.compact;
		size_t width = compact ? SHORT_SECONDS_WIDTH : SECONDS_WIDTH;
		char seconds[24];
		size_t len = put_seconds_us(seconds, clock_since_start_ns(style->clock, mono_ns)) -
			     seconds;

		if (compact) /* the fraction is cut to fit */
			len = len - 3 < width ? len - 3 : width;
		if (len < width)
			row->p = put_fill(row->p, row->p, width - len);
		row->p = put_char(put_bytes(row->p, seconds, len), ' ');
	}
}

static void put_owner(const struct layout *layout, struct row *row,
		      const struct tcpdwell_transition *t)
{
	cell_number(row, t->owner, t->pid, PID_WIDTH);
	cell_text(row, t->owner && t->comm[0] ? t->comm : NULL, layout->comm);
}

/* Writes `addr:port`, or `*:*` if there is no other side, as ss shows it for a listener. */
static void put_endpoint(struct row *row, const struct tcpdwell_transition *t, const uint8_t *addr,
			 uint16_t port, unsigned int width)
{
	if (!port && addr_is_any(addr, 16))
		cell_left(row, "*:*", width);
	else
		cell_address(row, t->family, addr, port, width);
}

static void put_local(const struct layout *layout, struct row *row,
		      const struct tcpdwell_transition *t)
{
	if (layout->local > PORT_WIDTH)
		put_endpoint(row, t, t->laddr, t->lport, layout->local);
	else
		cell_number(row, t->lport, t->lport, PORT_WIDTH);
}

static void set_key_of_connection(struct memo_key *key, const struct tcpdwell_transition *t)
{
	key->words[0] = (uint64_t)t->pid << 32 | (uint32_t)t->lport << 16 | t->rport;
	key->words[1] = (uint64_t)t->family << 56 | (uint64_t)t->owner << 48;
	memcpy(&key->words[2], t->comm, sizeof(t->comm));
	memcpy(&key->words[4], t->laddr, sizeof(t->laddr));
	memcpy(&key->words[6], t->raddr, sizeof(t->raddr));
}

/*
 * Writes the owner and both ends. They are the same in most rows of a connection, so the text is
 * remembered.
 */
static void put_connection(struct table *table, struct row *row,
			   const struct tcpdwell_transition *t)
{
	const struct layout *layout = &table->layout;
	const struct memo_text *text;
	struct memo_key key;
	char *start = row->p;

	set_key_of_connection(&key, t);
	text = memo_find(table->connections, &key);
	if (text) {
		row->p = put_bytes(row->p, text->text, text->len);
		return;
	}
	put_owner(layout, row, t);
	put_local(layout, row, t);
	put_endpoint(row, t, t->raddr, t->rport, layout->remote);
	/*
	 * Text whose columns differ from its bytes is not remembered, since its columns must be
	 * counted.
	 */
	if (!row->excess)
		memo_keep(table->connections, &key, start, row->p - start);
}

/* Writes `reason/ERRNO`, or either one if there is no other, or `-` if there is neither. */
static char *put_reason(char *p, const char *reason, const char *err)
{
	if (!reason)
		return put_string(p, err ? err : "-");
	p = put_string(p, reason);
	return err ? put_string(put_char(p, '/'), err) : p;
}

/* Writes a blank, and the longest form of the reason that fits the rest of the row. */
static void put_reason_fitting(const struct layout *layout, struct row *row,
			       const struct tcpdwell_transition *t)
{
	const char *names[] = { reason_name(t->reason), reason_short_name(t->reason) };
	const char *err = layout->errnos ? telling_errno(t->reason, t->err) : NULL;
	unsigned int used = row_columns(row) + 1;
	unsigned int room = layout->limit > used ? layout->limit - used : 0;
	char form[64];

	for (unsigned int i = layout->compact; i < 2; i++) {
		for (int with_errno = 1; with_errno >= 0; with_errno--) {
			const char *name = t->reason ? names[i] : NULL;
			size_t len = put_reason(form, name, with_errno ? err : NULL) - form;

			if (len > room)
				continue;
			row->p = put_bytes(put_char(row->p, ' '), form, len);
			return;
		}
	}
	/* A reason implies that the connection closed, so it may replace the word CLOSE. */
	if (t->reason && t->to == TCPDWELL_CLOSE &&
	    strlen(names[1]) <= room + 1 + sizeof("CLOSE") - 1)
		row->p = put_string(row->p - (sizeof("CLOSE") - 1), names[1]);
}

/* ---- Rows ---- */

static void cell_reason(struct row *row, const struct tcpdwell_transition *t, unsigned int width)
{
	char *start = row->p;

	if (t->to == TCPDWELL_CLOSE)
		row->p = put_reason(row->p, reason_name(t->reason),
				    telling_errno(t->reason, t->err));
	else
		row->p = put_char(row->p, '-');
	cell_end(row, start, width);
}

/* The beginning of a container's id, as `docker ps` has it. */
static void cell_id(struct row *row, const char *id, unsigned int width)
{
	char text[CONTAINER_TEXT_BYTES];

	snprintf(text, sizeof(text), "%.*s", width, id ?: "");
	cell_text(row, id ? text : NULL, width);
}

static void cell_pod(struct row *row, const struct names *names, unsigned int width)
{
	const char *pod = names_text(names, CONTAINER_POD);
	char text[2 * CONTAINER_TEXT_BYTES];

	snprintf(text, sizeof(text), "%s/%s", names_text(names, CONTAINER_POD_NAMESPACE) ?: "",
		 pod ?: "");
	cell_text(row, pod ? text : NULL, width);
}

#define HEAD_OF_reason cell_left
#define HEAD_OF_id     cell_left
#define HEAD_OF_pod    cell_left

/* What -w adds, but for the cgroup at the end, which is not cut. */
#define WIDE_COLUMNS(C, t, names)                                                  \
	C(reason, "REASON", REASON_WIDTH, t)                                       \
	C(number, "COOKIE", 10, (t)->cookie, (t)->cookie)                          \
	C(number, "NETNS", 10, (t)->netns, (t)->netns)                             \
	C(text, "NETNS_NAME", NETNS_NAME_WIDTH, (names) ? (names)->netns : NULL)   \
	C(number, "UID", 10, (t)->uid != UINT32_MAX, (t)->uid)                     \
	C(left, "OWNER", 7, owner_name((t)->owner) ?: "-")                         \
	C(number, "HOLDS", 5, (t)->holders, (t)->holders)                          \
	C(left, "SOURCE", 13, source_name((t)->source))                            \
	C(text, "UNIT", UNIT_WIDTH, names_text(names, CONTAINER_UNIT))             \
	C(text, "CONTAINER", CONTAINER_WIDTH, names_text(names, CONTAINER_LABEL))  \
	C(id, "CONTAINER_ID", CONTAINER_ID_WIDTH, names_text(names, CONTAINER_ID)) \
	C(pod, "POD", POD_WIDTH, names)

static void put_wide_cells(struct row *row, const struct tcpdwell_transition *t,
			   const struct names *names)
{
	const char *cgroup = names_path(names);
	unsigned int columns;

	WIDE_COLUMNS(COLUMN_CELL, t, names);
	if (cgroup)
		row->p = put_escaped(row->p, cgroup, strlen(cgroup), &columns);
	else
		row->p = put_char(row->p, '-');
}

static int table_event(struct sink *sink, const struct tcpdwell_transition *t,
		       const struct names *names)
{
	struct table *table = table_of(sink);
	const struct layout *layout = &table->layout;
	struct row row = {};
	char *start;

	row.start = row.p = text_reserve(table->text,
					 ROW_BYTES + ESCAPE_TEXT_BYTES * names_bytes(names));
	if (!row.p)
		return text_error(table->text);

	put_times(table, &row, t->time_ns);
	put_connection(table, &row, t);
	cell_dwell(&row, t->dwell, t->dwell_ns, DWELL_WIDTH);
	start = row.p;
	row.p = put_word(row.p, &table->states[t->from][t->to]);
	if (table->style.wide) {
		cell_end(&row, start, STATES_WIDTH);
		put_wide_cells(&row, t, names);
	} else if (t->to == TCPDWELL_CLOSE) {
		put_reason_fitting(layout, &row, t);
	}
	text_commit(table->text, put_char(row.p, '\n'));
	return 0;
}

static void put_header(struct table *table, struct row *row)
{
	const struct style *style = &table->style;
	const struct layout *layout = &table->layout;

	if (style->wall_time)
		cell_left(row, "TIME", layout->compact ? SHORT_TIME_WIDTH : TIME_WIDTH);
	if (style->since_start)
		cell_word_right(row, "TIME(s)",
				layout->compact ? SHORT_SECONDS_WIDTH : SECONDS_WIDTH);
	cell_word_right(row, "PID", PID_WIDTH);
	cell_left(row, "COMM", layout->comm);
	if (layout->local > PORT_WIDTH)
		cell_left(row, "LADDR:LPORT", layout->local);
	else
		cell_word_right(row, "LPORT", PORT_WIDTH);
	cell_left(row, "RADDR:RPORT", layout->remote);
	cell_word_right(row, "DWELL", DWELL_WIDTH);
	if (layout->compact) {
		row->p = put_literal(row->p, "FROM->TO");
	} else if (style->wide) {
		cell_left(row, "FROM        -> TO", STATES_WIDTH);
		WIDE_COLUMNS(COLUMN_HEAD, , );
		row->p = put_literal(row->p, "CGROUP");
	} else {
		row->p = put_literal(row->p, "FROM        -> TO    REASON");
	}
}

static int table_start(struct sink *sink)
{
	struct table *table = table_of(sink);
	struct row row = {};

	row.start = row.p = text_reserve(table->text, ROW_BYTES);
	if (!row.p)
		return text_error(table->text);
	put_header(table, &row);
	text_commit(table->text, put_char(row.p, '\n'));
	return text_flush(table->text);
}

static int table_tick(struct sink *sink)
{
	return text_flush(table_of(sink)->text);
}

/* The summary is no data of the table: it goes to standard error, printed by another module. */
static int table_finish(struct sink *sink, const struct summary *summary)
{
	(void)summary;
	return text_flush(table_of(sink)->text);
}

static void table_free(struct sink *sink)
{
	if (!sink)
		return;
	memo_free(table_of(sink)->connections);
	free(sink);
}

static const struct sink_ops table_ops = {
	.start = table_start,
	.event = table_event,
	.tick = table_tick,
	.finish = table_finish,
	.free = table_free,
};

struct sink *sink_table_new(const struct style *style)
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->sink.ops = &table_ops;
	table->style = *style;
	table->layout = layout_for(style);
	table->text = style->text;
	table->connections = memo_new(CONNECTIONS, CONNECTION_BYTES);
	if (!table->connections) {
		table_free(&table->sink);
		return NULL;
	}
	make_words(table);
	return &table->sink;
}
