/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The commands (commands.c) and their options (option_table.c) as constant tables. The scanner
 * (options.c) and the help text (help.c) are made from them.
 *
 * To add an option, add one line to a group. To add a command, add a group for the options that
 * only it takes, and one entry to the table of commands. One letter or name may mean different
 * things in different commands, but it must take a value in all of them or in none: the scanner
 * meets options before it has met the command.
 */
#ifndef TCPDWELL_OPTION_TABLE_H
#define TCPDWELL_OPTION_TABLE_H

#include "cli/options.h"

struct option_def;

/* One use of an option: all that a setter may look at. */
struct setting {
	void *field;	   /* the field of struct options at def->offset */
	const char *value; /* NULL if the option takes none */
	const struct option_def *def;
	parse_find_user *find;
	struct parse_fault *fault;
};

struct option_def {
	const char *name;	      /* the long name, without --; NULL ends a group */
	char letter;		      /* 0: none */
	const char *arg;	      /* how the help calls the value; NULL: a flag */
	const struct choice *choices; /* the only values it takes; NULL: any value */
	const char *help;
	size_t offset;				   /* of the field in struct options */
	int (*set)(const struct setting *setting); /* returns 0, or -errno with fault filled */
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
	const char *operand; /* how the help calls a word behind the command; NULL: it takes none */
	bool takes_program;  /* it takes -- PROGRAM ARGS */
	const struct option_group *const *groups; /* ends with NULL */
	const struct option_note *values;   /* kinds of values of several options; NULL: none */
	const struct option_note *examples; /* NULL: none */
};

/* The first one is the default. */
extern const struct command_def command_table[];

const struct command_def *command_find(enum command command);

/*
 * The head of a loop over a command's options. It declares @def and @group. A break ends one group
 * only.
 */
#define for_each_option(def, group, command)                                               \
	for (const struct option_group *const *group = (command)->groups; *group; group++) \
		for (const struct option_def *def = (*group)->options; def->name; def++)

#endif /* TCPDWELL_OPTION_TABLE_H */
