// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "host/netns_walk.h"
#include "host/resolve.h"
#include "model/census.h"
#include "model/listing.h"
#include "model/sockets.h"
#include "run/port_ranges.h"
#include "run/snapshot.h"
#include "run/survey.h"
#include "run/totals.h"
#include "view/snapshot_report.h"
#include "view/socket_fields.h"
#include "view/socket_report.h"

static void snapshot_wants(struct session *session, struct capture *capture, struct wants *wants)
{
	capture->sockets = session->options->sockets ? CAPTURE_SOCKETS_DETAILED :
						       CAPTURE_SOCKETS_TOLD;
	wants->names = !session->options->report_ns;
	wants->reports = true;
	wants->looks = !session->options->report_ns;
	wants->host_only = session->options->report_ns;
}

static int snapshot_start(struct session *session)
{
	if (session->options->report_ns)
		return totals_start(session);
	session->model = sockets_new();
	return session->model ? 0 : session_cannot_start(session, errno);
}

/* What is printed, and how. */
struct report {
	const struct session *session;
	const struct census *census;
};

static const char *netns_name(const void *session, uint32_t inode)
{
	struct names names;

	session_names(session, 0, inode, clock_now_ns(), &names);
	return names.netns;
}

static int print(FILE *out, const void *context)
{
	const struct report *report = context;
	const struct netns_lookup netns = { netns_name, report->session };
	const struct options *options = report->session->options;
	const struct census *census = report->census;

	if (options->listening && options->format == FORMAT_JSON)
		snapshot_json_listeners(out, census, &netns);
	else if (options->listening)
		snapshot_report_listeners(out, census, &netns);
	else if (options->format == FORMAT_JSON)
		snapshot_json(out, census, &netns,
			      clock_wall_ns(report->session->clock, census->now_ns));
	else
		snapshot_report(out, census, &netns, options->top);
	return 0;
}

static int count(struct session *session, uint64_t now_ns)
{
	const struct options *options = session->options;
	struct ranges *ranges = port_ranges_take(session);
	struct census *census;
	int err;

	census = census_new(session->model, ranges, &options->filters, options->older_ns, now_ns);
	if (!census) {
		err = failure_errno(session->failure, "cannot count", errno);
		ranges_free(ranges);
		return err;
	}
	err = session_show(session, print, &(struct report){ session, census });
	census_free(census);
	ranges_free(ranges);
	return err;
}

/* ---- Sockets one by one ---- */

/* What is printed, and how. */
struct rows {
	const struct session *session;
	const struct listing *listing;
};

static int print_rows(FILE *out, const void *context)
{
	const struct rows *rows = context;
	uint64_t wall_ns = clock_wall_ns(rows->session->clock, rows->listing->now_ns);

	if (rows->session->options->format == FORMAT_JSON)
		return socket_fields(out, &fields_json, rows->listing, wall_ns);
	if (rows->session->options->format == FORMAT_CSV)
		return socket_fields(out, &fields_csv, rows->listing, wall_ns);
	socket_report(out, rows->listing, output_columns());
	return 0;
}

static int note_settings(void *context, const struct netns_place *place)
{
	struct netns_setting setting = { .inode = place->inode };

	if (place->name)
		snprintf(setting.name, sizeof(setting.name), "%s", place->name);
	survey_settings(place, setting.settings);
	return netns_settings_add(context, &setting);
}

static int list(struct session *session, uint64_t now_ns)
{
	const struct options *options = session->options;
	struct netns_settings netns = {};
	struct rows rows = { .session = session };
	struct listing *listing = NULL;
	unsigned int closed;
	uint32_t only = 0;
	int err = -1;

	/*
	 * If a namespace cannot be entered, its settings are not known, and neither is what depends
	 * on them.
	 */
	if (resolve_netns(&options->filters.netns, &only, session->failure))
		return -1;
	if (!netns_walk(NULL, only, note_settings, &netns, &closed))
		listing = listing_new(session->model, &netns, &options->filters, options->older_ns,
				      now_ns);
	if (!listing) {
		failure_errno(session->failure, "cannot list", ENOMEM);
		goto out;
	}
	rows.listing = listing;
	err = session_show(session, print_rows, &rows);
out:
	listing_free(listing);
	netns_settings_free(&netns);
	return err;
}

static int snapshot_finish(struct session *session, const struct summary *summary)
{
	uint64_t now_ns;

	(void)summary;
	if (session->options->report_ns)
		return totals_run(session);
	if (session_walk(session, session->model))
		return -1;
	now_ns = clock_now_ns();
	return session->options->sockets ? list(session, now_ns) : count(session, now_ns);
}

static void snapshot_free(struct session *session)
{
	if (session->options->report_ns)
		totals_run_free(session->model);
	else
		sockets_free(session->model);
}

const struct command_ops snapshot_command = {
	.wants = snapshot_wants,
	.start = snapshot_start,
	.finish = snapshot_finish,
	.free = snapshot_free,
};
