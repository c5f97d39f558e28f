// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdio.h>

#include "host/privilege.h"
#include "host/procfs.h"
#include "kernel/feature.h"
#include "kernel/loader.h"
#include "run/capture_options.h"
#include "run/page.h"
#include "run/probe.h"
#include "view/print.h"

static void print_why(FILE *out, const struct features *features, enum feature_id id)
{
	const struct obstacle *why = features_why(features, id);
	char text[OBSTACLE_TEXT_LEN];

	if (why)
		fprintf(out, "; %s", obstacle_text(why, text));
}

/* Returns what the chosen way costs. NULL: nothing worth mentioning. */
static const char *cost_of(const struct features *features, enum feature_id id)
{
	int way = features_way(features, id);

	return way == FEATURE_NONE ? NULL : feature_table[id].ways[way].cost;
}

static void print_table(FILE *out, const struct features *features)
{
	fprintf(out, "%-20s %-9s %s\n", "FEATURE", "BACKEND", "COST; WHY NOT A BETTER ONE");
	for (int id = 0; id < FEATURE_COUNT; id++) {
		fprintf(out, "%-20s %-9s %s", feature_table[id].name,
			features_backend_name(features, id), cost_of(features, id) ?: "-");
		print_why(out, features, id);
		fputc('\n', out);
	}
}

static void print_json(FILE *out, const struct features *features)
{
	for (int id = 0; id < FEATURE_COUNT; id++) {
		const struct obstacle *why = features_why(features, id);
		char text[OBSTACLE_TEXT_LEN];

		fprintf(out, "%c{\"feature\":\"%s\"", id ? ',' : '[', feature_table[id].name);
		print_json_text(out, "backend", features_backend_name(features, id));
		print_json_text(out, "cost", cost_of(features, id));
		print_json_text(out, "why", why ? obstacle_text(why, text) : NULL);
		print_json_text(out, "lost",
				features_have(features, id) ? NULL : feature_table[id].lost);
		fputc('}', out);
	}
}

/*
 * Prints which privileges each command keeps once all is attached, as a second table below the
 * features.
 */
static void print_privileges(FILE *out, const struct privilege_state *state)
{
	fprintf(out, "\nonce attached: user %u, %s, %s\n", state->uid,
		state->bpf_asks ? "CAP_BPF as the kernel asks for it at each call" :
				  "no CAP_BPF but to make tables",
		state->filter ? "system calls filtered" :
				"system calls not filtered: built without libseccomp");
	fprintf(out, "%-16s %s\n", "COMMAND", "KEEPS; WHY");
	for (const struct privilege_row *row = privilege_rows(); row->command; row++)
		fprintf(out, "%-16s %s%s%s\n", row->command, row->kept, row->why ? "; " : "",
			row->why ?: "");
}

static void print_privileges_json(FILE *out, const struct privilege_state *state)
{
	for (const struct privilege_row *row = privilege_rows(); row->command; row++) {
		fprintf(out, ",{\"feature\":\"privileges\"");
		print_json_text(out, "command", row->command);
		print_json_text(out, "kept", row->kept);
		print_json_text(out, "why", row->why);
		fprintf(out, ",\"uid\":%u,\"bpf\":%s,\"filtered\":%s}", state->uid,
			state->bpf_asks ? "true" : "false", state->filter ? "true" : "false");
	}
}

/* What is printed, and how. */
struct report {
	struct privilege_state privileges;
	const struct features *features;
	enum format format;
};

static int print(FILE *out, const void *context)
{
	const struct report *report = context;

	if (report->format == FORMAT_JSON) {
		print_json(out, report->features);
		print_privileges_json(out, &report->privileges);
		fputs("]\n", out);
	} else {
		print_table(out, report->features);
		print_privileges(out, &report->privileges);
	}
	return 0;
}

int probe_run(const struct options *options, const struct notice *notice, struct failure *failure)
{
	struct capture capture;
	struct loader *loader;
	struct report report = { .format = options->format };
	int err;

	if (procfs_check(failure))
		return -1;
	capture_from_options(&capture, options);
	capture.rows = true;
	loader = loader_probe(&capture, notice, failure);
	if (!loader)
		return -1;
	report.features = loader_features(loader);
	privilege_state(&report.privileges);
	err = page_print(print, &report, failure);
	loader_free(loader);
	return err;
}
