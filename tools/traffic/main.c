// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Drives sockets through a path of the TCP state diagram and prints what must be seen of it. */
#include "netns.h"
#include "report.h"
#include "scenario.h"
#include "stage.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	EXIT_USE = 2,
	EXIT_CANNOT = 77, /* this host or kernel cannot play it; test runners skip then */
	HOLD_MS = 50,	  /* far above a scheduling delay, but short enough for many */
	MAX_HOLD_MS = 3600 * 1000,
	MAX_COUNT = 1000000,
};

static const char usage[] =
	"usage: traffic list\n"
	"       traffic SCENARIO [OPTIONS]\n"
	"\n"
	"Plays SCENARIO with a client and a server process and prints, as a JSON object a line,\n"
	"the transitions that must be seen of each end.\n"
	"\n"
	"  -4, -6              IPv4 (default), IPv6\n"
	"  --mapped            IPv4 on IPv6 sockets\n"
	"  --client-addr ADDR  the client's address where it binds (default: loopback)\n"
	"  --server-addr ADDR  the server's address (default: loopback)\n"
	"  --server-netns NAME|PATH\n"
	"                      the server's network namespace\n"
	"  --count N           play it N times (default 1)\n"
	"  --hold MS           how long states are held on purpose (default 50)\n"
	"  --step              say 'holding' on standard error, and hold until a line comes on\n"
	"                      standard input\n"
	"  --uid UID           run both processes as UID\n"
	"  --cookie            read and print the sockets' cookies\n"
	"  -h, --help          print this\n"
	"\n"
	"Exit status: 0 played, 1 went another way, 2 bad use, 77 cannot be played here.\n";

enum {
	CLIENT_ADDR = 256,
	SERVER_ADDR,
	SERVER_NETNS,
	COUNT,
	HOLD,
	UID,
	COOKIE,
	MAPPED,
	STEP,
};

static const struct option long_options[] = {
	{ "mapped", no_argument, NULL, MAPPED },
	{ "client-addr", required_argument, NULL, CLIENT_ADDR },
	{ "server-addr", required_argument, NULL, SERVER_ADDR },
	{ "server-netns", required_argument, NULL, SERVER_NETNS },
	{ "count", required_argument, NULL, COUNT },
	{ "hold", required_argument, NULL, HOLD },
	{ "uid", required_argument, NULL, UID },
	{ "cookie", no_argument, NULL, COOKIE },
	{ "step", no_argument, NULL, STEP },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

struct request {
	struct stage_options stage;
	const struct scenario *scenario;
	unsigned int count;
	bool list, help;
	char netns_path[256];
};

static int parse_number(const char *option, const char *text, unsigned long min, unsigned long max,
			unsigned int *number)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || value < min || value > max) {
		fprintf(stderr, "traffic: %s '%s': takes a number from %lu to %lu\n", option, text,
			min, max);
		return -EINVAL;
	}
	*number = value;
	return 0;
}

static void set_netns(struct request *request, const char *text)
{
	/* As for ip-netns(8), a name is a file under /run/netns. */
	snprintf(request->netns_path, sizeof(request->netns_path), "%s%s",
		 strchr(text, '/') ? "" : "/run/netns/", text);
	request->stage.server_netns = request->netns_path;
}

static int parse_option(struct request *request, int option)
{
	struct stage_options *stage = &request->stage;

	switch (option) {
	case '4':
		stage->family = AF_INET;
		return 0;
	case '6':
		stage->family = AF_INET6;
		return 0;
	case MAPPED:
		stage->mapped = true;
		return 0;
	case CLIENT_ADDR:
		stage->client_addr = optarg;
		return 0;
	case SERVER_ADDR:
		stage->server_addr = optarg;
		return 0;
	case SERVER_NETNS:
		set_netns(request, optarg);
		return 0;
	case COUNT:
		return parse_number("--count", optarg, 1, MAX_COUNT, &request->count);
	case HOLD:
		return parse_number("--hold", optarg, 0, MAX_HOLD_MS, &stage->hold_ms);
	case UID:
		return parse_number("--uid", optarg, 0, UINT32_MAX - 1UL, &stage->uid);
	case COOKIE:
		stage->cookies = true;
		return 0;
	case STEP:
		stage->step = true;
		return 0;
	case 'h':
		request->help = true;
		return 0;
	default:
		return -EINVAL;
	}
}

static int check(struct request *request, const char *name)
{
	if (request->stage.mapped && request->stage.family == AF_INET6) {
		fprintf(stderr, "traffic: --mapped is for IPv4, -6 is not\n");
		return -EINVAL;
	}
	request->list = !strcmp(name, "list");
	request->scenario = scenario_find(name);
	if (!request->list && !request->scenario) {
		fprintf(stderr, "traffic: no scenario '%s': see traffic list\n", name);
		return -EINVAL;
	}
	if (request->scenario && request->scenario->own_netns && request->stage.server_netns) {
		fprintf(stderr, "traffic: %s plays in a network namespace of its own\n", name);
		return -EINVAL;
	}
	return 0;
}

static int parse(struct request *request, int argc, char **argv)
{
	int option, err;

	while ((option = getopt_long(argc, argv, "46h", long_options, NULL)) != -1) {
		err = parse_option(request, option);
		if (err)
			return err;
	}
	if (request->help)
		return 0;
	if (argc - optind != 1) {
		fputs(usage, stderr);
		return -EINVAL;
	}
	return check(request, argv[optind]);
}

static void list(void)
{
	const struct scenario *scenario;

	for (unsigned int i = 0; (scenario = scenario_at(i)); i++)
		printf("%-28s %s%s\n", scenario->name, scenario->about,
		       scenario->own_netns ? " (own network namespace)" : "");
}

static int play(struct stage *stage, const struct request *request)
{
	const struct scenario *scenario = request->scenario;
	int err = stage_error(stage);

	for (unsigned int i = 0; !err && i < request->count; i++) {
		scenario->play(stage);
		err = stage_error(stage);
		if (!err)
			err = report_print(stdout, stage, scenario->name);
		stage_clear(stage);
	}
	return err;
}

static int run(const struct request *request)
{
	struct stage *stage = NULL;
	int err = 0;

	if (request->scenario->own_netns)
		err = netns_own();
	if (err) {
		fprintf(stderr, "traffic: a network namespace: %s\n", strerror(-err));
		return EXIT_CANNOT;
	}
	err = stage_open(&stage, &request->stage);
	if (!err)
		err = play(stage, request);
	if (err)
		fprintf(stderr, "traffic: %s: %s: %s\n", request->scenario->name,
			stage ? stage_words(stage) : "stage", strerror(-err));
	stage_free(stage);
	if (err == -EPERM || err == -ENOENT || err == -EAFNOSUPPORT || err == -ENOPROTOOPT)
		return EXIT_CANNOT;
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct request request = {
		.stage = { .family = AF_INET, .hold_ms = HOLD_MS, .uid = (uid_t)-1 },
		.count = 1,
	};

	if (parse(&request, argc, argv))
		return EXIT_USE;
	if (request.help) {
		fputs(usage, stdout);
		return EXIT_SUCCESS;
	}
	if (request.list) {
		list();
		return EXIT_SUCCESS;
	}
	return run(&request);
}
