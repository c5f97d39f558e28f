// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "stage.h"

#include "address.h"
#include "end.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_ENDS = 64 }; /* the largest scenario, a full accept queue, needs a dozen */

struct stage {
	struct stage_options options;
	struct puppet *client, *server;
	struct sockaddr_storage client_addr, server_addr;
	struct end *ends; /* MAX_ENDS of them */
	unsigned int count;
	int err;
	char words[256];
};

static int cast(struct stage *stage)
{
	const struct stage_options *options = &stage->options;
	int err = 0;

	if (stage->client && puppet_gone(stage->client)) {
		puppet_free(stage->client);
		stage->client = NULL;
	}
	if (!stage->server) {
		err = puppet_start(&stage->server, "traffic-server", options->server_netns,
				   options->uid);
		if (err)
			return stage_fail(stage, err, "start the server");
	}
	if (!stage->client) {
		err = puppet_start(&stage->client, "traffic-client", NULL, options->uid);
		if (err)
			return stage_fail(stage, err, "start the client");
	}
	return 0;
}

static int set_address(struct stage *stage, struct sockaddr_storage *addr, const char *text)
{
	const struct stage_options *options = &stage->options;
	int err;

	if (!text)
		text = options->family == AF_INET6 ? "::1" : "127.0.0.1";
	err = address_parse(addr, text, options->mapped);
	if (err || address_is_ipv6(addr) != (options->family == AF_INET6))
		return stage_fail(stage, -EINVAL, "address '%s'", text);
	return 0;
}

int stage_open(struct stage **stagep, const struct stage_options *options)
{
	struct stage *stage = calloc(1, sizeof(*stage));

	*stagep = stage;
	if (!stage)
		return -ENOMEM;
	stage->options = *options;
	stage->ends = calloc(MAX_ENDS, sizeof(*stage->ends));
	if (!stage->ends)
		return stage_fail(stage, -ENOMEM, "ends");
	if (!set_address(stage, &stage->client_addr, options->client_addr) &&
	    !set_address(stage, &stage->server_addr, options->server_addr))
		cast(stage);
	return stage->err;
}

void stage_free(struct stage *stage)
{
	if (!stage)
		return;
	for (unsigned int i = 0; i < stage->count; i++)
		end_close_quietly(&stage->ends[i]);
	puppet_free(stage->client);
	puppet_free(stage->server);
	free(stage->ends);
	free(stage);
}

void stage_clear(struct stage *stage)
{
	for (unsigned int i = 0; i < stage->count; i++)
		end_close_quietly(&stage->ends[i]);
	stage->count = 0;
	cast(stage);
}

const struct stage_options *stage_options(const struct stage *stage)
{
	return &stage->options;
}

struct puppet *stage_client(struct stage *stage)
{
	return stage->client;
}

struct puppet *stage_server(struct stage *stage)
{
	return stage->server;
}

void stage_address(const struct stage *stage, bool server, struct sockaddr_storage *addr)
{
	*addr = server ? stage->server_addr : stage->client_addr;
}

int stage_error(const struct stage *stage)
{
	return stage->err;
}

const char *stage_words(const struct stage *stage)
{
	return stage->words;
}

int stage_fail(struct stage *stage, int err, const char *format, ...)
{
	va_list args;

	if (!stage->err) {
		stage->err = err;
		va_start(args, format);
		vsnprintf(stage->words, sizeof(stage->words), format, args);
		va_end(args);
	}
	return err;
}

struct end *stage_new_end(struct stage *stage, struct puppet *puppet, const char *role)
{
	struct end *end;

	if (stage->count == MAX_ENDS) {
		stage_fail(stage, -ENOSPC, "more than %d ends", MAX_ENDS);
		return &stage->ends[MAX_ENDS - 1];
	}
	end = &stage->ends[stage->count++];
	end_init(end, stage, puppet, role);
	return end;
}

struct end *stage_end(struct stage *stage, unsigned int index)
{
	return index < stage->count ? &stage->ends[index] : NULL;
}

static void wait_for_time(unsigned int ms)
{
	struct timespec hold = { ms / 1000, ms % 1000 * 1000000L };

	while (nanosleep(&hold, &hold) && errno == EINTR)
		;
}

/*
 * Tells on standard error that it holds, and waits for a line. If standard input ends, all holds
 * end.
 */
static void wait_for_line(void)
{
	int c;

	fputs("holding\n", stderr);
	do
		c = getchar();
	while (c != '\n' && c != EOF);
}

void stage_hold(struct stage *stage)
{
	if (stage->err)
		return;
	if (stage->options.step)
		wait_for_line();
	else
		wait_for_time(stage->options.hold_ms);
	for (unsigned int i = 0; i < stage->count; i++)
		end_still(&stage->ends[i]);
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/*
 * A look at the table of sockets takes the kernel milliseconds, so looks get rarer in a long wait.
 */
void wait_a_little(uint64_t begin_ns)
{
	enum { SHARE = 64, MIN_NS = 200 * 1000, MAX_NS = 50 * 1000 * 1000 };
	uint64_t ns = (now_ns() - begin_ns) / SHARE;
	struct timespec little = { .tv_nsec = ns < MIN_NS ? MIN_NS : ns > MAX_NS ? MAX_NS : ns };

	nanosleep(&little, NULL);
}
