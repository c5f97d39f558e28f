// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <inttypes.h>
#include <string.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/duration.h"
#include "base/put.h"
#include "base/tcpstate.h"
#include "base/text.h"
#include "host/procfs_process.h"
#include "model/leaks.h"
#include "service.h"
#include "view/layout.h"
#include "view/leaks_report.h"
#include "view/print.h"
#include "view/stacks_report.h"

/* Ranges of descriptors that the text shows; JSON has all. */
#define RANGES_SHOWN 12

/* A watch shorter than this says nothing of a rate. */
#define RATE_MIN_NS 2000000000ULL

/* A minute that is nearly over or nearly none is a rate of nothing. */
#define GROWTH_MIN 0.5

/*
 * ---- Words --------------------------------------------------------------------------------------
 */

static void print_ns(FILE *out, uint64_t ns)
{
	char text[16 + TEXT_SLACK_BYTES];
	unsigned int columns;

	fprintf(out, "%.*s", (int)(put_duration(text, ns, DURATION_DOWN, &columns) - text), text);
}

static bool grows(const struct leak *leak)
{
	return leak->watched_ns >= RATE_MIN_NS && leak->growth >= GROWTH_MIN;
}

/* A limit that is ten years away says nothing. */
#define LIMIT_SHOWN_S (10ULL * 365 * 86400)

static void print_growth(FILE *out, const struct leak *leak, const struct procfs_process *process)
{
	uint64_t limit_s = leak_limit_s(leak, process->fds, process->fd_limit);

	if (!grows(leak))
		return;
	fprintf(out, ", +%.0f/min", leak->growth);
	if (!limit_s || limit_s > LIMIT_SHOWN_S)
		return;
	fprintf(out, ", limit %" PRIu64 " in ", process->fd_limit);
	print_ns(out, limit_s * 1000000000ULL);
}

/* For how long: as long as was asked for, or what is known of those that may be as old. */
static void print_for(FILE *out, const struct leak *leak, uint64_t older_ns)
{
	fputs(leak->state == TCPDWELL_ESTABLISHED ? ", idle for " : " for ", out);
	if (leak->count) {
		print_ns(out, older_ns);
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
	print_ns(out, leak->watched_ns);
}

/* What is waited for: what the words of a state end with. */
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

static void print_many(FILE *out, const struct leak *leak, const char *what)
{
	fprintf(out, "%s%s: %zu in %s", leak->count ? "" : "perhaps ", what,
		leak->count ?: leak->perhaps, tcpstate_name(leak->state));
}

static void print_leaks(FILE *out, const struct leak *leak, const struct procfs_process *process,
			uint64_t older_ns)
{
	print_many(out, leak, "leaks");
	if (leak->watched_ns >= RATE_MIN_NS && leak->count)
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
	print_ns(out, leak->close_ns);
	fprintf(out, " (median of %" PRIu64 ")", leak->closed);
	if (leak->count) {
		fprintf(out, ", %zu in %s for ", leak->count, tcpstate_name(leak->state));
		print_ns(out, older_ns);
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
		fputs(", no process has them", out);
		break;
	case LEAK_SLOW:
		print_slow(out, leak, older_ns);
		break;
	case LEAK_UNANSWERED:
	case LEAK_HALF_CLOSED:
		print_waiting(out, leak, older_ns);
		break;
	case LEAK_IDLE:
		print_many(out, leak, leak->state == TCPDWELL_LISTEN ? "listens" : "idle");
		print_for(out, leak, older_ns);
		print_growth(out, leak, process);
		break;
	case LEAK_TIMEWAIT:
		print_many(out, leak, "kept");
		fputs(", which the kernel ends after 60s", out);
		break;
	default:
		print_leaks(out, leak, process, older_ns);
		break;
	}
}

/*
 * ---- Text ---------------------------------------------------------------------------------------
 */

static void print_named(FILE *out, const char *what, const char *name)
{
	fputs(what, out);
	print_text(out, name, 0);
}

/* NAMESPACE/NAME, or the UID where that is all there is. */
static void print_pod(FILE *out, const struct container *c)
{
	if (!c->pod_uid[0])
		return;
	print_named(out, ", pod ", c->pod[0] ? c->pod_namespace : c->pod_uid);
	if (c->pod[0])
		print_named(out, "/", c->pod);
}

/* The container before the unit that it runs in, unless that has the same name in it. */
static void print_place(FILE *out, const struct procfs_process *process)
{
	const struct container *c = &process->container;
	const char *label = container_label(c);

	if (*label) {
		print_named(out, "  container ", label);
		if (c->inner_unit[0])
			print_named(out, ", in it unit ", c->inner_unit);
		print_pod(out, c);
		/* The unit that a runtime makes for a container has its id for a name. */
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

/* A number that is another PID namespace's leads to another process. */
static void read_process(const struct leak *leak, const struct leaks_scope *scope,
			 struct procfs_process *process)
{
	*process = (struct procfs_process){ 0 };
	if (scope->pids_are_proc && scope->process && leak->pid)
		scope->process(scope->context, leak->pid, leak->comm, process);
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
	if (!leak->pid) {
		fputs(leak->verdict == LEAK_ORPHANED ? "  no process\n" : unseen, out);
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

/* What they do all the time, in a word. */
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

/* Ports of the services that are at one end, or how many sockets there are of which it is open. */
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
	print_ns(out, scope->older_ns);
	fputs(" or longer", out);
	if (leaks_younger(leaks))
		fprintf(out, ", %zu for less", leaks_younger(leaks));
	fputc('\n', out);
}

/* What was looked at beside: listeners that drop what comes. */
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

		read_process(leak, scope, &process);
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

/*
 * ---- JSON ---------------------------------------------------------------------------------------
 */

static const char *const verdicts[] = {
	[LEAK_LEAKS] = "leaks",
	[LEAK_QUEUE] = "stuck_accept_queue",
	[LEAK_ORPHANED] = "orphaned",
	[LEAK_SLOW] = "slow",
	[LEAK_UNANSWERED] = "unanswered",
	[LEAK_HALF_CLOSED] = "half_closed",
	[LEAK_IDLE] = "idle",
	[LEAK_TIMEWAIT] = "timewait",
};

static void json_verdict(FILE *out, const struct leak *leak, const struct procfs_process *process,
			 uint64_t older_ns)
{
	char *text = NULL;
	size_t len;
	FILE *words = open_memstream(&text, &len);

	fprintf(out, ",\"verdict\":\"%s\",\"text\":", verdicts[leak->verdict]);
	if (words) {
		leaks_verdict(words, leak, process, older_ns);
		if (fclose(words)) {
			free(text);
			text = NULL;
		}
	}
	print_json_string(out, text);
	free(text);
}

static const char *const sides[] = {
	[SERVICE_UNKNOWN] = "null",
	[SERVICE_LOCAL] = "\"local\"",
	[SERVICE_REMOTE] = "\"remote\"",
};

static void json_ends(FILE *out, const struct leak *leak)
{
	fputs(",\"lports\":[", out);
	for (size_t i = 0; i < leak->lport_count; i++)
		fprintf(out, "%s{\"port\":%u,\"count\":%zu}", i ? "," : "", leak->lports[i].port,
			leak->lports[i].count);
	fputs("],\"ports\":[", out);
	for (size_t i = 0; i < leak->port_count; i++) {
		const struct leak_end *end = &leak->ports[i];

		fputs(i ? ",{" : "{", out);
		fprintf(out, "\"side\":%s,\"count\":%zu", sides[end->side], end->count);
		print_json_number(out, "port", end->port, end->port);
		fputc('}', out);
	}
	fputs("],\"peers\":[", out);
	for (size_t i = 0; i < leak->peer_count; i++) {
		fputs(i ? ",{" : "{", out);
		print_json_addr(out, "addr", leak->peers[i].family, leak->peers[i].addr);
		fprintf(out, ",\"count\":%zu}", leak->peers[i].count);
	}
	fputc(']', out);
}

static void json_holders(FILE *out, const struct leak *leak)
{
	fputs(",\"descriptors\":[", out);
	for (size_t i = 0; i < leak->range_count; i++)
		fprintf(out, "%s[%" PRIu32 ",%" PRIu32 "]", i ? "," : "", leak->ranges[i].first,
			leak->ranges[i].last);
	fprintf(out, "],\"shared\":%zu,\"sharers\":[", leak->shared);
	for (size_t i = 0; i < leak->sharer_count; i++)
		fprintf(out, "%s%" PRIu32, i ? "," : "", leak->sharers[i]);
	fputc(']', out);
}

static void json_past(FILE *out, const struct leak *leak, const struct procfs_process *process)
{
	bool watched = leak->watched_ns >= RATE_MIN_NS;
	uint64_t limit_s = leak_limit_s(leak, process->fds, process->fd_limit);

	print_json_number(out, "watched_ns", leak->watched_ns, leak->watched_ns);
	if (watched)
		fprintf(out, ",\"growth_per_min\":%.1f,\"only_grows\":%s", leak->growth,
			leak->only_grows ? "true" : "false");
	else
		fputs(",\"growth_per_min\":null,\"only_grows\":null", out);
	print_json_number(out, "closed", leak->watched_ns, leak->closed);
	print_json_number(out, "close_median_ns", leak->closed, leak->close_ns);
	print_json_number(out, "fds", process->fds, process->fds);
	print_json_number(out, "fd_limit", process->fd_limit, process->fd_limit);
	print_json_number(out, "fd_limit_in_s", watched && grows(leak) && limit_s, limit_s);
}

static void json_leak(FILE *out, const struct leak *leak, const struct leaks_scope *scope,
		      uint64_t wall_ns)
{
	const char *texts[CONTAINER_TEXTS];
	struct procfs_process process;

	read_process(leak, scope, &process);
	fputs("{\"type\":\"leak\",\"time\":", out);
	print_json_time(out, wall_ns);
	print_json_number(out, "pid", leak->pid, leak->pid);
	print_json_text(out, "comm", leak->comm);
	print_json_text(out, "command", process.command);
	print_json_text(out, "cgroup", process.cgroup);
	container_texts(&process.container, texts);
	print_json_names(out, texts);
	print_json_text(out, "container_unit", process.container.inner_unit);
	print_json_text(out, "pod_uid", process.container.pod_uid);
	fprintf(out, ",\"state\":\"%s\"", tcpstate_name(leak->state));
	json_verdict(out, leak, &process, scope->older_ns);
	fprintf(out, ",\"count\":%zu,\"perhaps\":%zu,\"younger\":%zu,\"unaccepted\":%zu",
		leak->count, leak->perhaps, leak->younger,
		leak->queued ? leak->count ?: leak->perhaps : 0);
	print_json_number(out, "queue_limit", leak->queue_max, leak->queue_max);
	fputc(',', out);
	print_json_age(out, "oldest", leak->ages.oldest);
	fputc(',', out);
	print_json_age(out, "median", leak->ages.median);
	json_holders(out, leak);
	json_ends(out, leak);
	json_past(out, leak, &process);
	stacks_json(out, leak);
	fprintf(out, ",\"fixed_files\":%zu", leak->fixed);
	print_json_number(out, "receiver_pid", leak->receiver, leak->receiver);
	print_json_text(out, "receiver_comm", leak->receiver_comm);
	fputs("}\n", out);
}

static void json_full(FILE *out, const struct tcpdwell_socket *info,
		      const struct leaks_scope *scope, uint64_t wall_ns)
{
	struct procfs_process process = { 0 };
	const char *texts[CONTAINER_TEXTS];

	fputs("{\"type\":\"full_accept_queue\",\"time\":", out);
	print_json_time(out, wall_ns);
	print_json_number(out, "pid", info->pid, info->pid);
	print_json_text(out, "comm", info->comm);
	if (scope->pids_are_proc && scope->process && info->pid)
		scope->process(scope->context, info->pid, info->comm, &process);
	container_texts(&process.container, texts);
	print_json_names(out, texts);
	fprintf(out, ",\"netns\":%" PRIu32 ",", info->netns);
	print_json_addr(out, "laddr", info->family, info->laddr);
	fprintf(out,
		",\"lport\":%u,\"queued\":%" PRIu32 ",\"queue_limit\":%" PRIu32
		",\"drops\":%" PRIu32,
		info->lport, info->queued, info->queue_max, info->drops);
	/* What each object of a leak has, so that one may be read as the other. */
	fprintf(out,
		",\"state\":\"LISTEN\",\"verdict\":\"full_accept_queue\",\"count\":0,\"perhaps\":0,"
		"\"younger\":0,\"unaccepted\":%" PRIu32 ",\"descriptors\":[]}\n",
		info->queued);
}

/* Whether an offender's block tells of this queue already. */
static bool is_told(const struct leaks *leaks, const struct tcpdwell_socket *info)
{
	for (size_t i = 0; i < leaks_count(leaks); i++) {
		const struct leak *leak = leaks_at(leaks, i);

		if (leak->queued && leak->pid == info->pid && leak->lport_count &&
		    leak->lports[0].port == info->lport)
			return true;
	}
	return false;
}

void leaks_json(FILE *out, const struct leaks *leaks, const struct leaks_scope *scope,
		uint64_t wall_ns)
{
	for (size_t i = 0; i < leaks_count(leaks); i++)
		json_leak(out, leaks_at(leaks, i), scope, wall_ns);
	for (size_t i = 0; i < leaks_full_count(leaks); i++)
		if (!is_told(leaks, leaks_full_at(leaks, i)))
			json_full(out, leaks_full_at(leaks, i), scope, wall_ns);
}
