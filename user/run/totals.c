// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/netns_walk.h"
#include "host/netstat.h"
#include "host/resolve.h"
#include "host/sockdiag.h"
#include "model/totals.h"
#include "run/session.h"
#include "run/totals.h"
#include "view/totals_report.h"

_Static_assert(NETSTAT_UNKNOWN == TOTALS_UNKNOWN, "what is not known is so everywhere");

static const char *const counter_names[TOTALS_COUNTERS] = {
	[TOTALS_ACTIVE_OPENS] = "Tcp.ActiveOpens",   [TOTALS_PASSIVE_OPENS] = "Tcp.PassiveOpens",
	[TOTALS_ATTEMPT_FAILS] = "Tcp.AttemptFails", [TOTALS_ESTAB_RESETS] = "Tcp.EstabResets",
	[TOTALS_RETRANS_SEGS] = "Tcp.RetransSegs",
};

struct totals_run {
	struct session *session;
	struct totals *totals;
	uint32_t only; /* inode of the namespace; 0: all */
	unsigned int visited;
	bool told; /* what a look cannot see has been reported */
	struct totals_line line;
	uint64_t lines;
};

/* ---- A look ---- */

static int count_socket(void *context, const struct sockdiag_socket *socket)
{
	struct totals_reading *reading = context;

	if (socket->state < TCPDWELL_STATE_MAX)
		reading->states[socket->state]++;
	reading->requests += socket->state == TCPDWELL_SYN_RECV && !socket->full;
	return 0;
}

/* Counts the namespace's sockets. Returns 0, also if it has ended meanwhile, or -errno. */
static int count_sockets(const struct netns_place *place, struct totals_reading *reading)
{
	int fd = netns_place_sockdiag(place), err;

	if (fd < 0)
		return netns_place_is_gone(place, fd) ? 0 : fd;
	err = sockdiag_dump_brief(fd, SOCKDIAG_STATES, count_socket, reading);
	close(fd);
	return err;
}

/*
 * Reads the counters before the sockets: a connection that opens in between is counted at the next
 * look (totals.c).
 */
static int take_netns(void *context, const struct netns_place *place)
{
	struct totals_run *run = context;
	struct totals_reading reading = { .inode = place->inode };
	unsigned int sockets, timewait;

	run->visited++;
	netstat_read(place, counter_names, reading.counters, TOTALS_COUNTERS);
	/*
	 * A dump walks through the hash table of the whole host, so it is skipped for a namespace
	 * without sockets.
	 */
	if (netns_place_count(place, &sockets, &timewait) || sockets || timewait) {
		int err = count_sockets(place, &reading);

		if (err)
			return err;
	}
	return totals_add(run->totals, &reading);
}

static void take_host(struct totals_run *run)
{
	const struct netns_place own = { .own = true, .steward = run->session->steward };
	uint64_t memory = TOTALS_UNKNOWN;
	struct netstat_host host = netstat_host_unknown;

	netstat_add_host(&own, &host);
	if (host.pages != NETSTAT_UNKNOWN)
		memory = host.pages * sysconf(_SC_PAGESIZE);
	totals_host(run->totals, host.orphans, memory);
}

/*
 * Takes a look. Returns 1 if there is a line, 0 if this was the first look, or -1 with the failure
 * filled.
 */
static int look(struct totals_run *run)
{
	struct session *session = run->session;
	unsigned int closed;
	int err;

	run->visited = 0;
	totals_begin(run->totals, clock_now_ns());
	err = netns_walk(session->steward, run->only, take_netns, run, &closed);
	if (err)
		return failure_errno(session->failure, "cannot count sockets", -err);
	if (!run->visited)
		return failure_set(session->failure, STATUS_HOST,
				   "--netns: there is no network namespace %" PRIu32 " to enter",
				   run->only);
	if (!run->told)
		netns_walk_warn(session->notice, closed, "they are not counted");
	run->told = true;
	take_host(run);
	return totals_end(run->totals, &run->line);
}

/* ---- What is printed ---- */

/*
 * Returns true if the column names are due: above the first line, and on a terminal above each
 * screenful.
 */
static bool needs_head(const struct totals_run *run)
{
	unsigned int lines = output_is_terminal() ? output_lines() : 0;

	return !run->lines || (lines > 2 && run->lines % (lines - 1) == 0);
}

static int print(FILE *out, const void *context)
{
	const struct totals_run *run = context;
	uint64_t wall_ns = clock_wall_ns(run->session->clock, run->line.time_ns);

	switch (run->session->options->format) {
	case FORMAT_JSON:
		return totals_fields(out, &fields_json, &run->line, wall_ns, false);
	case FORMAT_CSV:
		return totals_fields(out, &fields_csv, &run->line, wall_ns, !run->lines);
	default:
		if (needs_head(run))
			totals_report_head(out, output_columns());
		totals_report(out, &run->line, wall_ns, output_columns());
		return 0;
	}
}

/* ---- The run ---- */

static bool is_over(const struct totals_run *run)
{
	uint64_t count = run->session->options->count;

	return run->session->end || output_error(run->session->output) ||
	       (count && run->lines >= count);
}

/* Takes a look and prints its line. Returns 0, or -1 with the failure filled. */
static int tell(struct totals_run *run)
{
	int err;

	clock_tick(run->session->clock);
	err = look(run);
	if (err > 0)
		err = session_show(run->session, print, run);
	run->lines++;
	return err;
}

/*
 * Prints a line at each interval, in step with the start, one at SIGUSR1, and one at the end of -d.
 * Intervals that a slow look has missed are not made up for.
 */
static int run_on(struct totals_run *run)
{
	const struct options *options = run->session->options;
	uint64_t start_ns = clock_now_ns(), interval_ns = options->report_ns;
	uint64_t now_ns, end_ns = UINT64_MAX;
	int err = look(run);

	/* Until then the output is waited for; between the looks the loop below counts itself. */
	if (options->duration_ns)
		run->session->end_ns = end_ns = start_ns + options->duration_ns;
	while (err >= 0 && !is_over(run) && (now_ns = clock_now_ns()) < end_ns) {
		uint64_t next_ns = start_ns + ((now_ns - start_ns) / interval_ns + 1) * interval_ns;

		if (next_ns > end_ns)
			next_ns = end_ns;
		err = session_wait(run->session, next_ns - now_ns, true);
		if (err)
			break;
		err = tell(run);
	}
	return err < 0 ? -1 : 0;
}

int totals_start(struct session *session)
{
	struct totals_run *run = calloc(1, sizeof(*run));

	session->model = run;
	if (!run || !(run->totals = totals_new()))
		return session_cannot_start(session, ENOMEM);
	run->session = session;
	return resolve_netns(&session->options->filters.netns, &run->only, session->failure);
}

void totals_run_free(struct totals_run *run)
{
	if (run)
		totals_free(run->totals);
	free(run);
}

int totals_run(struct session *session)
{
	return run_on(session->model);
}
