// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <inttypes.h>

#include "base/tcpstate.h"
#include "view/hist_json.h"
#include "view/print.h"
#include "view/sink.h"
#include "view/timewait_json.h"

/* The names of enum pressure_verdict, in its order. */
static const char *const verdicts[] = { "unknown", "low", "high", "filling", "exhausted" };

/* What helps, the best advice first. */
static const struct {
	enum pressure_advice bit;
	const char *name;
} advices[] = {
	{ PRESSURE_LATE_BIND, "IP_BIND_ADDRESS_NO_PORT" },
	{ PRESSURE_WIDEN, "IP_LOCAL_PORT_RANGE" },
	{ PRESSURE_FEWER, "fewer_at_a_time" },
	{ PRESSURE_POOL, "keep_alive_or_pool" },
	{ PRESSURE_REUSE, "tcp_tw_reuse" },
	{ PRESSURE_TIMESTAMPS, "tcp_timestamps" },
	{ PRESSURE_RANGE, "ip_local_port_range" },
	{ PRESSURE_RESERVED, "ip_local_reserved_ports" },
};

/* The names of enum pressure_holder. */
static const char *const holders[] = { "timewait", "open", "bind", "unseen" };

/* ---- Values ---------------------------------------------------------------------------------- */

/* Prints the first member of an object; 0 is not known, and becomes null. */
static void print_first(FILE *out, const char *name, uint32_t v)
{
	if (v)
		fprintf(out, "\"%s\":%" PRIu32, name, v);
	else
		fprintf(out, "\"%s\":null", name);
}

static const char *family_name(unsigned int family)
{
	return family == 6 ? "ipv6" : "ipv4";
}

static const char *bool_name(bool v)
{
	return v ? "true" : "false";
}

/* ---- Parts ----------------------------------------------------------------------------------- */

static void print_counts(FILE *out, const struct timewait_row *row)
{
	fprintf(out,
		"\"now\":%" PRIu64 ",\"entered\":%" PRIu64 ",\"left\":%" PRIu64 ",\"rate\":%.2f",
		row->now, row->entered, row->left, row->rate);
}

/* Prints what did not fit the table: the least number of keys, and whether there were more. */
static void print_rest(FILE *out, const char *name, unsigned int keys, bool more,
		       const struct timewait_row *row)
{
	fprintf(out, ",\"%s\":{\"keys\":%u,\"more\":%s,", name, keys, bool_name(more));
	print_counts(out, row);
	fputc('}', out);
}

static void print_percentiles(FILE *out, const struct hist *hist)
{
	fprintf(out,
		"\"count\":%" PRIu64 ",\"p50_ns\":%" PRIu64 ",\"p90_ns\":%" PRIu64
		",\"p99_ns\":%" PRIu64 ",\"max_ns\":%" PRIu64,
		hist->count, hist_percentile(hist, 50), hist_percentile(hist, 90),
		hist_percentile(hist, 99), hist->count ? hist->max_ns : 0);
}

static void print_lifetimes(FILE *out, const struct timewait_figures *f)
{
	const char *comma = "";

	fputs(",\"lifetimes\":[", out);
	for (unsigned int i = 0; i < TCPDWELL_REASON_MAX; i++) {
		if (!f->lifetimes[i])
			continue;
		fprintf(out, "%s{\"reason\":\"%s\",", comma, reason_name(i));
		print_percentiles(out, f->lifetimes[i]);
		hist_json_buckets(out, f->lifetimes[i]);
		fputc('}', out);
		comma = ",";
	}
	fputc(']', out);
}

static void print_old(FILE *out, const struct timewait_old *old)
{
	fprintf(out, "{\"netns\":%" PRIu32 ",\"family\":\"%s\",", old->netns,
		family_name(old->family));
	print_json_addr(out, "laddr", old->family, old->laddr);
	fprintf(out, ",\"lport\":%u,", old->lport);
	print_json_addr(out, "raddr", old->family, old->raddr);
	fprintf(out, ",\"rport\":%u,\"left_ns\":%" PRIu64 "}", old->rport, old->left_ns);
}

static void print_at_start(FILE *out, const struct timewait_figures *f,
			   const struct timewait_scope *scope)
{
	fprintf(out, ",\"at_start\":{\"known\":%s", bool_name(!scope->old_unknown));
	print_json_text(out, "why", scope->old_unknown);
	fprintf(out, ",\"ended\":%" PRIu64 ",\"left\":{", f->ended_old);
	print_percentiles(out, f->old_left);
	fputs("},\"sockets\":[", out);
	for (unsigned int i = 0; i < f->listed_count; i++) {
		if (i)
			fputc(',', out);
		print_old(out, &f->listed[i]);
	}
	fprintf(out,
		"],\"not_listed\":%" PRIu64 ",\"namespaces_closed\":%u,"
		"\"namespaces_beyond\":%s}",
		f->old - f->listed_count, scope->closed & ~NETNS_WALK_MORE,
		bool_name(scope->closed & NETNS_WALK_MORE));
}

static void print_owner(FILE *out, const struct tally_key *key)
{
	print_first(out, "pid", key->pid);
	print_json_text(out, "comm", key->comm);
}

/* Prints a remote end. A server's is only an address, so its port is null. */
static void print_remote(FILE *out, const struct tally_key *key)
{
	fprintf(out, "\"family\":\"%s\",", family_name(key->family));
	print_json_addr(out, "raddr", key->family, key->raddr);
	print_json_number(out, "rport", key->rport, key->rport);
}

/* The names of enum service_side, as what this end is. */
static const char *const sides[] = { NULL, "server", "client" };

/*
 * Prints a local port. Ports that connect() chose are one entry, whose port is null; those whose
 * side is not known are another.
 */
static void print_lport(FILE *out, const struct tally_key *key)
{
	print_first(out, "lport", key->lport);
	print_json_text(out, "side", sides[key->side]);
}

static void print_table(FILE *out, const char *name, const struct timewait_table *table,
			void (*print_key)(FILE *out, const struct tally_key *key))
{
	char rest[32];

	fprintf(out, ",\"%ss\":[", name);
	for (unsigned int i = 0; i < table->count; i++) {
		fputs(i ? ",{" : "{", out);
		print_key(out, &table->rows[i].key);
		fputc(',', out);
		print_counts(out, &table->rows[i]);
		fputc('}', out);
	}
	fputc(']', out);
	snprintf(rest, sizeof(rest), "%ss_rest", name);
	print_rest(out, rest, table->rest_keys, table->rest_more, &table->rest);
}

static void print_settings(FILE *out, const struct timewait_netns *netns)
{
	const struct ephemeral *e;

	if (!netns || !netns->ephemeral.known) {
		fputs("null", out);
		return;
	}
	e = &netns->ephemeral;
	fprintf(out,
		"{\"port_low\":%u,\"port_high\":%u,\"ports_reserved\":%" PRIu32
		",\"tcp_tw_reuse\":%u,\"tcp_tw_reuse_delay_ms\":%" PRIu32
		",\"tcp_timestamps\":%s,\"tcp_fin_timeout_s\":%" PRIu32
		",\"tcp_max_tw_buckets\":%" PRIu32 "}",
		e->low, e->high, e->reserved, e->tw_reuse, e->tw_reuse_delay_ms,
		bool_name(e->timestamps), e->fin_timeout_s, e->max_tw_buckets);
}

static void print_advice(FILE *out, const struct pressure *p)
{
	const char *comma = "";

	fputs(",\"helps\":[", out);
	for (unsigned int i = 0; i < sizeof(advices) / sizeof(*advices); i++) {
		if (!(p->advice & advices[i].bit))
			continue;
		fprintf(out, "%s\"%s\"", comma, advices[i].name);
		comma = ",";
	}
	fprintf(out, "],\"does_not_help\":[%s%s]",
		p->advice & PRESSURE_NO_REUSE ? "\"tcp_tw_reuse\"," : "",
		p->advice ? "\"tcp_fin_timeout\",\"tcp_tw_recycle\"" : "");
}

static void print_programs(FILE *out, const struct tally_name *names)
{
	fputs(",\"programs\":[", out);
	for (unsigned int i = 0; i < TALLY_NAMES && names[i].connections; i++) {
		fputs(i ? ",{" : "{", out);
		fputs("\"comm\":", out);
		print_json_string(out, names[i].comm);
		fprintf(out, ",\"connections\":%" PRIu32 "}", names[i].connections);
	}
	fputc(']', out);
}

static void print_pressure(FILE *out, const struct timewait_pressure *row)
{
	const struct tally_key *key = &row->row.key;
	const struct pressure *p = &row->pressure;

	fprintf(out, "{\"netns\":%" PRIu32, key->netns);
	print_json_text(out, "netns_name", row->netns ? row->netns->name : NULL);
	fprintf(out, ",\"family\":\"%s\",", family_name(key->family));
	print_json_addr(out, "laddr", key->family, key->laddr);
	fputc(',', out);
	if (key->bound)
		fputs("\"raddr\":null", out);
	else
		print_json_addr(out, "raddr", key->family, key->raddr);
	print_json_number(out, "rport", key->rport, key->rport);
	fprintf(out, ",\"bound\":%s", bool_name(key->bound));
	print_json_number(out, "scope", key->scope, key->scope);
	fputc(',', out);
	print_counts(out, &row->row);
	fprintf(out, ",\"open\":%" PRIu64 ",\"blocked\":%" PRIu64, row->open, row->blocked);
	fprintf(out, ",\"peak\":%" PRIu64 ",\"eaddrnotavail\":%" PRIu64, row->peak, row->refused);
	print_json_number(out, "pid", row->pid, row->pid);
	print_json_text(out, "comm", row->comm);
	print_json_text(out, "program", row->names[0].comm);
	print_json_number(out, "program_entered", row->names[0].connections,
			  row->names[0].connections);
	print_programs(out, row->names);
	print_json_number(out, "ports", p->usable, p->usable);
	if (p->usable)
		fprintf(out, ",\"used\":%.4f", p->used);
	else
		fputs(",\"used\":null", out);
	fprintf(out, ",\"reuse\":%s,\"verdict\":\"%s\"", bool_name(p->reuse), verdicts[p->verdict]);
	print_json_text(out, "holder", p->advice ? holders[p->holder] : NULL);
	fprintf(out, ",\"held_elsewhere\":%s", bool_name(p->elsewhere));
	print_json_number(out, "exhausted_in_ns", p->fills, p->exhausted_ns);
	print_advice(out, p);
	fputs(",\"settings\":", out);
	print_settings(out, row->netns);
	fputc('}', out);
}

static void print_pressures(FILE *out, const struct timewait_figures *f)
{
	fputs(",\"pressure\":[", out);
	for (unsigned int i = 0; i < f->pressure_count; i++) {
		if (i)
			fputc(',', out);
		print_pressure(out, &f->pressures[i]);
	}
	fputc(']', out);
	print_rest(out, "pressure_rest", f->pressure_rest_keys, f->pressure_rest_more,
		   &f->pressure_rest);
}

static void print_overflow(FILE *out, const struct timewait_figures *f)
{
	const struct timewait_netns *netns = f->overflow_settings;

	fprintf(out, ",\"overflow\":{\"count\":%" PRIu64, f->overflow);
	print_json_number(out, "netns", f->overflow, f->overflow_netns);
	print_json_number(out, "tcp_max_tw_buckets", f->overflow && netns && netns->ephemeral.known,
			  netns ? netns->ephemeral.max_tw_buckets : 0);
	fputc('}', out);
}

void timewait_json(FILE *out, const struct timewait_figures *f, const struct timewait_scope *scope,
		   const struct summary *summary, uint64_t wall_ns)
{
	fputs("{\"type\":\"timewait\",\"time\":", out);
	print_json_time(out, wall_ns);
	fprintf(out, ",\"duration_ns\":%" PRIu64 ",", f->now_ns - f->start_ns);
	print_counts(out, &f->total);
	print_overflow(out, f);
	fprintf(out, ",\"eaddrnotavail\":%" PRIu64, f->refused);
	print_lifetimes(out, f);
	print_at_start(out, f, scope);
	print_pressures(out, f);
	print_table(out, "owner", &f->owners, print_owner);
	print_table(out, "remote", &f->remotes, print_remote);
	print_table(out, "lport", &f->lports, print_lport);
	fprintf(out,
		",\"lost\":{\"ring\":%" PRIu64 ",\"map\":%" PRIu64 "},\"untracked\":%" PRIu64 "}\n",
		summary->lost_ring, summary->lost_map, summary->untracked);
}
