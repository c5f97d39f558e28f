// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/tcpstate.h"
#include "host/procfs_process.h"
#include "model/leaks.h"
#include "service.h"
#include "view/leaks_words.h"
#include "view/print.h"
#include "view/stacks_report.h"

static const char *const verdicts[] = {
	[LEAK_LEAKS] = "leaks",		  [LEAK_QUEUE] = "stuck_accept_queue",
	[LEAK_ORPHANED] = "orphaned",	  [LEAK_SLOW] = "slow",
	[LEAK_UNANSWERED] = "unanswered", [LEAK_HALF_CLOSED] = "half_closed",
	[LEAK_AT_WORK] = "at_work",	  [LEAK_IDLE] = "idle",
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
	bool watched = leak->watched_ns >= LEAKS_RATE_MIN_NS;
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
	print_json_number(out, "fd_limit_in_s", watched && leaks_grow(leak) && limit_s, limit_s);
}

static void json_leak(FILE *out, const struct leak *leak, const struct leaks_scope *scope,
		      uint64_t wall_ns)
{
	const char *texts[CONTAINER_TEXTS];
	struct procfs_process process;

	leaks_read_process(leak, scope, &process);
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
	fprintf(out, ",\"kernel\":%s", leak->kernel ? "true" : "false");
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
	/* These are members of every leak's object, so that both kinds can be read alike. */
	fprintf(out,
		",\"state\":\"LISTEN\",\"verdict\":\"full_accept_queue\",\"count\":0,\"perhaps\":0,"
		"\"younger\":0,\"unaccepted\":%" PRIu32 ",\"descriptors\":[]}\n",
		info->queued);
}

/* Returns true if an offender's object reports this queue already. */
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
