/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Why the tool cannot go on, in words, on its way up to the one place that prints.
 *
 * A function that takes a struct failure fills it when it returns a negative value, and only then.
 */
#ifndef TCPDWELL_FAILURE_H
#define TCPDWELL_FAILURE_H

/* Exit statuses; 0 is success, which SIGINT, SIGTERM, -d and -n end with too. */
enum {
	STATUS_OTHER = 1, /* a full disk, a program after -- that cannot be started, … */
	STATUS_USE = 2,	  /* the command line */
	STATUS_HOST = 3,  /* privilege, or what the kernel has not got */
};

#define FAILURE_TEXT_LEN 512

struct failure {
	int status;
	char text[FAILURE_TEXT_LEN]; /* one line, no newline; longer ones are cut */
};

/* Fills @failure and returns -1. What comes from outside must be escaped by the caller. */
__attribute__((format(printf, 3, 4))) int failure_set(struct failure *failure, int status,
						      const char *format, ...);

/* The same, "WHAT: Permission denied", with STATUS_OTHER. */
int failure_errno(struct failure *failure, const char *what, int err);

/* The same of the output's @err; 0 for none, a reader that has gone, or a stop meanwhile. */
int failure_output(struct failure *failure, int err);

#endif /* TCPDWELL_FAILURE_H */
