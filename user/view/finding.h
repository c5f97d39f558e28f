/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Findings as text, for 80 columns and up, and as JSON, an object each. Errors stay in the stream.
 * Pure, any thread.
 */
#ifndef TCPDWELL_VIEW_FINDING_H
#define TCPDWELL_VIEW_FINDING_H

#include <stdint.h>
#include <stdio.h>

#include "host/container.h"
#include "model/findings.h"

/* What the host says of where and who; NULL and empty text: not known. */
struct finding_context {
	const struct fact_netns *netns;
	const char *command; /* line of the process */
	const char *texts[CONTAINER_TEXTS];
	const char *pod_uid;
};

/* A block, from its title on. Lines have @columns at the most, but for long words. */
void finding_print(FILE *out, const struct finding *finding, const struct finding_context *context,
		   unsigned int columns);

/* One line of text: what, where and who, without a newline. */
void finding_print_line(FILE *out, const struct finding *finding,
			const struct finding_context *context);

/* `{"type":"finding",…}` and a newline. The names are a contract: none may go. */
void finding_print_json(FILE *out, const struct finding *finding,
			const struct finding_context *context, uint64_t wall_ns);

#endif /* TCPDWELL_VIEW_FINDING_H */
