// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/plural.h"
#include "view/diagnosis.h"
#include "view/print.h"

void diagnosis_print(FILE *out, const struct diagnosis *d, size_t findings)
{
	if (findings)
		fprintf(out, "%zu finding%s", findings, plural(findings));
	else
		fputs("nothing wrong", out);
	fprintf(out,
		" among %zu socket%s (%zu listener%s) in %u network namespace%s, looked at for ",
		d->sockets, plural(d->sockets), d->listeners, plural(d->listeners), d->namespaces,
		plural(d->namespaces));
	print_duration(out, d->span_ns, 0);
	fputc('\n', out);
	if (d->closed)
		fprintf(out, "not looked at: %u network namespace%s that cannot be entered\n",
			d->closed, plural(d->closed));
	if (d->lost)
		fprintf(out,
			"not looked at: %" PRIu64 " end%s of connections, for the want of room\n",
			d->lost, plural(d->lost));
	if (d->hidden)
		fprintf(out, "not seen on this kernel: %s\n", d->hidden);
}

/* ---- What comes and goes ---- */

/* What identifies a finding, and its line. */
struct entry {
	enum finding_id id;
	uint32_t pid;
	struct fact_address at;
	uint16_t err;
	bool seen; /* at this look */
	char *line;
};

struct diagnosis_diff {
	struct entry *entries;
	size_t count;
};

struct diagnosis_diff *diagnosis_diff_new(void)
{
	return calloc(1, sizeof(struct diagnosis_diff));
}

void diagnosis_diff_free(struct diagnosis_diff *diff)
{
	if (!diff)
		return;
	for (size_t i = 0; i < diff->count; i++)
		free(diff->entries[i].line);
	free(diff->entries);
	free(diff);
}

void diagnosis_diff_begin(struct diagnosis_diff *diff)
{
	for (size_t i = 0; i < diff->count; i++)
		diff->entries[i].seen = false;
}

/*
 * Compares the addresses' ports and namespace, which identify a finding. Other members may change
 * from look to look.
 */
static bool is_same(const struct entry *entry, const struct finding *finding)
{
	const struct fact_address *a = &entry->at, *b = &finding->at;

	return entry->id == finding->id && entry->pid == finding->owner.pid &&
	       entry->err == finding->err && a->netns == b->netns && a->lport == b->lport &&
	       a->rport == b->rport;
}

static void print_clock(FILE *out, uint64_t wall_ns)
{
	time_t seconds = wall_ns / 1000000000;
	struct tm tm;
	char text[16];

	if (localtime_r(&seconds, &tm) && strftime(text, sizeof(text), "%H:%M:%S", &tm))
		fprintf(out, "%s ", text);
}

int diagnosis_diff_add(struct diagnosis_diff *diff, FILE *out, const struct finding *finding,
		       const struct finding_context *context, uint64_t wall_ns)
{
	struct entry *entries, entry = {
		.id = finding->id,
		.pid = finding->owner.pid,
		.at = finding->at,
		.err = finding->err,
		.seen = true,
	};
	size_t len;
	FILE *line;

	for (size_t i = 0; i < diff->count; i++)
		if (!diff->entries[i].seen && is_same(&diff->entries[i], finding)) {
			diff->entries[i].seen = true;
			return 0;
		}
	entries = reallocarray(diff->entries, diff->count + 1, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	diff->entries = entries;
	line = open_memstream(&entry.line, &len);
	if (!line)
		return -ENOMEM;
	finding_print_line(line, finding, context);
	if (fclose(line))
		return -ENOMEM;
	print_clock(out, wall_ns);
	fprintf(out, "+ %s\n", entry.line);
	diff->entries[diff->count++] = entry;
	return 0;
}

void diagnosis_diff_end(struct diagnosis_diff *diff, FILE *out, uint64_t wall_ns)
{
	size_t kept = 0;

	for (size_t i = 0; i < diff->count; i++) {
		if (diff->entries[i].seen) {
			diff->entries[kept++] = diff->entries[i];
			continue;
		}
		print_clock(out, wall_ns);
		fprintf(out, "- %s\n", diff->entries[i].line);
		free(diff->entries[i].line);
	}
	diff->count = kept;
}
