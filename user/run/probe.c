// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/btf.h>

#include "host/privilege.h"
#include "kernel/capability.h"
#include "run/page.h"
#include "run/probe.h"
#include "view/print.h"

/* A line of the report. Texts are constants or the capability's; NULL: nothing to say. */
struct finding {
	const char *feature;
	const char *backend;
	const char *cost;
	const char *why; /* there is no better one */
};

static const char *const backend_names[] = {
	[BACKEND_AUTO] = "auto",   [BACKEND_FENTRY] = "fentry", [BACKEND_KPROBE] = "kprobe",
	[BACKEND_TIMER] = "timer", [BACKEND_NONE] = "none",
};

static const char *const backend_costs[] = {
	[BACKEND_AUTO] = NULL,
	[BACKEND_FENTRY] = "the calls of the traced functions",
	[BACKEND_KPROBE] = "the calls of the traced functions, each a trap or a jump",
	[BACKEND_TIMER] = "some 40 ns for every timer of the host that is started or ends",
	[BACKEND_NONE] = NULL,
};

/* Why something as good as fentry is not in use, for a feature that has all the backends. */
static const char *hidden_why(const struct capability *can, enum backend backend)
{
	switch (backend) {
	case BACKEND_FENTRY:
		return NULL;
	case BACKEND_NONE:
		if (can->timer.err)
			return obstacle_text(&can->timer);
		if (!can->cookie)
			return "no socket cookies in tracing programs (Linux 5.12)";
		/* fall through */
	default:
		return can->fentry.err ? obstacle_text(&can->fentry) : "another one was asked for";
	}
}

static struct finding find_hidden(const struct capability *can, const char *feature,
				  enum backend backend)
{
	return (struct finding){
		.feature = feature,
		.backend = backend_names[backend],
		.cost = backend_costs[backend],
		.why = hidden_why(can, backend),
	};
}

static struct finding find_accept(const struct capability *can)
{
	struct finding f = { .feature = "accept_owner", .why = obstacle_text(&can->fentry) };

	if (!can->fentry.err)
		return (struct finding){ "accept_owner", "fentry", "the calls of accept()", NULL };
	f.backend = !can->kprobe.err ? "kprobe" : !can->syscall.err ? "syscall" : "none";
	if (can->kprobe.err && !can->syscall.err)
		f.cost = "a slower way into every system call of the host";
	return f;
}

static struct finding find_port(const struct capability *can)
{
	if (!can->fentry.err)
		return (struct finding){ "connect_port", "fentry", "the calls of connect()", NULL };
	return (struct finding){
		.feature = "connect_port",
		.backend = can->atomic ? "tick" : "none",
		.cost = can->atomic ? "CLOSE -> SYN_SENT is shown up to 100 ms late" : NULL,
		.why = obstacle_text(&can->fentry),
	};
}

static struct finding find_identity(const struct capability *can)
{
	if (can->cookie)
		return (struct finding){ "identity", "cookie", NULL, NULL };
	return (struct finding){ "identity", "address", NULL,
				 "no socket cookies in tracing programs (Linux 5.12)" };
}

#define FINDINGS 6

static void find(const struct capability *can, struct finding findings[FINDINGS])
{
	findings[0] = (struct finding){ "transitions", "tp_btf", "each transition", NULL };
	findings[1] = find_identity(can);
	findings[2] = find_accept(can);
	findings[3] = find_port(can);
	findings[4] = find_hidden(can, "syn_recv", can->requests);
	findings[5] = find_hidden(can, "timewait", can->minis);
}

static void print_table(FILE *out, const struct finding *findings)
{
	fprintf(out, "%-13s %-8s %s\n", "FEATURE", "BACKEND", "COST; WHY NOT A BETTER ONE");
	for (int i = 0; i < FINDINGS; i++) {
		const struct finding *f = &findings[i];

		fprintf(out, "%-13s %-8s %s%s%s\n", f->feature, f->backend, f->cost ? f->cost : "-",
			f->why ? "; " : "", f->why ? f->why : "");
	}
}

static void print_json(FILE *out, const struct finding *findings)
{
	for (int i = 0; i < FINDINGS; i++) {
		fprintf(out, "%c{\"feature\":\"%s\"", i ? ',' : '[', findings[i].feature);
		print_json_text(out, "backend", findings[i].backend);
		print_json_text(out, "cost", findings[i].cost);
		print_json_text(out, "why", findings[i].why);
		fputc('}', out);
	}
}

/* What is kept once all is attached: a table of its own below that of features. */
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
	struct finding findings[FINDINGS];
	enum format format;
};

static void print(FILE *out, const void *context)
{
	const struct report *report = context;

	if (report->format == FORMAT_JSON) {
		print_json(out, report->findings);
		print_privileges_json(out, &report->privileges);
		fputs("]\n", out);
	} else {
		print_table(out, report->findings);
		print_privileges(out, &report->privileges);
	}
}

int probe_run(const struct options *options, struct failure *failure)
{
	struct report report = { .format = options->format };
	struct capability can;
	struct btf *kernel;
	int err;

	if (privilege_check(failure))
		return -1;
	kernel = capability_btf(failure);
	if (!kernel)
		return -1;
	err = capability_probe(&can, kernel, options->backend, failure);
	btf__free(kernel);
	if (err)
		return err;
	find(&can, report.findings);
	privilege_state(&report.privileges);
	return page_print(print, &report, failure);
}
