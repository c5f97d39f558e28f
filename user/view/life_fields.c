// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>

#include "base/text.h"
#include "view/field_lists.h"
#include "view/life_lists.h"
#include "view/life_view.h"

/*
 * The longest row without names: 68 fields with names of 20 and values of 22 bytes, and comm: <
 * 3000.
 */
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
