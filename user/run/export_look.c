// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/put.h"
#include "base/text.h"
#include "cli/version.h"
#include "kernel/feature.h"
#include "kernel/loader.h"
#include "model/gather.h"
#include "model/odometer.h"
#include "run/export_inside.h"

/* ---- What is not seen or not counted --------------------------------------------------------- */

static void add_cause(const struct exporter *x, const char *cause, uint64_t more)
{
	const struct export_labels labels = { .name = { "cause" }, .value = { cause } };

	export_add(x->export, EXPORT_LOST, export_named(x->export, &labels), 0, more);
}

static void add_lost(const struct exporter *x, const char *cause, uint64_t total)
{
	uint64_t key = odometer_key(EXPORT_LOST, cause, strlen(cause));

	add_cause(x, cause, odometer_grew(x->odometer, key, total));
}

/* Adds what was not seen, and what was not counted. */
static void add_losses(const struct session *session)
{
	const struct exporter *x = session->model;
	struct tcpdwell_counters counters;

	loader_counters(session->loader, &counters);
	export_add(x->export, EXPORT_MISSED, EXPORT_NOBODY, 0,
		   odometer_grew(x->odometer, odometer_key(EXPORT_MISSED, NULL, 0),
				 loader_missed(session->loader)));
	add_lost(x, "map_full", counters.lost_map);
	add_lost(x, "carried", loader_carried_lost(session->loader));
	add_lost(x, "failed_calls", loader_calls_missed(session->loader));
	add_lost(x, "no_memory", export_forgotten(x->export));
	add_cause(x, "findings", x->unfound);
}

static void add_features(const struct session *session)
{
	const struct features *features = loader_features(session->loader);
	const struct exporter *x = session->model;

	for (int id = 0; id < FEATURE_COUNT; id++) {
		const struct export_labels labels = {
			.name = { "name", "backend" },
			.value = { feature_table[id].name, features_backend_name(features, id) },
		};

		if (features_want(features, id))
			export_max(x->export, EXPORT_FEATURE, export_named(x->export, &labels), 0,
				   features_have(features, id));
	}
}

/* ---- What else a look finds ------------------------------------------------------------------ */

static int add_call(void *context, const struct tcpdwell_failed_call *call,
		    const struct tcpdwell_failed_calls *calls)
{
	struct session *session = context;
	const struct exporter *x = session->model;
	uint64_t key = odometer_key(EXPORT_FAILURES, call, sizeof(*call));
	uint64_t grew = odometer_grew(x->odometer, key, calls->count);
	struct fact_failure failure = gather_failure_of(call, calls, grew);
	uint32_t group;

	/* The kernel side has bounded room, and processes come and go. */
	if (!grew) {
		odometer_forget(x->odometer, key);
		return LOADER_FORGET;
	}
	if (failure.call == FACT_CONNECT) {
		group = exporter_group_of_call(session, call, calls->comm);
		export_add(x->export, EXPORT_FAILURES, group, call->err, grew);
		if (gather_sum_calls(x->gather, export_counts_for(group), call->err, grew))
			return -ENOMEM;
	}
	return gather_failure(x->gather, &failure);
}

static void add_finding(const struct exporter *x, const struct finding *finding)
{
	const struct export_labels labels = {
		.name = { "id", "severity" },
		.value = { finding_name(finding->id), finding_severity_name(finding->severity) },
	};

	export_add(x->export, EXPORT_FINDINGS, export_named(x->export, &labels), 0, 1);
}

/*
 * Adds how full the local ports to one destination are. Ports that bind() took are closed to all
 * destinations, which is written as "any".
 */
static void add_destination(const struct exporter *x, const struct finding_ports *ports)
{
	char text[64 + TEXT_SLACK_BYTES], *end = text;
	const struct export_labels labels = {
		.name = { "destination" },
		.value = { text },
	};
	uint32_t group;

	if (ports->bound) {
		end = put_string(end, "any");
	} else {
		end = put_char(put_host(end, ports->at.family, ports->at.raddr), ':');
		end = put_u16(end, ports->at.rport);
	}
	*end = '\0';
	group = export_named(x->export, &labels);
	export_max(x->export, EXPORT_PORTS_USED, group, 0, ports->taken);
	if (ports->fills)
		export_min(x->export, EXPORT_PORTS_LEFT, group, 0, ports->left_ns / 1e9);
}

/*
 * Adds the findings. It keeps the local ports of this look, so that the next look sees how they
 * change.
 */
static int add_findings(struct exporter *x)
{
	struct findings *findings = findings_new(&x->facts);

	if (!findings)
		return -errno;
	for (size_t i = 0; i < findings_count(findings); i++)
		add_finding(x, findings_at(findings, i));
	x->facts.port_count = findings_ports_count(findings);
	for (size_t i = 0; i < x->facts.port_count; i++) {
		x->ports[i] = *findings_ports_at(findings, i);
		add_destination(x, &x->ports[i]);
	}
	findings_free(findings);
	return 0;
}

/* Adds what the kernel has counted in namespaces since the last look that did not fail. */
static void add_namespaces(const struct exporter *x)
{
	for (size_t i = 0; i < x->facts.netns_count; i++) {
		const struct fact_netns *netns = &x->facts.namespaces[i];

		export_add(x->export, EXPORT_SYN_COOKIES, EXPORT_NOBODY, 0,
			   netns->grew[FACT_SYNCOOKIES_SENT]);
	}
}

/* ---- A look ---------------------------------------------------------------------------------- */

static int take_facts(struct session *session, uint64_t span_ns)
{
	struct exporter *x = session->model;
	size_t port_count = x->facts.port_count;
	int err = survey_failed_calls(session, x->netns, add_call, session);

	survey_processes(session, x->gather);
	if (!err)
		err = gather_take(x->gather, span_ns, session->options->leak_ns, &x->facts);
	x->facts.sums_of_programs = exporter_by_programs(session);
	x->facts.ports = x->ports;
	x->facts.port_count = port_count;
	if (!err)
		err = add_findings(x);
	if (!err)
		add_namespaces(x);
	x->unfound = gather_lost(x->gather);
	/* From here on growth is measured since this look. */
	err = err ?: gather_settle(x->gather);
	x->facts.sockets = NULL;
	x->facts.socket_count = 0;
	x->facts.held = NULL;
	return err;
}

static void add_self(const struct session *session, uint64_t began_ns)
{
	const struct exporter *x = session->model;
	const struct export_labels version = {
		.name = { "version" },
		.value = { TCPDWELL_VERSION },
	};

	export_max(x->export, EXPORT_BUILD, export_named(x->export, &version), 0, 1);
	export_max(x->export, EXPORT_LOOK_TIME, EXPORT_NOBODY, 0,
		   clock_wall_ns(session->clock, began_ns) / 1000000 / 1e3);
	export_max(x->export, EXPORT_LOOK_DURATION, EXPORT_NOBODY, 0,
		   (clock_now_ns() - began_ns) / 1e9);
}

int exporter_look(struct session *session)
{
	struct exporter *x = session->model;
	uint64_t began_ns = clock_now_ns(),
		 span_ns = began_ns - (x->looked_ns ?: session->start_ns);
	int err;

	odometer_look(x->odometer);
	err = survey_look(session, x->gather, x->netns, &x->survey);
	if (err)
		return exporter_fail(session, err);
	/* The walk asks for the names of the namespaces. */
	x->facts.namespaces = gather_namespaces(x->gather, &x->facts.netns_count);
	x->looked_ns = began_ns;
	if (exporter_walk(session) || session_sums(session))
		return -1;
	err = take_facts(session, span_ns);
	if (err)
		return exporter_fail(session, err);
	add_losses(session);
	add_features(session);
	add_self(session, began_ns);
	return 0;
}
