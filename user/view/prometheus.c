// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/text.h"
#include "view/export_labels.h"
#include "view/prometheus.h"

#define OPENMETRICS_END "# EOF\n"

struct page {
	FILE *out;
	bool openmetrics;
	int metric;		       /* whose head was printed last; -1: none */
	struct prometheus_part *parts; /* for both formats; NULL: only one is printed */
	unsigned int count;	       /* the number of parts */
};

/* ---- Pieces ---------------------------------------------------------------------------------- */

/*
 * Prints a label. After the first escaping, the backslash is the only byte that the second one
 * changes: `\x0a` becomes `\\x0a`.
 */
static void print_label(FILE *out, const char *name, const char *value)
{
	char text[ESCAPE_TEXT_BYTES * EXPORT_VALUE_BYTES + TEXT_SLACK_BYTES];
	unsigned int columns;
	size_t len = strnlen(value, EXPORT_VALUE_BYTES);
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
	/* Counts are integers, and exact up to 2^53. */
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

/* In OpenMetrics, a family's name does not have the suffix of its samples. */
static void print_head(FILE *out, const struct export_metric_def *def, bool openmetrics)
{
	const char *suffix = openmetrics ? "" : export_suffix(def->kind);

	fprintf(out, "# HELP %s%s %s\n", def->name, suffix, def->help);
	fprintf(out, "# TYPE %s%s %s\n", def->name, suffix, type_of(def->kind, openmetrics));
	if (openmetrics && def->unit)
		fprintf(out, "# UNIT %s %s\n", def->name, def->unit);
}

/* Begins a part. The samples printed so far belong to the part before. */
static void begin_part(struct page *page, const struct export_metric_def *def)
{
	struct prometheus_part *part = &page->parts[page->count];

	if (page->count)
		part[-1].samples_end = ftell(page->out);
	print_head(page->out, def, false);
	part->text_end = ftell(page->out);
	print_head(page->out, def, true);
	part->openmetrics_end = ftell(page->out);
	page->count++;
}

/* ---- Series ---------------------------------------------------------------------------------- */

/* Prints all labels of a series, followed by @le if it is not NULL. */
static void print_labels(FILE *out, const struct export_series *series, const char *le)
{
	enum export_part part = export_metric_table[series->metric].part;
	const struct export_labels *labels = series->labels;
	const char *before = "{";
	char number[16];

	if (part) {
		fputs(before, out);
		print_label(out, export_part_label(part),
			    export_part_value(part, series->part, number, sizeof(number)));
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
		count += series->dwells->counts[i];
		if (i < EXPORT_BOUNDS)
			snprintf(le, sizeof(le), "%.14g", export_bound_s(i));
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

	if (page->metric != (int)series->metric && page->parts)
		begin_part(page, def);
	else if (page->metric != (int)series->metric)
		print_head(page->out, def, page->openmetrics);
	page->metric = series->metric;
	if (series->dwells) {
		print_dwells(page->out, series);
		return 0;
	}
	fprintf(page->out, "%s%s", def->name, export_suffix(def->kind));
	print_labels(page->out, series, NULL);
	print_number(page->out, series->value);
	return 0;
}

int prometheus_print(FILE *out, const struct export *export, bool openmetrics)
{
	struct page page = { .out = out, .openmetrics = openmetrics, .metric = -1 };
	int err = export_each(export, print_series, &page);

	if (err)
		return err;
	if (openmetrics)
		fputs(OPENMETRICS_END, out);
	return 0;
}

int prometheus_print_both(FILE *out, const struct export *export,
			  struct prometheus_part parts[PROMETHEUS_PARTS])
{
	struct page page = { .out = out, .metric = -1, .parts = parts };
	int err = export_each(export, print_series, &page);

	if (err)
		return err;
	if (page.count)
		parts[page.count - 1].samples_end = ftell(out);
	fputs(OPENMETRICS_END, out);
	return page.count;
}
