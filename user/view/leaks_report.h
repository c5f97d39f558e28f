/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `tcpdwell leaks` as text and as JSON. Errors stay in the stream. One thread.
 */
#ifndef TCPDWELL_LEAKS_REPORT_H
#define TCPDWELL_LEAKS_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct leaks;
struct leak;
struct procfs_process;

/* Fills @process as procfs_process_read() does. */
typedef void leaks_process(void *context, uint32_t pid, const char *comm,
			   struct procfs_process *process);

/* What was asked for. */
struct leaks_scope {
	uint16_t states; /* a mask */
	uint64_t older_ns;
	uint32_t top;		/* greatest number of offenders in the text */
	bool pids_are_proc;	/* PIDs are those that /proc shows */
	leaks_process *process; /* NULL: nothing is known of any process */
	void *context;
};

/* Prints a block for each offender, or a line that says that nothing is wrong. */
void leaks_report(FILE *out, const struct leaks *leaks, const struct leaks_scope *scope);

/*
 * Prints an object for each offender. The names are a contract: one may be added, none may be
 * removed.
 */
void leaks_json(FILE *out, const struct leaks *leaks, const struct leaks_scope *scope,
		uint64_t wall_ns);

/* Prints the verdict on @leak in words, without a newline. */
void leaks_verdict(FILE *out, const struct leak *leak, const struct procfs_process *process,
		   uint64_t older_ns);

#endif /* TCPDWELL_LEAKS_REPORT_H */
