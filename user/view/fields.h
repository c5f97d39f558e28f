/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rows of named fields: JSON lines and CSV, which differ in what stands around a value. The names
 * are a contract: a field may be added at the end, but none may be removed or change its name or
 * meaning.
 *
 * A module that has rows lists their fields in one macro, in their order:
 *
 *	#define TOTALS_FIELDS(F, line)                          \
 *		F(type, constant, "totals")                     \
 *		F(opened, number, (line)->known, (line)->opened)
 *
 * A field has a name, a kind, and the arguments of that kind. FIELDS_DEFINE() makes the table of
 * names from the list, for the first line of CSV. FIELD_PUT() turns each field into a statement
 * that appends it, without a loop or a call through a pointer, which would slow down each row of
 * JSON. Lists that several rows share are in field_lists.h. The manual's test reads all of them.
 *
 * The kinds and their arguments:
 *
 *	constant(text)			the same in each row
 *	choice(names, max, value)	what names() says of a value below max; NULL is null
 *	number(known, value)		unsigned
 *	signed(known, value)
 *	boolean(known, yes)
 *	addr(family, bytes)
 *	addr_if(known, family, bytes)
 *	time(stamp, wall_ns)		RFC 3339; @stamp is the number of one of struct fields
 *	time_if(known, stamp, wall_ns)
 *	errno(number)			0 is null
 *	word(text)			one of our own that needs no escaping; NULL is null
 *	text(text)			that others chose; NULL is null
 *
 * A function that appends writes at the cursor @p and returns the new one, as in put.h. One thread.
 */
#ifndef TCPDWELL_FIELDS_H
#define TCPDWELL_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "base/put.h"

struct summary;
struct text;

/* How fields are written. Constant. */
struct fields_form {
	bool names;	   /* each value has its name; else a first line has all names */
	const char *quote; /* around names, and around texts that need no escaping */
	const char *null;  /* stands for what is not known */
	const char *end;   /* of a row */
	/* Appends text that others chose, in quotes. */
	char *(*put_text)(char *p, const char *text, size_t len);
	size_t text_bytes; /* the most bytes that one byte of it becomes */
	/* Appends the last line, of at most FIELDS_SUMMARY_BYTES. NULL: there is none. */
	char *(*put_summary)(char *p, const struct summary *summary);
};

#define FIELDS_SUMMARY_BYTES 512

extern const struct fields_form fields_json;
extern const struct fields_form fields_csv;

/* What the table says of a field. */
struct field {
	const char *name;
	const char *constant; /* its value in each row */
	bool quoted;	      /* what stands around the value contains its quotes */
	/*
	 * Returns the names of its values, of which there are @choices; NULL: they are not from a
	 * list.
	 */
	const char *(*choice)(unsigned int value);
	unsigned int choices;
};

#define FIELDS_MAX    80
#define FIELDS_STAMPS 2

struct fields {
	const struct fields_form *form;
	const struct field *table;
	unsigned int count;
	struct word before[FIELDS_MAX];	  /* all text between a value and the one before */
	struct word *choices[FIELDS_MAX]; /* values, each with the text before it */
	struct word *words;		  /* the array that @choices points into */
	struct word null;
	struct word end;
	struct stamp stamps[FIELDS_STAMPS];
};

/* Prepares @f. Returns 0 or -errno. fields_free() frees what it holds. */
int fields_init(struct fields *f, const struct fields_form *form, const struct field *table,
		unsigned int count);

/* NULL-safe, and also safe for a zeroed one. */
void fields_free(struct fields *f);

/* The greatest length of the line of names. */
#define FIELDS_NAMES_BYTES 2048

/* Appends a line of names, if the values have none. */
char *fields_put_names(const struct fields *f, char *p);

/* Write what stands before all rows, and after them. Each returns 0 or the -errno of the text. */
int fields_start(const struct fields *f, struct text *text);
int fields_finish(const struct fields *f, struct text *text, const struct summary *summary);

/* ---- Tables of lists ---- */

#define FIELD_ENUM(name, ...) FIELD_##name,
#define FIELD_ROW(field_name, kind, ...) \
	[FIELD_##field_name] = { .name = #field_name, FIELD_IS_##kind(__VA_ARGS__) },
#define FIELD_PUT(name, kind, ...) p = field_##kind(f, p, FIELD_##name, __VA_ARGS__);

/*
 * Defines the enumeration FIELD_x and the table @name from @LIST. The arguments of @LIST after F do
 * not matter here.
 */
#define FIELDS_DEFINE(name, LIST, ...)                                    \
	enum { LIST(FIELD_ENUM, __VA_ARGS__) FIELD_MAX };                 \
	_Static_assert((int)FIELD_MAX <= FIELDS_MAX, "a table has room"); \
	static const struct field name[] = { LIST(FIELD_ROW, __VA_ARGS__) }

#define FIELD_IS_constant(text)		    .constant = (text)
#define FIELD_IS_choice(names_of, max, ...) .choice = (names_of), .choices = (max)
#define FIELD_IS_number(...)
#define FIELD_IS_signed(...)
#define FIELD_IS_boolean(...)
#define FIELD_IS_addr(...) .quoted = true
#define FIELD_IS_addr_if(...)
#define FIELD_IS_time(...) .quoted = true
#define FIELD_IS_time_if(...)
#define FIELD_IS_errno(...) .choice = fields_no_name, .choices = 1
#define FIELD_IS_word(...)
#define FIELD_IS_text(...)

/* Returns NULL, the name of no value. */
const char *fields_no_name(unsigned int value);

/* ---- Kinds ---- */

/* The constant is part of the text before the next value. */
static inline char *field_constant(const struct fields *f, char *p, int field, const char *text)
{
	(void)f, (void)field, (void)text;
	return p;
}

static inline char *field_choice(const struct fields *f, char *p, int field,
				 const char *(*names)(unsigned int), unsigned int max,
				 unsigned int value)
{
	(void)names;
	return put_word(p, &f->choices[field][value < max ? value : 0]);
}

static inline char *field_number(const struct fields *f, char *p, int field, bool known, uint64_t v)
{
	p = put_word(p, &f->before[field]);
	return known ? put_u64(p, v) : put_word(p, &f->null);
}

static inline char *field_signed(const struct fields *f, char *p, int field, bool known, int64_t v)
{
	p = put_word(p, &f->before[field]);
	if (!known)
		return put_word(p, &f->null);
	return v < 0 ? put_u64(put_char(p, '-'), -(uint64_t)v) : put_u64(p, v);
}

static inline char *field_boolean(const struct fields *f, char *p, int field, bool known, bool yes)
{
	p = put_word(p, &f->before[field]);
	if (!known)
		return put_word(p, &f->null);
	return yes ? put_literal(p, "true") : put_literal(p, "false");
}

static inline char *field_addr(const struct fields *f, char *p, int field, unsigned int family,
			       const uint8_t *addr)
{
	return put_addr(put_word(p, &f->before[field]), family, addr);
}

static inline char *field_addr_if(const struct fields *f, char *p, int field, bool known,
				  unsigned int family, const uint8_t *addr)
{
	p = put_word(p, &f->before[field]);
	if (!known)
		return put_word(p, &f->null);
	return put_string(put_addr(put_string(p, f->form->quote), family, addr), f->form->quote);
}

static inline char *field_time(struct fields *f, char *p, int field, unsigned int stamp,
			       uint64_t wall_ns)
{
	return put_rfc3339(put_word(p, &f->before[field]), &f->stamps[stamp], wall_ns);
}

static inline char *field_time_if(struct fields *f, char *p, int field, bool known,
				  unsigned int stamp, uint64_t wall_ns)
{
	p = put_word(p, &f->before[field]);
	if (!known)
		return put_word(p, &f->null);
	p = put_rfc3339(put_string(p, f->form->quote), &f->stamps[stamp], wall_ns);
	return put_string(p, f->form->quote);
}

char *fields_put_errno(const struct fields *f, char *p, int field, int err);

static inline char *field_errno(const struct fields *f, char *p, int field, int err)
{
	return err ? fields_put_errno(f, p, field, err) : put_word(p, &f->choices[field][0]);
}

static inline char *field_word(const struct fields *f, char *p, int field, const char *text)
{
	p = put_word(p, &f->before[field]);
	if (!text)
		return put_word(p, &f->null);
	return put_string(put_string(put_string(p, f->form->quote), text), f->form->quote);
}

static inline char *field_text(const struct fields *f, char *p, int field, const char *text)
{
	p = put_word(p, &f->before[field]);
	return text ? f->form->put_text(p, text, strlen(text)) : put_word(p, &f->null);
}

#endif /* TCPDWELL_FIELDS_H */
