/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the labels and bounds of `export`'s series are called, in whatever format. Pure. */
#ifndef TCPDWELL_EXPORT_LABELS_H
#define TCPDWELL_EXPORT_LABELS_H

#include <stddef.h>

#include "model/export.h"

/* Returns "state" and so on; NULL for EXPORT_PART_NONE. */
const char *export_part_label(enum export_part part);

/* Returns a constant, or writes to @number, which must have room for at least 16 bytes. */
const char *export_part_value(enum export_part part, uint32_t value, char *number, size_t size);

/* Returns the upper bound of bucket @number, in seconds. */
double export_bound_s(unsigned int number);

#endif /* TCPDWELL_EXPORT_LABELS_H */
