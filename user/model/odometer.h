/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * By how much counters of others grew between two looks: counters of listeners, of network
 * namespaces, of calls that failed. A counter may disappear, and new ones may come. Pure, one
 * thread at a time.
 *
 * Memory follows the number of counters read in the last look. A counter is identified by 64 bits,
 * which the caller computes from whatever identifies it (odometer_key()).
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

/*
 * Returns a hash of the bytes that identify a counter; @kind keeps different kinds of counters
 * apart.
 */
uint64_t odometer_key(uint64_t kind, const void *bytes, size_t size);

/* Begins a look, and forgets the counters that the last one has not read. */
void odometer_look(struct odometer *odometer);

/* Forgets a counter that this look has read: it begins at 0 again. */
void odometer_forget(struct odometer *odometer, uint64_t key);

/*
 * Keeps the counters that this look has not read, because it broke off. Returns 0, or -ENOMEM:
 * then a counter may be taken for a new one.
 */
int odometer_keep(struct odometer *odometer);

/*
 * Returns what was added since the last look: all of it for a new counter, 0 for one that went back
 * or if there is no memory. To be called once a look for each counter.
 */
uint64_t odometer_grew(struct odometer *odometer, uint64_t key, uint64_t value);

#endif /* TCPDWELL_ODOMETER_H */
