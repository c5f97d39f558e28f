/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What surrounds the findings of `diagnose`: what was looked at and what was not; and, for a watch
 * into a pipe, which findings come and go. Errors stay in the stream. One thread.
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
	uint64_t lost;	     /* ends of connections that found no room to be summed */
	const char *hidden;  /* what this kernel does not let be seen, NULL: nothing */
};

/* The last lines: how many findings there are, or that nothing is wrong, of what. */
void diagnosis_print(FILE *out, const struct diagnosis *diagnosis, size_t findings);

/* Which findings there were at the last look. */
struct diagnosis_diff;

/* Returns NULL with errno set. The caller frees it. */
struct diagnosis_diff *diagnosis_diff_new(void);

/* NULL-safe. */
void diagnosis_diff_free(struct diagnosis_diff *diff);

/* A look: begin, add each finding, end. A line says what came, and what is gone. 0 or -ENOMEM. */
void diagnosis_diff_begin(struct diagnosis_diff *diff);
int diagnosis_diff_add(struct diagnosis_diff *diff, FILE *out, const struct finding *finding,
		       const struct finding_context *context, uint64_t wall_ns);
void diagnosis_diff_end(struct diagnosis_diff *diff, FILE *out, uint64_t wall_ns);

#endif /* TCPDWELL_DIAGNOSIS_H */
