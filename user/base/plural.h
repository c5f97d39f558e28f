/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Words for counts: "1 connection", "2 connections".
 */
#ifndef TCPDWELL_PLURAL_H
#define TCPDWELL_PLURAL_H

#include <stdint.h>

/* Returns the ending of a noun that @count stands before. */
static inline const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

#endif /* TCPDWELL_PLURAL_H */
