// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A capture of ends alone (capture.ends): prints a line of JSON for each row until standard input
 * ends, and then one of what was counted. `diagnose` is the command that asks for it, and does not
 * show rows, so this is a program of the tests. It looks at its own network namespace only.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/tcpstate.h"
#include "kernel/capture.h"
#include "kernel/loader.h"
#include "kernel/source_ring.h"

#define RING_BYTES (1U << 20)
#define FLUSH_MS   20

static int take_row(void *context, const struct event *event)
{
	const struct tcpdwell_transition *t = event->transition;

	(void)context;
	if (event->kind != EVENT_TRANSITION)
		return -EBADMSG;
	printf("{\"lport\":%u,\"rport\":%u,\"from\":\"%s\",\"to\":\"%s\","
	       "\"reason\":\"%s\",\"err\":%u,\"pid\":%u,\"owner\":%u,\"dwell\":%u,"
	       "\"dwell_ns\":%llu}\n",
	       t->lport, t->rport, tcpstate_name(t->from), tcpstate_name(t->to),
	       reason_name(t->reason) ?: "", t->err, t->pid, t->owner, t->dwell,
	       (unsigned long long)t->dwell_ns);
	return 0;
}

/* Takes rows until standard input ends. */
static int watch(struct loader *loader, struct source_ring *source)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	int err = 0;

	printf("ready\n");
	fflush(stdout);
	while (err >= 0 && poll(&input, 1, FLUSH_MS) <= 0) {
		loader_flush(loader, LOADER_WAIT_NS);
		err = source_ring_consume(source);
	}
	loader_detach(loader);
	while (loader_flush(loader, 0) > 0)
		;
	return err < 0 ? err : source_ring_consume(source);
}

static int run(struct loader *loader)
{
	int rings[LOADER_RINGS];
	struct source_ring *source = source_ring_new(rings, loader_rings(loader, rings), take_row,
						     NULL);
	struct tcpdwell_counters counted;
	int err = source ? watch(loader, source) : -errno;

	loader_counters(loader, &counted);
	printf("{\"seen\":%llu,\"emitted\":%llu,\"filtered\":%llu,\"lost\":%llu}\n",
	       (unsigned long long)counted.seen, (unsigned long long)counted.emitted,
	       (unsigned long long)counted.filtered,
	       (unsigned long long)(counted.lost_ring + counted.lost_map));
	source_ring_free(source);
	return err;
}

int main(void)
{
	const struct capture capture = {
		.rows = true,
		.ends = true,
		.ring_bytes = RING_BYTES,
		.filters.netns.path = "/proc/self/ns/net",
	};
	const struct notice notice = {};
	struct failure failure = {};
	struct loader *loader = loader_new(&capture, &notice, &failure);
	int err;

	if (!loader || loader_attach(loader, &failure)) {
		fprintf(stderr, "ends: %s\n", failure.text);
		return 3;
	}
	err = run(loader);
	if (err < 0)
		fprintf(stderr, "ends: %s\n", strerror(-err));
	loader_free(loader);
	return err < 0 ? 1 : 0;
}
