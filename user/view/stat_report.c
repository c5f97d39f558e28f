// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/put.h"
#include "base/tcpstate.h"
#include "base/text.h"
#include "model/stat_names.h"
#include "model/hist.h"
#include "view/layout.h"
#include "view/print.h"
#include "view/stat_report.h"

#define STATE_WIDTH    11 /* ESTABLISHED */
#define NAME_WIDTH     23 /* a process, or an IPv4 prefix */
#define NAME_WIDE      42 /* an IPv6 prefix, the path of a cgroup */
#define COUNT_WIDTH    9
#define DURATION_WIDTH 7
#define OLDER_WIDTH    6

/*
 * The histogram in one line goes from 2^10 ns (a microsecond) to 2^37 ns (two minutes) and beyond.
 */
#define LINE_FIRST 10
#define LINE_LAST  37

/* The width of a bar in the histogram below a row. */
#define BAR_WIDTH 32

struct page {
	FILE *out;
	const struct stat_view *view;
	const struct stat_style *style;
	unsigned int name_width; /* 0: there are no names */
	bool wide;
	uint64_t older; /* rows so far whose dwell is a lower bound */
};

/*
 * ---- Names --------------------------------------------------------------------------------------
 */

/*
 * Prints a name that is not escaped yet, in its column. After a name that is too long, the row
 * continues on the next line.
 */
static void print_name(const struct page *page, const char *name)
{
	if (strlen(name) <= page->name_width) {
		print_text(page->out, name, page->name_width);
		return;
	}
	print_text(page->out, name, 0);
	fprintf(page->out, "\n%*s", (int)(STATE_WIDTH + 1 + page->name_width), "");
}

static void print_process(const struct page *page, const struct tcpdwell_stat_key *key)
{
	if (key->number)
		fprintf(page->out, "%*" PRIu32 " ", PID_WIDTH, key->number);
	else
		fprintf(page->out, "%*s ", PID_WIDTH, "-");
	print_text(page->out, key->comm[0] ? key->comm : "-", COMM_WIDTH);
	fprintf(page->out, "%*s", (int)page->name_width - PID_WIDTH - 1 - COMM_WIDTH, "");
}

static void print_prefix(const struct page *page, const struct tcpdwell_stat_key *key)
{
	char text[64 + TEXT_SLACK_BYTES], *p;

	if (stat_key_is_ipv4(key)) {
		p = put_char(put_ipv4(text, key->addr + 12), '/');
		p = put_u64(p, page->view->prefix4);
	} else {
		p = put_char(put_ipv6(text, key->addr), '/');
		p = put_u64(p, page->view->prefix6);
	}
	*p = '\0';
	print_name(page, text);
}

static void print_number(const struct page *page, uint32_t number)
{
	char text[16] = "-";

	if (number)
		snprintf(text, sizeof(text), "%" PRIu32, number);
	print_name(page, text);
}

/*
 * Prints NAMESPACE/POD/CONTAINER, as far as the group has them; the UID for a pod without a name.
 */
static void print_place(const struct page *page, const struct stat_name *name)
{
	const char *pod = name->texts[CONTAINER_POD] ?: name->pod_uid;
	const char *container = name->texts[CONTAINER_LABEL];
	const char *of = name->texts[CONTAINER_POD] ? name->texts[CONTAINER_POD_NAMESPACE] : NULL;
	char text[3 * CONTAINER_TEXT_BYTES];

	snprintf(text, sizeof(text), "%s%s%s%s%s", of ?: "", of ? "/" : "", pod ?: "",
		 pod && container ? "/" : "", container ?: "");
	print_name(page, *text ? text : "-");
}

static void print_group(const struct page *page, const struct stat_group *group)
{
	const struct tcpdwell_stat_key *key = &group->key;
	const struct stat_name *name = stat_names_at(page->view->names, key->number);

	if (group->others) {
		print_name(page, "(others)");
		return;
	}
	switch (page->view->by) {
	case TCPDWELL_BY_PROCESS:
		print_process(page, key);
		break;
	case TCPDWELL_BY_COMM:
		print_name(page, key->comm[0] ? key->comm : "-");
		break;
	case TCPDWELL_BY_PREFIX:
		print_prefix(page, key);
		break;
	case TCPDWELL_BY_CGROUP:
		print_name(page, name->path ?: "-");
		break;
	case TCPDWELL_BY_UNIT:
		print_name(page, name->texts[CONTAINER_UNIT] ?: "-");
		break;
	case TCPDWELL_BY_CONTAINER:
	case TCPDWELL_BY_POD:
		print_place(page, name);
		break;
	case TCPDWELL_BY_PORT:
	case TCPDWELL_BY_LPORT:
	case TCPDWELL_BY_RPORT:
		print_number(page, key->number);
		break;
	case TCPDWELL_BY_STATE:
	case TCPDWELL_BY_NETNS:
		break;
	}
}

static const char *const titles[] = {
	[TCPDWELL_BY_PROCESS] = "    PID COMM",
	[TCPDWELL_BY_COMM] = "COMM",
	[TCPDWELL_BY_PORT] = "PORT",
	[TCPDWELL_BY_LPORT] = "LPORT",
	[TCPDWELL_BY_RPORT] = "RPORT",
	[TCPDWELL_BY_PREFIX] = "PREFIX",
	[TCPDWELL_BY_CGROUP] = "CGROUP",
	[TCPDWELL_BY_STATE] = "",
	[TCPDWELL_BY_UNIT] = "UNIT",
	[TCPDWELL_BY_CONTAINER] = "CONTAINER",
	[TCPDWELL_BY_POD] = "POD",
};

/*
 * ---- Histograms ---------------------------------------------------------------------------------
 */

static uint64_t line_count(const struct hist *hist, unsigned int column)
{
	unsigned int power = LINE_FIRST + column, last = power;
	uint64_t count = 0;

	if (power == LINE_FIRST)
		power = 0;
	if (last == LINE_LAST)
		last = 63;
	for (; power <= last; power++)
		count += hist_power_count(hist, power);
	return count;
}

/* Prints one line without blanks at its end. */
static void print_line(FILE *out, const struct hist *hist)
{
	static const char *const eighths[] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	uint64_t fullest = 1;
	unsigned int end = 0;

	for (unsigned int i = 0; i <= LINE_LAST - LINE_FIRST; i++) {
		uint64_t count = line_count(hist, i);

		if (count > fullest)
			fullest = count;
		if (count)
			end = i + 1;
	}
	for (unsigned int i = 0; i < end; i++)
		fputs(eighths[hist_marks(line_count(hist, i), fullest, 8)], out);
}

static void print_bar(FILE *out, unsigned int power, uint64_t count, uint64_t fullest)
{
	fputs("  ", out);
	print_duration(out, hist_power_lowest(power), DURATION_WIDTH);
	fputs(" .. ", out);
	print_duration(out, hist_power_end(power), DURATION_WIDTH);
	fprintf(out, " %*" PRIu64 " ", COUNT_WIDTH - 1, count);
	for (unsigned int i = 0; i < hist_marks(count, fullest, BAR_WIDTH); i++)
		fputc('*', out);
	fputc('\n', out);
}

/* Prints a line for each power of two from the least value to the greatest. */
static void print_bars(FILE *out, const struct hist *hist)
{
	unsigned int first = buckets_log2(hist->min_ns), last = buckets_log2(hist->max_ns);
	uint64_t fullest = 1;

	for (unsigned int i = first; i <= last; i++)
		if (hist_power_count(hist, i) > fullest)
			fullest = hist_power_count(hist, i);
	for (unsigned int i = first; hist->count && i <= last; i++)
		print_bar(out, i, hist_power_count(hist, i), fullest);
}

/*
 * ---- The page -----------------------------------------------------------------------------------
 */

static void print_top_line(const struct page *page)
{
	const struct stat_view *view = page->view;
	char time[16 + TEXT_SLACK_BYTES];
	struct stamp stamp = {};
	char *end = put_time(time, &stamp, view->wall_ns, page->style->utc);

	fprintf(page->out, "%.*s  %" PRIu64 " dwells in ", (int)(end - time), time,
		stat_table_rows(view->table));
	print_duration(page->out, view->span_ns, 0);
	if (view->lost)
		fprintf(page->out, "; %" PRIu64 " more found no room: see --hist-size", view->lost);
	fputc('\n', page->out);
}

static void print_head(const struct page *page)
{
	fprintf(page->out, "%-*s ", STATE_WIDTH, "STATE");
	if (page->name_width)
		fprintf(page->out, "%-*s ", (int)page->name_width, titles[page->view->by]);
	fprintf(page->out, "%*s %*s %*s %*s %*s", COUNT_WIDTH, "COUNT", DURATION_WIDTH, "P50",
		DURATION_WIDTH, "P90", DURATION_WIDTH, "P99", DURATION_WIDTH, "MAX");
	if (page->wide)
		fprintf(page->out, " %*s %-11s%-10s%-6s%s", OLDER_WIDTH, "OLDER", "1µs", "1ms",
			"1s", "1m");
	fputc('\n', page->out);
}

static void print_row(struct page *page, const struct stat_group *group)
{
	static const double percents[] = { 50, 90, 99, 100 };
	uint8_t worth = group->count ? TCPDWELL_DWELL_EXACT : TCPDWELL_DWELL_UNKNOWN;
	struct hist hist;

	stat_table_hist(page->view->table, group, &hist);
	fprintf(page->out, "%-*s ", STATE_WIDTH, stat_state_name(group->key.state));
	if (page->name_width) {
		print_group(page, group);
		fputc(' ', page->out);
	}
	fprintf(page->out, "%*" PRIu64, COUNT_WIDTH, group->count);
	for (unsigned int i = 0; i < sizeof(percents) / sizeof(*percents); i++) {
		fputc(' ', page->out);
		print_age(page->out, hist_percentile(&hist, percents[i]), worth, DURATION_WIDTH);
	}
	if (page->wide) {
		fprintf(page->out, " %*" PRIu64 " ", OLDER_WIDTH, group->at_least);
		print_line(page->out, &hist);
	}
	fputc('\n', page->out);
	if (page->style->histogram)
		print_bars(page->out, &hist);
}

/*
 * Prints the rows of the state of the first group. Returns how many of the @count groups have that
 * state.
 */
static size_t print_state(struct page *page, const struct stat_group *groups, size_t count)
{
	uint64_t left = 0;
	size_t i;

	for (i = 0; i < count && groups[i].key.state == groups->key.state; i++) {
		page->older += groups[i].at_least;
		if (i < page->style->top)
			print_row(page, &groups[i]);
		else
			left += groups[i].count + groups[i].at_least;
	}
	if (i > page->style->top)
		fprintf(page->out, "%-*s … and %zu more with %" PRIu64 "\n", STATE_WIDTH,
			stat_state_name(groups->key.state), i - page->style->top, left);
	return i;
}

int stat_report(FILE *out, const struct stat_view *view, const struct stat_style *style)
{
	struct page page = {
		.out = out,
		.view = view,
		.style = style,
		.wide = style->columns >= STAT_WIDE,
	};
	const struct stat_group *groups;
	size_t count;
	int err = stat_table_groups(view->table, &groups, &count);

	if (err)
		return err;
	if (page.wide && (view->by == TCPDWELL_BY_PREFIX || view->by == TCPDWELL_BY_CGROUP))
		page.name_width = NAME_WIDE;
	else if (view->by != TCPDWELL_BY_STATE)
		page.name_width = NAME_WIDTH;
	print_top_line(&page);
	if (!count)
		return 0;
	print_head(&page);
	for (size_t i = 0; i < count;)
		i += print_state(&page, groups + i, count - i);
	if (page.older)
		fprintf(out,
			"%" PRIu64 " of sockets that were there before: at least so long, "
			"in no percentile\n",
			page.older);
	return 0;
}
