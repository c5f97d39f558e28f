// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "base/tcpstate.h"
#include "model/listing.h"
#include "view/layout.h"
#include "view/print.h"
#include "view/socket_report.h"

/* The columns, from left to right. */
enum column {
	COLUMN_PID,
	COLUMN_COMM,
	COLUMN_STATE,
	COLUMN_LOCAL,
	COLUMN_REMOTE,
	COLUMN_AGE,
	COLUMN_RECV,
	COLUMN_SEND,
	COLUMN_AGAIN,
	COLUMN_TIMER,
	COLUMN_LEFT,
	COLUMN_KEEPALIVE,
	COLUMN_ENDS,
	COLUMN_BY,
	COLUMN_NETNS,
	COLUMN_HOLDERS,
	COLUMN_MAX,
};

/* A width of 0 means that the column is left out. */
static const struct {
	const char *name;
	const char *narrow_name; /* if it differs */
	unsigned int narrow, wide;
	unsigned int rank; /* 1 is widened first, if there is room */
	bool right;
} columns_of[COLUMN_MAX] = {
	[COLUMN_PID] = { "PID", NULL, PID_WIDTH, PID_WIDTH, 0, true },
	[COLUMN_COMM] = { "COMM", NULL, 7, COMM_WIDTH, 5, false },
	[COLUMN_STATE] = { "STATE", NULL, 8, 11, 3, false },
	[COLUMN_LOCAL] = { "LADDR:LPORT", "LPORT", PORT_WIDTH, IPV4_WIDTH, 6, false },
	[COLUMN_REMOTE] = { "RADDR:RPORT", NULL, IPV4_WIDTH, IPV4_WIDTH, 0, false },
	[COLUMN_AGE] = { "AGE", NULL, 7, 13, 7, true },
	[COLUMN_RECV] = { "RECVQ", NULL, 5, 7, 8, true },
	[COLUMN_SEND] = { "SENDQ", NULL, 5, 7, 8, true },
	[COLUMN_AGAIN] = { "RETR", NULL, 0, 4, 1, true },
	[COLUMN_TIMER] = { "TIMER", NULL, 0, 10, 2, false },
	[COLUMN_LEFT] = { "LEFT", NULL, 0, 6, 2, true },
	[COLUMN_KEEPALIVE] = { "KEEPALIVE", NULL, 0, 9, 4, true },
	[COLUMN_ENDS] = { "ENDS", NULL, 7, 7, 0, true },
	[COLUMN_BY] = { "BY", NULL, 0, 18, 9, false },
	[COLUMN_NETNS] = { "NETNS", NULL, 0, 10, 10, false },
	[COLUMN_HOLDERS] = { "HOLDERS", NULL, 0, 24, 11, false },
};

#define RANKS 11

/* The prefix of all settings, which columns leave out. */
#define SETTING_PREFIX "net.ipv4."

struct table {
	unsigned int widths[COLUMN_MAX];
	bool starred; /* some end has a `*` */
};

const char *socket_timer_name(unsigned int timer)
{
	static const char *const names[TCPDWELL_TIMER_MAX] = {
		[TCPDWELL_TIMER_NONE] = "none",
		[TCPDWELL_TIMER_RETRANSMIT] = "retransmit",
		[TCPDWELL_TIMER_KEEPALIVE] = "keepalive",
		[TCPDWELL_TIMER_TIMEWAIT] = "timewait",
		[TCPDWELL_TIMER_PROBE] = "probe",
		[TCPDWELL_TIMER_REQUEST] = "synack",
	};

	return timer < TCPDWELL_TIMER_MAX ? names[timer] : names[TCPDWELL_TIMER_NONE];
}

/* ---- Widths ---- */

static unsigned int width_of(const unsigned int *widths)
{
	unsigned int all = 0;

	for (int i = 0; i < COLUMN_MAX; i++)
		all += widths[i] ? widths[i] + (i > 0) : 0;
	return all;
}

static void set_widths(struct table *table, unsigned int columns)
{
	for (int i = 0; i < COLUMN_MAX; i++)
		table->widths[i] = columns_of[i].narrow;
	for (unsigned int rank = 1; rank <= RANKS; rank++) {
		unsigned int wider[COLUMN_MAX];

		for (int i = 0; i < COLUMN_MAX; i++)
			wider[i] = columns_of[i].rank == rank ? columns_of[i].wide :
								table->widths[i];
		if (!columns || width_of(wider) <= columns)
			memcpy(table->widths, wider, sizeof(wider));
	}
}

/* ---- Cells ---- */

/* Prints a cell of at least its column's width, after a blank. */
static void print_cell(FILE *out, const struct table *table, enum column column, const char *text)
{
	int width = table->widths[column];

	if (column)
		fputc(' ', out);
	if (columns_of[column].right)
		fprintf(out, "%*s", width, text);
	else if (column == COLUMN_HOLDERS)
		fputs(text, out); /* it is the last column */
	else
		fprintf(out, "%-*s", width, text);
}

/* Writes how long a timer still runs. What is less than a tick counts as nothing. */
static void left_text(char *text, size_t size, uint64_t ns)
{
	duration_text(text, size, ns < 1000000 ? 0 : ns);
}

static void number_text(char *text, size_t size, bool known, uint64_t number)
{
	snprintf(text, size, known ? "%" PRIu64 : "-", number);
}

const char *socket_who(const struct tcpdwell_socket *info)
{
	if (info->comm[0])
		return info->comm;
	return info->flags & TCPDWELL_SOCKET_KERNEL ? "kernel" : "-";
}

static void print_who(FILE *out, const struct table *table, const struct tcpdwell_socket *info)
{
	char text[24];

	number_text(text, sizeof(text), info->pid, info->pid);
	print_cell(out, table, COLUMN_PID, text);
	fputc(' ', out);
	print_text(out, socket_who(info), table->widths[COLUMN_COMM]);
}

static void print_where(FILE *out, const struct table *table, const struct tcpdwell_socket *info)
{
	bool short_names = table->widths[COLUMN_STATE] == columns_of[COLUMN_STATE].narrow;
	char text[24];

	print_cell(out, table, COLUMN_STATE,
		   short_names ? tcpstate_short_name(info->state) : tcpstate_name(info->state));
	if (table->widths[COLUMN_LOCAL] == PORT_WIDTH) {
		number_text(text, sizeof(text), info->lport, info->lport);
		print_cell(out, table, COLUMN_LOCAL, text);
	} else {
		fputc(' ', out);
		print_end(out, info->family, info->laddr, info->lport, table->widths[COLUMN_LOCAL]);
	}
	if (info->rport) {
		fputc(' ', out);
		print_end(out, info->family, info->raddr, info->rport,
			  table->widths[COLUMN_REMOTE]);
	} else {
		print_cell(out, table, COLUMN_REMOTE, "-");
	}
}

/* Leaves out the upper bound if there is no room for both. */
static void print_age_cell(FILE *out, const struct table *table, struct age age)
{
	if (table->widths[COLUMN_AGE] < columns_of[COLUMN_AGE].wide && age.least_ns &&
	    age_worth(age) != TCPDWELL_DWELL_EXACT)
		age.most_ns = AGE_UNBOUNDED;
	fputc(' ', out);
	print_bounds(out, age, "-", table->widths[COLUMN_AGE]);
}

static void print_queues(FILE *out, const struct table *table, const struct listing_row *row)
{
	uint32_t recv, send;
	bool known = listing_queues(row, &recv, &send);
	char text[24];

	number_text(text, sizeof(text), known, recv);
	print_cell(out, table, COLUMN_RECV, text);
	number_text(text, sizeof(text), known, send);
	print_cell(out, table, COLUMN_SEND, text);
}

static void print_timer(FILE *out, const struct table *table, const struct listing_row *row)
{
	const struct tcpdwell_detail *detail = &row->socket->info.detail;
	bool known = detail->known & TCPDWELL_KNOWN_TIMER;
	char text[24];

	if (table->widths[COLUMN_AGAIN]) {
		number_text(text, sizeof(text), known, listing_sent_again(row));
		print_cell(out, table, COLUMN_AGAIN, text);
	}
	if (!table->widths[COLUMN_TIMER])
		return;
	print_cell(out, table, COLUMN_TIMER,
		   known && detail->timer ? socket_timer_name(detail->timer) : "-");
	left_text(text, sizeof(text), detail->expires_ns);
	print_cell(out, table, COLUMN_LEFT, known && detail->timer ? text : "-");
}

/* Prints TIME/INTERVAL/PROBES as in the settings, with times in seconds. */
static void print_keepalive(FILE *out, const struct table *table, const struct listing_row *row)
{
	const struct tcpdwell_detail *detail = &row->socket->info.detail;
	char text[40];

	if (!table->widths[COLUMN_KEEPALIVE])
		return;
	if (!(detail->known & TCPDWELL_KNOWN_KEEPALIVE))
		snprintf(text, sizeof(text), "-");
	else if (!(detail->flags & TCPDWELL_DETAIL_KEEPALIVE))
		snprintf(text, sizeof(text), "off");
	else if (!(detail->known & TCPDWELL_KNOWN_OPTIONS) || !row->netns)
		snprintf(text, sizeof(text), "on");
	else
		snprintf(text, sizeof(text), "%" PRIu32 "/%" PRIu32 "/%" PRIu32,
			 row->timers.keepalive_time_s, row->timers.keepalive_intvl_s,
			 row->timers.keepalive_probes);
	print_cell(out, table, COLUMN_KEEPALIVE, text);
}

static const char *setting_text(enum deadline_by by)
{
	const char *name = deadline_setting(by);

	if (!strncmp(name, SETTING_PREFIX, strlen(SETTING_PREFIX)))
		name += strlen(SETTING_PREFIX);
	return *name ? name : "-";
}

static void print_deadline(FILE *out, struct table *table, const struct deadline *end)
{
	char text[32] = "-";

	if (end->kind == DEADLINE_NEVER)
		snprintf(text, sizeof(text), "never");
	if (end->kind == DEADLINE_AT || end->kind == DEADLINE_IF_SILENT)
		left_text(text, sizeof(text) - 1, end->ns);
	if (end->kind == DEADLINE_IF_SILENT) {
		strcat(text, "*");
		table->starred = true;
	}
	print_cell(out, table, COLUMN_ENDS, text);
	if (table->widths[COLUMN_BY])
		print_cell(out, table, COLUMN_BY, setting_text(end->by));
}

static void print_netns(FILE *out, const struct table *table, const struct listing_row *row)
{
	char number[24];

	if (!table->widths[COLUMN_NETNS])
		return;
	fputc(' ', out);
	number_text(number, sizeof(number), true, row->socket->info.netns);
	print_text(out, row->netns && row->netns->name[0] ? row->netns->name : number,
		   table->widths[COLUMN_NETNS]);
}

/*
 * Prints COMM/PID/FD of each descriptor that leads to the socket; "-" stands for a fixed file of
 * io_uring.
 */
static void print_holders(FILE *out, const struct table *table, const struct sockets *sockets,
			  const struct socket_seen *socket)
{
	const struct socket_holder *holder = sockets_first_holder(sockets, socket);

	if (!table->widths[COLUMN_HOLDERS])
		return;
	fputs(holder ? " " : " -", out);
	for (bool first = true; holder; first = false) {
		fputs(first ? "" : ",", out);
		print_text(out, holder->comm, 0);
		fprintf(out, "/%" PRIu32 "/", holder->pid);
		if (holder->fd == TCPDWELL_NO_FD)
			fputc('-', out);
		else
			fprintf(out, "%" PRIu32, holder->fd);
		holder = sockets_next_holder(sockets, holder);
	}
}

/* ---- All ---- */

static void print_head(FILE *out, const struct table *table)
{
	for (int i = 0; i < COLUMN_MAX; i++) {
		const char *name = columns_of[i].name;

		if (!table->widths[i])
			continue;
		if (i == COLUMN_LOCAL && table->widths[i] == PORT_WIDTH)
			name = columns_of[i].narrow_name;
		print_cell(out, table, i, name);
	}
	fputc('\n', out);
}

void socket_report(FILE *out, const struct listing *listing, unsigned int columns)
{
	struct table table = {};

	set_widths(&table, columns);
	print_head(out, &table);
	for (size_t i = 0; i < listing->count; i++) {
		const struct listing_row *row = &listing->rows[i];
		const struct tcpdwell_socket *info = &row->socket->info;

		print_who(out, &table, info);
		print_where(out, &table, info);
		print_age_cell(out, &table, row->age);
		print_queues(out, &table, row);
		print_timer(out, &table, row);
		print_keepalive(out, &table, row);
		print_deadline(out, &table, &row->end);
		print_netns(out, &table, row);
		print_holders(out, &table, listing->sockets, row->socket);
		fputc('\n', out);
	}
	if (table.starred)
		fputs("* unless the peer answers\n", out);
	if (listing->perhaps)
		fprintf(out, "%zu more are perhaps as old: nothing tells more of their ages\n",
			listing->perhaps);
}
