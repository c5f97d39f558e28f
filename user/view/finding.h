/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Findings as text of 80 columns or more, and as JSON with an object each. Errors stay in the
 * stream. Pure, any thread.
 */
#ifndef TCPDWELL_VIEW_FINDING_H
#define TCPDWELL_VIEW_FINDING_H

#include <stdint.h>
#include <stdio.h>

#include "host/container.h"
#include "model/findings.h"

/* What the host says of the place and the process. NULL and empty texts are not known. */
struct finding_context {
	const struct fact_netns *netns;
	const char *command; /* the command line of the process */
	const char *texts[CONTAINER_TEXTS];
	const char *pod_uid;
};

/*
 * Prints a finding as a block of text, its title first. Lines have at most @columns, unless a word
 * is longer.
 */
void finding_print(FILE *out, const struct finding *finding, const struct finding_context *context,
		   unsigned int columns);

/* Prints a line of text that says what, where and who, without a newline. */
void finding_print_line(FILE *out, const struct finding *finding,
			const struct finding_context *context);

/* Prints `{"type":"finding",…}` and a newline. The names are a contract: none may be removed. */
void finding_print_json(FILE *out, const struct finding *finding,
			const struct finding_context *context, uint64_t wall_ns);

#endif /* TCPDWELL_VIEW_FINDING_H */
