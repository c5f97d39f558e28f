// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Most of a row is the same in the next one of that connection, or of that process. What stands
 * together in a row is remembered together, as it was printed.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/memo.h"
#include "base/put.h"
#include "base/tcpstate.h"
#include "base/text.h"
#include "host/name_book.h"
#include "view/fields.h"

/*
 * The longest row, without what names_bytes() counts: names and quotes 320, times and other numbers
 * 200, addresses 92, comm 92, words 110: < 1024.
 */
#define ROW_BYTES 1024

/* So many connections have rows at about the same time; 16 KiB stay in the nearest cache. */
#define CONNECTIONS	 64
#define CONNECTION_BYTES 190 /* cookie to rport of IPv6 at their longest, but for the cookie */
/* So many processes are busy at the same time, each with two or three kinds of rows. */
#define OWNERS	    256
#define OWNER_BYTES 446 /* dwell to owner, with the path of a container's cgroup, some 250 bytes */
/* So many cgroups are busy at the same time. */
#define PLACES	    64
#define PLACE_BYTES 446 /* unit to pod_namespace */

enum field {
	FIELD_TYPE,
	FIELD_TIME,
	FIELD_MONO_NS,
	FIELD_COOKIE,
	FIELD_NETNS,
	FIELD_FAMILY,
	FIELD_LADDR,
	FIELD_LPORT,
	FIELD_RADDR,
	FIELD_RPORT,
	FIELD_FROM,
	FIELD_TO,
	FIELD_DWELL_NS,
	FIELD_DWELL,
	FIELD_PID,
	FIELD_COMM,
	FIELD_UID,
	FIELD_CGROUP,
	FIELD_OWNER,
	FIELD_REASON,
	FIELD_ERRNO,
	FIELD_SOURCE,
	FIELD_HOLDERS,
	FIELD_DWELL_ERROR_NS,
	FIELD_TEXTS, /* enum container_text */
	FIELD_NETNS_NAME = FIELD_TEXTS + CONTAINER_TEXTS,
	FIELD_MAX,
};

static const char *const names[FIELD_MAX] = {
	"type",	    "time",	 "mono_ns",	 "cookie", "netns",	    "family",
	"laddr",    "lport",	 "raddr",	 "rport",  "from",	    "to",
	"dwell_ns", "dwell",	 "pid",		 "comm",   "uid",	    "cgroup",
	"owner",    "reason",	 "errno",	 "source", "holders",	    "dwell_error_ns",
	"unit",	    "container", "container_id", "pod",	   "pod_namespace", "netns_name",
};

struct fields {
	struct sink sink;
	struct style style;
	const struct fields_form *form;
	struct text *text;
	struct stamp stamp;
	struct memo *connections;
	struct memo *owners;
	struct memo *places;
	struct word before[FIELD_MAX]; /* all that stands between a value and the one before it */
	struct word begin;	       /* up to the time */
	struct word null;
	/* Values with what stands before them, by the numbers of wire.h. */
	struct word ipv4, ipv6;
	struct word from[TCPDWELL_STATE_MAX];
	struct word to[TCPDWELL_STATE_MAX];
	struct word dwells[TCPDWELL_DWELL_AT_LEAST + 1];
	struct word owner[TCPDWELL_OWNER_MAX];
	struct word reasons[TCPDWELL_REASON_MAX];
	struct word no_errno;
	struct word sources[TCPDWELL_SOURCE_MAX];
	struct word end;
};

static struct fields *fields_of(struct sink *sink)
{
	return (struct fields *)sink;
}

/* ---- Words ---- */

/* Values whose quotes belong to what stands before them and behind them. */
static bool is_quoted(int field)
{
	return field == FIELD_TIME || field == FIELD_LADDR || field == FIELD_RADDR;
}

static char *put_before(const struct fields_form *form, char *p, int field)
{
	if (field && is_quoted(field - 1))
		p = put_string(p, form->quote);
	if (field)
		p = put_char(p, ',');
	else if (form->names)
		p = put_char(p, '{');
	if (form->names)
		p = put_literal(put_string(put_char(p, '"'), names[field]), "\":");
	return is_quoted(field) ? put_string(p, form->quote) : p;
}

static char *put_name(const struct fields_form *form, char *p, const char *name)
{
	if (!name)
		return put_string(p, form->null);
	return put_string(put_string(put_string(p, form->quote), name), form->quote);
}

/* @name as the value of @field. */
static struct word named(const struct fields_form *form, int field, const char *name)
{
	char text[64], *p = put_name(form, put_before(form, text, field), name);

	*p = '\0';
	return word_make(text);
}

static void make_words(struct fields *f)
{
	const struct fields_form *form = f->form;
	char text[64];

	for (int i = 0; i < FIELD_MAX; i++) {
		*put_before(form, text, i) = '\0';
		f->before[i] = word_make(text);
	}
	*put_before(form, put_name(form, put_before(form, text, FIELD_TYPE), "transition"),
		    FIELD_TIME) = '\0';
	f->begin = word_make(text);
	f->null = word_make(form->null);
	f->end = word_make(form->end);
	f->ipv4 = named(form, FIELD_FAMILY, "ipv4");
	f->ipv6 = named(form, FIELD_FAMILY, "ipv6");
	f->no_errno = named(form, FIELD_ERRNO, NULL);
	for (unsigned int i = 0; i < TCPDWELL_STATE_MAX; i++) {
		f->from[i] = named(form, FIELD_FROM, tcpstate_name(i));
		f->to[i] = named(form, FIELD_TO, tcpstate_name(i));
	}
	for (unsigned int i = 0; i <= TCPDWELL_DWELL_AT_LEAST; i++)
		f->dwells[i] = named(form, FIELD_DWELL, dwell_name(i));
	for (unsigned int i = 0; i < TCPDWELL_OWNER_MAX; i++)
		f->owner[i] = named(form, FIELD_OWNER, owner_name(i));
	for (unsigned int i = 0; i < TCPDWELL_REASON_MAX; i++)
		f->reasons[i] = named(form, FIELD_REASON, reason_name(i));
	for (unsigned int i = 0; i < TCPDWELL_SOURCE_MAX; i++)
		f->sources[i] = named(form, FIELD_SOURCE, source_name(i));
}

/* ---- Values ---- */

static char *put_number(const struct fields *f, char *p, int field, bool known, uint64_t v)
{
	p = put_word(p, &f->before[field]);
	return known ? put_u64(p, v) : put_word(p, &f->null);
}

static char *put_port(const struct fields *f, char *p, int field, uint16_t port)
{
	p = put_word(p, &f->before[field]);
	return port ? put_u16(p, port) : put_word(p, &f->null);
}

static char *put_text(const struct fields *f, char *p, int field, const char *text)
{
	p = put_word(p, &f->before[field]);
	return text ? f->form->put_text(p, text, strlen(text)) : put_word(p, &f->null);
}

/* An errno without a name here is given as "E" and its number. */
static char *put_errno(const struct fields *f, char *p, int err)
{
	const char *name;

	if (!err)
		return put_word(p, &f->no_errno);
	name = errno_name(err);
	p = put_string(put_word(p, &f->before[FIELD_ERRNO]), f->form->quote);
	p = name ? put_string(p, name) : put_u64(put_char(p, 'E'), err);
	return put_string(p, f->form->quote);
}

/* ---- What is remembered ---- */

/* Keys are made in place, since a copy would wait for the words just written. */
static void set_key_of_connection(struct memo_key *key, const struct tcpdwell_transition *t)
{
	key->words[0] = t->cookie;
	key->words[1] = (uint64_t)t->netns << 32 | (uint32_t)t->lport << 16 | t->rport;
	key->words[2] = (uint64_t)t->family << 56;
	memcpy(&key->words[3], t->laddr, sizeof(t->laddr));
	memcpy(&key->words[5], t->raddr, sizeof(t->raddr));
	key->words[7] = 0;
}

/* From cookie to rport. */
static char *put_connection(struct fields *f, char *p, const struct tcpdwell_transition *t)
{
	const struct memo_text *text;
	struct memo_key key;
	char *start = p;

	set_key_of_connection(&key, t);
	text = memo_find(f->connections, &key);
	if (text)
		return put_bytes(p, text->text, text->len);
	p = put_number(f, p, FIELD_COOKIE, t->cookie, t->cookie);
	p = put_number(f, p, FIELD_NETNS, t->netns, t->netns);
	p = put_word(p, t->family == 6 ? &f->ipv6 : &f->ipv4);
	p = put_addr(put_word(p, &f->before[FIELD_LADDR]), t->family, t->laddr);
	p = put_port(f, p, FIELD_LPORT, t->lport);
	p = put_addr(put_word(p, &f->before[FIELD_RADDR]), t->family, t->raddr);
	p = put_port(f, p, FIELD_RPORT, t->rport);
	memo_keep(f->connections, &key, start, p - start);
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

/* From dwell to owner. */
static char *put_owner(const struct fields *f, char *p, const struct tcpdwell_transition *t,
		       const struct names *names)
{
	const struct memo_text *text;
	bool known = t->owner;
	struct memo_key key;
	char *start = p;

	set_key_of_owner(&key, t, names);
	text = memo_find(f->owners, &key);
	if (text)
		return put_bytes(p, text->text, text->len);
	p = put_word(p, &f->dwells[t->dwell]);
	p = put_number(f, p, FIELD_PID, known, t->pid);
	p = put_text(f, p, FIELD_COMM, known ? t->comm : NULL);
	p = put_number(f, p, FIELD_UID, t->uid != UINT32_MAX, t->uid);
	p = put_text(f, p, FIELD_CGROUP, names_path(names));
	p = put_word(p, &f->owner[t->owner]);
	memo_keep(f->owners, &key, start, p - start);
	return p;
}

/* From unit on. */
static char *put_names(const struct fields *f, char *p, const struct names *names)
{
	const struct memo_key key = { .words = { serial_of(names) } };
	const struct memo_text *text = memo_find(f->places, &key);
	char *start = p;

	if (text) {
		p = put_bytes(p, text->text, text->len);
	} else {
		for (unsigned int i = 0; i < CONTAINER_TEXTS; i++)
			p = put_text(f, p, FIELD_TEXTS + i, names_text(names, i));
		memo_keep(f->places, &key, start, p - start);
	}
	return put_text(f, p, FIELD_NETNS_NAME, names ? names->netns : NULL);
}

/* ---- Rows ---- */

/* From type to dwell_ns. */
static char *put_head(struct fields *f, char *p, const struct tcpdwell_transition *t)
{
	p = put_word(p, &f->begin);
	p = put_rfc3339(p, &f->stamp, clock_wall_ns(f->style.clock, t->time_ns));
	p = put_u64(put_word(p, &f->before[FIELD_MONO_NS]), t->time_ns);
	p = put_connection(f, p, t);
	p = put_word(p, &f->from[t->from]);
	p = put_word(p, &f->to[t->to]);
	return put_number(f, p, FIELD_DWELL_NS, t->dwell, t->dwell_ns);
}

/* From reason on. */
static char *put_tail(const struct fields *f, char *p, const struct tcpdwell_transition *t,
		      const struct names *names)
{
	p = put_word(p, &f->reasons[t->reason]);
	p = put_errno(f, p, t->err);
	p = put_word(p, &f->sources[t->source]);
	p = put_number(f, p, FIELD_HOLDERS, t->holders, t->holders);
	p = put_number(f, p, FIELD_DWELL_ERROR_NS, t->dwell == TCPDWELL_DWELL_EXACT,
		       (uint64_t)t->dwell_error * TCPDWELL_ERROR_UNIT_NS);
	p = put_names(f, p, names);
	return put_word(p, &f->end);
}

int fields_event(struct sink *sink, const struct tcpdwell_transition *t, const struct names *names)
{
	struct fields *f = fields_of(sink);
	char *p = text_reserve(f->text, ROW_BYTES + f->form->text_bytes * names_bytes(names));

	if (!p)
		return text_error(f->text);
	p = put_head(f, p, t);
	p = put_owner(f, p, t, names);
	text_commit(f->text, put_tail(f, p, t, names));
	return 0;
}

/* A line of names, where the values have none with them. */
int fields_start(struct sink *sink)
{
	struct fields *f = fields_of(sink);
	char *p;

	if (f->form->names)
		return 0;
	p = text_reserve(f->text, ROW_BYTES);
	if (!p)
		return text_error(f->text);
	for (int i = 0; i < FIELD_MAX; i++)
		p = put_string(i ? put_char(p, ',') : p, names[i]);
	text_commit(f->text, put_word(p, &f->end));
	return text_flush(f->text);
}

int fields_tick(struct sink *sink)
{
	return text_flush(fields_of(sink)->text);
}

int fields_finish(struct sink *sink, const struct summary *summary)
{
	struct fields *f = fields_of(sink);
	char *p;

	if (f->form->put_summary) {
		p = text_reserve(f->text, FIELDS_SUMMARY_BYTES);
		if (!p)
			return text_error(f->text);
		text_commit(f->text, f->form->put_summary(p, summary));
	}
	return text_flush(f->text);
}

void fields_free(struct sink *sink)
{
	struct fields *f = fields_of(sink);

	if (!f)
		return;
	memo_free(f->connections);
	memo_free(f->owners);
	memo_free(f->places);
	free(f);
}

struct sink *sink_fields_new(const struct style *style, const struct fields_form *form)
{
	struct fields *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->sink.ops = &form->ops;
	f->style = *style;
	f->form = form;
	f->text = style->text;
	f->connections = memo_new(CONNECTIONS, CONNECTION_BYTES);
	f->owners = memo_new(OWNERS, OWNER_BYTES);
	f->places = memo_new(PLACES, PLACE_BYTES);
	if (!f->connections || !f->owners || !f->places) {
		fields_free(&f->sink);
		return NULL;
	}
	make_words(f);
	return &f->sink;
}
