// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "view/explain.h"

/* EXPLAIN_FILE is the path of explain.txt, which make defines. */
__asm__(".pushsection .rodata\n"
	".globl explain_text\n"
	".type explain_text, %object\n"
	"explain_text:\n"
	".incbin \"" EXPLAIN_FILE "\"\n"
	".byte 0\n"
	".size explain_text, . - explain_text\n"
	".popsection\n");

/* Indents what belongs to a title. */
#define INDENT 4

/* The column where the commands of the index begin. */
#define LOOK_COLUMN 36

/* The parts of an entry, in their order. The first one has no title. */
static const struct {
	const char *word;
	const char *title;
} parts[] = {
	{ "what", NULL },
	{ "normal", "When it is normal" },
	{ "causes", "What piles it up" },
	{ "helps", "What helps" },
	{ "useless", "What does not help" },
	{ "shows", "What shows it" },
};

static const char *next_line(const char *line)
{
	const char *end = strchr(line, '\n');

	return end ? end + 1 : line + strlen(line);
}

static size_t line_len(const char *line)
{
	return strcspn(line, "\n");
}

/* `-`, `_` and a blank are equal, and so are upper and lower case. */
static int folded(int c)
{
	return c == '-' || c == '_' ? ' ' : tolower((unsigned char)c);
}

static bool same_name(const char *a, size_t len, const char *b)
{
	if (strlen(b) != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (folded(a[i]) != folded(b[i]))
			return false;
	return true;
}

/* The first line of an entry is `= KIND NAME`. */
static bool is_entry(const char *line)
{
	return !strncmp(line, "= ", 2);
}

/* Returns the name in the first line of an entry. */
static const char *entry_name(const char *line, size_t *len)
{
	const char *name = line + 2 + strcspn(line + 2, " ") + 1;

	*len = line_len(name);
	return name;
}

static const char *find_entry(const char *name)
{
	for (const char *line = explain_text; *line; line = next_line(line)) {
		const char *its;
		size_t len;

		if (!is_entry(line))
			continue;
		its = entry_name(line, &len);
		if (same_name(its, len, name))
			return line;
	}
	return NULL;
}

/* A line `symptom WORDS | COMMAND | NAME`. */
struct symptom {
	const char *words, *command, *name;
	int words_len, command_len, name_len;
};

static bool read_symptom(const char *line, struct symptom *s)
{
	static const char begin[] = "symptom ";
	const char *bar, *second;

	if (strncmp(line, begin, sizeof(begin) - 1))
		return false;
	s->words = line + sizeof(begin) - 1;
	bar = strstr(s->words, " | ");
	second = bar ? strstr(bar + 3, " | ") : NULL;
	if (!second)
		return false;
	s->words_len = bar - s->words;
	s->command = bar + 3;
	s->command_len = second - s->command;
	s->name = second + 3;
	s->name_len = line_len(s->name);
	return true;
}

/* Returns the entry that a symptom leads to. */
static const char *find_symptom(const char *words)
{
	for (const char *line = explain_text; *line; line = next_line(line)) {
		char name[64];
		struct symptom s;

		if (!read_symptom(line, &s) || !same_name(s.words, s.words_len, words))
			continue;
		snprintf(name, sizeof(name), "%.*s", s.name_len, s.name);
		return find_entry(name);
	}
	return NULL;
}

/* A paragraph that is being printed. */
struct paragraph {
	FILE *out;
	unsigned int columns;
	int indent;
	int at; /* the present column */
	bool first;
};

static void put_words(struct paragraph *p, const char *word, const char *end)
{
	while (word < end) {
		int len = (int)strcspn(word, " \n");

		if (word + len > end)
			len = end - word;
		if (!p->first && p->at + 1 + len > (int)p->columns)
			p->at = fprintf(p->out, "\n%*s", p->indent, "") - 1;
		else if (!p->first)
			p->at += fprintf(p->out, " ");
		p->at += fprintf(p->out, "%.*s", len, word);
		p->first = false;
		word += len + 1;
	}
}

/* Prints the lines from @line on that begin with a tab. Returns the line after them. */
static const char *put_paragraph(struct paragraph *p, const char *line)
{
	for (; *line == '\t'; line = next_line(line))
		put_words(p, line + 1, line + line_len(line));
	fputc('\n', p->out);
	return line;
}

static struct paragraph begin(FILE *out, unsigned int columns, int indent)
{
	return (struct paragraph){ out, columns, indent, .at = indent, .first = true };
}

void explain_print_words(FILE *out, const char *text, unsigned int columns, int indent)
{
	struct paragraph p = begin(out, columns, indent);

	put_words(&p, text, text + strlen(text));
	fputc('\n', out);
}

bool explain_knows(const char *name)
{
	return find_entry(name) || find_symptom(name);
}

int explain_print_part(FILE *out, const char *name, const char *part, unsigned int columns,
		       int indent)
{
	const char *line = find_entry(name);

	if (!line)
		return -ENOENT;
	for (line = next_line(line); *line && *line != '\n' && !is_entry(line);
	     line = next_line(line)) {
		struct paragraph p = begin(out, columns, indent);

		if (line_len(line) != strlen(part) || strncmp(line, part, strlen(part)))
			continue;
		put_paragraph(&p, next_line(line));
		return 0;
	}
	return -ENOENT;
}

static const char *title_of(const char *line)
{
	for (unsigned int i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (line_len(line) == strlen(parts[i].word) &&
		    !strncmp(line, parts[i].word, line_len(line)))
			return parts[i].title;
	return NULL;
}

int explain_print(FILE *out, const char *name, unsigned int columns)
{
	const char *line = find_entry(name) ?: find_symptom(name), *its;
	size_t len;

	if (!line)
		return -ENOENT;
	its = entry_name(line, &len);
	fprintf(out, "%.*s (%.*s)\n", (int)len, its, (int)(its - line - 3), line + 2);
	line = next_line(line);
	while (*line && *line != '\n' && !is_entry(line)) {
		const char *title = title_of(line);
		struct paragraph p;

		if (title)
			fprintf(out, "%s\n", title);
		fprintf(out, "%*s", INDENT, "");
		p = begin(out, columns, INDENT);
		line = put_paragraph(&p, next_line(line));
	}
	return 0;
}

/* Prints the names of all entries of a kind, as a paragraph after its title. */
static void print_names(FILE *out, const char *kind, const char *title, unsigned int columns)
{
	int at = fprintf(out, "%-9s", title);

	for (const char *line = explain_text; *line; line = next_line(line)) {
		const char *name;
		size_t len;

		if (!is_entry(line) || strncmp(line + 2, kind, strlen(kind)))
			continue;
		name = entry_name(line, &len);
		if (at + 1 + len > columns)
			at = fprintf(out, "\n%9s", "") - 1;
		at += fprintf(out, " %.*s", (int)len, name);
	}
	fputc('\n', out);
}

void explain_index(FILE *out, unsigned int columns)
{
	fprintf(out, "%-*s %s\n", LOOK_COLUMN - 1, "What people say", "What looks into it");
	for (const char *line = explain_text; *line; line = next_line(line)) {
		struct symptom s;

		if (read_symptom(line, &s))
			fprintf(out, "%-*.*s %.*s\n", LOOK_COLUMN - 1, s.words_len, s.words,
				s.command_len, s.command);
	}
	fprintf(out, "\n`tcpdwell explain NAME` tells of each of these, and of what people say:\n");
	print_names(out, "state", "states", columns);
	print_names(out, "finding", "findings", columns);
	print_names(out, "errno", "errors", columns);
}

void explain_words(FILE *out)
{
	for (const char *line = explain_text; *line; line = next_line(line)) {
		const char *name;
		size_t len;

		if (!is_entry(line))
			continue;
		name = entry_name(line, &len);
		fprintf(out, "word:%.*s::::\n", (int)len, name);
	}
}
