// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>

#include "base/tcpstate.h"
#include "base/text.h"
#include "view/field_lists.h"
#include "view/fields.h"

const char *family_name(unsigned int family)
{
	return family == 6 ? "ipv6" : "ipv4";
}

const char *fields_no_name(unsigned int value)
{
	(void)value;
	return NULL;
}

static char *put_name(const struct fields_form *form, char *p, const char *name)
{
	if (!name)
		return put_string(p, form->null);
	return put_string(put_string(put_string(p, form->quote), name), form->quote);
}

/*
 * Appends all text between the value of @field and the last value before it that is not constant.
 */
static char *put_before(const struct fields *f, char *p, unsigned int field)
{
	const struct field *before = field ? &f->table[field - 1] : NULL;

	if (before && before->constant)
		p = put_name(f->form, put_before(f, p, field - 1), before->constant);
	if (before && before->quoted)
		p = put_string(p, f->form->quote);
	if (before)
		p = put_char(p, ',');
	else if (f->form->names)
		p = put_char(p, '{');
	if (f->form->names)
		p = put_literal(put_string(put_char(p, '"'), f->table[field].name), "\":");
	return f->table[field].quoted ? put_string(p, f->form->quote) : p;
}

/* Has room for the longest names of fields and values; longer text does not fit in a word. */
#define WORD_ROOM 128

/* Returns 0, or -EMSGSIZE if the text does not fit in a word. */
static int make_word(struct word *word, char text[WORD_ROOM], char *end)
{
	*end = '\0';
	*word = word_make(text);
	return word->len == end - text ? 0 : -EMSGSIZE;
}

static int make_choices(struct fields *f, unsigned int field, struct word *words)
{
	const struct field *of = &f->table[field];
	char text[WORD_ROOM];
	int err = 0;

	f->choices[field] = words;
	for (unsigned int value = 0; !err && value < of->choices; value++) {
		char *p = put_name(f->form, put_before(f, text, field), of->choice(value));

		err = make_word(&words[value], text, p);
	}
	return err;
}

int fields_init(struct fields *f, const struct fields_form *form, const struct field *table,
		unsigned int count)
{
	unsigned int words = 0;
	char text[WORD_ROOM];
	int err = 0;

	*f = (struct fields){ .form = form, .table = table, .count = count };
	for (unsigned int i = 0; i < count; i++)
		words += table[i].choices;
	f->words = calloc(words + 1, sizeof(*f->words));
	if (!f->words)
		return -ENOMEM;
	f->null = word_make(form->null);
	f->end = word_make(form->end);
	words = 0;
	for (unsigned int i = 0; !err && i < count; i++) {
		err = make_word(&f->before[i], text, put_before(f, text, i));
		if (!err)
			err = make_choices(f, i, f->words + words);
		words += table[i].choices;
	}
	return err;
}

void fields_free(struct fields *f)
{
	if (!f)
		return;
	free(f->words);
	f->words = NULL;
}

char *fields_put_errno(const struct fields *f, char *p, int field, int err)
{
	const char *name = errno_name(err);

	/* An errno whose name is not known is written as "E" and its number. */
	p = put_string(put_word(p, &f->before[field]), f->form->quote);
	p = name ? put_string(p, name) : put_u64(put_char(p, 'E'), err);
	return put_string(p, f->form->quote);
}

/* ---- What stands around rows ---- */

char *fields_put_names(const struct fields *f, char *p)
{
	if (f->form->names)
		return p;
	for (unsigned int i = 0; i < f->count; i++)
		p = put_string(i ? put_char(p, ',') : p, f->table[i].name);
	return put_word(p, &f->end);
}

int fields_start(const struct fields *f, struct text *text)
{
	char *p = text_reserve(text, FIELDS_NAMES_BYTES);

	if (!p)
		return text_error(text);
	text_commit(text, fields_put_names(f, p));
	return 0;
}

int fields_finish(const struct fields *f, struct text *text, const struct summary *summary)
{
	char *p;

	if (!f->form->put_summary)
		return 0;
	p = text_reserve(text, FIELDS_SUMMARY_BYTES);
	if (!p)
		return text_error(text);
	text_commit(text, f->form->put_summary(p, summary));
	return 0;
}
