// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <inttypes.h>
#include <stdbool.h>

#include "base/tcpstate.h"
#include "host/procfs_process.h"
#include "model/leaks.h"
#include "view/leaks_words.h"
#include "view/print.h"

/* A smaller rate a minute rounds to 0, and is not shown. */
#define GROWTH_MIN 0.5

bool leaks_grow(const struct leak *leak)
{
	return leak->watched_ns >= LEAKS_RATE_MIN_NS && leak->growth >= GROWTH_MIN;
}

/* A limit that is ten years away is not worth mentioning. */
#define LIMIT_SHOWN_S (10ULL * 365 * 86400)

static void print_growth(FILE *out, const struct leak *leak, const struct procfs_process *process)
{
	uint64_t limit_s = leak_limit_s(leak, process->fds, process->fd_limit);

	if (!leaks_grow(leak))
		return;
	fprintf(out, ", +%.0f/min", leak->growth);
	if (!limit_s || limit_s > LIMIT_SHOWN_S)
		return;
	fprintf(out, ", limit %" PRIu64 " in ", process->fd_limit);
	print_least(out, limit_s * 1000000000ULL);
}

/*
 * Prints for how long the sockets stay: the duration that was asked for, or what is known about
 * sockets that may be that old.
 */
static void print_for(FILE *out, const struct leak *leak, uint64_t older_ns)
{
	fputs(leak->state == TCPDWELL_ESTABLISHED ? ", idle for " : " for ", out);
	if (leak->count) {
		print_least(out, older_ns);
		fputs(" or longer", out);
		return;
	}
	if (age_worth(leak->ages.oldest) == TCPDWELL_DWELL_UNKNOWN &&
	    leak->ages.oldest.most_ns == AGE_UNBOUNDED) {
		fputs("a time that is not known", out);
		return;
	}
	print_bounds(out, leak->ages.oldest, " to ", 0);
}

static void print_closed(FILE *out, const struct leak *leak)
{
	if (leak->closed)
		fprintf(out, ", %" PRIu64 " closed, all of them young, in ", leak->closed);
	else
		fputs(", none closed in ", out);
	print_least(out, leak->watched_ns);
}

/* Returns what is waited for, as the end of a sentence about the state. */
static const char *waits_for(uint8_t state)
{
	switch (state) {
	case TCPDWELL_SYN_SENT:
		return "the peer does not answer the SYN";
	case TCPDWELL_SYN_RECV:
		return "the peer does not answer the SYN-ACK";
	case TCPDWELL_FIN_WAIT2:
		return "the peer has not closed its side";
	case TCPDWELL_CLOSE:
		return "the connection is over, the descriptor is not closed";
	}
	return "the peer does not acknowledge the FIN";
}

/* Returns whether the sockets are what @leak calls them however old they are. */
static bool at_any_age(const struct leak *leak)
{
	return leak->verdict == LEAK_ORPHANED || leak->verdict == LEAK_TIMEWAIT ||
	       leak->state == TCPDWELL_LISTEN;
}

static void print_many(FILE *out, const struct leak *leak, const char *what)
{
	fprintf(out, "%s%s: %zu in %s", leak->count || at_any_age(leak) ? "" : "perhaps ", what,
		leak->count ?: leak->perhaps, tcpstate_name(leak->state));
}

/* Says that sockets of any age may be younger than what was asked for. */
static void print_perhaps(FILE *out, const struct leak *leak, uint64_t older_ns)
{
	if (leak->count)
		return;
	fputs(", perhaps for ", out);
	print_least(out, older_ns);
	fputs(" or longer", out);
}

static void print_leaks(FILE *out, const struct leak *leak, const struct procfs_process *process,
			uint64_t older_ns)
{
	print_many(out, leak, "leaks");
	if (leak->watched_ns >= LEAKS_RATE_MIN_NS && leak->count)
		print_closed(out, leak);
	else
		print_for(out, leak, older_ns);
	print_growth(out, leak, process);
	if (leak->state == TCPDWELL_CLOSE)
		fprintf(out, ": %s", waits_for(leak->state));
}

static void print_slow(FILE *out, const struct leak *leak, uint64_t older_ns)
{
	fputs("slow: closes after ", out);
	print_least(out, leak->close_ns);
	fprintf(out, " (median of %" PRIu64 ")", leak->closed);
	if (leak->count) {
		fprintf(out, ", %zu in %s for ", leak->count, tcpstate_name(leak->state));
		print_least(out, older_ns);
		fputs(" or longer", out);
	}
}

static void print_waiting(FILE *out, const struct leak *leak, uint64_t older_ns)
{
	print_many(out, leak, leak->verdict == LEAK_HALF_CLOSED ? "half closed" : "unanswered");
	print_for(out, leak, older_ns);
	fprintf(out, ", %s", waits_for(leak->state));
}

void leaks_verdict(FILE *out, const struct leak *leak, const struct procfs_process *process,
		   uint64_t older_ns)
{
	switch (leak->verdict) {
	case LEAK_QUEUE:
		print_many(out, leak, "stuck accept queue");
		fputs(" wait for accept()", out);
		if (leak->queue_max)
			fprintf(out, ", limit %" PRIu32, leak->queue_max);
		print_growth(out, leak, process);
		break;
	case LEAK_ORPHANED:
		print_many(out, leak, "orphaned");
		print_perhaps(out, leak, older_ns);
		fputs(", no process has them", out);
		break;
	case LEAK_SLOW:
		print_slow(out, leak, older_ns);
		break;
	case LEAK_UNANSWERED:
	case LEAK_HALF_CLOSED:
		print_waiting(out, leak, older_ns);
		break;
	case LEAK_AT_WORK:
		print_many(out, leak, "at work");
		print_for(out, leak, older_ns);
		fputs(", and data goes on", out);
		break;
	case LEAK_IDLE:
		print_many(out, leak, leak->state == TCPDWELL_LISTEN ? "listens" : "idle");
		print_for(out, leak, older_ns);
		print_growth(out, leak, process);
		break;
	case LEAK_TIMEWAIT:
		print_many(out, leak, "kept");
		print_perhaps(out, leak, older_ns);
		fputs(", which the kernel ends after 60s", out);
		break;
	default:
		print_leaks(out, leak, process, older_ns);
		break;
	}
}

/* If PIDs are those of another PID namespace, /proc would describe the wrong process. */
void leaks_read_process(const struct leak *leak, const struct leaks_scope *scope,
			struct procfs_process *process)
{
	*process = (struct procfs_process){ 0 };
	if (scope->pids_are_proc && scope->process && leak->pid)
		scope->process(scope->context, leak->pid, leak->comm, process);
}
