// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/tcpstate.h"
#include "base/text.h"
#include "model/export.h"
#include "view/prometheus.h"

struct page {
	FILE *out;
	bool openmetrics;
	int metric; /* whose head was printed last, -1: none */
};

/* ---- Pieces ---------------------------------------------------------------------------------- */

/* Longer values are cut: no name of a process, a unit or a pod is as long, paths may be. */
#define VALUE_BYTES 512

/*
 * Of a value that is to be printed, the backslash is the only byte that both escapes know: `\x0a`
 * becomes `\\x0a`.
 */
static void print_label(FILE *out, const char *name, const char *value)
{
	char text[ESCAPE_TEXT_BYTES * VALUE_BYTES + TEXT_SLACK_BYTES];
	unsigned int columns;
	size_t len = strnlen(value, VALUE_BYTES);
	const char *end = put_escaped(text, value, len, &columns);

	fprintf(out, "%s=\"", name);
	for (const char *c = text; c < end; c++) {
		if (*c == '"' || *c == '\\')
			putc('\\', out);
		putc(*c, out);
	}
	putc('"', out);
}

static void print_number(FILE *out, double value)
{
	/* Counts are whole, and stay so up to 2^53. */
	if (value < 9007199254740992.0 && value == (double)(int64_t)value)
		fprintf(out, "%.0f\n", value);
	else
		fprintf(out, "%.15g\n", value);
}

/* ---- Heads ----------------------------------------------------------------------------------- */

static const char *type_of(enum export_kind kind, bool openmetrics)
{
	switch (kind) {
	case EXPORT_COUNTER:
		return "counter";
	case EXPORT_HISTOGRAM:
		return "histogram";
	case EXPORT_INFO:
		return openmetrics ? "info" : "gauge";
	default:
		return "gauge";
	}
}

static const char *suffix_of(enum export_kind kind)
{
	return kind == EXPORT_COUNTER ? "_total" : kind == EXPORT_INFO ? "_info" : "";
}

/* In OpenMetrics a family has the name without what its samples have behind it. */
static void print_head(const struct page *page, const char *name, enum export_kind kind,
		       const char *unit, const char *help)
{
	const char *suffix = page->openmetrics ? "" : suffix_of(kind);

	fprintf(page->out, "# HELP %s%s %s\n", name, suffix, help);
	fprintf(page->out, "# TYPE %s%s %s\n", name, suffix, type_of(kind, page->openmetrics));
	if (page->openmetrics && unit)
		fprintf(page->out, "# UNIT %s %s\n", name, unit);
}

/* ---- Series ---------------------------------------------------------------------------------- */

static const char *const part_names[] = {
	[EXPORT_PART_STATE] = "state",	       [EXPORT_PART_SIDE] = "side",
	[EXPORT_PART_DIRECTION] = "direction", [EXPORT_PART_REASON] = "reason",
	[EXPORT_PART_ERRNO] = "errno",
};

static const char *part_value(enum export_part part, uint32_t value, char *number, size_t size)
{
	const char *name = NULL;

	if (part == EXPORT_PART_STATE)
		return tcpstate_name(value);
	if (part == EXPORT_PART_SIDE)
		return value == EXPORT_CLIENT ? "client" : "server";
	if (part == EXPORT_PART_DIRECTION)
		return value == EXPORT_SENT ? "sent" : "received";
	if (part == EXPORT_PART_REASON)
		return reason_name(value) ?: "unknown";
	name = errno_name(value);
	if (name)
		return name;
	snprintf(number, size, "%" PRIu32, value);
	return number;
}

/* All labels of a series, and @le behind them if it is not NULL. */
static void print_labels(FILE *out, const struct export_series *series, const char *le)
{
	enum export_part part = export_metric_table[series->metric].part;
	const struct export_labels *labels = series->labels;
	const char *before = "{";
	char number[16];

	if (part) {
		fputs(before, out);
		print_label(out, part_names[part],
			    part_value(part, series->part, number, sizeof(number)));
		before = ",";
	}
	for (unsigned int i = 0; i < EXPORT_LABELS && labels->name[i]; i++) {
		fputs(before, out);
		print_label(out, labels->name[i], labels->value[i]);
		before = ",";
	}
	if (le) {
		fprintf(out, "%sle=\"%s\"", before, le);
		before = ",";
	}
	if (*before == ',')
		putc('}', out);
	putc(' ', out);
}

static void print_dwells(FILE *out, const struct export_series *series)
{
	const char *name = export_metric_table[series->metric].name;
	uint64_t count = 0;
	char le[32] = "+Inf";

	for (unsigned int i = 0; i <= EXPORT_BOUNDS; i++) {
		uint64_t bound_ns = 1ULL << (EXPORT_FIRST_POWER + 2 * i);

		count += series->dwells->counts[i];
		if (i < EXPORT_BOUNDS)
			snprintf(le, sizeof(le), "%.14g", (double)bound_ns / 1e9);
		else
			strcpy(le, "+Inf");
		fprintf(out, "%s_bucket", name);
		print_labels(out, series, le);
		fprintf(out, "%" PRIu64 "\n", count);
	}
	fprintf(out, "%s_sum", name);
	print_labels(out, series, NULL);
	print_number(out, series->dwells->sum_s);
	fprintf(out, "%s_count", name);
	print_labels(out, series, NULL);
	fprintf(out, "%" PRIu64 "\n", count);
}

static int print_series(void *context, const struct export_series *series)
{
	const struct export_metric_def *def = &export_metric_table[series->metric];
	struct page *page = context;

	if (page->metric != (int)series->metric)
		print_head(page, def->name, def->kind, def->unit, def->help);
	page->metric = series->metric;
	if (series->dwells) {
		print_dwells(page->out, series);
		return 0;
	}
	fprintf(page->out, "%s%s", def->name, suffix_of(def->kind));
	print_labels(page->out, series, NULL);
	print_number(page->out, series->value);
	return 0;
}

/* ---- What is said of the metrics themselves -------------------------------------------------- */

static void print_lines(const struct page *page, const struct export *export)
{
	print_head(page, "tcpdwell_metric_series", EXPORT_GAUGE, NULL,
		   "Series of a metric, the lines of a histogram one by one.");
	for (unsigned int i = 0; i < EXPORT_METRICS; i++)
		if (export_metric_table[i].bounded)
			fprintf(page->out, "tcpdwell_metric_series{metric=\"%s%s\"} %" PRIu32 "\n",
				export_metric_table[i].name, suffix_of(export_metric_table[i].kind),
				export_lines(export, i));
	print_head(page, "tcpdwell_beyond_max_series", EXPORT_COUNTER, NULL,
		   "Times that a group had no room for a series of its own.");
	for (unsigned int i = 0; i < EXPORT_METRICS; i++)
		if (export_metric_table[i].bounded)
			fprintf(page->out,
				"tcpdwell_beyond_max_series_total{metric=\"%s%s\"} %" PRIu64 "\n",
				export_metric_table[i].name, suffix_of(export_metric_table[i].kind),
				export_beyond(export, i));
}

int prometheus_print(FILE *out, const struct export *export, bool openmetrics)
{
	struct page page = { .out = out, .openmetrics = openmetrics, .metric = -1 };
	int err = export_each(export, print_series, &page);

	if (err)
		return err;
	print_lines(&page, export);
	if (openmetrics)
		fputs("# EOF\n", out);
	return 0;
}
