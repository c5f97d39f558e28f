// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "kernel/loader.h"
#include "model/census.h"
#include "run/page.h"
#include "run/snapshot_command.h"
#include "run/socket_source.h"
#include "view/snapshot_report.h"

/* What is printed, and how. */
struct report {
	const struct options *options;
	const struct census *census;
};

static void print(FILE *out, const void *context)
{
	const struct report *report = context;
	const struct options *options = report->options;
	const struct census *census = report->census;
	struct clock *clock = clock_new();
	uint64_t wall_ns = clock ? clock_wall_ns(clock, census->now_ns) : 0;

	if (options->listening && options->format == FORMAT_JSON)
		snapshot_json_listeners(out, census);
	else if (options->listening)
		snapshot_report_listeners(out, census);
	else if (options->format == FORMAT_JSON)
		snapshot_json(out, census, wall_ns);
	else
		snapshot_report(out, census, options->top);
	clock_free(clock);
}

int snapshot_command_run(const struct options *options, const struct notice *notice,
			 struct failure *failure)
{
	struct socket_source source = { .options = options, .notice = notice };
	struct sockets *sockets = sockets_new();
	struct census *census = NULL;
	int err = -1;

	signal(SIGPIPE, SIG_IGN);
	if (!sockets) {
		failure_set(failure, STATUS_OTHER, "%s", strerror(errno));
		goto out;
	}
	if (socket_source_open(&source, failure) || socket_source_take(&source, sockets, failure))
		goto out;
	census = census_new(sockets, &options->filters, options->older_ns, clock_now_ns());
	if (!census) {
		failure_set(failure, STATUS_OTHER, "%s", strerror(errno));
		goto out;
	}
	err = page_print(print, &(struct report){ options, census }, failure);
out:
	census_free(census);
	loader_free(source.loader);
	sockets_free(sockets);
	return err;
}
