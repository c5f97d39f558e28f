// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "base/put.h"
#include "base/tcpstate.h"
#include "base/text.h"
#include "host/procfs_process.h"
#include "model/leaks.h"
#include "service.h"
#include "view/leaks_words.h"
#include "view/print.h"
#include "view/stacks_report.h"

/* The greatest number of ranges of descriptors in the text; JSON has all. */
#define RANGES_SHOWN 12

static void print_named(FILE *out, const char *what, const char *name)
{
	fputs(what, out);
	print_text(out, name, 0);
}

/* Prints NAMESPACE/NAME, or the UID if nothing else is known. */
static void print_pod(FILE *out, const struct container *c)
{
	if (!c->pod_uid[0])
		return;
	print_named(out, ", pod ", c->pod[0] ? c->pod_namespace : c->pod_uid);
	if (c->pod[0])
		print_named(out, "/", c->pod);
}

/*
 * Prints the container, and the unit that it runs in, unless the unit's name contains the
 * container's.
 */
static void print_place(FILE *out, const struct procfs_process *process)
{
	const struct container *c = &process->container;
	const char *label = container_label(c);

	if (*label) {
		print_named(out, "  container ", label);
		if (c->inner_unit[0])
			print_named(out, ", in it unit ", c->inner_unit);
		print_pod(out, c);
		/*
		 * A runtime names the unit that it makes for a container after the container's id.
		 */
		if (c->unit[0] && !strstr(c->unit, c->id[0] ? c->short_id : label))
			print_named(out, ", below unit ", c->unit);
	} else if (c->unit[0]) {
		print_named(out, "  unit ", c->unit);
	} else if (process->cgroup[0]) {
		print_named(out, "  cgroup ", process->cgroup);
	} else {
		return;
	}
	fputc('\n', out);
}

static void print_process(FILE *out, const struct leak *leak, const struct procfs_process *process)
{
	static const char unseen[] = "  of a process that cannot be seen, or in flight "
				     "(unix socket, io_uring, kernel)\n";

	if (leak->receiver) {
		fprintf(out, "  in flight in the queue of a unix socket of pid %" PRIu32 " ",
			leak->receiver);
		print_text(out, leak->receiver_comm, 0);
		fputs(", which has not received them\n", out);
		return;
	}
	if (leak->kernel) {
		fputs("  of the kernel itself, which makes sockets for NFS and the like\n", out);
		return;
	}
	if (!leak->pid) {
		fputs(leak->verdict == LEAK_ORPHANED || leak->verdict == LEAK_TIMEWAIT ?
			      "  no process\n" :
			      unseen,
		      out);
		return;
	}
	fprintf(out, "  pid %" PRIu32 " ", leak->pid);
	print_text(out, leak->comm, 0);
	if (process->command[0]) {
		fputs(": ", out);
		print_text(out, process->command, 0);
	}
	fputc('\n', out);
	print_place(out, process);
}

/* Returns in a word or two what the connections do. */
static const char *stay_word(const struct leak *leak)
{
	if (leak->queued)
		return "stay unaccepted";
	switch (leak->verdict) {
	case LEAK_IDLE:
		return leak->state == TCPDWELL_LISTEN ? "listen" : "are idle";
	case LEAK_UNANSWERED:
		return "wait for an answer";
	case LEAK_HALF_CLOSED:
	case LEAK_ORPHANED:
		return "wait for the peer";
	case LEAK_AT_WORK:
		return "are at work";
	case LEAK_TIMEWAIT:
		return "are kept";
	default:
		return "stay open";
	}
}

static void print_ages(FILE *out, const struct leak *leak)
{
	fprintf(out, "  %zu %s, oldest ", leak->count ?: leak->perhaps, stay_word(leak));
	print_bounds(out, leak->ages.oldest, " to ", 0);
	fputs(", median ", out);
	print_bounds(out, leak->ages.median, " to ", 0);
	if (leak->count && leak->perhaps)
		fprintf(out, "; %zu perhaps as old", leak->perhaps);
	if (leak->younger)
		fprintf(out, "; %zu younger", leak->younger);
	if (leak->only_grows)
		fputs("; it only grows", out);
	fputc('\n', out);
}

static void print_fds(FILE *out, const struct leak *leak, const struct procfs_process *process)
{
	size_t shown = leak->range_count < RANGES_SHOWN ? leak->range_count : RANGES_SHOWN;

	if (leak->fixed)
		fprintf(out, "  %zu of them are fixed files of io_uring, without a descriptor\n",
			leak->fixed);
	if (!leak->range_count)
		return;
	fputs("  descriptors ", out);
	for (size_t i = 0; i < shown; i++) {
		fprintf(out, "%s%" PRIu32, i ? "," : "", leak->ranges[i].first);
		if (leak->ranges[i].last != leak->ranges[i].first)
			fprintf(out, "-%" PRIu32, leak->ranges[i].last);
	}
	if (shown < leak->range_count)
		fprintf(out, ",… (%zu more ranges)", leak->range_count - shown);
	if (process->fds && process->fd_limit)
		fprintf(out, "; %" PRIu64 " of %" PRIu64 " open (%" PRIu64 " %%)", process->fds,
			process->fd_limit, process->fds * 100 / process->fd_limit);
	fputc('\n', out);
}

/*
 * Prints the services' ports at one end. Where it is not known which end is the service, it prints
 * only the number of sockets.
 */
static void print_ports(FILE *out, const struct leak *leak, uint8_t side, const char *what)
{
	bool any = false;

	for (size_t i = 0; i < leak->port_count; i++) {
		const struct leak_end *end = &leak->ports[i];

		if (end->side != side)
			continue;
		fputs(any ? "," : what, out);
		any = true;
		if (end->port)
			fprintf(out, " %u", end->port);
		fprintf(out, " (%zu)", end->count);
	}
	if (any)
		fputc('\n', out);
}

static void print_ends(FILE *out, const struct leak *leak)
{
	print_ports(out, leak, SERVICE_LOCAL, "  local port");
	print_ports(out, leak, SERVICE_REMOTE, "  remote port");
	print_ports(out, leak, SERVICE_UNKNOWN, "  service unknown");
	if (!leak->peer_count)
		return;
	fputs("  peers", out);
	for (size_t i = 0; i < leak->peer_count; i++) {
		const struct leak_end *peer = &leak->peers[i];
		char text[40 + TEXT_SLACK_BYTES];
		char *end = put_addr(text, peer->family, peer->addr);

		fprintf(out, "%s %.*s (%zu)", i ? "," : "", (int)(end - text), text, peer->count);
	}
	fputc('\n', out);
}

static void print_sharers(FILE *out, const struct leak *leak)
{
	if (!leak->shared)
		return;
	fprintf(out, "  %zu of them are held by others too: pid", leak->shared);
	for (size_t i = 0; i < leak->sharer_count; i++)
		fprintf(out, "%s %" PRIu32, i ? "," : "", leak->sharers[i]);
	fputc('\n', out);
}

static void print_states(FILE *out, uint16_t states)
{
	bool any = false;

	for (unsigned int state = 0; state < TCPDWELL_STATE_MAX; state++) {
		if (!(states >> state & 1))
			continue;
		fprintf(out, "%s%s", any ? " or " : "", tcpstate_name(state));
		any = true;
	}
}

static void print_healthy(FILE *out, const struct leaks *leaks, const struct leaks_scope *scope)
{
	fputs(leaks_full_count(leaks) ? "no socket has been in " :
					"nothing wrong: no socket has been in ",
	      out);
	print_states(out, scope->states);
	fputs(" for ", out);
	print_least(out, scope->older_ns);
	fputs(" or longer", out);
	if (leaks_younger(leaks))
		fprintf(out, ", %zu for less", leaks_younger(leaks));
	fputc('\n', out);
}

/* Prints listeners that drop connections, which are reported in addition. */
static void print_full(FILE *out, const struct leaks *leaks)
{
	for (size_t i = 0; i < leaks_full_count(leaks); i++) {
		const struct tcpdwell_socket *info = leaks_full_at(leaks, i);

		fputs("full accept queue: ", out);
		print_end(out, info->family, info->laddr, info->lport, 0);
		fprintf(out, " holds %" PRIu32 ", limit %" PRIu32 ", %" PRIu32 " dropped so far",
			info->queued, info->queue_max, info->drops);
		if (info->pid) {
			fprintf(out, "; pid %" PRIu32 " ", info->pid);
			print_text(out, info->comm, 0);
		}
		fputc('\n', out);
	}
}

void leaks_report(FILE *out, const struct leaks *leaks, const struct leaks_scope *scope)
{
	size_t count = leaks_count(leaks);
	struct procfs_process process;

	if (!count)
		print_healthy(out, leaks, scope);
	for (size_t i = 0; i < count && i < scope->top; i++) {
		const struct leak *leak = leaks_at(leaks, i);

		leaks_read_process(leak, scope, &process);
		leaks_verdict(out, leak, &process, scope->older_ns);
		fputc('\n', out);
		print_process(out, leak, &process);
		if (!leak->count && !leak->perhaps)
			continue;
		print_ages(out, leak);
		print_fds(out, leak, &process);
		print_ends(out, leak);
		print_sharers(out, leak);
		stacks_report(out, leak);
	}
	if (count > scope->top)
		fprintf(out, "… and %zu more\n", count - scope->top);
	print_full(out, leaks);
}
