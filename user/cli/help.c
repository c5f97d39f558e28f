// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <ctype.h>
#include <string.h>

#include "base/tcpstate.h"
#include "cli/help.h"
#include "cli/option_table.h"
#include "cli/version.h"

#define COLUMNS 80
/* Where explanations begin. A left side that is longer has a line of its own. */
#define OPTION_COLUMN  26
#define VALUE_COLUMN   12
#define EXAMPLE_COLUMN 47

/*
 * Returns the length of the word that begins @text. A list of choices that is longer than a line is
 * broken behind one of its `|`.
 */
static int word_length(const char *text, int room)
{
	int whole = (int)strcspn(text, " "), len = whole < room ? whole : room;

	while (len < whole && len && text[len - 1] != '|')
		len--;
	return len ?: whole;
}

/* Prints words from @column on, with line breaks between them. Ends the line. */
static void print_wrapped(FILE *out, const char *text, int column)
{
	bool first = true;
	int at = column;

	while (*text) {
		int len = word_length(text, COLUMNS - column);

		if (!first && at + 1 + len > COLUMNS) {
			fprintf(out, "\n%*s", column, "");
			at = column;
		} else if (!first) {
			at += fprintf(out, " ");
		}
		at += fprintf(out, "%.*s", len, text);
		first = false;
		text += len;
		text += *text == ' ';
	}
	fputc('\n', out);
}

/* Prints the explanation of what has just been printed, which took @width columns. */
static void print_explained(FILE *out, int width, const char *text, int column)
{
	/* There are at least two blanks. Otherwise both sides look like one. */
	if (width > column - 2) {
		fputc('\n', out);
		width = 0;
	}
	fprintf(out, "%*s", column - width, "");
	print_wrapped(out, text, column);
}

static void print_notes(FILE *out, const char *title, const struct option_note *note, int column)
{
	if (!note)
		return;
	fprintf(out, "\n%s\n", title);
	for (; note->term; note++)
		print_explained(out, fprintf(out, "  %s", note->term), note->text, column);
}

static void print_option(FILE *out, const struct option_def *def)
{
	char text[256], choices[CHOICES_TEXT_LEN] = "";
	int width;

	if (def->letter)
		width = fprintf(out, "  -%c, --%s", def->letter, def->name);
	else
		width = fprintf(out, "      --%s", def->name);
	if (def->arg)
		width += fprintf(out, " %s", def->arg);
	if (def->choices)
		parse_list_choices(def->choices, choices);
	snprintf(text, sizeof(text), "%s%s%s", def->help, choices[0] ? " " : "", choices);
	print_explained(out, width, text, OPTION_COLUMN);
}

static void print_groups(FILE *out, const struct command_def *command)
{
	for (const struct option_group *const *group = command->groups; *group; group++) {
		fprintf(out, "\n%s\n", (*group)->title);
		for (const struct option_def *def = (*group)->options; def->name; def++)
			print_option(out, def);
	}
}

/* Prints the help of the tool as a whole. */
static void print_tool(FILE *out)
{
	fprintf(out, "Usage: tcpdwell [COMMAND] [OPTIONS] [-- PROGRAM ARGS]\n"
		     "Trace TCP state transitions: whose socket, and how long in each state.\n"
		     "With PROGRAM, start it, and trace it and its children alone.\n"
		     "\nCommands\n");
	for (const struct command_def *command = command_table; command->name; command++)
		print_explained(out, fprintf(out, "  %s", command->name), command->what,
				VALUE_COLUMN);
	fprintf(out, "  Without one: %s, whose options follow. Of others: tcpdwell COMMAND -h\n",
		command_table[0].name);
}

static void print_usage(FILE *out, const struct command_def *command)
{
	fprintf(out, "Usage: tcpdwell %s [OPTIONS]%s%s%s%s\n", command->name,
		command->operand ? " [" : "", command->operand ?: "", command->operand ? "]" : "",
		command->takes_program ? " [-- PROGRAM ARGS]" : "");
	fprintf(out, "%c%s.\n", toupper((unsigned char)command->what[0]), command->what + 1);
}

void help_print(FILE *out, enum command command)
{
	const struct command_def *def = command_find(command);
	bool is_default = def == command_table;

	if (is_default)
		print_tool(out);
	else
		print_usage(out, def);
	print_groups(out, def);
	print_notes(out, "Values", def->values, VALUE_COLUMN);
	print_notes(out, "Examples", def->examples, EXAMPLE_COLUMN);
	if (is_default)
		fprintf(out, "\nExit status: 0 done, also at Ctrl-C; 1 failed; 2 misused; "
			     "3 kernel or privilege\n");
}

/* Returns the names that a list has as members, with blanks in between; NULL: it has none. */
static const char *names_of(const char *arg)
{
	static const char state[] = "STATE,", reason[] = "REASON,";

	if (!strncmp(arg, state, sizeof(state) - 1))
		return tcpstate_list;
	return strncmp(arg, reason, sizeof(reason) - 1) ? NULL : reason_list;
}

static void print_option_words(FILE *out, const struct option_def *def)
{
	const char *names = def->arg ? names_of(def->arg) : NULL;
	char choices[CHOICES_TEXT_LEN];

	fprintf(out, "option:--%s:", def->name);
	if (def->letter)
		fprintf(out, "-%c", def->letter);
	fprintf(out, ":%s:", def->arg ?: "");
	if (def->choices)
		fputs(parse_list_choices(def->choices, choices), out);
	for (; names && *names; names++)
		fputc(*names == ' ' ? '|' : *names, out);
	fprintf(out, ":%s\n", def->help);
}

void help_print_words(FILE *out, enum command command)
{
	for (const struct command_def *each = command_table; each->name; each++)
		fprintf(out, "command:%s::::%s\n", each->name, each->what);
	for_each_option(def, group, command_find(command))
	{
		print_option_words(out, def);
	}
}

void help_print_version(FILE *out)
{
	fprintf(out, "tcpdwell " TCPDWELL_VERSION "\n"
		     "License: GPL-2.0-only OR BSD-2-Clause\n");
}
