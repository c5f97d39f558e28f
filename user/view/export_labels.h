/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the labels and bounds of `export`'s series are called, in whatever format. Pure. */
#ifndef TCPDWELL_EXPORT_LABELS_H
#define TCPDWELL_EXPORT_LABELS_H

#include <stddef.h>

#include "model/export.h"

/* Longer values are cut: no name of a process, a unit or a pod is as long, paths may be. */
#define EXPORT_VALUE_BYTES 512

/* "state", …; NULL for EXPORT_PART_NONE. */
const char *export_part_label(enum export_part part);

/* A constant, or written to @number, of 16 bytes or more. */
const char *export_part_value(enum export_part part, uint32_t value, char *number, size_t size);

/* Seconds, up to which bucket @number counts. */
double export_bound_s(unsigned int number);

#endif /* TCPDWELL_EXPORT_LABELS_H */
