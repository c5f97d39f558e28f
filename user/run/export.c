// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/put.h"
#include "base/v4mapped.h"
#include "cli/version.h"
#include "host/ephemeral.h"
#include "host/http_server.h"
#include "host/listener.h"
#include "host/ready.h"
#include "host/resolve.h"
#include "host/textfile.h"
#include "kernel/feature.h"
#include "kernel/loader.h"
#include "model/ages.h"
#include "model/export.h"
#include "model/findings.h"
#include "model/gather.h"
#include "model/names_wanted.h"
#include "model/odometer.h"
#include "model/once.h"
#include "model/stat_table.h"
#include "run/export.h"
#include "run/survey.h"
#include "service.h"
#include "view/prometheus.h"

/* Between two looks, where no option says. */
#define LOOK_NS 15000000000ULL

#define LISTEN "127.0.0.1:9435"

/* A page that as many looks were to replace is not healthy. */
#define HEALTHY_LOOKS 3

/* Between two looks at what cgroups rows came from: those that end before a look have a name. */
#define NAMES_NS 1000000000ULL

struct exporter {
	struct export *export;
	struct odometer *odometer;
	struct gather *gather;
	struct once *once;	   /* the sockets of a look, NULL: there is none */
	struct textfile *textfile; /* NULL: not asked for */
	struct facts facts;
	struct finding_ports ports[FINDING_PORTS]; /* of the last look */
	struct survey survey;
	struct service_range range;
	uint32_t netns;		    /* the one that is looked at, 0: all */
	uint64_t looked_ns;	    /* 0: there was no look */
	int file_err;		    /* of the last write, so that it is said once */
	int listener;		    /* until the server has it, -1: there is none */
	struct http_server *server; /* NULL: not asked for */
	char address[LISTENER_TEXT_BYTES];
	int ready; /* where the first page is waited for, -1: nobody does */
};

/* What a group can be made of: those of a transition, a socket, or a call. */
struct whose {
	const char *comm;
	uint64_t cgroup_id;
	uint32_t netns;
	uint16_t port; /* the service's, 0: not known */
	bool no_addr;
	uint8_t addr[16]; /* v4-mapped */
};

static int fail(struct session *session, int err)
{
	return failure_errno(session->failure, "cannot look at this host", -err);
}

/* ---- Groups ---------------------------------------------------------------------------------- */

static const char *const label_names[][EXPORT_LABELS] = {
	[EXPORT_BY_COMM] = { "comm" },		 [EXPORT_BY_UNIT] = { "unit" },
	[EXPORT_BY_CONTAINER] = { "container" }, [EXPORT_BY_POD] = { "pod", "namespace" },
	[EXPORT_BY_PORT] = { "port" },		 [EXPORT_BY_NETNS] = { "netns" },
	[EXPORT_BY_CGROUP] = { "cgroup" },	 [EXPORT_BY_PEER] = { "peer" },
};

static const enum tcpdwell_stat_by kernel_by[] = {
	[EXPORT_BY_COMM] = TCPDWELL_BY_COMM,	    [EXPORT_BY_UNIT] = TCPDWELL_BY_CGROUP,
	[EXPORT_BY_CONTAINER] = TCPDWELL_BY_CGROUP, [EXPORT_BY_POD] = TCPDWELL_BY_CGROUP,
	[EXPORT_BY_PORT] = TCPDWELL_BY_PORT,	    [EXPORT_BY_NETNS] = TCPDWELL_BY_NETNS,
	[EXPORT_BY_CGROUP] = TCPDWELL_BY_CGROUP,    [EXPORT_BY_PEER] = TCPDWELL_BY_PREFIX,
};

static bool is_by_cgroup(const struct session *session)
{
	return kernel_by[session->options->export_by.by] == TCPDWELL_BY_CGROUP;
}

static uint32_t group_by_comm(const struct exporter *x, const char *comm)
{
	char name[TCPDWELL_COMM_LEN + 1] = "";

	memcpy(name, comm, strnlen(comm, TCPDWELL_COMM_LEN));
	return export_group(x->export, name, NULL);
}

/* Of a pod without a known name the UID is all that there is. */
static uint32_t group_by_texts(const struct exporter *x, enum export_by by,
			       const char *const texts[CONTAINER_TEXTS], const char *pod_uid)
{
	const char *pod = texts[CONTAINER_POD];

	if (by == EXPORT_BY_UNIT)
		return export_group(x->export, texts[CONTAINER_UNIT] ?: "", NULL);
	if (by == EXPORT_BY_CONTAINER)
		return export_group(x->export, texts[CONTAINER_LABEL] ?: "", NULL);
	return export_group(x->export,
			    pod		    ?:
				    pod_uid ?:
					      "",
			    pod ? texts[CONTAINER_POD_NAMESPACE] : "");
}

static uint32_t group_by_cgroup(const struct session *session, uint64_t id)
{
	enum export_by by = session->options->export_by.by;
	const struct exporter *x = session->model;
	struct names names;

	session_names(session, id, 0, clock_now_ns(), &names);
	if (by == EXPORT_BY_CGROUP || !names.cgroup)
		return export_group(x->export, names_path(&names) ?: "", "");
	return group_by_texts(x, by, names.cgroup->texts, names.cgroup->pod_uid);
}

/* A namespace without a name has its number. */
static uint32_t group_by_netns(const struct exporter *x, uint32_t inode)
{
	const struct fact_netns *netns = facts_netns(&x->facts, inode);
	char number[16];

	if (netns && netns->name[0])
		return export_group(x->export, netns->name, NULL);
	snprintf(number, sizeof(number), "%" PRIu32, inode);
	return export_group(x->export, inode ? number : "", NULL);
}

static uint32_t group_by_port(const struct session *session, uint16_t port)
{
	const struct exporter *x = session->model;
	const struct port_set *wanted = &session->options->export_ports;
	char number[8];

	if (port && wanted->any && !port_set_has(wanted, port))
		return EXPORT_OTHER;
	snprintf(number, sizeof(number), "%u", port);
	return export_group(x->export, port ? number : "", NULL);
}

static void keep_bits(uint8_t *addr, unsigned int bytes, unsigned int bits)
{
	for (unsigned int i = 0; i < bytes; i++, bits -= bits < 8 ? bits : 8)
		addr[i] &= bits < 8 ? 0xff00 >> bits : 0xff;
}

static uint32_t group_by_peer(const struct session *session, const uint8_t *from)
{
	const struct exporter *x = session->model;
	const struct options *options = session->options;
	char text[INET6_ADDRSTRLEN + 8];
	uint8_t addr[16];
	bool v4 = v4mapped_is(from);
	unsigned int bits = v4 ? options->export_by.bits : options->prefix6;

	memcpy(addr, from, sizeof(addr));
	keep_bits(v4 ? addr + 12 : addr, v4 ? 4 : 16, bits);
	inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? addr + 12 : addr, text, INET6_ADDRSTRLEN);
	snprintf(text + strlen(text), 8, "/%u", bits);
	return export_group(x->export, text, NULL);
}

static uint32_t group_of(const struct session *session, const struct whose *whose)
{
	const struct exporter *x = session->model;
	enum export_by by = session->options->export_by.by;

	switch (by) {
	case EXPORT_BY_COMM:
		return group_by_comm(x, whose->comm);
	case EXPORT_BY_PORT:
		return group_by_port(session, whose->port);
	case EXPORT_BY_NETNS:
		return group_by_netns(x, whose->netns);
	case EXPORT_BY_PEER:
		return whose->no_addr ? export_group(x->export, "", NULL) :
					group_by_peer(session, whose->addr);
	default:
		return group_by_cgroup(session, whose->cgroup_id);
	}
}

/* ---- Start ----------------------------------------------------------------------------------- */

static void export_wants(struct session *session, struct capture *capture, struct wants *wants)
{
	const struct options *options = session->options;

	capture->sums = (struct capture_sums){
		.wanted = true,
		.by = kernel_by[options->export_by.by],
		.ends = true,
		.accept_waits = true,
		.service = true,
		.prefix4 = options->export_by.by == EXPORT_BY_PEER ? options->export_by.bits :
								     options->prefix4,
		.prefix6 = options->prefix6,
		.bytes = options->hist_bytes,
	};
	capture->cgroups = is_by_cgroup(session);
	capture->scope = true;
	capture->failed_calls = true;
	capture->sockets = CAPTURE_SOCKETS_DETAILED;
	wants->watch = true;
	wants->serves = options->listen || !options->textfile;
	wants->snapshot = true;
	wants->looks = true;
	wants->first = true;
	wants->names = is_by_cgroup(session);
	wants->report_ns = options->report_ns ?: LOOK_NS;
	wants->pace_ns = is_by_cgroup(session) ? NAMES_NS : EVENTS_FOREVER;
}

/* What must be forked while the process is small, or is refused before anything is loaded. */
static int export_prepare(struct session *session)
{
	const struct options *options = session->options;
	struct exporter *x = session->model = calloc(1, sizeof(*x));

	if (!x)
		return fail(session, -errno);
	x->listener = -1;
	x->ready = ready_open();
	if (options->textfile) {
		x->textfile = textfile_new(options->textfile, session->failure);
		if (!x->textfile)
			return -1;
	}
	if (session->wants.serves) {
		x->listener = listener_open(options->listen ?: LISTEN, x->address,
					    session->failure);
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
	notice_print(session->notice, NOTICE_STATUS, "metrics at %s/metrics", x->address);
	return 0;
}

/* What is counted of namespaces before the first look is not told. */
static int export_start(struct session *session)
{
	const struct options *options = session->options;
	struct exporter *x = session->model;
	struct ephemeral ephemeral;
	int err;

	x->export = export_new(label_names[options->export_by.by], options->max_series);
	x->odometer = odometer_new();
	x->gather = gather_new();
	if (!x->export || !x->odometer || !x->gather)
		return fail(session, -errno);
	x->range = (struct service_range){ EPHEMERAL_LOW, EPHEMERAL_HIGH };
	if (!ephemeral_read(&ephemeral, ""))
		x->range = (struct service_range){ ephemeral.low, ephemeral.high };
	if (resolve_netns(&options->filters.netns, &x->netns, session->failure))
		return -1;
	gather_narrow(x->gather, &options->filters);
	err = survey_begin(session, x->gather, x->netns, &x->survey);
	return err ? fail(session, err) : start_server(session);
}

/* ---- What the kernel side has summed --------------------------------------------------------- */

static const struct named_cgroup *cgroup_of(void *context, uint64_t cgroup_id)
{
	struct names names;

	session_names(context, cgroup_id, 0, clock_now_ns(), &names);
	return names.cgroup;
}

static bool is_wanted(struct session *session, uint64_t cgroup_id)
{
	const struct named_cgroup *cgroup = cgroup_of(session, cgroup_id);

	return names_wanted(&session->options->filters, cgroup ? cgroup->texts : NULL);
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

	if (is_by_cgroup(session) && !is_wanted(session, key->cgroup_id)) {
		session->unwanted += stat_element_rows(key, event->sum.value);
		return 0;
	}
	memcpy(whose.addr, key->addr, sizeof(whose.addr));
	session->handed += export_sum(x->export, group_of(session, &whose), key, event->sum.value);
	return 0;
}

static int export_tick(struct session *session)
{
	return is_by_cgroup(session) || session->end ? session_sums(session) : 0;
}

static void add_counter(const struct exporter *x, enum export_metric metric, const char *name,
			const char *value, uint64_t total)
{
	const struct export_labels labels = { .name = { name }, .value = { value } };

	export_add(x->export, metric, export_named(x->export, &labels), 0,
		   odometer_grew(x->odometer, odometer_key(metric, value, strlen(value)), total));
}

/* What was not seen, and what is not counted. */
static void add_losses(const struct session *session)
{
	const struct exporter *x = session->model;
	struct tcpdwell_counters counters;

	loader_counters(session->loader, &counters);
	export_add(x->export, EXPORT_MISSED, EXPORT_NOBODY, 0,
		   odometer_grew(x->odometer, odometer_key(EXPORT_MISSED, NULL, 0),
				 loader_missed(session->loader)));
	add_counter(x, EXPORT_LOST, "cause", "map_full", counters.lost_map);
	add_counter(x, EXPORT_LOST, "cause", "carried", loader_carried_lost(session->loader));
	add_counter(x, EXPORT_LOST, "cause", "no_memory", export_forgotten(x->export));
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

/* ---- What exists ----------------------------------------------------------------------------- */

/* As the kernel side does it, so that counters and gauges of a port are of the same sockets. */
static uint16_t service_of(const struct exporter *x, const struct tcpdwell_socket *info)
{
	if (info->state == TCPDWELL_LISTEN || info->state == TCPDWELL_SYN_RECV || !info->rport ||
	    info->flags & TCPDWELL_SOCKET_QUEUED)
		return info->lport;
	return service_port(service_side(info->owner, 0, info->lport, info->rport, x->range),
			    info->lport, info->rport);
}

static void set_address(struct whose *whose, uint8_t family, const uint8_t *addr)
{
	if (family == 6) {
		memcpy(whose->addr, addr, sizeof(whose->addr));
		return;
	}
	v4mapped_set(whose->addr, addr);
}

static void add_age(const struct session *session, uint32_t group,
		    const struct tcpdwell_socket *info)
{
	const struct exporter *x = session->model;
	const struct age age = age_in_state(info, x->looked_ns);

	if (info->state == TCPDWELL_CLOSE_WAIT)
		export_add(x->export, EXPORT_LEAKED, group, info->state,
			   age_class(age, session->options->leak_ns) == AGE_OLDER);
	if (info->since != TCPDWELL_DWELL_UNKNOWN)
		export_max(x->export, EXPORT_OLDEST, group, info->state, age.least_ns / 1e9);
}

static void add_listener(const struct exporter *x, uint32_t group,
			 const struct tcpdwell_socket *info)
{
	uint64_t key = odometer_key(EXPORT_LISTEN_DROPS, &info->key, sizeof(info->key));

	export_add(x->export, EXPORT_QUEUE, group, 0, info->queued);
	export_add(x->export, EXPORT_QUEUE_LIMIT, group, 0, info->queue_max);
	export_add(x->export, EXPORT_LISTEN_DROPS, group, 0,
		   odometer_grew(x->odometer, key, info->drops));
}

static void add_socket(const struct session *session, const struct tcpdwell_socket *info)
{
	const struct exporter *x = session->model;
	struct whose whose = {
		.comm = info->comm,
		.cgroup_id = info->cgroup_id,
		.netns = info->netns,
		.port = service_of(x, info),
	};
	uint32_t group;

	set_address(&whose, info->family, info->raddr);
	group = group_of(session, &whose);
	export_add(x->export, EXPORT_CONNECTIONS, group, info->state, 1);
	add_age(session, group, info);
	if (info->state == TCPDWELL_LISTEN)
		add_listener(x, group, info);
}

static int take_socket(void *context, const struct tcpdwell_socket *info)
{
	const struct session *session = context;
	struct exporter *x = session->model;
	int err = info->pid ? gather_holder(x->gather, info->pid, info->comm) : 0;

	add_socket(session, info);
	return err ?: gather_socket(x->gather, info);
}

/* Nothing is kept of sockets but what they add up to, and facts: a host may have a million. */
static int take_record(void *context, const struct tcpdwell_socket *record)
{
	const struct session *session = context;
	const struct exporter *x = session->model;

	return x->once ? once_add(x->once, record) : -ENOMEM;
}

static void begin_sockets(void *context)
{
	struct session *session = context;
	struct exporter *x = session->model;

	once_free(x->once);
	x->once = once_new(&session->options->filters, cgroup_of, take_socket, session);
	export_look(x->export, x->looked_ns);
	gather_begin(x->gather, x->looked_ns);
}

static int walk(struct session *session)
{
	struct exporter *x = session->model;
	int err = session_walk_each(session, take_record, begin_sockets, session);

	if (!err && once_finish(x->once))
		err = fail(session, -ENOMEM);
	once_free(x->once);
	x->once = NULL;
	return err;
}

/* ---- What else a look finds ------------------------------------------------------------------ */

static uint32_t group_of_call(struct session *session, const struct tcpdwell_failed_call *call,
			      const char *comm)
{
	const struct exporter *x = session->model;
	const char *texts[CONTAINER_TEXTS];
	struct procfs_process process;
	struct whose whose = { .comm = comm, .netns = call->netns, .port = call->port };

	set_address(&whose, call->family, call->addr);
	if (!is_by_cgroup(session))
		return group_of(session, &whose);
	/* One that has ended is nobody's. */
	session_process(session, call->pid, comm, &process);
	if (session->options->export_by.by == EXPORT_BY_CGROUP || !process.cgroup[0])
		return export_group(x->export, process.cgroup, "");
	container_texts(&process.container, texts);
	return group_by_texts(x, session->options->export_by.by, texts, process.container.pod_uid);
}

static int add_call(void *context, const struct tcpdwell_failed_call *call,
		    const struct tcpdwell_failed_calls *calls)
{
	struct session *session = context;
	const struct exporter *x = session->model;
	uint64_t grew = odometer_grew(
		x->odometer, odometer_key(EXPORT_FAILURES, call, sizeof(*call)), calls->count);
	struct fact_failure failure = gather_failure_of(call, calls, grew);

	if (!grew)
		return 0;
	if (failure.call == FACT_CONNECT)
		export_add(x->export, EXPORT_FAILURES, group_of_call(session, call, calls->comm),
			   call->err, grew);
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

/* Ports that bind() took are closed to all destinations. */
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
		end = put_string(end, ports->at.family == 6 ? "[" : "");
		end = put_addr(end, ports->at.family, ports->at.raddr);
		end = put_string(end, ports->at.family == 6 ? "]:" : ":");
		end = put_u64(end, ports->at.rport);
	}
	*end = '\0';
	group = export_named(x->export, &labels);
	export_max(x->export, EXPORT_PORTS_USED, group, 0, ports->taken);
	if (ports->fills)
		export_min(x->export, EXPORT_PORTS_LEFT, group, 0, ports->left_ns / 1e9);
}

/* The local ports of this look are kept to see how they change until the next one. */
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

/* What the kernel counts of namespaces: since the last look, that is. */
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
	x->facts.ports = x->ports;
	x->facts.port_count = port_count;
	if (!err)
		err = add_findings(x);
	add_namespaces(x);
	/* What the next look finds to have grown did so since this one. */
	err = err ?: gather_settle(x->gather);
	x->facts.sockets = NULL;
	x->facts.socket_count = 0;
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

static int look(struct session *session)
{
	struct exporter *x = session->model;
	uint64_t began_ns = clock_now_ns(),
		 span_ns = began_ns - (x->looked_ns ?: session->start_ns);
	int err;

	odometer_look(x->odometer);
	err = survey_look(session, x->gather, x->netns, &x->survey);
	if (err)
		return fail(session, err);
	/* The walk asks for their names. */
	x->facts.namespaces = gather_namespaces(x->gather, &x->facts.netns_count);
	x->looked_ns = began_ns;
	if (walk(session))
		return -1;
	err = take_facts(session, span_ns);
	if (err)
		return fail(session, err);
	malloc_trim(0);
	if (session_sums(session))
		return -1;
	add_losses(session);
	add_features(session);
	add_self(session, began_ns);
	return 0;
}

/* ---- What is shown --------------------------------------------------------------------------- */

struct page {
	char *text;
	size_t len;
};

static int render(const struct exporter *x, bool openmetrics, struct page *page)
{
	FILE *out = open_memstream(&page->text, &page->len);
	int err = out ? prometheus_print(out, x->export, openmetrics) : -errno;

	if (out && fclose(out) && !err)
		err = -errno;
	if (err) {
		free(page->text);
		*page = (struct page){};
	}
	return err;
}

/* A disk that is full may have room again; that is said once. */
static int write_file(struct session *session, const struct page *page)
{
	struct exporter *x = session->model;
	int err = textfile_write(x->textfile, page->text, page->len);

	if (err == -EOWNERDEAD)
		return failure_set(session->failure, STATUS_OTHER,
				   "--textfile: the process that writes it has ended, or hangs");
	if (err && err != x->file_err)
		notice_print(session->notice, NOTICE_WARNING, "--textfile: %s: the old one stays",
			     strerror(-err));
	x->file_err = err;
	return 0;
}

/* Gives the server both formats; @text is the caller's to free if that fails. */
static int publish(const struct exporter *x, const struct page *text)
{
	struct page openmetrics = {};
	int err = render(x, true, &openmetrics);

	if (!err)
		err = http_server_publish(x->server,
					  &(struct http_page){ text->text, text->len,
							       openmetrics.text, openmetrics.len });
	if (err)
		free(openmetrics.text);
	return err;
}

static int show(struct session *session)
{
	struct exporter *x = session->model;
	struct page text = {};
	int err = render(x, false, &text);

	if (!err && x->textfile && write_file(session, &text)) {
		free(text.text);
		return -1;
	}
	if (!err && x->server)
		err = publish(x, &text);
	if (err || !x->server)
		free(text.text);
	if (err)
		return failure_errno(session->failure, "cannot write the metrics", -err);
	ready_tell(x->ready);
	if (x->ready >= 0)
		close(x->ready);
	x->ready = -1;
	return 0;
}

static int export_render(struct session *session)
{
	return look(session) ?: show(session);
}

/* A file is left with all that was counted. */
static int export_finish(struct session *session, const struct summary *summary)
{
	const struct exporter *x = session->model;

	(void)summary;
	return x->textfile && session->end == SESSION_TIME ? export_render(session) : 0;
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
