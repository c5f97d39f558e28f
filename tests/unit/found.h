/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is found in the facts of facts_story.h. Each look also makes a digest of the sockets
 * (model/digest.h), which must lead to the same findings.
 */
#ifndef TCPDWELL_FOUND_H
#define TCPDWELL_FOUND_H

#include "model/findings.h"

/* Returns all findings, which the caller frees. */
struct findings *found_look(void);

/* Returns the figure of that name, which the finding must have. */
uint64_t found_figure(const struct finding *finding, const char *name);

void assert_nothing_found(void);

/* Returns the only finding, until the next call. */
const struct finding *found_only(enum finding_id id);

/* Returns the first finding of its kind, among others, until the next call. */
const struct finding *found_first(enum finding_id id);

#endif /* TCPDWELL_FOUND_H */
