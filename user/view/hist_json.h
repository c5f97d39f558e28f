/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A histogram in JSON, as part of an object.
 */
#ifndef TCPDWELL_HIST_JSON_H
#define TCPDWELL_HIST_JSON_H

#include <stdio.h>

#include "model/hist.h"

/* Prints a further member "buckets" of an object: the buckets that are not empty, in ns. */
void hist_json_buckets(FILE *out, const struct hist *hist);

#endif /* TCPDWELL_HIST_JSON_H */
