// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The command line as a whole: what it sets, what it refuses and how, and the help. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/help.h"
#include "cli/option_table.h"
#include "cli/options.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ARGS_MAX     80

/* 26 KiB each; a test uses one at a time. */
static struct options options;
static struct options_error error;

static int find_user(const char *name, uint32_t *uid)
{
	if (strcmp(name, "www-data"))
		return -ENOENT;
	*uid = 33;
	return 0;
}

/* Splits at blanks; '' is an empty argument. The words live until the next call. */
static int parse(const char *line)
{
	static char copy[1024];
	static char *argv[ARGS_MAX + 1];
	char *rest = copy, *word;
	int argc = 0;

	assert_true(strlen(line) < sizeof(copy));
	strcpy(copy, line);
	argv[argc++] = "tcpdwell";
	while ((word = strsep(&rest, " ")) && argc < ARGS_MAX) {
		if (!strcmp(word, "''"))
			argv[argc++] = "";
		else if (*word)
			argv[argc++] = word;
	}
	argv[argc] = NULL;
	return options_parse(&options, argc, argv, find_user, &error);
}

static void assert_parses(const char *line)
{
	if (parse(line))
		fail_msg("%s: %s", line, error.text);
}

/* ---- What is set ----------------------------------------------------------------------------- */

static void test_defaults(void **state)
{
	(void)state;
	assert_parses("");
	assert_memory_equal(&options, &options_defaults, sizeof(options));
	assert_int_equal(options.command, COMMAND_TRACE);
	assert_int_equal(options.format, FORMAT_TABLE);
	assert_int_equal(options.ring_bytes, 0);
	assert_null(options.program);
	assert_string_equal(error.text, "");
}

static void test_stat(void **state)
{
	(void)state;
	assert_parses("stat");
	assert_int_equal(options.command, COMMAND_STAT);
	assert_int_equal(options.by, TCPDWELL_BY_PROCESS);
	assert_int_equal(options.report_ns, 0);
	assert_int_equal(options.prefix4, 24);
	assert_int_equal(options.prefix6, 64);
	assert_int_equal(options.hist_bytes, 0);
	assert_parses("stat -i 10s --by prefix --prefix4 0 --prefix6 128 --hist-size 1M "
		      "--cumulative --histogram --backend none -- true");
	assert_int_equal(options.backend, BACKEND_NONE);
	assert_int_equal(options.report_ns, 10000000000);
	assert_int_equal(options.by, TCPDWELL_BY_PREFIX);
	assert_int_equal(options.prefix4, 0);
	assert_int_equal(options.prefix6, 128);
	assert_int_equal(options.hist_bytes, 1 << 20);
	assert_true(options.cumulative && options.histogram && options.program);
	assert_parses("stat --by pod --pod prod/web --unit nginx,a.service");
	assert_int_equal(options.by, TCPDWELL_BY_POD);
	assert_int_equal(options.filters.names.units.count, 2);
	assert_parses("stat --by cgroup --container web");
	assert_parses("export --by unit --container web");
	assert_parses("stat --by state");
	assert_int_equal(options.by, TCPDWELL_BY_STATE);
}

static void test_no_argv(void **state)
{
	char *none[] = { NULL };

	(void)state;
	assert_int_equal(options_parse(&options, 0, none, NULL, &error), 0);
	assert_memory_equal(&options, &options_defaults, sizeof(options));
}

static void test_command_stands_anywhere(void **state)
{
	static const struct {
		const char *line;
		enum command command;
	} lines[] = {
		{ "trace", COMMAND_TRACE },
		{ "probe", COMMAND_PROBE },
		{ "timewait", COMMAND_TIMEWAIT },
		{ "-L 80", COMMAND_TRACE },
		{ "trace -L 80", COMMAND_TRACE },
		{ "-L 80 trace", COMMAND_TRACE },
		{ "-L 80 timewait -d 5s", COMMAND_TIMEWAIT },
		{ "-o json probe", COMMAND_PROBE },
		{ "-4o json timewait", COMMAND_TIMEWAIT },
		/* Values are not commands, nor is what follows --. */
		{ "--comm probe", COMMAND_TRACE },
		{ "--comm=timewait trace", COMMAND_TRACE },
		{ "-- probe", COMMAND_TRACE },
		{ "trace -- timewait", COMMAND_TRACE },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		assert_parses(lines[i].line);
		if (options.command != lines[i].command)
			fail_msg("'%s' is command %d", lines[i].line, options.command);
	}
}

static void test_filters(void **state)
{
	const struct filters *f = &options.filters;

	(void)state;
	assert_parses("-p 1,2 --pid=3 --comm nginx --uid 0,www-data --cgroup /sys/fs/cgroup/a "
		      "--netns 4026531840 --addr 10.0.0.0/8 --addr=::1 -6");
	assert_int_equal(f->pids.count, 3);
	assert_int_equal(f->pids.ids[2], 3);
	assert_string_equal(f->comm, "nginx");
	assert_int_equal(f->uids.count, 2);
	assert_int_equal(f->uids.ids[1], 33);
	assert_string_equal(f->cgroup, "/sys/fs/cgroup/a");
	assert_true(f->netns.inode == 4026531840);
	assert_int_equal(f->addrs.count, 2);
	assert_int_equal(f->addrs.cidrs[0].prefix, 104);
	assert_int_equal(f->addrs.cidrs[1].prefix, 128);
	assert_int_equal(f->family, 6);
	assert_parses("--netns /run/netns/a --ipv4 -4");
	assert_string_equal(f->netns.path, "/run/netns/a");
	assert_int_equal(f->family, 4);
	assert_parses("--comm 123456789012345");
	assert_string_equal(f->comm, "123456789012345");
}

static void test_ports(void **state)
{
	const struct filters *f = &options.filters;

	(void)state;
	assert_parses("-L 80 -L443 --lport 22 --lport=25 -D 8000-8001 --rport 1 --port 65535");
	assert_true(port_set_has(&f->lports, 80) && port_set_has(&f->lports, 443));
	assert_true(port_set_has(&f->lports, 22) && port_set_has(&f->lports, 25));
	assert_true(port_set_has(&f->rports, 8000) && port_set_has(&f->rports, 8001));
	assert_true(port_set_has(&f->rports, 1) && !port_set_has(&f->rports, 80));
	assert_true(port_set_has(&f->ports, 65535));
	assert_true(f->lports.any && f->rports.any && f->ports.any);
	assert_parses("--rport 1");
	assert_true(!f->lports.any && f->rports.any && !f->ports.any);
}

static void test_states(void **state)
{
	const struct filters *f = &options.filters;

	(void)state;
	assert_parses("-s close-wait -s LISTEN --from SYN_SENT --to CLOSE --min-dwell 1.5s");
	assert_int_equal(f->either, 1 << TCPDWELL_CLOSE_WAIT | 1 << TCPDWELL_LISTEN);
	assert_int_equal(f->from, 1 << TCPDWELL_SYN_SENT);
	assert_int_equal(f->to, 1 << TCPDWELL_CLOSE);
	assert_true(f->min_dwell_ns == 1500000000);
	assert_int_equal(f->reasons, 0);
	assert_parses("--reason fin,refused --reason user_timeout");
	assert_int_equal(f->reasons, 1 << TCPDWELL_REASON_FIN | 1 << TCPDWELL_REASON_REFUSED |
					     1 << TCPDWELL_REASON_USER_TIMEOUT);
	assert_parses("--cookie 18446744073709551615");
	assert_true(f->cookie == UINT64_MAX);
	assert_parses("--cookie sk:10ff");
	assert_int_equal(f->cookie, 0x10ff);
	assert_parses("--state TIME_WAIT --min-dwell 0s");
	assert_int_equal(f->either, 1 << TCPDWELL_TIME_WAIT);
}

static void test_output(void **state)
{
	(void)state;
	assert_parses("-Ttw --utc --kernel-view -o csv -o json -n 5 -n 10 -d 1m -v");
	assert_true(options.wall_time && options.since_start && options.wide);
	assert_true(options.utc && options.kernel_view && options.verbose && !options.quiet);
	assert_int_equal(options.format, FORMAT_JSON);
	assert_int_equal(options.count, 10);
	assert_true(options.duration_ns == 60000000000);
	assert_parses("--time -q --output csv --count=1 --duration 1ms");
	assert_true(options.wall_time && !options.since_start && options.quiet);
	assert_int_equal(options.format, FORMAT_CSV);
	assert_parses("--timestamp --wide --quiet");
	assert_true(!options.wall_time && options.since_start && options.wide);
	assert_parses("probe --verbose -ojson");
	assert_int_equal(options.format, FORMAT_JSON);
}

static void test_limits(void **state)
{
	static const struct {
		const char *line;
		uint64_t bytes;
	} rings[] = {
		{ "--ring-size 64K", 64 << 10 },  { "--ring-size 65537", 128 << 10 },
		{ "--ring-size 5M", 8 << 20 },	  { "--ring-size 8M", 8 << 20 },
		{ "--ring-size 1G", 1ULL << 30 },
	};
	static const enum backend backends[] = { BACKEND_AUTO, BACKEND_FENTRY, BACKEND_KPROBE,
						 BACKEND_TIMER, BACKEND_NONE };
	static const char *const names[] = { "auto", "fentry", "kprobe", "timer", "none" };
	char line[64];

	(void)state;
	for (size_t i = 0; i < COUNT(rings); i++) {
		assert_parses(rings[i].line);
		assert_true(options.ring_bytes == rings[i].bytes);
	}
	assert_parses("-v");
	assert_int_equal(options.rings, 0);
	assert_parses("--rings 16");
	assert_int_equal(options.rings, 16);
	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(line, sizeof(line), "--backend timer --backend %s", names[i]);
		assert_parses(line);
		assert_int_equal(options.backend, backends[i]);
	}
	assert_parses("--max-sockets 134217728");
	assert_int_equal(options.max_sockets, 134217728);
	assert_parses("--max-sockets 1 --max-sockets 0");
	assert_int_equal(options.max_sockets, 0);
}

static void test_program(void **state)
{
	(void)state;
	assert_parses("-L 80 -- curl -s --help trace -- x");
	assert_string_equal(options.program[0], "curl");
	assert_string_equal(options.program[1], "-s");
	assert_string_equal(options.program[4], "--");
	assert_string_equal(options.program[5], "x");
	assert_null(options.program[6]);
	assert_false(options.help);
}

static void test_help_and_version_end_it(void **state)
{
	(void)state;
	assert_parses("-h --nonsense -L 0");
	assert_true(options.help);
	assert_parses("-h probe");
	assert_true(options.help);
	assert_int_equal(options.command, COMMAND_PROBE);
	assert_parses("--version --nonsense");
	assert_true(options.version && !options.help);
	assert_parses("stat --words --nonsense");
	assert_true(options.words && options.command == COMMAND_STAT);
	assert_parses("timewait --help");
	assert_true(options.help);
	/* An error before -h is still an error. */
	assert_int_equal(parse("--nonsense -h"), -EINVAL);
}

/* ---- What is refused ------------------------------------------------------------------------- */

static void test_refusals(void **state)
{
	/* The whole message if its form is a contract, otherwise what it must contain. */
	static const struct {
		const char *line, *says;
	} bad[] = {
		{ "-L 65536", "-L: '65536' is not a port: want 1..65535 or a range LO-HI" },
		{ "--lport=0", "--lport: '0' is not a port: want 1..65535 or a range LO-HI" },
		{ "-D 80-", "-D: '80-' is not a port range: want 1..65535 or a range LO-HI" },
		{ "--port 443-80", "'443-80' is a range backwards" },
		{ "-L ''", "-L: '' is empty" },
		{ "-L80,,443", "-L: '80,,443' has an empty item" },
		{ "-L", "-L: a value is missing: want PORT,..." },
		{ "--lport", "--lport: a value is missing: want PORT,..." },
		{ "-o", "-o: a value is missing: want table|json|csv" },
		{ "--pod web", "--pod: 'web' is not a pod: want NAMESPACE/NAME" },
		{ "--container ''", "--container: '' is empty" },
		{ "snapshot -i 1s --unit a", "want no filter with it but --netns" },
		{ "stat --unit a", "--unit: sums have the names of their groups alone: want "
				   "--by cgroup, container, pod or unit with it" },
		{ "stat --by state --container a", "--container: sums have" },
		{ "export --pod a/b", "--pod: sums have" },
		{ "export --ports 80", "--ports: other groups have no ports: want --by port" },
		{ "export --by pod --ports 80", "--ports: other groups" },
		{ "timewait --pod a/b", "--pod is not an option of timewait" },
		{ "stat --by", "--by: a value is missing: want process|comm|port|" },
		{ "--lport=", "--lport: '' is empty" },
		{ "-TL", "-L: a value is missing" },
		{ "-L -T", "-L: '-T' is not a port" },
		{ "-L=80", "-L: '=80' is not a port" },
		{ "-p 0", "-p: '0' is not a PID: want 1..4194304" },
		{ "-p -1", "-p: '-1' is not a PID" },
		{ "-p abc", "-p: 'abc' is not a PID" },
		{ "--uid nosuch", "--uid: 'nosuch' is not a user" },
		{ "-s FOO", "-s: 'FOO' is not a state: want LISTEN SYN_SENT SYN_RECV ESTABLISHED "
			    "FIN_WAIT1 FIN_WAIT2 CLOSE_WAIT CLOSING LAST_ACK TIME_WAIT CLOSE" },
		{ "--from ''", "--from: '' is empty" },
		{ "--reason rst", "--reason: 'rst' is not a reason: want fin reset_received " },
		{ "--reason fin,FIN", "--reason: 'FIN' is not a reason" },
		{ "--to 1", "--to: '1' is not a state" },
		{ "--addr 10.0.0.0/33", "--addr: '10.0.0.0/33' is not a prefix" },
		{ "--addr ::1/129", "a length from /0 to /128" },
		{ "--addr 10.0.0/8", "--addr: '10.0.0/8' is not an address" },
		{ "--min-dwell 500", "--min-dwell: '500' is not a duration: want a number with a "
				     "unit: ns us ms s m h" },
		{ "--min-dwell -1s", "--min-dwell: '-1s' is not a duration" },
		{ "-d 0s", "-d: '0s' is no time at all: want more than 0" },
		{ "-d 0.1ns", "-d: '0.1ns' is no time at all" },
		{ "-d 999999999h", "-d: '999999999h' is too long: want less than 292 years" },
		{ "-n 0", "-n: '0' is out of range: want 1 or more" },
		{ "-n -5", "-n: '-5' is not a number: want 1 or more" },
		{ "-n 18446744073709551616", "is out of range" },
		{ "-o xml", "-o: 'xml' is not known: want table|json|csv" },
		{ "-o ''", "-o: '' is not known" },
		{ "probe -o csv", "-o: 'csv' is not known: want table|json" },
		{ "-o csv timewait", "-o: 'csv' is not known: want table|json" },
		{ "--backend bpf", "want auto|fentry|kprobe|timer|none" },
		{ "snapshot --backend auto", "--backend is not an option of snapshot" },
		{ "snapshot --sockets -l", "--sockets and -l exclude each other" },
		{ "snapshot -o csv", "-o csv: counts are no rows: want --sockets or -i" },
		{ "snapshot -d 1s", "-d: one look has no end: want -i with it" },
		{ "snapshot -n 3", "-n: one look has no end: want -i with it" },
		{ "snapshot -i 1s --sockets", "-i: totals list no sockets" },
		{ "snapshot -i 1s -l", "-i: totals list no sockets: want it without -l" },
		{ "snapshot -i 1s -p 7", "-i: the kernel counts for whole network namespaces" },
		{ "snapshot -i 1s --older 1m", "want no filter with it but --netns" },
		{ "snapshot -i 1ms", "-i: '1ms' is too short: want 100ms or more" },
		{ "--ring-size 63K", "--ring-size: '63K' is out of range: want 64K..1G" },
		{ "--ring-size 1073741825", "is out of range: want 64K..1G" },
		{ "--ring-size 16", "is out of range: want 64K..1G" },
		{ "--ring-size big", "'big' is not a size" },
		{ "--rings 3", "--rings: '3' is no power of two: want 1, 2, 4, 8, 16 or 32" },
		{ "--rings 64", "is out of range: want 1, 2, 4, 8, 16 or 32" },
		{ "--rings 0", "is out of range: want 1, 2, 4, 8, 16 or 32" },
		{ "--max-sockets 134217729", "is out of range" },
		{ "--max-sockets 1.5", "is not a number" },
		{ "--comm ''", "--comm: '' is empty" },
		{ "--comm 1234567890123456", "1..15 bytes" },
		{ "--cgroup ''", "--cgroup: '' is empty: want a path" },
		{ "--netns -blue", "a name in /run/netns" },
		{ "-4 -6", "-6: -4 and -6 exclude each other" },
		{ "--ipv6 --ipv4", "--ipv4: -4 and -6 exclude each other" },
		{ "-qv", "-q and -v exclude each other" },
		{ "leaks -d 1s", "-d: one look has no end: want --watch with it" },
		{ "leaks -i 2s", "-i: one look has no next: want --watch with it" },
		{ "leaks -i 1s", "-i: one look has no next: want --watch with it" },
		{ "--", "--: a program is missing" },
		{ "-p 1 -- ls", "-p and a program after -- exclude each other" },
		{ "probe -- ls", "--: probe runs no program" },
		{ "-z", "-z is not an option" },
		{ "-Tz", "-z is not an option" },
		{ "--nonsense", "--nonsense is not an option" },
		{ "--=x", "-- is not an option" },
		{ "---L 80", "---L is not an option" },
		{ "--lpotr 80", "--lpotr is not an option: did you mean --lport?" },
		{ "--min_dwell=1s", "--min_dwell is not an option: did you mean --min-dwell?" },
		{ "--verb", "did you mean --verbose?" },
		{ "--wide=1", "--wide: takes no value" },
		{ "--wide=", "--wide: takes no value" },
		{ "probe -L 80", "-L is not an option of probe" },
		{ "stat -i 0s", "-i: '0s' is too short: want 100ms or more" },
		{ "stat -i 5", "-i: '5'" },
		{ "stat --by pid", "--by: 'pid'" },
		{ "stat --prefix4 33", "--prefix4: '33'" },
		{ "stat --prefix6 129", "--prefix6: '129'" },
		{ "stat --hist-size 1K", "--hist-size: '1K' is out of range: want 64K..1G" },
		{ "stat -o csv", "-o: 'csv'" },
		{ "stat -n 5", "-n: one report has no next: want -i with it" },
		{ "trace --by port", "--by is not an option of trace" },
		{ "--port 80 probe", "--port is not an option of probe" },
		{ "timewait -n 5", "-n: one report has no next: want -i with it" },
		{ "leaks -n 5", "-n: one look has no next: want --watch with it" },
		{ "export -n 5", "-n is not an option of export" },
		{ "80", "want -p 80 for a process (commas between several), --port 80 for a" },
		{ "-Tw 80", "'80' stands alone" },
		{ "trace 80", "'80' stands alone" },
		{ "curl http://localhost/", "'curl' is not a command" },
		{ "curl http://localhost/", "a program to run goes after --" },
		{ "timewiat", "'timewiat' is not a command: did you mean 'timewait'?" },
		{ "trace probe", "'probe' is one word too many" },
		{ "trace trace", "'trace' is one word too many" },
		{ "-", "'-' is not a command" },
		{ "''", "'' is not a command" },
		{ "-L \033[2J", "-L: '\\x1b[2J' is not a port" },
		{ "--\033]0;x\a", "--\\x1b]0;x\\x07 is not an option" },
		{ "-\x9b", "-\\x9b is not an option" },
		{ "a\\\x7f", "'a\\x5c\\x7f' is not a command" },
		{ "--comm=\xc3\xa9-longer-than-it-may-be",
		  "'\xc3\xa9-longer-than-it-may-be' is longer" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		if (parse(bad[i].line) != -EINVAL)
			fail_msg("'%s' is taken", bad[i].line);
		if (!strstr(error.text, bad[i].says))
			fail_msg("'%s': %s", bad[i].line, error.text);
	}
}

static void test_long_values_are_cut(void **state)
{
	char line[900] = "-s ";

	(void)state;
	memset(line + 3, '\001', sizeof(line) - 4);
	assert_int_equal(parse(line), -EINVAL);
	assert_non_null(strstr(error.text, "\\x01...' is not a state: want LISTEN"));
	memset(line, 'x', sizeof(line) - 1);
	memcpy(line, "--", 2);
	assert_int_equal(parse(line), -EINVAL);
	assert_non_null(strstr(error.text, "xxx... is not an option"));
}

/* ---- The tables ------------------------------------------------------------------------------ */

static void test_commands_agree_on_values(void **state)
{
	(void)state;
	for (const struct command_def *one = command_table; one->name; one++) {
		assert_ptr_equal(command_find(one->command), one);
		for (const struct command_def *other = command_table; other->name; other++) {
			for_each_option(a, a_group, one)
			{
				for_each_option(b, b_group, other)
				{
					bool same = !strcmp(a->name, b->name) ||
						    (a->letter && a->letter == b->letter);

					assert_true(!same || !a->arg == !b->arg);
					/* Within one command a name belongs to one option. */
					assert_true(!same || one != other || a == b);
				}
			}
		}
	}
}

static void test_examples_parse(void **state)
{
	(void)state;
	for (const struct command_def *command = command_table; command->name; command++) {
		for (const struct option_note *note = command->examples; note->term; note++) {
			assert_memory_equal(note->term, "tcpdwell", strlen("tcpdwell"));
			assert_parses(note->term + strlen("tcpdwell"));
			assert_int_equal(options.command, command->command);
		}
	}
}

static char *help_text(enum command command)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	help_print(out, command);
	fclose(out);
	return text;
}

static void test_help_fits_a_terminal(void **state)
{
	(void)state;
	for (const struct command_def *command = command_table; command->name; command++) {
		char *text = help_text(command->command);
		char *rest = text, *line;

		assert_int_equal(text[strlen(text) - 1], '\n');
		while ((line = strsep(&rest, "\n"))) {
			size_t len = strlen(line);

			if (len > 80)
				fail_msg("%zu columns: %s", len, line);
			for (size_t i = 0; i < len; i++)
				assert_in_range(line[i], ' ', '~');
			assert_true(!len || line[len - 1] != ' ');
		}
		free(text);
	}
}

static void test_help_names_every_option(void **state)
{
	char entry[64];

	(void)state;
	for (const struct command_def *command = command_table; command->name; command++) {
		char *text = help_text(command->command);

		for_each_option(def, group, command)
		{
			snprintf(entry, sizeof(entry), "%c%c%c --%s%s%s", def->letter ? '-' : ' ',
				 def->letter ? def->letter : ' ', def->letter ? ',' : ' ',
				 def->name, def->arg ? " " : "", def->arg ? def->arg : "");
			if (!strstr(text, entry))
				fail_msg("%s: '%s' is not in the help", command->name, entry);
			for (const struct choice *choice = def->choices; choice && choice->name;
			     choice++)
				assert_non_null(strstr(text, choice->name));
		}
		free(text);
	}
}

static void test_version(void **state)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_non_null(out);
	help_print_version(out);
	fclose(out);
	assert_memory_equal(text, "tcpdwell ", strlen("tcpdwell "));
	assert_in_range(text[strlen("tcpdwell ")], '0', '9');
	free(text);
}

/* ---- Anything at all ------------------------------------------------------------------------- */

/* xorshift: the arguments are the same in every run. */
static uint64_t random_next(void)
{
	static uint64_t seed = 0x9e3779b97f4a7c15;

	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Returns memory of just the word's length, so that a read beyond it is found. */
static char *random_word(void)
{
	static const char *const words[] = {
		"--",	       "-L",	      "-p",	    "-s",
		"-d",	       "-n",	      "-o",	    "-4",
		"-6",	       "--addr",      "--lport",    "--uid",
		"--comm",      "--netns",     "--to",	    "probe",
		"trace",       "timewait",    "80",	    "1-2",
		"json",	       "::/0",	      "10.0.0.0/8", "1.5s",
		"CLOSE",       "64K",	      "-Tw",	    "--max-sockets",
		"--ring-size", "--min-dwell", "=",	    ",",
		"/",	       "net:[",	      "-",	    "",
	};
	char word[64];
	size_t len = 0;

	if (random_next() % 4) {
		strcpy(word, words[random_next() % COUNT(words)]);
		len = strlen(word);
	}
	for (unsigned int more = random_next() % 3 ? 0 : random_next() % 40; more; more--)
		word[len++] = 1 + random_next() % 255;
	word[len] = '\0';
	/* Now and then a byte of the word itself changes. */
	if (len && !(random_next() % 8))
		word[random_next() % len] = 1 + random_next() % 255;
	return strdup(word);
}

static void assert_error_is_printable(void)
{
	size_t len = strnlen(error.text, sizeof(error.text));

	/* A message that fills the room has been cut. */
	assert_in_range(len, 1, sizeof(error.text) - 2);
	for (size_t i = 0; i < len; i++)
		assert_true((unsigned char)error.text[i] >= ' ' && error.text[i] != '\x7f');
}

static void test_random_arguments(void **state)
{
	enum { ROUNDS = 20000, WORDS = 8 };
	unsigned int taken = 0;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		char *argv[WORDS + 1] = { NULL };
		int argc = random_next() % (WORDS + 1);
		int err;

		for (int i = 0; i < argc; i++)
			argv[i] = random_word();
		err = options_parse(&options, argc, argv, find_user, &error);
		if (err) {
			assert_int_equal(err, -EINVAL);
			assert_error_is_printable();
		} else {
			taken++;
			assert_string_equal(error.text, "");
		}
		for (int i = 0; i < argc; i++)
			free(argv[i]);
	}
	/* Some of it is accepted; otherwise the test would try little. */
	assert_in_range(taken, ROUNDS / 50, ROUNDS);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_no_argv),
		cmocka_unit_test(test_stat),
		cmocka_unit_test(test_command_stands_anywhere),
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_output),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_program),
		cmocka_unit_test(test_help_and_version_end_it),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_long_values_are_cut),
		cmocka_unit_test(test_commands_agree_on_values),
		cmocka_unit_test(test_examples_parse),
		cmocka_unit_test(test_help_fits_a_terminal),
		cmocka_unit_test(test_help_names_every_option),
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_random_arguments),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
