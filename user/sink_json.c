// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * JSON lines: one object a row, all fields always there and in this order, and the summary last.
 * The names are a contract; a field may be added at the end, none may go or change its meaning.
 */
#include <stdlib.h>

#include "cgroup.h"
#include "clock.h"
#include "escape.h"
#include "put.h"
#include "sink.h"
#include "tcpstate.h"
#include "text.h"

/* A pipe holds 64 KiB: more at once only waits for its reader. */
#define BUFFER_BYTES (64 * 1024)
/* The longest object, without the cgroup: names 330, times 50, addresses 78, comm 92, the rest. */
#define ROW_BYTES 1024

struct json {
	struct sink sink;
	struct style style;
	struct text *text;
	struct stamp stamp;
	/* Values with their quotes, or null, by the numbers of wire.h. */
	struct word states[TCPDWELL_STATE_MAX];
	struct word dwells[TCPDWELL_DWELL_AT_LEAST + 1];
	struct word owners[TCPDWELL_OWNER_MAX];
	struct word reasons[TCPDWELL_REASON_MAX];
	struct word sources[TCPDWELL_SOURCE_MAX];
};

static struct json *json_of(struct sink *sink)
{
	return (struct json *)sink;
}

static struct word quoted(const char *name)
{
	char text[32], *p = text;

	if (!name)
		return word_make("null");
	p = put_char(put_string(put_char(p, '"'), name), '"');
	*p = '\0';
	return word_make(text);
}

static void make_words(struct json *json)
{
	for (unsigned int i = 0; i < TCPDWELL_STATE_MAX; i++)
		json->states[i] = quoted(tcpstate_name(i));
	for (unsigned int i = 0; i <= TCPDWELL_DWELL_AT_LEAST; i++)
		json->dwells[i] = quoted(dwell_name(i));
	for (unsigned int i = 0; i < TCPDWELL_OWNER_MAX; i++)
		json->owners[i] = quoted(owner_name(i));
	for (unsigned int i = 0; i < TCPDWELL_REASON_MAX; i++)
		json->reasons[i] = quoted(reason_name(i));
	for (unsigned int i = 0; i < TCPDWELL_SOURCE_MAX; i++)
		json->sources[i] = quoted(source_name(i));
}

static char *put_number(char *p, bool known, uint64_t v)
{
	return known ? put_u64(p, v) : put_literal(p, "null");
}

static char *put_text(char *p, const char *text)
{
	return text ? put_json(p, text, strlen(text)) : put_literal(p, "null");
}

static char *put_identity(struct json *json, char *p, const struct tcpdwell_transition *t)
{
	p = put_literal(p, "{\"type\":\"transition\",\"time\":\"");
	p = put_rfc3339(p, &json->stamp, clock_wall_ns(json->style.clock, t->time_ns));
	p = put_u64(put_literal(p, "\",\"mono_ns\":"), t->time_ns);
	p = put_number(put_literal(p, ",\"cookie\":"), t->cookie, t->cookie);
	return put_number(put_literal(p, ",\"netns\":"), t->netns, t->netns);
}

static char *put_port(char *p, uint16_t port)
{
	return port ? put_u16(p, port) : put_literal(p, "null");
}

static char *put_endpoints(char *p, const struct tcpdwell_transition *t)
{
	if (t->family == 6) {
		p = put_ipv6(put_literal(p, ",\"family\":\"ipv6\",\"laddr\":\""), t->laddr);
		p = put_port(put_literal(p, "\",\"lport\":"), t->lport);
		p = put_ipv6(put_literal(p, ",\"raddr\":\""), t->raddr);
	} else {
		p = put_ipv4(put_literal(p, ",\"family\":\"ipv4\",\"laddr\":\""), t->laddr);
		p = put_port(put_literal(p, "\",\"lport\":"), t->lport);
		p = put_ipv4(put_literal(p, ",\"raddr\":\""), t->raddr);
	}
	return put_port(put_literal(p, "\",\"rport\":"), t->rport);
}

static char *put_states(const struct json *json, char *p, const struct tcpdwell_transition *t)
{
	p = put_word(put_literal(p, ",\"from\":"), &json->states[t->from]);
	p = put_word(put_literal(p, ",\"to\":"), &json->states[t->to]);
	p = put_number(put_literal(p, ",\"dwell_ns\":"), t->dwell, t->dwell_ns);
	return put_word(put_literal(p, ",\"dwell\":"), &json->dwells[t->dwell]);
}

static char *put_owner(const struct json *json, char *p, const struct tcpdwell_transition *t,
		       const char *cgroup)
{
	bool known = t->owner;

	p = put_number(put_literal(p, ",\"pid\":"), known, t->pid);
	p = put_text(put_literal(p, ",\"comm\":"), known ? t->comm : NULL);
	p = put_number(put_literal(p, ",\"uid\":"), t->uid != UINT32_MAX, t->uid);
	p = put_text(put_literal(p, ",\"cgroup\":"), cgroup);
	return put_word(put_literal(p, ",\"owner\":"), &json->owners[t->owner]);
}

/* An errno without a name here is given as "E" and its number. */
static char *put_errno(char *p, int err)
{
	const char *name = errno_name(err);

	if (!err)
		return put_literal(p, "null");
	p = put_char(p, '"');
	p = name ? put_string(p, name) : put_u64(put_char(p, 'E'), err);
	return put_char(p, '"');
}

static char *put_reason(const struct json *json, char *p, const struct tcpdwell_transition *t)
{
	p = put_word(put_literal(p, ",\"reason\":"), &json->reasons[t->reason]);
	p = put_errno(put_literal(p, ",\"errno\":"), t->err);
	p = put_word(put_literal(p, ",\"source\":"), &json->sources[t->source]);
	return put_number(put_literal(p, ",\"holders\":"), t->holders, t->holders);
}

static int json_event(struct sink *sink, const struct tcpdwell_transition *t)
{
	struct json *json = json_of(sink);
	const char *cgroup = cgroup_names_path(json->style.cgroups, t->cgroup_id, t->time_ns);
	size_t bytes = ROW_BYTES + (cgroup ? ESCAPE_JSON_BYTES * strlen(cgroup) : 0);
	char *p = text_reserve(json->text, bytes);

	if (!p)
		return text_error(json->text);
	p = put_identity(json, p, t);
	p = put_endpoints(p, t);
	p = put_states(json, p, t);
	p = put_owner(json, p, t, cgroup);
	p = put_reason(json, p, t);
	text_commit(json->text, put_literal(p, "}\n"));
	return 0;
}

static int json_start(struct sink *sink)
{
	(void)sink;
	return 0;
}

static int json_tick(struct sink *sink)
{
	return text_flush(json_of(sink)->text);
}

static int json_finish(struct sink *sink, const struct summary *summary)
{
	struct json *json = json_of(sink);
	char *p = text_reserve(json->text, ROW_BYTES);

	if (!p)
		return text_error(json->text);
	p = put_u64(put_literal(p, "{\"type\":\"summary\",\"seen\":"), summary->seen);
	p = put_u64(put_literal(p, ",\"printed\":"), summary->printed);
	p = put_u64(put_literal(p, ",\"filtered\":"), summary->filtered);
	p = put_u64(put_literal(p, ",\"folded\":"), summary->folded);
	p = put_u64(put_literal(p, ",\"lost\":{\"ring\":"), summary->lost_ring);
	p = put_u64(put_literal(p, ",\"map\":"), summary->lost_map);
	p = put_u64(put_literal(p, "},\"untracked\":"), summary->untracked);
	p = put_u64(put_literal(p, ",\"missed\":"), summary->missed);
	text_commit(json->text, put_literal(p, "}\n"));
	return text_flush(json->text);
}

static void json_free(struct sink *sink)
{
	if (!sink)
		return;
	text_free(json_of(sink)->text);
	free(sink);
}

static const struct sink_ops json_ops = {
	.name = "json",
	.start = json_start,
	.event = json_event,
	.tick = json_tick,
	.finish = json_finish,
	.free = json_free,
};

struct sink *sink_json_new(const struct style *style)
{
	struct json *json = calloc(1, sizeof(*json));

	if (!json)
		return NULL;
	json->sink.ops = &json_ops;
	json->style = *style;
	json->text = text_new(style->fd, BUFFER_BYTES, style->stop_fd);
	if (!json->text) {
		free(json);
		return NULL;
	}
	make_words(json);
	return &json->sink;
}
