// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <inttypes.h>

#include "base/escape.h"
#include "base/tcpstate.h"
#include "host/name_book.h"
#include "model/census.h"
#include "view/layout.h"
#include "view/print.h"
#include "view/snapshot_report.h"
#include "view/socket_report.h"

#define STATE_WIDTH 11 /* ESTABLISHED */
#define AGE_WIDTH   13 /* 59m59s-23h59m */
#define COUNT_WIDTH 8

/*
 * ---- Table --------------------------------------------------------------------------------------
 */

static void print_counts(FILE *out, const struct census_group *group)
{
	fprintf(out, "%-*s %*zu ", STATE_WIDTH, tcpstate_name(group->one->info.state), COUNT_WIDTH,
		group->count);
	print_bounds(out, group->ages.oldest, "-", AGE_WIDTH);
	fputc(' ', out);
	print_bounds(out, group->ages.median, "-", AGE_WIDTH);
}

static void print_counts_head(FILE *out)
{
	fprintf(out, "%-*s %*s %*s %*s", STATE_WIDTH, "STATE", COUNT_WIDTH, "COUNT", AGE_WIDTH,
		"OLDEST", AGE_WIDTH, "MEDIAN");
}

static size_t shown(const struct census_table *table, unsigned int top)
{
	return top && table->count > top ? top : table->count;
}

static void print_more(FILE *out, const struct census_table *table, size_t shown)
{
	size_t sockets = 0;

	for (size_t i = shown; i < table->count; i++)
		sockets += table->groups[i].count;
	if (sockets)
		fprintf(out, "… and %zu more rows of %zu sockets\n", table->count - shown, sockets);
}

static void print_pid(FILE *out, const struct tcpdwell_socket *info)
{
	if (info->pid)
		fprintf(out, "%*" PRIu32 " ", PID_WIDTH, info->pid);
	else
		fprintf(out, "%*s ", PID_WIDTH, "-");
	print_text(out, socket_who(info), COMM_WIDTH);
	fputc(' ', out);
}

static void print_processes(FILE *out, const struct census_table *table, unsigned int top)
{
	size_t count = shown(table, top);

	fprintf(out, "\n%*s %-*s ", PID_WIDTH, "PID", COMM_WIDTH, "COMM");
	print_counts_head(out);
	fputc('\n', out);
	for (size_t i = 0; i < count; i++) {
		print_pid(out, &table->groups[i].one->info);
		print_counts(out, &table->groups[i]);
		fputc('\n', out);
	}
	print_more(out, table, count);
}

static const char *side_name(const struct census_group *group, const char *unknown)
{
	switch (group->side) {
	case SERVICE_LOCAL:
		return "local";
	case SERVICE_REMOTE:
		return "remote";
	default:
		return unknown;
	}
}

static const char *name_of(const struct netns_lookup *netns, uint32_t inode)
{
	return netns->name ? netns->name(netns->context, inode) : NULL;
}

/* Returns the name of a namespace, or its number if it has none. The result may be in @shown. */
static const char *show_netns(struct shown *shown, const struct netns_lookup *netns, uint32_t inode)
{
	const char *name = name_of(netns, inode);

	if (name)
		return escape_shown(shown, name);
	snprintf(shown->text, sizeof(shown->text), "%" PRIu32, inode);
	return shown->text;
}

static void json_netns(FILE *out, const struct netns_lookup *netns, uint32_t inode)
{
	fputs(",\"netns_name\":", out);
	print_json_string(out, name_of(netns, inode));
}

static void print_ports(FILE *out, const struct census_table *table,
			const struct netns_lookup *netns, unsigned int top)
{
	size_t count = shown(table, top);

	fprintf(out, "\n%*s %-6s ", PORT_WIDTH, "PORT", "SIDE");
	print_counts_head(out);
	fputs(" NETNS\n", out);
	for (size_t i = 0; i < count; i++) {
		const struct census_group *group = &table->groups[i];
		struct shown shown;

		if (group->port)
			fprintf(out, "%*u ", PORT_WIDTH, group->port);
		else
			fprintf(out, "%*s ", PORT_WIDTH, "-");
		fprintf(out, "%-6s ", side_name(group, "-"));
		print_counts(out, group);
		fprintf(out, " %s\n", show_netns(&shown, netns, group->one->info.netns));
	}
	print_more(out, table, count);
}

void snapshot_report(FILE *out, const struct census *census, const struct netns_lookup *netns,
		     unsigned int top)
{
	print_counts_head(out);
	fputc('\n', out);
	for (size_t i = 0; i < census->states.count; i++) {
		print_counts(out, &census->states.groups[i]);
		fputc('\n', out);
	}
	fprintf(out, "%-*s %*zu\n", STATE_WIDTH, "all", COUNT_WIDTH, census->total);
	if (census->perhaps)
		fprintf(out, "%zu more are perhaps as old: nothing tells more of their ages\n",
			census->perhaps);
	if (!census->total)
		return;
	print_processes(out, &census->processes, top);
	print_ports(out, &census->ports, netns, top);
}

void snapshot_report_listeners(FILE *out, const struct census *census,
			       const struct netns_lookup *netns)
{
	fprintf(out, "%*s %-*s %*s %*s %*s %*s %-*s %-10s %s\n", PID_WIDTH, "PID", COMM_WIDTH,
		"COMM", COUNT_WIDTH, "QUEUED", COUNT_WIDTH, "LIMIT", COUNT_WIDTH, "DROPS",
		COUNT_WIDTH, "HOLDERS", IPV4_WIDTH, "LADDR:LPORT", "NETNS", "QUEUE");
	for (size_t i = 0; i < census->listener_count; i++) {
		const struct socket_seen *socket = census->listeners[i];
		const struct tcpdwell_socket *info = &socket->info;
		struct shown shown;

		print_pid(out, info);
		fprintf(out, "%*" PRIu32 " %*" PRIu32 " %*" PRIu32 " %*" PRIu32 " ", COUNT_WIDTH,
			info->queued, COUNT_WIDTH, info->queue_max, COUNT_WIDTH, info->drops,
			COUNT_WIDTH, socket->holders);
		print_end(out, info->family, info->laddr, info->lport, IPV4_WIDTH);
		fprintf(out, " %-10s %s\n", show_netns(&shown, netns, info->netns),
			sockets_queue_is_full(socket) ? "FULL" : "-");
	}
}

/*
 * ---- JSON ---------------------------------------------------------------------------------------
 */

static void json_group(FILE *out, const struct census_group *group)
{
	fprintf(out, "\"state\":\"%s\",\"count\":%zu,", tcpstate_name(group->one->info.state),
		group->count);
	print_json_age(out, "oldest", group->ages.oldest);
	fputc(',', out);
	print_json_age(out, "median", group->ages.median);
}

/* Prints the process, and the cgroup that the sockets were made in. */
static void json_process(FILE *out, const struct tcpdwell_socket *info,
			 const struct named_cgroup *cgroup)
{
	if (info->pid)
		fprintf(out, "\"pid\":%" PRIu32 ",\"comm\":", info->pid);
	else
		fputs("\"pid\":null,\"comm\":", out);
	print_json_string(out, info->comm[0] ? info->comm : NULL);
	fprintf(out, ",\"kernel\":%s", info->flags & TCPDWELL_SOCKET_KERNEL ? "true" : "false");
	print_json_names(out, cgroup ? cgroup->texts : NULL);
	fputc(',', out);
}

static void json_port(FILE *out, const struct census_group *group)
{
	const char *side = side_name(group, NULL);

	if (side)
		fprintf(out, "\"port\":%u,\"side\":\"%s\",", group->port, side);
	else
		fputs("\"port\":null,\"side\":null,", out);
	fprintf(out, "\"netns\":%" PRIu32 ",", group->one->info.netns);
}

enum grouping { BY_STATE, BY_PROCESS, BY_PORT };

static void json_table(FILE *out, const char *name, const struct census_table *table,
		       enum grouping by, const struct netns_lookup *netns)
{
	fprintf(out, ",\"%s\":[", name);
	for (size_t i = 0; i < table->count; i++) {
		fputs(i ? ",{" : "{", out);
		if (by == BY_PROCESS)
			json_process(out, &table->groups[i].one->info, table->groups[i].cgroup);
		if (by == BY_PORT)
			json_port(out, &table->groups[i]);
		json_group(out, &table->groups[i]);
		if (by == BY_PORT)
			json_netns(out, netns, table->groups[i].one->info.netns);
		fputc('}', out);
	}
	fputc(']', out);
}

void snapshot_json(FILE *out, const struct census *census, const struct netns_lookup *netns,
		   uint64_t wall_ns)
{
	fputs("{\"type\":\"snapshot\",\"time\":", out);
	print_json_time(out, wall_ns);
	fprintf(out, ",\"sockets\":%zu,\"perhaps\":%zu,\"younger\":%zu", census->total,
		census->perhaps, census->younger);
	json_table(out, "states", &census->states, BY_STATE, netns);
	json_table(out, "processes", &census->processes, BY_PROCESS, netns);
	json_table(out, "ports", &census->ports, BY_PORT, netns);
	fputs("}\n", out);
}

void snapshot_json_listeners(FILE *out, const struct census *census,
			     const struct netns_lookup *netns)
{
	for (size_t i = 0; i < census->listener_count; i++) {
		const struct socket_seen *socket = census->listeners[i];
		const struct tcpdwell_socket *info = &socket->info;

		fputs("{\"type\":\"listener\",", out);
		json_process(out, info, socket->cgroup);
		fprintf(out, "\"holders\":%" PRIu32 ",\"netns\":%" PRIu32 ",\"family\":\"ipv%u\",",
			socket->holders, info->netns, info->family);
		print_json_addr(out, "laddr", info->family, info->laddr);
		fprintf(out,
			",\"lport\":%u,\"queued\":%" PRIu32 ",\"queue_limit\":%" PRIu32
			",\"full\":%s,\"drops\":%" PRIu32 ",",
			info->lport, info->queued, info->queue_max,
			sockets_queue_is_full(socket) ? "true" : "false", info->drops);
		print_json_age(out, "age", age_in_state(&socket->info, census->now_ns));
		json_netns(out, netns, info->netns);
		fputs("}\n", out);
	}
}
