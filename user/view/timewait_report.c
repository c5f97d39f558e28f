// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <inttypes.h>
#include <string.h>

#include "base/escape.h"
#include "base/plural.h"
#include "base/put.h"
#include "base/text.h"
#include "view/layout.h"
#include "view/print.h"
#include "view/sink.h"
#include "view/timewait_report.h"

/* The columns where the figures of a table begin, those of ports, and those of single sockets. */
#define NAME_WIDTH  40
#define PORTS_WIDTH 33
#define ENDS_WIDTH  60

/* The width of a bar in the histogram. */
#define BAR_WIDTH 16

/* Enough for two IPv6 ends, a namespace's escaped name, and the slack of put.h. */
#define NAME_BYTES 384

/* ---- Words ----------------------------------------------------------------------------------- */

/* A text that is being made, and its number of columns. */
struct name {
	char text[NAME_BYTES];
	unsigned int columns;
};

/* Prints a rate in seven columns, with three digits, since more would mean nothing. */
static void print_rate(FILE *out, double rate)
{
	if (rate >= 99.95)
		fprintf(out, "%5.0f/s", rate);
	else if (rate >= 9.995 || rate == 0)
		fprintf(out, "%5.*f/s", rate ? 1 : 0, rate);
	else
		fprintf(out, "%5.2f/s", rate);
}

static void name_end(struct name *name, char *end)
{
	*end = '\0';
	name->columns = end - name->text;
}

static struct name owner_name_of(const struct tally_key *key)
{
	struct name name;
	unsigned int columns;
	char *p = name.text;

	if (!key->pid) {
		name_end(&name, put_literal(p, "      - -"));
		return name;
	}
	p += sprintf(p, "%*" PRIu32 " ", PID_WIDTH, key->pid);
	name_end(&name, p);
	p = put_escaped_cut(p, key->comm, strnlen(key->comm, sizeof(key->comm)), COMM_WIDTH,
			    &columns);
	*p = '\0';
	name.columns += columns;
	return name;
}

static struct name remote_name(const struct tally_key *key)
{
	struct name name;

	name_end(&name, put_end(name.text, key->family, key->raddr, key->rport));
	return name;
}

static struct name port_name(const struct tally_key *key)
{
	struct name name;

	if (key->lport)
		name_end(&name, put_u16(name.text, key->lport));
	else if (key->side == SERVICE_REMOTE)
		name_end(&name, put_literal(name.text, "ephemeral"));
	else
		name_end(&name, put_literal(name.text, "- (client or server)"));
	return name;
}

static char *put_netns(char *p, const struct timewait_netns *netns, uint32_t inode)
{
	unsigned int columns;

	if (netns && netns->own)
		return p;
	p = put_literal(p, "netns ");
	if (netns && netns->name[0])
		p = put_escaped(p, netns->name, strlen(netns->name), &columns);
	else
		p = put_u64(p, inode);
	return put_char(p, ' ');
}

/* Returns "10.0.0.5 -> 10.0.0.9:5432"; for another namespace, its name comes first. */
static struct name client_name(const struct timewait_pressure *row)
{
	const struct tally_key *key = &row->row.key;
	struct name name;
	char *p = put_netns(name.text, row->netns, key->netns);

	p = put_addr(p, key->family, key->laddr);
	if (key->scope)
		p = put_u64(put_char(p, '%'), key->scope);
	p = put_literal(p, " -> ");
	if (key->bound)
		name_end(&name, put_literal(p, "any, by bind()"));
	else
		name_end(&name, put_end(p, key->family, key->raddr, key->rport));
	return name;
}

static void print_name(FILE *out, const struct name *name, unsigned int width)
{
	fputs(name->text, out);
	if (name->columns > width)
		fprintf(out, "\n%*s", (int)width, "");
	else
		fprintf(out, "%*s", (int)(width - name->columns), "");
}

/* ---- Head ------------------------------------------------------------------------------------ */

/* Says what is known of the sockets that were in TIME_WAIT at the start. */
static void print_at_start(FILE *out, const struct timewait_figures *f,
			   const struct timewait_scope *scope)
{
	if (scope->old_unknown) {
		fprintf(out, "at start: not known (%s); not counted\n", scope->old_unknown);
	} else if (f->old) {
		fprintf(out, "at start: %" PRIu64 ", counted apart", f->old);
		if (f->ended_old)
			fprintf(out, ", %" PRIu64 " reused or ended early", f->ended_old);
		fputs("; time left p50 ", out);
		print_duration(out, hist_percentile(f->old_left, 50), 0);
		fputs(", max ", out);
		print_duration(out, f->old_left->max_ns, 0);
		fputc('\n', out);
	}
	if (scope->closed & ~NETNS_WALK_MORE)
		fprintf(out, "%u namespaces not looked into at start (CAP_SYS_ADMIN)\n",
			scope->closed & ~NETNS_WALK_MORE);
	if (scope->closed & NETNS_WALK_MORE)
		fprintf(out, "more than %u namespaces: the others not looked into at start\n",
			NETNS_WALK_MAX);
}

/* Says what went wrong during the run, and what the tables lack. */
static void print_troubles(FILE *out, const struct timewait_figures *f)
{
	if (f->open_partial)
		fputs("more connections are open than are counted under OPEN\n", out);
	if (f->overflow) {
		fprintf(out, "! %" PRIu64 " closed without TIME_WAIT: tcp_max_tw_buckets",
			f->overflow);
		if (f->overflow_settings && f->overflow_settings->ephemeral.known)
			fprintf(out, " (%" PRIu32 ") reached",
				f->overflow_settings->ephemeral.max_tw_buckets);
		fputs("; raise it\n", out);
	}
	if (f->refused)
		fprintf(out, "! %" PRIu64 " connect() failed: no local port (EADDRNOTAVAIL)\n",
			f->refused);
}

static void print_head(FILE *out, const struct timewait_figures *f,
		       const struct timewait_scope *scope)
{
	fprintf(out, "TIME_WAIT: %" PRIu64 " now, %" PRIu64 " entered (", f->total.now,
		f->total.entered);
	if (f->total.rate > 0 && f->total.rate < 0.995)
		fprintf(out, "%.2f/s", f->total.rate);
	else
		fprintf(out, "%.*f/s", f->total.rate < 99.5 && f->total.rate > 0, f->total.rate);
	fprintf(out, "), %" PRIu64 " left, in ", f->total.left);
	print_duration(out, f->now_ns - f->start_ns, 0);
	fputc('\n', out);
	print_at_start(out, f, scope);
	print_troubles(out, f);
}

/* ---- Pressure -------------------------------------------------------------------------------- */

static void print_verdict(FILE *out, const struct pressure *p)
{
	switch (p->verdict) {
	case PRESSURE_UNKNOWN:
		fputs("        -", out);
		break;
	case PRESSURE_EXHAUSTED:
		fputs("      NOW", out);
		break;
	case PRESSURE_FILLING:
		fputs(" in", out);
		print_duration(out, p->exhausted_ns, 6);
		break;
	default:
		fputs(p->reuse ? "   reused" : "       no", out);
	}
}

static void print_pressure(FILE *out, const struct timewait_pressure *row)
{
	const struct pressure *p = &row->pressure;
	struct name name = client_name(row);

	print_name(out, &name, PORTS_WIDTH);
	fprintf(out, "%7" PRIu64 "%7" PRIu64, row->row.now, row->open);
	if (p->usable)
		fprintf(out, " %6" PRIu32 " %6.1f%%", p->usable, p->used * 100);
	else
		fputs("      -       -", out);
	fputc(' ', out);
	print_rate(out, row->row.rate);
	print_verdict(out, p);
	fputc('\n', out);
}

/* Returns the row that @advice is for. Each advice is given once, for the worst row. */
static const struct timewait_pressure *row_advised(const struct timewait_figures *f,
						   unsigned int advice)
{
	for (unsigned int i = 0; i < f->pressure_count; i++)
		if (f->pressures[i].pressure.advice & advice)
			return &f->pressures[i];
	return NULL;
}

/*
 * Prints programs and their numbers of connections. A process that has ended is not named, since
 * that would not help.
 */
static void print_programs(FILE *out, const struct timewait_pressure *row,
			   const struct tally_name *names)
{
	char text[ESCAPE_TEXT_BYTES * COMM_WIDTH + TEXT_SLACK_BYTES];
	unsigned int columns;

	for (unsigned int i = 0; i < TALLY_NAMES && names[i].connections; i++) {
		const char *comm = names[i].comm;
		char *end = put_escaped_cut(text, comm, strnlen(comm, sizeof(names[i].comm)),
					    COMM_WIDTH, &columns);

		fprintf(out, "      %.*s", (int)(end - text), text);
		if (names == row->names && !row->varies && !row->gone)
			fprintf(out, " (%" PRIu32 ")", row->pid);
		fprintf(out, ": %" PRIu32 " connection%s", names[i].connections,
			plural(names[i].connections));
		if (names == row->names && row->varies && !i)
			fputs(", several processes", out);
		fputc('\n', out);
	}
}

/* Prints what programs can do, and which ones. Those of one row are named once. */
static void print_for_programs(FILE *out, const struct timewait_figures *f)
{
	const struct timewait_pressure *row = row_advised(f, PRESSURE_LATE_BIND), *next;

	if (row) {
		fputs("  IP_BIND_ADDRESS_NO_PORT before bind(): what bind() chooses is closed to "
		      "all\n",
		      out);
		print_programs(out, row, row->row.key.bound ? row->names : row->blockers);
	}
	row = row_advised(f, PRESSURE_WIDEN);
	if (row) {
		fprintf(out, "  IP_LOCAL_PORT_RANGE, which leaves %" PRIu32 " ports\n",
			row->pressure.usable);
		print_programs(out, row, row->names);
	}
	row = row_advised(f, PRESSURE_FEWER);
	next = row_advised(f, PRESSURE_POOL);
	if (row) {
		fputs("  fewer connections at a time, or more addresses, here or there\n", out);
		print_programs(out, row, row->names);
	}
	if (next) {
		fputs("  keep connections open: keep-alive or a pool\n", out);
		print_programs(out, next, next->names);
	}
}

static void print_helpful(FILE *out, const struct timewait_figures *f)
{
	const struct timewait_pressure *row;
	const struct ephemeral *e;

	print_for_programs(out, f);
	row = row_advised(f, PRESSURE_REUSE);
	if (row) {
		e = &row->netns->ephemeral;
		fprintf(out, "  net.ipv4.tcp_tw_reuse=1 (is %u%s): ports free again after %.3g s\n",
			e->tw_reuse, e->tw_reuse == TW_REUSE_LOOPBACK ? ", loopback only" : "",
			e->tw_reuse_delay_ms / 1000.0);
	}
	row = row_advised(f, PRESSURE_TIMESTAMPS);
	if (row)
		fputs("  net.ipv4.tcp_timestamps=1: without it tcp_tw_reuse does nothing\n", out);
	row = row_advised(f, PRESSURE_RANGE);
	if (row) {
		e = &row->netns->ephemeral;
		fprintf(out,
			"  net.ipv4.ip_local_port_range: now %u %u, 1024 65535 is the widest\n",
			e->low, e->high);
	}
	row = row_advised(f, PRESSURE_RESERVED);
	if (row)
		fprintf(out,
			"  net.ipv4.ip_local_reserved_ports keeps %" PRIu32
			" ports of the range back\n",
			row->netns->ephemeral.reserved);
}

/* Prints a note if connect() failed although few ports that are seen are held. */
static void print_elsewhere(FILE *out, const struct timewait_figures *f)
{
	for (unsigned int i = 0; i < f->pressure_count; i++) {
		if (!f->pressures[i].pressure.elsewhere)
			continue;
		fputs("what holds the ports where few are USED is not seen: sockets that are bound "
		      "and\n"
		      "  not connected, or the range was narrower\n",
		      out);
		return;
	}
}

/* Prints the namespace of the settings, since those of another one have no effect. */
static void print_where(FILE *out, const struct timewait_figures *f)
{
	const struct timewait_pressure *row = row_advised(f, PRESSURE_SETTINGS);
	char text[NAME_BYTES], *end;

	if (row) {
		end = put_netns(text, row->netns, row->row.key.netns);
		if (end > text)
			fprintf(out, " (settings are those of %.*s)", (int)(end - text - 1), text);
	}
	fputc('\n', out);
}

static bool holds_by_timewait(const struct timewait_figures *f)
{
	for (unsigned int i = 0; i < f->pressure_count; i++)
		if (f->pressures[i].pressure.advice &&
		    f->pressures[i].pressure.holder == PRESSURE_BY_TIMEWAIT)
			return true;
	return false;
}

static void print_useless(FILE *out, const struct timewait_figures *f)
{
	const struct timewait_pressure *row = row_advised(f, PRESSURE_FIN_TIMEOUT);
	bool reuse = row_advised(f, PRESSURE_NO_REUSE);

	fputs("what does not: ", out);
	if (reuse)
		fputs("tcp_tw_reuse, for ports that bind() or open connections hold", out);
	if (reuse && holds_by_timewait(f))
		fputs(";\n  ", out);
	if (holds_by_timewait(f)) {
		fputs("tcp_fin_timeout", out);
		if (row)
			fprintf(out, " (is %" PRIu32 ")", row->netns->ephemeral.fin_timeout_s);
		fputs(" is FIN_WAIT2's, TIME_WAIT stays 60 s;\n"
		      "  tcp_tw_recycle is gone since Linux 4.12",
		      out);
	}
	fputc('\n', out);
}

static void print_advice(FILE *out, const struct timewait_figures *f)
{
	if (!row_advised(f, PRESSURE_POOL | PRESSURE_FEWER))
		return;
	fputs("what helps, the best first", out);
	print_where(out, f);
	print_helpful(out, f);
	print_elsewhere(out, f);
	print_useless(out, f);
}

static void print_rest_name(FILE *out, unsigned int keys, bool more, unsigned int width)
{
	char text[32];

	snprintf(text, sizeof(text), "%u%s others", keys, more ? "+" : "");
	fprintf(out, "%-*s", (int)width, text);
}

static void print_pressures(FILE *out, const struct timewait_figures *f)
{
	if (!f->pressure_count)
		return;
	fprintf(out, "\n%-*s%7s%7s %6s %7s %7s%9s\n", PORTS_WIDTH,
		"PORTS OF CLIENTS, local -> remote", "NOW", "OPEN", "PORTS", "USED", "RATE",
		"FULL");
	for (unsigned int i = 0; i < f->pressure_count; i++)
		print_pressure(out, &f->pressures[i]);
	if (f->pressure_rest_keys || f->pressure_rest_more) {
		print_rest_name(out, f->pressure_rest_keys, f->pressure_rest_more, PORTS_WIDTH);
		fprintf(out, "%7" PRIu64 "%*s", f->pressure_rest.now, 23, "");
		print_rate(out, f->pressure_rest.rate);
		fputc('\n', out);
	}
	print_advice(out, f);
}

/* ---- Tables ---------------------------------------------------------------------------------- */

static void print_figures(FILE *out, const struct timewait_row *row)
{
	fprintf(out, "%7" PRIu64 " %8" PRIu64 " %8" PRIu64 " ", row->now, row->entered, row->left);
	print_rate(out, row->rate);
	fputc('\n', out);
}

static void print_table(FILE *out, const char *title, const struct timewait_table *table,
			struct name (*name_of)(const struct tally_key *key))
{
	if (!table->count)
		return;
	fprintf(out, "\n%-*s%7s %8s %8s %7s\n", NAME_WIDTH, title, "NOW", "ENTERED", "LEFT",
		"RATE");
	for (unsigned int i = 0; i < table->count; i++) {
		struct name name = name_of(&table->rows[i].key);

		print_name(out, &name, NAME_WIDTH);
		print_figures(out, &table->rows[i]);
	}
	if (table->rest_keys || table->rest_more) {
		print_rest_name(out, table->rest_keys, table->rest_more, NAME_WIDTH);
		print_figures(out, &table->rest);
	}
}

/* ---- Lifetimes ------------------------------------------------------------------------------- */

static const char *ending(unsigned int reason)
{
	switch (reason) {
	case TCPDWELL_REASON_TIMEWAIT_EXPIRED:
		return "expired";
	case TCPDWELL_REASON_TIMEWAIT_REUSED:
		return "reused";
	case TCPDWELL_REASON_TIMEWAIT_RESET:
		return "reset";
	case TCPDWELL_REASON_NETNS_GONE:
		return "netns gone";
	default:
		return "other";
	}
}

static bool have_lifetimes(const struct timewait_figures *f)
{
	for (unsigned int i = 0; i < TCPDWELL_REASON_MAX; i++)
		if (f->lifetimes[i])
			return true;
	return false;
}

static void print_lifetime(FILE *out, const char *name, const struct hist *hist)
{
	static const double percents[] = { 50, 90, 99 };

	fprintf(out, "%-16s%10" PRIu64, name, hist->count);
	for (unsigned int i = 0; i < sizeof(percents) / sizeof(*percents); i++)
		print_duration(out, hist_percentile(hist, percents[i]), 10);
	print_duration(out, hist->max_ns, 10);
	fputc('\n', out);
}

static void print_lifetimes(FILE *out, const struct timewait_figures *f)
{
	if (!have_lifetimes(f))
		return;
	fprintf(out, "\n%-16s%10s%10s%10s%10s%10s\n", "LIFETIME", "COUNT", "P50", "P90", "P99",
		"MAX");
	for (unsigned int i = 0; i < TCPDWELL_REASON_MAX; i++)
		if (f->lifetimes[i])
			print_lifetime(out, ending(i), f->lifetimes[i]);
}

static void print_bar_row(FILE *out, const struct timewait_figures *f, unsigned int power,
			  uint64_t count, uint64_t fullest)
{
	print_duration(out, hist_power_lowest(power), 7);
	fputs(" ..", out);
	print_duration(out, hist_power_end(power), 7);
	for (unsigned int i = 0; i < TCPDWELL_REASON_MAX; i++)
		if (f->lifetimes[i])
			fprintf(out, "%11" PRIu64, hist_power_count(f->lifetimes[i], power));
	fputs("  ", out);
	for (unsigned int i = 0; i < hist_marks(count, fullest, BAR_WIDTH); i++)
		fputc('*', out);
	fputc('\n', out);
}

/*
 * A row is a power of two, and is left out if its count is 0. Columns are the ways of ending; the
 * bar is for all of them.
 */
static void print_histogram(FILE *out, const struct timewait_figures *f)
{
	struct hist all = {};
	uint64_t fullest = 1;

	if (!have_lifetimes(f))
		return;
	fprintf(out, "\n%-17s", "HISTOGRAM");
	for (unsigned int i = 0; i < TCPDWELL_REASON_MAX; i++) {
		if (!f->lifetimes[i])
			continue;
		hist_merge(&all, f->lifetimes[i]);
		fprintf(out, "%11s", ending(i));
	}
	fputc('\n', out);
	for (unsigned int i = buckets_log2(all.min_ns); i <= buckets_log2(all.max_ns); i++)
		if (hist_power_count(&all, i) > fullest)
			fullest = hist_power_count(&all, i);
	for (unsigned int i = buckets_log2(all.min_ns); i <= buckets_log2(all.max_ns); i++)
		if (hist_power_count(&all, i))
			print_bar_row(out, f, i, hist_power_count(&all, i), fullest);
}

/* ---- At the start ---------------------------------------------------------------------------- */

static void print_old(FILE *out, const struct timewait_figures *f)
{
	/* The text lists as many as the other tables have rows; JSON has all. */
	unsigned int rows = f->listed_count < f->top ? f->listed_count : f->top;

	if (!f->old)
		return;
	fprintf(out, "\n%-*s%10s\n", ENDS_WIDTH, "AT START, local -> remote", "LEFT THEN");
	for (unsigned int i = 0; i < rows; i++) {
		const struct timewait_old *old = &f->listed[i];
		struct name name;
		char *p = put_netns(name.text, old->netns_settings, old->netns);

		p = put_end(p, old->family, old->laddr, old->lport);
		p = put_literal(p, " -> ");
		name_end(&name, put_end(p, old->family, old->raddr, old->rport));
		print_name(out, &name, ENDS_WIDTH);
		print_duration(out, old->left_ns, 10);
		fputc('\n', out);
	}
	if (f->old > rows)
		fprintf(out, "%" PRIu64 " others with less\n", f->old - rows);
}

static void print_losses(FILE *out, const struct summary *summary)
{
	if (summary->lost_ring + summary->lost_map + summary->untracked)
		fprintf(out,
			"\nnot counted: rows lost %" PRIu64 ", sockets not tracked %" PRIu64
			" (--ring-size, --max-sockets)\n",
			summary->lost_ring + summary->lost_map, summary->untracked);
}

void timewait_report(FILE *out, const struct timewait_figures *f,
		     const struct timewait_scope *scope, const struct summary *summary)
{
	print_head(out, f, scope);
	print_pressures(out, f);
	print_table(out, "PROCESS", &f->owners, owner_name_of);
	print_table(out, "REMOTE", &f->remotes, remote_name);
	print_table(out, "LOCAL PORT", &f->lports, port_name);
	print_lifetimes(out, f);
	if (!summary)
		return;
	print_histogram(out, f);
	print_old(out, f);
	print_losses(out, summary);
}
