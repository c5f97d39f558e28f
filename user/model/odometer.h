/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What counters of others have grown by between two looks: of listeners, of network namespaces, of
 * calls that failed. Who counts may go, and another one come. Pure, one thread at a time.
 *
 * Memory follows what was read in the last look. A counter is told apart by 64 bits that the caller
 * makes of whatever tells it apart (odometer_key()).
 */
#ifndef TCPDWELL_ODOMETER_H
#define TCPDWELL_ODOMETER_H

#include <stddef.h>
#include <stdint.h>

struct odometer;

/* Returns NULL with errno set. The caller frees it. */
struct odometer *odometer_new(void);

/* NULL-safe. */
void odometer_free(struct odometer *odometer);

/* A hash of what tells a counter apart, begun with what tells kinds apart. */
uint64_t odometer_key(uint64_t kind, const void *bytes, size_t size);

/* Begins a look: counters that the last one has not read are forgotten. */
void odometer_look(struct odometer *odometer);

/*
 * What was added since the last look, to be asked once a look; of a counter that is new all of it,
 * of one that went back nothing. 0 also where there is no memory.
 */
uint64_t odometer_grew(struct odometer *odometer, uint64_t key, uint64_t value);

#endif /* TCPDWELL_ODOMETER_H */
