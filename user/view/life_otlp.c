// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A connection is a log record with a resource of its own: the process, its container and its pod,
 * because the conventions put them there. What the conventions have no name for is called
 * `tcpdwell.` and its name in JSON. What is not known is left out.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/put.h"
#include "base/tcpstate.h"
#include "base/text.h"
#include "host/name_book.h"
#include "view/life_lists.h"
#include "view/life_view.h"
#include "view/otlp.h"

/* The longest record without names: about 70 pairs, and comm, which may be escaped. */
#define RECORD_BYTES (80 * OTLP_PAIR_BYTES + ESCAPE_JSON_BYTES * TCPDWELL_COMM_LEN)

struct life_otlp {
	struct life_view view;
	struct style style;
	const char *host;
};

/* A connection is no fault, so its severity is INFO. One that failed has an error.type. */
#define INFO "\"severityNumber\":9,\"severityText\":\"INFO\","

/* ---- Pieces ---------------------------------------------------------------------------------- */

static char *put_text(char *p, const char *key, const char *text)
{
	return text ? put_otlp_text(p, key, text, strlen(text)) : p;
}

static char *put_number(char *p, const char *key, bool known, uint64_t value)
{
	return known ? put_otlp_number(p, key, value) : p;
}

static char *put_address(char *p, const char *key, unsigned int family, const uint8_t *addr)
{
	char text[64 + TEXT_SLACK_BYTES];

	return put_otlp_text(p, key, text, put_addr(text, family, addr) - text);
}

/* Appends an address and a port as people write them. */
static char *put_endpoint(char *p, unsigned int family, const uint8_t *addr, uint16_t port)
{
	p = put_addr(put_string(p, family == 6 ? "[" : ""), family, addr);
	return put_u16(put_string(p, family == 6 ? "]:" : ":"), port);
}

static char *put_errno(char *p, int err)
{
	char number[32];

	if (!err)
		return p;
	snprintf(number, sizeof(number), "E%d", err);
	return put_text(p, "error.type", errno_name(err) ?: number);
}

/* ---- The resource ---------------------------------------------------------------------------- */

static const char *const name_keys[CONTAINER_TEXTS] = {
	[CONTAINER_UNIT] = "systemd.unit.name",
	[CONTAINER_LABEL] = "container.name",
	[CONTAINER_ID] = "container.id",
	[CONTAINER_POD] = "k8s.pod.name",
	[CONTAINER_POD_NAMESPACE] = "k8s.namespace.name",
};

static char *put_resource(const struct life_otlp *o, char *p, const struct tcpdwell_connection *c,
			  const struct names *names)
{
	p = put_literal(p, "{\"resourceLogs\":[{\"resource\":{\"attributes\":[");
	p = put_text(p, "host.name", o->host);
	p = put_text(p, "os.type", "linux");
	if (c->owner) {
		p = put_otlp_number(p, "process.pid", c->pid);
		p = put_text(p, "process.executable.name", c->comm);
	}
	for (unsigned int i = 0; i < CONTAINER_TEXTS; i++)
		p = put_text(p, name_keys[i], names_text(names, i));
	if (names && names->cgroup)
		p = put_text(p, "k8s.pod.uid", names->cgroup->pod_uid);
	p = put_text(p, "tcpdwell.cgroup", names_path(names));
	return put_literal(put_otlp_end(p), "]},\"scopeLogs\":[{");
}

/* ---- The record ------------------------------------------------------------------------------ */

static char *put_ends(char *p, const struct life *life)
{
	const struct tcpdwell_connection *c = life->connection;

	p = put_text(p, "network.transport", "tcp");
	p = put_text(p, "network.type", c->family == 6 ? "ipv6" : "ipv4");
	p = put_address(p, "network.local.address", c->family, c->laddr);
	p = put_number(p, "network.local.port", c->lport, c->lport);
	p = put_address(p, "network.peer.address", c->family, c->raddr);
	p = put_number(p, "network.peer.port", c->rport, c->rport);
	p = put_text(p, "network.connection.state", otlp_state_name(c->state));
	p = put_errno(p, c->err);
	p = put_text(p, "tcpdwell.reason", reason_name(c->reason));
	return put_text(p, "tcpdwell.side", life_side_name(life->side));
}

static char *put_whose(char *p, const struct tcpdwell_connection *c, const struct names *names)
{
	p = put_number(p, "tcpdwell.cookie", c->cookie, c->cookie);
	p = put_number(p, "tcpdwell.netns", c->netns, c->netns);
	p = put_text(p, "tcpdwell.netns_name", names ? names->netns : NULL);
	p = put_number(p, "tcpdwell.uid", c->uid != UINT32_MAX, c->uid);
	p = put_text(p, "tcpdwell.owner", owner_name(c->owner));
	return put_number(p, "tcpdwell.holders", c->holders, c->holders);
}

/* The kinds of field_lists.h that occur in the shared lists. */
#define OTLP_PUT(name, kind, ...) p = otlp_##kind(p, "tcpdwell." #name, __VA_ARGS__);

#define otlp_number(p, key, known, value)	put_number(p, key, known, value)
#define otlp_choice(p, key, name, count, value) put_text(p, key, (name)(value))

static char *put_dwells(char *p, const struct life *life)
{
	LIFE_TIMES(OTLP_PUT, life)
	LIFE_STATES(OTLP_PUT, life)
	return p;
}

static char *put_numbers(char *p, const struct life *life)
{
	LIFE_NUMBERS(OTLP_PUT, life, &life->connection->life.numbers)
	return p;
}

/* An open connection has not ended, so its record has the present time. */
static char *put_times(const struct life_otlp *o, char *p, const struct life *life)
{
	const struct clock *clock = o->style.clock;
	uint64_t wall_ns = clock_wall_ns(clock,
					 life->open ? clock_now_ns() : life->connection->ended_ns);

	p = put_otlp_time(p, "timeUnixNano", wall_ns);
	return put_otlp_time(p, "observedTimeUnixNano", wall_ns);
}

static char *put_opened(const struct life_otlp *o, char *p, const struct tcpdwell_connection *c)
{
	return put_number(p, "tcpdwell.opened_unix_ns", c->life.opened == TCPDWELL_DWELL_EXACT,
			  clock_wall_ns(o->style.clock, c->life.opened_ns));
}

/* Appends the body: what a list of logs shows if it does not show attributes. */
static char *put_body(char *p, const struct life *life)
{
	const struct tcpdwell_connection *c = life->connection;
	const char *reason = reason_name(c->reason);

	p = put_literal(p, "\"body\":{\"stringValue\":\"");
	p = put_char(put_endpoint(p, c->family, c->laddr, c->lport), ' ');
	p = put_char(put_endpoint(p, c->family, c->raddr, c->rport), ' ');
	p = put_string(p, life->open ? tcpstate_name(c->state) : reason ?: "closed");
	return put_literal(p, "\"},");
}

static int life_otlp_row(struct life_view *view, const struct life *life, const struct names *names)
{
	const struct life_otlp *o = (struct life_otlp *)view;
	const struct tcpdwell_connection *c = life->connection;
	char *p = text_reserve(o->style.text,
			       RECORD_BYTES +
				       ESCAPE_JSON_BYTES * (strlen(o->host) + names_bytes(names)));

	if (!p)
		return text_error(o->style.text);
	p = put_otlp_scope(put_resource(o, p, c, names));
	p = put_times(o, put_literal(p, "\"logRecords\":[{"), life);
	p = put_literal(p, INFO);
	p = put_literal(p, "\"eventName\":\"tcpdwell.connection\",");
	p = put_literal(put_body(p, life), "\"attributes\":[");
	p = put_whose(put_opened(o, put_ends(p, life), c), c, names);
	p = put_otlp_end(put_numbers(put_dwells(p, life), life));
	text_commit(o->style.text, put_literal(p, "]}]}]}]}\n"));
	return 0;
}

static int life_otlp_start(struct life_view *view)
{
	(void)view;
	return 0;
}

/* The account goes to standard error, since it is no connection. */
static int life_otlp_finish(struct life_view *view, const struct summary *summary)
{
	(void)view;
	(void)summary;
	return 0;
}

static void life_otlp_free(struct life_view *view)
{
	free(view);
}

static const struct life_view_ops life_otlp_ops = {
	.start = life_otlp_start,
	.row = life_otlp_row,
	.finish = life_otlp_finish,
	.free = life_otlp_free,
};

struct life_view *life_otlp_new(const struct style *style, const char *host)
{
	struct life_otlp *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->view.ops = &life_otlp_ops;
	o->style = *style;
	o->host = host;
	return &o->view;
}
