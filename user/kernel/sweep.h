/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Looks now and then for connections that the kernel side remembers and that are gone: a kernel
 * may run no program for an end (bpf/sweep.bpf.h). They are forgotten, and counted as missed.
 *
 * A thread of its own does it, without privileges: once a minute, or seldom enough to take no more
 * than a thousandth of a processor. It takes a third of a microsecond for each connection.
 */
#ifndef TCPDWELL_SWEEP_H
#define TCPDWELL_SWEEP_H

#include <stdint.h>

struct programs;
struct sweep;
struct tables;

/*
 * Begins with it: through all of @tables, by @programs. Both must outlive it. Returns
 * NULL with errno set.
 */
struct sweep *sweep_new(const struct programs *programs, const struct tables *tables);

/*
 * Looks for the last time, while ends are still told, so that what is counted is all. Returns 0, or
 * -errno of the first look that the kernel refused. NULL-safe.
 */
int sweep_finish(struct sweep *sweep);

/*
 * Has the same programs tell of the connections that go on, instead of looking whether they do
 * (bpf/open.bpf.h): while @asked, of the kernel side, says so. Any time before it is freed. Returns
 * 0 or -errno; -EOPNOTSUPP for NULL.
 */
int sweep_tell_open(struct sweep *sweep, volatile uint32_t *asked);

/* NULL-safe. */
void sweep_free(struct sweep *sweep);

#endif /* TCPDWELL_SWEEP_H */
