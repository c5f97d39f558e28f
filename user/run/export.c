// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/v4mapped.h"
#include "host/host_name.h"
#include "host/http_server.h"
#include "host/ready.h"
#include "host/resolve.h"
#include "host/textfile.h"
#include "kernel/loader.h"
#include "model/gather.h"
#include "model/names_wanted.h"
#include "model/odometer.h"
#include "model/once.h"
#include "model/stat_table.h"
#include "run/export_inside.h"

/* The default time between two looks. */
#define LOOK_NS 15000000000ULL

#define LISTEN "127.0.0.1:9435"

/* A page that is older than this many intervals is not healthy. */
#define HEALTHY_LOOKS 3

/* So many looks may fail in a row, but not the first ones. */
#define FAILURES_MAX 2

int exporter_fail(struct session *session, int err)
{
	return failure_errno(session->failure, "cannot look at this host", -err);
}

static void export_wants(struct session *session, struct capture *capture, struct wants *wants)
{
	const struct options *options = session->options;

	capture->sums = (struct capture_sums){
		.wanted = true,
		.again = true,
		.by = exporter_kernel_by[options->export_by.by],
		.ends = true,
		.accept_waits = true,
		.service = options->export_by.by == EXPORT_BY_PORT,
		.prefix4 = options->export_by.by == EXPORT_BY_PEER ? options->export_by.bits :
								     options->prefix4,
		.prefix6 = options->prefix6,
		.bytes = options->hist_bytes,
	};
	capture->cgroups = exporter_by_cgroup(session);
	capture->scope = true;
	capture->failed_calls = true;
	capture->sockets = CAPTURE_SOCKETS_DETAILED;
	wants->watch = true;
	wants->serves = options->listen || (!options->textfile && options->format != FORMAT_OTLP);
	wants->snapshot = true;
	wants->looks = true;
	wants->first = true;
	wants->names = exporter_by_cgroup(session);
	wants->report_ns = options->report_ns ?: LOOK_NS;
	wants->pace_ns = exporter_by_cgroup(session) ? SESSION_NAMES_NS : EVENTS_FOREVER;
}

/* Opens the listener. The option --listen wins over a socket that a process manager hands over. */
static int open_listener(struct session *session)
{
	struct exporter *x = session->model;
	const char *address = session->options->listen;
	int fd = address ? -ENOENT : listener_inherit(x->address, session->failure);

	return fd == -ENOENT ? listener_open(address ?: LISTEN, x->address, session->failure) : fd;
}

/*
 * Does what must be forked while the process is small, and what may be refused before BPF is
 * loaded.
 */
static int export_prepare(struct session *session)
{
	const struct options *options = session->options;
	struct exporter *x = session->model = calloc(1, sizeof(*x));

	if (!x)
		return exporter_fail(session, -errno);
	x->listener = -1;
	x->ready = ready_open();
	host_name_read(x->host);
	if (options->textfile) {
		x->textfile = textfile_new(options->textfile, session->failure);
		if (!x->textfile)
			return -1;
	}
	if (session->wants.serves) {
		x->listener = open_listener(session);
		if (x->listener < 0)
			return -1;
	}
	return 0;
}

static int start_server(struct session *session)
{
	struct exporter *x = session->model;
	int listener = x->listener;

	if (listener < 0)
		return 0;
	x->listener = -1;
	x->server = http_server_new(listener, HEALTHY_LOOKS * session->wants.report_ns);
	if (!x->server)
		return failure_errno(session->failure, "cannot start a thread", errno);
	notice_print(session->notice, NOTICE_STATUS, "metrics at %s", x->address);
	return 0;
}

/*
 * Starts the model and the server. What the kernel counted in namespaces before the first look is
 * not exported.
 */
static int export_start(struct session *session)
{
	const struct options *options = session->options;
	struct exporter *x = session->model;
	int err;

	x->export = export_new(exporter_labels[options->export_by.by], options->max_series);
	x->odometer = odometer_new();
	x->gather = gather_new();
	if (!x->export || !x->odometer || !x->gather)
		return exporter_fail(session, -errno);
	if (resolve_netns(&options->filters.netns, &x->netns, session->failure))
		return -1;
	gather_narrow(x->gather, &options->filters);
	gather_digest(x->gather, options->leak_ns);
	err = survey_begin(session, x->gather, x->netns, &x->survey);
	return err ? exporter_fail(session, err) : start_server(session);
}

static bool is_wanted(struct session *session, uint64_t cgroup_id)
{
	return names_wanted(&session->options->filters, exporter_cgroup(session, cgroup_id));
}

static int export_event(struct session *session, const struct event *event)
{
	const struct exporter *x = session->model;
	const struct tcpdwell_stat_key *key = event->sum.key;
	struct whose whose = {
		.comm = key->comm,
		.cgroup_id = key->cgroup_id,
		.netns = key->words[0],
		.port = key->number & TCPDWELL_STAT_NUMBER_MASK,
	};
	uint32_t group;

	if (exporter_by_cgroup(session) && !is_wanted(session, key->cgroup_id)) {
		session->unwanted += stat_element_rows(key, event->sum.value);
		return 0;
	}
	memcpy(whose.addr, key->addr, sizeof(whose.addr));
	group = exporter_group(session, &whose);
	session->handed += export_sum(x->export, group, key, event->sum.value);
	if (gather_sum(x->gather, export_counts_for(group), key, event->sum.value))
		return exporter_fail(session, -ENOMEM);
	return 0;
}

/*
 * Decides what a failed look, or a failed reading of the sums, means. What fails for a moment, for
 * want of memory or because of what else the host does, is no reason to end: the last page stays.
 * Counters keep what the look has added to them. Returns 0, or -1 with the failure filled.
 */
static int forgive(struct session *session)
{
	struct exporter *x = session->model;

	if (!x->more_failures || odometer_keep(x->odometer))
		return -1;
	x->more_failures--;
	notice_print(session->notice, NOTICE_WARNING, "%s: what was seen before stays",
		     session->failure->text);
	*session->failure = (struct failure){};
	return 0;
}

static int export_tick(struct session *session)
{
	if (session->end)
		return session_sums(session);
	return exporter_by_cgroup(session) && session_sums(session) ? forgive(session) : 0;
}

static int export_render(struct session *session)
{
	struct exporter *x = session->model;
	uint64_t looked_ns = x->looked_ns;

	if (exporter_look(session)) {
		x->looked_ns = looked_ns;
		return forgive(session);
	}
	x->more_failures = FAILURES_MAX;
	return exporter_show(session);
}

/*
 * Takes a last look when the time (-d) is over, so that the file, or whoever reads the lines, has
 * all that was counted.
 */
static int export_finish(struct session *session, const struct summary *summary)
{
	const struct exporter *x = session->model;

	(void)summary;
	return (x->textfile || session->options->format == FORMAT_OTLP) &&
			       session->end == SESSION_TIME ?
		       export_render(session) :
		       0;
}

static void export_release(struct session *session)
{
	struct exporter *x = session->model;

	http_server_free(x->server);
	if (x->listener >= 0)
		close(x->listener);
	if (x->ready >= 0)
		close(x->ready);
	textfile_free(x->textfile);
	once_free(x->once);
	gather_free(x->gather);
	odometer_free(x->odometer);
	export_free(x->export);
	free(x);
}

const struct command_ops export_command = {
	.wants = export_wants,
	.prepare = export_prepare,
	.start = export_start,
	.event = export_event,
	.tick = export_tick,
	.render = export_render,
	.finish = export_finish,
	.free = export_release,
};
