// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/tcpstate.h"
#include "cli/option_table.h"
#include "model/timewait.h"

/* Below, the smallest ring that is whole pages on every machine (64 KiB pages); above, memory. */
#define RING_MIN (64ULL << 10)
#define RING_MAX (1ULL << 30)

/* Below, not a group of each state; above, more than any host spares for it. */
#define HIST_MIN (64ULL << 10)
#define HIST_MAX (1ULL << 30)

/* A hash map of more buckets is refused by the kernel: their bytes must fit 32 bits. */
#define SOCKETS_MAX 134217728

static int refuse(const struct setting *setting, int err, const char *why, const char *want)
{
	*setting->fault = (struct parse_fault){
		.at = setting->value,
		.len = setting->value ? strlen(setting->value) : 0,
		.why = why,
		.want = want,
	};
	return err;
}

/* ---- Setters: one for each type of field ---------------------------------------------------- */

static int set_flag(const struct setting *setting)
{
	bool *flag = setting->field;

	*flag = true;
	return 0;
}

static int set_family(const struct setting *setting)
{
	uint8_t *family = setting->field;
	uint8_t wanted = setting->def->letter - '0';

	if (*family && *family != wanted)
		return refuse(setting, -EINVAL, "-4 and -6 exclude each other", "one, or neither");
	*family = wanted;
	return 0;
}

static int set_ports(const struct setting *setting)
{
	return parse_ports(setting->value, setting->field, setting->fault);
}

static int set_pids(const struct setting *setting)
{
	return parse_pids(setting->value, setting->field, setting->fault);
}

static int set_uids(const struct setting *setting)
{
	return parse_uids(setting->value, setting->field, setting->find, setting->fault);
}

static int set_cidrs(const struct setting *setting)
{
	return parse_cidrs(setting->value, setting->field, setting->fault);
}

static int set_netns(const struct setting *setting)
{
	return parse_netns(setting->value, setting->field, setting->fault);
}

static int set_states(const struct setting *setting)
{
	return parse_states(setting->value, setting->field, setting->fault);
}

static int set_cookie(const struct setting *setting)
{
	return parse_cookie(setting->value, setting->field, setting->fault);
}

static int set_reasons(const struct setting *setting)
{
	return parse_reasons(setting->value, setting->field, setting->fault);
}

static int set_longer(const struct setting *setting)
{
	struct life_filter *life = setting->field;

	return parse_longer(setting->value, &life->longer, life->longer_ns, setting->fault);
}

static int set_bytes(const struct setting *setting)
{
	return parse_size(setting->value, setting->field, setting->fault);
}

static int set_duration(const struct setting *setting)
{
	return parse_duration(setting->value, setting->field, setting->fault);
}

static int set_end(const struct setting *setting)
{
	uint64_t *ns = setting->field;
	int err = set_duration(setting);

	if (!err && !*ns)
		err = refuse(setting, -ERANGE, "is no time at all", "more than 0");
	return err;
}

/* Oftener than the eye can follow is only a load. */
#define INTERVAL_MIN_NS 100000000ULL

static int set_interval(const struct setting *setting)
{
	uint64_t *ns = setting->field;
	int err = set_duration(setting);

	if (!err && *ns < INTERVAL_MIN_NS)
		err = refuse(setting, -ERANGE, "is too short", "100ms or more");
	return err;
}

/* A look of leaks goes through all sockets of the host: oftener it would do nothing else. */
#define LOOK_MIN_NS 200000000ULL

static int set_look_interval(const struct setting *setting)
{
	uint64_t *ns = setting->field;
	int err = set_duration(setting);

	if (!err && *ns < LOOK_MIN_NS)
		err = refuse(setting, -ERANGE, "is too short", "200ms or more");
	return err;
}

static int set_top(const struct setting *setting)
{
	uint32_t *top = setting->field;
	uint64_t count;
	int err;

	err = parse_count(setting->value, 1, TIMEWAIT_TOP_MAX, "1..100", &count, setting->fault);
	if (!err)
		*top = (uint32_t)count;
	return err;
}

static int set_rows(const struct setting *setting)
{
	return parse_count(setting->value, 1, UINT64_MAX, "1 or more", setting->field,
			   setting->fault);
}

static int set_sockets(const struct setting *setting)
{
	uint32_t *sockets = setting->field;
	uint64_t count;
	int err;

	err = parse_count(setting->value, 0, SOCKETS_MAX, "1..134217728, or 0: as memory allows",
			  &count, setting->fault);
	if (!err)
		*sockets = (uint32_t)count;
	return err;
}

/* A page of histograms at the least; at the most, memory that some host may have to spare. */
static int set_hist(const struct setting *setting)
{
	uint64_t *bytes = setting->field, wanted;
	int err = parse_size(setting->value, &wanted, setting->fault);

	if (err)
		return err;
	if (wanted < HIST_MIN || wanted > HIST_MAX)
		return refuse(setting, -ERANGE, "is out of range", "64K..1G");
	*bytes = wanted;
	return 0;
}

static int set_prefix(const struct setting *setting, uint64_t max, const char *want)
{
	uint32_t *bits = setting->field;
	uint64_t count;
	int err = parse_count(setting->value, 0, max, want, &count, setting->fault);

	if (!err)
		*bits = (uint32_t)count;
	return err;
}

static int set_prefix4(const struct setting *setting)
{
	return set_prefix(setting, 32, "0..32");
}

static int set_prefix6(const struct setting *setting)
{
	return set_prefix(setting, 128, "0..128");
}

/* The kernel takes a power of two only; the next one is what is meant. */
static int set_ring(const struct setting *setting)
{
	uint64_t *bytes = setting->field;
	uint64_t wanted, ring = RING_MIN;
	int err = parse_size(setting->value, &wanted, setting->fault);

	if (err)
		return err;
	if (wanted < RING_MIN || wanted > RING_MAX)
		return refuse(setting, -ERANGE, "is out of range", "64K..1G");
	while (ring < wanted)
		ring *= 2;
	*bytes = ring;
	return 0;
}

/* A look of export goes through all sockets of the host, and nobody scrapes oftener. */
#define EXPORT_MIN_NS 1000000000ULL

static int set_export_interval(const struct setting *setting)
{
	uint64_t *ns = setting->field;
	int err = set_duration(setting);

	if (!err && *ns < EXPORT_MIN_NS)
		err = refuse(setting, -ERANGE, "is too short", "1s or more");
	return err;
}

static int set_max_series(const struct setting *setting)
{
	uint32_t *series = setting->field;
	uint64_t count;
	int err = parse_count(setting->value, EXPORT_SERIES_MIN, 1000000, "500..1000000", &count,
			      setting->fault);

	if (!err)
		*series = (uint32_t)count;
	return err;
}

#define EXPORT_CHOICES "comm|unit|container|pod|port|netns|cgroup"

/* One of these, or peer=/BITS. */
static int set_export_by(const struct setting *setting)
{
	struct export_choice *choice = setting->field;
	static const char peer[] = "peer=/", want[] = EXPORT_CHOICES "|peer=/BITS";
	uint64_t bits;
	unsigned int by;
	int err;

	if (!strncmp(setting->value, peer, sizeof(peer) - 1)) {
		err = parse_count(setting->value + sizeof(peer) - 1, 0, 32, "peer=/0..32", &bits,
				  setting->fault);
		if (!err)
			*choice = (struct export_choice){ EXPORT_BY_PEER, (uint32_t)bits };
		return err;
	}
	err = parse_choice(setting->value, want, &by, setting->fault);
	if (!err && by == EXPORT_BY_PEER)
		return refuse(setting, -EINVAL, "says no prefix", "peer=/0..32");
	if (!err)
		*choice = (struct export_choice){ .by = by };
	return err;
}

/* A name that the kernel cut would match nothing, and silently. */
static int set_comm(const struct setting *setting)
{
	size_t len = strlen(setting->value);

	if (!len || len >= TCPDWELL_COMM_LEN)
		return refuse(setting, -ERANGE, len ? "is longer than a command name" : "is empty",
			      "1..15 bytes, which is what the kernel keeps of it");
	memcpy(setting->field, setting->value, len + 1);
	return 0;
}

static int set_path(const struct setting *setting)
{
	const char **path = setting->field;

	if (!*setting->value)
		return refuse(setting, -EINVAL, "is empty", "a path");
	*path = setting->value;
	return 0;
}

static int set_name(const struct setting *setting)
{
	const char **name = setting->field;

	if (!*setting->value)
		return refuse(setting, -EINVAL, "is empty", "a user's name or number");
	*name = setting->value;
	return 0;
}

/* The enumeration's values stand in the order of the choices. */
static int set_choice(const struct setting *setting)
{
	unsigned int *choice = setting->field;

	return parse_choice(setting->value, setting->def->choices, choice, setting->fault);
}

_Static_assert(sizeof(enum format) == sizeof(unsigned int), "set_choice() writes an enum format");
_Static_assert(sizeof(enum tcpdwell_stat_by) == sizeof(unsigned int), "and what makes a group");
_Static_assert(sizeof(enum backend) == sizeof(unsigned int), "set_choice() writes an enum backend");

/* ---- Options, by group ---------------------------------------------------------------------- */

#define OPTION(name, letter, arg, choices, field, set, help)                           \
	{                                                                              \
		name, letter, arg, choices, help, offsetof(struct options, field), set \
	}
#define VALUE(name, letter, arg, field, set, help) OPTION(name, letter, arg, NULL, field, set, help)
#define CHOICE(name, letter, arg, choices, field, help) \
	OPTION(name, letter, arg, choices, field, set_choice, help)
#define FLAG(name, letter, field, help) OPTION(name, letter, NULL, NULL, field, set_flag, help)

static const struct option_group connection_filters = {
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

static const struct option_group transition_filters = {
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

static const struct option_group life_filters = {
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

static const struct option_group life_output = {
	"What rows look like",
	(const struct option_def[]){
		CHOICE("output", 'o', "FORMAT", "table|json|csv", format, "one of"),
		FLAG("time", 'T', wall_time, "begin with the time of day of the end"),
		FLAG("timestamp", 't', since_start, "begin with seconds since the start"),
		FLAG("wide", 'w', wide, "full width for IPv6; adds the dwell in each state"),
		FLAG("utc", 0, utc, "time of day in UTC, not in the local zone"),
		{ 0 },
	},
};

static const struct option_group start = {
	"At the start",
	(const struct option_def[]){
		FLAG("no-snapshot", 0, no_snapshot,
		     "do not look for the sockets that exist: their owner and dwell are unknown"),
		{ 0 },
	},
};

static const struct option_group trace_end = {
	"When to stop",
	(const struct option_def[]){
		VALUE("count", 'n', "COUNT", count, set_rows, "after this many rows"),
		VALUE("duration", 'd', "TIME", duration_ns, set_end, "after this long"),
		{ 0 },
	},
};

static const struct option_group trace_output = {
	"What rows look like",
	(const struct option_def[]){
		CHOICE("output", 'o', "FORMAT", "table|json|csv", format, "one of"),
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

static const struct option_group socket_filters = {
	"Which sockets",
	(const struct option_def[]){
		VALUE("state", 's', "STATE,...", filters.either, set_states,
		      "in one of these states"),
		VALUE("older", 0, "TIME", older_ns, set_duration,
		      "in its state for at least this long, as far as is known"),
		{ 0 },
	},
};

static const struct option_group snapshot_report = {
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
		CHOICE("output", 'o', "FORMAT", "table|json|csv", format,
		       "one of; csv of --sockets and -i"),
		{ 0 },
	},
};

static const struct option_group leak_filters = {
	"What is a leak",
	(const struct option_def[]){
		VALUE("state", 's', "STATE,...", filters.either, set_states,
		      "in one of these states (CLOSE_WAIT); ESTABLISHED counts while idle"),
		VALUE("older", 0, "TIME", leak_ns, set_duration,
		      "for at least this long, as far as is known (1m)"),
		{ 0 },
	},
};

static const struct option_group leaks_report = {
	"Report",
	(const struct option_def[]){
		FLAG("watch", 0, watch, "go on, in place on a terminal, and see what is closed"),
		FLAG("stacks", 0, stacks,
		     "the lines of code that accepted or connected what --watch saw begin"),
		VALUE("interval", 'i', "TIME", report_ns, set_look_interval,
		      "time between two looks of --watch, 200ms or more (1s)"),
		VALUE("duration", 'd', "TIME", duration_ns, set_end, "end --watch after this long"),
		VALUE("top", 0, "COUNT", top, set_top, "processes that the text names, 1..100 (5)"),
		CHOICE("output", 'o', "FORMAT", "table|json", format, "one of"),
		{ 0 },
	},
};

static const struct option_group diagnose_report = {
	"Look and report",
	(const struct option_def[]){
		VALUE("duration", 'd', "TIME", duration_ns, set_end, "look for this long (10s)"),
		FLAG("watch", 0, watch,
		     "go on, in place on a terminal; into a pipe, a line for what comes and goes"),
		VALUE("interval", 'i', "TIME", report_ns, set_look_interval,
		      "time between two looks of --watch, 200ms or more (5s)"),
		VALUE("older", 0, "TIME", leak_ns, set_duration,
		      "what a process leaves open for at least this long is a leak (1m)"),
		CHOICE("output", 'o', "FORMAT", "table|json", format, "one of"),
		{ 0 },
	},
};

static const struct option_group timewait_report = {
	"Report",
	(const struct option_def[]){
		VALUE("duration", 'd', "TIME", duration_ns, set_end,
		      "report after this long, not at Ctrl-C"),
		VALUE("interval", 'i', "TIME", report_ns, set_interval,
		      "a report at each interval, of all since the start; 100ms or more"),
		VALUE("top", 0, "COUNT", top, set_top,
		      "rows in each table, 1..100 (5); the rest is summed"),
		CHOICE("output", 'o', "FORMAT", "table|json", format, "one of"),
		{ 0 },
	},
};

static const struct option_group stat_groups = {
	"What is summed",
	(const struct option_def[]){
		CHOICE("by", 0, "WHAT", "process|comm|port|lport|rport|prefix|cgroup|state", by,
		       "a row for each state and each WHAT (process), one of"),
		VALUE("prefix4", 0, "BITS", prefix4, set_prefix4,
		      "of a remote IPv4 address with --by prefix, 0..32 (24)"),
		VALUE("prefix6", 0, "BITS", prefix6, set_prefix6,
		      "of a remote IPv6 address with --by prefix, 0..128 (64)"),
		{ 0 },
	},
};

static const struct option_group stat_report = {
	"Report",
	(const struct option_def[]){
		VALUE("interval", 'i', "TIME", report_ns, set_interval,
		      "a report at each interval, of that interval alone; 100ms or more"),
		FLAG("cumulative", 0, cumulative, "with -i: each report is of all since the start"),
		VALUE("duration", 'd', "TIME", duration_ns, set_end, "end after this long"),
		VALUE("top", 0, "COUNT", top, set_top,
		      "rows of each state in the text, 1..100 (5)"),
		FLAG("histogram", 0, histogram, "below each row, a line for each power of two"),
		CHOICE("output", 'o', "FORMAT", "table|json", format, "one of"),
		FLAG("utc", 0, utc, "time of day in UTC, not in the local zone"),
		{ 0 },
	},
};

static const struct option_group stat_limits = {
	"Memory",
	(const struct option_def[]){
		VALUE("hist-size", 0, "SIZE", hist_bytes, set_hist,
		      "histograms in the kernel, 64K..1G; without it, as memory allows"),
		VALUE("max-sockets", 0, "COUNT", max_sockets, set_sockets,
		      "connections to remember at once; without it, or at 0, as memory allows"),
		{ 0 },
	},
};

static const struct option_group export_series = {
	"Series",
	(const struct option_def[]){
		VALUE("by", 0, "WHAT", export_by, set_export_by,
		      "whose: " EXPORT_CHOICES " (comm), or peer=/BITS, prefixes of remote "
		      "addresses"),
		VALUE("ports", 0, "PORT,...", export_ports, set_ports,
		      "with --by port: these alone, and `other` for the rest"),
		VALUE("prefix6", 0, "BITS", prefix6, set_prefix6,
		      "of a remote IPv6 address with --by peer, 0..128 (64)"),
		VALUE("max-series", 0, "COUNT", max_series, set_max_series,
		      "of each metric, 500 or more (2000); the rest goes to `other`"),
		VALUE("older", 0, "TIME", leak_ns, set_duration,
		      "what a process leaves open for at least this long is a leak (1m)"),
		{ 0 },
	},
};

static const struct option_group export_output = {
	"Output",
	(const struct option_def[]){
		VALUE("listen", 0, "ADDRESS", listen, set_path,
		      "serve HTTP there: ADDRESS:PORT in numbers, or unix:PATH (127.0.0.1:9435)"),
		VALUE("textfile", 0, "PATH", textfile, set_path,
		      "a file that is replaced at each look, for node_exporter"),
		VALUE("interval", 'i', "TIME", report_ns, set_export_interval,
		      "time between two looks, 1s or more (15s)"),
		VALUE("duration", 'd', "TIME", duration_ns, set_end, "end after this long"),
		{ 0 },
	},
};

static const struct option_group probe_report = {
	"Report",
	(const struct option_def[]){
		CHOICE("output", 'o', "FORMAT", "table|json", format, "one of"),
		{ 0 },
	},
};

static const struct option_group limits = {
	"Memory",
	(const struct option_def[]){
		VALUE("ring-size", 0, "SIZE", ring_bytes, set_ring,
		      "ring to the kernel side, 64K..1G (16M), rounded up to a power of two"),
		VALUE("max-sockets", 0, "COUNT", max_sockets, set_sockets,
		      "connections to remember at once; without it, or at 0, as memory allows"),
		{ 0 },
	},
};

static const struct option_group hidden_states = {
	"Hidden states",
	(const struct option_def[]){
		CHOICE("backend", 0, "NAME", "auto|fentry|kprobe|timer|none", backend,
		       "how to see the states that the tracepoint hides; one of"),
		{ 0 },
	},
};

static const struct option_group privileges = {
	"Privileges",
	(const struct option_def[]){
		VALUE("user", 0, "NAME", user, set_name,
		      "go on as this user once all is attached; without it, root becomes nobody"),
		{ 0 },
	},
};

static const struct option_group general = {
	"Other",
	(const struct option_def[]){
		FLAG("quiet", 'q', quiet, "nothing on standard error but errors and warnings"),
		FLAG("verbose", 'v', verbose, "say what is attached, and libbpf's messages"),
		FLAG("version", 0, version, "print the version and end"),
		FLAG("help", 'h', help, "print this help and end"),
		{ 0 },
	},
};

/* ---- Commands ------------------------------------------------------------------------------- */

#define LIST_TEXT "any member will do; a repeated option adds to its list; each filter narrows"

/* Of commands with filters of connections and of transitions. */
static const struct option_note filter_values[] = {
	{ "PORT", PARSE_WANT_PORT }, { "TIME", PARSE_WANT_TIME ", as in 1.5s" },
	{ "STATE", tcpstate_list },  { "REASON", reason_list },
	{ "A,...", LIST_TEXT },	     { 0 },
};

const struct command_def command_table[] = {
	{
		.name = "trace",
		.command = COMMAND_TRACE,
		.what = "print each state transition, its process and the dwell",
		.takes_program = true,
		.groups =
			(const struct option_group *const[]){
				&connection_filters,
				&transition_filters,
				&start,
				&trace_end,
				&trace_output,
				&limits,
				&hidden_states,
				&privileges,
				&general,
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
				&connection_filters,
				&life_filters,
				&start,
				&trace_end,
				&life_output,
				&limits,
				&hidden_states,
				&privileges,
				&general,
				NULL,
			},
		.values =
			(const struct option_note[]){
				{ "PORT", PARSE_WANT_PORT },
				{ "TIME", PARSE_WANT_TIME ", as in 1.5s" },
				{ "STATE", tcpstate_list },
				{ "REASON", reason_list },
				{ "A,...", LIST_TEXT },
				{ 0 },
			},
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
				&connection_filters,
				&timewait_report,
				&limits,
				&hidden_states,
				&privileges,
				&general,
				NULL,
			},
		.values =
			(const struct option_note[]){
				{ "PORT", PARSE_WANT_PORT },
				{ "TIME", PARSE_WANT_TIME ", as in 1.5s" },
				{ "A,...", LIST_TEXT },
				{ 0 },
			},
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
				&connection_filters,
				&transition_filters,
				&start,
				&stat_groups,
				&stat_report,
				&stat_limits,
				&hidden_states,
				&privileges,
				&general,
				NULL,
			},
		.values = filter_values,
		.examples =
			(const struct option_note[]){
				{ "tcpdwell stat", "who stays how long in which state" },
				{ "tcpdwell stat -i 10s -o json", "for a collector of metrics" },
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
				&connection_filters,
				&leak_filters,
				&leaks_report,
				&limits,
				&hidden_states,
				&privileges,
				&general,
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
				&connection_filters,
				&diagnose_report,
				&limits,
				&hidden_states,
				&general,
				NULL,
			},
		.values =
			(const struct option_note[]){
				{ "PORT", PARSE_WANT_PORT },
				{ "TIME", PARSE_WANT_TIME ", as in 1.5s" },
				{ "A,...", LIST_TEXT },
				{ 0 },
			},
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
				&connection_filters,
				&export_series,
				&export_output,
				&stat_limits,
				&hidden_states,
				&privileges,
				&general,
				NULL,
			},
		.values =
			(const struct option_note[]){
				{ "PORT", PARSE_WANT_PORT },
				{ "TIME", PARSE_WANT_TIME ", as in 1.5s" },
				{ "A,...", LIST_TEXT },
				{ 0 },
			},
		.examples =
			(const struct option_note[]){
				{ "tcpdwell export", "at http://127.0.0.1:9435/metrics" },
				{ "tcpdwell export --textfile /var/lib/node_exporter/tcp.prom",
				  "for node_exporter" },
				{ "tcpdwell export --by port --ports 80,443", "of two services" },
				{ 0 },
			},
	},
	{
		.name = "snapshot",
		.command = COMMAND_SNAPSHOT,
		.what = "count the sockets that exist, by state, process and port",
		.groups =
			(const struct option_group *const[]){
				&connection_filters,
				&socket_filters,
				&snapshot_report,
				&general,
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
				&probe_report,
				&hidden_states,
				&general,
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
		.groups = (const struct option_group *const[]){ &general, NULL },
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
