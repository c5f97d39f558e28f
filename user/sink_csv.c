// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * CSV (RFC 4180): a header line, then the fields of the JSON lines by the same names in the same
 * order, empty where unknown. Lines end with LF alone, as Unix tools want them. The summary is no
 * row: it goes to standard error, where others print it.
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
/*
 * The longest row, without the cgroup: times 50, addresses 78, comm 62, names and numbers: < 512.
 */
#define ROW_BYTES 1024

static const char header[] =
	"type,time,mono_ns,cookie,netns,family,laddr,lport,raddr,rport,from,to,"
	"dwell_ns,dwell,pid,comm,uid,cgroup,owner,reason,errno,source,holders\n";

/* Cells that come from a short list, with the comma behind them; empty for none. */
struct csv {
	struct sink sink;
	struct style style;
	struct text *text;
	struct stamp stamp;
	struct word states[TCPDWELL_STATE_MAX];
	struct word dwells[TCPDWELL_DWELL_AT_LEAST + 1];
	struct word owners[TCPDWELL_OWNER_MAX];
	struct word reasons[TCPDWELL_REASON_MAX];
	struct word sources[TCPDWELL_SOURCE_MAX];
};

static struct csv *csv_of(struct sink *sink)
{
	return (struct csv *)sink;
}

static struct word cell(const char *name)
{
	char text[32], *p = text;

	p = put_char(put_string(p, name ? name : ""), ',');
	*p = '\0';
	return word_make(text);
}

static void make_words(struct csv *csv)
{
	for (unsigned int i = 0; i < TCPDWELL_STATE_MAX; i++)
		csv->states[i] = cell(tcpstate_name(i));
	for (unsigned int i = 0; i <= TCPDWELL_DWELL_AT_LEAST; i++)
		csv->dwells[i] = cell(dwell_name(i));
	for (unsigned int i = 0; i < TCPDWELL_OWNER_MAX; i++)
		csv->owners[i] = cell(owner_name(i));
	for (unsigned int i = 0; i < TCPDWELL_REASON_MAX; i++)
		csv->reasons[i] = cell(reason_name(i));
	for (unsigned int i = 0; i < TCPDWELL_SOURCE_MAX; i++)
		csv->sources[i] = cell(source_name(i));
}

static char *put_number(char *p, bool known, uint64_t v)
{
	return put_char(known ? put_u64(p, v) : p, ',');
}

static char *put_text(char *p, const char *text)
{
	return put_char(text ? put_csv(p, text, strlen(text)) : p, ',');
}

static char *put_port(char *p, uint16_t port)
{
	return put_char(port ? put_u16(p, port) : p, ',');
}

static char *put_endpoints(char *p, const struct tcpdwell_transition *t)
{
	p = t->family == 6 ? put_literal(p, "ipv6,") : put_literal(p, "ipv4,");
	p = put_char(put_addr(p, t->family, t->laddr), ',');
	p = put_port(p, t->lport);
	p = put_char(put_addr(p, t->family, t->raddr), ',');
	return put_port(p, t->rport);
}

/* An errno without a name here is given as "E" and its number. */
static char *put_errno(char *p, int err)
{
	const char *name = errno_name(err);

	if (name)
		p = put_string(p, name);
	else if (err)
		p = put_u64(put_char(p, 'E'), err);
	return put_char(p, ',');
}

static char *put_row(struct csv *csv, char *p, const struct tcpdwell_transition *t,
		     const char *cgroup)
{
	bool known = t->owner;

	p = put_literal(p, "transition,");
	p = put_rfc3339(p, &csv->stamp, clock_wall_ns(csv->style.clock, t->time_ns));
	p = put_number(put_char(p, ','), true, t->time_ns);
	p = put_number(p, t->cookie, t->cookie);
	p = put_number(p, t->netns, t->netns);
	p = put_endpoints(p, t);
	p = put_word(p, &csv->states[t->from]);
	p = put_word(p, &csv->states[t->to]);
	p = put_number(p, t->dwell, t->dwell_ns);
	p = put_word(p, &csv->dwells[t->dwell]);
	p = put_number(p, known, t->pid);
	p = put_text(p, known ? t->comm : NULL);
	p = put_number(p, t->uid != UINT32_MAX, t->uid);
	p = put_text(p, cgroup);
	p = put_word(p, &csv->owners[t->owner]);
	p = put_word(p, &csv->reasons[t->reason]);
	p = put_errno(p, t->err);
	p = put_word(p, &csv->sources[t->source]);
	if (t->holders)
		p = put_u16(p, t->holders);
	return put_char(p, '\n');
}

static int csv_event(struct sink *sink, const struct tcpdwell_transition *t)
{
	struct csv *csv = csv_of(sink);
	const char *cgroup = cgroup_names_path(csv->style.cgroups, t->cgroup_id, t->time_ns);
	size_t bytes = ROW_BYTES + (cgroup ? ESCAPE_TEXT_BYTES * strlen(cgroup) : 0);
	char *p = text_reserve(csv->text, bytes);

	if (!p)
		return text_error(csv->text);
	text_commit(csv->text, put_row(csv, p, t, cgroup));
	return 0;
}

static int csv_start(struct sink *sink)
{
	struct csv *csv = csv_of(sink);
	char *p = text_reserve(csv->text, sizeof(header));

	if (!p)
		return text_error(csv->text);
	text_commit(csv->text, put_literal(p, header));
	return text_flush(csv->text);
}

static int csv_tick(struct sink *sink)
{
	return text_flush(csv_of(sink)->text);
}

static int csv_finish(struct sink *sink, const struct summary *summary)
{
	(void)summary;
	return text_flush(csv_of(sink)->text);
}

static void csv_free(struct sink *sink)
{
	if (!sink)
		return;
	text_free(csv_of(sink)->text);
	free(sink);
}

static const struct sink_ops csv_ops = {
	.name = "csv",
	.start = csv_start,
	.event = csv_event,
	.tick = csv_tick,
	.finish = csv_finish,
	.free = csv_free,
};

struct sink *sink_csv_new(const struct style *style)
{
	struct csv *csv = calloc(1, sizeof(*csv));

	if (!csv)
		return NULL;
	csv->sink.ops = &csv_ops;
	csv->style = *style;
	csv->text = text_new(style->fd, BUFFER_BYTES, style->stop_fd);
	if (!csv->text) {
		free(csv);
		return NULL;
	}
	make_words(csv);
	return &csv->sink;
}
