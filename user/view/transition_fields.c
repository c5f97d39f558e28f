// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Transitions as rows of fields. Most of a row is the same in the next row of that connection, or
 * of that process. Fields that stand together and change together are remembered as they were
 * printed.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/memo.h"
#include "base/text.h"
#include "view/field_lists.h"
#include "view/fields.h"
#include "view/sink.h"

/*
 * The longest row without what names_bytes() counts: names and quotes 320, times and other numbers
 * 200, addresses 92, comm 92, words 110 bytes: < 1024.
 */
#define ROW_BYTES 1024

/* How many connections have rows at about the same time. 16 KiB stay in the nearest cache. */
#define CONNECTIONS	 64
#define CONNECTION_BYTES 190 /* the longest IPv6 text from cookie to rport, without the cookie */
/* How many processes are busy at the same time, each with two or three kinds of rows. */
#define OWNERS	    256
#define OWNER_BYTES 446 /* dwell to owner, with a container's cgroup path of 250 bytes */
/* How many cgroups are busy at the same time. */
#define PLACES	    64
#define PLACE_BYTES 446 /* unit to pod_namespace */

/* ---- The fields, in their order ---- */

#define WHEN(F, t, clock)                                    \
	F(type, constant, "transition")                      \
	F(time, time, 0, clock_wall_ns(clock, (t)->time_ns)) \
	F(mono_ns, number, true, (t)->time_ns)

#define STATES(F, t)                                                  \
	F(from, choice, tcpstate_name, TCPDWELL_STATE_MAX, (t)->from) \
	F(to, choice, tcpstate_name, TCPDWELL_STATE_MAX, (t)->to)     \
	F(dwell_ns, number, (t)->dwell, (t)->dwell_ns)

#define OWNER(F, t, names)                                                    \
	F(dwell, choice, dwell_name, TCPDWELL_DWELL_AT_LEAST + 1, (t)->dwell) \
	FIELDS_OWNER(F, t, names)

#define HOW(F, t)                                                        \
	FIELDS_END(F, t)                                                 \
	F(source, choice, source_name, TCPDWELL_SOURCE_MAX, (t)->source) \
	FIELDS_HOLDERS(F, t)                                             \
	F(dwell_error_ns, number, (t)->dwell == TCPDWELL_DWELL_EXACT,    \
	  (uint64_t)(t)->dwell_error * TCPDWELL_ERROR_UNIT_NS)

/* Fields that were added later. A new one is the last of these; nothing else here changes. */
#define ADDED(F, t, names) FIELDS_NETNS_NAME(F, names)

#define TRANSITION_FIELDS(F, t, clock, names) \
	WHEN(F, t, clock)                     \
	FIELDS_CONNECTION(F, t)               \
	STATES(F, t)                          \
	OWNER(F, t, names)                    \
	HOW(F, t)                             \
	FIELDS_NAMES(F, names)                \
	ADDED(F, t, names)

FIELDS_DEFINE(transition_fields, TRANSITION_FIELDS, , , );

struct transition_fields {
	struct sink sink;
	const struct clock *clock;
	struct text *text;
	struct memo *connections;
	struct memo *owners;
	struct memo *places;
	struct fields fields;
};

static struct transition_fields *fields_of(struct sink *sink)
{
	return (struct transition_fields *)sink;
}

/* ---- What is remembered ---- */

/* Keys are made in place, because a copy would wait for the words just written. */
static void set_key_of_connection(struct memo_key *key, const struct tcpdwell_transition *t)
{
	key->words[0] = t->cookie;
	key->words[1] = (uint64_t)t->netns << 32 | (uint32_t)t->lport << 16 | t->rport;
	key->words[2] = (uint64_t)t->family << 56;
	memcpy(&key->words[3], t->laddr, sizeof(t->laddr));
	memcpy(&key->words[5], t->raddr, sizeof(t->raddr));
	key->words[7] = 0;
}

static char *put_connection(struct transition_fields *of, char *p,
			    const struct tcpdwell_transition *t)
{
	const struct fields *f = &of->fields;
	const struct memo_text *text;
	struct memo_key key;
	char *start = p;

	set_key_of_connection(&key, t);
	text = memo_find(of->connections, &key);
	if (text)
		return put_bytes(p, text->text, text->len);
	FIELDS_CONNECTION(FIELD_PUT, t);
	memo_keep(of->connections, &key, start, p - start);
	return p;
}

static uint64_t serial_of(const struct names *names)
{
	return names && names->cgroup ? names->cgroup->serial : 0;
}

static void set_key_of_owner(struct memo_key *key, const struct tcpdwell_transition *t,
			     const struct names *names)
{
	key->words[0] = t->cgroup_id;
	key->words[1] = (uint64_t)t->pid << 16;
	key->words[2] = (uint64_t)t->owner << 56 | (uint64_t)t->dwell << 48 | t->uid;
	memcpy(&key->words[3], t->comm, sizeof(t->comm));
	key->words[5] = serial_of(names);
	memset(&key->words[6], 0, 2 * sizeof(key->words[0]));
}

static char *put_owner(struct transition_fields *of, char *p, const struct tcpdwell_transition *t,
		       const struct names *names)
{
	const struct fields *f = &of->fields;
	const struct memo_text *text;
	struct memo_key key;
	char *start = p;

	set_key_of_owner(&key, t, names);
	text = memo_find(of->owners, &key);
	if (text)
		return put_bytes(p, text->text, text->len);
	OWNER(FIELD_PUT, t, names);
	memo_keep(of->owners, &key, start, p - start);
	return p;
}

static char *put_names(struct transition_fields *of, char *p, const struct names *names)
{
	const struct memo_key key = { .words = { serial_of(names) } };
	const struct memo_text *text = memo_find(of->places, &key);
	const struct fields *f = &of->fields;
	char *start = p;

	if (text)
		return put_bytes(p, text->text, text->len);
	FIELDS_NAMES(FIELD_PUT, names);
	memo_keep(of->places, &key, start, p - start);
	return p;
}

/* ---- Rows ---- */

static int transition_fields_event(struct sink *sink, const struct tcpdwell_transition *t,
				   const struct names *names)
{
	struct transition_fields *of = fields_of(sink);
	struct fields *f = &of->fields;
	char *p = text_reserve(of->text, ROW_BYTES + f->form->text_bytes * names_bytes(names));

	if (!p)
		return text_error(of->text);
	WHEN(FIELD_PUT, t, of->clock);
	p = put_connection(of, p, t);
	STATES(FIELD_PUT, t);
	p = put_owner(of, p, t, names);
	HOW(FIELD_PUT, t);
	p = put_names(of, p, names);
	ADDED(FIELD_PUT, t, names);
	text_commit(of->text, put_word(p, &f->end));
	return 0;
}

static int transition_fields_start(struct sink *sink)
{
	struct transition_fields *of = fields_of(sink);

	return fields_start(&of->fields, of->text) ?: text_flush(of->text);
}

static int transition_fields_tick(struct sink *sink)
{
	return text_flush(fields_of(sink)->text);
}

static int transition_fields_finish(struct sink *sink, const struct summary *summary)
{
	struct transition_fields *of = fields_of(sink);

	return fields_finish(&of->fields, of->text, summary) ?: text_flush(of->text);
}

static void transition_fields_free(struct sink *sink)
{
	struct transition_fields *of = fields_of(sink);

	if (!of)
		return;
	memo_free(of->connections);
	memo_free(of->owners);
	memo_free(of->places);
	fields_free(&of->fields);
	free(of);
}

static const struct sink_ops transition_fields_ops = {
	.start = transition_fields_start,
	.event = transition_fields_event,
	.tick = transition_fields_tick,
	.finish = transition_fields_finish,
	.free = transition_fields_free,
};

static struct sink *sink_fields_new(const struct style *style, const struct fields_form *form)
{
	struct transition_fields *of = calloc(1, sizeof(*of));
	int err;

	if (!of)
		return NULL;
	of->sink.ops = &transition_fields_ops;
	of->clock = style->clock;
	of->text = style->text;
	of->connections = memo_new(CONNECTIONS, CONNECTION_BYTES);
	of->owners = memo_new(OWNERS, OWNER_BYTES);
	of->places = memo_new(PLACES, PLACE_BYTES);
	err = fields_init(&of->fields, form, transition_fields, FIELD_MAX);
	if (!of->connections || !of->owners || !of->places)
		err = -ENOMEM;
	if (!err)
		return &of->sink;
	transition_fields_free(&of->sink);
	errno = -err;
	return NULL;
}

struct sink *sink_json_new(const struct style *style)
{
	return sink_fields_new(style, &fields_json);
}

struct sink *sink_csv_new(const struct style *style)
{
	return sink_fields_new(style, &fields_csv);
}
