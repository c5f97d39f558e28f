/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What surrounds the findings of `diagnose`: what was looked at and what was not. For a watch into
 * a pipe, also which findings appear and end. Errors stay in the stream. One thread.
 */
#ifndef TCPDWELL_DIAGNOSIS_H
#define TCPDWELL_DIAGNOSIS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "view/finding.h"

/* What was looked at. */
struct diagnosis {
	uint64_t span_ns;
	size_t sockets;
	size_t listeners;
	unsigned int namespaces;
	unsigned int closed; /* namespaces that could not be entered */
	uint64_t lost;	     /* ends of connections that found no room */
	const char *hidden;  /* what this kernel hides; NULL: nothing */
};

/*
 * Prints the last lines: how many findings there are, or that nothing is wrong, and what was looked
 * at.
 */
void diagnosis_print(FILE *out, const struct diagnosis *diagnosis, size_t findings);

/* The findings of the last look. */
struct diagnosis_diff;

/* Returns NULL with errno set. The caller frees it. */
struct diagnosis_diff *diagnosis_diff_new(void);

/* NULL-safe. */
void diagnosis_diff_free(struct diagnosis_diff *diff);

/*
 * A look: begin, add each finding, end. Each finding that appears or ends gets a line.
 * diagnosis_diff_add() returns 0 or -ENOMEM.
 */
void diagnosis_diff_begin(struct diagnosis_diff *diff);
int diagnosis_diff_add(struct diagnosis_diff *diff, FILE *out, const struct finding *finding,
		       const struct finding_context *context, uint64_t wall_ns);
void diagnosis_diff_end(struct diagnosis_diff *diff, FILE *out, uint64_t wall_ns);

#endif /* TCPDWELL_DIAGNOSIS_H */
