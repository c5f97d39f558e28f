/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the text and the JSON of `leaks` say in the same words. Errors stay in the stream.
 */
#ifndef TCPDWELL_LEAKS_WORDS_H
#define TCPDWELL_LEAKS_WORDS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "view/leaks_report.h"

/* A shorter watch does not show a rate. */
#define LEAKS_RATE_MIN_NS 2000000000ULL

bool leaks_grow(const struct leak *leak);

/* Fills @process. All zero: nothing is known of who leaks. */
void leaks_read_process(const struct leak *leak, const struct leaks_scope *scope,
			struct procfs_process *process);

#endif /* TCPDWELL_LEAKS_WORDS_H */
