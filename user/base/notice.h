/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the tool says of itself, on standard error: standard output is for data alone.
 *
 * A standard error that takes nothing (a pipe that nobody reads, a terminal that is held) is waited
 * for a moment, and then not any more: lines are dropped until it takes one again.
 */
#ifndef TCPDWELL_NOTICE_H
#define TCPDWELL_NOTICE_H

#include <stdbool.h>

enum notice_level {
	NOTICE_WARNING, /* also with -q: the user gets less than was asked for */
	NOTICE_STATUS,	/* not with -q */
	NOTICE_DETAIL,	/* with -v */
};

struct notice {
	bool quiet;
	bool verbose;
};

/*
 * To be called while the process may still open its terminal, before the first line: from then on
 * no line can be held up halfway.
 */
void notice_open(void);

/* Prints one line, prefixed. What comes from outside must be escaped by the caller. */
__attribute__((format(printf, 3, 4))) void
notice_print(const struct notice *notice, enum notice_level level, const char *format, ...);

/* The same, whatever was asked for: why the tool cannot go on. */
__attribute__((format(printf, 1, 2))) void notice_fail(const char *format, ...);

#endif /* TCPDWELL_NOTICE_H */
