/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Prints what the tool says of itself on standard error: standard output is for data alone.
 *
 * If standard error takes nothing (a pipe that nobody reads, a terminal that is held), a line waits
 * for a moment. After that no line waits: lines are dropped until standard error takes one again.
 */
#ifndef TCPDWELL_NOTICE_H
#define TCPDWELL_NOTICE_H

#include <stdbool.h>

enum notice_level {
	NOTICE_WARNING, /* shown also with -q: the user gets less than was asked for */
	NOTICE_STATUS,	/* not shown with -q */
	NOTICE_DETAIL,	/* shown only with -v */
};

struct notice {
	bool quiet;
	bool verbose;
};

/*
 * Opens the terminal for lines, so that no line can be held up halfway. To be called before the
 * first line, while the process may still open its terminal.
 */
void notice_open(void);

/* Prints one line with a prefix. The caller must escape what comes from outside. */
__attribute__((format(printf, 3, 4))) void
notice_print(const struct notice *notice, enum notice_level level, const char *format, ...);

/* Prints why the tool cannot go on, whatever options were given. */
__attribute__((format(printf, 1, 2))) void notice_fail(const char *format, ...);

#endif /* TCPDWELL_NOTICE_H */
