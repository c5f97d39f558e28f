/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The commands (commands.c) and their options (option_table.c) as constant tables, from which both
 * the scanner (options.c) and the help text (help.c) are made.
 *
 * To add an option: one line in a group. To add a command: a group for what only it takes, one
 * entry in the table of commands. Commands may give one letter or name different meanings, but
 * whether it takes a value must be the same for all of them: the scanner meets options before it
 * has met the command.
 */
#ifndef TCPDWELL_OPTION_TABLE_H
#define TCPDWELL_OPTION_TABLE_H

#include "cli/options.h"

struct option_def;

/* One use of an option: everything that a setter may look at. */
struct setting {
	void *field;	   /* of struct options, at def->offset */
	const char *value; /* NULL if the option takes none */
	const struct option_def *def;
	parse_find_user *find;
	struct parse_fault *fault;
};

struct option_def {
	const char *name;	      /* the long one, without --; NULL ends a group */
	char letter;		      /* 0: none */
	const char *arg;	      /* how the help calls the value; NULL: a flag */
	const struct choice *choices; /* where these are all it takes, else NULL */
	const char *help;
	size_t offset;				   /* of the field in struct options */
	int (*set)(const struct setting *setting); /* 0, or -errno and fault filled */
};

struct option_group {
	const char *title;
	const struct option_def *options;
};

/* A line of the help: something to type, and what it means. */
struct option_note {
	const char *term; /* NULL ends the list */
	const char *text;
};

struct command_def {
	const char *name; /* NULL ends the table */
	enum command command;
	const char *what;
	const char *operand; /* how the help calls a word behind it; NULL: none */
	bool takes_program;  /* -- PROGRAM ARGS */
	const struct option_group *const *groups; /* ends with NULL */
	const struct option_note *values;	  /* that several options share; NULL: none */
	const struct option_note *examples;	  /* NULL: none */
};

/* The first one is the default. */
extern const struct command_def command_table[];

const struct command_def *command_find(enum command command);

/* Heads a loop over a command's options, declares @def and @group. A break ends one group only. */
#define for_each_option(def, group, command)                                               \
	for (const struct option_group *const *group = (command)->groups; *group; group++) \
		for (const struct option_def *def = (*group)->options; def->name; def++)

#endif /* TCPDWELL_OPTION_TABLE_H */
