// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stddef.h>

#include "cli/option_groups.h"
#include "cli/setters.h"

#define OPTION(name, letter, arg, choices, field, set, help)                           \
	{                                                                              \
		name, letter, arg, choices, help, offsetof(struct options, field), set \
	}
#define VALUE(name, letter, arg, field, set, help) OPTION(name, letter, arg, NULL, field, set, help)
#define CHOICE(name, letter, arg, choices, field, help) \
	OPTION(name, letter, arg, choices, field, set_choice, help)
#define FLAG(name, letter, field, help) OPTION(name, letter, NULL, NULL, field, set_flag, help)

static const struct choice row_formats[] = {
	{ "table", FORMAT_TABLE },
	{ "json", FORMAT_JSON },
	{ "csv", FORMAT_CSV },
	{ 0 },
};

static const struct choice life_formats[] = {
	{ "table", FORMAT_TABLE },
	{ "json", FORMAT_JSON },
	{ "csv", FORMAT_CSV },
	{ "otlp", FORMAT_OTLP },
	{ 0 },
};

static const struct choice export_formats[] = {
	{ "otlp", FORMAT_OTLP },
	{ 0 },
};

static const struct choice report_formats[] = {
	{ "table", FORMAT_TABLE },
	{ "json", FORMAT_JSON },
	{ 0 },
};

static const struct choice stat_choices[] = {
	{ "process", TCPDWELL_BY_PROCESS }, { "comm", TCPDWELL_BY_COMM },
	{ "port", TCPDWELL_BY_PORT },	    { "lport", TCPDWELL_BY_LPORT },
	{ "rport", TCPDWELL_BY_RPORT },	    { "prefix", TCPDWELL_BY_PREFIX },
	{ "cgroup", TCPDWELL_BY_CGROUP },   { "state", TCPDWELL_BY_STATE },
	{ "unit", TCPDWELL_BY_UNIT },	    { "container", TCPDWELL_BY_CONTAINER },
	{ "pod", TCPDWELL_BY_POD },	    { 0 },
};

static const struct choice export_choices[] = {
	{ "comm", EXPORT_BY_COMM },
	{ "unit", EXPORT_BY_UNIT },
	{ "container", EXPORT_BY_CONTAINER },
	{ "pod", EXPORT_BY_POD },
	{ "port", EXPORT_BY_PORT },
	{ "netns", EXPORT_BY_NETNS },
	{ "cgroup", EXPORT_BY_CGROUP },
	{ "peer=/BITS", EXPORT_BY_PEER }, /* never matched: set_export_by() reads the number */
	{ 0 },
};

static const struct choice backends[] = {
	{ "auto", BACKEND_AUTO },   { "fentry", BACKEND_FENTRY }, { "kprobe", BACKEND_KPROBE },
	{ "timer", BACKEND_TIMER }, { "none", BACKEND_NONE },	  { 0 },
};

const struct option_group group_connection_filters = {
	"Which connections",
	(const struct option_def[]){
		VALUE("pid", 'p', "PID,...", filters.pids, set_pids,
		      "owned by one of these processes"),
		VALUE("comm", 0, "NAME", filters.comm, set_comm, "owned by a process of this name"),
		VALUE("uid", 0, "USER,...", filters.uids, set_uids,
		      "of these users, by number or name"),
		VALUE("cgroup", 0, "PATH", filters.cgroup, set_path,
		      "of this cgroup and those below it"),
		VALUE("netns", 0, "ID|NAME|PATH", filters.netns, set_netns,
		      "in this network namespace: inode number, name of ip-netns(8), or path"),
		VALUE("lport", 'L', "PORT,...", filters.lports, set_ports, "local port"),
		VALUE("rport", 'D', "PORT,...", filters.rports, set_ports, "remote port"),
		VALUE("port", 0, "PORT,...", filters.ports, set_ports, "local or remote port"),
		VALUE("addr", 0, "CIDR,...", filters.addrs, set_cidrs,
		      "local or remote address in one of these prefixes, such as 10.0.0.0/8"),
		OPTION("ipv4", '4', NULL, NULL, filters.family, set_family,
		       "IPv4 only, v4-mapped IPv6 included"),
		OPTION("ipv6", '6', NULL, NULL, filters.family, set_family, "IPv6 only"),
		{ 0 },
	},
};

const struct option_group group_name_filters = {
	"From where",
	(const struct option_def[]){
		VALUE("container", 0, "NAME|ID,...", filters.names.containers, set_words,
		      "from one of these containers, by name or the first 12 digits of the id"),
		VALUE("pod", 0, "NAMESPACE/NAME,...", filters.names.pods, set_pods,
		      "from one of these Kubernetes pods"),
		VALUE("unit", 0, "NAME,...", filters.names.units, set_words,
		      "from one of these units of systemd"),
		{ 0 },
	},
};

const struct option_group group_transition_filters = {
	"Which transitions",
	(const struct option_def[]){
		VALUE("state", 's', "STATE,...", filters.either, set_states,
		      "from or to one of these states"),
		VALUE("from", 0, "STATE,...", filters.from, set_states, "from one of these states"),
		VALUE("to", 0, "STATE,...", filters.to, set_states, "to one of these states"),
		VALUE("min-dwell", 0, "TIME", filters.min_dwell_ns, set_duration,
		      "after at least this long in the state left"),
		VALUE("cookie", 0, "COOKIE", filters.cookie, set_cookie,
		      "of the connection with this cookie"),
		VALUE("reason", 0, "REASON,...", filters.reasons, set_reasons,
		      "that end a connection for one of these reasons"),
		{ 0 },
	},
};

const struct option_group group_life_filters = {
	"Which lives",
	(const struct option_def[]){
		VALUE("min-life", 0, "TIME", life.min_life_ns, set_duration,
		      "that took at least this long, as far as is known"),
		VALUE("min-bytes", 0, "SIZE", life.min_bytes, set_bytes,
		      "that sent and received at least so much together"),
		VALUE("reason", 0, "REASON,...", life.reasons, set_reasons,
		      "that ended for one of these reasons"),
		VALUE("state", 's', "STATE,...", life.states, set_states,
		      "that were in one of these states"),
		VALUE("longer", 0, "STATE=TIME", life, set_longer,
		      "that were in this state for at least this long; several narrow"),
		FLAG("no-open", 0, life.no_open, "none that are still open at the end"),
		FLAG("time-wait", 0, time_wait, "wait for the end of TIME_WAIT, and add it"),
		{ 0 },
	},
};

const struct option_group group_life_output = {
	"What rows look like",
	(const struct option_def[]){
		CHOICE("output", 'o', "FORMAT", life_formats, format, "one of"),
		FLAG("time", 'T', wall_time, "begin with the time of day of the end"),
		FLAG("timestamp", 't', since_start, "begin with seconds since the start"),
		FLAG("wide", 'w', wide, "full width for IPv6; adds the dwell in each state"),
		FLAG("utc", 0, utc, "time of day in UTC, not in the local zone"),
		{ 0 },
	},
};

const struct option_group group_start = {
	"At the start",
	(const struct option_def[]){
		FLAG("no-snapshot", 0, no_snapshot,
		     "do not look for the sockets that exist: their owner and dwell are unknown"),
		{ 0 },
	},
};

const struct option_group group_trace_end = {
	"When to stop",
	(const struct option_def[]){
		VALUE("count", 'n', "COUNT", count, set_rows, "after this many rows"),
		VALUE("duration", 'd', "TIME", duration_ns, set_end, "after this long"),
		{ 0 },
	},
};

const struct option_group group_trace_output = {
	"What rows look like",
	(const struct option_def[]){
		CHOICE("output", 'o', "FORMAT", row_formats, format, "one of"),
		FLAG("time", 'T', wall_time, "begin with the time of day"),
		FLAG("timestamp", 't', since_start, "begin with seconds since the start"),
		FLAG("wide", 'w', wide,
		     "full width for IPv6; adds cookie, namespace, user and cgroup"),
		FLAG("utc", 0, utc, "time of day in UTC, not in the local zone"),
		FLAG("kernel-view", 0, kernel_view,
		     "the tracepoint's own transitions: no TIME_WAIT, SYN_RECV of microseconds"),
		{ 0 },
	},
};

const struct option_group group_socket_filters = {
	"Which sockets",
	(const struct option_def[]){
		VALUE("state", 's', "STATE,...", filters.either, set_states,
		      "in one of these states"),
		VALUE("older", 0, "TIME", older_ns, set_duration,
		      "in its state for at least this long, as far as is known"),
		{ 0 },
	},
};

const struct option_group group_snapshot_report = {
	"Report",
	(const struct option_def[]){
		FLAG("sockets", 0, sockets,
		     "sockets one by one: holders, queues, timer, and when each ends by itself"),
		FLAG("listening", 'l', listening, "listeners one by one, with their accept queues"),
		VALUE("interval", 'i', "TIME", report_ns, set_interval,
		      "totals, a line at each interval: by state, opened, closed; 100ms or more"),
		VALUE("count", 'n', "COUNT", count, set_rows, "end -i after this many lines"),
		VALUE("duration", 'd', "TIME", duration_ns, set_end, "end -i after this long"),
		VALUE("top", 0, "COUNT", top, set_top, "rows of each table, 1..100 (5)"),
		CHOICE("output", 'o', "FORMAT", row_formats, format,
		       "one of; csv of --sockets and -i"),
		{ 0 },
	},
};

const struct option_group group_leak_filters = {
	"What is a leak",
	(const struct option_def[]){
		VALUE("state", 's', "STATE,...", filters.either, set_states,
		      "in one of these states (CLOSE_WAIT); ESTABLISHED counts while idle"),
		VALUE("older", 0, "TIME", leak_ns, set_duration,
		      "for at least this long, as far as is known (1m)"),
		{ 0 },
	},
};

const struct option_group group_leaks_report = {
	"Report",
	(const struct option_def[]){
		FLAG("watch", 0, watch, "go on, in place on a terminal, and see what is closed"),
		FLAG("stacks", 0, stacks,
		     "the lines of code that accepted or connected what --watch saw begin"),
		VALUE("interval", 'i', "TIME", report_ns, set_look_interval,
		      "time between two looks of --watch, 200ms or more (1s)"),
		VALUE("count", 'n', "COUNT", count, set_rows, "end --watch after this many looks"),
		VALUE("duration", 'd', "TIME", duration_ns, set_end, "end --watch after this long"),
		VALUE("top", 0, "COUNT", top, set_top, "processes that the text names, 1..100 (5)"),
		CHOICE("output", 'o', "FORMAT", report_formats, format, "one of"),
		{ 0 },
	},
};

const struct option_group group_diagnose_report = {
	"Look and report",
	(const struct option_def[]){
		VALUE("duration", 'd', "TIME", duration_ns, set_end,
		      "look for this long (10s); end --watch after this long"),
		FLAG("watch", 0, watch,
		     "go on, in place on a terminal; into a pipe, a line for what comes and goes"),
		VALUE("interval", 'i', "TIME", report_ns, set_look_interval,
		      "time between two looks of --watch, 200ms or more (5s)"),
		VALUE("count", 'n', "COUNT", count, set_rows, "end --watch after this many looks"),
		VALUE("older", 0, "TIME", leak_ns, set_duration,
		      "what a process leaves open for at least this long is a leak (1m)"),
		CHOICE("output", 'o', "FORMAT", report_formats, format, "one of"),
		{ 0 },
	},
};

const struct option_group group_timewait_report = {
	"Report",
	(const struct option_def[]){
		VALUE("duration", 'd', "TIME", duration_ns, set_end,
		      "report after this long, not at Ctrl-C"),
		VALUE("interval", 'i', "TIME", report_ns, set_interval,
		      "a report at each interval, of all since the start; 100ms or more"),
		VALUE("count", 'n', "COUNT", count, set_rows, "end -i after this many reports"),
		VALUE("top", 0, "COUNT", top, set_top,
		      "rows in each table, 1..100 (5); the rest is summed"),
		CHOICE("output", 'o', "FORMAT", report_formats, format, "one of"),
		{ 0 },
	},
};

const struct option_group group_stat_groups = {
	"What is summed",
	(const struct option_def[]){
		CHOICE("by", 0, "WHAT", stat_choices, by,
		       "a row for each state and each WHAT (process), one of"),
		VALUE("prefix4", 0, "BITS", prefix4, set_prefix4,
		      "of a remote IPv4 address with --by prefix, 0..32 (24)"),
		VALUE("prefix6", 0, "BITS", prefix6, set_prefix6,
		      "of a remote IPv6 address with --by prefix, 0..128 (64)"),
		{ 0 },
	},
};

const struct option_group group_stat_report = {
	"Report",
	(const struct option_def[]){
		VALUE("interval", 'i', "TIME", report_ns, set_interval,
		      "a report at each interval, of that interval alone; 100ms or more"),
		VALUE("count", 'n', "COUNT", count, set_rows, "end -i after this many reports"),
		FLAG("cumulative", 0, cumulative, "with -i: each report is of all since the start"),
		VALUE("duration", 'd', "TIME", duration_ns, set_end, "end after this long"),
		VALUE("top", 0, "COUNT", top, set_top,
		      "rows of each state in the text, 1..100 (5)"),
		FLAG("histogram", 0, histogram, "below each row, a line for each power of two"),
		CHOICE("output", 'o', "FORMAT", report_formats, format, "one of"),
		FLAG("utc", 0, utc, "time of day in UTC, not in the local zone"),
		{ 0 },
	},
};

const struct option_group group_stat_limits = {
	"Memory",
	(const struct option_def[]){
		VALUE("hist-size", 0, "SIZE", hist_bytes, set_hist,
		      "histograms in the kernel, 64K..1G; without it, as memory allows"),
		VALUE("max-sockets", 0, "COUNT", max_sockets, set_sockets,
		      "connections to remember at once; without it, or at 0, as memory allows"),
		{ 0 },
	},
};

const struct option_group group_export_series = {
	"Series",
	(const struct option_def[]){
		OPTION("by", 0, "WHAT", export_choices, export_by, set_export_by,
		       "whose (comm); peer is a prefix of the address; one of"),
		VALUE("ports", 0, "PORT,...", export_ports, set_ports,
		      "with --by port: these alone, and `other` for the rest"),
		VALUE("prefix6", 0, "BITS", prefix6, set_prefix6,
		      "of a remote IPv6 address with --by peer, 0..128 (64)"),
		VALUE("max-series", 0, "COUNT", max_series, set_max_series,
		      "of each metric (2000); the rest goes to `other`"),
		VALUE("older", 0, "TIME", leak_ns, set_duration,
		      "what a process leaves open for at least this long is a leak (1m)"),
		{ 0 },
	},
};

const struct option_group group_export_output = {
	"Output",
	(const struct option_def[]){
		VALUE("listen", 0, "ADDRESS", listen, set_path,
		      "serve HTTP there: ADDRESS:PORT in numbers, or unix:PATH (127.0.0.1:9435)"),
		VALUE("textfile", 0, "PATH", textfile, set_path,
		      "a file that is replaced at each look, for node_exporter"),
		CHOICE("output", 'o', "FORMAT", export_formats, format,
		       "metrics to standard output at each look, as lines of OTLP/JSON:"),
		VALUE("interval", 'i', "TIME", report_ns, set_export_interval,
		      "time between two looks, 1s or more (15s)"),
		VALUE("duration", 'd', "TIME", duration_ns, set_end, "end after this long"),
		{ 0 },
	},
};

const struct option_group group_probe_report = {
	"Report",
	(const struct option_def[]){
		CHOICE("output", 'o', "FORMAT", report_formats, format, "one of"),
		{ 0 },
	},
};

const struct option_group group_limits = {
	"Memory",
	(const struct option_def[]){
		VALUE("ring-size", 0, "SIZE", ring_bytes, set_ring,
		      "ring to the kernel side, 64K..1G (16M or 8M), rounded up to a power of two"),
		VALUE("rings", 0, "COUNT", rings, set_rings,
		      "rings that share that: 1, 2, 4, 8, 16 or 32; without it, by the processors"),
		VALUE("max-sockets", 0, "COUNT", max_sockets, set_sockets,
		      "connections to remember at once; without it, or at 0, as memory allows"),
		{ 0 },
	},
};

const struct option_group group_hidden_states = {
	"Hidden states",
	(const struct option_def[]){
		CHOICE("backend", 0, "NAME", backends, backend,
		       "how to see the states that the tracepoint hides; one of"),
		{ 0 },
	},
};

const struct option_group group_privileges = {
	"Privileges",
	(const struct option_def[]){
		VALUE("user", 0, "NAME", user, set_name,
		      "go on as this user once all is attached; without it, root becomes nobody"),
		{ 0 },
	},
};

const struct option_group group_general = {
	"Other",
	(const struct option_def[]){
		FLAG("quiet", 'q', quiet, "nothing on standard error but errors and warnings"),
		FLAG("verbose", 'v', verbose, "say what is attached, and libbpf's messages"),
		FLAG("version", 0, version, "print the version and end"),
		FLAG("words", 0, words, "print what a shell's completion offers, and end"),
		FLAG("help", 'h', help, "print this help and end"),
		{ 0 },
	},
};
