// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "base/tcpstate.h"
#include "cli/option_groups.h"

#define LIST_TEXT "any member will do; a repeated option adds to its list; each filter narrows"

#define PORT_AND_TIME                                  \
	{ "PORT", PARSE_WANT_PORT },                   \
	{                                              \
		"TIME", PARSE_WANT_TIME ", as in 1.5s" \
	}
#define LISTS                   \
	{ "A,...", LIST_TEXT }, \
	{                       \
		0               \
	}

/* Kinds of values in commands with filters of connections. */
static const struct option_note connection_values[] = { PORT_AND_TIME, LISTS };

/* Kinds of values in commands that also have filters of transitions. */
static const struct option_note filter_values[] = { PORT_AND_TIME,
						    { "STATE", tcpstate_list },
						    { "REASON", reason_list },
						    LISTS };

const struct command_def command_table[] = {
	{
		.name = "trace",
		.command = COMMAND_TRACE,
		.what = "print each state transition, its process and the dwell",
		.takes_program = true,
		.groups =
			(const struct option_group *const[]){
				&group_connection_filters,
				&group_name_filters,
				&group_transition_filters,
				&group_start,
				&group_trace_end,
				&group_trace_output,
				&group_limits,
				&group_hidden_states,
				&group_privileges,
				&group_general,
				NULL,
			},
		.values = filter_values,
		.examples =
			(const struct option_note[]){
				{ "tcpdwell", "every transition on this host" },
				{ "tcpdwell -p 1234 -T", "of one process, with the time" },
				{ "tcpdwell --port 80,8000-8100", "by port, on either side" },
				{ "tcpdwell --addr 10.0.0.0/8 -o json",
				  "by address, as JSON lines" },
				{ "tcpdwell --to CLOSE_WAIT", "whose peers have closed" },
				{ "tcpdwell --from CLOSE_WAIT --min-dwell 10s",
				  "who closes late: leaks" },
				{ "tcpdwell --from TIME_WAIT -D 443", "how long TIME_WAIT lasts" },
				{ "tcpdwell -- curl http://localhost/",
				  "one program's connections" },
				{ 0 },
			},
	},
	{
		.name = "life",
		.command = COMMAND_LIFE,
		.what = "print a row a connection: how it opened, what it did, how it ended",
		.takes_program = true,
		.groups =
			(const struct option_group *const[]){
				&group_connection_filters,
				&group_name_filters,
				&group_life_filters,
				&group_start,
				&group_trace_end,
				&group_life_output,
				&group_limits,
				&group_hidden_states,
				&group_privileges,
				&group_general,
				NULL,
			},
		.values = filter_values,
		.examples =
			(const struct option_note[]){
				{ "tcpdwell life", "every connection, when it ends" },
				{ "tcpdwell life --port 8080 --min-life 2s -w",
				  "which requests are slow, and where the time goes" },
				{ "tcpdwell life --longer CLOSE_WAIT=10s", "who closed late" },
				{ "tcpdwell life --reason refused,timeout,unreachable",
				  "what failed" },
				{ "tcpdwell life -o json -- curl http://localhost/",
				  "one program's connections" },
				{ 0 },
			},
	},
	{
		.name = "timewait",
		.command = COMMAND_TIMEWAIT,
		.what = "measure TIME_WAIT: lifetimes, owners, pressure on ports",
		.groups =
			(const struct option_group *const[]){
				&group_connection_filters,
				&group_timewait_report,
				&group_limits,
				&group_hidden_states,
				&group_privileges,
				&group_general,
				NULL,
			},
		.values = connection_values,
		.examples =
			(const struct option_note[]){
				{ "tcpdwell timewait -d 5m", "report after five minutes" },
				{ "tcpdwell timewait -D 5432 -o json",
				  "of connections to one service" },
				{ 0 },
			},
	},
	{
		.name = "stat",
		.command = COMMAND_STAT,
		.what = "sum up the dwells by state and process: count, percentiles",
		.takes_program = true,
		.groups =
			(const struct option_group *const[]){
				&group_connection_filters,
				&group_name_filters,
				&group_transition_filters,
				&group_start,
				&group_stat_groups,
				&group_stat_report,
				&group_stat_limits,
				&group_hidden_states,
				&group_privileges,
				&group_general,
				NULL,
			},
		.values = filter_values,
		.examples =
			(const struct option_note[]){
				{ "tcpdwell stat", "who stays how long in which state" },
				{ "tcpdwell stat -i 10s -o json", "for a collector of metrics" },
				{ "tcpdwell stat --by container", "the same of each container" },
				{ "tcpdwell stat --by port --from SYN_RECV",
				  "how fast handshakes complete" },
				{ "tcpdwell stat --by prefix --from SYN_SENT --histogram",
				  "how far the servers are" },
				{ 0 },
			},
	},
	{
		.name = "leaks",
		.command = COMMAND_LEAKS,
		.what = "say who leaves connections in CLOSE_WAIT, how many; status 10 if any",
		.groups =
			(const struct option_group *const[]){
				&group_connection_filters,
				&group_name_filters,
				&group_leak_filters,
				&group_leaks_report,
				&group_limits,
				&group_hidden_states,
				&group_privileges,
				&group_general,
				NULL,
			},
		.values = filter_values,
		.examples =
			(const struct option_note[]){
				{ "tcpdwell leaks", "who leaks CLOSE_WAIT, at once" },
				{ "tcpdwell leaks --watch", "how fast, and whether any is closed" },
				{ "tcpdwell leaks --watch --stacks",
				  "and from which line of code" },
				{ "tcpdwell leaks -s FIN_WAIT2,LAST_ACK --older 5m",
				  "whose peers do not finish" },
				{ "tcpdwell leaks -s ESTABLISHED --older 1h", "idle connections" },
				{ 0 },
			},
	},
	{
		.name = "diagnose",
		.command = COMMAND_DIAGNOSE,
		.what = "say what is wrong, whose it is, and what helps; status 10 if any",
		.groups =
			(const struct option_group *const[]){
				&group_connection_filters,
				&group_name_filters,
				&group_diagnose_report,
				&group_limits,
				&group_hidden_states,
				&group_general,
				NULL,
			},
		.values = connection_values,
		.examples =
			(const struct option_note[]){
				{ "tcpdwell diagnose", "what is wrong, in ten seconds" },
				{ "tcpdwell diagnose --port 443", "with one service" },
				{ "tcpdwell diagnose -p 1234 -d 1m",
				  "with one process, in a minute" },
				{ "tcpdwell diagnose --watch", "as it comes and goes" },
				{ "tcpdwell diagnose -o json", "an object for each finding" },
				{ 0 },
			},
	},
	{
		.name = "export",
		.command = COMMAND_EXPORT,
		.what = "go on for a Prometheus: sums by process, unit, pod or port",
		.groups =
			(const struct option_group *const[]){
				&group_connection_filters,
				&group_name_filters,
				&group_export_series,
				&group_export_output,
				&group_stat_limits,
				&group_hidden_states,
				&group_privileges,
				&group_general,
				NULL,
			},
		.values = connection_values,
		.examples =
			(const struct option_note[]){
				{ "tcpdwell export", "at http://127.0.0.1:9435/metrics" },
				{ "tcpdwell export --textfile /var/lib/node_exporter/tcp.prom",
				  "for node_exporter" },
				{ "tcpdwell export --by port --ports 80,443", "of two services" },
				{ "tcpdwell export -o otlp", "for OpenTelemetry's collector" },
				{ 0 },
			},
	},
	{
		.name = "snapshot",
		.command = COMMAND_SNAPSHOT,
		.what = "count the sockets that exist, by state, process and port",
		.groups =
			(const struct option_group *const[]){
				&group_connection_filters,
				&group_name_filters,
				&group_socket_filters,
				&group_snapshot_report,
				&group_general,
				NULL,
			},
		.values = filter_values,
		.examples =
			(const struct option_note[]){
				{ "tcpdwell snapshot", "all sockets of the host" },
				{ "tcpdwell snapshot --port 443", "who uses a port" },
				{ "tcpdwell snapshot --sockets -p 1234",
				  "what a process has open" },
				{ "tcpdwell snapshot -i 1s",
				  "totals each second: opened, closed, reset, sent again" },
				{ "tcpdwell snapshot --listening",
				  "who listens, and whose queue is full" },
				{ "tcpdwell snapshot -s CLOSE_WAIT --older 1m",
				  "whose peers closed long ago" },
				{ 0 },
			},
	},
	{
		.name = "probe",
		.command = COMMAND_PROBE,
		.what = "say what this kernel lets tcpdwell see, and how",
		.groups =
			(const struct option_group *const[]){
				&group_probe_report,
				&group_hidden_states,
				&group_general,
				NULL,
			},
		.examples =
			(const struct option_note[]){
				{ "tcpdwell probe", "each feature and its backend" },
				{ 0 },
			},
	},
	{
		.name = "explain",
		.command = COMMAND_EXPLAIN,
		.what = "say what a state, a finding or an errno means, and what helps",
		.operand = "NAME",
		.groups = (const struct option_group *const[]){ &group_general, NULL },
		.examples =
			(const struct option_note[]){
				{ "tcpdwell explain", "what people say, and the command for it" },
				{ "tcpdwell explain CLOSE_WAIT", "a state" },
				{ "tcpdwell explain syn_flood", "a finding of diagnose" },
				{ "tcpdwell explain EADDRNOTAVAIL", "an errno" },
				{ 0 },
			},
	},
	{ 0 },
};

const struct command_def *command_find(enum command command)
{
	const struct command_def *def = command_table;

	while (def->command != command)
		def++;
	return def;
}
