// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "model/export_inside.h"

const struct export_metric_def export_metric_table[EXPORT_METRICS] = {
	[EXPORT_CONNECTIONS] = { "tcpdwell_connections", EXPORT_GAUGE, EXPORT_PART_STATE, true,
				 NULL, "TCP sockets that exist, by state." },
	[EXPORT_DWELL] = { "tcpdwell_state_dwell_seconds", EXPORT_HISTOGRAM, EXPORT_PART_STATE,
			   true, "seconds",
			   "Time that connections were in a state, when they left it." },
	[EXPORT_DWELL_UNKNOWN] = { "tcpdwell_state_dwell_unknown", EXPORT_COUNTER,
				   EXPORT_PART_STATE, true, NULL,
				   "States left whose time is not known, or known to be longer "
				   "than something." },
	[EXPORT_HANDSHAKE] = { "tcpdwell_handshake_seconds", EXPORT_HISTOGRAM, EXPORT_PART_SIDE,
			       true, "seconds", "Time that handshakes took which succeeded." },
	[EXPORT_ACCEPT_WAIT] = { "tcpdwell_accept_wait_seconds", EXPORT_HISTOGRAM, EXPORT_PART_NONE,
				 true, "seconds", "Time from ESTABLISHED to accept()." },
	[EXPORT_CLOSES] = { "tcpdwell_closes", EXPORT_COUNTER, EXPORT_PART_REASON, true, NULL,
			    "Sockets that reached CLOSE, by reason." },
	[EXPORT_FAILURES] = { "tcpdwell_connect_failures", EXPORT_COUNTER, EXPORT_PART_ERRNO, true,
			      NULL, "Calls of connect() that returned an error." },
	[EXPORT_LEAKED] = { "tcpdwell_leaked_connections", EXPORT_GAUGE, EXPORT_PART_STATE, true,
			    NULL, "Connections that wait for close() for longer than --older." },
	[EXPORT_OLDEST] = { "tcpdwell_oldest_seconds", EXPORT_FLEETING, EXPORT_PART_STATE, true,
			    "seconds", "Least time that the oldest one is in its state." },
	[EXPORT_QUEUE] = { "tcpdwell_accept_queue_length", EXPORT_GAUGE, EXPORT_PART_NONE, true,
			   NULL, "Connections that wait for accept()." },
	[EXPORT_QUEUE_LIMIT] = { "tcpdwell_accept_queue_limit", EXPORT_FLEETING, EXPORT_PART_NONE,
				 true, NULL, "Backlogs of listeners, added up." },
	[EXPORT_LISTEN_DROPS] = { "tcpdwell_listen_drops", EXPORT_COUNTER, EXPORT_PART_NONE, true,
				  NULL, "SYNs and connections that listeners dropped." },
	[EXPORT_BYTES] = { "tcpdwell_bytes", EXPORT_COUNTER, EXPORT_PART_DIRECTION, true, "bytes",
			   "Data that connections carried, each byte once." },
	[EXPORT_RETRANSMITTED] = { "tcpdwell_retransmitted_segments", EXPORT_COUNTER,
				   EXPORT_PART_NONE, true, NULL,
				   "Segments that connections sent again." },
	[EXPORT_PORTS_USED] = { "tcpdwell_local_ports_used_ratio", EXPORT_FLEETING,
				EXPORT_PART_NONE, false, "ratio",
				"Share of local ports in use to a destination, of the fullest." },
	[EXPORT_PORTS_LEFT] = { "tcpdwell_local_ports_seconds_left", EXPORT_FLEETING,
				EXPORT_PART_NONE, false, NULL,
				"Time until no local port is left, as they went since the last "
				"look." },
	[EXPORT_SYN_COOKIES] = { "tcpdwell_syn_cookies", EXPORT_COUNTER, EXPORT_PART_NONE, false,
				 NULL, "SYN cookies sent, in all namespaces that were seen." },
	[EXPORT_FINDINGS] = { "tcpdwell_findings", EXPORT_GAUGE, EXPORT_PART_NONE, false, NULL,
			      "What diagnose finds, at the last look; of ends of connections, what "
			      "their number in a group tells." },
	[EXPORT_MISSED] = { "tcpdwell_missed", EXPORT_COUNTER, EXPORT_PART_NONE, false, NULL,
			    "Transitions that the kernel ran no program for." },
	[EXPORT_LOST] = { "tcpdwell_lost", EXPORT_COUNTER, EXPORT_PART_NONE, false, NULL,
			  "What was seen and found no room: transitions, sums of bytes, "
			  "sockets of findings." },
	[EXPORT_FEATURE] = { "tcpdwell_feature", EXPORT_FLEETING, EXPORT_PART_NONE, false, NULL,
			     "Whether the kernel lets this be seen, and by what." },
	[EXPORT_BUILD] = { "tcpdwell_build", EXPORT_INFO, EXPORT_PART_NONE, false, NULL,
			   "Version of tcpdwell." },
	[EXPORT_LOOK_TIME] = { "tcpdwell_look_timestamp_seconds", EXPORT_FLEETING, EXPORT_PART_NONE,
			       false, "seconds", "Unix time of the last look." },
	[EXPORT_LOOK_DURATION] = { "tcpdwell_look_duration_seconds", EXPORT_FLEETING,
				   EXPORT_PART_NONE, false, "seconds",
				   "Time that the last look took." },
	[EXPORT_METRIC_SERIES] = { "tcpdwell_metric_series", EXPORT_GAUGE, EXPORT_PART_NONE, false,
				   NULL,
				   "Series of a metric, the lines of a histogram one by one." },
	[EXPORT_BEYOND] = { "tcpdwell_beyond_max_series", EXPORT_COUNTER, EXPORT_PART_NONE, false,
			    NULL, "Times that a group had no room for a series of its own." },
};

const char *export_suffix(enum export_kind kind)
{
	return kind == EXPORT_COUNTER ? "_total" : kind == EXPORT_INFO ? "_info" : "";
}

/*
 * The room that is kept for the parts of the group `other`. For errnos, it is the number of errnos
 * that have a name.
 */
#define OTHER_PARTS_MAX 140

uint32_t metric_lines(uint32_t metric)
{
	return export_metric_table[metric].kind == EXPORT_HISTOGRAM ? EXPORT_LINES : 1;
}

uint32_t metric_parts(uint32_t metric)
{
	switch (export_metric_table[metric].part) {
	case EXPORT_PART_STATE:
		return TCPDWELL_STATE_MAX - 1;
	case EXPORT_PART_SIDE:
	case EXPORT_PART_DIRECTION:
		return 2;
	case EXPORT_PART_REASON:
		return TCPDWELL_REASON_MAX;
	case EXPORT_PART_ERRNO:
		return OTHER_PARTS_MAX;
	default:
		return 1;
	}
}
