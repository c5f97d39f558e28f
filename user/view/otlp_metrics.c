// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A metric's name is that in Prometheus without the unit and `_total`, and with a dot after
 * `tcpdwell`. A collector that hands it to a Prometheus turns it into the name that `export`
 * serves.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/put.h"
#include "model/export.h"
#include "view/export_labels.h"
#include "view/otlp.h"

/*
 * The room for what stands before the first point of a line, except the host's name; and for the
 * head of a metric.
 */
#define HEAD_BYTES 1024

/* The room for the times, count and sum of a point, and for a histogram's buckets. */
#define POINT_BYTES (512 + (EXPORT_BOUNDS + 1) * 24 + EXPORT_BOUNDS * 24)

struct page {
	struct text *text;
	const struct otlp_metrics *of;
	size_t line_bytes; /* 0: no line has begun */
	int metric;	   /* whose points are being written; -1: none */
};

static int take(struct page *page, const char *begin, const char *end)
{
	page->line_bytes += end - begin;
	text_commit(page->text, end);
	return 0;
}

/* ---- Lines and metrics ----------------------------------------------------------------------- */

static int begin_line(struct page *page)
{
	size_t host = strlen(page->of->host);
	char *begin = text_reserve(page->text, HEAD_BYTES + ESCAPE_JSON_BYTES * host), *p = begin;

	if (!p)
		return text_error(page->text);
	p = put_literal(p, "{\"resourceMetrics\":[{\"resource\":{\"attributes\":[");
	p = put_otlp_text(p, "host.name", page->of->host, host);
	p = put_otlp_end(put_otlp_text(p, "os.type", "linux", 5));
	p = put_otlp_scope(put_literal(p, "]},\"scopeMetrics\":[{"));
	return take(page, begin, put_literal(p, "\"metrics\":["));
}

/* Appends the name without its unit. A name that is only a unit is kept. */
static char *put_name(char *p, const struct export_metric_def *def)
{
	static const char prefix[] = "tcpdwell_";
	const char *name = def->name + sizeof(prefix) - 1;
	size_t len = strlen(name), unit = def->unit ? strlen(def->unit) : 0;

	if (unit && len > unit)
		len -= unit + 1;
	p = put_bytes(put_literal(p, "tcpdwell."), name, len);
	return def->kind == EXPORT_INFO ? put_literal(p, "_info") : p;
}

/* Returns the unit as UCUM spells it. */
static const char *unit_of(const char *unit)
{
	if (!unit)
		return "";
	return !strcmp(unit, "seconds") ? "s" : !strcmp(unit, "bytes") ? "By" : "1";
}

static int begin_metric(struct page *page, const struct export_series *series)
{
	const struct export_metric_def *def = &export_metric_table[series->metric];
	char *begin = text_reserve(page->text, HEAD_BYTES), *p = begin;

	if (!p)
		return text_error(page->text);
	p = put_literal(put_name(put_literal(p, "{\"name\":\""), def), "\",\"description\":\"");
	p = put_literal(put_string(p, def->help), "\",\"unit\":\"");
	p = put_literal(put_string(p, unit_of(def->unit)), "\",");
	if (def->kind == EXPORT_COUNTER)
		p = put_literal(p, "\"sum\":{\"aggregationTemporality\":2,\"isMonotonic\":true,");
	else if (def->kind == EXPORT_HISTOGRAM)
		p = put_literal(p, "\"histogram\":{\"aggregationTemporality\":2,");
	else
		p = put_literal(p, "\"gauge\":{");
	page->metric = series->metric;
	return take(page, begin, put_literal(p, "\"dataPoints\":["));
}

static int end_metric(struct page *page)
{
	char *begin = text_reserve(page->text, HEAD_BYTES);

	page->metric = -1;
	return begin ? take(page, begin, put_literal(begin, "]}}")) : text_error(page->text);
}

static int end_line(struct page *page)
{
	int err = page->metric >= 0 ? end_metric(page) : 0;
	char *begin;

	if (err || !page->line_bytes)
		return err;
	begin = text_reserve(page->text, HEAD_BYTES);
	if (!begin)
		return text_error(page->text);
	take(page, begin, put_literal(begin, "]}]}]}\n"));
	page->line_bytes = 0;
	return 0;
}

static int put_comma(const struct page *page)
{
	char *p = text_reserve(page->text, 1);

	if (!p)
		return text_error(page->text);
	text_commit(page->text, put_char(p, ','));
	return 0;
}

/* Prepares for a point of the series: begins a line or a metric if needed. */
static int go_to(struct page *page, const struct export_series *series)
{
	int err = 0;

	if (page->line_bytes >= OTLP_LINE_BYTES)
		err = end_line(page);
	if (!err && page->metric == (int)series->metric)
		return put_comma(page);
	if (!err && page->metric >= 0)
		err = end_metric(page) ?: put_comma(page);
	else if (!err)
		err = begin_line(page);
	return err ?: begin_metric(page, series);
}

/* ---- Points ---------------------------------------------------------------------------------- */

/* Labels by their names in Prometheus. Other labels get the prefix `tcpdwell.`. */
static const char *const keys[][2] = {
	{ "state", "network.connection.state" }, { "errno", "error.type" },
	{ "comm", "process.executable.name" },	 { "unit", "systemd.unit.name" },
	{ "container", "container.name" },	 { "pod", "k8s.pod.name" },
	{ "namespace", "k8s.namespace.name" },
};

static const char *key_of(const char *label, char *room, size_t size)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (!strcmp(keys[i][0], label))
			return keys[i][1];
	snprintf(room, size, "tcpdwell.%s", label);
	return room;
}

/* Appends a label. As in Prometheus, an empty label is the same as none. */
static char *put_label(char *p, const char *label, const char *value)
{
	char room[64];
	size_t len = strnlen(value, EXPORT_VALUE_BYTES);

	return len ? put_otlp_text(p, key_of(label, room, sizeof(room)), value, len) : p;
}

/*
 * Appends a port as a number, as the conventions want it. A value that is no number is a plain
 * label.
 */
static char *put_port(char *p, const char *value)
{
	uint64_t port = 0;

	for (const char *c = value; *c >= '0' && *c <= '9'; c++)
		port = 10 * port + *c - '0';
	return port ? put_otlp_number(p, "server.port", port) : put_label(p, "port", value);
}

static char *put_labels(char *p, const struct export_series *series)
{
	enum export_part part = export_metric_table[series->metric].part;
	const struct export_labels *labels = series->labels;
	char number[16];

	p = put_literal(p, "\"attributes\":[");
	if (part == EXPORT_PART_STATE)
		p = put_label(p, "state", otlp_state_name(series->part) ?: "");
	else if (part)
		p = put_label(p, export_part_label(part),
			      export_part_value(part, series->part, number, sizeof(number)));
	for (unsigned int i = 0; i < EXPORT_LABELS && labels->name[i]; i++)
		p = strcmp(labels->name[i], "port") ?
			    put_label(p, labels->name[i], labels->value[i]) :
			    put_port(p, labels->value[i]);
	return put_literal(put_otlp_end(p), "],");
}

/* The middle of a bucket is up to 1/64 off, so more digits would mean nothing. */
static char *put_double(char *p, double value)
{
	return p + sprintf(p, "%.15g", value);
}

static char *put_dwells(char *p, const struct export_dwells *dwells)
{
	uint64_t count = 0;

	for (unsigned int i = 0; i <= EXPORT_BOUNDS; i++)
		count += dwells->counts[i];
	p = put_u64(put_literal(p, "\"count\":\""), count);
	p = put_double(put_literal(p, "\",\"sum\":"), dwells->sum_s);
	p = put_literal(p, ",\"bucketCounts\":[");
	for (unsigned int i = 0; i <= EXPORT_BOUNDS; i++)
		p = put_literal(put_u64(put_char(p, '"'), dwells->counts[i]), "\",");
	p = put_literal(put_otlp_end(p), "],\"explicitBounds\":[");
	for (unsigned int i = 0; i < EXPORT_BOUNDS; i++)
		p = put_char(put_double(p, export_bound_s(i)), ',');
	return put_char(put_otlp_end(p), ']');
}

/* Counted values are integers; measured ones usually are not. */
static char *put_value(char *p, const struct export_series *series)
{
	if (export_metric_table[series->metric].kind == EXPORT_FLEETING)
		return put_double(put_literal(p, "\"asDouble\":"), series->value);
	return put_char(put_u64(put_literal(p, "\"asInt\":\""), series->value), '"');
}

/* Appends when the series began. It must not change, or a collector sees a new stream. */
static char *put_start(char *p, const struct page *page, uint64_t since_ns)
{
	const struct otlp_metrics *of = page->of;
	uint64_t later_ns = since_ns ? since_ns - of->start_ns : 0;

	return put_otlp_time(p, "startTimeUnixNano", of->start_wall_ns + later_ns);
}

static int print_point(void *context, const struct export_series *series)
{
	enum export_kind kind = export_metric_table[series->metric].kind;
	struct page *page = context;
	int err = go_to(page, series);
	size_t labels = (EXPORT_LABELS + 1) *
			(OTLP_PAIR_BYTES + ESCAPE_JSON_BYTES * EXPORT_VALUE_BYTES);
	char *begin = err ? NULL : text_reserve(page->text, POINT_BYTES + labels), *p = begin;

	if (!p)
		return err ?: text_error(page->text);
	p = put_labels(put_char(p, '{'), series);
	if (kind == EXPORT_COUNTER || kind == EXPORT_HISTOGRAM)
		p = put_start(p, page, series->since_ns);
	p = put_otlp_time(p, "timeUnixNano", clock_wall_ns(page->of->clock, page->of->now_ns));
	p = series->dwells ? put_dwells(p, series->dwells) : put_value(p, series);
	return take(page, begin, put_char(p, '}'));
}

int otlp_metrics_print(struct text *text, const struct export *export,
		       const struct otlp_metrics *metrics)
{
	struct page page = { .text = text, .of = metrics, .metric = -1 };

	return export_each(export, print_point, &page) ?: end_line(&page);
}
