// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "census.h"
#include "clock.h"
#include "loader.h"
#include "snapshot.h"
#include "snapshot_command.h"
#include "snapshot_report.h"

static int add(void *context, const struct tcpdwell_socket *record)
{
	return sockets_add(context, record);
}

static void print(const struct options *options, const struct census *census)
{
	struct clock *clock = clock_new();
	uint64_t wall_ns = clock ? clock_wall_ns(clock, census->now_ns) : 0;

	if (options->listening && options->format == FORMAT_JSON)
		snapshot_json_listeners(stdout, census);
	else if (options->listening)
		snapshot_report_listeners(stdout, census);
	else if (options->format == FORMAT_JSON)
		snapshot_json(stdout, census, wall_ns);
	else
		snapshot_report(stdout, census, options->top);
	clock_free(clock);
}

/* A reader that has gone is no failure. */
static int flush(struct failure *failure)
{
	if (!fflush(stdout) || errno == EPIPE)
		return 0;
	return failure_set(failure, STATUS_OTHER, "standard output: %s", strerror(errno));
}

int snapshot_command_run(const struct options *options, const struct notice *notice,
			 struct failure *failure)
{
	struct sockets *sockets = sockets_new();
	struct census *census = NULL;
	struct loader *loader = NULL;
	unsigned int closed;
	int err = -1;

	signal(SIGPIPE, SIG_IGN);
	if (!sockets) {
		failure_set(failure, STATUS_OTHER, "%s", strerror(errno));
		goto out;
	}
	loader = loader_new(options, notice, failure);
	if (!loader || snapshot_take(loader, add, sockets, &closed, failure))
		goto out;
	snapshot_warn(notice, closed);
	census = census_new(sockets, &options->filters, options->older_ns, clock_now_ns());
	if (!census) {
		failure_set(failure, STATUS_OTHER, "%s", strerror(errno));
		goto out;
	}
	print(options, census);
	err = flush(failure);
out:
	census_free(census);
	loader_free(loader);
	sockets_free(sockets);
	return err;
}
