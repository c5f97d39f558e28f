// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The texts of `explain` are complete, and the commands in them exist. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/tcpstate.h"
#include "cli/options.h"
#include "view/explain.h"

static char *explained(const char *name, unsigned int columns)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	int err = explain_print(out, name, columns);

	fclose(out);
	if (!err)
		return text;
	assert_int_equal(err, -ENOENT);
	assert_int_equal(len, 0);
	free(text);
	return NULL;
}

static void assert_explained(const char *name, const char *begins)
{
	char *text = explained(name, 80);

	assert_non_null(text);
	assert_memory_equal(text, begins, strlen(begins));
	free(text);
}

static void test_names_as_people_write_them(void **state)
{
	(void)state;
	assert_explained("CLOSE_WAIT", "CLOSE_WAIT (state)\n");
	assert_explained("close-wait", "CLOSE_WAIT (state)\n");
	assert_explained("Syn Flood", "syn_flood (finding)\n");
	assert_explained("econnrefused", "ECONNREFUSED (errno)\n");
	assert_explained("Address already in use", "EADDRINUSE (errno)\n");
	assert_null(explained("CLOSE_WAI", 80));
	assert_null(explained("", 80));
}

static void test_every_state_is_there(void **state)
{
	(void)state;
	for (unsigned int i = TCPDWELL_ESTABLISHED; i <= TCPDWELL_CLOSING; i++) {
		char *text = explained(tcpstate_name(i), 80);

		assert_non_null(text);
		free(text);
	}
}

/* An entry has its parts in their order; `useless` may be left out. */
static void test_every_entry_is_whole(void **state)
{
	static const char *const words[] = { "what", "normal", "causes", "helps", "shows" };
	const char *line = explain_text;
	unsigned int entries = 0;

	(void)state;
	while ((line = strstr(line, "\n= "))) {
		const char *end = strstr(line + 1, "\n\n"), *at = line;

		for (unsigned int i = 0; i < sizeof(words) / sizeof(*words); i++) {
			char head[32];

			snprintf(head, sizeof(head), "\n%s\n\t", words[i]);
			at = strstr(at, head);
			assert_non_null(at);
			assert_true(at < end);
		}
		entries++;
		line = end;
	}
	assert_true(entries > 40);
}

/* Splits a command at its blanks, puts numbers for PID and PORT, and has it parsed. */
static void assert_command(const char *command, size_t len)
{
	char line[128], *argv[16], *save;
	struct options options;
	struct options_error error;
	int argc = 0;

	assert_true(len < sizeof(line));
	memcpy(line, command, len);
	line[len] = '\0';
	for (char *word = strtok_r(line, " ", &save); word; word = strtok_r(NULL, " ", &save))
		argv[argc++] = strcmp(word, "PID") && strcmp(word, "PORT") ? word : "1";
	argv[argc] = NULL;
	if (options_parse(&options, argc, argv, NULL, &error))
		fail_msg("%.*s: %s", (int)len, command, error.text);
}

static void test_commands_exist(void **state)
{
	static const char begin[] = "`tcpdwell";
	unsigned int commands = 0;

	(void)state;
	for (const char *at = explain_text; (at = strstr(at, begin)); at++, commands++)
		assert_command(at + 1, strcspn(at + 1, "`"));
	for (const char *at = explain_text; (at = strstr(at, " | tcpdwell")); at += 3, commands++)
		assert_command(at + 3, strcspn(at + 3, "|") - 1);
	assert_true(commands > 60);
}

static void test_symptoms_lead_to_entries(void **state)
{
	unsigned int symptoms = 0;

	(void)state;
	for (const char *at = explain_text; (at = strstr(at, "\nsymptom ")); symptoms++) {
		char words[128], *text;

		at += strlen("\nsymptom ");
		snprintf(words, sizeof(words), "%.*s", (int)(strstr(at, " | ") - at), at);
		text = explained(words, 80);
		assert_non_null(text);
		free(text);
	}
	assert_true(symptoms > 15);
}

static void test_lines_have_their_width(void **state)
{
	static const unsigned int widths[] = { 40, 80, 100 };

	(void)state;
	for (unsigned int i = 0; i < sizeof(widths) / sizeof(*widths); i++) {
		char *text = explained("TIME_WAIT", widths[i]);

		for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
			assert_true(strcspn(line, "\n") <= widths[i]);
		free(text);
	}
}

static void test_index_names_all(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	explain_index(out, 80);
	fclose(out);
	assert_non_null(strstr(text, "Connection refused  "));
	assert_non_null(strstr(text, " self_connect\n"));
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
		assert_true(strcspn(line, "\n") <= 80);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_as_people_write_them),
		cmocka_unit_test(test_every_state_is_there),
		cmocka_unit_test(test_every_entry_is_whole),
		cmocka_unit_test(test_commands_exist),
		cmocka_unit_test(test_symptoms_lead_to_entries),
		cmocka_unit_test(test_lines_have_their_width),
		cmocka_unit_test(test_index_names_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
