// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/escape.h"
#include "base/text.h"
#include "cli/option_table.h"

const struct options options_defaults = {
	.command = COMMAND_TRACE,
	.leak_ns = 60000000000, /* a minute: no sound server takes as long to close a socket */
	.top = 5,		/* all tables of a report fit on a terminal */
	.prefix4 = 24,
	.prefix6 = 64,
	.max_series = 2000,
	.format = FORMAT_TABLE,
	.backend = BACKEND_AUTO,
};

/* ---- Messages -------------------------------------------------------------------------------- */

/*
 * Enough bytes to recognize what was typed. Two quotes and the longest reason fit into a message.
 */
#define QUOTE_BYTES 40
#define QUOTE_LEN   (ESCAPE_TEXT_BYTES * QUOTE_BYTES + sizeof("...") + TEXT_SLACK_BYTES)

struct quote {
	char text[QUOTE_LEN];
};

/* Quotes what was typed, which may hold anything, so that it is safe to print on a terminal. */
static const char *quote(struct quote *quote, const char *at, size_t len)
{
	unsigned int columns;
	char *end = put_escaped(quote->text, at, len < QUOTE_BYTES ? len : QUOTE_BYTES, &columns);

	strcpy(end, len > QUOTE_BYTES ? "..." : "");
	return quote->text;
}

__attribute__((format(printf, 2, 3))) static int refuse(struct options_error *error,
							const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return -EINVAL;
}

/* ---- Near misses ----------------------------------------------------------------------------- */

/* Longer than any name here. What was typed is no near miss if it is longer. */
#define NAME_SHOWN 24

/* Returns how many letters must be added, dropped or changed to get from one name to the other. */
static unsigned int edit_distance(const char *from, const char *to)
{
	unsigned int row[NAME_SHOWN + 1];
	size_t width = strlen(to);

	for (size_t i = 0; i <= width; i++)
		row[i] = i;
	for (; *from; from++) {
		unsigned int diagonal = row[0]++;

		for (size_t i = 1; i <= width; i++) {
			unsigned int change = diagonal + (*from != to[i - 1]);
			unsigned int best = row[i] < row[i - 1] ? row[i] + 1 : row[i - 1] + 1;

			diagonal = row[i];
			row[i] = change < best ? change : best;
		}
	}
	return row[width];
}

/*
 * Returns true if @typed has one or two slips, or is the beginning of @name. A name that is as
 * short as the slips counts as another name.
 */
static bool name_is_near(const char *typed, const char *name)
{
	size_t len = strlen(typed);

	if (len < 3 || len > NAME_SHOWN || strlen(name) > NAME_SHOWN)
		return false;
	return !strncmp(typed, name, len) || edit_distance(typed, name) <= (len > 4 ? 2 : 1);
}

static const struct command_def *command_near(const char *typed)
{
	for (const struct command_def *command = command_table; command->name; command++) {
		if (name_is_near(typed, command->name))
			return command;
	}
	return NULL;
}

static const struct option_def *option_near(const struct command_def *command, const char *typed)
{
	for_each_option(def, group, command)
	{
		if (name_is_near(typed, def->name))
			return def;
	}
	return NULL;
}

/* ---- The scanner: from argv to tokens -------------------------------------------------------- */

enum token_kind {
	TOKEN_END,
	TOKEN_WORD,
	TOKEN_OPTION,
	TOKEN_UNKNOWN,	   /* an option that does not exist */
	TOKEN_NO_VALUE,	   /* an option whose value is missing */
	TOKEN_STRAY_VALUE, /* --flag=value */
};

struct token {
	enum token_kind kind;
	const struct option_def *def;
	const char *typed; /* the word, or the option with its dashes, of len bytes */
	size_t len;
	const char *value;
	char letter[3]; /* a letter out of a bundle, to which typed points: "-x" */
};

struct scan {
	char **next;	    /* the next element of argv */
	const char *bundle; /* the letters left of -abc; NULL: none */
	char **program;	    /* what follows --; NULL: no -- was met yet */
};

/* Returns true if @name is the long name, of @len bytes, or, with @len 0, the letter. */
static bool option_is(const struct option_def *def, const char *name, size_t len)
{
	if (!len)
		return def->letter && def->letter == *name;
	return strlen(def->name) == len && !memcmp(def->name, name, len);
}

/*
 * Finds an option. Without a command any command's option will do: all agree on which take values.
 */
static const struct option_def *option_find(const struct command_def *command, const char *name,
					    size_t len)
{
	const struct command_def *each = command ? command : command_table;

	for (; each->name; each++) {
		for_each_option(def, group, each)
		{
			if (option_is(def, name, len))
				return def;
		}
		if (command)
			break;
	}
	return NULL;
}

/*
 * Reads the option's value. @attached is the value in the same word: --name=VALUE, -xVALUE; NULL:
 * none.
 */
static void scan_value(struct scan *scan, struct token *token, const char *attached)
{
	token->kind = TOKEN_OPTION;
	if (attached)
		token->value = attached;
	else if (*scan->next)
		token->value = *scan->next++;
	else
		token->kind = TOKEN_NO_VALUE;
}

static void scan_long(struct scan *scan, const struct command_def *command, struct token *token)
{
	const char *name = token->typed + 2;
	size_t len = strcspn(name, "=");
	const char *attached = name[len] ? name + len + 1 : NULL;

	token->len = len + 2;
	/* --=x has no name: with a length of 0 it would be looked up as a letter. */
	token->def = len ? option_find(command, name, len) : NULL;
	if (!token->def)
		token->kind = TOKEN_UNKNOWN;
	else if (token->def->arg)
		scan_value(scan, token, attached);
	else
		token->kind = attached ? TOKEN_STRAY_VALUE : TOKEN_OPTION;
}

static void scan_letter(struct scan *scan, const struct command_def *command, struct token *token)
{
	const char *rest = scan->bundle + 1;

	token->letter[0] = '-';
	token->letter[1] = *scan->bundle;
	token->typed = token->letter;
	token->len = 2;
	token->def = option_find(command, scan->bundle, 0);
	scan->bundle = NULL;
	if (!token->def) {
		token->kind = TOKEN_UNKNOWN;
	} else if (token->def->arg) {
		scan_value(scan, token, *rest ? rest : NULL);
	} else {
		token->kind = TOKEN_OPTION;
		scan->bundle = *rest ? rest : NULL;
	}
}

/* Reads the next token. @command says whose options are known; NULL: those of all commands. */
static void scan_next(struct scan *scan, const struct command_def *command, struct token *token)
{
	const char *word;

	*token = (struct token){ .kind = TOKEN_END };
	if (scan->bundle) {
		scan_letter(scan, command, token);
		return;
	}
	word = *scan->next;
	if (!word)
		return;
	scan->next++;
	token->typed = word;
	token->len = strlen(word);
	if (!strcmp(word, "--")) {
		scan->program = scan->next;
	} else if (!strncmp(word, "--", 2)) {
		scan_long(scan, command, token);
	} else if (word[0] == '-' && word[1]) {
		scan->bundle = word + 1;
		scan_letter(scan, command, token);
	} else {
		token->kind = TOKEN_WORD;
	}
}

/* ---- Commands and words ---------------------------------------------------------------------- */

static const struct command_def *command_named(const char *name)
{
	for (const struct command_def *command = command_table; command->name; command++) {
		if (!strcmp(command->name, name))
			return command;
	}
	return NULL;
}

/*
 * Finds the command: the first word that is neither an option nor an option's value. This happens
 * before anything is set, because the command says what an option means. Sets *word to that word,
 * or to NULL if there is none.
 */
static const struct command_def *find_command(char *argv[], const char **word)
{
	const struct command_def *command = NULL;
	struct scan scan = { .next = argv };
	struct token token;

	do {
		scan_next(&scan, NULL, &token);
	} while (token.kind != TOKEN_WORD && token.kind != TOKEN_END);
	*word = token.kind == TOKEN_WORD ? token.typed : NULL;
	if (*word)
		command = command_named(*word);
	return command ? command : &command_table[0];
}

static bool is_digits(const char *word)
{
	return *word && !word[strspn(word, "0123456789")];
}

static int refuse_word(struct options_error *error, const char *word, bool first)
{
	const struct command_def *near = command_near(word);
	struct quote q;

	quote(&q, word, strlen(word));
	if (is_digits(word))
		return refuse(error,
			      "'%s' stands alone: want -p %s for a process (commas between "
			      "several), --port %s for a port",
			      q.text, q.text, q.text);
	if (!first)
		return refuse(error,
			      "'%s' is one word too many: want one command; "
			      "a program to run goes after --",
			      q.text);
	if (near)
		return refuse(error, "'%s' is not a command: did you mean '%s'?", q.text,
			      near->name);
	return refuse(error, "'%s' is not a command: -h lists them; a program to run goes after --",
		      q.text);
}

/* ---- Tokens to options ----------------------------------------------------------------------- */

static int refuse_unknown(struct options_error *error, const struct command_def *command,
			  const struct token *token)
{
	const char *name = token->typed + (token->letter[0] ? 1 : 2);
	size_t len = token->letter[0] ? 0 : token->len - 2;
	const struct option_def *near = NULL;
	char typed[NAME_SHOWN + 1] = "";
	struct quote q;

	quote(&q, token->typed, token->len);
	if ((token->letter[0] || len) && option_find(NULL, name, len))
		return refuse(error, "%s is not an option of %s: 'tcpdwell %s -h' lists them",
			      q.text, command->name, command->name);
	if (len && len < sizeof(typed)) {
		memcpy(typed, name, len);
		near = option_near(command, typed);
	}
	if (near)
		return refuse(error, "%s is not an option: did you mean --%s?", q.text, near->name);
	return refuse(error, "%s is not an option: -h lists them", q.text);
}

static int refuse_value(struct options_error *error, const struct token *token,
			const struct parse_fault *fault)
{
	char choices[CHOICES_TEXT_LEN] = "";
	const char *want = fault->want ?: choices;
	const char *before;
	struct quote option, value;

	if (fault->choices)
		parse_list_choices(fault->choices, choices);
	before = *want ? ": want " : "";
	quote(&option, token->typed, token->len);
	if (!fault->at)
		return refuse(error, "%s: %s%s%s", option.text, fault->why, before, want);
	quote(&value, fault->at, fault->len);
	return refuse(error, "%s: '%s' %s%s%s", option.text, value.text, fault->why, before, want);
}

static int set_option(struct options *options, const struct token *token, parse_find_user *find,
		      struct options_error *error)
{
	struct parse_fault fault = { 0 };
	struct setting setting = {
		.field = (char *)options + token->def->offset,
		.value = token->value,
		.def = token->def,
		.find = find,
		.fault = &fault,
	};

	return token->def->set(&setting) ? refuse_value(error, token, &fault) : 0;
}

static int take_token(struct options *options, const struct command_def *command,
		      const struct token *token, parse_find_user *find, struct options_error *error)
{
	char choices[CHOICES_TEXT_LEN];
	struct quote q;

	switch (token->kind) {
	case TOKEN_OPTION:
		return set_option(options, token, find, error);
	case TOKEN_UNKNOWN:
		return refuse_unknown(error, command, token);
	case TOKEN_NO_VALUE:
		return refuse(error, "%s: a value is missing: want %s",
			      quote(&q, token->typed, token->len),
			      token->def->choices ?
				      parse_list_choices(token->def->choices, choices) :
				      token->def->arg);
	case TOKEN_STRAY_VALUE:
		return refuse(error, "%s: takes no value", quote(&q, token->typed, token->len));
	case TOKEN_WORD:
	case TOKEN_END:
		break;
	}
	return 0;
}

static bool filters_but_netns(const struct filters *filters)
{
	return filters->pids.count || filters->uids.count || filters->addrs.count ||
	       filters->lports.any || filters->rports.any || filters->ports.any ||
	       filters->comm[0] || filters->cgroup || filters->family || filters->either ||
	       filters_have_names(filters);
}

/*
 * Checks -i of snapshot. Its counters are those of whole network namespaces, so no filter but
 * --netns can apply.
 */
static int check_totals(const struct options *options, struct options_error *error)
{
	if (options->sockets || options->listening)
		return refuse(error, "-i: totals list no sockets: want it without %s",
			      options->sockets ? "--sockets" : "-l");
	if (filters_but_netns(&options->filters) || options->older_ns)
		return refuse(error, "-i: the kernel counts for whole network namespaces: want no "
				     "filter with it but --netns");
	return 0;
}

static int check_snapshot(const struct options *options, struct options_error *error)
{
	if (options->report_ns)
		return check_totals(options, error);
	if (options->duration_ns || options->count)
		return refuse(error, "%s: one look has no end: want -i with it",
			      options->duration_ns ? "-d" : "-n");
	if (options->sockets && options->listening)
		return refuse(error,
			      "--sockets and -l exclude each other: want --sockets -s LISTEN "
			      "for listeners among the sockets");
	if (options->format == FORMAT_CSV && !options->sockets)
		return refuse(error, "-o csv: counts are no rows: want --sockets or -i with it");
	return 0;
}

/* Checks -n of a command that shows reports: it counts those of an interval. */
static int check_reports(const struct options *options, struct options_error *error)
{
	switch (options->command) {
	case COMMAND_LEAKS:
	case COMMAND_DIAGNOSE:
		if (options->count && !options->watch)
			return refuse(error, "-n: one look has no next: want --watch with it");
		break;
	case COMMAND_STAT:
	case COMMAND_TIMEWAIT:
		if (options->count && !options->report_ns)
			return refuse(error, "-n: one report has no next: want -i with it");
		break;
	default:
		break;
	}
	return 0;
}

static bool sums_cgroups(const struct options *options)
{
	enum export_by by = options->export_by.by;

	if (options->command == COMMAND_EXPORT)
		return by == EXPORT_BY_UNIT || by == EXPORT_BY_CONTAINER || by == EXPORT_BY_POD ||
		       by == EXPORT_BY_CGROUP;
	return options->by == TCPDWELL_BY_CGROUP ||
	       (options->by >= TCPDWELL_BY_UNIT && options->by <= TCPDWELL_BY_POD);
}

/*
 * Checks filters by name. The kernel side sums by group, so only groups can be told apart
 * afterwards.
 */
static int check_names(const struct options *options, struct options_error *error)
{
	const struct filters *filters = &options->filters;

	bool sums = options->command == COMMAND_STAT || options->command == COMMAND_EXPORT;

	if (!sums || !filters_have_names(filters) || sums_cgroups(options))
		return 0;
	return refuse(error,
		      "%s: sums have the names of their groups alone: want "
		      "--by cgroup, container, pod or unit with it",
		      filters->names.containers.count ? "--container" :
		      filters->names.pods.count	      ? "--pod" :
							"--unit");
}

/* Checks what no option can check alone. */
static int check_together(const struct options *options, const struct command_def *command,
			  struct options_error *error)
{
	if (options->quiet && options->verbose)
		return refuse(error, "-q and -v exclude each other");
	if (options->command == COMMAND_LEAKS && !options->watch) {
		if (options->duration_ns)
			return refuse(error, "-d: one look has no end: want --watch with it");
		if (options->report_ns)
			return refuse(error, "-i: one look has no next: want --watch with it");
	}
	if (options->command == COMMAND_SNAPSHOT && check_snapshot(options, error))
		return -EINVAL;
	if (check_reports(options, error) || check_names(options, error))
		return -EINVAL;
	if (options->export_ports.any && options->export_by.by != EXPORT_BY_PORT)
		return refuse(error, "--ports: other groups have no ports: want --by port with it");
	if (!options->program)
		return 0;
	if (!command->takes_program)
		return refuse(error, "--: %s runs no program", command->name);
	if (!options->program[0])
		return refuse(error, "--: a program is missing: want PROGRAM ARGS");
	if (options->filters.pids.count)
		return refuse(error, "-p and a program after -- exclude each other: "
				     "the program's own processes are what is traced");
	return 0;
}

int options_parse(struct options *options, int argc, char *argv[], parse_find_user *find,
		  struct options_error *error)
{
	/* execve() allows an argv that has not even a name. */
	struct scan scan = { .next = argc ? argv + 1 : argv };
	const struct command_def *command;
	const char *command_word;
	struct token token;
	int err;

	*options = options_defaults;
	error->text[0] = '\0';
	command = find_command(scan.next, &command_word);
	options->command = command->command;
	do {
		scan_next(&scan, command, &token);
		if (token.kind == TOKEN_WORD) {
			bool first = token.typed == command_word;

			if (!first && command->operand && !options->operand)
				options->operand = token.typed;
			else if (!first || strcmp(token.typed, command->name))
				return refuse_word(error, token.typed, first);
		}
		err = take_token(options, command, &token, find, error);
		if (err)
			return err;
		if (options->help || options->version || options->words)
			return 0;
	} while (token.kind != TOKEN_END);
	options->program = scan.program;
	return check_together(options, command, error);
}
