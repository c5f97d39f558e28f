// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>

#include "base/text.h"
#include "view/field_lists.h"
#include "view/life_view.h"

/* The longest row, without names: 68 of 20 and values of 22 bytes, and comm: < 3000. */
#define ROW_BYTES 4096

/* ---- The fields, in their order ---- */

#define LIFE_HEAD(F, l, c, clock)                                                                \
	F(type, constant, "connection")                                                          \
	F(opened, time_if, (c)->life.opened == TCPDWELL_DWELL_EXACT, 0,                          \
	  clock_wall_ns(clock, (c)->life.opened_ns))                                             \
	F(opened_mono_ns, number, (c)->life.opened == TCPDWELL_DWELL_EXACT, (c)->life.opened_ns) \
	F(ended, time_if, !(l)->open, 1, clock_wall_ns(clock, (c)->ended_ns))                    \
	F(ended_mono_ns, number, !(l)->open, (c)->ended_ns)                                      \
	F(open, boolean, true, (l)->open)                                                        \
	F(state, choice, tcpstate_name, TCPDWELL_STATE_MAX, (c)->state)                          \
	FIELDS_CONNECTION(F, c)                                                                  \
	F(side, choice, life_side_name, LIFE_SERVER + 1, (l)->side)

#define LIFE_TIMES(F, l)                                         \
	F(handshake_ns, number, (l)->opening, (l)->handshake_ns) \
	F(accept_ns, number, (l)->waiting, (l)->accept_ns)       \
	F(life_ns, number, (l)->worth, (l)->life_ns)             \
	F(life, choice, dwell_name, TCPDWELL_DWELL_AT_LEAST + 1, (l)->worth)

/*
 * A state that it never was in is 0, which has no name; the others are the worth of the dwell
 * and 1.
 */
#define STAY_MAX (TCPDWELL_DWELL_AT_LEAST + 2)

static const char *stay_name(unsigned int stay)
{
	return stay ? dwell_name(stay - 1) : NULL;
}

static unsigned int stay_in(const struct life *life, unsigned int state)
{
	return life_visited(life, state) ? life_dwell(life, state) + 1U : 0;
}

/* Two for each state: how long, and what that is worth. */
#define LIFE_STATE(F, name, l, state)                                        \
	F(name##_ns, number, life_visited(l, state) && life_dwell(l, state), \
	  life_dwell_ns(l, state))                                           \
	F(name, choice, stay_name, STAY_MAX, stay_in(l, state))

#define LIFE_STATES(F, l)                                   \
	LIFE_STATE(F, established, l, TCPDWELL_ESTABLISHED) \
	LIFE_STATE(F, syn_sent, l, TCPDWELL_SYN_SENT)       \
	LIFE_STATE(F, syn_recv, l, TCPDWELL_SYN_RECV)       \
	LIFE_STATE(F, fin_wait1, l, TCPDWELL_FIN_WAIT1)     \
	LIFE_STATE(F, fin_wait2, l, TCPDWELL_FIN_WAIT2)     \
	LIFE_STATE(F, time_wait, l, TCPDWELL_TIME_WAIT)     \
	LIFE_STATE(F, close, l, TCPDWELL_CLOSE)             \
	LIFE_STATE(F, close_wait, l, TCPDWELL_CLOSE_WAIT)   \
	LIFE_STATE(F, last_ack, l, TCPDWELL_LAST_ACK)       \
	LIFE_STATE(F, listen, l, TCPDWELL_LISTEN)           \
	LIFE_STATE(F, closing, l, TCPDWELL_CLOSING)

#define LIFE_NUMBERS(F, l, n)                                               \
	F(bytes_sent, number, (l)->counted, (l)->sent)                      \
	F(bytes_acked, number, (l)->counted, (l)->acked)                    \
	F(bytes_received, number, (l)->counted, (l)->received)              \
	F(bytes_unacked, number, (l)->counted, (l)->unacked)                \
	F(bytes_unread, number, (l)->read, (l)->unread)                     \
	F(segments_sent, number, (l)->numbered, (n)->segments_sent)         \
	F(segments_received, number, (l)->numbered, (n)->segments_received) \
	F(retransmits, number, (l)->numbered, (n)->retransmits)             \
	F(srtt_us, number, (l)->srtt_us, (l)->srtt_us)                      \
	F(rtt_min_us, number, (l)->rtt_min_us, (l)->rtt_min_us)

#define LIFE_FIELDS(F, l, c, names, clock)     \
	LIFE_HEAD(F, l, c, clock)              \
	FIELDS_OWNER(F, c, names)              \
	FIELDS_HOLDERS(F, c)                   \
	LIFE_TIMES(F, l)                       \
	LIFE_STATES(F, l)                      \
	LIFE_NUMBERS(F, l, &(c)->life.numbers) \
	FIELDS_END(F, c)                       \
	FIELDS_NAMES(F, names)                 \
	FIELDS_NETNS_NAME(F, names)

FIELDS_DEFINE(life_fields, LIFE_FIELDS, , , , );

struct life_fields {
	struct life_view view;
	const struct clock *clock;
	struct text *text;
	struct fields fields;
};

static struct life_fields *fields_of(struct life_view *view)
{
	return (struct life_fields *)view;
}

static int life_fields_row(struct life_view *view, const struct life *life,
			   const struct names *names)
{
	struct life_fields *of = fields_of(view);
	const struct tcpdwell_connection *c = life->connection;
	struct fields *f = &of->fields;
	char *p = text_reserve(of->text, ROW_BYTES + f->form->text_bytes * names_bytes(names));

	if (!p)
		return text_error(of->text);
	LIFE_FIELDS(FIELD_PUT, life, c, names, of->clock);
	text_commit(of->text, put_word(p, &f->end));
	return 0;
}

static int life_fields_start(struct life_view *view)
{
	const struct life_fields *of = fields_of(view);

	return fields_start(&of->fields, of->text);
}

static int life_fields_finish(struct life_view *view, const struct summary *summary)
{
	const struct life_fields *of = fields_of(view);

	return fields_finish(&of->fields, of->text, summary);
}

static void life_fields_free(struct life_view *view)
{
	if (!view)
		return;
	fields_free(&fields_of(view)->fields);
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
	struct life_fields *of = calloc(1, sizeof(*of));
	int err;

	if (!of)
		return NULL;
	of->view.ops = &life_fields_ops;
	of->clock = style->clock;
	of->text = style->text;
	err = fields_init(&of->fields, form, life_fields, FIELD_MAX);
	if (!err)
		return &of->view;
	life_fields_free(&of->view);
	errno = -err;
	return NULL;
}
