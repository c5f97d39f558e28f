/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the tool says of itself, on standard error: standard output is for data alone.
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

/* Prints one line, prefixed. What comes from outside must be escaped by the caller. */
__attribute__((format(printf, 3, 4))) void
notice_print(const struct notice *notice, enum notice_level level, const char *format, ...);

#endif /* TCPDWELL_NOTICE_H */
