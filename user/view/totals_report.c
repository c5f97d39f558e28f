// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <inttypes.h>
#include <stdbool.h>

#include "base/clock.h"
#include "base/text.h"
#include "model/totals.h"
#include "view/totals_report.h"

#define TIME_COLUMNS 8

#define BIT(state) (1U << TCPDWELL_##state)

/* What a column shows. */
enum what {
	OF_STATES,
	OF_ORPHANS,
	OF_OPENED,
	OF_CLOSED,
	OF_FAILED,
	OF_RESET,
	OF_RETRANS,
	OF_MEMORY
};

struct column {
	const char *name;
	unsigned int width;
	enum what what;
	unsigned int states; /* the states that are added up */
};

/* The columns for 125 columns, and for 80. */
static const struct column wide[] = {
	{ "LISTEN", 6, OF_STATES, BIT(LISTEN) },
	{ "SYN_SENT", 8, OF_STATES, BIT(SYN_SENT) },
	{ "SYN_RECV", 8, OF_STATES, BIT(SYN_RECV) },
	{ "ESTAB", 6, OF_STATES, BIT(ESTABLISHED) },
	{ "FIN_W1", 6, OF_STATES, BIT(FIN_WAIT1) },
	{ "FIN_W2", 6, OF_STATES, BIT(FIN_WAIT2) },
	{ "CLOSE_W", 7, OF_STATES, BIT(CLOSE_WAIT) },
	{ "LAST_ACK", 8, OF_STATES, BIT(LAST_ACK) | BIT(CLOSING) },
	{ "TIME_W", 6, OF_STATES, BIT(TIME_WAIT) },
	{ "ORPHAN", 6, OF_ORPHANS, 0 },
	{ "OPEN/s", 6, OF_OPENED, 0 },
	{ "END/s", 6, OF_CLOSED, 0 },
	{ "FAIL/s", 6, OF_FAILED, 0 },
	{ "RST/s", 5, OF_RESET, 0 },
	{ "RETR/s", 6, OF_RETRANS, 0 },
	{ "MEM", 5, OF_MEMORY, 0 },
	{ 0 },
};

static const struct column narrow[] = {
	{ "SYN", 5, OF_STATES, BIT(SYN_SENT) | BIT(SYN_RECV) },
	{ "ESTAB", 6, OF_STATES, BIT(ESTABLISHED) },
	{ "FIN", 5, OF_STATES, BIT(FIN_WAIT1) | BIT(FIN_WAIT2) | BIT(LAST_ACK) | BIT(CLOSING) },
	{ "CLOSE_W", 7, OF_STATES, BIT(CLOSE_WAIT) },
	{ "TIME_W", 6, OF_STATES, BIT(TIME_WAIT) },
	{ "ORPH", 5, OF_ORPHANS, 0 },
	{ "OPEN/s", 6, OF_OPENED, 0 },
	{ "END/s", 5, OF_CLOSED, 0 },
	{ "RST/s", 5, OF_RESET, 0 },
	{ "RETR/s", 6, OF_RETRANS, 0 },
	{ "MEM", 5, OF_MEMORY, 0 },
	{ 0 },
};

static unsigned int width_of(const struct column *columns)
{
	unsigned int width = TIME_COLUMNS;

	for (; columns->name; columns++)
		width += columns->width + 1;
	return width;
}

static const struct column *columns_for(unsigned int columns)
{
	return !columns || columns >= width_of(wide) ? wide : narrow;
}

/* ---- Values ---- */

static uint64_t sum_of(const struct totals_line *line, unsigned int states)
{
	uint64_t sum = 0;

	for (unsigned int state = 1; state < TCPDWELL_STATE_MAX; state++)
		if (states >> state & 1)
			sum += line->states[state];
	return sum;
}

static uint64_t value_of(const struct totals_line *line, const struct column *column)
{
	switch (column->what) {
	case OF_ORPHANS:
		return line->orphans;
	case OF_OPENED:
		return line->opened;
	case OF_CLOSED:
		return line->closed;
	case OF_FAILED:
		return line->failed;
	case OF_RESET:
		return line->reset;
	case OF_RETRANS:
		return line->retransmitted;
	case OF_MEMORY:
		return line->memory_bytes;
	default:
		return sum_of(line, column->states);
	}
}

static bool is_rate(enum what what)
{
	return what >= OF_OPENED && what <= OF_RETRANS;
}

/* Prints one digit after the point if the number is small: 0.5, 12. */
static void print_rate(FILE *out, uint64_t count, uint64_t interval_ns, int width)
{
	double rate = interval_ns ? count * 1e9 / interval_ns : 0;

	fprintf(out, "%*.*f", width, count && rate < 9.95 ? 1 : 0, rate);
}

static void print_bytes(FILE *out, uint64_t bytes, int width)
{
	static const char units[] = "KMGT";
	unsigned int unit = 0;

	for (bytes /= 1024; bytes >= 10240 && unit < sizeof(units) - 2; unit++)
		bytes /= 1024;
	fprintf(out, "%*" PRIu64 "%c", width - 1, bytes, units[unit]);
}

void totals_report_head(FILE *out, unsigned int columns)
{
	fprintf(out, "%-*s", TIME_COLUMNS, "TIME");
	for (const struct column *column = columns_for(columns); column->name; column++)
		fprintf(out, " %*s", (int)column->width, column->name);
	fputc('\n', out);
}

void totals_report(FILE *out, const struct totals_line *line, uint64_t wall_ns,
		   unsigned int columns)
{
	char time[TIME_COLUMNS + 1 + TEXT_SLACK_BYTES];
	struct stamp stamp = {};

	*put_time(time, &stamp, wall_ns, false) = '\0';
	fputs(time, out);
	for (const struct column *column = columns_for(columns); column->name; column++) {
		uint64_t value = value_of(line, column);

		fputc(' ', out);
		if (value == TOTALS_UNKNOWN)
			fprintf(out, "%*s", (int)column->width, "-");
		else if (column->what == OF_MEMORY)
			print_bytes(out, value, column->width);
		else if (is_rate(column->what))
			print_rate(out, value, line->interval_ns, column->width);
		else
			fprintf(out, "%*" PRIu64, (int)column->width, value);
	}
	fputc('\n', out);
}
