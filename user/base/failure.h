/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The reason why the tool cannot go on, in words. It travels up to the one place that prints.
 *
 * A function that takes a struct failure fills it when it returns a negative value, and only then.
 */
#ifndef TCPDWELL_FAILURE_H
#define TCPDWELL_FAILURE_H

/* Exit statuses. 0 is success, which is also the status after SIGINT, SIGTERM, -d and -n. */
enum {
	STATUS_OTHER = 1, /* a full disk, a program after -- that cannot be started, … */
	STATUS_USE = 2,	  /* the command line */
	STATUS_HOST = 3,  /* privilege, or what the kernel does not have */

	STATUS_FOUND = 10, /* no failure: the command has found what it looks for */
};

#define FAILURE_TEXT_LEN 512

struct failure {
	int status;
	char text[FAILURE_TEXT_LEN]; /* one line without a newline; a longer one is cut */
};

/* Fills @failure and returns -1. The caller must escape what comes from outside. */
__attribute__((format(printf, 3, 4))) int failure_set(struct failure *failure, int status,
						      const char *format, ...);

/* Does the same with "WHAT: Permission denied" and STATUS_OTHER. */
int failure_errno(struct failure *failure, const char *what, int err);

/*
 * Does the same with the output's @err, an -errno. Returns 0 instead if there is no error, if the
 * reader has gone, or if the run was stopped meanwhile.
 */
int failure_output(struct failure *failure, int err);

#endif /* TCPDWELL_FAILURE_H */
