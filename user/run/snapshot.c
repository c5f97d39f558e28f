// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "host/ephemeral.h"
#include "host/netns_walk.h"
#include "host/resolve.h"
#include "model/census.h"
#include "model/sockets.h"
#include "run/snapshot.h"
#include "view/snapshot_report.h"

static void snapshot_wants(struct session *session, struct options *traced, struct wants *wants)
{
	(void)session;
	(void)traced;
	wants->reports = true;
	wants->looks = true;
}

static int snapshot_start(struct session *session)
{
	session->model = sockets_new();
	return session->model ? 0 : failure_errno(session->failure, "cannot start", errno);
}

/* What is printed, and how. */
struct report {
	const struct session *session;
	const struct census *census;
};

static int print(FILE *out, const void *context)
{
	const struct report *report = context;
	const struct options *options = report->session->options;
	const struct census *census = report->census;

	if (options->listening && options->format == FORMAT_JSON)
		snapshot_json_listeners(out, census);
	else if (options->listening)
		snapshot_report_listeners(out, census);
	else if (options->format == FORMAT_JSON)
		snapshot_json(out, census, clock_wall_ns(report->session->clock, census->now_ns));
	else
		snapshot_report(out, census, options->top);
	return 0;
}

static int note_range(void *context, const struct netns_place *place)
{
	struct ephemeral ephemeral;

	if (ephemeral_read(&ephemeral, ""))
		return 0;
	return ranges_add(context, place->inode,
			  (struct service_range){ ephemeral.low, ephemeral.high });
}

/* Where a namespace cannot be entered, or there is no memory, the range is taken to be Linux's. */
static struct ranges *note_ranges(const struct session *session)
{
	struct ranges *ranges = ranges_new();
	unsigned int closed;
	struct failure failure;
	uint32_t only = 0;

	if (ranges && !resolve_netns(&session->options->filters.netns, &only, &failure))
		netns_walk(NULL, only, note_range, ranges, &closed);
	return ranges;
}

static int snapshot_finish(struct session *session, const struct summary *summary)
{
	const struct options *options = session->options;
	struct ranges *ranges;
	struct census *census;
	uint64_t now_ns;
	int err;

	(void)summary;
	if (session_walk(session, session->model))
		return -1;
	now_ns = clock_now_ns();
	ranges = note_ranges(session);
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

static void snapshot_free(struct session *session)
{
	sockets_free(session->model);
}

const struct command_ops snapshot_command = {
	.wants = snapshot_wants,
	.start = snapshot_start,
	.finish = snapshot_finish,
	.free = snapshot_free,
};
