// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdlib.h>

#include "base/clock.h"
#include "base/put.h"
#include "base/tcpstate.h"
#include "base/text.h"
#include "host/name_book.h"
#include "view/life_view.h"

/* The longest row, without names: 61 of 20 and values of 22 bytes, and comm: < 3000. */
#define ROW_BYTES 4096

enum field {
	FIELD_TYPE,
	FIELD_OPENED,
	FIELD_OPENED_MONO_NS,
	FIELD_ENDED,
	FIELD_ENDED_MONO_NS,
	FIELD_OPEN,
	FIELD_STATE,
	FIELD_COOKIE,
	FIELD_NETNS,
	FIELD_FAMILY,
	FIELD_LADDR,
	FIELD_LPORT,
	FIELD_RADDR,
	FIELD_RPORT,
	FIELD_SIDE,
	FIELD_PID,
	FIELD_COMM,
	FIELD_UID,
	FIELD_CGROUP,
	FIELD_OWNER,
	FIELD_HOLDERS,
	FIELD_HANDSHAKE_NS,
	FIELD_ACCEPT_NS,
	FIELD_LIFE_NS,
	FIELD_LIFE,
	FIELD_STATES, /* two for each state */
	FIELD_BYTES_SENT = FIELD_STATES + 2 * (TCPDWELL_STATE_MAX - 1),
	FIELD_BYTES_ACKED,
	FIELD_BYTES_RECEIVED,
	FIELD_BYTES_UNACKED,
	FIELD_BYTES_UNREAD,
	FIELD_SEGMENTS_SENT,
	FIELD_SEGMENTS_RECEIVED,
	FIELD_RETRANSMITS,
	FIELD_SRTT_US,
	FIELD_RTT_MIN_US,
	FIELD_REASON,
	FIELD_ERRNO,
	FIELD_TEXTS, /* enum container_text */
	FIELD_NETNS_NAME = FIELD_TEXTS + CONTAINER_TEXTS,
	FIELD_MAX,
};

static const char *const names[FIELD_MAX] = {
	[FIELD_TYPE] = "type",
	[FIELD_OPENED] = "opened",
	[FIELD_OPENED_MONO_NS] = "opened_mono_ns",
	[FIELD_ENDED] = "ended",
	[FIELD_ENDED_MONO_NS] = "ended_mono_ns",
	[FIELD_OPEN] = "open",
	[FIELD_STATE] = "state",
	[FIELD_COOKIE] = "cookie",
	[FIELD_NETNS] = "netns",
	[FIELD_FAMILY] = "family",
	[FIELD_LADDR] = "laddr",
	[FIELD_LPORT] = "lport",
	[FIELD_RADDR] = "raddr",
	[FIELD_RPORT] = "rport",
	[FIELD_SIDE] = "side",
	[FIELD_PID] = "pid",
	[FIELD_COMM] = "comm",
	[FIELD_UID] = "uid",
	[FIELD_CGROUP] = "cgroup",
	[FIELD_OWNER] = "owner",
	[FIELD_HOLDERS] = "holders",
	[FIELD_HANDSHAKE_NS] = "handshake_ns",
	[FIELD_ACCEPT_NS] = "accept_ns",
	[FIELD_LIFE_NS] = "life_ns",
	[FIELD_LIFE] = "life",
	/* By the numbers of states, from 1. */
	[FIELD_STATES] = "established_ns",
	"established",
	"syn_sent_ns",
	"syn_sent",
	"syn_recv_ns",
	"syn_recv",
	"fin_wait1_ns",
	"fin_wait1",
	"fin_wait2_ns",
	"fin_wait2",
	"time_wait_ns",
	"time_wait",
	"close_ns",
	"close",
	"close_wait_ns",
	"close_wait",
	"last_ack_ns",
	"last_ack",
	"listen_ns",
	"listen",
	"closing_ns",
	"closing",
	[FIELD_BYTES_SENT] = "bytes_sent",
	[FIELD_BYTES_ACKED] = "bytes_acked",
	[FIELD_BYTES_RECEIVED] = "bytes_received",
	[FIELD_BYTES_UNACKED] = "bytes_unacked",
	[FIELD_BYTES_UNREAD] = "bytes_unread",
	[FIELD_SEGMENTS_SENT] = "segments_sent",
	[FIELD_SEGMENTS_RECEIVED] = "segments_received",
	[FIELD_RETRANSMITS] = "retransmits",
	[FIELD_SRTT_US] = "srtt_us",
	[FIELD_RTT_MIN_US] = "rtt_min_us",
	[FIELD_REASON] = "reason",
	[FIELD_ERRNO] = "errno",
	/* By enum container_text. */
	[FIELD_TEXTS] = "unit",
	"container",
	"container_id",
	"pod",
	"pod_namespace",
	[FIELD_NETNS_NAME] = "netns_name",
};

struct life_fields {
	struct life_view view;
	struct style style;
	const struct fields_form *form;
	struct stamp opened;
	struct stamp ended;
	struct word before[FIELD_MAX]; /* a comma, and the name if it stands here */
	struct word null;
	struct word end;
};

static struct life_fields *fields_of(struct life_view *view)
{
	return (struct life_fields *)view;
}

static void make_words(struct life_fields *f)
{
	char text[64], *p;

	for (int i = 0; i < FIELD_MAX; i++) {
		p = text;
		if (i)
			p = put_char(p, ',');
		else if (f->form->names)
			p = put_char(p, '{');
		if (f->form->names)
			p = put_literal(put_string(put_char(p, '"'), names[i]), "\":");
		*p = '\0';
		f->before[i] = word_make(text);
	}
	f->null = word_make(f->form->null);
	f->end = word_make(f->form->end);
}

/* ---- Values ---- */

static char *put_number(const struct life_fields *f, char *p, int field, bool known, uint64_t v)
{
	p = put_word(p, &f->before[field]);
	return known ? put_u64(p, v) : put_word(p, &f->null);
}

/* One of our own words, NULL: none. */
static char *put_name(const struct life_fields *f, char *p, int field, const char *name)
{
	p = put_word(p, &f->before[field]);
	if (!name)
		return put_word(p, &f->null);
	return put_string(put_string(put_string(p, f->form->quote), name), f->form->quote);
}

static char *put_text(const struct life_fields *f, char *p, int field, const char *text)
{
	p = put_word(p, &f->before[field]);
	return text ? f->form->put_text(p, text, strlen(text)) : put_word(p, &f->null);
}

static char *put_address(const struct life_fields *f, char *p, int field, unsigned int family,
			 const uint8_t *addr)
{
	p = put_string(put_word(p, &f->before[field]), f->form->quote);
	return put_string(put_addr(p, family, addr), f->form->quote);
}

/* A time of day, and the field behind it. */
static char *put_times(struct life_fields *f, char *p, int field, struct stamp *stamp, bool known,
		       uint64_t mono_ns)
{
	p = put_word(p, &f->before[field]);
	if (known) {
		p = put_string(p, f->form->quote);
		p = put_rfc3339(p, stamp, clock_wall_ns(f->style.clock, mono_ns));
		p = put_string(p, f->form->quote);
	} else {
		p = put_word(p, &f->null);
	}
	return put_number(f, p, field + 1, known, mono_ns);
}

/* An errno without a name here is given as "E" and its number. */
static char *put_errno(const struct life_fields *f, char *p, int err)
{
	char number[32] = "E";

	if (err && !errno_name(err)) {
		*put_u16(number + 1, err) = '\0';
		return put_name(f, p, FIELD_ERRNO, number);
	}
	return put_name(f, p, FIELD_ERRNO, errno_name(err));
}

/* ---- Rows ---- */

static char *put_head(struct life_fields *f, char *p, const struct life *life)
{
	const struct tcpdwell_connection *c = life->connection;

	p = put_name(f, p, FIELD_TYPE, "connection");
	p = put_times(f, p, FIELD_OPENED, &f->opened, c->life.opened == TCPDWELL_DWELL_EXACT,
		      c->life.opened_ns);
	p = put_times(f, p, FIELD_ENDED, &f->ended, !life->open, c->ended_ns);
	p = put_string(put_word(p, &f->before[FIELD_OPEN]), life->open ? "true" : "false");
	p = put_name(f, p, FIELD_STATE, tcpstate_name(c->state));
	p = put_number(f, p, FIELD_COOKIE, c->cookie, c->cookie);
	p = put_number(f, p, FIELD_NETNS, c->netns, c->netns);
	p = put_name(f, p, FIELD_FAMILY, c->family == 6 ? "ipv6" : "ipv4");
	p = put_address(f, p, FIELD_LADDR, c->family, c->laddr);
	p = put_number(f, p, FIELD_LPORT, c->lport, c->lport);
	p = put_address(f, p, FIELD_RADDR, c->family, c->raddr);
	p = put_number(f, p, FIELD_RPORT, c->rport, c->rport);
	return put_name(f, p, FIELD_SIDE, life_side_name(life->side));
}

static char *put_owner(const struct life_fields *f, char *p, const struct tcpdwell_connection *c,
		       const char *cgroup)
{
	bool known = c->owner;

	p = put_number(f, p, FIELD_PID, known, c->pid);
	p = put_text(f, p, FIELD_COMM, known ? c->comm : NULL);
	p = put_number(f, p, FIELD_UID, c->uid != UINT32_MAX, c->uid);
	p = put_text(f, p, FIELD_CGROUP, cgroup);
	p = put_name(f, p, FIELD_OWNER, owner_name(c->owner));
	return put_number(f, p, FIELD_HOLDERS, c->holders, c->holders);
}

static char *put_dwells(const struct life_fields *f, char *p, const struct life *life)
{
	p = put_number(f, p, FIELD_HANDSHAKE_NS, life->opening, life->handshake_ns);
	p = put_number(f, p, FIELD_ACCEPT_NS, life->waiting, life->accept_ns);
	p = put_number(f, p, FIELD_LIFE_NS, life->worth, life->life_ns);
	p = put_name(f, p, FIELD_LIFE, dwell_name(life->worth));
	for (unsigned int state = 1; state < TCPDWELL_STATE_MAX; state++) {
		int field = FIELD_STATES + 2 * (state - 1);
		bool visited = life_visited(life, state);
		uint8_t dwell = life_dwell(life, state);

		p = put_number(f, p, field, visited && dwell, life_dwell_ns(life, state));
		p = put_name(f, p, field + 1, visited ? dwell_name(dwell) : NULL);
	}
	return p;
}

static char *put_numbers(const struct life_fields *f, char *p, const struct life *life)
{
	const struct tcpdwell_numbers *n = &life->connection->life.numbers;

	p = put_number(f, p, FIELD_BYTES_SENT, life->counted, life->sent);
	p = put_number(f, p, FIELD_BYTES_ACKED, life->counted, life->acked);
	p = put_number(f, p, FIELD_BYTES_RECEIVED, life->counted, life->received);
	p = put_number(f, p, FIELD_BYTES_UNACKED, life->counted, life->unacked);
	p = put_number(f, p, FIELD_BYTES_UNREAD, life->read, life->unread);
	p = put_number(f, p, FIELD_SEGMENTS_SENT, life->numbered, n->segments_sent);
	p = put_number(f, p, FIELD_SEGMENTS_RECEIVED, life->numbered, n->segments_received);
	p = put_number(f, p, FIELD_RETRANSMITS, life->numbered, n->retransmits);
	p = put_number(f, p, FIELD_SRTT_US, life->srtt_us, life->srtt_us);
	return put_number(f, p, FIELD_RTT_MIN_US, life->rtt_min_us, life->rtt_min_us);
}

static char *put_names(const struct life_fields *f, char *p, const struct names *names)
{
	for (unsigned int i = 0; i < CONTAINER_TEXTS; i++)
		p = put_text(f, p, FIELD_TEXTS + i, names_text(names, i));
	return put_text(f, p, FIELD_NETNS_NAME, names ? names->netns : NULL);
}

static int life_fields_row(struct life_view *view, const struct life *life,
			   const struct names *names)
{
	struct life_fields *f = fields_of(view);
	const struct tcpdwell_connection *c = life->connection;
	char *p = text_reserve(f->style.text, ROW_BYTES + f->form->text_bytes * names_bytes(names));

	if (!p)
		return text_error(f->style.text);
	p = put_head(f, p, life);
	p = put_owner(f, p, c, names_path(names));
	p = put_dwells(f, p, life);
	p = put_numbers(f, p, life);
	p = put_name(f, p, FIELD_REASON, reason_name(c->reason));
	p = put_errno(f, p, c->err);
	p = put_names(f, p, names);
	text_commit(f->style.text, put_word(p, &f->end));
	return 0;
}

/* A line of names, where the values have none with them. */
static int life_fields_start(struct life_view *view)
{
	const struct life_fields *f = fields_of(view);
	char *p;

	if (f->form->names)
		return 0;
	p = text_reserve(f->style.text, ROW_BYTES);
	if (!p)
		return text_error(f->style.text);
	for (int i = 0; i < FIELD_MAX; i++)
		p = put_string(i ? put_char(p, ',') : p, names[i]);
	text_commit(f->style.text, put_word(p, &f->end));
	return 0;
}

static int life_fields_finish(struct life_view *view, const struct summary *summary)
{
	const struct life_fields *f = fields_of(view);
	char *p;

	if (!f->form->put_summary)
		return 0;
	p = text_reserve(f->style.text, FIELDS_SUMMARY_BYTES);
	if (!p)
		return text_error(f->style.text);
	text_commit(f->style.text, f->form->put_summary(p, summary));
	return 0;
}

static void life_fields_free(struct life_view *view)
{
	free(view);
}

static const struct life_view_ops life_fields_ops = {
	.start = life_fields_start,
	.row = life_fields_row,
	.finish = life_fields_finish,
	.free = life_fields_free,
};

struct life_view *life_fields_new(const struct style *style, const struct fields_form *form)
{
	struct life_fields *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->view.ops = &life_fields_ops;
	f->style = *style;
	f->form = form;
	make_words(f);
	return &f->view;
}
