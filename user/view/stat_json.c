// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <inttypes.h>

#include "base/tcpstate.h"
#include "model/stat_names.h"
#include "view/hist_json.h"
#include "view/print.h"
#include "view/sink.h"
#include "view/stat_json.h"

/* How a report names what it is grouped by: the values of the option --by. */
static const char *const names[] = {
	[TCPDWELL_BY_PROCESS] = "process", [TCPDWELL_BY_COMM] = "comm",
	[TCPDWELL_BY_PORT] = "port",	   [TCPDWELL_BY_LPORT] = "lport",
	[TCPDWELL_BY_RPORT] = "rport",	   [TCPDWELL_BY_PREFIX] = "prefix",
	[TCPDWELL_BY_CGROUP] = "cgroup",   [TCPDWELL_BY_STATE] = "state",
	[TCPDWELL_BY_UNIT] = "unit",	   [TCPDWELL_BY_CONTAINER] = "container",
	[TCPDWELL_BY_POD] = "pod",
};

static void print_prefix(FILE *out, const struct stat_view *view,
			 const struct tcpdwell_stat_key *key, bool known)
{
	if (!known) {
		fputs(",\"family\":null,\"raddr\":null,\"prefix\":null", out);
		return;
	}
	if (stat_key_is_ipv4(key)) {
		fputs(",\"family\":\"ipv4\",", out);
		print_json_addr(out, "raddr", 4, key->addr + 12);
		fprintf(out, ",\"prefix\":%u", view->prefix4);
	} else {
		fputs(",\"family\":\"ipv6\",", out);
		print_json_addr(out, "raddr", 6, key->addr);
		fprintf(out, ",\"prefix\":%u", view->prefix6);
	}
}

/* Prints the names of a group; for a pod, only those that all its containers share. */
static void print_names(FILE *out, const struct stat_name *name, bool pod)
{
	for (unsigned int i = pod ? CONTAINER_POD : 0; i < CONTAINER_TEXTS; i++)
		print_json_text(out, container_text_names[i], name->texts[i]);
	print_json_text(out, "pod_uid", name->pod_uid);
}

/* Prints what makes the group, with the names that rows of `trace` use. */
static void print_group(FILE *out, const struct stat_view *view, const struct stat_group *group)
{
	const struct tcpdwell_stat_key *key = &group->key;

	switch (view->by) {
	case TCPDWELL_BY_PROCESS:
		print_json_number(out, "pid", key->number, key->number);
		/* fall through */
	case TCPDWELL_BY_COMM:
		print_json_text(out, "comm", key->comm);
		break;
	case TCPDWELL_BY_PORT:
	case TCPDWELL_BY_LPORT:
	case TCPDWELL_BY_RPORT:
		print_json_number(out, names[view->by], key->number, key->number);
		break;
	case TCPDWELL_BY_PREFIX:
		print_prefix(out, view, key, !group->others);
		break;
	case TCPDWELL_BY_CGROUP:
		print_json_text(out, "cgroup", stat_names_at(view->names, key->number)->path);
		break;
	case TCPDWELL_BY_UNIT:
		print_json_text(out, "unit",
				stat_names_at(view->names, key->number)->texts[CONTAINER_UNIT]);
		break;
	case TCPDWELL_BY_CONTAINER:
	case TCPDWELL_BY_POD:
		print_names(out, stat_names_at(view->names, key->number),
			    view->by == TCPDWELL_BY_POD);
		break;
	case TCPDWELL_BY_STATE:
	case TCPDWELL_BY_NETNS:
		break;
	}
	fprintf(out, ",\"others\":%s", group->others ? "true" : "false");
}

static void print_percentiles(FILE *out, const struct hist *hist)
{
	static const struct {
		const char *name;
		double percent;
	} figures[] = { { "p50_ns", 50 }, { "p90_ns", 90 }, { "p99_ns", 99 }, { "max_ns", 100 } };

	for (unsigned int i = 0; i < sizeof(figures) / sizeof(*figures); i++) {
		print_json_number(out, figures[i].name, hist->count,
				  hist_percentile(hist, figures[i].percent));
	}
}

static void print_row(FILE *out, const struct stat_view *view, const struct stat_group *group)
{
	struct hist hist;

	stat_table_hist(view->table, group, &hist);
	fprintf(out, "{\"state\":\"%s\"", stat_state_name(group->key.state));
	print_group(out, view, group);
	fprintf(out, ",\"count\":%" PRIu64, group->count);
	print_percentiles(out, &hist);
	print_json_number(out, "at_least", true, group->at_least);
	print_json_number(out, "at_least_max_ns", group->at_least, group->at_least_max_ns);
	hist_json_buckets(out, &hist);
	fputc('}', out);
}

int stat_json(FILE *out, const struct stat_view *view)
{
	const struct stat_group *groups;
	size_t count;
	int err = stat_table_groups(view->table, &groups, &count);

	if (err)
		return err;
	fputs("{\"type\":\"stat\",\"time\":", out);
	print_json_time(out, view->wall_ns);
	fprintf(out,
		",\"duration_ns\":%" PRIu64 ",\"by\":\"%s\",\"counted\":%" PRIu64
		",\"lost\":%" PRIu64 ",\"groups\":[",
		view->span_ns, names[view->by], stat_table_rows(view->table), view->lost);
	for (size_t i = 0; i < count; i++) {
		if (i)
			fputc(',', out);
		print_row(out, view, &groups[i]);
	}
	fputs("]}\n", out);
	return 0;
}

void stat_json_account(FILE *out, const struct summary *s, bool ring)
{
	fprintf(out,
		"{\"type\":\"summary\",\"seen\":%" PRIu64 ",\"counted\":%" PRIu64
		",\"undated\":%" PRIu64 ",\"filtered\":%" PRIu64 ",\"lost\":{\"map\":%" PRIu64,
		s->seen, s->printed, s->undated, s->filtered, s->lost_map);
	if (ring)
		fprintf(out, ",\"ring\":%" PRIu64, s->lost_ring);
	fprintf(out,
		"},\"untracked\":%" PRIu64 ",\"missed\":%" PRIu64 ",\"unwritten\":%" PRIu64 "}\n",
		s->untracked, s->missed, s->unwritten);
}
